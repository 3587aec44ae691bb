//! Certificates that end are told of ahead: in the log, and by the health of the service `certificates`.
//!
//! | days left | log | health |
//! |---|---|---|
//! | fewer than 30 | a warning, once | SERVING |
//! | fewer than 7 | one more | NOT_SERVING |
//! | fewer than 1 | one more | NOT_SERVING |
//! | none: it has ended | an error | NOT_SERVING |
//!
//! They end by the machine's clock, also where the house's own stands still. What was renewed is forgotten, and told of anew when
//! its time comes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use clearing_core::units::Timestamp;
use tokio::sync::Notify;
use tracing::{error, warn};

use super::credentials::Certificate;
use super::{TlsError, TlsMaterial};

/// Something that ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ending {
    /// What it is, for people.
    pub what: String,
    /// Its last second.
    pub not_after: Timestamp,
}

/// How near an end is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nearness {
    /// Thirty days or more.
    #[default]
    Far,
    /// Fewer than thirty days.
    Month,
    /// Fewer than seven.
    Week,
    /// Fewer than one.
    Day,
    /// It is over.
    Ended,
}

impl Ending {
    /// What of a certificate ends.
    pub fn of(what: impl Into<String>, certificate: &Certificate) -> Self {
        Self { what: what.into(), not_after: certificate.not_after }
    }

    /// How many whole days are left.
    pub fn days_left(&self, now: Timestamp) -> i64 {
        self.not_after.0.saturating_sub(now.0).div_euclid(86_400_000_000)
    }

    pub fn nearness(&self, now: Timestamp) -> Nearness {
        match self.days_left(now) {
            ..0 => Nearness::Ended,
            0 => Nearness::Day,
            1..7 => Nearness::Week,
            7..30 => Nearness::Month,
            30.. => Nearness::Far,
        }
    }
}

/// What the house shows and trusts, with what ends of it: the server's certificate and those between it and a root, the
/// authorities, and partners' own.
///
/// # Errors
/// A text that cannot be read.
pub fn of_material(material: &TlsMaterial) -> Result<Vec<Ending>, TlsError> {
    let mut endings = Vec::new();
    let server = Certificate::read("server certificate", &material.cert_pem)?;
    for (at, certificate) in server.iter().enumerate() {
        let what = if at == 0 {
            "the server certificate".to_owned()
        } else {
            format!("the authority {}", certificate.subject)
        };
        endings.push(Ending::of(what, certificate));
    }
    for certificate in Certificate::read("authority certificate", &material.ca_pem)? {
        endings.push(Ending::of(format!("the authority {}", certificate.subject), &certificate));
    }
    for (partner, pem) in &material.partner_ca_pems {
        for certificate in Certificate::read("partner's authority certificate", pem)? {
            endings.push(Ending::of(format!("the own authority of {partner}"), &certificate));
        }
    }
    Ok(endings)
}

/// What is watched, and what was told of it. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    watched: Arc<Mutex<Watched>>,
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Watched {
    /// Of the house, and of whoever runs it.
    endings: [Vec<Ending>; 2],
    told: BTreeMap<Ending, Nearness>,
}

/// Whose certificates they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    House,
    /// Those that the operator's commands show, as far as they lie on this machine.
    Operator,
}

impl Watch {
    /// These from now on.
    pub fn set(&self, whose: Whose, endings: Vec<Ending>) {
        self.watched.lock().expect("nobody panics with the lock").endings[whose as usize] = endings;
        self.changed.notify_one();
    }

    /// Waits until others are watched.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Tells what is to be told now, and how near the nearest end is.
    pub(crate) fn look(&self, now: Timestamp) -> Nearness {
        let mut watched = self.watched.lock().expect("nobody panics with the lock");
        let all: Vec<Ending> = watched.endings.iter().flatten().cloned().collect();
        let (due, told) = due(&watched.told, all, now);
        watched.told = told;
        drop(watched);
        for (ending, nearness) in due {
            let Ending { what, not_after } = &ending;
            let (days_left, advice) = (ending.days_left(now), "renew it, and send SIGHUP");
            if nearness == Nearness::Ended {
                error!(%not_after, what_to_do = advice, "{what} has ended");
            } else {
                warn!(%not_after, days_left, what_to_do = advice, "{what} is about to end");
            }
        }
        self.nearest(now)
    }

    /// How near the nearest end is.
    pub fn nearest(&self, now: Timestamp) -> Nearness {
        let watched = self.watched.lock().expect("nobody panics with the lock");
        watched.endings.iter().flatten().map(|ending| ending.nearness(now)).max().unwrap_or_default()
    }
}

/// What is nearer than was told, and what has been told then. What is not there any more is forgotten.
fn due(
    before: &BTreeMap<Ending, Nearness>,
    endings: Vec<Ending>,
    now: Timestamp,
) -> (Vec<(Ending, Nearness)>, BTreeMap<Ending, Nearness>) {
    let (mut due, mut told) = (Vec::new(), BTreeMap::new());
    for ending in endings {
        let was = before.get(&ending).copied().unwrap_or_default();
        let is = ending.nearness(now).max(was);
        if is > was && !told.contains_key(&ending) {
            due.push((ending.clone(), is));
        }
        told.insert(ending, is);
    }
    (due, told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending(what: &str, days: i64) -> Ending {
        Ending { what: what.to_owned(), not_after: Timestamp(0).plus_days(days) }
    }

    #[test]
    fn each_end_is_told_thirty_seven_and_one_day_ahead_and_when_it_is_there_once_each() {
        let (mut told, mut said) = (BTreeMap::new(), Vec::new());
        for hour in 0..24 * 45 {
            let now = Timestamp(0).plus_seconds(hour * 3_600);
            let (due, after) = due(&told, vec![ending("a", 40), ending("a", 40), ending("b", 100)], now);
            told = after;
            said.extend(due.into_iter().map(|(ending, nearness)| (hour, ending.what, nearness)));
        }
        let a = |hours: i64, nearness| (hours, "a".to_owned(), nearness);
        let expected = [
            a(10 * 24 + 1, Nearness::Month),
            a(33 * 24 + 1, Nearness::Week),
            a(39 * 24 + 1, Nearness::Day),
            a(40 * 24 + 1, Nearness::Ended),
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn what_is_renewed_is_told_of_anew_when_its_time_comes() {
        let now = Timestamp(0);
        let (first, told) = due(&BTreeMap::new(), vec![ending("a", 3)], now);
        assert_eq!(first, [(ending("a", 3), Nearness::Week)]);
        let (none, told) = due(&told, vec![ending("a", 300)], now);
        assert_eq!(none, []);
        let (again, _) = due(&told, vec![ending("a", 300)], now.plus_days(299));
        assert_eq!(again, [(ending("a", 300), Nearness::Week)]);
    }

    #[test]
    fn the_nearest_end_is_what_health_goes_by() {
        let watch = Watch::default();
        assert_eq!(watch.nearest(Timestamp(0)), Nearness::Far);
        watch.set(Whose::House, vec![ending("a", 20)]);
        watch.set(Whose::Operator, vec![ending("b", 5)]);
        assert_eq!(watch.look(Timestamp(0)), Nearness::Week);
        watch.set(Whose::Operator, Vec::new());
        assert_eq!(watch.look(Timestamp(0)), Nearness::Month);
    }
}
