//! Random coalitions, and random operations on them.

use clearing_core::chart::{BankPurpose, Fund, UnappliedOf};
use std::collections::BTreeSet;

use clearing_core::command::{ApproveProposal, Command, Request, charges_of, lower_cap_of};
use clearing_core::facts::answer::Answer;
use clearing_core::facts::bank_account::{AccountNumber, BankAccount};
use clearing_core::facts::calendar::Calendar;
use clearing_core::facts::charges::{Every, ScheduledCharge};
use clearing_core::facts::coalition::{House, Recovery};
use clearing_core::facts::credential::{Badge, Device, Holder, NewInvite, Scope, Scopes, Serial};
use clearing_core::facts::entry::EntryKind;
use clearing_core::facts::hold::{Hold, HoldState};
use clearing_core::facts::legal::{Address, LegalRecord};
use clearing_core::facts::limits::Limits;
use clearing_core::facts::member::MemberRef;
use clearing_core::facts::money::{BankKey, OutState, Place};
use clearing_core::facts::order::{Order, OrderMode};
use clearing_core::facts::origin::Code;
use clearing_core::facts::partner::PartnerState;
use clearing_core::facts::person::{PersonId, Role, Roles};
use clearing_core::facts::proposal::ProposalState;
use clearing_core::facts::receipt::ReceiptLine;
use clearing_core::facts::security::{Guarantee, Security};
use clearing_core::facts::terms::{Breakage, ExpiryPolicy, FeeBearer, Funding, Price, Terms, TermsDraft};
use clearing_core::facts::window::{Settlement, WindowState};
use clearing_core::rules::abandon::AbandonRequest;
use clearing_core::rules::arrived::{ApplyMoney, ReceiveMoney, UsedFor, UsedFrom};
use clearing_core::rules::bank_account::{SetBankAccount, StopBankAccountChange};
use clearing_core::rules::care::{ExtendExpiry, FreezeMember, ReinstatePoints, UnfreezeMember, WriteOffDebt};
use clearing_core::rules::charge_schedule::SetCharges;
use clearing_core::rules::charges::{Adjust, BookBankFee, BookOwnTransfer, Charge};
use clearing_core::rules::claims::RepayClaim;
use clearing_core::rules::close::CloseWindow;
use clearing_core::rules::cover::{CoverDefault, ShareLoss};
use clearing_core::rules::credential::{CreateInvites, Enroll, Made, Renew, RevokeCredentials, WithdrawInvites};
use clearing_core::rules::decay::RunDecay;
use clearing_core::rules::due::RunDueWork;
use clearing_core::rules::forget::ForgetRequests;
use clearing_core::rules::funds::{Deposit, WithdrawFunds};
use clearing_core::rules::hold::{CaptureHold, VoidHold};
use clearing_core::rules::issue::{Earn, IssuePoints};
use clearing_core::rules::legal::SetLegalRecord;
use clearing_core::rules::limits::SetLimits;
use clearing_core::rules::ordered::{ConfirmOrdered, ReturnMoney};
use clearing_core::rules::partner::{CreatePartner, RenamePartner, SetGroup, SetPartnerState};
use clearing_core::rules::payment::{ConfirmPayment, Payment};
use clearing_core::rules::person::{RecoverPerson, SetPerson, SetTwoPersonList};
use clearing_core::rules::proposal::{RefuseProposal, WithdrawProposal};
use clearing_core::rules::purchase::{PostPurchase, ReturnPurchase, Spend};
use clearing_core::rules::redemption::{RedeemPoints, ReturnRedemption};
use clearing_core::rules::release::ReleaseOrders;
use clearing_core::rules::returned::{ReturnPayment, ReturnedPayment, UndoPayment};
use clearing_core::rules::reversal::{ReversalTarget, ReverseIssue};
use clearing_core::rules::security::SetCover;
use clearing_core::rules::settlement::{AbortSettlement, ConfirmSettlement, ExportOrders};
use clearing_core::rules::terms::SetTerms;
use clearing_core::units::{EntryId, InviteId, Money, PartnerId, Points, Rate, Timestamp, WindowNumber};
use proptest::prelude::*;
use proptest::sample::Index;
use rust_decimal::Decimal;
use sha2::{Digest as _, Sha256};

use crate::house::{self, Play, START, coalition, house, id, member_ref, request_id, terms};

pub(crate) const PARTNERS: [&str; 4] = ["A", "B", "C", "operator"];
pub(crate) const MEMBERS: [&str; 3] = ["M", "N", "O"];

/// Something that may be asked, by indices into what there is.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Issue {
        by: usize,
        member: usize,
        points: i64,
        days: Option<i64>,
        activates: Option<i64>,
        receipt: Option<u32>,
    },
    Redeem {
        by: usize,
        member: usize,
        points: i64,
    },
    /// Of any entry written so far; mostly of redemptions.
    Return {
        of: Index,
        points: i64,
    },
    /// Reserves points for some hours.
    Authorize {
        by: usize,
        member: usize,
        points: i64,
        hours: i64,
    },
    /// Of any hold; mostly of open ones.
    Capture {
        of: Index,
        points: i64,
    },
    Void {
        of: Index,
    },
    Purchase {
        by: usize,
        member: usize,
        spend: i64,
        earn: i64,
        hold: Option<Index>,
    },
    /// A part, in hundredths, of one of the purchases.
    ReturnPurchase {
        of: Index,
        share: i64,
    },
    /// Of any issue; mostly of one that is there.
    Reverse {
        of: Index,
        points: i64,
        refuse: bool,
    },
    ReverseNewest {
        by: usize,
        member: usize,
        points: i64,
    },
    Transfer {
        by: usize,
        member: usize,
        to: usize,
        points: i64,
    },
    Decay {
        member: usize,
        permille: u32,
        period: u32,
        /// How many hours before.
        inactive: Option<i64>,
    },
    JointIssue {
        by: usize,
        member: usize,
        points: i64,
        weights: [u32; 3],
    },
    Consent {
        funder: usize,
        partner: usize,
        budget: Option<i64>,
    },
    /// Pairs of a limit's number and its value; the others go.
    SetLimits {
        partner: usize,
        cap: Option<i64>,
        points: Option<i64>,
        day: Option<i64>,
        transfer: Option<i64>,
        cooling: Option<u32>,
    },
    Extend {
        member: usize,
        issuer: usize,
        days: i64,
    },
    Reinstate {
        member: usize,
        funder: usize,
        points: i64,
    },
    WriteOff {
        member: usize,
        creditor: usize,
        points: i64,
    },
    /// Confirms the window closed last and pays all that can be paid.
    Settle,
    Abandon {
        of: Index,
    },
    AbandonUnseen {
        by: usize,
    },
    Replay {
        of: Index,
    },
    /// The same id with another wish.
    Conflict {
        of: Index,
    },
    Close,
    Confirm {
        window: Index,
    },
    Export {
        window: Index,
        pairwise: bool,
    },
    /// One of the orders there are, paid or not.
    Pay {
        order: Index,
    },
    PayAnybody {
        window: Index,
        partner: usize,
        amount: Option<i64>,
    },
    Abort {
        window: Index,
    },
    Deposit {
        account: usize,
        amount: i64,
    },
    Withdraw {
        account: usize,
        amount: i64,
    },
    SetTerms {
        partner: usize,
        terms: AnyTerms,
        days: Option<i64>,
    },
    SetState {
        partner: usize,
        state: usize,
    },
    Wait {
        hours: i64,
    },
    /// What is done with money at the bank: which operation is found by the number.
    Money {
        number: u32,
        partner: usize,
        amount: i64,
        of: Index,
    },
    /// One of the operations that say more of a footprint than of the books; see [`rare`].
    Rare(Rare),
}

/// What is asked so seldom, or is decided so simply, that only the law of slices plays it.
#[derive(Debug, Clone)]
pub(crate) enum Rare {
    /// Of a member by its id.
    RedeemById {
        by: usize,
        member: usize,
        points: i64,
    },
    /// On a receipt of which points may pay a share.
    RedeemOn {
        by: usize,
        member: usize,
        points: i64,
        receipt: u32,
        line: u32,
    },
    /// Half of every receipt of a partner may be paid with points.
    HalfOfReceipts {
        partner: usize,
    },
    /// All issues of one of the receipts booked.
    ReverseReceipt {
        of: Index,
        points: i64,
    },
    /// Of a member that was frozen that is lifted instead.
    DueWork {
        member: usize,
    },
    Calendar {
        hour: u32,
    },
    CreatePartner {
        number: u32,
        terms: AnyTerms,
    },
    Forget,
    /// What the operator's people do, propose and decide: who, and what, is found by the number.
    People {
        number: u32,
    },
    /// Who, and to what, is found by the number.
    Rename {
        number: u32,
    },
    /// Of whom and until when is found by the number.
    Freeze {
        number: u32,
    },
    /// One of the operations on invites and credentials, by the number.
    Credential {
        by: usize,
        number: u32,
        of: Index,
    },
    /// One of the operations on legal records, groups and bank accounts: whose and what, by the number.
    Party {
        by: usize,
        number: u32,
    },
}

pub(crate) fn rare() -> impl Strategy<Value = Op> {
    let (by, member) = (0..PARTNERS.len(), 0..MEMBERS.len());
    let on = (by.clone(), member.clone(), 1..120i64, 1..4u32, 0..3u32);
    let rare = prop_oneof![
        6 => (by.clone(), member.clone(), 1..300i64)
            .prop_map(|(by, member, points)| Rare::RedeemById { by, member, points }),
        9 => on.prop_map(|(by, member, points, receipt, line)| Rare::RedeemOn { by, member, points, receipt, line }),
        3 => by.prop_map(|partner| Rare::HalfOfReceipts { partner }),
        6 => (any::<Index>(), 1..300i64).prop_map(|(of, points)| Rare::ReverseReceipt { of, points }),
        4 => member.prop_map(|member| Rare::DueWork { member }),
        // A freeze and a name are of no draw of their own, so that plays of a seed that never changes stay what they are.
        1 => (0..24u32).prop_map(|number| match number {
            0..9 => Rare::Calendar { hour: number },
            9..12 => Rare::Rename { number },
            _ => Rare::Freeze { number },
        }),
        1 => (0..9u32, any_terms()).prop_map(|(number, terms)| Rare::CreatePartner { number, terms }),
        1 => Just(Rare::Forget),
        9 => ((0..PARTNERS.len()), 0..64u32, any::<Index>())
            .prop_map(|(by, number, of)| Rare::Credential { by, number, of }),
        12 => (0..256u32).prop_map(|number| Rare::People { number }),
        6 => ((0..PARTNERS.len()), 0..64u32).prop_map(|(by, number)| Rare::Party { by, number }),
    ];
    rare.prop_map(Op::Rare)
}

/// Terms as a partner may have them, in the smallest units of money.
#[derive(Debug, Clone)]
pub(crate) struct AnyTerms {
    funding: usize,
    spread: i64,
    value: i64,
    reimbursement: i64,
    fee: u32,
    issuer_bears: bool,
    breakage: u32,
    days: u16,
    inactive: bool,
    return_days: Option<u16>,
}

pub(crate) fn any_terms() -> impl Strategy<Value = AnyTerms> {
    let figures = (0..3usize, 0..30i64, 70..100i64, 40..=70i64);
    let rest = (prop_oneof![Just(0u32), 1..60u32], any::<bool>(), 0..=100u32, prop_oneof![Just(0u16), 1..40u16]);
    let periods = (any::<bool>(), prop_oneof![4 => Just(None), 1 => (0..20u16).prop_map(Some)]);
    (figures, rest, periods).prop_map(
        |((funding, spread, value, reimbursement), (fee, issuer_bears, breakage, days), (inactive, return_days))| {
            AnyTerms { funding, spread, value, reimbursement, fee, issuer_bears, breakage, days, inactive, return_days }
        },
    )
}

impl AnyTerms {
    pub(crate) fn draft(&self, scale: u32) -> TermsDraft {
        let price = |units: i64| Some(Price::new(Decimal::new(units, scale)).unwrap());
        let share = |percent: u32| Rate::new(Decimal::new(i64::from(percent), 2)).unwrap();
        let operator = self.breakage / 3;
        let (reserve, issuer) = (100 - self.breakage, self.breakage - operator);
        TermsDraft {
            funding: Some(Funding::ALL[self.funding]),
            price: price(self.value + self.spread),
            value: price(self.value),
            reimbursement: price(self.reimbursement),
            acceptance_fee: Some(Rate::new(Decimal::new(i64::from(self.fee), 3)).unwrap()),
            fee_bearer: Some(if self.issuer_bears { FeeBearer::Issuer } else { FeeBearer::Acceptor }),
            breakage: Some(Breakage { reserve: share(reserve), operator: share(operator), issuer: share(issuer) }),
            expiry: Some(match self.days {
                0 => ExpiryPolicy::None,
                days if self.inactive => ExpiryPolicy::InactiveDays(days),
                days => ExpiryPolicy::Days(days),
            }),
            return_days: Some(self.return_days),
            ..TermsDraft::default()
        }
    }

    fn terms(&self, scale: u32) -> Terms {
        self.draft(scale).over(&terms(Funding::AtRedemption), 1, START, scale).unwrap()
    }
}

pub(crate) fn op() -> impl Strategy<Value = Op> {
    let (by, member) = (0..PARTNERS.len(), 0..MEMBERS.len());
    let window = any::<Index>();
    let activates = prop_oneof![5 => Just(None), 1 => (0..300i64).prop_map(Some)];
    let receipt = prop_oneof![4 => Just(None), 1 => (1..9u32).prop_map(Some)];
    let issue =
        (by.clone(), member.clone(), 1..400i64, prop_oneof![Just(None), (1..60i64).prop_map(Some)], activates, receipt);
    let redeem = (by.clone(), member.clone(), 1..500i64);
    let hold = (by.clone(), member.clone(), 1..400i64, 1..500i64);
    let purchase = (
        by.clone(),
        member.clone(),
        0..200i64,
        0..60i64,
        prop_oneof![3 => Just(None), 1 => any::<Index>().prop_map(Some)],
    );
    let reverse = (any::<Index>(), 1..300i64, any::<bool>());
    let newest = (by.clone(), member.clone(), 1..300i64);
    let transfer = (by.clone(), member.clone(), member.clone(), 1..200i64);
    let joint = (by.clone(), member.clone(), 1..200i64, [0..4u32, 0..4u32, 0..4u32]);
    let cap = prop_oneof![2 => Just(None), 3 => (0..60_000i64).prop_map(Some)];
    let limit = |most: i64| prop_oneof![4 => Just(None), 1 => (1..most).prop_map(Some)];
    let cooling = prop_oneof![5 => Just(None), 1 => (1..100_000u32).prop_map(Some)];
    let limits = (by.clone(), cap, limit(3000), limit(900), limit(200), cooling);
    let some_points = || 1..200i64;
    let life = prop_oneof![
        6 => hold.prop_map(|(by, member, points, hours)| Op::Authorize { by, member, points, hours }),
        4 => (any::<Index>(), 1..400i64).prop_map(|(of, points)| Op::Capture { of, points }),
        2 => any::<Index>().prop_map(|of| Op::Void { of }),
        4 => purchase.prop_map(|(by, member, spend, earn, hold)| Op::Purchase { by, member, spend, earn, hold }),
        3 => (any::<Index>(), 1..=100i64).prop_map(|(of, share)| Op::ReturnPurchase { of, share }),
        5 => reverse.prop_map(|(of, points, refuse)| Op::Reverse { of, points, refuse: refuse && points % 3 == 0 }),
        1 => newest.prop_map(|(by, member, points)| Op::ReverseNewest { by, member, points }),
        3 => transfer.prop_map(|(by, member, to, points)| Op::Transfer { by, member, to, points }),
        2 => (member.clone(), 1..=1000u32, 0..12u32, prop_oneof![Just(None), (0..100i64).prop_map(Some)])
            .prop_map(|(member, permille, period, inactive)| Op::Decay { member, permille, period, inactive }),
        3 => joint.prop_map(|(by, member, points, weights)| Op::JointIssue { by, member, points, weights }),
        2 => (by.clone(), by.clone(), prop_oneof![Just(None), (1..400i64).prop_map(Some)])
            .prop_map(|(funder, partner, budget)| Op::Consent { funder, partner, budget }),
        3 => limits.prop_map(|(partner, cap, points, day, transfer, cooling)| Op::SetLimits {
            partner, cap, points, day, transfer, cooling,
        }),
        1 => (member.clone(), by.clone(), 1..90i64)
            .prop_map(|(member, issuer, days)| Op::Extend { member, issuer, days }),
        1 => (member.clone(), by.clone(), some_points())
            .prop_map(|(member, funder, points)| Op::Reinstate { member, funder, points }),
        1 => (member, by.clone(), some_points())
            .prop_map(|(member, creditor, points)| Op::WriteOff { member, creditor, points }),
        2 => Just(Op::Settle),
    ];
    prop_oneof![
        40 => life,
        8 => issue.prop_map(|(by, member, points, days, activates, receipt)| Op::Issue {
            by, member, points, days, activates, receipt,
        }),
        8 => redeem.prop_map(|(by, member, points)| Op::Redeem { by, member, points }),
        5 => (any::<Index>(), 1..200i64).prop_map(|(of, points)| Op::Return { of, points }),
        3 => any::<Index>().prop_map(|of| Op::Abandon { of }),
        1 => by.clone().prop_map(|by| Op::AbandonUnseen { by }),
        2 => any::<Index>().prop_map(|of| Op::Replay { of }),
        1 => any::<Index>().prop_map(|of| Op::Conflict { of }),
        3 => Just(Op::Close),
        4 => window.clone().prop_map(|window| Op::Confirm { window }),
        4 => (window.clone(), any::<bool>()).prop_map(|(window, pairwise)| Op::Export { window, pairwise }),
        9 => any::<Index>().prop_map(|order| Op::Pay { order }),
        2 => (window.clone(), by.clone(), prop_oneof![Just(None), (1..9i64).prop_map(Some)])
            .prop_map(|(window, partner, amount)| Op::PayAnybody { window, partner, amount }),
        1 => window.prop_map(|window| Op::Abort { window }),
        1 => (by.clone(), 1..1000i64).prop_map(|(account, amount)| Op::Deposit { account, amount }),
        1 => (by.clone(), 1..1000i64).prop_map(|(account, amount)| Op::Withdraw { account, amount }),
        2 => (by.clone(), any_terms(), prop_oneof![Just(None), (0..20i64).prop_map(Some)])
            .prop_map(|(partner, terms, days)| Op::SetTerms { partner, terms, days }),
        1 => (by, 0..3usize).prop_map(|(partner, state)| Op::SetState { partner, state }),
        4 => (1..400i64).prop_map(|hours| Op::Wait { hours }),
        24 => (0..4096u32, 0..PARTNERS.len(), 1..300i64, any::<Index>())
            .prop_map(|(number, partner, amount, of)| Op::Money { number, partner, amount, of }),
    ]
}

/// A coalition with mixed terms: some of them prepaid, with spreads, fees, expiry.
pub(crate) fn coalitions() -> impl Strategy<Value = House> {
    let scale = 2..=4u32;
    let partners = [any_terms(), any_terms(), any_terms()];
    let threshold = prop_oneof![Just(0i64), 1..20_000i64];
    let days = || prop_oneof![Just(0u16), Just(14)];
    (scale, partners, days(), days(), threshold, any::<bool>()).prop_map(
        |(scale, any_terms, grace_days, passed_over_grace_days, threshold, own)| {
            let mut coalition = coalition();
            coalition.scale = scale;
            coalition.grace_days = grace_days;
            coalition.passed_over_grace_days = passed_over_grace_days;
            // Of no draw of its own, so that plays of a seed that never changes stay what they are.
            coalition.disclose_issuers = threshold % 4 != 1;
            coalition.settlement_threshold = Money(threshold);
            coalition.carry_windows_max = u16::try_from(threshold % 4).ok().filter(|closes| *closes < 3);
            coalition.pay_outs_wait = threshold % 3 > 0;
            coalition.caps_need_cover = threshold % 5 == 4;
            coalition.recovery = if own { Recovery::Own } else { Recovery::Any };
            coalition.default_terms.reimbursement = Money(60);
            let mut terms = any_terms.map(|any| any.terms(scale));
            if threshold % 2 == 0 {
                terms.iter_mut().for_each(|terms| terms.receipt_share = house::rate("0.5"));
            }
            let partners: Vec<(&str, Terms)> = PARTNERS.into_iter().zip(terms).collect();
            house(coalition, &partners)
        },
    )
}

/// A play that remembers what was asked.
pub(crate) struct Asked {
    pub(crate) play: Play,
    pub(crate) requests: Vec<Request>,
    /// Purchases made: by whom, the entry that spent, the entry that earned.
    purchases: Vec<(PartnerId, Option<EntryId>, Option<EntryId>)>,
}

impl Asked {
    pub(crate) fn new(house: House) -> Self {
        Self { play: Play::new(house), requests: Vec::new(), purchases: Vec::new() }
    }

    /// Takes a request and remembers the purchase that it made.
    pub(crate) fn execute(&mut self, request: &Request) -> Answer {
        let answer = self.play.execute(request);
        self.note(request, &answer);
        answer
    }

    /// Remembers the purchase that a request made.
    pub(crate) fn note(&mut self, request: &Request, answer: &Answer) {
        if let (Command::PostPurchase(PostPurchase { spend, earn, .. }), Ok(accepted), false) =
            (&request.command, &answer.result, answer.replayed)
        {
            let mut entries = accepted.entries.iter().copied();
            let spent = spend.and_then(|_| entries.next());
            let earned = earn.as_ref().and_then(|_| entries.next());
            self.purchases.push((request.caller, spent, earned));
        }
    }

    /// The request for an operation, if there is anything to do it with.
    pub(crate) fn request(&mut self, op: &Op) -> Option<Request> {
        let play = &mut self.play;
        let operator = PartnerId::operator();
        let house = |command| Some((operator, command));
        let asked = match op {
            Op::Issue { by, member, points, days, activates, receipt } => {
                let expires = days.map(|days| play.now.plus_days(days));
                let activates = activates.map(|hours| play.now.plus_seconds(hours * 3600));
                let member = member_ref(MEMBERS[*member]);
                let earn = Earn { expires, activates, ..Earn::points(Points(*points)) };
                let mut request = play.request(id(PARTNERS[*by]), Command::IssuePoints(IssuePoints { member, earn }));
                request.origin.receipt_number = receipt.map(|number| Code::new(&number.to_string()).unwrap());
                self.requests.push(request.clone());
                return Some(request);
            }
            Op::Authorize { by, member, points, hours } => {
                let lapses = play.now.plus_seconds(hours * 3600);
                Some((id(PARTNERS[*by]), house::authorize(MEMBERS[*member], *points, lapses)))
            }
            Op::Capture { of, points } => {
                let hold = any_hold(play, of)?;
                let points = Points((*points).min(hold.facts.points.0 + 1));
                Some((hold.acceptor, Command::CaptureHold(CaptureHold { hold: hold.id, points })))
            }
            Op::Void { of } => {
                any_hold(play, of).map(|hold| (hold.acceptor, Command::VoidHold(VoidHold { hold: hold.id })))
            }
            Op::Purchase { by, member, spend, earn, hold } => {
                let hold = hold.as_ref().and_then(|of| any_hold(play, of));
                let earn = (*earn > 0).then(|| Earn::points(Points(*earn)));
                match hold {
                    Some(hold) => {
                        let points = Points((*spend).clamp(1, hold.facts.points.0));
                        let spend = Some(Spend::Capture { hold: hold.id, points });
                        let command =
                            Command::PostPurchase(PostPurchase { member: MemberRef::Id(hold.member), spend, earn });
                        Some((hold.acceptor, command))
                    }
                    None if *spend == 0 && earn.is_none() => None,
                    None => {
                        let spend = (*spend > 0).then_some(Spend::Redeem(Points(*spend)));
                        let command =
                            Command::PostPurchase(PostPurchase { member: member_ref(MEMBERS[*member]), spend, earn });
                        Some((id(PARTNERS[*by]), command))
                    }
                }
            }
            Op::ReturnPurchase { of, share } => {
                let (caller, redemption, issue) = (!self.purchases.is_empty()).then(|| *of.get(&self.purchases))?;
                // Now and then of another total.
                let (amount, total) = (Money(*share), Money(if share % 4 == 0 { 101 } else { 100 }));
                Some((caller, Command::ReturnPurchase(ReturnPurchase { redemption, issue, amount, total })))
            }
            Op::Reverse { of, points, refuse } => {
                let issues: Vec<_> = play.journal.iter().filter(|(_, entry)| entry.kind == EntryKind::Issue).collect();
                let (issue, entry) = (!issues.is_empty()).then(|| of.get(&issues))?;
                let target = ReversalTarget::Entry(*issue);
                Some((
                    entry.partner,
                    Command::ReverseIssue(ReverseIssue { target, points: Points(*points), refuse_shortfall: *refuse }),
                ))
            }
            Op::ReverseNewest { by, member, points } => {
                let target = ReversalTarget::Newest(member_ref(MEMBERS[*member]));
                let command =
                    Command::ReverseIssue(ReverseIssue { target, points: Points(*points), refuse_shortfall: false });
                Some((id(PARTNERS[*by]), command))
            }
            Op::Transfer { by, member, to, points } => {
                Some((id(PARTNERS[*by]), house::transfer(MEMBERS[*member], MEMBERS[*to], *points)))
            }
            Op::Decay { member, permille, period, inactive } => {
                let rate = Rate::new(Decimal::new(i64::from(*permille), 3)).unwrap();
                let (member, period) = (member_ref(MEMBERS[*member]), Code::new(&format!("{period:02}")).unwrap());
                let inactive_since = inactive.map(|hours| play.now.plus_seconds(-hours * 3600));
                Some((operator, Command::RunDecay(RunDecay { member, rate, period, inactive_since })))
            }
            Op::JointIssue { by, member, points, weights } => {
                let funders = PARTNERS.into_iter().zip(weights).filter(|(_, weight)| **weight > 0);
                let funders = funders.map(|(funder, weight)| (id(funder), *weight)).collect();
                let earn = Earn { funders, ..Earn::points(Points(*points)) };
                Some((
                    id(PARTNERS[*by]),
                    Command::IssuePoints(IssuePoints { member: member_ref(MEMBERS[*member]), earn }),
                ))
            }
            Op::Consent { funder, partner, budget } => {
                if funder == partner {
                    return None;
                }
                house(house::consent(PARTNERS[*funder], PARTNERS[*partner], *budget))
            }
            Op::SetLimits { partner, cap, points, day, transfer, cooling } => {
                let limits = Limits {
                    net_debit_cap: cap.map(Money),
                    outstanding_points: points.map(Points),
                    points_per_member_per_day: day.map(Points),
                    transfer_points_per_member_per_day: transfer.map(Points),
                    // Of no draws of their own, so that plays of a seed stay what they are.
                    redeem_points_per_member_per_day: day.map(Points),
                    redeem_foreign_points_per_day: points.map(|points| Points(points / 3)),
                    cooling_seconds: *cooling,
                    ..Limits::default()
                };
                house(Command::SetLimits(SetLimits { partner: id(PARTNERS[*partner]), limits }))
            }
            Op::Extend { member, issuer, days } => {
                let (until, expires) = (play.now.plus_days(*days), play.now.plus_days(days + 30));
                let (member, issuer) = (member_ref(MEMBERS[*member]), id(PARTNERS[*issuer]));
                let reason = Code::new("law").unwrap();
                Some((operator, Command::ExtendExpiry(ExtendExpiry { member, issuer, until, expires, reason })))
            }
            Op::Reinstate { member, funder, points } => {
                let (member, funder) = (member_ref(MEMBERS[*member]), id(PARTNERS[*funder]));
                let (points, reason) = (Points(*points), Code::new("law").unwrap());
                Some((
                    operator,
                    Command::ReinstatePoints(ReinstatePoints { member, funder, points, expires: None, reason }),
                ))
            }
            Op::WriteOff { member, creditor, points } => {
                // Mostly somebody who is owed something.
                let debts = play.book.members.values().flat_map(|member| {
                    member.record.debts.iter().map(|debt| (MemberRef::Id(member.id), debt.creditor))
                });
                let any = (member_ref(MEMBERS[*member]), id(PARTNERS[*creditor]));
                let (member, creditor) = debts.last().unwrap_or(any);
                let (points, reason) = (Points(*points), Code::new("law").unwrap());
                Some((operator, Command::WriteOffDebt(WriteOffDebt { member, creditor, points, reason })))
            }
            Op::Settle => {
                play.settle();
                None
            }
            Op::Redeem { by, member, points } => {
                let member = member_ref(MEMBERS[*member]);
                Some((id(PARTNERS[*by]), Command::RedeemPoints(RedeemPoints { member, points: Points(*points) })))
            }
            Op::Return { of, points } => {
                let redemptions = play.journal.iter().filter(|(_, entry)| entry.kind.is_redemption());
                let redemptions: Vec<_> = redemptions.collect();
                let (redemption, entry) = (!redemptions.is_empty()).then(|| of.get(&redemptions))?;
                Some((
                    entry.partner,
                    Command::ReturnRedemption(ReturnRedemption { redemption: *redemption, points: Points(*points) }),
                ))
            }
            Op::Abandon { of } => {
                let request = (!self.requests.is_empty()).then(|| of.get(&self.requests))?;
                let request_id = request.request_id?;
                // Some say whom it was about, and not all of these truly.
                let member = (request_id.0 % 3 == 0).then(|| member_ref(MEMBERS[0]));
                Some((request.caller, Command::AbandonRequest(AbandonRequest { request: request_id, member })))
            }
            Op::AbandonUnseen { by } => {
                let unseen = request_id(play.now, 1 << 60 | u128::from(self.requests.len() as u64));
                Some((id(PARTNERS[*by]), Command::AbandonRequest(AbandonRequest::of(unseen))))
            }
            Op::Replay { of } | Op::Conflict { of } => {
                let mut request = (!self.requests.is_empty()).then(|| of.get(&self.requests))?.clone();
                if matches!(op, Op::Conflict { .. }) {
                    request.origin.receipt_line = Some(7);
                }
                return Some(request);
            }
            Op::Close => house(Command::CloseWindow(CloseWindow { expected: None })),
            Op::Confirm { window } => {
                house(Command::ConfirmSettlement(ConfirmSettlement { window: window_of(play, window) }))
            }
            Op::Export { window, pairwise } => {
                // Of no draw of its own, so that plays of a seed that never changes stay what they are.
                let replace = self.requests.len().is_multiple_of(2);
                let mode = if *pairwise { OrderMode::Pairwise } else { OrderMode::Hub };
                house(Command::ExportOrders(ExportOrders { window: window_of(play, window), mode, replace }))
            }
            Op::Pay { order } => {
                let settlements = play.book.windows.values();
                let settlements = settlements.filter_map(|window| Some((window.number, window.settlement.as_ref()?)));
                let orders = settlements
                    .flat_map(|(window, settlement)| settlement.orders.iter().map(move |order| (window, order)));
                let orders: Vec<_> = orders.collect();
                let (window, order) = (!orders.is_empty()).then(|| order.get(&orders))?;
                let payment = Payment::Pair { payer: order.payer, payee: order.payee };
                house(Command::ConfirmPayment(ConfirmPayment {
                    amount: Some(order.amount),
                    ..ConfirmPayment::of(*window, payment)
                }))
            }
            Op::PayAnybody { window, partner, amount } => {
                let payment = Payment::Hub(id(PARTNERS[*partner]));
                let window = window_of(play, window);
                house(Command::ConfirmPayment(ConfirmPayment {
                    amount: amount.map(Money),
                    ..ConfirmPayment::of(window, payment)
                }))
            }
            Op::Abort { window } => {
                house(Command::AbortSettlement(AbortSettlement { window: window_of(play, window) }))
            }
            Op::Deposit { account, amount } => {
                house(Command::Deposit(Deposit { fund: fund_of(*account), amount: Money(*amount) }))
            }
            Op::Withdraw { account, amount } => {
                house(Command::WithdrawFunds(WithdrawFunds { fund: fund_of(*account), amount: Money(*amount) }))
            }
            Op::SetTerms { partner, terms, days } => {
                let effective = days.map(|days| play.now.plus_days(days));
                let terms = terms.draft(play.book.house.coalition.scale);
                house(Command::SetTerms(SetTerms { partner: id(PARTNERS[*partner]), terms, effective }))
            }
            Op::SetState { partner, state } => {
                let state = PartnerState::ALL[*state];
                house(Command::SetPartnerState(SetPartnerState { partner: id(PARTNERS[*partner]), state }))
            }
            Op::Wait { hours } => {
                play.now = play.now.plus_seconds(hours * 3600);
                None
            }
            Op::Money { number, partner, amount, of } => {
                let count = u32::try_from(self.requests.len()).unwrap();
                house(of_money(play, count, *number, PARTNERS[*partner], *amount, of)?)
            }
            Op::Rare(rare) => return self.rare(rare),
        };
        let (caller, command) = asked?;
        let request = play.request(caller, command);
        self.requests.push(request.clone());
        Some(request)
    }
}

impl Asked {
    fn rare(&mut self, rare: &Rare) -> Option<Request> {
        let play = &mut self.play;
        let by_id = |play: &Play, member: usize| play.book.find_member(member_ref(MEMBERS[member])).ok();
        let (mut on, mut person) = (None, None);
        let (caller, command) = match rare {
            Rare::RedeemById { by, member, points } => {
                let member = MemberRef::Id(by_id(play, *member)?);
                (id(PARTNERS[*by]), Command::RedeemPoints(RedeemPoints { member, points: Points(*points) }))
            }
            Rare::RedeemOn { by, member, points, receipt, line } => {
                on = Some((receipt, *line));
                (id(PARTNERS[*by]), house::redeem(MEMBERS[*member], *points))
            }
            Rare::HalfOfReceipts { partner } => {
                let half = TermsDraft { receipt_share: Some(house::rate("0.5")), ..TermsDraft::default() };
                let partner = id(PARTNERS[*partner]);
                (PartnerId::operator(), Command::SetTerms(SetTerms { partner, terms: half, effective: None }))
            }
            Rare::ReverseReceipt { of, points } => {
                let booked: Vec<&ReceiptLine> = play.book.receipts.keys().collect();
                let receipt = (!booked.is_empty()).then(|| of.get(&booked).receipt.clone())?;
                let (caller, target) = (receipt.partner, ReversalTarget::Receipt(receipt));
                let points = Points(*points);
                (caller, Command::ReverseIssue(ReverseIssue { target, points, refuse_shortfall: false }))
            }
            Rare::DueWork { member } => {
                let member = by_id(play, *member)?;
                let frozen = play.book.members[&member].record.frozen_until.is_some();
                let lift = UnfreezeMember { member: MemberRef::Id(member), reason: None };
                let due = Command::RunDueWork(RunDueWork { member });
                (PartnerId::operator(), if frozen { Command::UnfreezeMember(lift) } else { due })
            }
            Rare::Calendar { hour } => {
                let calendar = Calendar::of([format!("0 {hour} * * *")], "UTC");
                (PartnerId::operator(), Command::SetCalendar(calendar.into()))
            }
            Rare::CreatePartner { number, terms } => {
                let created = CreatePartner {
                    partner: id(&format!("P{number}")),
                    display_name: String::new(),
                    terms: terms.draft(play.book.house.coalition.scale),
                    state: PartnerState::Active,
                    limits: Limits::default(),
                    no_default_limits: false,
                };
                (PartnerId::operator(), Command::CreatePartner(created))
            }
            Rare::People { number } => {
                let (asker, command) = of_people(play, *number);
                person = asker;
                (PartnerId::operator(), command)
            }
            Rare::Forget => (PartnerId::operator(), Command::ForgetRequests(ForgetRequests)),
            Rare::Rename { number } => {
                let partner = id(PARTNERS[*number as usize % PARTNERS.len()]);
                let rename = RenamePartner { partner, display_name: format!("Brand {number}") };
                (PartnerId::operator(), Command::RenamePartner(rename))
            }
            Rare::Party { by, number } => {
                let (asker, command) = of_parties(play, *by, *number);
                person = asker;
                (id(PARTNERS[*by]), command)
            }
            Rare::Credential { by, number, of } => return self.of_credentials(PARTNERS[*by], *number, of),
            Rare::Freeze { number } => {
                let (member, reason) = (member_ref(MEMBERS[*number as usize % 3]), Code::new("law").unwrap());
                let end = (number % 2 == 0).then(|| play.now.plus_seconds(i64::from(*number) * 7200 - 100_000));
                (PartnerId::operator(), Command::FreezeMember(FreezeMember { member, reason, end }))
            }
        };
        let mut request = play.request(caller, command);
        request.person = person;
        if let Some((receipt, line)) = on {
            request.origin.receipt_number = Some(Code::new(&receipt.to_string()).unwrap());
            request.origin.receipt_line = Some(line);
            request.origin.receipt_total = Some(Money(20_000));
        }
        self.requests.push(request.clone());
        Some(request)
    }
}

impl Asked {
    /// An operation on invites and credentials. Keys, secrets and serial numbers are few, so that some meet again.
    fn of_credentials(&mut self, by: &str, number: u32, of: &Index) -> Option<Request> {
        let play = &mut self.play;
        let hash = |of: &str, number: u32| <[u8; 32]>::from(Sha256::digest(format!("{of}{number}")));
        let (which, some) = (number % 8, number / 8);
        let caller = id(by);
        // Its people look after its own, the brand does not.
        let clerk = play.book.house.people.with_role(Role::Clerk, play.now).next();
        let person = clerk.map(|(person, _)| person).filter(|_| caller.is_operator() && some % 4 > 0);
        let count = u32::try_from(self.requests.len()).unwrap();
        let serial = |count: u32| -> Serial { format!("40{count:030x}").parse().unwrap() };
        let made = |play: &Play, key: u32| Made {
            serial: serial(count + 1),
            certificate: vec![7; 40],
            begins: play.now.plus_seconds(-300),
            ends: play.now.plus_days(i64::from(some) * 4 + 1),
            key: hash("key", key),
        };
        let invites: Vec<InviteId> = play.book.invites.keys().copied().collect();
        let credentials: Vec<(Serial, Holder, Scopes, Timestamp)> = play
            .book
            .credentials
            .iter()
            .map(|(serial, known)| (*serial, known.holder, known.scopes, known.begins))
            .collect();
        let invite = (!invites.is_empty()).then(|| *of.get(&invites));
        let credential = (!credentials.is_empty()).then(|| *of.get(&credentials));
        let badge = |(serial, holder, scopes, begins)| Badge { serial, holder, scopes, begins, now: play.now };
        let mut shown = credential.filter(|known| known.1 == Holder::partner(caller) && some % 2 == 0).map(badge);
        let command: Command = match which {
            0 | 1 => {
                let new = |at: u32| NewInvite {
                    id: InviteId(request_id(play.now, u128::from(count) * 8 + u128::from(at)).0),
                    secret: hash("secret", at),
                    device: (at == 2 && person.is_none()).then(|| Device {
                        name: Code::new("till").unwrap(),
                        store: Code::new("s1").ok(),
                        till: None,
                        calls_per_second: 5,
                        connections_max: 0,
                    }),
                };
                let holder = [None, Some(Holder::partner(caller)), Some(Holder::partner(id("A")))][some as usize % 3];
                let named = || Holder::of_person(PEOPLE[some as usize % PEOPLE.len()].parse().unwrap());
                let holder = if person.is_some() { Some(named()) } else { holder };
                let scopes = if some < 4 || person.is_some() {
                    Scopes::WHOLE
                } else {
                    [Scope::Issue, Scope::Read].into_iter().collect()
                };
                let ends = (some % 4 == 1).then(|| play.now.plus_seconds(3_600));
                let known = invite.filter(|_| some == 7).map(|id| NewInvite { id, ..new(0) });
                let invites = (0..3).map(new).chain(known).collect();
                CreateInvites { holder, scopes, ends, invites }.into()
            }
            2 => WithdrawInvites { invites: vec![invite.unwrap_or(InviteId(0))] }.into(),
            3..6 => {
                shown = None;
                let invite = invite?;
                let made = made(play, some % 2);
                let secret = if some == 7 { hash("none", 0) } else { play.book.invites[&invite].secret };
                Enroll { invite, secret, made }.into()
            }
            6 => {
                let (renews, holder, ..) = credential?;
                shown = credential.map(badge);
                Renew { renews, holder, ended: some % 2 == 1, made: made(play, some % 3) }.into()
            }
            _ => {
                let reason = Code::new("law").unwrap();
                let holder = (some == 3).then(|| Holder::partner(caller));
                let serials =
                    if holder.is_some() { Vec::new() } else { vec![credential.map_or(serial(0), |known| known.0)] };
                RevokeCredentials { serials, holder, reason }.into()
            }
        };
        let own = matches!(command, Command::Enroll(_) | Command::Renew(_));
        let request = play.request(if own { PartnerId::operator() } else { caller }, command);
        let person = person.filter(|_| !own);
        let request = Request { badge: shown, person, ..request };
        self.requests.push(request.clone());
        Some(request)
    }
}

/// What concerns a partner as a legal party, mostly the caller's own; who asks, if it is a person of the operator.
fn of_parties(play: &Play, by: usize, number: u32) -> (Option<PersonId>, Command) {
    let (what, rest) = (number % 8, number / 8);
    let partner = id(PARTNERS[if rest < 6 { by } else { rest as usize % PARTNERS.len() }]);
    let person = (PARTNERS[by] == "operator" && rest % 2 == 0).then(|| PEOPLE[0].parse::<PersonId>().unwrap());
    let command = match what {
        0 => {
            let address = Address {
                street: String::new(),
                post_code: String::new(),
                town: "Bonn".to_owned(),
                country: "DE".to_owned(),
            };
            let legal = LegalRecord { name: format!("Brand {rest} Ltd"), tax_ids: Vec::new(), address };
            SetLegalRecord { partner, legal }.into()
        }
        1 => SetGroup { partner, group: (rest > 2).then(|| format!("g{}", rest % 2).parse().unwrap()) }.into(),
        2..5 => {
            let number = AccountNumber::Iban(
                if what == 2 { "DE89370400440532013000" } else { "GB29NWBK60161331926819" }.to_owned(),
            );
            let account = BankAccount { number, holder: format!("Brand {rest}"), bank_name: String::new() };
            SetBankAccount { partner, account }.into()
        }
        _ => {
            let last = play.book.bank_accounts_of(partner).next_back().map_or(1, |(version, _)| version);
            let version = if rest == 0 { 1 } else { last };
            StopBankAccountChange { partner, version, reason: None }.into()
        }
    };
    (person, command)
}

/// The operator's people of the random play.
const PEOPLE: [&str; 4] = ["p0", "p1", "p2", "p3"];

/// Who asks, of the operator's people, and what.
fn of_people(play: &Play, number: u32) -> (Option<PersonId>, Command) {
    let (what, rest) = (number % 8, number as usize / 8);
    let named = |at: usize| PEOPLE[at % PEOPLE.len()].parse::<PersonId>().unwrap();
    let people = &play.book.house.people;
    let approvers: Vec<PersonId> = people
        .persons
        .keys()
        .copied()
        .filter(|person| people.roles_at(*person, play.now).has(Role::Approver))
        .collect();
    if approvers.len() < 2 || what == 0 {
        // Mostly with a certificate that was made by hand.
        let hand = Serial::new(&[0x50, u8::try_from(rest % PEOPLE.len()).unwrap()]).unwrap();
        let certificate = (rest % 5 > 0).then_some(hand);
        return (None, Command::SetPerson(SetPerson { certificate, ..SetPerson::new(named(rest), Roles::FIRST) }));
    }
    let by = approvers[rest % approvers.len()];
    // Mostly one that is open, now and then any other.
    let all: Vec<_> = play.book.proposals.iter().collect();
    let open: Vec<_> = all.iter().copied().filter(|(_, proposal)| proposal.state == ProposalState::Open).collect();
    let among = if open.is_empty() || rest % 8 == 0 { &all } else { &open };
    let proposal = (!among.is_empty()).then(|| among[rest % among.len()]);
    match (what, proposal) {
        (2 | 3, Some((id, proposal))) => {
            let operation = Command::from_bytes(&proposal.facts.operation).unwrap();
            let (content, operation) = (operation.content(), Some(Box::new(operation)));
            (Some(by), Command::ApproveProposal(ApproveProposal { proposal: *id, content, operation }))
        }
        (4, Some((id, _))) => (Some(by), Command::RefuseProposal(RefuseProposal { proposal: *id })),
        (5, Some((id, proposal))) => {
            (Some(proposal.person), Command::WithdrawProposal(WithdrawProposal { proposal: *id }))
        }
        (6, _) if rest % 4 == 0 => (None, Command::RecoverPerson(RecoverPerson { person: named(rest / 4) })),
        (6, _) => {
            let alone = if rest % 4 == 1 { BTreeSet::from(["SetLimits".to_owned()]) } else { BTreeSet::new() };
            (Some(by), Command::SetTwoPersonList(SetTwoPersonList { alone }))
        }
        (7, _) if rest % 3 > 0 => {
            let (member, funder) = (member_ref(MEMBERS[rest % 3]), PartnerId::operator());
            let (points, reason) = (Points(200), Code::new("law").unwrap());
            (Some(by), Command::ReinstatePoints(ReinstatePoints { member, funder, points, expires: None, reason }))
        }
        (7, _) => (Some(by), Command::WithdrawFunds(WithdrawFunds { fund: Fund::Reserve, amount: Money(1) })),
        _ => {
            let calendar = Calendar::of([format!("{} 1 * * *", rest % 3)], "UTC");
            (Some(by), Command::SetCalendar(calendar.into()))
        }
    }
}

/// Something that is done with money at the bank, mostly with what is there.
fn of_money(play: &Play, count: u32, number: u32, partner: &str, amount: i64, of: &Index) -> Option<Command> {
    let (book, name) = (&play.book, partner);
    let (partner, minor) = (id(partner), play.book.house.coalition.minor_unit());
    let (kind, bits) = (number % 20, number / 20);
    let window = window_of(play, of);
    let legs = || {
        let settlements = book.windows.values().filter_map(|window| Some((window.number, window.settlement.as_ref()?)));
        settlements.filter(|(_, settlement)| settlement.is_payable())
    };
    let owed = |settlement: &Settlement| settlement.legs.get(&partner).map_or(0, |leg| -leg.due.0);
    let due = legs().map(|(_, settlement)| owed(settlement)).find(|due| *due > 0);
    // Mostly where there is something to do.
    let owes = |settlement: &Settlement| -> Vec<PartnerId> {
        settlement.legs.iter().filter(|(_, leg)| leg.owes()).map(|(partner, _)| *partner).collect()
    };
    let owing =
        legs().flat_map(|(window, settlement)| owes(settlement).into_iter().map(move |partner| (window, partner)));
    let owing: Vec<(WindowNumber, PartnerId)> = owing.collect();
    let defaulter = if owing.is_empty() || bits % 8 == 0 { (window, partner) } else { *of.get(&owing) };
    let waits = |order: &Order| order.is_pay_out() && !order.released && !order.paid;
    let kept = legs().find(|(_, settlement)| settlement.orders.iter().any(waits));
    let kept = kept.filter(|_| book.house.coalition.pay_outs_wait);
    let kind = if kept.is_some() && bits % 8 == 1 { 17 } else { kind };
    let any = Money(amount * minor);
    // Just what is due, a part of it, or anything.
    let amount = match (due, bits % 4) {
        (Some(due), 0 | 1) => Money(due),
        (Some(due), 2) if due > minor => Money(due / 2 / minor * minor),
        _ => any,
    };
    let reference = |number: u32| BankKey { account: String::new(), booked: None, reference: format!("R{number}") };
    let fresh = (bits % 3 != 0).then(|| reference(count));
    let known: Vec<&BankKey> = book.bank_lines.keys().collect();
    let held = |place: Place| {
        let own = book.incoming.values().filter(|incoming| incoming.partner == Some(partner));
        own.map(|incoming| incoming.at(place).0).sum::<i64>()
    };
    let up_to = |most: i64| if most > 0 && bits % 5 != 0 { Money(most.min(amount.0)) } else { amount };
    Some(match kind {
        0 => Command::Deposit(Deposit { fund: Fund::Advance(partner), amount }),
        1..=3 => {
            let line = fresh.or_else(|| (!known.is_empty()).then(|| (*of.get(&known)).clone()))?;
            let partner = (bits % 7 != 0).then_some(partner);
            let named = (bits % 2 == 0).then_some(window);
            Command::ReceiveMoney(ReceiveMoney { partner, amount, line, window: named })
        }
        4..=6 => {
            let amount = up_to(held(Place::Unapplied));
            let to = [UsedFor::Leg, UsedFor::Leg, UsedFor::Leg, UsedFor::Advance, UsedFor::Claim][bits as usize % 5];
            let named = (to == UsedFor::Leg && bits % 11 == 0).then_some(window);
            Command::ApplyMoney(ApplyMoney { partner, amount, to, window: named, from: UsedFrom::Partner })
        }
        7 => {
            let unknown = book.incoming.values().filter(|incoming| incoming.partner.is_none());
            let first = unknown.map(|incoming| incoming.at(Place::Unapplied)).find(|part| part.0 > 0);
            let (amount, to) = (first.unwrap_or(amount), UsedFor::Unapplied);
            Command::ApplyMoney(ApplyMoney { partner, amount, to, window: None, from: UsedFrom::Unknown })
        }
        8 => {
            let paid = |kind| matches!(kind, EntryKind::ApplyMoney | EntryKind::TakeMoney | EntryKind::Payment);
            let payments: Vec<EntryId> =
                play.journal.iter().filter(|(_, entry)| paid(entry.kind)).map(|(id, _)| *id).collect();
            let payment = if payments.is_empty() { return None } else { *of.get(&payments) };
            Command::UndoPayment(UndoPayment { payment, reason: Code::new("law").unwrap() })
        }
        9 => {
            let account = UnappliedOf((bits % 5 != 0).then_some(partner));
            Command::ReturnMoney(ReturnMoney { account, amount: up_to(held(Place::Unapplied)) })
        }
        10 => {
            let fund = [Fund::Advance(partner), Fund::Collateral(partner), Fund::Reserve][bits as usize % 3];
            Command::WithdrawFunds(WithdrawFunds { fund, amount: up_to(held(Place::Advance)) })
        }
        11 => {
            let out: Vec<_> = book.outgoing.values().filter(|out| out.state != OutState::CameBack).collect();
            let out = if out.is_empty() { return None } else { *of.get(&out) };
            Command::ConfirmOrdered(ConfirmOrdered { partner: out.partner, amount: out.amount, line: fresh })
        }
        12 | 13 => {
            let ordered: Vec<EntryId> = book.outgoing.keys().copied().collect();
            let payment = match bits % 3 {
                0 if !known.is_empty() => ReturnedPayment::Arrived((*of.get(&known)).clone()),
                1 if !ordered.is_empty() => ReturnedPayment::Ordered(*of.get(&ordered)),
                _ => ReturnedPayment::PayOut(window, partner),
            };
            Command::ReturnPayment(ReturnPayment { payment, line: fresh })
        }
        14 => Command::CoverDefault(CoverDefault { window: defaulter.0, partner: defaulter.1 }),
        15 => Command::ShareLoss(ShareLoss { window: defaulter.0, partner: defaulter.1 }),
        16 => {
            let open = book.claims.iter().find(|(_, claim)| claim.total() > 0).filter(|_| bits % 8 > 0);
            let partner = open.map_or(partner, |(partner, _)| *partner);
            let claimed = book.claims.get(&partner).map_or(0, |claim| i64::try_from(claim.total()).unwrap());
            let amount = if claimed > 0 && bits % 3 != 0 { Money(claimed) } else { amount };
            let penalty = Money(i64::from(bits % 2) * minor);
            Command::RepayClaim(RepayClaim { partner, amount, penalty, line: fresh })
        }
        17 => {
            let unordered = legs().find(|(_, settlement)| settlement.mode.is_none() && kept.is_none() && bits % 4 > 0);
            match unordered {
                Some((window, _)) => {
                    Command::ExportOrders(ExportOrders { window, mode: OrderMode::Hub, replace: false })
                }
                None => {
                    let window = kept.map_or(window, |(window, _)| window);
                    Command::ReleaseOrders(ReleaseOrders { window, amount: (bits % 3 == 0).then_some(amount) })
                }
            }
        }
        18 => {
            let line = fresh?;
            let account = BankPurpose::ALL[bits as usize % 4];
            let to = BankPurpose::ALL[(bits as usize + 1) % 4];
            match bits % 3 {
                1 => Command::BookBankFee(BookBankFee { account, amount, interest: bits % 2 == 0, line }),
                _ => {
                    let arrived = bits % 5 == 0;
                    Command::BookOwnTransfer(BookOwnTransfer { from: account, to, amount, line, arrived })
                }
            }
        }
        _ => {
            let reason = Code::new("law").unwrap();
            let other = if name == "A" { id("B") } else { id("A") };
            match bits % 6 {
                4 => charges_of(partner),
                5 => lower_cap_of(partner),
                0 => Command::Charge(Charge { partner, amount, reason: Some(reason) }),
                1 => Command::Adjust(Adjust { payer: partner, payee: other, amount, reason }),
                2 => {
                    let first = "2026-01-31".parse().unwrap();
                    let every = Every::ALL[bits as usize / 6 % 3];
                    let charge = ScheduledCharge { reason, amount, every, first, last: None };
                    let charges = if bits % 18 == 2 { Vec::new() } else { vec![charge] };
                    Command::SetCharges(SetCharges { partner, charges })
                }
                _ => {
                    let ends = play.now.plus_days(i64::from(bits % 9));
                    let guarantee = Guarantee { reference: format!("G{bits}"), amount, ends };
                    let security = Security { unsecured: Money(i64::from(bits)), guarantees: vec![guarantee] };
                    Command::SetCover(SetCover { partner, security })
                }
            }
        }
    })
}

/// Mostly an open hold, now and then one that has ended.
pub(crate) fn any_hold(play: &Play, of: &Index) -> Option<Hold> {
    let open = play.book.holds.values().filter(|hold| hold.state == HoldState::Open);
    let open: Vec<&Hold> = open.collect();
    let candidates: Vec<&Hold> =
        open.iter().cycle().take(open.len() * 6).copied().chain(play.book.holds.values()).collect();
    (!candidates.is_empty()).then(|| (*of.get(&candidates)).clone())
}

/// Mostly one of the closed windows that are not settled, now and then any other or the one that does not exist yet.
pub(crate) fn window_of(play: &Play, index: &Index) -> WindowNumber {
    let windows = play.book.windows.values();
    let unsettled = windows.filter(|window| matches!(window.state, WindowState::Closed | WindowState::Settling));
    let unsettled: Vec<WindowNumber> = unsettled.map(|window| window.number).collect();
    let any = 1..=play.book.open_window + 1;
    let candidates: Vec<WindowNumber> =
        unsettled.iter().cycle().take(unsettled.len() * 6).copied().chain(any).collect();
    *index.get(&candidates)
}

/// The reserve is the operator's; the others have collateral.
fn fund_of(account: usize) -> Fund {
    match PARTNERS[account] {
        "operator" => Fund::Reserve,
        partner => Fund::Collateral(id(partner)),
    }
}
