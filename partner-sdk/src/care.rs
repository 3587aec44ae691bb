//! What the operator does to the points of members.

use std::time::SystemTime;

use rust_decimal::Decimal;

use crate::entry::{Entry, NextExpiry};
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
/// let done = operator.decay_members(&decay, |so_far| println!("{} members looked at", so_far.members)).await?;
/// println!("{} points were taken of {} members", done.decayed_points, done.decayed_members);
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
    pub(crate) expires_time: Option<SystemTime>,
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
            expires_time: None,
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
        self.expires_time = Some(time);
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
    pub(crate) expires_time: Option<SystemTime>,
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
            expires_time: None,
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
        self.expires_time = Some(time);
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

/// Points decayed, or none did because the period was run before.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decayed {
    /// What was written, one entry a lot; one without lots if there was nothing to take.
    pub entries: Vec<Entry>,
    /// The member.
    pub member_id: String,
    /// Points that were taken.
    pub decayed_points: i64,
    /// What the member can spend after it; in a replay, as it was then.
    pub available_points: i64,
    /// Whether the member has more lots than one call takes from: ask again under a new key.
    pub unfinished: bool,
    /// Whether this is the answer to an earlier call under the same key.
    pub replayed: bool,
}

/// What a decay of many members came to: of a page, or so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MembersDecayed {
    /// Members that were looked at.
    pub members: i64,
    /// Members that lost points.
    pub decayed_members: i64,
    /// Points that they lost.
    pub decayed_points: i64,
}

/// Points live longer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExpiryExtended {
    /// What was written; its lots are those that live longer.
    pub entry: Entry,
    /// The member.
    pub member_id: String,
    /// The next points the member would lose.
    pub next_expiry: Option<NextExpiry>,
    /// Whether this is the answer to an earlier call under the same key.
    pub replayed: bool,
}

/// Points were given again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PointsReinstated {
    /// What was written.
    pub entry: Entry,
    /// The member.
    pub member_id: String,
    /// What the member can spend after it; in a replay, as it was then.
    pub available_points: i64,
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

/// A debt was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DebtWrittenOff {
    /// What was written.
    pub entry: Entry,
    /// The member.
    pub member_id: String,
    /// Points that were given up.
    pub written_off_points: i64,
    /// What the member still owes, to all creditors; in a replay, as it was then.
    pub owed_points: i64,
    /// Whether this is the answer to an earlier call under the same key.
    pub replayed: bool,
}
