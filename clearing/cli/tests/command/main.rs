//! The `clearing` command as an operator runs it: the real program, in a folder of its own. Houses whose books a test wrote to
//! are audited at its end.

#![allow(clippy::unwrap_used, reason = "what a test expects and does not find ends it")]

mod audit;
mod authority;
mod bank_files;
mod bank_import;
mod causes;
mod certificates;
mod check;
mod coalition;
mod demo;
mod desk;
mod explain;
mod faults;
mod init;
mod irrevocable;
mod member;
mod money;
mod money_days;
mod paper;
mod partner;
mod people;
mod report;
mod sandbox;
mod screens;
mod secrets;
mod serve;
mod statement;
mod texts;
mod usage;
mod windows;
