//! A partner's statement of a window: what opened it, every movement of its position, what was settled, what is
//! carried on. Opening + lines = leg + carried, to the last unit.

use std::collections::BTreeMap;

use crate::chart::{MoneyAccount, PointsAccount, Purpose};
use crate::journal::{Entry, EntryKind};
use crate::units::{EntryId, Money, Overflow, PartnerId, Points, Timestamp};

/// One movement of a partner's position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementLine {
    pub entry: EntryId,
    pub sequence: i64,
    pub time: Timestamp,
    pub kind: EntryKind,
    pub purpose: Purpose,
    pub amount: Money,
}

/// The lines of one entry on a partner's statement. The close itself is not a line: it is the leg.
///
/// Rule: statement
pub fn lines(partner: PartnerId, id: EntryId, sequence: i64, entry: &Entry) -> Vec<StatementLine> {
    if entry.kind == EntryKind::Close {
        return Vec::new();
    }
    let own = entry.money.iter().filter(|posting| posting.account == MoneyAccount::Position(partner));
    let line = |posting: &crate::journal::MoneyPosting| StatementLine {
        entry: id,
        sequence,
        time: entry.time,
        kind: entry.kind,
        purpose: posting.purpose,
        amount: posting.amount,
    };
    own.map(line).collect()
}

/// Sums of a statement's lines by kind and purpose, and the points behind them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Lines and their sum, by kind and purpose.
    pub by_purpose: BTreeMap<(EntryKind, Purpose), (u64, Money)>,
    /// Points the partner issued, less what was undone.
    pub points_issued: Points,
    /// Points it accepted, less what was returned.
    pub points_accepted: Points,
    /// Points of its own that were accepted anywhere, less what was returned.
    pub points_redeemed: Points,
    /// Points of its own that expired.
    pub points_expired: Points,
}

impl Totals {
    /// Adds an entry to the totals of a partner.
    ///
    /// # Errors
    /// [`Overflow`] if a sum does not fit.
    pub fn add(&mut self, partner: PartnerId, id: EntryId, sequence: i64, entry: &Entry) -> Result<(), Overflow> {
        for line in lines(partner, id, sequence, entry) {
            let (count, sum) = self.by_purpose.entry((line.kind, line.purpose)).or_default();
            *count += 1;
            *sum = sum.plus(line.amount)?;
        }
        let own = entry.points.iter().find(|posting| posting.account == PointsAccount::Issuer(partner));
        let own = own.map_or(Points::ZERO, |posting| posting.points);
        match (&entry.redemption, entry.kind) {
            (Some(facts), _) => {
                self.points_redeemed = self.points_redeemed.plus(own)?;
                if entry.partner == partner {
                    self.points_accepted = self.points_accepted.plus(facts.points)?;
                }
            }
            (None, EntryKind::Expire) => self.points_expired = self.points_expired.plus(own)?,
            (None, _) => self.points_issued = self.points_issued.minus(own)?,
        }
        Ok(())
    }

    /// The sum of all lines.
    ///
    /// # Errors
    /// [`Overflow`] if it does not fit.
    pub fn sum(&self) -> Result<Money, Overflow> {
        self.by_purpose.values().map(|(_, sum)| *sum).try_fold(Money::ZERO, Money::plus)
    }
}
