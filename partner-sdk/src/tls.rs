//! The connection: TCP, TLS 1.3 with both sides' certificates, and nothing else.
//!
//! tonic's own TLS knows neither the choice of versions nor that of key exchange, so the connector is written here.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::client::Resumption;
#[cfg(feature = "enrolment")]
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::AsyncBufReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint, Uri};

use crate::error::Error;

/// Where the house is.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    host: String,
    port: u16,
    /// The name its certificate must carry.
    server_name: ServerName<'static>,
}

impl Address {
    /// Reads `https://host:port` or `host:port`.
    pub(crate) fn parse(endpoint: &str, server_name: Option<&str>) -> Result<Self, Error> {
        let config = |problem: String| Error::Config { what: "the endpoint", problem };
        let text = match endpoint.split_once("://") {
            Some(("https", rest)) => rest,
            Some((scheme, _)) => return Err(config(format!("{endpoint}: {scheme} is not https"))),
            None => endpoint,
        };
        let uri: Uri = text.trim_end_matches('/').parse().map_err(|error| config(format!("{endpoint}: {error}")))?;
        let (Some(host), Some(port)) = (uri.host(), uri.port_u16()) else {
            return Err(config(format!("{endpoint} is not of the form https://HOST:PORT")));
        };
        // A literal IPv6 address stands in brackets in a URI, and only there.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = server_name.unwrap_or(&host).to_owned();
        let server_name = ServerName::try_from(name.clone())
            .map_err(|error| Error::Config { what: "the server name", problem: format!("{name}: {error}") })?;
        Ok(Self { host, port, server_name })
    }

    fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// TLS 1.3 only, post-quantum key exchange first, these authorities the only ones trusted.
pub(crate) fn client_config(
    authorities: Vec<CertificateDer<'static>>,
    cert_pem: &[u8],
    key_pem: &[u8],
) -> Result<Arc<ClientConfig>, Error> {
    let roots = roots(authorities)?;
    let chain = certificates("the client certificate", cert_pem)?;
    let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|error| config("the private key", &error))?;
    let tls = versions(provider())?.with_root_certificates(roots).with_client_auth_cert(chain, key);
    Ok(http2(tls.map_err(|error| config("the client certificate with its key", &error))?))
}

/// The same for whoever has no certificate yet: the house is verified as `verifier` does it.
#[cfg(feature = "enrolment")]
pub(crate) fn newcomer_config(
    verifier: impl FnOnce(Arc<CryptoProvider>) -> Arc<dyn ServerCertVerifier>,
) -> Result<Arc<ClientConfig>, Error> {
    let provider = provider();
    let verifier = verifier(Arc::clone(&provider));
    Ok(http2(versions(provider)?.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()))
}

/// The same for whoever has no certificate any more, and still knows the coalition's authority.
#[cfg(feature = "enrolment")]
pub(crate) fn trusting_config(ca_pem: &[u8]) -> Result<Arc<ClientConfig>, Error> {
    let roots = roots(authorities(ca_pem)?)?;
    Ok(http2(versions(provider())?.with_root_certificates(roots).with_no_client_auth()))
}

fn config(what: &'static str, problem: &impl ToString) -> Error {
    Error::Config { what, problem: problem.to_string() }
}

fn certificates(what: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| config(what, &error))?;
    if all.is_empty() { Err(config(what, &"there is no certificate in it")) } else { Ok(all) }
}

const AUTHORITY: &str = "the coalition's certificate";

/// The authorities in a text.
pub(crate) fn authorities(ca_pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    certificates(AUTHORITY, ca_pem)
}

fn roots(authorities: Vec<CertificateDer<'static>>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority).map_err(|error| config(AUTHORITY, &error))?;
    }
    Ok(roots)
}

/// The provider is named here and never installed for the whole process: that is the program's choice, not a library's.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn versions(provider: Arc<CryptoProvider>) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, Error> {
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| config("TLS 1.3", &error))
}

fn http2(mut tls: ClientConfig) -> Arc<ClientConfig> {
    tls.alpn_protocols = vec![b"h2".to_vec()];
    // The house does not resume sessions, since that would skip its look at the certificate.
    tls.resumption = Resumption::disabled();
    Arc::new(tls)
}

/// Makes channels to one house. A channel connects again whenever its connection is lost.
#[derive(Clone)]
pub(crate) struct Connector {
    address: Address,
    tls: TlsConnector,
    endpoint: Endpoint,
}

impl Connector {
    /// For connections to this address with this configuration.
    pub(crate) fn new(address: Address, tls: Arc<ClientConfig>, connect_time_max: Duration) -> Result<Self, Error> {
        let endpoint = endpoint(&address, connect_time_max)?;
        Ok(Self { address, tls: TlsConnector::from(tls), endpoint })
    }

    /// A channel that is connected.
    pub(crate) async fn connected(&self) -> Result<Channel, tonic::transport::Error> {
        self.endpoint.connect_with_connector(self.service()).await
    }

    /// A channel that connects when it is first used.
    pub(crate) fn lazy(&self) -> Channel {
        self.endpoint.connect_with_connector_lazy(self.service())
    }

    fn service(
        &self,
    ) -> impl tower::Service<Uri, Response = TokioIo<TlsStream<TcpStream>>, Error = io::Error, Future: Send> + Send + use<>
    {
        let (address, tls) = (self.address.clone(), self.tls.clone());
        tower::service_fn(move |_: Uri| {
            let (address, tls) = (address.clone(), tls.clone());
            async move { connect(&address, &tls).await.map(TokioIo::new) }
        })
    }
}

fn endpoint(address: &Address, connect_time_max: Duration) -> Result<Endpoint, Error> {
    let authority = address.authority();
    let uri = |scheme: &str| -> Result<Uri, Error> {
        format!("{scheme}://{authority}")
            .parse()
            .map_err(|error| Error::Config { what: "the endpoint", problem: format!("{authority}: {error}") })
    };
    // To tonic the endpoint is plain, since the connector below does TLS; `origin` is what the house gets to see.
    Ok(Endpoint::from(uri("http")?)
        .origin(uri("https")?)
        .user_agent(concat!("partner-sdk/", env!("CARGO_PKG_VERSION")))
        .map_err(|error| Error::Config { what: "the endpoint", problem: error.to_string() })?
        .connect_timeout(connect_time_max)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true))
}

/// Room for a whole batch of answers in flight; the default of 64 KiB would cost a round trip for each.
const STREAM_WINDOW_BYTES: u32 = 2 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;

/// A connection that died without a word (a till that slept, a firewall that forgot) is noticed after 20 + 10 seconds.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

async fn connect(address: &Address, tls: &TlsConnector) -> io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect((address.host.as_str(), address.port)).await?;
    // Small requests must not wait for more to send.
    tcp.set_nodelay(true)?;
    let mut stream = tls.connect(address.server_name.clone(), tcp).await?;
    // In TLS 1.3 a client is done before the other side has looked at its certificate, so a refusal would show at the first
    // call, when it is too late to say for certain that the call had no effect. An HTTP/2 server speaks first (its
    // SETTINGS): once something arrives, the certificate is accepted. The bytes stay where they are.
    if stream.fill_buf().await?.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_host_and_a_port() {
        for (text, authority) in [
            ("https://localhost:7443", "localhost:7443"),
            ("https://localhost:7443/", "localhost:7443"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("https://[::1]:7443", "[::1]:7443"),
        ] {
            assert_eq!(Address::parse(text, None).unwrap().authority(), authority);
        }
        for text in ["", "http://localhost:7443", "https://localhost", "https://local host:1", "localhost:99999"] {
            assert!(matches!(Address::parse(text, None), Err(Error::Config { .. })), "{text}");
        }
    }
}
