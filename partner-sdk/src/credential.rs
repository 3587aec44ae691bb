//! Credentials: inviting those who shall have one, and looking after those that there are.

use std::time::SystemTime;

use clearing_proto::v1;
use clearing_proto::v1::credential_service_client::CredentialServiceClient;
use prost_types::Timestamp;

use crate::answers::{
    Credential, CredentialScope, CredentialsRevoked, Invite, InvitesCreated, InvitesWithdrawn, IssuedCertificate,
};
use crate::client::{Client, PAGE_SIZE, call};
use crate::error::Error;
use crate::invite::NewInvite;
use crate::outcome::Outcome;
use crate::pages::Pages;
use crate::points::keyed;
use crate::request_id::RequestId;
use crate::wire::{FromWire, each, key, there};

impl Client {
    /// An invite with an id and a secret of its own, to be sent with [`CreateInvites`]. Nothing is asked of the house.
    #[must_use]
    pub fn new_invite(&self) -> NewInvite {
        NewInvite::at(self.now())
    }

    /// Lets the house know of invites: the caller's own, or, for the operator, anybody's.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn create_invites(&self, create: CreateInvites) -> Result<Outcome<InvitesCreated>, Error> {
        let call = call!(CredentialServiceClient::create_invites);
        self.write(create, to_create_invites, call, FromWire::read).await
    }

    /// Takes back invites that were not used.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn withdraw_invites(&self, withdraw: WithdrawInvites) -> Result<Outcome<InvitesWithdrawn>, Error> {
        let call = call!(CredentialServiceClient::withdraw_invites);
        self.write(withdraw, to_withdraw_invites, call, FromWire::read).await
    }

    /// The invites, the newest first.
    pub fn invites(&self, filter: InviteFilter) -> Pages<Invite> {
        self.pages(
            move |page_token| v1::ListInvitesRequest {
                holder: filter.holder.as_ref().map(to_holder),
                open_only: filter.open_only,
                page_size: PAGE_SIZE,
                page_token,
            },
            call!(CredentialServiceClient::list_invites),
            |answer| Ok((each(answer.invites)?, answer.next_page_token)),
        )
    }

    /// The credentials, the newest first.
    pub fn credentials(&self, filter: CredentialFilter) -> Pages<Credential> {
        self.pages(
            move |page_token| v1::ListCredentialsRequest {
                holder: filter.holder.as_ref().map(to_holder),
                valid_only: filter.valid_only,
                serial: filter.serial.clone(),
                page_size: PAGE_SIZE,
                page_token,
            },
            call!(CredentialServiceClient::list_credentials),
            |answer| Ok((each(answer.credentials)?, answer.next_page_token)),
        )
    }

    /// Revokes credentials at once and for good.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn revoke_credentials(&self, revoke: RevokeCredentials) -> Result<Outcome<CredentialsRevoked>, Error> {
        let call = call!(CredentialServiceClient::revoke_credentials);
        self.write(revoke, to_revoke_credentials, call, FromWire::read).await
    }

    /// The successor of the credential that this client has, for the key of a signing request (PKCS#10, DER). Asked again with
    /// the same key it gives the same certificate. A client of a [`CredentialFolder`](crate::CredentialFolder) does this by
    /// itself.
    ///
    /// # Errors
    /// Those of a read; [`Error::Refused`] with the reason `CSR_REFUSED` or `ENROLMENT_OFF`.
    pub async fn renew_certificate(&self, csr: &[u8]) -> Result<IssuedCertificate, Error> {
        let request = || v1::RenewCertificateRequest { csr: csr.to_vec() };
        let call = call!(CredentialServiceClient::renew_certificate);
        self.read(request, call, |answer| FromWire::read(there(answer.issued, "issued")?)).await
    }
}

/// Whose a credential is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Holder {
    /// A brand, or one of its devices: the partner's id.
    Partner(String),
    /// A person of the operator: the name.
    Operator(String),
    /// Somebody who reads the books and changes nothing: the name.
    Auditor(String),
    /// Of a kind that this version of the SDK does not know: its number in the interface, and the id.
    Other(i32, String),
}

impl Holder {
    /// Its id or name.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Partner(id) | Self::Operator(id) | Self::Auditor(id) | Self::Other(_, id) => id,
        }
    }

    /// What it is, as certificates say it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Partner(_) => "partner",
            Self::Operator(_) => "operator",
            Self::Auditor(_) => "auditor",
            Self::Other(..) => "other",
        }
    }
}

impl std::fmt::Display for Holder {
    /// As in a certificate: `partner/grocer`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{}/{}", self.kind(), self.id()))
    }
}

impl FromWire<v1::Holder> for Holder {
    fn read(wire: v1::Holder) -> Result<Self, Error> {
        Ok(match v1::HolderKind::try_from(wire.kind) {
            Ok(v1::HolderKind::Partner) => Self::Partner(wire.id),
            Ok(v1::HolderKind::Operator) => Self::Operator(wire.id),
            Ok(v1::HolderKind::Auditor) => Self::Auditor(wire.id),
            Ok(v1::HolderKind::Unspecified) | Err(_) => Self::Other(wire.kind, wire.id),
        })
    }
}

/// The till or the machine that a credential is for.
///
/// ```
/// use partner_sdk::Device;
///
/// let device = Device::named("7-till-3").store("store-7").till("3").calls_per_second(20);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Device {
    /// Its name, by which it is found in lists: at most 64 characters.
    pub name: String,
    /// The store that it stands in: the only one that what it writes may name. Empty: any.
    pub store: String,
    /// The till that it is: the only one that what it writes may name. Empty: any.
    pub till: String,
    /// Calls that it may make in a second, from 1 to 10,000. 0: no limit but those of its partner.
    pub calls_per_second: i32,
    /// Connections that it may have at once, from 1 to 128. 0: no limit but those of its partner.
    pub connections_max: i32,
}

impl Device {
    /// By this name.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// In this store, and in no other.
    #[must_use]
    pub fn store(self, store: impl Into<String>) -> Self {
        Self { store: store.into(), ..self }
    }

    /// This till, and no other.
    #[must_use]
    pub fn till(self, till: impl Into<String>) -> Self {
        Self { till: till.into(), ..self }
    }

    /// With so many calls in a second at the most.
    #[must_use]
    pub fn calls_per_second(self, calls_per_second: i32) -> Self {
        Self { calls_per_second, ..self }
    }

    /// With so many connections at a time at the most.
    #[must_use]
    pub fn connections_max(self, connections_max: i32) -> Self {
        Self { connections_max, ..self }
    }
}

impl FromWire<v1::Device> for Device {
    fn read(wire: v1::Device) -> Result<Self, Error> {
        Ok(Self {
            name: wire.name,
            store: wire.store,
            till: wire.till,
            calls_per_second: wire.calls_per_second,
            connections_max: wire.connections_max,
        })
    }
}

/// Lets the house know of invites.
///
/// ```no_run
/// # use partner_sdk::{Client, CreateInvites, CredentialScope, Device, Pin};
/// # async fn example(client: Client, ca_pem: &str) -> Result<(), Box<dyn std::error::Error>> {
/// let tills = (1..=4).map(|till| {
///     client.new_invite().device(Device::named(format!("7-{till}")).store("store-7").till(till.to_string()))
/// });
/// let tills: Vec<_> = tills.collect();
/// let create = CreateInvites::new(&tills).scopes([CredentialScope::Issue, CredentialScope::Accept]);
/// client.create_invites(create).await?.accepted()?;
/// let (pin, endpoint) = (Pin::of_pem(ca_pem)?[0], client.server_info().await?.enrolment_endpoint);
/// for till in tills {
///     println!("{}", till.string(&endpoint, pin)?);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct CreateInvites {
    request_id: Option<RequestId>,
    holder: Option<Holder>,
    scopes: Vec<CredentialScope>,
    end_time: Option<SystemTime>,
    /// Their ids, the hashes of their secrets, and their devices.
    invites: Vec<(String, Vec<u8>, Option<Device>)>,
}

impl CreateInvites {
    /// These, 1 to 1,000, for holders of the caller's own credentials. Of a secret only the hash is sent.
    pub fn new<'a>(invites: impl IntoIterator<Item = &'a NewInvite>) -> Self {
        let of = |invite: &NewInvite| (invite.id(), invite.secret_hash(), invite.for_device().cloned());
        Self {
            request_id: None,
            holder: None,
            scopes: Vec::new(),
            end_time: None,
            invites: invites.into_iter().map(of).collect(),
        }
    }

    /// For this holder.
    pub fn holder(mut self, holder: Holder) -> Self {
        self.holder = Some(holder);
        self
    }

    /// The credentials may do this only. Default: all that their holder may do.
    pub fn scopes(mut self, scopes: impl IntoIterator<Item = CredentialScope>) -> Self {
        self.scopes = scopes.into_iter().collect();
        self
    }

    /// Until when the invites can be used, at most 30 days ahead. Default: 24 hours.
    pub fn ends(mut self, time: SystemTime) -> Self {
        self.end_time = Some(time);
        self
    }
}

/// Takes back invites that were not used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct WithdrawInvites {
    request_id: Option<RequestId>,
    invite_ids: Vec<String>,
}

impl WithdrawInvites {
    /// These, by their ids: 1 to 1,000.
    pub fn new(invite_ids: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { request_id: None, invite_ids: invite_ids.into_iter().map(Into::into).collect() }
    }
}

/// Revokes credentials at once and for good.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until a client sends it"]
pub struct RevokeCredentials {
    request_id: Option<RequestId>,
    serials: Vec<String>,
    holder: Option<Holder>,
    reason_code: String,
}

impl RevokeCredentials {
    /// These, by their serial numbers, up to 1,000. `reason_code` says why: a word of `[A-Za-z0-9._:/#-]`, at most 64 characters.
    pub fn serials(serials: impl IntoIterator<Item = impl Into<String>>, reason_code: impl Into<String>) -> Self {
        let serials = serials.into_iter().map(Into::into).collect();
        Self { request_id: None, serials, holder: None, reason_code: reason_code.into() }
    }

    /// All that a holder has, and the invites that it could use.
    pub fn all_of(holder: Holder, reason_code: impl Into<String>) -> Self {
        Self { request_id: None, serials: Vec::new(), holder: Some(holder), reason_code: reason_code.into() }
    }
}

keyed!(CreateInvites, WithdrawInvites, RevokeCredentials);

/// Which invites to list; what is not said does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use = "a filter lists nothing until it is asked with"]
pub struct InviteFilter {
    holder: Option<Holder>,
    open_only: bool,
}

impl InviteFilter {
    /// All that the caller may see.
    pub fn all() -> Self {
        Self::default()
    }

    /// Those of one holder.
    pub fn holder(mut self, holder: Holder) -> Self {
        self.holder = Some(holder);
        self
    }

    /// Those that can be used.
    pub fn open(mut self) -> Self {
        self.open_only = true;
        self
    }
}

/// Which credentials to list; what is not said does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use = "a filter lists nothing until it is asked with"]
pub struct CredentialFilter {
    holder: Option<Holder>,
    valid_only: bool,
    serial: String,
}

impl CredentialFilter {
    /// All that the caller may see.
    pub fn all() -> Self {
        Self::default()
    }

    /// Those of one holder.
    pub fn holder(mut self, holder: Holder) -> Self {
        self.holder = Some(holder);
        self
    }

    /// Those that can be used.
    pub fn valid(mut self) -> Self {
        self.valid_only = true;
        self
    }

    /// The one of this serial number.
    pub fn serial(mut self, serial: impl Into<String>) -> Self {
        self.serial = serial.into();
        self
    }
}

fn to_holder(holder: &Holder) -> v1::Holder {
    let kind = match holder {
        Holder::Partner(_) => v1::HolderKind::Partner.into(),
        Holder::Operator(_) => v1::HolderKind::Operator.into(),
        Holder::Auditor(_) => v1::HolderKind::Auditor.into(),
        Holder::Other(kind, _) => *kind,
    };
    v1::Holder { kind, id: holder.id().to_owned() }
}

fn to_device(device: &Device) -> v1::Device {
    v1::Device {
        name: device.name.clone(),
        store: device.store.clone(),
        till: device.till.clone(),
        calls_per_second: device.calls_per_second,
        connections_max: device.connections_max,
    }
}

fn to_create_invites(create: &CreateInvites) -> v1::CreateInvitesRequest {
    let invite = |(id, hash, device): &(String, Vec<u8>, Option<Device>)| v1::NewInvite {
        invite_id: id.clone(),
        secret_hash: hash.clone(),
        device: device.as_ref().map(to_device),
    };
    v1::CreateInvitesRequest {
        request_id: key(create.request_id),
        holder: create.holder.as_ref().map(to_holder),
        scopes: create.scopes.iter().map(|scope| scope.to_wire()).collect(),
        end_time: create.end_time.map(Timestamp::from),
        invites: create.invites.iter().map(invite).collect(),
    }
}

fn to_withdraw_invites(withdraw: &WithdrawInvites) -> v1::WithdrawInvitesRequest {
    v1::WithdrawInvitesRequest { request_id: key(withdraw.request_id), invite_ids: withdraw.invite_ids.clone() }
}

fn to_revoke_credentials(revoke: &RevokeCredentials) -> v1::RevokeCredentialsRequest {
    v1::RevokeCredentialsRequest {
        request_id: key(revoke.request_id),
        serials: revoke.serials.clone(),
        holder: revoke.holder.as_ref().map(to_holder),
        reason_code: revoke.reason_code.clone(),
    }
}
