//! `clearing report`: what the books say.

use partner_sdk::Issue;

use crate::desk::{Desk, client};

/// Where the last entry listed was the last of a page of the wire, it once did not tell that there were more.
#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_is_not_listed_to_its_end_names_where_it_goes_on() {
    let desk = Desk::new();
    let server = desk.sandbox("sandbox", &[]);
    let grocer = client(&server.endpoint, &desk.path("sandbox"), "grocer").await;
    let issues = (0..1_000).map(|_| Issue::to("card", "1").points(1)).collect();
    for issued in grocer.batch_issue(issues).await.unwrap() {
        issued.unwrap().accepted().unwrap();
    }
    let house = desk.asking(&["--config", "sandbox/clearing.toml"]);
    let listed = |limit: usize| {
        let limit = limit.to_string();
        house.table(&["report", "journal", "--limit", &limit])
    };
    let all = house.json(&["report", "journal", "--limit", "5000"]);
    let all = all["entries"].as_array().unwrap().len();
    assert!(all > 1_000, "what founds a coalition is in the journal too: {all}");
    for limit in [999, 1_000, 1_001, all - 1] {
        let next = format!("Next: clearing report journal --from {}\n", limit + 1);
        assert!(listed(limit).ends_with(&next), "{limit} of {all} entries");
    }
    for limit in [all, all + 1] {
        assert!(!listed(limit).contains("Next:"), "{limit} of {all} entries");
    }
    drop(grocer);
    assert_eq!(server.stop("-TERM").0, Some(0));
    house.json(&["audit"]);
}

/// The table once left out every entry that moves nothing: who was admitted, and on which terms.
#[test]
fn a_journal_for_people_has_the_entries_without_postings_too() {
    let desk = Desk::new();
    let server = desk.sandbox("sandbox", &[]);
    let house = desk.asking(&["--config", "sandbox/clearing.toml"]);
    house.json(&["partner", "state", "grocer", "restricted", "--yes"]);
    house.json(&["fund", "deposit", "reserve", "5.00"]);
    let entries = house.json(&["report", "journal"]);
    let told = house.table(&["report", "journal"]);
    let mut quiet = 0;
    for entry in entries["entries"].as_array().unwrap() {
        let (sequence, kind) = (entry["journal_sequence"].to_string(), entry["kind"].as_str().unwrap());
        let told = told.lines().any(|row| {
            let mut cells = row.split(['│', '┆']).map(str::trim).filter(|cell| !cell.is_empty());
            cells.next() == Some(&sequence) && cells.any(|cell| cell == kind)
        });
        assert!(told, "entry {sequence}, {kind}");
        quiet += usize::from(entry["postings"].as_array().unwrap().is_empty());
    }
    assert!(quiet > 0, "the state of a partner moves nothing");
    assert_eq!(server.stop("-TERM").0, Some(0));
    house.json(&["audit"]);
}
