//! CredentialService: who may connect, and who may no longer.

use clearing_core::command::Command;
use clearing_core::facts::answer::{HouseReply, Reply};
use clearing_core::facts::coalition::House;
use clearing_core::facts::credential::{
    Credential, Device, Enrolment, Holder, HolderKind, Invite, InviteState, NewInvite, Revocation, Revoked,
    RevokedFacts, Scope, Scopes, Serial,
};
use clearing_core::facts::origin::Code;
use clearing_core::rules::credential::{CreateInvites, INVITES_MAX, Renew, RevokeCredentials, WithdrawInvites};
use clearing_core::units::{InviteId, PartnerId, Timestamp};
use clearing_proto::v1;
use clearing_proto::v1::credential_service_server::CredentialService;
use tonic::{Request, Response, Status};

use crate::clock;
use crate::rpc::auth::{Asker, Caller};
use crate::rpc::convert::{self, View, from_timestamp};
use crate::rpc::enrolment::check_csr;
use crate::rpc::errors::Fault;
use crate::rpc::written::{accepted, from_written, or_proposed};
use crate::rpc::{Context, auth, bounds, errors, page_size};
use crate::store::CredentialsPart;
use crate::writer::Written;

/// The service, in the house that it works for.
pub struct Service(pub Context);

#[tonic::async_trait]
impl CredentialService for Service {
    async fn create_invites(
        &self,
        request: Request<v1::CreateInvitesRequest>,
    ) -> Result<Response<v1::CreateInvitesResponse>, Status> {
        let asker = auth::caller(&request)?.keeper()?;
        let caller = asker.partner;
        let v1::CreateInvitesRequest { request_id, holder, scopes, end_time, invites } = request.into_inner();
        let command = CreateInvites {
            holder: holder.map(|named| read_holder("holder", named)).transpose()?,
            scopes: read_scopes(scopes)?,
            ends: convert::moment_or_none("end_time", end_time)?,
            invites: invites
                .into_iter()
                .take(INVITES_MAX + 1)
                .enumerate()
                .map(read_invite)
                .collect::<Result<_, Status>>()?,
        };
        let written = self.write(asker, &request_id, command.into()).await?;
        or_proposed!(written, self.0, CreateInvitesResponse);
        let invited = written.entries.first().and_then(|written| written.entry.facts.invited());
        Ok(Response::new(v1::CreateInvitesResponse {
            end_time: invited.and_then(|invited| from_timestamp(invited.ends)),
            written: Some(self.told(caller, &written)),
            proposal_id: String::new(),
        }))
    }

    async fn withdraw_invites(
        &self,
        request: Request<v1::WithdrawInvitesRequest>,
    ) -> Result<Response<v1::WithdrawInvitesResponse>, Status> {
        let asker = auth::caller(&request)?.keeper()?;
        let caller = asker.partner;
        let v1::WithdrawInvitesRequest { request_id, invite_ids } = request.into_inner();
        let ids = invite_ids.iter().take(INVITES_MAX + 1).map(|id| convert::id("invite_ids", id));
        let command = WithdrawInvites { invites: ids.collect::<Result<_, Status>>()? };
        let written = self.write(asker, &request_id, command.into()).await?;
        let withdrawn = written.entries.first().and_then(|written| written.entry.facts.withdrawn());
        Ok(Response::new(v1::WithdrawInvitesResponse {
            withdrawn_count: withdrawn
                .map_or(0, |withdrawn| i64::try_from(withdrawn.invites.len()).unwrap_or(i64::MAX)),
            written: Some(self.told(caller, &written)),
            proposal_id: String::new(),
        }))
    }

    async fn list_invites(
        &self,
        request: Request<v1::ListInvitesRequest>,
    ) -> Result<Response<v1::ListInvitesResponse>, Status> {
        let caller = auth::caller(&request)?;
        let v1::ListInvitesRequest { holder, open_only, page_size: size, page_token } = request.into_inner();
        let limit = page_size(size)?;
        let holder = whose(&caller, holder)?;
        let fields = [holder.map_or_else(String::new, |holder| holder.to_string()), open_only.to_string()];
        let list = self.0.opaque.list(&caller, "ListInvites", &fields.each_ref().map(String::as_str));
        let place = list.place(&page_token)?.map(|place| read_place::<InviteId>(&place)).transpose()?;
        let (now, house) = (self.0.clock.now(), self.0.house());
        let part = CredentialsPart {
            holder: holder.as_ref(),
            usable_at: open_only.then_some(now),
            after: place,
            limit: limit + 1,
        };
        let found = self.0.store.invites(part).await.map_err(|error| errors::of_store(&error))?;
        let rows = found.iter().map(|(id, invite)| from_invite(*id, invite, &house, now));
        let (page, more) = bounds::page(rows, limit);
        let last = page.len().checked_sub(1).and_then(|last| found.get(last)).filter(|_| more);
        let token = last.map(|(id, invite)| list.token(&format!("{},{id}", invite.created.0)));
        // Those that were taken back with what they were made with are known by that alone.
        let open = v1::InviteState::Open;
        let invites = page.into_iter().filter(|invite| !open_only || invite.state() == open).collect();
        Ok(Response::new(v1::ListInvitesResponse { invites, next_page_token: token.unwrap_or_default() }))
    }

    async fn list_credentials(
        &self,
        request: Request<v1::ListCredentialsRequest>,
    ) -> Result<Response<v1::ListCredentialsResponse>, Status> {
        let caller = auth::caller(&request)?;
        let v1::ListCredentialsRequest { holder, valid_only, serial, page_size: size, page_token } =
            request.into_inner();
        let limit = page_size(size)?;
        let holder = whose(&caller, holder)?;
        let house = self.0.house();
        let now = clock::machine_time();
        if !serial.is_empty() {
            let serial: Serial = convert::id("serial", &serial)?;
            let found = self.0.store.credential_with_successor(serial).await;
            let found = found.map_err(|error| errors::of_store(&error))?;
            let found = found.filter(|(_, known, _)| holder.is_none_or(|holder| known.holder == holder));
            let found = found.map(|(serial, known, next)| from_credential(serial, &known, next, &house.revoked, now));
            // Of one that was made by hand the number is known, once it was revoked.
            let revoked = house.revoked.serials.get(&serial).filter(|_| caller.sees_all() && holder.is_none());
            let found = found.or_else(|| revoked.map(|revoked| by_hand(serial, revoked)));
            let valid = |found: &v1::Credential| !valid_only || found.state() == v1::CredentialState::Valid;
            let credentials = found.into_iter().filter(valid).collect();
            return Ok(Response::new(v1::ListCredentialsResponse { credentials, next_page_token: String::new() }));
        }
        let fields = [holder.map_or_else(String::new, |holder| holder.to_string()), valid_only.to_string()];
        let list = self.0.opaque.list(&caller, "ListCredentials", &fields.each_ref().map(String::as_str));
        let place = list.place(&page_token)?.map(|place| read_place::<Serial>(&place)).transpose()?;
        let after_hand = place.filter(|(time, _)| *time == BY_HAND).map(|(_, serial)| serial);
        let part = CredentialsPart {
            holder: holder.as_ref(),
            usable_at: valid_only.then_some(now),
            after: place,
            limit: limit + 1,
        };
        let found = if after_hand.is_some() { Ok(Vec::new()) } else { self.0.store.credentials(part).await };
        let found = found.map_err(|error| errors::of_store(&error))?;
        let issued = found.iter().map(|(serial, known, next)| {
            ((known.created, *serial), from_credential(*serial, known, *next, &house.revoked, now))
        });
        // Behind all others those that were made by hand and revoked, of which nothing else is known.
        let last_page = found.len() <= limit && caller.sees_all() && holder.is_none() && !valid_only;
        let hand = house.revoked.serials.iter().filter(|(serial, known)| {
            last_page && known.ends == Timestamp::NEVER && after_hand.is_none_or(|after| **serial > after)
        });
        let hand = hand.map(|(serial, known)| ((BY_HAND, *serial), by_hand(*serial, known)));
        let rows: Vec<((Timestamp, Serial), v1::Credential)> = issued.chain(hand).collect();
        let places: Vec<(Timestamp, Serial)> = rows.iter().map(|(place, _)| *place).collect();
        let (page, more) = bounds::page(rows.into_iter().map(|(_, row)| row), limit);
        let last = page.len().checked_sub(1).and_then(|last| places.get(last)).filter(|_| more);
        let token = last.map(|(time, serial)| list.token(&format!("{},{serial}", time.0)));
        let valid = v1::CredentialState::Valid;
        let credentials = page.into_iter().filter(|known| !valid_only || known.state() == valid).collect();
        Ok(Response::new(v1::ListCredentialsResponse { credentials, next_page_token: token.unwrap_or_default() }))
    }

    async fn revoke_credentials(
        &self,
        request: Request<v1::RevokeCredentialsRequest>,
    ) -> Result<Response<v1::RevokeCredentialsResponse>, Status> {
        let asker = auth::caller(&request)?.keeper()?;
        let caller = asker.partner;
        let v1::RevokeCredentialsRequest { request_id, serials, holder, reason_code } = request.into_inner();
        let serials = serials.iter().take(INVITES_MAX + 1).map(|serial| convert::id("serials", serial));
        let command = RevokeCredentials {
            serials: serials.collect::<Result<_, Status>>()?,
            holder: holder.map(|named| read_holder("holder", named)).transpose()?,
            reason: convert::word("reason_code", &reason_code)?,
        };
        let written = self.write(asker, &request_id, command.into()).await?;
        let revoked = written.entries.first().and_then(|written| written.entry.facts.revoked());
        // Other nodes see it within a second; so does this one where the answer has to go out on what it closes.
        let own = self.0.badge()?;
        let of_own = |revoked: &RevokedFacts| {
            revoked.holder == Some(own.holder) || revoked.serials.iter().any(|(serial, _)| *serial == own.serial)
        };
        if !revoked.is_some_and(of_own) {
            self.0.refresh_house().await?;
        }
        let serials = revoked.map_or(&[][..], |revoked| &revoked.serials);
        Ok(Response::new(v1::RevokeCredentialsResponse {
            revoked_serials: serials.iter().map(|(serial, _)| serial.to_string()).collect(),
            withdrawn_count: revoked.map_or(0, |revoked| i64::from(revoked.invites)),
            written: Some(self.told(caller, &written)),
            proposal_id: String::new(),
        }))
    }

    async fn renew_certificate(
        &self,
        request: Request<v1::RenewCertificateRequest>,
    ) -> Result<Response<v1::RenewCertificateResponse>, Status> {
        auth::caller(&request)?;
        let issuer = self.0.issuer()?;
        let v1::RenewCertificateRequest { csr } = request.into_inner();
        check_csr(&csr)?;
        if self.0.is_by_own_authority() {
            let message = "an authority of the partner's own issued this certificate, and renews it; ask the operator for an invite to \
                           have one of the house";
            return Err(errors::broken(Fault::CredentialUnknown, message, None));
        }
        let badge = self.0.badge()?;
        let (renews, holder) = (badge.serial, badge.holder);
        let made = || {
            let made = issuer.make(&csr, holder, &self.0.house().revoked)?;
            Ok(Command::from(Renew { renews, holder, ended: false, made }))
        };
        let (serial, certificate) = self.0.enrol(made, Some(badge)).await?;
        let issued = self.0.handed_out(serial, &certificate).await?;
        Ok(Response::new(v1::RenewCertificateResponse { issued: Some(issued) }))
    }
}

impl Service {
    async fn write(&self, asker: Asker, request_id: &str, command: Command) -> Result<Written, Status> {
        let written = self.0.ask(asker, request_id, None, command).await?;
        accepted(&written, asker.partner, &self.0)?;
        Ok(written)
    }

    fn told(&self, caller: PartnerId, written: &Written) -> v1::Written {
        let view = if caller.is_operator() { View::Whole } else { View::Part(caller) };
        from_written(written, view, &self.0.opaque)
    }
}

/// What came of it that a credential was asked for.
pub(super) fn enrolment_of(written: &Written) -> Option<Enrolment> {
    match &written.answer.result.as_ref().ok()?.reply {
        Reply::House(HouseReply::Enrolment(enrolment)) => Some(*enrolment),
        Reply::House(_) | Reply::Member(_) | Reply::Abandoned(_) => None,
    }
}

fn read_holder(field: &str, wire: v1::Holder) -> Result<Holder, Status> {
    let kind = match wire.kind() {
        v1::HolderKind::Partner => HolderKind::Partner,
        v1::HolderKind::Operator => HolderKind::Operator,
        v1::HolderKind::Auditor => HolderKind::Auditor,
        v1::HolderKind::Unspecified => {
            let problem = format!("{} is no kind of holder: PARTNER, OPERATOR and AUDITOR are", wire.kind);
            return Err(errors::invalid(&format!("{field}.kind"), problem));
        }
    };
    if wire.id.is_empty() {
        return Err(errors::invalid(&format!("{field}.id"), "is missing"));
    }
    Holder::new(kind, &wire.id).map_err(|problem| errors::invalid(&format!("{field}.id"), problem))
}

pub(super) fn from_holder(holder: Holder) -> v1::Holder {
    let kind = match holder.kind {
        HolderKind::Partner => v1::HolderKind::Partner,
        HolderKind::Operator => v1::HolderKind::Operator,
        HolderKind::Auditor => v1::HolderKind::Auditor,
    };
    v1::Holder { kind: kind.into(), id: holder.id.to_string() }
}

/// A partner id, or `operator/NAME`.
fn from_maker(holder: Holder) -> String {
    match holder.kind {
        HolderKind::Partner => holder.id.to_string(),
        HolderKind::Operator | HolderKind::Auditor => holder.to_string(),
    }
}

fn of_scope(scope: Scope) -> v1::CredentialScope {
    match scope {
        Scope::Issue => v1::CredentialScope::Issue,
        Scope::Accept => v1::CredentialScope::Accept,
        Scope::Read => v1::CredentialScope::Read,
        Scope::Settle => v1::CredentialScope::Settle,
        Scope::App => v1::CredentialScope::App,
        Scope::Credentials => v1::CredentialScope::Credentials,
    }
}

fn read_scopes(wire: Vec<i32>) -> Result<Scopes, Status> {
    let scope = |number: i32| {
        let known = Scope::ALL.into_iter().find(|scope| i32::from(of_scope(*scope)) == number);
        known.ok_or_else(|| errors::invalid("scopes", format!("{number} is no scope")))
    };
    wire.into_iter().map(scope).collect()
}

fn from_scopes(scopes: Scopes) -> Vec<i32> {
    scopes.iter().map(|scope| of_scope(scope).into()).collect()
}

/// An invite with its place among those of the request.
fn read_invite((at, wire): (usize, v1::NewInvite)) -> Result<NewInvite, Status> {
    let v1::NewInvite { invite_id, secret_hash, device } = wire;
    let within = format!("invites[{at}]");
    let length = secret_hash.len();
    let wrong =
        |_| errors::invalid(&format!("{within}.secret_hash"), format!("{length} bytes, and a SHA-256 hash has 32"));
    let secret = secret_hash.try_into().map_err(wrong)?;
    let id = convert::id(&format!("{within}.invite_id"), &invite_id)?;
    let device = device.map(|device| read_device(&format!("{within}.device"), device)).transpose()?;
    Ok(NewInvite { id, secret, device })
}

/// `within`: the field of the device in the message.
fn read_device(within: &str, wire: v1::Device) -> Result<Device, Status> {
    let v1::Device { name, store, till, calls_per_second, connections_max } = wire;
    let name = Code::new(&name).map_err(|problem| errors::invalid(&format!("{within}.name"), problem))?;
    let number = |field: &str, number: i32, most: u16| {
        let fits = u16::try_from(number).ok().filter(|number| *number <= most);
        fits.ok_or_else(|| errors::invalid(&format!("{within}.{field}"), format!("{number} is not from 0 to {most}")))
    };
    Ok(Device {
        name,
        store: convert::code_or_none(&format!("{within}.store"), &store)?,
        till: convert::code_or_none(&format!("{within}.till"), &till)?,
        calls_per_second: number("calls_per_second", calls_per_second, Device::CALLS_PER_SECOND_MAX)?,
        connections_max: number("connections_max", connections_max, Device::CONNECTIONS_MAX)?,
    })
}

fn from_device(device: &Device) -> v1::Device {
    let code = |code: &Option<Code>| code.as_ref().map_or_else(String::new, |code| code.as_str().to_owned());
    v1::Device {
        name: device.name.as_str().to_owned(),
        store: code(&device.store),
        till: code(&device.till),
        calls_per_second: i32::from(device.calls_per_second),
        connections_max: i32::from(device.connections_max),
    }
}

/// Of whom a list is asked for: a partner sees its own, the operator and auditors those of anybody, or all.
fn whose(caller: &Caller, named: Option<v1::Holder>) -> Result<Option<Holder>, Status> {
    let named = named.map(|named| read_holder("holder", named)).transpose()?;
    if caller.sees_all() {
        return Ok(named);
    }
    let own = Holder::partner(caller.partner()?);
    if named.is_some_and(|named| named != own) {
        return Err(auth::denied("a partner sees its own credentials only"));
    }
    Ok(Some(own))
}

fn read_place<T: std::str::FromStr>(place: &str) -> Result<(Timestamp, T), Status> {
    let read = place.split_once(',').and_then(|(time, id)| Some((Timestamp(time.parse().ok()?), id.parse().ok()?)));
    read.ok_or_else(|| errors::invalid("page_token", "is none of this list"))
}

fn from_invite(id: InviteId, invite: &Invite, house: &House, now: Timestamp) -> v1::Invite {
    let state = match invite.state(&house.revoked, &house.people, now) {
        InviteState::Open => v1::InviteState::Open,
        InviteState::Used => v1::InviteState::Used,
        InviteState::Withdrawn => v1::InviteState::Withdrawn,
        InviteState::MadeAlone => v1::InviteState::MadeAlone,
        InviteState::Ended => v1::InviteState::Ended,
    };
    v1::Invite {
        invite_id: id.to_string(),
        holder: Some(from_holder(invite.holder)),
        device: invite.device.as_ref().map(from_device),
        scopes: from_scopes(invite.scopes),
        state: state.into(),
        create_time: from_timestamp(invite.created),
        end_time: from_timestamp(invite.ends),
        created_by: from_maker(invite.by),
        serial: invite.used.map_or_else(String::new, |(_, serial)| serial.to_string()),
        foreign_attempt_count: i64::from(invite.foreign_attempts),
    }
}

/// The time in the place of those that were made by hand: behind all others.
const BY_HAND: Timestamp = Timestamp(i64::MIN);

/// What is known of a certificate that the house did not issue: that it was revoked.
fn by_hand(serial: Serial, revoked: &Revocation) -> v1::Credential {
    v1::Credential {
        serial: serial.to_string(),
        state: v1::CredentialState::Revoked.into(),
        revoke_time: from_timestamp(revoked.time),
        revoked_by: from_maker(revoked.by),
        revoke_reason_code: revoked.reason.as_str().to_owned(),
        ..v1::Credential::default()
    }
}

fn from_credential(
    serial: Serial,
    known: &Credential,
    successor: Option<Serial>,
    revoked: &Revoked,
    now: Timestamp,
) -> v1::Credential {
    let revocation = revoked.of(serial, known.holder, known.begins);
    let state = match revocation {
        Some(_) => v1::CredentialState::Revoked,
        None if known.ends < now => v1::CredentialState::Ended,
        None => v1::CredentialState::Valid,
    };
    let text = |serial: Option<Serial>| serial.map_or_else(String::new, |serial| serial.to_string());
    v1::Credential {
        serial: serial.to_string(),
        holder: Some(from_holder(known.holder)),
        device: known.device.as_ref().map(from_device),
        scopes: from_scopes(known.scopes),
        state: state.into(),
        create_time: from_timestamp(known.created),
        renew_time: from_timestamp(known.renew_from()),
        end_time: from_timestamp(known.ends),
        revoke_time: revocation.and_then(|revocation| from_timestamp(revocation.time)),
        revoked_by: revocation.map_or_else(String::new, |revocation| from_maker(revocation.by)),
        revoke_reason_code: revocation.map_or_else(String::new, |revocation| revocation.reason.as_str().to_owned()),
        invite_id: known.invite.map_or_else(String::new, |invite| invite.to_string()),
        renews_serial: text(known.renews),
        renewed_by_serial: text(successor),
        key_hash: known.key.to_vec(),
    }
}
