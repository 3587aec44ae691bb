//! The proof of a close: legs + change of what is carried + change over the window, the close aside, of every account in
//! money that is neither a position nor a leg, and of the legs of earlier windows = 0.
//!
//! The close takes each figure from what it stands for: the legs that it makes, the positions, and the balances against
//! those of the close before. That they come to zero is therefore not so by construction. [`ProofTrail`] works every
//! figure out once more from the journal.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::audit::{Unit, Violation};
use crate::book::Book;
use crate::chart::{BankPurpose, MoneyAccount};
use crate::facts::entry::{Entry, EntryKind};
use crate::rules::settlement::Window;
use crate::units::{Malformed, Money, WindowNumber, shown};

/// What a proof tells apart: each account of the house, and all partners' accounts of a kind in one. Positions are none of
/// these, they are what a close settles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MoneyClass {
    Pool,
    Reserve,
    Unfunded,
    Bank(BankPurpose),
    /// The collateral of all partners.
    Collateral,
    /// The legs of all windows that are closed.
    Settle,
}

impl MoneyClass {
    const ALL: [Self; 8] = [
        Self::Pool,
        Self::Reserve,
        Self::Unfunded,
        Self::Bank(BankPurpose::Settlement),
        Self::Bank(BankPurpose::Reserve),
        Self::Bank(BankPurpose::Collateral),
        Self::Collateral,
        Self::Settle,
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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

/// The figures of all proofs as the journal gives them. It is told of every entry once; their order does not matter.
#[derive(Debug, Clone, Default)]
pub struct ProofTrail {
    /// By how much classes moved over each window, its close aside.
    moved: BTreeMap<WindowNumber, ClassAmounts>,
    /// What each close moved from positions into legs.
    legs: BTreeMap<WindowNumber, i128>,
    /// What the windows that were checked come to, and the last of them.
    balances: ClassAmounts,
    checked: WindowNumber,
}

impl ProofTrail {
    pub fn add(&mut self, entry: &Entry) {
        for posting in &entry.money {
            let Some(class) = MoneyClass::of(posting.account) else { continue };
            let sum = if entry.kind == EntryKind::Close {
                self.legs.entry(entry.window).or_default()
            } else {
                self.moved.entry(entry.window).or_default().entry(class).or_default()
            };
            *sum += i128::from(posting.amount.0);
        }
    }

    /// What is stored with the windows up to one, from the last that was checked, against the journal: the balances that each
    /// began with, the legs, and the change of each class of accounts. All entries of the journal have been added.
    pub fn check(&mut self, stored: &Book, last: WindowNumber) -> Vec<Violation> {
        let mut found = Vec::new();
        for number in self.checked + 1..=last {
            let moved = self.moved.remove(&number).unwrap_or_default();
            let legs = self.legs.remove(&number).unwrap_or_default();
            if let Some(window) = stored.windows.get(&number) {
                self.check_window(stored, window, &moved, legs, &mut found);
            }
            for (class, amount) in moved {
                *self.balances.entry(class).or_default() += amount;
            }
            *self.balances.entry(MoneyClass::Settle).or_default() += legs;
            self.checked = number;
        }
        found
    }

    fn check_window(
        &self,
        stored: &Book,
        window: &Window,
        moved: &ClassAmounts,
        legs: i128,
        found: &mut Vec<Violation>,
    ) {
        let unit = Unit::of(&stored.house);
        let of = |amounts: &ClassAmounts, class| amounts.get(&class).copied().unwrap_or_default();
        let mut compare = |figure: String, stored: i128, rebuilt: i128| {
            if stored != rebuilt {
                let (stored, rebuilt) = (unit.amount(stored), unit.amount(rebuilt));
                found.push(Violation::ProofDiffers { window: window.number, figure, stored, rebuilt });
            }
        };
        for class in MoneyClass::ALL {
            compare(
                format!("the balance of {class} at its beginning"),
                of(&window.opening, class),
                of(&self.balances, class),
            );
            if let Some(settlement) = &window.settlement {
                compare(format!("the change of {class}"), of(&settlement.proof.changes, class), of(moved, class));
            }
        }
        compare("the change of earlier legs".to_owned(), window.legs_moved, of(moved, MoneyClass::Settle));
        if let Some(settlement) = &window.settlement {
            compare("the sum of its legs".to_owned(), settlement.proof.legs, legs);
            let carried = window.participants.values();
            let carried = carried.map(|part| i128::from(part.carried.0) - i128::from(part.opening.0)).sum();
            compare("the change of what is carried".to_owned(), settlement.proof.carried_change, carried);
        }
    }
}
