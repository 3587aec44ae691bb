//! What tests share, and no program needs: plays, the stages on which they are played, and houses to test in.
//!
//! | room | what is in it |
//! |---|---|
//! | [`scenario`] | the acceptance scenarios, as data |
//! | [`fields`], [`names`] | a step as an operation, and what the names in it stand for |
//! | [`player`] | plays a scenario on a stage and compares |
//! | [`book_stage`], [`writer_stage`], [`sdk_stage`] | the rules alone; the writer over a database; the SDK over mTLS |
//! | [`answers`] | what the first two have in common |
//! | [`sdk`] | an operation, said through the SDK |
//! | [`statements`] | what statements say, held against each other and the report of the whole |
//! | [`house`] | the real server, in front of a coalition |
//! | [`database`], [`identities`] | what a house stands on, of the test's own |
//! | [`cluster`] | a PostgreSQL of a test's own, and a pooler before one |
//! | [`wire`] | callers that are none of the SDK |
//! | [`commands`] | what tills ask for most |
//! | [`callers`] | tills that ask until they have an answer, and compare with the books |
//! | [`proxy`] | a way between two programs that can be held up and cut |
//! | [`chance`] | chance that can be had again |
//! | [`texts`] | texts that no border takes |
//!
//! A test house ends by an audit of its books, so every test in one also proves that they balance.

#![allow(clippy::unwrap_used, reason = "what a test expects and does not find ends it")]

pub mod answers;
pub mod book_stage;
pub mod callers;
pub mod chance;
pub mod cluster;
pub mod commands;
pub mod database;
pub mod fields;
pub mod house;
pub mod identities;
pub mod names;
pub mod player;
pub mod proxy;
pub mod scenario;
pub mod sdk;
pub mod sdk_stage;
pub mod statements;
pub mod texts;
pub mod wire;
pub mod writer_stage;

pub use clearing::store::Backend;

pub use crate::database::{BACKENDS, DOMAIN, Database, audit, identifier_key, no_entry};
pub use crate::house::{PATIENCE, TestHouse, coalition, endpoint, founding_entries, options, serve, system_time};
pub use crate::identities::Identities;
pub use crate::wire::Wire;
