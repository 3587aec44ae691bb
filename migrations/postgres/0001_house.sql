-- The house itself: what coalition this database holds, the gate every batch passes, and the calendar. Conventions of all
-- migrations: times are microseconds since 1970 UTC; money is in units of 10^-scale of the coalition's currency; rates and
-- shares are exact decimals as text; a partner is named by its id in the column `partner`; ids of batches, members and
-- requests are UUIDs of 16 bytes. Both back ends have the same files, tables and columns. The rows of the single-row tables
-- are written when the coalition is made, not here.
-- Made by `cargo run -p clearing --example migrations` from clearing/src/store/tables.rs; not to be edited.

CREATE TABLE coalition (
    -- one database holds one coalition
    id           smallint NOT NULL PRIMARY KEY CHECK (id = 1),
    -- its name, part of every hash of its journal
    coalition_id text NOT NULL,
    domain       text NOT NULL,
    -- of the identifier key: with another each member would be two
    fingerprint  bytea NOT NULL CHECK (length(fingerprint) = 32),
    -- JSON: currency, scale, default terms, grace, threshold and so on; never changed
    settings     text NOT NULL,
    created_at   bigint NOT NULL
);

-- Each batch reads this row after it has the gate shared; whoever changes it holds the gate alone. It is never written by a
-- batch, so that it stays free of row locks however many nodes read it.
CREATE TABLE gate (
    id               smallint NOT NULL PRIMARY KEY CHECK (id = 1),
    -- the one open window
    window_number    bigint NOT NULL CHECK (window_number >= 1),
    -- no batch acts earlier than this
    opened_at        bigint NOT NULL,
    -- moves with every change of terms, partners or calendar: caches older than it are stale
    terms_epoch      bigint NOT NULL,
    -- the time of the last change made under the gate, so that the house's clock never runs back over one
    last_time        bigint NOT NULL,
    -- requests that were recorded before this may be forgotten
    forgotten_before bigint NOT NULL
);

-- The versions of the calendar: the one in force, those that are announced, and those by which a cut-off may still have to
-- be kept. The ones before them are in the journal.
CREATE TABLE calendars (
    number       bigint NOT NULL PRIMARY KEY CHECK (number >= 1),
    -- it rules the cut-offs behind this, up to the next version
    effective_at bigint NOT NULL,
    -- JSON: rows of cut-offs, time zone, weekend, holidays
    calendar     text NOT NULL
);

-- Which node does a job of the house, and until when, by the clock of the database. It only keeps nodes from doing the same
-- work twice: what a job writes is right whoever asks for it, and however often.
CREATE TABLE leases (
    name       text NOT NULL PRIMARY KEY,
    -- the node: a random id for as long as it runs
    holder     uuid NOT NULL,
    expires_at bigint NOT NULL,
    -- what a probe writes to find out whether there is room
    filler     bytea
);
-- Zeros would be packed to nothing.
ALTER TABLE leases ALTER COLUMN filler SET STORAGE EXTERNAL;

-- When a node of the house was last alive, by its clock, each minute anew: a house that is started with a wrong clock knows
-- by it. It tells nothing about the books, and the audit does not read it.
CREATE TABLE house_alive (
    id       smallint NOT NULL PRIMARY KEY CHECK (id = 1),
    alive_at bigint NOT NULL
);
