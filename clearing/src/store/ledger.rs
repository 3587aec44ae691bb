//! The whole ledger as it is stored, for the audit: balances in one book, members in others, some at a time.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use clearing_core::book::Book;
use clearing_core::changes::Gross;
use clearing_core::terms::House;
use clearing_core::units::{EntryId, MemberId, Money, PartnerId, Points, WindowNumber};

use super::settlement::Windows;
use super::sql::{Cells, Sql};
use super::{Snapshot, StoreError, guards, journal, members, partner_id, small};

pub(super) const STATEMENTS: &[&Sql] =
    &[&MEMBERS_BETWEEN, &LOTS_BETWEEN, &RETURNS_BETWEEN, &MEMBERS_WEIGHED, &GROSS_REST];

const MEMBERS_BETWEEN: Sql = Sql::both(
    "-- store.members_between
    SELECT member_id, entry_no, holdings FROM members WHERE member_id BETWEEN $1 AND $2",
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

/// Members whose numbers of entries are read at once.
const MEMBERS_AT_ONCE: i64 = 10_000;
/// Holds whose entries are read at once.
const HOLDS_AT_ONCE: usize = 1_000;

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
        let stray = self.read_members(&mut book, MemberId(0)..=MemberId(u128::MAX)).await?;
        match stray.first() {
            Some(hold) => Err(StoreError::permanent(format!("entry {hold} made no hold"))),
            None => Ok(book),
        }
    }

    /// What is stored of the ledger that is no member's, but for windows and gross obligations.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn house_ledger(&mut self, house: Arc<House>) -> Result<Book, StoreError> {
        let open_window = self.gate().await?.open_window;
        let mut book = Book::new(house, open_window);
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

    /// What is stored of some members, in a book that knows what of their points was paid for; and the holds among it that no
    /// entry made, which are not in the book.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn members_ledger(
        &mut self,
        of_house: &Book,
        ids: &RangeInclusive<MemberId>,
    ) -> Result<(Book, Vec<EntryId>), StoreError> {
        let mut book = Book::new(Arc::clone(&of_house.house), of_house.open_window).of_members(ids.clone());
        book.funding.clone_from(&of_house.funding);
        let stray = self.read_members(&mut book, ids.clone()).await?;
        Ok((book, stray))
    }

    async fn read_members(
        &mut self,
        book: &mut Book,
        ids: RangeInclusive<MemberId>,
    ) -> Result<Vec<EntryId>, StoreError> {
        let mut stray = Vec::new();
        let house = Arc::clone(&book.house);
        let (first, last) = (ids.start().0, ids.end().0);
        let mut link = self.link();
        let call = link.call(&MEMBERS_BETWEEN).uuid(first).uuid(last);
        for member in link.rows(call, members::member).await? {
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
            let entries = journal::entries(&mut link, page.iter().map(|hold| hold.id)).await?;
            let entries: BTreeMap<EntryId, _> = entries.into_iter().map(|stored| (stored.id, stored.entry)).collect();
            for row in page {
                match entries.get(&row.id).filter(|entry| entry.hold().is_some()) {
                    Some(entry) => book.insert_hold(row.of_entry(entry)?),
                    None => stray.push(row.id),
                }
            }
        }
        Ok(stray)
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
