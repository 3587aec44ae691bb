//! Points that wait for their issuer's payment (funding F): they are released by the payment of the settlement that
//! contains them, all points of an issuer and version of terms at once, however many lots there are.

use crate::book::Book;
use crate::chart::{MoneyAccount, Purpose};
use crate::facts::entry::{Entry, EntryKind};
use crate::facts::window::FundingGroup;
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
        let parts = self.waiting_parts(window, issuer);
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

    /// The points of an issuer that wait for the settlement of a window.
    pub(crate) fn waiting_parts(&self, window: WindowNumber, issuer: PartnerId) -> Vec<FundedPart> {
        let waiting = self.funding.iter().filter(|((_, of, _), group)| {
            *of == issuer && group.settles_in == window && group.waits() && group.points.0 > 0
        });
        let part = |((window, issuer, terms), group): (&(WindowNumber, PartnerId, u32), &FundingGroup)| FundedPart {
            window: *window,
            issuer: *issuer,
            terms: *terms,
            points: group.points,
        };
        waiting.map(part).collect()
    }

    /// Issuers whose points wait for the settlement of a window.
    pub(crate) fn waiting_issuers(&self, window: WindowNumber) -> Vec<PartnerId> {
        let waiting = self.funding.iter().filter(|(_, group)| group.settles_in == window && group.waits());
        let mut issuers: Vec<PartnerId> = waiting.map(|((_, issuer, _), _)| *issuer).collect();
        issuers.dedup();
        issuers.sort_unstable();
        issuers.dedup();
        issuers
    }
}
