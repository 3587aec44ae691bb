//! Orders and statements in the text format that 1C exchanges with clients of banks, `1CClientBankExchange`: a field a line, its
//! name, `=`, its value.
//!
//! Source: 1C, "Standard of exchange with systems Bank client", format 1.03.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::iter::Zip;
use std::ops::RangeFrom;
use std::str::Split;

use clearing_core::units::shown;
use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::LINES_MAX;
use crate::encoding::Encoding;
use crate::fault::{Fault, FileError, OrderError};
use crate::order::{BankCode, Party, Payments, Written};
use crate::statement::{
    Balance, BankFile, FileFormat, Line, LineKind, LineState, OtherSide, Own, Period, Sign, Statement,
};
use crate::text::{account_number, amount, cleaned, dotted, dotted_day, said, signed_amount};

/// How every file of the format begins.
pub(crate) const FIRST_LINE: &str = "1CClientBankExchange";

const VERSION: &str = "1.03";
const PAYMENT_ORDER: &str = "Платежное поручение";
const ENCODING: &str = "Кодировка";
const ACCOUNT: &str = "РасчСчет";
const SECTION_OF_ACCOUNT: &str = "СекцияРасчСчет";
const END_OF_ACCOUNT: &str = "КонецРасчСчет";
const SECTION_OF_DOCUMENT: &str = "СекцияДокумент";
const END_OF_DOCUMENT: &str = "КонецДокумента";
const END_OF_FILE: &str = "КонецФайла";
const CREATED: &str = "ДатаСоздания";
const FIRST_DAY: &str = "ДатаНачала";
const LAST_DAY: &str = "ДатаКонца";
const OPENING: &str = "НачальныйОстаток";
const CAME: &str = "ВсегоПоступило";
const WENT: &str = "ВсегоСписано";
const CLOSING: &str = "КонечныйОстаток";
const NUMBER: &str = "Номер";
const DATE: &str = "Дата";
const AMOUNT: &str = "Сумма";
const LEFT_ON: &str = "ДатаСписано";
const CAME_ON: &str = "ДатаПоступило";
const PURPOSE: &str = "НазначениеПлатежа";
/// Where a bank has cut it into pieces.
const PURPOSES: [&str; 6] = [
    "НазначениеПлатежа1",
    "НазначениеПлатежа2",
    "НазначениеПлатежа3",
    "НазначениеПлатежа4",
    "НазначениеПлатежа5",
    "НазначениеПлатежа6",
];

/// What begins or ends something.
const MARKS: [&str; 5] = [SECTION_OF_ACCOUNT, SECTION_OF_DOCUMENT, END_OF_ACCOUNT, END_OF_DOCUMENT, END_OF_FILE];

/// Sections of accounts in a file, at most. There is one for each account, at some banks for each day of it.
const SECTIONS_MAX: usize = 1_000;

/// The fields of one of the two sides of a document.
struct SideFields {
    account: &'static str,
    name: &'static str,
    first_name: &'static str,
    tax_id: &'static str,
    tax_code: &'static str,
    direct_account: &'static str,
    bank: &'static str,
    bank_code: &'static str,
    correspondent: &'static str,
}

const PAYER: SideFields = SideFields {
    account: "ПлательщикСчет",
    name: "Плательщик",
    first_name: "Плательщик1",
    tax_id: "ПлательщикИНН",
    tax_code: "ПлательщикКПП",
    direct_account: "ПлательщикРасчСчет",
    bank: "ПлательщикБанк1",
    bank_code: "ПлательщикБИК",
    correspondent: "ПлательщикКорсчет",
};

const PAYEE: SideFields = SideFields {
    account: "ПолучательСчет",
    name: "Получатель",
    first_name: "Получатель1",
    tax_id: "ПолучательИНН",
    tax_code: "ПолучательКПП",
    direct_account: "ПолучательРасчСчет",
    bank: "ПолучательБанк1",
    bank_code: "ПолучательБИК",
    correspondent: "ПолучательКорсчет",
};

// ---------------------------------------------------------------------------------------------------------- orders

/// The file of one payer, with the payment orders for its bank.
pub(crate) fn write(payments: &Payments, orders: &[Written<'_>], encoding: Encoding) -> Result<Vec<u8>, OrderError> {
    let payer = &orders[0].order.payer;
    if payments.currency.as_str() != "RUB" {
        let why = format!("files of 1C are in RUB, and this is {}: write pain.001", payments.currency);
        return Err(OrderError { number: 0, field: "currency", why });
    }
    let encoding_name = match encoding {
        Encoding::Utf8 => "UTF-8",
        Encoding::Windows1251 => "Windows",
        Encoding::Dos866 => "DOS",
    };
    let exported = dotted(payments.exported.date());
    let payment_date = dotted(payments.payment_date);
    let mut file = Lines { encoding, bytes: Vec::new(), order: 0 };
    file.line(FIRST_LINE)?;
    let time = payments.exported.strftime("%H:%M:%S").to_string();
    let head: [(&str, &str); 10] = [
        ("ВерсияФормата", VERSION),
        (ENCODING, encoding_name),
        ("Отправитель", "coalition-clearing"),
        ("Получатель", ""),
        (CREATED, &exported),
        ("ВремяСоздания", &time),
        (FIRST_DAY, &payment_date),
        (LAST_DAY, &payment_date),
        (ACCOUNT, &payer.account.number),
        ("Документ", PAYMENT_ORDER),
    ];
    for (name, value) in head {
        file.field(name, value)?;
    }
    for Written { order, purpose, amount, .. } in orders {
        file.order = order.number;
        file.field(SECTION_OF_DOCUMENT, PAYMENT_ORDER)?;
        file.field(NUMBER, &order.number.to_string())?;
        file.field(DATE, &payment_date)?;
        file.field(AMOUNT, &amount.to_string())?;
        for (party, fields) in [(&order.payer, &PAYER), (&order.payee, &PAYEE)] {
            for (name, value) in side(party, fields) {
                file.field(name, &value)?;
            }
        }
        file.field("ВидПлатежа", "")?;
        // Code 01 is a payment order; the priority is that of a payment that is no tax, no wage and no enforcement.
        file.field("ВидОплаты", "01")?;
        file.field("Очередность", "5")?;
        file.field(PURPOSE, purpose)?;
        file.line(END_OF_DOCUMENT)?;
    }
    file.line(END_OF_FILE)?;
    Ok(file.bytes)
}

/// Lines that end with CRLF, in an encoding.
struct Lines {
    encoding: Encoding,
    bytes: Vec<u8>,
    /// Number of the order that is written.
    order: u32,
}

impl Lines {
    fn field(&mut self, name: &str, value: &str) -> Result<(), OrderError> {
        self.line(&format!("{name}={value}"))
    }

    fn line(&mut self, line: &str) -> Result<(), OrderError> {
        let encoded = self.encoding.encode(line).map_err(|character| {
            let why = format!("{character:?} cannot be written in {}: write the file in UTF-8", self.encoding.name());
            OrderError { number: self.order, field: "text", why }
        })?;
        self.bytes.extend(encoded);
        self.bytes.extend(b"\r\n");
        Ok(())
    }
}

fn side(party: &Party, fields: &'static SideFields) -> Vec<(&'static str, String)> {
    let bank_code = match &party.account.bank {
        BankCode::National { code, .. } | BankCode::Bic(code) => code.clone(),
        BankCode::None => String::new(),
    };
    let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
    let with_tax_id = match &party.tax_id {
        Some(tax_id) => format!("ИНН {tax_id} {}", party.name),
        None => party.name.clone(),
    };
    vec![
        (fields.account, party.account.number.clone()),
        (fields.name, with_tax_id),
        (fields.tax_id, or_empty(&party.tax_id)),
        (fields.tax_code, or_empty(&party.tax_code)),
        (fields.first_name, party.name.clone()),
        (fields.direct_account, party.account.number.clone()),
        (fields.bank, or_empty(&party.account.bank_name)),
        (fields.bank_code, bank_code),
        (fields.correspondent, or_empty(&party.account.correspondent)),
    ]
}

// ------------------------------------------------------------------------------------------------------ statements

/// The fields that are read, by their names, each with its line.
#[derive(Default)]
struct Fields<'a> {
    begins: u64,
    values: BTreeMap<&'a str, (u64, Cow<'a, str>)>,
}

impl<'a> Fields<'a> {
    /// Keeps a field if it is one that is read: of the many others that banks have, nothing is believed.
    fn put(&mut self, line: u64, name: &'a str, value: &'a str) -> Result<(), FileError> {
        if is_known(name) && self.values.insert(name, (line, Cow::Borrowed(value))).is_some() {
            return Err(FileError::at(line, name, Fault::Twice));
        }
        Ok(())
    }

    fn text(&self, name: &str) -> &str {
        self.values.get(name).map_or("", |(_, value)| value)
    }

    fn line(&self, name: &str) -> u64 {
        self.values.get(name).map_or(self.begins, |(line, _)| *line)
    }

    fn error(&self, name: &str, fault: Fault) -> FileError {
        FileError::at(self.line(name), name, fault)
    }

    /// The day in a field, or none if it is empty or not there.
    fn day(&self, name: &str) -> Result<Option<Date>, FileError> {
        match self.text(name) {
            "" => Ok(None),
            text => dotted_day(text).map(Some).map_err(|fault| self.error(name, fault)),
        }
    }

    fn money(&self, name: &str, own: &Own) -> Result<Option<Decimal>, FileError> {
        match self.text(name) {
            "" => Ok(None),
            text => signed_amount(text, own.currency()).map(Some).map_err(|fault| self.error(name, fault)),
        }
    }
}

/// The balances and totals of an account over some days.
struct Turnover<'a> {
    account: String,
    fields: Fields<'a>,
    days: Option<Period>,
    opening: Option<Balance>,
    closing: Option<Balance>,
    came: Option<Decimal>,
    went: Option<Decimal>,
}

/// Reads a statement.
pub(crate) fn read(bytes: &[u8], own: &Own) -> Result<BankFile, FileError> {
    let (text, encoding) = decoded(bytes)?;
    if text.split('\n').next().map(str::trim) != Some(FIRST_LINE) {
        return Err(FileError::at(1, "", Fault::UnknownFormat));
    }
    let mut walk = Walk::new(&text);
    let mut head = Fields { begins: 1, ..Fields::default() };
    let mut accounts: Vec<(u64, String)> = Vec::new();
    let mut turnovers: Vec<Turnover<'_>> = Vec::new();
    let mut documents: Vec<Fields<'_>> = Vec::new();
    loop {
        let (line, name, value) = walk.next()?;
        match name {
            END_OF_FILE => break,
            ACCOUNT => accounts.push((line, own.account(value, line, ACCOUNT)?)),
            SECTION_OF_ACCOUNT => {
                turnovers.push(turnover(walk.section(line, END_OF_ACCOUNT)?, own)?);
                if turnovers.len() > SECTIONS_MAX {
                    let what = "sections of accounts stand in the file";
                    let fault = Fault::TooMuch { what, found: turnovers.len(), max: SECTIONS_MAX };
                    return Err(FileError::at(line, name, fault));
                }
            }
            SECTION_OF_DOCUMENT => {
                if documents.len() == LINES_MAX {
                    return Err(FileError::at(line, name, Fault::TooManyLines { lines_max: LINES_MAX }));
                }
                documents.push(walk.section(line, END_OF_DOCUMENT)?);
            }
            END_OF_ACCOUNT | END_OF_DOCUMENT => {
                return Err(FileError::at(line, name, Fault::Malformed("nothing was begun that ends here".to_owned())));
            }
            // Kinds of documents that are in the file.
            "Документ" => {}
            _ => head.put(line, name, value)?,
        }
    }
    walk.nothing_follows()?;
    let created = head.day(CREATED)?;
    let days = days(&head)?;
    let mut statements: Vec<Statement> = Vec::new();
    let of_turnovers = turnovers.iter().map(|turnover| (turnover.fields.begins, turnover.account.clone()));
    for (line, account) in accounts.into_iter().chain(of_turnovers) {
        check_currency(&account, own, line)?;
        if !statements.iter().any(|statement| statement.account == account) {
            let (opening, closing, whole_days, lines) = (None, None, whole(days, created), Vec::new());
            statements.push(Statement { account, file_line: line, opening, closing, whole_days, lines });
        }
    }
    if statements.is_empty() {
        return Err(FileError::at(1, ACCOUNT, Fault::Missing));
    }
    for document in &documents {
        let mut is_own = false;
        for statement in &mut statements {
            for (sign, own_side, other_side) in [(Sign::Debit, &PAYER, &PAYEE), (Sign::Credit, &PAYEE, &PAYER)] {
                let is_side = |name: &str| account_number(document.text(name)) == statement.account;
                if is_side(own_side.account) || is_side(own_side.direct_account) {
                    statement.lines.push(line_of(document, sign, other_side, own)?);
                    is_own = true;
                }
            }
        }
        if !is_own {
            let found = format!("{} to {}", shown(document.text(PAYER.account)), shown(document.text(PAYEE.account)));
            return Err(document.error(PAYER.account, Fault::ForeignAccount { found }));
        }
    }
    for statement in &mut statements {
        let own_turnovers: Vec<&Turnover<'_>> =
            turnovers.iter().filter(|turnover| turnover.account == statement.account).collect();
        with_balances(statement, &own_turnovers, created)?;
    }
    Ok(BankFile::new(FileFormat::Exchange, encoding, statements))
}

/// The text of a file. UTF-8 proves itself; of the other two, the names of the fields do.
fn decoded(bytes: &[u8]) -> Result<(String, Encoding), FileError> {
    if let Ok(text) = Encoding::Utf8.decode(bytes) {
        return Ok((text, Encoding::Utf8));
    }
    for (encoding, declared) in [(Encoding::Windows1251, "Windows"), (Encoding::Dos866, "DOS")] {
        let name = encoding.encode(ENCODING).expect("both have the letters of Russian");
        let is_declared = |line: &[u8]| line.strip_prefix(name.as_slice()).is_some_and(|rest| rest.starts_with(b"="));
        let Some((at, line)) = (1_u64..).zip(bytes.split(|byte| *byte == b'\n')).find(|(_, line)| is_declared(line))
        else {
            continue;
        };
        let value = line[name.len() + 1..].trim_ascii();
        if !value.eq_ignore_ascii_case(declared.as_bytes()) {
            let found = shown(&String::from_utf8_lossy(value));
            let why = format!("the file says {found}, and its bytes are those of {}", encoding.name());
            return Err(FileError::at(at, ENCODING, Fault::Encoding(why)));
        }
        return match encoding.decode(bytes) {
            Ok(text) => Ok((text, encoding)),
            Err(place) => {
                let line = bytes[..place].iter().filter(|byte| **byte == b'\n').count() + 1;
                let line = u64::try_from(line).expect("a count of what is in memory");
                let why = format!("{:#04x} is no character of {}", bytes[place], encoding.name());
                Err(FileError::at(line, "", Fault::Encoding(why)))
            }
        };
    }
    let why = "its bytes are neither UTF-8 nor windows-1251 nor code page 866".to_owned();
    Err(FileError::at(1, "", Fault::Encoding(why)))
}

/// Goes through the lines of a file.
struct Walk<'a> {
    lines: Zip<RangeFrom<u64>, Split<'a, char>>,
    last: u64,
}

impl<'a> Walk<'a> {
    fn new(text: &'a str) -> Self {
        let mut lines = (1..).zip(text.split('\n'));
        lines.next();
        Self { lines, last: 1 }
    }

    /// The next line that is not empty, without blanks around it.
    fn line(&mut self) -> Result<(u64, &'a str), FileError> {
        for (number, line) in self.lines.by_ref() {
            self.last = number;
            let line = line.trim();
            if !line.is_empty() {
                return Ok((number, line));
            }
        }
        Err(FileError::at(self.last, END_OF_FILE, Fault::Truncated(format!("{END_OF_FILE} is missing"))))
    }

    /// The next line: a name, and what stands behind `=`.
    fn next(&mut self) -> Result<(u64, &'a str, &'a str), FileError> {
        let (number, line) = self.line()?;
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        Ok((number, name.trim_end(), value.trim_start()))
    }

    /// The fields up to the end of a section.
    fn section(&mut self, begins: u64, end: &str) -> Result<Fields<'a>, FileError> {
        let mut fields = Fields { begins, ..Fields::default() };
        let mut purpose_is_last = false;
        loop {
            let (number, line) = self.line()?;
            if line == end {
                return Ok(fields);
            }
            let (name, value) = match line.split_once('=') {
                Some((name, value)) => (name.trim_end(), value.trim_start()),
                None => (line, ""),
            };
            if MARKS.contains(&name) {
                let why = format!("{end} is missing before {name}, of what began in line {begins}");
                return Err(FileError::at(number, name, Fault::Truncated(why)));
            }
            // Some banks break a long purpose, and what they break off has no name.
            if purpose_is_last && !line.contains('=') {
                if let Some((_, purpose)) = fields.values.get_mut(PURPOSE) {
                    *purpose = Cow::Owned(format!("{purpose} {line}"));
                }
                continue;
            }
            purpose_is_last = name == PURPOSE;
            fields.put(number, name, value)?;
        }
    }

    /// Refuses lines behind the end.
    fn nothing_follows(&mut self) -> Result<(), FileError> {
        match self.lines.find(|(_, line)| !line.trim().is_empty()) {
            None => Ok(()),
            Some((line, _)) => {
                Err(FileError::at(line, "", Fault::Malformed(format!("something stands behind {END_OF_FILE}"))))
            }
        }
    }
}

/// Whether a field is one that is read.
fn is_known(name: &str) -> bool {
    let of_side = |side: &SideFields| {
        [side.account, side.name, side.first_name, side.tax_id, side.direct_account, side.bank_code].contains(&name)
    };
    let others =
        [CREATED, FIRST_DAY, LAST_DAY, ACCOUNT, OPENING, CAME, WENT, CLOSING, NUMBER, DATE, AMOUNT, LEFT_ON, CAME_ON];
    others.contains(&name) || of_side(&PAYER) || of_side(&PAYEE) || name == PURPOSE || PURPOSES.contains(&name)
}

fn days(fields: &Fields<'_>) -> Result<Option<Period>, FileError> {
    let (Some(first), Some(last)) = (fields.day(FIRST_DAY)?, fields.day(LAST_DAY)?) else { return Ok(None) };
    match Period::of(first, last) {
        Some(days) => Ok(Some(days)),
        None => Err(fields.error(LAST_DAY, Fault::Date(dotted(last), ", for it is before the first one"))),
    }
}

/// The days that were over when the file was made.
fn whole(days: Option<Period>, created: Option<Date>) -> Option<Period> {
    let days = days?;
    let before = created.and_then(|created| created.yesterday().ok());
    Period::of(days.first, before?.min(days.last))
}

fn turnover<'a>(fields: Fields<'a>, own: &Own) -> Result<Turnover<'a>, FileError> {
    let account = own.account(fields.text(ACCOUNT), fields.line(ACCOUNT), ACCOUNT)?;
    let days = days(&fields)?;
    let balance = |name: &str, date: Option<Date>| -> Result<Option<Balance>, FileError> {
        let amount = fields.money(name, own)?;
        Ok(amount.map(|amount| Balance { amount, date, file_line: fields.line(name) }))
    };
    let opening = balance(OPENING, days.map(|days| days.first))?;
    let closing = balance(CLOSING, days.map(|days| days.last))?;
    let (came, went) = (fields.money(CAME, own)?, fields.money(WENT, own)?);
    Ok(Turnover { account, fields, days, opening, closing, came, went })
}

/// Puts the balances of an account's sections, of which there may be one a day, into its statement.
fn with_balances(
    statement: &mut Statement,
    turnovers: &[&Turnover<'_>],
    created: Option<Date>,
) -> Result<(), FileError> {
    let mut before: Option<&Turnover<'_>> = None;
    for &turnover in turnovers {
        let fields = &turnover.fields;
        if let (Some(closing), Some(opening)) = (before.and_then(|before| before.closing), turnover.opening)
            && closing.amount != opening.amount
        {
            let fault = Fault::BalancesBreak { expected: closing.amount, found: opening.amount };
            return Err(fields.error(OPENING, fault));
        }
        for (name, said, sign) in [(CAME, turnover.came, Sign::Credit), (WENT, turnover.went, Sign::Debit)] {
            let of_section = |line: &&Line| {
                line.state == LineState::Booked
                    && line.sign == sign
                    && turnover.days.is_none_or(|days| line.booking_date.is_some_and(|date| days.holds(date)))
            };
            let sum: Decimal = statement.lines.iter().filter(of_section).map(|line| line.amount).sum();
            // Of several sections that name no days, it is not known which lines are whose.
            let is_whose = turnover.days.is_some() || turnovers.len() == 1;
            if let Some(said) = said.filter(|said| is_whose && *said != sum) {
                return Err(fields.error(name, Fault::TotalDiffers { said, sum }));
            }
        }
        if before.is_none() {
            statement.opening = turnover.opening;
        }
        statement.closing = turnover.closing;
        before = Some(turnover);
        // What the sections say of days goes before what the head of the file says.
        if let Some(days) = turnover.days {
            let first = statement.opening.and_then(|opening| opening.date).unwrap_or(days.first);
            statement.whole_days = whole(Period::of(first, days.last), created);
        }
    }
    Ok(())
}

/// Digits 6 to 8 of a Russian account are its currency.
///
/// Source: Bank of Russia, chart of accounts; 810 is the code that the rouble has there.
fn check_currency(account: &str, own: &Own, line: u64) -> Result<(), FileError> {
    if account.len() != 20 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    let code = match &account[5..8] {
        "810" | "643" => "RUB",
        "840" => "USD",
        "978" => "EUR",
        "156" => "CNY",
        "398" => "KZT",
        "933" => "BYN",
        _ => return Ok(()),
    };
    own.check_currency(code, line, ACCOUNT)
}

fn line_of(document: &Fields<'_>, sign: Sign, other: &SideFields, own: &Own) -> Result<Line, FileError> {
    let text_amount = document.text(AMOUNT);
    let amount = amount(text_amount, own.currency()).map_err(|fault| document.error(AMOUNT, fault))?;
    // It is not needed, but one that is no date is a file that was broken.
    document.day(DATE)?;
    let (left, came) = (document.day(LEFT_ON)?, document.day(CAME_ON)?);
    // The day of the own side; banks that have but one of the two days write it in either.
    let booking_date = match sign {
        Sign::Debit => left.or(came),
        Sign::Credit => came.or(left),
    };
    let or_none = |name: &str| said(document.text(name));
    let name = or_none(other.first_name).or_else(|| or_none(other.name).map(|name| without_tax_id(&name)));
    let account =
        or_none(other.account).or_else(|| or_none(other.direct_account)).map(|number| account_number(&number));
    let mut text = cleaned(document.text(PURPOSE));
    if text.is_empty() {
        let parts: Vec<String> = PURPOSES.into_iter().filter_map(or_none).collect();
        text = cleaned(&parts.join(" "));
    }
    Ok(Line {
        file_line: document.begins,
        state: if booking_date.is_some() { LineState::Booked } else { LineState::Pending },
        booking_date,
        value_date: booking_date,
        sign,
        amount,
        currency: own.currency(),
        kind: kind_of(account.as_deref()),
        reversal: false,
        return_reason: None,
        other: OtherSide { account, bank: or_none(other.bank_code), name, tax_id: or_none(other.tax_id) },
        bank_reference: None,
        end_to_end_id: None,
        document_number: or_none(NUMBER),
        text,
        payments: 1,
    })
}

/// What a line is, by the other side's account: some are the bank's own, and nobody else's.
///
/// Source: Bank of Russia, chart of accounts of banks (809-P): 70601 income, 70606 expenses, 47423 claims of other operations,
/// 47426 interest that is owed.
fn kind_of(account: Option<&str>) -> LineKind {
    match account.filter(|number| number.len() == 20).and_then(|number| number.get(..5)) {
        Some("70601" | "47423") => LineKind::Charge,
        Some("70606" | "47426") => LineKind::Interest,
        Some(_) | None => LineKind::Payment,
    }
}

/// A name as some write it, with the tax id before it.
fn without_tax_id(name: &str) -> String {
    let behind = name
        .strip_prefix("ИНН")
        .map(|rest| rest.trim_start().trim_start_matches(|letter: char| letter.is_ascii_digit()));
    behind.map(str::trim).filter(|name| !name.is_empty()).unwrap_or(name).to_owned()
}
