//! Terms of a partner on the command line, in JSON and in words.

use std::time::SystemTime;

use clap::Args;
use clearing_core::facts::terms::SPAN_MAX;
use partner_sdk::Decimal;
use partner_sdk::operator::{BreakageSplit, Expiry, FeeBearer, Funding, Terms, TermsChange};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::session::moment;
use crate::times::{self, When, Zone};
use crate::values::{self, one_of, word};

/// Terms as flags. What is left out stays as it is, or is the coalition's default.
#[derive(Debug, Args)]
#[command(next_help_heading = "Terms")]
pub struct TermsFlags {
    /// When it pays for the points it issues: AT_REDEMPTION (when they are accepted elsewhere), AT_ISSUE (prepaid) or
    /// ON_PAYMENT (prepaid, and the points wait until the settlement that contains them is paid).
    #[arg(long, value_parser = funding, value_name = "FUNDING")]
    funding: Option<Funding>,
    /// What it pays per point, in the coalition's currency; at least the value.
    #[arg(long, value_name = "AMOUNT", value_parser = values::decimal)]
    price: Option<Decimal>,
    /// What backs each of its points.
    #[arg(long, value_name = "AMOUNT", value_parser = values::decimal)]
    value: Option<Decimal>,
    /// What it gets per point that it accepts; at most any value in force.
    #[arg(long, value_name = "AMOUNT", value_parser = values::decimal)]
    reimbursement: Option<Decimal>,
    /// The acceptance fee, a share of the reimbursement for points of others: 0.02 is 2 %.
    #[arg(long, value_name = "RATE", value_parser = values::rate)]
    fee: Option<Decimal>,
    /// Who bears that fee: ACCEPTOR or ISSUER.
    #[arg(long, value_parser = bearer, value_name = "BEARER")]
    fee_bearer: Option<FeeBearer>,
    /// Who gets the value of its prepaid points that expire: shares that add up to 1.
    #[arg(long, value_parser = breakage, value_name = "RESERVE/OPERATOR/ISSUER")]
    breakage: Option<BreakageSplit>,
    /// When its points expire: NONE, "FIXED TIME" (a day: when it begins), "DAYS N", "MONTHS N", "END_OF_MONTH N",
    /// "END_OF_YEAR N" or "INACTIVE_DAYS N" (days without an issue to the member or a redemption by it).
    #[arg(long, value_parser = expiry, value_name = "POLICY")]
    expiry: Option<NamedExpiry>,
    /// How many days after an issue it can be reversed, or "forever".
    #[arg(long, value_parser = return_days, value_name = "DAYS")]
    return_days: Option<ReturnDays>,
    /// What a point is worth to a customer at its tills. It is for quotes and for the share of a receipt, never in the
    /// books.
    #[arg(long, value_name = "AMOUNT", value_parser = values::decimal)]
    tender_value: Option<Decimal>,
    /// The largest share of a receipt that may be paid with points at its tills: 0.5 is half.
    #[arg(long, value_name = "RATE", value_parser = values::rate)]
    receipt_share: Option<Decimal>,
}

/// When points expire; a fixed time as it was named.
#[derive(Debug, Clone, PartialEq, Eq)]
enum NamedExpiry {
    Fixed(When),
    Other(Expiry),
}

/// So many days, or for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReturnDays(Option<i32>);

impl TermsFlags {
    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.expiry.is_none() && self.without_expiry() == TermsChange::none()
    }

    /// The change that they ask for.
    ///
    /// # Errors
    /// Usage for a time that the calendar does not have.
    pub fn change(&self, zone: &Zone) -> Result<TermsChange, Failure> {
        let change = self.without_expiry();
        Ok(match &self.expiry {
            None => change,
            Some(NamedExpiry::Fixed(when)) => change.expiry(Expiry::Fixed(when.begin(zone)?)),
            Some(NamedExpiry::Other(expiry)) => change.expiry(*expiry),
        })
    }

    fn without_expiry(&self) -> TermsChange {
        let mut change = TermsChange::none();
        if let Some(funding) = self.funding {
            change = change.funding(funding);
        }
        if let Some(price) = self.price {
            change = change.price(price);
        }
        if let Some(value) = self.value {
            change = change.value(value);
        }
        if let Some(reimbursement) = self.reimbursement {
            change = change.reimbursement(reimbursement);
        }
        if let Some(fee) = self.fee {
            change = change.acceptance_fee(fee);
        }
        if let Some(bearer) = self.fee_bearer {
            change = change.fee_bearer(bearer);
        }
        if let Some(split) = self.breakage {
            change = change.breakage(split);
        }
        if let Some(ReturnDays(days)) = self.return_days {
            change = change.return_days(days);
        }
        if let Some(value) = self.tender_value {
            change = change.tender_value(value);
        }
        if let Some(share) = self.receipt_share {
            change = change.receipt_share(share);
        }
        change
    }
}

fn funding(text: &str) -> Result<Funding, String> {
    let all =
        [("AT_REDEMPTION", Funding::AtRedemption), ("AT_ISSUE", Funding::AtIssue), ("ON_PAYMENT", Funding::OnPayment)];
    one_of(text, &all)
}

fn bearer(text: &str) -> Result<FeeBearer, String> {
    one_of(text, &[("ACCEPTOR", FeeBearer::Acceptor), ("ISSUER", FeeBearer::Issuer)])
}

fn breakage(text: &str) -> Result<BreakageSplit, String> {
    let shares = text.split('/').map(values::decimal).collect::<Result<Vec<_>, _>>();
    match shares.as_deref() {
        Ok([reserve, operator, issuer]) => {
            Ok(BreakageSplit { reserve: *reserve, operator: *operator, issuer: *issuer })
        }
        Ok(_) | Err(_) => Err(format!("{text:?} is not three shares with / between them; write 0.5/0.3/0.2")),
    }
}

fn expiry(text: &str) -> Result<NamedExpiry, String> {
    let wrong = || {
        format!(
            "{text:?} is no expiry; write NONE, \"FIXED 2027-01-01\", \"DAYS 365\", \"MONTHS 12\", \"END_OF_MONTH 1\", \
             \"END_OF_YEAR 0\" or \"INACTIVE_DAYS 90\""
        )
    };
    let (kind, argument) = text.split_once([' ', ':']).unwrap_or((text, ""));
    let count = || values::whole::<i32>(argument.trim()).map_err(|_| wrong());
    let expiry = match word(kind).as_str() {
        "NONE" if argument.is_empty() => Expiry::None,
        // What `partner terms` shows of one has a blank between its day and its hour.
        "FIXED" => return times::when(&argument.trim().replacen(' ', "T", 1)).map(NamedExpiry::Fixed),
        "DAYS" => Expiry::Days(count()?),
        "MONTHS" => Expiry::Months(count()?),
        "END_OF_MONTH" => Expiry::EndOfMonth(count()?),
        "END_OF_YEAR" => Expiry::EndOfYear(count()?),
        "INACTIVE_DAYS" => Expiry::InactiveDays(count()?),
        _ => return Err(wrong()),
    };
    Ok(NamedExpiry::Other(expiry))
}

fn return_days(text: &str) -> Result<ReturnDays, String> {
    if word(text) == "FOREVER" {
        return Ok(ReturnDays(None));
    }
    let days = values::between(text, 0, i64::from(SPAN_MAX));
    days.map(|days| ReturnDays(Some(days))).map_err(|problem| format!("{problem}; a number of days, or \"forever\""))
}

/// Terms for programs.
pub fn to_json(terms: &Terms) -> Value {
    json!({
        "version": terms.version,
        "effective_time": moment(terms.effective_time),
        "funding": terms.funding.as_str(),
        "price": terms.price.to_string(),
        "value": terms.value.to_string(),
        "reimbursement": terms.reimbursement.to_string(),
        "acceptance_fee": terms.acceptance_fee.to_string(),
        "fee_bearer": terms.fee_bearer.as_str(),
        "breakage": {
            "reserve": terms.breakage.reserve.to_string(),
            "operator": terms.breakage.operator.to_string(),
            "issuer": terms.breakage.issuer.to_string(),
        },
        "expiry": expiry_words(&terms.expiry, moment),
        "return_days": terms.return_days,
        "tender_value": terms.tender_value.to_string(),
        "receipt_share": terms.receipt_share.to_string(),
    })
}

/// Terms as rows of a table.
pub fn rows(terms: &Terms, zone: &Zone) -> Vec<Vec<String>> {
    let split = &terms.breakage;
    [
        ("version", terms.version.to_string()),
        ("effective", zone.said(terms.effective_time)),
        ("funding", terms.funding.to_string()),
        ("price", terms.price.to_string()),
        ("value", terms.value.to_string()),
        ("reimbursement", terms.reimbursement.to_string()),
        ("acceptance fee", terms.acceptance_fee.to_string()),
        ("fee bearer", terms.fee_bearer.to_string()),
        ("breakage", format!("reserve {}, operator {}, issuer {}", split.reserve, split.operator, split.issuer)),
        ("expiry", expiry_words(&terms.expiry, |time| zone.text(time))),
        ("return days", terms.return_days.map_or_else(|| "forever".to_owned(), |days| days.to_string())),
        ("tender value", terms.tender_value.to_string()),
        ("receipt share", terms.receipt_share.to_string()),
    ]
    .map(|(name, value)| vec![name.to_owned(), value])
    .to_vec()
}

/// An expiry in the form in which a flag takes it, with times as their reader has them.
fn expiry_words(expiry: &Expiry, time: impl Fn(SystemTime) -> String) -> String {
    match expiry {
        Expiry::None => "NONE".to_owned(),
        Expiry::Fixed(at) => format!("FIXED {}", time(*at)),
        Expiry::Days(count) => format!("DAYS {count}"),
        Expiry::Months(count) => format!("MONTHS {count}"),
        Expiry::EndOfMonth(count) => format!("END_OF_MONTH {count}"),
        Expiry::EndOfYear(count) => format!("END_OF_YEAR {count}"),
        Expiry::InactiveDays(count) => format!("INACTIVE_DAYS {count}"),
        _ => "OTHER".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_written_as_it_is_read() {
        for text in [
            "NONE",
            "FIXED 2027-01-01T00:00:00Z",
            "FIXED 2027-01-01 03:00:00",
            "DAYS 365",
            "MONTHS 12",
            "END_OF_MONTH 0",
            "END_OF_YEAR 1",
            "INACTIVE_DAYS 90",
        ] {
            let moscow = Zone::named("Europe/Moscow");
            let read = match expiry(text).unwrap() {
                NamedExpiry::Fixed(when) => Expiry::Fixed(when.begin(&moscow).unwrap()),
                NamedExpiry::Other(expiry) => expiry,
            };
            let told = [expiry_words(&read, moment), expiry_words(&read, |time| moscow.text(time))];
            assert!(told.contains(&text.to_owned()), "{text}: {told:?}");
        }
        assert_eq!(expiry("FIXED 2027-01-01"), times::when("2027-01-01").map(NamedExpiry::Fixed));
        assert_eq!(expiry("end-of-year:1"), expiry("END_OF_YEAR 1"));
        for wrong in ["", "DAYS", "DAYS x", "NONE 3", "FIXED tomorrow", "WEEKS 3"] {
            expiry(wrong).unwrap_err();
        }
    }

    #[test]
    fn a_return_period_is_a_number_of_days_or_for_ever() {
        assert_eq!(return_days("14"), Ok(ReturnDays(Some(14))));
        assert_eq!(return_days("forever"), Ok(ReturnDays(None)));
        for wrong in ["", "-1", "never", "14 days"] {
            return_days(wrong).unwrap_err();
        }
    }

    #[test]
    fn shares_are_three_decimals() {
        let split = breakage("0.5/0.3/0.2").unwrap();
        assert_eq!([split.reserve, split.operator, split.issuer], [5, 3, 2].map(|tenths| Decimal::new(tenths, 1)));
        for wrong in ["", "1", "0.5/0.5", "a/b/c", "1/0/0/0"] {
            breakage(wrong).unwrap_err();
        }
    }
}
