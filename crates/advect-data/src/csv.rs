//! Reading and writing of arrays of numbers as comma-separated values.

use std::fmt::Write;
use std::path::Path;

use advect_core::{Error, Result, check, file};
use candle_core::{DType, Device, Tensor};

use crate::table::records::Records;

/// Reads a table of numbers from a file of comma-separated values into the CPU's memory: the names of the columns, from the first
/// line, and the numbers `(rows, columns)` in f64. Spaces around numbers are ignored, and names may be quoted.
///
/// Missing values are errors. The words `nan` and `inf` are read as these numbers. [`Csv`](crate::Csv) reads tables with labels, with
/// missing values, or with columns of words.
///
/// # Errors
/// [`Error::File`] if it can't be read, has no rows, or has a row of another length or a cell that is no number, which it names.
#[doc(alias = "pandas")]
#[doc(alias = "loadtxt")]
pub fn read_csv(path: impl AsRef<Path>) -> Result<(Vec<String>, Tensor)> {
    Records::parse(path.as_ref(), parse)
}

fn parse(bytes: Vec<u8>) -> Result<(Vec<String>, Tensor), String> {
    let mut records = Records::new(bytes, b',', true)?;
    let names = records.names.clone();
    let mut numbers = Vec::new();
    while records.read()? {
        for column in 0..names.len() {
            numbers.push(records.number(column)?);
        }
    }
    if numbers.is_empty() {
        return Err("it has no rows of numbers below the names of the columns".into());
    }
    let rows = numbers.len() / names.len();
    let table = Tensor::from_vec(numbers, (rows, names.len()), &Device::Cpu);
    Ok((names, table.map_err(|e| e.to_string())?))
}

/// Writes numbers `(rows, columns)` of any float dtype, atomically, under the names of the columns, so that [`read_csv`] reads the same ones.
///
/// ```
/// use advect_data::{read_csv, write_csv};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let path = std::env::temp_dir().join(format!("advect-write-{}.csv", std::process::id()));
/// write_csv(&path, &["mass, kg", "size"], &Tensor::new(&[[0.1, 1e300]], &Device::Cpu)?)?;
/// let (names, numbers) = read_csv(&path)?;
/// assert_eq!(names, ["mass, kg", "size"]);
/// assert_eq!(numbers.to_vec2::<f64>()?, [[0.1, 1e300]]);
/// # std::fs::remove_file(path).unwrap();
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`] unless there is a name for each column; [`Error::DType`] for integers; [`Error::File`] if it can't be written.
#[doc(alias = "to_csv")]
#[doc(alias = "savetxt")]
pub fn write_csv<N: AsRef<str>>(
    path: impl AsRef<Path>,
    names: &[N],
    values: &Tensor,
) -> Result<()> {
    write_records(path.as_ref(), names, values, None)
}

/// Writes numbers, and a word for each row in a last column.
pub(crate) fn write_records<N: AsRef<str>>(
    path: &Path,
    names: &[N],
    values: &Tensor,
    words: Option<(&str, &[String])>,
) -> Result<()> {
    check::float("values", values)?;
    if values.rank() != 2 || values.dims()[1] != names.len() || names.is_empty() {
        let accepted = format!("(rows, {}), a column for each name", names.len().max(1));
        return Err(Error::shape("values", values.dims(), accepted));
    }
    let rows = values.to_dtype(DType::F64)?.to_vec2::<f64>()?;
    let mut text = String::new();
    let quoted: Vec<String> = names.iter().map(|name| quoted(name.as_ref())).collect();
    text += &quoted.join(",");
    if let Some((name, _)) = words {
        text += ",";
        text += &self::quoted(name);
    }
    for (i, row) in rows.iter().enumerate() {
        for (j, number) in row.iter().enumerate() {
            let before = if j == 0 { '\n' } else { ',' };
            // The shortest digits that are read as the same number, f32's own where it is one.
            let _ = match values.dtype() {
                DType::F32 => write!(text, "{before}{:?}", *number as f32),
                _ => write!(text, "{before}{number:?}"),
            };
        }
        if let Some((_, words)) = words {
            text += ",";
            text += &self::quoted(&words[i]);
        }
    }
    text += "\n";
    file::write_atomically(path, |f| f.write_all(text.as_bytes()))
}

/// A cell, quoted where it has to be.
fn quoted(cell: &str) -> String {
    let plain = !cell.contains([',', '"', '\n', '\r']) && cell.trim() == cell && !cell.is_empty();
    match plain {
        true => cell.to_string(),
        false => format!("\"{}\"", cell.replace('"', "\"\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read() {
        let text = "hours,\"pc, 1\", pc2\n0,1.5,-2e-3\r\n24, 7 ,nan\n";
        let (names, table) = parse(text.into()).unwrap();
        assert_eq!(names, ["hours", "pc, 1", "pc2"]);
        let rows = table.to_vec2::<f64>().unwrap();
        assert_eq!(rows[0], [0.0, 1.5, -2e-3]);
        assert!(rows[1][..2] == [24.0, 7.0] && rows[1][2].is_nan());
    }

    #[test]
    fn what_is_no_table_is_told() {
        let message = |text: &str| parse(text.into()).unwrap_err();
        assert!(message("").contains("no rows"));
        assert!(message("a,b\n").contains("no rows"));
        let word = message("a,b\n1,2\n3,many\n");
        assert!(word.contains("line 3") && word.contains("\"many\"") && word.contains("\"b\""));
        assert!(message("a,b\n1,\n").contains("line 2"));
        assert!(message("a,b\n1,2\n\n3\n").contains("line 4 has 1 cells; expected 2"));
        assert!(message("a\n\u{1}\n").contains("u{1}"));
        let bytes = parse(b"a\n1\n\n\xff\n".to_vec()).unwrap_err();
        assert!(bytes.contains("line 4"), "{bytes}");
    }
}
