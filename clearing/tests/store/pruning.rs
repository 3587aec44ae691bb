//! Requests whose keys are too old to be answered are forgotten, and nobody notices.

use clearing::clock::Clock;
use clearing::scheduler::Scheduler;
use clearing::writer::Writer;
use clearing_core::command::{Command, Request};
use clearing_core::facts::answer::{Abandoned, Reply};
use clearing_core::facts::calendar::Calendars;
use clearing_core::facts::coalition::House;
use clearing_core::facts::entry::EntryKind;
use clearing_core::facts::origin::Origin;
use clearing_core::rules::abandon::AbandonRequest;
use clearing_core::units::{MemberId, RequestId, Timestamp};

use crate::planted::{Kept, findings};
use crate::schema::Raw;
use crate::{START, TestStore, at, card, house, id, issue, redeem};

on_both! {
    empty:
    keys_are_forgotten_when_they_are_refused_for_their_age
    a_row_that_is_missing_is_named_and_one_that_was_forgotten_is_not
    keys_are_kept_for_ever_where_the_coalition_says_so;
    coalition: ;
}

/// Requests that a backlog has: more than are forgotten in one step, and than in one look.
const BACKLOG: u32 = 700;

fn keeping(days: u16) -> House {
    let mut house = house();
    house.coalition.key_retention_days = days;
    house.calendar = Calendars::default();
    house
}

struct Place {
    writer: Writer,
    scheduler: Scheduler,
    made: u128,
}

impl Place {
    async fn open(test: &TestStore, days: u16) -> Self {
        test.database.found(&keeping(days), START).await;
        let clock = Clock::manual(START);
        let (writer, _) = Writer::start(test.store.clone(), clock.clone(), 64);
        let scheduler = Scheduler::new(test.store.clone(), writer.clone(), clock);
        Self { writer, scheduler, made: 0 }
    }

    fn request(&mut self, caller: &str, made: Timestamp, command: Command) -> Request {
        self.made += 1;
        let millis = u128::try_from(made.0 / 1000).unwrap();
        Request {
            caller: id(caller),
            request_id: Some(RequestId(millis << 80 | 0x7 << 76 | 0b10 << 62 | self.made)),
            origin: Origin::default(),
            command,
            fresh_member: MemberId(self.made),
            fresh_salt: [7; 16],
            person: None,
            attachment: None,
            badge: None,
        }
    }

    /// The reason if it was refused, and whether it was a repetition.
    async fn ask(&self, request: &Request) -> (Option<&'static str>, bool) {
        let answer = self.writer.ask(request.clone()).await.unwrap().answer;
        (answer.result.err().map(|rejection| rejection.reason()), answer.replayed)
    }
}

async fn kept(test: &TestStore) -> i64 {
    match Raw::open(test).await {
        Raw::Sqlite(mut connection) => {
            sqlx::query_scalar("SELECT count(*) FROM requests").fetch_one(&mut connection).await.unwrap()
        }
        Raw::Postgres(mut connection) => {
            sqlx::query_scalar("SELECT count(*) FROM requests").fetch_one(&mut connection).await.unwrap()
        }
    }
}

async fn keys_are_forgotten_when_they_are_refused_for_their_age(test: &TestStore) {
    let mut place = Place::open(test, 30).await;
    let backlog: Vec<Request> = (0..BACKLOG).map(|_| place.request("grocer", at(0), issue(card(1), 1))).collect();
    for written in place.writer.ask_all(backlog.clone()).await {
        written.unwrap().answer.result.unwrap();
    }
    let refused = place.request("cards", at(0), redeem(card(1), 1_000_000));
    assert_eq!(place.ask(&refused).await, (Some("INSUFFICIENT_POINTS"), false));
    // One that was undone, and one that was burned before it came.
    let undone = place.request("fuel", at(0), issue(card(2), 1));
    assert_eq!(place.ask(&undone).await, (None, false));
    let abandon = place.request("fuel", at(1), Command::AbandonRequest(AbandonRequest::of(undone.request_id.unwrap())));
    assert_eq!(place.ask(&abandon).await, (None, false));
    let unseen = place.request("fuel", at(0), issue(card(2), 1));
    let burn = place.request("fuel", at(1), Command::AbandonRequest(AbandonRequest::of(unseen.request_id.unwrap())));
    let burned = place.writer.ask(burn.clone()).await.unwrap().answer.result.unwrap();
    assert_eq!(burned.reply, Reply::Abandoned(Abandoned::Burned));
    let young = place.request("grocer", at(10), issue(card(1), 1));
    assert_eq!(place.ask(&young).await, (None, false));
    let all = i64::from(BACKLOG) + 6;
    assert_eq!(kept(test).await, all);

    // Refused for their age, and kept a day longer, as a node's clock may be behind.
    place.scheduler.advance_to(at(30).plus_seconds(60)).await.unwrap();
    assert_eq!(place.ask(&backlog[0]).await, (Some("REQUEST_TOO_OLD"), false));
    assert_eq!(kept(test).await, all);
    place.scheduler.advance_to(at(31).plus_seconds(60)).await.unwrap();
    // The undone one is known for ever, as its entries are; so are the two abandons of a day later, and the young one.
    assert_eq!(kept(test).await, 4);
    for old in [&backlog[0], &refused, &undone, &unseen] {
        assert_eq!(place.ask(old).await, (Some("REQUEST_TOO_OLD"), false));
    }
    assert_eq!(place.ask(&young).await, (None, true));
    let undone = [undone.request_id.unwrap()];
    let undone = undone.map(|request| (id("fuel"), request));
    assert_eq!(test.store.abandoned_requests(undone.into_iter()).await.unwrap(), undone.into());
    let report = clearing::audit::audit(&test.store).await.unwrap();
    assert_eq!(report.findings, vec![]);
    place.scheduler.advance_to(at(60)).await.unwrap();
    assert_eq!(kept(test).await, 1);
    assert_eq!(place.ask(&young).await, (Some("REQUEST_TOO_OLD"), false));
}

async fn a_row_that_is_missing_is_named_and_one_that_was_forgotten_is_not(test: &TestStore) {
    let mut place = Place::open(test, 30).await;
    let old = place.request("grocer", at(0), issue(card(1), 5));
    assert_eq!(place.ask(&old).await, (None, false));
    place.scheduler.advance_to(at(20)).await.unwrap();
    let issued = place.request("grocer", at(20), issue(card(1), 5));
    assert_eq!(place.ask(&issued).await, (None, false));
    let rejected = place.request("cards", at(20), redeem(card(1), 1_000_000));
    assert_eq!(place.ask(&rejected).await, (Some("INSUFFICIENT_POINTS"), false));
    place.scheduler.advance_to(at(31).plus_seconds(60)).await.unwrap();
    assert_eq!(kept(test).await, 2, "the old one is forgotten");
    assert_eq!(findings(test).await, Vec::<String>::new());
    // The decision is in the journal once a day.
    let decisions = async || {
        let entries = test.store.journal(1, None, 1_000).await.unwrap();
        entries.iter().filter(|stored| stored.entry.kind == EntryKind::Forget).count()
    };
    assert_eq!(decisions().await, 1);
    place.scheduler.advance_to(at(31).plus_seconds(7_200)).await.unwrap();
    assert_eq!(decisions().await, 1);
    place.scheduler.advance_to(at(32).plus_seconds(120)).await.unwrap();
    assert_eq!(decisions().await, 2);
    assert_eq!(findings(test).await, Vec::<String>::new());

    let mut raw = Raw::open(test).await;
    let mut kept = Kept::new(&mut raw, "requests").await;
    kept.raw.run("DELETE FROM requests WHERE state = 1").await.unwrap();
    let found = findings(test).await;
    let id = issued.request_id.unwrap();
    assert!(found[0].contains(&format!("missing: {id} of grocer")), "{found:?}");
    assert_eq!(found.len(), 1, "{found:?}");
    kept.restore().await;
    kept.raw.run("DELETE FROM requests WHERE state = 2").await.unwrap();
    let found = findings(test).await;
    assert!(found[0].contains("it recorded 1 requests, and of 0 that are stored not all are those"), "{found:?}");
    kept.restore().await;
    kept.raw.run("UPDATE requests SET state = 3 WHERE state = 1").await.unwrap();
    let found = findings(test).await;
    assert_eq!(found, [format!("request {id} of grocer: it is stored as undone, and no entry undoes it")]);
    kept.restore().await;
    kept.done().await;
    assert_eq!(findings(test).await, Vec::<String>::new());
}

async fn keys_are_kept_for_ever_where_the_coalition_says_so(test: &TestStore) {
    let mut place = Place::open(test, 0).await;
    let first = place.request("grocer", at(0), issue(card(1), 1));
    assert_eq!(place.ask(&first).await, (None, false));
    place.scheduler.advance_to(at(4000)).await.unwrap();
    assert_eq!(kept(test).await, 1);
    assert_eq!(place.ask(&first).await, (None, true));
}
