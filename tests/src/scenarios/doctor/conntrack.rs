//! The table of connections that the kernel tracks, and ports that NAT gives out.

use anyhow::{Context as _, Result, ensure};

use super::diagnosis::{Severity, Watch};
use super::{Patient, Rule, healthy};
use crate::load::Skip;
use crate::netfilter::{insert_failed, masquerade_as, track, tracked};
use crate::netns::NetNs;
use crate::runner::Context;
use crate::scenarios::{V4, split};

/// More entries than this take too long to make, and too much memory.
const MOST: u32 = 400_000;

const BOUND: &str = "net.netfilter.nf_conntrack_max=";

/// The table is almost full.
pub(in crate::scenarios) fn table(context: &Context<'_>) -> Result<()> {
    const ID: &str = "conntrack_table";
    let well = Patient::new(NetNs::new()?)?;
    let (_, max) = tracked(&well.netns)?;
    if context.emulated || max == 0 || max > MOST {
        let why = format!("a table of {max} entries is too large to be filled here");
        return Err(Skip(why).into());
    }
    let fill = |patient: &Patient, percent: u32| -> Result<u32> {
        let wanted = max / 100 * percent;
        track(&patient.netns, wanted)?;
        let (count, _) = tracked(&patient.netns)?;
        ensure!(count == wanted, "{count} are tracked, not {wanted}");
        Ok(count)
    };
    fill(&well, 10)?;
    healthy(context, ID, &well)?;
    let rule = Rule::new(ID);
    let sick = Patient::new(NetNs::new()?)?;
    fill(&sick, 96)?;
    let finding = rule.found(context, &sick)?;
    finding.is(Severity::Critical)?;
    let (count, max) = tracked(&sick.netns)?;
    finding.says(&[&count.to_string(), &max.to_string()])?;
    // The bound is the machine's, which is not changed here.
    for command in finding.fixes() {
        let is_larger = command.split_once(BOUND).is_some_and(|(_, value)| {
            value
                .trim()
                .parse::<u32>()
                .is_ok_and(|value| value / 5 * 4 > count)
        });
        ensure!(is_larger, "{command:?} does not fix it: {finding:#?}");
    }
    Ok(())
}

/// NAT finds no port for new connections, whose packets are dropped.
pub(in crate::scenarios) fn insert_failures(context: &Context<'_>) -> Result<()> {
    const ID: &str = "conntrack_insert_failed";
    tracked(&NetNs::new()?)?;
    for count in [10, 1] {
        let mut patient = Patient::new(NetNs::new()?)?;
        masquerade_as(&patient.netns, 30_000)?;
        patient.admit(&format!("connect --dst {V4} --nonblocking --count {count}"))?;
        let watch = Watch::start(context, &patient.netns, &[])?;
        let load = patient.loads.first_mut().context("no load")?;
        split(&load.step()?, count, 0)?;
        let failed = insert_failed(&patient.netns)?;
        let expected = count - 1;
        // Each is tried again, after a second.
        ensure!(
            failed >= u64::try_from(expected)? && (failed > 0) == (expected > 0),
            "{failed} insertions failed, not {expected}"
        );
        let diagnosis = watch.finish()?;
        if expected > 0 {
            diagnosis.one(ID)?.is_of(&patient.netns)?;
        } else {
            diagnosis.none(ID)?;
        }
    }
    Ok(())
}
