//! Points that wait for their issuer's payment (funding F): they are released by the payment of the settlement that
//! contains them, all points of an issuer and version of terms at once, however many lots there are.

use crate::book::Book;
use crate::chart::{MoneyAccount, Purpose};
use crate::facts::entry::{Entry, EntryKind};
use crate::facts::{Fact, FundedPart};
use crate::operation::Ask;
use crate::rejection::Rejection;
use crate::units::{PartnerId, WindowNumber};

impl Book {
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
