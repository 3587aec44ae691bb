//! BankAccountService: where partners are paid.

use clearing_core::command::Command;
use clearing_core::facts::bank_account::{
    AccountEnd, AccountNumber, AccountState, AccountVersion, BankAccount, NationalAccount,
};
use clearing_core::rules::bank_account::{SetBankAccount, StopBankAccountChange};
use clearing_core::units::{PartnerId, Timestamp};
use clearing_proto::v1;
use clearing_proto::v1::bank_account_service_server::BankAccountService;
use tonic::{Request, Response, Status};

use crate::rpc::auth::Asker;
use crate::rpc::convert::{self, View, from_timestamp};
use crate::rpc::written::{accepted, first_entry, from_written, or_proposed};
use crate::rpc::{Context, auth, bounds, errors, page_size};
use crate::writer::{WriteError, Written};

/// The service, in the house that it works for.
pub struct Service(pub Context);

#[tonic::async_trait]
impl BankAccountService for Service {
    async fn set_bank_account(
        &self,
        request: Request<v1::SetBankAccountRequest>,
    ) -> Result<Response<v1::SetBankAccountResponse>, Status> {
        let asker = auth::caller(&request)?.keeper()?;
        let caller = asker.partner;
        let v1::SetBankAccountRequest { request_id, partner_id, bank_account } = request.into_inner();
        let partner: PartnerId = convert::id("partner_id", &partner_id)?;
        let account = read_account(bank_account)?;
        let command = SetBankAccount { partner, account };
        let written = self.write(asker, &request_id, command.into()).await?;
        or_proposed!(written, self.0, SetBankAccountResponse);
        let made = &first_entry(&written)?.entry;
        let new = made.facts.bank_account().ok_or_else(|| errors::of_write(&WriteError::Internal))?;
        let version = AccountVersion {
            account: new.account.clone(),
            asked: made.time,
            by: made.partner,
            from: new.from,
            ended: None,
        };
        Ok(Response::new(v1::SetBankAccountResponse {
            version: Some(from_version(partner, new.version, &version, None)),
            replaced_version: new.replaces.map_or(0, from_number),
            written: Some(self.told(caller, &written)),
            proposal_id: String::new(),
        }))
    }

    async fn stop_bank_account_change(
        &self,
        request: Request<v1::StopBankAccountChangeRequest>,
    ) -> Result<Response<v1::StopBankAccountChangeResponse>, Status> {
        let asker = auth::caller(&request)?.keeper()?;
        let caller = asker.partner;
        let v1::StopBankAccountChangeRequest { request_id, partner_id, version, reason_code } = request.into_inner();
        let command = StopBankAccountChange {
            partner: convert::id("partner_id", &partner_id)?,
            version: u32::try_from(version)
                .map_err(|_| errors::invalid("version", format!("{version} is below zero; versions count from 1")))?,
            reason: (!reason_code.is_empty()).then(|| convert::word("reason_code", &reason_code)).transpose()?,
        };
        let written = self.write(asker, &request_id, command.into()).await?;
        let stopped = first_entry(&written)?.entry.facts.bank_account_stopped();
        let stopped = *stopped.ok_or_else(|| errors::of_write(&WriteError::Internal))?;
        Ok(Response::new(v1::StopBankAccountChangeResponse {
            version: from_number(stopped.version),
            effective_time: from_timestamp(stopped.from),
            written: Some(self.told(caller, &written)),
            proposal_id: String::new(),
        }))
    }

    async fn list_bank_accounts(
        &self,
        request: Request<v1::ListBankAccountsRequest>,
    ) -> Result<Response<v1::ListBankAccountsResponse>, Status> {
        let caller = auth::caller(&request)?;
        let v1::ListBankAccountsRequest { partner_id, page_size: size, page_token } = request.into_inner();
        let (partner, limit) = (caller.subject(&partner_id)?, page_size(size)?);
        self.0.house().partner(partner).map_err(|rejection| errors::refused(&rejection))?;
        let list = self.0.opaque.list(&caller, "ListBankAccounts", &[partner.as_str()]);
        let place = list.place(&page_token)?;
        let before = place.map(|place| place.parse::<u32>()).transpose();
        let before = before.map_err(|_| errors::invalid("page_token", "is none of this list"))?;
        let found = self.0.store.bank_accounts(partner, before, limit + 1).await;
        let found = found.map_err(|error| errors::of_store(&error))?;
        let now = self.0.clock.now();
        // What is in force is told by the versions alone; on a later page it may stand on an earlier one.
        let (_, known) = self.0.store.legal_party(partner, now).await.map_err(|error| errors::of_store(&error))?;
        let in_force = version_in_force(&known, now);
        let rows = found.iter().map(|(version, known)| {
            from_version(partner, *version, known, Some(state_of(*version, known, in_force, now)))
        });
        let (versions, more) = bounds::page(rows, limit);
        let last = versions.last().filter(|_| more).map(|last| list.token(&last.version.to_string()));
        Ok(Response::new(v1::ListBankAccountsResponse { versions, next_page_token: last.unwrap_or_default() }))
    }
}

impl Service {
    async fn write(&self, asker: Asker, request_id: &str, command: Command) -> Result<Written, Status> {
        let written = self.0.ask(asker, request_id, None, command).await?;
        accepted(&written, asker.partner, &self.0)?;
        Ok(written)
    }

    fn told(&self, caller: PartnerId, written: &Written) -> v1::Written {
        let view = if caller.is_operator() { View::Whole } else { View::Part(caller) };
        from_written(written, view, &self.0.opaque)
    }
}

fn read_account(wire: Option<v1::BankAccount>) -> Result<BankAccount, Status> {
    let Some(v1::BankAccount { number, holder, bank_name }) = wire else {
        return Err(errors::invalid("bank_account", "is missing"));
    };
    let number = match number {
        Some(v1::bank_account::Number::Iban(iban)) => AccountNumber::Iban(iban),
        Some(v1::bank_account::Number::National(of)) => AccountNumber::National(NationalAccount {
            country: of.country_code,
            bank_code: of.bank_code,
            account: of.account_number,
            correspondent: of.correspondent_account_number,
        }),
        None => return Err(errors::invalid("bank_account.number", "is missing; give an IBAN or a national number")),
    };
    Ok(BankAccount { number, holder, bank_name })
}

fn from_account(account: &BankAccount) -> v1::BankAccount {
    let number = match &account.number {
        AccountNumber::Iban(iban) => v1::bank_account::Number::Iban(iban.clone()),
        AccountNumber::National(of) => v1::bank_account::Number::National(v1::NationalAccount {
            country_code: of.country.clone(),
            bank_code: of.bank_code.clone(),
            account_number: of.account.clone(),
            correspondent_account_number: of.correspondent.clone(),
        }),
    };
    v1::BankAccount { number: Some(number), holder: account.holder.clone(), bank_name: account.bank_name.clone() }
}

/// A number of a version; there are ten thousand of them at the most.
fn from_number(version: u32) -> i32 {
    i32::try_from(version).unwrap_or(i32::MAX)
}

/// The last of these versions that is in force.
pub(super) fn version_in_force(known: &[(u32, AccountVersion)], now: Timestamp) -> Option<u32> {
    let in_force = known.iter().filter(|(_, known)| known.ended.is_none() && known.from <= now);
    in_force.map(|(version, _)| *version).max()
}

pub(super) fn state_of(version: u32, known: &AccountVersion, in_force: Option<u32>, now: Timestamp) -> AccountState {
    match known.ended {
        Some(AccountEnd::Stopped(_)) => AccountState::Stopped,
        Some(AccountEnd::Replaced(_)) => AccountState::Replaced,
        None if known.is_pending(now) => AccountState::Pending,
        None if in_force == Some(version) => AccountState::InForce,
        None => AccountState::Past,
    }
}

pub(super) fn from_version(
    partner: PartnerId,
    version: u32,
    known: &AccountVersion,
    state: Option<AccountState>,
) -> v1::BankAccountVersion {
    let state = match state {
        None => v1::BankAccountState::Unspecified,
        Some(AccountState::Pending) => v1::BankAccountState::Pending,
        Some(AccountState::InForce) => v1::BankAccountState::InForce,
        Some(AccountState::Past) => v1::BankAccountState::Past,
        Some(AccountState::Stopped) => v1::BankAccountState::Stopped,
        Some(AccountState::Replaced) => v1::BankAccountState::Replaced,
    };
    let end = known.ended.map(|end| match end {
        AccountEnd::Replaced(time) | AccountEnd::Stopped(time) => time,
    });
    v1::BankAccountVersion {
        partner_id: partner.to_string(),
        version: from_number(version),
        bank_account: Some(from_account(&known.account)),
        state: state.into(),
        ask_time: from_timestamp(known.asked),
        asked_by: known.by.to_string(),
        effective_time: from_timestamp(known.from),
        end_time: end.and_then(from_timestamp),
    }
}
