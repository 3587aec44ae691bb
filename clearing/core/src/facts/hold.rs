//! Holds as they stand: points reserved for an acceptor, and what has become of them.

use crate::facts::HoldFacts;
use crate::facts::entry::{Entry, EntryKind};
use crate::facts::lot::{LotMove, Part};
use crate::units::{EntryId, MemberId, PartnerId, Points};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HoldState {
    Open,
    Captured,
    Voided,
    Lapsed,
}

impl HoldState {
    pub const ALL: [Self; 4] = [Self::Open, Self::Captured, Self::Voided, Self::Lapsed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Captured => "CAPTURED",
            Self::Voided => "VOIDED",
            Self::Lapsed => "LAPSED",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// The state of a hold that an entry of some kind has ended.
    pub(crate) fn after(kind: EntryKind) -> Self {
        if kind == EntryKind::Capture {
            Self::Captured
        } else if kind == EntryKind::Lapse {
            Self::Lapsed
        } else {
            Self::Voided
        }
    }
}

/// Points reserved for an acceptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The entry that made it.
    pub id: EntryId,
    pub member: MemberId,
    pub acceptor: PartnerId,
    pub facts: HoldFacts,
    /// In consumption order as it was then.
    pub parts: Vec<Part>,
    pub state: HoldState,
    /// What was captured of it.
    pub captured: Points,
}

impl Hold {
    /// The hold that an entry made, if it made one; open, as it was then.
    pub fn opened_by(id: EntryId, entry: &Entry) -> Option<Self> {
        let facts = entry.hold()?.clone();
        let part = |moved: &LotMove| Part {
            lot: moved.lot,
            issuer: moved.issuer,
            terms: moved.terms,
            points: moved.held,
            expires: moved.expires,
        };
        Some(Self {
            id,
            member: entry.member?,
            acceptor: entry.partner,
            facts,
            parts: entry.lots.iter().map(part).collect(),
            state: HoldState::Open,
            captured: Points::ZERO,
        })
    }
}
