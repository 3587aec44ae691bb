//! A database is filled once and kept, so what is in it must be what was asked for, however often the filling was broken off.
#![allow(clippy::unwrap_used, reason = "helpers of a test fail by panicking")]

use clearing::audit::audit;
use clearing::clock::Clock;
use clearing::identifier::IdentifierKey;
use clearing::store::Store;
use clearing_benches::coalition::{self, DOMAIN, IDENTIFIER_KEY};
use clearing_benches::fill;
use clearing_benches::report::Report;
use clearing_benches::system::database::{self, url_of};
use clearing_benches::system::{Backend, Databases};

async fn fill(url: &str, members: u32, entries: u64) -> anyhow::Result<()> {
    let options = fill::Options { database: url.to_owned(), members, entries };
    fill::run(&options, 1, &mut Report::of_this_run()?).await
}

async fn goes_on(url: &str, databases: &mut Databases) {
    fill(url, 300, 500).await.unwrap();
    let first = (database::members(url).await.unwrap(), database::entries(url).await.unwrap());
    assert_eq!(first, (300, 500), "the entries that found the coalition are among them");

    // More of both is asked for: who is missing is enrolled.
    fill(url, 700, 2_000).await.unwrap();
    let then = (database::members(url).await.unwrap(), database::entries(url).await.unwrap());
    assert_eq!(then, (700, 2_000));

    // A copy is of its own.
    let copy = databases.copy(url, "copy").await.unwrap();
    fill(&copy, 700, 2_100).await.unwrap();
    let both = (database::entries(url).await.unwrap(), database::entries(&copy).await.unwrap());
    assert_eq!(both, (2_000, 2_100));

    // What is there already is left as it is.
    fill(url, 10, 10).await.unwrap();
    assert_eq!(database::entries(url).await.unwrap(), 2_000);
    let report = audit(&Store::connect(url).await.unwrap()).await.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
}

async fn refuses_another(url: &str) {
    let (store, now) = (Store::connect(url).await.unwrap(), Clock::system().now());
    store.migrate().await.unwrap();
    let mut house = coalition::house(now);
    house.coalition.id = "others".to_owned();
    store.create_coalition(&house, DOMAIN, &IdentifierKey::new(IDENTIFIER_KEY), now).await.unwrap();
    drop(store);
    let entries = database::entries(url).await.unwrap();
    let refused = fill(url, 10, 100).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("the database holds the coalition others of {DOMAIN}, not bench of {DOMAIN}")
    );
    assert_eq!(database::entries(url).await.unwrap(), entries, "nothing was written");
}

fn postgres() -> String {
    #[allow(clippy::disallowed_methods, reason = "where the tests' PostgreSQL is, as ./check says it")]
    std::env::var("CLEARING_TEST_POSTGRES").expect(
        "CLEARING_TEST_POSTGRES is not set: run the tests as `./check postgres cargo test`, or as `./check test`",
    )
}

#[tokio::test]
async fn a_fill_goes_on_where_it_stopped_on_sqlite() {
    let mut databases = Databases::new(&std::env::temp_dir(), None).unwrap();
    let url = url_of(&databases.make(Backend::Sqlite, "filled").await.unwrap());
    goes_on(&url, &mut databases).await;
    databases.remove().await.unwrap();
}

#[tokio::test]
async fn a_fill_goes_on_where_it_stopped_on_postgresql() {
    let mut databases = Databases::new(&std::env::temp_dir(), Some(postgres())).unwrap();
    let url = databases.make(Backend::Postgres, "filled").await.unwrap();
    goes_on(&url, &mut databases).await;
    databases.remove().await.unwrap();
}

#[tokio::test]
async fn a_database_of_another_coalition_is_refused_on_sqlite() {
    let mut databases = Databases::new(&std::env::temp_dir(), None).unwrap();
    let url = url_of(&databases.make(Backend::Sqlite, "others").await.unwrap());
    refuses_another(&url).await;
    databases.remove().await.unwrap();
}

#[tokio::test]
async fn a_database_of_another_coalition_is_refused_on_postgresql() {
    let mut databases = Databases::new(&std::env::temp_dir(), Some(postgres())).unwrap();
    let url = databases.make(Backend::Postgres, "others").await.unwrap();
    refuses_another(&url).await;
    databases.remove().await.unwrap();
}
