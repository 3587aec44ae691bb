//! The people of the operator: who they are, what they may do, and what needs two of them.

use clearing_proto::v1;
use clearing_proto::v1::people_service_client::PeopleServiceClient;

use crate::client::{PAGE_SIZE, call};
use crate::error::Error;
use crate::operator::Operator;
use crate::outcome::Outcome;
use crate::points::keyed;
use crate::request_id::RequestId;
use crate::wire::{FromWire, each, key};

pub use crate::answers::{PeopleListed, Person, PersonRole, PersonSet, TwoPersonListSet};

impl Operator {
    /// Gives a person its roles; a name that nobody had is a new person.
    ///
    /// # Errors
    /// See [`Outcome`]; [`Error::Proposed`] where two persons are needed.
    pub async fn set_person(&self, set: SetPerson) -> Result<Outcome<PersonSet>, Error> {
        let call = call!(PeopleServiceClient::set_person);
        self.client.write(set, to_set_person, call, FromWire::read).await
    }

    /// Takes operations off the list of what needs two persons, or puts them back.
    ///
    /// # Errors
    /// See [`Outcome`]; [`Error::Proposed`] where two persons are needed.
    pub async fn set_two_person_list(&self, set: SetTwoPersonList) -> Result<Outcome<TwoPersonListSet>, Error> {
        let call = call!(PeopleServiceClient::set_two_person_list);
        self.client.write(set, to_set_list, call, FromWire::read).await
    }

    /// All people of the operator, by their names, and what needs two of them.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn people(&self) -> Result<PeopleListed, Error> {
        let page = async |page_token: String| {
            let request = || v1::ListPeopleRequest { page_size: PAGE_SIZE, page_token: page_token.clone() };
            self.client.read(request, call!(PeopleServiceClient::list_people), Ok).await
        };
        let first = page(String::new()).await?;
        let mut token = first.next_page_token.clone();
        let mut listed = PeopleListed::read(first)?;
        while !token.is_empty() {
            let next = page(token).await?;
            listed.people.extend(each(next.people)?);
            token = next.next_page_token;
        }
        Ok(listed)
    }
}

/// Gives a person its roles.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct SetPerson {
    request_id: Option<RequestId>,
    person_id: String,
    roles: Vec<PersonRole>,
    certificate_serial: String,
}

impl SetPerson {
    /// All roles that this person has from now on. None: it may do nothing.
    pub fn of(person_id: impl Into<String>, roles: impl IntoIterator<Item = PersonRole>) -> Self {
        let (person_id, roles) = (person_id.into(), roles.into_iter().collect());
        Self { request_id: None, person_id, roles, certificate_serial: String::new() }
    }

    /// The serial number of a certificate that the person has and the house did not issue, where the person becomes approver.
    pub fn certificate(self, serial: impl Into<String>) -> Self {
        Self { certificate_serial: serial.into(), ..self }
    }
}

/// Sets what one person does alone of what else needs two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct SetTwoPersonList {
    request_id: Option<RequestId>,
    one_person_operations: Vec<String>,
}

impl SetTwoPersonList {
    /// The whole list needs two persons.
    pub fn whole() -> Self {
        Self::default()
    }

    /// The whole list but for these operations, by their names, such as "SetTerms".
    pub fn without(operations: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let one_person_operations = operations.into_iter().map(Into::into).collect();
        Self { one_person_operations, ..Self::default() }
    }
}

keyed!(SetPerson, SetTwoPersonList);

fn to_set_person(set: &SetPerson) -> v1::SetPersonRequest {
    v1::SetPersonRequest {
        request_id: key(set.request_id),
        person_id: set.person_id.clone(),
        roles: set.roles.iter().map(|role| role.to_wire()).collect(),
        certificate_serial: set.certificate_serial.clone(),
    }
}

fn to_set_list(set: &SetTwoPersonList) -> v1::SetTwoPersonListRequest {
    v1::SetTwoPersonListRequest {
        request_id: key(set.request_id),
        one_person_operations: set.one_person_operations.clone(),
    }
}
