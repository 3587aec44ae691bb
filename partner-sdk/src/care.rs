//! What the operator does to the points of members.

use std::time::SystemTime;

use clearing_proto::v1;
use clearing_proto::v1::care_service_client::CareServiceClient;
use prost_types::Timestamp;
use rust_decimal::Decimal;

use crate::client::call;
use crate::error::Error;
use crate::member::MemberRef;
use crate::operator::Operator;
use crate::outcome::Outcome;
use crate::points::keyed;
use crate::request_id::RequestId;
use crate::wire::{FromWire, decimal_text, key, some, to_member};

pub use crate::answers::{
    DebtWrittenOff, Decayed, ExpiryExtended, MemberFrozen, MemberUnfrozen, MembersDecayed, PointsReinstated,
};

impl Operator {
    /// Takes a share of a member's points for inactivity.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn run_decay(&self, run: RunDecay) -> Result<Outcome<Decayed>, Error> {
        let call = call!(CareServiceClient::run_decay);
        self.client.write(run, to_run_decay, call, FromWire::read).await
    }

    /// Takes a share of the points of all inactive members, page by page. `told` hears after each page what was done so
    /// far.
    ///
    /// It may be broken off and called again: members that were served are passed over.
    ///
    /// # Errors
    /// Those of a read: see [`Error`]; [`Error::Refused`] for a moment that is ahead of the house's clock.
    pub async fn decay_members(
        &self,
        decay: &DecayMembers,
        mut told: impl FnMut(&MembersDecayed),
    ) -> Result<MembersDecayed, Error> {
        let mut sum = MembersDecayed::default();
        let mut next = Some(String::new());
        while let Some(token) = next {
            let page;
            (page, next) = self.decay_members_page(decay, token).await?;
            sum.member_count += page.member_count;
            sum.decayed_member_count += page.decayed_member_count;
            sum.decayed_points += page.decayed_points;
            told(&sum);
        }
        Ok(sum)
    }

    /// One page of [`Operator::decay_members`], and the token of the next; none after the last. The first page has an empty
    /// token. It may be asked for again at any time.
    ///
    /// # Errors
    /// As of [`Operator::decay_members`].
    pub async fn decay_members_page(
        &self,
        decay: &DecayMembers,
        page_token: String,
    ) -> Result<(MembersDecayed, Option<String>), Error> {
        let request = || to_decay_members(decay, page_token.clone());
        let call = call!(CareServiceClient::decay_members);
        self.client
            .read(request, call, |answer: v1::DecayMembersResponse| {
                let next = some(answer.next_page_token.clone());
                Ok((FromWire::read(answer)?, next))
            })
            .await
    }

    /// Lets points of a member live longer.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn extend_expiry(&self, extend: ExtendExpiry) -> Result<Outcome<ExpiryExtended>, Error> {
        let call = call!(CareServiceClient::extend_expiry);
        self.client.write(extend, to_extend_expiry, call, FromWire::read).await
    }

    /// Gives a member points again that it lost.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn reinstate_points(&self, reinstate: ReinstatePoints) -> Result<Outcome<PointsReinstated>, Error> {
        let call = call!(CareServiceClient::reinstate_points);
        self.client.write(reinstate, to_reinstate, call, FromWire::read).await
    }

    /// Gives up what a member owes.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn write_off_debt(&self, write_off: WriteOffDebt) -> Result<Outcome<DebtWrittenOff>, Error> {
        let call = call!(CareServiceClient::write_off_debt);
        self.client.write(write_off, to_write_off, call, FromWire::read).await
    }

    /// Lets nothing of a member be spent.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn freeze_member(&self, freeze: FreezeMember) -> Result<Outcome<MemberFrozen>, Error> {
        let call = call!(CareServiceClient::freeze_member);
        self.client.write(freeze, to_freeze, call, FromWire::read).await
    }

    /// Lifts the freeze of a member.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn unfreeze_member(&self, unfreeze: UnfreezeMember) -> Result<Outcome<MemberUnfrozen>, Error> {
        let call = call!(CareServiceClient::unfreeze_member);
        self.client.write(unfreeze, to_unfreeze, call, FromWire::read).await
    }
}

/// Takes a share of a member's points for inactivity, once in a period.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct RunDecay {
    request_id: Option<RequestId>,
    member: MemberRef,
    rate: Decimal,
    period: String,
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
    rate: Decimal,
    period: String,
    inactive_since: SystemTime,
    page_size: i32,
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
    request_id: Option<RequestId>,
    member: MemberRef,
    issuer_id: String,
    until_time: Option<SystemTime>,
    expire_time: Option<SystemTime>,
    reason_code: String,
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
    request_id: Option<RequestId>,
    member: MemberRef,
    funder_id: String,
    points: i64,
    expire_time: Option<SystemTime>,
    reason_code: String,
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
    request_id: Option<RequestId>,
    member: MemberRef,
    creditor_id: String,
    points: i64,
    reason_code: String,
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

/// Lets nothing of a member be spent: no redemption, no hold, no transfer, and no quote. The member earns, what it owes is paid,
/// its points expire; holds that are open are captured or voided as usual. Of a member that is frozen already the new end holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct FreezeMember {
    request_id: Option<RequestId>,
    member: MemberRef,
    reason_code: String,
    end_time: Option<SystemTime>,
}

impl FreezeMember {
    /// This member, until [`UnfreezeMember`] lifts it.
    pub fn of(member: impl Into<MemberRef>) -> Self {
        Self { request_id: None, member: member.into(), reason_code: String::new(), end_time: None }
    }

    /// Why, as a code. Required.
    pub fn reason(mut self, code: impl Into<String>) -> Self {
        self.reason_code = code.into();
        self
    }

    /// When the freeze ends by itself: a moment that lies ahead. From then on the member can spend.
    pub fn until(mut self, time: SystemTime) -> Self {
        self.end_time = Some(time);
        self
    }
}

/// Lifts the freeze of a member before its end. [`Reason::NotFound`](crate::Reason::NotFound) if it is not frozen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct UnfreezeMember {
    request_id: Option<RequestId>,
    member: MemberRef,
    reason_code: String,
}

impl UnfreezeMember {
    /// Of this member.
    pub fn of(member: impl Into<MemberRef>) -> Self {
        Self { request_id: None, member: member.into(), reason_code: String::new() }
    }

    /// Why, as a code.
    pub fn reason(mut self, code: impl Into<String>) -> Self {
        self.reason_code = code.into();
        self
    }
}

keyed!(RunDecay, ExtendExpiry, ReinstatePoints, WriteOffDebt, FreezeMember, UnfreezeMember);

fn to_run_decay(run: &RunDecay) -> v1::RunDecayRequest {
    v1::RunDecayRequest {
        request_id: key(run.request_id),
        member: Some(to_member(&run.member)),
        rate: decimal_text(run.rate),
        period: run.period.clone(),
    }
}

fn to_decay_members(decay: &DecayMembers, page_token: String) -> v1::DecayMembersRequest {
    v1::DecayMembersRequest {
        rate: decimal_text(decay.rate),
        period: decay.period.clone(),
        inactive_since_time: Some(Timestamp::from(decay.inactive_since)),
        page_size: decay.page_size,
        page_token,
    }
}

fn to_extend_expiry(extend: &ExtendExpiry) -> v1::ExtendExpiryRequest {
    v1::ExtendExpiryRequest {
        request_id: key(extend.request_id),
        member: Some(to_member(&extend.member)),
        issuer_id: extend.issuer_id.clone(),
        until_time: extend.until_time.map(Timestamp::from),
        expire_time: extend.expire_time.map(Timestamp::from),
        reason_code: extend.reason_code.clone(),
    }
}

fn to_reinstate(reinstate: &ReinstatePoints) -> v1::ReinstatePointsRequest {
    v1::ReinstatePointsRequest {
        request_id: key(reinstate.request_id),
        member: Some(to_member(&reinstate.member)),
        funder_id: reinstate.funder_id.clone(),
        points: reinstate.points,
        expire_time: reinstate.expire_time.map(Timestamp::from),
        reason_code: reinstate.reason_code.clone(),
    }
}

fn to_write_off(write_off: &WriteOffDebt) -> v1::WriteOffDebtRequest {
    v1::WriteOffDebtRequest {
        request_id: key(write_off.request_id),
        member: Some(to_member(&write_off.member)),
        creditor_id: write_off.creditor_id.clone(),
        points: write_off.points,
        reason_code: write_off.reason_code.clone(),
    }
}

fn to_freeze(freeze: &FreezeMember) -> v1::FreezeMemberRequest {
    v1::FreezeMemberRequest {
        request_id: key(freeze.request_id),
        member: Some(to_member(&freeze.member)),
        reason_code: freeze.reason_code.clone(),
        end_time: freeze.end_time.map(Timestamp::from),
    }
}

fn to_unfreeze(unfreeze: &UnfreezeMember) -> v1::UnfreezeMemberRequest {
    v1::UnfreezeMemberRequest {
        request_id: key(unfreeze.request_id),
        member: Some(to_member(&unfreeze.member)),
        reason_code: unfreeze.reason_code.clone(),
    }
}
