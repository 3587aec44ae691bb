//! How messages become bytes.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::BufferSettings;
use tonic_prost::{ProstDecoder, ProstEncoder};

/// Bytes of the buffer that a message is written to or read into. Nearly all requests and answers of tills fit, and
/// allocators have pieces of this size at hand; for larger ones it grows. The default, 8 KiB either way, costs more than
/// writing what is in it.
const BUFFER_BYTES: usize = 1_000;

/// Bytes of messages on a stream from which on they are handed to the transport.
const YIELD_BYTES: usize = 32 * 1_024;

/// Protocol buffers as gRPC carries them.
#[derive(Debug, Clone)]
pub struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> tonic::codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> ProstEncoder<T> {
        ProstEncoder::new(BufferSettings::new(BUFFER_BYTES, YIELD_BYTES))
    }

    fn decoder(&mut self) -> ProstDecoder<U> {
        ProstDecoder::new(BufferSettings::new(BUFFER_BYTES, YIELD_BYTES))
    }
}
