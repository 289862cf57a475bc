//! Settings of a namespace that people change without need, or should.

use anyhow::{Result, ensure};

use super::diagnosis::Severity;
use super::{LIMIT, OF_A_FULL_SPACE, Patient, Rule, full_of_time_waits, healthy, small, together};
use crate::netns::NetNs;
use crate::procnet::{counter, wait_for_time_wait};
use crate::runner::Context;
use crate::scenarios::{PORT, V4, split};

fn with(settings: &[(&str, &str)]) -> Result<Patient> {
    let netns = NetNs::new()?;
    for (name, value) in settings {
        netns.sysctl(&format!("ipv4/{name}"), value)?;
    }
    Patient::new(netns)
}

/// A rule about one setting: a value that it must speak of, and one that it must not.
fn setting(
    context: &Context<'_>,
    rule: &Rule<'_>,
    sick: &[(&str, &str)],
    well: &[(&str, &str)],
    words: &[&str],
) -> Result<()> {
    together(&[
        &|| {
            rule.holds(
                context,
                || with(sick),
                |finding, _| finding.says(words).map(drop),
            )
        },
        &|| healthy(context, rule.id, &with(well)?),
    ])
}

/// It does not do what it is lowered for.
pub(in crate::scenarios) fn fin_timeout(context: &Context<'_>) -> Result<()> {
    let rule = Rule::new("fin_timeout").fixes(1);
    let value = |seconds| [("tcp_fin_timeout", seconds)];
    setting(context, &rule, &value("15"), &value("60"), &["15", "60"])
}

/// Where TIME_WAITs take the ports, and none may be taken over.
pub(in crate::scenarios) fn tw_reuse(context: &Context<'_>) -> Result<()> {
    const ID: &str = "tw_reuse";
    const COUNT: usize = 36;
    const HERE: &str = "10.77.0.1";
    let rule = Rule::new(ID)
        .also(OF_A_FULL_SPACE)
        .also(&["time_wait_churn"])
        .fixes(1);
    let off = || full_of_time_waits(V4, COUNT);
    // The default is for the loopback only, and this address is none of its own.
    let default = || {
        let mut patient = small()?;
        patient.netns.sysctl("ipv4/tcp_tw_reuse", "2")?;
        patient.netns.add_addresses(&[HERE.parse()?])?;
        let arguments = format!("--dst {HERE}:{PORT} --count {COUNT} --peer close --close active");
        let load = patient.admit(&format!("connect {arguments}"))?;
        split(&load.step()?, COUNT, 0)?;
        load.step()?;
        wait_for_time_wait(&patient.netns, PORT, COUNT, LIMIT)?;
        Ok(patient)
    };
    let useless = || with(&[("tcp_tw_reuse", "1"), ("tcp_timestamps", "0")]);
    together(&[
        &|| {
            rule.holds(context, off, |finding, _| {
                finding.says(&["tcp_tw_reuse = 0", "36"]).map(drop)
            })
        },
        &|| {
            rule.holds(context, default, |finding, _| {
                finding.says(&["tcp_tw_reuse = 2", "36", HERE]).map(drop)
            })
        },
        &|| {
            rule.holds(context, useless, |finding, _| {
                finding
                    .says(&["tcp_tw_reuse = 1", "tcp_timestamps = 0"])
                    .map(drop)
            })
        },
        &|| healthy(context, ID, &full_of_time_waits(V4, COUNT / 4)?),
        &|| healthy(context, ID, &with(&[("tcp_tw_reuse", "1")])?),
    ])
}

pub(in crate::scenarios) fn autobind_reuse(context: &Context<'_>) -> Result<()> {
    let rule = Rule::new("autobind_reuse").fixes(1);
    let value = |reuse| [("ip_autobind_reuse", reuse)];
    setting(
        context,
        &rule,
        &value("1"),
        &value("0"),
        &["ip_autobind_reuse"],
    )
}

/// More TIME_WAITs than the bound allows: the others are skipped, and lose what they are for.
pub(in crate::scenarios) fn overflow(context: &Context<'_>) -> Result<()> {
    const ID: &str = "time_wait_overflow";
    const COUNT: usize = 15;
    let close = |buckets: usize| {
        let mut patient = with(&[("tcp_max_tw_buckets", &buckets.to_string())])?;
        let arguments = format!("connect --dst {V4} --count {COUNT} --peer close --close active");
        let load = patient.admit(&arguments)?;
        split(&load.step()?, COUNT, 0)?;
        load.step()?;
        let overflows = counter(&patient.netns, "TCPTimeWaitOverflow")?;
        let expected = u64::try_from(COUNT.saturating_sub(buckets))?;
        ensure!(
            overflows == expected,
            "the kernel counted {overflows} overflows, not {expected}"
        );
        Ok::<_, anyhow::Error>(patient)
    };
    let rule = |fixes| Rule::new(ID).also(&["tw_buckets_low"]).fixes(fixes);
    // What was counted stays counted, whatever is done.
    together(&[
        &|| {
            rule(0).holds(
                context,
                || close(5),
                |finding, _| finding.says(&["10", "5"]).map(drop),
            )
        },
        &|| {
            rule(1).holds(
                context,
                || close(COUNT),
                |finding, _| {
                    finding.is(Severity::Warning)?;
                    finding.says(&["15"]).map(drop)
                },
            )
        },
        &|| healthy(context, ID, &close(1000)?),
    ])
}

/// The bound is so low that somebody must have lowered it.
pub(in crate::scenarios) fn buckets(context: &Context<'_>) -> Result<()> {
    let rule = Rule::new("tw_buckets_low").fixes(1);
    let value = |buckets| [("tcp_max_tw_buckets", buckets)];
    let words = ["500", "28,232"];
    setting(context, &rule, &value("500"), &value("65536"), &words)
}
