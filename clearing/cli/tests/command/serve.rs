//! `clearing serve`: on which books it opens, what it waits for, what it hears and what it says.

use std::fs;

use clearing_play::{Backend, Database};
use serde_json::Value;
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::desk::{Desk, text};

#[test]
fn another_identifier_key_or_domain_than_the_books_were_made_with_is_refused() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0"]);
    desk.json(&["init", "--domain", "points.example", "--dir", "other"]);
    let config = ["--config", "coalition/clearing.toml"];
    let key = ["--set", "keys.identifier_key=other/identifier.key"];
    let domain = ["--set", "house.domain=other.example"];
    for command in [&["serve"][..], &["audit"], &["config", "check"]] {
        let (code, error) = desk.failure(&[command, &config, &key].concat());
        assert_eq!(code, 2, "{command:?}: {error}");
        assert!(error["message"].as_str().unwrap().contains("the identifier key is not the one"), "{error}");
        assert!(error["hint"].as_str().unwrap().contains("restore the key from its backup"), "{error}");
        let (code, error) = desk.failure(&[command, &config, &domain].concat());
        assert_eq!(code, 2, "{command:?}: {error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("other.example") && message.contains("points.example"), "{error}");
    }
    assert_eq!(desk.json(&[&["audit"][..], &config].concat())["identifier_key_checked"], true);
    // Whoever has no key audits all the same, and is told.
    let audit = desk.json(&["audit", "--database", "sqlite:coalition/clearing.db"]);
    assert_eq!((&audit["clean"], &audit["identifier_key_checked"]), (&true.into(), &false.into()));
}

/// There are engines and poolers on which a lock is taken for nothing. A sandbox once waited for ever for its house to open
/// there.
#[tokio::test(flavor = "multi_thread")]
async fn a_house_does_not_open_where_a_lock_is_taken_for_nothing() {
    let (database, empty) = (Database::new(Backend::Postgres).await, Database::new(Backend::Postgres).await);
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--dir", "house", "--database", &database.url]);
    let check = ["config", "check", "--config", "house/clearing.toml"];
    desk.json(&check);

    take_locks_for_nothing(&database).await;
    take_locks_for_nothing(&empty).await;
    for command in [
        &check[..],
        &["serve", "--config", "house/clearing.toml", "--listen", "127.0.0.1:0"],
        &["sandbox", "--dir", "sandbox", "--listen", "127.0.0.1:0", "--database", &empty.url],
    ] {
        let output = desk.run(command);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{command:?}: {said}");
        assert!(said.contains("does not hold the locks that the books rely on"), "{command:?}: {said}");
        assert!(said.contains("Connect the house to a PostgreSQL server itself"), "{command:?}: {said}");
    }
    database.remove().await;
    empty.remove().await;
}

/// From now on it does what other engines that speak the protocol do.
async fn take_locks_for_nothing(database: &Database) {
    let mut raw = PgConnection::connect(&database.url).await.unwrap();
    let nothing = "SET allow_system_table_mods = on;
        ALTER FUNCTION pg_catalog.pg_advisory_xact_lock(bigint) RENAME TO pg_advisory_xact_lock_that_was;
        CREATE FUNCTION pg_catalog.pg_advisory_xact_lock(bigint) RETURNS void LANGUAGE sql AS 'SELECT 1'";
    raw.execute(sqlx::raw_sql(nothing)).await.unwrap();
    raw.close().await.unwrap();
}

/// What costs durability is a warning, what costs speed a row with what would help. Neither keeps anybody from running a house.
#[tokio::test(flavor = "multi_thread")]
async fn the_check_names_the_settings_of_postgresql_that_would_help_and_those_that_lose_what_was_acknowledged() {
    let database = Database::new(Backend::Postgres).await;
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--dir", "house", "--database", &database.url]);
    let check = ["config", "check", "--config", "house/clearing.toml"];
    let advice = || -> Vec<Value> { desk.json(&check)["database_settings"].as_array().unwrap().clone() };
    let of = |advice: &[Value], setting: &str| -> (String, bool) {
        let found = advice.iter().find(|advice| advice["setting"] == setting).unwrap();
        (found["present"].as_str().unwrap().to_owned(), found["is_followed"].as_bool().unwrap())
    };
    let set = async |setting: &str, value: &str| {
        let mut raw = PgConnection::connect(&database.url).await.unwrap();
        let name: String = sqlx::query_scalar("SELECT current_database()::text").fetch_one(&mut raw).await.unwrap();
        let change = format!("ALTER DATABASE \"{name}\" SET {setting} = {value}");
        raw.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(change))).await.unwrap();
        raw.close().await.unwrap();
    };

    set("synchronous_commit", "on").await;
    set("wal_compression", "pglz").await;
    let well = advice();
    assert_eq!(well.len(), 7, "{well:?}");
    assert_eq!(of(&well, "synchronous_commit"), ("on".to_owned(), true));
    assert_eq!(of(&well, "wal_compression"), ("pglz".to_owned(), true));
    let said = desk.table(&check);
    assert!(!said.contains("synchronous_commit") && !said.contains("wal_compression"), "{said}");

    set("synchronous_commit", "off").await;
    set("wal_compression", "off").await;
    let ill = advice();
    assert_eq!(of(&ill, "synchronous_commit"), ("off".to_owned(), false));
    assert_eq!(of(&ill, "wal_compression"), ("off".to_owned(), false));
    let said = desk.table(&check);
    assert!(said.contains("Warning: PostgreSQL has synchronous_commit = off, and on is needed"), "{said}");
    assert!(said.contains("wal_compression") && said.contains("A house can be run with it."), "{said}");

    // Who runs the house reads the same in the documents.
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/postgresql.md")).unwrap();
    for advice in &ill {
        let row =
            format!("| `{}` | `{}` |", advice["setting"].as_str().unwrap(), advice["recommended"].as_str().unwrap());
        assert!(page.contains(&row), "docs/postgresql.md has no row that begins {row}");
    }
    let of_sqlite = Desk::new();
    of_sqlite.json(&["init", "--domain", "points.example"]);
    let check = of_sqlite.json(&["config", "check", "--config", "coalition/clearing.toml"]);
    assert_eq!(check["database_settings"], serde_json::json!([]), "its settings are the house's own");
    database.remove().await;
}

#[test]
fn a_second_house_on_one_file_and_whoever_would_change_its_layout_are_told_which_process_has_it() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0"]);
    let config = ["--config", "coalition/clearing.toml"];
    let server = desk.serve(&[&["serve"], &config[..]].concat());
    let process = format!("process {} (clearing serve)", server.pid());
    let init = ["init", "--domain", "b.example", "--dir", "b", "--database", "sqlite:../coalition/clearing.db"];
    for command in [&[&["serve"], &config[..]].concat()[..], &init] {
        let (code, error) = desk.failure(command);
        assert_eq!(code, 2, "{error}");
        assert!(error["message"].as_str().unwrap().contains(&process), "{error}");
    }
    // Who reads is not kept out.
    desk.json(&[&["audit"][..], &config].concat());
    desk.json(&[&["config", "check"][..], &config].concat());
    desk.json(&[&["migrate", "--check"][..], &config].concat());
    // A process that was killed keeps nobody out.
    server.stop("-KILL");
    let server = desk.serve(&[&["serve"], &config[..]].concat());
    assert_eq!(server.stop("-TERM").0, Some(0));

    let server = desk.sandbox("sandbox", &[]);
    let (code, error) = desk.failure(&["sandbox", "--dir", "sandbox"]);
    assert_eq!(code, 2, "{error}");
    assert!(error["message"].as_str().unwrap().contains(&format!("process {}", server.pid())), "{error}");
    assert!(desk.path("sandbox/endpoint.txt").exists(), "the files of the first are as they were");
    assert_eq!(server.stop("-TERM").0, Some(0));
}

#[tokio::test]
async fn a_house_that_was_alive_at_another_time_opens_once_somebody_says_that_the_clock_is_right() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0"]);
    let config = ["--config", "coalition/clearing.toml"];
    let check = [&["config", "check"][..], &config].concat();
    let server = desk.serve(&[&["serve"], &config[..]].concat());
    assert_eq!(server.stop("-TERM").0, Some(0));
    let known = desk.json(&check);
    assert!(known["machine_time"].is_string() && known["last_alive_time"].is_string(), "{known}");

    for (shift, words) in [(-250_i64, "more than 8 days after"), (1, "more than 5 minutes before")] {
        let url = format!("sqlite:{}", desk.path("coalition/clearing.db").display());
        let mut books = sqlx::SqliteConnection::connect(&url).await.unwrap();
        let moved = sqlx::query("UPDATE house_alive SET alive_at = alive_at + $1 RETURNING alive_at")
            .bind(shift * 86_400_000_000)
            .fetch_one(&mut books)
            .await
            .unwrap();
        let alive = clearing_core::units::Timestamp(sqlx::Row::get(&moved, 0)).to_string();
        books.close().await.unwrap();
        let (code, error) = desk.failure(&check);
        let message = error["message"].as_str().unwrap();
        assert_eq!(code, 2, "{error}");
        assert!(message.contains(words) && message.contains(&alive) && message.contains("--accept-time"), "{message}");

        let mut server = desk.start(&[&["serve"], &config[..]].concat());
        let line = server.logs("nothing is written");
        assert!(line.contains(words) && line.contains(&alive), "{line}");
        let (code, log) = server.stop("-TERM");
        assert_eq!(code, Some(0), "{log}");

        let server = desk.serve(&[&["serve", "--accept-time"], &config[..]].concat());
        let (code, log) = server.stop("-TERM");
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("taken as right") && log.contains(&alive), "{log}");
        desk.json(&check);
    }
}

#[test]
fn a_house_waits_for_its_migrations_and_stops_when_it_is_told() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0"]);
    let config = ["--config", "coalition/clearing.toml"];
    // Only looking makes no file.
    let (code, error) = desk.failure(&[&["migrate", "--check", "--database", "sqlite:empty.db"], &config[..]].concat());
    assert_eq!((code, desk.path("empty.db").exists()), (2, false), "{error}");
    fs::write(desk.path("empty.db"), "").unwrap();
    let state = desk.json(&[&["migrate", "--check", "--database", "sqlite:empty.db"], &config[..]].concat());
    assert!(!state["pending"].as_array().unwrap().is_empty());

    let asked = ["serve", "--database", "sqlite:empty.db", "--set", "log.format=json"];
    let mut server = desk.start(&[&asked, &config[..]].concat());
    let listening: Value = serde_json::from_str(&server.logs("listening")).unwrap();
    let endpoint = format!("https://{}", listening["address"].as_str().unwrap());
    let asked = ["window", "list", "--set", "client.deadline_seconds=1", "--endpoint", &endpoint];
    let (code, error) = desk.failure(&[&asked, &config[..]].concat());
    assert_eq!(code, 3, "{error}");
    server.logs("migrations are pending");
    assert_eq!(server.stop("-TERM").0, Some(0));

    let state = desk.json(&[&["migrate", "--database", "sqlite:empty.db"], &config[..]].concat());
    assert!(state["pending"].as_array().unwrap().is_empty());
    assert!(!state["pending_before"].as_array().unwrap().is_empty());
}

#[test]
fn certificates_are_read_again_on_sighup_and_unusable_ones_are_not_taken() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0"]);
    let config = ["--config", "coalition/clearing.toml"];
    let mut server = desk.serve(&[&["serve"], &config[..]].concat());
    let endpoint = server.endpoint.clone();
    let asked = [&["window", "list", "--endpoint", &endpoint], &config[..]].concat();
    server.signal("-HUP");
    server.logs("read again; new connections use them");
    desk.json(&asked);
    fs::write(desk.path("coalition/server.pem"), "no certificate").unwrap();
    server.signal("-HUP");
    server.logs("the old ones stay in use");
    desk.json(&asked);
    assert_eq!(server.stop("-TERM").0, Some(0));
}

#[test]
fn the_log_is_json_on_demand_and_the_ready_line_is_all_of_standard_output() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example", "--listen", "127.0.0.1:0"]);
    let server = desk.serve(&["serve", "--config", "coalition/clearing.toml", "--set", "log.format=json"]);
    assert!(server.ready.starts_with("ready https://127.0.0.1:"), "{}", server.ready);
    let (code, log) = server.stop("-INT");
    assert_eq!(code, Some(0), "{log}");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["message"] == "listening"), "{log}");
}
