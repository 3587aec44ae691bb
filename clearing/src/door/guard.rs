//! What a connection goes through beside TLS: it may be closed from outside, must begin to speak in time, may not
//! chatter, and must take what it asked for.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Sleep;

use super::frames::Frames;
use super::{Connection, Seat};

/// Bytes of the preface of HTTP/2.
const PREFACE: usize = 24;

/// Bytes that are read of a connection before others have a turn: some hundred small calls. The transport would take all
/// that there is.
const AT_ONCE: usize = 16 << 10;

/// Bytes that are read at once of a partner whose calls are refused, and the time until the calls in them are looked at.
const LITTLE: usize = 2_048;
const SETTLES: Duration = Duration::from_millis(1);

/// Watches over the bytes of one connection in both directions.
#[derive(Debug)]
pub(crate) struct Guard {
    connection: Arc<Connection>,
    /// Until the preface is there.
    waiting: Option<(Seat, Pin<Box<Sleep>>)>,
    heard: usize,
    frames: Frames,
    /// While nothing can be written.
    stuck: Option<Pin<Box<Sleep>>>,
    /// While nothing is read.
    pause: Option<Pause>,
    /// Bytes that were read since others had a turn.
    at_once: usize,
    /// Whether others had a turn since something was to be written.
    gathered: bool,
}

/// A time for which a connection is not read.
#[derive(Debug)]
struct Pause {
    end: Pin<Box<Sleep>>,
    /// Whether calls were refused, or only may be.
    rest: bool,
}

impl Guard {
    pub fn new(connection: Arc<Connection>, seat: Seat) -> Self {
        let preface = tokio::time::sleep(connection.door().limits().preface);
        Self {
            connection,
            waiting: Some((seat, Box::pin(preface))),
            heard: 0,
            frames: Frames::new(),
            stuck: None,
            pause: None,
            at_once: 0,
            gathered: false,
        }
    }

    /// Whether the connection may go on.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.connection.is_cut(cx) {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the house closed the connection"));
        }
        let Some((seat, preface)) = &mut self.waiting else { return Ok(()) };
        if seat.is_gone(cx) {
            return Err(self.close("it said nothing, and others wanted in"));
        }
        if preface.as_mut().poll(cx).is_ready() {
            return Err(self.close("it did not begin to speak HTTP/2 in time"));
        }
        Ok(())
    }

    /// Waits while the connection is not to be read, and says how much of it may be read then. As soon as calls of its partner
    /// are refused it is read a little at a time: else the transport would take everything there is before the first call in
    /// it is looked at. However many are refused on others of its partner, it is read a little after each rest.
    pub fn poll_reading(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        if let Some(Pause { end, rest }) = &mut self.pause {
            ready!(end.as_mut().poll(cx));
            let rested = *rest;
            self.pause = None;
            if rested {
                return Poll::Ready(LITTLE);
            }
        }
        if self.at_once >= AT_ONCE {
            self.at_once = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(until) = self.connection.rests_until() else { return Poll::Ready(usize::MAX) };
        let mut end = Box::pin(tokio::time::sleep_until(until.into()));
        if end.as_mut().poll(cx).is_pending() {
            self.pause = Some(Pause { end, rest: true });
            return Poll::Pending;
        }
        Poll::Ready(LITTLE)
    }

    /// Looks at what the peer has sent.
    pub fn heard(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.at_once += bytes.len();
        if !bytes.is_empty() && self.connection.rests_until().is_some() {
            self.pause = Some(Pause { end: Box::pin(tokio::time::sleep(SETTLES)), rest: false });
        }
        if self.waiting.is_some() {
            self.heard += bytes.len();
            if self.heard >= PREFACE {
                self.waiting = None;
            }
        }
        self.frames.heard(bytes).map_err(|problem| self.close(&problem.to_string()))
    }

    /// Lets others have a turn before something is written: calls that are answered at the same time leave in one record,
    /// by one call of the system, and wake their caller once.
    pub fn poll_writing(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.gathered {
            return Poll::Ready(());
        }
        self.gathered = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Everything that was to be written was given to the system.
    pub fn flushed(&mut self) {
        self.gathered = false;
    }

    /// Looks at how writing went.
    pub fn wrote(&mut self, wrote: Poll<usize>, cx: &mut Context<'_>) -> io::Result<()> {
        match wrote {
            Poll::Ready(bytes) => {
                self.stuck = None;
                self.connection.written(bytes);
                self.frames.sent(bytes);
            }
            Poll::Pending => {
                self.connection.block();
                let still = self.connection.door().limits().still;
                let stuck = self.stuck.get_or_insert_with(|| Box::pin(tokio::time::sleep(still)));
                if stuck.as_mut().poll(cx).is_ready() {
                    return Err(self.close("it took nothing for too long"));
                }
            }
        }
        Ok(())
    }

    /// Says why, to the log; the peer is told nothing that it could use.
    fn close(&self, why: &str) -> io::Error {
        if let Some(left_out) = self.connection.door().cut().turn() {
            tracing::info!(caller = &**self.connection.name(), why, left_out, "connection closed");
        }
        io::Error::new(io::ErrorKind::ConnectionAborted, why.to_owned())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.connection.leave();
    }
}
