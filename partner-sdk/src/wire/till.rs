//! Holds, reversals, purchases, transfers and receipts.

use super::{
    decimal, each, entries, entry, entry_there, key, lot, money, next_expiry, there, time_there, to_member, to_money,
    to_origin,
};
use crate::entry::EntryKind;
use crate::error::Error;
use crate::hold::{Authorize, Authorized, Capture, Captured, Hold, HoldState, Void, Voided};
use crate::points::{EarnPreview, ExpiryNotice, Quote, QuoteRequest};
use crate::purchase::{Earn, Purchase, PurchaseReturned, Purchased, ReturnPurchase, Spend};
use crate::receipt::{DayCount, DayDifference, DayTotals, Receipt, ReconcileState, Reconciliation, Total};
use crate::reversal::{Reverse, Reversed, Target};
use crate::transfer::{Transfer, Transferred};
use clearing_proto::v1;
use prost_types::Timestamp;

pub(crate) fn to_funders(funders: &[(String, u32)]) -> Vec<v1::Funder> {
    let funder =
        |(partner, weight): &(String, u32)| v1::Funder { partner_id: partner.clone(), weight: i64::from(*weight) };
    funders.iter().map(funder).collect()
}

pub(crate) fn to_quote(request: &QuoteRequest) -> v1::QuoteRedemptionRequest {
    v1::QuoteRedemptionRequest {
        member: Some(to_member(&request.member)),
        points: request.points,
        amount: request.amount.as_ref().map(to_money),
        earn_points: request.earn_points,
    }
}

pub(crate) fn quote(answer: v1::QuoteRedemptionResponse) -> Result<Quote, Error> {
    let earn = answer.earn.map(|earn| {
        Ok(EarnPreview {
            points: earn.points,
            expires_time: earn.expires_time.map(super::time).transpose()?,
            available_points: earn.available_points,
            refusal: super::some(earn.refusal_reason).map(|reason| crate::reason::Reason::parse(&reason)),
        })
    });
    Ok(Quote {
        member_id: answer.member_id,
        points: answer.points,
        lots: each(answer.lots, lot)?,
        discount: money(answer.discount, "discount")?,
        fee: money(answer.fee, "fee")?,
        acceptor_credit: money(answer.acceptor_credit, "acceptor_credit")?,
        available_points: answer.available_points,
        points_missing: answer.points_missing,
        payable_points: answer.payable_points,
        points_left: answer.points_left,
        passed_over_issuer_ids: answer.passed_over_issuer_ids,
        next_expiry: answer.next_expiry.map(next_expiry).transpose()?,
        earn: earn.transpose()?,
        held_points: answer.held_points,
        pending_points: answer.pending_points,
        owed_points: answer.owed_points,
    })
}

pub(crate) fn to_authorize(authorize: &Authorize) -> v1::AuthorizeRedemptionRequest {
    v1::AuthorizeRedemptionRequest {
        request_id: key(authorize.request_id),
        member: Some(to_member(&authorize.member)),
        points: authorize.points,
        lapse_time: authorize.lapse_time.map(Timestamp::from),
        origin: to_origin(&authorize.origin),
    }
}

pub(crate) fn to_capture(capture: &Capture) -> v1::CaptureHoldRequest {
    v1::CaptureHoldRequest {
        request_id: key(capture.request_id),
        hold_id: capture.hold_id.clone(),
        points: capture.points,
        origin: to_origin(&capture.origin),
    }
}

pub(crate) fn to_void(void: &Void) -> v1::VoidHoldRequest {
    v1::VoidHoldRequest {
        request_id: key(void.request_id),
        hold_id: void.hold_id.clone(),
        origin: to_origin(&void.origin),
    }
}

pub(crate) fn authorized(answer: v1::AuthorizeRedemptionResponse) -> Result<Authorized, Error> {
    Ok(Authorized {
        hold_id: answer.hold_id,
        entry: entry_there(answer.entry)?,
        member_id: answer.member_id,
        available_points: answer.available_points,
        held_points: answer.held_points,
        pending_points: answer.pending_points,
        owed_points: answer.owed_points,
        next_expiry: answer.next_expiry.map(next_expiry).transpose()?,
        replayed: answer.replayed,
    })
}

pub(crate) fn captured(answer: v1::CaptureHoldResponse) -> Result<Captured, Error> {
    Ok(Captured {
        entry: entry_there(answer.entry)?,
        member_id: answer.member_id,
        released_points: answer.released_points,
        fee: money(answer.fee, "fee")?,
        acceptor_credit: money(answer.acceptor_credit, "acceptor_credit")?,
        available_points: answer.available_points,
        held_points: answer.held_points,
        pending_points: answer.pending_points,
        owed_points: answer.owed_points,
        recovered_points: answer.recovered_points,
        following: entries(answer.following_entries)?,
        next_expiry: answer.next_expiry.map(next_expiry).transpose()?,
        replayed: answer.replayed,
    })
}

pub(crate) fn voided(answer: v1::VoidHoldResponse) -> Result<Voided, Error> {
    Ok(Voided {
        entry: entry_there(answer.entry)?,
        member_id: answer.member_id,
        released_points: answer.released_points,
        available_points: answer.available_points,
        held_points: answer.held_points,
        pending_points: answer.pending_points,
        owed_points: answer.owed_points,
        recovered_points: answer.recovered_points,
        following: entries(answer.following_entries)?,
        next_expiry: answer.next_expiry.map(next_expiry).transpose()?,
        replayed: answer.replayed,
    })
}

pub(crate) fn hold_there(answer: v1::GetHoldResponse) -> Result<Hold, Error> {
    let hold = there(answer.hold, "hold")?;
    Ok(Hold {
        hold_id: hold.hold_id,
        state: HoldState::from_wire(hold.state),
        member_id: hold.member_id,
        points: hold.points,
        captured_points: hold.captured_points,
        authorize_time: time_there(hold.authorize_time, "authorize_time")?,
        lapse_time: time_there(hold.lapse_time, "lapse_time")?,
        lots: each(hold.lots, lot)?,
        reimbursement: money(hold.reimbursement, "reimbursement")?,
        acceptance_fee: decimal(&hold.acceptance_fee, "acceptance_fee")?,
    })
}

pub(crate) fn to_reverse(reverse: &Reverse) -> v1::ReverseIssueRequest {
    use v1::reverse_issue_request::Target as Wire;
    let target = match &reverse.target {
        Target::Entry(id) => Wire::EntryId(id.clone()),
        Target::Receipt(receipt) => Wire::Receipt(v1::ReceiptRef {
            store: receipt.store.clone(),
            till: receipt.till.clone(),
            receipt_number: receipt.receipt_number.clone(),
            business_date: receipt.business_date.clone(),
        }),
        Target::Newest(member) => Wire::NewestOfMember(to_member(member)),
    };
    v1::ReverseIssueRequest {
        request_id: key(reverse.request_id),
        points: reverse.points,
        refuse_shortfall: reverse.refuse_shortfall,
        origin: to_origin(&reverse.origin),
        target: Some(target),
    }
}

pub(crate) fn reversed(answer: v1::ReverseIssueResponse) -> Result<Reversed, Error> {
    Ok(Reversed {
        entries: entries(answer.entries)?,
        member_id: answer.member_id,
        taken_back_points: answer.taken_back_points,
        written_off_points: answer.written_off_points,
        debt_points: answer.debt_points,
        available_points: answer.available_points,
        held_points: answer.held_points,
        pending_points: answer.pending_points,
        owed_points: answer.owed_points,
        recovered_points: answer.recovered_points,
        following: entries(answer.following_entries)?,
        next_expiry: answer.next_expiry.map(next_expiry).transpose()?,
        replayed: answer.replayed,
    })
}

fn to_earn(earn: &Earn) -> v1::PurchaseEarn {
    v1::PurchaseEarn {
        points: earn.points,
        expires_time: earn.expires_time.map(Timestamp::from),
        activate_time: earn.activate_time.map(Timestamp::from),
        funders: to_funders(&earn.funders),
    }
}

pub(crate) fn to_purchase(purchase: &Purchase) -> v1::PostPurchaseRequest {
    use v1::purchase_spend::Source;
    let source = purchase.spend.as_ref().map(|spend| match spend {
        Spend::Redeem(points) => Source::RedeemPoints(*points),
        Spend::Capture { hold_id, points } => {
            Source::Capture(v1::HoldCapture { hold_id: hold_id.clone(), points: *points })
        }
    });
    v1::PostPurchaseRequest {
        request_id: key(purchase.request_id),
        member: Some(to_member(&purchase.member)),
        spend: source.map(|source| v1::PurchaseSpend { source: Some(source) }),
        earn: purchase.earn.as_ref().map(to_earn),
        origin: to_origin(&purchase.origin),
    }
}

pub(crate) fn purchased(answer: v1::PostPurchaseResponse) -> Result<Purchased, Error> {
    Ok(Purchased {
        spend_entry: answer.spend_entry.map(entry).transpose()?,
        earn_entry: answer.earn_entry.map(entry).transpose()?,
        member_id: answer.member_id,
        spent_points: answer.spent_points,
        earned_points: answer.earned_points,
        released_points: answer.released_points,
        fee: money(answer.fee, "fee")?,
        acceptor_credit: money(answer.acceptor_credit, "acceptor_credit")?,
        available_points: answer.available_points,
        held_points: answer.held_points,
        pending_points: answer.pending_points,
        owed_points: answer.owed_points,
        recovered_points: answer.recovered_points,
        following: entries(answer.following_entries)?,
        next_expiry: answer.next_expiry.map(next_expiry).transpose()?,
        replayed: answer.replayed,
    })
}

pub(crate) fn to_return_purchase(back: &ReturnPurchase) -> v1::ReturnPurchaseRequest {
    v1::ReturnPurchaseRequest {
        request_id: key(back.request_id),
        redemption_entry_id: back.redemption_entry_id.clone(),
        issue_entry_id: back.issue_entry_id.clone(),
        returned_amount: Some(to_money(&back.returned)),
        receipt_total: Some(to_money(&back.total)),
        origin: to_origin(&back.origin),
    }
}

pub(crate) fn purchase_returned(answer: v1::ReturnPurchaseResponse) -> Result<PurchaseReturned, Error> {
    Ok(PurchaseReturned {
        return_entry: answer.return_entry.map(entry).transpose()?,
        reverse_entry: answer.reverse_entry.map(entry).transpose()?,
        member_id: answer.member_id,
        returned_points: answer.returned_points,
        taken_back_points: answer.taken_back_points,
        written_off_points: answer.written_off_points,
        debt_points: answer.debt_points,
        returnable_points: answer.returnable_points,
        fee_refund: money(answer.fee_refund, "fee_refund")?,
        acceptor_debit: money(answer.acceptor_debit, "acceptor_debit")?,
        available_points: answer.available_points,
        held_points: answer.held_points,
        pending_points: answer.pending_points,
        owed_points: answer.owed_points,
        recovered_points: answer.recovered_points,
        following: entries(answer.following_entries)?,
        next_expiry: answer.next_expiry.map(next_expiry).transpose()?,
        replayed: answer.replayed,
    })
}

pub(crate) fn to_transfer(transfer: &Transfer) -> v1::TransferPointsRequest {
    v1::TransferPointsRequest {
        request_id: key(transfer.request_id),
        member: Some(to_member(&transfer.member)),
        to_member: Some(to_member(&transfer.to_member)),
        points: transfer.points,
        enrol_receiver: transfer.enrol_receiver,
        origin: to_origin(&transfer.origin),
    }
}

pub(crate) fn transferred(answer: v1::TransferPointsResponse) -> Result<Transferred, Error> {
    Ok(Transferred {
        entry: entry_there(answer.entry)?,
        member_id: answer.member_id,
        to_member_id: answer.to_member_id,
        available_points: answer.available_points,
        held_points: answer.held_points,
        pending_points: answer.pending_points,
        owed_points: answer.owed_points,
        recovered_points: answer.recovered_points,
        following: entries(answer.following_entries)?,
        next_expiry: answer.next_expiry.map(next_expiry).transpose()?,
        replayed: answer.replayed,
    })
}

pub(crate) fn to_find_receipt(receipt: &Receipt, page_size: i32, page_token: String) -> v1::FindReceiptRequest {
    v1::FindReceiptRequest {
        store: receipt.store.clone(),
        till: receipt.till.clone(),
        receipt_number: receipt.receipt_number.clone(),
        business_date: receipt.business_date.clone(),
        page_size,
        page_token,
    }
}

pub(crate) fn to_reconcile(count: &DayCount) -> v1::ReconcileDayRequest {
    let DayTotals { issued, redeemed, returned, reversed } = count.totals;
    v1::ReconcileDayRequest {
        store: count.store.clone(),
        till: count.till.clone(),
        business_date: count.business_date.clone(),
        counted: Some(v1::DayTotals {
            issue_count: issued.count,
            issued_points: issued.points,
            redemption_count: redeemed.count,
            redeemed_points: redeemed.points,
            return_count: returned.count,
            returned_points: returned.points,
            reversal_count: reversed.count,
            reversed_points: reversed.points,
        }),
    }
}

pub(crate) fn reconciliation(answer: v1::ReconcileDayResponse) -> Result<Reconciliation, Error> {
    let booked = there(answer.booked, "booked")?;
    let total = |count, points| Total { count, points };
    let difference = |one: v1::DayDifference| DayDifference {
        kind: EntryKind::from_wire(one.kind),
        counted: total(one.counted_count, one.counted_points),
        booked: total(one.booked_count, one.booked_points),
    };
    Ok(Reconciliation {
        state: ReconcileState::from_wire(answer.state),
        booked: DayTotals {
            issued: total(booked.issue_count, booked.issued_points),
            redeemed: total(booked.redemption_count, booked.redeemed_points),
            returned: total(booked.return_count, booked.returned_points),
            reversed: total(booked.reversal_count, booked.reversed_points),
        },
        differences: answer.differences.into_iter().map(difference).collect(),
    })
}

pub(crate) fn notices(all: Vec<v1::ExpiryNotice>) -> Result<Vec<ExpiryNotice>, Error> {
    each(all, |notice| {
        Ok(ExpiryNotice {
            member_id: notice.member_id,
            points: notice.points,
            expires_time: time_there(notice.expires_time, "expires_time")?,
            days_ahead: notice.days_ahead,
            issuer: notice.issuer,
        })
    })
}
