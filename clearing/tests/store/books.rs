//! The audit: it finds whatever was changed behind the house's back, however few members it takes at once, and says so in
//! words that an accountant reads.

use clearing::audit::{AuditReport, Phase, Progress, audit, audit_by};

use crate::schema::Raw;
use crate::{FOUNDING, TestStore, Till, agreement, at, card, issue, redeem};

on_both! {
    empty:
    a_row_that_is_changed_lost_or_added_is_found
    the_audit_finds_the_same_however_few_members_it_takes_at_once;
    coalition:
    findings_are_in_the_currency_and_name_partner_and_entry
    progress_is_told_from_the_beginning_of_each_phase_to_its_end;
}

/// Games of the agreement in which there is something in every table.
const SEED: u64 = 1;

fn texts(report: &AuditReport) -> Vec<String> {
    report.findings.iter().map(ToString::to_string).collect()
}

/// What was changed by hand: one row of a table, which is put back from a copy.
struct Hand {
    raw: Raw,
    table: &'static str,
    key: &'static str,
}

impl Hand {
    /// Takes a row that fits, and changes it, or takes it away.
    async fn change(&mut self, wanted: &str, set: Option<&str>) {
        let Self { raw, table, key } = self;
        let copy = format!("CREATE TABLE kept AS SELECT * FROM {table} WHERE {wanted} ORDER BY {key} LIMIT 1");
        raw.run(copy).await.unwrap();
        assert_eq!(raw.number("SELECT count(*) FROM kept").await, 1, "{table} has no row with {wanted}");
        let found = format!("({key}) IN (SELECT {key} FROM kept)");
        let change = match set {
            Some(set) => format!("UPDATE {table} SET {set} WHERE {found}"),
            None => format!("DELETE FROM {table} WHERE {found}"),
        };
        raw.run(change).await.unwrap();
    }

    async fn undo(&mut self) {
        let Self { raw, table, key } = self;
        raw.run(format!("DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM kept)")).await.unwrap();
        raw.run(format!("INSERT INTO {table} SELECT * FROM kept; DROP TABLE kept")).await.unwrap();
    }
}

/// Tables, their keys, which row to take, and what to do to it.
const CHANGES: &[(&str, &str, &str, &[Option<&str>])] = &[
    ("balances", "commodity, account", "amount > 5", &[None, Some("amount = amount + 1")]),
    ("terms_outstanding", "partner, version", "points > 5", &[None, Some("points = points - 1")]),
    (
        "gross",
        "window_number, issuer, acceptor",
        "window_number = (SELECT min(window_number) FROM gross)",
        &[None, Some("points = points + 1"), Some("amount = amount + 1")],
    ),
    (
        "gross",
        "window_number, issuer, acceptor",
        "window_number = (SELECT max(window_number) FROM gross)",
        &[None, Some("amount = amount - 1")],
    ),
    (
        "guards",
        "partner",
        "issued_points > 0",
        &[
            Some("reserved = reserved + 1"),
            Some("unsettled = unsettled - 1"),
            Some("issued_points = issued_points + 1"),
            Some("issued_day = issued_day + 1"),
            None,
        ],
    ),
    ("consents", "funder, partner", "used > 0", &[None, Some("used = used + 1")]),
    ("funding", "window_number, issuer, terms_version", "points > 0", &[None, Some("points = points + 1")]),
    ("members", "member_id", "entry_no > 0", &[None, Some("entry_no = entry_no + 1")]),
    (
        "members",
        "member_id",
        "entry_no = (SELECT min(entry_no) FROM members)",
        &[Some("holdings = (SELECT holdings FROM members AS m ORDER BY m.entry_no DESC LIMIT 1)")],
    ),
    (
        "lots",
        "member_id, expires_at, entry_no, part",
        "available > 1 AND lost = 0",
        &[
            None,
            Some("available = available - 1"),
            Some("available = available - 1, held = held + 1"),
            Some("available = available - 1, pending = pending + 1"),
            Some("available = available - 1, lost = lost + 1"),
            Some("size = size + 1"),
            Some("ordinal = ordinal + 1"),
            Some("activates_at = 1"),
            Some("release_window = 7"),
            Some("origin_member_id = member_id, origin_entry_no = 1, origin_part = 0"),
        ],
    ),
    (
        "lots",
        "member_id, expires_at, entry_no, part",
        "reversed < size AND available + held + pending = 0",
        &[None, Some("reversed = reversed + 1")],
    ),
    ("holds", "member_id, batch_id, ordinal", "state > 1", &[None, Some("state = 1"), Some("captured = captured + 1")]),
    (
        "returns",
        "member_id, batch_id, ordinal",
        "length(lots) > 4",
        &[None, Some("lots = (SELECT r.lots FROM returns AS r WHERE r.lots <> returns.lots LIMIT 1)")],
    ),
    ("legs", "window_number, partner", "due <> 0 AND window_number > 0", &[Some("due = due - due / abs(due)")]),
    ("participants", "window_number, partner", "window_number = 1", &[Some("carried = carried + 1")]),
    ("proofs", "window_number, class", "change <> '0'", &[None, Some("change = '7'"), Some("opening = '7'")]),
    (
        "windows",
        "window_number",
        "state <> 'OPEN'",
        &[Some("legs_moved = '7'"), Some("legs_total = '7'"), Some("carried_change = '7'")],
    ),
    ("journal_head", "id", "id = 1", &[Some("next_sequence = next_sequence + 1")]),
];

/// Rows that were never written.
const ADDED: &[(&str, &str)] = &[
    (
        "lots",
        "INSERT INTO lots (member_id, expires_at, entry_no, part, issuer, terms_version, size, available, held, pending,
            lost, reversed, batch_id, ordinal)
        SELECT member_id, expires_at, entry_no, 77, issuer, terms_version, 5, 0, 0, 0, 0, 0, batch_id, ordinal FROM lots
        ORDER BY member_id, expires_at, entry_no, part LIMIT 1",
    ),
    (
        "holds",
        "INSERT INTO holds (member_id, batch_id, ordinal, lapses_at, state, captured)
        SELECT member_id, batch_id, 7777, 1, 3, 0 FROM holds ORDER BY member_id, batch_id, ordinal LIMIT 1",
    ),
    (
        "returns",
        "INSERT INTO returns (member_id, batch_id, ordinal, lots, amount, total)
        SELECT member_id, batch_id, 7777, lots, 0, 0 FROM returns WHERE length(lots) > 4
        ORDER BY member_id, batch_id, ordinal LIMIT 1",
    ),
    (
        "gross",
        "INSERT INTO gross (window_number, issuer, acceptor, points, amount) VALUES (1, 'operator', 'operator', 1, 1)",
    ),
    ("balances", "INSERT INTO balances (commodity, window_number, account, amount) VALUES ('EUR', 0, 'collateral:fuel', 1)"),
];

async fn a_row_that_is_changed_lost_or_added_is_found(test: &TestStore) {
    agreement::play(test, SEED).await;
    assert_eq!(texts(&audit(&test.store).await.unwrap()), Vec::<String>::new());
    for (table, key, wanted, changes) in CHANGES {
        let mut hand = Hand { raw: Raw::open(test).await, table, key };
        for set in *changes {
            hand.change(wanted, *set).await;
            let found = texts(&audit_by(&test.store, 40, |_| {}).await.unwrap());
            assert!(!found.is_empty(), "{table} where {wanted}: {set:?}");
            for text in &found {
                let raw = ["Money(", "Points(", "Some(", "None", "Holding {", "Timestamp("];
                assert!(!raw.iter().any(|word| text.contains(word)), "{table}: {text}");
            }
            hand.undo().await;
        }
    }
    let mut raw = Raw::open(test).await;
    for (table, sql) in ADDED {
        let (copy, back) = (format!("CREATE TABLE whole AS SELECT * FROM {table}"), format!("DELETE FROM {table}"));
        raw.run(copy).await.unwrap();
        raw.run(*sql).await.unwrap();
        assert_ne!(texts(&audit(&test.store).await.unwrap()), Vec::<String>::new(), "{table}: a row was added");
        raw.run(format!("{back}; INSERT INTO {table} SELECT * FROM whole; DROP TABLE whole")).await.unwrap();
    }
    assert_eq!(texts(&audit(&test.store).await.unwrap()), Vec::<String>::new(), "all is as it was");
}

async fn the_audit_finds_the_same_however_few_members_it_takes_at_once(test: &TestStore) {
    agreement::play(test, SEED).await;
    for broken in [false, true] {
        if broken {
            let mut raw = Raw::open(test).await;
            raw.run("UPDATE lots SET available = available - 1 WHERE available > 1").await.unwrap();
            raw.run("UPDATE members SET entry_no = entry_no + 1").await.unwrap();
            raw.run("UPDATE guards SET reserved = reserved + 1").await.unwrap();
        }
        let mut reports = Vec::new();
        for at_once in [1, 50, u64::MAX] {
            let report = audit_by(&test.store, at_once, |_| {}).await.unwrap();
            let mut found = texts(&report);
            found.sort();
            reports.push((report.batches, report.entries, report.members, report.lots, report.head, found));
        }
        assert!(reports[0].2 > 3, "several members, so several groups");
        assert_eq!(!reports[0].5.is_empty(), broken);
        assert_eq!(reports[0], reports[2]);
        assert_eq!(reports[1], reports[2]);
    }
}

async fn findings_are_in_the_currency_and_name_partner_and_entry(test: &TestStore) {
    let mut till = Till::open(&test.store, 1).await;
    let issued = till.one("grocer", issue(card(1), 20), at(0)).await.unwrap().entries[0];
    till.one("fuel", redeem(card(1), 5), at(0)).await.unwrap();
    let mut raw = Raw::open(test).await;
    raw.run("UPDATE balances SET amount = -1889000 WHERE account = 'position:grocer'").await.unwrap();
    raw.run("UPDATE lots SET available = available - 2").await.unwrap();
    let found = texts(&audit(&test.store).await.unwrap());
    let has = |wanted: &str| assert!(found.iter().any(|text| text.contains(wanted)), "{wanted}: {found:#?}");
    has("position:grocer: stored is -188.9000 EUR, the journal gives -20.0000 EUR");
    has("all accounts in money sum to -168.9000 EUR, not to 0");
    has(&format!("of grocer, made by entry {issued}: stored is available 13, the journal gives available 15"));
    has("issuer grocer: its account says 15 points are outstanding, its lots say 13");
    has("it holds 15 points available, 0 held, 0 pending; its lots say 13 points available, 0 held, 0 pending");
    has("the pool holds 13.5000 EUR, and outstanding prepaid points need 11.7000 EUR");
}

async fn progress_is_told_from_the_beginning_of_each_phase_to_its_end(test: &TestStore) {
    let mut till = Till::open(&test.store, 1).await;
    for number in 1..=3 {
        till.one("grocer", issue(card(number), 20), at(0)).await.unwrap();
    }
    let mut told = Vec::new();
    audit_by(&test.store, 1, |progress| told.push(progress)).await.unwrap();
    let entries = u64::try_from(FOUNDING).unwrap() + 3;
    let journal = [0, entries].map(|done| Progress { phase: Phase::Journal, done, total: entries });
    let members = (0..=3).map(|done| Progress { phase: Phase::Members, done, total: 3 });
    let expected: Vec<Progress> = journal.into_iter().chain(members).collect();
    told.dedup();
    assert_eq!(told, expected);
}
