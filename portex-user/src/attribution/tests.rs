//! Scripted events and scans, and a small kernel as the judge.

mod binds;
mod bounds;
mod doubt;
mod events;
mod exactness;
mod failures;
mod forecasts;
mod kernel;
mod port_maps;
mod reconciliation;
mod scans;
mod script;
mod udp;
