// Generated from proto/coalition/clearing/v1 by `cargo run -p clearing-proto --example regenerate`; not to be edited.

use std::time::{Duration, SystemTime};

use clearing_proto::v1;
use rust_decimal::Decimal;

use crate::bank_account::BankAccount;
use crate::credential::{Device, Holder};
use crate::error::Error;
use crate::legal::LegalRecord;
use crate::limits::PartnerLimits;
use crate::money::Money;
use crate::open_enum::open_enum;
use crate::origin::Origin;
use crate::reason::Reason;
use crate::terms::{BreakageSplit, Expiry};
use crate::wire::{FromWire, decimal, done, each, there};

open_enum! {
    /// What AbandonRequest found and did.
    AbandonOutcome = AbandonOutcome, unspecified Unspecified {
        /// The house had never seen the request. Should it still arrive, it is rejected.
        BurnedUnseen = "BURNED_UNSEEN",
        /// The request had been accepted; its exact opposite has been posted.
        Undone = "UNDONE",
        /// The request had been rejected: there was nothing to undo.
        HadNoEffect = "HAD_NO_EFFECT",
        /// An earlier call had abandoned it already: nothing was done now.
        AlreadyAbandoned = "ALREADY_ABANDONED",
    }
}

/// Answer of AbandonRequest: the request named has no effect, now and later. Entries were
/// written to undo it if `outcome` is ABANDON_OUTCOME_UNDONE and something was left to undo.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Abandoned {
    /// What was written.
    pub written: Written,
    /// What the house found and did.
    pub outcome: AbandonOutcome,
}

impl FromWire<v1::AbandonRequestResponse> for Abandoned {
    fn read(wire: v1::AbandonRequestResponse) -> Result<Self, Error> {
        Ok(Self {
            written: FromWire::read(there(wire.written, "AbandonRequestResponse.written")?)?,
            outcome: AbandonOutcome::from_number(wire.outcome),
        })
    }
}

/// Answer of AbortSettlement. It writes one entry, without postings when there were no
/// legs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettlementAborted {
    /// What was written.
    pub written: Written,
    /// Number of the open window, into whose positions the legs went.
    pub open_window: i64,
}

impl FromWire<v1::AbortSettlementResponse> for SettlementAborted {
    fn read(wire: v1::AbortSettlementResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "AbortSettlementResponse.written")?)?,
            open_window: wire.open_window,
        })
    }
}

/// The balance of an account, or of a class of them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccountBalance {
    /// The account, as in `Posting.account`; of a class its name alone.
    pub account: String,
    /// Its balance.
    pub balance: Quantity,
}

impl FromWire<v1::AccountBalance> for AccountBalance {
    fn read(wire: v1::AccountBalance) -> Result<Self, Error> {
        Ok(Self {
            account: wire.account,
            balance: FromWire::read(there(wire.balance, "AccountBalance.balance")?)?,
        })
    }
}

/// How an account in money, or all partners' accounts of a kind, moved over a window.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccountChange {
    /// The account, as in `Posting.account`, for example "pool" or "reserve"; or "collateral" or "settle".
    pub account: String,
    /// The change: above zero when the balance grew.
    pub amount: Money,
}

impl FromWire<v1::AccountChange> for AccountChange {
    fn read(wire: v1::AccountChange) -> Result<Self, Error> {
        Ok(Self {
            account: wire.account,
            amount: FromWire::read(there(wire.amount, "AccountChange.amount")?)?,
        })
    }
}

/// Answer of Adjust. It writes one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Adjusted {
    /// What was written.
    pub written: Written,
}

impl FromWire<v1::AdjustResponse> for Adjusted {
    fn read(wire: v1::AdjustResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "AdjustResponse.written")?)?,
        })
    }
}

/// One decision of the house.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdminAction {
    /// Id of the entry that records it.
    pub entry_id: String,
    /// Place of that entry in the journal.
    pub journal_sequence: i64,
    /// When it was decided.
    pub action_time: SystemTime,
    /// Who asked for it: "operator/\<person_id>", or "operator" of what was asked for before it had people; "house" for what nobody
    /// asked (the founding, a close by the calendar, forgetting).
    pub actor: String,
    /// The id of the request by which it was asked for. Not set when nobody asked, and of what DecayMembers did.
    pub request_id: Option<String>,
    /// What was decided.
    pub kind: EntryKind,
    /// The partners that it concerns, by partner id.
    pub partner_ids: Vec<String>,
    /// The member whose points it moves, if it does.
    pub member_id: Option<String>,
    /// The window that it is about; of one that is about none, the window that was open.
    pub window: i64,
    /// Why, as a code, where a reason was asked for; of a decay its period.
    pub reason_code: Option<String>,
    /// What was before, in words: the fields that changed, each with its value. Empty where nothing stood before.
    pub before: String,
    /// What is by it, likewise. Empty where nothing stands any more.
    pub after: String,
    /// The same field by field. What was left as it was is not named.
    pub changes: Vec<FieldChange>,
    /// Who approved it, "operator/\<person_id>", where two persons did it together. Its request id is that person's.
    pub approver: Option<String>,
    /// The person of the operator that it concerns. Not set if it concerns none.
    pub person_id: Option<String>,
}

impl FromWire<v1::AdminAction> for AdminAction {
    fn read(wire: v1::AdminAction) -> Result<Self, Error> {
        Ok(Self {
            entry_id: wire.entry_id,
            journal_sequence: wire.journal_sequence,
            action_time: FromWire::read(there(wire.action_time, "AdminAction.action_time")?)?,
            actor: wire.actor,
            request_id: wire.request_id,
            kind: EntryKind::from_number(wire.kind),
            partner_ids: wire.partner_ids,
            member_id: wire.member_id,
            window: wire.window,
            reason_code: wire.reason_code,
            before: wire.before,
            after: wire.after,
            changes: each(wire.changes)?,
            approver: wire.approver,
            person_id: wire.person_id,
        })
    }
}

/// Answer of AdvanceClock.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClockAdvanced {
    /// The sandbox's time now.
    pub clock_time: SystemTime,
    /// What ran, in order: at most the first 1,000, fewer when they fill an answer.
    pub due_works: Vec<DueWork>,
    /// How many ran in all.
    pub due_work_count: i64,
}

impl FromWire<v1::AdvanceClockResponse> for ClockAdvanced {
    fn read(wire: v1::AdvanceClockResponse) -> Result<Self, Error> {
        Ok(Self {
            clock_time: FromWire::read(there(wire.clock_time, "AdvanceClockResponse.clock_time")?)?,
            due_works: each(wire.due_works)?,
            due_work_count: wire.due_work_count,
        })
    }
}

/// Answer of ApplyMoney. It writes an APPLY_MONEY, and what follows a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MoneyApplied {
    /// What was written.
    pub written: Written,
    /// The window whose leg it paid; 0: another use.
    pub paid_window: i64,
}

impl FromWire<v1::ApplyMoneyResponse> for MoneyApplied {
    fn read(wire: v1::ApplyMoneyResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "ApplyMoneyResponse.written")?)?,
            paid_window: wire.paid_window,
        })
    }
}

/// Answer of ApproveProposal. It writes what the operation writes that was proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProposalApproved {
    /// What was written.
    pub written: Written,
}

impl FromWire<v1::ApproveProposalResponse> for ProposalApproved {
    fn read(wire: v1::ApproveProposalResponse) -> Result<Self, Error> {
        Ok(Self {
            written: FromWire::read(there(wire.written, "ApproveProposalResponse.written")?)?,
        })
    }
}

/// Answer of AuthorizeRedemption: the points are reserved, durably. The `lots` of its one
/// entry are those reserved, in the order in which a capture takes them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Authorized {
    /// What was written.
    pub written: Written,
    /// The member, also when an identifier named it, after this; in a replay, as it was then.
    pub member: MemberFigures,
    /// Id of the hold, for CaptureHold, VoidHold and GetHold: the `entry_id` of the entry.
    pub hold_id: String,
}

impl FromWire<v1::AuthorizeRedemptionResponse> for Authorized {
    fn read(wire: v1::AuthorizeRedemptionResponse) -> Result<Self, Error> {
        Ok(Self {
            written: FromWire::read(there(wire.written, "AuthorizeRedemptionResponse.written")?)?,
            member: FromWire::read(there(wire.member, "AuthorizeRedemptionResponse.member")?)?,
            hold_id: wire.hold_id,
        })
    }
}

open_enum! {
    /// How a version of a bank account stands.
    BankAccountState = BankAccountState, unspecified Unspecified {
        /// It was asked for and is in force from its effective time on.
        Pending = "PENDING",
        /// Orders that are exported now name it.
        InForce = "IN_FORCE",
        /// It was in force until a later one was.
        Past = "PAST",
        /// It was stopped while it waited.
        Stopped = "STOPPED",
        /// Another one was asked for while it waited.
        Replaced = "REPLACED",
    }
}

/// A version of a partner's bank account.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BankAccountVersion {
    /// Which partner.
    pub partner_id: String,
    /// From 1.
    pub version: i32,
    /// The account.
    pub bank_account: BankAccount,
    /// How it stood when it was told. Only in answers that list or show it.
    pub state: BankAccountState,
    /// When it was asked for; of what two persons did, when it was approved.
    pub ask_time: SystemTime,
    /// Who asked: the partner's id, or "operator".
    pub asked_by: String,
    /// From when on it is in force, if nothing ends it before.
    pub effective_time: SystemTime,
    /// When it was stopped or replaced; not set if it was not.
    pub end_time: Option<SystemTime>,
}

impl FromWire<v1::BankAccountVersion> for BankAccountVersion {
    fn read(wire: v1::BankAccountVersion) -> Result<Self, Error> {
        Ok(Self {
            partner_id: wire.partner_id,
            version: wire.version,
            bank_account: FromWire::read(there(wire.bank_account, "BankAccountVersion.bank_account")?)?,
            state: BankAccountState::from_number(wire.state),
            ask_time: FromWire::read(there(wire.ask_time, "BankAccountVersion.ask_time")?)?,
            asked_by: wire.asked_by,
            effective_time: FromWire::read(there(wire.effective_time, "BankAccountVersion.effective_time")?)?,
            end_time: wire.end_time.map(FromWire::read).transpose()?,
        })
    }
}

/// What one partner owes another for a window after netting between the two.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BilateralNet {
    /// Partner id of the one who owes.
    pub debtor_id: String,
    /// Partner id of the one who is owed.
    pub creditor_id: String,
    /// How much: more than zero.
    pub amount: Money,
}

impl FromWire<v1::BilateralNet> for BilateralNet {
    fn read(wire: v1::BilateralNet) -> Result<Self, Error> {
        Ok(Self {
            debtor_id: wire.debtor_id,
            creditor_id: wire.creditor_id,
            amount: FromWire::read(there(wire.amount, "BilateralNet.amount")?)?,
        })
    }
}

/// Answer of BookBankFee. It writes one entry. Of a line that was booked before it writes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BankFeeBooked {
    /// What was written.
    pub written: Written,
    /// The entry by which the line was booked before; empty if it was not.
    pub known_entry_id: String,
}

impl FromWire<v1::BookBankFeeResponse> for BankFeeBooked {
    fn read(wire: v1::BookBankFeeResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "BookBankFeeResponse.written")?)?,
            known_entry_id: wire.known_entry_id,
        })
    }
}

/// Answer of BookOwnTransfer. It writes one entry. Of a line that was booked before it writes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnTransferBooked {
    /// What was written.
    pub written: Written,
    /// The entry by which the line was booked before; empty if it was not.
    pub known_entry_id: String,
    /// The entry by which the other statement's line of it was booked before; empty if it was not.
    pub seen_entry_id: String,
}

impl FromWire<v1::BookOwnTransferResponse> for OwnTransferBooked {
    fn read(wire: v1::BookOwnTransferResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "BookOwnTransferResponse.written")?)?,
            known_entry_id: wire.known_entry_id,
            seen_entry_id: wire.seen_entry_id,
        })
    }
}

/// When the house closes windows by itself, and when their money moves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Calendar {
    /// The rows of cut-offs, at most 16; the window is closed whenever one of them is due. Of several that fall on one moment the
    /// first says when it is paid. None: windows are closed by hand.
    pub cut_offs: Vec<CutOffPattern>,
    /// The IANA time zone in which they are read, for example "Europe/Moscow". In a request, empty means the coalition's. A time
    /// that a change to summer time skips is due when the gap ends; one that a change back repeats is due once.
    pub time_zone: String,
    /// The days of a week on which banks do not work, at most 3. None: Saturday and Sunday, unless `no_weekend` is set.
    pub weekend: Vec<Weekday>,
    /// Banks work on all days of a week but holidays.
    pub no_weekend: bool,
    /// Holidays of every year, by the names of rules: "TARGET", "DE", "RU", "US-FED".
    pub holiday_rules: Vec<String>,
    /// Holidays besides, as dates such as "2026-05-11"; at most 1,000.
    pub holidays: Vec<String>,
    /// Days on which banks work whatever else is said of them, as dates; at most 1,000.
    pub working_days: Vec<String>,
}

impl FromWire<v1::Calendar> for Calendar {
    fn read(wire: v1::Calendar) -> Result<Self, Error> {
        Ok(Self {
            cut_offs: each(wire.cut_offs)?,
            time_zone: wire.time_zone,
            weekend: wire.weekend.into_iter().map(Weekday::from_number).collect(),
            no_weekend: wire.no_weekend,
            holiday_rules: wire.holiday_rules,
            holidays: wire.holidays,
            working_days: wire.working_days,
        })
    }
}

/// A calendar with the time from which on it rules.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CalendarVersion {
    /// Of the coalition's calendars, from 1.
    pub number: i64,
    /// It rules the cut-offs behind this, up to the next version's.
    pub effective_time: SystemTime,
    /// The calendar, as it was given.
    pub calendar: Calendar,
}

impl FromWire<v1::CalendarVersion> for CalendarVersion {
    fn read(wire: v1::CalendarVersion) -> Result<Self, Error> {
        Ok(Self {
            number: wire.number,
            effective_time: FromWire::read(there(wire.effective_time, "CalendarVersion.effective_time")?)?,
            calendar: FromWire::read(there(wire.calendar, "CalendarVersion.calendar")?)?,
        })
    }
}

/// Answer of CaptureHold: the points are taken, durably, and the rest is released. Its one entry
/// is a redemption: its `lots` are those taken, in the order taken, and those released.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Captured {
    /// What was written.
    pub written: Written,
    /// The member, after this; in a replay, as it was then.
    pub member: MemberFigures,
    /// Points of the hold that were not taken and are the member's again.
    pub released_points: i64,
    /// The acceptance fee that the caller bears; "0.00" when the coalition lets issuers bear it.
    pub fee: Money,
    /// What the caller's position gained: the reimbursement less the fee.
    pub acceptor_credit: Money,
}

impl FromWire<v1::CaptureHoldResponse> for Captured {
    fn read(wire: v1::CaptureHoldResponse) -> Result<Self, Error> {
        Ok(Self {
            written: FromWire::read(there(wire.written, "CaptureHoldResponse.written")?)?,
            member: FromWire::read(there(wire.member, "CaptureHoldResponse.member")?)?,
            released_points: wire.released_points,
            fee: FromWire::read(there(wire.fee, "CaptureHoldResponse.fee")?)?,
            acceptor_credit: FromWire::read(there(wire.acceptor_credit, "CaptureHoldResponse.acceptor_credit")?)?,
        })
    }
}

/// What of a participant's position a close leaves for the next window, and why: `amount` = `rounding` + `small`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CarriedAmount {
    /// Partner id, or "operator".
    pub partner_id: String,
    /// The amount: positive when the participant is owed it, negative when it owes it.
    pub amount: Money,
    /// What rounding to whole minor units of the currency left: less than one.
    pub rounding: Money,
    /// What is carried for being smaller than the coalition's threshold, in whole minor units. Of a partner: all of its rounded
    /// position, or zero. Of the operator: the opposite of all partners' together, because it pays and gets in their place.
    pub small: Money,
}

impl FromWire<v1::CarriedAmount> for CarriedAmount {
    fn read(wire: v1::CarriedAmount) -> Result<Self, Error> {
        Ok(Self {
            partner_id: wire.partner_id,
            amount: FromWire::read(there(wire.amount, "CarriedAmount.amount")?)?,
            rounding: FromWire::read(there(wire.rounding, "CarriedAmount.rounding")?)?,
            small: FromWire::read(there(wire.small, "CarriedAmount.small")?)?,
        })
    }
}

open_enum! {
    /// How long the period of a charge is.
    ChargePeriod = ChargePeriod, unspecified Unspecified {
        /// A month.
        Month = "MONTH",
        /// Three months.
        Quarter = "QUARTER",
        /// Twelve months.
        Year = "YEAR",
    }
}

/// Answer of Charge. It writes one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Charged {
    /// What was written.
    pub written: Written,
}

impl FromWire<v1::ChargeResponse> for Charged {
    fn read(wire: v1::ChargeResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "ChargeResponse.written")?)?,
        })
    }
}

/// Answer of CloseWindow. It writes one entry, without postings when every position was
/// zero.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WindowClosed {
    /// What was written.
    pub written: Written,
    /// The settlement of the window that was closed, with its number, legs, what is carried, and the proof.
    pub settlement: Settlement,
    /// Number of the window that it opened.
    pub open_window: i64,
}

impl FromWire<v1::CloseWindowResponse> for WindowClosed {
    fn read(wire: v1::CloseWindowResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "CloseWindowResponse.written")?)?,
            settlement: FromWire::read(there(wire.settlement, "CloseWindowResponse.settlement")?)?,
            open_window: wire.open_window,
        })
    }
}

/// Points that a member loses at one moment unless they are spent before.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ComingExpiry {
    /// The moment from which the points cannot be spent. Of points that end with inactivity: the moment at which they do so
    /// if the member stays inactive.
    pub expire_time: SystemTime,
    /// How many of the available points expire at that moment, of all issuers together: more than 0.
    pub points: i64,
}

impl FromWire<v1::ComingExpiry> for ComingExpiry {
    fn read(wire: v1::ComingExpiry) -> Result<Self, Error> {
        Ok(Self {
            expire_time: FromWire::read(there(wire.expire_time, "ComingExpiry.expire_time")?)?,
            points: wire.points,
        })
    }
}

/// Answer of ConfirmOrdered. It writes one entry. Of a line that was booked before it writes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrderedConfirmed {
    /// What was written.
    pub written: Written,
    /// The entry by which the line was booked before; empty if it was not.
    pub known_entry_id: String,
}

impl FromWire<v1::ConfirmOrderedResponse> for OrderedConfirmed {
    fn read(wire: v1::ConfirmOrderedResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "ConfirmOrderedResponse.written")?)?,
            known_entry_id: wire.known_entry_id,
        })
    }
}

/// Answer of ConfirmPayment. It writes a PAYMENT, and a FUND for each issuer whose leg
/// is paid now and whose points waited for that.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PaymentConfirmed {
    /// What was written.
    pub written: Written,
    /// The legs that this payment touched, as it left them. Of a line that was booked before, or by hand, none.
    pub legs: Vec<Leg>,
    /// State of the window by it. Not set of a line that was booked before, or by hand.
    pub window_state: WindowState,
    /// State of the settlement by it. Not set of a line that was booked before, or by hand.
    pub settlement_state: SettlementState,
    /// The entry by which the line was booked before; empty if it was not.
    pub known_entry_id: String,
    /// The entry that was booked by hand before and is this line; empty if none is.
    pub seen_entry_id: String,
}

impl FromWire<v1::ConfirmPaymentResponse> for PaymentConfirmed {
    fn read(wire: v1::ConfirmPaymentResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "ConfirmPaymentResponse.written")?)?,
            legs: each(wire.legs)?,
            window_state: WindowState::from_number(wire.window_state),
            settlement_state: SettlementState::from_number(wire.settlement_state),
            known_entry_id: wire.known_entry_id,
            seen_entry_id: wire.seen_entry_id,
        })
    }
}

/// Answer of ConfirmSettlement. It writes one entry without postings, and a FUND for
/// each issuer that has nothing to pay and whose points wait for its payment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettlementConfirmed {
    /// What was written.
    pub written: Written,
    /// State of the window by it: CLOSED, or SETTLED when there was nothing to pay.
    pub window_state: WindowState,
    /// State of the settlement by it: CONFIRMED, or SETTLED.
    pub settlement_state: SettlementState,
}

impl FromWire<v1::ConfirmSettlementResponse> for SettlementConfirmed {
    fn read(wire: v1::ConfirmSettlementResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "ConfirmSettlementResponse.written")?)?,
            window_state: WindowState::from_number(wire.window_state),
            settlement_state: SettlementState::from_number(wire.settlement_state),
        })
    }
}

/// What stands behind a partner's net debit cap besides its collateral.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cover {
    /// What it may owe without any security: zero or more. Not set: nothing.
    pub unsecured_amount: Money,
    /// What others answer for: at most 16, each with a reference of its own.
    pub guarantees: Vec<Guarantee>,
}

impl FromWire<v1::Cover> for Cover {
    fn read(wire: v1::Cover) -> Result<Self, Error> {
        Ok(Self {
            unsecured_amount: FromWire::read(there(wire.unsecured_amount, "Cover.unsecured_amount")?)?,
            guarantees: each(wire.guarantees)?,
        })
    }
}

/// Answer of CoverDefault. It writes a COVER_DEFAULT, and what follows a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DefaultCovered {
    /// What was written.
    pub written: Written,
}

impl FromWire<v1::CoverDefaultResponse> for DefaultCovered {
    fn read(wire: v1::CoverDefaultResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "CoverDefaultResponse.written")?)?,
        })
    }
}

/// What a partner owes, and what covers it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CoverOfPartner {
    /// Partner id.
    pub partner_id: String,
    /// What it owes: its position and its legs that are due, less what it has paid ahead, and what is claimed of it. Zero or more.
    pub exposure_amount: Money,
    /// Its net debit cap; not set: it has none.
    pub net_debit_cap: Option<Money>,
    /// What it has deposited.
    pub collateral_amount: Money,
    /// What guarantees cover that are in force.
    pub guaranteed_amount: Money,
    /// What it may owe without any security.
    pub unsecured_amount: Money,
    /// What of the exposure neither collateral nor guarantees cover: zero or more.
    pub uncovered_amount: Money,
    /// The guarantees, also those that have ended.
    pub guarantees: Vec<Guarantee>,
}

impl FromWire<v1::CoverOfPartner> for CoverOfPartner {
    fn read(wire: v1::CoverOfPartner) -> Result<Self, Error> {
        Ok(Self {
            partner_id: wire.partner_id,
            exposure_amount: FromWire::read(there(wire.exposure_amount, "CoverOfPartner.exposure_amount")?)?,
            net_debit_cap: wire.net_debit_cap.map(FromWire::read).transpose()?,
            collateral_amount: FromWire::read(there(wire.collateral_amount, "CoverOfPartner.collateral_amount")?)?,
            guaranteed_amount: FromWire::read(there(wire.guaranteed_amount, "CoverOfPartner.guaranteed_amount")?)?,
            unsecured_amount: FromWire::read(there(wire.unsecured_amount, "CoverOfPartner.unsecured_amount")?)?,
            uncovered_amount: FromWire::read(there(wire.uncovered_amount, "CoverOfPartner.uncovered_amount")?)?,
            guarantees: each(wire.guarantees)?,
        })
    }
}

/// Answer of CoverReport.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CoverReport {
    /// The partners, by partner id; the operator, whose position is the house's own, is none of them.
    pub partners: Vec<CoverOfPartner>,
    /// What the coalition's reserve holds. This and what follows is on every page.
    pub reserve_amount: Money,
    /// The largest `uncovered_amount` of a partner.
    pub largest_uncovered_amount: Money,
    /// The sum of the two largest.
    pub two_largest_uncovered_amount: Money,
    /// What the reserve lacks if the partner with the largest one defaults: zero or more.
    pub largest_missing_amount: Money,
    /// What the reserve lacks if the two default.
    pub two_largest_missing_amount: Money,
}

impl FromWire<v1::CoverReportResponse> for CoverReport {
    fn read(wire: v1::CoverReportResponse) -> Result<Self, Error> {
        Ok(Self {
            partners: each(wire.partners)?,
            reserve_amount: FromWire::read(there(wire.reserve_amount, "CoverReportResponse.reserve_amount")?)?,
            largest_uncovered_amount: FromWire::read(there(wire.largest_uncovered_amount, "CoverReportResponse.largest_uncovered_amount")?)?,
            two_largest_uncovered_amount: FromWire::read(there(wire.two_largest_uncovered_amount, "CoverReportResponse.two_largest_uncovered_amount")?)?,
            largest_missing_amount: FromWire::read(there(wire.largest_missing_amount, "CoverReportResponse.largest_missing_amount")?)?,
            two_largest_missing_amount: FromWire::read(there(wire.two_largest_missing_amount, "CoverReportResponse.two_largest_missing_amount")?)?,
        })
    }
}

/// Answer of CreateInvites. It writes one entry, without postings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvitesCreated {
    /// What was written.
    pub written: Written,
    /// Until when the invites can be used.
    pub end_time: SystemTime,
}

impl FromWire<v1::CreateInvitesResponse> for InvitesCreated {
    fn read(wire: v1::CreateInvitesResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "CreateInvitesResponse.written")?)?,
            end_time: FromWire::read(there(wire.end_time, "CreateInvitesResponse.end_time")?)?,
        })
    }
}

/// Answer of CreatePartner. It writes one entry, without postings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartnerCreated {
    /// What was written.
    pub written: Written,
    /// The partner.
    pub partner: Partner,
}

impl FromWire<v1::CreatePartnerResponse> for PartnerCreated {
    fn read(wire: v1::CreatePartnerResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "CreatePartnerResponse.written")?)?,
            partner: FromWire::read(there(wire.partner, "CreatePartnerResponse.partner")?)?,
        })
    }
}

/// A credential.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credential {
    /// Its serial number: lower-case hexadecimal.
    pub serial: String,
    /// Whose it is; not set: the house did not issue it, and knows its number only.
    pub holder: Option<Holder>,
    /// Which device it is for; not set: none in particular.
    pub device: Option<Device>,
    /// What it may do. Empty: all that its holder may do.
    pub scopes: Vec<CredentialScope>,
    /// How it is.
    pub state: CredentialState,
    /// When it was issued, if the house issued it.
    pub create_time: Option<SystemTime>,
    /// From when on it should be renewed, if the house issued it.
    pub renew_time: Option<SystemTime>,
    /// When it ends, if the house issued it.
    pub end_time: Option<SystemTime>,
    /// When it was revoked, if it was.
    pub revoke_time: Option<SystemTime>,
    /// Who revoked it: a partner id, or "operator/NAME".
    pub revoked_by: String,
    /// Why it was revoked.
    pub revoke_reason_code: String,
    /// The invite that it came of; empty if it renewed another one, or was made by hand.
    pub invite_id: String,
    /// The serial number of the one that it renewed.
    pub renews_serial: String,
    /// Whether it was renewed: its successor's serial number.
    pub renewed_by_serial: String,
    /// SHA-256 of its public key (the DER of SubjectPublicKeyInfo).
    pub key_hash: Vec<u8>,
}

impl FromWire<v1::Credential> for Credential {
    fn read(wire: v1::Credential) -> Result<Self, Error> {
        Ok(Self {
            serial: wire.serial,
            holder: wire.holder.map(FromWire::read).transpose()?,
            device: wire.device.map(FromWire::read).transpose()?,
            scopes: wire.scopes.into_iter().map(CredentialScope::from_number).collect(),
            state: CredentialState::from_number(wire.state),
            create_time: wire.create_time.map(FromWire::read).transpose()?,
            renew_time: wire.renew_time.map(FromWire::read).transpose()?,
            end_time: wire.end_time.map(FromWire::read).transpose()?,
            revoke_time: wire.revoke_time.map(FromWire::read).transpose()?,
            revoked_by: wire.revoked_by,
            revoke_reason_code: wire.revoke_reason_code,
            invite_id: wire.invite_id,
            renews_serial: wire.renews_serial,
            renewed_by_serial: wire.renewed_by_serial,
            key_hash: wire.key_hash,
        })
    }
}

open_enum! {
    /// What a credential may do. Each is a part of what its holder may do at all.
    CredentialScope = CredentialScope, unspecified Unspecified {
        /// Issue points: issues, purchases, reversals.
        Issue = "ISSUE",
        /// Accept points: quotes, redemptions, holds, returns.
        Accept = "ACCEPT",
        /// Read balances, entries, receipts, notices.
        Read = "READ",
        /// Positions, windows, statements, obligations.
        Settle = "SETTLE",
        /// Act for members: transfers.
        App = "APP",
        /// Invite devices, list and revoke credentials.
        Credentials = "CREDENTIALS",
    }
}

open_enum! {
    /// How a credential is.
    CredentialState = CredentialState, unspecified Unspecified {
        /// It can be used.
        Valid = "VALID",
        /// It was revoked.
        Revoked = "REVOKED",
        /// Its time is over.
        Ended = "ENDED",
    }
}

/// A cut-off, as it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CutOff {
    /// When the open window closes.
    pub close_time: SystemTime,
    /// The business day on which its settlement is told to partners, such as "2026-02-02".
    pub advice_day: String,
    /// The business day on which its settlement is paid.
    pub payment_day: String,
    /// No other cut-off of its calendar year follows it: it carries no leg for being small.
    pub last_of_year: bool,
    /// Number of the calendar that names it.
    pub calendar_version: i64,
}

impl FromWire<v1::CutOff> for CutOff {
    fn read(wire: v1::CutOff) -> Result<Self, Error> {
        Ok(Self {
            close_time: FromWire::read(there(wire.close_time, "CutOff.close_time")?)?,
            advice_day: wire.advice_day,
            payment_day: wire.payment_day,
            last_of_year: wire.last_of_year,
            calendar_version: wire.calendar_version,
        })
    }
}

/// A row of cut-offs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CutOffPattern {
    /// A cron expression of five fields (minute, hour, day of month, month, day of week), at most 128 characters. Of two day
    /// fields that are not `*` one is enough: "0 0 1 * FRI" is the first of a month and every Friday; "0 0 1 * +FRI" wants both.
    /// "L" is the last day of a month, "15W" the weekday next to the 15th, "FRI#2" the second Friday of a month and "FRI#L" the
    /// last. One that is malformed or never occurs is INVALID_ARGUMENT.
    pub cron_expression: String,
    /// What becomes of a cut-off whose day is no business day. The day of a cut-off is the one that it ends: one at midnight
    /// belongs to the day before. Not set: KEEP.
    pub on_holiday: OnHoliday,
    /// Business days after the cut-off's day on which its settlement is told: 0 to 30, no more than `payment_days`.
    pub advice_days: i32,
    /// Business days after the cut-off's day on which its settlement is paid: 0 to 30.
    pub payment_days: i32,
}

impl FromWire<v1::CutOffPattern> for CutOffPattern {
    fn read(wire: v1::CutOffPattern) -> Result<Self, Error> {
        Ok(Self {
            cron_expression: wire.cron_expression,
            on_holiday: OnHoliday::from_number(wire.on_holiday),
            advice_days: wire.advice_days,
            payment_days: wire.payment_days,
        })
    }
}

/// A kind of operation of which till and house have counted different numbers.
#[derive(Debug, Clone, PartialEq, Eq, Copy)]
#[non_exhaustive]
pub struct DayDifference {
    /// ENTRY_KIND_ISSUE, ENTRY_KIND_REDEEM (captures included), ENTRY_KIND_RETURN or ENTRY_KIND_REVERSE.
    pub kind: EntryKind,
    /// What the till counted.
    pub counted: Tally,
    /// What the house has.
    pub booked: Tally,
}

impl FromWire<v1::DayDifference> for DayDifference {
    fn read(wire: v1::DayDifference) -> Result<Self, Error> {
        Ok(Self {
            kind: EntryKind::from_number(wire.kind),
            counted: FromWire::read(there(wire.counted, "DayDifference.counted")?)?,
            booked: FromWire::read(there(wire.booked, "DayDifference.booked")?)?,
        })
    }
}

/// What was booked on a day.
#[derive(Debug, Clone, PartialEq, Eq, Copy, Default)]
#[non_exhaustive]
pub struct DayTotals {
    /// Issues: entries of kind ISSUE; pending points included.
    pub issued: Tally,
    /// Redemptions: entries of kind REDEEM and CAPTURE, before returns. An authorization that was not captured is none.
    pub redeemed: Tally,
    /// Returns: entries of kind RETURN.
    pub returned: Tally,
    /// Reversals: entries of kind REVERSE, points that were written off or became debts included. A reversal by receipt or
    /// member writes one for each issue.
    pub reversed: Tally,
}

impl FromWire<v1::DayTotals> for DayTotals {
    fn read(wire: v1::DayTotals) -> Result<Self, Error> {
        Ok(Self {
            issued: FromWire::read(there(wire.issued, "DayTotals.issued")?)?,
            redeemed: FromWire::read(there(wire.redeemed, "DayTotals.redeemed")?)?,
            returned: FromWire::read(there(wire.returned, "DayTotals.returned")?)?,
            reversed: FromWire::read(there(wire.reversed, "DayTotals.reversed")?)?,
        })
    }
}

/// Answer of DecayMembers.
#[derive(Debug, Clone, PartialEq, Eq, Copy, Default)]
#[non_exhaustive]
pub struct MembersDecayed {
    /// How many members were looked at.
    pub member_count: i64,
    /// How many members lost points by this call.
    pub decayed_member_count: i64,
    /// Points that they lost.
    pub decayed_points: i64,
}

impl FromWire<v1::DecayMembersResponse> for MembersDecayed {
    fn read(wire: v1::DecayMembersResponse) -> Result<Self, Error> {
        Ok(Self {
            member_count: wire.member_count,
            decayed_member_count: wire.decayed_member_count,
            decayed_points: wire.decayed_points,
        })
    }
}

/// Answer of Deposit. It writes one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deposited {
    /// What was written.
    pub written: Written,
    /// Balance of the account after it.
    pub balance: Money,
}

impl FromWire<v1::DepositResponse> for Deposited {
    fn read(wire: v1::DepositResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "DepositResponse.written")?)?,
            balance: FromWire::read(there(wire.balance, "DepositResponse.balance")?)?,
        })
    }
}

/// Something that will go away.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deprecation {
    /// What: the full name of an RPC, message or field.
    pub subject: String,
    /// What to use instead, in words.
    pub replacement: String,
    /// Until when it works at least; not set: nothing is decided.
    pub sunset_time: Option<SystemTime>,
}

impl FromWire<v1::Deprecation> for Deprecation {
    fn read(wire: v1::Deprecation) -> Result<Self, Error> {
        Ok(Self {
            subject: wire.subject,
            replacement: wire.replacement,
            sunset_time: wire.sunset_time.map(FromWire::read).transpose()?,
        })
    }
}

/// A piece of work that ran because its time had come.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DueWork {
    /// What kind of work.
    pub kind: DueWorkKind,
    /// When it was due.
    pub due_time: SystemTime,
    /// The window that was closed; not set for other kinds.
    pub window: Option<i64>,
    /// The entries that it wrote.
    pub entry_ids: Vec<String>,
}

impl FromWire<v1::DueWork> for DueWork {
    fn read(wire: v1::DueWork) -> Result<Self, Error> {
        Ok(Self {
            kind: DueWorkKind::from_number(wire.kind),
            due_time: FromWire::read(there(wire.due_time, "DueWork.due_time")?)?,
            window: wire.window,
            entry_ids: wire.entry_ids,
        })
    }
}

open_enum! {
    /// What kind of work was due.
    DueWorkKind = DueWorkKind, unspecified Unspecified {
        /// The calendar closed a window.
        WindowClose = "WINDOW_CLOSE",
        /// What was due of one member: points that became available, holds that lapsed, points that expired, debts that were
        /// paid with any of them. `due_time` is when the first of it was due.
        Member = "MEMBER",
        /// A partner was charged by schedule.
        Charge = "CHARGE",
    }
}

/// What a receipt would earn if it were booked now, after the redemption that is quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EarnPreview {
    /// The points that the caller would issue.
    pub points: i64,
    /// When they would expire; not set: never.
    pub expire_time: Option<SystemTime>,
    /// The member's available points after redemption and issue; those of the redemption alone if the issue is refused.
    pub available_points_after: i64,
    /// Why the house would refuse the issue, for example "LIMIT_EXCEEDED"; not set when it would accept it.
    pub refusal_reason: Option<Reason>,
}

impl FromWire<v1::EarnPreview> for EarnPreview {
    fn read(wire: v1::EarnPreview) -> Result<Self, Error> {
        Ok(Self {
            points: wire.points,
            expire_time: wire.expire_time.map(FromWire::read).transpose()?,
            available_points_after: wire.available_points_after,
            refusal_reason: wire.refusal_reason.map(|text| Reason::parse(&text)),
        })
    }
}

/// One balanced event of the append-only journal. An entry never changes; what corrects it is another entry that is
/// linked to it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Unique id of the entry: opaque text of at most 64 bytes, the same for everybody who may see the entry. It tells
    /// neither when nor with what else the entry was written.
    pub entry_id: String,
    /// Place of the entry among those that the caller has a part in: from 1, without gaps, in the order in which they were
    /// committed. Set by ListEntries and FindReceipt, and by GetEntry unless the lists are far behind the journal
    /// (LISTS_BEHIND); not set in the answer to an operation, which is given before entries are numbered, and by
    /// ListJournalEntries and FindEntries.
    pub own_sequence: Option<i64>,
    /// Number of the window to which the entry belongs, from 1.
    pub window: i64,
    /// What happened.
    pub kind: EntryKind,
    /// When it happened, by the house's clock, to the microsecond.
    pub entry_time: SystemTime,
    /// The postings that the caller may see. The operator and auditors see all of them, and these sum to zero in points
    /// and, separately, in money. A partner sees the points of the member in its own operations and the postings to its
    /// own accounts (`issuer:<its id>`, `recoverable:<its id>`, `position:<its id>`, `settle:<window>:<its id>`,
    /// `collateral:<its id>`).
    /// Left out in the answers of BatchIssuePoints and StreamIssuePoints, to keep them small.
    pub postings: Vec<Posting>,
    /// What became of lots by the entry, in the order in which it did. A partner that is only the issuer of some of them
    /// sees those alone.
    pub lots: Vec<LotPart>,
    /// Where the operation came from. Set by GetEntry, ListEntries, ListJournalEntries and FindEntries, for the partner that asked
    /// for the operation, the operator and auditors; left out in the answer to the operation itself, whose caller sent it.
    pub origin: Option<Origin>,
    /// The entry that this one returns, undoes, captures, releases, reverses or follows from; not set when it stands alone,
    /// and for whoever took no part in the operation itself.
    pub linked_entry_id: Option<String>,
    /// The `request_id` of the call that caused it, for the partner that made the call, the operator and auditors. Not
    /// set when no call did (a window that the calendar closed).
    pub request_id: Option<String>,
    /// Id of the partner that asked for the operation; "operator" when the operator or the house itself did. Not set for
    /// whoever took no part in the operation itself: an issuer's statement tells who accepted its points.
    pub partner_id: Option<String>,
    /// The member whose points moved, or that was frozen; not set in other entries, nor when the caller took no part in the
    /// operation itself (an issuer learns that its points were accepted elsewhere, not from whom).
    pub member_id: Option<String>,
    /// Why the operator did it: the `reason_code` of an EXTEND, REINSTATE, WRITE_OFF, FREEZE_MEMBER, UNFREEZE_MEMBER or REVOKE_CREDENTIALS, the
    /// `period` of a DECAY. Not set in every other entry, and for whoever took no part in the operation itself.
    pub reason_code: Option<String>,
    /// Of a REDEEM or AUTHORIZE: ids of the issuers of which fewer points were taken than a lot that came first had, because
    /// the issuer could owe no more. In a coalition that gives a grace for it such points do not expire soon after. For the
    /// partner that asked for the operation, the operator and auditors; a partner of a coalition that does not disclose
    /// issuers to acceptors does not see them.
    pub passed_over_issuer_ids: Vec<String>,
    /// Place of the entry in the journal: from 1, without gaps, in the order in which entries were committed. For the
    /// operator and auditors, in ListJournalEntries, FindEntries and GetEntry; nobody else is shown it.
    pub journal_sequence: Option<i64>,
}

impl FromWire<v1::Entry> for Entry {
    fn read(wire: v1::Entry) -> Result<Self, Error> {
        Ok(Self {
            entry_id: wire.entry_id,
            own_sequence: wire.own_sequence,
            window: wire.window,
            kind: EntryKind::from_number(wire.kind),
            entry_time: FromWire::read(there(wire.entry_time, "Entry.entry_time")?)?,
            postings: each(wire.postings)?,
            lots: each(wire.lots)?,
            origin: wire.origin.map(FromWire::read).transpose()?,
            linked_entry_id: wire.linked_entry_id,
            request_id: wire.request_id,
            partner_id: wire.partner_id,
            member_id: wire.member_id,
            reason_code: wire.reason_code,
            passed_over_issuer_ids: wire.passed_over_issuer_ids,
            journal_sequence: wire.journal_sequence,
        })
    }
}

open_enum! {
    /// What kind of event an entry is. New kinds may appear: treat an unknown kind as "something else happened" and rely on
    /// its postings.
    EntryKind = EntryKind, unspecified Unspecified {
        /// Points were given to a member.
        Issue = "ISSUE",
        /// A member paid with points.
        Redeem = "REDEEM",
        /// A redemption was given back, wholly or in part. `linked_entry_id` is the redemption.
        Return = "RETURN",
        /// An entry was undone by its exact opposite, after AbandonRequest. `linked_entry_id` is the entry undone.
        Undo = "UNDO",
        /// Points that expired: the member loses them, and what prepaid points leave behind is split as the
        /// issuer's terms say. Written by the house as of the time the lot expired.
        Expire = "EXPIRE",
        /// Points were reserved for an acceptor: AuthorizeRedemption.
        Authorize = "AUTHORIZE",
        /// A hold was taken, wholly or in part; the rest was released. `linked_entry_id` is the authorization.
        Capture = "CAPTURE",
        /// A hold was released by its acceptor. `linked_entry_id` is the authorization.
        Void = "VOID",
        /// A hold was released because its time was over. `linked_entry_id` is the authorization.
        Lapse = "LAPSE",
        /// Points of an issue were taken back; what was spent of them became a debt. `linked_entry_id` is the issue.
        Reverse = "REVERSE",
        /// A member's debt was paid with points of the member.
        Recover = "RECOVER",
        /// Pending points became available. `linked_entry_id` is their issue.
        Activate = "ACTIVATE",
        /// Points that waited for their issuer's payment were paid for.
        Fund = "FUND",
        /// Points were taken for inactivity.
        Decay = "DECAY",
        /// A member gave points to another one.
        Transfer = "TRANSFER",
        /// Points live longer: the operator let them, or they were passed over shortly before they would have expired.
        Extend = "EXTEND",
        /// The operator gave points again that had expired, at the cost of a funder.
        Reinstate = "REINSTATE",
        /// The operator gave up what a member owed.
        WriteOff = "WRITE_OFF",
        /// A window was closed: positions became legs of its settlement.
        Close = "CLOSE",
        /// A payment of a settlement was confirmed.
        Payment = "PAYMENT",
        /// A settlement was aborted: its legs went back into the positions of the open window.
        AbortSettlement = "ABORT_SETTLEMENT",
        /// Money was deposited into the reserve or into a partner's collateral.
        Deposit = "DEPOSIT",
        /// The coalition began: its first entry. This kind and those up to FORGET move neither points nor money.
        Found = "FOUND",
        /// A partner joined, with its first terms.
        CreatePartner = "CREATE_PARTNER",
        /// A partner got a new version of its terms.
        SetTerms = "SET_TERMS",
        /// A partner's state was set.
        SetPartnerState = "SET_PARTNER_STATE",
        /// A partner's limits were set.
        SetLimits = "SET_LIMITS",
        /// A funder's consent to issues of another partner at its cost was given or taken back.
        SetFundingConsent = "SET_FUNDING_CONSENT",
        /// The calendar of cut-offs was set.
        SetCalendar = "SET_CALENDAR",
        /// A settlement was confirmed.
        ConfirmSettlement = "CONFIRM_SETTLEMENT",
        /// The orders of a settlement were exported.
        ExportOrders = "EXPORT_ORDERS",
        /// It was decided up to when what became of requests is forgotten.
        Forget = "FORGET",
        /// Money was paid out of the reserve or of a partner's collateral.
        WithdrawFunds = "WITHDRAW_FUNDS",
        /// A member was frozen. This kind and the next move no points.
        FreezeMember = "FREEZE_MEMBER",
        /// The freeze of a member was lifted.
        UnfreezeMember = "UNFREEZE_MEMBER",
        /// A partner got another name for people.
        RenamePartner = "RENAME_PARTNER",
        /// Holders of new credentials were invited.
        CreateInvites = "CREATE_INVITES",
        /// Invites were taken back.
        WithdrawInvites = "WITHDRAW_INVITES",
        /// An invite was used: a credential was issued.
        Enroll = "ENROLL",
        /// An invite that was used was shown again, with another key.
        RefuseEnrolment = "REFUSE_ENROLMENT",
        /// A credential got a successor.
        RenewCertificate = "RENEW_CERTIFICATE",
        /// Credentials were revoked.
        RevokeCredentials = "REVOKE_CREDENTIALS",
        /// A person of the operator got roles. This kind and the next five are shown to the operator and auditors.
        SetPerson = "SET_PERSON",
        /// It was set what needs two persons.
        SetTwoPersonList = "SET_TWO_PERSON_LIST",
        /// A person was named approver on the machine of the stopped house.
        RecoverPerson = "RECOVER_PERSON",
        /// One person has proposed what needs two. ApproveProposal writes the entries of what was proposed.
        Propose = "PROPOSE",
        /// A proposal was refused.
        RefuseProposal = "REFUSE_PROPOSAL",
        /// A proposal was withdrawn by who had made it.
        WithdrawProposal = "WITHDRAW_PROPOSAL",
        /// It was written down who a partner is by law. This kind and the next are shown to the operator and auditors.
        SetLegalRecord = "SET_LEGAL_RECORD",
        /// A partner came into a group, or left it.
        SetGroup = "SET_GROUP",
        /// A partner got another bank account, which is in force some days later.
        SetBankAccount = "SET_BANK_ACCOUNT",
        /// A change of a bank account was stopped while it waited.
        StopBankAccountChange = "STOP_BANK_ACCOUNT_CHANGE",
        /// Money arrived at the bank; or what was booked by hand before was seen there.
        ReceiveMoney = "RECEIVE_MONEY",
        /// Money that had arrived was used, as somebody said.
        ApplyMoney = "APPLY_MONEY",
        /// Money that had arrived or was paid ahead paid a leg by itself.
        TakeMoney = "TAKE_MONEY",
        /// A credit paid an older leg or a claim of its partner by itself.
        Offset = "OFFSET",
        /// Pay-outs of a settlement may leave the house, as every debit is paid.
        Release = "RELEASE",
        /// Pay-outs of a settlement may leave the house before that, as somebody said.
        ReleaseOrders = "RELEASE_ORDERS",
        /// A payment that was booked by mistake was undone. `linked_entry_id` is the payment.
        UndoPayment = "UNDO_PAYMENT",
        /// Money that belongs to nothing was ordered back.
        ReturnMoney = "RETURN_MONEY",
        /// Money that was ordered out has left the bank. `linked_entry_id` is the order.
        ConfirmOrdered = "CONFIRM_ORDERED",
        /// A payment came back. `linked_entry_id` is the payment.
        ReturnPayment = "RETURN_PAYMENT",
        /// A leg was paid for its partner out of what there is.
        CoverDefault = "COVER_DEFAULT",
        /// What was missing for a leg was taken off the creditors.
        ShareLoss = "SHARE_LOSS",
        /// A claim was paid.
        RepayClaim = "REPAY_CLAIM",
        /// Pending points whose issuer did not pay for them are gone.
        Cancel = "CANCEL",
        /// A partner was charged.
        Charge = "CHARGE",
        /// Money was moved between two positions by hand.
        Adjust = "ADJUST",
        /// The bank took a fee, or gave interest.
        BookBankFee = "BOOK_BANK_FEE",
        /// Money was moved between the house's own accounts.
        BookOwnTransfer = "BOOK_OWN_TRANSFER",
        /// What funds gained or lost in a window was moved between the house's own accounts.
        MoveFunds = "MOVE_FUNDS",
        /// What covers a partner's debts was set.
        SetCover = "SET_COVER",
        /// What a partner is charged by itself was set.
        SetCharges = "SET_CHARGES",
    }
}

/// Points of one issuer that a member loses at one moment, unless they are spent before.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExpiryNotice {
    /// The member.
    pub member_id: String,
    /// How many of the points expire: more than 0.
    pub points: i64,
    /// The moment from which they cannot be spent.
    pub expire_time: SystemTime,
    /// How many days ahead of the expiry the notice is: one of `notice_days` of GetServerInfo.
    pub days_ahead: i32,
    /// Partner id of the issuer; in ListExpiryNotices always the caller.
    pub issuer_id: String,
}

impl FromWire<v1::ExpiryNotice> for ExpiryNotice {
    fn read(wire: v1::ExpiryNotice) -> Result<Self, Error> {
        Ok(Self {
            member_id: wire.member_id,
            points: wire.points,
            expire_time: FromWire::read(there(wire.expire_time, "ExpiryNotice.expire_time")?)?,
            days_ahead: wire.days_ahead,
            issuer_id: wire.issuer_id,
        })
    }
}

/// Answer of ExplainLeg. These hold, each of figures that are found apart from each other:
///
///   carried_in.amount = opening
///   opening + moved = position
///   floor + remainder = position
///   floor + raised = rounded
///   rounded - carried.small = leg.amount
///   remainder - raised = carried.rounding
///   leg.amount + carried.amount = position
///
/// Sign, of every amount: positive, the partner gets it; negative, the partner pays it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LegExplained {
    /// Whose leg.
    pub partner_id: String,
    /// Number of the window.
    pub window: i64,
    /// What the window opened with.
    pub opening: Money,
    /// What the close of the window before carried, and why. Not set for the first window.
    pub carried_in: Option<CarriedAmount>,
    /// What the entries of the window come to: the sum of the statement's totals, and of its lines.
    pub moved: Money,
    /// The position at the close.
    pub position: Money,
    /// The currency's minor unit: the least that can be paid.
    pub minor_unit: Money,
    /// The most whole minor units that are no more than the position.
    pub floor: Money,
    /// What of the position is above them: less than a minor unit, never below zero.
    pub remainder: Money,
    /// One minor unit if the position has one of the largest remainders, else zero. So many positions are raised that all together
    /// come to the half-up sum of all.
    pub raised: Money,
    /// The position in whole minor units.
    pub rounded: Money,
    /// The leg: zero where there is none.
    pub leg: Leg,
    /// What stays in the position, and why.
    pub carried: CarriedAmount,
    /// How the minor units went round. For the operator and auditors.
    pub rounding_order: Option<RoundingOrder>,
    /// Of the operator's own leg: the partners' rounded positions that were carried for being small, and that it pays and gets in
    /// their place, by partner id. They sum up to minus carried.small. Empty for partners.
    pub taken_over: Vec<ParticipantAmount>,
    /// Why nothing was lost or made in the whole window, what went into and came out of the house's funds among it. For the
    /// operator and auditors.
    pub proof: Option<SettlementProof>,
}

impl FromWire<v1::ExplainLegResponse> for LegExplained {
    fn read(wire: v1::ExplainLegResponse) -> Result<Self, Error> {
        Ok(Self {
            partner_id: wire.partner_id,
            window: wire.window,
            opening: FromWire::read(there(wire.opening, "ExplainLegResponse.opening")?)?,
            carried_in: wire.carried_in.map(FromWire::read).transpose()?,
            moved: FromWire::read(there(wire.moved, "ExplainLegResponse.moved")?)?,
            position: FromWire::read(there(wire.position, "ExplainLegResponse.position")?)?,
            minor_unit: FromWire::read(there(wire.minor_unit, "ExplainLegResponse.minor_unit")?)?,
            floor: FromWire::read(there(wire.floor, "ExplainLegResponse.floor")?)?,
            remainder: FromWire::read(there(wire.remainder, "ExplainLegResponse.remainder")?)?,
            raised: FromWire::read(there(wire.raised, "ExplainLegResponse.raised")?)?,
            rounded: FromWire::read(there(wire.rounded, "ExplainLegResponse.rounded")?)?,
            leg: FromWire::read(there(wire.leg, "ExplainLegResponse.leg")?)?,
            carried: FromWire::read(there(wire.carried, "ExplainLegResponse.carried")?)?,
            rounding_order: wire.rounding_order.map(FromWire::read).transpose()?,
            taken_over: each(wire.taken_over)?,
            proof: wire.proof.map(FromWire::read).transpose()?,
        })
    }
}

/// Answer of ExportOrders. It writes one entry, without postings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Orders {
    /// What was written.
    pub written: Written,
    /// The orders that were still due. HUB: by partner id, those that pay first, the operator last of each. PAIRWISE: in the
    /// order found.
    pub orders: Vec<PaymentOrder>,
    /// The same as CSV (RFC 4180, UTF-8, lines end with CRLF), with the header "window,payer,payee,amount,currency". Amounts are in
    /// the currency's minor unit ("5305.62" whatever the scale), and no cell is one that a spreadsheet takes for a formula.
    pub csv: String,
    /// State of the settlement by it.
    pub settlement_state: SettlementState,
}

impl FromWire<v1::ExportOrdersResponse> for Orders {
    fn read(wire: v1::ExportOrdersResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "ExportOrdersResponse.written")?)?,
            orders: each(wire.orders)?,
            csv: wire.csv,
            settlement_state: SettlementState::from_number(wire.settlement_state),
        })
    }
}

/// Answer of ExtendExpiry. The `lots` of its one entry are those that live longer, at most
/// 1,024; repeat the wish under a new id when there are more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExpiryExtended {
    /// What was written.
    pub written: Written,
    /// The member, after this; in a replay, as it was then.
    pub member: MemberFigures,
}

impl FromWire<v1::ExtendExpiryResponse> for ExpiryExtended {
    fn read(wire: v1::ExtendExpiryResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "ExtendExpiryResponse.written")?)?,
            member: FromWire::read(there(wire.member, "ExtendExpiryResponse.member")?)?,
        })
    }
}

open_enum! {
    /// Who bears the acceptance fee.
    FeeBearer = FeeBearer, unspecified Unspecified {
        /// The acceptor: it is reimbursed less the fee.
        Acceptor = "ACCEPTOR",
        /// The issuers of the points that were accepted.
        Issuer = "ISSUER",
    }
}

/// One field that a decision changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldChange {
    /// The field, as it is named in this interface, for example "price", "net_debit_cap", "settlement_state"; of a deposit
    /// the account.
    pub field: String,
    /// What stood there; not set where nothing did.
    pub before: Option<String>,
    /// What stands there by it; not set where nothing does.
    pub after: Option<String>,
}

impl FromWire<v1::FieldChange> for FieldChange {
    fn read(wire: v1::FieldChange) -> Result<Self, Error> {
        Ok(Self {
            field: wire.field,
            before: wire.before,
            after: wire.after,
        })
    }
}

/// Answer of FreezeMember.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberFrozen {
    /// What was written.
    pub written: Written,
    /// The member, after this; in a replay, as it was then.
    pub member: MemberFigures,
}

impl FromWire<v1::FreezeMemberResponse> for MemberFrozen {
    fn read(wire: v1::FreezeMemberResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "FreezeMemberResponse.written")?)?,
            member: FromWire::read(there(wire.member, "FreezeMemberResponse.member")?)?,
        })
    }
}

open_enum! {
    /// When an issuer pays for the points it issues.
    Funding = Funding, unspecified Unspecified {
        /// It pays the price when its points are accepted elsewhere.
        AtRedemption = "AT_REDEMPTION",
        /// It pays the price when it issues them; the value goes into the coalition's pool and backs them.
        AtIssue = "AT_ISSUE",
        /// As AT_ISSUE, but the points stay pending until the settlement that contains them is paid.
        OnPayment = "ON_PAYMENT",
    }
}

/// That a partner may name another one as a funder of its issues.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FundingConsent {
    /// Who pays.
    pub funder_id: String,
    /// Who may name it.
    pub partner_id: String,
    /// True when the consent stands; false when it was withdrawn.
    pub given: bool,
    /// How many points it may name it for in all, over the consent's whole life. Not set: any number.
    pub budget_points: Option<i64>,
    /// How many it has named it for so far.
    pub used_points: i64,
}

impl FromWire<v1::FundingConsent> for FundingConsent {
    fn read(wire: v1::FundingConsent) -> Result<Self, Error> {
        Ok(Self {
            funder_id: wire.funder_id,
            partner_id: wire.partner_id,
            given: wire.given,
            budget_points: wire.budget_points,
            used_points: wire.used_points,
        })
    }
}

/// Answer of GetBalance: the points of the member as of now. What fell due by now (points that
/// became available, holds that lapsed, points that expired, debts that were paid with any of them) is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Balance {
    /// The member, also when an identifier named it.
    pub member: MemberFigures,
    /// When available points expire and how many, the first moment first: at most the next 100 moments, and those of the
    /// 1,024 lots that expire first. Points that end with inactivity count at the moment at which they do so if the member
    /// stays inactive.
    pub coming_expiries: Vec<ComingExpiry>,
    /// The available points that are in none of these: they expire later, or never.
    pub other_points: i64,
    /// Whether the member is frozen: none of its points can be spent (MEMBER_BLOCKED), whatever the figures say.
    pub frozen: bool,
    /// When that ends by itself. Not set where the member is not frozen, or is frozen until the operator lifts it.
    pub freeze_end_time: Option<SystemTime>,
}

impl FromWire<v1::GetBalanceResponse> for Balance {
    fn read(wire: v1::GetBalanceResponse) -> Result<Self, Error> {
        Ok(Self {
            member: FromWire::read(there(wire.member, "GetBalanceResponse.member")?)?,
            coming_expiries: each(wire.coming_expiries)?,
            other_points: wire.other_points,
            frozen: wire.frozen,
            freeze_end_time: wire.freeze_end_time.map(FromWire::read).transpose()?,
        })
    }
}

/// Answer of GetPosition, as of the last commit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Position {
    /// Whose position.
    pub partner_id: String,
    /// Number of the window that is open.
    pub window: i64,
    /// What the partner is owed (+) or owes (-) and what is not yet in a settlement.
    pub position: Money,
    /// Its legs in settlements that are not finished, by window.
    pub in_flight: Vec<InFlight>,
    /// Points that it has issued and that are neither spent nor expired.
    pub outstanding_points: i64,
    /// What the partner may still come to owe under its net debit cap; not set when it has none. Below zero when an
    /// operation that may pass the cap, such as a return, has passed it.
    pub headroom: Option<Money>,
    /// How much is used of those of its limits that are counted for the whole partner.
    pub limit_uses: Vec<LimitUse>,
}

impl FromWire<v1::GetPositionResponse> for Position {
    fn read(wire: v1::GetPositionResponse) -> Result<Self, Error> {
        Ok(Self {
            partner_id: wire.partner_id,
            window: wire.window,
            position: FromWire::read(there(wire.position, "GetPositionResponse.position")?)?,
            in_flight: each(wire.in_flight)?,
            outstanding_points: wire.outstanding_points,
            headroom: wire.headroom.map(FromWire::read).transpose()?,
            limit_uses: each(wire.limit_uses)?,
        })
    }
}

/// Answer of GetProposal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProposalShown {
    /// The proposal.
    pub proposal: Proposal,
    /// What it would change now, field by field, while it is open or stale; of one that is DONE what it changed. Empty of any other.
    pub changes: Vec<FieldChange>,
    /// Why the rules would refuse it now. Not set if they would not, or if it is not open.
    pub refusal: Option<String>,
}

impl FromWire<v1::GetProposalResponse> for ProposalShown {
    fn read(wire: v1::GetProposalResponse) -> Result<Self, Error> {
        Ok(Self {
            proposal: FromWire::read(there(wire.proposal, "GetProposalResponse.proposal")?)?,
            changes: each(wire.changes)?,
            refusal: wire.refusal,
        })
    }
}

/// Answer of GetServerInfo.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerInfo {
    /// Version of the server, for example "0.1.0".
    pub server_version: String,
    /// Version of this interface: "v1".
    pub api_version: String,
    /// Id of the coalition: the host part of the identities in its certificates.
    pub coalition_id: String,
    /// ISO 4217 code of the coalition's currency.
    pub currency_code: String,
    /// How many decimals its amounts have: from the currency's own minor digits to 6.
    pub scale: u32,
    /// What a point is worth by default, in the coalition's currency.
    pub point_value: Decimal,
    /// IANA name of the time zone in which days, months and years end.
    pub time_zone: String,
    /// Whether acceptors learn the issuers of the lots they take.
    pub disclose_issuers: bool,
    /// The house's time: compare it with your own clock.
    pub server_time: SystemTime,
    /// Who the caller is, as the house reads its certificate: the partner id, "operator", or the name of an auditor.
    pub caller_id: String,
    /// The limits.
    pub limits: Limits,
    /// What will go away; empty when nothing will.
    pub deprecations: Vec<Deprecation>,
    /// Whether the house's clock stands still and is moved by hand. Only that of a sandbox can.
    pub clock_stands_still: bool,
    /// How many days ahead of an expiry its notices are due (ListExpiryNotices), from the most to the fewest: 30, 7 and 1 unless
    /// the coalition was founded with others; 1 to 8 of them, each from 1 to 366.
    pub notice_days: Vec<i32>,
    /// Where invites are used (EnrolmentService): `host:port`. Empty: this house issues no certificates.
    pub enrolment_endpoint: String,
    /// After how many days a proposal lapses that nobody has approved: 7 unless the coalition was founded with another number, 1 to
    /// 366.
    pub proposal_days: i32,
    /// After how many days a change of a bank account is in force, and so are the roles of a recovered approver: 3 unless the
    /// coalition was founded with another number, 0 to 366.
    pub account_change_days: i32,
    /// How many points one person of the operator gives to members again on a day (ReinstatePoints), before a second one is needed: 500
    /// unless the coalition was founded with another number.
    pub care_points: i64,
    /// The person of the operator that calls. Not set for anybody else.
    pub person_id: Option<String>,
}

impl FromWire<v1::GetServerInfoResponse> for ServerInfo {
    fn read(wire: v1::GetServerInfoResponse) -> Result<Self, Error> {
        Ok(Self {
            server_version: wire.server_version,
            api_version: wire.api_version,
            coalition_id: wire.coalition_id,
            currency_code: wire.currency_code,
            scale: wire.scale,
            point_value: decimal(&wire.point_value, "GetServerInfoResponse.point_value")?,
            time_zone: wire.time_zone,
            disclose_issuers: wire.disclose_issuers,
            server_time: FromWire::read(there(wire.server_time, "GetServerInfoResponse.server_time")?)?,
            caller_id: wire.caller_id,
            limits: FromWire::read(there(wire.limits, "GetServerInfoResponse.limits")?)?,
            deprecations: each(wire.deprecations)?,
            clock_stands_still: wire.clock_stands_still,
            notice_days: wire.notice_days,
            enrolment_endpoint: wire.enrolment_endpoint,
            proposal_days: wire.proposal_days,
            account_change_days: wire.account_change_days,
            care_points: wire.care_points,
            person_id: wire.person_id,
        })
    }
}

/// Answer of GetStatement. opening + sum of `totals` = opening + all of `bridge` = closing + leg.
///
/// Sign, of every amount and rate of a statement: positive, the partner gets it; negative, the partner pays it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statement {
    /// Whose statement.
    pub partner_id: String,
    /// Its name, as the operator has set it.
    pub partner_name: String,
    /// The window.
    pub window: Window,
    /// What was carried into the window: the closing of the window before.
    pub opening: Money,
    /// The way from the opening to what the partner gets or pays, in a few amounts.
    pub bridge: StatementBridge,
    /// What goes into the settlement: positive when the partner is paid. Zero while the window is open.
    pub leg: Money,
    /// What is carried into the next window; while the window is open, the position now.
    pub closing: Money,
    /// What the partner and each other one owe each other for points before netting: the rows of ListObligations, all of them,
    /// of the same moment as the totals. On the first page only, the one that is asked for without a token.
    pub obligations: Vec<Obligation>,
    /// What the whole statement comes to, one row per section, kind and purpose.
    pub totals: Vec<StatementTotal>,
}

impl FromWire<v1::GetStatementResponse> for Statement {
    fn read(wire: v1::GetStatementResponse) -> Result<Self, Error> {
        Ok(Self {
            partner_id: wire.partner_id,
            partner_name: wire.partner_name,
            window: FromWire::read(there(wire.window, "GetStatementResponse.window")?)?,
            opening: FromWire::read(there(wire.opening, "GetStatementResponse.opening")?)?,
            bridge: FromWire::read(there(wire.bridge, "GetStatementResponse.bridge")?)?,
            leg: FromWire::read(there(wire.leg, "GetStatementResponse.leg")?)?,
            closing: FromWire::read(there(wire.closing, "GetStatementResponse.closing")?)?,
            obligations: each(wire.obligations)?,
            totals: each(wire.totals)?,
        })
    }
}

/// What another answers for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Guarantee {
    /// By what the guarantor calls it: 1 to 64 characters. Required.
    pub reference: String,
    /// How much: more than zero. Required.
    pub amount: Money,
    /// It covers until then. Required.
    pub end_time: SystemTime,
}

impl FromWire<v1::Guarantee> for Guarantee {
    fn read(wire: v1::Guarantee) -> Result<Self, Error> {
        Ok(Self {
            reference: wire.reference,
            amount: FromWire::read(there(wire.amount, "Guarantee.amount")?)?,
            end_time: FromWire::read(there(wire.end_time, "Guarantee.end_time")?)?,
        })
    }
}

/// Points that are reserved for an acceptor, or were.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hold {
    /// Its id: the `entry_id` of its authorization.
    pub hold_id: String,
    /// What became of it.
    pub state: HoldState,
    /// The member.
    pub member_id: String,
    /// The points that were reserved.
    pub points: i64,
    /// The points that were captured; 0 unless the state is CAPTURED.
    pub captured_points: i64,
    /// When it was authorized.
    pub authorize_time: SystemTime,
    /// When it lapses, or would have.
    pub lapse_time: SystemTime,
    /// The lots that were reserved, in the order in which a capture takes them.
    pub lots: Vec<LotPart>,
    /// What the caller gets per captured point, as it was fixed when the hold was authorized.
    pub reimbursement: Money,
    /// The acceptance fee that the caller bears on points of other issuers, as a share of the reimbursement ("0.02" is
    /// 2 %), as it was fixed when the hold was authorized; "0" when issuers bear the fee.
    pub acceptance_fee: Decimal,
}

impl FromWire<v1::Hold> for Hold {
    fn read(wire: v1::Hold) -> Result<Self, Error> {
        Ok(Self {
            hold_id: wire.hold_id,
            state: HoldState::from_number(wire.state),
            member_id: wire.member_id,
            points: wire.points,
            captured_points: wire.captured_points,
            authorize_time: FromWire::read(there(wire.authorize_time, "Hold.authorize_time")?)?,
            lapse_time: FromWire::read(there(wire.lapse_time, "Hold.lapse_time")?)?,
            lots: each(wire.lots)?,
            reimbursement: FromWire::read(there(wire.reimbursement, "Hold.reimbursement")?)?,
            acceptance_fee: decimal(&wire.acceptance_fee, "Hold.acceptance_fee")?,
        })
    }
}

open_enum! {
    /// What became of a hold.
    HoldState = HoldState, unspecified Unspecified {
        /// The points are reserved.
        Open = "OPEN",
        /// Points of it were taken, and the rest was released.
        Captured = "CAPTURED",
        /// Its acceptor released it, or abandoned its request.
        Voided = "VOIDED",
        /// Its time was over.
        Lapsed = "LAPSED",
    }
}

/// A leg of a settlement that is not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InFlight {
    /// Number of the window.
    pub window: i64,
    /// What is still to be paid: positive when the partner is paid, negative when it pays.
    pub due: Money,
    /// State of the leg.
    pub state: LegState,
}

impl FromWire<v1::InFlight> for InFlight {
    fn read(wire: v1::InFlight) -> Result<Self, Error> {
        Ok(Self {
            window: wire.window,
            due: FromWire::read(there(wire.due, "InFlight.due")?)?,
            state: LegState::from_number(wire.state),
        })
    }
}

/// An invite.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Invite {
    /// Its id.
    pub invite_id: String,
    /// Whose credential comes of it.
    pub holder: Holder,
    /// Which device it is for; not set: none in particular.
    pub device: Option<Device>,
    /// What the credential may do. Empty: all that the holder may do.
    pub scopes: Vec<CredentialScope>,
    /// How it is.
    pub state: InviteState,
    /// When it was made.
    pub create_time: SystemTime,
    /// Until when it can be used.
    pub end_time: SystemTime,
    /// Who made it: a partner id, or "operator/NAME".
    pub created_by: String,
    /// The serial number of the credential that came of it; empty: none.
    pub serial: String,
    /// How often somebody tried to use it with another key after it was used; counted up to 100. Above 0 somebody else has seen the
    /// string.
    pub foreign_attempt_count: i64,
}

impl FromWire<v1::Invite> for Invite {
    fn read(wire: v1::Invite) -> Result<Self, Error> {
        Ok(Self {
            invite_id: wire.invite_id,
            holder: FromWire::read(there(wire.holder, "Invite.holder")?)?,
            device: wire.device.map(FromWire::read).transpose()?,
            scopes: wire.scopes.into_iter().map(CredentialScope::from_number).collect(),
            state: InviteState::from_number(wire.state),
            create_time: FromWire::read(there(wire.create_time, "Invite.create_time")?)?,
            end_time: FromWire::read(there(wire.end_time, "Invite.end_time")?)?,
            created_by: wire.created_by,
            serial: wire.serial,
            foreign_attempt_count: wire.foreign_attempt_count,
        })
    }
}

open_enum! {
    /// How an invite is.
    InviteState = InviteState, unspecified Unspecified {
        /// It can be used.
        Open = "OPEN",
        /// It was used.
        Used = "USED",
        /// It was taken back.
        Withdrawn = "WITHDRAWN",
        /// Its time is over.
        Ended = "ENDED",
        /// It is to a person or an auditor, one person of the operator made it alone, and since then there are two approvers.
        MadeAlone = "MADE_ALONE",
    }
}

/// Answer of IssuePoints: the points are the member's, durably.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Issued {
    /// What was written.
    pub written: Written,
    /// The member, also when an identifier named it, after this; in a replay, as it was then.
    pub member: MemberFigures,
}

impl FromWire<v1::IssuePointsResponse> for Issued {
    fn read(wire: v1::IssuePointsResponse) -> Result<Self, Error> {
        Ok(Self {
            written: FromWire::read(there(wire.written, "IssuePointsResponse.written")?)?,
            member: FromWire::read(there(wire.member, "IssuePointsResponse.member")?)?,
        })
    }
}

/// A certificate as it is handed out, with all that its holder needs to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IssuedCertificate {
    /// The certificate, and those between it and the authority, as PEM.
    pub certificate_pem: String,
    /// The authorities to trust, as PEM.
    pub ca_pem: String,
    /// Where the house is reached: `https://host:port`.
    pub endpoint: String,
    /// Whose it is.
    pub holder: Holder,
    /// Its serial number.
    pub serial: String,
    /// From when on it should be renewed.
    pub renew_time: SystemTime,
    /// When it ends.
    pub end_time: SystemTime,
}

impl FromWire<v1::IssuedCertificate> for IssuedCertificate {
    fn read(wire: v1::IssuedCertificate) -> Result<Self, Error> {
        Ok(Self {
            certificate_pem: wire.certificate_pem,
            ca_pem: wire.ca_pem,
            endpoint: wire.endpoint,
            holder: FromWire::read(there(wire.holder, "IssuedCertificate.holder")?)?,
            serial: wire.serial,
            renew_time: FromWire::read(there(wire.renew_time, "IssuedCertificate.renew_time")?)?,
            end_time: FromWire::read(there(wire.end_time, "IssuedCertificate.end_time")?)?,
        })
    }
}

/// One participant's amount in a settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leg {
    /// Partner id, or "operator".
    pub partner_id: String,
    /// The amount: positive when the participant is paid, negative when it pays.
    pub amount: Money,
    /// What of the amount is still to be paid, with the same sign; zero when the leg is paid.
    pub due: Money,
    /// State of the leg.
    pub state: LegState,
    /// What of it was paid out of collateral and the reserve, or taken off the creditors: zero or more.
    pub covered_amount: Money,
    /// What of it pending points paid that were cancelled: zero or more.
    pub cancelled_amount: Money,
    /// What of it was taken off for the defaults of others: zero or more.
    pub shared_amount: Money,
}

impl FromWire<v1::Leg> for Leg {
    fn read(wire: v1::Leg) -> Result<Self, Error> {
        Ok(Self {
            partner_id: wire.partner_id,
            amount: FromWire::read(there(wire.amount, "Leg.amount")?)?,
            due: FromWire::read(there(wire.due, "Leg.due")?)?,
            state: LegState::from_number(wire.state),
            covered_amount: FromWire::read(there(wire.covered_amount, "Leg.covered_amount")?)?,
            cancelled_amount: FromWire::read(there(wire.cancelled_amount, "Leg.cancelled_amount")?)?,
            shared_amount: FromWire::read(there(wire.shared_amount, "Leg.shared_amount")?)?,
        })
    }
}

open_enum! {
    /// State of a leg: one participant's amount in a settlement.
    LegState = LegState, unspecified Unspecified {
        /// Not paid yet.
        Due = "DUE",
        /// Paid in full.
        Paid = "PAID",
        /// Due again, because a payment came back.
        Returned = "RETURNED",
        /// Paid for its partner, who defaulted.
        Covered = "COVERED",
    }
}

/// How much of a limit that is counted for a whole partner is used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitUse {
    /// Name of the limit: "net_debit_cap", "outstanding_points", "points_per_day" or "redeem_foreign_points_per_day".
    pub limit: String,
    /// How much is used: points; of "net_debit_cap" a decimal in the coalition's currency. Below zero when the partner is
    /// owed more than it owes.
    pub used: Decimal,
    /// The limit, in the same unit.
    pub maximum: Decimal,
    /// True when at least 80 % of the limit are used.
    pub alarm: bool,
}

impl FromWire<v1::LimitUse> for LimitUse {
    fn read(wire: v1::LimitUse) -> Result<Self, Error> {
        Ok(Self {
            limit: wire.limit,
            used: decimal(&wire.used, "LimitUse.used")?,
            maximum: decimal(&wire.maximum, "LimitUse.maximum")?,
            alarm: wire.alarm,
        })
    }
}

/// Limits of the server. What is beyond one of them is refused, never cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Largest unary request in bytes.
    pub message_bytes_max: i64,
    /// Largest request of BatchIssuePoints and message of StreamIssuePoints in bytes.
    pub batch_bytes_max: i64,
    /// Most items of a batch.
    pub batch_items_max: i32,
    /// Most points that one operation may name.
    pub points_per_entry_max: i64,
    /// Most lots that one entry takes.
    pub lots_per_entry_max: i32,
    /// Largest page of a list, unless its own comment says otherwise.
    pub page_size_max: i32,
    /// How long request ids are kept: an id whose time is older is rejected as REQUEST_TOO_OLD. Not set: for ever.
    pub request_retention: Option<Duration>,
    /// How far a till's own time (`Origin.business_time`) may be ahead of the house's clock; beyond that TIME_OUT_OF_RANGE.
    pub clock_skew_max: Duration,
}

impl FromWire<v1::Limits> for Limits {
    fn read(wire: v1::Limits) -> Result<Self, Error> {
        Ok(Self {
            message_bytes_max: wire.message_bytes_max,
            batch_bytes_max: wire.batch_bytes_max,
            batch_items_max: wire.batch_items_max,
            points_per_entry_max: wire.points_per_entry_max,
            lots_per_entry_max: wire.lots_per_entry_max,
            page_size_max: wire.page_size_max,
            request_retention: wire.request_retention.map(FromWire::read).transpose()?,
            clock_skew_max: FromWire::read(there(wire.clock_skew_max, "Limits.clock_skew_max")?)?,
        })
    }
}

/// Answer of ListPeople.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeopleListed {
    /// The people, by their names.
    pub people: Vec<Person>,
    /// Whether what stands on the list needs two persons: there are two approvers.
    pub two_persons: bool,
    /// The operations that need two persons then, by their names.
    pub two_person_operations: Vec<String>,
    /// Those that the coalition has taken off the list.
    pub one_person_operations: Vec<String>,
}

impl FromWire<v1::ListPeopleResponse> for PeopleListed {
    fn read(wire: v1::ListPeopleResponse) -> Result<Self, Error> {
        Ok(Self {
            people: each(wire.people)?,
            two_persons: wire.two_persons,
            two_person_operations: wire.two_person_operations,
            one_person_operations: wire.one_person_operations,
        })
    }
}

/// A member as the books have it. What fell due and is not booked yet (points that expired a moment ago) is not counted;
/// MemberService.GetBalance counts it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedMember {
    /// The house's id of the member.
    pub member_id: String,
    /// Points that can be spent, of all issuers together.
    pub available_points: i64,
    /// Points that holds reserve.
    pub held_points: i64,
    /// Points that were issued and are not available yet.
    pub pending_points: i64,
    /// Points that the member owes to issuers, because they were reversed after they were spent.
    pub owed_points: i64,
    /// Whether the member is frozen: none of its points can be spent (MEMBER_BLOCKED).
    pub frozen: bool,
    /// When that ends by itself. Not set where the member is not frozen, or is frozen until the operator lifts it.
    pub freeze_end_time: Option<SystemTime>,
    /// When the member last earned or redeemed: what decay for inactivity goes by. Not set where it never did.
    pub last_activity_time: Option<SystemTime>,
}

impl FromWire<v1::ListedMember> for ListedMember {
    fn read(wire: v1::ListedMember) -> Result<Self, Error> {
        Ok(Self {
            member_id: wire.member_id,
            available_points: wire.available_points,
            held_points: wire.held_points,
            pending_points: wire.pending_points,
            owed_points: wire.owed_points,
            frozen: wire.frozen,
            freeze_end_time: wire.freeze_end_time.map(FromWire::read).transpose()?,
            last_activity_time: wire.last_activity_time.map(FromWire::read).transpose()?,
        })
    }
}

open_enum! {
    /// What became of points of a lot.
    LotChange = LotChange, unspecified Unspecified {
        /// The lot was made with these points: issued, reinstated, or got from another member.
        Made = "MADE",
        /// The points left the lot for good: spent, given away, expired, decayed, or taken back.
        Taken = "TAKEN",
        /// The points were reserved by a hold.
        Reserved = "RESERVED",
        /// The points were reserved by a hold and are available again.
        Released = "RELEASED",
        /// The points came back into the lot, which they had left.
        GivenBack = "GIVEN_BACK",
        /// The points were pending and became available.
        Activated = "ACTIVATED",
        /// The lot lives longer.
        Extended = "EXTENDED",
    }
}

/// What became of points of one lot. A lot is what is left of one issue: points with one issuer, one set of terms and one
/// expiry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LotPart {
    /// Id of the lot: opaque text of at most 64 bytes, the same for everybody who may see the lot.
    pub lot_id: String,
    /// Partner id of the issuer. Not set when the coalition does not disclose issuers to acceptors and the lot is not the
    /// caller's own.
    pub issuer_id: Option<String>,
    /// True when the caller is the issuer of the lot.
    pub own: bool,
    /// What became of the points. A lot of which a capture took one part and released another is listed twice.
    pub change: LotChange,
    /// How many points: more than 0; 0 of a lot that was EXTENDED, whose expiry alone moved.
    pub points: i64,
    /// When the lot expires: from this moment on its points cannot be spent. Not set: never. Of points that end with the
    /// member's inactivity: the moment at which they do so if the member stays inactive from this entry on.
    pub expire_time: Option<SystemTime>,
}

impl FromWire<v1::LotPart> for LotPart {
    fn read(wire: v1::LotPart) -> Result<Self, Error> {
        Ok(Self {
            lot_id: wire.lot_id,
            issuer_id: wire.issuer_id,
            own: wire.own,
            change: LotChange::from_number(wire.change),
            points: wire.points,
            expire_time: wire.expire_time.map(FromWire::read).transpose()?,
        })
    }
}

/// What a member has and owes, of all issuers together.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberFigures {
    /// The house's id of the member, for later calls.
    pub member_id: String,
    /// Points that can be spent. In a coalition that does not disclose issuers: points that can be spent at the caller now.
    /// What is passed over there, because its issuer could owe no more, is not told.
    pub available_points: i64,
    /// Points that holds reserve.
    pub held_points: i64,
    /// Points that were issued and are not available yet.
    pub pending_points: i64,
    /// Points that the member owes to issuers, because they were reversed after they were spent. An issue pays them first.
    pub owed_points: i64,
    /// The next points that the member loses; not set when none of the available points expires, and for partners of a
    /// coalition that does not disclose issuers (GetBalance lists what expires of the points that can be spent at the caller).
    pub next_expiry: Option<ComingExpiry>,
}

impl FromWire<v1::MemberFigures> for MemberFigures {
    fn read(wire: v1::MemberFigures) -> Result<Self, Error> {
        Ok(Self {
            member_id: wire.member_id,
            available_points: wire.available_points,
            held_points: wire.held_points,
            pending_points: wire.pending_points,
            owed_points: wire.owed_points,
            next_expiry: wire.next_expiry.map(FromWire::read).transpose()?,
        })
    }
}

open_enum! {
    /// Which way money goes.
    MoneyDirection = MoneyDirection, unspecified Unspecified {
        /// It arrived.
        In = "IN",
        /// It goes out, or went.
        Out = "OUT",
    }
}

/// Answer of NettingReport. A page holds a run of pairs of partners: the obligations of a
/// pair in both directions and its bilateral net are always on the same page; `settlement` is on every page.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NettingReport {
    /// The gross obligations of these pairs, by issuer, then acceptor.
    pub obligations: Vec<Obligation>,
    /// What each of these pairs would pay after netting between the two, by debtor, then creditor; zeros left out.
    pub bilateral_nets: Vec<BilateralNet>,
    /// The multilateral net: each participant's one amount, with gross, pairwise total and the share saved. Of the open
    /// window, as it would be if it closed now. Prepayments, fees, spreads and what was carried are in its legs, too.
    pub settlement: Settlement,
    /// What is left of the obligations of the whole window after netting among all partners: what they alone would make move.
    /// The sum over those who are owed more than they owe. On every page.
    pub netted_total: Money,
    /// The share of `settlement.gross` that need not move for it: 1 - netted_total / gross, four decimals half up. Not set
    /// when gross is not above zero. On every page.
    pub netted_share: Option<Decimal>,
}

impl FromWire<v1::NettingReportResponse> for NettingReport {
    fn read(wire: v1::NettingReportResponse) -> Result<Self, Error> {
        Ok(Self {
            obligations: each(wire.obligations)?,
            bilateral_nets: each(wire.bilateral_nets)?,
            settlement: FromWire::read(there(wire.settlement, "NettingReportResponse.settlement")?)?,
            netted_total: FromWire::read(there(wire.netted_total, "NettingReportResponse.netted_total")?)?,
            netted_share: wire.netted_share.map(|text| decimal(&text, "NettingReportResponse.netted_share")).transpose()?,
        })
    }
}

/// What one issuer owes one acceptor for a window, before netting.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Obligation {
    /// Partner id of the issuer, who owes. Not set on the row that sums up issuers that are not disclosed to the caller.
    pub issuer_id: Option<String>,
    /// Partner id of the acceptor, who is owed.
    pub acceptor_id: String,
    /// Points of the issuer that the acceptor took, less returns. May be negative when a window sees more returns than
    /// redemptions.
    pub points: i64,
    /// Their reimbursement, without fees. Same sign as `points`.
    pub gross: Money,
}

impl FromWire<v1::Obligation> for Obligation {
    fn read(wire: v1::Obligation) -> Result<Self, Error> {
        Ok(Self {
            issuer_id: wire.issuer_id,
            acceptor_id: wire.acceptor_id,
            points: wire.points,
            gross: FromWire::read(there(wire.gross, "Obligation.gross")?)?,
        })
    }
}

open_enum! {
    /// What becomes of a cut-off whose day is no business day.
    OnHoliday = OnHoliday, unspecified Unspecified {
        /// It is on that day.
        Keep = "KEEP",
        /// It is at the same time of the last business day before. "0 18 L * *" is then the last business day of every month.
        Before = "BEFORE",
        /// It is at the same time of the next business day.
        After = "AFTER",
        /// There is none.
        Skip = "SKIP",
    }
}

/// Money that waits for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenMoney {
    /// The entry that recorded it.
    pub entry_id: String,
    /// Which way it goes.
    pub direction: MoneyDirection,
    /// Whose it is, or to whom it goes; empty: nobody knows.
    pub partner_id: String,
    /// When the house recorded it.
    pub create_time: SystemTime,
    /// How much it was.
    pub amount: Money,
    /// What of it is unapplied; only of money that arrived.
    pub unapplied_amount: Option<Money>,
    /// True while the bank is not known to have paid it, of money that goes out.
    pub ordered: bool,
    /// What it is ordered out of, as in `Posting.account`; or "settle:\<window>:\<partner_id>", of a pay-out.
    pub account: String,
    /// Whether a line of a statement is known of it.
    pub seen: bool,
}

impl FromWire<v1::OpenMoney> for OpenMoney {
    fn read(wire: v1::OpenMoney) -> Result<Self, Error> {
        Ok(Self {
            entry_id: wire.entry_id,
            direction: MoneyDirection::from_number(wire.direction),
            partner_id: wire.partner_id,
            create_time: FromWire::read(there(wire.create_time, "OpenMoney.create_time")?)?,
            amount: FromWire::read(there(wire.amount, "OpenMoney.amount")?)?,
            unapplied_amount: wire.unapplied_amount.map(FromWire::read).transpose()?,
            ordered: wire.ordered,
            account: wire.account,
            seen: wire.seen,
        })
    }
}

/// An amount of one participant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParticipantAmount {
    /// Partner id, or "operator".
    pub partner_id: String,
    /// The amount: positive when the participant is owed it, negative when it owes it.
    pub amount: Money,
}

impl FromWire<v1::ParticipantAmount> for ParticipantAmount {
    fn read(wire: v1::ParticipantAmount) -> Result<Self, Error> {
        Ok(Self {
            partner_id: wire.partner_id,
            amount: FromWire::read(there(wire.amount, "ParticipantAmount.amount")?)?,
        })
    }
}

/// One partner.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Partner {
    /// Its id.
    pub partner_id: String,
    /// Its name for people.
    pub display_name: String,
    /// What it may do.
    pub state: PartnerState,
    /// The terms in force.
    pub terms: Terms,
    /// Versions that will come into force, earliest first.
    pub scheduled_terms: Vec<Terms>,
    /// When it was admitted.
    pub create_time: SystemTime,
    /// What it may do at the most.
    pub limits: PartnerLimits,
    /// How much is used of those of its limits that are counted for the whole partner. Only in the answers of ListPartners.
    pub limit_uses: Vec<LimitUse>,
    /// True when at least 80 % of one of these limits are used. Only in the answers of ListPartners.
    pub alarm: bool,
    /// The consents that were given, or given and withdrawn, to name this partner as a funder, by the partner that may
    /// name it. Only in the answers of ListPartners and GetPartner.
    pub consents: Vec<FundingConsent>,
    /// The brand that it trades for together with others; empty if it stands alone.
    pub group_id: String,
    /// Who it is by law. Only in the answers of GetPartner; not set if nothing is known.
    pub legal_record: Option<LegalRecord>,
    /// The bank account in force. Only in the answers of GetPartner; not set if none is.
    pub bank_account: Option<BankAccountVersion>,
    /// The change of it that waits. Only in the answers of GetPartner; not set if none does.
    pub pending_bank_account: Option<BankAccountVersion>,
}

impl FromWire<v1::Partner> for Partner {
    fn read(wire: v1::Partner) -> Result<Self, Error> {
        Ok(Self {
            partner_id: wire.partner_id,
            display_name: wire.display_name,
            state: PartnerState::from_number(wire.state),
            terms: FromWire::read(there(wire.terms, "Partner.terms")?)?,
            scheduled_terms: each(wire.scheduled_terms)?,
            create_time: FromWire::read(there(wire.create_time, "Partner.create_time")?)?,
            limits: FromWire::read(there(wire.limits, "Partner.limits")?)?,
            limit_uses: each(wire.limit_uses)?,
            alarm: wire.alarm,
            consents: each(wire.consents)?,
            group_id: wire.group_id,
            legal_record: wire.legal_record.map(FromWire::read).transpose()?,
            bank_account: wire.bank_account.map(FromWire::read).transpose()?,
            pending_bank_account: wire.pending_bank_account.map(FromWire::read).transpose()?,
        })
    }
}

open_enum! {
    /// What a partner may do.
    PartnerState = PartnerState, unspecified Unspecified {
        /// Everything its certificate covers.
        Active = "ACTIVE",
        /// No issues (PARTNER_RESTRICTED). All else is allowed.
        Restricted = "RESTRICTED",
        /// Neither issues nor redemptions, nor reversals of what it issued in windows before that in which it was suspended
        /// (PARTNER_SUSPENDED). Returns and reads stay allowed, and its points stay spendable at others.
        Suspended = "SUSPENDED",
        /// It has left the coalition, for good (PARTNER_EXITED): as SUSPENDED. No call sets it yet.
        Exited = "EXITED",
    }
}

/// One payment order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PaymentOrder {
    /// Who pays: a partner id, "operator", "hub" or "funds".
    pub payer: String,
    /// Who is paid: a partner id, "operator", "hub" or "funds".
    pub payee: String,
    /// How much: more than zero, whole minor units of the currency.
    pub amount: Money,
    /// True when its payment was confirmed.
    pub paid: bool,
    /// True while it is a pay-out that waits for its money: no bank is to be told of it yet. ReleaseOrders lets it out earlier.
    pub held: bool,
}

impl FromWire<v1::PaymentOrder> for PaymentOrder {
    fn read(wire: v1::PaymentOrder) -> Result<Self, Error> {
        Ok(Self {
            payer: wire.payer,
            payee: wire.payee,
            amount: FromWire::read(there(wire.amount, "PaymentOrder.amount")?)?,
            paid: wire.paid,
            held: wire.held,
        })
    }
}

/// A person of the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Person {
    /// Its name, as its certificate has it.
    pub person_id: String,
    /// Its roles at the time of the answer. None: it may do nothing.
    pub roles: Vec<PersonRole>,
    /// Since when it has them; not set if others were given to it that are not in force yet.
    pub since_time: Option<SystemTime>,
    /// The roles that it will have, where it was recovered lately.
    pub coming_roles: Vec<PersonRole>,
    /// From when on; not set if none are coming.
    pub coming_time: Option<SystemTime>,
}

impl FromWire<v1::Person> for Person {
    fn read(wire: v1::Person) -> Result<Self, Error> {
        Ok(Self {
            person_id: wire.person_id,
            roles: wire.roles.into_iter().map(PersonRole::from_number).collect(),
            since_time: wire.since_time.map(FromWire::read).transpose()?,
            coming_roles: wire.coming_roles.into_iter().map(PersonRole::from_number).collect(),
            coming_time: wire.coming_time.map(FromWire::read).transpose()?,
        })
    }
}

open_enum! {
    /// What a person may do.
    PersonRole = PersonRole, unspecified Unspecified {
        /// Prepares and records: asks for what the house is to do.
        Clerk = "CLERK",
        /// Approves and refuses what others have proposed.
        Approver = "APPROVER",
        /// Looks after members, and nothing else.
        Support = "SUPPORT",
        /// Reads everything and changes nothing.
        Auditor = "AUDITOR",
    }
}

/// Answer of PostPurchase: the receipt is booked, durably, by one entry that took the points
/// and one that gave them, or one of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Purchased {
    /// What was written.
    pub written: Written,
    /// The member, also when an identifier named it, after this; in a replay, as it was then.
    pub member: MemberFigures,
    /// The entry that took the points, for ReturnPurchase; not set when nothing was spent.
    pub redemption_entry_id: Option<String>,
    /// The entry that gave the points, for ReturnPurchase; not set when nothing was earned.
    pub issue_entry_id: Option<String>,
    /// Points that were taken.
    pub spent_points: i64,
    /// Points that were issued, pending ones included.
    pub earned_points: i64,
    /// Points of a captured hold that were not taken and are the member's again.
    pub released_points: i64,
    /// The acceptance fee that the caller bears; "0.00" when it bears none.
    pub fee: Money,
    /// What the caller's position gained by what was spent: the reimbursement less the fee.
    pub acceptor_credit: Money,
}

impl FromWire<v1::PostPurchaseResponse> for Purchased {
    fn read(wire: v1::PostPurchaseResponse) -> Result<Self, Error> {
        Ok(Self {
            written: FromWire::read(there(wire.written, "PostPurchaseResponse.written")?)?,
            member: FromWire::read(there(wire.member, "PostPurchaseResponse.member")?)?,
            redemption_entry_id: wire.redemption_entry_id,
            issue_entry_id: wire.issue_entry_id,
            spent_points: wire.spent_points,
            earned_points: wire.earned_points,
            released_points: wire.released_points,
            fee: FromWire::read(there(wire.fee, "PostPurchaseResponse.fee")?)?,
            acceptor_credit: FromWire::read(there(wire.acceptor_credit, "PostPurchaseResponse.acceptor_credit")?)?,
        })
    }
}

/// One signed line of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Posting {
    /// The account. Accounts of points:
    /// * `member:<member_id>`: what the member can spend.
    /// * `held:<member_id>`: what holds reserve of the member's points.
    /// * `pending:<member_id>`: what was issued to the member and is not available yet.
    /// * `debt:<member_id>`: minus what the member owes for points that were reversed after they were spent.
    /// * `issuer:<partner_id>`: minus what the partner has outstanding.
    /// * `recoverable:<partner_id>`: what members owe the partner in points.
    ///
    /// Accounts of money: `position:<partner_id>`, `pool` (backs prepaid points), `unfunded` (what issuers owe for points
    /// that wait for their payment), `reserve`, `settle:<window>:<partner_id>`, `collateral:<partner_id>`, `bank:<purpose>`.
    /// The operator's partner id is `operator`. New accounts may appear.
    pub account: String,
    /// What moved: never zero.
    pub quantity: Quantity,
    /// Why the money moved, so that rewards, fees and settlements never mix. Not set on postings of points.
    pub purpose: Option<Purpose>,
}

impl FromWire<v1::Posting> for Posting {
    fn read(wire: v1::Posting) -> Result<Self, Error> {
        Ok(Self {
            account: wire.account,
            quantity: FromWire::read(there(wire.quantity, "Posting.quantity")?)?,
            purpose: wire.purpose.map(Purpose::from_number),
        })
    }
}

/// What one person has proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proposal {
    /// Its id: that of the entry by which it was asked for.
    pub proposal_id: String,
    /// SHA-256 of what was proposed, in 64 hexadecimal digits: what an approval names.
    pub proposal_hash: String,
    /// What was proposed, by its name, such as "SetTerms".
    pub operation: String,
    /// The person who proposed it.
    pub proposed_by: String,
    /// When.
    pub propose_time: SystemTime,
    /// When it lapses, or would have.
    pub lapse_time: SystemTime,
    /// How it stands. In a list a proposal that is stale may be shown as open: GetProposal compares.
    pub state: ProposalState,
    /// The partners that it is about, by partner id.
    pub partner_ids: Vec<String>,
    /// The person of the operator that it is about. Not set if it is about none.
    pub person_id: Option<String>,
    /// The window that it is about. Not set if it is about none.
    pub window: Option<i64>,
    /// The person who decided it: who approved, refused or withdrew. Not set while nobody has.
    pub decided_by: Option<String>,
    /// When. Not set while nobody has.
    pub decide_time: Option<SystemTime>,
    /// Id of the entry by which it was decided: of one that is DONE the first that it wrote.
    pub decision_entry_id: Option<String>,
    /// The member that it is about. Not set if it is about none; in a list also if it was asked for by an identifier of the member.
    pub member_id: Option<String>,
    /// Why, as who proposed it said. Empty if it said nothing.
    pub reason_code: String,
}

impl FromWire<v1::Proposal> for Proposal {
    fn read(wire: v1::Proposal) -> Result<Self, Error> {
        Ok(Self {
            proposal_id: wire.proposal_id,
            proposal_hash: wire.proposal_hash,
            operation: wire.operation,
            proposed_by: wire.proposed_by,
            propose_time: FromWire::read(there(wire.propose_time, "Proposal.propose_time")?)?,
            lapse_time: FromWire::read(there(wire.lapse_time, "Proposal.lapse_time")?)?,
            state: ProposalState::from_number(wire.state),
            partner_ids: wire.partner_ids,
            person_id: wire.person_id,
            window: wire.window,
            decided_by: wire.decided_by,
            decide_time: wire.decide_time.map(FromWire::read).transpose()?,
            decision_entry_id: wire.decision_entry_id,
            member_id: wire.member_id,
            reason_code: wire.reason_code,
        })
    }
}

open_enum! {
    /// How a proposal stands.
    ProposalState = ProposalState, unspecified Unspecified {
        /// It waits for an approver.
        Open = "OPEN",
        /// It was approved, and carried out.
        Done = "DONE",
        /// An approver has refused it.
        Refused = "REFUSED",
        /// Whoever had proposed it has taken it back.
        Withdrawn = "WITHDRAWN",
        /// Nobody has approved it within the days that the coalition gives (`proposal_days` of its founding; 7).
        Lapsed = "LAPSED",
        /// What it would change has changed since it was proposed.
        Stale = "STALE",
    }
}

open_enum! {
    /// Why money moved. New purposes may appear.
    Purpose = Purpose, unspecified Unspecified {
        /// The price, value or reimbursement of points.
        Reward = "REWARD",
        /// The acceptance fee.
        Fee = "FEE",
        /// What is left between the price, the value and the reimbursement of points; it goes to the operator.
        Spread = "SPREAD",
        /// The value of prepaid points that expired.
        Breakage = "BREAKAGE",
        /// A penalty of the coalition's contract.
        Penalty = "PENALTY",
        /// A charge of the operator.
        Charge = "CHARGE",
        /// Tax on a fee or charge.
        Tax = "TAX",
        /// A correction that the operator posted.
        Adjustment = "ADJUSTMENT",
        /// Closing a window, paying its legs, or aborting its settlement.
        Settlement = "SETTLEMENT",
        /// A deposit into the reserve or a partner's collateral.
        Deposit = "DEPOSIT",
    }
}

/// How much of what: points or money. Credit is positive, debit negative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quantity {
    /// Whole points.
    Points(i64),
    /// Money in the coalition's currency.
    Money(Money),
}

impl FromWire<v1::Quantity> for Quantity {
    fn read(wire: v1::Quantity) -> Result<Self, Error> {
        Ok(match there(wire.quantity, "Quantity.quantity")? {
            v1::quantity::Quantity::Points(value) => Self::Points(value),
            v1::quantity::Quantity::Money(value) => Self::Money(FromWire::read(value)?),
        })
    }
}

/// Answer of QuoteRedemption.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quote {
    /// The member as it is now, also when an identifier named it.
    pub member: MemberFigures,
    /// How many points would be taken.
    pub points: i64,
    /// The lots that would be taken, in order. When points are missing: those that could be taken. They are `points` in all.
    pub lots: Vec<LotPart>,
    /// How many of the points asked for could not be taken; 0 when a redemption would be accepted. In a quote by amount: of
    /// `payable_points`, and then no hindrance, as `points` can be redeemed.
    pub missing_points: i64,
    /// In a quote by amount: the most points that may pay this purchase, whether or not the member has them; else 0.
    pub payable_points: i64,
    /// What these points are worth to the customer at the caller's tills: the tender value of the caller's terms.
    pub discount: Money,
    /// The acceptance fee that the caller would bear on these lots; "0.00" when the coalition lets issuers bear it.
    pub fee: Money,
    /// What the caller's position would gain: the reimbursement of these lots less the fee.
    pub acceptor_credit: Money,
    /// The member's available points after the redemption.
    pub available_points_after: i64,
    /// The next points that the member would lose after the redemption; not set when none of them expires, and in a coalition
    /// that does not disclose issuers.
    pub next_expiry_after: Option<ComingExpiry>,
    /// What the receipt would earn; not set when `earn_points` is 0.
    pub earn: Option<EarnPreview>,
    /// Ids of the issuers whose points would be passed over, wholly or in part, because they could owe no more. Empty when
    /// the coalition does not disclose issuers to acceptors.
    pub passed_over_issuer_ids: Vec<String>,
}

impl FromWire<v1::QuoteRedemptionResponse> for Quote {
    fn read(wire: v1::QuoteRedemptionResponse) -> Result<Self, Error> {
        Ok(Self {
            member: FromWire::read(there(wire.member, "QuoteRedemptionResponse.member")?)?,
            points: wire.points,
            lots: each(wire.lots)?,
            missing_points: wire.missing_points,
            payable_points: wire.payable_points,
            discount: FromWire::read(there(wire.discount, "QuoteRedemptionResponse.discount")?)?,
            fee: FromWire::read(there(wire.fee, "QuoteRedemptionResponse.fee")?)?,
            acceptor_credit: FromWire::read(there(wire.acceptor_credit, "QuoteRedemptionResponse.acceptor_credit")?)?,
            available_points_after: wire.available_points_after,
            next_expiry_after: wire.next_expiry_after.map(FromWire::read).transpose()?,
            earn: wire.earn.map(FromWire::read).transpose()?,
            passed_over_issuer_ids: wire.passed_over_issuer_ids,
        })
    }
}

/// Answer of ReceiveMoney. It writes a RECEIVE_MONEY; if that pays the leg, a TAKE_MONEY; and what
/// follows a payment. Of a line that was booked before it writes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MoneyReceived {
    /// What was written.
    pub written: Written,
    /// The entry by which the line was booked before; empty if it was not.
    pub known_entry_id: String,
    /// The entry that was booked by hand before and is this line; empty if none is.
    pub seen_entry_id: String,
    /// The window whose leg it paid; 0: it is unapplied.
    pub paid_window: i64,
}

impl FromWire<v1::ReceiveMoneyResponse> for MoneyReceived {
    fn read(wire: v1::ReceiveMoneyResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "ReceiveMoneyResponse.written")?)?,
            known_entry_id: wire.known_entry_id,
            seen_entry_id: wire.seen_entry_id,
            paid_window: wire.paid_window,
        })
    }
}

/// Answer of ReconcileDay.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reconciliation {
    /// Whether all is as the till counted it.
    pub state: ReconcileState,
    /// What the house has booked.
    pub booked: DayTotals,
    /// Where the two differ, one row a kind; empty when the state is MATCHED. ListEntries with the same store, till and
    /// business date gives the entries behind them.
    pub differences: Vec<DayDifference>,
}

impl FromWire<v1::ReconcileDayResponse> for Reconciliation {
    fn read(wire: v1::ReconcileDayResponse) -> Result<Self, Error> {
        Ok(Self {
            state: ReconcileState::from_number(wire.state),
            booked: FromWire::read(there(wire.booked, "ReconcileDayResponse.booked")?)?,
            differences: each(wire.differences)?,
        })
    }
}

open_enum! {
    /// Whether a day's books agree.
    ReconcileState = ReconcileState, unspecified Unspecified {
        /// Every count and sum is the same.
        Matched = "MATCHED",
        /// Something differs.
        Different = "DIFFERENT",
    }
}

/// Answer of RedeemPoints: the points are taken, durably. The `lots` of its one entry are those
/// taken, in the order taken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Redeemed {
    /// What was written.
    pub written: Written,
    /// The member, also when an identifier named it, after this; in a replay, as it was then.
    pub member: MemberFigures,
    /// The acceptance fee that the caller bears; "0.00" when the coalition lets issuers bear it.
    pub fee: Money,
    /// What the caller's position gained: the reimbursement less the fee.
    pub acceptor_credit: Money,
}

impl FromWire<v1::RedeemPointsResponse> for Redeemed {
    fn read(wire: v1::RedeemPointsResponse) -> Result<Self, Error> {
        Ok(Self {
            written: FromWire::read(there(wire.written, "RedeemPointsResponse.written")?)?,
            member: FromWire::read(there(wire.member, "RedeemPointsResponse.member")?)?,
            fee: FromWire::read(there(wire.fee, "RedeemPointsResponse.fee")?)?,
            acceptor_credit: FromWire::read(there(wire.acceptor_credit, "RedeemPointsResponse.acceptor_credit")?)?,
        })
    }
}

/// Answer of RefuseProposal. It writes one entry, without postings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProposalRefused {
    /// What was written.
    pub written: Written,
}

impl FromWire<v1::RefuseProposalResponse> for ProposalRefused {
    fn read(wire: v1::RefuseProposalResponse) -> Result<Self, Error> {
        Ok(Self {
            written: FromWire::read(there(wire.written, "RefuseProposalResponse.written")?)?,
        })
    }
}

/// Answer of ReinstatePoints. The lot of its one entry is the one made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PointsReinstated {
    /// What was written.
    pub written: Written,
    /// The member, after this; in a replay, as it was then.
    pub member: MemberFigures,
}

impl FromWire<v1::ReinstatePointsResponse> for PointsReinstated {
    fn read(wire: v1::ReinstatePointsResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "ReinstatePointsResponse.written")?)?,
            member: FromWire::read(there(wire.member, "ReinstatePointsResponse.member")?)?,
        })
    }
}

/// Answer of ReleaseOrders. It writes a RELEASE_ORDERS, and an OFFSET for each share that pays an older
/// leg or a claim of its partner.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrdersReleased {
    /// What was written.
    pub written: Written,
    /// What is let out, by partner id.
    pub pay_outs: Vec<ParticipantAmount>,
}

impl FromWire<v1::ReleaseOrdersResponse> for OrdersReleased {
    fn read(wire: v1::ReleaseOrdersResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "ReleaseOrdersResponse.written")?)?,
            pay_outs: each(wire.pay_outs)?,
        })
    }
}

/// Answer of RenamePartner. It writes one entry, without postings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartnerRenamed {
    /// What was written.
    pub written: Written,
    /// The name it had before.
    pub previous_display_name: String,
    /// The name that it has by it.
    pub display_name: String,
}

impl FromWire<v1::RenamePartnerResponse> for PartnerRenamed {
    fn read(wire: v1::RenamePartnerResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "RenamePartnerResponse.written")?)?,
            previous_display_name: wire.previous_display_name,
            display_name: wire.display_name,
        })
    }
}

/// Answer of RepayClaim. It writes one entry. Of a line that was booked before it writes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClaimRepaid {
    /// What was written.
    pub written: Written,
    /// The entry by which the line was booked before; empty if it was not.
    pub known_entry_id: String,
}

impl FromWire<v1::RepayClaimResponse> for ClaimRepaid {
    fn read(wire: v1::RepayClaimResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "RepayClaimResponse.written")?)?,
            known_entry_id: wire.known_entry_id,
        })
    }
}

/// Answer of ReturnMoney. It writes one entry, whose id is that of the order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MoneyReturned {
    /// What was written.
    pub written: Written,
}

impl FromWire<v1::ReturnMoneyResponse> for MoneyReturned {
    fn read(wire: v1::ReturnMoneyResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "ReturnMoneyResponse.written")?)?,
        })
    }
}

/// Answer of ReturnPayment. It writes one entry, and what follows from it. Of a line that was booked
/// before it writes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PaymentReturned {
    /// What was written.
    pub written: Written,
    /// The entry by which the line was booked before; empty if it was not.
    pub known_entry_id: String,
}

impl FromWire<v1::ReturnPaymentResponse> for PaymentReturned {
    fn read(wire: v1::ReturnPaymentResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "ReturnPaymentResponse.written")?)?,
            known_entry_id: wire.known_entry_id,
        })
    }
}

/// Answer of ReturnPurchase: both sides are given back, durably: by a RETURN if points
/// were due to the member, and a REVERSE if points were due from it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PurchaseReturned {
    /// What was written.
    pub written: Written,
    /// The member, after this; in a replay, as it was then.
    pub member: MemberFigures,
    /// Points that were given back.
    pub returned_points: i64,
    /// How many points of the redemption can still be returned after this.
    pub returnable_points: i64,
    /// Points of the issue that were still there and are gone now.
    pub taken_back_points: i64,
    /// Points of the issue that had expired or decayed before.
    pub written_off_points: i64,
    /// Points of the issue that the member had spent or given away: they became a debt.
    pub debt_points: i64,
    /// The part of the acceptance fee that the caller gets back.
    pub fee_refund: Money,
    /// What the caller's position lost by what was given back: the reimbursement less the refund, as a positive amount.
    pub acceptor_debit: Money,
}

impl FromWire<v1::ReturnPurchaseResponse> for PurchaseReturned {
    fn read(wire: v1::ReturnPurchaseResponse) -> Result<Self, Error> {
        Ok(Self {
            written: FromWire::read(there(wire.written, "ReturnPurchaseResponse.written")?)?,
            member: FromWire::read(there(wire.member, "ReturnPurchaseResponse.member")?)?,
            returned_points: wire.returned_points,
            returnable_points: wire.returnable_points,
            taken_back_points: wire.taken_back_points,
            written_off_points: wire.written_off_points,
            debt_points: wire.debt_points,
            fee_refund: FromWire::read(there(wire.fee_refund, "ReturnPurchaseResponse.fee_refund")?)?,
            acceptor_debit: FromWire::read(there(wire.acceptor_debit, "ReturnPurchaseResponse.acceptor_debit")?)?,
        })
    }
}

/// Answer of ReturnRedemption: the points are back, durably. The `lots` of its one entry are
/// those given back, in the order given back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Returned {
    /// What was written.
    pub written: Written,
    /// The member of the redemption, after this; in a replay, as it was then.
    pub member: MemberFigures,
    /// How many points of the redemption can still be returned after this.
    pub returnable_points: i64,
    /// The part of the acceptance fee that the caller gets back.
    pub fee_refund: Money,
    /// What the caller's position lost: the reimbursement of these points less the refund, as a positive amount.
    pub acceptor_debit: Money,
}

impl FromWire<v1::ReturnRedemptionResponse> for Returned {
    fn read(wire: v1::ReturnRedemptionResponse) -> Result<Self, Error> {
        Ok(Self {
            written: FromWire::read(there(wire.written, "ReturnRedemptionResponse.written")?)?,
            member: FromWire::read(there(wire.member, "ReturnRedemptionResponse.member")?)?,
            returnable_points: wire.returnable_points,
            fee_refund: FromWire::read(there(wire.fee_refund, "ReturnRedemptionResponse.fee_refund")?)?,
            acceptor_debit: FromWire::read(there(wire.acceptor_debit, "ReturnRedemptionResponse.acceptor_debit")?)?,
        })
    }
}

/// Answer of ReverseIssue: the points are taken back, durably, by one entry for each issue that
/// was reversed. `taken_back_points`, `written_off_points` and `debt_points` are the points asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reversed {
    /// What was written.
    pub written: Written,
    /// The member, after this; in a replay, as it was then.
    pub member: MemberFigures,
    /// Points that were still there and are gone now.
    pub taken_back_points: i64,
    /// Points that had expired or decayed before; their issuer gets back what it had prepaid for them.
    pub written_off_points: i64,
    /// Points that the member had spent or given away, or that are held: they became a debt. What of it was paid at once
    /// from other points is in `written.recovered_points`.
    pub debt_points: i64,
}

impl FromWire<v1::ReverseIssueResponse> for Reversed {
    fn read(wire: v1::ReverseIssueResponse) -> Result<Self, Error> {
        Ok(Self {
            written: FromWire::read(there(wire.written, "ReverseIssueResponse.written")?)?,
            member: FromWire::read(there(wire.member, "ReverseIssueResponse.member")?)?,
            taken_back_points: wire.taken_back_points,
            written_off_points: wire.written_off_points,
            debt_points: wire.debt_points,
        })
    }
}

/// Answer of RevokeCredentials. It writes one entry, without postings; none if all of the serial
/// numbers were revoked before.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CredentialsRevoked {
    /// What was written.
    pub written: Written,
    /// The serial numbers that were valid until now; of a holder the first 1,000 of them, of those that the house issued.
    pub revoked_serials: Vec<String>,
    /// How many invites were taken back with them; of a holder no more than 1,000 are counted.
    pub withdrawn_count: i64,
}

impl FromWire<v1::RevokeCredentialsResponse> for CredentialsRevoked {
    fn read(wire: v1::RevokeCredentialsResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "RevokeCredentialsResponse.written")?)?,
            revoked_serials: wire.revoked_serials,
            withdrawn_count: wire.withdrawn_count,
        })
    }
}

/// The order in which positions were raised to the next minor unit: by remainder, the largest first, ties by partner id, the
/// operator last.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoundingOrder {
    /// The partner's place, from 1; 0 where it had neither a leg nor anything to carry.
    pub place: i64,
    /// How many were raised: the first so many.
    pub raised_count: i64,
    /// How many participants had a leg or something to carry, the operator always among them.
    pub participant_count: i64,
}

impl FromWire<v1::RoundingOrder> for RoundingOrder {
    fn read(wire: v1::RoundingOrder) -> Result<Self, Error> {
        Ok(Self {
            place: wire.place,
            raised_count: wire.raised_count,
            participant_count: wire.participant_count,
        })
    }
}

/// Answer of RunDecay. It wrote one entry a lot; one without lots when there was nothing to take;
/// none when it was done for this period before.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decayed {
    /// What was written.
    pub written: Written,
    /// The member, after this; in a replay, as it was then.
    pub member: MemberFigures,
    /// Points that were taken.
    pub decayed_points: i64,
    /// True when the member has more lots than the 1,024 that one call takes from: repeat the wish under a new id.
    pub unfinished: bool,
}

impl FromWire<v1::RunDecayResponse> for Decayed {
    fn read(wire: v1::RunDecayResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "RunDecayResponse.written")?)?,
            member: FromWire::read(there(wire.member, "RunDecayResponse.member")?)?,
            decayed_points: wire.decayed_points,
            unfinished: wire.unfinished,
        })
    }
}

/// What a partner is charged by itself, at the beginning of each period.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduledCharge {
    /// What for: 1 to 64 characters of \[A-Za-z0-9._:/#-], each once. It stays in the journal. Required.
    pub reason_code: String,
    /// How much for a period: more than zero. Required.
    pub amount: Money,
    /// How long a period is. Required.
    pub every: ChargePeriod,
    /// The day on which the first period begins, as YYYY-MM-DD by the coalition's calendar. Periods are counted from it: of a charge that
    /// begins on the 31st, months with fewer days begin on their last. Required.
    pub first_date: String,
    /// The last day on which a period may begin, as YYYY-MM-DD. Empty: for ever.
    pub last_date: String,
    /// The day of the next period, as YYYY-MM-DD. Only in answers; empty: it is over.
    pub next_date: String,
}

impl FromWire<v1::ScheduledCharge> for ScheduledCharge {
    fn read(wire: v1::ScheduledCharge) -> Result<Self, Error> {
        Ok(Self {
            reason_code: wire.reason_code,
            amount: FromWire::read(there(wire.amount, "ScheduledCharge.amount")?)?,
            every: ChargePeriod::from_number(wire.every),
            first_date: wire.first_date,
            last_date: wire.last_date,
            next_date: wire.next_date,
        })
    }
}

/// Answer of SetBankAccount. It writes one entry, without postings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BankAccountSet {
    /// What was written.
    pub written: Written,
    /// The new version, with the time from which on it is in force.
    pub version: BankAccountVersion,
    /// The version that waited and now never is in force; 0 if none did.
    pub replaced_version: i32,
}

impl FromWire<v1::SetBankAccountResponse> for BankAccountSet {
    fn read(wire: v1::SetBankAccountResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "SetBankAccountResponse.written")?)?,
            version: FromWire::read(there(wire.version, "SetBankAccountResponse.version")?)?,
            replaced_version: wire.replaced_version,
        })
    }
}

/// Answer of SetCalendar. It writes one entry, without postings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CalendarSet {
    /// What was written.
    pub written: Written,
    /// The calendar that it set.
    pub version: CalendarVersion,
    /// Its first cut-offs once it is in effect, at most 10, earliest first.
    pub cut_offs: Vec<CutOff>,
}

impl FromWire<v1::SetCalendarResponse> for CalendarSet {
    fn read(wire: v1::SetCalendarResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "SetCalendarResponse.written")?)?,
            version: FromWire::read(there(wire.version, "SetCalendarResponse.version")?)?,
            cut_offs: each(wire.cut_offs)?,
        })
    }
}

/// Answer of SetCharges. It writes one entry, without postings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChargesSet {
    /// What was written.
    pub written: Written,
    /// What this request set, with the day of the next period of each.
    pub charges: Vec<ScheduledCharge>,
}

impl FromWire<v1::SetChargesResponse> for ChargesSet {
    fn read(wire: v1::SetChargesResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "SetChargesResponse.written")?)?,
            charges: each(wire.charges)?,
        })
    }
}

/// Answer of SetCover. It writes one entry, without postings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CoverSet {
    /// What was written.
    pub written: Written,
    /// The cover that this request set.
    pub cover: Cover,
}

impl FromWire<v1::SetCoverResponse> for CoverSet {
    fn read(wire: v1::SetCoverResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "SetCoverResponse.written")?)?,
            cover: FromWire::read(there(wire.cover, "SetCoverResponse.cover")?)?,
        })
    }
}

/// Answer of SetFundingConsent. It writes one entry, without postings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsentSet {
    /// What was written.
    pub written: Written,
    /// The consent as it stood by it.
    pub consent: FundingConsent,
}

impl FromWire<v1::SetFundingConsentResponse> for ConsentSet {
    fn read(wire: v1::SetFundingConsentResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "SetFundingConsentResponse.written")?)?,
            consent: FromWire::read(there(wire.consent, "SetFundingConsentResponse.consent")?)?,
        })
    }
}

/// Answer of SetGroup. It writes one entry, without postings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupSet {
    /// What was written.
    pub written: Written,
    /// Its group now; empty if it stands alone.
    pub group_id: String,
    /// Its group before; empty if it stood alone.
    pub previous_group_id: String,
}

impl FromWire<v1::SetGroupResponse> for GroupSet {
    fn read(wire: v1::SetGroupResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "SetGroupResponse.written")?)?,
            group_id: wire.group_id,
            previous_group_id: wire.previous_group_id,
        })
    }
}

/// Answer of SetLegalRecord. It writes one entry, without postings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LegalRecordSet {
    /// What was written.
    pub written: Written,
    /// Who it is now.
    pub legal_record: LegalRecord,
    /// What was known before; not set if nothing was.
    pub previous_legal_record: Option<LegalRecord>,
}

impl FromWire<v1::SetLegalRecordResponse> for LegalRecordSet {
    fn read(wire: v1::SetLegalRecordResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "SetLegalRecordResponse.written")?)?,
            legal_record: FromWire::read(there(wire.legal_record, "SetLegalRecordResponse.legal_record")?)?,
            previous_legal_record: wire.previous_legal_record.map(FromWire::read).transpose()?,
        })
    }
}

/// Answer of SetLimits. It writes one entry, without postings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitsSet {
    /// What was written.
    pub written: Written,
    /// The limits that this request set.
    pub limits: PartnerLimits,
    /// How much of them was used when they were set, of those that are counted for the whole partner.
    pub limit_uses: Vec<LimitUse>,
}

impl FromWire<v1::SetLimitsResponse> for LimitsSet {
    fn read(wire: v1::SetLimitsResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "SetLimitsResponse.written")?)?,
            limits: FromWire::read(there(wire.limits, "SetLimitsResponse.limits")?)?,
            limit_uses: each(wire.limit_uses)?,
        })
    }
}

/// Answer of SetPartnerState. It writes one entry, without postings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StateSet {
    /// What was written.
    pub written: Written,
    /// The state it had before.
    pub previous_state: PartnerState,
    /// The state that it gave the partner.
    pub state: PartnerState,
}

impl FromWire<v1::SetPartnerStateResponse> for StateSet {
    fn read(wire: v1::SetPartnerStateResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "SetPartnerStateResponse.written")?)?,
            previous_state: PartnerState::from_number(wire.previous_state),
            state: PartnerState::from_number(wire.state),
        })
    }
}

/// Answer of SetPerson. It writes one entry, without postings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PersonSet {
    /// What was written.
    pub written: Written,
    /// The person by it.
    pub person: Person,
}

impl FromWire<v1::SetPersonResponse> for PersonSet {
    fn read(wire: v1::SetPersonResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "SetPersonResponse.written")?)?,
            person: FromWire::read(there(wire.person, "SetPersonResponse.person")?)?,
        })
    }
}

/// Answer of SetTerms. It writes one entry, without postings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TermsSet {
    /// What was written.
    pub written: Written,
    /// The new version, complete.
    pub terms: Terms,
}

impl FromWire<v1::SetTermsResponse> for TermsSet {
    fn read(wire: v1::SetTermsResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "SetTermsResponse.written")?)?,
            terms: FromWire::read(there(wire.terms, "SetTermsResponse.terms")?)?,
        })
    }
}

/// Answer of SetTwoPersonList. It writes one entry, without postings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TwoPersonListSet {
    /// What was written.
    pub written: Written,
    /// The operations that one person does alone by it, by their names.
    pub one_person_operations: Vec<String>,
}

impl FromWire<v1::SetTwoPersonListResponse> for TwoPersonListSet {
    fn read(wire: v1::SetTwoPersonListResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "SetTwoPersonListResponse.written")?)?,
            one_person_operations: wire.one_person_operations,
        })
    }
}

/// The netted result of one window.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settlement {
    /// Number of the window, from 1.
    pub window: i64,
    /// State of the window.
    pub window_state: WindowState,
    /// State of the settlement; SETTLEMENT_STATE_UNSPECIFIED in the preview of an open window.
    pub state: SettlementState,
    /// The legs, one per participant whose amount is not zero, by partner id, the operator last. Amounts are whole minor
    /// units of the currency.
    pub legs: Vec<Leg>,
    /// What stays in the positions after the close and opens the next window, and why. By partner id, the operator last; zeros
    /// left out.
    pub carried: Vec<CarriedAmount>,
    /// Why nothing was lost or made: the figures of the zero-sum proof that the close stores.
    pub proof: SettlementProof,
    /// Gross obligations of the window: what would be paid if every issuer paid every acceptor its redemptions, less
    /// returns; own points and fees are not counted.
    pub gross: Money,
    /// What moves after netting: the sum of the pairwise payment orders.
    pub pairwise_total: Money,
    /// Share of the gross that need not move: 1 - pairwise_total / gross, a decimal with 4 places rounded half up,
    /// "0.8768". Not set when gross is not above zero.
    pub saved: Option<Decimal>,
}

impl FromWire<v1::Settlement> for Settlement {
    fn read(wire: v1::Settlement) -> Result<Self, Error> {
        Ok(Self {
            window: wire.window,
            window_state: WindowState::from_number(wire.window_state),
            state: SettlementState::from_number(wire.state),
            legs: each(wire.legs)?,
            carried: each(wire.carried)?,
            proof: FromWire::read(there(wire.proof, "Settlement.proof")?)?,
            gross: FromWire::read(there(wire.gross, "Settlement.gross")?)?,
            pairwise_total: FromWire::read(there(wire.pairwise_total, "Settlement.pairwise_total")?)?,
            saved: wire.saved.map(|text| decimal(&text, "Settlement.saved")).transpose()?,
        })
    }
}

/// The zero-sum proof of a settlement: `legs_total`, all `account_changes` and `carried_change` add up to `sum`, which is
/// zero.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettlementProof {
    /// Sum of all legs.
    pub legs_total: Money,
    /// By how much each account of the house in money that is no position moved over the window, this close aside;
    /// `collateral` and `settle` stand for those of all partners, the latter for the legs of earlier windows. Zeros left
    /// out.
    pub account_changes: Vec<AccountChange>,
    /// What is carried into the next window less what was carried into this one, over all participants.
    pub carried_change: Money,
    /// The sum of the three: always zero. A settlement whose proof is not zero is never made.
    pub sum: Money,
}

impl FromWire<v1::SettlementProof> for SettlementProof {
    fn read(wire: v1::SettlementProof) -> Result<Self, Error> {
        Ok(Self {
            legs_total: FromWire::read(there(wire.legs_total, "SettlementProof.legs_total")?)?,
            account_changes: each(wire.account_changes)?,
            carried_change: FromWire::read(there(wire.carried_change, "SettlementProof.carried_change")?)?,
            sum: FromWire::read(there(wire.sum, "SettlementProof.sum")?)?,
        })
    }
}

open_enum! {
    /// State of a settlement: the netted result of one closed window.
    SettlementState = SettlementState, unspecified Unspecified {
        /// Made by the close; waits for the operator.
        Proposed = "PROPOSED",
        /// Confirmed by the operator; payments may be confirmed.
        Confirmed = "CONFIRMED",
        /// Its payment orders have been exported.
        Exported = "EXPORTED",
        /// Some payment has been confirmed, some leg is still due.
        PartlyPaid = "PARTLY_PAID",
        /// Every leg is paid. Final.
        Settled = "SETTLED",
        /// Given up before the first payment; its legs went into the next window. Final.
        Aborted = "ABORTED",
    }
}

/// Answer of ShareLoss. It writes a SHARE_LOSS, and what follows a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LossShared {
    /// What was written.
    pub written: Written,
}

impl FromWire<v1::ShareLossResponse> for LossShared {
    fn read(wire: v1::ShareLossResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "ShareLossResponse.written")?)?,
        })
    }
}

/// The way from the opening of a statement to what the partner gets or pays:
/// opening + owes + is_owed + paid_by_pool + prepays + fees + spread + breakage + other = closing + leg, to the last unit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatementBridge {
    /// What the partner owes others for its points that they accepted: minus the sum of its `obligations` as an issuer. Above
    /// zero when more was returned than redeemed.
    pub owes: Money,
    /// What others owe the partner for their points that it accepted: the sum of its `obligations` as an acceptor.
    pub is_owed: Money,
    /// What the pool pays for prepaid points of the partner's own: all of `owes` that is for prepaid points, and what the
    /// partner gets for those spent at its own tills.
    pub paid_by_pool: Money,
    /// What the partner prepays for points that it issued, less what it got back for points that were reversed.
    pub prepays: Money,
    /// Acceptance fees.
    pub fees: Money,
    /// What goes to the operator of the price of points above what their acceptor gets; on the operator's statement, what comes.
    pub spread: Money,
    /// What the partner gets of the value of prepaid points that expired.
    pub breakage: Money,
    /// All else: legs that an aborted settlement gave back, charges, corrections.
    pub other: Money,
}

impl FromWire<v1::StatementBridge> for StatementBridge {
    fn read(wire: v1::StatementBridge) -> Result<Self, Error> {
        Ok(Self {
            owes: FromWire::read(there(wire.owes, "StatementBridge.owes")?)?,
            is_owed: FromWire::read(there(wire.is_owed, "StatementBridge.is_owed")?)?,
            paid_by_pool: FromWire::read(there(wire.paid_by_pool, "StatementBridge.paid_by_pool")?)?,
            prepays: FromWire::read(there(wire.prepays, "StatementBridge.prepays")?)?,
            fees: FromWire::read(there(wire.fees, "StatementBridge.fees")?)?,
            spread: FromWire::read(there(wire.spread, "StatementBridge.spread")?)?,
            breakage: FromWire::read(there(wire.breakage, "StatementBridge.breakage")?)?,
            other: FromWire::read(there(wire.other, "StatementBridge.other")?)?,
        })
    }
}

/// One effect of one entry on the partner's position, or on its points alone: an issue that costs nothing yet is a line of
/// amount zero. An entry has a line for each section, other side, version of terms and purpose.
///
/// amount = points x rate + rounding, exactly, on every line that has a rate.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatementLine {
    /// The entry.
    pub entry_id: String,
    /// Place of the entry among those that the partner of the statement has a part in, as in `Entry.own_sequence`.
    pub own_sequence: i64,
    /// When it happened.
    pub entry_time: SystemTime,
    /// What happened.
    pub kind: EntryKind,
    /// Where it comes from in the world of the partner that asked for it: store, till, receipt, business date. Shown to that
    /// partner, the operator and auditors.
    pub origin: Option<Origin>,
    /// What it was to the partner.
    pub section: StatementSection,
    /// Partner id of the other side: of SPENT, who accepted the points; of ACCEPTED, whose points they were, if the coalition
    /// discloses it: else the points of all issuers of an entry are one line. Of HOUSE, whose points or redemptions the operator
    /// earns by. Not set otherwise.
    pub counterparty_id: Option<String>,
    /// The version of the terms by which: of ISSUED, SPENT, AT_HOME and LOST, of the partner's own terms that its points were
    /// issued under; of ACCEPTED, of the partner's own that it accepts points by; of HOUSE, of the counterparty's. Not set where
    /// no terms of these say anything.
    pub terms_version: Option<u32>,
    /// Why money moved.
    pub purpose: Purpose,
    /// The points that the amount is for: positive for issues, redemptions and losses, negative for what takes them back. Lines
    /// of an entry that differ in purpose alone are about the same points.
    pub points: i64,
    /// What the partner gets (positive) or pays (negative) for a point: a decimal number with at most 15 decimals, without
    /// needless zeros. Not set where no money moves for points: of points that are paid for when they are spent, or were prepaid,
    /// and of money that is for no points.
    pub rate: Option<Decimal>,
    /// What rounding added to points x rate, in the same form; not set when it is exact. Fees are rounded half up, on the whole
    /// of a redemption, and shares of them and of breakage by largest remainder; nothing else is ever rounded.
    pub rounding: Option<Decimal>,
    /// Change of the partner's position: positive when the partner gets it.
    pub amount: Money,
    /// Of lines of purpose REWARD in SPENT and ACCEPTED: what they add to the obligation between the partner and the
    /// counterparty, positive for redemptions; also where the pool pays for prepaid points and `amount` is zero. The lines of a
    /// counterparty sum up to its row in `obligations`.
    pub gross: Option<Money>,
}

impl FromWire<v1::StatementLine> for StatementLine {
    fn read(wire: v1::StatementLine) -> Result<Self, Error> {
        Ok(Self {
            entry_id: wire.entry_id,
            own_sequence: wire.own_sequence,
            entry_time: FromWire::read(there(wire.entry_time, "StatementLine.entry_time")?)?,
            kind: EntryKind::from_number(wire.kind),
            origin: wire.origin.map(FromWire::read).transpose()?,
            section: StatementSection::from_number(wire.section),
            counterparty_id: wire.counterparty_id,
            terms_version: wire.terms_version,
            purpose: Purpose::from_number(wire.purpose),
            points: wire.points,
            rate: wire.rate.map(|text| decimal(&text, "StatementLine.rate")).transpose()?,
            rounding: wire.rounding.map(|text| decimal(&text, "StatementLine.rounding")).transpose()?,
            amount: FromWire::read(there(wire.amount, "StatementLine.amount")?)?,
            gross: wire.gross.map(FromWire::read).transpose()?,
        })
    }
}

open_enum! {
    /// What an effect of an entry was to the partner.
    StatementSection = StatementSection, unspecified Unspecified {
        /// Its own points given to members, or taken back by a reversal. Money moves if they are prepaid.
        Issued = "ISSUED",
        /// Its own points spent at other partners, or given back there.
        Spent = "SPENT",
        /// Other partners' points spent at it, or given back there.
        Accepted = "ACCEPTED",
        /// Its own points spent at itself, or given back. Money moves, from the pool, if they are prepaid.
        AtHome = "AT_HOME",
        /// Its own points that expired or decayed.
        Lost = "LOST",
        /// What the house moves, for no points of the partner's own trade: fees and spreads that the operator gets, legs that an
        /// aborted settlement gave back, and the like.
        House = "HOUSE",
    }
}

/// What all entries of one section, kind and purpose come to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatementTotal {
    /// What it was to the partner.
    pub section: StatementSection,
    /// What happened.
    pub kind: EntryKind,
    /// Why money moved.
    pub purpose: Purpose,
    /// Sum of the lines' amounts: positive when the partner gets it.
    pub amount: Money,
    /// In rows of purpose REWARD the sum of the lines' points; 0 in all other rows, which are about the same points.
    pub points: i64,
    /// How many entries.
    pub entry_count: i64,
}

impl FromWire<v1::StatementTotal> for StatementTotal {
    fn read(wire: v1::StatementTotal) -> Result<Self, Error> {
        Ok(Self {
            section: StatementSection::from_number(wire.section),
            kind: EntryKind::from_number(wire.kind),
            purpose: Purpose::from_number(wire.purpose),
            amount: FromWire::read(there(wire.amount, "StatementTotal.amount")?)?,
            points: wire.points,
            entry_count: wire.entry_count,
        })
    }
}

/// Answer of StopBankAccountChange. It writes one entry, without postings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BankAccountChangeStopped {
    /// What was written.
    pub written: Written,
    /// The version that was stopped.
    pub version: i32,
    /// From when on it would have been in force.
    pub effective_time: SystemTime,
}

impl FromWire<v1::StopBankAccountChangeResponse> for BankAccountChangeStopped {
    fn read(wire: v1::StopBankAccountChangeResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "StopBankAccountChangeResponse.written")?)?,
            version: wire.version,
            effective_time: FromWire::read(there(wire.effective_time, "StopBankAccountChangeResponse.effective_time")?)?,
        })
    }
}

/// How many, and how many points in all. Neither is below 0.
#[derive(Debug, Clone, PartialEq, Eq, Copy, Default)]
#[non_exhaustive]
pub struct Tally {
    /// How many entries. Not negative.
    pub count: i64,
    /// Their points in all. Not negative.
    pub points: i64,
}

impl FromWire<v1::Tally> for Tally {
    fn read(wire: v1::Tally) -> Result<Self, Error> {
        Ok(Self {
            count: wire.count,
            points: wire.points,
        })
    }
}

/// The terms of a partner, complete.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Terms {
    /// Number of this version of the partner's terms, from 1. A version never changes.
    pub version: i64,
    /// From when on it is in force.
    pub effective_time: SystemTime,
    /// When the partner pays for the points it issues.
    pub funding: Funding,
    /// What it pays per point: an amount in the coalition's currency, not below `value`.
    pub price: Decimal,
    /// What backs each of its points: an amount in the coalition's currency, not negative.
    pub value: Decimal,
    /// What it gets per point that it accepts: an amount in the coalition's currency, not negative.
    pub reimbursement: Decimal,
    /// The acceptance fee as a share of the reimbursement for points of other issuers: a decimal, "0.02" is 2 %.
    pub acceptance_fee: Decimal,
    /// Who bears the fee on what it accepts.
    pub fee_bearer: FeeBearer,
    /// Who gets the value of its prepaid points that expire.
    pub breakage: BreakageSplit,
    /// When the points it issues expire.
    pub expiry: Expiry,
    /// For how many days after an issue it can be reversed; not set: for ever.
    pub return_days: Option<i32>,
    /// What a point is worth to a customer at its tills: an amount in the coalition's currency. For quotes by amount and
    /// for `receipt_share`; never in the ledger.
    pub tender_value: Decimal,
    /// The largest share of a receipt that may be paid with points at its tills: a decimal from "0" to "1".
    pub receipt_share: Decimal,
}

impl FromWire<v1::Terms> for Terms {
    fn read(wire: v1::Terms) -> Result<Self, Error> {
        Ok(Self {
            version: wire.version,
            effective_time: FromWire::read(there(wire.effective_time, "Terms.effective_time")?)?,
            funding: Funding::from_number(wire.funding),
            price: decimal(&wire.price, "Terms.price")?,
            value: decimal(&wire.value, "Terms.value")?,
            reimbursement: decimal(&wire.reimbursement, "Terms.reimbursement")?,
            acceptance_fee: decimal(&wire.acceptance_fee, "Terms.acceptance_fee")?,
            fee_bearer: FeeBearer::from_number(wire.fee_bearer),
            breakage: FromWire::read(there(wire.breakage, "Terms.breakage")?)?,
            expiry: FromWire::read(there(wire.expiry, "Terms.expiry")?)?,
            return_days: wire.return_days,
            tender_value: decimal(&wire.tender_value, "Terms.tender_value")?,
            receipt_share: decimal(&wire.receipt_share, "Terms.receipt_share")?,
        })
    }
}

/// Answer of TransferPoints: the points are the other member's, durably. The `lots` of its
/// one entry are those taken and those made of them, in pairs. `written.recovered_points` paid debts of the receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transferred {
    /// What was written.
    pub written: Written,
    /// The member that gave, after this; in a replay, as it was then.
    pub member: MemberFigures,
    /// The member that got, also when an identifier named it.
    pub to_member_id: String,
}

impl FromWire<v1::TransferPointsResponse> for Transferred {
    fn read(wire: v1::TransferPointsResponse) -> Result<Self, Error> {
        Ok(Self {
            written: FromWire::read(there(wire.written, "TransferPointsResponse.written")?)?,
            member: FromWire::read(there(wire.member, "TransferPointsResponse.member")?)?,
            to_member_id: wire.to_member_id,
        })
    }
}

/// Answer of TrialBalance. Each page is read at its own moment; `totals` and the sums are of
/// one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrialBalance {
    /// The accounts whose balance is not zero, by account.
    pub accounts: Vec<AccountBalance>,
    /// The sum of each class of accounts, over all accounts: `account` is the class alone, for example "member", "issuer",
    /// "position", "settle", "pool", "bank". On every page.
    pub totals: Vec<AccountBalance>,
    /// Sum of all accounts of points: zero, or the book is broken.
    pub points_sum: i64,
    /// Sum of all accounts of money: zero, or the book is broken.
    pub money_sum: Money,
    /// True when both sums are zero.
    pub balanced: bool,
    /// `journal_sequence` of the last entry that the sums contain.
    pub as_of_journal_sequence: i64,
}

impl FromWire<v1::TrialBalanceResponse> for TrialBalance {
    fn read(wire: v1::TrialBalanceResponse) -> Result<Self, Error> {
        Ok(Self {
            accounts: each(wire.accounts)?,
            totals: each(wire.totals)?,
            points_sum: wire.points_sum,
            money_sum: FromWire::read(there(wire.money_sum, "TrialBalanceResponse.money_sum")?)?,
            balanced: wire.balanced,
            as_of_journal_sequence: wire.as_of_journal_sequence,
        })
    }
}

/// Answer of UndoPayment. It writes one entry, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PaymentUndone {
    /// What was written.
    pub written: Written,
}

impl FromWire<v1::UndoPaymentResponse> for PaymentUndone {
    fn read(wire: v1::UndoPaymentResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "UndoPaymentResponse.written")?)?,
        })
    }
}

/// Answer of UnfreezeMember.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberUnfrozen {
    /// What was written.
    pub written: Written,
    /// The member, after this; in a replay, as it was then.
    pub member: MemberFigures,
}

impl FromWire<v1::UnfreezeMemberResponse> for MemberUnfrozen {
    fn read(wire: v1::UnfreezeMemberResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "UnfreezeMemberResponse.written")?)?,
            member: FromWire::read(there(wire.member, "UnfreezeMemberResponse.member")?)?,
        })
    }
}

/// Answer of VoidHold: the points are the member's again, durably. The `lots` of its one entry are
/// those released.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Voided {
    /// What was written.
    pub written: Written,
    /// The member, after this; in a replay, as it was then.
    pub member: MemberFigures,
    /// Points that were released.
    pub released_points: i64,
}

impl FromWire<v1::VoidHoldResponse> for Voided {
    fn read(wire: v1::VoidHoldResponse) -> Result<Self, Error> {
        Ok(Self {
            written: FromWire::read(there(wire.written, "VoidHoldResponse.written")?)?,
            member: FromWire::read(there(wire.member, "VoidHoldResponse.member")?)?,
            released_points: wire.released_points,
        })
    }
}

open_enum! {
    /// A day of the week.
    Weekday = Weekday, unspecified Unspecified {
        /// Monday.
        Monday = "MONDAY",
        /// Tuesday.
        Tuesday = "TUESDAY",
        /// Wednesday.
        Wednesday = "WEDNESDAY",
        /// Thursday.
        Thursday = "THURSDAY",
        /// Friday.
        Friday = "FRIDAY",
        /// Saturday.
        Saturday = "SATURDAY",
        /// Sunday.
        Sunday = "SUNDAY",
    }
}

/// One window.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Window {
    /// Number of the window, from 1.
    pub window: i64,
    /// State of the window.
    pub state: WindowState,
    /// State of its settlement.
    pub settlement_state: SettlementState,
    /// When it opened.
    pub open_time: SystemTime,
    /// When it closed; not set while it is open.
    pub close_time: Option<SystemTime>,
    /// The caller's leg; not set while the window is open, or when it has none.
    pub leg: Option<Leg>,
    /// How many legs its settlement has. For the operator and auditors; not set for partners, and while the window is open.
    pub leg_count: Option<i64>,
    /// The business days on which its settlement is told and paid, such as "2026-02-02". Empty while it is open, and where no
    /// calendar ruled its close.
    pub advice_day: String,
    /// See `advice_day`.
    pub payment_day: String,
}

impl FromWire<v1::Window> for Window {
    fn read(wire: v1::Window) -> Result<Self, Error> {
        Ok(Self {
            window: wire.window,
            state: WindowState::from_number(wire.state),
            settlement_state: SettlementState::from_number(wire.settlement_state),
            open_time: FromWire::read(there(wire.open_time, "Window.open_time")?)?,
            close_time: wire.close_time.map(FromWire::read).transpose()?,
            leg: wire.leg.map(FromWire::read).transpose()?,
            leg_count: wire.leg_count,
            advice_day: wire.advice_day,
            payment_day: wire.payment_day,
        })
    }
}

open_enum! {
    /// State of a window: the period whose positions settle together.
    WindowState = WindowState, unspecified Unspecified {
        /// Entries are posted into it. Just one window is open at any time.
        Open = "OPEN",
        /// Closed: no entry lands in it any more, its legs are known. It stays so until the first payment, and when its
        /// settlement is aborted.
        Closed = "CLOSED",
        /// Some payment of its settlement has been confirmed, some leg is still due.
        Settling = "SETTLING",
        /// All its legs are paid. Final.
        Settled = "SETTLED",
    }
}

/// Answer of WithdrawFunds. It writes one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FundsWithdrawn {
    /// What was written.
    pub written: Written,
    /// Balance of the account after it; never below zero.
    pub balance: Money,
}

impl FromWire<v1::WithdrawFundsResponse> for FundsWithdrawn {
    fn read(wire: v1::WithdrawFundsResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "WithdrawFundsResponse.written")?)?,
            balance: FromWire::read(there(wire.balance, "WithdrawFundsResponse.balance")?)?,
        })
    }
}

/// Answer of WithdrawInvites. It writes one entry, without postings; none if nothing was left to
/// take back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvitesWithdrawn {
    /// What was written.
    pub written: Written,
    /// How many could be used until now.
    pub withdrawn_count: i64,
}

impl FromWire<v1::WithdrawInvitesResponse> for InvitesWithdrawn {
    fn read(wire: v1::WithdrawInvitesResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "WithdrawInvitesResponse.written")?)?,
            withdrawn_count: wire.withdrawn_count,
        })
    }
}

/// Answer of WithdrawProposal. It writes one entry, without postings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProposalWithdrawn {
    /// What was written.
    pub written: Written,
}

impl FromWire<v1::WithdrawProposalResponse> for ProposalWithdrawn {
    fn read(wire: v1::WithdrawProposalResponse) -> Result<Self, Error> {
        Ok(Self {
            written: FromWire::read(there(wire.written, "WithdrawProposalResponse.written")?)?,
        })
    }
}

/// Answer of WriteOffDebt.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DebtWrittenOff {
    /// What was written.
    pub written: Written,
    /// The member, after this; in a replay, as it was then.
    pub member: MemberFigures,
    /// Points that were given up.
    pub written_off_points: i64,
}

impl FromWire<v1::WriteOffDebtResponse> for DebtWrittenOff {
    fn read(wire: v1::WriteOffDebtResponse) -> Result<Self, Error> {
        done(&wire.proposal_id, wire.written.as_ref())?;
        Ok(Self {
            written: FromWire::read(there(wire.written, "WriteOffDebtResponse.written")?)?,
            member: FromWire::read(there(wire.member, "WriteOffDebtResponse.member")?)?,
            written_off_points: wire.written_off_points,
        })
    }
}

/// What a request wrote. Part of the answer to every request with an effect. Of entries that come to more than a mebibyte
/// the last ones have an id, a window, a kind and a time only (GetEntry gives the rest).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// The entries that the request itself wrote, in the order written. Empty when it needed none: each operation says so.
    pub entries: Vec<Entry>,
    /// The entries that followed by themselves in the same commit, as far as the caller has a part in them: points that came
    /// back after their expiry (EXPIRE), debts that were paid (RECOVER), points that live longer because they were passed
    /// over (EXTEND).
    pub following: Vec<Entry>,
    /// Points with which debts of members were paid by what the request brought, whoever they were owed to.
    pub recovered_points: i64,
    /// True when this request was answered before and this is the same answer again.
    pub replayed: bool,
}

impl FromWire<v1::Written> for Written {
    fn read(wire: v1::Written) -> Result<Self, Error> {
        Ok(Self {
            entries: each(wire.entries)?,
            following: each(wire.following)?,
            recovered_points: wire.recovered_points,
            replayed: wire.replayed,
        })
    }
}
