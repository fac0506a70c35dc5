//! sessiond: one session store for services in every language.
//!
//! How a request travels:
//!
//! ```text
//! server   accepts connections, spreads them over the workers, limits what is in flight
//!   └ service   gRPC: checks the input, converts it, makes every error status
//!       └ session   the rules: expiry, merge, compare-and-set, rotation; one file per operation
//!           └ engine   records with their index rows: sled on disk, or memory
//! ```
//!
//! `authorization` knows who may call, `call_record` tells operators of single calls, `backup` writes and reads backups,
//! `encryption` encrypts what is at rest, `model` defines sessions, `clock` tells the time, `config` checks the settings,
//! `proto` is the contract, `secret_file` reads files of secrets, `printable` makes text fit for a terminal, `fuzzing` is the door of the fuzz targets, `low_priority` has threads that visitors go before, and
//! `histogram` and `striped` count.

pub mod authorization;
pub mod backup;
pub mod call_record;
pub mod clock;
pub mod config;
pub mod encryption;
pub mod engine;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod histogram;
mod low_priority;
pub mod model;
pub mod printable;
pub mod proto;
mod secret_file;
pub mod server;
pub mod service;
pub mod session;
mod striped;
mod usage;
mod watched_file;
mod wire;
