//! Debts paid with a member's later points.

use crate::book::Book;
use crate::chart::PointsAccount;
use crate::facts::coalition::Recovery;
use crate::facts::entry::{Entry, EntryDraft, EntryKind};
use crate::facts::member::Debt;
use crate::facts::{Fact, RedemptionFacts};
use crate::rejection::Rejection;
use crate::rules::redemption::post_part_money;
use crate::units::{EntryId, MemberId, Money, Points, Rate, Timestamp};

impl Book {
    /// Pays a member's debts with its available points, the oldest first.
    ///
    /// Rule: recovery
    pub(crate) fn recover(&mut self, member: MemberId, now: Timestamp, entries: &mut Vec<EntryId>) {
        let known = self.members.get(&member).filter(|member| !member.record.debts.is_empty());
        let Some(debts) = known.map(|member| member.record.debts.clone()) else { return };
        for debt in debts {
            // What cannot be booked now (its amounts would not fit) stays a debt.
            if let Ok(Some(entry)) = self.recovery_entry(member, &debt, now) {
                entries.push(self.post(entry));
            }
        }
    }

    fn recovery_entry(&self, member: MemberId, debt: &Debt, now: Timestamp) -> Result<Option<Entry>, Rejection> {
        let creditor = debt.creditor;
        let terms = self.house.partner(creditor)?.terms_at(now);
        let facts = RedemptionFacts {
            points: Points::ZERO,
            terms: terms.version,
            reimbursement: terms.reimbursement,
            fee_rate: Rate::ZERO,
            fee_bearer: terms.fee_bearer,
            fee: Money::ZERO,
        };
        let only = (self.house.coalition.recovery == Recovery::Own).then_some(creditor);
        let parts = self.walk(creditor, member, debt.points, now, &facts, only)?.parts;
        let points = Points(parts.iter().map(|part| part.points.0).sum());
        if points.is_zero() {
            return Ok(None);
        }
        let currency = self.house.coalition.currency;
        let mut draft =
            EntryDraft::new(EntryKind::Recover, self.open_window, now, currency, creditor).of_member(member);
        draft.post_points(PointsAccount::Debt(member), i128::from(points.0));
        draft.post_points(PointsAccount::Recoverable(creditor), -i128::from(points.0));
        for part in &parts {
            draft.post_points(PointsAccount::Member(member), -i128::from(part.points.0));
            draft.post_points(PointsAccount::Issuer(part.issuer), i128::from(part.points.0));
            let terms = self.house.lot_terms(part.issuer, part.terms);
            post_part_money(&mut draft, creditor, part.issuer, terms, facts.reimbursement, part.points)?;
            draft.move_lot(part.moved(part.points.negated()?));
        }
        let facts = RedemptionFacts { points, ..facts };
        self.finish(draft.with(Fact::Redemption(facts))).map(Some)
    }
}
