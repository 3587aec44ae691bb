//! The schedule by which windows close.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::facts::coalition::Calendar;
use crate::facts::entry::EntryKind;
use crate::facts::{CalendarFacts, Fact};
use crate::operation::{Admitted, Ask, Decision, Footprint, Gate, Operation, Subject, decided};
use crate::rejection::Rejection;

/// The schedule of cut-offs.
///
/// Rule: set-calendar
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(transparent)]
pub struct SetCalendar {
    pub calendar: Calendar,
}

impl Operation for SetCalendar {
    const NAME: &'static str = "SetCalendar";
    const GATE: Gate = Gate::Alone;
    const TWO_PERSONS: bool = true;

    fn subject(&self) -> Option<Subject> {
        Some(Subject::default())
    }

    fn found(&self, book: &Book) -> Vec<u8> {
        borsh::to_vec(&book.house.calendar).expect("writing to memory does not fail")
    }

    fn footprint(&self, _: &Ask<'_>, _: &mut Footprint<'_>) {}

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let new = CalendarFacts { calendar: self.calendar.clone(), before: Some(book.house.calendar.clone()) };
        decided(book, book.draft(EntryKind::SetCalendar, ask).with(Fact::Calendar(new)))
    }
}
