//! What the operator can do for a member: let points live longer, give expired ones again, give up a debt.

use crate::book::{Ask, Book, LOTS_PER_ENTRY_MAX, check_range};
use crate::chart::PointsAccount;
use crate::command::{Accepted, Earn, MemberRef};
use crate::due::lot_move;
use crate::facts::Fact;
use crate::journal::{Code, EntryKind, LotMove};
use crate::rejection::Rejection;
use crate::units::{PartnerId, Points, Timestamp};

impl Book {
    /// Lets the points of an issuer that expire by `until` live until `expires`. Nobody pays: what backs them stays.
    ///
    /// Rule: extend-expiry
    pub(crate) fn extend_expiry(
        &mut self,
        ask: &Ask<'_>,
        member: MemberRef,
        issuer: PartnerId,
        until: Timestamp,
        expires: Timestamp,
        reason: &Code,
    ) -> Result<Accepted, Rejection> {
        check_range("expires_time", expires, Timestamp(ask.now.0 + 1), Timestamp::LAST)?;
        self.house.partner(issuer)?;
        let id = self.find_member(member)?;
        self.run_due(id, ask.now);
        let mut draft = self.draft(EntryKind::Extend, ask).of_member(id).with(Fact::Reason(reason.clone()));
        let sooner = |(at, lot): &(Timestamp, &crate::member::Lot)| {
            lot.issuer == issuer && *at > ask.now && *at <= until && *at < expires
        };
        let moves: Vec<LotMove> = self
            .lots_in_order(id)
            .filter(sooner)
            .take(LOTS_PER_ENTRY_MAX)
            .map(|(_, lot)| LotMove { expires, ..lot_move(lot, Points::ZERO) })
            .collect();
        if moves.is_empty() {
            return Err(Rejection::not_found("lot of this issuer that expires by then", id));
        }
        for moved in moves {
            draft.move_lot(moved);
        }
        let entry = self.finish(draft)?;
        let entries = vec![self.post(entry)];
        Ok(self.member_reply(id, entries, Points::ZERO))
    }

    /// Gives a member points again that it lost, as an issue of a funder, who pays for them by its terms.
    ///
    /// Rule: reinstate
    pub(crate) fn reinstate(
        &mut self,
        ask: &Ask<'_>,
        member: MemberRef,
        funder: PartnerId,
        points: Points,
        expires: Option<Timestamp>,
        reason: &Code,
    ) -> Result<Accepted, Rejection> {
        let earn = Earn { expires, ..Earn::points(points) };
        self.check_times_of(ask, &earn)?;
        self.check_may_issue(funder)?;
        let id = self.find_member(member)?;
        self.run_due(id, ask.now);
        let terms = self.house.partner(funder)?.terms_at(ask.now).clone();
        self.check_issue_cap(funder, &terms, points, None)?;
        let draft = self.draft(EntryKind::Reinstate, ask).of_member(id).with(Fact::Reason(reason.clone()));
        let entry = self.issue_lots(draft, ask, id, &[(funder, points)], &earn, 1)?;
        let mut entries = vec![self.post(entry)];
        self.settle_member(id, ask.now, &mut entries);
        Ok(self.member_reply(id, entries, Points::ZERO))
    }

    /// Gives up what a member owes to a creditor, up to `points`.
    ///
    /// Rule: write-off-debt
    pub(crate) fn write_off_debt(
        &mut self,
        ask: &Ask<'_>,
        member: MemberRef,
        creditor: PartnerId,
        points: Points,
        reason: &Code,
    ) -> Result<Accepted, Rejection> {
        self.house.partner(creditor)?;
        let id = self.find_member(member)?;
        self.run_due(id, ask.now);
        let debts = self.members.get(&id).map_or(&[][..], |member| &member.record.debts);
        let owed: i64 = debts.iter().filter(|debt| debt.creditor == creditor).map(|debt| debt.points.0).sum();
        let points = Points(points.0.min(owed));
        if points.is_zero() {
            return Err(Rejection::not_found("debt of this member to", creditor));
        }
        let mut draft = self.draft(EntryKind::WriteOff, ask).of_member(id).with(Fact::Reason(reason.clone()));
        draft.post_points(PointsAccount::Debt(id), i128::from(points.0));
        draft.post_points(PointsAccount::Recoverable(creditor), -i128::from(points.0));
        let entry = self.finish(draft)?;
        let entries = vec![self.post(entry)];
        Ok(self.member_reply(id, entries, Points::ZERO))
    }
}
