//! The SDK against a house that misbehaves on demand: real sockets, real mTLS, a script instead of a ledger.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers as well")]

mod batches;
mod enrolment;
mod house;
mod outcomes;
mod pages;
mod trust;
