//! What is recorded and kept: data, which knows neither a rule nor a book; here, what entries record besides their postings.
//!
//! An entry has a list of facts, so that a new kind of fact is one more variant at the end and changes no other. In the
//! canonical bytes the list is a byte with its length and the facts one after another.

pub mod answer;
pub mod bank_account;
pub mod calendar;
pub mod chain;
pub mod charges;
pub(crate) mod check_digits;
pub mod coalition;
pub mod credential;
pub mod entry;
pub mod hold;
pub mod legal;
pub mod limits;
pub mod lot;
pub mod member;
pub mod money;
pub mod order;
pub mod origin;
pub mod partner;
pub mod person;
pub mod proof;
pub mod proposal;
pub mod receipt;
pub mod returned;
pub mod security;
pub mod terms;
pub mod window;

use std::io;
use std::io::{Read, Write};

use borsh::{BorshDeserialize, BorshSerialize};

use crate::chart::MoneyAccount;
use crate::facts::bank_account::{AccountStopFacts, BankAccountFacts};
use crate::facts::calendar::{Calendar, SettlementDays};
use crate::facts::charges::{ChargedFacts, ChargesFacts};
use crate::facts::coalition::Coalition;
use crate::facts::credential::{CertifiedFacts, ForeignFacts, InvitedFacts, IssuedFacts, RevokedFacts, WithdrawnFacts};
use crate::facts::legal::LegalFacts;
use crate::facts::limits::{Consent, Limits};
use crate::facts::lot::{LotId, LotPlace};
use crate::facts::money::{
    AssignedFacts, FundsMovedFacts, LegFacts, LineFacts, MoneyMove, OutFacts, OutStateFacts, ReceivedFacts,
    ReleasedFacts, UnpaidFacts,
};
use crate::facts::order::{OrderMode, OrderParty};
use crate::facts::origin::BusinessDate;
use crate::facts::origin::Code;
use crate::facts::partner::{GroupFacts, PartnerState};
use crate::facts::person::{AloneFacts, PersonFacts};
use crate::facts::proposal::{ByFacts, ProposalFacts, ProposedFacts};
use crate::facts::security::SecurityFacts;
use crate::facts::terms::{FeeBearer, Terms};
use crate::facts::window::{SettlementState, StateChange};
use crate::units::{EntryId, Hash, Money, PartnerId, Points, Rate, RequestId, Timestamp, WindowNumber};

/// One thing that an entry records. Kinds of facts are added at the end, never changed.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Fact {
    Redemption(RedemptionFacts),
    Hold(HoldFacts),
    Reversal(Vec<ReversedPart>),
    Funding(Vec<FundedPart>),
    Decay(DecayFacts),
    /// A decay goes on with the next command, behind this place in the order of consumption.
    DecayedTo(LotPlace),
    /// Why it was done: by the operator, or by the house as a rule has it.
    Reason(Code),
    /// The issuers whose lots were passed over for want of headroom, ascending.
    PassedOver(Vec<PartnerId>),
    /// What of a purchase is returned with the entry.
    PurchaseReturn(PurchaseReturnFacts),
    /// The coalition itself: the first entry of a journal.
    Founded(Box<FoundedFacts>),
    PartnerCreated(PartnerFacts),
    Terms(TermsFacts),
    State(StateFacts),
    Limits(LimitsFacts),
    Consent(ConsentFacts),
    Calendar(CalendarFacts),
    /// A settlement is right, as who decides it has seen.
    Confirmed(ConfirmFacts),
    Exported(ExportFacts),
    Paid(PaymentFacts),
    /// A settlement is taken back.
    Aborted(AbortFacts),
    /// The partner's request under this id shall have no effect; the entry, and those of its batch behind it that were asked
    /// for under the same id, undo what it did.
    Abandoned(RequestId),
    Forgotten(ForgetFacts),
    /// The member whom the entry gives its first lots was enrolled under an identifier.
    Linked(LinkFacts),
    Fund(FundFacts),
    /// What a decay took in all; in the first of its entries.
    Decayed(DecayedFacts),
    Extended(ExtendFacts),
    WrittenOff(WriteOffFacts),
    /// A member was frozen, or its freeze lifted.
    Frozen(FreezeFacts),
    Renamed(RenameFacts),
    /// What an abandoned redemption or hold had counted, which counts no more.
    Uncounted(UncountedFacts),
    Invited(InvitedFacts),
    InvitesWithdrawn(WithdrawnFacts),
    CredentialIssued(Box<IssuedFacts>),
    /// A used invite was shown again, with another key.
    ForeignAttempt(ForeignFacts),
    Revoked(RevokedFacts),
    /// Who of the operator's people asked for the entry. What tills ask for has none.
    By(ByFacts),
    Person(PersonFacts),
    /// What of the list of two persons one does alone.
    Alone(AloneFacts),
    Proposed(ProposedFacts),
    /// A proposal was refused or withdrawn.
    Proposal(ProposalFacts),
    /// Who a partner is by law.
    Legal(Box<LegalFacts>),
    /// A partner came into a group, or left it.
    Group(GroupFacts),
    BankAccount(Box<BankAccountFacts>),
    BankAccountStopped(AccountStopFacts),
    /// What the calendar said of a close.
    CutOff(CutOffFacts),
    /// The certificate for which somebody became approver.
    Certified(CertifiedFacts),
    Received(ReceivedFacts),
    /// The line of a bank's statement that the entry is.
    Line(LineFacts),
    Moved(Vec<MoneyMove>),
    Assigned(AssignedFacts),
    /// Legs that were moved otherwise than by an order, in this order.
    Legs(Vec<LegFacts>),
    Out(OutFacts),
    OutState(OutStateFacts),
    Released(ReleasedFacts),
    /// Pending points whose issuer defaulted.
    Cancelled(Vec<FundedPart>),
    /// What was booked by that entry was none.
    UndonePayment(EntryId),
    Unpaid(UnpaidFacts),
    FundsMoved(FundsMovedFacts),
    /// What covers a partner's debts besides its collateral.
    Security(SecurityFacts),
    /// What a partner is charged by itself.
    Charges(ChargesFacts),
    /// The period that a charge is for.
    Charged(ChargedFacts),
}

/// The facts of an entry, none of a kind twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts(Vec<Fact>);

/// Gives each kind of fact a reader: the fact of that kind, if the entry has one.
macro_rules! readers {
    ($($reader:ident: $kind:ident -> $data:ty),* $(,)?) => {
        $(pub fn $reader(&self) -> Option<&$data> {
            self.0.iter().find_map(|fact| if let Fact::$kind(data) = fact { Some(data) } else { None })
        })*
    };
}

impl Facts {
    readers! {
        redemption: Redemption -> RedemptionFacts,
        hold: Hold -> HoldFacts,
        reversal: Reversal -> Vec<ReversedPart>,
        funding: Funding -> Vec<FundedPart>,
        decay: Decay -> DecayFacts,
        decayed_to: DecayedTo -> LotPlace,
        purchase_return: PurchaseReturn -> PurchaseReturnFacts,
        linked: Linked -> LinkFacts,
        created: PartnerCreated -> PartnerFacts,
        terms: Terms -> TermsFacts,
        state: State -> StateFacts,
        renamed: Renamed -> RenameFacts,
        limits: Limits -> LimitsFacts,
        consent: Consent -> ConsentFacts,
        calendar: Calendar -> CalendarFacts,
        confirmed: Confirmed -> ConfirmFacts,
        exported: Exported -> ExportFacts,
        paid: Paid -> PaymentFacts,
        aborted: Aborted -> AbortFacts,
        forgotten: Forgotten -> ForgetFacts,
        fund: Fund -> FundFacts,
        decayed: Decayed -> DecayedFacts,
        extended: Extended -> ExtendFacts,
        uncounted: Uncounted -> UncountedFacts,
        invited: Invited -> InvitedFacts,
        withdrawn: InvitesWithdrawn -> WithdrawnFacts,
        foreign: ForeignAttempt -> ForeignFacts,
        revoked: Revoked -> RevokedFacts,
        by: By -> ByFacts,
        person: Person -> PersonFacts,
        alone: Alone -> AloneFacts,
        proposed: Proposed -> ProposedFacts,
        proposal: Proposal -> ProposalFacts,
        group: Group -> GroupFacts,
        bank_account_stopped: BankAccountStopped -> AccountStopFacts,
        cut_off: CutOff -> CutOffFacts,
        certified: Certified -> CertifiedFacts,
        received: Received -> ReceivedFacts,
        line: Line -> LineFacts,
        money_moved: Moved -> Vec<MoneyMove>,
        assigned: Assigned -> AssignedFacts,
        legs: Legs -> Vec<LegFacts>,
        out: Out -> OutFacts,
        out_state: OutState -> OutStateFacts,
        released: Released -> ReleasedFacts,
        cancelled: Cancelled -> Vec<FundedPart>,
        undone_payment: UndonePayment -> EntryId,
        unpaid: Unpaid -> UnpaidFacts,
        funds_moved: FundsMoved -> FundsMovedFacts,
        security: Security -> SecurityFacts,
        charges: Charges -> ChargesFacts,
        charged: Charged -> ChargedFacts,
    }

    /// The credential that was issued.
    pub fn issued(&self) -> Option<&IssuedFacts> {
        self.0.iter().find_map(|fact| if let Fact::CredentialIssued(issued) = fact { Some(&**issued) } else { None })
    }

    /// Who a partner is by law from now on.
    pub fn legal(&self) -> Option<&LegalFacts> {
        self.0.iter().find_map(|fact| if let Fact::Legal(legal) = fact { Some(&**legal) } else { None })
    }

    /// The version of a bank account that was asked for.
    pub fn bank_account(&self) -> Option<&BankAccountFacts> {
        self.0.iter().find_map(|fact| if let Fact::BankAccount(account) = fact { Some(&**account) } else { None })
    }

    /// The issuers whose lots were passed over.
    pub fn passed_over(&self) -> &[PartnerId] {
        let issuers =
            self.0.iter().find_map(|fact| if let Fact::PassedOver(issuers) = fact { Some(issuers) } else { None });
        issuers.map_or(&[], Vec::as_slice)
    }

    /// The code by which it was said why: a reason, or the period of a decay.
    pub fn reason(&self) -> Option<&Code> {
        let given = self.0.iter().find_map(|fact| if let Fact::Reason(code) = fact { Some(code) } else { None });
        given.or_else(|| self.decay().map(|decay| &decay.period))
    }

    pub fn push(&mut self, fact: Fact) {
        self.0.push(fact);
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Fact> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Fact> for Facts {
    fn from_iter<I: IntoIterator<Item = Fact>>(facts: I) -> Self {
        Self(facts.into_iter().collect())
    }
}

impl BorshSerialize for Facts {
    fn serialize<W: Write>(&self, writer: &mut W) -> io::Result<()> {
        let length = u8::try_from(self.0.len()).map_err(|_| io::Error::other("an entry has at most 255 facts"))?;
        length.serialize(writer)?;
        self.0.iter().try_for_each(|fact| fact.serialize(writer))
    }
}

impl BorshDeserialize for Facts {
    fn deserialize_reader<R: Read>(reader: &mut R) -> io::Result<Self> {
        let length = u8::deserialize_reader(reader)?;
        (0..length).map(|_| Fact::deserialize_reader(reader)).collect::<io::Result<Vec<Fact>>>().map(Self)
    }
}

/// What a redemption was made at; returns and undoing go by these figures, whatever the terms say by then.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RedemptionFacts {
    /// The points taken (+), or given back by a return (-).
    pub points: Points,
    /// The version of the acceptor's terms that the figures below are of.
    pub terms: u32,
    pub reimbursement: Money,
    pub fee_rate: Rate,
    pub fee_bearer: FeeBearer,
    /// The fee charged (+) or refunded (-), whoever bears it.
    pub fee: Money,
}

/// What a hold was made at; its capture goes by these figures, whatever the terms say by then.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct HoldFacts {
    pub points: Points,
    /// The version of the acceptor's terms that the figures below are of.
    pub terms: u32,
    pub reimbursement: Money,
    pub fee_rate: Rate,
    pub fee_bearer: FeeBearer,
    /// When it is released if it was not captured.
    pub lapses: Timestamp,
    /// The headroom it takes from each issuer until then.
    pub reserved: Vec<(PartnerId, Money)>,
}

/// What a reversal did with one lot: `points` = `taken` + `written_off` + `debt`.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ReversedPart {
    pub lot: LotId,
    pub issuer: PartnerId,
    /// The version of the issuer's terms that the lot was issued under.
    pub terms: u32,
    pub points: Points,
    /// Points that were still there.
    pub taken: Points,
    /// Those of the points taken that waited for their issuer's payment: all of them, or none.
    pub unpaid: Points,
    /// Points that had expired or decayed.
    pub written_off: Points,
    /// Points that were gone, which the member now owes.
    pub debt: Points,
}

/// A link of an identifier to a member. By itself it tells nothing of the identifier, and nothing at all once the salt is
/// gone.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LinkFacts {
    /// Of the member's links, from 1.
    pub number: u32,
    /// See [`link_commitment`](crate::facts::chain::link_commitment).
    pub commitment: Hash,
}

/// Points of a window and version of terms that their issuer has paid for.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct FundedPart {
    pub window: WindowNumber,
    pub issuer: PartnerId,
    pub terms: u32,
    pub points: Points,
}

/// Why points were taken for inactivity.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct DecayFacts {
    pub rate: Rate,
    /// The period it is for. A member decays once in a period.
    pub period: Code,
}

/// A part of a purchase that is returned.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PurchaseReturnFacts {
    /// The entry that stands for the purchase: the one that took its points, or else the one that gave them.
    pub purchase: EntryId,
    /// What is returned now.
    pub amount: Money,
    /// Of the receipt.
    pub total: Money,
}

/// What is fixed for a coalition and its books.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct FoundedFacts {
    pub coalition: Coalition,
    /// The domain in the partners' certificates.
    pub domain: String,
    /// Of the key of identifiers.
    pub key_fingerprint: Hash,
}

/// A partner, without its first terms, which are a fact of their own.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PartnerFacts {
    pub partner: PartnerId,
    pub display_name: String,
    pub state: PartnerState,
    pub limits: Limits,
}

/// A version of a partner's terms.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct TermsFacts {
    pub partner: PartnerId,
    pub terms: Terms,
    /// The version that it was made of: the one that would have been in force when it takes effect. None of a partner's
    /// first terms.
    pub before: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StateFacts {
    pub partner: PartnerId,
    pub state: PartnerState,
    pub before: PartnerState,
}

/// A partner's name for people.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RenameFacts {
    pub partner: PartnerId,
    pub display_name: String,
    pub before: String,
}

/// The limits that take the place of a partner's earlier ones.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LimitsFacts {
    pub partner: PartnerId,
    pub limits: Limits,
    pub before: Limits,
}

/// What a funder lets a partner issue at its cost from now on.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ConsentFacts {
    pub funder: PartnerId,
    pub partner: PartnerId,
    /// Given, refused, or taken back: then the coalition's default holds.
    pub granted: Option<bool>,
    /// In points; none: without limit.
    pub budget: Option<Points>,
    /// What stood before, and what was used by then.
    pub before: Consent,
}

/// A version of the calendar. It takes the place of those that would have taken effect with it or later.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CalendarFacts {
    pub version: u32,
    pub effective: Timestamp,
    pub calendar: Calendar,
    /// The calendar that would have ruled from then on; none when the coalition began.
    pub before: Option<Calendar>,
}

/// When what a close settles is told and paid, by the calendar that ruled it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CutOffFacts {
    /// The version of the calendar.
    pub version: u32,
    pub days: SettlementDays,
}

#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ConfirmFacts {
    pub window: WindowNumber,
    /// What it brought the settlement to: where there was nothing to pay, it is settled.
    pub state: SettlementState,
}

/// The orders of a settlement were handed out in a mode.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ExportFacts {
    pub window: WindowNumber,
    pub mode: OrderMode,
    pub states: StateChange,
    /// The mode that was chosen before, if one was.
    pub mode_before: Option<OrderMode>,
}

/// The order that a payment was of. Its amount stands in the postings.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PaymentFacts {
    pub window: WindowNumber,
    pub payer: OrderParty,
    pub payee: OrderParty,
    /// The mode in which there is such an order.
    pub mode: OrderMode,
    pub states: StateChange,
    /// By what the bank calls it; empty if nobody said.
    pub reference: String,
    /// The day on which the bank booked it, if somebody said.
    pub value_date: Option<BusinessDate>,
}

#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct AbortFacts {
    pub window: WindowNumber,
    /// What the settlement was.
    pub before: SettlementState,
}

/// What became of requests may be forgotten.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ForgetFacts {
    /// Of those that were recorded before this.
    pub until: Timestamp,
    /// Up to when it might be until now.
    pub before: Timestamp,
}

/// Money was paid into a fund, or out of it. The amount stands in the postings.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct FundFacts {
    pub account: MoneyAccount,
    /// What the fund held before.
    pub before: Money,
}

/// What a member's decay came to.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct DecayedFacts {
    /// What was available of the lots that it looked at.
    pub before: Points,
    /// What is left of that.
    pub after: Points,
}

/// Which points live longer. Until when stands with the lots.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ExtendFacts {
    pub issuer: PartnerId,
    /// When the first of them would have expired, and the last.
    pub before: (Timestamp, Timestamp),
    pub points: Points,
}

/// What limits on spending had counted of a request that has no effect after all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct UncountedFacts {
    /// The day on which it was counted, in days since 1970-01-01.
    pub day: i32,
    pub points: Points,
    /// Those of them that others than the acceptor had issued.
    pub foreign: Points,
}

/// Until when nothing of the member is spent, held or transferred; [`Timestamp::NEVER`]: until that is lifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct FreezeFacts {
    /// None: it was not frozen.
    pub before: Option<Timestamp>,
    /// None: it is not frozen any more.
    pub until: Option<Timestamp>,
}

/// A debt of a member was given up. How much of it stands in the postings.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct WriteOffFacts {
    pub creditor: PartnerId,
    /// What the member owed the creditor before.
    pub before: Points,
}
