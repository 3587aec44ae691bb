//! Entries: balanced events, and their canonical bytes.
//!
//! The canonical bytes are frozen: a version byte, then the fields of [`Entry`] in the order they are declared, encoded
//! by Borsh (a specified encoding in which equal values have equal bytes). A later version gets a new version byte;
//! old bytes are never rewritten. `tests/golden.rs` holds bytes and hashes of the first release.
//!
//! Nothing in an entry is data of a member, or free text of a till: whoever and whatever a till wants to note goes into an
//! attachment that can be erased, of which the entry holds only a salted commitment. Partners are named as they trade, and
//! their legal records and bank accounts stand in the journal for as long as their settlements do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::chart::{MoneyAccount, PointsAccount, Purpose};
use crate::facts::lot::LotMove;
use crate::facts::order::OrderParty;
use crate::facts::origin::Origin;
use crate::facts::proposal::Proposal;
use crate::facts::{Fact, Facts, HoldFacts, LinkFacts, RedemptionFacts};
use crate::units::{
    Currency, EntryId, MemberId, Money, Overflow, PartnerId, Points, RequestId, Timestamp, WindowNumber,
};

/// One entry takes at most this many lots (rule `lots-per-entry`).
pub const LOTS_PER_ENTRY_MAX: usize = 1024;

/// Declares the kinds of entries, each on one line: its name, its word, and whether the entry is a decision of the house.
macro_rules! kinds {
    ($($(#[doc = $doc:literal])* $kind:ident = $word:literal, $decision:ident;)*) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
        pub enum EntryKind {
            $($(#[doc = $doc])* $kind),*
        }

        impl EntryKind {
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// Its word, which is its name in the interface in small letters.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $word),*
                }
            }

            /// Whether its entries are decisions of the house.
            pub fn decision(self) -> IsDecision {
                match self {
                    $(Self::$kind => IsDecision::$decision),*
                }
            }
        }
    };
}

/// Whether an entry of a kind is a decision of the house.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsDecision {
    Yes,
    /// If it tells what it came to: others of the kind follow by themselves.
    IfItTells,
    No,
}

// In the order in which they came to be: the place of a kind is in the bytes of its entries.
kinds! {
    /// Points were given to a member.
    Issue = "issue", No;
    /// A member paid with points.
    Redeem = "redeem", No;
    /// A return of a redemption.
    Return = "return", No;
    /// The exact opposite of an entry whose request was abandoned.
    Undo = "undo", No;
    /// Points expired.
    Expire = "expire", No;
    /// A window was closed.
    Close = "close", Yes;
    /// A payment of a settlement was confirmed.
    Payment = "payment", Yes;
    /// A settlement was aborted.
    Abort = "abort_settlement", Yes;
    /// Money was paid into a fund.
    Deposit = "deposit", Yes;
    /// Points were reserved for an acceptor.
    Authorize = "authorize", No;
    /// A hold was taken, wholly or in part.
    Capture = "capture", No;
    /// A hold was released by its acceptor.
    Void = "void", No;
    /// A hold was released because its time was over.
    Lapse = "lapse", No;
    /// Points of an issue were taken back, or became a debt.
    Reverse = "reverse", No;
    /// A member's debt was paid with points.
    Recover = "recover", No;
    /// Pending points became available.
    Activate = "activate", No;
    /// Points that waited for their issuer's payment are paid for.
    Fund = "fund", No;
    /// Points taken for inactivity.
    Decay = "decay", IfItTells;
    /// A member gave points to another.
    Transfer = "transfer", No;
    /// Points live longer.
    Extend = "extend", IfItTells;
    /// Expired points were given again.
    Reinstate = "reinstate", Yes;
    /// A member's debt was given up.
    WriteOff = "write_off", Yes;
    /// The coalition began: its first entry.
    Found = "found", Yes;
    /// A partner joined.
    CreatePartner = "create_partner", Yes;
    /// A partner got new terms.
    SetTerms = "set_terms", Yes;
    /// A partner's state was set.
    SetState = "set_partner_state", Yes;
    /// A partner's limits were set.
    SetLimits = "set_limits", Yes;
    /// A funder's consent was given or taken back.
    SetConsent = "set_funding_consent", Yes;
    /// The calendar of cut-offs was set.
    SetCalendar = "set_calendar", Yes;
    /// A settlement was found right.
    Confirm = "confirm_settlement", Yes;
    /// The orders of a settlement were handed out.
    Export = "export_orders", Yes;
    /// Answers that were recorded before a moment may be forgotten.
    Forget = "forget", Yes;
    /// Money was paid out of a fund.
    Withdraw = "withdraw_funds", Yes;
    /// Nothing of a member is to be spent.
    FreezeMember = "freeze_member", Yes;
    /// A member may spend again.
    UnfreezeMember = "unfreeze_member", Yes;
    /// A partner got another name for people.
    RenamePartner = "rename_partner", Yes;
    /// Holders of new credentials were invited.
    CreateInvites = "create_invites", Yes;
    /// Invites were taken back.
    WithdrawInvites = "withdraw_invites", Yes;
    /// An invite was used: a credential was issued.
    Enroll = "enroll", Yes;
    /// An invite that was used was shown again, with another key.
    RefuseEnrolment = "refuse_enrolment", Yes;
    /// A credential got a successor.
    RenewCertificate = "renew_certificate", Yes;
    /// Credentials are trusted no more.
    RevokeCredentials = "revoke_credentials", Yes;
    /// A person of the operator got roles.
    SetPerson = "set_person", Yes;
    /// It was set what needs two persons.
    SetTwoPersonList = "set_two_person_list", Yes;
    /// A person was named approver on the machine of the stopped house.
    RecoverPerson = "recover_person", Yes;
    /// One person has asked for what needs two. `ApproveProposal` writes the entries of what is proposed.
    Propose = "propose", Yes;
    /// A proposal was refused.
    RefuseProposal = "refuse_proposal", Yes;
    /// A proposal was withdrawn by who had asked for it.
    WithdrawProposal = "withdraw_proposal", Yes;
    /// It was written down who a partner is by law.
    SetLegalRecord = "set_legal_record", Yes;
    /// A partner came into a group, or left it.
    SetGroup = "set_group", Yes;
    /// A partner got another bank account, which is in force some days later.
    SetBankAccount = "set_bank_account", Yes;
    /// A bank account that waited was stopped.
    StopBankAccount = "stop_bank_account_change", Yes;
    /// Money arrived at the bank.
    ReceiveMoney = "receive_money", Yes;
    /// Money that had arrived was used, as somebody said.
    ApplyMoney = "apply_money", Yes;
    /// Money that had arrived or was paid ahead paid a leg by itself.
    TakeMoney = "take_money", No;
    /// A credit paid an older leg or a claim of its partner by itself.
    Offset = "offset", No;
    /// Pay-outs may leave the house, as every debit is paid.
    Release = "release", No;
    /// Pay-outs may leave the house before that, as somebody said.
    ReleaseOrders = "release_orders", Yes;
    /// A payment that was booked by mistake was undone.
    UndoPayment = "undo_payment", Yes;
    /// Money that belongs to nothing was ordered back.
    ReturnMoney = "return_money", Yes;
    /// Money that was ordered out has left the bank.
    ConfirmOrdered = "confirm_ordered", Yes;
    /// A payment came back.
    ReturnPayment = "return_payment", Yes;
    /// A leg was paid for its partner out of what there is.
    CoverDefault = "cover_default", Yes;
    /// What was missing for a leg was taken off the creditors.
    ShareLoss = "share_loss", Yes;
    /// A claim was paid.
    RepayClaim = "repay_claim", Yes;
    /// Pending points whose issuer did not pay for them are gone.
    Cancel = "cancel", No;
    /// A partner was charged.
    Charge = "charge", Yes;
    /// Money was moved between two positions by hand.
    Adjust = "adjust", Yes;
    /// The bank took a fee, or gave interest.
    BookBankFee = "book_bank_fee", Yes;
    /// Money was moved between the house's own accounts.
    BookOwnTransfer = "book_own_transfer", Yes;
    /// What funds gained or lost in a window was moved between the house's own accounts.
    MoveFunds = "move_funds", No;
    /// What covers a partner's debts was set.
    SetCover = "set_cover", Yes;
    /// What a partner is charged by itself was set.
    SetCharges = "set_charges", Yes;
}

impl EntryKind {
    /// Whether the entry is a decision on money at the bank, which its postings tell.
    pub fn is_of_money(self) -> bool {
        matches!(
            self,
            Self::ReceiveMoney
                | Self::ApplyMoney
                | Self::UndoPayment
                | Self::ReturnMoney
                | Self::ConfirmOrdered
                | Self::ReturnPayment
                | Self::CoverDefault
                | Self::ShareLoss
                | Self::RepayClaim
                | Self::Charge
                | Self::Adjust
                | Self::BookBankFee
                | Self::BookOwnTransfer
        )
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
pub(super) const ENTRY_VERSION: u8 = 1;

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

    /// What the payment of an order has paid; none of any other entry.
    pub fn paid_amount(&self) -> Option<Money> {
        let paid = self.facts.paid()?;
        let ends = [paid.payer, paid.payee].map(OrderParty::participant);
        let is_leg = |account: MoneyAccount| match account {
            MoneyAccount::Settle(window, partner) => window == paid.window && ends.contains(&Some(partner)),
            MoneyAccount::Position(_)
            | MoneyAccount::Pool
            | MoneyAccount::Reserve
            | MoneyAccount::Collateral(_)
            | MoneyAccount::Bank(_)
            | MoneyAccount::Unfunded
            | MoneyAccount::Advance(_)
            | MoneyAccount::Unapplied(_)
            | MoneyAccount::Ordered(_)
            | MoneyAccount::Claim(_)
            | MoneyAccount::ReserveClaim
            | MoneyAccount::Shared(..) => false,
        };
        let posted = self.money.iter().find(|posting| is_leg(posting.account));
        posted.map(|posting| Money(posting.amount.0.saturating_abs()))
    }

    /// The open proposal that it makes; none of any other.
    pub fn proposal(&self) -> Option<Proposal> {
        Some(Proposal::opened(self.facts.by()?, self.time, self.facts.proposed()?))
    }

    /// The key that its request is kept under: a person's ids are its own.
    pub fn request_key(&self) -> Option<(PartnerId, RequestId)> {
        let id = self.request_id?;
        Some((self.partner, self.facts.by().map_or(id, |by| by.person.key(id))))
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
}
