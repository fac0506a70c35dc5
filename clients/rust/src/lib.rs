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
//! was lost. Every call has a deadline; a call is repeated only while the server says that it is unavailable.

mod address;
mod answer;
mod client;
mod error;
pub mod json;
mod redact;
mod request;
mod retry;
mod value;

pub use address::{Address, AddressError, DEFAULT_ADDRESS};
pub use answer::{Created, Health, Read, Rotated, Touched, Updated};
pub use client::{Client, ClientBuilder, DEFAULT_DEADLINE};
pub use error::{Error, Violation};
pub use prost_types::{Duration, Timestamp};
pub use retry::RetryPolicy;

/// The messages and the stub of the contract, generated from the files under `proto/`.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod proto {
    tonic::include_proto!("sessiond.v1");
}
