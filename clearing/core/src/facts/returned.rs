//! What was returned so far, of redemptions and of purchases.

use std::collections::BTreeMap;

use crate::facts::lot::LotId;
use crate::units::{Malformed, MemberId, Money, Overflow, Points};

/// What came back of a redemption, by lot: returns may be undone in another order than theirs, so a sum does not tell which
/// of its points are left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Returned(BTreeMap<LotId, Points>);

impl Returned {
    /// All that came back.
    pub fn points(&self) -> Points {
        Points(self.0.values().map(|points| points.0).sum())
    }

    /// What came back of the part that a lot gave.
    pub fn of(&self, lot: LotId) -> Points {
        self.0.get(&lot).copied().unwrap_or_default()
    }

    pub fn lots(&self) -> impl Iterator<Item = (LotId, Points)> {
        self.0.iter().map(|(lot, points)| (*lot, *points))
    }

    /// # Errors
    /// [`Overflow`] if the sum does not fit.
    pub(crate) fn add(&mut self, lot: LotId, points: Points) -> Result<(), Overflow> {
        let sum = self.of(lot).plus(points)?;
        if sum.is_zero() {
            self.0.remove(&lot)
        } else {
            self.0.insert(lot, sum)
        };
        Ok(())
    }

    /// The stored form. All lots are of the redemption's member, who is stored beside it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let lots: Vec<(i64, u16, Points)> =
            self.0.iter().map(|(lot, points)| (lot.entry_no, lot.part, *points)).collect();
        borsh::to_vec(&lots).expect("writing to memory does not fail")
    }

    /// # Errors
    /// [`Malformed`] for bytes that no release wrote.
    pub fn from_bytes(member: MemberId, bytes: &[u8]) -> Result<Self, Malformed> {
        let lots: Vec<(i64, u16, Points)> = borsh::from_slice(bytes)
            .map_err(|error| Malformed(format!("what was returned of a redemption cannot be read: {error}")))?;
        let lot = |(entry_no, part, points)| (LotId { member, entry_no, part }, points);
        Ok(Self(lots.into_iter().map(lot).collect()))
    }
}

/// What was returned so far of a purchase, of which total.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReturnedAmount {
    pub amount: Money,
    /// Of the receipt, as the returns have named it.
    pub total: Money,
}
