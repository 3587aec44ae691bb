//! Which members identifiers name. Most purchases are of members who bought before, so what was read of late is kept, as much as
//! 64 MB hold (`remembered`).
//!
//! What was read once stays true until a link is changed. Each change is a row of a log (`link_changes`), whose last number is
//! read with the gate's row: a node that has not seen that number reads the rows since, and drops the identifiers in them. The
//! log is pruned; a node that comes too late for a part of it drops everything. Unknown identifiers are looked for each time,
//! as any node may enrol them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use clearing_core::book::changes::Changes;
use clearing_core::facts::member::IdentifierLink;
use clearing_core::operation::Gate;
use clearing_core::units::{IdentifierHash, MemberId, Timestamp};

use super::cells::Row;
use super::remembered::Remembered;
use super::rows::RowSet;
use super::sql::{Link, Sql, rows};
use super::tables::{Column, IDENTIFIERS, Kind, LINK_CHANGES};
use super::{Backend, Store, StoreError};

pub(super) static STATEMENTS: &[&Sql] =
    &[&IDENTIFIERS_BY_HASH, &LOCK_IDENTIFIERS, &LINKS_BETWEEN, &LAST_CHANGE, &CHANGES, &OLD_CHANGE, &FORGET_CHANGES];

/// Bytes that are kept of identifiers: some 1,350,000 of them.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// Changes that are followed at once, far more than are made in the minute after which even an idle node passes the gate.
/// After more of them all that is kept is dropped.
const CHANGES_MAX: i64 = 16_384;

/// For so long a change stays in the log: far longer than a node that serves goes without a batch.
const CHANGES_KEPT_DAYS: i64 = 1;

const KEY: &[Column] = &[IDENTIFIERS.identifier_hash];

static IDENTIFIERS_BY_HASH: Sql = Sql::new(
    "store.identifiers",
    "SELECT {identifiers i} FROM {rows k} CROSS JOIN identifiers AS i WHERE {match k i}",
    "SELECT {identifiers} FROM identifiers WHERE identifier_hash = ANY ({select k})",
)
.takes(&[rows("k", KEY)])
.gives(&[IDENTIFIERS.identifier_hash, IDENTIFIERS.member_id]);

/// The members that identifiers name; unknown ones are left out.
pub(super) async fn identifiers(
    link: &mut Link<'_>,
    hashes: &[IdentifierHash],
) -> Result<Vec<(IdentifierHash, MemberId)>, StoreError> {
    if hashes.is_empty() {
        return Ok(Vec::new());
    }
    let mut keys = link.row_set(KEY);
    for hash in hashes {
        keys.bytes(IDENTIFIERS.identifier_hash, &hash.0);
    }
    let call = link.call(&IDENTIFIERS_BY_HASH).rows(keys);
    link.rows(call, |row| Ok((hash(row)?, row.member(IDENTIFIERS.member_id)?))).await
}

fn hash(row: &Row<'_>) -> Result<IdentifierHash, StoreError> {
    row.hash(IDENTIFIERS.identifier_hash).map(IdentifierHash)
}

const LOCK: Column = Column::made("lock", Kind::Int);

static LOCK_IDENTIFIERS: Sql = Sql::postgres(
    "store.lock_identifiers",
    "SELECT pg_catalog.pg_advisory_xact_lock(lock) FROM (SELECT k.lock FROM {rows k} ORDER BY k.lock) AS k",
)
.takes(&[rows("k", &[LOCK])]);

/// Keeps other nodes from enrolling these identifiers until the transaction ends. `hashes` are not yet enrolled, so
/// there is no row to lock. On SQLite the one writer has the database for itself.
pub(super) async fn lock_identifiers(link: &mut Link<'_>, hashes: &[IdentifierHash]) -> Result<(), StoreError> {
    if link.backend() == Backend::Sqlite {
        return Ok(());
    }
    let mut keys = link.row_set(&[LOCK]);
    for hash in hashes {
        let (piece, _) = hash.0.split_first_chunk::<8>().expect("a hash has 32 bytes");
        keys.int(LOCK, i64::from_be_bytes(*piece));
    }
    let call = link.call(&LOCK_IDENTIFIERS).rows(keys);
    link.rows(call, |_| Ok(())).await.map(|_| ())
}

static LINKS_BETWEEN: Sql = Sql::both(
    "store.links_between",
    "SELECT {identifiers} FROM identifiers WHERE member_id BETWEEN $1 AND $2 ORDER BY member_id, number",
)
.gives(IDENTIFIERS.all);

/// The links of members with ids from the first to the last, by member and number.
pub(super) async fn links_between(
    link: &mut Link<'_>,
    first: MemberId,
    last: MemberId,
) -> Result<Vec<(IdentifierHash, IdentifierLink)>, StoreError> {
    let call = link.call(&LINKS_BETWEEN).uuid(first.0).uuid(last.0);
    let found = |row: &Row<'_>| {
        let salt = row.bytes(IDENTIFIERS.salt)?.try_into();
        let salt = salt.map_err(|error| StoreError::damaged("the salt of a link", error))?;
        let (member, number) = (row.member(IDENTIFIERS.member_id)?, row.small(IDENTIFIERS.number)?);
        Ok((hash(row)?, IdentifierLink { member, number, salt }))
    };
    link.rows(call, found).await
}

/// The rows of identifiers that a batch has enrolled.
pub(super) fn enrolled(link: &Link<'_>, changes: &Changes) -> RowSet {
    let mut rows = link.row_set(IDENTIFIERS.all);
    for (hash, IdentifierLink { member, number, salt }) in &changes.identifiers {
        rows.bytes(IDENTIFIERS.identifier_hash, &hash.0).uuid(IDENTIFIERS.member_id, member.0);
        rows.int(IDENTIFIERS.number, i64::from(*number)).bytes(IDENTIFIERS.salt, salt);
    }
    rows
}

/// The identifiers that were read of late, with the members that they name.
#[derive(Debug)]
pub(super) struct Enrolled {
    kept: Mutex<Kept>,
    /// Identifiers that were not kept, and looked for in the database.
    looked_for: AtomicU64,
}

#[derive(Debug)]
struct Kept {
    members: Remembered,
    /// The number of the last change that is reflected in them; none before the first batch.
    change: Option<i64>,
}

/// Identifiers that are not kept, as of a change of links.
pub(super) struct Unread {
    pub hashes: Vec<IdentifierHash>,
    change: Option<i64>,
}

impl Default for Enrolled {
    fn default() -> Self {
        let kept = Kept { members: Remembered::new(KEPT_BYTES_MAX), change: None };
        Self { kept: Mutex::new(kept), looked_for: AtomicU64::new(0) }
    }
}

const LAST: Column = Column::made("last", Kind::Int);

static LAST_CHANGE: Sql =
    Sql::both("store.last_link_change", "SELECT COALESCE(max(number), 0) AS last FROM link_changes").gives(&[LAST]);

static CHANGES: Sql = Sql::both(
    "store.link_changes",
    "SELECT {link_changes} FROM link_changes WHERE number > $1 ORDER BY number LIMIT $2",
)
.gives(&[LINK_CHANGES.number, LINK_CHANGES.identifier_hash]);

impl Enrolled {
    /// The members that identifiers name as far as that is kept, and those to be looked for.
    pub fn members(&self, hashes: BTreeSet<IdentifierHash>) -> (Vec<(IdentifierHash, MemberId)>, Unread) {
        let mut kept = self.kept();
        let (mut found, mut hashes_left) = (Vec::with_capacity(hashes.len()), Vec::new());
        for hash in hashes {
            match kept.members.get(&hash) {
                Some(member) => found.push((hash, member)),
                None => hashes_left.push(hash),
            }
        }
        self.looked_for.fetch_add(hashes_left.len() as u64, Ordering::Relaxed);
        (found, Unread { hashes: hashes_left, change: kept.change })
    }

    /// Keeps what was read of those that were looked for. It must have been committed.
    pub fn keep(&self, unread: &Unread, read: &[(IdentifierHash, MemberId)]) {
        let mut kept = self.kept();
        // If another session of this node has followed a change meanwhile, this may be from before it.
        if kept.change == unread.change {
            read.iter().for_each(|(hash, member)| kept.members.insert(hash, *member));
        }
    }

    /// Drops what was changed up to the change of this number, the last that was committed when the gate was passed.
    pub async fn follow(&self, link: &mut Link<'_>, last: i64) -> Result<(), StoreError> {
        let known = match self.kept().change {
            Some(known) if known == last => return Ok(()),
            known => known,
        };
        let changes = match known {
            Some(known) if known < last && last - known <= CHANGES_MAX => {
                let call = link.call(&CHANGES).int(known).int(CHANGES_MAX);
                let change = |row: &Row<'_>| {
                    Ok((row.int(LINK_CHANGES.number)?, IdentifierHash(row.hash(LINK_CHANGES.identifier_hash)?)))
                };
                // Pruned in part: the first that is left does not follow on what is known.
                Some(link.rows(call, change).await?)
                    .filter(|changes| changes.first().is_some_and(|(number, _)| *number == known + 1))
            }
            Some(known) if known > last => {
                // Another session of this node may have passed the gate later and come here first. Else these are other books:
                // those of a backup.
                let call = link.call(&LAST_CHANGE);
                if link.row(call, |row| row.int(LAST)).await?.is_some_and(|now| now >= known) {
                    return Ok(());
                }
                None
            }
            // At the first batch nothing is kept.
            Some(_) | None => None,
        };
        let mut kept = self.kept();
        match changes {
            Some(changes) => {
                for (_, hash) in &changes {
                    kept.members.remove(hash);
                }
                // Of those behind the last one, too, more may have been read: it is looked at again for nothing.
                kept.change = kept.change.max(Some(last));
            }
            None => {
                kept.members.clear();
                kept.change = Some(last);
            }
        }
        Ok(())
    }

    /// What it guards is whole at every moment, also after a panic.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

static OLD_CHANGE: Sql = Sql::both(
    "store.old_link_change",
    "SELECT {link_changes} FROM link_changes
    WHERE number = (SELECT min(number) FROM link_changes) AND changed_at < $1
    AND number < (SELECT max(number) FROM link_changes)",
)
.gives(&[LINK_CHANGES.number]);

static FORGET_CHANGES: Sql = Sql::both(
    "store.forget_link_changes",
    "DELETE FROM link_changes WHERE changed_at < $1 AND number < (SELECT max(number) FROM link_changes)",
);

impl Store {
    /// How many identifiers this node has looked for in the database because it did not remember them. Each that was asked
    /// for in two batches and counted twice was forgotten in between, or nobody's.
    pub fn identifiers_looked_for(&self) -> u64 {
        self.enrolled.looked_for.load(Ordering::Relaxed)
    }

    /// Forgets changes of links that every node has seen, but for the last, whose number is to be known. Gives how many.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn forget_link_changes(&self, now: Timestamp) -> Result<u64, StoreError> {
        let before = now.plus_days(-CHANGES_KEPT_DAYS).0;
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let call = link.call(&OLD_CHANGE).int(before);
        let old = link.row(call, |_| Ok(())).await?;
        drop(reader);
        if old.is_none() {
            return Ok(0);
        }
        let mut writer = self.session().await?;
        writer.pass(Gate::Shared).await?;
        let mut link = writer.link();
        let call = link.call(&FORGET_CHANGES).int(before);
        let forgotten = link.execute(call).await?;
        writer.commit().await?;
        Ok(forgotten)
    }
}
