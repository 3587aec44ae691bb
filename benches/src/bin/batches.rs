//! Batches of one size through the writer, on SQLite, and nothing else: what a counter of instructions is put beside. Twice
//! with different numbers of batches, the difference is the batches' alone:
//!
//!     valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/batches issues --batches 20
//!     valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/batches issues --batches 120
//!
//! Callers, TLS and RPC are left out. Members are enrolled, and hold what they redeem, before the first batch.

use std::io::Write as _;
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use clearing::clock::{self, Clock};
use clearing::identifier::IdentifierKey;
use clearing::store::Store;
use clearing::writer::{WriteError, Writer, Written};
use clearing_benches::coalition::{self, DOMAIN, IDENTIFIER_KEY};
use clearing_benches::harness;
use clearing_core::command::{Command, Request};
use clearing_core::facts::member::MemberRef;
use clearing_core::facts::origin::{Code, Origin};
use clearing_core::rules::issue::{Earn, IssuePoints};
use clearing_core::rules::redemption::RedeemPoints;
use clearing_core::units::{IdentifierHash, MemberId, Money, Points, RequestId, Timestamp};
use tempfile::TempDir;

/// All that happens happens at this moment.
const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

/// Runs batches through the writer, on SQLite.
#[derive(Parser)]
struct Options {
    /// What a batch is of.
    kind: Kind,
    /// How many batches.
    #[arg(long, default_value_t = 100)]
    batches: u32,
    /// Operations of a batch, each of another member.
    #[arg(long, default_value_t = 128)]
    size: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Issues,
    Redemptions,
}

/// Requests with ids and receipts of their own.
#[derive(Default)]
struct Till {
    asked: u32,
}

impl Till {
    fn request(&mut self, command: Command) -> Result<Request> {
        self.asked += 1;
        let millis = u128::try_from(NOW.0 / 1000)?;
        let code = |text: &str| Code::new(text).map(Some).context("a code");
        let origin = Origin {
            store: code("store-7")?,
            till: code("till-3")?,
            receipt_number: code(&format!("R-{:07}", self.asked))?,
            receipt_line: Some(1),
            business_date: Some("2026-09-21".parse()?),
            business_time: Some(NOW),
            receipt_total: Some(Money(12_345)),
            device_counter: Some(42),
            attachment: None,
        };
        Ok(Request {
            caller: coalition::partner(0),
            request_id: Some(RequestId(millis << 80 | 0x7 << 76 | 0b10 << 62 | u128::from(self.asked))),
            origin,
            command,
            fresh_member: MemberId(clock::fresh_uuid()),
            fresh_salt: [7; 16],
            attachment: None,
        })
    }

    /// One operation for each member.
    fn batch(&mut self, kind: Kind, size: u32, points: i64) -> Result<Vec<Request>> {
        let commands = (0..size).map(|member| match kind {
            Kind::Issues => IssuePoints { member: card(member), earn: Earn::points(Points(points)) }.into(),
            Kind::Redemptions => RedeemPoints { member: card(member), points: Points(points) }.into(),
        });
        commands.map(|command| self.request(command)).collect()
    }
}

fn card(number: u32) -> MemberRef {
    let mut hash = [0x55; 32];
    hash[..4].copy_from_slice(&number.wrapping_mul(2_654_435_761).to_be_bytes());
    MemberRef::Identifier(IdentifierHash(hash))
}

async fn run(writer: &Writer, batch: Vec<Request>) -> Result<()> {
    let answers: Vec<Result<Written, WriteError>> = writer.ask_batch(batch).await?;
    for answer in answers {
        answer?.answer.result.ok().context("the rules refuse an operation")?;
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Options::parse();
    let folder = TempDir::new()?;
    let store = Store::connect(&format!("sqlite:{}", folder.path().join("house.db").display())).await?;
    store.migrate().await?;
    let house = coalition::house(NOW);
    store.create_coalition(&house, DOMAIN, &IdentifierKey::new(IDENTIFIER_KEY), NOW).await?;
    let (writer, _) = Writer::start(store.clone(), Clock::manual(NOW), 1 << 20);

    let mut till = Till::default();
    // Several lots a member, so that redemptions take some of several.
    for _ in 0..4 {
        run(&writer, till.batch(Kind::Issues, options.size, 1_000_000)?).await?;
    }
    let (began, used) = (Instant::now(), harness::processor_time());
    for _ in 0..options.batches {
        run(&writer, till.batch(options.kind, options.size, 100)?).await?;
    }
    let (took, used) = (began.elapsed(), harness::processor_time() - used);
    let operations = f64::from(options.batches * options.size);
    writeln!(
        std::io::stdout(),
        "{} batches of {}: {:.1} us of processor time an operation, {:.0} operations/s",
        options.batches,
        options.size,
        used.as_secs_f64() * 1e6 / operations.max(1.0),
        operations / took.as_secs_f64()
    )?;
    Ok(())
}
