//! Reads and writes messages as `tonic_prost` does, but each from and to one piece of memory, which takes half the work for a
//! field.

use crate::service::errors::grpc::undecodable;
use bytes::{Buf, BufMut};
use prost::Message;
use std::marker::PhantomData;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// Messages up to this size are encoded into memory of their own first, and then copied. Numbers are written byte by byte, which
/// the buffer of an answer checks for room each time.
const SMALL_BYTES: usize = 4 << 10;

/// The codec of every method (see `build.rs`).
pub(crate) struct MessageCodec<T, U>(PhantomData<(T, U)>);

/// Writes messages.
pub(crate) struct MessageEncoder<T>(PhantomData<T>);

/// Reads messages.
pub(crate) struct MessageDecoder<T>(PhantomData<T>);

impl<T, U> Default for MessageCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T: Message + 'static, U: Message + Default + 'static> Codec for MessageCodec<T, U> {
    type Encode = T;
    type Decode = U;
    type Encoder = MessageEncoder<T>;
    type Decoder = MessageDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        MessageEncoder(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        MessageDecoder(PhantomData)
    }
}

impl<T: Message> Encoder for MessageEncoder<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, message: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        let length = message.encoded_len();
        buffer.reserve(length);
        if length <= SMALL_BYTES {
            let mut encoded = Vec::with_capacity(length);
            message.encode_raw(&mut encoded);
            buffer.put_slice(&encoded);
        } else {
            message.encode_raw(buffer);
        }
        Ok(())
    }
}

impl<T: Message + Default> Decoder for MessageDecoder<T> {
    type Item = T;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<T>, Status> {
        // Copies nothing: the message is in one piece already.
        let message = buffer.copy_to_bytes(buffer.remaining());
        T::decode(message).map(Some).map_err(|error| undecodable(&error))
    }
}
