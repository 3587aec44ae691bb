//! `clearing sandbox`: a house for integrators, in real time or on a clock that stands still.

use std::fs;

use crate::desk::{Desk, client};

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_gives_everyone_a_certificate_and_a_clock_that_stands_still() {
    let desk = Desk::new();
    let arguments = ["sandbox", "--dir", "sandbox", "--listen", "127.0.0.1:0", "--start", "2026-01-01"];
    let server = desk.serve(&arguments);
    assert!(server.ready.contains(" partners=cards,cinema,fuel,grocer"), "{}", server.ready);
    let folder = desk.path("sandbox");
    assert_eq!(fs::read_to_string(folder.join("endpoint.txt")).unwrap(), server.endpoint);
    let operator = client(&server.endpoint, &folder, "operator").await;
    let start = operator.sandbox().clock().await.unwrap();
    assert_eq!(jiff::Timestamp::try_from(start).unwrap().to_string(), "2026-01-01T00:00:00Z");

    // Commands work against it, whatever the machine's clock says.
    let closed = desk.json(&["window", "close", "--yes", "--config", "sandbox/clearing.toml"]);
    assert_eq!(closed["open_window"], 2);
    let windows = desk.json(&["window", "list", "--config", "sandbox/clearing.toml"]);
    assert_eq!(windows["windows"][0]["open_time"], "2026-01-01T00:00:00Z");
    for id in ["grocer", "fuel", "cards", "cinema"] {
        let info = client(&server.endpoint, &folder, id).await.server_info().await.unwrap();
        assert_eq!(info.caller_id, id);
    }
    let auditor = client(&server.endpoint, &folder, "auditor").await;
    assert!(auditor.operator().trial_balance(false).await.unwrap().balanced);
    drop((operator, auditor));
    let (code, log) = server.stop("-TERM");
    assert_eq!(code, Some(0), "{log}");
    assert!(!folder.join("endpoint.txt").exists());

    // The same folder begins anew.
    let server = desk.serve(&arguments);
    let windows = desk.json(&["window", "list", "--config", "sandbox/clearing.toml"]);
    assert_eq!(windows["windows"].as_array().unwrap().len(), 1);
    assert_eq!(server.stop("-TERM").0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_that_is_told_no_time_runs_in_real_time_and_cannot_be_moved() {
    let desk = Desk::new();
    let server = desk.serve(&["sandbox", "--listen", "127.0.0.1:0"]);
    assert!(server.endpoint.starts_with("https://localhost:"), "{}", server.endpoint);
    let grocer = client(&server.endpoint, &desk.path("sandbox"), "grocer").await;
    let now = || std::time::SystemTime::from(clearing::clock::Clock::system().now().to_jiff());
    let before = now();
    let info = grocer.server_info().await.unwrap();
    assert!(!info.clock_stands_still);
    assert!(info.server_time >= before && info.server_time <= now(), "{info:?}");
    drop(grocer);
    let (code, error) = desk.failure(&["sandbox", "advance", "30d"]);
    assert_eq!(code, 2);
    assert!(error["message"].as_str().unwrap().contains("real time"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("--start"), "{error}");
    let (code, log) = server.stop("-TERM");
    assert_eq!(code, Some(0), "{log}");
    for line in ["grocer.pem", "docs/integrating.md", "clearing partner list", "time    is real"] {
        assert!(log.contains(line) || line == "grocer.pem", "{line}: {log}");
    }
    assert!(!log.contains("WARN"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_of_a_sandbox_is_moved_by_a_command_and_refusals_about_time_say_that_it_stands() {
    let desk = Desk::new();
    fs::write(
        desk.path("street.toml"),
        "[coalition]\ncurrency = \"RUB\"\nscale = 2\npoint_value = \"1.00\"\ntime_zone = \"Europe/Moscow\"\n\
         disclose_issuers = false\nkey_retention_days = 90\nbusiness_time_days = 7\n\
         [[partner]]\nid = \"baker\"\nexpiry = \"DAYS 10\"\n",
    )
    .unwrap();
    let place = ["--listen", "127.0.0.1:0", "--coalition", "street.toml", "--start", "2026-01-01T12:00:00Z"];
    let server = desk.serve(&[&["sandbox"], &place[..]].concat());
    let baker = client(&server.endpoint, &desk.path("sandbox"), "baker").await;
    let info = baker.server_info().await.unwrap();
    assert!(info.clock_stands_still && !info.disclose_issuers);
    assert_eq!(info.time_zone, "Europe/Moscow");
    baker.issue(partner_sdk::Issue::to("card", "1").points(10)).await.unwrap().accepted().unwrap();
    let late =
        partner_sdk::Issue::to("card", "1").points(10).expires(info.server_time - std::time::Duration::from_secs(1));
    let refused = baker.issue(late).await.unwrap();
    let partner_sdk::Outcome::Rejected(refused) = refused else { panic!("{refused:?}") };
    assert!(refused.message.contains("the clock of this sandbox stands still"), "{refused}");

    // So far; to a moment; to a day, which begins in the coalition's zone.
    for (to, clock) in [
        ("1d12h", "2026-01-03T00:00:00Z"),
        ("2026-01-05T08:00:00Z", "2026-01-05T08:00:00Z"),
        ("2026-01-20", "2026-01-19T21:00:00Z"),
    ] {
        assert_eq!(desk.json(&["sandbox", "advance", to])["clock"], clock, "{to}");
    }
    let moved = desk.json(&["sandbox", "advance", "1d"]);
    assert_eq!(moved["due_work_count"], 0, "what expired did so on the way before");
    let (code, _) = desk.failure(&["sandbox", "advance", "2026-01-01"]);
    assert_eq!(code, 1, "time does not run back");
    for wrong in ["-1d", "soon", "0s"] {
        assert_eq!(desk.run(&["sandbox", "advance", wrong]).status.code(), Some(2), "{wrong}");
    }
    drop(baker);
    assert_eq!(server.stop("-TERM").0, Some(0));
}

/// The sandbox's configuration once named the file in its folder whatever `--database` said, so `audit` looked there.
#[test]
fn a_sandbox_with_a_database_of_its_own_is_audited_there() {
    let desk = Desk::new();
    let server = desk.sandbox("sandbox", &["--database", "sqlite:own.db"]);
    desk.json(&["audit", "--config", "sandbox/clearing.toml"]);
    assert_eq!(server.stop("-TERM").0, Some(0));
}

#[test]
fn a_sandbox_plays_any_scenario_file_and_touches_no_folder_that_is_not_its_own() {
    let desk = Desk::new();
    let scenario = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/S10.toml");
    let server = desk.sandbox("s10", &["--coalition", scenario, "--variant", "AT_ISSUE"]);
    assert!(server.ready.trim_end().ends_with("partners=A,C"), "{}", server.ready);
    let listed = desk.json(&["partner", "list", "--config", "s10/clearing.toml"]);
    let terms = &listed["partners"][0]["terms"];
    assert_eq!((terms["price"].as_str(), terms["funding"].as_str()), (Some("0.95"), Some("AT_ISSUE")));
    assert_eq!(server.stop("-TERM").0, Some(0));

    fs::create_dir(desk.path("mine")).unwrap();
    fs::write(desk.path("mine/letter.txt"), "dear").unwrap();
    let (code, error) = desk.failure(&["sandbox", "--dir", "mine"]);
    assert_eq!(code, 2);
    assert!(error["message"].as_str().unwrap().contains("not empty"), "{error}");
    assert_eq!(fs::read_dir(desk.path("mine")).unwrap().count(), 1);

    fs::write(desk.path("wrong.toml"), "[coalition]\ncurrency = \"RUB\"\n").unwrap();
    let (code, error) = desk.failure(&["sandbox", "--dir", "new", "--coalition", "wrong.toml"]);
    assert_eq!(code, 2);
    assert!(error["message"].as_str().unwrap().contains("wrong.toml"), "{error}");
}

#[test]
fn a_file_of_a_coalition_is_held_to_what_the_wire_is_held_to() {
    let desk = Desk::new();
    let file = |coalition: &str, partner: &str| {
        format!(
            "[coalition]\ncurrency = \"RUB\"\nscale = 2\nstart = \"2026-01-01T00:00:00Z\"\n{coalition}\n\
             [[partner]]\n{partner}\n"
        )
    };
    let value = "point_value = \"1.00\"";
    for (coalition, partner, problem) in [
        (value, "id = \"bank\"", "the house uses this name itself"),
        (value, "id = \"Hub\"", "the house uses this name itself"),
        (value, "id = \"1e5\"", "must begin with a letter"),
        (value, "id = \"MAR1\"", "a date or a truth value"),
        (value, "id = \"A\"\nexpiry = \"END_OF_YEAR 36500\"", "leads beyond the year 9999"),
        (value, "id = \"A\"\nexpiry = \"FIXED 9999-12-31T00:00:00Z\"", "lies outside of"),
        (value, "id = \"A\"\nprice = \"+1\"", "is not a number"),
        (value, "id = \"A\"\nprice = \"1.000\"", "more than the 2 decimals"),
        (value, "id = \"A\"\nnet_debit_cap = \"5.000\"", "has 3 decimals"),
        ("point_value = \"1e0\"", "id = \"A\"", "is not a number"),
        ("point_value = \"-1\"", "id = \"A\"", "below zero"),
    ] {
        fs::write(desk.path("coalition.toml"), file(coalition, partner)).unwrap();
        let (code, error) = desk.failure(&["sandbox", "--dir", "sandbox", "--coalition", "coalition.toml"]);
        assert_eq!(code, 2, "{partner}");
        assert!(error["message"].as_str().unwrap().contains(problem), "{partner}: {error}");
    }
}
