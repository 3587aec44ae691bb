//! Many spend one balance: at once, by holds, and by holds that end in more ways than one.

use std::time::Duration;

use clearing_core::facts::entry::EntryKind;
use clearing_core::units::EntryId;
use futures::future::{join, join_all};
use partner_sdk::HoldState;

use super::arena::{Arena, BRANDS, PLACES, Place, accepted, act, all_at_once, balance, issue_lots, redeem};
use clearing_play::commands;
use clearing_play::sdk::shown_entry;

/// Tills that ask at once.
const RIVALS: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_spends_of_one_balance_those_succeed_for_which_there_are_points() {
    for place in PLACES {
        let arena = Arena::open(place, BRANDS).await;
        let tills = arena.tills_of(&["A", "B", "C"]).await;
        for round in 0..8 {
            let (card, points) = (format!("{round}"), 30 + round);
            // More lots than a redemption takes, so that spends meet in the middle of lots.
            issue_lots(&tills[0], &card, 10, 100).await;
            let spends = (0..RIVALS).map(|_| commands::redeem(&card, points));
            let answers = all_at_once(&tills, spends).await;
            let spent = i64::try_from(accepted(&answers, "INSUFFICIENT_POINTS")).unwrap() * points;
            assert_eq!(spent, 1000 - 1000 % points, "{place:?}");
            assert_eq!(balance(&tills[0], &card).await.member.available_points, 1000 - spent);
            // To the last point.
            assert_eq!(redeem(&tills[1], &card, 1000 - spent).await.unwrap().available, 0);
        }
        arena.reruns_are_rare();
        arena.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_holds_of_one_balance_those_are_authorized_for_which_there_are_points_and_each_ends_once() {
    for place in PLACES {
        let arena = Arena::open(place, BRANDS).await;
        let issuer = arena.till("A").await;
        let tills = arena.tills("B").await;
        let lapses = arena.in_seconds(3600);
        for round in 0..3 {
            let card = format!("{round}");
            issue_lots(&issuer, &card, 10, 100).await;
            let holds = (0..RIVALS).map(|_| commands::authorize(&card, 30, lapses));
            let answers = all_at_once(&tills, holds).await;
            assert_eq!(accepted(&answers, "INSUFFICIENT_POINTS"), 33, "{place:?}");
            let left = balance(&issuer, &card).await;
            assert_eq!((left.member.available_points, left.member.held_points), (10, 990));

            // Two captures and two voids of each hold, at different nodes.
            let holds: Vec<EntryId> = answers.into_iter().flatten().map(|mut done| done.entries.remove(0)).collect();
            let ends = holds.iter().flat_map(|hold| {
                let capture = || commands::capture(*hold, 20);
                [capture(), commands::void(*hold), commands::void(*hold), capture()]
            });
            let ended = all_at_once(&tills, ends).await;
            let mut captured = 0;
            for (hold, ended) in holds.iter().zip(ended.chunks(4)) {
                assert_eq!(accepted(ended, "HOLD_NOT_OPEN"), 1, "{place:?}: {ended:?}");
                let taken = ended[0].is_ok() || ended[3].is_ok();
                captured += i64::from(taken) * 20;
                let state = tills[0].hold(&shown_entry(*hold)).await.unwrap().state;
                assert_eq!(state, if taken { HoldState::Captured } else { HoldState::Voided });
            }
            let left = balance(&issuer, &card).await;
            assert_eq!((left.member.available_points, left.member.held_points), (1000 - captured, 0));
        }
        arena.reruns_are_rare();
        arena.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_captured_or_lapses_when_the_clock_moves_past_its_end_while_captures_arrive() {
    for place in PLACES {
        let arena = Arena::open(place, BRANDS).await;
        let issuer = arena.till("A").await;
        let tills = arena.tills("B").await;
        let (mut captured, mut lapsed) = (0, 0);
        for round in 0..4 {
            let lapses = arena.in_seconds(3600);
            let mut holds = Vec::new();
            for at in 0..24 {
                let card = format!("{round}.{}", at % 6);
                issue_lots(&issuer, &card, 1, 30).await;
                let hold = act(&tills[0], commands::authorize(&card, 30, lapses)).await.unwrap();
                holds.extend(hold.entries);
            }
            let captures = holds.iter().zip(tills.iter().cycle()).enumerate().map(async |(at, (hold, till))| {
                tokio::time::sleep(Duration::from_millis(4 * u64::try_from(at).unwrap())).await;
                act(till, commands::capture(*hold, 20)).await
            });
            let moved = async {
                tokio::time::sleep(Duration::from_millis(40)).await;
                arena.advance(lapses).await;
            };
            let (captures, ()) = join(join_all(captures), moved).await;
            let taken = i64::try_from(accepted(&captures, "HOLD_NOT_OPEN")).unwrap();
            let mut left = 0;
            for card in 0..6 {
                let balance = balance(&issuer, &format!("{round}.{card}")).await;
                assert_eq!(balance.member.held_points, 0, "{place:?}");
                left += balance.member.available_points;
            }
            assert_eq!(left, 24 * 30 - taken * 20, "{place:?}");
            for (hold, capture) in holds.iter().zip(&captures) {
                let state = tills[0].hold(&shown_entry(*hold)).await.unwrap().state;
                assert_eq!(state, if capture.is_ok() { HoldState::Captured } else { HoldState::Lapsed });
            }
            captured += taken;
            lapsed += 24 - taken;
        }
        println!("{place:?}: {captured} captured, {lapsed} lapsed");
        assert!(captured > 0 && lapsed > 0, "{place:?}: they did not meet: {captured} captured, {lapsed} lapsed");
        arena.end().await;
    }
}

/// One of the nodes looks for what lapses; both find it done before they serve the member.
#[tokio::test(flavor = "multi_thread")]
async fn holds_lapse_once_while_time_goes_by_at_two_nodes_and_captures_arrive_at_both() {
    let arena = Arena::open_by_the_machines_clock(Place::TwoNodesOnPostgres, BRANDS).await;
    let issuer = arena.till("A").await;
    let tills = arena.tills("B").await;
    for card in 0..6 {
        issue_lots(&issuer, &card.to_string(), 4, 30).await;
    }
    let lapses = arena.in_seconds(3);
    let holds = (0..24).map(|at| commands::authorize(at % 6, 30, lapses));
    let holds = all_at_once(&tills, holds).await.into_iter().map(|hold| hold.unwrap().entries.remove(0));
    let holds: Vec<EntryId> = holds.collect();
    let captures = holds.iter().zip(tills.iter().cycle()).enumerate().map(async |(at, (hold, till))| {
        tokio::time::sleep(Duration::from_millis(200 * u64::try_from(at).unwrap())).await;
        act(till, commands::capture(*hold, 20)).await
    });
    let captures = join_all(captures).await;
    let taken = i64::try_from(accepted(&captures, "HOLD_NOT_OPEN")).unwrap();
    assert!((1..24).contains(&taken), "{taken} of 24 holds were captured");
    let mut left = 0;
    for card in 0..6 {
        let balance = balance(&issuer, &card.to_string()).await;
        assert_eq!(balance.member.held_points, 0);
        left += balance.member.available_points;
    }
    assert_eq!(left, 24 * 30 - taken * 20);
    let journal = arena.journal().await;
    let lapsed = journal.iter().filter(|stored| stored.entry.kind == EntryKind::Lapse).count();
    assert_eq!(i64::try_from(lapsed).unwrap(), 24 - taken);
    arena.reruns_are_rare();
    arena.end().await;
}
