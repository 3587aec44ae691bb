-- Who may connect: invites, the credentials that the house issued, and what was revoked.
-- Made by `cargo run -p clearing --example migrations` from clearing/src/store/tables.rs; not to be edited.

-- One row an invite. Whoever has its secret gets a credential, once: the row is the lock for that.
CREATE TABLE invites (
    invite_id        BLOB NOT NULL PRIMARY KEY,
    -- KIND/ID: partner/GROCER, operator/anna, auditor/kpmg
    holder           TEXT NOT NULL,
    -- a bit for each; 0: all that the holder may do
    scopes           INTEGER NOT NULL,
    -- null: none in particular
    device           TEXT,
    store            TEXT,
    till             TEXT,
    -- 0: no limit of its own
    calls_per_second INTEGER NOT NULL CHECK (calls_per_second BETWEEN 0 AND 10000),
    connections_max  INTEGER NOT NULL CHECK (connections_max BETWEEN 0 AND 128),
    -- SHA-256 of the secret, which the house does not have
    secret_hash      BLOB NOT NULL CHECK (length(secret_hash) = 32),
    created_at       INTEGER NOT NULL,
    ends_at          INTEGER NOT NULL,
    -- a holder
    created_by       TEXT NOT NULL,
    -- the serial number of the certificate that it was made with
    made_with        TEXT,
    withdrawn_at     INTEGER,
    -- to a person or an auditor, by one person, as there were no two approvers
    made_alone       INTEGER NOT NULL CHECK (made_alone IN (0, 1)),
    used_at          INTEGER,
    -- of the credential that came of it
    serial           TEXT,
    -- tries with another key after that
    foreign_attempts INTEGER NOT NULL CHECK (foreign_attempts >= 0),
    CHECK ((used_at IS NULL) = (serial IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX invites_by_holder ON invites (holder, created_at, invite_id);
CREATE INDEX invites_by_time ON invites (created_at, invite_id);
-- What is taken back with the certificate that it was made with.
CREATE INDEX invites_by_maker ON invites (made_with) WHERE made_with IS NOT NULL;

-- The credentials that the house issued. The certificates themselves are in their entries.
CREATE TABLE credentials (
    -- lower-case hexadecimal
    serial           TEXT NOT NULL PRIMARY KEY,
    -- the serial number of the first of its line: it was renewed, and so were its successors
    line             TEXT NOT NULL,
    holder           TEXT NOT NULL,
    scopes           INTEGER NOT NULL,
    device           TEXT,
    store            TEXT,
    till             TEXT,
    calls_per_second INTEGER NOT NULL,
    connections_max  INTEGER NOT NULL,
    -- SHA-256 of its public key
    key_hash         BLOB NOT NULL CHECK (length(key_hash) = 32),
    created_at       INTEGER NOT NULL,
    -- by the clock of machines, as all certificates
    begins_at        INTEGER NOT NULL,
    ends_at          INTEGER NOT NULL,
    -- null: it renews another one
    invite_id        BLOB,
    -- the one that it renews
    renews           TEXT,
    -- its entry
    batch_id         BLOB NOT NULL,
    ordinal          INTEGER NOT NULL,
    CHECK ((invite_id IS NULL) = (renews IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX credentials_by_holder ON credentials (holder, created_at, serial);
CREATE INDEX credentials_by_time ON credentials (created_at, serial);
CREATE INDEX credentials_by_line ON credentials (line);
-- One successor for a key, whatever number of nodes is asked for it.
CREATE UNIQUE INDEX credentials_by_renewal ON credentials (renews, key_hash) WHERE renews IS NOT NULL;

-- What is trusted no more and has not ended. Part of what every node keeps of the house, and written under the gate.
CREATE TABLE revocations (
    -- a serial number; of all that a holder had: KIND/ID
    subject    TEXT NOT NULL PRIMARY KEY,
    revoked_at INTEGER NOT NULL,
    -- of a holder: certificates that begin by then, by the clock of machines
    cut_at     INTEGER NOT NULL,
    -- when the certificate ends
    ends_at    INTEGER NOT NULL,
    revoked_by TEXT NOT NULL,
    reason     TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER credentials_refuse_update BEFORE UPDATE ON credentials BEGIN SELECT RAISE(ABORT, 'credentials is append-only'); END;
CREATE TRIGGER credentials_refuse_delete BEFORE DELETE ON credentials BEGIN SELECT RAISE(ABORT, 'credentials is append-only'); END;
