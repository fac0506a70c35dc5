//! Why a command failed, and its exit code.

use std::io::{self, ErrorKind};

use sessiond_client::{Error, SettingsError};

use super::report::Report;

/// The exit code of an error.
pub(crate) const FAILED: u8 = 1;
/// The exit code if there is no such session or attribute. Scripts can tell that from an error.
pub(crate) const NOT_FOUND: u8 = 3;

/// The exit code of wrong usage, whether it is found before anything is sent or by the server.
pub(crate) const USAGE: u8 = 2;

/// A command that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// One line for standard error.
    pub(crate) message: String,
    pub(crate) code: u8,
    /// What is printed all the same. It is boxed to keep results small.
    pub(crate) report: Option<Box<Report>>,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: FAILED, report: None }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { code: USAGE, ..Self::new(message) }
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self { code: NOT_FOUND, ..Self::new(message) }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::SessionNotFound => Self::not_found(error.to_string()),
            // Only the server knows the bounds of some arguments.
            Error::InvalidArgument { .. } => Self::usage(error.to_string()),
            _ => Self::new(error.to_string()),
        }
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(format!("can't read standard input: {error}"))
    }
}

/// Why a command that prints as it goes stopped early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The reader of standard output has closed it because it has read enough: no error.
    Closed,
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<SettingsError> for Stop {
    fn from(error: SettingsError) -> Self {
        Self::Failed(error.into())
    }
}

/// Standard output is what such commands write to.
impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        if error.kind() == ErrorKind::BrokenPipe {
            Self::Closed
        } else {
            Self::Failed(Failure::new(format!("can't write to standard output: {error}")))
        }
    }
}
