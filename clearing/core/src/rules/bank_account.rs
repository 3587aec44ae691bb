//! Where partners are paid: who changes it, from when on a change is in force, and who stops it until then.
//!
//! Money that is paid to a thief's account does not come back. So a change has days in which either side can see it and say no.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::book::Book;
use crate::facts::Fact;
use crate::facts::bank_account::{AccountNumber, AccountStopFacts, BankAccount, BankAccountFacts};
use crate::facts::entry::EntryKind;
use crate::facts::origin::Code;
use crate::facts::person::{Role, Roles};
use crate::operation::{Admitted, Ask, Decision, Footprint, Operation, Subject, decided};
use crate::rejection::Rejection;
use crate::rules::care::read_word_if_there;
use crate::rules::legal::text;
use crate::units::PartnerId;

/// Versions of one partner's bank account at the most.
pub const ACCOUNT_VERSIONS_MAX: u32 = 10_000;

/// Another bank account of a partner, the first one as well. It is in force some days later; one that still waits never is.
///
/// Rule: set-bank-account
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetBankAccount {
    #[serde(rename = "partner_id")]
    pub partner: PartnerId,
    #[serde(rename = "bank_account")]
    pub account: BankAccount,
}

impl Operation for SetBankAccount {
    const NAME: &'static str = "SetBankAccount";
    const TWO_PERSONS: bool = true;

    fn check(&self) -> Result<(), Rejection> {
        let BankAccount { number, holder, bank_name } = &self.account;
        let way = match number {
            AccountNumber::Iban(_) => "bank_account",
            AccountNumber::National(_) => "bank_account.national",
        };
        number.check().map_err(|(field, problem)| Rejection::invalid(&format!("{way}.{field}"), problem))?;
        text("bank_account.holder", holder, BankAccount::NAME_MAX)?;
        if bank_name.is_empty() { Ok(()) } else { text("bank_account.bank_name", bank_name, BankAccount::NAME_MAX) }
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::partner(self.partner))
    }

    /// The last version, and whether something has ended it. That it has come into force meanwhile is no change.
    fn found(&self, book: &Book) -> Vec<u8> {
        let last = book.bank_accounts_of(self.partner).next_back();
        let last = last.map(|(version, known)| (version, known.ended.is_some()));
        borsh::to_vec(&last).expect("writing to memory does not fail")
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.bank_accounts.insert(self.partner);
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let partner = book.own_or_operators(ask, self.partner)?;
        let last = book.bank_accounts_of(partner).next_back().map_or(0, |(version, _)| version);
        if last >= ACCOUNT_VERSIONS_MAX {
            let what = format!("the number of versions of the bank account of {partner}");
            return Err(Rejection::Overflow { what, maximum: i64::from(ACCOUNT_VERSIONS_MAX) });
        }
        let coalition = &book.house.coalition;
        let new = BankAccountFacts {
            partner,
            version: last + 1,
            account: self.account.clone(),
            from: coalition.days_after(coalition.account_change_days, ask.now),
            before: book.bank_account_at(partner, ask.now).map(|(version, _)| version),
            replaces: book.bank_account_pending(partner, ask.now).map(|(version, _)| version),
        };
        decided(book, book.draft(EntryKind::SetBankAccount, ask).with(Fact::BankAccount(Box::new(new))))
    }
}

/// Ends a version of a bank account while it waits. What stops somebody never waits itself.
///
/// Rule: stop-bank-account-change
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StopBankAccountChange {
    #[serde(rename = "partner_id")]
    pub partner: PartnerId,
    /// As whoever stops it was told, so that no other is stopped.
    pub version: u32,
    #[serde(rename = "reason_code", default, deserialize_with = "read_word_if_there")]
    pub reason: Option<Code>,
}

impl Operation for StopBankAccountChange {
    const NAME: &'static str = "StopBankAccountChange";
    const ROLES: Roles = Roles::of(&[Role::Clerk, Role::Approver]);

    fn check(&self) -> Result<(), Rejection> {
        if self.version == 0 {
            return Err(Rejection::invalid("version", "0 is none; versions count from 1"));
        }
        Ok(())
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::partner(self.partner))
    }

    fn footprint(&self, _: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.bank_accounts.insert(self.partner);
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, _: &Admitted) -> Result<Decision, Rejection> {
        let (partner, version) = (book.own_or_operators(ask, self.partner)?, self.version);
        let last = book.bank_accounts_of(partner).next_back().map_or(0, |(version, _)| version);
        if version > last {
            return Err(Rejection::not_found("bank account", format!("{version} of {partner}")));
        }
        let pending = book.bank_account_pending(partner, ask.now);
        let Some((_, waiting)) = pending.filter(|(pending, _)| *pending == version) else {
            let (partner, pending) = (partner.to_string(), pending.map(|(pending, _)| pending));
            return Err(Rejection::AccountChangeNotPending { partner, version, pending });
        };
        let stopped = AccountStopFacts { partner, version, from: waiting.from };
        let mut draft = book.draft(EntryKind::StopBankAccount, ask).with(Fact::BankAccountStopped(stopped));
        if let Some(reason) = &self.reason {
            draft = draft.with(Fact::Reason(reason.clone()));
        }
        decided(book, draft)
    }
}

impl Book {
    /// A partner whose bank account is its own matter and the operator's. Nobody else is told whether there is such a partner; and
    /// what two of the operator's people decide together, no till of the operator's decides alone.
    fn own_or_operators(&self, ask: &Ask<'_>, partner: PartnerId) -> Result<PartnerId, Rejection> {
        if ask.is_operators_brand() {
            let problem = "partner/operator is the operator as a brand, and bank accounts are a matter of its people; ask as one \
                           of them, operator/NAME";
            return Err(Rejection::NotPermitted { problem: problem.to_owned() });
        }
        if ask.caller != partner && !ask.caller.is_operator() {
            return Err(Rejection::not_found("partner", partner));
        }
        self.house.partner(partner).map(|known| known.id)
    }
}
