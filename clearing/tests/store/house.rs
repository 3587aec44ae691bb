//! The coalition, its partners and its migrations.

use clearing::store::{ErrorKind, Migrations};

use clearing_core::command::Command;
use clearing_core::facts::calendar::{Calendar, CalendarVersion, Calendars};
use clearing_core::facts::partner::PartnerState;
use clearing_core::facts::terms::{ExpiryPolicy, Funding, TermsDraft};
use clearing_core::rules::calendar::SetCalendar;
use clearing_core::rules::partner::{CreatePartner, SetPartnerState};
use clearing_core::rules::terms::SetTerms;
use clearing_play::{DOMAIN, identifier_key};

use crate::{START, TestStore, Till, at, card, house, id, issue};

on_both! {
    empty:
    migrations_are_pending_until_they_are_applied
    a_database_of_an_older_build_is_refused_with_a_sentence;
    coalition:
    a_coalition_is_read_as_it_was_written
    a_second_coalition_is_refused
    changes_of_the_house_move_the_epoch;
}

async fn migrations_are_pending_until_they_are_applied(test: &TestStore) {
    let state = test.store.migration_state().await.unwrap();
    assert_eq!(state.applied, Vec::<i64>::new());
    assert_eq!(state.pending, vec![1, 2, 3, 4, 5, 6]);
    test.store.migrate().await.unwrap();
    test.store.migrate().await.unwrap();
    let state = test.store.migration_state().await.unwrap();
    assert_eq!(state, Migrations { applied: vec![1, 2, 3, 4, 5, 6], pending: Vec::new() });
}

async fn a_database_of_an_older_build_is_refused_with_a_sentence(test: &TestStore) {
    test.store.migrate().await.unwrap();
    let (sqlite, postgres) = (
        "UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 4",
        r"UPDATE _sqlx_migrations SET checksum = '\x00' WHERE version = 4",
    );
    assert_eq!(test.database.execute(sqlite, postgres).await, 1);
    for refused in [test.store.migration_state().await.map(drop), test.store.migrate().await] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permanent);
        assert!(error.to_string().starts_with("the database was laid out by a build from before the first release"));
    }
}

async fn a_coalition_is_read_as_it_was_written(test: &TestStore) {
    let row = test.store.load_house().await.unwrap();
    assert_eq!(row.domain, DOMAIN);
    assert_eq!(row.house.coalition, house().coalition);
    assert_eq!(row.house.partners, house().partners);
    // What a coalition is founded with rules from then on.
    let calendar = house().calendar.in_force(START);
    let first = CalendarVersion { number: 1, effective: START, calendar };
    assert_eq!(row.house.calendar, Calendars::stored(vec![first]));
}

async fn a_second_coalition_is_refused(test: &TestStore) {
    let error = test.store.create_coalition(&house(), DOMAIN, &identifier_key(), START).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permanent);
}

async fn changes_of_the_house_move_the_epoch(test: &TestStore) {
    let mut till = Till::open(&test.store, 1).await;
    let before = test.store.load_house().await.unwrap();
    let create = Command::CreatePartner(CreatePartner {
        partner: id("cinema"),
        display_name: "Lichtspiele".to_owned(),
        terms: TermsDraft { expiry: Some(ExpiryPolicy::EndOfYear(2)), ..TermsDraft::default() },
        state: PartnerState::Active,
        limits: Default::default(),
        no_default_limits: false,
    });
    till.one("operator", create, at(1)).await.unwrap();
    let terms = TermsDraft { funding: Some(Funding::AtIssue), ..TermsDraft::default() };
    let set = Command::SetTerms(SetTerms { partner: id("cinema"), terms, effective: Some(at(5)) });
    till.one("operator", set, at(2)).await.unwrap();
    let state = Command::SetPartnerState(SetPartnerState { partner: id("fuel"), state: PartnerState::Restricted });
    till.one("operator", state, at(3)).await.unwrap();
    let state = Command::SetPartnerState(SetPartnerState { partner: id("cards"), state: PartnerState::Suspended });
    till.one("operator", state, at(3)).await.unwrap();
    let calendar = Calendar::of(Vec::<String>::new(), "Asia/Tokyo");
    // A cut-off of the next day stays.
    let effective = Some(at(4).plus_days(2));
    let set = SetCalendar { calendar: calendar.clone(), effective };
    till.one("operator", Command::SetCalendar(set), at(4)).await.unwrap();
    let after = test.store.load_house().await.unwrap();
    assert_eq!(after.terms_epoch, before.terms_epoch + 5);
    assert_eq!(after.house.calendar.in_force(at(4)), before.house.calendar.in_force(at(4)));
    assert_eq!(after.house.calendar.in_force(at(4).plus_days(2)), calendar);
    assert_eq!(after.house.partners[&id("fuel")].state, PartnerState::Restricted);
    let bank = &after.house.partners[&id("cards")];
    assert_eq!((bank.state, bank.suspended_in), (PartnerState::Suspended, Some(1)));
    let cinema = &after.house.partners[&id("cinema")];
    assert_eq!(cinema.terms.len(), 2);
    assert_eq!(cinema.terms[1].effective, at(5));
    assert_eq!(cinema.terms[1].expiry, ExpiryPolicy::EndOfYear(2));
    till.one("cinema", issue(card(1), 10), at(6)).await.unwrap();
    let gate = test.store.gate().await.unwrap();
    assert_eq!((gate.open_window, gate.last_time), (1, at(4)));
}
