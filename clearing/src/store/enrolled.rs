//! Which members identifiers name, as far as was read of late: most purchases are of members who bought before.
//!
//! An identifier that was enrolled names its member for good, so what was read once stays true on every node. Unknown ones
//! are looked for each time, as any node may enrol them.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use clearing_core::units::{IdentifierHash, MemberId};
use hashlink::LruCache;

use super::sql::Link;
use super::{StoreError, members};

/// How many are kept, some ten megabytes of them.
const KEPT: usize = 65_536;

/// See the module.
#[derive(Debug)]
pub(super) struct Enrolled(Mutex<LruCache<IdentifierHash, MemberId>>);

impl Default for Enrolled {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(KEPT)))
    }
}

impl Enrolled {
    /// The members that identifiers name; unknown ones are left out. What is read must have been committed.
    pub async fn members(
        &self,
        link: &mut Link<'_>,
        hashes: BTreeSet<IdentifierHash>,
    ) -> Result<Vec<(IdentifierHash, MemberId)>, StoreError> {
        let (mut found, mut unread) = (Vec::with_capacity(hashes.len()), Vec::new());
        {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for hash in hashes {
                match kept.get(&hash) {
                    Some(member) => found.push((hash, *member)),
                    None => unread.push(hash),
                }
            }
        }
        let read = members::identifiers(link, &unread).await?;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (hash, member) in read {
            kept.insert(hash, member);
            found.push((hash, member));
        }
        Ok(found)
    }
}
