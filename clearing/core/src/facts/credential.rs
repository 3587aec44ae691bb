//! Who may connect: invites, the credentials that came of them, and those that were revoked.
//!
//! Two clocks are in here. Certificates begin and end by the clock of the machine that checks them (`begins`, `ends`, `cut`, and
//! [`Badge::now`]); all else is told in the time of the house, which stands still in a sandbox.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::facts::origin::Code;
use crate::facts::person::{People, PersonId};
use crate::units::{EntryId, Hash, InviteId, Malformed, PartnerId, Timestamp, as_text, check_id, hex_bytes, shown};

/// The serial number of a certificate, without zeros in front: lower-case hexadecimal as text, two digits a byte.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial {
    length: u8,
    bytes: [u8; Serial::BYTES_MAX],
}

impl Serial {
    /// What X.509 allows.
    pub const BYTES_MAX: usize = 20;

    /// # Errors
    /// [`Malformed`] for none, more than [`BYTES_MAX`](Self::BYTES_MAX), and a zero in front.
    pub fn new(given: &[u8]) -> Result<Self, Malformed> {
        let fits = (1..=Self::BYTES_MAX).contains(&given.len()) && given.first() != Some(&0);
        if !fits {
            return Err(Malformed("a serial number has 1 to 20 bytes, the first of them not zero".to_owned()));
        }
        let mut bytes = [0; Self::BYTES_MAX];
        bytes[..given.len()].copy_from_slice(given);
        Ok(Self { length: u8::try_from(given.len()).expect("at most 20"), bytes })
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Serial {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || {
            let shown = shown(text);
            Malformed(format!("{shown} is no serial number: 1 to 20 bytes in lower-case hexadecimal, no 00 in front"))
        };
        if text.len() > Self::BYTES_MAX * 2 || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(malformed());
        }
        let bytes = hex_bytes(text).ok_or_else(malformed)?;
        Self::new(&bytes).map_err(|_| malformed())
    }
}

impl BorshSerialize for Serial {
    fn serialize<W: Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(&[self.length])?;
        writer.write_all(self.bytes())
    }
}

impl BorshDeserialize for Serial {
    fn deserialize_reader<R: Read>(reader: &mut R) -> io::Result<Self> {
        let length = u8::deserialize_reader(reader)?;
        let mut bytes = vec![0; usize::from(length)];
        reader.read_exact(&mut bytes)?;
        Self::new(&bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

/// What a holder of credentials is to the coalition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub enum HolderKind {
    /// A brand, one of its devices, or the operator as a partner.
    Partner,
    /// A person of the operator.
    Operator,
    /// Somebody who reads the books and changes nothing.
    Auditor,
}

impl HolderKind {
    pub const ALL: [Self; 3] = [Self::Partner, Self::Operator, Self::Auditor];

    /// Its word, as certificates have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Partner => "partner",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
        }
    }
}

/// Whose a credential is: `partner/GROCER`, `operator/anna`, `auditor/kpmg` as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Holder {
    pub kind: HolderKind,
    /// A partner's id, or the name of a person or auditor.
    pub id: PartnerId,
}

impl Holder {
    /// # Errors
    /// [`Malformed`] for an id that a holder of this kind cannot have.
    pub fn new(kind: HolderKind, id: &str) -> Result<Self, Malformed> {
        if kind != HolderKind::Partner {
            check_id(id)?;
        }
        Ok(Self { kind, id: id.parse()? })
    }

    pub fn partner(id: PartnerId) -> Self {
        Self { kind: HolderKind::Partner, id }
    }

    pub fn of_person(person: PersonId) -> Self {
        Self { kind: HolderKind::Operator, id: person.partner_id() }
    }

    /// The partner that it is, or of which it is a device; none of a person and an auditor.
    pub fn partner_of(self) -> Option<PartnerId> {
        (self.kind == HolderKind::Partner).then_some(self.id)
    }

    /// The person of the operator that it is, if it is one.
    pub fn person(self) -> Option<PersonId> {
        if self.kind == HolderKind::Operator { self.id.as_str().parse().ok() } else { None }
    }

    /// The partner as which it acts; none for an auditor.
    pub fn acts_as(&self) -> Option<PartnerId> {
        match self.kind {
            HolderKind::Partner => Some(self.id),
            HolderKind::Operator => Some(PartnerId::operator()),
            HolderKind::Auditor => None,
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.as_str(), self.id)
    }
}

impl FromStr for Holder {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || {
            let shown = shown(text);
            Malformed(format!("{shown} is no holder, such as partner/GROCER, operator/anna or auditor/kpmg"))
        };
        let (kind, id) = text.split_once('/').ok_or_else(malformed)?;
        let kind = HolderKind::ALL.into_iter().find(|known| known.as_str() == kind).ok_or_else(malformed)?;
        Self::new(kind, id)
    }
}

as_text!(Serial, Holder, InviteId);

/// Something that a partner's credential may be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Scope {
    /// Issues, purchases, reversals.
    Issue,
    /// Quotes, redemptions, holds, returns.
    Accept,
    /// Balances, entries, receipts, notices.
    Read,
    /// Positions, windows, statements, obligations.
    Settle,
    /// What is done for members: transfers.
    App,
    /// Invites, lists of credentials, revoking.
    Credentials,
}

impl Scope {
    pub const ALL: [Self; 6] = [Self::Issue, Self::Accept, Self::Read, Self::Settle, Self::App, Self::Credentials];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Issue => "ISSUE",
            Self::Accept => "ACCEPT",
            Self::Read => "READ",
            Self::Settle => "SETTLE",
            Self::App => "APP",
            Self::Credentials => "CREDENTIALS",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// What a credential may be used for. Without any: all that its holder may do.
///
/// Rule: scopes
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct Scopes(u8);

impl Scopes {
    /// All that the holder may do.
    pub const WHOLE: Self = Self(0);

    pub fn is_whole(self) -> bool {
        self == Self::WHOLE
    }

    pub fn allows(self, scope: Scope) -> bool {
        self.is_whole() || self.0 & scope.bit() != 0
    }

    /// The first that `other` allows and this does not; none if it allows no more. Where all is allowed that is the first that
    /// is not allowed here.
    pub fn exceeded_by(self, other: Self) -> Option<Scope> {
        if self.is_whole() {
            return None;
        }
        Scope::ALL.into_iter().find(|scope| other.allows(*scope) && !self.allows(*scope))
    }

    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & scope.bit() != 0)
    }

    /// As a number, one bit a scope.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// None for a bit that is of no scope.
    pub fn from_bits(bits: u8) -> Option<Self> {
        let known = Scope::ALL.into_iter().fold(0, |known, scope| known | scope.bit());
        (bits & !known == 0).then_some(Self(bits))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_whole() {
            return f.write_str("ALL");
        }
        let words: Vec<&str> = self.iter().map(Scope::as_str).collect();
        f.write_str(&words.join(" "))
    }
}

impl BorshDeserialize for Scopes {
    fn deserialize_reader<R: Read>(reader: &mut R) -> io::Result<Self> {
        Self::from_bits(u8::deserialize_reader(reader)?).ok_or_else(|| io::Error::other("a scope that there is not"))
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Scope>::deserialize(deserializer)?.into_iter().collect())
    }
}

/// The till or machine that a credential is for.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    pub name: Code,
    /// What it writes names this store; none: any.
    #[serde(default)]
    pub store: Option<Code>,
    /// What it writes names this till; none: any.
    #[serde(default)]
    pub till: Option<Code>,
    /// 0: no limit of its own.
    #[serde(default)]
    pub calls_per_second: u16,
    /// 0: no limit of its own.
    #[serde(default)]
    pub connections_max: u16,
}

impl Device {
    pub const CALLS_PER_SECOND_MAX: u16 = 10_000;
    pub const CONNECTIONS_MAX: u16 = 128;
}

/// What is known of the certificate that a caller showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Badge {
    pub serial: Serial,
    pub holder: Holder,
    pub scopes: Scopes,
    /// Its first moment.
    pub begins: Timestamp,
    /// When it was shown. By the machine's clock, as its first moment.
    pub now: Timestamp,
}

/// One invite, as its maker sends it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewInvite {
    #[serde(rename = "invite_id")]
    pub id: InviteId,
    /// SHA-256 of the secret.
    #[serde(rename = "secret_hash")]
    pub secret: Hash,
    #[serde(default)]
    pub device: Option<Device>,
}

/// An invite: whoever has its secret gets a credential, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    pub holder: Holder,
    pub scopes: Scopes,
    pub device: Option<Device>,
    /// SHA-256 of the secret.
    pub secret: Hash,
    pub created: Timestamp,
    /// Until when it can be used.
    pub ends: Timestamp,
    pub by: Holder,
    /// The certificate that it was made with.
    pub made_with: Option<Serial>,
    pub withdrawn: Option<Timestamp>,
    /// It is to a person or an auditor, and one person of the operator made it alone, as there were no two approvers. It cannot be
    /// used once there are.
    pub made_alone: bool,
    /// When it was used, and which credential came of it.
    pub used: Option<(Timestamp, Serial)>,
    /// How often somebody tried to use it with another key after that.
    pub foreign_attempts: u32,
}

/// A credential that the house has issued. Nothing of it ever changes; whether it was revoked is known by [`Revoked`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    pub holder: Holder,
    pub scopes: Scopes,
    pub device: Option<Device>,
    /// SHA-256 of its public key.
    pub key: Hash,
    pub created: Timestamp,
    pub begins: Timestamp,
    /// Its last moment.
    pub ends: Timestamp,
    /// The first of its line: it is renewed, and so are its successors.
    pub line: Serial,
    pub invite: Option<InviteId>,
    pub renews: Option<Serial>,
    /// The entry that has the certificate itself.
    pub entry: EntryId,
}

impl Credential {
    /// From when on it should be renewed: at half of its life.
    pub fn renew_from(&self) -> Timestamp {
        Timestamp(self.begins.0 / 2 + self.ends.0 / 2)
    }
}

/// That a certificate is trusted no more, or all that a holder had until a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    pub time: Timestamp,
    /// Of a holder: its certificates that begin by then.
    pub cut: Timestamp,
    /// When it ends, so that nobody has to be told any more; [`Timestamp::NEVER`] where nobody knows.
    pub ends: Timestamp,
    pub by: Holder,
    pub reason: Code,
}

/// All that is revoked and has not ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revoked {
    pub serials: BTreeMap<Serial, Revocation>,
    pub holders: BTreeMap<Holder, Revocation>,
}

impl Revoked {
    /// Whether a certificate is trusted no more: it was revoked itself, or all that its holder had, and it begins no later than
    /// that was done. So one that was made by hand before is refused as well, which the house knows nothing of.
    ///
    /// Rule: revoked
    pub fn refuses(&self, badge: &Badge) -> bool {
        self.of(badge.serial, badge.holder, badge.begins).is_some()
    }

    /// By what a certificate is trusted no more.
    pub fn of(&self, serial: Serial, holder: Holder, begins: Timestamp) -> Option<&Revocation> {
        self.serials.get(&serial).or_else(|| self.holders.get(&holder).filter(|all| begins <= all.cut))
    }

    /// Since when an invite cannot be used any more: the certificate that it was made with was revoked, or all that its holder
    /// had.
    pub fn withdraws(&self, invite: &Invite) -> Option<Timestamp> {
        let with = invite.made_with.and_then(|serial| self.serials.get(&serial)).map(|revoked| revoked.time);
        let holder = self.holders.get(&invite.holder).map(|all| all.time).filter(|time| invite.created <= *time);
        // Whoever made it, for others, may have lost all as well.
        let maker = self.holders.get(&invite.by).map(|all| all.time).filter(|time| invite.created <= *time);
        [with, holder, maker].into_iter().flatten().min()
    }

    pub fn is_empty(&self) -> bool {
        self.serials.is_empty() && self.holders.is_empty()
    }
}

/// How an invite is at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InviteState {
    Open,
    Used,
    /// Taken back, or with what was revoked.
    Withdrawn,
    /// One person made it alone, and since then there are two approvers.
    MadeAlone,
    Ended,
}

impl Invite {
    pub fn state(&self, revoked: &Revoked, people: &People, now: Timestamp) -> InviteState {
        match self.withdrawn(revoked, people, now) {
            _ if self.used.is_some() => InviteState::Used,
            Some(withdrawn) => withdrawn,
            None if self.ends <= now => InviteState::Ended,
            None => InviteState::Open,
        }
    }

    /// Why it gives nothing any more, whether it was used or not; none if nobody has taken it back.
    ///
    /// Rule: invites-made-alone
    pub fn withdrawn(&self, revoked: &Revoked, people: &People, now: Timestamp) -> Option<InviteState> {
        if self.withdrawn.is_some() || revoked.withdraws(self).is_some() {
            Some(InviteState::Withdrawn)
        } else if self.made_alone && people.are_two(now) {
            Some(InviteState::MadeAlone)
        } else {
            None
        }
    }
}

/// Invites were made.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct InvitedFacts {
    pub holder: Holder,
    pub scopes: Scopes,
    pub ends: Timestamp,
    pub by: Holder,
    pub made_with: Option<Serial>,
    pub invites: Vec<NewInvite>,
}

/// Invites that could be used were taken back.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct WithdrawnFacts {
    pub by: Holder,
    /// Ascending.
    pub invites: Vec<InviteId>,
}

/// A credential was issued: of an invite, or in the place of another one.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct IssuedFacts {
    pub serial: Serial,
    pub holder: Holder,
    pub scopes: Scopes,
    pub device: Option<Device>,
    pub key: Hash,
    pub begins: Timestamp,
    pub ends: Timestamp,
    pub line: Serial,
    pub invite: Option<InviteId>,
    pub renews: Option<Serial>,
    /// The certificate itself, in DER.
    pub certificate: Vec<u8>,
}

/// A certificate that was in force when its holder became approver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CertifiedFacts {
    pub serial: Serial,
    /// The house did not issue it, and has whoever asked for the word that there is such a one.
    pub by_hand: bool,
}

/// Somebody tried to use an invite that was used, with another key.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ForeignFacts {
    pub invite: InviteId,
    /// SHA-256 of that key.
    pub key: Hash,
}

/// Certificates are trusted no more.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RevokedFacts {
    pub by: Holder,
    /// By the machine's clock.
    pub cut: Timestamp,
    /// All that this holder had until then; else nothing but the serial numbers.
    pub holder: Option<Holder>,
    /// Those that were valid until then, ascending, with their ends; of a holder the first of them.
    pub serials: Vec<(Serial, Timestamp)>,
    /// How many invites are taken back by it; of a holder up to a bound.
    pub invites: u32,
}

/// What came of it that somebody asked for a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Enrolment {
    /// This one, now or before.
    Issued(Serial),
    /// There is no such invite, or it has another secret.
    UnknownInvite,
    WithdrawnInvite,
    EndedInvite(Timestamp),
    /// Since when, by another key.
    UsedInvite(Timestamp),
    /// There is no such credential.
    UnknownCredential,
    /// So long ago that it is not renewed any more.
    EndedCredential(Timestamp),
    /// A key that has a certificate already.
    KnownKey,
    /// The certificate would not be trusted: all that its holder had was revoked meanwhile.
    BeginsTooEarly,
}
