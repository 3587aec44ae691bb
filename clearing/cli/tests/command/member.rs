//! `clearing member`: what the operator can do for a member.

use std::time::Duration;

use partner_sdk::{Issue, Reason, Redeem, Reverse};

use crate::desk::{Desk, client};

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_cares_for_members() {
    let desk = Desk::new();
    let server = desk.sandbox("sandbox", &[]);
    let folder = desk.path("sandbox");
    let house = desk.asking(&["--config", "sandbox/clearing.toml"]);
    let json = |arguments: &[&str]| house.json(arguments);
    let table = |arguments: &[&str]| house.table(arguments);
    let grocer = client(&server.endpoint, &folder, "grocer").await;
    let fuel = client(&server.endpoint, &folder, "fuel").await;
    let issued = grocer.issue(Issue::to("card", "1").points(100)).await.unwrap().accepted().unwrap();

    let balance = json(&["member", "balance", "card:1"]);
    assert_eq!((&balance["available_points"], &balance["owed_points"]), (&100.into(), &0.into()));
    assert_eq!(balance["next_expiry"]["expire_time"], "2027-01-01T00:00:00Z");
    assert!(table(&["member", "balance", &issued.member.member_id]).contains("100 points expire at 2027-01-01"));

    // A tenth for January, once.
    let decay = ["member", "decay", "card:1", "--rate", "0.1", "--period", "2026-01", "--yes"];
    let decayed = json(&decay);
    assert_eq!((&decayed["decayed_points"], &decayed["available_points"]), (&10.into(), &90.into()));
    assert_eq!(json(&decay)["decayed_points"], 0);
    assert!(table(&decay).contains("Nothing was taken"));

    let extended = [
        &["member", "extend-expiry", "card:1", "--issuer", "grocer", "--until", "2027-06-01T00:00:00Z", "--yes"][..],
        &["--expires", "2028-01-01T00:00:00Z", "--reason", "OUTAGE-7"],
    ];
    assert_eq!(json(&extended.concat())["next_expiry"]["expire_time"], "2028-01-01T00:00:00Z");

    // Of 100 points 30 are spent and 10 decayed; what is reversed beyond the 60 left and the 10 that are gone is owed.
    fuel.redeem(Redeem::from("card", "1").points(30)).await.unwrap().accepted().unwrap();
    let reversed =
        grocer.reverse(Reverse::entry(issued.written.entry_id()).points(100)).await.unwrap().accepted().unwrap();
    assert_eq!((reversed.taken_back_points, reversed.written_off_points, reversed.debt_points), (60, 10, 30));
    assert_eq!(json(&["member", "balance", "card:1"])["owed_points"], 30);
    let off = [
        "member",
        "write-off-debt",
        "card:1",
        "--creditor",
        "grocer",
        "--points",
        "20",
        "--reason",
        "CASE-12",
        "--yes",
    ];
    let off = json(&off);
    assert_eq!((&off["written_off_points"], &off["owed_points"]), (&20.into(), &10.into()));
    let given =
        ["member", "reinstate", "card:1", "--funder", "operator", "--points", "25", "--reason", "GOODWILL", "--yes"];
    let given = json(&given);
    assert_eq!((&given["recovered_points"], &given["available_points"]), (&10.into(), &15.into()));

    // Nothing of a frozen member is spent.
    let balance = || (json(&["member", "balance", "card:1"]), table(&["member", "balance", "card:1"]));
    let frozen = json(&["member", "freeze", "card:1", "--reason", "STOLEN-31", "--until", "2100-01-01T00:00:00Z"]);
    assert_eq!((&frozen["frozen"], &frozen["freeze_end_time"]), (&true.into(), &"2100-01-01T00:00:00Z".into()));
    assert!(table(&["member", "freeze", "card:1", "--reason", "STOLEN-32"]).contains("clearing member unfreeze"));
    let refused = fuel.redeem(Redeem::from("card", "1").points(1)).await.unwrap();
    assert_eq!(refused.rejection().unwrap().reason, Reason::MemberBlocked);
    let (told, page) = balance();
    assert_eq!((&told["frozen"], &told["freeze_end_time"]), (&true.into(), &serde_json::Value::Null));
    assert!(page.contains("none of its points can be spent"), "{page}");
    assert_eq!(json(&["member", "unfreeze", "card:1"])["available_points"], 15);
    let (told, page) = balance();
    assert_eq!(told["frozen"], false);
    assert!(!page.contains("frozen"), "{page}");
    let (code, error) = house.failure(&["member", "unfreeze", "card:1", "--reason", "FOUND-31"]);
    assert_eq!((code, error["reason"].as_str()), (1, Some("NOT_FOUND")), "{error}");
    let log = table(&["log", "--kind", "freeze-member"]);
    assert!(log.contains("frozen_until_time 2100-01-01 00:00:00 -> never") && log.contains("STOLEN-32"), "{log}");
    let log = table(&["log", "--kind", "unfreeze_member"]);
    assert!(log.contains("frozen_until_time never -> none"), "{log}");

    // Of all who are inactive: nobody is, until two days have gone by.
    let all = ["member", "decay", "--all", "--yes", "--rate", "0.2", "--period", "2026-02", "--inactive-days", "1"];
    let nobody = json(&all);
    assert_eq!([&nobody["member_count"], &nobody["decayed_member_count"], &nobody["decayed_points"]], [1, 0, 0]);
    let sandbox = grocer.sandbox();
    let now = sandbox.clock().await.unwrap();
    sandbox.advance_clock(now + Duration::from_secs(2 * 86_400)).await.unwrap();
    let somebody = json(&all);
    assert_eq!([&somebody["member_count"], &somebody["decayed_member_count"], &somebody["decayed_points"]], [1, 1, 3]);
    assert_eq!(json(&all)["decayed_member_count"], 0);
    let since = nobody["inactive_since_time"].as_str().unwrap();
    assert!(table(&[&all[..8], &["--inactive-since", since]].concat()).contains("not active after"));
    let ahead = [&all[..8], &["--inactive-since", "2999-01-01T00:00:00Z"]].concat();
    let (code, error) = house.failure(&ahead);
    assert_eq!((code, error["reason"].as_str()), (1, Some("TIME_OUT_OF_RANGE")), "{error}");
    for wrong in
        [&["--all"][..], &["card:1", "--all", "--inactive-days", "1"], &["card:1", "--inactive-days", "1"], &[]]
    {
        let command = [&["member", "decay", "--yes", "--rate", "0.1", "--period", "1"], wrong].concat();
        assert_eq!(desk.run(&command).status.code(), Some(2), "{wrong:?}");
    }
    let both = [&all[..], &["--inactive-since", since]].concat();
    assert_eq!(desk.run(&both).status.code(), Some(2));
    // Why, in the journal.
    let journal = json(&["report", "journal"]);
    let reasons = journal["entries"].as_array().unwrap().iter().filter_map(|entry| entry["reason_code"].as_str());
    let given = ["2026-01", "OUTAGE-7", "CASE-12", "GOODWILL", "STOLEN-31", "STOLEN-32", "2026-02"];
    assert_eq!(reasons.collect::<Vec<_>>(), given);
    assert!(table(&["report", "journal"]).contains("GOODWILL"));

    let (code, error) = house.failure(&["member", "balance", "card:2"]);
    assert_eq!((code, error["kind"].as_str()), (1, Some("REJECTED")), "{error}");
    assert_eq!(desk.run(&["member", "balance", "card:"]).status.code(), Some(2));
    drop((grocer, fuel));
    assert_eq!(server.stop("-TERM").0, Some(0));
    // Once a sandbox named a file that was not there when it was given no database.
    assert_eq!(json(&["audit"])["clean"], true);
}
