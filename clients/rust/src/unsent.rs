//! Which calls the server has not carried out for certain, by the status that was made on this side.
//!
//! tonic has several codes for that, such as `CANCELLED`; what it means is always that the server is not there.

use std::error::Error as StdError;
use std::sync::Arc;

use tonic::{Code, Status};

/// The status as `UNAVAILABLE` if nothing of the call was carried out, or else as it is.
pub(crate) fn absence(status: Status) -> Result<Status, Status> {
    if !was_not_carried_out(&status) {
        return Err(status);
    }
    if status.code() == Code::Unavailable {
        return Ok(status);
    }
    let mut absence = Status::unavailable(status.message());
    // Below it stands why the connection ended, such as what TLS says of a certificate.
    absence.set_source(Arc::new(status));
    Ok(absence)
}

/// Whether nothing of the call was carried out: no connection came about, the connection ended before the call was written to it, or the server said that
/// it does not take the call (RFC 9113, 8.7: `REFUSED_STREAM`, and streams above the last of an orderly `GOAWAY`).
fn was_not_carried_out(status: &Status) -> bool {
    let mut cause = status.source();
    while let Some(found) = cause {
        if found.is::<tonic::ConnectError>() || was_not_written(found) || was_turned_away(found) {
            return true;
        }
        cause = found.source();
    }
    false
}

/// Whether a connection ended while the call still waited for it. hyper cancels no call that it has begun to write.
fn was_not_written(error: &(dyn StdError + 'static)) -> bool {
    error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled)
}

/// Whether the server refused the stream of the call, or left it aside when it drained.
fn was_turned_away(error: &(dyn StdError + 'static)) -> bool {
    let Some(error) = error.downcast_ref::<h2::Error>().filter(|error| error.is_remote()) else { return false };
    match error.reason() {
        Some(h2::Reason::REFUSED_STREAM) => error.is_reset(),
        // A connection that ends with an error of it says nothing of the calls that were taken.
        Some(h2::Reason::NO_ERROR) => error.is_go_away(),
        _ => false,
    }
}
