-- Who may connect: invites, the credentials that the house issued, and what was revoked.
-- Made by `cargo run -p clearing --example migrations` from clearing/src/store/tables.rs; not to be edited.

-- One row an invite. Whoever has its secret gets a credential, once: the row is the lock for that.
CREATE TABLE invites (
    invite_id        uuid NOT NULL PRIMARY KEY,
    -- KIND/ID: partner/GROCER, operator/anna, auditor/kpmg
    holder           text NOT NULL,
    -- a bit for each; 0: all that the holder may do
    scopes           smallint NOT NULL,
    -- null: none in particular
    device           text,
    store            text,
    till             text,
    -- 0: no limit of its own
    calls_per_second integer NOT NULL CHECK (calls_per_second BETWEEN 0 AND 10000),
    connections_max  integer NOT NULL CHECK (connections_max BETWEEN 0 AND 128),
    -- SHA-256 of the secret, which the house does not have
    secret_hash      bytea NOT NULL CHECK (length(secret_hash) = 32),
    created_at       bigint NOT NULL,
    ends_at          bigint NOT NULL,
    -- a holder
    created_by       text NOT NULL,
    -- the serial number of the certificate that it was made with
    made_with        text,
    withdrawn_at     bigint,
    -- to a person or an auditor, by one person, as there were no two approvers
    made_alone       smallint NOT NULL CHECK (made_alone IN (0, 1)),
    used_at          bigint,
    -- of the credential that came of it
    serial           text,
    -- tries with another key after that
    foreign_attempts integer NOT NULL CHECK (foreign_attempts >= 0),
    CHECK ((used_at IS NULL) = (serial IS NULL))
);
CREATE INDEX invites_by_holder ON invites (holder, created_at, invite_id);
CREATE INDEX invites_by_time ON invites (created_at, invite_id);
-- What is taken back with the certificate that it was made with.
CREATE INDEX invites_by_maker ON invites (made_with) WHERE made_with IS NOT NULL;

-- The credentials that the house issued. The certificates themselves are in their entries.
CREATE TABLE credentials (
    -- lower-case hexadecimal
    serial           text NOT NULL PRIMARY KEY,
    -- the serial number of the first of its line: it was renewed, and so were its successors
    line             text NOT NULL,
    holder           text NOT NULL,
    scopes           smallint NOT NULL,
    device           text,
    store            text,
    till             text,
    calls_per_second integer NOT NULL,
    connections_max  integer NOT NULL,
    -- SHA-256 of its public key
    key_hash         bytea NOT NULL CHECK (length(key_hash) = 32),
    created_at       bigint NOT NULL,
    -- by the clock of machines, as all certificates
    begins_at        bigint NOT NULL,
    ends_at          bigint NOT NULL,
    -- null: it renews another one
    invite_id        uuid,
    -- the one that it renews
    renews           text,
    -- its entry
    batch_id         uuid NOT NULL,
    ordinal          integer NOT NULL,
    CHECK ((invite_id IS NULL) = (renews IS NOT NULL))
);
CREATE INDEX credentials_by_holder ON credentials (holder, created_at, serial);
CREATE INDEX credentials_by_time ON credentials (created_at, serial);
CREATE INDEX credentials_by_line ON credentials (line);
-- One successor for a key, whatever number of nodes is asked for it.
CREATE UNIQUE INDEX credentials_by_renewal ON credentials (renews, key_hash) WHERE renews IS NOT NULL;

-- What is trusted no more and has not ended. Part of what every node keeps of the house, and written under the gate.
CREATE TABLE revocations (
    -- a serial number; of all that a holder had: KIND/ID
    subject    text NOT NULL PRIMARY KEY,
    revoked_at bigint NOT NULL,
    -- of a holder: certificates that begin by then, by the clock of machines
    cut_at     bigint NOT NULL,
    -- when the certificate ends
    ends_at    bigint NOT NULL,
    revoked_by text NOT NULL,
    reason     text NOT NULL
);
CREATE TRIGGER credentials_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON credentials FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
