//! Actions of field configurations.

use advect_core::{Error, Result, check, forward_to, shape};
use candle_core::{DType, Tensor};

/// An action S of field configurations, whose law is `p ∝ e^(−S)`. An action of your own needs one method:
///
/// ```
/// use advect_classics::lattice::Action;
/// use advect_core::{Result, shape};
/// use candle_core::{Device, Tensor};
///
/// /// Independent numbers of variance 1.
/// struct Noise;
/// impl Action for Noise {
///     fn action(&self, field: &Tensor) -> Result<Tensor> {
///         Ok((shape::sum_squares_per_sample(field)? * 0.5)?)
///     }
/// }
/// # fn main() -> Result<()> {
/// let field = Tensor::new(&[[[1f64, 2.0], [0.0, 1.0]]], &Device::Cpu)?;
/// assert_eq!(Noise.log_density(&field)?.to_vec1::<f64>()?, [-3.0]);
/// # Ok(())
/// # }
/// ```
pub trait Action {
    /// Returns S of each configuration `(batch, ...)`, `(batch,)`, computed by tracked operations.
    ///
    /// # Errors
    /// Typed errors for configurations that do not fit.
    fn action(&self, field: &Tensor) -> Result<Tensor>;

    /// Returns `−S`, the log-density up to `ln Z`, checked.
    ///
    /// # Errors
    /// As [`Action::action`]; [`Error::Shape`] unless there is a number for each configuration; [`Error::NonFinite`] where S is NaN or −∞. +∞ is a density of 0.
    fn log_density(&self, field: &Tensor) -> Result<Tensor> {
        let batch = check::batch("field", field)?;
        let action = self.action(field)?;
        if action.dims() != [batch] {
            let accepted = format!("({batch},), a number for each configuration");
            return Err(Error::shape("action", action.dims(), accepted));
        }
        if !check::is_finite(&action)? {
            let values = shape::cast(&action.detach(), DType::F64)?.to_vec1::<f64>()?;
            let wrong = |s: &f64| s.is_nan() || *s == f64::NEG_INFINITY;
            if let Some(index) = values.iter().position(wrong) {
                return Err(Error::NonFinite {
                    argument: "action".into(),
                    index,
                    value: values[index],
                });
            }
        }
        Ok(action.neg()?)
    }
}

forward_to!([] Action {
    fn action(&self, field: &Tensor) -> Result<Tensor>;
    fn log_density(&self, field: &Tensor) -> Result<Tensor>;
});
