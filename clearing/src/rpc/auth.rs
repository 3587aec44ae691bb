//! Who is calling, and may they ask this?
//!
//! The identity comes from the client's certificate, never from a message. What an identity may ask is data: a table of
//! services and the scope that each needs, the methods that are exceptions, and the scopes of each role. A service that is
//! not in the table is refused to everybody. What a partner's *state* allows is a rule, decided and recorded behind the gate.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use clearing_certs::{Identity, Kind};
use clearing_core::facts::coalition::House;
use clearing_core::facts::credential::{self, Scopes};
use clearing_core::facts::person::{self, PersonId, Roles};
use clearing_core::rejection::Rejection;
use clearing_core::units::{PartnerId, RequestId, Timestamp};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};
use tracing::{Instrument, info_span};

use crate::backroom::Backroom;
use crate::badges::{SHOWN, Shown, TooFast};
use crate::clock::{self, Clock};
use crate::door::Held;
use crate::door::body::{Answered, Asked};
use crate::rpc::complete::Deadline;
use crate::rpc::errors::Fault;
use crate::rpc::reads::Reads;
use crate::rpc::{Context, errors, weight};
use crate::shares::ReadShares;
use crate::tls::Peer;
use crate::writer::DEADLINE;

/// Who is calling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// A brand; or the operator as one, which issues and accepts like any other.
    Partner(PartnerId),
    /// A person of the operator, with its roles as this node knows them. What it may have done by them is looked at again
    /// behind the gate.
    Person(PersonId, Roles),
    /// Reads the books and changes nothing.
    Auditor(String),
}

/// For whom something is asked that has an effect, and by whom of the operator's people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    pub partner: PartnerId,
    pub person: Option<PersonId>,
}

impl Asker {
    /// The key that a request is kept under.
    pub fn key(&self, request: RequestId) -> (PartnerId, RequestId) {
        (self.partner, self.person.map_or(request, |person| person.key(request)))
    }
}

/// As logs and the record of administration name it.
impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.person {
            Some(person) => write!(f, "operator/{person}"),
            None => self.partner.fmt(f),
        }
    }
}

impl Caller {
    /// For whom the caller asks.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` for an auditor.
    pub fn asker(&self) -> Result<Asker, Status> {
        let person = if let Self::Person(person, _) = self { Some(*person) } else { None };
        Ok(Asker { partner: self.partner()?, person })
    }

    /// For whom the caller invites, takes invites back, revokes, and says where it is paid. After the operator's certificates and
    /// accounts its people look, never it as a brand: whoever has a till of it would make people otherwise, and be the second person.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` for an auditor, and for the operator as a brand.
    pub fn keeper(&self) -> Result<Asker, Status> {
        let asker = self.asker()?;
        if asker.partner.is_operator() && asker.person.is_none() {
            return Err(denied(
                "the operator's people look after its certificates and bank accounts: ask as one of them (operator/NAME)",
            ));
        }
        Ok(asker)
    }

    /// The partner that calls.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` for an auditor.
    pub fn partner(&self) -> Result<PartnerId, Status> {
        match self {
            Self::Partner(partner) => Ok(*partner),
            Self::Person(..) => Ok(PartnerId::operator()),
            Self::Auditor(_) => Err(denied("an auditor does not act as a partner")),
        }
    }

    /// Whether the caller sees what belongs to all partners.
    pub fn sees_all(&self) -> bool {
        self.role() != Role::Partner
    }

    /// The partner whose books a call is about: the caller's own where it names none. Only the operator and auditors
    /// may name another.
    ///
    /// # Errors
    /// `PERMISSION_DENIED` for a partner that names another, `INVALID_ARGUMENT` for an auditor that names none.
    pub fn subject(&self, named: &str) -> Result<PartnerId, Status> {
        if named.is_empty() {
            return match self {
                Self::Partner(partner) => Ok(*partner),
                Self::Person(..) => Ok(PartnerId::operator()),
                Self::Auditor(_) => Err(errors::invalid("partner_id", "an auditor has no books; name a partner")),
            };
        }
        let partner: PartnerId = named.parse().map_err(|problem| errors::invalid("partner_id", problem))?;
        if self.sees_all() || *self == Self::Partner(partner) {
            Ok(partner)
        } else {
            Err(denied("a partner sees its own books only"))
        }
    }

    /// As whom it is shown things.
    pub fn role(&self) -> Role {
        match self {
            Self::Partner(_) => Role::Partner,
            Self::Person(..) => Role::Operator,
            Self::Auditor(_) => Role::Auditor,
        }
    }

    /// What it may ask.
    pub fn may(&self, scope: Scope) -> bool {
        let granted = |wanted: Grantee| GRANTS.iter().any(|(to, scopes)| *to == wanted && scopes.contains(&scope));
        match self {
            Self::Partner(_) => granted(Grantee::Partner),
            Self::Person(_, roles) => roles.iter().any(|role| granted(Grantee::Person(role))),
            Self::Auditor(_) => granted(Grantee::Auditor),
        }
    }

    /// The partner that it is of; an auditor's name.
    pub fn id(&self) -> &str {
        if let Self::Person(..) = self { "operator" } else { self.name() }
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Partner(partner) => partner.as_str(),
            Self::Person(person, _) => person.as_str(),
            Self::Auditor(name) => name,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Partner,
    Operator,
    Auditor,
}

/// To whom scopes are granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grantee {
    Partner,
    /// A person of the operator with this role. With several it has the scopes of all of them.
    Person(person::Role),
    Auditor,
}

/// What an operation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Issue, redeem, reserve, return, reverse, transfer; balances, holds, notices and own entries.
    Points,
    /// What a member has.
    Members,
    /// Positions, statements, obligations and orders: own ones, or all for the operator and auditors.
    Position,
    /// Partners, their terms and limits.
    Partner,
    /// The points of members: decay, goodwill.
    Care,
    /// Windows, settlements, funds, the calendar.
    Settlement,
    /// Decay, which takes points of members.
    Decay,
    /// Invites and credentials: own ones, or all for the operator.
    Credential,
    /// Ending these, and stopping changes of bank accounts, which never waits.
    Revocation,
    /// Where partners are paid: the own account, or all for the operator.
    BankAccount,
    /// The people of the operator, and what needs two of them.
    People,
    /// What others have proposed: approving and refusing it.
    Approval,
    /// What one has proposed oneself: taking it back.
    Withdrawal,
    /// The whole books.
    Report,
    /// Members and entries, as they are looked for to help somebody.
    MemberReport,
    /// The sandbox's clock.
    Sandbox,
    /// What anybody with a certificate may know.
    Info,
}

/// The scopes of each role.
pub const GRANTS: [(Grantee, &[Scope]); 6] = [
    (
        Grantee::Partner,
        &[
            Scope::Points,
            Scope::Members,
            Scope::Position,
            Scope::Credential,
            Scope::Revocation,
            Scope::BankAccount,
            Scope::Sandbox,
            Scope::Info,
        ],
    ),
    (
        Grantee::Person(person::Role::Clerk),
        &[
            Scope::Points,
            Scope::Members,
            Scope::Position,
            Scope::Partner,
            Scope::Care,
            Scope::Decay,
            Scope::Settlement,
            Scope::Credential,
            Scope::Revocation,
            Scope::BankAccount,
            Scope::People,
            Scope::Withdrawal,
            Scope::Report,
            Scope::MemberReport,
            Scope::Sandbox,
            Scope::Info,
        ],
    ),
    (
        Grantee::Person(person::Role::Approver),
        &[
            Scope::Members,
            Scope::Position,
            Scope::Revocation,
            Scope::Approval,
            Scope::Withdrawal,
            Scope::Report,
            Scope::MemberReport,
            Scope::Sandbox,
            Scope::Info,
        ],
    ),
    (
        Grantee::Person(person::Role::Support),
        &[Scope::Members, Scope::Care, Scope::Withdrawal, Scope::MemberReport, Scope::Info],
    ),
    (
        Grantee::Person(person::Role::Auditor),
        &[Scope::Members, Scope::Position, Scope::Report, Scope::MemberReport, Scope::Sandbox, Scope::Info],
    ),
    (Grantee::Auditor, &[Scope::Position, Scope::Report, Scope::MemberReport, Scope::Sandbox, Scope::Info]),
];

/// The scope that the operations of each service need. A method of no service here is refused to everybody.
pub const SERVICES: [(&str, Scope); 26] = [
    ("coalition.clearing.v1.IssueService", Scope::Points),
    ("coalition.clearing.v1.RedemptionService", Scope::Points),
    ("coalition.clearing.v1.HoldService", Scope::Points),
    ("coalition.clearing.v1.PurchaseService", Scope::Points),
    ("coalition.clearing.v1.ReversalService", Scope::Points),
    ("coalition.clearing.v1.TransferService", Scope::Points),
    ("coalition.clearing.v1.RequestService", Scope::Points),
    ("coalition.clearing.v1.EntryService", Scope::Points),
    ("coalition.clearing.v1.ReceiptService", Scope::Points),
    ("coalition.clearing.v1.MemberService", Scope::Members),
    ("coalition.clearing.v1.NoticeService", Scope::Points),
    ("coalition.clearing.v1.PositionService", Scope::Position),
    ("coalition.clearing.v1.PartnerService", Scope::Partner),
    ("coalition.clearing.v1.CareService", Scope::Care),
    ("coalition.clearing.v1.SettlementService", Scope::Settlement),
    ("coalition.clearing.v1.CredentialService", Scope::Credential),
    ("coalition.clearing.v1.BankAccountService", Scope::BankAccount),
    ("coalition.clearing.v1.PeopleService", Scope::People),
    ("coalition.clearing.v1.ApprovalService", Scope::Approval),
    ("coalition.clearing.v1.ReportService", Scope::Report),
    ("coalition.clearing.v1.AdminService", Scope::Report),
    ("coalition.clearing.v1.SandboxService", Scope::Sandbox),
    ("coalition.clearing.v1.InfoService", Scope::Info),
    ("grpc.health.v1.Health", Scope::Info),
    ("grpc.reflection.v1.ServerReflection", Scope::Info),
    ("grpc.reflection.v1alpha.ServerReflection", Scope::Info),
];

/// The operations that need another scope than their service.
pub const EXCEPTIONS: [(&str, Scope); 19] = [
    ("/coalition.clearing.v1.SettlementService/PreviewSettlement", Scope::Report),
    ("/coalition.clearing.v1.PartnerService/ListPartners", Scope::Report),
    ("/coalition.clearing.v1.PartnerService/GetPartner", Scope::Report),
    ("/coalition.clearing.v1.BankAccountService/StopBankAccountChange", Scope::Revocation),
    // Partners see their own; the scope is one that all have.
    ("/coalition.clearing.v1.BankAccountService/ListBankAccounts", Scope::Position),
    ("/coalition.clearing.v1.CareService/RunDecay", Scope::Decay),
    ("/coalition.clearing.v1.CareService/DecayMembers", Scope::Decay),
    ("/coalition.clearing.v1.PeopleService/ListPeople", Scope::Report),
    // Who looks after members only sees its own.
    ("/coalition.clearing.v1.ApprovalService/ListProposals", Scope::MemberReport),
    ("/coalition.clearing.v1.ApprovalService/GetProposal", Scope::MemberReport),
    ("/coalition.clearing.v1.ApprovalService/WithdrawProposal", Scope::Withdrawal),
    ("/coalition.clearing.v1.ReportService/FindEntries", Scope::MemberReport),
    ("/coalition.clearing.v1.ReportService/ListMembers", Scope::MemberReport),
    // Partners see those that they have a part in; the scope is one that all have.
    ("/coalition.clearing.v1.EntryService/GetEntry", Scope::Position),
    ("/coalition.clearing.v1.CredentialService/ListInvites", Scope::Position),
    ("/coalition.clearing.v1.CredentialService/ListCredentials", Scope::Position),
    ("/coalition.clearing.v1.CredentialService/WithdrawInvites", Scope::Revocation),
    ("/coalition.clearing.v1.CredentialService/RevokeCredentials", Scope::Revocation),
    // Whoever has a certificate may have its successor.
    ("/coalition.clearing.v1.CredentialService/RenewCertificate", Scope::Info),
];

/// What a partner's credential has to be for, where it is not for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Every credential may.
    Any,
    /// One of these.
    One(&'static [credential::Scope]),
    /// Only one that is for all: no scope is for it.
    Whole,
}

/// What the operations of each service need of a credential.
const USES: &[(&str, Use)] = &[
    ("IssueService", Use::One(&[credential::Scope::Issue])),
    ("PurchaseService", Use::One(&[credential::Scope::Issue])),
    ("ReversalService", Use::One(&[credential::Scope::Issue])),
    ("RedemptionService", Use::One(&[credential::Scope::Accept])),
    ("HoldService", Use::One(&[credential::Scope::Accept])),
    ("TransferService", Use::One(&[credential::Scope::App])),
    // Whoever may write may give up what it wrote.
    ("RequestService", Use::One(&[credential::Scope::Issue, credential::Scope::Accept, credential::Scope::App])),
    ("EntryService", Use::One(&[credential::Scope::Read])),
    ("ReceiptService", Use::One(&[credential::Scope::Read])),
    ("MemberService", Use::One(&[credential::Scope::Read])),
    ("NoticeService", Use::One(&[credential::Scope::Read])),
    ("PositionService", Use::One(&[credential::Scope::Settle])),
    ("CredentialService", Use::One(&[credential::Scope::Credentials])),
    ("SandboxService", Use::Any),
    ("InfoService", Use::Any),
];

/// What a credential must be for, by the path of a method.
pub fn needed(path: &str) -> Use {
    let Some((service, method)) = path.strip_prefix('/').and_then(|path| path.split_once('/')) else {
        return Use::Whole;
    };
    if method == "RenewCertificate" {
        return Use::Any;
    }
    // Whoever may see what is paid may say no to where; no till and no app moves it.
    if matches!(method, "StopBankAccountChange" | "ListBankAccounts") {
        return Use::One(&[credential::Scope::Settle]);
    }
    match service.strip_prefix("coalition.clearing.v1.") {
        Some(service) => USES.iter().find(|(name, _)| *name == service).map_or(Use::Whole, |(_, needed)| *needed),
        // Health and reflection.
        None => Use::Any,
    }
}

/// Whether a credential is for a method.
///
/// # Errors
/// `PERMISSION_DENIED`, naming the scope that it lacks (rule `scopes`).
fn check_use(scopes: Scopes, path: &str) -> Result<(), Status> {
    match needed(path) {
        Use::Any => Ok(()),
        Use::One(any) if any.iter().any(|scope| scopes.allows(*scope)) => Ok(()),
        Use::One(any) => Err(out_of_scope(scopes, any[0])),
        Use::Whole if scopes.is_whole() => Ok(()),
        Use::Whole => Err(denied(&format!(
            "this credential is for {scopes} alone, and this call needs one without scopes, which is for everything"
        ))),
    }
}

/// Whether the credential of the call that is answered is for something more than its method needs.
///
/// # Errors
/// `PERMISSION_DENIED`, naming the scope.
pub(crate) fn check_allows(scope: credential::Scope) -> Result<(), Status> {
    let scopes = SHOWN.try_with(|shown| shown.scopes()).map_err(|_| errors::internal())?;
    if scopes.allows(scope) { Ok(()) } else { Err(out_of_scope(scopes, scope)) }
}

fn out_of_scope(scopes: Scopes, missing: credential::Scope) -> Status {
    let missing = missing.as_str();
    let message = format!("this credential is for {scopes} alone; this call needs one with the scope {missing}");
    errors::broken_at(Fault::PermissionDenied, message, None, [("scope", missing.to_owned())])
}

/// The scope that a method needs, by its path: `/SERVICE/METHOD`.
pub fn scope(path: &str) -> Option<Scope> {
    let exception = EXCEPTIONS.iter().find(|(method, _)| *method == path);
    let (service, _) = path.strip_prefix('/')?.split_once('/')?;
    exception.or_else(|| SERVICES.iter().find(|(name, _)| *name == service)).map(|(_, scope)| *scope)
}

/// Decides whether a peer may call a method, against the house as it is now.
///
/// # Errors
/// `UNAUTHENTICATED` without an identity of this coalition, `UNIMPLEMENTED` for a method that there is not,
/// `PERMISSION_DENIED` otherwise.
pub fn authorize(identity: &Identity, method: &str, house: &House, now: Timestamp) -> Result<Caller, Status> {
    let caller = match identity.kind {
        Kind::Auditor => Caller::Auditor(identity.id.clone()),
        Kind::Operator => {
            let person: PersonId =
                identity.id.parse().map_err(|_| unauthenticated("the certificate names no person of the operator"))?;
            let roles = house.people.roles_at(person, now);
            if roles.is_none() {
                return Err(denied("this person has no role in this coalition; clearing person roles gives one"));
            }
            Caller::Person(person, roles)
        }
        Kind::Partner => {
            let partner: PartnerId =
                identity.id.parse().map_err(|_| unauthenticated("the certificate names no partner id"))?;
            if !house.partners.contains_key(&partner) {
                return Err(denied("the certificate names a partner that this coalition does not have"));
            }
            Caller::Partner(partner)
        }
    };
    let Some(scope) = scope(method) else {
        return Err(errors::broken(Fault::Unimplemented, "the house has no such method", None));
    };
    if caller.may(scope) {
        return Ok(caller);
    }
    Err(match &caller {
        Caller::Partner(partner) if partner.is_operator() => denied(
            "partner/operator is the operator as a brand. Its people have certificates of their own, operator/NAME: call \
             with one of these",
        ),
        Caller::Person(person, roles) => denied(&format!(
            "operator/{person} has the roles {roles}, which do not allow this call; clearing person list tells who may"
        )),
        Caller::Partner(_) | Caller::Auditor(_) => denied("this certificate does not allow this call"),
    })
}

pub(crate) fn denied(message: &str) -> Status {
    errors::broken(Fault::PermissionDenied, message, None)
}

fn unauthenticated(message: &str) -> Status {
    errors::broken(Fault::Unauthenticated, message, None)
}

/// The caller that [`AuthLayer`] has found.
///
/// # Errors
/// `UNAUTHENTICATED` if the call did not come through the layer.
pub fn caller<T>(request: &tonic::Request<T>) -> Result<Caller, Status> {
    request.extensions().get::<Caller>().cloned().ok_or_else(|| unauthenticated("no certificate was shown"))
}

/// Puts the caller into every request, or answers it; admits it, and counts what it takes; gives it its span; keeps its
/// deadline; lets reads take turns.
#[derive(Clone)]
pub struct AuthLayer(Desk);

/// What all calls are looked at with.
#[derive(Clone)]
struct Desk {
    view: View,
    reads: Reads,
    backroom: Option<Backroom>,
}

impl AuthLayer {
    pub fn new(house: Arc<ArcSwapOption<House>>) -> Self {
        let view = View { house, fresh: None, clock: Clock::system() };
        Self(Desk { view, reads: Reads::new(ReadShares::default()), backroom: None })
    }

    /// The same, for a house whose partners may be created on another node: a partner that this node does not know is
    /// looked for before it is refused.
    pub fn looking(context: Context) -> Self {
        let Self(desk) = Self::new(Arc::clone(&context.house));
        let (read, clock) = (Mutex::new(Instant::now()), context.clock.clone());
        let view = View { fresh: Some(Arc::new(Fresh { context, read })), clock, ..desk.view };
        Self(Desk { view, ..desk })
    }

    /// Lets callers have these shares of the readers.
    #[must_use]
    pub fn with_reads(self, shares: ReadShares) -> Self {
        Self(Desk { reads: Reads::new(shares), ..self.0 })
    }

    /// Answers dear calls there.
    #[must_use]
    pub fn with_backroom(self, backroom: Backroom) -> Self {
        Self(Desk { backroom: Some(backroom), ..self.0 })
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> AuthService<S> {
        AuthService { inner, desk: Arc::new(self.0.clone()) }
    }
}

/// See [`AuthLayer`].
#[derive(Clone)]
pub struct AuthService<S> {
    inner: S,
    /// One thing to be cloned with every call.
    desk: Arc<Desk>,
}

/// The methods of the health service.
const HEALTH: &str = "/grpc.health.v1.Health/";

/// Between two times that this node reads the house because of partners that it does not know.
const LOOK_PAUSE: Duration = Duration::from_millis(250);

/// This node's view of the house.
#[derive(Clone)]
struct View {
    house: Arc<ArcSwapOption<House>>,
    fresh: Option<Arc<Fresh>>,
    /// By which roles are in force.
    clock: Clock,
}

/// How the view is brought up to date.
struct Fresh {
    context: Context,
    /// When it was last begun to be, for a caller that was not known.
    read: Mutex<Instant>,
}

impl Fresh {
    /// Waits for a view that was read after `asked`. Many who ask at the same time wait for one.
    async fn read_after(&self, asked: Instant) -> Result<(), Status> {
        let mut read = self.read.lock().await;
        if *read > asked {
            return Ok(());
        }
        tokio::time::sleep_until(*read + LOOK_PAUSE).await;
        *read = Instant::now();
        self.context.refresh_house().await
    }
}

impl View {
    fn admit(&self, peer: &Peer, method: &str) -> Result<Caller, Status> {
        let house = self.house.load();
        let house = house.as_ref().ok_or_else(|| {
            let message = "the house is not open yet: its database is being migrated, or cannot be reached";
            errors::broken(Fault::NotServing, message, Some(Duration::from_secs(1)))
        })?;
        if let Some(held) = revoked_of(house, peer) {
            return Err(errors::refused(&Rejection::CredentialRevoked { serial: held.serial.to_string() }));
        }
        authorize(&peer.identity, method, house, self.clock.now())
    }

    /// What the house has on the certificate of a peer. It is looked up with the first call on a connection.
    async fn shown(&self, peer: &Peer) -> Result<Arc<Shown>, Status> {
        let held = *peer.connection.held().ok_or_else(|| unauthenticated("no certificate was shown"))?;
        if held.by_own_authority {
            return Ok(Arc::new(Shown::by_own_authority(held)));
        }
        peer.shown.get_or_try_init(|| self.look_up(peer, held)).await.cloned()
    }

    async fn look_up(&self, peer: &Peer, held: Held) -> Result<Arc<Shown>, Status> {
        let Some(fresh) = &self.fresh else { return Ok(Arc::new(Shown::by_hand(held))) };
        let Context { store, devices, door, .. } = &fresh.context;
        let found = store.credential(held.serial).await.map_err(|error| errors::of_store(&error))?;
        let Some(found) = found.filter(|found| found.holder == held.holder) else {
            return Ok(Arc::new(Shown::by_hand(held)));
        };
        let most = found.device.as_ref().map_or(0, |device| usize::from(device.connections_max));
        let open = door.connections_of(peer.connection.name(), held.serial);
        if most > 0 && open > most {
            let message = format!("this device has {open} connections, and {most} are the most that it may have");
            return Err(errors::overloaded_at(message, LOOK_PAUSE, open as u64, most as u64));
        }
        Ok(Arc::new(Shown::of(held, found, devices)))
    }

    /// Whether the peer is one that this view may not hold as it is: a new partner, or a person whose roles may have changed. Who
    /// was revoked stays so, and a look would close its connection before it is told.
    fn misses(&self, peer: &Peer) -> bool {
        let house = self.house.load();
        let known = |house: &Arc<House>| peer.identity.id.parse().is_ok_and(|id| house.partners.contains_key(&id));
        match peer.identity.kind {
            Kind::Partner => house.as_ref().is_some_and(|house| !known(house)),
            Kind::Operator => house.as_ref().is_some_and(|house| revoked_of(house, peer).is_none()),
            Kind::Auditor => false,
        }
    }

    async fn admit_looking(&self, peer: &Peer, method: &str) -> Result<Caller, Status> {
        let admitted = self.admit(peer, method);
        if admitted.is_err()
            && let Some(fresh) = self.fresh.as_ref().filter(|_| self.misses(peer))
        {
            // By itself, as a reading of the house takes many times the memory of all the rest of a call.
            Box::pin(fresh.read_after(Instant::now())).await?;
            return self.admit(peer, method);
        }
        admitted
    }
}

/// What a peer holds, if that was revoked.
fn revoked_of<'a>(house: &House, peer: &'a Peer) -> Option<&'a Held> {
    peer.connection.held().filter(|held| house.revoked.of(held.serial, held.holder, held.begins).is_some())
}

/// Takes a call of those that a device may make.
fn count_call(shown: &Shown) -> Result<(), Status> {
    shown.count_call().map_err(|TooFast { per_second, retry_after }| {
        let message = format!(
            "more than {per_second} calls a second of this device came; ask again in {} ms",
            retry_after.as_millis()
        );
        errors::overloaded_at(message, retry_after, u64::from(per_second) + 1, u64::from(per_second))
    })
}

type Answer<E> = Pin<Box<dyn Future<Output = Result<http::Response<Answered>, E>> + Send>>;

fn refused(status: Status) -> http::Response<Answered> {
    status.into_http::<()>().map(|()| Answered::none())
}

impl<S> Service<http::Request<Body>> for AuthService<S>
where
    S: Service<http::Request<Asked>, Response = http::Response<Body>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = http::Response<Answered>;
    type Error = S::Error;
    type Future = Answer<S::Error>;

    fn poll_ready(&mut self, context: &mut TaskContext<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Answer<S::Error> {
        let refuse = |status: Status| -> Answer<S::Error> { Box::pin(async move { Ok(refused(status)) }) };
        let Some(peer) = request.extensions().get::<Peer>().cloned() else {
            return refuse(unauthenticated("no certificate was shown"));
        };
        let shape = weight::shape(request.uri().path());
        let admitted = match peer.connection.admit(shape.bytes) {
            Ok(admitted) => admitted,
            Err(full) => return refuse(errors::overloaded(&full)),
        };
        let mut request = request.map(|body| Asked::of(body, Arc::clone(&admitted), shape));
        // Taken out of the request, because tonic would answer CANCELLED where the protocol says DEADLINE_EXCEEDED.
        let deadline =
            request.headers_mut().remove("grpc-timeout").and_then(|value| parse_timeout(value.to_str().ok()?));
        // The service that was polled ready is the one to call; the clone takes its place.
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        if request.uri().path().starts_with(HEALTH) {
            // Whoever has a certificate may know how the house is, before it knows its partners.
            let answer = async move { Ok(Answered::of(inner.call(request).await?, admitted, shape).await) };
            return Box::pin(answer);
        }
        let desk = Arc::clone(&self.desk);
        let span = info_span!(
            "call",
            id = %uuid::Uuid::from_u128(clock::fresh_uuid()),
            method = request.uri().path(),
            caller = peer.identity.id,
        );
        let backroom = self.desk.backroom.clone().filter(|_| shape.is_dear());
        let answer = async move {
            let caller = match desk.view.admit_looking(&peer, request.uri().path()).await {
                Ok(caller) => caller,
                Err(status) => return Ok(refused(status)),
            };
            let path = request.uri().path();
            let shown = match Box::pin(desk.view.shown(&peer)).await {
                Ok(shown) => shown,
                Err(status) => return Ok(refused(status)),
            };
            if let Err(status) = check_use(shown.scopes(), path).and_then(|()| count_call(&shown)) {
                return Ok(refused(status));
            }
            // Held until the answer is there.
            let _turn = if Reads::is_read(request.uri().path()) {
                match desk.reads.turn(&caller).await {
                    Ok(turn) => Some(turn),
                    Err(status) => {
                        peer.connection.rest();
                        return Ok(refused(status));
                    }
                }
            } else {
                None
            };
            request.extensions_mut().insert(caller);
            let answer = SHOWN.sync_scope(Arc::clone(&shown), || inner.call(request));
            Ok(Answered::of(SHOWN.scope(shown, answer).await?, admitted, shape).await)
        };
        let Some(deadline) = deadline else { return put(answer.instrument(span), backroom) };
        let end = Instant::now() + deadline;
        let answer = async move {
            match tokio::time::timeout_at(end, DEADLINE.scope(end.into_std(), answer)).await {
                // What streams goes on until then.
                Ok(answer) => answer.map(|mut answer| {
                    answer.extensions_mut().insert(Deadline(end));
                    answer
                }),
                Err(_) => Ok(refused(errors::deadline_exceeded())),
            }
        };
        put(answer.instrument(span), backroom)
    }
}

/// Has an answer made in the backroom, if it is a dear one.
fn put<E: Send + 'static>(
    answer: impl Future<Output = Result<http::Response<Answered>, E>> + Send + 'static,
    backroom: Option<Backroom>,
) -> Answer<E> {
    match backroom {
        Some(backroom) => Box::pin(async move { backroom.run(answer).await }),
        None => Box::pin(answer),
    }
}

/// Reads a `grpc-timeout` header: up to eight digits and a unit.
fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count: u64 =
        digits.parse().ok().filter(|_| digits.len() <= 8 && digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a call takes while it waits is copied several times while it is set up, and there are thousands of them.
    #[test]
    fn what_a_call_takes_while_it_waits_is_no_more_than_four_kibibytes() {
        let inner = tower::service_fn(|_: http::Request<Asked>| {
            Box::pin(async { Ok::<_, std::convert::Infallible>(http::Response::new(Body::empty())) })
        });
        let door = crate::door::Door::default();
        let identity = Identity {
            domain: "points.example".to_owned(),
            kind: Kind::Partner,
            id: "A".to_owned(),
            serial_hex: "01".to_owned(),
            not_before: jiff::Timestamp::MIN,
            not_after: jiff::Timestamp::MAX,
        };
        let connection = door.enter("partner/A").expect("there is room");
        let (identity, remote) = (Arc::new(identity), ([127, 0, 0, 1], 1).into());
        let peer = Peer { identity, remote, connection, shown: Arc::default() };
        let mut service = AuthLayer::new(Arc::default()).layer(inner);
        for timeout in [None, Some("1S")] {
            let mut request = http::Request::new(Body::empty());
            request.extensions_mut().insert(peer.clone());
            if let Some(timeout) = timeout {
                request.headers_mut().insert("grpc-timeout", http::HeaderValue::from_static(timeout));
            }
            let call = service.call(request);
            let bytes = std::mem::size_of_val(&*call);
            assert!(bytes <= 4 << 10, "{bytes}");
        }
    }

    #[test]
    fn a_timeout_is_read_as_the_protocol_writes_it() {
        assert_eq!(parse_timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parse_timeout("1S"), Some(Duration::from_secs(1)));
        assert_eq!(parse_timeout("123456789m"), None, "more than eight digits");
        assert_eq!(parse_timeout("+1S"), None);
        assert_eq!(parse_timeout("m"), None);
        assert_eq!(parse_timeout(""), None);
    }

    /// The methods of the interface, as paths.
    fn methods() -> Vec<String> {
        use prost::Message;
        let set = prost_types::FileDescriptorSet::decode(clearing_proto::FILE_DESCRIPTOR_SET).expect("well formed");
        let of = |package: &str, service: &prost_types::ServiceDescriptorProto| -> Vec<String> {
            let path = |method: &prost_types::MethodDescriptorProto| {
                format!("/{package}.{}/{}", service.name(), method.name())
            };
            service.method.iter().map(path).collect()
        };
        // Those who enrol have no certificate, and a listener of their own.
        let served = |service: &&prost_types::ServiceDescriptorProto| service.name() != "EnrolmentService";
        let services = set
            .file
            .iter()
            .flat_map(|file| file.service.iter().filter(served).flat_map(|service| of(file.package(), service)));
        services.collect()
    }

    #[test]
    fn every_method_of_the_wire_interface_has_a_scope_and_every_line_of_the_tables_a_method() {
        let methods = methods();
        assert!(methods.len() > 50);
        for method in &methods {
            assert!(scope(method).is_some(), "{method} is open to nobody");
        }
        for (service, _) in SERVICES.iter().filter(|(service, _)| service.starts_with("coalition.")) {
            let path = format!("/{service}/");
            assert!(methods.iter().any(|method| method.starts_with(&path)), "there is no {service}");
        }
        for (method, other) in EXCEPTIONS {
            assert!(methods.iter().any(|known| known == method), "there is no {method}");
            let (service, _) = method[1..].split_once('/').unwrap();
            let own = SERVICES.iter().find(|(name, _)| *name == service).map(|(_, scope)| *scope);
            assert_ne!(own, Some(other), "{method} is no exception");
        }
        assert_eq!(scope("/coalition.clearing.v1.IssueServices/IssuePoints"), None);
        assert_eq!(scope("coalition.clearing.v1.IssueService/IssuePoints"), None);
    }
}
