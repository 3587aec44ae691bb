//! The ledger over whatever part of it is in memory: all of it in a test, the slice that a batch touches in production.
//!
//! Every effect of an entry is applied from the entry itself, by [`Book::apply`]. So a book rebuilt from the journal is
//! the same book, which is what the audit relies on.
//!
//! In production the balances of accounts that no rule reads are not loaded; here they start at zero and hold only
//! what the batch moved.

mod apply;
pub mod changes;
mod house;
mod legal;
mod money;
mod proposals;
mod readers;
pub(crate) mod spending;
pub mod sums;
mod windows;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::book::changes::Changes;
use crate::chart::{MoneyAccount, PointsAccount};
use crate::facts::answer::Recorded;
use crate::facts::bank_account::AccountVersion;
use crate::facts::charges::ChargeState;
use crate::facts::coalition::House;
use crate::facts::credential::{Credential, Invite, Serial};
use crate::facts::entry::{Entry, EntryDraft, Unbalanced};
use crate::facts::hold::{Hold, HoldState};
use crate::facts::legal::LegalRecord;
use crate::facts::limits::{Consent, Guard};
use crate::facts::lot::{Lot, LotId, consumption_order};
use crate::facts::member::{DayCount, Member};
use crate::facts::money::{BankKey, BankLine, Claim, Incoming, Outgoing};
use crate::facts::origin::Code;
use crate::facts::person::PersonId;
use crate::facts::proposal::Proposal;
use crate::facts::receipt::ReceiptLine;
use crate::facts::returned::{Returned, ReturnedAmount};
use crate::facts::window::{FundingGroup, Gross, Window};

use crate::rejection::Rejection;
use crate::units::{
    BatchId, EntryId, IdentifierHash, InviteId, MemberId, Money, PartnerId, Points, RequestId, Timestamp, WindowNumber,
};

/// The ledger, or the part of it that is in memory.
#[derive(Debug, Clone)]
pub struct Book {
    pub house: Arc<House>,
    /// The number of the window that is open.
    pub open_window: WindowNumber,
    pub members: BTreeMap<MemberId, Member>,
    pub identifiers: BTreeMap<IdentifierHash, MemberId>,
    pub lots: BTreeMap<LotId, Lot>,
    pub requests: BTreeMap<(PartnerId, RequestId), Recorded>,
    /// Entries written, and those that requests refer to.
    pub entries: BTreeMap<EntryId, Arc<Entry>>,
    /// What was returned so far of a redemption.
    pub returned: BTreeMap<EntryId, Returned>,
    /// Of the total of a purchase, what was returned so far; by the entry that took its points, or else gave them.
    pub returned_amounts: BTreeMap<EntryId, ReturnedAmount>,
    pub holds: BTreeMap<EntryId, Hold>,
    /// The entries that receipts were booked with.
    pub receipts: BTreeMap<ReceiptLine, EntryId>,
    /// What partners' limits are checked against.
    pub guards: BTreeMap<PartnerId, Guard>,
    /// What a funder (first) lets a partner (second) issue at its cost.
    pub consents: BTreeMap<(PartnerId, PartnerId), Consent>,
    /// What people of the operator gave to members again, each alone.
    pub care: BTreeMap<PersonId, DayCount>,
    /// Points that wait for their issuer's payment, by window of issue, issuer and terms.
    pub funding: BTreeMap<(WindowNumber, PartnerId, u32), FundingGroup>,
    pub points_balances: BTreeMap<PointsAccount, Points>,
    pub money_balances: BTreeMap<MoneyAccount, Money>,
    pub outstanding: BTreeMap<(PartnerId, u32), Points>,
    pub gross: BTreeMap<(WindowNumber, PartnerId, PartnerId), Gross>,
    pub windows: BTreeMap<WindowNumber, Window>,
    pub invites: BTreeMap<InviteId, Invite>,
    pub credentials: BTreeMap<Serial, Credential>,
    /// What was proposed, by the entry that asked for it.
    pub proposals: BTreeMap<EntryId, Proposal>,
    /// Who partners are by law.
    pub legal: BTreeMap<PartnerId, LegalRecord>,
    /// Bank accounts, by partner and version.
    pub bank_accounts: BTreeMap<(PartnerId, u32), AccountVersion>,
    /// Money that arrived, by the entry that recorded it.
    pub incoming: BTreeMap<EntryId, Incoming>,
    /// Money that goes out, likewise.
    pub outgoing: BTreeMap<EntryId, Outgoing>,
    /// Lines of the bank's statements.
    pub bank_lines: BTreeMap<BankKey, BankLine>,
    /// What is claimed of partners.
    pub claims: BTreeMap<PartnerId, Claim>,
    /// Payments that were booked and are none.
    pub undone: BTreeSet<EntryId>,
    /// What partners are charged by themselves, by partner and reason.
    pub charges: BTreeMap<(PartnerId, Code), ChargeState>,
    /// Answers that were recorded before this may be forgotten.
    pub forgotten: Timestamp,
    /// Lots with available points, in consumption order per member but for those that end with inactivity.
    order: BTreeSet<(MemberId, Timestamp, i64, u16)>,
    /// Lots with pending points.
    pending: BTreeSet<LotId>,
    /// Open holds of members, by when they lapse.
    open_holds: BTreeSet<(MemberId, Timestamp, EntryId)>,
    /// By what time clients make ids, where that is not the house's own: a sandbox stands still, and its clients do not.
    pub clients_time: Option<Timestamp>,
    /// Whose rows entries are applied to; see [`Book::of_members`].
    here: RangeInclusive<MemberId>,
    batch: BatchId,
    ordinal: u32,
    changes: Changes,
}

impl Book {
    /// An empty book of a house whose window `open_window` is open.
    pub fn new(house: Arc<House>, open_window: WindowNumber) -> Self {
        Self {
            house,
            open_window,
            members: BTreeMap::new(),
            identifiers: BTreeMap::new(),
            lots: BTreeMap::new(),
            requests: BTreeMap::new(),
            entries: BTreeMap::new(),
            returned: BTreeMap::new(),
            returned_amounts: BTreeMap::new(),
            holds: BTreeMap::new(),
            receipts: BTreeMap::new(),
            guards: BTreeMap::new(),
            consents: BTreeMap::new(),
            care: BTreeMap::new(),
            funding: BTreeMap::new(),
            points_balances: BTreeMap::new(),
            money_balances: BTreeMap::new(),
            outstanding: BTreeMap::new(),
            gross: BTreeMap::new(),
            windows: BTreeMap::new(),
            invites: BTreeMap::new(),
            credentials: BTreeMap::new(),
            proposals: BTreeMap::new(),
            legal: BTreeMap::new(),
            bank_accounts: BTreeMap::new(),
            incoming: BTreeMap::new(),
            outgoing: BTreeMap::new(),
            bank_lines: BTreeMap::new(),
            claims: BTreeMap::new(),
            undone: BTreeSet::new(),
            charges: BTreeMap::new(),
            forgotten: Timestamp(0),
            order: BTreeSet::new(),
            pending: BTreeSet::new(),
            open_holds: BTreeSet::new(),
            clients_time: None,
            here: MemberId(0)..=MemberId(u128::MAX),
            batch: BatchId(0),
            ordinal: 0,
            changes: Changes::default(),
        }
    }

    /// This book, so that it keeps the rows of some members only, for who replays the journal for some members at a time: of
    /// what an entry does to the lots and holds of others it knows nothing. What is no member's, it keeps as any book does,
    /// but for two things that follow from lots and holds: what is reserved of headroom, and what waits for payments.
    #[must_use]
    pub fn of_members(self, here: RangeInclusive<MemberId>) -> Self {
        Self { here, ..self }
    }

    /// Whether the rows of a member are kept here.
    pub fn is_here(&self, member: MemberId) -> bool {
        self.here.contains(&member)
    }

    /// The first lot that an entry moves or reverses and that nobody made, of those that would be here. Such an entry
    /// cannot be applied.
    pub fn missing_lot(&self, entry: &Entry) -> Option<LotId> {
        let moved = entry.lots.iter().filter(|moved| moved.birth.is_none()).map(|moved| moved.lot);
        let reversed = entry.facts.reversal().map_or(&[][..], Vec::as_slice);
        let mut lots = moved.chain(reversed.iter().map(|part| part.lot));
        lots.find(|lot| self.is_here(lot.member) && !self.lots.contains_key(lot))
    }

    /// Begins a batch: entries from here on are numbered in it.
    pub fn begin_batch(&mut self, batch: BatchId) {
        self.batch = batch;
        self.ordinal = 0;
    }

    /// What was changed since the last call.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    pub(crate) fn changes_mut(&mut self) -> &mut Changes {
        &mut self.changes
    }

    /// Adds a lot that was loaded from the store.
    pub fn insert_lot(&mut self, lot: Lot) {
        if lot.available.0 > 0 {
            self.order.insert(order_key(&lot));
        }
        if lot.pending.0 > 0 {
            self.pending.insert(lot.id);
        }
        self.lots.insert(lot.id, lot);
    }

    /// Adds a hold that was loaded from the store.
    pub fn insert_hold(&mut self, hold: Hold) {
        if hold.state == HoldState::Open {
            self.open_holds.insert((hold.member, hold.facts.lapses, hold.id));
        }
        self.holds.insert(hold.id, hold);
    }

    /// Closes a draft after which every sum still fits.
    ///
    /// # Errors
    /// `OVERFLOW`, naming the sum. A draft that does not balance is a mistake in the rules and panics.
    pub(crate) fn finish(&self, draft: EntryDraft) -> Result<Entry, Rejection> {
        let entry = draft.balance().map_err(|problem| match problem {
            Unbalanced::Overflow(overflow) => Rejection::from(overflow),
            Unbalanced::Points(_) | Unbalanced::Money(..) => panic!("{problem}"),
        })?;
        self.check_sums(&entry)?;
        Ok(entry)
    }

    /// Writes an entry that [`Book::finish`] has passed.
    pub(crate) fn post(&mut self, entry: Entry) -> EntryId {
        let id = EntryId { batch: self.batch, ordinal: self.ordinal };
        self.ordinal += 1;
        self.apply(id, &entry).expect("finish has checked that every balance fits");
        self.entries.insert(id, Arc::new(entry));
        self.changes.entries.push(id);
        id
    }
}

fn order_key(lot: &Lot) -> (MemberId, Timestamp, i64, u16) {
    let (expires, entry_no, part) = consumption_order(lot);
    (lot.id.member, expires, entry_no, part)
}
