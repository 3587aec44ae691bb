//! The chart of accounts: every account that an entry may post to, and the purposes of a money posting.
//!
//! The text of an account is part of the product: `member:M`, `position:A`, `settle:1:A`, `pool`. It is what the
//! reports show and what the balances are stored under.

use std::fmt;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::units::{Malformed, MemberId, PartnerId, WindowNumber, as_text, digits, shown};

/// Accounts in points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub enum PointsAccount {
    /// What the member can spend, kept as lots.
    Member(MemberId),
    /// Minus what the partner has outstanding.
    Issuer(PartnerId),
    /// What is reserved of the member's points by holds.
    Held(MemberId),
    /// What was issued to the member and is not released yet.
    Pending(MemberId),
    /// Minus what the member owes for points that were reversed after they were spent.
    Debt(MemberId),
    /// What members owe the partner in points.
    Recoverable(PartnerId),
}

/// Accounts in money.
///
/// Rule: accounts
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub enum MoneyAccount {
    /// What the partner owes (-) or is owed (+) and is not yet in a settlement.
    Position(PartnerId),
    /// Backs prepaid points.
    Pool,
    /// The coalition's reserve against defaults.
    Reserve,
    /// What a partner has deposited against its own default.
    Collateral(PartnerId),
    /// A window's money in flight between its close and its payment.
    Settle(WindowNumber, PartnerId),
    /// The house's bank account: an asset, so normally negative.
    Bank(BankPurpose),
    /// What issuers owe for points that wait for their payment.
    Unfunded,
    /// What a partner has paid ahead.
    Advance(PartnerId),
    /// What arrived of a partner, or of nobody knows whom, and belongs to nothing yet.
    Unapplied(Option<PartnerId>),
    /// What was ordered out and is not seen at the bank yet; without a partner, of money of nobody knows whom.
    Ordered(Option<PartnerId>),
    /// Minus what a partner owes for a default, or for a payment that came back.
    Claim(PartnerId),
    /// What of the claims stands against the reserve.
    ReserveClaim,
    /// What a partner (first) lost by sharing the default of another (second).
    Shared(PartnerId, PartnerId),
}

/// What the money in the bank is for. Reports show the sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub enum BankPurpose {
    Settlement,
    Reserve,
    Collateral,
    /// What backs prepaid points.
    Pool,
}

impl BankPurpose {
    pub const ALL: [Self; 4] = [Self::Settlement, Self::Reserve, Self::Collateral, Self::Pool];

    /// Those that are for a fund.
    pub const FUNDS: [Self; 3] = [Self::Reserve, Self::Collateral, Self::Pool];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Settlement => "settlement",
            Self::Reserve => "reserve",
            Self::Collateral => "collateral",
            Self::Pool => "pool",
        }
    }
}

as_text!(BankPurpose);

impl fmt::Display for BankPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for BankPurpose {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let found = Self::ALL.into_iter().find(|purpose| purpose.as_str() == text);
        found.ok_or_else(|| Malformed(format!("{} is none of settlement, reserve, collateral and pool", shown(text))))
    }
}

/// A fund that money is paid into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Fund {
    Reserve,
    /// Of a partner.
    Collateral(PartnerId),
    /// What a partner pays ahead.
    Advance(PartnerId),
}

/// The account of money that belongs to nothing yet: of a partner, or of nobody knows whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct UnappliedOf(pub Option<PartnerId>);

/// Why money moved, so that rewards, fees and taxes never mix on a statement. Within an entry the postings of each
/// purpose sum to zero (rule `balanced`).
///
/// Rule: purposes
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub enum Purpose {
    /// The points themselves: the issuer's price up to the acceptor's reimbursement, or up to the backing value.
    Reward,
    /// The acceptance fee.
    Fee,
    /// The difference between price, value and reimbursement.
    Spread,
    /// What expiry leaves behind.
    Breakage,
    /// Money on its way between positions, legs and the bank.
    Settlement,
    /// Money paid into or out of a fund.
    Deposit,
    /// What a defaulter pays on top.
    Penalty,
    /// What the operator charges a partner.
    Charge,
    /// Taxes on a fee or charge.
    Tax,
    /// A correction by the operator.
    Adjustment,
}

impl Purpose {
    pub const ALL: [Self; 10] = [
        Self::Reward,
        Self::Fee,
        Self::Spread,
        Self::Breakage,
        Self::Settlement,
        Self::Deposit,
        Self::Penalty,
        Self::Charge,
        Self::Tax,
        Self::Adjustment,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reward => "REWARD",
            Self::Fee => "FEE",
            Self::Spread => "SPREAD",
            Self::Breakage => "BREAKAGE",
            Self::Settlement => "SETTLEMENT",
            Self::Deposit => "DEPOSIT",
            Self::Penalty => "PENALTY",
            Self::Charge => "CHARGE",
            Self::Tax => "TAX",
            Self::Adjustment => "ADJUSTMENT",
        }
    }
}

impl PointsAccount {
    /// The member whose account this is, if it is a member's.
    pub fn member(&self) -> Option<MemberId> {
        match self {
            Self::Member(member) | Self::Held(member) | Self::Pending(member) | Self::Debt(member) => Some(*member),
            Self::Issuer(_) | Self::Recoverable(_) => None,
        }
    }

    /// The partner whose account this is, if it is a partner's.
    pub fn partner(&self) -> Option<PartnerId> {
        match self {
            Self::Member(_) | Self::Held(_) | Self::Pending(_) | Self::Debt(_) => None,
            Self::Issuer(partner) | Self::Recoverable(partner) => Some(*partner),
        }
    }
}

impl MoneyAccount {
    /// The partner whose account this is, if it is a partner's.
    pub fn partner(&self) -> Option<PartnerId> {
        match self {
            Self::Position(partner)
            | Self::Collateral(partner)
            | Self::Settle(_, partner)
            | Self::Advance(partner)
            | Self::Claim(partner)
            | Self::Shared(partner, _) => Some(*partner),
            Self::Unapplied(partner) | Self::Ordered(partner) => *partner,
            Self::Pool | Self::Reserve | Self::Bank(_) | Self::Unfunded | Self::ReserveClaim => None,
        }
    }
}

impl Fund {
    pub fn account(self) -> MoneyAccount {
        match self {
            Self::Reserve => MoneyAccount::Reserve,
            Self::Collateral(partner) => MoneyAccount::Collateral(partner),
            Self::Advance(partner) => MoneyAccount::Advance(partner),
        }
    }

    /// The partner to whom what is in it goes back.
    pub fn owner(self) -> PartnerId {
        match self {
            Self::Reserve => PartnerId::operator(),
            Self::Collateral(partner) | Self::Advance(partner) => partner,
        }
    }

    /// What the money in the bank is for that lies in this fund.
    pub fn bank(self) -> BankPurpose {
        match self {
            Self::Reserve => BankPurpose::Reserve,
            Self::Collateral(_) => BankPurpose::Collateral,
            Self::Advance(_) => BankPurpose::Settlement,
        }
    }
}

as_text!(Fund);

impl fmt::Display for Fund {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.account().fmt(f)
    }
}

impl FromStr for Fund {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        match text.parse() {
            Ok(MoneyAccount::Reserve) => Ok(Self::Reserve),
            Ok(MoneyAccount::Collateral(partner)) => Ok(Self::Collateral(partner)),
            Ok(MoneyAccount::Advance(partner)) => Ok(Self::Advance(partner)),
            Ok(_) | Err(_) => {
                Err(Malformed(format!("{} is none of reserve, collateral:PARTNER and advance:PARTNER", shown(text))))
            }
        }
    }
}

as_text!(UnappliedOf);

impl fmt::Display for UnappliedOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        MoneyAccount::Unapplied(self.0).fmt(f)
    }
}

impl FromStr for UnappliedOf {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        match text.parse() {
            Ok(MoneyAccount::Unapplied(partner)) => Ok(Self(partner)),
            Ok(_) | Err(_) => {
                Err(Malformed(format!("{} is neither unapplied:PARTNER nor unapplied:unknown", shown(text))))
            }
        }
    }
}

/// How the accounts of money of nobody knows whom are called behind the colon; no partner has this id.
pub const UNKNOWN: &str = "unknown";

impl fmt::Display for PointsAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(member) => write!(f, "member:{member}"),
            Self::Issuer(partner) => write!(f, "issuer:{partner}"),
            Self::Held(member) => write!(f, "held:{member}"),
            Self::Pending(member) => write!(f, "pending:{member}"),
            Self::Debt(member) => write!(f, "debt:{member}"),
            Self::Recoverable(partner) => write!(f, "recoverable:{partner}"),
        }
    }
}

impl FromStr for PointsAccount {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        match text.split_once(':') {
            Some(("member", member)) => Ok(Self::Member(member.parse()?)),
            Some(("issuer", partner)) => Ok(Self::Issuer(partner.parse()?)),
            Some(("held", member)) => Ok(Self::Held(member.parse()?)),
            Some(("pending", member)) => Ok(Self::Pending(member.parse()?)),
            Some(("debt", member)) => Ok(Self::Debt(member.parse()?)),
            Some(("recoverable", partner)) => Ok(Self::Recoverable(partner.parse()?)),
            _ => Err(Malformed(format!("{} is not an account in points", shown(text)))),
        }
    }
}

impl fmt::Display for MoneyAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Position(partner) => write!(f, "position:{partner}"),
            Self::Pool => f.write_str("pool"),
            Self::Reserve => f.write_str("reserve"),
            Self::Unfunded => f.write_str("unfunded"),
            Self::Collateral(partner) => write!(f, "collateral:{partner}"),
            Self::Settle(window, partner) => write!(f, "settle:{window}:{partner}"),
            Self::Bank(purpose) => write!(f, "bank:{}", purpose.as_str()),
            Self::Advance(partner) => write!(f, "advance:{partner}"),
            Self::Unapplied(Some(partner)) => write!(f, "unapplied:{partner}"),
            Self::Unapplied(None) => write!(f, "unapplied:{UNKNOWN}"),
            Self::Ordered(Some(partner)) => write!(f, "ordered:{partner}"),
            Self::Ordered(None) => write!(f, "ordered:{UNKNOWN}"),
            Self::Claim(partner) => write!(f, "claim:{partner}"),
            Self::ReserveClaim => f.write_str("reserve_claim"),
            Self::Shared(sharer, partner) => write!(f, "shared:{sharer}:{partner}"),
        }
    }
}

impl FromStr for MoneyAccount {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || Malformed(format!("{} is not an account in money", shown(text)));
        match text.split_once(':') {
            None if text == "pool" => Ok(Self::Pool),
            None if text == "reserve" => Ok(Self::Reserve),
            None if text == "unfunded" => Ok(Self::Unfunded),
            None if text == "reserve_claim" => Ok(Self::ReserveClaim),
            Some(("position", partner)) => Ok(Self::Position(partner.parse()?)),
            Some(("collateral", partner)) => Ok(Self::Collateral(partner.parse()?)),
            Some(("settle", rest)) => {
                let (window, partner) = rest.split_once(':').ok_or_else(malformed)?;
                Ok(Self::Settle(digits(window).ok_or_else(malformed)?, partner.parse()?))
            }
            Some(("bank", purpose)) => purpose.parse().map(Self::Bank),
            Some(("advance", partner)) => Ok(Self::Advance(partner.parse()?)),
            Some(("unapplied", partner)) => Ok(Self::Unapplied(known(partner)?)),
            Some(("ordered", partner)) => Ok(Self::Ordered(known(partner)?)),
            Some(("claim", partner)) => Ok(Self::Claim(partner.parse()?)),
            Some(("shared", rest)) => {
                let (sharer, partner) = rest.split_once(':').ok_or_else(malformed)?;
                Ok(Self::Shared(sharer.parse()?, partner.parse()?))
            }
            _ => Err(malformed()),
        }
    }
}

/// Whose money it is, by what stands behind the colon of an account.
fn known(partner: &str) -> Result<Option<PartnerId>, Malformed> {
    if partner == UNKNOWN { Ok(None) } else { partner.parse().map(Some) }
}
