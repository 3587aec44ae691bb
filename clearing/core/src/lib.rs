//! The rules of the clearing house.
//!
//! This crate decides; it never reads a clock, a database, a network or a random number, holds no floating-point
//! number and iterates over nothing whose order may change between two runs. Everything that a decision needs is in
//! a [`Book`](book::Book); everything that it changes is in the [`Changes`](changes::Changes) the book hands out.
//!
//! The rules themselves are written down in `docs/rules.md`. Each rule there has an anchor, and the one function that
//! implements it says `Rule: <anchor>` in its documentation; a test compares both directions.
//!
//! | room | what is in it |
//! |---|---|
//! | [`units`] | points, money, rates, times, identifiers, rounding |
//! | [`chart`] | the accounts, the purposes of a money posting |
//! | [`journal`] | entries, their canonical bytes, the hash chain |
//! | [`chain`] | what the chain says of requests |
//! | [`facts`] | what entries record besides their postings |
//! | [`days`] | days as the coalition's calendar counts them |
//! | [`terms`] | the coalition's settings, partners, versions of terms |
//! | [`member`] | what a member holds: holdings and lots |
//! | [`operation`] | what an operation is, and the list of all |
//! | [`command`] | requests, and what is answered |
//! | [`rejection`] | why the rules say no, in the published order |
//! | [`points`] | issue, redemption, quote, return |
//! | [`hold`] | points reserved for an acceptor: authorize, capture, void |
//! | [`purchase`] | spending and earning of one receipt; receipts told apart |
//! | [`reversal`] | issues taken back, debts and their recovery |
//! | [`transfer`] | points given to another member |
//! | [`abandon`] | requests that shall have no effect |
//! | [`due`] | what falls due by itself: activations, lapses, expiries; decay |
//! | [`notice`] | what members are about to lose, told 30, 7 and 1 days ahead |
//! | [`disclosure`] | what a partner is told of a member's points where issuers are not disclosed |
//! | [`expiries`] | when the points of a member expire, moment by moment |
//! | [`care`] | the operator's help for a member: longer life, points given again, debts given up |
//! | [`limits`] | limits, consents, the net debit cap and its headroom |
//! | [`funding`] | points that wait for their issuer's payment |
//! | [`forget`] | answers that may be forgotten |
//! | [`founding`] | the first entries of a journal |
//! | [`partners`] | creating partners, terms, states, calendar |
//! | [`netting`] | positions into legs, legs into orders, obligations |
//! | [`settlement`] | windows, the close, payments, abort, deposits |
//! | [`proof`] | that nothing was lost or made by a close |
//! | [`sums`] | how large the sums of the house may become |
//! | [`book`] | the ledger over whatever part of it is in memory |
//! | [`audit`] | the invariants of the books, as checks over a whole book |
//! | [`changes`] | what a batch has changed, ready to be saved |

pub mod abandon;
pub mod audit;
pub mod book;
pub mod care;
pub mod chain;
pub mod changes;
pub mod chart;
pub mod command;
pub mod days;
pub mod disclosure;
pub mod due;
pub mod expiries;
pub mod facts;
pub mod forget;
pub mod founding;
pub mod funding;
pub mod hold;
pub mod journal;
pub mod limits;
pub mod member;
pub mod netting;
pub mod notice;
pub mod operation;
pub mod partners;
pub mod points;
pub mod proof;
pub mod purchase;
pub mod rejection;
pub mod reversal;
pub mod settlement;
pub mod statement;
pub mod sums;
pub mod terms;
pub mod transfer;
pub mod units;
