//! Closed windows that nobody confirms: who is told of them, and what the house's health says.

use std::time::Duration;

use clearing_core::facts::calendar::Calendars;
use clearing_core::facts::coalition::NoticeDays;
use partner_sdk::operator::{AbortSettlement, CloseWindow, ConfirmSettlement, CutOffRow, SetCalendar};
use partner_sdk::{Client, Issue, OnHoliday, Redeem, Weekday};

use clearing::coalition_file::Variant;
use clearing::health::SETTLEMENT;
use clearing_play::{BACKENDS, PATIENCE, TestHouse, coalition};

use crate::doors::health;

const DAY: Duration = Duration::from_secs(86_400);
const SERVING: u8 = 1;
const NOT_SERVING: u8 = 2;

async fn unconfirmed(client: &Client) -> Vec<i64> {
    let listed = client.unconfirmed_windows().all().await.unwrap();
    listed.iter().map(|window| window.window).collect()
}

/// Waits until the house's health says this of who confirms its windows.
async fn until(test: &TestHouse, state: u8) {
    let said = async {
        while health(&test.server, &test.identities, SETTLEMENT).await != state {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, said).await.expect("the health says it in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_windows_that_nobody_has_confirmed_are_listed_for_everybody_with_legs_for_the_operator_alone() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, b, desk) = (test.client("A").await, test.client("B").await, test.client("operator").await);
        assert_eq!(unconfirmed(&desk).await, Vec::<i64>::new());
        desk.operator().close_window(CloseWindow::now()).await.unwrap().accepted().unwrap();
        a.issue(Issue::to("card", "1").points(100)).await.unwrap().accepted().unwrap();
        b.redeem(Redeem::from("card", "1").points(60)).await.unwrap().accepted().unwrap();
        for _ in 0..2 {
            desk.operator().close_window(CloseWindow::now()).await.unwrap().accepted().unwrap();
        }
        for client in [&a, &desk] {
            assert_eq!(unconfirmed(client).await, [3, 2, 1], "newest first, without the open one");
        }
        let legs = |client: Client| async move {
            let listed = client.windows().all().await.unwrap();
            listed.iter().map(|window| (window.window, window.leg_count)).collect::<Vec<_>>()
        };
        let two = desk.unconfirmed_windows().all().await.unwrap().swap_remove(1);
        let count = two.leg_count.unwrap();
        assert!(count >= 2, "issuer and acceptor at least: {count}");
        assert_eq!(legs(desk.clone()).await, [(4, None), (3, Some(0)), (2, Some(count)), (1, Some(0))]);
        assert_eq!(legs(a.clone()).await, [(4, None), (3, None), (2, None), (1, None)]);
        assert!(a.unconfirmed_windows().all().await.unwrap()[1].leg.is_some(), "its own");

        let confirmed = ConfirmSettlement::of(1);
        desk.operator().confirm_settlement(confirmed).await.unwrap().accepted().unwrap();
        assert_eq!(unconfirmed(&a).await, [3, 2]);
        desk.operator().abort_settlement(AbortSettlement::of(2)).await.unwrap().accepted().unwrap();
        assert_eq!(unconfirmed(&a).await, [3], "who gives one up has decided too");
        desk.operator().confirm_settlement(ConfirmSettlement::of(3)).await.unwrap().accepted().unwrap();
        assert_eq!(unconfirmed(&desk).await, Vec::<i64>::new());
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_has_waited_for_a_day_shows_in_the_health_of_settlement_and_nowhere_else() {
    for backend in BACKENDS {
        let (test, now) = TestHouse::of_s01(backend, |_| ()).await;
        let desk = test.client("operator").await;
        desk.operator().close_window(CloseWindow::now()).await.unwrap().accepted().unwrap();
        desk.sandbox().advance_clock(now + DAY).await.unwrap();
        until(&test, NOT_SERVING).await;
        for service in ["", "liveness", "coalition.clearing.v1.IssueService"] {
            assert_eq!(health(&test.server, &test.identities, service).await, SERVING, "{service}");
        }
        desk.operator().confirm_settlement(ConfirmSettlement::of(1)).await.unwrap().accepted().unwrap();
        until(&test, SERVING).await;
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_is_told_the_calendar_as_it_was_given() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |house| house.calendar = Calendars::default()).await;
        let (a, desk) = (test.client("A").await, test.client("operator").await);
        let (calendar, next) = a.calendar().await.unwrap();
        assert!(calendar.unwrap().calendar.cut_offs.is_empty() && next.is_empty());
        let rows = [
            CutOffRow::cron("0 18  * * *").on_holiday(OnHoliday::Skip).days(1, 3),
            CutOffRow::cron("30 2 L * +FRI").on_holiday(OnHoliday::Before),
        ];
        let set = SetCalendar::of(rows).time_zone("Asia/Tokyo").weekend([Weekday::Friday]).holiday_rules(["RU", "DE"]);
        let set = set.holidays(["2026-05-11", "2026-01-09"]).working_days(["2026-11-07"]);
        let set = desk.operator().set_calendar(set).await.unwrap().accepted().unwrap();
        let (version, next) = a.calendar().await.unwrap();
        let version = version.unwrap();
        let calendar = &version.calendar;
        let rows: Vec<_> = calendar
            .cut_offs
            .iter()
            .map(|row| (row.cron_expression.as_str(), row.on_holiday, row.advice_days, row.payment_days))
            .collect();
        let given = [("0 18  * * *", OnHoliday::Skip, 1, 3), ("30 2 L * +FRI", OnHoliday::Before, 0, 0)];
        assert_eq!((&rows[..], calendar.time_zone.as_str()), (&given[..], "Asia/Tokyo"));
        assert_eq!((&calendar.weekend[..], calendar.no_weekend), (&[Weekday::Friday][..], false));
        assert_eq!(calendar.holiday_rules, ["DE", "RU"]);
        assert_eq!(
            (&calendar.holidays[..], &calendar.working_days[..]),
            (&["2026-01-09", "2026-05-11"].map(str::to_owned)[..], &["2026-11-07".to_owned()][..],)
        );
        assert_eq!((&version, &next), (&set.version, &set.cut_offs));
        assert_eq!(a.next_closes().await.unwrap(), next.iter().map(|next| next.close_time).collect::<Vec<_>>());
        assert_eq!(a.cut_offs().first(10).await.unwrap(), next, "as it is published a year ahead");
        assert_eq!(a.announced_calendars().await.unwrap(), []);
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_come_as_many_days_ahead_as_the_coalition_was_founded_with() {
    for backend in BACKENDS {
        let (mut house, begin) = coalition("S01", Variant::AtRedemption);
        house.coalition.notice_days = NoticeDays::new(vec![366, 2]).unwrap();
        let test = TestHouse::open(backend, &house, begin).await;
        let (a, desk) = (test.client("A").await, test.client("operator").await);
        let info = a.server_info().await.unwrap();
        assert_eq!(info.notice_days, [366, 2]);
        // At noon, so that whatever the zone is a day more or less is another day.
        let end = info.server_time + 380 * DAY + DAY / 2;
        a.issue(Issue::to("card", "1").points(10).expires(end)).await.unwrap().accepted().unwrap();
        let mut told = Vec::new();
        for passed in [0, 13, 14, 15, 350, 373, 377, 378, 379] {
            desk.sandbox().advance_clock(info.server_time + passed * DAY).await.unwrap();
            let notices = a.expiry_notices(None).all().await.unwrap();
            told.extend(notices.iter().map(|notice| (passed, notice.days_ahead, notice.points)));
        }
        assert_eq!(told, [(14, 366, 10), (378, 2, 10)]);
        test.end().await;
    }
}
