//! Orders as CSV, and statements that a bank gives as CSV, whose columns are named by whoever imports them.
//!
//! Source: RFC 4180; OWASP, CSV injection.

use std::collections::BTreeMap;

use clearing_core::units::shown;
use csv::{ReaderBuilder, StringRecord, Terminator, WriterBuilder};
use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::encoding::{BOM, Encoding};
use crate::fault::{Fault, FileError};
use crate::order::{Account, BankCode, Payments, Written};
use crate::statement::{
    Balance, BankFile, FileFormat, Line, LineKind, LineState, OtherSide, Own, Period, Sign, Statement,
};
use crate::text::{account_number, amount, cleaned, dotted_day, iso_day, said, signed_amount};
use crate::{FILE_BYTES_MAX, LINES_MAX};

/// What a text must not begin with: a spreadsheet would take the cell for a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

const HEADER: [&str; 14] = [
    "reference",
    "window",
    "number",
    "payer",
    "payer_name",
    "payer_account",
    "payee",
    "payee_name",
    "payee_tax_id",
    "payee_account",
    "amount",
    "currency",
    "payment_date",
    "purpose",
];

/// Orders of one payer, in UTF-8, with a header, lines that end with CRLF. What somebody has written is text: where a spreadsheet
/// would take it for a formula, an apostrophe goes before it. An account without IBAN stands behind its bank's code and a
/// slash, for 20 digits alone would become a rounded number.
pub(crate) fn write(payments: &Payments, orders: &[Written<'_>]) -> String {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    let full = "memory takes all, and rows are of one length";
    writer.write_record(HEADER).expect(full);
    for Written { order, reference, purpose, amount } in orders {
        let row = [
            reference.to_string(),
            payments.window.to_string(),
            order.number.to_string(),
            order.payer.id.clone(),
            as_text(&order.payer.name),
            account(&order.payer.account),
            order.payee.id.clone(),
            as_text(&order.payee.name),
            order.payee.tax_id.clone().unwrap_or_default(),
            account(&order.payee.account),
            amount.to_string(),
            payments.currency.to_string(),
            payments.payment_date.to_string(),
            as_text(purpose),
        ];
        writer.write_record(row).expect(full);
    }
    String::from_utf8(writer.into_inner().expect("memory takes all")).expect("what is written is text")
}

fn as_text(text: &str) -> String {
    if text.starts_with(FORMULA) { format!("'{text}") } else { text.to_owned() }
}

fn account(account: &Account) -> String {
    match &account.bank {
        BankCode::National { code, .. } => format!("{code}/{}", account.number),
        BankCode::None | BankCode::Bic(_) => account.number.clone(),
    }
}

/// How a bank's CSV is read: nothing in it is guessed at.
#[derive(Debug, Clone)]
pub struct Sheet {
    /// The own account that it is of: such a file does not say it.
    pub account: String,
    /// How its characters are written. A mark of UTF-8 at the beginning may be there.
    pub encoding: Encoding,
    /// What stands between cells, such as `,` or `;`.
    pub delimiter: u8,
    /// Lines above the one with the names of the columns.
    pub lines_above: u32,
    /// How days are written.
    pub dates: DateForm,
    /// The column of the day on which the bank booked a line.
    pub booking_date: String,
    /// How amounts are written, and in which columns.
    pub amounts: Amounts,
    /// Other columns, if the file has them.
    pub value_date: Option<String>,
    pub currency: Option<String>,
    pub other_account: Option<String>,
    pub other_bank: Option<String>,
    pub other_name: Option<String>,
    pub other_tax_id: Option<String>,
    pub bank_reference: Option<String>,
    pub end_to_end_id: Option<String>,
    pub document_number: Option<String>,
    pub text: Option<String>,
    /// The balances before the first line and behind the last one, if they are known.
    pub opening: Option<Decimal>,
    pub closing: Option<Decimal>,
    /// The days of which the file holds everything, if whoever imports it says so.
    pub whole_days: Option<Period>,
}

/// How days are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateForm {
    /// `2026-03-31`.
    Iso,
    /// `31.03.2026`.
    Dotted,
}

/// How amounts are written.
#[derive(Debug, Clone)]
pub enum Amounts {
    /// One column, what went out with a minus.
    Signed(String),
    /// A column for what came and one for what went; one of the two is empty, or zero.
    Columns { credit: String, debit: String },
    /// One column, and another with one of two words.
    Words { amount: String, sign: String, credit: String, debit: String },
}

/// Reads a statement in CSV.
///
/// # Errors
/// The first [`FileError`], with the line and the column.
pub fn read_csv(bytes: &[u8], own: &Own, sheet: &Sheet) -> Result<BankFile, FileError> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(FileError::whole(Fault::TooLarge { bytes: bytes.len(), bytes_max: FILE_BYTES_MAX }));
    }
    let account = own.account(&sheet.account, 1, "account")?;
    let content = bytes.strip_prefix(BOM).unwrap_or(bytes);
    let line_at = |place: usize| {
        1 + u64::try_from(content[..place].iter().filter(|byte| **byte == b'\n').count())
            .expect("a count of what is in memory")
    };
    let text = sheet.encoding.decode(content).map_err(|place| {
        let why = format!("{:#04x} is no character of {}", content[place], sheet.encoding.name());
        FileError::at(line_at(place), "", Fault::Encoding(why))
    })?;
    // The reader of CSV would take it for a character of a cell.
    if let Some(place) = text.find('\0') {
        let line = 1 + u64::try_from(text[..place].matches('\n').count()).expect("a count of what is in memory");
        return Err(FileError::at(line, "", Fault::Malformed("a character is zero".to_owned())));
    }
    // A quote that is not closed takes all that follows into its cell.
    if text.matches('"').count() % 2 != 0 {
        return Err(FileError::whole(Fault::Truncated("a quote is not closed".to_owned())));
    }
    let mut rest = text.as_str();
    for _ in 0..sheet.lines_above {
        rest = rest.split_once('\n').map_or("", |(_, below)| below);
    }
    let above = u64::from(sheet.lines_above);
    // A row that ends with both is told one line too early: the reader has seen the first, and not yet the second.
    let rest = rest.replace("\r\n", "\n");
    let mut reader = ReaderBuilder::new().has_headers(false).delimiter(sheet.delimiter).from_reader(rest.as_bytes());
    let mut columns = None;
    let mut lines = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| malformed(&error, above))?;
        let line = above + record.position().map_or(0, csv::Position::line);
        let Some(columns) = &columns else {
            columns = Some(Columns::of(&record, line, sheet)?);
            continue;
        };
        if lines.len() == LINES_MAX {
            return Err(FileError::at(line, "", Fault::TooManyLines { lines_max: LINES_MAX }));
        }
        lines.push(Row { columns, record: &record, line, sheet, own }.read()?);
    }
    let head = above + 1;
    if columns.is_none() {
        return Err(FileError::at(head, "", Fault::Truncated("the names of the columns are missing".to_owned())));
    }
    let balance = |amount: Option<Decimal>| amount.map(|amount| Balance { amount, date: None, file_line: head });
    let (opening, closing) = (balance(sheet.opening), balance(sheet.closing));
    let statement = Statement { account, file_line: head, opening, closing, whole_days: sheet.whole_days, lines };
    BankFile::new(FileFormat::Csv, sheet.encoding, vec![statement]).sealed(bytes)
}

fn malformed(error: &csv::Error, above: u64) -> FileError {
    let line = above + error.position().map_or(1, csv::Position::line);
    let fault = if let csv::ErrorKind::UnequalLengths { expected_len, len, .. } = error.kind() {
        Fault::Truncated(format!("it has {len} cells, and the header has {expected_len}"))
    } else {
        Fault::Malformed(error.to_string())
    };
    FileError::at(line, "", fault)
}

/// Where columns stand, by their names.
struct Columns(BTreeMap<String, usize>);

impl Columns {
    fn of(header: &StringRecord, line: u64, sheet: &Sheet) -> Result<Self, FileError> {
        let mut columns = BTreeMap::new();
        let mut twice = Vec::new();
        for (place, name) in header.iter().enumerate() {
            let name = cleaned(name);
            if columns.insert(name.clone(), place).is_some() {
                twice.push(name);
            }
        }
        for name in sheet.names() {
            let fault = if !columns.contains_key(name) {
                Fault::Missing
            } else if twice.iter().any(|twice| twice == name) {
                Fault::Twice
            } else {
                continue;
            };
            return Err(FileError::at(line, name, fault));
        }
        Ok(Self(columns))
    }
}

impl Sheet {
    /// The columns that it names.
    fn names(&self) -> Vec<&str> {
        let mut names = vec![self.booking_date.as_str()];
        match &self.amounts {
            Amounts::Signed(amount) => names.push(amount),
            Amounts::Columns { credit, debit } => names.extend([credit.as_str(), debit]),
            Amounts::Words { amount, sign, .. } => names.extend([amount.as_str(), sign]),
        }
        let others = [
            &self.value_date,
            &self.currency,
            &self.other_account,
            &self.other_bank,
            &self.other_name,
            &self.other_tax_id,
            &self.bank_reference,
            &self.end_to_end_id,
            &self.document_number,
            &self.text,
        ];
        names.extend(others.into_iter().flatten().map(String::as_str));
        names
    }
}

/// A row that is read.
struct Row<'a> {
    columns: &'a Columns,
    record: &'a StringRecord,
    line: u64,
    sheet: &'a Sheet,
    own: &'a Own,
}

impl Row<'_> {
    fn cell(&self, name: &str) -> &str {
        let place = self.columns.0.get(name).expect("all that are named were looked for");
        self.record.get(*place).expect("rows are as long as the header").trim()
    }

    fn error(&self, name: &str, fault: Fault) -> FileError {
        FileError::at(self.line, name, fault)
    }

    fn day(&self, name: &str) -> Result<Date, FileError> {
        let text = self.cell(name);
        let day = match (text, self.sheet.dates) {
            ("", _) => Err(Fault::Missing),
            (text, DateForm::Iso) => iso_day(text),
            (text, DateForm::Dotted) => dotted_day(text),
        };
        day.map_err(|fault| self.error(name, fault))
    }

    fn amount(&self) -> Result<(Sign, Decimal), FileError> {
        let currency = self.own.currency();
        let of_sign = |value: Decimal| {
            let sign = if value.is_sign_negative() { Sign::Debit } else { Sign::Credit };
            (sign, value.abs())
        };
        match &self.sheet.amounts {
            Amounts::Signed(name) => {
                signed_amount(self.cell(name), currency).map(of_sign).map_err(|fault| self.error(name, fault))
            }
            Amounts::Columns { credit, debit } => {
                let side = |name: &str| match self.cell(name) {
                    "" => Ok(Decimal::ZERO),
                    text => amount(text, currency).map_err(|fault| self.error(name, fault)),
                };
                let (came, went) = (side(credit)?, side(debit)?);
                match (came.is_zero(), went.is_zero()) {
                    (false, true) => Ok((Sign::Credit, came)),
                    (true, false) => Ok((Sign::Debit, went)),
                    (true, true) => Err(self.error(credit, Fault::Missing)),
                    (false, false) => {
                        let why = format!("{came} came and {went} went in one line");
                        Err(self.error(debit, Fault::Malformed(why)))
                    }
                }
            }
            Amounts::Words { amount: name, sign, credit, debit } => {
                let value = amount(self.cell(name), currency).map_err(|fault| self.error(name, fault))?;
                match self.cell(sign) {
                    word if word == credit => Ok((Sign::Credit, value)),
                    word if word == debit => Ok((Sign::Debit, value)),
                    word => {
                        let why = format!("{} is neither {credit:?} nor {debit:?}", shown(word));
                        Err(self.error(sign, Fault::Malformed(why)))
                    }
                }
            }
        }
    }

    fn read(&self) -> Result<Line, FileError> {
        let sheet = self.sheet;
        if let Some(name) = &sheet.currency {
            self.own.check_currency(self.cell(name), self.line, name)?;
        }
        let booking_date = self.day(&sheet.booking_date)?;
        let value_date = match &sheet.value_date {
            Some(name) if !self.cell(name).is_empty() => Some(self.day(name)?),
            Some(_) | None => None,
        };
        let (sign, amount) = self.amount()?;
        let text = |name: &Option<String>| name.as_ref().and_then(|name| said(self.cell(name)));
        Ok(Line {
            file_line: self.line,
            state: LineState::Booked,
            booking_date: Some(booking_date),
            value_date,
            sign,
            amount,
            currency: self.own.currency(),
            kind: LineKind::Payment,
            reversal: false,
            return_reason: None,
            other: OtherSide {
                account: text(&sheet.other_account).map(|number| account_number(&number)),
                bank: text(&sheet.other_bank),
                name: text(&sheet.other_name),
                tax_id: text(&sheet.other_tax_id),
            },
            bank_reference: text(&sheet.bank_reference),
            end_to_end_id: text(&sheet.end_to_end_id),
            document_number: text(&sheet.document_number),
            text: text(&sheet.text).unwrap_or_default(),
            payments: 1,
        })
    }
}
