//! NoticeService: what members are about to lose, as brands and the operator page through it.

use clearing_core::facts::origin::BusinessDate;
use clearing_core::rules::notice::{Notice, NoticeDay};
use clearing_core::units::{MemberId, PartnerId};
use clearing_proto::v1;
use clearing_proto::v1::notice_service_server::NoticeService;
use jiff::civil::Date;
use tonic::{Request, Response, Status};

use crate::rpc::convert::{from_timestamp, id};
use crate::rpc::opaque::List;
use crate::rpc::{Context, auth, errors, page_size_or};

/// Members on a page where the caller does not say.
const MEMBERS_DEFAULT: usize = 500;

/// Members that are looked through at once for an issuer's notices, and how often a call does so before it gives what it has.
const LOOKED_THROUGH: usize = 1000;
const LOOKS_MAX: usize = 10;

/// Notices after which a page looks no further.
const NOTICES_MAX: usize = 10_000;

/// The service, in the house that it works for.
pub struct Service(pub Context);

#[tonic::async_trait]
impl NoticeService for Service {
    async fn list_expiry_notices(
        &self,
        request: Request<v1::ListExpiryNoticesRequest>,
    ) -> Result<Response<v1::ListExpiryNoticesResponse>, Status> {
        let caller = auth::caller(&request)?;
        let issuer = caller.partner()?;
        let v1::ListExpiryNoticesRequest { day, page_size: size, page_token } = request.into_inner();
        let list = self.0.opaque.list(&caller, "ListExpiryNotices", &[&day]);
        let page = self.0.notices(&list, &day, Some(issuer), size, &page_token).await?;
        let NoticesPage { notices, next_page_token, day } = page;
        Ok(Response::new(v1::ListExpiryNoticesResponse { notices, next_page_token, day }))
    }
}

impl Context {
    /// A page of the notices of a day, of one issuer's points or of all. `day` is the day as the list names it.
    pub(super) async fn notices(
        &self,
        list: &List<'_>,
        day: &str,
        issuer: Option<PartnerId>,
        page_size: i32,
        token: &str,
    ) -> Result<NoticesPage, Status> {
        let limit = page_size_or(page_size, MEMBERS_DEFAULT)?;
        let named = day_or_none("day", day)?;
        let (named, from) = match notice_place(list, token)? {
            // Today may be over before its list is.
            Some((day, from)) => (Some(day), from),
            None => (named, MemberId(0)),
        };
        let now = self.clock.now();
        let day =
            NoticeDay::asked(named, now, &self.house().coalition).map_err(|rejection| errors::refused(&rejection))?;
        // An issuer's page is of its own members alone: how many others stand between them is not for it to see.
        let (at_once, looks) = if issuer.is_some() { (LOOKED_THROUGH, LOOKS_MAX) } else { (limit, 1) };
        let (mut notices, mut members, mut next) = (Vec::<Notice>::new(), 0, Some(from));
        for _ in 0..looks {
            let Some(from) = next.filter(|_| notices.len() < NOTICES_MAX) else { break };
            let page = self.store.expiry_notices(&day, issuer, from, at_once, now).await;
            let page = page.map_err(|error| errors::of_store(&error))?;
            next = page.next;
            for notice in page.notices {
                if notices.last().is_none_or(|last| last.member != notice.member) {
                    if members == limit {
                        return Ok(notices_page(list, &day, &notices, Some(notice.member)));
                    }
                    members += 1;
                }
                notices.push(notice);
            }
        }
        Ok(notices_page(list, &day, &notices, next))
    }
}

/// What both lists of notices answer.
pub(super) struct NoticesPage {
    pub notices: Vec<v1::ExpiryNotice>,
    pub next_page_token: String,
    pub day: String,
}

fn notices_page(list: &List<'_>, day: &NoticeDay, notices: &[Notice], next: Option<MemberId>) -> NoticesPage {
    let day = BusinessDate::of(day.day);
    let token = |next: MemberId| list.token(&format!("{day},{next}"));
    NoticesPage {
        notices: notices.iter().map(from_notice).collect(),
        next_page_token: next.map_or_else(String::new, token),
        day: day.to_string(),
    }
}

/// A day that may be left out.
fn day_or_none(field: &str, text: &str) -> Result<Option<Date>, Status> {
    if text.is_empty() { Ok(None) } else { id::<BusinessDate>(field, text).map(|day| Some(day.to_jiff())) }
}

/// The day and the place that a token holds; none for the first page.
fn notice_place(list: &List<'_>, token: &str) -> Result<Option<(Date, MemberId)>, Status> {
    let Some(place) = list.place(token)? else { return Ok(None) };
    let (day, place) = place.split_once(',').unwrap_or_default();
    Ok(Some((id::<BusinessDate>("page_token", day)?.to_jiff(), id("page_token", place)?)))
}

fn from_notice(notice: &Notice) -> v1::ExpiryNotice {
    v1::ExpiryNotice {
        member_id: notice.member.to_string(),
        points: notice.points.0,
        expire_time: from_timestamp(notice.expires),
        days_ahead: i32::from(notice.days_ahead),
        issuer_id: notice.issuer.to_string(),
    }
}
