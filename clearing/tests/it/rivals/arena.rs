//! One or two nodes on a database, with tills at each.

use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use clearing::clock::Clock;
use clearing::coalition_file::{CoalitionFile, Variant};
use clearing::server::{Drained, RunningServer};
use clearing::writer::WriterCounts;
use clearing_certs::Kind;
use clearing_core::facts::entry::JournalEntry;
use futures::future::join_all;
use partner_sdk::{Balance, Client, Error, Issue, Outcome, Rejection};

use clearing_core::command::Command;
use clearing_play::commands;
use clearing_play::sdk::{self, Done};
use clearing_play::{Backend, Database, Identities, endpoint, serve, system_time};

/// Where rivals meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    OneNodeOnSqlite,
    OneNodeOnPostgres,
    TwoNodesOnPostgres,
}

pub const PLACES: [Place; 3] = [Place::OneNodeOnSqlite, Place::OneNodeOnPostgres, Place::TwoNodesOnPostgres];

/// Three brands that pay at redemption, and one that prepays. Nobody funds another's points unless it said so.
pub const BRANDS: &str = r#"
    [[partner]]
    id = "A"
    [[partner]]
    id = "B"
    [[partner]]
    id = "C"
    [[partner]]
    id = "P"
    funding = "AT_ISSUE"
"#;

/// A coalition with one or two nodes in front of it. All nodes share one clock, which stands still until it is moved; or each has the machine's.
pub struct Arena {
    pub place: Place,
    pub database: Database,
    pub identities: Identities,
    pub clock: Clock,
    nodes: Vec<RunningServer>,
}

impl Arena {
    /// Opens a house with these `[[partner]]` tables.
    pub async fn open(place: Place, partners: &str) -> Self {
        Self::open_by(place, partners, None).await
    }

    /// The same, where time goes by and due work is looked for.
    pub async fn open_by_the_machines_clock(place: Place, partners: &str) -> Self {
        Self::open_by(place, partners, Some(Clock::system)).await
    }

    async fn open_by(place: Place, partners: &str, clock: Option<fn() -> Clock>) -> Self {
        let coalition = r#"
            [coalition]
            currency = "RUB"
            scale = 2
            point_value = "1.00"
            acceptance_fee = "0.02"
            fee_bearer = "ACCEPTOR"
            grace_days = 14
            start = "2026-01-01T00:00:00Z"
            breakage = { reserve = "0.5", operator = "0.3", issuer = "0.2" }
            open_consents = false
        "#;
        let file = CoalitionFile::parse(&format!("{coalition}{partners}")).unwrap();
        let house = file.to_house("rivals", Variant::AtRedemption).unwrap();
        let backend = if place == Place::OneNodeOnSqlite { Backend::Sqlite } else { Backend::Postgres };
        let database = Database::new(backend).await;
        let manual = Clock::manual(file.start().unwrap());
        let clock = || clock.map_or_else(|| manual.clone(), |clock| clock());
        database.found(&house, clock().now()).await;
        let identities = Identities::new();
        let mut nodes = vec![serve(&database.url, &identities, clock()).await];
        if place == Place::TwoNodesOnPostgres {
            nodes.push(serve(&database.url, &identities, clock()).await);
        }
        let clock = clock();
        Self { place, database, identities, clock, nodes }
    }

    /// A till of the partner at the first node.
    pub async fn till(&self, partner: &str) -> Client {
        self.tills(partner).await.swap_remove(0)
    }

    /// A till of the partner at each node.
    pub async fn tills(&self, partner: &str) -> Vec<Client> {
        let clients = self
            .nodes
            .iter()
            .map(|node| async move { self.identities.client(&endpoint(node), Kind::Partner, partner).await });
        join_all(clients).await
    }

    /// Tills of all these partners at each node, neighbours at different nodes.
    pub async fn tills_of(&self, partners: &[&str]) -> Vec<Client> {
        let mut tills = Vec::new();
        for (at, partner) in partners.iter().enumerate() {
            let mut own = self.tills(partner).await;
            let nodes = own.len();
            own.rotate_left(at % nodes);
            tills.extend(own);
        }
        tills
    }

    /// This many seconds after the clock's time.
    pub fn in_seconds(&self, seconds: i64) -> SystemTime {
        system_time(self.clock.now().plus_seconds(seconds))
    }

    /// Moves the clock, running all that falls due.
    pub async fn advance(&self, to: SystemTime) {
        self.till("operator").await.sandbox().advance_clock(to).await.unwrap();
    }

    /// The whole journal.
    pub async fn journal(&self) -> Vec<JournalEntry> {
        self.database.store().await.journal(1, None, 1_000_000).await.unwrap()
    }

    /// What the nodes' writers have done.
    pub fn counts(&self) -> WriterCounts {
        let counts = self.nodes.iter().map(RunningServer::counts);
        counts.fold(WriterCounts::default(), |sum, node| WriterCounts {
            batches: sum.batches + node.batches,
            reruns: sum.reruns + node.reruns,
            ..sum
        })
    }

    /// Fails if more than one batch in a hundred had to run again.
    pub fn reruns_are_rare(&self) {
        let counts = self.counts();
        assert!(counts.reruns * 100 <= counts.batches, "{:?}: {counts:?}", self.place);
    }

    /// Fails if PostgreSQL had to break a deadlock; closes the house and audits its books.
    pub async fn end(self) {
        for node in self.nodes {
            assert_eq!(node.shutdown(Duration::from_secs(20)).await, Drained::Clean, "{:?}", self.place);
        }
        if self.place != Place::OneNodeOnSqlite {
            let deadlocks = self.database.deadlocks().await;
            assert_eq!(deadlocks, 0, "{:?}", self.place);
        }
        self.database.audit().await;
        self.database.remove().await;
    }
}

/// What the rules said; the house must have answered.
pub fn told<T: Debug>(asked: Result<Outcome<T>, Error>) -> Result<T, Rejection> {
    match asked.unwrap() {
        Outcome::Accepted(answer) => Ok(answer),
        Outcome::Rejected(rejection) => Err(rejection),
        Outcome::Unknown(unknown) => panic!("nobody knows what became of {}", unknown.request_id),
    }
}

/// How many were accepted; all others must have been told this reason.
pub fn accepted<T: Debug>(answers: &[Result<T, Rejection>], otherwise: &str) -> usize {
    for rejection in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert_eq!(rejection.reason.as_str(), otherwise, "{rejection}");
    }
    answers.iter().filter(|answer| answer.is_ok()).count()
}

/// Does something under a key of its own.
pub async fn act(till: &Client, command: Command) -> Result<Done, Rejection> {
    told(sdk::ask(till, till.new_request_id(), &command, partner_sdk::Origin::default()).await)
}

/// Does all of it at once: the first command at the first till, the next at the next, and so on; the answers come in the
/// order of the wanted.
pub async fn all_at_once(tills: &[Client], wanted: impl IntoIterator<Item = Command>) -> Vec<Result<Done, Rejection>> {
    let asked = wanted.into_iter().zip(tills.iter().cycle());
    join_all(asked.map(|(command, till)| act(till, command))).await
}

pub async fn issue(till: &Client, card: &str, points: i64) -> Done {
    act(till, commands::issue(card, points)).await.unwrap()
}

/// Gives a card so many lots, in one batch.
pub async fn issue_lots(till: &Client, card: &str, lots: usize, points: i64) {
    let items = (0..lots).map(|_| Issue::to("card", card).points(points)).collect();
    for issued in till.batch_issue(items).await.unwrap() {
        told(issued).unwrap();
    }
}

pub async fn redeem(till: &Client, card: &str, points: i64) -> Result<Done, Rejection> {
    act(till, commands::redeem(card, points)).await
}

pub async fn balance(till: &Client, card: &str) -> Balance {
    till.balance(("card", card)).await.unwrap()
}
