//! Messages in plain form: a dict by the names of the contract's fields. Durations and timestamps are whole microseconds,
//! enums are their numbers, and a `Value` is its bytes. Of a oneof the field that is set is there.

mod field;
mod messages;

pub(crate) use field::value_of;

use pyo3::prelude::*;
use pyo3::types::PyDict;

/// A message that comes from Python.
pub(crate) trait FromPlain: Sized {
    fn from_plain(dict: &Bound<'_, PyDict>) -> PyResult<Self>;
}

/// A message that goes to Python.
pub(crate) trait IntoPlain {
    fn into_plain(self, py: Python<'_>) -> PyResult<Bound<'_, PyDict>>;
}
