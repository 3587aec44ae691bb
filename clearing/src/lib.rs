//! A coalition clearing house for loyalty points: the house itself. The command that runs it is the crate `clearing-cli`.
//!
//! | room | what is in it |
//! |---|---|
//! | [`server`] | putting the house together; opening and closing it |
//! | [`tls`] | who may connect |
//! | [`door`] | what connections and calls may cost |
//! | [`badges`] | what the house has on the certificate of a connection |
//! | [`enrolment`] | certificates that the house issues, and the listener of those who have none yet |
//! | [`backroom`] | threads that stand back behind all others |
//! | [`health`] | whether it can write |
//! | [`rpc`] | what partners, operators and auditors say |
//! | [`writer`] | the only place with a write transaction |
//! | [`shares`] | what one partner may take of what all share |
//! | [`store`] | SQL |
//! | [`projector`] | keeps the lists of entries up with the journal |
//! | [`audit`] | everything rebuilt from the journal and compared |
//! | [`scheduler`] | cut-offs and expiries on time |
//! | [`clock`] | time, ids and chance |
//! | [`timekeeper`] | whether the machine's clock can be believed |
//! | [`recovery`] | naming an approver where keys are lost |
//! | [`reminder`] | saying what lasts once, and now and then |
//! | [`identifier`] | keyed hashes of members' identifiers |
//! | [`coalition_file`] | coalitions written as TOML |
//! | [`spreadsheet`] | files that a spreadsheet or a bank opens |
//! | [`config`] | what whoever runs it is told: keys, their sources and their problems |
//!
//! The rules are the crate `clearing-core`.

pub mod audit;
pub mod backroom;
pub mod badges;
pub mod clock;
pub mod coalition_file;
pub mod config;
pub mod door;
pub mod enrolment;
pub mod health;
pub mod identifier;
pub mod projector;
pub mod recovery;
pub mod reminder;
pub mod rpc;
pub mod scheduler;
pub mod server;
pub mod shares;
pub mod spreadsheet;
pub mod store;
pub mod timekeeper;
pub mod tls;
pub mod writer;
