//! Points given to another member: they keep issuer, terms, backing and expiry, and no money moves.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::chart::PointsAccount;
use crate::facts::entry::{EntryKind, LOTS_PER_ENTRY_MAX};
use crate::facts::lot::{LotBirth, LotId, LotMove, Part};
use crate::facts::member::MemberRef;
use crate::operation::{Admitted, Ask, Decision, Footprint, Operation};
use crate::rejection::Rejection;
use crate::rules::checks::check_points;
use crate::units::{MemberId, Points};

/// Moves points of a member to another one, as new lots whose place in the order is that of the transfer.
///
/// Rule: transfer
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferPoints {
    pub member: MemberRef,
    #[serde(rename = "to_member")]
    pub to: MemberRef,
    pub points: Points,
    /// Whether a receiver that nobody has enrolled is to be.
    #[serde(default)]
    pub enrol_receiver: bool,
}

impl Operation for TransferPoints {
    const NAME: &'static str = "TransferPoints";

    fn check(&self) -> Result<(), Rejection> {
        check_points("points", self.points)
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.takes(self.member, self.points);
        needs.member(self.to);
        if self.enrol_receiver {
            needs.enrols(self.to);
        }
    }

    fn admit(&self, book: &Book, ask: &Ask<'_>) -> Result<Admitted, Rejection> {
        book.check_may_accept(ask.caller)?;
        let from = book.find_member(self.member)?;
        let mut receiver = if self.enrol_receiver {
            Admitted::or_fresh(book, self.to, ask.fresh_member)?
        } else {
            Admitted::of(book.find_member(self.to)?)
        };
        receiver.members.insert(0, from);
        Ok(Admitted { spends: true, ..receiver })
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, who: &Admitted) -> Result<Decision, Rejection> {
        let [from, to] = who.members[..] else { unreachable!("a transfer was admitted with giver and receiver") };
        if from == to {
            return Err(Rejection::SameMember { member: from.to_string() });
        }
        book.check_transfer_limits(ask, from, self.points)?;
        let told = book.told_available(ask.caller, from, ask.now);
        let parts = book.take_any(from, self.points, ask.now, told)?;

        let entry_no = book.members.get(&to).map_or(0, |member| member.entry_no) + 1;
        let mut draft = book.draft(EntryKind::Transfer, ask).of_member(from);
        draft.post_points(PointsAccount::Member(from), -i128::from(self.points.0));
        draft.post_points(PointsAccount::Member(to), i128::from(self.points.0));
        for (at, part) in parts.iter().enumerate() {
            draft.move_lot(part.moved(part.points.negated()?));
            let lot = LotId { member: to, entry_no, part: place(at) };
            let birth = Some(LotBirth { origin: Some(part.lot), activates: None });
            // What ends with inactivity ends when it would have for its giver: receiving saves no points.
            let expires = book.lots.get(&part.lot).map_or(part.expires, |given| book.expiry_of(given));
            draft.move_lot(LotMove { lot, birth, expires, ..part.moved(part.points) });
        }
        let entry = book.finish(draft)?;
        Ok(Decision::of_member(from, vec![entry]).settling(to))
    }
}

impl Book {
    /// The first `points` of a member in consumption order, whatever their issuers' headroom. `told` is what the caller is
    /// told of them.
    fn take_any(
        &self,
        member: MemberId,
        points: Points,
        now: crate::units::Timestamp,
        told: Points,
    ) -> Result<Vec<Part>, Rejection> {
        if points > self.spendable(member, now) {
            return Err(Rejection::InsufficientPoints { asked: points.0, available: told.0 });
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
