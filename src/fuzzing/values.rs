//! Attributes and values, by the server's own check and by the decoder of a client.

use super::Input;
use crate::model::{Attribute, Attributes, MalformedValue};
use bytes::Bytes;
use prost::Message;
use sessiond_client::proto::{Session, Value};
use std::collections::BTreeMap;

/// One entry, a change of several, and what a sealed session holds.
pub(super) fn values(input: &[u8]) {
    let mut rest = Input(input);
    match rest.byte() % 3 {
        0 => entry(rest.0),
        1 => change(rest),
        _ => fields(rest.0),
    }
}

fn entry(bytes: &[u8]) {
    let stored = Attribute::from_stored(Bytes::copy_from_slice(bytes));
    let refused = match Attribute::from_wire(bytes) {
        Ok(attribute) => {
            assert_eq!(Attribute::from_wire(attribute.entry()).as_ref(), Ok(&attribute), "not canonical");
            assert_eq!(Attribute::from_stored(attribute.entry().clone()).as_ref(), Some(&attribute), "not stored");
            // Only the canonical form may be stored.
            assert!(stored.is_none_or(|stored| stored == attribute), "stored and sent forms differ");
            check_client_reads(&[attribute]);
            return;
        }
        Err(refused) => refused,
    };
    // What a client writes is refused for what it says, not for how it is written.
    if let Ok(session) = Session::decode(&[&[0x22], &length(bytes.len())[..], bytes].concat()[..])
        && let Some((name, value)) = session.attributes.iter().next()
    {
        let written = [&field(1, name.as_bytes())[..], &field(2, &value.encode_to_vec())].concat();
        if written == bytes {
            let how = matches!(refused.cause, MalformedValue::Encoding | MalformedValue::NotUtf8);
            assert!(!how, "a client's own encoding of {value:?} was refused: {refused}");
        }
    }
}

/// The change of some attributes is what it would be with a map.
fn change(mut rest: Input<'_>) {
    let (mut entries, mut removed) = (Vec::new(), Vec::new());
    while !rest.is_empty() {
        match rest.byte() {
            0 => removed.push(String::from_utf8_lossy(rest.piece()).into_owned()),
            _ => entries.extend(Attribute::from_wire(rest.piece()).ok()),
        }
    }
    let set = entries.split_off(entries.len() / 2);
    let mut attributes: Attributes = entries.iter().cloned().collect();
    let mut map: BTreeMap<_, _> = entries.into_iter().map(|one| (one.name().to_vec(), one)).collect();
    attributes.change(&removed, &set);
    for name in &removed {
        map.remove(name.as_bytes());
    }
    map.extend(set.into_iter().map(|one| (one.name().to_vec(), one)));
    let expected: Vec<_> = map.into_values().collect();
    let found: Vec<_> = attributes.entries().map(Bytes::copy_from_slice).filter_map(Attribute::from_stored).collect();
    assert_eq!(found, expected);
    assert_eq!(attributes.len(), expected.len());
    assert_eq!(attributes.size(), expected.iter().map(|one| one.entry().len()).sum::<usize>());
    check_client_reads(&expected);
}

/// The attributes of a sealed session, once they are opened. There is one form of them.
fn fields(bytes: &[u8]) {
    let Some(attributes) = Attributes::from_fields(bytes) else { return };
    let entry = |entry| Attribute::from_stored(Bytes::copy_from_slice(entry)).expect("an entry that may be stored");
    let entries: Vec<_> = attributes.entries().map(entry).collect();
    let again: Attributes = entries.iter().cloned().collect();
    assert_eq!((again.fields(), &again), (bytes, &attributes));
    // What the values hold was checked when they came, and is not again.
    if entries.iter().all(|entry| Attribute::from_wire(entry.entry()).is_ok()) {
        check_client_reads(&entries);
    }
}

/// A client that gets these attributes reads each under its name, with its value.
fn check_client_reads(attributes: &[Attribute]) {
    let collected: Attributes = attributes.iter().cloned().collect();
    let session = Session::decode(collected.fields()).expect("a client reads what the server takes");
    assert_eq!(session.attributes.len(), attributes.len());
    for attribute in attributes {
        let name = std::str::from_utf8(attribute.name()).expect("a name is text");
        let Some(Value { kind: Some(_) }) = session.attributes.get(name) else { panic!("{name:?} has no value") };
    }
}

fn field(number: u8, content: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2], &length(content.len())[..], content].concat()
}

fn length(bytes: usize) -> Vec<u8> {
    let mut length = Vec::new();
    prost::encoding::encode_varint(bytes as u64, &mut length);
    // The server writes lengths by itself.
    let mut own = Vec::new();
    crate::wire::put_varint(bytes as u64, &mut own);
    assert_eq!(own, length);
    length
}
