//! What can be taken of a member's points: lot by lot in the order of consumption, as far as its issuers' headroom allows.

use std::collections::{BTreeMap, BTreeSet};

use crate::book::Book;
use crate::facts::RedemptionFacts;
use crate::facts::entry::LOTS_PER_ENTRY_MAX;
use crate::facts::lot::Part;
use crate::facts::terms::{FeeBearer, Funding, Terms};
use crate::rejection::Rejection;
use crate::units::{MemberId, Money, Overflow, PartnerId, Points, Timestamp};

/// What can be taken of a member's points.
pub(crate) struct Walk {
    pub parts: Vec<Part>,
    pub missing: Points,
    /// The issuers of lots of which headroom allowed less than would have been taken.
    pub passed_over: BTreeSet<PartnerId>,
    /// Whether the most lots that an entry takes are taken.
    pub full: bool,
}

impl Book {
    /// The first `points` of a member in consumption order that its issuers' headroom allows `acceptor` to take.
    ///
    /// Rule: lots-per-entry
    pub(crate) fn take_in_order(
        &self,
        acceptor: PartnerId,
        member: MemberId,
        points: Points,
        now: Timestamp,
        facts: &RedemptionFacts,
    ) -> Result<Walk, Rejection> {
        let available = self.spendable(member, now);
        let disclosed = self.house.coalition.disclose_issuers;
        // Who may not know whose headroom is used up is told what a balance tells it, whatever it asks for.
        let told = || if disclosed { available } else { self.within_reach(acceptor, member, now) };
        if points > available {
            return Err(Rejection::InsufficientPoints { asked: points.0, available: told().0 });
        }
        let walk = self.walk(acceptor, member, points, now, facts, None)?;
        let reachable = points.0 - walk.missing.0;
        match walk.missing.0 {
            0 => Ok(walk),
            _ if walk.full => Err(Rejection::too_many_lots(points, reachable)),
            _ if !disclosed => Err(Rejection::InsufficientPoints { asked: points.0, available: told().0 }),
            _ => {
                Err(Rejection::NetDebitCap { asked: points.0, reachable, partner: None, needed: None, headroom: None })
            }
        }
    }

    /// Goes through a member's lots in consumption order, of all issuers or of one, and takes what headroom allows.
    ///
    /// Rule: passing-over
    pub(crate) fn walk(
        &self,
        acceptor: PartnerId,
        member: MemberId,
        points: Points,
        now: Timestamp,
        facts: &RedemptionFacts,
        only: Option<PartnerId>,
    ) -> Result<Walk, Rejection> {
        let mut walk = Walk { parts: Vec::new(), missing: points, passed_over: BTreeSet::new(), full: false };
        let mut headroom: BTreeMap<PartnerId, Option<i128>> = BTreeMap::new();
        for (expires, lot) in self.lots_in_order(member) {
            if walk.missing.is_zero() {
                break;
            }
            if expires <= now || only.is_some_and(|issuer| issuer != lot.issuer) {
                continue;
            }
            let mut taken = walk.missing.0.min(lot.available.0);
            let terms = self.house.lot_terms(lot.issuer, lot.terms);
            let cost = i128::from(headroom_cost(acceptor, lot.issuer, terms, facts)?.0);
            if cost > 0
                && let Some(room) = headroom.entry(lot.issuer).or_insert_with(|| self.headroom(lot.issuer))
            {
                let wanted = taken;
                taken = taken.min(i64::try_from((*room / cost).max(0)).unwrap_or(i64::MAX));
                *room -= i128::from(taken) * cost;
                if taken < wanted {
                    walk.passed_over.insert(lot.issuer);
                }
            }
            if taken == 0 {
                continue;
            }
            if walk.parts.len() == LOTS_PER_ENTRY_MAX {
                walk.full = true;
                break;
            }
            walk.missing = Points(walk.missing.0 - taken);
            walk.parts.push(Part::of_lot(lot, Points(taken)));
        }
        Ok(walk)
    }
}

impl Rejection {
    pub(crate) fn too_many_lots(asked: Points, reachable: i64) -> Self {
        let lots_max = i64::try_from(LOTS_PER_ENTRY_MAX).expect("a small constant");
        Self::TooManyLots { asked: asked.0, reachable, lots_max }
    }
}

/// What a point of a lot takes of its issuer's headroom when `acceptor` accepts it: nothing of prepaid points and of the
/// acceptor's own; else its price and, where issuers bear the fee, the most that this can be for one point.
///
/// Rule: headroom-cost
pub(crate) fn headroom_cost(
    acceptor: PartnerId,
    issuer: PartnerId,
    terms: &Terms,
    facts: &RedemptionFacts,
) -> Result<Money, Overflow> {
    if issuer == acceptor || terms.funding != Funding::AtRedemption {
        return Ok(Money::ZERO);
    }
    match facts.fee_bearer {
        FeeBearer::Acceptor => Ok(terms.price),
        FeeBearer::Issuer => terms.price.plus(facts.fee_rate.of_ceil(facts.reimbursement)),
    }
}

/// The first `points` of parts in consumption order.
pub(crate) fn first_points(parts: &[Part], points: i64) -> Vec<Part> {
    let mut missing = points;
    let mut first = Vec::with_capacity(parts.len());
    for part in parts {
        let taken = missing.min(part.points.0);
        missing -= taken;
        if taken > 0 {
            first.push(Part { points: Points(taken), ..part.clone() });
        }
    }
    first
}

/// What `parts` hold beyond `kept`, which are some of them, in the same order, with as many points or fewer.
pub(crate) fn moved_parts(parts: &[Part], kept: &[Part]) -> Vec<Part> {
    let mut kept = kept.iter().peekable();
    let beyond = parts.iter().map(|part| {
        let kept = kept.next_if(|kept| kept.lot == part.lot).map_or(0, |kept| kept.points.0);
        Part { points: Points(part.points.0 - kept), ..part.clone() }
    });
    beyond.filter(|part| part.points.0 > 0).collect()
}

pub(crate) fn total_of(parts: &[Part]) -> Points {
    Points(parts.iter().map(|part| part.points.0).sum())
}
