//! Sums that have become so large that the rules must know them: they are loaded with every batch.
//!
//! A node learns of one when it adds to it, as the statement that adds says what the sum has become. So nothing needs to be
//! told to other nodes, or known at the start.

use std::collections::BTreeSet;
use std::sync::Mutex;

use clearing_core::book::sums::{SUM_WATCHED, Sum};

use super::StoreError;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Watched(Mutex<BTreeSet<Sum>>);

/// What a sum has become, and what was added to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Became {
    pub sum: Sum,
    pub now: i64,
    pub change: i64,
    /// Further than this it may not be brought by a batch that was decided without knowing all of its sums.
    pub refused: Option<i64>,
}

impl Watched {
    pub fn sums(&self) -> BTreeSet<Sum> {
        self.0.lock().expect("nobody panics with the lock").clone()
    }

    pub fn is_empty(&self) -> bool {
        self.0.lock().expect("nobody panics with the lock").is_empty()
    }

    /// Notes sums that a batch has brought far, whether or not it is saved in the end.
    ///
    /// # Errors
    /// Transient if one of them may not be saved: the batch is to be decided again, now with that sum loaded.
    pub fn note(&self, far: &[Became]) -> Result<(), StoreError> {
        let mut watched = self.0.lock().expect("nobody panics with the lock");
        watched.extend(far.iter().map(|became| became.sum));
        let refused = |became: &&Became| {
            let before = i128::from(became.now) - i128::from(became.change);
            let now = became.now.unsigned_abs();
            let beyond = became.refused.is_some_and(|refused| now > refused.unsigned_abs());
            beyond && u128::from(now) > before.unsigned_abs()
        };
        match far.iter().find(refused) {
            Some(Became { sum, now, .. }) => {
                Err(StoreError::transient(format!("{sum} would become {now}, which the rules must decide on")))
            }
            None => Ok(()),
        }
    }

    /// Forgets sums that have come back.
    pub fn forget<'a>(&self, near: impl Iterator<Item = &'a Sum>) {
        let mut watched = self.0.lock().expect("nobody panics with the lock");
        for sum in near {
            watched.remove(sum);
        }
    }
}

/// Whether a sum has become so large that it is told of.
pub(super) fn is_far(now: i64) -> bool {
    now.unsigned_abs() > SUM_WATCHED.unsigned_abs()
}
