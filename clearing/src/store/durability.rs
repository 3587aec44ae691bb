//! Whether what is committed is safe. Once the disk has failed to take something, nobody can tell from within: the process
//! has to start again from what is there.

use std::sync::OnceLock;

use tokio_util::sync::CancellationToken;

/// Whether what is committed is safe. Shared by all who write.
#[derive(Debug, Default)]
pub struct Durability {
    lost: CancellationToken,
    why: OnceLock<String>,
}

impl Durability {
    /// Notes that it is lost.
    pub fn lose(&self, why: &dyn std::error::Error) {
        let mut text = why.to_string();
        let mut cause = why.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        // Whoever came first tells why.
        let _ = self.why.set(text);
        self.lost.cancel();
    }

    pub fn is_lost(&self) -> bool {
        self.lost.is_cancelled()
    }

    /// Waits until it is lost, and says why.
    pub async fn lost(&self) -> &str {
        self.lost.cancelled().await;
        self.why.get().map_or("", String::as_str)
    }
}
