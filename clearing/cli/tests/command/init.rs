//! `clearing init`: what it makes, what it suggests, and what it refuses.

use std::fs;

use crate::desk::{Desk, mode};

#[test]
fn init_makes_a_coalition_and_overwrites_nothing() {
    let desk = Desk::new();
    let made = desk.json(&["init", "--domain", "points.example", "--currency", "EUR", "--point-value", "0.01"]);
    assert_eq!((made["currency"].as_str(), made["scale"].as_u64()), (Some("EUR"), Some(2)));
    let folder = desk.path("coalition");
    for secret in ["authority/ca.key", "server.key", "operator.key", "auditor.key", "identifier.key"] {
        assert_eq!(mode(&folder.join(secret)), 0o600, "{secret}");
    }
    let key = fs::read_to_string(folder.join("identifier.key")).unwrap();
    assert_eq!(key.trim().len(), 64);
    let check = desk.json(&["config", "check", "--config", "coalition/clearing.toml"]);
    assert!(check["keys"].as_array().unwrap().iter().any(|key| key["source"] == "default"), "{check}");
    assert!(check["keys"].as_array().unwrap().iter().any(|key| {
        key["key"] == "house.domain" && key["source"].as_str().unwrap().starts_with("coalition/clearing.toml:")
    }));
    let state = desk.json(&["migrate", "--check", "--config", "coalition/clearing.toml"]);
    assert_eq!(state["pending"].as_array().map(Vec::len), Some(0));

    let (code, error) = desk.failure(&["init", "--domain", "points.example"]);
    assert_eq!(code, 2);
    assert!(error["message"].as_str().unwrap().contains("not overwritten"), "{error}");
    assert_eq!(fs::read_to_string(folder.join("identifier.key")).unwrap(), key);

    let (code, error) = desk.failure(&[
        "init",
        "--domain",
        "other.example",
        "--dir",
        "other",
        "--database",
        "sqlite:../coalition/clearing.db",
    ]);
    assert_eq!(code, 2);
    assert!(error["message"].as_str().unwrap().contains("holds the coalition points.example already"), "{error}");
}

#[test]
fn init_limits_new_partners_unless_no_limits_is_written() {
    let desk = Desk::new();
    let init = |folder: &str, more: &[&str]| {
        let line = [&["init", "--domain", "points.example", "--scale", "4", "--dir", folder][..], more].concat();
        let made = desk.json(&line)["default_limits"].clone();
        (made["net_debit_cap"].as_str().map(str::to_owned), made["points_per_entry"].as_i64())
    };
    // Nobody can be asked here: what is suggested holds, and it is said.
    assert_eq!(init("suggested", &[]), (Some("100000.0000".to_owned()), Some(100_000)));
    let said = desk.table(&["init", "--domain", "points.example", "--dir", "told"]);
    assert!(
        said.contains("New partners may owe up to 100000.00 RUB and issue up to 100000 points at a time"),
        "{said}"
    );
    assert!(said.contains("That is a suggestion") && said.contains("--no-limits"), "{said}");
    let flags = ["--default-net-debit-cap", "2500.5", "--default-points-per-entry", "700"];
    assert_eq!(init("chosen", &flags), (Some("2500.5000".to_owned()), Some(700)));
    assert_eq!(init("none", &["--no-limits"]), (None, None));
    let (code, _) =
        desk.failure(&["init", "--domain", "points.example", "--dir", "x", "--default-net-debit-cap", "-1"]);
    assert_eq!(code, 2);
    let both = desk.run(&["init", "--domain", "points.example", "--dir", "x", "--no-limits", flags[0], flags[1]]);
    assert_eq!(both.status.code(), Some(2));
    assert!(!desk.path("x").exists());
}

#[test]
fn init_refuses_what_no_coalition_can_be() {
    let desk = Desk::new();
    for (flag, value) in [
        ("--domain", "Points Example"),
        ("--currency", "rubles"),
        ("--scale", "7"),
        ("--scale", "1"),
        ("--point-value", "0.001"),
        ("--time-zone", "Mars/Olympus"),
        ("--breakage", "0.5/0.5/0.5"),
        ("--fee", "2"),
        ("--fee-bearer", "NOBODY"),
        ("--recovery", "NONE"),
        ("--funding", "LATER"),
        ("--listen", "localhost:1"),
        ("--database", "mysql://x"),
        ("--server-name", "not a name"),
    ] {
        let domain = if flag == "--domain" { value } else { "points.example" };
        let more = if flag == "--domain" { vec![] } else { vec![flag, value] };
        let (code, error) = desk.failure(&[&["init", "--domain", domain][..], &more].concat());
        assert_eq!(code, 2, "{flag} {value}: {error}");
        assert!(!desk.path("coalition").exists(), "{flag} {value} left something behind");
    }
}
