//! What is done on the machine of a house that stands still, where the keys of its approvers are lost.

use clearing_core::facts::Facts;
use clearing_core::facts::person::{PersonFacts, PersonId};
use clearing_core::rejection::Rejection;
use clearing_core::rules::person::RecoverPerson;

use crate::clock::{self, Clock};
use crate::scheduler::{LEASE, LEASE_SECONDS, own_work};
use crate::store::{Store, StoreError};
use crate::writer::{WriteError, Writer};

/// Why nobody was named.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The books cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The rules say no.
    #[error("{0}")]
    Refused(Rejection),
    /// The house does not stand still.
    #[error("a node of the house is alive: it has the lease of the due work")]
    Alive,
    /// The database did not tell whether it does.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The books did not tell what was written.
    #[error("the books did not tell whom they have named")]
    Untold,
}

/// Names a person approver and clerk, in force some days later, as an entry of the journal.
///
/// # Errors
/// See [`RecoverError`].
pub async fn recover(store: Store, clock: Clock, person: PersonId) -> Result<PersonFacts, RecoverError> {
    // Of several nodes one has the lease, as long as there is one; a file of SQLite is taken by its process. One that is stopped
    // gives the lease back, one that was killed has it until its end.
    let node = clock::fresh_uuid();
    if !store.lease(LEASE, node, LEASE_SECONDS).await? {
        return Err(RecoverError::Alive);
    }
    let named = name(store.clone(), clock, person).await;
    store.lease(LEASE, node, 0).await?;
    named
}

async fn name(store: Store, clock: Clock, person: PersonId) -> Result<PersonFacts, RecoverError> {
    let (writer, writing) = Writer::start(store, clock, 1);
    let written = writer.ask(own_work(RecoverPerson { person }.into())).await;
    drop(writer);
    // It ends by itself once nobody can ask it any more.
    let _ = writing.await;
    let written = written?;
    written.answer.result.map_err(RecoverError::Refused)?;
    let named = written.entries.first().and_then(|first| Facts::person(&first.entry.facts));
    named.copied().ok_or(RecoverError::Untold)
}
