//! Which members identifiers name, as far as was read of late: most purchases are of members who bought before.
//!
//! What was read once stays true until a link is changed. Each change is a row of a log (`link_changes`), whose last number is
//! read with the gate's row: a node that has not seen that number reads the rows since, and drops the identifiers in them. The
//! log is pruned; a node that comes too late for a part of it drops everything. Unknown identifiers are looked for each time,
//! as any node may enrol them.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use clearing_core::operation::Gate;
use clearing_core::units::{IdentifierHash, MemberId, Timestamp};
use hashlink::LruCache;

use super::sql::{Cells, Link, Sql};
use super::{Store, StoreError, members};

pub(super) const STATEMENTS: &[&Sql] = &[&CHANGES, &OLD_CHANGE, &FORGET_CHANGES];

/// How many are kept, some ten megabytes of them.
const KEPT: usize = 65_536;

/// Changes that are read at once. After more of them it is cheaper to begin anew.
const CHANGES_MAX: i64 = 1_024;

/// For so long a change stays in the log: far longer than a node that serves goes without a batch.
const CHANGES_KEPT_DAYS: i64 = 1;

/// See the module.
#[derive(Debug)]
pub(super) struct Enrolled(Mutex<Kept>);

#[derive(Debug)]
struct Kept {
    members: LruCache<IdentifierHash, MemberId>,
    /// The number of the last change that is reflected in them; none before the first batch.
    change: Option<i64>,
}

impl Default for Enrolled {
    fn default() -> Self {
        Self(Mutex::new(Kept { members: LruCache::new(KEPT), change: None }))
    }
}

const CHANGES: Sql = Sql::both(
    "-- store.link_changes
    SELECT number, identifier_hash FROM link_changes WHERE number > $1 ORDER BY number LIMIT $2",
);

impl Enrolled {
    /// The members that identifiers name; unknown ones are left out. What is read must have been committed.
    pub async fn members(
        &self,
        link: &mut Link<'_>,
        hashes: BTreeSet<IdentifierHash>,
    ) -> Result<Vec<(IdentifierHash, MemberId)>, StoreError> {
        let (mut found, mut unread) = (Vec::with_capacity(hashes.len()), Vec::new());
        {
            let mut kept = self.kept();
            for hash in hashes {
                match kept.members.get(&hash) {
                    Some(member) => found.push((hash, *member)),
                    None => unread.push(hash),
                }
            }
        }
        let read = members::identifiers(link, &unread).await?;
        let mut kept = self.kept();
        for (hash, member) in read {
            kept.members.insert(hash, member);
            found.push((hash, member));
        }
        Ok(found)
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
                let change = |row: &dyn Cells| Ok((row.int(0)?, IdentifierHash(super::hash(row.bytes(1)?)?)));
                // Pruned in part: the first that is left does not follow on what is known.
                Some(link.rows(call, change).await?)
                    .filter(|changes| changes.first().is_some_and(|(number, _)| *number == known + 1))
            }
            // At the first batch nothing is kept. A last number that is smaller is that of other books: of a backup.
            Some(_) | None => None,
        };
        let mut kept = self.kept();
        match changes {
            Some(changes) => {
                for (_, hash) in &changes {
                    kept.members.remove(hash);
                }
            }
            None => kept.members.clear(),
        }
        kept.change = Some(last);
        Ok(())
    }

    /// What it guards is whole at every moment, also after a panic.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const OLD_CHANGE: Sql = Sql::both(
    "-- store.old_link_change
    SELECT number FROM link_changes
    WHERE number = (SELECT min(number) FROM link_changes) AND changed_at < $1
    AND number < (SELECT max(number) FROM link_changes)",
);

const FORGET_CHANGES: Sql = Sql::both(
    "-- store.forget_link_changes
    DELETE FROM link_changes WHERE changed_at < $1 AND number < (SELECT max(number) FROM link_changes)",
);

impl Store {
    /// Forgets changes of links that every node has seen, but for the last, whose number is to be known. Gives how many.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn forget_link_changes(&self, now: Timestamp) -> Result<u64, StoreError> {
        let before = now.plus_days(-CHANGES_KEPT_DAYS).0;
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let call = link.call(&OLD_CHANGE).int(before);
        let old = link.row(call, |row| row.int(0)).await?;
        drop(reader);
        if old.is_none() {
            return Ok(0);
        }
        let mut writer = self.writer().await?;
        writer.begin(Gate::Shared).await?;
        let mut link = writer.link();
        let call = link.call(&FORGET_CHANGES).int(before);
        let forgotten = link.execute(call).await?;
        writer.commit().await?;
        Ok(forgotten)
    }
}
