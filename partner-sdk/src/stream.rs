//! Batches of issues over one stream.

use std::collections::VecDeque;
use std::fmt;

use clearing_proto::v1;
use clearing_proto::v1::issue_service_client::IssueServiceClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::answers::Issued;
use crate::call::Why;
use crate::client::Client;
use crate::error::Error;
use crate::line::Departure;
use crate::outcome::Outcome;
use crate::points::Issue;
use crate::request_id::RequestId;
use crate::wire;

/// Batches of issues over one stream, answered in the order sent.
///
/// When the stream breaks, it is opened again and the unanswered batches are sent again under the same keys, as retries
/// and their budget allow. Both calls may be dropped half-way (as `select!` does): nothing is lost.
///
/// ```no_run
/// # async fn example(client: partner_sdk::Client, batches: Vec<Vec<partner_sdk::Issue>>) -> Result<(), partner_sdk::Error> {
/// let mut stream = client.stream_issue(4);
/// for batch in batches {
///     stream.send(batch).await?;
/// }
/// while let Some(answer) = stream.next().await? {
///     for outcome in answer.outcomes {
///         // ...
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct IssueStream {
    client: Client,
    in_flight_max: usize,
    next_number: i64,
    /// Sent, or to be sent again, and not answered.
    unanswered: VecDeque<Batch>,
    /// Answered while `send` waited for room.
    ready: VecDeque<BatchAnswer>,
    open: Option<Open>,
    /// Tries since the last answer.
    tries: u32,
}

struct Batch {
    number: i64,
    keys: Vec<RequestId>,
    items: Vec<v1::IssuePointsRequest>,
}

/// A stream that is open.
struct Open {
    requests: mpsc::Sender<v1::StreamIssuePointsRequest>,
    answers: Streaming<v1::StreamIssuePointsResponse>,
}

/// What became of one batch.
#[derive(Debug)]
#[non_exhaustive]
pub struct BatchAnswer {
    /// The number that [`IssueStream::send`] gave.
    pub batch_number: i64,
    /// One outcome per item, in the order of the items.
    pub outcomes: Vec<Result<Outcome<Issued>, Error>>,
}

impl IssueStream {
    pub(crate) fn new(client: Client, in_flight_max: usize) -> Self {
        Self {
            client,
            in_flight_max,
            next_number: 1,
            unanswered: VecDeque::new(),
            ready: VecDeque::new(),
            open: None,
            tries: 0,
        }
    }

    /// Sends a batch of 1 to 8,192 issues and gives its number. Waits for an answer first when too many are outstanding.
    ///
    /// # Errors
    /// The stream failed for good: see [`Self::next`]. The batch is then among the unanswered.
    pub async fn send(&mut self, mut items: Vec<Issue>) -> Result<i64, Error> {
        let keys = items.iter_mut().map(|item| self.client.key_of(item)).collect();
        let batch = Batch { number: self.next_number, keys, items: items.iter().map(wire::to_issue).collect() };
        self.next_number += 1;
        let number = batch.number;
        if let Some(open) = &self.open {
            // There is always room: the channel holds as many as may be unanswered. It is closed only when the stream
            // broke, and then the next answer that is waited for opens another.
            let _ = open.requests.try_send(message(&batch));
        }
        self.unanswered.push_back(batch);
        while self.unanswered.len() >= self.in_flight_max {
            let answer = self.answer().await?;
            self.ready.push_back(answer);
        }
        Ok(number)
    }

    /// The next answer, in the order sent; `None` when every batch sent is answered.
    ///
    /// # Errors
    /// The stream failed for good. What became of [`Self::unanswered`] is unknown; calling again tries again.
    pub async fn next(&mut self) -> Result<Option<BatchAnswer>, Error> {
        if let Some(answer) = self.ready.pop_front() {
            return Ok(Some(answer));
        }
        if self.unanswered.is_empty() {
            return Ok(None);
        }
        self.answer().await.map(Some)
    }

    /// The keys of the issues that were sent and not answered.
    #[must_use]
    pub fn unanswered(&self) -> Vec<RequestId> {
        self.unanswered.iter().flat_map(|batch| batch.keys.iter().copied()).collect()
    }

    /// Waits for the answer to the oldest unanswered batch, over as many streams as it takes.
    async fn answer(&mut self) -> Result<BatchAnswer, Error> {
        let deadline = self.client.batch_deadline;
        let mut paid = None;
        loop {
            let failure = match tokio::time::timeout(deadline, self.receive()).await {
                Ok(Ok(answer)) => {
                    self.tries = 0;
                    self.client.shared.policy.budget.succeeded(paid);
                    return self.read(answer);
                }
                Ok(Err(status)) => self.client.shared.policy.failure(status, deadline),
                Err(_elapsed) => {
                    self.client.shared.policy.failure(Status::deadline_exceeded("no answer to a batch"), deadline)
                }
            };
            self.open = None;
            self.tries = self.tries.saturating_add(1);
            let policy = &self.client.shared.policy;
            if !(failure.retry && policy.retries.allows_after(self.tries) && policy.budget.take(failure.cost)) {
                self.tries = 0;
                return Err(match failure.why {
                    Why::Error(error) => error,
                    Why::Rejected(rejection) => Error::Refused(rejection),
                });
            }
            paid = Some(failure.cost);
            let wait = failure.retry_after.unwrap_or_default() + policy.retries.wait(self.tries);
            tracing::debug!(tries = self.tries, wait_ms = wait.as_millis(), why = ?failure.why, "opening the stream again");
            tokio::time::sleep(wait).await;
        }
    }

    /// Waits for one message, over a stream that it opens if there is none.
    async fn receive(&mut self) -> Result<v1::StreamIssuePointsResponse, Status> {
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(open(&self.client, self.in_flight_max, &self.unanswered).await?),
        };
        match open.answers.message().await? {
            Some(answer) => Ok(answer),
            // A house that shuts down ends its streams in good order.
            None => Err(Status::unavailable("the stream ended before every batch was answered")),
        }
    }

    fn read(&mut self, answer: v1::StreamIssuePointsResponse) -> Result<BatchAnswer, Error> {
        match self.unanswered.front() {
            Some(batch) if batch.number == answer.batch_number => {}
            Some(_) | None => {
                self.open = None;
                return Err(Error::protocol(format!("an answer to batch {}, which is not due", answer.batch_number)));
            }
        }
        let batch = self.unanswered.pop_front().expect("the batch was looked at just now");
        Ok(BatchAnswer { batch_number: batch.number, outcomes: self.client.item_outcomes(&batch.keys, answer.results) })
    }
}

/// Opens a stream and sends all that is unanswered.
async fn open(client: &Client, in_flight_max: usize, unanswered: &VecDeque<Batch>) -> Result<Open, Status> {
    let (requests, outgoing) = mpsc::channel(in_flight_max);
    for batch in unanswered {
        requests.try_send(message(batch)).expect("the channel holds as many batches as may be unanswered");
    }
    // The house may wait for the first batch before it answers, so that batch is in the channel already.
    let answers = IssueServiceClient::new(client.shared.line(Departure::default()))
        .stream_issue_points(ReceiverStream::new(outgoing))
        .await?
        .into_inner();
    Ok(Open { requests, answers })
}

fn message(batch: &Batch) -> v1::StreamIssuePointsRequest {
    v1::StreamIssuePointsRequest { batch_number: batch.number, items: batch.items.clone() }
}

impl fmt::Debug for IssueStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssueStream")
            .field("unanswered", &self.unanswered.len())
            .field("open", &self.open.is_some())
            .finish_non_exhaustive()
    }
}
