//! A house knows its books: it opens on no others, and nobody else writes them meanwhile.

use std::sync::Arc;
use std::time::Duration;

use clearing::clock::Clock;
use clearing::identifier::{IdentifierKey, OtherBooks};
use clearing::server::{Drained, ServerOptions, StartError, start};
use clearing::store::OccupyError;
use partner_sdk::operator::CloseWindow;
use partner_sdk::{Issue, Redeem};

use clearing_play::{BACKENDS, Backend, DOMAIN, TestHouse, options};

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
        let right = options(&database.url, &identities, Clock::manual(begin));
        let other_key = ServerOptions { identifier_key: IdentifierKey::new([8; 32]), ..right.clone() };
        let refused = refusal(other_key).await;
        assert!(matches!(*refused, StartError::OtherBooks(OtherBooks::Key { .. })), "{refused}");

        let other_domain = ServerOptions { domain: "other.coalition".to_owned(), ..right.clone() };
        let refused = refusal(other_domain).await.to_string();
        assert!(refused.contains("other.coalition") && refused.contains(DOMAIN), "{refused}");

        let server = start(right).await.unwrap();
        server.serving().await;
        let test = TestHouse { database, identities, server };
        let balance = test.client("B").await.balance(("card", "1")).await.unwrap();
        assert_eq!(balance.member.available_points, 10);
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_house_on_one_file_is_refused_and_told_which_process_has_it() {
    let (test, _) = TestHouse::of_s01(Backend::Sqlite, |_| ()).await;
    let second = options(&test.database.url, &test.identities, Clock::system());
    let refused = start(second).await.err().unwrap();
    assert!(matches!(refused, StartError::Occupied(OccupyError::Occupied { .. })), "{refused}");
    let text = refused.to_string();
    for part in [&format!("process {} (clearing serve)", std::process::id()), "house.db", "since 20"] {
        assert!(text.contains(part), "{text}");
    }
    // Who only reads is not kept out, and the first goes on.
    test.database.audit().await;
    test.client("A").await.issue(Issue::to("card", "1").points(10)).await.unwrap().accepted().unwrap();
    test.end().await;
}

/// Moves positions by hand, as very many years would.
async fn shift(house: &TestHouse, from: &str, to: &str, amount: i64) {
    for (account, amount) in [(from, -amount), (to, amount)] {
        let sql = format!("UPDATE balances SET amount = amount + {amount} WHERE account = 'position:{account}'");
        let moved = house.database.execute(&sql, &sql).await;
        assert_eq!(moved, 1, "{account}");
    }
}

/// It was once INTERNAL, or not seen until the window could not be closed. What each sum is refused at, the tests of the store
/// say.
#[tokio::test(flavor = "multi_thread")]
async fn a_partner_hears_which_sum_would_go_too_far_and_others_settle() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, c, desk) = (test.client("A").await, test.client("C").await, test.client("operator").await);
        for issuer in [&a, &test.client("B").await] {
            issuer.issue(Issue::to("card", "1").points(100)).await.unwrap().accepted().unwrap();
        }
        let redeem = async |points| c.redeem(Redeem::from("card", "1").points(points)).await.unwrap();
        redeem(10).await.accepted().unwrap();
        let far = (1 << 61) - 1_500;
        shift(&test, "A", "C", far).await;
        // Nobody has looked at it yet; the statement that adds tells what it has become.
        redeem(10).await.accepted().unwrap();
        let refused = redeem(10).await;
        let refused = refused.rejection().unwrap();
        assert_eq!(refused.reason.as_str(), "OVERFLOW");
        assert_eq!(refused.metadata["maximum"], (1_i64 << 61).to_string());
        assert!(refused.metadata["what"].starts_with("the balance of position:"), "{refused:?}");
        // What brings it back is taken, and so is a close.
        a.issue(Issue::to("card", "2").points(1)).await.unwrap().accepted().unwrap();
        assert!(!desk.operator().preview_settlement(None).await.unwrap().legs.is_empty());
        shift(&test, "C", "A", far).await;
        redeem(10).await.accepted().unwrap();
        desk.operator().close_window(CloseWindow::now()).await.unwrap().accepted().unwrap();
        test.end().await;
    }
}
