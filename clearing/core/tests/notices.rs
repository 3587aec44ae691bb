//! What members are about to lose is told on the right days.

#![allow(clippy::unwrap_used, reason = "a panic in a test is how it fails")]

mod house;

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::facts::coalition::{Coalition, NoticeDays};
use clearing_core::facts::terms::{ExpiryPolicy, Funding, Terms};
use clearing_core::rules::issue::Earn;
use clearing_core::rules::notice::{Notice, NoticeDay};
use clearing_core::units::{Points, Timestamp};
use house::{Play, START, brands, coalition, house, terms};
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan as _};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::select;

/// A time zone with summer time, one without, one far ahead of UTC, and one whose summer begins at midnight, so that a day
/// of it has no midnight.
const ZONES: [&str; 4] = ["Europe/Berlin", "UTC", "Pacific/Kiritimati", "Asia/Beirut"];

/// A, B and C in a coalition of this time zone, with notices so many days ahead.
fn brands_in(zone: &TimeZone, days: NoticeDays) -> Play {
    let coalition = Coalition { time_zone: zone.clone(), notice_days: days, ..coalition() };
    let own = || terms(Funding::AtRedemption);
    Play::new(house(coalition, &[("A", own()), ("B", own()), ("C", own())]))
}

fn notices(play: &Play, member: &str, day: Date, now: Timestamp) -> Vec<Notice> {
    let known = &play.book.members[&play.member(member)];
    let lots: Vec<_> = play.book.lots.values().filter(|lot| lot.id.member == known.id).cloned().collect();
    let day = NoticeDay::of(day, &play.book.house.coalition).unwrap();
    let all = day.notices(known, &lots, now);
    // What a store that reads these expiries alone would find is the same.
    let expiries = day.expiries(known, now);
    let read = |expires| expiries.iter().any(|(first, last)| (*first..=*last).contains(&expires));
    let some: Vec<_> = lots.into_iter().filter(|lot| read(lot.expires)).collect();
    assert_eq!(day.notices(known, &some, now), all);
    assert!(all.iter().all(|notice| notice.expires <= day.horizon()));
    all
}

fn told(notices: &[Notice]) -> Vec<(&str, i64, Timestamp, u16)> {
    notices.iter().map(|notice| (notice.issuer.as_str(), notice.points.0, notice.expires, notice.days_ahead)).collect()
}

/// The day of a moment as it is read from a calendar: midnight is the end of the day before.
fn day_of(moment: Timestamp, zone: &TimeZone) -> Date {
    let just_before = moment.to_jiff() - SignedDuration::from_micros(1);
    just_before.to_zoned(zone.clone()).date()
}

#[test]
fn points_are_told_of_on_three_days_and_on_no_other() {
    let mut play = brands(Funding::AtRedemption);
    let zone = play.book.house.coalition.time_zone.clone();
    let end = START.plus_days(60).plus_seconds(3600);
    play.issue_until("A", "M", 10, end);
    let expiry = day_of(end, &zone);
    for days in 0..70u16 {
        let day = expiry - i64::from(days).days();
        let expected = if [30, 7, 1].contains(&days) { vec![("A", 10, end, days)] } else { vec![] };
        assert_eq!(told(&notices(&play, "M", day, START)), expected, "{days} days ahead");
    }
}

#[test]
fn points_of_one_moment_and_issuer_are_one_notice() {
    let mut play = brands(Funding::AtRedemption);
    let zone = play.book.house.coalition.time_zone.clone();
    let end = START.plus_days(60).plus_seconds(3600);
    let later = end.plus_seconds(1);
    play.issue_until("A", "M", 10, end);
    play.issue_until("A", "M", 5, end);
    play.issue_until("B", "M", 3, end);
    play.issue_until("A", "M", 1, later);
    play.issue("A", "M", 100);
    play.issue_until("A", "N", 7, end);
    let day = day_of(end, &zone) - 7.days();
    let expected = [("A", 15, end, 7), ("B", 3, end, 7), ("A", 1, later, 7)];
    assert_eq!(told(&notices(&play, "M", day, START)), expected);
    assert_eq!(told(&notices(&play, "N", day, START)), [("A", 7, end, 7)]);
}

#[test]
fn what_is_spent_held_pending_or_expired_is_not_told_of() {
    let mut play = brands(Funding::AtRedemption);
    let zone = play.book.house.coalition.time_zone.clone();
    let end = START.plus_days(60).plus_seconds(3600);
    let day = day_of(end, &zone) - 7.days();
    play.issue_until("A", "M", 10, end);
    play.redeem("B", "M", 4).unwrap();
    assert_eq!(told(&notices(&play, "M", day, START)), [("A", 6, end, 7)]);
    play.authorize("B", "M", 5).unwrap();
    assert_eq!(told(&notices(&play, "M", day, START)), [("A", 1, end, 7)]);
    play.redeem("B", "M", 1).unwrap();
    assert_eq!(notices(&play, "M", day, START), []);
    play.issue_until("A", "N", 10, end);
    assert_eq!(told(&notices(&play, "N", day, Timestamp(end.0 - 1))), [("A", 10, end, 7)], "a day that is past");
    assert_eq!(notices(&play, "N", day, end), [], "expired, posted or not");
    let activates = Some(START.plus_days(59));
    play.earn("A", "P", Earn { expires: Some(end), activates, ..Earn::points(Points(10)) });
    assert_eq!(notices(&play, "P", day, START), [], "not there yet");
}

#[test]
fn points_that_end_with_inactivity_are_told_of_by_the_last_activity() {
    let ends = Terms { expiry: ExpiryPolicy::InactiveDays(40), ..terms(Funding::AtRedemption) };
    let mut play = Play::new(house(coalition(), &[("A", ends), ("B", terms(Funding::AtRedemption))]));
    let zone = coalition().time_zone;
    play.issue("A", "M", 10);
    let first = play.book.members[&play.member("M")].inactive_at(40, &zone);
    assert_eq!(told(&notices(&play, "M", day_of(first, &zone) - 30.days(), play.now)), [("A", 10, first, 30)]);
    play.now = START.plus_days(20);
    play.issue("B", "M", 1);
    assert_eq!(notices(&play, "M", day_of(first, &zone) - 7.days(), play.now), [], "the member was active");
    let second = play.book.members[&play.member("M")].inactive_at(40, &zone);
    assert!(second > first);
    for days in [30, 7, 1u16] {
        let day = day_of(second, &zone) - i64::from(days).days();
        assert_eq!(told(&notices(&play, "M", day, play.now)), [("A", 10, second, days)]);
    }
}

#[test]
fn midnight_ends_the_day_and_the_last_notice_comes_before_the_day_of_the_expiry() {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let mut play = brands_in(&zone, NoticeDays::default());
    let midnight = |day: Date| Timestamp::from_jiff(day.to_zoned(zone.clone()).unwrap().timestamp());
    // The clocks go forward on the 29th of March 2026, and back on the 25th of October.
    for end in [date(2026, 3, 29), date(2026, 3, 30), date(2026, 10, 25), date(2026, 10, 26)] {
        let member = end.to_string();
        play.issue_until("A", &member, 10, midnight(end));
        let at = |day: Date| told(&notices(&play, &member, day, play.now)).len();
        assert_eq!(told(&notices(&play, &member, end - 2.days(), play.now)), [("A", 10, midnight(end), 1)], "{end}");
        assert_eq!((at(end - 1.day()), at(end), at(end - 3.days())), (0, 0, 0), "{end}");
    }
}

#[test]
fn a_day_at_the_end_of_the_calendar_has_no_notices() {
    for day in [Date::MIN, Date::MAX] {
        assert!(NoticeDay::of(day, &coalition()).is_none());
    }
}

#[test]
fn a_day_may_be_past_but_not_later_than_tomorrow() {
    let berlin = Coalition { time_zone: TimeZone::get("Europe/Berlin").unwrap(), ..coalition() };
    // Half past midnight in Berlin.
    let now: Timestamp = "2026-03-28T23:30:00Z".parse().unwrap();
    let asked = |day: Option<Date>| NoticeDay::asked(day, now, &berlin).map(|asked| asked.day);
    assert_eq!(asked(None), Ok(date(2026, 3, 29)));
    for day in [date(2026, 3, 30), date(2026, 3, 28), date(1999, 1, 1)] {
        assert_eq!(asked(Some(day)), Ok(day));
    }
    for day in [date(2026, 3, 31), Date::MAX, Date::MIN] {
        assert_eq!(asked(Some(day)).unwrap_err().reason(), "TIME_OUT_OF_RANGE", "{day}");
    }
}

/// Whatever the rules allow.
fn any_days() -> impl Strategy<Value = NoticeDays> {
    btree_set(1..=NoticeDays::AHEAD_MAX, 1..=NoticeDays::COUNT_MAX)
        .prop_map(|days| NoticeDays::new(days.into_iter().rev().collect()).unwrap())
}

#[test]
fn a_coalition_has_one_to_eight_notices_from_the_most_days_to_the_fewest() {
    let told =
        |days: &[u16]| NoticeDays::new(days.to_vec()).map(|days| days.to_string()).map_err(|error| error.to_string());
    for (days, text) in
        [(&[30, 7, 1][..], "30, 7, 1"), (&[366], "366"), (&[8, 7, 6, 5, 4, 3, 2, 1], "8, 7, 6, 5, 4, 3, 2, 1")]
    {
        assert_eq!(told(days), Ok(text.to_owned()));
    }
    for (days, exceeded) in [
        (&[][..], "0 notices of an expiry"),
        (&[9, 8, 7, 6, 5, 4, 3, 2, 1], "9 notices of an expiry"),
        (&[30, 0], "0 is not between 1 and 366"),
        (&[367, 1], "367 is not between 1 and 366"),
        (&[7, 30], "30 follows 7"),
        (&[7, 7], "7 follows 7"),
    ] {
        let refused = told(days).unwrap_err();
        assert!(refused.starts_with(exceeded) && refused.contains("such as 30, 7, 1"), "{refused}");
    }
    assert_eq!(NoticeDays::default().to_string(), "30, 7, 1");
}

#[test]
fn a_coalition_with_other_days_has_notices_on_those_and_on_no_others() {
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let mut play = brands_in(&zone, NoticeDays::new(vec![366, 14]).unwrap());
    let end = START.plus_days(400).plus_seconds(3600);
    play.issue_until("A", "M", 10, end);
    for days in 0..400u16 {
        let day = day_of(end, &zone) - i64::from(days).days();
        let expected = if [366, 14].contains(&days) { vec![("A", 10, end, days)] } else { vec![] };
        assert_eq!(told(&notices(&play, "M", day, START)), expected, "{days} days ahead");
    }
}

proptest! {
    /// Of every moment, whatever day is asked for: one notice of each kind in all, on the day that the calendar says, and
    /// the last one more than the rest of its day ahead.
    #[test]
    fn every_expiry_has_just_one_notice_of_each_kind(
        zone in select(&ZONES[..]),
        days in any_days(),
        moments in vec((0i64..366 * 24 * 4, -1i64..=1), 1..20),
    ) {
        let zone = TimeZone::get(zone).unwrap();
        let mut play = brands_in(&zone, days.clone());
        // Quarters of hours, and the moments right beside them: midnights are among them.
        let first = START.plus_days(368);
        let ends: BTreeSet<Timestamp> =
            moments.iter().map(|(quarter, beside)| Timestamp(first.plus_seconds(quarter * 900).0 + beside)).collect();
        for end in &ends {
            play.issue_until("A", "M", 1, *end);
        }
        let mut told: BTreeMap<(Timestamp, u16), Vec<Date>> = BTreeMap::new();
        let start = day_of(START, &zone);
        for offset in 0..740 {
            let day = start + i64::from(offset).days();
            for notice in notices(&play, "M", day, play.now) {
                prop_assert_eq!(notice.points, Points(1));
                told.entry((notice.expires, notice.days_ahead)).or_default().push(day);
                let over = (day + 1.day()).to_zoned(zone.clone()).unwrap();
                prop_assert!(notice.expires > Timestamp::from_jiff(over.timestamp()));
            }
        }
        prop_assert_eq!(told.len(), ends.len() * days.iter().count());
        for ((end, days), on) in told {
            prop_assert_eq!(on, vec![day_of(end, &zone) - i64::from(days).days()]);
        }
    }
}
