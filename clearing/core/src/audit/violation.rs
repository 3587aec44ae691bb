//! What an audit can find.

use crate::audit::shown::{self, Amount};
use crate::chart::{MoneyAccount, Purpose};
use crate::facts::lot::LotId;
use crate::facts::member::Holding;
use crate::facts::terms::Funding;
use crate::units::{EntryId, MemberId, PartnerId, Timestamp, WindowNumber};

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("entry {entry}: its points sum to {sum}, not to 0")]
    EntryPoints { entry: EntryId, sum: i128 },
    #[error("entry {entry}: its money under {} sums to {sum}, not to 0", purpose.as_str())]
    EntryMoney { entry: EntryId, purpose: Purpose, sum: Amount },
    #[error("entry {entry}: its lots and its postings move different points of {issuer}: {lots} and {posted}")]
    EntryLots { entry: EntryId, issuer: PartnerId, lots: i128, posted: i128 },
    #[error("entry {entry}: it moves lot {lot}, which no entry before it made")]
    LotUnknown { entry: EntryId, lot: LotId },
    #[error("entry {entry}: it moves points of {issuer} under its terms {terms}, which there are not")]
    TermsUnknown { entry: EntryId, issuer: PartnerId, terms: u32 },
    #[error(
        "lot {lot} of {issuer}, made by entry {entry}: {available} points are available, {held} held, {pending} pending, \
         {lost} lost, of {size}"
    )]
    LotOutOfRange {
        lot: LotId,
        issuer: PartnerId,
        entry: EntryId,
        available: i64,
        held: i64,
        pending: i64,
        lost: i64,
        size: i64,
    },
    #[error("issuer {issuer}: its account says {account} points are outstanding, its lots say {lots}")]
    Outstanding { issuer: PartnerId, account: i128, lots: i128 },
    #[error("issuer {issuer}, terms {terms}: {counted} points are counted as outstanding, the lots say {lots}")]
    OutstandingOfTerms { issuer: PartnerId, terms: u32, counted: i128, lots: i128 },
    #[error(
        "member {member}: of {issuer} under {} it holds {}; its lots say {}", funding.as_str(), shown::holding(holding),
        shown::holding(lots)
    )]
    HoldingDiffers { member: MemberId, issuer: PartnerId, funding: Funding, holding: Holding, lots: Holding },
    #[error("member {member}: {points} points of open holds, {held} points held")]
    HoldsDiffer { member: MemberId, points: i128, held: i128 },
    #[error("{creditor}: its account says {account} points are owed to it, its debtors say {debts}")]
    DebtsDiffer { creditor: PartnerId, account: i128, debts: i128 },
    #[error("{partner}: {reserved} of its headroom are reserved, open holds say {holds}")]
    ReservedDiffers { partner: PartnerId, reserved: Amount, holds: Amount },
    #[error("{partner}: {unsettled} of its legs count as owed, its accounts say {accounts}")]
    UnsettledDiffers { partner: PartnerId, unsettled: Amount, accounts: Amount },
    #[error("{partner}: {ahead} count as paid ahead less claims, its accounts say {accounts}")]
    AheadDiffers { partner: PartnerId, ahead: Amount, accounts: Amount },
    #[error("the money that arrived with entry {entry}: {amount}, and its parts sum to {parts}")]
    ArrivedDiffers { entry: EntryId, amount: Amount, parts: Amount },
    #[error("{account} holds {balance}, and its rows sum to {rows}")]
    RowsDiffer { account: MoneyAccount, balance: Amount, rows: Amount },
    #[error("{unfunded} wait for payments, and pending points need {waiting}")]
    Unfunded { unfunded: Amount, waiting: Amount },
    #[error("member {member}: nothing is due before {next_due}, but a lot expires {expires}")]
    DueWorkMissed { member: MemberId, next_due: Timestamp, expires: Timestamp },
    #[error("member {member}: {expiring} points are said to expire {expires} as the first, its lots say {lots}")]
    ExpiringDiffer { member: MemberId, expires: Timestamp, expiring: i64, lots: i64 },
    #[error("the pool holds {pool}, and outstanding prepaid points need {backing}")]
    Pool { pool: Amount, backing: Amount },
    #[error("all accounts in money sum to {sum}, not to 0")]
    MoneySum { sum: Amount },
    #[error("redemption {redemption}: {returned} points were returned of {points}")]
    ReturnedOutOfRange { redemption: EntryId, returned: i64, points: i64 },
    #[error("window {window}: the proof of its close does not hold")]
    ProofFails { window: WindowNumber },
    #[error("window {window}: stored as {figure} is {stored}, the journal gives {rebuilt}")]
    ProofDiffers { window: WindowNumber, figure: String, stored: Amount, rebuilt: Amount },
    #[error("window {window}: {carried} of {partner} was carried, and the next window opened with {opening}")]
    NotContinuous { window: WindowNumber, partner: PartnerId, carried: Amount, opening: Amount },
    #[error("window {window}: {due} is due of the leg of {partner}, and its account holds {account}")]
    LegDiffers { window: WindowNumber, partner: PartnerId, due: Amount, account: Amount },
    #[error("{what}: stored is {stored}, the journal gives {rebuilt}")]
    NotRebuilt { what: String, stored: String, rebuilt: String },
}
