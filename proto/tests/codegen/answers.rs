//! The answers of the SDK: plain structs and enums made of the messages that the house answers with, each with the
//! reading of its message. What a field means is said once, in the `.proto` file.
//!
//! A message becomes a struct of the same fields; one that is nothing but a `oneof` becomes an enum. What is `optional`
//! becomes an `Option`; any other message must be there, or the answer is none.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write as _;

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet};

/// The answers of which the SDK hands out what is in them: a page of a list, the one thing asked for, a batch's results.
const UNWRAPPED: [&str; 28] = [
    "BatchIssuePointsResponse",
    "StreamIssuePointsResponse",
    "GetHoldResponse",
    "GetEntryResponse",
    "ListEntriesResponse",
    "FindReceiptResponse",
    "ListExpiryNoticesResponse",
    "ListAllExpiryNoticesResponse",
    "ListWindowsResponse",
    "ListObligationsResponse",
    "ListOrdersResponse",
    "ListPartnersResponse",
    "ListJournalEntriesResponse",
    "FindEntriesResponse",
    "ListMembersResponse",
    "ListAdminActionsResponse",
    "ListProposalsResponse",
    "GetClockResponse",
    "ListInvitesResponse",
    "ListCredentialsResponse",
    "RenewCertificateResponse",
    "GetPartnerResponse",
    "GetCalendarResponse",
    "ListBankAccountsResponse",
    "ListOpenMoneyResponse",
    "ListChargesResponse",
    "EnrollResponse",
    "RenewEndedResponse",
];

/// What is in them.
const WITHIN: [&str; 16] = [
    "Hold",
    "Entry",
    "ExpiryNotice",
    "Window",
    "Obligation",
    "Partner",
    "StatementLine",
    "AdminAction",
    "ListedMember",
    "Invite",
    "Credential",
    "BankAccountVersion",
    "IssuedCertificate",
    "Proposal",
    "OpenMoney",
    "ScheduledCharge",
];
/// Previews are settlements; their answer has nothing else.
const PREVIEW: &str = "PreviewSettlementResponse";

/// Messages whose types are written by hand, because callers build them too, by the names of these types.
const BY_HAND: [(&str, &str); 11] = [
    (".coalition.clearing.v1.Money", "Money"),
    (".coalition.clearing.v1.Origin", "Origin"),
    (".coalition.clearing.v1.ExpiryPolicy", "Expiry"),
    (".coalition.clearing.v1.BreakageSplit", "BreakageSplit"),
    (".coalition.clearing.v1.PartnerLimits", "PartnerLimits"),
    (".coalition.clearing.v1.Holder", "Holder"),
    (".coalition.clearing.v1.Device", "Device"),
    (".coalition.clearing.v1.BankAccount", "BankAccount"),
    (".coalition.clearing.v1.LegalRecord", "LegalRecord"),
    (".google.protobuf.Timestamp", "SystemTime"),
    (".google.protobuf.Duration", "Duration"),
];

/// Fields of text that hold decimal numbers.
const DECIMALS: [&str; 14] = [
    "Hold.acceptance_fee",
    "Settlement.saved",
    "NettingReportResponse.netted_share",
    "Terms.price",
    "Terms.value",
    "Terms.reimbursement",
    "Terms.acceptance_fee",
    "Terms.tender_value",
    "Terms.receipt_share",
    "StatementLine.rate",
    "StatementLine.rounding",
    "LimitUse.used",
    "LimitUse.maximum",
    "GetServerInfoResponse.point_value",
];
/// Fields of text that hold a reason of the rules.
const REASONS: [&str; 1] = ["EarnPreview.refusal_reason"];
/// Fields that answers are put together from, and the SDK's own calls hand out.
const LEFT_OUT: [&str; 1] = ["GetStatementResponse.lines"];
/// Where a list goes on is the business of whoever reads its pages.
const PAGE_TOKEN: &str = "next_page_token";
/// What became a proposal is no answer: it is told apart before the answer is read.
const PROPOSAL: &str = "proposal_id";

/// What some types derive besides what all do.
const DERIVED: [(&str, &str); 4] = [
    ("Tally", ", Copy, Default"),
    ("DayTotals", ", Copy, Default"),
    ("DayDifference", ", Copy"),
    ("MembersDecayed", ", Copy, Default"),
];

const PACKAGE: &str = ".coalition.clearing.v1.";

/// The code.
///
/// # Errors
/// When the interface has an answer that none of the tables above knows.
pub fn answers(set: &FileDescriptorSet) -> Result<String, Box<dyn Error>> {
    let interface = Interface::of(set);
    let mut code = String::from(HEAD);
    let named = interface.messages.keys().filter(|name| name.ends_with("Response"));
    for name in named {
        let known = interface.answers.contains_key(name) || UNWRAPPED.contains(name) || *name == PREVIEW;
        if !known {
            return Err(format!("the comment of {name} does not say what it is called{IN_THE_SDK}").into());
        }
    }
    let mut open: Vec<String> = interface.answers.keys().copied().chain(WITHIN).map(str::to_owned).collect();
    let mut reached = BTreeSet::new();
    while let Some(name) = open.pop() {
        if !reached.insert(name.clone()) {
            continue;
        }
        let Some((message, _)) = interface.messages.get(name.as_str()) else { continue };
        for field in message.field.iter().filter(|field| !left_out(&name, field)) {
            if let Some(local) = field.type_name().strip_prefix(PACKAGE).filter(|_| by_hand(field).is_none()) {
                open.push(local.to_owned());
            }
        }
    }
    for name in &reached {
        let (message, wire) = (interface.messages.get_key_value(name.as_str()), interface.enums.get(name.as_str()));
        match (message, wire) {
            (Some((name, (message, docs))), _)
                if message.oneof_decl.len() == 1 && message.field.iter().all(is_alternative) =>
            {
                choice(&mut code, &interface, name, message, docs)?;
            }
            (Some((name, (message, docs))), _) => structure(&mut code, &interface, name, message, docs)?,
            (None, Some((wire, docs))) => open_enum(&mut code, name, wire, docs)?,
            (None, None) => return Err(format!("{name} is not defined").into()),
        }
    }
    Ok(code)
}

const HEAD: &str = "// Generated from proto/coalition/clearing/v1 by `cargo run -p clearing-proto --example regenerate`; not to be edited.

use std::time::{Duration, SystemTime};

use clearing_proto::v1;
use rust_decimal::Decimal;

use crate::bank_account::BankAccount;
use crate::credential::{Device, Holder};
use crate::error::Error;
use crate::legal::LegalRecord;
use crate::limits::PartnerLimits;
use crate::money::Money;
use crate::open_enum::open_enum;
use crate::origin::Origin;
use crate::reason::Reason;
use crate::terms::{BreakageSplit, Expiry};
use crate::wire::{FromWire, decimal, done, each, there};
";

/// The comments of an element and of its parts, by the numbers of these.
type Docs = BTreeMap<Vec<i32>, String>;

struct Interface<'a> {
    messages: BTreeMap<&'a str, (&'a DescriptorProto, Docs)>,
    /// The SDK's names of the answers that it hands out as they are.
    answers: BTreeMap<&'a str, &'a str>,
    enums: BTreeMap<&'a str, (&'a EnumDescriptorProto, Docs)>,
}

impl<'a> Interface<'a> {
    fn of(set: &'a FileDescriptorSet) -> Self {
        let (mut messages, mut enums, mut answers) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for file in set.file.iter().filter(|file| file.package() == "coalition.clearing.v1") {
            let mut comments: BTreeMap<&[i32], &str> = BTreeMap::new();
            for location in file.source_code_info.iter().flat_map(|info| &info.location) {
                comments.insert(&location.path, location.leading_comments());
            }
            // The numbers of messages (4) and enums (5) in a file's description.
            let docs = |of: i32, at: usize| -> Docs {
                let at = i32::try_from(at).expect("a file is small");
                let own = comments.iter().filter(|(path, _)| path.starts_with(&[of, at]));
                own.map(|(path, text)| (path[2..].to_vec(), (*text).to_owned())).collect()
            };
            for (at, message) in file.message_type.iter().enumerate() {
                let docs = docs(4, at);
                let own = comments.get(&[4, i32::try_from(at).expect("a file is small")][..]);
                answers.extend(own.and_then(|text| named_in(text)).map(|name| (message.name(), name)));
                messages.insert(message.name(), (message, docs));
            }
            for (at, wire) in file.enum_type.iter().enumerate() {
                enums.insert(wire.name(), (wire, docs(5, at)));
            }
        }
        Self { messages, enums, answers }
    }

    fn sdk_name(&self, wire: &'a str) -> &'a str {
        self.answers.get(wire).copied().unwrap_or(wire)
    }
}

/// How the comment of an answer ends the name that the SDK has for it.
const IN_THE_SDK: &str = " in the SDK";

/// The SDK's name of an answer, where its comment says one: "Answer of Deposit (`Deposited` in the SDK)."
fn named_in(comment: &str) -> Option<&str> {
    let (before, _) = comment.split_once(&format!("`{IN_THE_SDK})"))?;
    before.rsplit_once("(`").map(|(_, name)| name)
}

/// Whether a message is the answer to what two persons may be needed for.
fn is_proposable(message: &str) -> bool {
    message.ends_with("Response")
}

fn left_out(message: &str, field: &FieldDescriptorProto) -> bool {
    let is_proposed = field.name() == PROPOSAL && is_proposable(message);
    field.name() == PAGE_TOKEN || is_proposed || LEFT_OUT.contains(&format!("{message}.{}", field.name()).as_str())
}

fn by_hand(field: &FieldDescriptorProto) -> Option<&'static str> {
    BY_HAND.iter().find(|(wire, _)| *wire == field.type_name()).map(|(_, name)| *name)
}

/// Whether a field is one of several of which exactly one is set.
fn is_alternative(field: &FieldDescriptorProto) -> bool {
    field.oneof_index.is_some() && !field.proto3_optional()
}

/// The type of one value of a field.
fn value_type<'a>(
    interface: &Interface<'a>,
    message: &str,
    field: &'a FieldDescriptorProto,
) -> Result<String, Box<dyn Error>> {
    let full = format!("{message}.{}", field.name());
    Ok(match field.r#type() {
        Type::Int64 => "i64".to_owned(),
        Type::Int32 => "i32".to_owned(),
        Type::Uint32 => "u32".to_owned(),
        Type::Bool => "bool".to_owned(),
        Type::String if DECIMALS.contains(&full.as_str()) => "Decimal".to_owned(),
        Type::String if REASONS.contains(&full.as_str()) => "Reason".to_owned(),
        Type::String => "String".to_owned(),
        Type::Bytes => "Vec<u8>".to_owned(),
        Type::Message | Type::Enum => {
            let local = field.type_name().strip_prefix(PACKAGE).unwrap_or_default();
            by_hand(field).unwrap_or_else(|| interface.sdk_name(local)).to_owned()
        }
        other => return Err(format!("{full} is of the type {other:?}, which no answer had before").into()),
    })
}

/// How a field is read from the message.
fn reading(message: &str, field: &FieldDescriptorProto, of_one: &str) -> String {
    let name = field.name();
    let repeated = field.label() == Label::Repeated;
    match (field.r#type(), of_one) {
        (Type::Message, _) if repeated => format!("each(wire.{name})?"),
        (Type::Message, _) if field.proto3_optional() => format!("wire.{name}.map(FromWire::read).transpose()?"),
        (Type::Message, _) => format!("FromWire::read(there(wire.{name}, \"{message}.{name}\")?)?"),
        (Type::Enum, of_one) if repeated => {
            format!("wire.{name}.into_iter().map({of_one}::from_number).collect()")
        }
        (Type::Enum, of_one) if field.proto3_optional() => format!("wire.{name}.map({of_one}::from_number)"),
        (Type::Enum, of_one) => format!("{of_one}::from_number(wire.{name})"),
        (_, "Decimal") if field.proto3_optional() => {
            format!("wire.{name}.map(|text| decimal(&text, \"{message}.{name}\")).transpose()?")
        }
        (_, "Decimal") => format!("decimal(&wire.{name}, \"{message}.{name}\")?"),
        (_, "Reason") => format!("wire.{name}.map(|text| Reason::parse(&text))"),
        _ => format!("wire.{name}"),
    }
}

fn structure<'a>(
    code: &mut String,
    interface: &Interface<'a>,
    name: &'a str,
    message: &'a DescriptorProto,
    docs: &Docs,
) -> Result<(), Box<dyn Error>> {
    let sdk = interface.sdk_name(name);
    let derived = DERIVED.iter().find(|(of, _)| *of == sdk).map_or("", |(_, derived)| derived);
    writeln!(code)?;
    doc(code, "", docs.get(&vec![]))?;
    writeln!(code, "#[derive(Debug, Clone, PartialEq, Eq{derived})]\n#[non_exhaustive]\npub struct {sdk} {{")?;
    let mut read = String::new();
    for (at, field) in message.field.iter().enumerate().filter(|(_, field)| !left_out(name, field)) {
        doc(code, "    ", docs.get(&vec![2, i32::try_from(at)?]))?;
        let of_one = value_type(interface, name, field)?;
        let whole = match (field.label(), field.proto3_optional()) {
            (Label::Repeated, _) => format!("Vec<{of_one}>"),
            (_, true) => format!("Option<{of_one}>"),
            (_, false) => of_one.clone(),
        };
        writeln!(code, "    pub {}: {whole},", field.name())?;
        writeln!(read, "            {}: {},", field.name(), reading(name, field, &of_one))?;
    }
    writeln!(code, "}}\n\nimpl FromWire<v1::{name}> for {sdk} {{")?;
    let proposed = is_proposable(name) && message.field.iter().any(|field| field.name() == PROPOSAL);
    let proposed = if proposed { "        done(&wire.proposal_id, wire.written.as_ref())?;\n" } else { "" };
    writeln!(
        code,
        "    fn read(wire: v1::{name}) -> Result<Self, Error> {{\n{proposed}        Ok(Self {{\n{read}        }})\n    }}\n}}"
    )?;
    Ok(())
}

/// A message that is nothing but one of several.
fn choice<'a>(
    code: &mut String,
    interface: &Interface<'a>,
    name: &'a str,
    message: &'a DescriptorProto,
    docs: &Docs,
) -> Result<(), Box<dyn Error>> {
    writeln!(code)?;
    doc(code, "", docs.get(&vec![]))?;
    writeln!(code, "#[derive(Debug, Clone, PartialEq, Eq)]\npub enum {name} {{")?;
    let mut arms = String::new();
    let one_of = message.oneof_decl[0].name();
    for (at, field) in message.field.iter().enumerate() {
        doc(code, "    ", docs.get(&vec![2, i32::try_from(at)?]))?;
        let (variant, of_one) = (camel(field.name()), value_type(interface, name, field)?);
        writeln!(code, "    {variant}({of_one}),")?;
        let value = if field.r#type() == Type::Message { "FromWire::read(value)?" } else { "value" };
        writeln!(
            arms,
            "            v1::{}::{}::{variant}(value) => Self::{variant}({value}),",
            name.to_lowercase(),
            camel(one_of)
        )?;
    }
    writeln!(code, "}}\n\nimpl FromWire<v1::{name}> for {name} {{")?;
    writeln!(code, "    fn read(wire: v1::{name}) -> Result<Self, Error> {{")?;
    writeln!(code, "        Ok(match there(wire.{one_of}, \"{name}.{one_of}\")? {{\n{arms}        }})\n    }}\n}}")?;
    Ok(())
}

fn open_enum(code: &mut String, name: &str, wire: &EnumDescriptorProto, docs: &Docs) -> Result<(), Box<dyn Error>> {
    let prefix = format!("{}_", snake(name).to_uppercase());
    writeln!(code, "\nopen_enum! {{")?;
    doc(code, "    ", docs.get(&vec![]))?;
    writeln!(code, "    {name} = {name}, unspecified Unspecified {{")?;
    for (at, value) in wire.value.iter().enumerate().filter(|(_, value)| value.number() != 0) {
        doc(code, "        ", docs.get(&vec![2, i32::try_from(at)?]))?;
        let word = value.name().strip_prefix(prefix.as_str()).unwrap_or(value.name());
        writeln!(code, "        {} = \"{word}\",", camel(&word.to_lowercase()))?;
    }
    writeln!(code, "    }}\n}}")?;
    Ok(())
}

/// A comment as documentation: what Markdown would take for HTML or a link is text.
fn doc(code: &mut String, indent: &str, text: Option<&String>) -> Result<(), Box<dyn Error>> {
    let text = text.map_or("", String::as_str);
    let named = named_in(text).map(|name| format!(" (`{name}`{IN_THE_SDK})"));
    let text = named.map_or_else(|| text.to_owned(), |named| text.replace(&named, ""));
    let text = text.strip_suffix('\n').unwrap_or(&text);
    for line in text.lines() {
        let line = line.strip_prefix(' ').unwrap_or(line);
        let mut quoted = false;
        let mut escaped = String::new();
        for letter in line.chars() {
            quoted ^= letter == '`';
            if !quoted && ['<', '['].contains(&letter) {
                escaped.push('\\');
            }
            escaped.push(letter);
        }
        writeln!(code, "{}", format!("{indent}/// {escaped}").trim_end())?;
    }
    Ok(())
}

fn camel(snake: &str) -> String {
    let word = |word: &str| word.chars().next().map(|first| first.to_ascii_uppercase().to_string() + &word[1..]);
    snake.split('_').filter_map(word).collect()
}

fn snake(camel: &str) -> String {
    let mut snake = String::new();
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
