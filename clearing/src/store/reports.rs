//! Reads for those who ask rather than act.

use std::collections::BTreeMap;
use std::sync::Arc;

use clearing_core::book::Book;
use clearing_core::facts::answer::Attachment;
use clearing_core::facts::coalition::House;
use clearing_core::facts::entry::JournalEntry;
use clearing_core::facts::member::MemberRef;
use clearing_core::facts::window::Gross;
use clearing_core::units::{EntryId, PartnerId, Points, Timestamp, WindowNumber};

use super::house::{self, GateRow, HouseRow};
use super::journal::{self, BatchRow, JournalHead};
use super::settlement::{self, Balances, WindowRow, Windows};
use super::{Snapshot, Store, StoreError, slice};

impl Store {
    /// The gate row: the open window and the last change made under the gate.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn gate(&self) -> Result<GateRow, StoreError> {
        house::gate(&mut self.reader().await?.link()).await
    }

    /// An entry by its id.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn entry(&self, id: EntryId) -> Result<Option<JournalEntry>, StoreError> {
        let found = journal::entries(&mut self.reader().await?.link(), [id].into_iter()).await?;
        Ok(found.into_iter().next())
    }

    /// The attachment of an entry, unless it has none or it was erased.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn attachment(&self, entry: EntryId) -> Result<Option<Attachment>, StoreError> {
        journal::attachment(&mut self.reader().await?.link(), entry).await
    }
}

impl Snapshot {
    /// The part of the ledger that tells a member's balance, holdings and next expiry; with `points` so many lots, too,
    /// that redeeming them can be quoted. An unknown member is not in the book.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn member(
        &mut self,
        member: MemberRef,
        points: Option<Points>,
        now: Timestamp,
    ) -> Result<Book, StoreError> {
        let gate = self.gate().await?;
        let house = self.house_of(gate.terms_epoch).await?;
        let mut book = Book::new(house, gate.open_window);
        slice::load_member(&mut self.link(), &mut book, member, points, now).await?;
        Ok(book)
    }

    /// The house as this snapshot has it: lots may be of terms that another node made a moment ago.
    pub(super) async fn house_of(&mut self, terms_epoch: i64) -> Result<Arc<House>, StoreError> {
        let known = self.house.lock().expect("nobody panics with the lock").clone();
        if let Some((_, house)) = known.filter(|(epoch, _)| *epoch == terms_epoch) {
            return Ok(house);
        }
        let house = Arc::new(self.house().await?.house);
        *self.house.lock().expect("nobody panics with the lock") = Some((terms_epoch, Arc::clone(&house)));
        Ok(house)
    }

    /// The house.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn house(&mut self) -> Result<HouseRow, StoreError> {
        house::load_house(&mut self.link()).await
    }

    /// The gate row.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn gate(&mut self) -> Result<GateRow, StoreError> {
        house::gate(&mut self.link()).await
    }

    /// Where the journal ends.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn journal_head(&mut self) -> Result<JournalHead, StoreError> {
        journal::head(&mut self.link()).await
    }

    /// At most `limit` batches in the order of the chain, from the one of the number `from`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn batches(&mut self, from: i64, limit: u32) -> Result<Vec<BatchRow>, StoreError> {
        journal::batches(&mut self.link(), from, i64::from(limit)).await
    }

    /// At most `limit` entries with sequences from `from` up to, but not including, `end`, in journal order.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn entries(&mut self, from: i64, end: i64, limit: u32) -> Result<Vec<JournalEntry>, StoreError> {
        journal::entries_of_range(&mut self.link(), from, end, i64::from(limit)).await
    }

    /// Windows with their participants, legs and orders, by number.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn windows(&mut self, which: Windows) -> Result<Vec<WindowRow>, StoreError> {
        settlement::windows(&mut self.link(), which).await
    }

    /// Gross obligations of a window, issuer to acceptor.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn gross(&mut self, window: WindowNumber) -> Result<BTreeMap<(PartnerId, PartnerId), Gross>, StoreError> {
        settlement::gross(&mut self.link(), window).await
    }

    /// The balances of all accounts of the house; what members hold is not among them.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn balances(&mut self) -> Result<Balances, StoreError> {
        settlement::balances(&mut self.link()).await
    }

    /// Points not yet redeemed, expired or taken back, per version of terms.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn outstanding(&mut self) -> Result<BTreeMap<(PartnerId, u32), Points>, StoreError> {
        house::outstanding(&mut self.link()).await
    }
}
