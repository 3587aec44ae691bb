//! How many requests a batch takes, so that it takes no longer than those who wait for it can bear.
//!
//! A batch has a cost of its own, so few large ones do more than many small ones; but whoever comes while one is under
//! way waits for its end.

use std::time::Duration;

use super::queue::BATCH_MAX;

/// The size of batches that take about so long, found by what batches take: it grows slowly and shrinks fast.
#[derive(Debug)]
pub(super) struct Pace {
    goal: Duration,
    size: usize,
}

/// Requests a batch takes at the least.
const SIZE_MIN: usize = 8;

impl Pace {
    pub fn new(goal: Duration, size: usize) -> Self {
        Self { goal, size }
    }

    /// Requests that the next batch takes at the most.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Notes how long a batch took. One that was small for other reasons says nothing of larger ones, and one that was
    /// larger was taken while nobody minded.
    pub fn took(&mut self, requests: usize, time: Duration) {
        if time <= self.goal && requests >= self.size {
            self.size = (self.size + self.size / 16 + 1).min(BATCH_MAX);
        } else if time > self.goal && (self.size / 2..=self.size).contains(&requests) {
            self.size = (self.size - self.size / 8).max(SIZE_MIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_finds_the_size_at_which_batches_reach_the_goal() {
        for (base, each) in [(1_000, 80), (500, 20), (3_000, 900)] {
            let mut pace = Pace::new(Duration::from_micros(6_000), BATCH_MAX);
            let time = |size: usize| Duration::from_micros(base + each * size as u64);
            for _ in 0..400 {
                pace.took(pace.size(), time(pace.size()));
            }
            let found = time(pace.size());
            let least = Duration::from_micros(4_000);
            assert!(found >= least && found <= Duration::from_micros(10_300), "{found:?}");
        }
    }

    #[test]
    fn small_batches_say_nothing_of_larger_ones() {
        let mut pace = Pace::new(Duration::from_millis(5), 100);
        (0..50).for_each(|_| pace.took(3, Duration::from_millis(1)));
        assert_eq!(pace.size(), 100);
    }
}
