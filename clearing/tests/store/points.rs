//! Commands on points, each batch through the writer's session.

use clearing::store::Backend;
use clearing_core::command::{Command, Request};
use clearing_core::facts::answer::{Abandoned, Reply};
use clearing_core::rejection::Rejection;
use clearing_core::rules::abandon::AbandonRequest;
use clearing_core::rules::due::RunDueWork;
use clearing_core::rules::issue::{Earn, IssuePoints};
use clearing_core::rules::notice::NoticeDay;
use clearing_core::rules::redemption::ReturnRedemption;
use clearing_core::units::{MemberId, Points, Timestamp};

use crate::schema::Raw;
use crate::{TestStore, Till, at, available, card, in_zone, issue, redeem};

on_both! {
    empty: ;
    coalition:
    points_issued_are_there_to_be_redeemed
    a_repeated_request_gets_the_recorded_answer
    a_return_gives_back_into_the_same_lots_and_an_abandoned_return_takes_again
    what_is_due_expires_with_the_next_command
    a_member_of_many_lots_is_served_page_by_page
    notices_are_found_page_by_page_by_the_members_key
    a_page_of_notices_ends_after_many_members_with_nothing_to_lose;
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
    let accepted = till.one("cards", redeem(card(1), 5), at(7)).await.unwrap();
    assert_eq!(available(&accepted), 0);
    let unknown = till.one("cards", redeem(card(2), 5), at(7)).await.unwrap_err();
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
    for issuer in ["grocer", "fuel", "cards"] {
        till.one(issuer, issue(card(1), 10), at(0)).await.unwrap();
    }
    let redeemed = till.one("fuel", redeem(card(1), 25), at(1)).await.unwrap();
    let redemption = redeemed.entries[0];
    let giving = till.request("fuel", Command::ReturnRedemption(ReturnRedemption { redemption, points: Points(8) }));
    let given = till.run(std::slice::from_ref(&giving), at(2)).await.unwrap();
    assert_eq!(available(given.answers[0].result.as_ref().unwrap()), 13);
    let too_much = till
        .one("fuel", Command::ReturnRedemption(ReturnRedemption { redemption, points: Points(18) }), at(2))
        .await
        .unwrap_err();
    assert_eq!(too_much, Rejection::ReturnExceedsRedemption { asked: 18, left: 17 });
    let abandon = Command::AbandonRequest(AbandonRequest::of(giving.request_id.unwrap()));
    let undone = till.one("fuel", abandon.clone(), at(3)).await.unwrap();
    assert_eq!(undone.reply, Reply::Abandoned(Abandoned::Undone));
    let again = till.one("fuel", abandon, at(3)).await.unwrap();
    assert_eq!(again.reply, Reply::Abandoned(Abandoned::Already));
    let replay = till.run(&[giving], at(3)).await.unwrap();
    assert_eq!(replay.answers[0].result.as_ref().unwrap_err().reason(), "REQUEST_ABANDONED");
    // After its expiry what comes back lives on for the grace period: the lot changes its place.
    let all = till
        .one("fuel", Command::ReturnRedemption(ReturnRedemption { redemption, points: Points(25) }), at(40))
        .await
        .unwrap();
    assert_eq!(available(&all), 25);
    let spent = till.one("cards", redeem(card(1), 25), at(41)).await.unwrap();
    assert_eq!(available(&spent), 0);
    // A key that was never seen is burned.
    let mut late = till.request("fuel", issue(card(1), 1));
    let burned =
        till.one("fuel", Command::AbandonRequest(AbandonRequest::of(late.request_id.unwrap())), at(41)).await.unwrap();
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
    let due = till.one("operator", Command::RunDueWork(RunDueWork { member }), at(35)).await.unwrap();
    assert_eq!((due.entries.len(), available(&due)), (2, 10));
    let none = till.one("operator", Command::RunDueWork(RunDueWork { member }), at(35)).await.unwrap();
    assert_eq!((none.entries.len(), available(&none)), (0, 10));
    let spent = till.one("fuel", redeem(card(1), 11), at(36)).await.unwrap_err();
    assert_eq!(spent, Rejection::InsufficientPoints { asked: 11, available: 10 });
    let spent = till.one("fuel", redeem(card(1), 10), at(60)).await.unwrap_err();
    assert_eq!(spent, Rejection::InsufficientPoints { asked: 10, available: 0 });
}

/// Lots enough for more than one page, of which many expire together and many never do.
async fn a_member_of_many_lots_is_served_page_by_page(test: &TestStore) {
    let mut till = Till::open(&test.store, 1).await;
    for (expires, count) in [(at(50), 30), (Timestamp::LAST, 1_100)] {
        let issue = Command::IssuePoints(IssuePoints {
            member: card(1),
            earn: Earn { expires: Some(expires), ..Earn::points(Points(1)) },
        });
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
    let both = [till.request("fuel", redeem(card(1), 600)), till.request("cards", redeem(card(1), 520))];
    let done = till.run(&both, at(2)).await.unwrap();
    let left: Vec<i64> = done.answers.iter().map(|answer| available(answer.result.as_ref().unwrap())).collect();
    assert_eq!(left, [520, 0]);
}

async fn notices_are_found_page_by_page_by_the_members_key(test: &TestStore) {
    let mut till = Till::open(&test.store, 1).await;
    let berlin = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    let until = |number: u8, expires: Timestamp| {
        Command::IssuePoints(IssuePoints {
            member: card(number),
            earn: Earn { expires: Some(expires), ..Earn::points(Points(i64::from(number))) },
        })
    };
    // Members 1 to 5 lose points of the grocer and of the bank in a week, the others later or never.
    let mut requests: Vec<Request> = Vec::new();
    for number in 1..=5 {
        requests.push(till.request("grocer", until(number, at(7))));
        requests.push(till.request("cards", until(number, at(7))));
        requests.push(till.request("grocer", until(number, at(40))));
        requests.push(till.request("grocer", until(number + 5, at(90))));
        requests.push(till.request("grocer", until(number + 10, Timestamp::LAST)));
    }
    till.run(&requests, at(0)).await.unwrap();
    let day = NoticeDay::asked(None, at(0), &in_zone(berlin)).unwrap();
    for (issuer, count) in [(Some("grocer"), 5), (Some("fuel"), 0), (None, 10)] {
        let mut found = Vec::new();
        let (mut from, mut pages) = (MemberId(0), 0);
        loop {
            let issuer = issuer.map(crate::id);
            let page = test.store.expiry_notices(&day, issuer, from, 2, at(0)).await.unwrap();
            pages += 1;
            found.extend(page.notices);
            let Some(next) = page.next else { break };
            from = next;
        }
        assert_eq!((found.len(), pages), (count, 3), "{issuer:?}");
        assert!(found.is_sorted_by_key(|notice| notice.member));
        assert!(found.iter().all(|notice| (notice.expires, notice.days_ahead) == (at(7), 7)));
        let points: i64 = found.iter().map(|notice| notice.points.0).sum();
        assert_eq!(points, 3 * i64::try_from(count).unwrap());
    }
}

async fn a_page_of_notices_ends_after_many_members_with_nothing_to_lose(test: &TestStore) {
    let mut till = Till::open(&test.store, 1).await;
    let earn = Earn { expires: Some(at(7).plus_seconds(1)), ..Earn::points(Points(1)) };
    till.one("grocer", Command::IssuePoints(IssuePoints { member: card(1), earn }), at(0)).await.unwrap();
    // Members of whom no row is looked into, all of them before the one that loses something.
    let mut raw = Raw::open(test).await;
    let strangers = match test.store.backend() {
        Backend::Sqlite => {
            "INSERT INTO members (member_id, entry_no, next_due_at, holdings, lots)
            WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10001)
            SELECT unhex(printf('%032x', n)), 0, 9223372036854775807, x'', x'00' FROM n"
        }
        Backend::Postgres => {
            "INSERT INTO members (member_id, entry_no, next_due_at, holdings, lots)
            SELECT lpad(to_hex(n), 32, '0')::uuid, 0, 9223372036854775807, '', '\\x00'
            FROM generate_series(1, 10001) AS n"
        }
    };
    raw.run(strangers).await.unwrap();
    let day = NoticeDay::asked(None, at(0), &in_zone(jiff::tz::TimeZone::UTC)).unwrap();
    let grocer = Some(crate::id("grocer"));
    let first = test.store.expiry_notices(&day, grocer, MemberId(0), 2, at(0)).await.unwrap();
    assert_eq!((first.notices.len(), first.next), (0, Some(MemberId(10_001))));
    let second = test.store.expiry_notices(&day, grocer, first.next.unwrap(), 2, at(0)).await.unwrap();
    assert_eq!((second.notices.len(), second.next), (1, None));
}
