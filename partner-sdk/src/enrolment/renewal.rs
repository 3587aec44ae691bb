//! Renewals: with a new key, at half of a credential's life, by the client that uses it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::folder::CredentialFolder;
use super::{EnrolmentError, renew_ended};
use crate::builder::{ClientBuilder, system_time};
use crate::client::{Client, Shared};
use crate::error::Error;

/// A clock may be set, and a machine may sleep: the time is looked at this often.
const LOOK: Duration = Duration::from_secs(60 * 60);
/// After a renewal, also one that was done: a clock that is far ahead must not make one after the other.
const AGAIN: Duration = Duration::from_secs(10 * 60);

impl CredentialFolder {
    /// Renews the credential now, with a new key. The old one stays valid until its end. What this does is done again where it
    /// was broken off: the key is kept, and for it the house gives the same certificate.
    ///
    /// A credential that has ended is renewed at the enrolment listener, for 30 days after its end.
    ///
    /// # Errors
    /// [`EnrolmentError`].
    pub async fn renew(&self) -> Result<Self, EnrolmentError> {
        let csr = self.next_key()?.csr()?;
        let issued = if self.has_ended() {
            renew_ended(self, csr).await?
        } else {
            let client = Client::builder(self.endpoint()).folder_as_it_is(self).connect_as_it_is().await?;
            client.renew_certificate(&csr).await.map_err(of_error)?
        };
        Ok(self.renewed(&issued)?)
    }

    /// Whether it has ended. For 30 days it can be renewed still.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.end_time() <= system_time()
    }

    /// Whether the time has come to renew it.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.renew_time() <= system_time()
    }

    /// Over the connections of a client that has it.
    async fn renew_over(&self, client: &Client) -> Result<Self, EnrolmentError> {
        if self.has_ended() {
            return self.renew().await;
        }
        let issued = client.renew_certificate(&self.next_key()?.csr()?).await.map_err(of_error)?;
        Ok(self.renewed(&issued)?)
    }
}

fn of_error(error: Error) -> EnrolmentError {
    if let Error::Refused(rejection) = error { super::of_rejection(rejection) } else { error.into() }
}

/// Renews the credential of one client, for as long as there is the client.
pub(crate) struct Renewal {
    folder: CredentialFolder,
    builder: ClientBuilder,
    /// The serial number of the certificate that the connections have.
    serial: String,
}

impl Renewal {
    pub(crate) fn new(folder: CredentialFolder, builder: ClientBuilder) -> Self {
        let serial = folder.serial().to_owned();
        Self { folder, builder, serial }
    }

    /// Ends with the client, or when the credential is not renewed any more.
    pub(crate) async fn run(mut self, client: Weak<Shared>) {
        loop {
            let left = self.folder.renew_time().duration_since(system_time()).unwrap_or_default();
            tokio::time::sleep(left.min(LOOK)).await;
            if !self.folder.is_due() {
                continue;
            }
            let Some(shared) = client.upgrade() else { return };
            match self.renew(&shared).await {
                Ok(()) => tracing::info!(serial = self.serial, "the credential was renewed"),
                Err(
                    error @ (EnrolmentError::CredentialRevoked
                    | EnrolmentError::CredentialUnknown
                    | EnrolmentError::CredentialEnded { .. }
                    | EnrolmentError::Off),
                ) => {
                    tracing::error!(serial = self.serial, %error, "the credential is not renewed");
                    return;
                }
                Err(error) => {
                    tracing::warn!(serial = self.serial, %error, "the credential was not renewed; it is tried again");
                }
            }
            drop(shared);
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn renew(&mut self, shared: &Arc<Shared>) -> Result<(), EnrolmentError> {
        // Another process that shares the folder may have renewed it.
        self.folder = CredentialFolder::open(self.folder.path())?;
        if self.folder.is_due() {
            let client = self.builder.client_of(Arc::clone(shared));
            self.folder = self.folder.renew_over(&client).await?;
        }
        if self.folder.serial() != self.serial {
            shared.reconnect(&self.builder.connector()?).await;
            self.serial = self.folder.serial().to_owned();
        }
        Ok(())
    }
}
