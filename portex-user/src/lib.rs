//! portex: sees ephemeral ports run out.
//!
//! Data flows one way: kernel hook → record → ring buffer → decode → [`event::Event`] → view.
//! See ARCHITECTURE.md for the map of the modules and the rules between them.

pub mod attribution;
pub mod call;
pub mod cli;
pub mod clock;
pub mod cost;
pub mod decode;
pub mod demo;
pub mod details;
pub mod doctor;
pub mod escape;
pub mod event;
pub mod fields;
pub mod filter;
pub mod found;
pub mod host;
pub mod input;
pub mod inventory;
pub mod kernel;
pub mod live;
pub mod lookup;
pub mod observe;
pub mod ports;
mod privileges;
pub mod recording;
pub mod source;
pub mod stream;
pub mod symbols;
pub mod views;
