//! Why a command failed, and its exit code.

use std::io;

use sessiond_client::{AddressError, Error};

use super::output::Report;

/// The exit code of an error.
pub(super) const FAILED: u8 = 1;
/// The exit code if there is no such session or attribute, so that a script can tell that from an error.
pub(super) const NOT_FOUND: u8 = 3;

/// A command that failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// One line for standard error.
    pub(super) message: String,
    pub(super) code: u8,
    /// What is printed nevertheless; boxed, so that a failure is no burden to results.
    pub(super) report: Option<Box<Report>>,
}

impl Failure {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: FAILED,
            report: None,
        }
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self {
            code: NOT_FOUND,
            ..Self::new(message)
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::SessionNotFound => Self::not_found(error.to_string()),
            _ => Self::new(error.to_string()),
        }
    }
}

impl From<AddressError> for Failure {
    fn from(error: AddressError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(format!("can't read standard input: {error}"))
    }
}
