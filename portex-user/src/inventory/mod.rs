//! What exists on this host, whatever portex has seen of it.

pub mod cgroups;
pub mod netns;
pub mod processes;
