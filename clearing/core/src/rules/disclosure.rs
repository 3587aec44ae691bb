//! What a partner is told of a member's points, so that it learns nothing of other partners.
//!
//! In a coalition that does not disclose issuers nobody is to learn how near an issuer is to its net debit cap. Whether an
//! acceptor can take so many points cannot be hidden from it: it may try. So what cannot be taken there is not told either,
//! and a member whose points are passed over looks like one that has fewer.

use std::collections::BTreeMap;

use crate::book::Book;
use crate::facts::RedemptionFacts;
use crate::facts::terms::Funding;
use crate::rejection::Rejection;
use crate::rules::consumption::headroom_cost;
use crate::units::{MemberId, Money, Overflow, PartnerId, Points, Timestamp};

impl Book {
    /// Whether a partner is told all that a member has, with what of it is passed over.
    pub fn tells_all(&self, caller: PartnerId) -> bool {
        self.house.coalition.disclose_issuers || caller.is_operator()
    }

    /// The points of a member that a partner is told to be available.
    ///
    /// Rule: told-points
    pub fn told_available(&self, caller: PartnerId, member: MemberId, now: Timestamp) -> Points {
        if self.tells_all(caller) { self.spendable(member, now) } else { self.within_reach(caller, member, now) }
    }

    /// The points of a member that are not passed over at an acceptor; none at whoever accepts none.
    pub(crate) fn within_reach(&self, acceptor: PartnerId, member: MemberId, now: Timestamp) -> Points {
        let Some(known) = self.members.get(&member) else { return Points::ZERO };
        let Ok(facts) = self.redemption_facts(acceptor, Points::ZERO, now) else { return Points::ZERO };
        let expired = self.expired(member, now);
        let reach = known.holdings.iter().map(|((issuer, funding), holding)| {
            let there = holding.available.0 - expired.get(&(*issuer, *funding)).copied().unwrap_or_default();
            // A point that costs more than any amount cannot be taken within a cap.
            let cost = self.greatest_cost(acceptor, *issuer, *funding, &facts).unwrap_or(Money(i64::MAX));
            let room = if cost.0 > 0 { self.headroom(*issuer) } else { None };
            let most = room.map(|room| i64::try_from((room / i128::from(cost.0)).max(0)).unwrap_or(i64::MAX));
            there.min(most.unwrap_or(i64::MAX))
        });
        Points(reach.sum())
    }

    /// The most that a point of an issuer takes of its headroom, whatever the terms of its lot.
    fn greatest_cost(
        &self,
        acceptor: PartnerId,
        issuer: PartnerId,
        funding: Funding,
        facts: &RedemptionFacts,
    ) -> Result<Money, Overflow> {
        let versions = self.house.partners.get(&issuer).map(|partner| partner.terms.as_slice()).unwrap_or_default();
        let versions = versions.iter().filter(|_| funding == Funding::AtRedemption);
        versions.map(|terms| headroom_cost(acceptor, issuer, terms, facts)).try_fold(Money::ZERO, |most, cost| {
            let cost = cost?;
            Ok(most.max(cost))
        })
    }

    /// The next moments at which points expire that an acceptor can take, at most `most`, the first one first, each with its
    /// points: as far as the lots in the book tell.
    ///
    /// # Errors
    /// `OVERFLOW` if what a point costs does not fit.
    pub fn told_expiries(
        &self,
        caller: PartnerId,
        member: MemberId,
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<(Timestamp, Points)>, Rejection> {
        if self.tells_all(caller) {
            return Ok(self.coming_expiries(member, now, most));
        }
        let facts = self.redemption_facts(caller, Points::ZERO, now)?;
        let all = self.within_reach(caller, member, now);
        let mut lost: BTreeMap<Timestamp, i64> = BTreeMap::new();
        for part in self.walk(caller, member, all, now, &facts, None)?.parts {
            let expires = self.lots.get(&part.lot).map_or(part.expires, |lot| self.expiry_of(lot));
            if expires < Timestamp::NEVER {
                *lost.entry(expires).or_default() += part.points.0;
            }
        }
        Ok(lost.into_iter().take(most).map(|(expires, points)| (expires, Points(points))).collect())
    }
}
