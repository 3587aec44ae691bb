//! Bank accounts: where a partner is paid, and who stops a change of that.

use std::fmt;

use clearing_proto::v1;
use clearing_proto::v1::bank_account_service_client::BankAccountServiceClient;

use crate::answers::{BankAccountChangeStopped, BankAccountSet, BankAccountVersion};
use crate::client::{Client, PAGE_SIZE, call};
use crate::error::Error;
use crate::outcome::Outcome;
use crate::pages::Pages;
use crate::points::keyed;
use crate::request_id::RequestId;
use crate::wire::{FromWire, each, key, there};

impl Client {
    /// Asks for another bank account: the caller's own, or, for the operator, anybody's. It is in force some days later, which the
    /// answer tells.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn set_bank_account(&self, set: SetBankAccount) -> Result<Outcome<BankAccountSet>, Error> {
        let call = call!(BankAccountServiceClient::set_bank_account);
        self.write(set, to_set_bank_account, call, FromWire::read).await
    }

    /// Stops a change of a bank account while it waits.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn stop_bank_account_change(
        &self,
        stop: StopBankAccountChange,
    ) -> Result<Outcome<BankAccountChangeStopped>, Error> {
        let call = call!(BankAccountServiceClient::stop_bank_account_change);
        self.write(stop, to_stop, call, FromWire::read).await
    }

    /// The versions of a partner's bank account, the newest first. A partner sees its own.
    pub fn bank_accounts(&self, partner_id: impl Into<String>) -> Pages<BankAccountVersion> {
        let partner_id = partner_id.into();
        self.pages(
            move |page_token| v1::ListBankAccountsRequest {
                partner_id: partner_id.clone(),
                page_size: PAGE_SIZE,
                page_token,
            },
            call!(BankAccountServiceClient::list_bank_accounts),
            |answer| Ok((each(answer.versions)?, answer.next_page_token)),
        )
    }
}

/// A bank account, as orders name it.
///
/// ```
/// use partner_sdk::BankAccount;
///
/// let german = BankAccount::iban("DE89370400440532013000", "Grocer GmbH");
/// let russian = BankAccount::russian("044525225", "40702810838000110017", "Grocer LLC");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BankAccount {
    /// How it is found.
    pub number: AccountNumber,
    /// Whose it is, as the bank has it: 1 to 140 characters.
    pub holder: String,
    /// The bank, as orders name it: up to 140 characters. Empty where they need not.
    pub bank_name: String,
}

/// How a bank account is found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccountNumber {
    /// ISO 13616, without spaces.
    Iban(String),
    /// By the code of its bank and its own number.
    National {
        /// Two capital letters (ISO 3166-1).
        country_code: String,
        /// Russia: the BIK.
        bank_code: String,
        /// The number of the account.
        account_number: String,
        /// The bank's own account with the central bank; empty where orders need none.
        correspondent_account_number: String,
    },
}

/// The IBAN; or the country, the bank's code and the account's number.
impl fmt::Display for AccountNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Iban(iban) => f.write_str(iban),
            Self::National { country_code, bank_code, account_number, .. } => {
                write!(f, "{country_code} {bank_code} {account_number}")
            }
        }
    }
}

impl BankAccount {
    /// By its IBAN, without spaces.
    #[must_use]
    pub fn iban(iban: impl Into<String>, holder: impl Into<String>) -> Self {
        Self { number: AccountNumber::Iban(iban.into()), holder: holder.into(), bank_name: String::new() }
    }

    /// By its country, the code of its bank and its own number.
    #[must_use]
    pub fn national(
        country_code: impl Into<String>,
        bank_code: impl Into<String>,
        account_number: impl Into<String>,
        holder: impl Into<String>,
    ) -> Self {
        let number = AccountNumber::National {
            country_code: country_code.into(),
            bank_code: bank_code.into(),
            account_number: account_number.into(),
            correspondent_account_number: String::new(),
        };
        Self { number, holder: holder.into(), bank_name: String::new() }
    }

    /// In Russia: by BIK and account, whose key is checked.
    #[must_use]
    pub fn russian(bik: impl Into<String>, account: impl Into<String>, holder: impl Into<String>) -> Self {
        Self::national("RU", bik, account, holder)
    }

    /// The bank's own account with the central bank. Of an account with an IBAN there is none.
    #[must_use]
    pub fn correspondent(mut self, number: impl Into<String>) -> Self {
        if let AccountNumber::National { correspondent_account_number, .. } = &mut self.number {
            *correspondent_account_number = number.into();
        }
        self
    }

    /// The bank, as orders name it.
    #[must_use]
    pub fn bank_name(self, bank_name: impl Into<String>) -> Self {
        Self { bank_name: bank_name.into(), ..self }
    }
}

impl FromWire<v1::BankAccount> for BankAccount {
    fn read(wire: v1::BankAccount) -> Result<Self, Error> {
        let number = match there(wire.number, "number")? {
            v1::bank_account::Number::Iban(iban) => AccountNumber::Iban(iban),
            v1::bank_account::Number::National(of) => AccountNumber::National {
                country_code: of.country_code,
                bank_code: of.bank_code,
                account_number: of.account_number,
                correspondent_account_number: of.correspondent_account_number,
            },
        };
        Ok(Self { number, holder: wire.holder, bank_name: wire.bank_name })
    }
}

fn to_bank_account(account: &BankAccount) -> v1::BankAccount {
    let number = match &account.number {
        AccountNumber::Iban(iban) => v1::bank_account::Number::Iban(iban.clone()),
        AccountNumber::National { country_code, bank_code, account_number, correspondent_account_number } => {
            v1::bank_account::Number::National(v1::NationalAccount {
                country_code: country_code.clone(),
                bank_code: bank_code.clone(),
                account_number: account_number.clone(),
                correspondent_account_number: correspondent_account_number.clone(),
            })
        }
    };
    v1::BankAccount { number: Some(number), holder: account.holder.clone(), bank_name: account.bank_name.clone() }
}

/// Asks for another bank account.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct SetBankAccount {
    request_id: Option<RequestId>,
    partner_id: String,
    account: BankAccount,
}

impl SetBankAccount {
    /// Of this partner; a partner names itself.
    pub fn of(partner_id: impl Into<String>, account: BankAccount) -> Self {
        Self { request_id: None, partner_id: partner_id.into(), account }
    }
}

/// Stops a change of a bank account while it waits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct StopBankAccountChange {
    request_id: Option<RequestId>,
    partner_id: String,
    version: i32,
    reason_code: String,
}

impl StopBankAccountChange {
    /// This version of this partner's account, as it was told.
    pub fn of(partner_id: impl Into<String>, version: i32) -> Self {
        Self { request_id: None, partner_id: partner_id.into(), version, reason_code: String::new() }
    }

    /// Why: a word of `[A-Za-z0-9._:/#-]`, at most 64 characters. Default: nobody says.
    pub fn reason(mut self, reason_code: impl Into<String>) -> Self {
        self.reason_code = reason_code.into();
        self
    }
}

keyed!(SetBankAccount, StopBankAccountChange);

fn to_set_bank_account(set: &SetBankAccount) -> v1::SetBankAccountRequest {
    v1::SetBankAccountRequest {
        request_id: key(set.request_id),
        partner_id: set.partner_id.clone(),
        bank_account: Some(to_bank_account(&set.account)),
    }
}

fn to_stop(stop: &StopBankAccountChange) -> v1::StopBankAccountChangeRequest {
    v1::StopBankAccountChangeRequest {
        request_id: key(stop.request_id),
        partner_id: stop.partner_id.clone(),
        version: stop.version,
        reason_code: stop.reason_code.clone(),
    }
}
