-- Windows and their settlements. Rows in the number of partners, written under the gate only.
-- Made by `cargo run -p clearing --example migrations` from clearing/src/store/tables.rs; not to be edited.

CREATE TABLE windows (
    window_number    INTEGER NOT NULL PRIMARY KEY CHECK (window_number >= 1),
    state            TEXT NOT NULL CHECK (state IN ('OPEN', 'CLOSED', 'SETTLING', 'SETTLED')),
    opened_at        INTEGER NOT NULL,
    closed_at        INTEGER,
    -- when its settlement is told and paid, as 20260201; null while it is open, and where no calendar said so
    advice_day       INTEGER,
    payment_day      INTEGER,
    -- entries of a window are one range of the journal, as closing takes the gate alone
    first_sequence   INTEGER NOT NULL,
    -- the first sequence of the next window; null while open
    end_sequence     INTEGER,
    -- by how much the legs of earlier windows moved since it opened (see proofs)
    legs_moved       TEXT NOT NULL,
    settlement_state TEXT CHECK (settlement_state IN ('PROPOSED', 'CONFIRMED', 'EXPORTED', 'PARTLY_PAID', 'SETTLED', 'ABORTED')),
    -- chosen with the first export or payment
    mode             TEXT CHECK (mode IN ('HUB', 'PAIRWISE')),
    -- of the proof of its close (see proofs): the sum of its legs, and the change of what is carried
    legs_total       TEXT,
    carried_change   TEXT,
    -- gross obligations of the window
    gross            INTEGER,
    -- what pairwise orders over its legs add up to
    pairwise         INTEGER,
    CHECK ((state = 'OPEN') = (closed_at IS NULL) AND (closed_at IS NULL) = (end_sequence IS NULL)),
    CHECK ((closed_at IS NULL) = (settlement_state IS NULL)),
    CHECK ((advice_day IS NULL) = (payment_day IS NULL) AND (advice_day IS NULL OR closed_at IS NOT NULL)),
    CHECK ((closed_at IS NULL) = (legs_total IS NULL) AND (closed_at IS NULL) = (carried_change IS NULL))
) STRICT;
-- Just one window is open at any time.
CREATE UNIQUE INDEX windows_one_open ON windows (state) WHERE state = 'OPEN';
-- The settlements that are not done with: what is still to be paid to a partner, or by it, is found by these.
CREATE INDEX windows_in_flight ON windows (window_number) WHERE settlement_state IN ('PROPOSED', 'CONFIRMED', 'EXPORTED', 'PARTLY_PAID');

-- Positions over a window: what is carried out of window n opens window n + 1.
CREATE TABLE participants (
    window_number   INTEGER NOT NULL,
    -- or operator
    partner         TEXT NOT NULL,
    opening         INTEGER NOT NULL,
    -- 0 while the window is open
    carried         INTEGER NOT NULL,
    -- how many closes in a row had carried its leg for being small when the window opened
    carried_windows INTEGER NOT NULL CHECK (carried_windows >= 0),
    PRIMARY KEY (window_number, partner)
) STRICT, WITHOUT ROWID;

-- The accounts in money that are no positions, by class: what they held when a window opened, and how they moved over it,
-- its close aside. What is left out is zero. Whole numbers as text, as sums over all partners may not fit into 64 bits.
-- With legs_total and carried_change the changes of a window come to zero; no close is stored that does not.
CREATE TABLE proofs (
    window_number INTEGER NOT NULL,
    -- an account of the house; collateral, settle: those of all partners
    class         TEXT NOT NULL,
    opening       TEXT NOT NULL,
    -- null while the window is open
    change        TEXT,
    PRIMARY KEY (window_number, class)
) STRICT, WITHOUT ROWID;

-- One participant's amount of a settlement: below zero it pays, above it is paid.
CREATE TABLE legs (
    window_number INTEGER NOT NULL,
    partner       TEXT NOT NULL,
    amount        INTEGER NOT NULL CHECK (amount <> 0),
    -- what of it is not paid yet, with the same sign; pairwise payments bring it to zero in parts
    due           INTEGER NOT NULL,
    PRIMARY KEY (window_number, partner),
    CHECK (abs(due) <= abs(amount))
) STRICT, WITHOUT ROWID;

CREATE TABLE orders (
    window_number INTEGER NOT NULL,
    ordinal       INTEGER NOT NULL CHECK (ordinal >= 0),
    -- a partner, operator, funds or hub
    payer         TEXT NOT NULL,
    payee         TEXT NOT NULL,
    amount        INTEGER NOT NULL CHECK (amount > 0),
    paid          INTEGER NOT NULL CHECK (paid IN (0, 1)),
    PRIMARY KEY (window_number, ordinal),
    CHECK (payer <> payee)
) STRICT, WITHOUT ROWID;
-- A payment names its payer and payee; there is one order between two participants.
CREATE UNIQUE INDEX orders_by_parties ON orders (window_number, payer, payee);

-- Points that wait for their issuer's payment, by window of issue, issuer and terms: paid for at once, however many lots
-- there are. Hot like balances while the window is open.
CREATE TABLE funding (
    window_number INTEGER NOT NULL,
    issuer        TEXT NOT NULL,
    terms_version INTEGER NOT NULL,
    -- moved by sums, which may be below zero on their own
    points        INTEGER NOT NULL,
    -- the window whose settlement pays for them
    settles_in    INTEGER NOT NULL,
    -- null: they wait
    funded_at     INTEGER,
    -- whether no lot is left that was to be released when they were paid for
    released      INTEGER NOT NULL CHECK (released IN (0, 1)),
    PRIMARY KEY (window_number, issuer, terms_version)
) STRICT, WITHOUT ROWID;
-- What still waits, by the window whose commands read it.
CREATE INDEX funding_waiting ON funding (settles_in, issuer) WHERE funded_at IS NULL;
-- What was paid for and is not yet released to the members: the job finds its lots by these.
CREATE INDEX funding_releasing ON funding (funded_at) WHERE funded_at IS NOT NULL AND released = 0;
