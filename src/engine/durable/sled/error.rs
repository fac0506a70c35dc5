//! What sled's errors mean to the engine.

use crate::engine::EngineError;
use crate::engine::durable::folder::{self, DataFolder};
use std::io::ErrorKind;
use std::sync::Arc;

impl From<::sled::Error> for EngineError {
    fn from(error: ::sled::Error) -> Self {
        match error {
            ::sled::Error::Corruption { .. } => Self::Corrupt("a page of the data can't be read".into()),
            error if is_full(&error) => Self::DiskFull,
            // The file ends inside the page.
            ::sled::Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => {
                Self::Corrupt("a page of the data is cut off".into())
            }
            error => Self::Storage(Arc::new(error)),
        }
    }
}

/// Turns an error from opening sled into a refusal. Damage that sled finds itself is reported like the damage that the
/// inspection finds.
pub(super) fn refuse(error: ::sled::Error, folder: &DataFolder) -> EngineError {
    match error {
        ::sled::Error::Io(error) if error.kind() != ErrorKind::UnexpectedEof => error.into(),
        error => EngineError::Damaged { folder: folder.path().into(), damage: format!("sled can't open it ({error})") },
    }
}

/// Whether the disk has no space left. sled keeps only the texts of some errors.
fn is_full(error: &::sled::Error) -> bool {
    match error {
        ::sled::Error::Io(error) => folder::is_full(error) || error.to_string().contains("code: 28,"),
        _ => false,
    }
}
