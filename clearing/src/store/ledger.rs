//! The whole ledger as it is stored, for the audit: balances in one book, members in others, some at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use clearing_core::book::Book;
use clearing_core::facts::answer::Attachment;
use clearing_core::facts::chain::RequestRecord;
use clearing_core::facts::coalition::House;
use clearing_core::facts::member::IdentifierLink;
use clearing_core::facts::receipt::{Receipt, ReceiptLine};
use clearing_core::facts::window::Gross;
use clearing_core::units::{
    BatchId, EntryId, IdentifierHash, MemberId, Money, PartnerId, Points, RequestId, Timestamp, WindowNumber,
};

use super::settlement::{POINTS, Windows};
use super::sql::{Cells, Sql};
use super::{BatchRow, Snapshot, StoreError, guards, journal, members, partner_id, requests, small};

pub(super) const STATEMENTS: &[&Sql] = &[
    &MEMBERS_BETWEEN,
    &LOTS_BETWEEN,
    &RETURNS_BETWEEN,
    &MEMBERS_WEIGHED,
    &GROSS_REST,
    &ATTACHMENTS_OF_RANGE,
    &COUNTS,
    &OTHER_COMMODITIES,
    &BATCHES_WEIGHED,
    &BATCHES_BETWEEN,
    &REQUESTS_AFTER,
    &LINKS_BETWEEN,
];

const MEMBERS_BETWEEN: Sql = Sql::both(
    "-- store.members_between
    SELECT member_id, entry_no, holdings, next_due_at FROM members WHERE member_id BETWEEN $1 AND $2",
);

const LOTS_BETWEEN: Sql = Sql::both(concat!(
    "-- store.lots_between\n    SELECT ",
    members::lot_columns!(),
    " FROM lots AS l WHERE l.member_id BETWEEN $1 AND $2"
));

const RETURNS_BETWEEN: Sql = Sql::both(
    "-- store.returns_between
    SELECT member_id, batch_id, ordinal, lots, amount, total FROM returns WHERE member_id BETWEEN $1 AND $2",
);

const MEMBERS_WEIGHED: Sql = Sql::both(
    "-- store.members_weighed
    SELECT member_id, entry_no FROM members WHERE member_id > $1 ORDER BY member_id LIMIT $2",
);

// Of the windows from one on, and of those that cannot be.
const GROSS_REST: Sql = Sql::both(
    "-- store.gross_rest
    SELECT window_number, issuer, acceptor, points, amount FROM gross WHERE window_number >= $1 OR window_number < 1",
);

const ATTACHMENTS_OF_RANGE: Sql = Sql::both(
    "-- store.attachments_of_range
    SELECT a.batch_id, a.ordinal, a.salt, a.bytes FROM batches AS b JOIN attachments AS a ON a.batch_id = b.batch_id
    WHERE b.first_sequence >= $1 AND b.first_sequence < $2",
);

const COUNTS: Sql = Sql::both(
    "-- store.counts
    SELECT (SELECT count(*) FROM entries), (SELECT count(*) FROM attachments), (SELECT count(*) FROM receipts)",
);

const OTHER_COMMODITIES: Sql = Sql::both(
    "-- store.other_commodities
    SELECT commodity, account FROM balances WHERE commodity NOT IN ($1, $2) LIMIT 1",
);

const BATCHES_WEIGHED: Sql = Sql::both(
    "-- store.batches_weighed
    SELECT batch_id, request_count FROM batches WHERE batch_id > $1 ORDER BY batch_id LIMIT $2",
);

const BATCHES_BETWEEN: Sql = Sql::both(
    "-- store.batches_between
    SELECT batch_id, number, first_sequence, entry_count, request_count, window_number, time, hash, previous_hash,
        requests_hash, salt
    FROM batches WHERE batch_id BETWEEN $1 AND $2 ORDER BY batch_id LIMIT $3",
);

const REQUESTS_AFTER: Sql = Sql::both(
    "-- store.requests_after
    SELECT partner, request_id, content_hash, state, batch_id, ordinal, entry_count, reply, time FROM requests
    WHERE (partner, request_id) > ($1, $2) ORDER BY partner, request_id LIMIT $3",
);

const LINKS_BETWEEN: Sql = Sql::both(
    "-- store.links_between
    SELECT identifier_hash, member_id, number, salt FROM identifiers WHERE member_id BETWEEN $1 AND $2
    ORDER BY member_id, number",
);

/// Batches whose numbers of requests are read at once.
const BATCHES_AT_ONCE: i64 = 10_000;
/// Members whose numbers of entries are read at once.
const MEMBERS_AT_ONCE: i64 = 10_000;
/// Holds whose entries are read at once.
const HOLDS_AT_ONCE: usize = 1_000;

/// Receipts whose lines are read at once.
const RECEIPTS_AT_ONCE: usize = 1_000;

/// What is stored of some members.
#[derive(Debug)]
pub struct MembersLedger {
    pub book: Book,
    /// Holds that no entry made, or one of another member. They are not in the book.
    pub stray_holds: Vec<EntryId>,
    /// Members whose column of what is due next (the first time) says another time than their row (the second).
    pub misdated: Vec<(MemberId, Timestamp, Timestamp)>,
}

/// How many rows there are of what the audit looks up one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub entries: i64,
    pub attachments: i64,
    pub receipt_lines: i64,
}

/// A request as it is stored.
#[derive(Debug)]
pub struct StoredRequest {
    pub record: RequestRecord,
    /// Which recorded it.
    pub batch: BatchId,
    /// Whether it was undone since.
    pub undone: bool,
    /// When it was recorded.
    pub time: Timestamp,
}

/// An attachment; none if it was erased.
pub type AttachmentRow = (EntryId, Option<Attachment>);

/// Gross obligations by window, issuer and acceptor.
pub type GrossRows = BTreeMap<(WindowNumber, PartnerId, PartnerId), Gross>;

/// Members whose ids follow each other, and how many they are as far as is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRange {
    pub ids: RangeInclusive<MemberId>,
    pub members: u64,
}

impl Snapshot {
    /// Everything that is stored of the ledger but the journal itself, in one book. Costs memory for every lot there ever
    /// was: for a ledger of any size see [`house_ledger`](Self::house_ledger) and
    /// [`members_ledger`](Self::members_ledger).
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn ledger(&mut self, house: Arc<House>) -> Result<Book, StoreError> {
        let mut book = self.house_ledger(house).await?;
        for row in self.windows(Windows::All).await? {
            book.windows.insert(row.window.number, row.window);
        }
        book.gross = self.gross_rest(0).await?;
        let read = self.read_members(book, MemberId(0)..=MemberId(u128::MAX)).await?;
        match read.stray_holds.first() {
            Some(hold) => Err(StoreError::permanent(format!("entry {hold} made no hold"))),
            None => Ok(read.book),
        }
    }

    /// What is stored of the ledger that is no member's, but for windows and gross obligations.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn house_ledger(&mut self, house: Arc<House>) -> Result<Book, StoreError> {
        let open_window = self.gate().await?.open_window;
        let mut book = Book::new(house, open_window);
        let mut link = self.link();
        let call = link.call(&OTHER_COMMODITIES).text(POINTS).text(book.house.coalition.currency.as_str());
        let other = link.row(call, |row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned()))).await?;
        if let Some((commodity, account)) = other {
            return Err(StoreError::permanent(format!("there is a balance of {account} in {commodity}")));
        }
        let balances = self.balances().await?;
        book.points_balances = balances.points;
        book.money_balances = balances.money;
        book.outstanding = self.outstanding().await?;
        let mut link = self.link();
        book.guards = guards::guards(&mut link).await?;
        book.consents = guards::consents(&mut link).await?;
        book.funding = guards::all_funding(&mut link).await?;
        Ok(book)
    }

    /// What is stored of some members, in a book that knows what of their points was paid for.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn members_ledger(
        &mut self,
        of_house: &Book,
        ids: &RangeInclusive<MemberId>,
    ) -> Result<MembersLedger, StoreError> {
        let mut book = Book::new(Arc::clone(&of_house.house), of_house.open_window).of_members(ids.clone());
        book.funding.clone_from(&of_house.funding);
        self.read_members(book, ids.clone()).await
    }

    /// The links of some members, by member and number.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn links(
        &mut self,
        ids: &RangeInclusive<MemberId>,
    ) -> Result<Vec<(IdentifierHash, IdentifierLink)>, StoreError> {
        let mut link = self.link();
        let call = link.call(&LINKS_BETWEEN).uuid(ids.start().0).uuid(ids.end().0);
        let found = |row: &dyn Cells| {
            let salt = row.bytes(3)?.try_into().map_err(|error| StoreError::damaged("the salt of a link", error))?;
            let link = IdentifierLink { member: MemberId(row.uuid(1)?), number: small(row.int(2)?)?, salt };
            Ok((IdentifierHash(super::hash(row.bytes(0)?)?), link))
        };
        link.rows(call, found).await
    }

    /// The attachments of entries with sequences from `from` up to, but not including, `end`; both must begin a batch.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn attachments(&mut self, from: i64, end: i64) -> Result<Vec<AttachmentRow>, StoreError> {
        let mut link = self.link();
        let call = link.call(&ATTACHMENTS_OF_RANGE).int(from).int(end);
        let attachment = |row: &dyn Cells| {
            let id = EntryId { batch: BatchId(row.uuid(0)?), ordinal: small(row.int(1)?)? };
            let (Some(salt), Some(bytes)) = (row.bytes_or_null(2)?, row.bytes_or_null(3)?) else {
                return Ok((id, None));
            };
            let salt = salt.try_into().map_err(|error| StoreError::damaged("an attachment's salt", error))?;
            Ok((id, Some(Attachment { salt, bytes: bytes.to_vec() })))
        };
        link.rows(call, attachment).await
    }

    /// All booked lines of these receipts, with the entries that they were booked with.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn receipt_lines(
        &mut self,
        receipts: &BTreeSet<Receipt>,
    ) -> Result<BTreeMap<ReceiptLine, EntryId>, StoreError> {
        let mut found = BTreeMap::new();
        let receipts: Vec<&Receipt> = receipts.iter().collect();
        for page in receipts.chunks(RECEIPTS_AT_ONCE) {
            let page = page.iter().map(|receipt| (*receipt).clone()).collect();
            found.extend(guards::receipts(&mut self.link(), &page).await?);
        }
        Ok(found)
    }

    /// # Errors
    /// See [`StoreError`].
    pub async fn counts(&mut self) -> Result<Counts, StoreError> {
        let mut link = self.link();
        let call = link.call(&COUNTS);
        let counts =
            |row: &dyn Cells| Ok(Counts { entries: row.int(0)?, attachments: row.int(1)?, receipt_lines: row.int(2)? });
        link.row(call, counts).await?.ok_or_else(journal::no_coalition)
    }

    async fn read_members(
        &mut self,
        mut book: Book,
        ids: RangeInclusive<MemberId>,
    ) -> Result<MembersLedger, StoreError> {
        let (mut stray_holds, mut misdated) = (Vec::new(), Vec::new());
        let house = Arc::clone(&book.house);
        let (first, last) = (ids.start().0, ids.end().0);
        let mut link = self.link();
        let call = link.call(&MEMBERS_BETWEEN).uuid(first).uuid(last);
        let member = |row: &dyn Cells| Ok((members::member(row)?, Timestamp(row.int(3)?)));
        for (member, due) in link.rows(call, member).await? {
            let next = member.next_due(&house.coalition.time_zone);
            if due != next {
                misdated.push((member.id, due, next));
            }
            book.members.insert(member.id, member);
        }
        let call = link.call(&LOTS_BETWEEN).uuid(first).uuid(last);
        for lot in link.rows(call, |row| members::lot(row, &house)).await? {
            book.insert_lot(lot);
        }
        let call = link.call(&RETURNS_BETWEEN).uuid(first).uuid(last);
        for row in link.rows(call, members::returned_row).await? {
            book.returned.insert(row.entry, row.returned);
            book.returned_amounts.extend(row.amount.map(|amount| (row.entry, amount)));
        }
        let holds = guards::holds_between(&mut link, first, last).await?;
        for page in holds.chunks(HOLDS_AT_ONCE) {
            let entries = journal::entries(&mut link, page.iter().map(|row| row.hold.id)).await?;
            let entries: BTreeMap<EntryId, _> = entries.into_iter().map(|stored| (stored.id, stored.entry)).collect();
            for row in page {
                let made = entries.get(&row.hold.id).filter(|entry| entry.member == Some(row.member));
                match made.filter(|entry| entry.hold().is_some()) {
                    Some(entry) => {
                        let mut hold = row.hold.of_entry(entry)?;
                        hold.facts.lapses = row.lapses;
                        book.insert_hold(hold);
                    }
                    None => stray_holds.push(row.hold.id),
                }
            }
        }
        Ok(MembersLedger { book, stray_holds, misdated })
    }

    /// All ids that members may have, in ranges of which the members had about so many entries, but no more ranges than
    /// `ranges_max`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn member_ranges(&mut self, entries: u64, ranges_max: usize) -> Result<Vec<MemberRange>, StoreError> {
        let mut ranges = Vec::new();
        let (mut first, mut after) = (MemberId(0), MemberId(0));
        let (mut weight, mut members) = (0_u64, 0);
        loop {
            let mut link = self.link();
            let call = link.call(&MEMBERS_WEIGHED).uuid(after.0).int(MEMBERS_AT_ONCE);
            let page = link.rows(call, |row| Ok((MemberId(row.uuid(0)?), row.int(1)?))).await?;
            for (member, entry_no) in &page {
                after = *member;
                members += 1;
                weight = weight.saturating_add(u64::try_from(*entry_no).unwrap_or(0));
                if weight >= entries && ranges.len() + 1 < ranges_max && member.0 < u128::MAX {
                    ranges.push(MemberRange { ids: first..=*member, members });
                    (first, weight, members) = (MemberId(member.0 + 1), 0, 0);
                }
            }
            if page.is_empty() {
                ranges.push(MemberRange { ids: first..=MemberId(u128::MAX), members });
                return Ok(ranges);
            }
        }
    }

    /// All ids that batches may have, in ranges of which the batches recorded about so many requests, but no more ranges than
    /// `ranges_max`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn batch_ranges(
        &mut self,
        requests: u64,
        ranges_max: usize,
    ) -> Result<Vec<RangeInclusive<BatchId>>, StoreError> {
        let mut ranges = Vec::new();
        let (mut first, mut after, mut weight) = (BatchId(0), BatchId(0), 0_u64);
        loop {
            let mut link = self.link();
            let call = link.call(&BATCHES_WEIGHED).uuid(after.0).int(BATCHES_AT_ONCE);
            let page = link.rows(call, |row| Ok((BatchId(row.uuid(0)?), row.int(1)?))).await?;
            for (batch, count) in &page {
                after = *batch;
                weight = weight.saturating_add(u64::try_from(*count).unwrap_or(0));
                if weight >= requests && ranges.len() + 1 < ranges_max && batch.0 < u128::MAX {
                    ranges.push(first..=*batch);
                    (first, weight) = (BatchId(batch.0 + 1), 0);
                }
            }
            if page.is_empty() {
                ranges.push(first..=BatchId(u128::MAX));
                return Ok(ranges);
            }
        }
    }

    /// At most `limit` batches with ids from the first to the last, by id.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn batches_between(
        &mut self,
        first: BatchId,
        last: BatchId,
        limit: u32,
    ) -> Result<Vec<BatchRow>, StoreError> {
        let mut link = self.link();
        let call = link.call(&BATCHES_BETWEEN).uuid(first.0).uuid(last.0).int(i64::from(limit));
        link.rows(call, journal::batch).await
    }

    /// At most `limit` requests by partner and id, from behind `after`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn requests_after(
        &mut self,
        after: Option<(PartnerId, RequestId)>,
        limit: u32,
    ) -> Result<Vec<StoredRequest>, StoreError> {
        let mut link = self.link();
        let (partner, request) =
            after.map_or((String::new(), 0), |(partner, request)| (partner.as_str().to_owned(), request.0));
        let call = link.call(&REQUESTS_AFTER).text(partner).uuid(request).int(i64::from(limit));
        link.rows(call, requests::stored_request).await
    }

    /// Which batches recorded these requests; unknown ones are left out.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn batches_of_requests(
        &mut self,
        keys: impl Iterator<Item = (PartnerId, RequestId)>,
    ) -> Result<Vec<((PartnerId, RequestId), BatchId)>, StoreError> {
        requests::batches_of(&mut self.link(), keys).await
    }

    /// Gross obligations of the windows from one on, and of those that cannot be.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn gross_rest(&mut self, from: WindowNumber) -> Result<GrossRows, StoreError> {
        let mut link = self.link();
        let call = link.call(&GROSS_REST).int(i64::from(from));
        let gross = |row: &dyn Cells| {
            let key = (small(row.int(0)?)?, partner_id(row.text(1)?)?, partner_id(row.text(2)?)?);
            Ok((key, Gross { points: Points(row.int(3)?), amount: Money(row.int(4)?) }))
        };
        Ok(link.rows(call, gross).await?.into_iter().collect())
    }
}
