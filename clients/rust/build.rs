//! Generates the messages and the client stub of `sessiond.v1`, in pure Rust: no protoc is needed.

use std::error::Error;

/// Messages that carry a session ID. The derived `Debug` would put that bearer secret into logs; `src/redact.rs` writes
/// another for them.
const SECRET: [&str; 8] = [
    ".sessiond.v1.CreateSessionRequest",
    ".sessiond.v1.CreateSessionResponse",
    ".sessiond.v1.GetSessionRequest",
    ".sessiond.v1.UpdateSessionRequest",
    ".sessiond.v1.TouchSessionRequest",
    ".sessiond.v1.RotateSessionRequest",
    ".sessiond.v1.RotateSessionResponse",
    ".sessiond.v1.DeleteSessionRequest",
];

fn main() -> Result<(), Box<dyn Error>> {
    let files = protox::compile(["sessiond/v1/session_store.proto"], ["proto"])?;
    for file in files.file.iter().filter(|file| file.name().starts_with("sessiond/")) {
        println!("cargo::rerun-if-changed=proto/{}", file.name());
    }
    tonic_prost_build::configure()
        .build_server(false)
        // Connecting is the business of `Client`; the stub's own way in knows no address syntax and no deadline.
        .build_transport(false)
        // A fixed order of names, so that the same data prints and encodes the same way every time.
        .btree_map(".")
        .bytes(".")
        .skip_debug(SECRET)
        .compile_fds(files)?;
    Ok(())
}
