//! What the comment of a field says of its bounds is what the server does: each bound that a comment names is played at its
//! edge, where it is taken, and one beyond it, where the refusal names the field.
//!
//! Most plays follow from the comment itself: it says "1 to 1,000", so 1 and 1,000 are sent, and 0 and 1,001. What is said in
//! other words has a line in [`LINES`]. A field whose comment names a bound and from which nothing follows fails the test, and so
//! does a line of which no comment speaks.

#![allow(clippy::wildcard_enum_match_arm, reason = "no request is made of all the kinds that protobuf has")]

use std::collections::{BTreeMap, BTreeSet};

use clearing_certs::Kind;
use clearing_play::{BACKENDS, Backend, TestHouse};
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind as FieldKind, MessageDescriptor, MethodDescriptor, ReflectMessage as _, Value,
};
use prost_types::Timestamp;
use tonic::Status;
use tonic_types::StatusExt as _;

use crate::foreign::Plain;
use crate::interface;
use crate::samples::{Samples, methods, under_a_new_key, with_days};

/// The most points of one operation: "the limit of an entry".
const POINTS_MAX: i64 = 1_000_000_000_000;

/// Bounds that are said in words from which nothing follows. A time is written in seconds from now; "n *" is so many copies of
/// what a good request has there; "-" leaves it out. A line of `*.account` is of all fields of that name that have none of
/// their own.
struct Line {
    field: &'static str,
    taken: &'static [&'static str],
    refused: &'static [&'static str],
    /// With what.
    reason: &'static str,
}

const fn line(
    field: &'static str,
    taken: &'static [&'static str],
    refused: &'static [&'static str],
    reason: &'static str,
) -> Line {
    Line { field, taken, refused, reason }
}

const MALFORMED: &str = "INVALID_ARGUMENT";
const YEAR: &str = "31622400";

const LINES: &[Line] = &[
    line("AuthorizeRedemptionRequest.lapse_time", &["1", YEAR], &["0", "31622401"], "TIME_OUT_OF_RANGE"),
    line("IssuePointsRequest.expire_time", &["1"], &["-1"], "TIME_OUT_OF_RANGE"),
    line("IssuePointsRequest.activate_time", &["-1", "60"], &[], MALFORMED),
    line("IssuePointsRequest.funders", &["1 *"], &["17 *", "2 *"], MALFORMED),
    line("PurchaseEarn.funders", &["1 *"], &["17 *", "2 *"], MALFORMED),
    line("BatchIssuePointsRequest.items", &["1 *", "8192 *"], &["0 *", "8193 *"], MALFORMED),
    line("StreamIssuePointsRequest.items", &["1 *", "8192 *"], &["0 *", "8193 *"], MALFORMED),
    line("DecayMembersRequest.inactive_since_time", &["0"], &["1"], "TIME_OUT_OF_RANGE"),
    line("ExtendExpiryRequest.expire_time", &["9000000"], &["0"], "TIME_OUT_OF_RANGE"),
    line("AdvanceClockRequest.to_time", &["0"], &["-1"], "TIME_OUT_OF_RANGE"),
    line("Calendar.cut_offs", &["0 *", "16 *"], &["17 *"], MALFORMED),
    line("Calendar.weekend", &["0 *", "1 *", "3 *"], &["4 *"], MALFORMED),
    line("Calendar.holidays", &["0 *", "1 *", "1000 *"], &["1001 *"], MALFORMED),
    line("Calendar.working_days", &["0 *", "1 *", "1000 *"], &["1001 *"], MALFORMED),
    line("CutOffPattern.cron_expression", &["0 0 1 FEB *"], &["", "0 0 1 *", "0 0 30 2 *", "0 0 1 1 x*128"], MALFORMED),
    line("SetCalendarRequest.effective_time", &["-", "0", "172800"], &["-1"], "TIME_OUT_OF_RANGE"),
    line("LegalRecord.tax_ids", &["0 *", "1 *"], &["2 *", "9 *"], MALFORMED),
    line("TaxId.scheme", &["RU_INN"], &["", "RU_IN", "X_", "X_a", "X_Z234567890123456789"], MALFORMED),
    line("TaxId.value", &["7707083893"], &["", "7707083894", "770708389"], MALFORMED),
    line("NationalAccount.country_code", &["RU"], &["", "R", "ru", "RUS"], MALFORMED),
    line("NationalAccount.bank_code", &["044525225"], &["", "144525225", "04452522"], MALFORMED),
    line(
        "NationalAccount.account_number",
        &["40702810838000110017"],
        &["", "40702810838000110018", "4070281083800011001"],
        MALFORMED,
    ),
    line(
        "NationalAccount.correspondent_account_number",
        &["", "30101810400000000225"],
        &["30101810400000000226", "40702810838000110017", "x"],
        MALFORMED,
    ),
    line("SetFundingConsentRequest.partner_id", &["C"], &["A"], MALFORMED),
    line("ReturnMoneyRequest.account", &["unapplied:A"], &["", "unapplied:", "reserve", "A"], MALFORMED),
    line("BookBankFeeRequest.account", &["1", "4"], &["0", "99"], MALFORMED),
    line("ApplyMoneyRequest.window", &["0"], &["-1"], MALFORMED),
    line("ReceiveMoneyRequest.window", &["0"], &["-1"], MALFORMED),
    line("ConfirmPaymentRequest.line", &["-"], &[], MALFORMED),
    line("Cover.guarantees", &["0 *", "1 *"], &["2 *", "17 *"], MALFORMED),
    line("SetChargesRequest.charges", &["0 *", "1 *"], &["2 *", "17 *"], MALFORMED),
    line("ScheduledCharge.next_date", &[""], &["2090-02-28"], MALFORMED),
    line("*.account", &["reserve", "collateral:A"], &["collateral:", "pool", "position:A"], MALFORMED),
    line(
        "CreatePartnerRequest.partner_id",
        &["a", "Z234567890123456789012345678901"],
        &[
            "",
            "Z2345678901234567890123456789012",
            "1a",
            "a.b",
            "mar1",
            "jan-2",
            "true",
            "Operator",
            "hub",
            "funds",
            "bank",
            "pool",
            "reserve",
            "unfunded",
            "unknown",
            "house",
            "auditor",
            "SANDBOX",
        ],
        MALFORMED,
    ),
    line("CreateInvitesRequest.end_time", &["1", "2592000"], &["0", "2592001"], "TIME_OUT_OF_RANGE"),
    line("Device.calls_per_second", &["0", "1", "10000"], &["10001", "-1"], MALFORMED),
    line("Device.connections_max", &["0", "1", "128"], &["129", "-1"], MALFORMED),
    line("NewInvite.secret_hash", &["32"], &["0", "31", "33"], MALFORMED),
    line("Holder.kind", &["1"], &["0", "99"], MALFORMED),
    line("Holder.id", &["A"], &["", "1a", "a.b", "Z2345678901234567890123456789012"], MALFORMED),
    line("RevokeCredentialsRequest.serials", &["1 *"], &["1001 *"], MALFORMED),
    line("SetPersonRequest.certificate_serial", &[], &["B0", "00b0", "b", "zz", "1*42"], MALFORMED),
    line("MemberRef.member_id", &[], &["", "42"], MALFORMED),
    line("Identifier.value", &["1", "ж*128"], &["", "ж*129", "1 2", "\u{661}", "\u{ff11}", "a\u{200b}"], MALFORMED),
    line("Money.currency_code", &["RUB"], &["EUR", "rub", ""], MALFORMED),
    line(
        "Money.amount",
        &["1", "12.5", "12.50"],
        &[
            "",
            "+1",
            "1e3",
            "1_000",
            "01",
            "-0",
            ".5",
            "5.",
            "1.000",
            "92233720368547758.08",
            "10000000000000000000",
            "0.0000000001",
        ],
        MALFORMED,
    ),
    line("PaymentPair.payer", &["A"], &["hub!", ""], MALFORMED),
    line("PaymentPair.payee", &[], &["hub!", ""], MALFORMED),
    line("ExpiryPolicy.count", &["0", "36500"], &["36501", "-1"], MALFORMED),
    line("ExpiryPolicy.fixed_time", &[], &["60"], MALFORMED),
    // What is required of them is that one of two is there (`inputs`).
    line("PostPurchaseRequest.spend", &["-"], &[], MALFORMED),
    line("ReturnPurchaseRequest.redemption_entry_id", &[""], &["x"], MALFORMED),
    line("QuoteRedemptionRequest.points", &["1"], &["0", "1000000000001", "-1"], MALFORMED),
    line("CaptureHoldRequest.points", &["1", "5"], &["0", "-1"], MALFORMED),
    line("CaptureHoldRequest.points", &[], &["6"], "CAPTURE_EXCEEDS_HOLD"),
    line("ReturnRedemptionRequest.points", &["1", "5"], &["0", "-1"], MALFORMED),
    line("ReturnRedemptionRequest.points", &[], &["6"], "RETURN_EXCEEDS_REDEMPTION"),
    line("ReverseIssueRequest.points", &["1", "5"], &["0", "-1"], MALFORMED),
    line("ReverseIssueRequest.points", &[], &["6"], "REVERSAL_EXCEEDS_ISSUE"),
    line("HoldCapture.points", &["1", "5"], &["0", "-1"], MALFORMED),
    line("HoldCapture.points", &[], &["6"], "CAPTURE_EXCEEDS_HOLD"),
    line("ReturnPurchaseRequest.returned_amount", &["0.01", "10.00"], &["0", "10.01", "-0.01"], MALFORMED),
    line("ListExpiryNoticesRequest.day", &["2026-02-02"], &["2026-02-03"], "TIME_OUT_OF_RANGE"),
    line("ListAllExpiryNoticesRequest.day", &["2026-02-02"], &["2026-02-03"], "TIME_OUT_OF_RANGE"),
    line("TermsChange.price", &["1.01"], &["1.001"], "PRICE_NOT_EXACT"),
    line("TermsChange.price", &["1.00"], &["0.99"], "TERMS_UNDERFUND"),
    line("TermsChange.value", &["1.00"], &["0.001"], "PRICE_NOT_EXACT"),
    line("TermsChange.value", &[], &["-0.01"], MALFORMED),
    line("TermsChange.reimbursement", &["0", "1.00"], &["0.001"], "PRICE_NOT_EXACT"),
    line("TermsChange.reimbursement", &[], &["-0.01"], MALFORMED),
    line("TermsChange.reimbursement", &[], &["1.01"], "TERMS_UNDERFUND"),
    line("TermsChange.tender_value", &["1.01"], &["1.001"], "PRICE_NOT_EXACT"),
];

/// Fields of which the rules refuse what is well-formed, because a good request has other fields that do not go with it.
const REFUSED_BY_THE_RULES: &[(&str, &str)] = &[
    // Nobody carries these.
    ("Identifier.scheme", "NOT_FOUND"),
    ("Identifier.value", "NOT_FOUND"),
    // One share alone leaves the sum.
    ("BreakageSplit.reserve", "BREAKAGE_NOT_ONE"),
    ("BreakageSplit.operator", "BREAKAGE_NOT_ONE"),
    ("BreakageSplit.issuer", "BREAKAGE_NOT_ONE"),
];

/// What is put into a field.
#[derive(Debug, Clone, PartialEq)]
enum Put {
    Nothing,
    Text(String),
}

#[derive(Debug)]
struct Play {
    put: Put,
    /// `None`: it is taken.
    refused: Option<&'static str>,
}

fn taken(text: impl Into<String>) -> Play {
    Play { put: Put::Text(text.into()), refused: None }
}

fn refused(text: impl Into<String>) -> Play {
    Play { put: Put::Text(text.into()), refused: Some(MALFORMED) }
}

/// The plays that follow from the comment of a field, and from the table; that it may not be left out, if it is `set`.
fn plays(field: &FieldDescriptor, comment: &str, set: bool) -> Vec<Play> {
    let mut plays = said_in_words(field);
    // A line says it all, but whether the field may be left out.
    let lined = !plays.is_empty();
    if set && ["Required.", "Required;", "Required:"].iter().any(|word| comment.contains(word)) {
        plays.push(Play { put: Put::Nothing, refused: Some(MALFORMED) });
    }
    if !lined && !field.is_list() {
        plays.extend(follows(field, comment));
    }
    plays
}

fn said_in_words(field: &FieldDescriptor) -> Vec<Play> {
    let own = format!("{}.{}", field.parent_message().name(), field.name());
    let has_own = LINES.iter().any(|line| line.field == own);
    let name = if has_own { own } else { of_any_message(field.name()) };
    let lines = LINES.iter().filter(|line| line.field == name);
    let of_line = |line: &'static Line| {
        let refused =
            line.refused.iter().map(|text| Play { put: Put::Text(repeated(text)), refused: Some(line.reason) });
        line.taken.iter().map(|text| taken(repeated(text))).chain(refused)
    };
    lines.flat_map(of_line).collect()
}

fn of_any_message(field: &str) -> String {
    format!("*.{field}")
}

/// "x*3" is "xxx".
fn repeated(text: &str) -> String {
    match text.split_once('*') {
        Some((letter, times)) if !letter.ends_with(' ') => letter.repeat(times.parse().unwrap()),
        _ => text.to_owned(),
    }
}

fn follows(field: &FieldDescriptor, comment: &str) -> Vec<Play> {
    let lower = comment.to_lowercase();
    match field.kind() {
        FieldKind::Int32 | FieldKind::Int64 => of_a_count(comment, &lower),
        FieldKind::Enum(_) => vec![refused("99")],
        FieldKind::Message(message) if message.name() == "Money" && lower.contains("more than zero") => {
            vec![taken("0.01"), refused("0.00"), refused("-0.01")]
        }
        FieldKind::String => of_a_text(comment, &lower),
        _ => Vec::new(),
    }
}

fn of_a_count(comment: &str, lower: &str) -> Vec<Play> {
    let number = |word: &str| word.trim_matches([';', '.', ',', ':']).replace(',', "").parse::<i64>().ok();
    let words: Vec<&str> = comment.split(' ').collect();
    let range = words.windows(3).find_map(|words| match *words {
        [least, "to", "the"] => Some((number(least)?, POINTS_MAX)),
        [least, "to", most] => Some((number(least)?, number(most)?)),
        _ => None,
    });
    if let Some((least, most)) = range {
        // What 0 stands for is said beside the range.
        let lowest = if comment.contains("; 0 means") { 0 } else { least };
        let edges = [lowest, least, most].into_iter().collect::<BTreeSet<i64>>();
        let beyond = [lowest - 1, most + 1].map(|count| refused(count.to_string()));
        return edges.into_iter().map(|count| taken(count.to_string())).chain(beyond).collect();
    }
    if lower.contains("more than 0") {
        return vec![taken("1"), refused("0"), refused("-1")];
    }
    if lower.contains("not negative") || lower.contains("0 means") {
        return vec![taken("0"), taken("1"), refused("-1")];
    }
    Vec::new()
}

fn of_a_text(comment: &str, lower: &str) -> Vec<Play> {
    if lower.contains("uuidv7") || lower.contains("the id of the request of the caller") {
        let of_version_4 = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
        return vec![refused("x"), refused(of_version_4), refused("01900000-0000-7000-8000-0000000000000")];
    }
    if comment.contains("`next_page_token` of the") {
        return vec![taken(""), refused("x")];
    }
    if comment.contains("YYYY-MM-DD") {
        let wrong = ["2026-02-30", "01.02.2026", "2026-2-1", "1969-12-31"];
        return std::iter::once(taken("2026-02-01")).chain(wrong.map(refused)).collect();
    }
    if let Some(most) = number_before(comment, "characters") {
        let letter = if comment.contains("characters of [") { "a" } else { "ж" };
        let mut plays = vec![taken(letter.repeat(most)), refused(letter.repeat(most + 1))];
        plays.extend(comment.contains("characters of [").then(|| refused("ж")));
        return plays;
    }
    if let Some(places) = number_before(comment, "places").filter(|_| comment.contains("\"1\"")) {
        let finest = format!("0.{}1", "0".repeat(places - 1));
        let beyond = format!("0.{}1", "0".repeat(places));
        let mut plays = vec![taken("1"), taken(finest), refused(beyond), refused("1.1"), refused("-0.1")];
        plays.push(if comment.contains("above \"0\"") { refused("0") } else { taken("0") });
        return plays;
    }
    if comment.contains("a decimal in the coalition's currency, not negative") {
        return vec![taken("0"), taken("0.01"), refused("-0.01"), refused("0.001")];
    }
    Vec::new()
}

/// The number in "at most 64 characters" and the like.
fn number_before(comment: &str, unit: &str) -> Option<usize> {
    let words: Vec<&str> = comment.split([' ', ',', '.']).collect();
    let at = words.iter().position(|word| *word == unit)?;
    words[at.checked_sub(1)?].parse().ok()
}

/// Whether a comment speaks of bounds at all.
fn names_a_bound(comment: &str) -> bool {
    let words = ["at most", "not negative", "more than", "required", "must ", "not ahead", "decimal", "yyyy"];
    let lower = comment.to_lowercase();
    words.iter().any(|word| lower.contains(word)) || comment.contains(|letter: char| letter.is_ascii_digit())
}

/// The fields of whatever a good request has set, with the way to each.
fn fields_of(message: &DynamicMessage, above: &[FieldDescriptor]) -> Vec<Vec<FieldDescriptor>> {
    let mut found = Vec::new();
    for field in message.descriptor().fields() {
        let path = [above, std::slice::from_ref(&field)].concat();
        found.push(path.clone());
        let value = message.get_field(&field).into_owned();
        let below = match &value {
            Value::Message(below) => message.has_field(&field).then_some(below),
            Value::List(items)
                if ["funders", "invites", "cut_offs", "tax_ids", "guarantees", "charges"].contains(&field.name()) =>
            {
                items.first().and_then(Value::as_message)
            }
            _ => None,
        };
        let below = below.filter(|below| below.descriptor().package_name() == "coalition.clearing.v1");
        found.extend(below.map(|below| fields_of(below, &path)).into_iter().flatten());
    }
    found
}

/// Whether a message has the field to which the path leads.
fn is_set(message: &DynamicMessage, path: &[FieldDescriptor]) -> bool {
    let (field, below) = path.split_first().unwrap();
    match message.get_field(field).into_owned() {
        _ if !message.has_field(field) => false,
        _ if below.is_empty() => true,
        Value::Message(inner) => is_set(&inner, below),
        Value::List(items) => matches!(items.first(), Some(Value::Message(item)) if is_set(item, below)),
        _ => false,
    }
}

/// What a refusal may call the field: by the way to it; one of several of which just one is set, by what they are together.
fn names_of(path: &[FieldDescriptor]) -> Vec<String> {
    let (field, above) = path.split_last().unwrap();
    let name = |field: &FieldDescriptor| {
        if field.is_list() { format!("{}[0]", field.name()) } else { field.name().to_owned() }
    };
    let above: String = above.iter().map(|field| format!("{}.", name(field))).collect();
    let mut names = vec![format!("{above}{}", field.name())];
    if let Some(oneof) = field.containing_oneof() {
        names.push(format!("{above}{}", oneof.name()));
        names.push(above.trim_end_matches('.').to_owned());
    }
    names
}

/// A message with something put into the field to which the path leads.
fn with(message: &DynamicMessage, path: &[FieldDescriptor], put: &Put, now: i64) -> DynamicMessage {
    let (mut message, (field, below)) = (message.clone(), path.split_first().unwrap());
    if !below.is_empty() {
        match message.get_field_mut(field) {
            Value::Message(inner) => *inner = with(inner, below, put, now),
            Value::List(items) => {
                let Some(Value::Message(item)) = items.first_mut() else {
                    unreachable!("a path leads through messages")
                };
                *item = with(item, below, put, now);
            }
            _ => unreachable!("a path leads through messages"),
        }
        return message;
    }
    match put {
        Put::Nothing => message.clear_field(field),
        Put::Text(text) => match text.as_str() {
            "-" => message.clear_field(field),
            text => message.set_field(field, value(&message, field, text, now)),
        },
    }
    message
}

fn value(message: &DynamicMessage, field: &FieldDescriptor, text: &str, now: i64) -> Value {
    // So many copies. An expression of cron ends like that as well.
    if let Some(times) = text.strip_suffix(" *").and_then(|times| times.parse().ok()) {
        let Value::List(items) = message.get_field(field).into_owned() else { unreachable!("copies make a list") };
        let item = items.first().expect("a good request has one of each");
        return Value::List((0..times).map(|at: usize| if at == 0 { item.clone() } else { fresh(item) }).collect());
    }
    match field.kind() {
        FieldKind::Int32 => Value::I32(text.parse().unwrap()),
        FieldKind::Int64 => Value::I64(text.parse().unwrap()),
        FieldKind::Enum(_) => Value::EnumNumber(text.parse().unwrap()),
        FieldKind::String => Value::String(text.to_owned()),
        // So many of them.
        FieldKind::Bytes => Value::Bytes(vec![7; text.parse().unwrap()].into()),
        FieldKind::Message(of) if of.name() == "Timestamp" => {
            let mut time = DynamicMessage::new(of);
            time.transcode_from(&Timestamp { seconds: now + text.parse::<i64>().unwrap(), nanos: 0 }).unwrap();
            Value::Message(time)
        }
        FieldKind::Message(of) if of.name() == "Money" => {
            let mut money = DynamicMessage::new(of);
            money.set_field_by_name("currency_code", Value::String("RUB".to_owned()));
            money.set_field_by_name("amount", Value::String(text.to_owned()));
            Value::Message(money)
        }
        kind => panic!("nothing is put into {field:?} of {kind:?}"),
    }
}

/// A copy, which is a request of its own if it is one.
fn fresh(item: &Value) -> Value {
    let Value::Message(message) = item else { return item.clone() };
    under_a_new_key(message.clone()).map_or_else(|| item.clone(), Value::Message)
}

/// The reason of an answer, and the field that it names.
fn reason_of(outcome: &Result<DynamicMessage, Status>) -> (String, String) {
    let Err(status) = outcome else { return ("OK".to_owned(), String::new()) };
    let info = status.get_details_error_info().unwrap_or_else(|| panic!("no reason: {status}"));
    (info.reason, info.metadata.get("field").cloned().unwrap_or_default())
}

/// The messages that requests are made of.
fn messages() -> BTreeMap<String, MessageDescriptor> {
    let mut found = BTreeMap::new();
    let mut next: Vec<MessageDescriptor> = methods().iter().map(MethodDescriptor::input).collect();
    while let Some(message) = next.pop() {
        if message.package_name() != "coalition.clearing.v1" || found.contains_key(message.name()) {
            continue;
        }
        next.extend(message.fields().filter_map(|field| field.kind().as_message().cloned()));
        found.insert(message.name().to_owned(), message);
    }
    found
}

/// The comments of fields and oneofs, by the names of message and field.
fn comments() -> BTreeMap<(String, String), String> {
    interface::fields().into_iter().map(|field| ((field.message, field.name), field.comment)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_comment_of_a_field_says_of_its_bounds_is_what_the_house_does() {
    for backend in BACKENDS {
        plays_all(backend).await;
    }
}

async fn plays_all(backend: Backend) {
    let (test, begin) = TestHouse::of_s01(backend, with_days).await;
    let now = i64::try_from(begin.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let comments = comments();
    let comment = |field: &FieldDescriptor| {
        let of = |name: &str| comments.get(&(field.parent_message().name().to_owned(), name.to_owned())).cloned();
        let own = of(field.name()).unwrap_or_else(|| panic!("{field:?} has no comment"));
        let together = field.containing_oneof().and_then(|oneof| of(oneof.name()));
        [own, together.unwrap_or_default()].join(" ")
    };
    let samples = Samples::of(&test, "operator").await;
    let mut operator = Plain::connect(&test, Kind::Partner, "operator").await;
    let (mut wrong, mut done, mut count) = (Vec::new(), BTreeSet::new(), 0);
    for method in methods() {
        let path = format!("{}/{}", method.parent_service().full_name(), method.name());
        let variants = samples.good(&method).await.len();
        for variant in 0..variants {
            let others = samples.good(&method).await;
            let good = others[variant].clone();
            for way in fields_of(&good, &[]) {
                let field = way.last().unwrap();
                let name = format!("{}.{}", field.parent_message().name(), field.name());
                // Of several good requests that one is taken which shows the field.
                let shown_later = others.iter().skip(variant + 1).any(|other| is_set(other, &way));
                if (shown_later && !is_set(&good, &way)) || !done.insert(name.clone()) {
                    continue;
                }
                for Play { put, refused } in plays(field, &comment(field), is_set(&good, &way)) {
                    count += 1;
                    let good = match refused {
                        Some(MALFORMED) => good.clone(),
                        _ => samples.good(&method).await.swap_remove(variant),
                    };
                    let good = under_a_new_key(good.clone()).unwrap_or(good);
                    let sent = with(&good, &way, &put, now);
                    let outcome = operator.ask(&method, &sent).await;
                    let (reason, told) = reason_of(&outcome);
                    let said = format!("{path}: {name} = {put:?}: {reason} {told}");
                    match refused {
                        None => {
                            let known = (name.as_str(), reason.as_str());
                            if reason != "OK" && !REFUSED_BY_THE_RULES.contains(&known) {
                                wrong.push(format!("not taken: {said} {outcome:?}"));
                            }
                        }
                        Some(expected) if expected != reason => wrong.push(format!("not {expected}: {said}")),
                        Some(MALFORMED) if !names_of(&way).contains(&told) => {
                            wrong.push(format!("names another field than {:?}: {said}", names_of(&way)));
                        }
                        Some(_) => (),
                    }
                }
            }
        }
    }
    for message in messages().into_values() {
        for field in message.fields() {
            let name = format!("{}.{}", message.name(), field.name());
            let (comment, played) = (comment(&field), done.contains(&name));
            if names_a_bound(&comment) && (!played || plays(&field, &comment, true).is_empty()) {
                wrong.push(format!("no play: {name} (in a good request: {played}): {comment}"));
            }
        }
    }
    for line in LINES {
        let of_any = |name: &String| name.split_once('.').is_some_and(|(_, field)| of_any_message(field) == line.field);
        if !done.contains(line.field) && !done.iter().any(of_any) {
            wrong.push(format!("no field of a good request: {}", line.field));
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    test.end().await;
}
