//! Receipts and their lines, by which a repeated booking is known.

use borsh::{BorshDeserialize, BorshSerialize};
use jiff::tz::TimeZone;

use crate::facts::entry::{Entry, EntryKind};
use crate::facts::origin::{BusinessDate, Code, Origin};
use crate::units::{EntryId, PartnerId, Timestamp};

/// A receipt of a partner's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Receipt {
    pub partner: PartnerId,
    pub store: Option<Code>,
    pub till: Option<Code>,
    pub date: BusinessDate,
    pub number: Code,
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
