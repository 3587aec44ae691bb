//! On SQLite: a batch in two queries of several statements each, so that the driver hands over to its thread twice. Rows
//! are handed over as JSONB, and their bytes are cut out of one blob.

use std::path::Path;

use anyhow::{Result, ensure};
use clearing::store::{Backend, migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};

use super::{Batch, Rows};

const LOAD: &str = "
    BEGIN IMMEDIATE;
    SELECT partner, request_id, content_hash FROM requests
    WHERE (partner, request_id) IN (SELECT value->>0, substr($2, value->>1, 16) FROM jsonb_each($1));
    SELECT member_id, entry_no, holdings, lots FROM members
    WHERE member_id IN (SELECT substr($4, value->>0, 16) FROM jsonb_each($3))";

const SAVE: &str = "
    INSERT INTO entries (batch_id, ordinal, packed) SELECT $9, value->>0, $10 FROM jsonb_each($1);
    INSERT INTO requests (partner, request_id, content_hash, batch_id, ordinal, entry_count, state, reply)
    SELECT value->>1, substr($2, value->>2, 16), substr($2, value->>3, 16), $9, value->>0, 1, 1, $12
    FROM jsonb_each($1);
    INSERT INTO receipts (receipt_key, line, side, nth, batch_id, ordinal, undone)
    SELECT substr($2, value->>4, 16), 1, 1, 0, $9, value->>0, 0 FROM jsonb_each($1);
    INSERT INTO members (member_id, entry_no, next_due_at, holdings, lots)
    SELECT substr($4, value->>0, 16), value->>1, 0, $13, zeroblob(1 + 48 * min(value->>1, 24)) FROM jsonb_each($3)
    WHERE true
    ON CONFLICT (member_id) DO UPDATE SET entry_no = excluded.entry_no, holdings = excluded.holdings, lots = excluded.lots;
    INSERT INTO balances (commodity, window_number, account, amount)
    SELECT value->>0, 0, value->>1, value->>2 FROM jsonb_each($5) WHERE true
    ON CONFLICT (commodity, window_number, account) DO UPDATE SET amount = amount + excluded.amount;
    INSERT INTO terms_outstanding (partner, version, points) SELECT value->>0, 1, value->>1 FROM jsonb_each($6) WHERE true
    ON CONFLICT (partner, version) DO UPDATE SET points = points + excluded.points;
    INSERT INTO guards (partner, reserved, unsettled, counted_day, issued_points, accepted_points)
    SELECT value->>0, 0, 0, $11 / 86400000000, value->>1, 0 FROM jsonb_each($6) WHERE true
    ON CONFLICT (partner) DO UPDATE SET issued_points = issued_points + excluded.issued_points;
    INSERT INTO batches (batch_id, number, first_sequence, entry_count, request_count, window_number, time, hash,
        previous_hash, requests_hash, salt)
    SELECT $9, next_number, next_sequence, $7, $7, 1, $11, $8, hash, $8, $14 FROM journal_head;
    UPDATE journal_head SET next_sequence = next_sequence + $7, next_number = next_number + 1, hash = $8;
    COMMIT";

/// A connection to SQLite that writes batches of issues with nothing around them.
pub struct BareSqlite {
    connection: SqliteConnection,
}

impl BareSqlite {
    /// Makes the house's tables in a new file.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn open(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .page_size(2048)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("temp_store", "MEMORY")
            .pragma("recursive_triggers", "ON")
            .pragma("wal_autocheckpoint", "4000");
        let mut connection = options.connect().await?;
        migrator(Backend::Sqlite).run(&mut connection).await?;
        sqlx::query("INSERT INTO journal_head VALUES (1, 1, 1, zeroblob(32))").execute(&mut connection).await?;
        Ok(Self { connection })
    }

    pub(super) async fn save(&mut self, rows: &Rows, batch: &Batch) -> Result<()> {
        let (mut keys, mut issues, mut members) = (Table::default(), Table::default(), Table::default());
        for (ordinal, issue) in (0_i64..).zip(&batch.issues) {
            keys.text(&issue.issuer).bytes(&issue.request_id.to_be_bytes()).end_row();
            issues
                .int(ordinal)
                .text(&issue.issuer)
                .bytes(&issue.request_id.to_be_bytes())
                .bytes(&issue.content_hash)
                .bytes(&issue.receipt.0.to_be_bytes())
                .end_row();
        }
        for (member, entry_no) in &batch.members {
            members.bytes(&member.to_be_bytes()).int(*entry_no).end_row();
        }
        let (mut balances, mut outstanding) = (Table::default(), Table::default());
        for ((commodity, account), amount) in &batch.balances {
            balances.text(commodity).text(account).int(*amount).end_row();
        }
        for (issuer, points) in &batch.outstanding {
            outstanding.text(issuer).int(*points).end_row();
        }
        let (keys, members) = (keys.finish(), members.finish());
        let load = sqlx::query(LOAD).bind(keys.0).bind(keys.1).bind(members.0.clone()).bind(members.1.clone());
        let loaded = load.fetch_all(&mut self.connection).await?;
        ensure!(loaded.len() <= batch.members.len(), "no request of a new batch is known");
        let issues = issues.finish();
        sqlx::query(SAVE)
            .bind(issues.0)
            .bind(issues.1)
            .bind(members.0)
            .bind(members.1)
            .bind(balances.finish().0)
            .bind(outstanding.finish().0)
            .bind(i64::try_from(batch.issues.len())?)
            .bind(&batch.hash[..])
            .bind(batch.id.to_be_bytes().to_vec())
            .bind(&rows.entry[..])
            .bind(batch.time)
            .bind(&rows.reply[..])
            .bind(&rows.holdings[..])
            .bind(&batch.salt[..])
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    pub(super) async fn settle(&mut self) -> Result<()> {
        sqlx::raw_sql("ANALYZE; PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut self.connection).await?;
        Ok(())
    }

    /// # Errors
    /// Those of the database.
    pub async fn close(self) -> Result<()> {
        Ok(self.connection.close().await?)
    }
}

/// Rows on their way to `jsonb_each`, and one blob with their bytes.
#[derive(Default)]
struct Table {
    json: Vec<u8>,
    row: Vec<u8>,
    blob: Vec<u8>,
}

// Element types of SQLite's JSONB, https://sqlite.org/jsonb.html section 3.
const INT: u8 = 3;
const TEXT_RAW: u8 = 10;
const ARRAY: u8 = 11;

impl Table {
    fn int(&mut self, value: i64) -> &mut Self {
        element(&mut self.row, INT, value.to_string().as_bytes());
        self
    }

    fn text(&mut self, value: &str) -> &mut Self {
        element(&mut self.row, TEXT_RAW, value.as_bytes());
        self
    }

    /// Pushes where the bytes begin, counted from 1 as SQL does.
    fn bytes(&mut self, value: &[u8]) -> &mut Self {
        let start = i64::try_from(self.blob.len() + 1).expect("a batch is far below 2^63 bytes");
        self.blob.extend_from_slice(value);
        self.int(start)
    }

    fn end_row(&mut self) {
        element(&mut self.json, ARRAY, &self.row);
        self.row.clear();
    }

    fn finish(self) -> (Vec<u8>, Vec<u8>) {
        let mut whole = Vec::with_capacity(self.json.len() + 5);
        element(&mut whole, ARRAY, &self.json);
        (whole, self.blob)
    }
}

fn element(to: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    if let Ok(small @ 0..=11) = u8::try_from(payload.len()) {
        to.push(small << 4 | kind);
    } else if let Ok(length) = u8::try_from(payload.len()) {
        to.extend_from_slice(&[0xc0 | kind, length]);
    } else if let Ok(length) = u16::try_from(payload.len()) {
        to.push(0xd0 | kind);
        to.extend_from_slice(&length.to_be_bytes());
    } else {
        to.push(0xe0 | kind);
        to.extend_from_slice(&u32::try_from(payload.len()).expect("a batch is below 4 GiB").to_be_bytes());
    }
    to.extend_from_slice(payload);
}
