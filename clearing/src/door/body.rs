//! Bodies in both directions, as far as the house has to do with them: what they take is counted, and they may not stand
//! still.
//!
//! | body | counted | stands still |
//! |---|---|---|
//! | request | as it comes, before it is understood; given back with the answer, of a stream with each message | an error after a time; between two messages of a stream after a longer one |
//! | answer | when it is made; given back when it has been written | see [`connection`](super::connection) |
//!
//! An answer is handed to the transport in pieces, each when the peer has taken the one before. The last byte of a long one
//! is a piece of its own: the transport takes it only when the peer has room for all the others, so an answer that was
//! taken to its end waits for nothing but the wire.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::Sleep;
use tonic::Status;
use tonic::body::Body;

use super::budget::{Charge, Permit};
use super::{Connection, PAUSES, lock};
use crate::rpc::errors::{self, Fault};

/// Up to so many bytes an answer is one piece; otherwise its pieces are of this many.
const SMALL: usize = 1_024;
const PIECE: usize = 16 * 1_024;

/// A call in flight. It ends when all that belongs to it is gone.
#[derive(Debug)]
pub struct Call {
    connection: Arc<Connection>,
    permit: Mutex<Permit>,
    working: AtomicBool,
}

/// What is known of a call before it is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// What it takes whatever is said, with its answer.
    pub bytes: usize,
    /// What a byte of its request takes.
    pub bytes_per_byte: usize,
    /// A message of its request at the most, in bytes.
    pub message_bytes_max: usize,
    /// Whether its request and its answer may be many messages.
    pub streams: bool,
    /// Whether a house that stops waits for its answer.
    pub awaited: bool,
}

impl Call {
    pub(super) fn new(connection: Arc<Connection>, permit: Permit) -> Self {
        Self { connection, permit: Mutex::new(permit), working: AtomicBool::new(false) }
    }

    fn still(&self) -> Duration {
        self.connection.door().limits().still
    }

    /// Its request, or a message of it, is there: from now on the house owes an answer.
    fn begin_work(&self) {
        if !self.working.swap(true, Ordering::Relaxed) {
            self.connection.door().0.working.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The answer was made.
    pub fn end_work(&self) {
        if self.working.swap(false, Ordering::Relaxed) {
            self.connection.door().0.working.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn charge(&self) -> Charge {
        lock(&self.permit).take_charge()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.end_work();
        self.connection.call_ended();
    }
}

/// Where in its messages a gRPC body is: five bytes of head, of which four say how much follows.
#[derive(Debug, Default)]
struct Messages {
    head: [u8; 5],
    head_len: usize,
    left: usize,
}

impl Messages {
    /// Takes what has come.
    ///
    /// # Errors
    /// The size of a message that has more bytes than this.
    fn feed(&mut self, mut bytes: &[u8], most: usize) -> Result<(), usize> {
        while !bytes.is_empty() {
            let skipped = self.left.min(bytes.len());
            self.left -= skipped;
            bytes = &bytes[skipped..];
            if self.left > 0 {
                return Ok(());
            }
            let taken = (self.head.len() - self.head_len).min(bytes.len());
            self.head[self.head_len..self.head_len + taken].copy_from_slice(&bytes[..taken]);
            self.head_len += taken;
            bytes = &bytes[taken..];
            if self.head_len == self.head.len() {
                let [_, a, b, c, d] = self.head;
                (self.left, self.head_len) = (u32::from_be_bytes([a, b, c, d]) as usize, 0);
                if self.left > most {
                    return Err(self.left);
                }
            }
        }
        Ok(())
    }

    fn between(&self) -> bool {
        self.head_len == 0 && self.left == 0
    }
}

/// A request's body, counted as it is heard. It fails when the peer stands still.
#[derive(Debug)]
pub struct Asked {
    body: Body,
    call: Arc<Call>,
    shape: Shape,
    messages: Messages,
    timer: Option<Pin<Box<Sleep>>>,
    stopping: Option<Stopping>,
}

/// Waits until the house stops.
struct Stopping(BoxFuture<'static, ()>);

impl fmt::Debug for Stopping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stopping(..)")
    }
}

impl Asked {
    pub fn of(body: Body, call: Arc<Call>, shape: Shape) -> Self {
        if shape.awaited && body.is_end_stream() {
            call.begin_work();
        }
        Self { body, call, shape, messages: Messages::default(), timer: None, stopping: None }
    }

    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<Status> {
        let pausing = self.shape.streams && self.messages.between();
        let still = if pausing { self.call.still() * PAUSES } else { self.call.still() };
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(still)));
        if timer.as_mut().poll(cx).is_ready() {
            let message = format!("nothing more of the request came for {} seconds", still.as_secs_f64());
            return Poll::Ready(errors::broken(Fault::DeadlineExceeded, message, None));
        }
        if pausing {
            let stopping = &self.call.connection.door().0.stopping;
            let wait = || Stopping(stopping.clone().cancelled_owned().boxed());
            if self.stopping.get_or_insert_with(wait).0.poll_unpin(cx).is_ready() {
                return Poll::Ready(errors::shutting_down());
            }
        }
        Poll::Pending
    }
}

impl http_body::Body for Asked {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        if this.shape.streams && this.messages.between() {
            // What came before was answered: a stream is asked for its next message only then.
            this.call.end_work();
            lock(&this.call.permit).charge.set(0);
        }
        let Poll::Ready(polled) = Pin::new(&mut this.body).poll_frame(cx) else {
            return this.poll_waiting(cx).map(|status| Some(Err(status)));
        };
        this.timer = None;
        if let Some(Ok(frame)) = &polled
            && let Some(data) = frame.data_ref()
        {
            if let Err(bytes) = this.messages.feed(data, this.shape.message_bytes_max) {
                return Poll::Ready(Some(Err(errors::message_too_large(bytes, this.shape.message_bytes_max))));
            }
            let bytes = data.len().saturating_mul(this.shape.bytes_per_byte);
            if let Err(full) = lock(&this.call.permit).charge.add(bytes) {
                this.call.connection.rest();
                return Poll::Ready(Some(Err(errors::overloaded(&full))));
            }
        }
        let heard = if this.shape.streams { this.messages.between() } else { this.body.is_end_stream() };
        if this.shape.awaited && (heard || polled.is_none()) {
            this.call.begin_work();
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer's body, counted until the peer has taken it.
#[derive(Debug)]
pub struct Answered {
    /// None of an answer without a body.
    call: Option<Arc<Call>>,
    source: Source,
    rest: Bytes,
    offered: Option<u64>,
    given: usize,
    ended: bool,
}

#[derive(Debug)]
enum Source {
    /// All of it, as it was made: the first piece by itself, as most answers have no other.
    Whole { first: Bytes, others: VecDeque<Bytes>, trailers: Option<HeaderMap> },
    /// It is made while it is taken.
    Live(Body),
}

impl Answered {
    /// The body of an answer that has none: a status.
    pub fn none() -> Self {
        let source = Source::Whole { first: Bytes::new(), others: VecDeque::new(), trailers: None };
        Self { call: None, source, rest: Bytes::new(), offered: None, given: 0, ended: true }
    }

    /// Takes over the body of an answer.
    pub async fn of(response: http::Response<Body>, call: Arc<Call>, shape: Shape) -> http::Response<Self> {
        let (head, mut body) = response.into_parts();
        if shape.streams {
            return http::Response::from_parts(head, Self::new(call, Source::Live(body)));
        }
        // The messages of one answer are made without waiting for anything. Its size is known only then.
        let (mut first, mut others, mut trailers, mut bytes) = (Bytes::new(), VecDeque::new(), None, 0);
        while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            match frame.into_data() {
                Ok(data) if bytes == 0 => (bytes, first) = (data.len(), data),
                Ok(data) => {
                    bytes += data.len();
                    others.push_back(data);
                }
                Err(other) => trailers = other.into_trailers().ok(),
            }
        }
        call.end_work();
        lock(&call.permit).charge.set(bytes);
        if bytes == 0 && trailers.is_none() {
            return http::Response::from_parts(head, Self::none());
        }
        http::Response::from_parts(head, Self::new(call, Source::Whole { first, others, trailers }))
    }

    fn new(call: Arc<Call>, source: Source) -> Self {
        Self { call: Some(call), source, rest: Bytes::new(), offered: None, given: 0, ended: false }
    }

    fn piece(&mut self) -> Bytes {
        let length = match self.rest.len() {
            small if small <= SMALL => small,
            last if last <= PIECE + 1 => last - 1,
            _ => PIECE,
        };
        self.rest.split_to(length)
    }

    fn accept(&mut self) {
        if let Some(ticket) = self.offered.take()
            && let Some(call) = &self.call
        {
            call.connection.accepted(ticket);
        }
    }

    fn end(&mut self) {
        self.ended = true;
        if let Some(call) = &self.call {
            call.connection.pile(call.charge());
        }
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match &mut self.source {
            Source::Whole { first, others, trailers } => {
                let data = if first.is_empty() { others.pop_front() } else { Some(std::mem::take(first)) };
                let frame = data.map(Frame::data).or_else(|| trailers.take().map(Frame::trailers));
                Poll::Ready(frame.map(Ok))
            }
            Source::Live(body) => Pin::new(body).poll_frame(cx),
        }
    }
}

impl http_body::Body for Answered {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        this.accept();
        if this.rest.is_empty() {
            let Poll::Ready(next) = this.poll_source(cx) else { return Poll::Pending };
            match next.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => this.rest = data,
                Some(Ok(Err(other))) => {
                    if other.is_trailers() {
                        this.end();
                    }
                    return Poll::Ready(Some(Ok(other)));
                }
                Some(Err(status)) => return Poll::Ready(Some(Err(status))),
                None => {
                    this.end();
                    return Poll::Ready(None);
                }
            }
        }
        let piece = this.piece();
        this.given += piece.len();
        this.offered = this.call.as_ref().map(|call| call.connection.offer(piece.len()));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        self.accept();
        if !self.ended
            && let Some(call) = &self.call
        {
            call.connection.forget(self.given);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_apart_however_they_are_cut() {
        let body = [&[0, 0, 0, 0, 3][..], b"abc", &[0, 0, 0, 0, 0], &[0, 0, 0, 1, 0], &[7; 256]].concat();
        for size in 1..body.len() {
            let mut messages = Messages::default();
            let mut ends = Vec::new();
            let mut at = 0;
            for piece in body.chunks(size) {
                messages.feed(piece, 256).unwrap();
                at += piece.len();
                if messages.between() {
                    ends.push(at);
                }
            }
            assert_eq!(ends.last(), Some(&body.len()), "{size}");
            assert!(ends.iter().all(|end| [8, 13, 274].contains(end)), "{size}: {ends:?}");
            let mut messages = Messages::default();
            let refused = body.chunks(size).find_map(|piece| messages.feed(piece, 255).err());
            assert_eq!(refused, Some(256), "the size of the message is told, whatever has come of it");
        }
    }
}
