//! Files for banks and from banks, as whoever exchanges them sees them.

#![allow(clippy::unwrap_used, reason = "a panic in a test is how it fails")]

mod hostile;
mod matching;
mod orders;
mod samples;
mod statements;
