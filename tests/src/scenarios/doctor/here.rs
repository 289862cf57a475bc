//! What portex can do on this machine, and why not more.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;

use super::diagnosis::{self, Diagnosis, LIMIT, Severity, Watch, diagnose};
use super::small;
use crate::load::Load;
use crate::netns::NetNs;
use crate::process::{myself, run_to_end};
use crate::runner::Context;
use crate::scenarios::{V4, split};
use crate::told::check_text;

/// How it attaches here: by the way that it says when it traces.
pub(in crate::scenarios) fn attach(context: &Context<'_>) -> Result<()> {
    let netns = NetNs::new()?;
    let diagnosis = diagnose(context, &netns)?;
    let finding = diagnosis.one("attach")?;
    ensure!(finding.netns.is_none(), "of a namespace: {finding:#?}");
    finding.says(&[context.way.name()])?;
    Ok(())
}

/// A user that may not, before and after the program is granted what it needs.
pub(in crate::scenarios) fn capabilities(context: &Context<'_>) -> Result<()> {
    const ID: &str = "capabilities";
    // A copy, to which anything may be granted.
    let name = format!("portex-tests-granted-{}", std::process::id());
    let copy = std::env::temp_dir().join(name);
    std::fs::copy(context.portex, &copy).context("cannot copy portex")?;
    let judged = granted(context, ID, &copy);
    std::fs::remove_file(&copy)?;
    judged?;
    diagnose(context, &NetNs::new()?)?.none(ID)
}

fn granted(context: &Context<'_>, id: &str, portex: &Path) -> Result<()> {
    const USER: &str = "--uid 65534";
    let confined = confined(context, portex, USER)?;
    let finding = confined.one(id)?;
    finding.says(&["CAP_BPF", "CAP_PERFMON"])?;
    ensure!(finding.severity < Severity::Info, "only {finding:#?}");
    let path = portex.to_str().context("not UTF-8")?;
    let grant = |command: &&str| command.starts_with("setcap ") && command.ends_with(path);
    let fixes = finding.fixes();
    let grant = fixes.iter().copied().find(grant);
    let grant = grant.with_context(|| format!("no setcap of {path}: {finding:#?}"))?;
    let words: Vec<&str> = grant.split(' ').collect();
    let [program, capabilities, _] = words.as_slice() else {
        bail!("refused to run {grant:?}");
    };
    match Command::new(program).args([capabilities, path]).status() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            println!("doctor_capabilities: {program} is not here, so nothing is granted");
            return Ok(());
        }
        status => ensure!(status?.success(), "{grant:?} failed"),
    }
    let now = self::confined(context, portex, USER)?;
    now.none(id).with_context(|| format!("after {grant:?}"))
}

/// A kernel that does not say where its fields are.
pub(in crate::scenarios) fn btf(context: &Context<'_>) -> Result<()> {
    const ID: &str = "btf";
    let confined = confined(context, context.portex, "--hide /sys/kernel/btf")?;
    confined.one(ID)?.says(&["/sys/kernel/btf/vmlinux"])?;
    diagnose(context, &NetNs::new()?)?.none(ID)
}

/// Runs it with something taken away from it.
fn confined(context: &Context<'_>, portex: &Path, world: &str) -> Result<Diagnosis> {
    let mut command: Command = myself(&["confine"]);
    command
        .args(world.split_whitespace())
        .arg("--")
        .arg(portex)
        .args(diagnosis::arguments(context));
    diagnosis::run(&mut command).with_context(|| world.to_owned())
}

/// A ring buffer that is too small on purpose.
pub(in crate::scenarios) fn losses(context: &Context<'_>) -> Result<()> {
    const ID: &str = "losses";
    const COUNT: usize = 300;
    for (size, is_lossy) in [("4096", true), ("1048576", false)] {
        let netns = NetNs::new()?;
        let arguments = format!("connect --dst {V4} --count {COUNT} --churn");
        let mut load = Load::start(&netns, &arguments)?;
        let watch = Watch::start(context, &netns, &["--ring-size", size])?;
        watch.signal(Signal::STOP)?;
        split(&load.step()?, COUNT, 0)?;
        watch.signal(Signal::CONT)?;
        let diagnosis = watch.finish()?;
        if is_lossy {
            diagnosis.one(ID)?;
        } else {
            diagnosis.none(ID)?;
        }
    }
    Ok(())
}

/// Names of processes that a terminal or a shell would obey.
pub(in crate::scenarios) fn hostile(context: &Context<'_>) -> Result<()> {
    /// ESC [ 2 J `;reboot` LF
    const NAME: &str = "1b5b324a3b7265626f6f740a";
    let mut patient = small()?;
    let load = patient.admit(&format!("connect --dst {V4} --count 36 --comm-hex {NAME}"))?;
    split(&load.step()?, 36, 0)?;
    let pid = patient.pid()?;
    let diagnosis = diagnose(context, &patient.netns)?;
    diagnosis.one("connection_leak")?.says(&[&pid])?;
    let mut commands = diagnosis
        .findings
        .iter()
        .flat_map(|finding| [finding.fixes(), finding.others()].concat());
    let named = commands.find(|command| command.contains("reboot"));
    ensure!(named.is_none(), "a name is in a command: {named:?}");
    let inode = patient.netns.inode().to_string();
    let mut command = Command::new(context.portex);
    let finished = run_to_end(command.args(["doctor", "--netns", &inode]), LIMIT)?;
    ensure!(finished.status.success(), "{}", finished.stderr);
    let lines = finished.stdout.split(|byte| *byte == b'\n');
    let text: Vec<&str> = lines.map(check_text).collect::<Result<_>>()?;
    let is_told = text.iter().any(|line| line.contains(&pid));
    ensure!(is_told, "{pid} is not in\n{}", text.join("\n"));
    Ok(())
}
