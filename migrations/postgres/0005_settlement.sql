-- Windows and their settlements. Rows in the number of partners, written under the gate only.
-- Made by `cargo run -p clearing --example migrations` from clearing/src/store/tables.rs; not to be edited.

CREATE TABLE windows (
    window_number    bigint NOT NULL PRIMARY KEY CHECK (window_number >= 1),
    state            text NOT NULL CHECK (state IN ('OPEN', 'CLOSED', 'SETTLING', 'SETTLED')),
    opened_at        bigint NOT NULL,
    closed_at        bigint,
    -- when its settlement is told and paid, as 20260201; null while it is open, and where no calendar said so
    advice_day       bigint,
    payment_day      bigint,
    -- entries of a window are one range of the journal, as closing takes the gate alone
    first_sequence   bigint NOT NULL,
    -- the first sequence of the next window; null while open
    end_sequence     bigint,
    -- by how much the legs of earlier windows moved since it opened (see proofs)
    legs_moved       text NOT NULL,
    settlement_state text CHECK (settlement_state IN ('PROPOSED', 'CONFIRMED', 'EXPORTED', 'PARTLY_PAID', 'SETTLED', 'ABORTED')),
    -- chosen with the first export or payment
    mode             text CHECK (mode IN ('HUB', 'PAIRWISE')),
    -- of the proof of its close (see proofs): the sum of its legs, and the change of what is carried
    legs_total       text,
    carried_change   text,
    -- gross obligations of the window
    gross            bigint,
    -- what pairwise orders over its legs add up to
    pairwise         bigint,
    CHECK ((state = 'OPEN') = (closed_at IS NULL) AND (closed_at IS NULL) = (end_sequence IS NULL)),
    CHECK ((closed_at IS NULL) = (settlement_state IS NULL)),
    CHECK ((advice_day IS NULL) = (payment_day IS NULL) AND (advice_day IS NULL OR closed_at IS NOT NULL)),
    CHECK ((closed_at IS NULL) = (legs_total IS NULL) AND (closed_at IS NULL) = (carried_change IS NULL))
);
-- Just one window is open at any time.
CREATE UNIQUE INDEX windows_one_open ON windows (state) WHERE state = 'OPEN';
-- The settlements that are not done with: what is still to be paid to a partner, or by it, is found by these.
CREATE INDEX windows_in_flight ON windows (window_number) WHERE settlement_state IN ('PROPOSED', 'CONFIRMED', 'EXPORTED', 'PARTLY_PAID');

-- Positions over a window: what is carried out of window n opens window n + 1.
CREATE TABLE participants (
    window_number   bigint NOT NULL,
    -- or operator
    partner         text NOT NULL,
    opening         bigint NOT NULL,
    -- 0 while the window is open
    carried         bigint NOT NULL,
    -- how many closes in a row had carried its leg for being small when the window opened
    carried_windows bigint NOT NULL CHECK (carried_windows >= 0),
    PRIMARY KEY (window_number, partner)
);

-- The accounts in money that are no positions, by class: what they held when a window opened, and how they moved over it,
-- its close aside. What is left out is zero. Whole numbers as text, as sums over all partners may not fit into 64 bits.
-- With legs_total and carried_change the changes of a window come to zero; no close is stored that does not.
CREATE TABLE proofs (
    window_number bigint NOT NULL,
    -- an account of the house; collateral, settle: those of all partners
    class         text NOT NULL,
    opening       text NOT NULL,
    -- null while the window is open
    change        text,
    PRIMARY KEY (window_number, class)
);

-- One participant's amount of a settlement: below zero it pays, above it is paid.
CREATE TABLE legs (
    window_number bigint NOT NULL,
    partner       text NOT NULL,
    amount        bigint NOT NULL CHECK (amount <> 0),
    -- what of it is not paid yet, with the same sign; pairwise payments bring it to zero in parts
    due           bigint NOT NULL,
    PRIMARY KEY (window_number, partner),
    CHECK (abs(due) <= abs(amount))
);

CREATE TABLE orders (
    window_number bigint NOT NULL,
    ordinal       integer NOT NULL CHECK (ordinal >= 0),
    -- a partner, operator, funds or hub
    payer         text NOT NULL,
    payee         text NOT NULL,
    amount        bigint NOT NULL CHECK (amount > 0),
    paid          smallint NOT NULL CHECK (paid IN (0, 1)),
    PRIMARY KEY (window_number, ordinal),
    CHECK (payer <> payee)
);
-- A payment names its payer and payee; there is one order between two participants.
CREATE UNIQUE INDEX orders_by_parties ON orders (window_number, payer, payee);

-- Points that wait for their issuer's payment, by window of issue, issuer and terms: paid for at once, however many lots
-- there are. Hot like balances while the window is open.
CREATE TABLE funding (
    window_number bigint NOT NULL,
    issuer        text NOT NULL,
    terms_version integer NOT NULL,
    -- moved by sums, which may be below zero on their own
    points        bigint NOT NULL,
    -- the window whose settlement pays for them
    settles_in    bigint NOT NULL,
    -- null: they wait
    funded_at     bigint,
    -- whether no lot is left that was to be released when they were paid for
    released      smallint NOT NULL CHECK (released IN (0, 1)),
    PRIMARY KEY (window_number, issuer, terms_version)
) WITH (fillfactor = 20);
-- What still waits, by the window whose commands read it.
CREATE INDEX funding_waiting ON funding (settles_in, issuer) WHERE funded_at IS NULL;
-- What was paid for and is not yet released to the members: the job finds its lots by these.
CREATE INDEX funding_releasing ON funding (funded_at) WHERE funded_at IS NOT NULL AND released = 0;
