//! When windows close: cron expressions, read as civil times of one time zone.
//!
//! A cut-off is a time on the wall of that zone. A change to summer time skips such times: they are due when the gap
//! ends. A change back repeats them: they are due the first time. So every cut-off happens once, whatever the clocks
//! of the zone do, and cut-offs that fall on the same moment are one.

use clearing_core::facts::coalition::Calendar;
use clearing_core::units::{Timestamp, shown};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// A calendar has this many expressions at the most.
const EXPRESSIONS_MAX: usize = 16;
/// An expression is this many characters long at the most.
const EXPRESSION_LENGTH_MAX: usize = 128;

/// Why a calendar cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalendarProblem {
    #[error("{0} expressions are given; a calendar has at most {EXPRESSIONS_MAX}")]
    TooMany(usize),
    #[error("{} is not a cron expression of five fields", shown(.0))]
    NotFiveFields(String),
    #[error("{} is not a cron expression: {}", shown(.0), .1)]
    Malformed(String, String),
    #[error("{} never occurs", shown(.0))]
    NeverOccurs(String),
    #[error("{} is not the name of an IANA time zone", shown(.0))]
    UnknownZone(String),
}

/// Whether a calendar can be kept: at most 16 expressions of five fields that occur at all, and a known time zone.
///
/// # Errors
/// What is wrong with it, in words that name the expression.
pub fn validate(calendar: &Calendar) -> Result<(), CalendarProblem> {
    let cut_offs = CutOffs::parse(calendar)?;
    for (cron, text) in cut_offs.crons.iter().zip(&calendar.cut_offs) {
        // Whether an expression ever occurs does not depend on when one starts to look.
        if next_civil(cron, DateTime::constant(2000, 1, 1, 0, 0, 0, 0)).is_none() {
            return Err(CalendarProblem::NeverOccurs(text.clone()));
        }
    }
    Ok(())
}

/// The first `count` cut-offs after a moment, the earliest first; none for an empty or malformed calendar.
pub fn next_cut_offs(calendar: &Calendar, after: Timestamp, count: usize) -> Vec<Timestamp> {
    let Ok(cut_offs) = CutOffs::parse(calendar) else { return Vec::new() };
    std::iter::successors(cut_offs.first_after(after), |last| cut_offs.first_after(*last)).take(count).collect()
}

/// The cut-offs of a calendar that was read.
#[derive(Debug)]
pub(super) struct CutOffs {
    crons: Vec<Cron>,
    zone: TimeZone,
}

impl CutOffs {
    /// # Errors
    /// What of the calendar cannot be read.
    pub fn parse(calendar: &Calendar) -> Result<Self, CalendarProblem> {
        if calendar.cut_offs.len() > EXPRESSIONS_MAX {
            return Err(CalendarProblem::TooMany(calendar.cut_offs.len()));
        }
        let zone = match calendar.time_zone.as_str() {
            "" => TimeZone::UTC,
            name => TimeZone::get(name).map_err(|_| CalendarProblem::UnknownZone(name.to_owned()))?,
        };
        let crons = calendar.cut_offs.iter().map(|text| parse_cron(text)).collect::<Result<_, _>>()?;
        Ok(Self { crons, zone })
    }

    /// The first cut-off after a moment.
    pub fn first_after(&self, after: Timestamp) -> Option<Timestamp> {
        self.crons.iter().filter_map(|cron| self.next_of(cron, after)).min()
    }

    fn next_of(&self, cron: &Cron, after: Timestamp) -> Option<Timestamp> {
        let local = self.zone.to_datetime(after.to_jiff());
        let mut civil = local.with().subsec_nanosecond(0).build().ok()?;
        loop {
            civil = next_civil(cron, civil)?;
            let moment = Timestamp::of_wall(civil, &self.zone)?;
            // Within the second pass of an hour that is repeated, what follows on the wall has happened in the first.
            if moment > after {
                return Some(moment);
            }
        }
    }
}

/// After so many years the calendar repeats itself, to the day of the week.
const CYCLE_YEARS: i16 = 400;

/// The next time on the wall. The parser looks no further than the year 5000, so it is asked in the years 2000 to 2399.
fn next_civil(cron: &Cron, after: DateTime) -> Option<DateTime> {
    let years = (after.year() - 2000).div_euclid(CYCLE_YEARS) * CYCLE_YEARS;
    let shifted = |civil: DateTime, by: i16| civil.with().year(civil.year().checked_add(by)?).build().ok();
    shifted(cron.find_next_occurrence(&shifted(after, -years)?, false).ok()?, years)
}

fn parse_cron(text: &str) -> Result<Cron, CalendarProblem> {
    if text.len() > EXPRESSION_LENGTH_MAX || text.split_whitespace().count() != 5 {
        return Err(CalendarProblem::NotFiveFields(text.to_owned()));
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    parser.parse(text).map_err(|error| CalendarProblem::Malformed(text.to_owned(), error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calendar(cut_offs: &[&str], zone: &str) -> Calendar {
        Calendar { cut_offs: cut_offs.iter().map(ToString::to_string).collect(), time_zone: zone.to_owned() }
    }

    fn next(calendar: &Calendar, after: &str, count: usize) -> Vec<String> {
        let found = next_cut_offs(calendar, after.parse().unwrap(), count);
        found.into_iter().map(|moment| moment.to_string()).collect()
    }

    #[test]
    fn cut_offs_are_times_of_the_calendars_zone() {
        let berlin = calendar(&["0 18 * * *"], "Europe/Berlin");
        assert_eq!(next(&berlin, "2026-01-10T00:00:00Z", 2), ["2026-01-10T17:00:00Z", "2026-01-11T17:00:00Z"]);
        assert_eq!(next(&berlin, "2026-07-10T00:00:00Z", 1), ["2026-07-10T16:00:00Z"]);
        let utc = calendar(&["0 18 * * *"], "");
        assert_eq!(next(&utc, "2026-07-10T00:00:00Z", 1), ["2026-07-10T18:00:00Z"]);
    }

    #[test]
    fn a_cut_off_at_the_very_moment_is_not_after_it() {
        let daily = calendar(&["0 18 * * *"], "UTC");
        assert_eq!(next(&daily, "2026-01-10T18:00:00Z", 1), ["2026-01-11T18:00:00Z"]);
        assert_eq!(next(&daily, "2026-01-10T17:59:59.999999Z", 1), ["2026-01-10T18:00:00Z"]);
        assert_eq!(next(&daily, "2026-01-10T18:00:00.000001Z", 1), ["2026-01-11T18:00:00Z"]);
    }

    #[test]
    fn several_expressions_make_one_schedule_without_doubles() {
        let both = calendar(&["0 12 * * *", "0 0,12 * * MON"], "UTC");
        // 12 January 2026 is a Monday: at noon both are due, and it is one cut-off.
        let expected = ["2026-01-11T12:00:00Z", "2026-01-12T00:00:00Z", "2026-01-12T12:00:00Z", "2026-01-13T12:00:00Z"];
        assert_eq!(next(&both, "2026-01-11T00:00:00Z", 4), expected);
    }

    #[test]
    fn a_cut_off_in_the_spring_gap_is_due_once_when_the_gap_ends() {
        // On 29 March 2026 the clocks of Berlin go from 02:00 to 03:00, which is 01:00 UTC.
        let in_gap = calendar(&["30 2 * * *"], "Europe/Berlin");
        let expected = ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"];
        assert_eq!(next(&in_gap, "2026-03-28T00:00:00Z", 3), expected);
    }

    #[test]
    fn cut_offs_that_the_gap_moves_onto_one_moment_are_one() {
        let quarters = calendar(&["*/15 * * * *"], "Europe/Berlin");
        let expected = ["2026-03-29T00:45:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:15:00Z"];
        assert_eq!(next(&quarters, "2026-03-29T00:30:00Z", 3), expected);
    }

    #[test]
    fn a_cut_off_that_autumn_repeats_is_due_once() {
        // On 25 October 2026 the clocks of Berlin show 02:00 to 03:00 twice: from 00:00 UTC, and from 01:00 UTC.
        let repeated = calendar(&["30 2 * * *"], "Europe/Berlin");
        let expected = ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"];
        assert_eq!(next(&repeated, "2026-10-24T00:00:00Z", 3), expected);
        // Asked within the second pass, the first is not told again.
        assert_eq!(next(&repeated, "2026-10-25T01:10:00Z", 1), ["2026-10-26T01:30:00Z"]);
    }

    #[test]
    fn an_hourly_cut_off_passes_the_repeated_hour_once() {
        let hourly = calendar(&["0 * * * *"], "Europe/Berlin");
        let expected = ["2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z"];
        assert_eq!(next(&hourly, "2026-10-24T23:30:00Z", 2), expected);
    }

    #[test]
    fn a_day_that_a_zone_leaves_out_closes_where_it_would_have_been() {
        // Samoa went from 29 to 31 December 2011 at midnight, over the date line.
        let noon = calendar(&["0 12 * * *"], "Pacific/Apia");
        let expected = ["2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"];
        assert_eq!(next(&noon, "2011-12-29T00:00:00Z", 3), expected);
    }

    #[test]
    fn cut_offs_go_on_to_the_end_of_the_calendar() {
        let daily = calendar(&["30 21 * * *"], "UTC");
        assert_eq!(next(&daily, "4999-12-31T22:00:00Z", 2), ["5000-01-01T21:30:00Z", "5000-01-02T21:30:00Z"]);
        let leap = calendar(&["0 0 29 2 *"], "UTC");
        assert_eq!(next(&leap, "7599-01-01T00:00:00Z", 1), ["7600-02-29T00:00:00Z"]);
        let last = ["9999-12-29T21:30:00Z", "9999-12-30T21:30:00Z"];
        assert_eq!(next(&daily, "9999-12-29T00:00:00Z", 3), last, "and none is after it");
        let hourly = calendar(&["0 * * * *"], "Pacific/Kiritimati");
        assert!(next(&hourly, "9999-12-30T22:00:00Z", 100).len() < 100);
        // 1 January 9998 is a Thursday, as is that of 1998.
        let thursdays = calendar(&["0 12 1 1 THU"], "UTC");
        assert_eq!(next(&thursdays, "9997-12-31T00:00:00Z", 1), ["9998-01-01T12:00:00Z"]);
    }

    #[test]
    fn an_empty_calendar_has_no_cut_offs() {
        assert_eq!(validate(&Calendar::default()), Ok(()));
        assert!(next(&Calendar::default(), "2026-01-01T00:00:00Z", 3).is_empty());
    }

    #[test]
    fn a_calendar_that_cannot_be_kept_is_refused_in_words_that_name_it() {
        let cases = [
            (calendar(&["0 18 * *"], "UTC"), "\"0 18 * *\" is not a cron expression of five fields"),
            (calendar(&["0 0 18 * * *"], "UTC"), "\"0 0 18 * * *\" is not a cron expression of five fields"),
            (calendar(&["@daily"], "UTC"), "\"@daily\" is not a cron expression of five fields"),
            (calendar(&[""], "UTC"), "\"\" is not a cron expression of five fields"),
            (calendar(&["60 18 * * *"], "UTC"), "\"60 18 * * *\" is not a cron expression: "),
            (calendar(&["0 18 30 2 *"], "UTC"), "\"0 18 30 2 *\" never occurs"),
            (calendar(&["0 18 * * *"], "Mars/Olympus"), "\"Mars/Olympus\" is not the name of an IANA time zone"),
            (calendar(&["0 18 * * *"; 17], "UTC"), "17 expressions are given"),
        ];
        for (calendar, problem) in cases {
            let refused = validate(&calendar).expect_err(problem).to_string();
            assert!(refused.starts_with(problem), "{refused}");
        }
    }
}
