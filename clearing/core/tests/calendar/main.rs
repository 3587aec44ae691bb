//! The calendar: the cut-offs that follow from it, whatever clocks and holidays do; its versions; and what is carried by its
//! closes.

#![allow(clippy::unwrap_used, reason = "a panic in a test is how it fails")]

mod carried;
#[path = "../house/mod.rs"]
mod house;

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::command::Command;
use clearing_core::facts::calendar::{
    Calendar, CalendarVersion, Calendars, CutOffPattern, HolidayRule, OnHoliday, SettlementDays, Weekday,
};
use clearing_core::facts::origin::BusinessDate;
use clearing_core::facts::terms::Funding;
use clearing_core::rejection::Rejection;
use clearing_core::rules::calendar::SetCalendar;
use clearing_core::rules::close::CloseWindow;
use clearing_core::schedule::{Schedule, check};
use clearing_core::units::{Money, PartnerId, Timestamp, WindowNumber};
use house::{Play, START, coalition, house, terms};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};
use proptest::prelude::*;

fn calendar(expressions: &[&str], zone: &str) -> Calendar {
    Calendar::of(expressions.iter().copied(), zone)
}

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn date(text: &str) -> BusinessDate {
    text.parse().unwrap()
}

fn dates(texts: &[&str]) -> BTreeSet<BusinessDate> {
    texts.iter().map(|text| date(text)).collect()
}

/// The first cut-offs of a calendar behind a moment.
fn next(calendar: &Calendar, after: &str, count: usize) -> Vec<String> {
    let calendars = Calendars::from(calendar.clone());
    let schedule = Schedule::read(&calendars).unwrap();
    schedule.after(moment(after)).take(count).map(|cut_off| cut_off.time.to_string()).collect()
}

/// The first cut-offs with the days on which they are told and paid.
fn with_days(calendar: &Calendar, after: &str, count: usize) -> Vec<String> {
    let calendars = Calendars::from(calendar.clone());
    let schedule = Schedule::read(&calendars).unwrap();
    let shown = |cut_off: clearing_core::facts::calendar::CutOff| {
        let SettlementDays { advice, payment } = cut_off.days;
        format!("{} {advice} {payment}", cut_off.time)
    };
    schedule.after(moment(after)).take(count).map(shown).collect()
}

// The walls of zones.

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
    let midnight = calendar(&["0 0 * * *"], "UTC");
    assert_eq!(next(&midnight, "2026-01-10T00:00:00Z", 1), ["2026-01-11T00:00:00Z"]);
    assert_eq!(next(&midnight, "2026-01-09T23:59:59.999999Z", 1), ["2026-01-10T00:00:00Z"]);
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
    assert_eq!(check(&Calendar::default()), Ok(()));
    assert!(next(&Calendar::default(), "2026-01-01T00:00:00Z", 3).is_empty());
}

#[test]
fn a_calendar_that_cannot_be_kept_is_refused_in_words_that_name_it() {
    let row = |change: fn(&mut CutOffPattern)| {
        let mut calendar = calendar(&["0 18 * * *"], "UTC");
        change(&mut calendar.cut_offs[0]);
        calendar
    };
    let many: BTreeSet<BusinessDate> = (0..1_001).map(|day| BusinessDate::of(days_behind(2026, day))).collect();
    let every_christmas = |on_holiday| {
        let cut_offs = vec![CutOffPattern { on_holiday, ..CutOffPattern::new("0 18 25 12 *") }];
        Calendar { cut_offs, holiday_rules: BTreeSet::from([HolidayRule::Target]), ..calendar(&[], "UTC") }
    };
    assert_eq!(check(&every_christmas(OnHoliday::Before)), Ok(()));
    let [first, second, third, fourth, ..] = Weekday::ALL;
    let cases = [
        (calendar(&["0 18 * *"], "UTC"), "\"0 18 * *\" is not a cron expression of five fields"),
        (calendar(&["0 0 18 * * *"], "UTC"), "\"0 0 18 * * *\" is not a cron expression of five fields"),
        (calendar(&["@daily"], "UTC"), "\"@daily\" is not a cron expression of five fields"),
        (calendar(&[""], "UTC"), "\"\" is not a cron expression of five fields"),
        (calendar(&["60 18 * * *"], "UTC"), "\"60 18 * * *\" is not a cron expression: "),
        (calendar(&["0 18 30 2 *"], "UTC"), "\"0 18 30 2 *\" never occurs"),
        (every_christmas(OnHoliday::Skip), "\"0 18 25 12 *\" never occurs"),
        (calendar(&["0 18 * * *"], "Mars/Olympus"), "\"Mars/Olympus\" is not the name of an IANA time zone"),
        (calendar(&["0 18 * * *"; 17], "UTC"), "17 cut-offs are given; a calendar has at most 16: leave out 1"),
        (
            row(|row| row.advice_days = 1),
            "\"0 18 * * *\" is told 1 and paid 0 business days after it; write 0 to 30 days, and pay no sooner than you tell",
        ),
        (row(|row| row.payment_days = 31), "\"0 18 * * *\" is told 0 and paid 31 business days after it"),
        (
            Calendar { weekend: BTreeSet::from([first, second, third, fourth]), ..calendar(&[], "UTC") },
            "4 days of the week are without banks; write at most 3",
        ),
        (
            Calendar { holidays: many.clone(), ..calendar(&[], "UTC") },
            "1001 holidays are given; a calendar has at most 1000: leave out those that are over",
        ),
        (Calendar { working_days: many, ..calendar(&[], "UTC") }, "1001 working days are given"),
        (
            Calendar { holidays: dates(&["2026-05-02"]), working_days: dates(&["2026-05-02"]), ..calendar(&[], "UTC") },
            "2026-05-02 is both a holiday and a working day; write it in one of the two",
        ),
    ];
    let mut play = brands(Money::ZERO, None);
    for (calendar, problem) in cases {
        let refused = check(&calendar).expect_err(problem).to_string();
        assert!(refused.starts_with(problem), "{refused}");
        let asked = play.request(PartnerId::operator(), SetCalendar::from(calendar).into()).validate();
        assert!(matches!(asked, Err(Rejection::InvalidArgument { .. })), "{asked:?}");
    }
}

// Holidays.

fn days_behind(year: i16, days: i64) -> Date {
    Date::new(year, 1, 1).unwrap().checked_add(Span::new().days(days)).unwrap()
}

/// The days of a year that a rule takes out of a calendar without weekends.
fn holidays_of(rule: HolidayRule, year: i16) -> Vec<String> {
    let cut_offs = vec![CutOffPattern { on_holiday: OnHoliday::Skip, ..CutOffPattern::new("0 12 * * *") }];
    let holiday_rules = BTreeSet::from([rule]);
    let calendar = Calendar { cut_offs, holiday_rules, weekend: BTreeSet::new(), ..calendar(&[], "UTC") };
    let kept: BTreeSet<String> =
        next(&calendar, &format!("{year}-01-01T00:00:00Z"), 370).iter().map(|time| time[..10].to_owned()).collect();
    let days = (0..366).map(|day| days_behind(year, day)).filter(|day| day.year() == year);
    days.map(|day| day.to_string()).filter(|day| !kept.contains(day)).map(|day| day[5..].to_owned()).collect()
}

/// As the central banks and the law publish them for these years.
#[test]
fn the_holidays_of_a_rule_are_those_that_are_published() {
    let cases: [(HolidayRule, i16, &[&str]); 9] = [
        (HolidayRule::Target, 2024, &["01-01", "03-29", "04-01", "05-01", "12-25", "12-26"]),
        (HolidayRule::Target, 2025, &["01-01", "04-18", "04-21", "05-01", "12-25", "12-26"]),
        (HolidayRule::Target, 2026, &["01-01", "04-03", "04-06", "05-01", "12-25", "12-26"]),
        (HolidayRule::Target, 2027, &["01-01", "03-26", "03-29", "05-01", "12-25", "12-26"]),
        (
            HolidayRule::Germany,
            2026,
            &["01-01", "04-03", "04-06", "05-01", "05-14", "05-25", "10-03", "12-25", "12-26"],
        ),
        (
            HolidayRule::Russia,
            2026,
            &[
                "01-01", "01-02", "01-03", "01-04", "01-05", "01-06", "01-07", "01-08", "02-23", "03-08", "05-01",
                "05-09", "06-12", "11-04",
            ],
        ),
        (
            HolidayRule::UsFederalReserve,
            2026,
            &["01-01", "01-19", "02-16", "05-25", "06-19", "07-04", "09-07", "10-12", "11-11", "11-26", "12-25"],
        ),
        // Independence Day falls on a Sunday, and Juneteenth and Christmas on a Saturday.
        (
            HolidayRule::UsFederalReserve,
            2027,
            &[
                "01-01", "01-18", "02-15", "05-31", "06-19", "07-04", "07-05", "09-06", "10-11", "11-11", "11-25",
                "12-25",
            ],
        ),
        (
            HolidayRule::UsFederalReserve,
            2023,
            &[
                "01-01", "01-02", "01-16", "02-20", "05-29", "06-19", "07-04", "09-04", "10-09", "11-11", "11-23",
                "12-25",
            ],
        ),
    ];
    for (rule, year, expected) in cases {
        assert_eq!(holidays_of(rule, year), expected, "{rule:?} {year}");
    }
}

/// The earliest and the latest there are of these centuries, and others that are often got wrong.
#[test]
fn easter_is_where_the_church_has_it() {
    let cases = [
        (1981, "04-20"),
        (2000, "04-24"),
        (2008, "03-24"),
        (2038, "04-26"),
        (2049, "04-19"),
        (2076, "04-20"),
        (2285, "03-23"),
    ];
    for (year, monday) in cases {
        let holidays = holidays_of(HolidayRule::Target, year);
        assert!(holidays.contains(&monday.to_owned()), "{year}: {holidays:?}");
    }
}

#[test]
fn what_a_rule_is_called_is_read_back() {
    for rule in HolidayRule::ALL {
        assert_eq!(HolidayRule::parse(rule.as_str()), Some(rule));
    }
    for what in OnHoliday::ALL {
        assert_eq!(OnHoliday::parse(what.as_str()), Some(what));
    }
    for day in Weekday::ALL {
        assert_eq!(Weekday::parse(day.as_str()), Some(day));
    }
}

#[test]
fn the_last_business_day_of_a_month_is_its_last_day_moved_before_what_is_free() {
    let cut_offs = vec![CutOffPattern { on_holiday: OnHoliday::Before, ..CutOffPattern::new("0 18 L * *") }];
    let holiday_rules = BTreeSet::from([HolidayRule::Target]);
    // The last of May 2026 is a Sunday, of August a Monday that is free here, of October a Saturday.
    let holidays = dates(&["2026-08-31"]);
    let monthly = Calendar { cut_offs, holiday_rules, holidays, ..calendar(&[], "Europe/Berlin") };
    let expected = [
        "2026-04-30T16:00:00Z",
        "2026-05-29T16:00:00Z",
        "2026-06-30T16:00:00Z",
        "2026-07-31T16:00:00Z",
        "2026-08-28T16:00:00Z",
        "2026-09-30T16:00:00Z",
        "2026-10-30T17:00:00Z",
    ];
    assert_eq!(next(&monthly, "2026-04-01T00:00:00Z", 7), expected);
}

#[test]
fn a_cut_off_on_a_free_day_is_kept_moved_or_left_out() {
    let weekly = |on_holiday| {
        let cut_offs = vec![CutOffPattern { on_holiday, ..CutOffPattern::new("0 18 * * FRI") }];
        Calendar { cut_offs, holiday_rules: BTreeSet::from([HolidayRule::Target]), ..calendar(&[], "UTC") }
    };
    // Good Friday is 3 April 2026, Easter Monday the 6th.
    let around = |on_holiday| next(&weekly(on_holiday), "2026-03-28T00:00:00Z", 2);
    assert_eq!(around(OnHoliday::Keep), ["2026-04-03T18:00:00Z", "2026-04-10T18:00:00Z"]);
    assert_eq!(around(OnHoliday::Before), ["2026-04-02T18:00:00Z", "2026-04-10T18:00:00Z"]);
    assert_eq!(around(OnHoliday::After), ["2026-04-07T18:00:00Z", "2026-04-10T18:00:00Z"]);
    assert_eq!(around(OnHoliday::Skip), ["2026-04-10T18:00:00Z", "2026-04-17T18:00:00Z"]);
}

#[test]
fn a_weekend_on_which_banks_work_is_a_day_like_others() {
    let cut_offs = vec![CutOffPattern { on_holiday: OnHoliday::Before, ..CutOffPattern::new("0 18 * * SAT") }];
    let working_days = dates(&["2026-02-28"]);
    let weekly = Calendar { cut_offs, working_days, ..calendar(&[], "UTC") };
    let expected = ["2026-02-20T18:00:00Z", "2026-02-28T18:00:00Z", "2026-03-06T18:00:00Z"];
    assert_eq!(next(&weekly, "2026-02-20T00:00:00Z", 3), expected);
}

/// A cut-off at midnight is the end of the day before it, for people as for banks.
#[test]
fn a_cut_off_at_midnight_belongs_to_the_day_that_it_ends() {
    let midnight = |expression: &str, on_holiday| {
        let cut_offs = vec![CutOffPattern { on_holiday, payment_days: 1, ..CutOffPattern::new(expression) }];
        Calendar { cut_offs, ..calendar(&[], "UTC") }
    };
    // Saturday, 00:00, ends a Friday, and Monday is the business day behind it.
    let fridays = midnight("0 0 * * SAT", OnHoliday::Before);
    let expected = ["2026-01-10T00:00:00Z 2026-01-09 2026-01-12"];
    assert_eq!(with_days(&fridays, "2026-01-05T00:00:00Z", 1), expected);
    // Sunday, 00:00, ends a Saturday.
    let saturdays = midnight("0 0 * * SUN", OnHoliday::Before);
    assert_eq!(with_days(&saturdays, "2026-01-05T00:00:00Z", 1), expected);
    let saturdays = midnight("0 0 * * SUN", OnHoliday::After);
    assert_eq!(next(&saturdays, "2026-01-05T00:00:00Z", 2), ["2026-01-06T00:00:00Z", "2026-01-13T00:00:00Z"]);
}

#[test]
fn a_settlement_is_told_and_paid_so_many_business_days_behind_its_cut_off() {
    let row = |expression: &str, advice_days, payment_days| CutOffPattern {
        advice_days,
        payment_days,
        ..CutOffPattern::new(expression)
    };
    let cut_offs = vec![row("0 18 * * FRI", 1, 3), row("0 18 L * *", 2, 5)];
    let holiday_rules = BTreeSet::from([HolidayRule::Target]);
    let both = Calendar { cut_offs, holiday_rules, ..calendar(&[], "UTC") };
    // The 31st of July is a Friday: the first row says when it is paid.
    let expected = [
        "2026-03-27T18:00:00Z 2026-03-30 2026-04-01",
        "2026-03-31T18:00:00Z 2026-04-02 2026-04-09",
        // On Good Friday.
        "2026-04-03T18:00:00Z 2026-04-07 2026-04-09",
    ];
    assert_eq!(with_days(&both, "2026-03-27T00:00:00Z", 3), expected);
    assert_eq!(with_days(&both, "2026-07-31T00:00:00Z", 1), ["2026-07-31T18:00:00Z 2026-08-03 2026-08-05"]);
    // Of none after it, the day itself if banks work on it.
    let at_once = Calendar { cut_offs: vec![row("0 18 * * *", 0, 0)], ..both };
    let expected = ["2026-04-02T18:00:00Z 2026-04-02 2026-04-02", "2026-04-03T18:00:00Z 2026-04-07 2026-04-07"];
    assert_eq!(with_days(&at_once, "2026-04-02T00:00:00Z", 2), expected);
}

#[test]
fn the_last_cut_off_of_a_year_is_known_ahead() {
    let last = |calendar: &Calendar, after: &str| {
        let calendars = Calendars::from(calendar.clone());
        let schedule = Schedule::read(&calendars).unwrap();
        let found = schedule.after(moment(after)).filter(|cut_off| cut_off.last_of_year).map(|cut_off| cut_off.time);
        found.take(2).map(|time| time.to_string()).collect::<Vec<_>>()
    };
    let weekly = calendar(&["0 18 * * FRI"], "UTC");
    assert_eq!(last(&weekly, "2026-06-01T00:00:00Z"), ["2026-12-25T18:00:00Z", "2027-12-31T18:00:00Z"]);
    // At midnight it is the end of the old year, in the zone of the calendar.
    let daily = calendar(&["0 0 * * *"], "Europe/Moscow");
    assert_eq!(last(&daily, "2026-06-01T00:00:00Z"), ["2026-12-31T21:00:00Z", "2027-12-31T21:00:00Z"]);
}

// Laws over years, zones and holidays.

/// A row of cut-offs, said so that a test can work it out in another way.
#[derive(Debug, Clone)]
struct Model {
    days: ModelDays,
    times: BTreeSet<(i8, i8)>,
    on_holiday: OnHoliday,
}

#[derive(Debug, Clone)]
enum ModelDays {
    Every,
    Of(Weekday),
    OfMonth(i8),
    LastOfMonth,
}

fn weekday(day: Date) -> Weekday {
    Weekday::ALL[usize::from(day.weekday().to_monday_zero_offset().unsigned_abs())]
}

impl Model {
    fn expressions(&self) -> Vec<CutOffPattern> {
        let (of_month, of_week) = match &self.days {
            ModelDays::Every => ("*".to_owned(), "*".to_owned()),
            ModelDays::Of(day) => ("*".to_owned(), day.as_str()[..3].to_owned()),
            ModelDays::OfMonth(day) => (day.to_string(), "*".to_owned()),
            ModelDays::LastOfMonth => ("L".to_owned(), "*".to_owned()),
        };
        let row = |(hour, minute): &(i8, i8)| CutOffPattern {
            on_holiday: self.on_holiday,
            ..CutOffPattern::new(format!("{minute} {hour} {of_month} * {of_week}"))
        };
        self.times.iter().map(row).collect()
    }

    fn has(&self, day: Date) -> bool {
        match self.days {
            ModelDays::Every => true,
            ModelDays::Of(of) => weekday(day) == of,
            ModelDays::OfMonth(of) => day.day() == of,
            ModelDays::LastOfMonth => day.day() == day.days_in_month(),
        }
    }

    /// The times on the wall, worked out day by day.
    fn walls(&self, from: Date, days: i64, free: &dyn Fn(Date) -> bool) -> BTreeSet<DateTime> {
        let mut walls = BTreeSet::new();
        for named in (-40..days).map(|by| from.checked_add(by.days()).unwrap()).filter(|day| self.has(*day)) {
            for (hour, minute) in &self.times {
                // Midnight ends the day before.
                let back = i64::from((*hour, *minute) == (0, 0));
                let mut day = named.checked_sub(back.days()).unwrap();
                while free(day) && matches!(self.on_holiday, OnHoliday::Before | OnHoliday::After) {
                    day = if self.on_holiday == OnHoliday::Before { day.yesterday() } else { day.tomorrow() }.unwrap();
                }
                if free(day) && self.on_holiday == OnHoliday::Skip {
                    continue;
                }
                walls.insert(day.checked_add(back.days()).unwrap().at(*hour, *minute, 0, 0));
            }
        }
        walls
    }
}

/// The first moment at which a wall shows a time or a later one, found by looking at the wall minute by minute.
fn first_shown(wall: DateTime, zone: &TimeZone) -> Timestamp {
    let utc = wall.to_zoned(TimeZone::UTC).unwrap().timestamp();
    let mut minutes = (-16 * 60..=40 * 60).map(|minute: i64| utc.checked_add(minute.minutes()).unwrap());
    Timestamp::from_jiff(minutes.find(|at| zone.to_datetime(*at) >= wall).unwrap())
}

fn models() -> impl Strategy<Value = Model> {
    let days = prop_oneof![
        2 => Just(ModelDays::Every),
        3 => (0..7usize).prop_map(|day| ModelDays::Of(Weekday::ALL[day])),
        2 => (1..=31i8).prop_map(ModelDays::OfMonth),
        2 => Just(ModelDays::LastOfMonth),
    ];
    let time = prop_oneof![
        2 => Just((0i8, 0i8)),
        3 => (0..4i8, prop_oneof![Just(0i8), Just(15), Just(30)]),
        2 => (0..24i8, 0..60i8),
    ];
    let on_holiday = (0..4usize).prop_map(|what| OnHoliday::ALL[what]);
    (days, proptest::collection::btree_set(time, 1..3), on_holiday).prop_map(|(days, times, on_holiday)| Model {
        days,
        times,
        on_holiday,
    })
}

/// Zones that change their clocks by an hour, by half of one, by two, over midnight, over a whole day, back for a fast, or never.
const ZONES: [&str; 13] = [
    "UTC",
    "Europe/Berlin",
    "Europe/Moscow",
    "America/New_York",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Antarctica/Troll",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "America/Havana",
    "America/St_Johns",
];

/// Days around which clocks of these zones change, and any others.
fn begins() -> impl Strategy<Value = Date> {
    let changes = [
        "2026-03-27",
        "2026-10-23",
        "2011-12-27",
        "2010-11-04",
        "2018-11-01",
        "2018-02-15",
        "2025-02-25",
        "2027-03-20",
    ];
    prop_oneof![
        3 => (0..changes.len()).prop_map(move |at| changes[at].parse().unwrap()),
        2 => (1971..2090i16, 0..365i64).prop_map(|(year, day)| days_behind(year, day)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Against the wall itself, looked at minute by minute: nothing is left out, nothing comes twice, in any zone and on any day.
    #[test]
    fn every_cut_off_is_the_first_moment_at_which_the_wall_shows_it_and_there_is_no_other(
        models in proptest::collection::vec(models(), 1..3),
        zone in 0..ZONES.len(),
        begin in begins(),
        free in proptest::collection::btree_set(0..45i64, 0..6),
        work in proptest::collection::btree_set(0..45i64, 0..3),
    ) {
        let at = |days: &i64| BusinessDate::of(begin.checked_add(days.days()).unwrap());
        let working_days: BTreeSet<BusinessDate> = work.iter().map(at).collect();
        let holidays = free.iter().map(at).filter(|day| !working_days.contains(day)).collect();
        let cut_offs = models.iter().flat_map(Model::expressions).collect();
        let calendar = Calendar { cut_offs, holidays, working_days, ..calendar(&[], ZONES[zone]) };
        let is_free = |day: Date| {
            let (date, day) = (BusinessDate::of(day), weekday(day));
            let weekend = matches!(day, Weekday::Saturday | Weekday::Sunday);
            !calendar.working_days.contains(&date) && (weekend || calendar.holidays.contains(&date))
        };
        let zone = TimeZone::get(ZONES[zone]).unwrap();
        let bound = |days: i64| {
            let wall = begin.checked_add(days.days()).unwrap().at(12, 0, 0, 0);
            first_shown(wall, &zone)
        };
        let (from, to) = (bound(0), bound(40));
        let walls = models.iter().flat_map(|model| model.walls(begin, 80, &is_free));
        let near = |wall: &DateTime| wall.date() >= begin && wall.date() <= begin.checked_add(42.days()).unwrap();
        let expected: BTreeSet<Timestamp> = walls.filter(near).map(|wall| first_shown(wall, &zone)).collect();
        let expected: Vec<Timestamp> = expected.into_iter().filter(|time| *time > from && *time <= to).collect();

        let calendars = Calendars::from(calendar.clone());
        let schedule = Schedule::read(&calendars).unwrap();
        let found: Vec<Timestamp> =
            schedule.after(from).map(|cut_off| cut_off.time).take_while(|time| *time <= to).collect();
        prop_assert_eq!(&found, &expected);
        // Whenever it is asked, it gives the same.
        let stamps = found.iter().flat_map(|time| [time.0 - 1, time.0, time.0 + 1, time.0 + 1_234_567_890]);
        for stamp in stamps.map(Timestamp).filter(|stamp| *stamp < to) {
            let next = expected.iter().copied().find(|time| *time > stamp.max(from));
            if let Some(next) = next {
                prop_assert_eq!(schedule.next_after(stamp.max(from)), Some(next));
            }
        }
    }

    /// The day of payment is a business day, and so many of them lie between.
    #[test]
    fn money_moves_on_business_days_only(
        begin in begins(),
        advice_days in 0..6u8,
        more in 0..6u8,
        free in proptest::collection::btree_set(0..45i64, 0..12),
    ) {
        let at = |days: &i64| BusinessDate::of(begin.checked_add(days.days()).unwrap());
        let pattern = CutOffPattern { advice_days, payment_days: advice_days + more, ..CutOffPattern::new("0 18 * * *") };
        let holidays: BTreeSet<BusinessDate> = free.iter().map(at).collect();
        let calendar = Calendar { cut_offs: vec![pattern], holidays: holidays.clone(), ..calendar(&[], "UTC") };
        let calendars = Calendars::from(calendar);
        let schedule = Schedule::read(&calendars).unwrap();
        let from = Timestamp::from_jiff(begin.at(0, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp());
        let works = |day: Date| {
            !matches!(weekday(day), Weekday::Saturday | Weekday::Sunday) && !holidays.contains(&BusinessDate::of(day))
        };
        for cut_off in schedule.after(from).take(25) {
            let day = TimeZone::UTC.to_datetime(cut_off.time.to_jiff()).date();
            let between = |until: BusinessDate| {
                let days = std::iter::successors(day.tomorrow().ok(), |day| day.tomorrow().ok());
                days.take_while(|day| *day <= until.to_jiff()).filter(|day| works(*day)).count()
            };
            for (until, days) in [(cut_off.days.advice, advice_days), (cut_off.days.payment, advice_days + more)] {
                prop_assert!(works(until.to_jiff()), "{until}");
                let itself = usize::from(days == 0 && until.to_jiff() > day);
                prop_assert_eq!(between(until), usize::from(days) + itself, "{} {}", cut_off.time, until);
            }
        }
    }
}

// Versions.

/// A coalition of A and B in which legs below the threshold are carried, by so many closes.
fn brands(threshold: Money, carry_windows_max: Option<u16>) -> Play {
    let all = terms(Funding::AtRedemption);
    let settings = clearing_core::facts::coalition::Coalition {
        settlement_threshold: threshold,
        carry_windows_max,
        ..coalition()
    };
    Play::new(house(settings, &[("A", all.clone()), ("B", all)]))
}

fn set(calendar: Calendar, effective: Option<Timestamp>) -> Command {
    SetCalendar { calendar, effective }.into()
}

/// What is published of the cut-offs up to a day ahead.
fn soon(play: &Play) -> Vec<(Timestamp, SettlementDays)> {
    let schedule = Schedule::read(&play.book.house.calendar).unwrap();
    let tomorrow = play.book.house.coalition.days_after(1, play.now);
    let cut_offs = schedule.after(play.now).take_while(|cut_off| cut_off.time < tomorrow);
    cut_offs.map(|cut_off| (cut_off.time, cut_off.days)).collect()
}

#[test]
fn a_change_never_moves_a_cut_off_that_is_less_than_a_day_away() {
    let mut play = brands(Money::ZERO, None);
    // 1 January 2026 is a Thursday. A first calendar moves nothing that was published.
    play.now = moment("2026-01-02T10:00:00Z");
    play.operator(set(calendar(&["0 18 * * *"], "UTC"), None)).unwrap();
    let too_late = |play: &mut Play, calendar: Calendar, effective: Option<Timestamp>| {
        let refused = play.operator(set(calendar, effective)).unwrap_err();
        assert_eq!(refused.reason(), "CALENDAR_TOO_LATE", "{refused}");
        let numbers: BTreeMap<_, _> = refused.numbers().into_iter().collect();
        assert_eq!(numbers["earliest_time"], "2026-01-03T10:00:00Z");
        numbers["cut_off_time"].clone()
    };
    // Moved, left out, put in besides, by another zone, and paid on another day.
    assert_eq!(too_late(&mut play, calendar(&["0 20 * * *"], "UTC"), None), "2026-01-02T18:00:00Z");
    assert_eq!(too_late(&mut play, calendar(&[], "UTC"), None), "2026-01-02T18:00:00Z");
    assert_eq!(too_late(&mut play, calendar(&["0 12,18 * * *"], "UTC"), None), "2026-01-02T12:00:00Z");
    assert_eq!(too_late(&mut play, calendar(&["0 18 * * *"], "Europe/Moscow"), None), "2026-01-02T15:00:00Z");
    let mut later = calendar(&["0 18 * * *"], "UTC");
    later.cut_offs[0].payment_days = 2;
    assert_eq!(too_late(&mut play, later.clone(), None), "2026-01-02T18:00:00Z");
    let holiday = Calendar { holidays: dates(&["2026-01-02"]), ..calendar(&["0 18 * * *"], "UTC") };
    assert_eq!(too_late(&mut play, holiday, None), "2026-01-02T18:00:00Z");
    // One second before a day has gone by, too; and from then on not.
    let tomorrow = moment("2026-01-03T10:00:00Z");
    let noon = calendar(&["30 9,18 * * *"], "UTC");
    too_late(&mut play, noon.clone(), Some(Timestamp(tomorrow.0 - 3_600_000_000)));
    play.operator(set(noon, Some(tomorrow))).unwrap();
    // What is the same for a day may change at once.
    let weekly = |expression: &str| calendar(&["0 18 * * SAT", expression], "UTC");
    let mut play = brands(Money::ZERO, None);
    play.now = moment("2026-01-02T10:00:00Z");
    play.operator(set(weekly("0 18 * * MON"), None)).unwrap();
    play.operator(set(weekly("0 18 * * TUE"), None)).unwrap();
    play.assert_sound();
}

#[test]
fn a_calendar_takes_effect_now_or_later() {
    let mut play = brands(Money::ZERO, None);
    play.now = moment("2026-01-02T10:00:00Z");
    let past = play.operator(set(calendar(&["0 18 * * *"], "UTC"), Some(Timestamp(play.now.0 - 1)))).unwrap_err();
    assert_eq!(past.reason(), "TIME_OUT_OF_RANGE");
    assert!(past.to_string().contains("effective_time is 2026-01-02T09:59:59.999999Z"), "{past}");
    let never = play.operator(set(calendar(&["0 18 * * *"], "UTC"), Some(Timestamp::NEVER))).unwrap_err();
    assert_eq!(never.reason(), "TIME_OUT_OF_RANGE");
}

#[test]
fn versions_follow_one_another_and_one_takes_the_place_of_those_announced_behind_it() {
    let mut play = brands(Money::ZERO, None);
    play.now = moment("2026-01-02T10:00:00Z");
    play.operator(set(calendar(&["0 18 * * *"], "UTC"), None)).unwrap();
    play.operator(set(calendar(&["0 20 * * *"], "UTC"), Some(moment("2026-01-05T18:00:00Z")))).unwrap();
    let schedule = Schedule::read(&play.book.house.calendar).unwrap();
    let told: Vec<(String, u32)> = schedule
        .after(moment("2026-01-04T00:00:00Z"))
        .take(3)
        .map(|cut_off| (cut_off.time.to_string(), cut_off.version))
        .collect();
    // The cut-off at the very moment is still that of the first.
    let expected = [("2026-01-04T18:00:00Z", 1), ("2026-01-05T18:00:00Z", 1), ("2026-01-05T20:00:00Z", 2)];
    assert_eq!(told, expected.map(|(time, version)| (time.to_owned(), version)));

    play.operator(set(calendar(&["0 22 * * *"], "UTC"), Some(moment("2026-01-04T00:00:00Z")))).unwrap();
    let numbers: Vec<u32> = play.book.house.calendar.iter().map(|version| version.number).collect();
    assert_eq!(numbers, [1, 3], "the announced one is no more");
    for day in 5..12 {
        play.operator(set(calendar(&["0 22 * * *"], "UTC"), Some(moment(&format!("2026-02-{day:02}T00:00:00Z")))))
            .unwrap();
    }
    let ninth = set(calendar(&["0 22 * * *"], "UTC"), Some(moment("2026-03-01T00:00:00Z")));
    let refused = play.operator(ninth).unwrap_err();
    assert_eq!(refused.reason(), "OVERFLOW");
    assert_eq!(refused.to_string(), "the number of announced calendars would go beyond 8");
    play.assert_sound();
}

/// The house was down, or the scheduler looked late: what was due before a change stays due.
#[test]
fn a_cut_off_that_has_passed_is_kept_although_the_calendar_changes_before_it_is() {
    let mut play = brands(Money::ZERO, None);
    play.now = moment("2026-01-02T10:00:00Z");
    play.operator(set(calendar(&["0 18 * * *"], "UTC"), None)).unwrap();
    play.now = moment("2026-01-02T18:00:00.5Z");
    play.operator(set(calendar(&["0 18 * * *", "0 9 * * MON"], "UTC"), None)).unwrap();
    let opened = |play: &Play| play.book.windows[&play.book.open_window].opened;
    let schedule = Schedule::read(&play.book.house.calendar).unwrap();
    assert_eq!(
        schedule.next_after(opened(&play)).map(|time| time.to_string()),
        Some("2026-01-02T18:00:00Z".to_owned())
    );
    play.assert_sound();
}

#[test]
fn what_was_proposed_is_too_late_when_it_is_approved_too_late() {
    let mut play = brands(Money::ZERO, None);
    play.now = moment("2026-01-02T10:00:00Z");
    play.operator(set(calendar(&["0 18 * * *"], "UTC"), None)).unwrap();
    // As it would be decided by then: the rules are those of the moment of approval.
    let change = set(calendar(&["0 20 * * *"], "UTC"), Some(moment("2026-01-03T18:30:00Z")));
    let mut at_once = play.clone();
    at_once.operator(change.clone()).unwrap();
    play.now = moment("2026-01-03T18:00:00Z");
    assert_eq!(play.refused("operator", change), "CALENDAR_TOO_LATE");
}

/// Closes what is due by now, each as of its time, and gives when.
fn close_due(play: &mut Play) -> Vec<Timestamp> {
    let mut closed = Vec::new();
    loop {
        let (number, opened) = (play.book.open_window, play.book.windows[&play.book.open_window].opened);
        let due = Schedule::read(&play.book.house.calendar).unwrap().next_after(opened);
        let Some(due) = due.filter(|due| *due <= play.now) else { return closed };
        close_as_of(play, number, due);
        closed.push(due);
    }
}

fn close_as_of(play: &mut Play, number: WindowNumber, time: Timestamp) {
    let now = std::mem::replace(&mut play.now, time);
    let mut request = play.request(PartnerId::operator(), CloseWindow { expected: Some(number) }.into());
    request.request_id = None;
    play.execute(&request).result.unwrap();
    play.now = now;
}

fn any_calendar() -> impl Strategy<Value = Calendar> {
    let rows = proptest::collection::vec((models(), 0..3u8, 0..3u8), 0..3);
    (rows, 0..ZONES.len(), any::<bool>()).prop_map(|(rows, zone, target)| {
        let rows = rows.into_iter().flat_map(|(model, advice_days, more)| {
            let days = move |row| CutOffPattern { advice_days, payment_days: advice_days + more, ..row };
            model.expressions().into_iter().map(days)
        });
        let holiday_rules = target.then_some(HolidayRule::Target).into_iter().collect();
        Calendar { cut_offs: rows.collect(), holiday_rules, ..calendar(&[], ZONES[zone]) }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// However a calendar is changed, and however late the house keeps it: what was published a day ahead comes to be, every
    /// cut-off closes one window, and no window closes else.
    #[test]
    fn changes_neither_move_what_is_near_nor_skip_nor_double_a_cut_off(
        changes in proptest::collection::vec(
            (any_calendar(), 1..5_000i64, prop_oneof![Just(None), (0..6_000i64).prop_map(Some)], any::<bool>()),
            1..10,
        ),
    ) {
        let mut play = brands(Money::ZERO, None);
        play.now = moment("2026-03-20T12:00:00Z");
        // All versions that there ever were.
        let mut every = Calendars::default();
        let mut closed = Vec::new();
        let mut told: BTreeSet<(Timestamp, SettlementDays)> = BTreeSet::new();
        for (calendar, minutes, ahead, looked) in changes {
            play.now = play.now.plus_seconds(minutes * 60);
            if looked {
                closed.extend(close_due(&mut play));
            }
            if check(&calendar).is_err() {
                continue;
            }
            let near = soon(&play);
            let published = Schedule::read(&play.book.house.calendar).unwrap().next_after(play.now).is_some();
            let effective = ahead.map(|minutes| play.now.plus_seconds(minutes * 60));
            if play.operator(set(calendar.clone(), effective)).is_ok() {
                // A first calendar, behind which windows were closed by hand, has no day of notice.
                if published {
                    prop_assert_eq!(&soon(&play), &near);
                }
                let (number, effective) = (every.next_number(), effective.unwrap_or(play.now));
                every = every.with(CalendarVersion { number, effective, calendar });
            } else {
                prop_assert_eq!(&soon(&play), &near, "a refusal changes nothing");
            }
            told.extend(near);
        }
        play.now = play.now.plus_seconds(20 * 86_400);
        closed.extend(close_due(&mut play));
        let schedule = Schedule::read(&every).unwrap();
        let all: Vec<Timestamp> =
            schedule.after(START).map(|cut_off| cut_off.time).take_while(|time| *time <= play.now).collect();
        prop_assert_eq!(&closed, &all);
        for (time, days) in told {
            let window = play.book.windows.values().find(|window| window.closed == Some(time));
            prop_assert!(window.is_some(), "a cut-off of {time} was published and did not come");
            prop_assert_eq!(window.unwrap().days, Some(days));
        }
        play.assert_sound();
    }
}
