//! A coalition clearing house for loyalty points: the house itself, and the command that runs it.
//!
//! | room | what is in it |
//! |---|---|
//! | [`server`] | putting the house together; opening and closing it |
//! | [`tls`] | the door: who may connect |
//! | [`rpc`] | what partners, operators and auditors say |
//! | [`writer`] | the only place with a write transaction |
//! | [`store`] | SQL |
//! | [`projector`] | keeps the lists of entries up with the journal |
//! | [`audit`] | everything rebuilt from the journal and compared |
//! | [`scheduler`] | cut-offs and expiries on time |
//! | [`clock`] | time, ids and chance |
//! | [`identifier`] | keyed hashes of members' identifiers |
//! | [`scenario`] | coalitions and plays written as TOML |
//! | [`cli`] | the `clearing` command |
//! | [`demo`] | a day of a coalition, as a demonstration |
//! | [`config`], [`telemetry`] | what the command is told, and what it logs |
//!
//! The rules are the crate `clearing-core`.

pub mod audit;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod identifier;
pub mod projector;
pub mod rpc;
pub mod scenario;
pub mod scheduler;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod tls;
pub mod writer;
