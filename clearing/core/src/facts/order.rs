//! Payment orders of a settlement, and who stands at their ends.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::units::{Money, PartnerId};

/// One payment order of a settlement.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Order {
    pub payer: OrderParty,
    pub payee: OrderParty,
    /// Above zero.
    pub amount: Money,
    pub paid: bool,
}

/// One end of a payment order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum OrderParty {
    Partner(PartnerId),
    /// The operator of the settlement; after all partners in ties.
    Operator,
    /// The funds of the coalition (pool, reserve); last in ties.
    Funds,
    /// The settlement account.
    Hub,
}

impl OrderParty {
    pub fn of(participant: PartnerId) -> Self {
        if participant.is_operator() { Self::Operator } else { Self::Partner(participant) }
    }

    /// The participant of the settlement, if it is one.
    pub fn participant(self) -> Option<PartnerId> {
        match self {
            Self::Partner(partner) => Some(partner),
            Self::Operator => Some(PartnerId::operator()),
            Self::Funds | Self::Hub => None,
        }
    }

    /// Reads `hub`, `funds` or a partner id.
    pub fn parse(text: &str) -> Result<Self, crate::units::Malformed> {
        match text {
            "hub" => Ok(Self::Hub),
            "funds" => Ok(Self::Funds),
            partner => partner.parse().map(Self::of),
        }
    }
}

impl std::fmt::Display for OrderParty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Partner(partner) => partner.fmt(f),
            Self::Operator => f.pad("operator"),
            Self::Funds => f.pad("funds"),
            Self::Hub => f.pad("hub"),
        }
    }
}

/// How a settlement is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum OrderMode {
    /// Each leg against the settlement account.
    Hub,
    /// Debtors to creditors.
    Pairwise,
}

impl OrderMode {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hub => "HUB",
            Self::Pairwise => "PAIRWISE",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Hub, Self::Pairwise].into_iter().find(|mode| mode.as_str() == text)
    }
}
