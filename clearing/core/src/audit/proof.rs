//! The figures of the proofs of all closes, worked out once more from the journal.

use std::collections::BTreeMap;

use crate::audit::shown::Unit;
use crate::audit::violation::Violation;
use crate::book::Book;
use crate::facts::entry::{Entry, EntryKind};
use crate::facts::proof::{ClassAmounts, MoneyClass};
use crate::facts::window::Window;
use crate::units::WindowNumber;

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
