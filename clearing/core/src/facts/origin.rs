//! Where in the shop a request comes from, and the codes by which partners name their own things.

use borsh::{BorshDeserialize, BorshSerialize};
use jiff::tz::TimeZone;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::units::{Hash, Malformed, Money, Timestamp, as_text, check_text, shown};

/// Where in the shop a command comes from. All of it is the partner's own codes, none of it free text.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Origin {
    pub store: Option<Code>,
    pub till: Option<Code>,
    pub receipt_number: Option<Code>,
    pub receipt_line: Option<u32>,
    /// The trading day as the shop counts it.
    pub business_date: Option<BusinessDate>,
    /// The till's own clock.
    pub business_time: Option<Timestamp>,
    pub receipt_total: Option<Money>,
    /// A counter that the device raises with every command, so that gaps can be seen.
    pub device_counter: Option<u64>,
    /// Commits to the attachment (the cashier, notes) by a salted hash.
    pub attachment: Option<Hash>,
}

impl Origin {
    /// The trading day of something booked at a time: what the till says, or else the day of the coalition's calendar.
    pub fn day(&self, time: Timestamp, zone: &TimeZone) -> BusinessDate {
        self.business_date.unwrap_or_else(|| BusinessDate::of(time.to_jiff().to_zoned(zone.clone()).date()))
    }
}

/// A code of somebody's own. Of a store, till or receipt: a text in which no character is invisible or can be mistaken for
/// another spelling of itself (see [`check_text`]). Of a period or a reason: a word of `A-Z a-z 0-9 . _ : / # -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Code(String);

impl Code {
    /// In code points.
    pub const LENGTH_MAX: usize = 64;
    pub const RECEIPT_LENGTH_MAX: usize = 128;

    /// The code of a store or till.
    ///
    /// # Errors
    /// [`Malformed`], saying what is wrong.
    pub fn new(text: &str) -> Result<Self, Malformed> {
        Self::of_length(text, Self::LENGTH_MAX)
    }

    /// The number of a receipt, which may be longer.
    ///
    /// # Errors
    /// [`Malformed`], saying what is wrong.
    pub fn receipt(text: &str) -> Result<Self, Malformed> {
        Self::of_length(text, Self::RECEIPT_LENGTH_MAX)
    }

    /// A reason, or a period: the operator's own words, which stay in the journal for ever and are none for free text.
    ///
    /// # Errors
    /// [`Malformed`] for a text that is empty, too long or has other characters.
    pub fn word(text: &str) -> Result<Self, Malformed> {
        let fits = !text.is_empty()
            && text.len() <= Self::LENGTH_MAX
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:/#-".contains(&byte));
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            let form = "1 to 64 characters of A-Z a-z 0-9 . _ : / # -";
            Err(Malformed(format!("{} is not a code: {form}", shown(text))))
        }
    }

    /// Reads a [`word`](Self::word), as serde's `deserialize_with`.
    pub(crate) fn read_word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::word(&<String as Deserialize>::deserialize(deserializer)?).map_err(D::Error::custom)
    }

    fn of_length(text: &str, length_max: usize) -> Result<Self, Malformed> {
        let named = |Malformed(problem)| Malformed(format!("{} is not a code: {problem}", shown(text)));
        check_text(text, length_max).map_err(named)?;
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Read as the code of a store or till.
impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&<String as Deserialize>::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A trading day, `2026-02-01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct BusinessDate {
    year: i16,
    month: i8,
    day: i8,
}

impl BusinessDate {
    /// The first year of the house's calendar.
    const YEAR_MIN: i16 = 1970;

    /// The date as a number that sorts: 20260201.
    pub fn number(self) -> i64 {
        i64::from(self.year) * 10_000 + i64::from(self.month) * 100 + i64::from(self.day)
    }

    /// # Errors
    /// [`Malformed`] for a number that is no date.
    pub fn from_number(number: i64) -> Result<Self, Malformed> {
        let part = |value: i64| i8::try_from(value).ok();
        let year = i16::try_from(number / 10_000).ok();
        let date = year.zip(part(number / 100 % 100)).zip(part(number % 100));
        let date = date.and_then(|((year, month), day)| jiff::civil::Date::new(year, month, day).ok());
        date.map(Self::of).ok_or_else(|| Malformed(format!("{number} is not a date such as 20260201")))
    }

    /// Days since 1970.
    pub fn day_number(self) -> i32 {
        let since = self.to_jiff().since(jiff::civil::date(1970, 1, 1)).expect("days between two dates are few");
        since.get_days()
    }

    pub fn of(date: jiff::civil::Date) -> Self {
        Self { year: date.year(), month: date.month(), day: date.day() }
    }

    pub fn to_jiff(self) -> jiff::civil::Date {
        jiff::civil::Date::constant(self.year, self.month, self.day)
    }
}

as_text!(BusinessDate);

impl std::str::FromStr for BusinessDate {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let form = text.len() == 10
            && text.bytes().enumerate().all(
                |(at, byte)| {
                    if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() }
                },
            );
        let date: Option<jiff::civil::Date> = if form { text.parse().ok() } else { None };
        let date = date.ok_or_else(|| Malformed(format!("{} is not a date such as 2026-02-01", shown(text))))?;
        if date.year() < Self::YEAR_MIN {
            return Err(Malformed(format!("{} lies outside of the years {} to 9999", shown(text), Self::YEAR_MIN)));
        }
        Ok(Self::of(date))
    }
}

impl std::fmt::Display for BusinessDate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}
