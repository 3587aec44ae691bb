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

/// Bytes that are read after a rest, and how long it takes until it is known what became of the calls in them.
const LITTLE: usize = 1_024;
const SETTLES: Duration = Duration::from_millis(2);

/// See the module.
#[derive(Debug)]
pub(crate) struct Guard {
    connection: Arc<Connection>,
    /// Until the preface is there.
    waiting: Option<(Seat, Pin<Box<Sleep>>)>,
    heard: usize,
    frames: Frames,
    /// While nothing can be written.
    stuck: Option<Pin<Box<Sleep>>>,
    reading: Reading,
}

/// How a connection is read. See [`Guard::poll_reading`].
#[derive(Debug)]
enum Reading {
    Freely,
    /// Not at all.
    Rests(Pin<Box<Sleep>>),
    Little,
    /// Until it is known whether what was read is refused.
    Settles(Pin<Box<Sleep>>),
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
            reading: Reading::Freely,
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

    /// Waits while the connection is not to be read, and says how much of it may be read then: while calls of its partner are
    /// refused little at a time, as what came is refused only after it was read. However many are refused on others of its
    /// partner, it is read a little after each rest.
    pub fn poll_reading(&mut self, cx: &mut Context<'_>) -> Poll<usize> {
        loop {
            match &mut self.reading {
                Reading::Freely => match self.connection.rests_until() {
                    Some(until) => self.reading = Reading::Rests(Box::pin(tokio::time::sleep_until(until.into()))),
                    None => return Poll::Ready(usize::MAX),
                },
                Reading::Rests(sleep) => {
                    ready!(sleep.as_mut().poll(cx));
                    self.reading = Reading::Little;
                }
                Reading::Little => return Poll::Ready(LITTLE),
                Reading::Settles(sleep) => {
                    ready!(sleep.as_mut().poll(cx));
                    self.reading = Reading::Freely;
                }
            }
        }
    }

    /// Looks at what the peer has sent.
    pub fn heard(&mut self, bytes: &[u8]) -> io::Result<()> {
        if matches!(self.reading, Reading::Little) && !bytes.is_empty() {
            self.reading = Reading::Settles(Box::pin(tokio::time::sleep(SETTLES)));
        }
        if self.waiting.is_some() {
            self.heard += bytes.len();
            if self.heard >= PREFACE {
                self.waiting = None;
            }
        }
        self.frames.heard(bytes).map_err(|problem| self.close(&problem.to_string()))
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
