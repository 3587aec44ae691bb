//! How large an answer may become. A client of any library reads every answer of the house with its defaults: 4 MiB a
//! message, 8 KiB of trailers.
//!
//! | what | how it is kept |
//! |---|---|
//! | a batch | the largest answer that its items may have is summed before anything is done; beyond the bound it is refused whole |
//! | an error, of a call or an item | its texts are cut until it fits |
//! | a page | ends where the next row would not fit; its token goes on from there |
//! | what an operation wrote, and what followed from it | beyond a mebibyte entries are named, not shown: `GetEntry` shows them |

use std::sync::LazyLock;

use clearing_core::rules::issue::FUNDERS_MAX;
use clearing_proto::v1;
use http::HeaderMap;
use prost::Message;
use tonic::Status;

use super::errors::{self, Fault, Said};

/// A message of an answer at the most, in bytes.
pub const ANSWER_BYTES_MAX: usize = 4 << 20;

/// The trailers of a status at the most, by the count of HTTP/2 (name, value and 32 bytes each). Common clients take 8 KiB of
/// them; half a kibibyte is left to what the transport puts beside.
pub const TRAILER_BYTES_MAX: usize = (8 << 10) - 512;

/// The rows of a page at the most, in bytes: what stands beside them is far smaller than what is left.
pub(super) const PAGE_BYTES_MAX: usize = ANSWER_BYTES_MAX - (64 << 10);

/// Entries of an operation, or of what followed from it, that are shown whole: at the most in bytes. The largest entry takes
/// far less.
pub const SHOWN_BYTES_MAX: usize = 1 << 20;

/// An error of an item at the most, in bytes: so that as many items as a batch may have fit into an answer whatever becomes
/// of them.
const ITEM_ERROR_BYTES_MAX: usize = 480;

/// Ids of entries and lots at the most, in bytes.
const ID_BYTES_MAX: usize = 57;

/// What stands around a message in a repeated field: its tag and its length.
pub(super) const AROUND: usize = 6;

/// Bytes to which texts are cut, one after the other, until what they stand in fits.
const CUTS: [usize; 5] = [1024, 512, 256, 128, 64];

/// What fits of something that is said: all of it, or as much of its texts as can be had.
pub(super) fn shortened<T>(said: &Said, fits: impl Fn(&Said) -> Option<T>) -> T {
    let short = |most: usize| {
        let metadata = said.metadata.iter().map(|(name, value)| (name.clone(), cut(value, most)));
        let violation = said.violation.as_ref().map(|(field, problem)| (cut(field, most), cut(problem, most)));
        Said { message: cut(&said.message, most), metadata: metadata.collect(), violation, ..said.clone() }
    };
    let fit = fits(said).or_else(|| CUTS.into_iter().find_map(|most| fits(&short(most))));
    fit.expect("a few numbers by name and texts of 64 bytes fit into 7 KiB")
}

/// An item's error, its texts cut until it fits.
pub fn item_error(error: v1::ItemError) -> v1::ItemError {
    let fits = |error: &v1::ItemError| error.encoded_len() <= ITEM_ERROR_BYTES_MAX;
    if fits(&error) {
        return error;
    }
    let short = |most: usize| v1::ItemError {
        message: cut(&error.message, most),
        metadata: error.metadata.iter().map(|(name, value)| (name.clone(), cut(value, most))).collect(),
        ..error.clone()
    };
    let fit = CUTS.into_iter().map(short).find(fits);
    fit.expect("the numbers of any reason with texts of 64 bytes fit into 480")
}

/// At most so many bytes of a text, and a sign that there was more.
fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    format!("{}...", &text[..text.floor_char_boundary(most - 3)])
}

/// What a status takes as trailers.
pub(super) fn trailer_bytes(status: &Status) -> usize {
    let mut trailers = HeaderMap::new();
    if status.add_header(&mut trailers).is_err() {
        return usize::MAX;
    }
    header_bytes(&trailers)
}

/// What headers or trailers take, as HTTP/2 counts them.
fn header_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum()
}

/// What the answer to an accepted item takes at the most, by the number of lots that it makes, from none.
static ISSUED_BYTES_MAX: LazyLock<[usize; FUNDERS_MAX + 1]> =
    LazyLock::new(|| std::array::from_fn(|lots| largest_issued(lots).encoded_len()));

/// Whether the answer to a batch fits, whatever becomes of its items: each makes so many lots, or is refused already.
///
/// # Errors
/// `ANSWER_TOO_LARGE`, with both numbers.
pub fn check_batch(lots: impl Iterator<Item = Option<usize>>) -> Result<(), Status> {
    let item = |lots: Option<usize>| {
        let issued = lots.map_or(0, |lots| ISSUED_BYTES_MAX[lots.min(FUNDERS_MAX)]);
        issued.max(ITEM_ERROR_BYTES_MAX) + 2 * AROUND
    };
    let bytes: usize = lots.map(item).sum::<usize>() + AROUND + 10;
    if bytes <= ANSWER_BYTES_MAX {
        return Ok(());
    }
    let message = format!(
        "the answer to this batch may come to {bytes} bytes, and {ANSWER_BYTES_MAX} are the most; send it in smaller parts"
    );
    let numbers = [("answer_bytes", bytes.to_string()), ("maximum_bytes", ANSWER_BYTES_MAX.to_string())];
    Err(errors::broken_at(Fault::AnswerTooLarge, message, None, numbers))
}

/// The largest answer to an item that makes so many lots, without what an answer to a batch leaves out.
fn largest_issued(lots: usize) -> v1::IssuePointsResponse {
    let uuid = || "0193a7c2-5d0e-7c3a-9f00-0123456789ab".to_owned();
    let partner = || "P".repeat(clearing_core::units::PARTNER_ID_MAX);
    let time = || Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 999_999_999 });
    let lot = |_| v1::LotPart {
        lot_id: "l".repeat(ID_BYTES_MAX),
        issuer_id: Some(partner()),
        own: true,
        change: v1::LotChange::Made.into(),
        points: clearing_core::units::Points::OPERATION_MAX.0,
        expire_time: time(),
    };
    let entry = v1::Entry {
        entry_id: "e".repeat(ID_BYTES_MAX),
        window: i64::from(u32::MAX),
        kind: v1::EntryKind::Issue.into(),
        entry_time: time(),
        lots: (0..lots).map(lot).collect(),
        request_id: Some(uuid()),
        partner_id: Some(partner()),
        member_id: Some(uuid()),
        ..v1::Entry::default()
    };
    v1::IssuePointsResponse {
        written: Some(v1::Written {
            entries: vec![entry],
            following: Vec::new(),
            recovered_points: i64::MAX,
            replayed: true,
        }),
        member: Some(v1::MemberFigures {
            member_id: uuid(),
            available_points: i64::MAX,
            held_points: i64::MAX,
            pending_points: i64::MAX,
            owed_points: i64::MAX,
            next_expiry: Some(v1::ComingExpiry { expire_time: time(), points: i64::MAX }),
        }),
    }
}

/// Leaves out of an answer to an item what its caller can look up.
pub fn without_what_can_be_looked_up(mut issued: v1::IssuePointsResponse) -> v1::IssuePointsResponse {
    if let Some(written) = &mut issued.written {
        written.entries.iter_mut().for_each(|entry| entry.postings.clear());
        written.following.clear();
    }
    issued
}

/// A page of at most `limit` rows that fit into an answer, and whether there are more of them. There is always one.
pub fn page<M: Message>(rows: impl IntoIterator<Item = M>, limit: usize) -> (Vec<M>, bool) {
    let (mut page, mut bytes) = (Vec::new(), 0);
    for row in rows {
        bytes += row.encoded_len() + AROUND;
        if page.len() == limit || (bytes > PAGE_BYTES_MAX && !page.is_empty()) {
            return (page, true);
        }
        page.push(row);
    }
    (page, false)
}

/// Entries of an answer: whole as long as they fit, the others by their ids, kinds and times.
pub fn entries(entries: impl Iterator<Item = v1::Entry>) -> Vec<v1::Entry> {
    let mut bytes = 0;
    let fit = entries.map(|entry| {
        bytes += entry.encoded_len();
        if bytes <= SHOWN_BYTES_MAX {
            return entry;
        }
        let v1::Entry { entry_id, window, kind, entry_time, .. } = entry;
        v1::Entry { entry_id, window, kind, entry_time, ..v1::Entry::default() }
    });
    fit.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::BATCH_ITEMS_MAX;
    use crate::rpc::issue::issue_result;
    use clearing_core::rejection::Rejection;

    #[test]
    fn as_many_issues_of_one_lot_as_a_batch_may_have_are_answered() {
        assert!(check_batch((0..BATCH_ITEMS_MAX).map(|_| Some(1))).is_ok());
        assert!(check_batch((0..BATCH_ITEMS_MAX).map(|_| None)).is_ok());
        assert!(check_batch((0..BATCH_ITEMS_MAX).map(|_| Some(2))).is_err());
        let batch =
            |item: &v1::IssueResult| v1::BatchIssuePointsResponse { results: vec![item.clone(); BATCH_ITEMS_MAX] };
        let largest = issue_result(Ok(largest_issued(1)));
        assert!(batch(&largest).encoded_len() <= ANSWER_BYTES_MAX);
        let refused = Rejection::NotFound { what: "ж".repeat(4000), id: "\u{10ffff}".repeat(4000) };
        let refused = issue_result(Err(errors::refused(&refused)));
        assert!(batch(&refused).encoded_len() <= ANSWER_BYTES_MAX);
    }

    #[test]
    fn a_status_fits_into_the_trailers_of_any_client_whatever_it_repeats() {
        for text in ["x", "ж", "\u{10ffff}", "\n", "%"] {
            for length in [1, 100, 4000, 60_000] {
                let text = text.repeat(length);
                for status in [
                    errors::invalid(&text, &text),
                    errors::not_found(&text, &text),
                    errors::broken(Fault::Internal, &text, None),
                ] {
                    assert!(trailer_bytes(&status) <= TRAILER_BYTES_MAX, "{}", trailer_bytes(&status));
                }
            }
        }
    }

    #[test]
    fn a_page_ends_before_it_is_too_large_and_has_at_least_one_row() {
        let row = |bytes: usize| v1::Entry { entry_id: "x".repeat(bytes), ..v1::Entry::default() };
        let (page, more) = super::page((0..100).map(|_| row(100_000)), 100);
        assert!(more && page.len() == 41, "{}", page.len());
        let answer = v1::ListEntriesResponse { entries: page, next_page_token: "t".repeat(200) };
        assert!(answer.encoded_len() <= ANSWER_BYTES_MAX);
        let (page, more) = super::page([row(1), row(1)], 1);
        assert!(more && page.len() == 1);
        let (page, more) = super::page([row(1), row(1)], 2);
        assert!(!more && page.len() == 2);
        assert_eq!(super::page([row(5 << 20)], 2).0.len(), 1);
    }
}
