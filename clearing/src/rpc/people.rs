//! PeopleService: the people of the operator, and what needs two of them.

use clearing_core::command::Command;
use clearing_core::facts::Facts;
use clearing_core::facts::person::{Person, PersonId, Role, Roles};
use clearing_core::rules::person::{SetPerson, SetTwoPersonList};
use clearing_core::units::Timestamp;
use clearing_proto::v1;
use clearing_proto::v1::people_service_server::PeopleService;
use tonic::{Request, Response, Status};

use crate::rpc::convert::{View, from_timestamp};
use crate::rpc::errors::invalid;
use crate::rpc::settlement::{from_house, house_reply, recorded};
use crate::rpc::written::{first_entry, or_proposed};
use crate::rpc::{Context, auth, bounds, convert, page_size};

/// The service, in the house that it works for.
pub struct Service(pub Context);

#[tonic::async_trait]
impl PeopleService for Service {
    async fn set_person(
        &self,
        request: Request<v1::SetPersonRequest>,
    ) -> Result<Response<v1::SetPersonResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::SetPersonRequest { request_id, person_id, roles, certificate_serial } = request.into_inner();
        let person: PersonId = convert::id("person_id", &person_id)?;
        let roles = roles.into_iter().map(role).collect::<Result<Roles, Status>>()?;
        let certificate = Some(certificate_serial).filter(|serial| !serial.is_empty());
        let certificate = certificate.map(|serial| convert::id("certificate_serial", &serial)).transpose()?;
        let command = SetPerson { person, roles, certificate }.into();
        let written = self.0.ask_house(asker, convert::request_id(&request_id)?, command).await?;
        house_reply(&written, &self.0)?;
        or_proposed!(written, self.0, SetPersonResponse);
        let set = recorded(&written, Facts::person)?;
        let time = first_entry(&written)?.entry.time;
        Ok(Response::new(v1::SetPersonResponse {
            written: from_house(&written, &self.0.opaque),
            proposal_id: String::new(),
            person: Some(from_person(set.person, &set.now, time)),
        }))
    }

    async fn set_two_person_list(
        &self,
        request: Request<v1::SetTwoPersonListRequest>,
    ) -> Result<Response<v1::SetTwoPersonListResponse>, Status> {
        let asker = auth::caller(&request)?.asker()?;
        let v1::SetTwoPersonListRequest { request_id, one_person_operations } = request.into_inner();
        let known = Command::names_of_two();
        if let Some(unknown) = one_person_operations.iter().find(|name| !known.contains(&name.as_str())) {
            let named = clearing_core::units::shown(unknown);
            let problem = format!("{named} is no operation of the list; those are {}", known.join(", "));
            return Err(invalid("one_person_operations", problem));
        }
        let command = SetTwoPersonList { alone: one_person_operations.into_iter().collect() }.into();
        let written = self.0.ask_house(asker, convert::request_id(&request_id)?, command).await?;
        house_reply(&written, &self.0)?;
        or_proposed!(written, self.0, SetTwoPersonListResponse);
        let one_person_operations = recorded(&written, Facts::alone)?.operations.iter().cloned().collect();
        Ok(Response::new(v1::SetTwoPersonListResponse {
            written: from_house(&written, &self.0.opaque),
            proposal_id: String::new(),
            one_person_operations,
        }))
    }

    async fn list_people(
        &self,
        request: Request<v1::ListPeopleRequest>,
    ) -> Result<Response<v1::ListPeopleResponse>, Status> {
        let caller = auth::caller(&request)?;
        let v1::ListPeopleRequest { page_size: size, page_token } = request.into_inner();
        let limit = page_size(size)?;
        let list = self.0.opaque.list(&caller, "ListPeople", &[]);
        let after = list.place(&page_token)?.unwrap_or_default();
        self.0.refresh_house().await?;
        let (house, now) = (self.0.house(), self.0.clock.now());
        let people = &house.people;
        let following = people.persons.iter().filter(|(person, _)| person.as_str() > after.as_str());
        let (page, more) = bounds::page(following.map(|(id, person)| from_person(*id, person, now)), limit);
        let last = page.last().filter(|_| more);
        let next_page_token = last.map_or_else(String::new, |last| list.token(&last.person_id));
        let (alone, together): (Vec<&str>, Vec<&str>) =
            Command::names_of_two().into_iter().partition(|name| people.alone.contains(*name));
        let words = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
        Ok(Response::new(v1::ListPeopleResponse {
            people: page,
            next_page_token,
            two_persons: people.are_two(now),
            two_person_operations: words(together),
            one_person_operations: words(alone),
        }))
    }
}

fn role(number: i32) -> Result<Role, Status> {
    match v1::PersonRole::try_from(number) {
        Ok(v1::PersonRole::Clerk) => Ok(Role::Clerk),
        Ok(v1::PersonRole::Approver) => Ok(Role::Approver),
        Ok(v1::PersonRole::Support) => Ok(Role::Support),
        Ok(v1::PersonRole::Auditor) => Ok(Role::Auditor),
        Ok(v1::PersonRole::Unspecified) | Err(_) => {
            Err(invalid("roles", format!("{number} is no role; give CLERK, APPROVER, SUPPORT or AUDITOR")))
        }
    }
}

fn from_roles(roles: Roles) -> Vec<i32> {
    let role = |role| match role {
        Role::Clerk => v1::PersonRole::Clerk,
        Role::Approver => v1::PersonRole::Approver,
        Role::Support => v1::PersonRole::Support,
        Role::Auditor => v1::PersonRole::Auditor,
    };
    roles.iter().map(|one| role(one).into()).collect()
}

fn from_person(id: PersonId, person: &Person, now: Timestamp) -> v1::Person {
    let (since, coming) = (from_timestamp(person.since), person.since > now);
    v1::Person {
        person_id: id.to_string(),
        roles: from_roles(person.roles_at(now)),
        since_time: since.filter(|_| !coming),
        coming_roles: if coming { from_roles(person.roles) } else { Vec::new() },
        coming_time: since.filter(|_| coming),
    }
}
