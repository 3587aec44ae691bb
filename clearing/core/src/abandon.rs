//! A till that must not wait says that a request of its own shall have no effect.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::book::{Ask, Book};
use crate::command::{Abandoned, Accepted, MemberReply, Recorded, RecordedState, Reply};
use crate::facts::Fact;
use crate::hold::HoldState;
use crate::journal::{Entry, EntryKind};
use crate::member::LotId;
use crate::points::{Direction, Part};
use crate::rejection::Rejection;
use crate::units::{EntryId, MemberId, Overflow, Points, RequestId};

impl Book {
    /// An unseen id is burned, an applied one is undone, once, whatever the order of arrival.
    ///
    /// Rule: abandon
    pub(crate) fn abandon(&mut self, ask: &Ask<'_>, request: RequestId) -> Result<Accepted, Rejection> {
        let key = (ask.caller, request);
        let Some(recorded) = self.requests.get(&key).cloned() else {
            self.record(key, Recorded { content: [0; 32], state: RecordedState::Burned }, ask.now);
            return Ok(abandoned(Abandoned::Burned, Vec::new()));
        };
        let accepted = match &recorded.state {
            RecordedState::Burned | RecordedState::Undone(_) => return Ok(abandoned(Abandoned::Already, Vec::new())),
            RecordedState::Rejected(_) => return Ok(abandoned(Abandoned::NoEffect, Vec::new())),
            // A reversal, alone or as a side of a purchase's return, stands.
            RecordedState::Accepted(Accepted {
                reply: Reply::Member(MemberReply { reversed: Some(_), .. }), ..
            }) => {
                return Err(Rejection::not_found("request that can be abandoned", request));
            }
            RecordedState::Accepted(accepted) => accepted,
        };
        // What followed by itself, such as a recovery, is not undone: undoing the issue it took from leaves the debt again.
        let asked_for = accepted.entries.iter().filter_map(|id| Some((*id, self.entries.get(id)?.clone())));
        let targets: Vec<(EntryId, Arc<Entry>)> = asked_for.filter(|(_, entry)| is_undoable(entry.kind)).collect();
        let member = targets.first().and_then(|(_, entry)| entry.member);
        let Some(member) = member.filter(|_| accepted.entries.first() == targets.first().map(|(id, _)| id)) else {
            return Err(Rejection::not_found("request that can be abandoned", request));
        };
        for (_, issue) in targets.iter().filter(|(_, entry)| entry.kind == EntryKind::Issue) {
            self.check_may_reverse(ask.caller, issue)?;
        }
        self.run_due(member, ask.now);
        let mut drafts = Vec::new();
        for (id, target) in targets.iter().rev() {
            drafts.extend(self.undo_entry(ask, *id, target, member)?);
        }
        if drafts.is_empty() {
            // That it was abandoned is told by the journal, also where nothing is left to be undone.
            drafts.push(self.finish(self.draft(EntryKind::Undo, ask).of_member(member))?);
        }
        drafts[0].facts.push(Fact::Abandoned(request));
        let mut undone: Vec<EntryId> = drafts.into_iter().map(|entry| self.post(entry)).collect();
        self.settle_member(member, ask.now, &mut undone);
        let state = RecordedState::Undone(accepted.clone());
        self.record(key, Recorded { content: recorded.content, state }, ask.now);
        Ok(abandoned(Abandoned::Undone, undone))
    }

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
        let key = target.request_id.map(|request| (target.partner, request));
        let redeemed = key.and_then(|key| self.requests.get(&key));
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

fn abandoned(outcome: Abandoned, entries: Vec<EntryId>) -> Accepted {
    Accepted { entries, reply: Reply::Abandoned(outcome) }
}
