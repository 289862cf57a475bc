//! What the screen is given, and what it asks for.

use std::{net::IpAddr, sync::Arc, time::Duration};

use crate::{
    attribution::snapshot::{PortMap, Snapshot, SpaceKey},
    cost::OwnCost,
    details::ProcessDetails,
};

/// What the screen is given at each tick.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Who holds which ports.
    pub snapshot: Arc<Snapshot>,
    /// Where that comes from.
    pub status: Status,
    /// The ports of the space that was asked for ([`Request::PortMap`]), if there is such a space.
    pub port_map: Option<(SpaceKey, Arc<PortMap>)>,
}

/// Where a snapshot comes from, and how portex itself does.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// Name of the host. Untrusted in a replay, like all texts here.
    pub host: Arc<str>,
    /// Release of the kernel, as `uname -r` gives it.
    pub kernel: Arc<str>,
    /// How portex is attached; `None` when nothing is traced.
    pub attach: Option<Arc<str>>,
    /// When the snapshot was taken.
    pub time: jiff::Timestamp,
    /// For how long portex had been running then.
    pub uptime: Duration,
    /// Events per second since the frame before.
    pub events_per_s: f64,
    /// What portex itself costs: since the frame before, or the latest that is known; `None` in a replay.
    pub own_cost: Option<OwnCost>,
    /// Between frames.
    pub interval: Duration,
    /// Of a replay: where it stands.
    pub replay: Option<Replay>,
    /// Bytes written so far, when the run is recorded.
    pub recorded: Option<u64>,
    /// One line on what to look at.
    pub advice: Option<Arc<str>>,
    /// What portex could not do or see, a line each.
    pub notes: Arc<[String]>,
}

/// Where a replay stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Replay {
    /// How far it has come from the beginning of the recording.
    pub position: Duration,
    /// How many times faster than it was; infinite: as fast as possible.
    pub speed: f64,
    /// Whether all of it was shown.
    pub ended: bool,
}

/// What the screen hears.
#[derive(Debug)]
pub enum Message {
    /// A new frame.
    Frame(Box<Frame>),
    /// A key, or a new size of the terminal.
    Input(crossterm::event::Event),
    /// An answer to [`Request::Process`].
    Process(Box<ProcessDetails>),
    /// An answer to [`Request::HostName`]; `None`: the address has no name.
    HostName(IpAddr, Option<Arc<str>>),
    /// There will be no more frames, and the screen ends.
    Stop,
}

/// What the screen asks for. Nothing of it changes what is measured.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Frames this far apart.
    Interval(Duration),
    /// With each frame the port map of this space; at once the first time.
    PortMap(Option<SpaceKey>),
    /// What `/proc` knows of a process.
    Process(u32),
    /// The name of an address, by reverse DNS.
    HostName(IpAddr),
    /// A replay that many times faster than it was.
    Speed(f64),
    /// The user wants to leave.
    Quit,
}
