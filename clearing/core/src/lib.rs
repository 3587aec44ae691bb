//! The rules of the clearing house.
//!
//! This crate decides; it never reads a clock, a database, a network or a random number, holds no floating-point
//! number and iterates over nothing whose order may change between two runs. Everything that a decision needs is in
//! a [`Book`](book::Book); everything that it changes is in the [`Changes`](book::changes::Changes) the book hands out.
//!
//! The rules themselves are written down in `docs/rules.md`. Each rule there has an anchor, and the one function that
//! implements it says `Rule: <anchor>` in its documentation; a test compares both directions.
//!
//! | room | what is in it |
//! |---|---|
//! | [`units`] | points, money, rates, times, identifiers, rounding |
//! | [`chart`] | the accounts, the purposes of a money posting |
//! | [`days`] | days as the coalition's calendar counts them |
//! | [`rejection`] | why the rules say no, in the published order |
//! | [`facts`] | what is recorded and kept: data, which knows neither a rule nor a book |
//! | [`schedule`] | the cut-offs that follow from a calendar |
//! | [`netting`] | positions into legs, legs into orders, obligations |
//! | [`book`] | the ledger over whatever part of it is in memory: its state, what it tells, and how an entry changes it |
//! | [`operation`] | what an operation is, and what must be in the book before it is decided |
//! | [`rules`] | the operations and what they are decided by, a room for each noun |
//! | [`command`] | the one list of the operations, and requests |
//! | [`execute`] | carrying out a request on a book |
//! | [`audit`] | the invariants of the books, as checks over a whole book |
//!
//! Arrows run down only: a room names none that stands below it here, and no modules name each other in a circle. What
//! rules of several nouns need of a book is a method of [`Book`](book::Book), in the room of its noun.

pub mod audit;
pub mod book;
pub mod chart;
pub mod command;
pub mod days;
pub mod execute;
pub mod facts;
pub mod netting;
pub mod operation;
pub mod rejection;
pub mod rules;
pub mod schedule;
pub mod units;
