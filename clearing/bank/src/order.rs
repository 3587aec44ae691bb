//! Payment orders of a settlement, and the files that they go into: one for each payer, made for its own bank.

use clearing_core::units::{Currency, check_text, shown};
use jiff::civil::{Date, DateTime};
use rust_decimal::Decimal;

use crate::encoding::Encoding;
use crate::fault::OrderError;
use crate::reference::{Reference, message_id};
use crate::{exchange, pain, sheet};

/// Amounts and sums in files have at most 18 digits.
///
/// Source: ISO 20022, `ActiveOrHistoricCurrencyAndAmount`.
const AMOUNT_END: i128 = 10_i128.pow(18);

/// Whose accounts and codes of banks are digits, and whose banks files of 1C are for.
pub(crate) const RUSSIA: &str = "RU";

/// What is to be paid of a settlement, as it was exported.
#[derive(Debug, Clone)]
pub struct Payments {
    /// The coalition's domain. References are made with it, so that two coalitions never have the same.
    pub coalition: String,
    /// Number of the settlement's window.
    pub window: i64,
    /// Which export of the settlement this is, from 1: one that replaces another counts on. Orders keep their references, and
    /// files get other names, so that the bank does not take the second for the first.
    pub export: u32,
    /// When it was exported, in the coalition's time zone, as it is recorded; never the time at which a file is made.
    pub exported: DateTime,
    /// The day on which the banks shall pay.
    pub payment_date: Date,
    /// The currency of all amounts.
    pub currency: Currency,
    /// The orders, in the order of their numbers.
    pub orders: Vec<Order>,
    /// What is written as purpose, with the words in braces filled in: `{window}`, `{number}`, `{coalition}`, `{payer}`,
    /// `{payee}` and `{reference}`, which must be there. [`Format::purpose`] is a good one.
    pub purpose: String,
}

/// One payment order.
#[derive(Debug, Clone)]
pub struct Order {
    /// Its number in the settlement, from 1 to 999,999; the payment order of 1C has it.
    pub number: u32,
    pub payer: Party,
    pub payee: Party,
    /// More than zero, in whole minor units of the currency.
    pub amount: Decimal,
}

/// Who pays or is paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Party {
    /// A partner id, `operator`, `hub` or `funds`.
    pub id: String,
    /// The holder of the account, as the bank knows it.
    pub name: String,
    /// Its tax id (in Russia the INN), where files have one.
    pub tax_id: Option<String>,
    /// In Russia the KPP.
    pub tax_code: Option<String>,
    pub account: Account,
}

/// An account at a bank. Check digits are not looked at here: whoever keeps accounts has done it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// An IBAN if `bank` is none or a BIC, else the number that the bank gave it.
    pub number: String,
    pub bank: BankCode,
    /// The bank's name, where files have it.
    pub bank_name: Option<String>,
    /// In Russia the bank's account at the central bank.
    pub correspondent: Option<String>,
}

impl Account {
    /// An IBAN is the same whatever else is said of it; another number, if the bank is.
    fn is_same_as(&self, other: &Self) -> bool {
        let is_national = |account: &Self| matches!(account.bank, BankCode::National { .. });
        self.number == other.number && (self.bank == other.bank || !is_national(self) && !is_national(other))
    }

    pub(crate) fn is_russian(&self) -> bool {
        matches!(&self.bank, BankCode::National { country, .. } if country == RUSSIA)
    }
}

/// How a bank is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BankCode {
    /// By the IBAN alone.
    None,
    /// ISO 9362.
    Bic(String),
    /// By the code of its country: two capital letters (`RU`), and there (the BIK, nine digits).
    National { country: String, code: String },
}

/// The form of a file of orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// ISO 20022, pain.001.001.09.
    Pain001,
    /// `1CClientBankExchange`, in windows-1251 or UTF-8.
    Exchange(Encoding),
    /// CSV after RFC 4180, for people and programs of their own.
    Csv,
}

impl Format {
    /// How the names of its files end.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Pain001 => "xml",
            Self::Exchange(_) => "txt",
            Self::Csv => "csv",
        }
    }

    /// A purpose for payments in this form.
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Pain001 | Self::Csv => "{reference} Settlement of window {window}, order {number}, {coalition}",
            Self::Exchange(_) => {
                "{reference} Расчеты по программе {coalition}, окно {window}, поручение {number}. НДС не облагается."
            }
        }
    }

    /// Characters of a purpose, at most.
    fn purpose_max(self) -> usize {
        match self {
            Self::Pain001 | Self::Csv => 140,
            Self::Exchange(_) => 210,
        }
    }
}

/// A file for one payer's bank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The payer's id.
    pub payer: String,
    /// Such as `orders-7-FUEL.xml`.
    pub name: String,
    /// What the file is called for the bank, made from all that is in it.
    pub message_id: String,
    pub bytes: Vec<u8>,
}

/// An order, checked, with what is written of it.
pub(crate) struct Written<'a> {
    pub(crate) order: &'a Order,
    pub(crate) reference: Reference,
    pub(crate) purpose: String,
    /// With the digits of the currency's minor unit.
    pub(crate) amount: Decimal,
}

/// One file for each payer, in the order of their ids: orders of HUB have one payer, those of PAIRWISE several, each with a bank
/// of its own. The same payments give the same bytes.
///
/// # Errors
/// [`OrderError`] for the first order that cannot be written; then no file is made.
pub fn files(payments: &Payments, format: Format) -> Result<Vec<File>, OrderError> {
    let mut written =
        payments.orders.iter().map(|order| payments.written(order, format)).collect::<Result<Vec<_>, _>>()?;
    written.sort_by(|one, other| {
        one.order.payer.id.cmp(&other.order.payer.id).then(one.order.number.cmp(&other.order.number))
    });
    for pair in written.windows(2) {
        let [one, other] = [pair[0].order, pair[1].order];
        let refused = |why: String| Err(OrderError { number: other.number, field: "payer", why });
        if one.payer.id == other.payer.id && one.payer != other.payer {
            return refused(format!("{} has another account or name than in order {}", other.payer.id, one.number));
        }
        if one.number == other.number {
            return refused("two orders of a payer have one number".to_owned());
        }
    }
    let mut references: Vec<&Reference> = written.iter().map(|written| &written.reference).collect();
    references.sort();
    if let Some(twice) = references.windows(2).find(|pair| pair[0] == pair[1]) {
        let twice = written.iter().filter(|written| written.reference == *twice[0]).nth(1).expect("found twice");
        let why = format!("{} pays {} in another order as well", twice.order.payer.id, twice.order.payee.id);
        return Err(OrderError { number: twice.order.number, field: "payee", why });
    }
    written
        .chunk_by(|one, other| one.order.payer.id == other.order.payer.id)
        .map(|orders| payments.file(orders, format))
        .collect()
}

impl Payments {
    fn file(&self, orders: &[Written<'_>], format: Format) -> Result<File, OrderError> {
        let payer = &orders[0].order.payer;
        let sum: Decimal = orders.iter().map(|written| written.amount).sum();
        if sum.mantissa() >= AMOUNT_END {
            let why = format!("the orders of {} come to {sum}, and a file holds a sum of 18 digits", payer.id);
            return Err(OrderError { number: 0, field: "amount", why });
        }
        let message_id = self.message_id(orders, format);
        let bytes = match format {
            Format::Pain001 => pain::write(self, orders, &message_id).into_bytes(),
            Format::Exchange(encoding) => exchange::write(self, orders, encoding)?,
            Format::Csv => sheet::write(self, orders).into_bytes(),
        };
        let name = format!("orders-{}-{}.{}", self.window, payer.id, format.extension());
        Ok(File { payer: payer.id.clone(), name, message_id, bytes })
    }

    /// A name that changes with whatever a bank would do otherwise.
    fn message_id(&self, orders: &[Written<'_>], format: Format) -> String {
        let head = [
            self.coalition.clone(),
            self.window.to_string(),
            self.export.to_string(),
            self.exported.to_string(),
            self.payment_date.to_string(),
            self.currency.to_string(),
            format.extension().to_owned(),
        ];
        let party = |party: &Party| {
            let Party { id, name, tax_id, tax_code, account: Account { number, bank, bank_name, correspondent } } =
                party;
            let bank = match bank {
                BankCode::None => "-".to_owned(),
                BankCode::Bic(code) => format!("BIC {code}"),
                BankCode::National { country, code } => format!("{country} {code}"),
            };
            let or_none = |text: &Option<String>| text.as_ref().map_or("-".to_owned(), |text| format!("+{text}"));
            let more = [tax_id, tax_code, bank_name, correspondent].map(or_none);
            [vec![id.clone(), name.clone(), number.clone(), bank], more.to_vec()].concat()
        };
        let mut content = head.to_vec();
        content.extend(party(&orders[0].order.payer));
        for Written { order, reference, purpose, amount } in orders {
            content.extend([order.number.to_string(), reference.to_string(), purpose.clone(), amount.to_string()]);
            content.extend(party(&order.payee));
        }
        message_id(self.window, &content.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn written<'a>(&self, order: &'a Order, format: Format) -> Result<Written<'a>, OrderError> {
        let refused = |field: &'static str, why: String| OrderError { number: order.number, field, why };
        if !(1..=999_999).contains(&order.number) {
            return Err(refused("number", "a payment order has a number from 1 to 999999".to_owned()));
        }
        let digits = self.currency.minor_digits();
        let mut amount = order.amount.normalize();
        if amount.scale() > digits {
            let why = format!("{amount} has {} decimals, and {} has {digits}", amount.scale(), self.currency);
            return Err(refused("amount", why));
        }
        amount.rescale(digits);
        if amount <= Decimal::ZERO || amount.mantissa() >= AMOUNT_END {
            return Err(refused("amount", format!("{amount} is not more than zero and of at most 18 digits")));
        }
        for (party, fields) in [(&order.payer, PAYER), (&order.payee, PAYEE)] {
            check_party(party, fields, format).map_err(|(field, why)| refused(field, why))?;
        }
        if order.payer.account.is_same_as(&order.payee.account) {
            return Err(refused("payee's account", "it is the payer's".to_owned()));
        }
        let reference = Reference::of(&self.coalition, self.window, &order.payer.id, &order.payee.id);
        let purpose = self.purpose_of(order, &reference).map_err(|why| refused("purpose", why))?;
        check_text(&purpose, format.purpose_max()).map_err(|malformed| refused("purpose", malformed.0))?;
        if !Reference::all_in(&purpose).contains(&reference) {
            let why = "{reference} is not in it, so the payment would not be known when it comes".to_owned();
            return Err(refused("purpose", why));
        }
        Ok(Written { order, reference, purpose, amount })
    }

    fn purpose_of(&self, order: &Order, reference: &Reference) -> Result<String, String> {
        let mut purpose = String::new();
        let mut rest = self.purpose.as_str();
        while let Some((before, behind)) = rest.split_once('{') {
            let (word, after) = behind.split_once('}').ok_or("a brace is not closed")?;
            purpose.push_str(before);
            match word {
                "window" => purpose.push_str(&self.window.to_string()),
                "number" => purpose.push_str(&order.number.to_string()),
                "coalition" => purpose.push_str(&self.coalition),
                "payer" => purpose.push_str(&order.payer.id),
                "payee" => purpose.push_str(&order.payee.id),
                "reference" => purpose.push_str(reference.as_str()),
                _ => return Err(format!("{} is no word that is filled in", shown(&format!("{{{word}}}")))),
            }
            rest = after;
        }
        purpose.push_str(rest);
        Ok(purpose)
    }
}

/// What errors call the fields of a party.
struct Fields {
    id: &'static str,
    name: &'static str,
    tax: &'static str,
    account: &'static str,
    bank: &'static str,
}

const PAYER: Fields = Fields {
    id: "payer",
    name: "payer's name",
    tax: "payer's tax id",
    account: "payer's account",
    bank: "payer's bank",
};
const PAYEE: Fields = Fields {
    id: "payee",
    name: "payee's name",
    tax: "payee's tax id",
    account: "payee's account",
    bank: "payee's bank",
};

/// Refuses what a file of the form could not hold, or what could make another file of it: nothing is mended, for a bank pays
/// whom the file names.
fn check_party(party: &Party, fields: Fields, format: Format) -> Result<(), (&'static str, String)> {
    let Party { id, name, tax_id, tax_code, account } = party;
    // It becomes a part of the file's name.
    if id.is_empty() || id.len() > 31 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
        return Err((fields.id, format!("{} is no id of a partner", shown(id))));
    }
    check_text(name, 140).map_err(|malformed| (fields.name, malformed.0))?;
    let capitals = |text: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    for tax in [tax_id, tax_code].into_iter().flatten() {
        if !capitals(tax, 1..=35) {
            return Err((fields.tax, format!("{} is no tax id: 1 to 35 of A-Z and 0-9 are", shown(tax))));
        }
    }
    let number = account.number.as_str();
    match &account.bank {
        BankCode::None | BankCode::Bic(_) => {
            let country = number.len() > 4 && number.as_bytes()[..2].iter().all(u8::is_ascii_uppercase);
            if !country || !number.as_bytes()[2..4].iter().all(u8::is_ascii_digit) || !capitals(number, 5..=34) {
                return Err((fields.account, format!("{} is no IBAN", shown(number))));
            }
            if let BankCode::Bic(code) = &account.bank
                && (!(code.len() == 8 || code.len() == 11) || !capitals(code, 8..=11))
            {
                return Err((fields.bank, format!("{} is no BIC", shown(code))));
            }
        }
        BankCode::National { country, code } if country == RUSSIA => {
            if !digits(code, 9) {
                return Err((fields.bank, format!("{} is no BIK: nine digits are", shown(code))));
            }
            if !digits(number, 20) {
                return Err((fields.account, format!("{} is no account of Russia: 20 digits are", shown(number))));
            }
        }
        BankCode::National { country, code } => {
            let alphanumeric = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
            if country.len() != 2 || !country.bytes().all(|byte| byte.is_ascii_uppercase()) {
                return Err((fields.bank, format!("{} is no country: two capital letters are", shown(country))));
            }
            if !(1..=35).contains(&code.len()) || !alphanumeric(code) {
                return Err((
                    fields.bank,
                    format!("{} is no code of a bank: 1 to 35 letters and digits are", shown(code)),
                ));
            }
            if !(1..=34).contains(&number.len()) || !alphanumeric(number) {
                return Err((
                    fields.account,
                    format!("{} is no account: 1 to 34 letters and digits are", shown(number)),
                ));
            }
        }
    }
    if let Some(name) = &account.bank_name {
        check_text(name, 140).map_err(|malformed| (fields.bank, malformed.0))?;
    }
    if matches!(format, Format::Exchange(_)) {
        if !account.is_russian() {
            return Err((fields.bank, "files of 1C name banks by their BIK: write pain.001 for this payer".to_owned()));
        }
        if let Some(correspondent) = account.correspondent.as_deref().filter(|number| !digits(number, 20)) {
            return Err((fields.bank, format!("{} is no correspondent account: 20 digits are", shown(correspondent))));
        }
    }
    Ok(())
}
