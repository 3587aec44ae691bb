//! Getting a credential, and its successor.

use clearing::clock::Clock;
use clearing::tls::TlsMaterial;
use clearing_certs::{Kind, is_vouched_for};
use clearing_play::{BACKENDS, Backend, TestHouse, serve};
use clearing_proto::v1;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
    PKCS_ED25519, PublicKeyData as _, SanType, SigningKey as _,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};
use tonic::Code;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{
    Joined, Newcomer, SECRET, code_of, credentials, csr, invite_by, invites, is_refused, issue, issues, new_key,
    operator, partner, reason, revoke,
};
use crate::foreign;

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_is_used_once_and_gives_the_same_key_the_same_certificate_again() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let (newcomer, a) = (Newcomer::to(&test), test.wire(Kind::Partner, "A"));
        let invite = invite_by(&a, |_| ()).await.unwrap();
        let (key, other) = (new_key(), new_key());

        // Neither an id that there is not nor another secret tells which it was.
        for (id, secret) in [(foreign::key(), SECRET), (invite.clone(), &b"another secret"[..])] {
            let refused = newcomer.enroll_as(&id, secret, csr(&key)).await.unwrap_err();
            assert_eq!((reason(&refused).as_str(), refused.code()), ("INVITE_UNKNOWN", Code::NotFound));
        }
        let issued = newcomer.enroll_as(&invite, SECRET, csr(&key)).await.unwrap();
        let again = newcomer.enroll_as(&invite, SECRET, csr(&key)).await.unwrap();
        assert_eq!(again, issued);
        let refused = newcomer.enroll_as(&invite, SECRET, csr(&other)).await.unwrap_err();
        assert_eq!((reason(&refused).as_str(), refused.code()), ("INVITE_USED", Code::FailedPrecondition));

        // Whoever made it hears of that, and who has the certificate is a caller.
        let seen = invites(&a).await;
        assert_eq!((seen.len(), seen[0].state(), seen[0].foreign_attempt_count), (1, v1::InviteState::Used, 1));
        assert_eq!((seen[0].serial.as_str(), seen[0].created_by.as_str()), (issued.serial.as_str(), "A"));
        let joined = Joined { issued, key };
        issues(&joined.wire(&test), &issue("1")).await.unwrap();
        let known = credentials(&a, v1::ListCredentialsRequest::default()).await;
        assert_eq!((known.len(), known[0].state()), (1, v1::CredentialState::Valid));
        assert_eq!((&known[0].serial, &known[0].invite_id), (&joined.issued.serial, &invite));
        assert_eq!(known[0].key_hash, Sha256::digest(joined.key.subject_public_key_info()).to_vec());
        test.end().await;
    }
}

/// It is the certificate that counts, so it is shown here and compared with what was asked for.
#[tokio::test(flavor = "multi_thread")]
async fn the_house_takes_nothing_but_the_key_from_whatever_a_signing_request_says() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let (newcomer, a) = (Newcomer::to(&test), test.wire(Kind::Partner, "A"));
        let greedy = |algorithm| {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let mut params = CertificateParams::new(vec!["house.example".to_owned()]).unwrap();
            let name = "spiffe://test.example/partner/operator".try_into().unwrap();
            params.subject_alt_names.push(SanType::URI(name));
            params.distinguished_name.push(DnType::CommonName, "operator");
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.serialize_request(&key).unwrap().der().to_vec()
        };
        for algorithm in [&PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519] {
            let invite = invite_by(&a, |_| ()).await.unwrap();
            let issued = newcomer.enroll_as(&invite, SECRET, greedy(algorithm)).await.unwrap();
            let der = CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes()).unwrap();
            let identity = clearing_certs::parse_identity(&der).unwrap();
            assert_eq!((identity.kind, identity.id.as_str()), (Kind::Partner, "A"));
            let (_, read) = X509Certificate::from_der(&der).unwrap();
            assert!(!read.is_ca());
            let names = read.subject_alternative_name().unwrap().unwrap();
            assert_eq!(names.value.general_names.len(), 1, "{names:?}");
        }

        // What is no signing request, or not of a key that is accepted, is refused, and the invite stays unused.
        let invite = invite_by(&a, |_| ()).await.unwrap();
        let good = csr(&new_key());
        let mut unsigned = good.clone();
        *unsigned.last_mut().unwrap() ^= 1;
        let longer = [good.clone(), vec![0]].concat();
        let wrong = [
            Vec::new(),
            b"garbage".to_vec(),
            good[..good.len() / 2].to_vec(),
            unsigned,
            longer,
            vec![0x30; 5_000],
            RSA.to_vec(),
        ];
        for csr in wrong {
            let length = csr.len();
            let refused = newcomer.enroll_as(&invite, SECRET, csr).await.unwrap_err();
            assert_eq!(
                (reason(&refused).as_str(), refused.code()),
                (if length == 0 { "INVALID_ARGUMENT" } else { "CSR_REFUSED" }, Code::InvalidArgument),
                "{length} bytes"
            );
        }
        // Far beyond that the message itself is too large.
        let refused = newcomer.enroll_as(&invite, SECRET, vec![0x30; 10_000]).await.unwrap_err();
        assert!(refused.code() != Code::Ok, "{refused:?}");
        newcomer.enroll_as(&invite, SECRET, good).await.unwrap();
        test.end().await;
    }
}

/// A signing request with an RSA key of 2,048 bits, made with openssl.
const RSA: &[u8] = include_bytes!("rsa.csr");

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_that_was_taken_back_or_has_ended_gives_nothing() {
    for backend in BACKENDS {
        let (test, begin) = TestHouse::of_s01(backend, |_| ()).await;
        let (newcomer, a) = (Newcomer::to(&test), test.wire(Kind::Partner, "A"));
        let withdrawn = invite_by(&a, |_| ()).await.unwrap();
        let begin = i64::try_from(begin.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()).unwrap();
        let at = |seconds: i64| Some(prost_types::Timestamp { seconds: begin + seconds, nanos: 0 });
        let short = invite_by(&a, |asked| asked.end_time = at(60)).await.unwrap();
        let take_back = |invite: &str| v1::WithdrawInvitesRequest {
            request_id: foreign::key(),
            invite_ids: vec![invite.to_owned()],
        };
        let taken = a.clone().credentials.withdraw_invites(take_back(&withdrawn)).await.unwrap().into_inner();
        assert_eq!((taken.withdrawn_count, taken.written.unwrap().entries.len()), (1, 1));
        let taken = a.clone().credentials.withdraw_invites(take_back(&withdrawn)).await.unwrap().into_inner();
        assert_eq!((taken.withdrawn_count, taken.written.unwrap().entries.len()), (0, 0));
        let b = test.wire(Kind::Partner, "B");
        let foreign = b.clone().credentials.withdraw_invites(take_back(&short)).await;
        assert!(is_refused(&foreign, "NOT_FOUND"), "{foreign:?}");

        let refused = newcomer.enroll_as(&withdrawn, SECRET, csr(&new_key())).await;
        assert!(is_refused(&refused, "INVITE_WITHDRAWN"), "{refused:?}");
        let advance = v1::AdvanceClockRequest { to_time: at(60) };
        operator(&test).sandbox.advance_clock(advance).await.unwrap();
        let refused = newcomer.enroll_as(&short, SECRET, csr(&new_key())).await;
        assert!(is_refused(&refused, "INVITE_ENDED"), "{refused:?}");
        let states: Vec<v1::InviteState> = invites(&a).await.iter().map(v1::Invite::state).collect();
        assert_eq!(states.len(), 2);
        assert!(states.contains(&v1::InviteState::Withdrawn) && states.contains(&v1::InviteState::Ended), "{states:?}");
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_of_the_operator_and_auditors_enrol_as_brands_do_and_a_brand_invites_none_of_them() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let (newcomer, operator) = (Newcomer::to(&test), operator(&test));
        let holder = |kind: v1::HolderKind, id: &str| v1::Holder { kind: kind.into(), id: id.to_owned() };
        let roles = vec![v1::PersonRole::Support.into()];
        let (request_id, person_id) = (foreign::key(), "anna".to_owned());
        let anna = v1::SetPersonRequest { request_id, person_id, roles, certificate_serial: String::new() };
        operator.clone().people.set_person(anna).await.unwrap();
        for (kind, id) in [(v1::HolderKind::Auditor, "kpmg"), (v1::HolderKind::Operator, "anna")] {
            let invited = holder(kind, id);
            let joined = newcomer.join(&operator, |asked| asked.holder = Some(invited.clone())).await;
            assert_eq!(joined.issued.holder, Some(invited.clone()));
            let mut wire = joined.wire(&test);
            let info = wire.info.get_server_info(v1::GetServerInfoRequest::default()).await;
            assert!(info.is_ok(), "{info:?}");
            let refused = invite_by(&test.wire(Kind::Partner, "A"), |asked| asked.holder = Some(invited)).await;
            assert!(is_refused(&refused, "NOT_FOUND"), "{refused:?}");
        }
        let refused = invite_by(&test.wire(Kind::Partner, "A"), |asked| asked.holder = partner("B")).await;
        assert!(is_refused(&refused, "NOT_FOUND"), "{refused:?}");
        let refused = invite_by(&operator, |asked| asked.holder = partner("Z")).await;
        assert!(is_refused(&refused, "NOT_FOUND"), "{refused:?}");
        test.end().await;
    }
}

/// Two nodes are asked at once, with two keys: the row of the invite is what they meet at.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_use_an_invite_at_once_on_two_nodes_one_gets_a_certificate() {
    let (test, begin) = TestHouse::of_s01(Backend::Postgres, |_| ()).await;
    let clock = Clock::manual(clearing_core::units::Timestamp(
        i64::try_from(begin.duration_since(std::time::UNIX_EPOCH).unwrap().as_micros()).unwrap(),
    ));
    let second = serve(&test.database.url, &test.identities, clock).await;
    let first = Newcomer::to(&test);
    let other = first.at(second.enrolment_addr().unwrap());
    let a = test.wire(Kind::Partner, "A");
    for _ in 0..10 {
        let invite = invite_by(&a, |_| ()).await.unwrap();
        let keys = [new_key(), new_key()];
        let (one, two) = tokio::join!(
            first.enroll_as(&invite, SECRET, csr(&keys[0])),
            other.enroll_as(&invite, SECRET, csr(&keys[1]))
        );
        let answers = [one, two];
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
        assert!(answers.iter().any(|answer| is_refused(answer, "INVITE_USED")), "{answers:?}");
    }
    let seen = invites(&a).await;
    assert!(seen.len() == 10 && seen.iter().all(|invite| invite.foreign_attempt_count == 1), "{seen:?}");
    let patience = std::time::Duration::from_secs(10);
    assert_eq!(second.shutdown(patience).await, clearing::server::Drained::Clean);
    test.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_has_one_successor_for_a_key_with_the_same_holder_scopes_and_device() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let (newcomer, a) = (Newcomer::to(&test), test.wire(Kind::Partner, "A"));
        let device = v1::Device { name: "till-1".to_owned(), store: "s1".to_owned(), ..Default::default() };
        let scopes = vec![v1::CredentialScope::Issue.into()];
        let joined = newcomer
            .join(&a, |asked| {
                asked.scopes.clone_from(&scopes);
                asked.invites[0].device = Some(device.clone());
            })
            .await;
        let wire = joined.wire(&test);
        let renew = async |key: &KeyPair| {
            let request = v1::RenewCertificateRequest { csr: csr(key) };
            let answer = wire.clone().credentials.renew_certificate(request).await?;
            Ok::<_, tonic::Status>(answer.into_inner().issued.unwrap())
        };
        let key = new_key();
        let next = renew(&key).await.unwrap();
        assert_eq!(renew(&key).await.unwrap(), next);
        assert_ne!(next.serial, joined.issued.serial);
        let refused = renew(&joined.key).await;
        assert!(is_refused(&refused, "CSR_REFUSED"), "{refused:?}");

        let known = credentials(&a, v1::ListCredentialsRequest::default()).await;
        let of = |serial: &str| known.iter().find(|known| known.serial == serial).unwrap();
        let (first, second) = (of(&joined.issued.serial), of(&next.serial));
        assert_eq!((&first.renewed_by_serial, &second.renews_serial), (&next.serial, &joined.issued.serial));
        assert_eq!((&second.scopes, second.device.as_ref()), (&scopes, Some(&device)));
        // Both are good until their ends.
        let next = Joined { issued: next, key };
        issues(&next.wire(&test), &issue("1")).await.unwrap();
        issues(&wire, &issue("1")).await.unwrap();
        // One that was made by hand has a successor as well.
        let by_hand = test.wire(Kind::Auditor, "kpmg");
        let request = v1::RenewCertificateRequest { csr: csr(&new_key()) };
        let issued = by_hand.clone().credentials.renew_certificate(request).await.unwrap().into_inner().issued.unwrap();
        assert_eq!(issued.holder.unwrap().id, "kpmg");
        test.end().await;
    }
}

/// A till that was switched off cannot connect with what has ended: it shows it, with a signature of its key.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_shows_a_certificate_with_a_signature_of_its_key_gets_its_successor_and_nobody_else() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let (newcomer, a) = (Newcomer::to(&test), test.wire(Kind::Partner, "A"));
        let joined = newcomer.join(&a, |_| ()).await;
        let der = CertificateDer::from_pem_slice(joined.issued.certificate_pem.as_bytes()).unwrap().to_vec();
        let (key, thief) = (new_key(), new_key());
        let asked = |certificate: &[u8], key: &KeyPair, signer: &KeyPair| v1::RenewEndedRequest {
            certificate: certificate.to_vec(),
            csr: csr(key),
            signature: signer.sign(&csr(key)).unwrap(),
        };
        // The signature is over the very bytes that are sent.
        let sent = csr(&key);
        let good = || v1::RenewEndedRequest {
            certificate: der.clone(),
            csr: sent.clone(),
            signature: joined.key.sign(&sent).unwrap(),
        };
        let issued = newcomer.renew_ended(good()).await.unwrap();
        assert_eq!((issued.holder.clone().unwrap().id.as_str(), issued.serial != joined.issued.serial), ("A", true));
        assert_eq!(newcomer.renew_ended(good()).await.unwrap(), issued);

        let stolen =
            newcomer.renew_ended(v1::RenewEndedRequest { signature: thief.sign(&sent).unwrap(), ..good() }).await;
        assert_eq!(code_of(&stolen), Code::InvalidArgument, "{stolen:?}");
        // Another authority of the same name vouches for nobody, and one made by hand is not known.
        let others = clearing_play::identities::Identities::new();
        let (foreign, by_hand) = (certificate(&others, "A"), certificate(&test.identities, "A"));
        for (certificate, own) in [foreign, by_hand] {
            let refused = newcomer.renew_ended(asked_with(&certificate, &own)).await;
            assert!(is_refused(&refused, "CREDENTIAL_UNKNOWN"), "{refused:?}");
        }
        let garbage = newcomer.renew_ended(asked(b"garbage", &key, &key)).await;
        assert_eq!(code_of(&garbage), Code::InvalidArgument, "{garbage:?}");

        revoke(&a, &[&joined.issued.serial], None).await.unwrap();
        let refused = newcomer.renew_ended(good()).await;
        assert!(is_refused(&refused, "CREDENTIAL_REVOKED"), "{refused:?}");
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_replaced_authority_issued_is_renewed_by_the_next_since_the_house_remembers_it() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let (newcomer, a) = (Newcomer::to(&test), test.wire(Kind::Partner, "A"));
        let joined = newcomer.join(&a, |_| ()).await;
        let der = CertificateDer::from_pem_slice(joined.issued.certificate_pem.as_bytes()).unwrap().to_vec();
        let (by_hand, own) = certificate(&test.identities, "A");
        // Nobody is trusted any more who signed them.
        let next = clearing_play::identities::Identities::new();
        let trusted = next.authority().cert_pem().to_owned();
        let material = TlsMaterial { ca_pem: trusted.clone(), ..test.identities.server() };
        test.server.reload(&material, Some(&next.enrolment())).unwrap();

        let issued = newcomer.renew_ended(asked_with(&der, &joined.key)).await.unwrap();
        assert_eq!((issued.holder.unwrap().id.as_str(), &issued.ca_pem), ("A", &trusted));
        let renewed = CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes()).unwrap();
        assert!(is_vouched_for(&trusted, &renewed).unwrap());
        // What was made by hand is remembered by nobody.
        let refused = newcomer.renew_ended(asked_with(&by_hand, &own)).await;
        assert!(is_refused(&refused, "CREDENTIAL_UNKNOWN"), "{refused:?}");
        test.end().await;
    }
}

/// A certificate of an authority, with its key.
fn certificate(identities: &clearing_play::identities::Identities, id: &str) -> (Vec<u8>, KeyPair) {
    let now = jiff::Timestamp::from_second(
        i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap(),
    )
    .unwrap();
    let hour = jiff::SignedDuration::from_hours(1);
    let validity = clearing_certs::Validity { not_before: now - hour, not_after: now + hour };
    let (issued, key) = identities.authority().issue_client(Kind::Partner, id, validity).unwrap();
    (issued.cert_der, KeyPair::from_pem(key.expose_pem()).unwrap())
}

fn asked_with(certificate: &[u8], own: &KeyPair) -> v1::RenewEndedRequest {
    let csr = csr(&new_key());
    let signature = own.sign(&csr).unwrap();
    v1::RenewEndedRequest { certificate: certificate.to_vec(), csr, signature }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_asks_too_often_is_told_when_to_come_back_and_others_go_on() {
    let (test, _) = TestHouse::of_s01(Backend::Sqlite, |_| ()).await;
    let newcomer = Newcomer::to(&test);
    let mut refused = None;
    for _ in 0..=70 {
        let answer = newcomer.enroll_as(&foreign::key(), SECRET, csr(&new_key())).await;
        if !is_refused(&answer, "INVITE_UNKNOWN") {
            refused = Some(answer.unwrap_err());
            break;
        }
    }
    let refused = refused.expect("so many are too many");
    assert_eq!((reason(&refused).as_str(), refused.code()), ("OVERLOADED", Code::ResourceExhausted));
    use tonic_types::StatusExt as _;
    assert!(refused.get_details_retry_info().is_some_and(|retry| retry.retry_delay.is_some()), "{refused:?}");
    // Who has a certificate is not held up by that.
    issues(&test.wire(Kind::Partner, "A"), &issue("1")).await.unwrap();
    test.end().await;
}
