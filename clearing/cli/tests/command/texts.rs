//! A number, a time and a path are read by the grammar of every border on the command line too.

use std::process::{Command, Stdio};

use clearing_play::audit;
use clearing_play::texts::{NO_NUMBERS, NO_TIMES};
use tempfile::TempDir;

/// The command, in a folder of its own.
pub fn clearing(folder: &TempDir, arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clearing"));
    command.args(arguments).current_dir(folder.path()).env_clear().stdin(Stdio::null()).output().unwrap()
}

#[test]
fn what_is_no_number_or_time_is_refused_on_the_command_line() {
    let folder = TempDir::new().unwrap();
    let extend = ["member", "extend-expiry", "card:1", "--issuer", "A", "--until"];
    let borders: [(&[&str], bool); 9] = [
        (&["deposit", "reserve"], true),
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
        let texts: Vec<&str> = if is_number { NO_NUMBERS.to_vec() } else { NO_TIMES.to_vec() };
        for text in texts {
            let output = clearing(&folder, &[arguments, &[text]].concat());
            assert_eq!(output.status.code(), Some(2), "{arguments:?} {text:?}");
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(!said.contains("client.endpoint"), "{arguments:?} {text:?} was read: {said}");
        }
    }
}

/// Whatever is in the name of a folder or file, the books are where the configuration says.
#[tokio::test(flavor = "multi_thread")]
async fn a_path_of_books_names_the_file_that_it_says() {
    for name in ["100%41 книги?mode=memory#1.db", "a b.db", "file:c.db", "%2e%2e%2fd.db", "?", "#e.db"] {
        let folder = TempDir::new().unwrap();
        let url = format!("sqlite:{name}");
        let init = clearing(&folder, &["init", "--domain", "points.example", "--dir", "Дом №1", "--database", &url]);
        assert_eq!(init.status.code(), Some(0), "{name}: {}", String::from_utf8_lossy(&init.stderr));
        let file = folder.path().join("Дом №1").join(name);
        assert!(file.is_file(), "{name}: {:?}", files(&folder));
        let check = clearing(&folder, &["config", "check", "--config", "Дом №1/clearing.toml"]);
        let said = String::from_utf8_lossy(&check.stdout).into_owned();
        assert_eq!(check.status.code(), Some(0), "{name}: {}", String::from_utf8_lossy(&check.stderr));
        assert!(said.contains("holds the coalition points.example"), "{name}: {said}");
        audit(&format!("sqlite:{}", file.display())).await;
        let strangers: Vec<String> = files(&folder).into_iter().filter(|found| found.ends_with(".db")).collect();
        assert!(strangers.is_empty() || name.ends_with(".db"), "{strangers:?}");
    }
}

/// All files below a folder.
fn files(folder: &TempDir) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.path().to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { found.push(path.display().to_string()) }
        }
    }
    found
}
