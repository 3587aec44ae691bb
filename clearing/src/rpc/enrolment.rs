//! EnrolmentService: how somebody who was invited gets a certificate. It is served on a listener of its own
//! ([`crate::enrolment`]), where nobody is known yet.

use std::sync::Arc;
use std::time::Duration;

use clearing_certs::{CertError, is_vouched_for, parse_identity, verify_holder};
use clearing_core::command::Command;
use clearing_core::facts::credential::{Badge, Credential, Enrolment, Scopes, Serial};
use clearing_core::rules::credential::{Enroll, Renew};
use clearing_core::units::{InviteId, Timestamp};
use clearing_proto::v1;
use clearing_proto::v1::enrolment_service_server::EnrolmentService;
use sha2::{Digest as _, Sha256};
use tonic::{Request, Response, Status};
use tracing::warn;

use crate::clock;
use crate::door::Held;
use crate::enrolment::{Guest, Issuer, Limits, pem};
use crate::rpc::convert::{self, from_timestamp};
use crate::rpc::credential::{enrolment_of, from_holder};
use crate::rpc::errors::Fault;
use crate::rpc::{Context, errors};
use crate::scheduler::own_work;
use crate::tls;

/// The longest secret of an invite, in bytes.
const SECRET_MAX: usize = 64;

/// The service, in the house that it works for.
pub struct Service {
    pub context: Context,
    pub limits: Limits,
}

#[tonic::async_trait]
impl EnrolmentService for Service {
    async fn enroll(&self, request: Request<v1::EnrollRequest>) -> Result<Response<v1::EnrollResponse>, Status> {
        let from = self.admit(&request)?;
        let issuer = self.context.issuer()?;
        let v1::EnrollRequest { invite_id, secret, csr } = request.into_inner();
        check_csr(&csr)?;
        let id: InviteId = convert::id("invite_id", &invite_id)?;
        if secret.is_empty() || secret.len() > SECRET_MAX {
            return Err(errors::invalid(
                "secret",
                format!("{} bytes, and 1 to {SECRET_MAX} are allowed", secret.len()),
            ));
        }
        let secret = Sha256::digest(&secret).into();
        let found = self.context.store.invite(id).await.map_err(|error| errors::of_store(&error))?;
        let invite =
            found.filter(|invite| invite.secret == secret).ok_or_else(|| refused(&Enrolment::UnknownInvite))?;
        let made = || {
            let made = issuer.make(&csr, invite.holder, &self.context.house().revoked)?;
            Ok(Command::from(Enroll { invite: id, secret, made }))
        };
        let enrolled = self.context.enrol(made, None).await;
        if let Err(Refused::Enrolment(Enrolment::UsedInvite(_))) = &enrolled {
            let (made_by, holder) = (invite.by, invite.holder);
            warn!(
                invite = %id, %holder, %made_by, address = %from,
                "an invite that was used was shown with another key: somebody else has seen its string"
            );
        }
        let (serial, certificate) = enrolled?;
        let issued = self.context.handed_out(serial, &certificate).await?;
        Ok(Response::new(v1::EnrollResponse { issued: Some(issued) }))
    }

    async fn renew_ended(
        &self,
        request: Request<v1::RenewEndedRequest>,
    ) -> Result<Response<v1::RenewEndedResponse>, Status> {
        self.admit(&request)?;
        let issuer = self.context.issuer()?;
        let v1::RenewEndedRequest { certificate, csr, signature } = request.into_inner();
        check_csr(&csr)?;
        let unknown = || refused(&Enrolment::UnknownCredential);
        verify_holder(&certificate, &csr, &signature).map_err(|error| {
            let field = if matches!(error, CertError::HolderSignature) { "signature" } else { "certificate" };
            errors::invalid(field, error)
        })?;
        let vouched = is_vouched_for(&issuer.authorities_pem(), &certificate);
        let vouched = vouched.map_err(|error| errors::invalid("certificate", error))?;
        let identity = parse_identity(&certificate).map_err(|problem| errors::invalid("certificate", problem))?;
        if identity.domain != issuer.domain() {
            return Err(unknown());
        }
        let Held { serial, holder, begins, .. } =
            tls::held(&identity).map_err(|problem| errors::invalid("certificate", problem))?;
        // An authority that was replaced issued it, and the house remembers.
        if !vouched && self.context.issued(serial).await?.as_ref() != Some(&certificate) {
            return Err(unknown());
        }
        let badge = Badge { serial, holder, scopes: Scopes::WHOLE, begins, now: clock::machine_time() };
        let made = || {
            let made = issuer.make(&csr, holder, &self.context.house().revoked)?;
            Ok(Command::from(Renew { renews: serial, holder, ended: true, made }))
        };
        let (serial, certificate) = self.context.enrol(made, Some(badge)).await?;
        let issued = self.context.handed_out(serial, &certificate).await?;
        Ok(Response::new(v1::RenewEndedResponse { issued: Some(issued) }))
    }
}

impl Service {
    /// Lets a request in, of a house that is open. Gives where it comes from.
    fn admit<T>(&self, request: &Request<T>) -> Result<Guest, Status> {
        let guest = request.extensions().get::<Guest>().copied().ok_or_else(errors::internal)?;
        self.limits.admit(guest).map_err(|most| {
            let message = format!("more than {most} requests a minute came; ask again later, with the same key");
            errors::overloaded_at(message, Duration::from_secs(2), u64::from(most) + 1, u64::from(most))
        })?;
        if self.context.house.load().is_none() {
            let message = "the house is not open yet: its database is being migrated, or cannot be reached";
            return Err(errors::broken(Fault::NotServing, message, Some(Duration::from_secs(1))));
        }
        Ok(guest)
    }
}

/// Why nobody got a credential.
pub(super) enum Refused {
    Enrolment(Enrolment),
    Status(Status),
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl From<Refused> for Status {
    fn from(why: Refused) -> Self {
        match why {
            Refused::Enrolment(enrolment) => refused(&enrolment),
            Refused::Status(status) => status,
        }
    }
}

fn refused(enrolment: &Enrolment) -> Status {
    let at = |fault, message: String, name: &'static str, time: Timestamp| {
        errors::broken_at(fault, message, None, [(name, time.to_string())])
    };
    match enrolment {
        Enrolment::UnknownInvite => {
            let message =
                "there is no such invite; use the whole string as it was given to you, or ask for another invite";
            errors::broken(Fault::InviteUnknown, message, None)
        }
        Enrolment::WithdrawnInvite => {
            errors::broken(Fault::InviteWithdrawn, "the invite was taken back; ask for another one", None)
        }
        Enrolment::EndedInvite(end) => {
            at(Fault::InviteEnded, format!("the invite ended {end}; ask for another one"), "end_time", *end)
        }
        Enrolment::UsedInvite(used) => {
            let message = format!(
                "the invite was used {used}, with another key. If that was not you, tell whoever invited you: somebody else has \
                 seen the string. Ask for another invite"
            );
            at(Fault::InviteUsed, message, "used_time", *used)
        }
        Enrolment::UnknownCredential => {
            let message = "the house did not issue this certificate, so it cannot renew it; ask for an invite";
            errors::broken(Fault::CredentialUnknown, message, None)
        }
        Enrolment::EndedCredential(end) => {
            let message = format!("the certificate ended {end}, and can be renewed for 30 days; ask for an invite");
            at(Fault::CredentialEnded, message, "end_time", *end)
        }
        Enrolment::KnownKey => {
            csr_refused("its key is that of the certificate that it renews; make a new one".to_owned())
        }
        Enrolment::Issued(_) | Enrolment::BeginsTooEarly => errors::internal(),
    }
}

/// A signing request that cannot be taken.
/// Refuses a request without a signing request.
pub(super) fn check_csr(csr: &[u8]) -> Result<(), Status> {
    if csr.is_empty() { Err(errors::invalid("csr", "is missing")) } else { Ok(()) }
}

pub(crate) fn csr_refused(problem: String) -> Status {
    let message = format!("the signing request cannot be taken: {problem}");
    errors::broken_at(Fault::CsrRefused, message, None, [("problem", problem)])
}

/// How often a certificate is made again that would not be trusted, because all that its holder had was revoked meanwhile.
const TRIES: usize = 2;

impl Context {
    /// Who makes certificates.
    ///
    /// # Errors
    /// `ENROLMENT_OFF` if this house issues none.
    pub(super) fn issuer(&self) -> Result<&Arc<Issuer>, Status> {
        self.issuer.as_ref().ok_or_else(|| {
            let message = "this house issues no certificates; the operator makes them by hand";
            errors::broken(Fault::EnrolmentOff, message, None)
        })
    }

    /// Asks for a credential that was made, and gives the one that there is now: its serial number, and the certificate.
    pub(super) async fn enrol(
        &self,
        make: impl Fn() -> Result<Command, Status> + Send + Sync,
        badge: Option<Badge>,
    ) -> Result<(Serial, Vec<u8>), Refused> {
        for _ in 0..TRIES {
            let asked = clearing_core::command::Request { badge, ..own_work(make()?) };
            let written = self.writer.ask(asked).await.map_err(|error| errors::of_write(&error))?;
            if let Err(rejection) = &written.answer.result {
                return Err(errors::refused(rejection).into());
            }
            match enrolment_of(&written).ok_or_else(errors::internal)? {
                Enrolment::BeginsTooEarly => self.refresh_house().await?,
                Enrolment::Issued(serial) => {
                    let new = written.entries.first().and_then(|written| written.entry.facts.issued());
                    if let Some(new) = new.filter(|new| new.serial == serial) {
                        return Ok((serial, new.certificate.clone()));
                    }
                    return Ok((serial, self.certificate(serial).await?));
                }
                refused @ (Enrolment::UnknownInvite
                | Enrolment::WithdrawnInvite
                | Enrolment::EndedInvite(_)
                | Enrolment::UsedInvite(_)
                | Enrolment::UnknownCredential
                | Enrolment::EndedCredential(_)
                | Enrolment::KnownKey) => return Err(Refused::Enrolment(refused)),
            }
        }
        Err(errors::internal().into())
    }

    async fn known(&self, serial: Serial) -> Result<Credential, Status> {
        let known = self.store.credential(serial).await.map_err(|error| errors::of_store(&error))?;
        known.ok_or_else(errors::internal)
    }

    /// The certificate that the house issued under a serial number, from its entry, if it did.
    async fn issued(&self, serial: Serial) -> Result<Option<Vec<u8>>, Status> {
        let known = self.store.credential(serial).await.map_err(|error| errors::of_store(&error))?;
        let Some(known) = known else { return Ok(None) };
        let entry = self.store.entry(known.entry).await.map_err(|error| errors::of_store(&error))?;
        Ok(entry.and_then(|written| Some(written.entry.facts.issued()?.certificate.clone())))
    }

    async fn certificate(&self, serial: Serial) -> Result<Vec<u8>, Status> {
        self.issued(serial).await?.ok_or_else(errors::internal)
    }

    /// A certificate with all that its holder needs to connect.
    pub(super) async fn handed_out(&self, serial: Serial, certificate: &[u8]) -> Result<v1::IssuedCertificate, Status> {
        let issuer = self.issuer()?;
        let known = self.known(serial).await?;
        // Right after all that its holder had was revoked a certificate begins a moment ahead: whoever has it can use it.
        let ahead = known.begins.0.saturating_sub(clock::machine_time().0);
        tokio::time::sleep(Duration::from_micros(u64::try_from(ahead).unwrap_or_default())).await;
        Ok(v1::IssuedCertificate {
            certificate_pem: pem(certificate) + &issuer.chain_pem(),
            ca_pem: issuer.ca_pem(),
            endpoint: issuer.house_endpoint().to_owned(),
            holder: Some(from_holder(known.holder)),
            serial: serial.to_string(),
            renew_time: from_timestamp(known.renew_from()),
            end_time: from_timestamp(known.ends),
        })
    }
}
