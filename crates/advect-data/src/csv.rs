//! Tables of numbers from files of comma-separated values.

use std::io::Read;
use std::path::Path;

use advect_core::{Error, Result, file};
use candle_core::{Device, Tensor};
use csv::{ReaderBuilder, StringRecord, Trim};

/// Reads a table of numbers from a file of comma-separated values into the CPU's memory: the names of the columns, from the first
/// line, and the numbers `(rows, columns)` in f64. Spaces around numbers are ignored, and names may be quoted.
///
/// Missing values are errors. The words `nan` and `inf` are read as these numbers.
///
/// # Errors
/// [`Error::File`] if it can't be read, has no rows, or has a row of another length or a cell that is no number, which it names.
#[doc(alias = "pandas")]
#[doc(alias = "loadtxt")]
pub fn read_csv(path: impl AsRef<Path>) -> Result<(Vec<String>, Tensor)> {
    let path = path.as_ref();
    parse(file::open(path)?).map_err(|e| Error::file(path, e))
}

fn parse(from: impl Read) -> Result<(Vec<String>, Tensor), String> {
    let failed = |e: csv::Error| e.to_string();
    let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(from);
    let names = reader.headers().map_err(failed)?;
    let names: Vec<String> = names.iter().map(str::to_string).collect();
    let (mut record, mut numbers) = (StringRecord::new(), Vec::new());
    while reader.read_record(&mut record).map_err(failed)? {
        for (cell, name) in record.iter().zip(&names) {
            let number = cell.parse::<f64>().map_err(|_| {
                let line = record.position().map_or(0, csv::Position::line);
                let cell: String = cell.chars().take(40).collect();
                format!("line {line} has {cell:?} in column {name:?}; expected a number")
            })?;
            numbers.push(number);
        }
    }
    if numbers.is_empty() {
        return Err("it has no rows of numbers below the names of the columns".into());
    }
    let rows = numbers.len() / names.len();
    let table = Tensor::from_vec(numbers, (rows, names.len()), &Device::Cpu);
    Ok((names, table.map_err(|e| e.to_string())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read() {
        let text = "hours,\"pc, 1\", pc2\n0,1.5,-2e-3\r\n24, 7 ,nan\n";
        let (names, table) = parse(text.as_bytes()).unwrap();
        assert_eq!(names, ["hours", "pc, 1", "pc2"]);
        let rows = table.to_vec2::<f64>().unwrap();
        assert_eq!(rows[0], [0.0, 1.5, -2e-3]);
        assert!(rows[1][..2] == [24.0, 7.0] && rows[1][2].is_nan());
    }

    #[test]
    fn what_is_no_table_is_told() {
        let message = |text: &str| parse(text.as_bytes()).unwrap_err();
        assert!(message("").contains("no rows"));
        assert!(message("a,b\n").contains("no rows"));
        let word = message("a,b\n1,2\n3,many\n");
        assert!(word.contains("line 3") && word.contains("\"many\"") && word.contains("\"b\""));
        assert!(message("a,b\n1,\n").contains("line 2"));
        assert!(message("a,b\n1,2\n3\n").contains('3'));
        assert!(message("a\n\u{1}\n").contains("u{1}"));
        let bytes: &[u8] = b"a\n\xff\n";
        assert!(parse(bytes).is_err());
    }
}
