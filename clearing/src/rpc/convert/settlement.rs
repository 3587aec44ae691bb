//! Windows, settlements, orders and the calendar, between the wire and the rules.

use clearing_core::chart::MoneyAccount;
use clearing_core::command::{OrderParty, Payment};
use clearing_core::netting::Order;
use clearing_core::settlement::{
    Leg, LegState, OrderMode, ParticipantWindow, Proof, Settlement, SettlementState, Window, WindowState,
};
use clearing_core::terms::{Calendar, Coalition};
use clearing_core::units::{Money, PartnerId, Timestamp, WindowNumber};
use clearing_proto::v1;
use tonic::Status;

use super::{from_money, from_timestamp, id};
use crate::rpc::errors::invalid;
use crate::scheduler::calendar::{CalendarProblem, validate};

/// The number of a window; none for 0, which means the open one.
pub fn window_or_open(number: i64) -> Result<Option<WindowNumber>, Status> {
    if number == 0 { Ok(None) } else { super::window(number).map(Some) }
}

pub fn from_window_state(state: WindowState) -> v1::WindowState {
    match state {
        WindowState::Open => v1::WindowState::Open,
        WindowState::Closed => v1::WindowState::Closed,
        WindowState::Settling => v1::WindowState::Settling,
        WindowState::Settled => v1::WindowState::Settled,
    }
}

pub fn from_settlement_state(state: SettlementState) -> v1::SettlementState {
    match state {
        SettlementState::Proposed => v1::SettlementState::Proposed,
        SettlementState::Confirmed => v1::SettlementState::Confirmed,
        SettlementState::Exported => v1::SettlementState::Exported,
        SettlementState::PartlyPaid => v1::SettlementState::PartlyPaid,
        SettlementState::Settled => v1::SettlementState::Settled,
        SettlementState::Aborted => v1::SettlementState::Aborted,
    }
}

pub fn from_leg_state(state: LegState) -> v1::LegState {
    match state {
        LegState::Due => v1::LegState::Due,
        LegState::Paid => v1::LegState::Paid,
    }
}

pub fn from_leg(partner: PartnerId, leg: &Leg, coalition: &Coalition) -> v1::Leg {
    v1::Leg {
        partner_id: partner.to_string(),
        amount: from_money(leg.amount, coalition),
        due: from_money(leg.due, coalition),
        state: from_leg_state(leg.state()).into(),
    }
}

/// A window as somebody sees it: with the leg of that partner, if it has one.
pub fn from_window(window: &Window, of: Option<PartnerId>, coalition: &Coalition) -> v1::Window {
    let settlement = window.settlement.as_ref();
    let leg = of.and_then(|partner| {
        let leg = settlement?.legs.get(&partner)?;
        Some(from_leg(partner, leg, coalition))
    });
    let settlement_state =
        settlement.map_or(v1::SettlementState::Unspecified, |settlement| from_settlement_state(settlement.state));
    v1::Window {
        window: i64::from(window.number),
        state: from_window_state(window.state).into(),
        settlement_state: settlement_state.into(),
        open_time: from_timestamp(window.opened),
        close_time: window.closed.and_then(from_timestamp),
        leg,
    }
}

/// The settlement of a closed window, or what a close would make of the open one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Made,
    /// Nobody has closed the window yet: there is no settlement whose states could be told.
    Preview,
}

pub fn from_settlement(window: &Window, settlement: &Settlement, stage: Stage, coalition: &Coalition) -> v1::Settlement {
    let (window_state, state) = match stage {
        Stage::Made => (from_window_state(window.state), from_settlement_state(settlement.state)),
        Stage::Preview => (v1::WindowState::Open, v1::SettlementState::Unspecified),
    };
    let mut legs: Vec<(&PartnerId, &Leg)> = settlement.legs.iter().collect();
    legs.sort_by_key(|(partner, _)| partner.settlement_order());
    let leg = |(partner, leg): (&PartnerId, &Leg)| match stage {
        Stage::Made => from_leg(*partner, leg, coalition),
        Stage::Preview => v1::Leg { state: v1::LegState::Unspecified.into(), ..from_leg(*partner, leg, coalition) },
    };
    let mut carried: Vec<(&PartnerId, &ParticipantWindow)> =
        window.participants.iter().filter(|(_, participant)| !participant.carried.is_zero()).collect();
    carried.sort_by_key(|(partner, _)| partner.settlement_order());
    let carried = carried.into_iter().map(|(partner, participant)| v1::ParticipantAmount {
        partner_id: partner.to_string(),
        amount: from_money(participant.carried, coalition),
    });
    v1::Settlement {
        window: i64::from(window.number),
        window_state: window_state.into(),
        state: state.into(),
        legs: legs.into_iter().map(leg).collect(),
        carried: carried.collect(),
        proof: Some(from_proof(&settlement.proof, coalition)),
        gross: from_money(settlement.gross, coalition),
        pairwise_total: from_money(settlement.pairwise, coalition),
        saved: settlement.saved().map(from_share),
    }
}

/// Legs that an aborted settlement put back came into the window like what was carried into it, and count so.
fn from_proof(proof: &Proof, coalition: &Coalition) -> v1::SettlementProof {
    let carried_change = Money(proof.carried_change.0 - proof.aborted.0);
    let sum = Money(proof.legs.0 + proof.funds_change.0 + carried_change.0);
    let funds = Some(proof.funds_change).filter(|change| !change.is_zero());
    v1::SettlementProof {
        legs_total: from_money(proof.legs, coalition),
        fund_changes: funds
            .map(|change| v1::FundChange { account: "funds".to_owned(), amount: from_money(change, coalition) })
            .into_iter()
            .collect(),
        carried_change: from_money(carried_change, coalition),
        sum: from_money(sum, coalition),
    }
}

/// Ten-thousandths as a decimal with four places.
fn from_share(ten_thousandths: i64) -> String {
    let sign = if ten_thousandths < 0 { "-" } else { "" };
    let (whole, places) = (ten_thousandths.abs() / 10_000, ten_thousandths.abs() % 10_000);
    format!("{sign}{whole}.{places:04}")
}

pub fn order_mode(mode: i32) -> Result<OrderMode, Status> {
    match v1::OrderMode::try_from(mode) {
        Ok(v1::OrderMode::Hub) => Ok(OrderMode::Hub),
        Ok(v1::OrderMode::Pairwise) => Ok(OrderMode::Pairwise),
        Ok(v1::OrderMode::Unspecified) | Err(_) => {
            Err(invalid("mode", format!("{mode} is unknown; give HUB or PAIRWISE")))
        }
    }
}

pub fn from_order(order: &Order, coalition: &Coalition) -> v1::PaymentOrder {
    v1::PaymentOrder {
        payer: order.payer.to_string(),
        payee: order.payee.to_string(),
        amount: from_money(order.amount, coalition),
    }
}

/// Orders as CSV after RFC 4180. Numbers, partner ids and currency codes hold nothing that needs quotes.
pub fn orders_csv<'a>(
    window: WindowNumber,
    orders: impl IntoIterator<Item = &'a Order>,
    coalition: &Coalition,
) -> String {
    let mut csv = String::from("window,payer,payee,amount,currency\r\n");
    for Order { payer, payee, amount, .. } in orders {
        let amount = coalition.money_text(*amount);
        csv.push_str(&format!("{window},{payer},{payee},{amount},{}\r\n", coalition.currency));
    }
    csv
}

pub fn payment(payment: Option<v1::confirm_payment_request::Payment>) -> Result<Payment, Status> {
    use v1::confirm_payment_request::Payment as Wire;
    match payment {
        None => Err(invalid("payment", "is missing: give a partner_id or a pair")),
        Some(Wire::PartnerId(partner)) => id("partner_id", &partner).map(Payment::Hub),
        Some(Wire::Pair(v1::PaymentPair { payer, payee })) => {
            let party = |field: &str, text: &str| match text {
                "" => Err(invalid(field, "is missing")),
                "hub" => Err(invalid(field, "name the partner alone for a payment against the settlement account")),
                text => OrderParty::parse(text).map_err(|problem| invalid(field, problem)),
            };
            let (payer, payee) = (party("pair.payer", &payer)?, party("pair.payee", &payee)?);
            if payer == payee {
                return Err(invalid("pair.payee", "is the payer"));
            }
            Ok(Payment::Pair { payer, payee })
        }
    }
}

/// The participants whose legs a payment touches.
pub fn payment_parties(payment: Payment) -> Vec<PartnerId> {
    match payment {
        Payment::Hub(partner) => vec![partner],
        Payment::Pair { payer, payee } => [payer, payee].into_iter().filter_map(OrderParty::participant).collect(),
    }
}

/// An account that deposits can go to.
pub fn fund(account: &str) -> Result<MoneyAccount, Status> {
    let fund = account.parse().ok().filter(|account| match account {
        MoneyAccount::Reserve | MoneyAccount::Collateral(_) => true,
        MoneyAccount::Pool | MoneyAccount::Position(_) | MoneyAccount::Settle(..) | MoneyAccount::Bank(_) => false,
    });
    fund.ok_or_else(|| invalid("account", format!("{account:?} is neither reserve nor collateral:PARTNER")))
}

/// A calendar that can be kept. Where no time zone is named it is the coalition's.
pub fn calendar(cut_offs: Vec<String>, time_zone: String, coalition: &Coalition) -> Result<Calendar, Status> {
    let time_zone = match time_zone.as_str() {
        "" => coalition.time_zone.iana_name().unwrap_or("UTC").to_owned(),
        _ => time_zone,
    };
    let calendar = Calendar { cut_offs, time_zone };
    // Only the calendar knows which expressions and zones there are.
    validate(&calendar).map_err(|problem| {
        let field = match problem {
            CalendarProblem::UnknownZone(_) => "time_zone",
            CalendarProblem::TooMany(_)
            | CalendarProblem::NotFiveFields(_)
            | CalendarProblem::Malformed(..)
            | CalendarProblem::NeverOccurs(_) => "cron_expressions",
        };
        invalid(field, problem)
    })?;
    Ok(calendar)
}

pub fn from_times(times: Vec<Timestamp>) -> Vec<prost_types::Timestamp> {
    times.into_iter().filter_map(from_timestamp).collect()
}
