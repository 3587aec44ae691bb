//! Nobody sits before a silent screen: whatever waits for the network for longer than a moment says what for.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::output::{self, Output};

/// Between two looks at what is waited for. What is there at two looks, one after the other, is said.
const LOOK: Duration = Duration::from_secs(1);

/// What a command waits for at this moment. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Waiting(Arc<Mutex<Option<String>>>);

impl Waiting {
    /// From now on it waits for this, in words that follow "waiting for", until what this gives is dropped.
    #[must_use]
    pub fn wait_for(&self, what: impl Into<String>) -> Awaited {
        *self.0.lock().expect("nobody panics with the lock") = Some(what.into());
        Awaited(self.clone())
    }

    fn now(&self) -> Option<String> {
        self.0.lock().expect("nobody panics with the lock").clone()
    }
}

/// Something is waited for, for as long as this is kept.
#[derive(Debug)]
pub struct Awaited(Waiting);

impl Drop for Awaited {
    fn drop(&mut self) {
        if let Ok(mut what) = self.0.0.lock() {
            *what = None;
        }
    }
}

/// Does something, and says once what it waits for, if it does.
pub async fn telling<T>(output: Output, waiting: &Waiting, doing: impl Future<Output = T>) -> T {
    let mut doing = pin!(doing);
    let (mut before, mut told) = (None, None);
    loop {
        tokio::select! {
            done = &mut doing => return done,
            () = tokio::time::sleep(LOOK) => {}
        }
        // Somebody was asked in between: that was no wait for the network.
        let now = if output::asked_within(LOOK) { None } else { waiting.now() };
        if let Some(what) = now.as_ref().filter(|_| now == before && now != told) {
            output.note(&format!("waiting for {what}"));
            told.clone_from(&now);
        }
        before = now;
    }
}
