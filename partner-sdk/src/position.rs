//! Where a brand stands with the coalition, and why.

use std::time::SystemTime;

use crate::entry::{EntryKind, Purpose};
use crate::limits::LimitUse;
use crate::money::Money;
use crate::open_enum::open_enum;
use crate::settlement::{Leg, LegState, SettlementState, WindowState};

/// What a partner owes or is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Position {
    /// Whose.
    pub partner_id: String,
    /// The window that is open.
    pub window: i64,
    /// What is not yet in a settlement: positive when the partner is owed it.
    pub position: Money,
    /// Its legs in settlements that are not finished.
    pub in_flight: Vec<InFlight>,
    /// Points that it issued and that are neither spent nor expired.
    pub outstanding_points: i64,
    /// What it may still come to owe under its net debit cap; `None` when it has none.
    pub headroom: Option<Money>,
    /// How much of its limits is used.
    pub limit_uses: Vec<LimitUse>,
}

/// A leg of a settlement that is not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InFlight {
    /// The window.
    pub window: i64,
    /// What is still to be paid: positive when the partner is paid.
    pub due: Money,
    /// State of the leg.
    pub state: LegState,
}

/// One window.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Window {
    /// Its number, from 1.
    pub window: i64,
    /// Its state.
    pub state: WindowState,
    /// State of its settlement.
    pub settlement_state: SettlementState,
    /// When it opened.
    pub open_time: SystemTime,
    /// When it closed.
    pub close_time: Option<SystemTime>,
    /// The caller's leg.
    pub leg: Option<Leg>,
}

/// The statement of one partner for one window: opening + sum of `totals` = closing + leg. Its lines are read with
/// [`crate::Client::statement_lines`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statement {
    /// Whose.
    pub partner_id: String,
    /// The window.
    pub window: Window,
    /// What was carried into it.
    pub opening: Money,
    /// What its lines come to, one row per role, kind and purpose.
    pub totals: Vec<StatementTotal>,
    /// What goes into the settlement: positive when the partner is paid; zero while the window is open.
    pub leg: Money,
    /// What is carried on; while the window is open, the position now.
    pub closing: Money,
}

open_enum! {
    /// In which role a partner took part in an entry.
    StatementRole = StatementRole, unspecified Unspecified {
        /// It issued the points.
        Issuer = "ISSUER",
        /// It accepted the points.
        Acceptor = "ACCEPTOR",
        /// Neither: the operator's fees and spreads, legs that came back, and the like.
        Neither = "NEITHER",
    }
}

/// What all lines of one role, kind and purpose come to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatementTotal {
    /// The partner's role.
    pub role: StatementRole,
    /// What happened.
    pub kind: EntryKind,
    /// Why money moved.
    pub purpose: Purpose,
    /// Sum of the amounts.
    pub amount: Money,
    /// Sum of the points.
    pub points: i64,
    /// How many lines.
    pub line_count: i64,
}

/// One effect of one entry on the partner's position.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatementLine {
    /// The entry.
    pub entry_id: String,
    /// Its place in the journal.
    pub sequence: i64,
    /// When it happened.
    pub entry_time: SystemTime,
    /// What happened.
    pub kind: EntryKind,
    /// The partner's role.
    pub role: StatementRole,
    /// The other side, where it is one and may be known.
    pub counterparty: Option<String>,
    /// Why money moved.
    pub purpose: Purpose,
    /// Change of the position: positive when the partner is owed it.
    pub amount: Money,
    /// The points concerned, on lines of purpose REWARD.
    pub points: i64,
}
