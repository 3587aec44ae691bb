//! Between this crate's types and those of the interface. Nothing else sees both.

mod till;

pub(crate) use till::*;

use std::time::{Duration, SystemTime};

use clearing_proto::v1;
use prost_types::Timestamp;
use rust_decimal::Decimal;

use crate::answers::{FeeBearer, Funding};
use crate::error::Error;
use crate::limits::PartnerLimits;
use crate::member::MemberRef;
use crate::money::Money;
use crate::origin::Origin;
use crate::points::{Abandon, EntryFilter, Issue, Redeem, ReturnRedemption};
use crate::request_id::RequestId;
use crate::terms::{BreakageSplit, Expiry, TermsChange};

// What is sent.

/// The key of a request: always there, since the client makes one before it sends.
pub(crate) fn key(id: Option<RequestId>) -> String {
    id.map(|id| id.to_string()).unwrap_or_default()
}

pub(crate) fn to_money(money: &Money) -> v1::Money {
    v1::Money { currency_code: money.currency.clone(), amount: decimal_text(money.amount) }
}

/// A number as the wire has it: with the decimals that it has, and no sign on zero.
pub(crate) fn decimal_text(number: Decimal) -> String {
    if number.is_zero() { number.abs().to_string() } else { number.to_string() }
}

pub(crate) fn to_member(member: &MemberRef) -> v1::MemberRef {
    let member = match member {
        MemberRef::Id(id) => v1::member_ref::Member::MemberId(id.clone()),
        MemberRef::Identifier { scheme, value } => {
            v1::member_ref::Member::Identifier(v1::Identifier { scheme: scheme.clone(), value: value.clone() })
        }
    };
    v1::MemberRef { member: Some(member) }
}

/// An origin without any content is not sent at all.
pub(crate) fn to_origin(origin: &Origin) -> Option<v1::Origin> {
    (*origin != Origin::default()).then(|| v1::Origin {
        store: origin.store.clone(),
        till: origin.till.clone(),
        cashier: origin.cashier.clone(),
        receipt_number: origin.receipt_number.clone(),
        receipt_line: origin.receipt_line,
        business_date: origin.business_date.clone(),
        business_time: origin.business_time.map(Timestamp::from),
        receipt_total: origin.receipt_total.as_ref().map(to_money),
        device_counter: origin.device_counter,
    })
}

pub(crate) fn to_issue(issue: &Issue) -> v1::IssuePointsRequest {
    v1::IssuePointsRequest {
        request_id: key(issue.request_id),
        member: Some(to_member(&issue.member)),
        points: issue.points,
        expire_time: issue.expire_time.map(Timestamp::from),
        activate_time: issue.activate_time.map(Timestamp::from),
        funders: till::to_funders(&issue.funders),
        origin: to_origin(&issue.origin),
    }
}

pub(crate) fn to_redeem(redeem: &Redeem) -> v1::RedeemPointsRequest {
    v1::RedeemPointsRequest {
        request_id: key(redeem.request_id),
        member: Some(to_member(&redeem.member)),
        points: redeem.points,
        origin: to_origin(&redeem.origin),
    }
}

pub(crate) fn to_return(back: &ReturnRedemption) -> v1::ReturnRedemptionRequest {
    v1::ReturnRedemptionRequest {
        request_id: key(back.request_id),
        redemption_entry_id: back.redemption_entry_id.clone(),
        points: back.points,
        origin: to_origin(&back.origin),
    }
}

pub(crate) fn to_abandon(abandon: &Abandon) -> v1::AbandonRequestRequest {
    v1::AbandonRequestRequest {
        request_id: key(abandon.request_id),
        abandoned_request_id: abandon.abandoned_request_id.to_string(),
        member: abandon.member.as_ref().map(to_member),
        origin: to_origin(&abandon.origin),
    }
}

pub(crate) fn to_list_entries(filter: &EntryFilter, page_size: i32, page_token: String) -> v1::ListEntriesRequest {
    v1::ListEntriesRequest {
        store: filter.store.clone(),
        till: filter.till.clone(),
        receipt_number: filter.receipt_number.clone(),
        business_date: filter.business_date.clone(),
        member: filter.member.as_ref().map(to_member),
        window: filter.window,
        page_size,
        page_token,
    }
}

fn to_expiry(expiry: Expiry) -> v1::ExpiryPolicy {
    let (kind, count, fixed_time) = match expiry {
        Expiry::None => (v1::ExpiryKind::None, 0, None),
        Expiry::Fixed(time) => (v1::ExpiryKind::Fixed, 0, Some(Timestamp::from(time))),
        Expiry::Days(count) => (v1::ExpiryKind::Days, count, None),
        Expiry::Months(count) => (v1::ExpiryKind::Months, count, None),
        Expiry::EndOfMonth(count) => (v1::ExpiryKind::EndOfMonth, count, None),
        Expiry::EndOfYear(count) => (v1::ExpiryKind::EndOfYear, count, None),
        Expiry::InactiveDays(count) => (v1::ExpiryKind::InactiveDays, count, None),
    };
    v1::ExpiryPolicy { kind: kind.into(), count, fixed_time }
}

pub(crate) fn to_terms(change: &TermsChange) -> v1::TermsChange {
    let text = |number: Option<Decimal>| number.map(decimal_text);
    v1::TermsChange {
        funding: change.funding.map_or(0, Funding::to_wire),
        price: text(change.price),
        value: text(change.value),
        reimbursement: text(change.reimbursement),
        acceptance_fee: text(change.acceptance_fee),
        fee_bearer: change.fee_bearer.map_or(0, FeeBearer::to_wire),
        breakage: change.breakage.map(|split| v1::BreakageSplit {
            reserve: decimal_text(split.reserve),
            operator: decimal_text(split.operator),
            issuer: decimal_text(split.issuer),
        }),
        expiry: change.expiry.map(to_expiry),
        return_period: change.return_days.map(|days| v1::ReturnPeriod { days }),
        tender_value: text(change.tender_value),
        receipt_share: text(change.receipt_share),
    }
}

// What comes back.

/// What is read from a message of the interface.
pub(crate) trait FromWire<W>: Sized {
    /// # Errors
    /// [`Error::Protocol`] when a part is missing, or is not what it should be.
    fn read(wire: W) -> Result<Self, Error>;
}

pub(crate) fn there<T>(field: Option<T>, name: &str) -> Result<T, Error> {
    field.ok_or_else(|| Error::protocol(format!("{name} is missing")))
}

/// Nothing was done where the answer has the id of a proposal.
pub(crate) fn done(proposal_id: &str, written: Option<&v1::Written>) -> Result<(), Error> {
    if proposal_id.is_empty() {
        return Ok(());
    }
    let replayed = written.is_some_and(|written| written.replayed);
    Err(Error::Proposed { proposal_id: proposal_id.to_owned(), replayed })
}

pub(crate) fn each<W, T: FromWire<W>>(all: Vec<W>) -> Result<Vec<T>, Error> {
    all.into_iter().map(T::read).collect()
}

pub(crate) fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

pub(crate) fn decimal(text: &str, name: &str) -> Result<Decimal, Error> {
    // The house writes a number in one form. What the parser takes beside it (`1_000`, `+1`, `.5`) reads back otherwise.
    let number = Decimal::from_str_exact(text).ok().filter(|number| number.to_string() == text);
    number.ok_or_else(|| Error::protocol(format!("{name} is {text:?}, which is no number")))
}

impl FromWire<Timestamp> for SystemTime {
    fn read(wire: Timestamp) -> Result<Self, Error> {
        Self::try_from(wire).map_err(|error| Error::protocol(format!("a time is out of range: {error}")))
    }
}

impl FromWire<prost_types::Duration> for Duration {
    fn read(wire: prost_types::Duration) -> Result<Self, Error> {
        Self::try_from(wire).map_err(|error| Error::protocol(format!("a duration is out of range: {error}")))
    }
}

impl FromWire<v1::Money> for Money {
    fn read(wire: v1::Money) -> Result<Self, Error> {
        Ok(Self { amount: decimal(&wire.amount, "an amount")?, currency: wire.currency_code })
    }
}

impl FromWire<v1::Origin> for Origin {
    fn read(wire: v1::Origin) -> Result<Self, Error> {
        Ok(Self {
            store: wire.store,
            till: wire.till,
            cashier: wire.cashier,
            receipt_number: wire.receipt_number,
            receipt_line: wire.receipt_line,
            business_date: wire.business_date,
            business_time: wire.business_time.map(FromWire::read).transpose()?,
            receipt_total: wire.receipt_total.map(FromWire::read).transpose()?,
            device_counter: wire.device_counter,
        })
    }
}

impl FromWire<v1::PartnerLimits> for PartnerLimits {
    fn read(wire: v1::PartnerLimits) -> Result<Self, Error> {
        Ok(Self {
            net_debit_cap: wire.net_debit_cap.map(|cap| decimal(&cap, "net_debit_cap")).transpose()?,
            outstanding_points: wire.outstanding_points,
            points_per_day: wire.points_per_day,
            points_per_member_per_day: wire.points_per_member_per_day,
            points_per_entry: wire.points_per_entry,
            transfer_points_per_entry: wire.transfer_points_per_entry,
            transfer_points_per_member_per_day: wire.transfer_points_per_member_per_day,
            redeem_points_per_member_per_day: wire.redeem_points_per_member_per_day,
            redeem_foreign_points_per_day: wire.redeem_foreign_points_per_day,
            cooling_seconds: wire.cooling_seconds,
        })
    }
}

impl FromWire<v1::BreakageSplit> for BreakageSplit {
    fn read(wire: v1::BreakageSplit) -> Result<Self, Error> {
        Ok(Self {
            reserve: decimal(&wire.reserve, "breakage.reserve")?,
            operator: decimal(&wire.operator, "breakage.operator")?,
            issuer: decimal(&wire.issuer, "breakage.issuer")?,
        })
    }
}

impl FromWire<v1::ExpiryPolicy> for Expiry {
    fn read(wire: v1::ExpiryPolicy) -> Result<Self, Error> {
        match v1::ExpiryKind::try_from(wire.kind) {
            Ok(v1::ExpiryKind::None) => Ok(Self::None),
            Ok(v1::ExpiryKind::Fixed) => Ok(Self::Fixed(FromWire::read(there(wire.fixed_time, "fixed_time")?)?)),
            Ok(v1::ExpiryKind::Days) => Ok(Self::Days(wire.count)),
            Ok(v1::ExpiryKind::Months) => Ok(Self::Months(wire.count)),
            Ok(v1::ExpiryKind::EndOfMonth) => Ok(Self::EndOfMonth(wire.count)),
            Ok(v1::ExpiryKind::EndOfYear) => Ok(Self::EndOfYear(wire.count)),
            Ok(v1::ExpiryKind::InactiveDays) => Ok(Self::InactiveDays(wire.count)),
            Ok(v1::ExpiryKind::Unspecified) | Err(_) => {
                let kind = wire.kind;
                Err(Error::protocol(format!("an expiry of kind {kind}, which this version does not know")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::{Issued, Posting};

    #[test]
    fn a_change_of_terms_sends_what_it_sets_and_nothing_else() {
        let change = TermsChange::none().price(Decimal::new(950, 3)).expiry(Expiry::Months(12));
        assert_eq!(
            to_terms(&change),
            v1::TermsChange {
                price: Some("0.950".to_owned()),
                expiry: Some(v1::ExpiryPolicy { kind: v1::ExpiryKind::Months.into(), count: 12, fixed_time: None }),
                ..v1::TermsChange::default()
            }
        );
    }

    #[test]
    fn every_expiry_comes_back_as_it_was_sent() {
        for policy in [
            Expiry::None,
            Expiry::Fixed(SystemTime::UNIX_EPOCH + Duration::from_micros(1_770_000_000_000_001)),
            Expiry::Days(90),
            Expiry::Months(12),
            Expiry::EndOfMonth(0),
            Expiry::EndOfYear(2),
        ] {
            assert_eq!(Expiry::read(to_expiry(policy)).unwrap(), policy);
        }
    }

    #[test]
    fn an_amount_keeps_its_decimals() {
        let money = Money::read(v1::Money { currency_code: "RUB".to_owned(), amount: "-58.80".to_owned() }).unwrap();
        assert_eq!(money.to_string(), "-58.80 RUB");
        assert_eq!(to_money(&money).amount, "-58.80");
    }

    #[test]
    fn an_answer_that_lacks_a_part_or_has_no_number_is_no_answer() {
        let no_number = v1::Money { currency_code: "RUB".to_owned(), amount: "1e3".to_owned() };
        assert!(matches!(Money::read(no_number), Err(Error::Protocol { .. })));
        assert!(matches!(Issued::read(v1::IssuePointsResponse::default()), Err(Error::Protocol { .. })));
        assert!(matches!(Posting::read(v1::Posting::default()), Err(Error::Protocol { .. })));
    }

    #[test]
    fn an_origin_without_content_is_not_sent() {
        let issue = to_issue(&Issue::to("card", "4000").points(1));
        assert_eq!(issue.origin, None);
        let issue = to_issue(&Issue::to("card", "4000").points(1).origin(Origin::store("7")));
        assert_eq!(issue.origin.unwrap().store, "7");
    }
}
