//! What neither a stranger nor a partner can do to the others: the house is knocked at, stared at, flooded and left
//! hanging, and what is counted is who is answered, who is refused, and what is given back.

pub mod raw;

use std::time::Duration;

use clearing::clock::Clock;
use clearing::coalition_file::Variant;
use clearing::door::{DoorCounts, DoorLimits};
use clearing::server::{Drained, RunningServer, ServerLimits};
use clearing_certs::Kind;
use futures::future::join_all;
use partner_sdk::operator::CreatePartner;
use partner_sdk::{Client, Error, Issue};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use self::raw::{GOAWAY, PING, RST_STREAM, Raw};
use clearing_play::{BACKENDS, Backend, Database, Identities, PATIENCE, TestHouse, coalition, endpoint, serve};

const ISSUE: &str = "coalition.clearing.v1.IssueService/IssuePoints";
const LIST: &str = "coalition.clearing.v1.EntryService/ListEntries";
const BATCH: &str = "coalition.clearing.v1.IssueService/BatchIssuePoints";
const HEALTH: &str = "grpc.health.v1.Health/Check";

/// The house of S01 with a door of its own, whose clock stands still.
async fn open(backend: Backend, door: DoorLimits) -> TestHouse {
    let (house, begin) = coalition("S01", Variant::AtRedemption);
    let limits = ServerLimits { door, ..ServerLimits::default() };
    TestHouse::found(Database::new(backend).await, &house, Clock::manual(begin), limits).await
}

async fn raw_client(house: &TestHouse, partner: &str) -> Raw {
    Raw::connect(house.server.local_addr(), &house.identities, partner).await
}

/// Waits until what the door counts is as it should be. What a caller takes back at the very end of its answer stays counted for
/// twice as long as a body may stand still, a minute by default.
async fn until(house: &TestHouse, what: &str, fits: impl Fn(DoorCounts) -> bool) {
    let fitting = async {
        while !fits(house.server.door()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE * 2, fitting).await;
    waited.unwrap_or_else(|_| panic!("{what}: {:?}", house.server.door()));
}

async fn issue(client: &Client) -> Result<(), Error> {
    client.issue(Issue::to("card", "1").points(1)).await.map(|outcome| {
        outcome.accepted().unwrap();
    })
}

/// Whether it was refused for want of room, with a time to come back.
fn refused(result: &Result<(), Error>) -> bool {
    match result {
        Ok(()) => false,
        Err(Error::RateLimited { retry_after: Some(_), .. }) => true,
        Err(other) => panic!("not for want of room: {other:?}"),
    }
}

/// With patience for each, 1,024 silent ones once kept everybody else out until the first of them was given up.
#[tokio::test(flavor = "multi_thread")]
async fn eleven_hundred_silent_connections_from_one_address_keep_nobody_out() {
    let patient = DoorLimits { first_byte: PATIENCE * 10, handshake: PATIENCE * 10, ..DoorLimits::default() };
    let house = open(Backend::Sqlite, patient).await;
    let mut silent = Vec::new();
    for _ in 0..1_100 {
        silent.push(TcpStream::connect(house.server.local_addr()).await.unwrap());
    }
    let client = house.client_that_asks_once("A").await;
    issue(&client).await.unwrap();
    until(&house, "those beyond the limit are gone", |counts| counts.waiting <= patient.waiting_per_address).await;
    let mut closed = 0;
    for stream in &mut silent {
        let mut byte = [0];
        let heard = tokio::time::timeout(Duration::from_millis(1), stream.read(&mut byte));
        closed += usize::from(heard.await.is_ok());
    }
    assert!(closed >= 1_100 - patient.waiting_per_address, "{closed} were closed");
    drop((silent, client));
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_proves_who_it_is_and_then_says_nothing_is_sent_away() {
    let limits = DoorLimits { preface: Duration::from_millis(200), ..DoorLimits::default() };
    let house = open(Backend::Sqlite, limits).await;
    let mut mute = Vec::new();
    for _ in 0..20 {
        mute.push(raw_client(&house, "A").await);
    }
    join_all(mute.iter_mut().map(Raw::closed)).await;
    until(&house, "nothing is left of them", |counts| counts.connections == 0 && counts.waiting == 0).await;
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_with_all_its_connections_gets_another_for_the_one_that_is_idle_for_longest() {
    let limits = DoorLimits { connections_per_partner: 3, ..DoorLimits::default() };
    let house = open(Backend::Sqlite, limits).await;
    let other = house.client_that_asks_once("B").await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut raw = raw_client(&house, "A").await;
        raw.speak(65_535).await;
        held.push(raw);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The first is busy: its request has no end.
    held[0].call(1, ISSUE, false).await;
    until(&house, "the call is under way", |counts| counts.calls == 1).await;
    let client = house.client_that_asks_once("A").await;
    issue(&client).await.unwrap();
    held[1].closed().await;
    // The one that has made a call is not idle for as long as the third.
    let second = house.client_that_asks_once("A").await;
    issue(&second).await.unwrap();
    held[2].closed().await;
    // Now nobody is idle.
    for raw in &mut held[1..] {
        *raw = raw_client(&house, "A").await;
        raw.speak(65_535).await;
        raw.call(1, ISSUE, false).await;
    }
    until(&house, "three calls are under way", |counts| counts.calls == 3).await;
    let mut fourth = raw_client(&house, "A").await;
    fourth.closed().await;
    issue(&other).await.unwrap();
    drop((held, fourth, client, second, other));
    house.end().await;
}

/// Unread answers of three connections once held 1.36 GB for as long as these stayed open.
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_takes_are_bounded_and_given_up() {
    let limits = DoorLimits {
        still: Duration::from_millis(800),
        bytes_per_partner: 1 << 20,
        bytes: 4 << 20,
        ..DoorLimits::default()
    };
    for backend in BACKENDS {
        let house = open(backend, limits).await;
        let (client, other) = (house.client_that_asks_once("A").await, house.client_that_asks_once("B").await);
        for _ in 0..3 {
            let items = (0..500).map(|_| Issue::to("card", "1").points(1)).collect();
            client.batch_issue(items).await.unwrap();
        }
        for window in [0, 1, 700] {
            let mut greedy = raw_client(&house, "A").await;
            greedy.speak(window).await;
            // The answer to each is a page of a thousand entries, page_size being the field that says so.
            for at in 0..300 {
                greedy.ask_with(2 * at + 1, LIST, &[0x38, 0xe8, 0x07]).await;
                assert!(house.server.door().bytes <= 3 << 20, "{:?}", house.server.door());
            }
            issue(&other).await.unwrap();
            greedy.closed().await;
            until(&house, "all is given back", |counts| counts.calls == 0 && counts.bytes == 0).await;
        }
        issue(&client).await.unwrap();
        drop((client, other));
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_whose_end_never_comes_are_given_up_and_those_beyond_a_share_refused() {
    let limits = DoorLimits { still: Duration::from_millis(500), calls_per_partner: 50, ..DoorLimits::default() };
    let house = open(Backend::Sqlite, limits).await;
    let other = house.client_that_asks_once("B").await;
    let mut endless = raw_client(&house, "A").await;
    endless.speak(65_535).await;
    for at in 0..200 {
        endless.call(2 * at + 1, ISSUE, false).await;
    }
    assert!(house.server.door().calls <= 51, "{:?}", house.server.door());
    issue(&other).await.unwrap();
    assert_eq!(endless.ended(200).await.len(), 200);
    until(&house, "all is given back", |counts| counts.calls == 0 && counts.bytes == 0).await;
    drop((endless, other));
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_beyond_a_share_are_refused_with_a_time_to_come_back_and_cost_nobody_else_anything() {
    for backend in BACKENDS {
        let limits = DoorLimits { bytes_per_partner: 1 << 20, bytes: 4 << 20, ..DoorLimits::default() };
        let house = open(backend, limits).await;
        let (greedy, other) = (house.client_that_asks_once("A").await, house.client_that_asks_once("B").await);
        let batches = (0..40).map(|_| {
            let items = (0..1_000).map(|_| Issue::to("card", "1").points(1)).collect();
            let greedy = greedy.clone();
            async move { greedy.batch_issue(items).await.map(drop) }
        });
        let others = (0..40).map(|_| issue(&other));
        let (batches, others) = futures::join!(join_all(batches), join_all(others));
        let said_no = batches.iter().filter(|result| refused(result)).count();
        assert!(said_no > 0, "none of 40 batches was refused");
        assert_eq!(others.iter().filter(|result| refused(result)).count(), 0);
        until(&house, "all is given back", |counts| counts.calls == 0 && counts.bytes == 0).await;
        // One at a time they are taken.
        let items: Vec<_> = (0..1_000).map(|_| Issue::to("card", "1").points(1)).collect();
        greedy.batch_issue(items).await.unwrap();
        drop((greedy, other));
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_frames_that_ask_for_nothing_ends_its_connection_and_no_other() {
    let house = open(Backend::Sqlite, DoorLimits::default()).await;
    let other = house.client_that_asks_once("A").await;
    for kind in [PING, RST_STREAM] {
        let mut flood = raw_client(&house, "A").await;
        flood.speak(65_535).await;
        let flooding = async {
            for at in 0..60_000_u32 {
                match kind {
                    PING => flood.frame(PING, 1, 0, &[0; 8]).await,
                    _ => {
                        flood.call(2 * at + 1, ISSUE, false).await;
                        flood.frame(RST_STREAM, 0, 2 * at + 1, &[0, 0, 0, 8]).await;
                    }
                }
            }
            flood.closed().await;
        };
        let calls = async {
            for _ in 0..20 {
                issue(&other).await.unwrap();
            }
        };
        futures::join!(flooding, calls);
    }
    drop(other);
    until(&house, "nothing is left of it", |counts| counts.connections == 0 && counts.calls == 0).await;
    house.end().await;
}

/// More than twenty that were taken back before the house had looked at them once ended the connection, with all that was
/// on it.
#[tokio::test(flavor = "multi_thread")]
async fn calls_that_are_taken_back_cost_the_others_on_their_connection_nothing() {
    for backend in BACKENDS {
        let house = open(backend, DoorLimits::default()).await;
        let client = house.client_that_asks_once("A").await;
        let mut taken_back = JoinSet::new();
        for _ in 0..4 {
            let client = client.clone();
            taken_back.spawn(async move {
                for round in 0..10 {
                    let calls = join_all((0..100).map(|_| issue(&client)));
                    let _ = tokio::time::timeout(Duration::from_micros(round * 300), calls).await;
                }
            });
        }
        let mut kept = 0;
        while kept < 100 || !taken_back.is_empty() {
            issue(&client).await.expect("a call that was not taken back is answered");
            kept += 1;
            while taken_back.try_join_next().is_some() {}
        }
        // And with all of them at once, by hand: each is there and taken back in one breath.
        let mut raw = raw_client(&house, "A").await;
        raw.speak(65_535).await;
        raw.ask(1, LIST).await;
        for at in 1..=500 {
            raw.call(2 * at + 1, ISSUE, false).await;
            raw.frame(RST_STREAM, 0, 2 * at + 1, &[0, 0, 0, 8]).await;
        }
        raw.ask(2_001, LIST).await;
        let answers = raw.ended(2).await;
        assert_eq!(answers.into_keys().collect::<Vec<_>>(), [1, 2_001]);
        drop((client, raw));
        house.end().await;
    }
}

/// It once took twice as long as it was given, and ended as if calls had been cut off.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_takes_no_longer_than_it_is_given_whatever_a_client_does() {
    for backend in BACKENDS {
        let house = open(backend, DoorLimits::default()).await;
        let client = house.client_that_asks_once("A").await;
        for _ in 0..3 {
            let items = (0..500).map(|_| Issue::to("card", "1").points(1)).collect();
            client.batch_issue(items).await.unwrap();
        }
        let mut held = Vec::new();
        for _ in 0..5 {
            let mut raw = raw_client(&house, "A").await;
            raw.speak(0).await;
            raw.ask(1, LIST).await;
            raw.call(3, ISSUE, false).await;
            raw.call(5, BATCH, false).await;
            raw.call(7, "coalition.clearing.v1.IssueService/StreamIssuePoints", false).await;
            raw.ask(9, "grpc.health.v1.Health/Watch").await;
            held.push((
                raw,
                raw_client(&house, "B").await,
                TcpStream::connect(house.server.local_addr()).await.unwrap(),
            ));
        }
        until(&house, "all are under way", |counts| counts.calls == 25 && counts.working == 0).await;
        let drain = Duration::from_secs(15);
        let TestHouse { database, server, .. } = house;
        let stopped = tokio::time::timeout(drain, server.shutdown(drain)).await;
        assert_eq!(stopped.expect("it stops in time"), Drained::Clean);
        drop((client, held));
        database.audit().await;
        database.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_is_answered_while_the_house_stops() {
    for backend in BACKENDS {
        let house = open(backend, DoorLimits::default()).await;
        let mut clients = Vec::new();
        for _ in 0..4 {
            clients.push(house.client_that_asks_once("A").await);
        }
        let mut batches = JoinSet::new();
        for client in clients.clone() {
            batches.spawn(async move {
                let items: Vec<_> = (0..1_000).map(|_| Issue::to("card", "1").points(1)).collect();
                client.batch_issue(items).await.map(|results| results.len())
            });
        }
        until(&house, "the batches are heard", |counts| counts.working == 4).await;
        let TestHouse { database, server, .. } = house;
        assert_eq!(server.shutdown(PATIENCE).await, Drained::Clean);
        while let Some(batch) = batches.join_next().await {
            assert_eq!(batch.unwrap().unwrap(), 1_000);
        }
        drop(clients);
        database.audit().await;
        database.remove().await;
    }
}

/// A node's view of the house is up to a second old, and once it refused whoever was not in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_was_just_created_is_known_to_every_node() {
    let house = open(Backend::Postgres, DoorLimits::default()).await;
    let (_, begin) = coalition("S01", Variant::AtRedemption);
    let second = serve(&house.database.url, &house.identities, Clock::manual(begin)).await;
    let operator = house.client_that_asks_once("operator").await.operator();
    for round in 0..8 {
        let id = format!("new-{round}");
        operator.create_partner(CreatePartner::new(&id)).await.unwrap().accepted().unwrap();
        for server in [&house.server, &second] {
            let client = house.identities.client(&endpoint(server), Kind::Partner, &id).await;
            client.statement(None).await.unwrap();
        }
    }
    // Who is no partner is still refused, however often it asks.
    let stranger = house.client_that_asks_once("stranger").await;
    for answer in join_all((0..50).map(|_| stranger.statement(None))).await {
        assert!(matches!(answer, Err(Error::PermissionDenied { .. })), "{answer:?}");
    }
    drop((operator, stranger));
    assert_eq!(second.shutdown(Duration::from_secs(20)).await, Drained::Clean);
    house.end().await;
}

/// What the house says of its health: 1 is SERVING, 2 NOT_SERVING.
pub async fn health(server: &RunningServer, identities: &Identities, service: &str) -> u8 {
    let mut raw = Raw::connect(server.local_addr(), identities, "A").await;
    raw.speak(65_535).await;
    let message = [&[0x0a, u8::try_from(service.len()).unwrap()], service.as_bytes()].concat();
    raw.ask_with(1, HEALTH, if service.is_empty() { &[] } else { &message }).await;
    let asked = async {
        loop {
            let frame = raw.heard().await.expect("an answer");
            assert_ne!(frame.kind, GOAWAY);
            if frame.kind == raw::DATA && frame.stream == 1 {
                return frame.payload;
            }
        }
    };
    let body = tokio::time::timeout(PATIENCE, asked).await.expect("an answer");
    assert_eq!(body[..6], [0, 0, 0, 0, 2, 0x08], "{body:?}");
    body[6]
}
