//! The people of the operator, and what of the list of two persons one of them does alone.

use std::collections::{BTreeMap, BTreeSet};

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::facts::member::DayCount;
use clearing_core::facts::person::{People, Person, PersonId, Roles};

use super::cells::Row;
use super::save::of_book;
use super::sql::{Link, Sql, rows};
use super::tables::{CARE, Column, ONE_PERSON, PEOPLE};
use super::{StoreError, known};

pub(super) static STATEMENTS: &[&Sql] = &[
    &ALL_PEOPLE,
    &UPSERT_PEOPLE,
    &ONE_PERSON_ALL,
    &FORGET_ONE_PERSON,
    &INSERT_ONE_PERSON,
    &LOCK_GIVERS,
    &CARE_OF,
    &ALL_CARE,
    &UPSERT_CARE,
];

static ALL_PEOPLE: Sql = Sql::both("store.people", "SELECT {people} FROM people").gives(PEOPLE.all);
static ONE_PERSON_ALL: Sql = Sql::both("store.one_person", "SELECT {one_person} FROM one_person").gives(ONE_PERSON.all);

/// All of them. The caller holds the gate, or a snapshot.
pub(super) async fn people(link: &mut Link<'_>) -> Result<People, StoreError> {
    let call = link.call(&ALL_PEOPLE);
    let persons = link.rows(call, person).await?.into_iter().collect();
    let call = link.call(&ONE_PERSON_ALL);
    let alone = link.rows(call, |row| Ok(row.text(ONE_PERSON.operation)?.to_owned())).await?.into_iter().collect();
    Ok(People { persons, alone })
}

fn person(row: &Row<'_>) -> Result<(PersonId, Person), StoreError> {
    let id = row.text(PEOPLE.person)?.parse().map_err(|error| StoreError::damaged("a person", error))?;
    let roles = |column: Column| known("set of roles", row.small(column).map(Roles::from_number)?);
    let person =
        Person { roles: roles(PEOPLE.roles)?, since: row.time(PEOPLE.since_at)?, before: roles(PEOPLE.roles_before)? };
    Ok((id, person))
}

static UPSERT_PEOPLE: Sql = Sql::both("store.upsert_people", "{upsert k}").takes(&[rows("k", PEOPLE.all)]);
static FORGET_ONE_PERSON: Sql = Sql::both("store.forget_one_person", "DELETE FROM one_person");
static INSERT_ONE_PERSON: Sql = Sql::both("store.insert_one_person", "{insert k}").takes(&[rows("k", ONE_PERSON.all)]);

/// Writes what a batch has changed of them. The caller has the gate alone.
pub(super) async fn save(link: &mut Link<'_>, book: &Book, changes: &Changes) -> Result<(), StoreError> {
    let people = &book.house.people;
    let mut rows = link.row_set(PEOPLE.all);
    for id in &changes.people {
        let person = of_book(people.persons.get(id))?;
        rows.text(PEOPLE.person, id.as_str()).int(PEOPLE.roles, i64::from(person.roles.number()));
        rows.int(PEOPLE.since_at, person.since.0).int(PEOPLE.roles_before, i64::from(person.before.number()));
    }
    link.write(&UPSERT_PEOPLE, rows).await?;
    if !changes.alone {
        return Ok(());
    }
    let call = link.call(&FORGET_ONE_PERSON);
    link.execute(call).await?;
    let mut rows = link.row_set(ONE_PERSON.all);
    for operation in &people.alone {
        rows.text(ONE_PERSON.operation, operation);
    }
    link.write(&INSERT_ONE_PERSON, rows).await
}

const GIVER: &[Column] = &[PEOPLE.person];
const CARER: &[Column] = &[CARE.person];

// The person's own row is there before the first count is, so it is what is locked; the count is read in a later statement, which sees
// what whoever had the lock has written.
static LOCK_GIVERS: Sql = Sql::new(
    "store.lock_givers",
    "SELECT {people p} FROM {rows k} CROSS JOIN people AS p WHERE {match k p}",
    "SELECT {people p} FROM people AS p JOIN {rows k} ON {match k p} ORDER BY p.person FOR UPDATE OF p",
)
.takes(&[rows("k", GIVER)])
.gives(PEOPLE.all);

static CARE_OF: Sql =
    Sql::both("store.care_of", "SELECT {care c} FROM {rows k} CROSS JOIN care AS c WHERE {match k c}")
        .takes(&[rows("k", CARER)])
        .gives(CARE.all);

/// What people gave to members again; locked in ascending order until the transaction ends.
pub(super) async fn lock_care(
    link: &mut Link<'_>,
    wanted: &BTreeSet<PersonId>,
) -> Result<BTreeMap<PersonId, DayCount>, StoreError> {
    let (mut people, mut keys) = (link.row_set(GIVER), link.row_set(CARER));
    for one in wanted {
        people.text(PEOPLE.person, one.as_str());
        keys.text(CARE.person, one.as_str());
    }
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let call = link.call(&LOCK_GIVERS).rows(people);
    link.rows(call, person).await?;
    let call = link.call(&CARE_OF).rows(keys);
    Ok(link.rows(call, care).await?.into_iter().collect())
}

static ALL_CARE: Sql = Sql::both("store.all_care", "SELECT {care} FROM care").gives(CARE.all);

/// All of it, for the audit.
pub(super) async fn all_care(link: &mut Link<'_>) -> Result<BTreeMap<PersonId, DayCount>, StoreError> {
    let call = link.call(&ALL_CARE);
    Ok(link.rows(call, care).await?.into_iter().collect())
}

fn care(row: &Row<'_>) -> Result<(PersonId, DayCount), StoreError> {
    let person = row.text(CARE.person)?.parse().map_err(|error| StoreError::damaged("a person", error))?;
    Ok((person, DayCount { day: row.small(CARE.day)?, points: row.points(CARE.points)? }))
}

static UPSERT_CARE: Sql = Sql::both("store.upsert_care", "{upsert k}").takes(&[rows("k", CARE.all)]);

/// Writes what people gave to members again in a batch, behind the locks of [`lock_care`].
pub(super) async fn save_care(link: &mut Link<'_>, book: &Book, changes: &Changes) -> Result<(), StoreError> {
    let mut rows = link.row_set(CARE.all);
    for person in &changes.care {
        let DayCount { day, points } = *of_book(book.care.get(person))?;
        rows.text(CARE.person, person.as_str()).int(CARE.day, day.into()).int(CARE.points, points.0);
    }
    link.write(&UPSERT_CARE, rows).await
}
