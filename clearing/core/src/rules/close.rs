//! The close of a window, and what it would come to.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::chart::{MoneyAccount, Purpose};
use crate::facts::answer::{Closed, HouseReply};
use crate::facts::entry::EntryKind;
use crate::facts::order::OrderMode;
use crate::facts::origin::Origin;
use crate::facts::window::{Settlement, Window};
use crate::netting;
use crate::operation::{Admitted, Ask, Decision, Footprint, Gate, Operation, Subject};
use crate::rejection::Rejection;
use crate::units::{MemberId, Money, Overflow, PartnerId, Timestamp, WindowNumber};

/// Closes the open window, for which its entry moves the legs out of the positions, and opens the next. Costs O(partners): it
/// sums nothing.
///
/// Rule: close
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloseWindow {
    /// The scheduler names the window it means, so that two of them close it once.
    #[serde(skip)]
    pub expected: Option<WindowNumber>,
}

impl Operation for CloseWindow {
    const NAME: &'static str = "CloseWindow";
    const GATE: Gate = Gate::Alone;

    fn subject(&self) -> Option<Subject> {
        Some(Subject { window: self.expected, ..Subject::default() })
    }

    fn footprint(&self, _: &Ask<'_>, _: &mut Footprint<'_>) {}

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        if self.expected.is_some_and(|expected| expected != book.open_window) {
            return Ok(Decision::of_house(Vec::new(), HouseReply::Entries));
        }
        let number = book.open_window;
        let preview = book.preview()?;
        let mut draft = book.draft(EntryKind::Close, ask);
        for (partner, leg) in &preview.legs {
            draft.post_money(MoneyAccount::Position(*partner), Purpose::Settlement, -i128::from(leg.0));
            draft.post_money(MoneyAccount::Settle(number, *partner), Purpose::Settlement, i128::from(leg.0));
        }
        let entry = book.finish(draft)?;
        let window = book.windows.get(&number).expect("the open window is in the book");
        let proof = book.proof(window, &preview.legs, &preview.carried);
        assert!(proof.holds(), "the books of window {number} do not balance: {proof:?}");
        let mut carried = preview.carried;
        carried.retain(|_, left| !left.is_zero());
        let settlement = Settlement::proposed(&preview.legs, preview.gross, proof);
        let closed = Closed { settlement, carried };
        Ok(Decision::of_house(vec![entry], HouseReply::Closed(Box::new(closed))))
    }
}

/// What a close would settle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    pub positions: BTreeMap<PartnerId, Money>,
    pub legs: BTreeMap<PartnerId, Money>,
    pub carried: BTreeMap<PartnerId, Money>,
    pub gross: Money,
    pub pairwise: Money,
}

impl Book {
    /// The open window as a close would leave it now, with its settlement. The book is used up: it is a copy.
    ///
    /// # Errors
    /// Why the window cannot be closed: `OVERFLOW`.
    ///
    /// Rule: close-preview
    pub fn closed_for_show(mut self, now: Timestamp) -> Result<Window, Rejection> {
        let number = self.open_window;
        let ask = Ask {
            caller: PartnerId::operator(),
            person: None,
            request_id: None,
            origin: &Origin::default(),
            fresh_member: MemberId(0),
            fresh_salt: [0; 16],
            now,
            badge: None,
        };
        let closing = CloseWindow { expected: Some(number) }.decide(&self, &ask, &Admitted::default())?;
        for entry in closing.entries {
            self.post(entry);
        }
        Ok(self.windows.remove(&number).expect("the open window is in the book"))
    }

    /// The legs that closing the open window now would give. Needs all balances and the window's gross in the book.
    ///
    /// # Errors
    /// [`Overflow`] if the threshold leaves the operator a leg that does not fit.
    pub fn preview(&self) -> Result<Preview, Overflow> {
        let positions = self.positions();
        let coalition = &self.house.coalition;
        let legs = netting::legs(&positions, coalition.minor_unit(), coalition.settlement_threshold)?;
        let carried = positions
            .iter()
            .map(|(partner, position)| Ok((*partner, position.minus(legs.get(partner).copied().unwrap_or_default())?)));
        let carried = carried.collect::<Result<_, Overflow>>()?;
        let gross = self.gross_of_window(self.open_window);
        let pairwise = netting::total(&netting::orders(OrderMode::Pairwise, &legs));
        Ok(Preview { positions, legs, carried, gross, pairwise })
    }
}
