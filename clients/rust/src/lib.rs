#![doc = include_str!("../README.md")]

mod address;
mod admin;
mod backup;
mod batch;
mod client;
mod convert;
mod csrf;
mod directory;
mod error;
mod events;
mod follow;
mod handoff;
pub mod json;
mod json_data;
mod lane;
mod locks;
mod mapped_id;
mod redact;
mod retry;
mod retry_budget;
mod rpc;
mod servers;
mod sessions;
mod tls;
mod token;
mod trace;
mod unsent;
mod value;
mod verify;

pub use address::{Address, AddressError, DEFAULT_ADDRESS};
pub use admin::Health;
pub use backup::Backup;
pub use client::{Client, ClientBuilder, DEFAULT_DEADLINE, SettingsError};
pub use directory::{Listing, Page};
pub use error::{Error, Violation};
pub use events::{Event, Watch, WatchMessage};
pub use follow::Follow;
pub use handoff::{Handoff, Redeemed};
pub use lane::Lane;
pub use locks::Lock;
pub use mapped_id::mapped_id;
pub use prost_types::{Duration, Timestamp};
pub use proto::{BackupSummary, GetStatisticsResponse as Statistics, TraceContext, VerifySummary};
pub use retry::RetryPolicy;
pub use rpc::Rpc;
pub use sessions::{Created, Read, Rotated, Touched, Updated};
pub use tls::{Tls, TlsError};
pub use token::TokenError;
pub use verify::Verification;

/// The messages and the stubs of the contract, generated from the files under `proto/`.
#[allow(missing_docs, clippy::all, clippy::pedantic, rustdoc::bare_urls)]
pub mod proto {
    tonic::include_proto!("sessiond.v1");
}
