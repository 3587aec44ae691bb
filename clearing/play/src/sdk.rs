//! Operations, said through the SDK: by whoever has a client of a house.

use clearing::rpc::opaque::Opaque;
use clearing_core::chart::BankPurpose;
use clearing_core::command::{ApproveProposal, Command};
use clearing_core::facts::answer::{Abandoned, Reversed};
use clearing_core::facts::bank_account::AccountNumber;
use clearing_core::facts::calendar::{Calendar, CutOffPattern, OnHoliday};
use clearing_core::facts::charges::{Every, ScheduledCharge};
use clearing_core::facts::credential as core;
use clearing_core::facts::limits::Limits;
use clearing_core::facts::money::BankKey;
use clearing_core::facts::order::OrderMode;
use clearing_core::facts::origin::Code;
use clearing_core::facts::partner::PartnerState;
use clearing_core::facts::person::Role;
use clearing_core::facts::receipt::Receipt;
use clearing_core::facts::security::Guarantee;
use clearing_core::facts::terms::{ExpiryPolicy, FeeBearer, Funding, TermsDraft};
use clearing_core::rules::abandon::AbandonRequest;
use clearing_core::rules::arrived::{ApplyMoney, ReceiveMoney, UsedFor};
use clearing_core::rules::bank_account::{SetBankAccount, StopBankAccountChange};
use clearing_core::rules::calendar::SetCalendar;
use clearing_core::rules::care::{ExtendExpiry, FreezeMember, ReinstatePoints, UnfreezeMember, WriteOffDebt};
use clearing_core::rules::charge_schedule::SetCharges;
use clearing_core::rules::charges::{Adjust, BookBankFee, BookOwnTransfer, Charge};
use clearing_core::rules::claims::RepayClaim;
use clearing_core::rules::consent::SetFundingConsent;
use clearing_core::rules::cover::{CoverDefault, ShareLoss};
use clearing_core::rules::credential::{CreateInvites, RevokeCredentials, WithdrawInvites};
use clearing_core::rules::decay::RunDecay;
use clearing_core::rules::funds::{Deposit, WithdrawFunds};
use clearing_core::rules::hold::{AuthorizeRedemption, CaptureHold, VoidHold};
use clearing_core::rules::issue::{Earn, IssuePoints};
use clearing_core::rules::legal::SetLegalRecord;
use clearing_core::rules::limits::SetLimits;
use clearing_core::rules::ordered::{ConfirmOrdered, ReturnMoney};
use clearing_core::rules::partner::{CreatePartner, RenamePartner, SetGroup, SetPartnerState};
use clearing_core::rules::payment::{ConfirmPayment, Payment};
use clearing_core::rules::person::{SetPerson, SetTwoPersonList};
use clearing_core::rules::proposal::{RefuseProposal, WithdrawProposal};
use clearing_core::rules::purchase::{PostPurchase, ReturnPurchase, Spend};
use clearing_core::rules::redemption::{RedeemPoints, ReturnRedemption};
use clearing_core::rules::release::ReleaseOrders;
use clearing_core::rules::returned::{ReturnPayment, ReturnedPayment, UndoPayment};
use clearing_core::rules::reversal::{ReversalTarget, ReverseIssue};
use clearing_core::rules::security::SetCover;
use clearing_core::rules::settlement::{AbortSettlement, ConfirmSettlement, ExportOrders};
use clearing_core::rules::terms::SetTerms;
use clearing_core::rules::transfer::TransferPoints;
use clearing_core::units::{EntryId, Money, Points};
use partner_sdk::operator as op;
use partner_sdk::{self as sdk, AbandonOutcome, Client, Error, MemberFigures, Origin, Outcome, RequestId, Written};

use crate::database::identifier_key;
use crate::house::system_time;
use crate::names::sdk_member;

/// Somebody who asks a house: a client, and what reads the ids that the house shows.
pub trait Caller: Clone + Send + Sync + 'static {
    fn client(&self) -> &Client;

    fn ids(&self) -> Opaque;
}

/// A client of a test house.
impl Caller for Client {
    fn client(&self) -> &Client {
        self
    }

    fn ids(&self) -> Opaque {
        Opaque::new(&identifier_key())
    }
}

/// The id of an entry of a test house, from what its callers see.
///
/// # Panics
/// If it is none.
pub fn entry_of(text: &str) -> EntryId {
    Opaque::new(&identifier_key()).opened_entry(text).expect("an id of a test house")
}

/// What the callers of a test house see of the id of an entry.
pub fn shown_entry(id: EntryId) -> String {
    Opaque::new(&identifier_key()).entry(id)
}

/// What an operation came to that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// What was written for it, and of what was abandoned all that was undone; else not what followed by itself.
    pub entries: Vec<EntryId>,
    pub replayed: bool,
    /// The member that it was about, and what that has; empty and zero if it was about none.
    pub member: String,
    pub available: i64,
    /// All figures of it.
    pub figures: Option<MemberFigures>,
    /// The member that points went to, of a transfer.
    pub to_member: Option<String>,
    pub abandoned: Option<Abandoned>,
    pub reversed: Option<Reversed>,
}

impl Done {
    fn of_house(ids: &Opaque, written: &Written) -> Self {
        Self {
            entries: ids_of(ids, written.entries.iter()),
            replayed: written.replayed,
            member: String::new(),
            available: 0,
            figures: None,
            to_member: None,
            abandoned: None,
            reversed: None,
        }
    }

    fn of(ids: &Opaque, written: &Written, member: MemberFigures) -> Self {
        Self {
            member: member.member_id.clone(),
            available: member.available_points,
            figures: Some(member),
            ..Self::of_house(ids, written)
        }
    }
}

/// Asks once, as far as the client does.
///
/// # Errors
/// Those of the client.
///
/// # Panics
/// If it is nothing that anybody can ask for: work of the house's own, or the state `EXITED`.
pub async fn ask(
    caller: &impl Caller,
    request: RequestId,
    command: &Command,
    origin: Origin,
) -> Result<Outcome<Done>, Error> {
    let (client, ids, operator) = (caller.client(), caller.ids(), caller.client().operator());
    /// Sends it, and gives what it came to: of a member, of the house, or as told.
    macro_rules! send {
        ($who:ident.$call:ident($asked:expr), |$answer:ident| $done:expr) => {
            Ok(match $who.$call($asked.request_id(request)).await? {
                Outcome::Accepted($answer) => Outcome::Accepted($done),
                Outcome::Rejected(rejection) => Outcome::Rejected(rejection),
                Outcome::Unknown(unknown) => Outcome::Unknown(unknown),
            })
        };
        (member $who:ident.$call:ident($asked:expr)) => {
            send!($who.$call($asked), |done| Done::of(&ids, &done.written, done.member))
        };
        (house $who:ident.$call:ident($asked:expr)) => {
            send!($who.$call($asked), |done| Done::of_house(&ids, &done.written))
        };
    }
    match command {
        Command::IssuePoints(IssuePoints { member, earn: Earn { points, expires, activates, funders } }) => {
            let issue = sdk::Issue::to_member(sdk_member(*member)).points(points.0).origin(origin);
            let issue = issue.funders(funders.iter().map(|(funder, weight)| (funder.as_str(), *weight)));
            let issue = with(issue, *expires, |issue, time| issue.expires(system_time(time)));
            let issue = with(issue, *activates, |issue, time| issue.activates(system_time(time)));
            send!(member client.issue(issue))
        }
        Command::RedeemPoints(RedeemPoints { member, points }) => {
            let redeem = sdk::Redeem::from_member(sdk_member(*member)).points(points.0);
            send!(member client.redeem(redeem.origin(origin)))
        }
        Command::ReturnRedemption(ReturnRedemption { redemption, points }) => {
            let back = sdk::ReturnRedemption::of(ids.entry(*redemption)).points(points.0);
            send!(member client.return_redemption(back.origin(origin)))
        }
        Command::AuthorizeRedemption(AuthorizeRedemption { member, points, lapses }) => {
            let hold = sdk::Authorize::from_member(sdk_member(*member)).points(points.0).lapses(system_time(*lapses));
            send!(member client.authorize(hold.origin(origin)))
        }
        Command::CaptureHold(CaptureHold { hold, points }) => {
            send!(member client.capture(sdk::Capture::hold(ids.entry(*hold)).points(points.0).origin(origin)))
        }
        Command::VoidHold(VoidHold { hold }) => {
            send!(member client.void(sdk::Void::hold(ids.entry(*hold)).origin(origin)))
        }
        Command::PostPurchase(PostPurchase { member, spend, earn }) => {
            let purchase = sdk::Purchase::by_member(sdk_member(*member)).origin(origin);
            let purchase = with(purchase, *spend, |purchase, spend| match spend {
                Spend::Redeem(points) => purchase.redeem(points.0),
                Spend::Capture { hold, points } => purchase.capture(ids.entry(hold), points.0),
            });
            let purchase = with(purchase, earn.as_ref(), |purchase, earn| purchase.earn(sdk_earn(earn)));
            send!(member client.purchase(purchase))
        }
        Command::ReturnPurchase(ReturnPurchase { redemption, issue, amount, total }) => {
            let (amount, total) = (sdk_money(client, *amount).await?, sdk_money(client, *total).await?);
            let back = sdk::ReturnPurchase::of(amount, total).origin(origin);
            let back = with(back, *redemption, |back, entry| back.redemption(ids.entry(entry)));
            send!(member client.return_purchase(with(back, *issue, |back, entry| back.issue(ids.entry(entry)))))
        }
        Command::ReverseIssue(ReverseIssue { target, points, refuse_shortfall }) => {
            let reverse = match target {
                ReversalTarget::Entry(issue) => sdk::Reverse::entry(ids.entry(*issue)),
                ReversalTarget::Receipt(receipt) => sdk::Reverse::receipt(sdk_receipt(receipt)),
                ReversalTarget::Newest(member) => sdk::Reverse::newest(sdk_member(*member)),
            };
            let reverse = reverse.points(points.0).origin(origin);
            let reverse = if *refuse_shortfall { reverse.refuse_shortfall() } else { reverse };
            send!(client.reverse(reverse), |done| Done {
                reversed: Some(Reversed {
                    taken_back: Points(done.taken_back_points),
                    written_off: Points(done.written_off_points),
                    debt: Points(done.debt_points),
                }),
                ..Done::of(&ids, &done.written, done.member)
            })
        }
        Command::TransferPoints(TransferPoints { member, to, points, enrol_receiver }) => {
            let transfer = sdk::Transfer::between(sdk_member(*member), sdk_member(*to)).points(points.0).origin(origin);
            let transfer = if *enrol_receiver { transfer.enrol_receiver() } else { transfer };
            send!(client.transfer(transfer), |done| Done {
                to_member: Some(done.to_member_id),
                ..Done::of(&ids, &done.written, done.member)
            })
        }
        Command::AbandonRequest(AbandonRequest { request: abandoned, member }) => {
            let abandoned = abandoned.to_string().parse().expect("an id is an id");
            let abandon = sdk::Abandon::request(abandoned).origin(origin);
            let abandon = with(abandon, *member, |abandon, member| abandon.about(sdk_member(member)));
            send!(client.abandon(abandon), |done| Done {
                entries: ids_of(&ids, done.written.entries.iter().chain(&done.written.following)),
                abandoned: Some(match done.outcome {
                    AbandonOutcome::BurnedUnseen => Abandoned::Burned,
                    AbandonOutcome::Undone => Abandoned::Undone,
                    AbandonOutcome::HadNoEffect => Abandoned::NoEffect,
                    AbandonOutcome::AlreadyAbandoned => Abandoned::Already,
                    other @ (AbandonOutcome::Other(_) | _) => panic!("the outcome {other:?} is new"),
                }),
                ..Done::of_house(&ids, &done.written)
            })
        }
        Command::RunDecay(RunDecay { member, rate, period, .. }) => {
            send!(member operator.run_decay(op::RunDecay::of(sdk_member(*member), rate.decimal(), period.as_str())))
        }
        Command::ExtendExpiry(ExtendExpiry { member, issuer, until, expires, reason }) => {
            let extend = op::ExtendExpiry::of(sdk_member(*member), issuer.as_str()).reason(reason.as_str());
            let extend = extend.expiring_until(system_time(*until)).to(system_time(*expires));
            send!(member operator.extend_expiry(extend))
        }
        Command::ReinstatePoints(ReinstatePoints { member, funder, points, expires, reason }) => {
            let reinstate = op::ReinstatePoints::to(sdk_member(*member), funder.as_str()).points(points.0);
            let reinstate = with(reinstate, *expires, |reinstate, time| reinstate.expires(system_time(time)));
            send!(member operator.reinstate_points(reinstate.reason(reason.as_str())))
        }
        Command::WriteOffDebt(WriteOffDebt { member, creditor, points, reason }) => {
            let write_off = op::WriteOffDebt::of(sdk_member(*member), creditor.as_str()).points(points.0);
            send!(member operator.write_off_debt(write_off.reason(reason.as_str())))
        }
        Command::FreezeMember(FreezeMember { member, reason, end }) => {
            let freeze = op::FreezeMember::of(sdk_member(*member)).reason(reason.as_str());
            send!(member operator.freeze_member(with(freeze, *end, |freeze, time| freeze.until(system_time(time)))))
        }
        Command::UnfreezeMember(UnfreezeMember { member, reason }) => {
            let lift = op::UnfreezeMember::of(sdk_member(*member));
            let lift = with(lift, reason.as_ref(), |lift, reason| lift.reason(reason.as_str()));
            send!(member operator.unfreeze_member(lift))
        }
        Command::CreatePartner(CreatePartner { partner, display_name, terms, limits, no_default_limits, .. }) => {
            let create = op::CreatePartner::new(partner.as_str()).display_name(display_name).terms(sdk_terms(terms));
            let create = create.limits(sdk_limits(client, limits).await?);
            let create = if *no_default_limits { create.without_default_limits() } else { create };
            send!(house operator.create_partner(create))
        }
        Command::SetTerms(SetTerms { partner, terms, effective }) => {
            let set = op::SetTerms::of(partner.as_str(), sdk_terms(terms));
            send!(house operator.set_terms(with(set, *effective, |set, time| set.effective(system_time(time)))))
        }
        Command::SetLimits(SetLimits { partner, limits }) => {
            let limits = sdk_limits(client, limits).await?;
            send!(house operator.set_limits(op::SetLimits::of(partner.as_str(), limits)))
        }
        Command::SetPartnerState(SetPartnerState { partner, state }) => {
            let state = match state {
                PartnerState::Active => op::PartnerState::Active,
                PartnerState::Restricted => op::PartnerState::Restricted,
                PartnerState::Suspended => op::PartnerState::Suspended,
                PartnerState::Exited => panic!("nobody sets the state EXITED"),
            };
            send!(house operator.set_partner_state(op::SetPartnerState::of(partner.as_str(), state)))
        }
        Command::RenamePartner(RenamePartner { partner, display_name }) => {
            send!(house operator.rename_partner(op::RenamePartner::to(partner.as_str(), display_name)))
        }
        Command::SetLegalRecord(SetLegalRecord { partner, legal }) => {
            let address = op::Address::of(&legal.address.town, &legal.address.country);
            let address = address.street(&legal.address.street).postal_code(&legal.address.post_code);
            let record = legal.tax_ids.iter().fold(op::LegalRecord::of(&legal.name, address), |record, tax_id| {
                record.tax_id(&tax_id.scheme, &tax_id.value)
            });
            send!(house operator.set_legal_record(op::SetLegalRecord::of(partner.as_str(), record)))
        }
        Command::SetGroup(SetGroup { partner, group }) => {
            let set = group.map_or_else(
                || op::SetGroup::none(partner.as_str()),
                |group| op::SetGroup::of(partner.as_str(), group.as_str()),
            );
            send!(house operator.set_group(set))
        }
        Command::SetBankAccount(SetBankAccount { partner, account }) => {
            let made = match &account.number {
                AccountNumber::Iban(iban) => sdk::BankAccount::iban(iban, &account.holder),
                AccountNumber::National(of) => {
                    sdk::BankAccount::national(&of.country, &of.bank_code, &of.account, &account.holder)
                        .correspondent(&of.correspondent)
                }
            };
            let made = made.bank_name(&account.bank_name);
            send!(house client.set_bank_account(sdk::SetBankAccount::of(partner.as_str(), made)))
        }
        Command::StopBankAccountChange(StopBankAccountChange { partner, version, reason }) => {
            let version = i32::try_from(*version).expect("versions are ten thousand at the most");
            let stop = sdk::StopBankAccountChange::of(partner.as_str(), version);
            let stop = with(stop, reason.as_ref(), |stop, reason| stop.reason(reason.as_str()));
            send!(house client.stop_bank_account_change(stop))
        }
        // The SDK sends the hash of a secret: one that is the same whenever the operation is sent again.
        Command::CreateInvites(CreateInvites { holder, scopes, ends, invites }) => {
            let new = |invite: &core::NewInvite| {
                let new = sdk::NewInvite::kept(&invite.id.to_string(), [7; 16]).expect("an id of an invite is a UUID");
                invite.device.as_ref().map_or(new.clone(), |device| new.device(sdk_device(device)))
            };
            let made: Vec<sdk::NewInvite> = invites.iter().map(new).collect();
            let create =
                with(sdk::CreateInvites::new(&made), *holder, |create, holder| create.holder(sdk_holder(holder)));
            let create = with(create, *ends, |create, time| create.ends(system_time(time)));
            send!(house client.create_invites(create.scopes(scopes.iter().map(sdk_scope))))
        }
        Command::WithdrawInvites(WithdrawInvites { invites }) => {
            send!(house client.withdraw_invites(sdk::WithdrawInvites::new(invites.iter().map(ToString::to_string))))
        }
        Command::RevokeCredentials(RevokeCredentials { serials, holder, reason }) => {
            let revoke = match holder {
                Some(holder) => sdk::RevokeCredentials::all_of(sdk_holder(*holder), reason.as_str()),
                None => sdk::RevokeCredentials::serials(serials.iter().map(ToString::to_string), reason.as_str()),
            };
            send!(house client.revoke_credentials(revoke))
        }
        Command::SetPerson(SetPerson { person, roles, certificate }) => {
            let role = |role| match role {
                Role::Clerk => op::PersonRole::Clerk,
                Role::Approver => op::PersonRole::Approver,
                Role::Support => op::PersonRole::Support,
                Role::Auditor => op::PersonRole::Auditor,
            };
            let set = op::SetPerson::of(person.as_str(), roles.iter().map(role));
            send!(house operator.set_person(with(set, *certificate, |set, serial| set.certificate(serial.to_string()))))
        }
        Command::SetTwoPersonList(SetTwoPersonList { alone }) => {
            send!(house operator.set_two_person_list(op::SetTwoPersonList::without(alone)))
        }
        Command::ApproveProposal(ApproveProposal { proposal, content, operation }) => {
            // What the house was asked names members by its own hashes, so the hash is the house's.
            let known = operation.as_ref().is_some_and(|operation| operation.content() == *content);
            let hash = if known {
                operator.proposal(&ids.entry(*proposal)).await?.proposal.proposal_hash
            } else {
                content.iter().map(|byte| format!("{byte:02x}")).collect()
            };
            send!(house operator.approve_proposal(op::ApproveProposal::of(ids.entry(*proposal), hash)))
        }
        Command::RefuseProposal(RefuseProposal { proposal }) => {
            send!(house operator.refuse_proposal(op::RefuseProposal::of(ids.entry(*proposal))))
        }
        Command::WithdrawProposal(WithdrawProposal { proposal }) => {
            send!(house operator.withdraw_proposal(op::WithdrawProposal::of(ids.entry(*proposal))))
        }
        Command::SetFundingConsent(SetFundingConsent { funder, partner, granted, budget }) => {
            let (funder, partner) = (funder.as_str(), partner.as_str());
            let set = match granted {
                Some(false) => op::SetFundingConsent::withdraw(funder, partner),
                Some(true) | None => op::SetFundingConsent::give(funder, partner),
            };
            send!(house operator.set_funding_consent(with(set, *budget, |set, budget| set.budget(budget.0))))
        }
        Command::SetCalendar(SetCalendar { calendar, effective }) => {
            let set = sdk_calendar(calendar);
            send!(house operator.set_calendar(with(set, *effective, |set, time| set.effective(system_time(time)))))
        }
        Command::CloseWindow(_) => send!(house operator.close_window(op::CloseWindow::now())),
        Command::ConfirmSettlement(ConfirmSettlement { window }) => {
            send!(house operator.confirm_settlement(op::ConfirmSettlement::of(i64::from(*window))))
        }
        Command::ExportOrders(ExportOrders { window, mode, replace }) => {
            let mode = match mode {
                OrderMode::Hub => op::OrderMode::Hub,
                OrderMode::Pairwise => op::OrderMode::Pairwise,
            };
            let export = op::ExportOrders::of(i64::from(*window), mode);
            send!(operator.export_orders(if *replace { export.replace() } else { export }), |done| {
                assert_eq!(done.csv.lines().count(), done.orders.len() + 1, "{}", done.csv);
                Done::of_house(&ids, &done.written)
            })
        }
        Command::ConfirmPayment(ConfirmPayment { window, payment, amount, reference, value_date, line }) => {
            let window = i64::from(*window);
            let mut confirm = match payment {
                Payment::Hub(partner) => op::ConfirmPayment::hub(window, partner.as_str()),
                Payment::Pair { payer, payee } => {
                    op::ConfirmPayment::pair(window, payer.to_string(), payee.to_string())
                }
            };
            if let Some(amount) = amount {
                confirm = confirm.amount(sdk_money(client, *amount).await?);
            }
            let confirm = with(confirm, *value_date, |confirm, date| confirm.value_date(date.to_string()));
            let confirm = match (line, amount) {
                (Some(line), Some(amount)) => confirm.line(sdk_line(line), sdk_money(client, *amount).await?),
                (Some(_) | None, _) => confirm,
            };
            send!(house operator.confirm_payment(confirm.reference(reference)))
        }
        Command::AbortSettlement(AbortSettlement { window }) => {
            send!(house operator.abort_settlement(op::AbortSettlement::of(i64::from(*window))))
        }
        Command::Deposit(Deposit { fund, amount }) => {
            let amount = sdk_money(client, *amount).await?;
            send!(house operator.deposit(op::Deposit::account(fund.to_string(), amount)))
        }
        Command::WithdrawFunds(WithdrawFunds { fund, amount }) => {
            let amount = sdk_money(client, *amount).await?;
            send!(house operator.withdraw_funds(op::WithdrawFunds::account(fund.to_string(), amount)))
        }
        Command::ReceiveMoney(ReceiveMoney { partner, amount, line, window }) => {
            let partner = partner.map_or_else(String::new, |partner| partner.to_string());
            let receive = op::ReceiveMoney::of(partner, sdk_money(client, *amount).await?, sdk_line(line));
            send!(house operator.receive_money(with(receive, *window, |receive, window| receive.window(window.into()))))
        }
        Command::ApplyMoney(ApplyMoney { partner, amount, to, window, from: _ }) => {
            let to = match to {
                UsedFor::Leg => op::MoneyUse::Leg,
                UsedFor::Claim => op::MoneyUse::Claim,
                UsedFor::Advance => op::MoneyUse::Advance,
                UsedFor::Unapplied => op::MoneyUse::Unapplied,
            };
            let apply = op::ApplyMoney::of(partner.as_str(), sdk_money(client, *amount).await?, to);
            send!(house operator.apply_money(with(apply, *window, |apply, window| apply.window(window.into()))))
        }
        Command::UndoPayment(UndoPayment { payment, reason }) => {
            send!(house operator.undo_payment(op::UndoPayment::of(ids.entry(*payment), reason.as_str())))
        }
        Command::ReturnMoney(ReturnMoney { account, amount }) => {
            let amount = sdk_money(client, *amount).await?;
            send!(house operator.return_money(op::ReturnMoney::account(account.to_string(), amount)))
        }
        Command::ConfirmOrdered(ConfirmOrdered { partner, amount, line }) => {
            let partner = partner.map_or_else(String::new, |partner| partner.to_string());
            let confirm = op::ConfirmOrdered::of(partner, sdk_money(client, *amount).await?);
            let confirm = with(confirm, line.as_ref(), |confirm, line| confirm.line(sdk_line(line)));
            send!(house operator.confirm_ordered(confirm))
        }
        Command::ReturnPayment(ReturnPayment { payment, line }) => {
            let back = match payment {
                ReturnedPayment::Arrived(key) => op::ReturnPayment::arrived(sdk_line(key)),
                ReturnedPayment::PayOut(window, partner) => {
                    op::ReturnPayment::pay_out(i64::from(*window), partner.as_str())
                }
                ReturnedPayment::Ordered(entry) => op::ReturnPayment::ordered(ids.entry(*entry)),
            };
            let back = with(back, line.as_ref(), |back, line| back.line(sdk_line(line)));
            send!(house operator.return_payment(back))
        }
        Command::ReleaseOrders(ReleaseOrders { window, amount }) => {
            let mut release = op::ReleaseOrders::of(i64::from(*window));
            if let Some(amount) = amount {
                release = release.amount(sdk_money(client, *amount).await?);
            }
            send!(house operator.release_orders(release))
        }
        Command::CoverDefault(CoverDefault { window, partner }) => {
            send!(house operator.cover_default(op::CoverDefault::of(i64::from(*window), partner.as_str())))
        }
        Command::ShareLoss(ShareLoss { window, partner }) => {
            send!(house operator.share_loss(op::ShareLoss::of(i64::from(*window), partner.as_str())))
        }
        Command::RepayClaim(RepayClaim { partner, amount, penalty, line }) => {
            let mut repay = op::RepayClaim::of(partner.as_str(), sdk_money(client, *amount).await?);
            if !penalty.is_zero() {
                repay = repay.penalty(sdk_money(client, *penalty).await?);
            }
            send!(house operator.repay_claim(with(repay, line.as_ref(), |repay, line| repay.line(sdk_line(line)))))
        }
        Command::Charge(Charge { partner, amount, reason }) => {
            let charge = op::Charge::of(partner.as_str(), sdk_money(client, *amount).await?);
            let charge = with(charge, reason.as_ref(), |charge, reason| charge.reason(reason.as_str()));
            send!(house operator.charge(charge))
        }
        Command::Adjust(Adjust { payer, payee, amount, reason }) => {
            let amount = sdk_money(client, *amount).await?;
            send!(house operator.adjust(op::Adjust::of(payer.as_str(), payee.as_str(), amount, reason.as_str())))
        }
        Command::BookBankFee(BookBankFee { account, amount, interest, line }) => {
            let (account, amount) = (sdk_purpose(*account), sdk_money(client, *amount).await?);
            let line = sdk_line(line);
            let fee = if *interest {
                op::BookBankFee::interest(account, amount, line)
            } else {
                op::BookBankFee::taken(account, amount, line)
            };
            send!(house operator.book_bank_fee(fee))
        }
        Command::BookOwnTransfer(BookOwnTransfer { from, to, amount, line, arrived }) => {
            let (from, to) = (sdk_purpose(*from), sdk_purpose(*to));
            let (amount, line) = (sdk_money(client, *amount).await?, sdk_line(line));
            let transfer = if *arrived {
                op::BookOwnTransfer::arrived(from, to, amount, line)
            } else {
                op::BookOwnTransfer::left(from, to, amount, line)
            };
            send!(house operator.book_own_transfer(transfer))
        }
        Command::SetCover(SetCover { partner, security }) => {
            let mut set = op::SetCover::of(partner.as_str()).unsecured(sdk_money(client, security.unsecured).await?);
            for Guarantee { reference, amount, ends } in &security.guarantees {
                set = set.guarantee(reference, sdk_money(client, *amount).await?, system_time(*ends));
            }
            send!(house operator.set_cover(set))
        }
        Command::SetCharges(SetCharges { partner, charges }) => {
            let mut all = Vec::new();
            for ScheduledCharge { reason, amount, every, first, last } in charges {
                let every = match every {
                    Every::Month => op::ChargePeriod::Month,
                    Every::Quarter => op::ChargePeriod::Quarter,
                    Every::Year => op::ChargePeriod::Year,
                };
                let amount = sdk_money(client, *amount).await?;
                let charge = op::NewCharge::of(reason.as_str(), amount, every, first.to_string());
                all.push(with(charge, *last, |charge, last| charge.last(last.to_string())));
            }
            send!(house operator.set_charges(op::SetCharges::of(partner.as_str(), all)))
        }
        Command::RunDueWork(_)
        | Command::RunCharges(_)
        | Command::LowerCap(_)
        | Command::ForgetRequests(_)
        | Command::Enroll(_)
        | Command::Renew(_)
        | Command::RecoverPerson(_) => {
            panic!("nobody asks for {command:?}")
        }
    }
}

fn sdk_line(key: &BankKey) -> op::BankLine {
    let line = op::BankLine::of(&key.reference).own_account(&key.account);
    with(line, key.booked, |line, day| line.booked(day.to_string()))
}

fn sdk_purpose(purpose: BankPurpose) -> op::BankPurpose {
    match purpose {
        BankPurpose::Settlement => op::BankPurpose::Settlement,
        BankPurpose::Reserve => op::BankPurpose::Reserve,
        BankPurpose::Collateral => op::BankPurpose::Collateral,
        BankPurpose::Pool => op::BankPurpose::Pool,
    }
}

/// A request with what is given.
fn with<R, V>(request: R, value: Option<V>, change: impl FnOnce(R, V) -> R) -> R {
    match value {
        Some(value) => change(request, value),
        None => request,
    }
}

fn sdk_calendar(calendar: &Calendar) -> op::SetCalendar {
    let row = |row: &CutOffPattern| {
        let on_holiday = match row.on_holiday {
            OnHoliday::Keep => sdk::OnHoliday::Keep,
            OnHoliday::Before => sdk::OnHoliday::Before,
            OnHoliday::After => sdk::OnHoliday::After,
            OnHoliday::Skip => sdk::OnHoliday::Skip,
        };
        op::CutOffRow::cron(&row.cron_expression).on_holiday(on_holiday).days(row.advice_days, row.payment_days)
    };
    let weekend = calendar.weekend.iter().map(|day| sdk::Weekday::ALL[*day as usize]);
    let set = op::SetCalendar::of(calendar.cut_offs.iter().map(row)).time_zone(&calendar.time_zone).weekend(weekend);
    let set = set.holiday_rules(calendar.holiday_rules.iter().map(|rule| rule.as_str()));
    let set = set.holidays(calendar.holidays.iter().map(ToString::to_string));
    set.working_days(calendar.working_days.iter().map(ToString::to_string))
}

fn ids_of<'a>(ids: &Opaque, entries: impl Iterator<Item = &'a sdk::Entry>) -> Vec<EntryId> {
    entries.map(|entry| ids.opened_entry(&entry.entry_id).expect("an id of this house")).collect()
}

fn sdk_earn(Earn { points, expires, activates, funders }: &Earn) -> sdk::Earn {
    let earn = sdk::Earn::points(points.0);
    let earn = earn.funders(funders.iter().map(|(funder, weight)| (funder.as_str(), *weight)));
    let earn = with(earn, *expires, |earn, time| earn.expires(system_time(time)));
    with(earn, *activates, |earn, time| earn.activates(system_time(time)))
}

fn sdk_receipt(Receipt { store, till, date, number, .. }: &Receipt) -> sdk::Receipt {
    let receipt = sdk::Receipt::new(number.as_str(), date.to_string());
    match (store, till) {
        (Some(store), Some(till)) => receipt.till(store.as_str(), till.as_str()),
        (store, _) => with(receipt, store.as_ref(), |receipt, store| receipt.store(store.as_str())),
    }
}

/// An amount in the currency and at the scale of the house that the client asks.
async fn sdk_money(client: &Client, amount: Money) -> Result<sdk::Money, Error> {
    let info = client.server_info().await?;
    Ok(sdk::Money::new(info.currency_code, amount.text(info.scale).parse().expect("a number")))
}

async fn sdk_limits(client: &Client, limits: &Limits) -> Result<op::PartnerLimits, Error> {
    let mut wire = op::PartnerLimits::none();
    if let Some(cap) = limits.net_debit_cap {
        wire.net_debit_cap = Some(sdk_money(client, cap).await?.amount);
    }
    wire.outstanding_points = limits.outstanding_points.map(|points| points.0);
    wire.points_per_day = limits.points_per_day.map(|points| points.0);
    wire.points_per_member_per_day = limits.points_per_member_per_day.map(|points| points.0);
    wire.points_per_entry = limits.points_per_entry.map(|points| points.0);
    wire.transfer_points_per_entry = limits.transfer_points_per_entry.map(|points| points.0);
    wire.transfer_points_per_member_per_day = limits.transfer_points_per_member_per_day.map(|points| points.0);
    wire.redeem_points_per_member_per_day = limits.redeem_points_per_member_per_day.map(|points| points.0);
    wire.redeem_foreign_points_per_day = limits.redeem_foreign_points_per_day.map(|points| points.0);
    wire.cooling_seconds = limits.cooling_seconds.map(i64::from);
    Ok(wire)
}

fn sdk_holder(holder: core::Holder) -> sdk::Holder {
    let id = holder.id.to_string();
    match holder.kind {
        core::HolderKind::Partner => sdk::Holder::Partner(id),
        core::HolderKind::Operator => sdk::Holder::Operator(id),
        core::HolderKind::Auditor => sdk::Holder::Auditor(id),
    }
}

fn sdk_scope(scope: core::Scope) -> sdk::CredentialScope {
    match scope {
        core::Scope::Issue => sdk::CredentialScope::Issue,
        core::Scope::Accept => sdk::CredentialScope::Accept,
        core::Scope::Read => sdk::CredentialScope::Read,
        core::Scope::Settle => sdk::CredentialScope::Settle,
        core::Scope::App => sdk::CredentialScope::App,
        core::Scope::Credentials => sdk::CredentialScope::Credentials,
    }
}

fn sdk_device(device: &core::Device) -> sdk::Device {
    let code = |code: &Option<Code>| code.as_ref().map(|code| code.as_str().to_owned());
    let sdk = sdk::Device::named(device.name.as_str()).calls_per_second(device.calls_per_second.into());
    let sdk = with(sdk.connections_max(device.connections_max.into()), code(&device.store), sdk::Device::store);
    with(sdk, code(&device.till), sdk::Device::till)
}

fn sdk_terms(draft: &TermsDraft) -> op::TermsChange {
    let mut change = op::TermsChange::none();
    if let Some(funding) = draft.funding {
        change = change.funding(match funding {
            Funding::AtRedemption => op::Funding::AtRedemption,
            Funding::AtIssue => op::Funding::AtIssue,
            Funding::OnPayment => op::Funding::OnPayment,
        });
    }
    if let Some(price) = draft.price {
        change = change.price(price.decimal());
    }
    if let Some(value) = draft.value {
        change = change.value(value.decimal());
    }
    if let Some(reimbursement) = draft.reimbursement {
        change = change.reimbursement(reimbursement.decimal());
    }
    if let Some(fee) = draft.acceptance_fee {
        change = change.acceptance_fee(fee.decimal());
    }
    if let Some(bearer) = draft.fee_bearer {
        change = change.fee_bearer(match bearer {
            FeeBearer::Acceptor => op::FeeBearer::Acceptor,
            FeeBearer::Issuer => op::FeeBearer::Issuer,
        });
    }
    if let Some(breakage) = draft.breakage {
        change = change.breakage(op::BreakageSplit {
            reserve: breakage.reserve.decimal(),
            operator: breakage.operator.decimal(),
            issuer: breakage.issuer.decimal(),
        });
    }
    if let Some(days) = draft.return_days {
        change = change.return_days(days.map(i32::from));
    }
    if let Some(value) = draft.tender_value {
        change = change.tender_value(value.decimal());
    }
    if let Some(share) = draft.receipt_share {
        change = change.receipt_share(share.decimal());
    }
    if let Some(expiry) = draft.expiry {
        change = change.expiry(match expiry {
            ExpiryPolicy::None => op::Expiry::None,
            ExpiryPolicy::Fixed(time) => op::Expiry::Fixed(system_time(time)),
            ExpiryPolicy::Days(days) => op::Expiry::Days(days.into()),
            ExpiryPolicy::Months(months) => op::Expiry::Months(months.into()),
            ExpiryPolicy::EndOfMonth(months) => op::Expiry::EndOfMonth(months.into()),
            ExpiryPolicy::EndOfYear(years) => op::Expiry::EndOfYear(years.into()),
            ExpiryPolicy::InactiveDays(days) => op::Expiry::InactiveDays(days.into()),
        });
    }
    change
}
