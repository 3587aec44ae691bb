//! How near an issuer is to its net debit cap, in a coalition that does not disclose issuers.

use clearing_core::units::{Money, PartnerId};

use super::*;

/// Of A no acceptor takes more than 60 points: its headroom allows no more.
fn change(house: &mut House) {
    let a: PartnerId = "A".parse().unwrap();
    house.coalition.disclose_issuers = false;
    let issuer = house.partners.get_mut(&a).unwrap();
    issuer.limits.net_debit_cap = Some(Money(issuer.terms[0].price.0 * 60));
}

/// What an acceptor is shown of a member, whatever it tries.
async fn tried(test: &TestHouse, member: &str, other: &str) -> Shown {
    let mut c = test.wire(Kind::Partner, "C");
    let mut shown = Shown::default();
    let balance = || v1::GetBalanceRequest { member: card(member) };
    let quote =
        |points| v1::QuoteRedemptionRequest { member: card(member), points, earn_points: 3, ..Default::default() };
    let hold = |points| v1::AuthorizeRedemptionRequest {
        request_id: request_id(),
        member: card(member),
        points,
        lapse_time: after(DAY),
        origin: None,
    };
    shown.note("balance", c.members.get_balance(balance()).await);
    for points in [1, 30, 50, 51, 59, 60, 61, 99, 100, 101, 5000] {
        shown.note("quote", c.redemptions.quote_redemption(quote(points)).await);
    }
    for points in [61, 100, 101] {
        shown.note("redeem", c.redemptions.redeem_points(redeem(member, points)).await);
        shown.note("hold", c.holds.authorize_redemption(hold(points)).await);
        let spend = v1::PurchaseSpend { source: Some(v1::purchase_spend::Source::RedeemPoints(points)) };
        let purchase = v1::PostPurchaseRequest {
            request_id: request_id(),
            member: card(member),
            spend: Some(spend),
            ..Default::default()
        };
        shown.note("purchase", c.purchases.post_purchase(purchase).await);
    }
    let transfer = v1::TransferPointsRequest {
        request_id: request_id(),
        member: card(member),
        to_member: card(other),
        points: 101,
        ..Default::default()
    };
    shown.note("transfer", c.transfers.transfer_points(transfer).await);
    let taken = shown.note("redeem", c.redemptions.redeem_points(redeem(member, 20)).await).unwrap();
    shown.note("balance", c.members.get_balance(balance()).await);
    shown.note("quote", c.redemptions.quote_redemption(quote(41)).await);
    let held = shown.note("hold", c.holds.authorize_redemption(hold(10)).await).unwrap();
    shown.note("quote", c.redemptions.quote_redemption(quote(31)).await);
    let capture = v1::CaptureHoldRequest { request_id: request_id(), hold_id: held.hold_id, points: 4, origin: None };
    shown.note("capture", c.holds.capture_hold(capture).await);
    let back = v1::ReturnRedemptionRequest {
        request_id: request_id(),
        redemption_entry_id: taken.written.unwrap().entries.remove(0).entry_id,
        points: 5,
        origin: None,
    };
    shown.note("return", c.redemptions.return_redemption(back).await);
    shown.note("balance", c.members.get_balance(balance()).await);
    shown.note("issue", c.issues.issue_points(issue(member, 8)).await);
    shown.note("quote", c.redemptions.quote_redemption(quote(1000)).await);
    // All that can be had.
    shown.note("redeem", c.redemptions.redeem_points(redeem(member, 49)).await);
    shown.note("balance", c.members.get_balance(balance()).await);
    shown.note("redeem", c.redemptions.redeem_points(redeem(member, 1)).await);
    shown
}

/// A member of whose 100 points 40 are passed over is the same to an acceptor as one that has 60, whatever the acceptor tries
/// and compares.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_whose_points_are_passed_over_looks_like_one_that_has_fewer() {
    for backend in BACKENDS {
        let test = house(backend, change).await;
        let (mut a, mut b) = (test.wire(Kind::Partner, "A"), test.wire(Kind::Partner, "B"));
        let until = |member: &str, points, days: i64| v1::IssuePointsRequest {
            expire_time: after(days * DAY),
            ..issue(member, points)
        };
        for (member, points, days) in [("many", 50, 100), ("many", 50, 200)] {
            a.issues.issue_points(until(member, points, days)).await.unwrap();
        }
        for (member, points, days) in [("few", 50, 100), ("few", 10, 200), ("other", 1, 300)] {
            b.issues.issue_points(until(member, points, days)).await.unwrap();
        }
        // Only the first has A's headroom to itself.
        let (many, few) = (tried(&test, "many", "other").await, tried(&test, "few", "other").await);
        assert_same(&many, &few);
        let refused = many.texts.iter().filter(|text| text.contains("INSUFFICIENT_POINTS")).count();
        assert!(refused >= 11, "{refused}");
        assert!(!many.texts.iter().any(|text| text.contains("NET_DEBIT_CAP") || text.contains("\"A\"")));
        // The operator is told all.
        let mut operator = test.wire(Kind::Partner, "operator");
        let whole = operator.members.get_balance(v1::GetBalanceRequest { member: card("many") }).await.unwrap();
        assert!(whole.into_inner().member.unwrap().available_points >= 40);
        test.end().await;
    }
}
