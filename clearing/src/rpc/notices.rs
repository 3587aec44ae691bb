//! Notices of coming expiries, as brands and the operator page through them.

use clearing_core::notice::NoticeDay;
use clearing_core::units::{MemberId, PartnerId};
use tonic::Status;

use crate::rpc::convert::{self, NoticesPage};
use crate::rpc::{Context, errors, page_size_or};

/// Members on a page where the caller does not say.
const MEMBERS_DEFAULT: usize = 500;

impl Context {
    /// A page of the notices of a day, of one issuer's points or of all. `list` is the method and the day as it was named.
    pub(super) async fn notices(
        &self,
        list: [&str; 2],
        issuer: Option<PartnerId>,
        page_size: i32,
        page_token: &str,
    ) -> Result<NoticesPage, Status> {
        let limit = page_size_or(page_size, MEMBERS_DEFAULT)?;
        let named = convert::day_or_none("day", list[1])?;
        let (named, from) = match convert::notice_place(&list, page_token)? {
            // Today may be over before its list is.
            Some((day, from)) => (Some(day), from),
            None => (named, MemberId(0)),
        };
        let now = self.clock.now();
        let zone = self.house().coalition.time_zone.clone();
        let day = NoticeDay::asked(named, now, &zone).map_err(|rejection| errors::refused(&rejection))?;
        let page = self.store.expiry_notices(&day, issuer, from, limit, now).await;
        let page = page.map_err(|error| errors::of_store(&error))?;
        Ok(convert::notices_page(&list, &day, page))
    }
}
