//! The machine that is measured on, as it tells of itself.

use std::time::Duration;

/// Running processes on average over the last minute, below which a machine counts as quiet.
pub const QUIET_BELOW: f64 = 1.0;

/// Between two looks while a quiet machine is waited for.
const LOOK: Duration = Duration::from_secs(1);

/// Running processes on average over the last minute; nothing where the system does not tell.
pub fn load_average() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// Waits until the machine is quiet, for so long at the most, and tells its load average then.
pub async fn quiet(patience: Duration) -> Option<f64> {
    let until = tokio::time::Instant::now() + patience;
    loop {
        let load = load_average();
        if load.is_none_or(|load| load < QUIET_BELOW) || tokio::time::Instant::now() >= until {
            return load;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Bytes that this process has handed to `write` and the like so far, wherever they went: with SQLite its log and its
/// file. Sockets are not counted. Nothing where the system does not tell.
pub fn written_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/io").ok()?;
    text.lines().find_map(|line| line.strip_prefix("wchar: "))?.trim().parse().ok()
}

/// What this process has used of the processors so far; nothing where the system does not tell.
pub fn processor_time() -> Duration {
    let used = || {
        let text = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The name of the program may hold spaces; what follows its bracket does not. Fields 14 and 15 of proc(5), in
        // hundredths of a second.
        let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
        let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
        Some(Duration::from_millis(ticks * 10))
    };
    used().unwrap_or_default()
}

/// A number of `/proc/PID/status` in megabytes: `VmRSS` is what a process holds of the machine's memory, `VmHWM` the most
/// that it has held. Nothing if the process is gone.
pub fn memory_megabytes(process: u32, what: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes >> 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_to_files_is_counted() {
        let before = written_bytes().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![1; 1 << 20]).unwrap();
        let written = written_bytes().unwrap() - before;
        assert!(written >= 1 << 20, "{written}");
    }

    #[test]
    fn the_memory_of_a_process_is_told_while_it_is_there() {
        let own = std::process::id();
        let (now, most) = (memory_megabytes(own, "VmRSS").unwrap(), memory_megabytes(own, "VmHWM").unwrap());
        assert!(0 < now && now <= most, "{now} of {most}");
        assert_eq!(memory_megabytes(u32::MAX, "VmRSS"), None);
    }
}
