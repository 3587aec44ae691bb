//! What a receipt may be booked for: each line once, and with points no more than a share of it.

use crate::book::Book;
use crate::facts::entry::{Entry, EntryKind};
use crate::facts::receipt::{ReceiptLine, Side};
use crate::operation::Ask;
use crate::rejection::Rejection;
use crate::units::{Points, Rate};

impl Book {
    /// Refuses a line of a receipt that was booked before.
    ///
    /// Rule: duplicate-receipt
    pub(crate) fn check_receipt(&self, ask: &Ask<'_>, kind: EntryKind) -> Result<(), Rejection> {
        let Some(side) = ReceiptLine::side_of(kind) else { return Ok(()) };
        let zone = &self.house.coalition.time_zone;
        let line = ReceiptLine::of(ask.caller, ask.origin, side, ask.now, zone);
        let booked = line.and_then(|line| self.receipts.get(&line).map(|entry| (line.to_string(), *entry)));
        match booked {
            Some((receipt, entry)) => Err(Rejection::DuplicateReceipt { receipt, entry: entry.to_string() }),
            None => Ok(()),
        }
    }

    /// Refuses to let points pay more of a receipt than the partner's terms allow. What other lines of the receipt took
    /// counts too.
    ///
    /// Rule: receipt-share
    pub(crate) fn check_receipt_share(&self, ask: &Ask<'_>, points: Points) -> Result<(), Rejection> {
        let terms = self.house.partner(ask.caller)?.terms_at(ask.now);
        let (share, value) = (terms.receipt_share, i128::from(terms.tender_value.0));
        let Some(total) = ask.origin.receipt_total.filter(|_| share < Rate::ONE && value > 0) else { return Ok(()) };
        let payable = i128::from(total.0) * i128::from(share.billionths()) / i128::from(Rate::ONE.billionths()) / value;
        let zone = &self.house.coalition.time_zone;
        let line = ReceiptLine::of(ask.caller, ask.origin, Side::Spend, ask.now, zone);
        let taken: i128 = line.map_or(0, |line| {
            let lines = self.receipts.range(ReceiptLine::range(&line.receipt, Side::Spend));
            lines.filter_map(|(_, id)| self.entries.get(id)).map(|entry| taken_by(entry)).sum()
        });
        let left = payable - taken;
        if i128::from(points.0) <= left {
            return Ok(());
        }
        let maximum = i64::try_from(left.max(0)).unwrap_or(i64::MAX);
        Err(Rejection::ReceiptShareExceeded { asked: points.0, maximum })
    }
}

/// The points that a spending entry took or reserved.
fn taken_by(entry: &Entry) -> i128 {
    let redeemed = entry.redemption().map(|facts| facts.points);
    let held = entry.hold().map(|facts| facts.points);
    redeemed.or(held).map_or(0, |points| i128::from(points.0))
}
