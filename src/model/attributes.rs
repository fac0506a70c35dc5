//! A session's attributes, kept as the encoded `map<string, Value>` entries in which they travel.

use super::value::{self, MalformedValue};
use crate::wire::put_varint;
use bytes::{BufMut, Bytes};
use prost::encoding::{decode_varint, encoded_len_varint};
use smallvec::SmallVec;
use std::sync::Arc;

/// Field 4 of the contract's `Session`, length-delimited.
const ATTRIBUTE_KEY: u8 = 0x22;
/// Field 1 of an entry (the name), length-delimited.
const NAME_KEY: u8 = 0x0a;
/// Field 2 of an entry (the value), length-delimited.
const VALUE_KEY: u8 = 0x12;

/// One attribute: a name and an encoded value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The entry in canonical form: the name, then the value, nothing else.
    entry: Bytes,
}

/// Why an entry was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct MalformedAttribute {
    /// The attribute's name, as far as it could be read.
    pub name: String,
    /// What is wrong with it.
    pub cause: MalformedValue,
}

impl Attribute {
    /// Checks an entry as it came from a client.
    pub fn from_wire(entry: &[u8]) -> Result<Self, MalformedAttribute> {
        let unnamed = |cause| MalformedAttribute { name: String::new(), cause };
        let (name, value) = value::entry(entry).map_err(unnamed)?;
        let name = std::str::from_utf8(name).map_err(|_| unnamed(MalformedValue::NotUtf8))?;
        value::check(value, 1).map_err(|cause| MalformedAttribute { name: name.into(), cause })?;
        Ok(Self::canonical(name, value))
    }

    /// Reads an entry that was stored in canonical form; `None` if it is in another form. The value was checked when it
    /// came, and is not again.
    #[must_use]
    pub fn from_stored(entry: Bytes) -> Option<Self> {
        canonical_name(&entry).is_some().then_some(Self { entry })
    }

    fn canonical(name: &str, value: &[u8]) -> Self {
        let mut entry = Vec::with_capacity(name.len() + value.len() + 12);
        entry.put_u8(NAME_KEY);
        put_varint(name.len() as u64, &mut entry);
        entry.put_slice(name.as_bytes());
        entry.put_u8(VALUE_KEY);
        put_varint(value.len() as u64, &mut entry);
        entry.put_slice(value);
        Self { entry: entry.into() }
    }

    /// The name, as bytes of UTF-8.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        // It was checked when the attribute was made.
        name_of(&self.entry).unwrap_or_default()
    }

    /// The encoded entry, as it goes into answers and records.
    #[must_use]
    pub fn entry(&self) -> &Bytes {
        &self.entry
    }
}

/// The name in an entry in canonical form.
fn name_of(entry: &[u8]) -> Option<&[u8]> {
    let mut rest = entry.strip_prefix(&[NAME_KEY])?;
    take(&mut rest)
}

/// The name in an entry; `None` if it is in another form than the canonical one. What the value holds is not checked.
fn canonical_name(entry: &[u8]) -> Option<&[u8]> {
    let name = name_of(entry)?;
    let (last_name, value) = value::entry(entry).ok()?;
    let is_canonical = field_bytes(name) + field_bytes(value) == entry.len() && name == last_name;
    (is_canonical && std::str::from_utf8(name).is_ok()).then_some(name)
}

/// How many bytes a field with this content takes in canonical form.
fn field_bytes(content: &[u8]) -> usize {
    1 + encoded_len_varint(content.len() as u64) + content.len()
}

/// Takes bytes that follow their length.
fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(decode_varint(rest).ok()?).ok()?;
    rest.split_off(..length)
}

/// The attributes of a session, each name once.
///
/// They are one piece of memory, encoded as in an answer: a read copies it and nothing else. It is shared, since records are
/// copied more often than changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// In the order of their names, each as field 4 of the contract's `Session`.
    fields: Arc<[u8]>,
    count: usize,
    /// Bytes of the entries.
    size: usize,
}

impl Attributes {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The size of all names and encoded values, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// All of them, as in an encoded `Session` of the contract.
    #[must_use]
    pub fn fields(&self) -> &[u8] {
        &self.fields
    }

    /// The encoded entries in the order of their names.
    pub fn entries(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &*self.fields;
        std::iter::from_fn(move || {
            rest = rest.strip_prefix(&[ATTRIBUTE_KEY])?;
            take(&mut rest)
        })
    }

    /// Reads attributes from their [`fields`](Self::fields); `None` if they are in another form.
    #[must_use]
    pub fn from_fields(fields: &[u8]) -> Option<Self> {
        let (mut rest, mut count, mut size) = (fields, 0, 0);
        let mut previous: Option<&[u8]> = None;
        while !rest.is_empty() {
            let before = rest.len();
            rest = rest.strip_prefix(&[ATTRIBUTE_KEY])?;
            let entry = take(&mut rest)?;
            let name = canonical_name(entry)?;
            if previous.is_some_and(|previous| previous >= name) || before - rest.len() != field_bytes(entry) {
                return None;
            }
            (previous, count, size) = (Some(name), count + 1, size + entry.len());
        }
        Some(Self { fields: fields.into(), count, size })
    }

    /// Removes some, then sets others, which replace those of the same name. Of several with the same name the last one counts,
    /// as in a protobuf map.
    pub fn change(&mut self, removed: &[String], set: &[Attribute]) {
        if removed.is_empty() && set.is_empty() {
            return;
        }
        let removed = removed.iter().map(|name| (name.as_bytes(), None));
        let set = set.iter().map(|attribute| (attribute.name(), Some(&attribute.entry[..])));
        let mut changes: SmallVec<[EntryChange<'_>; 4]> = removed.chain(set).collect();
        // Equal names stay in their order, so that the last of them is found last.
        changes.sort_by_key(|(name, _)| *name);
        let added: usize = changes.iter().filter_map(|(_, entry)| *entry).map(|entry| entry.len() + 12).sum();
        let mut builder = Builder { fields: Vec::with_capacity(self.fields.len() + added), count: 0, size: 0 };
        let mut changes = changes.chunk_by(|(name, _), (next, _)| name == next).filter_map(<[_]>::last).peekable();
        for entry in self.entries() {
            let name = name_of(entry).unwrap_or_default();
            while let Some((_, new)) = changes.next_if(|(other, _)| *other < name) {
                builder.put(*new);
            }
            let change = changes.next_if(|(other, _)| *other == name);
            builder.put(change.map_or(Some(entry), |(_, new)| *new));
        }
        for (_, new) in changes {
            builder.put(*new);
        }
        *self = builder.build();
    }

    /// Removes all.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

impl FromIterator<Attribute> for Attributes {
    /// Of several attributes with the same name the last one counts, as in a protobuf map.
    fn from_iter<I: IntoIterator<Item = Attribute>>(attributes: I) -> Self {
        let mut collected = Self::default();
        collected.change(&[], &attributes.into_iter().collect::<Vec<_>>());
        collected
    }
}

/// A name, and the entry that it gets, if any.
type EntryChange<'a> = (&'a [u8], Option<&'a [u8]>);

/// Puts attributes together in the order of their names.
struct Builder {
    fields: Vec<u8>,
    count: usize,
    size: usize,
}

impl Builder {
    fn put(&mut self, entry: Option<&[u8]>) {
        let Some(entry) = entry else { return };
        self.fields.put_u8(ATTRIBUTE_KEY);
        put_varint(entry.len() as u64, &mut self.fields);
        self.fields.put_slice(entry);
        self.count += 1;
        self.size += entry.len();
    }

    fn build(self) -> Attributes {
        Attributes { fields: self.fields.into(), count: self.count, size: self.size }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn attribute(name: &str, text: &str) -> Attribute {
        let mut value = vec![0x2a, u8::try_from(text.len()).unwrap()];
        value.extend(text.as_bytes());
        Attribute::canonical(name, &value)
    }

    fn all(attributes: &Attributes) -> Vec<Attribute> {
        attributes.entries().map(|entry| Attribute::from_stored(Bytes::copy_from_slice(entry)).unwrap()).collect()
    }

    #[test]
    fn entries_become_canonical_and_are_read_back() {
        // The value before the name.
        let shuffled = [0x12, 2, 0x10, 1, 0x0a, 1, b'a'];
        let read = Attribute::from_wire(&shuffled).unwrap();
        assert_eq!(read.name(), b"a");
        assert_eq!(read.entry()[..], [0x0a, 1, b'a', 0x12, 2, 0x10, 1]);
        assert_eq!(Attribute::from_stored(read.entry().clone()), Some(read));
        assert_eq!(Attribute::from_stored(Bytes::copy_from_slice(&shuffled)), None);
    }

    #[test]
    fn only_the_canonical_form_is_stored() {
        let canonical = [0x0a, 1, b'a', 0x12, 2, 0x10, 1];
        assert!(Attribute::from_stored(Bytes::copy_from_slice(&canonical)).is_some());
        for other in [
            &[&canonical[..3], &canonical].concat()[..], // the name twice
            &[0x0a, 1, b'b', 0x0a, 1, b'a', 0x12, 2, 0x10, 1],
            &[0x0a, 0x81, 0, b'a', 0x12, 2, 0x10, 1], // a length in more bytes than it needs
            &[0x0a, 1, 0xff, 0x12, 2, 0x10, 1],       // a name that is no text
            &canonical[..3],                          // no value
        ] {
            assert_eq!(Attribute::from_stored(Bytes::copy_from_slice(other)), None, "{other:?}");
        }
    }

    #[test]
    fn a_refusal_names_the_attribute() {
        let error = Attribute::from_wire(&[0x0a, 1, b'a']).unwrap_err();
        assert_eq!((error.name.as_str(), error.cause), ("a", MalformedValue::NoKind));
    }

    #[test]
    fn each_name_stands_once_and_in_order() {
        let mut attributes: Attributes =
            [attribute("b", "1"), attribute("a", "1"), attribute("b", "2")].into_iter().collect();
        assert_eq!(all(&attributes), [attribute("a", "1"), attribute("b", "2")]);
        attributes.change(&["a".into(), "never there".into()], &[]);
        assert_eq!(all(&attributes), [attribute("b", "2")]);
    }

    #[test]
    fn fields_are_read_as_they_were_written_or_not_at_all() {
        let attributes: Attributes =
            [attribute("a", "1"), attribute("b", ""), attribute("", "2")].into_iter().collect();
        assert_eq!(Attributes::from_fields(attributes.fields()), Some(attributes.clone()));
        assert_eq!(Attributes::from_fields(&[]), Some(Attributes::default()));
        let whole = attributes.fields();
        let ends: Vec<usize> = attributes
            .entries()
            .scan(0, |end, entry| {
                *end += entry.len() + 2;
                Some(*end)
            })
            .collect();
        for length in 1..whole.len() {
            assert_eq!(Attributes::from_fields(&whole[..length]).is_some(), ends.contains(&length), "{length} bytes");
        }
        let twice = [whole, whole].concat();
        assert_eq!(Attributes::from_fields(&twice), None);
        for at in 0..whole.len() * 8 {
            let mut damaged = whole.to_vec();
            damaged[at / 8] ^= 1 << (at % 8);
            // It may be another set of attributes, and must be one.
            if let Some(read) = Attributes::from_fields(&damaged) {
                assert_eq!(read.entries().count(), read.len());
            }
        }
    }

    #[test]
    fn fields_in_another_form_are_not_read() {
        let written = attribute("n", "1");
        let field = |entry: &[u8]| [&[ATTRIBUTE_KEY, u8::try_from(entry.len()).unwrap()], entry].concat();
        let entry = written.entry();
        assert!(Attributes::from_fields(&field(entry)).is_some());
        let long_length = [&[ATTRIBUTE_KEY, 0x80 | u8::try_from(entry.len()).unwrap(), 0], &entry[..]].concat();
        let long_name = [&[NAME_KEY, 0x81, 0], &entry[2..]].concat();
        let empty_value_before = [&entry[..3], &[VALUE_KEY, 0], &entry[3..]].concat();
        let no_text = [&entry[..2], &[0xff], &entry[3..]].concat();
        assert_eq!(Attributes::from_fields(&long_length), None);
        for other in [&entry[..3], &long_name, &empty_value_before, &no_text] {
            assert_eq!(Attributes::from_fields(&field(other)), None, "{other:?}");
        }
    }

    #[test]
    fn a_change_is_what_a_map_would_make_of_it() {
        let names = ["", "a", "b", "bb", "c", "d", "z"];
        for seed in 0..2_000_u32 {
            let chosen =
                |shift: u32| names.iter().enumerate().filter(move |(at, _)| seed.rotate_left(shift) >> at & 1 == 1);
            let old: Vec<_> = chosen(0).map(|(_, name)| attribute(name, "old")).collect();
            let removed: Vec<String> = chosen(3).map(|(_, name)| (*name).into()).collect();
            let set: Vec<_> = chosen(7).map(|(at, name)| attribute(name, &"new".repeat(at))).rev().collect();
            let mut attributes: Attributes = old.iter().cloned().collect();
            let mut map: BTreeMap<_, _> = old.into_iter().map(|one| (one.name().to_vec(), one)).collect();
            attributes.change(&removed, &set);
            for name in &removed {
                map.remove(name.as_bytes());
            }
            map.extend(set.into_iter().map(|one| (one.name().to_vec(), one)));
            assert_eq!(all(&attributes), map.values().cloned().collect::<Vec<_>>(), "{seed}");
            let size = map.values().map(|one| one.entry().len()).sum();
            assert_eq!((attributes.len(), attributes.size()), (map.len(), size), "{seed}");
        }
    }
}
