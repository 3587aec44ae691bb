//! The chain of hashes over the batches, and what it says of entries and requests.
//!
//! | hash | over |
//! |---|---|
//! | leaf of a party | `0`, the leaf's salt, the party, the party's postings, its lots and, for the one who asked, the facts |
//! | entry | `1`, the header, all leaves in the order of their parties |
//! | request | `6`, then in Borsh: partner, request id, content hash, outcome, its first entry, number of entries, reply |
//! | requests of a batch | `5`, their number (8 bytes, big endian), the hashes of all of them in ascending order |
//! | batch contents | `2`, coalition, stripe, batch id, window, time, hash of its requests, number of entries, all entry hashes |
//! | chain | `4`, previous chain hash, number of the batch and first sequence (8 bytes each, big endian), batch contents |
//!
//! The outcome of a request is the first one: what undoes a request is an entry of its own and rewrites no batch.
//!
//! An entry can one day be proven to one partner by its leaf and the hashes of the others, without showing what they earn.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest, Sha256};

use crate::facts::answer::{Accepted, Recorded, RecordedState};
use crate::facts::entry::{ENTRY_VERSION, Entry};
use crate::units::{
    BatchId, ContentHash, Hash, IdentifierHash, MemberId, PartnerId, RequestId, Timestamp, WindowNumber,
};

/// What the chain says of a batch, apart from its place in the journal.
#[derive(Debug, Clone)]
pub struct BatchHeader {
    pub coalition: String,
    /// Which of the coalition's journals it stands in.
    pub stripe: u16,
    pub batch: BatchId,
    pub window: WindowNumber,
    pub time: Timestamp,
    /// Random, so that the hash of an entry tells nothing of what is in it.
    pub salt: [u8; 16],
}

impl BatchHeader {
    /// The hash over the contents of the batch, from that of its requests and from its entries.
    pub fn contents_hash<'a>(&self, requests: &Hash, entries: impl ExactSizeIterator<Item = (u32, &'a Entry)>) -> Hash {
        let mut hash = Sha256::new();
        hash.update([2]);
        hash.update((self.coalition.len() as u64).to_be_bytes());
        hash.update(self.coalition.as_bytes());
        hash.update(self.stripe.to_be_bytes());
        hash.update(self.batch.bytes());
        hash.update(self.window.to_be_bytes());
        hash.update(self.time.0.to_be_bytes());
        hash.update(requests);
        hash.update((entries.len() as u64).to_be_bytes());
        for (ordinal, entry) in entries {
            hash.update(entry.hash(&self.salt, ordinal));
        }
        hash.finalize().into()
    }
}

/// The one journal that a coalition has: more of them would each have a number of its own.
pub const STRIPE: u16 = 0;

/// The hash of the journal after the batch of a number, whose first entry has the sequence `first_sequence`. The journal
/// begins with a hash of zeros.
pub fn chain_hash(previous: &Hash, number: i64, first_sequence: i64, contents: &Hash) -> Hash {
    Sha256::new()
        .chain_update([4])
        .chain_update(previous)
        .chain_update(number.to_be_bytes())
        .chain_update(first_sequence.to_be_bytes())
        .chain_update(contents)
        .finalize()
        .into()
}

/// What is recorded of a request, as the chain has it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize)]
pub struct RequestRecord {
    pub partner: PartnerId,
    pub request: RequestId,
    pub content: ContentHash,
    pub outcome: Outcome,
    /// The ordinal of its first entry in the batch; none: it wrote none.
    pub first: Option<u32>,
    /// How many entries it wrote, one after the other.
    pub count: u32,
    /// What of the answer is not in the entries ([`Reply::kept`](crate::facts::answer::Reply::kept)); of a rejection the reason
    /// and its numbers; of a burned id nothing.
    pub reply: Vec<u8>,
}

impl RequestRecord {
    /// What the chain has of a request, whether it was undone since or not. `member` is whom the first of its entries is about.
    pub fn of((partner, request): (PartnerId, RequestId), recorded: &Recorded, member: Option<MemberId>) -> Self {
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
                    reply: reply.kept(member),
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

/// How a request came out when it was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Outcome {
    Accepted,
    Rejected,
    /// Its id was burned before it came.
    Burned,
}

/// The hash over all requests that a batch recorded, from the hash of each.
pub fn requests_hash(mut requests: Vec<Hash>) -> Hash {
    requests.sort_unstable();
    let mut hash = Sha256::new().chain_update([5]).chain_update((requests.len() as u64).to_be_bytes());
    requests.iter().for_each(|request| hash.update(request));
    hash.finalize().into()
}

/// The salted commitment to the link of an identifier, by its keyed hash, to a member. The salt stands beside the link and goes
/// with it: what is left binds nobody.
///
/// Rule: links
pub fn link_commitment(salt: &[u8; 16], identifier: &IdentifierHash, member: MemberId) -> Hash {
    let link = Sha256::new().chain_update([7]).chain_update(salt).chain_update(identifier.0);
    link.chain_update(member.0.to_be_bytes()).finalize().into()
}

/// The salted commitment to an attachment.
///
/// Rule: attachments
pub fn attachment_commitment(salt: &[u8; 16], contents: &[u8]) -> Hash {
    Sha256::new().chain_update([3]).chain_update(salt).chain_update(contents).finalize().into()
}

impl Entry {
    /// The hash of the entry, from the salt of its batch and its place in it.
    ///
    /// Rule: hash-chain
    pub fn hash(&self, batch_salt: &[u8; 16], ordinal: u32) -> Hash {
        let mut leaves: BTreeMap<Party, Vec<u8>> = BTreeMap::new();
        let write = |bytes: &mut Vec<u8>, tag: u8, value: &dyn Fn(&mut Vec<u8>)| {
            bytes.push(tag);
            value(bytes);
        };
        for posting in &self.points {
            let party = match (posting.account.member(), posting.account.partner()) {
                (Some(member), _) => Party::Member(member),
                (None, Some(partner)) => Party::Partner(partner),
                (None, None) => Party::House,
            };
            write(leaves.entry(party).or_default(), 0, &|bytes| encode(posting, bytes));
        }
        for posting in &self.money {
            let party = posting.account.partner().map_or(Party::House, Party::Partner);
            write(leaves.entry(party).or_default(), 1, &|bytes| encode(posting, bytes));
        }
        for lot in &self.lots {
            write(leaves.entry(Party::Partner(lot.issuer)).or_default(), 2, &|bytes| encode(lot, bytes));
        }
        for fact in self.facts.iter() {
            write(leaves.entry(Party::Partner(self.partner)).or_default(), 3, &|bytes| encode(fact, bytes));
        }
        let mut bytes = Vec::with_capacity(256);
        encode(&(self.kind, self.window, self.time), &mut bytes);
        encode(&(self.partner, self.request_id, self.member), &mut bytes);
        encode(&(&self.origin, self.link), &mut bytes);
        let mut hash = Sha256::new();
        hash.update([1, ENTRY_VERSION]);
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(&bytes);
        for (party, contents) in leaves {
            let salt = leaf_salt(batch_salt, ordinal, &party);
            hash.update(leaf_hash(&salt, &party, &contents));
        }
        hash.finalize().into()
    }
}

/// Whose part of an entry a leaf holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
enum Party {
    House,
    Partner(PartnerId),
    Member(MemberId),
}

/// The salt of one leaf: it can be given away with its leaf and tells nothing of the batch's salt.
fn leaf_salt(batch_salt: &[u8; 16], ordinal: u32, party: &Party) -> [u8; 16] {
    let mut name = Vec::with_capacity(40);
    encode(party, &mut name);
    let hash = Sha256::new().chain_update(batch_salt).chain_update(ordinal.to_be_bytes()).chain_update(name).finalize();
    let mut salt = [0; 16];
    salt.copy_from_slice(&hash[..16]);
    salt
}

fn leaf_hash(salt: &[u8; 16], party: &Party, contents: &[u8]) -> Hash {
    let mut name = Vec::with_capacity(40);
    encode(party, &mut name);
    Sha256::new().chain_update([0]).chain_update(salt).chain_update(name).chain_update(contents).finalize().into()
}

fn encode<T: BorshSerialize>(value: &T, bytes: &mut Vec<u8>) {
    value.serialize(bytes).expect("writing to memory does not fail");
}

fn written<T: BorshSerialize>(value: &T) -> Vec<u8> {
    borsh::to_vec(value).expect("writing to memory does not fail")
}
