//! BankService: money at the house's own bank accounts.

use clearing_core::chart::{BankPurpose, MoneyAccount, UnappliedOf};
use clearing_core::command::Command;
use clearing_core::facts::answer::HouseReply;
use clearing_core::facts::coalition::Coalition;
use clearing_core::facts::money::{BankKey, Incoming, OutOf, OutState, Outgoing, OwnTransfer, Place};
use clearing_core::facts::origin::BusinessDate;
use clearing_core::rules::arrived::{ApplyMoney, ReceiveMoney, UsedFor, UsedFrom};
use clearing_core::rules::charges::{BookBankFee, BookOwnTransfer};
use clearing_core::rules::ordered::{ConfirmOrdered, ReturnMoney};
use clearing_core::rules::returned::{ReturnPayment, ReturnedPayment, UndoPayment};
use clearing_core::units::{EntryId, Money, PartnerId, WindowNumber};
use clearing_proto::v1;
use clearing_proto::v1::bank_service_server::BankService;
use tonic::{Request, Response, Status};

use crate::rpc::auth::Asker;
use crate::rpc::convert::{self, View, from_money, from_timestamp};
use crate::rpc::opaque::Opaque;
use crate::rpc::settlement::{from_house, house_reply};
use crate::rpc::written::or_proposed;
use crate::rpc::{Context, auth, bounds, errors, page_size};
use crate::store::{OpenMoney, OpenMoneyOf, OpenMoneyRow};
use crate::writer::Written;

/// The service, in the house that it works for.
pub struct Service(pub Context);

/// By what the list of open money names what came from nobody knows whom.
const UNKNOWN: &str = "unknown";

#[tonic::async_trait]
impl BankService for Service {
    async fn receive_money(
        &self,
        request: Request<v1::ReceiveMoneyRequest>,
    ) -> Result<Response<v1::ReceiveMoneyResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::ReceiveMoneyRequest { request_id, partner_id, amount, line, window } = request.into_inner();
        let command = ReceiveMoney {
            partner: partner_or_none("partner_id", &partner_id)?,
            amount: self.amount("amount", amount.as_ref())?,
            line: needed_line(line)?,
            window: window_or_none(window)?,
        };
        let written = self.ask(asker, &request_id, command.into()).await?;
        or_proposed!(written, self.0, ReceiveMoneyResponse);
        let known_entry_id = known(&written, &self.0)?;
        Ok(Response::new(v1::ReceiveMoneyResponse {
            written: from_house(&written, &self.0.opaque),
            proposal_id: String::new(),
            known_entry_id,
            seen_entry_id: seen(&written, &self.0.opaque),
            paid_window: paid_window(&written),
        }))
    }

    async fn apply_money(
        &self,
        request: Request<v1::ApplyMoneyRequest>,
    ) -> Result<Response<v1::ApplyMoneyResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::ApplyMoneyRequest { request_id, partner_id, amount, to, window, from } = request.into_inner();
        let command = ApplyMoney {
            partner: convert::id("partner_id", &partner_id)?,
            amount: self.amount("amount", amount.as_ref())?,
            to: used_for(to)?,
            window: window_or_none(window)?,
            from: used_from(from)?,
        };
        let written = self.ask(asker, &request_id, command.into()).await?;
        or_proposed!(written, self.0, ApplyMoneyResponse);
        house_reply(&written, &self.0)?;
        Ok(Response::new(v1::ApplyMoneyResponse {
            written: from_house(&written, &self.0.opaque),
            proposal_id: String::new(),
            paid_window: paid_window(&written),
        }))
    }

    async fn undo_payment(
        &self,
        request: Request<v1::UndoPaymentRequest>,
    ) -> Result<Response<v1::UndoPaymentResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::UndoPaymentRequest { request_id, payment_entry_id, reason_code } = request.into_inner();
        let command = UndoPayment {
            payment: self.0.opaque.read_entry("payment_entry_id", &payment_entry_id)?,
            reason: convert::word("reason_code", &reason_code)?,
        };
        let written = self.ask(asker, &request_id, command.into()).await?;
        or_proposed!(written, self.0, UndoPaymentResponse);
        house_reply(&written, &self.0)?;
        let written = from_house(&written, &self.0.opaque);
        Ok(Response::new(v1::UndoPaymentResponse { written, proposal_id: String::new() }))
    }

    async fn return_money(
        &self,
        request: Request<v1::ReturnMoneyRequest>,
    ) -> Result<Response<v1::ReturnMoneyResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::ReturnMoneyRequest { request_id, account, amount } = request.into_inner();
        let account: UnappliedOf = account.parse().map_err(|problem| errors::invalid("account", problem))?;
        let command = ReturnMoney { account, amount: self.amount("amount", amount.as_ref())? };
        let written = self.ask(asker, &request_id, command.into()).await?;
        or_proposed!(written, self.0, ReturnMoneyResponse);
        house_reply(&written, &self.0)?;
        let written = from_house(&written, &self.0.opaque);
        Ok(Response::new(v1::ReturnMoneyResponse { written, proposal_id: String::new() }))
    }

    async fn confirm_ordered(
        &self,
        request: Request<v1::ConfirmOrderedRequest>,
    ) -> Result<Response<v1::ConfirmOrderedResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::ConfirmOrderedRequest { request_id, partner_id, amount, line } = request.into_inner();
        let command = ConfirmOrdered {
            partner: partner_or_none("partner_id", &partner_id)?,
            amount: self.amount("amount", amount.as_ref())?,
            line: line.map(|line| read_line("line", line)).transpose()?,
        };
        let written = self.ask(asker, &request_id, command.into()).await?;
        or_proposed!(written, self.0, ConfirmOrderedResponse);
        let known_entry_id = known(&written, &self.0)?;
        let written = from_house(&written, &self.0.opaque);
        Ok(Response::new(v1::ConfirmOrderedResponse { written, proposal_id: String::new(), known_entry_id }))
    }

    async fn return_payment(
        &self,
        request: Request<v1::ReturnPaymentRequest>,
    ) -> Result<Response<v1::ReturnPaymentResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::ReturnPaymentRequest { request_id, payment, window, partner_id, ordered_entry_id, line } =
            request.into_inner();
        let command = ReturnPayment {
            payment: self.returned(payment, window, &partner_id, &ordered_entry_id)?,
            line: line.map(|line| read_line("line", line)).transpose()?,
        };
        let written = self.ask(asker, &request_id, command.into()).await?;
        or_proposed!(written, self.0, ReturnPaymentResponse);
        let known_entry_id = known(&written, &self.0)?;
        let written = from_house(&written, &self.0.opaque);
        Ok(Response::new(v1::ReturnPaymentResponse { written, proposal_id: String::new(), known_entry_id }))
    }

    async fn book_bank_fee(
        &self,
        request: Request<v1::BookBankFeeRequest>,
    ) -> Result<Response<v1::BookBankFeeResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::BookBankFeeRequest { request_id, account, amount, interest, line } = request.into_inner();
        let command = BookBankFee {
            account: purpose("account", account)?,
            amount: self.amount("amount", amount.as_ref())?,
            interest,
            line: needed_line(line)?,
        };
        let written = self.ask(asker, &request_id, command.into()).await?;
        or_proposed!(written, self.0, BookBankFeeResponse);
        let known_entry_id = known(&written, &self.0)?;
        let written = from_house(&written, &self.0.opaque);
        Ok(Response::new(v1::BookBankFeeResponse { written, proposal_id: String::new(), known_entry_id }))
    }

    async fn book_own_transfer(
        &self,
        request: Request<v1::BookOwnTransferRequest>,
    ) -> Result<Response<v1::BookOwnTransferResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::BookOwnTransferRequest { request_id, from, to, amount, line, arrived } = request.into_inner();
        let command = BookOwnTransfer {
            from: purpose("from", from)?,
            to: purpose("to", to)?,
            amount: self.amount("amount", amount.as_ref())?,
            line: needed_line(line)?,
            arrived,
        };
        let written = self.ask(asker, &request_id, command.into()).await?;
        or_proposed!(written, self.0, BookOwnTransferResponse);
        let known_entry_id = known(&written, &self.0)?;
        Ok(Response::new(v1::BookOwnTransferResponse {
            written: from_house(&written, &self.0.opaque),
            proposal_id: String::new(),
            known_entry_id,
            seen_entry_id: seen(&written, &self.0.opaque),
        }))
    }

    async fn list_open_money(
        &self,
        request: Request<v1::ListOpenMoneyRequest>,
    ) -> Result<Response<v1::ListOpenMoneyResponse>, Status> {
        let caller = auth::caller(&request)?;
        let v1::ListOpenMoneyRequest { partner_id, page_size: size, page_token } = request.into_inner();
        let limit = page_size(size)?;
        let of = match partner_id.as_str() {
            "" => OpenMoneyOf::All,
            UNKNOWN => OpenMoneyOf::One(None),
            partner => {
                let partner: PartnerId = convert::id("partner_id", partner)?;
                self.0.house().partner(partner).map_err(|rejection| errors::refused(&rejection))?;
                OpenMoneyOf::One(Some(partner))
            }
        };
        let list = self.0.opaque.list(&caller, "ListOpenMoney", &[&partner_id]);
        let place = list.place(&page_token)?.map(|place| place.parse::<EntryId>()).transpose();
        let behind = place.map_err(|_| errors::invalid("page_token", "is none of this list"))?;
        let found = self.0.store.open_money(of, behind, limit + 1).await.map_err(|error| errors::of_store(&error))?;
        let coalition = self.0.house().coalition.clone();
        let rows = found.iter().map(|row| from_open(row, &coalition, &self.0.opaque));
        let (money, more) = bounds::page(rows, limit);
        let last = found.get(money.len().saturating_sub(1)).filter(|_| more);
        let next_page_token = last.map_or_else(String::new, |last| list.token(&last.id.to_string()));
        Ok(Response::new(v1::ListOpenMoneyResponse { money, next_page_token }))
    }
}

impl Service {
    async fn ask(&self, asker: Asker, request_id: &str, command: Command) -> Result<Written, Status> {
        self.0.ask_house(asker, convert::request_id(request_id)?, command).await
    }

    fn amount(&self, field: &str, amount: Option<&v1::Money>) -> Result<Money, Status> {
        let amount = amount.ok_or_else(|| errors::invalid(field, "is missing"))?;
        convert::money(field, amount, &self.0.house().coalition)
    }

    /// Which payment came back.
    fn returned(
        &self,
        payment: Option<v1::BankLine>,
        window: i64,
        partner_id: &str,
        ordered_entry_id: &str,
    ) -> Result<ReturnedPayment, Status> {
        match (payment, window, partner_id, ordered_entry_id) {
            (Some(line), 0, "", "") => read_line("payment", line).map(ReturnedPayment::Arrived),
            (None, window, partner, "") if window != 0 => {
                Ok(ReturnedPayment::PayOut(convert::window(window)?, convert::id("partner_id", partner)?))
            }
            (None, 0, "", ordered) if !ordered.is_empty() => {
                self.0.opaque.read_entry("ordered_entry_id", ordered).map(ReturnedPayment::Ordered)
            }
            _ => Err(errors::invalid("payment", "give either payment, or window and partner_id, or ordered_entry_id")),
        }
    }
}

/// The line of a statement, of what has one always.
fn needed_line(line: Option<v1::BankLine>) -> Result<BankKey, Status> {
    read_line("line", line.ok_or_else(|| errors::invalid("line", "is missing"))?)
}

/// What is known of a line, within a field.
pub(super) fn read_line(field: &str, line: v1::BankLine) -> Result<BankKey, Status> {
    let v1::BankLine { own_account, booking_date, reference } = line;
    let booked = match booking_date.as_str() {
        "" => None,
        date => {
            let refused = |problem| errors::invalid(&format!("{field}.booking_date"), problem);
            Some(date.parse::<BusinessDate>().map_err(refused)?)
        }
    };
    Ok(BankKey { account: own_account, booked, reference })
}

pub(super) fn partner_or_none(field: &str, text: &str) -> Result<Option<PartnerId>, Status> {
    if text.is_empty() { Ok(None) } else { convert::id(field, text).map(Some) }
}

fn window_or_none(number: i64) -> Result<Option<WindowNumber>, Status> {
    if number == 0 { Ok(None) } else { convert::window(number).map(Some) }
}

fn used_for(number: i32) -> Result<UsedFor, Status> {
    match v1::MoneyUse::try_from(number) {
        Ok(v1::MoneyUse::Leg) => Ok(UsedFor::Leg),
        Ok(v1::MoneyUse::Claim) => Ok(UsedFor::Claim),
        Ok(v1::MoneyUse::Advance) => Ok(UsedFor::Advance),
        Ok(v1::MoneyUse::Unapplied) => Ok(UsedFor::Unapplied),
        Ok(v1::MoneyUse::Unspecified) | Err(_) => {
            Err(errors::invalid("to", format!("{number} is unknown; give LEG, CLAIM, ADVANCE or UNAPPLIED")))
        }
    }
}

fn used_from(number: i32) -> Result<UsedFrom, Status> {
    match v1::MoneySource::try_from(number) {
        Ok(v1::MoneySource::Unspecified | v1::MoneySource::Partner) => Ok(UsedFrom::Partner),
        Ok(v1::MoneySource::Unknown) => Ok(UsedFrom::Unknown),
        Err(_) => Err(errors::invalid("from", format!("{number} is unknown; give PARTNER or UNKNOWN"))),
    }
}

fn purpose(field: &str, number: i32) -> Result<BankPurpose, Status> {
    match v1::BankPurpose::try_from(number) {
        Ok(v1::BankPurpose::Settlement) => Ok(BankPurpose::Settlement),
        Ok(v1::BankPurpose::Reserve) => Ok(BankPurpose::Reserve),
        Ok(v1::BankPurpose::Collateral) => Ok(BankPurpose::Collateral),
        Ok(v1::BankPurpose::Pool) => Ok(BankPurpose::Pool),
        Ok(v1::BankPurpose::Unspecified) | Err(_) => {
            let problem = format!("{number} is unknown; give SETTLEMENT, RESERVE, COLLATERAL or POOL");
            Err(errors::invalid(field, problem))
        }
    }
}

/// The entry by which a line was booked before; empty if it was not.
pub(super) fn known(written: &Written, context: &Context) -> Result<String, Status> {
    match house_reply(written, context)? {
        HouseReply::Known(entry) => Ok(context.opaque.entry(*entry)),
        HouseReply::Entries
        | HouseReply::Closed(_)
        | HouseReply::Orders(_)
        | HouseReply::Legs(_)
        | HouseReply::Limits(_)
        | HouseReply::Enrolment(_) => Ok(String::new()),
    }
}

/// The entry that was booked by hand before and is the line; empty if none is.
pub(super) fn seen(written: &Written, opaque: &Opaque) -> String {
    let line = written.entries.first().and_then(|first| first.entry.facts.line());
    line.and_then(|line| line.of).map_or_else(String::new, |booked| opaque.entry(booked))
}

/// The window whose leg was paid by what arrived; 0 if none was.
fn paid_window(written: &Written) -> i64 {
    let mut legs = written.entries.iter().take(2).filter_map(|written| written.entry.facts.legs());
    legs.next().and_then(|legs| legs.first()).map_or(0, |leg| i64::from(leg.window))
}

fn from_open(row: &OpenMoneyRow, coalition: &Coalition, opaque: &Opaque) -> v1::OpenMoney {
    let told = v1::OpenMoney {
        entry_id: opaque.entry(row.id),
        create_time: from_timestamp(row.time),
        ..v1::OpenMoney::default()
    };
    let id = |partner: &Option<PartnerId>| partner.as_ref().map(PartnerId::to_string).unwrap_or_default();
    match &row.money {
        OpenMoney::In(incoming) => {
            let Incoming { partner, amount, seen, .. } = incoming;
            v1::OpenMoney {
                direction: v1::MoneyDirection::In.into(),
                partner_id: id(partner),
                amount: from_money(*amount, coalition),
                unapplied_amount: from_money(incoming.at(Place::Unapplied), coalition),
                account: MoneyAccount::Unapplied(*partner).to_string(),
                seen: *seen,
                ..told
            }
        }
        OpenMoney::Out(Outgoing { partner, amount, of, state, seen }) => {
            let account = match (of, partner) {
                (OutOf::Leg(window), Some(partner)) => MoneyAccount::Settle(*window, *partner).to_string(),
                (OutOf::Leg(window), None) => format!("settle:{window}"),
                (OutOf::Account(account), _) => account.to_string(),
                (OutOf::Own(OwnTransfer { from, .. }), _) => MoneyAccount::Bank(*from).to_string(),
            };
            v1::OpenMoney {
                direction: v1::MoneyDirection::Out.into(),
                partner_id: id(partner),
                amount: from_money(*amount, coalition),
                ordered: *state == OutState::Ordered,
                account,
                seen: *seen,
                ..told
            }
        }
    }
}
