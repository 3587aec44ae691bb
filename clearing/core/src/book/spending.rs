//! What entries take of the limits on what is spent at an acceptor, and give back to them.

use crate::facts::entry::{Entry, EntryKind};
use crate::facts::lot::LotMove;
use crate::units::{PartnerId, Points};

/// What one entry counts for its acceptor's limits on spending: below zero where it gives room back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spending {
    pub points: Points,
    /// Those of them that others than the acceptor had issued.
    pub foreign: Points,
}

impl Spending {
    /// What a redemption or a hold counts. A capture takes what its hold has counted.
    pub fn of(entry: &Entry) -> Option<Self> {
        let counts = matches!(entry.kind, EntryKind::Redeem | EntryKind::Authorize);
        counts.then(|| Self::taken(entry.partner, entry.lots.iter().map(taken)))
    }

    /// Of points that an acceptor takes, by their issuers.
    pub fn taken(acceptor: PartnerId, taken: impl Iterator<Item = (PartnerId, Points)>) -> Self {
        let mut sums = Self { points: Points::ZERO, foreign: Points::ZERO };
        for (issuer, points) in taken {
            sums.points = Points(sums.points.0.saturating_add(points.0));
            if issuer != acceptor {
                sums.foreign = Points(sums.foreign.0.saturating_add(points.0));
            }
        }
        sums
    }

    /// By how much an entry moves what is counted on its own day.
    pub fn counted(entry: &Entry, day: impl FnOnce() -> i32) -> Option<Self> {
        let Some(undone) = entry.facts.uncounted() else { return Self::of(entry) };
        // What was counted on a day that is over makes room on no other.
        let counted = Self { points: Points(-undone.points.0), foreign: Points(-undone.foreign.0) };
        (undone.day == day()).then_some(counted)
    }
}

fn taken(moved: &LotMove) -> (PartnerId, Points) {
    (moved.issuer, Points(-moved.points.0))
}
