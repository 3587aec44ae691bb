//! Proposals: what one person has asked for and another has to approve.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::facts::credential::{Badge, Holder, Revoked, Scopes, Serial};
use crate::facts::person::PersonId;
use crate::units::{EntryId, Hash, Timestamp};

/// How a proposal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum ProposalState {
    Open,
    /// Approved, and carried out.
    Done,
    Refused,
    /// By who had asked for it.
    Withdrawn,
    /// Nobody approved it in time.
    Lapsed,
    /// What it changes has changed since.
    Stale,
}

impl ProposalState {
    pub const ALL: [Self; 6] = [Self::Open, Self::Done, Self::Refused, Self::Withdrawn, Self::Lapsed, Self::Stale];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Done => "DONE",
            Self::Refused => "REFUSED",
            Self::Withdrawn => "WITHDRAWN",
            Self::Lapsed => "LAPSED",
            Self::Stale => "STALE",
        }
    }
}

/// A proposal. Its id is that of the entry by which it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    pub person: PersonId,
    pub asked: Timestamp,
    pub facts: ProposedFacts,
    /// What was decided of it. One that is open may have lapsed or be stale by now.
    pub state: ProposalState,
    /// The entry that decided it.
    pub decided: Option<EntryId>,
}

impl Proposal {
    /// One that a person has just asked for.
    pub fn opened(by: &ByFacts, asked: Timestamp, facts: &ProposedFacts) -> Self {
        Self { person: by.person, asked, facts: facts.clone(), state: ProposalState::Open, decided: None }
    }
}

/// What is proposed.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ProposedFacts {
    /// The operation, in Borsh.
    pub operation: Vec<u8>,
    /// SHA-256 of that: what an approval names.
    pub content: Hash,
    /// SHA-256 of what stood where the operation would write. Once that is another, the proposal is stale.
    pub found: Hash,
    /// Whom of the operator's people it is about: that one decides nothing of it.
    pub about: Option<PersonId>,
    /// The certificate under which it was asked for.
    pub shown: Option<ShownFacts>,
    /// The open proposal of the same content that ends with this one, as it has lapsed or is stale, and which of the two.
    pub replaces: Option<(EntryId, ProposalState)>,
}

/// A certificate that somebody showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ShownFacts {
    pub serial: Serial,
    pub holder: Holder,
    /// Its first moment.
    pub begins: Timestamp,
}

impl ShownFacts {
    pub fn of(badge: &Badge) -> Self {
        Self { serial: badge.serial, holder: badge.holder, begins: badge.begins }
    }

    /// As if it were shown at a moment of the machine's clock: what was asked for with it is done in the name of who asked.
    pub fn badge(&self, now: Timestamp) -> Badge {
        Badge { serial: self.serial, holder: self.holder, scopes: Scopes::WHOLE, begins: self.begins, now }
    }

    /// Whether it was revoked.
    pub fn is_revoked(&self, revoked: &Revoked) -> bool {
        revoked.of(self.serial, self.holder, self.begins).is_some()
    }
}

/// A proposal was refused or withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ProposalFacts {
    pub proposal: EntryId,
    pub state: ProposalState,
}

/// The person who asked for an entry, under whose request id it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ByFacts {
    pub person: PersonId,
    /// The proposal that was approved with it, and who had asked for that.
    pub approved: Option<(EntryId, PersonId)>,
}
