//! Tables from files of comma-separated values.

use std::path::PathBuf;

use advect_core::Result;
use candle_core::{Device, Tensor};

use super::classes::classes;
use super::records::Records;
use super::{Column, Table};

/// The treatment of missing values: empty cells, and NA, N/A, NaN, null, none and ?, in small letters or capitals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missing {
    /// A missing value is an error that names its line and column.
    #[default]
    Refuse,
    /// Rows with missing values are left out.
    DropRow,
    /// A missing number becomes the mean of its column, over all rows that have one, those for validation included. A missing label is an error.
    FillMean,
}

/// A reader of tables in files of comma-separated values, with a choice of columns, of the label, and of the treatment
/// of missing values.
///
/// The first line has the names of the columns. Spaces around cells are ignored, and cells may be quoted. Columns are
/// numbers, but for the label, whose words or integers are classes.
///
/// ```
/// use advect_data::{Csv, Missing};
/// # fn main() -> advect_core::Result<()> {
/// let path = std::env::temp_dir().join(format!("advect-csv-{}.csv", std::process::id()));
/// std::fs::write(&path, "name,kind,mass,size\nA,round,1,2\nB,flat,NA,3\nC,flat,5,6\n").unwrap();
/// let table = Csv::new(&path).without(["name"]).label("kind").missing(Missing::DropRow).read()?;
/// assert_eq!(table.columns(), ["mass", "size"]);
/// assert_eq!(table.values().to_vec2::<f64>()?, [[1.0, 2.0], [5.0, 6.0]]);
/// assert_eq!(table.classes(), ["flat", "round"]);
/// assert_eq!(table.labels()?.to_vec1::<u32>()?, [1, 0]);
/// assert_eq!(table.left_out(), 1);
/// # std::fs::remove_file(path).unwrap();
/// # Ok(())
/// # }
/// ```
#[doc(alias = "read_csv")]
#[doc(alias = "pandas")]
#[derive(Debug, Clone)]
#[must_use]
pub struct Csv {
    path: PathBuf,
    separator: u8,
    named: bool,
    columns: Option<Vec<Column>>,
    without: Vec<Column>,
    label: Option<Column>,
    missing: Missing,
}

impl Csv {
    /// Creates a reader of all columns, separated by commas, without a label.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Csv {
            path: path.into(),
            separator: b',',
            named: true,
            columns: None,
            without: Vec::new(),
            label: None,
            missing: Missing::Refuse,
        }
    }

    /// Sets the byte between cells: `b';'`, `b'\t'`.
    #[doc(alias = "sep")]
    #[doc(alias = "delimiter")]
    pub fn separator(mut self, separator: u8) -> Self {
        self.separator = separator;
        self
    }

    /// Treats the first line as a row, not as names of columns. The names of the columns are their numbers, from 0 on.
    pub fn headerless(mut self) -> Self {
        self.named = false;
        self
    }

    /// Reads these columns, in this order, and no others, besides the label.
    #[doc(alias = "usecols")]
    pub fn columns<C: Into<Column>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.columns = Some(columns.into_iter().map(C::into).collect());
        self
    }

    /// Leaves out these columns. Called again, it leaves out more.
    #[doc(alias = "drop")]
    pub fn without<C: Into<Column>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.without.extend(columns.into_iter().map(C::into));
        self
    }

    /// Reads a column as the class of each row. It is none of the columns of numbers then. Classes are numbered by the order of their
    /// words, or of their integers.
    #[doc(alias = "target")]
    pub fn label(mut self, column: impl Into<Column>) -> Self {
        self.label = Some(column.into());
        self
    }

    /// Sets the treatment of missing values; an error by default.
    #[doc(alias = "NaN")]
    #[doc(alias = "dropna")]
    #[doc(alias = "fillna")]
    pub fn missing(mut self, missing: Missing) -> Self {
        self.missing = missing;
        self
    }

    /// Reads the table into the CPU's memory, in f64.
    ///
    /// # Errors
    /// [`Error::File`](advect_core::Error::File) if it can't be read, has no rows, has no column that is asked for, or has a row of another length; for a cell
    /// that is missing, is no number, or is infinite, with its line and column; for labels that are numbers but no integers.
    pub fn read(&self) -> Result<Table> {
        Records::parse(&self.path, |bytes| self.parse(bytes))
    }

    fn parse(&self, bytes: Vec<u8>) -> Result<Table, String> {
        let mut records = Records::new(bytes, self.separator, self.named)?;
        let names = records.names.clone();
        let label = self.label.as_ref().map(|label| label.find(&names));
        let label = label.transpose()?;
        let columns = self.chosen(&names, label)?;
        let (mut numbers, mut labels, mut left_out) = (Vec::new(), Vec::new(), 0);
        'rows: while records.read()? {
            for &column in columns.iter().chain(&label) {
                if !is_missing(records.cell(column)) {
                    continue;
                }
                let is_label = Some(column) == label;
                match self.missing {
                    Missing::DropRow => {
                        left_out += 1;
                        continue 'rows;
                    }
                    Missing::FillMean if !is_label => {}
                    _ if is_label => return Err(records.wrong(column, "a label: see Missing")),
                    _ => return Err(records.wrong(column, "a number: see Missing")),
                }
            }
            for &column in &columns {
                let number = match is_missing(records.cell(column)) {
                    true => f64::NAN,
                    false => records.number(column)?,
                };
                if number.is_infinite() {
                    return Err(records.wrong(column, "a finite number"));
                }
                numbers.push(number);
            }
            if let Some(label) = label {
                labels.push(records.cell(label).to_string());
            }
        }
        let rows = numbers.len() / columns.len();
        if rows == 0 {
            return Err(match left_out {
                0 => "it has no rows".into(),
                _ => format!("each of its {left_out} rows has a missing value"),
            });
        }
        fill(&mut numbers, &columns, &names)?;
        let columns: Vec<String> = columns.iter().map(|&i| names[i].clone()).collect();
        let values = Tensor::from_vec(numbers, (rows, columns.len()), &Device::Cpu);
        let table = Table::new(&values.map_err(|e| e.to_string())?, &columns);
        let mut table = table.map_err(|e| e.to_string())?;
        if let Some(label) = label {
            let (labels, classes) = classes(&labels, &names[label])?;
            let labels = Tensor::from_vec(labels, rows, &Device::Cpu);
            let labels = labels.map_err(|e| e.to_string())?;
            let labelled = table.with_labels(&labels, &names[label], &classes);
            table = labelled.map_err(|e| e.to_string())?;
        }
        table.left_out = left_out;
        Ok(table)
    }

    /// The numbers of the columns to read, without the label.
    fn chosen(&self, names: &[String], label: Option<usize>) -> Result<Vec<usize>, String> {
        let without = self.without.iter().map(|column| column.find(names));
        let without: Vec<usize> = without.collect::<Result<_, _>>()?;
        let all: Vec<usize> = match &self.columns {
            Some(columns) => {
                let found = columns.iter().map(|column| column.find(names));
                found.collect::<Result<_, _>>()?
            }
            None => (0..names.len()).collect(),
        };
        let kept = |column: &usize| Some(*column) != label && !without.contains(column);
        let chosen: Vec<usize> = all.into_iter().filter(kept).collect();
        match chosen.is_empty() {
            true => Err("it has no columns of numbers, or none that is asked for".into()),
            false => Ok(chosen),
        }
    }
}

/// Whether a cell says that its value is missing.
fn is_missing(cell: &str) -> bool {
    cell.is_empty()
        || ["na", "n/a", "nan", "null", "none", "?"]
            .iter()
            .any(|word| cell.eq_ignore_ascii_case(word))
}

/// Replaces the missing numbers of each column by the mean of the others.
fn fill(numbers: &mut [f64], columns: &[usize], names: &[String]) -> Result<(), String> {
    for (i, &column) in columns.iter().enumerate() {
        let mut missing = false;
        let (mut mean, mut count) = (0.0, 0.0);
        for number in numbers.iter().skip(i).step_by(columns.len()) {
            match number.is_nan() {
                true => missing = true,
                // A running mean, which no sum overflows.
                false => {
                    count += 1.0;
                    mean += number / count - mean / count;
                }
            }
        }
        if missing && count == 0.0 {
            return Err(format!(
                "column {:?} has no number in any row",
                names[column]
            ));
        }
        for number in numbers.iter_mut().skip(i).step_by(columns.len()) {
            if number.is_nan() {
                *number = mean;
            }
        }
    }
    Ok(())
}
