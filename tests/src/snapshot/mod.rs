//! What `portex snapshot --json` prints, read by the contract and not by portex's own types.

mod run;

use std::net::IpAddr;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Deserializer};

pub(crate) use self::run::{Watch, command, take};
use crate::told::check_text;

/// One line of it. A field of the contract that is missing is an error; more are not.
#[derive(Clone, Debug, Deserialize)]
#[expect(
    dead_code,
    reason = "that a field is there, and of which type, is checked by reading it"
)]
pub(crate) struct Snapshot {
    pub(crate) time: String,
    pub(crate) kernel: String,
    #[serde(deserialize_with = "present")]
    pub(crate) attach: Option<String>,
    #[serde(deserialize_with = "present")]
    pub(crate) uptime_s: Option<f64>,
    pub(crate) lost: u64,
    pub(crate) dropped_samples: u64,
    /// What portex itself costs.
    #[serde(deserialize_with = "present")]
    pub(crate) own_cost: Option<serde_json::Value>,
    pub(crate) spaces: Vec<Space>,
    pub(crate) processes: Vec<Process>,
    pub(crate) bind_pools: Vec<BindPool>,
}

#[derive(Clone, Debug, Deserialize)]
#[expect(
    dead_code,
    reason = "that a field is there, and of which type, is checked by reading it"
)]
pub(crate) struct Space {
    pub(crate) netns: u64,
    pub(crate) proto: String,
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) dst_port: u16,
    pub(crate) dev: u32,
    pub(crate) range: (u16, u16),
    pub(crate) own_range: bool,
    pub(crate) capacity: u32,
    pub(crate) used: u32,
    pub(crate) time_wait: u32,
    pub(crate) close_wait: u32,
    pub(crate) bound: u32,
    pub(crate) recyclable: u32,
    pub(crate) blocked: u32,
    pub(crate) free: u32,
    pub(crate) exact: bool,
    pub(crate) fill: f64,
    #[serde(deserialize_with = "present")]
    pub(crate) connects_per_s: Option<f64>,
    #[serde(deserialize_with = "present")]
    pub(crate) failures: Option<u64>,
    #[serde(deserialize_with = "present")]
    pub(crate) failures_per_s: Option<f64>,
    #[serde(deserialize_with = "present")]
    pub(crate) exhausts_in_s: Option<f64>,
    pub(crate) owners: Vec<Owner>,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Owner {
    #[serde(deserialize_with = "present")]
    pub(crate) pid: Option<u32>,
    pub(crate) comm: String,
    #[serde(deserialize_with = "present")]
    pub(crate) cgroup: Option<String>,
    pub(crate) ports: u32,
    pub(crate) time_wait: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[expect(
    dead_code,
    reason = "that a field is there, and of which type, is checked by reading it"
)]
pub(crate) struct Process {
    #[serde(deserialize_with = "present")]
    pub(crate) pid: Option<u32>,
    pub(crate) comm: String,
    #[serde(deserialize_with = "present")]
    pub(crate) cgroup: Option<String>,
    pub(crate) netns: u64,
    pub(crate) ports: u32,
    pub(crate) time_wait: u32,
    pub(crate) close_wait: u32,
    pub(crate) bound: u32,
    #[serde(deserialize_with = "present")]
    pub(crate) connects_per_s: Option<f64>,
    #[serde(deserialize_with = "present")]
    pub(crate) failures: Option<u64>,
    #[serde(deserialize_with = "present")]
    pub(crate) failures_per_s: Option<f64>,
    #[serde(deserialize_with = "present")]
    pub(crate) search_p50_ns: Option<u64>,
    #[serde(deserialize_with = "present")]
    pub(crate) search_p99_ns: Option<u64>,
    #[serde(deserialize_with = "present")]
    pub(crate) top: Option<Top>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Top {
    pub(crate) dst: IpAddr,
    pub(crate) dst_port: u16,
    pub(crate) ports: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[expect(
    dead_code,
    reason = "that a field is there, and of which type, is checked by reading it"
)]
pub(crate) struct BindPool {
    pub(crate) netns: u64,
    pub(crate) proto: String,
    pub(crate) src: IpAddr,
    pub(crate) capacity: u32,
    pub(crate) used: u32,
    pub(crate) free: u32,
    pub(crate) exact: bool,
    #[serde(deserialize_with = "present")]
    pub(crate) failures: Option<u64>,
    #[serde(deserialize_with = "present")]
    pub(crate) failures_per_s: Option<f64>,
    pub(crate) owners: Vec<Owner>,
}

/// Null is a value, but a missing field is none: serde by itself takes it for null.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(from)
}

impl Snapshot {
    /// From all of standard output: one line.
    pub(crate) fn parse(stdout: impl AsRef<[u8]>) -> Result<Self> {
        let stdout = stdout.as_ref();
        let text = check_text(stdout.strip_suffix(b"\n").unwrap_or(stdout))?;
        let snapshot: Self = serde_json::from_str(text).with_context(|| shortened(text))?;
        ensure!(
            snapshot.time.ends_with('Z'),
            "no time in UTC: {}",
            snapshot.time
        );
        snapshot.spaces.iter().try_for_each(Space::check)?;
        Ok(snapshot)
    }

    /// The rows of a namespace.
    pub(crate) fn spaces_of(&self, netns: u64) -> impl Iterator<Item = &Space> {
        self.spaces.iter().filter(move |space| space.netns == netns)
    }

    /// The row of all sockets from there to there that have no range of their own.
    pub(crate) fn space(&self, netns: u64, dst: IpAddr, dst_port: u16) -> Result<&Space> {
        let mut rows = self
            .spaces_of(netns)
            .filter(|space| space.dst == dst && space.dst_port == dst_port && !space.own_range);
        let row = rows.next();
        let row = row.with_context(|| format!("no space towards {dst} port {dst_port}"))?;
        ensure!(
            rows.next().is_none(),
            "two spaces towards {dst} port {dst_port}"
        );
        Ok(row)
    }
}

impl Space {
    /// What holds for any row.
    fn check(&self) -> Result<()> {
        let is_consistent = self.proto == "tcp"
            && self.range.0 <= self.range.1
            && self.capacity <= u32::from(self.range.1 - self.range.0) + 1
            && self.time_wait <= self.used
            && self.recyclable <= self.time_wait
            && self.used + self.blocked <= self.capacity
            && self.free <= self.capacity - self.used - self.blocked + self.recyclable
            && (0.0..=1.0).contains(&self.fill);
        ensure!(is_consistent, "the numbers contradict each other: {self:?}");
        let sum = |of: fn(&Owner) -> u32| self.owners.iter().map(of).sum::<u32>();
        ensure!(
            sum(|owner| owner.ports) == self.used && sum(|owner| owner.time_wait) == self.time_wait,
            "the owners do not hold all: {self:?}"
        );
        Ok(())
    }
}

fn shortened(text: &str) -> String {
    let begin: String = text.chars().take(300).collect();
    format!("not a snapshot: {begin}")
}
