//! Every statement finds its rows of the large tables by a range of a key or an index: whatever reads such a table from one end
//! to the other grows with the journal or with the members, and is on a list with its reason.

use std::collections::BTreeSet;

use clearing::store::{Backend, STATEMENTS, Sql};

use crate::TestStore;
use crate::schema::Raw;

on_both! {
    empty: ;
    coalition:
    every_statement_finds_rows_of_large_tables_by_a_range
    a_list_of_what_is_sought_reads_one_word_of_each_run;
}

/// What grows with the journal or with the members.
const LARGE: &[&str] = &[
    "entries",
    "batches",
    "attachments",
    "requests",
    "members",
    "further_lots",
    "waiting_lots",
    "holds",
    "returns",
    "receipts",
    "identifiers",
    "entry_parties",
    "entry_words",
    "admin_actions",
    "legs",
    "orders",
    "participants",
];

/// The statements that read a large table from one end on, and why they may.
const WHOLE: &[(&str, &str, &str)] = &[
    ("store.counts", "entries", "the audit counts what it has looked up one by one"),
    ("store.counts", "attachments", "likewise"),
    ("store.counts", "receipts", "likewise"),
    (
        "store.waiting_lots_between",
        "waiting_lots",
        "the audit alone asks by member, once for each range of them; no index is written for it",
    ),
    ("store.last_alive", "batches", "it ends with the first row, which is the last batch"),
];

/// The statements that are to go by one index of several, on both databases: by another one they would read all that a partner or
/// a member ever had.
const BY_INDEX: &[(&str, &str)] = &[
    ("store.actions_by_kind", "admin_actions_by_kind"),
    ("store.actions_by_window", "admin_actions_by_window"),
    ("store.holds_open", "holds_open"),
    ("store.legs_in_flight", "windows_in_flight"),
    ("store.unconfirmed", "windows_in_flight"),
];

async fn planning(test: &TestStore) -> (Raw, Backend) {
    let mut raw = Raw::open(test).await;
    let backend = test.store.backend();
    if backend == Backend::Postgres {
        // As the writer has them (`Store::open`). What is still read from one end to the other cannot be read otherwise, however few
        // rows there are.
        let off = ["seqscan", "bitmapscan", "hashjoin", "mergejoin"].map(|way| format!("SET enable_{way} = off; "));
        let settings = format!("{}SET plan_cache_mode = force_generic_plan; SET jit = off", off.concat());
        raw.run(settings).await.unwrap();
    }
    (raw, backend)
}

async fn every_statement_finds_rows_of_large_tables_by_a_range(test: &TestStore) {
    let (mut raw, backend) = planning(test).await;
    let (mut explained, mut listed, mut wrong) = (0, BTreeSet::new(), Vec::new());
    for sql in STATEMENTS.iter().flat_map(|room| room.iter()).filter(|sql| sql.is_of(backend)) {
        let text = sql.text(backend);
        let first = text.lines().nth(1).unwrap_or_default().trim_start();
        if !["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].iter().any(|verb| first.starts_with(verb)) {
            continue;
        }
        explained += 1;
        let plan = raw.plan(text).await.unwrap_or_else(|error| panic!("{}: {error}", sql.name()));
        let read = match backend {
            Backend::Sqlite => scanned_by_sqlite(text, &plan),
            Backend::Postgres => scanned_by_postgres(&plan),
        };
        for table in read {
            if WHOLE.iter().any(|(name, of, _)| *name == sql.name() && *of == table) {
                listed.insert((sql.name(), table));
            } else {
                wrong.push(format!("{} reads all of {table}:\n  {}", sql.name(), plan.join("\n  ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(explained > 100, "{explained}");
    for (name, index) in BY_INDEX {
        let sql = STATEMENTS.iter().flat_map(|room| room.iter()).find(|sql| sql.name() == *name).unwrap();
        let plan = raw.plan(sql.text(backend)).await.unwrap();
        let named = plan.iter().any(|line| line.split([' ', '(']).any(|word| word == *index));
        assert!(named, "{name} does not go by {index}:\n  {}", plan.join("\n  "));
    }
    for (name, table, _) in WHOLE {
        let is_of = |sql: &Sql| sql.name() == *name && sql.is_of(backend);
        let there = STATEMENTS.iter().flat_map(|room| room.iter()).any(|sql| is_of(sql));
        // By the second column of a key PostgreSQL reads all of it, and calls that a condition.
        let stands = !there || backend == Backend::Postgres || listed.contains(&(*name, *table));
        assert!(stands, "{name} does not read all of {table} any more");
    }
}

/// By a part of a key alone a list would read all words of a run, or all entries of a partner. Of what is asked for in a recursion
/// PostgreSQL tells no plan until it has run.
async fn a_list_of_what_is_sought_reads_one_word_of_each_run(test: &TestStore) {
    let (mut raw, backend) = planning(test).await;
    let by_key = match backend {
        Backend::Sqlite => [("SEARCH w ", "run=? AND word=? AND place"), ("SEARCH p ", "partner=? AND sequence")],
        Backend::Postgres => [("(word = ", ".run) AND (word = "), ("(sequence ", "(partner = $1) AND (sequence ")],
    };
    for name in ["store.entries_by_word", "store.entries_by_business_date"] {
        let sql = STATEMENTS.iter().flat_map(|room| room.iter()).find(|sql| sql.name() == name).unwrap();
        let plan = raw.plan(sql.text(backend)).await.unwrap();
        let whole = plan.join("\n  ");
        for (read, whole_key) in by_key {
            let reads = plan.iter().filter(|line| line.contains(read) && !line.contains("Filter"));
            let (whole_keys, parts): (Vec<&String>, Vec<&String>) = reads.partition(|line| line.contains(whole_key));
            assert!(parts.is_empty(), "{name} reads by a part of a key: {parts:?}\n  {whole}");
            assert!(!whole_keys.is_empty() || !read.contains("sequence"), "{name}:\n  {whole}");
        }
    }
}

/// The large tables that SQLite reads from one end on. It calls a table by its alias.
fn scanned_by_sqlite(text: &str, plan: &[String]) -> Vec<&'static str> {
    let scanned = plan.iter().filter_map(|line| line.strip_prefix("SCAN ")).filter_map(|rest| rest.split(' ').next());
    let scanned: Vec<&str> = scanned.collect();
    let is_scanned = |table: &&&str| {
        let alias = |name: &&str| text.contains(&format!("{table} AS {name}"));
        scanned.iter().any(|name| name == *table || alias(name))
    };
    LARGE.iter().filter(is_scanned).copied().collect()
}

/// Those that PostgreSQL does: one after the other, or by an index without a condition on it.
fn scanned_by_postgres(plan: &[String]) -> Vec<&'static str> {
    let mut found = Vec::new();
    for (at, line) in plan.iter().enumerate() {
        let Some((how, on)) = line.split_once(" on ").filter(|(how, _)| how.contains("Scan")) else { continue };
        let name = on.split(' ').next().unwrap_or_default();
        let Some(table) = LARGE.iter().find(|table| **table == name) else { continue };
        let below =
            plan[at + 1..].iter().take_while(|line| !line.contains("->") && !line.trim_start().starts_with("SubPlan"));
        let is_range = how.contains("Index") && below.clone().any(|line| line.trim_start().starts_with("Index Cond:"));
        if !is_range {
            found.push(*table);
        }
    }
    found
}

#[test]
fn a_plan_that_reads_a_whole_table_is_known_by_its_lines() {
    let lines = |plan: &str| plan.lines().map(str::to_owned).collect::<Vec<_>>();
    let by_key = "Limit\n  ->  Index Scan using members_pkey on members m\n        Index Cond: (member_id > $1)";
    assert_eq!(scanned_by_postgres(&lines(by_key)), Vec::<&str>::new());
    let whole = "Limit\n  ->  Index Scan using members_pkey on members m\n        Filter: (next_due_at > $1)";
    assert_eq!(scanned_by_postgres(&lines(whole)), ["members"]);
    assert_eq!(scanned_by_postgres(&lines("Seq Scan on further_lots\n  Filter: (pending > 0)")), ["further_lots"]);
    assert_eq!(scanned_by_postgres(&lines("Seq Scan on gate")), Vec::<&str>::new());
    let text = "SELECT 1 FROM members AS m";
    assert_eq!(scanned_by_sqlite(text, &lines("SCAN m")), ["members"]);
    assert_eq!(scanned_by_sqlite(text, &lines("SCAN m USING COVERING INDEX i")), ["members"]);
    assert_eq!(scanned_by_sqlite(text, &lines("SEARCH m USING PRIMARY KEY (member_id=?)")), Vec::<&str>::new());
}
