//! Running the command that a remedy prints, in the scenario's own namespace and nowhere else.

use std::fs::metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context as _, Result, bail, ensure};

use super::Patient;
use crate::netns::NetNs;

const SHELL: &str = "/bin/sh";

/// Settings that each namespace has for itself; no other is written.
const SETTINGS: [&str; 7] = [
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_autobind_reuse",
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.tcp_timestamps",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_max_tw_buckets",
];

/// What a command is allowed to do here.
#[derive(Debug, PartialEq, Eq)]
enum Act {
    /// `sysctl -w`, of some of the settings above.
    Set(Vec<(String, String)>),
    /// `ip address add`, to the loopback interface.
    Address,
    /// `kill`, of one of the scenario's own processes.
    Kill,
    /// Only to show something.
    Look,
}

/// Runs a printed command. It must say by itself which namespace it is for, and be harmless for any
/// other: a mistake of portex is to fail the test, not to change the machine.
pub(super) fn apply(command: &str, patient: &Patient) -> Result<()> {
    let netns = &patient.netns;
    let act = check(command, patient)?;
    if Path::new(SHELL).exists() {
        let output = run(command, netns)?;
        return succeeded(command, &output);
    }
    // The emulated machines have no shell, and no sysctl.
    match act {
        Act::Set(settings) => settings
            .iter()
            .try_for_each(|(name, value)| netns.sysctl(&below_net(name)?, value)),
        other => bail!("no shell here, and {other:?} needs one: {command:?}"),
    }
}

/// Runs a printed command that is not said to fix anything, and returns what it shows; nothing where
/// the machine has not the tool.
pub(super) fn show(command: &str, patient: &Patient) -> Result<Option<String>> {
    /// "Command not found", of the shell and of nsenter.
    const NOT_FOUND: i32 = 127;
    check(command, patient)?;
    if !Path::new(SHELL).exists() {
        return Ok(None);
    }
    let output = run(command, &patient.netns)?;
    if output.status.code() == Some(NOT_FOUND) {
        return Ok(None);
    }
    succeeded(command, &output)?;
    Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned()))
}

fn check(command: &str, patient: &Patient) -> Result<Act> {
    let ours = patient.netns.inode();
    let act = allowed(command, &patient.pids(), |path| {
        let metadata = metadata(path).with_context(|| path.display().to_string())?;
        ensure!(metadata.ino() == ours, "{} is another", path.display());
        Ok(())
    });
    act.with_context(|| format!("refused to run {command:?}"))
}

/// Should it not enter the namespace that it says, it is in it already.
fn run(command: &str, netns: &NetNs) -> Result<Output> {
    let output = netns.enter(|| Command::new(SHELL).args(["-c", command]).output());
    output.with_context(|| command.to_owned())
}

fn succeeded(command: &str, output: &Output) -> Result<()> {
    ensure!(
        output.status.success(),
        "{command:?} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// The file below `/proc/sys/net`.
fn below_net(name: &str) -> Result<String> {
    let below = name.strip_prefix("net.").context("not of the network")?;
    Ok(below.replace('.', "/"))
}

/// What the command does, if it may; `is_ours` is asked about the namespace that it enters.
fn allowed(command: &str, pids: &[u32], is_ours: impl Fn(&Path) -> Result<()>) -> Result<Act> {
    let words = words(command)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let words = words.strip_prefix(&["sudo"]).unwrap_or(&words);
    if let ["kill", rest @ ..] = words {
        return kill(rest, pids);
    }
    let (path, inner) = match words {
        ["nsenter", first, rest @ ..] => {
            let path = first.strip_prefix("--net=").context("enters what?")?;
            (path.to_owned(), rest)
        }
        ["ip", "netns", "exec", name, rest @ ..] => (format!("/run/netns/{name}"), rest),
        _ => bail!("it does not say which namespace it is for"),
    };
    is_ours(Path::new(&path))?;
    let inner = inner.strip_prefix(&["--"]).unwrap_or(inner);
    match inner {
        ["sysctl", "-w", settings @ ..] if !settings.is_empty() => {
            let settings = settings.iter().map(|text| setting(text));
            Ok(Act::Set(settings.collect::<Result<_>>()?))
        }
        ["ip", "addr" | "address", "add", _, "dev", "lo"] => Ok(Act::Address),
        ["cat", path] if path.starts_with("/proc/net/") => Ok(Act::Look),
        // Not -K and -D, which end sockets and write files.
        ["ss", flags, ..] if flags.strip_prefix('-').is_some_and(only_lists) => Ok(Act::Look),
        other => bail!("{other:?} is not allowed here"),
    }
}

fn only_lists(flags: &str) -> bool {
    flags.chars().all(|flag| "tunlpoaem".contains(flag))
}

fn setting(text: &str) -> Result<(String, String)> {
    let (name, value) = text.split_once('=').context("no value")?;
    ensure!(
        SETTINGS.contains(&name),
        "{name} is not the namespace's own"
    );
    Ok((name.to_owned(), value.to_owned()))
}

fn kill(words: &[&str], pids: &[u32]) -> Result<Act> {
    let pid = match words {
        [pid] | ["-TERM" | "-15", pid] => pid.parse::<u32>()?,
        other => bail!("kill {other:?}"),
    };
    ensure!(pids.contains(&pid), "{pid} is not the scenario's");
    Ok(Act::Kill)
}

/// The words of a command, as a shell has them. Nothing but words and quotes is allowed.
fn words(command: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in command.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (Some('\''), c) => word.get_or_insert_default().push(c),
            (_, c) if c.is_alphanumeric() || "-_./:=,".contains(c) || (c == ' ') => {
                word.get_or_insert_default().push(c);
            }
            (_, c) => bail!("{c:?} in a command that should be words"),
        }
    }
    ensure!(quote.is_none(), "an open quote");
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use anyhow::ensure;

    use super::{Act, allowed, below_net, words};

    fn ours(command: &str) -> anyhow::Result<Act> {
        allowed(command, &[7], |path| {
            ensure!(
                path == "/run/netns/a" || path == "/proc/7/ns/net",
                "not ours"
            );
            Ok(())
        })
    }

    #[test]
    fn commands_for_the_own_namespace_are_allowed() {
        for command in [
            "nsenter --net=/proc/7/ns/net sysctl -w net.ipv4.ip_local_port_range='1024 65535'",
            "sudo nsenter --net=/proc/7/ns/net -- sysctl -w 'net.ipv4.ip_local_port_range=1024 65535'",
            "ip netns exec a sysctl -w \"net.ipv4.ip_local_port_range=1024 65535\"",
        ] {
            let set = Act::Set(vec![(
                "net.ipv4.ip_local_port_range".into(),
                "1024 65535".into(),
            )]);
            assert_eq!(ours(command).unwrap(), set, "{command}");
        }
        assert_eq!(ours("kill 7").unwrap(), Act::Kill);
        let list = "nsenter --net=/proc/7/ns/net ss -tnpo state established dst '[::1]' dport = :5";
        assert_eq!(ours(list).unwrap(), Act::Look);
        let add = "ip netns exec a ip addr add 127.0.0.9/8 dev lo";
        assert_eq!(ours(add).unwrap(), Act::Address);
    }

    #[test]
    fn all_others_are_refused() {
        for command in [
            "sysctl -w net.ipv4.tcp_tw_reuse=1",
            "nsenter --net=/proc/1/ns/net sysctl -w net.ipv4.tcp_tw_reuse=1",
            "ip netns exec b sysctl -w net.ipv4.tcp_tw_reuse=1",
            "ip netns exec a sysctl -w net.netfilter.nf_conntrack_max=1",
            "ip netns exec a sysctl -w kernel.panic=1",
            "ip netns exec a sysctl -w net.ipv4.tcp_tw_reuse=1 net.core.somaxconn=1",
            "ip netns exec a rm -r /",
            "ip netns exec a sysctl -w net.ipv4.tcp_tw_reuse=1; reboot",
            "ip netns exec a sysctl -w net.ipv4.tcp_tw_reuse=\"$(reboot)\"",
            "ip netns exec a ip addr add 10.0.0.9/8 dev eth0",
            "ip netns exec a ss -K dst 10.0.0.1",
            "ip netns exec a ss -tK",
            "ip netns exec a ss -tn dst [::1]",
            "kill 1",
            "kill -9 -1",
            "'open",
            "",
        ] {
            ours(command).unwrap_err();
        }
    }

    #[test]
    fn quotes_keep_words_together() {
        assert_eq!(
            words("a 'b c'  \"d e\"f ''").unwrap(),
            ["a", "b c", "d ef", ""]
        );
        assert_eq!(
            below_net("net.ipv4.tcp_tw_reuse").unwrap(),
            "ipv4/tcp_tw_reuse"
        );
    }
}
