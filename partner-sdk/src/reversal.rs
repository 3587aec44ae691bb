//! Issues taken back.

use crate::member::MemberRef;
use crate::origin::Origin;
use crate::points::keyed;
use crate::receipt::Receipt;
use crate::request_id::RequestId;

/// Which issues are reversed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Entry(String),
    Receipt(Receipt),
    Newest(MemberRef),
}

/// Takes points back that this brand issued. What the member has spent of them becomes a debt, which later points of the
/// member pay.
///
/// ```
/// use partner_sdk::{Receipt, Reverse};
///
/// // The receipt is there, or it is not.
/// let by_receipt = Reverse::receipt(Receipt::new("R-1", "2026-02-10").till("store-7", "3")).points(100);
/// let without = Reverse::newest(("card", "4000123")).points(100).refuse_shortfall();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct Reverse {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) target: Target,
    pub(crate) points: i64,
    pub(crate) refuse_shortfall: bool,
    pub(crate) origin: Origin,
}

impl Reverse {
    /// Of the issue with this entry id.
    pub fn entry(issue_entry_id: impl Into<String>) -> Self {
        Self::of(Target::Entry(issue_entry_id.into()))
    }

    /// Of all that this receipt earned, the newest issue first.
    pub fn receipt(receipt: Receipt) -> Self {
        Self::of(Target::Receipt(receipt))
    }

    /// Of the newest issues of this brand to a member.
    pub fn newest(member: impl Into<MemberRef>) -> Self {
        Self::of(Target::Newest(member.into()))
    }

    fn of(target: Target) -> Self {
        Self { request_id: None, target, points: 0, refuse_shortfall: false, origin: Origin::default() }
    }

    /// How many points, more than 0 and at most what is not yet reversed.
    pub fn points(mut self, points: i64) -> Self {
        self.points = points;
        self
    }

    /// Rather be refused (`REVERSAL_SHORTFALL`) than leave the member with a debt.
    pub fn refuse_shortfall(mut self) -> Self {
        self.refuse_shortfall = true;
        self
    }

    /// Where the operation comes from.
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }
}

keyed!(Reverse);
