//! What the lines of a statement come to, added up here and not by the house.

use std::collections::BTreeMap;

use partner_sdk::{Decimal, EntryKind, Obligation, Purpose, StatementLine, StatementSection, StatementTotal};

/// Sums over lines in the order of the journal. What it takes does not grow with their number.
#[derive(Debug, Default)]
pub struct Added {
    /// How many lines, and of how many entries.
    pub lines: usize,
    pub entries: usize,
    /// What they come to.
    pub amount: Decimal,
    /// What of it is rounding.
    pub rounding: Decimal,
    /// On how many of them points x rate + rounding is the amount, or there is no rate.
    pub exact: usize,
    totals: BTreeMap<Key, Sum>,
    owed: BTreeMap<(StatementSection, Option<String>), Decimal>,
    last: Option<i64>,
}

type Key = (StatementSection, EntryKind, Purpose);

/// What lines of one section, kind and purpose come to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    amount: Decimal,
    points: i64,
    entries: i64,
    /// The entry that was counted last.
    last: Option<i64>,
}

impl Added {
    /// The next line.
    pub fn add(&mut self, line: &StatementLine) {
        let (amount, of) = (line.amount.amount, Some(line.own_sequence));
        let rounding = line.rounding.unwrap_or_default();
        self.lines += 1;
        self.entries += usize::from(self.last != of);
        self.last = of;
        self.amount += amount;
        self.rounding += rounding;
        let exact = line.rate.is_none_or(|rate| Decimal::from(line.points) * rate + rounding == amount);
        self.exact += usize::from(exact);
        let sum = self.totals.entry((line.section, line.kind, line.purpose)).or_default();
        sum.amount += amount;
        // Lines of another purpose are about the same points.
        sum.points += if line.purpose == Purpose::Reward { line.points } else { 0 };
        sum.entries += i64::from(sum.last != of);
        sum.last = of;
        if let Some(gross) = &line.gross {
            *self.owed.entry((line.section, line.counterparty_id.clone())).or_default() += gross.amount;
        }
    }

    /// How many rows of a statement's totals the lines come to, and how many there are on either side.
    pub fn totals(&self, totals: &[StatementTotal]) -> (usize, usize) {
        let same = |total: &&StatementTotal| {
            self.totals.get(&(total.section, total.kind, total.purpose)).is_some_and(|sum| {
                (sum.amount, sum.points, sum.entries) == (total.amount.amount, total.points, total.entry_count)
            })
        };
        (totals.iter().filter(same).count(), totals.len().max(self.totals.len()))
    }

    /// How many obligations of a partner the lines come to, and how many there are on either side.
    pub fn obligations(&self, partner: &str, obligations: &[Obligation]) -> (usize, usize) {
        let same = |of: &&Obligation| {
            let key = if of.issuer_id.as_deref() == Some(partner) {
                (StatementSection::Spent, Some(of.acceptor_id.clone()))
            } else {
                (StatementSection::Accepted, of.issuer_id.clone())
            };
            self.owed.get(&key) == Some(&of.gross.amount)
        };
        (obligations.iter().filter(same).count(), obligations.len().max(self.owed.len()))
    }
}
