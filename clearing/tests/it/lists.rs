//! Lists and statements of a real house: they come up with the journal by themselves, on every node.

use std::time::Duration;

use partner_sdk::{Client, Issue, Statement};

use clearing_play::{BACKENDS, TestHouse};

/// More entries than a reader looks through itself, so that a statement that is given was projected by the house.
const ENTRIES: i64 = 6_000;

async fn burst(client: &Client) {
    for _ in 0..ENTRIES / 1_000 {
        let items = (0..1_000).map(|number| Issue::to("card", (number % 50).to_string()).points(1)).collect();
        for outcome in client.batch_issue(items).await.unwrap() {
            outcome.unwrap().accepted().unwrap();
        }
    }
}

/// The statement of the open window. The house may say that its lists are behind; then it is asked again.
async fn statement(client: &Client) -> Statement {
    for _ in 0..40 {
        if let Ok(statement) = client.statement(None).await {
            return statement;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("the lists did not come up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_after_a_burst_comes_up_without_anybody_reading() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let client = test.client("A").await;
        burst(&client).await;
        let statement = statement(&client).await;
        assert_eq!(statement.totals.iter().map(|total| total.line_count).sum::<i64>(), ENTRIES);
        assert_eq!(statement.totals.iter().map(|total| total.points).sum::<i64>(), ENTRIES);
        // What was acknowledged is in it at once.
        client.issue(Issue::to("card", "1").points(5)).await.unwrap().accepted().unwrap();
        let after = client.statement(None).await.unwrap();
        assert_eq!(after.totals.iter().map(|total| total.points).sum::<i64>(), ENTRIES + 5);
        drop(client);
        test.end().await;
    }
}
