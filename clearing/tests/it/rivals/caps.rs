//! Limits that many use up at once: they are used to the last point, and at no entry of the journal are they passed.

use std::collections::BTreeMap;

use clearing_core::chart::{MoneyAccount, PointsAccount};
use clearing_core::facts::entry::{EntryKind, JournalEntry};
use clearing_core::units::{Money, PartnerId, Points};
use partner_sdk::operator::{CloseWindow, PartnerLimits, SetLimits};
use partner_sdk::{Client, Decimal, Reason};

use super::arena::{Arena, PLACES, accepted, act, all_at_once, balance, issue, issue_lots, redeem};
use clearing_core::command::Command;
use clearing_play::commands;

const RIVALS: usize = 50;
/// Members among whom the rivals are spread.
const CARDS: usize = 10;

/// `A` pays at redemption and `P` prepays; both may owe 500.00. `D` and `O` have limits of points, `E` and `F` of what is redeemed
/// at them.
const LIMITED: &str = r#"
    [[partner]]
    id = "A"
    net_debit_cap = "500.00"
    [[partner]]
    id = "B"
    [[partner]]
    id = "C"
    [[partner]]
    id = "P"
    funding = "AT_ISSUE"
    net_debit_cap = "500.00"
    [[partner]]
    id = "D"
    points_per_day = 1000
    [[partner]]
    id = "O"
    outstanding_points = 1000
    [[partner]]
    id = "E"
    redeem_foreign_points_per_day = 1000
    [[partner]]
    id = "F"
    redeem_points_per_member_per_day = 100
"#;

fn partner(id: &str) -> PartnerId {
    id.parse().unwrap()
}

/// Goes through the journal entry by entry, and gives the least headroom that an entry left which took of it.
///
/// # Panics
/// If an issue, a redemption, a hold or a recovery left less than nothing.
fn least_headroom(journal: &[JournalEntry], of: &str, cap: Money) -> Money {
    let of = partner(of);
    let (mut position, mut unsettled) = (0, BTreeMap::new());
    let mut reserved = BTreeMap::new();
    let mut least = cap.0;
    let mut before = cap.0;
    for JournalEntry { id, sequence, entry } in journal {
        for posting in &entry.money {
            if posting.account == MoneyAccount::Position(of) {
                position += posting.amount.0;
            } else if let MoneyAccount::Settle(window, partner) = posting.account
                && partner == of
            {
                *unsettled.entry(window).or_default() += posting.amount.0;
            }
        }
        if let Some(hold) = entry.hold() {
            let own = hold.reserved.iter().find(|(issuer, _)| *issuer == of);
            reserved.insert(*id, own.map_or(0, |(_, amount)| amount.0));
        }
        if matches!(entry.kind, EntryKind::Capture | EntryKind::Void | EntryKind::Lapse | EntryKind::Undo)
            && let Some(link) = entry.link
        {
            reserved.remove(&link);
        }
        let owed: i64 = unsettled.values().map(|amount: &i64| (*amount).min(0)).sum();
        let headroom = cap.0 + position + owed - reserved.values().sum::<i64>();
        let takes = matches!(
            entry.kind,
            EntryKind::Issue | EntryKind::Redeem | EntryKind::Authorize | EntryKind::Recover | EntryKind::Capture
        );
        if takes && headroom < before {
            assert!(headroom >= 0, "entry {sequence}, {:?}, left a headroom of {headroom}", entry.kind);
            least = least.min(headroom);
        }
        before = headroom;
    }
    Money(least)
}

async fn headroom(operator: &Client, of: &str) -> Decimal {
    operator.position_of(of).await.unwrap().headroom.unwrap().amount
}

/// A command for each rival, spread over the cards.
fn spread(command: impl Fn(usize, String) -> Command) -> impl Iterator<Item = Command> {
    (0..RIVALS).map(move |at| command(at, format!("{}", at % CARDS)))
}

#[tokio::test(flavor = "multi_thread")]
async fn redemptions_and_holds_use_a_net_debit_cap_to_the_last_point_and_no_further() {
    for place in PLACES {
        let arena = Arena::open(place, LIMITED).await;
        let issuer = arena.till("A").await;
        let operator = arena.till("operator").await;
        let tills = arena.tills_of(&["B", "C"]).await;
        for card in 0..CARDS {
            issue_lots(&issuer, &card.to_string(), 4, 50).await;
        }
        let lapses = arena.in_seconds(86_400);
        let spends = spread(|at, card| match at % 3 {
            0 => commands::authorize(&card, 30, lapses),
            _ => commands::redeem(&card, 30),
        });
        let answers = all_at_once(&tills, spends).await;
        assert_eq!(accepted(&answers, "NET_DEBIT_CAP"), 16, "{place:?}");
        assert_eq!(headroom(&operator, "A").await, Decimal::new(2000, 2));
        redeem(&tills[0], "3", 20).await.unwrap();
        assert_eq!(accepted(&[redeem(&tills[1], "3", 1).await], "NET_DEBIT_CAP"), 0);
        assert_eq!(least_headroom(&arena.journal().await, "A", Money(50_000)), Money(0), "{place:?}");

        // What owns no headroom is no matter of the cap: A's own till takes A's points.
        redeem(&issuer, "3", 1).await.unwrap();

        // Captures, voids and returns move the headroom while others want it; in the middle a window closes.
        let mut moves = Vec::new();
        for (at, (answer, till)) in answers.iter().zip(tills.iter().cycle()).enumerate() {
            let Ok(done) = answer else { continue };
            let entry = done.entries[0];
            moves.push(match at % 3 {
                0 if at % 2 == 0 => (till.clone(), commands::capture(entry, 11)),
                0 => (till.clone(), commands::void(entry)),
                _ => (till.clone(), commands::return_redemption(entry, 7)),
            });
        }
        let wants = spread(|at, card| match at % 2 {
            0 => commands::authorize(&card, 13, lapses),
            _ => commands::redeem(&card, 13),
        });
        let moves = async {
            let moved =
                futures::future::join_all(moves.into_iter().map(async |(till, command)| act(&till, command).await));
            assert!(moved.await.iter().all(Result::is_ok), "{place:?}");
        };
        let closed = async {
            tokio::time::sleep(std::time::Duration::from_millis(30)).await;
            operator.operator().close_window(CloseWindow::now()).await.unwrap().accepted().unwrap();
        };
        let ((), (), wanted) = futures::future::join3(moves, closed, all_at_once(&tills, wants)).await;
        for rejection in wanted.into_iter().filter_map(Result::err) {
            assert!(matches!(rejection.reason, Reason::NetDebitCap | Reason::InsufficientPoints), "{rejection}");
        }
        // What is left is used up: to less than a point.
        for card in 0..CARDS {
            while redeem(&tills[0], &card.to_string(), 1).await.is_ok() {}
        }
        assert!(headroom(&operator, "A").await < Decimal::ONE, "{place:?}");
        least_headroom(&arena.journal().await, "A", Money(50_000));
        arena.reruns_are_rare();
        arena.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prepaid_issues_use_a_net_debit_cap_to_the_last_point_and_no_further() {
    for place in PLACES {
        let arena = Arena::open(place, LIMITED).await;
        let tills = arena.tills("P").await;
        let answers = all_at_once(&tills, spread(|_, card| commands::issue(&card, 30))).await;
        assert_eq!(accepted(&answers, "NET_DEBIT_CAP"), 16, "{place:?}");
        issue(&tills[0], "0", 20).await;
        let over = act(&tills[0], commands::issue("0", 1)).await;
        assert_eq!(accepted(&[over], "NET_DEBIT_CAP"), 0);
        assert_eq!(least_headroom(&arena.journal().await, "P", Money(50_000)), Money(0), "{place:?}");
        arena.reruns_are_rare();
        arena.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recoveries_use_a_net_debit_cap_to_the_last_point_and_no_further() {
    for place in PLACES {
        let arena = Arena::open(place, LIMITED).await;
        let creditor = arena.till("C").await;
        let issuers = arena.tills("A").await;
        for card in 0..CARDS {
            let card = card.to_string();
            let lot = issue(&creditor, &card, 200).await.entries.remove(0);
            redeem(&creditor, &card, 200).await.unwrap();
            act(&creditor, commands::reverse(lot, 200)).await.unwrap();
            assert_eq!(balance(&creditor, &card).await.member.owed_points, 200);
        }
        // A's points pay the debts to C as soon as they come, as long as A may still owe.
        let answers = all_at_once(&issuers, spread(|_, card| commands::issue(&card, 30))).await;
        assert_eq!(accepted(&answers, ""), RIVALS);
        let (mut owed, mut available) = (0, 0);
        for card in 0..CARDS {
            let balance = balance(&creditor, &card.to_string()).await;
            owed += balance.member.owed_points;
            available += balance.member.available_points;
        }
        assert_eq!((owed, available), (2000 - 500, 1500 - 500), "{place:?}");
        assert_eq!(least_headroom(&arena.journal().await, "A", Money(50_000)), Money(0), "{place:?}");
        arena.reruns_are_rare();
        arena.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_days_points_are_issued_to_the_last_one_and_no_further() {
    for place in PLACES {
        let arena = Arena::open(place, LIMITED).await;
        let tills = arena.tills("D").await;
        for day in 1..=2 {
            let answers = all_at_once(&tills, spread(|_, card| commands::issue(&card, 30))).await;
            assert_eq!(accepted(&answers, "LIMIT_EXCEEDED"), 33, "{place:?}: day {day}");
            issue(&tills[0], "0", 10).await;
            let over = act(&tills[0], commands::issue("0", 1)).await;
            assert_eq!(accepted(&[over], "LIMIT_EXCEEDED"), 0);
            let issued: i64 = points_of(&arena.journal().await, "D").into_iter().map(|(_, points)| points).sum();
            assert_eq!(issued, -1000 * day);
            arena.advance(arena.in_seconds(86_400)).await;
        }
        arena.reruns_are_rare();
        arena.end().await;
    }
}

/// Of one acceptor all members together have so much of others' points a day, of another each member so much.
#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_redeemed_on_a_day_is_redeemed_to_the_last_point_and_no_further() {
    for place in PLACES {
        let arena = Arena::open(place, LIMITED).await;
        let issuer = arena.till("C").await;
        for card in 0..CARDS {
            issue_lots(&issuer, &card.to_string(), 4, 200).await;
        }
        for (acceptor, most, left) in [("E", 33, 10), ("F", 3 * CARDS, 10)] {
            let tills = arena.tills(acceptor).await;
            for day in 1..=2 {
                let lapses = arena.in_seconds(3 * 86_400);
                let spends = spread(|at, card| match at % 3 {
                    0 => commands::authorize(&card, 30, lapses),
                    _ => commands::redeem(&card, 30),
                });
                let answers = all_at_once(&tills, spends).await;
                assert_eq!(accepted(&answers, "LIMIT_EXCEEDED"), most, "{place:?}: {acceptor}, day {day}");
                redeem(&tills[0], "0", left).await.unwrap();
                assert_eq!(accepted(&[redeem(&tills[0], "0", 1).await], "LIMIT_EXCEEDED"), 0);
                arena.advance(arena.in_seconds(86_400)).await;
            }
        }
        arena.reruns_are_rare();
        arena.end().await;
    }
}

/// What each entry changed of the account `issuer:P`, in order.
fn points_of(journal: &[JournalEntry], of: &str) -> Vec<(EntryKind, i64)> {
    let account = PointsAccount::Issuer(partner(of));
    let of = |stored: &JournalEntry| {
        let moved = stored.entry.points.iter().find(|posting| posting.account == account)?;
        let Points(points) = moved.points;
        Some((stored.entry.kind, points))
    };
    journal.iter().filter_map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn outstanding_points_reach_their_limit_and_do_not_pass_it_while_redemptions_make_room() {
    for place in PLACES {
        let arena = Arena::open(place, LIMITED).await;
        let (issuers, acceptors) = (arena.tills("O").await, arena.tills("B").await);
        for card in 0..CARDS {
            issue(&issuers[0], &card.to_string(), 50).await;
        }
        let issues = all_at_once(&issuers, spread(|_, card| commands::issue(&card, 30)));
        let spends = all_at_once(&acceptors, spread(|_, card| commands::redeem(&card, 5)));
        let (issues, spends) = futures::future::join(issues, spends).await;
        accepted(&issues, "LIMIT_EXCEEDED");
        accepted(&spends, "INSUFFICIENT_POINTS");
        while act(&issuers[0], commands::issue("0", 1)).await.is_ok() {}
        let mut outstanding = 0;
        let mut most = 0;
        for (kind, points) in points_of(&arena.journal().await, "O") {
            outstanding -= points;
            assert!(outstanding <= 1000, "{place:?}: {kind:?} left {outstanding}");
            most = most.max(outstanding);
        }
        assert_eq!((outstanding, most), (1000, 1000), "{place:?}");
        assert_eq!(issuers[0].position().await.unwrap().outstanding_points, 1000);
        arena.reruns_are_rare();
        arena.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_is_lowered_while_points_are_spent_holds_from_the_next_entry_on() {
    for place in PLACES {
        let arena = Arena::open(place, LIMITED).await;
        let issuer = arena.till("A").await;
        let operator = arena.till("operator").await;
        let tills = arena.tills("B").await;
        for card in 0..CARDS {
            issue(&issuer, &card.to_string(), 200).await;
        }
        let spends = all_at_once(&tills, spread(|_, card| commands::redeem(&card, 10)));
        let lowered = async {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            let limits = PartnerLimits::none().net_debit_cap(Decimal::ZERO);
            operator.operator().set_limits(SetLimits::of("A", limits)).await.unwrap().accepted().unwrap();
        };
        let (spends, ()) = futures::future::join(spends, lowered).await;
        let spent = i64::try_from(accepted(&spends, "NET_DEBIT_CAP")).unwrap();
        assert_eq!(accepted(&[redeem(&tills[0], "1", 1).await], "NET_DEBIT_CAP"), 0);
        assert_eq!(headroom(&operator, "A").await, Decimal::from(-10 * spent));
        arena.end().await;
    }
}
