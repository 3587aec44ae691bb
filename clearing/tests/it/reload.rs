//! What the house shows and whom it trusts is replaced while it works: no call of a good partner fails, and who was revoked is
//! refused.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use clearing::tls::TlsMaterial;
use clearing_certs::{Authority, Kind, PrivateKey, Revoked, Validity};
use clearing_play::{BACKENDS, TestHouse};
use partner_sdk::{Client, CreateInvites, Error, Issue, Retries, RevokeCredentials};
use tokio::task::JoinSet;

/// How often each of what is shown, trusted and revoked is replaced.
const SWAPS: usize = 24;
/// How many calls each caller makes between two swaps at least.
const CALLS: usize = 3;

struct Material {
    own: TlsMaterial,
    other: Authority,
    list: String,
    list_of_other: String,
}

impl Material {
    #[allow(clippy::disallowed_methods, reason = "certificates are checked against the machine's clock")]
    fn of(test: &TestHouse, revoked: &str) -> Self {
        let now = jiff::Timestamp::now();
        let hour = jiff::SignedDuration::from_hours(1);
        let validity = Validity { not_before: now - hour, not_after: now + hour };
        let other = Authority::generate(test.identities.authority().domain(), validity).unwrap();
        let revoked = Revoked { serial_hex: revoked.to_owned(), revoke_time: now };
        let list = test.identities.authority().revocation_list(&[revoked], 1, now, now + hour).unwrap();
        let list_of_other = other.revocation_list(&[], 1, now, now + hour).unwrap();
        Self { own: test.identities.server(), other, list, list_of_other }
    }

    /// What is shown and trusted after so many swaps: always a certificate of the coalition's authority, now and then a new one;
    /// a second authority that comes and goes; and from the first on lists, with one that comes and goes as well.
    fn after(&self, test: &TestHouse, swaps: usize) -> TlsMaterial {
        let mut material = if swaps.is_multiple_of(3) { test.identities.server() } else { self.own.clone() };
        material.crl_pem = Some(self.list.clone());
        if !swaps.is_multiple_of(2) {
            material.ca_pem.push_str(self.other.cert_pem());
            material.crl_pem = Some(self.list.clone() + &self.list_of_other);
        }
        material
    }
}

/// Issues a point on a connection that is open, and one on a new one, again and again; asks once each.
async fn calls(test: Arc<TestHouse>, partner: &'static str, done: Arc<AtomicUsize>, stop: Arc<AtomicBool>) {
    let connect = || test.client_that_asks_once(partner);
    let open = connect().await;
    while !stop.load(Ordering::Relaxed) {
        for client in [open.clone(), connect().await] {
            client.issue(Issue::to("card", partner).points(1)).await.unwrap().accepted().unwrap();
            done.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_authorities_and_lists_are_replaced_under_load_and_no_call_of_a_good_partner_fails() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let test = Arc::new(test);
        // B's keys are stolen: whoever has them connects as B.
        let (thief, serial) = thief(&test);
        let before = thief().await.unwrap();
        before.server_info().await.unwrap();
        let material = Material::of(&test, &serial);

        let (done, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let mut callers = JoinSet::new();
        for partner in ["A", "B", "C", "A"] {
            callers.spawn(calls(Arc::clone(&test), partner, Arc::clone(&done), Arc::clone(&stop)));
        }
        for swaps in 0..SWAPS {
            test.server.reload(&material.after(&test, swaps), None).unwrap();
            let enough = done.load(Ordering::Relaxed) + 4 * CALLS;
            while done.load(Ordering::Relaxed) < enough {
                assert!(callers.try_join_next().is_none(), "a caller ended: a call of a good partner failed");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // From the first list on no connection of the revoked certificate opens.
            assert!(refused(thief().await).await, "{backend:?}: after {swaps} swaps");
        }
        // What cannot be used changes nothing.
        let broken = TlsMaterial { cert_pem: "no certificate".to_owned(), ..material.own.clone() };
        test.server.reload(&broken, None).unwrap_err();
        assert!(refused(thief().await).await, "{backend:?}: after what could not be used");
        stop.store(true, Ordering::Relaxed);
        while let Some(ended) = callers.join_next().await {
            ended.unwrap();
        }
        drop(before);
        Arc::into_inner(test).expect("the callers have ended").end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::disallowed_methods, reason = "certificates are checked against the machine's clock")]
async fn a_partners_own_authority_lets_it_in_and_gives_it_no_word_on_certificates_until_it_is_taken_away() {
    for backend in BACKENDS {
        let (test, _) = TestHouse::of_s01(backend, |_| ()).await;
        let now = jiff::Timestamp::now();
        let hour = jiff::SignedDuration::from_hours(1);
        let validity = Validity { not_before: now - hour, not_after: now + hour };
        let own = Authority::generate(test.identities.authority().domain(), validity).unwrap();
        let with = |pem: &str| TlsMaterial {
            partner_ca_pems: BTreeMap::from([("A".to_owned(), pem.to_owned())]),
            ..test.identities.server()
        };
        let ca = test.identities.authority().cert_pem().to_owned();
        let (endpoint, ca) = (&test.endpoint(), &ca);
        let connect = async |id: &str| {
            let (issued, key) = own.issue_client(Kind::Partner, id, validity).unwrap();
            let builder = Client::builder(endpoint).ca_pem(ca.clone()).identity_pem(issued.cert_pem, key.expose_pem());
            builder.deadline(Duration::from_secs(30)).retries(Retries::none()).connect().await
        };
        assert!(refused(connect("A").await).await, "{backend:?}: before it was registered");
        test.server.reload(&with(own.cert_pem()), None).unwrap();
        let a = connect("A").await.unwrap();
        a.issue(Issue::to("card", "A").points(1)).await.unwrap().accepted().unwrap();
        assert!(refused(connect("B").await).await, "{backend:?}: it names another");

        // It renews its certificates itself, and ends none: a serial number of its own choice may be anybody's.
        let csr = PrivateKey::generate().unwrap().signing_request().unwrap();
        let unknown = a.renew_certificate(&csr).await.unwrap_err();
        assert!(matches!(&unknown, Error::Refused(why) if why.reason.as_str() == "CREDENTIAL_UNKNOWN"), "{unknown:?}");
        let denied = a.revoke_credentials(RevokeCredentials::serials(["11"], "stolen")).await;
        assert!(matches!(denied, Err(Error::PermissionDenied { .. })), "{denied:?}");
        let denied = a.create_invites(CreateInvites::new([&a.new_invite()])).await;
        assert!(matches!(denied, Err(Error::PermissionDenied { .. })), "{denied:?}");

        // Other certificates of the house and of the same authority close nothing; without it the open connection ends as well.
        test.server.reload(&with(own.cert_pem()), None).unwrap();
        a.server_info().await.unwrap();
        test.server.reload(&test.identities.server(), None).unwrap();
        let begun = std::time::Instant::now();
        while a.server_info().await.is_ok() {
            assert!(begun.elapsed() < Duration::from_secs(30), "{backend:?}: the connection is open still");
        }
        assert!(refused(connect("A").await).await, "{backend:?}: after it was taken away");
        test.end().await;
    }
}

/// Whether nobody is heard on a connection, or it did not open.
async fn refused(connected: Result<Client, partner_sdk::Error>) -> bool {
    match connected {
        Err(_) => true,
        Ok(client) => client.server_info().await.is_err(),
    }
}

/// Connects anew each time with one certificate of B's, which has this serial number.
fn thief(test: &Arc<TestHouse>) -> (impl AsyncFn() -> Result<Client, partner_sdk::Error> + use<>, String) {
    let [ca, cert, key] = test.identities.pem(Kind::Partner, "B");
    let serial = clearing::tls::credentials::Certificate::read("certificate", &cert).unwrap().remove(0).serial_hex;
    let endpoint = test.endpoint();
    let connect = async move || {
        let builder = Client::builder(&endpoint).ca_pem(ca.clone()).identity_pem(cert.clone(), key.clone());
        builder.deadline(Duration::from_secs(30)).retries(Retries::none()).connect().await
    };
    (connect, serial)
}
