//! The rules of the clearing house.
//!
//! This crate decides; it never reads a clock, a database, a network or a random number, holds no floating-point
//! number and iterates over nothing whose order may change between two runs. Everything that a decision needs is in
//! a [`Book`](book::Book); everything that it changes is in the [`Changes`](changes::Changes) the book hands out.
//!
//! The rules themselves are written down in `docs/rules.md`. Each rule there has an anchor, and the one function that
//! implements it says `Rule: <anchor>` in its documentation; a test compares both directions.
//!
//! Arrows run down only: a room may name what stands above it here, and nothing below.
//!
//! | room | what is in it |
//! |---|---|
//! | [`units`], [`chart`], [`days`], [`rejection`] | the ground: points, money, times, identifiers; accounts; days of the calendar; why the rules say no |
//! | [`facts`] | what is recorded and kept: data, no rule |
//! | [`netting`] | positions into legs, legs into orders, obligations |
//! | [`book`] | the ledger over whatever part of it is in memory |
//! | [`operation`] | what an operation is, and the list of all |
//! | [`rules`] | the operations and what they are decided by, a room for each noun |
//! | [`command`] | requests, and what is answered |
//! | [`audit`] | the invariants of the books, as checks over a whole book |

pub mod audit;
pub mod book;
pub mod chart;
pub mod command;
pub mod days;
pub mod facts;
pub mod netting;
pub mod operation;
pub mod rejection;
pub mod rules;
pub mod units;
