//! What entries do to what is known of partners as legal parties, and what a book tells of it: their legal records, their
//! groups, their bank accounts.

use std::sync::Arc;

use crate::book::Book;
use crate::facts::bank_account::{AccountEnd, AccountState, AccountStopFacts, AccountVersion, BankAccountFacts};
use crate::facts::entry::Entry;
use crate::facts::legal::LegalFacts;
use crate::facts::partner::GroupFacts;
use crate::units::{PartnerId, Timestamp};

impl Book {
    pub(super) fn apply_legal(&mut self, new: &LegalFacts) {
        self.legal.insert(new.partner, new.legal.clone());
        self.changes.legal.insert(new.partner);
    }

    pub(super) fn apply_group(&mut self, new: &GroupFacts) {
        if let Some(partner) = Arc::make_mut(&mut self.house).partners.get_mut(&new.partner) {
            partner.group = new.group;
            self.changes.partners.insert(new.partner);
        }
    }

    pub(super) fn apply_bank_account(&mut self, new: &BankAccountFacts, entry: &Entry) {
        let BankAccountFacts { partner, version, ref account, from, before: _, replaces } = *new;
        if let Some(replaced) = replaces {
            self.end_bank_account(partner, replaced, AccountEnd::Replaced(entry.time));
        }
        let made = AccountVersion { account: account.clone(), asked: entry.time, by: entry.partner, from, ended: None };
        self.bank_accounts.insert((partner, version), made);
        self.changes.bank_accounts.insert((partner, version));
    }

    pub(super) fn apply_bank_account_stop(&mut self, stopped: &AccountStopFacts, time: Timestamp) {
        self.end_bank_account(stopped.partner, stopped.version, AccountEnd::Stopped(time));
    }

    fn end_bank_account(&mut self, partner: PartnerId, version: u32, end: AccountEnd) {
        if let Some(known) = self.bank_accounts.get_mut(&(partner, version)) {
            known.ended = Some(end);
            self.changes.bank_accounts.insert((partner, version));
        }
    }

    /// The versions of a partner's bank account that are in the book, the oldest first. In a slice these are the last one and
    /// that which is in force.
    pub fn bank_accounts_of(&self, partner: PartnerId) -> impl DoubleEndedIterator<Item = (u32, &AccountVersion)> {
        let all = self.bank_accounts.range((partner, 0)..=(partner, u32::MAX));
        all.map(|((_, version), known)| (*version, known))
    }

    /// The bank account to which a partner is paid by what is ordered at a time, with its version; none if none is in force
    /// yet. An order keeps the version that it named.
    ///
    /// Rule: bank-account-in-force
    pub fn bank_account_at(&self, partner: PartnerId, time: Timestamp) -> Option<(u32, &AccountVersion)> {
        self.bank_accounts_of(partner).rfind(|(_, known)| known.ended.is_none() && known.from <= time)
    }

    /// The version of a partner's bank account that waits, if one does: it is the last one.
    pub fn bank_account_pending(&self, partner: PartnerId, time: Timestamp) -> Option<(u32, &AccountVersion)> {
        self.bank_accounts_of(partner).next_back().filter(|(_, known)| known.is_pending(time))
    }

    /// How a version of a partner's bank account stands; none if the book has no such version.
    pub fn bank_account_state(&self, partner: PartnerId, version: u32, time: Timestamp) -> Option<AccountState> {
        let known = self.bank_accounts.get(&(partner, version))?;
        let in_force = self.bank_account_at(partner, time).map(|(in_force, _)| in_force);
        Some(match known.ended {
            Some(AccountEnd::Stopped(_)) => AccountState::Stopped,
            Some(AccountEnd::Replaced(_)) => AccountState::Replaced,
            None if known.is_pending(time) => AccountState::Pending,
            None if in_force == Some(version) => AccountState::InForce,
            None => AccountState::Past,
        })
    }
}
