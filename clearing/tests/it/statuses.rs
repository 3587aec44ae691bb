//! Every status says why, whatever layer made it; and every answer is read by any client with its defaults.

use std::time::Duration;

use clearing_certs::Kind;
use clearing_proto::v1;
use clearing_proto::v1::entry_service_client::EntryServiceClient;
use clearing_proto::v1::issue_service_client::IssueServiceClient;
use clearing_proto::v1::member_service_client::MemberServiceClient;
use clearing_proto::v1::redemption_service_client::RedemptionServiceClient;
use clearing_proto::v1::report_service_client::ReportServiceClient;
use futures::StreamExt as _;
use http_body_util::StreamBody;
use prost::Message as _;
use tonic::Code;
use tonic::body::Body;
use tonic::transport::Channel;
use tonic_types::StatusExt as _;

use crate::foreign::{self, Plain, message, whole};
use clearing_play::{BACKENDS, TestHouse};

const ISSUE: &str = "coalition.clearing.v1.IssueService/IssuePoints";
const STREAM: &str = "coalition.clearing.v1.IssueService/StreamIssuePoints";

fn card(value: impl Into<String>) -> Option<v1::MemberRef> {
    let card = v1::Identifier { scheme: "card".to_owned(), value: value.into() };
    Some(v1::MemberRef { member: Some(v1::member_ref::Member::Identifier(card)) })
}

fn issue(value: impl Into<String>) -> v1::IssuePointsRequest {
    v1::IssuePointsRequest {
        request_id: foreign::key(),
        member: card(value),
        points: 1,
        ..v1::IssuePointsRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_status_says_why_whatever_layer_made_it() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let mut a = Plain::connect(&test, Kind::Partner, "A").await;
        let good = message(&issue("1").encode_to_vec());
        a.call(ISSUE, &[], good).await.status.code().eq(&Code::Ok).then_some(()).expect("a good call is answered");

        // The rules, and the message in itself.
        let nothing = message(&v1::IssuePointsRequest::default().encode_to_vec());
        let numbers = a.call(ISSUE, &[], nothing).await.is(Code::InvalidArgument, "INVALID_ARGUMENT");
        assert!(numbers.contains_key("field"));
        let spend = v1::RedeemPointsRequest { request_id: foreign::key(), member: card("1"), points: 7, origin: None };
        let method = "coalition.clearing.v1.RedemptionService/RedeemPoints";
        let numbers = a.call(method, &[], message(&spend.encode_to_vec())).await;
        let numbers = numbers.is(Code::FailedPrecondition, "INSUFFICIENT_POINTS");
        assert_eq!((numbers["available_points"].as_str(), numbers["recorded"].as_str()), ("1", "true"));

        // What no message is.
        a.call(ISSUE, &[], message(b"\xff\xff\xff")).await.is(Code::InvalidArgument, "UNDECODABLE");
        a.call(ISSUE, &[], whole(b"")).await.is(Code::InvalidArgument, "UNDECODABLE");
        a.call(ISSUE, &[], whole(&[1, 0, 0, 0, 1, 0])).await.is(Code::InvalidArgument, "UNDECODABLE");
        a.call(ISSUE, &[], whole(&[7, 0, 0, 0, 1, 0])).await.is(Code::InvalidArgument, "UNDECODABLE");
        let numbers = a.call(ISSUE, &[], message(&vec![0; 65_537])).await;
        let numbers = numbers.is(Code::InvalidArgument, "MESSAGE_TOO_LARGE");
        assert_eq!((numbers["message_bytes"].as_str(), numbers["maximum_bytes"].as_str()), ("65537", "65536"));
        a.call(STREAM, &[], message(&vec![0; (4 << 20) + 1])).await.is(Code::InvalidArgument, "MESSAGE_TOO_LARGE");

        // What there is not, and what is not allowed.
        let empty = || message(&[]);
        a.call("coalition.clearing.v1.IssueService/Nothing", &[], empty())
            .await
            .is(Code::Unimplemented, "UNIMPLEMENTED");
        a.call("no.such.Service/Call", &[], empty()).await.is(Code::Unimplemented, "UNIMPLEMENTED");
        a.call("", &[], empty()).await.is(Code::Unimplemented, "UNIMPLEMENTED");
        a.call(ISSUE, &[("grpc-encoding", "zstd")], empty()).await.is(Code::Unimplemented, "UNIMPLEMENTED");
        let close = "coalition.clearing.v1.SettlementService/CloseWindow";
        a.call(close, &[], empty()).await.is(Code::PermissionDenied, "PERMISSION_DENIED");
        let mut stranger = Plain::connect(&test, Kind::Partner, "stranger").await;
        stranger.call(ISSUE, &[], empty()).await.is(Code::PermissionDenied, "PERMISSION_DENIED");
        let health = message(&[&[0x0a, 7][..], b"nothing"].concat());
        a.call("grpc.health.v1.Health/Check", &[], health).await.is(Code::NotFound, "NOT_FOUND");

        // Deadlines: of a call, and of a stream that is under way.
        let late = message(&issue("1").encode_to_vec());
        a.call(ISSUE, &[("grpc-timeout", "1n")], late).await.is(Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
        let open = StreamBody::new(futures::stream::pending::<Result<http_body::Frame<bytes::Bytes>, tonic::Status>>());
        let ended = a.call(STREAM, &[("grpc-timeout", "200m")], Body::new(open)).await;
        ended.is(Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_fits_into_the_trailers_of_any_client_whatever_it_repeats() {
    let (test, _) = TestHouse::of_s01(clearing_play::Backend::Sqlite, |_| ()).await;
    let mut a = Plain::connect(&test, Kind::Partner, "A").await;
    let origin = |change: &dyn Fn(&mut v1::Origin)| {
        let mut origin = v1::Origin::default();
        change(&mut origin);
        v1::IssuePointsRequest { origin: Some(origin), ..issue("1") }
    };
    for text in ["x", "ж", "\u{1f600}", "\n", "%"] {
        for length in [129, 4000, 15_000] {
            let text = || text.repeat(length);
            let money = || Some(v1::Money { currency_code: text(), amount: "1".to_owned() });
            for bad in [
                v1::IssuePointsRequest { request_id: text(), ..issue("1") },
                issue(text()),
                v1::IssuePointsRequest {
                    member: Some(v1::MemberRef { member: Some(v1::member_ref::Member::MemberId(text())) }),
                    ..issue("1")
                },
                origin(&|origin| origin.store = text()),
                origin(&|origin| origin.business_date = text()),
                origin(&|origin| origin.cashier = text()),
                origin(&|origin| origin.receipt_total = money()),
            ] {
                let ended = a.call(ISSUE, &[], message(&bad.encode_to_vec())).await;
                let numbers = ended.is(Code::InvalidArgument, "INVALID_ARGUMENT");
                let echoed = numbers["problem"].matches(&text().chars().next().unwrap().to_string()).count();
                assert!(echoed <= 110, "{echoed} characters are repeated: {numbers:?}");
            }
        }
    }
    test.end().await;
}

/// How many of a batch were accepted, and the reasons of the others.
fn outcome(answer: v1::BatchIssuePointsResponse) -> (usize, Vec<String>) {
    let mut refused = Vec::new();
    let mut accepted = 0;
    for result in answer.results {
        match result.result.unwrap() {
            v1::issue_result::Result::Issued(issued) => {
                let written = issued.written.unwrap();
                assert_eq!((written.entries.len(), written.entries[0].lots.len()), (1, 1));
                assert!(written.entries[0].postings.is_empty() && written.following.is_empty());
                accepted += 1;
            }
            v1::issue_result::Result::Error(error) => {
                assert_eq!(error.domain, "clearing.coalition");
                assert!(error.metadata.contains_key("recorded"), "{error:?}");
                refused.push(error.reason);
            }
        }
    }
    (accepted, refused)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_batch_is_answered_within_the_defaults_of_any_client_or_refused_whole() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let channel = test.wire(Kind::Partner, "A").channel;
        let mut issues = IssueServiceClient::new(channel.clone());
        // As large as 4 MiB of request allow for each of 8,192.
        let origin = |at: usize| v1::Origin {
            store: "\u{1f600}".repeat(20),
            till: "\u{1f600}".repeat(30),
            receipt_number: format!("{}{at}", "\u{1f600}".repeat(50)),
            business_date: "2026-02-01".to_owned(),
            receipt_line: 1,
            ..v1::Origin::default()
        };
        let batch = || {
            let item = |at: usize| v1::IssuePointsRequest { origin: Some(origin(at)), ..issue(format!("{at}")) };
            v1::BatchIssuePointsRequest { items: (0..8_192).map(item).collect() }
        };
        assert!(batch().encoded_len() > 3_900_000, "{}", batch().encoded_len());
        let (accepted, refused) = outcome(issues.batch_issue_points(batch()).await.unwrap().into_inner());
        assert_eq!((accepted, refused.len()), (8_192, 0), "{refused:?}");
        // The same receipts again: each item is refused, with the receipt.
        let (accepted, refused) = outcome(issues.batch_issue_points(batch()).await.unwrap().into_inner());
        assert_eq!((accepted, refused.len()), (0, 8_192));
        assert!(refused.iter().all(|reason| reason == "DUPLICATE_RECEIPT"));

        // Items that may make more lots than would fit.
        let funder = |partner: &str| v1::Funder { partner_id: partner.to_owned(), weight: 1 };
        let joint = || v1::IssuePointsRequest { points: 2, funders: vec![funder("A"), funder("B")], ..issue("joint") };
        let batch = v1::BatchIssuePointsRequest { items: (0..8_192).map(|_| joint()).collect() };
        let status = issues.batch_issue_points(batch).await.unwrap_err();
        let info = status.get_details_error_info().unwrap();
        assert_eq!((status.code(), info.reason.as_str()), (Code::InvalidArgument, "ANSWER_TOO_LARGE"));
        let number = |name: &str| info.metadata[name].parse::<usize>().unwrap();
        assert!(number("answer_bytes") > number("maximum_bytes") && number("maximum_bytes") == 4 << 20, "{info:?}");
        let nobody =
            MemberServiceClient::new(channel).get_balance(v1::GetBalanceRequest { member: card("joint") }).await;
        assert_eq!(nobody.unwrap_err().code(), Code::NotFound, "nothing of it was done");
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_the_largest_entries_ends_where_the_next_would_not_fit() {
    const LOTS: usize = 1_024;
    const ROUNDS: usize = 45;
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let channel = test.wire(Kind::Partner, "A").channel;
        let mut issues = IssueServiceClient::new(channel.clone());
        let mut redemptions = RedemptionServiceClient::new(channel.clone());
        let items = (0..LOTS).map(|_| issue("1")).collect();
        let (accepted, _) =
            outcome(issues.batch_issue_points(v1::BatchIssuePointsRequest { items }).await.unwrap().into_inner());
        assert_eq!(accepted, LOTS);
        let count = i64::try_from(LOTS).unwrap();
        for _ in 0..ROUNDS {
            let redeem =
                v1::RedeemPointsRequest { request_id: foreign::key(), member: card("1"), points: count, origin: None };
            let redeemed = redemptions.redeem_points(redeem).await.unwrap().into_inner().written.unwrap();
            let [redeemed] = <[v1::Entry; 1]>::try_from(redeemed.entries).unwrap();
            assert_eq!(redeemed.lots.len(), LOTS);
            let back = v1::ReturnRedemptionRequest {
                request_id: foreign::key(),
                redemption_entry_id: redeemed.entry_id,
                points: count,
                origin: None,
            };
            redemptions.return_redemption(back).await.unwrap();
        }
        let entries = EntryServiceClient::new(channel);
        let own = pages(|token| {
            let mut entries = entries.clone();
            async move {
                let ask =
                    v1::ListEntriesRequest { page_size: 1_000, page_token: token, ..v1::ListEntriesRequest::default() };
                let page = entries.list_entries(ask).await.unwrap().into_inner();
                (page.encoded_len(), page.entries, page.next_page_token)
            }
        });
        let own = own.await;
        let founding = clearing_play::founding_entries(3);
        let last = founding + i64::try_from(LOTS + 2 * ROUNDS).unwrap();
        assert_eq!(own, (1..=last - founding).rev().collect::<Vec<_>>());
        let channel = test.wire(Kind::Partner, "operator").channel;
        let reports: ReportServiceClient<Channel> = ReportServiceClient::new(channel);
        let journal = pages(|token| {
            let mut reports = reports.clone();
            async move {
                let ask = v1::ListJournalEntriesRequest {
                    from_journal_sequence: 1,
                    page_size: 1_000,
                    page_token: token,
                    ..v1::ListJournalEntriesRequest::default()
                };
                let page = reports.list_journal_entries(ask).await.unwrap().into_inner();
                (page.encoded_len(), page.entries, page.next_page_token)
            }
        });
        let journal = journal.await;
        assert_eq!(journal, (1..=last).collect::<Vec<_>>());
        test.end().await;
    }
}

/// The places of all entries of all pages; fails if there are fewer pages than by count and bytes there must be.
async fn pages<F: Future<Output = (usize, Vec<v1::Entry>, String)>>(ask: impl Fn(String) -> F) -> Vec<i64> {
    let (mut sequences, mut token, mut count, mut bytes) = (Vec::new(), String::new(), 0, 0);
    loop {
        let (size, entries, next) = ask(token).await;
        assert!(size <= 4 << 20, "{size}");
        (count, bytes) = (count + 1, bytes + size);
        sequences.extend(entries.iter().map(|entry| entry.own_sequence.or(entry.journal_sequence).unwrap()));
        if next.is_empty() {
            break;
        }
        token = next;
    }
    assert!(bytes > 4 << 20 && count >= 3, "{count} pages of {bytes} bytes");
    sequences
}

/// A client that does not read is cut, one that waits is answered: neither is left without an end.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_answered_message_by_message_within_the_same_bounds() {
    let (test, _) = TestHouse::of_s01(clearing_play::Backend::Sqlite, |_| ()).await;
    let mut issues = IssueServiceClient::new(test.wire(Kind::Partner, "A").channel);
    let batch = |number: i64, count: usize| v1::StreamIssuePointsRequest {
        batch_number: number,
        items: (0..count).map(|at| issue(format!("{number}-{at}"))).collect(),
    };
    let asked = futures::stream::iter([batch(1, 8_192), batch(2, 3)]);
    let mut answers = issues.stream_issue_points(asked).await.unwrap().into_inner();
    for (number, count) in [(1, 8_192), (2, 3)] {
        let answer = tokio::time::timeout(Duration::from_secs(60), answers.next()).await.unwrap().unwrap().unwrap();
        assert_eq!((answer.batch_number, answer.results.len()), (number, count));
        assert!(answer.encoded_len() <= 4 << 20);
    }
    test.end().await;
}
