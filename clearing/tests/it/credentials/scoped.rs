//! What a credential is for, and the device that it is of.

use clearing_certs::Kind;
use clearing_play::{BACKENDS, Backend, TestHouse, Wire};
use clearing_proto::v1;
use clearing_proto::v1::CredentialScope;
use prost_reflect::MethodDescriptor;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::{Newcomer, code_of, invite_by, is_refused, issue, issues, reason};
use crate::access::{Role, lets_in};
use crate::foreign::Plain;
use crate::samples::{Samples, methods, with_days};

const SCOPES: [CredentialScope; 6] = [
    CredentialScope::Issue,
    CredentialScope::Accept,
    CredentialScope::Read,
    CredentialScope::Settle,
    CredentialScope::App,
    CredentialScope::Credentials,
];

/// The scopes that the methods of each service are open to. One without a line fails the test.
const SERVICES: &[(&str, &[CredentialScope])] = &[
    ("IssueService", &[CredentialScope::Issue]),
    ("PurchaseService", &[CredentialScope::Issue]),
    ("ReversalService", &[CredentialScope::Issue]),
    ("RedemptionService", &[CredentialScope::Accept]),
    ("HoldService", &[CredentialScope::Accept]),
    ("TransferService", &[CredentialScope::App]),
    ("RequestService", &[CredentialScope::Issue, CredentialScope::Accept, CredentialScope::App]),
    ("EntryService", &[CredentialScope::Read]),
    ("ReceiptService", &[CredentialScope::Read]),
    ("MemberService", &[CredentialScope::Read]),
    ("NoticeService", &[CredentialScope::Read]),
    ("PositionService", &[CredentialScope::Settle]),
    ("CredentialService", &[CredentialScope::Credentials]),
    // Whoever sees what is paid sees where to, and may stop a change of it; asking for one takes a credential for everything.
    ("BankAccountService", &[CredentialScope::Settle]),
    ("InfoService", &SCOPES),
    ("SandboxService", &SCOPES),
];

fn is_open(method: &MethodDescriptor, scope: CredentialScope) -> bool {
    let service = method.parent_service();
    let line = SERVICES.iter().find(|(name, _)| *name == service.name());
    let (_, scopes) = line.unwrap_or_else(|| panic!("{} has no line here", service.name()));
    method.name() == "RenewCertificate" || (method.name() != "SetBankAccount" && scopes.contains(&scope))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_is_open_to_the_scopes_that_it_is_of_and_to_no_other() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, with_days).await;
        let (newcomer, a) = (Newcomer::to(&test), test.wire(Kind::Partner, "A"));
        let mut callers = Vec::new();
        for scope in SCOPES {
            let joined = newcomer.join(&a, |asked| asked.scopes = vec![scope.into()]).await;
            let tls = test.identities.tls_of(&joined.issued.certificate_pem, &joined.key.serialize_pem());
            callers.push((scope, Plain::with(test.server.local_addr(), tls).await));
        }
        let samples = Samples::of(&test, "A").await;
        let mut wrong = Vec::new();
        for method in methods().iter().filter(|method| lets_in(Role::Partner, method)) {
            for sample in samples.good(method).await {
                for (scope, caller) in &mut callers {
                    // What takes points needs more, and says so as well.
                    let spends = method.name() == "PostPurchase" && format!("{sample}").contains("spend");
                    let open = is_open(method, *scope) && !spends;
                    let answer = caller.ask(method, &sample).await;
                    let let_in = code_of(&answer) != Code::PermissionDenied;
                    if let_in != open {
                        wrong.push(format!("{} with {scope:?}: {answer:?}", method.name()));
                    }
                    // Where no scope is enough, none is named.
                    let named = SCOPES.iter().any(|scope| is_open(method, *scope));
                    if let Err(status) = answer.as_ref().map_err(Clone::clone).map(drop)
                        && !let_in
                        && status.get_details_error_info().unwrap().metadata.contains_key("scope") != named
                    {
                        wrong.push(format!("{} with {scope:?} names another scope: {status:?}", method.name()));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        test.end().await;
    }
}

/// The operator's own services have no scope at all: a till of the operator's is none of an administrator.
#[tokio::test(flavor = "multi_thread")]
async fn a_credential_of_the_operator_with_scopes_administers_nothing() {
    let (test, _) = TestHouse::of_s01(Backend::Sqlite, with_days).await;
    let (newcomer, operator) = (Newcomer::to(&test), super::operator(&test));
    let invited = |asked: &mut v1::CreateInvitesRequest| {
        asked.holder = super::partner("operator");
        asked.scopes = SCOPES.iter().map(|scope| (*scope).into()).collect();
    };
    let joined = newcomer.join(&operator, invited).await;
    let tls = test.identities.tls_of(&joined.issued.certificate_pem, &joined.key.serialize_pem());
    let mut caller = Plain::with(test.server.local_addr(), tls).await;
    let samples = Samples::of(&test, "C").await;
    for method in methods().iter().filter(|method| !lets_in(Role::Partner, method)) {
        let sample = samples.good(method).await.swap_remove(0);
        let answer = caller.ask(method, &sample).await;
        assert_eq!(code_of(&answer), Code::PermissionDenied, "{}: {answer:?}", method.name());
    }
    test.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_gives_no_scope_that_its_maker_does_not_have() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let (newcomer, a) = (Newcomer::to(&test), test.wire(Kind::Partner, "A"));
        let own = [CredentialScope::Credentials, CredentialScope::Issue].map(i32::from);
        let maker = newcomer.join(&a, |asked| asked.scopes = own.to_vec()).await.wire(&test);
        invite_by(&maker, |asked| asked.scopes = vec![own[1]]).await.unwrap();
        for wider in [vec![own[1], CredentialScope::Accept.into()], Vec::new()] {
            let refused = invite_by(&maker, |asked| asked.scopes = wider).await;
            assert!(is_refused(&refused, "SCOPE_EXCEEDED"), "{refused:?}");
        }
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_device_writes_names_its_store_and_till_and_no_other() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let (newcomer, a) = (Newcomer::to(&test), test.wire(Kind::Partner, "A"));
        let device = v1::Device {
            name: "till-7".to_owned(),
            store: "s1".to_owned(),
            till: "t7".to_owned(),
            ..Default::default()
        };
        let till = newcomer.join(&a, |asked| asked.invites[0].device = Some(device)).await.wire(&test);
        let origin = |store: &str, till: &str| {
            Some(v1::Origin { store: store.to_owned(), till: till.to_owned(), ..Default::default() })
        };
        // Of what it says nothing, that is filled in.
        for given in [None, origin("", ""), origin("s1", ""), origin("s1", "t7")] {
            let asked = v1::IssuePointsRequest { origin: given, ..issue("1") };
            let written = issues(&till, &asked).await.unwrap().written.unwrap();
            let key = v1::get_entry_request::Key::EntryId(written.entries[0].entry_id.clone());
            let seen = a.clone().entries.get_entry(v1::GetEntryRequest { key: Some(key) }).await.unwrap();
            let seen = seen.into_inner().entry.unwrap().origin.unwrap();
            assert_eq!((seen.store.as_str(), seen.till.as_str()), ("s1", "t7"));
        }
        for (given, field) in [(origin("s2", "t7"), "origin.store"), (origin("s1", "t8"), "origin.till")] {
            let refused = issues(&till, &v1::IssuePointsRequest { origin: given, ..issue("1") }).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument);
            assert!(refused.message().starts_with(field), "{refused:?}");
        }
        // A batch and a stream are held to it as well.
        let batch = vec![v1::IssuePointsRequest { origin: origin("s2", "t7"), ..issue("1") }];
        let answer = till.clone().issues.batch_issue_points(v1::BatchIssuePointsRequest { items: batch.clone() }).await;
        let results = answer.unwrap().into_inner().results;
        assert!(matches!(results[0].result, Some(v1::issue_result::Result::Error(_))), "{results:?}");
        let streamed = v1::StreamIssuePointsRequest { batch_number: 1, items: batch };
        let mut stream =
            till.clone().issues.stream_issue_points(futures::stream::iter([streamed])).await.unwrap().into_inner();
        let results = stream.message().await.unwrap().unwrap().results;
        assert!(matches!(results[0].result, Some(v1::issue_result::Result::Error(_))), "{results:?}");
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_has_as_many_connections_and_calls_as_it_was_given() {
    let (test, _) = TestHouse::of_s01(Backend::Sqlite, |_| ()).await;
    let (newcomer, a) = (Newcomer::to(&test), test.wire(Kind::Partner, "A"));
    let device = |calls, connections| v1::Device {
        name: "till".to_owned(),
        calls_per_second: calls,
        connections_max: connections,
        ..Default::default()
    };
    let info =
        async |wire: &Wire| wire.clone().info.get_server_info(v1::GetServerInfoRequest::default()).await.map(drop);

    let two = newcomer.join(&a, |asked| asked.invites[0].device = Some(device(0, 2))).await;
    let wires: Vec<Wire> = (0..3).map(|_| two.wire(&test)).collect();
    info(&wires[0]).await.unwrap();
    info(&wires[1]).await.unwrap();
    let refused = info(&wires[2]).await.unwrap_err();
    assert_eq!((reason(&refused).as_str(), refused.code()), ("OVERLOADED", Code::ResourceExhausted));
    info(&wires[0]).await.unwrap();

    // More at once than may come in a second, however fast this machine is.
    let few = newcomer.join(&a, |asked| asked.invites[0].device = Some(device(1, 0))).await.wire(&test);
    let calls = (0..50).map(|_| info(&few));
    let answers = futures::future::join_all(calls).await;
    let refused = answers.iter().filter(|answer| is_refused(answer, "OVERLOADED")).count();
    assert!(refused > 0 && answers.iter().any(Result::is_ok), "{refused} of 50");
    test.end().await;
}
