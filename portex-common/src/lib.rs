//! What crosses the kernel boundary of portex, and nothing else.
//!
//! * [`record`]: the fixed-size record that every kernel program writes to the ring buffer.
//! * [`settings`]: the read-only globals that user space fixes before loading: field offsets of the
//!   running kernel, filters, switches.
//! * [`capture`]: what follows the record of a failure, to tell where its call came from.
//! * [`walked`]: what a walk over the kernel's tables found.
//! * [`loss`]: the slots of the per-CPU loss counters.
//!
//! Everything is plain integers with a fixed layout; meaning is given to them in user space.
#![no_std]

pub mod capture;
pub mod loss;
pub mod record;
pub mod settings;
pub mod walked;

pub use capture::{BuildIdFrame, CaptureHeader};
pub use loss::Loss;
pub use record::{Owner, Record, RecordKind, Tuple};
pub use settings::{Offsets, Settings};
pub use walked::{Walked, WalkedKind};
