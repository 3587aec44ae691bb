//! A coalition from its beginning to a settled window and an audit, as its operator sees it.

use std::fs;

use partner_sdk::{Issue, Redeem};
use serde_json::Value;
use sqlx::Connection as _;

use crate::desk::{Desk, client, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_coalition_lives_from_init_to_a_settled_window() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--fee", "0.02", "--listen", "127.0.0.1:0"]);
    let config = ["--config", "coalition/clearing.toml"];
    let server = desk.serve(&[&["serve"], &config[..]].concat());
    let endpoint = server.endpoint.clone();
    let house = desk.asking(&[&config[..], &["--endpoint", &endpoint]].concat());
    let json = |arguments: &[&str]| house.json(arguments);
    let table = |arguments: &[&str]| house.table(arguments);
    let failure = |arguments: &[&str]| house.failure(arguments);

    // Two brands join.
    let created = json(&["partner", "create", "GROCER", "--name", "Green Grocer"]);
    assert_eq!(created["partner"]["terms"]["acceptance_fee"], "0.02");
    assert_eq!(created["partner"]["limits"]["net_debit_cap"], "100000.00");
    assert_eq!(created["partner"]["limits"]["points_per_entry"], 100_000);
    let unlimited = table(&["partner", "create", "TRIAL", "--no-limits", "--points-per-day", "9"]);
    let limit = |name: &str| unlimited.lines().find(|line| line.contains(name)).unwrap().to_owned();
    assert!(limit("net debit cap").contains("none") && limit("points per day").contains('9'), "{unlimited}");
    json(&["partner", "create", "FUEL", "--funding", "at-issue", "--price", "1.05", "--expiry", "MONTHS 12"]);
    let (code, error) = failure(&["partner", "create", "FUEL"]);
    assert_eq!((code, error["reason"].as_str()), (1, Some("PARTNER_EXISTS")), "{error}");
    let (code, error) = failure(&["partner", "terms", "FUEL", "--reimbursement", "1.01"]);
    assert_eq!((code, error["reason"].as_str()), (1, Some("TERMS_UNDERFUND")), "{error}");
    let listed = json(&["partner", "list"]);
    let ids: Vec<_> = listed["partners"].as_array().unwrap().iter().map(|of| of["partner"].as_str().unwrap()).collect();
    assert_eq!(ids, ["FUEL", "GROCER", "TRIAL", "operator"]);
    assert!(table(&["partner", "list"]).contains("Green Grocer"));
    let renamed = json(&["partner", "rename", "GROCER", "Greengrocer & Sons"]);
    assert_eq!(renamed["previous_display_name"], "Green Grocer");
    assert!(table(&["partner", "list"]).contains("Greengrocer & Sons"));
    assert!(table(&["log", "--kind", "rename-partner"]).contains("display_name Green Grocer -> Greengrocer & Sons"));
    let (code, error) = failure(&["partner", "rename", "NOBODY", "Somebody"]);
    assert_eq!((code, error["reason"].as_str()), (1, Some("NOT_FOUND")), "{error}");
    assert_eq!(json(&["partner", "terms", "FUEL"])["terms"]["expiry"], "MONTHS 12");
    for brand in ["GROCER", "FUEL"] {
        json(&["partner", "certificate", brand, "--out", "brands"]);
    }
    let (code, _) = failure(&["partner", "certificate", "FUEL", "--out", "brands"]);
    assert_eq!(code, 2);

    // A member earns at one and spends at the other.
    let grocer = client(&endpoint, &desk.path("brands"), "GROCER").await;
    let fuel = client(&endpoint, &desk.path("brands"), "FUEL").await;
    grocer.issue(Issue::to("card", "1").points(100)).await.unwrap().accepted().unwrap();
    fuel.redeem(Redeem::from("card", "1").points(60)).await.unwrap().accepted().unwrap();

    // The window is closed once, however often the same request is sent.
    let preview = json(&["settlement", "preview"]);
    assert_eq!((preview["window"].as_i64(), &preview["settlement_state"]), (Some(1), &Value::Null));
    let request = fuel.new_request_id().to_string();
    let closed = json(&["window", "close", "--yes", "--request-id", &request]);
    assert_eq!((closed["open_window"].as_i64(), closed["replayed"].as_bool()), (Some(2), Some(false)));
    let again = json(&["window", "close", "--yes", "--request-id", &request]);
    assert_eq!((again["open_window"].as_i64(), again["replayed"].as_bool()), (Some(2), Some(true)));
    let legs = &closed["settlement"]["legs"];
    let leg = |partner: &str| {
        let of = legs.as_array().unwrap().iter().find(|leg| leg["partner"] == partner);
        of.unwrap()["amount"].as_str().unwrap().to_owned()
    };
    assert_eq!([leg("GROCER"), leg("FUEL"), leg("operator")], ["-60.00", "58.80", "1.20"]);
    assert_eq!(closed["settlement"]["proof"]["sum"], "0.00");

    // It settles.
    let (code, error) = failure(&["settlement", "pay", "1", "GROCER", "--yes"]);
    assert_eq!((code, error["reason"].as_str()), (1, Some("SETTLEMENT_NOT_CONFIRMED")), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("clearing settlement confirm"), "{error}");
    assert_eq!(json(&["settlement", "confirm", "1", "--yes"])["settlement_state"], "CONFIRMED");
    let exported = json(&["settlement", "export", "1", "--csv", "orders.csv"]);
    // What is to be paid out waits for the money.
    assert_eq!(exported["orders"].as_array().unwrap().len(), 1);
    assert!(fs::read_to_string(desk.path("orders.csv")).unwrap().starts_with("window,payer,payee,amount,currency\r\n"));
    let file = fs::read(desk.path("orders.csv")).unwrap();
    json(&["settlement", "export", "1", "--csv", "again.csv"]);
    assert_eq!(fs::read(desk.path("again.csv")).unwrap(), file, "the same export gives the same file");
    let (code, error) = failure(&["settlement", "export", "1", "--mode", "pairwise"]);
    assert_eq!((code, error["reason"].as_str()), (1, Some("EXPORTED_OTHERWISE")), "{error}");
    assert_eq!(
        (&error["numbers"]["exported_mode"], &error["numbers"]["asked_mode"]),
        (&"HUB".into(), &"PAIRWISE".into())
    );
    assert!(error["hint"].as_str().unwrap().contains("--replace"), "{error}");
    let (code, error) = failure(&["settlement", "export", "1", "--mode", "pairwise", "--replace"]);
    assert_eq!((code, error["kind"].as_str()), (2, Some("USAGE")), "{error}");
    assert!(table(&["settlement", "export", "1", "--mode", "pairwise", "--replace", "--dry-run"]).contains("are void"));
    assert!(json(&["settlement", "orders", "1"])["orders"][0]["payee"] == "hub", "a dry run exported something");
    json(&["settlement", "export", "1", "--mode", "pairwise", "--replace", "--yes"]);
    assert!(json(&["settlement", "orders", "1"])["orders"][0]["payee"] != "hub");
    json(&["settlement", "export", "1", "--replace", "--yes"]);
    let (code, error) = failure(&["settlement", "pay", "1", "GROCER", "--amount", "59", "--yes"]);
    assert_eq!((code, error["reason"].as_str()), (1, Some("AMOUNT_MISMATCH")), "{error}");
    let long = "x".repeat(141);
    let (code, error) = failure(&["settlement", "pay", "1", "GROCER", "--reference", &long, "--yes"]);
    assert_eq!((code, error["kind"].as_str()), (2, Some("USAGE")), "{error}");
    let paid = ["settlement", "pay", "1", "GROCER", "--yes", "--reference", "RF18 5390", "--value-date", "2026-03-02"];
    assert_eq!(json(&paid)["settlement_state"], "PARTLY_PAID");
    let payments = json(&["settlement", "orders", "1"])["payments"].clone();
    let told = (&payments[0]["paid"], &payments[0]["reference"], &payments[0]["value_date"]);
    assert_eq!(told, (&"GROCER to hub".into(), &"RF18 5390".into(), &"2026-03-02".into()), "{payments}");
    assert!(table(&["settlement", "orders", "1"]).contains("RF18 5390"));
    assert!(table(&["log", "--kind", "payment"]).contains("value_date 2026-03-02"));
    let (code, error) = failure(&["settlement", "export", "1", "--mode", "pairwise", "--replace", "--yes"]);
    assert_eq!((code, error["reason"].as_str()), (1, Some("SETTLEMENT_ALREADY_PAID")), "{error}");
    let hint = error["hint"].as_str().unwrap();
    assert!(!hint.contains("given up") && !hint.contains("abort"), "a hint of another command: {hint}");
    let orders = json(&["settlement", "orders", "1"]);
    let paid = orders["orders"].as_array().unwrap().iter().filter(|order| order["paid"] == true);
    assert_eq!(paid.count(), 1, "{orders}");
    let (code, error) = failure(&["settlement", "abort", "1", "--yes"]);
    assert_eq!((code, error["reason"].as_str()), (1, Some("SETTLEMENT_ALREADY_PAID")), "{error}");
    assert_eq!(json(&["settlement", "pay", "1", "--all", "--yes"])["settlement_state"], "SETTLED");
    assert_eq!(json(&["window", "list"])["windows"][1]["settlement_state"], "SETTLED");
    assert!(table(&["settlement", "preview", "1"]).contains("PAID"));

    // The reports agree with it.
    let netting = json(&["report", "netting", "1"]);
    assert_eq!(netting["obligations"][0]["gross"], "60.00");
    assert!(table(&["report", "netting", "1"]).contains("issuer \\ acceptor"));
    let balance = json(&["report", "trial-balance"]);
    assert_eq!((balance["balanced"].as_bool(), balance["points_sum"].as_i64()), (Some(true), Some(0)));
    assert!(table(&["report", "trial-balance"]).contains("The books balance."));
    let journal = json(&["report", "journal", "--limit", "2"]);
    assert_eq!(journal["entries"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&journal["entries"][0]["kind"], &journal["entries"][1]["kind"]),
        (&"FOUND".into(), &"CREATE_PARTNER".into())
    );
    assert_eq!(json(&["report", "notices"])["notices"].as_array().map(Vec::len), Some(0), "no points expire");
    let (code, error) = failure(&["report", "notices", "--day", "tomorrow"]);
    assert_eq!((code, error["kind"].as_str()), (2, Some("USAGE")), "{error}");
    let log = json(&["log", "--partner", "GROCER"]);
    let kinds = log["actions"].as_array().unwrap().iter().map(|action| action["kind"].as_str().unwrap());
    assert_eq!(kinds.collect::<Vec<_>>(), ["PAYMENT", "CLOSE", "RENAME_PARTNER", "CREATE_PARTNER"]);
    assert_eq!((&log["actions"][1]["actor"], &log["actions"][1]["window"]), (&"operator/operator-1".into(), &1.into()));
    let confirmed = table(&["log", "--kind", "confirm-settlement", "--window", "1"]);
    assert!(confirmed.contains("settlement_state PROPOSED -> CONFIRMED"), "{confirmed}");
    assert!(table(&["log", "--limit", "1"]).contains("There are older ones"));
    let (code, error) = failure(&["log", "--kind", "issue"]);
    let message = error["message"].as_str().unwrap();
    assert_eq!(code, 2, "{error}");
    assert!(message.contains("ISSUE is no decision of the house"), "{error}");
    assert!(message.contains("CONFIRM_SETTLEMENT"), "{error}");
    let statement = json(&["statement", "FUEL", "--window", "1"]);
    assert_eq!((statement["leg"].as_str(), statement["closing"].as_str()), (Some("58.80"), Some("0.00")));
    assert!(table(&["statement", "GROCER", "--window", "1"]).contains("GROCER pays 60.00 RUB."));

    // The rest of the operator's desk.
    assert_eq!(json(&["fund", "deposit", "reserve", "100"])["balance"], "100.00");
    let calendar = json(&["calendar", "set", "0 0 * * *", "--time-zone", "Europe/Moscow"]);
    let next = calendar["cut_offs"][0]["close_time"].as_str().unwrap();
    assert!(next.ends_with("T21:00:00Z"), "{next}");
    assert_eq!(json(&["calendar", "show"])["cut_offs"], calendar["cut_offs"]);
    // The next midnight is less than a day away, and stays.
    let (code, error) = failure(&["calendar", "set", "--none"]);
    assert_eq!((code, error["reason"].as_str()), (1, Some("CALENDAR_TOO_LATE")), "{error}");
    let earliest = error["numbers"]["earliest_time"].as_str().unwrap().to_owned();
    assert_eq!(json(&["calendar", "set", "--none", "--from", &earliest])["cut_offs"].as_array().map(Vec::len), Some(0));
    assert_eq!(json(&["partner", "state", "FUEL", "suspended", "--yes"])["state"], "SUSPENDED");
    let refused = fuel.issue(Issue::to("card", "1").points(1)).await.unwrap();
    assert_eq!(refused.rejection().unwrap().reason.as_str(), "PARTNER_SUSPENDED");

    // An auditor reads, and changes nothing.
    let auditor = ["--set", "client.cert=coalition/auditor.pem", "--set", "client.key=coalition/auditor.key"];
    json(&[&["report", "trial-balance"][..], &auditor].concat());
    let seen = json(&[&["partner", "list"][..], &auditor].concat());
    assert_eq!(seen["partners"], json(&["partner", "list"])["partners"]);
    assert_eq!(json(&[&["partner", "terms", "FUEL"][..], &auditor].concat())["terms"]["expiry"], "MONTHS 12");

    // An entry is found again, by whom it concerns or by its id.
    let found = json(&["entry", "find", "--member", "card:1", "--kind", "redeem"]);
    let entries = found["entries"].as_array().unwrap();
    assert_eq!((entries.len(), &entries[0]["partner"]), (1, &"FUEL".into()), "{found}");
    let id = entries[0]["entry_id"].as_str().unwrap();
    for seen_by in [&[][..], &auditor] {
        assert_eq!(json(&[&["entry", "show", id], seen_by].concat())["postings"], entries[0]["postings"]);
    }
    assert!(table(&["entry", "show", id]).contains("REDEEM"));
    assert!(table(&["entry", "find", "--receipt", "4711"]).contains("No entry is like that."));
    let some = json(&["entry", "find", "--limit", "2"]);
    // The newest first; the next ones stand before the last that was shown.
    let next = some["next_before"].as_i64().unwrap();
    assert_eq!(some["entries"][1]["journal_sequence"].as_i64(), Some(next));
    let before = json(&["entry", "find", "--before", &next.to_string(), "--limit", "1"]);
    assert_eq!(before["entries"][0]["journal_sequence"].as_i64(), Some(next - 1));
    let shown = json(&["entry", "show", &next.to_string()]);
    assert_eq!(shown, some["entries"][1]);
    let (code, error) = failure(&["entry", "show", "99999"]);
    assert!(code == 1 && error["hint"].as_str().unwrap().contains("report journal"), "{error}");
    let (code, error) = failure(&["entry", "find", "--partner", "NOBODY"]);
    assert!(code == 1 && error["hint"].as_str().unwrap().contains("partner list"), "{error}");

    // A brand finds its own, and is told what it may not ask for.
    let as_fuel = ["--set", "client.cert=brands/FUEL.pem", "--set", "client.key=brands/FUEL.key"];
    let own = json(&[&["entry", "find", "--kind", "redeem"][..], &as_fuel].concat());
    assert_eq!(
        (own["entries"].as_array().map(Vec::len), own["entries"][0]["partner"].as_str()),
        (Some(1), Some("FUEL"))
    );
    assert!(own["entries"][0]["own_sequence"].is_i64() && own["entries"][0]["journal_sequence"].is_null(), "{own}");
    for (not_allowed, code) in [(&["--partner", "GROCER"], 2), (&["--before", "5"], 2)] {
        let (exit, error) = failure(&[&["entry", "find"][..], not_allowed, &as_fuel].concat());
        assert!(exit == code && error["message"].as_str().unwrap().contains(not_allowed[0]), "{error}");
    }
    // Members are listed by id, page by page, for who sees all.
    for card in ["2", "3"] {
        grocer.issue(Issue::to("card", card).points(1)).await.unwrap().accepted().unwrap();
    }
    let members = json(&["member", "list"]);
    let listed = members["members"].as_array().unwrap();
    assert!(listed.len() == 3 && members["next_after"].is_null(), "{members}");
    for (at, member) in listed.iter().enumerate().skip(1) {
        let after = listed[at - 1]["member"].as_str().unwrap();
        let page = json(&["member", "list", "--after", after, "--limit", "1"]);
        assert_eq!((&page["members"][0], page["more"].as_bool()), (member, Some(at + 1 < listed.len())));
    }
    assert_eq!(json(&[&["member", "list"][..], &auditor].concat()), members);
    assert!(table(&["member", "list", "--limit", "1"]).contains("--after"));
    let (code, _) = failure(&[&["member", "list"][..], &as_fuel].concat());
    assert_eq!(code, 1);
    json(&["partner", "consent", "GROCER", "FUEL", "--budget", "10"]);
    let consents = json(&["partner", "consents", "FUEL"]);
    assert_eq!(
        (&consents["consents"][0]["funder"], &consents["consents"][0]["budget_points"]),
        (&"GROCER".into(), &10.into())
    );
    let (code, error) = failure(&["member", "balance", "card:nobody"]);
    let hint = error["hint"].as_str().unwrap();
    assert!(code == 1 && !hint.contains("partner list") && hint.contains("scheme"), "{error}");
    let (code, error) = failure(&[&["window", "close", "--yes"][..], &auditor].concat());
    assert_eq!((code, error["kind"].as_str()), (1, Some("REJECTED")), "{error}");

    // The house stops when it is asked to, and its books hold.
    drop((grocer, fuel));
    let (code, log) = server.stop("-TERM");
    assert_eq!(code, Some(0), "{log}");
    let audit = desk.json(&[&["audit"], &config[..]].concat());
    let leases = audit["unexplained"].as_array().unwrap().iter().find(|of| of["table"] == "leases").unwrap();
    assert!(!leases["reason"].as_str().unwrap().is_empty());
    let page = desk.run(&[&["audit"], &config[..]].concat());
    assert!(text(&page.stdout).contains("It says nothing about the tables leases,"), "{}", text(&page.stdout));
    assert_eq!(audit["clean"], true, "{audit}");

    // Somebody writes into the database by hand, and the audit finds it.
    let books = format!("sqlite:{}", desk.path("coalition/clearing.db").display());
    let mut connection = sqlx::SqliteConnection::connect(&books).await.unwrap();
    let by_hand = "UPDATE members SET entry_no = entry_no + 1 WHERE member_id = (SELECT min(member_id) FROM members)";
    let changed = sqlx::query(by_hand).execute(&mut connection).await.unwrap();
    assert_eq!(changed.rows_affected(), 1);
    connection.close().await.unwrap();
    let output = desk.run(&[&["audit"], &config[..], &["--output", "json"]].concat());
    assert_eq!(output.status.code(), Some(4));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((found["clean"].as_bool(), found["finding_count"].as_u64() > Some(0)), (Some(false), true), "{found}");
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["kind"], "UNBALANCED");

    // For people it tells how far it is, and what it found in words.
    let output = desk.run(&[&["audit"], &config[..]].concat());
    let (page, told) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let (read, compared) =
        (format!("audit: read {0} of {0} entries", found["entries"]), "audit: compared 3 of 3 members");
    assert!(told.contains(&read) && told.contains(compared), "{told}");
    assert!(page.contains("number of entries of member ") && !page.contains("Points("), "{page}");
}
