-- The journal, the sums that are kept of it, and what is projected from it.
-- Made by `cargo run -p clearing --example migrations` from clearing/src/store/tables.rs; not to be edited.

-- One row is one entry: canonical bytes with postings, lot movements and links. Everything else here can be rebuilt from
-- it. The key is known before the commit (batch ids are UUIDv7, so rows are appended); the sequence is that of the batch
-- plus the ordinal.
CREATE TABLE entries (
    batch_id uuid NOT NULL,
    ordinal  integer NOT NULL CHECK (ordinal >= 0),
    -- the canonical bytes, behind a byte that says how they stand: 1 as they are; 2 by LZ4 with the frozen dictionary 1,
    -- behind their length in two bytes
    packed   bytea NOT NULL,
    PRIMARY KEY (batch_id, ordinal)
);

-- One row is one commit that wrote entries or recorded requests, and one link of the hash chain.
CREATE TABLE batches (
    batch_id       uuid NOT NULL PRIMARY KEY,
    -- without gaps, in the order of commits
    number         bigint NOT NULL CHECK (number >= 1),
    -- of a batch without entries that of the next one
    first_sequence bigint NOT NULL CHECK (first_sequence >= 1),
    entry_count    integer NOT NULL CHECK (entry_count >= 0),
    request_count  integer NOT NULL CHECK (request_count >= 0),
    window_number  bigint NOT NULL,
    time           bigint NOT NULL,
    hash           bytea NOT NULL CHECK (length(hash) = 32),
    previous_hash  bytea NOT NULL CHECK (length(previous_hash) = 32),
    -- over the requests that it recorded, rejections too
    requests_hash  bytea NOT NULL CHECK (length(requests_hash) = 32),
    -- of the hashes of its entries; zeros if it has none
    salt           bytea NOT NULL,
    CHECK (entry_count + request_count >= 1)
);
-- Walks the chain in the order of commits, and is the last guard against two batches at one place.
CREATE UNIQUE INDEX batches_by_number ON batches (number);
-- Finds the batch of a sequence.
CREATE INDEX batches_by_first_sequence ON batches (first_sequence);
-- No batch can be chained to a predecessor that already has a successor: the chain cannot fork.
CREATE UNIQUE INDEX batches_by_previous_hash ON batches (previous_hash);

-- Where the journal ends. Locked last of all, by the statement that also writes the batch, so that it is held for one
-- statement and the commit only.
CREATE TABLE journal_head (
    id            smallint NOT NULL PRIMARY KEY CHECK (id = 1),
    next_sequence bigint NOT NULL CHECK (next_sequence >= 1),
    -- of batches
    next_number   bigint NOT NULL CHECK (next_number >= 1),
    hash          bytea NOT NULL CHECK (length(hash) = 32)
) WITH (fillfactor = 20);

-- What the books say now, except for what members hold, which is in their own rows. Few rows, all hot: moved by a sum once
-- per account and batch, last, in the order of the key. The legs of a window stand together behind its number, so that
-- nobody reads those of windows that are done with.
CREATE TABLE balances (
    commodity     text NOT NULL,
    -- of the legs of a window; else 0
    window_number bigint NOT NULL,
    account       text NOT NULL,
    amount        bigint NOT NULL,
    PRIMARY KEY (commodity, window_number, account)
) WITH (fillfactor = 20);

-- Gross obligations of a window: redemptions of an issuer's points at another acceptor, returns deducted.
CREATE TABLE gross (
    window_number bigint NOT NULL,
    issuer        text NOT NULL,
    acceptor      text NOT NULL,
    -- may be negative: a return of what an earlier window accepted
    points        bigint NOT NULL,
    amount        bigint NOT NULL,
    PRIMARY KEY (window_number, issuer, acceptor)
) WITH (fillfactor = 20);

-- Personal data and free text of an entry. The journal holds a salted commitment only, so erasing means to null the bytes
-- and the salt.
CREATE TABLE attachments (
    batch_id  uuid NOT NULL,
    ordinal   integer NOT NULL,
    salt      bytea,
    bytes     bytea,
    erased_at bigint,
    PRIMARY KEY (batch_id, ordinal),
    -- erased means gone
    CHECK ((erased_at IS NULL) = (salt IS NOT NULL) AND (erased_at IS NULL) = (bytes IS NOT NULL))
);

-- How far each projection has read the journal: the next sequence it wants.
CREATE TABLE projection_cursors (
    name          text NOT NULL PRIMARY KEY,
    next_sequence bigint NOT NULL CHECK (next_sequence >= 1)
);

-- Which entries a partner may see. Projected from the journal, never written by a batch. A window is a range of sequences
-- (see windows.first_sequence), and the batch of a sequence is found by batches_by_first_sequence.
CREATE TABLE entry_parties (
    partner       text NOT NULL,
    sequence      bigint NOT NULL,
    -- the partner's own number of the entry, from 1 without gaps
    own_sequence  bigint NOT NULL,
    -- yyyymmdd as a number: sorts, and needs no date type
    business_date integer,
    till          text,
    PRIMARY KEY (partner, sequence)
);

-- By what partners find the entries that they asked for: a row for its member, its store and its receipt, and one a run for
-- each business date. Members lie at random, so in the order of words each entry would touch a page of its own; in runs all
-- that is projected now lies in some dozens of pages. Projected with the rows above, in the same transaction.
CREATE TABLE entry_words (
    -- the sequence by 4,096
    run   bigint NOT NULL,
    -- 4 bytes of a hash over the partner, what the word is of and what it is: others may have the same, so the entry has
    -- the last word
    word  integer NOT NULL,
    -- of the sequence in its run; of a business date 0
    place smallint NOT NULL CHECK (place BETWEEN 0 AND 4095),
    PRIMARY KEY (run, word, place)
);

-- The decisions of the house, by whom they concern. Projected with the rows above, in the same transaction.
CREATE TABLE admin_actions (
    -- empty: the row by which the decision is found whoever it concerns
    partner       text NOT NULL,
    -- of the entry
    time          bigint NOT NULL,
    sequence      bigint NOT NULL,
    -- that it is about; else the one that was open
    window_number bigint NOT NULL,
    -- the kind's number in the canonical bytes
    kind          smallint NOT NULL,
    PRIMARY KEY (partner, time, sequence)
);
CREATE INDEX admin_actions_by_kind ON admin_actions (partner, kind, time, sequence);
CREATE INDEX admin_actions_by_window ON admin_actions (partner, window_number, time, sequence);

-- What the lines of a partner's statement of a window come to. Projected with the rows above, in the same transaction.
CREATE TABLE party_totals (
    partner       text NOT NULL,
    window_number bigint NOT NULL,
    -- 1 issued, 2 spent, 3 accepted, 4 at home, 5 lost, 6 the house
    section       smallint NOT NULL CHECK (section BETWEEN 1 AND 6),
    -- the kind's number in the canonical bytes
    kind          smallint NOT NULL,
    purpose       text NOT NULL,
    entry_count   bigint NOT NULL CHECK (entry_count >= 1),
    -- at the end of the range: it did not fit
    amount        bigint NOT NULL,
    -- likewise
    points        bigint NOT NULL,
    PRIMARY KEY (partner, window_number, section, kind, purpose)
);

-- Statement triggers cost nothing per row.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER entries_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON entries FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER batches_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON batches FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
