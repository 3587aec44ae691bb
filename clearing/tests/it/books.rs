//! A house knows its books: it opens on no others, and nobody else writes them meanwhile.

use std::sync::Arc;
use std::time::Duration;

use clearing::clock::Clock;
use clearing::identifier::{IdentifierKey, OtherBooks};
use clearing::server::{Drained, ServerLimits, ServerOptions, StartError, start};
use clearing::store::OccupyError;
use partner_sdk::Issue;

use crate::house::{BACKENDS, Backend, DOMAIN, TestHouse};

/// Why a house does not open: a file tells at once, a PostgreSQL once it is reached.
async fn refusal(options: ServerOptions) -> Arc<StartError> {
    match start(options).await {
        Err(error) => Arc::new(error),
        Ok(server) => {
            let refused = server.refused().await;
            assert!(!server.is_serving());
            assert_eq!(server.shutdown(Duration::from_secs(10)).await, Drained::Clean);
            refused
        }
    }
}

/// With another key than the books were made with, every customer was once another member: points earned under the one
/// were never found under the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_house_does_not_open_with_another_key_or_domain_than_the_books_were_made_with() {
    for backend in BACKENDS {
        let (test, begin) = TestHouse::of_s01(backend, |_| ()).await;
        test.client("A").await.issue(Issue::to("card", "1").points(10)).await.unwrap().accepted().unwrap();
        let TestHouse { database, identities, server } = test;
        assert_eq!(server.shutdown(Duration::from_secs(10)).await, Drained::Clean);
        let begin = clearing_core::units::Timestamp::from_jiff(jiff::Timestamp::try_from(begin).unwrap());
        let options = ServerOptions {
            listen: "127.0.0.1:0".parse().unwrap(),
            tls: identities.server(),
            domain: DOMAIN.to_owned(),
            database_url: database.url.clone(),
            sandbox: true,
            clock: Clock::manual(begin),
            identifier_key: IdentifierKey::new([8; 32]),
            limits: ServerLimits::default(),
        };
        let refused = refusal(options.clone()).await;
        assert!(matches!(*refused, StartError::OtherBooks(OtherBooks::Key { .. })), "{refused}");

        let domain = "other.coalition".to_owned();
        let other = ServerOptions { domain, identifier_key: IdentifierKey::new([7; 32]), ..options.clone() };
        let refused = refusal(other).await.to_string();
        assert!(refused.contains("other.coalition") && refused.contains(DOMAIN), "{refused}");

        let right = ServerOptions { identifier_key: IdentifierKey::new([7; 32]), ..options };
        let server = start(right).await.unwrap();
        server.serving().await;
        let test = TestHouse { database, identities, server };
        let balance = test.client("B").await.balance(("card", "1")).await.unwrap();
        assert_eq!(balance.available_points, 10);
        test.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_house_on_one_file_is_refused_and_told_which_process_has_it() {
    let (test, _) = TestHouse::of_s01(Backend::Sqlite, |_| ()).await;
    let second = ServerOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        tls: test.identities.server(),
        domain: DOMAIN.to_owned(),
        database_url: test.database.url.clone(),
        sandbox: false,
        clock: Clock::system(),
        identifier_key: IdentifierKey::new([7; 32]),
        limits: ServerLimits::default(),
    };
    let refused = start(second).await.err().unwrap();
    assert!(matches!(refused, StartError::Occupied(OccupyError::Occupied { .. })), "{refused}");
    let text = refused.to_string();
    for part in [&format!("process {} (clearing serve)", std::process::id()), "house.db", "since 20"] {
        assert!(text.contains(part), "{text}");
    }
    // Who only reads is not kept out, and the first goes on.
    crate::house::audit(&test.database.url).await;
    test.client("A").await.issue(Issue::to("card", "1").points(10)).await.unwrap().accepted().unwrap();
    test.finish().await;
}
