//! Page tokens: where a list goes on. To callers they are opaque text.
//!
//! A token holds a place and a check of the list it belongs to, so that a token of another list, or of the same list
//! under other filters, is refused rather than read as a place.

use clearing_core::units::whole;
use sha2::{Digest, Sha256};
use tonic::Status;

use crate::rpc::errors::invalid;

/// Longer than any token that a list gives.
const TOKEN_LENGTH_MAX: usize = 256;

/// The token of a place in a list. `list` names the method and every field that the next call must repeat.
pub fn page_token(list: &[&str], place: &str) -> String {
    format!("{}.{place}", check(list, place))
}

/// The place that a token holds; none for the first page.
///
/// # Errors
/// `INVALID_ARGUMENT` for a token that this list did not give.
pub fn page_place<'a>(list: &[&str], token: &'a str) -> Result<Option<&'a str>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let place =
        token.split_once('.').filter(|(given, place)| token.len() <= TOKEN_LENGTH_MAX && *given == check(list, place));
    place
        .map(|(_, place)| Some(place))
        .ok_or_else(|| invalid("page_token", "is not one that this method gave to a call with the same fields"))
}

/// The numbers that a place of this list holds; none for the first page.
///
/// # Errors
/// `INVALID_ARGUMENT` for a token that this list did not give.
pub fn page_numbers<const N: usize>(list: &[&str], token: &str) -> Result<Option<[i64; N]>, Status> {
    let Some(place) = page_place(list, token)? else { return Ok(None) };
    let numbers: Option<Vec<i64>> = place.split(',').map(|number| whole(number).ok()).collect();
    let numbers = numbers.and_then(|numbers| <[i64; N]>::try_from(numbers).ok());
    numbers.map(Some).ok_or_else(|| invalid("page_token", "is not one that this method gave"))
}

fn check(list: &[&str], place: &str) -> String {
    let mut hash = Sha256::new();
    for part in list.iter().chain([&place]) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let hash: [u8; 32] = hash.finalize().into();
    hash[..6].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_back_to_its_place() {
        let token = page_token(&["GetStatement", "A", "3"], "3,117,1");
        assert_eq!(page_place(&["GetStatement", "A", "3"], &token).unwrap(), Some("3,117,1"));
        assert_eq!(page_numbers(&["GetStatement", "A", "3"], &token).unwrap(), Some([3, 117, 1]));
    }

    #[test]
    fn no_token_is_the_first_page() {
        assert_eq!(page_place(&["ListWindows"], "").unwrap(), None);
    }

    #[test]
    fn a_token_of_another_list_is_refused() {
        let token = page_token(&["GetStatement", "A", "3"], "117");
        for list in [&["GetStatement", "B", "3"][..], &["GetStatement", "A", "4"], &["ListObligations", "A", "3"]] {
            assert_eq!(page_place(list, &token).unwrap_err().code(), tonic::Code::InvalidArgument);
        }
    }

    #[test]
    fn a_token_that_was_changed_is_refused() {
        let token = page_token(&["ListWindows"], "7");
        let changed = token.replace(".7", ".8");
        let long = format!("{token}{}", "0".repeat(300));
        for bad in [changed.as_str(), &long, "7", "x", ".", "é.7"] {
            assert_eq!(page_place(&["ListWindows"], bad).unwrap_err().code(), tonic::Code::InvalidArgument, "{bad}");
        }
        let other_form = page_token(&["ListWindows"], "7,8");
        assert!(page_numbers::<1>(&["ListWindows"], &other_form).is_err());
    }
}
