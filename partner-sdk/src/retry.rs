//! When to try again, and how long to wait before.
//!
//! Every request with an effect carries its key, so any try may be repeated. What limits retries is not danger but load:
//! clients that all try again keep a house that is down from getting up. So retries are paid from a budget that only
//! successes refill, and waits are spread at random.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How a client tries again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retries {
    tries_max: u32,
    backoff_base: Duration,
    backoff_max: Duration,
    budget_tokens: u32,
}

impl Default for Retries {
    fn default() -> Self {
        Self::standard()
    }
}

impl Retries {
    /// As long as the deadline and the budget allow; waits grow from 50 ms to 2 s.
    #[must_use]
    pub fn standard() -> Self {
        Self {
            tries_max: u32::MAX,
            backoff_base: Duration::from_millis(50),
            backoff_max: Duration::from_secs(2),
            budget_tokens: 500,
        }
    }

    /// One try.
    #[must_use]
    pub fn none() -> Self {
        Self::standard().tries_max(1)
    }

    /// At most this many tries, the first among them.
    #[must_use]
    pub fn tries_max(mut self, tries: u32) -> Self {
        self.tries_max = tries.max(1);
        self
    }

    /// The wait before try n is taken at random between 0 and base x 2^(n-2), at most `max`.
    #[must_use]
    pub fn backoff(mut self, base: Duration, max: Duration) -> Self {
        self.backoff_base = base;
        self.backoff_max = max;
        self
    }

    /// Size of the budget that all calls of a client share. A retry costs 5 of it, one after a timeout 10; a success
    /// gives back what its last retry cost, or 1 when it needed none. Default: 500.
    #[must_use]
    pub fn budget(mut self, tokens: u32) -> Self {
        self.budget_tokens = tokens;
        self
    }

    /// Whether there may be a try after this one, counted from 1.
    pub(crate) fn allows_after(&self, tries: u32) -> bool {
        tries < self.tries_max
    }

    /// How long to wait after this many tries.
    pub(crate) fn wait(&self, tries: u32) -> Duration {
        let most = self.backoff_base.saturating_mul(1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX));
        let most = most.min(self.backoff_max);
        let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
        // Each state of the standard library's hash has a key of its own, random in every process: that waits are spread asks
        // for no more.
        let random = RandomState::new().hash_one(());
        Duration::from_micros(random % micros.saturating_add(1))
    }

    pub(crate) fn new_budget(&self) -> Budget {
        Budget { size: self.budget_tokens, left: AtomicU32::new(self.budget_tokens) }
    }
}

/// What a retry after an error costs.
pub(crate) const RETRY_COST: u32 = 5;
/// What a retry after a timeout costs: the house was slow already.
pub(crate) const TIMEOUT_COST: u32 = 10;

/// The retries that all calls of one client may still make.
#[derive(Debug)]
pub(crate) struct Budget {
    size: u32,
    left: AtomicU32,
}

impl Budget {
    /// Takes the cost of a retry, if it is there.
    pub(crate) fn take(&self, cost: u32) -> bool {
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(cost)).is_ok()
    }

    /// Gives back after a success: what its last retry cost, or 1.
    pub(crate) fn succeeded(&self, last_cost: Option<u32>) {
        let gain = last_cost.unwrap_or(1);
        // The common case, a full budget, only reads: all cores share this number.
        if self.left.load(Ordering::Relaxed) < self.size {
            let fill = |left: u32| Some(left.saturating_add(gain).min(self.size));
            // The closure always gives a value, so this cannot fail.
            let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fill);
        }
    }

    #[cfg(test)]
    fn left(&self) -> u32 {
        self.left.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_pays_for_a_hundred_retries_and_then_for_none() {
        let budget = Retries::standard().new_budget();
        for _ in 0..100 {
            assert!(budget.take(RETRY_COST));
        }
        assert!(!budget.take(RETRY_COST));
    }

    #[test]
    fn success_refills_the_budget_but_not_beyond_its_size() {
        let budget = Retries::standard().budget(20).new_budget();
        assert!(budget.take(TIMEOUT_COST));
        assert!(budget.take(RETRY_COST));
        budget.succeeded(Some(RETRY_COST));
        assert_eq!(budget.left(), 10);
        budget.succeeded(None);
        assert_eq!(budget.left(), 11);
        for _ in 0..20 {
            budget.succeeded(None);
        }
        assert_eq!(budget.left(), 20);
    }

    #[test]
    fn a_retry_that_the_budget_cannot_pay_leaves_it_as_it_is() {
        let budget = Retries::standard().budget(7).new_budget();
        assert!(!budget.take(TIMEOUT_COST));
        assert!(budget.take(RETRY_COST));
        assert_eq!(budget.left(), 2);
    }

    #[test]
    fn waits_grow_to_the_most_and_never_beyond() {
        let retries = Retries::standard().backoff(Duration::from_millis(10), Duration::from_millis(35));
        for (tries, most) in [(1, 10), (2, 20), (3, 35), (40, 35), (u32::MAX, 35)] {
            for _ in 0..100 {
                assert!(retries.wait(tries) <= Duration::from_millis(most));
            }
        }
        let (none, endless) = (Duration::ZERO, Duration::MAX);
        assert_eq!(Retries::standard().backoff(none, none).wait(1), none);
        assert!(Retries::standard().backoff(endless, endless).wait(1) <= endless);
    }

    #[test]
    fn waits_are_spread_over_all_that_they_may_be() {
        let most = Duration::from_millis(1_000);
        let retries = Retries::standard().backoff(most, most);
        let mut tenths = [0; 10];
        for _ in 0..10_000 {
            tenths[usize::try_from(retries.wait(1).as_millis() / 100).unwrap().min(9)] += 1;
        }
        // A thousand each; that one of them is further off than ten deviations has never been seen.
        assert!(tenths.iter().all(|waits| (700..1_300).contains(waits)), "{tenths:?}");
    }

    #[test]
    fn without_retries_there_is_one_try() {
        assert!(!Retries::none().allows_after(1));
        assert!(Retries::standard().allows_after(1_000_000));
    }
}
