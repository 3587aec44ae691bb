//! What a window came to: what each participant pays or gets, and who pays whom.

use std::time::SystemTime;

use partner_sdk::operator::{AdminAction, NettingReport, PaymentOrder};
use partner_sdk::{CarriedAmount, Decimal, Leg, LegState, Money, Settlement, SettlementProof, WindowState};
use rust_decimal::prelude::ToPrimitive as _;

use super::{Bar, Table};
use crate::amounts::{minor_digits, money, pays_and_gets, percent, verb};

/// The window and what became of its settlement, in a sentence.
pub fn title(settlement: &Settlement) -> String {
    let window = settlement.window;
    if settlement.window_state == WindowState::Open {
        return format!("Window {window} is open; this is what it would come to if it closed now.");
    }
    format!("Window {window} is {}, its settlement {}.", settlement.window_state, settlement.state)
}

/// What netting was worth, in a sentence.
pub fn headline(report: &NettingReport) -> String {
    let share = report.netted_share.map_or_else(String::new, |share| format!(": {} need not move", percent(share)));
    let gross = &report.settlement.gross;
    let digits = minor_digits(&gross.currency);
    let [left, of] = [report.netted_total.amount, gross.amount].map(|amount| money(amount, digits));
    format!("After netting among all, {left} of {of} {} are left{share}.", gross.currency)
}

/// What moves beside what was owed, in a sentence.
pub fn moves(settlement: &Settlement) -> String {
    format!(
        "Obligations before netting: {}. What moves, with prepaid points, fees and what was carried: {}.",
        with_currency(&settlement.gross),
        with_currency(&settlement.pairwise_total)
    )
}

/// What of a window stays for the next and why, a sentence for each participant.
pub fn carried(settlement: &Settlement) -> impl Iterator<Item = String> + '_ {
    settlement.carried.iter().map(|of| {
        let CarriedAmount { partner_id, amount, rounding, small, .. } = of;
        let money = |of: &Money| with_currency(&Money::new(&of.currency, of.amount.abs()));
        let why = why_carried(partner_id, rounding, small);
        format!("Carried to the next window: {partner_id} {} {} ({why})", verb(amount.amount), money(amount))
    })
}

/// Why something of a position is carried, in words.
pub fn why_carried(partner: &str, rounding: &Money, small: &Money) -> String {
    let part = |of: &Money| format!("{} {}", verb(of.amount), self::said(&Money::new(&of.currency, of.amount.abs())));
    let is_operator = partner == OPERATOR;
    match (rounding.amount.is_zero(), small.amount.is_zero()) {
        (_, true) => "rounding".to_owned(),
        (true, false) if is_operator => "in the place of legs that are too small".to_owned(),
        (true, false) => "too small for a leg".to_owned(),
        (false, false) if is_operator => {
            format!("{} in the place of legs that are too small, {} of rounding", part(small), part(rounding))
        }
        (false, false) => format!("{} too small for a leg, {} of rounding", part(small), part(rounding)),
    }
}

/// The operator among the participants.
pub const OPERATOR: &str = "operator";

/// That nothing was lost and nothing made, in a sentence.
pub fn proof(settlement: &Settlement) -> String {
    proof_in_words(&settlement.proof)
}

/// The same of the proof alone.
pub fn proof_in_words(proof: &SettlementProof) -> String {
    let SettlementProof { legs_total, account_changes, carried_change, sum, .. } = proof;
    let funds: String =
        account_changes.iter().map(|change| format!(" + {} {}", change.account, said(&change.amount))).collect();
    let (legs, carried, sum) = (said(legs_total), said(carried_change), said(sum));
    format!("Proof: legs {legs}{funds} + carried {carried} = {sum}.")
}

/// An amount as people read it.
pub fn said(of: &Money) -> String {
    money(of.amount, minor_digits(&of.currency))
}

/// The same with its currency.
pub fn with_currency(of: &Money) -> String {
    format!("{} {}", said(of), of.currency)
}

/// What each participant pays or gets.
pub fn legs(legs: &[Leg], currency: &str) -> Table {
    let digits = minor_digits(currency);
    let rows = legs.iter().map(|leg| {
        let [pays, gets] = pays_and_gets(leg.amount.amount, digits);
        let state = if matches!(leg.state, LegState::Other(0)) { "" } else { leg.state.as_str() };
        let due = leg.due.amount.abs();
        let due = if due.is_zero() { String::new() } else { money(due, digits) };
        vec![leg.partner_id.clone(), pays, gets, due, state.to_owned()]
    });
    let columns = ["participant", ">pays", ">gets", ">still due", "state"];
    let amounts: Vec<Decimal> = legs.iter().map(|leg| leg.amount.amount).collect();
    Table::new(format!("What each pays or gets, {currency}"), &columns, rows).with_bars(bars(&amounts))
}

/// How much of the largest amount each one is.
fn bars(amounts: &[Decimal]) -> Vec<Bar> {
    let largest = amounts.iter().map(Decimal::abs).max().unwrap_or_default();
    let percent = |amount: &Decimal| {
        let share = amount.abs().checked_div(largest).unwrap_or_default() * Decimal::ONE_HUNDRED;
        share.round().to_u32().unwrap_or(0)
    };
    amounts.iter().map(|amount| Bar { percent: percent(amount), pays: amount.is_sign_negative() }).collect()
}

/// Who pays whom, with what it comes to.
pub fn orders(title: impl Into<String>, orders: &[PaymentOrder], currency: &str) -> Table {
    let digits = minor_digits(currency);
    let row = |order: &PaymentOrder| {
        let state = match (order.paid, order.held) {
            (true, _) => "paid",
            (false, false) => "due",
            (false, true) => "waits for money",
        };
        vec![order.payer.clone(), order.payee.clone(), money(order.amount.amount, digits), state.to_owned()]
    };
    let total: Decimal = orders.iter().map(|order| order.amount.amount).sum();
    let sum = vec!["all".to_owned(), String::new(), money(total, digits), String::new()];
    let rows = orders.iter().map(row).chain([sum]);
    Table::new(title, &["pays", "to", &format!(">amount, {currency}"), "state"], rows).with_sums(1)
}

/// What was recorded as paid, with its times as `local` writes them.
pub fn payments(payments: &[AdminAction], currency: &str, local: impl Fn(SystemTime) -> String) -> Table {
    let digits = minor_digits(currency);
    let rows = payments.iter().map(|payment| {
        let text = |name| field(payment, name).unwrap_or_default().to_owned();
        let amount = text("amount").parse::<Decimal>().map_or_else(|_| text("amount"), |amount| money(amount, digits));
        vec![local(payment.action_time), text("paid"), amount, text("value_date"), text("reference")]
    });
    let columns = ["recorded", "paid", ">amount", "value date", "reference"];
    Table::new("Payments that were recorded", &columns, rows)
}

/// A field that a decision set.
pub fn field<'a>(action: &'a AdminAction, name: &str) -> Option<&'a str> {
    action.changes.iter().find(|change| change.field == name).and_then(|change| change.after.as_deref())
}
