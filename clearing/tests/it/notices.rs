//! Members are about to lose points, and their issuer hears of it in time: on the right days, of its own points only.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use clearing_core::facts::terms::ExpiryPolicy;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan as _};
use partner_sdk::{Authorize, Client, Error, ExpiryNotice, Issue, Redeem, Transfer, Void};

use clearing_play::{BACKENDS, TestHouse, system_time};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// Issues points that expire at a moment, and gives the member.
async fn issue(client: &Client, number: &str, points: i64, expires: SystemTime) -> String {
    let issue = Issue::to("card", number).points(points).expires(expires);
    client.issue(issue).await.unwrap().accepted().unwrap().member.member_id
}

async fn notices(client: &Client, day: Date) -> Vec<ExpiryNotice> {
    client.expiry_notices(Some(&day.to_string())).all().await.unwrap()
}

/// The notices of a day without their members.
async fn told(client: &Client, day: Date) -> Vec<(i64, SystemTime, i32)> {
    notices(client, day).await.iter().map(|notice| (notice.points, notice.expire_time, notice.days_ahead)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_come_30_7_and_1_days_ahead_and_on_no_other_day() {
    for backend in BACKENDS {
        let (test, now) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, desk) = (test.client("A").await, test.client("operator").await);
        // At noon of the 2nd of April.
        let end = now + 60 * DAY + 12 * HOUR;
        let member = issue(&a, "1", 100, end).await;
        let mut days = Vec::new();
        for passed in 0..=62u32 {
            desk.sandbox().advance_clock(now + passed * DAY + HOUR).await.unwrap();
            // The points that expire are the same, whether the day is named or not.
            let today = a.expiry_notices(None).all().await.unwrap();
            assert_eq!(notices(&a, date(2026, 2, 1) + i64::from(passed).days()).await, today);
            for notice in today {
                assert_eq!((notice.member_id.as_str(), notice.points, notice.expire_time), (&*member, 100, end));
                days.push((passed, notice.days_ahead));
            }
        }
        assert_eq!(days, [(30, 30), (53, 7), (59, 1)]);
        assert_eq!(told(&a, date(2026, 4, 1)).await, [], "what has expired is no longer told of");
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_tells_what_is_available_now_of_each_moment() {
    for backend in BACKENDS {
        let (test, now) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, c, desk) = (test.client("A").await, test.client("C").await, test.client("operator").await);
        let (end, later) = (now + 30 * DAY + HOUR, now + 30 * DAY + 2 * HOUR);
        issue(&a, "1", 100, end).await;
        issue(&a, "1", 20, end).await;
        issue(&a, "1", 7, later).await;
        let today = date(2026, 2, 1);
        assert_eq!(told(&a, today).await, [(120, end, 30), (7, later, 30)], "two lots of a moment are one notice");
        c.redeem(Redeem::from("card", "1").points(50)).await.unwrap().accepted().unwrap();
        assert_eq!(told(&a, today).await, [(70, end, 30), (7, later, 30)]);
        let held = c.authorize(Authorize::from("card", "1").points(60).lapses(now + DAY)).await.unwrap();
        assert_eq!(told(&a, today).await, [(10, end, 30), (7, later, 30)], "held points do not expire");
        c.void(Void::hold(held.accepted().unwrap().hold_id)).await.unwrap().accepted().unwrap();
        assert_eq!(told(&a, today).await, [(70, end, 30), (7, later, 30)]);
        c.redeem(Redeem::from("card", "1").points(77)).await.unwrap().accepted().unwrap();
        assert_eq!(told(&a, today).await, []);
        // Points that are not there yet.
        let waits = Issue::to("card", "2").points(9).expires(end).activates(now + 2 * DAY);
        a.issue(waits).await.unwrap().accepted().unwrap();
        assert_eq!(told(&a, today).await, []);
        desk.sandbox().advance_clock(now + 3 * DAY).await.unwrap();
        assert_eq!(told(&a, today).await, [(9, end, 30)], "a day that was missed is told with the points of now");
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn points_that_end_with_inactivity_have_notices_by_the_last_activity() {
    for backend in BACKENDS {
        let (test, now) = TestHouse::of_s01(backend, |house| {
            let a = house.partners.get_mut(&"A".parse().unwrap()).unwrap();
            a.terms[0].expiry = ExpiryPolicy::InactiveDays(40);
        })
        .await;
        let (a, b, desk) = (test.client("A").await, test.client("B").await, test.client("operator").await);
        desk.sandbox().advance_clock(now + HOUR).await.unwrap();
        a.issue(Issue::to("card", "1").points(10)).await.unwrap().accepted().unwrap();
        let end = now + 40 * DAY + HOUR;
        desk.sandbox().advance_clock(now + 10 * DAY + 2 * HOUR).await.unwrap();
        assert_eq!(told(&a, date(2026, 2, 11)).await, [(10, end, 30)]);
        assert_eq!(told(&a, date(2026, 2, 10)).await, []);
        // A purchase anywhere keeps the points alive.
        issue(&b, "1", 1, now + 300 * DAY).await;
        let end = now + 50 * DAY + 2 * HOUR;
        assert_eq!(told(&a, date(2026, 2, 11)).await, [], "they end later now");
        for (passed, ahead) in [(20, 30), (43, 7), (49, 1)] {
            desk.sandbox().advance_clock(now + passed * DAY + 3 * HOUR).await.unwrap();
            assert_eq!(a.expiry_notices(None).all().await.unwrap().len(), 1);
            let day = date(2026, 2, 1) + i64::from(passed).days();
            assert_eq!(told(&a, day).await, [(10, end, ahead)]);
            assert_eq!(told(&a, day + 1.day()).await, [], "tomorrow");
        }
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_hears_of_anothers_points_or_members() {
    for backend in BACKENDS {
        let (test, now) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, b, desk) = (test.client("A").await, test.client("B").await, test.client("operator").await);
        let end = now + 7 * DAY + HOUR;
        let both = issue(&a, "1", 10, end).await;
        assert_eq!(issue(&b, "1", 20, end).await, both);
        let of_b = issue(&b, "2", 30, end).await;
        let today = date(2026, 2, 1);
        assert_eq!(told(&a, today).await, [(10, end, 7)]);
        let seen = notices(&b, today).await;
        let seen: BTreeSet<(&str, i64)> = seen.iter().map(|one| (one.member_id.as_str(), one.points)).collect();
        assert_eq!(seen, [(both.as_str(), 20), (of_b.as_str(), 30)].into());
        assert_eq!(told(&desk, today).await, [], "the operator issued nothing");
        let all = desk.operator().expiry_notices(None).all().await.unwrap();
        let mut all: Vec<_> = all.iter().map(|one| (one.issuer_id.as_str(), one.points, one.days_ahead)).collect();
        all.sort_unstable();
        assert_eq!(all, [("A", 10, 7), ("B", 20, 7), ("B", 30, 7)], "but sees what all have");
        // Points that were given to a friend are still their issuer's.
        let gift = Transfer::between(("card", "1"), ("card", "3")).points(4).enrol_receiver();
        let given = a.transfer(gift).await.unwrap().accepted().unwrap();
        let seen = notices(&a, today).await;
        let mut points: Vec<i64> = seen.iter().map(|one| one.points).collect();
        points.sort_unstable();
        assert_eq!(points, [4, 6], "{given:?}");
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_goes_by_the_coalitions_days_when_its_clocks_change() {
    for backend in BACKENDS {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let (test, _) = TestHouse::of_s01(backend, |house| house.coalition.time_zone = zone.clone()).await;
        let (a, desk) = (test.client("A").await, test.client("operator").await);
        let moment = |day: Date, after: SignedDuration| {
            let moment = day.to_zoned(zone.clone()).unwrap().timestamp() + after;
            system_time(clearing_core::units::Timestamp::from_jiff(moment))
        };
        // The 29th of March 2026 has 23 hours in Berlin: its midnights are at 23:00 and at 22:00 UTC.
        let spring = date(2026, 3, 29);
        let (first, last) = (moment(spring, SignedDuration::ZERO), moment(spring + 1.day(), SignedDuration::ZERO));
        assert_eq!(last.duration_since(first).unwrap(), 23 * HOUR);
        let just = SignedDuration::from_micros(1);
        let ends = [first, moment(spring, just), last, moment(spring + 1.day(), just)];
        for (number, end) in ends.iter().enumerate() {
            issue(&a, &number.to_string(), 1, *end).await;
        }
        for days in [30, 7, 1] {
            let day = spring - i64::from(days).days();
            desk.sandbox().advance_clock(moment(day, SignedDuration::from_hours(1))).await.unwrap();
            let of_lead = async |day: Date| {
                let told = told(&a, day).await.into_iter().filter(|(_, _, ahead)| *ahead == days);
                told.map(|(_, end, _)| end).collect::<BTreeSet<_>>()
            };
            assert_eq!(of_lead(day.yesterday().unwrap()).await, [ends[0]].into());
            assert_eq!(of_lead(day).await, [ends[1], ends[2]].into(), "midnight ends the day");
            assert_eq!(of_lead(day.tomorrow().unwrap()).await, [ends[3]].into());
        }
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_member_is_told_of_once_however_many_there_are() {
    for backend in BACKENDS {
        let (test, now) = TestHouse::of_s01(backend, |_| ()).await;
        let a = test.client("A").await;
        let end = now + 7 * DAY + HOUR;
        let to = |number: u32| Issue::to("card", number.to_string()).points(i64::from(number)).expires(end);
        for issued in a.batch_issue((1..=2_100).map(to).collect()).await.unwrap() {
            issued.unwrap().accepted().unwrap();
        }
        let mut list = a.expiry_notices(None);
        let mut pages = Vec::new();
        while let Some(page) = list.next_page().await.unwrap() {
            pages.push(page);
        }
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [1_000, 1_000, 100]);
        let points: BTreeSet<i64> = pages.iter().flatten().map(|notice| notice.points).collect();
        assert_eq!(points, (1..=2_100).collect());
        assert_eq!(pages.iter().flatten().map(|notice| &notice.member_id).collect::<BTreeSet<_>>().len(), 2_100);
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_a_date_and_not_later_than_tomorrow() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let a = test.client("A").await;
        for day in ["yesterday", "2026-02-30", "2026-2-1", "2026-02-01T00:00:00Z"] {
            match a.expiry_notices(Some(day)).all().await {
                Err(Error::InvalidArgument { fields, .. }) => assert_eq!(fields[0].0, "day", "{day}"),
                other => panic!("{day}: {other:?}"),
            }
        }
        for day in ["2026-02-03", "9999-12-31"] {
            match a.expiry_notices(Some(day)).all().await {
                Err(Error::Refused(rejection)) => {
                    assert_eq!(rejection.reason.as_str(), "TIME_OUT_OF_RANGE", "{day}");
                    assert_eq!(rejection.metadata.get("field").map(String::as_str), Some("day"));
                    assert_eq!(rejection.metadata.get("latest_time").unwrap(), "2026-02-02T00:00:00Z");
                }
                other => panic!("{day}: {other:?}"),
            }
        }
        for day in ["2026-02-02", "2026-01-31", "1999-12-31"] {
            assert_eq!(a.expiry_notices(Some(day)).all().await.unwrap(), []);
        }
        test.end().await;
    }
}
