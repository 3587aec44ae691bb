//! An operation has one form: its type reads the fields that its request on the wire has, and a step of a scenario names them.

use std::collections::BTreeSet;

use clearing_core::command::{Command, snake_case};
use clearing_core::units::Timestamp;
use clearing_play::fields::Fields;
use clearing_play::names::Names;
use clearing_play::scenario::scenario_dir;
use clearing_proto::FILE_DESCRIPTOR_SET;
use prost_reflect::{DescriptorPool, MessageDescriptor};
use toml::{Table, Value};

/// Operations with all of their fields, so far as no scenario of our own names them; more than once, where fields exclude
/// each other.
const WHOLE: &str = r#"
    [[issue_points]]
    member = "M"
    points = 100
    expire_time = "2027-01-01T00:00:00Z"
    activate_time = "2026-02-01T00:00:00Z"
    funders = [["A", 1], ["B", 2]]
    [[redeem_points]]
    member = { member_id = "0193a7c2-5d0e-7c3a-9f00-0123456789ab" }
    points = 100
    [[return_redemption]]
    redemption_entry_id = "r1"
    points = 40
    [[authorize_redemption]]
    member = "M"
    points = 100
    lapse_time = "2026-01-02T00:00:00+03:00"
    [[capture_hold]]
    hold_id = "h1"
    points = 60
    [[void_hold]]
    hold_id = "h1"
    [[post_purchase]]
    member = "M"
    spend = { redeem_points = 5 }
    earn = { points = 7, expire_time = "2027-01-01T00:00:00Z", activate_time = "2026-02-01T00:00:00Z", funders = [["A", 1]] }
    [[post_purchase]]
    member = "M"
    spend = { capture = { hold_id = "h1", points = 5 } }
    [[return_purchase]]
    redemption_entry_id = "r1"
    issue_entry_id = "a1"
    returned_amount = "10.00"
    receipt_total = "100.00"
    [[reverse_issue]]
    issue_entry_id = "a1"
    points = 100
    refuse_shortfall = true
    [[reverse_issue]]
    receipt = { store = "7", till = "3", receipt_number = "R-1", business_date = "2026-01-31" }
    points = 100
    [[reverse_issue]]
    newest_of_member = "M"
    points = 100
    [[transfer_points]]
    member = "M"
    to_member = "N"
    points = 100
    enrol_receiver = true
    [[abandon_request]]
    abandoned_request_id = "k1"
    [[run_decay]]
    member = "M"
    rate = "0.05"
    period = "2026-01"
    [[extend_expiry]]
    member = "M"
    issuer_id = "A"
    until_time = "2026-12-31T00:00:00Z"
    expire_time = "2027-01-01T00:00:00Z"
    reason_code = "lost-card"
    [[reinstate_points]]
    member = "M"
    funder_id = "A"
    points = 100
    expire_time = "2027-01-01T00:00:00Z"
    reason_code = "lost-card"
    [[write_off_debt]]
    member = "M"
    creditor_id = "A"
    points = 100
    reason_code = "lost-card"
    [[create_partner]]
    partner_id = "D"
    display_name = "Diner"
    terms = { funding = "AT_ISSUE", price = "1.00", breakage = { reserve = "1", operator = "0", issuer = "0" }, return_days = 30 }
    limits = { net_debit_cap = "1000.00", points_per_day = 5 }
    no_default_limits = true
    [[set_terms]]
    partner_id = "A"
    terms = { expiry = "DAYS 30", fee_bearer = "ISSUER", acceptance_fee = "0.02" }
    effective_time = "2026-02-01T00:00:00Z"
    [[set_limits]]
    partner_id = "A"
    limits = { outstanding_points = 5, cooling_seconds = 60 }
    [[set_partner_state]]
    partner_id = "A"
    state = "SUSPENDED"
    [[set_funding_consent]]
    funder_id = "A"
    partner_id = "B"
    given = true
    budget_points = 100
    [[set_calendar]]
    effective_time = "2026-03-01T00:00:00Z"
    [set_calendar.calendar]
    cut_offs = [{ cron_expression = "0 18 L * *", on_holiday = "BEFORE", advice_days = 1, payment_days = 3 }]
    time_zone = "Europe/Moscow"
    weekend = ["FRIDAY", "SATURDAY"]
    holiday_rules = ["RU"]
    holidays = ["2026-05-11"]
    working_days = ["2026-11-07"]
    [[close_window]]
    [[confirm_settlement]]
    window = 1
    [[export_orders]]
    window = 1
    mode = "HUB"
    replace = true
    [[confirm_payment]]
    window = 1
    partner_id = "A"
    amount = "10.00"
    reference = "RF18"
    value_date = "2026-03-02"
    line = { own_account = "40817", booking_date = "2026-03-02", reference = "L-1" }
    [[confirm_payment]]
    window = 1
    pair = { payer = "A", payee = "hub" }
    [[abort_settlement]]
    window = 1
    [[release_orders]]
    window = 1
    amount = "10.00"
    [[cover_default]]
    window = 1
    partner_id = "A"
    [[share_loss]]
    window = 1
    partner_id = "A"
    [[repay_claim]]
    partner_id = "A"
    amount = "10.00"
    penalty_amount = "1.00"
    line = { reference = "L-1" }
    [[charge]]
    partner_id = "A"
    amount = "10.00"
    reason_code = "licence"
    [[adjust]]
    payer_id = "A"
    payee_id = "B"
    amount = "10.00"
    reason_code = "agreed"
    [[receive_money]]
    partner_id = "A"
    amount = "10.00"
    line = { reference = "L-1" }
    window = 1
    [[apply_money]]
    partner_id = "A"
    amount = "10.00"
    to = "leg"
    window = 1
    from = "partner"
    [[undo_payment]]
    payment_entry_id = "e1"
    reason_code = "wrong"
    [[return_money]]
    account = "unapplied:A"
    amount = "10.00"
    [[confirm_ordered]]
    partner_id = "A"
    amount = "10.00"
    line = { reference = "L-1" }
    [[return_payment]]
    payment = { reference = "L-1" }
    line = { reference = "L-2" }
    [[return_payment]]
    window = 1
    partner_id = "A"
    [[return_payment]]
    ordered_entry_id = "e1"
    [[book_bank_fee]]
    account = "settlement"
    amount = "10.00"
    interest = true
    line = { reference = "L-1" }
    [[book_own_transfer]]
    from = "settlement"
    to = "reserve"
    amount = "10.00"
    line = { reference = "L-1" }
    arrived = true
"#;

/// What every request has, whatever it asks for: it is no part of the operation.
const OF_EVERY_REQUEST: [&str; 2] = ["request_id", "origin"];

/// Fields whose form as text is another than on the wire, and where it comes from: serde's of the terms.
const OTHERWISE: [&str; 1] = ["return_days"];

/// The keys of a step that are none of its operation's.
const OF_THE_STEP: [&str; 9] = ["at", "do", "by", "as", "request", "receipt", "line", "total", "expect"];

/// Every operation that a caller can ask for: those above, and those that scenarios of our own ask for by their names.
fn whole() -> Table {
    let mut whole: Table = WHOLE.parse().unwrap();
    for file in std::fs::read_dir(scenario_dir().join("own")).unwrap().map(|file| file.unwrap().path()) {
        if file.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let scenario: Table = std::fs::read_to_string(file).unwrap().parse().unwrap();
        for step in scenario["step"].as_array().unwrap() {
            let mut step = step.as_table().unwrap().clone();
            let name = step["do"].as_str().unwrap().to_owned();
            if Command::NAMES_ASKED.iter().any(|asked| snake_case(asked) == name)
                && !HAVE_WORDS.contains(&name.as_str())
            {
                step.retain(|key, _| !OF_THE_STEP.contains(&key));
                let steps = whole.entry(name).or_insert_with(|| Value::Array(Vec::new()));
                steps.as_array_mut().unwrap().push(step.into());
            }
        }
    }
    whole
}

/// Steps whose name is that of an operation, and whose fields have words of their own.
const HAVE_WORDS: [&str; 15] = [
    "return_redemption",
    "reverse_issue",
    "set_terms",
    "receive_money",
    "apply_money",
    "undo_payment",
    "confirm_ordered",
    "return_payment",
    "cover_default",
    "share_loss",
    "repay_claim",
    "charge",
    "adjust",
    "book_bank_fee",
    "book_own_transfer",
];

/// The tables of an operation.
fn tables(operation: &str) -> Vec<Table> {
    let all = whole();
    let tables = all.get(operation).unwrap_or_else(|| panic!("{operation} is not in the list"));
    tables.as_array().unwrap().iter().map(|table| table.as_table().unwrap().clone()).collect()
}

fn read(operation: &str, table: Table) -> Result<Command, String> {
    Fields::new(operation, table).command(&mut Names::of_nothing_yet(), Timestamp(0), 2)
}

fn request_of(name: &str) -> MessageDescriptor {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    pool.get_message_by_name(&format!("coalition.clearing.v1.{name}Request")).unwrap()
}

/// Fails if a table has a key that is no field of the message; the tables in it likewise.
fn are_fields(table: &Table, message: &MessageDescriptor) {
    for (key, value) in table.iter().filter(|(key, _)| !OTHERWISE.contains(&key.as_str())) {
        let field = message.get_field_by_name(key).unwrap_or_else(|| panic!("{} has no {key}", message.name()));
        if let (Value::Table(inner), Some(message)) = (value, field.kind().as_message()) {
            are_fields(inner, message);
        }
    }
}

#[test]
fn every_operation_that_a_caller_can_ask_for_is_read_from_the_fields_of_its_request() {
    for name in Command::NAMES_ASKED {
        let (operation, message) = (snake_case(name), request_of(name));
        let mut given = BTreeSet::from(OF_EVERY_REQUEST.map(str::to_owned));
        for table in tables(&operation) {
            are_fields(&table, &message);
            given.extend(table.keys().cloned());
            let command = read(&operation, table).unwrap_or_else(|problem| panic!("{operation}: {problem}"));
            assert_eq!(command.name(), *name);
        }
        let fields = message.fields().map(|field| field.name().to_owned());
        let left: Vec<String> = fields.filter(|field| !given.contains(field)).collect();
        assert!(left.is_empty(), "{operation} is not read from {left:?}");
    }
    assert_eq!(whole().len(), Command::NAMES_ASKED.len(), "the list has what nobody can ask for");
}

#[test]
fn a_field_that_an_operation_does_not_have_is_refused_wherever_it_stands() {
    for name in Command::NAMES_ASKED {
        let operation = snake_case(name);
        for table in tables(&operation) {
            let inner = table.iter().filter(|(_, value)| value.is_table()).map(|(key, _)| key.clone());
            for within in inner.map(Some).chain([None]) {
                let mut table = table.clone();
                let place = match &within {
                    Some(key) => table[key].as_table_mut().unwrap(),
                    None => &mut table,
                };
                place.insert("surprise".to_owned(), 1.into());
                let problem = read(&operation, table).expect_err(&operation);
                assert!(problem.starts_with(within.as_deref().unwrap_or("surprise")), "{operation}: {problem}");
            }
        }
    }
}

/// Each of these fields decides something: that it was forgotten is no default of anybody.
#[test]
fn what_was_left_out_is_named() {
    for (operation, field) in [("issue_points", "points"), ("void_hold", "hold_id"), ("set_funding_consent", "given")] {
        let mut table = tables(operation).swap_remove(0);
        table.remove(field);
        assert_eq!(read(operation, table).unwrap_err(), format!("missing field `{field}`"));
    }
    for operation in ["reverse_issue", "confirm_payment"] {
        let (one, other) = (tables(operation).swap_remove(0), tables(operation).swap_remove(1));
        let both = one.into_iter().chain(other).collect();
        assert!(read(operation, both).unwrap_err().starts_with("give "), "{operation}");
    }
}

#[test]
fn nobody_asks_for_what_the_house_does_by_itself() {
    let own: Vec<&&str> = Command::NAMES.iter().filter(|name| !Command::NAMES_ASKED.contains(name)).collect();
    assert_eq!(
        own,
        [&"RunDueWork", &"ForgetRequests", &"Enroll", &"Renew", &"RecoverPerson", &"LowerCap", &"RunCharges"]
    );
    for name in own {
        let problem = read(&snake_case(name), Table::new()).unwrap_err();
        assert!(problem.starts_with("do: there is no step"), "{problem}");
    }
}
