//! Holds, reversals, purchases, transfers and receipts.

use super::{key, to_member, to_money, to_origin};
use crate::answers::Tally;
use crate::hold::{Authorize, Capture, Void};
use crate::points::QuoteRequest;
use crate::purchase::{Earn, Purchase, ReturnPurchase, Spend};
use crate::receipt::{DayCount, Receipt};
use crate::reversal::{Reverse, Target};
use crate::transfer::Transfer;
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

pub(crate) fn to_reverse(reverse: &Reverse) -> v1::ReverseIssueRequest {
    use v1::reverse_issue_request::Target as Wire;
    let target = match &reverse.target {
        Target::Entry(id) => Wire::IssueEntryId(id.clone()),
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

fn to_earn(earn: &Earn) -> v1::PurchaseEarn {
    v1::PurchaseEarn {
        points: earn.points,
        expire_time: earn.expire_time.map(Timestamp::from),
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
    let tally = |Tally { count, points }: Tally| Some(v1::Tally { count, points });
    v1::ReconcileDayRequest {
        store: count.store.clone(),
        till: count.till.clone(),
        business_date: count.business_date.clone(),
        counted: Some(v1::DayTotals {
            issued: tally(count.totals.issued),
            redeemed: tally(count.totals.redeemed),
            returned: tally(count.totals.returned),
            reversed: tally(count.totals.reversed),
        }),
    }
}
