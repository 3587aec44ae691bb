//! Where a leg comes from, as its partner, the operator and auditors are told.

use clearing_play::BACKENDS;
use clearing_proto::v1;
use tonic::Code;

use super::{AUDITOR, Wired, leg_of, reason, request_id, units};

const PARTICIPANTS: [&str; 4] = ["A", "B", "C", "operator"];

impl Wired {
    async fn explained(
        &self,
        caller: &str,
        window: i64,
        partner: &str,
    ) -> Result<v1::ExplainLegResponse, tonic::Status> {
        let request = v1::ExplainLegRequest { window, partner_id: partner.to_owned() };
        self.by(caller).position.explain_leg(request).await.map(tonic::Response::into_inner)
    }

    /// The lines of a partner's statement, added up.
    async fn added_up(&self, partner: &str, window: i64) -> i64 {
        let statement = self.statement(partner, window, 1000, "").await;
        assert!(statement.next_page_token.is_empty());
        statement.lines.iter().map(|line| units(&line.amount)).sum()
    }
}

/// What must be the same of a leg.
fn assert_ties(of: &v1::ExplainLegResponse, lines: i64) {
    let carried = of.carried.as_ref().unwrap();
    let leg = of.leg.as_ref().unwrap();
    let [opening, moved, position, unit, floor, remainder, raised, rounded] =
        [&of.opening, &of.moved, &of.position, &of.minor_unit, &of.floor, &of.remainder, &of.raised, &of.rounded]
            .map(units);
    let [amount, rounding, small] = [&carried.amount, &carried.rounding, &carried.small].map(units);
    assert_eq!(of.carried_in.as_ref().map_or(0, |carried| units(&carried.amount)), opening, "{of:?}");
    assert_eq!((moved, opening + moved), (lines, position), "{of:?}");
    assert_eq!([floor + remainder, floor + raised, units(&leg.amount) + small], [position, rounded, rounded], "{of:?}");
    assert_eq!(
        [rounding + raised, rounding + small, units(&leg.amount) + amount],
        [remainder, amount, position],
        "{of:?}"
    );
    assert!((0..unit).contains(&remainder) && [0, unit].contains(&raised), "{of:?}");
    assert_eq!([floor % unit, small % unit], [0, 0], "{of:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_unit_of_a_leg_is_explained_from_what_was_carried_into_its_window_to_what_is_carried_on() {
    for backend in BACKENDS {
        let house = Wired::open(backend).await;
        // Trade, then what is too small for a leg, then nothing but what was carried, then legs that an abort gave back.
        house.trade().await;
        house.close().await;
        house.redeem("C", "m3", 3).await;
        let small = house.close().await;
        house.close().await;
        let abort = v1::AbortSettlementRequest { request_id: request_id(), window: 1 };
        house.by("operator").settlement.abort_settlement(abort).await.unwrap();
        house.issue("B", "m4", 7).await;
        house.close().await;
        for window in 1..=4 {
            let mut carried_for_being_small = 0;
            for partner in PARTICIPANTS {
                let own = house.explained(partner, window, "").await.unwrap();
                assert_ties(&own, house.added_up(partner, window).await);
                let settlement = house.preview(window).await;
                assert_eq!(units(&own.leg.as_ref().unwrap().amount), leg_of(&settlement, partner));
                let carried = settlement.carried.iter().find(|carried| carried.partner_id == partner);
                let of_leg = own.carried.as_ref().filter(|carried| units(&carried.amount) != 0);
                assert_eq!(carried, of_leg, "the settlement says why as well");
                carried_for_being_small += units(&own.carried.unwrap().small);
            }
            assert_eq!(carried_for_being_small, 0, "somebody stands in for each");
        }
        // A owes C 0.03, less than the threshold of 0.05: the operator pays nothing for it.
        assert!(small.legs.is_empty(), "{small:?}");
        let own = house.explained("operator", 2, "").await.unwrap();
        let taken_over: Vec<&str> = own.taken_over.iter().map(|of| of.partner_id.as_str()).collect();
        assert_eq!(taken_over, ["A", "C"]);
        let sum: i64 = own.taken_over.iter().map(|of| units(&of.amount)).sum();
        assert_eq!(sum, -units(&own.carried.unwrap().small));
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leg_is_explained_to_its_partner_and_whole_to_the_operator_and_to_auditors() {
    for backend in BACKENDS {
        let house = Wired::open(backend).await;
        house.trade().await;
        house.close().await;
        let own = house.explained("C", 1, "").await.unwrap();
        assert_eq!((own.rounding_order.as_ref(), own.proof.as_ref(), own.taken_over.len()), (None, None, 0));
        let whole = house.explained("operator", 1, "C").await.unwrap();
        assert_eq!(house.explained(AUDITOR, 1, "C").await.unwrap(), whole);
        let order = whole.rounding_order.as_ref().unwrap();
        assert!((1..=order.participant_count).contains(&order.place) && order.participant_count == 4, "{order:?}");
        assert_eq!(order.place <= order.raised_count, units(&whole.raised) > 0, "{order:?}");
        assert_eq!(whole.proof, house.preview(1).await.proof);
        let as_to_c = v1::ExplainLegResponse { rounding_order: None, proof: None, ..whole };
        assert_eq!(as_to_c, own, "nothing else differs");
        // The open window has no legs; of others a partner hears nothing.
        let refusals = [
            ("C", 1, "A", Code::PermissionDenied),
            ("C", 2, "", Code::NotFound),
            ("operator", 2, "C", Code::NotFound),
            ("operator", 9, "C", Code::NotFound),
            ("operator", 1, "nobody", Code::NotFound),
            ("C", 0, "", Code::InvalidArgument),
        ];
        for (caller, window, partner, code) in refusals {
            let refused = house.explained(caller, window, partner).await.unwrap_err();
            assert_eq!(refused.code(), code, "{caller}, {window}, {partner}: {}", reason(&refused));
        }
        house.end().await;
    }
}
