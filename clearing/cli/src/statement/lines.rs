//! The lines of a statement, a page of the wire at a time.

use partner_sdk::{Pages, StatementLine};

use super::Added;
use crate::failure::Failure;
use crate::output::Writing;

/// Lines from one on, and so many at most. No more than a page of them is in memory.
#[derive(Debug)]
pub struct Lines {
    pages: Pages<StatementLine>,
    /// How many there are before the next, and how many of these are still to be passed over.
    before: usize,
    skip: usize,
    /// How many may follow.
    most: usize,
    /// Whether there are more than that.
    more: bool,
    is_over: bool,
    added: Added,
}

impl Lines {
    /// Of a list, after so many and so many at most.
    pub fn new(pages: Pages<StatementLine>, skip: usize, most: usize) -> Self {
        let added = Added::default();
        Self { pages, before: 0, skip, most, more: false, is_over: most == 0, added }
    }

    /// The next ones: never none. `None` when there are no more, or nobody reads them.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn next_page(&mut self, out: &Writing) -> Result<Option<Vec<StatementLine>>, Failure> {
        while !self.is_over && out.is_read() {
            let Some(mut page) = self.pages.next_page().await? else {
                self.is_over = true;
                break;
            };
            let skipped = self.skip.min(page.len());
            page.drain(..skipped);
            self.skip -= skipped;
            // One more than may follow tells that there are more.
            self.more = page.len() > self.most;
            self.is_over = self.more;
            page.truncate(self.most);
            self.most -= page.len();
            self.before += skipped + page.len();
            page.iter().for_each(|line| self.added.add(line));
            if !page.is_empty() {
                return Ok(Some(page));
            }
        }
        Ok(None)
    }

    /// What those that were given come to.
    pub fn added(&self) -> &Added {
        &self.added
    }

    /// Once there is no next one: how many lines there are before those that are left out; none if none are.
    pub fn left_out(&self) -> Option<usize> {
        self.more.then_some(self.before)
    }
}
