//! Receipts and their lines, by which a repeated booking is known.

use borsh::{BorshDeserialize, BorshSerialize};
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use crate::facts::entry::{Entry, EntryKind};
use crate::facts::origin::{BusinessDate, Code, Origin};
use crate::units::{EntryId, Hash, PartnerId, Timestamp};

/// A receipt of a partner's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Receipt {
    pub partner: PartnerId,
    pub store: Option<Code>,
    pub till: Option<Code>,
    pub date: BusinessDate,
    pub number: Code,
}

/// Where what is known of a receipt lies among that of all others: most significant first, the day, as days since 1970
/// modulo 2^16 (2 bytes); of a hash of the partner 2 bytes; of one of store and till 4 bytes; of one of the number without
/// the digits at its end 3 bytes; those digits, the last 12 at the most, as a number (5 bytes).
///
/// What is booked now so lies at one end, and there a till's own receipts one after the other, however it numbers them. Two
/// receipts may have one key: which of them is meant is in the entries that were booked with them.
///
/// Rule: receipt-key
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReceiptKey(pub u128);

/// So many digits fit into 5 bytes.
const COUNTED_DIGITS_MAX: usize = 12;

impl Receipt {
    /// Where it lies. Not unique: see [`ReceiptKey`].
    pub fn key(&self) -> ReceiptKey {
        let (store, till) = (text(self.store.as_ref()), text(self.till.as_ref()));
        let day = u128::from(self.date.day_number().rem_euclid(1 << 16).unsigned_abs());
        let partner: [u8; 2] = first_bytes(&[self.partner.as_str()]);
        let till: [u8; 4] = first_bytes(&[store, till]);
        let (series, count) = in_series(self.number.as_str());
        let series: [u8; 3] = first_bytes(&[series]);
        let hashed = [partner.as_slice(), &till, &series].concat();
        let hashed = hashed.iter().fold(0, |bits, byte| bits << 8 | u128::from(*byte));
        ReceiptKey(day << 112 | hashed << 40 | u128::from(count))
    }
}

/// A receipt's number as those who print it count: what stays the same, and the digits at the end as a number.
fn in_series(number: &str) -> (&str, u64) {
    let digits = number.bytes().rev().take(COUNTED_DIGITS_MAX).take_while(u8::is_ascii_digit).count();
    let (series, count) = number.split_at(number.len() - digits);
    (series, count.parse().unwrap_or(0))
}

/// The text of a code; empty for none, as no code is.
fn text(code: Option<&Code>) -> &str {
    code.map_or("", Code::as_str)
}

/// The first bytes of a hash over texts, each behind its length, so that no other texts come to the same bytes.
fn first_bytes<const N: usize>(texts: &[&str]) -> [u8; N] {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    let hash: Hash = hash.finalize().into();
    std::array::from_fn(|at| hash[at])
}

/// What a line of a receipt was booked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Earn,
    Spend,
}

/// A line of a receipt on one side: it is booked once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReceiptLine {
    pub receipt: Receipt,
    pub side: Side,
    /// 0 for the receipt as a whole.
    pub line: u32,
}

impl ReceiptLine {
    /// The line that an origin names. A receipt without a business date is one of the day on which it is booked.
    ///
    /// Rule: receipt-line
    pub fn of(partner: PartnerId, origin: &Origin, side: Side, time: Timestamp, zone: &TimeZone) -> Option<Self> {
        let number = origin.receipt_number.clone()?;
        let date = origin.day(time, zone);
        let receipt = Receipt { partner, store: origin.store.clone(), till: origin.till.clone(), date, number };
        Some(Self { receipt, side, line: origin.receipt_line.unwrap_or(0) })
    }

    /// The line that an entry was booked for.
    pub fn of_entry(entry: &Entry, zone: &TimeZone) -> Option<Self> {
        Self::of(entry.partner, &entry.origin, Self::side_of(entry.kind)?, entry.time, zone)
    }

    /// The entry whose line is free again after an entry: an undone one, unless what was undone is a return, which takes
    /// points of a redemption again that stands.
    pub fn freed_by(entry: &Entry) -> Option<EntryId> {
        let takes = entry.redemption().is_some_and(|facts| facts.points.0 > 0);
        entry.link.filter(|_| entry.kind == EntryKind::Undo && !takes)
    }

    pub(crate) fn side_of(kind: EntryKind) -> Option<Side> {
        let spends = matches!(kind, EntryKind::Redeem | EntryKind::Authorize);
        if spends { Some(Side::Spend) } else { (kind == EntryKind::Issue).then_some(Side::Earn) }
    }

    /// All lines of a receipt on one side.
    pub fn range(receipt: &Receipt, side: Side) -> std::ops::RangeInclusive<Self> {
        let line = |line| Self { receipt: receipt.clone(), side, line };
        line(0)..=line(u32::MAX)
    }
}

impl std::fmt::Display for ReceiptLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Receipt { store, till, date, number, .. } = &self.receipt;
        write!(f, "receipt {} of {date}", number.as_str())?;
        if self.line > 0 {
            write!(f, ", line {}", self.line)?;
        }
        for (what, code) in [("store", store), ("till", till)] {
            if let Some(code) = code {
                write!(f, ", {what} {}", code.as_str())?;
            }
        }
        Ok(())
    }
}
