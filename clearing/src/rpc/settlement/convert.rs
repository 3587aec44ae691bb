//! Windows, settlements, orders and the calendar, between the wire and the rules.

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::facts::calendar::{
    Calendar, CalendarVersion, Calendars, CutOff, CutOffPattern, HolidayRule, OnHoliday, Weekday,
};
use clearing_core::facts::coalition::Coalition;
use clearing_core::facts::order::{Order, OrderMode, OrderParty};
use clearing_core::facts::origin::BusinessDate;
use clearing_core::facts::proof::Proof;
use clearing_core::facts::window::{Leg, LegState, Settlement, SettlementState, WindowState};
use clearing_core::netting::{self, LegOrigin};
use clearing_core::rules::payment::Payment;
use clearing_core::schedule::Schedule;
use clearing_core::units::{Malformed, Money, PartnerId, Timestamp, WindowNumber, shown};
use clearing_proto::v1;
use rust_decimal::Decimal;
use tonic::Status;

use crate::rpc::convert::{from_money, from_sum, from_timestamp, id};
use crate::rpc::errors::invalid;
use crate::spreadsheet::{self, Cell};

pub(in crate::rpc) fn from_window_state(state: WindowState) -> v1::WindowState {
    match state {
        WindowState::Open => v1::WindowState::Open,
        WindowState::Closed => v1::WindowState::Closed,
        WindowState::Settling => v1::WindowState::Settling,
        WindowState::Settled => v1::WindowState::Settled,
    }
}

pub(in crate::rpc) fn from_settlement_state(state: SettlementState) -> v1::SettlementState {
    match state {
        SettlementState::Proposed => v1::SettlementState::Proposed,
        SettlementState::Confirmed => v1::SettlementState::Confirmed,
        SettlementState::Exported => v1::SettlementState::Exported,
        SettlementState::PartlyPaid => v1::SettlementState::PartlyPaid,
        SettlementState::Settled => v1::SettlementState::Settled,
        SettlementState::Aborted => v1::SettlementState::Aborted,
    }
}

pub(in crate::rpc) fn from_leg_state(state: LegState) -> v1::LegState {
    match state {
        LegState::Due => v1::LegState::Due,
        LegState::Paid => v1::LegState::Paid,
        LegState::Returned => v1::LegState::Returned,
        LegState::Covered => v1::LegState::Covered,
    }
}

pub(in crate::rpc) fn from_leg(partner: PartnerId, leg: &Leg, coalition: &Coalition) -> v1::Leg {
    v1::Leg {
        partner_id: partner.to_string(),
        amount: from_money(leg.amount, coalition),
        due: from_money(leg.due, coalition),
        state: from_leg_state(leg.state()).into(),
        covered_amount: from_money(leg.covered, coalition),
        cancelled_amount: from_money(leg.cancelled, coalition),
        shared_amount: from_money(leg.shared, coalition),
    }
}

/// The settlement of a closed window, or what a close would make of the open one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rpc) enum Basis {
    Closed,
    /// Nobody has closed the window yet: there is no settlement whose states could be told.
    Preview,
}

pub(in crate::rpc) fn from_settlement(
    window: WindowNumber,
    settlement: &Settlement,
    carried: &BTreeMap<PartnerId, Money>,
    basis: Basis,
    coalition: &Coalition,
) -> v1::Settlement {
    let (window_state, state) = match basis {
        Basis::Closed => (from_window_state(settlement.state.of_window()), from_settlement_state(settlement.state)),
        Basis::Preview => (v1::WindowState::Open, v1::SettlementState::Unspecified),
    };
    let mut legs: Vec<(&PartnerId, &Leg)> = settlement.legs.iter().collect();
    legs.sort_by_key(|(partner, _)| partner.settlement_order());
    let leg = |(partner, leg): (&PartnerId, &Leg)| match basis {
        Basis::Closed => from_leg(*partner, leg, coalition),
        Basis::Preview => v1::Leg { state: v1::LegState::Unspecified.into(), ..from_leg(*partner, leg, coalition) },
    };
    let origins = leg_origins(settlement, carried, coalition);
    let mut carried: Vec<&PartnerId> = carried.keys().collect();
    carried.sort_by_key(|partner| partner.settlement_order());
    let carried = carried.into_iter().map(|partner| from_carried(*partner, &origins[partner], coalition));
    v1::Settlement {
        window: i64::from(window),
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

/// Where the legs of a settlement come from, and what is carried besides.
pub(in crate::rpc) fn leg_origins(
    settlement: &Settlement,
    carried: &BTreeMap<PartnerId, Money>,
    coalition: &Coalition,
) -> BTreeMap<PartnerId, LegOrigin> {
    let legs = settlement.legs.iter().map(|(partner, leg)| (*partner, leg.amount)).collect();
    netting::origins(&legs, carried, coalition.minor_unit()).expect("a close has rounded these positions")
}

/// What stays of a position, and why.
pub(in crate::rpc) fn from_carried(partner: PartnerId, origin: &LegOrigin, coalition: &Coalition) -> v1::CarriedAmount {
    let [rounding, small] = [origin.left_by_rounding(), origin.small()];
    v1::CarriedAmount {
        partner_id: partner.to_string(),
        amount: from_sum(i128::from(rounding.0) + i128::from(small.0), coalition),
        rounding: from_money(rounding, coalition),
        small: from_money(small, coalition),
    }
}

pub(in crate::rpc) fn from_proof(proof: &Proof, coalition: &Coalition) -> v1::SettlementProof {
    v1::SettlementProof {
        legs_total: from_sum(proof.legs, coalition),
        account_changes: proof
            .changes
            .iter()
            .map(|(account, change)| v1::AccountChange {
                account: account.to_string(),
                amount: from_sum(*change, coalition),
            })
            .collect(),
        carried_change: from_sum(proof.carried_change, coalition),
        sum: from_sum(proof.sum(), coalition),
    }
}

/// Ten-thousandths as a decimal with four places.
pub(in crate::rpc) fn from_share(ten_thousandths: i64) -> String {
    let sign = if ten_thousandths < 0 { "-" } else { "" };
    let (whole, places) = (ten_thousandths.abs() / 10_000, ten_thousandths.abs() % 10_000);
    format!("{sign}{whole}.{places:04}")
}

pub(in crate::rpc) fn order_mode(mode: i32) -> Result<OrderMode, Status> {
    match v1::OrderMode::try_from(mode) {
        Ok(v1::OrderMode::Hub) => Ok(OrderMode::Hub),
        Ok(v1::OrderMode::Pairwise) => Ok(OrderMode::Pairwise),
        Ok(v1::OrderMode::Unspecified) | Err(_) => {
            Err(invalid("mode", format!("{mode} is unknown; give HUB or PAIRWISE")))
        }
    }
}

pub(in crate::rpc) fn from_order_mode(mode: OrderMode) -> v1::OrderMode {
    match mode {
        OrderMode::Hub => v1::OrderMode::Hub,
        OrderMode::Pairwise => v1::OrderMode::Pairwise,
    }
}

pub(in crate::rpc) fn from_order(order: &Order, coalition: &Coalition) -> v1::PaymentOrder {
    v1::PaymentOrder {
        payer: order.payer.to_string(),
        payee: order.payee.to_string(),
        amount: from_money(order.amount, coalition),
        paid: order.paid,
        held: coalition.pay_outs_wait && order.waits(),
    }
}

/// Orders as a file for the bank. They are in whole minor units of the currency.
pub(in crate::rpc) fn orders_csv<'a>(
    window: WindowNumber,
    orders: impl IntoIterator<Item = &'a Order>,
    coalition: &Coalition,
) -> String {
    let row = |Order { payer, payee, amount, .. }: &Order| {
        let amount = Decimal::from_i128_with_scale(i128::from(amount.0), coalition.scale);
        vec![
            Cell::count(window),
            Cell::text(payer.to_string()),
            Cell::text(payee.to_string()),
            Cell::amount(amount, coalition.currency.minor_digits()),
            Cell::text(coalition.currency.as_str()),
        ]
    };
    spreadsheet::csv(&["window", "payer", "payee", "amount", "currency"], orders.into_iter().map(row))
}

pub(in crate::rpc) fn payment(payment: Option<v1::confirm_payment_request::Payment>) -> Result<Payment, Status> {
    use v1::confirm_payment_request::Payment as Wire;
    match payment {
        None => Err(invalid("payment", "is missing: give a partner_id or a pair")),
        Some(Wire::PartnerId(partner)) => id("partner_id", &partner).map(Payment::Hub),
        Some(Wire::Pair(v1::PaymentPair { payer, payee })) => {
            let party = |field: &str, text: &str| match text {
                "" => Err(invalid(field, "is missing")),
                "hub" => Err(invalid(field, "name the partner alone for a payment against the settlement account")),
                text => text.parse::<OrderParty>().map_err(|problem| invalid(field, problem)),
            };
            let (payer, payee) = (party("pair.payer", &payer)?, party("pair.payee", &payee)?);
            if payer == payee {
                return Err(invalid("pair.payee", "is the payer"));
            }
            Ok(Payment::Pair { payer, payee })
        }
    }
}

/// A calendar, for the rules to look at. Where no time zone is named it is the coalition's.
pub(in crate::rpc) fn calendar(wire: Option<v1::Calendar>, coalition: &Coalition) -> Result<Calendar, Status> {
    let v1::Calendar { cut_offs, time_zone, weekend, no_weekend, holiday_rules, holidays, working_days } =
        wire.ok_or_else(|| invalid("calendar", "is missing"))?;
    let time_zone = match time_zone.as_str() {
        "" => coalition.time_zone.iana_name().unwrap_or("UTC").to_owned(),
        _ => time_zone,
    };
    if no_weekend && !weekend.is_empty() {
        return Err(invalid("calendar.no_weekend", "is set, and so is calendar.weekend; set one of the two"));
    }
    // One that is given twice counts twice.
    let bound = |field: &str, count: usize, most: usize| {
        let problem = || format!("{count} are given; at most {most} are kept: leave out {}", count - most);
        if count > most { Err(invalid(field, problem())) } else { Ok(()) }
    };
    bound("calendar.weekend", weekend.len(), Calendar::WEEKEND_MAX)?;
    let dates = |field: &str, texts: &[String]| -> Result<BTreeSet<BusinessDate>, Status> {
        bound(field, texts.len(), Calendar::DATES_MAX)?;
        texts.iter().map(|text| text.parse().map_err(|problem: Malformed| invalid(field, problem))).collect()
    };
    let rule = |name: &String| {
        let names = HolidayRule::ALL.map(HolidayRule::as_str).join(", ");
        let unknown =
            || invalid("calendar.holiday_rules", format!("there is no rule {}; there are {names}", shown(name)));
        HolidayRule::parse(name).ok_or_else(unknown)
    };
    let plain = Calendar::of(Vec::<String>::new(), &time_zone);
    Ok(Calendar {
        cut_offs: cut_offs.into_iter().enumerate().map(cut_off_pattern).collect::<Result<_, _>>()?,
        weekend: match (no_weekend, weekend.is_empty()) {
            (true, _) => BTreeSet::new(),
            (false, true) => plain.weekend,
            (false, false) => weekend.into_iter().map(weekday).collect::<Result<_, _>>()?,
        },
        holiday_rules: holiday_rules.iter().map(rule).collect::<Result<_, _>>()?,
        holidays: dates("calendar.holidays", &holidays)?,
        working_days: dates("calendar.working_days", &working_days)?,
        time_zone,
    })
}

/// The row of this place.
fn cut_off_pattern((row, wire): (usize, v1::CutOffPattern)) -> Result<CutOffPattern, Status> {
    let v1::CutOffPattern { cron_expression, on_holiday, advice_days, payment_days } = wire;
    let field = |name: &str| format!("calendar.cut_offs[{row}].{name}");
    let days = |name: &str, days: i32| {
        let most = CutOffPattern::DAYS_MAX;
        let fits = u8::try_from(days).ok().filter(|days| *days <= most);
        fits.ok_or_else(|| invalid(&field(name), format!("{days} is not between 0 and {most}")))
    };
    let unknown = || invalid(&field("on_holiday"), format!("{on_holiday} is unknown"));
    let on_holiday = match v1::OnHoliday::try_from(on_holiday).map_err(|_| unknown())? {
        v1::OnHoliday::Unspecified | v1::OnHoliday::Keep => OnHoliday::Keep,
        v1::OnHoliday::Before => OnHoliday::Before,
        v1::OnHoliday::After => OnHoliday::After,
        v1::OnHoliday::Skip => OnHoliday::Skip,
    };
    let (advice_days, payment_days) = (days("advice_days", advice_days)?, days("payment_days", payment_days)?);
    Ok(CutOffPattern { cron_expression, on_holiday, advice_days, payment_days })
}

fn weekday(number: i32) -> Result<Weekday, Status> {
    let place = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
    let day = place.and_then(|place| Weekday::ALL.get(place).copied());
    day.ok_or_else(|| invalid("calendar.weekend", format!("{number} is no day of a week; give MONDAY to SUNDAY")))
}

fn from_weekday(day: Weekday) -> v1::Weekday {
    match day {
        Weekday::Monday => v1::Weekday::Monday,
        Weekday::Tuesday => v1::Weekday::Tuesday,
        Weekday::Wednesday => v1::Weekday::Wednesday,
        Weekday::Thursday => v1::Weekday::Thursday,
        Weekday::Friday => v1::Weekday::Friday,
        Weekday::Saturday => v1::Weekday::Saturday,
        Weekday::Sunday => v1::Weekday::Sunday,
    }
}

fn from_cut_off_pattern(pattern: &CutOffPattern) -> v1::CutOffPattern {
    let CutOffPattern { cron_expression, on_holiday, advice_days, payment_days } = pattern;
    let on_holiday = match on_holiday {
        OnHoliday::Keep => v1::OnHoliday::Keep,
        OnHoliday::Before => v1::OnHoliday::Before,
        OnHoliday::After => v1::OnHoliday::After,
        OnHoliday::Skip => v1::OnHoliday::Skip,
    };
    v1::CutOffPattern {
        cron_expression: cron_expression.clone(),
        on_holiday: on_holiday.into(),
        advice_days: i32::from(*advice_days),
        payment_days: i32::from(*payment_days),
    }
}

pub(in crate::rpc) fn from_calendar(version: &CalendarVersion) -> v1::CalendarVersion {
    let CalendarVersion { number, effective, calendar } = version;
    let Calendar { cut_offs, time_zone, weekend, holiday_rules, holidays, working_days } = calendar;
    let dates = |dates: &BTreeSet<BusinessDate>| dates.iter().map(ToString::to_string).collect();
    let calendar = v1::Calendar {
        cut_offs: cut_offs.iter().map(from_cut_off_pattern).collect(),
        time_zone: time_zone.clone(),
        weekend: weekend.iter().map(|day| from_weekday(*day).into()).collect(),
        no_weekend: weekend.is_empty(),
        holiday_rules: holiday_rules.iter().map(|rule| rule.as_str().to_owned()).collect(),
        holidays: dates(holidays),
        working_days: dates(working_days),
    };
    v1::CalendarVersion {
        number: i64::from(*number),
        effective_time: from_timestamp(*effective),
        calendar: Some(calendar),
    }
}

/// The first cut-offs behind a moment; none of a calendar that cannot be read.
pub(in crate::rpc) fn cut_offs(
    calendars: &Calendars,
    after: Timestamp,
    until: Timestamp,
    count: usize,
) -> Vec<v1::CutOff> {
    let Ok(schedule) = Schedule::read(calendars) else { return Vec::new() };
    let published = schedule.after(after).take_while(|cut_off| cut_off.time <= until).take(count);
    published
        .map(|CutOff { time, version, days, last_of_year }| v1::CutOff {
            close_time: from_timestamp(time),
            advice_day: days.advice.to_string(),
            payment_day: days.payment.to_string(),
            last_of_year,
            calendar_version: i64::from(version),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coalition_file::{CoalitionFile, Variant};
    use crate::rpc::bounds;
    use clearing_core::facts::coalition::PARTNERS_MAX;
    use clearing_core::facts::window::FundShares;

    use prost::Message as _;

    fn coalition() -> Coalition {
        let file = "[coalition]\ncurrency = \"EUR\"\nscale = 4\npoint_value = \"0.01\"\nstart = \"2026-02-01T00:00:00Z\"\n\
                    [[partner]]\nid = \"A\"\n";
        CoalitionFile::parse(file).unwrap().to_house("test", Variant::AtIssue).unwrap().coalition
    }

    #[test]
    fn a_share_has_four_places_whatever_its_size_and_sign() {
        let shares =
            [(8768, "0.8768"), (10_000, "1.0000"), (5, "0.0005"), (0, "0.0000"), (-5, "-0.0005"), (-25_000, "-2.5000")];
        for (share, text) in shares {
            assert_eq!(from_share(share), text);
        }
    }

    #[test]
    fn orders_are_csv_with_a_header_and_amounts_in_minor_units() {
        let party = |name: &str| name.parse::<OrderParty>().unwrap();
        let orders = [
            Order::new(party("A"), party("hub"), Money(125_000)),
            Order::new(party("hub"), party("operator"), Money(100)),
        ];
        let csv = "window,payer,payee,amount,currency\r\n7,A,hub,12.50,EUR\r\n7,hub,operator,0.01,EUR\r\n";
        assert_eq!(orders_csv(7, &orders, &coalition()), csv);
        assert_eq!(orders_csv(7, [], &coalition()), "window,payer,payee,amount,currency\r\n");
    }

    /// All of a settlement is answered at once, so the number of partners bounds it.
    #[test]
    fn the_orders_and_the_settlement_of_the_largest_coalition_fit_into_an_answer() {
        let partners = || (0..=PARTNERS_MAX).map(|number| format!("P{number:0>30}").parse::<PartnerId>().unwrap());
        // A leg and what is carried add up to a position.
        let most = Money(i64::MIN / 2 + 100);
        let order = |partner| Order {
            payer: OrderParty::Partner(partner),
            payee: OrderParty::Partner(partner),
            amount: Money(i64::MAX),
            paid: true,
            released: true,
        };
        // Pairwise orders are one fewer than the legs and the funds.
        let orders: Vec<Order> = partners().map(order).collect();
        let exported = v1::ExportOrdersResponse {
            written: None,
            proposal_id: "x".repeat(64),
            orders: orders.iter().map(|order| from_order(order, &coalition())).collect(),
            csv: orders_csv(WindowNumber::MAX, &orders, &coalition()),
            settlement_state: v1::SettlementState::Aborted.into(),
        };
        let leg = Leg { amount: most, due: most, returned: true, covered: most, cancelled: most, shared: most };
        let settlement = Settlement {
            state: SettlementState::Aborted,
            legs: partners().map(|partner| (partner, leg)).collect(),
            mode: None,
            orders: Vec::new(),
            gross: most,
            pairwise: most,
            proof: Proof::default(),
            funds: FundShares::new(),
        };
        let carried = partners().map(|partner| (partner, most)).collect();
        let settlement = from_settlement(WindowNumber::MAX, &settlement, &carried, Basis::Closed, &coalition());
        // Beside them stand the entries that were written, shown up to a bound of their own, and small figures.
        let beside = bounds::SHOWN_BYTES_MAX + (64 << 10);
        for bytes in [exported.encoded_len(), settlement.encoded_len()] {
            assert!(bytes + beside <= bounds::ANSWER_BYTES_MAX, "{bytes}");
            assert!(bytes > 1_000_000, "{bytes}");
        }
    }

    #[test]
    fn a_payment_is_a_leg_or_an_order_between_two_others() {
        use v1::confirm_payment_request::Payment as Wire;
        let pair = |payer: &str, payee: &str| {
            payment(Some(Wire::Pair(v1::PaymentPair { payer: payer.to_owned(), payee: payee.to_owned() })))
        };
        let partner = |name: &str| name.parse::<PartnerId>().unwrap();
        assert_eq!(payment(Some(Wire::PartnerId("A".to_owned()))).unwrap(), Payment::Hub(partner("A")));
        let funds = pair("funds", "operator").unwrap();
        assert_eq!(funds, Payment::Pair { payer: OrderParty::Funds, payee: OrderParty::Operator });
        let both = Payment::Pair { payer: OrderParty::of(partner("A")), payee: OrderParty::of(partner("B")) };
        assert_eq!(pair("A", "B").unwrap(), both);
        for wrong in [payment(None), pair("", "B"), pair("A", ""), pair("A", "A"), pair("A", "hub"), pair("A", "b c")] {
            assert_eq!(wrong.unwrap_err().code(), tonic::Code::InvalidArgument);
        }
    }

    #[test]
    fn a_calendar_takes_the_coalitions_zone_and_weekend_where_it_names_none() {
        let daily = || v1::Calendar {
            cut_offs: vec![v1::CutOffPattern { cron_expression: "0 18 * * *".to_owned(), ..Default::default() }],
            ..Default::default()
        };
        let read = calendar(Some(daily()), &coalition()).unwrap();
        assert_eq!(read, Calendar::of(["0 18 * * *"], "UTC"));
        let berlin = v1::Calendar { time_zone: "Europe/Berlin".to_owned(), ..daily() };
        assert_eq!(calendar(Some(berlin), &coalition()).unwrap().time_zone, "Europe/Berlin");
        let never = calendar(Some(v1::Calendar { no_weekend: true, ..daily() }), &coalition()).unwrap();
        assert_eq!(never.weekend, BTreeSet::new());
        let version = CalendarVersion { number: 1, effective: Timestamp::FIRST, calendar: never.clone() };
        assert_eq!(calendar(from_calendar(&version).calendar, &coalition()).unwrap(), never, "as it was given");
        let field = |wrong: v1::Calendar| {
            use tonic_types::StatusExt;
            let refused = calendar(Some(wrong), &coalition()).unwrap_err();
            refused.get_details_error_info().unwrap().metadata.get("field").cloned().unwrap_or_default()
        };
        assert_eq!(field(v1::Calendar { no_weekend: true, weekend: vec![1], ..daily() }), "calendar.no_weekend");
        assert_eq!(field(v1::Calendar { weekend: vec![8], ..daily() }), "calendar.weekend");
        assert_eq!(field(v1::Calendar { holiday_rules: vec!["FR".to_owned()], ..daily() }), "calendar.holiday_rules");
        assert_eq!(field(v1::Calendar { holidays: vec!["2026-02-30".to_owned()], ..daily() }), "calendar.holidays");
        assert_eq!(field(v1::Calendar { working_days: vec!["x".to_owned()], ..daily() }), "calendar.working_days");
        let pattern = v1::CutOffPattern { payment_days: 256, ..Default::default() };
        assert_eq!(
            field(v1::Calendar { cut_offs: vec![daily().cut_offs.remove(0), pattern], ..daily() }),
            "calendar.cut_offs[1].payment_days"
        );
    }
}
