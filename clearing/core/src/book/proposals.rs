//! What entries do to proposals, and to the people who make and decide them.

use std::sync::Arc;

use crate::book::Book;
use crate::facts::entry::Entry;
use crate::facts::person::{AloneFacts, PersonFacts};
use crate::facts::proposal::ProposalState;
use crate::units::EntryId;

impl Book {
    pub(super) fn apply_person(&mut self, new: &PersonFacts) {
        Arc::make_mut(&mut self.house).people.persons.insert(new.person, new.now);
        self.changes.people.insert(new.person);
    }

    pub(super) fn apply_alone(&mut self, new: &AloneFacts) {
        Arc::make_mut(&mut self.house).people.alone.clone_from(&new.operations);
        self.changes.alone = true;
    }

    /// Opens the proposal that an entry makes, behind the one of the same content that ends with it.
    pub(super) fn apply_proposed(&mut self, id: EntryId, entry: &Entry) {
        let Some(proposal) = entry.proposal() else { return };
        if let Some((replaced, state)) = proposal.facts.replaces {
            self.end_proposal(replaced, state, id);
        }
        self.proposals.insert(id, proposal);
        self.changes.proposals.insert(id);
        self.changes.new_proposals.insert(id);
    }

    /// Notes what became of an open proposal by an entry.
    pub(super) fn end_proposal(&mut self, id: EntryId, state: ProposalState, by: EntryId) {
        let open = self.proposals.get_mut(&id).filter(|proposal| proposal.state == ProposalState::Open);
        if let Some(proposal) = open {
            (proposal.state, proposal.decided) = (state, Some(by));
            self.changes.proposals.insert(id);
        }
    }
}
