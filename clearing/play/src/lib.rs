//! What tests share, and no program needs: plays, the stages on which they are played, and houses to test in.
//!
//! | room | what is in it |
//! |---|---|
//! | [`scenario`] | the acceptance scenarios, as data |
//! | [`player`] | plays a scenario on a stage and compares |
//! | [`book_stage`], [`writer_stage`], [`sdk_stage`] | the rules alone; the writer over a database; the SDK over mTLS |
//! | [`wishes`] | what the first two have in common |
//! | [`house`] | the real server on a database and with certificates of the test's own |
//!
//! A test house ends by an audit of its books, so every test in one also proves that they balance.

#![allow(clippy::unwrap_used, reason = "what a test expects and does not find ends it")]

pub mod book_stage;
pub mod house;
pub mod player;
pub mod scenario;
pub mod sdk_stage;
pub mod wishes;
pub mod writer_stage;
