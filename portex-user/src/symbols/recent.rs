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
