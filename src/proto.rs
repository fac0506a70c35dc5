//! The generated contract `sessiond.v1`, as the server sees it: attributes are encoded map entries (see `build.rs`).

#[allow(clippy::pedantic, clippy::large_enum_variant, reason = "generated; the proto files hold the documentation")]
mod generated {
    tonic::include_proto!("sessiond.v1");
}

pub use generated::*;

/// The compiled contract for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/sessiond.binpb"));
