//! What falls due by itself: pending points activate, holds lapse, points expire, or live on where they were passed over.
//!
//! Due work acts as of its due time, in order of due time; at one moment activations come first, then lapses, then expiries,
//! each in journal order. Before a command the due work of its members runs, bounded; the scheduler does the rest.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::book::Book;
use crate::chart::{MoneyAccount, PointsAccount, Purpose};
use crate::facts::Fact;
use crate::facts::entry::{Entry, EntryDraft, EntryKind, LOTS_PER_ENTRY_MAX};
use crate::facts::hold::Hold;
use crate::facts::lot::{Lot, LotId, LotMove, lot_move};
use crate::facts::member::MemberRef;
use crate::facts::origin::Code;
use crate::facts::terms::Funding;
use crate::operation::{Admitted, Ask, Decision, Footprint, Operation};
use crate::rejection::Rejection;
use crate::units::{EntryId, MemberId, PartnerId, Points, Timestamp};

/// The reason of an entry that lets a lot live on because it was passed over.
pub const PASSED_OVER: &str = "PASSED_OVER";

/// The next piece of due work of a member. Ordered as they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Activation(LotId),
    Lapse(EntryId),
    Expiry(LotId),
}

/// Due work of a member, on behalf of the scheduler. What is due runs before whatever is asked of a member, so there is
/// nothing left to decide.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RunDueWork {
    pub member: MemberId,
}

impl Operation for RunDueWork {
    const NAME: &'static str = "RunDueWork";

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.member(MemberRef::Id(self.member));
    }

    fn admit(&self, book: &Book, _: &Ask<'_>) -> Result<Admitted, Rejection> {
        book.find_member(MemberRef::Id(self.member)).map(Admitted::of)
    }

    fn decide(&self, _: &Book, _: &Ask<'_>, who: &Admitted) -> Result<Decision, Rejection> {
        Ok(Decision::of_member(who.member(), Vec::new()).with(|figures| figures.names_due = true))
    }
}

impl Book {
    /// Whether something is due for a member.
    pub fn is_due(&self, member: MemberId, now: Timestamp) -> bool {
        let zone = &self.house.coalition.time_zone;
        self.members.get(&member).is_some_and(|known| {
            let mut waiting = known.record.waiting.keys();
            let paid_for = waiting.any(|(window, issuer)| self.is_decided(*window, *issuer));
            let mut released = self.pending_lots(member).filter_map(|lot| self.released_at(lot));
            // Of points that are paid for some may have a later activation.
            known.next_due(zone) <= now || (paid_for && released.any(|time| time <= now))
        })
    }

    /// When the pending points of a lot become available, if that is known: they may wait for a payment.
    fn released_at(&self, lot: &Lot) -> Option<Timestamp> {
        if let Some(cancelled) = self.cancellation_of(lot) {
            return Some(cancelled);
        }
        let funded = lot.release_window.map(|window| self.funded_at(window, lot.issuer));
        let funded = funded.map_or(Some(Timestamp(i64::MIN)), |funded| funded)?;
        Some(lot.activates.map_or(funded, |activates| activates.max(funded)))
    }

    /// When the pending points of a lot were cancelled, if they were.
    fn cancellation_of(&self, lot: &Lot) -> Option<Timestamp> {
        self.cancelled_at(lot.release_window?, lot.issuer)
    }

    /// Posts what is due for a member, each piece as of its due time, at most [`LOTS_PER_ENTRY_MAX`] at once; what remains
    /// of expired points is no longer spent, and all of it follows with the next command or the job.
    ///
    /// Rule: due-work
    pub fn run_due(&mut self, member: MemberId, now: Timestamp) -> Vec<EntryId> {
        self.run_due_since(member, now, Timestamp(i64::MIN))
    }

    /// As [`Book::run_due`], nothing of it as of before `since`: what an entry of that time released fell due then.
    pub(crate) fn run_due_since(&mut self, member: MemberId, now: Timestamp, since: Timestamp) -> Vec<EntryId> {
        let mut written = Vec::new();
        if !self.is_due(member, now) {
            return written;
        }
        // When the points that were given last came, as long as debts have not been paid with them.
        let mut given: Option<Timestamp> = None;
        let mut at = since;
        for _ in 0..LOTS_PER_ENTRY_MAX {
            let next = self.next_due(member).filter(|(time, _)| *time <= now);
            // Points that came back after their expiry expire before debts are paid.
            if let Some(time) = given
                && next.is_none_or(|(due, work)| due > time || !matches!(work, Due::Expiry(_)))
            {
                self.recover(member, time, &mut written);
                given = None;
                continue;
            }
            let Some((due, work)) = next else { break };
            at = at.max(due);
            let cancels = matches!(work, Due::Activation(lot) if self.cancellation_of(&self.lots[&lot]).is_some());
            let entry = match work {
                Due::Activation(lot) if cancels => self.cancel_entry(&self.lots[&lot], at),
                Due::Activation(lot) => self.activation_entry(&self.lots[&lot], at),
                Due::Lapse(hold) => self.release_entry(self.own_draft(EntryKind::Lapse, at), hold),
                Due::Expiry(lot) => {
                    let lot = &self.lots[&lot];
                    match self.passed_over_until(lot, at) {
                        Some(until) => self.grace_entry(lot, at, until),
                        None => self.loss_entry(self.own_draft(EntryKind::Expire, at), lot, lot.available),
                    }
                }
            };
            // Due work cannot be refused; were its amounts beyond 64 bits it would wait, and expired points stay unspent.
            let Ok(entry) = entry else { break };
            written.push(self.post(entry));
            if !matches!(work, Due::Expiry(_)) && !cancels {
                given = Some(at);
            }
        }
        // The bound may fall between points that came and the debts that they pay.
        if let Some(time) = given {
            self.recover(member, time, &mut written);
        }
        self.note_next_due(member, now);
        written
    }

    /// The piece of a member's due work that comes next, and when.
    fn next_due(&self, member: MemberId) -> Option<(Timestamp, Due)> {
        let activation = self.pending_lots(member);
        let activation = activation.filter_map(|lot| Some((self.released_at(lot)?, Due::Activation(lot.id))));
        let lapse = self.open_holds(member).next().map(|hold: &Hold| (hold.facts.lapses, Due::Lapse(hold.id)));
        let expiry = self.lots_in_order(member).next().map(|(expires, lot)| (expires, Due::Expiry(lot.id)));
        let expiry = expiry.filter(|(expires, _)| *expires < Timestamp::NEVER);
        activation.chain(lapse).chain(expiry).min()
    }

    /// Notes with a member when something is due for it next. All its pending lots and open holds are in the book.
    fn note_next_due(&mut self, member: MemberId, now: Timestamp) {
        let first = self.members.get(&member).map(|known| self.first_expiry(known));
        // What should have been active by now and is not paid for is due with its payment.
        let timed = self.pending_lots(member).filter(|lot| lot.release_window.is_none() || lot.activates > Some(now));
        let activations = timed.filter_map(|lot| lot.activates);
        let lapses = self.open_holds(member).map(|hold| hold.facts.lapses);
        let release = activations.chain(lapses).min();
        self.changes_mut().members.insert(member);
        let member = self.members.get_mut(&member).expect("due work is of a member");
        let (next_expiry, points) = first.expect("due work is of a member");
        member.know_expiry(next_expiry, points);
        member.record.next_release = release;
    }

    pub(super) fn own_draft(&self, kind: EntryKind, time: Timestamp) -> EntryDraft {
        EntryDraft::new(kind, self.open_window, time, self.house.coalition.currency, PartnerId::operator())
    }

    /// Rule: activation
    fn activation_entry(&self, lot: &Lot, at: Timestamp) -> Result<Entry, Rejection> {
        let (member, points) = (lot.id.member, lot.pending);
        let mut draft = self.own_draft(EntryKind::Activate, at).of_member(member).linked_to(lot.entry);
        draft.post_points(PointsAccount::Pending(member), -i128::from(points.0));
        draft.post_points(PointsAccount::Member(member), i128::from(points.0));
        draft.move_lot(LotMove { pending: points.negated()?, ..lot_move(lot, points) });
        self.finish(draft)
    }

    /// The entry by which pending points go whose issuer did not pay for them.
    ///
    /// Rule: cancel-pending
    fn cancel_entry(&self, lot: &Lot, at: Timestamp) -> Result<Entry, Rejection> {
        let (member, points) = (lot.id.member, lot.pending);
        let mut draft = self.own_draft(EntryKind::Cancel, at).of_member(member).linked_to(lot.entry);
        draft.post_points(PointsAccount::Pending(member), -i128::from(points.0));
        draft.post_points(PointsAccount::Issuer(lot.issuer), i128::from(points.0));
        draft.move_lot(LotMove { pending: points.negated()?, ..lot_move(lot, Points::ZERO) });
        self.finish(draft)
    }

    /// Until when a lot lives on that would expire at a moment, because points of its issuer were asked for and passed
    /// over. A lot that is moved there expires there, unless it has been passed over again.
    ///
    /// Rule: passed-over-grace
    fn passed_over_until(&self, lot: &Lot, at: Timestamp) -> Option<Timestamp> {
        let mark = self.members.get(&lot.id.member)?.record.passed_over.get(&lot.issuer)?;
        let then = lot.funding == Funding::AtRedemption && lot.id.entry_no <= mark.entry_no;
        let until = then.then(|| self.house.coalition.passed_over_until(mark.time));
        until.filter(|until| at < *until)
    }

    /// The entry by which a lot lives on that was passed over.
    fn grace_entry(&self, lot: &Lot, at: Timestamp, until: Timestamp) -> Result<Entry, Rejection> {
        let reason = Code::word(PASSED_OVER).expect("a code");
        let draft = self.own_draft(EntryKind::Extend, at).of_member(lot.id.member).linked_to(lot.entry);
        let mut draft = draft.with(Fact::Reason(reason));
        draft.move_lot(LotMove { expires: until, ..lot_move(lot, Points::ZERO) });
        self.finish(draft)
    }

    /// The entry by which a member loses points of a lot, by expiry or decay.
    ///
    /// Rule: expiry
    pub(crate) fn loss_entry(&self, draft: EntryDraft, lot: &Lot, points: Points) -> Result<Entry, Rejection> {
        let terms = self.house.lot_terms(lot.issuer, lot.terms);
        let mut draft = draft.of_member(lot.id.member).linked_to(lot.entry);
        draft.post_points(PointsAccount::Member(lot.id.member), -i128::from(points.0));
        draft.post_points(PointsAccount::Issuer(lot.issuer), i128::from(points.0));
        if lot.funding.is_prepaid() {
            let value = points.times(terms.value)?;
            let [reserve, to_operator, to_issuer] = terms.breakage.split(value);
            for (account, amount) in [
                (MoneyAccount::Pool, -i128::from(value.0)),
                (MoneyAccount::Reserve, i128::from(reserve.0)),
                (MoneyAccount::Position(PartnerId::operator()), i128::from(to_operator.0)),
                (MoneyAccount::Position(lot.issuer), i128::from(to_issuer.0)),
            ] {
                draft.post_money(account, Purpose::Breakage, amount);
            }
        }
        draft.move_lot(lot_move(lot, points.negated()?));
        self.finish(draft)
    }

    /// What follows the entries of a command: what they released of expired lots goes, then debts are paid, if one of them
    /// gave the member available points or was a reversal.
    pub(crate) fn settle_member(&mut self, member: MemberId, now: Timestamp, entries: &mut Vec<EntryId>) {
        let gave = |moved: &LotMove| moved.lot.member == member && moved.points.0 > 0;
        let mut written = entries.iter().filter_map(|id| self.entries.get(id));
        let recovers = written.any(|entry| entry.facts.reversal().is_some() || entry.lots.iter().any(gave));
        entries.extend(self.run_due_since(member, now, now));
        if recovers {
            self.recover(member, now, entries);
        }
    }
}
