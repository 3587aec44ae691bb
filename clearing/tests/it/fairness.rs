//! What one partner does must not cost the others: its floods, its requests that fail for good, its patience. Answers and
//! refusals are counted here; how fast it all is, the benches say.

use std::time::Duration;

use clearing::door::DoorLimits;
use clearing::server::ServerLimits;
use clearing::shares::{PerPartner, ReadShares, WriteShares};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use partner_sdk::{Client, EntryFilter, Error, MemberRef, Origin, Outcome, RequestId};
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use crate::doors::raw::Raw;
use clearing_core::command::Command;
use clearing_play::commands::issue;
use clearing_play::sdk;
use clearing_play::{BACKENDS, Backend, PATIENCE, TestHouse};

/// Long enough for the writer to have begun with whatever came.
const A_MOMENT: Duration = Duration::from_millis(300);

/// Somebody else who has the lock that every batch needs.
enum Held {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Held {
    async fn hold(house: &TestHouse, backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => {
                let mut connection = SqliteConnection::connect(&house.database.url).await.unwrap();
                sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
                Self::Sqlite(connection)
            }
            Backend::Postgres => {
                let mut connection = PgConnection::connect(&house.database.url).await.unwrap();
                let gate =
                    "BEGIN; SELECT pg_advisory_xact_lock(1131177313::bigint << 32 | 'gate'::regclass::oid::bigint)";
                sqlx::raw_sql(gate).execute(&mut connection).await.unwrap();
                Self::Postgres(connection)
            }
        }
    }

    async fn release(self) {
        match self {
            Self::Sqlite(connection) => connection.close().await.unwrap(),
            Self::Postgres(connection) => connection.close().await.unwrap(),
        }
    }
}

/// What one try came to.
#[derive(Debug)]
enum Heard {
    /// Whether it was a replay.
    Accepted(bool),
    Error(Error),
}

impl Heard {
    fn is_refused(&self) -> bool {
        matches!(self, Self::Error(Error::RateLimited { retry_after: Some(_), .. }))
    }

    fn is_internal(&self) -> bool {
        matches!(self, Self::Error(Error::Internal { .. }))
    }

    fn is_unavailable(&self) -> bool {
        matches!(self, Self::Error(Error::Unavailable { source: None, .. }))
    }
}

async fn ask(client: &Client, id: RequestId, command: &Command) -> Heard {
    match sdk::ask(client, id, command, Origin::default()).await {
        Ok(Outcome::Accepted(done)) => Heard::Accepted(done.replayed),
        Ok(Outcome::Unknown(unknown)) => Heard::Error(unknown.cause),
        Ok(Outcome::Rejected(rejection)) => panic!("{rejection}"),
        Err(error) => Heard::Error(error),
    }
}

/// Reading it would cost more than writing it.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_for_which_there_is_no_room_is_refused_before_it_is_heard() {
    for backend in BACKENDS {
        let writes = WriteShares { waiting: PerPartner::all(1), ..WriteShares::default() };
        let door = DoorLimits { still: 10 * PATIENCE, ..DoorLimits::default() };
        let limits = ServerLimits { writes, door, ..ServerLimits::default() };
        let house = TestHouse::with_limits(backend, limits).await;
        let greedy = house.client_that_asks_once("A").await;
        let held = Held::hold(&house, backend).await;
        // Some are under way, one waits, and the others are turned away and come again.
        let wanted: Vec<_> = (0..20).map(|at| (greedy.new_request_id(), issue(at, 1))).collect();
        let asking =
            futures::future::join_all(wanted.iter().map(|(id, command)| ask_until_answered(&greedy, *id, command)));
        let batches = async {
            let mut endless = Raw::connect(house.server.local_addr(), &house.identities, "A").await;
            endless.speak(65_535).await;
            for at in 0..20 {
                endless.call(2 * at + 1, "coalition.clearing.v1.IssueService/BatchIssuePoints", false).await;
                tokio::time::sleep(A_MOMENT / 10).await;
            }
            assert!(!endless.ended(1).await.is_empty(), "none of them will ever be heard to its end");
            held.release().await;
        };
        futures::join!(asking, batches);
        house.end().await;
    }
}

/// Asks under one key until there is an answer; gives whether it was a replay.
async fn ask_until_answered(client: &Client, id: RequestId, command: &Command) -> bool {
    let asking = async {
        loop {
            match ask(client, id, command).await {
                Heard::Accepted(replayed) => return replayed,
                Heard::Error(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("there is an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_floods_the_house_is_turned_away_and_nobody_else() {
    const FLOOD: usize = 400;
    for backend in BACKENDS {
        let writes = WriteShares { waiting: PerPartner::all(50), ..WriteShares::default() };
        let house = TestHouse::with_limits(backend, ServerLimits { writes, ..ServerLimits::default() }).await;
        let (greedy, polite) = (house.client_that_asks_once("A").await, house.client_that_asks_once("B").await);
        let held = Held::hold(&house, backend).await;
        let flood: Vec<_> = (0..FLOOD).map(|at| (greedy.new_request_id(), issue(at, 1))).collect();
        let mut flooding: FuturesUnordered<_> = flood.iter().map(|(id, command)| ask(&greedy, *id, command)).collect();
        let mut heard = Vec::new();
        // What can wait waits, so those that are answered are those turned away. The first batch may have taken some.
        while heard.len() < FLOOD - 50 - 128 {
            heard.push(flooding.next().await.unwrap());
        }
        let calls: Vec<_> = (0..30).map(|at| (polite.new_request_id(), issue(at, 1))).collect();
        let asking = futures::future::join_all(calls.iter().map(|(id, command)| ask(&polite, *id, command)));
        let releasing = async {
            tokio::time::sleep(A_MOMENT).await;
            held.release().await;
        };
        let (answers, ()) = futures::join!(asking, releasing);
        assert!(!answers.iter().any(Heard::is_refused), "{answers:?}");
        heard.extend(flooding.collect::<Vec<_>>().await);
        let refused = heard.iter().filter(|heard| heard.is_refused()).count();
        assert!(refused >= FLOOD - 50 - 128, "{refused} of {FLOOD} were turned away");
        for (id, command) in &calls {
            ask_until_answered(&polite, *id, command).await;
        }
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_faster_than_it_may_is_told_when_to_ask_again() {
    let writes = WriteShares { per_second: PerPartner::all(20), ..WriteShares::default() };
    let reads = ReadShares { per_second: PerPartner::all(20), ..ReadShares::default() };
    let limits = ServerLimits { writes, reads, ..ServerLimits::default() };
    let house = TestHouse::with_limits(Backend::Sqlite, limits).await;
    let (greedy, polite) = (house.client_that_asks_once("A").await, house.client_that_asks_once("B").await);
    let calls: Vec<_> = (0..200).map(|at| (greedy.new_request_id(), issue(at, 1))).collect();
    let heard = futures::future::join_all(calls.iter().map(|(id, command)| ask(&greedy, *id, command))).await;
    let refused = heard.iter().filter(|heard| heard.is_refused()).count();
    assert!(refused > 0 && refused < 200, "{refused} of 200 were turned away");
    assert!(matches!(ask(&polite, polite.new_request_id(), &issue(1, 1)).await, Heard::Accepted(false)));
    let read = || greedy.balance(MemberRef::identifier("card", "1"));
    let heard = futures::future::join_all((0..200).map(|_| read())).await;
    let refused = heard.iter().filter(|heard| matches!(heard, Err(Error::RateLimited { retry_after: Some(_), .. })));
    let refused = refused.count();
    assert!(refused > 0 && refused < 200, "{refused} of 200 reads were turned away");
    polite.balance(MemberRef::identifier("card", "1")).await.unwrap();
    // Who waits as long as it was told gets through.
    let patient = house.client("A").await;
    for (id, command) in calls.iter().take(40) {
        ask_until_answered(&patient, *id, command).await;
    }
    drop((greedy, polite, patient));
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_reads_of_one_partner_are_refused_to_it_alone() {
    for backend in BACKENDS {
        let reads = ReadShares { running: PerPartner::all(1), waiting: PerPartner::all(2), ..ReadShares::default() };
        let house = TestHouse::with_limits(backend, ServerLimits { reads, ..ServerLimits::default() }).await;
        let (greedy, polite) = (house.client_that_asks_once("A").await, house.client_that_asks_once("B").await);
        for card in 0..20 {
            ask_until_answered(&greedy, greedy.new_request_id(), &issue(card, 1)).await;
        }
        let mut refused = 0;
        for _ in 0..50 {
            let flood = futures::future::join_all((0..100).map(|_| greedy.entries(EntryFilter::all()).all()));
            let (flood, polite) = futures::join!(flood, polite.balance(MemberRef::identifier("card", "1")));
            polite.unwrap();
            refused += flood.iter().filter(|heard| matches!(heard, Err(Error::RateLimited { .. }))).count();
            assert!(flood.iter().any(Result::is_ok), "some get their turn");
        }
        assert!(refused > 0, "nobody was turned away");
        drop((greedy, polite));
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_deadline_has_passed_is_not_decided() {
    for backend in BACKENDS {
        let house = TestHouse::with_limits(backend, ServerLimits::default()).await;
        let client = house.client_that_asks_once("A").await;
        let held = Held::hold(&house, backend).await;
        let (first, late) = (client.new_request_id(), client.new_request_id());
        let wish = issue(1, 1);
        let asking = ask(&client, first, &wish);
        let hurried = async {
            // The batch with the first has begun, and waits for its lock.
            tokio::time::sleep(A_MOMENT).await;
            let hurried = client.with_deadline(Duration::from_millis(200));
            let heard = ask(&hurried, late, &issue(2, 1)).await;
            held.release().await;
            heard
        };
        let (_, heard) = futures::join!(asking, hurried);
        assert!(matches!(heard, Heard::Error(Error::DeadlineExceeded { .. })), "{heard:?}");
        ask_until_answered(&client, first, &wish).await;
        // It would have been in the batch that came after the first.
        ask_until_answered(&client, client.new_request_id(), &issue(3, 1)).await;
        assert!(!ask_until_answered(&client, late, &issue(2, 1)).await, "nobody was there to hear of it");
        house.end().await;
    }
}

/// As long as the lock is held there is no other answer, so that each caller has heard this one is all there is to see.
#[tokio::test(flavor = "multi_thread")]
async fn callers_are_told_of_a_database_that_stands_still_and_do_not_wait_for_it() {
    for backend in BACKENDS {
        let house = TestHouse::with_limits(backend, ServerLimits::default()).await;
        let client = house.client_that_asks_once("A").await.with_deadline(Duration::from_secs(8));
        let held = Held::hold(&house, backend).await;
        let calls: Vec<_> = (0..40).map(|at| (client.new_request_id(), issue(at, 1))).collect();
        for (at, calls) in calls.chunks(20).enumerate() {
            let asking = calls.iter().enumerate().map(|(place, (id, command))| {
                let client = &client;
                async move {
                    // Some are in the batch that stands still, others behind it.
                    tokio::time::sleep(Duration::from_millis(20 * place as u64)).await;
                    ask(client, *id, command).await
                }
            });
            let heard = futures::future::join_all(asking).await;
            assert!(heard.iter().all(Heard::is_unavailable), "{at}: {heard:?}");
        }
        held.release().await;
        for (id, command) in &calls {
            assert!(!ask_until_answered(&client, *id, command).await, "nothing could be written");
        }
        house.end().await;
    }
}

/// What the test's trigger does not let into the database, for good: an entry of so many points. It is known by what its batch
/// takes from the account of an issuer, so it is far more than all innocent entries of a batch.
const POISON: i64 = 1_000_000_000;

async fn plant_poison(house: &TestHouse) {
    let poisoned = format!("new.commodity = 'points' AND new.amount <= -{POISON}");
    let sqlite = format!(
        "CREATE TRIGGER poison BEFORE INSERT ON balances WHEN {poisoned}
         BEGIN SELECT RAISE(ABORT, 'poison'); END"
    );
    let postgres = format!(
        "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'poison'; END $$;
         CREATE TRIGGER poison BEFORE INSERT ON balances FOR EACH ROW WHEN ({poisoned}) EXECUTE FUNCTION poison()"
    );
    house.database.execute(&sqlite, &postgres).await;
}

/// In how many batches requests of several partners were written together.
async fn mixed_batches(house: &TestHouse) -> i64 {
    const MIXED: &str = "SELECT count(*) FROM (SELECT batch_id FROM requests GROUP BY batch_id
        HAVING count(DISTINCT partner) > 1) AS mixed";
    house.database.number(MIXED).await
}

/// Asks all of it at once, while the database is held by another and the writer is busy with a first request, so that it
/// meets in the next batch.
async fn ask_together(house: &TestHouse, backend: Backend, calls: &[(&Client, Command)]) -> Vec<(RequestId, Heard)> {
    let first = house.client_that_asks_once("C").await;
    let held = Held::hold(house, backend).await;
    let busy = async { ask_until_answered(&first, first.new_request_id(), &issue("first", 1)).await };
    let asking = calls.iter().map(|(client, command)| async move {
        tokio::time::sleep(A_MOMENT).await;
        let id = client.new_request_id();
        (id, ask(client, id, command).await)
    });
    let releasing = async {
        tokio::time::sleep(2 * A_MOMENT).await;
        held.release().await;
    };
    futures::join!(futures::future::join_all(asking), busy, releasing).0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_fails_for_good_is_traced_and_its_neighbours_are_answered_by_the_same_batch() {
    for backend in BACKENDS {
        let house = TestHouse::with_limits(backend, ServerLimits::default()).await;
        let (poisoner, neighbour) = (house.client_that_asks_once("A").await, house.client_that_asks_once("B").await);
        plant_poison(&house).await;
        let poison = [7, 30, 31];
        let calls: Vec<(&Client, Command)> = (0..60)
            .map(|at| match at {
                at if poison.contains(&at) => (&poisoner, issue(at, POISON)),
                at if at % 4 == 0 => (&poisoner, issue(at, 1)),
                at => (&neighbour, issue(at, 1)),
            })
            .collect();
        let before = house.server.counts().batches;
        let answers = ask_together(&house, backend, &calls).await;
        let batches = house.server.counts().batches - before;
        for (at, (_, heard)) in answers.iter().enumerate() {
            assert_eq!(heard.is_internal(), poison.contains(&at), "{at}: {heard:?}");
            assert!(heard.is_internal() || matches!(heard, Heard::Accepted(false)), "{at}: {heard:?}");
        }
        // One that was under way already, that of the neighbour, some of its own for the caller set apart.
        assert!(batches <= 8, "{batches} batches");

        // For a minute its caller has batches of its own.
        let mixed = mixed_batches(&house).await;
        assert!(mixed > 0, "they were together before");
        let calls: Vec<(&Client, Command)> =
            (100..160).map(|at| (if at % 2 == 0 { &poisoner } else { &neighbour }, issue(at, 1))).collect();
        for (_, heard) in ask_together(&house, backend, &calls).await {
            assert!(matches!(heard, Heard::Accepted(false)), "{heard:?}");
        }
        assert_eq!(mixed_batches(&house).await, mixed);

        // What failed was not recorded: it fails again, and writes nothing.
        let (id, _) = &answers[poison[0]];
        assert!(ask(&poisoner, *id, &issue(poison[0], POISON)).await.is_internal());
        house.end().await;
    }
}

/// More of them than are traced at once, and nothing else; and an operation that the rules refuse among them.
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_sends_nothing_but_poison_gets_an_error_for_each_and_holds_up_nobody() {
    for backend in BACKENDS {
        let house = TestHouse::with_limits(backend, ServerLimits::default()).await;
        let (poisoner, neighbour) = (house.client_that_asks_once("A").await, house.client_that_asks_once("B").await);
        plant_poison(&house).await;
        for _ in 0..2 {
            let calls: Vec<(&Client, Command)> = (0..60)
                .map(|at| if at % 3 == 0 { (&neighbour, issue(at, 1)) } else { (&poisoner, issue(at, POISON)) })
                .collect();
            for ((client, _), (_, heard)) in calls.iter().zip(ask_together(&house, backend, &calls).await) {
                if std::ptr::eq(*client, &neighbour) {
                    assert!(matches!(heard, Heard::Accepted(false)), "{heard:?}");
                } else {
                    assert!(heard.is_internal(), "{heard:?}");
                }
            }
        }
        assert!(matches!(ask(&poisoner, poisoner.new_request_id(), &issue(1, 1)).await, Heard::Accepted(false)));
        house.end().await;
    }
}
