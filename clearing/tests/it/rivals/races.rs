//! Two different things that want the same points: one comes first, the other is told what it left.

use std::time::Duration;

use futures::future::{join, join_all, join3};
use partner_sdk::operator::SetFundingConsent;
use partner_sdk::{Abandon, EntryKind, Issue, Origin, Receipt, Reverse};

use super::arena::{Arena, BRANDS, PLACES, accepted, act, all_at_once, balance, issue, issue_lots, redeem, told};
use clearing_play::commands;
use clearing_play::sdk::shown_entry;

/// How often two things meet.
const ROUNDS: usize = 30;

#[tokio::test(flavor = "multi_thread")]
async fn returns_of_one_redemption_give_back_what_it_took_and_no_more() {
    for place in PLACES {
        let arena = Arena::open(place, BRANDS).await;
        let issuer = arena.till("A").await;
        let tills = arena.tills("B").await;
        for round in 0..5 {
            let card = format!("{round}");
            issue(&issuer, &card, 100).await;
            let redemption = redeem(&tills[0], &card, 100).await.unwrap().entries.remove(0);
            let returns = (0..10).map(|_| commands::return_redemption(redemption, 30));
            let answers = all_at_once(&tills, returns).await;
            assert_eq!(accepted(&answers, "RETURN_EXCEEDS_REDEMPTION"), 3, "{place:?}");
            assert_eq!(balance(&issuer, &card).await.member.available_points, 90);
            let rest = act(&tills[0], commands::return_redemption(redemption, 10)).await.unwrap();
            assert_eq!(rest.available, 100);
        }
        // What was given back in full moved no money.
        assert!(tills[0].position().await.unwrap().position.amount.is_zero());
        arena.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn points_are_redeemed_or_expire_when_the_clock_moves_past_their_end_while_redemptions_arrive() {
    for place in PLACES {
        let arena = Arena::open(place, BRANDS).await;
        let issuer = arena.till("A").await;
        let tills = arena.tills("B").await;
        let expires = arena.in_seconds(3600);
        for card in 0..ROUNDS {
            let issue = Issue::to("card", card.to_string()).points(100).expires(expires);
            told(issuer.issue(issue).await).unwrap();
        }
        let spends = tills.iter().cycle().take(ROUNDS).enumerate().map(async |(card, till)| {
            tokio::time::sleep(Duration::from_millis(4 * u64::try_from(card).unwrap())).await;
            redeem(till, &card.to_string(), 60).await
        });
        let moved = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            arena.advance(expires).await;
        };
        let (spent, ()) = join(join_all(spends), moved).await;
        let spent = i64::try_from(accepted(&spent, "INSUFFICIENT_POINTS")).unwrap();
        for card in 0..ROUNDS {
            assert_eq!(balance(&issuer, &card.to_string()).await.member.available_points, 0, "{place:?}");
        }
        // Every point went one way.
        let expired = arena.till("operator").await.operator().journal(1, None).all().await.unwrap();
        let expired = expired.iter().filter(|entry| entry.kind == EntryKind::Expire);
        let expired: i64 = expired.flat_map(|entry| &entry.lots).map(|lot| lot.points.abs()).sum();
        assert_eq!(expired, 100 * i64::try_from(ROUNDS).unwrap() - 60 * spent, "{place:?}");
        assert_eq!(issuer.position().await.unwrap().outstanding_points, 0);
        arena.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reversal_that_meets_a_redemption_takes_the_points_back_or_leaves_a_debt() {
    for place in PLACES {
        let arena = Arena::open(place, BRANDS).await;
        let issuers = arena.tills("A").await;
        let tills = arena.tills("B").await;
        let nodes = tills.len();
        let rounds = (0..ROUNDS).map(async |round| {
            let card = format!("{round}");
            let issuer = &issuers[(round + 1) % nodes];
            let lot = issue(issuer, &card, 100).await.entries.remove(0);
            let reverse = act(issuer, commands::reverse(lot, 100));
            let (spent, reversed) = join(redeem(&tills[round % nodes], &card, 70), reverse).await;
            assert!(reversed.is_ok(), "{place:?}: {reversed:?}");
            let left = balance(issuer, &card).await;
            let owed = if accepted(&[spent], "INSUFFICIENT_POINTS") == 1 { 70 } else { 0 };
            assert_eq!((left.member.available_points, left.member.owed_points), (0, owed), "{place:?}");

            // Who would rather be refused than leave a debt gets all of it or nothing.
            let card = format!("all.{round}");
            let lot = issue(issuer, &card, 100).await.entries.remove(0);
            let reverse =
                async { told(issuer.reverse(Reverse::entry(shown_entry(lot)).points(100).refuse_shortfall()).await) };
            let (spent, reversed) = join(redeem(&tills[round % nodes], &card, 70), reverse).await;
            assert_ne!(spent.is_ok(), reversed.is_ok(), "{place:?}: {spent:?}, {reversed:?}");
            let left = balance(issuer, &card).await;
            assert_eq!(
                (left.member.available_points, left.member.owed_points),
                (if spent.is_ok() { 30 } else { 0 }, 0),
                "{place:?}"
            );
            accepted(&[reversed], "REVERSAL_SHORTFALL");
        });
        join_all(rounds).await;
        arena.reruns_are_rare();
        arena.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn points_are_transferred_or_redeemed_and_gifts_that_cross_wait_for_each_other_in_order() {
    for place in PLACES {
        let arena = Arena::open(place, BRANDS).await;
        let tills = arena.tills_of(&["A", "B"]).await;
        let (nodes, to) = (tills.len(), |card: usize| format!("to.{card}"));
        let rounds = (0..ROUNDS).map(async |round| {
            let card = format!("{round}");
            issue(&tills[0], &card, 100).await;
            let gift = commands::transfer(&card, to(round), 100);
            let (given, spent) =
                join(act(&tills[round % nodes], gift), redeem(&tills[(round + 1) % nodes], &card, 100)).await;
            assert_ne!(given.is_ok(), spent.is_ok(), "{place:?}: {given:?}, {spent:?}");
            assert_eq!(balance(&tills[0], &card).await.member.available_points, 0);
            if given.is_ok() {
                assert_eq!(balance(&tills[0], &to(round)).await.member.available_points, 100);
            }
            accepted(&[given, spent], "INSUFFICIENT_POINTS");
        });
        join_all(rounds).await;

        // Each gives to each, at every node: the rows of members are locked in one order.
        let friends = ["w", "x", "y", "z"];
        for card in friends {
            issue(&tills[0], card, 100).await;
        }
        let pairs = friends.into_iter().flat_map(|card| friends.into_iter().map(move |to| (card, to)));
        let pairs: Vec<_> = pairs.filter(|(card, to)| card != to).collect();
        let gifts = pairs.iter().cycle().take(5 * pairs.len());
        let gifts = gifts.map(|(card, to)| commands::transfer(card, to, 40));
        accepted(&all_at_once(&tills, gifts).await, "INSUFFICIENT_POINTS");
        let mut sum = 0;
        for card in friends {
            sum += balance(&tills[0], card).await.member.available_points;
        }
        assert_eq!(sum, 400, "{place:?}");
        arena.reruns_are_rare();
        arena.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn joint_issues_use_a_consents_budget_to_the_last_point_and_no_further() {
    for place in PLACES {
        let arena = Arena::open(place, BRANDS).await;
        let tills = arena.tills("A").await;
        let operator = arena.till("operator").await.operator();
        for (round, funder) in ["B", "C", "P"].into_iter().enumerate() {
            let consent = SetFundingConsent::give(funder, "A").budget(1000);
            operator.set_funding_consent(consent).await.unwrap().accepted().unwrap();
            // Of 60 points the funder gives 30. Some members are the same, most are not.
            let joint = |at: usize, points: i64| {
                Issue::to("card", format!("{round}.{}", at % 20)).points(points).funders([("A", 1), (funder, 1)])
            };
            let asked = (0..50).map(async |at| told(tills[at % tills.len()].issue(joint(at, 60)).await));
            let answers = join_all(asked).await;
            assert_eq!(accepted(&answers, "CONSENT_EXCEEDED"), 33, "{place:?}: {funder}");
            for rejection in answers.into_iter().filter_map(Result::err) {
                assert!(rejection.number("left_points").unwrap() < 30, "{rejection:?}");
            }
            told(tills[0].issue(joint(0, 20)).await).unwrap();
            let over = told(tills[0].issue(joint(0, 2)).await);
            assert_eq!(accepted(&[over], "CONSENT_EXCEEDED"), 0);
            let partners = operator.partners().all().await.unwrap();
            let consent =
                partners.iter().flat_map(|partner| &partner.consents).find(|consent| consent.funder_id == funder);
            assert_eq!(consent.unwrap().used_points, 1000, "{place:?}");
        }
        arena.reruns_are_rare();
        arena.end().await;
    }
}

/// An issue, the spending of its points and its reversal may come in one batch, which reads a page of the member's lots: it
/// must be enough to pay the debt.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_points_owes_none_although_all_came_and_went_in_one_batch() {
    for place in PLACES {
        let arena = Arena::open(place, BRANDS).await;
        let (issuer, till) = (arena.till("A").await, arena.till("B").await);
        let expires = arena.in_seconds(3600);
        for card in 0..2 * ROUNDS {
            issue_lots(&issuer, &card.to_string(), 12, 20).await;
        }
        let rounds = (0..ROUNDS).map(async |round| {
            // Points that go first.
            let soon = |card: String| Issue::to("card", card).points(50).expires(expires);
            let card = format!("{round}");
            let receipt = format!("R-{round}");
            let origin = Origin::default().receipt(&receipt).business_date("2026-01-01");
            let given = async { told(issuer.issue(soon(card.clone()).origin(origin)).await).unwrap() };
            let back = Reverse::receipt(Receipt::new(&receipt, "2026-01-01")).points(50);
            let (_, spent, reversed) =
                join3(given, redeem(&till, &card, 50), async { told(issuer.reverse(back).await) }).await;
            spent.unwrap();
            accepted(&[reversed], "NOT_FOUND");

            let card = format!("{}", ROUNDS + round);
            let id = issuer.new_request_id();
            let given = async { told(issuer.issue(soon(card.clone()).request_id(id)).await) };
            let undone = async { told(issuer.abandon(Abandon::request(id)).await).unwrap() };
            let (given, spent, _) = join3(given, redeem(&till, &card, 50), undone).await;
            spent.unwrap();
            accepted(&[given], "REQUEST_ABANDONED");
        });
        join_all(rounds).await;
        for card in 0..2 * ROUNDS {
            let left = balance(&issuer, &card.to_string()).await;
            assert!(left.member.available_points >= 190 && left.member.owed_points == 0, "{place:?}: {left:?}");
        }
        arena.end().await;
    }
}
