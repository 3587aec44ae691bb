//! Entries that are found by what is known of them, whoever asked for them: for those who see all.
//!
//! What is asked for by a word (a member, a store, a receipt, a business day) or a partner is looked for in the lists of the
//! partners that may have asked for it (`projection`), one after the other, newest first. All else is looked for in the journal
//! itself. Either way one call looks through so much and no more, and tells where to go on.

use clearing_core::facts::coalition::House;
use clearing_core::facts::entry::{Entry, EntryKind, JournalEntry};
use clearing_core::facts::member::MemberRef;
use clearing_core::facts::origin::{BusinessDate, Code};
use clearing_core::units::{MemberId, PartnerId, Timestamp, WindowNumber};
use jiff::tz::TimeZone;

use super::projection::{EntryFilter, LOOKED_THROUGH_MAX, RUN, Settled, list};
use super::sql::Link;
use super::{Store, StoreError, identifiers, journal, members};

/// Runs of words that are looked into of each partner at the least.
const RUNS_MIN: usize = 16;

/// Entries that are read at once, at the most.
const AT_ONCE: usize = 500;

/// How much one call looks through. It finds the same whatever stands here, in more calls or in fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Runs of words that it looks into, about, those of all partners together.
    pub runs: usize,
    /// Entries of their lists that it reads, those of all partners together, and one of each at the least.
    pub entries: usize,
}

impl Default for Reach {
    /// A second's work.
    fn default() -> Self {
        Self { runs: 40_000, entries: 20_000 }
    }
}

/// What is known of the entries to be found. What is left out does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// Who asked for them.
    pub partner: Option<PartnerId>,
    pub member: Option<MemberRef>,
    pub store: Option<Code>,
    pub till: Option<Code>,
    pub receipt_number: Option<Code>,
    pub business_date: Option<BusinessDate>,
    /// What is of the business date was not booked before this.
    pub booked_from: Option<Timestamp>,
    pub kind: Option<EntryKind>,
    pub window: Option<WindowNumber>,
    /// Only entries with a smaller sequence than this, in the journal.
    pub before_sequence: Option<i64>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Newest first.
    pub entries: Vec<JournalEntry>,
    /// Before which sequence to go on; none if all was looked through.
    pub next: Option<i64>,
}

impl Search {
    /// Whether a word tells where to look.
    fn has_word(&self) -> bool {
        self.is_of_somebody() || self.business_date.is_some()
    }

    /// Whether what is found may be of a business date without naming it.
    fn is_of_somebody(&self) -> bool {
        self.member.is_some() || self.store.is_some() || self.receipt_number.is_some()
    }

    /// What the lists of a partner are asked for.
    fn filter(&self) -> EntryFilter {
        EntryFilter {
            store: self.store.clone(),
            till: self.till.clone(),
            receipt_number: self.receipt_number.clone(),
            // The lists know of it where it is named only.
            business_date: self.business_date.filter(|_| !self.is_of_somebody()),
            ..EntryFilter::default()
        }
    }

    fn is_like(&self, entry: &Entry, member: Option<MemberId>, zone: &TimeZone) -> bool {
        let Self { partner, store, till, receipt_number, business_date, kind, window, .. } = self;
        let code = |wanted: &Option<Code>, found: &Option<Code>| wanted.is_none() || wanted == found;
        let named = entry.origin.business_date;
        let day = if self.is_of_somebody() { Some(entry.origin.day(entry.time, zone)) } else { named };
        partner.is_none_or(|partner| partner == entry.partner)
            && (member.is_none() || member == entry.member)
            && code(store, &entry.origin.store)
            && code(till, &entry.origin.till)
            && code(receipt_number, &entry.origin.receipt_number)
            && (business_date.is_none() || *business_date == day)
            && kind.is_none_or(|kind| kind == entry.kind)
            && window.is_none_or(|window| window == entry.window)
    }
}

impl Store {
    /// At most `limit` entries that are like this, newest first, as far as one call looks; none at all if nobody has the
    /// member's identifier or id.
    ///
    /// # Errors
    /// See [`StoreError`]; behind if the projection is too far behind the journal.
    pub async fn find_entries(
        &self,
        search: &Search,
        house: &House,
        limit: usize,
    ) -> Result<Option<Found>, StoreError> {
        self.find_entries_within(search, house, limit, Reach::default()).await
    }

    /// The same, looking through so much and no more.
    ///
    /// # Errors
    /// As of [`find_entries`](Self::find_entries).
    pub async fn find_entries_within(
        &self,
        search: &Search,
        house: &House,
        limit: usize,
        reach: Reach,
    ) -> Result<Option<Found>, StoreError> {
        let nothing = || Ok(Some(Found { entries: Vec::new(), next: None }));
        let (mut from, mut before) = (1, search.before_sequence.unwrap_or(i64::MAX));
        if let Some(number) = search.window {
            // The entries of a window are one range of the journal.
            let Some(row) = self.window_row(number).await? else { return nothing() };
            (from, before) = (row.first_sequence, before.min(row.end_sequence.unwrap_or(i64::MAX)));
        }
        if before <= from {
            return nothing();
        }
        if search.partner.is_none() && !search.has_word() {
            return self.walk_back(search, house, from, before, limit).await.map(Some);
        }
        let Settled { mut snapshot, rest } = self.settled(before).await?;
        let mut link = snapshot.link();
        let member = match search.member {
            None => None,
            Some(named) => match member(&mut link, named).await? {
                None => {
                    snapshot.finish().await?;
                    return Ok(None);
                }
                known => known,
            },
        };
        let end = before.min(journal::head(&mut link).await?.next_sequence);
        let partners: Vec<PartnerId> = match search.partner {
            Some(partner) => vec![partner],
            None => house.partners.keys().copied().collect(),
        };
        let (many, zone) = (partners.len().max(1), &house.coalition.time_zone);
        let span = i64::try_from((reach.runs / many).max(RUNS_MIN)).unwrap_or(i64::MAX).saturating_mul(RUN);
        let low = from.max(end.saturating_sub(span));
        let is_like = |entry: &Entry| search.is_like(entry, member, zone);
        let rest = rest.into_iter().filter(|written| written.sequence >= low && is_like(&written.entry));
        let (mut entries, mut reached): (Vec<JournalEntry>, _) = (rest.collect(), low);
        let filter = search.filter();
        let share = (reach.entries / many).max(1);
        let at_once = share.min(AT_ONCE);
        for partner in partners {
            let (mut high, mut read, mut alike) = (end, 0, 0);
            loop {
                let page = list(&mut link, partner, &filter, member, reached..high, at_once).await?;
                read += page.len();
                let last = page.last().filter(|_| page.len() == at_once).map(|own| own.written.sequence);
                let early = |time: Timestamp| search.booked_from.is_some_and(|from| time < from);
                let is_over = page.last().is_some_and(|own| early(own.written.entry.time));
                let so_far = entries.len();
                entries.extend(page.into_iter().map(|own| own.written).filter(|written| is_like(&written.entry)));
                alike += entries.len() - so_far;
                // Newest first: what follows was booked before the day.
                let Some(last) = last.filter(|_| !is_over) else { break };
                high = last;
                if alike > limit || read >= share {
                    reached = reached.max(last);
                    break;
                }
            }
            // Whatever is older than one more than asked for is found by the next call.
            if entries.len() > limit {
                entries.sort_unstable_by_key(|written| std::cmp::Reverse(written.sequence));
                entries.truncate(limit + 1);
                reached = reached.max(entries[limit].sequence);
            }
        }
        snapshot.finish().await?;
        // Behind that place not all were looked at.
        entries.retain(|written| written.sequence >= reached);
        entries.sort_unstable_by_key(|written| std::cmp::Reverse(written.sequence));
        Ok(Some(found(entries, Some(reached).filter(|reached| *reached > from), limit)))
    }

    /// Looks through the journal itself, from its end on.
    async fn walk_back(
        &self,
        search: &Search,
        house: &House,
        from: i64,
        before: i64,
        limit: usize,
    ) -> Result<Found, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let mut link = snapshot.link();
        let end = before.min(journal::head(&mut link).await?.next_sequence);
        let low = from.max(end.saturating_sub(LOOKED_THROUGH_MAX));
        let mut entries = journal::entries_of_range(&mut link, low, end, LOOKED_THROUGH_MAX).await?;
        snapshot.finish().await?;
        entries.reverse();
        entries.retain(|written| search.is_like(&written.entry, None, &house.coalition.time_zone));
        Ok(found(entries, Some(low).filter(|low| *low > from), limit))
    }
}

/// At most `limit` of the entries that were found down to a place.
fn found(mut entries: Vec<JournalEntry>, reached: Option<i64>, limit: usize) -> Found {
    let cut = entries.len() > limit;
    entries.truncate(limit);
    let next = if cut { entries.last().map(|last| last.sequence) } else { reached };
    Found { entries, next }
}

/// The member that is named, if there is one.
async fn member(link: &mut Link<'_>, named: MemberRef) -> Result<Option<MemberId>, StoreError> {
    match named {
        MemberRef::Id(id) => {
            let found = members::members(link, [id].into_iter(), false).await?;
            Ok(found.first().map(|(member, _)| member.id))
        }
        MemberRef::Identifier(hash) => {
            let found = identifiers::identifiers(link, &[hash]).await?;
            Ok(found.first().map(|(_, member)| *member))
        }
    }
}
