//! The `partner` command: what a brand types. It knows nothing but the SDK; a brand whose programs use the SDK needs none of it.
//!
//! | room | what is in it |
//! |---|---|
//! | `command` | every command by name, with its help; reading the command line and running it |
//! | `enroll` | joining: an invite becomes a folder with a credential |
//! | `points` | balance, issue, redeem |
//! | `account`, `calendar` | where the brand is paid, and when |
//! | `credential`, `device` | the brand's own credentials, and invites for its devices |
//! | `doctor` | whether all is well between this machine and the house |
//! | `session` | the credential of a folder, and the connection with it |
//! | `output`, `failure` | what commands print, and how they end |

mod account;
mod calendar;
mod command;
mod credential;
mod device;
mod doctor;
mod enroll;
mod failure;
mod output;
mod points;
mod session;

use std::process::ExitCode;

fn main() -> ExitCode {
    command::run(std::env::args_os())
}
