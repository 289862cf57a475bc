//! Colours, and what stands for them where there are none.

use ratatui::style::{Color, Modifier, Style};

/// From this share on, what is full is red.
pub(super) const CRITICAL: f64 = 0.95;
/// From this share on, it is yellow.
pub(super) const WARNING: f64 = 0.8;

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Theme {
    /// Colours; without, nothing is told by colour alone.
    pub color: bool,
    /// Characters beyond ASCII: bars, sparklines, lines.
    pub unicode: bool,
}

impl Default for Theme {
    fn default() -> Self {
        Self {
            color: true,
            unicode: true,
        }
    }
}

impl Theme {
    fn colored(self, color: Color) -> Style {
        if self.color {
            Style::new().fg(color)
        } else {
            Style::new()
        }
    }

    fn on(self, color: Color) -> Style {
        if self.color {
            Style::new().fg(Color::Black).bg(color)
        } else {
            Style::new().add_modifier(Modifier::REVERSED)
        }
    }

    /// What is full to this share, 0 to 1.
    pub(super) fn fill(self, share: f64) -> Style {
        match share {
            CRITICAL.. => self.alarm(),
            WARNING.. => self.warning(),
            _ => self.calm(),
        }
    }

    /// Something is wrong.
    pub(super) fn alarm(self) -> Style {
        self.colored(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// Something may go wrong.
    pub(super) fn warning(self) -> Style {
        self.colored(Color::Yellow)
    }

    /// Nothing is wrong.
    pub(super) fn calm(self) -> Style {
        self.colored(Color::Green)
    }

    /// What matters less.
    pub(super) fn dim(self) -> Style {
        if self.color {
            Style::new().add_modifier(Modifier::DIM)
        } else {
            Style::new()
        }
    }

    /// A name of something on the screen.
    pub(super) fn title(self) -> Style {
        self.colored(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    /// Headings of columns.
    pub(super) fn heading(self) -> Style {
        self.on(Color::Green)
    }

    /// The row that keys act on.
    pub(super) fn selected(self) -> Style {
        self.on(Color::Cyan)
    }

    /// A port that a connection holds.
    pub(super) fn in_use(self) -> Style {
        self.colored(Color::Blue)
    }

    /// A port in TIME_WAIT.
    pub(super) fn time_wait(self) -> Style {
        self.colored(Color::Yellow)
    }

    /// A port that an explicit bind blocks.
    pub(super) fn blocked(self) -> Style {
        self.colored(Color::Red)
    }

    /// A reserved port.
    pub(super) fn reserved(self) -> Style {
        self.colored(Color::Magenta)
    }
}
