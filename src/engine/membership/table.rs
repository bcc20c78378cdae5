//! A map of few keys that is read at every input: in one piece of memory, in the order of its keys.

/// Keys with their values.
#[derive(Clone, Debug)]
pub struct Table<K, V>(Vec<(K, V)>);

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord + Clone, V> Table<K, V> {
    fn position(&self, key: &K) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.cmp(key))
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        self.position(key).ok().map(|at| &self.0[at].1)
    }

    /// The value of a key.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.position(key).ok().map(|at| &mut self.0[at].1)
    }

    /// The value of a key, which is made where there is none.
    pub fn entry(&mut self, key: &K) -> &mut V
    where
        V: Default,
    {
        let at = match self.position(key) {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, (key.clone(), V::default()));
                at
            }
        };
        &mut self.0[at].1
    }

    /// Keeps some of the keys.
    pub fn retain(&mut self, keep: impl Fn(&K) -> bool) {
        self.0.retain(|(key, _)| keep(key));
    }

    /// All of it.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// All of it.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.0.iter_mut().map(|(key, value)| (&*key, value))
    }

    /// All values.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_in_their_order_however_they_went_in() {
        let mut table: Table<&str, u32> = Table::default();
        for (key, value) in [("b", 2), ("c", 3), ("a", 1)] {
            *table.entry(&key) += value;
        }
        *table.entry(&"b") += 10;
        assert!(table.iter().eq([(&"a", &1), (&"b", &12), (&"c", &3)]));
        assert_eq!((table.get(&"c"), table.get(&"d")), (Some(&3), None));
        table.retain(|key| *key != "b");
        assert_eq!(table.get_mut(&"b"), None);
    }
}
