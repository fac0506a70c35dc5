//! `Debug` for the messages that carry a secret (a session ID, a lock token, a ticket, a token against forgery):
//! everything is shown but the secret.

use std::fmt;

use crate::proto::{
    BatchDeleteSessionsRequest, BatchGetSessionsRequest, CreateSessionRequest, CreateSessionResponse,
    DeleteSessionRequest, GetSessionRequest, IssueCsrfTokenRequest, IssueCsrfTokenResponse, IssueHandoffRequest,
    IssueHandoffResponse, LockSessionRequest, LockSessionResponse, PrincipalScope, RedeemHandoffRequest,
    RedeemHandoffResponse, RotateSessionRequest, RotateSessionResponse, TouchSessionRequest, UnlockSessionRequest,
    UpdateSessionRequest, VerifyCsrfTokenRequest, delete_session_request,
};

/// Stands where a secret would; tells only whether there is one.
pub(crate) struct Redacted<'a>(pub(crate) &'a str);

impl fmt::Debug for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "none" } else { "redacted" })
    }
}

/// What can stand for a secret field in `Debug`.
trait Secret {
    fn redacted(&self) -> impl fmt::Debug;
}

impl Secret for String {
    fn redacted(&self) -> impl fmt::Debug {
        Redacted(self)
    }
}

impl Secret for Vec<String> {
    fn redacted(&self) -> impl fmt::Debug {
        self.iter().map(|secret| Redacted(secret)).collect::<Vec<_>>()
    }
}

macro_rules! debug_without_secrets {
    ($message:ident, secret: [$($secret:ident),*], shown: [$($shown:ident),*]) => {
        impl fmt::Debug for $message {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // Taken apart completely, so that a new field of the contract can't be forgotten here.
                let Self { $($secret,)* $($shown,)* } = self;
                f.debug_struct(stringify!($message))
                    $(.field(stringify!($secret), &$secret.redacted()))*
                    $(.field(stringify!($shown), $shown))*
                    .finish()
            }
        }
    };
}

debug_without_secrets!(
    CreateSessionRequest,
    secret: [session_id],
    shown: [namespace, attributes, principal, labels, timeouts, create_time, last_access_time]
);
debug_without_secrets!(CreateSessionResponse, secret: [session_id], shown: [session]);
debug_without_secrets!(
    GetSessionRequest,
    secret: [session_id],
    shown: [namespace, access, if_version_not, omit_attributes]
);
debug_without_secrets!(
    UpdateSessionRequest,
    secret: [session_id, lock_token],
    shown: [namespace, change, expected_version, upsert, unlock]
);
debug_without_secrets!(TouchSessionRequest, secret: [session_id], shown: [namespace]);
debug_without_secrets!(
    RotateSessionRequest,
    secret: [session_id, new_session_id],
    shown: [namespace, grace, change, expected_version]
);
debug_without_secrets!(RotateSessionResponse, secret: [session_id], shown: [session]);
debug_without_secrets!(DeleteSessionRequest, secret: [], shown: [namespace, target, allow_missing]);
debug_without_secrets!(BatchGetSessionsRequest, secret: [session_ids], shown: [namespace, access]);
debug_without_secrets!(BatchDeleteSessionsRequest, secret: [session_ids], shown: [namespace]);
debug_without_secrets!(PrincipalScope, secret: [except_session_id], shown: [principal]);
debug_without_secrets!(
    LockSessionRequest,
    secret: [session_id, lock_token],
    shown: [namespace, lease, wait, include_session]
);
debug_without_secrets!(LockSessionResponse, secret: [lock_token], shown: [expire_time, session]);
debug_without_secrets!(UnlockSessionRequest, secret: [session_id, lock_token], shown: [namespace]);
debug_without_secrets!(IssueHandoffRequest, secret: [session_id], shown: [namespace, audience, lifetime]);
debug_without_secrets!(IssueHandoffResponse, secret: [ticket], shown: [expire_time]);
debug_without_secrets!(RedeemHandoffRequest, secret: [ticket, new_session_id], shown: [namespace, audience]);
debug_without_secrets!(RedeemHandoffResponse, secret: [session_id], shown: [session]);
debug_without_secrets!(IssueCsrfTokenRequest, secret: [session_id], shown: [namespace]);
debug_without_secrets!(IssueCsrfTokenResponse, secret: [token], shown: []);
debug_without_secrets!(VerifyCsrfTokenRequest, secret: [session_id, token], shown: [namespace]);

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
    use crate::proto::{RevokeSessionsRequest, SessionChange};
    use crate::{Handoff, Lock, Timestamp};

    #[test]
    fn debug_shows_everything_but_the_secrets() {
        const SECRET: &str = "a-secret";
        let update = UpdateSessionRequest::new(SECRET, SessionChange::new().set_principal("user-42"));
        let update = update.lock_token(SECRET);
        let lock = Lock { lock_token: SECRET.to_owned(), expire_time: Timestamp::default(), session: None };
        let handoff = Handoff { ticket: SECRET.to_owned(), expire_time: Timestamp::default() };
        let token = IssueCsrfTokenResponse { token: SECRET.to_owned() };
        for shown in [
            format!("{:?}", CreateSessionRequest::new().session_id(SECRET)),
            format!("{:?}", GetSessionRequest::new(SECRET)),
            format!("{update:?}"),
            format!("{:?}", TouchSessionRequest::new(SECRET)),
            format!("{:?}", RotateSessionRequest::new(SECRET).new_session_id(SECRET)),
            format!("{:?}", DeleteSessionRequest::by_id(SECRET)),
            format!("{:?}", BatchGetSessionsRequest::new([SECRET, SECRET])),
            format!("{:?}", BatchDeleteSessionsRequest::new([SECRET])),
            format!("{:?}", RevokeSessionsRequest::of_principal_except("user-42", SECRET)),
            format!("{:?}", LockSessionRequest::new(SECRET).renew(SECRET)),
            format!("{:?}", UnlockSessionRequest::new(SECRET, SECRET)),
            format!("{lock:?}"),
            format!("{:?}", IssueHandoffRequest::new(SECRET, "shop")),
            format!("{:?}", RedeemHandoffRequest::new(SECRET, "shop").new_session_id(SECRET)),
            format!("{handoff:?}"),
            format!("{:?}", IssueCsrfTokenRequest::new(SECRET)),
            format!("{:?}", VerifyCsrfTokenRequest::new(SECRET, SECRET)),
            format!("{token:?}"),
        ] {
            assert!(!shown.contains(SECRET), "{shown}");
            assert!(shown.contains("redacted"), "{shown}");
        }
        assert!(format!("{update:?}").contains("user-42"));
    }
}
