//! What a partner can learn of the others from what it is shown: a partner who tries, against a house in which it is alone, a
//! house in which it is one of many, and whatever else it may compare. What it can learn is in docs/security.md.

mod headroom;
mod life;
mod tokens;

use std::collections::BTreeMap;
use std::fmt::Debug;

use clearing::clock;
use clearing_certs::Kind;
use clearing_core::facts::coalition::House;
use clearing_core::units::{MemberId, PartnerId, Points, RequestId};
use clearing_play::{BACKENDS, Backend, TestHouse, Wire};
use clearing_proto::v1;
use tonic::{Response, Status};
use tonic_types::StatusExt as _;

/// Gives each word of a text to `other`, and puts what it says in the place of the word.
fn words(text: &str, mut other: impl FnMut(&str) -> Option<String>) -> String {
    let of_word = |character: char| character.is_ascii_alphanumeric() || character == '_' || character == '-';
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find(of_word) {
        let length = rest[begin..].find(|character| !of_word(character)).unwrap_or(rest.len() - begin);
        let word = &rest[begin..begin + length];
        written.push_str(&rest[..begin]);
        written.push_str(&other(word).unwrap_or_else(|| word.to_owned()));
        rest = &rest[begin + length..];
    }
    written.push_str(rest);
    written
}

/// Ids of members and requests, and opaque texts of the house: ids of entries and lots, tokens of pages.
fn is_id(word: &str) -> bool {
    match word.chars().next() {
        Some('e') if word.len() == 49 => true,
        Some('l') if word.len() == 57 => true,
        Some('p') if word.len() >= 108 => true,
        _ => word.parse::<MemberId>().is_ok(),
    }
}

/// All that a partner was shown, answer by answer.
#[derive(Default)]
struct Shown {
    texts: Vec<String>,
}

impl Shown {
    /// Notes an answer or a refusal, whole, and gives the answer.
    fn note<M: Debug>(&mut self, what: &str, answer: Result<Response<M>, Status>) -> Option<M> {
        match answer.map(Response::into_inner) {
            Ok(message) => {
                self.texts.push(format!("{what}: {message:#?}"));
                Some(message)
            }
            Err(status) => {
                let info = status.get_details_error_info().unwrap();
                let metadata: BTreeMap<_, _> = info.metadata.into_iter().collect();
                let (code, message) = (status.code(), status.message());
                self.texts.push(format!("{what}: {code:?} {} {message:?} {metadata:#?}", info.reason));
                None
            }
        }
    }

    /// The ids in it, each once, in the order in which they were shown.
    fn ids(&self) -> Vec<String> {
        let mut ids = Vec::new();
        for text in &self.texts {
            words(text, |word| {
                if is_id(word) && !ids.iter().any(|id| id == word) {
                    ids.push(word.to_owned());
                }
                None
            });
        }
        ids
    }

    /// The same with a number in the place of each id: which ids are the same is told, and nothing else of them.
    fn without_ids(&self) -> Vec<String> {
        let numbers: BTreeMap<String, usize> = self.ids().into_iter().zip(0..).collect();
        let number = |word: &str| numbers.get(word).map(|number| format!("<{number}>"));
        self.texts.iter().map(|text| words(text, number)).collect()
    }
}

/// Fails unless two partners were shown the same.
fn assert_same(one: &Shown, other: &Shown) {
    let (one, other) = (one.without_ids(), other.without_ids());
    assert_eq!(one.len(), other.len());
    for (one, other) in one.iter().zip(&other) {
        assert_eq!(one, other);
    }
}

fn request_id() -> String {
    RequestId(clock::fresh_uuid()).to_string()
}

fn card(number: &str) -> Option<v1::MemberRef> {
    let identifier = v1::Identifier { scheme: "card".to_owned(), value: number.to_owned() };
    Some(v1::MemberRef { member: Some(v1::member_ref::Member::Identifier(identifier)) })
}

fn issue(member: &str, points: i64) -> v1::IssuePointsRequest {
    v1::IssuePointsRequest { request_id: request_id(), member: card(member), points, ..Default::default() }
}

fn redeem(member: &str, points: i64) -> v1::RedeemPointsRequest {
    v1::RedeemPointsRequest { request_id: request_id(), member: card(member), points, origin: None }
}

/// The first moment of the house, and so many seconds.
fn after(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds: 1_769_904_000 + seconds, nanos: 0 })
}

const DAY: i64 = 86_400;

/// The house of S01: A, B and C pay at redemption.
async fn house(backend: Backend, change: impl FnOnce(&mut House)) -> TestHouse {
    TestHouse::of_s01(backend, change).await.0
}

/// A funder that does not exist, one that never said anything, one that is suspended, and one that took its consent back are
/// the same to whoever wants to issue at their cost.
#[tokio::test(flavor = "multi_thread")]
async fn a_funder_without_consent_looks_like_one_that_does_not_exist() {
    for backend in BACKENDS {
        let test = house(backend, |house| house.coalition.open_consents = false).await;
        let (mut a, mut operator) = (test.wire(Kind::Partner, "A"), test.wire(Kind::Partner, "operator"));
        let consent = |given| v1::SetFundingConsentRequest {
            request_id: request_id(),
            funder_id: "B".to_owned(),
            partner_id: "A".to_owned(),
            given,
            budget_points: None,
        };
        operator.partners.set_funding_consent(consent(true)).await.unwrap();
        operator.partners.set_funding_consent(consent(false)).await.unwrap();
        let suspend = v1::SetPartnerStateRequest {
            request_id: request_id(),
            partner_id: "C".to_owned(),
            state: v1::PartnerState::Suspended.into(),
        };
        operator.partners.set_partner_state(suspend).await.unwrap();
        let mut shown = Vec::new();
        for funder in ["N", "B", "C", "operator"] {
            let funders = || vec![v1::Funder { partner_id: funder.to_owned(), weight: 1 }];
            let shared = || [vec![v1::Funder { partner_id: "A".to_owned(), weight: 2 }], funders()].concat();
            let mut told = Shown::default();
            for funders in [funders(), shared()] {
                // An unknown member, an unknown id of one, and one that is known.
                for member in ["new", "known"] {
                    let asked = v1::IssuePointsRequest { funders: funders.clone(), ..issue(member, 90) };
                    let issued = a.issues.issue_points(asked.clone()).await;
                    told.note("issue", issued);
                    told.note("issue again", a.issues.issue_points(asked.clone()).await);
                    let item = v1::IssuePointsRequest { request_id: request_id(), ..asked };
                    let batch = v1::BatchIssuePointsRequest { items: vec![item] };
                    told.note("batch", a.issues.batch_issue_points(batch).await);
                    let earn = v1::PurchaseEarn { points: 90, funders: funders.clone(), ..Default::default() };
                    let purchase = v1::PostPurchaseRequest {
                        request_id: request_id(),
                        member: card(member),
                        earn: Some(earn),
                        ..Default::default()
                    };
                    told.note("purchase", a.purchases.post_purchase(purchase).await);
                }
            }
            a.issues.issue_points(issue("known", 1)).await.unwrap();
            let texts = told.without_ids().into_iter();
            let name = |word: &str| (word == funder).then(|| "FUNDER".to_owned());
            shown.push(texts.map(|text| words(&text, name)).collect::<Vec<_>>());
        }
        assert!(shown[0].iter().all(|text| text.contains("CONSENT_EXCEEDED")), "{:#?}", shown[0]);
        for other in &shown[1..] {
            assert_eq!(*other, shown[0]);
        }
        test.end().await;
    }
}

/// A funder's limits are its own: whoever issues at its cost learns that one is in the way, and no more.
#[tokio::test(flavor = "multi_thread")]
async fn the_limits_of_a_funder_are_not_told_to_whoever_issues_at_its_cost() {
    for backend in BACKENDS {
        let test = house(backend, |house| {
            for partner in ["A", "B"] {
                let partner: PartnerId = partner.parse().unwrap();
                house.partners.get_mut(&partner).unwrap().limits.points_per_day = Some(Points(100));
            }
        })
        .await;
        let (mut a, mut b) = (test.wire(Kind::Partner, "A"), test.wire(Kind::Partner, "B"));
        let consent = v1::SetFundingConsentRequest {
            request_id: request_id(),
            funder_id: "B".to_owned(),
            partner_id: "A".to_owned(),
            given: true,
            budget_points: None,
        };
        test.wire(Kind::Partner, "operator").partners.set_funding_consent(consent).await.unwrap();
        b.issues.issue_points(issue("m", 77)).await.unwrap();
        let funders = vec![v1::Funder { partner_id: "B".to_owned(), weight: 1 }];
        let refused = a.issues.issue_points(v1::IssuePointsRequest { funders, ..issue("m", 24) }).await.unwrap_err();
        let metadata = refused.get_details_error_info().unwrap().metadata;
        let text = format!("{} {metadata:?}", refused.message());
        assert_eq!(metadata["limit"], "points_per_day");
        assert!(!text.contains("77") && !text.contains("100"), "{text}");
        // Its own are told to a partner with all their numbers.
        let refused = b.issues.issue_points(issue("m", 24)).await.unwrap_err();
        let metadata = refused.get_details_error_info().unwrap().metadata;
        assert_eq!((&*metadata["used_points"], &*metadata["maximum_points"]), ("77", "100"));
        test.end().await;
    }
}
