//! The live view.
//!
//! ```text
//! Message → update → State → render → terminal
//!              └→ Effect → Request to whoever makes the frames
//! ```
//!
//! * `frame`: what comes in (a frame at each tick, answers) and what goes out (requests)
//! * `keys`: the one table of keys; the help screen is made from it
//! * `state`: which view, which row, which order; `lists/`: the rows of each view, ordered and filtered
//! * `update`: what a message changes, and what it asks for
//! * `render/`: a frame and the state → cells of the screen
//! * `terminal`: raw mode and back; `screen`: the loop
//! * `batch`: frames as text

pub mod batch;
mod details;
pub mod frame;
mod history;
mod keys;
mod labels;
mod lists;
mod render;
mod screen;
mod state;
mod terminal;
mod theme;
mod update;

pub use frame::{Frame, Message, Replay, Request, Status};
pub use labels::Services;
pub use render::render;
pub use screen::{Screen, ToScreen};
pub use state::{Options, Top};
pub use terminal::restore as restore_terminal;
pub use theme::Theme;

#[cfg(test)]
mod tests;
