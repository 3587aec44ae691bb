//! Two persons: what becomes a proposal, and what becomes of it. What carries one out (`ApproveProposal`) is in the room of the list
//! of operations, as it holds one; no operation knows of any of this.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::facts::Fact;
use crate::facts::entry::{Entry, EntryKind};
use crate::facts::person::{Role, Roles};
use crate::facts::proposal::{Proposal, ProposalFacts, ProposalState, ProposedFacts};
use crate::operation::{Admitted, Ask, Decision, Footprint, Operation, Subject, decided};
use crate::rejection::Rejection;
use crate::units::{EntryId, Hash, Timestamp};

/// Says no to what somebody else has proposed, for good.
///
/// Rule: refuse-proposal
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefuseProposal {
    #[serde(rename = "proposal_id")]
    pub proposal: EntryId,
}

impl Operation for RefuseProposal {
    const NAME: &'static str = "RefuseProposal";
    const ROLES: Roles = Roles::of(&[Role::Approver]);

    fn subject(&self) -> Option<Subject> {
        Some(Subject::default())
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.proposals.insert(self.proposal);
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let proposal = book.proposals.get(&self.proposal);
        let proposal = proposal.ok_or_else(|| Rejection::not_found("proposal", self.proposal))?;
        book.check_open(self.proposal, proposal, None, ask.now)?;
        book.check_second_person(ask, proposal)?;
        let refused = ProposalFacts { proposal: self.proposal, state: ProposalState::Refused };
        let draft = book.draft(EntryKind::RefuseProposal, ask).linked_to(self.proposal);
        decided(book, draft.with(Fact::Proposal(refused)))
    }
}

/// Takes back what one has proposed oneself.
///
/// Rule: withdraw-proposal
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WithdrawProposal {
    #[serde(rename = "proposal_id")]
    pub proposal: EntryId,
}

impl Operation for WithdrawProposal {
    const NAME: &'static str = "WithdrawProposal";
    /// Whoever could ask for it, whatever its roles have become.
    const ROLES: Roles = Roles::of(&[Role::Clerk, Role::Approver, Role::Support]);

    fn subject(&self) -> Option<Subject> {
        Some(Subject::default())
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.proposals.insert(self.proposal);
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let proposal = book.proposals.get(&self.proposal);
        let proposal = proposal.ok_or_else(|| Rejection::not_found("proposal", self.proposal))?;
        if ask.person != Some(proposal.person) {
            return Err(Rejection::NotPermitted {
                problem: format!(
                    "operator/{} has asked for it and may withdraw it; an approver refuses it instead",
                    proposal.person
                ),
            });
        }
        book.check_open(self.proposal, proposal, None, ask.now)?;
        let withdrawn = ProposalFacts { proposal: self.proposal, state: ProposalState::Withdrawn };
        let draft = book.draft(EntryKind::WithdrawProposal, ask).linked_to(self.proposal);
        decided(book, draft.with(Fact::Proposal(withdrawn)))
    }
}

/// Why nothing is decided of a proposal any more.
pub(crate) fn not_open(proposal: EntryId, state: ProposalState) -> Rejection {
    Rejection::ProposalNotOpen { proposal: proposal.to_string(), state: state.as_str().to_owned() }
}

impl Book {
    /// How a proposal stands now; `found` is the hash of what stands where it would write, where that is of interest.
    ///
    /// Rule: proposal-states
    pub fn state_of(&self, proposal: &Proposal, found: Option<&Hash>, now: Timestamp) -> ProposalState {
        let coalition = &self.house.coalition;
        if proposal.state != ProposalState::Open {
            proposal.state
        } else if coalition.days_after(coalition.proposal_days, proposal.asked) <= now {
            ProposalState::Lapsed
        } else if found.is_some_and(|found| *found != proposal.facts.found) {
            ProposalState::Stale
        } else {
            ProposalState::Open
        }
    }

    /// A proposal of this content.
    ///
    /// # Errors
    /// `NOT_FOUND`, `INVALID_ARGUMENT`
    pub(crate) fn proposal(&self, id: EntryId, content: &Hash) -> Result<&Proposal, Rejection> {
        let proposal = self.proposals.get(&id).ok_or_else(|| Rejection::not_found("proposal", id))?;
        if proposal.facts.content != *content {
            let problem = "is not the hash of this proposal; look at it again, and approve what is shown";
            return Err(Rejection::invalid("proposal_hash", problem));
        }
        Ok(proposal)
    }

    /// # Errors
    /// `PROPOSAL_NOT_OPEN`
    pub(crate) fn check_open(
        &self,
        id: EntryId,
        proposal: &Proposal,
        found: Option<&Hash>,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let state = self.state_of(proposal, found, now);
        if state == ProposalState::Open { Ok(()) } else { Err(not_open(id, state)) }
    }

    /// Who decides is neither who has asked nor whom it is about.
    ///
    /// # Errors
    /// `SAME_PERSON`
    ///
    /// Rule: second-person
    pub(crate) fn check_second_person(&self, ask: &Ask<'_>, proposal: &Proposal) -> Result<(), Rejection> {
        let about = proposal.facts.about;
        let same = ask.person.is_none_or(|person| person == proposal.person || Some(person) == about);
        if same {
            let person = ask.person.unwrap_or(proposal.person).to_string();
            return Err(Rejection::SamePerson { person });
        }
        Ok(())
    }

    /// Refuses what somebody has asked for who could not ask for it any more: whose role was taken, or whose certificate was
    /// revoked, as a thief may have asked.
    ///
    /// # Errors
    /// `NOT_PERMITTED`
    ///
    /// Rule: asker-of-proposal
    pub fn check_asker(
        &self,
        proposal: &Proposal,
        name: &str,
        allowed: Roles,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let person = proposal.person;
        match proposal.facts.shown.filter(|shown| shown.is_revoked(&self.house.revoked)) {
            Some(shown) => Err(Rejection::NotPermitted {
                problem: format!(
                    "operator/{person} asked for it with the certificate {}, which was revoked since; refuse it, and ask for \
                     it anew if it is still wanted",
                    shown.serial
                ),
            }),
            None => self.check_roles(person, name, allowed, now),
        }
    }

    /// Refuses to propose what is proposed already, and gives the open proposal that ends with a new one.
    ///
    /// # Errors
    /// `PROPOSAL_EXISTS`
    ///
    /// Rule: proposal-exists
    pub(crate) fn check_not_proposed(
        &self,
        content: &Hash,
        found: &Hash,
        now: Timestamp,
    ) -> Result<Option<(EntryId, ProposalState)>, Rejection> {
        let open = self
            .proposals
            .iter()
            .find(|(_, proposal)| proposal.state == ProposalState::Open && proposal.facts.content == *content);
        match open.map(|(id, proposal)| (*id, self.state_of(proposal, Some(found), now))) {
            Some((id, ProposalState::Open)) => Err(Rejection::ProposalExists { proposal: id.to_string() }),
            ended => Ok(ended),
        }
    }

    /// The entry by which something is proposed.
    ///
    /// Rule: propose
    pub(crate) fn propose(&self, ask: &Ask<'_>, proposed: ProposedFacts) -> Result<Entry, Rejection> {
        self.finish(self.draft(EntryKind::Propose, ask).with(Fact::Proposed(proposed)))
    }

    /// Whether one person does an operation of the list alone.
    pub(crate) fn is_done_alone(&self, name: &str, now: Timestamp) -> bool {
        let people = &self.house.people;
        !people.are_two(now) || people.alone.contains(name)
    }
}
