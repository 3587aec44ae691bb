//! A house for tests: the real server on a port of its own, throw-away identities, a manual clock, either database.

use std::time::{Duration, SystemTime};

use clearing::clock::Clock;
use clearing::identifier::IdentifierKey;
use clearing::server::{Drained, RunningServer, ServerLimits, ServerOptions, start};
use clearing::store::Store;
use clearing::tls::TlsMaterial;
use clearing_certs::{Authority, Kind, ServerAddress, Validity};
use clearing_core::terms::House;
use clearing_core::units::Timestamp;
use partner_sdk::{Client, ClientBuilder, Retries};
use tempfile::TempDir;

use crate::scenario::read;
use crate::sdk_stage::system_time;

pub const DOMAIN: &str = "test.coalition";

/// Which database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

pub const BACKENDS: [Backend; 2] = [Backend::Sqlite, Backend::Postgres];

/// A coalition's certificates, for one test.
pub struct Identities {
    authority: Authority,
    validity: Validity,
}

impl Identities {
    #[allow(
        clippy::disallowed_methods,
        reason = "certificates are valid at real moments, whatever the house's clock says"
    )]
    pub fn new() -> Self {
        let now = jiff::Timestamp::now();
        let day = jiff::SignedDuration::from_hours(24);
        let validity = Validity { not_before: now - day, not_after: now + day };
        Self { authority: Authority::generate(DOMAIN, validity).unwrap(), validity }
    }

    pub fn server(&self) -> TlsMaterial {
        let (issued, key) = self.authority.issue_server(&ServerAddress::loopback(), self.validity).unwrap();
        TlsMaterial {
            ca_pem: self.authority.cert_pem().to_owned(),
            cert_pem: issued.cert_pem,
            key_pem: key.expose_pem().to_owned().into(),
            crl_pem: None,
        }
    }

    /// A client with the identity of a partner or auditor.
    pub async fn client(&self, endpoint: &str, kind: Kind, id: &str) -> Client {
        self.builder(endpoint, kind, id).retries(Retries::default()).connect().await.unwrap()
    }

    /// The authority's certificate, and a client's certificate and key, as PEM.
    pub fn pem(&self, kind: Kind, id: &str) -> [String; 3] {
        let (issued, key) = self.authority.issue_client(kind, id, self.validity).unwrap();
        [self.authority.cert_pem().to_owned(), issued.cert_pem, key.expose_pem().to_owned()]
    }

    /// The same, before it connects.
    pub fn builder(&self, endpoint: &str, kind: Kind, id: &str) -> ClientBuilder {
        let [ca, cert, key] = self.pem(kind, id);
        Client::builder(endpoint).ca_pem(ca).identity_pem(cert, key).deadline(Duration::from_secs(30))
    }
}

/// A database for one test.
pub struct Database {
    pub url: String,
    /// The cluster it lives in, if it is PostgreSQL's.
    cluster: Option<String>,
    _dir: TempDir,
}

impl Database {
    pub async fn new(backend: Backend) -> Self {
        let dir = TempDir::new().unwrap();
        match backend {
            Backend::Sqlite => {
                let url = format!("sqlite:{}", dir.path().join("house.db").display());
                Self { url, cluster: None, _dir: dir }
            }
            Backend::Postgres => {
                let cluster = postgres_url();
                let name = format!("it_{:032x}", clearing::clock::fresh_uuid());
                admin(&cluster, &format!("CREATE DATABASE {name}")).await;
                let url = cluster.replacen("/postgres?", &format!("/{name}?"), 1);
                assert_ne!(url, cluster, "the cluster's URL names the database postgres");
                Self { url, cluster: Some(cluster), _dir: dir }
            }
        }
    }

    /// Removes the database; a test that failed leaves it behind for a look.
    pub async fn remove(self) {
        if let Some(cluster) = &self.cluster {
            let name = self.url.rsplit('/').find(|part| part.starts_with("it_")).unwrap();
            let name = name.split('?').next().unwrap();
            admin(cluster, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "the one place where tests learn of their PostgreSQL")]
pub fn postgres_url() -> String {
    std::env::var("CLEARING_TEST_POSTGRES").expect(
        "CLEARING_TEST_POSTGRES is not set: run the tests as `./check postgres cargo test`, or as `./check test`",
    )
}

async fn admin(cluster: &str, statement: &str) {
    use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
    let mut connection = PgConnection::connect(cluster).await.unwrap();
    connection.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
    connection.close().await.unwrap();
}

/// A coalition in a database, with a server in front of it.
pub struct TestHouse {
    pub database: Database,
    pub identities: Identities,
    pub server: RunningServer,
}

impl TestHouse {
    /// Opens a house whose first window begins at `begin`.
    pub async fn open(backend: Backend, house: &House, begin: Timestamp) -> Self {
        let database = Database::new(backend).await;
        let store = Store::connect(&database.url).await.unwrap();
        store.migrate().await.unwrap();
        store.create_coalition(house, DOMAIN, &IdentifierKey::new([7; 32]), begin).await.unwrap();
        drop(store);
        let identities = Identities::new();
        let server = serve(&database.url, &identities, Clock::manual(begin)).await;
        Self { database, identities, server }
    }

    /// The house of S01, changed or not, and its first moment, the 1st of February 2026 in UTC: A, B and C pay at
    /// redemption, a point is a rouble, acceptors bear a fee of 2 %.
    pub async fn of_s01(backend: Backend, change: impl FnOnce(&mut House)) -> (Self, SystemTime) {
        let scenario = read("S01");
        let mut house = scenario.house.to_house(&scenario.id, scenario.variants[0]).unwrap();
        change(&mut house);
        let begin = scenario.house.coalition.start;
        (Self::open(backend, &house, begin).await, system_time(begin))
    }

    /// The house of S01 on the machine's clock, with other limits than by default.
    pub async fn with_limits(backend: Backend, limits: ServerLimits) -> Self {
        let scenario = read("S01");
        let house = scenario.house.to_house(&scenario.id, scenario.variants[0]).unwrap();
        let (database, clock) = (Database::new(backend).await, Clock::system());
        let store = Store::connect(&database.url).await.unwrap();
        store.migrate().await.unwrap();
        store.create_coalition(&house, DOMAIN, &IdentifierKey::new([7; 32]), clock.now()).await.unwrap();
        drop(store);
        let identities = Identities::new();
        let server = begin_with(&database.url, &identities, clock, limits).await;
        server.opened().await;
        Self { database, identities, server }
    }

    pub fn endpoint(&self) -> String {
        format!("https://{}", self.server.local_addr())
    }

    pub async fn client(&self, partner: &str) -> Client {
        self.identities.client(&self.endpoint(), Kind::Partner, partner).await
    }

    /// Closes the house and audits its books.
    pub async fn finish(self) {
        let Self { database, server, .. } = self;
        assert_eq!(server.shutdown(Duration::from_secs(10)).await, Drained::Clean);
        audit(&database.url).await;
        database.remove().await;
    }
}

/// A server on a database that holds a coalition.
pub async fn serve(database_url: &str, identities: &Identities, clock: Clock) -> RunningServer {
    let server = begin(database_url, identities, clock).await;
    server.opened().await;
    server
}

/// The same, before it is open.
pub async fn begin(database_url: &str, identities: &Identities, clock: Clock) -> RunningServer {
    begin_with(database_url, identities, clock, ServerLimits::default()).await
}

/// The same with other limits.
pub async fn begin_with(
    database_url: &str,
    identities: &Identities,
    clock: Clock,
    limits: ServerLimits,
) -> RunningServer {
    let options = ServerOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        tls: identities.server(),
        domain: DOMAIN.to_owned(),
        database_url: database_url.to_owned(),
        sandbox: clock.is_manual(),
        clock,
        identifier_key: IdentifierKey::new([7; 32]),
        limits,
    };
    start(options).await.unwrap()
}

/// Fails unless the books of a database are in order.
pub async fn audit(database_url: &str) {
    let store = Store::connect(database_url).await.unwrap();
    let report = clearing::audit::audit(&store).await.unwrap();
    assert!(report.findings.is_empty(), "the books are not in order: {:#?}", report.findings);
}
