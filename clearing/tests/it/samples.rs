//! One good request of each method, or several where one cannot show all that it may ask. The tests that go through every
//! method send them, so a new method needs one here and no line there.

use std::sync::atomic::{AtomicU32, Ordering};

use clearing_certs::Kind;
use clearing_core::command::Command;
use clearing_core::facts::coalition::House;
use clearing_core::rules::person::SetTwoPersonList;
use clearing_play::{BACKENDS, TestHouse, Wire};
use clearing_proto::{FILE_DESCRIPTOR_SET, v1};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, ReflectMessage as _, ServiceDescriptor, Value};
use prost_types::Timestamp;

use crate::access::{Role, lets_in};
use crate::credentials::{Newcomer, csr, new_key};
use crate::foreign::{self, Plain};

mod bank;

/// The methods of the interface.
pub fn methods() -> Vec<MethodDescriptor> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    // Those who enrol have no certificate, and a listener of their own (`credentials`).
    let served = |service: &ServiceDescriptor| {
        service.package_name() == "coalition.clearing.v1" && service.name() != "EnrolmentService"
    };
    let services = pool.services().filter(served);
    services.flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
}

/// The same request under another key, if it is asked for under one.
pub fn under_a_new_key(mut sent: DynamicMessage) -> Option<DynamicMessage> {
    let key = sent.descriptor().get_field_by_name("request_id").filter(|key| key.containing_oneof().is_none())?;
    sent.set_field(&key, Value::String(foreign::key()));
    Some(sent)
}

/// Makes requests to a house of partners A, B and C that is a sandbox, and does before what each of them speaks of.
pub struct Samples {
    /// The partner that sends them, if partners may.
    caller: &'static str,
    own: Wire,
    operator: Wire,
    /// Another approver of the operator, once there is one.
    second: Wire,
    a: Wire,
    c: Wire,
    /// Where new credentials are had.
    enrolled: Newcomer,
    currency_code: String,
    /// In seconds.
    now: i64,
}

/// The name of the second approver.
const SECOND: &str = "second";

/// All that can be taken off the list of two persons.
fn alone() -> Vec<String> {
    let names = Command::names_of_two().into_iter().filter(|name| !SetTwoPersonList::FOR_GOOD.contains(name));
    names.map(str::to_owned).collect()
}

/// What gives every card, receipt and partner a name of its own.
static NAMES: AtomicU32 = AtomicU32::new(1);

fn card(value: impl Into<String>) -> Option<v1::MemberRef> {
    let card = v1::Identifier { scheme: "card".to_owned(), value: value.into() };
    Some(v1::MemberRef { member: Some(v1::member_ref::Member::Identifier(card)) })
}

/// A change of a bank account can be stopped only where it waits for some days.
pub fn with_days(house: &mut House) {
    house.coalition.account_change_days = 3;
    house.coalition.pay_outs_wait = true;
}

impl Samples {
    /// Each of them can be sent once to a house [`with_days`], by this partner or, where partners may not call the method, by the operator.
    pub async fn of(test: &TestHouse, caller: &'static str) -> Self {
        let wire = |id| test.wire(Kind::Partner, id);
        let mut own = wire(caller);
        let info = own.info.get_server_info(v1::GetServerInfoRequest::default()).await.unwrap().into_inner();
        let now = info.server_time.unwrap().seconds;
        let (operator, a, c, currency_code) = (wire("operator"), wire("A"), wire("C"), info.currency_code);
        let (enrolled, second) = (Newcomer::to(test), test.wire(Kind::Operator, SECOND));
        let samples = Self { caller, own, operator, second, a, c, enrolled, currency_code, now };
        // A window that is closed, with orders.
        samples.exported().await;
        // Members who can pay what one operation may ask for, with points of the operator.
        for member in ["rich", "reserver", "giver", "reserver", "giver"] {
            let issue = samples.issuing(member, 1_000_000_000_000);
            samples.operator.clone().issues.issue_points(issue).await.unwrap();
        }
        samples
    }

    /// Who sends the samples of a method.
    pub fn caller_of(&self, method: &MethodDescriptor) -> &'static str {
        if lets_in(Role::Partner, method) { self.caller } else { "operator" }
    }

    /// The good requests of a method; none of one that is not known here.
    pub async fn good(&self, method: &MethodDescriptor) -> Vec<DynamicMessage> {
        let bytes = match method.parent_service().name() {
            "BankService" => self.of_bank(method.name()).await,
            "BankAccountService" => self.of_bank_account(method.name()).await,
            "CareService" => self.of_care(method.name()).await,
            "CredentialService" => self.of_credentials(method.name()).await,
            "PartnerService" => self.of_partners(method.name()).await,
            "PeopleService" | "ApprovalService" => self.of_people(method.name()).await,
            "SettlementService" => self.of_settlement(method.name()).await,
            "IssueService" | "TransferService" | "PurchaseService" | "ReversalService" | "RequestService" => {
                self.of_giving(method.name()).await
            }
            "RedemptionService" | "HoldService" => self.of_taking(method.name()).await,
            _ => self.of_reading(method.name()).await,
        };
        bytes.into_iter().map(|bytes| DynamicMessage::decode(method.input(), bytes.as_slice()).unwrap()).collect()
    }

    async fn of_credentials(&self, method: &str) -> Vec<Vec<u8>> {
        let device = v1::Device {
            name: self.name("till-"),
            store: "s1".to_owned(),
            till: "t1".to_owned(),
            calls_per_second: 20,
            connections_max: 2,
        };
        let invite = v1::NewInvite { invite_id: foreign::key(), secret_hash: vec![7; 32], device: Some(device) };
        let create = v1::CreateInvitesRequest {
            request_id: foreign::key(),
            holder: None,
            scopes: vec![v1::CredentialScope::Issue.into(), v1::CredentialScope::Read.into()],
            end_time: self.at(3600),
            invites: vec![invite],
        };
        let message = match method {
            "CreateInvites" => {
                let of_partner = self.named(create.clone());
                if self.caller == "operator" {
                    // A person says whom it invites.
                    return vec![of_partner.encode_to_vec()];
                }
                let invites = vec![v1::NewInvite { invite_id: foreign::key(), ..create.invites[0].clone() }];
                let named = v1::CreateInvitesRequest { request_id: foreign::key(), invites, ..of_partner };
                return vec![create.encode_to_vec(), named.encode_to_vec()];
            }
            "WithdrawInvites" => {
                let invite_ids = create.invites.iter().map(|invite| invite.invite_id.clone()).collect();
                self.own.clone().credentials.create_invites(self.named(create)).await.unwrap();
                v1::WithdrawInvitesRequest { request_id: foreign::key(), invite_ids }.encode_to_vec()
            }
            "ListInvites" => v1::ListInvitesRequest::default().encode_to_vec(),
            "ListCredentials" => v1::ListCredentialsRequest::default().encode_to_vec(),
            "RevokeCredentials" => {
                let (request_id, reason_code) = (foreign::key(), "sold".to_owned());
                let of = if self.caller == "operator" { &self.a } else { &self.own };
                let serials = vec![self.enrolled.enroll(of, None).await.serial];
                v1::RevokeCredentialsRequest { request_id, serials, holder: None, reason_code }.encode_to_vec()
            }
            "RenewCertificate" => v1::RenewCertificateRequest { csr: csr(&new_key()) }.encode_to_vec(),
            _ => return Vec::new(),
        };
        vec![message]
    }

    /// Invites of a partner: of the caller, or of A if it is none.
    fn named(&self, create: v1::CreateInvitesRequest) -> v1::CreateInvitesRequest {
        let id = if self.caller == "operator" { "A" } else { self.caller }.to_owned();
        let holder = Some(v1::Holder { kind: v1::HolderKind::Partner.into(), id });
        v1::CreateInvitesRequest { holder, ..create }
    }

    fn money(&self, amount: &str) -> Option<v1::Money> {
        Some(v1::Money { currency_code: self.currency_code.clone(), amount: amount.to_owned() })
    }

    fn name(&self, of: &str) -> String {
        format!("{of}{}", NAMES.fetch_add(1, Ordering::Relaxed))
    }

    fn at(&self, seconds: i64) -> Option<Timestamp> {
        Some(Timestamp { seconds: self.now + seconds, nanos: 0 })
    }

    fn issuing(&self, to: &str, points: i64) -> v1::IssuePointsRequest {
        v1::IssuePointsRequest {
            request_id: foreign::key(),
            member: card(to),
            points,
            ..v1::IssuePointsRequest::default()
        }
    }

    fn origin(&self) -> v1::Origin {
        v1::Origin {
            store: "s1".to_owned(),
            till: "t1".to_owned(),
            receipt_number: self.name("R-"),
            business_date: "2026-02-01".to_owned(),
            receipt_total: self.money("100.00"),
            ..v1::Origin::default()
        }
    }

    /// An issue of the caller: its entry.
    async fn issue(&self, to: &str, points: i64) -> v1::Entry {
        self.issue_as(self.issuing(to, points)).await
    }

    async fn issue_as(&self, issue: v1::IssuePointsRequest) -> v1::Entry {
        let written = self.own.clone().issues.issue_points(issue).await.unwrap().into_inner().written;
        written.unwrap().entries.remove(0)
    }

    fn redeeming(&self, from: &str, points: i64) -> v1::RedeemPointsRequest {
        v1::RedeemPointsRequest { request_id: foreign::key(), member: card(from), points, origin: None }
    }

    async fn redeem(&self, from: &str, points: i64) -> v1::Entry {
        let asked = self.redeeming(from, points);
        let answer = self.own.clone().redemptions.redeem_points(asked).await.unwrap();
        answer.into_inner().written.unwrap().entries.remove(0)
    }

    fn holding(&self, from: &str, points: i64) -> v1::AuthorizeRedemptionRequest {
        v1::AuthorizeRedemptionRequest {
            request_id: foreign::key(),
            member: card(from),
            points,
            lapse_time: self.at(3600),
            origin: None,
        }
    }

    async fn hold(&self, from: &str, points: i64) -> String {
        self.issue(from, points).await;
        let asked = self.holding(from, points);
        let answer = self.own.clone().holds.authorize_redemption(asked).await.unwrap();
        answer.into_inner().hold_id
    }

    /// A window that was closed, in which A owes C for 1,000 points.
    async fn closed(&self) -> i64 {
        let member = self.name("owed-");
        self.a.clone().issues.issue_points(self.issuing(&member, 1000)).await.unwrap();
        self.c.clone().redemptions.redeem_points(self.redeeming(&member, 1000)).await.unwrap();
        let close = v1::CloseWindowRequest { request_id: foreign::key() };
        let closed = self.operator.clone().settlement.close_window(close).await.unwrap().into_inner();
        closed.settlement.unwrap().window
    }

    async fn confirmed(&self) -> i64 {
        let window = self.closed().await;
        let confirm = v1::ConfirmSettlementRequest { request_id: foreign::key(), window };
        self.operator.clone().settlement.confirm_settlement(confirm).await.unwrap();
        window
    }

    async fn exported(&self) {
        let export = v1::ExportOrdersRequest {
            request_id: foreign::key(),
            window: self.confirmed().await,
            mode: v1::OrderMode::Hub.into(),
            replace: false,
        };
        self.operator.clone().settlement.export_orders(export).await.unwrap();
    }

    /// A member who owes points: they were reversed after they were spent.
    async fn debtor(&self) -> String {
        let member = self.name("debtor-");
        let entry = self.issue(&member, 5).await;
        self.redeem(&member, 5).await;
        let reverse = v1::ReverseIssueRequest {
            request_id: foreign::key(),
            target: Some(v1::reverse_issue_request::Target::IssueEntryId(entry.entry_id)),
            points: 5,
            ..v1::ReverseIssueRequest::default()
        };
        self.own.clone().reversals.reverse_issue(reverse).await.unwrap();
        member
    }

    /// A member that is frozen.
    async fn frozen(&self) -> String {
        let member = self.name("frozen-");
        self.issue(&member, 5).await;
        let freeze = v1::FreezeMemberRequest {
            request_id: foreign::key(),
            member: card(&member),
            reason_code: "R-1".to_owned(),
            end_time: None,
        };
        self.operator.clone().care.freeze_member(freeze).await.unwrap();
        member
    }

    async fn of_care(&self, method: &str) -> Vec<Vec<u8>> {
        let (request_id, reason_code) = (foreign::key(), "R-1".to_owned());
        let message = match method {
            "RunDecay" => v1::RunDecayRequest {
                request_id,
                member: card("rich"),
                rate: "0.000000001".to_owned(),
                period: self.name("p-"),
            }
            .encode_to_vec(),
            "DecayMembers" => v1::DecayMembersRequest {
                rate: "0.000000001".to_owned(),
                period: self.name("p-"),
                inactive_since_time: self.at(-1),
                ..v1::DecayMembersRequest::default()
            }
            .encode_to_vec(),
            "ExtendExpiry" => {
                let member = self.name("old-");
                let issue = v1::IssuePointsRequest { expire_time: self.at(86_400), ..self.issuing(&member, 1) };
                self.issue_as(issue).await;
                v1::ExtendExpiryRequest {
                    request_id,
                    member: card(member),
                    issuer_id: self.caller.to_owned(),
                    until_time: self.at(2 * 86_400),
                    expire_time: self.at(30 * 86_400),
                    reason_code,
                }
                .encode_to_vec()
            }
            "ReinstatePoints" => v1::ReinstatePointsRequest {
                request_id,
                member: card("rich"),
                funder_id: self.caller.to_owned(),
                points: 1,
                expire_time: None,
                reason_code,
            }
            .encode_to_vec(),
            "WriteOffDebt" => v1::WriteOffDebtRequest {
                request_id,
                member: card(self.debtor().await),
                creditor_id: self.caller.to_owned(),
                points: 1,
                reason_code,
            }
            .encode_to_vec(),
            "FreezeMember" => v1::FreezeMemberRequest {
                request_id,
                member: card(self.frozen().await),
                reason_code,
                end_time: self.at(86_400),
            }
            .encode_to_vec(),
            "UnfreezeMember" => {
                v1::UnfreezeMemberRequest { request_id, member: card(self.frozen().await), reason_code }.encode_to_vec()
            }
            _ => return Vec::new(),
        };
        vec![message]
    }

    async fn of_people(&self, method: &str) -> Vec<Vec<u8>> {
        let request_id = foreign::key();
        let clerk = vec![v1::PersonRole::Clerk.into()];
        let set = || v1::SetPersonRequest {
            request_id: foreign::key(),
            person_id: self.name("p"),
            roles: clerk.clone(),
            certificate_serial: String::new(),
        };
        let message = match method {
            "SetPerson" => set().encode_to_vec(),
            "SetTwoPersonList" => {
                // Each time another one: what is proposed is not proposed again.
                let number = NAMES.fetch_add(1, Ordering::Relaxed);
                let some = (0..).zip(alone()).filter(|(at, _)| number >> at & 1 == 0).map(|(_, name)| name);
                v1::SetTwoPersonListRequest { request_id, one_person_operations: some.collect() }.encode_to_vec()
            }
            "ListPeople" => v1::ListPeopleRequest::default().encode_to_vec(),
            "ListProposals" => v1::ListProposalsRequest::default().encode_to_vec(),
            _ => {
                self.be_two().await;
                // Who withdraws has asked for it, and who decides has not.
                let mut asker = if method == "WithdrawProposal" { self.operator.clone() } else { self.second.clone() };
                let proposal_id = asker.people.set_person(set()).await.unwrap().into_inner().proposal_id;
                let shown = v1::GetProposalRequest { proposal_id: proposal_id.clone() };
                let known = asker.approvals.get_proposal(shown.clone()).await.unwrap().into_inner().proposal.unwrap();
                match method {
                    "GetProposal" => shown.encode_to_vec(),
                    "ApproveProposal" => {
                        let proposal_hash = known.proposal_hash;
                        v1::ApproveProposalRequest { request_id, proposal_id, proposal_hash }.encode_to_vec()
                    }
                    "RefuseProposal" => v1::RefuseProposalRequest { request_id, proposal_id }.encode_to_vec(),
                    "WithdrawProposal" => v1::WithdrawProposalRequest { request_id, proposal_id }.encode_to_vec(),
                    _ => return Vec::new(),
                }
            }
        };
        vec![message]
    }

    /// Has a second approver, for whom nothing but people and the list itself is to wait.
    async fn be_two(&self) {
        let mut people = self.operator.clone().people;
        let listed = people.list_people(v1::ListPeopleRequest::default()).await.unwrap().into_inner();
        if listed.two_persons {
            return;
        }
        let list = v1::SetTwoPersonListRequest { request_id: foreign::key(), one_person_operations: alone() };
        people.set_two_person_list(list).await.unwrap();
        self.propose_person(SECOND, &[v1::PersonRole::Clerk, v1::PersonRole::Approver]).await;
    }

    /// Asks for the roles of a person. Gives the proposal that it became; empty where one person is enough.
    async fn propose_person(&self, name: &str, roles: &[v1::PersonRole]) -> String {
        // Made by hand, as all certificates here.
        let certificate_serial = if roles.contains(&v1::PersonRole::Approver) { "b0" } else { "" }.to_owned();
        let (person_id, roles) = (name.to_owned(), roles.iter().map(|role| i32::from(*role)).collect());
        let set = v1::SetPersonRequest { request_id: foreign::key(), person_id, roles, certificate_serial };
        self.operator.clone().people.set_person(set).await.unwrap().into_inner().proposal_id
    }

    /// Gives a person these roles, as two.
    pub async fn set_person(&self, name: &str, roles: &[v1::PersonRole]) {
        self.be_two().await;
        let proposal_id = self.propose_person(name, roles).await;
        let mut approvals = self.second.clone().approvals;
        let shown = v1::GetProposalRequest { proposal_id: proposal_id.clone() };
        let shown = approvals.get_proposal(shown).await.unwrap().into_inner();
        let (request_id, proposal_hash) = (foreign::key(), shown.proposal.unwrap().proposal_hash);
        let approve = v1::ApproveProposalRequest { request_id, proposal_id, proposal_hash };
        approvals.approve_proposal(approve).await.unwrap();
    }

    async fn of_partners(&self, method: &str) -> Vec<Vec<u8>> {
        let text = str::to_owned;
        let create = v1::CreatePartnerRequest {
            request_id: foreign::key(),
            partner_id: self.name("P"),
            ..v1::CreatePartnerRequest::default()
        };
        if method == "CreatePartner" {
            return vec![create.encode_to_vec()];
        }
        // What is set of a partner is set of one that nobody else needs.
        let (request_id, partner_id) = (foreign::key(), create.partner_id.clone());
        self.operator.clone().partners.create_partner(create).await.unwrap();
        let message = match method {
            "SetTerms" => {
                let breakage = v1::BreakageSplit { reserve: text("0.5"), operator: text("0.3"), issuer: text("0.2") };
                let expiry = v1::ExpiryPolicy { kind: v1::ExpiryKind::Months.into(), count: 12, fixed_time: None };
                let terms = v1::TermsChange {
                    breakage: Some(breakage),
                    expiry: Some(expiry),
                    return_period: Some(v1::ReturnPeriod { days: Some(30) }),
                    ..v1::TermsChange::default()
                };
                v1::SetTermsRequest { request_id, partner_id, terms: Some(terms), effective_time: None }.encode_to_vec()
            }
            "SetPartnerState" => {
                let state = v1::PartnerState::Restricted.into();
                v1::SetPartnerStateRequest { request_id, partner_id, state }.encode_to_vec()
            }
            "RenamePartner" => {
                let display_name = "Green Grocer".to_owned();
                v1::RenamePartnerRequest { request_id, partner_id, display_name }.encode_to_vec()
            }
            "SetLimits" => {
                let limits = v1::PartnerLimits { points_per_day: Some(1), ..v1::PartnerLimits::default() };
                v1::SetLimitsRequest { request_id, partner_id, limits: Some(limits) }.encode_to_vec()
            }
            "SetFundingConsent" => {
                let (funder_id, given) = ("A".to_owned(), true);
                v1::SetFundingConsentRequest { request_id, funder_id, partner_id, given, budget_points: None }
                    .encode_to_vec()
            }
            "SetLegalRecord" => {
                let tax_id = v1::TaxId { scheme: text("RU_INN"), value: text("7707083893") };
                let address = v1::Address { town: text("Bonn"), country_code: text("DE"), ..v1::Address::default() };
                let record =
                    v1::LegalRecord { legal_name: text("Grocer GmbH"), tax_ids: vec![tax_id], address: Some(address) };
                v1::SetLegalRecordRequest { request_id, partner_id, legal_record: Some(record) }.encode_to_vec()
            }
            "SetCover" => {
                let (reference, amount, end_time) = (self.name("BG-"), self.money("1.00"), self.at(86_400));
                let guarantees = vec![v1::Guarantee { reference, amount, end_time }];
                let cover = Some(v1::Cover { unsecured_amount: self.money("1.00"), guarantees });
                v1::SetCoverRequest { request_id, partner_id, cover }.encode_to_vec()
            }
            "SetCharges" => {
                let charge = v1::ScheduledCharge {
                    reason_code: text("licence"),
                    amount: self.money("1.00"),
                    every: v1::ChargePeriod::Month.into(),
                    first_date: text("2026-01-31"),
                    last_date: text("2090-12-31"),
                    ..v1::ScheduledCharge::default()
                };
                v1::SetChargesRequest { request_id, partner_id, charges: vec![charge] }.encode_to_vec()
            }
            "ListCharges" => v1::ListChargesRequest { partner_id }.encode_to_vec(),
            "SetGroup" => v1::SetGroupRequest { request_id, partner_id, group_id: text("retail") }.encode_to_vec(),
            "GetPartner" => v1::GetPartnerRequest { partner_id }.encode_to_vec(),
            "ListPartners" => v1::ListPartnersRequest::default().encode_to_vec(),
            _ => return Vec::new(),
        };
        vec![message]
    }

    /// Of the caller's own account, which the operator's people may have as well.
    async fn of_bank_account(&self, method: &str) -> Vec<Vec<u8>> {
        let (request_id, partner_id) = (foreign::key(), self.caller.to_owned());
        let number = v1::bank_account::Number::Iban("DE89370400440532013000".to_owned());
        let (number, holder) = (Some(number), "Grocer GmbH".to_owned());
        let account = v1::BankAccount { number, holder, bank_name: String::new() };
        let set = v1::SetBankAccountRequest {
            request_id: request_id.clone(),
            partner_id: partner_id.clone(),
            bank_account: Some(account),
        };
        let message = match method {
            "SetBankAccount" => {
                let of_russia = v1::NationalAccount {
                    country_code: "RU".to_owned(),
                    bank_code: "044525225".to_owned(),
                    account_number: "40702810838000110017".to_owned(),
                    correspondent_account_number: "30101810400000000225".to_owned(),
                };
                let mut by_code = v1::SetBankAccountRequest { request_id: foreign::key(), ..set.clone() };
                let account = by_code.bank_account.as_mut().expect("it is set above");
                account.number = Some(v1::bank_account::Number::National(of_russia));
                return vec![set.encode_to_vec(), by_code.encode_to_vec()];
            }
            "StopBankAccountChange" => {
                let set = self.own.clone().bank_accounts.set_bank_account(set).await.unwrap().into_inner();
                let (version, reason_code) = (set.version.unwrap().version, "not-ours".to_owned());
                let request_id = foreign::key();
                v1::StopBankAccountChangeRequest { request_id, partner_id, version, reason_code }.encode_to_vec()
            }
            "ListBankAccounts" => v1::ListBankAccountsRequest::default().encode_to_vec(),
            _ => return Vec::new(),
        };
        vec![message]
    }

    async fn of_settlement(&self, method: &str) -> Vec<Vec<u8>> {
        use v1::confirm_payment_request::Payment;
        let request_id = foreign::key();
        let message = match method {
            "CloseWindow" => v1::CloseWindowRequest { request_id }.encode_to_vec(),
            "PreviewSettlement" => v1::PreviewSettlementRequest::default().encode_to_vec(),
            "ConfirmSettlement" => {
                v1::ConfirmSettlementRequest { request_id, window: self.closed().await }.encode_to_vec()
            }
            "ExportOrders" => {
                let (window, mode) = (self.confirmed().await, v1::OrderMode::Hub.into());
                v1::ExportOrdersRequest { request_id, window, mode, replace: false }.encode_to_vec()
            }
            "ConfirmPayment" => {
                let pair = v1::PaymentPair { payer: "A".to_owned(), payee: "C".to_owned() };
                let (window, partner_id) = self.unpaid().await;
                let of_line = (Payment::PartnerId(partner_id), window, self.money("1000.00"), self.line());
                let by_hand = [Payment::PartnerId("A".to_owned()), Payment::Pair(pair)];
                let mut payments = Vec::new();
                for payment in by_hand {
                    payments.push((payment, self.confirmed().await, None, None));
                }
                payments.insert(1, of_line);
                let message = |(payment, window, amount, line)| {
                    let (request_id, payment) = (foreign::key(), Some(payment));
                    let confirm =
                        v1::ConfirmPaymentRequest { request_id, window, payment, amount, line, ..Default::default() };
                    confirm.encode_to_vec()
                };
                return payments.into_iter().map(message).collect();
            }
            "AbortSettlement" => v1::AbortSettlementRequest { request_id, window: self.closed().await }.encode_to_vec(),
            "ReleaseOrders" => {
                let (window, partner_id) = self.unpaid().await;
                self.applied(&partner_id, window).await;
                let (mode, replace) = (v1::OrderMode::Hub.into(), false);
                let export = v1::ExportOrdersRequest { request_id: foreign::key(), window, mode, replace };
                self.operator.clone().settlement.export_orders(export).await.unwrap();
                v1::ReleaseOrdersRequest { request_id, window, amount: self.money("1.00") }.encode_to_vec()
            }
            "CoverDefault" => {
                let (window, partner_id) = self.unpaid().await;
                v1::CoverDefaultRequest { request_id, window, partner_id }.encode_to_vec()
            }
            "ShareLoss" => {
                let (window, partner_id) = self.unpaid().await;
                v1::ShareLossRequest { request_id, window, partner_id }.encode_to_vec()
            }
            "RepayClaim" => {
                let (window, partner_id) = self.unpaid().await;
                let (key, whose) = (foreign::key(), partner_id.clone());
                let cover = v1::CoverDefaultRequest { request_id: key, window, partner_id: whose };
                self.operator.clone().settlement.cover_default(cover).await.unwrap();
                let [amount, penalty_amount] = ["2.00", "1.00"].map(|amount| self.money(amount));
                v1::RepayClaimRequest { request_id, partner_id, amount, penalty_amount, line: self.line() }
                    .encode_to_vec()
            }
            "Charge" => {
                let (partner_id, reason_code) = ("A".to_owned(), "licence".to_owned());
                v1::ChargeRequest { request_id, partner_id, amount: self.money("1.00"), reason_code }.encode_to_vec()
            }
            "Adjust" => v1::AdjustRequest {
                request_id,
                payer_id: "A".to_owned(),
                payee_id: "C".to_owned(),
                amount: self.money("1.00"),
                reason_code: "agreed".to_owned(),
            }
            .encode_to_vec(),
            "Deposit" => v1::DepositRequest { request_id, account: "reserve".to_owned(), amount: self.money("1.00") }
                .encode_to_vec(),
            "WithdrawFunds" => {
                for account in ["reserve", "collateral:A"] {
                    let (request_id, account) = (foreign::key(), account.to_owned());
                    let deposit = v1::DepositRequest { request_id, account, amount: self.money("1.00") };
                    self.operator.clone().settlement.deposit(deposit).await.unwrap();
                }
                let (account, amount) = ("reserve".to_owned(), self.money("1.00"));
                v1::WithdrawFundsRequest { request_id, account, amount }.encode_to_vec()
            }
            "SetCalendar" => {
                let cron_expression = "0 0 1 1 *".to_owned();
                let row = v1::CutOffPattern { cron_expression, payment_days: 30, ..Default::default() };
                let calendar = Some(v1::Calendar {
                    cut_offs: vec![row],
                    weekend: vec![v1::Weekday::Sunday.into()],
                    holidays: vec!["2026-05-11".to_owned()],
                    working_days: vec!["2026-11-07".to_owned()],
                    ..Default::default()
                });
                v1::SetCalendarRequest { request_id, calendar, effective_time: None }.encode_to_vec()
            }
            _ => return Vec::new(),
        };
        vec![message]
    }

    async fn of_giving(&self, method: &str) -> Vec<Vec<u8>> {
        let request_id = foreign::key();
        let funders = || vec![v1::Funder { partner_id: self.caller.to_owned(), weight: 1 }];
        match method {
            "IssuePoints" => {
                let issue = v1::IssuePointsRequest {
                    origin: Some(self.origin()),
                    funders: funders(),
                    ..self.issuing("rich", 1)
                };
                vec![issue.encode_to_vec()]
            }
            "BatchIssuePoints" => {
                let items = vec![self.issuing("batch", 1), self.issuing("rich", 2)];
                vec![v1::BatchIssuePointsRequest { items }.encode_to_vec()]
            }
            "StreamIssuePoints" => {
                let items = vec![self.issuing("batch", 1), self.issuing("rich", 2)];
                vec![v1::StreamIssuePointsRequest { batch_number: 1, items }.encode_to_vec()]
            }
            "TransferPoints" => {
                self.issue("giver", 1).await;
                let transfer = v1::TransferPointsRequest {
                    request_id,
                    member: card("giver"),
                    to_member: card("getter"),
                    points: 1,
                    origin: None,
                    enrol_receiver: true,
                };
                vec![transfer.encode_to_vec()]
            }
            "PostPurchase" => {
                use v1::purchase_spend::Source;
                let member = self.name("buyer-");
                let hold_id = self.hold(&member, 5).await;
                let captures = Source::Capture(v1::HoldCapture { hold_id, points: 5 });
                let earn = v1::PurchaseEarn { points: 1, funders: funders(), ..v1::PurchaseEarn::default() };
                let purchase = |member, source| v1::PostPurchaseRequest {
                    request_id: foreign::key(),
                    member,
                    spend: Some(v1::PurchaseSpend { source: Some(source) }),
                    earn: Some(earn.clone()),
                    origin: None,
                };
                let captures = purchase(card(member), captures);
                let redeems = purchase(card("rich"), Source::RedeemPoints(1));
                let redeems = v1::PostPurchaseRequest { origin: Some(self.origin()), ..redeems };
                vec![captures.encode_to_vec(), redeems.encode_to_vec()]
            }
            "ReturnPurchase" => {
                let issue_entry_id = self.issue("rich", 10).await.entry_id;
                let (returned_amount, receipt_total) = (self.money("10.00"), self.money("10.00"));
                let of_issue = v1::ReturnPurchaseRequest {
                    request_id,
                    issue_entry_id,
                    returned_amount,
                    receipt_total,
                    ..v1::ReturnPurchaseRequest::default()
                };
                let of_both = v1::ReturnPurchaseRequest {
                    request_id: foreign::key(),
                    redemption_entry_id: self.redeem("rich", 10).await.entry_id,
                    issue_entry_id: self.issue("rich", 10).await.entry_id,
                    returned_amount: self.money("5.00"),
                    ..of_issue.clone()
                };
                vec![of_issue.encode_to_vec(), of_both.encode_to_vec()]
            }
            "ReverseIssue" => {
                use v1::reverse_issue_request::Target;
                let member = self.name("back-");
                let origin = self.origin();
                let receipt = v1::ReceiptRef {
                    store: origin.store.clone(),
                    till: origin.till.clone(),
                    receipt_number: origin.receipt_number.clone(),
                    business_date: origin.business_date.clone(),
                };
                let issue = v1::IssuePointsRequest { origin: Some(origin), ..self.issuing(&member, 5) };
                let entry = self.issue_as(issue).await;
                let newest = self.name("back-");
                self.issue(&newest, 5).await;
                let newest = card(newest).unwrap();
                let targets =
                    [Target::IssueEntryId(entry.entry_id), Target::Receipt(receipt), Target::NewestOfMember(newest)];
                let reverse = |target| v1::ReverseIssueRequest {
                    request_id: foreign::key(),
                    target: Some(target),
                    points: 1,
                    ..v1::ReverseIssueRequest::default()
                };
                targets.into_iter().map(|target| reverse(target).encode_to_vec()).collect()
            }
            "AbandonRequest" => {
                let unwanted = self.issuing("rich", 7);
                let accepted = unwanted.request_id.clone();
                self.issue_as(unwanted).await;
                let abandon = |abandoned_request_id| v1::AbandonRequestRequest {
                    request_id: foreign::key(),
                    abandoned_request_id,
                    member: card("rich"),
                    origin: None,
                };
                // One that the house has not seen, and one that it undoes.
                [foreign::key(), accepted].map(|request| abandon(request).encode_to_vec()).to_vec()
            }
            _ => Vec::new(),
        }
    }

    async fn of_taking(&self, method: &str) -> Vec<Vec<u8>> {
        let request_id = foreign::key();
        let message = match method {
            "QuoteRedemption" => {
                let quote =
                    v1::QuoteRedemptionRequest { member: card("rich"), ..v1::QuoteRedemptionRequest::default() };
                let by_points = v1::QuoteRedemptionRequest { points: 1, ..quote.clone() };
                let by_amount = v1::QuoteRedemptionRequest { amount: self.money("1.00"), ..quote };
                return vec![by_points.encode_to_vec(), by_amount.encode_to_vec()];
            }
            "RedeemPoints" => self.redeeming("rich", 1).encode_to_vec(),
            "ReturnRedemption" => {
                let member = self.name("returner-");
                self.issue(&member, 5).await;
                let redemption_entry_id = self.redeem(&member, 5).await.entry_id;
                v1::ReturnRedemptionRequest { request_id, redemption_entry_id, points: 1, origin: None }.encode_to_vec()
            }
            "AuthorizeRedemption" => {
                self.issue("reserver", 1).await;
                self.holding("reserver", 1).encode_to_vec()
            }
            "CaptureHold" => {
                let hold_id = self.hold(&self.name("holder-"), 5).await;
                v1::CaptureHoldRequest { request_id, hold_id, points: 1, origin: None }.encode_to_vec()
            }
            "VoidHold" => {
                let hold_id = self.hold(&self.name("holder-"), 5).await;
                v1::VoidHoldRequest { request_id, hold_id, origin: None }.encode_to_vec()
            }
            "GetHold" => v1::GetHoldRequest { hold_id: self.hold(&self.name("holder-"), 5).await }.encode_to_vec(),
            _ => return Vec::new(),
        };
        vec![message]
    }

    async fn of_reading(&self, method: &str) -> Vec<Vec<u8>> {
        use v1::get_entry_request::Key;
        let message = match method {
            "GetEntry" => {
                let issue = self.issuing("rich", 1);
                let request_id = issue.request_id.clone();
                let keys = [Key::EntryId(self.issue_as(issue).await.entry_id), Key::RequestId(request_id)];
                return keys.map(|key| v1::GetEntryRequest { key: Some(key) }.encode_to_vec()).to_vec();
            }
            "ListEntries" => {
                v1::ListEntriesRequest { member: card("rich"), ..v1::ListEntriesRequest::default() }.encode_to_vec()
            }
            "GetBalance" => v1::GetBalanceRequest { member: card("rich") }.encode_to_vec(),
            "ListExpiryNotices" => v1::ListExpiryNoticesRequest::default().encode_to_vec(),
            "ListAllExpiryNotices" => v1::ListAllExpiryNoticesRequest::default().encode_to_vec(),
            "GetPosition" => v1::GetPositionRequest::default().encode_to_vec(),
            "ListWindows" => v1::ListWindowsRequest::default().encode_to_vec(),
            "GetCalendar" => v1::GetCalendarRequest::default().encode_to_vec(),
            "GetStatement" => v1::GetStatementRequest::default().encode_to_vec(),
            "ExplainLeg" => v1::ExplainLegRequest { window: 1, ..v1::ExplainLegRequest::default() }.encode_to_vec(),
            "ListObligations" => v1::ListObligationsRequest::default().encode_to_vec(),
            "ListOrders" => v1::ListOrdersRequest { window: 1, ..v1::ListOrdersRequest::default() }.encode_to_vec(),
            "FindReceipt" => v1::FindReceiptRequest {
                receipt_number: "R-1".to_owned(),
                business_date: "2026-02-01".to_owned(),
                ..v1::FindReceiptRequest::default()
            }
            .encode_to_vec(),
            "ReconcileDay" => v1::ReconcileDayRequest {
                store: "s1".to_owned(),
                business_date: "2026-02-01".to_owned(),
                counted: Some(v1::DayTotals {
                    issued: Some(v1::Tally { count: 1, points: 1 }),
                    ..v1::DayTotals::default()
                }),
                ..v1::ReconcileDayRequest::default()
            }
            .encode_to_vec(),
            "TrialBalance" => v1::TrialBalanceRequest::default().encode_to_vec(),
            "CoverReport" => v1::CoverReportRequest::default().encode_to_vec(),
            "NettingReport" => v1::NettingReportRequest::default().encode_to_vec(),
            "ListAdminActions" => v1::ListAdminActionsRequest::default().encode_to_vec(),
            "ListJournalEntries" => v1::ListJournalEntriesRequest::default().encode_to_vec(),
            "FindEntries" => {
                let by_member = v1::FindEntriesRequest { member: card("rich"), ..v1::FindEntriesRequest::default() };
                let all = v1::FindEntriesRequest {
                    partner_id: "A".to_owned(),
                    store: "s1".to_owned(),
                    till: "t1".to_owned(),
                    receipt_number: "R-1".to_owned(),
                    business_date: "2026-02-01".to_owned(),
                    kind: v1::EntryKind::Issue.into(),
                    ..by_member.clone()
                };
                return vec![by_member.encode_to_vec(), all.encode_to_vec()];
            }
            "ListMembers" => v1::ListMembersRequest::default().encode_to_vec(),
            "GetServerInfo" => v1::GetServerInfoRequest::default().encode_to_vec(),
            "GetClock" => v1::GetClockRequest::default().encode_to_vec(),
            "AdvanceClock" => v1::AdvanceClockRequest { to_time: self.at(0) }.encode_to_vec(),
            _ => return Vec::new(),
        };
        vec![message]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_has_a_sample_and_each_sample_is_taken() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, with_days).await;
        let mut callers = Plain::partners(&test, ["C", "operator"]).await;
        for of in ["C", "operator"] {
            let samples = Samples::of(&test, of).await;
            for method in methods() {
                let (caller, sent) = (samples.caller_of(&method), samples.good(&method).await);
                assert!(!sent.is_empty(), "{} has no sample", method.full_name());
                for sample in sent {
                    let answer = callers.get_mut(caller).unwrap().ask(&method, &sample).await;
                    assert!(answer.is_ok(), "{} by {caller}: {sample}: {answer:?}", method.full_name());
                }
            }
        }
        test.end().await;
    }
}
