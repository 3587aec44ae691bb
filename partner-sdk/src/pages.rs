//! Lists that are read page by page, and item by item.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::vec;

use tokio_stream::Stream;

use crate::error::Error;

/// A page and the token of the next, empty when there is none.
pub(crate) type Page<T> = (Vec<T>, String);
type Asked<T> = Pin<Box<dyn Future<Output = Result<Page<T>, Error>> + Send>>;
type Fetch<T> = Box<dyn Fn(String) -> Asked<T> + Send + Sync>;

/// A list that is read page by page, so that it may be longer than memory. Nothing is asked for before something is wanted.
///
/// | wanted | |
/// |---|---|
/// | one item after the other | [`try_next`](Self::try_next), or as a [`Stream`] with the tools of `tokio-stream` or `futures` |
/// | page by page | [`next_page`](Self::next_page) |
/// | no more than so many | [`first`](Self::first) |
/// | all of them at once | [`all`](Self::all) |
/// | to go on after a restart | [`page_token`](Self::page_token), kept, and [`from_page`](Self::from_page) |
///
/// ```no_run
/// # use partner_sdk::{Client, EntryFilter};
/// # async fn example(client: Client) -> Result<(), partner_sdk::Error> {
/// let mut entries = client.entries(EntryFilter::all().store("store-7"));
/// while let Some(entry) = entries.try_next().await? {
///     println!("{} {}", entry.kind, entry.entry_id);
/// }
/// # Ok(())
/// # }
/// ```
///
/// A future of these calls may be dropped half-way, as `select!` does: no item is lost, and the page that was asked for is
/// not asked for again.
///
/// **As a stream** it gives each item as `Ok`, or one `Err`, and then it ends. After that, [`try_next`](Self::try_next) and
/// [`next_page`](Self::next_page) ask for the page that failed once more, and so does the stream behind what they give.
///
/// ```no_run
/// # use partner_sdk::{Client, EntryFilter};
/// use tokio_stream::StreamExt;
///
/// # async fn example(client: Client) -> Result<(), partner_sdk::Error> {
/// let spent = client.entries(EntryFilter::all()).filter(|entry| entry.as_ref().is_ok_and(|one| !one.lots.is_empty()));
/// let ids: Vec<String> = spent.map(|entry| entry.map(|one| one.entry_id)).collect::<Result<_, _>>().await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is read before the first page or item is asked for"]
pub struct Pages<T> {
    fetch: Fetch<T>,
    /// Token of the page whose items are given out.
    token: String,
    /// What is left of that page.
    items: vec::IntoIter<T>,
    /// Token of the page behind it; `None` when there is none.
    next: Option<String>,
    /// That page, if it was asked for.
    asked: Option<Asked<T>>,
    /// The stream ended with an error.
    failed: bool,
}

// What is pinned in it stands in a box of its own.
impl<T> Unpin for Pages<T> {}

impl<T> Pages<T> {
    pub(crate) fn new<F, Fut>(fetch: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Page<T>, Error>> + Send + 'static,
    {
        Self {
            fetch: Box::new(move |token| Box::pin(fetch(token))),
            token: String::new(),
            items: Vec::new().into_iter(),
            next: Some(String::new()),
            asked: None,
            failed: false,
        }
    }

    /// The same list from a page on, by a token that [`page_token`](Self::page_token) gave for it: for the same caller, and with
    /// the same filters. The house refuses any other with [`Error::InvalidArgument`].
    pub fn from_page(self, token: impl Into<String>) -> Self {
        let token = token.into();
        Self { next: Some(token.clone()), token, items: Vec::new().into_iter(), asked: None, failed: false, ..self }
    }

    /// Where to go on, also in another run of the program: the token of the first page of which an item is left; `None` when the
    /// list has ended. Of a page of which some items were given, all come again.
    ///
    /// ```no_run
    /// # use partner_sdk::{Client, EntryFilter};
    /// # fn load() -> Option<String> { None }
    /// # fn store(token: Option<&str>) {}
    /// # async fn example(client: Client) -> Result<(), partner_sdk::Error> {
    /// let mut entries = client.entries(EntryFilter::all());
    /// if let Some(token) = load() {
    ///     entries = entries.from_page(token);
    /// }
    /// while let Some(page) = entries.next_page().await? {
    ///     // ... what is done with the page, and then:
    ///     store(entries.page_token());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn page_token(&self) -> Option<&str> {
        if self.items.len() > 0 { Some(&self.token) } else { self.next.as_deref() }
    }

    /// The next page, or what is left of the one of which items were taken; `None` when the list has ended. A page may be empty
    /// although others follow. After an error the same page can be asked for again.
    ///
    /// # Errors
    /// Those of a read: see [`Error`].
    pub async fn next_page(&mut self) -> Result<Option<Vec<T>>, Error> {
        self.failed = false;
        if self.items.len() == 0 && !poll_fn(|cx| self.poll_page(cx)).await? {
            return Ok(None);
        }
        Ok(Some(std::mem::take(&mut self.items).collect()))
    }

    /// The next item; `None` when the list has ended. After an error the same page can be asked for again.
    ///
    /// # Errors
    /// Those of a read: see [`Error`].
    pub async fn try_next(&mut self) -> Result<Option<T>, Error> {
        self.failed = false;
        poll_fn(|cx| self.poll_item(cx)).await
    }

    /// The next items, so many at the most. Pages beyond them are not asked for.
    ///
    /// # Errors
    /// Those of a read: see [`Error`].
    pub async fn first(mut self, most: usize) -> Result<Vec<T>, Error> {
        let mut first = Vec::new();
        while first.len() < most
            && let Some(item) = self.try_next().await?
        {
            first.push(item);
        }
        Ok(first)
    }

    /// All that is left of the list. Mind its length: a month's journal does not fit into memory.
    ///
    /// # Errors
    /// Those of a read: see [`Error`].
    pub async fn all(mut self) -> Result<Vec<T>, Error> {
        let mut all = Vec::new();
        while let Some(page) = self.next_page().await? {
            all.extend(page);
        }
        Ok(all)
    }

    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<T>, Error>> {
        loop {
            if let Some(item) = self.items.next() {
                return Poll::Ready(Ok(Some(item)));
            }
            if !ready!(self.poll_page(cx))? {
                return Poll::Ready(Ok(None));
            }
        }
    }

    /// Puts the next page in the place of the one that was given out, unless the list has ended.
    fn poll_page(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        let Some(token) = &self.next else { return Poll::Ready(Ok(false)) };
        let asked = self.asked.get_or_insert_with(|| (self.fetch)(token.clone()));
        let page = ready!(asked.as_mut().poll(cx));
        self.asked = None;
        let (items, next) = page?;
        self.items = items.into_iter();
        let next = (!next.is_empty()).then_some(next);
        self.token = std::mem::replace(&mut self.next, next).unwrap_or_default();
        Poll::Ready(Ok(true))
    }
}

impl<T> Stream for Pages<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // Whoever goes on at each error would ask a house that is down for ever.
        if self.failed {
            return Poll::Ready(None);
        }
        let item = ready!(self.poll_item(cx)).transpose();
        self.failed = matches!(item, Some(Err(_)));
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.items.len(), if self.next.is_none() { Some(self.items.len()) } else { None })
    }
}

impl<T> fmt::Debug for Pages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("page_token", &self.page_token()).finish_non_exhaustive()
    }
}
