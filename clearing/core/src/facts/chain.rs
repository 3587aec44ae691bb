//! What the chain says of the requests that a batch recorded.
//!
//! | hash | over |
//! |---|---|
//! | request | `6`, then in Borsh: partner, request id, content hash, outcome, its first entry, number of entries, reply |
//! | requests of a batch | `5`, their number (8 bytes, big endian), the hashes of all of them in ascending order |
//!
//! The outcome is the first one: what undoes a request is an entry of its own and rewrites no batch.

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest, Sha256};

use crate::command::{Accepted, Recorded, RecordedState};
use crate::facts::entry::Hash;
use crate::units::{PartnerId, RequestId};

/// How a request came out when it was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Outcome {
    Accepted,
    Rejected,
    /// Its id was burned before it came.
    Burned,
}

/// What is recorded of a request, as the chain has it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize)]
pub struct RequestRecord {
    pub partner: PartnerId,
    pub request: RequestId,
    pub content: Hash,
    pub outcome: Outcome,
    /// The ordinal of its first entry in the batch; none: it wrote none.
    pub first: Option<u32>,
    /// How many entries it wrote, one after the other.
    pub count: u32,
    /// What of the answer is not in the entries; of a rejection the reason and its numbers; of a burned id nothing.
    pub reply: Vec<u8>,
}

impl RequestRecord {
    /// What the chain has of a request, whether it was undone since or not.
    pub fn of((partner, request): (PartnerId, RequestId), recorded: &Recorded) -> Self {
        let record = Self {
            partner,
            request,
            content: recorded.content,
            outcome: Outcome::Burned,
            first: None,
            count: 0,
            reply: Vec::new(),
        };
        match &recorded.state {
            RecordedState::Accepted(accepted) | RecordedState::Undone(accepted) => {
                let Accepted { entries, reply } = accepted;
                Self {
                    outcome: Outcome::Accepted,
                    first: entries.first().map(|entry| entry.ordinal),
                    count: u32::try_from(entries.len()).expect("entries of a batch are few"),
                    reply: written(reply),
                    ..record
                }
            }
            RecordedState::Rejected(rejection) => {
                Self { outcome: Outcome::Rejected, reply: written(rejection), ..record }
            }
            RecordedState::Burned => record,
        }
    }

    /// Rule: request-rows
    pub fn hash(&self) -> Hash {
        Sha256::new().chain_update([6]).chain_update(written(self)).finalize().into()
    }
}

fn written<T: BorshSerialize>(value: &T) -> Vec<u8> {
    borsh::to_vec(value).expect("writing to memory does not fail")
}

/// The hash over all requests that a batch recorded, from the hash of each.
pub fn requests_hash(mut requests: Vec<Hash>) -> Hash {
    requests.sort_unstable();
    let mut hash = Sha256::new().chain_update([5]).chain_update((requests.len() as u64).to_be_bytes());
    requests.iter().for_each(|request| hash.update(request));
    hash.finalize().into()
}
