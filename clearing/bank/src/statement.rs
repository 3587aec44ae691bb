//! What a bank's file says: lines and balances of accounts, what names a line, and whether the balances tie.

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::units::Currency;
use data_encoding::BASE32_NOPAD;
use jiff::civil::Date;
use rust_decimal::Decimal;
use sha2::{Digest as _, Sha256};

use crate::encoding::Encoding;
use crate::fault::{Fault, FileError};
use crate::text::account_number;

/// The coalition's own accounts at its banks, and the one currency that they are kept in.
#[derive(Debug, Clone)]
pub struct Own {
    currency: Currency,
    accounts: BTreeSet<String>,
}

impl Own {
    /// Accounts by their numbers (an IBAN, or what the bank calls them), however they are spaced.
    pub fn new<T: AsRef<str>>(currency: Currency, accounts: impl IntoIterator<Item = T>) -> Self {
        Self { currency, accounts: accounts.into_iter().map(|number| account_number(number.as_ref())).collect() }
    }

    /// The currency of the accounts.
    pub fn currency(&self) -> Currency {
        self.currency
    }

    /// The number as it is compared, if the account is one of these.
    pub(crate) fn account(&self, number: &str, line: u64, field: &str) -> Result<String, FileError> {
        let found = account_number(number);
        if found.is_empty() {
            return Err(FileError::at(line, field, Fault::Missing));
        }
        if !self.accounts.contains(&found) {
            return Err(FileError::at(line, field, Fault::ForeignAccount { found }));
        }
        Ok(found)
    }

    /// Refuses another currency.
    pub(crate) fn check_currency(&self, code: &str, line: u64, field: &str) -> Result<(), FileError> {
        if code == self.currency.as_str() {
            return Ok(());
        }
        let (found, expected) = (clearing_core::units::shown(code), self.currency.to_string());
        Err(FileError::at(line, field, Fault::OtherCurrency { found, expected }))
    }
}

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// A statement of ISO 20022, of the version such as 8.
    Camt053(u8),
    /// A notification of ISO 20022, of the version such as 8.
    Camt054(u8),
    /// 1C's text format.
    Exchange,
    /// CSV.
    Csv,
}

/// A bank's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BankFile {
    /// Its form.
    pub format: FileFormat,
    /// How its characters are written.
    pub encoding: Encoding,
    /// SHA-256 of its bytes, all of them as they are.
    pub hash: [u8; 32],
    /// What it says of each account, in its order.
    pub statements: Vec<Statement>,
}

impl BankFile {
    pub(crate) fn new(format: FileFormat, encoding: Encoding, statements: Vec<Statement>) -> Self {
        Self { format, encoding, hash: [0; 32], statements }
    }

    /// With the hash of the bytes that it was read from, once everything ties.
    pub(crate) fn sealed(mut self, bytes: &[u8]) -> Result<Self, FileError> {
        for statement in &self.statements {
            statement.check_tie()?;
        }
        self.doubt_days_of_several();
        self.hash = Sha256::digest(bytes).into();
        Ok(self)
    }

    /// Of a day that two statements of an account are about, neither holds all.
    fn doubt_days_of_several(&mut self) {
        let mut days: BTreeMap<&str, Vec<(Period, usize)>> = BTreeMap::new();
        for (at, statement) in self.statements.iter().enumerate() {
            days.entry(&statement.account).or_default().extend(statement.whole_days.map(|days| (days, at)));
        }
        let mut doubted = BTreeSet::new();
        for of_account in days.values_mut() {
            of_account.sort_by_key(|(days, _)| days.first);
            // The one that reaches furthest so far.
            let mut longest: Option<(Period, usize)> = None;
            for &(days, at) in of_account.iter() {
                match longest {
                    Some((before, whose)) if days.first <= before.last => doubted.extend([whose, at]),
                    Some(_) | None => {}
                }
                if longest.is_none_or(|(before, _)| before.last < days.last) {
                    longest = Some((days, at));
                }
            }
        }
        for at in doubted {
            self.statements[at].whole_days = None;
        }
    }

    /// Refuses a file in which a line was booked, or a closing balance is, on another day than these.
    ///
    /// # Errors
    /// [`Fault::OtherDay`], with the first line of the file that is.
    pub fn check_days(&self, days: Period) -> Result<(), FileError> {
        let Period { first, last } = days;
        for statement in &self.statements {
            let lines = statement.lines.iter().map(|line| (line.file_line, "booking date", line.booking_date));
            let closing = statement.closing.map(|closing| (closing.file_line, "closing balance", closing.date));
            for (line, field, found) in lines.chain(closing) {
                if let Some(found) = found.filter(|found| !days.holds(*found)) {
                    return Err(FileError::at(line, field, Fault::OtherDay { found, first, last }));
                }
            }
        }
        Ok(())
    }

    /// Lines of all accounts.
    pub fn lines(&self) -> usize {
        self.statements.iter().map(|statement| statement.lines.len()).sum()
    }
}

/// What a file says of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The own account.
    pub account: String,
    /// Line of the file where this begins.
    pub file_line: u64,
    /// The balance before the first line, if the file has it.
    pub opening: Option<Balance>,
    /// The balance behind the last line that is booked, if the file has it.
    pub closing: Option<Balance>,
    /// The days of which the file holds everything that was booked; none if it may be a part of any day.
    pub whole_days: Option<Period>,
    /// What moved, in the order of the file.
    pub lines: Vec<Line>,
}

/// What an account held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// In the account's currency, below zero if it was overdrawn.
    pub amount: Decimal,
    /// Of which day, if the file says it.
    pub date: Option<Date>,
    /// Line of the file.
    pub file_line: u64,
}

/// Days from the first to the last, both of them included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    pub first: Date,
    pub last: Date,
}

impl Period {
    /// None if it would end before it begins.
    pub fn of(first: Date, last: Date) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// Whether a day is one of these.
    pub fn holds(self, day: Date) -> bool {
        (self.first..=self.last).contains(&day)
    }
}

/// Which way money went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sign {
    /// Into the own account.
    Credit,
    /// Out of it.
    Debit,
}

/// Whether the bank has booked a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineState {
    Booked,
    /// Announced, in progress or for information: it may still not come.
    Pending,
}

/// What a line is to the bank itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineKind {
    /// A payment from or to somebody, or nothing that the file tells.
    Payment,
    /// What the bank took for its work.
    Charge,
    /// Interest that it gave or took.
    Interest,
}

/// What moved on an own account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Line of the file where this begins.
    pub file_line: u64,
    /// Whether the bank has booked it.
    pub state: LineState,
    /// The day on which the bank booked it; one that is booked has it.
    pub booking_date: Option<Date>,
    /// The day from which it bears interest.
    pub value_date: Option<Date>,
    /// Into the account or out of it.
    pub sign: Sign,
    /// How much, at least zero, with the digits of the currency's minor unit.
    pub amount: Decimal,
    /// Always that of the own accounts.
    pub currency: Currency,
    /// Whether the bank says that it is its own.
    pub kind: LineKind,
    /// Whether the bank says that this takes an earlier line back.
    pub reversal: bool,
    /// Why a payment came back, as the bank says it (`AC04`).
    pub return_reason: Option<String>,
    /// Whom it was from or to.
    pub other: OtherSide,
    /// What the bank calls the line, the same in each of its files.
    pub bank_reference: Option<String>,
    /// What whoever ordered the payment called it.
    pub end_to_end_id: Option<String>,
    /// The number of the payment order.
    pub document_number: Option<String>,
    /// Purpose and whatever else is written, at most 500 characters, fit to be shown.
    pub text: String,
    /// How many payments the bank booked in this one line.
    pub payments: u32,
}

impl Line {
    /// The amount as it changes the account: below zero if it went out.
    pub fn signed(&self) -> Decimal {
        match self.sign {
            Sign::Credit => self.amount,
            Sign::Debit => -self.amount,
        }
    }

    fn is_booked(&self) -> bool {
        self.state == LineState::Booked
    }
}

/// Whom a line was from or to. All of it is what banks pass on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OtherSide {
    pub account: Option<String>,
    /// BIC or BIK of its bank.
    pub bank: Option<String>,
    pub name: Option<String>,
    /// Such as the INN.
    pub tax_id: Option<String>,
}

/// Characters of a text that names a line, at most: what the house keeps of one.
const REFERENCE_MAX: usize = 140;

/// What names a line: two lines of the same key are the same movement of money, wherever they stand.
///
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LineKey {
    /// By what the bank calls it. Where a bank calls several lines of a day the same (a payment and its fee), the larger amount
    /// comes first, credits before debits, and `nth` counts them from 1: if another file of the bank knows but one of them, they
    /// are of one key and of other content, which the house refuses, and never two payments of one.
    Reference { account: String, booking_date: Date, reference: String, nth: u32 },
    /// By all that it says; `nth` counts the equal ones of the day from 1.
    Content {
        account: String,
        booking_date: Date,
        sign: Sign,
        amount: Decimal,
        other_account: Option<String>,
        document_number: Option<String>,
        nth: u32,
    },
}

impl LineKey {
    /// The own account, and the day of booking.
    pub fn place(&self) -> (&str, Date) {
        match self {
            Self::Reference { account, booking_date, .. } | Self::Content { account, booking_date, .. } => {
                (account, *booking_date)
            }
        }
    }

    /// One text that names the line among those of its account and day: the bank's reference where it is the
    /// first of it, `REFERENCE#2` for the second; without one, or of one that is too long, `~` and letters of the digest. At most
    /// 140 characters.
    pub fn reference(&self) -> String {
        let named = match self {
            Self::Reference { reference, nth: 1, .. } => Some(reference.clone()),
            Self::Reference { reference, nth, .. } => Some(format!("{reference}#{nth}")),
            Self::Content { .. } => None,
        };
        named
            .filter(|named| named.chars().count() <= REFERENCE_MAX)
            .unwrap_or_else(|| format!("~{}", &BASE32_NOPAD.encode(&self.digest())[..26]))
    }

    /// A digest of the key, by which the house may keep it.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        let mut put = |text: &str| {
            hasher.update(u64::try_from(text.len()).expect("64 bits hold every length").to_be_bytes());
            hasher.update(text.as_bytes());
        };
        let or_none = |text: &Option<String>| text.as_ref().map_or("-".to_owned(), |text| format!("+{text}"));
        match self {
            Self::Reference { account, booking_date, reference, nth } => {
                put(account);
                put(&booking_date.to_string());
                put("reference");
                put(reference);
                put(&nth.to_string());
            }
            Self::Content { account, booking_date, sign, amount, other_account, document_number, nth } => {
                let sign = match sign {
                    Sign::Credit => "credit",
                    Sign::Debit => "debit",
                };
                put(account);
                put(&booking_date.to_string());
                put(sign);
                put(&amount.to_string());
                put(&or_none(other_account));
                put(&or_none(document_number));
                put(&nth.to_string());
            }
        }
        hasher.finalize().into()
    }
}

/// The key of a line, and whether it may be relied on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed {
    /// None for a line that is not booked.
    pub key: Option<LineKey>,
    /// Without a reference a line is the n-th equal one of its day. In a file that does not hold the whole day it may be another
    /// one, so a person decides.
    pub waits_for_person: bool,
}

/// How a statement follows on what was imported of its account before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continuity {
    /// It opens with the balance that the one before closed with.
    Follows,
    /// It begins on a day that was imported before, or earlier, so its opening balance says nothing.
    Overlaps,
    /// Something between them was not imported.
    Gap { expected: Decimal, found: Decimal },
    /// One of the two balances is not known.
    Unknown,
}

impl Statement {
    /// The keys of the lines, in their order.
    ///
    pub fn keys(&self) -> Vec<Keyed> {
        // Those that one reference or one content has in common; of a reference, those of the larger amount first.
        let mut alike: BTreeMap<LineKey, Vec<usize>> = BTreeMap::new();
        for (at, line) in self.lines.iter().enumerate() {
            if let Some(key) = self.key_without_place(line) {
                alike.entry(key).or_default().push(at);
            }
        }
        let nothing = Keyed { key: None, waits_for_person: false };
        let mut keys = vec![nothing; self.lines.len()];
        for (key, mut places) in alike {
            // Stable: equal ones stay in the order of the file.
            places.sort_by_key(|&at| (std::cmp::Reverse(self.lines[at].amount), self.lines[at].sign));
            for (nth, at) in (1..).zip(places) {
                let mut key = key.clone();
                let waits_for_person = match &mut key {
                    LineKey::Reference { nth: place, .. } => {
                        *place = nth;
                        false
                    }
                    LineKey::Content { nth: place, booking_date, .. } => {
                        *place = nth;
                        !self.whole_days.is_some_and(|days| days.holds(*booking_date))
                    }
                };
                keys[at] = Keyed { key: Some(key), waits_for_person };
            }
        }
        keys
    }

    fn key_without_place(&self, line: &Line) -> Option<LineKey> {
        let booking_date = line.booking_date.filter(|_| line.is_booked())?;
        let account = self.account.clone();
        Some(match &line.bank_reference {
            Some(reference) => LineKey::Reference { account, booking_date, reference: reference.clone(), nth: 0 },
            None => LineKey::Content {
                account,
                booking_date,
                sign: line.sign,
                amount: line.amount,
                other_account: line.other.account.clone(),
                document_number: line.document_number.clone(),
                nth: 0,
            },
        })
    }

    /// Refuses a statement whose lines do not lead from its opening to its closing balance. What is not booked is in neither.
    fn check_tie(&self) -> Result<(), FileError> {
        let (Some(opening), Some(closing)) = (self.opening, self.closing) else { return Ok(()) };
        let booked = self.lines.iter().filter(|line| line.is_booked());
        let lines = booked.clone().count();
        // A hundred thousand amounts of 19 digits fit into the 28 of a decimal.
        let sum = booked.map(Line::signed).sum::<Decimal>() + opening.amount;
        if sum == closing.amount {
            return Ok(());
        }
        let fault = Fault::DoesNotTie { opening: opening.amount, lines, sum, closing: closing.amount };
        Err(FileError::at(closing.file_line, "closing balance", fault))
    }

    /// How this follows on what was imported before: its last closing balance and the last day of it, if that is known.
    pub fn continues(&self, before: Option<Balance>) -> Continuity {
        let (Some(opening), Some(before)) = (self.opening, before) else { return Continuity::Unknown };
        let begins = self.whole_days.map(|days| days.first).or(opening.date);
        if let (Some(begins), Some(before)) = (begins, before.date)
            && begins <= before
        {
            return Continuity::Overlaps;
        }
        if opening.amount == before.amount {
            Continuity::Follows
        } else {
            Continuity::Gap { expected: before.amount, found: opening.amount }
        }
    }
}
