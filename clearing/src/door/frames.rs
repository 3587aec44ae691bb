//! Frames of HTTP/2 that ask for nothing: a peer may send some, and more of them the more it asks for. A peer that sends
//! nothing else keeps the house busy for nothing.
//!
//! | frame | what it does to the allowance |
//! |---|---|
//! | HEADERS; DATA with something in it or that ends a stream | adds |
//! | PING, SETTINGS, PRIORITY, WINDOW_UPDATE, CONTINUATION, empty DATA, unknown ones | takes one |
//! | RST_STREAM | takes one of an allowance of its own, which nothing but time fills |
//!
//! Only the nine bytes of each frame's head are looked at.

use std::time::Instant;

const PREFACE: usize = 24;
const HEAD: usize = 9;

/// Frames that ask for nothing: at once, and a second.
const IDLE_MOST: f64 = 8_192.0;
const IDLE_PER_SECOND: f64 = 1_024.0;
/// Calls that are taken back: at once, and a second. An app that is closed takes back all it had asked for.
const RESETS_MOST: f64 = 4_096.0;
const RESETS_PER_SECOND: f64 = 128.0;

/// What a call and a piece of a body add: a client answers what it gets with a few frames.
const PER_CALL: f64 = 4.0;
const PER_DATA: f64 = 2.0;
/// Bytes sent to the peer that add one: it says how much more it can take.
const PER_BYTES_SENT: f64 = 1_024.0;

/// The allowance of one connection for frames that ask for nothing, and where in its bytes the next frame begins.
#[derive(Debug)]
pub(super) struct Frames {
    /// Bytes of the preface, or of a frame's rest, that are still to come.
    skip: usize,
    head: [u8; HEAD],
    head_len: usize,
    idle: f64,
    resets: f64,
    filled: Instant,
}

/// Too many frames that ask for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it sent more frames that ask for nothing than a connection may")]
pub(super) struct TooMany;

impl Frames {
    pub fn new() -> Self {
        let filled = Instant::now();
        Self { skip: PREFACE, head: [0; HEAD], head_len: 0, idle: IDLE_MOST, resets: RESETS_MOST, filled }
    }

    /// Looks at what the peer has sent.
    pub fn heard(&mut self, mut bytes: &[u8]) -> Result<(), TooMany> {
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let taken = (HEAD - self.head_len).min(bytes.len());
            self.head[self.head_len..self.head_len + taken].copy_from_slice(&bytes[..taken]);
            self.head_len += taken;
            bytes = &bytes[taken..];
            if self.head_len == HEAD {
                self.head_len = 0;
                self.frame()?;
            }
        }
        Ok(())
    }

    /// Notes what was sent to the peer.
    pub fn sent(&mut self, bytes: usize) {
        let bytes = f64::from(u32::try_from(bytes).unwrap_or(u32::MAX));
        self.idle = (self.idle + bytes / PER_BYTES_SENT).min(IDLE_MOST);
    }

    fn frame(&mut self) -> Result<(), TooMany> {
        let [a, b, c, kind, flags, ..] = self.head;
        self.skip = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        let ends_stream = flags & 1 == 1;
        match kind {
            0 if self.skip > 0 || ends_stream => self.idle = (self.idle + PER_DATA).min(IDLE_MOST),
            1 => self.idle = (self.idle + PER_CALL).min(IDLE_MOST),
            3 => {
                self.resets -= 1.0;
                if self.resets < 0.0 {
                    self.fill();
                }
                if self.resets < 0.0 {
                    return Err(TooMany);
                }
            }
            _ => {
                self.idle -= 1.0;
                if self.idle < 0.0 {
                    self.fill();
                }
                if self.idle < 0.0 {
                    return Err(TooMany);
                }
            }
        }
        Ok(())
    }

    fn fill(&mut self) {
        let now = Instant::now();
        let seconds = now.duration_since(self.filled).as_secs_f64();
        self.filled = now;
        self.idle = (self.idle + seconds * IDLE_PER_SECOND).min(IDLE_MOST);
        self.resets = (self.resets + seconds * RESETS_PER_SECOND).min(RESETS_MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let [_, a, b, c] = u32::try_from(payload).unwrap().to_be_bytes();
        let mut bytes = vec![a, b, c, kind, flags, 0, 0, 0, 1];
        bytes.resize(HEAD + payload, 0);
        bytes
    }

    fn begun() -> Frames {
        let mut frames = Frames::new();
        frames.heard(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        frames
    }

    /// How many of a piece are taken, cut into pieces of any size.
    fn taken(pieces: &[u8], most: usize) -> usize {
        let mut frames = begun();
        (0..most).take_while(|_| pieces.chunks(7).all(|piece| frames.heard(piece).is_ok())).count()
    }

    #[test]
    fn floods_of_frames_that_ask_for_nothing_are_cut_off() {
        // PRIORITY, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION, an unknown one; DATA without anything in it.
        for (kind, payload) in [(2, 5), (3, 4), (4, 6), (6, 8), (8, 4), (9, 10), (77, 3), (0, 0)] {
            let taken = taken(&frame(kind, 0, payload), 100_000);
            assert!((4_096..20_000).contains(&taken), "{kind}: {taken}");
        }
    }

    #[test]
    fn who_asks_for_something_is_let_go_on() {
        let call = [frame(1, 4, 60), frame(0, 1, 100), frame(8, 0, 4), frame(8, 0, 4), frame(6, 0, 8)].concat();
        assert_eq!(taken(&call, 100_000), 100_000);
        let import = [frame(0, 0, 1_000), frame(8, 0, 4), frame(6, 1, 8)].concat();
        assert_eq!(taken(&import, 100_000), 100_000);
    }

    #[test]
    fn calls_that_are_taken_back_are_counted_although_each_asks_for_something() {
        let call = [frame(1, 5, 60), frame(3, 0, 4)].concat();
        let taken = taken(&call, 70_000);
        assert!((4_096..8_000).contains(&taken), "{taken}");
    }
}
