//! Columns of rows on their way from one store to another.
//!
//! Owns which kinds of values there are. Which columns a table has, `tables` says; how a store reads or writes them, the store.

/// What kind of values a column has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::history) enum ColumnType {
    /// Whole numbers.
    Number,
    /// Yes or no.
    Flag,
    /// Numbers with a fraction.
    Real,
    /// Texts, which may have zero bytes.
    Text,
    /// Bytes.
    Bytes,
}

/// The values of a column, one for each row.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::history) enum ColumnValues {
    /// Whole numbers.
    Number(Vec<Option<i64>>),
    /// Yes or no.
    Flag(Vec<Option<bool>>),
    /// Numbers with a fraction.
    Real(Vec<Option<f64>>),
    /// Texts, which may have zero bytes.
    Text(Vec<Option<String>>),
    /// Bytes.
    Bytes(Vec<Option<Vec<u8>>>),
}

impl ColumnValues {
    /// A column of this kind without rows.
    pub(in crate::history) fn none(of: ColumnType) -> Self {
        match of {
            ColumnType::Number => Self::Number(Vec::new()),
            ColumnType::Flag => Self::Flag(Vec::new()),
            ColumnType::Real => Self::Real(Vec::new()),
            ColumnType::Text => Self::Text(Vec::new()),
            ColumnType::Bytes => Self::Bytes(Vec::new()),
        }
    }
}

/// Some rows of a table: its columns in the order of the table's, all of one length.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::history) struct CopyBatch {
    /// The columns.
    pub(in crate::history) columns: Vec<ColumnValues>,
    /// How many rows.
    pub(in crate::history) rows: usize,
}
