//! Entries: balanced events, their canonical bytes, and the chain of hashes over the batches.
//!
//! The canonical bytes are frozen: a version byte, then the fields of [`Entry`] in the order they are declared, encoded
//! by Borsh (a specified encoding in which equal values have equal bytes). A later version gets a new version byte;
//! old bytes are never rewritten. `tests/golden.rs` holds bytes and hashes of the first release.
//!
//! | hash | over |
//! |---|---|
//! | leaf of a party | `0`, the leaf's salt, the party, the party's postings, its lots and, for the one who asked, the facts |
//! | entry | `1`, the header, all leaves in the order of their parties |
//! | batch contents | `2`, coalition, stripe, batch id, window, time, hash of its requests, number of entries, all entry hashes |
//! | chain | `4`, previous chain hash, number of the batch and first sequence (8 bytes each, big endian), batch contents |
//!
//! The hash over the requests that a batch recorded is that of [`crate::facts::chain`].
//!
//! So an entry can one day be proven to one partner by its leaf and the hashes of the others, without showing what
//! they earn. Nothing in an entry is personal data or free text: whoever and whatever a till wants to note goes into
//! an attachment that can be erased, of which the entry holds only a salted commitment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest, Sha256};

use crate::chart::{MoneyAccount, PointsAccount, Purpose};
use crate::facts::member::LotId;
use crate::facts::{Fact, Facts, HoldFacts, LinkFacts, RedemptionFacts};
use crate::units::{
    BatchId, Currency, EntryId, IdentifierHash, Malformed, MemberId, Money, Overflow, PartnerId, Points, RequestId,
    Timestamp, WindowNumber, check_text, shown,
};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub enum EntryKind {
    Issue,
    Redeem,
    /// A return of a redemption.
    Return,
    /// The exact opposite of an entry whose request was abandoned.
    Undo,
    Expire,
    Close,
    Payment,
    Abort,
    Deposit,
    /// Points were reserved for an acceptor.
    Authorize,
    /// A hold was taken, wholly or in part.
    Capture,
    /// A hold was released by its acceptor.
    Void,
    /// A hold was released because its time was over.
    Lapse,
    /// Points of an issue were taken back, or became a debt.
    Reverse,
    /// A member's debt was paid with points.
    Recover,
    /// Pending points became available.
    Activate,
    /// Points that waited for their issuer's payment are paid for.
    Fund,
    /// Points taken for inactivity.
    Decay,
    Transfer,
    /// Points live longer.
    Extend,
    /// Expired points were given again.
    Reinstate,
    /// A member's debt was given up.
    WriteOff,
    /// The coalition began: its first entry.
    Found,
    CreatePartner,
    SetTerms,
    SetState,
    SetLimits,
    SetConsent,
    SetCalendar,
    /// A settlement was found right.
    Confirm,
    /// The orders of a settlement were handed out.
    Export,
    /// Answers that were recorded before a moment may be forgotten.
    Forget,
}

impl EntryKind {
    pub const ALL: [Self; 32] = [
        Self::Issue,
        Self::Redeem,
        Self::Return,
        Self::Undo,
        Self::Expire,
        Self::Close,
        Self::Payment,
        Self::Abort,
        Self::Deposit,
        Self::Authorize,
        Self::Capture,
        Self::Void,
        Self::Lapse,
        Self::Reverse,
        Self::Recover,
        Self::Activate,
        Self::Fund,
        Self::Decay,
        Self::Transfer,
        Self::Extend,
        Self::Reinstate,
        Self::WriteOff,
        Self::Found,
        Self::CreatePartner,
        Self::SetTerms,
        Self::SetState,
        Self::SetLimits,
        Self::SetConsent,
        Self::SetCalendar,
        Self::Confirm,
        Self::Export,
        Self::Forget,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Issue => "issue",
            Self::Redeem => "redeem",
            Self::Return => "return",
            Self::Undo => "undo",
            Self::Expire => "expire",
            Self::Close => "close",
            Self::Payment => "payment",
            Self::Abort => "abort",
            Self::Deposit => "deposit",
            Self::Authorize => "authorize",
            Self::Capture => "capture",
            Self::Void => "void",
            Self::Lapse => "lapse",
            Self::Reverse => "reverse",
            Self::Recover => "recover",
            Self::Activate => "activate",
            Self::Fund => "fund",
            Self::Decay => "decay",
            Self::Transfer => "transfer",
            Self::Extend => "extend",
            Self::Reinstate => "reinstate",
            Self::WriteOff => "write_off",
            Self::Found => "found",
            Self::CreatePartner => "create_partner",
            Self::SetTerms => "set_terms",
            Self::SetState => "set_partner_state",
            Self::SetLimits => "set_limits",
            Self::SetConsent => "set_funding_consent",
            Self::SetCalendar => "set_calendar",
            Self::Confirm => "confirm_settlement",
            Self::Export => "export_orders",
            Self::Forget => "forget",
        }
    }

    /// Whether the entry took points at an acceptor, so that they can be returned.
    pub fn is_redemption(self) -> bool {
        matches!(self, Self::Redeem | Self::Capture)
    }
}

/// One signed line in points: credit +, debit -.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PointsPosting {
    pub account: PointsAccount,
    pub points: Points,
}

/// One signed line in money: credit +, debit -.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct MoneyPosting {
    pub account: MoneyAccount,
    pub currency: Currency,
    pub amount: Money,
    pub purpose: Purpose,
}

/// What an entry does to one lot: points given to it (+) or taken from it (-), in the order it happened.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LotMove {
    pub lot: LotId,
    pub issuer: PartnerId,
    /// The version of the issuer's terms that the lot was issued under.
    pub terms: u32,
    /// Available points.
    pub points: Points,
    /// Points reserved by a hold.
    pub held: Points,
    /// Points that are not released yet.
    pub pending: Points,
    /// When the lot expires, as it stands after the entry.
    pub expires: Timestamp,
    /// Given where the entry makes the lot.
    pub birth: Option<LotBirth>,
}

impl LotMove {
    /// By how much the points of the lot changed, whatever state they are in.
    ///
    /// # Errors
    /// [`Overflow`] if the sum does not fit, which it does in every entry of the house.
    pub fn net(&self) -> Result<Points, Overflow> {
        self.points.plus(self.held)?.plus(self.pending)
    }
}

/// How a lot came to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LotBirth {
    /// The lot it was split from, whoever owned that.
    pub origin: Option<LotId>,
    /// When its points become available; at once if none.
    pub activates: Option<Timestamp>,
}

/// Where in the shop a command comes from. All of it is the partner's own codes, none of it free text.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Origin {
    pub store: Option<Code>,
    pub till: Option<Code>,
    pub receipt_number: Option<Code>,
    pub receipt_line: Option<u32>,
    /// The trading day as the shop counts it.
    pub business_date: Option<BusinessDate>,
    /// The till's own clock.
    pub business_time: Option<Timestamp>,
    pub receipt_total: Option<Money>,
    /// A counter that the device raises with every command, so that gaps can be seen.
    pub device_counter: Option<u64>,
    /// Commits to the attachment (the cashier, notes) by a salted hash.
    pub attachment: Option<Hash>,
}

/// A code of somebody's own. Of a store, till or receipt: a text in which no character is invisible or can be mistaken for
/// another spelling of itself (see [`check_text`]). Of a period or a reason: a word of `A-Z a-z 0-9 . _ : / # -`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Code(String);

impl Code {
    /// In code points.
    pub const LENGTH_MAX: usize = 64;
    pub const RECEIPT_LENGTH_MAX: usize = 128;

    /// The code of a store or till.
    ///
    /// # Errors
    /// [`Malformed`], saying what is wrong.
    pub fn new(text: &str) -> Result<Self, Malformed> {
        Self::of_length(text, Self::LENGTH_MAX)
    }

    /// The number of a receipt, which may be longer.
    ///
    /// # Errors
    /// [`Malformed`], saying what is wrong.
    pub fn receipt(text: &str) -> Result<Self, Malformed> {
        Self::of_length(text, Self::RECEIPT_LENGTH_MAX)
    }

    /// A reason, or a period: the operator's own words, which stay in the journal for ever and are none for free text.
    ///
    /// # Errors
    /// [`Malformed`] for a text that is empty, too long or has other characters.
    pub fn word(text: &str) -> Result<Self, Malformed> {
        let fits = !text.is_empty()
            && text.len() <= Self::LENGTH_MAX
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:/#-".contains(&byte));
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            let form = "1 to 64 characters of A-Z a-z 0-9 . _ : / # -";
            Err(Malformed(format!("{} is not a code: {form}", shown(text))))
        }
    }

    fn of_length(text: &str, length_max: usize) -> Result<Self, Malformed> {
        let named = |Malformed(problem)| Malformed(format!("{} is not a code: {problem}", shown(text)));
        check_text(text, length_max).map_err(named)?;
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A trading day, `2026-02-01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct BusinessDate {
    year: i16,
    month: i8,
    day: i8,
}

impl BusinessDate {
    /// The first year of the house's calendar.
    const YEAR_MIN: i16 = 1970;

    /// The date as a number that sorts: 20260201.
    pub fn number(self) -> i64 {
        i64::from(self.year) * 10_000 + i64::from(self.month) * 100 + i64::from(self.day)
    }

    /// # Errors
    /// [`Malformed`] for a number that is no date.
    pub fn from_number(number: i64) -> Result<Self, Malformed> {
        let part = |value: i64| i8::try_from(value).ok();
        let year = i16::try_from(number / 10_000).ok();
        let date = year.zip(part(number / 100 % 100)).zip(part(number % 100));
        let date = date.and_then(|((year, month), day)| jiff::civil::Date::new(year, month, day).ok());
        date.map(Self::of).ok_or_else(|| Malformed(format!("{number} is not a date such as 20260201")))
    }

    pub fn of(date: jiff::civil::Date) -> Self {
        Self { year: date.year(), month: date.month(), day: date.day() }
    }

    pub fn to_jiff(self) -> jiff::civil::Date {
        jiff::civil::Date::constant(self.year, self.month, self.day)
    }
}

impl std::str::FromStr for BusinessDate {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let form = text.len() == 10
            && text.bytes().enumerate().all(
                |(at, byte)| {
                    if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() }
                },
            );
        let date: Option<jiff::civil::Date> = if form { text.parse().ok() } else { None };
        let date = date.ok_or_else(|| Malformed(format!("{} is not a date such as 2026-02-01", shown(text))))?;
        if date.year() < Self::YEAR_MIN {
            return Err(Malformed(format!("{} lies outside of the years {} to 9999", shown(text), Self::YEAR_MIN)));
        }
        Ok(Self::of(date))
    }
}

impl std::fmt::Display for BusinessDate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// One balanced event of the journal. The only way to a new one is [`EntryDraft::balance`].
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Entry {
    pub kind: EntryKind,
    pub window: WindowNumber,
    /// When it counts: for due work the time it was due.
    pub time: Timestamp,
    /// Who asked; the operator for the house's own work.
    pub partner: PartnerId,
    /// The key it was asked under; none for the house's own work.
    pub request_id: Option<RequestId>,
    pub member: Option<MemberId>,
    pub origin: Origin,
    /// The entry that this one returns, undoes or follows from.
    pub link: Option<EntryId>,
    pub points: Vec<PointsPosting>,
    pub money: Vec<MoneyPosting>,
    pub lots: Vec<LotMove>,
    pub facts: Facts,
}

/// An entry is not balanced. Nothing but a mistake in the rules makes one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unbalanced {
    #[error(transparent)]
    Overflow(#[from] Overflow),
    #[error("the points of the entry sum to {0}, not to zero")]
    Points(i128),
    #[error("the money of the entry under {1:?} sums to {0}, not to zero")]
    Money(i128, Purpose),
}

/// An entry in the making. Postings of the same account and purpose are added up, zeros are left out.
#[derive(Debug, Clone)]
pub struct EntryDraft {
    header: Entry,
    currency: Currency,
    points: BTreeMap<PointsAccount, i128>,
    money: BTreeMap<(MoneyAccount, Purpose), i128>,
}

impl EntryDraft {
    /// A draft of an entry whose money is in `currency`.
    pub fn new(kind: EntryKind, window: WindowNumber, time: Timestamp, currency: Currency, partner: PartnerId) -> Self {
        let header = Entry {
            kind,
            window,
            time,
            partner,
            request_id: None,
            member: None,
            origin: Origin::default(),
            link: None,
            points: Vec::new(),
            money: Vec::new(),
            lots: Vec::new(),
            facts: Facts::default(),
        };
        Self { header, currency, points: BTreeMap::new(), money: BTreeMap::new() }
    }

    pub fn asked_by(mut self, request_id: Option<RequestId>, origin: &Origin) -> Self {
        self.header.request_id = request_id;
        self.header.origin = origin.clone();
        self
    }

    pub fn of_member(mut self, member: MemberId) -> Self {
        self.header.member = Some(member);
        self
    }

    pub fn linked_to(mut self, entry: EntryId) -> Self {
        self.header.link = Some(entry);
        self
    }

    pub fn with(mut self, fact: Fact) -> Self {
        self.header.facts.push(fact);
        self
    }

    /// With the issuers whose lots were passed over. Where there are none, which is nearly always, they cost no byte.
    pub fn passing_over(self, issuers: BTreeSet<PartnerId>) -> Self {
        if issuers.is_empty() { self } else { self.with(Fact::PassedOver(issuers.into_iter().collect())) }
    }

    pub fn post_points(&mut self, account: PointsAccount, points: i128) {
        *self.points.entry(account).or_default() += points;
    }

    pub fn post_money(&mut self, account: MoneyAccount, purpose: Purpose, amount: i128) {
        *self.money.entry((account, purpose)).or_default() += amount;
    }

    pub fn move_lot(&mut self, lot: LotMove) {
        self.header.lots.push(lot);
    }

    /// Closes the draft.
    ///
    /// # Errors
    /// [`Unbalanced::Overflow`] if a posting does not fit into 64 bits, the others if it does not sum to zero.
    ///
    /// Rule: balanced
    pub fn balance(self) -> Result<Entry, Unbalanced> {
        let sum: i128 = self.points.values().sum();
        if sum != 0 {
            return Err(Unbalanced::Points(sum));
        }
        let mut purposes: BTreeMap<Purpose, i128> = BTreeMap::new();
        for ((_, purpose), amount) in &self.money {
            *purposes.entry(*purpose).or_default() += amount;
        }
        if let Some((purpose, sum)) = purposes.into_iter().find(|(_, sum)| *sum != 0) {
            return Err(Unbalanced::Money(sum, purpose));
        }
        let fit = |value: i128| i64::try_from(value).map_err(|_| Overflow);
        let mut entry = self.header;
        for (account, points) in self.points.into_iter().filter(|(_, points)| *points != 0) {
            entry.points.push(PointsPosting { account, points: Points(fit(points)?) });
        }
        for ((account, purpose), amount) in self.money.into_iter().filter(|(_, amount)| *amount != 0) {
            entry.money.push(MoneyPosting { account, currency: self.currency, amount: Money(fit(amount)?), purpose });
        }
        Ok(entry)
    }
}

/// An entry with its place in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    pub id: EntryId,
    /// From 1, without gaps, in the order of commits.
    pub sequence: i64,
    pub entry: Arc<Entry>,
}

/// The version byte of the canonical bytes that this release writes.
const ENTRY_VERSION: u8 = 1;

/// The stored bytes of an entry are not of a version this release reads, or damaged.
#[derive(Debug, thiserror::Error)]
#[error("the bytes of entry {entry} cannot be read: {problem}")]
pub struct UnreadableEntry {
    pub entry: EntryId,
    pub problem: String,
}

impl Entry {
    /// The canonical bytes.
    ///
    /// Rule: canonical-bytes
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(512);
        bytes.push(ENTRY_VERSION);
        self.serialize(&mut bytes).expect("writing to memory does not fail");
        bytes
    }

    /// Reads canonical bytes back.
    ///
    /// # Errors
    /// [`UnreadableEntry`] if the version is unknown or the bytes are damaged.
    pub fn from_bytes(entry: EntryId, bytes: &[u8]) -> Result<Self, UnreadableEntry> {
        let unreadable = |problem: String| UnreadableEntry { entry, problem };
        match bytes.split_first() {
            Some((&ENTRY_VERSION, rest)) => Self::try_from_slice(rest).map_err(|error| unreadable(error.to_string())),
            Some((version, _)) => Err(unreadable(format!("version {version} is unknown"))),
            None => Err(unreadable("there are none".to_owned())),
        }
    }

    /// What the redemption was made at, of an entry that takes or gives back redeemed points.
    pub fn redemption(&self) -> Option<&RedemptionFacts> {
        self.facts.redemption()
    }

    /// What a hold was made at, of the entry that made it.
    pub fn hold(&self) -> Option<&HoldFacts> {
        self.facts.hold()
    }

    /// The member that was enrolled with the entry, with its link: who got the lots that the entry made.
    pub fn enrolled(&self) -> Option<(MemberId, &LinkFacts)> {
        let link = self.facts.linked()?;
        let born = self.lots.iter().find(|moved| moved.birth.is_some());
        Some((born?.lot.member, link))
    }

    /// The partners that have a part in the entry: who asked, and whose accounts it posts to.
    pub fn parties(&self) -> Vec<PartnerId> {
        let posted = self
            .points
            .iter()
            .filter_map(|posting| posting.account.partner())
            .chain(self.money.iter().filter_map(|posting| posting.account.partner()));
        let mut parties: Vec<PartnerId> = posted.chain([self.partner]).collect();
        parties.sort_unstable();
        parties.dedup();
        parties
    }

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

fn encode<T: BorshSerialize>(value: &T, bytes: &mut Vec<u8>) {
    value.serialize(bytes).expect("writing to memory does not fail");
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

/// The one journal that a coalition has: more of them would each have a number of its own.
pub const STRIPE: u16 = 0;

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
