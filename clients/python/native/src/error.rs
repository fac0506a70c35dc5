//! Errors, as `sessiond.errors` has them.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use sessiond_client::Error;

/// What `sessiond.errors.make` makes of an error.
pub(crate) fn raised(py: Python<'_>, error: &Error) -> PyErr {
    make(py, error).unwrap_or_else(|other| other)
}

fn make(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let make = MAKE.get_or_try_init(py, || py.import("sessiond.errors")?.getattr("make").map(Bound::unbind))?;
    let metadata = PyDict::new(py);
    let number = |name, number: Option<u64>| match number {
        Some(number) => metadata.set_item(name, number.to_string()),
        None => Ok(()),
    };
    let mut violations = Vec::new();
    let message = match error {
        Error::InvalidArgument { message, violations: found } => {
            violations =
                found.iter().map(|violation| (violation.field.as_str(), violation.description.as_str())).collect();
            message.clone()
        }
        Error::Unauthenticated { message, .. } | Error::PermissionDenied { message, .. } => message.clone(),
        other => other.to_string(),
    };
    match error {
        Error::VersionMismatch { current } => number("current_version", *current)?,
        Error::SessionTooLarge { limit, actual, .. } | Error::MessageTooLarge { limit, actual, .. } => {
            number("limit", *limit)?;
            number("actual", *actual)?;
        }
        Error::LockHeld { held_for, ends_in } => {
            number("held_for_ms", held_for.map(millis))?;
            number("ends_in_ms", ends_in.map(millis))?;
        }
        _ => {}
    }
    let arguments = (error.reason(), i32::from(error.code()), message, metadata, violations);
    make.bind(py).call1(arguments).map(PyErr::from_value)
}

/// The error of a module for settings that can't be used.
pub(crate) fn settings_error(py: Python<'_>, module: &str, class: &str, problem: &str) -> PyErr {
    let made = || py.import(module)?.getattr(class)?.call1((problem,)).map(PyErr::from_value);
    made().unwrap_or_else(|other| other)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
