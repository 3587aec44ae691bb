//! A till that must not wait says that a request of its own shall have no effect.

use std::collections::BTreeMap;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::book::spending::Spending;
use crate::facts::answer::{Abandoned, Accepted, MemberReply, RecordedState, Reply};
use crate::facts::entry::{Entry, EntryKind};
use crate::facts::hold::HoldState;
use crate::facts::lot::{LotId, Part};
use crate::facts::member::MemberRef;
use crate::facts::{Fact, UncountedFacts};
use crate::operation::{Admitted, Ask, Decision, Footprint, Operation, Tells};
use crate::rejection::Rejection;
use crate::rules::redemption::Direction;
use crate::units::{EntryId, MemberId, Overflow, Points, RequestId};

/// An unseen id is burned, an applied one is undone, once, whatever the order of arrival.
///
/// Rule: abandon
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AbandonRequest {
    #[serde(rename = "abandoned_request_id")]
    pub request: RequestId,
    /// The member that it was about, if the caller says so.
    #[serde(default)]
    pub member: Option<MemberRef>,
}

/// What there is to do about a request that is abandoned.
enum Fate {
    /// Nothing but to say so.
    Told(Abandoned),
    /// The entries of a member that it wrote are undone.
    Undone(MemberId, Vec<(EntryId, Arc<Entry>)>),
}

impl AbandonRequest {
    /// Of a request, whomever it was about.
    pub fn of(request: RequestId) -> Self {
        Self { request, member: None }
    }

    fn fate(&self, book: &Book, ask: &Ask<'_>) -> Result<Fate, Rejection> {
        let not_found = || Rejection::not_found("request that can be abandoned", self.request);
        let accepted = match book.requests.get(&ask.key(self.request)).map(|recorded| &recorded.state) {
            None => return Ok(Fate::Told(Abandoned::Burned)),
            Some(RecordedState::Burned | RecordedState::Undone(_)) => return Ok(Fate::Told(Abandoned::Already)),
            Some(RecordedState::Rejected(_)) => return Ok(Fate::Told(Abandoned::NoEffect)),
            // A reversal, alone or as a side of a purchase's return, stands.
            Some(RecordedState::Accepted(Accepted {
                reply: Reply::Member(MemberReply { reversed: Some(_), .. }),
                ..
            })) => return Err(not_found()),
            Some(RecordedState::Accepted(accepted)) => &accepted.entries,
        };
        // What followed by itself, such as a recovery, is not undone: undoing the issue it took from leaves the debt again.
        let asked_for = accepted.iter().filter_map(|id| Some((*id, book.entries.get(id)?.clone())));
        let targets: Vec<(EntryId, Arc<Entry>)> = asked_for.filter(|(_, entry)| is_undoable(entry.kind)).collect();
        let member = targets.first().and_then(|(_, entry)| entry.member);
        let member = member.filter(|_| accepted.first() == targets.first().map(|(id, _)| id)).ok_or_else(not_found)?;
        // Who says whom it was about is told where that was somebody else.
        if self.member.is_some_and(|named| book.find_member(named).ok() != Some(member)) {
            return Err(Rejection::not_found("request about this member", self.request));
        }
        for (_, issue) in targets.iter().filter(|(_, entry)| entry.kind == EntryKind::Issue) {
            book.check_may_reverse(ask.caller, issue)?;
        }
        Ok(Fate::Undone(member, targets))
    }
}

impl Operation for AbandonRequest {
    const NAME: &'static str = "AbandonRequest";

    fn check(&self) -> Result<(), Rejection> {
        if self.request.made_at().is_none() {
            return Err(Rejection::invalid("abandoned_request_id", "not a version 7 UUID"));
        }
        Ok(())
    }

    fn concerns(&self) -> Option<RequestId> {
        Some(self.request)
    }

    fn footprint(&self, ask: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.abandoned.insert(ask.key(self.request));
        if let Some(member) = self.member {
            needs.member(member);
        }
    }

    fn admit(&self, book: &Book, ask: &Ask<'_>) -> Result<Admitted, Rejection> {
        Ok(match self.fate(book, ask)? {
            Fate::Told(_) => Admitted::default(),
            Fate::Undone(member, _) => Admitted::of(member),
        })
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let (member, targets) = match self.fate(book, ask)? {
            Fate::Told(told) => {
                let tells = Tells::Abandoned(self.request, told);
                return Ok(Decision { entries: Vec::new(), settles: None, tells });
            }
            Fate::Undone(member, targets) => (member, targets),
        };
        let mut entries = Vec::new();
        for (id, target) in targets.iter().rev() {
            entries.extend(book.undo_entry(ask, *id, target, member)?);
        }
        if entries.is_empty() {
            // That it was abandoned is told by the journal, also where nothing is left to be undone.
            entries.push(book.finish(book.draft(EntryKind::Undo, ask).of_member(member))?);
        }
        entries[0].facts.push(Fact::Abandoned(self.request));
        // What was counted of it counts no more, whatever was returned or released since.
        let counted = targets.iter().find_map(|(_, target)| Some((target.time, Spending::of(target)?)));
        if let Some((time, Spending { points, foreign })) = counted {
            entries[0].facts.push(Fact::Uncounted(UncountedFacts { day: book.day_of(time), points, foreign }));
        }
        let tells = Tells::Abandoned(self.request, Abandoned::Undone);
        Ok(Decision { entries, settles: Some(member), tells })
    }
}

impl Book {
    /// The entry that undoes another one, if there is still something to undo.
    fn undo_entry(
        &self,
        ask: &Ask<'_>,
        id: EntryId,
        target: &Entry,
        member: MemberId,
    ) -> Result<Option<Entry>, Rejection> {
        let draft = self.draft(EntryKind::Undo, ask);
        if target.kind == EntryKind::Issue {
            return self.undo_issue_entry(ask, id, target, member);
        }
        if target.kind == EntryKind::Return {
            return self.undo_return_entry(ask, target);
        }
        if target.kind == EntryKind::Authorize {
            return match self.holds.get(&id).map(|hold| hold.state) {
                Some(HoldState::Open) => self.release_entry(draft, id).map(Some),
                Some(HoldState::Captured) => {
                    Err(Rejection::HoldNotOpen { hold: id.to_string(), state: HoldState::Captured.as_str().to_owned() })
                }
                Some(HoldState::Voided | HoldState::Lapsed) | None => Ok(None),
            };
        }
        let left = self.left_of(id, target);
        if left.is_zero() {
            return Ok(None);
        }
        self.give_back_entry(draft, id, target, left, ask.now).map(Some)
    }

    /// Takes back all of an issue that is not yet reversed; what is spent becomes a debt.
    ///
    /// Rule: undo-issue
    fn undo_issue_entry(
        &self,
        ask: &Ask<'_>,
        id: EntryId,
        issue: &Entry,
        member: MemberId,
    ) -> Result<Option<Entry>, Rejection> {
        let left = issue.lots.iter().filter_map(|moved| self.lots.get(&moved.lot));
        let left = Points(left.map(|lot| lot.reversible().0).sum());
        if left.is_zero() {
            return Ok(None);
        }
        let shares = self.shares_of_issue(issue, left)?;
        let draft = self.draft(EntryKind::Undo, ask);
        self.reversal_entry(draft, id, member, &shares).map(|(entry, _)| Some(entry))
    }

    /// Takes again what a return gave back, the same points of the same lots, whatever was returned after it. Of those that
    /// are spent or expired none can be taken: then all of it is refused.
    ///
    /// Rule: undo-return
    fn undo_return_entry(&self, ask: &Ask<'_>, returning: &Entry) -> Result<Option<Entry>, Rejection> {
        let redemption = returning.link.expect("a return refers to a redemption");
        let target = self.entries.get(&redemption).cloned();
        let target = target.ok_or_else(|| Rejection::not_found("redemption", redemption))?;
        let member = target.member.expect("a redemption is of a member");
        let facts = target.redemption().cloned().expect("a redemption has its facts");
        let redeemed = target.request_key().and_then(|key| self.requests.get(&key));
        if redeemed.is_some_and(|redeemed| matches!(redeemed.state, RecordedState::Undone(_))) {
            // Undoing the redemption has given back all of it; taking a part again would give it an effect after all.
            return Ok(None);
        }
        let left = self.parts_left(redemption, &target);
        let given_back = returning.lots.iter().map(|moved| Ok((moved.lot, moved.net()?)));
        let given_back: BTreeMap<LotId, Points> = given_back.collect::<Result<_, Overflow>>()?;
        let takeable = |(lot, points): (&LotId, &Points)| {
            let there = self.lots.get(lot).filter(|lot| self.expiry_of(lot) > ask.now);
            there.map_or(0, |lot| lot.available.0.min(points.0))
        };
        let asked = given_back.values().map(|points| points.0).sum();
        let available = given_back.iter().map(takeable).sum();
        if available < asked {
            return Err(Rejection::InsufficientPoints { asked, available });
        }
        let mut kept = left.iter().peekable();
        let with_them = self.parts_of(&target).into_iter().map(|part| {
            let kept = kept.next_if(|kept| kept.lot == part.lot).map_or(0, |kept| kept.points.0);
            let back = given_back.get(&part.lot).map_or(0, |points| points.0);
            Part { points: Points(kept + back), ..part }
        });
        let with_them: Vec<Part> = with_them.filter(|part| part.points.0 > 0).collect();
        let draft = self.draft(EntryKind::Undo, ask).of_member(member).linked_to(redemption);
        self.redemption_entry(draft, target.partner, member, &facts, (&with_them, &left), &Direction::Take).map(Some)
    }
}

/// Whether a request that wrote such an entry first can be abandoned.
fn is_undoable(kind: EntryKind) -> bool {
    matches!(kind, EntryKind::Issue | EntryKind::Redeem | EntryKind::Capture | EntryKind::Authorize | EntryKind::Return)
}
