//! Attributes: Python's own types, and the bytes of the language-neutral `Value`.

use std::collections::HashMap;

use bytes::Bytes;
use prost::Message as _;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyInt, PyList, PyMapping, PyMemoryView, PyString, PyTuple, PyType,
};
use sessiond_client::Timestamp;
use sessiond_client::proto::value::Kind;
use sessiond_client::proto::{ListValue, MapEntry, MapValue, OpaqueValue, Value};

use crate::fork::Inside;
use crate::message::value_of;

/// How deep the server lets a value nest.
const MAX_DEPTH: usize = 30;

/// The moments that a timestamp can hold, in seconds: 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// The bytes of the Value for `value`, which is to be the attribute `name`.
///
/// `key` turns a dictionary key into text; without it only str keys are taken. Raises `UnsupportedValue`, which names the
/// attribute and the place in it.
#[pyfunction]
#[pyo3(signature = (value, name, key=None))]
pub(crate) fn encode<'py>(
    value: &Bound<'py, PyAny>,
    name: &Bound<'py, PyAny>,
    key: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let _inside = Inside::enter(value.py());
    let encoder = Encoder { key, types: Types::get(value.py())? };
    encoder.encode(value, name)
}

/// The Python value for the bytes of a Value. Raises `UnsupportedValue` for a kind that this version does not know.
#[pyfunction]
pub(crate) fn decode<'py>(data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let _inside = Inside::enter(data.py());
    to_python(data.py(), value_of(data)?)
}

/// `encode` for all attributes of a mapping.
#[pyfunction]
#[pyo3(signature = (attributes, key=None))]
pub(crate) fn encode_all<'py>(
    attributes: &Bound<'py, PyAny>,
    key: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let py = attributes.py();
    let _inside = Inside::enter(py);
    let encoder = Encoder { key, types: Types::get(py)? };
    let all = PyDict::new(py);
    for_each_entry(attributes, |name, value| all.set_item(name, encoder.encode(value, name)?))?;
    Ok(all)
}

/// `decode` for all attributes, in the order of their names.
#[pyfunction]
pub(crate) fn decode_all<'py>(attributes: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyDict>> {
    let py = attributes.py();
    let _inside = Inside::enter(py);
    let decoded = PyDict::new(py);
    let names = attributes.keys();
    names.sort()?;
    for name in names {
        if let Some(data) = attributes.get_item(&name)? {
            decoded.set_item(name, to_python(py, value_of(&data)?)?)?;
        }
    }
    Ok(decoded)
}

/// What stands elsewhere in the package, or in the standard library.
struct Types {
    datetime: Py<PyType>,
    timedelta: Py<PyType>,
    epoch: Py<PyAny>,
    opaque: Py<PyType>,
    unsupported: Py<PyType>,
}

impl Types {
    fn get(py: Python<'_>) -> PyResult<&Self> {
        static TYPES: PyOnceLock<Types> = PyOnceLock::new();
        TYPES.get_or_try_init(py, || {
            let module = py.import("datetime")?;
            let class = |module: &Bound<'_, PyModule>, name| -> PyResult<Py<PyType>> {
                Ok(module.getattr(name)?.cast_into::<PyType>()?.unbind())
            };
            let datetime = class(&module, "datetime")?;
            let utc = module.getattr("timezone")?.getattr("utc")?;
            let epoch = datetime.bind(py).call1((1970, 1, 1, 0, 0, 0, 0, utc))?.unbind();
            Ok(Self {
                timedelta: class(&module, "timedelta")?,
                datetime,
                epoch,
                opaque: class(&py.import("sessiond.values")?, "Opaque")?,
                unsupported: class(&py.import("sessiond.errors")?, "UnsupportedValue")?,
            })
        })
    }

    fn unsupported(&self, py: Python<'_>, message: String) -> PyErr {
        PyErr::from_type(self.unsupported.bind(py).clone(), message)
    }
}

/// Why a value can't be encoded.
enum Fault {
    /// What is wrong, and where below the attribute.
    Here { place: String, problem: String },
    /// Python raised it.
    Raised(PyErr),
}

impl Fault {
    fn here(problem: impl Into<String>) -> Self {
        Self::Here { place: String::new(), problem: problem.into() }
    }

    /// The same, seen from the list or map that holds the place.
    fn within(self, step: &str) -> Self {
        match self {
            Self::Here { place, problem } => Self::Here { place: format!("[{step}]{place}"), problem },
            raised @ Self::Raised(_) => raised,
        }
    }
}

impl From<PyErr> for Fault {
    fn from(error: PyErr) -> Self {
        Self::Raised(error)
    }
}

struct Encoder<'a, 'py> {
    key: Option<&'a Bound<'py, PyAny>>,
    types: &'a Types,
}

impl<'py> Encoder<'_, 'py> {
    fn encode(&self, value: &Bound<'py, PyAny>, name: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        let py = value.py();
        match self.to_value(value, 1) {
            Ok(value) => Ok(PyBytes::new(py, &value.encode_to_vec())),
            Err(Fault::Raised(error)) => Err(error),
            Err(Fault::Here { place, problem }) => {
                let name = name.repr()?;
                Err(self.types.unsupported(py, format!("attribute {name}{place} {problem}")))
            }
        }
    }

    fn to_value(&self, value: &Bound<'py, PyAny>, depth: usize) -> Result<Value, Fault> {
        if depth > MAX_DEPTH {
            return Err(Fault::here(format!("nests deeper than {MAX_DEPTH} levels")));
        }
        // bool before int: it is a subclass.
        let kind = if let Ok(text) = value.cast::<PyString>() {
            Kind::StringValue(text_of(text)?)
        } else if value.is_none() {
            Kind::NullValue(0)
        } else if let Ok(truth) = value.cast::<PyBool>() {
            Kind::BoolValue(truth.is_true())
        } else if let Ok(number) = value.cast::<PyInt>() {
            // Beyond 64 bits: the error would show the number.
            let number: Result<i64, _> = number.extract();
            Kind::IntValue(number.map_err(|_| Fault::here("holds an int beyond 64 bits"))?)
        } else if let Ok(number) = value.cast::<PyFloat>() {
            Kind::DoubleValue(number.value())
        } else if let Ok(dict) = value.cast::<PyDict>() {
            Kind::MapValue(self.to_map(dict.as_any(), depth)?)
        } else if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
            Kind::ListValue(self.to_list(value, depth)?)
        } else if let Ok(data) = value.cast::<PyBytes>() {
            Kind::BytesValue(Bytes::copy_from_slice(data.as_bytes()))
        } else if let Ok(data) = value.cast::<PyByteArray>() {
            Kind::BytesValue(data.to_vec().into())
        } else if value.is_instance_of::<PyMemoryView>() {
            let data = value.call_method0(intern!(value.py(), "tobytes"))?;
            Kind::BytesValue(Bytes::copy_from_slice(data.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes()))
        } else if value.is_instance(self.types.datetime.bind(value.py()))? {
            Kind::TimestampValue(self.to_timestamp(value)?)
        } else if value.is_instance(self.types.opaque.bind(value.py()))? {
            let encoding = value.getattr(intern!(value.py(), "encoding"))?;
            let data = value.getattr(intern!(value.py(), "data"))?;
            Kind::OpaqueValue(OpaqueValue {
                encoding: text_of(encoding.cast::<PyString>().map_err(PyErr::from)?)?,
                data: Bytes::copy_from_slice(data.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes()),
            })
        } else if value.cast::<PyMapping>().is_ok() {
            Kind::MapValue(self.to_map(value, depth)?)
        } else {
            let name = value.get_type().name()?.to_string();
            let article = if name.starts_with(['A', 'E', 'I', 'O', 'U', 'a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
            return Err(Fault::here(format!("holds {article} {name}, which no other language can read")));
        };
        Ok(Value { kind: Some(kind) })
    }

    fn to_list(&self, items: &Bound<'py, PyAny>, depth: usize) -> Result<ListValue, Fault> {
        let mut list = Vec::with_capacity(items.len()?);
        for (index, item) in items.try_iter()?.enumerate() {
            let value = self.to_value(&item?, depth + 1).map_err(|fault| fault.within(&index.to_string()))?;
            list.push(value);
        }
        Ok(ListValue { items: list })
    }

    fn to_map(&self, mapping: &Bound<'py, PyAny>, depth: usize) -> Result<MapValue, Fault> {
        let mut entries: Vec<MapEntry> = Vec::new();
        // Two keys can have one text (1 and "1"); the last one wins, as when JSON is read.
        let mut places: Option<HashMap<String, usize>> = None;
        for_each_entry(mapping, |key, value| {
            let is_text = key.is_exact_instance_of::<PyString>();
            let text = self.key_text(key)?;
            if !is_text && places.is_none() {
                places = Some(entries.iter().enumerate().map(|(place, entry)| (entry.key.clone(), place)).collect());
            }
            let encoded =
                self.to_value(value, depth + 1).map_err(|fault| match PyString::new(key.py(), &text).repr() {
                    Ok(key) => fault.within(&key.to_string()),
                    Err(error) => error.into(),
                })?;
            let entry = MapEntry { key: text, value: Some(encoded) };
            let place = places.as_mut().map(|places| *places.entry(entry.key.clone()).or_insert(entries.len()));
            match place.and_then(|place| entries.get_mut(place)) {
                Some(earlier) => *earlier = entry,
                None => entries.push(entry),
            }
            Ok::<(), Fault>(())
        })?;
        Ok(MapValue { entries })
    }

    fn key_text(&self, key: &Bound<'py, PyAny>) -> Result<String, Fault> {
        if let Ok(text) = key.cast_exact::<PyString>() {
            return text_of(text);
        }
        if let Some(convert) = self.key {
            return text_of(convert.call1((key,))?.cast::<PyString>().map_err(PyErr::from)?);
        }
        if let Ok(text) = key.cast::<PyString>() {
            return text_of(text);
        }
        let problem = format!("dictionary keys must be text, not {}", key.get_type().name()?);
        Err(self.types.unsupported(key.py(), problem).into())
    }

    fn to_timestamp(&self, moment: &Bound<'py, PyAny>) -> Result<Timestamp, Fault> {
        let py = moment.py();
        if moment.call_method0(intern!(py, "utcoffset"))?.is_none() {
            return Err(Fault::here("holds a datetime without a time zone"));
        }
        let since = moment.sub(self.types.epoch.bind(py))?;
        let part = |name: &Bound<'_, PyString>| -> PyResult<i64> { since.getattr(name)?.extract() };
        let seconds = part(intern!(py, "days"))? * 86_400 + part(intern!(py, "seconds"))?;
        if !SECONDS.contains(&seconds) {
            return Err(Fault::here("holds a datetime that is outside the years 1 to 9999 in UTC"));
        }
        let nanos = part(intern!(py, "microseconds"))? * 1_000;
        Ok(Timestamp { seconds, nanos: i32::try_from(nanos).unwrap_or_default() })
    }
}

/// The text of a str.
fn text_of(text: &Bound<'_, PyString>) -> Result<String, Fault> {
    // The error would carry the text, which is the visitor's data.
    text.to_cow().map(std::borrow::Cow::into_owned).map_err(|_| Fault::here("holds text that is not valid Unicode"))
}

/// Goes through the entries of a dict, or of any other mapping.
fn for_each_entry<'py, E: From<PyErr>>(
    mapping: &Bound<'py, PyAny>,
    mut with: impl FnMut(&Bound<'py, PyAny>, &Bound<'py, PyAny>) -> Result<(), E>,
) -> Result<(), E> {
    if let Ok(dict) = mapping.cast_exact::<PyDict>() {
        for (key, value) in dict {
            with(&key, &value)?;
        }
        return Ok(());
    }
    let items = mapping.call_method0(intern!(mapping.py(), "items"))?;
    for item in items.try_iter()? {
        let (key, value) = item?.extract::<(Bound<'py, PyAny>, Bound<'py, PyAny>)>()?;
        with(&key, &value)?;
    }
    Ok(())
}

fn to_python(py: Python<'_>, value: Value) -> PyResult<Bound<'_, PyAny>> {
    let types = Types::get(py)?;
    Ok(match value.kind {
        Some(Kind::NullValue(_)) => py.None().into_bound(py),
        Some(Kind::BoolValue(truth)) => PyBool::new(py, truth).to_owned().into_any(),
        Some(Kind::IntValue(number)) => PyInt::new(py, number).into_any(),
        Some(Kind::DoubleValue(number)) => PyFloat::new(py, number).into_any(),
        Some(Kind::StringValue(text)) => PyString::new(py, &text).into_any(),
        Some(Kind::BytesValue(data)) => PyBytes::new(py, &data).into_any(),
        Some(Kind::TimestampValue(Timestamp { seconds, nanos })) => {
            let since = types.timedelta.bind(py).call1((0, seconds, nanos / 1_000))?;
            types.epoch.bind(py).add(since)?
        }
        Some(Kind::ListValue(list)) => {
            let items: PyResult<Vec<_>> = list.items.into_iter().map(|item| to_python(py, item)).collect();
            PyList::new(py, items?)?.into_any()
        }
        Some(Kind::MapValue(map)) => {
            let dict = PyDict::new(py);
            for MapEntry { key, value } in map.entries {
                dict.set_item(key, to_python(py, value.unwrap_or_default())?)?;
            }
            dict.into_any()
        }
        Some(Kind::OpaqueValue(OpaqueValue { encoding, data })) => {
            types.opaque.bind(py).call1((encoding, PyBytes::new(py, &data)))?
        }
        None => return Err(types.unsupported(py, "a value without a known kind".to_owned())),
    })
}
