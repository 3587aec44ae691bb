//! Money at the house's own bank accounts: what arrived, what it pays, what goes out and what comes back.

use clearing_proto::v1;
use clearing_proto::v1::bank_service_client::BankServiceClient;

use crate::answers::OpenMoney;
use crate::client::{PAGE_SIZE, call};
use crate::error::Error;
use crate::money::Money;
use crate::open_enum::open_enum;
use crate::operator::Operator;
use crate::outcome::Outcome;
use crate::pages::Pages;
use crate::points::keyed;
use crate::request_id::RequestId;
use crate::wire::{FromWire, each, key, to_money};

pub use crate::answers::{
    BankFeeBooked, MoneyApplied, MoneyDirection, MoneyReceived, MoneyReturned, OrderedConfirmed, OwnTransferBooked,
    PaymentReturned, PaymentUndone,
};

impl Operator {
    /// Records money that arrived, once for each line of the bank.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn receive_money(&self, receive: ReceiveMoney) -> Result<Outcome<MoneyReceived>, Error> {
        let call = call!(BankServiceClient::receive_money);
        self.client.write(receive, to_receive, call, FromWire::read).await
    }

    /// Uses money that arrived.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn apply_money(&self, apply: ApplyMoney) -> Result<Outcome<MoneyApplied>, Error> {
        let call = call!(BankServiceClient::apply_money);
        self.client.write(apply, to_apply, call, FromWire::read).await
    }

    /// Undoes a payment that was booked by mistake, or a use of money.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn undo_payment(&self, undo: UndoPayment) -> Result<Outcome<PaymentUndone>, Error> {
        let call = call!(BankServiceClient::undo_payment);
        self.client.write(undo, to_undo, call, FromWire::read).await
    }

    /// Orders money back that arrived and is unapplied.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn return_money(&self, give: ReturnMoney) -> Result<Outcome<MoneyReturned>, Error> {
        let call = call!(BankServiceClient::return_money);
        self.client.write(give, to_return_money, call, FromWire::read).await
    }

    /// Records that the bank has paid what was ordered out.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn confirm_ordered(&self, confirm: ConfirmOrdered) -> Result<Outcome<OrderedConfirmed>, Error> {
        let call = call!(BankServiceClient::confirm_ordered);
        self.client.write(confirm, to_confirm_ordered, call, FromWire::read).await
    }

    /// Records that a payment came back.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn return_payment(&self, back: ReturnPayment) -> Result<Outcome<PaymentReturned>, Error> {
        let call = call!(BankServiceClient::return_payment);
        self.client.write(back, to_return_payment, call, FromWire::read).await
    }

    /// Records a fee that the bank took, or interest that it gave.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn book_bank_fee(&self, fee: BookBankFee) -> Result<Outcome<BankFeeBooked>, Error> {
        let call = call!(BankServiceClient::book_bank_fee);
        self.client.write(fee, to_fee, call, FromWire::read).await
    }

    /// Records that money was moved between the house's own accounts.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn book_own_transfer(&self, transfer: BookOwnTransfer) -> Result<Outcome<OwnTransferBooked>, Error> {
        let call = call!(BankServiceClient::book_own_transfer);
        self.client.write(transfer, to_transfer, call, FromWire::read).await
    }

    /// What of the money at the bank waits for somebody, the oldest first: of this partner, of nobody knows whom (`unknown`), or of
    /// all (empty).
    pub fn open_money(&self, partner_id: impl Into<String>) -> Pages<OpenMoney> {
        let partner_id = partner_id.into();
        self.client.pages(
            move |page_token| v1::ListOpenMoneyRequest {
                partner_id: partner_id.clone(),
                page_size: PAGE_SIZE,
                page_token,
            },
            call!(BankServiceClient::list_open_money),
            |answer| Ok((each(answer.money)?, answer.next_page_token)),
        )
    }
}

/// By what a line of a bank's statement is known.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a line does nothing until a request has it"]
pub struct BankLine {
    own_account: String,
    booking_date: String,
    reference: String,
}

impl BankLine {
    /// By the bank's own reference, or one made of what else tells the line from others of its day: 1 to 140 characters.
    pub fn of(reference: impl Into<String>) -> Self {
        Self { own_account: String::new(), booking_date: String::new(), reference: reference.into() }
    }

    /// Of this own account of the house, as the bank writes it. Default: it has one only.
    pub fn own_account(mut self, account: impl Into<String>) -> Self {
        self.own_account = account.into();
        self
    }

    /// Booked on this day, as YYYY-MM-DD.
    pub fn booked(mut self, day: impl Into<String>) -> Self {
        self.booking_date = day.into();
        self
    }
}

pub(crate) fn to_line(line: &BankLine) -> v1::BankLine {
    let BankLine { own_account, booking_date, reference } = line.clone();
    v1::BankLine { own_account, booking_date, reference }
}

open_enum! {
    /// Which of the house's own accounts.
    BankPurpose = BankPurpose, unspecified Unspecified {
        /// Legs, advances and what is unapplied or ordered out.
        Settlement = "SETTLEMENT",
        /// The reserve.
        Reserve = "RESERVE",
        /// What partners deposited against their own defaults.
        Collateral = "COLLATERAL",
        /// What backs prepaid points.
        Pool = "POOL",
    }
}

open_enum! {
    /// What money is used for.
    MoneyUse = MoneyUse, unspecified Unspecified {
        /// A leg that is due, or a part of it.
        Leg = "LEG",
        /// A claim, or a part of it.
        Claim = "CLAIM",
        /// It is paid ahead.
        Advance = "ADVANCE",
        /// It came from nobody knows whom, and is the partner's.
        Unapplied = "UNAPPLIED",
    }
}

/// Records money that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct ReceiveMoney {
    request_id: Option<RequestId>,
    partner_id: String,
    amount: Money,
    line: BankLine,
    window: i64,
}

impl ReceiveMoney {
    /// Of this partner.
    pub fn of(partner_id: impl Into<String>, amount: Money, line: BankLine) -> Self {
        Self { request_id: None, partner_id: partner_id.into(), amount, line, window: 0 }
    }

    /// Of nobody knows whom.
    pub fn unknown(amount: Money, line: BankLine) -> Self {
        Self::of("", amount, line)
    }

    /// The window that the line's text names.
    pub fn window(mut self, window: i64) -> Self {
        self.window = window;
        self
    }
}

/// Uses money that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct ApplyMoney {
    request_id: Option<RequestId>,
    partner_id: String,
    amount: Money,
    to: MoneyUse,
    window: i64,
}

impl ApplyMoney {
    /// What arrived of this partner, for its oldest leg that is due.
    pub fn leg(partner_id: impl Into<String>, amount: Money) -> Self {
        Self::of(partner_id, amount, MoneyUse::Leg)
    }

    /// What arrived of this partner, for what is claimed of it.
    pub fn claim(partner_id: impl Into<String>, amount: Money) -> Self {
        Self::of(partner_id, amount, MoneyUse::Claim)
    }

    /// What arrived of this partner is paid ahead.
    pub fn advance(partner_id: impl Into<String>, amount: Money) -> Self {
        Self::of(partner_id, amount, MoneyUse::Advance)
    }

    /// What came from nobody knows whom is this partner's.
    pub fn from_unknown(partner_id: impl Into<String>, amount: Money) -> Self {
        Self::of(partner_id, amount, MoneyUse::Unapplied)
    }

    /// For this use.
    pub fn of(partner_id: impl Into<String>, amount: Money, to: MoneyUse) -> Self {
        Self { request_id: None, partner_id: partner_id.into(), amount, to, window: 0 }
    }

    /// The leg of this window.
    pub fn window(mut self, window: i64) -> Self {
        self.window = window;
        self
    }
}

/// Undoes a payment that was booked by mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct UndoPayment {
    request_id: Option<RequestId>,
    payment_entry_id: String,
    reason_code: String,
}

impl UndoPayment {
    /// The payment of this entry, and why: a code of 1 to 64 characters, which stays in the journal.
    pub fn of(payment_entry_id: impl Into<String>, reason_code: impl Into<String>) -> Self {
        Self { request_id: None, payment_entry_id: payment_entry_id.into(), reason_code: reason_code.into() }
    }
}

/// Orders money back that arrived and is unapplied.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct ReturnMoney {
    request_id: Option<RequestId>,
    account: String,
    amount: Money,
}

impl ReturnMoney {
    /// To this partner, of whom it came.
    pub fn of(partner_id: &str, amount: Money) -> Self {
        Self::account(format!("unapplied:{partner_id}"), amount)
    }

    /// To nobody knows whom, from whom it came.
    pub fn unknown(amount: Money) -> Self {
        Self::account("unapplied:unknown", amount)
    }

    /// Out of this account: "unapplied:PARTNER" or "unapplied:unknown".
    pub fn account(account: impl Into<String>, amount: Money) -> Self {
        Self { request_id: None, account: account.into(), amount }
    }
}

/// Records that the bank has paid what was ordered out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct ConfirmOrdered {
    request_id: Option<RequestId>,
    partner_id: String,
    amount: Money,
    line: Option<BankLine>,
}

impl ConfirmOrdered {
    /// To this partner, or back to nobody knows whom (empty), exactly so much.
    pub fn of(partner_id: impl Into<String>, amount: Money) -> Self {
        Self { request_id: None, partner_id: partner_id.into(), amount, line: None }
    }

    /// The line of the bank's statement. Default: it is booked by hand.
    pub fn line(mut self, line: BankLine) -> Self {
        self.line = Some(line);
        self
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Back {
    Arrived(BankLine),
    PayOut(i64, String),
    Ordered(String),
}

/// Records that a payment came back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct ReturnPayment {
    request_id: Option<RequestId>,
    back: Back,
    line: Option<BankLine>,
}

impl ReturnPayment {
    /// Money that had arrived, by its line.
    pub fn arrived(payment: BankLine) -> Self {
        Self { request_id: None, back: Back::Arrived(payment), line: None }
    }

    /// A pay-out of a leg.
    pub fn pay_out(window: i64, partner_id: impl Into<String>) -> Self {
        Self { request_id: None, back: Back::PayOut(window, partner_id.into()), line: None }
    }

    /// Money that was ordered out, by the entry that ordered it.
    pub fn ordered(entry_id: impl Into<String>) -> Self {
        Self { request_id: None, back: Back::Ordered(entry_id.into()), line: None }
    }

    /// The line by which it came back. Default: it is booked by hand.
    pub fn line(mut self, line: BankLine) -> Self {
        self.line = Some(line);
        self
    }
}

/// Records a fee that the bank took of one of the house's accounts, or interest that it gave.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct BookBankFee {
    request_id: Option<RequestId>,
    account: BankPurpose,
    amount: Money,
    interest: bool,
    line: BankLine,
}

impl BookBankFee {
    /// The bank took it.
    pub fn taken(account: BankPurpose, amount: Money, line: BankLine) -> Self {
        Self { request_id: None, account, amount, interest: false, line }
    }

    /// The bank gave it.
    pub fn interest(account: BankPurpose, amount: Money, line: BankLine) -> Self {
        Self { interest: true, ..Self::taken(account, amount, line) }
    }
}

/// Records that money was moved between the house's own accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct BookOwnTransfer {
    request_id: Option<RequestId>,
    from: BankPurpose,
    to: BankPurpose,
    amount: Money,
    line: BankLine,
    arrived: bool,
}

impl BookOwnTransfer {
    /// The line is of the account that it left.
    pub fn left(from: BankPurpose, to: BankPurpose, amount: Money, line: BankLine) -> Self {
        Self { request_id: None, from, to, amount, line, arrived: false }
    }

    /// The line is of the account that it came to.
    pub fn arrived(from: BankPurpose, to: BankPurpose, amount: Money, line: BankLine) -> Self {
        Self { arrived: true, ..Self::left(from, to, amount, line) }
    }
}

keyed!(ReceiveMoney, ApplyMoney, UndoPayment, ReturnMoney, ConfirmOrdered, ReturnPayment, BookBankFee, BookOwnTransfer);

fn to_receive(receive: &ReceiveMoney) -> v1::ReceiveMoneyRequest {
    v1::ReceiveMoneyRequest {
        request_id: key(receive.request_id),
        partner_id: receive.partner_id.clone(),
        amount: Some(to_money(&receive.amount)),
        line: Some(to_line(&receive.line)),
        window: receive.window,
    }
}

fn to_apply(apply: &ApplyMoney) -> v1::ApplyMoneyRequest {
    let from = match apply.to {
        MoneyUse::Unapplied => v1::MoneySource::Unknown,
        MoneyUse::Leg | MoneyUse::Claim | MoneyUse::Advance | MoneyUse::Other(_) => v1::MoneySource::Partner,
    };
    v1::ApplyMoneyRequest {
        request_id: key(apply.request_id),
        partner_id: apply.partner_id.clone(),
        amount: Some(to_money(&apply.amount)),
        to: apply.to.to_wire(),
        window: apply.window,
        from: from.into(),
    }
}

fn to_undo(undo: &UndoPayment) -> v1::UndoPaymentRequest {
    let UndoPayment { request_id, payment_entry_id, reason_code } = undo.clone();
    v1::UndoPaymentRequest { request_id: key(request_id), payment_entry_id, reason_code }
}

fn to_return_money(give: &ReturnMoney) -> v1::ReturnMoneyRequest {
    v1::ReturnMoneyRequest {
        request_id: key(give.request_id),
        account: give.account.clone(),
        amount: Some(to_money(&give.amount)),
    }
}

fn to_confirm_ordered(confirm: &ConfirmOrdered) -> v1::ConfirmOrderedRequest {
    v1::ConfirmOrderedRequest {
        request_id: key(confirm.request_id),
        partner_id: confirm.partner_id.clone(),
        amount: Some(to_money(&confirm.amount)),
        line: confirm.line.as_ref().map(to_line),
    }
}

fn to_return_payment(back: &ReturnPayment) -> v1::ReturnPaymentRequest {
    let mut request = v1::ReturnPaymentRequest {
        request_id: key(back.request_id),
        line: back.line.as_ref().map(to_line),
        ..v1::ReturnPaymentRequest::default()
    };
    match &back.back {
        Back::Arrived(payment) => request.payment = Some(to_line(payment)),
        Back::PayOut(window, partner_id) => {
            request.window = *window;
            request.partner_id.clone_from(partner_id);
        }
        Back::Ordered(entry_id) => request.ordered_entry_id.clone_from(entry_id),
    }
    request
}

fn to_fee(fee: &BookBankFee) -> v1::BookBankFeeRequest {
    v1::BookBankFeeRequest {
        request_id: key(fee.request_id),
        account: fee.account.to_wire(),
        amount: Some(to_money(&fee.amount)),
        interest: fee.interest,
        line: Some(to_line(&fee.line)),
    }
}

fn to_transfer(transfer: &BookOwnTransfer) -> v1::BookOwnTransferRequest {
    v1::BookOwnTransferRequest {
        request_id: key(transfer.request_id),
        from: transfer.from.to_wire(),
        to: transfer.to.to_wire(),
        amount: Some(to_money(&transfer.amount)),
        line: Some(to_line(&transfer.line)),
        arrived: transfer.arrived,
    }
}
