//! Who is out: at the next write on every node, at the next read and on open connections as soon as a node has seen it.

use std::time::Duration;

use clearing::clock::Clock;
use clearing::server::Drained;
use clearing_certs::{Kind, Validity};
use clearing_core::units::Timestamp;
use clearing_play::{BACKENDS, Backend, TestHouse, Wire, serve};
use clearing_proto::v1;
use tonic::{Code, Status};

use super::{
    Newcomer, SECRET, credentials, csr, invite_by, invites, is_out, is_refused, issue, issues, new_key, operator,
    partner, revoke, until,
};

async fn reads(by: &Wire) -> Result<(), Status> {
    by.clone().info.get_server_info(v1::GetServerInfoRequest::default()).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_credential_is_refused_and_its_request_is_taken_under_the_next_one() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let (newcomer, a) = (Newcomer::to(&test), test.wire(Kind::Partner, "A"));
        let (first, second) = (newcomer.join(&a, |_| ()).await, newcomer.join(&a, |_| ()).await);
        let (stolen, good) = (first.wire(&test), second.wire(&test));
        issues(&stolen, &issue("1")).await.unwrap();
        let told = revoke(&a, &[&first.issued.serial], None).await.unwrap();
        assert_eq!(told.revoked_serials, std::slice::from_ref(&first.issued.serial));
        let asked = issue("2");
        // Its connection was closed with the answer to the revocation, and a new one is let in only to be told why.
        is_out(&stolen, &asked).await;
        let read = until(async || reads(&stolen).await, |read| is_refused(read, "CREDENTIAL_REVOKED")).await;
        assert!(read.is_err());
        // Nothing is kept under the id: whoever is still trusted repeats it.
        let taken = issues(&good, &asked).await.unwrap();
        assert!(!taken.written.unwrap().replayed);

        let known = credentials(&a, v1::ListCredentialsRequest::default()).await;
        let known = known.iter().find(|known| known.serial == first.issued.serial).unwrap();
        assert_eq!((known.state(), known.revoked_by.as_str()), (v1::CredentialState::Revoked, "A"));
        assert_eq!(known.revoke_reason_code, "stolen");
        let valid = v1::ListCredentialsRequest { valid_only: true, ..Default::default() };
        assert_eq!(credentials(&a, valid).await.len(), 1);
        // It stays so.
        let again = revoke(&a, &[&first.issued.serial], None).await.unwrap();
        assert!(again.revoked_serials.is_empty() && again.written.unwrap().entries.is_empty());
        test.end().await;
    }
}

/// A person that is refused lets its node look at the house anew, and that closes what was revoked: not before the answer is out.
/// The look of each second may still come between.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_that_was_revoked_is_told_so_on_a_new_connection() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let (newcomer, first) = (Newcomer::to(&test), operator(&test));
        let boris = v1::Holder { kind: v1::HolderKind::Operator.into(), id: "boris".to_owned() };
        let joined = newcomer.join(&first, |ask| ask.holder = Some(boris)).await;
        revoke(&first, &[&joined.issued.serial], None).await.unwrap();
        let mut told = 0;
        for _ in 0..8 {
            told += usize::from(is_refused(&reads(&joined.wire(&test)).await, "CREDENTIAL_REVOKED"));
        }
        assert!(told >= 6, "{backend:?}: of 8 connections {told} were told");
        test.end().await;
    }
}

/// A node that has seen nothing of it yet still refuses what it writes: it reads what is revoked with the gate.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_revoked_on_one_node_is_refused_on_the_other_and_its_idle_connection_is_closed() {
    let (test, begin) = TestHouse::of_s01(Backend::Postgres, |_| ()).await;
    let micros = i64::try_from(begin.duration_since(std::time::UNIX_EPOCH).unwrap().as_micros()).unwrap();
    let second = serve(&test.database.url, &test.identities, Clock::manual(Timestamp(micros))).await;
    let (newcomer, operator) = (Newcomer::to(&test), operator(&test));
    let a = test.wire(Kind::Partner, "A");
    let joined = newcomer.join(&a, |_| ()).await;
    let there = joined.wire_at(&test, second.local_addr());
    reads(&there).await.unwrap();
    let idle = joined.wire_at(&test, second.local_addr());
    reads(&idle).await.unwrap();
    assert_eq!(second.door().connections, 2);

    revoke(&operator, &[&joined.issued.serial], None).await.unwrap();
    // At once, whatever the second node has seen.
    is_out(&there, &issue("1")).await;
    // The idle one, without a word from it.
    drop(there);
    until(async || second.door().connections, |open| *open == 0).await;
    let read = until(async || reads(&idle).await, |read| is_refused(read, "CREDENTIAL_REVOKED")).await;
    assert!(read.is_err());
    assert_eq!(second.shutdown(Duration::from_secs(10)).await, Drained::Clean);
    test.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_credential_goes_its_whole_line_and_the_invites_that_were_made_with_it() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let (newcomer, a) = (Newcomer::to(&test), test.wire(Kind::Partner, "A"));
        let first = newcomer.join(&a, |_| ()).await;
        let wire = first.wire(&test);
        // A thief renews what it has stolen, and invites.
        let key = new_key();
        let request = v1::RenewCertificateRequest { csr: csr(&key) };
        let issued = wire.clone().credentials.renew_certificate(request).await.unwrap().into_inner().issued.unwrap();
        let next = super::Joined { issued, key };
        let invite = invite_by(&next.wire(&test), |_| ()).await.unwrap();
        let told = revoke(&a, &[&first.issued.serial], None).await.unwrap();
        let mut expected = vec![first.issued.serial.clone(), next.issued.serial.clone()];
        expected.sort_unstable();
        assert_eq!((told.revoked_serials, told.withdrawn_count), (expected, 1));
        is_out(&next.wire(&test), &issue("1")).await;
        let refused = newcomer.enroll_as(&invite, SECRET, csr(&new_key())).await;
        assert!(is_refused(&refused, "INVITE_WITHDRAWN"), "{refused:?}");
        let seen = invites(&a).await;
        let seen = seen.iter().find(|seen| seen.invite_id == invite).unwrap();
        assert_eq!(seen.state(), v1::InviteState::Withdrawn);
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_a_partner_had_is_refused_also_what_was_made_by_hand_and_what_it_gets_after_is_good() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let (newcomer, operator) = (Newcomer::to(&test), operator(&test));
        let by_hand = test.wire(Kind::Partner, "A");
        let joined = newcomer.join(&by_hand, |_| ()).await;
        let open = invite_by(&operator, |asked| asked.holder = partner("A")).await.unwrap();
        let told = revoke(&operator, &[], partner("A")).await.unwrap();
        assert_eq!((told.revoked_serials, told.withdrawn_count), (vec![joined.issued.serial.clone()], 1));
        for wire in [&by_hand, &joined.wire(&test)] {
            is_out(wire, &issue("1")).await;
        }
        let refused = newcomer.enroll_as(&open, SECRET, csr(&new_key())).await;
        assert!(is_refused(&refused, "INVITE_WITHDRAWN"), "{refused:?}");
        // Others are none the wiser.
        issues(&test.wire(Kind::Partner, "B"), &issue("1")).await.unwrap();
        // The clock of a sandbox stands still: an invite of the same moment is one of before.
        let info =
            operator.clone().info.get_server_info(v1::GetServerInfoRequest::default()).await.unwrap().into_inner();
        let mut later = info.server_time.unwrap();
        later.seconds += 1;
        let advance = v1::AdvanceClockRequest { to_time: Some(later) };
        operator.clone().sandbox.advance_clock(advance).await.unwrap();
        let joined = newcomer.join(&operator, |asked| asked.holder = partner("A")).await;
        let wire = joined.wire(&test);
        // It begins with the next second, so that nothing of before is as young.
        until(async || reads(&wire).await, Result::is_ok).await.unwrap();
        issues(&wire, &issue("1")).await.unwrap();
        test.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_revokes_what_is_anothers_and_the_operator_revokes_what_was_made_by_hand_by_its_number() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let (newcomer, operator) = (Newcomer::to(&test), operator(&test));
        let (a, b) = (test.wire(Kind::Partner, "A"), test.wire(Kind::Partner, "B"));
        let joined = newcomer.join(&a, |_| ()).await;
        let serial = joined.issued.serial.as_str();
        for refused in [
            revoke(&b, &[serial], None).await,
            revoke(&b, &["5f0c6a2b"], None).await,
            revoke(&b, &[], partner("A")).await,
        ] {
            assert!(is_refused(&refused, "NOT_FOUND"), "{refused:?}");
        }
        assert!(reads(&joined.wire(&test)).await.is_ok());
        let one = v1::ListCredentialsRequest { serial: serial.to_owned(), ..Default::default() };
        assert!(credentials(&b, one).await.is_empty());
        let all_of_a = v1::ListCredentialsRequest { holder: partner("A"), ..Default::default() };
        let refused = b.clone().credentials.list_credentials(all_of_a.clone()).await;
        assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
        assert_eq!(credentials(&operator, all_of_a).await.len(), 1);

        // By its number, of which the operator has heard.
        let now =
            jiff::Timestamp::from_second(i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap())
                .unwrap();
        let hour = jiff::SignedDuration::from_hours(1);
        let validity = Validity { not_before: now - hour, not_after: now + hour };
        let (issued, key) = test.identities.authority().issue_client(Kind::Partner, "C", validity).unwrap();
        let wire = Wire::with(test.server.local_addr(), test.identities.tls_of(&issued.cert_pem, key.expose_pem()));
        issues(&wire, &issue("1")).await.unwrap();
        let told = revoke(&operator, &[&issued.serial_hex], None).await.unwrap();
        assert_eq!(told.revoked_serials, std::slice::from_ref(&issued.serial_hex));
        is_out(&wire, &issue("1")).await;
        let listed = credentials(&operator, v1::ListCredentialsRequest::default()).await;
        let by_hand = listed.iter().find(|known| known.serial == issued.serial_hex).unwrap();
        assert_eq!((by_hand.holder.as_ref(), by_hand.state()), (None, v1::CredentialState::Revoked));
        test.end().await;
    }
}

/// The clock of machines counts, whatever that of the house says.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_ends_with_its_certificate_also_an_idle_one() {
    let (test, _) = TestHouse::of_s01(Backend::Sqlite, |_| ()).await;
    let now = jiff::Timestamp::from_second(i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap())
        .unwrap();
    let (hour, soon) = (jiff::SignedDuration::from_hours(1), jiff::SignedDuration::from_secs(8));
    let validity = Validity { not_before: now - hour, not_after: now + soon };
    let (issued, key) = test.identities.authority().issue_client(Kind::Partner, "C", validity).unwrap();
    let wire = Wire::with(test.server.local_addr(), test.identities.tls_of(&issued.cert_pem, key.expose_pem()));
    issues(&wire, &issue("1")).await.unwrap();
    let open = test.server.door().connections;
    assert_eq!(open, 1);
    until(async || test.server.door().connections, |open| *open == 0).await;
    assert!(reads(&wire).await.is_err(), "its certificate opens no other one");
    test.end().await;
}
