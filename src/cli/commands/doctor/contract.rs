//! Whether the server knows all calls that this command knows, by its reflection.

use std::collections::BTreeSet;
use std::time::Duration;

use prost::Message as _;
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use sessiond::proto::FILE_DESCRIPTOR_SET;
use sessiond_client::Client;
use tokio::time::timeout;
use tonic::Status;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use super::Finding;
use crate::cli::output::units::counted;

const CHECK: &str = "contract";
const PACKAGE: &str = "sessiond.v1";

pub(super) async fn check(client: &Client, limit: Duration) -> Finding {
    let ours = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).map(|set| methods(&set.file)).unwrap_or_default();
    let asked = timeout(limit, ask(client, &ours)).await;
    let theirs = match asked.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time"))) {
        Ok(theirs) => theirs,
        Err(status) => {
            let found = format!("can't be compared: {}", status.message());
            return Finding::warn(CHECK, found, "it takes the setting reflection, and a caller that the server knows");
        }
    };
    let missing: Vec<&str> = ours.difference(&theirs).map(String::as_str).collect();
    if missing.is_empty() {
        return Finding::ok(CHECK, format!("{PACKAGE}, {}", counted(ours.len() as u64, "call")));
    }
    Finding::warn(
        CHECK,
        format!("the server lacks {}", missing.join(", ")),
        "it is older than this command: upgrade it",
    )
}

/// The server's methods of the services that have ours.
async fn ask(client: &Client, ours: &BTreeSet<String>) -> Result<BTreeSet<String>, Status> {
    let services: BTreeSet<&str> = ours.iter().filter_map(|method| method.split('/').next()).collect();
    let questions: Vec<_> = services
        .into_iter()
        .map(|service| ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::FileContainingSymbol(format!("{PACKAGE}.{service}"))),
        })
        .collect();
    let mut reflection = ServerReflectionClient::new(client.channel());
    let mut answers = reflection.server_reflection_info(tokio_stream::iter(questions)).await?.into_inner();
    let mut theirs = BTreeSet::new();
    while let Some(answer) = answers.message().await? {
        // A service that it does not know is answered with an error, and its methods are missing.
        if let Some(MessageResponse::FileDescriptorResponse(files)) = answer.message_response {
            let files = files.file_descriptor_proto.iter().map(|file| FileDescriptorProto::decode(file.as_slice()));
            let files: Vec<_> = files.collect::<Result<_, _>>().map_err(|error| Status::internal(error.to_string()))?;
            theirs.extend(methods(&files));
        }
    }
    Ok(theirs)
}

/// Each as `Service/Method`.
fn methods(files: &[FileDescriptorProto]) -> BTreeSet<String> {
    let services = files.iter().filter(|file| file.package() == PACKAGE).flat_map(|file| &file.service);
    services
        .flat_map(|service| service.method.iter().map(|method| format!("{}/{}", service.name(), method.name())))
        .collect()
}
