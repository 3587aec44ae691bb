//! The calls of a till beyond issue and redemption: holds, reversals, purchases, transfers, receipts.

use crate::answers::{
    Authorized, Captured, Entry, ExpiryNotice, Hold, PurchaseReturned, Purchased, Quote, Reconciliation, Reversed,
    Transferred, Voided,
};
use crate::client::{Client, PAGE_SIZE, call};
use crate::error::Error;
use crate::hold::{Authorize, Capture, Void};
use crate::member::MemberRef;
use crate::money::Money;
use crate::outcome::Outcome;
use crate::pages::Pages;
use crate::points::QuoteRequest;
use crate::purchase::{Purchase, ReturnPurchase};
use crate::receipt::{DayCount, Receipt};
use crate::reversal::Reverse;
use crate::transfer::Transfer;
use crate::wire::{self, FromWire, each, there};
use clearing_proto::v1;
use clearing_proto::v1::hold_service_client::HoldServiceClient;
use clearing_proto::v1::notice_service_client::NoticeServiceClient;
use clearing_proto::v1::purchase_service_client::PurchaseServiceClient;
use clearing_proto::v1::receipt_service_client::ReceiptServiceClient;
use clearing_proto::v1::redemption_service_client::RedemptionServiceClient;
use clearing_proto::v1::reversal_service_client::ReversalServiceClient;
use clearing_proto::v1::transfer_service_client::TransferServiceClient;

impl Client {
    /// Tells how much of a purchase points would pay. Reserves nothing.
    ///
    /// # Errors
    /// Those of a read, [`Error::NotFound`] for an unknown member among them.
    pub async fn quote_amount(&self, member: impl Into<MemberRef>, amount: Money) -> Result<Quote, Error> {
        self.quote_redemption(QuoteRequest::amount(member, amount)).await
    }

    /// Tells what a redemption would do, and an issue after it if that is asked. Reserves nothing.
    ///
    /// # Errors
    /// Those of a read, [`Error::NotFound`] for an unknown member among them.
    pub async fn quote_redemption(&self, request: QuoteRequest) -> Result<Quote, Error> {
        let call = call!(RedemptionServiceClient::quote_redemption);
        self.read(|| wire::to_quote(&request), call, FromWire::read).await
    }

    /// Reserves points of a member for this brand.
    ///
    /// ```no_run
    /// # use partner_sdk::{Authorize, Capture, Client};
    /// # use std::time::SystemTime;
    /// # async fn example(client: Client, tonight: SystemTime) -> Result<(), Box<dyn std::error::Error>> {
    /// let held = client.authorize(Authorize::from("card", "4000123").points(500).lapses(tonight)).await?.accepted()?;
    /// let captured = client.capture(Capture::hold(held.hold_id).points(420)).await?.accepted()?;
    /// assert_eq!(captured.released_points, 80);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn authorize(&self, authorize: Authorize) -> Result<Outcome<Authorized>, Error> {
        let call = call!(HoldServiceClient::authorize_redemption);
        self.write(authorize, wire::to_authorize, call, FromWire::read).await
    }

    /// Takes points of a hold and releases the rest.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn capture(&self, capture: Capture) -> Result<Outcome<Captured>, Error> {
        let call = call!(HoldServiceClient::capture_hold);
        self.write(capture, wire::to_capture, call, FromWire::read).await
    }

    /// Releases a hold.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn void(&self, void: Void) -> Result<Outcome<Voided>, Error> {
        let call = call!(HoldServiceClient::void_hold);
        self.write(void, wire::to_void, call, FromWire::read).await
    }

    /// The hold of this id.
    ///
    /// # Errors
    /// Those of a read, [`Error::NotFound`] when this brand has none of this id among them.
    pub async fn hold(&self, hold_id: &str) -> Result<Hold, Error> {
        let request = || v1::GetHoldRequest { hold_id: hold_id.to_owned() };
        self.read(request, call!(HoldServiceClient::get_hold), |answer| FromWire::read(there(answer.hold, "hold")?))
            .await
    }

    /// Takes points back that this brand issued.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn reverse(&self, reverse: Reverse) -> Result<Outcome<Reversed>, Error> {
        let call = call!(ReversalServiceClient::reverse_issue);
        self.write(reverse, wire::to_reverse, call, FromWire::read).await
    }

    /// Books what a receipt takes and gives.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn purchase(&self, purchase: Purchase) -> Result<Outcome<Purchased>, Error> {
        let call = call!(PurchaseServiceClient::post_purchase);
        self.write(purchase, wire::to_purchase, call, FromWire::read).await
    }

    /// Gives a part of a receipt back.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn return_purchase(&self, back: ReturnPurchase) -> Result<Outcome<PurchaseReturned>, Error> {
        let call = call!(PurchaseServiceClient::return_purchase);
        self.write(back, wire::to_return_purchase, call, FromWire::read).await
    }

    /// Gives points of one member to another.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn transfer(&self, transfer: Transfer) -> Result<Outcome<Transferred>, Error> {
        let call = call!(TransferServiceClient::transfer_points);
        self.write(transfer, wire::to_transfer, call, FromWire::read).await
    }

    /// The entries that were booked with a receipt, newest first. Without a store or till: at any.
    pub fn find_receipt(&self, receipt: Receipt) -> Pages<Entry> {
        self.pages(
            move |token| wire::to_find_receipt(&receipt, PAGE_SIZE, token),
            call!(ReceiptServiceClient::find_receipt),
            |answer| Ok((each(answer.entries)?, answer.next_page_token)),
        )
    }

    /// Compares what a till or store counted on a day with the house's books.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn reconcile_day(&self, count: DayCount) -> Result<Reconciliation, Error> {
        let call = call!(ReceiptServiceClient::reconcile_day);
        self.read(|| wire::to_reconcile(&count), call, FromWire::read).await
    }

    /// Which members are about to lose points of this brand: those that expire `notice_days` of
    /// [`ServerInfo`](crate::ServerInfo) (30, 7 and 1 unless the coalition was founded with others) after a day, YYYY-MM-DD in
    /// the coalition's time zone. `None`: today. A page looks through 1,000 members at most, and may be empty.
    ///
    /// The house does not keep what it has told. Every morning: the notices of today to whatever sends mail, under a key
    /// that makes sending twice impossible. A day that was missed can be asked for later.
    ///
    /// ```no_run
    /// # use partner_sdk::Client;
    /// # use std::time::SystemTime;
    /// # fn send_once(key: (&str, SystemTime, i32), text: String) {}
    /// # async fn example(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut notices = client.expiry_notices(None);
    /// while let Some(page) = notices.next_page().await? {
    ///     for notice in page {
    ///         let key = (notice.member_id.as_str(), notice.expire_time, notice.days_ahead);
    ///         send_once(key, format!("{} points are yours for {} days more", notice.points, notice.days_ahead));
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn expiry_notices(&self, day: Option<&str>) -> Pages<ExpiryNotice> {
        let day = day.unwrap_or_default().to_owned();
        self.pages(
            move |page_token| v1::ListExpiryNoticesRequest { day: day.clone(), page_size: PAGE_SIZE, page_token },
            call!(NoticeServiceClient::list_expiry_notices),
            |answer| Ok((each(answer.notices)?, answer.next_page_token)),
        )
    }
}
