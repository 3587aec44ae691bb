//! Points given to another member.

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
