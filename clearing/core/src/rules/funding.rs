//! Points that wait for their issuer's payment (funding F): they are released by the payment of the settlement that
//! contains them, all points of an issuer and version of terms at once, however many lots there are.

use std::collections::BTreeSet;

use crate::book::Book;
use crate::chart::{MoneyAccount, Purpose};
use crate::facts::entry::{Entry, EntryKind};
use crate::facts::{Fact, FundedPart};
use crate::operation::Ask;
use crate::rejection::Rejection;
use crate::units::{PartnerId, Points, Timestamp, WindowNumber};

/// The pending points of one window of issue, issuer and version of terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FundingGroup {
    /// Points that wait, or that were paid for.
    pub points: Points,
    /// The window whose settlement pays for them: that of their issue, unless it was carried on or aborted.
    pub settles_in: WindowNumber,
    /// When they were paid for.
    pub funded: Option<Timestamp>,
}

impl FundingGroup {
    pub fn new(window: WindowNumber) -> Self {
        Self { points: Points::ZERO, settles_in: window, funded: None }
    }
}

impl Book {
    /// When the points that an issuer issued in a window were paid for, if they are.
    pub fn funded_at(&self, window: WindowNumber, issuer: PartnerId) -> Option<Timestamp> {
        let groups = self.funding.range((window, issuer, 0)..=(window, issuer, u32::MAX));
        groups.filter_map(|(_, group)| group.funded).min()
    }

    pub(crate) fn is_funded(&self, window: WindowNumber, issuer: PartnerId) -> bool {
        self.funded_at(window, issuer).is_some()
    }

    /// The entry that pays for the points of an issuer that wait for the settlement of a window, if there are any. The
    /// money moves at once; the points become available as due work of their members.
    ///
    /// Rule: fund
    pub(crate) fn fund_entry(
        &self,
        ask: &Ask<'_>,
        window: WindowNumber,
        issuer: PartnerId,
    ) -> Result<Option<Entry>, Rejection> {
        let waiting = self.funding.iter().filter(|((_, of, _), group)| {
            *of == issuer && group.settles_in == window && group.funded.is_none() && group.points.0 > 0
        });
        let parts: Vec<FundedPart> = waiting
            .map(|((window, issuer, terms), group)| FundedPart {
                window: *window,
                issuer: *issuer,
                terms: *terms,
                points: group.points,
            })
            .collect();
        if parts.is_empty() {
            return Ok(None);
        }
        let mut draft = self.draft(EntryKind::Fund, ask);
        for part in &parts {
            let terms = self.house.lot_terms(part.issuer, part.terms);
            let backing = i128::from(part.points.times(terms.value)?.0);
            let spread = i128::from(part.points.times(terms.price.minus(terms.value)?)?.0);
            draft.post_money(MoneyAccount::Unfunded, Purpose::Reward, -backing);
            draft.post_money(MoneyAccount::Pool, Purpose::Reward, backing);
            draft.post_money(MoneyAccount::Unfunded, Purpose::Spread, -spread);
            draft.post_money(MoneyAccount::Position(PartnerId::operator()), Purpose::Spread, spread);
        }
        self.finish(draft.with(Fact::Funding(parts))).map(Some)
    }

    /// Lets what waits for the settlement of one window wait for that of another: of the issuers in `of`, or of all.
    ///
    /// Rule: funding-carried
    pub(crate) fn defer_funding(&mut self, from: WindowNumber, to: WindowNumber, of: Option<&BTreeSet<PartnerId>>) {
        let mut moved = Vec::new();
        for (key, group) in &mut self.funding {
            let concerned = of.is_none_or(|issuers| issuers.contains(&key.1));
            if group.settles_in == from && group.funded.is_none() && concerned {
                group.settles_in = to;
                moved.push(*key);
            }
        }
        self.changes_mut().funding_states.extend(moved);
    }

    /// Issuers whose points wait for the settlement of a window.
    pub(crate) fn waiting_issuers(&self, window: WindowNumber) -> Vec<PartnerId> {
        let waiting = self.funding.iter().filter(|(_, group)| group.settles_in == window && group.funded.is_none());
        let mut issuers: Vec<PartnerId> = waiting.map(|((_, issuer, _), _)| *issuer).collect();
        issuers.dedup();
        issuers.sort_unstable();
        issuers.dedup();
        issuers
    }
}
