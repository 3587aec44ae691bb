//! Partners: their states, their versions of terms, their limits, the groups that they are of.

use std::fmt;
use std::io;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::facts::limits::Limits;
use crate::facts::security::Security;
use crate::facts::terms::Terms;
use crate::units::{Malformed, PartnerId, Timestamp, WindowNumber, as_text, check_id};

/// What a partner may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PartnerState {
    Active,
    /// Refuses issues.
    Restricted,
    /// Refuses issues and redemptions.
    Suspended,
    /// As suspended, for good.
    Exited,
}

impl PartnerState {
    pub const ALL: [Self; 4] = [Self::Active, Self::Restricted, Self::Suspended, Self::Exited];

    /// Whether a partner in this state is held to what it did lately.
    pub fn is_suspended(self) -> bool {
        matches!(self, Self::Suspended | Self::Exited)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Restricted => "RESTRICTED",
            Self::Suspended => "SUSPENDED",
            Self::Exited => "EXITED",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A brand of the coalition. The operator is one as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partner {
    pub id: PartnerId,
    pub display_name: String,
    pub state: PartnerState,
    /// The window that was open when it was suspended, or left; none while it is neither. Of the issues before it
    /// reverses none.
    pub suspended_in: Option<WindowNumber>,
    /// All versions, the oldest first.
    pub terms: Vec<Terms>,
    pub limits: Limits,
    /// The brand that it trades for together with others; none if it stands alone.
    pub group: Option<GroupId>,
    /// How often its state was set, to the same as well: what a proposal of another one has seen.
    pub state_no: u32,
    /// The same of its limits.
    pub limits_no: u32,
    /// What covers its debts besides its collateral.
    pub security: Security,
}

impl Partner {
    /// The terms in force at a time: of the versions effective by then the one with the latest effective time, of
    /// equal ones the later version. Before the first became effective, the first.
    ///
    /// Rule: terms-in-force
    pub fn terms_at(&self, now: Timestamp) -> &Terms {
        let in_force = self.terms.iter().filter(|terms| terms.effective <= now);
        let first = self.terms.first().expect("a partner is created with terms");
        in_force.max_by_key(|terms| (terms.effective, terms.version)).unwrap_or(first)
    }

    /// The versions that are in force at a time or will be later.
    pub fn terms_from(&self, now: Timestamp) -> impl Iterator<Item = &Terms> {
        let current = self.terms_at(now);
        self.terms.iter().filter(move |terms| terms.effective > now || terms.version == current.version)
    }

    pub fn terms_version(&self, version: u32) -> Option<&Terms> {
        self.terms.iter().find(|terms| terms.version == version)
    }
}

/// The name of a group of partners, which has the form of a partner's id and may be that of one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct GroupId(PartnerId);

impl GroupId {
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for GroupId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        check_id(text)?;
        text.parse().map(Self)
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl BorshDeserialize for GroupId {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        PartnerId::deserialize_reader(reader)?.as_str().parse().map_err(io::Error::other)
    }
}

as_text!(GroupId);

/// Of which group a partner is from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct GroupFacts {
    pub partner: PartnerId,
    /// None: of none.
    pub group: Option<GroupId>,
    pub before: Option<GroupId>,
}
