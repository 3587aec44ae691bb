//! People of the operator at their desks: what one proposes and another approves, and an approver who is named anew.

use crate::desk::{Desk, text};

/// A house that is made and served as the guide says, with the certificate of a second person.
fn of_two(desk: &Desk) -> crate::desk::Server {
    desk.json(&[
        "init",
        "--domain",
        "points.example",
        "--no-limits",
        "--listen",
        "127.0.0.1:0",
        "--first-person",
        "anna",
    ]);
    desk.json(&[
        "partner",
        "certificate",
        "boris",
        "--person",
        "--out",
        "boris",
        "--config",
        "coalition/clearing.toml",
    ]);
    desk.serve(&["serve", "--config", "coalition/clearing.toml"])
}

#[test]
fn what_one_person_proposes_at_its_desk_another_approves_at_its_own() {
    let desk = Desk::new();
    let server = of_two(&desk);
    let endpoint = format!("client.endpoint={}", server.endpoint);
    let config = ["--config", "coalition/clearing.toml", "--set", &endpoint];
    let anna = desk.asking(&config);
    let own = ["--set", "client.cert=boris/boris.pem", "--set", "client.key=boris/boris.key"];
    let boris = desk.asking(&[&config[..], &own[..]].concat());

    anna.json(&["partner", "create", "GROCER"]);
    anna.json(&["person", "add", "boris", "--roles", "clerk,approver"]);
    let listed = anna.json(&["person", "list"]);
    assert_eq!((&listed["two_persons"], &listed["people"][0]["person"]), (&true.into(), &"anna".into()));
    let (code, error) = anna.failure(&["person", "add", "boris", "--roles", "clerk"]);
    assert_eq!((code, error["message"].as_str()), (1, Some("there is a person boris already")));

    let answer = anna.screen(&["partner", "limits", "GROCER", "--points-per-entry", "5"]);
    assert!(answer.contains("It became proposal ") && answer.contains("clearing approvals approve "), "{answer}");
    let waiting = anna.json(&["approvals", "list"]);
    let proposal = waiting["proposals"][0]["proposal_id"].as_str().unwrap().to_owned();
    assert_eq!(waiting["proposals"][0]["operation"], "SetLimits");
    let shown = boris.table(&["approvals", "show", &proposal]);
    assert!(shown.contains("points_per_entry") && shown.contains("operator/anna"), "{shown}");
    let (code, error) = anna.failure(&["approvals", "approve", &proposal, "--yes"]);
    assert_eq!((code, error["reason"].as_str()), (1, Some("SAME_PERSON")), "{error}");
    let tried = boris.json(&["approvals", "approve", &proposal, "--dry-run"]);
    assert_eq!(tried["dry_run"], true);
    let done = boris.json(&["approvals", "approve", &proposal, "--yes"]);
    assert_eq!((&done["state"], &done["operation"]), (&"DONE".into(), &"SetLimits".into()));
    let log = anna.json(&["log", "--kind", "set-limits"]);
    let action = &log["actions"][0];
    assert_eq!((&action["actor"], &action["approver"]), (&"operator/anna".into(), &"operator/boris".into()));
    let told = anna.table(&["log", "--limit", "1"]);
    assert!(told.contains("operator/anna, approved by operator/boris"), "{told}");

    // One is refused, one is taken back.
    let ask = |points: &str| {
        let answer = anna.json(&["partner", "limits", "GROCER", "--points-per-entry", points]);
        answer["proposal_id"].as_str().unwrap().to_owned()
    };
    let refused = ask("6");
    assert_eq!(boris.json(&["approvals", "refuse", &refused])["state"], "REFUSED");
    let withdrawn = ask("7");
    assert_eq!(anna.json(&["approvals", "withdraw", &withdrawn])["state"], "WITHDRAWN");
    let (code, error) = boris.failure(&["approvals", "approve", &withdrawn, "--yes"]);
    assert_eq!((code, error["kind"].as_str()), (1, Some("REJECTED")), "{error}");
    assert_eq!(anna.json(&["approvals", "list"])["proposals"].as_array().map(Vec::len), Some(0));
    assert_eq!(anna.json(&["approvals", "list", "--all"])["proposals"].as_array().map(Vec::len), Some(3));
    assert_eq!(server.stop("-TERM").0, Some(0));
}

#[test]
fn an_approver_is_named_on_the_machine_of_the_house_that_stands_still() {
    let desk = Desk::new();
    let server = of_two(&desk);
    let recover = ["person", "recover", "clara", "--config", "coalition/clearing.toml", "--yes"];
    let (code, error) = desk.failure(&recover);
    assert_eq!((code, error["kind"].as_str()), (2, Some("USAGE")), "a house that serves: {error}");
    assert_eq!(server.stop("-TERM").0, Some(0));
    let named = desk.json(&recover);
    assert_eq!((&named["person"], &named["roles"]), (&"clara".into(), &"CLERK, APPROVER".into()));
    let audited = desk.run(&["audit", "--config", "coalition/clearing.toml"]);
    assert_eq!(audited.status.code(), Some(0), "{}", text(&audited.stdout));
    let server = desk.serve(&["serve", "--config", "coalition/clearing.toml"]);
    let endpoint = format!("client.endpoint={}", server.endpoint);
    let anna = desk.asking(&["--config", "coalition/clearing.toml", "--set", &endpoint]);
    let listed = anna.json(&["person", "list"]);
    let clara = listed["people"].as_array().unwrap().iter().find(|person| person["person"] == "clara").unwrap();
    assert_eq!(clara["coming_roles"], serde_json::json!(["CLERK", "APPROVER"]));
    assert_eq!(anna.json(&["log", "--limit", "1"])["actions"][0]["actor"], "house");
    assert_eq!(server.stop("-TERM").0, Some(0));
}
