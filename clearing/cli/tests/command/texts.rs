//! A number, a time and a path are read by the grammar of every border on the command line too.

use std::path::Path;

use clearing_play::audit;
use clearing_play::texts::{NO_NUMBERS, NO_TIMES};

use crate::desk::{Desk, text};

#[test]
fn what_is_no_number_or_time_is_refused_on_the_command_line() {
    let desk = Desk::new();
    let extend = ["member", "extend-expiry", "card:1", "--issuer", "A", "--until"];
    let borders: [(&[&str], bool); 9] = [
        (&["fund", "deposit", "reserve"], true),
        (&["partner", "limits", "A", "--net-debit-cap"], true),
        (&["partner", "limits", "A", "--points-per-day"], true),
        (&["partner", "terms", "A", "--price"], true),
        (&["statement", "A", "--window"], true),
        (&["statement", "A", "--lines"], true),
        (&["window", "list", "--limit"], true),
        (&["demo", "--purchases"], true),
        (&extend, false),
    ];
    for (arguments, is_number) in borders {
        // Signs would be taken for flags before they are read.
        let mut texts: Vec<&str> = if is_number { NO_NUMBERS.to_vec() } else { NO_TIMES.to_vec() };
        // The command line knows the coalition's zone, so that days and local times are moments here.
        texts.retain(|text| !["2026-03-01", "2026-03-01T00:00:00"].contains(text));
        for text in texts {
            let output = desk.run(&[arguments, &[text]].concat());
            assert_eq!(output.status.code(), Some(2), "{arguments:?} {text:?}");
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(!said.contains("client.endpoint"), "{arguments:?} {text:?} was read: {said}");
        }
    }
}

#[test]
fn a_number_has_one_form_on_the_command_line_too() {
    let desk = Desk::new();
    for number in ["+1", "1e3", "1_000", "01", ".5", "5.", "1.0000000000"] {
        for flag in ["--point-value", "--fee", "--settlement-threshold", "--default-net-debit-cap", "--grace-days"] {
            let output = desk.run(&["init", "--domain", "points.example", flag, number]);
            assert_eq!(output.status.code(), Some(2), "{flag} {number}");
            assert!(text(&output.stderr).contains("is not a number such as -58.80"), "{}", text(&output.stderr));
        }
    }
    // More decimals than the coalition's money has, be they zeros.
    for flag in ["--point-value", "--settlement-threshold", "--default-net-debit-cap"] {
        let (code, error) = desk.failure(&["init", "--domain", "points.example", flag, "1.000"]);
        assert_eq!(code, 2);
        assert!(error["message"].as_str().unwrap().contains("1.000 has 3 decimals"), "{flag}: {error}");
    }
    let time =
        ["member", "extend-expiry", "card:1", "--issuer", "A", "--until", "2026-02-01T00:00:00Z", "--reason", "R"];
    let output = desk.run(&[&time[..], &["--expires", "9999-12-31T00:00:00Z"]].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("lies outside of 1970-01-01T00:00:00Z"), "{}", text(&output.stderr));
    assert!(!desk.path("coalition").exists());
}

/// Whatever is in the name of a folder or file, the books are where the configuration says.
#[tokio::test(flavor = "multi_thread")]
async fn a_path_of_books_names_the_file_that_it_says() {
    for name in ["100%41 книги?mode=memory#1.db", "a b.db", "file:c.db", "%2e%2e%2fd.db", "?", "#e.db"] {
        let desk = Desk::new();
        let url = format!("sqlite:{name}");
        desk.json(&["init", "--domain", "points.example", "--dir", "Дом №1", "--database", &url]);
        let file = desk.path("Дом №1").join(name);
        assert!(file.is_file(), "{name}: {:?}", files(&desk.path("")));
        let told = desk.table(&["config", "check", "--config", "Дом №1/clearing.toml"]);
        assert!(told.contains("holds the coalition points.example"), "{name}: {told}");
        audit(&format!("sqlite:{}", file.display())).await;
        let strangers: Vec<String> = files(&desk.path("")).into_iter().filter(|found| found.ends_with(".db")).collect();
        assert!(strangers.is_empty() || name.ends_with(".db"), "{strangers:?}");
    }
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { found.push(path.display().to_string()) }
        }
    }
    found
}
