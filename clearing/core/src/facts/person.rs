//! People of the operator: who they are, what they may do, and what two of them do together.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};

use crate::units::{Malformed, PartnerId, RequestId, Timestamp, as_text, check_id};

/// The name of a person of the operator, which has the form of a partner's id: what the person's certificate says.
///
/// Rule: people
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct PersonId(PartnerId);

impl PersonId {
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The name as an id of a partner has it.
    pub fn partner_id(&self) -> PartnerId {
        self.0
    }

    /// Under which id a request of this person is kept beside those of the operator's other people, who may have chosen the
    /// same, and of the operator as a brand: the time in it stays, and it is of a variant that no caller's id has
    /// ([`RequestId::made_at`]); the rest follows from the name and the id.
    ///
    /// Rule: request-ids-of-people
    pub fn key(&self, request: RequestId) -> RequestId {
        /// The time and the version of a UUID of version 7.
        const KEPT: u128 = 0xffff_ffff_ffff_f000_0000_0000_0000_0000;
        /// Both bits of the variant, of which a caller's id has the first alone.
        const VARIANT: u128 = 0b11 << 62;
        let hash = Sha256::new().chain_update([8]).chain_update(self.as_str()).chain_update(request.0.to_be_bytes());
        let hash: [u8; 32] = hash.finalize().into();
        let drawn = u128::from_be_bytes(std::array::from_fn(|at| hash[at]));
        RequestId((request.0 & KEPT) | VARIANT | (drawn & !KEPT & !VARIANT))
    }
}

impl FromStr for PersonId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        check_id(text)?;
        text.parse().map(Self)
    }
}

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl BorshDeserialize for PersonId {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        PartnerId::deserialize_reader(reader)?.as_str().parse().map_err(io::Error::other)
    }
}

as_text!(PersonId);

/// What a person may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Prepares and records.
    Clerk,
    /// Approves and refuses what others have proposed.
    Approver,
    /// Looks after members, and nothing else.
    Support,
    /// Reads everything and changes nothing.
    Auditor,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Clerk, Self::Approver, Self::Support, Self::Auditor];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clerk => "CLERK",
            Self::Approver => "APPROVER",
            Self::Support => "SUPPORT",
            Self::Auditor => "AUDITOR",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Clerk => 1,
            Self::Approver => 2,
            Self::Support => 4,
            Self::Auditor => 8,
        }
    }
}

/// A set of roles.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, BorshSerialize)]
pub struct Roles(u8);

impl Roles {
    pub const NONE: Self = Self(0);
    /// Those of the first person.
    pub const FIRST: Self = Self::of(&[Role::Clerk, Role::Approver, Role::Support]);

    pub const fn of(roles: &[Role]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < roles.len() {
            bits |= roles[at].bit();
            at += 1;
        }
        Self(bits)
    }

    /// The number that is stored for it.
    pub fn number(self) -> u8 {
        self.0
    }

    /// The set that a number is stored for; none if it is for none.
    pub fn from_number(number: u8) -> Option<Self> {
        (number < 16).then_some(Self(number))
    }

    pub fn has(self, role: Role) -> bool {
        self.0 & role.bit() != 0
    }

    /// Whether the two have a role in common.
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.has(*role))
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Self(roles.into_iter().fold(0, |bits, role| bits | role.bit()))
    }
}

/// Their words, with commas between them; "none" for none.
impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.iter().map(Role::as_str).collect();
        f.write_str(&if words.is_empty() { "none".to_owned() } else { words.join(", ") })
    }
}

impl fmt::Debug for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl BorshDeserialize for Roles {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        Self::from_number(u8::deserialize_reader(reader)?).ok_or_else(|| io::Error::other("not a set of roles"))
    }
}

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = <Vec<String> as Deserialize>::deserialize(deserializer)?;
        let role = |word: &String| Role::parse(word).ok_or_else(|| D::Error::custom(format!("{word} is no role")));
        words.iter().map(role).collect()
    }
}

/// A person of the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Person {
    pub roles: Roles,
    /// From when on these are its roles.
    pub since: Timestamp,
    /// What they are until then.
    pub before: Roles,
}

impl Person {
    /// The roles in force at a time.
    pub fn roles_at(&self, time: Timestamp) -> Roles {
        if time >= self.since { self.roles } else { self.before }
    }
}

/// The people of the operator, and what needs two of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct People {
    pub persons: BTreeMap<PersonId, Person>,
    /// The operations that the coalition has taken off the list of those that need two persons.
    pub alone: BTreeSet<String>,
}

impl People {
    /// One person, with the roles of the first.
    pub fn first(person: PersonId) -> Self {
        let first = Person { roles: Roles::FIRST, since: Timestamp(0), before: Roles::NONE };
        Self { persons: BTreeMap::from([(person, first)]), alone: BTreeSet::new() }
    }

    /// The roles of somebody at a time; none of somebody who is not known.
    pub fn roles_at(&self, person: PersonId, time: Timestamp) -> Roles {
        self.persons.get(&person).map_or(Roles::NONE, |person| person.roles_at(time))
    }

    /// Who has a role at a time, with all roles that it has then.
    pub fn with_role(&self, role: Role, time: Timestamp) -> impl Iterator<Item = (PersonId, Roles)> {
        let people = self.persons.iter().map(move |(id, person)| (*id, person.roles_at(time)));
        people.filter(move |(_, roles)| roles.has(role))
    }

    /// Whether two persons do together what stands on the list. It is so for good once two are approvers: fewer than two are
    /// never left.
    ///
    /// Rule: two-persons
    pub fn are_two(&self, time: Timestamp) -> bool {
        self.with_role(Role::Approver, time).count() >= 2
    }
}

/// A person's roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PersonFacts {
    pub person: PersonId,
    pub now: Person,
    /// None: it was nobody's name.
    pub before: Option<Person>,
    /// Whether it makes the second approver, so that two persons begin with its roles.
    pub makes_two: bool,
}

/// Which operations of the list one person does alone, from now on.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct AloneFacts {
    pub operations: BTreeSet<String>,
    pub before: BTreeSet<String>,
}
