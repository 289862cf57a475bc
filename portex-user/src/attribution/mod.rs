//! The model: owners, port spaces, rates, forecast, retention. Events and what was found on the host
//! go in, a [`Snapshot`] comes out. Does no I/O.

pub mod snapshot;

pub use snapshot::Snapshot;
