//! What a record was like when it was loaded.
//!
//! A store is handed a whole record to save. To send only what changed, it must know what that very record was like before:
//! the last version of the session that this process has seen would not do, since two requests can hold two versions at a
//! time. The trait leaves one place that travels with a record: its data. So the record carries a copy of its data, under a
//! name that is never stored. `Session::clear` drops it with all else, which is right: then everything is to go.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value as Json;
use sessiond_client::json::{from_data, to_data};
use sessiond_client::proto::{SessionChange, Value};

/// The name of the copy among a record's data; no attribute of the session. It is a list of names and values in turn, sorted by
/// the names: a load makes it for every request, and only a save looks anything up in it.
const LOADED: &str = "sessiond.loaded";

/// The data of a record.
pub(crate) type Data = HashMap<String, Json>;

/// The data of a record that is loaded.
pub(crate) fn data(attributes: BTreeMap<String, Value>) -> Data {
    let mut copy = Vec::with_capacity(2 * attributes.len());
    // With a place for the copy.
    let mut data = Data::with_capacity(attributes.len() + 1);
    for (name, value) in attributes {
        let value = to_data(value);
        copy.extend([Json::String(name.clone()), value.clone()]);
        data.insert(name, value);
    }
    data.insert(LOADED.to_owned(), Json::Array(copy));
    data
}

/// Notes that the session has this data.
pub(crate) fn remember(data: &mut Data) {
    data.remove(LOADED);
    let mut pairs: Vec<_> = data.iter().collect();
    pairs.sort_unstable_by_key(|(name, _)| *name);
    let copy = pairs.into_iter().flat_map(|(name, value)| [Json::String(name.clone()), value.clone()]).collect();
    data.insert(LOADED.to_owned(), copy);
}

/// All data as attributes.
pub(crate) fn attributes(data: &Data) -> BTreeMap<String, Value> {
    let own = data.iter().filter(|(name, _)| *name != LOADED);
    own.map(|(name, value)| (name.clone(), from_data(value.clone()))).collect()
}

/// What has changed since the record was loaded.
pub(crate) fn change(data: &Data) -> SessionChange {
    let Some(Json::Array(copy)) = data.get(LOADED) else {
        let set_attributes = attributes(data);
        return SessionChange { set_attributes, clear_attributes: true, ..SessionChange::default() };
    };
    let pairs = copy.chunks_exact(2).filter_map(|pair| Some((pair[0].as_str()?, &pair[1])));
    let loaded: HashMap<&str, &Json> = pairs.collect();
    let changed = data.iter().filter(|(name, value)| *name != LOADED && loaded.get(name.as_str()) != Some(value));
    let removed = loaded.keys().filter(|name| !data.contains_key(**name));
    SessionChange {
        set_attributes: changed.map(|(name, value)| (name.clone(), from_data(value.clone()))).collect(),
        remove_attributes: removed.map(|name| (*name).to_owned()).collect(),
        ..SessionChange::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded() -> Data {
        data(BTreeMap::from([
            ("kept".to_owned(), 1.into()),
            ("changed".to_owned(), 1.into()),
            ("gone".to_owned(), 1.into()),
        ]))
    }

    #[test]
    fn only_what_changed_is_sent() {
        let mut data = loaded();
        data.insert("changed".to_owned(), 2.into());
        data.insert("new".to_owned(), 3.into());
        data.remove("gone");
        let expected = SessionChange::new().set("changed", 2).set("new", 3).remove("gone");
        assert_eq!(change(&data), expected);
        assert_eq!(change(&loaded()), SessionChange::new());
    }

    #[test]
    fn a_record_that_was_cleared_or_never_loaded_replaces_everything() {
        let mut data = loaded();
        data.clear();
        data.insert("new".to_owned(), 3.into());
        assert_eq!(change(&data), SessionChange::new().clear().set("new", 3));
    }

    #[test]
    fn the_copy_is_no_attribute() {
        assert_eq!(attributes(&loaded()).keys().collect::<Vec<_>>(), ["changed", "gone", "kept"]);
        let mut twice = loaded();
        remember(&mut twice);
        assert_eq!(twice, loaded());
    }
}
