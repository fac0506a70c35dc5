//! Calls with any bytes as their message, for messages that no stub would send.

use bytes::{Buf, BufMut, Bytes};
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::{self, uri::PathAndQuery};
use tonic::transport::Channel;
use tonic::{Request, Status};
use tower::ServiceExt;

/// Calls the method at this path. It does not wait for the answer's first message, because a refused call has none.
pub(crate) async fn call(channel: Channel, path: &str, message: impl Into<Bytes>) -> Result<(), Status> {
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let path = path.parse::<PathAndQuery>().unwrap();
    grpc.server_streaming(Request::new(message.into()), path, BytesCodec).await.map(drop)
}

/// Calls a method of the store.
pub(crate) async fn call_store(channel: Channel, method: &str, message: impl Into<Bytes>) -> Result<(), Status> {
    call(channel, &format!("/sessiond.v1.SessionStore/{method}"), message).await
}

/// A codec that leaves bytes as they are.
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}

/// Calls a method and reads its answer to the end. Returns the error with which it ends.
pub(crate) async fn end(channel: Channel, path: &str, message: impl Into<Bytes>) -> Option<Status> {
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let path = path.parse::<PathAndQuery>().unwrap();
    let answer = grpc.server_streaming(Request::new(message.into()), path, BytesCodec).await;
    let mut messages = match answer {
        Ok(answer) => answer.into_inner(),
        Err(status) => return Some(status),
    };
    loop {
        match messages.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(status) => return Some(status),
        }
    }
}

/// Sends an HTTP request with these headers and this body. Returns the HTTP status and the gRPC status.
pub(crate) async fn post(channel: Channel, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Option<Status>) {
    let request = http::Request::post(path).header("te", "trailers");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let answer = channel.oneshot(request.body(Body::new(body.to_owned())).unwrap()).await.unwrap();
    (answer.status().as_u16(), Status::from_header_map(answer.headers()))
}
