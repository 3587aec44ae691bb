//! The audit: it finds whatever was changed behind the house's back, however few members it takes at once, and says so in
//! words that an accountant reads.

use std::path::Path;

use clearing::audit::{
    AuditError, AuditLimits, AuditReport, Phase, Progress, RecordError, RecordFiles, audit, audit_by, audit_recorded,
};

use crate::planted::SEED;
use crate::schema::Raw;
use crate::{FOUNDING, TestStore, Till, agreement, at, card, issue, planted, redeem};

on_both! {
    empty:
    a_row_that_was_never_written_is_found
    an_audit_since_a_record_finds_nothing_in_books_that_are_in_order_whatever_was_done_since
    an_audit_since_a_record_finds_what_does_not_follow_from_it
    the_audit_finds_the_same_however_few_members_it_takes_at_once_and_however_many_work_at_it;
    coalition:
    findings_are_in_the_currency_and_name_partner_and_entry
    progress_is_told_from_the_beginning_of_each_phase_to_its_end
    snapshots_that_are_taken_together_see_the_same_whoever_commits_meanwhile;
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
    ("entries", "INSERT INTO entries SELECT batch_id, ordinal + 7777, packed FROM entries LIMIT 1"),
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
    ("guards", "INSERT INTO guards VALUES ('nobody', 0, 0, 0, 0, 0, 0)"),
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

async fn the_audit_finds_the_same_however_few_members_it_takes_at_once_and_however_many_work_at_it(test: &TestStore) {
    agreement::play(test, SEED).await;
    for broken in [false, true] {
        if broken {
            let mut raw = Raw::open(test).await;
            raw.run("UPDATE further_lots SET available = available - 1 WHERE available > 1").await.unwrap();
            raw.run("UPDATE members SET entry_no = entry_no + 1").await.unwrap();
            raw.run("UPDATE guards SET reserved = reserved + 1").await.unwrap();
        }
        let mut reports = Vec::new();
        for (entries_at_once, workers) in [(1, 1), (1, 4), (50, 2), (50, 3), (u64::MAX, 1), (u64::MAX, 9)] {
            let limits = AuditLimits { entries_at_once, workers };
            let report = audit_by(&test.store, limits, |_| {}).await.unwrap();
            // What is found of members comes in their order, whoever has found it first.
            let again = audit_by(&test.store, limits, |_| {}).await.unwrap();
            assert_eq!(texts(&again), texts(&report), "{limits:?}");
            let mut found = texts(&report);
            found.sort();
            reports.push((report.batches, report.entries, report.members, report.lots, report.head, found));
        }
        assert!(reports[0].2 > 3, "several members, so several groups");
        assert_eq!(!reports[0].5.is_empty(), broken);
        for report in &reports {
            assert_eq!(*report, reports[0]);
        }
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
    let limits = AuditLimits { entries_at_once: 1, workers: 1 };
    let report = audit_by(&test.store, limits, |progress| told.push(progress)).await.unwrap();
    let entries = u64::try_from(FOUNDING).unwrap() + 3;
    let journal = [0, entries].map(|done| Progress { phase: Phase::Journal, done, total: entries });
    let total = report.batches;
    let requests = [0, total].map(|done| Progress { phase: Phase::Requests, done, total });
    let members = (0..=3).map(|done| Progress { phase: Phase::Members, done, total: 3 });
    let expected: Vec<Progress> = journal.into_iter().chain(requests).chain(members).collect();
    told.dedup();
    assert_eq!(told, expected);
}

/// A snapshot that began a moment later would see what was committed in between, and the audit would find what is not there.
async fn snapshots_that_are_taken_together_see_the_same_whoever_commits_meanwhile(test: &TestStore) {
    let mut till = Till::open(&test.store, 1).await;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = std::sync::Arc::clone(&stop);
    let mut working = tokio::task::JoinSet::new();
    working.spawn(async move {
        let mut written = 0;
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            till.one("grocer", issue(card(1), 1), at(0)).await.unwrap();
            written += 1;
            tokio::time::sleep(std::time::Duration::from_millis(3)).await;
        }
        written
    });
    let mut heads = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let mut snapshots = test.store.snapshots(4).await.unwrap();
        assert_eq!(snapshots.len(), 4);
        let first = snapshots[0].journal_head().await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        for mut snapshot in snapshots {
            let head = snapshot.journal_head().await.unwrap();
            let batches = snapshot.batches(head.next_number - 1, 10).await.unwrap();
            assert_eq!((head, batches.len(), batches[0].hash), (first, 1, first.hash));
            snapshot.finish().await.unwrap();
        }
        heads.insert(first.next_number);
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let written = working.join_next().await.unwrap().unwrap();
    assert!(written > 20 && heads.len() > 10, "somebody committed all the time: {heads:?}");
    test.database.audit().await;
}

async fn audit_of(test: &TestStore, since: Option<&Path>, record: Option<&Path>) -> Result<AuditReport, AuditError> {
    audit_recorded(&test.store, RecordFiles { since, record }, |_| {}).await
}

async fn an_audit_since_a_record_finds_nothing_in_books_that_are_in_order_whatever_was_done_since(test: &TestStore) {
    let folder = tempfile::tempdir().unwrap();
    let (first, last) = (folder.path().join("first"), folder.path().join("last"));
    let mut whole = 0;
    // Each record is made by the audit since the one before it, so a mistake in any would add up.
    agreement::play_with(test, SEED, async |number| {
        if number == 0 {
            let report = audit_of(test, None, Some(&first)).await.unwrap();
            assert_eq!((texts(&report), report.since), (Vec::new(), None));
            std::fs::copy(&first, &last).unwrap();
            whole = report.whole;
        } else if number % 7 == 0 {
            let report = audit_of(test, Some(&last), Some(&last)).await.unwrap();
            assert_eq!((texts(&report), report.whole), (Vec::new(), whole));
        }
    })
    .await;
    let report = audit_of(test, Some(&first), None).await.unwrap();
    assert_eq!((texts(&report), report.since, report.whole), (Vec::new(), Some(whole), whole));
    let of_all = audit(&test.store).await.unwrap();
    assert_eq!((report.head, report.members), (of_all.head, of_all.members));
    assert_eq!(i64::try_from(report.entries).unwrap() + whole - 1, i64::try_from(of_all.entries).unwrap());
    let report = audit_of(test, Some(&last), Some(&last)).await.unwrap();
    assert_eq!(texts(&report), Vec::<String>::new());
    let report = audit_of(test, Some(&last), None).await.unwrap();
    assert_eq!((texts(&report), report.entries), (Vec::new(), 0), "nothing was written since");
}

/// What somebody changed, and words of what is found of it.
const SINCE: &[(&str, &str, &str)] = &[
    ("balances", "UPDATE balances SET amount = amount + 1 WHERE account = 'position:grocer'", "position:grocer"),
    ("balances", "DELETE FROM balances WHERE account = 'pool'", "pool"),
    (
        "terms_outstanding",
        "UPDATE terms_outstanding SET points = points + 1 WHERE partner = 'grocer'",
        "has outstanding",
    ),
    (
        "members",
        "UPDATE members SET holdings = (SELECT holdings FROM kept WHERE entry_no = 2 ORDER BY member_id LIMIT 1) WHERE entry_no = 1",
        "which no entry since names",
    ),
    ("members", "DELETE FROM members WHERE entry_no = 1", "is not there"),
    (
        "members",
        "UPDATE members SET holdings = (SELECT holdings FROM kept WHERE entry_no = 1 ORDER BY member_id LIMIT 1) WHERE entry_no = 2",
        "the available points of member",
    ),
    (
        "members",
        "UPDATE members SET lots = (SELECT lots FROM kept WHERE entry_no = 2 ORDER BY member_id LIMIT 1) WHERE entry_no = 1",
        "which no entry since names",
    ),
    (
        "members",
        "UPDATE members SET lots = (SELECT lots FROM kept WHERE entry_no = 1 ORDER BY member_id LIMIT 1) WHERE entry_no = 2",
        "lots say",
    ),
    (
        "entries",
        "DELETE FROM entries WHERE batch_id = (SELECT batch_id FROM batches ORDER BY number DESC LIMIT 1)",
        "it names 1 entries, and there are 0",
    ),
    (
        "batches",
        "UPDATE batches SET first_sequence = first_sequence + 7 WHERE number = (SELECT max(number) FROM kept)",
        "where",
    ),
    ("journal_head", "UPDATE journal_head SET next_sequence = next_sequence + 1", "the head of the journal"),
];

async fn an_audit_since_a_record_finds_what_does_not_follow_from_it(test: &TestStore) {
    let (folder, house) = (tempfile::tempdir().unwrap(), crate::house());
    let record = folder.path().join("record");
    test.database.found(&house, crate::START).await;
    let mut till = Till::open(&test.store, 1).await;
    // Nobody's points come to the same. The first two do something again.
    for number in 0..6_u8 {
        till.one("grocer", issue(card(number), 10 + i64::from(number)), at(0)).await.unwrap();
    }
    let report = audit_of(test, None, Some(&record)).await.unwrap();
    assert_eq!(texts(&report), Vec::<String>::new());
    till.one("fuel", redeem(card(0), 3), at(0)).await.unwrap();
    till.one("grocer", issue(card(1), 100), at(0)).await.unwrap();
    let found = async || texts(&audit_of(test, Some(&record), None).await.unwrap());
    assert_eq!(found().await, Vec::<String>::new());
    let mut raw = Raw::open(test).await;
    raw.drop_triggers().await;
    for (table, change, words) in SINCE {
        let mut kept = planted::Kept::new(&mut raw, table).await;
        kept.raw.run(*change).await.unwrap();
        let found = found().await;
        assert!(found.iter().any(|text| text.contains(words)), "{change}: {found:#?}");
        let next = folder.path().join("next");
        audit_of(test, Some(&record), Some(&next)).await.unwrap();
        assert!(!next.exists(), "books that are not in order leave no record");
        kept.restore().await;
        kept.done().await;
    }
    // Whoever would have the past believed that it does not look at is told by an audit of the whole.
    raw.run("UPDATE limits SET points_per_day = 1; DELETE FROM requests").await.unwrap();
    assert_eq!(found().await, Vec::<String>::new());
    assert!(!texts(&audit(&test.store).await.unwrap()).is_empty());

    let bytes = std::fs::read(&record).unwrap();
    for (at, bit) in [(0, 1), (40, 1), (bytes.len() / 2, 4), (bytes.len() - 1, 128)] {
        let mut changed = bytes.clone();
        changed[at] ^= bit;
        std::fs::write(&record, changed).unwrap();
        let error = audit_of(test, Some(&record), None).await.unwrap_err();
        assert!(matches!(error, AuditError::Record(RecordError::NotOne | RecordError::Damaged)), "{at}: {error:?}");
    }
    for length in [0, 10, 30, bytes.len() - 56, bytes.len() - 1] {
        std::fs::write(&record, &bytes[..length]).unwrap();
        let error = audit_of(test, Some(&record), None).await.unwrap_err();
        assert!(matches!(error, AuditError::Record(RecordError::NotOne | RecordError::Damaged)), "{length}: {error:?}");
    }
}
