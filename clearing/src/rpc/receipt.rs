//! ReceiptService: receipts that are found again, and days that are compared.

use clearing_core::facts::entry::{Entry, EntryKind, JournalEntry};
use clearing_core::facts::origin::{BusinessDate, Code};
use clearing_core::units::{PartnerId, RequestId, Timestamp};
use clearing_proto::v1;
use clearing_proto::v1::receipt_service_server::ReceiptService;
use tonic::{Request, Response, Status};

use crate::rpc::convert::{self, View, code_or_none, id};
use crate::rpc::errors::invalid;
use crate::rpc::{Context, auth, bounds, errors, page_size};
use crate::store::EntryFilter;

/// The service, in the house that it works for.
pub struct Service(pub Context);

#[tonic::async_trait]
impl ReceiptService for Service {
    async fn find_receipt(
        &self,
        request: Request<v1::FindReceiptRequest>,
    ) -> Result<Response<v1::FindReceiptResponse>, Status> {
        let caller = auth::caller(&request)?.partner()?;
        let wire = request.into_inner();
        let sought = DaySought::of(&wire.store, &wire.till, &wire.business_date)?;
        let number = convert::receipt_or_none("receipt_number", &wire.receipt_number)?
            .ok_or_else(|| errors::invalid("receipt_number", "is missing"))?;
        let limit = page_size(wire.page_size)?;
        let list = ["FindReceipt", &wire.store, &wire.till, &wire.receipt_number, &wire.business_date];
        let before = convert::page_numbers(&list, &wire.page_token)?.map(|[before]| before);
        let (found, next) = self.receipt_entries(caller, &sought, number, before, limit).await?;
        let house = self.0.house();
        let rows = found.iter().map(|entry| convert::from_journal(entry, View::Part(caller), &house));
        let (entries, more) = bounds::page(rows, limit);
        let next = if more { entries.last().map(|last| last.sequence) } else { next };
        let next_page_token = next.map_or_else(String::new, |next| convert::page_token(&list, &next.to_string()));
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
    ) -> Result<(Vec<JournalEntry>, Option<i64>), Status> {
        let house = self.0.house();
        let zone = &house.coalition.time_zone;
        let day = sought.date.to_jiff();
        let begins = day.to_zoned(zone.clone()).map(|midnight| Timestamp::from_jiff(midnight.timestamp()));
        let earliest = begins.map_err(|problem| errors::invalid("business_date", problem))?.plus_days(-EARLY_DAYS);
        let of_day = |entry: &Entry| match entry.origin.business_date {
            Some(date) => date == sought.date,
            None => entry.time.to_jiff().to_zoned(zone.clone()).date() == day,
        };
        let mut filter = EntryFilter {
            store: sought.store.clone(),
            till: sought.till.clone(),
            receipt_number: Some(number),
            business_date: None,
            member: None,
            window: None,
            before_sequence: before,
        };
        let mut page: Vec<JournalEntry> = Vec::new();
        for _ in 0..LOOKS_MAX {
            let found = self.0.store.entries_of(caller, &filter, LOOKED_THROUGH).await;
            let found = found.map_err(|error| errors::of_store(&error))?;
            let last = found.len() < LOOKED_THROUGH;
            for entry in found {
                // Newest first: what follows was booked before the day.
                if entry.entry.time < earliest {
                    return Ok((page, None));
                }
                if page.len() == limit {
                    return Ok((page, filter.before_sequence));
                }
                filter.before_sequence = Some(entry.sequence);
                if of_day(&entry.entry) {
                    page.push(entry);
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
            let requests: Vec<RequestId> = found.iter().filter_map(|entry| entry.entry.request_id).collect();
            let abandoned = self.0.store.abandoned_requests(caller, &requests).await;
            let abandoned = abandoned.map_err(|error| errors::of_store(&error))?;
            let stands = |entry: &&JournalEntry| entry.entry.request_id.is_none_or(|id| !abandoned.contains(&id));
            for entry in found.iter().filter(stands) {
                add_to_day(&mut day, &entry.entry);
            }
            seen += found.len();
            match found.last() {
                Some(last) if found.len() == LOOKED_THROUGH => filter.before_sequence = Some(last.sequence),
                Some(_) | None => return Ok(day),
            }
            if seen >= DAY_ENTRIES_MAX {
                let problem = format!("the day has more than {DAY_ENTRIES_MAX} entries: ask till by till");
                return Err(errors::invalid("till", problem));
            }
        }
    }
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

/// The kinds of which a day's totals are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DayKind {
    Issue,
    Redemption,
    Return,
    Reversal,
}

impl DayKind {
    const ALL: [Self; 4] = [Self::Issue, Self::Redemption, Self::Return, Self::Reversal];

    #[allow(clippy::wildcard_enum_match_arm, reason = "a till counts these four, whatever other kinds there will be")]
    fn of(entry: &Entry) -> Option<(Self, i64)> {
        let net = |born: bool| {
            let moved = entry.lots.iter().filter(|moved| moved.birth.is_some() == born);
            moved.map(|moved| moved.net().unwrap_or_default().0).sum()
        };
        let redeemed = entry.redemption().map(|facts| facts.points.0);
        let reversed = entry.facts.reversal().map(|parts| parts.iter().map(|part| part.points.0).sum());
        match entry.kind {
            EntryKind::Issue => Some((Self::Issue, net(true))),
            EntryKind::Redeem | EntryKind::Capture => redeemed.map(|points| (Self::Redemption, points)),
            EntryKind::Return => redeemed.map(|points| (Self::Return, -points)),
            EntryKind::Reverse => reversed.map(|points| (Self::Reversal, points)),
            _ => None,
        }
    }

    fn wire(self) -> v1::EntryKind {
        match self {
            Self::Issue => v1::EntryKind::Issue,
            Self::Redemption => v1::EntryKind::Redeem,
            Self::Return => v1::EntryKind::Return,
            Self::Reversal => v1::EntryKind::Reverse,
        }
    }

    /// The field of the totals that counts it.
    fn field(self) -> &'static str {
        match self {
            Self::Issue => "issued",
            Self::Redemption => "redeemed",
            Self::Return => "returned",
            Self::Reversal => "reversed",
        }
    }

    /// How many of this kind there were, and how many points.
    fn tally(self, day: &mut v1::DayTotals) -> &mut v1::Tally {
        let tally = match self {
            Self::Issue => &mut day.issued,
            Self::Redemption => &mut day.redeemed,
            Self::Return => &mut day.returned,
            Self::Reversal => &mut day.reversed,
        };
        tally.get_or_insert_default()
    }
}

/// Adds an entry to the totals of its day, if it is of a kind that counts.
fn add_to_day(day: &mut v1::DayTotals, entry: &Entry) {
    let Some((kind, points)) = DayKind::of(entry) else { return };
    let tally = kind.tally(day);
    tally.count = tally.count.saturating_add(1);
    tally.points = tally.points.saturating_add(points);
}

/// What a till counted.
fn counted_day(wire: Option<v1::DayTotals>) -> Result<v1::DayTotals, Status> {
    let mut day = wire.ok_or_else(|| invalid("counted", "is missing"))?;
    for kind in DayKind::ALL {
        let tally = kind.tally(&mut day);
        for (number, value) in [("count", tally.count), ("points", tally.points)] {
            if value < 0 {
                return Err(invalid(&format!("counted.{}.{number}", kind.field()), format!("{value} is below zero")));
            }
        }
    }
    Ok(day)
}

fn day_answer(mut counted: v1::DayTotals, mut booked: v1::DayTotals) -> v1::ReconcileDayResponse {
    let mut differences = Vec::new();
    for kind in DayKind::ALL {
        let (counted, booked) = (*kind.tally(&mut counted), *kind.tally(&mut booked));
        if counted != booked {
            let (counted, booked) = (Some(counted), Some(booked));
            differences.push(v1::DayDifference { kind: kind.wire().into(), counted, booked });
        }
    }
    let matched = differences.is_empty();
    let state = if matched { v1::ReconcileState::Matched } else { v1::ReconcileState::Different };
    v1::ReconcileDayResponse { state: state.into(), booked: Some(booked), differences }
}
