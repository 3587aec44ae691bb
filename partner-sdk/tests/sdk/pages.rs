//! Lists over several pages: as items, as pages and as a stream, with errors in the middle, broken off and gone on with.

use std::pin::pin;
use std::time::Duration;

use partner_sdk::{Entry, EntryFilter, EntryKind, Error, Pages};
use tokio_stream::{Stream, StreamExt};
use tonic::{Code, Status};

use crate::house::{House, Step};

fn refusal() -> Step {
    Step::Refuse(Status::new(Code::PermissionDenied, "as the script says"))
}

/// All that a house lists.
const ALL: [i64; 9] = [1, 2, 3, 11, 12, 13, 31, 32, 33];

fn numbers(entries: impl IntoIterator<Item = Entry>) -> Vec<i64> {
    entries.into_iter().filter_map(|entry| entry.own_sequence).collect()
}

async fn entries(house: &House) -> Pages<Entry> {
    house.client().await.entries(EntryFilter::all())
}

#[tokio::test]
async fn a_list_is_read_page_by_page_and_a_page_that_failed_again() {
    let house = House::playing([Step::Answer, refusal()]).await;
    let mut pages = entries(&house).await;
    let first = pages.next_page().await.unwrap().unwrap();
    // A kind that a later house may invent.
    assert_eq!(first[0].kind, EntryKind::Other(999));
    assert_eq!(numbers(first), [1, 2, 3]);
    assert!(matches!(pages.next_page().await, Err(Error::PermissionDenied { .. })));
    assert_eq!(numbers(pages.next_page().await.unwrap().unwrap()), [11, 12, 13]);
    assert_eq!(numbers(pages.next_page().await.unwrap().unwrap()), [], "an empty page is not the end");
    assert_eq!(numbers(pages.all().await.unwrap()), [31, 32, 33]);
    assert_eq!(house.pages(), ["", "1", "1", "2", "3"]);
}

#[tokio::test]
async fn a_list_is_read_item_by_item_and_asks_for_no_page_before_it_is_wanted() {
    let house = House::playing([]).await;
    let mut list = entries(&house).await;
    assert!(house.pages().is_empty(), "{:?}", house.pages());
    let mut found = Vec::new();
    while let Some(entry) = list.try_next().await.unwrap() {
        found.push(entry.own_sequence.unwrap());
        let asked = if found.len() <= 3 { 1 } else { [2, 4][usize::from(found.len() > 6)] };
        assert_eq!(house.pages().len(), asked, "after {found:?}");
    }
    assert_eq!(found, ALL);
    assert!(list.try_next().await.unwrap().is_none() && list.next_page().await.unwrap().is_none(), "it has ended");
    assert_eq!(house.pages(), ["", "1", "2", "3"]);
}

#[tokio::test]
async fn the_first_items_ask_for_no_page_beyond_them() {
    let house = House::playing([]).await;
    assert_eq!(numbers(entries(&house).await.first(0).await.unwrap()), []);
    assert!(house.pages().is_empty());
    assert_eq!(numbers(entries(&house).await.first(3).await.unwrap()), [1, 2, 3]);
    assert_eq!(house.pages(), [""]);
    assert_eq!(numbers(entries(&house).await.first(100).await.unwrap()), ALL);
}

#[tokio::test]
async fn what_is_left_of_a_page_is_a_page() {
    let house = House::playing([]).await;
    let mut list = entries(&house).await;
    assert_eq!(list.try_next().await.unwrap().unwrap().own_sequence, Some(1));
    assert_eq!(numbers(list.next_page().await.unwrap().unwrap()), [2, 3]);
    assert_eq!(list.try_next().await.unwrap().unwrap().own_sequence, Some(11));
    assert_eq!(numbers(list.all().await.unwrap()), ALL[4..]);
}

#[tokio::test]
async fn a_list_is_a_stream_of_its_items() {
    let house = House::playing([]).await;
    let list = entries(&house).await;
    let even = list.filter(|entry| entry.as_ref().is_ok_and(|one| one.own_sequence.is_some_and(|n| n % 2 == 0)));
    let even: Vec<Entry> = even.collect::<Result<_, _>>().await.unwrap();
    assert_eq!(numbers(even), [2, 12, 32]);

    let mut list = entries(&house).await;
    assert_eq!(list.size_hint(), (0, None));
    list.next().await.unwrap().unwrap();
    assert_eq!(list.size_hint(), (2, None));
}

#[tokio::test]
async fn a_stream_ends_with_its_error_and_goes_on_when_it_is_asked_to() {
    let house = House::playing([Step::Answer, refusal()]).await;
    let mut list = entries(&house).await;
    let (mut found, mut errors) = (Vec::new(), 0);
    while let Some(entry) = list.next().await {
        match entry {
            Ok(entry) => found.push(entry.own_sequence.unwrap()),
            // Whoever only counts errors must not ask for ever.
            Err(error) => {
                assert!(matches!(error, Error::PermissionDenied { .. }), "{error:?}");
                errors += 1;
            }
        }
    }
    assert_eq!((&found[..], errors), (&ALL[..3], 1));
    assert!(list.next().await.is_none(), "it has ended");
    assert_eq!(house.pages(), ["", "1"]);

    // It is for the caller to say that the house shall be asked again.
    found.push(list.try_next().await.unwrap().unwrap().own_sequence.unwrap());
    found.extend(numbers(list.collect::<Result<Vec<_>, _>>().await.unwrap()));
    assert_eq!(found, ALL);
    assert_eq!(house.pages(), ["", "1", "1", "2", "3"]);
}

#[tokio::test]
async fn a_wait_that_is_dropped_half_way_loses_no_item_and_asks_for_no_page_twice() {
    let house = House::playing([]).await;
    let mut list = entries(&house).await;
    let mut found = Vec::new();
    // Each wait is looked at once and dropped: an answer from the network is never there at the first look.
    let mut dropped = 0;
    loop {
        let looked = {
            let mut wait = pin!(list.try_next());
            std::future::poll_fn(|cx| std::task::Poll::Ready(wait.as_mut().poll(cx))).await
        };
        match looked {
            std::task::Poll::Ready(Ok(Some(entry))) => found.push(entry.own_sequence.unwrap()),
            std::task::Poll::Ready(Ok(None)) => break,
            std::task::Poll::Ready(Err(error)) => panic!("{error}"),
            std::task::Poll::Pending => {
                dropped += 1;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
    assert_eq!(found, ALL);
    assert_eq!(house.pages(), ["", "1", "2", "3"]);
    assert!(dropped >= 4, "each page was waited for: {dropped}");
}

#[tokio::test]
async fn a_list_that_was_dropped_goes_on_from_the_page_that_it_was_at() {
    let house = House::playing([]).await;
    let mut list = entries(&house).await;
    assert_eq!(list.page_token(), Some(""));
    list.next_page().await.unwrap();
    assert_eq!(list.page_token(), Some("1"));
    list.try_next().await.unwrap();
    let token = list.page_token().unwrap().to_owned();
    assert_eq!(token, "1", "items of that page are left");
    drop(list);

    let list = entries(&house).await.from_page(token);
    assert_eq!(numbers(list.all().await.unwrap()), ALL[3..], "all of the page that was begun");
    assert_eq!(house.pages(), ["", "1", "1", "2", "3"]);

    let mut list = entries(&house).await.from_page("3");
    assert_eq!(list.page_token(), Some("3"));
    list.next_page().await.unwrap();
    assert_eq!(list.page_token(), None, "the list has ended");
    assert!(matches!(entries(&house).await.from_page("x").all().await, Err(Error::InvalidArgument { .. })));
}

#[tokio::test]
async fn a_connection_that_is_lost_between_pages_is_made_again_and_the_list_goes_on() {
    let house = House::playing([Step::Answer, Step::LoseConnection]).await;
    let list = entries(&house).await;
    assert_eq!(numbers(list.all().await.unwrap()), ALL);
    assert_eq!(house.connections(), 2);
    assert_eq!(house.pages(), ["", "1", "1", "2", "3"]);
}
