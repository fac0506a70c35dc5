//! The native core of sessiond's client for Python: transport, fast lane and values in Rust, on the crate sessiond-client.
//!
//! [`message`] turns Python's plain form of a message into the message and back, [`value`] does so with attributes, and
//! [`method`] makes a call by its name. [`blocking`] lets threads of Python call, [`asynchronous`] tasks of asyncio, and
//! [`fork`] keeps both right in processes that fork.

mod asynchronous;
mod blocking;
mod bridge;
mod error;
mod fork;
mod message;
mod method;
mod settings;
mod value;
mod watch;

use pyo3::prelude::*;

/// `sessiond._native`; `sessiond.transport` says what is in it.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    fork::register(module)?;
    module.add_class::<asynchronous::AsyncCore>()?;
    module.add_class::<blocking::Core>()?;
    module.add_function(wrap_pyfunction!(value::encode, module)?)?;
    module.add_function(wrap_pyfunction!(value::decode, module)?)?;
    module.add_function(wrap_pyfunction!(value::encode_all, module)?)?;
    module.add_function(wrap_pyfunction!(value::decode_all, module)?)?;
    Ok(())
}
