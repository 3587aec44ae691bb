//! What to do about a rejection: one table, by its reason and the command that got it.
//!
//! Text in backquotes is a command line that can be typed as it stands, filled with the numbers of the rejection. A test reads
//! each with the parser of the command itself, and wants a row for every reason that a command can get.

use std::collections::BTreeMap;

/// Every command.
const ANY: &[&str] = &[];

/// A reason, the commands that get this hint for it, and the hint. The first row that names the command holds.
type Row = (&'static str, &'static [&'static str], &'static str);

const HINTS: &[Row] = &[
    // An invite is a request of its own each time: its secret is made anew.
    ("REQUEST_TOO_OLD", &["partner invite"], "run it again"),
    ("REQUEST_TOO_NEW", &["partner invite"], "run it again"),
    ("REQUEST_ABANDONED", &["partner invite"], "run it again"),
    ("IDEMPOTENCY_CONFLICT", &["partner invite"], "run it again"),
    ("INVITE_EXISTS", ANY, "run it again: each run makes an id of its own"),
    (
        "SCOPE_EXCEEDED",
        ANY,
        "nobody gives what its own certificate may not do: `clearing certificate list` shows what each may",
    ),
    (
        "CREDENTIAL_REVOKED",
        ANY,
        "take a certificate that is valid: --set client.cert=FILE --set client.key=FILE; `clearing certificate list` shows who has which",
    ),
    // What any command with an effect may be told.
    (
        "REQUEST_TOO_OLD",
        ANY,
        "look into `clearing log` whether the command had its effect; if not, repeat it without --request-id",
    ),
    ("REQUEST_TOO_NEW", ANY, "leave --request-id out: that id was made by a clock that is ahead of the house's"),
    ("REQUEST_ABANDONED", ANY, "leave --request-id out: that id was given up before, and has no effect any more"),
    ("IDEMPOTENCY_CONFLICT", ANY, "leave --request-id out, or repeat exactly the command that it belongs to"),
    ("TIME_OUT_OF_RANGE", &["member decay"], "give a time that is not ahead of the house's clock"),
    ("TIME_OUT_OF_RANGE", &["partner terms"], "terms begin at once, without --from, or at a time that is ahead"),
    ("TIME_OUT_OF_RANGE", &["member freeze"], "leave --until out, or give a time that is ahead"),
    ("TIME_OUT_OF_RANGE", &["member extend-expiry", "member reinstate"], "give --expires a time that is ahead"),
    ("TIME_OUT_OF_RANGE", ANY, "the time that the house takes is told above"),
    ("NOT_PERMITTED", ANY, "`clearing person list` shows who has which role"),
    (
        "PROPOSAL_NOT_OPEN",
        ANY,
        "`clearing approvals show {proposal_id}` shows what became of it; if it is still wanted, ask for it anew",
    ),
    ("SAME_PERSON", ANY, "another approver decides it; `clearing person list` shows who is one"),
    ("PROPOSAL_EXISTS", ANY, "`clearing approvals show {proposal_id}` shows it; another approver approves it"),
    (
        "NOT_FOUND",
        &["approvals show", "approvals approve", "approvals refuse", "approvals withdraw"],
        "`clearing approvals list --all` shows all proposals",
    ),
    ("NOT_FOUND", &["person add"], "`clearing person list` shows the people"),
    (
        "OVERFLOW",
        &["person add", "person roles", "person recover"],
        "a coalition has at most 1,000 people, and none can be removed",
    ),
    ("OVERFLOW", &["partner create"], "a coalition has at most 10,000 partners, and none can be removed"),
    (
        "OVERFLOW",
        &["partner account"],
        "the bank account of a partner has at most 10,000 versions, and the last one stays",
    ),
    (
        "OVERFLOW",
        &["calendar set"],
        "at most 8 calendars are announced at a time; one that takes effect earlier takes the place of those behind it",
    ),
    ("OVERFLOW", ANY, "give a smaller number; `clearing report trial-balance` shows how large the balances are"),
    // Settlements.
    (
        "NOT_FOUND",
        &["settlement release"],
        "pay-outs wait once their orders are made, by an export; `clearing window list` shows the windows",
    ),
    (
        "NOT_FOUND",
        &[
            "settlement confirm",
            "settlement export",
            "settlement pay",
            "settlement abort",
            "settlement preview",
            "settlement orders",
            "settlement cover",
            "report netting",
        ],
        "`clearing window list` shows the windows that there are",
    ),
    ("WINDOW_NOT_CLOSED", ANY, "close it first: `clearing window close`"),
    (
        "SETTLEMENT_NOT_PROPOSED",
        &["settlement confirm"],
        "nothing is to confirm; `clearing settlement preview {window}` shows how far it is",
    ),
    ("SETTLEMENT_NOT_CONFIRMED", ANY, "confirm it first: `clearing settlement confirm {window}`"),
    (
        "SETTLEMENT_SETTLED",
        &["settlement abort"],
        "what is paid cannot be given up; `clearing settlement orders {window}` shows the payments",
    ),
    ("SETTLEMENT_SETTLED", ANY, "nothing is left to do: all is paid. `clearing settlement orders {window}` shows how"),
    (
        "SETTLEMENT_ALREADY_PAID",
        &["settlement abort"],
        "a settlement that somebody paid into cannot be given up; see it through: `clearing settlement pay {window} --all`",
    ),
    (
        "SETTLEMENT_ALREADY_PAID",
        &["settlement export"],
        "once something is paid the mode stays; `clearing settlement orders {window}` shows what is still due in it",
    ),
    (
        "EXPORTED_OTHERWISE",
        &["settlement export"],
        "give the --mode that it was exported in; or take the orders back from the bank and add --replace",
    ),
    (
        "SETTLEMENT_ABORTED",
        ANY,
        "its legs went into the window that was open then, and settle with that: `clearing window list`",
    ),
    (
        "FUNDS_NOT_RECEIVED",
        &["settlement release"],
        "give an --amount that has come in, or wait: `clearing window list` shows the windows, `clearing report cover` who owes",
    ),
    ("LEG_NOT_DUE", &["settlement cover"], "it owes nothing there: `clearing settlement preview {window}`"),
    (
        "RESERVE_INSUFFICIENT",
        &["settlement cover"],
        "put money into the reserve, or let the creditors bear the rest with --share",
    ),
    // Money at the bank.
    (
        "BANK_REFERENCE_CONFLICT",
        ANY,
        "that line was booked with another amount: `clearing entry show {entry_id}` shows how; take back what was wrong, and book it anew",
    ),
    ("NOT_FOUND", &["bank paid", "bank bounced", "bank unapply"], "`clearing bank open` shows what is on its way"),
    (
        "NOT_FOUND",
        &["bank receive", "bank apply", "bank return", "settlement repay", "adjust"],
        "`clearing partner list` and `clearing window list` show what there is",
    ),
    ("LEG_NOT_DUE", &["bank apply"], "nothing is due of that leg: leave --window out, or use it --to advance"),
    (
        "AMOUNT_MISMATCH",
        &["bank apply"],
        "give no more than is due, told above; `clearing bank open` shows what is unapplied",
    ),
    ("AMOUNT_MISMATCH", &["bank paid"], "an order is paid as a whole: `clearing bank open` shows how much each is of"),
    ("AMOUNT_MISMATCH", &["settlement repay"], "give no more than is claimed: `clearing report trial-balance`"),
    ("LEG_NOT_PAID", ANY, "it came back before, or was never paid: `clearing bank open` shows what is open"),
    (
        "FUND_INSUFFICIENT",
        &["bank apply", "bank return", "bank unapply"],
        "there is less than that: `clearing bank open` shows what is unapplied",
    ),
    (
        "COVER_INSUFFICIENT",
        ANY,
        "lower its cap or raise its cover: `clearing partner cover {partner_id}` shows what covers it",
    ),
    (
        "NET_DEBIT_CAP",
        &["fund withdraw"],
        "it needs what it paid ahead: `clearing report cover` shows what each partner owes",
    ),
    ("LEG_NOT_DUE", &["settlement pay"], "`clearing settlement orders {window}` shows what is due, and who pays whom"),
    ("AMOUNT_MISMATCH", &["settlement pay"], "leave --amount out, or give all that is due"),
    (
        "NOT_FOUND",
        &["fund deposit", "fund withdraw"],
        "a fund is reserve, collateral:PARTNER or advance:PARTNER; `clearing partner list` shows the partners",
    ),
    ("FUND_INSUFFICIENT", &["fund withdraw"], "take out no more than there is: `clearing report trial-balance`"),
    // Partners.
    (
        "NOT_FOUND",
        &[
            "partner terms",
            "partner state",
            "partner limits",
            "partner cover",
            "partner charge",
            "partner charges",
            "partner legal",
            "partner group",
            "partner account",
            "partner show",
            "partner consent",
            "partner consents",
            "partner rename",
            "statement",
            "explain",
        ],
        "`clearing partner list` and `clearing window list` show what there is",
    ),
    (
        "NOT_FOUND",
        &["partner invite", "partner lock"],
        "nobody of that name is known here: `clearing partner list` shows the partners",
    ),
    (
        "NOT_FOUND",
        &["certificate revoke"],
        "`clearing certificate list --all` shows the certificates that the house has issued",
    ),
    (
        "NOT_FOUND",
        &["certificate withdraw"],
        "`clearing certificate invites --all` shows the invites, and what became of them",
    ),
    (
        "NOT_FOUND",
        &["partner create"],
        "`clearing partner list` shows whether it is admitted; `clearing partner invite` invites it then",
    ),
    (
        "ACCOUNT_CHANGE_NOT_PENDING",
        &["partner account"],
        "`clearing partner account {partner_id}` shows how its versions stand",
    ),
    (
        "PARTNER_EXISTS",
        &["partner create"],
        "it is admitted already: `clearing partner terms {partner_id}` shows its terms",
    ),
    ("BREAKAGE_NOT_ONE", &["partner create", "partner terms"], "the three shares of --breakage must add up to 1"),
    ("PRICE_NOT_EXACT", &["partner create", "partner terms"], "give no more decimals than the coalition's scale"),
    (
        "TERMS_UNDERFUND",
        &["partner create", "partner terms"],
        "no --reimbursement may be above a value that backs points, and no --value above its --price; lower the one or raise the other",
    ),
    (
        "CALENDAR_TOO_LATE",
        &["calendar set"],
        "let it take effect later: --from {earliest_time}; `clearing calendar show` tells what is published",
    ),
    // Members.
    ("NOT_FOUND", &["member balance"], "nobody was ever issued points under that name: check the scheme and the value"),
    (
        "NOT_FOUND",
        &["member unfreeze"],
        "it is not frozen, or no member has that name: `clearing log --kind freeze-member` shows who was frozen",
    ),
    (
        "NOT_FOUND",
        &["member write-off-debt"],
        "no member has that name, or it owes that partner nothing: `clearing partner list` shows the partners",
    ),
    (
        "NOT_FOUND",
        &["member extend-expiry"],
        "no member has that name, or it has no points of that issuer that expire by --until",
    ),
    (
        "NOT_FOUND",
        &["member decay", "member freeze", "member reinstate"],
        "no member or partner has that name: check the scheme and the value",
    ),
    (
        "CONSENT_EXCEEDED",
        &["member reinstate"],
        "the funder lets the operator give so many by `clearing partner consent {funder_id} operator --budget 1000`; or name \
         --funder operator",
    ),
    ("PARTNER_EXITED", &["member reinstate"], "name another --funder: `clearing partner list`"),
    ("PARTNER_RESTRICTED", ANY, "`clearing partner state {partner_id} active` lets it act again"),
    ("PARTNER_SUSPENDED", ANY, "`clearing partner state {partner_id} active` lets it act again"),
    ("NET_DEBIT_CAP", ANY, "the funder may owe no more; `clearing partner list` shows how much of each limit is used"),
    // The journal.
    (
        "NOT_FOUND",
        &["entry find"],
        "no member or partner has that name: check the scheme and the value; `clearing partner list` shows the partners",
    ),
    (
        "NOT_FOUND",
        &["entry show"],
        "an id is given by whoever was answered with it; `clearing report journal` lists entries",
    ),
];

/// What to do about a rejection that a command got.
pub fn hint(reason: &str, numbers: &BTreeMap<String, String>, command: &str) -> Option<String> {
    let of = |row: &&Row| row.0 == reason && (row.1.is_empty() || row.1.contains(&command));
    let (_, _, text) = HINTS.iter().find(of)?;
    let mut hint = (*text).to_owned();
    for (name, number) in numbers {
        hint = hint.replace(&format!("{{{name}}}"), number);
    }
    Some(hint)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use clearing_core::rejection::Rejection;

    use super::*;
    use crate::command::{flags_of, names, read, words_that_are_commands};

    /// The calls whose refusals a command can get, in words: "close-window" is CloseWindow.
    const CALLS: &[(&str, &[&str])] = &[
        ("adjust", &["adjust"]),
        ("bank apply", &["apply-money"]),
        ("bank bounced", &["return-payment"]),
        ("bank fee", &["book-bank-fee"]),
        ("bank paid", &["confirm-ordered"]),
        ("bank receive", &["receive-money"]),
        ("bank return", &["return-money"]),
        ("bank transfer", &["book-own-transfer"]),
        ("bank unapply", &["undo-payment"]),
        ("calendar set", &["set-calendar"]),
        ("certificate revoke", &["revoke-credentials"]),
        ("certificate withdraw", &["withdraw-invites"]),
        ("entry find", &["find-entries"]),
        ("entry show", &["get-entry"]),
        ("fund deposit", &["deposit"]),
        ("fund withdraw", &["withdraw-funds"]),
        ("member balance", &["get-balance"]),
        ("member decay", &["run-decay", "decay-members", "get-balance"]),
        ("member extend-expiry", &["extend-expiry", "get-balance"]),
        ("member freeze", &["freeze-member"]),
        ("member reinstate", &["reinstate-points", "get-balance"]),
        ("member unfreeze", &["unfreeze-member"]),
        ("member write-off-debt", &["write-off-debt", "get-balance"]),
        ("partner charge", &["charge"]),
        ("partner charges", &["set-charges"]),
        ("partner cover", &["set-cover"]),
        ("partner consent", &["set-funding-consent"]),
        ("partner create", &["create-partner", "create-invites"]),
        ("partner invite", &["create-invites"]),
        ("partner account", &["set-bank-account", "stop-bank-account-change"]),
        ("partner group", &["set-group"]),
        ("partner legal", &["set-legal-record"]),
        ("partner limits", &["set-limits"]),
        ("partner lock", &["revoke-credentials", "set-partner-state"]),
        ("partner rename", &["rename-partner"]),
        ("partner state", &["set-partner-state"]),
        ("partner terms", &["set-terms"]),
        ("report netting", &["netting-report"]),
        ("settlement abort", &["abort-settlement", "preview-settlement"]),
        ("settlement cover", &["cover-default", "share-loss", "preview-settlement"]),
        ("settlement release", &["release-orders"]),
        ("settlement repay", &["repay-claim"]),
        ("settlement confirm", &["confirm-settlement", "preview-settlement"]),
        ("approvals approve", &["approve-proposal", "get-proposal"]),
        ("approvals refuse", &["refuse-proposal"]),
        ("approvals withdraw", &["withdraw-proposal"]),
        ("person add", &["set-person", "create-invites"]),
        ("person alone", &["set-two-person-list"]),
        ("person roles", &["set-person"]),
        ("settlement export", &["export-orders", "list-orders"]),
        ("settlement orders", &["list-orders"]),
        ("settlement pay", &["confirm-payment", "list-orders"]),
        ("settlement preview", &["preview-settlement"]),
        ("explain", &["explain-leg", "get-statement"]),
        ("statement", &["get-statement"]),
        ("window close", &["close-window"]),
    ];

    /// Reasons that any call with an effect may give, as RequestService says.
    const OF_ANY_EFFECT: [&str; 6] = [
        "REQUEST_TOO_OLD",
        "REQUEST_TOO_NEW",
        "REQUEST_ABANDONED",
        "IDEMPOTENCY_CONFLICT",
        "TIME_OUT_OF_RANGE",
        "OVERFLOW",
    ];

    #[test]
    fn every_reason_that_a_command_can_get_has_a_hint_that_can_be_typed() {
        let files = protos();
        let mut missing = Vec::new();
        for (command, calls) in CALLS {
            let reasons: BTreeSet<&str> = calls.iter().flat_map(|call| reasons(&files, call)).collect();
            for reason in reasons {
                let example = Rejection::examples().into_iter().find(|example| example.reason() == reason).unwrap();
                let numbers = example.numbers().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
                let Some(hint) = hint(reason, &numbers, command) else {
                    missing.push(format!("{command}: {reason}"));
                    continue;
                };
                assert!(!hint.contains('{'), "{command}, {reason}: a number is missing in {hint:?}");
                for (at, part) in hint.split('`').enumerate() {
                    if at % 2 == 1 {
                        read(part).unwrap_or_else(|error| panic!("{command}, {reason}: {part:?}: {error}"));
                        continue;
                    }
                    for flag in part.split(|letter: char| !letter.is_ascii_lowercase() && letter != '-') {
                        let known = !flag.starts_with("--") || flags_of(command).contains(&flag.to_owned());
                        assert!(known, "{command}, {reason}: it has no {flag}: {hint:?}");
                    }
                }
            }
        }
        assert!(missing.is_empty(), "no hint for\n{}", missing.join("\n"));
        let has_effect = |command: &&String| flags_of(command).contains(&"--request-id".to_owned());
        let listed = |command: &String| CALLS.iter().any(|(name, _)| name == command);
        let unlisted: Vec<String> = names().into_iter().filter(|name| has_effect(&name) && !listed(name)).collect();
        assert!(unlisted.is_empty(), "whose calls are not told: {unlisted:?}");
    }

    #[test]
    fn a_hint_is_of_a_reason_and_of_commands_that_there_are() {
        for (reason, commands, _) in HINTS {
            assert!(Rejection::REASONS.contains(reason), "{reason}");
            for command in *commands {
                assert_eq!(words_that_are_commands(command), command.split(' ').count(), "{command}");
            }
        }
    }

    /// Whatever else the program tells somebody to type.
    #[test]
    fn what_the_program_says_to_type_is_a_command() {
        let mut told = 0;
        for path in sources(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
            let text = fs::read_to_string(&path).unwrap();
            for part in
                text.split('`').filter_map(|part| part.strip_prefix("clearing ")).filter(|part| !part.contains('\n'))
            {
                told += 1;
                let named: Vec<&str> = part
                    .split_whitespace()
                    .take_while(|word| {
                        word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-')
                            && !word.starts_with('-')
                    })
                    .collect();
                assert!(words_that_are_commands(part) >= named.len().min(1), "{}: {part:?}", path.display());
                for flag in part.split_whitespace().filter(|word| word.starts_with("--")) {
                    let command = named[..words_that_are_commands(part)].join(" ");
                    assert!(flags_of(&command).contains(&flag.to_owned()), "{}: {part:?}: no {flag}", path.display());
                }
            }
        }
        assert!(told > 20, "{told}");
    }

    /// The reasons that the description of a call names.
    fn reasons<'a>(files: &'a [String], call: &str) -> Vec<&'a str> {
        let head = format!("  rpc {}(", camel_case(call));
        let file = files.iter().find(|text| text.contains(&head)).unwrap_or_else(|| panic!("no call {call}"));
        let before = &file[..file.find(&head).unwrap()];
        let start = before.trim_end().rfind("\n\n").unwrap_or(0);
        let comment = &before[start..];
        let Some(at) = comment.find("Reasons:").or_else(|| comment.find("Errors:")) else { return Vec::new() };
        let said = &comment[at..];
        let words = said.split(|letter: char| !letter.is_ascii_uppercase() && letter != '_');
        let mut reasons: Vec<&str> = words.filter(|word| Rejection::REASONS.contains(word)).collect();
        if said.contains("every call with an effect") || said.contains("call with\n") {
            reasons.extend(OF_ANY_EFFECT);
        }
        assert!(!reasons.is_empty(), "{call}: {said}");
        reasons
    }

    fn camel_case(words: &str) -> String {
        let capital = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
        words.split('-').map(capital).collect()
    }

    fn protos() -> Vec<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto/coalition/clearing/v1");
        fs::read_dir(folder).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect()
    }

    fn sources(folder: PathBuf) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                found.extend(sources(entry));
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                found.push(entry);
            }
        }
        found
    }
}
