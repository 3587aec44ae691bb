//! Holds: points reserved for this brand until it takes or releases them.

use std::time::SystemTime;

use crate::member::MemberRef;
use crate::origin::Origin;
use crate::points::keyed;
use crate::request_id::RequestId;

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
