//! Sums that have become so large that the rules must know them: they are loaded with every batch.
//!
//! A node learns of one when it adds to it, as the statement that adds says what the sum has become. So nothing needs to be
//! told to other nodes, or known at the start.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::book::sums::{SETTLED_MAX, SUM_REFUSED, SUM_WATCHED, Sum, settles};
use clearing_core::operation::Gate;

use super::StoreError;

/// The sums that have become so large.
#[derive(Debug, Default)]
pub(super) struct Watched(Mutex<BTreeSet<Sum>>);

/// What a sum has become, and what was added to it.
#[derive(Debug, Clone, Copy)]
struct Became {
    sum: Sum,
    now: i64,
    change: i64,
    /// Further than this it may not be brought by a batch that was decided without knowing all of its sums.
    refused: Option<i64>,
}

impl Watched {
    pub fn sums(&self) -> BTreeSet<Sum> {
        self.0.lock().expect("nobody panics with the lock").clone()
    }

    fn is_empty(&self) -> bool {
        self.0.lock().expect("nobody panics with the lock").is_empty()
    }

    /// Notes sums that a batch has brought far, whether or not it is saved in the end.
    ///
    /// # Errors
    /// Transient if one of them may not be saved: the batch is to be decided again, now with that sum loaded.
    fn note(&self, far: &[Became]) -> Result<(), StoreError> {
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
    fn forget<'a>(&self, near: impl Iterator<Item = &'a Sum>) {
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

/// Notes what the sums of a batch became.
pub(super) fn note_far(
    watched: &Watched,
    (book, changes): (&Book, &Changes),
    far: &[(Sum, i64)],
    gate: Gate,
) -> Result<(), StoreError> {
    if far.is_empty() && watched.is_empty() {
        return Ok(());
    }
    let mut moved = moved_sums(changes);
    let settled = settled_sums(book, changes);
    let became = |(sum, now): &(Sum, i64)| {
        let change = moved.remove(sum).unwrap_or_default();
        let refused = if settled.contains(sum) { SETTLED_MAX } else { SUM_REFUSED };
        // Who has the gate alone has decided with all sums in the book.
        let refused = (gate == Gate::Shared).then_some(refused);
        Became { sum: *sum, now: *now, change, refused }
    };
    let far: Vec<Became> = far.iter().map(became).collect();
    watched.forget(moved.keys());
    watched.note(&far)
}

/// The sums that entries of a batch have moved which settle what others had moved: these go further than others.
fn settled_sums(book: &Book, changes: &Changes) -> BTreeSet<Sum> {
    let entries = changes.entries.iter().filter_map(|id| book.entries.get(id));
    let moved = entries.filter(|entry| settles(entry.kind)).filter_map(|entry| book.sums_of(entry).ok());
    moved.flat_map(BTreeMap::into_keys).collect()
}

/// By how much a batch moves the sums that the database adds to.
fn moved_sums(changes: &Changes) -> BTreeMap<Sum, i64> {
    let mut moved = BTreeMap::new();
    moved.extend(changes.points_balances.iter().map(|(account, points)| (Sum::Points(*account), points.0)));
    moved.extend(changes.money_balances.iter().map(|(account, amount)| (Sum::Money(*account), amount.0)));
    moved.extend(changes.outstanding.iter().map(|((of, terms), points)| (Sum::Outstanding(*of, *terms), points.0)));
    for ((window, issuer, acceptor), gross) in &changes.gross {
        moved.insert(Sum::GrossPoints(*window, *issuer, *acceptor), gross.points.0);
        moved.insert(Sum::GrossMoney(*window, *issuer, *acceptor), gross.amount.0);
    }
    for (partner, guard) in &changes.guards {
        let sums = [
            (Sum::Reserved(*partner), guard.reserved.0),
            (Sum::Unsettled(*partner), guard.unsettled.0),
            (Sum::Issued(*partner), guard.counted.issued.0),
            (Sum::Accepted(*partner), guard.counted.accepted.0),
        ];
        // A guard that moves in one of these need not be written in another, and then nothing is told of that one.
        moved.extend(sums.into_iter().filter(|(_, change)| *change != 0));
    }
    moved.extend(changes.consents.iter().map(|((funder, of), points)| (Sum::Consent(*funder, *of), points.0)));
    let funding = changes.funding.iter();
    moved.extend(funding.map(|((window, of, terms), points)| (Sum::Waiting(*window, *of, *terms), points.0)));
    moved
}
