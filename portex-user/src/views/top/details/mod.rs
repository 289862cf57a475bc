//! One space, one process, seen closely.
//!
//! * `space`: how a space stands, in words, numbers and sparklines; who holds its ports; its failures
//! * `port_map/`: every port of its range
//! * `process`: who a process is and where its ports go
//!
//! They draw on a `canvas`, which keeps what is drawn in its place and free of what a terminal obeys.
//! What has no room is left out, by `layout`.

mod canvas;
mod chart;
mod failures;
mod layout;
pub(in crate::views::top) mod port_map;
pub(in crate::views::top) mod process;
pub(in crate::views::top) mod space;
mod table;
mod text;
mod words;

pub(in crate::views::top) use process::{DestinationRow, ProcessView};
pub(in crate::views::top) use space::SpaceView;

#[cfg(test)]
mod tests;
