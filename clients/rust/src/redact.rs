//! `Debug` for the messages that carry a session ID: everything is shown but the ID, which is a bearer secret.

use std::fmt;

use crate::proto::{
    CreateSessionRequest, CreateSessionResponse, DeleteSessionRequest, GetSessionRequest, RotateSessionRequest,
    RotateSessionResponse, TouchSessionRequest, UpdateSessionRequest, delete_session_request,
};

/// Stands where a session ID would; tells only whether there is one.
pub(crate) struct Redacted<'a>(pub(crate) &'a str);

impl fmt::Debug for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "redacted" })
    }
}

macro_rules! debug_without_id {
    ($message:ident, secret: [$($secret:ident),*], shown: [$($shown:ident),*]) => {
        impl fmt::Debug for $message {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // Taken apart completely, so that a new field of the contract can't be forgotten here.
                let Self { $($secret,)* $($shown,)* } = self;
                f.debug_struct(stringify!($message))
                    $(.field(stringify!($secret), &Redacted($secret)))*
                    $(.field(stringify!($shown), $shown))*
                    .finish()
            }
        }
    };
}

debug_without_id!(CreateSessionRequest, secret: [session_id], shown: [namespace, attributes, principal, labels, timeouts]);
debug_without_id!(CreateSessionResponse, secret: [session_id], shown: [session]);
debug_without_id!(GetSessionRequest, secret: [session_id], shown: [namespace, access, if_version_not]);
debug_without_id!(UpdateSessionRequest, secret: [session_id], shown: [namespace, change, expected_version, upsert]);
debug_without_id!(TouchSessionRequest, secret: [session_id], shown: [namespace]);
debug_without_id!(
    RotateSessionRequest,
    secret: [session_id, new_session_id],
    shown: [namespace, grace, change, expected_version]
);
debug_without_id!(RotateSessionResponse, secret: [session_id], shown: [session]);
debug_without_id!(DeleteSessionRequest, secret: [], shown: [namespace, target, allow_missing]);

impl fmt::Debug for delete_session_request::Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SessionId(id) => f.debug_tuple("SessionId").field(&Redacted(id)).finish(),
            Self::Handle(handle) => f.debug_tuple("Handle").field(handle).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::SessionChange;

    #[test]
    fn debug_shows_everything_but_the_id() {
        const ID: &str = "a-secret-session-id";
        let update = UpdateSessionRequest::new(ID, SessionChange::new().set_principal("user-42"));
        for shown in [
            format!("{:?}", CreateSessionRequest::new().session_id(ID)),
            format!("{:?}", GetSessionRequest::new(ID)),
            format!("{update:?}"),
            format!("{:?}", TouchSessionRequest::new(ID)),
            format!("{:?}", RotateSessionRequest::new(ID).new_session_id(ID)),
            format!("{:?}", DeleteSessionRequest::by_id(ID)),
        ] {
            assert!(!shown.contains(ID), "{shown}");
            assert!(shown.contains("redacted"), "{shown}");
        }
        assert!(format!("{update:?}").contains("user-42"));
    }
}
