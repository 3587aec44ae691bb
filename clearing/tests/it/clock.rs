//! A machine whose clock is wrong: nothing is written by it, and nothing is lost.
//!
//! One start with a clock 250 days ahead once closed 250 windows in seconds, expired what was due, and left the house
//! refusing every request as too old for eight months.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use clearing::clock::{Against, Clock, StartRules};
use clearing::coalition_file::Variant;
use clearing::server::{Drained, RunningServer, start};
use clearing::store::Windows;
use clearing_core::facts::calendar::Calendar;
use clearing_core::units::Timestamp;
use partner_sdk::{Client, Issue, Issued, Outcome};

use clearing_play::{BACKENDS, Backend, Database, Identities, coalition, endpoint, options, serve};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// A coalition whose windows close each day, on a machine whose clock can be set wrong.
struct Site {
    database: Database,
    identities: Identities,
    wrong_by: Arc<AtomicI64>,
}

impl Site {
    /// Founded so many microseconds before now.
    async fn founded(backend: Backend, before: i64) -> Self {
        let (mut house, _) = coalition("S01", Variant::AtRedemption);
        house.calendar = Calendar::of(["0 0 * * *"], "UTC").into();
        let database = Database::new(backend).await;
        database.found(&house, Timestamp(Clock::system().now().0 - before)).await;
        Self { database, identities: Identities::new(), wrong_by: Arc::default() }
    }

    fn set_wrong(&self, by: i64) {
        self.wrong_by.store(by, Ordering::Relaxed);
    }

    async fn start_with(&self, rules: StartRules) -> RunningServer {
        let clock = Clock::system_set_wrong(rules, Arc::clone(&self.wrong_by));
        serve(&self.database.url, &self.identities, clock).await
    }

    async fn start(&self) -> RunningServer {
        self.start_with(StartRules::default()).await
    }

    /// A till of A, whose own clock is right.
    async fn till(&self, server: &RunningServer) -> Client {
        self.identities.client_that_asks_once(&endpoint(server), "A").await
    }

    async fn windows(&self) -> usize {
        let mut snapshot = self.database.store().await.snapshot().await.unwrap();
        let windows = snapshot.windows(Windows::All).await.unwrap().len();
        snapshot.finish().await.unwrap();
        windows
    }

    async fn last_alive(&self) -> Timestamp {
        self.database.store().await.last_alive().await.unwrap()
    }

    async fn end(self, servers: Vec<RunningServer>) {
        for server in servers {
            assert_eq!(server.shutdown(Duration::from_secs(10)).await, Drained::Clean);
        }
        self.database.audit().await;
        self.database.remove().await;
    }
}

async fn issue(till: &Client) -> Outcome<Issued> {
    till.issue(Issue::to("card", "1").points(10)).await.unwrap()
}

/// What a write is told, whose text must name what is wrong and what to do.
async fn refused(till: &Client, texts: &[&str]) {
    let Outcome::Unknown(unknown) = issue(till).await else { panic!("the house wrote by a wrong clock") };
    let said = unknown.cause.to_string();
    for text in texts {
        assert!(said.contains(text), "{said}");
    }
}

/// Waits until the house says that it serves, or that it does not.
async fn serves(server: &RunningServer, wanted: bool) {
    while server.is_serving() != wanted {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_a_clock_far_ahead_writes_nothing_until_the_clock_is_right() {
    for backend in BACKENDS {
        let site = Site::founded(backend, 0).await;
        let server = site.start().await;
        server.serving().await;
        issue(&site.till(&server).await).await.accepted().unwrap();
        let alive = site.last_alive().await;
        assert_eq!(server.shutdown(Duration::from_secs(10)).await, Drained::Clean);
        let windows = site.windows().await;

        site.set_wrong(250 * DAY);
        let server = site.start().await;
        let till = site.till(&server).await;
        serves(&server, false).await;
        let ahead = Timestamp(alive.0 + 250 * DAY).to_string();
        refused(&till, &[&ahead[..10], &alive.to_string()[..16], "more than 8 days after", "--accept-time"]).await;
        assert_eq!(till.balance(("card", "1")).await.unwrap().member.available_points, 10, "reads go on");
        let told = till.server_info().await.unwrap().server_time;
        assert!(told < clearing_play::system_time(Timestamp(alive.0 + DAY)), "reads are at a time that was right");
        assert_eq!(site.windows().await, windows, "no window was closed");
        assert_eq!(site.last_alive().await, alive, "a wrong clock is not what the next start is judged by");

        site.set_wrong(0);
        server.serving().await;
        serves(&server, true).await;
        issue(&till).await.accepted().unwrap();
        assert_eq!(till.balance(("card", "1")).await.unwrap().member.available_points, 20);
        drop(till);
        site.end(vec![server]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_a_clock_behind_writes_nothing_until_somebody_says_that_it_is_right() {
    for backend in BACKENDS {
        let site = Site::founded(backend, 0).await;
        let first = site.start().await;
        first.serving().await;
        assert_eq!(first.shutdown(Duration::from_secs(10)).await, Drained::Clean);
        if backend == Backend::Postgres {
            // With PostgreSQL's clock against it nobody's word helps.
            site.set_wrong(-6 * 60 * SECOND);
            let server = site.start_with(StartRules { accept_time: true, ..StartRules::default() }).await;
            refused(&site.till(&server).await, &["PostgreSQL's clock"]).await;
            site.end(vec![server]).await;
            continue;
        }
        site.set_wrong(-4 * 60 * SECOND);
        let server = site.start().await;
        server.serving().await;
        assert_eq!(server.shutdown(Duration::from_secs(10)).await, Drained::Clean);

        site.set_wrong(-12 * 60 * SECOND);
        let server = site.start().await;
        refused(&site.till(&server).await, &["more than 5 minutes before", "--accept-time"]).await;
        assert_eq!(server.shutdown(Duration::from_secs(10)).await, Drained::Clean);

        let server = site.start_with(StartRules { accept_time: true, ..StartRules::default() }).await;
        server.serving().await;
        issue(&site.till(&server).await).await.accepted().unwrap();
        assert_eq!(server.shutdown(Duration::from_secs(10)).await, Drained::Clean);
        // It was written down, so that the next start needs nobody's word.
        let server = site.start().await;
        server.serving().await;
        site.end(vec![server]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_house_that_was_away_for_longer_than_it_may_closes_what_it_missed_once_somebody_says_that_the_time_is_right()
{
    for backend in BACKENDS {
        let site = Site::founded(backend, 10 * DAY).await;
        let server = site.start().await;
        refused(&site.till(&server).await, &["more than 8 days after", "clock.jump_max"]).await;
        assert_eq!(site.windows().await, 1);
        assert_eq!(server.shutdown(Duration::from_secs(10)).await, Drained::Clean);

        let longer = StartRules { jump_max: Duration::from_hours(24 * 11), accept_time: false };
        let server = site.start_with(longer).await;
        server.serving().await;
        assert_eq!(site.windows().await, 11, "each cut-off that was missed closed its window");
        issue(&site.till(&server).await).await.accepted().unwrap();
        site.end(vec![server]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_wrong_under_a_running_house_stops_its_writes_at_once_and_loses_nothing() {
    for backend in BACKENDS {
        let site = Site::founded(backend, 0).await;
        let server = site.start().await;
        server.serving().await;
        let till = site.till(&server).await;
        issue(&till).await.accepted().unwrap();
        let windows = site.windows().await;
        for wrong in [61 * SECOND, 250 * DAY, -61 * SECOND] {
            site.set_wrong(wrong);
            // The next write is refused already, whoever looks at the clock each second.
            refused(&till, &["CLOCK_BOOTTIME", "60 seconds"]).await;
            serves(&server, false).await;
            assert_eq!(site.windows().await, windows, "no window was closed");
            site.set_wrong(0);
            serves(&server, true).await;
            issue(&till).await.accepted().unwrap();
        }
        // Clocks are adjusted, and nobody is kept from anything by it.
        site.set_wrong(20 * SECOND);
        issue(&till).await.accepted().unwrap();
        assert_eq!(till.balance(("card", "1")).await.unwrap().member.available_points, 50);
        drop(till);
        site.end(vec![server]).await;
    }
}

/// One fast node of two once did to both what a fast house does to itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_clock_is_off_the_databases_writes_nothing_and_leaves_due_work_to_the_others() {
    let right = Site::founded(Backend::Postgres, 0).await;
    for wrong in [40 * SECOND, -40 * SECOND] {
        let wrong_by = Arc::new(AtomicI64::new(wrong));
        let clock = Clock::system_set_wrong(StartRules::default(), wrong_by);
        let fast = start(options(&right.database.url, &right.identities, clock.clone())).await.unwrap();
        fast.opened().await;
        assert_eq!(clock.wrong().unwrap().against, Against::Database);
        refused(&right.till(&fast).await, &["PostgreSQL's clock", "30 seconds"]).await;
        let node = right.start().await;
        node.serving().await;
        issue(&right.till(&node).await).await.accepted().unwrap();
        for server in [fast, node] {
            assert_eq!(server.shutdown(Duration::from_secs(10)).await, Drained::Clean);
        }
    }
    right.end(Vec::new()).await;
}
