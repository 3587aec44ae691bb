//! Versions of partners' terms, and changes of terms.
//!
//! They have one form as text, which coalition files, scenarios and the stored settings share: serde's, with the names of the
//! fields, and numbers, times and policies in the published grammar.

use std::fmt;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};
use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize};

use crate::units::{Malformed, Money, Rate, Timestamp, as_text, largest_remainder, number, whole};

/// When the issuer of points pays for them.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Funding {
    /// R: the issuer pays when its points are accepted elsewhere.
    AtRedemption,
    /// P: the issuer prepays into the pool.
    AtIssue,
    /// F: as P, but the points wait until the settlement that contains them is paid.
    OnPayment,
}

impl Funding {
    pub const ALL: [Self; 3] = [Self::AtRedemption, Self::AtIssue, Self::OnPayment];

    /// Whether the points are backed by money of their own once they are available.
    pub fn is_prepaid(self) -> bool {
        self != Self::AtRedemption
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::AtRedemption => "AT_REDEMPTION",
            Self::AtIssue => "AT_ISSUE",
            Self::OnPayment => "ON_PAYMENT",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|funding| funding.as_str() == text)
    }
}

/// Who bears the acceptance fee.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FeeBearer {
    Acceptor,
    Issuer,
}

impl FeeBearer {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acceptor => "ACCEPTOR",
            Self::Issuer => "ISSUER",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Acceptor, Self::Issuer].into_iter().find(|bearer| bearer.as_str() == text)
    }
}

/// The shares of the value of expired prepaid points. They sum to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Breakage {
    pub reserve: Rate,
    pub operator: Rate,
    pub issuer: Rate,
}

impl Breakage {
    /// The split of an amount: reserve, operator, issuer, by largest remainder with ties in that order.
    ///
    /// Rule: breakage
    pub fn split(&self, amount: Money) -> [Money; 3] {
        let weights = [self.reserve, self.operator, self.issuer]
            .map(|rate| i64::try_from(rate.billionths()).expect("at most a billion"));
        let shares = largest_remainder(amount.0, &weights);
        [Money(shares[0]), Money(shares[1]), Money(shares[2])]
    }
}

/// When the points of an issue expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum ExpiryPolicy {
    None,
    Fixed(Timestamp),
    Days(u16),
    Months(u16),
    /// The end of the month that lies so many months after that of the issue.
    EndOfMonth(u16),
    /// The end of the year that lies so many years after that of the issue.
    EndOfYear(u16),
    /// So many days without activity of the member.
    InactiveDays(u16),
}

as_text!(ExpiryPolicy, Price);

impl fmt::Display for ExpiryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.pad("NONE"),
            Self::Fixed(time) => write!(f, "FIXED {time}"),
            Self::Days(days) => write!(f, "DAYS {days}"),
            Self::Months(months) => write!(f, "MONTHS {months}"),
            Self::EndOfMonth(months) => write!(f, "END_OF_MONTH {months}"),
            Self::EndOfYear(years) => write!(f, "END_OF_YEAR {years}"),
            Self::InactiveDays(days) => write!(f, "INACTIVE_DAYS {days}"),
        }
    }
}

impl FromStr for ExpiryPolicy {
    type Err = Malformed;

    /// Reads what [`Display`](fmt::Display) writes: `NONE`, `FIXED 2026-12-31T00:00:00Z`, `DAYS 30` and so on.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || {
            Malformed(format!(
                "{text:?} is not an expiry: NONE, FIXED time, DAYS n, MONTHS n, END_OF_MONTH n, END_OF_YEAR n or \
                 INACTIVE_DAYS n"
            ))
        };
        let (name, argument) = text.split_once(' ').unwrap_or((text, ""));
        let count = || whole(argument).ok().and_then(|count| u16::try_from(count).ok()).ok_or_else(malformed);
        let policy = match name {
            "NONE" if argument.is_empty() => Self::None,
            "FIXED" => Self::Fixed(argument.parse()?),
            "DAYS" => Self::Days(count()?),
            "MONTHS" => Self::Months(count()?),
            "END_OF_MONTH" => Self::EndOfMonth(count()?),
            "END_OF_YEAR" => Self::EndOfYear(count()?),
            "INACTIVE_DAYS" => Self::InactiveDays(count()?),
            _ => return Err(malformed()),
        };
        policy.check().map_err(|problem| Malformed(format!("{text:?}: {problem}")))?;
        Ok(policy)
    }
}

/// The longest span of days, months or years in terms.
pub const SPAN_MAX: u16 = 36_500;

impl ExpiryPolicy {
    /// Terms must not lead out of the calendar while they hold, and nobody knows how long that is: their dates are reckoned
    /// from 1 January 2200.
    const RECKONED_FROM: Timestamp = Timestamp::from_seconds(7_258_118_400);

    /// Refuses a policy whose dates can leave the calendar.
    ///
    /// # Errors
    /// [`Malformed`], with what is allowed.
    ///
    /// Rule: expiry-reach
    pub fn check(&self) -> Result<(), Malformed> {
        let span = match *self {
            Self::None => return Ok(()),
            Self::Fixed(time) => return time.named().map(drop),
            // On the day of the issue itself the points would be gone.
            Self::InactiveDays(0) => return Err(Malformed("0 days without activity are over at once".to_owned())),
            Self::Days(span)
            | Self::Months(span)
            | Self::EndOfMonth(span)
            | Self::EndOfYear(span)
            | Self::InactiveDays(span) => span,
        };
        if span > SPAN_MAX {
            return Err(Malformed(format!("{span} is above {SPAN_MAX}")));
        }
        let policy = if let Self::InactiveDays(days) = *self { Self::Days(days) } else { *self };
        match policy.date(Self::RECKONED_FROM, &TimeZone::UTC) {
            Some(date) if date <= Timestamp::LAST => Ok(()),
            Some(_) | None => Err(Malformed(format!(
                "{span} leads beyond the year 9999 for points issued on 1 January 2200; ends of years may be 7798 ahead"
            ))),
        }
    }

    /// When points issued at `issued` expire; under `InactiveDays` that is [`Timestamp::after_inactivity`]. Days, months and
    /// years are those of the coalition's time zone; an end of a month or year is the first moment of the next one. What the
    /// calendar does not have ends with it: nothing that is to expire lives for ever.
    ///
    /// Rule: expiry-policy
    pub fn expires(&self, issued: Timestamp, zone: &TimeZone) -> Timestamp {
        match *self {
            Self::None => Timestamp::NEVER,
            Self::InactiveDays(days) => Timestamp::after_inactivity(days),
            Self::Fixed(_) | Self::Days(_) | Self::Months(_) | Self::EndOfMonth(_) | Self::EndOfYear(_) => {
                self.date(issued, zone).map_or(Timestamp::LAST, |date| date.clamp(Timestamp::FIRST, Timestamp::LAST))
            }
        }
    }

    /// The date that a policy sets; none if it sets none or the calendar does not have it.
    fn date(&self, issued: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let local = zone.to_datetime(issued.to_jiff());
        let at = |civil: DateTime| Timestamp::of_wall(civil, zone);
        let begins = |date: Date| at(date.to_datetime(jiff::civil::Time::midnight()));
        match *self {
            Self::None | Self::InactiveDays(_) => None,
            Self::Fixed(moment) => Some(moment),
            // Of a time that comes twice the first is meant, but no time is later than itself.
            Self::Days(days) => at(local.checked_add(i64::from(days).days()).ok()?).map(|date| date.max(issued)),
            Self::Months(months) => {
                at(local.checked_add(i64::from(months).months()).ok()?).map(|date| date.max(issued))
            }
            Self::EndOfMonth(months) => {
                let first = local.date().first_of_month();
                begins(first.checked_add((i64::from(months) + 1).months()).ok()?)
            }
            Self::EndOfYear(years) => {
                let year = i32::from(local.year()) + i32::from(years) + 1;
                begins(Date::new(i16::try_from(year).ok()?, 1, 1).ok()?)
            }
        }
    }
}

/// One version of a partner's terms. Immutable; a lot keeps the version it was issued under.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Terms {
    /// From 1, per partner.
    pub version: u32,
    pub effective: Timestamp,
    pub funding: Funding,
    /// What the issuer pays per point (p).
    pub price: Money,
    /// What backs the point (v).
    pub value: Money,
    /// What the acceptor gets per point (r).
    pub reimbursement: Money,
    /// A rate on r x points of other issuers.
    pub acceptance_fee: Rate,
    pub fee_bearer: FeeBearer,
    pub breakage: Breakage,
    pub expiry: ExpiryPolicy,
    /// How many days after an issue it can be reversed; none: for ever.
    pub return_days: Option<u16>,
    /// What a point is worth to a customer at this partner's tills. Never in the ledger.
    pub tender_value: Money,
    /// The largest share of a receipt that may be paid with points.
    pub receipt_share: Rate,
}

/// A change of terms: what is left out stays as it is, or takes the coalition's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermsDraft {
    pub funding: Option<Funding>,
    pub price: Option<Price>,
    pub value: Option<Price>,
    pub reimbursement: Option<Price>,
    pub acceptance_fee: Option<Rate>,
    pub fee_bearer: Option<FeeBearer>,
    pub breakage: Option<Breakage>,
    pub expiry: Option<ExpiryPolicy>,
    /// Some(None): issues can be reversed for ever. A file can only name days.
    #[serde(default, deserialize_with = "some")]
    pub return_days: Option<Option<u16>>,
    pub tender_value: Option<Price>,
    pub receipt_share: Option<Rate>,
}

/// What is named is a change.
fn some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u16>>, D::Error> {
    <u16 as Deserialize>::deserialize(deserializer).map(|days| Some(Some(days)))
}

/// A price per point as it was asked for, perhaps with more decimals than the coalition's scale, be they zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Price {
    mantissa: i128,
    scale: u32,
}

impl Price {
    /// # Errors
    /// [`Malformed`] for a negative price.
    pub fn new(value: Decimal) -> Result<Self, Malformed> {
        if value.is_sign_negative() && !value.is_zero() {
            return Err(Malformed(format!("{value} is below zero")));
        }
        Ok(Self { mantissa: value.mantissa(), scale: value.scale() })
    }

    pub fn decimal(self) -> Decimal {
        Decimal::from_i128_with_scale(self.mantissa, self.scale)
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.decimal().fmt(f)
    }
}

impl FromStr for Price {
    type Err = Malformed;

    /// Reads a price in the grammar of [`number`].
    fn from_str(text: &str) -> Result<Self, Malformed> {
        Self::new(number(text)?)
    }
}
