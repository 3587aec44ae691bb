//! The writer over a database as a stage for scenarios: the rules with all that loads and saves what they need, and no
//! network.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::answers::{played, posted, view_of};
use crate::player::{Balances, Call, Played, Posted, Stage, WindowView};
use clearing::clock::{self, Clock};
use clearing::scheduler::{AdvanceError, Scheduler};
use clearing::store::{Store, StoreError};
use clearing::writer::{WriteError, Writer};
use clearing_core::chart::PointsAccount;
use clearing_core::command::Request;
use clearing_core::facts::entry::Entry;
use clearing_core::facts::member::MemberRef;
use clearing_core::units::{EntryId, MemberId, Points, Timestamp, WindowNumber};

/// A writer and a scheduler on a database, and what was read of its journal so far.
pub struct WriterStage {
    store: Store,
    writer: Writer,
    clock: Clock,
    scheduler: Scheduler,
    next_sequence: i64,
    /// Everything that was written, to know again what an answer names.
    journal: BTreeMap<EntryId, Arc<Entry>>,
}

/// The house broke.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Advance(#[from] AdvanceError),
}

impl WriterStage {
    /// A house that was just founded, whose first window begins at `begin`.
    pub fn new(store: Store, begin: Timestamp) -> Self {
        let clock = Clock::manual(begin);
        let (writer, _) = Writer::start(store.clone(), clock.clone(), 16);
        let scheduler = Scheduler::new(store.clone(), writer.clone(), clock.clone());
        Self { store, writer, clock, scheduler, next_sequence: 1, journal: BTreeMap::new() }
    }

    /// What was added to the journal since the last look.
    async fn written(&mut self) -> Result<Vec<Posted>, StoreError> {
        let mut written = Vec::new();
        for entry in self.store.journal(self.next_sequence, None, 10_000).await? {
            assert_eq!(entry.sequence, self.next_sequence, "the journal has a gap");
            self.next_sequence += 1;
            written.push(posted(entry.id, &entry.entry));
            self.journal.insert(entry.id, entry.entry);
        }
        Ok(written)
    }
}

impl Stage for WriterStage {
    type Error = Broken;

    async fn advance_time(&mut self, to: Timestamp) -> Result<Vec<Posted>, Broken> {
        self.scheduler.advance_to(to.max(self.clock.now())).await?;
        Ok(self.written().await?)
    }

    async fn call(&mut self, call: Call) -> Result<Played, Broken> {
        let request = Request {
            caller: call.by.partner,
            request_id: Some(call.request),
            origin: call.origin,
            command: call.command,
            fresh_member: MemberId(clock::fresh_uuid()),
            fresh_salt: clock::random_bytes(),
            person: call.by.person,
            attachment: None,
            badge: None,
        };
        let answer = self.writer.ask(request).await?.answer;
        let written = self.written().await?;
        Ok(played(&answer, written, |id| self.journal.get(id).map(Arc::as_ref)))
    }

    async fn window(&mut self, window: WindowNumber) -> Result<Option<WindowView>, Broken> {
        Ok(self.store.window_row(window).await?.map(|row| view_of(&row.window)))
    }

    async fn balances(&mut self, members: &[MemberId]) -> Result<Balances, Broken> {
        let trial = self.store.trial_balance(None).await?;
        let mut balances = Balances { points: trial.balances.points, money: trial.balances.money };
        let mut snapshot = self.store.snapshot().await?;
        for id in members {
            let now = self.clock.now();
            let book = snapshot.member(MemberRef::Id(*id), None, now).await?;
            let member = &book.members[id];
            let available = i64::try_from(member.available()).unwrap();
            for (account, points) in [
                (PointsAccount::Member(*id), available),
                (PointsAccount::Held(*id), member.held().0),
                (PointsAccount::Pending(*id), member.pending().0),
                (PointsAccount::Debt(*id), -member.owed().0),
            ] {
                balances.points.insert(account, Points(points));
            }
        }
        snapshot.finish().await?;
        Ok(balances)
    }
}
