//! Times: for people on the wall of the coalition's zone, all of one length; for programs RFC 3339 in UTC
//! ([`moment`](crate::session::moment)); and as a command line names them.

use std::time::{Duration, SystemTime};

use clearing_core::facts::origin::BusinessDate;
use clearing_core::units::{Malformed, Timestamp};
use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::failure::Failure;

/// The zone in which a coalition's people read times.
#[derive(Debug, Clone)]
pub struct Zone(TimeZone);

impl Zone {
    /// The one of this IANA name; of one that this program does not know, UTC, which it says then.
    pub fn named(name: &str) -> Self {
        Self(TimeZone::get(name).unwrap_or(TimeZone::UTC))
    }

    /// The zone itself.
    pub fn of(zone: &TimeZone) -> Self {
        Self(zone.clone())
    }

    /// As it is known to people.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// A moment for people, always of 19 characters: `2026-02-01 03:00:00`. Where it is read must say which zone it is of.
    pub fn text(&self, time: SystemTime) -> String {
        let moment = jiff::Timestamp::try_from(time).map(|moment| moment.to_zoned(self.0.clone()));
        moment.map_or_else(
            |_| "beyond the calendar".to_owned(),
            |moment| moment.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        )
    }

    /// A moment on the wall, in whole seconds.
    ///
    /// # Errors
    /// One beyond the calendar.
    pub fn civil(&self, time: SystemTime) -> Result<DateTime, jiff::Error> {
        let moment = jiff::Timestamp::try_from(time)?;
        Ok(self.0.to_datetime(jiff::Timestamp::from_second(moment.as_second())?))
    }

    /// The same, or nothing.
    pub fn text_or_none(&self, time: Option<SystemTime>) -> String {
        time.map_or_else(String::new, |time| self.text(time))
    }

    /// A moment in a sentence, with its zone: `2026-02-01 03:00:00 Europe/Moscow`.
    pub fn said(&self, time: SystemTime) -> String {
        format!("{} {}", self.text(time), self.name())
    }

    /// The day of the week of a moment.
    pub fn weekday(&self, time: SystemTime) -> String {
        let moment = jiff::Timestamp::try_from(time).map(|moment| moment.to_zoned(self.0.clone()));
        moment.map_or_else(|_| String::new(), |moment| moment.strftime("%a").to_string())
    }

    /// What stands below a table with times.
    pub fn note(&self) -> String {
        format!("Times are those of {}.", self.name())
    }
}

/// A time as a command line names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// RFC 3339: a moment, wherever it is read.
    Moment(Timestamp),
    /// On the wall of the coalition's zone.
    Local(DateTime),
    /// A day of the coalition's calendar.
    Day(Date),
}

/// What may be written where a flag takes a time.
pub const FORMS: &str =
    "write a day such as 2026-12-01, a local time such as 2026-12-01T10:00, or a moment such as 2026-12-01T07:00:00Z";

/// Reads a time: `2026-12-01`, `2026-12-01T10:00` (or with seconds), or RFC 3339.
pub fn when(text: &str) -> Result<When, String> {
    let wrong = || format!("{text:?} is not a time; {FORMS}");
    match text.len() {
        10 => text.parse::<BusinessDate>().map(|day| When::Day(day.to_jiff())).map_err(|_| wrong()),
        // A minute has no seconds, and the form of the house has them.
        16 => moment(&format!("{text}:00Z")).and_then(local).ok_or_else(wrong),
        19 => moment(&format!("{text}Z")).and_then(local).ok_or_else(wrong),
        _ => match text.parse() {
            Ok(moment) => Ok(When::Moment(moment)),
            Err(Malformed(problem)) if problem.contains("outside") => Err(problem),
            Err(_) => Err(wrong()),
        },
    }
}

fn moment(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

fn local(moment: Timestamp) -> Option<When> {
    Some(When::Local(TimeZone::UTC.to_datetime(moment.to_jiff())))
}

impl When {
    /// The moment that it names; of a day its first one.
    ///
    /// # Errors
    /// Usage for what the calendar does not have.
    pub fn begin(self, zone: &Zone) -> Result<SystemTime, Failure> {
        match self {
            Self::Moment(moment) => Ok(SystemTime::from(moment.to_jiff())),
            Self::Local(local) => of_wall(local, zone),
            Self::Day(day) => of_wall(day.to_datetime(jiff::civil::Time::midnight()), zone),
        }
    }

    /// The same for the end of a span of time: a day belongs to it as a whole.
    ///
    /// # Errors
    /// Usage for what the calendar does not have.
    pub fn end(self, zone: &Zone) -> Result<SystemTime, Failure> {
        let Self::Day(day) = self else { return self.begin(zone) };
        let next = day.checked_add(1.day()).map_err(|_| beyond())?;
        Self::Day(next).begin(zone)
    }
}

fn of_wall(local: DateTime, zone: &Zone) -> Result<SystemTime, Failure> {
    let moment = Timestamp::of_wall(local, &zone.0).and_then(|moment| moment.named().ok());
    moment.map(|moment| SystemTime::from(moment.to_jiff())).ok_or_else(beyond)
}

fn beyond() -> Failure {
    Failure::usage(format!("times lie between {} and {}", Timestamp::FIRST, Timestamp::LAST)).hint(FORMS)
}

/// How long something has lasted, for people: the two largest units.
pub fn duration(lasted: Duration) -> String {
    let minutes = lasted.as_secs() / 60;
    let (days, hours, minutes) = (minutes / 1_440, minutes / 60 % 24, minutes % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} min"),
        (0, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SystemTime {
        SystemTime::from(text.parse::<Timestamp>().unwrap().to_jiff())
    }

    #[test]
    fn a_day_a_local_time_and_a_moment_are_times() {
        let moscow = Zone::named("Europe/Moscow");
        for (text, begin, end) in [
            ("2026-12-01", "2026-11-30T21:00:00Z", "2026-12-01T21:00:00Z"),
            ("2026-12-01T10:00", "2026-12-01T07:00:00Z", "2026-12-01T07:00:00Z"),
            ("2026-12-01T10:00:30", "2026-12-01T07:00:30Z", "2026-12-01T07:00:30Z"),
            ("2026-12-01T10:00:30Z", "2026-12-01T10:00:30Z", "2026-12-01T10:00:30Z"),
            ("2026-12-01T10:00:30.25+05:30", "2026-12-01T04:30:30.25Z", "2026-12-01T04:30:30.25Z"),
        ] {
            let read = when(text).unwrap();
            assert_eq!([read.begin(&moscow).unwrap(), read.end(&moscow).unwrap()], [at(begin), at(end)], "{text}");
        }
        // In Beirut the summer of 2026 begins at midnight of 29 March: that day has no midnight.
        let read = when("2026-03-29").unwrap();
        assert_eq!(read.begin(&Zone::named("Asia/Beirut")).unwrap(), at("2026-03-28T22:00:00Z"));
    }

    #[test]
    fn what_is_no_time_is_refused_with_one_of_each_form() {
        for text in [
            "",
            "tomorrow",
            "2026-2-1",
            "2026-02-30",
            "20260201",
            "01.12.2026",
            "2026-12-01T10",
            "2026-12-01 10:00",
            "2026-12-01T24:00",
            "2026-12-01T10:00Z",
            "2026-12-01t10:00:00z",
            "2026-12-01T10:00:00+03:00[Europe/Moscow]",
            "\u{661}026-12-01",
        ] {
            let refused = when(text).unwrap_err();
            assert!(refused.ends_with(FORMS), "{refused}");
        }
        assert!(when("9999-12-31T00:00:00Z").unwrap_err().contains("outside of 1970"));
        when("9999-12-31").unwrap().begin(&Zone::named("UTC")).unwrap_err();
        when("9999-12-31").unwrap().end(&Zone::named("UTC")).unwrap_err();
    }

    #[test]
    fn times_for_people_have_one_length_and_durations_two_units() {
        let moscow = Zone::named("Europe/Moscow");
        assert_eq!(moscow.text(at("2026-02-01T00:00:00.123456Z")), "2026-02-01 03:00:00");
        assert_eq!(moscow.said(at("2026-12-31T23:59:59Z")), "2027-01-01 02:59:59 Europe/Moscow");
        assert_eq!(Zone::named("Mars/Olympus").said(at("2026-12-31T23:59:59Z")), "2026-12-31 23:59:59 UTC");
        for (seconds, text) in
            [(0, "0 min"), (3_599, "59 min"), (3_660, "1 h 1 min"), (86_400, "1 d 0 h"), (100_000, "1 d 3 h")]
        {
            assert_eq!(duration(Duration::from_secs(seconds)), text);
        }
    }
}
