//! Everything that accountants and the operator hear, as it stands on the wire: pages and their tokens, replays, and what
//! errors carry. What a certificate may ask at all is tested in `access`.

mod explained;
mod partners;
mod reports;
mod settlements;
mod statements;
mod tills;
mod told_again;

use std::collections::BTreeMap;
use std::time::Duration;

use clearing::clock::{self, Clock};
use clearing::coalition_file::{CoalitionFile, Variant};
use clearing::server::Drained;
use clearing_certs::Kind;
use clearing_core::facts::coalition::House;
use clearing_core::units::{RequestId, Timestamp};
use clearing_play::{Backend, TestHouse, Wire, serve};
use clearing_proto::v1;
use tonic_types::StatusExt as _;

/// A pays at redemption, B and the operator have prepaid, C bears a fee of 2 %.
const COALITION: &str = r#"
[coalition]
currency = "EUR"
scale = 4
point_value = "0.01"
start = "2026-02-01T00:00:00Z"
settlement_threshold = "0.05"
breakage = { reserve = "0.5", operator = "0.3", issuer = "0.2" }
[[partner]]
id = "A"
funding = "AT_REDEMPTION"
[[partner]]
id = "B"
[[partner]]
id = "C"
acceptance_fee = "0.02"
"#;

const AUDITOR: &str = "books-and-co";

/// A house of this coalition, and everybody who calls it.
struct Wired {
    test: TestHouse,
    callers: BTreeMap<&'static str, Wire>,
}

impl Wired {
    async fn open(backend: Backend) -> Self {
        Self::with(backend, |_| ()).await
    }

    async fn with(backend: Backend, change: impl FnOnce(&mut House)) -> Self {
        let file = CoalitionFile::parse(COALITION).unwrap();
        let mut house = file.to_house("test", Variant::AtIssue).unwrap();
        change(&mut house);
        Self::of(TestHouse::open(backend, &house, file.start().unwrap()).await)
    }

    fn of(test: TestHouse) -> Self {
        let partners = ["A", "B", "C", "operator"].map(|id| (id, test.wire(Kind::Partner, id)));
        let callers = partners.into_iter().chain([(AUDITOR, test.wire(Kind::Auditor, AUDITOR))]).collect();
        Self { test, callers }
    }

    /// The same house in a new process, at this moment.
    async fn restarted(self, now: &str) -> Self {
        let Self { test: TestHouse { database, identities, server }, callers } = self;
        drop(callers);
        assert_eq!(server.shutdown(Duration::from_secs(20)).await, Drained::Clean);
        let server = serve(&database.url, &identities, Clock::manual(time(now))).await;
        Self::of(TestHouse { database, identities, server })
    }

    /// What somebody asks.
    fn by(&self, caller: &str) -> Wire {
        self.callers[caller].clone()
    }

    async fn issue(&self, issuer: &str, member: &str, points: i64) -> String {
        let request = v1::IssuePointsRequest {
            request_id: request_id(),
            member: member_ref(member),
            points,
            ..v1::IssuePointsRequest::default()
        };
        self.by(issuer)
            .issues
            .issue_points(request)
            .await
            .unwrap()
            .into_inner()
            .written
            .unwrap()
            .entries
            .remove(0)
            .entry_id
    }

    async fn redeem(&self, acceptor: &str, member: &str, points: i64) -> String {
        let request =
            v1::RedeemPointsRequest { request_id: request_id(), member: member_ref(member), points, origin: None };
        self.by(acceptor)
            .redemptions
            .redeem_points(request)
            .await
            .unwrap()
            .into_inner()
            .written
            .unwrap()
            .entries
            .remove(0)
            .entry_id
    }

    async fn give_back(&self, acceptor: &str, redemption: &str, points: i64) {
        let request = v1::ReturnRedemptionRequest {
            request_id: request_id(),
            redemption_entry_id: redemption.to_owned(),
            points,
            origin: None,
        };
        self.by(acceptor).redemptions.return_redemption(request).await.unwrap();
    }

    /// A day's trade: A and B issue, all three accept, and a part of one redemption is returned.
    async fn trade(&self) {
        self.issue("A", "m1", 1000).await;
        self.issue("B", "m2", 500).await;
        self.issue("A", "m3", 300).await;
        let redemption = self.redeem("C", "m1", 700).await;
        self.redeem("C", "m2", 200).await;
        self.redeem("B", "m3", 100).await;
        self.redeem("A", "m1", 50).await;
        self.give_back("C", &redemption, 300).await;
    }

    async fn close(&self) -> v1::Settlement {
        let request = v1::CloseWindowRequest { request_id: request_id() };
        self.by("operator").settlement.close_window(request).await.unwrap().into_inner().settlement.unwrap()
    }

    async fn preview(&self, window: i64) -> v1::Settlement {
        let request = v1::PreviewSettlementRequest { window };
        self.by("operator").settlement.preview_settlement(request).await.unwrap().into_inner().settlement.unwrap()
    }

    async fn statement(
        &self,
        partner: &str,
        window: i64,
        page_size: i32,
        page_token: &str,
    ) -> v1::GetStatementResponse {
        let request =
            v1::GetStatementRequest { window, partner_id: String::new(), page_size, page_token: page_token.to_owned() };
        self.by(partner).position.get_statement(request).await.unwrap().into_inner()
    }

    /// Closes the house and audits its books.
    async fn end(self) {
        let Self { test, callers } = self;
        drop(callers);
        test.end().await;
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn wire_time(text: &str) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: time(text).0 / 1_000_000, nanos: 0 }
}

fn request_id() -> String {
    RequestId(clock::fresh_uuid()).to_string()
}

fn member_ref(card: &str) -> Option<v1::MemberRef> {
    let identifier = v1::Identifier { scheme: "card".to_owned(), value: card.to_owned() };
    Some(v1::MemberRef { member: Some(v1::member_ref::Member::Identifier(identifier)) })
}

/// An amount in ten-thousandths, as the coalition counts.
fn units(amount: &Option<v1::Money>) -> i64 {
    amount.as_ref().unwrap().amount.replace('.', "").parse().unwrap()
}

/// What a request wrote that was answered for the first time, as its repetition hears it.
fn replayed(written: &Option<v1::Written>) -> Option<v1::Written> {
    let written = written.as_ref().unwrap();
    assert!(!written.replayed);
    Some(v1::Written { replayed: true, ..written.clone() })
}

fn reason(status: &tonic::Status) -> String {
    status.get_details_error_info().unwrap().reason
}

fn leg_of(settlement: &v1::Settlement, partner: &str) -> i64 {
    settlement.legs.iter().find(|leg| leg.partner_id == partner).map_or(0, |leg| units(&leg.amount))
}
