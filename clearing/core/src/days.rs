//! Days as the coalition's calendar counts them: the same local time so many days later. Hours, minutes and seconds are
//! exact, and are no business of this room.

use jiff::tz::TimeZone;

use crate::units::Timestamp;

/// The moment with the same local time so many days later, or before if `days` is below zero. What lies beyond the
/// calendar is the last moment that it has, or the first.
///
/// Rule: calendar-days
pub fn days_later(moment: Timestamp, days: i64, zone: &TimeZone) -> Timestamp {
    let local = moment.to_jiff().to_zoned(zone.clone()).datetime();
    let span = jiff::Span::new().try_days(days);
    let later = span.and_then(|span| local.checked_add(span)).ok().and_then(|local| Timestamp::of_wall(local, zone));
    let beyond = if days < 0 { Timestamp::FIRST } else { Timestamp::LAST };
    later.map_or(beyond, |later| later.clamp(Timestamp::FIRST, Timestamp::LAST))
}
