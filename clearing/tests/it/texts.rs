//! A number, a time and a path are read by one grammar, at whatever border they come in.

use clearing::coalition_file::CoalitionFile;
use clearing::config::{Config, Environment};
use clearing_certs::Kind;
use clearing_core::facts::coalition::House;
use clearing_play::scenario::Scenario;
use clearing_play::texts::{NO_NUMBERS, NO_TIMES};
use clearing_proto::v1;
use clearing_proto::v1::issue_service_client::IssueServiceClient;
use clearing_proto::v1::partner_service_client::PartnerServiceClient;
use clearing_proto::v1::redemption_service_client::RedemptionServiceClient;
use clearing_proto::v1::settlement_service_client::SettlementServiceClient;
use tempfile::TempDir;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::foreign;
use clearing_play::{BACKENDS, TestHouse};

/// Every field of the wire that holds a number as text.
async fn numbers_of_the_wire(channel: &Channel, text: &str) -> Vec<(&'static str, Result<(), Status>)> {
    let rub = || Some(v1::Money { currency_code: "RUB".to_owned(), amount: text.to_owned() });
    let text = || text.to_owned();
    let member = || {
        let card = v1::Identifier { scheme: "card".to_owned(), value: "1".to_owned() };
        Some(v1::MemberRef { member: Some(v1::member_ref::Member::Identifier(card)) })
    };
    let origin = v1::Origin { receipt_total: rub(), ..v1::Origin::default() };
    let issue = v1::IssuePointsRequest {
        request_id: foreign::key(),
        member: member(),
        points: 1,
        origin: Some(origin),
        ..v1::IssuePointsRequest::default()
    };
    let quote = v1::QuoteRedemptionRequest { member: member(), amount: rub(), ..v1::QuoteRedemptionRequest::default() };
    let deposit = v1::DepositRequest { request_id: foreign::key(), account: "reserve".to_owned(), amount: rub() };
    let mut outcomes = vec![
        ("origin.receipt_total", IssueServiceClient::new(channel.clone()).issue_points(issue).await.map(drop)),
        ("quote.amount", RedemptionServiceClient::new(channel.clone()).quote_redemption(quote).await.map(drop)),
        ("deposit.amount", SettlementServiceClient::new(channel.clone()).deposit(deposit).await.map(drop)),
    ];
    let none = v1::TermsChange::default;
    let breakage = |reserve: String| v1::BreakageSplit { reserve, operator: "0".to_owned(), issuer: "0".to_owned() };
    let terms = [
        ("terms.price", v1::TermsChange { price: Some(text()), ..none() }),
        ("terms.value", v1::TermsChange { value: Some(text()), ..none() }),
        ("terms.reimbursement", v1::TermsChange { reimbursement: Some(text()), ..none() }),
        ("terms.acceptance_fee", v1::TermsChange { acceptance_fee: Some(text()), ..none() }),
        ("terms.tender_value", v1::TermsChange { tender_value: Some(text()), ..none() }),
        ("terms.receipt_share", v1::TermsChange { receipt_share: Some(text()), ..none() }),
        ("terms.breakage", v1::TermsChange { breakage: Some(breakage(text())), ..none() }),
    ];
    let partners = || PartnerServiceClient::new(channel.clone());
    for (field, terms) in terms {
        let (request_id, partner_id) = (foreign::key(), "A".to_owned());
        let ask = v1::SetTermsRequest { request_id, partner_id, terms: Some(terms), ..v1::SetTermsRequest::default() };
        outcomes.push((field, partners().set_terms(ask).await.map(drop)));
    }
    let limits = v1::PartnerLimits { net_debit_cap: Some(text()), ..v1::PartnerLimits::default() };
    let (request_id, partner_id) = (foreign::key(), "A".to_owned());
    let ask = v1::SetLimitsRequest { request_id, partner_id, limits: Some(limits) };
    outcomes.push(("limits.net_debit_cap", partners().set_limits(ask).await.map(drop)));
    outcomes
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_number_is_refused_in_every_field_of_the_wire() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let channel = test.wire(Kind::Partner, "operator").channel;
        for text in NO_NUMBERS {
            for (field, outcome) in numbers_of_the_wire(&channel, text).await {
                let refused = outcome.expect_err(&format!("{text:?} was taken for {field}"));
                assert_eq!(refused.code(), Code::InvalidArgument, "{field} {text:?}: {refused}");
            }
        }
        // Nobody refuses everything.
        for (field, outcome) in numbers_of_the_wire(&channel, "1").await {
            assert!(outcome.as_ref().is_ok_and(|()| true) || field == "quote.amount", "{field}: {outcome:?}");
        }
        test.end().await;
    }
}

/// A file of a coalition with one value put in, without quotes where TOML has numbers.
fn coalition_file(key: &str, value: &str) -> String {
    let (coalition, partner) = match key.split_once('.') {
        Some(("partner", key)) => (String::new(), format!("{key} = {value}\n")),
        _ => (format!("{key} = {value}\n"), String::new()),
    };
    let defaults = [("scale", "2"), ("point_value", "\"1.00\""), ("start", "\"2026-01-01T00:00:00Z\"")];
    let defaults: String =
        defaults.iter().filter(|(name, _)| *name != key).map(|(name, value)| format!("{name} = {value}\n")).collect();
    format!("[coalition]\ncurrency = \"RUB\"\n{defaults}{coalition}[[partner]]\nid = \"A\"\n{partner}")
}

fn read_coalition(key: &str, value: &str) -> Result<House, String> {
    use clearing::coalition_file::Variant;
    let file = CoalitionFile::parse(&coalition_file(key, value)).map_err(|error| error.to_string())?;
    file.to_house("points", Variant::AtRedemption).map_err(|error| error.to_string())
}

#[test]
fn what_is_no_number_or_time_is_refused_in_every_file() {
    let quoted = |text: &str| format!("{text:?}").replace("\\u{", "\\U{");
    let amounts = ["point_value", "acceptance_fee", "settlement_threshold", "partner.price", "partner.net_debit_cap"];
    let counts = ["scale", "grace_days", "partner.points_per_day", "partner.return_days", "partner.cooling_seconds"];
    for text in NO_NUMBERS.into_iter().filter(|text| text.is_ascii()) {
        for key in amounts {
            assert!(read_coalition(key, &quoted(text)).is_err(), "{key} = {text:?}");
        }
        for key in counts {
            assert!(read_coalition(key, text.trim()).is_err() || text != text.trim(), "{key} = {text}");
        }
        let limits = format!("[limits]\npartner_weight = {text}\n");
        assert!(config(&limits).is_err() || text != text.trim(), "{limits}");
        let limits = format!("[limits]\npartner_weight = \"7, A={text}\"\n");
        assert!(config(&limits).is_err() || text != text.trim(), "{limits}");
        let step = format!("do = \"issue\"\nby = \"A\"\nmember = \"m\"\npoints = {text}\n");
        assert!(scenario(&step).is_err() || text != text.trim(), "{step}");
        let step = format!("do = \"deposit\"\naccount = \"reserve\"\namount = {}\n", quoted(text));
        assert!(scenario(&step).is_err(), "{step}");
    }
    for text in NO_TIMES {
        assert!(read_coalition("start", &quoted(text)).is_err(), "{text}");
        assert!(read_coalition("partner.expiry", &quoted(&format!("FIXED {text}"))).is_err(), "{text}");
    }
    // Nobody refuses everything.
    for key in amounts {
        read_coalition(key, "\"1.00\"").or_else(|_| read_coalition(key, "\"0.5\"")).unwrap();
    }
    for key in counts {
        read_coalition(key, "2").unwrap();
    }
    scenario("do = \"issue\"\nby = \"A\"\nmember = \"m\"\npoints = 7\n").unwrap();
    config("[limits]\npartner_weight = \"7, A=3\"\n").unwrap();
}

fn scenario(step: &str) -> Result<Scenario, String> {
    let head = "id = \"T\"\ntitle = \"t\"\nvariants = [\"AT_ISSUE\"]\n";
    let file = format!("{head}{}[[step]]\nat = \"2026-01-01T00:00:00Z\"\n{step}", coalition_file("scale", "2"));
    Scenario::parse(&file).map_err(|error| error.to_string())
}

fn config(text: &str) -> Result<Config, String> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("clearing.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(Some(&path), &Environment::default(), &[]).map_err(|error| error.to_string())
}
