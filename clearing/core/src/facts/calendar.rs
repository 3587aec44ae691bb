//! The calendar as it is written down: which cut-offs it names, which days its banks do not work, and its versions.
//!
//! What follows from it, the cut-offs themselves, is worked out in [`schedule`](crate::schedule) and stored nowhere.

use std::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::facts::origin::BusinessDate;
use crate::units::Timestamp;

/// The published schedule of cut-offs. Without any windows are closed by hand only.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// Of several that fall on the same moment the first one says when it is paid.
    #[serde(default)]
    pub cut_offs: Vec<CutOffPattern>,
    /// An IANA time zone name, in whose times the cut-offs are told; empty: UTC.
    #[serde(default)]
    pub time_zone: String,
    /// The days of the week on which banks do not work, at most three.
    #[serde(default = "saturday_and_sunday")]
    pub weekend: BTreeSet<Weekday>,
    /// Holidays that a rule gives for every year.
    #[serde(default)]
    pub holiday_rules: BTreeSet<HolidayRule>,
    /// Holidays by date, besides.
    #[serde(default)]
    pub holidays: BTreeSet<BusinessDate>,
    /// Days on which banks work although they would be free: a weekend that was moved. They go before all else.
    #[serde(default)]
    pub working_days: BTreeSet<BusinessDate>,
}

impl Calendar {
    /// Cut-offs in a calendar at the most.
    pub const CUT_OFFS_MAX: usize = 16;
    /// Days of a week without banks at the most.
    pub const WEEKEND_MAX: usize = 3;
    /// Holidays by date at the most, and working days.
    pub const DATES_MAX: usize = 1_000;

    /// A calendar of these cron expressions, with weekends and no other holiday.
    pub fn of<T: Into<String>>(expressions: impl IntoIterator<Item = T>, time_zone: &str) -> Self {
        let cut_offs = expressions.into_iter().map(CutOffPattern::new).collect();
        Self { cut_offs, time_zone: time_zone.to_owned(), weekend: saturday_and_sunday(), ..Self::default() }
    }
}

fn saturday_and_sunday() -> BTreeSet<Weekday> {
    BTreeSet::from([Weekday::Saturday, Weekday::Sunday])
}

/// A row of cut-offs, and when the money of each moves.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CutOffPattern {
    /// Five fields: minute, hour, day of month, month, day of week.
    pub cron_expression: String,
    /// What becomes of one whose day is no business day.
    #[serde(default)]
    pub on_holiday: OnHoliday,
    /// Business days after the cut-off's on which its settlement is told, from 0.
    #[serde(default)]
    pub advice_days: u8,
    /// Business days after the cut-off's on which it is paid; no fewer than `advice_days`.
    #[serde(default)]
    pub payment_days: u8,
}

impl CutOffPattern {
    /// Characters of an expression at the most.
    pub const EXPRESSION_LENGTH_MAX: usize = 128;
    /// Business days at the most until it is told, and until it is paid.
    pub const DAYS_MAX: u8 = 30;

    /// Cut-offs on any day, told and paid on the business day that it is or that follows.
    pub fn new(cron_expression: impl Into<String>) -> Self {
        let cron_expression = cron_expression.into();
        Self { cron_expression, on_holiday: OnHoliday::Keep, advice_days: 0, payment_days: 0 }
    }
}

/// What becomes of a cut-off whose day is no business day.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum OnHoliday {
    /// It is on that day.
    #[default]
    Keep,
    /// It is at the same time of the last business day before.
    Before,
    /// It is at the same time of the next business day.
    After,
    /// There is none.
    Skip,
}

impl OnHoliday {
    pub const ALL: [Self; 4] = [Self::Keep, Self::Before, Self::After, Self::Skip];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "KEEP",
            Self::Before => "BEFORE",
            Self::After => "AFTER",
            Self::Skip => "SKIP",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|what| what.as_str() == text)
    }
}

/// A day of the week.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Weekday {
    pub const ALL: [Self; 7] =
        [Self::Monday, Self::Tuesday, Self::Wednesday, Self::Thursday, Self::Friday, Self::Saturday, Self::Sunday];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Monday => "MONDAY",
            Self::Tuesday => "TUESDAY",
            Self::Wednesday => "WEDNESDAY",
            Self::Thursday => "THURSDAY",
            Self::Friday => "FRIDAY",
            Self::Saturday => "SATURDAY",
            Self::Sunday => "SUNDAY",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|day| day.as_str() == text)
    }
}

/// Holidays that are the same rule every year. What a name means never changes, as cut-offs that are published hang on it: a
/// law that changes them is another name.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub enum HolidayRule {
    /// The days on which T2, the Eurosystem's payment system, is closed besides weekends (since 2002).
    #[serde(rename = "TARGET")]
    Target,
    /// The holidays of all of Germany; none of a single state.
    #[serde(rename = "DE")]
    Germany,
    /// The holidays of article 112 of Russia's Labour Code. Weekends that the government moves are dates of each year, and must
    /// be given as such.
    #[serde(rename = "RU")]
    Russia,
    /// The holidays of the Federal Reserve Banks (since 2022): of those on a Sunday the Monday behind is free, of those on a
    /// Saturday no other day.
    #[serde(rename = "US-FED")]
    UsFederalReserve,
}

impl HolidayRule {
    pub const ALL: [Self; 4] = [Self::Target, Self::Germany, Self::Russia, Self::UsFederalReserve];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Target => "TARGET",
            Self::Germany => "DE",
            Self::Russia => "RU",
            Self::UsFederalReserve => "US-FED",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.as_str() == text)
    }
}

/// A calendar with the time from which it rules.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CalendarVersion {
    /// Of the coalition's calendars, from 1.
    pub number: u32,
    /// It rules cut-offs behind this, up to the time of the next version and at it.
    pub effective: Timestamp,
    pub calendar: Calendar,
}

/// The calendar in force, those that are announced, and those of which cut-offs may still have to be kept; by time.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Calendars(Vec<CalendarVersion>);

impl Calendars {
    /// Calendars that are announced at the most.
    pub const ANNOUNCED_MAX: usize = 8;

    /// Versions as they were stored; those without order stand in it afterwards.
    pub fn stored(mut versions: Vec<CalendarVersion>) -> Self {
        versions.sort_by_key(|version| version.effective);
        Self(versions)
    }

    pub fn iter(&self) -> std::slice::Iter<'_, CalendarVersion> {
        self.0.iter()
    }

    /// The version that rules from a moment on.
    pub fn version_from(&self, moment: Timestamp) -> Option<&CalendarVersion> {
        self.0.iter().rev().find(|version| version.effective <= moment).or_else(|| self.0.first())
    }

    /// The calendar that rules from a moment on; an empty one if there is none.
    pub fn in_force(&self, moment: Timestamp) -> Calendar {
        self.version_from(moment).map(|version| version.calendar.clone()).unwrap_or_default()
    }

    /// The number of the next version.
    pub fn next_number(&self) -> u32 {
        self.0.last().map_or(1, |version| version.number + 1)
    }

    /// How many rule only from a later moment on.
    pub fn announced(&self, now: Timestamp) -> usize {
        self.0.iter().filter(|version| version.effective > now).count()
    }

    /// These with one more, which takes the place of those that would begin with it or later.
    #[must_use]
    pub fn with(&self, version: CalendarVersion) -> Self {
        let mut versions = self.0.clone();
        versions.retain(|known| known.effective < version.effective);
        versions.push(version);
        Self(versions)
    }

    /// These without those that rule no cut-off behind a moment.
    #[must_use]
    pub fn behind(mut self, moment: Timestamp) -> Self {
        let first = self.0.iter().rposition(|version| version.effective <= moment).unwrap_or(0);
        self.0.drain(..first);
        self
    }
}

/// A calendar that has always ruled.
impl From<Calendar> for Calendars {
    fn from(calendar: Calendar) -> Self {
        Self(vec![CalendarVersion { number: 1, effective: Timestamp::FIRST, calendar }])
    }
}

/// A cut-off as it is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CutOff {
    /// When the open window closes.
    pub time: Timestamp,
    /// The version of the calendar that names it.
    pub version: u32,
    /// When its settlement is told, and when it is paid.
    pub days: SettlementDays,
    /// No other cut-off of its calendar year follows it.
    pub last_of_year: bool,
}

/// When a settlement is told to partners, and when it is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct SettlementDays {
    pub advice: BusinessDate,
    pub payment: BusinessDate,
}
