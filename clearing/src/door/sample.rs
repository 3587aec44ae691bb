//! Lines about strangers, of which there may be thousands a second: a few are written, the others counted.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::lock;

/// Lines in a span, and how long that is.
const LINES: u32 = 5;
const SPAN: Duration = Duration::from_secs(10);

/// Lets a few lines a second through, and tells how many it did not.
#[derive(Debug, Default)]
pub struct Sample(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    begun: Option<Instant>,
    lines: u32,
    left_out: u64,
}

impl Sample {
    /// Whether this line is to be written, and how many were left out before it.
    pub fn turn(&self) -> Option<u64> {
        self.turn_at(Instant::now())
    }

    fn turn_at(&self, now: Instant) -> Option<u64> {
        let mut state = lock(&self.0);
        if state.begun.is_none_or(|begun| now.duration_since(begun) >= SPAN) {
            (state.begun, state.lines) = (Some(now), 0);
        }
        if state.lines == LINES {
            state.left_out += 1;
            return None;
        }
        state.lines += 1;
        Some(std::mem::take(&mut state.left_out))
    }

    /// How many were left out in a span that is over, once.
    pub fn rest(&self) -> Option<u64> {
        self.rest_at(Instant::now())
    }

    fn rest_at(&self, now: Instant) -> Option<u64> {
        let mut state = lock(&self.0);
        let over = state.begun.is_some_and(|begun| now.duration_since(begun) >= SPAN);
        (over && state.left_out > 0).then(|| std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_ten_thousand_lines_in_ten_seconds_five_are_written_and_the_others_counted() {
        let (sample, begun) = (Sample::default(), Instant::now());
        let written = (0..10_000).filter(|_| sample.turn_at(begun).is_some()).count();
        assert_eq!(written, 5);
        assert_eq!(sample.rest_at(begun), None);
        assert_eq!(sample.turn_at(begun + SPAN), Some(9_995));
        assert_eq!(sample.rest_at(begun + SPAN + SPAN), None);
    }
}
