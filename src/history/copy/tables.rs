//! Which tables are copied from a file to a database, and what of the file each column comes from.
//!
//! Both stores encode what is in a column in the same way (`encoding`, JSON, ULIDs as 16 bytes), so that values are copied as they
//! are. Where the layout differs, the expression beside a column says how. A table or column that is added to both schemas is added
//! here; a test compares this list with the tables of the database.
//!
//! Numbers of rows stay what they were, so that cursors of the file hold in the database.

use super::column::ColumnType;

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub(in crate::history) struct CopiedColumn {
    /// Its name in the database.
    pub(in crate::history) name: &'static str,
    /// What it is in the file: a column, or an expression.
    pub(in crate::history) read: &'static str,
    /// What kind of values it has.
    pub(in crate::history) of: ColumnType,
}

impl CopiedColumn {
    const fn named(name: &'static str, of: ColumnType) -> Self {
        Self { name, read: name, of }
    }

    /// The same from this expression.
    const fn read(self, expression: &'static str) -> Self {
        Self { read: expression, ..self }
    }
}

const fn number(name: &'static str) -> CopiedColumn {
    CopiedColumn::named(name, ColumnType::Number)
}

const fn flag(name: &'static str) -> CopiedColumn {
    CopiedColumn::named(name, ColumnType::Flag)
}

const fn real(name: &'static str) -> CopiedColumn {
    CopiedColumn::named(name, ColumnType::Real)
}

const fn text(name: &'static str) -> CopiedColumn {
    CopiedColumn::named(name, ColumnType::Text)
}

const fn bytes(name: &'static str) -> CopiedColumn {
    CopiedColumn::named(name, ColumnType::Bytes)
}

/// A table.
#[derive(Debug)]
pub(in crate::history) struct CopiedTable {
    /// Its name in the database.
    pub(in crate::history) name: &'static str,
    /// Its columns.
    pub(in crate::history) columns: &'static [CopiedColumn],
    /// Where the rows are in the file: what comes after `FROM`. Rows of canaries that are not there, which no question finds, are not
    /// among them.
    pub(in crate::history) from: &'static str,
    /// The order in which they are read, that of an index.
    pub(in crate::history) order: &'static str,
}

/// Rows of canaries that are there.
macro_rules! of_known_canaries {
    ($table:literal) => {
        concat!($table, " WHERE canary IN (SELECT id FROM canaries)")
    };
}

/// What is kept, in an order in which each row comes after those that it refers to.
pub(in crate::history) const TABLES: [CopiedTable; 20] = [
    CopiedTable { name: "probes", columns: &[number("id"), text("name")], from: "probes", order: "id" },
    CopiedTable {
        name: "canaries",
        columns: &[number("id"), text("name"), number("probe"), text("region")],
        from: "canaries",
        order: "id",
    },
    CopiedTable { name: "shapes", columns: &[number("id"), text("names")], from: "shapes", order: "id" },
    CopiedTable {
        name: "last_ticks",
        columns: &[number("canary"), number("slot"), number("due_ms")],
        from: of_known_canaries!("last_ticks"),
        order: "canary, slot",
    },
    CopiedTable { name: "states", columns: &[text("kind"), text("key"), text("json")], from: "states", order: "kind, key" },
    CopiedTable {
        name: "incidents",
        columns: &[
            text("id"),
            text("scope"),
            text("probe"),
            text("severity"),
            number("opened_ms"),
            number("resolved_ms"),
            text("json"),
        ],
        from: "incidents",
        order: "id",
    },
    CopiedTable {
        name: "timeline",
        columns: &[number("id"), text("incident"), number("at_ms"), text("what"), text("text")],
        from: "timeline",
        order: "id",
    },
    CopiedTable {
        name: "tries",
        columns: &[
            text("id"),
            text("channel"),
            text("what"),
            text("key"),
            number("made_ms"),
            text("json"),
            text("state"),
            number("attempts"),
            number("tried_ms"),
            text("error"),
            number("ended_ms"),
        ],
        from: "tries",
        order: "id",
    },
    CopiedTable {
        name: "try_incidents",
        columns: &[text("incident"), text("try")],
        from: "try_incidents",
        order: "incident, try",
    },
    CopiedTable {
        name: "ledger",
        columns: &[
            text("id"),
            text("entry"),
            text("names"),
            number("attempts"),
            // The file counts them in the entry itself.
            number("passes").read("0"),
            flag("given_up"),
            text("message"),
        ],
        from: "ledger",
        order: "id",
    },
    CopiedTable {
        name: "runs",
        columns: &[
            number("id"),
            number("class").read("verdict <> 0"),
            number("canary"),
            number("probe"),
            number("due_ms"),
            number("slot"),
            bytes("run_id"),
            bytes("trace"),
            number("late_ms"),
            number("duration_us"),
            number("verdict"),
            text("reason"),
            flag("counted"),
            flag("degraded"),
            number("shape"),
            bytes("times"),
            // With what became of the cleanup in it, which is read there as well.
            text("details").read("json"),
            text("cleanup").read("NULL"),
        ],
        from: "runs LEFT JOIN run_details ON run_details.run = runs.id",
        order: "id",
    },
    CopiedTable { name: "rollups", columns: ROLLUPS, from: of_known_canaries!("rollups"), order: "canary, hour" },
    CopiedTable { name: "days", columns: DAYS, from: of_known_canaries!("days"), order: "canary, day" },
    CopiedTable {
        name: "artifacts",
        columns: &[bytes("run_id").read("run"), text("name"), text("media_type"), number("size"), bytes("bytes")],
        from: "artifacts",
        order: "run, name",
    },
    CopiedTable {
        name: "observation_series",
        columns: &[number("id"), number("canary"), text("name"), text("subject"), number("keep_ms")],
        from: of_known_canaries!("observation_series"),
        order: "id",
    },
    CopiedTable {
        name: "observations",
        columns: &[number("series"), number("at_ms"), real("value"), real("weight")],
        from: "observations WHERE series IN (SELECT id FROM observation_series WHERE canary IN (SELECT id FROM canaries))",
        order: "series, at_ms",
    },
    CopiedTable { name: "changes", columns: &[number("id"), text("kind"), text("key")], from: "changes", order: "id" },
    CopiedTable {
        name: "passes",
        columns: &[bytes("run_id"), number("canary"), number("probe").read("canaries.probe"), number("due_ms"), text("json")],
        from: "passes JOIN canaries ON canaries.id = passes.canary",
        order: "passes.id",
    },
    CopiedTable {
        name: "comparisons",
        columns: &[
            // The file has numbers of rows here, and the database ids of runs.
            bytes("run_id").read("runs.run_id"),
            number("due_ms").read("runs.due_ms"),
            bytes("before").read("own.run_id"),
            bytes("beside").read("other.run_id"),
        ],
        from: "comparisons JOIN runs ON runs.id = comparisons.run
            LEFT JOIN passes AS own ON own.id = before LEFT JOIN passes AS other ON other.id = beside",
        order: "comparisons.run",
    },
    CopiedTable {
        name: "events",
        columns: &[
            text("id"),
            number("at_ms"),
            text("kind"),
            text("probe"),
            text("incident"),
            text("author"),
            text("what"),
            text("text"),
        ],
        from: "events",
        order: "id",
    },
];

/// Where followers, rollups and the clock of retention are: rows that the database has from the beginning, and which those of the
/// file replace. `file` is among them, so that whoever follows the file goes on in the database.
pub(in crate::history) const POSITIONS: [CopiedTable; 2] = [
    CopiedTable { name: "marks", columns: &[text("name"), number("value")], from: "marks", order: "name" },
    CopiedTable {
        name: "numbers",
        columns: &[
            text("name"),
            number("last").read("coalesce((SELECT seq FROM sqlite_sequence WHERE sqlite_sequence.name = given.name), 0)"),
        ],
        from: "(SELECT 'runs' AS name UNION ALL SELECT 'changes') AS given",
        order: "name",
    },
];

/// What an hour's or a day's counts are, and what is beside them; an earlier format of the file left some of it out.
macro_rules! counted {
    ($($first:expr),+; $($last:expr),*) => {
        &[
            $($first),+,
            number("passed"),
            number("failed"),
            number("errored"),
            number("missed"),
            number("blocked"),
            number("skipped"),
            number("degraded"),
            bytes("durations"),
            bytes("steps").read("coalesce(steps, x'')"),
            text("reasons").read("coalesce(reasons, '{}')"),
            $($last),*
        ]
    };
}

const ROLLUPS: &[CopiedColumn] = counted!(number("canary"), number("hour"); bytes("ticks").read("coalesce(ticks, x'')"));

const DAYS: &[CopiedColumn] = counted!(number("canary"), number("day"););
