//! Files that hold a secret are their owner's alone, and no secret is told.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use crate::desk::{Desk, mode, text_of};

#[test]
fn what_holds_a_secret_is_its_owners_alone_from_the_first_byte() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0", "--dir", "new/coalition"]);
    let folder = desk.path("new/coalition");
    let server = desk.serve(&["serve", "--config", "new/coalition/clearing.toml"]);
    for secret in ["clearing.toml", "clearing.db", "clearing.db-wal", "clearing.db-shm", "clearing.db.lock"] {
        assert_eq!(mode(&folder.join(secret)), 0o600, "{secret}");
    }
    assert_eq!((mode(&folder), mode(&folder.join("authority"))), (0o700, 0o700));
    assert_eq!(server.stop("-TERM").0, Some(0));
    let certificate = ["partner", "certificate", "A", "--out", "brand", "--config", "new/coalition/clearing.toml"];
    desk.json(&certificate);
    assert_eq!((mode(&desk.path("brand")), mode(&desk.path("brand/A.key"))), (0o700, 0o600));

    let server = desk.sandbox("sandbox", &[]);
    for secret in ["sandbox.db", "sandbox.db-wal", "grocer.key", "clearing.toml"] {
        assert_eq!(mode(&desk.path("sandbox").join(secret)), 0o600, "{secret}");
    }
    assert_eq!(mode(&desk.path("sandbox")), 0o700);
    assert_eq!(server.stop("-TERM").0, Some(0));
}

#[test]
fn a_key_that_others_may_read_is_refused_by_whoever_would_use_it() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0"]);
    let config = ["--config", "coalition/clearing.toml"];
    let certificate = ["partner", "certificate", "A", "--out", "brand"];
    for (file, wide, commands) in [
        ("server.key", 0o640, vec![&["serve"][..], &["config", "check"]]),
        ("identifier.key", 0o604, vec![&["serve"], &["config", "check"], &["audit"]]),
        ("operator.key", 0o644, vec![&["window", "list"], &["config", "check", "--client"]]),
        ("authority/ca.key", 0o660, vec![&certificate]),
    ] {
        let path = desk.path("coalition").join(file);
        fs::set_permissions(&path, fs::Permissions::from_mode(wide)).unwrap();
        for command in commands {
            let (code, error) = desk.failure(&[command, &config].concat());
            assert_eq!(code, 2, "{command:?}: {error}");
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(file) && message.contains(&format!("has mode {wide:04o}")), "{message}");
            assert!(error["hint"].as_str().unwrap().contains("chmod 600"), "{error}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    desk.json(&[&["config", "check"][..], &config].concat());
    // The file of the configuration is no secret as long as no password is in it.
    let path = desk.path("coalition/clearing.toml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    desk.json(&[&["config", "check"][..], &config].concat());
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace("sqlite:clearing.db", "postgres://house:hunter2@127.0.0.1:1/books");
    fs::write(&path, text).unwrap();
    for command in [&["config", "check"][..], &["serve"], &["window", "list"]] {
        let (code, error) = desk.failure(&[command, &config].concat());
        assert_eq!(code, 2, "{error}");
        assert!(error["message"].as_str().unwrap().contains("clearing.toml has mode 0644"), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    // Nothing that is said of a database out of reach tells the password.
    let output = desk.run(&[&["config", "check", "--output", "json"][..], &config].concat());
    assert_eq!(output.status.code(), Some(3), "{}", text_of(&output));
    assert!(!text_of(&output).contains("hunter2"), "{}", text_of(&output));
    assert!(text_of(&output).contains("no database server listens at 127.0.0.1:1"), "{}", text_of(&output));
}

#[test]
fn no_command_tells_the_password_of_a_database() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example"]);
    let config = ["--config", "coalition/clearing.toml"];
    let mut waiting = Vec::new();
    for url in [
        "postgres://house:hunter2@127.0.0.1:1/books",
        "postgres://house:hun?ter2@127.0.0.1:1/books",
        "postgres://house:h@hunter2@127.0.0.1:1/books",
        "postgres://127.0.0.1:1/books?user=house&password=hunter2",
        "postgres://127.0.0.1:1/books?user=house&pass%77ord=hunter2",
        "postgres:house:hunter2@127.0.0.1/books",
        "mysql://house:hunter2@127.0.0.1/books",
    ] {
        let set = format!("house.database={url}");
        for command in [
            &["config", "check", "--set", &set][..],
            &["config", "check", "--set", &set, "--output", "json"],
            &["audit", "--database", url],
            &["migrate", "--database", url],
            &["init", "--domain", "points.example", "--dir", "other", "--database", url],
        ] {
            // Each waits some seconds for a database that is not there, so they wait at the same time.
            let mut program = desk.command(&[command, &config].concat());
            let running = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            waiting.push((command.join(" "), running));
        }
    }
    for (command, running) in waiting {
        let said = text_of(&running.wait_with_output().unwrap());
        assert!(!said.is_empty() && !said.contains("ter2"), "{command}: {said}");
    }
    // What stands under a key that nobody knows may be one.
    let output = desk.run(&["config", "check", "--set", "house.password=hunter2"]);
    assert!(text_of(&output).contains("house.password is unknown"), "{}", text_of(&output));
    assert!(!text_of(&output).contains("hunter2"), "{}", text_of(&output));
}
