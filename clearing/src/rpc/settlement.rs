//! SettlementService: how the operator closes windows and settles them.

pub(super) mod convert;

use clearing_core::book::Book;
use clearing_core::chart::Fund;
use clearing_core::command::Command;
use clearing_core::facts::CalendarFacts;
use clearing_core::facts::Facts;
use clearing_core::facts::answer::{Closed, HouseReply, Reply};
use clearing_core::facts::calendar::{CalendarVersion, Calendars};
use clearing_core::facts::window::{Leg, Settlement, Window};
use clearing_core::rules::calendar::SetCalendar;
use clearing_core::rules::charges::{Adjust, Charge};
use clearing_core::rules::claims::RepayClaim;
use clearing_core::rules::close::CloseWindow;
use clearing_core::rules::cover::{CoverDefault, ShareLoss};
use clearing_core::rules::funds::{Deposit, WithdrawFunds};
use clearing_core::rules::payment::ConfirmPayment;
use clearing_core::rules::release::ReleaseOrders;
use clearing_core::rules::settlement::{AbortSettlement, ConfirmSettlement, ExportOrders};
use clearing_core::units::{Money, PartnerId, Timestamp, WindowNumber};
use clearing_proto::v1;
use clearing_proto::v1::settlement_service_server::SettlementService;
use tonic::{Request, Response, Status};

use crate::rpc::bank::{known, read_line, seen};
use crate::rpc::convert::{
    View, from_money, id as read_id, moment_or_none, money, request_id as read_request_id, window as read_window,
    window_or_open, word,
};
use crate::rpc::opaque::Opaque;
use crate::rpc::written::{accepted, first_entry, from_written, or_proposed};
use crate::rpc::{Context, auth, errors};
use crate::writer::{WriteError, Written};
use convert::Basis;

/// Cut-offs that are published in advance.
pub const CUT_OFFS_PUBLISHED: usize = 10;
/// How far ahead cut-offs are published, in days: a year.
pub const CALENDAR_DAYS_PUBLISHED: u16 = 366;

/// The service, in the house that it works for.
pub struct Service(pub Context);

#[tonic::async_trait]
impl SettlementService for Service {
    async fn close_window(
        &self,
        request: Request<v1::CloseWindowRequest>,
    ) -> Result<Response<v1::CloseWindowResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let request_id = read_request_id(&request.into_inner().request_id)?;
        let written = self.0.ask_house(asker, request_id, Command::CloseWindow(CloseWindow { expected: None })).await?;
        or_proposed!(written, self.0, CloseWindowResponse);
        let HouseReply::Closed(closed) = house_reply(&written, &self.0)? else {
            return Err(errors::of_write(&WriteError::Internal));
        };
        let number = first_entry(&written)?.entry.window;
        let Closed { settlement, carried } = &**closed;
        let coalition = &written.house.coalition;
        Ok(Response::new(v1::CloseWindowResponse {
            written: from_house(&written, &self.0.opaque),
            proposal_id: String::new(),
            settlement: Some(convert::from_settlement(number, settlement, carried, Basis::Closed, coalition)),
            open_window: i64::from(number) + 1,
        }))
    }

    async fn preview_settlement(
        &self,
        request: Request<v1::PreviewSettlementRequest>,
    ) -> Result<Response<v1::PreviewSettlementResponse>, Status> {
        auth::caller(&request)?;
        let number = window_or_open(request.into_inner().window)?;
        let book = self.0.store.open_book().await.map_err(|error| errors::of_store(&error))?;
        let number = number.unwrap_or(book.open_window);
        let settlement = self.0.settlement_from(book, number).await?;
        Ok(Response::new(v1::PreviewSettlementResponse { settlement: Some(settlement) }))
    }

    async fn confirm_settlement(
        &self,
        request: Request<v1::ConfirmSettlementRequest>,
    ) -> Result<Response<v1::ConfirmSettlementResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::ConfirmSettlementRequest { request_id, window } = request.into_inner();
        let window = read_window(window)?;
        let command = Command::ConfirmSettlement(ConfirmSettlement { window });
        let written = self.0.ask_house(asker, read_request_id(&request_id)?, command).await?;
        or_proposed!(written, self.0, ConfirmSettlementResponse);
        house_reply(&written, &self.0)?;
        let state = recorded(&written, Facts::confirmed)?.state;
        Ok(Response::new(v1::ConfirmSettlementResponse {
            written: from_house(&written, &self.0.opaque),
            proposal_id: String::new(),
            window_state: convert::from_window_state(state.of_window()).into(),
            settlement_state: convert::from_settlement_state(state).into(),
        }))
    }

    async fn export_orders(
        &self,
        request: Request<v1::ExportOrdersRequest>,
    ) -> Result<Response<v1::ExportOrdersResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::ExportOrdersRequest { request_id, window, mode, replace } = request.into_inner();
        let (number, mode) = (read_window(window)?, convert::order_mode(mode)?);
        let command = Command::ExportOrders(ExportOrders { window: number, mode, replace });
        let written = self.0.ask_house(asker, read_request_id(&request_id)?, command).await?;
        or_proposed!(written, self.0, ExportOrdersResponse);
        let HouseReply::Orders(due) = house_reply(&written, &self.0)? else {
            return Err(errors::of_write(&WriteError::Internal));
        };
        let coalition = &written.house.coalition;
        let states = recorded(&written, Facts::exported)?.states;
        Ok(Response::new(v1::ExportOrdersResponse {
            written: from_house(&written, &self.0.opaque),
            proposal_id: String::new(),
            orders: due.iter().map(|order| convert::from_order(order, coalition)).collect(),
            csv: convert::orders_csv(number, due, coalition),
            settlement_state: convert::from_settlement_state(states.after).into(),
        }))
    }

    async fn confirm_payment(
        &self,
        request: Request<v1::ConfirmPaymentRequest>,
    ) -> Result<Response<v1::ConfirmPaymentResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::ConfirmPaymentRequest { request_id, window, payment, amount, reference, value_date, line } =
            request.into_inner();
        let number = read_window(window)?;
        let payment = convert::payment(payment)?;
        let house = self.0.house();
        let amount = amount.map(|amount| money("amount", &amount, &house.coalition)).transpose()?;
        let value_date = match value_date.as_str() {
            "" => None,
            date => Some(date.parse().map_err(|problem| errors::invalid("value_date", problem))?),
        };
        let line = line.map(|line| read_line("line", line)).transpose()?;
        let command =
            Command::ConfirmPayment(ConfirmPayment { window: number, payment, amount, reference, value_date, line });
        let written = self.0.ask_house(asker, read_request_id(&request_id)?, command).await?;
        or_proposed!(written, self.0, ConfirmPaymentResponse);
        let HouseReply::Legs(legs) = house_reply(&written, &self.0)? else {
            // The line was booked before, or is what was booked by hand.
            return Ok(Response::new(v1::ConfirmPaymentResponse {
                known_entry_id: known(&written, &self.0)?,
                seen_entry_id: seen(&written, &self.0.opaque),
                written: from_house(&written, &self.0.opaque),
                ..v1::ConfirmPaymentResponse::default()
            }));
        };
        let states = recorded(&written, Facts::paid)?.states;
        let leg = |(partner, leg): &(PartnerId, Leg)| convert::from_leg(*partner, leg, &written.house.coalition);
        Ok(Response::new(v1::ConfirmPaymentResponse {
            written: from_house(&written, &self.0.opaque),
            proposal_id: String::new(),
            legs: legs.iter().map(leg).collect(),
            window_state: convert::from_window_state(states.after.of_window()).into(),
            settlement_state: convert::from_settlement_state(states.after).into(),
            known_entry_id: String::new(),
            seen_entry_id: String::new(),
        }))
    }

    async fn release_orders(
        &self,
        request: Request<v1::ReleaseOrdersRequest>,
    ) -> Result<Response<v1::ReleaseOrdersResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::ReleaseOrdersRequest { request_id, window, amount } = request.into_inner();
        let house = self.0.house();
        let amount = amount.map(|amount| money("amount", &amount, &house.coalition)).transpose()?;
        let command = Command::ReleaseOrders(ReleaseOrders { window: read_window(window)?, amount });
        let written = self.0.ask_house(asker, read_request_id(&request_id)?, command).await?;
        or_proposed!(written, self.0, ReleaseOrdersResponse);
        house_reply(&written, &self.0)?;
        let released = recorded(&written, Facts::released)?;
        let pay_out = |(partner, amount): &(PartnerId, Money)| v1::ParticipantAmount {
            partner_id: partner.to_string(),
            amount: from_money(*amount, &written.house.coalition),
        };
        Ok(Response::new(v1::ReleaseOrdersResponse {
            written: from_house(&written, &self.0.opaque),
            proposal_id: String::new(),
            pay_outs: released.pay_outs.iter().map(pay_out).collect(),
        }))
    }

    async fn cover_default(
        &self,
        request: Request<v1::CoverDefaultRequest>,
    ) -> Result<Response<v1::CoverDefaultResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::CoverDefaultRequest { request_id, window, partner_id } = request.into_inner();
        let (window, partner) = (read_window(window)?, read_id("partner_id", &partner_id)?);
        let command = Command::CoverDefault(CoverDefault { window, partner });
        let written = self.0.ask_house(asker, read_request_id(&request_id)?, command).await?;
        or_proposed!(written, self.0, CoverDefaultResponse);
        house_reply(&written, &self.0)?;
        let written = from_house(&written, &self.0.opaque);
        Ok(Response::new(v1::CoverDefaultResponse { written, proposal_id: String::new() }))
    }

    async fn share_loss(
        &self,
        request: Request<v1::ShareLossRequest>,
    ) -> Result<Response<v1::ShareLossResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::ShareLossRequest { request_id, window, partner_id } = request.into_inner();
        let (window, partner) = (read_window(window)?, read_id("partner_id", &partner_id)?);
        let command = Command::ShareLoss(ShareLoss { window, partner });
        let written = self.0.ask_house(asker, read_request_id(&request_id)?, command).await?;
        or_proposed!(written, self.0, ShareLossResponse);
        house_reply(&written, &self.0)?;
        let written = from_house(&written, &self.0.opaque);
        Ok(Response::new(v1::ShareLossResponse { written, proposal_id: String::new() }))
    }

    async fn repay_claim(
        &self,
        request: Request<v1::RepayClaimRequest>,
    ) -> Result<Response<v1::RepayClaimResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::RepayClaimRequest { request_id, partner_id, amount, penalty_amount, line } = request.into_inner();
        let house = self.0.house();
        let penalty = penalty_amount.map(|amount| money("penalty_amount", &amount, &house.coalition)).transpose()?;
        let command = Command::RepayClaim(RepayClaim {
            partner: read_id("partner_id", &partner_id)?,
            amount: self.read_amount(amount.as_ref())?,
            penalty: penalty.unwrap_or_default(),
            line: line.map(|line| read_line("line", line)).transpose()?,
        });
        let written = self.0.ask_house(asker, read_request_id(&request_id)?, command).await?;
        or_proposed!(written, self.0, RepayClaimResponse);
        let known_entry_id = known(&written, &self.0)?;
        let written = from_house(&written, &self.0.opaque);
        Ok(Response::new(v1::RepayClaimResponse { written, proposal_id: String::new(), known_entry_id }))
    }

    async fn charge(&self, request: Request<v1::ChargeRequest>) -> Result<Response<v1::ChargeResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::ChargeRequest { request_id, partner_id, amount, reason_code } = request.into_inner();
        let command = Command::Charge(Charge {
            partner: read_id("partner_id", &partner_id)?,
            amount: self.read_amount(amount.as_ref())?,
            reason: (!reason_code.is_empty()).then(|| word("reason_code", &reason_code)).transpose()?,
        });
        let written = self.0.ask_house(asker, read_request_id(&request_id)?, command).await?;
        or_proposed!(written, self.0, ChargeResponse);
        house_reply(&written, &self.0)?;
        let written = from_house(&written, &self.0.opaque);
        Ok(Response::new(v1::ChargeResponse { written, proposal_id: String::new() }))
    }

    async fn adjust(&self, request: Request<v1::AdjustRequest>) -> Result<Response<v1::AdjustResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::AdjustRequest { request_id, payer_id, payee_id, amount, reason_code } = request.into_inner();
        let command = Command::Adjust(Adjust {
            payer: read_id("payer_id", &payer_id)?,
            payee: read_id("payee_id", &payee_id)?,
            amount: self.read_amount(amount.as_ref())?,
            reason: word("reason_code", &reason_code)?,
        });
        let written = self.0.ask_house(asker, read_request_id(&request_id)?, command).await?;
        or_proposed!(written, self.0, AdjustResponse);
        house_reply(&written, &self.0)?;
        let written = from_house(&written, &self.0.opaque);
        Ok(Response::new(v1::AdjustResponse { written, proposal_id: String::new() }))
    }

    async fn abort_settlement(
        &self,
        request: Request<v1::AbortSettlementRequest>,
    ) -> Result<Response<v1::AbortSettlementResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::AbortSettlementRequest { request_id, window } = request.into_inner();
        let window = read_window(window)?;
        let command = Command::AbortSettlement(AbortSettlement { window });
        let written = self.0.ask_house(asker, read_request_id(&request_id)?, command).await?;
        or_proposed!(written, self.0, AbortSettlementResponse);
        house_reply(&written, &self.0)?;
        Ok(Response::new(v1::AbortSettlementResponse {
            written: from_house(&written, &self.0.opaque),
            proposal_id: String::new(),
            open_window: i64::from(first_entry(&written)?.entry.window),
        }))
    }

    async fn deposit(&self, request: Request<v1::DepositRequest>) -> Result<Response<v1::DepositResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::DepositRequest { request_id, account, amount } = request.into_inner();
        let (fund, amount) = self.read_movement(&account, amount.as_ref())?;
        let command = Command::Deposit(Deposit { fund, amount });
        let written = self.0.ask_house(asker, read_request_id(&request_id)?, command).await?;
        or_proposed!(written, self.0, DepositResponse);
        Ok(Response::new(v1::DepositResponse {
            balance: self.fund_after(&written, amount)?,
            written: from_house(&written, &self.0.opaque),
            proposal_id: String::new(),
        }))
    }

    async fn withdraw_funds(
        &self,
        request: Request<v1::WithdrawFundsRequest>,
    ) -> Result<Response<v1::WithdrawFundsResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::WithdrawFundsRequest { request_id, account, amount } = request.into_inner();
        let (fund, amount) = self.read_movement(&account, amount.as_ref())?;
        let command = Command::WithdrawFunds(WithdrawFunds { fund, amount });
        let written = self.0.ask_house(asker, read_request_id(&request_id)?, command).await?;
        or_proposed!(written, self.0, WithdrawFundsResponse);
        Ok(Response::new(v1::WithdrawFundsResponse {
            balance: self.fund_after(&written, Money(-amount.0))?,
            written: from_house(&written, &self.0.opaque),
            proposal_id: String::new(),
        }))
    }

    async fn set_calendar(
        &self,
        request: Request<v1::SetCalendarRequest>,
    ) -> Result<Response<v1::SetCalendarResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::SetCalendarRequest { request_id, calendar, effective_time } = request.into_inner();
        let calendar = convert::calendar(calendar, &self.0.house().coalition)?;
        let effective = moment_or_none("effective_time", effective_time)?;
        let command = Command::SetCalendar(SetCalendar { calendar, effective });
        let written = self.0.ask_house(asker, read_request_id(&request_id)?, command).await?;
        or_proposed!(written, self.0, SetCalendarResponse);
        house_reply(&written, &self.0)?;
        // Told from its entry alone, for whoever asks again.
        let set = first_entry(&written)?.entry.facts.calendar().ok_or_else(errors::internal)?;
        let CalendarFacts { version: number, effective, calendar, before: _ } = set.clone();
        let version = CalendarVersion { number, effective, calendar };
        let calendars = Calendars::default().with(version.clone());
        Ok(Response::new(v1::SetCalendarResponse {
            written: from_house(&written, &self.0.opaque),
            proposal_id: String::new(),
            cut_offs: convert::cut_offs(&calendars, effective, Timestamp::LAST, CUT_OFFS_PUBLISHED),
            version: Some(convert::from_calendar(&version)),
        }))
    }
}

impl Service {
    /// A fund, and how much is to move into it or out of it.
    fn read_movement(&self, account: &str, amount: Option<&v1::Money>) -> Result<(Fund, Money), Status> {
        let fund = account.parse().map_err(|problem| errors::invalid("account", problem))?;
        Ok((fund, self.read_amount(amount)?))
    }

    fn read_amount(&self, amount: Option<&v1::Money>) -> Result<Money, Status> {
        let amount = amount.ok_or_else(|| errors::invalid("amount", "is missing"))?;
        money("amount", amount, &self.0.house().coalition)
    }

    /// What a fund held when so much had moved into it.
    fn fund_after(&self, written: &Written, moved: Money) -> Result<Option<v1::Money>, Status> {
        house_reply(written, &self.0)?;
        let before = recorded(written, Facts::fund)?.before;
        let balance = before.plus(moved).map_err(|_| errors::of_write(&WriteError::Internal))?;
        Ok(from_money(balance, &written.house.coalition))
    }
}

impl Context {
    /// A window that was closed, with its settlement.
    ///
    /// # Errors
    /// `NOT_FOUND` if there is no such window or it is open.
    pub(super) async fn settlement(&self, number: WindowNumber) -> Result<(Window, Settlement), Status> {
        let found = self.store.window_row(number).await.map_err(|error| errors::of_store(&error))?;
        let window = found.ok_or_else(|| errors::not_found("window", number))?.window;
        let settlement = window.settlement.clone().ok_or_else(|| errors::not_found("settlement", number))?;
        Ok((window, settlement))
    }

    /// The settlement of a closed window; of the open one, what a close would make of it now. `book` holds the open one.
    pub(super) async fn settlement_from(&self, book: Book, number: WindowNumber) -> Result<v1::Settlement, Status> {
        if number != book.open_window {
            let (window, settlement) = self.settlement(number).await?;
            let carried = window.carried();
            return Ok(convert::from_settlement(number, &settlement, &carried, Basis::Closed, &book.house.coalition));
        }
        let coalition = book.house.coalition.clone();
        let window = book.closed_for_show(self.clock.now()).map_err(|rejection| errors::refused(&rejection))?;
        let settlement = window.settlement.as_ref().expect("it was just closed");
        let carried = window.carried();
        Ok(convert::from_settlement(number, settlement, &carried, Basis::Preview, &coalition))
    }
}

/// What an answer to a command of the house tells of what it wrote.
pub(super) fn from_house(written: &Written, opaque: &Opaque) -> Option<v1::Written> {
    Some(from_written(written, View::Whole, opaque))
}

/// The figures of an accepted answer to a command of the house.
///
/// # Errors
/// The rejection, if it was one.
pub(super) fn house_reply<'a>(written: &'a Written, context: &Context) -> Result<&'a HouseReply, Status> {
    match &accepted(written, PartnerId::operator(), context)?.reply {
        Reply::House(reply) => Ok(reply),
        Reply::Member(_) | Reply::Abandoned(_) => Err(errors::of_write(&WriteError::Internal)),
    }
}

/// A fact of the first entry that a command of the house wrote.
pub(super) fn recorded<'a, T>(
    written: &'a Written,
    fact: impl Fn(&'a Facts) -> Option<&'a T>,
) -> Result<&'a T, Status> {
    fact(&first_entry(written)?.entry.facts).ok_or_else(|| errors::of_write(&WriteError::Internal))
}
