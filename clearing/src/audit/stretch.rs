//! The journal, read a stretch at a time ahead of whoever plays it: decoding and hashing are half of the work, and need to
//! know nothing of the entries before.

use clearing_core::facts::Fact;
use clearing_core::facts::chain::{BatchHeader, STRIPE};
use clearing_core::facts::entry::JournalEntry;
use clearing_core::units::Hash;
use tokio::sync::mpsc::Sender;

use super::AuditError;
use crate::store::{AttachmentRow, BatchRow, JournalHead, Snapshot};

/// Batches read at once, and entries of them at the most, unless one batch has more.
const BATCHES_AT_ONCE: u32 = 500;
const STRETCH: i64 = 5_000;

/// Some batches in the order of their numbers, and what is stored with them.
pub(super) struct Stretch {
    pub batches: Vec<Read>,
    pub entries: Vec<JournalEntry>,
    pub attachments: Vec<AttachmentRow>,
}

/// A batch as it was read.
pub(super) struct Read {
    pub row: BatchRow,
    /// How many of the entries of the stretch are its own.
    pub entries: usize,
    /// The hash of what is stored of it, apart from its place in the chain.
    pub contents: Hash,
}

/// Reads all batches from a place in the journal on, for as long as somebody takes them. The hashes are those of a coalition of
/// this id, until an entry founds another.
///
/// # Errors
/// See [`AuditError`].
pub(super) async fn read(
    mut snapshot: Snapshot,
    mut coalition: String,
    from: JournalHead,
    to: Sender<Stretch>,
) -> Result<Snapshot, AuditError> {
    let JournalHead { next_sequence: mut next, next_number: mut number, .. } = from;
    loop {
        let mut rows = snapshot.batches(number, BATCHES_AT_ONCE).await?;
        let Some(first) = rows.first().map(|first| first.first_sequence) else { break };
        let fits = |batch: &&BatchRow| batch.end_sequence().saturating_sub(first) <= STRETCH;
        rows.truncate(rows.iter().take_while(fits).count().max(1));
        let Some((end, last)) = rows.last().map(|last| (last.end_sequence(), last.number)) else { break };
        let entries = snapshot.entries(next, end, u32::MAX).await?;
        let attachments = snapshot.attachments(next, end).await?;
        let mut rest = &entries[..];
        let mut batches = Vec::with_capacity(rows.len());
        for row in rows {
            let (own, behind) = rest.split_at(rest.iter().take_while(|stored| stored.id.batch == row.batch).count());
            rest = behind;
            let contents = contents(&row, &coalition, own);
            for fact in own.iter().flat_map(|stored| stored.entry.facts.iter()) {
                if let Fact::Founded(founded) = fact {
                    coalition.clone_from(&founded.coalition.id);
                }
            }
            batches.push(Read { row, entries: own.len(), contents });
        }
        let taken = to.send(Stretch { batches, entries, attachments }).await;
        (next, number) = (end, last.saturating_add(1));
        // A row that is broken may have the last number that there is, and would be found again and again.
        if taken.is_err() || number == i64::MAX {
            break;
        }
    }
    Ok(snapshot)
}

fn contents(batch: &BatchRow, coalition: &str, entries: &[JournalEntry]) -> Hash {
    let header = BatchHeader {
        coalition: coalition.to_owned(),
        stripe: STRIPE,
        batch: batch.batch,
        window: batch.window,
        time: batch.time,
        salt: batch.salt,
    };
    let numbered = entries.iter().map(|stored| (stored.id.ordinal, &*stored.entry));
    header.contents_hash(&batch.requests_hash, numbered)
}
