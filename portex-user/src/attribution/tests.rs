//! Scripted events and scans, and a small kernel as the judge.

mod bounds;
mod doubt;
mod events;
mod exactness;
mod forecasts;
mod kernel;
mod reconciliation;
mod scans;
mod script;
