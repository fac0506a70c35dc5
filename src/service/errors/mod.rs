//! Every error that a caller can see.
//!
//! [`status`] turns each refusal of the service and of the session rules into its status. [`transfer`] has the errors of
//! messages that arrive, or are taken, too slowly or too large. [`grpc`] puts the errors of the gRPC implementation into
//! the same form. [`counters`] counts them.

pub(super) mod counters;
pub(super) mod grpc;
pub(super) mod status;
pub(crate) mod transfer;
