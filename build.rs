//! Compiles the contract under `proto/` for the server, in pure Rust: no protoc is needed.

use prost::Message;
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet, MessageOptions};
use std::error::Error;
use std::path::PathBuf;

const FILES: [&str; 2] = ["sessiond/v1/session_store.proto", "sessiond/v1/admin.proto"];

/// Calls of a stream with large requests. They are kept apart, so that the others are small enough to be passed on cheaply.
const LARGE_CALLS: [&str; 3] = ["create", "update", "rotate"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut contract = protox::compile(FILES, ["proto"])?;

    // Reflection serves the contract as it is written.
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("sessiond.binpb"), contract.encode_to_vec())?;

    leave_attributes_undecoded(&mut contract);
    leave_sessions_encoded(&mut contract);
    let mut code = tonic_prost_build::configure()
        .build_client(false)
        .bytes(".")
        .codec_path("crate::service::convert::codec::MessageCodec");
    // Few calls belong to a trace, and the others are not to be larger for it.
    code = code.boxed(".sessiond.v1.Call.trace_context");
    for method in LARGE_CALLS {
        code = code.boxed(format!(".sessiond.v1.Call.method.{method}"));
    }
    code.compile_fds(contract)?;
    Ok(())
}

/// Turns every `map<string, Value>` field of a request or answer into `repeated bytes`, which is the same on the wire:
/// the server passes attributes through as the encoded entries that they arrive in and never builds the values.
fn leave_attributes_undecoded(contract: &mut FileDescriptorSet) {
    for file in contract.file.iter_mut().filter(|file| file.package() == "sessiond.v1") {
        for message in &mut file.message_type {
            let maps: Vec<String> = message
                .nested_type
                .iter()
                .filter(|nested| is_attribute_entry(nested))
                .map(|m| m.name().into())
                .collect();
            message.nested_type.retain(|nested| !maps.iter().any(|map| map == nested.name()));
            for field in &mut message.field {
                if maps.iter().any(|map| field.type_name().ends_with(&format!(".{map}"))) {
                    become_bytes(field);
                }
            }
        }
    }
}

/// Turns every session in an answer into `bytes`, for the same reason: each is encoded once, straight from its record, when it
/// is found. So a page of a thousand is no long piece of work for the thread that serves its connection, and the messages
/// around a session know its length without measuring it again.
fn leave_sessions_encoded(contract: &mut FileDescriptorSet) {
    let messages = contract.file.iter_mut().flat_map(|file| &mut file.message_type);
    let fields = messages.flat_map(|message| &mut message.field);
    fields.filter(|field| field.type_name() == ".sessiond.v1.Session").for_each(become_bytes);
}

fn is_attribute_entry(nested: &DescriptorProto) -> bool {
    nested.options.as_ref().is_some_and(MessageOptions::map_entry)
        && nested.field.iter().any(|field| field.type_name() == ".sessiond.v1.Value")
}

fn become_bytes(field: &mut FieldDescriptorProto) {
    field.set_type(Type::Bytes);
    field.type_name = None;
}
