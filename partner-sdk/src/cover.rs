//! What stands behind partners' net debit caps, and what partners are charged by themselves.

use std::time::SystemTime;

use clearing_proto::v1;
use clearing_proto::v1::partner_service_client::PartnerServiceClient;
use clearing_proto::v1::report_service_client::ReportServiceClient;
use prost_types::Timestamp;

use crate::client::{PAGE_SIZE, call};
use crate::error::Error;
use crate::money::Money;
use crate::operator::Operator;
use crate::outcome::Outcome;
use crate::points::keyed;
use crate::request_id::RequestId;
use crate::wire::{FromWire, each, key, to_money};

pub use crate::answers::{
    ChargePeriod, ChargesSet, Cover, CoverOfPartner, CoverReport, CoverSet, Guarantee, ScheduledCharge,
};

impl Operator {
    /// Sets what covers a partner's debts besides its collateral.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn set_cover(&self, set: SetCover) -> Result<Outcome<CoverSet>, Error> {
        let call = call!(PartnerServiceClient::set_cover);
        self.client.write(set, to_set_cover, call, FromWire::read).await
    }

    /// Sets what a partner is charged by itself.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn set_charges(&self, set: SetCharges) -> Result<Outcome<ChargesSet>, Error> {
        let call = call!(PartnerServiceClient::set_charges);
        self.client.write(set, to_set_charges, call, FromWire::read).await
    }

    /// What a partner is charged by itself.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn charges(&self, partner_id: &str) -> Result<Vec<ScheduledCharge>, Error> {
        let request = || v1::ListChargesRequest { partner_id: partner_id.to_owned() };
        let call = call!(PartnerServiceClient::list_charges);
        self.client.read(request, call, |answer| each(answer.charges)).await
    }

    /// What each partner owes and what covers it, and whether the reserve would stand the largest defaults.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn cover_report(&self) -> Result<CoverReport, Error> {
        let page = async |page_token: String| {
            let request = || v1::CoverReportRequest { page_size: PAGE_SIZE, page_token: page_token.clone() };
            let call = call!(ReportServiceClient::cover_report);
            self.client.read(request, call, Ok).await
        };
        let first = page(String::new()).await?;
        let mut token = first.next_page_token.clone();
        let mut report = CoverReport::read(first)?;
        while !token.is_empty() {
            let next = page(token).await?;
            report.partners.extend(each(next.partners)?);
            token = next.next_page_token;
        }
        Ok(report)
    }
}

/// Sets what covers a partner's debts besides its collateral, all at once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct SetCover {
    request_id: Option<RequestId>,
    partner_id: String,
    unsecured: Option<Money>,
    guarantees: Vec<(String, Money, SystemTime)>,
}

impl SetCover {
    /// Nothing but what is added.
    pub fn of(partner_id: impl Into<String>) -> Self {
        Self { request_id: None, partner_id: partner_id.into(), unsecured: None, guarantees: Vec::new() }
    }

    /// What it may owe without any security.
    pub fn unsecured(mut self, amount: Money) -> Self {
        self.unsecured = Some(amount);
        self
    }

    /// What another answers for, by what it calls it, until a time.
    pub fn guarantee(mut self, reference: impl Into<String>, amount: Money, until: SystemTime) -> Self {
        self.guarantees.push((reference.into(), amount, until));
        self
    }
}

/// What a partner is charged by itself, at the beginning of each period.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a charge does nothing until a request has it"]
pub struct NewCharge {
    reason_code: String,
    amount: Money,
    every: ChargePeriod,
    first_date: String,
    last_date: String,
}

impl NewCharge {
    /// For this reason (a code of 1 to 64 characters), so much for each period, the first of which begins on this day (YYYY-MM-DD).
    pub fn of(
        reason_code: impl Into<String>,
        amount: Money,
        every: ChargePeriod,
        first_date: impl Into<String>,
    ) -> Self {
        let (reason_code, first_date) = (reason_code.into(), first_date.into());
        Self { reason_code, amount, every, first_date, last_date: String::new() }
    }

    /// The last day on which a period may begin.
    pub fn last(mut self, day: impl Into<String>) -> Self {
        self.last_date = day.into();
        self
    }
}

/// Sets what a partner is charged by itself, all at once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct SetCharges {
    request_id: Option<RequestId>,
    partner_id: String,
    charges: Vec<NewCharge>,
}

impl SetCharges {
    /// These, at most 16; none: nothing any more.
    pub fn of(partner_id: impl Into<String>, charges: impl IntoIterator<Item = NewCharge>) -> Self {
        Self { request_id: None, partner_id: partner_id.into(), charges: charges.into_iter().collect() }
    }
}

keyed!(SetCover, SetCharges);

fn to_set_cover(set: &SetCover) -> v1::SetCoverRequest {
    let guarantee = |(reference, amount, until): &(String, Money, SystemTime)| v1::Guarantee {
        reference: reference.clone(),
        amount: Some(to_money(amount)),
        end_time: Some(Timestamp::from(*until)),
    };
    let cover = v1::Cover {
        unsecured_amount: set.unsecured.as_ref().map(to_money),
        guarantees: set.guarantees.iter().map(guarantee).collect(),
    };
    v1::SetCoverRequest { request_id: key(set.request_id), partner_id: set.partner_id.clone(), cover: Some(cover) }
}

fn to_set_charges(set: &SetCharges) -> v1::SetChargesRequest {
    let charge = |charge: &NewCharge| v1::ScheduledCharge {
        reason_code: charge.reason_code.clone(),
        amount: Some(to_money(&charge.amount)),
        every: charge.every.to_wire(),
        first_date: charge.first_date.clone(),
        last_date: charge.last_date.clone(),
        next_date: String::new(),
    };
    v1::SetChargesRequest {
        request_id: key(set.request_id),
        partner_id: set.partner_id.clone(),
        charges: set.charges.iter().map(charge).collect(),
    }
}
