//! Settlement: how the operator closes windows, settles them, and records money that moves.

use std::time::SystemTime;

use clearing_proto::v1;
use clearing_proto::v1::settlement_service_client::SettlementServiceClient;
use prost_types::Timestamp;

use crate::answers::{OnHoliday, Settlement, Weekday};
use crate::bank::{BankLine, to_line};
use crate::client::{OPEN_WINDOW, call};
use crate::error::Error;
use crate::money::Money;
use crate::open_enum::open_enum;
use crate::operator::Operator;
use crate::outcome::Outcome;
use crate::points::keyed;
use crate::request_id::RequestId;
use crate::wire::{FromWire, key, there, to_money};

pub use crate::answers::{
    CalendarSet, Deposited, FundsWithdrawn, Orders, PaymentConfirmed, PaymentOrder, SettlementAborted,
    SettlementConfirmed, WindowClosed,
};

impl Operator {
    /// Closes the open window and opens the next.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn close_window(&self, close: CloseWindow) -> Result<Outcome<WindowClosed>, Error> {
        let call = call!(SettlementServiceClient::close_window);
        self.client.write(close, to_close_window, call, FromWire::read).await
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
        self.client.write(confirm, to_confirm_settlement, call, FromWire::read).await
    }

    /// Gives the payment orders of a confirmed settlement.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn export_orders(&self, export: ExportOrders) -> Result<Outcome<Orders>, Error> {
        let call = call!(SettlementServiceClient::export_orders);
        self.client.write(export, to_export_orders, call, FromWire::read).await
    }

    /// Records that a payment order was paid.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn confirm_payment(&self, confirm: ConfirmPayment) -> Result<Outcome<PaymentConfirmed>, Error> {
        let call = call!(SettlementServiceClient::confirm_payment);
        self.client.write(confirm, to_confirm_payment, call, FromWire::read).await
    }

    /// Gives up a settlement before its first payment.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn abort_settlement(&self, abort: AbortSettlement) -> Result<Outcome<SettlementAborted>, Error> {
        let call = call!(SettlementServiceClient::abort_settlement);
        self.client.write(abort, to_abort, call, FromWire::read).await
    }

    /// Records a deposit into the reserve or a partner's collateral, or what a partner pays ahead.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn deposit(&self, deposit: Deposit) -> Result<Outcome<Deposited>, Error> {
        let call = call!(SettlementServiceClient::deposit);
        self.client.write(deposit, to_deposit, call, FromWire::read).await
    }

    /// Orders money out of the reserve, a partner's collateral, or what a partner paid ahead. It is on its way until the bank has
    /// paid it: `confirm_ordered`.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn withdraw_funds(&self, withdraw: WithdrawFunds) -> Result<Outcome<FundsWithdrawn>, Error> {
        let call = call!(SettlementServiceClient::withdraw_funds);
        self.client.write(withdraw, to_withdraw_funds, call, FromWire::read).await
    }

    /// Sets when the house closes windows by itself.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn set_calendar(&self, set: SetCalendar) -> Result<Outcome<CalendarSet>, Error> {
        let call = call!(SettlementServiceClient::set_calendar);
        self.client.write(set, to_set_calendar, call, FromWire::read).await
    }
}

/// Closes the open window.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use = "a request does nothing until a client sends it"]
pub struct CloseWindow {
    request_id: Option<RequestId>,
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
    request_id: Option<RequestId>,
    window: i64,
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
    request_id: Option<RequestId>,
    window: i64,
    mode: OrderMode,
    replace: bool,
}

impl ExportOrders {
    /// Of this window.
    pub fn of(window: i64, mode: OrderMode) -> Self {
        Self { request_id: None, window, mode, replace: false }
    }

    /// Orders that were exported in the other mode are void from now on: whoever was given them must not pay them.
    /// Default: such an export is refused as EXPORTED_OTHERWISE.
    pub fn replace(mut self) -> Self {
        self.replace = true;
        self
    }
}

/// What was paid.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Payment {
    Hub { partner_id: String },
    Pair { payer: String, payee: String },
}

/// Records that a payment order was paid.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct ConfirmPayment {
    request_id: Option<RequestId>,
    window: i64,
    payment: Payment,
    amount: Option<Money>,
    reference: String,
    value_date: String,
    line: Option<BankLine>,
}

impl ConfirmPayment {
    /// The leg of a participant, to or from the settlement account.
    pub fn hub(window: i64, partner_id: impl Into<String>) -> Self {
        Self::of(window, Payment::Hub { partner_id: partner_id.into() })
    }

    /// The order between two participants, or one and "funds".
    pub fn pair(window: i64, payer: impl Into<String>, payee: impl Into<String>) -> Self {
        Self::of(window, Payment::Pair { payer: payer.into(), payee: payee.into() })
    }

    fn of(window: i64, payment: Payment) -> Self {
        Self {
            request_id: None,
            window,
            payment,
            amount: None,
            reference: String::new(),
            value_date: String::new(),
            line: None,
        }
    }

    /// The line of the bank's statement that tells of it, with the amount that it has. Default: it is booked by hand.
    pub fn line(mut self, line: BankLine, amount: Money) -> Self {
        self.line = Some(line);
        self.amount(amount)
    }

    /// The amount that was paid. Default: all that is due.
    pub fn amount(mut self, amount: Money) -> Self {
        self.amount = Some(amount);
        self
    }

    /// By what the bank calls the payment: at most 140 characters, and no name of a person. It is kept for good.
    pub fn reference(mut self, reference: impl Into<String>) -> Self {
        self.reference = reference.into();
        self
    }

    /// The day on which the bank booked the payment, as YYYY-MM-DD.
    pub fn value_date(mut self, day: impl Into<String>) -> Self {
        self.value_date = day.into();
        self
    }
}

/// Gives up a settlement before its first payment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct AbortSettlement {
    request_id: Option<RequestId>,
    window: i64,
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
    request_id: Option<RequestId>,
    account: String,
    amount: Money,
}

impl Deposit {
    /// Into the coalition's reserve.
    pub fn reserve(amount: Money) -> Self {
        Self::account("reserve", amount)
    }

    /// Ahead, by a partner: it counts to its headroom, and pays its next legs.
    pub fn advance(partner_id: &str, amount: Money) -> Self {
        Self::account(format!("advance:{partner_id}"), amount)
    }

    /// Into a partner's collateral.
    pub fn collateral(partner_id: &str, amount: Money) -> Self {
        Self::account(format!("collateral:{partner_id}"), amount)
    }

    /// Into this account: "reserve", "collateral:PARTNER" or "advance:PARTNER".
    pub fn account(account: impl Into<String>, amount: Money) -> Self {
        Self { request_id: None, account: account.into(), amount }
    }
}

/// Records a withdrawal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct WithdrawFunds {
    request_id: Option<RequestId>,
    account: String,
    amount: Money,
}

impl WithdrawFunds {
    /// From the coalition's reserve.
    pub fn reserve(amount: Money) -> Self {
        Self::account("reserve", amount)
    }

    /// What a partner has paid ahead.
    pub fn advance(partner_id: &str, amount: Money) -> Self {
        Self::account(format!("advance:{partner_id}"), amount)
    }

    /// From a partner's collateral.
    pub fn collateral(partner_id: &str, amount: Money) -> Self {
        Self::account(format!("collateral:{partner_id}"), amount)
    }

    /// From this account: "reserve", "collateral:PARTNER" or "advance:PARTNER".
    pub fn account(account: impl Into<String>, amount: Money) -> Self {
        Self { request_id: None, account: account.into(), amount }
    }
}

/// A row of cut-offs, and when the money of each moves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a row does nothing until a calendar has it"]
pub struct CutOffRow {
    cron_expression: String,
    on_holiday: OnHoliday,
    advice_days: u8,
    payment_days: u8,
}

impl CutOffRow {
    /// Whenever this cron expression of five fields is due, on any day; told and paid on that business day, or the next.
    pub fn cron(expression: impl Into<String>) -> Self {
        let cron_expression = expression.into();
        Self { cron_expression, on_holiday: OnHoliday::Keep, advice_days: 0, payment_days: 0 }
    }

    /// What becomes of one whose day is no business day.
    pub fn on_holiday(mut self, what: OnHoliday) -> Self {
        self.on_holiday = what;
        self
    }

    /// Told and paid so many business days after it: 0 to 30, and no fewer for the payment.
    pub fn days(mut self, advice: u8, payment: u8) -> Self {
        (self.advice_days, self.payment_days) = (advice, payment);
        self
    }
}

/// Sets when the house closes windows by itself. What is published of the cut-offs that are less than a day away stays.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct SetCalendar {
    request_id: Option<RequestId>,
    cut_offs: Vec<CutOffRow>,
    time_zone: String,
    weekend: Option<Vec<Weekday>>,
    holiday_rules: Vec<String>,
    holidays: Vec<String>,
    working_days: Vec<String>,
    effective_time: Option<SystemTime>,
}

impl SetCalendar {
    /// Whenever one of these cron expressions of five fields is due, in the coalition's time zone. None: by hand only.
    pub fn new(cron_expressions: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::of(cron_expressions.into_iter().map(CutOffRow::cron))
    }

    /// By these rows. Of several that fall on one moment the first says when it is paid.
    pub fn of(rows: impl IntoIterator<Item = CutOffRow>) -> Self {
        Self {
            request_id: None,
            cut_offs: rows.into_iter().collect(),
            time_zone: String::new(),
            weekend: None,
            holiday_rules: Vec::new(),
            holidays: Vec::new(),
            working_days: Vec::new(),
            effective_time: None,
        }
    }

    /// Read in this IANA time zone.
    pub fn time_zone(mut self, time_zone: impl Into<String>) -> Self {
        self.time_zone = time_zone.into();
        self
    }

    /// The days of the week on which banks do not work, at most 3. Default: Saturday and Sunday.
    pub fn weekend(mut self, days: impl IntoIterator<Item = Weekday>) -> Self {
        self.weekend = Some(days.into_iter().collect());
        self
    }

    /// Holidays of every year, by the names of rules: `TARGET`, `DE`, `RU`, `US-FED`.
    pub fn holiday_rules(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.holiday_rules = names.into_iter().map(Into::into).collect();
        self
    }

    /// Holidays besides, as dates such as `2026-05-11`; at most 1,000.
    pub fn holidays(mut self, dates: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.holidays = dates.into_iter().map(Into::into).collect();
        self
    }

    /// Days on which banks work whatever else is said of them, as dates; at most 1,000.
    pub fn working_days(mut self, dates: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.working_days = dates.into_iter().map(Into::into).collect();
        self
    }

    /// From when on. Default: at once.
    pub fn effective(mut self, time: SystemTime) -> Self {
        self.effective_time = Some(time);
        self
    }
}

keyed!(
    CloseWindow,
    ConfirmSettlement,
    ExportOrders,
    ConfirmPayment,
    AbortSettlement,
    Deposit,
    WithdrawFunds,
    SetCalendar
);

fn to_close_window(close: &CloseWindow) -> v1::CloseWindowRequest {
    v1::CloseWindowRequest { request_id: key(close.request_id) }
}

fn to_confirm_settlement(confirm: &ConfirmSettlement) -> v1::ConfirmSettlementRequest {
    v1::ConfirmSettlementRequest { request_id: key(confirm.request_id), window: confirm.window }
}

fn to_export_orders(export: &ExportOrders) -> v1::ExportOrdersRequest {
    v1::ExportOrdersRequest {
        request_id: key(export.request_id),
        window: export.window,
        mode: export.mode.to_wire(),
        replace: export.replace,
    }
}

fn to_confirm_payment(confirm: &ConfirmPayment) -> v1::ConfirmPaymentRequest {
    let payment = match &confirm.payment {
        Payment::Hub { partner_id } => v1::confirm_payment_request::Payment::PartnerId(partner_id.clone()),
        Payment::Pair { payer, payee } => {
            v1::confirm_payment_request::Payment::Pair(v1::PaymentPair { payer: payer.clone(), payee: payee.clone() })
        }
    };
    v1::ConfirmPaymentRequest {
        request_id: key(confirm.request_id),
        window: confirm.window,
        payment: Some(payment),
        amount: confirm.amount.as_ref().map(to_money),
        reference: confirm.reference.clone(),
        value_date: confirm.value_date.clone(),
        line: confirm.line.as_ref().map(to_line),
    }
}

fn to_abort(abort: &AbortSettlement) -> v1::AbortSettlementRequest {
    v1::AbortSettlementRequest { request_id: key(abort.request_id), window: abort.window }
}

fn to_deposit(deposit: &Deposit) -> v1::DepositRequest {
    v1::DepositRequest {
        request_id: key(deposit.request_id),
        account: deposit.account.clone(),
        amount: Some(to_money(&deposit.amount)),
    }
}

fn to_withdraw_funds(withdraw: &WithdrawFunds) -> v1::WithdrawFundsRequest {
    v1::WithdrawFundsRequest {
        request_id: key(withdraw.request_id),
        account: withdraw.account.clone(),
        amount: Some(to_money(&withdraw.amount)),
    }
}

fn to_set_calendar(set: &SetCalendar) -> v1::SetCalendarRequest {
    let cut_off = |row: &CutOffRow| v1::CutOffPattern {
        cron_expression: row.cron_expression.clone(),
        on_holiday: row.on_holiday.to_wire(),
        advice_days: i32::from(row.advice_days),
        payment_days: i32::from(row.payment_days),
    };
    let weekend = set.weekend.as_deref();
    let calendar = v1::Calendar {
        cut_offs: set.cut_offs.iter().map(cut_off).collect(),
        time_zone: set.time_zone.clone(),
        weekend: weekend.unwrap_or_default().iter().map(|day| day.to_wire()).collect(),
        no_weekend: weekend.is_some_and(<[Weekday]>::is_empty),
        holiday_rules: set.holiday_rules.clone(),
        holidays: set.holidays.clone(),
        working_days: set.working_days.clone(),
    };
    v1::SetCalendarRequest {
        request_id: key(set.request_id),
        calendar: Some(calendar),
        effective_time: set.effective_time.map(Timestamp::from),
    }
}
