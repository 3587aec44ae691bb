-- Requests, members, their lots. Every row a member owns has member_id first in its key, so that it can shard by member;
-- requests and identifiers are unique across members and are tables of their own. No table here has a foreign key: each
-- would be one more page to read per row, and the writer has checked what it writes.
-- Made by `cargo run -p clearing --example migrations` from clearing/src/store/tables.rs; not to be edited.

-- What became of every request, for ever unique per partner: the answer a repeated request gets. UUIDv7 ids make the key
-- append per partner, and let old rows be found as a range.
CREATE TABLE requests (
    partner      text NOT NULL,
    request_id   uuid NOT NULL,
    -- of what was asked for, its first 16 bytes; of what was burned before it came zeros
    content_hash uuid NOT NULL,
    -- the one that recorded it, rejections too: tells when it was, and after an unclear commit whether the batch is there
    batch_id     uuid NOT NULL,
    -- its first entry in the batch; null: it wrote none
    ordinal      integer,
    entry_count  integer NOT NULL CHECK (entry_count >= 0 AND (ordinal IS NULL) = (entry_count = 0)),
    -- 1 accepted, 2 rejected, 3 abandoned: burned before it came, or undone after
    state        smallint NOT NULL CHECK (state BETWEEN 1 AND 3),
    -- what of the answer is not in the entries; of a rejection the reason and its numbers; of a burned one nothing
    reply        bytea NOT NULL,
    PRIMARY KEY (partner, request_id)
);

-- One row per member, read and written once per member and batch. It is the member's lock.
CREATE TABLE members (
    member_id   uuid NOT NULL PRIMARY KEY,
    -- the number of the member's last entry: journal order as far as the member goes
    entry_no    bigint NOT NULL CHECK (entry_no >= 0),
    -- nothing is due for the member before this: no expiry, no lapse of a hold, no activation. A lower bound: a member with
    -- nothing due is known without reading a lot.
    next_due_at bigint NOT NULL,
    -- available, held and pending points per issuer and funding, debts, counts of the day and what else is known of the
    -- member, packed: known without reading a lot
    holdings    bytea NOT NULL,
    -- its lots as far as there is room, packed in consumption order; before them, from which place on one of further_lots
    -- may have available points
    lots        bytea NOT NULL
) WITH (fillfactor = 80, toast_tuple_target = 4080);
-- The members for whom something is due next, earliest first: the job that does due work finds it here and reads no lot.
-- Members for whom nothing falls due are left out. The column only moves when what is due first does.
CREATE INDEX members_by_next_due ON members (next_due_at, member_id) WHERE next_due_at < 9223372036854775807;

-- The lots for which there is no room in their member's row. They lie in consumption order of their member: the first
-- available ones are neighbours, and no second index has to be kept. A lot is found again as (member_id, entry_no, part)
-- within its member's range. Size, issuer and terms never change.
CREATE TABLE further_lots (
    member_id        uuid NOT NULL,
    -- 9223372036854775807: never; the 65,536 numbers before: so many days after the member's last activity, so that no lot
    -- is rewritten when the member is active
    expires_at       bigint NOT NULL,
    -- the member's own number of the entry that made the lot
    entry_no         bigint NOT NULL,
    -- one entry can make several lots of a member
    part             integer NOT NULL CHECK (part >= 0),
    issuer           text NOT NULL,
    terms_version    integer NOT NULL,
    size             bigint NOT NULL CHECK (size > 0),
    available        bigint NOT NULL CHECK (available >= 0),
    held             bigint NOT NULL CHECK (held >= 0),
    pending          bigint NOT NULL CHECK (pending >= 0),
    -- expired or decayed, and not written off by a reversal
    lost             bigint NOT NULL CHECK (lost >= 0),
    -- of its issue
    reversed         bigint NOT NULL CHECK (reversed >= 0 AND reversed <= size),
    -- the entry that made it
    batch_id         uuid NOT NULL,
    ordinal          integer NOT NULL,
    -- pending until then
    activates_at     bigint,
    -- pending until the issuer's leg of this window is paid
    release_window   bigint,
    -- the lot it was transferred from
    origin_member_id uuid,
    origin_entry_no  bigint,
    origin_part      integer,
    PRIMARY KEY (member_id, expires_at, entry_no, part),
    -- domain rule: no lot above its size
    CHECK (available + held + pending + lost <= size)
) WITH (fillfactor = 90);
-- Those that wait: few, so an index of them alone. Finds what of a member is to be activated or released.
CREATE INDEX further_lots_pending ON further_lots (member_id, entry_no, part) WHERE pending > 0;

-- The lots that wait for their issuer's payment, wherever they stand: whom it concerns that the leg of a window was paid.
CREATE TABLE waiting_lots (
    release_window bigint NOT NULL,
    issuer         text NOT NULL,
    member_id      uuid NOT NULL,
    entry_no       bigint NOT NULL,
    part           integer NOT NULL,
    terms_version  integer NOT NULL,
    -- pending until then, too
    activates_at   bigint,
    PRIMARY KEY (release_window, issuer, member_id, entry_no, part)
);

-- Points reserved for an acceptor. What a hold was made at is in its entry.
CREATE TABLE holds (
    member_id uuid NOT NULL,
    -- the entry that made it
    batch_id  uuid NOT NULL,
    ordinal   integer NOT NULL,
    lapses_at bigint NOT NULL,
    -- 1 open, 2 captured, 3 voided, 4 lapsed
    state     smallint NOT NULL CHECK (state BETWEEN 1 AND 4),
    -- points
    captured  bigint NOT NULL CHECK (captured >= 0),
    PRIMARY KEY (member_id, batch_id, ordinal)
) WITH (fillfactor = 90);
-- A member's open holds, the first to lapse first.
CREATE INDEX holds_open ON holds (member_id, lapses_at) WHERE state = 1;

-- Which lines of receipts were booked: each once, whatever its request id. Lies in the order in which tills print. What a
-- receipt is called is in the entry; two receipts of one key are told apart by it. Rows are added and never go: so of two
-- nodes that book the same line at once, one finds its number taken, and looks again.
CREATE TABLE receipts (
    -- day, partner, store and till, number of the receipt: hashed, but for the day and the digits at the end
    receipt_key uuid NOT NULL,
    -- 0: the receipt as a whole
    line        integer NOT NULL CHECK (line >= 0),
    -- 1 points earned, 2 points spent
    side        smallint NOT NULL CHECK (side IN (1, 2)),
    -- what was booked under this key, side and line before
    nth         smallint NOT NULL CHECK (nth BETWEEN 0 AND 255),
    -- the entry that booked it
    batch_id    uuid NOT NULL,
    ordinal     integer NOT NULL,
    -- 1: the entry was undone since, and the line may be booked again
    undone      smallint NOT NULL CHECK (undone IN (0, 1)),
    PRIMARY KEY (receipt_key, line, side, nth)
);

-- Which member an identifier names. Only a keyed hash of scheme and value is stored.
CREATE TABLE identifiers (
    identifier_hash bytea NOT NULL PRIMARY KEY CHECK (length(identifier_hash) = 32),
    member_id       uuid NOT NULL,
    -- of the member's links
    number          bigint NOT NULL CHECK (number >= 1),
    -- of the commitment to the link in the journal: what is left without it binds nobody
    salt            bytea NOT NULL CHECK (length(salt) = 16)
);
-- A member's identifiers, for merging, erasing and auditing.
CREATE UNIQUE INDEX identifiers_by_member ON identifiers (member_id, number);

-- Which links of identifiers were changed: what a node keeps of them from earlier reads ends with the change. Enrolling is
-- no change. Whoever changes a link numbers its row on from the last while it has the journal's head, so that the numbers
-- have no gaps and come in the order of commits. Rows are added, never changed; old ones go, but for the last.
CREATE TABLE link_changes (
    number          bigint NOT NULL PRIMARY KEY CHECK (number >= 1),
    identifier_hash bytea NOT NULL CHECK (length(identifier_hash) = 32),
    changed_at      bigint NOT NULL
);

-- What has been returned so far of a redemption, and of the total of a purchase; made at its first return, so that
-- redemptions write no such row.
CREATE TABLE returns (
    member_id uuid NOT NULL,
    -- the redemption's entry; of a purchase without one that of its issue
    batch_id  uuid NOT NULL,
    ordinal   integer NOT NULL,
    -- the points by lot: returns may be undone in another order than theirs
    lots      bytea NOT NULL,
    -- money, of the receipt's total
    amount    bigint NOT NULL CHECK (amount >= 0),
    -- that total; 0: no purchase was returned
    total     bigint NOT NULL CHECK (total >= amount),
    PRIMARY KEY (member_id, batch_id, ordinal)
);
CREATE TRIGGER link_changes_refuse_change BEFORE UPDATE ON link_changes FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
