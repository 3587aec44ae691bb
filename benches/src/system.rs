//! Everything that can be put under load: started, filled with a population, and, in the end, checked and removed.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clearing::audit::audit;
use clearing::clock::{self, Clock};
use clearing::identifier::IdentifierKey;
use clearing::rpc::opaque::Opaque;
use clearing::server::{Drained, RunningServer, ServerLimits, ServerOptions};
use clearing::store::Store;
use clearing_core::facts::coalition::House;
use clearing_proto::v1;
use partner_sdk::operator::CloseWindow;
use partner_sdk::{Client, Outcome};
use sqlx::postgres::PgPool;
use sqlx::sqlite::SqlitePool;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

pub mod database;

pub use database::{Backend, Databases};

use crate::disk::Disk;
use crate::report::Figure;

use crate::baseline::by_hand::{ByHandPostgres, ByHandSqlite, Desk};
use crate::baseline::echo::Echo;
use crate::baseline::{Issuer, Served};
use crate::client::{BatchIssues, Clients, sdk};
use crate::coalition::{self, Certificates, DOMAIN, IDENTIFIER_KEY, PARTNERS, WALLET_ISSUERS};
use crate::workload::{Spread, Workload, card_number};

/// Points of each member before the load: more than redemptions can take.
pub const PRELOADED_POINTS: i64 = 100_000;

/// Lots of a member who redeems, at the most.
const LOTS_MAX: u32 = 50;

/// Connections of the hand-written service to PostgreSQL, unless asked otherwise.
pub const BY_HAND_CONNECTIONS: u32 = 16;

/// What all systems have in common.
pub struct Site {
    pub house: Arc<House>,
    pub clock: Clock,
    pub certificates: Certificates,
    /// Where servers run: apart from the callers, as they do in life.
    pub servers: Handle,
    pub members: u32,
    /// Members beside these, who redeem.
    pub wallets: u32,
    pub seed: u64,
}

impl Site {
    /// # Errors
    /// If its certificates cannot be made.
    pub fn new(servers: Handle, members: u32, wallets: u32, seed: u64) -> Result<Self> {
        let clock = Clock::system();
        Ok(Self {
            house: Arc::new(coalition::house(clock.now())),
            certificates: Certificates::generate(&clock)?,
            clock,
            servers,
            members,
            wallets,
            seed,
        })
    }

    fn desk(&self) -> Desk {
        let key = Arc::new(IdentifierKey::new(IDENTIFIER_KEY));
        let opaque = Arc::new(Opaque::new(&key));
        Desk { house: Arc::clone(&self.house), clock: self.clock.clone(), key, opaque }
    }

    /// A population for the hand-written service: hashes of cards, and the members that carry them.
    fn population(&self) -> Vec<([u8; 32], u128)> {
        let key = IdentifierKey::new(IDENTIFIER_KEY);
        (0..self.members).map(|at| (key.hash("card", &card_number(at)).0, clock::fresh_uuid())).collect()
    }

    /// A workload of its own for each caller.
    pub fn workload(&self, stream: u64, spread: Spread) -> Workload {
        self.workload_among(self.members, stream, spread)
    }

    /// As [`workload`](Self::workload), over the first members.
    pub fn workload_among(&self, members: u32, stream: u64, spread: Spread) -> Workload {
        Workload::new(self.seed, stream, self.clock.clone(), spread, 0..members)
    }

    /// As [`workload`](Self::workload), over the members who redeem.
    pub fn wallet_workload(&self, stream: u64) -> Workload {
        let wallets = self.members..self.members + self.wallets;
        Workload::new(self.seed, stream, self.clock.clone(), Spread::Even, wallets)
    }

    async fn serve<I: Issuer>(&self, issuer: I) -> Result<Served> {
        let (house, material) = (Arc::clone(&self.house), self.certificates.server.clone());
        self.servers.spawn(async move { Served::start(issuer, house, &material).await }).await?
    }
}

/// A system that can be put under load.
pub struct System {
    pub name: String,
    pub kind: Kind,
    pub clients: Clients,
    /// Members that it is asked about.
    pub members: u32,
    /// Where its writing is counted.
    pub disk: Disk,
    /// Requests that were accepted before it was put under load.
    accepted_before: u64,
    running: Running,
    operator: Option<Client>,
    closes: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Empty messages both ways.
    Empty,
    /// The house's messages, answered at once.
    Echo,
    ByHand(Backend),
    House(Backend),
}

impl Kind {
    /// What a system of this kind is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty call",
            Self::Echo => "echo of the same shape",
            Self::ByHand(Backend::Sqlite) => "by hand, SQLite",
            Self::ByHand(Backend::Postgres) => "by hand, PostgreSQL",
            Self::House(Backend::Sqlite) => "house, SQLite",
            Self::House(Backend::Postgres) => "house, PostgreSQL",
        }
    }
}

enum Running {
    Echo(Served),
    ByHand(Served, Rows),
    House(Box<RunningServer>, String),
}

/// Where to count what is stored.
enum Rows {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl System {
    /// The ceilings: one that answers issues, or one that is asked nothing and answers nothing.
    ///
    /// # Errors
    /// If it cannot be served or reached.
    pub async fn ceiling(site: &Site, kind: Kind) -> Result<Self> {
        let served = site.serve(Echo).await?;
        let clients = Clients::connect(served.address, &site.certificates).await?;
        Ok(Self::new(site, kind, clients, Disk::NotCounted, Running::Echo(served)))
    }

    /// The hand-written service.
    ///
    /// # Errors
    /// Those of the database, or if it cannot be served or reached.
    pub async fn by_hand(site: &Site, databases: &mut Databases, backend: Backend, connections: u32) -> Result<Self> {
        let (desk, population) = (site.desk(), site.population());
        let place = databases.make(backend, "by_hand").await?;
        let (served, disk, rows) = match backend {
            Backend::Sqlite => {
                let path = PathBuf::from(place);
                let opening = async move { ByHandSqlite::open(&path, desk, &population, PRELOADED_POINTS).await };
                let service = site.servers.spawn(opening).await??;
                let pool = service.pool();
                (site.serve(service).await?, Disk::OfProcess, Rows::Sqlite(pool))
            }
            Backend::Postgres => {
                let opening =
                    async move { ByHandPostgres::open(&place, connections, desk, &population, PRELOADED_POINTS).await };
                let service = site.servers.spawn(opening).await??;
                let pool = service.pool();
                (site.serve(service).await?, Disk::Log(pool.clone()), Rows::Postgres(pool))
            }
        };
        let clients = Clients::connect(served.address, &site.certificates).await?;
        Ok(Self::new(site, Kind::ByHand(backend), clients, disk, Running::ByHand(served, rows)))
    }

    /// The house itself, on a database of its own.
    ///
    /// # Errors
    /// Those of the database, or if it does not open.
    pub async fn house(site: &Site, databases: &mut Databases, backend: Backend) -> Result<Self> {
        let url = database::url_of(&databases.make(backend, "house").await?);
        let store = Store::connect(&url).await?;
        store.migrate().await?;
        store.create_coalition(&site.house, DOMAIN, &IdentifierKey::new(IDENTIFIER_KEY), site.clock.now()).await?;
        drop(store);
        let system = Self::house_on(site, &url).await?;
        system.preload(site).await?;
        Databases::settle(&url).await?;
        Ok(system)
    }

    /// The house on books that are there already.
    ///
    /// # Errors
    /// Those of the database, or if it does not open.
    pub async fn house_on(site: &Site, url: &str) -> Result<Self> {
        let accepted_before = database::accepted_requests(url).await?;
        let options = ServerOptions {
            listen: ([127, 0, 0, 1], 0).into(),
            tls: site.certificates.server.clone(),
            domain: DOMAIN.to_owned(),
            database_url: url.to_owned(),
            clock: site.clock.clone(),
            identifier_key: IdentifierKey::new(IDENTIFIER_KEY),
            enrolment: None,
            sandbox: false,
            limits: ServerLimits::default(),
        };
        let server = site.servers.spawn(clearing::server::start(options)).await??;
        tokio::time::timeout(Duration::from_secs(30), server.opened()).await.context("the house did not open")?;
        let address = server.local_addr();
        let clients = Clients::connect(address, &site.certificates).await?;
        let operator = sdk(address, &site.certificates, &site.certificates.operator).await?;
        let backend = database::backend_of(url);
        let disk = match backend {
            Backend::Sqlite => Disk::OfProcess,
            Backend::Postgres => Disk::Log(PgPool::connect_lazy(url)?),
        };
        let running = Running::House(Box::new(server), url.to_owned());
        let system = Self::new(site, Kind::House(backend), clients, disk, running);
        Ok(Self { operator: Some(operator), accepted_before, ..system })
    }

    fn new(site: &Site, kind: Kind, clients: Clients, disk: Disk, running: Running) -> Self {
        Self {
            name: kind.name().to_owned(),
            kind,
            clients,
            members: site.members,
            disk,
            accepted_before: 0,
            running,
            operator: None,
            closes: AtomicU64::new(0),
        }
    }

    /// A workload of its own for each caller, over the members of this system.
    pub fn workload(&self, site: &Site, stream: u64, spread: Spread) -> Workload {
        site.workload_among(self.members, stream, spread)
    }

    /// The URL of a house's database.
    pub fn place(&self) -> String {
        match &self.running {
            Running::House(_, url) => url.clone(),
            Running::Echo(_) | Running::ByHand(..) => String::new(),
        }
    }

    /// Enrols the population, each with a lot, in batches.
    async fn preload(&self, site: &Site) -> Result<()> {
        const BATCH: u32 = 2_000;
        for first in (0..site.members).step_by(2_000) {
            let mut workload = site.workload(u64::MAX - u64::from(first), Spread::Even);
            let last = (first + BATCH).min(site.members);
            let items = (first..last).map(|member| workload.issue_to(member, PRELOADED_POINTS)).collect();
            let mut issues = self.clients.issues(usize::try_from(first)? / 2_000 % PARTNERS);
            let request = v1::BatchIssuePointsRequest { items };
            let results = issues.batch_issue_points(request).await?.into_inner().results;
            let accepted = BatchIssues::accepted(&results)?;
            ensure!(accepted == u64::from(last - first), "the house answered {accepted} of {} items", last - first);
            self.clients.acknowledge(accepted);
        }
        Ok(())
    }

    /// Enrols the members who redeem. Each has from 1 to 50 lots of five issuers, of which two expire together; the last
    /// has more points than redemptions can take.
    ///
    /// # Errors
    /// If the house refuses an issue.
    pub async fn fill_wallets(&self, site: &Site) -> Result<()> {
        const BATCH: usize = 4_000;
        ensure!(matches!(self.kind, Kind::House(_)), "only a house has members who redeem");
        let mut workload = site.wallet_workload(u64::MAX);
        let mut lots: [Vec<v1::IssuePointsRequest>; WALLET_ISSUERS] = Default::default();
        let now = site.clock.now();
        for member in site.members..site.members + site.wallets {
            let count = 1 + workload.below(LOTS_MAX);
            for lot in 0..count {
                let reserve = if lot + 1 == count { PRELOADED_POINTS } else { 0 };
                let points = reserve + i64::from(100 + workload.below(800));
                let expires = now.plus_days(30 + i64::from(lot / 2) * 10);
                let issuer = usize::try_from(member + lot)? % WALLET_ISSUERS;
                lots[issuer].push(workload.wallet_lot(member, points, expires));
            }
        }
        let mut filling = JoinSet::new();
        for (at, lots) in lots.into_iter().enumerate() {
            let clients = self.clients.clone();
            filling.spawn(async move {
                for items in lots.chunks(BATCH) {
                    let request = v1::BatchIssuePointsRequest { items: items.to_vec() };
                    let answer = clients.issues(PARTNERS + at).batch_issue_points(request).await?;
                    clients.acknowledge(BatchIssues::accepted(&answer.into_inner().results)?);
                }
                Ok::<_, anyhow::Error>(())
            });
        }
        while let Some(filled) = filling.join_next().await {
            filled??;
        }
        Databases::settle(&self.place()).await
    }

    /// Where its server listens.
    pub fn address(&self) -> std::net::SocketAddr {
        match &self.running {
            Running::Echo(served) | Running::ByHand(served, _) => served.address,
            Running::House(server, _) => server.local_addr(),
        }
    }

    /// The operator's client, if this is a house.
    pub fn operator(&self) -> Option<&Client> {
        self.operator.as_ref()
    }

    /// Closes the open window of the house, and says how long that took.
    ///
    /// # Errors
    /// If it is not closed.
    pub async fn close_window(&self) -> Result<Duration> {
        let Some(operator) = &self.operator else { bail!("only a house has windows") };
        let started = Instant::now();
        match operator.operator().close_window(CloseWindow::now()).await? {
            Outcome::Accepted(_) => {
                self.closes.fetch_add(1, Ordering::Relaxed);
                Ok(started.elapsed())
            }
            other @ (Outcome::Rejected(_) | Outcome::Unknown(_)) => bail!("the window was not closed: {other:?}"),
        }
    }

    /// Ends the system, and checks its books: what was acknowledged is stored, once, and, where it is asked for, everything
    /// adds up.
    ///
    /// # Errors
    /// If it cannot be ended or the books cannot be read.
    pub async fn end(self, audited: bool) -> Result<Option<Books>> {
        let acknowledged = self.clients.acknowledged() + self.closes.load(Ordering::Relaxed);
        let clients = self.clients;
        drop(clients);
        drop(self.operator);
        let mut books = Books { name: self.name, acknowledged, stored: 0, wrong: None, entries: None, bytes: None };
        match self.running {
            Running::Echo(served) => {
                served.end().await?;
                return Ok(None);
            }
            Running::ByHand(served, rows) => {
                served.end().await?;
                let stored = match &rows {
                    Rows::Sqlite(pool) => ByHandSqlite::stored(pool).await?,
                    Rows::Postgres(pool) => ByHandPostgres::stored(pool).await?,
                };
                match rows {
                    Rows::Sqlite(pool) => pool.close().await,
                    Rows::Postgres(pool) => pool.close().await,
                }
                books.stored = u64::try_from(stored)?;
            }
            Running::House(server, url) => {
                if let Disk::Log(pool) = self.disk {
                    pool.close().await;
                }
                let drained = server.shutdown(Duration::from_secs(20)).await;
                ensure!(drained == Drained::Clean, "the house did not drain in time");
                books.stored = database::accepted_requests(&url).await?.saturating_sub(self.accepted_before);
                if audited {
                    let report = audit(&Store::connect(&url).await?).await?;
                    books.wrong = Some(report.findings.iter().map(ToString::to_string).collect());
                }
                books.entries = Some(database::entries(&url).await?);
                books.bytes = Some(database::stored_bytes(&url).await?);
            }
        }
        Ok(Some(books))
    }
}

/// What was found at the end.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Books {
    pub name: String,
    /// Operations that callers were told are done.
    pub acknowledged: u64,
    /// Operations that the database holds of them.
    pub stored: u64,
    /// What the audit found, where there was one; the hand-written service has none.
    pub wrong: Option<Vec<String>>,
    /// Entries of a house's journal, and bytes that its database takes.
    pub entries: Option<u64>,
    pub bytes: Option<u64>,
}

impl Books {
    pub fn are_right(&self) -> bool {
        self.acknowledged == self.stored && self.wrong.as_ref().is_none_or(Vec::is_empty)
    }

    /// Bytes of the whole database for an entry of the journal.
    pub fn bytes_an_entry(&self) -> Option<Figure> {
        let (entries, bytes) = (self.entries.filter(|entries| *entries > 0)?, self.bytes?);
        Some(Figure {
            name: "stored, of all entries".to_owned(),
            system: self.name.clone(),
            unit: "bytes an entry".to_owned(),
            values: vec![bytes as f64 / entries as f64],
            load_average: None,
        })
    }
}
