//! Points given to another member.

use crate::entry::{Entry, NextExpiry};
use crate::member::MemberRef;
use crate::origin::Origin;
use crate::points::keyed;
use crate::request_id::RequestId;

/// Gives points of one member to another.
///
/// ```
/// use partner_sdk::Transfer;
///
/// let gift = Transfer::between(("card", "4000123"), ("card", "4000456")).points(50);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct Transfer {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) member: MemberRef,
    pub(crate) to_member: MemberRef,
    pub(crate) points: i64,
    pub(crate) enrol_receiver: bool,
    pub(crate) origin: Origin,
}

impl Transfer {
    /// From the first to the second, who must be known to the house unless [`enrol_receiver`](Self::enrol_receiver) is
    /// asked for.
    pub fn between(from: impl Into<MemberRef>, to: impl Into<MemberRef>) -> Self {
        let (member, to_member) = (from.into(), to.into());
        Self { request_id: None, member, to_member, points: 0, enrol_receiver: false, origin: Origin::default() }
    }

    /// How many points, more than 0.
    pub fn points(mut self, points: i64) -> Self {
        self.points = points;
        self
    }

    /// Enrols the receiver if nobody has. Without it an identifier that the house does not know, such as a card number
    /// with a typing error, is refused (`NOT_FOUND`).
    pub fn enrol_receiver(mut self) -> Self {
        self.enrol_receiver = true;
        self
    }

    /// Where the operation comes from.
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }
}

keyed!(Transfer);

/// Points are another member's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transferred {
    /// What was written.
    pub entry: Entry,
    /// Who gave. The figures below are this member's.
    pub member_id: String,
    /// Who got.
    pub to_member_id: String,
    /// What the member can spend after it; in a replay, as it was then.
    pub available_points: i64,
    /// What holds reserve of the member's points after it; in a replay, as it was then.
    pub held_points: i64,
    /// What the member has that is not available yet; in a replay, as it was then.
    pub pending_points: i64,
    /// What the member owes to issuers after it; in a replay, as it was then.
    pub owed_points: i64,
    /// Points with which debts of the receiver were paid at once.
    pub recovered_points: i64,
    /// What followed by itself in the same commit, as far as the caller has a part in it.
    pub following: Vec<Entry>,
    /// The next points the member would lose.
    pub next_expiry: Option<NextExpiry>,
    /// Whether this is the answer to an earlier call under the same key.
    pub replayed: bool,
}
