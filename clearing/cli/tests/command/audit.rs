//! `clearing audit`: the record that it leaves, and what it makes of one.

use crate::desk::{Desk, mode};

#[test]
fn an_audit_leaves_a_record_and_the_next_one_begins_from_it() {
    let desk = Desk::new();
    desk.json(&["init", "--domain", "points.example"]);
    let audit = ["audit", "--config", "coalition/clearing.toml"];
    let first = desk.json(&[&audit[..], &["--record", "sunday.audit"]].concat());
    assert_eq!((&first["clean"], first["record"].as_str()), (&true.into(), Some("sunday.audit")));
    assert!(first["since_sequence"].is_null(), "{first}");
    assert_eq!(first["whole_until_sequence"].as_u64(), first["entries"].as_u64().map(|entries| entries + 1));
    assert_eq!(mode(&desk.path("sunday.audit")), 0o600);

    let second = desk.json(&[&audit[..], &["--since", "sunday.audit", "--record", "monday.audit"]].concat());
    assert_eq!((&second["clean"], &second["entries"]), (&true.into(), &0.into()));
    assert_eq!(second["since_sequence"], first["whole_until_sequence"]);
    assert_eq!(second["whole_until_sequence"], first["whole_until_sequence"]);
    assert_eq!(second["head"], first["head"]);
    let said = desk.table(&[&audit[..], &["--since", "monday.audit"]].concat());
    assert!(said.contains("Not looked at were entries before the record"), "{said}");
    assert!(!said.contains("Everything that is stored follows from the journal"), "{said}");

    for (file, words) in [("coalition/clearing.toml", "no record of an audit"), ("nowhere.audit", "cannot be read")] {
        let (code, error) = desk.failure(&[&audit[..], &["--since", file]].concat());
        assert_eq!(code, 2, "{error}");
        assert!(error["message"].as_str().unwrap().contains(words), "{error}");
    }
    desk.json(&["init", "--domain", "other.example", "--dir", "other"]);
    let other = ["audit", "--config", "other/clearing.toml", "--since", "sunday.audit"];
    let (code, error) = desk.failure(&other);
    assert_eq!(code, 2, "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("points.example") && message.contains("other.example"), "{error}");
}
