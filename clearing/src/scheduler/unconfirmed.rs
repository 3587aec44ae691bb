//! Says in the log which closed windows nobody has confirmed: until then nobody is paid.
//!
//! When it was said is kept in memory alone: a node that begins to look says it then, of every window that waits, and from then
//! on once a day while one has waited for a day or more.

use clearing_core::facts::window::waits_too_long;
use clearing_core::units::Timestamp;
use tracing::warn;

use crate::store::Unconfirmed;

/// So many windows are named in a line at the most.
const NAMED_MAX: usize = 20;

/// Whether one of these windows has waited for too long.
pub fn is_overdue(waiting: &[Unconfirmed], now: Timestamp) -> bool {
    waiting.iter().any(|window| waits_too_long(window.closed, now))
}

/// Whether these windows are to be told of, after they were told of at a moment.
pub fn is_due(waiting: &[Unconfirmed], told: Option<Timestamp>, now: Timestamp) -> bool {
    match told {
        None => !waiting.is_empty(),
        Some(told) => is_overdue(waiting, now) && waits_too_long(told, now),
    }
}

/// Writes them to the log. There are some.
pub fn tell(waiting: &[Unconfirmed]) {
    let Some(since) = waiting.iter().map(|window| window.closed).min() else { return };
    let named = |which: &dyn Fn(&&Unconfirmed) -> bool| {
        let numbers: Vec<String> = waiting.iter().filter(which).map(|window| window.number.to_string()).collect();
        let more = numbers.len().saturating_sub(NAMED_MAX);
        let named = numbers[..numbers.len() - more].join(", ");
        if more == 0 { named } else { format!("{named} and {more} more") }
    };
    let (windows, without_legs) = (named(&|_| true), named(&|window| window.legs == 0));
    warn!(
        windows,
        without_legs,
        %since,
        "closed windows wait to be confirmed, and nobody is paid before: clearing settlement confirm N; with --empty all \
         without legs"
    );
}

#[cfg(test)]
mod tests {
    use clearing_core::facts::window::UNCONFIRMED_SECONDS_MAX;

    use super::*;

    const DAY: i64 = UNCONFIRMED_SECONDS_MAX;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(0).plus_seconds(seconds)
    }

    /// When one is told of windows that were closed at these seconds, looking at these ones.
    fn told_at(closed: &[i64], looks: &[i64]) -> Vec<i64> {
        let waiting: Vec<_> = (1..).zip(closed).map(|(number, closed)| (number, at(*closed))).collect();
        let (mut told, mut when) = (None, Vec::new());
        for look in looks {
            let by_then = waiting.iter().filter(|(_, closed)| *closed <= at(*look));
            let by_then: Vec<_> =
                by_then.map(|(number, closed)| Unconfirmed { number: *number, closed: *closed, legs: 1 }).collect();
            if is_due(&by_then, told, at(*look)) {
                when.push(*look);
            }
            if told.is_none() || when.last() == Some(look) {
                told = Some(at(*look));
            }
        }
        when
    }

    #[test]
    fn what_waits_is_told_of_after_a_start_and_once_a_day_from_a_day_on() {
        assert_eq!(told_at(&[], &[0, DAY, 2 * DAY]), Vec::<i64>::new());
        assert_eq!(told_at(&[0], &[10, 20, DAY, DAY + 10, DAY + 20, 2 * DAY + 10]), [10, DAY + 10, 2 * DAY + 10]);
        assert_eq!(told_at(&[50], &[10, 60, DAY + 40, DAY + 50, DAY + 60]), [DAY + 50], "a close is no delay");
        assert_eq!(told_at(&[-3 * DAY, 0], &[10, DAY + 9, DAY + 10]), [10, DAY + 10]);
    }
}
