//! The SDK against a house that misbehaves on demand: real sockets, real mTLS, a script instead of a ledger.

mod batches;
mod house;
mod outcomes;
mod trust;
