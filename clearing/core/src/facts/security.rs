//! What stands behind a partner's net debit cap besides its collateral: guarantees of others, and what it may owe without any.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::units::{Money, PartnerId, Timestamp};

/// What covers a partner's debts besides its collateral.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Security {
    /// What it may owe without any security.
    #[serde(default, rename = "unsecured_amount")]
    pub unsecured: Money,
    #[serde(default)]
    pub guarantees: Vec<Guarantee>,
}

impl Security {
    /// Guarantees of one partner at the most.
    pub const GUARANTEES_MAX: usize = 16;

    /// What guarantees cover that are in force at a time.
    pub fn guaranteed(&self, time: Timestamp) -> i128 {
        let in_force = self.guarantees.iter().filter(|guarantee| time < guarantee.ends);
        in_force.map(|guarantee| i128::from(guarantee.amount.0)).sum()
    }

    /// When a guarantee has ended last by a time, if one has.
    pub fn ended_by(&self, time: Timestamp) -> Option<Timestamp> {
        self.guarantees.iter().map(|guarantee| guarantee.ends).filter(|ends| *ends <= time).max()
    }

    /// When the next guarantee ends behind a time.
    pub fn next_end(&self, time: Timestamp) -> Option<Timestamp> {
        self.guarantees.iter().map(|guarantee| guarantee.ends).filter(|ends| *ends > time).min()
    }
}

/// What another answers for.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guarantee {
    /// By what the guarantor calls it.
    pub reference: String,
    pub amount: Money,
    /// It covers until then.
    #[serde(rename = "end_time")]
    pub ends: Timestamp,
}

impl Guarantee {
    /// Of the reference, in characters.
    pub const REFERENCE_MAX: usize = 64;
}

/// What covers a partner's debts from now on.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SecurityFacts {
    pub partner: PartnerId,
    pub security: Security,
    pub before: Security,
}
