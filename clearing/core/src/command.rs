//! The list of the operations, and requests: what may be asked of the house.

use std::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};

use crate::book::Book;
use crate::facts::answer::Attachment;
use crate::facts::credential::Badge;
use crate::facts::entry::Entry;
use crate::facts::origin::{Code, Origin};
use crate::facts::person::{PersonId, Role, Roles};
use crate::facts::proposal::{ByFacts, ProposalState};
use crate::operation::{Admitted, Ask, Decision, Footprint, Gate, Operation, Subject};
use crate::rejection::Rejection;
use crate::rules::abandon::AbandonRequest;
use crate::rules::arrived::{ApplyMoney, ReceiveMoney};
use crate::rules::bank_account::{SetBankAccount, StopBankAccountChange};
use crate::rules::calendar::SetCalendar;
use crate::rules::care::{ExtendExpiry, FreezeMember, ReinstatePoints, UnfreezeMember, WriteOffDebt};
use crate::rules::charge_schedule::{RunCharges, SetCharges};
use crate::rules::charges::{Adjust, BookBankFee, BookOwnTransfer, Charge};
use crate::rules::claims::RepayClaim;
use crate::rules::close::CloseWindow;
use crate::rules::consent::SetFundingConsent;
use crate::rules::cover::{CoverDefault, ShareLoss};
use crate::rules::credential::{CreateInvites, Enroll, Renew, RevokeCredentials, WithdrawInvites};
use crate::rules::decay::RunDecay;
use crate::rules::due::RunDueWork;
use crate::rules::forget::ForgetRequests;
use crate::rules::funds::{Deposit, WithdrawFunds};
use crate::rules::hold::{AuthorizeRedemption, CaptureHold, VoidHold};
use crate::rules::issue::IssuePoints;
use crate::rules::legal::SetLegalRecord;
use crate::rules::limits::SetLimits;
use crate::rules::ordered::{ConfirmOrdered, ReturnMoney};
use crate::rules::partner::{CreatePartner, RenamePartner, SetGroup, SetPartnerState};
use crate::rules::payment::ConfirmPayment;
use crate::rules::person::{RecoverPerson, SetPerson, SetTwoPersonList};
use crate::rules::proposal::{RefuseProposal, WithdrawProposal, not_open};
use crate::rules::purchase::{PostPurchase, ReturnPurchase};
use crate::rules::redemption::{RedeemPoints, ReturnRedemption};
use crate::rules::release::ReleaseOrders;
use crate::rules::returned::{ReturnPayment, UndoPayment};
use crate::rules::reversal::ReverseIssue;
use crate::rules::security::{LowerCap, SetCover};
use crate::rules::settlement::{AbortSettlement, ConfirmSettlement, ExportOrders};
use crate::rules::terms::SetTerms;
use crate::rules::transfer::TransferPoints;
use crate::units::{ContentHash, EntryId, Hash, MemberId, PartnerId, RequestId, Timestamp, WindowNumber, hex_bytes};

/// A command with who asks it and under which key.
#[derive(Debug, Clone)]
pub struct Request {
    /// From the certificate, never from the message.
    pub caller: PartnerId,
    /// Who of the operator's people, likewise. None for tills, and for the house's own work.
    pub person: Option<PersonId>,
    /// None for the house's own work.
    pub request_id: Option<RequestId>,
    pub origin: Origin,
    pub command: Command,
    /// The id that a member gets if this command enrols one.
    pub fresh_member: MemberId,
    /// Random, for the commitment to its link.
    pub fresh_salt: [u8; 16],
    /// What the origin commits to (see [`Origin::attachment`]); kept apart from the journal, where it can be erased.
    pub attachment: Option<Attachment>,
    /// The certificate that the caller showed; none for the house's own work. It is no part of the wish: a caller repeats it
    /// under another one.
    pub badge: Option<Badge>,
}

impl Request {
    /// The hash of everything that makes the wish: the same key with another hash is a conflict. Times of sending and
    /// receipt are not part of it.
    pub fn content_hash(&self) -> ContentHash {
        let bytes = borsh::to_vec(&(&self.command, &self.origin)).expect("writing to memory does not fail");
        let hash = Sha256::digest(bytes);
        std::array::from_fn(|at| hash[at])
    }

    /// Looks at the message alone.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`
    ///
    /// Rule: invalid-argument
    pub fn validate(&self) -> Result<(), Rejection> {
        if self.request_id.is_some_and(|id| id.made_at().is_none()) {
            return Err(Rejection::invalid("request_id", "not a version 7 UUID"));
        }
        self.command.check()?;
        if self.command.concerns().is_some_and(|other| Some(other) == self.request_id) {
            return Err(Rejection::invalid("abandoned_request_id", "is the id of this request itself"));
        }
        Ok(())
    }

    /// Refuses what the operator asks as a brand and is for its people alone: whoever has a till of it would be a second person.
    /// Work of the house's own, which has no id, is nobody's.
    ///
    /// # Errors
    /// `NOT_PERMITTED`
    ///
    /// Rule: operator-as-brand
    pub(crate) fn check_person(&self) -> Result<(), Rejection> {
        let as_brand = self.caller.is_operator() && self.person.is_none() && self.request_id.is_some();
        if !as_brand || !self.command.is_of_people() {
            return Ok(());
        }
        let name = self.command.name();
        Err(Rejection::NotPermitted {
            problem: format!("{name} of the operator is for its people; ask as one of them (operator/NAME)"),
        })
    }

    /// Who asks, under which key, at a time.
    pub fn ask(&self, now: Timestamp) -> Ask<'_> {
        let Self { caller, person, request_id, fresh_member, fresh_salt, .. } = *self;
        let badge = self.badge.as_ref();
        Ask { caller, person, request_id, origin: &self.origin, fresh_member, fresh_salt, now, badge }
    }

    /// The key that its answer is kept under; none for the house's own work.
    pub fn key(&self) -> Option<(PartnerId, RequestId)> {
        let id = self.request_id?;
        Some((self.caller, self.person.map_or(id, |person| person.key(id))))
    }

    /// Notes what must be in the book, and locked, before it is carried out.
    pub fn footprint(&self, now: Timestamp, needs: &mut Footprint<'_>) {
        self.command.footprint(&self.ask(now), needs);
        needs.guards.insert(self.caller);
        // Whether it becomes a proposal is known behind the gate.
        if self.person.is_some() && self.command.is_of_two() {
            needs.proposed.insert(self.command.content());
        }
    }
}

/// Carries out what somebody else has proposed, as the rules stand now. What was proposed is repeated here, so that it is known
/// what must be locked for it; it counts only if it is what the hash says.
///
/// Rule: approve-proposal
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApproveProposal {
    #[serde(rename = "proposal_id")]
    pub proposal: EntryId,
    /// SHA-256 of what was proposed, as whoever approves was shown it.
    #[serde(rename = "proposal_hash", default, deserialize_with = "read_hash")]
    pub content: Hash,
    /// What was proposed; none if there is no such proposal.
    #[serde(skip)]
    pub operation: Option<Box<Command>>,
}

/// A hash in hexadecimal digits.
fn read_hash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
    let text = <String as Deserialize>::deserialize(deserializer)?;
    hash_of(&text).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is not 64 hexadecimal digits")))
}

/// The hash that a text of 64 hexadecimal digits tells.
pub fn hash_of(text: &str) -> Option<Hash> {
    hex_bytes(text)?.try_into().ok()
}

impl ApproveProposal {
    /// What was proposed, if it is what the hash says.
    fn proposed(&self) -> Option<&Command> {
        self.operation.as_deref().filter(|operation| operation.content() == self.content && operation.is_of_two())
    }
}

impl Operation for ApproveProposal {
    const NAME: &'static str = "ApproveProposal";
    const ROLES: Roles = Roles::of(&[Role::Approver]);

    fn gate(&self) -> Gate {
        self.proposed().map_or(Gate::Shared, Command::gate)
    }

    fn check(&self) -> Result<(), Rejection> {
        self.proposed().map_or(Ok(()), Command::check)
    }

    fn subject(&self) -> Option<Subject> {
        Some(self.proposed().and_then(Command::subject).unwrap_or_default())
    }

    fn footprint(&self, ask: &Ask<'_>, needs: &mut Footprint<'_>) {
        needs.proposals.insert(self.proposal);
        if let Some(operation) = self.proposed() {
            operation.footprint(ask, needs);
        }
    }

    fn admit(&self, book: &Book, ask: &Ask<'_>) -> Result<Admitted, Rejection> {
        let proposal = book.proposal(self.proposal, &self.content)?;
        let operation = self.proposed().ok_or_else(|| Rejection::not_found("proposal", self.proposal))?;
        book.check_asker(proposal, operation.name(), operation.roles(), ask.now)?;
        book.check_open(self.proposal, proposal, Some(&operation.found_hash(book)), ask.now)?;
        book.check_second_person(ask, proposal)?;
        operation.admit(book, ask)
    }

    fn decide(&self, book: &Book, ask: &Ask<'_>, who: &Admitted) -> Result<Decision, Rejection> {
        let operation = self.proposed().ok_or_else(|| Rejection::not_found("proposal", self.proposal))?;
        // What is made by it is made with the certificate of who asked: an invite's secret is that person's.
        let shown = book.proposals.get(&self.proposal).and_then(|proposal| proposal.facts.shown);
        let shown = shown.map(|shown| shown.badge(ask.machine()));
        let decision = operation.decide(book, &Ask { badge: shown.as_ref().or(ask.badge), ..*ask }, who)?;
        if decision.entries.is_empty() {
            // Nothing was left to be done, so what it was to change has changed already.
            return Err(not_open(self.proposal, ProposalState::Stale));
        }
        Ok(decision)
    }
}

/// Makes of the list of operations the type that is any of them, and what is asked of it.
///
/// Behind a semicolon stand those of the house itself, which nobody can ask for.
macro_rules! operations {
    ($($asked:ident),* ; $($own:ident),* $(,)?) => {
        operations! { @all $($asked),*, $($own),* }

        impl Command {
            /// The names of those that a caller can ask for, in the order of the list.
            pub const NAMES_ASKED: &'static [&'static str] = &[$($asked::NAME),*];

            /// Reads an operation that a caller can ask for, from its fields. It is named as its RPC in snake case (`issue_points`),
            /// and so are its fields; none if there is no such operation.
            ///
            /// # Errors
            /// Those of the deserializer: a key that is missing, unknown or has no value of its type.
            pub fn read<'de, D: Deserializer<'de>>(name: &str, fields: D) -> Option<Result<Self, D::Error>> {
                $(if snake_case($asked::NAME) == name {
                    return Some(<$asked as Deserialize>::deserialize(fields).map(Self::from));
                })*
                None
            }
        }
    };
    (@all $($operation:ident),*) => {
        /// Any operation.
        #[allow(
            clippy::large_enum_variant,
            reason = "a queue holds some thousands at most, and plain data is worth more here than the bytes of a rare variant"
        )]
        #[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
        pub enum Command {
            $($operation($operation)),*
        }

        impl Command {
            /// The names of all operations, in the order of the list.
            pub const NAMES: &'static [&'static str] = &[$($operation::NAME),*];

            /// The names of those that stand on the list of what two persons do together, unless the coalition takes them off.
            pub fn names_of_two() -> Vec<&'static str> {
                let all = [$(($operation::NAME, $operation::TWO_PERSONS)),*];
                all.into_iter().filter(|(_, two)| *two).map(|(name, _)| name).collect()
            }

            /// Which roles may ask it, of the operator's people.
            pub fn roles(&self) -> Roles {
                match self {
                    $(Self::$operation(_) => $operation::ROLES),*
                }
            }

            /// Whether it stands on the list of what two persons do together.
            pub fn is_of_two(&self) -> bool {
                match self {
                    $(Self::$operation(_) => $operation::TWO_PERSONS),*
                }
            }

            /// Whether the operator asks it as one of its people alone.
            fn is_of_people(&self) -> bool {
                match self {
                    $(Self::$operation(_) => $operation::OF_PEOPLE),*
                }
            }

            /// See [`Operation::waits`].
            pub(crate) fn waits(&self, book: &Book, ask: &Ask<'_>) -> bool {
                match self {
                    $(Self::$operation(operation) => operation.waits(book, ask)),*
                }
            }

            /// See [`Operation::found`].
            fn found(&self, book: &Book) -> Vec<u8> {
                match self {
                    $(Self::$operation(operation) => operation.found(book)),*
                }
            }

            /// The names of those that take the gate alone, and of no others.
            pub fn names_alone() -> Vec<&'static str> {
                let all = [$(($operation::NAME, $operation::GATE)),*];
                all.into_iter().filter(|(_, gate)| *gate == Gate::Alone).map(|(name, _)| name).collect()
            }

            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$operation(_) => $operation::NAME),*
                }
            }

            pub fn gate(&self) -> Gate {
                match self {
                    $(Self::$operation(operation) => operation.gate()),*
                }
            }

            /// See [`Operation::check`].
            ///
            /// # Errors
            /// `INVALID_ARGUMENT`
            pub fn check(&self) -> Result<(), Rejection> {
                match self {
                    $(Self::$operation(operation) => operation.check()),*
                }
            }

            /// See [`Operation::concerns`].
            pub fn concerns(&self) -> Option<RequestId> {
                match self {
                    $(Self::$operation(operation) => operation.concerns()),*
                }
            }

            /// See [`Operation::subject`].
            pub fn subject(&self) -> Option<Subject> {
                match self {
                    $(Self::$operation(operation) => operation.subject()),*
                }
            }

            /// See [`Operation::reason`].
            pub fn reason(&self) -> Option<&Code> {
                match self {
                    $(Self::$operation(operation) => operation.reason()),*
                }
            }

            /// See [`Operation::footprint`].
            pub fn footprint(&self, ask: &Ask<'_>, needs: &mut Footprint<'_>) {
                match self {
                    $(Self::$operation(operation) => operation.footprint(ask, needs)),*
                }
            }

            pub(crate) fn admit(&self, book: &Book, ask: &Ask<'_>) -> Result<Admitted, Rejection> {
                match self {
                    $(Self::$operation(operation) => operation.admit(book, ask)),*
                }
            }

            pub(crate) fn decide(&self, book: &Book, ask: &Ask<'_>, who: &Admitted) -> Result<Decision, Rejection> {
                match self {
                    $(Self::$operation(operation) => operation.decide(book, ask, who)),*
                }
            }
        }

        $(impl From<$operation> for Command {
            fn from(operation: $operation) -> Self {
                Self::$operation(operation)
            }
        })*
    };
}

impl Command {
    /// SHA-256 over all of it: what an approval of it names.
    pub fn content(&self) -> Hash {
        Sha256::digest(self.to_bytes()).into()
    }

    /// What a proposal of it holds.
    pub fn to_bytes(&self) -> Vec<u8> {
        borsh::to_vec(self).expect("writing to memory does not fail")
    }

    /// What a proposal holds; none if it holds what this release does not know.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::try_from_slice(bytes).ok()
    }

    /// The hash of what stands where it would write.
    pub fn found_hash(&self, book: &Book) -> Hash {
        Sha256::digest(self.found(book)).into()
    }

    /// What its entries tell of the person who asks for it.
    pub(crate) fn by(&self, book: &Book, ask: &Ask<'_>) -> Option<ByFacts> {
        let approved = if let Self::ApproveProposal(approval) = self {
            book.proposals.get(&approval.proposal).map(|proposal| (approval.proposal, proposal.person))
        } else {
            None
        };
        Some(ByFacts { person: ask.person?, approved })
    }
}

/// What an entry proposes, if it does and this release knows it.
pub fn proposed_by(entry: &Entry) -> Option<Command> {
    Command::from_bytes(&entry.facts.proposed()?.operation)
}

/// The partners that a decision is about, or what it proposes.
pub fn partners_of(entry: &Entry) -> BTreeSet<PartnerId> {
    let proposed = proposed_by(entry).and_then(|command| command.subject());
    let mut partners = entry.action_partners();
    partners.extend(proposed.into_iter().flat_map(|subject| subject.partners));
    partners
}

/// The name of an RPC as files write it: `IssuePoints` is `issue_points`.
pub fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

/// What asks for the due work of a member.
pub fn work_of(member: MemberId) -> Command {
    RunDueWork { member }.into()
}

/// What charges a partner for the periods that have begun.
pub fn charges_of(partner: PartnerId) -> Command {
    RunCharges { partner }.into()
}

/// What lowers a partner's cap to what covers it, once a guarantee has ended.
pub fn lower_cap_of(partner: PartnerId) -> Command {
    LowerCap { partner }.into()
}

/// What asks for it.
pub fn forgetting() -> Command {
    ForgetRequests.into()
}

/// What closes a window, unless it is closed already.
pub fn close_of(window: WindowNumber) -> Command {
    CloseWindow { expected: Some(window) }.into()
}

operations! {
    IssuePoints,
    RedeemPoints,
    ReturnRedemption,
    AuthorizeRedemption,
    CaptureHold,
    VoidHold,
    PostPurchase,
    ReturnPurchase,
    ReverseIssue,
    TransferPoints,
    AbandonRequest,
    RunDecay,
    ExtendExpiry,
    ReinstatePoints,
    WriteOffDebt,
    CreatePartner,
    SetTerms,
    SetLimits,
    SetPartnerState,
    SetFundingConsent,
    SetCalendar,
    CloseWindow,
    ConfirmSettlement,
    ExportOrders,
    ConfirmPayment,
    AbortSettlement,
    Deposit,
    WithdrawFunds,
    FreezeMember,
    UnfreezeMember,
    RenamePartner,
    CreateInvites,
    WithdrawInvites,
    RevokeCredentials,
    SetPerson,
    SetTwoPersonList,
    ApproveProposal,
    RefuseProposal,
    WithdrawProposal,
    SetLegalRecord,
    SetGroup,
    SetBankAccount,
    StopBankAccountChange,
    ReceiveMoney,
    ApplyMoney,
    UndoPayment,
    ReturnMoney,
    ConfirmOrdered,
    ReturnPayment,
    ReleaseOrders,
    CoverDefault,
    ShareLoss,
    RepayClaim,
    Charge,
    Adjust,
    BookBankFee,
    BookOwnTransfer,
    SetCover,
    SetCharges;
    RunDueWork,
    ForgetRequests,
    Enroll,
    Renew,
    RecoverPerson,
    LowerCap,
    RunCharges,
}
