//! Compares what a step says about an error with the client's error.

use serde_json::{Value, json};
use sessiond_client::Error;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::run::Run;

/// An error in the words of the cases: reason, code, fields and metadata.
pub(crate) fn described(error: &Error) -> Value {
    let (mut fields, mut metadata) = (Vec::new(), json!({}));
    match error {
        Error::InvalidArgument { violations, .. } => {
            let told = violations.iter().filter(|found| !found.description.is_empty());
            fields = told.map(|found| found.field.clone()).collect();
        }
        Error::VersionMismatch { current: Some(current) } => metadata = json!({"current_version": current.to_string()}),
        Error::SessionTooLarge { limit: Some(limit), actual: Some(actual), .. } => {
            metadata = json!({"limit": limit.to_string(), "actual": actual.to_string()});
        }
        Error::LockHeld { held_for: Some(_), ends_in: Some(_) } => {
            metadata = json!({"held_for_ms": 0, "ends_in_ms": 0});
        }
        _ => {}
    }
    json!({"reason": error.reason(), "code": name(error.code()), "fields": fields, "metadata": metadata})
}

/// A status in the words of the cases. A reply of an exchange can also be one.
pub(crate) fn described_status(status: &Status) -> Value {
    let details = status.get_error_details();
    let (reason, metadata) = details.error_info().map(|info| (&info.reason, &info.metadata)).unzip();
    let fields =
        details.bad_request().map(|bad| bad.field_violations.iter().map(|found| &*found.field).collect::<Vec<_>>());
    json!({"reason": reason, "code": name(status.code()), "fields": fields.unwrap_or_default(), "metadata": metadata})
}

/// The name of a code as the contract writes it.
fn name(code: Code) -> String {
    let camel = format!("{code:?}");
    let words = camel.char_indices().map(|(at, letter)| {
        let gap = if at > 0 && letter.is_uppercase() { "_" } else { "" };
        format!("{gap}{}", letter.to_ascii_uppercase())
    });
    words.collect()
}

impl Run {
    /// Tells where an error, in the words of the cases, is not what is wanted.
    pub(crate) fn matches_error(&self, wanted: &Value, found: &Value) -> Result<(), String> {
        let mut wanted = if wanted.is_string() { json!({"reason": wanted}) } else { wanted.clone() };
        let fields = wanted.as_object_mut().and_then(|parts| parts.remove("fields")).unwrap_or_default();
        match fields.as_array().into_iter().flatten().find(|field| !found["fields"].as_array().unwrap().contains(field))
        {
            Some(field) => Err(format!("{field} is not among {}", found["fields"])),
            None => self.matches(&wanted, Some(found), "error"),
        }
    }
}
