//! What a redemption would take and cost.

use std::collections::BTreeSet;

use crate::book::Book;
use crate::facts::lot::Part;
use crate::facts::member::MemberRef;
use crate::facts::terms::{FeeBearer, Funding};
use crate::rejection::Rejection;
use crate::rules::consumption::Walk;
use crate::rules::limits::{REDEEM_FOREIGN, points_within};
use crate::units::{Money, PartnerId, Points, Timestamp};

/// What a redemption would take and cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    pub parts: Vec<Part>,
    /// The issuers whose lots it would pass over for want of headroom.
    pub passed_over: BTreeSet<PartnerId>,
    pub fee: Money,
    /// What the acceptor gets for the parts, before a fee that it bears.
    pub reimbursement: Money,
    pub fee_bearer: FeeBearer,
}

impl Quote {
    /// Of no points at all.
    fn of_nothing(fee_bearer: FeeBearer) -> Self {
        Self {
            parts: Vec::new(),
            passed_over: BTreeSet::new(),
            fee: Money::ZERO,
            reimbursement: Money::ZERO,
            fee_bearer,
        }
    }
}

impl Book {
    /// What redeeming as many of `points` as `acceptor` can take now would take and cost; of no points, if it can take none.
    /// Changes nothing.
    ///
    /// # Errors
    /// The rejection that the redemption would meet for another reason than that points cannot be taken.
    ///
    /// Rule: quote-in-part
    pub fn quote_up_to(
        &self,
        acceptor: PartnerId,
        member: MemberRef,
        points: Points,
        now: Timestamp,
    ) -> Result<Quote, Rejection> {
        // What is left by one limit may be more than another leaves.
        let mut asked = points;
        loop {
            let refused = match self.quote(acceptor, member, asked, now) {
                Err(refused) => refused,
                quote => return quote,
            };
            let reachable = if let Rejection::InsufficientPoints { available: reachable, .. }
            | Rejection::TooManyLots { reachable, .. }
            | Rejection::NetDebitCap { reachable, .. } = &refused
            {
                *reachable
            } else if let Rejection::LimitExceeded { limit, used, maximum, .. } = &refused {
                let room = maximum.saturating_sub(*used);
                if limit == REDEEM_FOREIGN {
                    points_within(room, acceptor, &self.parts_for(acceptor, member, asked, now)?)
                } else {
                    room
                }
            } else {
                return Err(refused);
            };
            if reachable >= asked.0 {
                return Err(refused);
            }
            if reachable <= 0 {
                return Ok(Quote::of_nothing(self.house.partner(acceptor)?.terms_at(now).fee_bearer));
            }
            asked = Points(reachable);
        }
    }

    /// The parts that a redemption would take if no limit on redemptions stood against it.
    fn parts_for(
        &self,
        acceptor: PartnerId,
        member: MemberRef,
        points: Points,
        now: Timestamp,
    ) -> Result<Vec<Part>, Rejection> {
        let facts = self.redemption_facts(acceptor, points, now)?;
        Ok(self.take_in_order(acceptor, self.find_member(member)?, points, now, &facts)?.parts)
    }

    /// What redeeming `points` at `acceptor` would take and cost now. Changes nothing.
    ///
    /// # Errors
    /// The rejection that the redemption would meet.
    ///
    /// Rule: quote
    pub fn quote(
        &self,
        acceptor: PartnerId,
        member: MemberRef,
        points: Points,
        now: Timestamp,
    ) -> Result<Quote, Rejection> {
        self.check_may_accept(acceptor)?;
        let id = self.find_member(member)?;
        self.check_may_spend(id, now)?;
        self.check_redeem_limit(acceptor, id, points, now)?;
        let facts = self.redemption_facts(acceptor, points, now)?;
        let Walk { parts, passed_over, .. } = self.take_in_order(acceptor, id, points, now, &facts)?;
        self.check_foreign_limit(acceptor, &parts, now)?;
        let fee = Money(self.fee_shares(acceptor, &facts, &parts)?.values().sum());
        let mut reimbursed = Points::ZERO;
        for part in &parts {
            let free = part.issuer == acceptor && self.funding(part) == Funding::AtRedemption;
            reimbursed = if free { reimbursed } else { reimbursed.plus(part.points)? };
        }
        let reimbursement = reimbursed.times(facts.reimbursement)?;
        Ok(Quote { parts, passed_over, fee, reimbursement, fee_bearer: facts.fee_bearer })
    }
}
