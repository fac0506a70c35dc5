//! A session's attributes, kept as the encoded `map<string, Value>` entries in which they travel.

use super::value::{self, MalformedValue};
use bytes::{BufMut, Bytes, BytesMut};
use prost::encoding::encode_varint;
use std::sync::Arc;

/// Field 1 (the name), length-delimited.
const NAME_KEY: u8 = 0x0a;
/// Field 2 (the value), length-delimited.
const VALUE_KEY: u8 = 0x12;

/// One attribute: a name and an encoded value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The entry in canonical form: the name, then the value, nothing else.
    entry: Bytes,
    /// The part of the entry that is the name.
    name: Bytes,
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

    /// Reads an entry that was stored in canonical form; `None` if it is none.
    #[must_use]
    pub fn from_stored(entry: Bytes) -> Option<Self> {
        let (name, _) = value::entry(&entry).ok()?;
        let name = entry.slice_ref(name);
        Some(Self { entry, name })
    }

    fn canonical(name: &str, value: &[u8]) -> Self {
        let mut entry = BytesMut::with_capacity(name.len() + value.len() + 12);
        entry.put_u8(NAME_KEY);
        encode_varint(name.len() as u64, &mut entry);
        let start = entry.len();
        entry.put_slice(name.as_bytes());
        entry.put_u8(VALUE_KEY);
        encode_varint(value.len() as u64, &mut entry);
        entry.put_slice(value);
        let entry = entry.freeze();
        let name = entry.slice(start..start + name.len());
        Self { entry, name }
    }

    /// The name, as bytes of UTF-8.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The encoded entry, as it goes into answers and records.
    #[must_use]
    pub fn entry(&self) -> &Bytes {
        &self.entry
    }
}

/// The attributes of a session, each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// In the order of their names. Shared, since records are copied more often than changed.
    sorted: Arc<Vec<Attribute>>,
}

impl Attributes {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// The size of all names and encoded values, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.sorted.iter().map(|attribute| attribute.entry.len()).sum()
    }

    /// The attributes in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Attribute> {
        self.sorted.iter()
    }

    /// Puts one attribute, in place of the one with the same name.
    pub fn set(&mut self, attribute: Attribute) {
        let position = self.position(attribute.name());
        let sorted = Arc::make_mut(&mut self.sorted);
        match position {
            Ok(at) => sorted[at] = attribute,
            Err(at) => sorted.insert(at, attribute),
        }
    }

    /// Removes one attribute; does nothing if it is not there.
    pub fn remove(&mut self, name: &str) {
        if let Ok(at) = self.position(name.as_bytes()) {
            Arc::make_mut(&mut self.sorted).remove(at);
        }
    }

    /// Removes all.
    pub fn clear(&mut self) {
        self.sorted = Arc::default();
    }

    fn position(&self, name: &[u8]) -> Result<usize, usize> {
        // Names mostly arrive in order, as records and previous answers hold them.
        if self.sorted.last().is_none_or(|last| last.name() < name) {
            return Err(self.sorted.len());
        }
        self.sorted.binary_search_by(|attribute| attribute.name().cmp(name))
    }
}

impl FromIterator<Attribute> for Attributes {
    /// Of several attributes with one name the last one stays, as in a protobuf map.
    fn from_iter<I: IntoIterator<Item = Attribute>>(attributes: I) -> Self {
        let mut collected = Self::default();
        for attribute in attributes {
            collected.set(attribute);
        }
        collected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(name: &str, text: &str) -> Attribute {
        let mut value = vec![0x2a, u8::try_from(text.len()).unwrap()];
        value.extend(text.as_bytes());
        Attribute::canonical(name, &value)
    }

    #[test]
    fn entries_become_canonical_and_are_read_back() {
        // The value before the name.
        let shuffled = [0x12, 2, 0x10, 1, 0x0a, 1, b'a'];
        let read = Attribute::from_wire(&shuffled).unwrap();
        assert_eq!(read.name(), b"a");
        assert_eq!(read.entry()[..], [0x0a, 1, b'a', 0x12, 2, 0x10, 1]);
        assert_eq!(Attribute::from_stored(read.entry().clone()), Some(read));
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
        let names = |attributes: &Attributes| attributes.iter().map(|a| a.name().to_vec()).collect::<Vec<_>>();
        assert_eq!(names(&attributes), [b"a", b"b"]);
        assert_eq!(attributes.iter().last(), Some(&attribute("b", "2")));
        attributes.remove("a");
        attributes.remove("never there");
        assert_eq!(names(&attributes), [b"b"]);
    }
}
