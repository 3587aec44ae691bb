//! Quantities and identifiers: parsed once at the edge, whole numbers inside, every operation checked.

use std::fmt;
use std::io::{Read, Write};
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory as _};

/// A result did not fit into 64 bits. The rules turn it into the rejection `OVERFLOW`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the result does not fit into 64 bits")]
pub struct Overflow;

/// A text is not of the form that its type asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

/// Digits of a number as text, before and behind the point.
const WHOLE_DIGITS_MAX: usize = 19;
const DECIMALS_MAX: usize = 9;

/// Reads a number as text. There is one grammar for the wire, the command line and files, so that a number means the same
/// wherever it is written: an optional `-`, at most 19 digits, optionally `.` and at most 9 digits. Nothing is mended: no
/// `+`, no `_`, no exponent, no point without digits on both sides, no needless zero in front, no `-0`. The decimals are
/// kept as they are written, zeros too.
///
/// # Errors
/// [`Malformed`], saying what is wrong.
///
/// Rule: numbers
pub fn number(text: &str) -> Result<Decimal, Malformed> {
    let malformed = |why: &str| Malformed(format!("{} is not a number such as -58.80: {why}", shown(text)));
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, decimals) = match unsigned.split_once('.') {
        Some((whole, decimals)) => (whole, Some(decimals)),
        None => (unsigned, None),
    };
    let are_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(whole) || !decimals.is_none_or(are_digits) {
        return Err(malformed("an optional -, digits, and optionally a point with digits behind it are allowed"));
    }
    if whole.len() > 1 && whole.starts_with('0') {
        return Err(malformed("a zero in front is not allowed"));
    }
    if whole.len() > WHOLE_DIGITS_MAX {
        return Err(malformed(&format!("{} digits, and {WHOLE_DIGITS_MAX} are the most", whole.len())));
    }
    let decimals = decimals.unwrap_or_default();
    if decimals.len() > DECIMALS_MAX {
        return Err(malformed(&format!("{} decimals, and {DECIMALS_MAX} are the most", decimals.len())));
    }
    let digits: i128 = whole.bytes().chain(decimals.bytes()).fold(0, |sum, digit| sum * 10 + i128::from(digit - b'0'));
    let scale = u32::try_from(decimals.len()).expect("at most nine");
    if text.len() == unsigned.len() {
        return Ok(Decimal::from_i128_with_scale(digits, scale));
    }
    if digits == 0 {
        return Err(malformed("zero has no sign"));
    }
    Ok(Decimal::from_i128_with_scale(-digits, scale))
}

/// Reads a whole number in the grammar of [`number`].
///
/// # Errors
/// [`Malformed`] for another text, one with decimals, or a number beyond 64 bits.
pub fn whole(text: &str) -> Result<i64, Malformed> {
    let value = number(text)?;
    if value.scale() > 0 {
        return Err(Malformed(format!("{} is not a whole number", shown(text))));
    }
    i64::try_from(value.mantissa()).map_err(|_| Malformed(format!("{} does not fit into 64 bits", shown(text))))
}

/// Reads a number that the house itself writes into ids, names of accounts and places: digits without a needless zero in
/// front, so that one thing has one name. `None` for another text, or a number beyond the type.
pub fn digits<T: FromStr>(text: &str) -> Option<T> {
    let canonical = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = canonical && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| canonical)
}

/// Refuses a text that two people could read differently, or not at all: codes of stores, tills and receipts, identifiers
/// of members, names. Allowed are 1 to `length_max` code points of which none is a control, format, private or unassigned
/// character, or a space other than U+0020; that one not at the ends; all in the composed form (NFC). Nothing is mended:
/// a code that was changed on its way in would not be found again by whoever sent it.
///
/// # Errors
/// [`Malformed`], saying what is wrong and where, without the text: it may be somebody's card or phone.
///
/// Rule: codes
pub fn check_text(text: &str, length_max: usize) -> Result<(), Malformed> {
    let length = text.chars().count();
    if text.is_empty() || length > length_max {
        return Err(Malformed(format!("it has {length} characters, and 1 to {length_max} are allowed")));
    }
    if text.starts_with(' ') || text.ends_with(' ') {
        return Err(Malformed("it begins or ends with a space".to_owned()));
    }
    let separates = |character: char| match character.general_category_group() {
        GeneralCategoryGroup::Other => true,
        GeneralCategoryGroup::Separator => character != ' ',
        GeneralCategoryGroup::Letter
        | GeneralCategoryGroup::Mark
        | GeneralCategoryGroup::Number
        | GeneralCategoryGroup::Punctuation
        | GeneralCategoryGroup::Symbol => false,
    };
    let refused = |character: &char| if text.is_ascii() { character.is_ascii_control() } else { separates(*character) };
    if let Some((at, character)) = text.chars().enumerate().find(|(_, character)| refused(character)) {
        let (code, place) = (u32::from(character), at + 1);
        return Err(Malformed(format!(
            "character {place} is U+{code:04X}: control, format, private and unassigned characters and spaces other than \
             U+0020 are not allowed"
        )));
    }
    if !text.is_ascii() && !unicode_normalization::is_nfc(text) {
        let place = text.chars().zip(text.nfc()).take_while(|(given, composed)| given == composed).count() + 1;
        return Err(Malformed(format!("from character {place} on it is not in the composed form of Unicode (NFC)")));
    }
    Ok(())
}

/// Refuses what cannot be the value of a member's identifier (a card, a phone, the content of a QR code): another text than
/// [`check_text`] lets pass, a blank in it, and a character that is another one written differently, such as a full-width
/// digit. A card is read by machines and typed by people: were two spellings of its number taken, it would be two members.
///
/// # Errors
/// [`Malformed`], naming the character and its place, without the text: it is somebody's card or phone.
///
/// Rule: identifiers
pub fn check_identifier(text: &str, length_max: usize) -> Result<(), Malformed> {
    check_text(text, length_max)?;
    let spelled_otherwise = |character: char| {
        let decimal = character.general_category() == GeneralCategory::DecimalNumber;
        (decimal && !character.is_ascii_digit()) || !std::iter::once(character).nfkc().eq([character])
    };
    for (at, character) in text.chars().enumerate() {
        let (code, place) = (u32::from(character), at + 1);
        if character == ' ' {
            return Err(Malformed(format!("character {place} is U+{code:04X}: an identifier has no blanks")));
        }
        if !character.is_ascii() && spelled_otherwise(character) {
            return Err(Malformed(format!(
                "character {place} is U+{code:04X}: another form of a character that an identifier has in its common form, \
                 such as the digits 0 to 9"
            )));
        }
    }
    Ok(())
}

/// Characters of a caller's text that a message repeats at the most.
pub const SHOWN_MAX: usize = 100;

/// A caller's text as a message repeats it: in quotes, and no more than the first [`SHOWN_MAX`] characters.
pub fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// Gives a type that is written and read as text the same form in files and in settings that are stored.
macro_rules! as_text {
    ($($name:ident),+) => {
        $(
            impl serde::Serialize for $name {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.collect_str(self)
                }
            }

            impl<'de> serde::Deserialize<'de> for $name {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    <String as serde::Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
                }
            }
        )+
    };
}
pub(crate) use as_text;

as_text!(Rate, Timestamp, PartnerId, MemberId, RequestId, EntryId);

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
            Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl $name {
            pub const ZERO: Self = Self(0);

            /// `self + other`, or [`Overflow`].
            pub fn plus(self, other: Self) -> Result<Self, Overflow> {
                self.0.checked_add(other.0).map(Self).ok_or(Overflow)
            }

            /// `self - other`, or [`Overflow`].
            pub fn minus(self, other: Self) -> Result<Self, Overflow> {
                self.0.checked_sub(other.0).map(Self).ok_or(Overflow)
            }

            /// `-self`, or [`Overflow`].
            pub fn negated(self) -> Result<Self, Overflow> {
                self.0.checked_neg().map(Self).ok_or(Overflow)
            }

            pub fn is_zero(self) -> bool {
                self.0 == 0
            }
        }
    };
}

quantity!(
    /// Whole points.
    Points
);
quantity!(
    /// Money in units of 10^-scale of the coalition's currency.
    Money
);

impl Points {
    /// The most points that one operation may name. With at most 2^13 operations in a batch no sum of a batch comes near the
    /// end of 64 bits.
    pub const OPERATION_MAX: Self = Self(1_000_000_000_000);

    /// The points, if an operation may name them.
    ///
    /// # Errors
    /// [`Malformed`] for none, less than none, or more than [`OPERATION_MAX`](Self::OPERATION_MAX).
    ///
    /// Rule: operation-points
    pub fn of_operation(self) -> Result<Self, Malformed> {
        let (points, most) = (self.0, Self::OPERATION_MAX.0);
        match points {
            ..=0 => Err(Malformed(format!("{points} is not above zero"))),
            _ if points > most => Err(Malformed(format!("{points} is above {most}, the most points of one operation"))),
            _ => Ok(self),
        }
    }

    /// Points times a price per point. Exact, because a price is exact at the coalition's scale.
    ///
    /// Rule: quantities
    pub fn times(self, price: Money) -> Result<Money, Overflow> {
        self.0.checked_mul(price.0).map(Money).ok_or(Overflow)
    }
}

impl Money {
    /// An amount such as -58.80 at `scale` digits. `None` if it has more digits than the scale, be they zeros, or does not
    /// fit.
    pub fn exact(value: Decimal, scale: u32) -> Option<Self> {
        let shift = scale.checked_sub(value.scale())?;
        let units = value.mantissa().checked_mul(10i128.checked_pow(shift)?)?;
        i64::try_from(units).ok().map(Self)
    }

    /// As [`exact`](Self::exact).
    ///
    /// # Errors
    /// [`Malformed`], saying which of the two it is.
    pub fn of(value: Decimal, scale: u32) -> Result<Self, Malformed> {
        Self::exact(value, scale).ok_or_else(|| {
            let decimals = value.scale();
            Malformed(if decimals > scale {
                format!("{value} has {decimals} decimals, and the coalition's money has {scale}")
            } else {
                format!("{value} does not fit into 64 bits of units of 10^-{scale}")
            })
        })
    }

    /// Reads an amount in the grammar of [`number`].
    ///
    /// # Errors
    /// [`Malformed`] for another text, and as [`of`](Self::of).
    pub fn read(text: &str, scale: u32) -> Result<Self, Malformed> {
        Self::of(number(text)?, scale)
    }

    /// The decimal text of this amount with exactly `scale` digits behind the point.
    pub fn text(self, scale: u32) -> String {
        Decimal::from_i128_with_scale(i128::from(self.0), scale).to_string()
    }
}

/// A rate between 0 and 1 with at most nine decimals, such as an acceptance fee of `0.02`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Rate {
    /// The rate in billionths.
    billionths: u64,
}

impl Rate {
    pub const ZERO: Self = Self { billionths: 0 };
    pub const ONE: Self = Self { billionths: Self::UNIT };
    const UNIT: u64 = 1_000_000_000;

    /// # Errors
    /// [`Malformed`] below 0, above 1, or with more than nine decimals.
    pub fn new(value: Decimal) -> Result<Self, Malformed> {
        let billionths = Money::exact(value, 9)
            .and_then(|units| u64::try_from(units.0).ok())
            .filter(|units| *units <= Self::UNIT)
            .ok_or_else(|| {
                Malformed(format!("{value} is not a rate: a decimal from 0 to 1 with at most 9 decimals"))
            })?;
        Ok(Self { billionths })
    }

    pub fn decimal(self) -> Decimal {
        Decimal::from_i128_with_scale(i128::from(self.billionths), 9).normalize()
    }

    pub fn billionths(self) -> u64 {
        self.billionths
    }

    pub fn is_zero(self) -> bool {
        self.billionths == 0
    }

    /// The rate's share of an amount, rounded half up: floor(x + 1/2), also below zero.
    ///
    /// Rule: rounding-half-up
    pub fn of_half_up(self, amount: Money) -> Money {
        let exact = i128::from(amount.0) * i128::from(self.billionths);
        let unit = i128::from(Self::UNIT);
        let rounded = (2 * exact + unit).div_euclid(2 * unit);
        Money(i64::try_from(rounded).expect("a share of at most 1 is no larger than the whole"))
    }

    /// The rate's share of an amount of points, rounded down.
    pub fn of_floor(self, points: Points) -> Points {
        let exact = i128::from(points.0) * i128::from(self.billionths);
        let rounded = exact.div_euclid(i128::from(Self::UNIT));
        Points(i64::try_from(rounded).expect("a share of at most 1 is no larger than the whole"))
    }

    /// The rate's share of an amount, rounded up.
    pub fn of_ceil(self, amount: Money) -> Money {
        let exact = i128::from(amount.0) * i128::from(self.billionths);
        let rounded = -(-exact).div_euclid(i128::from(Self::UNIT));
        Money(i64::try_from(rounded).expect("a share of at most 1 is no larger than the whole"))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.decimal().fmt(f)
    }
}

impl FromStr for Rate {
    type Err = Malformed;

    /// Reads a rate in the grammar of [`number`].
    fn from_str(text: &str) -> Result<Self, Malformed> {
        Self::new(number(text)?)
    }
}

/// `numerator / denominator`, rounded half up: floor(x + 1/2), also below zero. `denominator` must be positive.
pub fn half_up(numerator: i128, denominator: i128) -> i128 {
    (2 * numerator + denominator).div_euclid(2 * denominator)
}

/// Splits a whole `total` by `weights`: each exact share is floored, and the units left go one each to the largest
/// remainders; ties go to the earlier weight. Weights are not negative and not all zero. The total may be negative.
///
/// Rule: largest-remainder
pub fn largest_remainder(total: i64, weights: &[i64]) -> Vec<i64> {
    let sum: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
    assert!(sum > 0, "a split needs a positive weight");
    let exact = |weight: i64| i128::from(total) * i128::from(weight);
    let mut shares: Vec<i128> = weights.iter().map(|weight| exact(*weight).div_euclid(sum)).collect();
    let mut left = i128::from(total) - shares.iter().sum::<i128>();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|at| (-exact(weights[*at]).rem_euclid(sum), *at));
    for at in order {
        if left == 0 {
            break;
        }
        shares[at] += 1;
        left -= 1;
    }
    shares.into_iter().map(|share| i64::try_from(share).expect("a share is no larger than the whole")).collect()
}

/// A moment: microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Later than every moment of a calendar: the expiry of a lot that never expires.
    pub const NEVER: Self = Self(i64::MAX);
    /// The first moment that anybody may name: 1970-01-01T00:00:00Z.
    pub const FIRST: Self = Self(0);
    /// The last one, 9999-12-30T22:00:00Z: two hours of the last day are left to it in the time zone that is furthest ahead,
    /// so that every zone's calendar has it.
    pub const LAST: Self = Self::from_seconds(253_402_207_200);
    const MICROS_PER_SECOND: i64 = 1_000_000;

    /// The moment, if somebody may name it: times are between 1970 and 9999.
    ///
    /// # Errors
    /// [`Malformed`], with the first and the last moment.
    ///
    /// Rule: times
    pub fn named(self) -> Result<Self, Malformed> {
        if (Self::FIRST..=Self::LAST).contains(&self) {
            return Ok(self);
        }
        Err(Malformed(format!("lies outside of {} to {}", Self::FIRST, Self::LAST)))
    }

    /// When a time on the wall of a zone is: one that the zone skips, at the end of the gap; one that comes twice, the first
    /// time. `None` if the calendar does not have it.
    ///
    /// Rule: local-time
    pub fn of_wall(civil: DateTime, zone: &TimeZone) -> Option<Self> {
        let ambiguous = zone.to_ambiguous_timestamp(civil);
        let offset = ambiguous.offset();
        let earlier = ambiguous.earlier().ok()?;
        let moment = match offset {
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => earlier,
            // The earlier reading of a skipped time lies before the gap, and the next change of offset is its end.
            AmbiguousOffset::Gap { .. } => zone.following(earlier).next()?.timestamp(),
        };
        Some(Self::from_jiff(moment))
    }

    /// The expiry of a lot that lives until so many days after its owner's last activity. Such expiries stand in a band
    /// of their own right before [`NEVER`](Self::NEVER), so that a lot need not be rewritten when its owner is active.
    pub const fn after_inactivity(days: u16) -> Self {
        Self(Self::INACTIVITY_FIRST + days as i64)
    }

    const INACTIVITY_FIRST: i64 = i64::MAX - 1 - u16::MAX as i64;

    /// The days without activity after which a lot with this expiry ends, if it is of that kind.
    pub fn inactivity_days(self) -> Option<u16> {
        if self == Self::NEVER { None } else { u16::try_from(self.0.checked_sub(Self::INACTIVITY_FIRST)?).ok() }
    }

    /// Whether a lot with this expiry expires at a moment of its own.
    pub fn is_of_the_lot(self) -> bool {
        self.0 < Self::INACTIVITY_FIRST
    }

    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(Self::MICROS_PER_SECOND))
    }

    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(Self::MICROS_PER_SECOND)))
    }

    #[must_use]
    pub fn plus_days(self, days: i64) -> Self {
        self.plus_seconds(days.saturating_mul(86_400))
    }

    /// The moment as jiff knows it; moments beyond its calendar are clamped to its ends.
    pub fn to_jiff(self) -> jiff::Timestamp {
        let end = if self.0 < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(end)
    }

    pub fn from_jiff(moment: jiff::Timestamp) -> Self {
        Self(moment.as_microsecond())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.inactivity_days() {
            _ if *self == Self::NEVER => f.write_str("never"),
            Some(days) => write!(f, "{days} days after the last activity"),
            None => self.to_jiff().fmt(f),
        }
    }
}

impl FromStr for Timestamp {
    type Err = Malformed;

    /// Reads a time in the one form of RFC 3339 that the house takes: date, `T`, time to the second, optionally a point and
    /// at most six decimals, and `Z` or an offset such as `+03:00`.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let form = || Malformed(format!("{} is not a time such as 2026-02-01T00:00:00Z", shown(text)));
        if !has_form_of_time(text) {
            return Err(form());
        }
        let moment = match text.parse() {
            Ok(moment) => Self::from_jiff(moment),
            // A time of the calendar, beyond what the calendar's moments reach.
            Err(_) if text[..19].parse::<DateTime>().is_ok() => Self::NEVER,
            Err(_) => return Err(form()),
        };
        moment.named().map_err(|Malformed(problem)| Malformed(format!("{} {problem}", shown(text))))
    }
}

/// Whether a text is written as [`Timestamp`] reads it, whatever its numbers are.
fn has_form_of_time(text: &str) -> bool {
    // A second that was put in somewhere (60) is in no calendar of the house.
    let date_and_time = |bytes: &[u8]| is_like(bytes, b"0000-00-00T00:00:00") && &bytes[17..] != b"60";
    let Some((_, rest)) = text.as_bytes().split_at_checked(19).filter(|(head, _)| date_and_time(head)) else {
        return false;
    };
    let zone = match rest.strip_prefix(b".") {
        Some(decimals) => {
            let count = decimals.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if count == 0 || count > 6 {
                return false;
            }
            &decimals[count..]
        }
        None => rest,
    };
    zone == b"Z" || is_like(zone, b"+00:00") || is_like(zone, b"-00:00")
}

/// Whether a text has a digit wherever the pattern has one, and elsewhere what the pattern has.
fn is_like(text: &[u8], pattern: &[u8]) -> bool {
    let fits = |(byte, wanted): (&u8, &u8)| if *wanted == b'0' { byte.is_ascii_digit() } else { byte == wanted };
    text.len() == pattern.len() && text.iter().zip(pattern).all(fits)
}

/// The longest name of a partner, in bytes.
pub const PARTNER_ID_MAX: usize = 31;

/// The name of the operator as a partner.
const OPERATOR: &str = "operator";

/// Names that mean something of the house's own wherever a partner is named: accounts, ends of payment orders, roles.
const RESERVED_IDS: [&str; 11] =
    ["operator", "hub", "funds", "bank", "pool", "reserve", "unfunded", "unknown", "house", "auditor", "sandbox"];

/// The months as a spreadsheet reads them, by name; their first three letters, and `sept`, do as well.
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Refuses what cannot be the id of a brand or the name of an auditor: another form than 1 to 31 of `A-Z a-z 0-9 _ -`, what
/// a spreadsheet would take for a formula, a number, a date or a truth value, and the house's own names, in any case of
/// letters. Settlements, statements and orders are opened in spreadsheets, which change such a text without asking: `1e5`
/// becomes 100000, `MAR1` the first of March.
///
/// # Errors
/// [`Malformed`], saying what is wrong.
///
/// Rule: partner-ids
pub fn check_id(text: &str) -> Result<(), Malformed> {
    let malformed = |why: &str| Err(Malformed(format!("{} is not an id: {why}", shown(text))));
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if text.is_empty() || text.len() > PARTNER_ID_MAX || !text.bytes().all(fits) {
        return malformed("1 to 31 characters of A-Z a-z 0-9 _ - are allowed");
    }
    if !text.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return malformed("it must begin with a letter, or a spreadsheet may take it for a number or a formula");
    }
    if reads_as_date_or_truth(text) {
        return malformed("a spreadsheet takes it for a date or a truth value");
    }
    if RESERVED_IDS.iter().any(|reserved| text.eq_ignore_ascii_case(reserved)) {
        return malformed("the house uses this name itself, in any case of letters");
    }
    Ok(())
}

/// Whether a text that begins with a letter is `true` or `false`, or a month with nothing but digits and hyphens behind it.
fn reads_as_date_or_truth(text: &str) -> bool {
    let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (word, rest) = text.split_at(letters);
    if rest.is_empty() {
        return word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("false");
    }
    let is_month = |month: &&str| word.eq_ignore_ascii_case(month) || word.eq_ignore_ascii_case(&month[..3]);
    rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
        && (word.eq_ignore_ascii_case("sept") || MONTHS.iter().any(is_month))
}

/// A partner's name: `operator`, or what [`check_id`] lets pass. Ordered by its bytes, which is the order of every tie
/// between partners. Kept inline, so that it copies like a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartnerId {
    bytes: [u8; PARTNER_ID_MAX],
    length: u8,
}

impl PartnerId {
    /// The operator's own name as a partner and participant of every settlement.
    pub fn operator() -> Self {
        OPERATOR.parse().expect("a valid name")
    }

    pub fn is_operator(&self) -> bool {
        self.as_str() == OPERATOR
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).expect("checked when parsed")
    }

    /// The order of ties in settlement: by id, the operator last (rule `legs`).
    pub fn settlement_order(&self) -> (bool, Self) {
        (self.is_operator(), *self)
    }
}

impl FromStr for PartnerId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        // The one of the house's own names that is a partner's as well. It is never given to another.
        if text != OPERATOR {
            check_id(text)?;
        }
        let mut bytes = [0; PARTNER_ID_MAX];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self { bytes, length: u8::try_from(text.len()).expect("at most 31") })
    }
}

impl fmt::Display for PartnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for PartnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl BorshSerialize for PartnerId {
    fn serialize<W: Write>(&self, writer: &mut W) -> std::io::Result<()> {
        writer.write_all(&[self.length])?;
        writer.write_all(self.as_str().as_bytes())
    }
}

impl BorshDeserialize for PartnerId {
    fn deserialize_reader<R: Read>(reader: &mut R) -> std::io::Result<Self> {
        let length = u8::deserialize_reader(reader)?;
        let mut bytes = vec![0; usize::from(length)];
        reader.read_exact(&mut bytes)?;
        let invalid = || std::io::Error::new(std::io::ErrorKind::InvalidData, "not a partner id");
        std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok()).ok_or_else(invalid)
    }
}

/// Where the hyphens are in the form of a UUID.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// Writes sixteen bytes in the form of a UUID. Every answer holds several, so it is done by hand.
fn write_uuid(value: u128, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = [b'-'; 36];
    let mut rest = value;
    for at in (0..text.len()).rev().filter(|at| !HYPHENS.contains(at)) {
        let digit = u32::try_from(rest & 0xf).expect("four bits");
        text[at] = u8::try_from(char::from_digit(digit, 16).expect("below 16")).expect("a digit is ASCII");
        rest >>= 4;
    }
    f.write_str(std::str::from_utf8(&text).expect("digits and hyphens"))
}

/// Reads the hyphenated form of a UUID in lower or upper case, and no other.
fn read_uuid(text: &str) -> Result<u128, Malformed> {
    let malformed = || Malformed(format!("{} is not a UUID such as 0193a7c2-5d0e-7c3a-9f00-0123456789ab", shown(text)));
    if text.len() != 36 || !text.is_ascii() {
        return Err(malformed());
    }
    let mut value = 0u128;
    for (at, character) in text.char_indices() {
        if HYPHENS.contains(&at) {
            if character != '-' {
                return Err(malformed());
            }
            continue;
        }
        let digit = character.to_digit(16).ok_or_else(malformed)?;
        value = value << 4 | u128::from(digit);
    }
    Ok(value)
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u128);

        impl $name {
            pub fn bytes(self) -> [u8; 16] {
                self.0.to_be_bytes()
            }

            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(u128::from_be_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_uuid(self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = Malformed;

            fn from_str(text: &str) -> Result<Self, Malformed> {
                read_uuid(text).map(Self)
            }
        }

        impl BorshSerialize for $name {
            fn serialize<W: Write>(&self, writer: &mut W) -> std::io::Result<()> {
                writer.write_all(&self.bytes())
            }
        }

        impl BorshDeserialize for $name {
            fn deserialize_reader<R: Read>(reader: &mut R) -> std::io::Result<Self> {
                <[u8; 16]>::deserialize_reader(reader).map(Self::from_bytes)
            }
        }
    };
}

uuid_id!(
    /// A member: opaque, made by the house when the member is enrolled.
    MemberId
);
uuid_id!(
    /// A batch of the writer: the entries that were committed together.
    BatchId
);
uuid_id!(
    /// The key under which a partner asked, unique per partner for ever. A UUIDv7, whose first 48 bits are the time
    /// it was made, in milliseconds.
    RequestId
);

uuid_id!(
    /// An invite: made by whoever invites, a UUIDv7 as well.
    InviteId
);

impl InviteId {
    /// Whether it is a version 7 UUID.
    pub fn is_version_7(self) -> bool {
        RequestId(self.0).made_at().is_some()
    }
}

impl RequestId {
    /// No key that was made at a moment or later is less than this.
    pub fn first_of(time: Timestamp) -> Self {
        Self(u128::from(time.0.max(0).unsigned_abs() / 1000) << 80)
    }

    /// When the key was made, by its own account; `None` if it is not a version 7 UUID.
    pub fn made_at(self) -> Option<Timestamp> {
        let version = self.0 >> 76 & 0xf;
        let variant = self.0 >> 62 & 0b11;
        let millis = i64::try_from(self.0 >> 80).expect("48 bits");
        (version == 7 && variant == 0b10).then(|| Timestamp(millis.saturating_mul(1000)))
    }
}

/// Where an entry stands for ever: its batch and its place in it. Written `<batch>.<ordinal>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct EntryId {
    pub batch: BatchId,
    pub ordinal: u32,
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.batch, self.ordinal)
    }
}

impl FromStr for EntryId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || Malformed(format!("{} is not an entry id, which reads <uuid>.<number>", shown(text)));
        let (batch, ordinal) = text.split_once('.').ok_or_else(malformed)?;
        let ordinal = digits(ordinal).ok_or_else(malformed)?;
        Ok(Self { batch: batch.parse().map_err(|_| malformed())?, ordinal })
    }
}

/// The bytes that pairs of hexadecimal digits tell; none if the text is anything else.
pub fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// The first 16 bytes of a SHA-256 hash over what a request asks for, by which two wishes under one key are told apart. Only
/// who has the key writes under it, so another wish of the same hash (found after some 2^64 tries) would deceive nobody but
/// the one who made it; and a wish that somebody else asked for is not found by fewer than 2^128.
pub type ContentHash = [u8; 16];

/// A keyed hash of an identifier's scheme and value. The value itself is never kept.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct IdentifierHash(pub [u8; 32]);

/// The number of a window, from 1.
pub type WindowNumber = u32;

/// A currency of ISO 4217 that has a minor unit: three capital letters of its table. What has none (gold, the code for
/// testing, "no currency") is nothing that anybody pays in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Currency([u8; 3]);

impl Currency {
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("checked when parsed")
    }

    /// The digits of the currency's minor unit, by the table of ISO 4217.
    pub fn minor_digits(&self) -> u32 {
        minor_digits(self.as_str()).expect("checked when parsed")
    }
}

/// The digits of the minor unit of the currency with this code; none if there is no such currency or unit.
fn minor_digits(code: &str) -> Option<u32> {
    iso_currency::Currency::from_code(code)?.exponent().map(u32::from)
}

impl FromStr for Currency {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let bytes = <[u8; 3]>::try_from(text.as_bytes()).ok().filter(|_| minor_digits(text).is_some());
        let malformed = || {
            let shown = shown(text);
            Malformed(format!("{shown} is not the code of a currency with a minor unit in ISO 4217, such as RUB"))
        };
        bytes.map(Self).ok_or_else(malformed)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
