//! The schedule by which windows close.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::book::Book;
use crate::facts::Fact;
use crate::facts::answer::HouseReply;
use crate::facts::coalition::Calendar;
use crate::facts::entry::EntryKind;
use crate::operation::{Admitted, Ask, Decision, Footprint, Gate, Operation, decided};
use crate::rejection::Rejection;

/// The schedule of cut-offs.
///
/// Rule: set-calendar
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SetCalendar {
    pub calendar: Calendar,
}

impl Operation for SetCalendar {
    const NAME: &'static str = "SetCalendar";
    const GATE: Gate = Gate::Alone;

    fn footprint(&self, _: &Ask<'_>, _: &mut Footprint<'_>) {}

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let draft = book.draft(EntryKind::SetCalendar, ask).with(Fact::Calendar(self.calendar.clone()));
        decided(book, draft, HouseReply::default())
    }
}
