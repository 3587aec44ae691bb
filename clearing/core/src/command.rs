//! The list of the operations, and requests: what may be asked of the house.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};

use crate::book::Book;
use crate::facts::answer::Attachment;
use crate::facts::credential::Badge;
use crate::facts::origin::Origin;
use crate::operation::{Admitted, Ask, Decision, Footprint, Gate, Operation, Subject};
use crate::rejection::Rejection;
use crate::rules::abandon::AbandonRequest;
use crate::rules::calendar::SetCalendar;
use crate::rules::care::{ExtendExpiry, FreezeMember, ReinstatePoints, UnfreezeMember, WriteOffDebt};
use crate::rules::close::CloseWindow;
use crate::rules::consent::SetFundingConsent;
use crate::rules::credential::{CreateInvites, Enroll, Renew, RevokeCredentials, WithdrawInvites};
use crate::rules::decay::RunDecay;
use crate::rules::due::RunDueWork;
use crate::rules::forget::ForgetRequests;
use crate::rules::funds::{Deposit, WithdrawFunds};
use crate::rules::hold::{AuthorizeRedemption, CaptureHold, VoidHold};
use crate::rules::issue::IssuePoints;
use crate::rules::limits::SetLimits;
use crate::rules::partner::{CreatePartner, RenamePartner, SetPartnerState};
use crate::rules::payment::ConfirmPayment;
use crate::rules::purchase::{PostPurchase, ReturnPurchase};
use crate::rules::redemption::{RedeemPoints, ReturnRedemption};
use crate::rules::reversal::ReverseIssue;
use crate::rules::settlement::{AbortSettlement, ConfirmSettlement, ExportOrders};
use crate::rules::terms::SetTerms;
use crate::rules::transfer::TransferPoints;
use crate::units::{ContentHash, MemberId, PartnerId, RequestId, Timestamp, WindowNumber};

/// A command with who asks it and under which key.
#[derive(Debug, Clone)]
pub struct Request {
    /// From the certificate, never from the message.
    pub caller: PartnerId,
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

    /// Who asks, under which key, at a time.
    pub fn ask(&self, now: Timestamp) -> Ask<'_> {
        let Self { caller, request_id, fresh_member, fresh_salt, .. } = *self;
        Ask { caller, request_id, origin: &self.origin, fresh_member, fresh_salt, now, badge: self.badge.as_ref() }
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
                    $(Self::$operation(_) => $operation::GATE),*
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
    RevokeCredentials;
    RunDueWork,
    ForgetRequests,
    Enroll,
    Renew,
}
