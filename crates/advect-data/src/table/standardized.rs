//! Tables of standardised numbers, and back.

use advect_core::{Key, Result, check};
use candle_core::{DType, Device, Tensor};

use super::{Label, Table};
use crate::Standardization;

impl Table {
    /// Splits off a fraction of the rows for validation, standardises both parts by the mean and the deviation of the training part, and converts
    /// them to a dtype on a device. Returns `(training, validation, map)`.
    ///
    /// # Errors
    /// As [`Table::split`], [`Table::standardized`] and [`Table::to`].
    pub fn standardized_split(
        &self,
        fraction: f64,
        key: Key,
        dtype: DType,
        device: &Device,
    ) -> Result<(Self, Self, Standardization)> {
        let (training, validation) = self.split(fraction, key)?;
        let map = training.standardization()?;
        let part = |rows: Table| rows.standardized(&map)?.to(dtype, device);
        Ok((part(training)?, part(validation)?, map))
    }

    /// Returns the map to columns of mean 0 and deviation 1. Fit it to the training part alone, and apply it to both.
    ///
    /// # Errors
    /// As [`Standardization::of`].
    pub fn standardization(&self) -> Result<Standardization> {
        Standardization::of(&self.values)
    }

    /// Returns the table with standardised numbers.
    ///
    /// # Errors
    /// As [`Standardization::apply`].
    pub fn standardized(&self, map: &Standardization) -> Result<Self> {
        let values = map.apply(&self.values)?;
        Ok(Table {
            values,
            ..self.clone()
        })
    }

    /// Returns a table of standardised numbers in the units that the map was fitted to, in f64 in the CPU's memory: the inverse of
    /// [`Table::standardized`].
    ///
    /// # Errors
    /// As [`Standardization::invert`].
    pub fn in_original_units(&self, map: &Standardization) -> Result<Self> {
        let table = self.to(DType::F64, &Device::Cpu)?;
        let map = map.to(DType::F64, &Device::Cpu)?;
        let values = map.invert(&table.values)?;
        check::finite("values", &values)?;
        Ok(Table { values, ..table })
    }

    /// Returns standardised samples `(count, columns)`, of any float dtype and device, as a table in the units of this one, in f64 in the CPU's
    /// memory, with the columns of this one, and with its classes where there are labels of the samples.
    ///
    /// # Errors
    /// [`Error::Shape`](advect_core::Error::Shape) for samples of other columns, [`Error::NonFinite`](advect_core::Error::NonFinite) for NaN and
    /// infinities; the errors of [`Table::with_labels`], and [`Error::Range`](advect_core::Error::Range) for labels where this table has none.
    pub fn unstandardized(
        &self,
        samples: &Tensor,
        labels: Option<&Tensor>,
        map: &Standardization,
    ) -> Result<Self> {
        let samples = samples.to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
        let values = map.to(DType::F64, &Device::Cpu)?.invert(&samples)?;
        let table = Table::new(&values, &self.columns)?;
        let Some(labels) = labels else {
            return Ok(table);
        };
        let Label { name, classes, .. } = self.label()?;
        table.with_labels(&labels.to_device(&Device::Cpu)?, name, classes)
    }
}
