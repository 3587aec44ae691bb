//! What a batch has changed: the names of the rows that the store has to write. The values are in the book.

use std::collections::{BTreeMap, BTreeSet};

use crate::chart::{MoneyAccount, PointsAccount};
use crate::command::Attachment;
use crate::member::LotId;
use crate::units::{EntryId, IdentifierHash, MemberId, Money, PartnerId, Points, RequestId, Timestamp, WindowNumber};

/// Everything that a batch changed, by key, in key order.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// New entries in journal order.
    pub entries: Vec<EntryId>,
    /// Keys recorded, or recorded anew as abandoned.
    pub requests: BTreeMap<(PartnerId, RequestId), RequestChange>,
    /// What the origins of new entries commit to.
    pub attachments: BTreeMap<EntryId, Attachment>,
    pub identifiers: BTreeMap<IdentifierHash, MemberId>,
    pub new_members: BTreeSet<MemberId>,
    pub members: BTreeSet<MemberId>,
    pub new_lots: BTreeSet<LotId>,
    pub lots: BTreeSet<LotId>,
    /// Redemptions of which something was returned, or taken again.
    pub returned: BTreeSet<EntryId>,
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
    /// Windows made or changed, with their legs and orders.
    pub windows: BTreeSet<WindowNumber>,
}

/// A key recorded in this batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestChange {
    pub time: Timestamp,
    /// Whether the key was recorded before this batch.
    pub known: bool,
}

/// Gross obligations of an issuer to an acceptor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gross {
    pub points: Points,
    pub amount: Money,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
            && self.requests.is_empty()
            && self.members.is_empty()
            && self.partners.is_empty()
            && self.new_terms.is_empty()
            && !self.calendar
            && self.windows.is_empty()
    }

    /// Whether what every node keeps of the house is out of date after this batch.
    pub fn house_changed(&self) -> bool {
        !self.partners.is_empty() || !self.new_terms.is_empty() || self.calendar
    }
}
