//! The `clearing` command: what the operator types.
//!
//! Commands about the coalition ask a house over mTLS gRPC, through the same SDK as any brand; only `init`, `serve`,
//! `migrate`, `config check`, `audit`, `person recover`, `sandbox` and `demo` open a database. Answers go to standard output, as tables for
//! people or as one JSON document for programs; what went wrong goes to standard error, with what to do about it.
//!
//! | room | what is in it |
//! |---|---|
//! | `command` | every command by name, with its help; reading the command line and running it |
//! | `init`, `serve`, `migrate`, `check`, `audit` | a house of one's own: founding, running, looking after it |
//! | `partner` | brands; their `terms`, `limits` and `cover`, and the `certificate` of each |
//! | `authority`, `passphrase` | the coalition's root and the authority that issues, and what opens their keys |
//! | `server_certificate`, `renewal`, `partner_authority` | a new certificate for the house, and for the operator; brands that have a PKI of their own |
//! | `invite`, `credential` | strings by which somebody gets a certificate; those that there are, and ending them |
//! | `member` | members, for the operator |
//! | `person`, `approvals` | the operator's people, and what two of them do together |
//! | `window`, `calendar`, `settlement`, `fund` | periods, and the money that settles them; `icalendar` writes a calendar for other programs |
//! | `bank_orders` | orders of a settlement as files for banks |
//! | `bank`, `default` | what went through the bank's accounts; settlements that go wrong, and money moved by hand |
//! | `bank_file`, `bank_import`, `bank_picture` | files from banks, and what the house knows of the money in them |
//! | `report`, `statement`, `explain`, `entry` | what the books say |
//! | `paper` | reports and statements as one HTML file, for a browser and for paper |
//! | `log`, `endings` | who did what; which certificates are about to end |
//! | `sandbox` | a house for integrators |
//! | `demo` | a day of a coalition, as a demonstration |
//! | `context`, `session`, `material`, `database` | what commands are given, and what they open |
//! | `waiting` | saying what is waited for |
//! | `irrevocable`, `files` | asking before what cannot be undone; files, none of which is overwritten unasked |
//! | `hints` | what to do about a rejection |
//! | `output`, `failure`, `telemetry`, `values`, `amounts`, `times` | what they print, how they end, what they log, and what numbers and times they read and write |

mod amounts;
mod approvals;
mod audit;
mod authority;
mod bank;
mod bank_file;
mod bank_import;
mod bank_orders;
mod bank_picture;
mod calendar;
mod certificate;
mod check;
mod command;
mod context;
mod cover;
mod credential;
mod database;
mod default;
mod demo;
mod endings;
mod entry;
mod explain;
mod failure;
mod files;
mod fund;
mod hints;
mod icalendar;
mod init;
mod invite;
mod irrevocable;
mod limits;
mod log;
mod material;
mod member;
mod migrate;
mod output;
mod paper;
mod partner;
mod partner_authority;
mod party;
mod passphrase;
mod person;
mod renewal;
mod report;
mod sandbox;
mod serve;
mod server_certificate;
mod session;
mod settlement;
mod statement;
mod telemetry;
mod terms;
mod times;
mod values;
mod waiting;
mod window;

use std::process::ExitCode;

#[cfg(feature = "jemalloc")]
use tikv_jemallocator::Jemalloc;

/// Gives memory back to the system some seconds after a burst, which the system's own allocator keeps.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    command::run(std::env::args_os())
}
