-- The house itself: what coalition this database holds, the gate every batch passes, and the calendar.
-- Conventions of all migrations: times are microseconds since 1970 UTC; money is in units of 10^-scale of the coalition's
-- currency; rates and shares are exact decimals as text; a partner is named by its id in the column `partner`; ids of
-- batches, members and requests are UUIDs of 16 bytes. Both back ends have the same files, tables and columns.
-- The rows of the single-row tables are written when the coalition is made, not here.

CREATE TABLE coalition (
    id           INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), -- one database holds one coalition
    coalition_id TEXT NOT NULL, -- its name, part of every hash of its journal
    domain       TEXT NOT NULL,
    fingerprint  BLOB NOT NULL CHECK (length(fingerprint) = 32), -- of the identifier key: with another each member would be two
    settings     TEXT NOT NULL, -- JSON: currency, scale, default terms, grace, threshold and so on; never changed
    created_at   INTEGER NOT NULL
) STRICT;

-- Each batch reads this row after it has the gate shared; whoever changes it holds the gate alone. It is never written
-- by a batch, so that it stays free of row locks however many nodes read it.
CREATE TABLE gate (
    id            INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    window_number INTEGER NOT NULL CHECK (window_number >= 1), -- the one open window
    opened_at     INTEGER NOT NULL,                            -- no batch acts earlier than this
    terms_epoch   INTEGER NOT NULL,                            -- moves with every change of terms, partners or calendar: caches older than it are stale
    last_time     INTEGER NOT NULL,                             -- the time of the last change made under the gate, so that the house's clock never runs back over one
    forgotten_before INTEGER NOT NULL -- requests that were recorded before this may be forgotten
) STRICT;

-- The calendar in force; the ones before it are in the journal.
CREATE TABLE calendar (
    id        INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    crons     TEXT NOT NULL, -- JSON list of cron expressions
    time_zone TEXT NOT NULL, -- IANA name
    set_at    INTEGER NOT NULL -- it has no cut-offs before this
) STRICT;

-- Which node does a job of the house, and until when, by the clock of the database. It only keeps nodes from doing the same
-- work twice: what a job writes is right whoever asks for it, and however often.
CREATE TABLE leases (
    name       TEXT NOT NULL PRIMARY KEY,
    holder     BLOB NOT NULL, -- the node: a random id for as long as it runs
    expires_at INTEGER NOT NULL,
    filler     BLOB      -- what a probe writes to find out whether there is room
) STRICT, WITHOUT ROWID;

-- When a node of the house was last alive, by its clock, each minute anew: a house that is started with a wrong clock knows
-- by it. It tells nothing about the books, and the audit does not read it.
CREATE TABLE house_alive (
    id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    alive_at INTEGER NOT NULL
) STRICT;
