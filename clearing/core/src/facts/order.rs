//! Payment orders of a settlement, and who stands at their ends.

use std::fmt;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::Deserialize;

use crate::units::{Malformed, Money, PartnerId, as_text};

/// One payment order of a settlement.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Order {
    pub payer: OrderParty,
    pub payee: OrderParty,
    /// Above zero.
    pub amount: Money,
    pub paid: bool,
    /// Whether the house has let it out, of one that the house pays where pay-outs wait for the money.
    pub released: bool,
}

impl Order {
    pub fn new(payer: OrderParty, payee: OrderParty, amount: Money) -> Self {
        Self { payer, payee, amount, paid: false, released: false }
    }

    /// Whether the house pays it.
    pub fn is_pay_out(&self) -> bool {
        matches!(self.payer, OrderParty::Hub | OrderParty::Funds)
    }

    /// Whether it is a pay-out that was not let out: it waits, where pay-outs wait for their money.
    pub fn waits(&self) -> bool {
        self.is_pay_out() && !self.released && !self.paid
    }

    /// Whether one of its ends is a participant.
    pub fn touches(&self, participant: PartnerId) -> bool {
        [self.payer, self.payee].into_iter().filter_map(OrderParty::participant).any(|end| end == participant)
    }
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
}

as_text!(OrderParty);

impl FromStr for OrderParty {
    type Err = Malformed;

    /// Reads `hub`, `funds` or a partner id.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        match text {
            "hub" => Ok(Self::Hub),
            "funds" => Ok(Self::Funds),
            partner => partner.parse().map(Self::of),
        }
    }
}

impl fmt::Display for OrderParty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partner(partner) => partner.fmt(f),
            Self::Operator => f.pad("operator"),
            Self::Funds => f.pad("funds"),
            Self::Hub => f.pad("hub"),
        }
    }
}

/// How a settlement is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
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
