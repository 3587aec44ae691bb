//! What may break: the database stops or goes away, callers leave in the middle, the answer to a COMMIT is lost. Afterwards everything that was acknowledged is there once, and everything else is there once or not
//! at all: who asks again under the same key learns which.

use std::time::{Duration, Instant};

use clearing::clock::Clock;
use clearing::coalition_file::Variant;
use clearing::server::{Drained, start};
use clearing_core::command::Command;
use clearing_play::callers::{Answered, Callers, ask, ask_after_doubt, ask_until_answered, compare, doubts, issue};
use clearing_play::chance::chance;
use clearing_play::cluster::Cluster;
use clearing_play::commands;
use clearing_play::proxy::{Fate, HouseIs, Proxy, Upstream};
use clearing_play::{
    BACKENDS, Backend, Database, Identities, PATIENCE, TestHouse, coalition, endpoint, options, serve, system_time,
};
use partner_sdk::operator::CloseWindow;
use partner_sdk::{Client, Error, MemberRef};
use rand::Rng as _;
use sqlx::{Connection, PgConnection, Row, SqliteConnection};

use crate::doors::health;

/// The brands of the scenario on which the houses of this page are built, as far as they are needed.
const PARTNERS: [&str; 3] = ["A", "B", "C"];

/// A house on a database of the test's own, on the machine's clock: it reaches its database at another address, if one is
/// given.
async fn open(database_url: String, seen_as: Option<&str>) -> TestHouse {
    let (house, _) = coalition("S11a", Variant::AtIssue);
    let (database, clock, identities) = (Database::at(database_url), Clock::system(), Identities::new());
    database.found(&house, clock.now()).await;
    let server = serve(seen_as.unwrap_or(&database.url), &identities, clock).await;
    TestHouse { database, identities, server }
}

/// Clients that ask once.
async fn clients(house: &TestHouse) -> Vec<Client> {
    let mut clients = Vec::new();
    for partner in PARTNERS {
        clients.push(house.client_that_asks_once(partner).await);
    }
    clients
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_stopped_at_any_moment_has_kept_what_the_house_acknowledged() {
    let (mut chance, seed) = chance();
    println!("seed {seed}");
    let cluster = Cluster::start();
    let house = open(cluster.url(), None).await;
    let clients = clients(&house).await;
    let callers = Callers::start(&clients, 8);
    for _ in 0..4 {
        callers.work(40).await;
        tokio::time::sleep(Duration::from_millis(chance.random_range(0..250))).await;
        cluster.stop_at_once();
        cluster.start_again();
    }
    // The house goes on by itself.
    callers.work(40).await;
    let calls = callers.stop().await;
    println!("{}", doubts(&calls));
    compare(&clients, &calls).await;
    drop(clients);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_gone_callers_are_told_so_and_service_resumes_when_it_is_back() {
    let cluster = Cluster::start();
    let house = open(cluster.url(), None).await;
    let client = house.client_that_asks_once("A").await;
    let mut calls = vec![ask_until_answered(&client, 0, client.new_request_id(), issue("1")).await];

    cluster.stop_at_once();
    let mut unanswered = Vec::new();
    for _ in 0..10 {
        let (id, command) = (client.new_request_id(), issue("1"));
        let begun = Instant::now();
        ask(&client, id, &command).await.unavailable();
        unanswered.push((id, command));
        assert!(begun.elapsed() < Duration::from_secs(25), "a caller was kept waiting");
    }
    let refused = client.balance(MemberRef::identifier("card", "1")).await;
    assert!(matches!(refused, Err(Error::Unavailable { .. })), "{refused:?}");

    cluster.start_again();
    for (id, command) in unanswered {
        let (verdict, replayed) = ask_after_doubt(&client, id, &command).await;
        assert!(!replayed, "there was no database that could have kept {id}");
        calls.push(Answered { partner: 0, id, command, verdict, doubted: true, committed_unheard: false });
    }
    compare(std::slice::from_ref(&client), &calls).await;
    drop(client);
    house.end().await;
}

/// Waits until the house says this of its health, 1 being SERVING and 2 NOT_SERVING. That it lives, it says all the time.
async fn says(house: &TestHouse, state: u8) {
    let saying = async {
        while health(&house.server, &house.identities, "").await != state {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, saying).await.unwrap_or_else(|_| panic!("it never says {state}"));
    let points = "coalition.clearing.v1.IssueService";
    assert_eq!(health(&house.server, &house.identities, points).await, state);
    assert_eq!(health(&house.server, &house.identities, "liveness").await, 1);
}

/// It once said SERVING for as long as the process ran.
#[tokio::test(flavor = "multi_thread")]
async fn a_house_is_ready_while_its_books_can_be_written_and_alive_all_the_time() {
    let cluster = Cluster::start();
    let house = open(cluster.url(), None).await;
    let client = house.client_that_asks_once("A").await;
    says(&house, 1).await;
    // Nobody calls: the house finds it out by itself.
    cluster.stop_at_once();
    says(&house, 2).await;
    cluster.start_again();
    says(&house, 1).await;

    // A server that has failed over only reads. Sessions that are open go on, so they are ended, as a failover would.
    let mut admin = PgConnection::connect(&cluster.url()).await.unwrap();
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()";
    let alter = |only| format!("ALTER SYSTEM SET default_transaction_read_only = {only}");
    for (only, state) in [("on", 2), ("off", 1)] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(alter(only))).execute(&mut admin).await.unwrap();
        sqlx::query("SELECT pg_reload_conf()").execute(&mut admin).await.unwrap();
        sqlx::query(end).execute(&mut admin).await.unwrap();
        says(&house, state).await;
        if state == 2 {
            for _ in 0..10 {
                ask(&client, client.new_request_id(), &issue("1")).await.unavailable();
            }
            let refused = client.entries(partner_sdk::EntryFilter::all()).all().await;
            assert!(matches!(refused, Ok(_) | Err(Error::Unavailable { .. })), "{refused:?}");
        }
    }
    admin.close().await.unwrap();
    let call = ask_until_answered(&client, 0, client.new_request_id(), issue("1")).await;
    compare(std::slice::from_ref(&client), &[call]).await;
    drop(client);
    house.end().await;
}

/// On a full disk a small row may find a place that no batch finds: the house once said that it was ready all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_house_is_not_ready_while_there_is_no_room_for_a_batch() {
    let cluster = Cluster::start();
    let house = open(cluster.url(), None).await;
    let client = house.client_that_asks_once("A").await;
    says(&house, 1).await;
    let mut admin = PgConnection::connect(&house.database.url).await.unwrap();
    let full = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql
            AS $$ BEGIN RAISE 'no space left on device' USING ERRCODE = '53100'; END $$;
        CREATE TRIGGER full_disk BEFORE INSERT ON entries EXECUTE FUNCTION full_disk();
        CREATE TRIGGER full_disk BEFORE INSERT ON leases FOR EACH ROW WHEN (length(NEW.filler) > 65536)
            EXECUTE FUNCTION full_disk()";
    sqlx::raw_sql(full).execute(&mut admin).await.unwrap();
    ask(&client, client.new_request_id(), &issue("1")).await.unavailable();
    says(&house, 2).await;
    sqlx::raw_sql("DROP FUNCTION full_disk CASCADE").execute(&mut admin).await.unwrap();
    admin.close().await.unwrap();
    says(&house, 1).await;
    let call = ask_until_answered(&client, 0, client.new_request_id(), issue("1")).await;
    compare(std::slice::from_ref(&client), &[call]).await;
    drop(client);
    house.end().await;
}

/// Another program that holds SQLite's lock is as good as a database that is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_house_whose_file_is_held_by_another_program_is_not_ready_until_it_lets_go() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", dir.path().join("house.db").display());
    let house = open(url.clone(), None).await;
    says(&house, 1).await;
    let mut other = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    says(&house, 2).await;
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    says(&house, 1).await;
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_house_started_while_its_database_is_away_opens_when_it_comes() {
    let cluster = Cluster::start();
    let TestHouse { database, identities, server } = open(cluster.url(), None).await;
    assert_eq!(server.shutdown(Duration::from_secs(20)).await, Drained::Clean);
    cluster.stop_at_once();

    let server = start(options(&database.url, &identities, Clock::system())).await.unwrap();
    let client = identities.client_that_asks_once(&endpoint(&server), "A").await;
    for _ in 0..3 {
        let said = ask(&client, client.new_request_id(), &issue("1")).await.unavailable();
        assert!(said.contains("not open yet"), "{said}");
    }
    cluster.start_again();
    tokio::time::timeout(PATIENCE, server.opened()).await.expect("the house opens");
    let call = ask_until_answered(&client, 0, client.new_request_id(), issue("1")).await;
    compare(std::slice::from_ref(&client), &[call]).await;
    drop(client);
    TestHouse { database, identities, server }.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_go_away_in_the_middle_leave_nothing_half_done() {
    let (mut chance, seed) = chance();
    println!("seed {seed}");
    for backend in BACKENDS {
        let (test, begin) = TestHouse::of_s11a(backend, Variant::AtRedemption).await;
        let lapses = system_time(begin.plus_seconds(3600));
        let address = test.server.local_addr();
        let proxy = Proxy::to(Some(Upstream::Tcp(address))).await;
        let through = format!("https://{}", proxy.address());
        let impatient = test.identities.client_that_asks_once(&through, "A").await;
        let client = test.client_that_asks_once("A").await;

        // Some futures are dropped; now and then the connection is cut with all that is on it.
        let mut wanted = Vec::new();
        let mut asking = tokio::task::JoinSet::new();
        for at in 0..400 {
            let card = format!("{}", at % 9);
            let command = match at % 8 {
                3 => commands::redeem(&card, 13),
                5 => commands::purchase(&card, 4, 3),
                7 => commands::authorize(&card, 9, lapses),
                _ => issue(&card),
            };
            let id = client.new_request_id();
            let patience = Duration::from_micros(chance.random_range(0..40_000));
            let impatient = impatient.clone();
            wanted.push((id, command.clone()));
            asking.spawn(async move {
                let reads = async {
                    let card = MemberRef::identifier("card", &card);
                    let _ = impatient.quote(card.clone(), 5).await;
                    let _ = impatient.statement(None).await;
                    let _ = impatient.entries(partner_sdk::EntryFilter::all()).all().await;
                    let _ = impatient.balance(card).await;
                };
                let both = futures::future::join(ask(&impatient, id, &command), reads);
                let _ = tokio::time::timeout(patience, both).await;
            });
            if at % 16 == 15 {
                tokio::time::sleep(Duration::from_millis(chance.random_range(0..30))).await;
            }
            if at % 80 == 79 {
                proxy.cut();
            }
        }
        asking.join_all().await;

        // What each of them came to is known to the house alone; asked again, it says so.
        let mut calls = Vec::new();
        let mut ran = 0;
        for (id, command) in wanted {
            let (verdict, replayed) = ask_after_doubt(&client, id, &command).await;
            ran += usize::from(replayed);
            calls.push(Answered { partner: 0, id, command, verdict, doubted: true, committed_unheard: replayed });
        }
        println!("{backend:?}: {ran} of {} requests ran although their callers had gone", calls.len());
        compare(std::slice::from_ref(&client), &calls).await;
        nothing_is_open(backend, &test.database.url).await;
        drop((client, impatient, proxy));
        test.end().await;
    }
}

/// Fails if a transaction stays open, or a lock taken.
async fn nothing_is_open(backend: Backend, url: &str) {
    match backend {
        Backend::Sqlite => {
            let mut connection = SqliteConnection::connect(url).await.unwrap();
            // It waits for the file's lock for 5 seconds, unless it is told otherwise.
            sqlx::raw_sql("BEGIN IMMEDIATE; ROLLBACK").execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
        Backend::Postgres => {
            let mut connection = PgConnection::connect(url).await.unwrap();
            let open = "SELECT (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                    AND pid <> pg_backend_pid() AND xact_start IS NOT NULL)
                + (SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database
                    WHERE datname = current_database() AND locktype = 'advisory')";
            let closed = async {
                // The house reads itself anew every second, in a transaction that is none of the callers'.
                while sqlx::query(open).fetch_one(&mut connection).await.unwrap().get::<i64, _>(0) > 0 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::time::timeout(PATIENCE, closed).await.expect("every transaction ends");
            connection.close().await.unwrap();
        }
    }
}

/// A house that reaches PostgreSQL through a proxy.
async fn house_behind(cluster: &Cluster) -> (TestHouse, Proxy) {
    let proxy = Proxy::to(Some(Upstream::Unix(cluster.socket()))).await;
    let seen_as = format!("postgres://postgres@{}/postgres?sslmode=disable", proxy.address());
    (open(cluster.url(), Some(&seen_as)).await, proxy)
}

/// The drivers' pool takes a refused connection for a server that is starting, and waits for it. A till that has waited
/// as long as tills do must have been told by then.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_refuses_connections_is_reported_before_callers_give_up() {
    let cluster = Cluster::start();
    let (house, proxy) = house_behind(&cluster).await;
    let client = house.client_that_asks_once("A").await;
    let call = ask_until_answered(&client, 0, client.new_request_id(), issue("1")).await;
    compare(std::slice::from_ref(&client), &[call]).await;
    drop(proxy);
    let client = client.with_deadline(Duration::from_secs(10));
    let refused = client.balance(MemberRef::identifier("card", "1")).await;
    assert!(matches!(refused, Err(Error::Unavailable { .. })), "{refused:?}");
    ask(&client, client.new_request_id(), &issue("1")).await.unavailable();
    drop(client);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_without_an_answer_is_looked_up_and_answered_truthfully() {
    let cluster = Cluster::start();
    let (house, proxy) = house_behind(&cluster).await;
    let clients = clients(&house).await;
    let operator = house.client_that_asks_once("operator").await.operator();
    let mut calls = Vec::new();
    let mut caught = 0;
    let mut ask_all = async |wanted: Vec<(usize, Command)>| {
        let asking = wanted.into_iter().map(|(partner, command)| {
            let client = &clients[partner];
            async move {
                let id = client.new_request_id();
                // One try: the house does all that is to be done.
                let verdict = ask(client, id, &command).await.answer(false);
                Answered { partner, id, command, verdict, doubted: false, committed_unheard: false }
            }
        });
        calls.extend(futures::future::join_all(asking).await);
    };
    let houses = [HouseIs::CutOffFirst, HouseIs::CutOffLast];
    for (arrives, house) in houses.into_iter().flat_map(|house| [(true, house), (false, house)]) {
        let fate = Fate { arrives, house, way_stays_closed: false };
        // Entries of several partners in few batches, one entry, and a batch with nothing but a rejection.
        for wanted in [
            (0..24).map(|at| (at % 3, issue(format!("{}", at % 5)))).collect(),
            vec![(1, commands::redeem("1", 11))],
            vec![(2, commands::redeem("2", 1_000_000))],
        ] {
            proxy.catch_commit(fate);
            ask_all(wanted).await;
            caught += 1;
            wait_until_caught(&proxy, caught).await;
        }
        proxy.catch_commit(fate);
        let before = operator.preview_settlement(None).await.unwrap().window;
        let closed = operator.close_window(CloseWindow::now()).await.unwrap().accepted().unwrap();
        assert!(!closed.written.replayed);
        assert_eq!(operator.preview_settlement(None).await.unwrap().window, before + 1, "{fate:?}");
        caught += 1;
        wait_until_caught(&proxy, caught).await;
    }
    compare(&clients, &calls).await;
    drop((clients, operator));
    house.end().await;
}

/// The house may have its answer before the proxy is done with the connection.
async fn wait_until_caught(proxy: &Proxy, caught: u32) {
    let counted = async {
        while proxy.caught() < caught {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, counted).await.expect("a COMMIT is caught");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_cannot_be_looked_up_is_said_to_be_unknown() {
    let cluster = Cluster::start();
    let (house, proxy) = house_behind(&cluster).await;
    let client = house.client_that_asks_once("A").await;
    proxy.catch_commit(Fate { arrives: true, house: HouseIs::CutOffLast, way_stays_closed: true });
    let (id, command) = (client.new_request_id(), issue("1"));
    let said = ask(&client.with_deadline(PATIENCE), id, &command).await.unavailable();
    assert!(said.contains("went away while it committed"), "{said}");
    proxy.lead(Some(Upstream::Unix(cluster.socket())));
    let (verdict, replayed) = ask_after_doubt(&client, id, &command).await;
    assert!(replayed, "it had been committed");
    compare(
        std::slice::from_ref(&client),
        &[Answered { partner: 0, id, command, verdict, doubted: true, committed_unheard: true }],
    )
    .await;
    drop(client);
    house.end().await;
}

/// A machine that lost its network or its power closes no connection: without a limit of its own the house would wait for
/// it until the operating system gives up, which may take hours. The three wait at the same time, since they do little else.
#[tokio::test(flavor = "multi_thread")]
async fn silence_is_as_good_as_absence() {
    futures::join!(
        a_database_that_falls_silent_before_a_commit_is_gone(),
        a_commit_that_is_met_by_silence_is_looked_up(),
        a_node_that_vanishes_before_its_commit_does_not_stop_the_others(),
    );
}

async fn a_database_that_falls_silent_before_a_commit_is_gone() {
    let cluster = Cluster::start();
    let (house, proxy) = house_behind(&cluster).await;
    let client = house.client_that_asks_once("A").await;
    proxy.withhold(true);
    let (id, command) = (client.new_request_id(), issue("1"));
    ask(&client.with_deadline(PATIENCE), id, &command).await.unavailable();
    proxy.withhold(false);
    let (verdict, replayed) = ask_after_doubt(&client, id, &command).await;
    assert!(!replayed, "the batch had never begun");
    let call = Answered { partner: 0, id, command, verdict, doubted: true, committed_unheard: false };
    compare(std::slice::from_ref(&client), &[call]).await;
    drop(client);
    house.end().await;
}

async fn a_commit_that_is_met_by_silence_is_looked_up() {
    let cluster = Cluster::start();
    let (house, proxy) = house_behind(&cluster).await;
    let client = house.client_that_asks_once("A").await;
    proxy.catch_commit(Fate { arrives: true, house: HouseIs::LeftWaiting, way_stays_closed: false });
    let (id, command) = (client.new_request_id(), issue("1"));
    let verdict = ask(&client.with_deadline(PATIENCE), id, &command).await.answer(false);
    let call = Answered { partner: 0, id, command, verdict, doubted: false, committed_unheard: false };
    assert_eq!(proxy.caught(), 1);
    compare(std::slice::from_ref(&client), &[call]).await;
    drop(client);
    house.end().await;
}

/// PostgreSQL keeps the locks of a transaction whose house has gone silent, the journal's head among them, until it hears
/// that the connection is broken. It is told not to wait for that.
async fn a_node_that_vanishes_before_its_commit_does_not_stop_the_others() {
    let cluster = Cluster::start();
    let (house, proxy) = house_behind(&cluster).await;
    let other = serve(&house.database.url, &house.identities, Clock::system()).await;
    let clients =
        [house.client_that_asks_once("A").await, house.identities.client_that_asks_once(&endpoint(&other), "B").await];
    let calls = futures::future::join_all(clients.iter().enumerate().map(|(partner, client)| {
        let proxy = &proxy;
        async move {
            match partner {
                0 => proxy.catch_commit(Fate { arrives: false, house: HouseIs::LeftWaiting, way_stays_closed: false }),
                _ => wait_until_caught(proxy, 1).await,
            }
            let (id, command) = (client.new_request_id(), issue("1"));
            let verdict = ask(&client.with_deadline(PATIENCE), id, &command).await.answer(false);
            Answered { partner, id, command, verdict, doubted: false, committed_unheard: false }
        }
    }));
    compare(&clients, &calls.await).await;
    drop(clients);
    assert_eq!(other.shutdown(Duration::from_secs(20)).await, Drained::Clean);
    house.end().await;
}
