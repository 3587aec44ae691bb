//! What tills hear besides the answers that the SDK gives them.

use clearing_play::BACKENDS;
use clearing_proto::v1;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::{Wired, member_ref, reason, request_id, wire_time};

/// The pages of the notices of today, so many members each, as a partner reads them.
async fn notice_pages(house: &Wired, partner: &str, page_size: i32) -> Vec<v1::ListExpiryNoticesResponse> {
    let mut pages: Vec<v1::ListExpiryNoticesResponse> = Vec::new();
    loop {
        let page_token = pages.last().map_or_else(String::new, |page| page.next_page_token.clone());
        let request = v1::ListExpiryNoticesRequest { day: String::new(), page_size, page_token };
        let page = house.by(partner).notices.list_expiry_notices(request).await.unwrap().into_inner();
        pages.push(page);
        if pages.last().unwrap().next_page_token.is_empty() {
            return pages;
        }
    }
}

async fn issue_until(house: &Wired, issuer: &str, member: &str, expires: &str) -> String {
    let request = v1::IssuePointsRequest {
        request_id: request_id(),
        member: member_ref(member),
        points: 10,
        expire_time: Some(wire_time(expires)),
        ..v1::IssuePointsRequest::default()
    };
    house.by(issuer).issues.issue_points(request).await.unwrap().into_inner().member.unwrap().member_id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_says_that_it_is_recorded_only_if_it_is() {
    for backend in BACKENDS {
        let house = Wired::open(backend).await;
        let flags = |status: tonic::Status| {
            let metadata = status.get_details_error_info().unwrap().metadata;
            (reason(&status), metadata["recorded"] == "true", metadata["replayed"] == "true")
        };
        let read = v1::GetBalanceRequest { member: member_ref("stranger") };
        let read = house.by("A").members.get_balance(read).await.unwrap_err();
        assert_eq!(flags(read), ("NOT_FOUND".to_owned(), false, false));
        let redeem = v1::RedeemPointsRequest {
            request_id: request_id(),
            member: member_ref("stranger"),
            points: 1,
            origin: None,
        };
        for replayed in [false, true] {
            let asked = house.by("A").redemptions.redeem_points(redeem.clone()).await.unwrap_err();
            assert_eq!(flags(asked), ("NOT_FOUND".to_owned(), true, replayed));
        }
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_found_in_pages_and_its_tokens_belong_to_it() {
    for backend in BACKENDS {
        let house = Wired::open(backend).await;
        let origin = |line: i32| v1::Origin {
            store: "s1".to_owned(),
            receipt_number: "R-1".to_owned(),
            business_date: "2026-02-01".to_owned(),
            receipt_line: line,
            ..v1::Origin::default()
        };
        for line in 1..=3 {
            let request = v1::IssuePointsRequest {
                request_id: request_id(),
                member: member_ref("m1"),
                points: i64::from(line),
                origin: Some(origin(line)),
                ..v1::IssuePointsRequest::default()
            };
            house.by("A").issues.issue_points(request).await.unwrap();
        }
        let ask = |number: &str, page_size, page_token: &str| v1::FindReceiptRequest {
            store: "s1".to_owned(),
            till: String::new(),
            receipt_number: number.to_owned(),
            business_date: "2026-02-01".to_owned(),
            page_size,
            page_token: page_token.to_owned(),
        };
        let all = house.by("A").receipts.find_receipt(ask("R-1", 0, "")).await.unwrap().into_inner();
        let lines = |entries: &[v1::Entry]| -> Vec<i32> {
            entries.iter().map(|entry| entry.origin.as_ref().unwrap().receipt_line).collect()
        };
        assert_eq!((lines(&all.entries), all.next_page_token.as_str()), (vec![3, 2, 1], ""));
        let first = house.by("A").receipts.find_receipt(ask("R-1", 2, "")).await.unwrap().into_inner();
        assert_eq!(lines(&first.entries), [3, 2]);
        let rest =
            house.by("A").receipts.find_receipt(ask("R-1", 2, &first.next_page_token)).await.unwrap().into_inner();
        assert_eq!((lines(&rest.entries), rest.next_page_token.as_str()), (vec![1], ""));
        let other = house.by("A").receipts.find_receipt(ask("R-2", 2, &first.next_page_token)).await.unwrap_err();
        assert_eq!(other.code(), Code::InvalidArgument);
        let exact = house.by("A").receipts.find_receipt(ask("R-1", 3, "")).await.unwrap().into_inner();
        assert_eq!((exact.entries.len(), exact.next_page_token.as_str()), (3, ""));
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_notices_tell_of_each_member_once_and_of_no_strangers() {
    for backend in BACKENDS {
        let house = Wired::open(backend).await;
        let (mut own, mut strangers) = (Vec::new(), Vec::new());
        for number in 0..7 {
            own.push(issue_until(&house, "A", &format!("a{number}"), "2026-02-08T12:00:00Z").await);
            strangers.push(issue_until(&house, "B", &format!("b{number}"), "2026-02-08T12:00:00Z").await);
        }
        // Members with nothing to lose soon take no place on a page.
        issue_until(&house, "A", "late", "2027-02-08T12:00:00Z").await;
        own.sort_unstable();
        for page_size in [1, 2, 3, 1_000, 0] {
            let pages = notice_pages(&house, "A", page_size).await;
            let members: Vec<_> =
                pages.iter().flat_map(|page| &page.notices).map(|notice| notice.member_id.clone()).collect();
            assert_eq!(members, own, "pages of {page_size}");
            let listed = if page_size == 0 { 500 } else { page_size };
            // As many pages as there were without the strangers.
            assert_eq!(pages.len(), own.len().div_ceil(usize::try_from(listed).unwrap()));
            assert!(pages.iter().all(|page| page.day == "2026-02-01"));
            for page in &pages {
                let tells = |members: &[String]| members.iter().any(|member| page.next_page_token.contains(member));
                assert!(!tells(&own) && !tells(&strangers), "a token names nobody: {}", page.next_page_token);
            }
        }
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_today_goes_on_when_its_day_is_over_and_takes_no_other_token() {
    for backend in BACKENDS {
        let house = Wired::open(backend).await;
        for number in 0..3 {
            issue_until(&house, "A", &format!("a{number}"), "2026-02-08T12:00:00Z").await;
        }
        let ask = async |day: &str, page_size: i32, page_token: &str| {
            let (day, page_token) = (day.to_owned(), page_token.to_owned());
            let request = v1::ListExpiryNoticesRequest { day, page_size, page_token };
            house.by("A").notices.list_expiry_notices(request).await.map(tonic::Response::into_inner)
        };
        let first = ask("", 2, "").await.unwrap();
        assert_eq!((first.day.as_str(), first.notices.len()), ("2026-02-01", 2));
        let tomorrow = v1::AdvanceClockRequest { to_time: Some(wire_time("2026-02-02T00:00:01Z")) };
        house.by("operator").sandbox.advance_clock(tomorrow).await.unwrap();
        let second = ask("", 2, &first.next_page_token).await.unwrap();
        assert_eq!((second.day.as_str(), second.notices.len()), ("2026-02-01", 1));
        assert_eq!(ask("", 2, "").await.unwrap().notices, [], "the next day has none");
        let violation = |status: tonic::Status| {
            assert_eq!(status.code(), Code::InvalidArgument);
            status.get_details_bad_request().unwrap().field_violations[0].field.clone()
        };
        for token in ["x", "1", &first.next_page_token[1..]] {
            assert_eq!(violation(ask("", 2, token).await.unwrap_err()), "page_token", "{token}");
        }
        let other_day = ask("2026-02-01", 2, &first.next_page_token).await.unwrap_err();
        assert_eq!(violation(other_day), "page_token");
        for size in [-1, 1_001] {
            assert_eq!(violation(ask("", size, "").await.unwrap_err()), "page_size");
        }
        assert_eq!(violation(ask("soon", 2, "").await.unwrap_err()), "day");
        house.end().await;
    }
}
