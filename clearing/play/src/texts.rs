//! Texts that no border takes.

/// What is no number, wherever it is written. Each was taken by some parser once.
pub const NO_NUMBERS: [&str; 22] = [
    "+12.50",
    "1_000.00",
    "1_000",
    ".5",
    "5.",
    "1e3",
    "1E3",
    "01",
    "00.5",
    "-0",
    "-0.00",
    "0x10",
    "1,5",
    "1 000",
    " 1",
    "1 ",
    "\u{ff11}",
    "\u{661}",
    "NaN",
    "inf",
    "--1",
    "12345678901234567890",
];

/// What is no time, likewise.
pub const NO_TIMES: [&str; 8] = [
    "2026-03-01",
    "2026-03-01T00:00Z",
    "2026-03-01 00:00:00Z",
    "2026-03-01t00:00:00z",
    "20260301T000000Z",
    "2026-03-01T00:00:00",
    "2026-03-01T00:00:00+03:00[Europe/Moscow]",
    "2026-02-30T00:00:00Z",
];
