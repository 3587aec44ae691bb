//! The audit: everything that is stored is rebuilt from the journal and compared.
//!
//! | what is read | what is checked |
//! |---|---|
//! | batches, in the order of their sequences | no gap, no entry missing, windows never run back, the chain of hashes from zero to the head |
//! | entries | readable, balanced in points and for each purpose, lots and postings agree |
//! | members, lots, balances, counts, obligations | the same as when the journal is applied to an empty book |
//! | the figures of each close | the same as the journal gives, account by account |
//! | the whole book | the invariants of the rules: issuers against lots, the pool against its points, proofs, continuity |
//!
//! It works on one snapshot of the database and may run beside a house that is open.

use std::sync::Arc;

use clearing_core::audit::{Violation, check, check_entry, compare};
use clearing_core::book::Book;
use clearing_core::journal::{BatchHeader, EntryKind, Hash, JournalEntry, chain_hash};
use clearing_core::proof::ProofTrail;
use clearing_core::units::{BatchId, EntryId, WindowNumber};

use crate::store::{BatchRow, Store, StoreError};

/// Batches read at once.
const STEP: u32 = 500;

/// What an audit has read and found.
#[derive(Debug, Clone, Default)]
pub struct AuditReport {
    pub batches: u64,
    pub entries: u64,
    pub members: u64,
    pub lots: u64,
    /// The hash of the journal's head, as it was recomputed.
    pub head: Hash,
    /// Nothing, if the books are in order.
    pub findings: Vec<Finding>,
}

/// Something that is not in order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    #[error("batch {batch}: its first sequence is {found}, where {expected} should be next")]
    Gap { batch: BatchId, expected: i64, found: i64 },
    #[error("batch {batch}: it names {named} entries, and there are {found}")]
    EntriesMissing { batch: BatchId, named: i64, found: usize },
    #[error("batch {batch}: its hash does not follow from its entries and the hash before it")]
    ChainBroken { batch: BatchId },
    #[error("entry {entry}: it stands in window {window} after window {closed} was closed")]
    WindowRanBack { entry: EntryId, window: WindowNumber, closed: WindowNumber },
    #[error("the head of the journal is not where its batches end")]
    HeadDiffers,
    #[error("entry {entry}: it cannot be applied, because a balance does not fit")]
    Unfit { entry: EntryId },
    #[error(transparent)]
    Violation(#[from] Violation),
}

/// Audits a ledger. `progress` is told how many entries of how many have been read.
///
/// # Errors
/// [`StoreError`] if the ledger cannot be read at all. What is wrong with it is in the report.
pub async fn audit_with(store: &Store, mut progress: impl FnMut(u64, u64)) -> Result<AuditReport, StoreError> {
    let mut snapshot = store.snapshot().await?;
    let house = Arc::new(snapshot.house().await?.house);
    let head = snapshot.journal_head().await?;
    let total = u64::try_from(head.next_sequence - 1).unwrap_or(0);
    let mut report = AuditReport::default();
    let mut rebuilt = Book::new(Arc::clone(&house), 1);
    let mut proofs = ProofTrail::default();
    let mut next = 1;
    let mut window = 1;
    loop {
        let batches = snapshot.batches(next, STEP).await?;
        let Some(last) = batches.last() else { break };
        let end = last.first_sequence + last.entry_count;
        let entries = snapshot.entries(next, end, u32::MAX).await?;
        let mut at = 0;
        for batch in &batches {
            if batch.first_sequence != next {
                let (expected, found) = (next, batch.first_sequence);
                report.findings.push(Finding::Gap { batch: batch.batch, expected, found });
            }
            let own = entries[at..].iter().take_while(|stored| stored.id.batch == batch.batch).count();
            audit_batch(&house.coalition.id, batch, &entries[at..at + own], &mut window, &mut rebuilt, &mut report);
            entries[at..at + own].iter().for_each(|stored| proofs.add(&stored.entry));
            at += own;
            next = batch.first_sequence + batch.entry_count;
        }
        report.batches += u64::try_from(batches.len()).unwrap_or(0);
        report.entries += u64::try_from(at).unwrap_or(0);
        progress(report.entries, total);
    }
    if head.next_sequence != next || head.hash != report.head {
        report.findings.push(Finding::HeadDiffers);
    }
    let stored = snapshot.ledger(house).await?;
    snapshot.finish().await?;
    report.members = u64::try_from(stored.members.len()).unwrap_or(0);
    report.lots = u64::try_from(stored.lots.len()).unwrap_or(0);
    let violations = compare(&stored, &rebuilt).into_iter().chain(check(&stored));
    let violations = violations.chain(proofs.check(&stored.windows));
    report.findings.extend(violations.map(Finding::from));
    Ok(report)
}

/// [`audit_with`] for whoever does not wait for it.
///
/// # Errors
/// As [`audit_with`].
pub async fn audit(store: &Store) -> Result<AuditReport, StoreError> {
    audit_with(store, |_, _| {}).await
}

fn audit_batch(
    coalition: &str,
    batch: &BatchRow,
    entries: &[JournalEntry],
    window: &mut WindowNumber,
    rebuilt: &mut Book,
    report: &mut AuditReport,
) {
    if i64::try_from(entries.len()) != Ok(batch.entry_count) {
        let (named, found) = (batch.entry_count, entries.len());
        report.findings.push(Finding::EntriesMissing { batch: batch.batch, named, found });
    }
    let header = BatchHeader {
        coalition: coalition.to_owned(),
        batch: batch.batch,
        window: batch.window,
        time: batch.time,
        salt: batch.salt,
    };
    let contents = header.contents_hash(entries.iter().map(|stored| (stored.id.ordinal, &*stored.entry)));
    let chained = chain_hash(&report.head, batch.first_sequence, &contents);
    if batch.previous_hash != report.head || batch.hash != chained {
        report.findings.push(Finding::ChainBroken { batch: batch.batch });
    }
    report.head = batch.hash;
    for stored in entries {
        let (id, entry) = (stored.id, &stored.entry);
        report.findings.extend(check_entry(id, entry).into_iter().map(Finding::from));
        if entry.window < *window {
            let closed = *window - 1;
            report.findings.push(Finding::WindowRanBack { entry: id, window: entry.window, closed });
        }
        *window = if entry.kind == EntryKind::Close { entry.window + 1 } else { entry.window.max(*window) };
        if rebuilt.apply(id, entry).is_err() {
            report.findings.push(Finding::Unfit { entry: id });
        }
    }
}
