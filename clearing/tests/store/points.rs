//! Commands on points, each batch through the writer's session.

use clearing_core::command::Earn;
use clearing_core::command::{Abandoned, Command, Reply, Request};
use clearing_core::rejection::Rejection;
use clearing_core::units::{MemberId, Points, Timestamp};

use crate::{TestStore, Till, at, available, card, issue, redeem};

on_both! {
    empty: ;
    coalition:
    points_issued_are_there_to_be_redeemed
    a_repeated_request_gets_the_recorded_answer
    a_return_gives_back_into_the_same_lots_and_an_abandoned_return_takes_again
    what_is_due_expires_with_the_next_command
    a_member_of_many_lots_is_served_page_by_page;
}

async fn points_issued_are_there_to_be_redeemed(test: &TestStore) {
    let mut till = Till::open(&test.store, 1).await;
    for round in 0..6 {
        let accepted = till.one("grocer", issue(card(1), 10), at(round)).await.unwrap();
        assert_eq!(available(&accepted), 10 * (round + 1));
    }
    // More lots than the first page holds.
    let accepted = till.one("fuel", redeem(card(1), 55), at(6)).await.unwrap();
    assert_eq!(available(&accepted), 5);
    let rejection = till.one("fuel", redeem(card(1), 6), at(6)).await.unwrap_err();
    assert_eq!(rejection, Rejection::InsufficientPoints { asked: 6, available: 5 });
    let accepted = till.one("bank", redeem(card(1), 5), at(7)).await.unwrap();
    assert_eq!(available(&accepted), 0);
    let unknown = till.one("bank", redeem(card(2), 5), at(7)).await.unwrap_err();
    assert_eq!(unknown.reason(), "NOT_FOUND");
}

async fn a_repeated_request_gets_the_recorded_answer(test: &TestStore) {
    let mut till = Till::open(&test.store, 1).await;
    let accepted = till.request("grocer", issue(card(1), 10));
    let rejected = till.request("fuel", redeem(card(1), 11));
    let both = [accepted, rejected];
    let first = till.run(&both, at(0)).await.unwrap();
    let mut till = Till::open(&test.store, 2).await;
    let again = till.run(&both, at(1)).await.unwrap();
    for (first, again) in first.answers.iter().zip(&again.answers) {
        assert_eq!(first.result, again.result);
        assert!(!first.replayed && again.replayed);
    }
    let entry = first.answers[0].result.as_ref().unwrap().entries[0];
    assert_eq!(again.sequences.get(&entry.batch), Some(&first.saved.first_sequence));
    assert_eq!(again.book.entries.get(&entry), first.book.entries.get(&entry));
    let mut other = both[0].clone();
    other.command = issue(card(1), 11);
    let conflict = till.run(&[other], at(1)).await.unwrap();
    assert_eq!(conflict.answers[0].result.as_ref().unwrap_err().reason(), "IDEMPOTENCY_CONFLICT");
}

async fn a_return_gives_back_into_the_same_lots_and_an_abandoned_return_takes_again(test: &TestStore) {
    let mut till = Till::open(&test.store, 1).await;
    for issuer in ["grocer", "fuel", "bank"] {
        till.one(issuer, issue(card(1), 10), at(0)).await.unwrap();
    }
    let redeemed = till.one("fuel", redeem(card(1), 25), at(1)).await.unwrap();
    let redemption = redeemed.entries[0];
    let giving = till.request("fuel", Command::Return { redemption, points: Points(8) });
    let given = till.run(std::slice::from_ref(&giving), at(2)).await.unwrap();
    assert_eq!(available(given.answers[0].result.as_ref().unwrap()), 13);
    let too_much = till.one("fuel", Command::Return { redemption, points: Points(18) }, at(2)).await.unwrap_err();
    assert_eq!(too_much, Rejection::ReturnExceedsRedemption { asked: 18, left: 17 });
    let abandon = Command::Abandon { request: giving.request_id.unwrap() };
    let undone = till.one("fuel", abandon.clone(), at(3)).await.unwrap();
    assert_eq!(undone.reply, Reply::Abandoned(Abandoned::Undone));
    let again = till.one("fuel", abandon, at(3)).await.unwrap();
    assert_eq!(again.reply, Reply::Abandoned(Abandoned::Already));
    let replay = till.run(&[giving], at(3)).await.unwrap();
    assert_eq!(replay.answers[0].result.as_ref().unwrap_err().reason(), "REQUEST_ABANDONED");
    // After its expiry what comes back lives on for the grace period: the lot changes its place.
    let all = till.one("fuel", Command::Return { redemption, points: Points(25) }, at(40)).await.unwrap();
    assert_eq!(available(&all), 25);
    let spent = till.one("bank", redeem(card(1), 25), at(41)).await.unwrap();
    assert_eq!(available(&spent), 0);
    // A key that was never seen is burned.
    let mut late = till.request("fuel", issue(card(1), 1));
    let burned = till.one("fuel", Command::Abandon { request: late.request_id.unwrap() }, at(41)).await.unwrap();
    assert_eq!(burned.reply, Reply::Abandoned(Abandoned::Burned));
    late.fresh_member = MemberId(1);
    let refused = till.run(&[late], at(41)).await.unwrap();
    assert_eq!(refused.answers[0].result.as_ref().unwrap_err().reason(), "REQUEST_ABANDONED");
}

async fn what_is_due_expires_with_the_next_command(test: &TestStore) {
    let mut till = Till::open(&test.store, 1).await;
    let first = till.one("grocer", issue(card(1), 10), at(0)).await.unwrap();
    till.one("grocer", issue(card(1), 10), at(1)).await.unwrap();
    till.one("grocer", issue(card(1), 10), at(20)).await.unwrap();
    let member = match first.reply {
        Reply::Member(reply) => reply.member,
        Reply::Abandoned(_) | Reply::House(_) => panic!("not a command on points"),
    };
    let due = till.one("operator", Command::RunDue { member }, at(35)).await.unwrap();
    assert_eq!((due.entries.len(), available(&due)), (2, 10));
    let none = till.one("operator", Command::RunDue { member }, at(35)).await.unwrap();
    assert_eq!((none.entries.len(), available(&none)), (0, 10));
    let spent = till.one("fuel", redeem(card(1), 11), at(36)).await.unwrap_err();
    assert_eq!(spent, Rejection::InsufficientPoints { asked: 11, available: 10 });
    let spent = till.one("fuel", redeem(card(1), 10), at(60)).await.unwrap_err();
    assert_eq!(spent, Rejection::InsufficientPoints { asked: 10, available: 0 });
}

/// Lots enough for more than one page, of which many expire together and many never do.
async fn a_member_of_many_lots_is_served_page_by_page(test: &TestStore) {
    let mut till = Till::open(&test.store, 1).await;
    for (expires, count) in [(at(50), 30), (Timestamp::NEVER, 1_100)] {
        let issue =
            Command::Issue { member: card(1), earn: Earn { expires: Some(expires), ..Earn::points(Points(1)) } };
        let requests: Vec<Request> = (0..count).map(|_| till.request("grocer", issue.clone())).collect();
        let done = till.run(&requests, at(0)).await.unwrap();
        let last = done.answers.last().unwrap().result.as_ref().unwrap();
        let Reply::Member(reply) = &last.reply else { panic!("not a command on points") };
        assert_eq!(reply.next_expiry, Some((at(50), Points(30))));
    }
    let rejection = till.one("fuel", redeem(card(1), 1_025), at(1)).await.unwrap_err();
    assert_eq!(rejection, Rejection::TooManyLots { asked: 1_025, reachable: 1_024, lots_max: 1_024 });
    let some = till.one("fuel", redeem(card(1), 10), at(1)).await.unwrap();
    let Reply::Member(reply) = &some.reply else { panic!("not a command on points") };
    assert_eq!(reply.next_expiry, Some((at(50), Points(20))));
    // Two redemptions of one batch may take more lots together than one may.
    let both = [till.request("fuel", redeem(card(1), 600)), till.request("bank", redeem(card(1), 520))];
    let done = till.run(&both, at(2)).await.unwrap();
    let left: Vec<i64> = done.answers.iter().map(|answer| available(answer.result.as_ref().unwrap())).collect();
    assert_eq!(left, [520, 0]);
}
