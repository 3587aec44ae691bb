//! The close of a window, and what it would come to.

use std::collections::{BTreeMap, BTreeSet};

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::chart::{MoneyAccount, Purpose};
use crate::facts::answer::{Closed, HouseReply};
use crate::facts::calendar::CutOff;
use crate::facts::entry::EntryKind;
use crate::facts::order::OrderMode;
use crate::facts::origin::Origin;
use crate::facts::window::{Settlement, Window};
use crate::facts::{CutOffFacts, Fact};
use crate::netting;
use crate::operation::{Admitted, Ask, Decision, Footprint, Gate, Operation, Subject};
use crate::rejection::Rejection;
use crate::schedule::Schedule;
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
        let preview = book.preview(ask.now)?;
        let mut draft = book.draft(EntryKind::Close, ask);
        if let Some(CutOff { version, days, .. }) = preview.cut_off {
            draft = draft.with(Fact::CutOff(CutOffFacts { version, days }));
        }
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
    /// What the calendar says of it; none where windows are closed by hand only.
    pub cut_off: Option<CutOff>,
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

    /// The legs that closing the open window at a moment would give. Needs all balances and the window's gross in the book.
    ///
    /// # Errors
    /// [`Overflow`] if the threshold leaves the operator a leg that does not fit.
    pub fn preview(&self, now: Timestamp) -> Result<Preview, Overflow> {
        let positions = self.positions();
        let coalition = &self.house.coalition;
        let cut_off = Schedule::read(&self.house.calendar).ok().and_then(|schedule| schedule.of_close(now));
        let threshold =
            if self.ends_a_year(cut_off.as_ref(), now) { Money::ZERO } else { coalition.settlement_threshold };
        let legs = netting::legs(&positions, coalition.minor_unit(), threshold, &self.carried_enough())?;
        let carried = positions
            .iter()
            .map(|(partner, position)| Ok((*partner, position.minus(legs.get(partner).copied().unwrap_or_default())?)));
        let carried = carried.collect::<Result<_, Overflow>>()?;
        let gross = self.gross_of_window(self.open_window);
        let pairwise = netting::total(&netting::orders(OrderMode::Pairwise, &legs));
        Ok(Preview { cut_off, positions, legs, carried, gross, pairwise })
    }

    /// Whose leg was carried by as many closes in a row as may carry one: the next makes it, whatever its size.
    ///
    /// Rule: carry-windows-max
    fn carried_enough(&self) -> BTreeSet<PartnerId> {
        let (Some(most), Some(open)) = (self.house.coalition.carry_windows_max, self.windows.get(&self.open_window))
        else {
            return BTreeSet::new();
        };
        // Who has come since the window opened has no row in it, and waits for nothing yet.
        let carried = |partner: &PartnerId| open.participants.get(partner).map_or(0, |of| of.carried_windows);
        self.house.partners.keys().copied().filter(|partner| carried(partner) >= most).collect()
    }

    /// Whether a close now is the last of a calendar year, which carries nothing for being small: by the calendar, no cut-off of
    /// the year is left. Where there is none, the last close is known too late, and the one that follows it is meant: that of
    /// the window in which the year ends.
    ///
    /// Rule: carry-year-end
    fn ends_a_year(&self, cut_off: Option<&CutOff>, now: Timestamp) -> bool {
        let year = |moment: Timestamp| moment.to_jiff().to_zoned(self.house.coalition.time_zone.clone()).year();
        let opened = self.windows.get(&self.open_window).map(|open| open.opened);
        let by_hand = || opened.is_some_and(|opened| year(opened) < year(now));
        cut_off.map_or_else(by_hand, |cut_off| cut_off.last_of_year)
    }
}
