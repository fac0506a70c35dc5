//! The settings of `sessiond serve`: where they come from, which values they allow, and how they are shown.
//!
//! A setting has one name. The name is the flag (`--sweep-interval`), the key at the top level of the TOML file
//! (`sweep-interval`), and in upper snake case the environment variable (`SESSIOND_SWEEP_INTERVAL`). A flag wins over
//! the environment. The environment wins over the file that `--config` or `SESSIOND_CONFIG` names, and the file over
//! the default. An empty environment variable counts as unset.
//!
//! The settings of [`PolicySettings`] hold in every namespace. The file can replace some of them in one namespace, in a
//! table with the same keys. What the table leaves out is as at the top level, wherever that comes from. The table wins
//! over flags and the environment, which can't name a namespace. A namespace with a dot must be quoted, because TOML
//! would take it for a table in a table:
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
//! [`Settings`] declares each setting once, for clap. Values from the environment and the file go through the same clap
//! parsers as flags, so that the checks and the wording are the same for all.

mod args;
mod environment;
mod error;
mod file;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
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
pub(crate) use values::{ALL_NAMES, NO_HOSTS, TLS, is_loopback};
pub use values::{
    EngineKind, Listen, LogFormat, OptionalCount, OptionalDuration, OptionalListen, OptionalPath, OptionalUrl,
};
