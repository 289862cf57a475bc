//! `portex doctor`: each rule where it must speak and where it must not, and its advice taken.
//!
//! A rule is tried on two namespaces that differ in what it is about. What is wrong in the sick one is
//! made by real sockets and settings, so that the scenario knows the figures. A remedy that is said to
//! remove the finding is run as it is printed (`remedy`), and the finding must have gone.

pub(super) mod conntrack;
mod diagnosis;
pub(super) mod here;
pub(super) mod holders;
pub(super) mod pools;
pub(super) mod range;
mod remedy;
pub(super) mod settings;

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};

use self::diagnosis::{Finding, diagnose};
use super::{PORT, split};
use crate::load::Load;
use crate::netns::NetNs;
use crate::parallel::each;
use crate::procnet::wait_for_time_wait;
use crate::runner::Context;

/// An even number: of an odd one, a search may leave one out.
const PORTS: u16 = 40;
const LOW: u16 = 40_000;

/// For TIME_WAITs to come, on the slowest emulated machine.
const LIMIT: Duration = Duration::from_secs(30);

/// What is said of a range as small as this, whatever else there is.
const OF_A_SMALL_RANGE: &[&str] = &["port_range"];

/// And of an endangered space with one destination and one source, whoever fills it.
const OF_A_FULL_SPACE: &[&str] = &["port_range", "one_destination", "source_addresses"];

/// A namespace, and who is in it.
struct Patient {
    netns: NetNs,
    loads: Vec<Load>,
    /// Does nothing, but lets a command enter the namespace by its id.
    _resident: Load,
}

impl Patient {
    fn new(netns: NetNs) -> Result<Self> {
        let resident = Load::start(&netns, "hold")?;
        Ok(Self {
            netns,
            loads: Vec::new(),
            _resident: resident,
        })
    }

    /// Starts a workload in it, which has done nothing yet.
    fn admit(&mut self, arguments: &str) -> Result<&mut Load> {
        self.loads.push(Load::start(&self.netns, arguments)?);
        self.loads.last_mut().context("no load")
    }

    /// Of the last that was admitted.
    fn pid(&self) -> Result<String> {
        let last = self.loads.last().context("no load")?;
        Ok(last.pid().to_string())
    }

    fn pids(&self) -> Vec<u32> {
        self.loads.iter().map(Load::pid).collect()
    }
}

/// A namespace with a small range.
fn small() -> Result<Patient> {
    Patient::new(NetNs::with_ports(LOW, LOW + PORTS - 1)?)
}

/// One in which nothing may take over the TIME_WAITs that so many connections have left.
fn full_of_time_waits(dst: &str, count: usize) -> Result<Patient> {
    let mut patient = small()?;
    // On the loopback interface, the default lets them be taken over.
    patient.netns.sysctl("ipv4/tcp_tw_reuse", "0")?;
    let arguments = format!("connect --dst {dst} --count {count} --peer close --close active");
    let load = patient.admit(&arguments)?;
    split(&load.step()?, count, 0)?;
    load.step()?;
    wait_for_time_wait(&patient.netns, PORT, count, LIMIT)?;
    Ok(patient)
}

/// A rule that must speak.
struct Rule<'a> {
    id: &'a str,
    /// A word of the subject, where there may be several findings.
    about: &'a str,
    /// Others that speak as well, as they should.
    also: Vec<&'a str>,
    /// How many of its remedies are commands that remove the finding.
    fixes: usize,
}

impl<'a> Rule<'a> {
    fn new(id: &'a str) -> Self {
        Self {
            id,
            about: "",
            also: Vec::new(),
            fixes: 0,
        }
    }

    fn about(self, about: &'a str) -> Self {
        Self { about, ..self }
    }

    fn also(mut self, also: &[&'a str]) -> Self {
        self.also.extend(also);
        self
    }

    fn fixes(self, fixes: usize) -> Self {
        Self { fixes, ..self }
    }

    /// Makes the namespace, lets `judge` look at the finding, and takes the advice: each remedy in a
    /// namespace of its own, since the first leaves nothing for the second.
    fn holds(
        &self,
        context: &Context<'_>,
        make: impl Fn() -> Result<Patient> + Sync,
        judge: impl Fn(&Finding, &Patient) -> Result<()>,
    ) -> Result<()> {
        let rule = || self.id.to_owned();
        let first = make()?;
        let finding = self.found(context, &first).with_context(rule)?;
        judge(&finding, &first)?;
        let commands = finding.fixes().len();
        ensure!(
            commands >= self.fixes,
            "{}: {commands} commands that fix it, not {}: {finding:#?}",
            self.id,
            self.fixes
        );
        thread::scope(|scope| {
            let others = scope.spawn(|| {
                each(1..commands, |number| {
                    let next = make()?;
                    let finding = self.found(context, &next).with_context(rule)?;
                    self.fixed_by(context, &next, &finding, number)
                })
            });
            let fixed = self.fixed_by(context, &first, &finding, 0);
            let others = others.join().map_err(|_| anyhow!("a thread panicked"));
            fixed.and(others?.map(drop))
        })?;
        for command in finding.others() {
            remedy::show(command, &first)?;
        }
        Ok(())
    }

    fn found(&self, context: &Context<'_>, patient: &Patient) -> Result<Finding> {
        let diagnosis = diagnose(context, &patient.netns)?;
        let ids: Vec<&str> = self.also.iter().copied().chain([self.id]).collect();
        diagnosis.only(&ids)?;
        let finding = diagnosis.one_about(self.id, self.about)?;
        finding.is_of(&patient.netns)?;
        Ok(finding.clone())
    }

    fn fixed_by(
        &self,
        context: &Context<'_>,
        patient: &Patient,
        finding: &Finding,
        number: usize,
    ) -> Result<()> {
        let Some(command) = finding.fixes().get(number).copied() else {
            return Ok(());
        };
        remedy::apply(command, patient)?;
        let after = diagnose(context, &patient.netns)?;
        after
            .none(self.id)
            .with_context(|| format!("after {command:?}"))
    }
}

/// A namespace in which a rule must not speak.
fn healthy(context: &Context<'_>, id: &str, patient: &Patient) -> Result<()> {
    diagnose(context, &patient.netns)?.none(id)
}

/// Side by side: a doctor mostly waits for the kernel to take its programs off.
fn together(tasks: &[&(dyn Fn() -> Result<()> + Sync)]) -> Result<()> {
    each(tasks, |task| task()).map(drop)
}
