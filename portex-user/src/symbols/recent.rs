//! A map that forgets what was not asked for lately.

use std::{collections::HashMap, hash::Hash};

/// Keeps at least the `half` entries that were used last and at most twice as many: a full young
/// generation becomes the old one, and what is found in the old one moves to the young. Cheaper than
/// a list in the order of use, and as bounded.
pub(super) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Clone + Eq + Hash, V> Recent<K, V> {
    pub(super) fn new(half: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            half,
        }
    }

    pub(super) fn get(&mut self, key: &K) -> Option<&mut V> {
        if !self.young.contains_key(key) {
            let (key, value) = self.old.remove_entry(key)?;
            self.insert(key, value);
        }
        self.young.get_mut(key)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.young.iter_mut().chain(self.old.iter_mut())
    }

    /// Has the largest entries give up what they hold until no more than `most` is left in all. Not
    /// those used longest ago: whoever holds little then loses nothing to one who wants everything.
    pub(super) fn shed(&mut self, most: u64, size: impl Fn(&V) -> u64, give_up: impl Fn(&mut V)) {
        let all = self.young.values().chain(self.old.values());
        let mut sum = all.map(&size).fold(0, u64::saturating_add);
        if sum <= most {
            return;
        }
        let mut largest: Vec<&mut V> = self.iter_mut().map(|(_, value)| value).collect();
        largest.sort_by_key(|value| size(value));
        while sum > most
            && let Some(value) = largest.pop()
        {
            sum = sum.saturating_sub(size(value));
            give_up(value);
            sum = sum.saturating_add(size(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let mut map = Recent::new(4);
        for number in 0..100 {
            map.insert(number, number);
            assert_eq!(map.get(&0).copied(), Some(0), "after {number}");
            assert!(map.iter_mut().count() <= 8);
        }
        assert_eq!(map.get(&50), None);
        assert_eq!(map.get(&99).copied(), Some(99));
        assert_eq!(map.remove(&0), Some(0));
        assert_eq!(map.get(&0), None);
    }

    #[test]
    fn the_largest_give_up_what_is_too_much() {
        let mut map = Recent::new(4);
        for size in [5, 1, 90, 2, 30, 3] {
            map.insert(size, size);
        }
        let mut left = |most| {
            map.shed(most, |&size| size, |size| *size = 0);
            let mut left: Vec<u64> = map.iter_mut().map(|(_, size)| *size).collect();
            left.retain(|&size| size > 0);
            left.sort_unstable();
            left
        };
        assert_eq!(left(131), [1, 2, 3, 5, 30, 90]);
        assert_eq!(left(130), [1, 2, 3, 5, 30]);
        assert_eq!(left(10), [1, 2, 3]);
        assert_eq!(left(0), [0; 0]);
    }

    #[test]
    fn there_is_one_value_of_a_key() {
        let mut map = Recent::new(1);
        map.insert('a', 1);
        map.insert('b', 1);
        map.insert('a', 2);
        assert_eq!(map.get(&'a').copied(), Some(2));
        assert_eq!(map.remove(&'a'), Some(2));
        assert_eq!(map.remove(&'a'), None);
    }
}
