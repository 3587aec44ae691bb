//! PositionService: what a brand's accountant reads.

use clearing_core::chart::{MoneyAccount, PointsAccount};
use clearing_core::journal::JournalEntry;
use clearing_core::statement::{self, StatementLine, Totals};
use clearing_core::units::{Money, PartnerId, WindowNumber};
use clearing_proto::v1;
use clearing_proto::v1::position_service_server::PositionService;
use tonic::{Request, Response, Status};

use crate::rpc::auth::Caller;
use crate::rpc::convert::{self, View};
use crate::rpc::settlement::CUT_OFFS_PUBLISHED;
use crate::rpc::{Context, auth, errors, page_size};
use crate::scheduler::calendar::next_cut_offs;
use crate::store::WindowRow;

/// Entries without a line of the partner's that a page of a statement passes over at the most.
const PASSED_OVER_MAX: usize = 5_000;

/// See the module.
pub struct Service(pub Context);

#[tonic::async_trait]
impl PositionService for Service {
    async fn get_position(
        &self,
        request: Request<v1::GetPositionRequest>,
    ) -> Result<Response<v1::GetPositionResponse>, Status> {
        let caller = auth::caller(&request)?;
        let partner = self.subject(&caller, &request.into_inner().partner_id)?;
        let book = self.0.store.open_book().await.map_err(|error| errors::of_store(&error))?;
        let coalition = &book.house.coalition;
        let position = book.money_balances.get(&MoneyAccount::Position(partner)).copied().unwrap_or_default();
        let issued = book.points_balances.get(&PointsAccount::Issuer(partner)).copied().unwrap_or_default();
        let in_flight = self.0.store.legs_in_flight(partner).await.map_err(|error| errors::of_store(&error))?;
        let in_flight = in_flight.into_iter().map(|(window, leg)| v1::InFlight {
            window: i64::from(window),
            due: convert::from_money(leg.due, coalition),
            state: convert::from_leg_state(leg.state()).into(),
        });
        let headroom = book.headroom(partner).map(|headroom| {
            let fits = i64::try_from(headroom).unwrap_or(if headroom < 0 { i64::MIN } else { i64::MAX });
            Money(fits)
        });
        let known = book.house.partners.get(&partner);
        let now = self.0.clock.now();
        Ok(Response::new(v1::GetPositionResponse {
            partner_id: partner.to_string(),
            window: i64::from(book.open_window),
            position: convert::from_money(position, coalition),
            in_flight: in_flight.collect(),
            outstanding_points: -issued.0,
            headroom: headroom.and_then(|headroom| convert::from_money(headroom, coalition)),
            limit_uses: known.map(|known| convert::from_limit_uses(known, &book, now)).unwrap_or_default(),
        }))
    }

    async fn list_windows(
        &self,
        request: Request<v1::ListWindowsRequest>,
    ) -> Result<Response<v1::ListWindowsResponse>, Status> {
        const LIST: &[&str] = &["ListWindows"];
        let caller = auth::caller(&request)?;
        let v1::ListWindowsRequest { page_size: size, page_token } = request.into_inner();
        let limit = page_size(size)?;
        let before = convert::page_numbers(LIST, &page_token)?.map(|[before]| convert::window(before)).transpose()?;
        let windows = self.0.store.windows_before(before, limit).await;
        let windows = windows.map_err(|error| errors::of_store(&error))?;
        let last = windows.last().map(|row| row.window.number).filter(|number| *number > 1);
        let house = self.0.house();
        let next = next_cut_offs(&house.calendar, self.0.clock.now(), CUT_OFFS_PUBLISHED);
        let partner = caller.partner().ok();
        Ok(Response::new(v1::ListWindowsResponse {
            windows: windows.iter().map(|row| convert::from_window(&row.window, partner, &house.coalition)).collect(),
            next_close_times: convert::from_times(next),
            next_page_token: last.map_or_else(String::new, |last| convert::page_token(LIST, &last.to_string())),
        }))
    }

    async fn get_statement(
        &self,
        request: Request<v1::GetStatementRequest>,
    ) -> Result<Response<v1::GetStatementResponse>, Status> {
        let caller = auth::caller(&request)?;
        let v1::GetStatementRequest { window, partner_id, page_size: size, page_token } = request.into_inner();
        let partner = self.subject(&caller, &partner_id)?;
        let asked = convert::window_or_open(window)?;
        let limit = page_size(size)?;
        let list = ["GetStatement", partner.as_str(), &window.to_string()];
        let place = convert::page_numbers(&list, &page_token)?.map(|[window, sequence, lines]| Place {
            window,
            sequence,
            lines,
        });
        // A list of the open window stays one of that window, also when it closes between two pages.
        let number = match &place {
            Some(place) => Some(convert::window(place.window)?),
            None => asked,
        };
        let row = self.window(number).await?;
        let window = &row.window;
        let totals = self.totals(partner, &row).await?;
        let (lines, next) = self.lines(partner, &row, place, limit).await?;
        let sum = totals.sum().map_err(|overflow| errors::refused(&overflow.into()))?;

        let house = self.0.house();
        let coalition = &house.coalition;
        let view = view_of(&caller, partner);
        let participant = window.participants.get(&partner).copied().unwrap_or_default();
        let settlement = window.settlement.as_ref();
        let leg = settlement.and_then(|settlement| settlement.legs.get(&partner)).map_or(Money::ZERO, |leg| leg.amount);
        let closing = match settlement {
            Some(_) => participant.carried,
            // What the lines come to, and not the balance of a moment later: the statement adds up.
            None => participant.opening.plus(sum).map_err(|overflow| errors::refused(&overflow.into()))?,
        };
        let token = next.map(|Place { window, sequence, lines }| format!("{window},{sequence},{lines}"));
        Ok(Response::new(v1::GetStatementResponse {
            partner_id: partner.to_string(),
            window: Some(convert::from_window(window, Some(partner), coalition)),
            opening: convert::from_money(participant.opening, coalition),
            totals: convert::from_totals(&totals, coalition),
            leg: convert::from_money(leg, coalition),
            closing: convert::from_money(closing, coalition),
            lines: lines.iter().map(|line| convert::from_line(line, view, coalition)).collect(),
            next_page_token: token.map_or_else(String::new, |place| convert::page_token(&list, &place)),
        }))
    }

    async fn list_obligations(
        &self,
        request: Request<v1::ListObligationsRequest>,
    ) -> Result<Response<v1::ListObligationsResponse>, Status> {
        let caller = auth::caller(&request)?;
        let v1::ListObligationsRequest { window, partner_id, page_size: size, page_token } = request.into_inner();
        let partner = self.subject(&caller, &partner_id)?;
        let asked = convert::window_or_open(window)?;
        let limit = page_size(size)?;
        let list = ["ListObligations", partner.as_str(), &window.to_string()];
        // The window, and the row to go on with: rows are few, in a fixed order, and read anew for each page.
        let place = convert::page_numbers::<2>(&list, &page_token)?;
        let number = match place {
            Some([window, _]) => Some(convert::window(window)?),
            None => asked,
        };
        let number = self.window(number).await?.window.number;
        let gross = self.0.store.gross_of(number).await.map_err(|error| errors::of_store(&error))?;
        let rows = convert::obligations_of(partner, &gross, view_of(&caller, partner), &self.0.house());
        let rows = rows.map_err(|overflow| errors::refused(&overflow.into()))?;
        let first = place.map_or(0, |[_, first]| usize::try_from(first).unwrap_or(usize::MAX));
        let more = rows.len().saturating_sub(first) > limit;
        let next = format!("{number},{}", first.saturating_add(limit));
        Ok(Response::new(v1::ListObligationsResponse {
            window: i64::from(number),
            obligations: rows.into_iter().skip(first).take(limit).collect(),
            next_page_token: if more { convert::page_token(&list, &next) } else { String::new() },
        }))
    }
}

/// Where a statement goes on: after so many lines of the entry of this sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    window: i64,
    sequence: i64,
    lines: i64,
}

impl Service {
    /// The partner whose books a call is about.
    fn subject(&self, caller: &Caller, named: &str) -> Result<PartnerId, Status> {
        let partner = caller.subject(named)?;
        let known = self.0.house().partners.contains_key(&partner);
        if known { Ok(partner) } else { Err(errors::not_found("partner", partner)) }
    }

    /// A window by its number, or the open one.
    async fn window(&self, number: Option<WindowNumber>) -> Result<WindowRow, Status> {
        let store = &self.0.store;
        let found = match number {
            Some(number) => store.window_row(number).await.map_err(|error| errors::of_store(&error))?,
            None => store.windows_before(None, 1).await.map_err(|error| errors::of_store(&error))?.pop(),
        };
        found.ok_or_else(|| errors::not_found("window", number.unwrap_or_default()))
    }

    /// What all lines of a statement come to.
    async fn totals(&self, partner: PartnerId, row: &WindowRow) -> Result<Totals, Status> {
        let totals = self.0.store.statement_totals(partner, row).await.map_err(|error| errors::of_store(&error))?;
        totals.map_err(|overflow| errors::refused(&overflow.into()))
    }

    /// At most `limit` lines from a place on, and where to go on if there may be more.
    async fn lines(
        &self,
        partner: PartnerId,
        row: &WindowRow,
        place: Option<Place>,
        limit: usize,
    ) -> Result<(Vec<StatementLine>, Option<Place>), Status> {
        let window = i64::from(row.window.number);
        let (mut from, mut skip) = place.map_or((row.first_sequence, 0), |place| (place.sequence, place.lines));
        let mut page = Vec::with_capacity(limit);
        // Entries without a line of the partner's are passed over, so a page may take more than one look.
        let mut looked_at = 0;
        loop {
            let entries = self.entries(partner, row, from, limit + 1).await?;
            for written in &entries {
                for (at, line) in (0_i64..).zip(lines_of(partner, row, written)) {
                    if at < skip {
                        continue;
                    }
                    if page.len() == limit {
                        return Ok((page, Some(Place { window, sequence: written.sequence, lines: at })));
                    }
                    page.push(line);
                }
                skip = 0;
                from = written.sequence + 1;
            }
            if entries.len() <= limit {
                return Ok((page, None));
            }
            looked_at += entries.len();
            if looked_at > PASSED_OVER_MAX {
                return Ok((page, Some(Place { window, sequence: from, lines: 0 })));
            }
        }
    }

    async fn entries(
        &self,
        partner: PartnerId,
        row: &WindowRow,
        from: i64,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, Status> {
        let entries = self.0.store.entries_of_window(partner, row, from, limit).await;
        entries.map_err(|error| errors::of_store(&error))
    }
}

/// The lines of an entry; none if it is of another window, as it may be when the open one was closed under the reader.
fn lines_of(partner: PartnerId, row: &WindowRow, written: &JournalEntry) -> Vec<StatementLine> {
    if written.entry.window != row.window.number {
        return Vec::new();
    }
    statement::lines(partner, written.id, written.sequence, &written.entry)
}

/// How much of a partner's books a caller sees: the operator and auditors everything.
fn view_of(caller: &Caller, partner: PartnerId) -> View {
    if caller.sees_all() { View::Whole } else { View::Part(partner) }
}
