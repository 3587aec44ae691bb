//! Threads for dear calls: batches, pages of rows, reports.
//!
//! What is turned into messages, or out of them, by the thousand would hold up every small call that waits for the same
//! thread. Here the system's scheduler takes the processor from it whenever a till's call is ready to run.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;

/// How far these threads stand back behind others, as `nice` counts: of a contended core they get a tenth.
const NICE: i32 = 10;

thread_local! {
    static HERE: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is one of them. Who opens connections keeps those apart that were opened here: a thread that is
/// started by one of these stands back as well.
pub fn is_here() -> bool {
    HERE.get()
}

/// The threads for dear calls. Cheap to clone; the threads end with the last clone.
#[derive(Clone, Debug)]
pub struct Backroom(Arc<Threads>);

#[derive(Debug)]
struct Threads(Option<Runtime>);

impl Drop for Threads {
    fn drop(&mut self) {
        // It may be dropped where nothing may wait for threads to end.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Backroom {
    /// As many threads as there are cores.
    ///
    /// # Errors
    /// If the system gives the process no files or no threads.
    pub fn open() -> io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = Builder::new_multi_thread()
            .worker_threads(cores)
            .thread_name("backroom")
            .enable_all()
            .on_thread_start(stand_back)
            .build()?;
        Ok(Self(Arc::new(Threads(Some(runtime)))))
    }

    /// Runs work here. It ends when nobody waits for it any more.
    ///
    /// # Panics
    /// If the work does.
    pub async fn run<F>(&self, work: F) -> F::Output
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let runtime = self.0.0.as_ref().expect("the threads are there as long as this is");
        match AbortOnDropHandle::new(runtime.spawn(work)).await.map_err(JoinError::try_into_panic) {
            Ok(done) => done,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            // Threads that end take their work with them, and nobody waits for an answer then.
            Err(Err(_)) => std::future::pending().await,
        }
    }
}

fn stand_back() {
    HERE.set(true);
    // Elsewhere it would be the whole process that stands back.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "a thread for dear calls does not stand back");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn its_work_ends_when_nobody_waits_for_it() {
        let backroom = Backroom::open().unwrap();
        assert!(!is_here());
        assert!(backroom.run(async { is_here() }).await);
        let held = Arc::new(());
        let work = {
            let held = Arc::clone(&held);
            async move {
                std::future::pending::<()>().await;
                drop(held);
            }
        };
        let waited = tokio::time::timeout(std::time::Duration::from_millis(20), backroom.run(work)).await;
        assert!(waited.is_err());
        while Arc::strong_count(&held) > 1 {
            tokio::task::yield_now().await;
        }
    }
}
