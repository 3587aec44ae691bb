//! Who trusts whom.

use partner_sdk::{Client, Error, Issue};

use crate::house::{Coalition, House};

#[tokio::test]
async fn a_house_of_another_coalition_is_not_trusted() {
    let house = House::playing([]).await;
    let (cert, key) = house.coalition.partner("grocer");
    let other = Coalition::new();
    let builder = Client::builder(house.endpoint()).ca_pem(other.ca_pem()).identity_pem(cert, key);
    let error = builder.connect().await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
}

#[tokio::test]
async fn a_house_of_another_name_is_not_trusted() {
    let house = House::playing([]).await;
    let error = house.builder().server_name("elsewhere.example").connect().await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
}

/// In TLS 1.3 a client is done before the house has looked at its certificate. The SDK waits for the house's first word, so
/// that a refusal shows when connecting, and a call that meets it certainly had no effect.
#[tokio::test]
async fn a_partner_of_another_coalition_learns_that_its_certificate_is_refused() {
    let house = House::playing([]).await;
    let (cert, key) = Coalition::new().partner("grocer");
    let builder = Client::builder(house.endpoint()).ca_pem(house.coalition.ca_pem()).identity_pem(cert, key);
    let error = builder.clone().connect().await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    let error = builder.connect_lazy().unwrap().issue(Issue::to("card", "4000").points(1)).await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    assert!(house.issues().is_empty());
}

#[tokio::test]
async fn what_is_missing_or_unreadable_is_named() {
    let coalition = Coalition::new();
    let (cert, key) = coalition.partner("grocer");
    let (_, other_key) = coalition.partner("cards");
    let builder = || Client::builder("https://localhost:1");
    for (builder, named) in [
        (builder().identity_pem(cert.clone(), key.clone()), "the coalition's certificate"),
        (builder().ca_pem(coalition.ca_pem()), "the client certificate"),
        (builder().ca_pem("").identity_pem(cert.clone(), key.clone()), "the coalition's certificate"),
        (builder().ca_pem(coalition.ca_pem()).identity_pem(cert.clone(), ""), "the private key"),
        (
            builder().ca_pem(coalition.ca_pem()).identity_pem(cert.clone(), other_key),
            "the client certificate with its key",
        ),
    ] {
        let error = builder.connect_lazy().unwrap_err();
        assert!(matches!(error, Error::Config { what, .. } if what == named), "{error:?}");
    }
    let error = builder().ca_file("/nowhere/ca.pem").identity_pem(cert, key).connect_lazy().unwrap_err();
    assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
}
