//! What became of requests is kept for as long as their ids are taken, and then forgotten. That it may be is a decision, so
//! that a row that was forgotten is told from one that was made away with.

use crate::book::{Ask, Book};
use crate::command::{Accepted, HouseReply, Reply};
use crate::facts::Fact;
use crate::journal::EntryKind;
use crate::rejection::Rejection;

impl Book {
    /// Moves the time before which answers may be forgotten, at most once a day.
    pub(crate) fn forget(&mut self, ask: &Ask<'_>) -> Result<Accepted, Rejection> {
        match self.house.coalition.forgettable(self.forgotten, ask.now) {
            Some(before) => {
                let draft = self.draft(EntryKind::Forget, ask).with(Fact::Forgotten(before));
                self.decided(draft, HouseReply::default())
            }
            None => Ok(Accepted { entries: Vec::new(), reply: Reply::House(HouseReply::default()) }),
        }
    }
}
