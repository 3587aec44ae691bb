//! What accountants read: the open window as a close would find it, the balances of everybody, the journal of a window.

use std::collections::BTreeMap;

use clearing_core::book::Book;
use clearing_core::chart::PointsAccount;
use clearing_core::command::Request;
use clearing_core::facts::entry::JournalEntry;
use clearing_core::facts::member::Member;
use clearing_core::units::{MemberId, Points, Timestamp, WindowNumber};

use super::balances::{Balances, all_balances};
use super::members::{member_rows, members_after};
use super::slice::{load_all, load_to_show};
use super::sql::Link;
use super::windows::{Windows, windows};
use super::{Snapshot, Store, StoreError, gate, journal, parties};

/// Members whose rows are read at once.
const MEMBERS_AT_ONCE: u32 = 10_000;

/// Members whose accounts of one class are looked at for a page, at the least.
const MEMBERS_LOOKED_AT: u32 = 1_000;

/// The balances of all accounts at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrialBalance {
    /// The accounts of the house.
    pub balances: Balances,
    /// What all members have and owe, from their own rows and not from what their issuers owe. Wider than any balance, so
    /// that it is told rather than cut off should the books be broken.
    pub of_members: BTreeMap<MemberClass, i128>,
    /// A page of the members' accounts whose balance is not zero, by class and member.
    pub members: Vec<(PointsAccount, Points)>,
    /// The last account that the page has looked at, if there are more behind it.
    pub members_end: Option<PointsAccount>,
    /// The sequence of the last entry in all these figures; 0 if there is none.
    pub last_sequence: i64,
}

/// A kind of account that every member has. Ordered as the names of the accounts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemberClass {
    Debt,
    Held,
    Member,
    Pending,
}

impl MemberClass {
    pub const ALL: [Self; 4] = [Self::Debt, Self::Held, Self::Member, Self::Pending];

    pub fn account(self, member: MemberId) -> PointsAccount {
        match self {
            Self::Debt => PointsAccount::Debt(member),
            Self::Held => PointsAccount::Held(member),
            Self::Member => PointsAccount::Member(member),
            Self::Pending => PointsAccount::Pending(member),
        }
    }

    fn balance(self, member: &Member) -> i128 {
        match self {
            Self::Debt => -i128::from(member.owed().0),
            Self::Held => i128::from(member.held().0),
            Self::Member => member.available(),
            Self::Pending => i128::from(member.pending().0),
        }
    }
}

/// Which accounts of members a trial balance lists: those of a class and of the classes behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberPage {
    pub class: MemberClass,
    /// Of the first class.
    pub after: Option<MemberId>,
    pub limit: usize,
}

impl Store {
    /// The open window as a command of the house would find it: with the house, all balances but legs, and the gross
    /// obligations of the window. The book is a copy: what is done to it is not saved.
    ///
    /// # Errors
    /// Permanent if the database holds no coalition.
    pub async fn open_book(&self) -> Result<Book, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let mut link = snapshot.link();
        let house = parties::load_house(&mut link).await?.house;
        let gate = gate::gate(&mut link).await?;
        let mut book = Book::new(std::sync::Arc::new(house), gate.open_window);
        load_all(&mut link, &mut book, &[], gate.last_time).await?;
        snapshot.finish().await?;
        Ok(book)
    }

    /// The book by which a request would be decided now, to show what it would do. It is a copy: what is done to it is not saved.
    ///
    /// # Errors
    /// Permanent if the database holds no coalition.
    pub async fn book_to_show(&self, request: &Request, now: Timestamp) -> Result<Book, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let mut link = snapshot.link();
        let house = parties::load_house(&mut link).await?.house;
        let gate = gate::gate(&mut link).await?;
        let mut book = Book::new(std::sync::Arc::new(house), gate.open_window);
        load_to_show(&mut link, &mut book, request, now).await?;
        snapshot.finish().await?;
        Ok(book)
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
            balances: all_balances(&mut link).await?,
            last_sequence: journal::head(&mut link).await?.next_sequence - 1,
            ..TrialBalance::default()
        };
        let mut last = Some(MemberId(0));
        while let Some(after) = last {
            let members = members_after(&mut link, after, MEMBERS_AT_ONCE).await?;
            last = members.last().map(|member| member.id).filter(|_| members.len() == MEMBERS_AT_ONCE as usize);
            for class in MemberClass::ALL {
                let sum: i128 = members.iter().map(|member| class.balance(member)).sum();
                *found.of_members.entry(class).or_default() += sum;
            }
        }
        if let Some(page) = page {
            (found.members, found.members_end) = member_accounts(&mut link, page).await?;
        }
        snapshot.finish().await?;
        Ok(found)
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
                let row = windows(&mut link, Windows::One(number)).await?.into_iter().next();
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

impl Snapshot {
    /// At most `limit` members by id from behind `after`, each with its lots as they are packed in its row.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn member_rows(&mut self, after: MemberId, limit: u32) -> Result<Vec<(Member, Vec<u8>)>, StoreError> {
        member_rows(&mut self.link(), after, limit).await
    }
}

/// A page of members' accounts whose balance is not zero, and its last place if there is more behind it.
async fn member_accounts(
    link: &mut Link<'_>,
    page: MemberPage,
) -> Result<(Vec<(PointsAccount, Points)>, Option<PointsAccount>), StoreError> {
    let mut found = Vec::new();
    let mut after = page.after;
    for class in MemberClass::ALL.into_iter().filter(|class| *class >= page.class) {
        // Few members have a debt or a hold, so more are looked at than may be found.
        let limit = u32::try_from(page.limit).unwrap_or(u32::MAX).max(MEMBERS_LOOKED_AT);
        let members = members_after(link, after.take().unwrap_or(MemberId(0)), limit).await?;
        for member in &members {
            let balance = i64::try_from(class.balance(member));
            let balance = Points(balance.map_err(|error| StoreError::damaged("a holding", error))?);
            if balance.is_zero() {
                continue;
            }
            let account = class.account(member.id);
            found.push((account, balance));
            if found.len() == page.limit {
                return Ok((found, Some(account)));
            }
        }
        if let Some(last) = members.last().filter(|_| members.len() == limit as usize) {
            return Ok((found, Some(class.account(last.id))));
        }
    }
    Ok((found, None))
}
