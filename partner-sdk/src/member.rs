//! How a call names a member.

use std::fmt;

/// Names one member: the person or company that holds points.
///
/// A pair of scheme and value makes one, so that `client.balance(("card", "4000123"))` reads as it should.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum MemberRef {
    /// The house's own id of the member, as an earlier answer gave it.
    Id(String),
    /// Something the member carries.
    Identifier {
        /// What kind of identifier, agreed within the coalition: "card", "qr", "phone-hash". 1 to 32 characters of
        /// `[a-z0-9_-]`.
        scheme: String,
        /// The value, compared byte by byte: 1 to 128 bytes.
        value: String,
    },
}

impl MemberRef {
    /// By the house's own id.
    #[must_use]
    pub fn id(member_id: impl Into<String>) -> Self {
        Self::Id(member_id.into())
    }

    /// By something the member carries.
    #[must_use]
    pub fn identifier(scheme: impl Into<String>, value: impl Into<String>) -> Self {
        Self::Identifier { scheme: scheme.into(), value: value.into() }
    }
}

impl<S: Into<String>, V: Into<String>> From<(S, V)> for MemberRef {
    fn from((scheme, value): (S, V)) -> Self {
        Self::identifier(scheme, value)
    }
}

impl fmt::Debug for MemberRef {
    /// Leaves out the value of an identifier: it is personal data, and debug output ends up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => f.debug_tuple("Id").field(id).finish(),
            Self::Identifier { scheme, .. } => {
                f.debug_struct("Identifier").field("scheme", scheme).finish_non_exhaustive()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_member_carries_does_not_end_up_in_a_log() {
        let text = format!("{:?}", MemberRef::from(("card", "4000123")));
        assert!(text.contains("card") && !text.contains("4000123"), "{text}");
    }
}
