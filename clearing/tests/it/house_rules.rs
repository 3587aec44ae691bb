//! The invariants of the code that are cheap to check, from ARCHITECTURE.md.

use std::path::{Path, PathBuf};

use clearing_core::operation::Command;

/// All Rust sources below a folder of the project, with their texts, comments left out.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                found.push((path.clone(), code.collect::<Vec<_>>().join("\n")));
            }
        }
    }
    assert!(!found.is_empty(), "there is no source below {folder}");
    found
}

/// Fails for every source below a folder that has one of the texts, unless its path has one of the exceptions.
fn none_has(folder: &str, texts: &[&str], except: &[&str]) {
    let mut found = Vec::new();
    for (path, code) in sources(folder) {
        let name = path.to_string_lossy().replace('\\', "/");
        if except.iter().any(|exception| name.contains(exception)) {
            continue;
        }
        for text in texts.iter().filter(|text| code.contains(**text)) {
            found.push(format!("{name} has {text:?}"));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_rules_know_neither_time_nor_chance_nor_files_nor_floats_nor_an_order_that_changes() {
    let texts = [
        "async fn",
        ".await",
        "SystemTime",
        "Instant",
        "Timestamp::now",
        "rand::",
        "HashMap",
        "HashSet",
        "f32",
        "f64",
        "std::fs",
        "std::net",
        "std::env",
        "tokio",
        "sqlx",
        "tonic",
    ];
    none_has("clearing/core/src", &texts, &[]);
}

#[test]
fn sql_is_spoken_in_the_store_only() {
    none_has("clearing/src", &["sqlx::"], &["src/store"]);
    none_has("clearing/cli/src", &["sqlx::"], &[]);
}

/// The floors around the rules take any operation for what it says of itself, so a new one costs no line there.
#[test]
fn no_operation_is_named_in_the_store_the_writer_or_the_scheduler() {
    let floors = ["src/store", "src/writer", "src/scheduler"];
    let named = |code: &str, name: &str| {
        code.match_indices(name).any(|(at, _)| {
            let outside = |letter: Option<char>| letter.is_none_or(|letter| !letter.is_alphanumeric() && letter != '_');
            outside(code[..at].chars().next_back()) && outside(code[at + name.len()..].chars().next())
        })
    };
    let mut found = Vec::new();
    for (path, code) in sources("clearing/src") {
        let place = path.to_string_lossy().replace('\\', "/");
        if floors.iter().any(|floor| place.contains(floor)) {
            let names = Command::NAMES.iter().filter(|name| named(&code, name));
            found.extend(names.map(|name| format!("{place} names {name}")));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_wire_is_spoken_in_rpc_and_at_the_door_only() {
    let at_the_door = ["src/rpc", "src/server.rs", "src/tls.rs", "src/door/body.rs"];
    none_has("clearing/src", &["tonic::", "clearing_proto"], &at_the_door);
    none_has("clearing/core/src", &["clearing_proto"], &[]);
    // The command speaks through the SDK, as every partner does.
    none_has("clearing/cli/src", &["tonic::", "clearing_proto"], &[]);
}

#[test]
fn configuration_is_read_in_config_only() {
    none_has("clearing/src", &["env::var"], &["src/config"]);
    none_has("clearing/cli/src", &["env::var"], &[]);
}

#[test]
fn ids_and_time_are_made_in_one_place() {
    let made = ["now_v7", "SystemTime::now", "Timestamp::now"];
    none_has("clearing/src", &made, &["src/clock.rs", "src/clock/machine.rs"]);
    none_has("clearing/cli/src", &made, &[]);
}

#[test]
fn the_command_prints_in_one_place() {
    let prints = ["println!", "print!(", "io::stdout", "io::stderr"];
    // The log goes to standard error by itself.
    none_has("clearing/cli/src", &prints, &["src/output.rs", "src/telemetry.rs"]);
    none_has("clearing/src", &prints, &[]);
}

#[test]
fn both_back_ends_have_the_same_migrations() {
    let names = |folder: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations").join(folder);
        let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names("sqlite"), names("postgres"));
}
