//! What cannot be undone: refused where nobody can be asked, shown by a dry run, asked for at a terminal.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use partner_sdk::{Issue, Redeem};

use crate::desk::{Asking, Desk, client, text};

/// A sandbox with a window to settle: a member has earned at the grocer and spent at the fuel chain.
async fn trade(endpoint: &str, desk: &Desk) {
    let grocer = client(endpoint, &desk.path("sandbox"), "grocer").await;
    let fuel = client(endpoint, &desk.path("sandbox"), "fuel").await;
    grocer.issue(Issue::to("card", "1").points(100)).await.unwrap().accepted().unwrap();
    fuel.redeem(Redeem::from("card", "1").points(60)).await.unwrap().accepted().unwrap();
}

fn entries(house: &Asking<'_>) -> usize {
    house.json(&["report", "journal", "--limit", "5000"])["entries"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_undone_is_refused_without_a_terminal_and_shown_by_a_dry_run() {
    let desk = Desk::new();
    let server = desk.serve(&["sandbox", "--dir", "sandbox", "--listen", "127.0.0.1:0"]);
    trade(&server.endpoint, &desk).await;
    let house = desk.asking(&["--config", "sandbox/clearing.toml"]);
    let all: [(&[&str], &str); 10] = [
        (&["window", "close"], "closes window"),
        (&["settlement", "confirm", "1"], "confirms the settlement of window 1"),
        (&["settlement", "pay", "1", "fuel"], "to fuel, in window 1"),
        (&["settlement", "pay", "1", "--all"], "payments of window 1"),
        (&["settlement", "abort", "1"], "gives up the settlement of window 1"),
        (&["partner", "state", "grocer", "suspended"], "makes grocer SUSPENDED, which is ACTIVE"),
        (&["member", "decay", "card:1", "--rate", "0.1", "--period", "1"], "the share 0.1"),
        (&["member", "decay", "--all", "--rate", "0.1", "--period", "1", "--inactive-days", "1"], "of every member"),
        (&["member", "reinstate", "card:1", "--funder", "operator", "--points", "5", "--reason", "R"], "5 points"),
        (
            &["member", "write-off-debt", "card:1", "--creditor", "grocer", "--points", "5", "--reason", "R"],
            "owes to grocer",
        ),
    ];
    house.json(&["window", "close", "--yes"]);
    let before = entries(&house);
    for (command, told) in all {
        for refused in [house.failure(command), {
            // Nobody is asked before the house is: not even a house that is not there.
            desk.failure(
                &[command, &["--endpoint", "https://localhost:1", "--config", "sandbox/clearing.toml"]].concat(),
            )
        }] {
            let (code, error) = refused;
            assert_eq!((code, error["kind"].as_str()), (2, Some("USAGE")), "{command:?}: {error}");
            assert!(error["hint"].as_str().unwrap().contains("--yes"), "{command:?}: {error}");
        }
        let dry = [command, &["--dry-run"]].concat();
        let shown = house.json(&dry);
        assert_eq!(shown["dry_run"], true, "{command:?}");
        assert!(shown["would"].as_str().unwrap().contains(told), "{command:?}: {shown}");
        let page = house.table(&dry);
        assert!(page.contains(told) && page.contains("Nothing was done"), "{command:?}: {page}");
        let both = desk.run(&[&dry[..], &["--yes"]].concat());
        assert_eq!(both.status.code(), Some(2), "{command:?}");
    }
    assert_eq!(entries(&house), before, "a refusal or a dry run wrote something");
    // Who names a time is shown it.
    let extend = ["member", "extend-expiry", "card:1", "--issuer", "grocer", "--until", "2027-06-01T00:00:00Z"];
    let extend = [&extend[..], &["--expires", "2028-01-01T00:00:00Z", "--reason", "R", "--dry-run"]].concat();
    assert!(house.table(&extend).contains("live until 2028-01-01 00:00:00 UTC"));
    assert_eq!(server.stop("-TERM").0, Some(0));
    house.json(&["audit"]);
}

#[test]
fn at_a_terminal_it_asks_and_does_only_what_somebody_said_yes_to() {
    let desk = Desk::new();
    let server = desk.serve(&["sandbox", "--dir", "sandbox", "--listen", "127.0.0.1:0"]);
    let house = desk.asking(&["--config", "sandbox/clearing.toml"]);
    let before = entries(&house);
    for no in ["n", "", "yes please"] {
        let said = at_a_terminal(&desk, "window close --config sandbox/clearing.toml", no);
        let told = text(&said.stdout);
        assert_eq!(said.status.code(), Some(2), "{no:?}: {told}");
        assert!(
            told.contains("closes window 1") && told.contains("[y/N]") && told.contains("nothing was done"),
            "{told}"
        );
        assert_eq!(entries(&house), before, "{no:?}");
    }
    let said = at_a_terminal(&desk, "window close --config sandbox/clearing.toml", "y");
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stdout));
    assert!(text(&said.stdout).contains("Closed window 1"), "{}", text(&said.stdout));
    assert_eq!(server.stop("-TERM").0, Some(0));
    house.json(&["audit"]);
}

/// Runs a command at a terminal, where somebody types one line.
fn at_a_terminal(desk: &Desk, line: &str, typed: &str) -> Output {
    let line = format!("{} {line}", env!("CARGO_BIN_EXE_clearing"));
    let mut script = Command::new("script")
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .current_dir(desk.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    script.stdin.take().unwrap().write_all(format!("{typed}\n").as_bytes()).unwrap();
    script.wait_with_output().unwrap()
}
