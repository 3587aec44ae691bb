//! The audit: it finds whatever was changed behind the house's back, however few members it takes at once, and says so in
//! words that an accountant reads.

use clearing::audit::{AuditReport, Phase, Progress, audit, audit_by};

use crate::planted::SEED;
use crate::schema::Raw;
use crate::{FOUNDING, TestStore, Till, agreement, at, card, issue, planted, redeem};

on_both! {
    empty:
    a_row_that_was_never_written_is_found
    the_audit_finds_the_same_however_few_members_it_takes_at_once;
    coalition:
    findings_are_in_the_currency_and_name_partner_and_entry
    progress_is_told_from_the_beginning_of_each_phase_to_its_end;
}

fn texts(report: &AuditReport) -> Vec<String> {
    report.findings.iter().map(ToString::to_string).collect()
}

/// Rows that were never written.
const ADDED: &[(&str, &str)] = &[
    (
        "further_lots",
        "INSERT INTO further_lots (member_id, expires_at, entry_no, part, issuer, terms_version, size, available, held, pending,
            lost, reversed, batch_id, ordinal)
        SELECT member_id, expires_at, entry_no, 77, issuer, terms_version, 5, 0, 0, 0, 0, 0, batch_id, ordinal FROM further_lots
        ORDER BY member_id, expires_at, entry_no, part LIMIT 1",
    ),
    (
        "waiting_lots",
        "INSERT INTO waiting_lots SELECT release_window, issuer, member_id, entry_no, 77, terms_version, activates_at
        FROM waiting_lots LIMIT 1",
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
    ("entries", "INSERT INTO entries SELECT batch_id, ordinal + 7777, bytes FROM entries LIMIT 1"),
    (
        "receipts",
        "INSERT INTO receipts SELECT receipt_key, line + 7777, side, nth, batch_id, ordinal, undone FROM receipts LIMIT 1",
    ),
    (
        "receipts",
        "INSERT INTO receipts SELECT receipt_key, line, side, nth + 1, batch_id, ordinal, undone FROM receipts LIMIT 1",
    ),
    (
        "attachments",
        "INSERT INTO attachments SELECT batch_id, ordinal + 7777, salt, bytes, erased_at FROM attachments LIMIT 1",
    ),
    ("guards", "INSERT INTO guards VALUES ('nobody', 0, 0, 0, 0)"),
    ("terms_outstanding", "INSERT INTO terms_outstanding VALUES ('grocer', 7777, 0)"),
];

async fn a_row_that_was_never_written_is_found(test: &TestStore) {
    planted::play(test).await;
    assert_eq!(texts(&audit(&test.store).await.unwrap()), Vec::<String>::new());
    let mut raw = Raw::open(test).await;
    raw.drop_triggers().await;
    for (table, sql) in ADDED {
        let mut kept = planted::Kept::new(&mut raw, table).await;
        kept.raw.run(*sql).await.unwrap();
        let found = planted::findings(test).await;
        assert!(!found.is_empty(), "{table}: a row was added");
        for text in &found {
            let raw = ["Money(", "Points(", "Some(", "None", "Holding {", "Timestamp("];
            assert!(!raw.iter().any(|word| text.contains(word)), "{table}: {text}");
        }
        kept.restore().await;
        kept.done().await;
    }
    assert_eq!(texts(&audit(&test.store).await.unwrap()), Vec::<String>::new(), "all is as it was");
}

async fn the_audit_finds_the_same_however_few_members_it_takes_at_once(test: &TestStore) {
    agreement::play(test, SEED).await;
    for broken in [false, true] {
        if broken {
            let mut raw = Raw::open(test).await;
            raw.run("UPDATE further_lots SET available = available - 1 WHERE available > 1").await.unwrap();
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
    let mut till = Till::open(&test.store.clone().with_lots_in_row(0), 1).await;
    let issued = till.one("grocer", issue(card(1), 20), at(0)).await.unwrap().entries[0];
    till.one("fuel", redeem(card(1), 5), at(0)).await.unwrap();
    let mut raw = Raw::open(test).await;
    raw.run("UPDATE balances SET amount = -1889000 WHERE account = 'position:grocer'").await.unwrap();
    raw.run("UPDATE further_lots SET available = available - 2").await.unwrap();
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
