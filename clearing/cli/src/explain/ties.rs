//! Figures that are found apart from each other and must be the same.

use partner_sdk::{Decimal, LegExplained, Money, SettlementProof, Statement};

use crate::amounts::counted;
use crate::statement::{Added, Step};

/// Two figures that must be the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tie {
    pub what: String,
    pub one: Decimal,
    pub other: Decimal,
    /// They are no amounts.
    pub is_count: bool,
}

impl Tie {
    fn of_money(what: impl Into<String>, one: Decimal, other: &Money) -> Self {
        Self { what: what.into(), one, other: other.amount, is_count: false }
    }

    fn of_counts(what: impl Into<String>, (one, other): (usize, usize)) -> Self {
        Self { what: what.into(), one: one.into(), other: other.into(), is_count: true }
    }

    /// Whether they are.
    pub fn holds(&self) -> bool {
        self.one == self.other
    }
}

/// What ties a leg to the lines of its statement, and the window to the one before it.
pub fn ties(statement: &Statement, leg: &LegExplained, bridge: &[Step], added: &Added) -> Vec<Tie> {
    let LegExplained { opening, moved, position, floor, remainder, raised, rounded, carried, .. } = leg;
    let lines = counted(added.lines, "line", "lines");
    let of_entries = counted(added.entries, "entry", "entries");
    let carried_in = leg.carried_in.as_ref().map_or(Decimal::ZERO, |carried| carried.amount.amount);
    let settled = leg.leg.amount.amount;
    let mut ties = vec![
        Tie::of_money("carried by the window before = opening", carried_in, opening),
        Tie::of_money("opening = opening of the statement", opening.amount, &statement.opening),
        Tie::of_money(format!("{lines} of {of_entries} = what the window moved"), added.amount, moved),
        Tie::of_money(format!("opening + {lines} = position"), opening.amount + added.amount, position),
        Tie::of_counts("on each line: points x a point + rounding = amount (lines)", (added.exact, added.lines)),
        Tie::of_counts("lines = what happened, by section and purpose (rows)", added.totals(&statement.totals)),
        Tie::of_counts(
            "lines = obligations, partner by partner (rows)",
            added.obligations(&statement.partner_id, &statement.obligations),
        ),
        Tie::of_money(
            "why the statement comes to it, step by step = leg",
            bridge.iter().map(|step| step.amount).sum(),
            &leg.leg.amount,
        ),
        Tie::of_money("whole minor units + remainder = position", floor.amount + remainder.amount, position),
        Tie::of_money("whole minor units + raised by = rounded", floor.amount + raised.amount, rounded),
        Tie::of_money("leg + too small = rounded", settled + carried.small.amount, rounded),
        Tie::of_money("carried: rounding + raised by = remainder", carried.rounding.amount + raised.amount, remainder),
        Tie::of_money(
            "carried: rounding + too small = carried",
            carried.rounding.amount + carried.small.amount,
            &carried.amount,
        ),
        Tie::of_money("leg + carried = position", settled + carried.amount.amount, position),
        Tie::of_money("carried = closing of the statement", carried.amount.amount, &statement.closing),
        Tie::of_money("leg = leg of the statement", settled, &statement.leg),
    ];
    if !leg.taken_over.is_empty() {
        let taken_over: Decimal = leg.taken_over.iter().map(|of| of.amount.amount).sum();
        let what = "legs that are too small = what it pays and gets in their place";
        let other = Money::new(&carried.small.currency, Decimal::ZERO - carried.small.amount);
        ties.push(Tie::of_money(what, taken_over, &other));
    }
    if let Some(SettlementProof { legs_total, account_changes, carried_change, sum, .. }) = &leg.proof {
        let changes: Decimal = account_changes.iter().map(|change| change.amount.amount).sum();
        let all = legs_total.amount + changes + carried_change.amount;
        let nothing = Money::new(&sum.currency, Decimal::ZERO);
        ties.push(Tie::of_money("of the whole window: legs + funds + carried = nothing", all, &nothing));
    }
    ties
}
