//! What goes wrong for a while is said when it begins, now and then while it lasts, and once when it is over: a line each
//! second would hide all others.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

/// Until it is said again for the first time; doubled each time up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_secs(60);
const PAUSE_MAX: Duration = Duration::from_secs(3_600);

/// Different things that are kept in mind as said.
const SAID_MAX: usize = 16;

/// Whether it is time to say what is wrong.
#[derive(Debug, Default)]
pub struct Reminder {
    lasting: Option<Lasting>,
}

#[derive(Debug)]
struct Lasting {
    since: Instant,
    again: Instant,
    pause: Duration,
    said: BTreeSet<String>,
}

impl Reminder {
    /// Something is wrong: whether that is to be said now. What was not said before is, whatever else lasts.
    pub fn is_due(&mut self, what: &str) -> bool {
        self.is_due_at(what, Instant::now())
    }

    /// Nothing is wrong any more: how long it lasted, if anything was said.
    pub fn over(&mut self) -> Option<Duration> {
        self.lasting.take().map(|lasting| lasting.since.elapsed())
    }

    fn is_due_at(&mut self, what: &str, now: Instant) -> bool {
        let lasting = self.lasting.get_or_insert_with(|| Lasting {
            since: now,
            again: now + PAUSE,
            pause: PAUSE,
            said: BTreeSet::new(),
        });
        let is_new = lasting.said.len() < SAID_MAX && lasting.said.insert(what.to_owned());
        if is_new {
            return true;
        }
        if now < lasting.again {
            return false;
        }
        lasting.pause = (lasting.pause * 2).min(PAUSE_MAX);
        lasting.again = now + lasting.pause;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often it is said within so many hours, asked each second.
    fn said(hours: u64, what: impl Fn(u64) -> String) -> usize {
        let (mut reminder, begin) = (Reminder::default(), Instant::now());
        (0..hours * 3_600)
            .filter(|second| reminder.is_due_at(&what(*second), begin + Duration::from_secs(*second)))
            .count()
    }

    #[test]
    fn what_lasts_is_said_once_and_then_at_growing_intervals() {
        let mut reminder = Reminder::default();
        let begin = Instant::now();
        let at = |minutes: u64| begin + Duration::from_secs(60 * minutes);
        let due: Vec<u64> = (0..130).filter(|minutes| reminder.is_due_at("gone", at(*minutes))).collect();
        assert_eq!(due, [0, 1, 3, 7, 15, 31, 63, 123]);
        assert!(reminder.over().is_some());
        assert!(reminder.over().is_none(), "it is over once");
        assert!(reminder.is_due("gone"), "what comes again is said again");
    }

    #[test]
    fn what_changes_is_said_when_it_is_new_and_not_each_time_that_it_changes_back() {
        assert_eq!(said(1, |_| "gone".to_owned()), 6);
        assert_eq!(said(1, |second| if second % 2 == 0 { "gone" } else { "silent" }.to_owned()), 7);
        // Nor is a text that is never the same twice.
        assert!(said(1, |second| format!("gone since {second}")) <= SAID_MAX + 6);
    }
}
