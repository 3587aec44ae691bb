//! ReceiptService: receipts that are found again, and days that are compared.

use clearing_core::facts::entry::Entry;
use clearing_core::facts::origin::{BusinessDate, Code};
use clearing_core::rules::day::DayKind;
use clearing_core::units::{PartnerId, Timestamp};
use clearing_proto::v1;
use clearing_proto::v1::receipt_service_server::ReceiptService;
use jiff::tz::TimeZone;
use tonic::{Request, Response, Status};

use crate::rpc::convert::{self, code_or_none, id};
use crate::rpc::errors::invalid;
use crate::rpc::{Context, auth, bounds, errors, page_size};
use crate::store::{EntryFilter, OwnEntry};

/// The service, in the house that it works for.
pub struct Service(pub Context);

#[tonic::async_trait]
impl ReceiptService for Service {
    async fn find_receipt(
        &self,
        request: Request<v1::FindReceiptRequest>,
    ) -> Result<Response<v1::FindReceiptResponse>, Status> {
        let caller = auth::caller(&request)?;
        let wire = request.into_inner();
        let sought = DaySought::of(&wire.store, &wire.till, &wire.business_date)?;
        let number = convert::receipt_or_none("receipt_number", &wire.receipt_number)?
            .ok_or_else(|| errors::invalid("receipt_number", "is missing"))?;
        let limit = page_size(wire.page_size)?;
        let list = [&wire.store, &wire.till, &wire.receipt_number, &wire.business_date];
        let list = self.0.opaque.list(&caller, "FindReceipt", &list.map(String::as_str));
        let before = list.numbers(&wire.page_token)?.map(|[before]| before);
        let caller = caller.partner()?;
        let (found, next) = self.receipt_entries(caller, &sought, number, before, limit).await?;
        let house = self.0.house();
        let rows = found.iter().map(|own| convert::from_own(own, caller, &house, &self.0.opaque));
        let (entries, more) = bounds::page(rows, limit);
        let last = found.iter().take(entries.len()).next_back();
        let next = if more { last.map(|last| last.written.sequence) } else { next };
        let next_page_token = next.map_or_else(String::new, |next| list.token(&next.to_string()));
        Ok(Response::new(v1::FindReceiptResponse { entries, next_page_token }))
    }

    async fn reconcile_day(
        &self,
        request: Request<v1::ReconcileDayRequest>,
    ) -> Result<Response<v1::ReconcileDayResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let v1::ReconcileDayRequest { store, till, business_date, counted } = request.into_inner();
        let sought = DaySought::of(&store, &till, &business_date)?;
        if sought.store.is_none() {
            return Err(errors::invalid("store", "is missing"));
        }
        let counted = counted_day(counted)?;
        let booked = self.booked_day(caller, sought).await?;
        Ok(Response::new(day_answer(counted, booked)))
    }
}

/// Entries that are looked through at once for a receipt or a day.
const LOOKED_THROUGH: usize = 1000;

/// How often one call looks through so many for a receipt before it gives what it has, and a token to go on.
const LOOKS_MAX: usize = 20;

/// Entries of a day that one call sums at the most.
const DAY_ENTRIES_MAX: usize = 100_000;

/// So long before the first moment of its business date a receipt may be booked: a trading day's grace on either side.
const EARLY_DAYS: i64 = 2;

impl Service {
    /// At most `limit` entries of the caller that were booked with a receipt, newest first, and where to go on.
    async fn receipt_entries(
        &self,
        caller: PartnerId,
        sought: &DaySought,
        number: Code,
        before: Option<i64>,
        limit: usize,
    ) -> Result<(Vec<OwnEntry>, Option<i64>), Status> {
        let house = self.0.house();
        let zone = &house.coalition.time_zone;
        let earliest = booked_from(sought.date, zone)?;
        let of_day = |entry: &Entry| entry.origin.day(entry.time, zone) == sought.date;
        let mut filter = EntryFilter {
            store: sought.store.clone(),
            till: sought.till.clone(),
            receipt_number: Some(number),
            business_date: None,
            member: None,
            window: None,
            before_sequence: before,
        };
        let mut page: Vec<OwnEntry> = Vec::new();
        for _ in 0..LOOKS_MAX {
            let found = self.0.store.entries_of(caller, &filter, LOOKED_THROUGH).await;
            let found = found.map_err(|error| errors::of_store(&error))?;
            let last = found.len() < LOOKED_THROUGH;
            for own in found {
                // Newest first: what follows was booked before the day.
                if own.written.entry.time < earliest {
                    return Ok((page, None));
                }
                if page.len() == limit {
                    return Ok((page, filter.before_sequence));
                }
                filter.before_sequence = Some(own.written.sequence);
                if of_day(&own.written.entry) {
                    page.push(own);
                }
            }
            if last {
                return Ok((page, None));
            }
        }
        Ok((page, filter.before_sequence))
    }

    /// What the house has booked of a day.
    async fn booked_day(&self, caller: PartnerId, sought: DaySought) -> Result<v1::DayTotals, Status> {
        let mut filter = EntryFilter {
            store: sought.store,
            till: sought.till,
            receipt_number: None,
            business_date: Some(sought.date),
            member: None,
            window: None,
            before_sequence: None,
        };
        let mut day = v1::DayTotals::default();
        let mut seen = 0;
        loop {
            let found = self.0.store.entries_of(caller, &filter, LOOKED_THROUGH).await;
            let found = found.map_err(|error| errors::of_store(&error))?;
            let requests = found.iter().filter_map(|own| own.written.entry.request_key());
            let abandoned = self.0.store.abandoned_requests(requests).await;
            let abandoned = abandoned.map_err(|error| errors::of_store(&error))?;
            let stands = |own: &&OwnEntry| own.written.entry.request_key().is_none_or(|key| !abandoned.contains(&key));
            for own in found.iter().filter(stands) {
                add_to_day(&mut day, &own.written.entry);
            }
            seen += found.len();
            match found.last() {
                Some(last) if found.len() == LOOKED_THROUGH => filter.before_sequence = Some(last.written.sequence),
                Some(_) | None => return Ok(day),
            }
            if seen >= DAY_ENTRIES_MAX {
                let problem = format!("the day has more than {DAY_ENTRIES_MAX} entries: ask till by till");
                return Err(errors::invalid("till", problem));
            }
        }
    }
}

/// When at the earliest what is of a business date was booked.
pub(super) fn booked_from(date: BusinessDate, zone: &TimeZone) -> Result<Timestamp, Status> {
    let begins = date.to_jiff().to_zoned(zone.clone()).map(|midnight| Timestamp::from_jiff(midnight.timestamp()));
    Ok(begins.map_err(|problem| errors::invalid("business_date", problem))?.plus_days(-EARLY_DAYS))
}

/// Which entries are looked for: those of a day, at a store and till if they are named.
struct DaySought {
    store: Option<Code>,
    till: Option<Code>,
    date: BusinessDate,
}

impl DaySought {
    fn of(store: &str, till: &str, date: &str) -> Result<Self, Status> {
        Ok(Self {
            store: code_or_none("store", store)?,
            till: code_or_none("till", till)?,
            date: id("business_date", date)?,
        })
    }
}

fn wire_kind(kind: DayKind) -> v1::EntryKind {
    match kind {
        DayKind::Issue => v1::EntryKind::Issue,
        DayKind::Redemption => v1::EntryKind::Redeem,
        DayKind::Return => v1::EntryKind::Return,
        DayKind::Reversal => v1::EntryKind::Reverse,
    }
}

/// How many of a kind there were, and how many points.
fn tally(kind: DayKind, day: &mut v1::DayTotals) -> &mut v1::Tally {
    let tally = match kind {
        DayKind::Issue => &mut day.issued,
        DayKind::Redemption => &mut day.redeemed,
        DayKind::Return => &mut day.returned,
        DayKind::Reversal => &mut day.reversed,
    };
    tally.get_or_insert_default()
}

/// The field of the totals that counts a kind.
fn field(kind: DayKind) -> &'static str {
    match kind {
        DayKind::Issue => "issued",
        DayKind::Redemption => "redeemed",
        DayKind::Return => "returned",
        DayKind::Reversal => "reversed",
    }
}

/// Adds an entry to the totals of its day, if it is of a kind that counts.
fn add_to_day(day: &mut v1::DayTotals, entry: &Entry) {
    let Some((kind, points)) = DayKind::of(entry) else { return };
    let tally = tally(kind, day);
    tally.count = tally.count.saturating_add(1);
    tally.points = tally.points.saturating_add(points.0);
}

/// What a till counted.
fn counted_day(wire: Option<v1::DayTotals>) -> Result<v1::DayTotals, Status> {
    let mut day = wire.ok_or_else(|| invalid("counted", "is missing"))?;
    for kind in DayKind::ALL {
        let tally = tally(kind, &mut day);
        for (number, value) in [("count", tally.count), ("points", tally.points)] {
            if value < 0 {
                return Err(invalid(&format!("counted.{}.{number}", field(kind)), format!("{value} is below zero")));
            }
        }
    }
    Ok(day)
}

fn day_answer(mut counted: v1::DayTotals, mut booked: v1::DayTotals) -> v1::ReconcileDayResponse {
    let mut differences = Vec::new();
    for kind in DayKind::ALL {
        let (counted, booked) = (*tally(kind, &mut counted), *tally(kind, &mut booked));
        if counted != booked {
            let (counted, booked) = (Some(counted), Some(booked));
            differences.push(v1::DayDifference { kind: wire_kind(kind).into(), counted, booked });
        }
    }
    let matched = differences.is_empty();
    let state = if matched { v1::ReconcileState::Matched } else { v1::ReconcileState::Different };
    v1::ReconcileDayResponse { state: state.into(), booked: Some(booked), differences }
}
