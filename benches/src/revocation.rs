//! `load revocation`: how long whoever was revoked is still heard, on every node; and how long a connection outlives its
//! certificate.
//!
//! Houses as processes of their own: one on SQLite, two on PostgreSQL. In each round somebody enrols by an invite, has
//! connections to every node, writes and reads on them all the time, and is revoked at a random moment by its brand on the
//! first node. Delays count from the moment at which the brand has the answer; below zero is before it. A write that was sent
//! after that moment and is in the books makes the run fail.
//!
//! | room | what is in it |
//! |---|---|
//! | `thief` | a credential, and what is done with it at a node |

mod thief;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use clearing::audit::audit;
use clearing::clock::{self, Clock};
use clearing_certs::{Kind as Identity, Validity};
use clearing_core::units::Timestamp;
use clearing_proto::v1;
use clearing_proto::v1::issue_service_client::IssueServiceClient;
use futures::future::join_all;
use jiff::ToSpan as _;
use partner_sdk::{Client, CreateInvites, Enrolment, Pin, RevokeCredentials};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use self::thief::{Credential, Fate, Seat, Write};
use crate::client::{connect, sdk};
use crate::coalition::{Certificates, partner};
use crate::fill;
use crate::loads::Turns;
use crate::process::{House, Papers, Program};
use crate::report::{Figure, Report, load_text, median, quantile};
use crate::system::{Backend, Databases, Kind, database};
use crate::workload::{Spread, Workload};

/// The brand whose credentials they are.
const BRAND: usize = 2;

/// Members that are written to and read.
const MEMBERS: u32 = 100;

/// So long a round may take at the most: who is heard for longer is not out at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// Every node looks at the house, and at the ends of certificates, once a second: what is measured begins at any moment of it.
const LOOK_MILLIS: u64 = 1_000;

/// What to start.
#[derive(Debug, Args)]
pub struct Options {
    /// The house: the program `clearing`.
    #[arg(long)]
    server: PathBuf,
}

/// A moment that comes after another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Delay {
    Closed,
    ReadRefused,
    WriteRefused,
    Ended,
}

impl Delay {
    fn name(self) -> &'static str {
        match self {
            Self::Closed => "revoked: its idle connection is closed",
            Self::ReadRefused => "revoked: its read is refused",
            Self::WriteRefused => "revoked: its next write is refused",
            Self::Ended => "ended: its idle connection is closed",
        }
    }

    fn place(self, node: usize, nodes: usize) -> &'static str {
        match (self, node) {
            (Self::Ended, _) => "any node",
            (_, _) if nodes == 1 => "the node",
            (_, 0) => "the node that revoked",
            (_, _) => "the other node",
        }
    }
}

/// Measures it, as often as there are rounds, and prints a table.
///
/// # Errors
/// If a house does not open, somebody who was revoked is heard for good, a write got through after the answer, or the books are
/// wrong in the end. That it took long is told, and no error.
pub async fn run(
    options: &Options,
    turns: &Turns,
    backends: &[Backend],
    databases: &mut Databases,
    report: &mut Report,
) -> Result<()> {
    let (program, papers) = (Program::new(&options.server)?, Papers::new()?);
    let mut out = std::io::stdout();
    for &backend in backends {
        let url = database::url_of(&databases.make(backend, "revocation").await?);
        drop(fill::prepare(&url).await?);
        let nodes = if backend == Backend::Postgres { 2 } else { 1 };
        let name = format!("{}, {nodes} node{}", Kind::House(backend).name(), if nodes == 1 { "" } else { "s" });
        let load_average = turns.quiet().await;
        let place = Place { program: &program, papers: &papers, url: &url, nodes };
        let mut found = Found::default();
        let mut rng = ChaCha8Rng::seed_from_u64(turns.seed);
        if turns.wants("revoked") {
            place.revoked(turns, &mut rng, &mut found).await.with_context(|| name.clone())?;
        }
        if turns.wants("ended") {
            place.ended(turns, &mut rng, &mut found).await.with_context(|| name.clone())?;
        }
        writeln!(out, "\n{name}   (load average {})\n\n{}", load_text(load_average), found.table(nodes))?;
        let Writes { sent, through, .. } = found.writes;
        report.figures.extend(found.figures(&name, nodes, load_average));
        ensure!(through == 0, "{name}: {through} of {sent} writes got through that were sent after the answer");
        let audited = audit(&fill::prepare(&url).await?).await?;
        ensure!(audited.findings.is_empty(), "{name}: the books are not right: {:?}", audited.findings);
    }
    Ok(())
}

/// Where it is measured.
struct Place<'a> {
    program: &'a Program,
    papers: &'a Papers,
    url: &'a str,
    nodes: usize,
}

impl Place<'_> {
    /// Nodes on the same books. The first of them is asked to revoke.
    async fn open(&self) -> Result<Vec<House>> {
        let mut houses = Vec::new();
        for _ in 0..self.nodes {
            let enrolment = self.papers.enrolment();
            houses.push(House::start_with(self.program, self.papers, self.url, &enrolment).await?);
        }
        Ok(houses)
    }

    async fn revoked(&self, turns: &Turns, rng: &mut ChaCha8Rng, found: &mut Found) -> Result<()> {
        let houses = self.open().await?;
        let nodes: Vec<_> = houses.iter().map(House::address).collect();
        let mut rounds = Rounds::begin(nodes, &self.papers.certificates, turns.seed).await?;
        for round in 0..turns.rounds {
            let wait = Duration::from_millis(rng.random_range(0..LOOK_MILLIS));
            let measured = tokio::time::timeout(PATIENCE, rounds.round(wait, found)).await;
            measured.with_context(|| format!("round {round}: not over within {} s", PATIENCE.as_secs()))??;
        }
        drop(rounds);
        end_all(houses).await
    }

    /// A certificate ends with a second, and a node looks once a second from its start on: so it is started at any moment, for each
    /// round.
    async fn ended(&self, turns: &Turns, rng: &mut ChaCha8Rng, found: &mut Found) -> Result<()> {
        let certificates = &self.papers.certificates;
        for round in 0..turns.rounds {
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..LOOK_MILLIS))).await;
            let houses = self.open().await?;
            let second = clock::machine_time().0.div_euclid(1_000_000);
            let last = jiff::Timestamp::from_second(second + 1)?;
            let validity = Validity { not_before: last - 1.hour(), not_after: last };
            let (issued, key) =
                certificates.authority.issue_client(Identity::Partner, partner(BRAND).as_str(), validity)?;
            let credential = Credential::by_hand(certificates, issued, &key)?;
            // It counts in whole seconds, the last of which is its own.
            let end = Timestamp::from_seconds(second + 2);
            let mut seats = Vec::new();
            for house in &houses {
                seats.push(Seat::take(house.address(), &credential).await?);
            }
            for seat in seats {
                let closed = tokio::time::timeout(PATIENCE, seat.closed()).await;
                let closed =
                    closed.with_context(|| format!("round {round}: a connection outlives its certificate"))??;
                let since_end = clock::machine_time().0 - end.0;
                // Each node does it by itself.
                found.note(Delay::Ended, 0, since_end as f64 / 1e3 - closed.elapsed().as_secs_f64() * 1e3);
            }
            end_all(houses).await?;
        }
        Ok(())
    }
}

async fn end_all(houses: Vec<House>) -> Result<()> {
    for house in houses {
        house.end().await?;
    }
    Ok(())
}

/// Rounds on nodes that are open.
struct Rounds {
    nodes: Vec<SocketAddr>,
    /// Who invites and revokes, at the first node, with a certificate that stays good.
    brand: Client,
    /// The same, for what is asked again.
    channel: Channel,
    pin: Pin,
    enrolment: String,
    folders: TempDir,
    seed: u64,
    /// Streams of the workload given out.
    stream: u64,
}

impl Rounds {
    async fn begin(nodes: Vec<SocketAddr>, certificates: &Certificates, seed: u64) -> Result<Self> {
        let first = *nodes.first().context("there is a node")?;
        let (ca_pem, identity) = (&certificates.server.ca_pem, &certificates.partners[BRAND]);
        let brand = sdk(first, certificates, identity).await?;
        let enrolment = brand.server_info().await?.enrolment_endpoint;
        let channel = connect(first, Credential::tls(ca_pem, identity)?).await?;
        let pin = *Pin::of_pem(ca_pem)?.first().context("there is an authority")?;
        let folders = TempDir::new()?;
        let mut rounds = Self { nodes, brand, channel, pin, enrolment, folders, seed, stream: 0 };
        let mut workload = rounds.workload();
        let items = (0..MEMBERS).map(|member| workload.issue_to(member, 100)).collect();
        let mut issues = IssueServiceClient::new(rounds.channel.clone());
        issues.batch_issue_points(v1::BatchIssuePointsRequest { items }).await?;
        Ok(rounds)
    }

    fn workload(&mut self) -> Workload {
        self.stream += 1;
        Workload::new(self.seed, self.stream, Clock::system(), Spread::Even, 0..MEMBERS)
    }

    /// A credential of the brand, as anybody gets one who is invited.
    async fn enrol(&self) -> Result<Credential> {
        let invite = self.brand.new_invite();
        self.brand.create_invites(CreateInvites::new([&invite])).await?.accepted()?;
        let string = invite.string(&self.enrolment, self.pin)?;
        let folder = self.folders.path().join(invite.id());
        Credential::of(&Enrolment::new(string).folder(folder).enroll().await?)
    }

    async fn round(&mut self, wait: Duration, found: &mut Found) -> Result<()> {
        let credential = self.enrol().await?;
        let (mut writers, mut readers, stop) = (JoinSet::new(), JoinSet::new(), CancellationToken::new());
        let (mut seats, mut next) = (Vec::new(), Vec::new());
        for (node, address) in self.nodes.clone().into_iter().enumerate() {
            let seat = Seat::take(address, &credential).await?;
            let (mut workload, writing, stop) = (self.workload(), seat.writing.clone(), stop.clone());
            let first = thief::write(writing.clone(), workload.issue()).await;
            ensure!(first.fate == Fate::Done, "a write failed before anybody was revoked: {first:?}");
            next.push(thief::write(writing.clone(), workload.issue()));
            let member = workload.any_member();
            readers.spawn({
                let reading = seat.reading.clone();
                async move { (node, thief::read_until_refused(reading, member).await) }
            });
            writers.spawn(thief::write_until(stop, writing, workload));
            seats.push(seat);
        }
        tokio::time::sleep(wait).await;

        let asked = Instant::now();
        let revoke = RevokeCredentials::serials([&credential.serial], "stolen");
        let revoked = self.brand.revoke_credentials(revoke).await?;
        let answered = Instant::now();
        // None of these was begun before they are waited for.
        let next = join_all(next).await;
        ensure!(revoked.accepted()?.revoked_serials == [credential.serial.as_str()], "somebody else was revoked");

        for (node, write) in next.iter().enumerate() {
            found.note(Delay::WriteRefused, node, millis_after(answered, write.heard));
        }
        for (node, seat) in seats.into_iter().enumerate() {
            found.note(Delay::Closed, node, millis_after(answered, seat.closed().await?));
        }
        while let Some(read) = readers.join_next().await {
            let (node, refused) = read?;
            ensure!(refused > asked, "a read failed before anybody was revoked");
            found.note(Delay::ReadRefused, node, millis_after(answered, refused));
        }
        stop.cancel();
        let mut writes = next;
        while let Some(wrote) = writers.join_next().await {
            writes.extend(wrote?);
        }
        let failed = writes.iter().find(|write| write.heard < asked && write.fate != Fate::Done);
        ensure!(failed.is_none(), "a write failed before anybody was revoked: {failed:?}");
        found.writes.add(&self.judge(answered, writes).await?);
        Ok(())
    }

    /// What became of the writes that were sent after the answer. What was lost with its connection is asked again by somebody
    /// who is still trusted: if it was booked, the answer says so.
    async fn judge(&self, answered: Instant, writes: Vec<Write>) -> Result<Writes> {
        let (mut told, lost) = Writes::of(answered, writes);
        let mut issues = IssueServiceClient::new(self.channel.clone());
        for request in lost {
            let answer = issues.issue_points(request).await?.into_inner();
            told.through += u64::from(answer.written.context("an issue writes something")?.replayed);
        }
        Ok(told)
    }
}

/// How long after a moment another one was, in milliseconds.
fn millis_after(moment: Instant, other: Instant) -> f64 {
    let before = moment.saturating_duration_since(other).as_secs_f64();
    (other.saturating_duration_since(moment).as_secs_f64() - before) * 1e3
}

/// Writes that were sent after the answer to the revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Writes {
    sent: u64,
    /// The house said why.
    refused: u64,
    /// The connection was closed under them.
    lost: u64,
    /// They are in the books.
    through: u64,
}

impl Writes {
    /// The writes, and the requests of those of which nobody knows.
    fn of(answered: Instant, writes: Vec<Write>) -> (Self, Vec<v1::IssuePointsRequest>) {
        let (mut told, mut unknown) = (Self::default(), Vec::new());
        for write in writes.into_iter().filter(|write| write.sent > answered) {
            told.sent += 1;
            match write.fate {
                Fate::Done => told.through += 1,
                Fate::Refused => told.refused += 1,
                Fate::Lost => {
                    told.lost += 1;
                    unknown.push(write.request);
                }
            }
        }
        (told, unknown)
    }

    fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.refused += other.refused;
        self.lost += other.lost;
        self.through += other.through;
    }
}

/// All that was measured on one back end.
#[derive(Debug, Default)]
struct Found {
    /// In milliseconds, by the node.
    delays: BTreeMap<(Delay, usize), Vec<f64>>,
    writes: Writes,
}

impl Found {
    fn note(&mut self, delay: Delay, node: usize, millis: f64) {
        self.delays.entry((delay, node)).or_default().push(millis);
    }

    fn table(&self, nodes: usize) -> String {
        let mut text =
            "| a credential is | at | times | median ms | p99 ms | max ms |\n|---|---|---|---|---|---|\n".to_owned();
        for ((delay, node), values) in &self.delays {
            let of = |figure: Option<f64>| figure.map_or_else(|| "?".to_owned(), |figure| format!("{figure:.1}"));
            let (middle, p99, most) = (median(values), quantile(values, 0.99), quantile(values, 1.0));
            let (name, at, times) = (delay.name(), delay.place(*node, nodes), values.len());
            let _ = writeln!(text, "| {name} | {at} | {times} | {} | {} | {} |", of(middle), of(p99), of(most));
        }
        let Writes { sent, refused, lost, through } = self.writes;
        let _ = writeln!(
            text,
            "\n{sent} writes were sent after the answer: {refused} refused, {lost} lost with their connection, {through} in the \
             books",
        );
        text
    }

    fn figures(self, system: &str, nodes: usize, load_average: Option<f64>) -> Vec<Figure> {
        let figure = |(name, unit, values): (String, &str, Vec<f64>)| {
            let (system, unit) = (system.to_owned(), unit.to_owned());
            Figure { name, system, unit, values, load_average }
        };
        let delays = self
            .delays
            .into_iter()
            .map(|((delay, node), values)| (format!("{}, {}", delay.name(), delay.place(node, nodes)), "ms", values));
        let through = ("writes that got through".to_owned(), "writes", vec![self.writes.through as f64]);
        delays.chain([through]).map(figure).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_counts_as_through_if_it_was_sent_after_the_answer_and_done() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let answered = at(10);
        let write = |sent, fate| {
            let request = v1::IssuePointsRequest { points: sent, ..Default::default() };
            Write { sent: at(sent.unsigned_abs()), heard: at(20), fate, request }
        };
        let before = [write(5, Fate::Done), write(10, Fate::Done), write(9, Fate::Lost)];
        let after = [write(11, Fate::Refused), write(12, Fate::Lost), write(13, Fate::Done)];
        let (told, unknown) = Writes::of(answered, before.into_iter().chain(after).collect());
        assert_eq!(told, Writes { sent: 3, refused: 1, lost: 1, through: 1 });
        assert_eq!(unknown.iter().map(|request| request.points).collect::<Vec<_>>(), [12]);
    }

    #[test]
    fn what_came_before_the_answer_is_told_as_less_than_nothing() {
        let moment = Instant::now() + Duration::from_secs(1);
        let other = Duration::from_millis(250);
        assert_eq!((millis_after(moment, moment + other), millis_after(moment, moment - other)), (250.0, -250.0));
    }
}
