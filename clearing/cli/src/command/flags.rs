//! Flags that contradict each other are refused, and what cannot be undone asks first: both as laws over the whole command
//! tree, so that whoever adds a flag or a command says what it means beside the others.

use clap::{Arg, ArgAction, Command, CommandFactory as _, Parser as _};

use super::Cli;

/// Of each command, sets of arguments of which any two have a meaning side by side. Two that are in no set together must be
/// declared as conflicting.
const TOGETHER: &[(&str, &[&[&str]])] = &[
    ("audit", &[&["database", "record", "since", "force"]]),
    ("calendar set", &[&["expressions", "time_zone", "request_id"], &["none", "request_id"]]),
    ("demo", &[&["seed", "customers", "purchases", "keep", "report", "force"]]),
    ("entry find", &[&["member", "partner", "kind", "receipt", "day", "window", "from", "limit"]]),
    ("fund deposit", &[&["account", "amount", "request_id"]]),
    ("fund withdraw", &[&["account", "amount", "request_id"]]),
    (
        "init",
        &[
            &[
                "dir",
                "database",
                "listen",
                "server_names",
                "domain",
                "coalition",
                "currency",
                "scale",
                "point_value",
                "time_zone",
                "fee",
                "fee_bearer",
                "funding",
                "breakage",
                "grace_days",
                "passed_over_grace_days",
                "recovery",
                "open_consents",
                "settlement_threshold",
                "hide_issuers",
                "key_retention_days",
                "business_time_days",
                "default_net_debit_cap",
                "default_points_per_entry",
            ],
            &[
                "dir",
                "database",
                "listen",
                "server_names",
                "domain",
                "coalition",
                "currency",
                "scale",
                "point_value",
                "time_zone",
                "fee",
                "fee_bearer",
                "funding",
                "breakage",
                "grace_days",
                "passed_over_grace_days",
                "recovery",
                "open_consents",
                "settlement_threshold",
                "hide_issuers",
                "key_retention_days",
                "business_time_days",
                "no_limits",
            ],
        ],
    ),
    ("log", &[&["kind", "partner", "window", "since", "until", "limit"]]),
    (
        "member decay",
        &[
            &["member", "rate", "period", "yes", "request_id"],
            &["member", "rate", "period", "dry_run"],
            &["all", "rate", "period", "inactive_days", "yes"],
            &["all", "rate", "period", "inactive_since", "yes"],
            &["all", "rate", "period", "inactive_days", "dry_run"],
            &["all", "rate", "period", "inactive_since", "dry_run"],
        ],
    ),
    (
        "member extend-expiry",
        &[
            &["member", "issuer", "until", "expires", "code", "yes", "request_id"],
            &["member", "issuer", "until", "expires", "code", "dry_run"],
        ],
    ),
    ("member freeze", &[&["member", "code", "until", "request_id"]]),
    (
        "member reinstate",
        &[
            &["member", "funder", "points", "expires", "code", "yes", "request_id"],
            &["member", "funder", "points", "expires", "code", "dry_run"],
        ],
    ),
    ("member unfreeze", &[&["member", "reason", "request_id"]]),
    (
        "member write-off-debt",
        &[
            &["member", "creditor", "points", "code", "yes", "request_id"],
            &["member", "creditor", "points", "code", "dry_run"],
        ],
    ),
    ("migrate", &[&["database", "check"]]),
    ("partner certificate", &[&["id", "out", "csr", "auditor", "days", "authority", "force", "yes"]]),
    (
        "partner consent",
        &[&["funder", "partner", "budget", "request_id"], &["funder", "partner", "revoke", "request_id"]],
    ),
    (
        "partner create",
        &[&[
            "partner",
            "name",
            "funding",
            "price",
            "value",
            "reimbursement",
            "fee",
            "fee_bearer",
            "breakage",
            "expiry",
            "return_days",
            "tender_value",
            "receipt_share",
            "net_debit_cap",
            "outstanding_points",
            "points_per_day",
            "points_per_member_per_day",
            "points_per_entry",
            "transfer_points_per_entry",
            "transfer_points_per_member_per_day",
            "cooling_seconds",
            "no_limits",
            "request_id",
        ]],
    ),
    (
        "partner limits",
        &[&[
            "partner",
            "net_debit_cap",
            "outstanding_points",
            "points_per_day",
            "points_per_member_per_day",
            "points_per_entry",
            "transfer_points_per_entry",
            "transfer_points_per_member_per_day",
            "cooling_seconds",
            "clear",
            "request_id",
        ]],
    ),
    ("partner rename", &[&["partner", "name", "request_id"]]),
    ("partner state", &[&["partner", "state", "yes", "request_id"], &["partner", "state", "dry_run"]]),
    (
        "partner terms",
        &[&[
            "partner",
            "from",
            "funding",
            "price",
            "value",
            "reimbursement",
            "fee",
            "fee_bearer",
            "breakage",
            "expiry",
            "return_days",
            "tender_value",
            "receipt_share",
            "request_id",
        ]],
    ),
    ("report html", &[&["window", "lines", "out", "force"]]),
    ("report journal", &[&["from", "window", "limit"]]),
    ("sandbox", &[&["dir", "listen", "start", "database", "coalition", "variant"]]),
    ("sandbox advance", &[&["to", "dir"]]),
    ("serve", &[&["listen", "database", "accept_time"]]),
    ("settlement abort", &[&["window", "yes", "request_id"], &["window", "dry_run"]]),
    ("settlement confirm", &[&["window", "yes", "request_id"], &["window", "dry_run"]]),
    (
        "settlement export",
        &[
            &["window", "mode", "csv", "force", "replace", "yes", "request_id"],
            &["window", "mode", "replace", "dry_run"],
        ],
    ),
    ("settlement orders", &[&["window", "mode"]]),
    (
        "settlement pay",
        &[
            &["window", "payer", "to", "amount", "reference", "value_date", "yes", "request_id"],
            &["window", "payer", "to", "amount", "reference", "value_date", "dry_run"],
            &["window", "all", "value_date", "yes"],
            &["window", "all", "value_date", "dry_run"],
        ],
    ),
    ("statement", &[&["partner", "window", "lines", "skip", "format", "wide", "out", "force"]]),
    ("window close", &[&["yes", "request_id"]]),
];

/// The commands that ask before they do what cannot be undone.
const ASKING: &[&str] = &[
    "member decay",
    "member extend-expiry",
    "member reinstate",
    "member write-off-debt",
    "partner state",
    "settlement abort",
    "settlement confirm",
    "settlement pay",
    "window close",
];

/// Of each command that does something and does not ask, why it need not.
const UNASKED: &[(&str, &str)] = &[
    ("audit", "it only reads; a record that is there is not overwritten"),
    ("calendar set", "the next one replaces it"),
    ("completions", "it only reads"),
    ("calendar show", "it only reads"),
    ("config check", "it only reads"),
    ("demo", "it makes a coalition of its own, and overwrites none"),
    ("entry find", "it only reads"),
    ("entry show", "it only reads"),
    ("fund deposit", "fund withdraw takes it out again"),
    ("fund withdraw", "fund deposit pays it in again"),
    ("init", "it makes new files and overwrites none"),
    ("log", "it only reads"),
    ("member balance", "it only reads"),
    ("member freeze", "member unfreeze lifts it"),
    ("member unfreeze", "member freeze sets it again"),
    ("migrate", "nothing that is stored is lost; --check tells before what is pending"),
    ("partner certificate", "it makes new files and overwrites none"),
    ("partner consent", "the next one replaces it"),
    ("partner consents", "it only reads"),
    ("partner create", "it moves nothing, and a partner that is suspended trades nothing"),
    ("partner limits", "the next ones replace them"),
    ("partner list", "it only reads"),
    ("partner rename", "the next one replaces it"),
    ("partner terms", "the next ones replace them"),
    ("report html", "it only reads; a file that is there is not overwritten"),
    ("report journal", "it only reads"),
    ("report netting", "it only reads"),
    ("report notices", "it only reads"),
    ("report trial-balance", "it only reads"),
    ("sandbox advance", "a sandbox is for trying"),
    ("sandbox", "it begins anew only in a folder that a sandbox made"),
    ("serve", "it runs until it is stopped"),
    ("settlement export", "the same export may be repeated"),
    ("settlement orders", "it only reads"),
    ("settlement preview", "it only reads"),
    ("statement", "it only reads; a file that is there is not overwritten"),
    ("window list", "it only reads"),
];

#[test]
fn two_flags_of_a_command_go_together_or_are_refused_together() {
    let mut untold = Vec::new();
    for (name, command) in commands() {
        let sets = TOGETHER.iter().find(|(of, _)| *of == name).map_or(&[][..], |(_, sets)| sets);
        let own: Vec<&Arg> = own(&command).collect();
        for set in sets {
            for id in *set {
                assert!(own.iter().any(|arg| arg.get_id() == id), "{name} has no {id}");
            }
        }
        for (at, one) in own.iter().enumerate() {
            for other in &own[at + 1..] {
                let ids = [one.get_id().as_str(), other.get_id().as_str()];
                let together = sets.iter().any(|set| ids.iter().all(|id| set.contains(id)));
                if together == conflict(&command, one, other) {
                    untold.push(format!("{name}: {} and {}", ids[0], ids[1]));
                }
            }
        }
    }
    assert!(untold.is_empty(), "neither together nor in conflict, or both:\n{}", untold.join("\n"));
    let known: Vec<String> = commands().into_iter().map(|(name, _)| name).collect();
    let stale = TOGETHER.iter().find(|(name, _)| !known.iter().any(|known| known == name));
    assert!(stale.is_none(), "{stale:?} is no command");
}

/// A flag that needs another one contradicts what contradicts that one. clap takes `--all --amount 1` where --amount needs
/// PARTNER and --all conflicts with it: so `settlement pay` once booked everything as paid.
#[test]
fn what_contradicts_a_flag_contradicts_what_needs_it() {
    let refused = |line: &str| Cli::try_parse_from(line.split_whitespace()).unwrap_err().kind();
    for line in
        ["--all --amount 1", "--all --to A", "--all GROCER", "--all --request-id 0197f2a4-6d3e-7c11-9c55-0242ac120002"]
    {
        let kind = refused(&format!("clearing settlement pay 3 {line}"));
        assert_eq!(kind, clap::error::ErrorKind::ArgumentConflict, "{line}");
    }
}

#[test]
fn what_cannot_be_undone_asks_or_wants_yes() {
    for (name, command) in commands() {
        let has = |flag: &str| own(&command).any(|arg| arg.get_id() == flag);
        let (asks, reason) = (ASKING.contains(&&*name), UNASKED.iter().find(|(of, _)| *of == name));
        assert!(asks != reason.is_some(), "{name}: say whether it can be undone, and how");
        assert!(!asks || (has("yes") && has("dry_run")), "{name} cannot be undone and has no --yes and --dry-run");
    }
}

/// Every command that can be run, by its words.
pub fn commands() -> Vec<(String, Command)> {
    let mut cli = Cli::command();
    cli.build();
    let mut found = Vec::new();
    let mut left: Vec<(String, Command)> = vec![(String::new(), cli)];
    while let Some((name, command)) = left.pop() {
        let below = command.get_subcommands().filter(|below| below.get_name() != "help");
        let named = |below: &Command| format!("{name} {}", below.get_name()).trim().to_owned();
        left.extend(below.map(|below| (named(below), below.clone())));
        // Of some a command below is needed, of some not.
        if !command.is_subcommand_required_set() {
            found.push((name, command));
        }
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

/// The arguments of a command without those that every command has.
fn own(command: &Command) -> impl Iterator<Item = &Arg> {
    let told = |arg: &&Arg| {
        matches!(arg.get_action(), ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version)
    };
    command.get_arguments().filter(move |arg| !arg.is_global_set() && !told(arg))
}

/// Whether one of two says that it does not go with the other, or a group does that takes one of its own.
fn conflict(command: &Command, one: &Arg, other: &Arg) -> bool {
    let said = |of: &Arg, with: &Arg| {
        command.get_arg_conflicts_with(of).iter().any(|conflict| conflict.get_id() == with.get_id())
    };
    let grouped = command.get_groups().any(|group| {
        let has = |arg: &Arg| group.get_args().any(|id| id == arg.get_id());
        let one_only = !group.clone().is_multiple();
        one_only && has(one) && has(other)
    });
    said(one, other) || said(other, one) || grouped
}
