//! Statements (camt.053) and notifications (camt.054) of ISO 20022, of the versions .02 to .08.
//!
//! The versions differ where a state and a party stand, and where a payment of a batch says its amount; each is looked for in both
//! places. An entry of which the bank tells the single payments with amounts that come to the entry's own is as many lines.
//!
//! Source: ISO 20022, BankToCustomerStatement and BankToCustomerDebitCreditNotification.

use std::ops::RangeInclusive;

use clearing_core::units::shown;
use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::LINES_MAX;
use crate::encoding::Encoding;
use crate::fault::{Fault, FileError};
use crate::statement::{
    Balance, BankFile, FileFormat, Line, LineKind, LineState, OtherSide, Own, Period, Sign, Statement,
};
use crate::text::{account_number, amount, cleaned, iso_moment, said};
use crate::xml::{Element, Head, Step, Walker};

const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:";
const VERSIONS: RangeInclusive<u8> = 2..=8;

/// Balances of a statement, at most. There are some five, and those of days to come.
const BALANCES_MAX: usize = 100;

/// What of a statement is known so far.
#[derive(Default)]
struct Parts {
    account: Option<String>,
    period: Option<Element>,
    pages: Option<Element>,
    balances: Vec<Element>,
    summary: Option<Element>,
    lines: Vec<Line>,
}

/// Reads one of the two.
pub(crate) fn read(bytes: &[u8], own: &Own) -> Result<BankFile, FileError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = 1 + u64::try_from(before.iter().filter(|byte| **byte == b'\n').count())
            .expect("a count of what is in memory");
        FileError::at(line, "", Fault::Encoding("its bytes are not UTF-8".to_owned()))
    })?;
    let mut walk = Walker::new(text)?;
    let format = match walk.step()? {
        Step::Open(head) => format(&head)?,
        Step::Close | Step::End => unreachable!("a walk begins with the root"),
    };
    let (message, statement) = match format {
        FileFormat::Camt053(_) => ("BkToCstmrStmt", "Stmt"),
        FileFormat::Camt054(_) | FileFormat::Exchange | FileFormat::Csv => ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
    };
    match walk.step()? {
        Step::Open(head) if head.name == message => {}
        Step::Open(Head { line, .. }) => return Err(FileError::at(line, message, Fault::Missing)),
        Step::Close | Step::End => return Err(FileError::at(1, message, Fault::Missing)),
    }
    let mut statements = Vec::new();
    let mut lines_left = LINES_MAX;
    while let Step::Open(head) = walk.step()? {
        if head.name == statement {
            let read = read_statement(&mut walk, &head, format, own, lines_left)?;
            lines_left -= read.lines.len();
            statements.push(read);
        } else {
            walk.element(head)?;
        }
    }
    // To the end, so that nothing else stands there.
    loop {
        match walk.step()? {
            Step::Open(head) => {
                walk.element(head)?;
            }
            Step::Close => {}
            Step::End => break,
        }
    }
    if statements.is_empty() {
        return Err(FileError::at(1, statement, Fault::Missing));
    }
    Ok(BankFile::new(format, Encoding::Utf8, statements))
}

/// Which message of which version, by the namespace of the root.
fn format(head: &Head) -> Result<FileFormat, FileError> {
    let known = head.namespaces.iter().find_map(|namespace| namespace.strip_prefix(NAMESPACE));
    let Some(found) = known.filter(|_| head.name == "Document") else {
        return Err(FileError::at(head.line, head.name.clone(), Fault::UnknownFormat));
    };
    let version = |message: &str| {
        let digits = found.strip_prefix(message)?.strip_prefix(".001.")?;
        let version = digits.parse::<u8>().ok()?;
        (digits.len() == 2 && VERSIONS.contains(&version)).then_some(version)
    };
    match (version("camt.053"), version("camt.054")) {
        (Some(version), _) => Ok(FileFormat::Camt053(version)),
        (_, Some(version)) => Ok(FileFormat::Camt054(version)),
        (None, None) => Err(FileError::at(head.line, "Document", Fault::UnknownVersion { found: shown(found) })),
    }
}

fn read_statement(
    walk: &mut Walker<'_>,
    head: &Head,
    format: FileFormat,
    own: &Own,
    lines_max: usize,
) -> Result<Statement, FileError> {
    let mut parts = Parts::default();
    while let Step::Open(inner) = walk.step()? {
        let element = walk.element(inner)?;
        match element.name.as_str() {
            "Acct" => parts.account = Some(account(&element, own)?),
            "FrToDt" => parts.period = Some(element),
            "StmtPgntn" | "NtfctnPgntn" => parts.pages = Some(element),
            "Bal" => {
                let (line, found) = (element.line, parts.balances.len() + 1);
                if found > BALANCES_MAX {
                    let fault = Fault::TooMuch { what: "balances stand in one statement", found, max: BALANCES_MAX };
                    return Err(FileError::at(line, "Bal", fault));
                }
                parts.balances.push(element);
            }
            "TxsSummry" => parts.summary = Some(element),
            "Ntry" => {
                let account = parts.account.as_deref();
                let account = account.ok_or_else(|| FileError::at(element.line, "Acct", Fault::Missing))?;
                read_entry(&element, account, own, &mut parts.lines)?;
                if parts.lines.len() > lines_max {
                    return Err(FileError::at(element.line, "Ntry", Fault::TooManyLines { lines_max: LINES_MAX }));
                }
            }
            _ => {}
        }
    }
    let Some(account) = parts.account else {
        return Err(FileError::at(head.line, format!("{}/Acct", head.name), Fault::Missing));
    };
    if let Some(summary) = &parts.summary {
        check_summary(summary, &parts.lines, own)?;
    }
    let opening = balance(&parts.balances, &["OPBD", "PRCD"], own)?;
    let closing = balance(&parts.balances, &["CLBD"], own)?;
    let period = period(parts.period.as_ref())?;
    let whole_days = match format {
        FileFormat::Camt053(_) if is_all_of_it(parts.pages.as_ref()) => whole_days(opening, closing, period),
        FileFormat::Camt053(_) | FileFormat::Camt054(_) | FileFormat::Exchange | FileFormat::Csv => None,
    };
    Ok(Statement { account, file_line: head.line, opening, closing, whole_days, lines: parts.lines })
}

/// The own account; its currency, if it is said, is the coalition's.
fn account(element: &Element, own: &Own) -> Result<String, FileError> {
    if let Some(currency) = element.find("Ccy") {
        own.check_currency(currency.text.trim(), currency.line, "Acct/Ccy")?;
    }
    let id = element.find("Id/IBAN").or_else(|| element.find("Id/Othr/Id"));
    let id = id.ok_or_else(|| FileError::at(element.line, "Acct/Id", Fault::Missing))?;
    own.account(&id.text, id.line, "Acct/Id")
}

/// An amount with its currency, at a path.
fn money(element: &Element, path: &str, own: &Own) -> Result<Decimal, FileError> {
    let found = element.need(path)?;
    let field = element.path_to(path);
    let currency = found.currency.as_deref();
    let currency = currency.ok_or_else(|| FileError::at(found.line, format!("{field}/@Ccy"), Fault::Missing))?;
    own.check_currency(currency, found.line, &format!("{field}/@Ccy"))?;
    amount(found.text.trim(), own.currency()).map_err(|fault| FileError::at(found.line, field, fault))
}

fn sign(element: &Element) -> Result<Sign, FileError> {
    let found = element.need("CdtDbtInd")?;
    match found.text.trim() {
        "CRDT" => Ok(Sign::Credit),
        "DBIT" => Ok(Sign::Debit),
        word => {
            let why = format!("{} is neither CRDT nor DBIT", shown(word));
            Err(FileError::at(found.line, element.path_to("CdtDbtInd"), Fault::Malformed(why)))
        }
    }
}

/// A day, which is a date or a moment, and whether it is the day's first moment.
fn day(element: &Element, path: &str) -> Result<Option<(Date, bool)>, FileError> {
    let Some(found) = element.find(path) else { return Ok(None) };
    let inner = found.find("Dt").or_else(|| found.find("DtTm")).unwrap_or(found);
    let read = iso_moment(inner.text.trim());
    read.map(Some).map_err(|fault| FileError::at(inner.line, element.path_to(path), fault))
}

/// The balance of the first of these kinds that there is; of one kind that is there twice, none could be believed.
fn balance(balances: &[Element], kinds: &[&str], own: &Own) -> Result<Option<Balance>, FileError> {
    for kind in kinds {
        let mut of_kind = balances.iter().filter(|balance| balance.text_of("Tp/CdOrPrtry/Cd") == Some(*kind));
        let Some(found) = of_kind.next() else { continue };
        if let Some(second) = of_kind.next() {
            return Err(FileError::at(second.line, format!("Bal {kind}"), Fault::Twice));
        }
        let amount = money(found, "Amt", own)?;
        let amount = if sign(found)? == Sign::Debit { -amount } else { amount };
        let date = day(found, "Dt")?.map(|(date, _)| date);
        // The closing balance of the day before is the opening balance of the day after it.
        let date = if *kind == "PRCD" { date.and_then(|date| date.tomorrow().ok()) } else { date };
        return Ok(Some(Balance { amount, date, file_line: found.line }));
    }
    Ok(None)
}

/// The first day that is whole, and the last one, as the period says it.
fn period(element: Option<&Element>) -> Result<Option<(Date, Date)>, FileError> {
    let Some(element) = element else { return Ok(None) };
    let either = |one: &str, other: &str| Ok::<_, FileError>(day(element, one)?.or(day(element, other)?));
    let (Some((first, is_first)), Some((last, ends_before))) = (either("FrDtTm", "FrDt")?, either("ToDtTm", "ToDt")?)
    else {
        return Ok(None);
    };
    let first = if is_first { Some(first) } else { first.tomorrow().ok() };
    // What ends with the first moment of a day has nothing of that day, but a date alone is all of it.
    let last = if ends_before && element.find("ToDtTm").is_some() { last.yesterday().ok() } else { Some(last) };
    Ok(first.zip(last))
}

/// Whether a statement is not one page of several.
fn is_all_of_it(pages: Option<&Element>) -> bool {
    pages.is_none_or(|pages| {
        pages.text_of("PgNb").and_then(|number| number.parse::<u32>().ok()) == Some(1)
            && matches!(pages.text_of("LastPgInd"), Some("true" | "1"))
    })
}

/// The days between the opening and the closing balance. Without a period, banks mean the morning or the evening before by the
/// day of an opening balance, so of that day it is not known, unless it is the closing balance's.
fn whole_days(opening: Option<Balance>, closing: Option<Balance>, period: Option<(Date, Date)>) -> Option<Period> {
    let (opened, closed) = (opening?.date?, closing?.date?);
    match period {
        Some((first, last)) => Period::of(first, last.min(closed)),
        None if opened < closed => Period::of(opened.tomorrow().ok()?, closed),
        None => Period::of(opened, closed),
    }
}

/// What the bank says of all entries is what they come to. If some are not booked, banks count them or not.
fn check_summary(summary: &Element, lines: &[Line], own: &Own) -> Result<(), FileError> {
    if lines.iter().any(|line| line.state == LineState::Pending) {
        return Ok(());
    }
    for (name, sign) in [("TtlCdtNtries", Sign::Credit), ("TtlDbtNtries", Sign::Debit)] {
        let Some(found) = summary.find(name).and_then(|total| total.find("Sum")) else { continue };
        let field = format!("TxsSummry/{name}/Sum");
        let said =
            amount(found.text.trim(), own.currency()).map_err(|fault| FileError::at(found.line, &field, fault))?;
        let sum: Decimal = lines.iter().filter(|line| line.sign == sign).map(|line| line.amount).sum();
        if said != sum {
            return Err(FileError::at(found.line, field, Fault::TotalDiffers { said, sum }));
        }
    }
    Ok(())
}

/// Reads an entry into one line, or into one for each payment of a batch.
fn read_entry(entry: &Element, account: &str, own: &Own, lines: &mut Vec<Line>) -> Result<(), FileError> {
    let entry_amount = money(entry, "Amt", own)?;
    let entry_sign = sign(entry)?;
    let state = state(entry)?;
    let booking_date = day(entry, "BookgDt")?.map(|(date, _)| date);
    if state == LineState::Booked && booking_date.is_none() {
        return Err(FileError::at(entry.line, "Ntry/BookgDt", Fault::Missing));
    }
    let payments: Vec<&Element> = entry.all("NtryDtls").flat_map(|details| details.all("TxDtls")).collect();
    let said_count = entry.text_of("NtryDtls/Btch/NbOfTxs").and_then(|count| count.parse().ok());
    let count = u32::try_from(payments.len()).expect("elements of an entry are bounded").max(1);
    let mut line = Line {
        file_line: entry.line,
        state,
        booking_date,
        value_date: day(entry, "ValDt")?.map(|(date, _)| date),
        sign: entry_sign,
        amount: entry_amount,
        currency: own.currency(),
        kind: kind_of(entry).unwrap_or(LineKind::Payment),
        reversal: matches!(entry.text_of("RvslInd"), Some("true" | "1")),
        return_reason: None,
        other: OtherSide::default(),
        bank_reference: entry.text_of("AcctSvcrRef").and_then(said),
        end_to_end_id: None,
        document_number: None,
        text: entry.text_of("AddtlNtryInf").map(cleaned).unwrap_or_default(),
        payments: count.max(said_count.unwrap_or(1)),
    };
    match payments.as_slice() {
        [] => lines.push(line),
        [payment] => {
            of_payment(&mut line, payment, account);
            lines.push(line);
        }
        several => match amounts(several, &line, own) {
            None => lines.push(line),
            Some(amounts) => {
                let entry_reference = line.bank_reference.clone();
                for (nth, (payment, (sign, amount))) in (1_u32..).zip(several.iter().zip(amounts)) {
                    let mut line = line.clone();
                    (line.sign, line.amount, line.payments) = (sign, amount, 1);
                    // Whatever a payment of a batch is called, the entry's name and its place are in each of the bank's files.
                    line.bank_reference = entry_reference.as_ref().map(|reference| format!("{reference}/{nth}"));
                    line.file_line = payment.line;
                    of_payment(&mut line, payment, account);
                    lines.push(line);
                }
            }
        },
    }
    Ok(())
}

/// Whether an entry is booked: the state is a word in older versions, and a code within it in newer ones.
fn state(entry: &Element) -> Result<LineState, FileError> {
    let found = entry.need("Sts")?;
    let word = found.text_of("Cd").unwrap_or(found.text.trim());
    match word {
        "BOOK" => Ok(LineState::Booked),
        "PDNG" | "INFO" | "FUTR" => Ok(LineState::Pending),
        _ => {
            let why = format!("{} is none of BOOK, PDNG, INFO, FUTR", shown(word));
            Err(FileError::at(found.line, "Ntry/Sts", Fault::Malformed(why)))
        }
    }
}

/// What the bank says that an entry, or a payment in it, is; none if it does not say it.
///
/// Source: ISO 20022, external bank transaction codes (charges, commission, fees, interest); of Germany's banks, whose issuer is DK,
/// the code of SWIFT and the GVC (808: charges).
fn kind_of(element: &Element) -> Option<LineKind> {
    if let Some(code) = element.text_of("BkTxCd/Domn/Fmly/SubFmlyCd") {
        return Some(match code {
            "CHRG" | "COMM" | "COMT" | "FEES" => LineKind::Charge,
            "INTR" => LineKind::Interest,
            _ => LineKind::Payment,
        });
    }
    let own = element.find("BkTxCd/Prtry").filter(|own| own.text_of("Issr") == Some("DK"))?;
    let mut codes = own.text_of("Cd")?.split('+');
    Some(match codes.next()? {
        "NCHG" | "808" => LineKind::Charge,
        "NINT" => LineKind::Interest,
        _ if codes.next() == Some("808") => LineKind::Charge,
        _ => LineKind::Payment,
    })
}

/// The amounts of the payments of a batch, if each has one in the currency, and together they are the entry. Else the bank told
/// them before its charges, or in another currency, and the entry is one line.
fn amounts(payments: &[&Element], line: &Line, own: &Own) -> Option<Vec<(Sign, Decimal)>> {
    let amounts: Vec<(Sign, Decimal)> = payments
        .iter()
        .map(|payment| {
            let path = if payment.find("Amt").is_some() { "Amt" } else { "AmtDtls/TxAmt/Amt" };
            let amount = money(payment, path, own).ok()?;
            let sign = if payment.find("CdtDbtInd").is_some() { sign(payment).ok()? } else { line.sign };
            Some((sign, amount))
        })
        .collect::<Option<_>>()?;
    let signed = |(sign, amount): &(Sign, Decimal)| if *sign == Sign::Credit { *amount } else { -*amount };
    (amounts.iter().map(signed).sum::<Decimal>() == line.signed()).then_some(amounts)
}

/// What the details of a payment tell of a line.
fn of_payment(line: &mut Line, payment: &Element, account: &str) {
    let first = |paths: &[&str]| paths.iter().find_map(|path| payment.text_of(path).and_then(said));
    // Of a reversal the sides stand as in what it takes back; of a payment that came back as well, at many banks.
    let is_from_debtor = (line.sign == Sign::Credit) != line.reversal;
    line.kind = kind_of(payment).unwrap_or(line.kind);
    line.other = side(payment, is_from_debtor);
    if line.other.account.as_deref() == Some(account) {
        line.other = side(payment, !is_from_debtor);
    }
    line.end_to_end_id = first(&["Refs/EndToEndId"]);
    line.document_number = first(&["Refs/InstrId"]);
    if line.bank_reference.is_none() {
        line.bank_reference = first(&["Refs/AcctSvcrRef"]);
    }
    line.return_reason = first(&["RtrInf/Rsn/Cd", "RtrInf/Rsn/Prtry"]);
    let remittance = payment.find("RmtInf");
    let unstructured = remittance.iter().flat_map(|info| info.all("Ustrd")).map(|element| element.text.as_str());
    let structured =
        remittance.iter().flat_map(|info| info.all("Strd")).filter_map(|info| info.text_of("CdtrRefInf/Ref"));
    let more = payment.text_of("AddtlTxInf");
    let texts: Vec<String> =
        unstructured.chain(structured).chain(more).map(cleaned).filter(|text| !text.is_empty()).collect();
    if !texts.is_empty() {
        line.text = cleaned(&texts.join(" "));
    }
}

/// One of the two sides of a payment, as the bank passes it on.
fn side(payment: &Element, is_debtor: bool) -> OtherSide {
    let (party, account, agent) =
        if is_debtor { ("Dbtr", "DbtrAcct", "DbtrAgt") } else { ("Cdtr", "CdtrAcct", "CdtrAgt") };
    let first = |around: &str, paths: &[&str]| {
        let around = payment.find(around)?;
        paths.iter().find_map(|path| around.text_of(path).and_then(said))
    };
    let parties = format!("RltdPties/{party}");
    let number = first(&format!("RltdPties/{account}/Id"), &["IBAN", "Othr/Id"]);
    OtherSide {
        account: number.map(|number| account_number(&number)),
        bank: first(&format!("RltdAgts/{agent}/FinInstnId"), &["BICFI", "BIC", "ClrSysMmbId/MmbId"]),
        name: first(&parties, &["Nm", "Pty/Nm", "Agt/FinInstnId/Nm"]),
        tax_id: first(&parties, &["Id/OrgId/Othr/Id", "Pty/Id/OrgId/Othr/Id"]),
    }
}
