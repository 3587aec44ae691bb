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
//! println!("earned 100, you have {}", issued.member.available_points);
//!
//! match client.redeem(Redeem::from("card", "4000123").points(60)).await? {
//!     Outcome::Accepted(redeemed) => println!("paid with 60, you have {}", redeemed.member.available_points),
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

mod admin;
/// What the house answers.
#[path = "gen/answers.rs"]
#[rustfmt::skip]
mod answers;
mod builder;
mod call;
mod care;
mod client;
mod error;
mod hold;
mod limits;
mod line;
mod member;
mod money;
mod open_enum;
pub mod operator;
mod origin;
mod outcome;
mod pages;
mod partner;
mod points;
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
mod written;

pub use rust_decimal::Decimal;

pub use answers::{
    AbandonOutcome, Abandoned, AccountChange, Authorized, Balance, Calendar, Captured, ComingExpiry, DayDifference,
    DayTotals, Deprecation, EarnPreview, Entry, EntryKind, ExpiryNotice, Hold, HoldState, InFlight, Issued, Leg,
    LegState, LimitUse, Limits, LotChange, LotPart, MemberFigures, Obligation, ParticipantAmount, Position, Posting,
    PurchaseReturned, Purchased, Purpose, Quantity, Quote, ReconcileState, Reconciliation, Redeemed, Returned,
    Reversed, ServerInfo, Settlement, SettlementProof, SettlementState, Statement, StatementBridge, StatementLine,
    StatementSection, StatementTotal, Tally, Transferred, Voided, Window, WindowState, Written,
};
pub use builder::ClientBuilder;
pub use client::Client;
pub use error::Error;
pub use hold::{Authorize, Capture, Void};
pub use member::MemberRef;
pub use money::Money;
pub use operator::{OrderMode, PaymentOrder};
pub use origin::Origin;
pub use outcome::{NotAccepted, Outcome, Rejection, Unknown};
pub use pages::Pages;
pub use points::{Abandon, EntryFilter, Issue, QuoteRequest, Redeem, ReturnRedemption};
pub use purchase::{Earn, Purchase, ReturnPurchase};
pub use reason::Reason;
pub use receipt::{DayCount, Receipt};
pub use request_id::{NotARequestId, RequestId};
pub use retry::Retries;
pub use reversal::Reverse;
pub use stream::{BatchAnswer, IssueStream};
pub use transfer::Transfer;
