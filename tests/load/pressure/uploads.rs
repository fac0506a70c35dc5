//! Tests with a connection on which requests are sent piece by piece, as fast as the server accepts them.

use crate::common::Server;
use bytes::Bytes;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use tokio::net::TcpStream;
use tonic::codegen::http::Request;

pub(crate) struct Uploads {
    address: String,
    connection: SendRequest<Bytes>,
}

impl Uploads {
    pub(crate) async fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address()).await.unwrap();
        let (connection, driver) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(driver);
        Self { address: server.address().to_owned(), connection }
    }

    /// Begins a call: its answer, and where its request goes.
    pub(crate) async fn begin(&mut self, method: &str) -> (ResponseFuture, SendStream<Bytes>) {
        let request = Request::post(format!("http://{}/sessiond.v1.SessionStore/{method}", self.address))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        // This waits until the server allows another stream.
        self.connection = self.connection.clone().ready().await.unwrap();
        self.connection.send_request(request.body(()).unwrap(), false).unwrap()
    }
}
