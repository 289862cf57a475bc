//! What makes the range of ephemeral ports smaller than it looks.

use std::net::IpAddr;

use anyhow::{Result, ensure};

use super::diagnosis::Severity;
use super::{LOW, OF_A_SMALL_RANGE, Patient, Rule, healthy, small, together};
use crate::netns::NetNs;
use crate::runner::Context;
use crate::scenarios::{V4, split};

/// Most of the range is reserved.
pub(in crate::scenarios) fn reserved(context: &Context<'_>) -> Result<()> {
    const ID: &str = "reserved_ports";
    let reserve = |ports: &str| {
        let patient = small()?;
        patient
            .netns
            .sysctl("ipv4/ip_local_reserved_ports", ports)?;
        Ok::<_, anyhow::Error>(patient)
    };
    let rule = Rule::new(ID).also(OF_A_SMALL_RANGE).fixes(1);
    together(&[
        &|| {
            rule.holds(
                context,
                || reserve("40000-40029"),
                |finding, _| {
                    finding.is(Severity::Notice)?;
                    finding.says(&["30", "40", "75.0"]).map(drop)
                },
            )
        },
        &|| healthy(context, ID, &reserve("30000-30029")?),
    ])
}

/// Somebody listens at ports that a connect would be given.
pub(in crate::scenarios) fn listeners(context: &Context<'_>) -> Result<()> {
    const ID: &str = "listeners_in_range";
    let listen = |first: u16| {
        let mut patient = small()?;
        for port in first..first + 3 {
            patient.admit(&format!("serve --listen 127.0.0.1:{port}"))?;
        }
        Ok::<_, anyhow::Error>(patient)
    };
    let rule = Rule::new(ID).also(OF_A_SMALL_RANGE).fixes(1);
    together(&[
        &|| {
            rule.holds(
                context,
                || listen(LOW + 10),
                |finding, patient| {
                    finding.is(Severity::Notice)?;
                    for (pid, port) in patient.pids().iter().zip(LOW + 10..) {
                        finding.says(&[&pid.to_string(), &port.to_string()])?;
                    }
                    Ok(())
                },
            )
        },
        &|| healthy(context, ID, &listen(5000)?),
    ])
}

/// A node of a Kubernetes cluster, whose services have ports of their own.
pub(in crate::scenarios) fn node_ports(context: &Context<'_>) -> Result<()> {
    const ID: &str = "listeners_in_range";
    let node = |low: u16, comm: &str| {
        let mut patient = Patient::new(NetNs::with_ports(low, low + 3999)?)?;
        patient.admit(&format!("connect --dst {V4} --count 0 --comm {comm}"))?;
        Ok::<_, anyhow::Error>(patient)
    };
    let rule = Rule::new(ID).fixes(1);
    together(&[
        &|| {
            rule.holds(
                context,
                || node(30_000, "kubelet"),
                |finding, _| {
                    finding.is(Severity::Warning)?;
                    finding.says(&["kubelet", "30000-32767", "2768"]).map(drop)
                },
            )
        },
        &|| healthy(context, ID, &node(34_000, "kubelet")?),
        &|| healthy(context, ID, &node(30_000, "cubelet")?),
    ])
}

/// A process binds to an address before it connects, and takes its ports from all destinations.
pub(in crate::scenarios) fn bound(context: &Context<'_>) -> Result<()> {
    const ID: &str = "bind_before_connect";
    const COUNT: usize = 12;
    let open = |more: &str| {
        let mut patient = small()?;
        let arguments = format!("bound --dst {V4} --from 127.0.0.5 --count {COUNT} {more}");
        let connects = patient.admit(&arguments)?.step()?;
        split(&connects, COUNT, 0)?;
        let from: IpAddr = "127.0.0.5".parse()?;
        ensure!(
            connects.iter().all(|connect| connect.local.ip() == from),
            "not from there: {connects:?}"
        );
        Ok::<_, anyhow::Error>(patient)
    };
    let rule = Rule::new(ID).also(OF_A_SMALL_RANGE);
    together(&[
        &|| {
            rule.holds(
                context,
                || open(""),
                |finding, patient| {
                    let pid = patient.pid()?;
                    finding.says(&[&COUNT.to_string(), &pid]).map(drop)
                },
            )
        },
        &|| healthy(context, ID, &open("--no-port")?),
    ])
}

/// The range itself is small.
pub(in crate::scenarios) fn range(context: &Context<'_>) -> Result<()> {
    const ID: &str = "port_range";
    let rule = Rule::new(ID).fixes(2);
    together(&[
        &|| {
            rule.holds(context, small, |finding, _| {
                finding.is(Severity::Notice)?;
                finding.says(&["40", "40000"]).map(drop)
            })
        },
        &|| {
            healthy(
                context,
                ID,
                &Patient::new(NetNs::with_ports(1024, 65_535)?)?,
            )
        },
    ])
}
