//! The crate brands use to join a coalition for loyalty points: issue points, redeem them, take them back, and read what that
//! comes to, over mTLS gRPC.
//!
//! ```toml
//! [dependencies]
//! partner-sdk = { path = "../clearing/partner-sdk" }
//! tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
//! ```
//!
//! `../clearing` is a clone of the repository; with `git = "..."` and the address it is cloned from, instead of `path`, cargo
//! fetches it itself. It needs Rust 1.94, a C compiler (for the cryptography), and a runtime of tokio 1.
//!
//! This page is a book of ten short chapters. Who writes a till reads up to [holds](#7-holds-when-the-price-is-not-known-yet).
//!
//! | for | types |
//! |---|---|
//! | connecting | [`Client`], [`ClientBuilder`], [`Retries`] |
//! | joining, and looking after one's keys | [`InviteString`], [`Enrolment`] -> [`CredentialFolder`]; [`CreateInvites`], [`RevokeCredentials`], [`Credential`] |
//! | who and where | [`MemberRef`], [`Origin`], [`Money`], [`Decimal`] |
//! | earning | [`Issue`] -> [`Issued`]; many at once: [`Client::batch_issue`], [`IssueStream`] -> [`BatchAnswer`] |
//! | spending | [`QuoteRequest`] -> [`Quote`]; [`Redeem`] -> [`Redeemed`] |
//! | both on one receipt | [`Purchase`], [`Earn`] -> [`Purchased`] |
//! | reserving | [`Authorize`] -> [`Authorized`]; [`Capture`] -> [`Captured`]; [`Void`] -> [`Voided`]; [`Hold`] |
//! | taking back | [`ReturnRedemption`] -> [`Returned`]; [`Reverse`] -> [`Reversed`]; [`ReturnPurchase`] -> [`PurchaseReturned`] |
//! | from one member to another | [`Transfer`] -> [`Transferred`] |
//! | what became of a request | [`Outcome`], [`Rejection`], [`Reason`], [`Unknown`], [`RequestId`]; [`Abandon`] -> [`Abandoned`] |
//! | reading | [`Balance`], [`Entry`], [`EntryFilter`], [`Receipt`], [`Pages`], [`ExpiryNotice`] |
//! | the end of the day, of the month | [`DayCount`] -> [`Reconciliation`]; [`Position`], [`Window`], [`Statement`], [`StatementLine`], [`Obligation`], [`PaymentOrder`] |
//! | what goes wrong | [`Error`], [`NotAccepted`] |
//! | the operator, auditors, a sandbox's clock | [`operator`] |
//!
//! # 1. Connect
//!
//! A brand is who its certificate names; no request says who is asking. The operator sends one string, an invite. Used once, it
//! gives a folder with the certificate; its key is made here and never leaves. [`Enrolment`] does that, or `partner enroll`.
//!
//! ```no_run
//! use partner_sdk::{CredentialFolder, Enrolment};
//!
//! # async fn example(string_of_the_operator: &str) -> Result<(), Box<dyn std::error::Error>> {
//! // Once:
//! Enrolment::new(string_of_the_operator.parse()?).folder("credentials").enroll().await?;
//! // From then on:
//! let client = CredentialFolder::open("credentials")?.client().connect().await?;
//! println!("connected as {}", client.server_info().await?.caller_id);
//! # Ok(())
//! # }
//! ```
//!
//! Such a client renews its certificate by itself, at half of its life. Certificates that were made by hand, those of a sandbox
//! say, are three files:
//!
//! ```no_run
//! use partner_sdk::Client;
//!
//! # async fn example() -> Result<(), partner_sdk::Error> {
//! let client = Client::builder("https://localhost:7443")
//!     .ca_file("ca.pem")
//!     .identity_files("grocer.pem", "grocer.key")
//!     .connect()
//!     .await?;
//! println!("connected as {}", client.server_info().await?.caller_id);
//! # Ok(())
//! # }
//! ```
//!
//! One [`Client`] is enough for a program: it is cheap to clone, its clones share the connection, and a connection that is lost
//! is made again. [`ClientBuilder`] has what can be set; [`connect_lazy`](ClientBuilder::connect_lazy) is for a till that starts
//! before its network does.
//!
//! # 2. Issue points
//!
//! ```no_run
//! # use partner_sdk::{Client, Issue, Origin};
//! # async fn example(client: Client) -> Result<(), Box<dyn std::error::Error>> {
//! let origin = Origin::till("store-7", "3").receipt("R-1").business_date("2026-02-10");
//! let issued = client.issue(Issue::to("card", "4000123").points(100).origin(origin)).await?.accepted()?;
//! println!("earned 100, you have {}", issued.member.available_points);
//! # Ok(())
//! # }
//! ```
//!
//! A card that nobody has seen becomes a new member. The [`Origin`] is optional and worth its line: by it a receipt earns once,
//! is found again, and the day is compared. When points expire, and what they cost, is in the brand's terms;
//! [`Issue`] can say otherwise for one issue.
//!
//! # 3. Spend them
//!
//! ```no_run
//! # use partner_sdk::{Client, Outcome, Redeem};
//! # async fn example(client: Client) -> Result<(), partner_sdk::Error> {
//! let quote = client.quote(("card", "4000123"), 60).await?;
//! println!("60 points bring {} after a fee of {}", quote.acceptor_credit, quote.fee);
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
//! # 4. Three outcomes, and errors
//!
//! A request with an effect comes to one of four:
//!
//! | | means | then |
//! |---|---|---|
//! | [`Outcome::Accepted`] | it is booked, durably | [`Written`] has its entries, `member` what the member has now |
//! | [`Outcome::Rejected`] | the rules said no, for good: the same request gets the same answer | [`Rejection::reason`] is one of a closed list, [`Rejection::number`] gives what a till shows |
//! | [`Outcome::Unknown`] | no answer came in time; it may be booked | ask again under the same key, or abandon it: the next chapter |
//! | `Err` | it certainly had no effect: malformed, not allowed, the house was not there | [`Error`] says which |
//!
//! [`Outcome::accepted`] makes an error of all but the first, for programs that have nothing to say about the others.
//!
//! ```no_run
//! # use partner_sdk::{Client, Outcome, Reason, Redeem};
//! # async fn example(client: Client, redeem: Redeem) -> Result<(), partner_sdk::Error> {
//! if let Outcome::Rejected(no) = client.redeem(redeem).await? {
//!     match no.reason {
//!         Reason::InsufficientPoints => println!("you have {}", no.number("available_points").unwrap_or(0)),
//!         Reason::MemberBlocked => println!("this card is blocked"),
//!         // The list may grow: what is not known is shown in the house's words.
//!         _ => println!("{}", no.message),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # 5. Once, whatever happens
//!
//! Every request has its effect once. Its key, a [`RequestId`], is made before the first try and is the same in every retry, so
//! however often the house gets it, it is booked once and answered alike. Within the deadline of a call (10 seconds, batches 60)
//! the SDK tries again by itself what may succeed, with random waits, from a budget that all calls of a client share: see
//! [`Retries`].
//!
//! A till that must survive its own crash makes the key itself and stores it *before* it sends:
//!
//! ```no_run
//! # use partner_sdk::{Abandon, Client, Issue, Outcome, RequestId};
//! # fn store(key: RequestId, issue: &Issue) {}
//! # fn forget(key: RequestId) {}
//! # async fn example(client: Client) -> Result<(), partner_sdk::Error> {
//! let key = client.new_request_id();
//! let issue = Issue::to("card", "4000123").points(100).request_id(key);
//! store(key, &issue);
//! // Now, and after a restart for whatever is still stored:
//! match client.issue(issue).await? {
//!     Outcome::Accepted(_) | Outcome::Rejected(_) => forget(key),
//!     Outcome::Unknown(_) => {
//!         // Sent again later, it gets the one answer. Where the purchase has gone on without, it is undone instead, whether it
//!         // was booked or not; an abandonment is a request like any other, and is repeated until it is answered.
//!         client.abandon(Abandon::request(key)).await?;
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Dropping the future of a call gives up on its answer, not on its effect.
//!
//! # 6. Bring it back
//!
//! What was bought with points comes back by [`ReturnRedemption`]: the points go into the lots they came from. Goods for which
//! points were issued come back by [`Reverse`]: what the member still has is taken, what was spent becomes a debt that later
//! points pay. [`ReturnPurchase`] does both for a part of a receipt.
//!
//! ```no_run
//! # use partner_sdk::{Client, Receipt, ReturnRedemption, Reverse};
//! # async fn example(client: Client, redemption_entry_id: &str) -> Result<(), Box<dyn std::error::Error>> {
//! client.return_redemption(ReturnRedemption::of(redemption_entry_id).points(30)).await?.accepted()?;
//!
//! let receipt = Receipt::new("R-1", "2026-02-10").till("store-7", "3");
//! let reversed = client.reverse(Reverse::receipt(receipt).points(60)).await?.accepted()?;
//! println!("took {} back, {} are owed", reversed.taken_back_points, reversed.debt_points);
//! # Ok(())
//! # }
//! ```
//!
//! # 7. Holds: when the price is not known yet
//!
//! A fuel pump, a hotel, a delivery: [`Authorize`] reserves points until a moment, [`Capture`] takes what it came to and
//! releases the rest, [`Void`] releases all. A hold that nobody captures lapses by itself.
//!
//! ```no_run
//! # use partner_sdk::{Authorize, Capture, Client};
//! # use std::time::Duration;
//! # async fn example(client: Client) -> Result<(), Box<dyn std::error::Error>> {
//! let until = client.server_info().await?.server_time + Duration::from_secs(600);
//! let held = client.authorize(Authorize::from("card", "4000123").points(500).lapses(until)).await?.accepted()?;
//! let captured = client.capture(Capture::hold(held.hold_id).points(420)).await?.accepted()?;
//! assert_eq!(captured.released_points, 80);
//! # Ok(())
//! # }
//! ```
//!
//! # 8. Read and reconcile
//!
//! Reads have no effect, so they give their answer or an [`Error`]. A list is a [`Pages`]: items one by one, page by page, or as a
//! stream; longer than memory, and gone on with after a restart.
//!
//! ```no_run
//! # use partner_sdk::{Client, DayCount, EntryFilter, Receipt, ReconcileState};
//! # async fn example(client: Client) -> Result<(), partner_sdk::Error> {
//! // A customer with a receipt in his hand.
//! let mut booked = client.find_receipt(Receipt::new("R-1", "2026-02-10").till("store-7", "3"));
//! while let Some(entry) = booked.try_next().await? {
//!     println!("{} {}", entry.kind, entry.entry_id);
//! }
//!
//! // The end of the day: is what the till counted what the house has? 41 issues of 5,120 points, 6 redemptions of 900.
//! let counted = DayCount::of_till("store-7", "3", "2026-02-10").issued(41, 5_120).redeemed(6, 900);
//! let compared = client.reconcile_day(counted).await?;
//! if compared.state != ReconcileState::Matched {
//!     let of_the_day = EntryFilter::all().store("store-7").till("3").business_date("2026-02-10");
//!     println!("{:?}: {:?}", compared.differences, client.entries(of_the_day).all().await?);
//! }
//!
//! // The end of the month: what was carried in, and what is paid. It always adds up.
//! let statement = client.statement(Some(7)).await?;
//! println!("{} + {} lines = {} + {}", statement.opening, statement.totals.len(), statement.closing, statement.leg);
//! # Ok(())
//! # }
//! ```
//!
//! Which members are about to lose points is told by [`Client::expiry_notices`].
//!
//! # 9. Many at once
//!
//! A campaign that gives points to a million members: [`Client::batch_issue`] takes 8,192 of them in one call,
//! [`Client::stream_issue`] keeps several such batches under way. Each item has a key and an outcome of its own.
//!
//! # 10. Try it against a sandbox
//!
//! `clearing sandbox` is a whole house on this machine, with certificates for test brands in a folder. Its clock is the real one,
//! or stands still and is moved by [`Sandbox`](operator::Sandbox): so a test sees points expire without waiting a year.
//!
//! ```no_run
//! # use partner_sdk::{Client, Issue};
//! # use std::time::{Duration, SystemTime};
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // clearing sandbox --start 2026-02-01T00:00:00Z
//! let endpoint = std::fs::read_to_string("sandbox/endpoint.txt")?;
//! let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_769_904_000);
//! let grocer = Client::builder(endpoint.trim())
//!     .ca_file("sandbox/ca.pem")
//!     .identity_files("sandbox/grocer.pem", "sandbox/grocer.key")
//!     // Keys carry the time, which is the sandbox's.
//!     .clock(move || start)
//!     .connect()
//!     .await?;
//! grocer.issue(Issue::to("card", "4000123").points(100).expires(start + Duration::from_secs(86_400))).await?.accepted()?;
//! grocer.sandbox().advance_clock(start + Duration::from_secs(2 * 86_400)).await?;
//! assert_eq!(grocer.balance(("card", "4000123")).await?.member.available_points, 0);
//! # Ok(())
//! # }
//! ```
//!
//! What the house refuses, and with which numbers, is in `docs/errors.md` of the repository; other languages are in
//! `docs/integrating.md`.

#![deny(missing_docs, rustdoc::broken_intra_doc_links)]

mod admin;
mod approvals;
/// What the house answers.
#[path = "gen/answers.rs"]
#[rustfmt::skip]
mod answers;
mod bank;
mod bank_account;
mod builder;
mod call;
mod care;
mod client;
mod cover;
mod credential;
mod defaults;
#[cfg(feature = "enrolment")]
mod enrolment;
mod error;
mod hold;
mod invite;
mod legal;
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
mod people;
mod points;
mod purchase;
mod reason;
mod receipt;
mod request_id;
mod retry;
mod reversal;
mod search;
mod settlement;
mod stream;
mod terms;
mod tls;
mod transfer;
mod wire;
mod written;

pub use rust_decimal::Decimal;

pub use answers::{
    AbandonOutcome, Abandoned, AccountChange, Authorized, Balance, BankAccountChangeStopped, BankAccountSet,
    BankAccountState, BankAccountVersion, Calendar, CalendarVersion, Captured, CarriedAmount, ComingExpiry, Credential,
    CredentialScope, CredentialState, CredentialsRevoked, CutOff, CutOffPattern, DayDifference, DayTotals, Deprecation,
    EarnPreview, Entry, EntryKind, ExpiryNotice, Hold, HoldState, InFlight, Invite, InviteState, InvitesCreated,
    InvitesWithdrawn, Issued, IssuedCertificate, Leg, LegExplained, LegState, LimitUse, Limits, LotChange, LotPart,
    MemberFigures, Obligation, OnHoliday, ParticipantAmount, Position, Posting, PurchaseReturned, Purchased, Purpose,
    Quantity, Quote, ReconcileState, Reconciliation, Redeemed, Returned, Reversed, RoundingOrder, ServerInfo,
    Settlement, SettlementProof, SettlementState, Statement, StatementBridge, StatementLine, StatementSection,
    StatementTotal, Tally, Transferred, Voided, Weekday, Window, WindowState, Written,
};
pub use bank_account::{AccountNumber, BankAccount, SetBankAccount, StopBankAccountChange};
pub use builder::ClientBuilder;
pub use client::Client;
pub use credential::{
    CreateInvites, CredentialFilter, Device, Holder, InviteFilter, RevokeCredentials, WithdrawInvites,
};
#[cfg(feature = "enrolment")]
pub use enrolment::{CredentialFolder, Enrolment, EnrolmentError};
pub use error::Error;
pub use hold::{Authorize, Capture, Void};
pub use invite::{InviteError, InviteString, NewInvite, Pin};
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

/// The program on the crate's first page compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
