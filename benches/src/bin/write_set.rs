//! The writer's write set by bare SQL: the rows of issues and redemptions, saved in batches on the real schema, with
//! nothing around them (no rules, no RPC). It decided the schema and the way of saving, and stays as the baseline "the same
//! rows written in batches by bare SQL". Each line of its table changes one thing against the chosen way.
//!
//! It never checks rules: what it writes is shaped like the house's rows, but the entry bytes are noise.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use clearing_benches::baseline::bare::{holdings, reply};
use rand::seq::index::sample;
use rand::{Rng as _, RngCore as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use uuid::Uuid;

/// Measures the write set of issues and redemptions on one back end.
#[derive(Parser)]
struct Options {
    /// Where to write: a folder for SQLite files, or postgres://… of an empty database that may be wiped.
    #[arg(long)]
    database: String,
    /// Batch sizes, in issues.
    #[arg(long, value_delimiter = ',', default_value = "1,32,256,2048")]
    batches: Vec<usize>,
    /// Members the issues are spread over.
    #[arg(long, default_value_t = 200_000)]
    members: usize,
    /// Lots every member has before the measurement.
    #[arg(long, default_value_t = 2)]
    lots: usize,
    /// Seconds measured for each figure.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only the ways whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Also measure redemptions of 256 members with 28 lots, half of them spent.
    #[arg(long)]
    redemptions: bool,
}

/// How the rows of a table reach SQLite.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HandOver {
    /// Numbers, text and hex in one JSON text per table.
    JsonHex,
    /// Numbers and text in one JSON text per table, bytes cut out of one blob by `substr`.
    JsonAndBlob,
    /// As `JsonAndBlob`, the JSON in SQLite's binary form.
    JsonbAndBlob,
}

/// One way of laying out and saving the write set.
#[derive(Clone, Copy)]
struct Way {
    name: &'static str,
    page_size: u32,
    checkpoint_pages: u32,
    /// SQLite: checkpoints run beside the writer, on a connection of their own.
    checkpoint_beside: bool,
    hand_over: HandOver,
    /// SQLite: begin, all statements and commit in one query. PostgreSQL: the rows in one CTE.
    one_query: bool,
    /// PostgreSQL: begin and gate share a round trip.
    begin_with_gate: bool,
    /// PostgreSQL: bytes as `bytea[]`, not as one blob cut by `substring`.
    bytes_as_array: bool,
    /// Lots keyed (member, entry, part) with a partial index in consumption order, instead of lying in that order.
    lots_by_index: bool,
    /// Holdings as rows of a table instead of packed in the member's row.
    holdings_table: bool,
    /// SQLite: entries without rowid.
    entries_clustered: bool,
    /// SQLite: members with a rowid.
    members_rowid: bool,
}

const CHOSEN: Way = Way {
    name: "chosen",
    page_size: 2048,
    checkpoint_pages: 4000,
    checkpoint_beside: true,
    hand_over: HandOver::JsonbAndBlob,
    one_query: true,
    begin_with_gate: true,
    bytes_as_array: true,
    lots_by_index: false,
    holdings_table: false,
    entries_clustered: false,
    members_rowid: false,
};

const SQLITE_WAYS: &[Way] = &[
    CHOSEN,
    Way { name: "json and blob", hand_over: HandOver::JsonAndBlob, ..CHOSEN },
    Way { name: "json with hex", hand_over: HandOver::JsonHex, ..CHOSEN },
    Way { name: "separate statements", one_query: false, ..CHOSEN },
    Way { name: "1 KB pages", page_size: 1024, ..CHOSEN },
    Way { name: "4 KB pages", page_size: 4096, ..CHOSEN },
    Way { name: "checkpoint by writer", checkpoint_beside: false, ..CHOSEN },
    Way { name: "by writer, 1 KB pages", page_size: 1024, checkpoint_beside: false, ..CHOSEN },
    Way { name: "lots by partial index", lots_by_index: true, ..CHOSEN },
    Way { name: "holdings in a table", holdings_table: true, ..CHOSEN },
    Way { name: "entries without rowid", entries_clustered: true, ..CHOSEN },
    Way { name: "members with rowid", members_rowid: true, ..CHOSEN },
];

const POSTGRES_WAYS: &[Way] = &[
    CHOSEN,
    Way { name: "separate statements", one_query: false, ..CHOSEN },
    Way { name: "begin on its own", begin_with_gate: false, ..CHOSEN },
    Way { name: "bytes as one blob", bytes_as_array: false, ..CHOSEN },
    Way { name: "lots by partial index", lots_by_index: true, ..CHOSEN },
    Way { name: "holdings in a table", holdings_table: true, ..CHOSEN },
];

const PARTNERS: usize = 20;
const NEVER: i64 = i64::MAX;
const DAY_MICROS: i64 = 86_400_000_000;
/// The business date on all receipts.
const DATE: i64 = 20_260_921;

/// Where a lot lies: member, expiry, number of the member's entry.
type Place = (Uuid, i64, i64);

// ---------------------------------------------------------------------------------------------------------- workload

struct Issue {
    member: usize,
    partner: usize,
    request_id: Uuid,
    content_hash: [u8; 32],
    entry: Vec<u8>,
    reply: Vec<u8>,
    receipt: i64,
    points: i64,
    expires_at: i64,
}

struct Batch {
    batch_id: Uuid,
    time: i64,
    hash: [u8; 32],
    salt: [u8; 32],
    issues: Vec<Issue>,
}

struct Workload {
    rng: ChaCha8Rng,
    time: i64,
    partners: Vec<String>,
    members: Vec<Uuid>,
    entry_no: Vec<i64>,
    /// Receipts printed so far.
    receipts: i64,
}

impl Workload {
    fn new(seed: u64, members: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut time = 1_790_000_000_000_000;
        let members = (0..members)
            .map(|_| {
                time += 10_000;
                uuid_v7(&mut rng, time)
            })
            .collect::<Vec<_>>();
        let partners = (0..PARTNERS).map(|i| format!("brand-{i:02}.example")).collect();
        Self { entry_no: vec![0; members.len()], rng, time, partners, members, receipts: 0 }
    }

    fn batch(&mut self, members: impl Iterator<Item = usize>) -> Batch {
        self.time += 1_000;
        let batch_id = uuid_v7(&mut self.rng, self.time);
        let mut issues = Vec::new();
        for member in members {
            let rng = &mut self.rng;
            let mut entry = vec![0; rng.random_range(250..350)];
            rng.fill_bytes(&mut entry);
            self.receipts += 1;
            issues.push(Issue {
                member,
                partner: rng.random_range(0..PARTNERS),
                request_id: uuid_v7(rng, self.time),
                content_hash: rng.random(),
                entry,
                reply: reply(self.time),
                receipt: self.receipts,
                points: rng.random_range(1..500),
                expires_at: if rng.random_ratio(1, 4) {
                    NEVER
                } else {
                    self.time + DAY_MICROS * rng.random_range(300..400)
                },
            });
        }
        Batch { batch_id, time: self.time, hash: self.rng.random(), salt: self.rng.random(), issues }
    }

    fn random_batch(&mut self, size: usize) -> Batch {
        let count = self.members.len();
        let picked = (0..size).map(|_| self.rng.random_range(0..count)).collect::<Vec<_>>();
        self.batch(picked.into_iter())
    }

    /// The members of a batch once each, ascending by id, with the number of their issues.
    fn touched(&self, batch: &Batch) -> BTreeMap<usize, i64> {
        let mut touched = BTreeMap::new();
        for issue in &batch.issues {
            *touched.entry(issue.member).or_insert(0) += 1;
        }
        touched
    }
}

fn uuid_v7(rng: &mut ChaCha8Rng, time_micros: i64) -> Uuid {
    let mut random = [0; 10];
    rng.fill_bytes(&mut random);
    let millis = u64::try_from(time_micros / 1000).expect("times of the workload are after 1970");
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

/// Issuers of a member's points: with few entries few.
fn issuers(entry_no: i64) -> usize {
    usize::try_from(entry_no.clamp(1, 5)).expect("at most five")
}

/// Till and number of a receipt, of 256 tills that print in turns.
fn till_and_number(receipt: i64) -> (String, String) {
    (format!("till-{}", receipt % 256), format!("R-{}", receipt / 256))
}

/// What a batch adds to the hot rows, in the order of their keys.
fn balance_deltas(workload: &Workload, batch: &Batch) -> BTreeMap<(&'static str, String), i64> {
    let mut deltas = BTreeMap::new();
    for issue in &batch.issues {
        let partner = &workload.partners[issue.partner];
        for (commodity, account, amount) in [
            ("points", format!("issuer:{partner}"), -issue.points),
            ("EUR", format!("position:{partner}"), -issue.points * 100),
            ("EUR", "pool".to_owned(), issue.points * 90),
            ("EUR", "position:operator".to_owned(), issue.points * 10),
        ] {
            *deltas.entry((commodity, account)).or_insert(0) += amount;
        }
    }
    deltas
}

fn outstanding_deltas(workload: &Workload, batch: &Batch) -> BTreeMap<String, i64> {
    let mut deltas = BTreeMap::new();
    for issue in &batch.issues {
        *deltas.entry(workload.partners[issue.partner].clone()).or_insert(0) += issue.points;
    }
    deltas
}

// ------------------------------------------------------------------------------------------------------------ SQLite

/// What a column of handed-over rows is, and so how SQL takes it out again.
#[derive(Clone, Copy)]
enum Column {
    Value,
    /// Bytes of this length.
    Fixed(usize),
    Bytes,
}

/// Rows on their way to `json_each`: what JSON can carry, and one blob with all bytes.
struct Rows {
    hand_over: HandOver,
    json: Vec<u8>,
    row: Vec<u8>,
    blob: Vec<u8>,
}

impl Rows {
    fn new(hand_over: HandOver) -> Self {
        Self { hand_over, json: Vec::new(), row: Vec::new(), blob: Vec::new() }
    }

    fn element(&mut self, kind: u8, text: &[u8]) {
        match self.hand_over {
            HandOver::JsonbAndBlob => jsonb_element(&mut self.row, kind, text),
            HandOver::JsonHex | HandOver::JsonAndBlob => {
                if !self.row.is_empty() {
                    self.row.push(b',');
                }
                if kind == JSONB_TEXT {
                    self.row.push(b'"');
                    self.row.extend_from_slice(text);
                    self.row.push(b'"');
                } else {
                    self.row.extend_from_slice(text);
                }
            }
        }
    }

    fn int(&mut self, value: i64) -> &mut Self {
        let mut text = [0_u8; 20];
        let mut rest = &mut text[..];
        write!(rest, "{value}").expect("twenty characters hold any i64");
        let left = rest.len();
        let length = text.len() - left;
        self.element(JSONB_INT, &text[..length]);
        self
    }

    /// The workload's texts need no JSON escapes.
    fn text(&mut self, value: &str) -> &mut Self {
        self.element(JSONB_TEXT, value.as_bytes());
        self
    }

    fn bytes(&mut self, value: &[u8], fixed: bool) -> &mut Self {
        if self.hand_over == HandOver::JsonHex {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            let hex = value
                .iter()
                .flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]])
                .collect::<Vec<_>>();
            self.element(JSONB_TEXT, &hex);
            return self;
        }
        let offset = i64::try_from(self.blob.len() + 1).expect("a batch is far below 2^63 bytes");
        self.blob.extend_from_slice(value);
        self.int(offset);
        if !fixed {
            self.int(i64::try_from(value.len()).expect("a row is far below 2^63 bytes"));
        }
        self
    }

    fn end_row(&mut self) {
        match self.hand_over {
            HandOver::JsonbAndBlob => jsonb_element(&mut self.json, JSONB_ARRAY, &self.row),
            HandOver::JsonHex | HandOver::JsonAndBlob => {
                self.json.push(if self.json.is_empty() { b'[' } else { b',' });
                self.json.push(b'[');
                self.json.extend_from_slice(&self.row);
                self.json.push(b']');
            }
        }
        self.row.clear();
    }

    fn finish(self) -> (JsonArgument, Vec<u8>) {
        let json = match self.hand_over {
            HandOver::JsonbAndBlob => {
                let mut whole = Vec::with_capacity(self.json.len() + 5);
                jsonb_element(&mut whole, JSONB_ARRAY, &self.json);
                JsonArgument::Binary(whole)
            }
            HandOver::JsonHex | HandOver::JsonAndBlob => {
                let mut json = self.json;
                json.extend_from_slice(if json.is_empty() { b"[]" } else { b"]" });
                JsonArgument::Text(String::from_utf8(json).expect("only text was pushed"))
            }
        };
        (json, self.blob)
    }
}

enum JsonArgument {
    Text(String),
    Binary(Vec<u8>),
}

// Element types of SQLite's JSONB, https://sqlite.org/jsonb.html section 3.
const JSONB_INT: u8 = 3;
const JSONB_TEXT: u8 = 7;
const JSONB_ARRAY: u8 = 11;

fn jsonb_element(to: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    let length = payload.len();
    if let Ok(small @ 0..=11) = u8::try_from(length) {
        to.push(small << 4 | kind);
    } else if let Ok(length) = u8::try_from(length) {
        to.extend_from_slice(&[0xc0 | kind, length]);
    } else if let Ok(length) = u16::try_from(length) {
        to.push(0xd0 | kind);
        to.extend_from_slice(&length.to_be_bytes());
    } else {
        to.push(0xe0 | kind);
        to.extend_from_slice(&u32::try_from(length).expect("a batch is below 4 GiB").to_be_bytes());
    }
    to.extend_from_slice(payload);
}

/// The select list that takes the columns out of `json_each($json)` with their bytes in `$blob`.
fn columns_sql(hand_over: HandOver, columns: &[Column], blob: usize) -> String {
    let mut at = 0;
    let mut list = Vec::new();
    for column in columns {
        let value = format!("value->>{at}");
        at += 1;
        list.push(match (hand_over, column) {
            (_, Column::Value) => value,
            (HandOver::JsonHex, Column::Fixed(_) | Column::Bytes) => format!("unhex({value})"),
            (_, Column::Fixed(length)) => format!("substr(${blob}, {value}, {length})"),
            (_, Column::Bytes) => {
                at += 1;
                format!("substr(${blob}, {value}, value->>{})", at - 1)
            }
        });
    }
    list.join(", ")
}

struct Sqlite {
    connection: SqliteConnection,
    way: Way,
    load: &'static str,
    save: Vec<&'static str>,
    next_sequence: i64,
    hash: [u8; 32],
    checkpointer: Option<Checkpointer>,
}

/// Moves pages from the write-ahead log into the database while the writer goes on. A log is only started afresh when all
/// of it has been moved, which never happens beside a busy writer; so when the log is long the writer waits for the rest,
/// which is short by then.
struct Checkpointer {
    connection: Arc<Mutex<SqliteConnection>>,
    log_pages: Arc<AtomicI64>,
    page_size: u32,
    _beside: JoinSet<Result<()>>,
}

impl Checkpointer {
    const LOG_BYTES: i64 = 64 << 20;

    async fn start(options: &SqliteConnectOptions, page_size: u32) -> Result<Self> {
        let connection = Arc::new(Mutex::new(options.clone().connect().await?));
        let log_pages = Arc::new(AtomicI64::new(0));
        let mut beside = JoinSet::new();
        let (shared, pages) = (Arc::clone(&connection), Arc::clone(&log_pages));
        beside.spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(10)).await;
                pages.store(checkpoint(&mut *shared.lock().await).await?, Ordering::Relaxed);
            }
        });
        Ok(Self { connection, log_pages, page_size, _beside: beside })
    }

    async fn keep_log_short(&self) -> Result<()> {
        if self.log_pages.load(Ordering::Relaxed) * i64::from(self.page_size) > Self::LOG_BYTES {
            checkpoint(&mut *self.connection.lock().await).await?;
            self.log_pages.store(0, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Gives the length of the log in pages.
async fn checkpoint(connection: &mut SqliteConnection) -> Result<i64> {
    Ok(sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(connection).await?.try_get(1)?)
}

impl Sqlite {
    async fn open(path: PathBuf, way: Way) -> Result<Self> {
        // recursive_triggers lets the append-only triggers see the delete of a REPLACE.
        let connecting = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .page_size(way.page_size)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("wal_autocheckpoint", if way.checkpoint_beside { 0 } else { way.checkpoint_pages }.to_string())
            .pragma("recursive_triggers", "ON")
            .pragma("temp_store", "MEMORY");
        let mut connection = connecting.connect().await?;
        sqlx::migrate!("../migrations/sqlite").run(&mut connection).await?;
        let mut changes = Vec::new();
        if way.lots_by_index {
            changes.push((
                "lots",
                "PRIMARY KEY (member_id, expires_at, entry_no, part)",
                "PRIMARY KEY (member_id, entry_no, part)",
            ));
        }
        if way.entries_clustered {
            changes.push(("entries", ") STRICT", ") STRICT, WITHOUT ROWID"));
        }
        if way.members_rowid {
            changes.push(("members", ") STRICT, WITHOUT ROWID", ") STRICT"));
        }
        for (table, from, to) in changes {
            let sql: String = sqlx::query_scalar("SELECT sql FROM sqlite_schema WHERE name = $1")
                .bind(table)
                .fetch_one(&mut connection)
                .await?;
            ensure!(sql.contains(from), "the migration of {table} no longer has {from}");
            sqlx::raw_sql(AssertSqlSafe(format!("DROP TABLE {table}; {}", sql.replace(from, to))))
                .execute(&mut connection)
                .await?;
        }
        if way.lots_by_index {
            sqlx::raw_sql(
                "CREATE INDEX lots_in_order ON lots (member_id, expires_at, entry_no, part) WHERE available > 0",
            )
            .execute(&mut connection)
            .await?;
        }
        if way.holdings_table {
            sqlx::raw_sql(
                "CREATE TABLE holdings (member_id BLOB NOT NULL, issuer TEXT NOT NULL, funding INTEGER NOT NULL, available INTEGER NOT NULL,
                 held INTEGER NOT NULL, pending INTEGER NOT NULL, PRIMARY KEY (member_id, issuer, funding)) STRICT, WITHOUT ROWID",
            )
            .execute(&mut connection)
            .await?;
        }
        sqlx::query("INSERT INTO journal_head VALUES (1, 1, 1, zeroblob(32))").execute(&mut connection).await?;
        let each = if way.hand_over == HandOver::JsonbAndBlob { "jsonb_each" } else { "json_each" };
        let rows = |columns: &[Column], json: usize| columns_sql(way.hand_over, columns, json + 1);
        use Column::{Bytes, Fixed, Value};
        let load = format!(
            "BEGIN IMMEDIATE; \
             SELECT partner, request_id, content_hash FROM requests WHERE (partner, request_id) IN (SELECT {} FROM {each}($1)); \
             SELECT member_id, entry_no, holdings FROM members WHERE member_id IN (SELECT {} FROM {each}($3))",
            rows(&[Value, Fixed(16)], 1),
            rows(&[Fixed(16)], 3),
        );
        let mut save = vec![
            format!(
                "INSERT INTO entries (batch_id, ordinal, bytes) SELECT $15, {} FROM {each}($1)",
                rows(&[Value, Bytes], 1)
            ),
            format!(
                "INSERT INTO requests (partner, request_id, content_hash, time, state, batch_id, ordinal, entry_count, reply) \
                 SELECT {} FROM {each}($3)",
                columns_sql(way.hand_over, &[Value, Fixed(16), Fixed(32)], 4)
                    + ", $16, 1, $15, "
                    + &columns_sql_from(way.hand_over, &[Value, Value, Bytes], 4, &[Value, Fixed(16), Fixed(32)]),
            ),
            format!(
                "INSERT INTO lots (member_id, expires_at, entry_no, part, issuer, terms_version, size, available, held, pending, lost, reversed, batch_id, ordinal) \
                 SELECT {}, 0, 0, 0, 0, $15, {} FROM {each}($5)",
                rows(&[Fixed(16), Value, Value, Value, Value, Value, Value, Value], 5),
                columns_sql_from(
                    way.hand_over,
                    &[Value],
                    6,
                    &[Fixed(16), Value, Value, Value, Value, Value, Value, Value]
                ),
            ),
            format!(
                "INSERT INTO members (member_id, entry_no, next_due_at, holdings) \
                 SELECT {} FROM {each}($7) WHERE true ON CONFLICT (member_id) DO UPDATE SET entry_no = excluded.entry_no, \
                 next_due_at = excluded.next_due_at, \
                 holdings = excluded.holdings",
                rows(&[Fixed(16), Value, Value, Bytes], 7),
            ),
            format!(
                "INSERT INTO balances (commodity, account, amount, window_number) SELECT {}, 0 FROM {each}($9) WHERE true \
                 ON CONFLICT (commodity, window_number, account) DO UPDATE SET amount = amount + excluded.amount",
                rows(&[Value, Value, Value], 9)
            ),
            format!(
                "INSERT INTO terms_outstanding (partner, version, points) SELECT {} FROM {each}($11) WHERE true \
                 ON CONFLICT (partner, version) DO UPDATE SET points = points + excluded.points",
                rows(&[Value, Value, Value], 11)
            ),
        ];
        save.push(format!(
            "INSERT INTO receipts (partner, business_date, store, till, number, side, line, ordinal, batch_id) \
             SELECT {}, $15 FROM {each}($22)",
            rows(&[Value, Value, Value, Value, Value, Value, Value, Value], 22)
        ));
        save.push(format!(
            "INSERT INTO guards (partner, reserved, unsettled, issued_day, issued_points) \
             SELECT value->>0, 0, 0, $16 / 86400000000, value->>2 FROM {each}($11) WHERE true \
             ON CONFLICT (partner) DO UPDATE SET issued_points = issued_points + excluded.issued_points"
        ));
        if way.holdings_table {
            save.push(format!(
                "INSERT INTO holdings (member_id, issuer, funding, available, held, pending) SELECT {}, 0, 0 FROM {each}($13) WHERE true \
                 ON CONFLICT (member_id, issuer, funding) DO UPDATE SET available = available + excluded.available",
                rows(&[Fixed(16), Value, Value, Value], 13)
            ));
        }
        save.push("UPDATE journal_head SET next_sequence = next_sequence + $18, next_number = next_number + 1, hash = $17 WHERE next_sequence = $21 AND hash = $19".to_owned());
        save.push(
            "INSERT INTO batches (batch_id, number, first_sequence, entry_count, request_count, window_number, time, hash, previous_hash, \
             requests_hash, salt) SELECT $15, next_number, $21, $18, $18, 1, $16, $17, $19, $17, $20 FROM journal_head"
                .to_owned(),
        );
        if way.one_query {
            save = vec![save.join("; ") + "; COMMIT"];
        } else {
            save.push("COMMIT".to_owned());
        }
        // Statements are made once per way, so leaking them is what lets sqlx cache them as static text.
        Ok(Self {
            connection,
            way,
            load: load.leak(),
            save: save.into_iter().map(|sql| &*sql.leak()).collect(),
            next_sequence: 1,
            hash: [0; 32],
            checkpointer: if way.checkpoint_beside {
                Some(Checkpointer::start(&connecting, way.page_size).await?)
            } else {
                None
            },
        })
    }

    async fn save(&mut self, workload: &mut Workload, batch: &Batch) -> Result<()> {
        let form = self.way.hand_over;
        let touched = workload.touched(batch);
        let mut keys = Rows::new(form);
        for issue in &batch.issues {
            keys.text(&workload.partners[issue.partner]).bytes(issue.request_id.as_bytes(), true).end_row();
        }
        let mut member_keys = Rows::new(form);
        for &member in touched.keys() {
            member_keys.bytes(workload.members[member].as_bytes(), true).end_row();
        }
        let mut load = sqlx::query(AssertSqlSafe(self.load));
        for rows in [keys, member_keys] {
            let (json, blob) = rows.finish();
            load = match json {
                JsonArgument::Text(json) => load.bind(json),
                JsonArgument::Binary(json) => load.bind(json),
            };
            load = load.bind(blob);
        }
        let loaded = load.fetch_all(&mut self.connection).await?;
        ensure!(loaded.len() <= touched.len(), "no request of a new batch is known");

        let mut tables = [(); 7].map(|()| Rows::new(form));
        let [entries, requests, lots, members, balances, outstanding, sums] = &mut tables;
        let mut receipts = Rows::new(form);
        for (ordinal, issue) in (0_i64..).zip(&batch.issues) {
            let partner = &workload.partners[issue.partner];
            let member_id = workload.members[issue.member];
            workload.entry_no[issue.member] += 1;
            entries.int(ordinal).bytes(&issue.entry, false).end_row();
            requests
                .text(partner)
                .bytes(issue.request_id.as_bytes(), true)
                .bytes(&issue.content_hash, true)
                .int(ordinal)
                .int(1)
                .bytes(&issue.reply, false)
                .end_row();
            lots.bytes(member_id.as_bytes(), true)
                .int(issue.expires_at)
                .int(workload.entry_no[issue.member])
                .int(0)
                .text(partner)
                .int(1)
                .int(issue.points)
                .int(issue.points)
                .int(ordinal)
                .end_row();
            if self.way.holdings_table {
                sums.bytes(member_id.as_bytes(), true).text(partner).int(1).int(issue.points).end_row();
            }
            let (till, number) = till_and_number(issue.receipt);
            receipts
                .text(partner)
                .int(DATE)
                .text("store-7")
                .text(&till)
                .text(&number)
                .int(1)
                .int(1)
                .int(ordinal)
                .end_row();
        }
        for &member in touched.keys() {
            let packed = if self.way.holdings_table {
                Vec::new()
            } else {
                holdings(issuers(workload.entry_no[member]), batch.time)
            };
            members
                .bytes(workload.members[member].as_bytes(), true)
                .int(workload.entry_no[member])
                .int(0)
                .bytes(&packed, false)
                .end_row();
        }
        for ((commodity, account), amount) in balance_deltas(workload, batch) {
            balances.text(commodity).text(&account).int(amount).end_row();
        }
        for (partner, points) in outstanding_deltas(workload, batch) {
            outstanding.text(&partner).int(1).int(points).end_row();
        }
        let count = i64::try_from(batch.issues.len())?;
        let (tables, receipts) = (tables.map(Rows::finish), receipts.finish());
        for &sql in &self.save {
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for (json, blob) in &tables {
                query = match json {
                    JsonArgument::Text(json) => query.bind(json.as_str()),
                    JsonArgument::Binary(json) => query.bind(&json[..]),
                };
                query = query.bind(&blob[..]);
            }
            query = query
                .bind(batch.batch_id)
                .bind(batch.time)
                .bind(&batch.hash[..])
                .bind(count)
                .bind(&self.hash[..])
                .bind(&batch.salt[..])
                .bind(self.next_sequence);
            query = match &receipts.0 {
                JsonArgument::Text(json) => query.bind(json.as_str()),
                JsonArgument::Binary(json) => query.bind(&json[..]),
            };
            query.bind(&receipts.1[..]).execute(&mut self.connection).await?;
        }
        self.next_sequence += count;
        self.hash = batch.hash;
        if let Some(checkpointer) = &self.checkpointer {
            checkpointer.keep_log_short().await?;
        }
        Ok(())
    }

    /// The next four lots of each member, in consumption order.
    async fn load_lots(&mut self, members: &[Uuid]) -> Result<(Vec<Place>, Duration)> {
        let started = Instant::now();
        let mut keys = Rows::new(self.way.hand_over);
        for member in members {
            keys.bytes(member.as_bytes(), true).end_row();
        }
        let each = if self.way.hand_over == HandOver::JsonbAndBlob { "jsonb_each" } else { "json_each" };
        let from = if self.way.lots_by_index { "" } else { "AND l.expires_at >= m.next_due_at" };
        let sql = format!(
            "SELECT l.member_id, l.expires_at, l.entry_no, l.part, l.issuer, l.terms_version, l.available \
             FROM members m JOIN lots l ON l.member_id = m.member_id AND l.available > 0 {from} \
              AND (l.expires_at, l.entry_no, l.part) <= (SELECT expires_at, entry_no, part FROM \
               (SELECT expires_at, entry_no, part FROM lots l WHERE l.member_id = m.member_id AND l.available > 0 {from} \
                ORDER BY expires_at, entry_no, part LIMIT 4) ORDER BY expires_at DESC, entry_no DESC, part DESC LIMIT 1) \
             WHERE m.member_id IN (SELECT {} FROM {each}($1)) ORDER BY 1, 2, 3, 4",
            columns_sql(self.way.hand_over, &[Column::Fixed(16)], 2)
        );
        let (json, blob) = keys.finish();
        let query = sqlx::query(AssertSqlSafe(sql));
        let query = match json {
            JsonArgument::Text(json) => query.bind(json),
            JsonArgument::Binary(json) => query.bind(json),
        };
        let rows = query.bind(blob).fetch_all(&mut self.connection).await?;
        let lots =
            rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))).collect::<Result<_>>()?;
        Ok((lots, started.elapsed()))
    }

    /// Takes all points of these lots.
    async fn take(&mut self, taken: &[Place]) -> Result<Duration> {
        let mut lots = Rows::new(self.way.hand_over);
        for &(member, expires_at, entry_no) in taken {
            lots.bytes(member.as_bytes(), true).int(expires_at).int(entry_no).int(0).end_row();
        }
        let each = if self.way.hand_over == HandOver::JsonbAndBlob { "jsonb_each" } else { "json_each" };
        let columns =
            columns_sql(self.way.hand_over, &[Column::Fixed(16), Column::Value, Column::Value, Column::Value], 2);
        let sql = format!(
            "BEGIN IMMEDIATE; WITH taken (m, e, n, p) AS MATERIALIZED (SELECT {columns} FROM {each}($1)) \
             UPDATE lots SET available = 0 FROM taken \
             WHERE member_id = m AND expires_at = e AND entry_no = n AND part = p; COMMIT"
        );
        let (json, blob) = lots.finish();
        let started = Instant::now();
        let query = sqlx::query(AssertSqlSafe(sql));
        let query = match json {
            JsonArgument::Text(json) => query.bind(json),
            JsonArgument::Binary(json) => query.bind(json),
        };
        query.bind(blob).execute(&mut self.connection).await?;
        let taking = started.elapsed();
        // Over several statements rows_affected also counts the last change again for BEGIN and COMMIT, so ask SQLite itself.
        let updated: i64 = sqlx::query_scalar("SELECT changes()").fetch_one(&mut self.connection).await?;
        ensure!(usize::try_from(updated)? == taken.len(), "took {updated} of {} lots", taken.len());
        Ok(taking)
    }
}

/// As [`columns_sql`] for columns that follow others in the row.
fn columns_sql_from(hand_over: HandOver, columns: &[Column], blob: usize, before: &[Column]) -> String {
    let all = before.iter().chain(columns).copied().collect::<Vec<_>>();
    let skipped = columns_sql(hand_over, before, blob);
    columns_sql(hand_over, &all, blob)[skipped.len() + 2..].to_owned()
}

// -------------------------------------------------------------------------------------------------------- PostgreSQL

struct Postgres {
    connection: PgConnection,
    way: Way,
    save: Vec<&'static str>,
    hot: &'static str,
}

const PG_BEGIN_AND_GATE: &str = "BEGIN; SELECT pg_advisory_xact_lock_shared(4242); SELECT window_number, opened_at, terms_epoch, last_time FROM gate";
const PG_REQUESTS: &str = "SELECT r.partner, r.request_id, r.content_hash FROM requests r \
    JOIN unnest($1::text[], $2::uuid[]) AS k (partner, request_id) USING (partner, request_id)";
const PG_MEMBERS: &str =
    "SELECT member_id, entry_no, holdings FROM members WHERE member_id = ANY($1) ORDER BY member_id FOR UPDATE";

impl Postgres {
    async fn open(url: &str, way: Way) -> Result<Self> {
        let mut connection = PgConnectOptions::from_str(url)?.connect().await?;
        sqlx::raw_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public").execute(&mut connection).await?;
        sqlx::migrate!("../migrations/postgres").run(&mut connection).await?;
        if way.lots_by_index {
            sqlx::raw_sql(
                "ALTER TABLE lots DROP CONSTRAINT lots_pkey; ALTER TABLE lots ADD PRIMARY KEY (member_id, entry_no, part); \
                 CREATE INDEX lots_in_order ON lots (member_id, expires_at, entry_no, part) WHERE available > 0",
            )
            .execute(&mut connection)
            .await?;
        }
        if way.holdings_table {
            sqlx::raw_sql(
                "CREATE TABLE holdings (member_id uuid NOT NULL, issuer text NOT NULL, funding smallint NOT NULL, available bigint NOT NULL,
                 held bigint NOT NULL, pending bigint NOT NULL, PRIMARY KEY (member_id, issuer, funding)) WITH (fillfactor = 80)",
            )
            .execute(&mut connection)
            .await?;
        }
        sqlx::raw_sql(
            "INSERT INTO journal_head VALUES (1, 1, 1, decode(repeat('00', 32), 'hex')); INSERT INTO gate VALUES (1, 1, 0, 1, 0, 0)",
        )
        .execute(&mut connection)
        .await?;
        // Bytes come as one blob with their ends: the start of a row's bytes is the end of the row before.
        let (entry_bytes, reply, packed, hash) = if way.bytes_as_array {
            ("$4::bytea[]", "$9::bytea[]", "$17::bytea[]", "$7::bytea[]")
        } else {
            ("$3::int[], $20::int[]", "$8::int[], $21::int[]", "$16::int[], $22::int[]", "")
        };
        let b = way.bytes_as_array;
        let entries = format!(
            "INSERT INTO entries (batch_id, ordinal, bytes) SELECT $1, ordinal, {} FROM unnest($2::int[], {entry_bytes}) AS r (ordinal, {})",
            if b { "bytes" } else { "substring($4::bytea, start, length)" },
            if b { "bytes" } else { "start, length" },
        );
        let requests = format!(
            "INSERT INTO requests (partner, request_id, content_hash, time, state, batch_id, ordinal, entry_count, reply) \
             SELECT partner, request_id, {}, $19, 1, $1, ordinal, 1, {} \
             FROM unnest($5::text[], $6::uuid[], $2::int[], {reply}{}{hash}) AS r (partner, request_id, ordinal, {})",
            if b { "content_hash" } else { "substring($7::bytea, ordinal * 32 + 1, 32)" },
            if b { "reply" } else { "substring($9::bytea, start, length)" },
            if b { ", " } else { "" },
            if b { "reply, content_hash" } else { "start, length" },
        );
        let lots = "INSERT INTO lots (member_id, expires_at, entry_no, part, issuer, terms_version, size, available, held, pending, lost, reversed, batch_id, ordinal) \
             SELECT member_id, expires_at, entry_no, 0, issuer, version, size, size, 0, 0, 0, 0, $1, ordinal \
             FROM unnest($10::uuid[], $11::bigint[], $12::bigint[], $5::text[], $13::int[], $14::bigint[], $2::int[]) \
             AS r (member_id, expires_at, entry_no, issuer, version, size, ordinal)"
            .to_owned();
        let members = format!(
            "INSERT INTO members (member_id, entry_no, next_due_at, holdings) \
             SELECT member_id, entry_no, 0, {} FROM unnest($15::uuid[], $18::bigint[], {packed}) AS r (member_id, entry_no, {}) \
             ON CONFLICT (member_id) DO UPDATE SET entry_no = excluded.entry_no, next_due_at = excluded.next_due_at, holdings = excluded.holdings",
            if b { "holdings" } else { "substring($17::bytea, start, length)" },
            if b { "holdings" } else { "start, length" },
        );
        let receipts = format!(
            "INSERT INTO receipts (partner, business_date, store, till, number, side, line, batch_id, ordinal) \
             SELECT partner, {DATE}, 'store-7', till, number, 1, 1, $1, ordinal \
             FROM unnest($5::text[], $23::text[], $24::text[], $2::int[]) AS r (partner, till, number, ordinal)"
        );
        let mut parts = vec![entries, requests, lots, members, receipts];
        if way.holdings_table {
            parts.push(
                "INSERT INTO holdings (member_id, issuer, funding, available, held, pending) \
                 SELECT member_id, issuer, 1, sum(size), 0, 0 FROM unnest($10::uuid[], $5::text[], $14::bigint[]) AS r (member_id, issuer, size) GROUP BY 1, 2 \
                 ON CONFLICT (member_id, issuer, funding) DO UPDATE SET available = holdings.available + excluded.available"
                    .to_owned(),
            );
        }
        // Every part must see all parameters typed, also in a statement of its own.
        let typed = "(SELECT $1::uuid, $2::int[], $5::text[], $6::uuid[], $10::uuid[], $11::bigint[], $12::bigint[], $13::int[], $14::bigint[], \
             $15::uuid[], $18::bigint[], $19::bigint, $3::int[], $8::int[], $16::int[], \
             $20::int[], $21::int[], $22::int[], $23::text[], $24::text[], "
            .to_owned()
            + if b { "$4::bytea[], $7::bytea[], $9::bytea[], $17::bytea[])" } else { "$4::bytea, $7::bytea, $9::bytea, $17::bytea)" };
        let save = if way.one_query {
            let body =
                parts.iter().enumerate().map(|(i, part)| format!("w{i} AS ({part})")).collect::<Vec<_>>().join(", ");
            vec![format!("WITH typed AS {typed}, {body} SELECT 1")]
        } else {
            parts.iter().map(|part| format!("WITH typed AS {typed}, w AS ({part}) SELECT 1")).collect()
        };
        let hot = "WITH head AS MATERIALIZED (SELECT next_sequence, next_number, hash FROM journal_head FOR UPDATE), \
             moved AS (INSERT INTO balances (commodity, account, amount, window_number) \
               SELECT b.*, 0 FROM head, unnest($1::text[], $2::text[], $3::bigint[]) AS b (commodity, account, amount) ORDER BY 1, 2 \
               ON CONFLICT (commodity, window_number, account) DO UPDATE SET amount = balances.amount + excluded.amount), \
             outstanding AS (INSERT INTO terms_outstanding (partner, version, points) \
               SELECT o.* FROM head, unnest($4::text[], $5::int[], $6::bigint[]) AS o (partner, version, points) ORDER BY 1, 2 \
               ON CONFLICT (partner, version) DO UPDATE SET points = terms_outstanding.points + excluded.points), \
             counted AS (INSERT INTO guards (partner, reserved, unsettled, issued_day, issued_points) \
               SELECT o.partner, 0, 0, $10 / 86400000000, o.points FROM head, unnest($4::text[], $6::bigint[]) AS o (partner, points) ORDER BY 1 \
               ON CONFLICT (partner) DO UPDATE SET issued_points = guards.issued_points + excluded.issued_points), \
             linked AS (UPDATE journal_head SET next_sequence = head.next_sequence + $8, next_number = head.next_number + 1, \
               hash = sha256($9 || int8send(head.next_sequence) || head.hash) FROM head \
               RETURNING journal_head.hash, head.next_sequence AS first_sequence, head.next_number AS number, head.hash AS previous_hash) \
             INSERT INTO batches (batch_id, number, first_sequence, entry_count, request_count, window_number, time, hash, previous_hash, \
               requests_hash, salt) SELECT $7, number, first_sequence, $8, $8, 1, $10, hash, previous_hash, hash, $11 FROM linked RETURNING first_sequence, hash";
        Ok(Self { connection, way, save: save.into_iter().map(|sql| &*sql.leak()).collect(), hot })
    }

    async fn save(&mut self, workload: &mut Workload, batch: &Batch) -> Result<()> {
        if self.way.begin_with_gate {
            sqlx::raw_sql(PG_BEGIN_AND_GATE).execute(&mut self.connection).await?;
        } else {
            sqlx::raw_sql("BEGIN").execute(&mut self.connection).await?;
            sqlx::query("SELECT pg_advisory_xact_lock_shared(4242)").execute(&mut self.connection).await?;
            sqlx::query("SELECT window_number, opened_at, terms_epoch, last_time FROM gate")
                .fetch_one(&mut self.connection)
                .await?;
        }
        let touched = workload.touched(batch);
        let partners = batch.issues.iter().map(|i| workload.partners[i.partner].as_str()).collect::<Vec<_>>();
        let request_ids = batch.issues.iter().map(|i| i.request_id).collect::<Vec<_>>();
        let touched_ids = touched.keys().map(|&m| workload.members[m]).collect::<Vec<_>>();
        let known = sqlx::query(PG_REQUESTS).bind(&partners).bind(&request_ids).fetch_all(&mut self.connection).await?;
        ensure!(known.is_empty(), "no request of a new batch is known");
        sqlx::query(PG_MEMBERS).bind(&touched_ids).fetch_all(&mut self.connection).await?;

        let count = i32::try_from(batch.issues.len())?;
        let ordinals = (0..count).collect::<Vec<_>>();
        let mut entries = Bytes::default();
        let mut hashes = Bytes::default();
        let mut replies = Bytes::default();
        let mut packed = Bytes::default();
        let mut entry_nos = Vec::with_capacity(batch.issues.len());
        for issue in &batch.issues {
            workload.entry_no[issue.member] += 1;
            entry_nos.push(workload.entry_no[issue.member]);
            entries.push(&issue.entry)?;
            hashes.push(&issue.content_hash)?;
            replies.push(&issue.reply)?;
        }
        for &member in touched.keys() {
            packed.push(&if self.way.holdings_table {
                Vec::new()
            } else {
                holdings(issuers(workload.entry_no[member]), batch.time)
            })?;
        }
        let members = batch.issues.iter().map(|i| workload.members[i.member]).collect::<Vec<_>>();
        let expires = batch.issues.iter().map(|i| i.expires_at).collect::<Vec<_>>();
        let points = batch.issues.iter().map(|i| i.points).collect::<Vec<_>>();
        let versions = vec![1_i32; batch.issues.len()];
        let receipts = batch.issues.iter().map(|issue| till_and_number(issue.receipt)).collect::<Vec<_>>();
        let touched_nos = touched.keys().map(|&m| workload.entry_no[m]).collect::<Vec<_>>();
        for &sql in &self.save {
            let mut query = sqlx::query(AssertSqlSafe(sql)).bind(batch.batch_id).bind(&ordinals).bind(&entries.starts);
            query = if self.way.bytes_as_array { query.bind(entries.split()) } else { query.bind(&entries.all) };
            query = query.bind(&partners).bind(&request_ids);
            query = if self.way.bytes_as_array { query.bind(hashes.split()) } else { query.bind(&hashes.all) };
            query = query.bind(&replies.starts);
            query = if self.way.bytes_as_array { query.bind(replies.split()) } else { query.bind(&replies.all) };
            query = query
                .bind(&members)
                .bind(&expires)
                .bind(&entry_nos)
                .bind(&versions)
                .bind(&points)
                .bind(&touched_ids)
                .bind(&packed.starts);
            query = if self.way.bytes_as_array { query.bind(packed.split()) } else { query.bind(&packed.all) };
            query
                .bind(&touched_nos)
                .bind(batch.time)
                .bind(&entries.lengths)
                .bind(&replies.lengths)
                .bind(&packed.lengths)
                .bind(receipts.iter().map(|receipt| receipt.0.as_str()).collect::<Vec<_>>())
                .bind(receipts.iter().map(|receipt| receipt.1.as_str()).collect::<Vec<_>>())
                .execute(&mut self.connection)
                .await?;
        }
        let balances = balance_deltas(workload, batch);
        let outstanding = outstanding_deltas(workload, batch);
        sqlx::query(self.hot)
            .bind(balances.keys().map(|k| k.0).collect::<Vec<_>>())
            .bind(balances.keys().map(|k| k.1.as_str()).collect::<Vec<_>>())
            .bind(balances.values().copied().collect::<Vec<_>>())
            .bind(outstanding.keys().map(String::as_str).collect::<Vec<_>>())
            .bind(vec![1_i32; outstanding.len()])
            .bind(outstanding.values().copied().collect::<Vec<_>>())
            .bind(batch.batch_id)
            .bind(count)
            .bind(&batch.hash[..])
            .bind(batch.time)
            .bind(&batch.salt[..])
            .fetch_one(&mut self.connection)
            .await?;
        sqlx::raw_sql("COMMIT").execute(&mut self.connection).await?;
        Ok(())
    }

    async fn load_lots(&mut self, members: &[Uuid]) -> Result<(Vec<Place>, Duration)> {
        let from = if self.way.lots_by_index { "" } else { "AND l.expires_at >= m.next_due_at" };
        let sql = format!(
            "SELECT l.* FROM members m CROSS JOIN LATERAL (SELECT member_id, expires_at, entry_no, part, issuer, terms_version, available FROM lots l \
              WHERE l.member_id = m.member_id AND l.available > 0 {from} ORDER BY expires_at, entry_no, part LIMIT 4) l WHERE m.member_id = ANY($1)"
        );
        let started = Instant::now();
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(members).fetch_all(&mut self.connection).await?;
        let lots =
            rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))).collect::<Result<_>>()?;
        Ok((lots, started.elapsed()))
    }

    async fn take(&mut self, taken: &[Place]) -> Result<Duration> {
        let started = Instant::now();
        let updated = sqlx::query(
            "UPDATE lots SET available = 0 FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS t (m, e, n) \
             WHERE member_id = m AND expires_at = e AND entry_no = n AND part = 0",
        )
        .bind(taken.iter().map(|lot| lot.0).collect::<Vec<_>>())
        .bind(taken.iter().map(|lot| lot.1).collect::<Vec<_>>())
        .bind(taken.iter().map(|lot| lot.2).collect::<Vec<_>>())
        .execute(&mut self.connection)
        .await?
        .rows_affected();
        ensure!(usize::try_from(updated)? == taken.len(), "took {updated} of {} lots", taken.len());
        Ok(started.elapsed())
    }
}

/// Byte strings of a batch in one piece, with where each starts (from 1, as SQL counts) and how long it is.
#[derive(Default)]
struct Bytes {
    all: Vec<u8>,
    starts: Vec<i32>,
    lengths: Vec<i32>,
}

impl Bytes {
    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.starts.push(i32::try_from(self.all.len() + 1)?);
        self.lengths.push(i32::try_from(bytes.len())?);
        self.all.extend_from_slice(bytes);
        Ok(())
    }

    fn split(&self) -> Vec<&[u8]> {
        let mut rest = &self.all[..];
        self.lengths
            .iter()
            .map(|&length| {
                let (bytes, after) = rest.split_at(usize::try_from(length).expect("lengths come from slices"));
                rest = after;
                bytes
            })
            .collect()
    }
}

// -------------------------------------------------------------------------------------------------------- measurement

enum House {
    Sqlite(Box<Sqlite>),
    Postgres(Box<Postgres>),
}

impl House {
    async fn save(&mut self, workload: &mut Workload, batch: &Batch) -> Result<()> {
        match self {
            Self::Sqlite(house) => house.save(workload, batch).await,
            Self::Postgres(house) => house.save(workload, batch).await,
        }
    }

    async fn raw(&mut self, sql: &'static str) -> Result<()> {
        match self {
            Self::Sqlite(house) => sqlx::raw_sql(sql).execute(&mut house.connection).await.map(|_| ())?,
            Self::Postgres(house) => sqlx::raw_sql(sql).execute(&mut house.connection).await.map(|_| ())?,
        }
        Ok(())
    }
}

async fn prepare(house: &mut House, workload: &mut Workload, lots: usize) -> Result<()> {
    let relax = match house {
        House::Sqlite(_) => "PRAGMA synchronous = OFF",
        House::Postgres(_) => "SET synchronous_commit = off",
    };
    house.raw(relax).await?;
    let members = workload.members.len();
    for _ in 0..lots {
        for first in (0..members).step_by(8192) {
            let batch = workload.batch(first..(first + 8192).min(members));
            house.save(workload, &batch).await?;
        }
    }
    match house {
        House::Sqlite(_) => {
            house.raw("ANALYZE").await?;
            house.raw("PRAGMA wal_checkpoint(TRUNCATE)").await?;
            house.raw("PRAGMA synchronous = FULL").await
        }
        House::Postgres(_) => {
            house.raw("VACUUM ANALYZE").await?;
            house.raw("CHECKPOINT").await?;
            house.raw("SET synchronous_commit = on").await
        }
    }
}

/// What one batch size gave.
struct Figures {
    per_second: f64,
    p99: Duration,
    /// Of this process, and so of SQLite, but not of a PostgreSQL server; steady also on a busy machine. With the making
    /// of the workload.
    cpu_micros: f64,
    written_bytes: f64,
}

async fn measure(house: &mut House, workload: &mut Workload, size: usize, seconds: f64) -> Result<Figures> {
    let limit = Duration::from_secs_f64(seconds);
    let mut busy = Duration::ZERO;
    let mut issues = 0_u32;
    let mut batches = Vec::new();
    let before = process_use()?;
    while busy < limit {
        let batch = workload.random_batch(size);
        let started = Instant::now();
        house.save(workload, &batch).await?;
        let taken = started.elapsed();
        busy += taken;
        batches.push(taken);
        issues += u32::try_from(size)?;
    }
    let after = process_use()?;
    batches.sort_unstable();
    let issues = f64::from(issues);
    Ok(Figures {
        per_second: issues / busy.as_secs_f64(),
        p99: batches[batches.len() * 99 / 100],
        cpu_micros: (after.0 - before.0) / issues,
        written_bytes: (after.1 - before.1) / issues,
    })
}

/// Processor microseconds and bytes written by this process so far, as Linux counts them.
fn process_use() -> Result<(f64, f64)> {
    const MICROS_PER_TICK: f64 = 10_000.0;
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The second field is a name in brackets and may hold spaces; user and system time are the 14th and 15th.
    let after_name = stat.rsplit_once(')').context("the form of /proc/self/stat")?.1;
    let ticks = after_name.split_whitespace().skip(11).take(2).map(f64::from_str).sum::<Result<f64, _>>()?;
    let io = std::fs::read_to_string("/proc/self/io")?;
    let written = io.lines().find_map(|line| line.strip_prefix("wchar: ")).context("wchar in /proc/self/io")?;
    Ok((ticks * MICROS_PER_TICK, written.parse()?))
}

/// Microseconds per member to read the next four lots, and to take them, out of 28 with the first 14 spent.
async fn redemption_micros(house: &mut House, workload: &mut Workload) -> Result<(f64, f64)> {
    const REDEEMERS: usize = 256;
    const ROUNDS: usize = 8;
    let count = workload.members.len();
    let picked = sample(&mut workload.rng, count, REDEEMERS * ROUNDS).into_vec();
    for _ in 0..28 {
        let batch = workload.batch(picked.iter().copied());
        house.save(workload, &batch).await?;
    }
    // Members with a long history have spent their first 14 lots, and their rows say where points begin.
    house
        .raw(
            "UPDATE members SET next_due_at = (SELECT expires_at FROM lots \
              WHERE lots.member_id = members.member_id ORDER BY expires_at, entry_no LIMIT 1 OFFSET 14) WHERE entry_no >= 28; \
             UPDATE lots SET available = 0 FROM members m WHERE m.member_id = lots.member_id AND m.entry_no >= 28 \
              AND lots.expires_at < m.next_due_at",
        )
        .await?;
    let (mut load, mut take) = (Duration::ZERO, Duration::ZERO);
    for round in picked.chunks(REDEEMERS) {
        let mut members = round.iter().map(|&m| workload.members[m]).collect::<Vec<_>>();
        members.sort_unstable();
        let (lots, loading) = match house {
            House::Sqlite(house) => house.load_lots(&members).await?,
            House::Postgres(house) => house.load_lots(&members).await?,
        };
        ensure!(lots.len() == 4 * REDEEMERS, "read {} lots, not four of each member", lots.len());
        take += match house {
            House::Sqlite(house) => house.take(&lots).await?,
            House::Postgres(house) => house.take(&lots).await?,
        };
        load += loading;
    }
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / (REDEEMERS * ROUNDS) as f64;
    Ok((micros(load), micros(take)))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Options::parse();
    let postgres = options.database.starts_with("postgres:");
    let mut out = std::io::stdout();
    write!(out, "{:30}", "issues/s (p99 ms) us-cpu kB in")?;
    for size in &options.batches {
        write!(out, "{size:>28}")?;
    }
    writeln!(out, "{}", if options.redemptions { "   lots read, taken us/member" } else { "" })?;
    for &way in if postgres { POSTGRES_WAYS } else { SQLITE_WAYS } {
        if !way.name.contains(&options.only) {
            continue;
        }
        let mut workload = Workload::new(options.seed, options.members);
        let folder;
        let mut house = if postgres {
            House::Postgres(Box::new(Postgres::open(&options.database, way).await?))
        } else {
            folder = tempfile::tempdir_in(&options.database).context("making a folder for the database")?;
            House::Sqlite(Box::new(Sqlite::open(folder.path().join("house.db"), way).await?))
        };
        prepare(&mut house, &mut workload, options.lots).await?;
        write!(out, "{:30}", way.name)?;
        for &size in &options.batches {
            let figures = measure(&mut house, &mut workload, size, options.seconds).await?;
            let (rate, p99) = (figures.per_second, figures.p99.as_secs_f64() * 1e3);
            write!(out, "{rate:>9.0} ({p99:5.1}) {:>4.0} {:>5.1}", figures.cpu_micros, figures.written_bytes / 1e3)?;
            out.flush()?;
        }
        if options.redemptions {
            let (load, take) = redemption_micros(&mut house, &mut workload).await?;
            write!(out, "{load:>12.1}, {take:.1}")?;
        }
        writeln!(out)?;
        match house {
            House::Sqlite(house) => house.connection.close().await?,
            House::Postgres(house) => house.connection.close().await?,
        }
    }
    Ok(())
}
