//! The proof of a close: legs + change of what is carried + change over the window, the close aside, of every account in
//! money that is neither a position nor a leg, and of the legs of earlier windows = 0.
//!
//! The close takes each figure from what it stands for: the legs that it makes, the positions, and the balances against
//! those of the close before. That they come to zero is therefore not so by construction.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::chart::{BankPurpose, MoneyAccount};
use crate::units::{Malformed, Money, shown};

/// What a proof tells apart: each account of the house, and all partners' accounts of a kind in one. Positions are none of
/// these, they are what a close settles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub enum MoneyClass {
    Pool,
    Reserve,
    Unfunded,
    Bank(BankPurpose),
    /// The collateral of all partners.
    Collateral,
    /// The legs of all windows that are closed.
    Settle,
    /// What all partners have paid ahead.
    Advance,
    /// What arrived and belongs to nothing yet.
    Unapplied,
    /// What was ordered out and is not seen at the bank yet.
    Ordered,
    /// The claims against all partners.
    Claim,
    ReserveClaim,
    /// What all partners lost by sharing defaults.
    Shared,
}

impl BankPurpose {
    /// The classes of what lies there, of a fund. Of what is for settlements there are none: it is what the funds leave.
    pub(crate) fn classes(self) -> &'static [MoneyClass] {
        match self {
            Self::Settlement => &[],
            Self::Reserve => &[MoneyClass::Reserve, MoneyClass::Bank(Self::Reserve)],
            Self::Collateral => &[MoneyClass::Collateral, MoneyClass::Bank(Self::Collateral)],
            Self::Pool => &[MoneyClass::Pool, MoneyClass::Unfunded, MoneyClass::Bank(Self::Pool)],
        }
    }
}

impl MoneyClass {
    pub(crate) const ALL: [Self; 15] = [
        Self::Pool,
        Self::Reserve,
        Self::Unfunded,
        Self::Bank(BankPurpose::Settlement),
        Self::Bank(BankPurpose::Reserve),
        Self::Bank(BankPurpose::Collateral),
        Self::Bank(BankPurpose::Pool),
        Self::Collateral,
        Self::Settle,
        Self::Advance,
        Self::Unapplied,
        Self::Ordered,
        Self::Claim,
        Self::ReserveClaim,
        Self::Shared,
    ];

    /// The class of an account; none of a position.
    pub fn of(account: MoneyAccount) -> Option<Self> {
        match account {
            MoneyAccount::Position(_) => None,
            MoneyAccount::Pool => Some(Self::Pool),
            MoneyAccount::Reserve => Some(Self::Reserve),
            MoneyAccount::Unfunded => Some(Self::Unfunded),
            MoneyAccount::Bank(purpose) => Some(Self::Bank(purpose)),
            MoneyAccount::Collateral(_) => Some(Self::Collateral),
            MoneyAccount::Settle(..) => Some(Self::Settle),
            MoneyAccount::Advance(_) => Some(Self::Advance),
            MoneyAccount::Unapplied(_) => Some(Self::Unapplied),
            MoneyAccount::Ordered(_) => Some(Self::Ordered),
            MoneyAccount::Claim(_) => Some(Self::Claim),
            MoneyAccount::ReserveClaim => Some(Self::ReserveClaim),
            MoneyAccount::Shared(..) => Some(Self::Shared),
        }
    }
}

impl fmt::Display for MoneyClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pool => MoneyAccount::Pool.fmt(f),
            Self::Reserve => MoneyAccount::Reserve.fmt(f),
            Self::Unfunded => MoneyAccount::Unfunded.fmt(f),
            Self::Bank(purpose) => MoneyAccount::Bank(*purpose).fmt(f),
            Self::Collateral => f.write_str("collateral"),
            Self::Settle => f.write_str("settle"),
            Self::Advance => f.write_str("advance"),
            Self::Unapplied => f.write_str("unapplied"),
            Self::Ordered => f.write_str("ordered"),
            Self::Claim => f.write_str("claim"),
            Self::ReserveClaim => MoneyAccount::ReserveClaim.fmt(f),
            Self::Shared => f.write_str("shared"),
        }
    }
}

impl FromStr for MoneyClass {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let found = Self::ALL.into_iter().find(|class| class.to_string() == text);
        found.ok_or_else(|| Malformed(format!("{} is not a class of accounts in money", shown(text))))
    }
}

/// Amounts of classes of accounts; those left out are zero. A sum over many partners may be larger than any one balance.
pub type ClassAmounts = BTreeMap<MoneyClass, i128>;

/// The figures of a close.
///
/// Rule: proof
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Proof {
    /// The sum of the legs that the close made.
    pub legs: i128,
    /// What stays in the positions, less what they began the window with.
    pub carried_change: i128,
    /// By how much the other accounts moved over the window, this close aside.
    pub changes: ClassAmounts,
}

impl Proof {
    /// What the figures come to: zero.
    pub fn sum(&self) -> i128 {
        self.legs + self.carried_change + self.changes.values().sum::<i128>()
    }

    pub fn holds(&self) -> bool {
        self.sum() == 0
    }
}

/// The balances of accounts by class. The legs of closed windows are left out: no close reads them, their sum is kept
/// with the open window.
pub fn balances_by_class<'a>(balances: impl Iterator<Item = (&'a MoneyAccount, &'a Money)>) -> ClassAmounts {
    let mut sums = ClassAmounts::new();
    for (account, balance) in balances {
        if let Some(class) = MoneyClass::of(*account).filter(|class| *class != MoneyClass::Settle) {
            *sums.entry(class).or_default() += i128::from(balance.0);
        }
    }
    sums
}
