//! A view that goes on: the run on this thread, the screen on its own, messages between them.
//!
//! * `frames`: from the model to what a view is given at each tick
//! * `on_screen`: the audience that shows frames on the screen and answers what it asks for
//! * `printed`: the audience that prints them
//! * `view`: one of the two; `recorded`: with a recording beside it
//! * `costs`: what portex itself costs; `usage`: processor time and memory of the process

mod costs;
mod frames;
mod on_screen;
mod printed;
mod recorded;
mod usage;
mod view;

pub use costs::Costs;
pub use frames::{Frames, Origin};
pub use on_screen::OnScreen;
pub use printed::{Form, Printed};
pub use recorded::Recorded;
pub use view::View;
