//! Where a ciphertext stands, which is part of what its tag vouches for.

use smallvec::SmallVec;

/// A place, as bytes that no other place has: what it is, and then parts that are of a fixed length, but for the last one.
#[derive(Clone, Debug)]
pub(crate) struct Place(SmallVec<[u8; 64]>);

impl Place {
    /// A row of a table of the database.
    pub(crate) fn row(table: u8, key: &[u8]) -> Self {
        Self::of(b"row", &[&[table], key])
    }

    /// An entry of the redo log.
    pub(crate) fn redo_entry(generation: u64, offset: u64) -> Self {
        Self::of(b"redo", &[&generation.to_be_bytes(), &offset.to_be_bytes()])
    }

    /// A chunk of the backup with this random ID.
    pub(crate) fn chunk(backup: &[u8; 16], number: u64) -> Self {
        Self::of(b"chunk", &[backup, &number.to_be_bytes()])
    }

    /// The secret of the hashes of principals.
    pub(crate) fn principals() -> Self {
        Self::of(b"principals", &[])
    }

    /// The attributes of a sealed session, and the keys to them.
    pub(crate) fn sealed(handle: &[u8; 16], namespace: &str) -> Self {
        Self::of(b"sealed", &[handle, namespace.as_bytes()])
    }

    fn of(kind: &[u8], parts: &[&[u8]]) -> Self {
        let mut place = SmallVec::from_slice(kind);
        place.push(0);
        for part in parts {
            place.extend_from_slice(part);
        }
        Self(place)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
