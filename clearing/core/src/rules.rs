//! The operations and what they are decided by, a room for each noun.
//!
//! An operation is a type beside its rules; `crate::command` has the list of all.

pub mod abandon;
pub mod action;
pub mod bank_account;
pub mod arrived;
pub mod calendar;
pub mod care;
pub mod charges;
pub(crate) mod checks;
pub mod claims;
pub mod close;
pub mod consent;
mod consumption;
pub mod cover;
pub mod credential;
pub mod day;
pub mod decay;
pub mod disclosure;
pub mod due;
pub mod forget;
pub mod founding;
mod funding;
pub mod funds;
pub mod hold;
pub mod issue;
pub mod legal;
pub mod limits;
pub mod notice;
pub mod ordered;
pub mod partner;
pub mod payment;
pub mod person;
pub mod proposal;
pub mod purchase;
pub mod quote;
mod receipt;
mod recovery;
pub mod redemption;
pub mod release;
pub mod returned;
pub mod reversal;
pub mod settlement;
pub mod statement;
mod steps;
pub mod terms;
pub mod transfer;
