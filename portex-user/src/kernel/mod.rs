//! The only module that talks to BPF. What it is made of, in the order of use:
//!
//! * `facts`: what this kernel and this process allow; refuses early, with the remedy
//! * `btf` and `layout`: field offsets of the running kernel
//! * `probes`: the table of hooks, by way to attach
//! * `attach`: takes the first way that works
//! * `session`: loads, attaches, detaches
//! * `ring` and `loss`: records, and what was lost of them
//! * `meter`: run time of the programs; `program_info` and `fdinfo`: what the kernel tells of programs and maps
//! * `walker`: looks through the tables of ports

mod attach;
mod btf;
mod error;
pub mod facts;
mod fdinfo;
mod layout;
mod loss;
mod memory;
mod meter;
mod privileges;
mod probes;
mod program_info;
mod ring;
mod session;
mod tracefs;
mod walker;

pub use attach::{Attached, Off};
pub use error::Error;
pub use meter::{Meter, Metered};
pub use probes::Way;
pub use ring::Ring;
pub use session::{Options, Session, Stacks};
pub use walker::{Seen, Walker};
