//! The settings of `sessiond serve`: where they come from, what they may be, and how they are shown.
//!
//! A setting has one name. It is the flag (`--sweep-interval`), the key at the top level of the TOML file
//! (`sweep-interval`), and in upper snake form the environment variable (`SESSIOND_SWEEP_INTERVAL`). A flag wins over
//! the environment, the environment over the file that `--config` or `SESSIOND_CONFIG` names, the file over the default.
//! An empty environment variable counts as unset.
//!
//! The settings of [`PolicySettings`] hold in every namespace. The file can replace some of them in one namespace, by a
//! table with the same keys; what the table leaves out is as it is at the top level, wherever that comes from. What it
//! says wins over flags and the environment, which cannot name a namespace. A name with a dot has to be quoted, because
//! TOML would take it for a table in a table:
//!
//! ```toml
//! idle-timeout = "24h"
//!
//! [namespaces.shop]
//! idle-timeout = "30m"
//!
//! [namespaces."eu.shop"]
//! max-sessions-per-principal = 5
//! ```
//!
//! [`Settings`] declares each setting once, for clap. Whatever the environment and the file say is handed to the same
//! clap parsers as flags would be, so that there is one judge and one wording for all of them.

mod args;
mod environment;
mod error;
mod file;
mod layers;
mod policy;
mod report;
mod values;

#[cfg(test)]
mod tests;

pub use args::{ServeArgs, Settings};
pub use error::{ConfigError, one_line};
pub use layers::{Effective, Entry, Origin};
pub use policy::PolicySettings;
pub use values::{AtSessionLimit, Durability, EngineKind, Listen, LogFormat, OptionalCount, OptionalDuration};
