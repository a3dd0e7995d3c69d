//! Tables: rows of numbers under named columns, with a class for each row where there are any.

mod chunks;
mod classes;
mod column;
mod csv;
pub(crate) mod records;
mod standardized;

use std::path::Path;

use advect_core::{Error, Generator, Key, Result, check};
use candle_core::{DType, Device, Tensor};

use crate::csv::write_records;
use crate::{read_npy, split};

use classes::classes;
pub use column::Column;
pub use csv::{Csv, Missing};

/// Rows of numbers under named columns, in f64 at first, with a class for each row if there is a label.
///
/// [`Csv`] reads one from a file of comma-separated values, [`Table::read_npy`] from one of NumPy. Its parts for training and
/// validation come of [`Table::split`], and numbers of mean 0 and deviation 1 of [`Table::standardized`]:
///
/// ```
/// use advect_core::Key;
/// use advect_data::Table;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let rows: Vec<f64> = (0..20).map(f64::from).collect();
/// let table = Table::new(&Tensor::from_vec(rows, (10, 2), &Device::Cpu)?, &["x", "y"])?;
/// let (train, validation) = table.split(0.2, Key::from_seed(0))?;
/// assert_eq!((train.len(), validation.len()), (8, 2));
/// // What is known of the data is known from the training part.
/// let map = train.standardization()?;
/// let train = train.standardized(&map)?.to(DType::F32, &Device::Cpu)?;
/// assert!(train.values().mean(0)?.abs()?.max_all()?.to_scalar::<f32>()? < 1e-6);
/// let rows: usize = validation.chunks(64)?.map(|rows| rows.len()).sum();
/// assert_eq!(rows, 2);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "DataFrame")]
#[doc(alias = "TensorDataset")]
#[derive(Debug, Clone)]
pub struct Table {
    values: Tensor,
    columns: Vec<String>,
    label: Option<Label>,
    left_out: usize,
}

/// A column of classes.
#[derive(Debug, Clone)]
struct Label {
    name: String,
    /// The number of each row's class: u32, `(rows,)`.
    numbers: Tensor,
    classes: Vec<String>,
}

impl Table {
    /// Creates a table of numbers `(rows, columns)`, of any float dtype, without a label.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is a name for each column; [`Error::Empty`] without rows; [`Error::DType`] for integers;
    /// [`Error::NonFinite`] for NaN and infinities.
    pub fn new<N: AsRef<str>>(values: &Tensor, columns: &[N]) -> Result<Self> {
        check::batch("values", values)?;
        check::float("values", values)?;
        if values.rank() != 2 || values.dims()[1] != columns.len() || columns.is_empty() {
            let accepted = format!("(rows, {}), one name for each column", columns.len().max(1));
            return Err(Error::shape("values", values.dims(), accepted));
        }
        check::finite("values", values)?;
        Ok(Table {
            values: values.clone(),
            columns: columns.iter().map(|name| name.as_ref().into()).collect(),
            label: None,
            left_out: 0,
        })
    }

    /// Reads an array `(rows, columns)` of numbers of any type from a `.npy` file, in f64. Its columns are called by their numbers, from 0 on.
    ///
    /// # Errors
    /// As [`read_npy`]; [`Error::File`] for an array of another rank, without rows, or with NaN or infinities.
    pub fn read_npy(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let wrong = |e: Error| Error::file(path, e);
        let values = read_npy(path)?.to_dtype(DType::F64)?;
        if values.rank() != 2 {
            let shape = values.dims();
            let reason = format!("its shape is {shape:?}; expected (rows, columns)");
            return Err(Error::file(path, reason));
        }
        let names = 0..values.dims()[1];
        let names: Vec<String> = names.map(|i| i.to_string()).collect();
        Table::new(&values, &names).map_err(wrong)
    }

    /// Adds the class of each row: integers, `(rows,)`, indices into `classes`, under the name of the label.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is a label for each row; [`Error::DType`] unless they are u8, u32 or i64; [`Error::Range`] for labels
    /// that are no class.
    pub fn with_labels<N: AsRef<str>>(
        self,
        labels: &Tensor,
        name: &str,
        classes: &[N],
    ) -> Result<Self> {
        check::labels("labels", labels, self.len(), classes.len())?;
        let label = Some(Label {
            name: name.to_string(),
            numbers: labels.to_dtype(DType::U32)?,
            classes: classes.iter().map(|class| class.as_ref().into()).collect(),
        });
        Ok(Table { label, ..self })
    }

    /// Uses a column of integers as the label. Classes are numbered in the order of the integers, and called by them.
    ///
    /// # Errors
    /// [`Error::Range`] if there is no such column, it is the only one, or it has numbers that are no integers.
    pub fn labelled_by(self, column: impl Into<Column>) -> Result<Self> {
        let column = column.into();
        let wrong = |reason| Error::range("column", &column, reason);
        let place = column.find(&self.columns).map_err(wrong)?;
        let cells = self.values.narrow(1, place, 1)?.flatten_all()?;
        let cells = cells.to_dtype(DType::F64)?.to_vec1::<f64>()?;
        let cells: Vec<String> = cells.iter().map(f64::to_string).collect();
        let name = self.columns[place].clone();
        let (labels, classes) = classes(&cells, &name).map_err(wrong)?;
        let kept = (0..self.columns.len()).filter(|&i| i != place);
        let table = self.select(kept)?;
        let labels = Tensor::new(labels, table.values.device())?;
        table.with_labels(&labels, &name, &classes)
    }

    /// Adds a column of numbers, `(rows,)`, after the others: log-densities of the rows, say.
    ///
    /// ```
    /// use advect_data::Table;
    /// use candle_core::{Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// let table = Table::new(&Tensor::new(&[[1f64], [2.0]], &Device::Cpu)?, &["mass"])?;
    /// let table = table.with_column("nats", &Tensor::new(&[-3f64, -4.0], &Device::Cpu)?)?;
    /// assert_eq!(table.columns(), ["mass", "nats"]);
    /// assert_eq!(table.values().to_vec2::<f64>()?, [[1.0, -3.0], [2.0, -4.0]]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is a number for each row; [`Error::DType`] and [`Error::Device`] unless they are like those of
    /// the table; [`Error::NonFinite`] for NaN and infinities.
    pub fn with_column(self, name: &str, values: &Tensor) -> Result<Self> {
        check::float("values", values)?;
        check::same_kind("values", values, "the table", &self.values)?;
        if values.dims() != [self.len()] {
            let accepted = format!("({},), a number for each row", self.len());
            return Err(Error::shape("values", values.dims(), accepted));
        }
        check::finite("values", values)?;
        let mut columns = self.columns;
        columns.push(name.to_string());
        Ok(Table {
            values: Tensor::cat(&[&self.values, &values.unsqueeze(1)?], 1)?,
            columns,
            ..self
        })
    }

    /// Returns noise for samples like the rows of this table: independent numbers of N(0, 1), `(count, columns)`, of its dtype and device.
    ///
    /// ```
    /// use advect_core::{Generator, Key};
    /// use advect_data::Table;
    /// use candle_core::{DType, Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// let table = Table::new(&Tensor::zeros((1, 3), DType::F32, &Device::Cpu)?, &["a", "b", "c"])?;
    /// let noise = table.noise(2, Key::from_seed(0))?;
    /// let expected = Generator::from_seed(0).normal((2, 3), DType::F32, &Device::Cpu)?;
    /// assert_eq!(noise.to_vec2::<f32>()?, expected.to_vec2::<f32>()?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Generator::normal`].
    pub fn noise(&self, count: usize, key: Key) -> Result<Tensor> {
        let shape = (count, self.dim());
        Generator::from(key).normal(shape, self.values.dtype(), self.values.device())
    }

    /// Returns the table with these columns, in this order, and its label.
    ///
    /// # Errors
    /// [`Error::Range`] for a column that is not there, and for none.
    pub fn select<C: Into<Column>>(self, columns: impl IntoIterator<Item = C>) -> Result<Self> {
        let find = |column: C| {
            let column = column.into();
            let place = column.find(&self.columns);
            place.map_err(|reason| Error::range("columns", column, reason))
        };
        let places: Vec<usize> = columns.into_iter().map(find).collect::<Result<_>>()?;
        if places.is_empty() {
            return Err(Error::range("columns", "none", "one column or more"));
        }
        let indices: Vec<u32> = places.iter().map(|&place| place as u32).collect();
        let indices = Tensor::new(indices, self.values.device())?;
        Ok(Table {
            values: self.values.index_select(&indices, 1)?,
            columns: places.iter().map(|&i| self.columns[i].clone()).collect(),
            ..self
        })
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.values.dims()[0]
    }

    /// Returns whether there are no rows: always `false`.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of columns, without the label: the dimension for the configuration of a network.
    pub fn dim(&self) -> usize {
        self.columns.len()
    }

    /// Returns the numbers, `(rows, columns)`.
    pub fn values(&self) -> &Tensor {
        &self.values
    }

    /// Returns the names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Returns the class of each row: u32, `(rows,)`.
    ///
    /// # Errors
    /// [`Error::Range`] if the table has no label.
    pub fn labels(&self) -> Result<&Tensor> {
        Ok(&self.label()?.numbers)
    }

    fn label(&self) -> Result<&Label> {
        let accepted = "a table with a label: see Csv::label and Table::labelled_by";
        let label = self.label.as_ref();
        label.ok_or_else(|| Error::range("labels", "none", accepted))
    }

    /// Returns the names of the classes, in the order of their numbers; none without a label.
    pub fn classes(&self) -> &[String] {
        self.label.as_ref().map_or(&[], |label| &label.classes)
    }

    /// Returns the number of rows that [`Missing::DropRow`] left out of the file.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// Splits off a fraction of the rows for validation, as [`split`](crate::split()) does: returns `(training, validation)`, each with its rows in
    /// their order. The same key and number of rows give the same parts.
    ///
    /// # Errors
    /// As [`split`](crate::split()).
    #[doc(alias = "train_test_split")]
    pub fn split(&self, fraction: f64, key: Key) -> Result<(Self, Self)> {
        let (training, validation) = split(self.len(), fraction, key)?;
        Ok((self.rows(&training)?, self.rows(&validation)?))
    }

    /// The rows of these numbers.
    fn rows(&self, rows: &Tensor) -> Result<Self> {
        let rows = rows.to_device(self.values.device())?;
        self.map(|x| Ok(x.index_select(&rows, 0)?))
    }

    /// The same change of the rows of numbers and of labels.
    fn map(&self, change: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Self> {
        let mut table = self.clone();
        table.values = change(&self.values)?;
        if let Some(label) = &mut table.label {
            label.numbers = change(&label.numbers)?;
        }
        Ok(table)
    }

    /// Returns labels for samples, the classes in turn: 0, 1, …, and 0 again; u32, `(count,)`.
    ///
    /// # Errors
    /// [`Error::Range`] if the table has no label.
    pub fn classes_in_turn(&self, count: usize) -> Result<Tensor> {
        let label = self.label()?;
        let classes = 0..label.classes.len() as u32;
        let labels: Vec<u32> = classes.cycle().take(count).collect();
        Ok(Tensor::from_vec(labels, count, label.numbers.device())?)
    }

    /// Returns the table with its numbers in a dtype, on a device.
    ///
    /// # Errors
    /// [`Error::DType`] unless it is a float; [`Error::NonFinite`] for a number that the dtype doesn't hold.
    pub fn to(&self, dtype: DType, device: &Device) -> Result<Self> {
        check::float_dtype("dtype", dtype)?;
        let mut table = self.map(|x| Ok(x.to_device(device)?))?;
        table.values = table.values.to_dtype(dtype)?;
        check::finite("values", &table.values)?;
        Ok(table)
    }

    /// Writes the table as comma-separated values, atomically: the names of the columns, the rows, and the words of the labels in the last
    /// column.
    ///
    /// # Errors
    /// [`Error::File`] if it can't be written.
    pub fn write_csv(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let Some(label) = &self.label else {
            return write_records(path, &self.columns, &self.values, None);
        };
        let words = label.numbers.to_vec1::<u32>()?;
        let words = words
            .iter()
            .map(|&class| label.classes[class as usize].clone());
        let words: Vec<String> = words.collect();
        let last = Some((label.name.as_str(), words.as_slice()));
        write_records(path, &self.columns, &self.values, last)
    }
}
