//! What one partner may take of what all share: how much of it may wait, how fast it may ask, whose turn comes how often.
//!
//! The defaults are far above what a partner's tills and nightly files need. They are there for the day on which
//! somebody's loop has no pause in it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clearing_core::units::PartnerId;

/// A number that holds for every partner, and others for some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PerPartner {
    pub all: u64,
    pub some: BTreeMap<PartnerId, u64>,
}

impl PerPartner {
    pub const fn all(number: u64) -> Self {
        Self { all: number, some: BTreeMap::new() }
    }

    /// The number for a partner; that of all for who is none.
    pub fn of(&self, partner: Option<PartnerId>) -> u64 {
        partner.and_then(|partner| self.some.get(&partner)).copied().unwrap_or(self.all)
    }
}

/// The weight of a partner for whom none is set. Turns come in proportion to weights.
pub const WEIGHT: u64 = 10;

/// What the queue in front of the writer lets each caller have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteShares {
    /// Requests that wait, of all callers. When so many wait, who has its even share of them is turned away.
    pub waiting_all: usize,
    /// Requests of one partner that wait, the lines of its batches counted one by one.
    pub waiting: PerPartner,
    /// How often a partner's turn comes.
    pub weight: PerPartner,
    /// Requests in a second, the lines of batches counted one by one.
    pub per_second: PerPartner,
}

impl Default for WriteShares {
    fn default() -> Self {
        Self {
            waiting_all: 16_384,
            waiting: PerPartner::all(4_096),
            weight: PerPartner::all(WEIGHT),
            per_second: PerPartner::all(100_000),
        }
    }
}

impl From<usize> for WriteShares {
    /// As by default, but with so many that wait, of one caller or of all.
    fn from(waiting: usize) -> Self {
        let of_one = PerPartner::all(u64::try_from(waiting).unwrap_or(u64::MAX));
        Self { waiting_all: waiting, waiting: of_one, ..Self::default() }
    }
}

/// What those who read the database may have of its readers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadShares {
    /// Reads that run at a time, of all callers.
    pub running_all: usize,
    /// Reads of one partner that run at a time; further ones wait.
    pub running: PerPartner,
    /// Reads of one partner that wait.
    pub waiting: PerPartner,
    /// How often a partner's turn comes.
    pub weight: PerPartner,
    /// Reads of one partner in a second.
    pub per_second: PerPartner,
}

impl Default for ReadShares {
    fn default() -> Self {
        Self {
            // The house itself reads, too.
            running_all: crate::store::READERS_MAX as usize - 1,
            running: PerPartner::all(4),
            waiting: PerPartner::all(256),
            weight: PerPartner::all(WEIGHT),
            per_second: PerPartner::all(100_000),
        }
    }
}

/// How fast somebody has asked of late, against how fast it may. A second's worth may come at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    /// When all that was asked for would have been asked for at the rate that is allowed.
    paid_until: Instant,
}

/// What may come at once.
const BURST: Duration = Duration::from_secs(1);

impl Bucket {
    pub fn new(now: Instant) -> Self {
        Self { paid_until: now }
    }

    /// Takes `count` at `per_second`, or says how long there is nothing to be had. A batch is taken whole once there is
    /// room for some of it, and is paid for by those that follow.
    pub fn take(&mut self, count: usize, per_second: u64, now: Instant) -> Result<(), Duration> {
        let begin = self.paid_until.max(now);
        let ahead = begin - now;
        if ahead > BURST {
            return Err(ahead - BURST);
        }
        let nanos = 1_000_000_000 / per_second.max(1);
        let cost = nanos.saturating_mul(u64::try_from(count).unwrap_or(u64::MAX));
        self.paid_until = begin + Duration::from_nanos(cost);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_s_worth_may_come_at_once_and_then_what_the_rate_allows() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        let taken = (0..100).filter(|_| bucket.take(1, 10, start).is_ok()).count();
        assert_eq!(taken, 11, "the one under way, and a second's worth");
        assert_eq!(bucket.take(1, 10, start), Err(Duration::from_millis(100)));
        let mut later = 0;
        for tenth in 1..=50 {
            later += usize::from(bucket.take(1, 10, start + Duration::from_millis(tenth * 100)).is_ok());
        }
        assert_eq!(later, 50);
    }

    #[test]
    fn a_batch_is_taken_whole_and_paid_for_afterwards() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start);
        assert_eq!(bucket.take(50, 10, start), Ok(()));
        assert_eq!(bucket.take(1, 10, start), Err(Duration::from_secs(4)));
        assert_eq!(bucket.take(1, 10, start + Duration::from_secs(4)), Ok(()));
    }

    #[test]
    fn a_partner_s_own_number_stands_before_that_of_all() {
        let shares = PerPartner { all: 3, some: [("FUEL".parse().unwrap(), 7)].into() };
        assert_eq!(shares.of(Some("FUEL".parse().unwrap())), 7);
        assert_eq!(shares.of(Some("GROCER".parse().unwrap())), 3);
        assert_eq!(shares.of(None), 3);
    }
}
