//! Between this crate's types and those of the interface. Nothing else sees both.

mod care;
mod till;

pub(crate) use care::{
    consent_set, decayed, expiry_extended, limits_set, members_decayed, reinstated, to_decay_members, to_extend_expiry,
    to_reinstate, to_run_decay, to_set_consent, to_set_limits, to_write_off, written_off,
};
pub(crate) use till::{
    authorized, captured, hold_there, notices, purchase_returned, purchased, quote, reconciliation, reversed,
    to_authorize, to_capture, to_find_receipt, to_purchase, to_quote, to_reconcile, to_return_purchase, to_reverse,
    to_transfer, to_void, transferred, voided,
};

use std::time::{Duration, SystemTime};

use clearing_proto::v1;
use prost_types::Timestamp;
use rust_decimal::Decimal;

use crate::entry::{Entry, EntryKind, LotPart, NextExpiry, Posting, Purpose, Quantity};
use crate::error::Error;
use crate::info::{Deprecation, Limits, ServerInfo};
use crate::member::MemberRef;
use crate::money::Money;
use crate::operator::{
    AbortSettlement, AccountBalance, ClockAdvanced, CloseWindow, ConfirmPayment, ConfirmSettlement, CreatePartner,
    Deposit, Deposited, DueWork, DueWorkKind, ExportOrders, Orders, Payment, PaymentConfirmed, PaymentOrder,
    SetCalendar, SetPartnerState, SetTerms, SettlementAborted, SettlementConfirmed, StateSet, TermsSet, WindowClosed,
};
use crate::origin::Origin;
use crate::points::{
    Abandon, AbandonOutcome, Abandoned, Balance, EntryFilter, Issue, Issued, Redeem, Redeemed, ReturnRedemption,
    Returned,
};
use crate::position::{InFlight, Position, Statement, StatementLine, StatementRole, StatementTotal, Window};
use crate::request_id::RequestId;
use crate::settlement::{
    Leg, LegState, Obligation, ParticipantAmount, Settlement, SettlementProof, SettlementState, WindowState,
};
use crate::terms::{BreakageSplit, Expiry, FeeBearer, Funding, Partner, PartnerState, Terms, TermsChange};

// What is sent.

/// The key of a request: always there, since the client makes one before it sends.
fn key(id: Option<RequestId>) -> String {
    id.map(|id| id.to_string()).unwrap_or_default()
}

fn to_money(money: &Money) -> v1::Money {
    v1::Money { currency_code: money.currency.clone(), amount: decimal_text(money.amount) }
}

/// A number as the wire has it: with the decimals that it has, and no sign on zero.
fn decimal_text(number: Decimal) -> String {
    if number.is_zero() { number.abs().to_string() } else { number.to_string() }
}

pub(crate) fn to_member(member: &MemberRef) -> v1::MemberRef {
    let member = match member {
        MemberRef::Id(id) => v1::member_ref::Member::MemberId(id.clone()),
        MemberRef::Identifier { scheme, value } => {
            v1::member_ref::Member::Identifier(v1::Identifier { scheme: scheme.clone(), value: value.clone() })
        }
    };
    v1::MemberRef { member: Some(member) }
}

/// An origin without any content is not sent at all.
fn to_origin(origin: &Origin) -> Option<v1::Origin> {
    (*origin != Origin::default()).then(|| v1::Origin {
        store: origin.store.clone(),
        till: origin.till.clone(),
        cashier: origin.cashier.clone(),
        receipt_number: origin.receipt_number.clone(),
        receipt_line: origin.receipt_line,
        business_date: origin.business_date.clone(),
        business_time: origin.business_time.map(Timestamp::from),
        receipt_total: origin.receipt_total.as_ref().map(to_money),
        device_counter: origin.device_counter,
    })
}

pub(crate) fn to_issue(issue: &Issue) -> v1::IssuePointsRequest {
    v1::IssuePointsRequest {
        request_id: key(issue.request_id),
        member: Some(to_member(&issue.member)),
        points: issue.points,
        expires_time: issue.expires_time.map(Timestamp::from),
        activate_time: issue.activate_time.map(Timestamp::from),
        funders: till::to_funders(&issue.funders),
        origin: to_origin(&issue.origin),
    }
}

pub(crate) fn to_redeem(redeem: &Redeem) -> v1::RedeemPointsRequest {
    v1::RedeemPointsRequest {
        request_id: key(redeem.request_id),
        member: Some(to_member(&redeem.member)),
        points: redeem.points,
        origin: to_origin(&redeem.origin),
    }
}

pub(crate) fn to_return(back: &ReturnRedemption) -> v1::ReturnRedemptionRequest {
    v1::ReturnRedemptionRequest {
        request_id: key(back.request_id),
        redemption_entry_id: back.redemption_entry_id.clone(),
        points: back.points,
        origin: to_origin(&back.origin),
    }
}

pub(crate) fn to_abandon(abandon: &Abandon) -> v1::AbandonRequestRequest {
    v1::AbandonRequestRequest {
        request_id: key(abandon.request_id),
        abandoned_request_id: abandon.abandoned_request_id.to_string(),
        origin: to_origin(&abandon.origin),
    }
}

pub(crate) fn to_list_entries(filter: &EntryFilter, page_size: i32, page_token: String) -> v1::ListEntriesRequest {
    v1::ListEntriesRequest {
        store: filter.store.clone(),
        till: filter.till.clone(),
        receipt_number: filter.receipt_number.clone(),
        business_date: filter.business_date.clone(),
        member: filter.member.as_ref().map(to_member),
        window: filter.window,
        page_size,
        page_token,
    }
}

fn to_expiry(expiry: Expiry) -> v1::ExpiryPolicy {
    let (kind, count, fixed_time) = match expiry {
        Expiry::None => (v1::ExpiryKind::None, 0, None),
        Expiry::Fixed(time) => (v1::ExpiryKind::Fixed, 0, Some(Timestamp::from(time))),
        Expiry::Days(count) => (v1::ExpiryKind::Days, count, None),
        Expiry::Months(count) => (v1::ExpiryKind::Months, count, None),
        Expiry::EndOfMonth(count) => (v1::ExpiryKind::EndOfMonth, count, None),
        Expiry::EndOfYear(count) => (v1::ExpiryKind::EndOfYear, count, None),
        Expiry::InactiveDays(count) => (v1::ExpiryKind::InactiveDays, count, None),
    };
    v1::ExpiryPolicy { kind: kind.into(), count, fixed_time }
}

fn to_terms(change: &TermsChange) -> v1::TermsChange {
    let text = |number: Option<Decimal>| number.map(decimal_text);
    v1::TermsChange {
        funding: change.funding.map_or(0, Funding::to_wire),
        price: text(change.price),
        value: text(change.value),
        reimbursement: text(change.reimbursement),
        acceptance_fee: text(change.acceptance_fee),
        fee_bearer: change.fee_bearer.map_or(0, FeeBearer::to_wire),
        breakage: change.breakage.map(|split| v1::BreakageSplit {
            reserve: decimal_text(split.reserve),
            operator: decimal_text(split.operator),
            issuer: decimal_text(split.issuer),
        }),
        expiry: change.expiry.map(to_expiry),
        return_period: change.return_days.map(|days| v1::ReturnPeriod { days }),
        tender_value: text(change.tender_value),
        receipt_share: text(change.receipt_share),
    }
}

pub(crate) fn to_create_partner(create: &CreatePartner) -> v1::CreatePartnerRequest {
    v1::CreatePartnerRequest {
        request_id: key(create.request_id),
        partner_id: create.partner_id.clone(),
        display_name: create.display_name.clone(),
        terms: Some(to_terms(&create.terms)),
        limits: Some(care::to_limits(&create.limits)),
        no_default_limits: create.no_default_limits,
    }
}

pub(crate) fn to_set_terms(set: &SetTerms) -> v1::SetTermsRequest {
    v1::SetTermsRequest {
        request_id: key(set.request_id),
        partner_id: set.partner_id.clone(),
        terms: Some(to_terms(&set.terms)),
        effective_time: set.effective_time.map(Timestamp::from),
    }
}

pub(crate) fn to_set_state(set: &SetPartnerState) -> v1::SetPartnerStateRequest {
    v1::SetPartnerStateRequest {
        request_id: key(set.request_id),
        partner_id: set.partner_id.clone(),
        state: set.state.to_wire(),
    }
}

pub(crate) fn to_close_window(close: &CloseWindow) -> v1::CloseWindowRequest {
    v1::CloseWindowRequest { request_id: key(close.request_id) }
}

pub(crate) fn to_confirm_settlement(confirm: &ConfirmSettlement) -> v1::ConfirmSettlementRequest {
    v1::ConfirmSettlementRequest { request_id: key(confirm.request_id), window: confirm.window }
}

pub(crate) fn to_export_orders(export: &ExportOrders) -> v1::ExportOrdersRequest {
    v1::ExportOrdersRequest { request_id: key(export.request_id), window: export.window, mode: export.mode.to_wire() }
}

pub(crate) fn to_confirm_payment(confirm: &ConfirmPayment) -> v1::ConfirmPaymentRequest {
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
    }
}

pub(crate) fn to_abort(abort: &AbortSettlement) -> v1::AbortSettlementRequest {
    v1::AbortSettlementRequest { request_id: key(abort.request_id), window: abort.window }
}

pub(crate) fn to_deposit(deposit: &Deposit) -> v1::DepositRequest {
    v1::DepositRequest {
        request_id: key(deposit.request_id),
        account: deposit.account.clone(),
        amount: Some(to_money(&deposit.amount)),
    }
}

pub(crate) fn to_set_calendar(set: &SetCalendar) -> v1::SetCalendarRequest {
    v1::SetCalendarRequest {
        request_id: key(set.request_id),
        cron_expressions: set.cron_expressions.clone(),
        time_zone: set.time_zone.clone(),
    }
}

// What comes back.

fn there<T>(field: Option<T>, name: &str) -> Result<T, Error> {
    field.ok_or_else(|| Error::protocol(format!("{name} is missing")))
}

fn each<A, B>(all: Vec<A>, read: impl Fn(A) -> Result<B, Error>) -> Result<Vec<B>, Error> {
    all.into_iter().map(read).collect()
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

pub(crate) fn time(time: Timestamp) -> Result<SystemTime, Error> {
    SystemTime::try_from(time).map_err(|error| Error::protocol(format!("a time is out of range: {error}")))
}

pub(crate) fn times(times: Vec<Timestamp>) -> Result<Vec<SystemTime>, Error> {
    each(times, time)
}

fn time_there(field: Option<Timestamp>, name: &str) -> Result<SystemTime, Error> {
    time(there(field, name)?)
}

fn duration(field: Option<prost_types::Duration>, name: &str) -> Result<Duration, Error> {
    Duration::try_from(there(field, name)?).map_err(|error| Error::protocol(format!("{name}: {error}")))
}

fn decimal(text: &str, name: &str) -> Result<Decimal, Error> {
    // The house writes a number in one form. What the parser takes beside it (`1_000`, `+1`, `.5`) reads back otherwise.
    let number = Decimal::from_str_exact(text).ok().filter(|number| number.to_string() == text);
    number.ok_or_else(|| Error::protocol(format!("{name} is {text:?}, which is no number")))
}

fn amount(money: v1::Money) -> Result<Money, Error> {
    Ok(Money { amount: decimal(&money.amount, "an amount")?, currency: money.currency_code })
}

pub(crate) fn money(field: Option<v1::Money>, name: &str) -> Result<Money, Error> {
    amount(there(field, name)?)
}

fn origin(origin: v1::Origin) -> Result<Origin, Error> {
    Ok(Origin {
        store: origin.store,
        till: origin.till,
        cashier: origin.cashier,
        receipt_number: origin.receipt_number,
        receipt_line: origin.receipt_line,
        business_date: origin.business_date,
        business_time: origin.business_time.map(time).transpose()?,
        receipt_total: origin.receipt_total.map(amount).transpose()?,
        device_counter: origin.device_counter,
    })
}

fn posting(posting: v1::Posting) -> Result<Posting, Error> {
    let quantity = match there(posting.quantity, "the quantity of a posting")? {
        v1::posting::Quantity::Points(points) => Quantity::Points(points),
        v1::posting::Quantity::Money(money) => Quantity::Money(amount(money)?),
    };
    let purpose = (posting.purpose != 0).then(|| Purpose::from_wire(posting.purpose));
    Ok(Posting { account: posting.account, quantity, purpose })
}

fn lot(lot: v1::LotPart) -> Result<LotPart, Error> {
    Ok(LotPart {
        lot_id: lot.lot_id,
        issuer: some(lot.issuer),
        points: lot.points,
        expires_time: lot.expires_time.map(time).transpose()?,
        own: lot.own,
        released_points: lot.released_points,
    })
}

fn next_expiry(next: v1::NextExpiry) -> Result<NextExpiry, Error> {
    Ok(NextExpiry { expires_time: time_there(next.expires_time, "next_expiry.expires_time")?, points: next.points })
}

fn entry(entry: v1::Entry) -> Result<Entry, Error> {
    Ok(Entry {
        entry_id: entry.entry_id,
        sequence: entry.sequence,
        window: entry.window,
        kind: EntryKind::from_wire(entry.kind),
        entry_time: time_there(entry.entry_time, "entry_time")?,
        postings: each(entry.postings, posting)?,
        lots: each(entry.lots, lot)?,
        origin: entry.origin.map(origin).transpose()?,
        linked_entry_id: some(entry.linked_entry_id),
        request_id: some(entry.request_id),
        partner_id: entry.partner_id,
        member_id: some(entry.member_id),
        reason_code: some(entry.reason_code),
        passed_over_issuer_ids: entry.passed_over_issuer_ids,
    })
}

pub(crate) fn entry_there(field: Option<v1::Entry>) -> Result<Entry, Error> {
    entry(there(field, "entry")?)
}

pub(crate) fn entries(all: Vec<v1::Entry>) -> Result<Vec<Entry>, Error> {
    each(all, entry)
}

pub(crate) fn issued(answer: v1::IssuePointsResponse) -> Result<Issued, Error> {
    Ok(Issued {
        entry: entry_there(answer.entry)?,
        member_id: answer.member_id,
        available_points: answer.available_points,
        next_expiry: answer.next_expiry.map(next_expiry).transpose()?,
        held_points: answer.held_points,
        pending_points: answer.pending_points,
        owed_points: answer.owed_points,
        recovered_points: answer.recovered_points,
        following: entries(answer.following_entries)?,
        replayed: answer.replayed,
    })
}

pub(crate) fn redeemed(answer: v1::RedeemPointsResponse) -> Result<Redeemed, Error> {
    Ok(Redeemed {
        entry: entry_there(answer.entry)?,
        member_id: answer.member_id,
        available_points: answer.available_points,
        fee: money(answer.fee, "fee")?,
        acceptor_credit: money(answer.acceptor_credit, "acceptor_credit")?,
        next_expiry: answer.next_expiry.map(next_expiry).transpose()?,
        held_points: answer.held_points,
        pending_points: answer.pending_points,
        owed_points: answer.owed_points,
        replayed: answer.replayed,
    })
}

pub(crate) fn returned(answer: v1::ReturnRedemptionResponse) -> Result<Returned, Error> {
    Ok(Returned {
        entry: entry_there(answer.entry)?,
        member_id: answer.member_id,
        available_points: answer.available_points,
        fee_refund: money(answer.fee_refund, "fee_refund")?,
        acceptor_debit: money(answer.acceptor_debit, "acceptor_debit")?,
        returnable_points: answer.returnable_points,
        next_expiry: answer.next_expiry.map(next_expiry).transpose()?,
        held_points: answer.held_points,
        pending_points: answer.pending_points,
        owed_points: answer.owed_points,
        recovered_points: answer.recovered_points,
        following: entries(answer.following_entries)?,
        replayed: answer.replayed,
    })
}

pub(crate) fn abandoned(answer: v1::AbandonRequestResponse) -> Result<Abandoned, Error> {
    Ok(Abandoned {
        outcome: AbandonOutcome::from_wire(answer.outcome),
        entries: entries(answer.entries)?,
        replayed: answer.replayed,
    })
}

pub(crate) fn balance(answer: v1::GetBalanceResponse) -> Result<Balance, Error> {
    Ok(Balance {
        member_id: answer.member_id,
        available_points: answer.available_points,
        held_points: answer.held_points,
        pending_points: answer.pending_points,
        owed_points: answer.owed_points,
        next_expiry: answer.next_expiry.map(next_expiry).transpose()?,
    })
}

pub(crate) fn position(answer: v1::GetPositionResponse) -> Result<Position, Error> {
    Ok(Position {
        partner_id: answer.partner_id,
        window: answer.window,
        position: money(answer.position, "position")?,
        in_flight: each(answer.in_flight, |leg| {
            Ok(InFlight { window: leg.window, due: money(leg.due, "due")?, state: LegState::from_wire(leg.state) })
        })?,
        outstanding_points: answer.outstanding_points,
        headroom: answer.headroom.map(amount).transpose()?,
        limit_uses: care::limit_uses(answer.limit_uses)?,
    })
}

fn leg(leg: v1::Leg) -> Result<Leg, Error> {
    Ok(Leg {
        partner_id: leg.partner_id,
        amount: money(leg.amount, "the amount of a leg")?,
        due: money(leg.due, "what is due of a leg")?,
        state: LegState::from_wire(leg.state),
    })
}

fn window(window: v1::Window) -> Result<Window, Error> {
    Ok(Window {
        window: window.window,
        state: WindowState::from_wire(window.state),
        settlement_state: SettlementState::from_wire(window.settlement_state),
        open_time: time_there(window.open_time, "open_time")?,
        close_time: window.close_time.map(time).transpose()?,
        leg: window.leg.map(leg).transpose()?,
    })
}

pub(crate) fn windows(all: Vec<v1::Window>) -> Result<Vec<Window>, Error> {
    each(all, window)
}

pub(crate) fn statement(answer: v1::GetStatementResponse) -> Result<Statement, Error> {
    Ok(Statement {
        partner_id: answer.partner_id,
        window: window(there(answer.window, "window")?)?,
        opening: money(answer.opening, "opening")?,
        totals: each(answer.totals, |total| {
            Ok(StatementTotal {
                role: StatementRole::from_wire(total.role),
                kind: EntryKind::from_wire(total.kind),
                purpose: Purpose::from_wire(total.purpose),
                amount: money(total.amount, "the amount of a total")?,
                points: total.points,
                line_count: total.line_count,
            })
        })?,
        leg: money(answer.leg, "leg")?,
        closing: money(answer.closing, "closing")?,
    })
}

pub(crate) fn statement_lines(lines: Vec<v1::StatementLine>) -> Result<Vec<StatementLine>, Error> {
    each(lines, |line| {
        Ok(StatementLine {
            entry_id: line.entry_id,
            sequence: line.sequence,
            entry_time: time_there(line.entry_time, "entry_time")?,
            kind: EntryKind::from_wire(line.kind),
            role: StatementRole::from_wire(line.role),
            counterparty: some(line.counterparty),
            purpose: Purpose::from_wire(line.purpose),
            amount: money(line.amount, "the amount of a line")?,
            points: line.points,
        })
    })
}

pub(crate) fn obligations(all: Vec<v1::Obligation>) -> Result<Vec<Obligation>, Error> {
    each(all, |row| {
        Ok(Obligation {
            issuer: row.issuer,
            acceptor: row.acceptor,
            points: row.points,
            gross: money(row.gross, "gross")?,
        })
    })
}

pub(crate) fn server_info(answer: v1::GetServerInfoResponse) -> Result<ServerInfo, Error> {
    let limits = there(answer.limits, "limits")?;
    Ok(ServerInfo {
        server_version: answer.server_version,
        api_version: answer.api_version,
        coalition_id: answer.coalition_id,
        currency: answer.currency_code,
        scale: u32::try_from(answer.scale).map_err(|_| Error::protocol("the scale is below zero"))?,
        point_value: decimal(&answer.point_value, "point_value")?,
        time_zone: answer.time_zone,
        disclose_issuers: answer.disclose_issuers,
        server_time: time_there(answer.server_time, "server_time")?,
        caller_id: answer.caller_id,
        limits: Limits {
            message_bytes_max: limits.message_bytes_max,
            batch_bytes_max: limits.batch_bytes_max,
            batch_items_max: limits.batch_items_max,
            points_per_entry_max: limits.points_per_entry_max,
            lots_per_entry_max: limits.lots_per_entry_max,
            page_size_max: limits.page_size_max,
            request_retention: limits
                .request_retention
                .map(|kept| duration(Some(kept), "request_retention"))
                .transpose()?,
            clock_skew_max: duration(limits.clock_skew_max, "clock_skew_max")?,
        },
        deprecations: each(answer.deprecations, |one| {
            Ok(Deprecation {
                subject: one.subject,
                replacement: one.replacement,
                sunset_time: one.sunset_time.map(time).transpose()?,
            })
        })?,
    })
}

fn settlement(settlement: v1::Settlement) -> Result<Settlement, Error> {
    let proof = there(settlement.proof, "proof")?;
    Ok(Settlement {
        window: settlement.window,
        window_state: WindowState::from_wire(settlement.window_state),
        state: SettlementState::from_wire(settlement.state),
        legs: each(settlement.legs, leg)?,
        carried: each(settlement.carried, |one| {
            Ok(ParticipantAmount { partner_id: one.partner_id, amount: money(one.amount, "carried")? })
        })?,
        proof: SettlementProof {
            legs_total: money(proof.legs_total, "legs_total")?,
            account_changes: each(proof.account_changes, |fund| {
                Ok((fund.account, money(fund.amount, "account_changes")?))
            })?,
            carried_change: money(proof.carried_change, "carried_change")?,
            sum: money(proof.sum, "sum")?,
        },
        gross: money(settlement.gross, "gross")?,
        pairwise_total: money(settlement.pairwise_total, "pairwise_total")?,
        saved: settlement.saved.map(|share| decimal(&share, "saved")).transpose()?,
    })
}

pub(crate) fn settlement_there(field: Option<v1::Settlement>) -> Result<Settlement, Error> {
    settlement(there(field, "settlement")?)
}

fn expiry(policy: v1::ExpiryPolicy) -> Result<Expiry, Error> {
    match v1::ExpiryKind::try_from(policy.kind) {
        Ok(v1::ExpiryKind::None) => Ok(Expiry::None),
        Ok(v1::ExpiryKind::Fixed) => Ok(Expiry::Fixed(time_there(policy.fixed_time, "fixed_time")?)),
        Ok(v1::ExpiryKind::Days) => Ok(Expiry::Days(policy.count)),
        Ok(v1::ExpiryKind::Months) => Ok(Expiry::Months(policy.count)),
        Ok(v1::ExpiryKind::EndOfMonth) => Ok(Expiry::EndOfMonth(policy.count)),
        Ok(v1::ExpiryKind::EndOfYear) => Ok(Expiry::EndOfYear(policy.count)),
        Ok(v1::ExpiryKind::InactiveDays) => Ok(Expiry::InactiveDays(policy.count)),
        Ok(v1::ExpiryKind::Unspecified) | Err(_) => {
            Err(Error::protocol(format!("an expiry of kind {}, which this version does not know", policy.kind)))
        }
    }
}

fn terms(terms: v1::Terms) -> Result<Terms, Error> {
    let split = there(terms.breakage, "breakage")?;
    Ok(Terms {
        version: terms.version,
        effective_time: time_there(terms.effective_time, "effective_time")?,
        funding: Funding::from_wire(terms.funding),
        price: decimal(&terms.price, "price")?,
        value: decimal(&terms.value, "value")?,
        reimbursement: decimal(&terms.reimbursement, "reimbursement")?,
        acceptance_fee: decimal(&terms.acceptance_fee, "acceptance_fee")?,
        fee_bearer: FeeBearer::from_wire(terms.fee_bearer),
        breakage: BreakageSplit {
            reserve: decimal(&split.reserve, "breakage.reserve")?,
            operator: decimal(&split.operator, "breakage.operator")?,
            issuer: decimal(&split.issuer, "breakage.issuer")?,
        },
        expiry: expiry(there(terms.expiry, "expiry")?)?,
        return_days: there(terms.return_period, "return_period")?.days,
        tender_value: decimal(&terms.tender_value, "tender_value")?,
        receipt_share: decimal(&terms.receipt_share, "receipt_share")?,
    })
}

fn partner(partner: v1::Partner) -> Result<Partner, Error> {
    Ok(Partner {
        partner_id: partner.partner_id,
        display_name: partner.display_name,
        state: PartnerState::from_wire(partner.state),
        terms: terms(there(partner.terms, "terms")?)?,
        scheduled_terms: each(partner.scheduled_terms, terms)?,
        create_time: time_there(partner.create_time, "create_time")?,
        limits: care::limits(there(partner.limits, "limits")?)?,
        limit_uses: care::limit_uses(partner.limit_uses)?,
        alarm: partner.alarm,
        consents: partner.consents.into_iter().map(care::consent).collect(),
    })
}

pub(crate) fn partner_created(answer: v1::CreatePartnerResponse) -> Result<crate::operator::PartnerCreated, Error> {
    Ok(crate::operator::PartnerCreated {
        partner: partner(there(answer.partner, "partner")?)?,
        replayed: answer.replayed,
    })
}

pub(crate) fn partners(all: Vec<v1::Partner>) -> Result<Vec<Partner>, Error> {
    each(all, partner)
}

pub(crate) fn terms_set(answer: v1::SetTermsResponse) -> Result<TermsSet, Error> {
    Ok(TermsSet { terms: terms(there(answer.terms, "terms")?)?, replayed: answer.replayed })
}

pub(crate) fn state_set(answer: v1::SetPartnerStateResponse) -> Result<StateSet, Error> {
    Ok(StateSet {
        previous_state: PartnerState::from_wire(answer.previous_state),
        state: PartnerState::from_wire(answer.state),
        replayed: answer.replayed,
    })
}

pub(crate) fn window_closed(answer: v1::CloseWindowResponse) -> Result<WindowClosed, Error> {
    Ok(WindowClosed {
        settlement: settlement_there(answer.settlement)?,
        open_window: answer.open_window,
        entry: answer.entry.map(entry).transpose()?,
        replayed: answer.replayed,
    })
}

pub(crate) fn settlement_confirmed(answer: v1::ConfirmSettlementResponse) -> Result<SettlementConfirmed, Error> {
    Ok(SettlementConfirmed {
        window_state: WindowState::from_wire(answer.window_state),
        state: SettlementState::from_wire(answer.state),
        replayed: answer.replayed,
    })
}

pub(crate) fn orders(answer: v1::ExportOrdersResponse) -> Result<Orders, Error> {
    Ok(Orders {
        orders: each(answer.orders, |order| {
            Ok(PaymentOrder {
                payer: order.payer,
                payee: order.payee,
                amount: money(order.amount, "the amount of an order")?,
            })
        })?,
        csv: answer.csv,
        state: SettlementState::from_wire(answer.state),
        replayed: answer.replayed,
    })
}

pub(crate) fn payment_confirmed(answer: v1::ConfirmPaymentResponse) -> Result<PaymentConfirmed, Error> {
    Ok(PaymentConfirmed {
        entry: entry_there(answer.entry)?,
        legs: each(answer.legs, leg)?,
        window_state: WindowState::from_wire(answer.window_state),
        state: SettlementState::from_wire(answer.state),
        replayed: answer.replayed,
    })
}

pub(crate) fn settlement_aborted(answer: v1::AbortSettlementResponse) -> Result<SettlementAborted, Error> {
    Ok(SettlementAborted {
        entry: answer.entry.map(entry).transpose()?,
        open_window: answer.open_window,
        replayed: answer.replayed,
    })
}

pub(crate) fn deposited(answer: v1::DepositResponse) -> Result<Deposited, Error> {
    Ok(Deposited {
        entry: entry_there(answer.entry)?,
        balance: money(answer.balance, "balance")?,
        replayed: answer.replayed,
    })
}

pub(crate) fn account_balances(all: Vec<v1::AccountBalance>) -> Result<Vec<AccountBalance>, Error> {
    each(all, |row| {
        let balance = match there(row.balance, "the balance of an account")? {
            v1::account_balance::Balance::Points(points) => Quantity::Points(points),
            v1::account_balance::Balance::Money(money) => Quantity::Money(amount(money)?),
        };
        Ok(AccountBalance { account: row.account, balance })
    })
}

pub(crate) fn bilateral_nets(all: Vec<v1::BilateralNet>) -> Result<Vec<crate::operator::BilateralNet>, Error> {
    each(all, |net| {
        Ok(crate::operator::BilateralNet {
            debtor: net.debtor,
            creditor: net.creditor,
            amount: money(net.amount, "a bilateral net")?,
        })
    })
}

pub(crate) fn clock(answer: v1::GetClockResponse) -> Result<SystemTime, Error> {
    time_there(answer.time, "time")
}

pub(crate) fn clock_advanced(answer: v1::AdvanceClockResponse) -> Result<ClockAdvanced, Error> {
    Ok(ClockAdvanced {
        time: time_there(answer.time, "time")?,
        ran: each(answer.ran, |work| {
            Ok(DueWork {
                kind: DueWorkKind::from_wire(work.kind),
                due_time: time_there(work.due_time, "due_time")?,
                window: (work.window != 0).then_some(work.window),
                entry_ids: work.entry_ids,
            })
        })?,
        ran_count: answer.ran_count,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_terms_sends_what_it_sets_and_nothing_else() {
        let change = TermsChange::none().price(Decimal::new(950, 3)).expiry(Expiry::Months(12));
        assert_eq!(
            to_terms(&change),
            v1::TermsChange {
                price: Some("0.950".to_owned()),
                expiry: Some(v1::ExpiryPolicy { kind: v1::ExpiryKind::Months.into(), count: 12, fixed_time: None }),
                ..v1::TermsChange::default()
            }
        );
    }

    #[test]
    fn every_expiry_comes_back_as_it_was_sent() {
        for policy in [
            Expiry::None,
            Expiry::Fixed(SystemTime::UNIX_EPOCH + Duration::from_micros(1_770_000_000_000_001)),
            Expiry::Days(90),
            Expiry::Months(12),
            Expiry::EndOfMonth(0),
            Expiry::EndOfYear(2),
        ] {
            assert_eq!(expiry(to_expiry(policy)).unwrap(), policy);
        }
    }

    #[test]
    fn an_amount_keeps_its_decimals() {
        let money = amount(v1::Money { currency_code: "RUB".to_owned(), amount: "-58.80".to_owned() }).unwrap();
        assert_eq!(money.to_string(), "-58.80 RUB");
        assert_eq!(to_money(&money).amount, "-58.80");
    }

    #[test]
    fn an_answer_that_lacks_a_part_or_has_no_number_is_no_answer() {
        let no_number = v1::Money { currency_code: "RUB".to_owned(), amount: "1e3".to_owned() };
        assert!(matches!(amount(no_number), Err(Error::Protocol { .. })));
        assert!(matches!(issued(v1::IssuePointsResponse::default()), Err(Error::Protocol { .. })));
        assert!(matches!(posting(v1::Posting::default()), Err(Error::Protocol { .. })));
    }

    #[test]
    fn an_origin_without_content_is_not_sent() {
        let issue = to_issue(&Issue::to("card", "4000").points(1));
        assert_eq!(issue.origin, None);
        let issue = to_issue(&Issue::to("card", "4000").points(1).origin(Origin::store("7")));
        assert_eq!(issue.origin.unwrap().store, "7");
    }
}
