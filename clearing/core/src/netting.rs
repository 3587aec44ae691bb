//! Netting: exact positions become legs of whole minor units, legs become payment orders, and the reports that say
//! what netting was worth. Pure functions.

mod rounding;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use crate::facts::entry::Entry;
use crate::facts::order::{Order, OrderMode, OrderParty};
use crate::facts::window::{Gross, Settlement};
use crate::units::{Money, Overflow, PartnerId, WindowNumber, half_up};

pub use rounding::{LegOrigin, Rounding, origins, roundings};

/// The legs of a close, zero legs left out: each position rounded to the currency's minor unit by floor and largest
/// remainder, up to the half-up sum of all (ties by partner id, the operator last). A partner's leg smaller than the
/// threshold is carried, unless it is one of `whole`, and the operator's leg is moved by the carried sum, so that nobody is paid
/// short.
///
/// `positions` must hold the operator. Amounts and the threshold are in units of 10^-scale, `minor_unit` is how many
/// of them make a minor unit.
///
/// # Errors
/// [`Overflow`] if a leg does not fit, which only a threshold near the end of 64 bits can bring about.
///
/// Rule: legs
pub fn legs(
    positions: &BTreeMap<PartnerId, Money>,
    minor_unit: i64,
    threshold: Money,
    whole: &BTreeSet<PartnerId>,
) -> Result<BTreeMap<PartnerId, Money>, Overflow> {
    let rounded = roundings(positions, minor_unit)?;
    let mut legs: BTreeMap<PartnerId, Money> =
        rounded.iter().map(|(partner, rounding)| (*partner, rounding.rounded())).collect();

    let mut carried: i128 = 0;
    for (partner, leg) in &mut legs {
        if !partner.is_operator() && leg.0.abs() < threshold.0 && !whole.contains(partner) {
            carried += i128::from(leg.0);
            *leg = Money::ZERO;
        }
    }
    if let Some(leg) = legs.get_mut(&PartnerId::operator()) {
        leg.0 = i64::try_from(i128::from(leg.0) + carried).map_err(|_| Overflow)?;
    }
    legs.retain(|_, leg| !leg.is_zero());
    Ok(legs)
}

/// The orders that settle the legs.
pub fn orders(mode: OrderMode, legs: &BTreeMap<PartnerId, Money>) -> Vec<Order> {
    match mode {
        OrderMode::Hub => hub_orders(legs),
        OrderMode::Pairwise => pairwise_orders(legs),
    }
}

/// The gross obligations of a window: issuer to acceptor.
pub type Obligations = BTreeMap<(PartnerId, PartnerId), Gross>;

/// Gross obligations netted for each pair of partners: (debtor, creditor) with what is left, largest party first by
/// id; pairs that cancel out are left out.
///
/// Rule: bilateral-nets
pub fn bilateral(obligations: &Obligations) -> BTreeMap<(PartnerId, PartnerId), Money> {
    let mut nets: BTreeMap<(PartnerId, PartnerId), i64> = BTreeMap::new();
    for ((issuer, acceptor), gross) in obligations {
        let (pair, sign) = if issuer < acceptor { ((*issuer, *acceptor), 1) } else { ((*acceptor, *issuer), -1) };
        let net = nets.entry(pair).or_default();
        *net = net.saturating_add(gross.amount.0.saturating_mul(sign));
    }
    let directed = nets.into_iter().filter(|(_, net)| *net != 0).map(|((first, second), net)| {
        let pair = if net > 0 { (first, second) } else { (second, first) };
        (pair, Money(net.saturating_abs()))
    });
    directed.collect()
}

/// The sum of gross obligations.
pub fn gross_total(obligations: &Obligations) -> Money {
    report_sum(obligations.values().map(|gross| gross.amount))
}

/// What is left of gross obligations after netting among all: the sum over those who are owed more than they owe. It is what
/// obligations alone would make move; prepayments, fees and what was carried are no part of it.
///
/// Rule: multilateral-net
pub fn multilateral(obligations: &Obligations) -> Money {
    let mut nets: BTreeMap<PartnerId, i128> = BTreeMap::new();
    for ((issuer, acceptor), gross) in obligations {
        *nets.entry(*issuer).or_default() -= i128::from(gross.amount.0);
        *nets.entry(*acceptor).or_default() += i128::from(gross.amount.0);
    }
    let left: i128 = nets.values().filter(|net| **net > 0).sum();
    Money(i64::try_from(left).unwrap_or(i64::MAX))
}

/// The share of the gross obligations that need not move, in ten-thousandths, half up: 1 - what moves / gross. Undefined
/// without gross obligations.
///
/// Rule: saved
pub fn saved(gross: Money, moves: Money) -> Option<i64> {
    if gross.0 <= 0 {
        return None;
    }
    let share = half_up((i128::from(gross.0) - i128::from(moves.0)) * 10_000, i128::from(gross.0));
    i64::try_from(share).ok()
}

/// Total of the orders of a settlement.
pub fn total(orders: &[Order]) -> Money {
    report_sum(orders.iter().map(|order| order.amount))
}

impl Settlement {
    pub fn saved(&self) -> Option<i64> {
        saved(self.gross, self.pairwise)
    }
}

/// Each leg against the settlement account: what comes in first, then what goes out, each by partner id with the
/// operator last.
///
/// Rule: hub-orders
fn hub_orders(legs: &BTreeMap<PartnerId, Money>) -> Vec<Order> {
    let due = legs.iter().filter(|(_, leg)| !leg.is_zero());
    let mut sorted: Vec<(PartnerId, Money)> = due.map(|(partner, leg)| (*partner, *leg)).collect();
    sorted.sort_by_key(|(partner, leg)| (leg.0 > 0, partner.settlement_order()));
    let order = |(partner, leg): (PartnerId, Money)| {
        let (party, hub) = (OrderParty::of(partner), OrderParty::Hub);
        let (payer, payee) = if leg.0 < 0 { (party, hub) } else { (hub, party) };
        Order::new(payer, payee, Money(leg.0.abs()))
    };
    sorted.into_iter().map(order).collect()
}

/// Largest debtor to largest creditor, ties by id, repeated: at most participants - 1 orders. What the legs do not
/// balance among themselves the funds take or give.
///
/// Rule: pairwise-orders
fn pairwise_orders(legs: &BTreeMap<PartnerId, Money>) -> Vec<Order> {
    let funds = -legs.values().map(|leg| i128::from(leg.0)).sum::<i128>();
    let ends = legs.iter().map(|(partner, leg)| (OrderParty::of(*partner), i128::from(leg.0)));
    // What each still has to pay or to get; the largest comes out first, of equal ones the first by id.
    let (mut debtors, mut creditors) = (BinaryHeap::new(), BinaryHeap::new());
    for (party, amount) in ends.chain([(OrderParty::Funds, funds)]).filter(|(_, amount)| *amount != 0) {
        let side = if amount < 0 { &mut debtors } else { &mut creditors };
        side.push((amount.abs(), Reverse(party)));
    }
    let mut orders = Vec::new();
    while let (Some((owes, payer)), Some((is_owed, payee))) = (debtors.pop(), creditors.pop()) {
        let amount = owes.min(is_owed);
        for (side, left, party) in [(&mut debtors, owes - amount, payer), (&mut creditors, is_owed - amount, payee)] {
            if left > 0 {
                side.push((left, party));
            }
        }
        let amount = Money(i64::try_from(amount).expect("one of the two ends is a leg"));
        orders.push(Order::new(payer.0, payee.0, amount));
    }
    orders
}

/// A sum that a report shows and nothing is posted from: it stops at the ends of 64 bits, rather than the close.
pub(crate) fn report_sum(amounts: impl Iterator<Item = Money>) -> Money {
    let sum: i128 = amounts.map(|amount| i128::from(amount.0)).sum();
    Money(i64::try_from(sum).unwrap_or(if sum < 0 { i64::MIN } else { i64::MAX }))
}

/// The gross obligations that an entry makes (+) or takes back (-): r x the points of each issuer but the acceptor.
///
/// Rule: gross
pub(crate) fn gross_of(entry: &Entry) -> Result<BTreeMap<(WindowNumber, PartnerId, PartnerId), Gross>, Overflow> {
    let mut obligations: BTreeMap<(WindowNumber, PartnerId, PartnerId), Gross> = BTreeMap::new();
    let Some(facts) = entry.redemption() else { return Ok(obligations) };
    for moved in entry.lots.iter().filter(|moved| moved.issuer != entry.partner) {
        let gross = obligations.entry((entry.window, moved.issuer, entry.partner)).or_default();
        gross.points = gross.points.minus(moved.net()?)?;
        gross.amount = gross.points.times(facts.reimbursement)?;
    }
    Ok(obligations)
}

/// Fixes the mode in which a settlement is paid, and with it the orders: over what is due of the legs. What was paid, covered or
/// offset by then takes part as the funds.
pub(crate) fn choose(settlement: &mut Settlement, mode: OrderMode) {
    let legs = settlement.legs.iter().map(|(partner, leg)| (*partner, leg.due)).collect();
    settlement.mode = Some(mode);
    settlement.orders = orders(mode, &legs);
}

/// Makes the orders anew that have a participant at one of their ends whose leg was moved otherwise than by an order: those
/// that are paid or let out stay, and what is due behind all that stay is ordered.
///
/// Rule: renewed-orders
pub(crate) fn renew(settlement: &mut Settlement, participant: PartnerId) {
    let Some(mode) = settlement.mode else { return };
    settlement.orders.retain(|order| order.paid || order.released || !order.touches(participant));
    let mut due: BTreeMap<PartnerId, i128> =
        settlement.legs.iter().map(|(partner, leg)| (*partner, i128::from(leg.due.0))).collect();
    for order in settlement.orders.iter().filter(|order| !order.paid) {
        for (end, sign) in [(order.payer, 1), (order.payee, -1)] {
            if let Some(due) = end.participant().and_then(|participant| due.get_mut(&participant)) {
                *due += i128::from(order.amount.0) * sign;
            }
        }
    }
    let due = due.into_iter().map(|(partner, due)| (partner, Money(i64::try_from(due).unwrap_or_default()))).collect();
    settlement.orders.extend(orders(mode, &due));
}
