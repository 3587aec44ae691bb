//! Settlements that go wrong: pay-outs that leave early, defaults, claims; and what is moved between positions by hand.

use clearing_proto::v1;
use clearing_proto::v1::settlement_service_client::SettlementServiceClient;

use crate::bank::{BankLine, to_line};
use crate::client::call;
use crate::error::Error;
use crate::money::Money;
use crate::operator::Operator;
use crate::outcome::Outcome;
use crate::points::keyed;
use crate::request_id::RequestId;
use crate::wire::{FromWire, key, to_money};

pub use crate::answers::{Adjusted, Charged, ClaimRepaid, DefaultCovered, LossShared, OrdersReleased};

impl Operator {
    /// Lets pay-outs of a settlement leave the house before all of its debits are paid.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn release_orders(&self, release: ReleaseOrders) -> Result<Outcome<OrdersReleased>, Error> {
        let call = call!(SettlementServiceClient::release_orders);
        self.client.write(release, to_release, call, FromWire::read).await
    }

    /// Pays what is due of a leg for a partner that defaults.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn cover_default(&self, cover: CoverDefault) -> Result<Outcome<DefaultCovered>, Error> {
        let call = call!(SettlementServiceClient::cover_default);
        self.client.write(cover, to_cover, call, FromWire::read).await
    }

    /// As a cover, and what is missing is taken off the creditors.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn share_loss(&self, share: ShareLoss) -> Result<Outcome<LossShared>, Error> {
        let call = call!(SettlementServiceClient::share_loss);
        self.client.write(share, to_share, call, FromWire::read).await
    }

    /// Records a payment of a claim.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn repay_claim(&self, repay: RepayClaim) -> Result<Outcome<ClaimRepaid>, Error> {
        let call = call!(SettlementServiceClient::repay_claim);
        self.client.write(repay, to_repay, call, FromWire::read).await
    }

    /// Charges a partner, in the open window.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn charge(&self, charge: Charge) -> Result<Outcome<Charged>, Error> {
        let call = call!(SettlementServiceClient::charge);
        self.client.write(charge, to_charge, call, FromWire::read).await
    }

    /// Moves money between two positions by hand.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn adjust(&self, adjust: Adjust) -> Result<Outcome<Adjusted>, Error> {
        let call = call!(SettlementServiceClient::adjust);
        self.client.write(adjust, to_adjust, call, FromWire::read).await
    }
}

/// Lets pay-outs of a settlement leave before all of its debits are paid, in equal shares of what is due.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct ReleaseOrders {
    request_id: Option<RequestId>,
    window: i64,
    amount: Option<Money>,
}

impl ReleaseOrders {
    /// Of this window: as much as has come in.
    pub fn of(window: i64) -> Self {
        Self { request_id: None, window, amount: None }
    }

    /// So much in all.
    pub fn amount(mut self, amount: Money) -> Self {
        self.amount = Some(amount);
        self
    }
}

/// Pays what is due of a leg for a partner that defaults, out of what there is. It is suspended by that.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct CoverDefault {
    request_id: Option<RequestId>,
    window: i64,
    partner_id: String,
}

impl CoverDefault {
    /// The leg of this partner in this window.
    pub fn of(window: i64, partner_id: impl Into<String>) -> Self {
        Self { request_id: None, window, partner_id: partner_id.into() }
    }
}

/// As [`CoverDefault`], and what is missing is taken off the creditors' legs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct ShareLoss {
    request_id: Option<RequestId>,
    window: i64,
    partner_id: String,
}

impl ShareLoss {
    /// The leg of this partner in this window.
    pub fn of(window: i64, partner_id: impl Into<String>) -> Self {
        Self { request_id: None, window, partner_id: partner_id.into() }
    }
}

/// Records a payment of a claim that arrived at the bank.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct RepayClaim {
    request_id: Option<RequestId>,
    partner_id: String,
    amount: Money,
    penalty: Option<Money>,
    line: Option<BankLine>,
}

impl RepayClaim {
    /// So much of what is claimed of this partner.
    pub fn of(partner_id: impl Into<String>, amount: Money) -> Self {
        Self { request_id: None, partner_id: partner_id.into(), amount, penalty: None, line: None }
    }

    /// What arrived besides, for the operator.
    pub fn penalty(mut self, amount: Money) -> Self {
        self.penalty = Some(amount);
        self
    }

    /// The line of the bank's statement, of both together. Default: it is booked by hand.
    pub fn line(mut self, line: BankLine) -> Self {
        self.line = Some(line);
        self
    }
}

/// Charges a partner, in the open window.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct Charge {
    request_id: Option<RequestId>,
    partner_id: String,
    amount: Money,
    reason_code: String,
}

impl Charge {
    /// So much, to this partner.
    pub fn of(partner_id: impl Into<String>, amount: Money) -> Self {
        Self { request_id: None, partner_id: partner_id.into(), amount, reason_code: String::new() }
    }

    /// What for: a code of 1 to 64 characters, which stays in the journal.
    pub fn reason(mut self, code: impl Into<String>) -> Self {
        self.reason_code = code.into();
        self
    }
}

/// Moves money between two positions by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct Adjust {
    request_id: Option<RequestId>,
    payer_id: String,
    payee_id: String,
    amount: Money,
    reason_code: String,
}

impl Adjust {
    /// From one to the other, and why: a code of 1 to 64 characters, which stays in the journal.
    pub fn of(
        payer_id: impl Into<String>,
        payee_id: impl Into<String>,
        amount: Money,
        reason_code: impl Into<String>,
    ) -> Self {
        let (payer_id, payee_id, reason_code) = (payer_id.into(), payee_id.into(), reason_code.into());
        Self { request_id: None, payer_id, payee_id, amount, reason_code }
    }
}

keyed!(ReleaseOrders, CoverDefault, ShareLoss, RepayClaim, Charge, Adjust);

fn to_release(release: &ReleaseOrders) -> v1::ReleaseOrdersRequest {
    v1::ReleaseOrdersRequest {
        request_id: key(release.request_id),
        window: release.window,
        amount: release.amount.as_ref().map(to_money),
    }
}

fn to_cover(cover: &CoverDefault) -> v1::CoverDefaultRequest {
    let CoverDefault { request_id, window, partner_id } = cover.clone();
    v1::CoverDefaultRequest { request_id: key(request_id), window, partner_id }
}

fn to_share(share: &ShareLoss) -> v1::ShareLossRequest {
    let ShareLoss { request_id, window, partner_id } = share.clone();
    v1::ShareLossRequest { request_id: key(request_id), window, partner_id }
}

fn to_repay(repay: &RepayClaim) -> v1::RepayClaimRequest {
    v1::RepayClaimRequest {
        request_id: key(repay.request_id),
        partner_id: repay.partner_id.clone(),
        amount: Some(to_money(&repay.amount)),
        penalty_amount: repay.penalty.as_ref().map(to_money),
        line: repay.line.as_ref().map(to_line),
    }
}

fn to_charge(charge: &Charge) -> v1::ChargeRequest {
    v1::ChargeRequest {
        request_id: key(charge.request_id),
        partner_id: charge.partner_id.clone(),
        amount: Some(to_money(&charge.amount)),
        reason_code: charge.reason_code.clone(),
    }
}

fn to_adjust(adjust: &Adjust) -> v1::AdjustRequest {
    v1::AdjustRequest {
        request_id: key(adjust.request_id),
        payer_id: adjust.payer_id.clone(),
        payee_id: adjust.payee_id.clone(),
        amount: Some(to_money(&adjust.amount)),
        reason_code: adjust.reason_code.clone(),
    }
}
