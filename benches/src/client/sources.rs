//! What callers do.

use super::*;
use clearing_proto::v1::issue_result::Result as ItemResult;
use std::ops::Range;
use std::sync::Mutex;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

/// A call with an empty message either way.
pub struct EmptyCalls {
    pub clients: Clients,
    pub workload: Workload,
}

impl Source for EmptyCalls {
    fn call(&mut self) -> BoxFuture<'static, Result<u64, Status>> {
        let mut members = self.clients.members(self.workload.partner());
        Box::pin(async move {
            members.get_balance(v1::GetBalanceRequest::default()).await?;
            Ok(1)
        })
    }
}

/// `IssuePoints`, one by one.
pub struct Issues {
    pub clients: Clients,
    pub workload: Workload,
}

impl Source for Issues {
    fn call(&mut self) -> BoxFuture<'static, Result<u64, Status>> {
        let clients = self.clients.clone();
        let mut issues = clients.issues(self.workload.partner());
        let request = self.workload.issue();
        Box::pin(async move {
            issues.issue_points(request).await?;
            clients.acknowledge(1);
            Ok(1)
        })
    }
}

/// `BatchIssuePoints`.
pub struct BatchIssues {
    pub clients: Clients,
    pub workload: Workload,
    pub size: usize,
}

impl BatchIssues {
    /// How many items were accepted in the answer to a batch.
    ///
    /// # Errors
    /// If an item was refused.
    pub fn accepted(results: &[v1::IssueResult]) -> Result<u64, Status> {
        for result in results {
            if let Some(ItemResult::Error(error)) = &result.result {
                return Err(Status::internal(format!("an item was refused: {} {}", error.reason, error.message)));
            }
        }
        Ok(results.len() as u64)
    }
}

impl Source for BatchIssues {
    fn call(&mut self) -> BoxFuture<'static, Result<u64, Status>> {
        let clients = self.clients.clone();
        let mut issues = clients.issues(self.workload.partner());
        let items = (0..self.size).map(|_| self.workload.issue()).collect();
        Box::pin(async move {
            let answer = issues.batch_issue_points(v1::BatchIssuePointsRequest { items }).await?;
            let accepted = Self::accepted(&answer.into_inner().results)?;
            clients.acknowledge(accepted);
            Ok(accepted)
        })
    }
}

/// `StreamIssuePoints`: one stream, on which the next batch is sent when the last is answered.
pub struct StreamIssues {
    clients: Clients,
    workload: Workload,
    size: usize,
    stream: Arc<tokio::sync::Mutex<Option<IssueStream>>>,
    partner: usize,
}

struct IssueStream {
    batches: mpsc::Sender<v1::StreamIssuePointsRequest>,
    answers: Streaming<v1::StreamIssuePointsResponse>,
}

impl StreamIssues {
    pub fn new(clients: Clients, mut workload: Workload, size: usize) -> Self {
        let partner = workload.partner();
        Self { clients, workload, size, stream: Arc::default(), partner }
    }
}

impl Source for StreamIssues {
    fn call(&mut self) -> BoxFuture<'static, Result<u64, Status>> {
        let (clients, partner, stream) = (self.clients.clone(), self.partner, Arc::clone(&self.stream));
        let items = (0..self.size).map(|_| self.workload.issue()).collect();
        Box::pin(async move {
            let mut stream = stream.lock().await;
            if stream.is_none() {
                let (batches, outgoing) = mpsc::channel(1);
                let answers = clients.issues(partner).stream_issue_points(ReceiverStream::new(outgoing)).await?;
                *stream = Some(IssueStream { batches, answers: answers.into_inner() });
            }
            let open = stream.as_mut().expect("opened above");
            let ended = || Status::unavailable("the stream has ended");
            let batch = v1::StreamIssuePointsRequest { batch_number: 1, items };
            open.batches.send(batch).await.map_err(|_| ended())?;
            let answer = open.answers.message().await?.ok_or_else(ended)?;
            let accepted = BatchIssues::accepted(&answer.results)?;
            clients.acknowledge(accepted);
            Ok(accepted)
        })
    }
}

/// Of twenty calls fourteen issue, five redeem, and one gives back a part of an earlier redemption.
pub struct MixedCalls {
    pub clients: Clients,
    pub workload: Workload,
    /// Redemptions that can be returned: brand, entry, points left.
    pub redemptions: Arc<Mutex<Vec<(usize, String)>>>,
}

/// Points taken by redemptions of the mix: as few that all members have them.
const REDEEMED_POINTS: Range<i64> = 5..50;
/// Points taken back of a redemption; each has at least as many.
const RETURNED_POINTS: i64 = 5;

impl Source for MixedCalls {
    fn call(&mut self) -> BoxFuture<'static, Result<u64, Status>> {
        let clients = self.clients.clone();
        let partner = self.workload.partner();
        let redemptions = Arc::clone(&self.redemptions);
        let lock = |redemptions: &Mutex<Vec<(usize, String)>>| redemptions.lock().expect("nobody panics with it").pop();
        let redemption = match self.workload.below(20) {
            0..14 => {
                let request = self.workload.issue();
                return Box::pin(async move {
                    clients.issues(partner).issue_points(request).await?;
                    clients.acknowledge(1);
                    Ok(1)
                });
            }
            14 => lock(&redemptions),
            _ => None,
        };
        if let Some((acceptor, entry)) = redemption {
            let request = self.workload.return_of(entry, RETURNED_POINTS);
            return Box::pin(async move {
                clients.redemptions(acceptor).return_redemption(request).await?;
                clients.acknowledge(1);
                Ok(1)
            });
        }
        let request = self.workload.redeem(REDEEMED_POINTS);
        Box::pin(async move {
            let answer = clients.redemptions(partner).redeem_points(request).await?.into_inner();
            clients.acknowledge(1);
            if let Some(entry) = answer.written.and_then(|written| written.entries.into_iter().next()) {
                let mut redemptions = redemptions.lock().expect("nobody panics with it");
                // A few are enough to choose from; they must not pile up.
                if redemptions.len() < 4096 {
                    redemptions.push((partner, entry.entry_id));
                }
            }
            Ok(1)
        })
    }
}

/// Points taken or reserved of members who hold lots of several issuers.
const TAKEN_POINTS: Range<i64> = 10..500;

/// `RedeemPoints`.
pub struct Redemptions {
    pub clients: Clients,
    pub workload: Workload,
}

impl Source for Redemptions {
    fn call(&mut self) -> BoxFuture<'static, Result<u64, Status>> {
        let clients = self.clients.clone();
        let mut redemptions = clients.redemptions(self.workload.partner());
        let request = self.workload.redeem(TAKEN_POINTS);
        Box::pin(async move {
            redemptions.redeem_points(request).await?;
            clients.acknowledge(1);
            Ok(1)
        })
    }
}

/// `AuthorizeRedemption` and, as the next call, `CaptureHold` of a part of it, in turns.
pub struct Holds {
    clients: Clients,
    workload: Workload,
    /// The acceptor, the hold and its points, while it is open.
    hold: Arc<Mutex<Option<(usize, String, i64)>>>,
}

impl Holds {
    pub fn new(clients: Clients, workload: Workload) -> Self {
        Self { clients, workload, hold: Arc::default() }
    }
}

impl Source for Holds {
    fn call(&mut self) -> BoxFuture<'static, Result<u64, Status>> {
        let clients = self.clients.clone();
        let open = self.hold.lock().expect("nobody panics with it").take();
        if let Some((acceptor, hold, reserved)) = open {
            let request = self.workload.capture(hold, (reserved / 2).max(1));
            return Box::pin(async move {
                clients.holds(acceptor).capture_hold(request).await?;
                clients.acknowledge(1);
                Ok(1)
            });
        }
        let (acceptor, hold) = (self.workload.partner(), Arc::clone(&self.hold));
        let request = self.workload.authorize(TAKEN_POINTS);
        Box::pin(async move {
            let reserved = request.points;
            let answer = clients.holds(acceptor).authorize_redemption(request).await?.into_inner();
            clients.acknowledge(1);
            *hold.lock().expect("nobody panics with it") = Some((acceptor, answer.hold_id, reserved));
            Ok(1)
        })
    }
}

/// `IssuePoints` through the SDK.
pub struct SdkIssues {
    pub brands: Arc<Vec<Client>>,
    pub clients: Clients,
    pub workload: Workload,
}

impl Source for SdkIssues {
    fn call(&mut self) -> BoxFuture<'static, Result<u64, Status>> {
        let (clients, brand) = (self.clients.clone(), self.brands[self.workload.partner()].clone());
        let issue = sdk_issue(self.workload.issue());
        Box::pin(async move {
            match brand.issue(issue).await {
                Ok(Outcome::Accepted(_)) => {
                    clients.acknowledge(1);
                    Ok(1)
                }
                Ok(other) => Err(Status::internal(format!("not accepted: {other:?}"))),
                Err(error) => Err(Status::internal(error.to_string())),
            }
        })
    }
}

/// The same request in the SDK's words; the SDK makes the key itself.
fn sdk_issue(request: v1::IssuePointsRequest) -> Issue {
    let v1::IssuePointsRequest { member, points, origin, .. } = request;
    let Some(v1::member_ref::Member::Identifier(card)) = member.and_then(|member| member.member) else {
        unreachable!("the workload names members by their cards");
    };
    let wire = origin.unwrap_or_default();
    let time = wire.business_time.and_then(|time| time.try_into().ok());
    let origin = partner_sdk::Origin::till(wire.store, wire.till)
        .business_time(time.expect("the workload's times are the clock's"))
        .receipt(wire.receipt_number)
        .receipt_line(wire.receipt_line)
        .business_date(wire.business_date)
        .device_counter(wire.device_counter);
    Issue::to(card.scheme, card.value).points(points).origin(origin)
}
