//! Who may ask what: every call against every role, and no partner near what is another's.

use clearing::coalition_file::FIRST_PERSON;
use clearing_certs::Kind;
use clearing_play::{BACKENDS, TestHouse};
use clearing_proto::v1;
use partner_sdk::operator::{PartnerState, SetPartnerState};
use partner_sdk::{
    Abandon, Authorize, Capture, Decimal, Earn, EntryFilter, Error, Issue, MemberRef, Money, Origin, Outcome, Purchase,
    Receipt, Redeem, RequestId, ReturnPurchase, ReturnRedemption, Reverse, Transfer, Void,
};
use prost_reflect::{DynamicMessage, MethodDescriptor, Value};
use tonic::{Code, Status};

use crate::foreign::Plain;
use crate::samples::{Samples, methods, with_days};

/// What a certificate makes of whoever shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Partner,
    /// The operator as a brand.
    Brand,
    Auditor,
    /// A person of the operator with this role alone.
    Clerk,
    Approver,
    Support,
    /// With the role of an auditor.
    Reader,
    /// A person of the operator whose roles were taken.
    Nobody,
    /// A person of the operator that the coalition never had.
    Unknown,
    /// A partner that the coalition does not have.
    Stranger,
    /// The first person, with the roles that it was made with.
    Operator,
}

use Role::{Approver, Auditor, Brand, Clerk, Nobody, Operator, Partner, Reader, Stranger, Support, Unknown};

/// Everybody. Whoever is refused asks first, since that leaves a sample as it was.
const CALLERS: [(Role, Kind, &str); 11] = [
    (Stranger, Kind::Partner, "stranger"),
    (Unknown, Kind::Operator, "newcomer"),
    (Nobody, Kind::Operator, "nobody"),
    (Auditor, Kind::Auditor, "eve"),
    (Reader, Kind::Operator, "reader"),
    (Support, Kind::Operator, "support"),
    (Brand, Kind::Partner, "operator"),
    (Partner, Kind::Partner, "A"),
    (Approver, Kind::Operator, "approver"),
    (Clerk, Kind::Operator, "clerk"),
    (Operator, Kind::Operator, FIRST_PERSON),
];

/// The people among them, with the roles that they get.
const PEOPLE: [(&str, &[v1::PersonRole]); 5] = [
    ("nobody", &[]),
    ("reader", &[v1::PersonRole::Auditor]),
    ("support", &[v1::PersonRole::Support]),
    ("approver", &[v1::PersonRole::Approver]),
    ("clerk", &[v1::PersonRole::Clerk]),
];

/// Who reads what is not of one partner alone.
const READERS: &[Role] = &[Auditor, Clerk, Approver, Reader];

/// Whom the methods of each service let in: the operator as a brand with the partners, and the first person with each of its
/// roles. One without a line fails the test.
const SERVICES: &[(&str, &[Role])] = &[
    ("IssueService", &[Partner, Clerk]),
    ("RedemptionService", &[Partner, Clerk]),
    ("HoldService", &[Partner, Clerk]),
    ("PurchaseService", &[Partner, Clerk]),
    ("ReversalService", &[Partner, Clerk]),
    ("TransferService", &[Partner, Clerk]),
    ("RequestService", &[Partner, Clerk]),
    ("EntryService", &[Partner, Clerk]),
    ("ReceiptService", &[Partner, Clerk]),
    ("MemberService", &[Partner, Clerk, Approver, Support, Reader]),
    ("NoticeService", &[Partner, Clerk]),
    ("PositionService", &[Partner, Auditor, Clerk, Approver, Reader]),
    ("PartnerService", &[Clerk]),
    ("PeopleService", &[Clerk]),
    ("ApprovalService", &[Approver]),
    ("CareService", &[Clerk, Support]),
    ("SettlementService", &[Clerk]),
    ("CredentialService", &[Partner, Clerk]),
    ("BankAccountService", &[Partner, Clerk]),
    ("ReportService", READERS),
    ("AdminService", READERS),
    ("InfoService", &[Partner, Auditor, Clerk, Approver, Support, Reader]),
    ("SandboxService", &[Partner, Auditor, Clerk, Approver, Reader]),
];

/// Methods that let in others than their service does.
const EXCEPTIONS: &[(&str, &[Role])] = &[
    ("PreviewSettlement", READERS),
    ("ListPartners", READERS),
    ("GetPartner", READERS),
    ("StopBankAccountChange", &[Partner, Clerk, Approver]),
    ("ListBankAccounts", &[Partner, Auditor, Clerk, Approver, Reader]),
    ("RunDecay", &[Clerk]),
    ("DecayMembers", &[Clerk]),
    ("ListPeople", READERS),
    ("ListProposals", &[Auditor, Clerk, Approver, Support, Reader]),
    ("GetProposal", &[Auditor, Clerk, Approver, Support, Reader]),
    ("WithdrawProposal", &[Clerk, Approver, Support]),
    ("FindEntries", &[Auditor, Clerk, Approver, Support, Reader]),
    ("ListMembers", &[Auditor, Clerk, Approver, Support, Reader]),
    ("GetEntry", &[Partner, Auditor, Clerk, Approver, Reader]),
    ("ListInvites", &[Partner, Auditor, Clerk, Approver, Reader]),
    ("ListCredentials", &[Partner, Auditor, Clerk, Approver, Reader]),
    ("WithdrawInvites", &[Partner, Clerk, Approver]),
    ("RevokeCredentials", &[Partner, Clerk, Approver]),
    ("RenewCertificate", &[Partner, Auditor, Clerk, Approver, Support, Reader]),
];

/// Whether a role may call a method at all.
pub fn lets_in(role: Role, method: &MethodDescriptor) -> bool {
    let exception = EXCEPTIONS.iter().find(|(name, _)| *name == method.name());
    let (_, roles) = exception.unwrap_or_else(|| line_of(method));
    let with_the_roles_of = |roles_of: &[Role]| roles_of.iter().any(|role| roles.contains(role));
    if role == Brand {
        // After the operator's certificates and bank accounts its people look.
        let kept = ["CreateInvites", "WithdrawInvites", "RevokeCredentials", "SetBankAccount", "StopBankAccountChange"];
        let keeps = kept.contains(&method.name());
        with_the_roles_of(&[Partner]) && !keeps
    } else if role == Operator {
        with_the_roles_of(&[Clerk, Approver, Support])
    } else {
        roles.contains(&role)
    }
}

fn line_of(method: &MethodDescriptor) -> &'static (&'static str, &'static [Role]) {
    let service = method.parent_service();
    let line = SERVICES.iter().find(|(name, _)| *name == service.name());
    line.unwrap_or_else(|| panic!("{} has no line here", service.name()))
}

/// Whether who called may ask this: it was let in at the door, and behind the gate its roles were no reason to refuse it.
fn was_let_in(answer: &Result<&str, Status>) -> bool {
    let Err(status) = answer else { return true };
    let code = status.code();
    let is_known = ![Code::Unauthenticated, Code::Unimplemented].contains(&code);
    assert!(is_known, "the certificate and the path are good: {answer:?}");
    code != Code::PermissionDenied && !status.message().contains("is for the roles")
}

/// A sample as it is; if partners read by it of themselves, also about A and about B, whom it then names. Of what has an effect
/// the rules say whose matter it is.
fn about_partners(method: &MethodDescriptor, sample: DynamicMessage) -> Vec<(Option<&'static str>, DynamicMessage)> {
    let reads = method.input().get_field_by_name("request_id").is_none() && lets_in(Partner, method);
    let whose = method.input().get_field_by_name("partner_id").filter(|_| reads);
    let about = |partner: &'static str| {
        let mut sent = sample.clone();
        sent.set_field(whose.as_ref()?, Value::String(partner.to_owned()));
        Some((Some(partner), sent))
    };
    let named: Vec<_> = ["A", "B"].into_iter().filter_map(about).collect();
    [vec![(None, sample)], named].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_open_to_the_roles_it_is_meant_for_and_to_no_other() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, with_days).await;
        let samples = Samples::of(&test, "A").await;
        for (name, roles) in PEOPLE {
            samples.set_person(name, roles).await;
        }
        let (mut wrong, mut about_another) = (Vec::new(), 0);
        let mut callers = Vec::new();
        for (role, kind, id) in CALLERS {
            let caller = if role == Brand {
                Plain::with(test.server.local_addr(), test.identities.tls_as_brand()).await
            } else {
                Plain::connect(&test, kind, id).await
            };
            callers.push((role, id, caller));
        }
        for method in methods() {
            let sample = samples.good(&method).await.swap_remove(0);
            for (named, sent) in about_partners(&method, sample) {
                // A partner sees its own books only.
                let another = |role, id| [Partner, Brand].contains(&role) && named.is_some_and(|named| named != id);
                about_another += callers.iter().filter(|(role, id, _)| another(*role, *id)).count();
                let is_open = |role, id| lets_in(role, &method) && !another(role, id);
                let (open, refused): (Vec<_>, Vec<_>) =
                    callers.iter_mut().partition(|(role, id, _)| is_open(*role, *id));
                // Those who are refused ask at once: before the house says no, it looks whether it knows too little.
                let refused =
                    refused.into_iter().map(async |(role, _, caller)| (*role, caller.ask(&method, &sent).await));
                let mut answers = futures::future::join_all(refused).await;
                let refused = answers.len();
                for (role, _, caller) in open {
                    answers.push((*role, caller.ask(&method, &sent).await));
                }
                for (at, (role, answer)) in answers.into_iter().enumerate() {
                    let answer = answer.map(|_| "it is answered");
                    if was_let_in(&answer) != (at >= refused) {
                        wrong.push(format!("{} by {role:?} about {named:?}: {answer:?}", method.name()));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(about_another >= 4, "the books of others are not where this test looks for them");
        test.end().await;
    }
}

#[test]
fn every_line_of_who_is_let_in_is_of_something_that_there_is() {
    let methods = methods();
    for (service, _) in SERVICES {
        assert!(methods.iter().any(|method| method.parent_service().name() == *service), "there is no {service}");
    }
    for (name, roles) in EXCEPTIONS {
        let method = methods.iter().find(|method| method.name() == *name);
        let method = method.unwrap_or_else(|| panic!("there is no {name}"));
        assert_ne!(line_of(method).1, *roles, "{name} is no exception");
    }
}

fn return_purchase(redemption: &str) -> ReturnPurchase {
    let money = Money::new("RUB", Decimal::new(100, 2));
    ReturnPurchase::of(money.clone(), money).redemption(redemption)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_partner_reads_or_moves_what_is_anothers() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, b, c) = (test.client("A").await, test.client("B").await, test.client("C").await);

        let issue_key = a.new_request_id();
        let issued = Issue::to("card", "1").points(100).request_id(issue_key);
        let issued = a.issue(issued).await.unwrap().accepted().unwrap();
        let redeemed = c.redeem(Redeem::from("card", "1").points(40)).await.unwrap().accepted().unwrap();

        // B has no part in either entry.
        for entry in [&issued.written.entries[0], &redeemed.written.entries[0]] {
            assert!(matches!(b.entry(&entry.entry_id).await, Err(Error::NotFound { .. })));
        }
        assert!(matches!(b.entry_of_request(issue_key).await, Err(Error::NotFound { .. })));
        assert!(b.entries(EntryFilter::all()).all().await.unwrap().is_empty());

        // A sees that its points were taken, not by whom, from whom, or what C gets for them.
        let seen = a.entry(redeemed.written.entry_id()).await.unwrap();
        let accounts: Vec<&str> = seen.postings.iter().map(|posting| posting.account.as_str()).collect();
        assert!(accounts.iter().all(|account| account.ends_with(":A")), "{accounts:?}");
        assert_eq!((seen.member_id, seen.partner_id, seen.request_id), (None, None, None));

        // Nobody returns another's redemption; another's key is another key.
        let back = ReturnRedemption::of(redeemed.written.entry_id()).points(1);
        let refused = b.return_redemption(back).await.unwrap();
        assert_eq!(refused.rejection().unwrap().reason.as_str(), "NOT_FOUND");
        let abandoned = b.abandon(Abandon::request(issue_key)).await.unwrap().accepted().unwrap();
        assert!(abandoned.written.entries.is_empty());
        assert_eq!(a.balance(MemberRef::identifier("card", "1")).await.unwrap().member.available_points, 60);
        let used: RequestId = issue_key;
        let other = b.issue(Issue::to("card", "2").points(5).request_id(used)).await.unwrap();
        assert_eq!(other.rejection().unwrap().reason.as_str(), "REQUEST_ABANDONED", "B burned its own key of that id");
        let third = c.issue(Issue::to("card", "2").points(5).request_id(used)).await.unwrap();
        assert!(matches!(third, Outcome::Accepted(_)), "C's key of that id is unused");
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_partner_touches_anothers_holds_issues_purchases_or_receipts() {
    for backend in BACKENDS {
        let (test, begin) = TestHouse::of_s01(backend, |_| ()).await;
        let (a, b, c) = (test.client("A").await, test.client("B").await, test.client("C").await);
        let origin = Origin::till("s1", "t1").receipt("R-1").business_date("2026-02-01");
        let issued = Issue::to("card", "1").points(100).origin(origin.clone());
        let issued = a.issue(issued).await.unwrap().accepted().unwrap().written.entry_id().to_owned();
        let day = std::time::Duration::from_secs(86_400);
        let held = c.authorize(Authorize::from("card", "1").points(30).lapses(begin + day)).await.unwrap();
        let hold = held.accepted().unwrap().hold_id;
        let spent = c.purchase(Purchase::by("card", "1").redeem(10).origin(origin)).await.unwrap().accepted().unwrap();
        let spent = spent.redemption_entry_id.unwrap();
        let entries = async || test.client("operator").await.operator().journal(1, None).all().await.unwrap().len();
        let before = entries().await;

        let reason = |rejection: Option<&partner_sdk::Rejection>| rejection.unwrap().reason.as_str().to_owned();
        for thief in [&a, &b] {
            assert!(matches!(thief.hold(&hold).await, Err(Error::NotFound { .. })), "not even whose points they are");
            let captured = thief.capture(Capture::hold(&hold).points(1)).await.unwrap();
            assert_eq!(reason(captured.rejection()), "NOT_FOUND");
            assert_eq!(reason(thief.void(Void::hold(&hold)).await.unwrap().rejection()), "NOT_FOUND");
            let purchase = Purchase::by("card", "1").capture(&hold, 1);
            assert_eq!(reason(thief.purchase(purchase).await.unwrap().rejection()), "NOT_FOUND");
            let back = thief.return_purchase(return_purchase(&spent)).await.unwrap();
            assert_eq!(reason(back.rejection()), "NOT_FOUND");
        }
        for thief in [&b, &c] {
            let reversed = thief.reverse(Reverse::entry(&issued).points(1)).await.unwrap();
            assert_eq!(reason(reversed.rejection()), "NOT_FOUND");
            let receipt = Receipt::new("R-1", "2026-02-01").till("s1", "t1");
            let reversed = thief.reverse(Reverse::receipt(receipt).points(1)).await.unwrap();
            assert_eq!(reason(reversed.rejection()), "NOT_FOUND");
            // Newest of a member means of the caller's own issues.
            let reversed = thief.reverse(Reverse::newest(("card", "1")).points(1)).await.unwrap();
            assert_eq!(reason(reversed.rejection()), "REVERSAL_EXCEEDS_ISSUE");
        }
        let receipt = || Receipt::new("R-1", "2026-02-01").till("s1", "t1");
        assert!(b.find_receipt(receipt()).all().await.unwrap().is_empty());
        assert_eq!(a.find_receipt(receipt()).all().await.unwrap().len(), 1);
        // Another member's hold pays no receipt, even that of the right partner.
        a.issue(Issue::to("card", "2").points(1)).await.unwrap().accepted().unwrap();
        let purchase = c.purchase(Purchase::by("card", "2").capture(&hold, 1)).await.unwrap();
        assert_eq!(reason(purchase.rejection()), "NOT_FOUND");
        assert_eq!(entries().await, before + 1, "nothing was written but the last issue");
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_partner_still_ends_what_it_began() {
    for backend in BACKENDS {
        let (test, begin) = TestHouse::of_s01(backend, |_| ()).await;
        let (c, operator) = (test.client("C").await, test.client("operator").await.operator());
        let issued = c
            .issue(Issue::to("card", "1").points(100))
            .await
            .unwrap()
            .accepted()
            .unwrap()
            .written
            .entry_id()
            .to_owned();
        let day = std::time::Duration::from_secs(86_400);
        let authorize = || Authorize::from("card", "1").points(10).lapses(begin + day);
        let mut holds = Vec::new();
        for _ in 0..2 {
            holds.push(c.authorize(authorize()).await.unwrap().accepted().unwrap().hold_id);
        }
        let suspend = SetPartnerState::of("C", PartnerState::Suspended);
        operator.set_partner_state(suspend).await.unwrap().accepted().unwrap();
        let reason = |rejection: Option<&partner_sdk::Rejection>| rejection.unwrap().reason.as_str().to_owned();
        assert_eq!(reason(c.authorize(authorize()).await.unwrap().rejection()), "PARTNER_SUSPENDED");
        let spends = Purchase::by("card", "1").redeem(1);
        assert_eq!(reason(c.purchase(spends).await.unwrap().rejection()), "PARTNER_SUSPENDED");
        let earns = Purchase::by("card", "1").capture(&holds[0], 1).earn(Earn::points(1));
        assert_eq!(reason(c.purchase(earns).await.unwrap().rejection()), "PARTNER_SUSPENDED");
        let gift = Transfer::between(("card", "1"), ("card", "2")).points(1);
        assert_eq!(reason(c.transfer(gift).await.unwrap().rejection()), "PARTNER_SUSPENDED");
        let captured = c.capture(Capture::hold(&holds[0]).points(10)).await.unwrap().accepted().unwrap();
        c.void(Void::hold(&holds[1])).await.unwrap().accepted().unwrap();
        let back = ReturnPurchase::of(Money::new("RUB", Decimal::ONE), Money::new("RUB", Decimal::ONE));
        let back = back.redemption(captured.written.entry_id().to_owned()).issue(&issued);
        c.return_purchase(back).await.unwrap().accepted().unwrap();
        assert_eq!(c.balance(("card", "1")).await.unwrap().member.available_points, 0);
        test.end().await;
    }
}
