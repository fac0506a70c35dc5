//! The types that a field of a message can have.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message as _;
use pyo3::exceptions::{PyUnicodeEncodeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};
use sessiond_client::proto::Value;
use sessiond_client::{Duration, Timestamp};

use super::{FromPlain, IntoPlain};

const MICROS: i64 = 1_000_000;

/// A type that a field of a request can have. Absent, it is the default.
pub(super) trait Read: Default {
    fn read(value: &Bound<'_, PyAny>) -> PyResult<Self>;
}

/// A type that a field of an answer can have.
pub(super) trait Write {
    fn write(self, dict: &Bound<'_, PyDict>, name: &Bound<'_, PyString>) -> PyResult<()>;
}

/// The field of a dict.
pub(super) fn read<T: Read>(dict: &Bound<'_, PyDict>, name: &Bound<'_, PyString>) -> PyResult<T> {
    match dict.get_item(name)? {
        Some(value) => T::read(&value),
        None => Ok(T::default()),
    }
}

macro_rules! read {
    ($($type:ty),*) => {$(
        impl Read for $type {
            fn read(value: &Bound<'_, PyAny>) -> PyResult<Self> {
                value.extract()
            }
        }
    )*};
}

macro_rules! write {
    ($($type:ty),*) => {$(
        impl Write for $type {
            fn write(self, dict: &Bound<'_, PyDict>, name: &Bound<'_, PyString>) -> PyResult<()> {
                dict.set_item(name, self)
            }
        }
    )*};
}

read!(bool, i32, u32, u64, Vec<i32>, Option<u64>);
write!(bool, i32, u32, u64, f64, String, Vec<String>, BTreeMap<String, String>);

// A text, or several. Python's own error for one that is not valid Unicode would show it.
macro_rules! read_texts {
    ($($type:ty),*) => {$(
        impl Read for $type {
            fn read(value: &Bound<'_, PyAny>) -> PyResult<Self> {
                value.extract().map_err(|error: PyErr| {
                    if error.is_instance_of::<PyUnicodeEncodeError>(value.py()) {
                        return PyValueError::new_err("a text is not valid Unicode");
                    }
                    error
                })
            }
        }
    )*};
}

read_texts!(String, Vec<String>, BTreeMap<String, String>);

impl Read for Option<Duration> {
    fn read(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        let micros: i64 = value.extract()?;
        // Seconds and their fraction have the same sign.
        let nanos = i32::try_from(micros % MICROS * 1_000).unwrap_or_default();
        Ok(Some(Duration { seconds: micros / MICROS, nanos }))
    }
}

impl Write for Option<Duration> {
    fn write(self, dict: &Bound<'_, PyDict>, name: &Bound<'_, PyString>) -> PyResult<()> {
        let Some(Duration { seconds, nanos }) = self else { return Ok(()) };
        dict.set_item(name, seconds.saturating_mul(MICROS).saturating_add(i64::from(nanos / 1_000)))
    }
}

impl Read for Option<Timestamp> {
    fn read(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        let micros: i64 = value.extract()?;
        // The fraction counts forward, also before 1970.
        let nanos = i32::try_from(micros.rem_euclid(MICROS) * 1_000).unwrap_or_default();
        Ok(Some(Timestamp { seconds: micros.div_euclid(MICROS), nanos }))
    }
}

impl Write for Option<Timestamp> {
    fn write(self, dict: &Bound<'_, PyDict>, name: &Bound<'_, PyString>) -> PyResult<()> {
        let Some(Timestamp { seconds, nanos }) = self else { return Ok(()) };
        dict.set_item(name, seconds.saturating_mul(MICROS).saturating_add(i64::from(nanos / 1_000)))
    }
}

impl Read for BTreeMap<String, Value> {
    fn read(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        value.cast::<PyDict>()?.iter().map(|(name, value)| Ok((name.extract()?, value_of(&value)?))).collect()
    }
}

/// The value whose bytes these are.
pub(crate) fn value_of(bytes: &Bound<'_, PyAny>) -> PyResult<Value> {
    let bytes = bytes.cast::<PyBytes>()?.as_bytes();
    // The error would show what it met.
    Value::decode(bytes).map_err(|_| PyValueError::new_err("not the bytes of a Value"))
}

impl Write for BTreeMap<String, Value> {
    fn write(self, dict: &Bound<'_, PyDict>, name: &Bound<'_, PyString>) -> PyResult<()> {
        let values = PyDict::new(dict.py());
        for (name, value) in self {
            values.set_item(name, PyBytes::new(dict.py(), &value.encode_to_vec()))?;
        }
        dict.set_item(name, values)
    }
}

impl Write for Bytes {
    fn write(self, dict: &Bound<'_, PyDict>, name: &Bound<'_, PyString>) -> PyResult<()> {
        dict.set_item(name, PyBytes::new(dict.py(), &self))
    }
}

impl<M: FromPlain> Read for Option<M> {
    fn read(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        M::from_plain(value.cast()?).map(Some)
    }
}

impl<M: IntoPlain> Write for Option<M> {
    fn write(self, dict: &Bound<'_, PyDict>, name: &Bound<'_, PyString>) -> PyResult<()> {
        let Some(message) = self else { return Ok(()) };
        dict.set_item(name, message.into_plain(dict.py())?)
    }
}

impl<M: IntoPlain> Write for Vec<M> {
    fn write(self, dict: &Bound<'_, PyDict>, name: &Bound<'_, PyString>) -> PyResult<()> {
        let messages = PyList::empty(dict.py());
        for message in self {
            messages.append(message.into_plain(dict.py())?)?;
        }
        dict.set_item(name, messages)
    }
}
