//! A base density and a bijection.

use advect_core::{Error, Generator, Result, check};
use candle_core::{DType, Device, Tensor};

use super::{BaseDensity, Bijection, Layout, StandardNormal};

/// A density by a change of variables: the law of `y = T(x)` for noise x of a base density, `log p(y) = log p₀(T⁻¹(y)) + log |det ∂T⁻¹/∂y|`.
///
/// ```
/// use advect_classics::flow::{ActNorm, NormalizingFlow};
/// use advect_core::{Generator, Key};
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // A Gaussian with the mean and the deviation of the data.
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let flow = NormalizingFlow::new(&[1], ActNorm::new(1, &store.builder())?)?;
/// flow.initialize(&Tensor::new(&[[1f64], [5.0]], &Device::Cpu)?)?;
/// let density = flow.log_density(&Tensor::new(&[[3f64]], &Device::Cpu)?)?.to_vec1::<f64>()?[0];
/// assert!((density + (2.0 * (2.0 * std::f64::consts::PI).sqrt()).ln()).abs() < 1e-12); // of N(3, 2²) at 3
/// assert_eq!(flow.sample(8, DType::F64, &Device::Cpu, &mut Generator::from_seed(1))?.dims(), [8, 1]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct NormalizingFlow<B, D = StandardNormal> {
    bijection: B,
    base: D,
    data: Vec<usize>,
    noise: Vec<usize>,
    condition: Option<Tensor>,
}

impl<B: Bijection> NormalizingFlow<B> {
    /// Creates the flow of standard normal noise to samples of a shape.
    ///
    /// # Errors
    /// [`Error::Shape`] for samples that the bijection does not take.
    pub fn new(shape: &[usize], bijection: B) -> Result<Self> {
        let noise = bijection.latent(&Layout::new(shape))?.shape().to_vec();
        Ok(NormalizingFlow {
            bijection,
            base: StandardNormal,
            data: shape.to_vec(),
            noise,
            condition: None,
        })
    }
}

impl<B: Bijection, D: BaseDensity> NormalizingFlow<B, D> {
    /// Returns the flow with another law of noise.
    pub fn with_base<E: BaseDensity>(self, base: E) -> NormalizingFlow<B, E> {
        NormalizingFlow {
            bijection: self.bijection,
            base,
            data: self.data,
            noise: self.noise,
            condition: self.condition,
        }
    }

    /// Returns the flow given conditions, such as labels, one for each sample of the batches that it is used with.
    pub fn given(&self, condition: &Tensor) -> NormalizingFlow<&B, &D> {
        NormalizingFlow {
            bijection: &self.bijection,
            base: &self.base,
            data: self.data.clone(),
            noise: self.noise.clone(),
            condition: Some(condition.clone()),
        }
    }

    /// Returns the bijection.
    pub fn bijection(&self) -> &B {
        &self.bijection
    }

    /// Sets parameters that depend on a first batch of data; see [`Bijection::initialize`].
    ///
    /// # Errors
    /// As [`NormalizingFlow::log_density`].
    pub fn initialize(&self, y: &Tensor) -> Result<()> {
        check_samples("y", y, &self.data)?;
        self.bijection.initialize(y, self.condition.as_ref())?;
        Ok(())
    }

    /// Returns the log-density of each sample, `(batch,)`, differentiable by the parameters.
    ///
    /// # Errors
    /// [`Error`] naming samples of another shape; errors of the bijection; [`Error::NonFinite`] for a density that is not finite.
    #[doc(alias = "log_prob")]
    pub fn log_density(&self, y: &Tensor) -> Result<Tensor> {
        check_samples("y", y, &self.data)?;
        let (x, log_determinant) = self.bijection.inverse_given(y, self.condition.as_ref())?;
        let density = (self.base.log_density(&x)? + log_determinant)?;
        check::finite("the log-density", &density)?;
        Ok(density)
    }

    /// Transforms noise into samples, with their log-densities, `(batch,)`; both are differentiable by the parameters.
    ///
    /// # Errors
    /// [`Error`] naming noise of another shape; errors of the bijection; [`Error::NonFinite`] for a density that is not finite.
    #[doc(alias = "rsample_and_log_prob")]
    pub fn transform(&self, noise: &Tensor) -> Result<(Tensor, Tensor)> {
        check_samples("noise", noise, &self.noise)?;
        let condition = self.condition.as_ref();
        let (y, log_determinant) = self.bijection.forward_given(noise, condition)?;
        let density = (self.base.log_density(noise)? - log_determinant)?;
        check::finite("the log-density", &density)?;
        Ok((y, density))
    }

    /// Draws noise for a number of samples.
    ///
    /// # Errors
    /// [`Error::Range`] for 0 samples; errors of the base density.
    pub fn noise(
        &self,
        count: usize,
        dtype: DType,
        device: &Device,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        check::at_least_one("count", count)?;
        let dims = [&[count], &self.noise[..]].concat();
        self.base.sample(&dims, dtype, device, rng)
    }

    /// Draws samples, `(count, ...)`.
    ///
    /// # Errors
    /// As [`NormalizingFlow::noise`] and [`NormalizingFlow::transform`].
    pub fn sample(
        &self,
        count: usize,
        dtype: DType,
        device: &Device,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        let noise = self.noise(count, dtype, device, rng)?;
        Ok(self.transform(&noise)?.0)
    }
}

/// Checks that samples are finite floats of a shape.
fn check_samples(argument: &'static str, x: &Tensor, shape: &[usize]) -> Result<()> {
    check::batch(argument, x)?;
    if x.dims()[1..] != *shape {
        let accepted = format!("(batch, ...) with samples of the shape {shape:?}");
        return Err(Error::shape(argument, x.dims(), accepted));
    }
    check::float(argument, x)?;
    check::finite(argument, x)
}
