//! A stream that tells when its other side ends it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

/// HTTP/2 reads all the time, so that the end of the stream is seen at once, also while no call is under way.
pub(super) struct Watched<S> {
    stream: S,
    ended: Option<oneshot::Sender<Instant>>,
}

impl<S> Watched<S> {
    /// The stream, and when it was ended. Whoever drops the stream before is never told.
    pub fn new(stream: S) -> (Self, oneshot::Receiver<Instant>) {
        let (ended, told) = oneshot::channel();
        (Self { stream, ended: Some(ended) }, told)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.remaining();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buf));
        let is_over = read.is_err() || (before > 0 && buf.remaining() == before);
        if is_over && let Some(ended) = self.ended.take() {
            // Nobody may care any more.
            let _ = ended.send(Instant::now());
        }
        Poll::Ready(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_stream_tells_that_it_was_ended_and_not_that_it_was_written_to() {
        let (near, mut far) = tokio::io::duplex(64);
        let (mut watched, mut ended) = Watched::new(near);
        far.write_all(b"word").await.unwrap();
        let mut word = [0; 4];
        watched.read_exact(&mut word).await.unwrap();
        assert_eq!(ended.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        drop(far);
        assert_eq!(watched.read(&mut word).await.unwrap(), 0);
        assert!(ended.await.is_ok());
    }
}
