//! Messages that are compressed with gzip: one in a request, and the answer to it.
//!
//! The bound of a message's size applies to the decompressed message, and no more than that is ever decompressed.

use super::request::PREFIX;
use crate::service::Payload;
use crate::service::errors::transfer::{decompressed_too_large, not_decompressible, unknown_encoding};
use bytes::Bytes;
use flate2::read::{GzDecoder, GzEncoder};
use std::io::{self, Read};
use tonic::Status;
use tonic::codegen::http::{HeaderMap, HeaderValue};

const ENCODING: &str = "grpc-encoding";
const ACCEPTED: &str = "grpc-accept-encoding";
const GZIP: &str = "gzip";

/// A smaller answer gains nothing.
const MIN_ANSWER: usize = 1 << 10;

/// Longer work would keep other calls of the thread waiting, so it is done on another thread.
const LONG: usize = 64 << 10;

/// Speed matters more than size: each message is compressed only once.
const LEVEL: flate2::Compression = flate2::Compression::fast();

/// How the messages of a call are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Compression {
    request: bool,
    answer: bool,
}

impl Compression {
    /// What the headers of a request with one message say. Removes what they say, since the message is decompressed here.
    ///
    /// The answer is compressed only if the request is: most callers accept compression, even those on the same host.
    pub(in crate::server) fn of(headers: &mut HeaderMap) -> Result<Self, Status> {
        let Some(encoding) = headers.get(ENCODING) else { return Ok(Self::default()) };
        match encoding.as_bytes() {
            b"identity" => Ok(Self::default()),
            b"gzip" => {
                headers.remove(ENCODING);
                let accepted = headers.get_all(ACCEPTED).iter().filter_map(|value| value.to_str().ok());
                let answer = accepted.flat_map(|value| value.split(',')).any(|encoding| encoding.trim() == GZIP);
                Ok(Self { request: true, answer })
            }
            _ => Err(unknown_encoding()),
        }
    }

    /// The message as it was before it was compressed, with its prefix. A message may also come uncompressed.
    pub(in crate::server) async fn open(
        self,
        message: Bytes,
        max_message_size: usize,
        payload: Payload,
    ) -> Result<Bytes, Status> {
        if !self.request || message.first() != Some(&1) || message.len() < PREFIX {
            return Ok(message);
        }
        elsewhere_if(max_message_size.min(message.len().saturating_mul(16)) > LONG, move || {
            decompress(&message, max_message_size, payload)
        })
        .await?
    }

    /// The answer as it is sent: compressed if that makes it smaller.
    pub(in crate::server) async fn close(self, message: Bytes, headers: &mut HeaderMap) -> Bytes {
        if !self.answer || message.len() < MIN_ANSWER {
            return message;
        }
        let plain = message.clone();
        let compressed = elsewhere_if(message.len() > LONG, move || compress(&plain)).await;
        match compressed {
            Ok(Ok(compressed)) if compressed.len() < message.len() => {
                headers.insert(ENCODING, HeaderValue::from_static(GZIP));
                compressed
            }
            // The answer stays as it is.
            Ok(Ok(_) | Err(_)) | Err(_) => message,
        }
    }
}

/// Does short work here, and long work where it keeps nobody waiting.
async fn elsewhere_if<T: Send + 'static>(
    is_long: bool,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    if is_long {
        tokio::task::spawn_blocking(work).await.map_err(|_| Status::cancelled("the server ends"))
    } else {
        Ok(work())
    }
}

fn decompress(message: &[u8], max_message_size: usize, payload: Payload) -> Result<Bytes, Status> {
    let mut plain = vec![0; PREFIX];
    // One byte more shows that there are too many.
    let bound = max_message_size as u64 + 1;
    GzDecoder::new(&message[PREFIX..])
        .take(bound)
        .read_to_end(&mut plain)
        .map_err(|_| not_decompressible("it is not valid gzip"))?;
    if plain.len() - PREFIX > max_message_size {
        return Err(decompressed_too_large(max_message_size, payload));
    }
    put_prefix(&mut plain, false).map_err(|_| decompressed_too_large(max_message_size, payload))?;
    Ok(plain.into())
}

fn compress(message: &[u8]) -> io::Result<Bytes> {
    let mut compressed = vec![0; PREFIX];
    GzEncoder::new(message.get(PREFIX..).unwrap_or_default(), LEVEL).read_to_end(&mut compressed)?;
    put_prefix(&mut compressed, true)?;
    Ok(compressed.into())
}

fn put_prefix(message: &mut [u8], is_compressed: bool) -> io::Result<()> {
    let length = u32::try_from(message.len() - PREFIX).map_err(io::Error::other)?;
    message[0] = is_compressed.into();
    message[1..PREFIX].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    fn plain(size: usize) -> Bytes {
        let mut message = vec![b'x'; PREFIX + size];
        put_prefix(&mut message, false).unwrap();
        message.into()
    }

    fn both() -> Compression {
        Compression { request: true, answer: true }
    }

    #[tokio::test]
    async fn what_was_compressed_is_the_same_again() {
        for size in [0, 1, 2_000, 1 << 20] {
            let message = plain(size);
            let compressed = compress(&message).unwrap();
            assert_eq!(compressed[0], 1);
            assert_eq!(both().open(compressed, size, Payload::Other).await.unwrap(), message);
        }
    }

    #[tokio::test]
    async fn the_bound_holds_for_the_decompressed_message() {
        let bomb = compress(&plain(16 << 20)).unwrap();
        assert!(bomb.len() < 100_000);
        let status = both().open(bomb, 1 << 20, Payload::Other).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(status.message().contains("max-message-size"));
    }

    #[tokio::test]
    async fn what_is_no_gzip_is_refused() {
        let status = both().open(Bytes::from_static(&[1, 0, 0, 0, 3, 9, 9, 9]), 100, Payload::Other).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
    }

    #[tokio::test]
    async fn an_answer_is_compressed_where_that_helps() {
        let mut headers = HeaderMap::new();
        assert_eq!(both().close(plain(100), &mut headers).await, plain(100));
        assert!(headers.is_empty());
        assert!(both().close(plain(100_000), &mut headers).await.len() < 10_000);
        assert_eq!(headers[ENCODING], GZIP);
        let only_request = Compression { request: true, answer: false };
        assert_eq!(only_request.close(plain(100_000), &mut HeaderMap::new()).await, plain(100_000));
    }

    #[test]
    fn headers_say_what_is_compressed() {
        let of = |pairs: &[(&'static str, &'static str)]| {
            let mut headers: HeaderMap =
                pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect();
            Compression::of(&mut headers).map_err(|status| status.code())
        };
        assert_eq!(of(&[]), Ok(Compression::default()));
        assert_eq!(of(&[(ENCODING, "identity"), (ACCEPTED, "gzip")]), Ok(Compression::default()));
        assert_eq!(of(&[(ACCEPTED, "identity, deflate, gzip")]), Ok(Compression::default()));
        assert_eq!(of(&[(ENCODING, "gzip"), (ACCEPTED, "identity, deflate, gzip")]), Ok(both()));
        assert_eq!(of(&[(ENCODING, "gzip")]), Ok(Compression { request: true, answer: false }));
        assert_eq!(of(&[(ENCODING, "snappy")]), Err(Code::Unimplemented));
    }
}
