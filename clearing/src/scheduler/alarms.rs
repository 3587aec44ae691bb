//! Says in the log when a limit comes to be nearly used, or used up.
//!
//! The levels that were told are kept in memory alone: a node that begins to look tells of every limit that is nearly used
//! then. What is told once is not told again before the limit is below 80 %.

use std::collections::BTreeMap;

use clearing_core::book::Book;
use clearing_core::facts::coalition::Coalition;
use clearing_core::rules::limits::{LimitLevel, LimitUse};
use clearing_core::units::{PartnerId, Timestamp};
use tracing::field::display;
use tracing::{info, warn};

/// One limit of one partner; of a consent's budget the funder's, with the partner that issues at its cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Watched {
    pub partner: PartnerId,
    pub limit: &'static str,
    pub by: Option<PartnerId>,
}

/// The limits that are nearly used or used up, by the highest level that was told of them.
pub type Told = BTreeMap<Watched, LimitLevel>;

/// A limit that is at another level than was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crossing {
    pub watched: Watched,
    pub used: LimitUse,
}

/// How much is used of all that is watched, as a book tells that holds all balances.
pub fn uses(book: &Book, now: Timestamp) -> Vec<(Watched, LimitUse)> {
    let limits = book.house.partners.values().flat_map(|partner| {
        let watched = |used: LimitUse| (Watched { partner: partner.id, limit: used.limit, by: None }, used);
        book.limits_used(partner, now).into_iter().map(watched)
    });
    let budgets = book.consents.iter().filter_map(|((funder, by), consent)| {
        let used = consent.budget_used()?;
        Some((Watched { partner: *funder, limit: used.limit, by: Some(*by) }, used))
    });
    limits.chain(budgets).collect()
}

/// What is to be told after what was told before, and what has been told then.
pub fn crossings(before: &Told, uses: &[(Watched, LimitUse)]) -> (Vec<Crossing>, Told) {
    let (mut crossed, mut told) = (Vec::new(), Told::new());
    for (watched, used) in uses {
        let (was, is) = (before.get(watched).copied().unwrap_or_default(), used.level());
        let rises = is > was;
        let falls = is == LimitLevel::Below && was > LimitLevel::Below;
        if rises || falls {
            crossed.push(Crossing { watched: *watched, used: *used });
        }
        if is > LimitLevel::Below {
            told.insert(*watched, is.max(was));
        }
    }
    (crossed, told)
}

/// Writes a crossing to the log.
pub fn tell(crossing: &Crossing, coalition: &Coalition) {
    let Crossing { watched: Watched { partner, limit, by }, used } = crossing;
    let (by, level) = (by.map(display), used.level());
    let [used, maximum] = used.texts(coalition);
    match level {
        LimitLevel::Reached => warn!(%partner, limit, by, used, maximum, "a limit is used up"),
        LimitLevel::Nearly => warn!(%partner, limit, by, used, maximum, "80 % of a limit are used"),
        LimitLevel::Below => info!(%partner, limit, by, used, maximum, "less than 80 % of a limit are used again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(partner: &str, by: Option<&str>) -> Watched {
        let id = |name: &str| name.parse().expect("a partner id");
        Watched { partner: id(partner), limit: "points_per_day", by: by.map(id) }
    }

    /// What one limit is told to be, look by look, as it is used more and less.
    fn told(maximum: i64, used: &[i64]) -> Vec<&'static str> {
        let mut before = Told::new();
        let mut words = Vec::new();
        for used in used {
            let used = LimitUse { limit: "points_per_day", used: *used, maximum };
            let (crossed, after) = crossings(&before, &[(watched("A", None), used)]);
            before = after;
            words.push(match crossed.first().map(|crossing| crossing.used.level()) {
                None => "",
                Some(LimitLevel::Below) => "below",
                Some(LimitLevel::Nearly) => "nearly",
                Some(LimitLevel::Reached) => "reached",
            });
        }
        words
    }

    #[test]
    fn a_crossing_is_told_once_until_the_limit_is_below_again() {
        for (used, words) in [
            (&[0, 79, 80, 81, 80][..], &["", "", "nearly", "", ""][..]),
            (&[80, 100, 100, 120], &["nearly", "reached", "", ""]),
            (&[100, 0], &["reached", "below"]),
            (&[80, 79, 79, 80], &["nearly", "below", "", "nearly"]),
            // Used up is told once as well, however often some of it comes free.
            (&[100, 85, 100, 79, 100], &["reached", "", "", "below", "reached"]),
            (&[-5, i64::MAX, i64::MIN], &["", "reached", "below"]),
        ] {
            assert_eq!(told(100, used), words, "{used:?}");
        }
        assert_eq!(told(0, &[0, 0]), ["reached", ""], "nothing of nothing is all of it");
        assert_eq!(told(1, &[0, 1]), ["", "reached"]);
    }

    #[test]
    fn each_limit_is_told_of_on_its_own_and_forgotten_with_the_limit() {
        let used = |used| LimitUse { limit: "points_per_day", used, maximum: 10 };
        let (own, anothers, budget) = (watched("A", None), watched("B", None), watched("A", Some("B")));
        let (crossed, told) = crossings(&Told::new(), &[(own, used(8)), (anothers, used(0)), (budget, used(10))]);
        assert_eq!(crossed.iter().map(|crossing| crossing.watched).collect::<Vec<_>>(), [own, budget]);
        let (crossed, told) = crossings(&told, &[(own, used(8)), (anothers, used(9))]);
        assert_eq!(crossed, [Crossing { watched: anothers, used: used(9) }]);
        assert_eq!(told.len(), 2, "the budget is gone");
        let (crossed, _) = crossings(&told, &[(own, used(8)), (anothers, used(9)), (budget, used(8))]);
        assert_eq!(crossed, [Crossing { watched: budget, used: used(8) }]);
    }
}
