//! The `clearing` command as an operator runs it: the real program, in a folder of its own. What it leaves behind is audited.

#![allow(clippy::unwrap_used, reason = "what a test expects and does not find ends it")]

mod cli;
mod faults;
mod gate;
mod texts;
