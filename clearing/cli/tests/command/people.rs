//! People of the operator at their desks: what one proposes and another approves, and an approver who is named anew.

use partner_sdk::{CredentialFolder, Enrolment, EnrolmentError, InviteString};
use serde_json::Value;

use crate::desk::{Asking, Desk, Server, text};

/// A house that is made and served as the guide says, with the certificate of a second person.
fn of_two(desk: &Desk) -> Server {
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
    // Of a certificate that was made by hand the house knows nothing, so it is named.
    let by_hand = ["--certificate", "boris/boris.pem"];
    let roles = ["person", "add", "boris", "--roles", "clerk,approver"];
    let (code, error) = anna.failure(&[&roles[..], &by_hand[..]].concat());
    assert_eq!((code, error["kind"].as_str()), (2, Some("USAGE")), "for good, so it asks: {error}");
    let (code, error) =
        anna.failure(&["person", "add", "carl", "--roles", "approver", by_hand[0], by_hand[1], "--yes"]);
    assert_eq!((code, error["kind"].as_str()), (2, Some("USAGE")), "it is boris': {error}");
    anna.json(&[&roles[..], &by_hand[..], &["--yes"]].concat());
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

/// The flags of whoever has the certificate of a folder.
fn own(folder: &str, name: &str) -> Vec<String> {
    let file = |key: &str, file: &str| ["--set".to_owned(), format!("client.{key}={folder}/{file}")];
    [file("cert", &format!("{name}.pem")), file("key", &format!("{name}.key"))].concat()
}

fn asking<'a>(desk: &'a Desk, server: &Server, own: &[String]) -> Asking<'a> {
    let endpoint = format!("client.endpoint={}", server.endpoint);
    let config = ["--config", "coalition/clearing.toml", "--set", &endpoint].map(str::to_owned);
    let flags: Vec<String> = config.iter().chain(own).cloned().collect();
    desk.asking(&flags.iter().map(String::as_str).collect::<Vec<_>>())
}

async fn enroll(desk: &Desk, string: &Value, folder: &str) -> Result<CredentialFolder, EnrolmentError> {
    let invite: InviteString = string.as_str().unwrap().parse()?;
    Enrolment::new(invite).folder(desk.path(folder)).enroll().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_joins_by_one_string_which_takes_two_once_there_are_two() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0"]);
    let enrolment = ["--set", "enrolment.listen=127.0.0.1:0"];
    let server = desk.serve(&[&["serve", "--config", "coalition/clearing.toml"], &enrolment[..]].concat());
    let first = asking(&desk, &server, &[]);
    let added = first.json(&["person", "add", "boris", "--roles", "clerk,approver"]);
    assert_eq!(added["person"]["roles"], serde_json::json!(["CLERK"]), "an approver has joined before");
    assert_eq!(added["roles_once_joined"], serde_json::json!(["CLERK", "APPROVER"]));
    let approver = ["person", "roles", "boris", "--roles", "clerk,approver"];
    let (code, error) = first.failure(&[&approver[..], &["--yes"]].concat());
    assert_eq!((code, error["reason"].as_str()), (1, Some("NOT_PERMITTED")), "{error}");
    let folder = enroll(&desk, &added["invite"]["string"], "boris").await.unwrap();
    assert_eq!(folder.holder(), "operator/boris");
    let boris = asking(&desk, &server, &own("boris", "client"));
    // One that is open, for somebody who is not there yet, ends with the second approver.
    let prepared = first.json(&["partner", "invite", "--person", "dora"]);
    let (code, error) = first.failure(&approver);
    assert_eq!((code, error["kind"].as_str()), (2, Some("USAGE")), "for good, so it asks: {error}");
    let second = first.json(&[&approver[..], &["--yes"]].concat());
    assert_eq!(second["person"]["roles"], serde_json::json!(["CLERK", "APPROVER"]));
    let told = first.table(&["log", "--limit", "1"]);
    assert!(told.contains("two_persons_since_time") && told.contains("open_invites_end_time"), "{told}");
    let invites = first.json(&["certificate", "invites", "--person", "dora", "--all"]);
    assert_eq!(invites["invites"][0]["state"], "MADE_ALONE", "{invites}");
    assert!(enroll(&desk, &prepared["string"], "dora").await.is_err());

    let page = first.screen(&["person", "add", "clara", "--roles", "support"]);
    let string = page.lines().find(|line| line.starts_with("clearinginvite1")).unwrap().into();
    let early = enroll(&desk, &string, "clara").await.unwrap_err();
    assert!(matches!(early, EnrolmentError::Unknown), "{early:?}");
    let waiting = boris.json(&["approvals", "list"]);
    let waiting: Vec<&Value> = waiting["proposals"].as_array().unwrap().iter().collect();
    let operations: Vec<&Value> = waiting.iter().map(|proposal| &proposal["operation"]).collect();
    assert_eq!(operations, ["SetPerson", "CreateInvites"]);
    for proposal in waiting {
        let id = proposal["proposal_id"].as_str().unwrap();
        assert!(page.contains(&format!("clearing approvals approve {id}")), "{page}");
        let shown = boris.json(&["approvals", "show", id]);
        assert_eq!((&shown["person"], &shown["refusal"]), (&"clara".into(), &Value::Null), "{shown}");
        boris.json(&["approvals", "approve", id, "--yes"]);
    }
    enroll(&desk, &string, "clara").await.unwrap();
    let clara = asking(&desk, &server, &own("clara", "client"));
    clara.json(&["member", "list"]);
    let (code, error) = clara.failure(&["log"]);
    assert!(code == 1 && error["message"].as_str().unwrap().contains("the roles SUPPORT"), "{error}");
    // Made by who has the secret, approved by the other.
    let made = first.json(&["log", "--kind", "create-invites", "--limit", "1"]);
    let (actor, approver) = (&made["actions"][0]["actor"], &made["actions"][0]["approver"]);
    assert_eq!((actor, approver), (&"operator/operator-1".into(), &"operator/boris".into()));
    assert_eq!(server.stop("-TERM").0, Some(0));
}

/// Revoking never waits, so one person can shut out all of them. Whoever has the machine and the authority lets two in again.
#[test]
fn when_all_are_revoked_two_new_people_are_named_on_the_machine_of_the_house() {
    let desk = Desk::new();
    let place = ["--no-limits", "--listen", "127.0.0.1:0", "--account-change-days", "0"];
    desk.json(&[&["init", "--domain", "points.example"], &place[..]].concat());
    let certify = |name: &str| {
        let out = ["--person", "--out", name, "--config", "coalition/clearing.toml"];
        desk.json(&[&["partner", "certificate", name], &out[..]].concat());
    };
    certify("boris");
    let server = desk.serve(&["serve", "--config", "coalition/clearing.toml"]);
    let first = asking(&desk, &server, &[]);
    let by_hand = ["--certificate", "boris/boris.pem", "--yes"];
    first.json(&[&["person", "add", "boris", "--roles", "clerk,approver"], &by_hand[..]].concat());
    for name in ["boris", "operator-1"] {
        first.json(&["certificate", "revoke", "--person", name, "--reason", "stolen", "--yes"]);
    }
    // Refused, or not even let in.
    let (_, error) = first.failure(&["person", "add", "thief", "--roles", "approver"]);
    assert!(error["reason"] == "CREDENTIAL_REVOKED" || error["kind"] == "UNREACHABLE", "{error}");
    assert_eq!(server.stop("-TERM").0, Some(0));

    for name in ["clara", "dora"] {
        desk.json(&["person", "recover", name, "--config", "coalition/clearing.toml", "--yes"]);
        certify(name);
    }
    let server = desk.serve(&["serve", "--config", "coalition/clearing.toml"]);
    let (clara, dora) = (asking(&desk, &server, &own("clara", "clara")), asking(&desk, &server, &own("dora", "dora")));
    let proposed = clara.json(&["person", "roles", "boris", "--none"]);
    dora.json(&["approvals", "approve", proposed["proposal_id"].as_str().unwrap(), "--yes"]);
    let listed = dora.json(&["person", "list"]);
    let boris = listed["people"].as_array().unwrap().iter().find(|person| person["person"] == "boris").unwrap();
    assert_eq!(boris["roles"], serde_json::json!([]));
    assert_eq!(server.stop("-TERM").0, Some(0));
}
