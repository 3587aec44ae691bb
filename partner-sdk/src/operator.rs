//! What the operator and auditors do, and the clock of a sandbox. [`crate::Client::operator`] leads here; a partner that
//! calls these gets [`Error::PermissionDenied`].

use std::time::SystemTime;

use clearing_proto::v1;
use clearing_proto::v1::admin_service_client::AdminServiceClient;
use clearing_proto::v1::report_service_client::ReportServiceClient;
use clearing_proto::v1::sandbox_service_client::SandboxServiceClient;

use crate::answers::{Entry, ExpiryNotice};
use crate::client::{Client, OPEN_WINDOW, PAGE_SIZE, call};
use crate::error::Error;
use crate::pages::Pages;
use crate::wire::{FromWire, each, there};

pub use crate::admin::AdminActions;
pub use crate::answers::{
    AccountBalance, AdminAction, BilateralNet, ClockAdvanced, DueWork, DueWorkKind, FieldChange, LimitUse,
    ListedMember, NettingReport, OpenMoney, TrialBalance,
};
pub use crate::approvals::*;
pub use crate::bank::*;
pub use crate::care::*;
pub use crate::cover::*;
pub use crate::defaults::*;
pub use crate::legal::{Address, GroupSet, LegalRecord, LegalRecordSet, SetGroup, SetLegalRecord, TaxId};
pub use crate::limits::PartnerLimits;
pub use crate::partner::*;
pub use crate::people::*;
pub use crate::search::EntrySearch;
pub use crate::settlement::*;
pub use crate::terms::{BreakageSplit, Expiry, TermsChange};

/// The calls of the operator and of auditors.
#[derive(Debug, Clone)]
pub struct Operator {
    pub(crate) client: Client,
}

impl Operator {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// The same caller's client for everything else.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The balance of every account, with the check that they add up to zero. Accounts of single members are listed only
    /// on demand: there may be millions.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn trial_balance(&self, include_members: bool) -> Result<TrialBalance, Error> {
        let page = async |page_token: String| {
            let request =
                || v1::TrialBalanceRequest { include_members, page_size: PAGE_SIZE, page_token: page_token.clone() };
            let call = call!(ReportServiceClient::trial_balance);
            self.client.read(request, call, Ok).await
        };
        let first = page(String::new()).await?;
        let mut token = first.next_page_token.clone();
        let mut balance = TrialBalance::read(first)?;
        while !token.is_empty() {
            let next = page(token).await?;
            balance.accounts.extend(each(next.accounts)?);
            token = next.next_page_token;
        }
        Ok(balance)
    }

    /// Who owed whom in a window, and what netting made of it; `None`: in the open one so far.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn netting_report(&self, window: Option<i64>) -> Result<NettingReport, Error> {
        let page = async |page_token: String| {
            let request = || v1::NettingReportRequest {
                window: window.unwrap_or(OPEN_WINDOW),
                page_size: PAGE_SIZE,
                page_token: page_token.clone(),
            };
            let call = call!(ReportServiceClient::netting_report);
            self.client.read(request, call, Ok).await
        };
        let first = page(String::new()).await?;
        let mut token = first.next_page_token.clone();
        let mut report = NettingReport::read(first)?;
        while !token.is_empty() {
            let next = page(token).await?;
            report.obligations.extend(each(next.obligations)?);
            report.bilateral_nets.extend(each(next.bilateral_nets)?);
            token = next.next_page_token;
        }
        // Pages are runs of pairs, so that sorting the whole is left to whoever puts them together.
        report.obligations.sort_by(|a, b| (&a.issuer_id, &a.acceptor_id).cmp(&(&b.issuer_id, &b.acceptor_id)));
        report.bilateral_nets.sort_by(|a, b| (&a.debtor_id, &a.creditor_id).cmp(&(&b.debtor_id, &b.creditor_id)));
        Ok(report)
    }

    /// Which members are about to lose points of any issuer: as [`Client::expiry_notices`], for all at once.
    pub fn expiry_notices(&self, day: Option<&str>) -> Pages<ExpiryNotice> {
        let day = day.unwrap_or_default().to_owned();
        self.client.pages(
            move |page_token| v1::ListAllExpiryNoticesRequest { day: day.clone(), page_size: PAGE_SIZE, page_token },
            call!(ReportServiceClient::list_all_expiry_notices),
            |answer| Ok((each(answer.notices)?, answer.next_page_token)),
        )
    }

    /// The journal with every posting, from this place on, in its own order; of one window or of all.
    pub fn journal(&self, from_journal_sequence: i64, window: Option<i64>) -> Pages<Entry> {
        self.client.pages(
            move |page_token| v1::ListJournalEntriesRequest {
                from_journal_sequence,
                window: window.unwrap_or_default(),
                page_size: PAGE_SIZE,
                page_token,
            },
            call!(ReportServiceClient::list_journal_entries),
            |answer| Ok((each(answer.entries)?, answer.next_page_token)),
        )
    }

    /// The entries that are like this, whoever asked for them, with every posting: the newest first. A page may be empty although
    /// others follow.
    pub fn find_entries(&self, search: EntrySearch) -> Pages<Entry> {
        self.client.pages(
            move |page_token| search.page(page_token),
            call!(ReportServiceClient::find_entries),
            |answer| Ok((each(answer.entries)?, answer.next_page_token)),
        )
    }

    /// The members, by id, behind this one; `None`: from the first. What fell due and is not booked yet is not counted; in
    /// [`Client::balance`] it is.
    pub fn members(&self, after_member_id: Option<&str>) -> Pages<ListedMember> {
        let after_member_id = after_member_id.unwrap_or_default().to_owned();
        self.client.pages(
            move |page_token| v1::ListMembersRequest {
                after_member_id: after_member_id.clone(),
                page_size: PAGE_SIZE,
                page_token,
            },
            call!(ReportServiceClient::list_members),
            |answer| Ok((each(answer.members)?, answer.next_page_token)),
        )
    }

    /// Who did what: the decisions of the house, the newest first.
    pub fn admin_actions(&self, filter: AdminActions) -> Pages<AdminAction> {
        self.client.pages(
            move |page_token| filter.page(page_token),
            call!(AdminServiceClient::list_admin_actions),
            |answer| Ok((each(answer.actions)?, answer.next_page_token)),
        )
    }
}

/// The clock of a sandbox. Elsewhere its calls give [`Error::Unimplemented`].
#[derive(Debug, Clone)]
pub struct Sandbox {
    client: Client,
}

impl Sandbox {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// The sandbox's time.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn clock(&self) -> Result<SystemTime, Error> {
        let call = call!(SandboxServiceClient::get_clock);
        self.client
            .read(|| v1::GetClockRequest {}, call, |answer| FromWire::read(there(answer.clock_time, "clock_time")?))
            .await
    }

    /// Moves the clock forward and runs all work due in between. It names the time to reach, so repeating it is safe.
    ///
    /// # Errors
    /// Those of a read; [`Error::Refused`] for a time in the sandbox's past.
    pub async fn advance_clock(&self, to_time: SystemTime) -> Result<ClockAdvanced, Error> {
        let request = || v1::AdvanceClockRequest { to_time: Some(to_time.into()) };
        let call = call!(SandboxServiceClient::advance_clock);
        self.client.read(request, call, FromWire::read).await
    }
}
