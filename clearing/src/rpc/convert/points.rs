//! Quotes, holds, purchases, reversals, receipts and a day's totals, between the wire and the rules.

use clearing_core::chart::{MoneyAccount, Purpose};
use clearing_core::command::{Abandoned, Earn, Receipt, ReversalTarget, Spend};
use clearing_core::hold::{Hold, HoldState};
use clearing_core::journal::{BusinessDate, Code, Entry, EntryKind, JournalEntry};
use clearing_core::points::{Part, Quote};
use clearing_core::terms::{Coalition, FeeBearer, House, Terms};
use clearing_core::units::{MemberId, Money, Overflow, PartnerId, Points, Rate, Timestamp};
use clearing_proto::v1;
use tonic::Status;

use super::{View, from_entry, from_expiry, from_money, from_timestamp, from_written, id, member_in, moment_or_none};
use crate::identifier::IdentifierKey;
use crate::rpc::bounds;
use crate::rpc::errors::invalid;

/// What a redemption or return did to the acceptor's position, from its own postings.
pub struct AcceptorMoney {
    /// The fee that the acceptor bears; below zero for a refund.
    pub fee: Money,
    /// The reimbursement less that fee; below zero for a return.
    pub credit: Money,
}

impl AcceptorMoney {
    /// Of an operation that took nothing and gave nothing back.
    pub const NONE: Self = Self { fee: Money::ZERO, credit: Money::ZERO };
}

pub fn acceptor_money(acceptor: PartnerId, entry: &Entry) -> AcceptorMoney {
    let bears = entry.redemption().filter(|facts| facts.fee_bearer == FeeBearer::Acceptor);
    let fee = bears.map_or(Money::ZERO, |facts| facts.fee);
    let own = entry
        .money
        .iter()
        .filter(|posting| posting.account == MoneyAccount::Position(acceptor) && posting.purpose == Purpose::Reward);
    let reward: i64 = own.map(|posting| posting.amount.0).sum();
    AcceptorMoney { fee, credit: Money(reward - fee.0) }
}

/// What followed by itself from an operation.
pub struct Following {
    /// Points with which debts were paid.
    pub recovered: Points,
    /// As far as the caller has a part in it.
    pub entries: Vec<v1::Entry>,
}

/// What of the entries of an answer is not the operation itself.
pub fn following(entries: &[JournalEntry], view: View, house: &House) -> Following {
    let own = |entry: &Entry| {
        let due = [EntryKind::Recover, EntryKind::Expire, EntryKind::Activate, EntryKind::Lapse].contains(&entry.kind);
        // Points that were passed over live on; nobody asked for it.
        due || (entry.kind == EntryKind::Extend && entry.request_id.is_none())
    };
    let follow: Vec<&JournalEntry> = entries.iter().filter(|written| own(&written.entry)).collect();
    let recovered = follow.iter().filter(|written| written.entry.kind == EntryKind::Recover);
    let recovered = recovered.filter_map(|written| written.entry.redemption()).map(|facts| facts.points.0).sum();
    let seen = |written: &&&JournalEntry| match view {
        View::Whole => true,
        View::Part(partner) => written.entry.parties().contains(&partner),
    };
    let entries = follow.iter().filter(seen).map(|written| from_written(written, view, house));
    Following { recovered: Points(recovered), entries: bounds::beside(entries) }
}

pub fn abandon_outcome(outcome: Abandoned) -> v1::AbandonOutcome {
    match outcome {
        Abandoned::Burned => v1::AbandonOutcome::BurnedUnseen,
        Abandoned::Undone => v1::AbandonOutcome::Undone,
        Abandoned::NoEffect => v1::AbandonOutcome::HadNoEffect,
        Abandoned::Already => v1::AbandonOutcome::AlreadyAbandoned,
    }
}

/// An item of a batch: issued, or why not.
pub fn issue_result(result: Result<v1::IssuePointsResponse, Status>) -> v1::IssueResult {
    use tonic_types::StatusExt;
    let result = match result {
        Ok(issued) => v1::issue_result::Result::Issued(issued),
        Err(status) => {
            let info = status.get_details_error_info();
            let (reason, domain, metadata) =
                info.map_or_else(Default::default, |info| (info.reason, info.domain, info.metadata));
            v1::issue_result::Result::Error(bounds::item_error(v1::ItemError {
                code: status.code().into(),
                reason,
                domain,
                message: status.message().to_owned(),
                metadata: metadata.into_iter().collect(),
                retry_delay: status
                    .get_details_retry_info()
                    .and_then(|retry| retry.retry_delay)
                    .and_then(|delay| prost_types::Duration::try_from(delay).ok()),
            }))
        }
    };
    v1::IssueResult { result: Some(result) }
}

// ---- quotes

/// How many points may pay a purchase of an amount: at the tender value, up to the share that the terms let points pay.
pub fn quoted_amount(amount: &v1::Money, terms: &Terms, coalition: &Coalition) -> Result<Points, Status> {
    let amount = super::money("amount", amount, coalition)?;
    if amount.0 <= 0 {
        return Err(invalid("amount", "is not above zero"));
    }
    let value = i128::from(terms.tender_value.0);
    if value <= 0 {
        return Ok(Points::ZERO);
    }
    let share = i128::from(amount.0) * i128::from(terms.receipt_share.billionths());
    let payable = share / i128::from(Rate::ONE.billionths()) / value;
    let most = Points::OPERATION_MAX.0;
    Ok(Points(i64::try_from(payable).unwrap_or(most).min(most)))
}

/// The figures of a quote that are its own. The rest is the member's.
pub fn from_quote(
    member: MemberId,
    quote: &Quote,
    caller: PartnerId,
    active: Timestamp,
    terms: &Terms,
    coalition: &Coalition,
) -> Result<v1::QuoteRedemptionResponse, Overflow> {
    let fee = match quote.fee_bearer {
        FeeBearer::Acceptor => quote.fee,
        FeeBearer::Issuer => Money::ZERO,
    };
    let lot = |part: &Part| from_part(part, caller, active, coalition);
    let passed_over = quote.passed_over.iter().filter(|_| coalition.disclose_issuers);
    let points = Points(quote.parts.iter().map(|part| part.points.0).sum());
    Ok(v1::QuoteRedemptionResponse {
        member_id: member.to_string(),
        lots: quote.parts.iter().map(lot).collect(),
        fee: from_money(fee, coalition),
        acceptor_credit: from_money(quote.reimbursement.minus(fee)?, coalition),
        points: points.0,
        discount: from_money(points.times(terms.tender_value)?, coalition),
        passed_over_issuer_ids: passed_over.map(ToString::to_string).collect(),
        ..v1::QuoteRedemptionResponse::default()
    })
}

fn from_part(part: &Part, caller: PartnerId, active: Timestamp, coalition: &Coalition) -> v1::LotPart {
    let own = part.issuer == caller;
    v1::LotPart {
        lot_id: part.lot.to_string(),
        issuer: if own || coalition.disclose_issuers { part.issuer.to_string() } else { String::new() },
        points: part.points.0,
        expires_time: from_expiry(part.expires, active, coalition),
        own,
        released_points: 0,
    }
}

// ---- holds

/// A hold as its acceptor sees it, with the entry that made it. One whose time is over has lapsed, although it may not
/// be posted yet.
pub fn from_hold(hold: &Hold, made: &JournalEntry, now: Timestamp, house: &House) -> v1::Hold {
    let coalition = &house.coalition;
    let state = match hold.state {
        HoldState::Open if hold.facts.lapses <= now => v1::HoldState::Lapsed,
        HoldState::Open => v1::HoldState::Open,
        HoldState::Captured => v1::HoldState::Captured,
        HoldState::Voided => v1::HoldState::Voided,
        HoldState::Lapsed => v1::HoldState::Lapsed,
    };
    let fee = match hold.facts.fee_bearer {
        FeeBearer::Acceptor => hold.facts.fee_rate,
        FeeBearer::Issuer => Rate::ZERO,
    };
    let entry = from_entry(made.id, made.sequence, &made.entry, View::Part(hold.acceptor), house);
    v1::Hold {
        hold_id: hold.id.to_string(),
        state: state.into(),
        member_id: hold.member.to_string(),
        points: hold.facts.points.0,
        captured_points: hold.captured.0,
        authorize_time: entry.entry_time,
        lapse_time: from_timestamp(hold.facts.lapses),
        lots: entry.lots,
        reimbursement: from_money(hold.facts.reimbursement, coalition),
        acceptance_fee: fee.decimal().to_string(),
    }
}

// ---- what is to be issued, spent, reversed

fn funders(field: &str, wire: Vec<v1::Funder>) -> Result<Vec<(PartnerId, u32)>, Status> {
    let funder = |(at, funder): (usize, v1::Funder)| {
        let field = format!("{field}[{at}]");
        let partner: PartnerId = id(&format!("{field}.partner_id"), &funder.partner_id)?;
        let weight = u32::try_from(funder.weight).ok().filter(|weight| *weight > 0);
        let problem =
            || invalid(&format!("{field}.weight"), format!("{} is not from 1 to {}", funder.weight, u32::MAX));
        Ok((partner, weight.ok_or_else(problem)?))
    };
    wire.into_iter().enumerate().map(funder).collect()
}

pub fn earn(
    points: i64,
    expires: Option<prost_types::Timestamp>,
    activates: Option<prost_types::Timestamp>,
    wire: Vec<v1::Funder>,
) -> Result<Earn, Status> {
    Ok(Earn {
        points: Points(points),
        expires: moment_or_none("expires_time", expires)?,
        activates: moment_or_none("activate_time", activates)?,
        funders: funders("funders", wire)?,
    })
}

pub fn purchase_earn(wire: v1::PurchaseEarn) -> Result<Earn, Status> {
    let v1::PurchaseEarn { points, expires_time, activate_time, funders: named } = wire;
    Ok(Earn {
        points: Points(points),
        expires: moment_or_none("earn.expires_time", expires_time)?,
        activates: moment_or_none("earn.activate_time", activate_time)?,
        funders: funders("earn.funders", named)?,
    })
}

pub fn spend(wire: v1::PurchaseSpend) -> Result<Spend, Status> {
    use v1::purchase_spend::Source;
    match wire.source {
        None => Err(invalid("spend.source", "is missing: give redeem_points or a capture")),
        // How many it may be is a question to the rules.
        Some(Source::RedeemPoints(points)) => Ok(Spend::Redeem(Points(points))),
        Some(Source::Capture(v1::HoldCapture { hold_id, points })) => {
            Ok(Spend::Capture(id("spend.capture.hold_id", &hold_id)?, Points(points)))
        }
    }
}

pub fn reversal_target(
    target: Option<v1::reverse_issue_request::Target>,
    caller: PartnerId,
    key: &IdentifierKey,
) -> Result<ReversalTarget, Status> {
    use v1::reverse_issue_request::Target;
    match target {
        None => Err(invalid("target", "is missing: give an entry_id, a receipt or a newest_of_member")),
        Some(Target::EntryId(text)) => id("entry_id", &text).map(ReversalTarget::Entry),
        Some(Target::NewestOfMember(member)) => {
            member_in("newest_of_member", Some(member), key).map(ReversalTarget::Newest)
        }
        Some(Target::Receipt(v1::ReceiptRef { store, till, receipt_number, business_date })) => {
            Ok(ReversalTarget::Receipt(Receipt {
                partner: caller,
                store: code_or_none("receipt.store", &store)?,
                till: code_or_none("receipt.till", &till)?,
                date: id("receipt.business_date", &business_date)?,
                number: receipt_or_none("receipt.receipt_number", &receipt_number)?
                    .ok_or_else(|| invalid("receipt.receipt_number", "is missing"))?,
            }))
        }
    }
}

/// The code of a store or till; none for an empty one.
pub fn code_or_none(field: &str, text: &str) -> Result<Option<Code>, Status> {
    let code = if text.is_empty() { None } else { Some(Code::new(text)) };
    code.transpose().map_err(|problem| invalid(field, problem))
}

/// The number of a receipt; none for an empty one.
pub fn receipt_or_none(field: &str, text: &str) -> Result<Option<Code>, Status> {
    let code = if text.is_empty() { None } else { Some(Code::receipt(text)) };
    code.transpose().map_err(|problem| invalid(field, problem))
}

/// A required reason or period.
pub fn word(field: &str, text: &str) -> Result<Code, Status> {
    if text.is_empty() {
        return Err(invalid(field, "is missing"));
    }
    Code::word(text).map_err(|problem| invalid(field, problem))
}

// ---- receipts and days

/// Which entries are looked for: those of a day, at a store and till if they are named.
pub struct DaySought {
    pub store: Option<Code>,
    pub till: Option<Code>,
    pub date: BusinessDate,
}

impl DaySought {
    pub fn of(store: &str, till: &str, date: &str) -> Result<Self, Status> {
        Ok(Self {
            store: code_or_none("store", store)?,
            till: code_or_none("till", till)?,
            date: id("business_date", date)?,
        })
    }
}

/// The kinds of which a day's totals are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayKind {
    Issue,
    Redemption,
    Return,
    Reversal,
}

impl DayKind {
    const ALL: [Self; 4] = [Self::Issue, Self::Redemption, Self::Return, Self::Reversal];

    fn of(entry: &Entry) -> Option<(Self, i64)> {
        let net = |born: bool| {
            let moved = entry.lots.iter().filter(|moved| moved.birth.is_some() == born);
            moved.map(|moved| moved.net().unwrap_or_default().0).sum()
        };
        let redeemed = entry.redemption().map(|facts| facts.points.0);
        let reversed = entry.facts.reversal().map(|parts| parts.iter().map(|part| part.points.0).sum());
        match entry.kind {
            EntryKind::Issue => Some((Self::Issue, net(true))),
            EntryKind::Redeem | EntryKind::Capture => redeemed.map(|points| (Self::Redemption, points)),
            EntryKind::Return => redeemed.map(|points| (Self::Return, -points)),
            EntryKind::Reverse => reversed.map(|points| (Self::Reversal, points)),
            _ => None,
        }
    }

    fn wire(self) -> v1::EntryKind {
        match self {
            Self::Issue => v1::EntryKind::Issue,
            Self::Redemption => v1::EntryKind::Redeem,
            Self::Return => v1::EntryKind::Return,
            Self::Reversal => v1::EntryKind::Reverse,
        }
    }

    /// The count and the points of this kind.
    fn totals(self, day: &mut v1::DayTotals) -> (&mut i64, &mut i64) {
        match self {
            Self::Issue => (&mut day.issue_count, &mut day.issued_points),
            Self::Redemption => (&mut day.redemption_count, &mut day.redeemed_points),
            Self::Return => (&mut day.return_count, &mut day.returned_points),
            Self::Reversal => (&mut day.reversal_count, &mut day.reversed_points),
        }
    }
}

/// Adds an entry to the totals of its day, if it is of a kind that counts.
pub fn add_to_day(day: &mut v1::DayTotals, entry: &Entry) {
    let Some((kind, points)) = DayKind::of(entry) else { return };
    let (count, sum) = kind.totals(day);
    *count = count.saturating_add(1);
    *sum = sum.saturating_add(points);
}

/// What a till counted.
pub fn counted_day(wire: Option<v1::DayTotals>) -> Result<v1::DayTotals, Status> {
    let mut day = wire.ok_or_else(|| invalid("counted", "is missing"))?;
    for kind in DayKind::ALL {
        let (count, points) = kind.totals(&mut day);
        if *count < 0 || *points < 0 {
            return Err(invalid("counted", format!("a number of {} is below zero", kind.wire().as_str_name())));
        }
    }
    Ok(day)
}

pub fn day_answer(mut counted: v1::DayTotals, mut booked: v1::DayTotals) -> v1::ReconcileDayResponse {
    let mut differences = Vec::new();
    for kind in DayKind::ALL {
        let (counted_count, counted_points) = kind.totals(&mut counted);
        let (booked_count, booked_points) = kind.totals(&mut booked);
        if (*counted_count, *counted_points) != (*booked_count, *booked_points) {
            differences.push(v1::DayDifference {
                kind: kind.wire().into(),
                counted_count: *counted_count,
                booked_count: *booked_count,
                counted_points: *counted_points,
                booked_points: *booked_points,
            });
        }
    }
    let matched = differences.is_empty();
    let state = if matched { v1::ReconcileState::Matched } else { v1::ReconcileState::Different };
    v1::ReconcileDayResponse { state: state.into(), booked: Some(booked), differences }
}
