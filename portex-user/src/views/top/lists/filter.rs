//! What is typed to see fewer rows.

/// Longest filter, in characters.
const LONGEST: usize = 200;

/// A line under the cursor, and the words in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::views::top) struct Filter {
    characters: Vec<char>,
    /// Before which character the cursor stands.
    cursor: usize,
    /// In small letters.
    words: Vec<String>,
}

impl Filter {
    /// Whether it lets everything through.
    pub(in crate::views::top) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// What is typed. Only what the user typed: safe for a terminal.
    pub(in crate::views::top) fn text(&self) -> String {
        self.characters.iter().collect()
    }

    /// What stands before the cursor.
    pub(in crate::views::top) fn before_cursor(&self) -> String {
        self.characters.iter().take(self.cursor).collect()
    }

    /// Whether every word occurs in the text, which is turned to small letters.
    pub(in crate::views::top) fn finds(&self, text: &mut String) -> bool {
        if text.is_ascii() {
            text.make_ascii_lowercase();
        } else {
            *text = text.to_lowercase();
        }
        self.words.iter().all(|word| text.contains(word.as_str()))
    }

    /// Puts a character at the cursor.
    pub(in crate::views::top) fn insert(&mut self, character: char) {
        if self.characters.len() < LONGEST && !crate::escape::is_unsafe(character) {
            self.cursor = self.cursor.min(self.characters.len());
            self.characters.insert(self.cursor, character);
            self.cursor += 1;
            self.changed();
        }
    }

    /// Erases the character before the cursor.
    pub(in crate::views::top) fn erase(&mut self) {
        if let Some(at) = self.cursor.checked_sub(1)
            && at < self.characters.len()
        {
            self.characters.remove(at);
            self.cursor = at;
            self.changed();
        }
    }

    /// Erases the word before the cursor.
    pub(in crate::views::top) fn erase_word(&mut self) {
        let end = self.cursor.min(self.characters.len());
        let before = self.characters.iter().take(end).rev();
        let mut seen = false;
        let erased = before
            .take_while(|character| {
                seen |= !character.is_whitespace();
                !(seen && character.is_whitespace())
            })
            .count();
        self.characters.drain(end - erased..end);
        self.cursor = end - erased;
        self.changed();
    }

    /// Erases all.
    pub(in crate::views::top) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Moves the cursor by so many characters, to any side.
    pub(in crate::views::top) fn step(&mut self, by: isize) {
        let to = self.cursor.saturating_add_signed(by);
        self.cursor = to.min(self.characters.len());
    }

    fn changed(&mut self) {
        let text = self.text().to_lowercase();
        self.words = text.split_whitespace().map(str::to_owned).collect();
    }
}
