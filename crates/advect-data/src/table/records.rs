//! The records of a file of comma-separated values.

use std::io::Read;

use csv::{Position, Reader, ReaderBuilder, StringRecord, Trim};

/// The number of characters of a cell that a message shows.
const SHOWN: usize = 40;

/// A file that is read record by record. Spaces around cells are removed.
pub(crate) struct Records<R> {
    reader: Reader<R>,
    record: StringRecord,
    /// The names of the columns: those of the first line, or their numbers.
    pub(crate) names: Vec<String>,
}

impl<R: Read> Records<R> {
    /// Reads the first line, which has the names of the columns if `named`.
    pub(crate) fn open(from: R, separator: u8, named: bool) -> Result<Self, String> {
        let mut builder = ReaderBuilder::new();
        let builder = builder.trim(Trim::All).delimiter(separator);
        let mut reader = builder.has_headers(named).from_reader(from);
        let first = reader.headers().map_err(|e| e.to_string())?;
        let names = match named {
            true => first.iter().map(str::to_string).collect(),
            false => (0..first.len()).map(|i| i.to_string()).collect(),
        };
        Ok(Records {
            reader,
            record: StringRecord::new(),
            names,
        })
    }

    /// Returns the next record and its line.
    pub(crate) fn next(&mut self) -> Result<Option<(&StringRecord, u64)>, String> {
        let more = self.reader.read_record(&mut self.record);
        let line = self.record.position().map_or(0, Position::line);
        Ok((more.map_err(|e| e.to_string())?).then_some((&self.record, line)))
    }
}

/// The number in a cell.
pub(crate) fn number(cell: &str, line: u64, name: &str) -> Result<f64, String> {
    (cell.parse()).map_err(|_| wrong(cell, line, name, "a number"))
}

/// The message about a cell.
pub(crate) fn wrong(cell: &str, line: u64, name: &str, expected: &str) -> String {
    let cell: String = cell.chars().take(SHOWN).collect();
    format!("line {line} has {cell:?} in column {name:?}; expected {expected}")
}
