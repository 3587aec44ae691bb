//! `clearing partner`: limits, consents and terms of brands that trade meanwhile.

use partner_sdk::{Issue, Redeem};
use serde_json::Value;

use crate::desk::{Desk, client};

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_consents_hold_at_once_and_are_marked_when_they_are_nearly_used() {
    let desk = Desk::new();
    let server = desk.sandbox("sandbox", &[]);
    let folder = desk.path("sandbox");
    let house = desk.asking(&["--config", "sandbox/clearing.toml"]);
    let json = |arguments: &[&str]| house.json(arguments);
    let table = |arguments: &[&str]| house.table(arguments);
    let grocer = client(&server.endpoint, &folder, "grocer").await;
    let issue = async |points| grocer.issue(Issue::to("card", "1").points(points)).await.unwrap();

    let set = json(&["partner", "limits", "grocer", "--net-debit-cap", "1000.00", "--points-per-day", "500"]);
    assert_eq!((&set["limits"]["net_debit_cap"], &set["limits"]["points_per_day"]), (&"1000.00".into(), &500.into()));
    assert!(!table(&["partner", "list"]).contains("80 %"));
    issue(450).await.accepted().unwrap();
    assert_eq!(issue(51).await.rejection().unwrap().reason.as_str(), "LIMIT_EXCEEDED");
    let listed = json(&["partner", "list"]);
    let shown = listed["partners"].as_array().unwrap().iter().find(|of| of["partner"] == "grocer").unwrap();
    assert_eq!(shown["alarm"], true, "{shown}");
    let used = shown["limit_uses"].as_array().unwrap().iter().find(|of| of["limit"] == "points_per_day").unwrap();
    assert_eq!((&used["used"], &used["alarm"]), (&"450".into(), &true.into()));
    let people = table(&["partner", "list"]);
    assert!(people.contains("points per day (90 %) !"), "{people}");
    assert!(people.contains("! grocer used 80 % of a limit or more."), "{people}");
    assert!(table(&["partner", "limits", "grocer"]).contains("450 (90 %) !"));

    // What is not named stays, what is cleared is gone.
    let set = json(&["partner", "limits", "grocer", "--clear", "points-per-day"]);
    assert_eq!((&set["limits"]["net_debit_cap"], &set["limits"]["points_per_day"]), (&"1000.00".into(), &Value::Null));
    issue(51).await.accepted().unwrap();
    let (code, error) = house.failure(&["partner", "limits", "nobody", "--points-per-day", "1"]);
    assert_eq!(code, 1, "{error}");
    assert_eq!(desk.run(&["partner", "limits", "grocer", "--points-per-day", "-1"]).status.code(), Some(2));
    assert_eq!(desk.run(&["partner", "limits", "grocer", "--clear", "everything"]).status.code(), Some(2));

    // So has what is redeemed at its tills.
    let limits = ["--redeem-points-per-member-per-day", "50", "--redeem-foreign-points-per-day", "60"];
    let set = json(&[&["partner", "limits", "fuel"][..], &limits].concat());
    assert_eq!(set["limits"]["redeem_points_per_member_per_day"], 50, "{set}");
    let fuel = client(&server.endpoint, &folder, "fuel").await;
    let redeem = async |points| fuel.redeem(Redeem::from("card", "1").points(points)).await.unwrap();
    assert_eq!(redeem(51).await.rejection().unwrap().reason.as_str(), "LIMIT_EXCEEDED");
    redeem(50).await.accepted().unwrap();
    assert!(table(&["partner", "limits", "fuel"]).contains("50 (83 %) !"));
    json(&["partner", "limits", "fuel", "--clear", "redeem-points-per-member-per-day"]);
    redeem(10).await.accepted().unwrap();
    assert_eq!(redeem(1).await.rejection().unwrap().reason.as_str(), "LIMIT_EXCEEDED");

    // The sandbox consents to everything until somebody says otherwise.
    let joint = async |points| {
        let issue = Issue::to("card", "1").points(points).funders([("fuel", 1)]);
        grocer.issue(issue).await.unwrap()
    };
    joint(5).await.accepted().unwrap();
    let given = json(&["partner", "consent", "fuel", "grocer", "--budget", "20"]);
    assert_eq!((&given["given"], &given["budget_points"]), (&true.into(), &20.into()));
    assert_eq!(joint(21).await.rejection().unwrap().reason.as_str(), "CONSENT_EXCEEDED");
    let used = given["used_points"].as_i64().unwrap();
    joint(20 - used).await.accepted().unwrap();
    assert!(table(&["partner", "limits", "fuel"]).contains("Who may name fuel as a funder"));
    assert_eq!(json(&["partner", "consent", "fuel", "grocer", "--revoke"])["given"], false);
    assert_eq!(joint(1).await.rejection().unwrap().reason.as_str(), "CONSENT_EXCEEDED");

    let terms = [
        &["partner", "terms", "grocer", "--return-days", "forever", "--tender-value", "0.90"][..],
        &["--receipt-share", "0.5", "--expiry", "INACTIVE_DAYS 90", "--funding", "on-payment"],
    ];
    let terms = &json(&terms.concat())["terms"];
    assert_eq!((&terms["return_days"], &terms["tender_value"]), (&Value::Null, &"0.90".into()));
    assert_eq!((&terms["receipt_share"], &terms["expiry"]), (&"0.5".into(), &"INACTIVE_DAYS 90".into()));
    assert_eq!(terms["funding"], "ON_PAYMENT");
    assert_eq!(json(&["partner", "terms", "grocer", "--return-days", "14"])["terms"]["return_days"], 14);
    assert!(table(&["partner", "terms", "grocer"]).contains("return days"));
    drop(grocer);
    assert_eq!(server.stop("-TERM").0, Some(0));
}
