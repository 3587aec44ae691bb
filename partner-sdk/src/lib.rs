//! The crate brands use to join a coalition: issue points, redeem them, return, and read the statement, over mTLS gRPC.
//!
//! ```no_run
//! use partner_sdk::{Client, Issue, Origin, Outcome, Redeem};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder("https://localhost:7443")
//!     .ca_file("ca.pem")
//!     .identity_files("grocer.pem", "grocer.key")
//!     .connect()
//!     .await?;
//!
//! let origin = Origin::till("store-7", "3").receipt("R-1");
//! let issued = client.issue(Issue::to("card", "4000123").points(100).origin(origin)).await?.accepted()?;
//! println!("earned 100, you have {}", issued.available_points);
//!
//! match client.redeem(Redeem::from("card", "4000123").points(60)).await? {
//!     Outcome::Accepted(redeemed) => println!("paid with 60, you have {}", redeemed.available_points),
//!     Outcome::Rejected(rejection) => println!("not possible: {rejection}"),
//!     Outcome::Unknown(unknown) => println!("ask again with request id {}", unknown.request_id),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! **Every request has its effect once.** A key, the [`RequestId`], is made before the first try and used by every retry.
//! A till that must survive its own crash makes the key with [`Client::new_request_id`], stores it and sets it with
//! `request_id`; whenever in doubt it sends the same request again, and gets the same answer.
//!
//! **Three outcomes, and errors.** A request with an effect is [`Outcome::Accepted`], [`Outcome::Rejected`] by the rules
//! (final), or [`Outcome::Unknown`] when no answer came in time. An `Err` says that it certainly had no effect: the message
//! was malformed, the certificate was refused, the house was not there. Calls without effect give their answer or an
//! [`Error`].
//!
//! **Deadlines and retries.** A call ends at its deadline (10 seconds, batches 60) at the latest. Within it the SDK tries
//! again what may succeed, with random waits, from a budget that all calls of a client share: see [`Retries`].
//!
//! The identity of the caller is in its certificate; no request says who is asking. The operator's calls are in
//! [`operator`].

mod builder;
mod call;
mod care;
mod client;
mod entry;
mod error;
mod hold;
mod info;
mod limits;
mod line;
mod member;
mod money;
mod open_enum;
pub mod operator;
mod origin;
mod outcome;
mod pages;
mod points;
mod position;
mod purchase;
mod reason;
mod receipt;
mod request_id;
mod retry;
mod reversal;
mod settlement;
mod stream;
mod terms;
mod tls;
mod transfer;
mod wire;

pub use rust_decimal::Decimal;

pub use builder::ClientBuilder;
pub use client::Client;
pub use entry::{Entry, EntryKind, LotPart, NextExpiry, Posting, Purpose, Quantity};
pub use error::Error;
pub use hold::{Authorize, Authorized, Capture, Captured, Hold, HoldState, Void, Voided};
pub use info::{Deprecation, Limits, ServerInfo};
pub use member::MemberRef;
pub use money::Money;
pub use origin::Origin;
pub use outcome::{NotAccepted, Outcome, Rejection, Unknown};
pub use pages::Pages;
pub use points::{
    Abandon, AbandonOutcome, Abandoned, Balance, EarnPreview, EntryFilter, ExpiryNotice, Issue, Issued, Quote,
    QuoteRequest, Redeem, Redeemed, ReturnRedemption, Returned,
};
pub use position::{InFlight, Position, Statement, StatementLine, StatementRole, StatementTotal, Window};
pub use purchase::{Earn, Purchase, PurchaseReturned, Purchased, ReturnPurchase};
pub use reason::Reason;
pub use receipt::{DayCount, DayDifference, DayTotals, Receipt, ReconcileState, Reconciliation, Total};
pub use request_id::{NotARequestId, RequestId};
pub use retry::Retries;
pub use reversal::{Reverse, Reversed};
pub use settlement::{
    Leg, LegState, Obligation, ParticipantAmount, Settlement, SettlementProof, SettlementState, WindowState,
};
pub use stream::{BatchAnswer, IssueStream};
pub use transfer::{Transfer, Transferred};
