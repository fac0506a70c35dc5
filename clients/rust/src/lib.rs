//! Client of the sessiond session store.
//!
//! ```no_run
//! use sessiond_client::proto::{CreateSessionRequest, RotateSessionRequest, SessionChange};
//! use sessiond_client::{Client, Error};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder().address("127.0.0.1:50051").connect_lazy()?;
//!
//! // A first visit: the ID goes into the visitor's cookie.
//! let created = client.create(CreateSessionRequest::new().attribute("theme", "dark")).await?;
//!
//! // A web request that reads, and one that writes.
//! let session = client.get(&created.session_id).await?.session;
//! client.update(&created.session_id, SessionChange::new().set("cart", 3).remove("coupon")).await?;
//!
//! // A log in: new ID and principal in one step.
//! let log_in = SessionChange::new().set_principal("user-42");
//! let rotated = client.rotate(RotateSessionRequest::new(&created.session_id).change(log_in)).await?;
//!
//! match client.get(&created.session_id).await {
//!     Err(Error::SessionNotFound) => {} // The old ID is dead.
//!     other => drop(other?),
//! }
//! # let _ = (session, rotated);
//! # Ok(())
//! # }
//! ```
//!
//! A [`Client`] is cheap to clone and safe to share. It connects at the first call and again whenever the connection
//! was lost. Of several addresses, which are the processes of one store, it uses one at a time: when that can't be
//! reached, is starting or shuts down, it goes on with the next. Every call has a deadline. A call is repeated while the server is unavailable, but not if it may have been
//! carried out and a second time would make a difference. Only the stream of [`Client::watch`], a backup, a
//! restore and a check of the data have no deadline once they have begun.
//!
//! Calls on single sessions (create, get, update, touch, rotate, delete) share one stream on which those that are made at
//! the same time travel together, whichever tasks make them: that costs a fraction of a call of its own. Where a server or
//! a proxy refuses such a stream, they are made one by one; see [`Lane`].

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
mod servers;
mod sessions;
mod value;
mod verify;

pub use address::{Address, AddressError, DEFAULT_ADDRESS};
pub use admin::Health;
pub use backup::Backup;
pub use client::{Client, ClientBuilder, DEFAULT_DEADLINE};
pub use directory::{Listing, Page};
pub use error::{Error, Violation};
pub use events::{Event, Watch, WatchMessage};
pub use follow::Follow;
pub use handoff::{Handoff, Redeemed};
pub use lane::Lane;
pub use locks::Lock;
pub use mapped_id::mapped_id;
pub use prost_types::{Duration, Timestamp};
pub use proto::{BackupSummary, GetStatisticsResponse as Statistics, VerifySummary};
pub use retry::RetryPolicy;
pub use sessions::{Created, Read, Rotated, Touched, Updated};
pub use verify::Verification;

/// The messages and the stubs of the contract, generated from the files under `proto/`.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod proto {
    tonic::include_proto!("sessiond.v1");
}
