//! Charges that come by themselves: what a partner pays the operator for each month, quarter or year.

use borsh::{BorshDeserialize, BorshSerialize};
use jiff::ToSpan;
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::facts::origin::{BusinessDate, Code};
use crate::units::{Money, PartnerId, Timestamp};

/// What a partner is charged by itself, at the beginning of each period.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduledCharge {
    /// What for. It tells the charges of a partner apart.
    #[serde(rename = "reason_code", deserialize_with = "Code::read_word")]
    pub reason: Code,
    pub amount: Money,
    pub every: Every,
    /// The day on which the first period begins, by the coalition's calendar.
    #[serde(rename = "first_date")]
    pub first: BusinessDate,
    /// The last day on which a period may begin; none: for ever.
    #[serde(default, rename = "last_date")]
    pub last: Option<BusinessDate>,
}

impl ScheduledCharge {
    /// Of one partner at the most.
    pub const COUNT_MAX: usize = 16;

    /// The first day on or behind one, and behind another, on which a period begins; none if none does.
    pub fn next_on(&self, from: BusinessDate, behind: Option<BusinessDate>) -> Option<BusinessDate> {
        let first = self.first.to_jiff();
        let begins = (0_i32..).map_while(|period| {
            // Counted from the first day, so that the 31st comes again behind February.
            let months = period.checked_mul(self.every.months())?;
            first.checked_add(months.months()).ok().map(BusinessDate::of)
        });
        let within = begins.take_while(|begins| self.last.is_none_or(|last| *begins <= last));
        let mut left = within.skip_while(|begins| *begins < from || behind.is_some_and(|behind| *begins <= behind));
        left.next()
    }
}

/// How long a period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Every {
    Month,
    Quarter,
    Year,
}

impl Every {
    pub const ALL: [Self; 3] = [Self::Month, Self::Quarter, Self::Year];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Month => "MONTH",
            Self::Quarter => "QUARTER",
            Self::Year => "YEAR",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|every| every.as_str() == text)
    }

    fn months(self) -> i32 {
        match self {
            Self::Month => 1,
            Self::Quarter => 3,
            Self::Year => 12,
        }
    }
}

/// A charge of a partner as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeState {
    pub charge: ScheduledCharge,
    /// The day of the last period that was charged for this reason, by this charge or one before it.
    pub charged: Option<BusinessDate>,
    /// The day of the next period; none: it is over, or was taken off.
    pub next: Option<BusinessDate>,
}

/// When a day of the coalition's calendar begins.
pub fn begin_of(day: BusinessDate, zone: &TimeZone) -> Timestamp {
    Timestamp::of_wall(day.to_jiff().into(), zone).unwrap_or(Timestamp::NEVER)
}

/// What a partner is charged from now on; it takes the place of all that there was.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ChargesFacts {
    pub partner: PartnerId,
    /// With the day of the next period of each; none if it has none left.
    pub charges: Vec<(ScheduledCharge, Option<BusinessDate>)>,
    pub before: Vec<ScheduledCharge>,
}

/// A partner was charged for a period.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ChargedFacts {
    pub partner: PartnerId,
    /// The day on which the period begins.
    pub period: BusinessDate,
    /// The day of the next one.
    pub next: Option<BusinessDate>,
}
