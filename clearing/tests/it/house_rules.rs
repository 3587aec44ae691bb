//! The invariants of the code that are cheap to check, from ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clearing_core::command::{Command, snake_case};

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
        "sqlite",
        "tonic",
    ];
    none_has("clearing/core/src", &texts, &[]);
}

#[test]
fn sql_is_spoken_in_the_store_only() {
    none_has("clearing/src", &["sqlx::", "rusqlite::"], &["src/store"]);
    none_has("clearing/cli/src", &["sqlx::", "rusqlite::"], &[]);
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
    let at_the_door = ["src/rpc", "src/server.rs", "src/tls.rs", "src/door/body.rs", "src/enrolment.rs"];
    none_has("clearing/src", &["tonic::", "clearing_proto"], &at_the_door);
    none_has("clearing/core/src", &["clearing_proto"], &[]);
    // The command speaks through the SDK, as every partner does.
    none_has("clearing/cli/src", &["tonic::", "clearing_proto"], &[]);
}

/// The crates of the project, each with the folder of its sources; of some there may be none.
const CRATES: [(&str, &str); 8] = [
    ("core", "clearing/core/src"),
    ("bank", "clearing/bank/src"),
    ("clearing", "clearing/src"),
    ("cli", "clearing/cli/src"),
    ("sdk", "partner-sdk/src"),
    ("certs", "certs/src"),
    ("benches", "benches/src"),
    ("play", "clearing/play/src"),
];

/// The sources of a crate that somebody wrote by hand.
fn written_by_hand(folder: &str) -> Vec<(PathBuf, String)> {
    let there = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder).is_dir();
    let found = if there { sources(folder) } else { Vec::new() };
    found.into_iter().filter(|(path, _)| path.components().all(|part| part.as_os_str() != "gen")).collect()
}

/// The modules of core by their paths, each with its code. The root names all of them and is none.
fn modules_of_core() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../clearing/core/src");
    let named = sources("clearing/core/src").into_iter().filter_map(|(path, code)| {
        let path = path.strip_prefix(&root).ok()?.with_extension("");
        let names: Vec<String> = path.iter().map(|name| name.to_string_lossy().into_owned()).collect();
        Some((names.join("::"), code))
    });
    named.filter(|(name, _)| name != "lib").collect()
}

/// The paths that begin with a word in some code, as lists of names. Groups in braces are taken apart.
fn paths(code: &str, word: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(&format!("{word}::")) {
        let before = code[..at].chars().next_back();
        if before.is_none_or(|before| !before.is_alphanumeric() && !"_:$".contains(before)) {
            branch(&code[at..], &[], &mut found);
        }
    }
    found
}

/// Reads one path behind those names, and gives what stands after it.
fn branch<'a>(text: &'a str, before: &[String], found: &mut Vec<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = branch(rest, before, found);
            let next = rest.find([',', '}']).expect("a group of paths ends");
            rest = &rest[next..];
            match rest.strip_prefix(',') {
                Some(more) if !more.trim_start().starts_with('}') => rest = more,
                Some(more) => return &more.trim_start()[1..],
                None => return &rest[1..],
            }
        }
    }
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(text.len());
    let mut names = before.to_vec();
    if end > 0 {
        names.push(text[..end].to_owned());
    }
    match text[end..].strip_prefix("::") {
        Some(rest) if end > 0 => branch(rest, &names, found),
        _ => {
            found.push(names);
            &text[end..]
        }
    }
}

/// What each module of core names: of every path the longest beginning that is a module.
fn arrows_of_core() -> BTreeMap<String, BTreeSet<String>> {
    let modules = modules_of_core();
    let longest = |names: &[String]| {
        let beginnings = (1..=names.len()).rev().map(|length| names[..length].join("::"));
        beginnings.into_iter().find(|name| modules.contains_key(name))
    };
    let arrows = modules.iter().map(|(module, code)| {
        let own: Vec<String> = module.split("::").map(str::to_owned).collect();
        let mut named = BTreeSet::new();
        for path in paths(code, "crate") {
            named.extend(longest(&path[1..]));
        }
        for path in paths(code, "self") {
            named.extend(longest(&[&own[..], &path[1..]].concat()));
        }
        for path in paths(code, "super") {
            let up = path.iter().take_while(|name| *name == "super").count();
            named.extend(longest(&[&own[..own.len().saturating_sub(up)], &path[up..]].concat()));
        }
        // Who declares a module may name it without more ado.
        let children = modules.keys().filter_map(|other| other.strip_prefix(module)?.strip_prefix("::"));
        for child in children.filter(|child| !child.contains("::")) {
            named.extend(paths(code, child).iter().filter_map(|path| longest(&[&own[..], &path[..]].concat())));
        }
        named.remove(module);
        (module.clone(), named)
    });
    arrows.collect()
}

/// The modules that can be come to from a module along arrows.
fn reached(arrows: &BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<String> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
    while let Some(module) = open.pop() {
        open.extend(arrows[&module].iter().filter(|next| reached.insert((*next).clone())).cloned());
    }
    reached
}

#[test]
fn no_modules_of_core_name_each_other_in_a_circle() {
    let arrows = arrows_of_core();
    let reach: BTreeMap<&String, BTreeSet<String>> =
        arrows.keys().map(|module| (module, reached(&arrows, module))).collect();
    let circle = |module: &String| -> BTreeSet<String> {
        reach[module].iter().filter(|other| reach[other].contains(module)).cloned().collect()
    };
    let circles: BTreeSet<BTreeSet<String>> = arrows.keys().map(circle).filter(|circle| circle.len() > 1).collect();
    let modules: usize = circles.iter().map(BTreeSet::len).sum();
    println!("modules of core that stand in a circle: {modules} of {}", arrows.len());
    circles.iter().for_each(|circle| println!("  {circle:?}"));
    assert!(circles.is_empty(), "{circles:#?}");
    assert!(
        arrows.values().map(BTreeSet::len).sum::<usize>() > 200,
        "the arrows are not where this test looks for them"
    );
}

/// The table at the head of core's `lib.rs` lists its rooms, the ground first.
#[test]
fn no_room_of_core_names_one_that_stands_below_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../clearing/core/src/lib.rs");
    let text = std::fs::read_to_string(root).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("//! | [`")?.split_once("`] |"));
    let rooms: Vec<&str> = rows.map(|(room, _)| room).collect();
    let room_of = |module: &str| {
        let name = module.split("::").next().unwrap_or_default();
        rooms.iter().position(|room| *room == name).unwrap_or_else(|| panic!("lib.rs has no room {name}"))
    };
    let mut found = Vec::new();
    for (module, named) in arrows_of_core() {
        let up = named.iter().filter(|other| room_of(other) > room_of(&module));
        found.extend(up.map(|other| format!("{module} names {other}")));
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// How many sources name more than half of the operations: their list, and what tests say through the SDK. It may become less.
const PLACES_THAT_LIST_OPERATIONS: usize = 2;

/// A new operation costs a line in each of these.
#[test]
fn few_places_list_the_operations() {
    let names: Vec<[String; 2]> = Command::NAMES.iter().map(|name| [(*name).to_owned(), snake_case(name)]).collect();
    let mut places = Vec::new();
    // Kinds of entries are named as the operations that write them, and are a list of another thing.
    let sources = CRATES.iter().flat_map(|(_, folder)| written_by_hand(folder));
    for (path, code) in sources.filter(|(path, _)| !path.ends_with("core/src/facts/entry.rs")) {
        let words: BTreeSet<&str> = code.split(|letter: char| !letter.is_alphanumeric() && letter != '_').collect();
        let named = names.iter().filter(|forms| forms.iter().any(|form| words.contains(form.as_str()))).count();
        if named * 2 > names.len() {
            places.push((path, named));
        }
    }
    println!("places that name more than half of the {} operations: {}", names.len(), places.len());
    places.iter().for_each(|(path, named)| println!("  {} of them: {}", named, path.display()));
    assert!(places.len() <= PLACES_THAT_LIST_OPERATIONS, "{places:#?}");
}

/// Lines that are neither blank nor comment, by crate.
#[test]
fn the_lines_written_by_hand_are_counted() {
    let count = |folder: &str| -> usize {
        let code = |text: &String| text.lines().filter(|line| !line.trim().is_empty()).count();
        written_by_hand(folder).iter().map(|(_, text)| code(text)).sum()
    };
    let counts = CRATES.map(|(name, folder)| (name, count(folder)));
    println!("lines of code written by hand: {}", counts.iter().map(|(_, lines)| lines).sum::<usize>());
    counts.iter().for_each(|(name, lines)| println!("  {name}: {lines}"));
    let tests = [
        "clearing/core/tests",
        "clearing/bank/tests",
        "clearing/tests",
        "clearing/cli/tests",
        "partner-sdk/tests",
        "certs/tests",
    ];
    println!("of tests beside them: {}", tests.iter().map(|folder| count(folder)).sum::<usize>());
    assert!(counts[0].1 > 1_000, "the sources are not where this test looks for them");
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
