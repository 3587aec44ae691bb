//! The house as a whole: the real server, real TLS, both databases, spoken to through the SDK. Every test house ends by
//! an audit of its books, so every test also proves that they balance.

#![allow(clippy::unwrap_used, reason = "what a test expects and does not find ends it")]

mod access;
mod books;
mod clock;
mod decay;
mod deeds;
mod doors;
mod fairness;
mod faults;
mod gate;
mod house;
mod house_rules;
mod inputs;
mod lists;
mod nodes;
mod notices;
mod rivals;
mod scenarios;
mod sdk_stage;
mod statuses;
mod texts;
mod till;
mod wire;
mod writer_stage;
