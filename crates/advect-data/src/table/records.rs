//! The records of a file of comma-separated values.

use std::io::Cursor;
use std::path::Path;

use advect_core::{Error, Result, file};
use csv::{Position, Reader, ReaderBuilder, StringRecord, Trim};

/// The number of characters of a cell that a message shows.
const SHOWN: usize = 40;

/// A file that is read record by record. Spaces around cells are removed.
pub(crate) struct Records {
    reader: Reader<Cursor<Vec<u8>>>,
    record: StringRecord,
    /// The names of the columns: those of the first line, or their numbers.
    pub(crate) names: Vec<String>,
}

impl Records {
    /// Opens a file, lets `parse` read it, and adds its path to what `parse` finds wrong.
    pub(crate) fn parse<T>(
        path: &Path,
        parse: impl FnOnce(Vec<u8>) -> Result<T, String>,
    ) -> Result<T> {
        parse(file::read(path)?).map_err(|reason| Error::file(path, reason))
    }

    /// Reads the first line, which has the names of the columns if `named`.
    pub(crate) fn new(bytes: Vec<u8>, separator: u8, named: bool) -> Result<Self, String> {
        let mut builder = ReaderBuilder::new();
        let builder = builder.trim(Trim::All).delimiter(separator).flexible(true);
        let mut reader = builder.has_headers(named).from_reader(Cursor::new(bytes));
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

    /// Reads the next record. Returns whether there is one.
    pub(crate) fn read(&mut self) -> Result<bool, String> {
        let more = self.reader.read_record(&mut self.record);
        let more = more.map_err(|e| match e.position() {
            Some(at) => format!("line {} is not a text in UTF-8", self.line(at)),
            None => e.to_string(),
        })?;
        let (given, expected) = (self.record.len(), self.names.len());
        if more && given != expected {
            let line = self.record.position().map_or(0, |at| self.line(at));
            return Err(format!(
                "line {line} has {given} cells; expected {expected}"
            ));
        }
        Ok(more)
    }

    /// Returns a cell of the record.
    pub(crate) fn cell(&self, column: usize) -> &str {
        &self.record[column]
    }

    /// Returns the number in a cell.
    pub(crate) fn number(&self, column: usize) -> Result<f64, String> {
        let number = self.cell(column).parse();
        number.map_err(|_| self.wrong(column, "a number"))
    }

    /// The message about a cell.
    pub(crate) fn wrong(&self, column: usize, expected: &str) -> String {
        let line = self.record.position().map_or(0, |at| self.line(at));
        let cell: String = self.cell(column).chars().take(SHOWN).collect();
        let name = &self.names[column];
        format!("line {line} has {cell:?} in column {name:?}; expected {expected}")
    }

    /// The line of a record, from 1 on. Its place is before the empty lines that are above it.
    fn line(&self, at: &Position) -> usize {
        let bytes = self.reader.get_ref().get_ref();
        let start = (at.byte() as usize).min(bytes.len());
        let empty = bytes[start..]
            .iter()
            .take_while(|byte| matches!(byte, b'\r' | b'\n'));
        let before = &bytes[..start + empty.count()];
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }
}
