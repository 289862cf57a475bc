//! The one table of keys. What a key does, the hints in the last line and the help screen come from it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Action {
    Up,
    Down,
    PageUp,
    PageDown,
    HalfUp,
    HalfDown,
    First,
    Last,
    /// Shows the list of this number, from 0 on.
    List(u8),
    NextList,
    PreviousList,
    Open,
    Back,
    PortMap,
    Tree,
    Filter,
    SortMenu,
    SortLeft,
    SortRight,
    Reverse,
    Danger,
    Pause,
    Faster,
    Slower,
    ReplayFaster,
    ReplaySlower,
    Services,
    HostNames,
    Help,
    Accept,
    Discard,
    Erase,
    EraseWord,
    EraseAll,
    CursorLeft,
    CursorRight,
    CursorHome,
    CursorEnd,
    Leave,
    Quit,
    Suspend,
    Redraw,
}

/// Where the user is; a set of such places in a [`Binding`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u8);

impl Place {
    pub(super) const LIST: Self = Self(1);
    pub(super) const SPACE: Self = Self(2);
    pub(super) const MAP: Self = Self(4);
    pub(super) const PROCESS: Self = Self(8);
    pub(super) const HELP: Self = Self(16);
    pub(super) const MENU: Self = Self(32);
    pub(super) const FILTER: Self = Self(64);
    /// Every single place.
    #[cfg(test)]
    pub(super) const EACH: [Self; 7] = [
        Self::LIST,
        Self::SPACE,
        Self::MAP,
        Self::PROCESS,
        Self::HELP,
        Self::MENU,
        Self::FILTER,
    ];

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the two have a place in common.
    pub(super) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

const LIST: Place = Place::LIST;
const DETAILS: Place = Place::SPACE.and(Place::MAP).and(Place::PROCESS);
/// Where a part of what there is is seen.
const SCROLLED: Place = LIST.and(DETAILS).and(Place::HELP).and(Place::MENU);
/// Where letters are keys.
const PICTURE: Place = LIST.and(DETAILS);
const NO_EDITOR: Place = SCROLLED;
const EVERYWHERE: Place = NO_EDITOR.and(Place::FILTER);

/// Under which title a key stands in the help screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    Move,
    Show,
    Order,
    Time,
    Names,
    Edit,
    End,
}

impl Group {
    /// In the order of the help screen.
    pub(super) const ALL: [Self; 7] = [
        Self::Move,
        Self::Show,
        Self::Order,
        Self::Time,
        Self::Names,
        Self::Edit,
        Self::End,
    ];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Move => "Move",
            Self::Show => "Show",
            Self::Order => "Order and filter",
            Self::Time => "Time",
            Self::Names => "Names",
            Self::Edit => "While a filter is typed",
            Self::End => "Leave",
        }
    }
}

/// A key on the keyboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) code: KeyCode,
    pub(super) ctrl: bool,
}

const fn key(code: KeyCode) -> Key {
    Key { code, ctrl: false }
}

const fn char(character: char) -> Key {
    key(KeyCode::Char(character))
}

const fn ctrl(character: char) -> Key {
    Key {
        code: KeyCode::Char(character),
        ctrl: true,
    }
}

impl Key {
    /// Of an event; `None` with modifiers that no key of the table has.
    pub(super) fn of(event: &KeyEvent) -> Option<Self> {
        let others = KeyModifiers::ALT | KeyModifiers::SUPER | KeyModifiers::META;
        if event.modifiers.intersects(others) {
            return None;
        }
        let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
        let code = match event.code {
            // With shift or caps lock.
            KeyCode::Char(character) if ctrl => KeyCode::Char(character.to_ascii_lowercase()),
            KeyCode::Tab if event.modifiers.contains(KeyModifiers::SHIFT) => KeyCode::BackTab,
            other => other,
        };
        Some(Self { code, ctrl })
    }

    /// As it is written in the help.
    pub(super) fn name(self) -> String {
        let name = match self.code {
            KeyCode::Char(' ') => "Space".to_owned(),
            KeyCode::Char(character) if self.ctrl => character.to_ascii_uppercase().to_string(),
            KeyCode::Char(character) => character.to_string(),
            KeyCode::F(number) => format!("F{number}"),
            KeyCode::PageUp => "PgUp".to_owned(),
            KeyCode::PageDown => "PgDn".to_owned(),
            KeyCode::BackTab => "Shift-Tab".to_owned(),
            other => format!("{other:?}"),
        };
        if self.ctrl {
            format!("Ctrl-{name}")
        } else {
            name
        }
    }
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binding {
    pub(super) keys: &'static [Key],
    pub(super) action: Action,
    /// Where they do so.
    pub(super) place: Place,
    pub(super) group: Group,
    pub(super) help: &'static str,
    /// In the last line of the screen, where there is room; empty for none.
    pub(super) hint: &'static str,
}

#[rustfmt::skip]
pub(super) const TABLE: &[Binding] = &[
    Binding { keys: &[char('?'), key(KeyCode::F(1)), char('h')], action: Action::Help, place: PICTURE, group: Group::Show, help: "this help; any of these again: back", hint: "Help" },
    Binding { keys: &[key(KeyCode::Enter)], action: Action::Open, place: PICTURE, group: Group::Show, help: "details of the row: space, process, failure; of a namespace its spaces", hint: "Details" },
    Binding { keys: &[key(KeyCode::Esc), key(KeyCode::Backspace)], action: Action::Back, place: DETAILS, group: Group::Show, help: "back to where this was opened", hint: "Back" },
    Binding { keys: &[key(KeyCode::Esc), key(KeyCode::Backspace)], action: Action::Back, place: LIST, group: Group::Order, help: "in a list: the filter away", hint: "" },
    Binding { keys: &[char('/'), key(KeyCode::F(3)), key(KeyCode::F(4))], action: Action::Filter, place: LIST, group: Group::Order, help: "only rows in which every word occurs", hint: "Filter" },
    Binding { keys: &[char('s'), key(KeyCode::F(6))], action: Action::SortMenu, place: LIST, group: Group::Order, help: "choose the column to sort by", hint: "Sort" },
    Binding { keys: &[char('<'), char(','), key(KeyCode::Left)], action: Action::SortLeft, place: LIST, group: Group::Order, help: "sort by the column to the left", hint: "" },
    Binding { keys: &[char('>'), char('.'), key(KeyCode::Right)], action: Action::SortRight, place: LIST, group: Group::Order, help: "sort by the column to the right", hint: "" },
    Binding { keys: &[char('r'), char('I')], action: Action::Reverse, place: LIST, group: Group::Order, help: "the other way round", hint: "" },
    Binding { keys: &[char('0')], action: Action::Danger, place: LIST, group: Group::Order, help: "the most endangered first, as at the start", hint: "" },
    Binding { keys: &[char('t'), key(KeyCode::F(5))], action: Action::Tree, place: LIST, group: Group::Show, help: "tree: owners under each space, destinations under each process", hint: "Tree" },
    Binding { keys: &[char('m')], action: Action::PortMap, place: DETAILS, group: Group::Show, help: "the port map of the space on the whole screen", hint: "Map" },
    Binding { keys: &[char('p'), char(' ')], action: Action::Pause, place: PICTURE, group: Group::Time, help: "hold the picture, and go on", hint: "Pause" },
    Binding { keys: &[key(KeyCode::Up), char('k')], action: Action::Up, place: SCROLLED, group: Group::Move, help: "up", hint: "" },
    Binding { keys: &[key(KeyCode::Down), char('j')], action: Action::Down, place: SCROLLED, group: Group::Move, help: "down", hint: "" },
    Binding { keys: &[key(KeyCode::PageUp), ctrl('b')], action: Action::PageUp, place: SCROLLED, group: Group::Move, help: "a page up", hint: "" },
    Binding { keys: &[key(KeyCode::PageDown), ctrl('f')], action: Action::PageDown, place: SCROLLED, group: Group::Move, help: "a page down", hint: "" },
    Binding { keys: &[ctrl('u')], action: Action::HalfUp, place: SCROLLED, group: Group::Move, help: "half a page up", hint: "" },
    Binding { keys: &[ctrl('d')], action: Action::HalfDown, place: SCROLLED, group: Group::Move, help: "half a page down", hint: "" },
    Binding { keys: &[char('g'), key(KeyCode::Home)], action: Action::First, place: SCROLLED, group: Group::Move, help: "to the first row", hint: "" },
    Binding { keys: &[char('G'), key(KeyCode::End)], action: Action::Last, place: SCROLLED, group: Group::Move, help: "to the last row", hint: "" },
    Binding { keys: &[char('1')], action: Action::List(0), place: PICTURE, group: Group::Show, help: "spaces: the ports from one source to one destination", hint: "" },
    Binding { keys: &[char('2')], action: Action::List(1), place: PICTURE, group: Group::Show, help: "processes", hint: "" },
    Binding { keys: &[char('3')], action: Action::List(2), place: PICTURE, group: Group::Show, help: "the latest connects that got no port", hint: "" },
    Binding { keys: &[char('4')], action: Action::List(3), place: PICTURE, group: Group::Show, help: "network namespaces", hint: "" },
    Binding { keys: &[char('5')], action: Action::List(4), place: PICTURE, group: Group::Show, help: "pools of bind() to port 0", hint: "" },
    Binding { keys: &[key(KeyCode::Tab)], action: Action::NextList, place: PICTURE, group: Group::Show, help: "the next list", hint: "" },
    Binding { keys: &[key(KeyCode::BackTab)], action: Action::PreviousList, place: PICTURE, group: Group::Show, help: "the list before", hint: "" },
    Binding { keys: &[char('-'), char('_')], action: Action::Slower, place: PICTURE, group: Group::Time, help: "a longer interval", hint: "" },
    Binding { keys: &[char('+'), char('=')], action: Action::Faster, place: PICTURE, group: Group::Time, help: "a shorter interval", hint: "" },
    Binding { keys: &[char('[')], action: Action::ReplaySlower, place: PICTURE, group: Group::Time, help: "replay slower", hint: "" },
    Binding { keys: &[char(']')], action: Action::ReplayFaster, place: PICTURE, group: Group::Time, help: "replay faster", hint: "" },
    Binding { keys: &[char('n')], action: Action::Services, place: PICTURE, group: Group::Names, help: "ports by name or number", hint: "" },
    Binding { keys: &[char('N')], action: Action::HostNames, place: PICTURE, group: Group::Names, help: "addresses by name (asks the DNS) or number", hint: "" },
    Binding { keys: &[key(KeyCode::Esc), key(KeyCode::Backspace), char('q'), key(KeyCode::F(10)), char('?'), key(KeyCode::F(1)), char('h')], action: Action::Discard, place: Place::HELP, group: Group::End, help: "from the help: back", hint: "Back" },
    Binding { keys: &[key(KeyCode::Enter), char(' ')], action: Action::Accept, place: Place::MENU, group: Group::Order, help: "in the menu: sort by this; again: the other way round", hint: "Choose" },
    Binding { keys: &[key(KeyCode::Esc), key(KeyCode::Backspace), char('q'), key(KeyCode::F(10)), char('s'), key(KeyCode::F(6))], action: Action::Discard, place: Place::MENU, group: Group::Order, help: "in the menu: leave it", hint: "Back" },
    Binding { keys: &[key(KeyCode::Enter)], action: Action::Accept, place: Place::FILTER, group: Group::Edit, help: "keep it", hint: "Keep" },
    Binding { keys: &[key(KeyCode::Esc)], action: Action::Discard, place: Place::FILTER, group: Group::Edit, help: "away with it", hint: "Clear" },
    Binding { keys: &[key(KeyCode::Backspace), ctrl('h')], action: Action::Erase, place: Place::FILTER, group: Group::Edit, help: "erase a character", hint: "" },
    Binding { keys: &[ctrl('w')], action: Action::EraseWord, place: Place::FILTER, group: Group::Edit, help: "erase a word", hint: "" },
    Binding { keys: &[ctrl('u')], action: Action::EraseAll, place: Place::FILTER, group: Group::Edit, help: "erase all", hint: "" },
    Binding { keys: &[key(KeyCode::Left)], action: Action::CursorLeft, place: Place::FILTER, group: Group::Edit, help: "a character to the left", hint: "" },
    Binding { keys: &[key(KeyCode::Right)], action: Action::CursorRight, place: Place::FILTER, group: Group::Edit, help: "a character to the right", hint: "" },
    Binding { keys: &[key(KeyCode::Home), ctrl('a')], action: Action::CursorHome, place: Place::FILTER, group: Group::Edit, help: "to the beginning", hint: "" },
    Binding { keys: &[key(KeyCode::End), ctrl('e')], action: Action::CursorEnd, place: Place::FILTER, group: Group::Edit, help: "to the end", hint: "" },
    Binding { keys: &[key(KeyCode::Up)], action: Action::Up, place: Place::FILTER, group: Group::Edit, help: "a row up", hint: "" },
    Binding { keys: &[key(KeyCode::Down)], action: Action::Down, place: Place::FILTER, group: Group::Edit, help: "a row down", hint: "" },
    Binding { keys: &[char('q'), key(KeyCode::F(10))], action: Action::Leave, place: PICTURE, group: Group::End, help: "end portex; from details: back", hint: "Quit" },
    Binding { keys: &[ctrl('c')], action: Action::Quit, place: EVERYWHERE, group: Group::End, help: "end portex, wherever", hint: "" },
    Binding { keys: &[ctrl('z')], action: Action::Suspend, place: EVERYWHERE, group: Group::End, help: "to the shell; fg comes back", hint: "" },
    Binding { keys: &[ctrl('l')], action: Action::Redraw, place: EVERYWHERE, group: Group::End, help: "draw the screen anew", hint: "" },
];

/// What a key does there.
pub(super) fn action(key: Key, place: Place) -> Option<Action> {
    let bound = TABLE
        .iter()
        .find(|row| row.place.meets(place) && row.keys.contains(&key));
    bound.map(|row| row.action)
}

/// Key and hint of what is worth saying there.
pub(super) fn hints(place: Place) -> impl Iterator<Item = (String, &'static str)> {
    let shown = move |row: &&Binding| row.place.meets(place) && !row.hint.is_empty();
    TABLE.iter().filter(shown).filter_map(|row| {
        let first = row.keys.first()?;
        Some((first.name(), row.hint))
    })
}
