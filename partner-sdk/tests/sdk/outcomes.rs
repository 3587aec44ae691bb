//! What the caller of one request learns, whatever happens to it on the way.

use std::collections::HashMap;
use std::time::Duration;

use partner_sdk::{Authorize, Client, EntryKind, Error, Issue, Origin, Outcome, Reason, Redeem, Retries};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::house::{Coalition, House, Step};

fn issue() -> Issue {
    Issue::to("card", "4000").points(100)
}

fn rejection(code: Code, reason: &str, metadata: &[(&str, &str)]) -> Step {
    let metadata: HashMap<String, String> = metadata.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let details = ErrorDetails::with_error_info(reason, "clearing.coalition", metadata);
    Step::Refuse(Status::with_error_details(code, "as the script says", details))
}

fn refusal(code: Code) -> Step {
    Step::Refuse(Status::new(code, "as the script says"))
}

/// Retries without long waits.
fn eager() -> Retries {
    Retries::standard().backoff(Duration::from_millis(1), Duration::from_millis(5))
}

#[tokio::test]
async fn an_accepted_request_gives_its_answer() {
    let house = House::playing([]).await;
    let client = house.client().await;
    let origin = Origin::till("store-7", "3").receipt("R-1");
    let issued = client.issue(issue().origin(origin)).await.unwrap().accepted().unwrap();
    assert_eq!(
        (issued.member.member_id.as_str(), issued.member.available_points, issued.written.replayed),
        ("M", 100, false)
    );
    assert_eq!(issued.written.entries[0].kind, EntryKind::Issue);

    let [request] = &house.issues()[..] else { panic!("one request") };
    let origin = request.origin.as_ref().unwrap();
    assert_eq!((origin.store.as_str(), origin.till.as_str(), origin.receipt_number.as_str()), ("store-7", "3", "R-1"));
    assert_eq!(issued.written.entries[0].request_id.as_deref(), Some(request.request_id.as_str()));
}

/// The reason why there are request ids: the house did it, and the till does not know.
#[tokio::test]
async fn when_an_answer_is_lost_the_retry_carries_the_same_request_id() {
    let house = House::playing([Step::LoseConnection]).await;
    let client = house.builder().retries(eager()).connect().await.unwrap();
    let issued = client.issue(issue()).await.unwrap().accepted().unwrap();

    let requests = house.issues();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0], requests[1]);
    assert_eq!(house.connections(), 2);
    assert_eq!(issued.written.entries[0].request_id, Some(requests[0].request_id.clone()));
}

/// Points must not be reserved twice because an answer was lost.
#[tokio::test]
async fn a_hold_whose_answer_was_lost_is_asked_for_under_the_same_request_id() {
    let house = House::playing([Step::LoseConnection]).await;
    let client = house.builder().retries(eager()).connect().await.unwrap();
    let lapses = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000);
    let held = client.authorize(Authorize::from("card", "4000").points(5).lapses(lapses)).await.unwrap();
    let held = held.accepted().unwrap();
    let [first, second] = &house.holds()[..] else { panic!("two requests") };
    assert_eq!(first, second);
    assert_eq!(held.hold_id, format!("entry-of-{first}"));
}

#[tokio::test]
async fn a_request_id_that_the_caller_stored_is_the_one_that_is_sent() {
    let house = House::playing([]).await;
    let client = house.client().await;
    let id = client.new_request_id();
    for _ in 0..2 {
        client.issue(issue().request_id(id)).await.unwrap().accepted().unwrap();
    }
    let sent: Vec<String> = house.issues().into_iter().map(|request| request.request_id).collect();
    assert_eq!(sent, [id.to_string(), id.to_string()]);
}

#[tokio::test]
async fn each_request_without_a_request_id_gets_one_of_its_own() {
    let house = House::playing([]).await;
    let client = house.client().await;
    for _ in 0..2 {
        client.issue(issue()).await.unwrap().accepted().unwrap();
    }
    let [first, second] = &house.issues()[..] else { panic!("two requests") };
    assert_ne!(first.request_id, second.request_id);
}

#[tokio::test]
async fn a_house_that_is_busy_or_away_for_a_moment_is_asked_again() {
    let busy = ErrorDetails::with_retry_info(Some(Duration::from_millis(1)));
    let house = House::playing([
        Step::Refuse(Status::with_error_details(Code::ResourceExhausted, "too many calls", busy)),
        refusal(Code::Unavailable),
        refusal(Code::Aborted),
        refusal(Code::DeadlineExceeded),
        refusal(Code::Cancelled),
    ])
    .await;
    let client = house.builder().retries(eager()).connect().await.unwrap();
    client.issue(issue()).await.unwrap().accepted().unwrap();
    let requests = house.issues();
    assert_eq!(requests.len(), 6);
    assert!(requests.iter().all(|request| request == &requests[0]));
}

#[tokio::test]
async fn a_rejection_is_final_and_gives_reason_and_numbers() {
    let house = House::playing([rejection(
        Code::FailedPrecondition,
        "INSUFFICIENT_POINTS",
        &[("recorded", "true"), ("transient", "true"), ("replayed", "false"), ("available_points", "40")],
    )])
    .await;
    let client = house.client().await;
    let outcome = client.issue(issue()).await.unwrap();
    let rejection = outcome.rejection().unwrap();
    assert_eq!(rejection.reason, Reason::InsufficientPoints);
    assert_eq!(rejection.number("available_points"), Some(40));
    assert_eq!(rejection.metadata.len(), 1);
    assert!(rejection.transient && !rejection.replayed);
    assert_eq!(house.issues().len(), 1);
}

#[tokio::test]
async fn every_kind_of_rejection_is_one_and_an_unknown_reason_too() {
    for (code, text, reason) in [
        (Code::NotFound, "NOT_FOUND", Reason::NotFound),
        (Code::AlreadyExists, "PARTNER_EXISTS", Reason::PartnerExists),
        (Code::FailedPrecondition, "IDEMPOTENCY_CONFLICT", Reason::IdempotencyConflict),
        (Code::FailedPrecondition, "MOON_TOO_FULL", Reason::Other("MOON_TOO_FULL".to_owned())),
    ] {
        let house = House::playing([rejection(code, text, &[])]).await;
        let outcome = house.client().await.issue(issue()).await.unwrap();
        assert_eq!(outcome.rejection().unwrap().reason, reason);
    }
    // A limit that is a rule says whether it is recorded; one that protects the house does not, and is asked again.
    for recorded in ["true", "false"] {
        let refused = rejection(Code::ResourceExhausted, "LIMIT_EXCEEDED", &[("recorded", recorded)]);
        let house = House::playing([refused]).await;
        let outcome = house.client().await.issue(issue()).await.unwrap();
        assert_eq!(outcome.rejection().unwrap().reason, Reason::LimitExceeded);
        assert_eq!(house.issues().len(), 1);
    }
}

#[tokio::test]
async fn what_certainly_had_no_effect_is_an_error() {
    let mut details = ErrorDetails::with_error_info("INVALID_ARGUMENT", "clearing.coalition", HashMap::new());
    details.set_bad_request(vec![FieldViolation::new("points", "0 is not above zero")]);
    let malformed = Step::Refuse(Status::with_error_details(Code::InvalidArgument, "points: 0", details));
    let house = House::playing([malformed]).await;
    let error = house.client().await.issue(issue().points(0)).await.unwrap_err();
    let Error::InvalidArgument { fields, .. } = error else { panic!("{error:?}") };
    assert_eq!(fields, [("points".to_owned(), "0 is not above zero".to_owned())]);

    let house = House::playing([refusal(Code::PermissionDenied)]).await;
    let error = house.client().await.issue(issue()).await.unwrap_err();
    assert!(matches!(error, Error::PermissionDenied { .. }), "{error:?}");

    let house = House::playing([refusal(Code::Unauthenticated)]).await;
    let error = house.client().await.issue(issue()).await.unwrap_err();
    assert!(matches!(error, Error::Unauthenticated { .. }), "{error:?}");
    assert_eq!(house.issues().len(), 1);
}

#[tokio::test]
async fn without_an_answer_the_outcome_is_unknown_and_names_the_request_id() {
    for steps in [
        vec![Step::FallSilent],
        vec![refusal(Code::Internal)],
        vec![refusal(Code::Unavailable), refusal(Code::Unavailable)],
        // It cannot be known whether the first try had its effect before the certificate was revoked.
        vec![refusal(Code::Unavailable), refusal(Code::PermissionDenied)],
        // Nor whether the first try came through while the key was young enough.
        vec![refusal(Code::Unavailable), rejection(Code::FailedPrecondition, "REQUEST_TOO_OLD", &[])],
    ] {
        let text = format!("{steps:?}");
        let house = House::playing(steps).await;
        let client = house.builder().retries(eager().tries_max(2)).connect().await.unwrap();
        let client = client.with_deadline(Duration::from_millis(500));
        let id = client.new_request_id();
        let outcome = client.issue(issue().request_id(id)).await.unwrap();
        // A silent house answers the second try.
        match outcome {
            Outcome::Unknown(unknown) => assert_eq!(unknown.request_id, id, "{text}"),
            Outcome::Accepted(_) | Outcome::Rejected(_) => panic!("{text}: {outcome:?}"),
        }
    }
}

#[tokio::test]
async fn a_silent_house_leaves_time_to_ask_again() {
    let house = House::playing([Step::FallSilent]).await;
    let client = house.builder().deadline(Duration::from_secs(4)).retries(eager()).connect().await.unwrap();
    client.issue(issue()).await.unwrap().accepted().unwrap();
    let [first, second] = &house.issues()[..] else { panic!("two requests") };
    assert_eq!(first, second);
}

#[tokio::test]
async fn a_final_answer_ends_the_doubt_about_earlier_tries() {
    let rejected = rejection(Code::FailedPrecondition, "PARTNER_SUSPENDED", &[("recorded", "true")]);
    let house = House::playing([refusal(Code::Unavailable), rejected]).await;
    let client = house.builder().retries(eager()).connect().await.unwrap();
    let outcome = client.issue(issue()).await.unwrap();
    assert_eq!(outcome.rejection().unwrap().reason, Reason::PartnerSuspended);
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_no_refusal() {
    let house = House::playing([]).await;
    let outcome = house.client().await.redeem(Redeem::from("card", "4000").points(1)).await.unwrap();
    let Outcome::Unknown(unknown) = outcome else { panic!("{outcome:?}") };
    assert!(matches!(unknown.cause, Error::Protocol { .. }), "{unknown:?}");
}

#[tokio::test]
async fn a_house_that_is_not_there_is_an_error_and_no_doubt() {
    let house = House::playing([]).await;
    let builder = house.builder().deadline(Duration::from_millis(300)).retries(eager());
    drop(house);
    // The port may still be listening until the runtime has dropped the task.
    tokio::task::yield_now().await;
    let error = builder.clone().connect().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    let error = builder.connect_lazy().unwrap().issue(issue()).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
}

/// A till that is cut off: the connection is taken, and then nothing. It need not be in doubt, since nothing left.
#[tokio::test]
async fn a_request_that_never_left_is_an_error_and_no_doubt() {
    let silence = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let coalition = Coalition::new();
    let (cert, key) = coalition.partner("grocer");
    let client = Client::builder(format!("https://{}", silence.local_addr().unwrap()))
        .ca_pem(coalition.ca_pem())
        .identity_pem(cert, key)
        .deadline(Duration::from_millis(200))
        .connect_lazy()
        .unwrap();
    let error = client.issue(issue()).await.unwrap_err();
    assert!(matches!(error, Error::DeadlineExceeded { .. }), "{error:?}");
}

#[tokio::test]
async fn the_budget_of_a_client_ends_its_retries() {
    let steps = (0..10).map(|_| refusal(Code::Unavailable));
    let house = House::playing(steps).await;
    // Two retries at 5 each.
    let client = house.builder().retries(eager().budget(14)).connect().await.unwrap();
    let outcome = client.issue(issue()).await.unwrap();
    assert!(matches!(outcome, Outcome::Unknown(_)), "{outcome:?}");
    assert_eq!(house.issues().len(), 3);
}

#[tokio::test]
async fn a_read_that_finds_nothing_is_an_error() {
    let house = House::playing([rejection(Code::NotFound, "NOT_FOUND", &[])]).await;
    let error = house.client().await.balance(("card", "4000")).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
}

#[tokio::test]
async fn calls_take_turns_on_the_connections_of_a_client() {
    let house = House::playing([]).await;
    let client = house.builder().connections(3).connect().await.unwrap();
    for _ in 0..6 {
        client.clone().issue(issue()).await.unwrap().accepted().unwrap();
    }
    assert_eq!(house.connections(), 3);
}
