//! `clearing init`: what it makes, what it suggests, and what it refuses.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::desk::{Desk, mode, text};

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
    assert!(!desk.path("other").exists(), "a failed init left its folder behind");
    assert_eq!(desk.json(&["audit", "--config", "coalition/clearing.toml"])["clean"], true);
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
        ("--currency", "XYZ"),
        ("--currency", "XAU"),
        ("--scale", "7"),
        ("--scale", "1"),
        ("--point-value", "0.001"),
        ("--point-value", "0"),
        ("--point-value", "0.00"),
        ("--point-value=-1", ""),
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
        let more: Vec<&str> = more.into_iter().filter(|word| !word.is_empty()).collect();
        let (code, error) = desk.failure(&[&["init", "--domain", domain][..], &more].concat());
        assert_eq!(code, 2, "{flag} {value}: {error}");
        assert!(!error["hint"].is_null(), "{flag} {value}: what is allowed is not told: {error}");
        assert!(!desk.path("coalition").exists(), "{flag} {value} left something behind");
    }
}

/// It once left its folder, and with it the books of a coalition that nobody had the key of.
#[test]
fn an_init_that_fails_leaves_nothing_behind_whatever_fails() {
    let desk = Desk::new();
    // Where the database cannot be.
    for database in ["sqlite:nowhere/books.db", "sqlite:.", "postgres://localhost:1/books"] {
        let (code, error) = desk.failure(&["init", "--domain", "points.example", "--database", database]);
        assert_ne!(code, 0, "{error}");
        assert_eq!(names(&desk.path("")), Vec::<String>::new(), "{database}: {error}");
    }
    // Whatever is there already, also a link that leads nowhere.
    let own = ["ca.pem", "clearing.toml", "server.key", "operator.pem", "auditor.pem", "identifier.key", "authority"];
    for name in own {
        for make in [make_file, make_link] {
            fs::create_dir(desk.path("coalition")).unwrap();
            make(&desk.path("coalition").join(name));
            let (code, error) = desk.failure(&["init", "--domain", "points.example"]);
            assert_eq!(code, 2, "{name}: {error}");
            assert_eq!(names(&desk.path("coalition")), [name], "{error}");
            fs::remove_dir_all(desk.path("coalition")).unwrap();
        }
    }
    // Where the disk takes no more than so many blocks of one file: the first file fails, one in the middle, the books.
    let mut failed = Vec::new();
    for blocks in [0, 1, 2, 3, 4, 8, 16, 32, 64, 128, 256, 512] {
        let line = format!(
            "trap '' XFSZ; ulimit -f {blocks}; exec {} init --domain points.example --dir deep/down",
            env!("CARGO_BIN_EXE_clearing")
        );
        let output = Command::new("sh").args(["-c", &line]).current_dir(desk.path("")).env_clear().output().unwrap();
        let said = text(&output.stderr);
        if output.status.success() {
            break;
        }
        assert_eq!(names(&desk.path("")), Vec::<String>::new(), "{blocks} blocks: {said}");
        failed.push(said);
    }
    let of = |what: &str| failed.iter().filter(|said| said.contains(what)).count();
    assert!(of("root.key") > 0 && of("clearing.toml") > 0 && of("database") > 0, "{failed:?}");
    // What was there before stays, and after all of that the same command succeeds.
    fs::create_dir(desk.path("coalition")).unwrap();
    make_file(&desk.path("coalition/notes.txt"));
    desk.failure(&["init", "--domain", "points.example", "--database", "sqlite:nowhere/books.db"]);
    assert_eq!(names(&desk.path("coalition")), ["notes.txt"]);
    desk.json(&["init", "--domain", "points.example"]);
}

#[test]
fn a_command_that_only_reads_makes_no_file() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example"]);
    for command in [&["audit"][..], &["migrate", "--check"], &["config", "check"]] {
        for of in ["nosuch.db", "nowhere/nosuch.db"] {
            let set = format!("house.database=sqlite:{of}");
            let output = desk.run(&[command, &["--config", "coalition/clearing.toml", "--set", &set]].concat());
            let said = text(&output.stdout) + &text(&output.stderr);
            assert!(said.contains("nosuch.db"), "{command:?}: {said}");
        }
        assert_eq!(names(&desk.path("")), ["coalition"], "{command:?}");
    }
    let (code, error) = desk.failure(&["audit", "--database", "sqlite:nosuch.db"]);
    assert_eq!(code, 2, "{error}");
    assert!(error["message"].as_str().unwrap().contains("there is no database"), "{error}");
    assert_eq!(names(&desk.path("")), ["coalition"]);
}

#[test]
fn no_command_overwrites_a_file_unless_it_is_told_to() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example"]);
    let config = ["--config", "coalition/clearing.toml"];
    make_file(&desk.path("there"));
    let certificate = [&["partner", "certificate", "A", "--out", "brand"][..], &config].concat();
    desk.json(&certificate);
    let key = fs::read_to_string(desk.path("brand/A.key")).unwrap();
    for command in [
        [&["audit", "--record", "there"][..], &config].concat(),
        [&["settlement", "export", "1", "--csv", "there"][..], &config].concat(),
        vec!["demo", "--report", "there"],
        certificate.clone(),
        // A key that is overwritten is lost: that is asked for as well.
        [&certificate[..], &["--force"]].concat(),
    ] {
        let (code, error) = desk.failure(&command);
        assert_eq!(code, 2, "{command:?}: {error}");
        let told = error["message"].as_str().unwrap().to_owned() + error["hint"].as_str().unwrap();
        assert!(told.contains("--force") || told.contains("--yes"), "{command:?}: {error}");
    }
    assert_eq!(fs::read_to_string(desk.path("there")).unwrap(), "");
    assert_eq!(fs::read_to_string(desk.path("brand/A.key")).unwrap(), key);
    desk.json(&[&certificate[..], &["--force", "--yes"]].concat());
    assert_ne!(fs::read_to_string(desk.path("brand/A.key")).unwrap(), key);
    desk.json(&[&["audit", "--record", "there", "--force"][..], &config].concat());
    assert_ne!(fs::read(desk.path("there")).unwrap().len(), 0);
}

/// The first command of the README is run again by whoever liked it.
#[test]
fn a_demo_takes_the_place_of_an_earlier_ones_report_and_of_no_other_file() {
    let desk = Desk::new();
    let demo = ["demo", "--customers", "4", "--purchases", "20", "--report", "day.html"];
    desk.json(&demo);
    desk.json(&[&demo[..], &["--seed", "7"]].concat());
    fs::rename(desk.path("day.html"), desk.path("mine.html")).unwrap();
    std::os::unix::fs::symlink("mine.html", desk.path("day.html")).unwrap();
    assert_eq!(desk.failure(&demo).0, 2, "a link leads to something else");
    fs::remove_file(desk.path("day.html")).unwrap();
    fs::write(desk.path("day.html"), "<title>my thesis</title>").unwrap();
    assert_eq!(desk.failure(&demo).0, 2);
    assert_eq!(fs::read_to_string(desk.path("day.html")).unwrap(), "<title>my thesis</title>");
}

fn make_file(path: &Path) {
    fs::write(path, "").unwrap();
}

fn make_link(path: &Path) {
    std::os::unix::fs::symlink("nowhere/at/all", path).unwrap();
}

/// What is in a folder, by name.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
