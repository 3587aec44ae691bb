//! What of the database an audit says nothing about, and why that does no harm.

/// Columns of a table that do not follow from the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unexplained {
    pub table: &'static str,
    /// Whether these are all columns of the table.
    pub whole: bool,
    pub columns: &'static [&'static str],
    pub reason: &'static str,
}

/// All columns in which an audit would not see a change. A test plants a change in every other column of every table, and
/// each is found.
pub const UNEXPLAINED: &[Unexplained] = &[
    Unexplained {
        table: "leases",
        whole: true,
        columns: &["name", "holder", "expires_at", "filler"],
        reason: "which node works now; whatever stands here, no work is done wrongly",
    },
    Unexplained {
        table: "house_alive",
        whole: true,
        columns: &["id", "alive_at"],
        reason: "when the house last ran, by which a wrong clock is known",
    },
    Unexplained {
        table: "link_changes",
        whole: true,
        columns: &["number", "identifier_hash", "changed_at"],
        reason: "which identifiers a running node reads again; the links themselves are compared",
    },
    Unexplained {
        table: "projection_cursors",
        whole: true,
        columns: &["name", "next_sequence"],
        reason: "how far lists and statements have read the journal; they can be made anew from it",
    },
    Unexplained {
        table: "entry_parties",
        whole: true,
        columns: &["partner", "sequence", "own_sequence", "business_date", "till"],
        reason: "what lists are made of; it can be made anew from the journal",
    },
    Unexplained {
        table: "entry_words",
        whole: true,
        columns: &["run", "word", "place"],
        reason: "by what lists find entries; it can be made anew from the journal",
    },
    Unexplained {
        table: "admin_actions",
        whole: true,
        columns: &["partner", "time", "sequence", "window_number", "kind"],
        reason: "by what the record of administration finds decisions; it can be made anew from the journal",
    },
    Unexplained {
        table: "party_totals",
        whole: true,
        columns: &["partner", "window_number", "section", "kind", "purpose", "entry_count", "amount", "points"],
        reason: "what statements come to, which can be made anew from the journal",
    },
    Unexplained {
        table: "attachments",
        whole: false,
        columns: &["erased_at"],
        reason: "when an attachment was erased; that it was is no decision of the journal",
    },
    Unexplained {
        table: "funding",
        whole: false,
        columns: &["released"],
        reason: "whether the job that releases points still has to look at them; it would look in vain, or a command of the \
                 member finds them",
    },
];
