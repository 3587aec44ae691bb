//! What the operator sets, and whom the house takes its callers for.

use clearing_core::facts::calendar::Calendar;
use clearing_core::units::PartnerId;
use clearing_play::BACKENDS;
use clearing_proto::v1;
use tonic::Code;

use super::{Wired, reason, replayed, request_id, wire_time};

#[tokio::test(flavor = "multi_thread")]
async fn partners_are_created_changed_and_listed_and_replays_say_the_same() {
    for backend in BACKENDS {
        let house = Wired::open(backend).await;
        let mut desk = house.by("operator").partners;
        let create = v1::CreatePartnerRequest {
            request_id: request_id(),
            partner_id: "D".to_owned(),
            display_name: "Delta".to_owned(),
            terms: Some(v1::TermsChange { price: Some("0.02".to_owned()), ..v1::TermsChange::default() }),
            limits: None,
            no_default_limits: false,
        };
        let created = desk.create_partner(create.clone()).await.unwrap().into_inner();
        assert_eq!(created.partner.as_ref().unwrap().terms.as_ref().unwrap().price, "0.0200");
        let again = desk.create_partner(create.clone()).await.unwrap().into_inner();
        assert_eq!(again, v1::CreatePartnerResponse { written: replayed(&created.written), ..created });
        let taken = v1::CreatePartnerRequest { request_id: request_id(), ..create.clone() };
        assert_eq!(desk.create_partner(taken).await.unwrap_err().code(), Code::AlreadyExists);

        let set = |price: &str| v1::SetTermsRequest {
            request_id: request_id(),
            partner_id: "D".to_owned(),
            terms: Some(v1::TermsChange { price: Some(price.to_owned()), ..v1::TermsChange::default() }),
            effective_time: None,
        };
        let second = set("0.03");
        let changed = desk.set_terms(second.clone()).await.unwrap().into_inner();
        assert_eq!(changed.terms.as_ref().unwrap().version, 2);
        desk.set_terms(set("0.04")).await.unwrap();
        let again = desk.set_terms(second).await.unwrap().into_inner();
        let same = v1::SetTermsResponse { written: replayed(&changed.written), ..changed };
        assert_eq!(again, same, "the version that the request made, not a later one");
        let nothing = v1::SetTermsRequest { terms: Some(v1::TermsChange::default()), ..set("0.05") };
        assert_eq!(desk.set_terms(nothing).await.unwrap_err().code(), Code::InvalidArgument);

        let suspend = v1::SetPartnerStateRequest {
            request_id: request_id(),
            partner_id: "D".to_owned(),
            state: v1::PartnerState::Suspended.into(),
        };
        let suspended = desk.set_partner_state(suspend.clone()).await.unwrap().into_inner();
        assert_eq!(
            (suspended.previous_state(), suspended.state()),
            (v1::PartnerState::Active, v1::PartnerState::Suspended)
        );
        let again = desk.set_partner_state(suspend).await.unwrap().into_inner();
        assert_eq!(
            again,
            v1::SetPartnerStateResponse { written: replayed(&suspended.written), ..suspended },
            "as it was then"
        );

        let list = |page_size, page_token| v1::ListPartnersRequest { page_size, page_token };
        let all = desk.list_partners(list(0, String::new())).await.unwrap().into_inner();
        let names: Vec<_> = all.partners.iter().map(|partner| partner.partner_id.as_str()).collect();
        assert_eq!(names, ["A", "B", "C", "D", "operator"]);
        let first = desk.list_partners(list(3, String::new())).await.unwrap().into_inner();
        let second = desk.list_partners(list(3, first.next_page_token)).await.unwrap().into_inner();
        assert_eq!([first.partners, second.partners].concat(), all.partners);
        assert!(second.next_page_token.is_empty());
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sandboxs_clock_moves_forward_and_tells_what_ran() {
    for backend in BACKENDS {
        let house = Wired::with(backend, |house| {
            house.calendar = Calendar::of(["0 0 * * *"], "UTC").into();
        })
        .await;
        house.trade().await;
        let to = |text: &str| v1::AdvanceClockRequest { to_time: Some(wire_time(text)) };
        let moved = house.by("A").sandbox.advance_clock(to("2026-02-03T12:00:00Z")).await.unwrap().into_inner();
        assert_eq!(moved.clock_time, Some(wire_time("2026-02-03T12:00:00Z")));
        assert_eq!((moved.due_work_count, moved.due_works[0].window, moved.due_works[1].window), (2, Some(1), Some(2)));
        assert_eq!(moved.due_works[0].due_time, Some(wire_time("2026-02-02T00:00:00Z")));
        assert_eq!(moved.due_works[0].entry_ids.len(), 1);
        let again = house.by("A").sandbox.advance_clock(to("2026-02-03T12:00:00Z")).await.unwrap().into_inner();
        assert_eq!(again.due_work_count, 0);
        let back = house.by("A").sandbox.advance_clock(to("2026-02-01T12:00:00Z")).await.unwrap_err();
        assert_eq!(reason(&back), "TIME_OUT_OF_RANGE");
        let none = house.by("A").sandbox.advance_clock(v1::AdvanceClockRequest { to_time: None }).await.unwrap_err();
        assert_eq!(none.code(), Code::InvalidArgument);
        let now = house.by("A").sandbox.get_clock(v1::GetClockRequest {}).await.unwrap().into_inner();
        assert_eq!(now.clock_time, moved.clock_time);
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_house_says_who_it_takes_the_caller_for() {
    for backend in BACKENDS {
        let house = Wired::open(backend).await;
        let said = house.by("A").info.get_server_info(v1::GetServerInfoRequest {}).await.unwrap().into_inner();
        assert_eq!((said.caller_id.as_str(), said.currency_code.as_str(), said.scale), ("A", "EUR", 4));
        assert_eq!(said.point_value, "0.0100");
        assert_eq!(said.limits.unwrap().batch_items_max, 8192);
        let operator =
            house.by("operator").info.get_server_info(v1::GetServerInfoRequest {}).await.unwrap().into_inner();
        assert_eq!(operator.caller_id, PartnerId::operator().as_str());
        house.end().await;
    }
}
