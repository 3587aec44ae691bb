//! The whole ledger as it is stored, for the audit: balances in one book, members in others, some at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use clearing_core::book::Book;
use clearing_core::facts::coalition::House;
use clearing_core::facts::lot::{LotId, consumption_order};
use clearing_core::facts::member::IdentifierLink;
use clearing_core::units::{BatchId, EntryId, IdentifierHash, MemberId, Timestamp};

use super::parts::Parts;
use super::waiting::Waiting;
use super::windows::Windows;
use super::{
    Snapshot, StoreError, balances, charges, consents, credentials, funding, holds, identifiers, journal, legal,
    limits, lots, members, money, people, proposals, returns, waiting,
};

/// Batches whose numbers of requests are read at once.
const BATCHES_AT_ONCE: i64 = 10_000;
/// Members whose numbers of entries are read at once.
const MEMBERS_AT_ONCE: i64 = 10_000;
/// Holds whose entries are read at once.
const HOLDS_AT_ONCE: usize = 1_000;

/// What is stored of some members.
#[derive(Debug)]
pub struct MembersLedger {
    pub book: Book,
    /// Holds that no entry made, or one of another member. They are not in the book.
    pub stray_holds: Vec<EntryId>,
    /// Members whose column of what is due next (the first time) says another time than their row (the second).
    pub misdated: Vec<(MemberId, Timestamp, Timestamp)>,
    /// Lots that stand where their member's row does not look for them, and members whose row has lots out of order.
    pub misplaced: BTreeSet<MemberId>,
    /// Lots that are said to wait for their issuer's payment and do not, or the other way round.
    pub waiting_amiss: BTreeSet<LotId>,
}

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
        let currency = book.house.coalition.currency;
        balances::expect_no_others(&mut self.link(), currency.as_str()).await?;
        let balances = self.balances().await?;
        book.points_balances = balances.points;
        book.money_balances = balances.money;
        book.outstanding = self.outstanding().await?;
        let mut link = self.link();
        book.guards = limits::guards(&mut link).await?;
        book.consents = consents::consents(&mut link).await?;
        book.care = people::all_care(&mut link).await?;
        book.funding = funding::all_funding(&mut link).await?;
        credentials::load_all(&mut link, &mut book).await?;
        book.proposals = proposals::proposals(&mut link).await?;
        legal::load_all(&mut link, &mut book).await?;
        money::load_all(&mut link, &mut book).await?;
        charges::load_all(&mut link, &mut book).await?;
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
        identifiers::links_between(&mut self.link(), *ids.start(), *ids.end()).await
    }

    async fn read_members(
        &mut self,
        mut book: Book,
        ids: RangeInclusive<MemberId>,
    ) -> Result<MembersLedger, StoreError> {
        let (mut stray_holds, mut misdated, mut misplaced) = (Vec::new(), Vec::new(), BTreeSet::new());
        let house = Arc::clone(&book.house);
        let (first, last) = (*ids.start(), *ids.end());
        let mut link = self.link();
        let mut beyond = BTreeMap::new();
        for (member, row, due) in members::members_between(&mut link, first, last).await? {
            let next = member.next_due(&house.coalition.time_zone);
            if due != next {
                misdated.push((member.id, due, next));
            }
            if !row.is_in_order()? {
                misplaced.insert(member.id);
            }
            for lot in row.lots(member.id, &house)? {
                book.insert_lot(lot);
            }
            beyond.extend(row.beyond.map(|place| (member.id, place)));
            book.members.insert(member.id, member);
        }
        for lot in lots::lots_between(&mut link, &house, first, last).await? {
            let place = beyond.get(&lot.id.member);
            let found = place.is_some_and(|place| lot.available.0 == 0 || consumption_order(&lot) >= *place);
            if !found || book.lots.contains_key(&lot.id) {
                misplaced.insert(lot.id.member);
            }
            book.insert_lot(lot);
        }
        let stored: BTreeSet<Waiting> = waiting::waiting_between(&mut link, first, last).await?.into_iter().collect();
        let waits = book.lots.values().filter(|lot| lots::waits(lot)).filter_map(waiting::of_lot).collect();
        let waiting_amiss = stored.symmetric_difference(&waits).map(|(.., lot, _)| *lot).collect();
        for row in returns::returns_between(&mut link, first, last).await? {
            book.returned.insert(row.entry, row.returned);
            book.returned_amounts.extend(row.amount.map(|amount| (row.entry, amount)));
        }
        let holds = holds::holds_between(&mut link, first, last).await?;
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
        Ok(MembersLedger { book, stray_holds, misdated, misplaced, waiting_amiss })
    }

    /// All ids that members may have, in ranges of which the members had about so many entries, but no more ranges than
    /// `ranges_max`: of a larger journal each has more.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn member_ranges(&mut self, entries: u64, ranges_max: usize) -> Result<Vec<MemberRange>, StoreError> {
        let mut parts = Parts::new(entries, ranges_max);
        let mut after = MemberId(0);
        loop {
            let page = members::members_weighed(&mut self.link(), after, MEMBERS_AT_ONCE).await?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            for (member, entry_no) in &page {
                parts.add(member.0, u64::try_from(*entry_no).unwrap_or(0));
            }
        }
        let range = |(ids, members): (RangeInclusive<u128>, u64)| MemberRange {
            ids: MemberId(*ids.start())..=MemberId(*ids.end()),
            members,
        };
        Ok(parts.finish().into_iter().map(range).collect())
    }

    /// All ids that batches may have, in ranges of which the batches recorded about so many requests, but no more ranges than
    /// `ranges_max`: of more requests each has more.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn batch_ranges(
        &mut self,
        requests: u64,
        ranges_max: usize,
    ) -> Result<Vec<RangeInclusive<BatchId>>, StoreError> {
        let mut parts = Parts::new(requests, ranges_max);
        let mut after = BatchId(0);
        loop {
            let page = journal::batches_weighed(&mut self.link(), after, BATCHES_AT_ONCE).await?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            for (batch, count) in &page {
                parts.add(batch.0, u64::try_from(*count).unwrap_or(0));
            }
        }
        let range = |(ids, _): (RangeInclusive<u128>, u64)| BatchId(*ids.start())..=BatchId(*ids.end());
        Ok(parts.finish().into_iter().map(range).collect())
    }
}
