//! The key under which a request has its effect once.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use uuid::{NoContext, Timestamp, Uuid};

/// The key of one request with an effect: a UUID of version 7, unique per partner for ever.
///
/// The SDK makes one before the first try and uses it for every retry. A till that must survive its own crash makes one
/// with [`crate::Client::new_request_id`], stores it, and sends the request with it as often as needed: it has its effect
/// once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(Uuid);

impl RequestId {
    /// A new key that carries `time`. The house refuses keys that are too old or too far in the future.
    #[must_use]
    pub fn at(time: SystemTime) -> Self {
        // A clock before 1970 cannot be carried; the house will say that the key is too old.
        let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self(Uuid::new_v7(Timestamp::from_unix(NoContext, since_1970.as_secs(), since_1970.subsec_nanos())))
    }

    pub(crate) fn uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The text is not a UUID of version 7.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a UUID of version 7")]
pub struct NotARequestId(String);

impl FromStr for RequestId {
    type Err = NotARequestId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Of the forms of a UUID the house takes the hyphenated one alone.
        let hyphenated = |uuid: &Uuid| uuid.to_string().eq_ignore_ascii_case(text);
        match Uuid::parse_str(text) {
            Ok(uuid) if uuid.get_version_num() == 7 && hyphenated(&uuid) => Ok(Self(uuid)),
            Ok(_) | Err(_) => Err(NotARequestId(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_carries_its_time_and_reads_back_as_it_was_written() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_770_000_000_123);
        let id = RequestId::at(time);
        let (seconds, nanos) = id.0.get_timestamp().unwrap().to_unix();
        assert_eq!(SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos), time);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_ne!(RequestId::at(time), id);
    }

    #[test]
    fn only_version_7_is_a_request_id() {
        let v7 = "019c1e0a-5d0e-7c3a-9f00-0123456789ab";
        assert!(v7.parse::<RequestId>().is_ok());
        let (braced, plain) = (format!("{{{v7}}}"), v7.replace('-', ""));
        for text in ["", "x", "67e55044-10b1-426f-9247-bb680e5fe0c8", &braced, &plain] {
            assert_eq!(text.parse::<RequestId>(), Err(NotARequestId(text.to_owned())));
        }
    }
}
