//! A change planted in every column of every table: the audit finds it, or the column is on the list of those about which an
//! audit says nothing.

use clearing::audit::{AuditError, AuditLimits, UNEXPLAINED, audit_by};
use clearing_core::chart::{Fund, MoneyAccount, UnappliedOf};
use clearing_core::command::{Command, Request};
use clearing_core::facts::answer::Attachment;
use clearing_core::facts::bank_account::{AccountNumber, BankAccount, NationalAccount};
use clearing_core::facts::calendar::Calendar;
use clearing_core::facts::chain::attachment_commitment;
use clearing_core::facts::charges::{Every, ScheduledCharge};
use clearing_core::facts::credential::{Device, Holder, NewInvite, Scopes, Serial};
use clearing_core::facts::legal::{Address, LegalRecord, TaxId};
use clearing_core::facts::limits::Limits;
use clearing_core::facts::money::BankKey;
use clearing_core::facts::order::OrderMode;
use clearing_core::facts::origin::Code;
use clearing_core::facts::partner::PartnerState;
use clearing_core::facts::person::{PersonId, Roles};
use clearing_core::facts::security::{Guarantee, Security};
use clearing_core::rules::arrived::{ApplyMoney, ReceiveMoney, UsedFor, UsedFrom};
use clearing_core::rules::bank_account::{SetBankAccount, StopBankAccountChange};
use clearing_core::rules::calendar::SetCalendar;
use clearing_core::rules::care::ReinstatePoints;
use clearing_core::rules::charge_schedule::{RunCharges, SetCharges};
use clearing_core::rules::close::CloseWindow;
use clearing_core::rules::cover::ShareLoss;
use clearing_core::rules::credential::{CreateInvites, Enroll, Made, Renew, RevokeCredentials, WithdrawInvites};
use clearing_core::rules::funds::{Deposit, WithdrawFunds};
use clearing_core::rules::legal::SetLegalRecord;
use clearing_core::rules::limits::SetLimits;
use clearing_core::rules::ordered::{ConfirmOrdered, ReturnMoney};
use clearing_core::rules::partner::{SetGroup, SetPartnerState};
use clearing_core::rules::payment::{ConfirmPayment, Payment};
use clearing_core::rules::person::{SetPerson, SetTwoPersonList};
use clearing_core::rules::proposal::RefuseProposal;
use clearing_core::rules::returned::{ReturnPayment, ReturnedPayment, UndoPayment};
use clearing_core::rules::security::SetCover;
use clearing_core::rules::settlement::{ConfirmSettlement, ExportOrders};
use clearing_core::units::{InviteId, Money, PartnerId, Points};

use crate::schema::Raw;
use crate::{TestStore, Till, agreement, at, card, id, issue, redeem};

on_both! {
    empty:
    a_change_in_any_column_is_found_or_on_the_list
    what_was_changed_throughout_is_found;
    coalition: ;
}

/// A game of the agreement in which there is something in nearly every table.
pub const SEED: u64 = 1;

/// So few entries are rebuilt at once that there are several groups, which take turns at two workers.
const LIMITS: AuditLimits = AuditLimits { entries_at_once: 40, workers: 2 };

/// Rows of a table that are tried for one in which the database allows the change.
const ROWS_TRIED: usize = 20;

/// Which rows say anything at all: what is zero may as well not be there.
const TELLING: &[(&str, &str)] = &[
    ("balances", "amount <> 0"),
    ("gross", "points <> 0"),
    ("returns", "length(lots) > 4"),
    ("consents", "used > 0"),
    ("fund_shares", "aside <> '0' OR change IS NOT NULL"),
    ("claims", "bounced <> 0 OR reserve <> 0"),
];

/// Plays a game, and then what no game has: attachments, every limit, and who may connect.
pub async fn play(test: &TestStore) {
    agreement::play(test, SEED).await;
    let mut till = Till::open(&test.store, 77).await;
    let limits = Limits {
        net_debit_cap: Some(Money(90_000_000_000)),
        outstanding_points: Some(Points(1_000_000)),
        points_per_day: Some(Points(1_000_000)),
        points_per_member_per_day: Some(Points(1_000_000)),
        points_per_entry: Some(Points(1_000_000)),
        transfer_points_per_entry: Some(Points(1_000_000)),
        transfer_points_per_member_per_day: Some(Points(1_000_000)),
        redeem_points_per_member_per_day: Some(Points(1_000_000)),
        redeem_foreign_points_per_day: Some(Points(1_000_000)),
        cooling_seconds: Some(1),
    };
    for partner in ["grocer", "fuel", "cards"].map(id) {
        let active = Command::SetPartnerState(SetPartnerState { partner, state: PartnerState::Active });
        till.one("operator", active, at(150)).await.unwrap();
    }
    let partner = id("grocer");
    till.one("operator", Command::SetLimits(SetLimits { partner, limits }), at(150)).await.unwrap();
    for number in 0..3_u8 {
        let mut request = till.request("grocer", issue(card(number), 3));
        let attachment = Attachment { salt: [number; 16], bytes: vec![number, 7, 7] };
        request.origin.attachment = Some(attachment_commitment(&attachment.salt, &attachment.bytes));
        request.attachment = Some(attachment);
        till.run(&[request], at(151)).await.unwrap().answers.pop().unwrap().result.unwrap();
    }
    for member in [card(0), card(1)] {
        till.one("fuel", redeem(member, 3), at(151)).await.unwrap();
    }
    join(&mut till).await;
    name_parties(&mut till).await;
    move_money(test, &mut till).await;
    charge(&mut till).await;
    // What the last settlement has orders of.
    till.one("grocer", issue(card(8), 500), at(151)).await.unwrap();
    till.one("cards", redeem(card(8), 500), at(151)).await.unwrap();
    propose(&mut till).await;
    let window = test.store.open_book().await.unwrap().open_window;
    let mut house = async |command| till.one("operator", command, at(152)).await.unwrap();
    house(Command::CloseWindow(CloseWindow { expected: None })).await;
    house(Command::ConfirmSettlement(ConfirmSettlement { window })).await;
    house(Command::ExportOrders(ExportOrders { window, mode: OrderMode::Hub, replace: false })).await;
}

/// Of three invites two are used and one is taken back; of two credentials one is renewed, one revoked.
async fn join(till: &mut Till) {
    let secret = [1; 32];
    let mut invites = Vec::new();
    for name in ["till-1", "till-2", "till-3"] {
        let id = InviteId(till.request("grocer", issue(card(0), 1)).request_id.unwrap().0);
        let device = Device {
            name: Code::new(name).unwrap(),
            store: Some(Code::new("7").unwrap()),
            till: None,
            calls_per_second: 20,
            connections_max: 2,
        };
        invites.push(NewInvite { id, secret, device: Some(device) });
    }
    let ids: Vec<InviteId> = invites.iter().map(|invite| invite.id).collect();
    let create = CreateInvites { holder: None, scopes: Scopes::WHOLE, ends: None, invites };
    till.one("grocer", create.into(), at(151)).await.unwrap();
    let serial = |number: u8| Serial::new(&[0x40, number]).unwrap();
    let made = |number: u8| Made {
        serial: serial(number),
        certificate: vec![0x30, number],
        begins: at(150),
        ends: at(150).plus_days(90),
        key: [number; 32],
    };
    let of_grocer = Holder::partner(id("grocer"));
    let work: [Command; 3] = [
        Enroll { invite: ids[0], secret, made: made(1) }.into(),
        Enroll { invite: ids[1], secret, made: made(2) }.into(),
        Renew { renews: serial(2), holder: of_grocer, ended: false, made: made(3) }.into(),
    ];
    for command in work {
        let own = Request { request_id: None, ..till.request("operator", command) };
        till.run(&[own], at(151)).await.unwrap().answers.pop().unwrap().result.unwrap();
    }
    let withdraw = WithdrawInvites { invites: vec![ids[2]] };
    till.one("grocer", withdraw.into(), at(151)).await.unwrap();
    let reason = Code::word("stolen").unwrap();
    let revoke = RevokeCredentials { serials: vec![serial(1)], holder: None, reason };
    till.one("grocer", revoke.into(), at(151)).await.unwrap();
}

/// A legal record, a group, and three versions of a bank account: one that was replaced, one that was stopped, one that waits.
async fn name_parties(till: &mut Till) {
    let partner = id("grocer");
    let address = Address {
        street: "Am Markt 1".to_owned(),
        post_code: "53111".to_owned(),
        town: "Bonn".to_owned(),
        country: "DE".to_owned(),
    };
    let tax_id = TaxId { scheme: "EU_VAT".to_owned(), value: "DE136695976".to_owned() };
    let legal = LegalRecord { name: "Grocer GmbH".to_owned(), tax_ids: vec![tax_id], address };
    till.one("operator", SetLegalRecord { partner, legal }.into(), at(151)).await.unwrap();
    let group = Some("retail".parse().unwrap());
    till.one("operator", SetGroup { partner, group }.into(), at(151)).await.unwrap();
    let iban = AccountNumber::Iban("DE89370400440532013000".to_owned());
    let national = AccountNumber::National(NationalAccount {
        country: "RU".to_owned(),
        bank_code: "044525225".to_owned(),
        account: "40702810838000110017".to_owned(),
        correspondent: "30101810400000000225".to_owned(),
    });
    for (number, stopped) in [(iban, None), (national.clone(), Some(2)), (national, None)] {
        let account = BankAccount { number, holder: "Grocer GmbH".to_owned(), bank_name: "Bank".to_owned() };
        till.one("grocer", SetBankAccount { partner, account }.into(), at(151)).await.unwrap();
        if let Some(version) = stopped {
            let stop = StopBankAccountChange { partner, version, reason: None };
            till.one("grocer", stop.into(), at(151)).await.unwrap();
        }
    }
}

/// Money that paid a leg, was paid ahead, went out, is on its way out or was used by mistake; and a default that another shares.
async fn move_money(test: &TestStore, till: &mut Till) {
    let (fuel, euro) = (id("fuel"), 10_000);
    let line = |reference: &str| BankKey {
        account: "DE89370400440532013000".to_owned(),
        booked: Some("2026-06-01".parse().unwrap()),
        reference: reference.to_owned(),
    };
    // Nobody but fuel gave this member points.
    till.one("fuel", issue(card(9), 500), at(151)).await.unwrap();
    till.one("cards", redeem(card(9), 500), at(151)).await.unwrap();
    let mut house = async |command: Command| till.one("operator", command, at(151)).await.unwrap();
    // What the reserve has is ordered out, so that it covers nothing.
    let fund = Fund::Reserve;
    house(Deposit { fund, amount: Money(10 * euro) }.into()).await;
    let balances = test.store.trial_balance(None).await.unwrap().balances.money;
    let reserve = balances[&MoneyAccount::Reserve].0;
    let amount = Money(reserve - reserve % 100);
    house(WithdrawFunds { fund, amount }.into()).await;
    let partner = Some(PartnerId::operator());
    house(ConfirmOrdered { partner, amount, line: Some(line("L-1")) }.into()).await;
    let window = test.store.open_book().await.unwrap().open_window;
    house(CloseWindow { expected: None }.into()).await;
    house(ConfirmSettlement { window }.into()).await;
    let row = test.store.window_row(window).await.unwrap().unwrap();
    let due = -row.window.settlement.unwrap().legs[&fuel].due.0;
    let paid = due - 100 * euro;
    assert!(paid > 50 * euro, "{due}");
    let receive = |partner, reference: &str| ReceiveMoney {
        partner,
        amount: Money(paid + 50 * euro),
        line: line(reference),
        window: None,
    };
    house(receive(Some(fuel), "L-2").into()).await;
    house(receive(None, "L-3").into()).await;
    let apply = |to, amount| ApplyMoney { partner: fuel, amount, to, window: None, from: UsedFrom::Partner };
    house(apply(UsedFor::Leg, Money(paid)).into()).await;
    house(apply(UsedFor::Advance, Money(10 * euro)).into()).await;
    let mistake = house(apply(UsedFor::Leg, Money(20 * euro)).into()).await.entries[0];
    house(UndoPayment { payment: mistake, reason: Code::word("wrong").unwrap() }.into()).await;
    house(ReturnMoney { account: UnappliedOf(Some(fuel)), amount: Money(5 * euro) }.into()).await;
    house(ShareLoss { window, partner: fuel }.into()).await;
    // All are paid; then what fuel had paid comes back.
    let legs = test.store.window_row(window).await.unwrap().unwrap().window.settlement.unwrap().legs;
    for (partner, _) in legs.iter().filter(|(_, leg)| !leg.due.is_zero()) {
        house(ConfirmPayment::of(window, Payment::Hub(*partner)).into()).await;
    }
    let payment = ReturnedPayment::Arrived(line("L-2"));
    house(ReturnPayment { payment, line: Some(line("L-4")) }.into()).await;
}

/// What others answer for, and a charge of which one period is charged.
async fn charge(till: &mut Till) {
    let partner = id("grocer");
    let guarantee = Guarantee { reference: "BG-1".to_owned(), amount: Money(1_000_000), ends: at(400) };
    let security = Security { unsecured: Money(70_000), guarantees: vec![guarantee] };
    till.one("operator", SetCover { partner, security }.into(), at(151)).await.unwrap();
    let licence = ScheduledCharge {
        reason: Code::word("licence").unwrap(),
        amount: Money(10_000),
        every: Every::Month,
        first: "2026-06-01".parse().unwrap(),
        last: Some("2027-05-31".parse().unwrap()),
    };
    till.one("operator", SetCharges { partner, charges: vec![licence] }.into(), at(151)).await.unwrap();
    let own = Request { request_id: None, ..till.request("operator", RunCharges { partner }.into()) };
    till.run(&[own], at(151)).await.unwrap().answers.pop().unwrap().result.unwrap();
}

/// Two people of the operator, of whose two proposals one is refused.
async fn propose(till: &mut Till) {
    let people: [PersonId; 2] = ["anna", "boris"].map(|name| name.parse().unwrap());
    for person in people {
        let certificate = Serial::new(&[0x50]).ok();
        let set = SetPerson { certificate, ..SetPerson::new(person, Roles::FIRST) };
        till.one("operator", set.into(), at(151)).await.unwrap();
    }
    let alone = ["SetLimits".to_owned()].into();
    till.one("operator", SetTwoPersonList { alone }.into(), at(151)).await.unwrap();
    let mut by = async |person, command| {
        let request = Request { person: Some(person), ..till.request("operator", command) };
        till.run(&[request], at(151)).await.unwrap().answers.pop().unwrap().result.unwrap().entries[0]
    };
    let (member, funder, reason) = (card(0), id("operator"), Code::new("goodwill").unwrap());
    by(people[0], ReinstatePoints { member, funder, points: Points(2), expires: None, reason }.into()).await;
    for cut_off in ["0 0 1 * *", "0 0 2 * *"] {
        let calendar = Calendar::of([cut_off], "UTC");
        let proposal = by(people[0], SetCalendar::from(calendar).into()).await;
        if cut_off == "0 0 1 * *" {
            by(people[1], RefuseProposal { proposal }.into()).await;
        }
    }
}

/// What an audit finds, or why it cannot read the books.
pub async fn findings(test: &TestStore) -> Vec<String> {
    match audit_by(&test.store, LIMITS, |_| {}).await {
        Ok(report) => report.findings.iter().map(ToString::to_string).collect(),
        Err(AuditError::Store(error)) => vec![error.to_string()],
        Err(error) => panic!("{error}"),
    }
}

/// One table, kept beside as it was.
pub struct Kept<'a> {
    pub raw: &'a mut Raw,
    pub table: &'a str,
}

impl<'a> Kept<'a> {
    pub async fn new(raw: &'a mut Raw, table: &'a str) -> Self {
        raw.run(format!("CREATE TABLE kept AS SELECT * FROM {table}")).await.unwrap();
        Self { raw, table }
    }

    /// Puts the table back.
    pub async fn restore(&mut self) {
        let table = self.table;
        self.raw.run(format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept")).await.unwrap();
    }

    pub async fn done(self) {
        self.raw.run("DROP TABLE kept").await.unwrap();
    }
}

fn is_listed(table: &str, column: &str) -> bool {
    UNEXPLAINED.iter().any(|listed| listed.table == table && listed.columns.contains(&column))
}

async fn a_change_in_any_column_is_found_or_on_the_list(test: &TestStore) {
    play(test).await;
    assert_eq!(findings(test).await, Vec::<String>::new());
    let mut raw = Raw::open(test).await;
    raw.drop_triggers().await;
    let columns = raw.described_columns().await;
    let words = words();
    let tables: std::collections::BTreeSet<&str> = columns.iter().map(|column| column.table.as_str()).collect();
    for listed in UNEXPLAINED {
        let known = |name: &str| columns.iter().any(|column| column.table == listed.table && column.name == name);
        assert!(listed.columns.iter().all(|name| known(name)), "{listed:?} names a column that there is not");
    }
    let (mut planted, mut unseen) = (0, Vec::new());
    for table in tables {
        let own: Vec<&Column> = columns.iter().filter(|column| column.table == table).collect();
        if own.iter().all(|column| is_listed(table, &column.name)) {
            continue;
        }
        assert!(raw.number(format!("SELECT count(*) FROM {table}")).await > 0, "the game leaves {table} empty");
        let mut kept = Kept::new(&mut raw, table).await;
        if !own.iter().any(|column| is_listed(table, &column.name)) {
            let rows = kept.raw.rows(table, &own, own[0], ROWS_TRIED).await;
            let row = rows.first().unwrap_or_else(|| panic!("no row of {table} tells anything"));
            kept.raw.run(format!("DELETE FROM {table} WHERE {}", row.found)).await.unwrap();
            planted += 1;
            if findings(test).await.is_empty() {
                unseen.push(format!("{table}: a row is gone"));
            }
            kept.restore().await;
        }
        for column in own.iter().filter(|column| !is_listed(table, &column.name)) {
            let changes = plant(&mut kept, &own, column, &words).await;
            for change in changes {
                kept.raw.run(&*change).await.unwrap();
                planted += 1;
                if findings(test).await.is_empty() {
                    unseen.push(change);
                }
                kept.restore().await;
            }
        }
        kept.done().await;
    }
    assert!(unseen.is_empty(), "{} of {planted} changes were not found:\n{}", unseen.len(), unseen.join("\n"));
    assert!(planted > 130, "{planted}");
    assert_eq!(findings(test).await, Vec::<String>::new(), "all is as it was");
}

/// The changes of a column that the database allows: to another value, and to none.
async fn plant(kept: &mut Kept<'_>, own: &[&Column], column: &Column, words: &[String]) -> Vec<String> {
    let (mut to_another, mut to_none) = (None, None);
    let table = kept.table;
    for row in kept.raw.rows(table, own, column, ROWS_TRIED).await {
        let update = |value: &str| format!("UPDATE {table} SET {} = {value} WHERE {}", column.name, row.found);
        for value in column.others(row.value.as_deref(), words) {
            if to_another.is_none() && kept.raw.run(update(&value)).await.is_ok() {
                to_another = Some(update(&value));
                kept.restore().await;
            }
        }
        if to_none.is_none() && row.value.is_some() && kept.raw.run(update("NULL")).await.is_ok() {
            to_none = Some(update("NULL"));
            kept.restore().await;
        }
        if to_another.is_some() && (to_none.is_some() || !column.nullable) {
            break;
        }
    }
    // The one row of a table that has no more has the number 1, and no other.
    let alone = column.name == "id" && to_another.is_none();
    assert!(to_another.is_some() || alone, "nothing can be changed in {table}.{}", column.name);
    to_another.into_iter().chain(to_none).collect()
}

/// A column as the database describes it.
pub struct Column {
    pub table: String,
    pub name: String,
    /// In the back end's own words.
    pub kind: String,
    pub nullable: bool,
}

/// A row that was found, with the value of one column as text; bytes as hexadecimal digits.
pub struct Row {
    pub found: String,
    pub value: Option<String>,
}

impl Column {
    pub fn is_bytes(&self) -> bool {
        matches!(&*self.kind, "BLOB" | "bytea" | "uuid")
    }

    pub fn is_text(&self) -> bool {
        matches!(&*self.kind, "TEXT" | "text")
    }

    /// Other values than this one, as SQL; the likeliest to pass first.
    fn others(&self, value: Option<&str>, words: &[String]) -> Vec<String> {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        if self.is_bytes() {
            let hex = value.unwrap_or("07070707070707070707070707070707");
            let last = u8::from_str_radix(&hex[hex.len() - 2..], 16).unwrap();
            return vec![self.bytes(&format!("{}{:02x}", &hex[..hex.len() - 2], last ^ 1))];
        }
        if self.is_text() {
            let text = value.unwrap_or_default();
            let more = text.find(|letter: char| letter.is_ascii_digit()).map(|at| {
                let digit = u8::from(text.as_bytes()[at] == b'1') + 1;
                format!("{}{digit}{}", &text[..at], &text[at + 1..])
            });
            let longer = format!("{text}x");
            // Where no other length passes.
            let other =
                format!("{}{}", if text.starts_with('Z') { "Y" } else { "Z" }, text.get(1..).unwrap_or_default());
            let others = words.iter().chain([&longer, &other]).filter(|word| **word != text);
            return more.iter().filter(|more| **more != text).chain(others).map(|text| quoted(text)).collect();
        }
        let number: i64 = value.map_or(0, |value| value.parse().unwrap());
        let others =
            [number.checked_add(1), number.checked_sub(1), number.checked_add(7777), Some(1), Some(0), Some(2)];
        others
            .into_iter()
            .flatten()
            .filter(|other| value.is_none() || *other != number)
            .map(|n| n.to_string())
            .collect()
    }

    pub fn bytes(&self, hex: &str) -> String {
        match &*self.kind {
            "BLOB" => format!("x'{hex}'"),
            "bytea" => format!("decode('{hex}', 'hex')"),
            _ => format!("'{hex}'::uuid"),
        }
    }

    /// The column as text, of bytes as hexadecimal digits.
    pub fn as_text(&self) -> String {
        let name = &self.name;
        match &*self.kind {
            "BLOB" => format!("CASE WHEN {name} IS NOT NULL THEN hex({name}) END"),
            "bytea" => format!("encode({name}, 'hex')"),
            "uuid" => format!("replace({name}::text, '-', '')"),
            _ => format!("CAST({name} AS TEXT)"),
        }
    }

    /// The condition that the column has this value.
    pub fn is(&self, value: Option<&str>) -> String {
        match value {
            None => format!("{} IS NULL", self.name),
            Some(value) => format!("{} = '{}'", self.as_text(), value.replace('\'', "''")),
        }
    }
}

/// All words that the schema allows anywhere.
fn words() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/sqlite");
    let mut words = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        // An apostrophe in a comment quotes nothing.
        let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
        let code = code.join("\n");
        let quoted = code.split('\'').skip(1).step_by(2);
        let is_word =
            |word: &&str| word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        words.extend(quoted.filter(is_word).map(str::to_owned));
    }
    words.sort();
    words.dedup();
    assert!(words.len() > 10, "{words:?}");
    words
}

/// Which rows tell anything.
pub fn telling(table: &str) -> &'static str {
    TELLING.iter().find(|(of, _)| *of == table).map_or("1 = 1", |(_, telling)| telling)
}

/// Changes that somebody might make who wants to gain by it, each of whole tables.
const THROUGHOUT: &[(&str, &str)] = &[
    ("terms", "UPDATE terms SET price = price * 10"),
    ("terms", "UPDATE terms SET reimbursement = reimbursement * 10"),
    ("terms", "UPDATE terms SET acceptance_fee = '0.2'"),
    ("terms", "UPDATE terms SET fee_bearer = 'ISSUER'"),
    ("limits", "UPDATE limits SET net_debit_cap = net_debit_cap * 10"),
    ("limits", "UPDATE limits SET points_per_day = NULL"),
    ("partners", "UPDATE partners SET state = 'EXITED', suspended_in = 1"),
    ("consents", "UPDATE consents SET granted = 1, budget = NULL"),
    ("care", "UPDATE care SET points = 0"),
    ("legs", "UPDATE legs SET amount = amount * 10, due = due * 10"),
    ("orders", "UPDATE orders SET amount = amount * 10"),
    ("orders", "UPDATE orders SET paid = 1 - paid"),
    ("windows", "UPDATE windows SET first_sequence = first_sequence + 1, end_sequence = end_sequence + 1"),
    ("windows", "UPDATE windows SET settlement_state = 'SETTLED' WHERE settlement_state IS NOT NULL"),
    ("guards", "UPDATE guards SET issued_points = 0"),
    ("guards", "UPDATE guards SET accepted_points = 0"),
    ("limits", "UPDATE limits SET redeem_foreign_points_per_day = NULL"),
    ("members", "UPDATE members SET holdings = (SELECT m.holdings FROM members AS m ORDER BY m.entry_no DESC LIMIT 1)"),
    ("further_lots", "UPDATE further_lots SET available = available - 1, held = held + 1 WHERE available > 0"),
    ("further_lots", "UPDATE further_lots SET available = available - 1, lost = lost + 1 WHERE available > 0"),
    ("further_lots", "UPDATE further_lots SET origin_member_id = member_id, origin_entry_no = 1, origin_part = 0"),
    ("members", "UPDATE members SET lots = (SELECT m.lots FROM members AS m ORDER BY m.entry_no DESC LIMIT 1)"),
    ("waiting_lots", "DELETE FROM waiting_lots"),
    ("holds", "UPDATE holds SET lapses_at = lapses_at + 86400000000"),
    ("receipts", "UPDATE receipts SET line = line + 1000"),
    ("receipts", "UPDATE receipts SET nth = nth + 1"),
    ("receipts", "UPDATE receipts SET undone = 1 - undone"),
    ("receipts", "DELETE FROM receipts"),
    ("receipts", "DELETE FROM receipts WHERE undone = 1"),
    ("attachments", "UPDATE attachments SET bytes = salt"),
    ("requests", "DELETE FROM requests"),
    ("requests", "DELETE FROM requests WHERE state = 2"),
    ("requests", "DELETE FROM requests WHERE state = 3"),
    ("requests", "UPDATE requests SET state = 3 WHERE state = 1"),
    ("requests", "UPDATE requests SET state = 1 WHERE state = 3 AND entry_count > 0"),
    ("gate", "UPDATE gate SET forgotten_before = last_time"),
    ("batches", "UPDATE batches SET number = 9223372036854775807 WHERE number = 2"),
    // Every card names another member, with the salt of its own link or with that of the other.
    (
        "identifiers",
        "DELETE FROM identifiers; INSERT INTO identifiers SELECT c.identifier_hash, m.member_id, m.number, c.salt
        FROM (SELECT kept.*, row_number() OVER (ORDER BY member_id) AS at FROM kept) AS c
        JOIN (SELECT kept.*, row_number() OVER (ORDER BY member_id DESC) AS at FROM kept) AS m ON m.at = c.at",
    ),
    (
        "identifiers",
        "DELETE FROM identifiers; INSERT INTO identifiers SELECT c.identifier_hash, m.member_id, m.number, m.salt
        FROM (SELECT kept.*, row_number() OVER (ORDER BY member_id) AS at FROM kept) AS c
        JOIN (SELECT kept.*, row_number() OVER (ORDER BY member_id DESC) AS at FROM kept) AS m ON m.at = c.at",
    ),
    ("identifiers", "DELETE FROM identifiers"),
];

async fn what_was_changed_throughout_is_found(test: &TestStore) {
    play(test).await;
    let mut raw = Raw::open(test).await;
    raw.drop_triggers().await;
    for (table, change) in THROUGHOUT {
        let mut kept = Kept::new(&mut raw, table).await;
        assert!(kept.raw.number(format!("SELECT count(*) FROM {table}")).await > 0, "the game leaves {table} empty");
        kept.raw.run(*change).await.unwrap();
        let found = findings(test).await;
        assert!(!found.is_empty(), "{change}");
        kept.restore().await;
        kept.done().await;
    }
    assert_eq!(findings(test).await, Vec::<String>::new(), "all is as it was");
}
