//! Reads take turns: there are few readers of the database, and dear reads of one partner must not have all of them.
//!
//! A read of a partner that has no more than its share runs at once while a reader is free, else it waits in its
//! partner's line. Lines take turns as the lanes in front of the writer do.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clearing_core::units::PartnerId;
use tokio::sync::oneshot;
use tonic::Status;

use super::auth::Caller;
use super::errors;
use crate::shares::{Bucket, ReadShares, WEIGHT};

/// The calls that read the database, or work out as much as one that does.
pub const READS: [&str; 34] = [
    "/coalition.clearing.v1.RedemptionService/QuoteRedemption",
    "/coalition.clearing.v1.HoldService/GetHold",
    "/coalition.clearing.v1.MemberService/GetBalance",
    "/coalition.clearing.v1.EntryService/GetEntry",
    "/coalition.clearing.v1.EntryService/ListEntries",
    "/coalition.clearing.v1.ReceiptService/FindReceipt",
    "/coalition.clearing.v1.ReceiptService/ReconcileDay",
    "/coalition.clearing.v1.NoticeService/ListExpiryNotices",
    "/coalition.clearing.v1.PositionService/GetPosition",
    "/coalition.clearing.v1.PositionService/ListWindows",
    "/coalition.clearing.v1.PositionService/GetCalendar",
    "/coalition.clearing.v1.PositionService/GetStatement",
    "/coalition.clearing.v1.PositionService/ExplainLeg",
    "/coalition.clearing.v1.PositionService/ListObligations",
    "/coalition.clearing.v1.PositionService/ListOrders",
    "/coalition.clearing.v1.PartnerService/GetPartner",
    "/coalition.clearing.v1.PartnerService/ListPartners",
    "/coalition.clearing.v1.BankAccountService/ListBankAccounts",
    "/coalition.clearing.v1.PeopleService/ListPeople",
    "/coalition.clearing.v1.ApprovalService/ListProposals",
    "/coalition.clearing.v1.ApprovalService/GetProposal",
    "/coalition.clearing.v1.SettlementService/PreviewSettlement",
    "/coalition.clearing.v1.BankService/ListOpenMoney",
    "/coalition.clearing.v1.PartnerService/ListCharges",
    "/coalition.clearing.v1.ReportService/CoverReport",
    "/coalition.clearing.v1.ReportService/TrialBalance",
    "/coalition.clearing.v1.ReportService/NettingReport",
    "/coalition.clearing.v1.ReportService/ListJournalEntries",
    "/coalition.clearing.v1.ReportService/FindEntries",
    "/coalition.clearing.v1.ReportService/ListMembers",
    "/coalition.clearing.v1.AdminService/ListAdminActions",
    "/coalition.clearing.v1.CredentialService/ListInvites",
    "/coalition.clearing.v1.CredentialService/ListCredentials",
    "/coalition.clearing.v1.ReportService/ListAllExpiryNotices",
];

/// When asking again makes sense after too many reads waited.
const RETRY: Duration = Duration::from_millis(250);

/// Whose read it is: a partner's, or an auditor's.
type Line = String;

/// The turns of reads at the readers of the database. Cheap to clone; clones share the turns.
#[derive(Debug, Clone)]
pub struct Reads {
    shares: Arc<ReadShares>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    lines: BTreeMap<Line, InLine>,
    /// Lines in which somebody waits, in the order of their turns.
    turns: VecDeque<Line>,
}

#[derive(Debug)]
struct InLine {
    partner: Option<PartnerId>,
    running: usize,
    waiting: VecDeque<oneshot::Sender<()>>,
    credit: u64,
    bucket: Bucket,
}

/// A read that may run, for as long as this lives.
#[derive(Debug)]
pub struct Turn {
    reads: Reads,
    line: Line,
}

/// A read that waits. Who goes away gives its place to the next, also if its turn has come meanwhile.
struct Waiting {
    turn: oneshot::Receiver<()>,
    reads: Reads,
    line: Line,
    /// Whether its turn has come, and was taken.
    over: bool,
}

impl Reads {
    pub fn new(shares: ReadShares) -> Self {
        Self { shares: Arc::new(shares), state: Arc::default() }
    }

    /// Whether a method is a read.
    pub fn is_read(method: &str) -> bool {
        READS.contains(&method)
    }

    /// Waits for the turn of a read.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` if too many reads of this caller wait, or came within a second.
    pub async fn turn(&self, caller: &Caller) -> Result<Turn, Status> {
        let line = caller.name().to_owned();
        let partner = caller.partner().ok();
        let Some(turn) = self.come(&line, partner, Instant::now())? else {
            return Ok(Turn { reads: self.clone(), line });
        };
        let mut waiting = Waiting { turn, reads: self.clone(), line: line.clone(), over: false };
        (&mut waiting.turn).await.expect("who waits keeps its place in the line");
        waiting.over = true;
        Ok(Turn { reads: self.clone(), line })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a read run at once, or puts it in its line.
    fn come(
        &self,
        line: &str,
        partner: Option<PartnerId>,
        now: Instant,
    ) -> Result<Option<oneshot::Receiver<()>>, Status> {
        let shares = &self.shares;
        let mut state = self.state();
        let fresh = || InLine { partner, running: 0, waiting: VecDeque::new(), credit: 0, bucket: Bucket::new(now) };
        let own = state.lines.entry(line.to_owned()).or_insert_with(fresh);
        let per_second = shares.per_second.of(partner);
        own.bucket.take(1, per_second, now).map_err(|retry| {
            let message = format!("more than {per_second} reads a second of this caller came");
            exhausted(message, retry.max(RETRY), per_second, per_second)
        })?;
        let (most, waiting_max) = (shares.running.of(partner), shares.waiting.of(partner));
        let (own_running, waiting) = (own.running, own.waiting.len());
        if (own_running as u64) < most && waiting == 0 && state.running < shares.running_all {
            state.run(line);
            return Ok(None);
        }
        if waiting as u64 >= waiting_max {
            let message = format!("{waiting} reads of this caller wait already, and {own_running} are under way");
            return Err(exhausted(message, RETRY, waiting as u64, waiting_max));
        }
        let (turn, come) = oneshot::channel();
        if let Some(own) = state.lines.get_mut(line) {
            own.waiting.push_back(turn);
        }
        if waiting == 0 {
            state.turns.push_back(line.to_owned());
        }
        // There may be a free reader that a line with its full share of them could not take.
        state.fill(shares);
        Ok(Some(come))
    }

    /// Gives a reader to whose turn it is.
    fn go(&self, line: &str) {
        let mut state = self.state();
        state.running -= 1;
        if let Some(own) = state.lines.get_mut(line) {
            own.running -= 1;
        }
        state.fill(&self.shares);
    }
}

impl State {
    fn run(&mut self, line: &str) {
        self.running += 1;
        if let Some(own) = self.lines.get_mut(line) {
            own.running += 1;
        }
    }

    /// Lets reads run while there are readers and lines that may have one more.
    fn fill(&mut self, shares: &ReadShares) {
        let mut passed = 0;
        while self.running < shares.running_all
            && passed < self.turns.len()
            && let Some(line) = self.turns.pop_front()
        {
            let Some(own) = self.lines.get_mut(&line) else { continue };
            // Who has gone away holds up nobody.
            while own.waiting.front().is_some_and(oneshot::Sender::is_closed) {
                own.waiting.pop_front();
            }
            if own.waiting.is_empty() {
                own.credit = 0;
                continue;
            }
            if own.running as u64 >= shares.running.of(own.partner) {
                self.turns.push_back(line);
                passed += 1;
                continue;
            }
            own.credit += shares.weight.of(own.partner);
            let mut ran = false;
            while own.credit >= WEIGHT
                && self.running < shares.running_all
                && (own.running as u64) < shares.running.of(own.partner)
                && let Some(turn) = own.waiting.pop_front()
            {
                if turn.send(()).is_ok() {
                    own.credit -= WEIGHT;
                    own.running += 1;
                    self.running += 1;
                    ran = true;
                }
            }
            let credit_left = own.credit.min(WEIGHT);
            own.credit = if own.waiting.is_empty() { 0 } else { credit_left };
            if !own.waiting.is_empty() {
                self.turns.push_back(line);
            }
            // A light line only saves up for its turn; it must be passed again.
            passed = if ran || credit_left < WEIGHT { 0 } else { passed + 1 };
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.reads.go(&self.line);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        self.turn.close();
        if self.turn.try_recv().is_ok() {
            self.reads.go(&self.line);
        }
    }
}

fn exhausted(message: String, retry: Duration, used: u64, maximum: u64) -> Status {
    errors::overloaded_at(format!("{message}; ask again in {} ms", retry.as_millis()), retry, used, maximum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shares::PerPartner;

    fn reads(running_all: usize, running: u64, waiting: u64) -> Reads {
        let (running, waiting) = (PerPartner::all(running), PerPartner::all(waiting));
        Reads::new(ReadShares { running_all, running, waiting, ..ReadShares::default() })
    }

    fn caller(id: &str) -> Caller {
        Caller::Partner(id.parse().unwrap())
    }

    /// Whether a read may run now.
    fn runs(reading: &mut (impl Future<Output = Result<Turn, Status>> + Unpin)) -> Option<Turn> {
        use futures::FutureExt as _;
        reading.now_or_never().map(Result::unwrap)
    }

    #[test]
    fn the_list_of_reads_is_complete() {
        use prost::Message;
        let set = prost_types::FileDescriptorSet::decode(clearing_proto::FILE_DESCRIPTOR_SET).expect("well formed");
        let verbs =
            ["Get", "List", "Quote", "Find", "Reconcile", "Preview", "Trial", "Netting", "CoverReport", "Explain"];
        let mut read = 0;
        for service in set.file.iter().flat_map(|file| &file.service) {
            for name in service.method.iter().map(|method| method.name()) {
                let reads =
                    verbs.iter().any(|verb| name.starts_with(verb)) && !["GetServerInfo", "GetClock"].contains(&name);
                let path = format!("/coalition.clearing.v1.{}/{name}", service.name());
                assert_eq!(Reads::is_read(&path), reads, "{path}");
                read += usize::from(reads);
            }
        }
        assert_eq!(read, READS.len(), "the list has a method that there is not");
    }

    #[tokio::test]
    async fn dear_reads_of_one_partner_leave_readers_to_the_others() {
        let reads = reads(7, 4, 64);
        let greedy = caller("GREEDY");
        let mut asked: Vec<_> = (0..64).map(|_| Box::pin(reads.turn(&greedy))).collect();
        let running: Vec<_> = asked.iter_mut().filter_map(runs).collect();
        assert_eq!(running.len(), 4);
        let polite = caller("POLITE");
        for _ in 0..100 {
            drop(runs(&mut Box::pin(reads.turn(&polite))).expect("there is a reader for it"));
        }
    }

    #[tokio::test]
    async fn lines_take_turns() {
        let reads = reads(1, 1, 64);
        let (greedy, polite) = (caller("GREEDY"), caller("POLITE"));
        let first = runs(&mut Box::pin(reads.turn(&greedy))).unwrap();
        let mut others: Vec<_> = (0..10).map(|_| Box::pin(reads.turn(&greedy))).collect();
        let mut own = Box::pin(reads.turn(&polite));
        assert!(others.iter_mut().all(|other| runs(other).is_none()) && runs(&mut own).is_none());
        drop(first);
        let second = runs(&mut others[0]).expect("it came first");
        drop(second);
        assert!(runs(&mut own).is_some(), "nine of the other still wait");
    }

    #[tokio::test]
    async fn too_many_reads_are_refused_to_their_own_caller_alone() {
        let reads = reads(4, 2, 3);
        let (greedy, polite) = (caller("GREEDY"), caller("POLITE"));
        let mut asked: Vec<_> = (0..5).map(|_| Box::pin(reads.turn(&greedy))).collect();
        let running: Vec<_> = asked.iter_mut().filter_map(runs).collect();
        assert_eq!(running.len(), 2);
        let refused = reads.turn(&greedy).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
        assert!(refused.message().starts_with("3 reads of this caller wait already"), "{}", refused.message());
        assert!(runs(&mut Box::pin(reads.turn(&polite))).is_some());
    }

    #[tokio::test]
    async fn who_goes_away_gives_its_place_to_the_next() {
        let reads = reads(1, 1, 64);
        let one = caller("A");
        let first = runs(&mut Box::pin(reads.turn(&one))).unwrap();
        let (mut second, mut third, mut fourth) =
            (Box::pin(reads.turn(&one)), Box::pin(reads.turn(&one)), Box::pin(reads.turn(&one)));
        assert!(runs(&mut second).is_none() && runs(&mut third).is_none() && runs(&mut fourth).is_none());
        drop(third);
        // The turn of the second comes, and it goes before it has noticed.
        drop(first);
        drop(second);
        assert!(runs(&mut fourth).is_some());
        let state = reads.state();
        assert_eq!((state.running, state.lines["A"].running), (0, 0));
    }
}
