//! The ceilings. `IssuePoints` is answered at once, with an answer of the shape and size that the house's have: what any
//! handler of this call can reach. `GetBalance` is answered with an empty message, as every baseline does: a call that
//! carries nothing either way.

use clearing_core::units::PartnerId;
use clearing_proto::v1;
use tonic::Status;

use super::Issuer;

/// Answers, and does nothing else.
pub struct Echo;

impl Issuer for Echo {
    async fn issue(
        &self,
        caller: PartnerId,
        request: v1::IssuePointsRequest,
    ) -> Result<v1::IssuePointsResponse, Status> {
        Ok(shaped(caller, request))
    }
}

const ID: &str = "0193a7c2-5d0e-7c3a-9f00-0123456789ab";

fn shaped(caller: PartnerId, request: v1::IssuePointsRequest) -> v1::IssuePointsResponse {
    use v1::quantity::Quantity;
    let v1::IssuePointsRequest { request_id, points, origin, .. } = request;
    let time = Some(prost_types::Timestamp { seconds: 1_790_000_000, nanos: 123_456_000 });
    let posting = |account: String, quantity, purpose: Option<v1::Purpose>| v1::Posting {
        account,
        quantity: Some(v1::Quantity { quantity: Some(quantity) }),
        purpose: purpose.map(Into::into),
    };
    let money =
        |amount: i64| Quantity::Money(v1::Money { currency_code: "EUR".to_owned(), amount: format!("{amount}.00") });
    let position = format!("position:{caller}");
    let lot = v1::LotPart {
        lot_id: format!("l{ID}{}", "A".repeat(20)),
        issuer_id: Some(caller.to_string()),
        own: true,
        change: v1::LotChange::Made.into(),
        points,
        expire_time: time,
    };
    let entry = v1::Entry {
        entry_id: format!("e{ID}{}", "A".repeat(12)),
        own_sequence: None,
        journal_sequence: None,
        window: 1,
        kind: v1::EntryKind::Issue.into(),
        entry_time: time,
        postings: vec![
            posting(format!("member:{ID}"), Quantity::Points(points), None),
            posting(format!("issuer:{caller}"), Quantity::Points(-points), None),
            posting(position.clone(), money(-points), Some(v1::Purpose::Reward)),
            posting(position, money(-1), Some(v1::Purpose::Spread)),
        ],
        lots: vec![lot],
        origin,
        linked_entry_id: None,
        request_id: Some(request_id),
        partner_id: Some(caller.to_string()),
        member_id: Some(ID.to_owned()),
        reason_code: None,
        passed_over_issuer_ids: Vec::new(),
    };
    v1::IssuePointsResponse {
        written: Some(v1::Written { entries: vec![entry], ..v1::Written::default() }),
        member: Some(v1::MemberFigures {
            member_id: ID.to_owned(),
            available_points: points,
            next_expiry: Some(v1::ComingExpiry { expire_time: time, points }),
            ..v1::MemberFigures::default()
        }),
    }
}
