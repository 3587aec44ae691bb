//! Batches and streams of them: an outcome for every item, also when the connection breaks.

use std::time::Duration;

use partner_sdk::{Client, Error, Issue, Issued, Outcome, Reason, Retries};
use tonic::{Code, Status};

use crate::house::{House, Step};

fn items(points: impl IntoIterator<Item = i64>) -> Vec<Issue> {
    points.into_iter().map(|points| Issue::to("card", points.to_string()).points(points)).collect()
}

async fn eager(house: &House) -> Client {
    let retries = Retries::standard().backoff(Duration::from_millis(1), Duration::from_millis(5));
    house.builder().retries(retries).connect().await.unwrap()
}

fn points_of(outcomes: Vec<Result<Outcome<Issued>, Error>>) -> Vec<i64> {
    outcomes.into_iter().map(|outcome| outcome.unwrap().accepted().unwrap().member.available_points).collect()
}

#[tokio::test]
async fn each_item_of_a_batch_has_its_own_outcome_in_order() {
    let house = House::playing([]).await;
    let outcomes = eager(&house).await.batch_issue(items([1, 13, -1, 14, 2])).await.unwrap();
    let [first, rejected, malformed, later, last] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert!(matches!(first, Ok(Outcome::Accepted(issued)) if issued.member.available_points == 1));
    assert_eq!(rejected.as_ref().unwrap().rejection().unwrap().reason, Reason::PartnerRestricted);
    assert!(matches!(malformed, Err(Error::InvalidArgument { .. })), "{malformed:?}");
    let delay = Duration::from_secs(14);
    assert!(matches!(later, Err(Error::RateLimited { retry_after, .. }) if *retry_after == Some(delay)), "{later:?}");
    assert!(matches!(last, Ok(Outcome::Accepted(issued)) if issued.member.available_points == 2));
}

#[tokio::test]
async fn a_batch_whose_answer_is_lost_is_sent_again_under_the_same_request_ids() {
    let house = House::playing([Step::LoseConnection]).await;
    let outcomes = eager(&house).await.batch_issue(items([1, 2])).await.unwrap();
    assert_eq!(points_of(outcomes), [1, 2]);
    let requests = house.issues();
    assert_eq!(requests.len(), 4);
    assert_eq!(requests[..2], requests[2..]);
}

#[tokio::test]
async fn when_nobody_knows_about_a_batch_nobody_knows_about_its_items() {
    let house = House::playing([Step::Refuse(Status::new(Code::Internal, "as the script says"))]).await;
    let outcomes = eager(&house).await.batch_issue(items([1, 2])).await.unwrap();
    let sent: Vec<String> = house.issues().into_iter().map(|request| request.request_id).collect();
    let unknown: Vec<String> = outcomes
        .into_iter()
        .map(|outcome| match outcome.unwrap() {
            Outcome::Unknown(unknown) => unknown.request_id.to_string(),
            Outcome::Accepted(_) | Outcome::Rejected(_) => panic!("the house said INTERNAL"),
        })
        .collect();
    assert_eq!(unknown, sent);
}

#[tokio::test]
async fn a_stream_answers_every_batch_in_the_order_sent() {
    let house = House::playing([]).await;
    let mut stream = eager(&house).await.stream_issue(2);
    for batch in 1..=5 {
        assert_eq!(stream.send(items([batch, batch + 100])).await.unwrap(), batch);
    }
    let mut answers = Vec::new();
    while let Some(answer) = stream.next().await.unwrap() {
        answers.push((answer.batch_number, points_of(answer.outcomes)));
    }
    assert_eq!(answers, (1..=5).map(|batch| (batch, vec![batch, batch + 100])).collect::<Vec<_>>());
    assert!(stream.unanswered().is_empty());
    assert_eq!(house.connections(), 1);
}

#[tokio::test]
async fn a_stream_that_breaks_sends_the_unanswered_batches_again_under_the_same_request_ids() {
    // Opened, one batch answered, then the connection is lost before the second answer leaves.
    let house = House::playing([Step::Answer, Step::Answer, Step::LoseConnection]).await;
    let mut stream = eager(&house).await.stream_issue(3);
    for batch in 1..=3 {
        stream.send(items([batch])).await.unwrap();
    }
    let mut answers = Vec::new();
    while let Some(answer) = stream.next().await.unwrap() {
        answers.push((answer.batch_number, points_of(answer.outcomes)));
    }
    assert_eq!(answers, [(1, vec![1]), (2, vec![2]), (3, vec![3])]);

    // The house has the second batch twice (and the third once or twice), always under the same key.
    assert!(house.batches().iter().filter(|number| **number == 2).count() == 2, "{:?}", house.batches());
    let mut keys: Vec<_> = house.issues().into_iter().map(|request| (request.points, request.request_id)).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 3);
}

#[tokio::test]
async fn a_stream_that_is_refused_says_so_and_keeps_what_was_not_answered() {
    let house = House::playing([Step::Refuse(Status::new(Code::PermissionDenied, "as the script says"))]).await;
    let mut stream = eager(&house).await.stream_issue(8);
    stream.send(items([1, 2])).await.unwrap();
    let error = stream.next().await.unwrap_err();
    assert!(matches!(error, Error::PermissionDenied { .. }), "{error:?}");
    assert_eq!(stream.unanswered().len(), 2);
    // The house lets it in the second time.
    assert_eq!(points_of(stream.next().await.unwrap().unwrap().outcomes), [1, 2]);
}
