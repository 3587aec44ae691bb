//! Attachments: personal data and free text that entries only commit to, apart from the journal, so that they can be erased.

use clearing_core::book::changes::Changes;
use clearing_core::facts::answer::Attachment;
use clearing_core::units::EntryId;

use super::cells::Row;
use super::sql::{Link, Sql, rows};
use super::tables::{ATTACHMENTS, Column};
use super::{Snapshot, Store, StoreError};

pub(super) static STATEMENTS: &[&Sql] = &[&INSERT_ATTACHMENTS, &ATTACHMENT, &ATTACHMENTS_OF_RANGE];

/// An attachment; none if it was erased.
pub type AttachmentRow = (EntryId, Option<Attachment>);

/// An attachment that is not erased.
const KEPT: &[Column] = &[ATTACHMENTS.batch_id, ATTACHMENTS.ordinal, ATTACHMENTS.salt, ATTACHMENTS.bytes];

static INSERT_ATTACHMENTS: Sql = Sql::both("store.insert_attachments", "{insert k}").takes(&[rows("k", KEPT)]);

/// Writes the attachments of a batch's entries.
pub(super) async fn save(link: &mut Link<'_>, changes: &Changes) -> Result<(), StoreError> {
    let mut rows = link.row_set(KEPT);
    for (entry, attachment) in &changes.attachments {
        rows.uuid(ATTACHMENTS.batch_id, entry.batch.0).int(ATTACHMENTS.ordinal, i64::from(entry.ordinal));
        rows.bytes(ATTACHMENTS.salt, &attachment.salt).bytes(ATTACHMENTS.bytes, &attachment.bytes);
    }
    link.write(&INSERT_ATTACHMENTS, rows).await
}

static ATTACHMENT: Sql = Sql::both(
    "store.attachment",
    "SELECT {attachments} FROM attachments WHERE batch_id = $1 AND ordinal = $2 AND erased_at IS NULL",
)
.gives(KEPT);

static ATTACHMENTS_OF_RANGE: Sql = Sql::both(
    "store.attachments_of_range",
    "SELECT {attachments a} FROM batches AS b JOIN attachments AS a ON a.batch_id = b.batch_id
    WHERE b.first_sequence >= $1 AND b.first_sequence < $2",
)
.gives(KEPT);

fn attachment(row: &Row<'_>) -> Result<AttachmentRow, StoreError> {
    let id = row.entry(ATTACHMENTS.batch_id, ATTACHMENTS.ordinal)?;
    let (salt, bytes) = (row.bytes_or_null(ATTACHMENTS.salt)?, row.bytes_or_null(ATTACHMENTS.bytes)?);
    let (Some(salt), Some(bytes)) = (salt, bytes) else { return Ok((id, None)) };
    let salt = salt.try_into().map_err(|error| StoreError::damaged("an attachment's salt", error))?;
    Ok((id, Some(Attachment { salt, bytes: bytes.to_vec() })))
}

impl Store {
    /// The attachment of an entry, unless it has none or it was erased.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn attachment(&self, entry: EntryId) -> Result<Option<Attachment>, StoreError> {
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let call = link.call(&ATTACHMENT).uuid(entry.batch.0).int(i64::from(entry.ordinal));
        Ok(link.row(call, attachment).await?.and_then(|(_, attachment)| attachment))
    }
}

impl Snapshot {
    /// The attachments of entries with sequences from `from` up to, but not including, `end`; both must begin a batch.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn attachments(&mut self, from: i64, end: i64) -> Result<Vec<AttachmentRow>, StoreError> {
        let mut link = self.link();
        let call = link.call(&ATTACHMENTS_OF_RANGE).int(from).int(end);
        link.rows(call, attachment).await
    }
}
