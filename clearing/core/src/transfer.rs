//! Points given to another member: they keep issuer, terms, backing and expiry, and no money moves.

use crate::book::{Ask, Book, LOTS_PER_ENTRY_MAX};
use crate::chart::PointsAccount;
use crate::command::{Accepted, MemberRef};
use crate::journal::{EntryKind, LotBirth, LotMove};
use crate::member::LotId;
use crate::points::Part;
use crate::rejection::Rejection;
use crate::units::{MemberId, Points};

impl Book {
    /// Moves points of a member to another one, as new lots whose place in the order is that of the transfer. A receiver
    /// that nobody has enrolled gets the id `fresh`, if the caller asks for that.
    ///
    /// Rule: transfer
    pub(crate) fn transfer(
        &mut self,
        ask: &Ask<'_>,
        member: MemberRef,
        to: MemberRef,
        fresh: Option<MemberId>,
        points: Points,
    ) -> Result<Accepted, Rejection> {
        self.check_may_accept(ask.caller)?;
        let from = self.find_member(member)?;
        let (to, newcomer) = match fresh {
            Some(fresh) => self.find_or_fresh(to, fresh)?,
            None => (self.find_member(to)?, None),
        };
        if to == from {
            return Err(Rejection::SameMember { member: from.to_string() });
        }
        self.run_due(from, ask.now);
        self.run_due(to, ask.now);
        self.check_transfer_limits(ask, from, points)?;
        let parts = self.take_any(from, points, ask.now)?;

        let entry_no = self.members.get(&to).map_or(0, |member| member.entry_no) + 1;
        let mut draft = self.draft(EntryKind::Transfer, ask).of_member(from);
        draft.post_points(PointsAccount::Member(from), -i128::from(points.0));
        draft.post_points(PointsAccount::Member(to), i128::from(points.0));
        for (at, part) in parts.iter().enumerate() {
            draft.move_lot(part.moved(part.points.negated()?));
            let lot = LotId { member: to, entry_no, part: place(at) };
            let birth = Some(LotBirth { origin: Some(part.lot), activates: None });
            // What ends with inactivity ends when it would have for its giver: receiving saves no points.
            let expires = self.lots.get(&part.lot).map_or(part.expires, |given| self.expiry_of(given));
            draft.move_lot(LotMove { lot, birth, expires, ..part.moved(part.points) });
        }
        let mut entry = self.finish(draft)?;
        if let Some(hash) = newcomer {
            self.enrol(ask, hash, to, &mut entry);
        }
        let mut entries = vec![self.post(entry)];
        self.settle_member(to, ask.now, &mut entries);
        Ok(self.member_reply(from, entries, Points::ZERO))
    }

    /// The first `points` of a member in consumption order, whatever their issuers' headroom.
    fn take_any(&self, member: MemberId, points: Points, now: crate::units::Timestamp) -> Result<Vec<Part>, Rejection> {
        let available = self.spendable(member, now);
        if points > available {
            return Err(Rejection::InsufficientPoints { asked: points.0, available: available.0 });
        }
        let mut missing = points.0;
        let mut parts = Vec::new();
        for (expires, lot) in self.lots_in_order(member) {
            if missing == 0 || parts.len() == LOTS_PER_ENTRY_MAX {
                break;
            }
            if expires > now {
                let taken = Points(missing.min(lot.available.0));
                missing -= taken.0;
                parts.push(Part::of_lot(lot, taken));
            }
        }
        if missing > 0 {
            return Err(Rejection::too_many_lots(points, points.0 - missing));
        }
        Ok(parts)
    }
}

fn place(at: usize) -> u16 {
    u16::try_from(at).expect("an entry takes at most 1,024 lots")
}
