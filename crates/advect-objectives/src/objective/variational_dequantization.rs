//! The likelihood of levels by variational dequantization (Ho, Chen, Srinivas, Duan and Abbeel, Flow++: improving
//! flow-based generative models with variational dequantization and architecture design, 2019, section 3.1).

use advect_core::{Error, Generator, Result, check, shape};
use candle_core::Tensor;

use crate::dequantization::DequantizationNoise;

/// The bound `−log P(x) ≤ −log p(y) + log q(u | x) − d ln w` of the probability of data x on levels that are w apart, by
/// a density p at `y = x + w (u − ½)` with noise u of a law q, which is trained together with p.
///
/// `P(x)` is the density's integral over the bin of x. The bound is tight where q is the density within the bin, and with
/// [`UniformNoise`](crate::dequantization::UniformNoise) it is the one of uniform dequantization, which has to be met by
/// a density that is flat in each bin.
///
/// The density is a closure that gives `−log p`, in nats a sample, or a bound of it: a
/// [`MaximumLikelihood`](super::MaximumLikelihood). Its gradient with respect to y trains the noise. Half of
/// [`score_flow`](super::score_flow)'s losses has the gradient of a bound, and lacks its constants.
///
/// ```
/// use advect_core::normal::log_standard_normal;
/// use advect_core::{Generator, Result};
/// use advect_objectives::dequantization::UniformNoise;
/// use advect_objectives::objective::VariationalDequantization;
/// use candle_core::{Device, Tensor};
/// # fn main() -> Result<()> {
/// let dequantization = VariationalDequantization::new(UniformNoise, 0.5)?;
/// let x = Tensor::new(&[[0f64], [0.5]], &Device::Cpu)?;
/// let mut rng = Generator::from_seed(0);
/// let losses = dequantization.losses(&x, |y, _| Ok(log_standard_normal(y)?.neg()?), &mut rng)?;
/// // A bin of width ½ around 0 has a probability of 0.197.
/// let first = losses.to_vec1::<f64>()?[0];
/// assert!((first - -(0.197f64).ln()).abs() < 0.04);
///
/// // The same in two halves, for a density that is found elsewhere.
/// let drawn = dequantization.draw(&x, &mut Generator::from_seed(0))?;
/// let bound = drawn.bound(&log_standard_normal(&drawn.x)?)?;
/// assert_eq!(bound.to_vec1::<f64>()?[0], first);
/// # Ok(())
/// # }
/// ```
///
/// `BitsPerDimension::counted_by` of advect-samplers counts bits of such bounds.
#[doc(alias = "Flow++")]
#[doc(alias = "dequantization")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VariationalDequantization<Q> {
    noise: Q,
    width: f64,
}

/// Data with noise of [`VariationalDequantization`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Dequantized {
    /// The data with noise, `y = x + w (u − ½)`.
    pub x: Tensor,
    /// The log-density `log q(u | x)` of the noise, `(batch,)`.
    pub noise_log_density: Tensor,
    /// The distance w between levels.
    pub width: f64,
}

impl<Q: DequantizationNoise> VariationalDequantization<Q> {
    /// Creates the dequantization of levels that are `width` apart by noise of a law.
    ///
    /// # Errors
    /// [`Error::Range`] unless the width is above 0.
    pub fn new(noise: Q, width: f64) -> Result<Self> {
        let width = check::positive("width", width)?;
        Ok(VariationalDequantization { noise, width })
    }

    /// Returns the law of the noise.
    pub fn noise(&self) -> &Q {
        &self.noise
    }

    /// Returns the distance between levels.
    pub fn width(&self) -> f64 {
        self.width
    }

    /// Adds the generator's next noise to data on levels, `(batch, ...)`.
    ///
    /// # Errors
    /// Typed errors for data that is empty, no float or not finite; the errors of the law, and [`Error::Range`] for its
    /// noise outside of [0, 1].
    pub fn draw(&self, x1: &Tensor, rng: &mut Generator) -> Result<Dequantized> {
        self.draw_by_sample(0, x1, rng)
    }

    /// Adds noise to samples numbered from `first` on. The noise of a sample depends on its number, not on the other
    /// samples of the batch.
    ///
    /// # Errors
    /// As [`VariationalDequantization::draw`], and for numbers as [`Generator::values_by_sample`].
    pub fn draw_by_sample(
        &self,
        first: u64,
        x1: &Tensor,
        rng: &mut Generator,
    ) -> Result<Dequantized> {
        let batch = check::batch("x1", x1)?;
        check::float("x1", x1)?;
        check::finite("x1", x1)?;
        let (u, noise_log_density) = self.noise.draw(first, x1, rng)?;
        check::alike("noise", &u, "x1", x1)?;
        check::finite("noise", &u)?;
        let inside = |u: &Tensor| -> Result<f64> {
            let farthest = (shape::wide(&u.detach())? - 0.5)?.abs()?.max_all()?;
            Ok(farthest.to_dtype(candle_core::DType::F64)?.to_scalar()?)
        };
        let farthest = inside(&u)?;
        if farthest > 0.5 {
            let given = format!("a number {farthest} from ½");
            return Err(Error::range("noise", given, "numbers in [0, 1]"));
        }
        if noise_log_density.dims() != [batch] {
            let accepted = format!("({batch},), a number for each sample");
            return Err(Error::shape("noise", noise_log_density.dims(), accepted));
        }
        Ok(Dequantized {
            x: (x1 + u.affine(self.width, -0.5 * self.width)?)?,
            noise_log_density,
            width: self.width,
        })
    }

    /// Returns one loss per sample, `(batch,)`: the bound of `−log P(x)` in nats, from one draw of the noise.
    /// `negative_log_density` gives `−log p(y)`, `(batch,)`, for data with noise.
    ///
    /// # Errors
    /// As [`VariationalDequantization::draw`]; the errors of the closure.
    pub fn losses(
        &self,
        x1: &Tensor,
        negative_log_density: impl FnOnce(&Tensor, &mut Generator) -> Result<Tensor>,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        let drawn = self.draw(x1, rng)?;
        let losses = negative_log_density(&drawn.x, rng)?;
        drawn.bound(&losses.neg()?)
    }
}

impl Dequantized {
    /// Returns the bound `log q(u | x) − log p(y) − d ln w` of `−log P(x)` in nats, `(batch,)`, for the log-density `log
    /// p(y)`, `(batch,)`, of the data with noise, or a lower bound of it.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is a number for each sample.
    pub fn bound(&self, log_density: &Tensor) -> Result<Tensor> {
        let batch = self.x.dims()[0];
        if log_density.dims() != [batch] {
            let accepted = format!("({batch},), a number for each sample");
            return Err(Error::shape("log_density", log_density.dims(), accepted));
        }
        let dimensions = (self.x.elem_count() / batch) as f64;
        let noise = self.noise_log_density.to_dtype(log_density.dtype())?;
        Ok(((noise - log_density)? - dimensions * self.width.ln())?)
    }
}
