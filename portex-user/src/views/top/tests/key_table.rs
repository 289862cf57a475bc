//! The table of keys.

use super::*;
use crate::views::top::keys::{Action, Group, Key, Place, TABLE, action, hints};

#[test]
fn no_key_does_two_things_in_one_place() {
    for place in Place::EACH {
        let mut seen: Vec<Key> = Vec::new();
        for row in TABLE.iter().filter(|row| row.place.meets(place)) {
            for key in row.keys {
                assert!(!seen.contains(key), "{} twice in {place:?}", key.name());
                seen.push(*key);
                assert_eq!(action(*key, place), Some(row.action));
            }
        }
    }
}

#[test]
fn every_row_of_the_table_is_in_the_help() {
    let mut top = showing(samples::busy(), (120, 200));
    press(&mut top, "?");
    let shown = screen(&top);
    for row in TABLE {
        let names: Vec<String> = row.keys.iter().map(|key| key.name()).collect();
        assert!(!row.help.is_empty() && !names.is_empty());
        assert!(shown.contains(row.help), "{}:\n{shown}", row.help);
        assert!(shown.contains(&names.join(" ")), "{names:?}:\n{shown}");
    }
    for group in Group::ALL {
        assert!(shown.contains(group.title()), "{}", group.title());
        assert!(TABLE.iter().any(|row| row.group == group));
    }
}

#[test]
fn every_place_can_be_left_and_says_how() {
    for place in Place::EACH {
        assert!(hints(place).count() > 0, "{place:?}");
        assert!(
            TABLE
                .iter()
                .any(|row| row.place.meets(place) && row.action == Action::Quit)
        );
    }
}
