//! Work that is done side by side, by as many as there are snapshots, and what came of it in the order in which it stood.

use std::collections::BTreeMap;
use std::iter::Enumerate;
use std::sync::{Arc, Mutex, PoisonError};
use std::vec;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::AuditError;
use crate::store::Snapshot;

/// Does all jobs, one at a time by each of the snapshots, and tells of each that is done. Gives the snapshots back, and what
/// came of the jobs in their order, whoever did them and whenever.
///
/// # Errors
/// That of a job; the others are broken off.
pub(super) async fn spread<J, T, Doing>(
    snapshots: Vec<Snapshot>,
    jobs: Vec<J>,
    work: impl Fn(Snapshot, J) -> Doing + Clone + Send + 'static,
    mut tell: impl FnMut(&T),
) -> Result<(Vec<Snapshot>, Vec<T>), AuditError>
where
    J: Send + 'static,
    T: Send + 'static,
    Doing: Future<Output = Result<(Snapshot, T), AuditError>> + Send + 'static,
{
    let jobs = Arc::new(Mutex::new(jobs.into_iter().enumerate()));
    let (done, mut came) = mpsc::unbounded_channel();
    let mut workers = JoinSet::new();
    for mut snapshot in snapshots {
        let (jobs, done, work) = (Arc::clone(&jobs), done.clone(), work.clone());
        workers.spawn(async move {
            while let Some((place, job)) = next(&jobs) {
                let (given_back, result) = work(snapshot, job).await?;
                snapshot = given_back;
                // Nobody hears it once another job has failed.
                let _ = done.send((place, result));
            }
            Ok::<_, AuditError>(snapshot)
        });
    }
    drop(done);
    let mut results = BTreeMap::new();
    while let Some((place, result)) = came.recv().await {
        tell(&result);
        results.insert(place, result);
    }
    let mut snapshots = Vec::new();
    while let Some(ended) = workers.join_next().await {
        snapshots.push(ended.expect("a worker is not broken off before its end, and does not panic")?);
    }
    Ok((snapshots, results.into_values().collect()))
}

fn next<J>(jobs: &Mutex<Enumerate<vec::IntoIter<J>>>) -> Option<(usize, J)> {
    jobs.lock().unwrap_or_else(PoisonError::into_inner).next()
}
