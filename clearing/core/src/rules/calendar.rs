//! The schedule by which windows close: its versions, and what of them stands fast.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::facts::calendar::{Calendar, CalendarVersion, Calendars, CutOff};
use crate::facts::entry::EntryKind;
use crate::facts::{CalendarFacts, Fact};
use crate::operation::{Admitted, Ask, Decision, Footprint, Gate, Operation, Subject, decided};
use crate::rejection::Rejection;
use crate::schedule::{Schedule, check};
use crate::units::Timestamp;

/// Sets a version of the schedule of cut-offs, from now on or from a time on. Versions that would have taken effect with it or
/// later are no more.
///
/// Rule: set-calendar
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetCalendar {
    pub calendar: Calendar,
    /// From when on it rules; none: from when it is accepted.
    #[serde(rename = "effective_time", default)]
    pub effective: Option<Timestamp>,
}

impl From<Calendar> for SetCalendar {
    fn from(calendar: Calendar) -> Self {
        Self { calendar, effective: None }
    }
}

impl Operation for SetCalendar {
    const NAME: &'static str = "SetCalendar";
    const GATE: Gate = Gate::Alone;
    const TWO_PERSONS: bool = true;

    fn check(&self) -> Result<(), Rejection> {
        check(&self.calendar).map_err(|problem| Rejection::invalid(&problem.field(), problem))
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::default())
    }

    fn found(&self, book: &Book) -> Vec<u8> {
        borsh::to_vec(&book.house.calendar).expect("writing to memory does not fail")
    }

    fn footprint(&self, _: &Ask<'_>, _: &mut Footprint<'_>) {}

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let effective = self.effective.unwrap_or(ask.now);
        if effective < ask.now || effective > Timestamp::LAST {
            let [time, earliest, latest] = [effective, ask.now, Timestamp::LAST].map(|moment| moment.to_string());
            return Err(Rejection::TimeOutOfRange { field: "effective_time".to_owned(), time, earliest, latest });
        }
        let calendars = &book.house.calendar;
        let number = calendars.next_number();
        let after = calendars.with(CalendarVersion { number, effective, calendar: self.calendar.clone() });
        check_in_time(calendars, &after, ask.now, book.house.coalition.days_after(1, ask.now))?;
        check_announced(&after, ask.now)?;
        let before = Some(calendars.in_force(effective));
        let new = CalendarFacts { version: number, effective, calendar: self.calendar.clone(), before };
        decided(book, book.draft(EntryKind::SetCalendar, ask).with(Fact::Calendar(new)))
    }
}

/// Refuses more calendars that are announced than there may be.
///
/// Rule: calendars-announced-max
fn check_announced(after: &Calendars, now: Timestamp) -> Result<(), Rejection> {
    if after.announced(now) <= Calendars::ANNOUNCED_MAX {
        return Ok(());
    }
    let maximum = i64::try_from(Calendars::ANNOUNCED_MAX).expect("a small number");
    Err(Rejection::Overflow { what: "the number of announced calendars".to_owned(), maximum })
}

/// Refuses a change of what is published of the cut-offs that are less than a day away: of one that is to come until then, of the
/// days on which it is told and paid, and one that nobody was told of. A first calendar, behind which windows were closed by
/// hand, moves nothing that was published.
///
/// Rule: calendar-too-late
fn check_in_time(before: &Calendars, after: &Calendars, now: Timestamp, tomorrow: Timestamp) -> Result<(), Rejection> {
    // What nobody can read any more, nobody was told.
    let (Ok(before), Ok(after)) = (Schedule::read(before), Schedule::read(after)) else { return Ok(()) };
    if before.next_after(now).is_none() {
        return Ok(());
    }
    let soon = |cut_off: &CutOff| cut_off.time < tomorrow;
    let published = |cut_off: CutOff| (cut_off.time, cut_off.days);
    let mut told = before.after(now).take_while(soon).map(published);
    let mut new = after.after(now).take_while(soon).map(published);
    loop {
        let (told, new) = (told.next(), new.next());
        if told != new {
            let first = [told, new].into_iter().flatten().map(|(time, _)| time).min().expect("one of the two is there");
            let [cut_off, earliest] = [first, tomorrow].map(|moment| moment.to_string());
            return Err(Rejection::CalendarTooLate { cut_off, earliest });
        }
        if told.is_none() {
            return Ok(());
        }
    }
}
