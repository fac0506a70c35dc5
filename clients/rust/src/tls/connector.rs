//! Connections over TLS. Each is made with what stands in the files then; one that is open goes on.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tonic::codegen::Service;
use tonic::codegen::http::Uri;

use super::files::{Files, HTTP2};

/// Connects to one server.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    tcp: HttpConnector,
    files: Files,
    /// The name that the server's certificate must have.
    name: ServerName<'static>,
}

impl Connector {
    pub(super) fn new(files: Files, name: ServerName<'static>, timeout: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(timeout));
        Self { tcp, files, name }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, address: Uri) -> Self::Future {
        let connected = self.tcp.call(address);
        let (files, name) = (self.files.clone(), self.name.clone());
        Box::pin(async move {
            let tcp = connected.await?.into_inner();
            let connector = TlsConnector::from(files.config().await);
            let stream = connector.connect(name, tcp).await?;
            if stream.get_ref().1.alpn_protocol() != Some(HTTP2) {
                return Err("HTTP/2 was not negotiated.".into());
            }
            Ok(TokioIo::new(stream))
        })
    }
}
