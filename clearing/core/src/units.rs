//! Quantities and identifiers: parsed once at the edge, whole numbers inside, every operation checked.

use std::fmt;
use std::io::{Read, Write};
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};
use rust_decimal::Decimal;

/// A result did not fit into 64 bits. The rules turn it into the rejection `OVERFLOW`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the result does not fit into 64 bits")]
pub struct Overflow;

/// A text is not of the form that its type asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
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
    /// Points times a price per point. Exact, because a price is exact at the coalition's scale.
    ///
    /// Rule: quantities
    pub fn times(self, price: Money) -> Result<Money, Overflow> {
        self.0.checked_mul(price.0).map(Money).ok_or(Overflow)
    }
}

impl Money {
    /// Reads a decimal text such as `-58.80` at `scale` digits. `None` if it has more digits than the scale or does
    /// not fit.
    pub fn exact(value: Decimal, scale: u32) -> Option<Self> {
        let value = value.normalize();
        let shift = scale.checked_sub(value.scale())?;
        let units = value.mantissa().checked_mul(10i128.checked_pow(shift)?)?;
        i64::try_from(units).ok().map(Self)
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
    const MICROS_PER_SECOND: i64 = 1_000_000;

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

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let moment: jiff::Timestamp =
            text.parse().map_err(|_| Malformed(format!("{text:?} is not a time such as 2026-02-01T00:00:00Z")))?;
        Ok(Self::from_jiff(moment))
    }
}

/// The longest name of a partner, in bytes.
pub const PARTNER_ID_MAX: usize = 31;

/// A partner's name: 1 to 31 characters of `A-Z a-z 0-9 _ -`. Ordered by its bytes, which is the order of every tie
/// between partners. Kept inline, so that it copies like a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartnerId {
    bytes: [u8; PARTNER_ID_MAX],
    length: u8,
}

impl PartnerId {
    /// The operator's own name as a partner and participant of every settlement.
    pub fn operator() -> Self {
        "operator".parse().expect("a valid name")
    }

    pub fn is_operator(&self) -> bool {
        self.as_str() == "operator"
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
        let fits = !text.is_empty()
            && text.len() <= PARTNER_ID_MAX
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        if !fits {
            return Err(Malformed(format!("{text:?} is not a partner id: 1 to 31 characters of A-Z a-z 0-9 _ -")));
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
    let malformed = || Malformed(format!("{text:?} is not a UUID such as 0193a7c2-5d0e-7c3a-9f00-0123456789ab"));
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
        let malformed = || Malformed(format!("{text:?} is not an entry id, which reads <uuid>.<number>"));
        let (batch, ordinal) = text.split_once('.').ok_or_else(malformed)?;
        let digits = !ordinal.is_empty() && ordinal.bytes().all(|byte| byte.is_ascii_digit());
        let ordinal = ordinal.parse().ok().filter(|_| digits).ok_or_else(malformed)?;
        Ok(Self { batch: batch.parse().map_err(|_| malformed())?, ordinal })
    }
}

/// A keyed hash of an identifier's scheme and value. The value itself is never kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct IdentifierHash(pub [u8; 32]);

/// The number of a window, from 1.
pub type WindowNumber = u32;

/// A currency of ISO 4217: three capital letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Currency([u8; 3]);

impl Currency {
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("checked when parsed")
    }

    /// The digits of the currency's minor unit (ISO 4217 list one): 2 for most, and the exceptions by name.
    pub fn minor_digits(&self) -> u32 {
        match self.as_str() {
            "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND"
            | "VUV" | "XAF" | "XOF" | "XPF" => 0,
            "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
            "CLF" | "UYW" => 4,
            _ => 2,
        }
    }
}

impl FromStr for Currency {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let bytes: [u8; 3] = text
            .as_bytes()
            .try_into()
            .ok()
            .filter(|bytes: &[u8; 3]| bytes.iter().all(u8::is_ascii_uppercase))
            .ok_or_else(|| Malformed(format!("{text:?} is not a currency code of ISO 4217 such as RUB")))?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
