//! Notices of coming expiries, between the wire and the rules.

use clearing_core::journal::BusinessDate;
use clearing_core::notice::{Notice, NoticeDay};
use clearing_core::units::MemberId;
use clearing_proto::v1;
use jiff::civil::Date;
use tonic::Status;

use crate::store::NoticePage;

use super::{from_timestamp, id, page_place, page_token};

/// A day that may be left out.
pub fn day_or_none(field: &str, text: &str) -> Result<Option<Date>, Status> {
    if text.is_empty() { Ok(None) } else { id::<BusinessDate>(field, text).map(|day| Some(day.to_jiff())) }
}

/// The day and the place that a token holds; none for the first page.
pub fn notice_place(list: &[&str], token: &str) -> Result<Option<(Date, MemberId)>, Status> {
    let Some(place) = page_place(list, token)? else { return Ok(None) };
    let (day, place) = place.split_once(',').unwrap_or_default();
    Ok(Some((id::<BusinessDate>("page_token", day)?.to_jiff(), id("page_token", place)?)))
}

/// What both lists of notices answer.
pub struct NoticesPage {
    pub notices: Vec<v1::ExpiryNotice>,
    pub next_page_token: String,
    pub day: String,
}

pub fn notices_page(list: &[&str], day: &NoticeDay, page: NoticePage) -> NoticesPage {
    let day = BusinessDate::of(day.day);
    let token = |next: MemberId| page_token(list, &format!("{day},{next}"));
    NoticesPage {
        notices: page.notices.iter().map(from_notice).collect(),
        next_page_token: page.next.map_or_else(String::new, token),
        day: day.to_string(),
    }
}

fn from_notice(notice: &Notice) -> v1::ExpiryNotice {
    v1::ExpiryNotice {
        member_id: notice.member.to_string(),
        points: notice.points.0,
        expires_time: from_timestamp(notice.expires),
        days_ahead: i32::from(notice.days_ahead),
        issuer: notice.issuer.to_string(),
    }
}
