//! The calls of a till beyond issue and redemption: holds, reversals, purchases, transfers, receipts.

use crate::client::{Client, PAGE_SIZE, points};
use crate::entry::Entry;
use crate::error::Error;
use crate::hold::{Authorize, Authorized, Capture, Captured, Hold, Void, Voided};
use crate::member::MemberRef;
use crate::money::Money;
use crate::outcome::Outcome;
use crate::pages::Pages;
use crate::points::{ExpiryNotice, Quote, QuoteRequest};
use crate::purchase::{Purchase, PurchaseReturned, Purchased, ReturnPurchase};
use crate::receipt::{DayCount, Receipt, Reconciliation};
use crate::reversal::{Reverse, Reversed};
use crate::transfer::{Transfer, Transferred};
use crate::wire;
use clearing_proto::v1;

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
        let call = points(|mut to, request| async move { to.quote_redemption(request).await });
        self.read(|| wire::to_quote(&request), call, wire::quote).await
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
        let call = points(|mut to, request| async move { to.authorize_redemption(request).await });
        self.write(authorize, wire::to_authorize, call, wire::authorized).await
    }

    /// Takes points of a hold and releases the rest.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn capture(&self, capture: Capture) -> Result<Outcome<Captured>, Error> {
        let call = points(|mut to, request| async move { to.capture_hold(request).await });
        self.write(capture, wire::to_capture, call, wire::captured).await
    }

    /// Releases a hold.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn void(&self, void: Void) -> Result<Outcome<Voided>, Error> {
        let call = points(|mut to, request| async move { to.void_hold(request).await });
        self.write(void, wire::to_void, call, wire::voided).await
    }

    /// The hold of this id.
    ///
    /// # Errors
    /// Those of a read, [`Error::NotFound`] when this brand has none of this id among them.
    pub async fn hold(&self, hold_id: &str) -> Result<Hold, Error> {
        let request = || v1::GetHoldRequest { hold_id: hold_id.to_owned() };
        self.read(request, points(|mut to, request| async move { to.get_hold(request).await }), wire::hold_there).await
    }

    /// Takes points back that this brand issued.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn reverse(&self, reverse: Reverse) -> Result<Outcome<Reversed>, Error> {
        let call = points(|mut to, request| async move { to.reverse_issue(request).await });
        self.write(reverse, wire::to_reverse, call, wire::reversed).await
    }

    /// Books what a receipt takes and gives.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn purchase(&self, purchase: Purchase) -> Result<Outcome<Purchased>, Error> {
        let call = points(|mut to, request| async move { to.post_purchase(request).await });
        self.write(purchase, wire::to_purchase, call, wire::purchased).await
    }

    /// Gives a part of a receipt back.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn return_purchase(&self, back: ReturnPurchase) -> Result<Outcome<PurchaseReturned>, Error> {
        let call = points(|mut to, request| async move { to.return_purchase(request).await });
        self.write(back, wire::to_return_purchase, call, wire::purchase_returned).await
    }

    /// Gives points of one member to another.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn transfer(&self, transfer: Transfer) -> Result<Outcome<Transferred>, Error> {
        let call = points(|mut to, request| async move { to.transfer_points(request).await });
        self.write(transfer, wire::to_transfer, call, wire::transferred).await
    }

    /// The entries that were booked with a receipt, newest first. Without a store or till: at any.
    pub fn find_receipt(&self, receipt: Receipt) -> Pages<Entry> {
        self.pages(
            move |token| wire::to_find_receipt(&receipt, PAGE_SIZE, token),
            points(|mut to, request| async move { to.find_receipt(request).await }),
            |answer| Ok((wire::entries(answer.entries)?, answer.next_page_token)),
        )
    }

    /// Compares what a till or store counted on a day with the house's books.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn reconcile_day(&self, count: DayCount) -> Result<Reconciliation, Error> {
        let call = points(|mut to, request| async move { to.reconcile_day(request).await });
        self.read(|| wire::to_reconcile(&count), call, wire::reconciliation).await
    }

    /// Which members are about to lose points of this brand: those that expire 30, 7 or 1 days after a day, YYYY-MM-DD in
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
    ///         let key = (notice.member_id.as_str(), notice.expires_time, notice.days_ahead);
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
            points(|mut to, request| async move { to.list_expiry_notices(request).await }),
            |answer| Ok((wire::notices(answer.notices)?, answer.next_page_token)),
        )
    }
}
