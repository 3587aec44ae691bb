//! Who did what: which decisions of the house to list.

use std::time::SystemTime;

use clearing_proto::v1;

use crate::answers::EntryKind;
use crate::client::PAGE_SIZE;

/// Which decisions of the house to list; what is not said does not matter.
#[derive(Debug, Clone, Default)]
#[must_use = "a filter lists nothing until it is asked with"]
pub struct AdminActions {
    kind: Option<EntryKind>,
    partner_id: String,
    window: Option<i64>,
    since: Option<SystemTime>,
    until: Option<SystemTime>,
}

impl AdminActions {
    /// All decisions.
    pub fn all() -> Self {
        Self::default()
    }

    /// Only those of this kind.
    pub fn kind(mut self, kind: EntryKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Only those that concern this partner; "operator" for the operator's own settings.
    pub fn partner(mut self, partner_id: impl Into<String>) -> Self {
        self.partner_id = partner_id.into();
        self
    }

    /// Only those about this window, or made while it was open.
    pub fn window(mut self, window: i64) -> Self {
        self.window = Some(window);
        self
    }

    /// Only those at this moment or later.
    pub fn since(mut self, moment: SystemTime) -> Self {
        self.since = Some(moment);
        self
    }

    /// Only those before this moment.
    pub fn until(mut self, moment: SystemTime) -> Self {
        self.until = Some(moment);
        self
    }

    pub(crate) fn page(&self, page_token: String) -> v1::ListAdminActionsRequest {
        v1::ListAdminActionsRequest {
            kind: self.kind.map(EntryKind::to_wire).unwrap_or_default(),
            partner_id: self.partner_id.clone(),
            window: self.window.unwrap_or_default(),
            since_time: self.since.map(Into::into),
            until_time: self.until.map(Into::into),
            page_size: PAGE_SIZE,
            page_token,
        }
    }
}
