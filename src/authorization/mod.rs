//! Who may call, and what each caller may do.
//!
//! The access file ([`rules`]) names callers and says what each of them may do, as [`permission`]s in namespaces; the token
//! file ([`token_file`]) has the hashes of their [`token`]s. The [`authorizer`] holds what both say at present, and finds the
//! [`caller`] of a call by its token or by the [`identity`] of its connection; for a token that nobody knows it asks for another of
//! the [`looks`] at the files. [`rate`] bounds how much a caller may do.

mod authorizer;
mod caller;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod identity;
mod looks;
mod permission;
mod rate;
mod rules;
mod token;
mod token_file;

pub(crate) use authorizer::Loaded;
pub use authorizer::{AccessFiles, Authorizer};
pub use caller::{Caller, Denied};
pub use identity::{CertificateName, PeerIdentity, UnixUser};
pub use permission::Permission;
pub use rate::{Pace, Rate};
pub use token::Token;
pub use token_file::{TokenEntry, TokenFile, TokenFileError};

use std::fmt;
use std::path::Path;

/// Why a file can't be used: which setting names it, what is wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {problem}")]
pub struct AccessProblem {
    /// The setting that names the file.
    pub setting: &'static str,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl AccessProblem {
    fn new(setting: &'static str, path: &Path, problem: impl fmt::Display) -> Self {
        // A key or a name of the file may be shown, and its control characters would tear a line of the log.
        let problem = format!("{} {problem}", path.display()).replace(char::is_control, " ");
        Self { setting, problem }
    }
}
