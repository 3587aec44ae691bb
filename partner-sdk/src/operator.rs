//! What the operator and auditors do, and the clock of a sandbox. [`crate::Client::operator`] leads here; a partner that
//! calls these gets [`Error::PermissionDenied`].

use std::time::SystemTime;

use clearing_proto::v1;
use clearing_proto::v1::admin_service_client::AdminServiceClient;
use clearing_proto::v1::care_service_client::CareServiceClient;
use clearing_proto::v1::partner_service_client::PartnerServiceClient;
use clearing_proto::v1::report_service_client::ReportServiceClient;
use clearing_proto::v1::sandbox_service_client::SandboxServiceClient;
use clearing_proto::v1::settlement_service_client::SettlementServiceClient;

use crate::answers::{Entry, ExpiryNotice, Settlement};
use crate::client::{Client, OPEN_WINDOW, PAGE_SIZE, call};
use crate::error::Error;
use crate::money::Money;
use crate::open_enum::open_enum;
use crate::outcome::Outcome;
use crate::pages::Pages;
use crate::points::keyed;
use crate::request_id::RequestId;
use crate::wire::{self, FromWire, each, there};

pub use crate::admin::AdminActions;
pub use crate::answers::{
    AccountBalance, AdminAction, BilateralNet, CalendarSet, ClockAdvanced, ConsentSet, DebtWrittenOff, Decayed,
    Deposited, DueWork, DueWorkKind, ExpiryExtended, FeeBearer, FieldChange, Funding, FundingConsent, LimitUse,
    LimitsSet, MembersDecayed, NettingReport, Orders, Partner, PartnerCreated, PartnerState, PaymentConfirmed,
    PaymentOrder, PointsReinstated, SettlementAborted, SettlementConfirmed, StateSet, Terms, TermsSet, TrialBalance,
    WindowClosed,
};
pub use crate::care::{DecayMembers, ExtendExpiry, ReinstatePoints, RunDecay, WriteOffDebt};
pub use crate::limits::PartnerLimits;
pub use crate::terms::{BreakageSplit, Expiry, TermsChange};

/// The calls of the operator and of auditors.
#[derive(Debug, Clone)]
pub struct Operator {
    client: Client,
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

    /// Admits a partner.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn create_partner(&self, create: CreatePartner) -> Result<Outcome<PartnerCreated>, Error> {
        let call = call!(PartnerServiceClient::create_partner);
        self.client.write(create, wire::to_create_partner, call, FromWire::read).await
    }

    /// Makes a new version of a partner's terms.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn set_terms(&self, set: SetTerms) -> Result<Outcome<TermsSet>, Error> {
        let call = call!(PartnerServiceClient::set_terms);
        self.client.write(set, wire::to_set_terms, call, FromWire::read).await
    }

    /// Restricts or suspends a partner, or lets it act again.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn set_partner_state(&self, set: SetPartnerState) -> Result<Outcome<StateSet>, Error> {
        let call = call!(PartnerServiceClient::set_partner_state);
        self.client.write(set, wire::to_set_state, call, FromWire::read).await
    }

    /// Sets the limits of a partner, all at once.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn set_limits(&self, set: SetLimits) -> Result<Outcome<LimitsSet>, Error> {
        let call = call!(PartnerServiceClient::set_limits);
        self.client.write(set, wire::to_set_limits, call, FromWire::read).await
    }

    /// Lets a partner name another one as a funder of its issues, or withdraws that.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn set_funding_consent(&self, set: SetFundingConsent) -> Result<Outcome<ConsentSet>, Error> {
        let call = call!(PartnerServiceClient::set_funding_consent);
        self.client.write(set, wire::to_set_consent, call, FromWire::read).await
    }

    /// Takes a share of a member's points for inactivity.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn run_decay(&self, run: RunDecay) -> Result<Outcome<Decayed>, Error> {
        let call = call!(CareServiceClient::run_decay);
        self.client.write(run, wire::to_run_decay, call, FromWire::read).await
    }

    /// Takes a share of the points of all inactive members, page by page. `told` hears after each page what was done so
    /// far.
    ///
    /// It may be broken off and called again: members that were served are passed over.
    ///
    /// # Errors
    /// Those of a read: see [`Error`]; [`Error::Refused`] for a moment that is ahead of the house's clock.
    pub async fn decay_members(
        &self,
        decay: &DecayMembers,
        mut told: impl FnMut(&MembersDecayed),
    ) -> Result<MembersDecayed, Error> {
        let mut sum = MembersDecayed::default();
        let mut next = Some(String::new());
        while let Some(token) = next {
            let page;
            (page, next) = self.decay_members_page(decay, token).await?;
            sum.member_count += page.member_count;
            sum.decayed_member_count += page.decayed_member_count;
            sum.decayed_points += page.decayed_points;
            told(&sum);
        }
        Ok(sum)
    }

    /// One page of [`Operator::decay_members`], and the token of the next; none after the last. The first page has an empty
    /// token. It may be asked for again at any time.
    ///
    /// # Errors
    /// As of [`Operator::decay_members`].
    pub async fn decay_members_page(
        &self,
        decay: &DecayMembers,
        page_token: String,
    ) -> Result<(MembersDecayed, Option<String>), Error> {
        let request = || wire::to_decay_members(decay, page_token.clone());
        let call = call!(CareServiceClient::decay_members);
        self.client
            .read(request, call, |answer: v1::DecayMembersResponse| {
                let next = wire::some(answer.next_page_token.clone());
                Ok((FromWire::read(answer)?, next))
            })
            .await
    }

    /// Lets points of a member live longer.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn extend_expiry(&self, extend: ExtendExpiry) -> Result<Outcome<ExpiryExtended>, Error> {
        let call = call!(CareServiceClient::extend_expiry);
        self.client.write(extend, wire::to_extend_expiry, call, FromWire::read).await
    }

    /// Gives a member points again that it lost.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn reinstate_points(&self, reinstate: ReinstatePoints) -> Result<Outcome<PointsReinstated>, Error> {
        let call = call!(CareServiceClient::reinstate_points);
        self.client.write(reinstate, wire::to_reinstate, call, FromWire::read).await
    }

    /// Gives up what a member owes.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn write_off_debt(&self, write_off: WriteOffDebt) -> Result<Outcome<DebtWrittenOff>, Error> {
        let call = call!(CareServiceClient::write_off_debt);
        self.client.write(write_off, wire::to_write_off, call, FromWire::read).await
    }

    /// The partners, by id.
    pub fn partners(&self) -> Pages<Partner> {
        self.client.pages(
            |page_token| v1::ListPartnersRequest { page_size: PAGE_SIZE, page_token },
            call!(PartnerServiceClient::list_partners),
            |answer| Ok((each(answer.partners)?, answer.next_page_token)),
        )
    }

    /// Closes the open window and opens the next.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn close_window(&self, close: CloseWindow) -> Result<Outcome<WindowClosed>, Error> {
        let call = call!(SettlementServiceClient::close_window);
        self.client.write(close, wire::to_close_window, call, FromWire::read).await
    }

    /// The settlement of a window; `None`: what that of the open one would be if it closed now.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn preview_settlement(&self, window: Option<i64>) -> Result<Settlement, Error> {
        let request = || v1::PreviewSettlementRequest { window: window.unwrap_or(OPEN_WINDOW) };
        let call = call!(SettlementServiceClient::preview_settlement);
        self.client.read(request, call, |answer| FromWire::read(there(answer.settlement, "settlement")?)).await
    }

    /// Confirms a proposed settlement.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn confirm_settlement(&self, confirm: ConfirmSettlement) -> Result<Outcome<SettlementConfirmed>, Error> {
        let call = call!(SettlementServiceClient::confirm_settlement);
        self.client.write(confirm, wire::to_confirm_settlement, call, FromWire::read).await
    }

    /// Gives the payment orders of a confirmed settlement.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn export_orders(&self, export: ExportOrders) -> Result<Outcome<Orders>, Error> {
        let call = call!(SettlementServiceClient::export_orders);
        self.client.write(export, wire::to_export_orders, call, FromWire::read).await
    }

    /// Records that a payment order was paid.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn confirm_payment(&self, confirm: ConfirmPayment) -> Result<Outcome<PaymentConfirmed>, Error> {
        let call = call!(SettlementServiceClient::confirm_payment);
        self.client.write(confirm, wire::to_confirm_payment, call, FromWire::read).await
    }

    /// Gives up a settlement before its first payment.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn abort_settlement(&self, abort: AbortSettlement) -> Result<Outcome<SettlementAborted>, Error> {
        let call = call!(SettlementServiceClient::abort_settlement);
        self.client.write(abort, wire::to_abort, call, FromWire::read).await
    }

    /// Records a deposit into the reserve or a partner's collateral.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn deposit(&self, deposit: Deposit) -> Result<Outcome<Deposited>, Error> {
        let call = call!(SettlementServiceClient::deposit);
        self.client.write(deposit, wire::to_deposit, call, FromWire::read).await
    }

    /// Sets when the house closes windows by itself.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn set_calendar(&self, set: SetCalendar) -> Result<Outcome<CalendarSet>, Error> {
        let call = call!(SettlementServiceClient::set_calendar);
        self.client.write(set, wire::to_set_calendar, call, FromWire::read).await
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

/// Admits a partner.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct CreatePartner {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) partner_id: String,
    pub(crate) display_name: String,
    pub(crate) terms: TermsChange,
    pub(crate) limits: PartnerLimits,
    pub(crate) no_default_limits: bool,
}

impl CreatePartner {
    /// With this id: 1 to 31 characters of `[A-Za-z0-9_-]`, the first of them a letter; none that a spreadsheet takes for a
    /// date or a truth value, and none of the house's own names.
    pub fn new(partner_id: impl Into<String>) -> Self {
        Self {
            request_id: None,
            partner_id: partner_id.into(),
            display_name: String::new(),
            terms: TermsChange::none(),
            limits: PartnerLimits::none(),
            no_default_limits: false,
        }
    }

    /// Its name for people. Default: its id.
    pub fn display_name(mut self, name: impl Into<String>) -> Self {
        self.display_name = name.into();
        self
    }

    /// Its terms, where they are not the coalition's defaults.
    pub fn terms(mut self, terms: TermsChange) -> Self {
        self.terms = terms;
        self
    }

    /// What it may do at the most. A limit that is not set is the coalition's default for new partners, if it has one.
    pub fn limits(mut self, limits: PartnerLimits) -> Self {
        self.limits = limits;
        self
    }

    /// What its limits leave out is no limit instead of the coalition's default.
    pub fn without_default_limits(mut self) -> Self {
        self.no_default_limits = true;
        self
    }
}

/// Sets the limits of a partner, all at once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct SetLimits {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) partner_id: String,
    pub(crate) limits: PartnerLimits,
}

impl SetLimits {
    /// Of this partner; they take the place of all there were.
    pub fn of(partner_id: impl Into<String>, limits: PartnerLimits) -> Self {
        Self { request_id: None, partner_id: partner_id.into(), limits }
    }
}

/// Lets a partner name another one as a funder of its issues, or withdraws that.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct SetFundingConsent {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) funder_id: String,
    pub(crate) partner_id: String,
    pub(crate) given: bool,
    pub(crate) budget_points: Option<i64>,
}

impl SetFundingConsent {
    /// `partner_id` may name `funder_id`.
    pub fn give(funder_id: impl Into<String>, partner_id: impl Into<String>) -> Self {
        let (funder_id, partner_id) = (funder_id.into(), partner_id.into());
        Self { request_id: None, funder_id, partner_id, given: true, budget_points: None }
    }

    /// `partner_id` may not name `funder_id` any more.
    pub fn withdraw(funder_id: impl Into<String>, partner_id: impl Into<String>) -> Self {
        Self { given: false, ..Self::give(funder_id, partner_id) }
    }

    /// For so many points in all. Default: any number.
    pub fn budget(mut self, points: i64) -> Self {
        self.budget_points = Some(points);
        self
    }
}

/// Makes a new version of a partner's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct SetTerms {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) partner_id: String,
    pub(crate) terms: TermsChange,
    pub(crate) effective_time: Option<SystemTime>,
}

impl SetTerms {
    /// Of this partner.
    pub fn of(partner_id: impl Into<String>, terms: TermsChange) -> Self {
        Self { request_id: None, partner_id: partner_id.into(), terms, effective_time: None }
    }

    /// From when on. Default: at once.
    pub fn effective(mut self, time: SystemTime) -> Self {
        self.effective_time = Some(time);
        self
    }
}

/// Restricts or suspends a partner, or lets it act again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct SetPartnerState {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) partner_id: String,
    pub(crate) state: PartnerState,
}

impl SetPartnerState {
    /// Of this partner.
    pub fn of(partner_id: impl Into<String>, state: PartnerState) -> Self {
        Self { request_id: None, partner_id: partner_id.into(), state }
    }
}

/// Closes the open window.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use = "a request does nothing until a client sends it"]
pub struct CloseWindow {
    pub(crate) request_id: Option<RequestId>,
}

impl CloseWindow {
    /// Now.
    pub fn now() -> Self {
        Self::default()
    }
}

/// Confirms a proposed settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct ConfirmSettlement {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) window: i64,
}

impl ConfirmSettlement {
    /// Of this window.
    pub fn of(window: i64) -> Self {
        Self { request_id: None, window }
    }
}

open_enum! {
    /// Who pays whom.
    OrderMode = OrderMode, unspecified Unspecified {
        /// Everyone to or from one settlement account.
        Hub = "HUB",
        /// Participants each other.
        Pairwise = "PAIRWISE",
    }
}

/// Gives the payment orders of a confirmed settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct ExportOrders {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) window: i64,
    pub(crate) mode: OrderMode,
}

impl ExportOrders {
    /// Of this window.
    pub fn of(window: i64, mode: OrderMode) -> Self {
        Self { request_id: None, window, mode }
    }
}

/// What was paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Payment {
    Hub { partner_id: String },
    Pair { payer: String, payee: String },
}

/// Records that a payment order was paid.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct ConfirmPayment {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) window: i64,
    pub(crate) payment: Payment,
    pub(crate) amount: Option<Money>,
}

impl ConfirmPayment {
    /// The leg of a participant, to or from the settlement account.
    pub fn hub(window: i64, partner_id: impl Into<String>) -> Self {
        Self { request_id: None, window, payment: Payment::Hub { partner_id: partner_id.into() }, amount: None }
    }

    /// The order between two participants, or one and "funds".
    pub fn pair(window: i64, payer: impl Into<String>, payee: impl Into<String>) -> Self {
        let payment = Payment::Pair { payer: payer.into(), payee: payee.into() };
        Self { request_id: None, window, payment, amount: None }
    }

    /// The amount that was paid. Default: all that is due.
    pub fn amount(mut self, amount: Money) -> Self {
        self.amount = Some(amount);
        self
    }
}

/// Gives up a settlement before its first payment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct AbortSettlement {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) window: i64,
}

impl AbortSettlement {
    /// Of this window.
    pub fn of(window: i64) -> Self {
        Self { request_id: None, window }
    }
}

/// Records a deposit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct Deposit {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) account: String,
    pub(crate) amount: Money,
}

impl Deposit {
    /// Into the coalition's reserve.
    pub fn reserve(amount: Money) -> Self {
        Self::account("reserve", amount)
    }

    /// Into a partner's collateral.
    pub fn collateral(partner_id: &str, amount: Money) -> Self {
        Self::account(format!("collateral:{partner_id}"), amount)
    }

    /// Into this account: "reserve" or "collateral:PARTNER".
    pub fn account(account: impl Into<String>, amount: Money) -> Self {
        Self { request_id: None, account: account.into(), amount }
    }
}

/// Sets when the house closes windows by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct SetCalendar {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) cron_expressions: Vec<String>,
    pub(crate) time_zone: String,
}

impl SetCalendar {
    /// Whenever one of these cron expressions of five fields is due, in the coalition's time zone. None: by hand only.
    pub fn new(cron_expressions: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            request_id: None,
            cron_expressions: cron_expressions.into_iter().map(Into::into).collect(),
            time_zone: String::new(),
        }
    }

    /// Read in this IANA time zone.
    pub fn time_zone(mut self, time_zone: impl Into<String>) -> Self {
        self.time_zone = time_zone.into();
        self
    }
}

keyed!(
    CreatePartner,
    SetTerms,
    SetPartnerState,
    SetLimits,
    SetFundingConsent,
    CloseWindow,
    ConfirmSettlement,
    ExportOrders,
    ConfirmPayment,
    AbortSettlement,
    Deposit,
    SetCalendar,
);
