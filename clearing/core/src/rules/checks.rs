//! What no operation may name, whatever it is about.

use crate::rejection::Rejection;
use crate::units::{Points, Timestamp};

/// Refuses a moment outside of the house's calendar, and the very first one: it is what an unset clock says.
pub(crate) fn check_moment(field: &str, time: Option<Timestamp>) -> Result<(), Rejection> {
    match time.map(Timestamp::named) {
        Some(Ok(Timestamp::FIRST)) => Err(Rejection::invalid(field, format!("{} is no time", Timestamp::FIRST))),
        Some(Err(problem)) => Err(Rejection::invalid(field, problem)),
        Some(Ok(_)) | None => Ok(()),
    }
}

/// Refuses points that no operation may name.
pub(crate) fn check_points(field: &str, points: Points) -> Result<(), Rejection> {
    points.of_operation().map(drop).map_err(|problem| Rejection::invalid(field, problem))
}

pub(crate) fn check_range(
    field: &str,
    time: Timestamp,
    earliest: Timestamp,
    latest: Timestamp,
) -> Result<(), Rejection> {
    if (earliest..=latest).contains(&time) {
        return Ok(());
    }
    Err(Rejection::TimeOutOfRange {
        field: field.to_owned(),
        time: time.to_string(),
        earliest: earliest.to_string(),
        latest: latest.to_string(),
    })
}
