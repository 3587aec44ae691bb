//! The rules as they are written (`docs/rules.md`) against the rules as they are coded.

#![allow(clippy::unwrap_used, reason = "a panic in a test is how it fails")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clearing_core::rejection::Rejection;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn rules() -> String {
    read(&root().join("docs/rules.md"))
}

/// The crates in which rules are: the house's own, and what banks write and read.
fn sources() -> Vec<(PathBuf, String)> {
    let crates = ["clearing/core/src", "clearing/bank/src", "clearing/cli/src"];
    let (mut files, mut folders) = (Vec::new(), crates.map(|folder| root().join(folder)).to_vec());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files.into_iter().map(|path| (path.clone(), read(&path))).collect()
}

/// The anchors of a text, with how often each is there.
fn anchors(text: &str) -> BTreeMap<String, usize> {
    let mut anchors = BTreeMap::new();
    for line in text.lines() {
        if let Some(anchor) = line.strip_prefix("<a id=\"").and_then(|rest| rest.strip_suffix("\"></a>")) {
            *anchors.entry(anchor.to_owned()).or_default() += 1;
        }
    }
    anchors
}

/// Where the code names each anchor: the item whose documentation says `Rule: <anchor>`.
fn named_in_code() -> BTreeMap<String, Vec<String>> {
    let mut named: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, source) in sources() {
        let lines: Vec<&str> = source.lines().map(str::trim_start).collect();
        for (at, line) in lines.iter().enumerate() {
            let Some(anchor) = line.strip_prefix("/// Rule: ") else { continue };
            let after = lines[at + 1..].iter().find(|line| !line.starts_with("///") && !line.starts_with("#["));
            let item = after.unwrap_or_else(|| panic!("{}: nothing after Rule: {anchor}", path.display()));
            let is_item = ["fn ", "struct ", "enum "].iter().any(|word| item.contains(word));
            assert!(is_item, "{}: Rule: {anchor} stands above {item:?}", path.display());
            named.entry(anchor.to_owned()).or_default().push(format!("{}: {item}", path.display()));
        }
    }
    named
}

#[test]
fn every_rule_is_named_by_exactly_one_place_in_the_code_and_the_reverse() {
    let (written, named) = (anchors(&rules()), named_in_code());
    let mut problems = Vec::new();
    for (anchor, count) in &written {
        if *count != 1 {
            problems.push(format!("docs/rules.md has the anchor {anchor} {count} times"));
        }
        match named.get(anchor).map_or(0, Vec::len) {
            1 => {}
            0 => problems.push(format!("no code names the rule {anchor}")),
            _ => problems.push(format!("the rule {anchor} is named more than once: {:?}", named[anchor])),
        }
    }
    let unwritten = named.iter().filter(|(anchor, _)| !written.contains_key(*anchor));
    problems
        .extend(unwritten.map(|(anchor, places)| format!("docs/rules.md has no rule {anchor}, named by {places:?}")));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(written.len() > 50, "the rules are not where this test looks for them");
}

/// References in running text, such as "(rule `legs`)", must lead somewhere.
#[test]
fn every_rule_that_the_code_refers_to_exists() {
    let written = anchors(&rules());
    for (path, source) in sources() {
        for part in source.split("(rule `").skip(1) {
            let anchor = part.split('`').next().unwrap_or_default();
            assert!(written.contains_key(anchor), "{} refers to the rule {anchor}", path.display());
        }
    }
}

/// The reasons of a table's first column.
fn reasons_of(text: &str) -> Vec<String> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    rows.map(|(reason, _)| reason.to_owned()).collect()
}

#[test]
fn the_published_order_of_rejections_is_the_order_in_the_code() {
    let rules = rules();
    let (_, after) = rules.split_once("<a id=\"rejections\"></a>").unwrap();
    let (section, _) = after.split_once("\n## ").unwrap();
    assert_eq!(reasons_of(section), Rejection::REASONS);

    // A reason is its name in code, written otherwise.
    let named: Vec<String> = Rejection::TABLE.iter().map(|row| upper_snake(row.variant)).collect();
    assert_eq!(named, Rejection::REASONS);
}

fn upper_snake(name: &str) -> String {
    let mut text = String::new();
    for character in name.chars() {
        if character.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(character.to_ascii_uppercase());
    }
    text
}

/// The coalition's common order, of which this release has a part, and a reason of its own.
#[test]
fn the_order_of_rejections_is_that_of_the_acceptance_scenarios() {
    let page = read(&root().join("clearing/scenarios/README.md"));
    let (_, common) = page.split_once("in the order in which they are looked for").unwrap();
    let (common, _) = common.split_once("INSUFFICIENT_POINTS:").unwrap();
    let words = common.split(|character: char| !character.is_ascii_uppercase() && character != '_');
    let common: Vec<&str> = words.filter(|word| word.len() > 3).collect();
    let own = [
        "NOT_PERMITTED",
        "CREDENTIAL_REVOKED",
        "PROPOSAL_NOT_OPEN",
        "SAME_PERSON",
        "PROPOSAL_EXISTS",
        "INVITE_EXISTS",
        "SCOPE_EXCEEDED",
        "PARTNER_EXISTS",
        "ACCOUNT_CHANGE_NOT_PENDING",
        "CALENDAR_TOO_LATE",
        "BANK_REFERENCE_CONFLICT",
    ];
    let ours: Vec<&str> = Rejection::REASONS.into_iter().filter(|reason| !own.contains(reason)).collect();
    let in_common_order: Vec<&str> = common.iter().copied().filter(|reason| ours.contains(reason)).collect();
    assert_eq!(ours, in_common_order);
}
