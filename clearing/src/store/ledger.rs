//! The whole ledger as it is stored, for the audit: every member, lot and balance in one book.

use std::collections::BTreeMap;
use std::sync::Arc;

use clearing_core::book::Book;
use clearing_core::changes::Gross;
use clearing_core::terms::House;
use clearing_core::units::{BatchId, EntryId, MemberId, Money, Points};

use super::settlement::Windows;
use super::sql::{Cells, Sql};
use super::{Snapshot, StoreError, guards, journal, members, partner_id, small};

pub(super) const STATEMENTS: &[&Sql] = &[&ALL_MEMBERS, &ALL_LOTS, &ALL_RETURNS, &ALL_GROSS];

const ALL_MEMBERS: Sql = Sql::both(
    "-- store.all_members
    SELECT member_id, entry_no, holdings FROM members",
);

const ALL_LOTS: Sql = Sql::both(concat!("-- store.all_lots\n    SELECT ", members::lot_columns!(), " FROM lots AS l"));

const ALL_RETURNS: Sql = Sql::both(
    "-- store.all_returns
    SELECT member_id, batch_id, ordinal, lots FROM returns WHERE points > 0",
);

const ALL_GROSS: Sql = Sql::both(
    "-- store.all_gross
    SELECT window_number, issuer, acceptor, points, amount FROM gross",
);

/// Holds whose entries are read at once.
const HOLDS_AT_ONCE: usize = 1_000;

impl Snapshot {
    /// Everything that is stored of the ledger but the journal itself. Costs memory for every lot there ever was.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn ledger(&mut self, house: Arc<House>) -> Result<Book, StoreError> {
        let open_window = self.gate().await?.open_window;
        let mut book = Book::new(Arc::clone(&house), open_window);
        let balances = self.balances().await?;
        book.points_balances = balances.points;
        book.money_balances = balances.money;
        book.outstanding = self.outstanding().await?;
        for row in self.windows(Windows::All).await? {
            book.windows.insert(row.window.number, row.window);
        }
        let mut link = self.link();
        let call = link.call(&ALL_MEMBERS);
        for member in link.rows(call, members::member).await? {
            book.members.insert(member.id, member);
        }
        let call = link.call(&ALL_LOTS);
        for lot in link.rows(call, |row| members::lot(row, &house)).await? {
            book.insert_lot(lot);
        }
        let call = link.call(&ALL_RETURNS);
        let returned = |row: &dyn Cells| {
            let entry = EntryId { batch: BatchId(row.uuid(1)?), ordinal: small(row.int(2)?)? };
            Ok((entry, members::returned(MemberId(row.uuid(0)?), row.bytes(3)?)?))
        };
        book.returned = link.rows(call, returned).await?.into_iter().collect();
        let gross = |row: &dyn Cells| {
            let key = (small(row.int(0)?)?, partner_id(row.text(1)?)?, partner_id(row.text(2)?)?);
            Ok((key, Gross { points: Points(row.int(3)?), amount: Money(row.int(4)?) }))
        };
        book.guards = guards::guards(&mut link).await?;
        book.consents = guards::consents(&mut link).await?;
        book.funding = guards::all_funding(&mut link).await?;
        let holds = guards::all_holds(&mut link).await?;
        for page in holds.chunks(HOLDS_AT_ONCE) {
            let entries = journal::entries(&mut link, page.iter().map(|hold| hold.id)).await?;
            let entries: BTreeMap<EntryId, _> = entries.into_iter().map(|stored| (stored.id, stored.entry)).collect();
            for row in page {
                let entry = entries.get(&row.id);
                let entry =
                    entry.ok_or_else(|| StoreError::permanent(format!("the entry of hold {} is gone", row.id)))?;
                book.insert_hold(row.of_entry(entry)?);
            }
        }
        let call = link.call(&ALL_GROSS);
        book.gross = link.rows(call, gross).await?.into_iter().collect::<BTreeMap<_, _>>();
        Ok(book)
    }
}
