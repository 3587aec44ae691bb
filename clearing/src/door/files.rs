//! Descriptors: a connection takes one, and so does the database. A process that has given all of them to callers cannot
//! read its books any more.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::DoorLimits;

/// Descriptors kept for the database, the log, the listener and what else a house opens: eight readers of SQLite take
/// three each.
const KEPT: usize = 128;

/// Raises this process's limit of open files to what it may be, and gives what it is then.
pub fn raise() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: maximum, maximum };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files could not be raised");
            current
        }
    };
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

/// The same limits, with no more connections than there are descriptors: the database's are kept.
#[must_use]
pub fn fit(limits: DoorLimits, files: usize) -> DoorLimits {
    let room = files.saturating_sub(KEPT).max(2);
    if limits.waiting.saturating_add(limits.connections) <= room {
        return limits;
    }
    let waiting = limits.waiting.min(room / 4).max(1);
    let connections = limits.connections.min(room - waiting);
    tracing::warn!(files, waiting, connections, "the limit of open files is low: fewer connections are let in");
    DoorLimits { waiting, connections, ..limits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_the_usual_limit_of_files_the_database_keeps_its_descriptors() {
        let limits = fit(DoorLimits::default(), 1_024);
        assert!(limits.waiting + limits.connections + KEPT <= 1_024, "{limits:?}");
        assert!(limits.waiting >= 100 && limits.connections >= 500, "{limits:?}");
        assert_eq!(fit(DoorLimits::default(), 65_536), DoorLimits::default());
    }
}
