//! Who may connect, as the operator rules it: a brand joins with one string, a list shows who has what, and a thief is out at once.

use std::fs;

use partner_sdk::{
    Authorize, Client, CredentialFolder, Enrolment, EnrolmentError, Error, InviteString, Issue, Outcome, Redeem,
};
use serde_json::Value;

use crate::desk::{Asking, Desk, Server, text_of};

/// A coalition that `init` made, and its house.
fn serve(desk: &Desk) -> Server {
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0"]);
    desk.serve(&["serve", "--config", "coalition/clearing.toml", "--set", "enrolment.listen=127.0.0.1:0"])
}

fn asking<'a>(desk: &'a Desk, server: &Server) -> Asking<'a> {
    desk.asking(&["--config", "coalition/clearing.toml", "--endpoint", &server.endpoint])
}

/// Joins with a string, as a brand's program does.
async fn enroll(desk: &Desk, string: &Value, folder: &str) -> Result<CredentialFolder, EnrolmentError> {
    let invite: InviteString = string.as_str().unwrap().parse()?;
    Enrolment::new(invite).folder(desk.path(folder)).enroll().await
}

/// The house listens on a port that nobody knew before, so it is not the one that its configuration tells.
async fn connect(folder: &CredentialFolder, server: &Server) -> Result<Client, Error> {
    folder.client_at(&server.endpoint).connect().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_brand_joins_with_one_string_and_redeems_its_first_points() {
    let desk = Desk::new();
    let server = serve(&desk);
    let house = asking(&desk, &server);
    let created = house.json(&["partner", "create", "grocer", "--invite"]);
    let invite = &created["invite"];
    assert_eq!((invite["holder"]["kind"].as_str(), invite["holder"]["id"].as_str()), (Some("partner"), Some("grocer")));
    let folder = enroll(&desk, &invite["string"], "grocer").await.unwrap();
    assert_eq!(folder.holder(), "partner/grocer");
    let grocer = connect(&folder, &server).await.unwrap();
    grocer.issue(Issue::to("card", "1").points(100)).await.unwrap().accepted().unwrap();
    let redeemed = grocer.redeem(Redeem::from("card", "1").points(60)).await.unwrap().accepted().unwrap();
    assert_eq!(redeemed.member.available_points, 40);

    // Whoever else has the string is told so, and so is whoever made it.
    let stolen = enroll(&desk, &invite["string"], "thief").await.unwrap_err();
    assert!(matches!(stolen, EnrolmentError::Used { .. }), "{stolen:?}");
    let seen = house.json(&["certificate", "invites", "grocer", "--all"]);
    assert_eq!(
        (&seen["invites"][0]["state"], &seen["invites"][0]["foreign_attempt_count"]),
        (&"USED".into(), &1.into())
    );
    assert_eq!(seen["invites"][0]["serial"], folder.serial());
    assert!(house.table(&["certificate", "invites", "grocer", "--all"]).contains("somebody else has seen the string"));

    // For people the string stands alone in its line; --bare prints nothing else.
    let page = house.screen(&["partner", "invite", "grocer"]);
    let lines: Vec<&str> = page.lines().filter(|line| line.starts_with("clearinginvite1")).collect();
    assert_eq!(lines.len(), 1, "{page}");
    lines[0].parse::<InviteString>().unwrap();
    let bare = house.screen(&["partner", "invite", "grocer", "--bare"]);
    bare.trim_end_matches('\n').parse::<InviteString>().unwrap();
    assert_eq!(bare.lines().count(), 1, "{bare}");
    let (code, error) = house.failure(&["partner", "invite"]);
    assert_eq!((code, error["kind"].as_str()), (2, Some("USAGE")));
    let (code, error) = house.failure(&["partner", "invite", "nobody"]);
    assert_eq!((code, error["reason"].as_str()), (1, Some("NOT_FOUND")), "{error}");
    assert_eq!(server.stop("-TERM").0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_that_was_taken_back_opens_nothing() {
    let desk = Desk::new();
    let server = serve(&desk);
    let house = asking(&desk, &server);
    house.json(&["partner", "create", "grocer"]);
    let invite = house.json(&["partner", "invite", "grocer"]);
    let id = invite["invite_id"].as_str().unwrap();
    assert_eq!(house.json(&["certificate", "withdraw", id])["withdrawn"], 1);
    assert_eq!(house.json(&["certificate", "withdraw", id])["withdrawn"], 0);
    let error = enroll(&desk, &invite["string"], "grocer").await.unwrap_err();
    assert!(matches!(error, EnrolmentError::Withdrawn), "{error:?}");
    assert_eq!(house.json(&["certificate", "invites"])["invites"], Value::Array(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_listed_shown_and_revoked_and_then_in_the_list_of_the_revoked() {
    let desk = Desk::new();
    let server = serve(&desk);
    let house = asking(&desk, &server);
    let created = house.json(&["partner", "create", "grocer", "--invite"]);
    let folder = enroll(&desk, &created["invite"]["string"], "grocer").await.unwrap();
    let grocer = connect(&folder, &server).await.unwrap();
    let serial = folder.serial();

    let listed = house.json(&["certificate", "list", "grocer"]);
    assert_eq!(
        (&listed["certificates"][0]["serial"], &listed["certificates"][0]["state"]),
        (&serial.into(), &"VALID".into())
    );
    let shown = house.json(&["certificate", "show", serial]);
    assert_eq!(shown["invite_id"], created["invite"]["invite_id"]);
    assert!(house.table(&["certificate", "show", serial]).contains("partner/grocer"));
    let (code, error) = house.failure(&["certificate", "show", "4f00"]);
    assert_eq!(code, 1, "{error}");

    let dry = house.json(&["certificate", "revoke", serial, "--reason", "sold", "--dry-run"]);
    assert_eq!(dry["plan"]["certificates"][0]["serial"], serial);
    grocer.issue(Issue::to("card", "1").points(1)).await.unwrap().accepted().unwrap();
    let revoked = house.json(&["certificate", "revoke", serial, "--reason", "sold", "--yes"]);
    assert_eq!(revoked["revoked"][0], serial);
    let refused = grocer.issue(Issue::to("card", "1").points(1)).await;
    assert!(!matches!(refused, Ok(Outcome::Accepted(_))), "{refused:?}");
    let shown = house.json(&["certificate", "show", serial]);
    assert_eq!((&shown["state"], &shown["revoke_reason_code"]), (&"REVOKED".into(), &"sold".into()));
    assert_eq!(house.json(&["certificate", "list", "grocer"])["certificates"], Value::Array(Vec::new()));

    let crl = house.json(&["certificate", "crl", "--out", "revoked.crl"]);
    assert_eq!(crl["revoked_count"], 1);
    let pem = fs::read_to_string(desk.path("revoked.crl")).unwrap();
    assert!(pem.starts_with("-----BEGIN X509 CRL-----"), "{pem}");
    // Who reads it refuses the certificate.
    let check = |crl: &[&str]| {
        let own = ["--set", "client.cert=grocer/client.pem", "--set", "client.key=grocer/client.key"];
        desk.run(&[&["config", "check", "--config", "coalition/clearing.toml"], &own[..], crl].concat())
    };
    let said = text_of(&check(&["--set", "tls.crl=revoked.crl"]));
    assert!(said.contains("is revoked"), "{said}");
    let said = text_of(&check(&[]));
    assert!(!said.contains("is revoked"), "{said}");
    let (code, _) = house.failure(&["certificate", "crl", "--out", "revoked.crl"]);
    assert_eq!(code, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_brand_whose_keys_are_stolen_is_locked_by_one_command() {
    let desk = Desk::new();
    let server = serve(&desk);
    let house = asking(&desk, &server);
    let created = house.json(&["partner", "create", "grocer", "--invite"]);
    let folder = enroll(&desk, &created["invite"]["string"], "grocer").await.unwrap();
    let grocer = connect(&folder, &server).await.unwrap();
    let other = house.json(&["partner", "invite", "grocer"]);
    grocer.issue(Issue::to("card", "1").points(100)).await.unwrap().accepted().unwrap();
    let lapses = grocer.server_info().await.unwrap().server_time + std::time::Duration::from_secs(3_600);
    let hold = |points| Authorize::from("card", "1").points(points).lapses(lapses);
    let open = grocer.authorize(hold(30)).await.unwrap().accepted().unwrap();
    let voided = grocer.authorize(hold(20)).await.unwrap().accepted().unwrap();
    grocer.void(partner_sdk::Void::hold(voided.hold_id)).await.unwrap().accepted().unwrap();

    let dry = house.json(&["partner", "lock", "grocer", "--dry-run"]);
    assert_eq!(dry["plan"]["certificates"].as_array().map(Vec::len), Some(1), "{dry}");
    let locked = house.json(&["partner", "lock", "grocer", "--yes"]);
    assert_eq!((&locked["state"], &locked["previous_state"]), (&"SUSPENDED".into(), &"ACTIVE".into()));
    assert_eq!((&locked["revoked"][0], &locked["withdrawn_invites"]), (&folder.serial().into(), &1.into()));
    let holds = locked["open_holds"].as_array().unwrap();
    assert_eq!(holds.len(), 1, "{locked}");
    assert_eq!((&holds[0]["points"], &holds[0]["hold_id"]), (&30.into(), &dry["plan"]["open_holds"][0]["hold_id"]));
    drop(open);

    let refused = grocer.redeem(Redeem::from("card", "1").points(1)).await;
    assert!(!matches!(refused, Ok(Outcome::Accepted(_))), "{refused:?}");
    let error = enroll(&desk, &other["string"], "thief").await.unwrap_err();
    assert!(matches!(error, EnrolmentError::Withdrawn), "{error:?}");

    // Done twice it changes nothing, and says what to do next.
    let page = house.table(&["partner", "lock", "grocer", "--yes"]);
    assert!(page.contains("SUSPENDED, it was SUSPENDED") && page.contains("clearing partner invite grocer"), "{page}");
    house.json(&["partner", "state", "grocer", "active", "--yes"]);
    let again = house.json(&["partner", "invite", "grocer"]);
    let folder = enroll(&desk, &again["string"], "again").await.unwrap();
    let grocer = connect(&folder, &server).await.unwrap();
    grocer.issue(Issue::to("card", "1").points(1)).await.unwrap().accepted().unwrap();
    assert_eq!(server.stop("-TERM").0, Some(0));
    assert_eq!(desk.json(&["audit", "--config", "coalition/clearing.toml"])["clean"], true);
}

/// Half of its life is made to be over by what tells of it; what is then done is what a till does that runs for months.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_renews_its_credential_when_that_is_due_with_a_new_key_and_no_call_fails() {
    let desk = Desk::new();
    let server = serve(&desk);
    let house = asking(&desk, &server);
    let created = house.json(&["partner", "create", "grocer", "--invite"]);
    enroll(&desk, &created["invite"]["string"], "grocer").await.unwrap();
    let file = desk.path("grocer/credential.txt");
    let told = fs::read_to_string(&file).unwrap();
    let due = |line: &str| {
        if line.starts_with("renew: ") { "renew: 2026-01-01T00:00:00Z\n".to_owned() } else { format!("{line}\n") }
    };
    fs::write(&file, told.lines().map(due).collect::<String>()).unwrap();
    let open = || CredentialFolder::open(desk.path("grocer")).unwrap();
    let (before, key) = (open(), fs::read_to_string(desk.path("grocer/client.key")).unwrap());

    let grocer = connect(&before, &server).await.unwrap();
    let begun = std::time::Instant::now();
    while open().serial() == before.serial() {
        grocer.issue(Issue::to("card", "1").points(1)).await.unwrap().accepted().unwrap();
        assert!(begun.elapsed() < clearing_play::PATIENCE, "it is not renewed");
    }
    grocer.issue(Issue::to("card", "1").points(1)).await.unwrap().accepted().unwrap();
    assert_ne!(fs::read_to_string(desk.path("grocer/client.key")).unwrap(), key);
    assert!(!desk.path("grocer/client.next.key").exists());
    let shown = house.json(&["certificate", "show", before.serial()]);
    assert_eq!((&shown["renewed_by_serial"], &shown["state"]), (&open().serial().into(), &"VALID".into()));
    // Whoever begins now has the new one.
    connect(&open(), &server).await.unwrap().balance(("card", "1")).await.unwrap();
}
