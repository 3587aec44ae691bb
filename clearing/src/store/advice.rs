//! What of a PostgreSQL's settings costs durability or speed, for whoever runs the house: the house itself changes none.
//!
//! Figures are of PostgreSQL 15 with 1,000,000 members, measured as `benches/README.md` tells; what follows from them by
//! arithmetic alone is called so in `docs/postgresql.md`.

use super::cells::Row;
use super::sql::Sql;
use super::tables::{Column, Kind};
use super::{Backend, Store, StoreError};

pub(super) static STATEMENTS: &[&Sql] = &[&SERVER_SETTINGS];

const NAME: Column = Column::made("name", Kind::Text);
const PRESENT: Column = Column::made("present", Kind::Text);
const AMOUNT: Column = Column::made("amount", Kind::Int);
const CHOICES: Column = Column::made("choices", Kind::Text);

// As they hold for connections of the house: what was set for its database or its role is in there.
static SERVER_SETTINGS: Sql = Sql::postgres(
    "store.server_settings",
    "SELECT name, pg_catalog.current_setting(name) AS present,
        CASE WHEN name IN ('shared_buffers', 'max_wal_size') THEN pg_catalog.pg_size_bytes(pg_catalog.current_setting(name))
            WHEN name = 'checkpoint_timeout' THEN setting::bigint END AS amount,
        pg_catalog.array_to_string(enumvals, ' ') AS choices
    FROM pg_catalog.pg_settings
    WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'wal_compression', 'max_wal_size',
        'checkpoint_timeout', 'shared_buffers')",
)
.gives(&[NAME, PRESENT, AMOUNT, CHOICES]);

/// What a setting is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Concern {
    /// Set otherwise, what was acknowledged may be lost when the server or its machine stops.
    Durability,
    /// Set otherwise, nothing is lost but time.
    Speed,
}

/// A setting of the database server, and what is recommended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    pub setting: &'static str,
    pub concern: Concern,
    /// As the server tells it.
    pub present: String,
    /// As it is written in its configuration.
    pub recommended: &'static str,
    /// Whether the present value does as well as the recommended one.
    pub is_followed: bool,
    /// With the figure, where it is about speed.
    pub reason: &'static str,
}

/// A setting as the server tells it.
#[derive(Debug)]
struct Told {
    name: String,
    present: String,
    /// Of sizes in bytes, of times in seconds.
    amount: Option<i64>,
    /// The words that it may be set to, if it is one of some words.
    choices: String,
}

/// What is known of a setting.
struct Known {
    setting: &'static str,
    concern: Concern,
    recommended: &'static str,
    does: fn(&Told) -> bool,
    reason: &'static str,
}

const MEBIBYTE: i64 = 1 << 20;
const SHARED_BUFFERS_MIN: i64 = 2_048 * MEBIBYTE;
const MAX_WAL_SIZE_MIN: i64 = 8_192 * MEBIBYTE;
const CHECKPOINT_SECONDS_MIN: i64 = 15 * 60;

/// All settings that are looked at, those of durability first.
static KNOWN: [Known; 7] = [
    Known {
        setting: "fsync",
        concern: Concern::Durability,
        recommended: "on",
        does: |told| told.present == "on",
        reason: "off, a machine that stops may leave books that cannot be read, whatever was acknowledged",
    },
    Known {
        setting: "full_page_writes",
        concern: Concern::Durability,
        recommended: "on",
        does: |told| told.present == "on",
        reason: "off, a machine that stops may leave a page half written, which nothing mends, unless the file system \
                 writes whole pages",
    },
    Known {
        setting: "synchronous_commit",
        concern: Concern::Durability,
        recommended: "on",
        does: |told| told.present != "off",
        reason: "off, a server that stops loses what it acknowledged in the last moments, and nobody who was told so asks \
                 again",
    },
    Known {
        setting: "wal_compression",
        concern: Concern::Speed,
        recommended: "lz4",
        does: |told| told.present != "off",
        reason: "lz4 takes 60 % off the log for no visible time; of 14.4 kB of log an issue 12.7 kB are whole pages",
    },
    Known {
        setting: "max_wal_size",
        concern: Concern::Speed,
        recommended: "8GB",
        does: |told| told.amount >= Some(MAX_WAL_SIZE_MIN),
        reason: "a checkpoint comes after so much log at the latest, and each page is written whole when it first changes \
                 after one: 1.87 pages an issue. At 14.4 kB of log an issue 1 GB is used up after 75,000 issues, 8 GB \
                 after 600,000. A start after a crash reads as much of it at the most",
    },
    Known {
        setting: "checkpoint_timeout",
        concern: Concern::Speed,
        recommended: "15min",
        does: |told| told.amount >= Some(CHECKPOINT_SECONDS_MIN),
        reason: "a checkpoint comes after so long at the latest: what is said of max_wal_size holds for it, too",
    },
    Known {
        setting: "shared_buffers",
        concern: Concern::Speed,
        recommended: "2GB",
        does: |told| told.amount >= Some(SHARED_BUFFERS_MIN),
        reason: "an issue took the server 206 us with 256 MB and 160 us with 2 GB, of 1,000,000 members; books that fit \
                 into less gain nothing",
    },
];

impl Store {
    /// What is recommended of the database server's settings, those of durability first; nothing of SQLite, whose settings
    /// are the house's own. What a server does not tell is left out.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn advice(&self) -> Result<Vec<Advice>, StoreError> {
        if self.backend() == Backend::Sqlite {
            return Ok(Vec::new());
        }
        let mut reader = self.reader().await?;
        let mut link = reader.link();
        let call = link.call(&SERVER_SETTINGS);
        let told = |row: &Row<'_>| {
            Ok(Told {
                name: row.text(NAME)?.to_owned(),
                present: row.text(PRESENT)?.to_owned(),
                amount: row.int_or_null(AMOUNT)?,
                choices: row.text_or_null(CHOICES)?.unwrap_or_default().to_owned(),
            })
        };
        Ok(advice(&link.rows(call, told).await?))
    }
}

fn advice(told: &[Told]) -> Vec<Advice> {
    let of = |known: &Known| {
        let told = told.iter().find(|told| told.name == known.setting)?;
        // A server that was built without lz4 has another way to compress, which is simply on.
        let is_offered = told.choices.is_empty() || told.choices.split(' ').any(|choice| choice == known.recommended);
        Some(Advice {
            setting: known.setting,
            concern: known.concern,
            present: told.present.clone(),
            recommended: if is_offered { known.recommended } else { "on" },
            is_followed: (known.does)(told),
            reason: known.reason,
        })
    };
    KNOWN.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, present: &str, amount: Option<i64>, choices: &str) -> Told {
        Told { name: name.to_owned(), present: present.to_owned(), amount, choices: choices.to_owned() }
    }

    fn of(told: Told) -> (bool, &'static str) {
        let advice = advice(&[told]).pop().expect("the setting is known");
        (advice.is_followed, advice.recommended)
    }

    #[test]
    fn what_does_as_well_as_what_is_recommended_is_no_fault() {
        assert_eq!(of(told("fsync", "off", None, "")), (false, "on"));
        assert_eq!(of(told("full_page_writes", "off", None, "")), (false, "on"));
        let commits = "local remote_write remote_apply on off";
        for (present, does) in [("off", false), ("on", true), ("local", true), ("remote_apply", true)] {
            assert_eq!(of(told("synchronous_commit", present, None, commits)).0, does, "{present}");
        }
        for (present, does) in [("off", false), ("pglz", true), ("lz4", true), ("zstd", true)] {
            assert_eq!(of(told("wal_compression", present, None, "pglz lz4 zstd on off")), (does, "lz4"), "{present}");
        }
        assert_eq!(of(told("wal_compression", "off", None, "pglz on off")), (false, "on"), "built without lz4");
        for (bytes, does) in [(1 << 30, false), ((2 << 30) - 1, false), (2 << 30, true), (64 << 30, true)] {
            assert_eq!(of(told("shared_buffers", "", Some(bytes), "")).0, does, "{bytes}");
        }
        assert!(!of(told("max_wal_size", "1GB", Some(1 << 30), "")).0);
        assert!(of(told("max_wal_size", "8GB", Some(8 << 30), "")).0);
        assert!(!of(told("checkpoint_timeout", "5min", Some(300), "")).0);
        assert!(of(told("checkpoint_timeout", "15min", Some(900), "")).0);
    }

    #[test]
    fn what_the_server_does_not_tell_is_left_out() {
        assert_eq!(advice(&[]), Vec::new());
        assert_eq!(advice(&[told("work_mem", "4MB", None, "")]), Vec::new());
    }
}
