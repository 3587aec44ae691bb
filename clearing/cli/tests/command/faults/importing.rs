//! The house and the command line are killed in the middle of a bank's file. It is gone on with, and no line is booked twice.

use std::time::Duration;

use clearing_play::{BACKENDS, PATIENCE};

use super::program::Program;
use crate::bank_files::{BIK, OWN, statement_of};

/// Lines of the file: so many that a kill finds it in the middle.
const LINES: i64 = 500;

const BOOKED: &str = "SELECT count(*) FROM bank_lines";

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_s_file_that_was_broken_off_by_a_kill_is_gone_on_with_and_no_line_is_booked_twice() {
    for backend in BACKENDS {
        // The command is killed, then the house under the command.
        for house in [false, true] {
            let mut program = Program::found_on(backend).await;
            let own = ["partner", "account", "operator", "--bik", BIK, "--account", OWN, "--holder", "operator"];
            program.json(&own).await;
            let amounts: Vec<String> = (1..=LINES).map(|at| format!("{at}.00")).collect();
            // Every fifth is a fee of the bank, all others came from nobody knows whom.
            let lines = amounts.iter().zip(1..).map(|(amount, at)| match at % 5 {
                0 => (false, amount.as_str(), "70601810000000002730", "fee"),
                _ => (true, amount.as_str(), "40702810000000000099", "?"),
            });
            let lines: Vec<_> = lines.collect();
            std::fs::write(program.path("bank.txt"), statement_of(OWN, 14, &lines)).unwrap();
            let import = ["bank", "import", "bank.txt", "--yes"];
            let mut killed_at = 0;
            for part in [LINES / 5, LINES / 2] {
                let mut command = program.begin(&[&import[..], &["--set", "client.deadline_seconds=2"]].concat());
                let some = async {
                    while program.number(BOOKED).await < part && command.try_wait().unwrap().is_none() {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                };
                tokio::time::timeout(PATIENCE, some).await.expect("the house books lines");
                if house {
                    program.kill().await;
                    program.start().await;
                } else {
                    // What the house answers from now on arrives nowhere.
                    program.proxy.withhold(true);
                    let _ = command.start_kill();
                    program.proxy.cut();
                    program.proxy.withhold(false);
                }
                let ended = tokio::time::timeout(PATIENCE, command.wait()).await.expect("it ends").unwrap();
                killed_at = program.number(BOOKED).await;
                println!("{backend:?}, house {house}: {ended}, {killed_at} of {LINES} lines are booked");
            }
            assert!((LINES / 2..LINES).contains(&killed_at), "{killed_at}");
            let whole = program.json(&import).await;
            let counts = ["booked", "known", "left", "refused"].map(|of| whole["counts"][of].as_i64().unwrap());
            assert_eq!(counts[0] + counts[1], LINES, "{counts:?}");
            assert!(counts[1] >= killed_at && counts[2..] == [0, 0], "{counts:?}");
            let again = program.json(&import).await;
            assert_eq!(again["counts"]["known"], LINES);
            // Whoever waits is told how far it is.
            let notes = program.notes(&import).await;
            assert!(notes.contains(&format!("told the house of {LINES} of {LINES} lines")), "{notes}");
            assert_eq!(program.number(BOOKED).await, LINES);
            assert_eq!(program.number("SELECT count(*) FROM money_in").await, LINES - LINES / 5);
            // 1 + 2 + ... + 500 less twice every fifth of it.
            let balance = program.json(&["report", "trial-balance"]).await;
            let bank = balance["accounts"].as_array().unwrap().iter().find(|of| of["account"] == "bank:settlement");
            assert_eq!(bank.unwrap()["money"], format!("-{}.00", LINES * (LINES + 1) / 2 - 5 * 100 * 101), "{balance}");
            program.end().await;
        }
    }
}
