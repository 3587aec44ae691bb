//! The people of the operator, and what of the list of two persons one of them does alone.

use clearing_core::book::Book;
use clearing_core::book::changes::Changes;
use clearing_core::facts::person::{People, Person, PersonId, Roles};

use super::cells::Row;
use super::save::of_book;
use super::sql::{Link, Sql, rows};
use super::tables::{Column, ONE_PERSON, PEOPLE};
use super::{StoreError, known};

pub(super) static STATEMENTS: &[&Sql] =
    &[&ALL_PEOPLE, &UPSERT_PEOPLE, &ONE_PERSON_ALL, &FORGET_ONE_PERSON, &INSERT_ONE_PERSON];

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
