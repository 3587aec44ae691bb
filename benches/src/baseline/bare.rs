//! The house's rows of issues, written in batches on the house's own schema by nothing but SQL: no rules, no RPC, one
//! connection. The way of writing is the one that an earlier measurement found best (benches/README.md, history).
//!
//! Only the database is timed: a batch is made before the clock runs. The rows look like the house's, but members and
//! requests are made up, and the entries are all the same.

mod postgres;
mod sqlite;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use clearing_core::facts::answer::{MemberReply, Reply};
use clearing_core::facts::member::{DayCount, Holding, Member};
use clearing_core::facts::origin::{BusinessDate, Code};
use clearing_core::facts::receipt::{Receipt, ReceiptKey};
use clearing_core::facts::terms::Funding;
use clearing_core::units::{ContentHash, MemberId, Points, Timestamp};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::coalition::{PARTNERS, partner};
use crate::harness::{Measured, Span};
use crate::machine::processor_time;

pub use postgres::BarePostgres;
pub use sqlite::BareSqlite;

/// Times of the workload begin here, microseconds since 1970.
const BEGIN: i64 = 1_790_000_000_000_000;
const YEAR: i64 = 365 * DAY;
const DAY: i64 = 86_400_000_000;
/// The business date on all receipts.
const DATE: i64 = 20_270_921;
/// Tills that print receipts in turns.
const TILLS: u64 = 256;

/// The rows of a batch of issues.
pub struct Batch {
    id: u128,
    time: i64,
    hash: [u8; 32],
    salt: [u8; 16],
    issues: Vec<Issue>,
    /// The members touched, ascending, with the number of their last entry.
    members: BTreeMap<u128, i64>,
    /// What the batch adds to balances: commodity, account.
    balances: BTreeMap<(&'static str, String), i64>,
    /// What the batch adds to the points outstanding of an issuer, and to what it issued that day.
    outstanding: BTreeMap<String, i64>,
}

struct Issue {
    issuer: String,
    request_id: u128,
    content_hash: ContentHash,
    receipt: ReceiptKey,
}

/// Makes batches.
pub struct Rows {
    rng: ChaCha8Rng,
    time: i64,
    members: Vec<(u128, i64)>,
    /// Receipts printed so far.
    receipts: u64,
    entry: Vec<u8>,
    reply: Vec<u8>,
    holdings: Vec<u8>,
}

impl Rows {
    /// `entry` is what every entry is packed to.
    pub fn new(seed: u64, members: u32, entry: Vec<u8>) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let members = (0..members).map(|at| (uuid_v7(&mut rng, BEGIN + i64::from(at) * 1000), 0)).collect();
        let time = BEGIN + YEAR;
        Self { rng, time, members, receipts: 0, entry, reply: reply(time), holdings: holdings(3, time) }
    }

    fn batch(&mut self, picked: impl Iterator<Item = usize>) -> Batch {
        self.time += 1_000;
        let mut batch = Batch {
            id: uuid_v7(&mut self.rng, self.time),
            time: self.time,
            hash: self.rng.random(),
            salt: self.rng.random(),
            issues: Vec::new(),
            members: BTreeMap::new(),
            balances: BTreeMap::new(),
            outstanding: BTreeMap::new(),
        };
        for at in picked {
            let issuer = partner(self.rng.random_range(0..PARTNERS));
            let points = self.rng.random_range(10..500);
            for (commodity, account, amount) in [
                ("points", format!("issuer:{issuer}"), -points),
                ("EUR", format!("position:{issuer}"), -points * 105),
                ("EUR", "pool".to_owned(), points * 100),
                ("EUR", "position:operator".to_owned(), points * 5),
            ] {
                *batch.balances.entry((commodity, account)).or_insert(0) += amount;
            }
            *batch.outstanding.entry(issuer.to_string()).or_insert(0) += points;
            let request_id = uuid_v7(&mut self.rng, self.time);
            let (member, entry_no) = &mut self.members[at];
            *entry_no += 1;
            batch.members.insert(*member, *entry_no);
            let receipt = Receipt {
                partner: issuer,
                store: Some(code("store-7")),
                till: Some(code(&format!("till-{}", self.receipts % TILLS))),
                date: BusinessDate::from_number(DATE).expect("it is a date"),
                number: code(&format!("R-{}", self.receipts / TILLS)),
            };
            batch.issues.push(Issue {
                issuer: issuer.to_string(),
                request_id,
                content_hash: self.rng.random(),
                receipt: receipt.key(),
            });
            self.receipts += 1;
        }
        batch
    }

    fn random_batch(&mut self, size: usize) -> Batch {
        let count = self.members.len();
        let picked: Vec<usize> = (0..size).map(|_| self.rng.random_range(0..count)).collect();
        self.batch(picked.into_iter())
    }
}

fn code(text: &str) -> Code {
    Code::new(text).expect("it is a code")
}

/// The figures of an answer, as the house keeps them.
pub fn reply(time: i64) -> Vec<u8> {
    let member = MemberId(1);
    let reply = Reply::Member(MemberReply {
        member,
        available: Points(500),
        held: Points::ZERO,
        pending: Points::ZERO,
        owed: Points::ZERO,
        returnable: Points::ZERO,
        reversed: None,
        next_expiry: Some((Timestamp(time + YEAR), Points(500))),
    });
    reply.kept(Some(member))
}

/// A member with sums of some issuers, one of which issued to it that day, as the house packs it.
pub fn holdings(issuers: usize, time: i64) -> Vec<u8> {
    let mut member = Member::new(MemberId(1));
    let holding = Holding { available: Points(500), ..Holding::default() };
    member.holdings = (0..issuers).map(|at| ((partner(at), Funding::AtIssue), holding)).collect();
    (member.record.earned, member.record.active) = (Some(Timestamp(time)), Some(Timestamp(time)));
    member.record.issued.insert(partner(0), DayCount { day: 20_717, points: Points(100) });
    member.to_bytes()
}

fn uuid_v7(rng: &mut ChaCha8Rng, micros: i64) -> u128 {
    let millis = u64::try_from(micros / 1000).expect("after 1970");
    uuid::Builder::from_unix_timestamp_millis(millis, &rng.random()).into_uuid().as_u128()
}

/// A database that batches are written to.
pub enum Bare {
    Sqlite(Box<BareSqlite>),
    Postgres(Box<BarePostgres>),
}

impl Bare {
    async fn save(&mut self, rows: &Rows, batch: &Batch) -> Result<()> {
        match self {
            Self::Sqlite(database) => database.save(rows, batch).await,
            Self::Postgres(database) => database.save(rows, batch).await,
        }
    }

    /// Gives every member a lot.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn preload(&mut self, rows: &mut Rows) -> Result<()> {
        let members = rows.members.len();
        for first in (0..members).step_by(8192) {
            let batch = rows.batch(first..(first + 8192).min(members));
            self.save(rows, &batch).await?;
        }
        match self {
            Self::Sqlite(database) => database.settle().await,
            Self::Postgres(database) => database.settle().await,
        }
    }

    /// Writes batches of this size, one after the other.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn measure(&mut self, rows: &mut Rows, size: usize, span: Span) -> Result<Measured> {
        let mut measured = Measured::default();
        let mut warming = Duration::ZERO;
        while measured.elapsed < span.measured {
            let batch = rows.random_batch(size);
            let used = processor_time();
            let started = Instant::now();
            self.save(rows, &batch).await?;
            let taken = started.elapsed();
            if warming < span.warm_up {
                warming += taken;
                continue;
            }
            measured.elapsed += taken;
            measured.processor += processor_time().saturating_sub(used);
            measured.calls += 1;
            measured.operations += size as u64;
            measured.latencies.record(u64::try_from(taken.as_micros())?)?;
        }
        Ok(measured)
    }

    /// Ends the connection.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn close(self) -> Result<()> {
        match self {
            Self::Sqlite(database) => database.close().await,
            Self::Postgres(database) => database.close().await,
        }
    }
}
