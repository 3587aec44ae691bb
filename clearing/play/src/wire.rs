//! A caller that speaks the protocol itself: what the SDK does not let a partner say, or does not show of the answer, such
//! as the pages of a list.

use std::net::SocketAddr;
use std::sync::Arc;

use clearing_certs::Kind;
use clearing_proto::v1::admin_service_client::AdminServiceClient;
use clearing_proto::v1::approval_service_client::ApprovalServiceClient;
use clearing_proto::v1::bank_account_service_client::BankAccountServiceClient;
use clearing_proto::v1::care_service_client::CareServiceClient;
use clearing_proto::v1::credential_service_client::CredentialServiceClient;
use clearing_proto::v1::entry_service_client::EntryServiceClient;
use clearing_proto::v1::hold_service_client::HoldServiceClient;
use clearing_proto::v1::info_service_client::InfoServiceClient;
use clearing_proto::v1::issue_service_client::IssueServiceClient;
use clearing_proto::v1::member_service_client::MemberServiceClient;
use clearing_proto::v1::notice_service_client::NoticeServiceClient;
use clearing_proto::v1::partner_service_client::PartnerServiceClient;
use clearing_proto::v1::people_service_client::PeopleServiceClient;
use clearing_proto::v1::position_service_client::PositionServiceClient;
use clearing_proto::v1::purchase_service_client::PurchaseServiceClient;
use clearing_proto::v1::receipt_service_client::ReceiptServiceClient;
use clearing_proto::v1::redemption_service_client::RedemptionServiceClient;
use clearing_proto::v1::report_service_client::ReportServiceClient;
use clearing_proto::v1::request_service_client::RequestServiceClient;
use clearing_proto::v1::reversal_service_client::ReversalServiceClient;
use clearing_proto::v1::sandbox_service_client::SandboxServiceClient;
use clearing_proto::v1::settlement_service_client::SettlementServiceClient;
use clearing_proto::v1::transfer_service_client::TransferServiceClient;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};

use crate::identities::Identities;

/// The generated clients of the services, over one connection with a certificate.
#[derive(Debug, Clone)]
pub struct Wire {
    /// The connection, for whoever makes a client of its own.
    pub channel: Channel,
    pub issues: IssueServiceClient<Channel>,
    pub redemptions: RedemptionServiceClient<Channel>,
    pub holds: HoldServiceClient<Channel>,
    pub purchases: PurchaseServiceClient<Channel>,
    pub reversals: ReversalServiceClient<Channel>,
    pub transfers: TransferServiceClient<Channel>,
    pub requests: RequestServiceClient<Channel>,
    pub entries: EntryServiceClient<Channel>,
    pub receipts: ReceiptServiceClient<Channel>,
    pub members: MemberServiceClient<Channel>,
    pub notices: NoticeServiceClient<Channel>,
    pub position: PositionServiceClient<Channel>,
    pub partners: PartnerServiceClient<Channel>,
    pub people: PeopleServiceClient<Channel>,
    pub approvals: ApprovalServiceClient<Channel>,
    pub settlement: SettlementServiceClient<Channel>,
    pub credentials: CredentialServiceClient<Channel>,
    pub bank_accounts: BankAccountServiceClient<Channel>,
    pub care: CareServiceClient<Channel>,
    pub admin: AdminServiceClient<Channel>,
    pub report: ReportServiceClient<Channel>,
    pub info: InfoServiceClient<Channel>,
    pub sandbox: SandboxServiceClient<Channel>,
}

impl Wire {
    /// Connects when it is first used.
    pub fn to(address: SocketAddr, identities: &Identities, kind: Kind, id: &str) -> Self {
        Self::with(address, identities.tls(kind, id))
    }

    /// Connects with what somebody shows when it is first used.
    pub fn with(address: SocketAddr, tls: Arc<ClientConfig>) -> Self {
        let channel = channel(address, tls);
        Self {
            channel: channel.clone(),
            issues: IssueServiceClient::new(channel.clone()),
            redemptions: RedemptionServiceClient::new(channel.clone()),
            holds: HoldServiceClient::new(channel.clone()),
            purchases: PurchaseServiceClient::new(channel.clone()),
            reversals: ReversalServiceClient::new(channel.clone()),
            transfers: TransferServiceClient::new(channel.clone()),
            requests: RequestServiceClient::new(channel.clone()),
            entries: EntryServiceClient::new(channel.clone()),
            receipts: ReceiptServiceClient::new(channel.clone()),
            members: MemberServiceClient::new(channel.clone()),
            notices: NoticeServiceClient::new(channel.clone()),
            position: PositionServiceClient::new(channel.clone()),
            partners: PartnerServiceClient::new(channel.clone()),
            people: PeopleServiceClient::new(channel.clone()),
            approvals: ApprovalServiceClient::new(channel.clone()),
            settlement: SettlementServiceClient::new(channel.clone()),
            credentials: CredentialServiceClient::new(channel.clone()),
            bank_accounts: BankAccountServiceClient::new(channel.clone()),
            care: CareServiceClient::new(channel.clone()),
            admin: AdminServiceClient::new(channel.clone()),
            report: ReportServiceClient::new(channel.clone()),
            info: InfoServiceClient::new(channel.clone()),
            sandbox: SandboxServiceClient::new(channel),
        }
    }
}

/// A connection that is made when it is first used.
pub fn channel(address: SocketAddr, tls: Arc<ClientConfig>) -> Channel {
    let tls = TlsConnector::from(tls);
    let connector = tower::service_fn(move |_: Uri| {
        let tls = tls.clone();
        async move {
            let tcp = TcpStream::connect(address).await?;
            tcp.set_nodelay(true)?;
            let name = ServerName::try_from("localhost").expect("localhost is the name of a host");
            tls.connect(name, tcp).await.map(TokioIo::new)
        }
    });
    // To tonic the endpoint is plain, since the connector does TLS; the origin is what the house gets to see.
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let endpoint = endpoint.origin(format!("https://{address}").parse().unwrap());
    endpoint.connect_with_connector_lazy(connector)
}
