//! A partner's statement of a window: what opened it, every movement of its position, what was settled, what is
//! carried on. Opening + lines = leg + carried, to the last unit.

use std::collections::BTreeMap;

use crate::chart::{MoneyAccount, PointsAccount, Purpose};
use crate::facts::entry::{Entry, EntryKind, MoneyPosting};
use crate::units::{EntryId, Money, Overflow, PartnerId, Points, Timestamp};

/// In which role a partner took part in an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Its points were issued, spent, given back or expired.
    Issuer,
    /// It accepted the points.
    Acceptor,
    /// Neither: what the operator earns, legs that an aborted settlement gave back.
    Neither,
}

/// One effect of one entry on a partner's position, or on its points alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementLine {
    pub entry: EntryId,
    pub sequence: i64,
    pub time: Timestamp,
    pub kind: EntryKind,
    pub role: Role,
    /// For an issuer who accepted its points; for an acceptor whose points they were, if they were one issuer's.
    pub counterparty: Option<PartnerId>,
    pub purpose: Purpose,
    pub amount: Money,
    /// On lines of [`Purpose::Reward`]: for an issuer its own points of the entry, for an acceptor all of them; below
    /// zero where they are taken back.
    pub points: Points,
}

/// The lines of one entry on a partner's statement, by role and purpose. Points that cost nothing have a line of amount
/// zero, so that a brand finds every point of its own. The close itself is not a line: it is the leg.
///
/// Rule: statement
pub fn lines(partner: PartnerId, id: EntryId, sequence: i64, entry: &Entry) -> Vec<StatementLine> {
    if entry.kind == EntryKind::Close {
        return Vec::new();
    }
    let mut points: BTreeMap<Role, Points> = BTreeMap::new();
    let facts = entry.redemption();
    if let Some(facts) = facts.filter(|_| entry.partner == partner) {
        points.insert(Role::Acceptor, facts.points);
    }
    if let Some(posting) = entry.points.iter().find(|posting| posting.account == PointsAccount::Issuer(partner)) {
        // An issue debits its issuer, and counts as points given; whatever else credits it, as points that came home.
        let issued = facts.is_none() && !matches!(entry.kind, EntryKind::Expire | EntryKind::Decay);
        points.insert(Role::Issuer, Points(if issued { -posting.points.0 } else { posting.points.0 }));
    }
    let role_of = |posting: &MoneyPosting| match posting.purpose {
        // What the operator earns on others' operations is not part of its own trade.
        Purpose::Fee | Purpose::Spread if partner.is_operator() => Role::Neither,
        Purpose::Breakage if !points.contains_key(&Role::Issuer) => Role::Neither,
        Purpose::Settlement
        | Purpose::Deposit
        | Purpose::Penalty
        | Purpose::Charge
        | Purpose::Tax
        | Purpose::Adjustment => Role::Neither,
        Purpose::Reward | Purpose::Fee | Purpose::Spread | Purpose::Breakage => {
            [Role::Acceptor, Role::Issuer].into_iter().find(|role| points.contains_key(role)).unwrap_or(Role::Neither)
        }
    };
    let own = entry.money.iter().filter(|posting| posting.account == MoneyAccount::Position(partner));
    let mut amounts: BTreeMap<(Role, Purpose), Money> =
        own.map(|posting| ((role_of(posting), posting.purpose), posting.amount)).collect();
    for role in points.keys() {
        amounts.entry((*role, Purpose::Reward)).or_default();
    }
    let line = |((role, purpose), amount): ((Role, Purpose), Money)| StatementLine {
        entry: id,
        sequence,
        time: entry.time,
        kind: entry.kind,
        role,
        counterparty: counterparty(partner, role, entry),
        purpose,
        amount,
        points: points.get(&role).copied().filter(|_| purpose == Purpose::Reward).unwrap_or_default(),
    };
    amounts.into_iter().map(line).collect()
}

/// What the lines of one role, kind and purpose come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Total {
    pub lines: u64,
    pub amount: Money,
    pub points: Points,
}

/// Sums of a statement's lines. They only ever grow by the next lines of the journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    pub rows: BTreeMap<(Role, EntryKind, Purpose), Total>,
}

impl Totals {
    /// Adds one line.
    ///
    /// # Errors
    /// [`Overflow`] if a sum does not fit.
    pub fn add(&mut self, line: &StatementLine) -> Result<(), Overflow> {
        let total = self.rows.entry((line.role, line.kind, line.purpose)).or_default();
        total.lines += 1;
        total.amount = total.amount.plus(line.amount)?;
        total.points = total.points.plus(line.points)?;
        Ok(())
    }

    /// The sum of all lines.
    ///
    /// # Errors
    /// [`Overflow`] if it does not fit.
    pub fn sum(&self) -> Result<Money, Overflow> {
        self.rows.values().map(|total| total.amount).try_fold(Money::ZERO, Money::plus)
    }
}

fn counterparty(partner: PartnerId, role: Role, entry: &Entry) -> Option<PartnerId> {
    let other = match role {
        Role::Issuer => entry.redemption().is_some().then_some(entry.partner),
        Role::Acceptor => {
            let first = entry.lots.first().map(|moved| moved.issuer);
            first.filter(|issuer| entry.lots.iter().all(|moved| moved.issuer == *issuer))
        }
        Role::Neither => None,
    };
    other.filter(|other| *other != partner)
}
