//! Whatever is wrong with a key, the message names the key, the value, what is allowed and where it came from.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use clearing::config::{
    Config, ConfigError, Environment, Fault, Flag, KEYS, Key, Kind, Problem, Source, template, without_password,
};

/// For each kind of key: a value that fits and is not its default, one without the form, and one outside of what is
/// allowed.
fn samples(key: &Key) -> (String, String, String) {
    let text = |fits: &str, malformed: &str, outside: String| (fits.to_owned(), malformed.to_owned(), outside);
    match key.kind {
        Kind::Whole { max, .. } => text(&max.to_string(), "many", (max + 1).to_string()),
        Kind::PerPartner { min, max } => {
            text(&format!("{max}, GROCER={min}"), &format!("{max}, GROCER"), format!("{max}, GROCER={}", max + 1))
        }
        Kind::Word(words) => text(words.last().unwrap(), "#!", "neither".to_owned()),
        Kind::File | Kind::OptionalFile => text("a.pem", "a\0b", String::new()),
        Kind::Address | Kind::OptionalAddress => text("[::1]:0", "localhost:1", "127.0.0.1:65536".to_owned()),
        Kind::OptionalCommand => text("pass show coalition", "pass\0show", " ".to_owned()),
        Kind::OptionalPlace => text("house.example:7444", "house.example", "house.example:65536".to_owned()),
        Kind::Database => text("postgres://u:p@h/d", "books", "mysql://u@h/d".to_owned()),
        Kind::Endpoint | Kind::OptionalEndpoint => {
            text("https://house.example:7443", "house.example", "http://house.example:7443".to_owned())
        }
        Kind::Domain => text("points.example", "Points Example", "x".repeat(256)),
        Kind::Filter => text("info,sqlx=warn", "inof", "info,".repeat(500) + "info"),
    }
}

/// A value as TOML writes it.
fn quoted(key: &Key, value: &str) -> String {
    let number = matches!(key.kind, Kind::Whole { .. }) && value.bytes().all(|byte| byte.is_ascii_digit());
    if number { value.to_owned() } else { toml::Value::String(value.to_owned()).to_string() }
}

fn from_file(content: &str) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clearing.toml");
    fs::write(&path, content).unwrap();
    // There may be a password in it.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    Config::load(Some(&path), &Environment::default(), &[])
}

fn from_environment(name: &str, value: &str) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clearing.toml");
    fs::write(&path, "").unwrap();
    let environment = Environment::from_pairs([(name.to_owned(), OsString::from(value))]);
    Config::load(Some(&path), &environment, &[])
}

fn from_flag(key: &str, value: &str) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clearing.toml");
    fs::write(&path, "").unwrap();
    let flag = Flag { flag: format!("--set {key}"), key: key.to_owned(), value: value.to_owned() };
    Config::load(Some(&path), &Environment::default(), &[flag])
}

/// The one problem of a configuration.
fn problem(loaded: Result<Config, ConfigError>) -> Problem {
    let ConfigError::Keys(mut problems) = loaded.unwrap_err() else { panic!("the keys are wrong, not the file") };
    assert_eq!(problems.0.len(), 1, "{problems}");
    problems.0.remove(0)
}

/// What is in force for a key, and from where.
fn in_force<'a>(config: &'a Config, key: &Key) -> (String, &'a Source) {
    let found = config.effective().into_iter().find(|(of, ..)| of.name == key.name);
    let (_, text, source) = found.unwrap_or_else(|| panic!("{} has no value", key.name));
    (text, source)
}

/// How a value is shown to people: without its password, and a relative path with the folder of the file that it is in.
fn shown(key: &Key, value: &str, source: &Source) -> String {
    let folder = match source {
        Source::File { path, .. } => path.parent().unwrap(),
        Source::Environment(_) | Source::Flag(_) | Source::Default => Path::new(""),
    };
    match (key.kind, value.strip_prefix("sqlite:")) {
        (Kind::File | Kind::OptionalFile, _) => folder.join(value).display().to_string(),
        (Kind::Database, Some(file)) => format!("sqlite:{}", folder.join(file).display()),
        (Kind::Database, None) => without_password(value),
        (_, _) => value.to_owned(),
    }
}

/// Fails unless a value is in force for a key.
fn is_in_force(config: &Config, key: &Key, value: &str) {
    let (text, source) = in_force(config, key);
    assert_eq!(text, shown(key, value, source), "{}", key.name);
}

/// The log is asked for by levels, and by parts of the program with levels: what asks for spans or fields is refused, and a space
/// is no part of a name.
#[test]
fn a_filter_of_the_log_does_what_it_says_or_is_refused() {
    let key = Key::named("log.filter").unwrap();
    for (filter, meant) in
        [("warn", "warn"), ("off, sqlx=warn", "off,sqlx=warn"), ("clearing::writer", "clearing::writer")]
    {
        assert_eq!(in_force(&from_flag(key.name, filter).unwrap(), key).0, meant);
    }
    for filter in ["info,[call]=debug", "clearing[{caller}]=debug", "info,sqlx=much", "sqlx=warn=info", "info,"] {
        let told = problem(from_flag(key.name, filter)).to_string();
        assert!(told.contains("log.filter"), "{filter}: {told}");
    }
}

#[test]
fn a_value_that_fits_is_taken_from_wherever_it_is_set() {
    for key in KEYS {
        let (section, name) = key.parts();
        let (fits, _, _) = samples(key);
        assert_ne!(Some(fits.as_str()), key.default, "{} would have it anyway", key.name);
        let file = from_file(&format!("[{section}]\n{name} = {}\n", quoted(key, &fits))).unwrap();
        let environment = from_environment(&key.variable(), &fits).unwrap();
        let flag = from_flag(key.name, &fits).unwrap();
        for config in [&file, &environment, &flag] {
            is_in_force(config, key, &fits);
        }
        assert!(matches!(in_force(&file, key).1, Source::File { line: 2, .. }), "{}", key.name);
        assert_eq!(*in_force(&environment, key).1, Source::Environment(key.variable()));
        assert_eq!(*in_force(&flag, key).1, Source::Flag(format!("--set {}", key.name)));
    }
}

#[test]
fn a_malformed_value_is_named_with_its_line_variable_or_flag_and_what_is_allowed() {
    for key in KEYS {
        let (section, name) = key.parts();
        let (_, malformed, _) = samples(key);
        let found = [
            (
                problem(from_file(&format!("# one\n[{section}]\n{name} = {}\n", quoted(key, &malformed)))),
                ":3".to_owned(),
            ),
            (problem(from_environment(&key.variable(), &malformed)), format!("environment {}", key.variable())),
            (problem(from_flag(key.name, &malformed)), format!("flag --set {}", key.name)),
        ];
        for (problem, place) in found {
            assert!(matches!(problem.fault, Fault::Malformed(_)), "{problem}");
            let message = problem.to_string();
            assert!(message.starts_with(key.name), "{message}");
            assert!(message.contains(&format!("{malformed:?}")), "{message}");
            assert!(message.contains(&place), "{message}");
            assert!(message.contains(&key.kind.allowed()), "{message}");
        }
    }
}

#[test]
fn a_value_out_of_range_is_named_with_its_line_variable_or_flag_and_what_is_allowed() {
    for key in KEYS {
        let (section, name) = key.parts();
        let (_, _, outside) = samples(key);
        let found = [
            (problem(from_file(&format!("[{section}]\n{name} = {}\n", quoted(key, &outside)))), ":2".to_owned()),
            (problem(from_environment(&key.variable(), &outside)), format!("environment {}", key.variable())),
            (problem(from_flag(key.name, &outside)), format!("flag --set {}", key.name)),
        ];
        for (problem, place) in found {
            assert!(matches!(problem.fault, Fault::OutOfRange(_)), "{problem}");
            let message = problem.to_string();
            // Of a long value the beginning; of an empty one that it is empty.
            let beginning: String = outside.chars().take(100).collect();
            let end = if beginning == outside { "\" is out of range" } else { "" };
            assert!(message.starts_with(&format!("{} = \"{beginning}{end}", key.name)), "{message}");
            assert!(message.contains(&place), "{message}");
            assert!(message.contains(&key.kind.allowed()), "{message}");
        }
    }
}

#[test]
fn a_number_below_its_range_is_out_of_range_too() {
    for key in KEYS {
        if let Kind::Whole { min, .. } = key.kind {
            let below = i64::try_from(min).unwrap() - 1;
            let (section, name) = key.parts();
            let problem = problem(from_file(&format!("[{section}]\n{name} = {below}\n")));
            assert!(matches!(problem.fault, Fault::OutOfRange(_)), "{problem}");
        }
    }
}

#[test]
fn a_value_of_another_type_is_malformed() {
    for key in KEYS {
        let (section, name) = key.parts();
        let wrong = match key.kind {
            Kind::Whole { .. } => ["\"5\"", "5.5", "0x10", "[5]"],
            Kind::PerPartner { .. } => ["true", "5.5", "0x10", "[5]"],
            Kind::Word(_)
            | Kind::File
            | Kind::OptionalFile
            | Kind::Address
            | Kind::OptionalAddress
            | Kind::OptionalPlace
            | Kind::OptionalCommand
            | Kind::Database
            | Kind::Endpoint
            | Kind::OptionalEndpoint
            | Kind::Domain
            | Kind::Filter => ["5", "true", "[\"a\"]", "{ a = 1 }"],
        };
        for value in wrong {
            let problem = problem(from_file(&format!("[{section}]\n{name} = {value}\n")));
            assert!(matches!(problem.fault, Fault::Malformed(_)), "{problem}");
            assert!(problem.to_string().starts_with(key.name), "{problem}");
        }
    }
}

#[test]
fn a_missing_key_has_its_default_or_is_named_with_what_it_is_and_how_to_set_it() {
    let config = from_file("").unwrap();
    let mut missing = config.server().unwrap_err().0;
    missing.extend(config.client().unwrap_err().0);
    for key in KEYS {
        let named = missing.iter().find(|problem| problem.key == key.name);
        match (key.default, key.kind) {
            (Some(_), _) => {
                assert!(named.is_none(), "{} has a default", key.name);
                let of_key =
                    |(of, _, source): &(&Key, String, &Source)| of.name == key.name && **source == Source::Default;
                assert!(config.effective().iter().any(of_key), "{}", key.name);
            }
            (
                None,
                Kind::OptionalFile
                | Kind::OptionalAddress
                | Kind::OptionalPlace
                | Kind::OptionalCommand
                | Kind::OptionalEndpoint,
            ) => {
                assert!(named.is_none(), "{} may be left out", key.name)
            }
            (None, _) => {
                let problem = named.unwrap_or_else(|| panic!("nothing says that {} is missing", key.name));
                assert_eq!(problem.fault, Fault::Missing);
                let message = problem.to_string();
                assert!(message.contains(&format!("{} is missing", key.name)), "{message}");
                assert!(message.contains(key.doc) && message.contains(&key.kind.allowed()), "{message}");
                assert!(message.contains(&key.variable()), "{message}");
            }
        }
    }
}

#[test]
fn an_unknown_key_is_named_wherever_it_stands_and_the_one_that_was_meant_is_offered() {
    for key in KEYS {
        let (section, name) = key.parts();
        let wrong = format!("{name}x");
        let found = [
            (problem(from_file(&format!("\n[{section}]\n{wrong} = 1\n"))), ":3".to_owned()),
            (
                problem(from_environment(&format!("{}X", key.variable()), "1")),
                format!("environment {}X", key.variable()),
            ),
            (problem(from_flag(&format!("{}x", key.name), "1")), format!("flag --set {}x", key.name)),
        ];
        for (problem, place) in found {
            assert_eq!(problem.fault, Fault::Unknown);
            let message = problem.to_string();
            assert!(message.starts_with(&format!("{section}.{wrong} is unknown")), "{message}");
            assert!(message.contains(&place), "{message}");
            assert!(message.contains(&format!("did you mean: {}", key.name)), "{message}");
        }
    }
}

#[test]
fn sections_and_keys_outside_of_sections_may_be_unknown_too() {
    for (content, key, line) in [
        ("listen = \"x\"", "listen", ":1"),
        ("[houses]", "houses", ":1"),
        ("\n[houses]\nlisten = 1", "houses.listen", ":3"),
    ] {
        let problem = problem(from_file(content));
        assert_eq!((problem.key.as_str(), &problem.fault), (key, &Fault::Unknown));
        assert!(problem.to_string().contains(line), "{problem}");
    }
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let error = from_file("[house]\nlisten = 5\nlisten2 = 5\ndrain_seconds = 9999\n").unwrap_err();
    let ConfigError::Keys(problems) = &error else { panic!("{error}") };
    let mut wrong: Vec<&str> = problems.0.iter().map(|problem| problem.key.as_str()).collect();
    wrong.sort_unstable();
    assert_eq!(wrong, ["house.drain_seconds", "house.listen", "house.listen2"], "{error}");
}

#[test]
fn a_file_that_is_no_toml_is_named_with_the_line() {
    let error = from_file("[house]\nlisten = \n").unwrap_err();
    assert!(matches!(error, ConfigError::Syntax { line: 2, .. }), "{error}");
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let error = Config::load(Some(Path::new("/nowhere/clearing.toml")), &Environment::default(), &[]).unwrap_err();
    assert!(error.to_string().contains("/nowhere/clearing.toml"), "{error}");
    let environment = Environment::from_pairs([("CLEARING_CONFIG".to_owned(), OsString::from("/nowhere/else.toml"))]);
    let error = Config::load(None, &environment, &[]).unwrap_err();
    assert!(error.to_string().contains("/nowhere/else.toml"), "{error}");
}

#[test]
fn the_command_line_wins_over_the_environment_and_the_environment_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clearing.toml");
    fs::write(&path, "[client]\ndeadline_seconds = 1\n").unwrap();
    let environment = Environment::from_pairs([("CLEARING_CLIENT_DEADLINE_SECONDS".to_owned(), OsString::from("2"))]);
    let flag = Flag { flag: "--set".to_owned(), key: "client.deadline_seconds".to_owned(), value: "3".to_owned() };
    let deadline = |environment: &Environment, flags: &[Flag]| {
        let config = Config::load(Some(&path), environment, flags).unwrap();
        let effective = config.effective();
        effective.iter().find(|(key, _, _)| key.name == "client.deadline_seconds").unwrap().1.clone()
    };
    assert_eq!(deadline(&Environment::default(), &[]), "1");
    assert_eq!(deadline(&environment, &[]), "2");
    assert_eq!(deadline(&environment, &[flag]), "3");
}

/// Kubernetes sets such variables for a service that is called "clearing".
#[test]
fn variables_that_a_container_platform_sets_are_none_of_ours() {
    for (name, value) in [("CLEARING_SERVICE_HOST", "10.0.0.1"), ("CLEARING_PORT_7443_TCP", "tcp://10.0.0.1:7443")] {
        let config = from_environment(name, value).unwrap();
        assert!(config.effective().iter().all(|(_, _, source)| **source == Source::Default), "{name}");
    }
}

#[test]
fn files_of_a_configuration_file_start_at_its_folder_and_others_at_the_working_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clearing.toml");
    let content = "[house]\ndomain = \"d\"\ndatabase = \"sqlite:100 % книг?#1.db\"\n\
                   [tls]\nca = \"ca.pem\"\ncert = \"/etc/cert.pem\"\n[keys]\nidentifier_key = \"k\"\n";
    fs::write(&path, content).unwrap();
    let flag = Flag { flag: "--set tls.key".to_owned(), key: "tls.key".to_owned(), value: "here.key".to_owned() };
    let server = Config::load(Some(&path), &Environment::default(), &[flag]).unwrap().server().unwrap();
    assert_eq!(server.ca, folder.path().join("ca.pem"));
    assert_eq!(server.cert, Path::new("/etc/cert.pem"));
    assert_eq!(server.key, Path::new("here.key"));
    assert_eq!(server.database, format!("sqlite:{}/100 % книг?#1.db", folder.path().display()));
    assert_eq!(server.drain, Duration::from_secs(20));
}

#[test]
fn a_password_is_shown_nowhere() {
    let config = from_flag("house.database", "postgres://house:s3:c@ret@db.example:5432/books").unwrap();
    let shown = config.effective();
    let (_, url, _) = shown.iter().find(|(key, _, _)| key.name == "house.database").unwrap();
    assert_eq!(url, "postgres://house:***@db.example:5432/books");
    let config = from_flag("house.database", "postgres://db.example/books?user=house&password=secret").unwrap();
    assert!(!config.effective().iter().any(|(_, text, _)| text.contains("secret")));
    let message = problem(from_flag("house.database", "mysql://house:secret@db.example/books")).to_string();
    assert!(!message.contains("secret"), "{message}");
    for (url, shown) in [
        // A path, and nothing in it is a password.
        ("sqlite:a?b=c@d:e", "sqlite:a?b=c@d:e"),
        ("postgres:///books?host=/run/pg&user=house", "postgres:///books?host=/run/pg&user=house"),
        ("postgres://house@db.example/books", "postgres://house@db.example/books"),
        ("postgres://house:se?cr@et@db.example/books", "postgres://house:***@db.example/books"),
        ("postgres://db.example/books?password=secret&port=1", "postgres://db.example/books?password=***&port=1"),
        ("postgres://db.example/books?pass%77ord=secret", "postgres://db.example/books?pass%77ord=***"),
        ("postgres:house:secret@db.example/books", "postgres:house:***@db.example/books"),
    ] {
        assert_eq!(without_password(url), shown);
    }
    // Nor by whoever prints what was read.
    let url = "postgres://house:secret@db.example/books";
    let values: Vec<(&str, String)> = KEYS.iter().map(|key| (key.name, samples(key).0)).collect();
    let config = from_file(&template(&values).replace("postgres://u:p@h/d", url)).unwrap();
    let printed = format!("{config:?} {:?}", config.server().unwrap());
    assert!(printed.contains("db.example") && !printed.contains("secret"), "{printed}");
}

/// The file that `clearing init` writes, with one key no longer a comment.
fn with_key(bare: &str, key: &Key) -> String {
    let (section, name) = key.parts();
    let (before, after) = bare.split_at(bare.find(&format!("\n[{section}]\n")).unwrap());
    let comment = format!("\n# {name} = ");
    assert!(after.contains(&comment), "{} is not in\n{bare}", key.name);
    format!("{before}{}", after.replacen(&comment, &format!("\n{name} = "), 1))
}

#[test]
fn the_file_that_init_writes_has_every_key_with_its_value_or_as_a_comment_with_its_default() {
    let values: Vec<(&str, String)> = KEYS.iter().map(|key| (key.name, samples(key).0)).collect();
    let config = from_file(&template(&values)).unwrap();
    for key in KEYS {
        is_in_force(&config, key, &samples(key).0);
        assert!(matches!(in_force(&config, key).1, Source::File { .. }), "{}", key.name);
    }
    config.server().unwrap();
    config.client().unwrap();

    let bare = template(&[]);
    assert!(from_file(&bare).unwrap().effective().iter().all(|(_, _, source)| **source == Source::Default));
    for key in KEYS {
        let loaded = from_file(&with_key(&bare, key));
        let Some(default) = key.default else {
            assert_eq!(problem(loaded).key, key.name, "nobody can leave it empty");
            continue;
        };
        let config = loaded.unwrap();
        is_in_force(&config, key, default);
        for other in KEYS.iter().filter(|other| other.default.is_some()) {
            let set = matches!(in_force(&config, other).1, Source::File { .. });
            assert_eq!(set, other.name == key.name, "{} sets {}", key.name, other.name);
        }
    }
}

#[test]
fn a_number_for_every_partner_may_be_written_without_quotes_and_others_for_some_in_them() {
    let config = from_file("[limits]\npartner_reads = 3\npartner_weight = \"7, FUEL=20 ,GROCER=1\"\n").unwrap();
    let effective = config.effective();
    let shown = |name: &str| effective.iter().find(|(key, ..)| key.name == name).map(|(_, text, _)| text.as_str());
    assert_eq!(shown("limits.partner_reads"), Some("3"));
    assert_eq!(shown("limits.partner_weight"), Some("7, FUEL=20, GROCER=1"));
    for twice in ["7, FUEL=20, FUEL=3", "7, =20", "FUEL=20", "7,"] {
        let problem = problem(from_file(&format!("[limits]\npartner_weight = \"{twice}\"\n")));
        assert!(matches!(problem.fault, Fault::Malformed(_)), "{problem}");
    }
}
