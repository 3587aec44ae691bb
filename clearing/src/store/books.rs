//! What accountants read: the open window as a close would find it, windows, the balances of everybody.

use clearing_core::book::Book;
use clearing_core::chart::MoneyAccount;
use clearing_core::journal::JournalEntry;
use clearing_core::netting::Obligations;
use clearing_core::units::{MemberId, Money, Points, WindowNumber};

use super::load::load_all;
use super::members::member;
use super::settlement::{self, Balances, WindowRow, Windows};
use super::sql::Sql;
use super::{Store, StoreError, house, journal};

pub(super) const STATEMENTS: &[&Sql] = &[&MEMBERS_FROM];

/// Members whose rows are read at once.
const MEMBERS_AT_ONCE: u32 = 10_000;

/// The balances of all accounts at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrialBalance {
    /// The accounts of the house.
    pub balances: Balances,
    /// What all members hold, from their own rows and not from what their issuers owe. Wider than any balance, so that
    /// it is told rather than cut off should the books be broken.
    pub held_by_members: i128,
    /// A page of the members who hold something, by id.
    pub members: Vec<(MemberId, Points)>,
    /// The last member that the page has looked at, if there are more behind it.
    pub members_end: Option<MemberId>,
    /// The sequence of the last entry in all these figures; 0 if there is none.
    pub last_sequence: i64,
}

/// Which members a trial balance lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberPage {
    pub after: Option<MemberId>,
    pub limit: usize,
}

const MEMBERS_FROM: Sql = Sql::both(
    "-- store.members_from
    SELECT member_id, entry_no, holdings FROM members WHERE member_id > $1
    ORDER BY member_id LIMIT $2",
);

impl Store {
    /// The open window as a command of the house would find it: with the house, all balances, the gross obligations of the
    /// window, and every window that is not settled. The book is a copy: what is done to it is not saved.
    ///
    /// # Errors
    /// Permanent if the database holds no coalition.
    pub async fn open_book(&self) -> Result<Book, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let mut link = snapshot.link();
        let house = house::load_house(&mut link).await?.house;
        let gate = house::gate(&mut link).await?;
        let mut book = Book::new(std::sync::Arc::new(house), gate.open_window);
        load_all(&mut link, &mut book, &[]).await?;
        snapshot.finish().await?;
        Ok(book)
    }

    /// A window with all that belongs to it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn window_row(&self, number: WindowNumber) -> Result<Option<WindowRow>, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let found = settlement::windows(&mut snapshot.link(), Windows::One(number)).await?;
        snapshot.finish().await?;
        Ok(found.into_iter().next())
    }

    /// At most `limit` windows before the one of this number, or up to the open one, the newest first.
    ///
    /// # Errors
    /// Permanent if the database holds no coalition.
    pub async fn windows_before(
        &self,
        before: Option<WindowNumber>,
        limit: usize,
    ) -> Result<Vec<WindowRow>, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let mut link = snapshot.link();
        let open = house::gate(&mut link).await?.open_window;
        let last = before.map_or(open, |before| before.saturating_sub(1).min(open));
        // Windows are numbered without gaps, so the page is a range.
        let limit = WindowNumber::try_from(limit).unwrap_or(WindowNumber::MAX);
        let first = last.saturating_sub(limit).saturating_add(1).max(1);
        let mut found = settlement::windows(&mut link, Windows::Between(first, last)).await?;
        snapshot.finish().await?;
        found.reverse();
        Ok(found)
    }

    /// All balances at one moment, with a page of members if one is asked for. What members hold is summed over all of
    /// their rows: seconds for millions of members.
    ///
    /// # Errors
    /// Permanent if the database holds no coalition.
    pub async fn trial_balance(&self, page: Option<MemberPage>) -> Result<TrialBalance, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let mut link = snapshot.link();
        let mut found = TrialBalance {
            balances: settlement::balances(&mut link).await?,
            last_sequence: journal::head(&mut link).await?.next_sequence - 1,
            ..TrialBalance::default()
        };
        let mut last = Some(MemberId(0));
        while let Some(after) = last {
            let call = link.call(&MEMBERS_FROM).uuid(after.0).int(i64::from(MEMBERS_AT_ONCE));
            let members = link.rows(call, member).await?;
            last = members.last().map(|member| member.id).filter(|_| members.len() == MEMBERS_AT_ONCE as usize);
            for member in members {
                let held: i128 = member
                    .holdings
                    .values()
                    .map(|holding| {
                        i128::from(holding.available.0) + i128::from(holding.held.0) + i128::from(holding.pending.0)
                    })
                    .sum();
                found.held_by_members += held;
            }
        }
        if let Some(MemberPage { after, limit }) = page {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let call = link.call(&MEMBERS_FROM).uuid(after.map_or(0, |after| after.0)).int(limit);
            let members = link.rows(call, member).await?;
            let full = i64::try_from(members.len()).unwrap_or(i64::MAX) == limit;
            found.members_end = members.last().map(|member| member.id).filter(|_| full);
            for member in members {
                let available =
                    i64::try_from(member.available()).map_err(|error| StoreError::damaged("a holding", error))?;
                if available != 0 {
                    found.members.push((member.id, Points(available)));
                }
            }
        }
        snapshot.finish().await?;
        Ok(found)
    }

    /// Gross obligations of a window, issuer to acceptor.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn gross_of(&self, window: WindowNumber) -> Result<Obligations, StoreError> {
        settlement::gross(&mut self.reader().await?.link(), window).await
    }

    /// The balance of one of the house's accounts in money.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn money_balance(&self, account: MoneyAccount) -> Result<Money, StoreError> {
        let balances = settlement::balances(&mut self.reader().await?.link()).await?;
        Ok(balances.money.get(&account).copied().unwrap_or_default())
    }

    /// At most `limit` entries of the journal from a sequence on, of one window if it is named, in journal order. None of
    /// a window that there is not.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn journal(
        &self,
        from: i64,
        window: Option<WindowNumber>,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, StoreError> {
        let (mut from, mut end) = (from.max(1), i64::MAX);
        let mut snapshot = self.snapshot().await?;
        let mut link = snapshot.link();
        let mut found = Vec::new();
        let range = match window {
            None => Some((from, end)),
            // The entries of a window are one range of the journal.
            Some(number) => {
                let row = settlement::windows(&mut link, Windows::One(number)).await?.into_iter().next();
                row.map(|row| (row.first_sequence, row.end_sequence.unwrap_or(i64::MAX)))
            }
        };
        if let Some((first, last)) = range {
            (from, end) = (from.max(first), end.min(last));
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            found = journal::entries_of_range(&mut link, from, end, limit).await?;
        }
        snapshot.finish().await?;
        Ok(found)
    }
}
