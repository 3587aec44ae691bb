//! What is known of an entry that the operator or an auditor looks for.

use clearing_proto::v1;

use crate::answers::EntryKind;
use crate::client::PAGE_SIZE;
use crate::member::MemberRef;
use crate::wire;

/// Which entries to find, whoever asked for them: those that match all that is set. For the operator and auditors; a brand
/// finds its own by [`EntryFilter`](crate::EntryFilter).
///
/// ```
/// use partner_sdk::operator::EntrySearch;
///
/// let complaint = EntrySearch::all().partner("grocer").receipt("R-1").business_date("2026-02-10");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use = "a search does nothing until it is asked with"]
pub struct EntrySearch {
    partner_id: String,
    member: Option<MemberRef>,
    store: String,
    till: String,
    receipt_number: String,
    business_date: String,
    kind: Option<EntryKind>,
    window: i64,
    before_journal_sequence: i64,
}

impl EntrySearch {
    /// All entries.
    pub fn all() -> Self {
        Self::default()
    }

    /// Only those that this partner asked for; "operator" for those of the operator and of the house itself. Saves the house a
    /// look at each partner's.
    pub fn partner(mut self, partner_id: impl Into<String>) -> Self {
        self.partner_id = partner_id.into();
        self
    }

    /// Only those of this member.
    pub fn member(mut self, member: impl Into<MemberRef>) -> Self {
        self.member = Some(member.into());
        self
    }

    /// Only those of this store.
    pub fn store(mut self, store: impl Into<String>) -> Self {
        self.store = store.into();
        self
    }

    /// Only those of this till. A partner, store, member, receipt or day must be named beside it.
    pub fn till(mut self, till: impl Into<String>) -> Self {
        self.till = till.into();
        self
    }

    /// Only those of a receipt with this number.
    pub fn receipt(mut self, number: impl Into<String>) -> Self {
        self.receipt_number = number.into();
        self
    }

    /// Only those of this business day, YYYY-MM-DD: those that name it and, where a member, store or receipt is set, those that
    /// name none and were booked on it.
    pub fn business_date(mut self, date: impl Into<String>) -> Self {
        self.business_date = date.into();
        self
    }

    /// Only those of this kind.
    pub fn kind(mut self, kind: EntryKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Only those of this window, from 1.
    pub fn window(mut self, window: i64) -> Self {
        self.window = window;
        self
    }

    /// Only those before this place in the journal.
    pub fn before(mut self, journal_sequence: i64) -> Self {
        self.before_journal_sequence = journal_sequence;
        self
    }

    pub(crate) fn page(&self, page_token: String) -> v1::FindEntriesRequest {
        v1::FindEntriesRequest {
            partner_id: self.partner_id.clone(),
            member: self.member.as_ref().map(wire::to_member),
            store: self.store.clone(),
            till: self.till.clone(),
            receipt_number: self.receipt_number.clone(),
            business_date: self.business_date.clone(),
            kind: self.kind.map(EntryKind::to_wire).unwrap_or_default(),
            window: self.window,
            before_journal_sequence: self.before_journal_sequence,
            page_size: PAGE_SIZE,
            page_token,
        }
    }
}
