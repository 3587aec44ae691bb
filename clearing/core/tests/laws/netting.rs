//! Laws of rounding, of splitting amounts, and of netting.

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::facts::order::{OrderMode, OrderParty};
use clearing_core::netting;
use clearing_core::units::{Money, PartnerId, Rate, half_up, largest_remainder};
use proptest::collection::vec;
use proptest::prelude::*;
use rust_decimal::Decimal;

use crate::house::id;
use crate::random::PARTNERS;

/// Exact positions of partners and the operator.
fn positions() -> impl Strategy<Value = BTreeMap<PartnerId, Money>> {
    vec(prop_oneof![-20_000..20_000i64, -300..300i64], 1..8).prop_map(|amounts| {
        let names = ["operator", "A", "B", "C", "D", "E", "F", "G"];
        names.into_iter().zip(amounts).map(|(name, amount)| (id(name), Money(amount))).collect()
    })
}

proptest! {
    #[test]
    fn half_up_is_the_floor_of_a_half_more(numerator in -100_000i64..100_000, denominator in 1i64..5000) {
        let rounded = half_up(i128::from(numerator), i128::from(denominator));
        let twice = 2 * i128::from(numerator) + i128::from(denominator);
        let floor = 2 * i128::from(denominator) * rounded;
        prop_assert!(floor <= twice && twice < floor + 2 * i128::from(denominator));
    }

    #[test]
    fn a_share_of_an_amount_is_rounded_half_up(amount in -1_000_000i64..1_000_000, permille in 0i64..=1000) {
        let share = Rate::new(Decimal::new(permille, 3)).unwrap().of_half_up(Money(amount));
        prop_assert_eq!(i128::from(share.0), half_up(i128::from(amount) * i128::from(permille), 1000));
    }

    #[test]
    fn a_split_gives_all_of_it_and_each_its_exact_share_within_one(
        total in prop_oneof![-10_000..10_000i64, any::<i64>()],
        weights in vec(0..1000i64, 1..8).prop_filter("a positive weight", |weights| weights.iter().any(|weight| *weight > 0)),
    ) {
        let shares = largest_remainder(total, &weights);
        let sum: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
        prop_assert_eq!(shares.iter().map(|share| i128::from(*share)).sum::<i128>(), i128::from(total));
        let exact = weights.iter().map(|weight| i128::from(total) * i128::from(*weight));
        // Place, remainder, and by how much the share was raised above its floor.
        let parts: Vec<(usize, i128, i128)> = exact
            .zip(&shares)
            .enumerate()
            .map(|(at, (exact, share))| (at, exact.rem_euclid(sum), i128::from(*share) - exact.div_euclid(sum)))
            .collect();
        for (at, remainder, raised) in &parts {
            prop_assert!([0, 1].contains(raised));
            let overtaken = parts.iter().any(|(other, other_remainder, other_raised)| {
                let goes_first = remainder > other_remainder || (remainder == other_remainder && at < other);
                goes_first && raised < other_raised
            });
            prop_assert!(!overtaken, "{at} goes first and was passed over");
        }
    }

    #[test]
    fn legs_are_whole_sum_to_the_rounded_sum_and_differ_by_less_than_one_minor_unit(
        positions in positions(),
        minor_unit in prop_oneof![Just(1i64), Just(10), Just(100)],
    ) {
        let legs = netting::legs(&positions, minor_unit, Money::ZERO, &BTreeSet::new()).unwrap();
        let sum: i64 = positions.values().map(|position| position.0).sum();
        let rounded = i64::try_from(half_up(i128::from(sum), i128::from(minor_unit))).unwrap() * minor_unit;
        prop_assert_eq!(legs.values().map(|leg| leg.0).sum::<i64>(), rounded);
        for (partner, position) in &positions {
            let leg = legs.get(partner).copied().unwrap_or_default().0;
            prop_assert_eq!(leg % minor_unit, 0);
            prop_assert!((leg - position.0).abs() < minor_unit, "{partner}: {leg} for {position:?}");
        }
    }

    #[test]
    fn a_carried_leg_moves_only_the_operators(positions in positions(), threshold in 0..500i64) {
        let whole = netting::legs(&positions, 10, Money::ZERO, &BTreeSet::new()).unwrap();
        let kept = netting::legs(&positions, 10, Money(threshold), &BTreeSet::new()).unwrap();
        let sum = |legs: &BTreeMap<PartnerId, Money>| legs.values().map(|leg| leg.0).sum::<i64>();
        prop_assert_eq!(sum(&whole), sum(&kept));
        for (partner, leg) in whole.iter().filter(|(partner, _)| !partner.is_operator()) {
            let expected = (leg.0.abs() >= threshold).then_some(leg);
            prop_assert_eq!(kept.get(partner), expected);
        }
    }

    #[test]
    fn every_unit_of_a_position_is_in_its_leg_or_carried_for_a_reason(
        positions in positions(),
        minor_unit in prop_oneof![Just(1i64), Just(10), Just(100)],
        threshold in prop_oneof![Just(0i64), 0..500i64],
    ) {
        let legs = netting::legs(&positions, minor_unit, Money(threshold), &BTreeSet::new()).unwrap();
        let carried: BTreeMap<PartnerId, Money> = positions
            .iter()
            .map(|(partner, position)| (*partner, Money(position.0 - legs.get(partner).copied().unwrap_or_default().0)))
            .filter(|(_, left)| !left.is_zero())
            .collect();
        let origins = netting::origins(&legs, &carried, minor_unit).unwrap();
        let whole = netting::legs(&positions, minor_unit, Money::ZERO, &BTreeSet::new()).unwrap();
        for (partner, position) in &positions {
            let Some(origin) = origins.get(partner) else {
                prop_assert!(position.is_zero(), "{partner} is left out");
                continue;
            };
            let netting::Rounding { floor, remainder, raised, place } = origin.rounding;
            prop_assert_eq!(origin.position, *position);
            prop_assert_eq!(floor.0 + remainder.0, position.0);
            prop_assert_eq!(Some(origin.rounding.rounded()).filter(|rounded| !rounded.is_zero()), whole.get(partner).copied());
            prop_assert_eq!(origin.rounding.rounded().0 - origin.small().0, origin.leg.0);
            let left = carried.get(partner).copied().unwrap_or_default();
            prop_assert_eq!(origin.left_by_rounding().0 + origin.small().0, left.0);
            prop_assert!(remainder.0 >= 0 && remainder.0 < minor_unit && [0, minor_unit].contains(&raised.0));
            prop_assert!(origin.left_by_rounding().0.abs() < minor_unit);
            if !partner.is_operator() && !origin.small().is_zero() {
                prop_assert!(origin.small().0.abs() < threshold && !legs.contains_key(partner));
            }
            let before = origins.values().filter(|other| other.rounding.place < place);
            prop_assert!(before.clone().all(|other| other.rounding.remainder >= remainder && other.rounding.raised >= raised));
            prop_assert_eq!(before.count() + 1, place);
        }
        prop_assert_eq!(origins.values().map(|origin| origin.small().0).sum::<i64>(), 0);
    }

    #[test]
    fn pairwise_orders_are_few_and_settle_every_leg(positions in positions()) {
        let legs = netting::legs(&positions, 1, Money::ZERO, &BTreeSet::new()).unwrap();
        let orders = netting::orders(OrderMode::Pairwise, &legs);
        let sum: i64 = legs.values().map(|leg| leg.0).sum();
        let participants = legs.len() + usize::from(sum != 0);
        let ends = legs.iter().map(|(partner, leg)| (OrderParty::of(*partner), leg.0));
        let mut open: BTreeMap<OrderParty, i64> = ends.chain([(OrderParty::Funds, -sum)]).collect();
        for order in &orders {
            let payer = open.iter().min_by_key(|(party, left)| (**left, **party)).unwrap();
            let payee = open.iter().min_by_key(|(party, left)| (-**left, **party)).unwrap();
            prop_assert_eq!((order.payer, order.payee), (*payer.0, *payee.0), "the largest debtor pays the largest creditor");
            *open.get_mut(&order.payer).unwrap() += order.amount.0;
            *open.get_mut(&order.payee).unwrap() -= order.amount.0;
        }
        prop_assert!(orders.len() <= participants.saturating_sub(1), "{orders:?}");
        prop_assert!(orders.iter().all(|order| order.amount.0 > 0));
        let mut due = legs.clone();
        let mut funds = -sum;
        for order in &orders {
            for (end, sign) in [(order.payer, 1), (order.payee, -1)] {
                match end {
                    OrderParty::Funds => funds += sign * order.amount.0,
                    OrderParty::Partner(_) | OrderParty::Operator | OrderParty::Hub => {
                        due.get_mut(&end.participant().unwrap()).unwrap().0 += sign * order.amount.0;
                    }
                }
            }
        }
        prop_assert!(due.values().all(|due| due.is_zero()) && funds == 0, "{due:?}, {funds}");
        let debts: i64 = legs.values().map(|leg| -leg.0.min(0)).sum::<i64>() + sum.max(0);
        prop_assert_eq!(netting::total(&orders).0, debts);
    }

    #[test]
    fn hub_orders_list_what_comes_in_first(positions in positions()) {
        let legs = netting::legs(&positions, 1, Money::ZERO, &BTreeSet::new()).unwrap();
        let orders = netting::orders(OrderMode::Hub, &legs);
        prop_assert_eq!(orders.len(), legs.len());
        let outgoing: Vec<bool> = orders.iter().map(|order| order.payer == OrderParty::Hub).collect();
        prop_assert!(outgoing.is_sorted());
    }

    #[test]
    fn bilateral_nets_keep_what_each_partner_is_owed_in_all(
        amounts in vec((0..4usize, 0..4usize, 1..1000i64), 0..12),
    ) {
        let mut obligations = netting::Obligations::new();
        let mut owed: BTreeMap<PartnerId, i64> = BTreeMap::new();
        for (issuer, acceptor, amount) in amounts.into_iter().filter(|(issuer, acceptor, _)| issuer != acceptor) {
            let (issuer, acceptor) = (id(PARTNERS[issuer]), id(PARTNERS[acceptor]));
            obligations.entry((issuer, acceptor)).or_default().amount.0 += amount;
            *owed.entry(acceptor).or_default() += amount;
            *owed.entry(issuer).or_default() -= amount;
        }
        let nets = netting::bilateral(&obligations);
        for ((debtor, creditor), net) in &nets {
            prop_assert!(net.0 > 0 && !nets.contains_key(&(*creditor, *debtor)));
            *owed.entry(*creditor).or_default() -= net.0;
            *owed.entry(*debtor).or_default() += net.0;
        }
        prop_assert!(owed.values().all(|left| *left == 0), "{owed:?}");
    }
}

#[test]
fn a_leg_as_large_as_the_threshold_is_not_carried() {
    let positions = BTreeMap::from([(id("A"), Money(-500)), (id("B"), Money(499)), (id("operator"), Money(1))]);
    let legs = netting::legs(&positions, 1, Money(500), &BTreeSet::new()).unwrap();
    assert_eq!(legs, BTreeMap::from([(id("A"), Money(-500)), (id("operator"), Money(500))]));
}

#[test]
fn the_share_saved_is_rounded_half_up_and_undefined_without_obligations() {
    assert_eq!(netting::saved(Money(4_320_000), Money(532_400)), Some(8768));
    assert_eq!(netting::saved(Money(29_000), Money(50_000)), Some(-7241));
    assert_eq!(netting::saved(Money(0), Money(0)), None);
    assert_eq!(netting::saved(Money(-5), Money(0)), None);
}
