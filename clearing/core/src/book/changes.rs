//! What a batch has changed: the names of the rows that the store has to write. The values are in the book.

use std::collections::{BTreeMap, BTreeSet};

use crate::chart::{MoneyAccount, PointsAccount};
use crate::facts::answer::Attachment;
use crate::facts::credential::{Holder, Serial};
use crate::facts::limits::Guard;
use crate::facts::lot::LotId;
use crate::facts::member::IdentifierLink;
use crate::facts::money::BankKey;
use crate::facts::origin::Code;
use crate::facts::person::PersonId;
use crate::facts::receipt::ReceiptLine;
use crate::facts::window::Gross;
use crate::units::{EntryId, IdentifierHash, InviteId, MemberId, Money, PartnerId, Points, RequestId, WindowNumber};

/// Everything that a batch changed, by key, in key order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// New entries in journal order.
    pub entries: Vec<EntryId>,
    /// Keys recorded, or recorded anew as abandoned.
    pub requests: BTreeMap<(PartnerId, RequestId), RequestChange>,
    /// What the origins of new entries commit to.
    pub attachments: BTreeMap<EntryId, Attachment>,
    pub identifiers: BTreeMap<IdentifierHash, IdentifierLink>,
    pub new_members: BTreeSet<MemberId>,
    pub members: BTreeSet<MemberId>,
    pub new_lots: BTreeSet<LotId>,
    pub lots: BTreeSet<LotId>,
    /// Redemptions of which something was returned, or taken again.
    pub returned: BTreeSet<EntryId>,
    /// Purchases of which a part was returned.
    pub returned_amounts: BTreeSet<EntryId>,
    pub new_holds: BTreeSet<EntryId>,
    /// Holds made or closed.
    pub holds: BTreeSet<EntryId>,
    /// Lines of receipts that were booked, or are free again.
    pub receipts: BTreeMap<ReceiptLine, Option<EntryId>>,
    /// By how much what limits are checked against moved.
    pub guards: BTreeMap<PartnerId, Guard>,
    /// Points by which what was used of consents moved: funder, partner.
    pub consents: BTreeMap<(PartnerId, PartnerId), Points>,
    /// People of the operator who gave points to members again.
    pub care: BTreeSet<PersonId>,
    /// Consents that were given or changed.
    pub consents_given: BTreeSet<(PartnerId, PartnerId)>,
    /// Points by which what waits for a payment moved.
    pub funding: BTreeMap<(WindowNumber, PartnerId, u32), Points>,
    /// What waits for a payment: paid for, or moved to another settlement.
    pub funding_states: BTreeSet<(WindowNumber, PartnerId, u32)>,
    /// Amounts by which the balances of the house's accounts moved.
    pub points_balances: BTreeMap<PointsAccount, Points>,
    pub money_balances: BTreeMap<MoneyAccount, Money>,
    /// Points by which what is outstanding under a version of terms moved.
    pub outstanding: BTreeMap<(PartnerId, u32), Points>,
    /// Amounts by which gross obligations moved: window, issuer, acceptor.
    pub gross: BTreeMap<(WindowNumber, PartnerId, PartnerId), Gross>,
    /// Partners made or whose state changed.
    pub partners: BTreeSet<PartnerId>,
    pub new_terms: BTreeSet<(PartnerId, u32)>,
    pub calendar: bool,
    /// People of the operator whose roles were set.
    pub people: BTreeSet<PersonId>,
    /// What of the list of two persons one does alone.
    pub alone: bool,
    /// Proposals made or decided.
    pub proposals: BTreeSet<EntryId>,
    /// Those of them that were made.
    pub new_proposals: BTreeSet<EntryId>,
    /// Money that arrived and of which a part was moved since.
    pub incoming: BTreeSet<EntryId>,
    /// Money that goes out, and what has become of it.
    pub outgoing: BTreeSet<EntryId>,
    /// Lines of the bank's statements that became known.
    pub bank_lines: BTreeSet<BankKey>,
    /// Partners of whom more or less is claimed.
    pub claims: BTreeSet<PartnerId>,
    /// Charges by schedule that were set or came due, by partner and reason.
    pub charges: BTreeSet<(PartnerId, Code)>,
    /// Payments that are none.
    pub undone: BTreeSet<EntryId>,
    /// Up to when answers may be forgotten.
    pub forgotten: bool,
    /// Windows made or changed, with their legs and orders.
    pub windows: BTreeSet<WindowNumber>,
    /// Those of them that were made.
    pub new_windows: BTreeSet<WindowNumber>,
    /// Invites made, used, taken back or tried again.
    pub invites: BTreeSet<InviteId>,
    /// Credentials issued.
    pub credentials: BTreeSet<Serial>,
    /// Serial numbers that were revoked, or are forgotten as they have ended.
    pub revoked_serials: BTreeSet<Serial>,
    /// Holders of which all was revoked.
    pub revoked_holders: BTreeSet<Holder>,
    /// Partners whose legal record was written.
    pub legal: BTreeSet<PartnerId>,
    /// Versions of bank accounts made, or ended while they waited.
    pub bank_accounts: BTreeSet<(PartnerId, u32)>,
}

/// A key recorded in this batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestChange {
    /// Whether the key was recorded before this batch.
    pub known: bool,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
            && self.requests.is_empty()
            && self.members.is_empty()
            && self.partners.is_empty()
            && self.new_terms.is_empty()
            && !self.calendar
            && self.people.is_empty()
            && !self.alone
            && self.proposals.is_empty()
            && self.care.is_empty()
            && self.consents_given.is_empty()
            && self.returned_amounts.is_empty()
            && self.windows.is_empty()
    }

    /// Whether something changed that every batch reads when it has passed the gate.
    pub fn under_the_gate(&self) -> bool {
        self.house_changed() || !self.new_windows.is_empty() || self.forgotten
    }

    /// Whether what every node keeps of the house is out of date after this batch.
    pub fn house_changed(&self) -> bool {
        !self.partners.is_empty()
            || !self.new_terms.is_empty()
            || self.calendar
            || !self.revoked_serials.is_empty()
            || !self.revoked_holders.is_empty()
            || !self.people.is_empty()
            || self.alone
    }
}
