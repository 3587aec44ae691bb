//! The coalition that is measured: twenty brands that prepay their points, so that every issue moves four balances, two
//! of which (`pool`, `position:operator`) belong to everybody; and five more whose points are redeemed.

use std::collections::BTreeMap;

use anyhow::Result;
use clearing::clock::Clock;
use clearing::coalition_file::FIRST_PERSON;
use clearing::tls::TlsMaterial;
use clearing_certs::{Authority, Kind, ServerAddress, Validity};
use clearing_core::facts::calendar::Calendars;
use clearing_core::facts::coalition::{CARE_POINTS, Coalition, House, NoticeDays, Recovery};
use clearing_core::facts::credential::Revoked;
use clearing_core::facts::limits::Limits;
use clearing_core::facts::partner::{Partner, PartnerState};
use clearing_core::facts::person::People;
use clearing_core::facts::security::Security;
use clearing_core::facts::terms::{Breakage, ExpiryPolicy, FeeBearer, Funding, Terms};
use clearing_core::units::{Money, PartnerId, Rate, Timestamp};
use jiff::ToSpan as _;
use jiff::tz::TimeZone;

/// Brands of the coalition.
pub const PARTNERS: usize = 20;

/// More brands, whose points the members hold who redeem. Every other one pays when its points are redeemed.
pub const WALLET_ISSUERS: usize = 5;

/// The name in all certificates.
pub const DOMAIN: &str = "bench.example";

/// The key under which identifiers are hashed.
pub const IDENTIFIER_KEY: [u8; 32] = [7; 32];

/// The window that is open when a measurement begins.
pub const FIRST_WINDOW: u32 = 1;

/// The id of a brand.
pub fn partner(at: usize) -> PartnerId {
    format!("brand-{at:02}").parse().expect("a well-formed id")
}

/// The house as it is when a measurement begins: a point costs its issuer 1.05, is backed by 1.00 and pays the acceptor
/// 0.95, less a fee of 2 %. Points live for twelve months.
pub fn house(now: Timestamp) -> House {
    let partners = (0..PARTNERS + WALLET_ISSUERS).map(|at| {
        let at_redemption = at >= PARTNERS && (at - PARTNERS) % 2 == 1;
        (partner(at), if at_redemption { Funding::AtRedemption } else { Funding::AtIssue })
    });
    house_of(now, partners.chain([(PartnerId::operator(), Funding::AtIssue)]))
}

/// A house of so many brands on the same terms, but that all pay when their points are redeemed: then they owe each other.
pub fn wide_house(now: Timestamp, partners: usize) -> House {
    let brands = (0..partners).map(partner).chain([PartnerId::operator()]);
    house_of(now, brands.map(|brand| (brand, Funding::AtRedemption)))
}

fn house_of(now: Timestamp, partners: impl Iterator<Item = (PartnerId, Funding)>) -> House {
    let share = |percent: u32| Rate::new(percent_of_one(percent)).expect("a share of one");
    let terms = Terms {
        version: 1,
        effective: now,
        funding: Funding::AtIssue,
        price: Money(105),
        value: Money(100),
        reimbursement: Money(95),
        acceptance_fee: share(2),
        fee_bearer: FeeBearer::Acceptor,
        breakage: Breakage { reserve: share(50), operator: share(30), issuer: share(20) },
        expiry: ExpiryPolicy::Months(12),
        return_days: None,
        tender_value: Money(100),
        receipt_share: Rate::ONE,
    };
    let coalition = Coalition {
        id: "bench".to_owned(),
        currency: "EUR".parse().expect("a currency"),
        scale: 2,
        default_terms: terms.clone(),
        default_limits: Limits::default(),
        grace_days: 14,
        passed_over_grace_days: 14,
        recovery: Recovery::Any,
        open_consents: false,
        settlement_threshold: Money::ZERO,
        disclose_issuers: true,
        time_zone: TimeZone::UTC,
        key_retention_days: 400,
        business_time_age_days: 30,
        notice_days: NoticeDays::default(),
        proposal_days: 7,
        account_change_days: 3,
        carry_windows_max: Some(4),
        care_points: CARE_POINTS,
        pay_outs_wait: true,
        caps_need_cover: false,
    };
    let partners = partners.map(|(id, funding)| {
        let terms = vec![Terms { funding, ..terms.clone() }];
        let (display_name, state) = (id.to_string(), PartnerState::Active);
        let (limits, security, group, state_no, limits_no) = (Limits::default(), Security::default(), None, 0, 0);
        let suspended_in = None;
        let partner =
            Partner { id, display_name, state, suspended_in, terms, limits, group, state_no, limits_no, security };
        (id, partner)
    });
    let partners: BTreeMap<PartnerId, Partner> = partners.collect();
    let calendar = Calendars::default();
    let people = People::first(FIRST_PERSON.parse().expect("a name"));
    House { coalition, partners, calendar, revoked: Revoked::default(), people }
}

fn percent_of_one(percent: u32) -> rust_decimal::Decimal {
    rust_decimal::Decimal::new(i64::from(percent), 2)
}

/// Throw-away certificates of the coalition.
pub struct Certificates {
    /// Who issues them.
    pub authority: Authority,
    pub server: TlsMaterial,
    /// Of each brand, certificate and key.
    pub partners: Vec<ClientPem>,
    pub operator: ClientPem,
}

/// A client's certificate and key, as PEM.
#[derive(Clone)]
pub struct ClientPem {
    pub cert: String,
    pub key: String,
}

impl Certificates {
    /// # Errors
    /// If a certificate cannot be made.
    pub fn generate(clock: &Clock) -> Result<Self> {
        let now = clock.now().to_jiff();
        let validity = Validity { not_before: now - 1.hour(), not_after: now + 48.hours() };
        let authority = Authority::generate(DOMAIN, validity)?;
        let (server, key) = authority.issue_server(&ServerAddress::loopback(), validity)?;
        let client = |kind: Kind, id: &str| -> Result<ClientPem> {
            let (issued, key) = authority.issue_client(kind, id, validity)?;
            Ok(ClientPem { cert: issued.cert_pem, key: key.expose_pem().to_owned() })
        };
        Ok(Self {
            partners: (0..PARTNERS + WALLET_ISSUERS)
                .map(|at| client(Kind::Partner, partner(at).as_str()))
                .collect::<Result<_>>()?,
            operator: client(Kind::Operator, FIRST_PERSON)?,
            server: TlsMaterial {
                ca_pem: authority.cert_pem().to_owned(),
                cert_pem: server.cert_pem,
                key_pem: key.expose_pem().to_owned().into(),
                crl_pem: None,
                partner_ca_pems: BTreeMap::new(),
            },
            authority,
        })
    }
}
