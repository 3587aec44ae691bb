//! Flags that contradict each other are refused, what cannot be undone asks first, and numbers and times that are written wrong
//! are answered with some that are right: laws over the whole command tree, so that whoever adds a flag or a command says what
//! it means beside the others.

use std::any::TypeId;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command, CommandFactory as _, Parser as _};
use partner_sdk::Decimal;
use partner_sdk::operator::BreakageSplit;

use super::Cli;
use crate::terms::ReturnDays;
use crate::times::When;

/// Of each command, sets of arguments of which any two have a meaning side by side. Two that are in no set together must be
/// declared as conflicting.
const TOGETHER: &[(&str, &[&[&str]])] = &[
    ("adjust", &[&["payer", "payee", "amount", "reason", "request_id"]]),
    ("approvals approve", &[&["proposal", "yes", "request_id"], &["proposal", "dry_run"]]),
    ("approvals refuse", &[&["proposal", "request_id"]]),
    ("approvals withdraw", &[&["proposal", "request_id"]]),
    ("audit", &[&["database", "record", "since", "force"]]),
    (
        "authority encrypt",
        &[
            &["which", "authority", "passphrase_file", "new_passphrase_file"],
            &["which", "authority", "passphrase_file", "new_passphrase_command"],
            &["which", "authority", "passphrase_command", "new_passphrase_file"],
            &["which", "authority", "passphrase_command", "new_passphrase_command"],
        ],
    ),
    ("authority renew", &[&["days", "authority", "passphrase_file"], &["days", "authority", "passphrase_command"]]),
    (
        "authority replace",
        &[
            &["step", "authority", "new_passphrase_file", "yes"],
            &["step", "authority", "new_passphrase_command", "yes"],
        ],
    ),
    (
        "bank apply",
        &[&["partner", "amount", "to", "window", "request_id"], &["partner", "amount", "from_unknown", "request_id"]],
    ),
    (
        "bank bounced",
        &[
            &["payment", "payment_booked", "payment_account", "reference", "booked", "own_account", "request_id"],
            &["window", "partner", "reference", "booked", "own_account", "request_id"],
            &["ordered", "reference", "booked", "own_account", "request_id"],
        ],
    ),
    ("bank fee", &[&["account", "amount", "interest", "reference", "booked", "own_account", "request_id"]]),
    (
        "bank import",
        &[
            &[
                "file",
                "own",
                "from",
                "until",
                "named",
                "account",
                "encoding",
                "delimiter",
                "lines_above",
                "dates",
                "credit_word",
                "debit_word",
                "opening",
                "closing",
                "whole_days",
                "yes",
            ],
            &[
                "file",
                "own",
                "from",
                "until",
                "named",
                "account",
                "encoding",
                "delimiter",
                "lines_above",
                "dates",
                "credit_word",
                "debit_word",
                "opening",
                "closing",
                "whole_days",
                "dry_run",
            ],
        ],
    ),
    ("bank paid", &[&["partner", "amount", "reference", "booked", "own_account", "request_id"]]),
    ("bank receive", &[&["partner", "amount", "window", "reference", "booked", "own_account", "request_id"]]),
    ("bank return", &[&["partner", "amount", "request_id"]]),
    ("bank transfer", &[&["from", "to", "amount", "arrived", "reference", "booked", "own_account", "request_id"]]),
    ("bank unapply", &[&["entry", "reason", "request_id"]]),
    (
        "bank show",
        &[&[
            "file",
            "own",
            "from",
            "until",
            "named",
            "account",
            "encoding",
            "delimiter",
            "lines_above",
            "dates",
            "credit_word",
            "debit_word",
            "opening",
            "closing",
            "whole_days",
        ]],
    ),
    (
        "calendar set",
        &[
            &[
                "rows",
                "on_holiday",
                "advice",
                "payment",
                "time_zone",
                "weekend",
                "holidays",
                "holiday_file",
                "from",
                "request_id",
            ],
            &[
                "rows",
                "on_holiday",
                "advice",
                "payment",
                "time_zone",
                "no_weekend",
                "holidays",
                "holiday_file",
                "from",
                "request_id",
            ],
            &["none", "from", "request_id"],
        ],
    ),
    ("calendar show", &[&["next", "ics", "force"]]),
    (
        "certificate crl",
        &[
            &["out", "force", "days", "authority", "passphrase_file"],
            &["out", "force", "days", "authority", "passphrase_command"],
        ],
    ),
    ("certificate invites", &[&["partner", "all", "limit"], &["person", "all", "limit"], &["auditor", "all", "limit"]]),
    ("certificate list", &[&["partner", "all", "limit"], &["person", "all", "limit"], &["auditor", "all", "limit"]]),
    (
        "certificate revoke",
        &[
            &["serials", "reason", "yes", "request_id"],
            &["serials", "reason", "dry_run"],
            &["person", "reason", "yes", "request_id"],
            &["person", "reason", "dry_run"],
            &["auditor", "reason", "yes", "request_id"],
            &["auditor", "reason", "dry_run"],
        ],
    ),
    (
        "certificate server",
        &[
            &["server_names", "days", "authority", "passphrase_file"],
            &["server_names", "days", "authority", "passphrase_command"],
        ],
    ),
    ("certificate withdraw", &[&["invites", "request_id"]]),
    ("demo", &[&["seed", "customers", "purchases", "keep", "report", "force"]]),
    ("entry find", &[&["member", "partner", "kind", "store", "till", "receipt", "day", "window", "before", "limit"]]),
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
                "first_person",
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
                "notice_days",
                "proposal_days",
                "account_change_days",
                "carry_windows_max",
                "care_points",
                "pay_out_at_once",
                "caps_need_cover",
                "default_net_debit_cap",
                "default_points_per_entry",
                "root_passphrase_file",
            ],
            &[
                "dir",
                "database",
                "listen",
                "server_names",
                "domain",
                "coalition",
                "first_person",
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
                "notice_days",
                "proposal_days",
                "account_change_days",
                "carry_windows_max",
                "care_points",
                "pay_out_at_once",
                "caps_need_cover",
                "no_limits",
                "root_passphrase_command",
            ],
            &["default_net_debit_cap", "default_points_per_entry", "root_passphrase_command"],
            &["no_limits", "root_passphrase_file"],
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
    ("member list", &[&["after", "limit"]]),
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
    (
        "partner account",
        &[
            &["partner", "iban", "holder", "bank_name", "request_id"],
            &["partner", "bik", "account", "correspondent", "holder", "bank_name", "request_id"],
            &["partner", "country", "bank_code", "account", "correspondent", "holder", "bank_name", "request_id"],
            &["partner", "stop", "reason", "request_id"],
        ],
    ),
    ("partner authority", &[&["partner", "cert"], &["partner", "remove", "yes"]]),
    (
        "partner certificate",
        &[
            &["id", "out", "csr", "auditor", "days", "authority", "passphrase_file", "force", "yes"],
            &["id", "out", "csr", "auditor", "days", "authority", "passphrase_command", "force", "yes"],
            &["id", "out", "csr", "person", "days", "authority", "passphrase_file", "force", "yes"],
            &["id", "out", "csr", "person", "days", "authority", "passphrase_command", "force", "yes"],
        ],
    ),
    ("partner charge", &[&["partner", "amount", "reason", "request_id"]]),
    ("partner charges", &[&["partner", "charge", "request_id"], &["partner", "none", "request_id"]]),
    (
        "partner consent",
        &[&["funder", "partner", "budget", "request_id"], &["funder", "partner", "revoke", "request_id"]],
    ),
    ("partner cover", &[&["partner", "guarantee", "unsecured", "request_id"], &["partner", "none", "request_id"]]),
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
            "redeem_points_per_member_per_day",
            "redeem_foreign_points_per_day",
            "cooling_seconds",
            "no_limits",
            "invite",
            "request_id",
        ]],
    ),
    ("partner group", &[&["partner", "group", "request_id"], &["partner", "none", "request_id"]]),
    ("partner legal", &[&["partner", "name", "tax_id", "street", "postal_code", "town", "country", "request_id"]]),
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
            "redeem_points_per_member_per_day",
            "redeem_foreign_points_per_day",
            "cooling_seconds",
            "clear",
            "request_id",
        ]],
    ),
    (
        "partner invite",
        &[
            &["partner", "scopes", "hours", "bare"],
            &["person", "scopes", "hours", "bare"],
            &["auditor", "scopes", "hours", "bare"],
        ],
    ),
    ("partner lock", &[&["partner", "yes", "request_id"], &["partner", "dry_run"]]),
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
    ("person add", &[&["person", "roles", "no_invite", "certificate", "yes", "request_id"]]),
    ("person alone", &[&["operations", "request_id"], &["none", "request_id"]]),
    ("person recover", &[&["person", "database", "yes"]]),
    (
        "person roles",
        &[
            &["person", "roles", "certificate", "yes", "request_id"],
            &["person", "none", "certificate", "yes", "request_id"],
        ],
    ),
    ("report html", &[&["window", "lines", "out", "force"]]),
    ("report journal", &[&["from", "window", "limit"]]),
    ("sandbox", &[&["dir", "listen", "start", "database", "coalition", "variant"]]),
    ("sandbox advance", &[&["to", "dir"]]),
    ("serve", &[&["listen", "database", "accept_time"]]),
    ("settlement abort", &[&["window", "yes", "request_id"], &["window", "dry_run"]]),
    (
        "settlement confirm",
        &[&["window", "yes", "request_id"], &["window", "dry_run"], &["empty", "yes"], &["empty", "dry_run"]],
    ),
    (
        "settlement cover",
        &[&["window", "partner", "share", "yes", "request_id"], &["window", "partner", "share", "dry_run"]],
    ),
    (
        "settlement export",
        &[
            &[
                "window",
                "mode",
                "csv",
                "force",
                "format",
                "folder",
                "payers",
                "payment_date",
                "purpose",
                "replace",
                "yes",
                "request_id",
            ],
            &["window", "mode", "format", "folder", "payers", "payment_date", "purpose", "replace", "dry_run"],
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
    ("explain", &[&["window", "partner", "no_lines", "format", "wide", "out", "force"]]),
    ("settlement release", &[&["window", "amount", "request_id"]]),
    (
        "settlement repay",
        &[
            &["partner", "amount", "penalty", "reference", "booked", "own_account", "yes", "request_id"],
            &["partner", "amount", "penalty", "reference", "booked", "own_account", "dry_run"],
        ],
    ),
    ("statement", &[&["partner", "window", "lines", "skip", "format", "wide", "out", "force"]]),
    ("window close", &[&["yes", "request_id"]]),
];

/// The commands that ask before they do what cannot be undone.
const ASKING: &[&str] = &[
    "bank import",
    "certificate revoke",
    "approvals approve",
    "member decay",
    "member extend-expiry",
    "member reinstate",
    "member write-off-debt",
    "partner lock",
    "partner state",
    "settlement abort",
    "settlement confirm",
    "settlement cover",
    "settlement pay",
    "settlement repay",
    "window close",
];

/// Of each command that does something and does not ask, why it need not.
const UNASKED: &[(&str, &str)] = &[
    ("adjust", "the opposite one moves it back"),
    ("approvals list", "it only reads"),
    ("approvals refuse", "the same may be proposed again"),
    ("approvals show", "it only reads"),
    ("approvals withdraw", "the same may be proposed again"),
    ("audit", "it only reads; a record that is there is not overwritten"),
    ("authority encrypt", "the key stays the same, and may get another passphrase"),
    ("authority renew", "what the former one issued stays valid, and its files are kept"),
    ("authority replace", "both roots are trusted until finish, which asks, and what it ends is kept"),
    ("authority show", "it only reads"),
    ("bank apply", "bank unapply undoes it"),
    ("bank bounced", "bank receive books it when it comes again"),
    ("bank fee", "what the bank did is booked; adjust moves what of it is not the operator's"),
    ("bank open", "it only reads"),
    ("bank paid", "bank bounced books it when it comes back"),
    ("bank receive", "bank bounced books it when it goes back"),
    ("bank return", "a second person decides it, and the bank is still to pay it"),
    ("bank show", "it only reads"),
    ("bank transfer", "the opposite one moves it back"),
    ("bank unapply", "bank apply uses it again"),
    ("calendar set", "the next one replaces it"),
    ("certificate crl", "it only reads; a file that is there is not overwritten"),
    ("certificate invites", "it only reads"),
    ("certificate list", "it only reads"),
    ("certificate renew", "the former one stays valid until its end"),
    ("certificate server", "the next one replaces it"),
    ("certificate show", "it only reads"),
    ("certificate withdraw", "nobody has used it; a new invite takes its place"),
    ("completions", "it only reads"),
    ("calendar show", "it only reads"),
    ("config check", "it only reads"),
    ("demo", "it makes a coalition of its own, and overwrites none"),
    ("entry find", "it only reads"),
    ("entry show", "it only reads"),
    ("explain", "it only reads; a file that is there is not overwritten"),
    ("fund deposit", "fund withdraw takes it out again"),
    ("fund withdraw", "fund deposit pays it in again"),
    ("init", "it makes new files and overwrites none"),
    ("log", "it only reads"),
    ("member balance", "it only reads"),
    ("member freeze", "member unfreeze lifts it"),
    ("member list", "it only reads"),
    ("member unfreeze", "member freeze sets it again"),
    ("migrate", "nothing that is stored is lost; --check tells before what is pending"),
    ("partner account", "it waits for days, in which --stop ends it; what was stopped may be asked for again"),
    ("partner authority", "the next one replaces it; removing it asks, and it may be registered again"),
    ("partner certificate", "it makes new files and overwrites none"),
    ("partner charge", "adjust moves it back"),
    ("partner charges", "the next ones replace them"),
    ("partner consent", "the next one replaces it"),
    ("partner consents", "it only reads"),
    ("partner cover", "the next one replaces it"),
    ("partner create", "it moves nothing, and a partner that is suspended trades nothing"),
    ("partner group", "the next one replaces it"),
    ("partner invite", "certificate withdraw takes it back"),
    ("partner legal", "the next one replaces it"),
    ("partner limits", "the next ones replace them"),
    ("partner list", "it only reads"),
    ("partner rename", "the next one replaces it"),
    ("partner show", "it only reads"),
    ("partner terms", "the next ones replace them"),
    ("person add", "person roles takes the roles again"),
    ("person alone", "the next one replaces it"),
    ("person list", "it only reads"),
    ("person recover", "it asks, and others have days to look into it"),
    ("person roles", "the next ones replace them"),
    ("report cover", "it only reads"),
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
    ("settlement release", "nothing leaves before the bank has its orders, and what leaves has come in"),
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

/// `--fee 2%` and `--amount 10,5` were once refused with a grammar, and nobody knew what to write instead.
#[test]
fn whoever_writes_a_number_wrong_is_told_one_that_is_taken() {
    let numbers = [
        TypeId::of::<Decimal>(),
        TypeId::of::<i64>(),
        TypeId::of::<i32>(),
        TypeId::of::<u64>(),
        TypeId::of::<u32>(),
        TypeId::of::<u16>(),
        TypeId::of::<u8>(),
        TypeId::of::<usize>(),
        TypeId::of::<ReturnDays>(),
        TypeId::of::<BreakageSplit>(),
    ];
    let mut tried = 0;
    for (name, command) in commands() {
        let is_number = |arg: &&Arg| numbers.iter().any(|number| arg.get_value_parser().type_id() == *number);
        for arg in command.get_arguments().filter(is_number) {
            tried += 1;
            for wrong in ["x", "2%", "10,5", "1e3", "99999999999999999999"] {
                let (id, refused) = (arg.get_id(), refusal(&name, &command, arg, wrong));
                let refused = refused.unwrap_or_else(|| panic!("{name} takes {wrong} for {id}"));
                let example = refused.split_once("write ").and_then(|(_, after)| after.split([' ', ';', '\n']).next());
                let example = example.unwrap_or_else(|| panic!("{name} gives no example for {id}: {refused}"));
                let example = example.trim_end_matches(',');
                assert_eq!(
                    refusal(&name, &command, arg, example),
                    None,
                    "{name} does not take its own example for {id}"
                );
            }
        }
    }
    assert!(tried > 60, "{tried} flags hold numbers");
}

#[test]
fn wherever_a_time_is_taken_a_day_and_a_local_time_are_too() {
    let mut tried = 0;
    for (name, command) in commands() {
        let named = |arg: &Arg| arg.get_value_names().is_some_and(|names| names.iter().any(|name| *name == "TIME"));
        let is_time = |arg: &Arg| arg.get_value_parser().type_id() == TypeId::of::<When>();
        for arg in command.get_arguments() {
            assert!(!is_time(arg) || named(arg), "{name}: {} is a TIME", arg.get_id());
            if !named(arg) {
                continue;
            }
            tried += 1;
            for text in ["2026-12-01", "2026-12-01T10:00", "2026-12-01T10:00:30", "2026-12-01T07:00:00Z"] {
                assert_eq!(refusal(&name, &command, arg, text), None, "{name} {text}");
            }
            let refused = refusal(&name, &command, arg, "tomorrow").unwrap();
            assert!(refused.contains(crate::times::FORMS), "{name}: {refused}");
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            let long = arg.get_long_help().map(ToString::to_string).unwrap_or_default();
            assert!((help + &long).contains("a day"), "{name} does not say what a day means for {}", arg.get_id());
        }
    }
    assert!(tried > 8, "{tried} flags hold times");
}

/// Why a command does not take a text for one of its arguments; none if it does, whatever else is missing.
fn refusal(name: &str, command: &Command, arg: &Arg, text: &str) -> Option<String> {
    let mut line: Vec<String> = std::iter::once("clearing").chain(name.split(' ')).map(str::to_owned).collect();
    match arg.get_long() {
        Some(long) => line.push(format!("--{long}={text}")),
        None => {
            let before = command.get_positionals().filter(|other| other.get_index() < arg.get_index());
            let good = |other: &Arg| {
                let named = other.get_possible_values().first().map(|value| value.get_name().to_owned());
                named.unwrap_or_else(|| "1".to_owned())
            };
            line.extend(before.map(good));
            line.push(text.to_owned());
        }
    }
    let error = Cli::try_parse_from(line).err()?;
    (error.kind() == ErrorKind::ValueValidation).then(|| error.to_string())
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
