//! The guide to a new operation, `docs/adding-an-operation.md`, is true of the newest ones.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clearing_core::command::Command;

/// The operations that were there before the guide.
const BEFORE: &str = "Deposit";

/// Operations named by one common word, which stands in many files that say nothing of them.
const COMMON_WORDS: [&str; 2] = ["Charge", "Adjust"];

/// How many files one without a state of its own may touch.
const FILES_WITHOUT_STATE_MAX: usize = 15;

/// What follows from other files, is a history, or is the guide and its test.
const NOT_BY_HAND: [&str; 8] = [
    "proto/src/gen/",
    "proto/released/",
    "partner-sdk/src/gen/",
    "partner-sdk/src/reason.rs",
    "docs/errors.md",
    "CHANGELOG.md",
    "docs/adding-an-operation.md",
    "clearing/tests/it/guide.rs",
];

/// Where more tests of an operation may stand, besides those of the table.
const OF_TESTS: [&str; 5] =
    ["clearing/tests/", "clearing/core/tests/", "clearing/cli/tests/", "benches/", "clearing/scenarios/"];

/// A line of the guide's table.
struct Line {
    files: Vec<String>,
    always: bool,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn lines() -> Vec<Line> {
    let guide = std::fs::read_to_string(root().join("docs/adding-an-operation.md")).unwrap();
    let rows = guide.lines().filter(|line| line.starts_with("| `"));
    let lines = rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [files, _, when] = cells[..] else { panic!("three cells: {row}") };
        Line { files: files.split('`').skip(1).step_by(2).map(str::to_owned).collect(), always: when == "always" }
    });
    lines.collect()
}

/// Whether a file is meant by a name of the guide, in which a part in capitals stands for anything.
fn is_meant(file: &str, name: &str) -> bool {
    let parts = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
    let (file, name) = (parts(file), parts(name));
    let stands_for_any = |part: &str| part.split('.').next().unwrap().chars().all(|letter| letter.is_ascii_uppercase());
    let ending = |part: &str| part.split_once('.').map(|(_, ending)| ending.to_owned());
    file.len() == name.len()
        && file.iter().zip(&name).all(|(part, meant)| {
            part == meant || (stands_for_any(meant) && ending(meant).is_none_or(|meant| ending(part) == Some(meant)))
        })
}

/// The files that somebody wrote by hand, with their texts, in which words are put together: `withdraw_funds`, `WithdrawFunds`
/// and `withdraw-funds` are one.
fn files() -> Vec<(String, String)> {
    let (mut found, mut folders) = (Vec::new(), vec![root()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
            if path.is_dir() {
                if !name.starts_with('.') && !name.starts_with("target") {
                    folders.push(path);
                }
                continue;
            }
            let read = path
                .extension()
                .is_some_and(|ending| ["rs", "proto", "md", "toml", "sql"].iter().any(|read| ending == *read));
            if read && !NOT_BY_HAND.iter().any(|made| name.starts_with(made)) {
                let text = std::fs::read_to_string(&path).unwrap().to_lowercase();
                found.push((name, text.replace(['_', '-'], "")));
            }
        }
    }
    found
}

fn newest() -> Vec<&'static str> {
    let newest: Vec<&str> = Command::NAMES_ASKED
        .iter()
        .skip_while(|name| **name != BEFORE)
        .skip(1)
        .copied()
        .filter(|name| !COMMON_WORDS.contains(name))
        .collect();
    assert!(newest.len() >= 3, "{newest:?}");
    newest
}

#[test]
fn the_guide_to_a_new_operation_names_the_files_that_the_newest_ones_are_in() {
    let (lines, files) = (lines(), files());
    assert!(lines.len() > 15, "the table of the guide was not found");
    let mut wrong = Vec::new();
    for name in newest() {
        let of_it = name.to_lowercase();
        let named: BTreeSet<&str> =
            files.iter().filter(|(_, text)| text.contains(&of_it)).map(|(name, _)| name.as_str()).collect();
        let meant = |line: &Line| named.iter().any(|file| line.files.iter().any(|name| is_meant(file, name)));
        let in_the_table = |file: &&str| lines.iter().any(|line| line.files.iter().any(|name| is_meant(file, name)));
        let unknown =
            named.iter().filter(|file| !in_the_table(file) && !OF_TESTS.iter().any(|tests| file.starts_with(tests)));
        wrong.extend(unknown.map(|file| format!("{file} names {name}, and the guide does not say so")));
        let missed = lines.iter().filter(|line| line.always && !meant(line));
        wrong.extend(missed.map(|line| format!("{name} is not in {:?}, where the guide says it is", line.files)));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Files that do not name it, such as a new reason's, come on top: `WithdrawFunds` touched one.
#[test]
fn an_operation_without_a_state_of_its_own_is_in_few_files() {
    let (lines, files) = (lines(), files());
    let named = files.iter().filter(|(_, text)| text.contains("withdrawfunds"));
    let of_the_table: Vec<&String> = named
        .map(|(file, _)| file)
        .filter(|file| lines.iter().any(|line| line.files.iter().any(|name| is_meant(file, name))))
        .collect();
    println!("WithdrawFunds is in {} files: {of_the_table:#?}", of_the_table.len());
    assert!(of_the_table.len() < FILES_WITHOUT_STATE_MAX, "{of_the_table:#?}");
}
