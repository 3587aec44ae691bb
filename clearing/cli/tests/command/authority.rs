//! `clearing authority`, `clearing certificate server` and `clearing partner authority`: a root that is kept away, what is renewed
//! and replaced under a house that goes on, and a brand with a PKI of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use clearing_certs::{Authority, Kind, Validity, write_private};
use jiff::{Timestamp, ToSpan as _};
use serde_json::Value;

use crate::desk::{Desk, Server, client, mode, text, text_of};

const CONFIG: [&str; 2] = ["--config", "coalition/clearing.toml"];

fn secret(desk: &Desk, name: &str, text: &str) {
    fs::write(desk.path(name), text).unwrap();
    fs::set_permissions(desk.path(name), fs::Permissions::from_mode(0o600)).unwrap();
}

/// What `authority show` tells, by name: serial number and where the key is.
fn shown(desk: &Desk) -> Vec<(String, String, String)> {
    let answer = desk.json(&[&["authority", "show"][..], &CONFIG].concat());
    let word = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
    let all = answer["authorities"].as_array().unwrap().iter();
    all.map(|one| (word(one, "authority"), word(one, "serial"), word(one, "key"))).collect()
}

/// Whether the operator's commands reach the house.
fn reaches(desk: &Desk, server: &Server) -> bool {
    desk.run(&[&["window", "list", "--endpoint", &server.endpoint][..], &CONFIG].concat()).status.success()
}

fn hang_up(server: &mut Server) -> String {
    server.signal("-HUP");
    server.logs("read again; new connections use them")
}

#[test]
fn a_root_key_is_encrypted_at_the_beginning_or_later_and_nothing_but_its_passphrase_opens_it() {
    let desk = Desk::new();
    secret(&desk, "root.pass", "correct horse\nnot this line\n");
    let init = ["init", "--domain", "points.example", "--listen", "127.0.0.1:0"];
    let made = desk.json(&[&init[..], &["--root-passphrase-file", "root.pass"]].concat());
    assert_eq!(made["root_key_encrypted"], true);
    let key = fs::read_to_string(desk.path("coalition/authority/root.key")).unwrap();
    assert!(key.contains("BEGIN ENCRYPTED PRIVATE KEY"), "it lies there in the clear");
    assert_eq!(mode(&desk.path("coalition/authority/root.key")), 0o600);
    let kept: Vec<_> = shown(&desk).into_iter().map(|(name, _, key)| (name, key)).collect();
    let words = |name: &str, key: &str| (name.to_owned(), key.to_owned());
    assert_eq!(kept, [words("root", "encrypted"), words("issuing", "in the clear")]);
    desk.json(&[&["config", "check"][..], &CONFIG].concat());

    // The authority below is renewed with the passphrase from a file or from a command, and from nothing else.
    let renew = [&["authority", "renew"][..], &CONFIG].concat();
    secret(&desk, "wrong.pass", "correct house\n");
    secret(&desk, "empty.pass", "\n");
    for (flags, told) in [
        (vec![], "the private key is encrypted, and no passphrase was given"),
        (vec!["--passphrase-file", "wrong.pass"], "the passphrase does not open the private key"),
        (vec!["--passphrase-file", "empty.pass"], "the passphrase is empty"),
        (vec!["--passphrase-file", "nowhere.pass"], "cannot read"),
        (vec!["--passphrase-command", "exit 3"], "the command for the passphrase failed"),
    ] {
        let (code, error) = desk.failure(&[&renew[..], &flags].concat());
        assert!(code == 2 && error["message"].as_str().unwrap().contains(told), "{flags:?}: {error}");
        assert!(!error["hint"].is_null(), "{flags:?}: what to do is not told: {error}");
    }
    let before = shown(&desk);
    for flags in [["--passphrase-file", "root.pass"], ["--passphrase-command", "echo 'correct horse'"]] {
        desk.json(&[&renew[..], &flags].concat());
    }
    let after = shown(&desk);
    assert_eq!(before[0], after[0], "the root is as it was");
    assert_ne!(before[1].1, after[1].1);
    let former = desk.path("coalition/authority/former").join(format!("{}-ca.key", before[1].1));
    assert_eq!(mode(&former), 0o600);

    // One that began in the clear is told of, and encrypted later.
    let said = desk.table(&[&init[..], &["--dir", "clear"]].concat());
    assert!(said.contains("clear/authority/root.key lies there in the clear"), "{said}");
    let config = ["--config", "clear/clearing.toml"];
    let encrypt = [&["authority", "encrypt", "root"][..], &config].concat();
    let (code, error) = desk.failure(&encrypt);
    assert!(code == 2 && error["message"] == "no passphrase was given", "{error}");
    desk.json(&[&encrypt[..], &["--new-passphrase-file", "root.pass"]].concat());
    let key = fs::read_to_string(desk.path("clear/authority/root.key")).unwrap();
    assert!(key.contains("BEGIN ENCRYPTED PRIVATE KEY"));
    // Another passphrase takes the place of the first.
    let again = [&encrypt[..], &["--passphrase-file", "root.pass", "--new-passphrase-command", "echo other"]].concat();
    assert_eq!(desk.json(&again)["was_encrypted"], true);
    let renew = [&["authority", "renew"][..], &config].concat();
    desk.failure(&[&renew[..], &["--passphrase-file", "root.pass"]].concat());
    desk.json(&[&renew[..], &["--passphrase-command", "echo other"]].concat());
    let output = desk.run(&[&renew[..], &["--passphrase-file", "root.pass"]].concat());
    assert!(!text_of(&output).contains("correct horse"), "{}", text_of(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_house_shows_and_who_issues_is_renewed_while_everybody_goes_on() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0"]);
    let ask = |arguments: &[&str]| desk.json(&[arguments, &CONFIG].concat());
    let mut server = desk.serve(&[&["serve"], &CONFIG[..]].concat());
    desk.json(&[&["partner", "create", "GROCER", "--endpoint", &server.endpoint][..], &CONFIG].concat());
    ask(&["partner", "certificate", "GROCER", "--out", "grocer"]);
    let grocer = client(&server.endpoint, &desk.path("grocer"), "GROCER").await;
    grocer.server_info().await.unwrap();

    let before = fs::read_to_string(desk.path("coalition/server.pem")).unwrap();
    let made = ask(&["certificate", "server", "--server-name", "clearing.points.example"]);
    assert!(made["names"].as_array().unwrap().contains(&"clearing.points.example".into()), "{made}");
    assert_ne!(before, fs::read_to_string(desk.path("coalition/server.pem")).unwrap());
    assert_eq!(mode(&desk.path("coalition/server.key")), 0o600);
    let line = hang_up(&mut server);
    assert!(line.contains(made["serial"].as_str().unwrap()), "{line}");
    assert!(reaches(&desk, &server));
    grocer.server_info().await.unwrap();

    // Another authority below the same root: its server certificate is believed by who has the old ca.pem, and what the former
    // one issued goes on.
    ask(&["authority", "renew"]);
    let made = ask(&["certificate", "server"]);
    assert!(made["names"].as_array().unwrap().contains(&"clearing.points.example".into()), "names stay: {made}");
    ask(&["partner", "certificate", "GROCER", "--out", "grocer2"]);
    hang_up(&mut server);
    for folder in ["grocer", "grocer2"] {
        client(&server.endpoint, &desk.path(folder), "GROCER").await.server_info().await.unwrap();
    }
    ask(&["config", "check"]);

    // Another root, in three steps.
    let (code, error) = desk.failure(&[&["authority", "replace", "finish", "--yes"][..], &CONFIG].concat());
    assert_eq!(code, 2, "{error}");
    ask(&["authority", "replace", "begin"]);
    hang_up(&mut server);
    ask(&["partner", "certificate", "GROCER", "--out", "grocer3"]);
    let both = fs::read_to_string(desk.path("grocer3/ca.pem")).unwrap();
    assert_eq!(both.matches("BEGIN CERTIFICATE").count(), 2);
    ask(&["authority", "replace", "switch"]);
    hang_up(&mut server);
    // Who has the two believes the new server certificate, and is let in with one of the old root.
    client(&server.endpoint, &desk.path("grocer3"), "GROCER").await.server_info().await.unwrap();
    assert!(reaches(&desk, &server));
    // Not before the operator's own is of the new one.
    let finish = [&["authority", "replace", "finish", "--yes"][..], &CONFIG].concat();
    let (code, error) = desk.failure(&finish);
    assert!(code == 2 && error["message"].as_str().unwrap().contains("client.cert"), "{error}");
    desk.json(&[&["certificate", "renew", "--endpoint", &server.endpoint][..], &CONFIG].concat());
    desk.json(&finish);
    hang_up(&mut server);
    assert!(reaches(&desk, &server));
    let old = partner_sdk::Client::builder(&server.endpoint)
        .ca_file(desk.path("coalition/ca.pem"))
        .identity_files(desk.path("grocer3/GROCER.pem"), desk.path("grocer3/GROCER.key"))
        .connect()
        .await;
    let heard = match old {
        Ok(client) => client.server_info().await.is_ok(),
        Err(_) => false,
    };
    assert!(!heard, "the old root is not trusted any more");
    ask(&["partner", "certificate", "GROCER", "--out", "grocer4"]);
    client(&server.endpoint, &desk.path("grocer4"), "GROCER").await.server_info().await.unwrap();
    ask(&["config", "check"]);
    assert_eq!(server.stop("-TERM").0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_house_issues_under_an_encrypted_key_and_by_the_next_authority_after_sighup() {
    let desk = Desk::new();
    secret(&desk, "issuing.pass", "battery staple\n");
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0"]);
    let encrypt = [&["authority", "encrypt", "issuing", "--new-passphrase-file", "issuing.pass"][..], &CONFIG].concat();
    desk.json(&encrypt);
    let serve = [&["serve", "--set", "enrolment.listen=127.0.0.1:0"], &CONFIG[..]].concat();
    // Without its passphrase the house does not start, and says what is missing.
    let refused = desk.run(&serve);
    let told = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{told}");
    assert!(told.contains("ca.key") && told.contains("authority.passphrase_file"), "{told}");

    let passphrase = ["--set", "authority.passphrase_file=issuing.pass"];
    let mut server = desk.serve(&[&serve[..], &passphrase].concat());
    let endpoint = server.endpoint.clone();
    let flags = [&["--endpoint", &endpoint][..], &passphrase, &CONFIG].concat();
    let joins = async |id: &str| {
        let created = desk.json(&[&["partner", "create", id, "--invite"][..], &flags].concat());
        let invite = created["invite"]["string"].as_str().unwrap().parse().unwrap();
        let folder = partner_sdk::Enrolment::new(invite).folder(desk.path(id)).enroll().await.unwrap();
        folder.client_at(&endpoint).connect().await.unwrap().server_info().await.unwrap();
        fs::read_to_string(desk.path(id).join("client.pem")).unwrap()
    };
    // Whoever enrols has the issuing authority behind its certificate: the root alone is trusted.
    let ca = |desk: &Desk| fs::read_to_string(desk.path("coalition/authority/ca.pem")).unwrap();
    let first = ca(&desk);
    assert!(joins("grocer").await.contains(&first));
    let renewed = desk.json(&[&["authority", "renew"][..], &passphrase, &CONFIG].concat());
    assert_eq!(renewed["encrypted"], true);
    let line = hang_up(&mut server);
    assert!(line.contains(renewed["serial"].as_str().unwrap()), "{line}");
    let second = ca(&desk);
    assert_ne!(first, second);
    assert!(joins("fuel").await.contains(&second));
    // The list of the revoked is signed under the same passphrase.
    desk.json(&[&["certificate", "crl", "--out", "revoked.pem"][..], &flags].concat());
    assert_eq!(server.stop("-TERM").0, Some(0));
}

/// Copies a folder with its modes.
fn copied(from: &std::path::Path, to: &std::path::Path) {
    let done = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(done.success());
}

#[test]
fn a_replacement_that_was_broken_off_anywhere_goes_on_when_its_step_is_said_again() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0"]);
    let ask = |arguments: &[&str]| desk.json(&[arguments, &CONFIG].concat());
    let at = |name: &str| desk.path("coalition").join(name);
    let read = |name: &str| fs::read_to_string(at(name)).unwrap();
    let count = || read("ca.pem").matches("BEGIN CERTIFICATE").count();
    let first = read("ca.pem");

    // Begun by half: a folder without its keys is made anew, and a whole one is trusted.
    fs::create_dir(at("authority/next")).unwrap();
    fs::write(at("authority/next/root.pem"), "half").unwrap();
    ask(&["authority", "replace", "begin"]);
    let next = read("authority/next/root.pem");
    fs::write(at("ca.pem"), &first).unwrap();
    ask(&["authority", "replace", "begin"]);
    assert_eq!((read("authority/next/root.pem"), count()), (next.clone(), 2), "the same root, and trusted again");
    // Given up, and begun once more.
    ask(&["authority", "replace", "abandon"]);
    assert!(read("ca.pem") == first && !at("authority/next").exists());
    ask(&["authority", "replace", "begin"]);
    let next = read("authority/next/root.pem");

    // Switched by half: with the keys and the certificate of who issues in their places, and with the root's as well.
    for moved in [&["root.key", "ca.key", "ca.pem"][..], &["root.key", "ca.key", "ca.pem", "root.pem"]] {
        copied(&at(""), &desk.path("kept"));
        fs::copy(at("authority/root.pem"), at("authority/previous-root.pem")).unwrap();
        for name in moved {
            copied(&at("authority/next").join(name), &at("authority").join(name));
        }
        ask(&["authority", "replace", "switch"]);
        assert_eq!((read("authority/root.pem"), read("authority/previous-root.pem")), (next.clone(), first.clone()));
        assert_eq!(count(), 2);
        // Once more: nothing is lost by it.
        ask(&["authority", "replace", "switch"]);
        assert_eq!((read("authority/previous-root.pem"), count()), (first.clone(), 2));
        fs::remove_dir_all(at("")).unwrap();
        copied(&desk.path("kept"), &desk.path("coalition"));
        fs::remove_dir_all(desk.path("kept")).unwrap();
    }
    ask(&["authority", "replace", "switch"]);
    // Keys of the old root are put away, and told of.
    let shown = ask(&["authority", "show"]);
    assert_eq!(shown["former_key_count"], 2, "{shown}");

    // Finished by half: the old root is not known any more, and trusted still.
    ask(&["partner", "certificate", "operator", "--out", "coalition", "--force", "--yes"]);
    let both = read("ca.pem");
    ask(&["authority", "replace", "finish", "--yes"]);
    assert_eq!(count(), 1);
    fs::write(at("ca.pem"), both).unwrap();
    ask(&["authority", "replace", "finish", "--yes"]);
    assert_eq!(read("ca.pem"), next);
    let (code, error) = desk.failure(&[&["authority", "replace", "finish", "--yes"][..], &CONFIG].concat());
    assert!(code == 2 && error["message"] == "no root is being replaced", "{error}");
}

#[test]
fn the_next_authority_is_encrypted_as_the_present_one_is_or_not_made() {
    let desk = Desk::new();
    secret(&desk, "issuing.pass", "battery staple\n");
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0"]);
    let ask =
        |arguments: &[&str]| [arguments, &CONFIG].concat().iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    desk.json(&[&["authority", "encrypt", "issuing", "--new-passphrase-file", "issuing.pass"][..], &CONFIG].concat());
    let passphrase = ["--set", "authority.passphrase_file=issuing.pass"];
    for step in [&["authority", "renew"][..], &["authority", "replace", "begin"]] {
        let (code, error) = desk.failure(&ask(step).iter().map(String::as_str).collect::<Vec<_>>());
        assert!(
            code == 2 && error["hint"].as_str().unwrap().contains("authority.passphrase_file"),
            "{step:?}: {error}"
        );
        desk.json(&[step, &passphrase, &CONFIG].concat());
    }
    let kept: Vec<_> = shown(&desk).into_iter().map(|(name, _, key)| (name, key)).collect();
    for name in ["issuing", "next issuing"] {
        assert!(kept.contains(&(name.to_owned(), "encrypted".to_owned())), "{kept:?}");
    }
}

#[test]
fn a_renewal_that_was_broken_off_goes_on_and_never_writes_whom_the_house_trusts() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0"]);
    let server = desk.serve(&[&["serve", "--set", "enrolment.listen=127.0.0.1:0"], &CONFIG[..]].concat());
    let renew = [&["certificate", "renew", "--endpoint", &server.endpoint][..], &CONFIG].concat();
    let read = |name: &str| fs::read_to_string(desk.path("coalition").join(name)).unwrap();
    let trusted = read("ca.pem");
    // Broken off before the house was asked: the key that was made is the one that is used.
    desk.json(&renew);
    let first = read("operator.key");
    assert!(!desk.path("coalition/operator.key.next").exists());
    // Broken off between the certificate and its key.
    desk.json(&renew);
    let second = read("operator.key");
    assert_ne!(first, second);
    secret(&desk, "coalition/operator.key.next", &second);
    secret(&desk, "coalition/operator.key", &first);
    desk.json(&renew);
    let third = read("operator.key");
    assert!(third != second && third != first && !desk.path("coalition/operator.key.next").exists());
    assert!(reaches(&desk, &server));
    assert_eq!(read("ca.pem"), trusted);
    assert_eq!(server.stop("-TERM").0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partners_own_authority_is_registered_for_that_partner_and_taken_away_again() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0"]);
    let mut server = desk.serve(&[&["serve"], &CONFIG[..]].concat());
    let endpoint = server.endpoint.clone();
    let asking = [&["--endpoint", &endpoint][..], &CONFIG].concat();
    for id in ["GROCER", "FUEL"] {
        desk.json(&[&["partner", "create", id][..], &asking].concat());
    }
    #[allow(clippy::disallowed_methods, reason = "certificates are checked against the machine's clock")]
    let now = Timestamp::now();
    let validity = Validity { not_before: now - 1.hour(), not_after: now + 24.hours() };
    let own = Authority::generate("points.example", validity).unwrap();
    fs::create_dir(desk.path("own")).unwrap();
    fs::write(desk.path("own/own-ca.pem"), own.cert_pem()).unwrap();
    fs::copy(desk.path("coalition/ca.pem"), desk.path("own/ca.pem")).unwrap();
    for id in ["GROCER", "FUEL"] {
        let (issued, key) = own.issue_client(Kind::Partner, id, validity).unwrap();
        fs::write(desk.path(&format!("own/{id}.pem")), issued.cert_pem).unwrap();
        write_private(&desk.path(&format!("own/{id}.key")), key.expose_pem()).unwrap();
    }
    let hears = async |id: &str| {
        let folder = desk.path("own");
        let connected = partner_sdk::Client::builder(&endpoint)
            .ca_file(folder.join("ca.pem"))
            .identity_files(folder.join(format!("{id}.pem")), folder.join(format!("{id}.key")))
            .connect()
            .await;
        match connected {
            Ok(client) => client.server_info().await.is_ok(),
            Err(_) => false,
        }
    };
    assert!(!hears("GROCER").await);
    let register = |file: &str| [&["partner", "authority", "GROCER", "--cert", file][..], &CONFIG].concat().join(" ");
    let words = |line: String| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let run = |line: String| {
        let words = words(line);
        desk.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    // One that issues nothing is none.
    let output = run(register("own/GROCER.pem"));
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("the certificate is not an authority's"), "{}", text(&output.stderr));
    assert!(run(register("own/own-ca.pem")).status.success());
    let line = hang_up(&mut server);
    assert!(line.contains("GROCER"), "{line}");
    assert!(hears("GROCER").await);
    assert!(!hears("FUEL").await, "it vouches for GROCER alone");
    desk.json(&[&["config", "check"][..], &CONFIG].concat());
    desk.json(&[&["partner", "authority", "GROCER", "--remove", "--yes"][..], &CONFIG].concat());
    hang_up(&mut server);
    assert!(!hears("GROCER").await);
    assert_eq!(server.stop("-TERM").0, Some(0));
}

#[test]
fn sighup_reads_the_configuration_again_and_says_what_it_read_and_what_it_did_not() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0"]);
    let mut server = desk.serve(&[&["serve"], &CONFIG[..]].concat());
    let line = hang_up(&mut server);
    assert!(line.contains("none is configured"), "{line}");
    // A list that was not configured at the start is read, and what it names is refused.
    let read = |name: &str| fs::read_to_string(desk.path("coalition/authority").join(name)).unwrap();
    let issuing = Authority::from_pem(&read("ca.pem"), &read("ca.key")).unwrap();
    #[allow(clippy::disallowed_methods, reason = "certificates are checked against the machine's clock")]
    let now = Timestamp::now();
    let made = desk.json(&[&["partner", "certificate", "operator", "--out", "stolen"][..], &CONFIG].concat());
    let revoked = clearing_certs::Revoked { serial_hex: made["serial"].as_str().unwrap().to_owned(), revoke_time: now };
    let list = issuing.revocation_list(&[revoked], 1, now, now + 24.hours()).unwrap();
    fs::write(desk.path("coalition/revoked.pem"), list).unwrap();
    let path = desk.path("coalition/clearing.toml");
    let text = fs::read_to_string(&path).unwrap();
    let changed = text.replace("# crl = \"\"", "crl = \"revoked.pem\"");
    assert_ne!(text, changed);
    fs::write(&path, changed.replace("# drain_seconds = 20", "drain_seconds = 5")).unwrap();
    let line = hang_up(&mut server);
    assert!(line.contains("revoked.pem: 1 revoked"), "{line}");
    let line = server.logs("not read again: these have changed");
    assert!(line.contains("house.drain_seconds") && !line.contains("tls."), "{line}");
    assert!(reaches(&desk, &server));
    let stolen = ["--set", "client.cert=stolen/operator.pem", "--set", "client.key=stolen/operator.key"];
    let endpoint = server.endpoint.clone();
    let ask = [&["window", "list", "--endpoint", &endpoint][..], &CONFIG, &stolen].concat();
    let (code, error) = desk.failure(&ask);
    assert_ne!(code, 0, "{error}");
    // A file that is gone is named, and all stays as it was.
    fs::remove_file(desk.path("coalition/revoked.pem")).unwrap();
    server.signal("-HUP");
    let line = server.logs("nothing was read again; the old ones stay in use");
    assert!(line.contains("tls.crl") && line.contains("revoked.pem"), "{line}");
    assert_ne!(desk.failure(&ask).0, 0, "the list is still in force");
    assert!(reaches(&desk, &server));
    assert_eq!(server.stop("-TERM").0, Some(0));
}

/// The operator's certificate and the house's are told of ahead, in the log of the house.
#[test]
fn certificates_that_are_about_to_end_are_told_of_when_the_house_opens() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0"]);
    desk.json(&[&["certificate", "server", "--days", "5"][..], &CONFIG].concat());
    let certificate = ["partner", "certificate", "operator-1", "--person", "--out", "own", "--days", "20"];
    desk.json(&[&certificate[..], &CONFIG].concat());
    let own = ["--set", "client.cert=own/operator-1.pem", "--set", "client.key=own/operator-1.key"];
    let mut server = desk.serve(&[&["serve"], &CONFIG[..], &own].concat());
    let listed = desk.table(&[&["partner", "list", "--endpoint", &server.endpoint][..], &CONFIG, &own].concat());
    assert!(listed.contains("server.pem) ends") && listed.contains("in 4 days"), "{listed}");
    assert!(listed.contains("operator-1.pem) ends") && listed.contains("in 19 days"), "{listed}");
    let told = [server.logs("is about to end"), server.logs("is about to end")].concat();
    // What is renewed is told of no more.
    desk.json(&[&["certificate", "server"][..], &CONFIG].concat());
    hang_up(&mut server);
    let (code, log) = server.stop("-TERM");
    assert_eq!(code, Some(0));
    assert_eq!(log.matches("is about to end").count(), 2, "each once: {log}");
    for (what, left) in [("the server certificate", "days_left=4"), ("the operator's certificate", "days_left=19")] {
        assert!(told.lines().any(|line| line.contains(what) && line.contains(left)), "{what}: {told}");
    }
}
