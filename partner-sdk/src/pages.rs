//! Lists that are read page by page.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::error::Error;

/// A page and the token of the next, empty when there is none.
pub(crate) type Page<T> = (Vec<T>, String);
type Fetch<T> = Box<dyn Fn(String) -> Pin<Box<dyn Future<Output = Result<Page<T>, Error>> + Send>> + Send + Sync>;

/// A list that is read page by page, so that it may be longer than memory.
#[must_use = "nothing is read before the first page is asked for"]
pub struct Pages<T> {
    fetch: Fetch<T>,
    /// Token of the next page; `None` when there is none.
    next: Option<String>,
}

impl<T> Pages<T> {
    pub(crate) fn new<F, Fut>(fetch: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Page<T>, Error>> + Send + 'static,
    {
        Self { fetch: Box::new(move |token| Box::pin(fetch(token))), next: Some(String::new()) }
    }

    /// The next page; `None` when the list has ended. After an error the same page can be asked for again.
    ///
    /// # Errors
    /// Those of a read: see [`Error`].
    pub async fn next_page(&mut self) -> Result<Option<Vec<T>>, Error> {
        let Some(token) = self.next.clone() else { return Ok(None) };
        let (items, next) = (self.fetch)(token).await?;
        self.next = (!next.is_empty()).then_some(next);
        Ok(Some(items))
    }

    /// All that is left of the list. Mind its length: a month's journal does not fit into memory.
    ///
    /// # Errors
    /// Those of a read: see [`Error`].
    pub async fn collect(mut self) -> Result<Vec<T>, Error> {
        let mut all = Vec::new();
        while let Some(page) = self.next_page().await? {
            all.extend(page);
        }
        Ok(all)
    }
}

impl<T> fmt::Debug for Pages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("next", &self.next).finish_non_exhaustive()
    }
}
