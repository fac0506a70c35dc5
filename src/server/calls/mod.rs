//! One call on a connection, from its headers to the end of its answer.
//!
//! [`call`] leads through it: [`route`] says what kind of call it is, [`caller`] who makes it, [`request`] receives it, [`router`] hands it to its
//! service, and [`answer`] sends what that answers. [`compression`] and [`deadline`] are read from the headers;
//! [`reflection`] is a service that only tools call.

pub(super) mod answer;
pub(super) mod call;
pub(super) mod caller;
mod compression;
mod deadline;
pub(super) mod reflection;
mod request;
pub(super) mod route;
pub(super) mod router;
