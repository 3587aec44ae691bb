//! Cover and charges by schedule, between the wire and the rules.

use clearing_core::book::Book;
use clearing_core::facts::charges::{Every, ScheduledCharge};
use clearing_core::facts::coalition::Coalition;
use clearing_core::facts::origin::BusinessDate;
use clearing_core::facts::partner::Partner;
use clearing_core::facts::security::{Guarantee, Security};
use clearing_core::units::{Malformed, Money, Timestamp};
use clearing_proto::v1;
use tonic::Status;

use crate::rpc::convert::{self, from_money, from_sum, from_timestamp};
use crate::rpc::errors::invalid;

pub(super) fn read_cover(cover: Option<v1::Cover>, coalition: &Coalition) -> Result<Security, Status> {
    let v1::Cover { unsecured_amount, guarantees } =
        cover.ok_or_else(|| invalid("cover", "is missing; an empty message takes all cover away"))?;
    let unsecured = unsecured_amount.map(|amount| convert::money("cover.unsecured_amount", &amount, coalition));
    let guarantee = |(at, of): (usize, v1::Guarantee)| {
        let v1::Guarantee { reference, amount, end_time } = of;
        let field = |name: &str| format!("cover.guarantees[{at}].{name}");
        let amount = amount.ok_or_else(|| invalid(&field("amount"), "is missing"))?;
        Ok(Guarantee {
            reference,
            amount: convert::money(&field("amount"), &amount, coalition)?,
            ends: convert::moment(&field("end_time"), end_time)?,
        })
    };
    Ok(Security {
        unsecured: unsecured.transpose()?.unwrap_or_default(),
        guarantees: guarantees.into_iter().enumerate().map(guarantee).collect::<Result<_, Status>>()?,
    })
}

pub(super) fn from_cover(security: &Security, coalition: &Coalition) -> v1::Cover {
    v1::Cover {
        unsecured_amount: from_money(security.unsecured, coalition),
        guarantees: security.guarantees.iter().map(|guarantee| from_guarantee(guarantee, coalition)).collect(),
    }
}

fn from_guarantee(guarantee: &Guarantee, coalition: &Coalition) -> v1::Guarantee {
    let Guarantee { reference, amount, ends } = guarantee;
    let (amount, end_time) = (from_money(*amount, coalition), from_timestamp(*ends));
    v1::Guarantee { reference: reference.clone(), amount, end_time }
}

/// What a partner owes that neither collateral nor guarantees cover.
pub(in crate::rpc) fn uncovered(book: &Book, partner: &Partner, now: Timestamp) -> i128 {
    let [collateral, guaranteed, _] = book.cover_of(partner.id, now);
    (book.exposure_of(partner.id) - collateral - guaranteed).max(0)
}

/// What a partner owes, and what covers it. `book` has all balances but legs, and all guards.
pub(in crate::rpc) fn cover_of_partner(book: &Book, partner: &Partner, now: Timestamp) -> v1::CoverOfPartner {
    let coalition = &book.house.coalition;
    let [collateral, guaranteed, unsecured] = book.cover_of(partner.id, now);
    let guarantees = partner.security.guarantees.iter();
    v1::CoverOfPartner {
        partner_id: partner.id.to_string(),
        exposure_amount: from_sum(book.exposure_of(partner.id), coalition),
        net_debit_cap: partner.limits.net_debit_cap.and_then(|cap| from_money(cap, coalition)),
        collateral_amount: from_sum(collateral, coalition),
        guaranteed_amount: from_sum(guaranteed, coalition),
        unsecured_amount: from_sum(unsecured, coalition),
        uncovered_amount: from_sum(uncovered(book, partner, now), coalition),
        guarantees: guarantees.map(|guarantee| from_guarantee(guarantee, coalition)).collect(),
    }
}

pub(super) fn read_charges(
    charges: Vec<v1::ScheduledCharge>,
    coalition: &Coalition,
) -> Result<Vec<ScheduledCharge>, Status> {
    let day =
        |field: &str, text: &str| text.parse::<BusinessDate>().map_err(|problem: Malformed| invalid(field, problem));
    let charge = |(at, charge): (usize, v1::ScheduledCharge)| {
        let field = |name: &str| format!("charges[{at}].{name}");
        let v1::ScheduledCharge { reason_code, amount, every, first_date, last_date, next_date } = charge;
        if !next_date.is_empty() {
            return Err(invalid(&field("next_date"), "is for the house to tell; leave it out"));
        }
        let amount = amount.ok_or_else(|| invalid(&field("amount"), "is missing"))?;
        Ok(ScheduledCharge {
            reason: convert::word(&field("reason_code"), &reason_code)?,
            amount: convert::money(&field("amount"), &amount, coalition)?,
            every: match v1::ChargePeriod::try_from(every) {
                Ok(v1::ChargePeriod::Month) => Every::Month,
                Ok(v1::ChargePeriod::Quarter) => Every::Quarter,
                Ok(v1::ChargePeriod::Year) => Every::Year,
                Ok(v1::ChargePeriod::Unspecified) | Err(_) => {
                    let problem = format!("{every} is unknown; give MONTH, QUARTER or YEAR");
                    return Err(invalid(&field("every"), problem));
                }
            },
            first: day(&field("first_date"), &first_date)?,
            last: if last_date.is_empty() { None } else { Some(day(&field("last_date"), &last_date)?) },
        })
    };
    charges.into_iter().enumerate().map(charge).collect()
}

pub(super) fn from_charge(
    charge: &ScheduledCharge,
    next: Option<BusinessDate>,
    coalition: &Coalition,
) -> v1::ScheduledCharge {
    let ScheduledCharge { reason, amount, every, first, last } = charge;
    let every = match every {
        Every::Month => v1::ChargePeriod::Month,
        Every::Quarter => v1::ChargePeriod::Quarter,
        Every::Year => v1::ChargePeriod::Year,
    };
    let text = |day: &BusinessDate| day.to_string();
    v1::ScheduledCharge {
        reason_code: reason.as_str().to_owned(),
        amount: from_money(*amount, coalition),
        every: every.into(),
        first_date: text(first),
        last_date: last.as_ref().map(text).unwrap_or_default(),
        next_date: next.as_ref().map(text).unwrap_or_default(),
    }
}

/// The largest of these, and the sum of the two largest.
pub(in crate::rpc) fn two_largest(amounts: impl Iterator<Item = i128>) -> [i128; 2] {
    let (mut first, mut second) = (0, 0);
    for amount in amounts {
        if amount > first {
            (first, second) = (amount, first);
        } else {
            second = amount.max(second);
        }
    }
    [first, first + second]
}

/// What a fund lacks of an amount.
pub(in crate::rpc) fn missing(amount: i128, holds: Money) -> i128 {
    (amount - i128::from(holds.0.max(0))).max(0)
}
