//! Terms, between the wire and the rules.

use clearing_core::facts::coalition::Coalition;
use clearing_core::facts::terms::{Breakage, ExpiryPolicy, FeeBearer, Funding, Price, SPAN_MAX, Terms, TermsDraft};
use clearing_proto::v1;
use tonic::Status;

use crate::rpc::convert::{from_timestamp, rate, timestamp};
use crate::rpc::errors::invalid;

pub(super) fn terms_draft(wire: Option<v1::TermsChange>) -> Result<TermsDraft, Status> {
    let Some(wire) = wire else { return Ok(TermsDraft::default()) };
    let price = |field: &str, text: &Option<String>| {
        let Some(text) = text else { return Ok(None) };
        text.parse::<Price>().map(Some).map_err(|problem| invalid(&format!("terms.{field}"), problem))
    };
    Ok(TermsDraft {
        funding: match v1::Funding::try_from(wire.funding) {
            Ok(v1::Funding::Unspecified) => None,
            Ok(v1::Funding::AtRedemption) => Some(Funding::AtRedemption),
            Ok(v1::Funding::AtIssue) => Some(Funding::AtIssue),
            Ok(v1::Funding::OnPayment) => Some(Funding::OnPayment),
            Err(_) => return Err(invalid("terms.funding", format!("{} is unknown", wire.funding))),
        },
        price: price("price", &wire.price)?,
        value: price("value", &wire.value)?,
        reimbursement: price("reimbursement", &wire.reimbursement)?,
        acceptance_fee: wire.acceptance_fee.map(|text| rate("terms.acceptance_fee", &text)).transpose()?,
        fee_bearer: match v1::FeeBearer::try_from(wire.fee_bearer) {
            Ok(v1::FeeBearer::Unspecified) => None,
            Ok(v1::FeeBearer::Acceptor) => Some(FeeBearer::Acceptor),
            Ok(v1::FeeBearer::Issuer) => Some(FeeBearer::Issuer),
            Err(_) => return Err(invalid("terms.fee_bearer", format!("{} is unknown", wire.fee_bearer))),
        },
        breakage: wire.breakage.map(breakage).transpose()?,
        expiry: wire.expiry.map(expiry_policy).transpose()?,
        return_days: wire.return_period.map(return_days).transpose()?,
        tender_value: price("tender_value", &wire.tender_value)?,
        receipt_share: wire.receipt_share.map(|text| rate("terms.receipt_share", &text)).transpose()?,
    })
}

fn return_days(period: v1::ReturnPeriod) -> Result<Option<u16>, Status> {
    let Some(days) = period.days else { return Ok(None) };
    let fits = u16::try_from(days).ok().filter(|days| *days <= SPAN_MAX);
    let fits = fits.ok_or_else(|| invalid("terms.return_period.days", format!("{days} is not from 0 to {SPAN_MAX}")));
    fits.map(Some)
}

fn breakage(split: v1::BreakageSplit) -> Result<Breakage, Status> {
    Ok(Breakage {
        reserve: rate("terms.breakage.reserve", &split.reserve)?,
        operator: rate("terms.breakage.operator", &split.operator)?,
        issuer: rate("terms.breakage.issuer", &split.issuer)?,
    })
}

fn expiry_policy(policy: v1::ExpiryPolicy) -> Result<ExpiryPolicy, Status> {
    let count = || {
        let count = u16::try_from(policy.count);
        count.map_err(|_| invalid("terms.expiry.count", format!("{} is not from 0 to {SPAN_MAX}", policy.count)))
    };
    let kind = v1::ExpiryKind::try_from(policy.kind);
    if policy.fixed_time.is_some() && kind != Ok(v1::ExpiryKind::Fixed) {
        return Err(invalid("terms.expiry.fixed_time", "belongs to FIXED alone"));
    }
    if policy.count != 0 && matches!(kind, Ok(v1::ExpiryKind::None | v1::ExpiryKind::Fixed)) {
        return Err(invalid("terms.expiry.count", format!("{} belongs to another kind of expiry", policy.count)));
    }
    let expiry = match kind {
        Ok(v1::ExpiryKind::None) => ExpiryPolicy::None,
        Ok(v1::ExpiryKind::Fixed) => {
            let time = policy.fixed_time.ok_or_else(|| invalid("terms.expiry.fixed_time", "is missing"))?;
            ExpiryPolicy::Fixed(timestamp("terms.expiry.fixed_time", time)?)
        }
        Ok(v1::ExpiryKind::Days) => ExpiryPolicy::Days(count()?),
        Ok(v1::ExpiryKind::Months) => ExpiryPolicy::Months(count()?),
        Ok(v1::ExpiryKind::EndOfMonth) => ExpiryPolicy::EndOfMonth(count()?),
        Ok(v1::ExpiryKind::EndOfYear) => ExpiryPolicy::EndOfYear(count()?),
        Ok(v1::ExpiryKind::InactiveDays) => ExpiryPolicy::InactiveDays(count()?),
        Ok(v1::ExpiryKind::Unspecified) | Err(_) => {
            return Err(invalid("terms.expiry.kind", format!("{} is unknown", policy.kind)));
        }
    };
    expiry.check().map_err(|problem| invalid("terms.expiry.count", problem))?;
    Ok(expiry)
}

pub(super) fn from_terms(terms: &Terms, coalition: &Coalition) -> v1::Terms {
    let (kind, count, fixed_time) = match terms.expiry {
        ExpiryPolicy::None => (v1::ExpiryKind::None, 0, None),
        ExpiryPolicy::Fixed(time) => (v1::ExpiryKind::Fixed, 0, from_timestamp(time)),
        ExpiryPolicy::Days(count) => (v1::ExpiryKind::Days, count, None),
        ExpiryPolicy::Months(count) => (v1::ExpiryKind::Months, count, None),
        ExpiryPolicy::EndOfMonth(count) => (v1::ExpiryKind::EndOfMonth, count, None),
        ExpiryPolicy::EndOfYear(count) => (v1::ExpiryKind::EndOfYear, count, None),
        ExpiryPolicy::InactiveDays(count) => (v1::ExpiryKind::InactiveDays, count, None),
    };
    v1::Terms {
        version: i64::from(terms.version),
        effective_time: from_timestamp(terms.effective),
        funding: match terms.funding {
            Funding::AtRedemption => v1::Funding::AtRedemption,
            Funding::AtIssue => v1::Funding::AtIssue,
            Funding::OnPayment => v1::Funding::OnPayment,
        }
        .into(),
        price: coalition.money_text(terms.price),
        value: coalition.money_text(terms.value),
        reimbursement: coalition.money_text(terms.reimbursement),
        acceptance_fee: terms.acceptance_fee.decimal().to_string(),
        fee_bearer: match terms.fee_bearer {
            FeeBearer::Acceptor => v1::FeeBearer::Acceptor,
            FeeBearer::Issuer => v1::FeeBearer::Issuer,
        }
        .into(),
        breakage: Some(v1::BreakageSplit {
            reserve: terms.breakage.reserve.decimal().to_string(),
            operator: terms.breakage.operator.decimal().to_string(),
            issuer: terms.breakage.issuer.decimal().to_string(),
        }),
        expiry: Some(v1::ExpiryPolicy { kind: kind.into(), count: i32::from(count), fixed_time }),
        return_days: terms.return_days.map(i32::from),
        tender_value: coalition.money_text(terms.tender_value),
        receipt_share: terms.receipt_share.decimal().to_string(),
    }
}
