//! The projection of the journal by party: which entries a partner has a part in, and by what it finds them.
//!
//! It is moved along when somebody reads it, never by the writer's batches: a reader first has it catch up with the
//! journal, so what was acknowledged is always in the list. It may be thrown away and made again at any time.

use std::collections::BTreeSet;

use clearing_core::command::{MemberRef, RecordedState};
use clearing_core::hold::Hold;
use clearing_core::journal::{BusinessDate, Code, Entry, JournalEntry};
use clearing_core::units::{EntryId, MemberId, PartnerId, RequestId, WindowNumber};

use super::session::Gate;
use super::settlement::WindowRow;
use super::sql::{Kind, Link, Sql};
use super::{Store, StoreError, guards, journal, members, requests};

pub(super) const STATEMENTS: &[&Sql] =
    &[&CURSOR, &MOVE_CURSOR, &PROJECT, &OF_WINDOW, &BY_SEQUENCE, &BY_RECEIPT, &BY_MEMBER, &BY_STORE, &BY_BUSINESS_DATE];

/// Entries projected in one transaction: on SQLite it holds the writer up for some milliseconds.
const STEP: i64 = 2_000;

const NAME: &str = "entry_parties";

/// Which of a partner's entries to list. What is left out does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntryFilter {
    pub store: Option<Code>,
    pub till: Option<Code>,
    pub receipt_number: Option<Code>,
    pub business_date: Option<BusinessDate>,
    pub member: Option<MemberRef>,
    pub window: Option<WindowNumber>,
    /// Only entries with a smaller sequence than this.
    pub before_sequence: Option<i64>,
}

const CURSOR: Sql = Sql::both(
    "-- store.projection_cursor
    SELECT COALESCE((SELECT next_sequence FROM projection_cursors WHERE name = $1), 1)",
);

const MOVE_CURSOR: Sql = Sql::both(
    "-- store.move_projection_cursor
    INSERT INTO projection_cursors (name, next_sequence) VALUES ($1, $2)
    ON CONFLICT (name) DO UPDATE SET next_sequence = excluded.next_sequence
    WHERE projection_cursors.next_sequence = $3",
);

const PROJECT: Sql = Sql::new(
    "-- store.project
    INSERT INTO entry_parties (partner, sequence, batch_id, ordinal, window_number, kind, member_id, store, till,
        receipt_number, business_date)
    SELECT value->>0, value->>1, substr($2, value->>2, 16), value->>3, value->>4, value->>5,
        substr($2, value->>6, 16), nullif(value->>7, ''), nullif(value->>8, ''), nullif(value->>9, ''), value->>10
    FROM jsonb_each($1)",
    "-- store.project
    INSERT INTO entry_parties (partner, sequence, batch_id, ordinal, window_number, kind, member_id, store, till,
        receipt_number, business_date)
    SELECT partner, sequence, batch_id, ordinal, window_number, kind, member_id, nullif(store, ''), nullif(till, ''),
        nullif(receipt_number, ''), business_date
    FROM unnest($1::text[], $2::bigint[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::uuid[],
        $8::text[], $9::text[], $10::text[], $11::bigint[])
    AS p (partner, sequence, batch_id, ordinal, window_number, kind, member_id, store, till, receipt_number,
        business_date)",
);

const OF_WINDOW: Sql = Sql::both(
    "-- store.entries_of_window
    SELECT e.batch_id, e.ordinal, p.sequence, e.bytes
    FROM (SELECT sequence, batch_id, ordinal FROM entry_parties
        WHERE partner = $1 AND sequence >= $2 AND sequence < $3 ORDER BY sequence LIMIT $4) AS p
    JOIN entries AS e ON e.batch_id = p.batch_id AND e.ordinal = p.ordinal ORDER BY p.sequence",
);

/// A list of a partner's entries, newest first, that begins from the index of one filter; the others are checked on
/// its rows.
macro_rules! list {
    ($name:literal, $uuid:literal, $anchor:literal) => {
        concat!(
            "-- store.",
            $name,
            "
    SELECT e.batch_id, e.ordinal, p.sequence, e.bytes
    FROM (SELECT sequence, batch_id, ordinal FROM entry_parties
        WHERE partner = $1 AND sequence < $2 AND ",
            $anchor,
            " AND (CAST($3 AS ",
            $uuid,
            ") IS NULL OR member_id = $3)
        AND (CAST($4 AS text) IS NULL OR store = $4)
        AND (CAST($5 AS text) IS NULL OR till = $5)
        AND (CAST($6 AS text) IS NULL OR receipt_number = $6)
        AND (CAST($7 AS bigint) IS NULL OR business_date = $7)
        AND (CAST($8 AS bigint) IS NULL OR window_number = $8)
        ORDER BY sequence DESC LIMIT $9) AS p
    JOIN entries AS e ON e.batch_id = p.batch_id AND e.ordinal = p.ordinal ORDER BY p.sequence DESC"
        )
    };
}

const BY_SEQUENCE: Sql =
    Sql::new(list!("entries_by_sequence", "blob", "true"), list!("entries_by_sequence", "uuid", "true"));
const BY_RECEIPT: Sql = Sql::new(
    list!("entries_by_receipt", "blob", "receipt_number = $6"),
    list!("entries_by_receipt", "uuid", "receipt_number = $6"),
);
const BY_MEMBER: Sql = Sql::new(
    list!("entries_by_member", "blob", "member_id = $3"),
    list!("entries_by_member", "uuid", "member_id = $3"),
);
const BY_STORE: Sql =
    Sql::new(list!("entries_by_store", "blob", "store = $4"), list!("entries_by_store", "uuid", "store = $4"));
const BY_BUSINESS_DATE: Sql = Sql::new(
    list!("entries_by_business_date", "blob", "business_date = $7"),
    list!("entries_by_business_date", "uuid", "business_date = $7"),
);

impl Store {
    /// Moves the projection along until it has reached the end of the journal as it was when this was called.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        let end = journal::head(&mut self.reader().await?.link()).await?.next_sequence;
        if cursor(&mut self.reader().await?.link()).await? >= end {
            return Ok(());
        }
        let mut kept = self.projector.lock().await;
        // Taken out while it works: if the caller goes away, the session goes with it, and with that its transaction.
        let mut session = match kept.take() {
            Some(session) => session,
            None => self.writer().await?,
        };
        while project(&mut session).await? < end {}
        *kept = Some(session);
        Ok(())
    }

    /// At most `limit` entries that a partner has a part in, newest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn entries_of(
        &self,
        partner: PartnerId,
        filter: &EntryFilter,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, StoreError> {
        self.catch_up().await?;
        let mut snapshot = self.snapshot().await?;
        let member = match filter.member {
            None => None,
            Some(MemberRef::Id(id)) => Some(id),
            Some(MemberRef::Identifier(hash)) => {
                match members::identifiers(&mut snapshot.link(), &[hash]).await?.first() {
                    Some((_, member)) => Some(*member),
                    // Nobody has this identifier, so there is nothing of it.
                    None => return Ok(Vec::new()),
                }
            }
        };
        let found = list(&mut snapshot.link(), partner, filter, member, limit).await?;
        snapshot.finish().await?;
        Ok(found)
    }

    /// At most `limit` entries that a partner has a part in, of one window, from a sequence on, oldest first.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn entries_of_window(
        &self,
        partner: PartnerId,
        window: &WindowRow,
        from: i64,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, StoreError> {
        self.catch_up().await?;
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let call = link.call(&OF_WINDOW).text(partner.as_str()).int(from.max(window.first_sequence));
        let call = call.int(window.end_sequence.unwrap_or(i64::MAX)).int(i64::try_from(limit).unwrap_or(i64::MAX));
        link.rows(call, journal::entry).await
    }

    /// The first entry that an accepted request wrote.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn entry_of_request(
        &self,
        partner: PartnerId,
        request: RequestId,
    ) -> Result<Option<EntryId>, StoreError> {
        let found = requests::requests(&mut self.reader().await?.link(), [(partner, request)].into_iter()).await?;
        Ok(found.into_iter().next().and_then(|row| match row.recorded.state {
            RecordedState::Accepted(accepted) => accepted.entries.first().copied(),
            RecordedState::Rejected(_) | RecordedState::Abandoned => None,
        }))
    }

    /// Those of a partner's keys whose requests were abandoned.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn abandoned_requests(
        &self,
        partner: PartnerId,
        ids: &[RequestId],
    ) -> Result<BTreeSet<RequestId>, StoreError> {
        let keys = ids.iter().map(|id| (partner, *id));
        let found = requests::requests(&mut self.reader().await?.link(), keys).await?;
        let abandoned = found.into_iter().filter(|row| row.recorded.state == RecordedState::Abandoned);
        Ok(abandoned.map(|row| row.key.1).collect())
    }

    /// The hold that an entry made, as it is stored.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn hold(&self, id: EntryId) -> Result<Option<Hold>, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let mut link = snapshot.link();
        let entry = journal::entries(&mut link, [id].into_iter()).await?.pop().map(|stored| stored.entry);
        let member = entry.as_ref().filter(|entry| entry.hold().is_some()).and_then(|entry| entry.member);
        let rows = guards::holds(&mut link, &member.map(|member| (member, id)).into_iter().collect()).await?;
        snapshot.finish().await?;
        entry.and_then(|entry| Some(rows.first()?.of_entry(&entry))).transpose()
    }
}

async fn cursor(link: &mut Link<'_>) -> Result<i64, StoreError> {
    let call = link.call(&CURSOR).text(NAME);
    Ok(link.row(call, |row| row.int(0)).await?.unwrap_or(1))
}

/// Projects the next step of the journal in one transaction, and gives where the projection stands after it.
async fn project(session: &mut super::WriterSession) -> Result<i64, StoreError> {
    session.begin(Gate::Shared).await?;
    let mut link = session.link();
    let from = cursor(&mut link).await?;
    let entries = journal::entries_of_range(&mut link, from, i64::MAX, STEP).await?;
    let next = entries.last().map_or(from, |last| last.sequence + 1);
    // Moved first: of two nodes that project the same step, the second waits here and then finds it done.
    let call = link.call(&MOVE_CURSOR).text(NAME).int(next).int(from);
    if next == from || link.execute(call).await? == 0 {
        session.rollback().await?;
        return Ok(from);
    }
    let mut rows = link.table(&[
        Kind::Text,
        Kind::Int,
        Kind::Uuid,
        Kind::Int,
        Kind::Int,
        Kind::Int,
        Kind::Uuid,
        Kind::Text,
        Kind::Text,
        Kind::Text,
        Kind::Int,
    ]);
    for JournalEntry { id, sequence, entry } in &entries {
        for partner in entry.parties() {
            // What another asked for is found by its sequence alone: whose and where it was is not this party's.
            let asked = Some(entry).filter(|entry| entry.partner == partner);
            let code =
                |of: fn(&Entry) -> &Option<Code>| asked.and_then(|entry| of(entry).as_ref()).map_or("", Code::as_str);
            rows.text(partner.as_str()).int(*sequence).uuid(id.batch.0).int(i64::from(id.ordinal));
            rows.int(i64::from(entry.window)).int(i64::from(entry.kind as u8));
            rows.uuid_or_null(asked.and_then(|entry| entry.member).map(|member| member.0));
            rows.text(code(|entry| &entry.origin.store)).text(code(|entry| &entry.origin.till));
            rows.text(code(|entry| &entry.origin.receipt_number));
            rows.int_or_null(asked.and_then(|entry| entry.origin.business_date).map(date_number));
        }
    }
    let call = link.call(&PROJECT).table(rows);
    link.execute(call).await?;
    session.commit().await?;
    Ok(next)
}

/// A day as the number yyyymmdd.
fn date_number(date: BusinessDate) -> i64 {
    let date = date.to_jiff();
    i64::from(date.year()) * 10_000 + i64::from(date.month()) * 100 + i64::from(date.day())
}

async fn list(
    link: &mut Link<'_>,
    partner: PartnerId,
    filter: &EntryFilter,
    member: Option<MemberId>,
    limit: usize,
) -> Result<Vec<JournalEntry>, StoreError> {
    // The filter that leaves the fewest rows comes first.
    let sql = if filter.receipt_number.is_some() {
        &BY_RECEIPT
    } else if member.is_some() {
        &BY_MEMBER
    } else if filter.store.is_some() {
        &BY_STORE
    } else if filter.business_date.is_some() {
        &BY_BUSINESS_DATE
    } else {
        &BY_SEQUENCE
    };
    let code = |code: &Option<Code>| code.as_ref().map(|code| code.as_str().to_owned());
    let call = link.call(sql).text(partner.as_str()).int(filter.before_sequence.unwrap_or(i64::MAX));
    let call = call.uuid_or_null(member.map(|member| member.0)).text_or_null(code(&filter.store));
    let call = call.text_or_null(code(&filter.till)).text_or_null(code(&filter.receipt_number));
    let call = call.int_or_null(filter.business_date.map(date_number)).int_or_null(filter.window.map(i64::from));
    let call = call.int(i64::try_from(limit).unwrap_or(i64::MAX));
    link.rows(call, journal::entry).await
}
