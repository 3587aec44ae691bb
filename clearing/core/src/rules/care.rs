//! What the operator can do for a member: let points live longer, give expired ones again, give up a debt, and freeze it, so
//! that nothing of it is spent for a while.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Deserializer};

use crate::book::Book;
use crate::chart::PointsAccount;
use crate::facts::entry::{EntryKind, LOTS_PER_ENTRY_MAX};
use crate::facts::lot::{Lot, LotMove, lot_move};
use crate::facts::member::MemberRef;
use crate::facts::origin::Code;
use crate::facts::person::{Role, Roles};
use crate::facts::{ExtendFacts, Fact, FreezeFacts, WriteOffFacts};
use crate::operation::{Admitted, Ask, Decision, Footprint, Operation, Subject};
use crate::rejection::Rejection;
use crate::rules::checks::{check_moment, check_points, check_range};
use crate::rules::issue::Earn;
use crate::units::{MemberId, PartnerId, Points, Timestamp};

/// Who looks after members.
const CARE: Roles = Roles::of(&[Role::Clerk, Role::Support]);

/// Lets the points of an issuer that expire by `until` live until `expires`, expired ones left out. Nobody pays: what backs
/// them stays.
///
/// Rule: extend-expiry
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtendExpiry {
    pub member: MemberRef,
    #[serde(rename = "issuer_id")]
    pub issuer: PartnerId,
    #[serde(rename = "until_time")]
    pub until: Timestamp,
    #[serde(rename = "expire_time")]
    pub expires: Timestamp,
    #[serde(rename = "reason_code", deserialize_with = "Code::read_word")]
    pub reason: Code,
}

impl Operation for ExtendExpiry {
    const NAME: &'static str = "ExtendExpiry";
    const ROLES: Roles = CARE;

    fn check(&self) -> Result<(), Rejection> {
        check_moment("expire_time", Some(self.expires))?;
        check_moment("until_time", Some(self.until))
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::member(self.member).and([self.issuer]))
    }

    fn reason(&self) -> Option<&Code> {
        Some(&self.reason)
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.member(self.member).all = true;
    }

    fn admit(&self, book: &Book, ask: &Ask<'_>) -> Result<Admitted, Rejection> {
        check_range("expire_time", self.expires, Timestamp(ask.now.0 + 1), Timestamp::LAST)?;
        book.house.partner(self.issuer)?;
        book.find_member(self.member).map(Admitted::of)
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, who: &Admitted) -> Result<Decision, Rejection> {
        let (id, expires) = (who.member(), self.expires);
        let sooner = |(at, lot): &(Timestamp, &Lot)| {
            lot.issuer == self.issuer && *at > ask.now && *at <= self.until && *at < expires
        };
        let moves: Vec<LotMove> = book
            .lots_in_order(id)
            .filter(sooner)
            .take(LOTS_PER_ENTRY_MAX)
            .map(|(_, lot)| LotMove { expires, ..lot_move(lot, Points::ZERO) })
            .collect();
        if moves.is_empty() {
            return Err(Rejection::not_found("lot of this issuer that expires by then", id));
        }
        let ends = book.lots_in_order(id).filter(sooner).take(LOTS_PER_ENTRY_MAX).map(|(at, _)| at);
        let ends: Vec<Timestamp> = ends.collect();
        let points = moves.iter().filter_map(|moved| book.lots.get(&moved.lot)).map(|lot| lot.available.0).sum();
        let extended =
            ExtendFacts { issuer: self.issuer, before: (ends[0], ends[ends.len() - 1]), points: Points(points) };
        let draft = book.draft(EntryKind::Extend, ask).of_member(id);
        let mut draft = draft.with(Fact::Reason(self.reason.clone())).with(Fact::Extended(extended));
        for moved in moves {
            draft.move_lot(moved);
        }
        Ok(Decision::of_member(id, vec![book.finish(draft)?]))
    }
}

/// Gives a member points again that it lost, as an issue of a funder that lets the operator do so, and pays for them by its
/// terms.
///
/// Rule: reinstate
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReinstatePoints {
    pub member: MemberRef,
    #[serde(rename = "funder_id")]
    pub funder: PartnerId,
    pub points: Points,
    #[serde(rename = "expire_time")]
    pub expires: Option<Timestamp>,
    #[serde(rename = "reason_code", deserialize_with = "Code::read_word")]
    pub reason: Code,
}

impl ReinstatePoints {
    fn earn(&self) -> Earn {
        Earn { expires: self.expires, ..Earn::points(self.points) }
    }
}

impl Operation for ReinstatePoints {
    const NAME: &'static str = "ReinstatePoints";
    const ROLES: Roles = CARE;
    const TWO_PERSONS: bool = true;

    /// One person gives so much on a day.
    ///
    /// Rule: care-points
    fn waits(&self, book: &Book, ask: &Ask<'_>) -> bool {
        let given = ask.person.and_then(|person| book.care.get(&person));
        let given = given.map_or(Points::ZERO, |given| given.on(book.day_of(ask.now)));
        given.0.saturating_add(self.points.0) > book.house.coalition.care_points.0
    }

    fn check(&self) -> Result<(), Rejection> {
        check_moment("expire_time", self.expires)?;
        check_points("points", self.points)
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::member(self.member).and([self.funder]))
    }

    fn reason(&self) -> Option<&Code> {
        Some(&self.reason)
    }

    fn footprint(&self, ask: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.member(self.member);
        needs.funders(ask.caller, &[(self.funder, 1)]);
        needs.care.extend(ask.person);
    }

    fn admit(&self, book: &Book, ask: &Ask<'_>) -> Result<Admitted, Rejection> {
        book.check_times_of(ask, &self.earn())?;
        book.check_may_issue(self.funder)?;
        book.find_member(self.member).map(Admitted::of)
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, who: &Admitted) -> Result<Decision, Rejection> {
        let id = who.member();
        book.check_consent(ask.caller, self.funder, self.points)?;
        let terms = book.house.partner(self.funder)?.terms_at(ask.now);
        book.check_issue_cap(self.funder, terms, self.points, None)?;
        let draft = book.draft(EntryKind::Reinstate, ask).of_member(id).with(Fact::Reason(self.reason.clone()));
        let entry = book.issue_lots(draft, ask, id, &[(self.funder, self.points)], &self.earn(), 1)?;
        Ok(Decision::of_member(id, vec![entry]).settling(id))
    }
}

/// Gives up what a member owes to a creditor, up to `points`.
///
/// Rule: write-off-debt
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteOffDebt {
    pub member: MemberRef,
    #[serde(rename = "creditor_id")]
    pub creditor: PartnerId,
    pub points: Points,
    #[serde(rename = "reason_code", deserialize_with = "Code::read_word")]
    pub reason: Code,
}

impl Operation for WriteOffDebt {
    const NAME: &'static str = "WriteOffDebt";
    const ROLES: Roles = CARE;

    fn check(&self) -> Result<(), Rejection> {
        check_points("points", self.points)
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::member(self.member).and([self.creditor]))
    }

    fn reason(&self) -> Option<&Code> {
        Some(&self.reason)
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.member(self.member);
    }

    fn admit(&self, book: &Book, _: &Ask<'_>) -> Result<Admitted, Rejection> {
        book.house.partner(self.creditor)?;
        book.find_member(self.member).map(Admitted::of)
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, who: &Admitted) -> Result<Decision, Rejection> {
        let (id, creditor) = (who.member(), self.creditor);
        let debts = book.members.get(&id).map_or(&[][..], |member| &member.record.debts);
        let owed: i64 = debts.iter().filter(|debt| debt.creditor == creditor).map(|debt| debt.points.0).sum();
        let points = Points(self.points.0.min(owed));
        if points.is_zero() {
            return Err(Rejection::not_found("debt of this member to", creditor));
        }
        let draft = book.draft(EntryKind::WriteOff, ask).of_member(id);
        let given_up = WriteOffFacts { creditor, before: Points(owed) };
        let mut draft = draft.with(Fact::Reason(self.reason.clone())).with(Fact::WrittenOff(given_up));
        draft.post_points(PointsAccount::Debt(id), i128::from(points.0));
        draft.post_points(PointsAccount::Recoverable(creditor), -i128::from(points.0));
        Ok(Decision::of_member(id, vec![book.finish(draft)?]))
    }
}

/// Lets nothing of a member be redeemed, reserved or transferred until a time, or until that is lifted. Of a member that is
/// frozen already the new end holds.
///
/// Rule: freeze-member
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreezeMember {
    pub member: MemberRef,
    #[serde(rename = "reason_code", deserialize_with = "Code::read_word")]
    pub reason: Code,
    /// None: until that is lifted.
    #[serde(rename = "end_time")]
    pub end: Option<Timestamp>,
}

impl Operation for FreezeMember {
    const NAME: &'static str = "FreezeMember";
    const ROLES: Roles = CARE;

    fn check(&self) -> Result<(), Rejection> {
        check_moment("end_time", self.end)
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::member(self.member))
    }

    fn reason(&self) -> Option<&Code> {
        Some(&self.reason)
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.member(self.member);
    }

    fn admit(&self, book: &Book, ask: &Ask<'_>) -> Result<Admitted, Rejection> {
        if let Some(end) = self.end {
            check_range("end_time", end, Timestamp(ask.now.0 + 1), Timestamp::LAST)?;
        }
        book.find_member(self.member).map(Admitted::of)
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, who: &Admitted) -> Result<Decision, Rejection> {
        let id = who.member();
        let frozen =
            FreezeFacts { before: book.frozen_until(id, ask.now), until: Some(self.end.unwrap_or(Timestamp::NEVER)) };
        let draft = book.draft(EntryKind::FreezeMember, ask).of_member(id);
        let draft = draft.with(Fact::Reason(self.reason.clone())).with(Fact::Frozen(frozen));
        Ok(Decision::of_member(id, vec![book.finish(draft)?]))
    }
}

/// Lifts the freeze of a member before its end.
///
/// Rule: unfreeze-member
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnfreezeMember {
    pub member: MemberRef,
    #[serde(rename = "reason_code", default, deserialize_with = "read_word_if_there")]
    pub reason: Option<Code>,
}

/// Reads a reason that need not be there, as serde's `deserialize_with`.
pub(super) fn read_word_if_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Code>, D::Error> {
    Code::read_word(deserializer).map(Some)
}

impl Operation for UnfreezeMember {
    const NAME: &'static str = "UnfreezeMember";
    const ROLES: Roles = CARE;
    const TWO_PERSONS: bool = true;

    fn subject(&self) -> Option<Subject> {
        Some(Subject::member(self.member))
    }

    fn found(&self, book: &Book) -> Vec<u8> {
        let member = book.find_member(self.member).ok().and_then(|id| book.members.get(&id));
        member.map_or(0, |member| member.record.frozen_no).to_be_bytes().to_vec()
    }

    fn reason(&self) -> Option<&Code> {
        self.reason.as_ref()
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.member(self.member);
    }

    fn admit(&self, book: &Book, _: &Ask<'_>) -> Result<Admitted, Rejection> {
        book.find_member(self.member).map(Admitted::of)
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, who: &Admitted) -> Result<Decision, Rejection> {
        let id = who.member();
        let before = book.frozen_until(id, ask.now).ok_or_else(|| Rejection::not_found("freeze of member", id))?;
        let mut draft = book.draft(EntryKind::UnfreezeMember, ask).of_member(id);
        if let Some(reason) = &self.reason {
            draft = draft.with(Fact::Reason(reason.clone()));
        }
        let draft = draft.with(Fact::Frozen(FreezeFacts { before: Some(before), until: None }));
        Ok(Decision::of_member(id, vec![book.finish(draft)?]))
    }
}

impl Book {
    /// When the freeze of a member ends that is frozen now; [`Timestamp::NEVER`] if it is to be lifted. One whose end is
    /// reached is over by itself.
    ///
    /// Rule: freeze-end
    pub fn frozen_until(&self, member: MemberId, now: Timestamp) -> Option<Timestamp> {
        self.members.get(&member)?.record.frozen_until.filter(|until| *until > now)
    }

    /// Refuses to take points of a member at its own wish while it is frozen.
    ///
    /// # Errors
    /// `MEMBER_BLOCKED`
    pub(crate) fn check_may_spend(&self, member: MemberId, now: Timestamp) -> Result<(), Rejection> {
        let Some(until) = self.frozen_until(member, now) else { return Ok(()) };
        let end = (until != Timestamp::NEVER).then(|| until.to_string());
        Err(Rejection::MemberBlocked { member: member.to_string(), end })
    }
}
