//! Holds: points reserved for this brand until it takes or releases them.

use std::time::SystemTime;

use crate::entry::{Entry, LotPart, NextExpiry};
use crate::member::MemberRef;
use crate::money::Money;
use crate::open_enum::open_enum;
use crate::origin::Origin;
use crate::points::keyed;
use crate::request_id::RequestId;
use rust_decimal::Decimal;

/// Reserves points of a member for this brand.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use partner_sdk::Authorize;
///
/// let tonight = SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000);
/// let authorize = Authorize::from("card", "4000123").points(500).lapses(tonight);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct Authorize {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) member: MemberRef,
    pub(crate) points: i64,
    pub(crate) lapse_time: Option<SystemTime>,
    pub(crate) origin: Origin,
}

impl Authorize {
    /// Of whoever carries this identifier.
    pub fn from(scheme: impl Into<String>, value: impl Into<String>) -> Self {
        Self::from_member(MemberRef::identifier(scheme, value))
    }

    /// Of this member.
    pub fn from_member(member: impl Into<MemberRef>) -> Self {
        Self { request_id: None, member: member.into(), points: 0, lapse_time: None, origin: Origin::default() }
    }

    /// How many points, more than 0. Without it the house answers `INVALID_ARGUMENT`.
    pub fn points(mut self, points: i64) -> Self {
        self.points = points;
        self
    }

    /// When the hold is released if it was not captured: at most 366 days ahead. Without it the house answers
    /// `INVALID_ARGUMENT`.
    pub fn lapses(mut self, time: SystemTime) -> Self {
        self.lapse_time = Some(time);
        self
    }

    /// Where the operation comes from.
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }
}

/// Takes points of a hold, once; what it does not take is released.
///
/// ```
/// use partner_sdk::Capture;
///
/// # let held_hold_id = "";
/// let capture = Capture::hold(held_hold_id).points(420);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct Capture {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) hold_id: String,
    pub(crate) points: i64,
    pub(crate) origin: Origin,
}

impl Capture {
    /// Of the hold with this id.
    pub fn hold(hold_id: impl Into<String>) -> Self {
        Self { request_id: None, hold_id: hold_id.into(), points: 0, origin: Origin::default() }
    }

    /// How many points, more than 0 and at most those of the hold.
    pub fn points(mut self, points: i64) -> Self {
        self.points = points;
        self
    }

    /// Where the operation comes from.
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }
}

/// Releases a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct Void {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) hold_id: String,
    pub(crate) origin: Origin,
}

impl Void {
    /// The hold with this id.
    pub fn hold(hold_id: impl Into<String>) -> Self {
        Self { request_id: None, hold_id: hold_id.into(), origin: Origin::default() }
    }

    /// Where the operation comes from.
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }
}

keyed!(Authorize, Capture, Void);

/// Points were reserved.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Authorized {
    /// Id of the hold.
    pub hold_id: String,
    /// What was written; its lots are those reserved.
    pub entry: Entry,
    /// The member.
    pub member_id: String,
    /// What the member can spend after it; in a replay, as it was then.
    pub available_points: i64,
    /// What holds reserve of the member's points after it; in a replay, as it was then.
    pub held_points: i64,
    /// What the member has that is not available yet; in a replay, as it was then.
    pub pending_points: i64,
    /// What the member owes to issuers after it; in a replay, as it was then.
    pub owed_points: i64,
    /// The next points the member would lose.
    pub next_expiry: Option<NextExpiry>,
    /// Whether this is the answer to an earlier call under the same key.
    pub replayed: bool,
}

/// Points of a hold were taken; what was left of it is the member's again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Captured {
    /// What was written, a redemption: it can be given back like any other.
    pub entry: Entry,
    /// The member.
    pub member_id: String,
    /// Points of the hold that were not taken.
    pub released_points: i64,
    /// The acceptance fee this brand bears.
    pub fee: Money,
    /// What this brand's position gained: the reimbursement less the fee.
    pub acceptor_credit: Money,
    /// What the member can spend after it; in a replay, as it was then.
    pub available_points: i64,
    /// What holds reserve of the member's points after it; in a replay, as it was then.
    pub held_points: i64,
    /// What the member has that is not available yet; in a replay, as it was then.
    pub pending_points: i64,
    /// What the member owes to issuers after it; in a replay, as it was then.
    pub owed_points: i64,
    /// Points with which debts of the member were paid by what this brought.
    pub recovered_points: i64,
    /// What followed by itself in the same commit, as far as the caller has a part in it.
    pub following: Vec<Entry>,
    /// The next points the member would lose.
    pub next_expiry: Option<NextExpiry>,
    /// Whether this is the answer to an earlier call under the same key.
    pub replayed: bool,
}

/// A hold was released.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Voided {
    /// What was written; its lots are those released.
    pub entry: Entry,
    /// The member.
    pub member_id: String,
    /// The points that came back.
    pub released_points: i64,
    /// What the member can spend after it; in a replay, as it was then.
    pub available_points: i64,
    /// What holds reserve of the member's points after it; in a replay, as it was then.
    pub held_points: i64,
    /// What the member has that is not available yet; in a replay, as it was then.
    pub pending_points: i64,
    /// What the member owes to issuers after it; in a replay, as it was then.
    pub owed_points: i64,
    /// Points with which debts of the member were paid by what this brought.
    pub recovered_points: i64,
    /// What followed by itself in the same commit, as far as the caller has a part in it.
    pub following: Vec<Entry>,
    /// The next points the member would lose.
    pub next_expiry: Option<NextExpiry>,
    /// Whether this is the answer to an earlier call under the same key.
    pub replayed: bool,
}

/// Points that are reserved for this brand, or were.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hold {
    /// Its id.
    pub hold_id: String,
    /// What became of it.
    pub state: HoldState,
    /// The member.
    pub member_id: String,
    /// The points that were reserved.
    pub points: i64,
    /// The points that were captured.
    pub captured_points: i64,
    /// When it was authorized.
    pub authorize_time: SystemTime,
    /// When it lapses, or would have.
    pub lapse_time: SystemTime,
    /// The lots, in the order in which a capture takes them.
    pub lots: Vec<LotPart>,
    /// What this brand gets per captured point, as it was fixed then.
    pub reimbursement: Money,
    /// The acceptance fee that this brand bears, as a share: 0.02 is 2 %; as it was fixed then.
    pub acceptance_fee: Decimal,
}

open_enum! {
    /// What became of a hold.
    HoldState = HoldState, unspecified Unspecified {
        /// The points are reserved.
        Open = "OPEN",
        /// Points of it were taken, and the rest was released.
        Captured = "CAPTURED",
        /// Its acceptor released it.
        Voided = "VOIDED",
        /// Its time was over.
        Lapsed = "LAPSED",
    }
}
