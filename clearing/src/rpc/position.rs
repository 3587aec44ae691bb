//! PositionService: what a brand's accountant reads.

mod leg;
mod statement;

use clearing_core::chart::{MoneyAccount, PointsAccount};
use clearing_core::facts::coalition::{Coalition, House};
use clearing_core::facts::order::{Order, OrderParty};
use clearing_core::facts::window::{Gross, Window};
use clearing_core::netting::{self, Obligations};
use clearing_core::rules::statement::Bridge;
use clearing_core::units::{Money, Overflow, PartnerId, Timestamp, WindowNumber};
use clearing_proto::v1;
use clearing_proto::v1::position_service_server::PositionService;
use prost::Message as _;
use tonic::{Request, Response, Status};

use crate::rpc::auth::Caller;
use crate::rpc::bounds::AROUND;
use crate::rpc::convert::{self, View, from_money, from_timestamp, window_or_open};
use crate::rpc::partner::limits::from_limit_uses;
use crate::rpc::settlement::convert::{
    cut_offs, from_calendar, from_leg, from_leg_state, from_order, from_order_mode, from_settlement_state,
    from_window_state, order_mode,
};
use crate::rpc::settlement::{CALENDAR_DAYS_PUBLISHED, CUT_OFFS_PUBLISHED};
use crate::rpc::{Context, auth, errors, page_size};
use crate::store::WindowRow;
use statement::{Place, Subject, from_bridge, from_totals};

/// The service, in the house that it works for.
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
            due: from_money(leg.due, coalition),
            state: from_leg_state(leg.state()).into(),
        });
        let headroom = book.headroom(partner).map(|headroom| {
            let fits = i64::try_from(headroom).unwrap_or(if headroom < 0 { i64::MIN } else { i64::MAX });
            Money(fits)
        });
        let limits = book.house.partners.get(&partner).map(|partner| partner.limits);
        let limit_uses = limits.map(|limits| {
            let used = book.used_of(partner, &limits, self.0.clock.now());
            from_limit_uses(&limits, &used, coalition)
        });
        Ok(Response::new(v1::GetPositionResponse {
            partner_id: partner.to_string(),
            window: i64::from(book.open_window),
            position: from_money(position, coalition),
            in_flight: in_flight.collect(),
            outstanding_points: -issued.0,
            headroom: headroom.and_then(|headroom| from_money(headroom, coalition)),
            limit_uses: limit_uses.unwrap_or_default(),
        }))
    }

    async fn list_windows(
        &self,
        request: Request<v1::ListWindowsRequest>,
    ) -> Result<Response<v1::ListWindowsResponse>, Status> {
        let caller = auth::caller(&request)?;
        let v1::ListWindowsRequest { page_size: size, page_token, unconfirmed } = request.into_inner();
        let limit = page_size(size)?;
        let list = self.0.opaque.list(&caller, "ListWindows", &[if unconfirmed { "unconfirmed" } else { "" }]);
        let before = list.numbers(&page_token)?.map(|[before]| convert::window(before)).transpose()?;
        let windows = if unconfirmed {
            self.0.store.unconfirmed_before(before, limit).await
        } else {
            self.0.store.windows_before(before, limit).await
        };
        let windows = windows.map_err(|error| errors::of_store(&error))?;
        // Whether there are more of those that are unconfirmed is seen when the page is not full.
        let more = !unconfirmed || windows.len() == limit;
        let last = windows.last().map(|row| row.window.number).filter(|number| more && *number > 1);
        let house = self.0.house();
        let now = self.0.clock.now();
        let next = cut_offs(&house.calendar, now, Timestamp::LAST, CUT_OFFS_PUBLISHED);
        let partner = caller.partner().ok();
        Ok(Response::new(v1::ListWindowsResponse {
            windows: windows
                .iter()
                .map(|row| from_window(&row.window, partner, caller.sees_all(), &house.coalition))
                .collect(),
            cut_offs: next,
            next_page_token: last.map_or_else(String::new, |last| list.token(&last.to_string())),
            calendar: house.calendar.version_from(now).map(from_calendar),
        }))
    }

    async fn get_calendar(
        &self,
        request: Request<v1::GetCalendarRequest>,
    ) -> Result<Response<v1::GetCalendarResponse>, Status> {
        let caller = auth::caller(&request)?;
        let v1::GetCalendarRequest { page_size: size, page_token } = request.into_inner();
        let limit = page_size(size)?;
        let list = self.0.opaque.list(&caller, "GetCalendar", &[]);
        let now = self.0.clock.now();
        // Where a list began, it goes on: what is published does not move with the clock from page to page.
        let (after, begun) =
            list.numbers(&page_token)?.map_or((now, now), |[after, begun]| (Timestamp(after), Timestamp(begun)));
        let house = self.0.house();
        let until = house.coalition.days_after(CALENDAR_DAYS_PUBLISHED, begun);
        let cut_offs = cut_offs(&house.calendar, after, until, limit);
        let last = cut_offs.last().filter(|_| cut_offs.len() == limit).and_then(|last| last.close_time);
        let last = last.map(|time| convert::timestamp("close_time", time)).transpose()?;
        let announced = house.calendar.iter().filter(|version| version.effective > now);
        Ok(Response::new(v1::GetCalendarResponse {
            in_force: house.calendar.version_from(now).filter(|version| version.effective <= now).map(from_calendar),
            announced: announced.map(from_calendar).collect(),
            published_until_time: from_timestamp(until),
            next_page_token: last.map_or_else(String::new, |last| list.token(&format!("{},{}", last.0, begun.0))),
            cut_offs,
        }))
    }

    async fn get_statement(
        &self,
        request: Request<v1::GetStatementRequest>,
    ) -> Result<Response<v1::GetStatementResponse>, Status> {
        let caller = auth::caller(&request)?;
        let v1::GetStatementRequest { window, partner_id, page_size: size, page_token } = request.into_inner();
        let partner = self.subject(&caller, &partner_id)?;
        let asked = window_or_open(window)?;
        let limit = page_size(size)?;
        let list = self.0.opaque.list(&caller, "GetStatement", &[partner.as_str(), &window.to_string()]);
        let place = list.numbers(&page_token)?.map(|[window, sequence, lines]| Place { window, sequence, lines });
        // A list of the open window stays one of that window, also when it closes between two pages.
        let number = match &place {
            Some(place) => Some(convert::window(place.window)?),
            None => asked,
        };
        let row = self.window(number).await?;
        let window = &row.window;
        let subject = Subject { partner, window: &row, view: view_of(&caller, partner) };
        let (totals, gross) = self.0.statement_totals(subject).await?;
        let overflowed = |overflow: Overflow| errors::refused(&overflow.into());
        let sum = totals.sum().map_err(overflowed)?;
        let bridge = Bridge::of(partner, &totals, &gross).map_err(overflowed)?;
        let house = self.0.house();
        let coalition = &house.coalition;
        // All of them fit into a page of their own, so that they leave room for lines.
        let obligations = match place {
            None => obligations_of(partner, &gross, subject.view, &house).map_err(overflowed)?,
            Some(_) => Vec::new(),
        };
        let beside = obligations.iter().map(|row| row.encoded_len() + AROUND).sum();
        let (lines, next) = self.0.statement_lines(subject, place, limit, beside).await?;

        let participant = window.participants.get(&partner).copied().unwrap_or_default();
        let settlement = window.settlement.as_ref();
        let leg = settlement.and_then(|settlement| settlement.legs.get(&partner)).map_or(Money::ZERO, |leg| leg.amount);
        let closing = match settlement {
            Some(_) => participant.carried,
            // What the lines come to, and not the balance of a moment later: the statement adds up.
            None => participant.opening.plus(sum).map_err(overflowed)?,
        };
        let token = next.map(|Place { window, sequence, lines }| format!("{window},{sequence},{lines}"));
        Ok(Response::new(v1::GetStatementResponse {
            partner_id: partner.to_string(),
            partner_name: house.partners.get(&partner).map_or_else(String::new, |known| known.display_name.clone()),
            window: Some(from_window(window, Some(partner), caller.sees_all(), coalition)),
            opening: from_money(participant.opening, coalition),
            bridge: Some(from_bridge(&bridge, coalition)),
            leg: from_money(leg, coalition),
            closing: from_money(closing, coalition),
            obligations,
            totals: from_totals(&totals, coalition),
            lines,
            next_page_token: token.map_or_else(String::new, |place| list.token(&place)),
        }))
    }

    async fn explain_leg(
        &self,
        request: Request<v1::ExplainLegRequest>,
    ) -> Result<Response<v1::ExplainLegResponse>, Status> {
        let caller = auth::caller(&request)?;
        let v1::ExplainLegRequest { window, partner_id } = request.into_inner();
        let partner = self.subject(&caller, &partner_id)?;
        let explained = self.0.leg_explained(partner, convert::window(window)?, view_of(&caller, partner)).await?;
        Ok(Response::new(explained))
    }

    async fn list_obligations(
        &self,
        request: Request<v1::ListObligationsRequest>,
    ) -> Result<Response<v1::ListObligationsResponse>, Status> {
        let caller = auth::caller(&request)?;
        let v1::ListObligationsRequest { window, partner_id, page_size: size, page_token } = request.into_inner();
        let partner = self.subject(&caller, &partner_id)?;
        let asked = window_or_open(window)?;
        let limit = page_size(size)?;
        let list = self.0.opaque.list(&caller, "ListObligations", &[partner.as_str(), &window.to_string()]);
        // The window, and the row to go on with: rows are few, in a fixed order, and read anew for each page.
        let place = list.numbers::<2>(&page_token)?;
        let number = match place {
            Some([window, _]) => Some(convert::window(window)?),
            None => asked,
        };
        let number = self.window(number).await?.window.number;
        let gross = self.0.store.gross_of(number).await.map_err(|error| errors::of_store(&error))?;
        let rows = obligations_of(partner, &gross, view_of(&caller, partner), &self.0.house());
        let rows = rows.map_err(|overflow| errors::refused(&overflow.into()))?;
        let first = place.map_or(0, |[_, first]| usize::try_from(first).unwrap_or(usize::MAX));
        let more = rows.len().saturating_sub(first) > limit;
        let next = format!("{number},{}", first.saturating_add(limit));
        Ok(Response::new(v1::ListObligationsResponse {
            window: i64::from(number),
            obligations: rows.into_iter().skip(first).take(limit).collect(),
            next_page_token: if more { list.token(&next) } else { String::new() },
        }))
    }

    async fn list_orders(
        &self,
        request: Request<v1::ListOrdersRequest>,
    ) -> Result<Response<v1::ListOrdersResponse>, Status> {
        let caller = auth::caller(&request)?;
        let v1::ListOrdersRequest { window, partner_id, mode, page_size: size, page_token } = request.into_inner();
        let all = partner_id.is_empty() && caller.sees_all();
        let partner = if all { None } else { Some(self.subject(&caller, &partner_id)?) };
        let number = convert::window(window)?;
        let asked = if mode == 0 { None } else { Some(order_mode(mode)?) };
        let limit = page_size(size)?;
        let whose = partner.as_ref().map_or("", PartnerId::as_str);
        let fields = [whose.to_owned(), window.to_string(), mode.to_string()];
        let list = self.0.opaque.list(&caller, "ListOrders", &fields.each_ref().map(String::as_str));
        let (_, settlement) = self.0.settlement(number).await?;
        let (mode, orders) = match asked {
            Some(asked) if settlement.mode != Some(asked) => {
                let legs = settlement.legs.iter().map(|(partner, leg)| (*partner, leg.due)).collect();
                (Some(asked), netting::orders(asked, &legs))
            }
            Some(_) | None => (settlement.mode, settlement.orders),
        };
        let own = |order: &&Order| {
            partner.is_none_or(|partner| [order.payer, order.payee].contains(&OrderParty::of(partner)))
        };
        let rows: Vec<&Order> = orders.iter().filter(own).collect();
        // The row to go on with: rows are few, in a fixed order, and read anew for each page.
        let first = list.numbers::<1>(&page_token)?;
        let first = first.map_or(0, |[first]| usize::try_from(first).unwrap_or(usize::MAX));
        let more = rows.len().saturating_sub(first) > limit;
        let next = first.saturating_add(limit).to_string();
        let house = self.0.house();
        let page = rows.into_iter().skip(first).take(limit);
        Ok(Response::new(v1::ListOrdersResponse {
            orders: page.map(|order| from_order(order, &house.coalition)).collect(),
            mode: mode.map(|mode| from_order_mode(mode).into()),
            next_page_token: if more { list.token(&next) } else { String::new() },
        }))
    }
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
}

/// How much of a partner's books a caller sees: the operator and auditors everything.
fn view_of(caller: &Caller, partner: PartnerId) -> View {
    if caller.sees_all() { View::Whole } else { View::Part(partner) }
}

/// A window with the leg of a partner, if it has one, for whoever sees what others have as well, or does not.
fn from_window(window: &Window, of: Option<PartnerId>, sees_all: bool, coalition: &Coalition) -> v1::Window {
    let settlement = window.settlement.as_ref();
    let leg = of.and_then(|partner| {
        let leg = settlement?.legs.get(&partner)?;
        Some(from_leg(partner, leg, coalition))
    });
    // A partner is told of its own leg alone.
    let leg_count = settlement.filter(|_| sees_all);
    let leg_count = leg_count.map(|settlement| i64::try_from(settlement.legs.len()).unwrap_or(i64::MAX));
    let settlement_state =
        settlement.map_or(v1::SettlementState::Unspecified, |settlement| from_settlement_state(settlement.state));
    v1::Window {
        window: i64::from(window.number),
        state: from_window_state(window.state).into(),
        settlement_state: settlement_state.into(),
        open_time: from_timestamp(window.opened),
        close_time: window.closed.and_then(from_timestamp),
        leg,
        leg_count,
        advice_day: window.days.map_or_else(String::new, |days| days.advice.to_string()),
        payment_day: window.days.map_or_else(String::new, |days| days.payment.to_string()),
    }
}

/// What a partner sees of the obligations of a window: the rows in which it is issuer or acceptor. To an acceptor that
/// is not to learn the issuers, they are one row without a name; it comes first.
fn obligations_of(
    partner: PartnerId,
    gross: &Obligations,
    view: View,
    house: &House,
) -> Result<Vec<v1::Obligation>, Overflow> {
    let coalition = &house.coalition;
    let named = view == View::Whole || coalition.disclose_issuers;
    let mut rows = Vec::new();
    let mut unnamed: Option<Gross> = None;
    for ((issuer, acceptor), sum) in gross {
        if *issuer == partner || (*acceptor == partner && named) {
            rows.push(from_obligation(Some(*issuer), *acceptor, sum, coalition));
        } else if *acceptor == partner {
            let all = unnamed.get_or_insert_with(Gross::default);
            *all = Gross { points: all.points.plus(sum.points)?, amount: all.amount.plus(sum.amount)? };
        }
    }
    if let Some(all) = unnamed {
        rows.insert(0, from_obligation(None, partner, &all, coalition));
    }
    Ok(rows)
}

pub(super) fn from_obligation(
    issuer: Option<PartnerId>,
    acceptor: PartnerId,
    gross: &Gross,
    coalition: &Coalition,
) -> v1::Obligation {
    v1::Obligation {
        issuer_id: issuer.map(|issuer| issuer.to_string()),
        acceptor_id: acceptor.to_string(),
        points: gross.points.0,
        gross: from_money(gross.amount, coalition),
    }
}

#[cfg(test)]
mod tests {
    use clearing_core::units::Points;

    use super::*;
    use crate::coalition_file::{CoalitionFile, Variant};

    fn house(disclose_issuers: bool) -> House {
        let file = "[coalition]\ncurrency = \"EUR\"\nscale = 2\npoint_value = \"0.01\"\nstart = \"2026-02-01T00:00:00Z\"\n\
                    [[partner]]\nid = \"A\"\n[[partner]]\nid = \"B\"\n[[partner]]\nid = \"C\"\n";
        let mut house = CoalitionFile::parse(file).unwrap().to_house("test", Variant::AtIssue).unwrap();
        house.coalition.disclose_issuers = disclose_issuers;
        house
    }

    fn id(name: &str) -> PartnerId {
        name.parse().unwrap()
    }

    /// A owes B 1 and C 2, B owes C 3.
    fn gross() -> Obligations {
        let gross = |points: i64| Gross { points: Points(points), amount: Money(points) };
        [(("A", "B"), 1), (("A", "C"), 2), (("B", "C"), 3)]
            .into_iter()
            .map(|((issuer, acceptor), points)| ((id(issuer), id(acceptor)), gross(points)))
            .collect()
    }

    fn seen(partner: &str, view: View, house: &House) -> Vec<(String, String, i64)> {
        let rows = obligations_of(id(partner), &gross(), view, house).unwrap();
        rows.into_iter().map(|row| (row.issuer_id.unwrap_or_default(), row.acceptor_id, row.points)).collect()
    }

    #[test]
    fn a_partner_sees_the_obligations_it_has_a_side_in() {
        let row = |issuer: &str, acceptor: &str, points| (issuer.to_owned(), acceptor.to_owned(), points);
        let house = house(true);
        assert_eq!(seen("B", View::Part(id("B")), &house), [row("A", "B", 1), row("B", "C", 3)]);
        assert_eq!(seen("C", View::Part(id("C")), &house), [row("A", "C", 2), row("B", "C", 3)]);
    }

    #[test]
    fn issuers_that_are_not_disclosed_are_one_row_without_a_name() {
        let row = |issuer: &str, acceptor: &str, points| (issuer.to_owned(), acceptor.to_owned(), points);
        let house = house(false);
        assert_eq!(seen("C", View::Part(id("C")), &house), [row("", "C", 5)]);
        assert_eq!(seen("B", View::Part(id("B")), &house), [row("", "B", 1), row("B", "C", 3)]);
        assert_eq!(seen("C", View::Whole, &house), [row("A", "C", 2), row("B", "C", 3)], "the operator sees all");
    }
}
