//! The same thing asked for many times at once: under one key, with one receipt, and together with its abandoning.

use std::collections::BTreeSet;

use futures::future::{join, join_all};
use partner_sdk::{Abandon, AbandonOutcome, Client, Decimal, Money, Origin, Rejection};

use super::arena::{Arena, BRANDS, PLACES, Place, accepted, act, balance, issue, told};
use clearing_core::command::Command;
use clearing_play::commands;
use clearing_play::sdk::{self, Done, entry_of};

/// How often the same thing is sent at once.
const TIMES: usize = 12;

/// A card on which such a command can be done, and the command: an issue to nobody known, a redemption, a hold, a capture, a
/// reversal, a purchase, a transfer.
async fn prepared(arena: &Arena, issuer: &Client, name: &str, card: &str) -> Command {
    let card = card.to_owned();
    if name != "issue" {
        issue(issuer, &card, 100).await;
    }
    let lapses = arena.in_seconds(3600);
    match name {
        "issue" => commands::issue(&card, 100),
        "redeem" => commands::redeem(&card, 40),
        "authorize" => commands::authorize(&card, 40, lapses),
        "capture" => {
            let hold = act(issuer, commands::authorize(&card, 40, lapses)).await.unwrap();
            commands::capture(hold.entries[0], 30)
        }
        "reverse" => {
            let entry = issue(issuer, &card, 50).await.entries.remove(0);
            commands::reverse(entry, 20)
        }
        "purchase" => commands::purchase(&card, 40, 7),
        "transfer" => commands::transfer(&card, format!("to.{card}"), 40),
        "return" => {
            let entry = act(issuer, commands::redeem(&card, 40)).await.unwrap().entries.remove(0);
            commands::return_redemption(entry, 15)
        }
        other => panic!("nobody prepares {other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_sent_many_times_at_once_has_its_effect_once_and_every_answer_is_the_same() {
    for place in PLACES {
        let arena = Arena::open(place, BRANDS).await;
        let tills = arena.tills("A").await;
        let before = arena.journal().await.len();
        let kinds = ["issue", "redeem", "authorize", "capture", "reverse", "purchase", "transfer", "return"];
        let mut written = 0;
        // All kinds together, too: what is sent again meets what is sent for the first time.
        let mut wanted = Vec::new();
        for kind in kinds {
            for round in 0..3 {
                wanted.push((kind, prepared(&arena, &tills[0], kind, &format!("{kind}.{round}")).await));
            }
        }
        let prepared = arena.journal().await.len();
        let asked = wanted.iter().map(async |(kind, command)| {
            let id = tills[0].new_request_id();
            let sent = (0..TIMES).map(|at| sdk::ask(&tills[at % tills.len()], id, command, Origin::default()));
            let answers: Vec<Done> = join_all(sent).await.into_iter().map(|answer| told(answer).unwrap()).collect();
            assert_eq!(answers.iter().filter(|done| !done.replayed).count(), 1, "{place:?}: {kind}: {answers:?}");
            let same: BTreeSet<_> = answers.iter().map(|done| (&done.entries, done.available)).collect();
            assert_eq!(same.len(), 1, "{place:?}: {kind}: {answers:?}");
            answers[0].entries.len()
        });
        for entries in join_all(asked).await {
            written += entries;
        }
        assert_eq!(arena.journal().await.len(), prepared + written, "{place:?}: {before} entries at first");
        arena.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_a_receipt_is_booked_once_however_many_tills_send_it_at_once() {
    for place in PLACES {
        let arena = Arena::open(place, BRANDS).await;
        let tills = arena.tills("A").await;
        let kinds = ["issue", "redeem", "authorize", "purchase"];
        let mut lines = Vec::new();
        for kind in kinds {
            for round in 0..3 {
                let card = format!("{kind}.{round}");
                lines.push((kind, vec![prepared(&arena, &tills[0], kind, &card).await; TIMES]));
                // A line belongs to a receipt, not to a member: two members who share it get it once between them.
                lines.push(match kind {
                    "issue" => {
                        (kind, (0..TIMES).map(|at| commands::issue(format!("{card}.0.{}", at % 3), 100)).collect())
                    }
                    kind => (kind, vec![prepared(&arena, &tills[0], kind, &format!("{card}.0")).await; TIMES]),
                });
            }
        }
        let asked = lines.iter().enumerate().map(async |(receipt, (kind, commands))| {
            let origin =
                Origin::till("7", "3").receipt(format!("R-{receipt}")).receipt_line(2).business_date("2026-01-01");
            let sent = commands.iter().enumerate().map(|(at, command)| {
                let (till, origin) = (&tills[at % tills.len()], origin.clone());
                async move { told(sdk::ask(till, till.new_request_id(), command, origin).await) }
            });
            let answers: Vec<Result<Done, Rejection>> = join_all(sent).await;
            assert_eq!(accepted(&answers, "DUPLICATE_RECEIPT"), 1, "{place:?}: {kind}");
            let booked = answers.iter().find_map(|answer| answer.as_ref().ok()).unwrap().entries.clone();
            for rejection in answers.iter().filter_map(|answer| answer.as_ref().err()) {
                let named = &entry_of(&rejection.metadata["entry_id"]);
                assert!(
                    booked.contains(named),
                    "{place:?}: {kind}: {rejection} names {named:?}, not one of {booked:?}"
                );
            }
        });
        join_all(asked).await;
        arena.end().await;
    }
}

/// What abandoning a request came to, whose own answer was this.
fn agrees(place: Place, kind: &str, answer: &Result<Done, Rejection>, outcome: &AbandonOutcome) {
    match (answer, outcome) {
        (Ok(_), AbandonOutcome::Undone) => {}
        (Err(rejection), AbandonOutcome::BurnedUnseen) => {
            assert_eq!(rejection.reason.as_str(), "REQUEST_ABANDONED", "{place:?}: {kind}");
        }
        (answer, outcome) => panic!("{place:?}: {kind}: {answer:?} and {outcome:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_abandoned_before_after_or_while_it_runs_is_burned_or_undone_and_leaves_nothing() {
    for place in PLACES {
        let arena = Arena::open(place, BRANDS).await;
        let tills = arena.tills("A").await;
        let kinds = ["issue", "redeem", "authorize", "purchase", "return"];
        let mut meetings = Vec::new();
        for round in 0..24 {
            for kind in kinds {
                let card = format!("{kind}.{round}");
                let command = prepared(&arena, &tills[0], kind, &card).await;
                meetings.push((round, kind, card, command));
            }
        }
        let positions = async || {
            let mut positions = Vec::new();
            for partner in ["A", "B", "operator"] {
                let position = arena.till(partner).await.position().await.unwrap();
                positions.push((position.position, position.outstanding_points));
            }
            positions
        };
        let before = positions().await;
        let meet = meetings.iter().map(async |(round, kind, card, command)| {
            let mut had = if *kind == "issue" { 0 } else { balance(&tills[0], card).await.member.available_points };
            let id = tills[0].new_request_id();
            let (one, other) = (&tills[round % tills.len()], &tills[(round + 1) % tills.len()]);
            let asks = async || told(sdk::ask(one, id, command, Origin::default()).await);
            let abandons = async || told(other.abandon(Abandon::request(id)).await).unwrap().outcome;
            let (answer, outcome) = match round % 6 {
                0 => {
                    let outcome = abandons().await;
                    (asks().await, outcome)
                }
                1 => {
                    let answer = asks().await;
                    (answer, abandons().await)
                }
                2 | 3 => join(asks(), abandons()).await,
                4 => {
                    // What else the abandoning node does for the member, maybe in the same batch.
                    let beside = commands::issue(card, 1);
                    let ((answer, outcome), _) = join(join(asks(), abandons()), act(other, beside)).await;
                    had += 1;
                    (answer, outcome)
                }
                _ => {
                    let (outcome, answer) = join(abandons(), asks()).await;
                    (answer, outcome)
                }
            };
            agrees(place, kind, &answer, &outcome);
            assert_eq!(abandons().await, AbandonOutcome::AlreadyAbandoned);
            accepted(&[asks().await], "REQUEST_ABANDONED");
            // A member that was never there has no balance to ask for.
            if *kind != "issue" || outcome == AbandonOutcome::Undone || had > 0 {
                let left = balance(&tills[0], card).await;
                let left = (
                    left.member.available_points,
                    left.member.held_points,
                    left.member.pending_points,
                    left.member.owed_points,
                );
                assert_eq!(left, (had, 0, 0, 0), "{place:?}: {kind}: {outcome:?}");
            }
            outcome == AbandonOutcome::Undone
        });
        let undone = join_all(meet).await.into_iter().filter(|undone| *undone).count();
        println!("{place:?}: {undone} of {} undone, the others burned", meetings.len());
        assert!(undone > 0 && undone < meetings.len());
        // One point more for each round in which something was done beside.
        let mut after = positions().await;
        after[0].1 -= i64::try_from(4 * kinds.len()).unwrap();
        assert_eq!(after, before, "{place:?}");
        arena.end().await;
    }
}

/// What other lines of a receipt took was once read before anything was locked: at two nodes each saw nothing of the other.
#[tokio::test(flavor = "multi_thread")]
async fn points_pay_the_share_of_a_receipt_that_they_may_and_no_more_however_many_lines_come_at_once() {
    for place in PLACES {
        let partners = format!("{BRANDS}[[partner]]\nid = \"S\"\nreceipt_share = \"0.5\"\n");
        let arena = Arena::open(place, &partners).await;
        let tills = arena.tills("S").await;
        let issuer = arena.till("A").await;
        for card in ["1", "2"] {
            issue(&issuer, card, 2000).await;
        }
        for receipt in 0..10 {
            // Every other receipt is shared by two members.
            let sent = (0..i32::try_from(TIMES).unwrap()).map(async |line| {
                let till = &tills[usize::try_from(line).unwrap() % tills.len()];
                let origin = Origin::till("7", "3").receipt(format!("R-{receipt}")).receipt_line(line + 1);
                let origin = origin.receipt_total(Money::new("RUB", Decimal::from(100)));
                let card = if receipt % 2 == 0 || line % 3 == 0 { "1" } else { "2" };
                let command = match line % 2 {
                    0 => commands::redeem(card, 10),
                    _ => commands::authorize(card, 10, arena.in_seconds(3600)),
                };
                told(sdk::ask(till, till.new_request_id(), &command, origin).await)
            });
            let answers = join_all(sent).await;
            assert_eq!(accepted(&answers, "RECEIPT_SHARE_EXCEEDED"), 5, "{place:?}: receipt {receipt}");
        }
        arena.end().await;
    }
}
