//! What one person has asked for and another decides: how it stands. What is proposed is in the entry.

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::facts::entry::JournalEntry;
use clearing_core::facts::proposal::{Proposal, ProposalState, ProposedFacts};
use clearing_core::units::{EntryId, Hash};

use super::cells::Row;
use super::rows::RowSet;
use super::save::of_book;
use super::sql::{Link, Sql, one, rows};
use super::tables::{Column, PROPOSALS};
use super::{Store, StoreError, journal};

pub(super) static STATEMENTS: &[&Sql] = &[
    &LOCK_PROPOSALS,
    &OPEN_PROPOSALS,
    &ALL_PROPOSALS,
    &PROPOSALS_BEFORE,
    &OPEN_PROPOSALS_BEFORE,
    &INSERT_PROPOSALS,
    &UPDATE_PROPOSALS,
    &PROPOSAL,
];

const KEY: &[Column] = &[PROPOSALS.batch_id, PROPOSALS.ordinal];

static LOCK_PROPOSALS: Sql = Sql::new(
    "store.lock_proposals",
    "SELECT {proposals p} FROM {rows k} CROSS JOIN proposals AS p WHERE {match k p}",
    "SELECT {proposals p} FROM proposals AS p JOIN {rows k} ON {match k p}
    ORDER BY p.batch_id, p.ordinal FOR UPDATE OF p",
)
.takes(&[rows("k", KEY)])
.gives(PROPOSALS.all);

static OPEN_PROPOSALS: Sql = Sql::both(
    "store.open_proposals",
    "SELECT {proposals p} FROM {rows k} CROSS JOIN proposals AS p WHERE p.content = k.content AND p.state = 0",
)
.takes(&[rows("k", &[PROPOSALS.content])])
.gives(PROPOSALS.all);

/// How a proposal stands.
pub(super) struct ProposalRow {
    id: EntryId,
    content: Hash,
    state: ProposalState,
    decided: Option<EntryId>,
}

fn row(row: &Row<'_>) -> Result<ProposalRow, StoreError> {
    let number: usize = row.small(PROPOSALS.state)?;
    let state = super::known("state of a proposal", ProposalState::ALL.get(number).copied())?;
    let decided = row.uuid_or_null(PROPOSALS.decided_batch)?;
    let decided = decided.map(|_| row.entry(PROPOSALS.decided_batch, PROPOSALS.decided_ordinal)).transpose()?;
    let (id, content) = (row.entry(PROPOSALS.batch_id, PROPOSALS.ordinal)?, row.hash(PROPOSALS.content)?);
    Ok(ProposalRow { id, content, state, decided })
}

/// Puts proposals that are named, and the open ones of these contents, into the book; locked in ascending order until the
/// transaction ends. Gives the entries that asked for them.
pub(super) async fn lock(
    link: &mut Link<'_>,
    book: &mut Book,
    named: &BTreeSet<EntryId>,
    contents: &BTreeSet<Hash>,
) -> Result<Vec<JournalEntry>, StoreError> {
    let mut wanted = named.clone();
    if !contents.is_empty() {
        let mut rows = link.row_set(&[PROPOSALS.content]);
        contents.iter().for_each(|content| _ = rows.bytes(PROPOSALS.content, content));
        let call = link.call(&OPEN_PROPOSALS).rows(rows);
        wanted.extend(link.rows(call, row).await?.into_iter().map(|row| row.id));
    }
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let keys = keys(link, &wanted);
    let call = link.call(&LOCK_PROPOSALS).rows(keys);
    let rows = link.rows(call, row).await?;
    let entries = journal::entries(link, rows.iter().map(|row| row.id)).await?;
    book.proposals.extend(whole(&rows, &entries)?);
    Ok(entries)
}

fn keys(link: &Link<'_>, ids: &BTreeSet<EntryId>) -> RowSet {
    let mut keys = link.row_set(KEY);
    for id in ids {
        keys.uuid(PROPOSALS.batch_id, id.batch.0).int(PROPOSALS.ordinal, i64::from(id.ordinal));
    }
    keys
}

/// Proposals, of how they stand and what they hold.
fn whole(rows: &[ProposalRow], entries: &[JournalEntry]) -> Result<Vec<(EntryId, Proposal)>, StoreError> {
    let opened: BTreeMap<EntryId, Proposal> =
        entries.iter().filter_map(|stored| Some((stored.id, stored.entry.proposal()?))).collect();
    let whole = |row: &ProposalRow| {
        let opened = opened.get(&row.id).cloned();
        let opened = opened.ok_or_else(|| StoreError::permanent(format!("entry {} proposed nothing", row.id)))?;
        let facts = ProposedFacts { content: row.content, ..opened.facts };
        Ok((row.id, Proposal { state: row.state, decided: row.decided, facts, ..opened }))
    };
    rows.iter().map(whole).collect()
}

static INSERT_PROPOSALS: Sql = Sql::both("store.insert_proposals", "{insert k}").takes(&[rows("k", PROPOSALS.all)]);
static UPDATE_PROPOSALS: Sql = Sql::both("store.update_proposals", "{update k}").takes(&[rows("k", PROPOSALS.all)]);

/// Writes what a batch has made of proposals. Should another node have proposed the same meanwhile, the batch runs again.
pub(super) async fn save(link: &mut Link<'_>, book: &Book, changes: &Changes) -> Result<(), StoreError> {
    let (mut decided, mut new) = (link.row_set(PROPOSALS.all), link.row_set(PROPOSALS.all));
    for id in &changes.proposals {
        let proposal = of_book(book.proposals.get(id))?;
        let rows = if changes.new_proposals.contains(id) { &mut new } else { &mut decided };
        let state = ProposalState::ALL.iter().position(|state| *state == proposal.state).unwrap_or_default();
        rows.uuid(PROPOSALS.batch_id, id.batch.0).int(PROPOSALS.ordinal, i64::from(id.ordinal));
        rows.bytes(PROPOSALS.content, &proposal.facts.content);
        rows.int(PROPOSALS.state, i64::try_from(state).expect("there are six"));
        rows.uuid_or_null(PROPOSALS.decided_batch, proposal.decided.map(|entry| entry.batch.0));
        rows.int_or_null(PROPOSALS.decided_ordinal, proposal.decided.map(|entry| i64::from(entry.ordinal)));
    }
    // What ends makes room for what takes its place.
    link.write(&UPDATE_PROPOSALS, decided).await?;
    link.write(&INSERT_PROPOSALS, new).await
}

static ALL_PROPOSALS: Sql = Sql::both("store.proposals", "SELECT {proposals} FROM proposals").gives(PROPOSALS.all);

/// All there ever were, for the audit.
pub(super) async fn proposals(link: &mut Link<'_>) -> Result<BTreeMap<EntryId, Proposal>, StoreError> {
    let call = link.call(&ALL_PROPOSALS);
    let rows = link.rows(call, row).await?;
    let entries = journal::entries(link, rows.iter().map(|row| row.id)).await?;
    Ok(whole(&rows, &entries)?.into_iter().collect())
}

static PROPOSALS_BEFORE: Sql = Sql::both(
    "store.proposals_before",
    "SELECT {proposals} FROM proposals WHERE (batch_id, ordinal) < ({batch}, {ordinal})
    ORDER BY batch_id DESC, ordinal DESC LIMIT {limit}",
)
.takes(&[one("batch"), one("ordinal"), one("limit")])
.gives(PROPOSALS.all);

static OPEN_PROPOSALS_BEFORE: Sql = Sql::both(
    "store.open_proposals_before",
    "SELECT {proposals} FROM proposals WHERE (batch_id, ordinal) < ({batch}, {ordinal}) AND state = 0
    ORDER BY batch_id DESC, ordinal DESC LIMIT {limit}",
)
.takes(&[one("batch"), one("ordinal"), one("limit")])
.gives(PROPOSALS.all);

/// A proposal as it is stored, with the entries that made and decided it.
#[derive(Debug, Clone)]
pub struct StoredProposal {
    pub id: EntryId,
    pub proposal: Proposal,
    pub asked: JournalEntry,
    pub decided: Option<JournalEntry>,
}

impl Store {
    /// Proposals that were asked for before another, the newest first; those alone of which nothing was decided yet if they
    /// are to be `open`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn proposals(
        &self,
        before: Option<EntryId>,
        open: bool,
        limit: usize,
    ) -> Result<Vec<StoredProposal>, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let mut link = snapshot.link();
        let (batch, ordinal) =
            before.map_or((u128::MAX, i64::from(i32::MAX)), |id| (id.batch.0, i64::from(id.ordinal)));
        let sql = if open { &OPEN_PROPOSALS_BEFORE } else { &PROPOSALS_BEFORE };
        let call = link.call(sql).uuid(batch).int(ordinal).int(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = link.rows(call, row).await?;
        let found = stored(&mut link, &rows).await?;
        snapshot.finish().await?;
        Ok(found)
    }

    /// One proposal, if there is such a one.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn proposal(&self, id: EntryId) -> Result<Option<StoredProposal>, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let mut link = snapshot.link();
        let keys = keys(&link, &BTreeSet::from([id]));
        let call = link.call(&PROPOSAL).rows(keys);
        let rows = link.rows(call, row).await?;
        let found = stored(&mut link, &rows).await?.pop();
        snapshot.finish().await?;
        Ok(found)
    }
}

static PROPOSAL: Sql =
    Sql::both("store.proposal", "SELECT {proposals p} FROM {rows k} CROSS JOIN proposals AS p WHERE {match k p}")
        .takes(&[rows("k", KEY)])
        .gives(PROPOSALS.all);

async fn stored(link: &mut Link<'_>, rows: &[ProposalRow]) -> Result<Vec<StoredProposal>, StoreError> {
    let wanted = rows.iter().flat_map(|row| [Some(row.id), row.decided].into_iter().flatten());
    let entries = journal::entries(link, wanted.collect::<BTreeSet<EntryId>>().into_iter()).await?;
    let of = |id: EntryId| entries.iter().find(|stored| stored.id == id).cloned();
    let found = whole(rows, &entries)?.into_iter().map(|(id, proposal)| {
        let asked = of(id).ok_or_else(|| StoreError::permanent(format!("entry {id} is gone")))?;
        Ok(StoredProposal { id, decided: proposal.decided.and_then(of), asked, proposal })
    });
    found.collect()
}
