//! Binds to port 0 of an address that has no port left.

use std::io::ErrorKind;
use std::net::TcpListener;

use anyhow::{Context as _, Result, bail, ensure};

use super::diagnosis::{Severity, Watch};
use super::{OF_A_SMALL_RANGE, PORTS, Patient, Rule, healthy, remedy, small, together};
use crate::fact::Fact;
use crate::parallel::each;
use crate::runner::Context;
use crate::scenarios::V4;

const ID: &str = "pool_exhausted";

fn bound(times: u16, more: &str) -> Result<Patient> {
    let mut patient = small()?;
    let load = patient.admit(&format!("pool --at 127.0.0.1 --binds {times} {more}"))?;
    let facts = load.facts()?;
    match facts.as_slice() {
        [Fact::BoundAll { binds, .. }] if *binds == u32::from(times.min(PORTS)) => Ok(patient),
        other => bail!("the workload is not as meant: {other:?}"),
    }
}

fn pool(context: &Context<'_>, proto: &str, more: &str) -> Result<()> {
    let rule = Rule::new(ID)
        .about("127.0.0.1")
        .also(OF_A_SMALL_RANGE)
        .fixes(1);
    together(&[
        &|| {
            rule.holds(
                context,
                || bound(PORTS + 3, more),
                |finding, _| finding.says(&["40", "127.0.0.1", proto]).map(drop),
            )
        },
        &|| healthy(context, ID, &bound(PORTS / 4, more)?),
    ])
}

/// What failed meanwhile is counted, and a port that is taken is another matter.
pub(in crate::scenarios) fn watched(context: &Context<'_>) -> Result<()> {
    let cases = vec![("TCP", ""), ("UDP", "--udp")];
    each(cases, |(proto, more)| {
        let mut patient = small()?;
        patient.admit(&format!("pool --at 127.0.0.1 --binds 43 {more}"))?;
        let watch = Watch::start(context, &patient.netns, &[])?;
        patient.loads.first_mut().context("no load")?.step()?;
        let diagnosis = watch.finish()?;
        let finding = diagnosis.one_about(ID, "127.0.0.1")?;
        finding.is_of(&patient.netns)?.is(Severity::Critical)?;
        finding.says(&[proto, "40", "3 calls"])?;
        Ok(())
    })?;
    let mut patient = small()?;
    patient.admit(&format!("serve --listen {V4}"))?;
    let watch = Watch::start(context, &patient.netns, &[])?;
    let second = patient.netns.enter(|| TcpListener::bind(V4));
    let kind = second.err().map(|error| error.kind());
    ensure!(kind == Some(ErrorKind::AddrInUse), "bound again: {kind:?}");
    let diagnosis = watch.finish()?;
    let finding = diagnosis.one(ID)?.is(Severity::Notice)?;
    let pid = std::process::id().to_string();
    finding
        .is_of(&patient.netns)?
        .says(&["conflict", &pid, V4])?;
    for command in finding.others() {
        let shown = remedy::show(command, &patient)?.unwrap_or_default();
        let holder = format!("pid={},", patient.pid()?);
        ensure!(
            shown.is_empty() || shown.contains(&holder),
            "{command:?} does not show {holder}: {shown}"
        );
    }
    Ok(())
}

pub(in crate::scenarios) fn tcp(context: &Context<'_>) -> Result<()> {
    pool(context, "TCP", "")
}

pub(in crate::scenarios) fn udp(context: &Context<'_>) -> Result<()> {
    pool(context, "UDP", "--udp")
}
