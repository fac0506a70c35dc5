//! What the calls have in common in making their requests and taking in their answers.

use std::time::Duration;

use crate::error::Error;
use crate::{Address, Duration as ProtoDuration};

/// A duration beyond the range of the contract (292 thousand million years) becomes the longest one, which the server
/// refuses like every other that is too long.
pub(crate) fn duration(duration: Duration) -> ProtoDuration {
    duration.try_into().unwrap_or(ProtoDuration { seconds: i64::MAX, nanos: 0 })
}

/// Takes what the contract guarantees out of an answer.
pub(crate) trait Complete {
    type Answer;

    /// An error if a part is missing: then the other side is not a sessiond of this contract.
    fn complete(self, address: &Address) -> Result<Self::Answer, Error>;
}

/// Where the ID says everything, the ID alone is a request.
macro_rules! from_id {
    ($($request:ident :: $new:ident),*) => {$(
        impl From<&str> for $request {
            fn from(id: &str) -> Self {
                Self::$new(id)
            }
        }

        impl From<&String> for $request {
            fn from(id: &String) -> Self {
                Self::$new(id)
            }
        }

        impl From<String> for $request {
            fn from(id: String) -> Self {
                Self::$new(id)
            }
        }
    )*};
}
pub(crate) use from_id;
