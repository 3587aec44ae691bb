//! Where a partner is paid: its bank account, in versions that are never overwritten.

use borsh::{BorshDeserialize, BorshSerialize};
use iban::{Iban, IbanLike as _, ParseBaseIbanError, ParseIbanError};
use serde::Deserialize;

use crate::facts::check_digits::{digits, weighted};
use crate::facts::legal::check_country;
use crate::units::{Malformed, PartnerId, Timestamp, shown};

/// A bank account, as orders name it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(try_from = "AccountFields")]
pub struct BankAccount {
    pub number: AccountNumber,
    /// Whose it is, as the bank has it.
    pub holder: String,
    /// As orders name the bank; empty where they need not.
    pub bank_name: String,
}

impl BankAccount {
    /// Of the holder and of the bank's name, in characters, as long as a bank's order carries (ISO 20022, Max140Text).
    pub const NAME_MAX: usize = 140;
}

/// How an account is found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum AccountNumber {
    /// ISO 13616, without spaces.
    Iban(String),
    /// Where a bank's code and the account's number say it.
    National(NationalAccount),
}

/// An account by the number of its bank and its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct NationalAccount {
    /// Two capital letters (ISO 3166-1). Of Russia's the check digits are tested.
    pub country: String,
    /// Russia: the BIK.
    pub bank_code: String,
    pub account: String,
    /// The bank's own account with the central bank (Russia); empty where orders need none.
    pub correspondent: String,
}

impl NationalAccount {
    /// Of the bank's code, in characters.
    pub const BANK_CODE_MAX: usize = 20;
    /// Of a number of an account, in characters.
    pub const ACCOUNT_MAX: usize = 34;
}

/// A bank account as it is written: by its IBAN, or by country, bank code and number.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountFields {
    #[serde(default)]
    iban: Option<String>,
    #[serde(default)]
    national: Option<NationalFields>,
    holder: String,
    #[serde(default)]
    bank_name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NationalFields {
    country_code: String,
    bank_code: String,
    account_number: String,
    #[serde(default)]
    correspondent_account_number: String,
}

impl TryFrom<AccountFields> for BankAccount {
    type Error = Malformed;

    fn try_from(fields: AccountFields) -> Result<Self, Malformed> {
        let AccountFields { iban, national, holder, bank_name } = fields;
        let number = match (iban, national) {
            (Some(iban), None) => AccountNumber::Iban(iban),
            (None, Some(of)) => AccountNumber::National(NationalAccount {
                country: of.country_code,
                bank_code: of.bank_code,
                account: of.account_number,
                correspondent: of.correspondent_account_number,
            }),
            (Some(_), Some(_)) | (None, None) => {
                return Err(Malformed("a bank account has an iban or a national number, one of the two".to_owned()));
            }
        };
        Ok(Self { number, holder, bank_name })
    }
}

impl AccountNumber {
    /// Refuses a number whose check digits are wrong, or which is not of its country's form.
    ///
    /// # Errors
    /// The field, and what is wrong with it.
    ///
    /// Rule: bank-account-numbers
    pub fn check(&self) -> Result<(), (&'static str, Malformed)> {
        match self {
            Self::Iban(iban) => check_iban(iban).map_err(|problem| ("iban", problem)),
            Self::National(national) => national.check(),
        }
    }

    /// The two letters of its country.
    pub fn country(&self) -> &str {
        match self {
            Self::Iban(iban) => iban.get(..2).unwrap_or_default(),
            Self::National(national) => &national.country,
        }
    }
}

fn check_iban(text: &str) -> Result<(), Malformed> {
    let refused = |problem: &str| Err(Malformed(format!("{} {problem}", shown(text))));
    match text.parse::<Iban>() {
        // The house keeps one spelling of a number, so that two of them can be compared: 97 has three pairs of check digits
        // that leave the same, of which ISO 13616 makes those from 02 to 98 only.
        Ok(iban) if !(2..=98).contains(&iban.check_digits()) => refused("has wrong check digits; read it again"),
        Ok(iban) if iban.electronic_str() == text => Ok(()),
        Ok(_) => refused("has spaces; write it without any"),
        Err(ParseIbanError::InvalidBaseIban { source: ParseBaseIbanError::InvalidChecksum }) => {
            refused("has wrong check digits; read it again")
        }
        Err(ParseIbanError::InvalidBaseIban { source: ParseBaseIbanError::InvalidFormat }) => {
            refused("is not an IBAN: two capital letters, two digits and up to 30 digits and capital letters")
        }
        Err(ParseIbanError::InvalidBban(_)) => {
            refused("is not as long, or not of the form, as IBANs of its country are")
        }
        Err(ParseIbanError::UnknownCountry(_)) => {
            refused("is of a country that has no IBANs; write the bank's code and the account's number")
        }
    }
}

impl NationalAccount {
    fn check(&self) -> Result<(), (&'static str, Malformed)> {
        let Self { country, bank_code, account, correspondent } = self;
        check_country(country).map_err(|problem| ("country_code", problem))?;
        if country == RUSSIA {
            return self.check_russian();
        }
        let code = |field: &'static str, text: &str, length_max: usize| {
            let fits = (1..=length_max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let wanted = format!("1 to {length_max} of A-Z a-z 0-9");
            if fits { Ok(()) } else { Err((field, Malformed(format!("{} is not {wanted}", shown(text))))) }
        };
        code("bank_code", bank_code, Self::BANK_CODE_MAX)?;
        code("account_number", account, Self::ACCOUNT_MAX)?;
        if correspondent.is_empty() { Ok(()) } else { code(CORRESPONDENT, correspondent, Self::ACCOUNT_MAX) }
    }

    /// The key of an account checks it together with the BIK of its bank: by the last three digits of the BIK; of an account
    /// with the Bank of Russia itself, such as a bank's own, by a zero and its fifth and sixth digit.
    ///
    /// Source: the Bank of Russia's order of reckoning the control key, 515 of 8 September 1997.
    fn check_russian(&self) -> Result<(), (&'static str, Malformed)> {
        let Self { country: _, bank_code, account, correspondent } = self;
        let Some(bik) = digits(bank_code, 9).filter(|bik| bik[..2] == [0, 4]) else {
            let problem = format!("{} is not a BIK: 9 digits that begin with 04", shown(bank_code));
            return Err(("bank_code", Malformed(problem)));
        };
        let central = [0, bik[4], bik[5]];
        let is_central = bik[6] == 0 && bik[7] == 0 && bik[8] <= 2;
        let of_bank = if is_central { central } else { [bik[6], bik[7], bik[8]] };
        let check = |field: &'static str, text: &str, prefix: [u32; 3]| {
            let Some(number) = digits(text, 20) else {
                return Err((
                    field,
                    Malformed(format!("{} is not the 20 digits of an account in Russia", shown(text))),
                ));
            };
            let checked: Vec<u32> = prefix.into_iter().chain(number).collect();
            if weighted(&checked, &RUSSIAN_KEY).is_multiple_of(10) {
                return Ok(());
            }
            let problem = format!("the key of {} does not fit the BIK {bank_code}; read both again", shown(text));
            Err((field, Malformed(problem)))
        };
        check("account_number", account, of_bank)?;
        if correspondent.is_empty() {
            return Ok(());
        }
        let ends_as_bik = correspondent.as_bytes().ends_with(&bank_code.as_bytes()[6..]);
        if !correspondent.starts_with("301") || !ends_as_bik {
            let problem = format!(
                "{} is not the account of the bank {bank_code} with the Bank of Russia: it begins with 301 and ends as the \
                 BIK does",
                shown(correspondent)
            );
            return Err((CORRESPONDENT, Malformed(problem)));
        }
        check(CORRESPONDENT, correspondent, central)
    }
}

const RUSSIA: &str = "RU";
const CORRESPONDENT: &str = "correspondent_account_number";
const RUSSIAN_KEY: [u32; 23] = [7, 1, 3, 7, 1, 3, 7, 1, 3, 7, 1, 3, 7, 1, 3, 7, 1, 3, 7, 1, 3, 7, 1];

/// A version of a partner's bank account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountVersion {
    pub account: BankAccount,
    /// When it was asked for: of what two persons did, when it was approved.
    pub asked: Timestamp,
    /// The partner itself, or the operator.
    pub by: PartnerId,
    /// From when on it is in force, if nothing ends it before.
    pub from: Timestamp,
    /// What ended it before it was in force.
    pub ended: Option<AccountEnd>,
}

impl AccountVersion {
    /// Whether it waits to be in force.
    pub fn is_pending(&self, time: Timestamp) -> bool {
        self.ended.is_none() && time < self.from
    }
}

/// Why a version of a bank account never was in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountEnd {
    /// Another version was asked for at this time, while it waited.
    Replaced(Timestamp),
    /// Somebody of either side stopped it at this time.
    Stopped(Timestamp),
}

/// How a version of a bank account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountState {
    /// It was asked for, and is in force later.
    Pending,
    InForce,
    /// It was in force until a later one was.
    Past,
    Stopped,
    Replaced,
}

impl AccountState {
    pub const ALL: [Self; 5] = [Self::Pending, Self::InForce, Self::Past, Self::Stopped, Self::Replaced];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::InForce => "IN_FORCE",
            Self::Past => "PAST",
            Self::Stopped => "STOPPED",
            Self::Replaced => "REPLACED",
        }
    }
}

/// A new version of a partner's bank account.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct BankAccountFacts {
    pub partner: PartnerId,
    /// From 1, one more than that of the version before.
    pub version: u32,
    pub account: BankAccount,
    pub from: Timestamp,
    /// The version that was in force until then; none if there was none.
    pub before: Option<u32>,
    /// The version that waited, and never is in force.
    pub replaces: Option<u32>,
}

/// A version of a partner's bank account was stopped while it waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct AccountStopFacts {
    pub partner: PartnerId,
    pub version: u32,
    /// From when on it would have been in force.
    pub from: Timestamp,
}
