//! Days as the coalition's calendar counts them: the same local time so many days later. Hours, minutes and seconds are
//! exact, and are no business of this room.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::units::Timestamp;

/// The moment with the same local time so many days later, or before if `days` is below zero. What lies beyond the
/// calendar is never, or the first moment of all.
///
/// Rule: calendar-days
pub fn days_later(moment: Timestamp, days: i64, zone: &TimeZone) -> Timestamp {
    let local = moment.to_jiff().to_zoned(zone.clone()).datetime();
    let span = jiff::Span::new().try_days(days);
    let later = span.and_then(|span| local.checked_add(span)).ok();
    later.map_or(if days < 0 { Timestamp(0) } else { Timestamp::NEVER }, |local| moment_of(local, zone))
}

/// The moment with a local time: of two the first; of a time that is skipped, the next that exists.
pub(crate) fn moment_of(local: DateTime, zone: &TimeZone) -> Timestamp {
    let moment = match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
            offset.to_timestamp(local).ok()
        }
        AmbiguousOffset::Gap { after, .. } => {
            // By the offset that comes, a skipped time lies before the clocks are put forward.
            let before = after.to_timestamp(local).ok();
            before.and_then(|before| zone.following(before).next()).map(|change| change.timestamp())
        }
    };
    moment.map_or(Timestamp::NEVER, Timestamp::from_jiff)
}
