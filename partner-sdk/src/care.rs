//! What the operator does to the points of members.

use std::time::SystemTime;

use rust_decimal::Decimal;

use crate::member::MemberRef;
use crate::points::keyed;
use crate::request_id::RequestId;

/// Takes a share of a member's points for inactivity, once in a period.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct RunDecay {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) member: MemberRef,
    pub(crate) rate: Decimal,
    pub(crate) period: String,
}

impl RunDecay {
    /// Of this member's points the share `rate` (0.1 is 10 %), for a period such as "2026-02".
    pub fn of(member: impl Into<MemberRef>, rate: Decimal, period: impl Into<String>) -> Self {
        Self { request_id: None, member: member.into(), rate, period: period.into() }
    }
}

/// Takes a share of the points of all members that have been inactive since a moment, once in a period for each.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use partner_sdk::operator::{DecayMembers, Operator};
/// use partner_sdk::{Decimal, Error};
///
/// # async fn example(operator: Operator) -> Result<(), Error> {
/// let year = Duration::from_secs(365 * 86_400);
/// let decay = DecayMembers::of(Decimal::new(1, 1), "2026-02", SystemTime::now() - year);
/// let done = operator.decay_members(&decay, |so_far| println!("{} members looked at", so_far.member_count)).await?;
/// println!("{} points were taken of {} members", done.decayed_points, done.decayed_member_count);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct DecayMembers {
    pub(crate) rate: Decimal,
    pub(crate) period: String,
    pub(crate) inactive_since: SystemTime,
    pub(crate) page_size: i32,
}

impl DecayMembers {
    /// Of each the share `rate` (0.1 is 10 %), for a period such as "2026-02": of those whose last activity was at this
    /// moment or before.
    pub fn of(rate: Decimal, period: impl Into<String>, inactive_since: SystemTime) -> Self {
        Self { rate, period: period.into(), inactive_since, page_size: 0 }
    }

    /// How many members a call looks at, at most 1,000, which it does where nothing is said.
    pub fn page_size(mut self, members: i32) -> Self {
        self.page_size = members;
        self
    }
}

/// Lets points of one issuer live longer.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use partner_sdk::operator::ExtendExpiry;
///
/// let day = |day: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(day * 86_400);
/// let extend = ExtendExpiry::of(("card", "4000123"), "grocer").expiring_until(day(20_600)).to(day(20_690)).reason("OUTAGE");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct ExtendExpiry {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) member: MemberRef,
    pub(crate) issuer_id: String,
    pub(crate) until_time: Option<SystemTime>,
    pub(crate) expire_time: Option<SystemTime>,
    pub(crate) reason_code: String,
}

impl ExtendExpiry {
    /// Of this member's points of this issuer.
    pub fn of(member: impl Into<MemberRef>, issuer_id: impl Into<String>) -> Self {
        Self {
            request_id: None,
            member: member.into(),
            issuer_id: issuer_id.into(),
            until_time: None,
            expire_time: None,
            reason_code: String::new(),
        }
    }

    /// Those that expire at this moment or before. Required.
    pub fn expiring_until(mut self, time: SystemTime) -> Self {
        self.until_time = Some(time);
        self
    }

    /// When they shall expire instead. Required.
    pub fn to(mut self, time: SystemTime) -> Self {
        self.expire_time = Some(time);
        self
    }

    /// Why, as a code. Required.
    pub fn reason(mut self, code: impl Into<String>) -> Self {
        self.reason_code = code.into();
        self
    }
}

/// Gives a member points again that it lost, at the cost of a funder.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct ReinstatePoints {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) member: MemberRef,
    pub(crate) funder_id: String,
    pub(crate) points: i64,
    pub(crate) expire_time: Option<SystemTime>,
    pub(crate) reason_code: String,
}

impl ReinstatePoints {
    /// To this member, as an issue of this funder.
    pub fn to(member: impl Into<MemberRef>, funder_id: impl Into<String>) -> Self {
        Self {
            request_id: None,
            member: member.into(),
            funder_id: funder_id.into(),
            points: 0,
            expire_time: None,
            reason_code: String::new(),
        }
    }

    /// How many points, more than 0. Required.
    pub fn points(mut self, points: i64) -> Self {
        self.points = points;
        self
    }

    /// When they expire, instead of what the funder's terms say.
    pub fn expires(mut self, time: SystemTime) -> Self {
        self.expire_time = Some(time);
        self
    }

    /// Why, as a code. Required.
    pub fn reason(mut self, code: impl Into<String>) -> Self {
        self.reason_code = code.into();
        self
    }
}

/// Gives up what a member owes to a creditor.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct WriteOffDebt {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) member: MemberRef,
    pub(crate) creditor_id: String,
    pub(crate) points: i64,
    pub(crate) reason_code: String,
}

impl WriteOffDebt {
    /// Of this member to this creditor.
    pub fn of(member: impl Into<MemberRef>, creditor_id: impl Into<String>) -> Self {
        Self {
            request_id: None,
            member: member.into(),
            creditor_id: creditor_id.into(),
            points: 0,
            reason_code: String::new(),
        }
    }

    /// How many points at most. Required.
    pub fn points(mut self, points: i64) -> Self {
        self.points = points;
        self
    }

    /// Why, as a code. Required.
    pub fn reason(mut self, code: impl Into<String>) -> Self {
        self.reason_code = code.into();
        self
    }
}

keyed!(RunDecay, ExtendExpiry, ReinstatePoints, WriteOffDebt);
