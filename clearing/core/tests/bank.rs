//! Money at the bank on the rules alone: the published examples to the last kopeck, and what is refused.

#![allow(clippy::unwrap_used, reason = "a panic in a test is how it fails")]

mod house;

use std::collections::BTreeMap;
use std::path::Path;

use clearing_core::chart::MoneyAccount;
use clearing_core::command::Command;
use clearing_core::facts::answer::{Accepted, HouseReply, Reply};
use clearing_core::facts::entry::EntryKind;
use clearing_core::facts::limits::Limits;
use clearing_core::facts::money::BankKey;
use clearing_core::facts::order::{Order, OrderMode, OrderParty};
use clearing_core::facts::origin::Code;
use clearing_core::facts::terms::Funding;
use clearing_core::facts::window::LegState;
use clearing_core::rejection::Rejection;
use clearing_core::rules::arrived::{ApplyMoney, ReceiveMoney, UsedFor, UsedFrom};
use clearing_core::rules::charges::{Adjust, BookBankFee, BookOwnTransfer, Charge};
use clearing_core::rules::claims::RepayClaim;
use clearing_core::rules::cover::{CoverDefault, ShareLoss};
use clearing_core::rules::funds::{Deposit, WithdrawFunds};
use clearing_core::rules::ordered::{ConfirmOrdered, ReturnMoney};
use clearing_core::rules::payment::{ConfirmPayment, Payment};
use clearing_core::rules::release::ReleaseOrders;
use clearing_core::rules::returned::{ReturnPayment, ReturnedPayment, UndoPayment};
use clearing_core::rules::settlement::{AbortSettlement, ConfirmSettlement, ExportOrders};
use clearing_core::units::{EntryId, Money, PartnerId, Timestamp};
use house::{Play, brands, coalition, house, id, mixed, rate, sums, terms};
use toml::{Table, Value};

/// A key without an account and a day, as a house with one account may have it.
fn key(reference: &str) -> BankKey {
    BankKey { account: String::new(), booked: None, reference: reference.to_owned() }
}

fn receive(partner: Option<&str>, amount: i64, reference: &str) -> Command {
    let partner = partner.map(id);
    ReceiveMoney { partner, amount: Money(amount), line: key(reference), window: None }.into()
}

fn apply(partner: &str, amount: i64, to: UsedFor) -> Command {
    let from = if to == UsedFor::Unapplied { UsedFrom::Unknown } else { UsedFrom::Partner };
    ApplyMoney { partner: id(partner), amount: Money(amount), to, window: None, from }.into()
}

fn deposit(account: &str, amount: i64) -> Command {
    Deposit { fund: account.parse().unwrap(), amount: Money(amount) }.into()
}

fn withdraw(account: &str, amount: i64) -> Command {
    WithdrawFunds { fund: account.parse().unwrap(), amount: Money(amount) }.into()
}

fn bounce(reference: &str) -> Command {
    ReturnPayment { payment: ReturnedPayment::Arrived(key(reference)), line: None }.into()
}

fn come_back(window: u32, partner: &str) -> Command {
    ReturnPayment { payment: ReturnedPayment::PayOut(window, id(partner)), line: None }.into()
}

fn undo(payment: EntryId) -> Command {
    UndoPayment { payment, reason: Code::new("mistake").unwrap() }.into()
}

fn cover(window: u32, partner: &str) -> Command {
    CoverDefault { window, partner: id(partner) }.into()
}

fn share(window: u32, partner: &str) -> Command {
    ShareLoss { window, partner: id(partner) }.into()
}

fn export(window: u32, mode: OrderMode) -> Command {
    ExportOrders { window, mode, replace: false }.into()
}

/// What a command posts in money.
fn posts(play: &mut Play, command: Command) -> BTreeMap<String, i64> {
    let written = play.journal.len();
    play.operator(command).unwrap();
    play.money_from(written)
}

fn orders(accepted: &Accepted) -> Vec<(String, String, i64)> {
    let Reply::House(HouseReply::Orders(orders)) = &accepted.reply else { panic!("no orders: {accepted:?}") };
    orders.iter().map(|order| (order.payer.to_string(), order.payee.to_string(), order.amount.0)).collect()
}

/// A owes B 100.00 in a window that is closed and confirmed; no fees.
fn a_owes_b(points: i64) -> (Play, u32) {
    let mut play = mixed(Funding::AtRedemption, Funding::AtRedemption, Funding::AtRedemption);
    play.issue("A", "M", points);
    play.redeem("B", "M", points).unwrap();
    let window = play.close();
    play.confirm(window);
    (play, window)
}

// The published examples.

/// Plays a file of `clearing/scenarios` step by step, all that this release has steps for.
struct Player {
    play: Play,
    entries: BTreeMap<String, EntryId>,
    reason: Option<&'static str>,
    orders: Vec<Order>,
    /// The one that the file has.
    variant: String,
    members: Vec<String>,
}

fn text<'a>(table: &'a Table, key: &str) -> Option<&'a str> {
    table.get(key).and_then(Value::as_str)
}

fn money(text: &str) -> Money {
    Money::read(text, 2).unwrap()
}

impl Player {
    fn new(file: &Table) -> Self {
        let settings = file["coalition"].as_table().unwrap();
        let mut coalition = coalition();
        coalition.settlement_threshold = money(text(settings, "settlement_threshold").unwrap());
        coalition.default_terms.acceptance_fee = rate(text(settings, "acceptance_fee").unwrap());
        let variant = file["variants"][0].as_str().unwrap().to_owned();
        coalition.default_terms.funding =
            if variant == "ON_PAYMENT" { Funding::OnPayment } else { Funding::AtRedemption };
        let terms = coalition.default_terms.clone();
        let partners = file["partner"].as_array().unwrap();
        let names: Vec<&str> = partners.iter().map(|partner| partner["id"].as_str().unwrap()).collect();
        let partners_terms: Vec<_> = names.iter().map(|name| (*name, terms.clone())).collect();
        let mut house = house(coalition, &partners_terms);
        for partner in partners {
            let cap = partner.get("net_debit_cap").map(|cap| money(cap.as_str().unwrap()));
            let limits = Limits { net_debit_cap: cap, ..Limits::default() };
            house.partners.get_mut(&id(partner["id"].as_str().unwrap())).unwrap().limits = limits;
        }
        let (entries, orders, members) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { play: Play::new(house), entries, reason: None, orders, variant, members }
    }

    fn ask(&mut self, by: &str, command: Command) -> Option<EntryId> {
        match self.play.ask(by, command) {
            Err(rejection) => {
                self.reason = Some(rejection.reason());
                None
            }
            Ok(accepted) => {
                if let Reply::House(HouseReply::Orders(orders)) = &accepted.reply {
                    self.orders.clone_from(orders);
                }
                accepted.entries.first().copied()
            }
        }
    }

    fn commands(&self, step: &Table) -> Vec<(String, Command)> {
        let by = text(step, "by").unwrap_or("operator").to_owned();
        let action = text(step, "do").unwrap();
        let points = || step["points"].as_integer().unwrap();
        let window = step.get("window").map_or(0, |window| u32::try_from(window.as_integer().unwrap()).unwrap());
        match action {
            "advance_time" => return Vec::new(),
            "issue" => return vec![(by, house::issue(text(step, "member").unwrap(), points()))],
            "redeem" => return vec![(by, house::redeem(text(step, "member").unwrap(), points()))],
            "pay_all" => {
                let settlement = self.play.book.windows[&window].settlement.as_ref().unwrap();
                // What was never exported is paid against the settlement account, the debtors first.
                let mut due: Vec<_> = settlement.legs.iter().filter(|(_, leg)| !leg.due.is_zero()).collect();
                due.sort_by_key(|(_, leg)| leg.due.0 > 0);
                let pay = |partner: &PartnerId| ConfirmPayment::of(window, Payment::Hub(*partner)).into();
                return due.into_iter().map(|(partner, _)| (by.clone(), pay(partner))).collect();
            }
            _ => {}
        }
        let name = if action == "pay" { "confirm_payment" } else { action };
        let mut fields = Table::new();
        for (key, value) in step {
            let (key, within) = match (key.as_str(), action) {
                ("do" | "at" | "by" | "as" | "expect", _) => continue,
                ("reference", "receive_money") => ("reference", Some("line")),
                ("reference", "return_payment") => ("reference", Some("payment")),
                ("partner", _) => ("partner_id", None),
                ("penalty", _) => ("penalty_amount", None),
                ("of", "undo_payment") => ("payment_entry_id", None),
                ("reason", _) => ("reason_code", None),
                (other, _) => (other, None),
            };
            let value = match key {
                "amount" | "penalty_amount" => Value::Integer(money(value.as_str().unwrap()).0),
                "payment_entry_id" => Value::String(self.entries[value.as_str().unwrap()].to_string()),
                _ => value.clone(),
            };
            match within {
                None => fields.insert(key.to_owned(), value),
                Some(within) => fields
                    .entry(within)
                    .or_insert_with(|| Table::new().into())
                    .as_table_mut()
                    .unwrap()
                    .insert(key.to_owned(), value),
            };
        }
        let command = Command::read(name, Value::Table(fields)).unwrap_or_else(|| panic!("no step {name}"));
        vec![(by, command.unwrap_or_else(|problem| panic!("{step:?}: {problem}")))]
    }

    fn step(&mut self, step: &Table) {
        let at: Timestamp = text(step, "at").unwrap().parse().unwrap();
        self.members.extend(text(step, "member").map(str::to_owned));
        let before = self.play.journal.len();
        self.play.wait_until(at);
        let place = format!("{} {}", text(step, "at").unwrap(), text(step, "do").unwrap());
        // What falls due is no part of a step, but of the one that lets time pass.
        let advances = text(step, "do") == Some("advance_time");
        let written = if advances { before } else { self.play.journal.len() };
        self.reason = None;
        for (by, command) in self.commands(step) {
            let entry = self.ask(&by, command);
            if let (Some(name), Some(entry)) = (text(step, "as"), entry) {
                self.entries.insert(name.to_owned(), entry);
            }
        }
        let Some(expect) = step.get("expect").and_then(Value::as_table) else {
            assert_eq!(self.reason, None, "{place}");
            return;
        };
        assert_eq!(self.reason, text(expect, "rejected"), "{place}");
        if let (Some(points), None) = (expect.get("points").and_then(Value::as_table), self.reason) {
            let expected = points.iter().map(|(account, points)| (account.clone(), points.as_integer().unwrap()));
            let names: Vec<&str> = self.members.iter().map(String::as_str).collect();
            assert_eq!(self.play.points_from(written, &names), expected.collect::<BTreeMap<_, _>>(), "{place}");
        }
        let expected = amounts(expect.get("money"), &self.variant);
        assert_eq!(without_purposes(self.play.money_from(written)), expected, "{place}");
        if let Some(kinds) = expect.get("entries").and_then(Value::as_array) {
            let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str().unwrap()).collect();
            assert_eq!(self.play.kinds_from(written), kinds, "{place}");
        }
        if let Some(expected) = expect.get("orders").and_then(|orders| orders.get(&self.variant)) {
            let line =
                |order: &Order| vec![order.payer.to_string(), order.payee.to_string(), order.amount.0.to_string()];
            let orders: Vec<_> = self.orders.iter().map(line).collect();
            let expected = expected.as_array().unwrap().iter().map(|order| {
                let texts: Vec<&str> = order.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
                vec![texts[0].to_owned(), texts[1].to_owned(), money(texts[2]).0.to_string()]
            });
            assert_eq!(orders, expected.collect::<Vec<_>>(), "{place}");
        }
        assert_eq!(clearing_core::audit::check(&self.play.book), vec![], "{place}");
    }
}

/// The amounts of a variant.
fn amounts(money_of: Option<&Value>, variant: &str) -> BTreeMap<String, i64> {
    let table = money_of.and_then(|money| money.get(variant)).and_then(Value::as_table);
    let amounts =
        table.into_iter().flatten().map(|(account, amount)| (account.clone(), money(amount.as_str().unwrap()).0));
    amounts.collect()
}

/// The files know one bank.
fn without_purposes(accounts: BTreeMap<String, i64>) -> BTreeMap<String, i64> {
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for (account, amount) in accounts {
        let name = if account.starts_with("bank:") { "bank".to_owned() } else { account };
        *sums.entry(name).or_default() += amount;
    }
    sums.retain(|_, sum| *sum != 0);
    sums
}

fn play_file(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../scenarios/{name}.toml"));
    let file: Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
    let mut player = Player::new(&file);
    for step in file["step"].as_array().unwrap() {
        player.step(step.as_table().unwrap());
    }
    let end = file["end"].as_table().unwrap();
    assert_eq!(without_purposes(player.play.money()), amounts(end.get("money"), &player.variant));
    let states = player.play.book.windows.values().map(|window| window.state.as_str());
    let expected = end["windows"].as_array().unwrap().iter().map(|state| state.as_str().unwrap());
    assert_eq!(states.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    player.play.assert_sound();
}

#[test]
fn a_default_takes_collateral_and_then_the_reserve_which_a_claim_pays_back() {
    play_file("S12");
}

#[test]
fn what_is_paid_ahead_pays_the_next_leg_and_may_leave_only_as_far_as_headroom_goes() {
    play_file("S21");
}

#[test]
fn a_payment_that_bounces_is_due_again_before_its_settlement_is_final_and_a_claim_after() {
    play_file("S22");
}

#[test]
fn a_shared_loss_is_bound_by_legs_and_paid_back_in_order() {
    play_file("S23");
}

#[test]
fn money_that_arrives_is_a_line_once_and_a_default_cancels_points_that_wait() {
    play_file("own/O25");
}

// Lines of the bank.

#[test]
fn a_line_is_booked_once_whoever_sends_it_again_and_with_another_amount_it_is_a_conflict() {
    let (mut play, _) = a_owes_b(100);
    let first = play.operator(receive(Some("A"), 4_000, "R1")).unwrap();
    let again = play.operator(receive(Some("A"), 4_000, "R1")).unwrap();
    assert_eq!(again.entries, vec![]);
    assert_eq!(again.reply, Reply::House(HouseReply::Known(first.entries[0])));
    // To whom it was matched is no part of it.
    assert_eq!(play.operator(receive(None, 4_000, "R1")).unwrap().entries, vec![]);
    assert_eq!(play.refused("operator", receive(Some("A"), 4_001, "R1")), "BANK_REFERENCE_CONFLICT");
    // Another day, or another account of the house, is another line.
    let other = BankKey { booked: Some("2026-02-01".parse().unwrap()), ..key("R1") };
    let other = ReceiveMoney { partner: None, amount: Money(100), line: other, window: None };
    assert_eq!(play.operator(other.into()).unwrap().entries.len(), 1);
    assert_eq!(play.money()["unapplied:A"], 4_000);
    play.assert_sound();
}

#[test]
fn a_line_of_what_was_booked_by_hand_posts_nothing() {
    let (mut play, window) = a_owes_b(100);
    let paid = play.pay(window, "A").unwrap().entries[0];
    assert_eq!(posts(&mut play, receive(Some("A"), 10_000, "R1")), sums(&[]));
    let line = &play.book.bank_lines[&key("R1")];
    assert_eq!(line.entry, paid);
    // The next one of that amount is another payment.
    assert_eq!(posts(&mut play, receive(Some("A"), 10_000, "R2"))["unapplied:A"], 10_000);
    // What is booked by hand can come back by its line.
    assert_eq!(posts(&mut play, bounce("R1")), sums(&[("settle:1:A", -10_000), ("bank:settlement", 10_000)]));
    play.assert_sound();
}

#[test]
fn money_pays_by_itself_only_the_leg_that_it_names_and_only_if_it_is_just_what_is_due() {
    let (mut play, window) = a_owes_b(100);
    let named = |amount: i64, reference: &str| -> Command {
        let (partner, window) = (Some(id("A")), Some(window));
        ReceiveMoney { partner, amount: Money(amount), line: key(reference), window }.into()
    };
    let short = posts(&mut play, named(9_999, "R1"));
    assert_eq!(short, sums(&[("unapplied:A", 9_999), ("bank:settlement", -9_999)]));
    assert_eq!(
        play.refused(
            "operator",
            ConfirmPayment { amount: Some(Money(9_999)), ..ConfirmPayment::of(window, Payment::Hub(id("A"))) }.into()
        ),
        "AMOUNT_MISMATCH"
    );
    let exact = posts(&mut play, named(10_000, "R2"));
    assert_eq!(exact, sums(&[("settle:1:A", 10_000), ("bank:settlement", -10_000)]));
    // What comes late, or twice, is unapplied.
    assert_eq!(posts(&mut play, named(10_000, "R3"))["unapplied:A"], 10_000);
    play.assert_sound();
}

#[test]
fn money_of_nobody_knows_whom_goes_to_a_partner_in_one_piece_or_back() {
    let (mut play, _) = a_owes_b(100);
    play.operator(receive(None, 700, "R1")).unwrap();
    play.operator(receive(None, 300, "R2")).unwrap();
    assert_eq!(play.refused("operator", apply("A", 400, UsedFor::Unapplied)), "AMOUNT_MISMATCH");
    let moved = posts(&mut play, apply("A", 300, UsedFor::Unapplied));
    assert_eq!(moved, sums(&[("unapplied:unknown", -300), ("unapplied:A", 300)]));
    let back = ReturnMoney { account: "unapplied:unknown".parse().unwrap(), amount: Money(700) };
    assert_eq!(posts(&mut play, back.clone().into()), sums(&[("unapplied:unknown", -700), ("ordered:unknown", 700)]));
    assert_eq!(play.refused("operator", back.into()), "FUND_INSUFFICIENT");
    let paid = ConfirmOrdered { partner: None, amount: Money(700), line: None };
    assert_eq!(posts(&mut play, paid.clone().into()), sums(&[("ordered:unknown", -700), ("bank:settlement", 700)]));
    assert_eq!(play.refused("operator", paid.into()), "NOT_FOUND");
    play.assert_sound();
}

#[test]
fn what_is_finer_than_banks_pay_is_no_money_at_the_bank() {
    let mut settings = coalition();
    settings.scale = 4;
    let mut play = Play::new(house(settings, &[("A", terms(Funding::AtRedemption))]));
    assert_eq!(play.refused("operator", receive(Some("A"), 150, "R1")), "INVALID_ARGUMENT");
    assert_eq!(play.refused("operator", deposit("advance:A", 150)), "INVALID_ARGUMENT");
    play.operator(receive(Some("A"), 200, "R1")).unwrap();
    let back = ReturnMoney { account: "unapplied:A".parse().unwrap(), amount: Money(50) };
    assert_eq!(play.refused("operator", back.into()), "INVALID_ARGUMENT");
    play.assert_sound();
}

// What is undone, and what comes back.

#[test]
fn a_payment_booked_by_mistake_is_undone_once_and_until_its_settlement_is_final() {
    let (mut play, window) = a_owes_b(100);
    play.operator(receive(Some("A"), 10_000, "R1")).unwrap();
    let applied = play.operator(apply("A", 10_000, UsedFor::Leg)).unwrap().entries[0];
    assert_eq!(posts(&mut play, undo(applied)), sums(&[("settle:1:A", -10_000), ("unapplied:A", 10_000)]));
    assert_eq!(play.refused("operator", undo(applied)), "NOT_FOUND");
    let paid = play.pay(window, "A").unwrap().entries[0];
    assert_eq!(posts(&mut play, undo(paid)), sums(&[("settle:1:A", -10_000), ("bank:settlement", 10_000)]));
    let applied = play.operator(apply("A", 10_000, UsedFor::Leg)).unwrap().entries[0];
    let out = play.pay(window, "B").unwrap().entries[0];
    assert_eq!(play.refused("operator", undo(applied)), "SETTLEMENT_SETTLED");
    assert_eq!(play.refused("operator", undo(out)), "SETTLEMENT_SETTLED");
    play.assert_sound();
}

#[test]
fn what_came_back_is_not_undone_nor_what_was_used_since() {
    let (mut play, _) = a_owes_b(100);
    play.operator(receive(Some("A"), 5_000, "R1")).unwrap();
    let part = play.operator(apply("A", 5_000, UsedFor::Leg)).unwrap().entries[0];
    play.operator(bounce("R1")).unwrap();
    assert_eq!(play.refused("operator", undo(part)), "LEG_NOT_PAID");
    play.operator(receive(Some("B"), 900, "R2")).unwrap();
    let ahead = play.operator(apply("B", 900, UsedFor::Advance)).unwrap().entries[0];
    play.operator(withdraw("advance:B", 900)).unwrap();
    assert_eq!(play.refused("operator", undo(ahead)), "FUND_INSUFFICIENT");
    play.assert_sound();
}

#[test]
fn a_payment_between_two_partners_is_undone_by_its_opposite() {
    let (mut play, window) = a_owes_b(100);
    play.operator(export(window, OrderMode::Pairwise)).unwrap();
    // Between partners no money touches the house's bank, so none of it pays the leg.
    play.operator(receive(Some("A"), 10_000, "R1")).unwrap();
    assert_eq!(play.refused("operator", apply("A", 10_000, UsedFor::Leg)), "LEG_NOT_DUE");
    let settlement = |play: &Play| play.book.windows[&window].settlement.clone().unwrap();
    assert_eq!(settlement(&play).orders.len(), 1);
    // With a third party that stays due, the payment can be undone.
    play.issue("A", "N", 50);
    play.redeem("B", "N", 30).unwrap();
    play.redeem("C", "N", 20).unwrap();
    let next = play.close();
    play.confirm(next);
    play.operator(export(next, OrderMode::Pairwise)).unwrap();
    let pair = Payment::Pair { payer: OrderParty::of(id("A")), payee: OrderParty::of(id("B")) };
    let paid = play.operator(ConfirmPayment::of(next, pair).into()).unwrap().entries[0];
    assert_eq!(posts(&mut play, undo(paid)), sums(&[("settle:2:A", -3_000), ("settle:2:B", 3_000)]));
    play.operator(ConfirmPayment::of(next, pair).into()).unwrap();
    play.assert_sound();
}

#[test]
fn a_pay_out_that_comes_back_is_due_again_and_later_it_is_unapplied() {
    let mut play = mixed(Funding::AtRedemption, Funding::AtRedemption, Funding::AtRedemption);
    play.issue("A", "M", 100);
    play.redeem("B", "M", 60).unwrap();
    play.redeem("C", "M", 40).unwrap();
    let window = play.close();
    play.confirm(window);
    play.operator(export(window, OrderMode::Hub)).unwrap();
    assert_eq!(play.refused("operator", come_back(window, "B")), "LEG_NOT_PAID");
    play.pay(window, "A").unwrap();
    play.pay(window, "B").unwrap();
    assert_eq!(posts(&mut play, come_back(window, "B")), sums(&[("settle:1:B", 6_000), ("bank:settlement", -6_000)]));
    let leg = play.book.windows[&window].settlement.as_ref().unwrap().legs[&id("B")];
    assert_eq!(leg.state(), LegState::Returned);
    play.pay(window, "B").unwrap();
    play.pay(window, "C").unwrap();
    assert_eq!(posts(&mut play, come_back(window, "C")), sums(&[("unapplied:C", 4_000), ("bank:settlement", -4_000)]));
    assert_eq!(play.refused("operator", come_back(window, "C")), "LEG_NOT_PAID");
    let back = ReturnMoney { account: "unapplied:C".parse().unwrap(), amount: Money(4_000) };
    let ordered = play.operator(back.into()).unwrap().entries[0];
    // Money ordered out comes back as well, once it was paid.
    let again = ReturnPayment { payment: ReturnedPayment::Ordered(ordered), line: Some(key("X")) };
    assert_eq!(play.refused("operator", again.clone().into()), "LEG_NOT_PAID");
    play.operator(ConfirmOrdered { partner: Some(id("C")), amount: Money(4_000), line: Some(key("Y")) }.into())
        .unwrap();
    assert_eq!(posts(&mut play, again.into()), sums(&[("unapplied:C", 4_000), ("bank:settlement", -4_000)]));
    play.assert_sound();
}

#[test]
fn of_a_payment_in_parts_the_newest_leg_is_due_again_first() {
    let (mut play, first) = a_owes_b(100);
    play.issue("A", "N", 30);
    play.redeem("B", "N", 30).unwrap();
    let second = play.close();
    play.confirm(second);
    play.operator(receive(Some("A"), 14_000, "R1")).unwrap();
    play.operator(apply("A", 10_000, UsedFor::Leg)).unwrap();
    play.operator(apply("A", 3_000, UsedFor::Leg)).unwrap();
    play.pay(first, "B").unwrap();
    // The first window is final, the second is not; 10.00 are unapplied.
    let posted = posts(&mut play, bounce("R1"));
    let expected = [("bank:settlement", 14_000), ("claim:A", -10_000), ("settle:2:A", -3_000), ("unapplied:A", -1_000)];
    assert_eq!(posted, sums(&expected));
    assert_eq!(play.refused("operator", bounce("R1")), "LEG_NOT_PAID");
    assert_eq!(play.refused("operator", bounce("R9")), "NOT_FOUND");
    play.assert_sound();
}

// Pay-outs that wait.

/// A owes 60.00 to B and 40.00 to C where pay-outs wait; confirmed and exported.
fn waiting() -> (Play, u32) {
    let mut settings = coalition();
    settings.pay_outs_wait = true;
    let all = terms(Funding::AtRedemption);
    let mut play = Play::new(house(settings, &[("A", all.clone()), ("B", all.clone()), ("C", all)]));
    play.issue("A", "M", 100);
    play.redeem("B", "M", 60).unwrap();
    play.redeem("C", "M", 40).unwrap();
    let window = play.close();
    play.confirm(window);
    let accepted = play.operator(export(window, OrderMode::Hub)).unwrap();
    assert_eq!(orders(&accepted), vec![("A".to_owned(), "hub".to_owned(), 10_000)]);
    (play, window)
}

fn release(window: u32, amount: Option<i64>) -> Command {
    ReleaseOrders { window, amount: amount.map(Money) }.into()
}

#[test]
fn pay_outs_wait_until_the_last_debit_is_paid_and_then_leave_together() {
    let (mut play, window) = waiting();
    let written = play.journal.len();
    play.pay(window, "A").unwrap();
    assert_eq!(play.kinds_from(written), ["payment", "release"]);
    let accepted = play.operator(export(window, OrderMode::Hub)).unwrap();
    let expected = [("B", 6_000), ("C", 4_000)].map(|(to, amount)| ("hub".to_owned(), to.to_owned(), amount));
    assert_eq!(orders(&accepted), expected);
    assert_eq!(play.refused("operator", release(window, None)), "NOT_FOUND");
    play.pay(window, "B").unwrap();
    play.pay(window, "C").unwrap();
    play.assert_sound();
}

#[test]
fn earlier_they_leave_in_equal_shares_and_no_more_than_came_in() {
    let (mut play, window) = waiting();
    assert_eq!(play.refused("operator", release(window, None)), "FUNDS_NOT_RECEIVED");
    play.operator(receive(Some("A"), 5_001, "R1")).unwrap();
    play.operator(apply("A", 5_001, UsedFor::Leg)).unwrap();
    assert_eq!(play.refused("operator", release(window, Some(5_002))), "FUNDS_NOT_RECEIVED");
    play.operator(release(window, Some(5_001))).unwrap();
    assert_eq!(play.refused("operator", release(window, Some(1))), "FUNDS_NOT_RECEIVED");
    let accepted = play.operator(export(window, OrderMode::Hub)).unwrap();
    let expected = [("A", "hub", 4_999), ("hub", "B", 3_001), ("hub", "C", 2_000)];
    let mut told = orders(&accepted);
    told.sort();
    assert_eq!(told, expected.map(|(from, to, amount)| (from.to_owned(), to.to_owned(), amount)));
    // What the bank has paid is booked, each order by itself.
    play.pay(window, "B").unwrap();
    play.operator(receive(Some("A"), 4_999, "R2")).unwrap();
    play.operator(apply("A", 4_999, UsedFor::Leg)).unwrap();
    for partner in ["B", "C", "C"] {
        play.pay(window, partner).unwrap();
    }
    assert_eq!(play.money(), sums(&[]));
    play.assert_sound();
}

#[test]
fn a_credit_pays_older_legs_of_its_partner_before_it_leaves() {
    let (mut play, first) = a_owes_b(100);
    play.issue("B", "N", 150);
    play.redeem("A", "N", 150).unwrap();
    let second = play.close();
    play.confirm(second);
    play.operator(export(second, OrderMode::Hub)).unwrap();
    let written = play.journal.len();
    let posted = posts(&mut play, ConfirmPayment::of(second, Payment::Hub(id("B"))).into());
    assert_eq!(play.kinds_from(written), ["payment", "offset"]);
    let expected =
        [("settle:2:B", 15_000), ("bank:settlement", -15_000), ("settle:2:A", -10_000), ("settle:1:A", 10_000)];
    assert_eq!(posted, sums(&expected));
    // The rest goes out, and so does what the older window owes.
    assert_eq!(posts(&mut play, ConfirmPayment::of(second, Payment::Hub(id("A"))).into())["bank:settlement"], 5_000);
    play.pay(first, "B").unwrap();
    assert_eq!(play.money(), sums(&[]));
    play.assert_sound();
}

// Defaults.

#[test]
fn points_that_wait_for_a_payment_are_cancelled_before_anybody_pays_for_a_default() {
    let mut play = mixed(Funding::OnPayment, Funding::AtRedemption, Funding::AtRedemption);
    let issued = play.issue("A", "M", 100);
    play.issue("A", "N", 40);
    let window = play.close();
    play.confirm(window);
    assert_eq!(play.money(), sums(&[("settle:1:A", -14_000), ("unfunded", 14_000)]));
    let posted = posts(&mut play, cover(window, "A"));
    assert_eq!(posted, sums(&[("settle:1:A", 14_000), ("unfunded", -14_000)]));
    assert_eq!(play.pending("M"), 100);
    play.run_due();
    assert_eq!((play.pending("M"), play.available("M"), play.pending("N")), (0, 0, 0));
    assert!(play.wrote(EntryKind::Cancel));
    // Nobody owes them, and nothing of them is left to be reversed.
    let reversed = play.reverse("A", issued, 1).unwrap_err();
    assert_eq!(reversed.reason(), "REVERSAL_EXCEEDS_ISSUE");
    assert_eq!(play.owed("M"), 0);
    assert_eq!(play.money(), sums(&[]));
    play.assert_sound();
}

#[test]
fn what_cancelled_points_are_worth_beyond_the_leg_goes_into_the_position() {
    let mut play = mixed(Funding::OnPayment, Funding::AtRedemption, Funding::AtRedemption);
    play.issue("A", "M", 100);
    play.issue("B", "N", 30);
    play.redeem("A", "N", 30).unwrap();
    let window = play.close();
    play.confirm(window);
    assert_eq!(play.money(), sums(&[("settle:1:A", -7_000), ("settle:1:B", -3_000), ("unfunded", 10_000)]));
    let posted = posts(&mut play, cover(window, "A"));
    assert_eq!(posted, sums(&[("settle:1:A", 7_000), ("position:A", 3_000), ("unfunded", -10_000)]));
    play.run_due();
    play.assert_sound();
}

#[test]
fn a_cover_takes_what_arrived_what_was_paid_ahead_collateral_and_then_the_reserve() {
    let (mut play, window) = a_owes_b(100);
    play.operator(receive(Some("A"), 1_000, "R1")).unwrap();
    play.operator(deposit("advance:A", 500)).unwrap();
    play.operator(deposit("collateral:A", 2_000)).unwrap();
    play.operator(deposit("reserve", 6_499)).unwrap();
    let refused = play.operator(cover(window, "A")).unwrap_err();
    let expected = Rejection::ReserveInsufficient { needed: "65.00".to_owned(), available: "64.99".to_owned() };
    assert_eq!(refused, expected);
    play.operator(deposit("reserve", 501)).unwrap();
    let posted = posts(&mut play, cover(window, "A"));
    let expected = [
        ("unapplied:A", -1_000),
        ("advance:A", -500),
        ("collateral:A", -2_000),
        ("reserve", -6_500),
        ("reserve_claim", 6_500),
        ("claim:A", -6_500),
        ("settle:1:A", 10_000),
        ("bank:collateral", 2_000),
        ("bank:reserve", 6_500),
        ("bank:settlement", -8_500),
    ];
    assert_eq!(posted, sums(&expected));
    // The payment that arrived first bounces now: that leg stays covered, and the claim grows.
    let leg = play.book.windows[&window].settlement.as_ref().unwrap().legs[&id("A")];
    assert_eq!(leg.state(), LegState::Covered);
    play.pay(window, "B").unwrap();
    assert_eq!(posts(&mut play, bounce("R1")), sums(&[("claim:A", -1_000), ("bank:settlement", 1_000)]));
    // First what bounced is made good, then the reserve.
    let repay = |amount: i64| -> Command {
        RepayClaim { partner: id("A"), amount: Money(amount), penalty: Money::ZERO, line: None }.into()
    };
    assert_eq!(posts(&mut play, repay(400)), sums(&[("claim:A", 400), ("bank:settlement", -400)]));
    let expected = [
        ("claim:A", 1_000),
        ("reserve_claim", -400),
        ("reserve", 400),
        ("bank:settlement", -600),
        ("bank:reserve", -400),
    ];
    assert_eq!(posts(&mut play, repay(1_000)), sums(&expected));
    assert_eq!(play.refused("operator", repay(6_101)), "AMOUNT_MISMATCH");
    play.assert_sound();
}

#[test]
fn a_loss_that_nobody_can_bear_is_not_shared() {
    let mut play = mixed(Funding::AtIssue, Funding::AtRedemption, Funding::AtRedemption);
    // A prepays, and nobody has accepted any of its points.
    play.issue("A", "M", 100);
    let window = play.close();
    play.confirm(window);
    assert_eq!(play.refused("operator", share(window, "A")), "RESERVE_INSUFFICIENT");
    play.operator(deposit("reserve", 10_000)).unwrap();
    play.operator(share(window, "A")).unwrap();
    play.assert_sound();
}

#[test]
fn what_a_sharer_was_paid_before_is_taken_from_its_position() {
    let (mut play, window) = a_owes_b(100);
    play.operator(export(window, OrderMode::Hub)).unwrap();
    play.pay(window, "B").unwrap();
    let posted = posts(&mut play, share(window, "A"));
    let expected = [("settle:1:A", 10_000), ("position:B", -10_000), ("shared:B:A", 10_000), ("claim:A", -10_000)];
    assert_eq!(posted, sums(&expected));
    play.assert_sound();
}

#[test]
fn what_is_not_confirmed_settled_or_due_is_not_covered() {
    let mut play = brands(Funding::AtRedemption);
    play.issue("A", "M", 100);
    play.redeem("B", "M", 100).unwrap();
    assert_eq!(play.refused("operator", cover(1, "A")), "WINDOW_NOT_CLOSED");
    assert_eq!(play.refused("operator", cover(7, "A")), "NOT_FOUND");
    let window = play.close();
    assert_eq!(play.refused("operator", cover(window, "A")), "SETTLEMENT_NOT_CONFIRMED");
    play.confirm(window);
    assert_eq!(play.refused("operator", cover(window, "C")), "LEG_NOT_DUE");
    assert_eq!(play.refused("operator", share(window, "B")), "LEG_NOT_DUE");
    for partner in ["A", "B", "operator"] {
        play.pay(window, partner).unwrap();
    }
    assert_eq!(play.refused("operator", cover(window, "A")), "SETTLEMENT_SETTLED");
    play.assert_sound();
}

#[test]
fn a_claim_takes_headroom_and_what_is_paid_ahead_gives_it() {
    let mut play = mixed(Funding::AtIssue, Funding::AtRedemption, Funding::AtRedemption);
    play.set_cap("A", 1_000);
    play.operator(deposit("advance:A", 500)).unwrap();
    assert_eq!(play.refused("A", house::issue("M", 16)), "NET_DEBIT_CAP");
    play.operator(receive(Some("A"), 300, "R1")).unwrap();
    play.operator(apply("A", 300, UsedFor::Advance)).unwrap();
    play.operator(withdraw("advance:A", 800)).unwrap();
    // What went out again bounces: 3.00 are claimed.
    play.operator(bounce("R1")).unwrap();
    assert_eq!(play.money()["claim:A"], -300);
    assert_eq!(play.refused("A", house::issue("M", 8)), "NET_DEBIT_CAP");
    play.issue("A", "M", 7);
    play.assert_sound();
}

// What is charged, and what the bank does by itself.

#[test]
fn charges_adjustments_fees_and_own_transfers_post_what_they_say() {
    let mut play = brands(Funding::AtRedemption);
    let charge = Charge { partner: id("A"), amount: Money(500), reason: None };
    assert_eq!(posts(&mut play, charge.into()), sums(&[("position:A", -500), ("position:operator", 500)]));
    let reason = Code::new("recount").unwrap();
    let adjust = Adjust { payer: id("A"), payee: id("B"), amount: Money(70), reason };
    assert_eq!(posts(&mut play, adjust.clone().into()), sums(&[("position:A", -70), ("position:B", 70)]));
    assert_eq!(play.refused("operator", Adjust { payee: id("A"), ..adjust }.into()), "INVALID_ARGUMENT");
    let operator = PartnerId::operator();
    let own = Charge { partner: operator, amount: Money(500), reason: None };
    assert_eq!(play.refused("operator", own.into()), "INVALID_ARGUMENT");
    let fee =
        BookBankFee { account: "settlement".parse().unwrap(), amount: Money(90), interest: false, line: key("F1") };
    assert_eq!(posts(&mut play, fee.clone().into()), sums(&[("position:operator", -90), ("bank:settlement", 90)]));
    assert_eq!(posts(&mut play, fee.clone().into()), sums(&[]));
    let other = BookBankFee { interest: true, ..fee.clone() };
    assert_eq!(play.refused("operator", other.into()), "BANK_REFERENCE_CONFLICT");
    let interest = BookBankFee { interest: true, line: key("F2"), ..fee };
    assert_eq!(posts(&mut play, interest.into()), sums(&[("position:operator", 90), ("bank:settlement", -90)]));
    let (from, to) = ("settlement".parse().unwrap(), "pool".parse().unwrap());
    let transfer = BookOwnTransfer { from, to, amount: Money(40), line: key("T1"), arrived: false };
    assert_eq!(posts(&mut play, transfer.clone().into()), sums(&[("bank:settlement", 40), ("bank:pool", -40)]));
    // The other account's statement tells of it as well, once.
    let other = BookOwnTransfer { line: key("T2"), arrived: true, ..transfer };
    assert_eq!(posts(&mut play, other.clone().into()), sums(&[]));
    let another = BookOwnTransfer { line: key("T3"), ..other };
    assert_eq!(posts(&mut play, another.into()), sums(&[("bank:settlement", 40), ("bank:pool", -40)]));
    play.assert_sound();
}

#[test]
fn the_first_payment_at_a_confirmation_ends_the_time_to_abort() {
    let mut play = mixed(Funding::AtRedemption, Funding::AtRedemption, Funding::AtRedemption);
    play.operator(deposit("advance:A", 1)).unwrap();
    play.issue("A", "M", 100);
    play.redeem("B", "M", 100).unwrap();
    let window = play.close();
    let written = play.journal.len();
    play.operator(ConfirmSettlement { window }.into()).unwrap();
    assert_eq!(play.kinds_from(written), ["confirm_settlement", "take_money"]);
    assert_eq!(play.refused("operator", AbortSettlement { window }.into()), "SETTLEMENT_ALREADY_PAID");
    assert_eq!(play.book.money_balances[&MoneyAccount::Settle(window, id("A"))], Money(-9_999));
    // Orders are made over what is due then.
    let accepted = play.operator(export(window, OrderMode::Pairwise)).unwrap();
    let expected = [("A", "B", 9_999), ("funds", "B", 1)].map(|(from, to, due)| (from.to_owned(), to.to_owned(), due));
    assert_eq!(orders(&accepted), expected);
    play.assert_sound();
}
