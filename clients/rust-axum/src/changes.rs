//! What a request has changed in its session and has not stored yet.

use std::collections::BTreeMap;

use sessiond_client::proto::{SessionChange, Value};

#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    /// Every value is removed first.
    pub(crate) clears: bool,
    /// Values that are set, or removed.
    pub(crate) values: BTreeMap<String, Option<Value>>,
    pub(crate) principal: Option<String>,
    /// The session is to get a new ID.
    pub(crate) renews: bool,
    /// The session is to get another lifetime.
    pub(crate) lifetime: bool,
    pub(crate) labels: Option<BTreeMap<String, String>>,
}

impl Changes {
    pub(crate) fn is_none(&self) -> bool {
        let Self { clears, values, principal, renews, lifetime, labels } = self;
        !clears && values.is_empty() && principal.is_none() && !renews && !lifetime && labels.is_none()
    }

    /// These changes, which could not be stored, and then those that came after them.
    pub(crate) fn then(mut self, later: Self) -> Self {
        if later.clears {
            (self.clears, self.values) = (true, BTreeMap::new());
        }
        self.values.extend(later.values);
        self.principal = later.principal.or(self.principal);
        self.labels = later.labels.or(self.labels);
        self.renews |= later.renews;
        self.lifetime |= later.lifetime;
        self
    }

    /// The change of the contract, but for timeouts.
    pub(crate) fn change(&self) -> SessionChange {
        let mut change = SessionChange { clear_attributes: self.clears, ..SessionChange::default() };
        for (name, value) in &self.values {
            match value {
                Some(value) => drop(change.set_attributes.insert(name.clone(), value.clone())),
                None => change.remove_attributes.push(name.clone()),
            }
        }
        change.principal.clone_from(&self.principal);
        change.set_labels = self.labels.clone().unwrap_or_default();
        change
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_changes_come_after_earlier_ones() {
        let values = |name: &str, value: Option<i64>| BTreeMap::from([(name.to_owned(), value.map(Value::from))]);
        let earlier = Changes { values: values("a", Some(1)), renews: true, ..Changes::default() };
        let later = Changes { values: values("a", None), ..Changes::default() };
        let both = earlier.clone().then(later);
        assert_eq!((both.values, both.renews), (values("a", None), true));
        let cleared = earlier.then(Changes { clears: true, values: values("b", Some(2)), ..Changes::default() });
        assert_eq!(cleared.change(), SessionChange::new().clear().set("b", 2));
    }
}
