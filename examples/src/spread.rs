//! A mean with a standard deviation.

use std::fmt::{Display, Formatter};

use advect::prelude::{Error, Result};

/// The mean of a number over seeds, and the standard deviation `√(Σ (x − mean)² / (n − 1))` of one of them.
///
/// It displays as `0.27 ± 0.01` with the formatter's precision, and without the deviation for one number.
///
/// ```
/// use advect_examples::Spread;
/// # fn main() -> advect::prelude::Result<()> {
/// assert_eq!(format!("{:.1}", Spread::of(&[1.0, 2.0, 3.0])?), "2.0 ± 1.0");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The standard deviation; `None` for a single number.
    pub deviation: Option<f64>,
}

impl Spread {
    /// That of these numbers.
    ///
    /// # Errors
    /// [`Error::Empty`] without numbers.
    pub fn of(values: &[f64]) -> Result<Self> {
        if values.is_empty() {
            let argument = "values".into();
            return Err(Error::Empty { argument });
        }
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
        let deviation = (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt());
        Ok(Spread { mean, deviation })
    }
}

impl Display for Spread {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let digits = f.precision().unwrap_or(3);
        match self.deviation {
            Some(deviation) => write!(f, "{:.digits$} ± {deviation:.digits$}", self.mean),
            None => write!(f, "{:.digits$}", self.mean),
        }
    }
}
