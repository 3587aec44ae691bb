//! The hand-written service is only worth comparing with if it is right: it keeps its books, and it answers a repeated
//! request with the same answer.
#![allow(clippy::unwrap_used, reason = "helpers of a test fail by panicking")]

use std::sync::Arc;

use clearing::clock::Clock;
use clearing::identifier::IdentifierKey;
use clearing::rpc::opaque::Opaque;
use clearing_benches::baseline::Issuer;
use clearing_benches::baseline::by_hand::{ByHandPostgres, ByHandSqlite, Desk};
use clearing_benches::coalition::{self, IDENTIFIER_KEY};
use clearing_benches::system::{Backend, Databases};
use clearing_benches::workload::{Spread, Workload};
use clearing_proto::v1;
use tonic::Code;

fn desk() -> Desk {
    let clock = Clock::system();
    let house = Arc::new(coalition::house(clock.now()));
    let key = Arc::new(IdentifierKey::new(IDENTIFIER_KEY));
    let opaque = Arc::new(Opaque::new(&key));
    Desk { house, clock, key, opaque }
}

async fn keeps_requests_apart(service: &impl Issuer) {
    let mut workload = Workload::new(1, 1, Clock::system(), Spread::Even, 0..10);
    let (one, other) = (coalition::partner(1), coalition::partner(2));
    let mut request = workload.issue_to(3, 100);
    let first = service.issue(one, request.clone()).await.unwrap();
    let figures = |answer: &v1::IssuePointsResponse| {
        let (member, written) = (answer.member.as_ref().unwrap(), answer.written.as_ref().unwrap());
        (member.available_points, written.replayed)
    };
    let entries = |answer: &v1::IssuePointsResponse| answer.written.as_ref().unwrap().entries.clone();
    assert_eq!(figures(&first), (100, false));
    assert_eq!(first.member.as_ref().unwrap().next_expiry.as_ref().unwrap().points, 100);

    let again = service.issue(one, request.clone()).await.unwrap();
    assert_eq!((entries(&again), figures(&again)), (entries(&first), (100, true)));

    // A line of a receipt is booked once, whatever the key.
    let mut twice = workload.issue_to(3, 100);
    twice.origin.clone_from(&request.origin);
    let twice = service.issue(one, twice).await.unwrap_err();
    assert_eq!(twice.code(), Code::AlreadyExists);

    // A key is one partner's own, and the same key with another wish is a conflict.
    let second = service.issue(other, request.clone()).await.unwrap();
    assert_eq!(figures(&second), (200, false));
    request.points += 1;
    let conflict = service.issue(one, request).await.unwrap_err();
    assert_eq!(conflict.code(), Code::FailedPrecondition);
}

const SUMS: &str = "SELECT CAST(sum(amount) AS bigint) FROM balances GROUP BY commodity ORDER BY commodity";

#[tokio::test]
async fn the_service_by_hand_keeps_its_books_on_sqlite() {
    let mut databases = Databases::new(&std::env::temp_dir(), None).unwrap();
    let path = databases.make(Backend::Sqlite, "by_hand").await.unwrap();
    let service = ByHandSqlite::open(path.as_ref(), desk(), &[], 0).await.unwrap();
    keeps_requests_apart(&service).await;
    let pool = service.pool();
    assert_eq!(ByHandSqlite::stored(&pool).await.unwrap(), 2);
    let sums: Vec<i64> = sqlx::query_scalar(SUMS).fetch_all(&pool).await.unwrap();
    assert_eq!(sums, [0, -200], "money sums to zero, points to what members hold");
    pool.close().await;
    databases.remove().await.unwrap();
}

#[tokio::test]
async fn the_service_by_hand_keeps_its_books_on_postgresql() {
    #[allow(clippy::disallowed_methods, reason = "where the tests' PostgreSQL is, as ./check says it")]
    let url = std::env::var("CLEARING_TEST_POSTGRES").expect(
        "CLEARING_TEST_POSTGRES is not set: run the tests as `./check postgres cargo test`, or as `./check test`",
    );
    let mut databases = Databases::new(&std::env::temp_dir(), Some(url)).unwrap();
    let url = databases.make(Backend::Postgres, "by_hand").await.unwrap();
    let service = ByHandPostgres::open(&url, 4, desk(), &[], 0).await.unwrap();
    keeps_requests_apart(&service).await;
    let pool = service.pool();
    assert_eq!(ByHandPostgres::stored(&pool).await.unwrap(), 2);
    let sums: Vec<i64> = sqlx::query_scalar(SUMS).fetch_all(&pool).await.unwrap();
    assert_eq!(sums, [0, -200], "money sums to zero, points to what members hold");
    pool.close().await;
    databases.remove().await.unwrap();
}
