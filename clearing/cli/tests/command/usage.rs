//! How the command explains itself, and how it ends when it cannot do what it was asked.

use std::fs;

use crate::desk::Desk;

#[test]
fn every_command_explains_itself() {
    let desk = Desk::new();
    let all = commands(&desk, &[]);
    let named = |words: &[&str]| all.iter().any(|command| command == words);
    for words in [
        &["demo"][..],
        &["init"],
        &["serve"],
        &["migrate"],
        &["audit"],
        &["sandbox"],
        &["partner", "create"],
        &["partner", "certificate"],
        &["partner", "invite"],
        &["partner", "lock"],
        &["certificate", "list"],
        &["certificate", "show"],
        &["certificate", "revoke"],
        &["certificate", "crl"],
        &["certificate", "invites"],
        &["certificate", "withdraw"],
        &["partner", "terms"],
        &["partner", "limits"],
        &["partner", "consent"],
        &["partner", "state"],
        &["partner", "list"],
        &["partner", "show"],
        &["partner", "legal"],
        &["partner", "group"],
        &["partner", "account"],
        &["member", "balance"],
        &["member", "decay"],
        &["member", "extend-expiry"],
        &["member", "reinstate"],
        &["member", "write-off-debt"],
        &["member", "list"],
        &["window", "list"],
        &["window", "close"],
        &["settlement", "preview"],
        &["settlement", "confirm"],
        &["settlement", "export"],
        &["bank", "show"],
        &["bank", "import"],
        &["settlement", "orders"],
        &["settlement", "pay"],
        &["settlement", "abort"],
        &["fund", "deposit"],
        &["calendar", "set"],
        &["calendar", "show"],
        &["report", "netting"],
        &["report", "trial-balance"],
        &["report", "html"],
        &["report", "journal"],
        &["report", "notices"],
        &["log"],
        &["entry", "show"],
        &["entry", "find"],
        &["partner", "consents"],
        &["partner", "rename"],
        &["statement"],
        &["config", "check"],
        &["completions"],
    ] {
        assert!(named(words), "{words:?} is not among {all:?}");
    }
    assert!(desk.table(&["--help"]).contains("Exit codes:"));
    let first_screen = desk.table(&["--help"]).lines().take(24).collect::<Vec<_>>().join("\n");
    assert!(first_screen.contains("\n  log "), "{first_screen}");
}

#[test]
fn completions_are_a_script_of_the_shell() {
    let desk = Desk::new();
    assert!(desk.table(&["completions", "bash"]).contains("complete -F"));
    assert!(desk.table(&["completions", "fish"]).contains("complete -c clearing"));
    assert!(desk.table(&["completions", "zsh"]).contains("#compdef clearing"));
}

#[test]
fn a_wrong_command_line_or_configuration_is_exit_code_2() {
    let desk = Desk::new();
    assert_eq!(desk.run(&["no-such-command"]).status.code(), Some(2));
    assert_eq!(desk.run(&["window", "close", "--request-id", "x"]).status.code(), Some(2));

    let (code, error) = desk.failure(&["window", "list"]);
    assert_eq!((code, error["kind"].as_str()), (2, Some("USAGE")));
    let message = error["message"].as_str().unwrap();
    for key in ["client.ca", "client.cert", "client.key"] {
        assert!(message.contains(&format!("{key} is missing")), "{message}");
    }

    let (code, error) = desk.failure(&["config", "check", "--set", "house.listn=1"]);
    assert_eq!(code, 2);
    assert!(error["message"].as_str().unwrap().contains("did you mean: house.listen"), "{error}");

    fs::write(desk.path("wrong.toml"), "[house]\nlisten = \"localhost\"\n").unwrap();
    let (code, error) = desk.failure(&["serve", "--config", "wrong.toml"]);
    assert_eq!(code, 2);
    assert!(error["message"].as_str().unwrap().contains("wrong.toml:2"), "{error}");
}

#[test]
fn a_house_that_is_not_there_is_exit_code_3() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example"]);
    // Port 1 is nobody's on a machine that runs tests.
    let asked = ["window", "list", "--config", "coalition/clearing.toml", "--endpoint", "https://localhost:1"];
    let (code, error) = desk.failure(&[&asked[..], &["--set", "client.deadline_seconds=2"]].concat());
    assert_eq!((code, error["kind"].as_str()), (3, Some("UNREACHABLE")), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("clearing serve"), "{error}");
}

/// Every command with its subcommands, as `--help` names them.
fn commands(desk: &Desk, of: &[&str]) -> Vec<Vec<String>> {
    let help = desk.table(&[of, &["--help"]].concat());
    let own = of.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut all = vec![own.clone()];
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    for name in names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help") {
        let words: Vec<&str> = of.iter().copied().chain([name]).collect();
        all.extend(commands(desk, &words));
    }
    all
}
