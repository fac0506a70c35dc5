//! Files of access rules and tokens for servers under test.

use super::Server;
use sessiond::authorization::{Token, TokenFile};
use sessiond_client::proto::session_store_client::SessionStoreClient;
use std::fs;
use std::time::Duration;
use tempfile::TempDir;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

/// A folder with the two files.
pub(crate) struct AccessFiles(TempDir);

impl AccessFiles {
    /// With these rules, and an empty file of tokens.
    pub(crate) fn new(rules: &str) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.write("tokens", "");
        files.write("access.toml", rules);
        files
    }

    /// Replaces a file at once.
    pub(crate) fn write(&self, file: &str, text: &str) {
        fs::write(self.0.path().join("new"), text).unwrap();
        fs::rename(self.0.path().join("new"), self.0.path().join(file)).unwrap();
    }

    pub(crate) fn name(&self, file: &str) -> String {
        self.0.path().join(file).to_str().unwrap().to_owned()
    }

    pub(crate) fn tokens(&self) -> TokenFile {
        TokenFile::at(self.name("tokens"))
    }

    /// A new token for a caller.
    pub(crate) fn token(&self, caller: &str) -> Token {
        self.tokens().create(caller, None).unwrap().0
    }

    pub(crate) fn brief_token(&self, caller: &str, lifetime: Duration) -> Token {
        self.tokens().create(caller, Some(lifetime)).unwrap().0
    }

    /// The flags of a server with these files.
    pub(crate) fn flags(&self) -> Vec<String> {
        ["--access-file", &self.name("access.toml"), "--access-tokens", &self.name("tokens")]
            .map(str::to_owned)
            .to_vec()
    }

    /// A server with these files, and more flags.
    pub(crate) fn serve(&self, flags: &[&str]) -> Server {
        let own = self.flags();
        Server::start_with(&own.iter().map(String::as_str).chain(flags.iter().copied()).collect::<Vec<_>>())
    }
}

/// Adds a header to each call.
#[derive(Clone)]
pub(crate) struct WithHeader(Option<MetadataValue<Ascii>>);

impl WithHeader {
    pub(crate) fn bearer(token: &str) -> Self {
        Self::authorization(&format!("Bearer {token}"))
    }

    pub(crate) fn authorization(value: &str) -> Self {
        Self(Some(value.parse().unwrap()))
    }
}

impl Interceptor for WithHeader {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

/// The generated stub of a caller with this token.
pub(crate) fn stub_with(
    channel: Channel,
    token: &Token,
) -> SessionStoreClient<InterceptedService<Channel, WithHeader>> {
    SessionStoreClient::with_interceptor(channel, WithHeader::bearer(token.reveal()))
}
