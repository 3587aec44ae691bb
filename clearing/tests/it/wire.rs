//! A gRPC client that is none of ours: the library's, with its defaults, over mutual TLS. It says what no SDK would.

use std::sync::Arc;

use clearing_certs::Kind;
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};

use crate::house::TestHouse;

/// A connection as a partner, the operator or an auditor.
pub async fn channel(test: &TestHouse, kind: Kind, id: &str) -> Channel {
    let [ca, cert, key] = test.identities.pem(kind, id);
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let chain = CertificateDer::pem_slice_iter(cert.as_bytes()).map(Result::unwrap).collect();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let (tls, address) = (TlsConnector::from(Arc::new(config)), test.server.local_addr());
    let connector = tower::service_fn(move |_: Uri| {
        let tls = tls.clone();
        async move {
            let tcp = TcpStream::connect(address).await?;
            tls.connect(ServerName::try_from("localhost").unwrap(), tcp).await.map(TokioIo::new)
        }
    });
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    endpoint.connect_with_connector(connector).await.unwrap()
}

/// A new key of a request.
pub fn key() -> String {
    uuid::Uuid::from_u128(clearing::clock::fresh_uuid()).to_string()
}
