//! What a request wrote.

use crate::answers::{Entry, Written};

impl Written {
    /// The first entry that the request itself wrote: of most operations it is the only one.
    #[must_use]
    pub fn entry(&self) -> Option<&Entry> {
        self.entries.first()
    }

    /// Its id, by which the entry is given back or looked up; empty when the request wrote none.
    #[must_use]
    pub fn entry_id(&self) -> &str {
        self.entry().map_or("", |entry| &entry.entry_id)
    }
}
