//! What a service manager such as systemd and the server tell each other: [`sockets`] takes over what was bound for the server,
//! [`notify`] says how the server is.

pub(crate) mod notify;
pub(crate) mod sockets;
