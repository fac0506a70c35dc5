//! Generates the messages and the client stubs of `sessiond.v1`, in pure Rust: no protoc is needed.

use std::error::Error;

/// Fields that hold a secret. The `Debug` that is derived for their messages would put it into logs; `src/redact.rs`
/// writes another for each.
const SECRETS: [&str; 7] =
    ["session_id", "session_ids", "new_session_id", "except_session_id", "lock_token", "ticket", "token"];

fn main() -> Result<(), Box<dyn Error>> {
    let files = protox::compile(["sessiond/v1/session_store.proto", "sessiond/v1/admin.proto"], ["proto"])?;
    let mut secret = Vec::new();
    for file in files.file.iter().filter(|file| file.name().starts_with("sessiond/")) {
        println!("cargo::rerun-if-changed=proto/{}", file.name());
        for message in &file.message_type {
            if message.field.iter().any(|field| SECRETS.contains(&field.name())) {
                secret.push(format!(".{}.{}", file.package(), message.name()));
            }
        }
    }
    tonic_prost_build::configure()
        .build_server(false)
        // Connecting is the business of `Client`; the stub's own way in knows no address syntax and no deadline.
        .build_transport(false)
        // A fixed order of names, so that the same data prints and encodes the same way every time.
        .btree_map(".")
        .bytes(".")
        .skip_debug(secret)
        // Few calls belong to a trace, and the others are not to be larger for it.
        .boxed(".sessiond.v1.Call.trace_context")
        .compile_fds(files)?;
    Ok(())
}
