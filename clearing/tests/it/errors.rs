//! The catalogue of errors, `docs/errors.md`, is what the house says. It is made from one example of each rejection; this
//! test fails where the page differs, and leaves the page as it should be beside the test's other files.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use clearing::rpc::errors::{self, Fault};
use clearing_core::chart::Purpose;
use clearing_core::facts::entry::EntryKind;
use clearing_core::facts::hold::HoldState;
use clearing_core::facts::legal::TaxId;
use clearing_core::facts::partner::PartnerState;
use clearing_core::facts::terms::Funding;
use clearing_core::facts::window::{SettlementState, WindowState};
use clearing_core::rejection::{Class, Rejection};

use crate::interface;

/// One rejection of each kind, in the published order; two of those that have two shapes.
fn examples() -> Vec<Rejection> {
    let text = str::to_owned;
    // What else some of them may say.
    let others = [
        Rejection::TimeOutOfRange {
            field: text("business_time"),
            time: text("2026-02-01T10:20:00Z"),
            earliest: text("2025-12-28T00:00:00Z"),
            latest: text("2026-02-01T10:05:00Z"),
        },
        Rejection::PartnerSuspended { partner: text("grocer"), oldest_window: Some(7) },
        Rejection::AccountChangeNotPending { partner: text("grocer"), version: 3, pending: Some(4) },
        Rejection::NetDebitCap {
            asked: 60,
            reachable: 0,
            partner: Some(text("grocer")),
            needed: Some(text("0.60")),
            headroom: Some(text("0.50")),
        },
    ];
    let with_others = |example: Rejection| {
        let same = others.iter().filter(|other| other.reason() == example.reason()).cloned().collect::<Vec<_>>();
        std::iter::once(example).chain(same)
    };
    Rejection::examples().into_iter().flat_map(with_others).collect()
}

/// The name of a gRPC code as its specification writes it.
fn code_name(code: tonic::Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

fn page() -> String {
    let mut page = String::from(
        "# Errors\n\n\
        Every error of the house carries `google.rpc.ErrorInfo`, whatever layer made it: `domain` is `clearing.coalition`,\n\
        `reason` one of the names below, `metadata` the numbers of that reason and three flags, `recorded`, `transient` and\n\
        `replayed`. The reason also stands as plain text in the trailer `clearing-reason`. The messages of `google.rpc` are\n\
        in `proto/google/rpc`. An error of an item of a batch (`ItemError`) has the same parts. All trailers of an error fit\n\
        into 8 KiB: texts that the caller sent are repeated up to 100 characters, and longer ones are cut.\n\n\
        The SDK gives the same as `Rejection` and `Error`. This page is made from the tables in the code\n\
        (`clearing/tests/it/errors.rs`).\n\n\
        ## The rules said no\n\n\
        In the published order: of several reasons the first is given. *Recorded*: the house keeps the answer under the\n\
        `request_id` and gives it again; nothing is kept of a read. *Transient*: the same wish under a new `request_id` may\n\
        succeed later, without anybody changing it; after `REQUEST_TOO_NEW` under the same one.\n\n\
        | reason | gRPC code | recorded | transient | metadata | for example |\n|---|---|---|---|---|---|\n",
    );
    for rejection in examples() {
        let row = rejection.row();
        let numbers: Vec<String> = rejection.numbers().iter().map(|(name, _)| format!("`{name}`")).collect();
        let (reason, code) = (row.reason, code_name(errors::code(row.class)));
        let (recorded, transient) = (yes(row.recorded), yes(rejection.transient()));
        let numbers = numbers.join(", ");
        writeln!(page, "| `{reason}` | {code} | {recorded} | {transient} | {numbers} | {rejection} |").unwrap();
    }
    page.push_str(
        "\n`INVALID_ARGUMENT` also carries `google.rpc.BadRequest`, which names the field.\n\n\
        ## Something else\n\n\
        None of these is recorded. Where an effect is possible, ask again with the same `request_id`: the answer tells.\n\n\
        | reason | gRPC code | effect possible | transient | metadata | ask again |\n|---|---|---|---|---|---|\n",
    );
    for row in Fault::TABLE {
        let numbers: Vec<String> = row.metadata.iter().map(|name| format!("`{name}`")).collect();
        let (reason, code, numbers) = (row.reason, code_name(row.code), numbers.join(", "));
        let effect = if row.effect_possible { "yes" } else { "no" };
        let (transient, again) = (yes(row.transient), row.again);
        writeln!(page, "| `{reason}` | {code} | {effect} | {transient} | {numbers} | {again} |").unwrap();
    }
    page
}

fn yes(flag: bool) -> &'static str {
    if flag { "yes" } else { "" }
}

/// The reasons as the SDK has them. A malformed message is no rejection to it but an error with the fields.
fn sdk_reasons() -> String {
    let rows = || Rejection::TABLE.into_iter().filter(|row| row.class != Class::Malformed);
    let mut source = String::from(
        "//! Why the rules say no. Made from the house's table of rejections by `clearing/tests/it/errors.rs`, which fails where\n\
        //! it is another.\n\n\
        use std::fmt;\n\n\
        /// Why the rules said no.\n\
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]\n\
        #[non_exhaustive]\n\
        pub enum Reason {\n",
    );
    for row in rows() {
        for line in row.doc {
            writeln!(source, "    ///{line}").unwrap();
        }
        writeln!(source, "    {},", row.variant).unwrap();
    }
    source.push_str(
        "    /// One that this version of the SDK does not know.\n    Other(String),\n}\n\n\
        impl Reason {\n    /// The reason in UPPER_SNAKE, as the interface writes it.\n    #[must_use]\n    \
        pub fn as_str(&self) -> &str {\n        match self {\n",
    );
    for row in rows() {
        writeln!(source, "            Self::{} => \"{}\",", row.variant, row.reason).unwrap();
    }
    source.push_str(
        "            Self::Other(text) => text,\n        }\n    }\n\n    \
        pub(crate) fn parse(text: &str) -> Self {\n        match text {\n",
    );
    for row in rows() {
        writeln!(source, "            \"{}\" => Self::{},", row.reason, row.variant).unwrap();
    }
    source.push_str(
        "            other => Self::Other(other.to_owned()),\n        }\n    }\n\n    \
        pub(crate) fn is_known(&self) -> bool {\n        !matches!(self, Self::Other(_))\n    }\n}\n\n\
        impl fmt::Display for Reason {\n    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {\n        \
        f.pad(self.as_str())\n    }\n}\n",
    );
    source
}

/// Fails unless a file of the repository is what is made here, which is then left beside the test's other files.
fn assert_kept(path: &str, fresh: &str) {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    if std::fs::read_to_string(&kept).unwrap_or_default() != fresh {
        let name = kept.file_name().unwrap();
        let beside = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&beside, fresh).unwrap();
        panic!("{path} does not follow from the tables; if they are right: cp {} {path}", beside.display());
    }
}

#[test]
fn the_catalogue_of_errors_is_what_the_house_says() {
    let mut reasons: Vec<&str> = examples().iter().map(Rejection::reason).collect();
    reasons.dedup();
    assert_eq!(reasons, Rejection::REASONS, "an example of every reason, in the published order");
    for rejection in examples() {
        let row = rejection.row();
        let known = rejection.numbers().into_iter().all(|(name, _)| row.metadata.contains(&name));
        assert!(known, "{rejection:?}");
    }
    assert_kept("docs/errors.md", &page());
}

#[test]
fn the_sdk_knows_every_reason_by_the_same_table() {
    assert_kept("partner-sdk/src/reason.rs", &sdk_reasons());
}

/// The keys of metadata for which no message has a field, and why they are needed.
const OF_NO_FIELD: &[(&str, &str)] = &[
    ("problem", "what is wrong with it"),
    ("what", "the kind of thing that was not found, or of the sum that would overflow"),
    ("time", "the time that is out of range, whichever field has it"),
    ("earliest_time", "the first time that is in range"),
    ("latest_time", "the last time that is in range, or at which it could be done"),
    ("made_time", "when a request id was made, which stands in the id"),
    ("oldest_time", "when the oldest request ids that are kept were made"),
    ("issued_time", "when the points to be reversed were issued"),
    ("earned_time", "when the member earned last, at any partner"),
    ("spendable_time", "when the cooling is over"),
    ("oldest_window", "the first window whose issues the partner may still reverse"),
    ("exported_mode", "the mode of the orders that there are, beside the one that was asked for"),
    ("asked_mode", "the mode that was asked for, beside the one that there is"),
    ("asked_points", "what was asked for, whichever field has it"),
    ("left_points", "what is left of the issue, redemption or consent"),
    ("maximum_points", "the most that is allowed"),
    ("reachable_points", "what of the points asked for could be taken"),
    ("booked_amount", "the receipt's total as it was booked"),
    ("given_amount", "the amount that the request names"),
    ("needed_amount", "what the operation would take"),
    ("received_amount", "what a settlement has received and not yet paid out"),
    ("lower", "the name of the term that is too low, and whose it is"),
    ("lower_amount", "how much it is"),
    ("higher", "the name of the term that it must not be below, and whose it is"),
    ("higher_amount", "how much that is"),
    ("message_bytes", "the size of a message"),
    ("answer_bytes", "the size that an answer could have"),
    ("maximum_bytes", "the most that either may have"),
    ("scope", "one of the `scopes`: that which a credential lacks"),
    ("used_time", "when an invite was used"),
    ("machine_time", "what the clock of the house says"),
    ("cut_off_time", "the first cut-off that would change, which is a `close_time`"),
    ("pending_version", "the version that waits, beside the `version` that was named"),
    ("other_time", "what the clock says that it was compared with"),
];

#[test]
fn what_an_error_tells_has_the_name_of_the_field_for_the_same_thing() {
    let fields: BTreeSet<String> = interface::fields().into_iter().map(|field| field.name).collect();
    let rules = Rejection::TABLE.iter().flat_map(|row| row.metadata);
    let keys: BTreeSet<&str> = rules.chain(Fault::TABLE.iter().flat_map(|row| row.metadata)).copied().collect();
    // An amount has the name that points have for the same thing.
    let of_points = |key: &str| key.strip_suffix("_amount").map(|thing| format!("{thing}_points"));
    let is_field = |key: &str| fields.contains(key);
    let as_points = |key: &str| of_points(key).is_some_and(|key| is_field(&key) || keys.contains(key.as_str()));
    let unnamed: BTreeSet<&str> = keys.iter().copied().filter(|key| !is_field(key) && !as_points(key)).collect();
    assert_eq!(
        unnamed,
        OF_NO_FIELD.iter().map(|(key, _)| *key).collect(),
        "keys that are no fields, and the list of them"
    );
}

/// The words of a comment that may be the name of something.
fn words(comment: &str) -> impl Iterator<Item = &str> {
    comment.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').filter(|word| !word.is_empty())
}

#[test]
fn what_a_comment_says_of_the_numbers_of_a_reason_is_what_the_table_says() {
    let rules = Rejection::TABLE.iter().map(|row| (row.reason, row.metadata));
    let rows: Vec<(&str, &[&str])> = rules.chain(Fault::TABLE.iter().map(|row| (row.reason, row.metadata))).collect();
    let keys: BTreeSet<&str> = rows.iter().flat_map(|(_, metadata)| *metadata).copied().collect();
    let mut told = 0;
    for (place, comment) in interface::comments() {
        let (mut row, mut numbers) = (None, false);
        for word in words(&comment) {
            if let Some(of) = rows.iter().find(|(reason, _)| *reason == word) {
                (row, numbers) = (Some(of), false);
            } else if word == "metadata" {
                numbers = true;
            } else if let Some((reason, metadata)) = row.filter(|_| numbers) {
                numbers = keys.contains(word);
                assert!(!numbers || metadata.contains(&word), "{place}: {reason} has no {word}");
                assert!(numbers || !word.contains('_'), "{place}: no reason has a number {word}");
                told += usize::from(numbers);
            }
        }
    }
    assert!(told > 40, "{told}");
}

#[test]
fn a_comment_names_reasons_that_exist_and_in_the_published_order() {
    let codes: BTreeSet<String> = (0..17).map(|code| code_name(tonic::Code::from(code))).collect();
    let mut listed = 0;
    for (place, comment) in interface::comments() {
        let upper = |word: &str| word.starts_with(char::is_uppercase) && word == word.to_ascii_uppercase();
        let named = |word: &&str| word.contains('_') && upper(word) && *word != "UPPER_SNAKE";
        for word in words(&comment).filter(named) {
            let reason = Rejection::REASONS.contains(&word) || Fault::TABLE.iter().any(|row| row.reason == word);
            let scheme = word == TaxId::FREE || TaxId::SCHEMES.iter().any(|(name, _)| *name == word);
            let known = reason || scheme || interface::is_a_value(word) || codes.contains(word);
            assert!(known, "{place}: nothing is called {word}");
        }
        let Some((_, list)) = comment.split_once("Reasons: ") else { continue };
        // What stands in brackets tells of a reason, and what comes after a semicolon is of another call.
        let (mut depth, mut outside) = (0_i32, String::new());
        for letter in list.chars() {
            depth += i32::from(letter == '(') - i32::from(letter == ')');
            outside.extend((depth == 0).then_some(letter));
        }
        let rank = |word: &str| Rejection::REASONS.iter().position(|reason| *reason == word);
        let ranks: Vec<usize> = words(&outside).filter_map(rank).collect();
        assert!(ranks.is_sorted(), "{place}: {outside}");
        listed += ranks.len();
    }
    assert!(listed > 80, "{listed}");
}

/// What a value of an enum is called is what the rules call it; and there is no value that the house never sends or takes.
#[test]
fn the_states_and_kinds_of_the_interface_are_those_of_the_rules() {
    fn names<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str) -> BTreeSet<String> {
        all.iter().map(|value| name(*value).to_uppercase()).collect()
    }
    let of_rules = [
        ("EntryKind", names(EntryKind::ALL, EntryKind::as_str)),
        ("Purpose", names(&Purpose::ALL, Purpose::as_str)),
        ("HoldState", names(&HoldState::ALL, HoldState::as_str)),
        ("PartnerState", names(&PartnerState::ALL, PartnerState::as_str)),
        ("WindowState", names(&WindowState::ALL, WindowState::as_str)),
        ("SettlementState", names(&SettlementState::ALL, SettlementState::as_str)),
        ("Funding", names(&Funding::ALL, Funding::as_str)),
    ];
    for (name, of_rules) in of_rules {
        let of_interface = interface::values(name);
        assert_eq!(of_interface, of_rules, "{name}");
    }
}
