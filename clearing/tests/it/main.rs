//! The house from outside: the real server, real TLS, both databases, spoken to through the SDK or on the bare wire. Every
//! test house ends by an audit of its books, so every test also proves that they
//! balance.

#![allow(clippy::unwrap_used, reason = "what a test expects and does not find ends it")]

mod access;
mod admin;
mod answers;
mod approvals;
mod books;
mod bounds;
mod clock;
mod config;
mod credentials;
mod decay;
mod disclosure;
mod doors;
mod errors;
mod fairness;
mod faults;
mod finding;
mod foreign;
mod guide;
mod house_rules;
mod inputs;
mod interface;
mod nodes;
mod notices;
mod operations;
mod reload;
mod rivals;
mod samples;
mod scenarios;
mod scenarios_on_book;
mod statuses;
mod texts;
mod till;
mod tls;
mod unconfirmed;
mod wire;
