//! Session IDs and other secrets as arguments.

use std::convert::Infallible;
use std::fmt;
use std::io::{self, BufRead};
use std::str::FromStr;

use crate::cli::output::failure::Failure;

/// A session ID or another secret, or `-` to read it from standard input.
#[derive(Clone)]
pub(crate) struct SecretArg(String);

impl SecretArg {
    /// The ID itself. For `-`, it is one line of standard input.
    pub(crate) fn reveal(self) -> Result<String, Failure> {
        self.reveal_as("session ID")
    }

    /// The same for another kind of secret, which `what` names in errors.
    pub(crate) fn reveal_as(self, what: &str) -> Result<String, Failure> {
        self.reveal_from(&mut io::stdin().lock(), what)
    }

    fn reveal_from(self, input: &mut impl BufRead, what: &str) -> Result<String, Failure> {
        if self.0 != "-" {
            return Ok(self.0);
        }
        let mut line = String::new();
        input.read_line(&mut line)?;
        match line.trim() {
            "" => Err(Failure::new(format!("standard input has no {what}"))),
            id => Ok(id.to_owned()),
        }
    }
}

impl FromStr for SecretArg {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for SecretArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("redacted")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reveal(argument: &str, mut input: &[u8]) -> Result<String, Failure> {
        SecretArg(argument.to_owned()).reveal_from(&mut input, "session ID")
    }

    #[test]
    fn a_dash_reads_one_line() {
        assert_eq!(reveal("-", b"the-id\nmore\n").expect("a line"), "the-id");
        assert_eq!(reveal("-", b"the-id").expect("a line without end"), "the-id");
        assert_eq!(reveal("the-id", b"").expect("no need to read"), "the-id");
        assert!(reveal("-", b"").is_err());
    }

    #[test]
    fn debug_hides_the_id() {
        assert_eq!(format!("{:?}", SecretArg("the-id".to_owned())), "redacted");
    }
}
