//! How positions become whole minor units, and what of them is left for the next window.

use std::collections::BTreeMap;

use crate::units::{Money, Overflow, PartnerId, half_up};

/// A position in whole minor units: `floor` + `remainder` is the position, `floor` + `raised` what it is rounded to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rounding {
    /// The most whole minor units that are no more than the position.
    pub floor: Money,
    /// What of the position is above them: at least 0, and less than a minor unit.
    pub remainder: Money,
    /// A minor unit for those with the largest remainders, else 0.
    pub raised: Money,
    /// Its place among all positions by their remainders, from 1.
    pub place: usize,
}

impl Rounding {
    /// The position in whole minor units.
    pub fn rounded(&self) -> Money {
        Money(self.floor.0 + self.raised.0)
    }
}

/// All positions in whole minor units: each floored, then raised by largest remainder, up to half-up of the sum of all (ties by
/// partner id, the operator last).
///
/// # Errors
/// [`Overflow`] if one does not fit.
pub fn roundings(
    positions: &BTreeMap<PartnerId, Money>,
    minor_unit: i64,
) -> Result<BTreeMap<PartnerId, Rounding>, Overflow> {
    let mut parts: Vec<(PartnerId, i64, i64)> = positions
        .iter()
        .map(|(partner, position)| (*partner, position.0.div_euclid(minor_unit), position.0.rem_euclid(minor_unit)))
        .collect();
    let sum: i128 = positions.values().map(|position| i128::from(position.0)).sum();
    let floors: i128 = parts.iter().map(|(_, floor, _)| i128::from(*floor)).sum();
    let raised = usize::try_from(half_up(sum, i128::from(minor_unit)) - floors)
        .expect("a rounded sum is no less than the sum of floors");
    parts.sort_by_key(|(partner, _, remainder)| (-remainder, partner.settlement_order()));
    let rounding = |(at, (partner, floor, remainder)): (usize, (PartnerId, i64, i64))| {
        let raised = if at < raised { minor_unit } else { 0 };
        let floor = floor.checked_mul(minor_unit).ok_or(Overflow)?;
        floor.checked_add(raised).ok_or(Overflow)?;
        let (floor, remainder, raised) = (Money(floor), Money(remainder), Money(raised));
        Ok((partner, Rounding { floor, remainder, raised, place: at + 1 }))
    };
    parts.into_iter().enumerate().map(rounding).collect()
}

/// Where the leg of a participant comes from, and why of its position is carried what is carried:
/// position = leg + [`left_by_rounding`](Self::left_by_rounding) + [`small`](Self::small).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LegOrigin {
    pub position: Money,
    pub rounding: Rounding,
    pub leg: Money,
}

impl LegOrigin {
    /// What rounding left of the position: less than a minor unit, below zero where the position was raised.
    pub fn left_by_rounding(&self) -> Money {
        Money(self.rounding.remainder.0 - self.rounding.raised.0)
    }

    /// What is carried for being small. Of a partner: its position in whole minor units, where that is no leg. Of the operator: the
    /// opposite of all such, because it pays and gets in their place. It sums up to zero over all.
    pub fn small(&self) -> Money {
        Money(self.rounding.rounded().0 - self.leg.0)
    }
}

/// Where the legs of a close come from, by what it made and what it left: whatever decided which legs are small, and on whatever
/// floor this is asked.
///
/// # Errors
/// [`Overflow`] if a position does not fit.
///
/// Rule: leg-origin
pub fn origins(
    legs: &BTreeMap<PartnerId, Money>,
    carried: &BTreeMap<PartnerId, Money>,
    minor_unit: i64,
) -> Result<BTreeMap<PartnerId, LegOrigin>, Overflow> {
    let mut positions: BTreeMap<PartnerId, Money> = carried.clone();
    positions.entry(PartnerId::operator()).or_default();
    for (partner, leg) in legs {
        let position = positions.entry(*partner).or_default();
        *position = position.plus(*leg)?;
    }
    let roundings = roundings(&positions, minor_unit)?;
    let origin = |(partner, rounding): (PartnerId, Rounding)| {
        let leg = legs.get(&partner).copied().unwrap_or_default();
        (partner, LegOrigin { position: positions[&partner], rounding, leg })
    };
    Ok(roundings.into_iter().map(origin).collect())
}
