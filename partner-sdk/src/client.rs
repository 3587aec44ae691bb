//! The client of a brand.

mod till;

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, SystemTime};

use clearing_proto::v1;
use clearing_proto::v1::entry_service_client::EntryServiceClient;
use clearing_proto::v1::info_service_client::InfoServiceClient;
use clearing_proto::v1::issue_service_client::IssueServiceClient;
use clearing_proto::v1::member_service_client::MemberServiceClient;
use clearing_proto::v1::position_service_client::PositionServiceClient;
use clearing_proto::v1::redemption_service_client::RedemptionServiceClient;
use clearing_proto::v1::request_service_client::RequestServiceClient;
use tokio::task::JoinSet;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::answers::{
    Abandoned, Balance, CalendarVersion, CutOff, Entry, Issued, LegExplained, Obligation, Position, Quote, Redeemed,
    Returned, ServerInfo, Statement, StatementLine, Window,
};
use crate::builder::ClientBuilder;
use crate::call::{Failed, Policy, Why};
use crate::error::Error;
use crate::line::{Departure, Line};
use crate::member::MemberRef;
use crate::operator::{Operator, OrderMode, PaymentOrder, Sandbox};
use crate::outcome::{Outcome, Unknown};
use crate::pages::Pages;
use crate::points::{Abandon, EntryFilter, Issue, Keyed, QuoteRequest, Redeem, ReturnRedemption};
use crate::request_id::RequestId;
use crate::stream::IssueStream;
#[cfg(feature = "enrolment")]
use crate::tls::Connector;
use crate::wire::{self, FromWire, each, there};

/// A call of a service, on whatever connection has its turn.
macro_rules! call {
    ($client:ident::$method:ident) => {
        |line, request| async move { $client::new(line).$method(request).await }
    };
}

pub(crate) use call;

/// Tells the time that request ids carry.
pub(crate) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// How many rows a list asks for at a time: the most the house gives.
pub(crate) const PAGE_SIZE: i32 = 1_000;

/// The window that is open.
pub(crate) const OPEN_WINDOW: i64 = 0;

/// A brand's connection to the clearing house. Cheap to clone; clones share connections and retry budget.
///
/// Calls with an effect give an [`Outcome`]; calls without one the answer itself. Dropping the future of a call gives up
/// on its answer, not on its effect.
#[derive(Clone)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
    pub(crate) deadline: Duration,
    pub(crate) batch_deadline: Duration,
}

/// What all clones of a client share.
pub(crate) struct Shared {
    pub policy: Policy,
    pub channels: RwLock<Vec<Channel>>,
    pub next_channel: AtomicUsize,
    pub clock: Clock,
    /// What goes on beside the calls, and ends with the client.
    pub tasks: Mutex<JoinSet<()>>,
}

impl Shared {
    /// The connection whose turn it is, for one request.
    pub(crate) fn line(&self, departure: Departure) -> Line {
        let channels = self.channels.read().expect("nobody panics with the lock");
        let turn = match channels.len() {
            1 => 0,
            connections => self.next_channel.fetch_add(1, Ordering::Relaxed) % connections,
        };
        Line::new(channels[turn].clone(), departure)
    }

    /// Puts other connections in the place of those that there are. Calls under way end on the old ones.
    #[cfg(feature = "enrolment")]
    pub(crate) async fn reconnect(&self, connector: &Connector) {
        let count = self.channels.read().expect("nobody panics with the lock").len();
        for turn in 0..count {
            // One that is not to be had now, as a house may allow no more at a time, is made when it is needed.
            let channel = connector.connected().await.unwrap_or_else(|_| connector.lazy());
            self.channels.write().expect("nobody panics with the lock")[turn] = channel;
        }
    }
}

impl Client {
    /// Begins a client of the house at `https://HOST:PORT`.
    pub fn builder(endpoint: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(endpoint.into())
    }

    /// The same client with another deadline for calls that are not batches.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// A key for a request, to be stored before the request is sent.
    #[must_use]
    pub fn new_request_id(&self) -> RequestId {
        RequestId::at(self.now())
    }

    /// The time that request ids carry.
    pub(crate) fn now(&self) -> SystemTime {
        (self.shared.clock)()
    }

    /// The calls of the operator and of auditors.
    #[must_use]
    pub fn operator(&self) -> Operator {
        Operator::new(self.clone())
    }

    /// The clock of a sandbox.
    #[must_use]
    pub fn sandbox(&self) -> Sandbox {
        Sandbox::new(self.clone())
    }

    /// Gives points to a member.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn issue(&self, issue: Issue) -> Result<Outcome<Issued>, Error> {
        self.write(issue, wire::to_issue, call!(IssueServiceClient::issue_points), FromWire::read).await
    }

    /// Gives points to up to 8,192 members in one call. Each item has a request id and an outcome of its own; they come in
    /// the order of the items.
    ///
    /// # Errors
    /// When the call as a whole failed and certainly had no effect. If it may have had one, each item's outcome is
    /// [`Outcome::Unknown`].
    pub async fn batch_issue(&self, mut items: Vec<Issue>) -> Result<Vec<Result<Outcome<Issued>, Error>>, Error> {
        let keys: Vec<RequestId> = items.iter_mut().map(|item| self.key_of(item)).collect();
        let batch = || v1::BatchIssuePointsRequest { items: items.iter().map(wire::to_issue).collect() };
        let call = |line, request| async move { IssueServiceClient::new(line).batch_issue_points(request).await };
        match self.tries(self.batch_deadline, batch, call).await {
            Ok(answer) => Ok(self.item_outcomes(&keys, answer.results)),
            Err(Failed { why: Why::Error(cause), may_have_effect: true }) => Ok(keys
                .iter()
                .map(|id| Ok(Outcome::Unknown(Unknown { request_id: *id, cause: cause.clone() })))
                .collect()),
            Err(failed) => Err(failed.into_error()),
        }
    }

    /// Opens a stream of batches of issues: the fastest way to issue, with up to `in_flight_max` batches unanswered at a
    /// time (0 is taken as 1).
    #[must_use]
    pub fn stream_issue(&self, in_flight_max: usize) -> IssueStream {
        IssueStream::new(self.clone(), in_flight_max.max(1))
    }

    /// Tells what a redemption would do. Reserves nothing.
    ///
    /// # Errors
    /// Those of a read, [`Error::NotFound`] for an unknown member among them.
    pub async fn quote(&self, member: impl Into<MemberRef>, how_many: i64) -> Result<Quote, Error> {
        self.quote_redemption(QuoteRequest::points(member, how_many)).await
    }

    /// Takes points from a member.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn redeem(&self, redeem: Redeem) -> Result<Outcome<Redeemed>, Error> {
        let call = call!(RedemptionServiceClient::redeem_points);
        self.write(redeem, wire::to_redeem, call, FromWire::read).await
    }

    /// Gives points of a redemption back.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn return_redemption(&self, back: ReturnRedemption) -> Result<Outcome<Returned>, Error> {
        let call = call!(RedemptionServiceClient::return_redemption);
        self.write(back, wire::to_return, call, FromWire::read).await
    }

    /// Makes sure that an earlier request has no effect.
    ///
    /// # Errors
    /// See [`Outcome`].
    pub async fn abandon(&self, abandon: Abandon) -> Result<Outcome<Abandoned>, Error> {
        let call = call!(RequestServiceClient::abandon_request);
        self.write(abandon, wire::to_abandon, call, FromWire::read).await
    }

    /// The points of a member.
    ///
    /// # Errors
    /// Those of a read, [`Error::NotFound`] for an unknown member among them.
    pub async fn balance(&self, member: impl Into<MemberRef>) -> Result<Balance, Error> {
        let member = member.into();
        let request = || v1::GetBalanceRequest { member: Some(wire::to_member(&member)) };
        self.read(request, call!(MemberServiceClient::get_balance), FromWire::read).await
    }

    /// The entry of this id.
    ///
    /// # Errors
    /// Those of a read, [`Error::NotFound`] when there is none that the caller may see among them.
    pub async fn entry(&self, entry_id: &str) -> Result<Entry, Error> {
        self.entry_by(v1::get_entry_request::Key::EntryId(entry_id.to_owned())).await
    }

    /// The entry that this request of the caller's caused.
    ///
    /// # Errors
    /// Those of a read, [`Error::NotFound`] when it caused none among them.
    pub async fn entry_of_request(&self, id: RequestId) -> Result<Entry, Error> {
        self.entry_by(v1::get_entry_request::Key::RequestId(id.to_string())).await
    }

    async fn entry_by(&self, key: v1::get_entry_request::Key) -> Result<Entry, Error> {
        let request = || v1::GetEntryRequest { key: Some(key.clone()) };
        let call = call!(EntryServiceClient::get_entry);
        self.read(request, call, |answer| FromWire::read(there(answer.entry, "entry")?)).await
    }

    /// The entries that the caller has a part in, newest first: its own operations, and those by which its points moved
    /// elsewhere.
    pub fn entries(&self, filter: EntryFilter) -> Pages<Entry> {
        self.pages(
            move |token| wire::to_list_entries(&filter, PAGE_SIZE, token),
            call!(EntryServiceClient::list_entries),
            |answer| Ok((each(answer.entries)?, answer.next_page_token)),
        )
    }

    /// What the caller owes or is owed.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn position(&self) -> Result<Position, Error> {
        self.position_of("").await
    }

    /// What a partner owes or is owed; for the operator and auditors.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn position_of(&self, partner_id: &str) -> Result<Position, Error> {
        let request = || v1::GetPositionRequest { partner_id: partner_id.to_owned() };
        let call = call!(PositionServiceClient::get_position);
        self.read(request, call, FromWire::read).await
    }

    /// The windows, newest first, with the caller's leg in each.
    pub fn windows(&self) -> Pages<Window> {
        self.list_windows(false)
    }

    /// The closed windows that wait for the operator to confirm their settlement, newest first, with the caller's leg in each.
    pub fn unconfirmed_windows(&self) -> Pages<Window> {
        self.list_windows(true)
    }

    fn list_windows(&self, unconfirmed: bool) -> Pages<Window> {
        self.pages(
            move |page_token| v1::ListWindowsRequest { page_size: PAGE_SIZE, page_token, unconfirmed },
            call!(PositionServiceClient::list_windows),
            |answer| Ok((each(answer.windows)?, answer.next_page_token)),
        )
    }

    /// The next moments, at most 10, at which the calendar closes the open window.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn next_closes(&self) -> Result<Vec<SystemTime>, Error> {
        Ok(self.calendar().await?.1.into_iter().map(|cut_off| cut_off.close_time).collect())
    }

    /// The calendar in force, if there was one yet, and the next cut-offs, at most 10.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn calendar(&self) -> Result<(Option<CalendarVersion>, Vec<CutOff>), Error> {
        let request = || v1::ListWindowsRequest { page_size: 1, ..Default::default() };
        let call = call!(PositionServiceClient::list_windows);
        let read = |answer: v1::ListWindowsResponse| {
            let calendar = answer.calendar.map(FromWire::read).transpose()?;
            Ok((calendar, each(answer.cut_offs)?))
        };
        self.read(request, call, read).await
    }

    /// The calendars that are announced, by the time at which they take effect.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn announced_calendars(&self) -> Result<Vec<CalendarVersion>, Error> {
        let request = || v1::GetCalendarRequest { page_size: 1, ..Default::default() };
        let call = call!(PositionServiceClient::get_calendar);
        self.read(request, call, |answer: v1::GetCalendarResponse| each(answer.announced)).await
    }

    /// The cut-offs of a year ahead, earliest first.
    pub fn cut_offs(&self) -> Pages<CutOff> {
        self.pages(
            |page_token| v1::GetCalendarRequest { page_size: PAGE_SIZE, page_token },
            call!(PositionServiceClient::get_calendar),
            |answer| Ok((each(answer.cut_offs)?, answer.next_page_token)),
        )
    }

    /// The caller's statement for a window; `None`: the open one, so far.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn statement(&self, window: Option<i64>) -> Result<Statement, Error> {
        self.statement_of("", window).await
    }

    /// The statement of a partner; for the operator and auditors.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn statement_of(&self, partner_id: &str, window: Option<i64>) -> Result<Statement, Error> {
        // The totals are on every page, however small; the lines have their own call.
        let request = || statement_request(partner_id, window, 1, String::new());
        let call = call!(PositionServiceClient::get_statement);
        self.read(request, call, FromWire::read).await
    }

    /// The lines of the caller's statement, in the order of the journal.
    pub fn statement_lines(&self, window: Option<i64>) -> Pages<StatementLine> {
        self.statement_lines_of("", window)
    }

    /// The lines of a partner's statement; for the operator and auditors.
    pub fn statement_lines_of(&self, partner_id: &str, window: Option<i64>) -> Pages<StatementLine> {
        let partner_id = partner_id.to_owned();
        self.pages(
            move |token| statement_request(&partner_id, window, PAGE_SIZE, token),
            call!(PositionServiceClient::get_statement),
            |answer| Ok((each(answer.lines)?, answer.next_page_token)),
        )
    }

    /// How the caller's leg of a closed window comes of its position. The lines of the statement explain the position.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn explain_leg(&self, window: i64) -> Result<LegExplained, Error> {
        self.explain_leg_of("", window).await
    }

    /// How the leg of a partner comes of its position; for the operator and auditors.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn explain_leg_of(&self, partner_id: &str, window: i64) -> Result<LegExplained, Error> {
        let request = || v1::ExplainLegRequest { window, partner_id: partner_id.to_owned() };
        self.read(request, call!(PositionServiceClient::explain_leg), FromWire::read).await
    }

    /// What issuers owe acceptors for a window before netting, where the caller is one of the two.
    pub fn obligations(&self, window: Option<i64>) -> Pages<Obligation> {
        self.obligations_of("", window)
    }

    /// The obligations of a partner; for the operator and auditors.
    pub fn obligations_of(&self, partner_id: &str, window: Option<i64>) -> Pages<Obligation> {
        let partner_id = partner_id.to_owned();
        self.pages(
            move |page_token| v1::ListObligationsRequest {
                window: window.unwrap_or(OPEN_WINDOW),
                partner_id: partner_id.clone(),
                page_size: PAGE_SIZE,
                page_token,
            },
            call!(PositionServiceClient::list_obligations),
            |answer| Ok((each(answer.obligations)?, answer.next_page_token)),
        )
    }

    /// The payment orders of a closed window that the caller is an end of, those that are paid included; of the operator
    /// and auditors all. With a mode: as an export in it would make them; else as they were exported.
    pub fn orders(&self, window: i64, mode: Option<OrderMode>) -> Pages<PaymentOrder> {
        self.orders_of("", window, mode)
    }

    /// The orders that a partner is an end of; for the operator and auditors.
    pub fn orders_of(&self, partner_id: &str, window: i64, mode: Option<OrderMode>) -> Pages<PaymentOrder> {
        let partner_id = partner_id.to_owned();
        self.pages(
            move |page_token| v1::ListOrdersRequest {
                window,
                partner_id: partner_id.clone(),
                mode: mode.map_or(0, OrderMode::to_wire),
                page_size: PAGE_SIZE,
                page_token,
            },
            call!(PositionServiceClient::list_orders),
            |answer| Ok((each(answer.orders)?, answer.next_page_token)),
        )
    }

    /// Versions, units and limits of the house.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn server_info(&self) -> Result<ServerInfo, Error> {
        let call = call!(InfoServiceClient::get_server_info);
        self.read(|| v1::GetServerInfoRequest {}, call, FromWire::read).await
    }

    /// A call with an effect: the key is made before the first try, and every try carries it.
    pub(crate) async fn write<R, W, V, A, F, Fut>(
        &self,
        mut request: R,
        to_wire: impl Fn(&R) -> W,
        call: F,
        read: impl FnOnce(V) -> Result<A, Error>,
    ) -> Result<Outcome<A>, Error>
    where
        R: Keyed,
        F: Fn(Line, Request<W>) -> Fut,
        Fut: Future<Output = Result<Response<V>, Status>>,
    {
        let request_id = self.key_of(&mut request);
        let failed = match self.tries(self.deadline, || to_wire(&request), call).await {
            Ok(answer) => match read(answer) {
                Ok(answer) => return Ok(Outcome::Accepted(answer)),
                Err(proposed @ Error::Proposed { .. }) => return Err(proposed),
                // The house said yes; only this side does not understand to what.
                Err(error) => Failed { why: Why::Error(error), may_have_effect: true },
            },
            Err(failed) => failed,
        };
        outcome(request_id, failed)
    }

    /// A call without effect.
    pub(crate) async fn read<W, V, A, F, Fut>(
        &self,
        request: impl Fn() -> W,
        call: F,
        read: impl FnOnce(V) -> Result<A, Error>,
    ) -> Result<A, Error>
    where
        F: Fn(Line, Request<W>) -> Fut,
        Fut: Future<Output = Result<Response<V>, Status>>,
    {
        read(self.tries(self.deadline, request, call).await.map_err(Failed::into_error)?)
    }

    /// A list.
    pub(crate) fn pages<W, V, T, F, Fut>(
        &self,
        request: impl Fn(String) -> W + Send + Sync + 'static,
        call: F,
        read: impl Fn(V) -> Result<(Vec<T>, String), Error> + Send + Sync + 'static,
    ) -> Pages<T>
    where
        W: Send + 'static,
        V: Send + 'static,
        T: Send + 'static,
        F: Fn(Line, Request<W>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response<V>, Status>> + Send + 'static,
    {
        let client = self.clone();
        let parts = Arc::new((request, call, read));
        Pages::new(move |token| {
            let (client, parts) = (client.clone(), Arc::clone(&parts));
            async move {
                let (request, call, read) = &*parts;
                client.read(|| request(token.clone()), call, read).await
            }
        })
    }

    async fn tries<W, V, F, Fut>(&self, deadline: Duration, request: impl Fn() -> W, call: F) -> Result<V, Failed>
    where
        F: Fn(Line, Request<W>) -> Fut,
        Fut: Future<Output = Result<Response<V>, Status>>,
    {
        let attempt = |time, departure| {
            let mut request = Request::new(request());
            request.set_timeout(time);
            call(self.shared.line(departure), request)
        };
        Ok(self.shared.policy.run(deadline, attempt).await?.into_inner())
    }

    pub(crate) fn key_of(&self, request: &mut impl Keyed) -> RequestId {
        *request.key().get_or_insert_with(|| self.new_request_id())
    }

    /// What became of the items of a batch.
    pub(crate) fn item_outcomes(
        &self,
        keys: &[RequestId],
        results: Vec<v1::IssueResult>,
    ) -> Vec<Result<Outcome<Issued>, Error>> {
        let mut results = results.into_iter();
        // By key, so that each item has an outcome even if the house answered too few.
        keys.iter().map(|id| self.item_outcome(*id, results.next().and_then(|one| one.result))).collect()
    }

    fn item_outcome(
        &self,
        request_id: RequestId,
        result: Option<v1::issue_result::Result>,
    ) -> Result<Outcome<Issued>, Error> {
        let failed = match result {
            Some(v1::issue_result::Result::Issued(issued)) => match Issued::read(issued) {
                Ok(issued) => return Ok(Outcome::Accepted(issued)),
                Err(error) => Failed { why: Why::Error(error), may_have_effect: true },
            },
            Some(v1::issue_result::Result::Error(error)) => {
                let metadata = error.metadata.into_iter().collect();
                let policy = &self.shared.policy;
                let retry_after = error.retry_delay.and_then(|delay| delay.try_into().ok());
                let failure = policy.item_failure(
                    error.code,
                    (error.domain, error.reason),
                    error.message,
                    metadata,
                    retry_after,
                    self.batch_deadline,
                );
                Failed { why: failure.why, may_have_effect: failure.may_have_effect }
            }
            None => {
                Failed { why: Why::Error(Error::protocol("the result of an item is missing")), may_have_effect: true }
            }
        };
        outcome(request_id, failed)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("endpoint", &self.shared.policy.endpoint)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// What a failed call with an effect comes to.
fn outcome<T>(request_id: RequestId, failed: Failed) -> Result<Outcome<T>, Error> {
    match failed {
        Failed { why: Why::Rejected(rejection), .. } => Ok(Outcome::Rejected(rejection)),
        Failed { why: Why::Error(cause), may_have_effect: true } => Ok(Outcome::Unknown(Unknown { request_id, cause })),
        Failed { why: Why::Error(error), may_have_effect: false } => Err(error),
    }
}

fn statement_request(
    partner_id: &str,
    window: Option<i64>,
    page_size: i32,
    page_token: String,
) -> v1::GetStatementRequest {
    v1::GetStatementRequest {
        window: window.unwrap_or(OPEN_WINDOW),
        partner_id: partner_id.to_owned(),
        page_size,
        page_token,
    }
}
