//! Residual flows (Behrmann et al. 2019, "Invertible residual networks"; Chen, Behrmann, Duvenaud and Jacobsen 2019, "Residual flows for invertible generative modeling").

use advect_core::{Error, Generator, Key, Result, check, shape};
use advect_nn::{Activation, Builder, Linear};
use advect_ops::{Dual, Value, linear};
use candle_core::{DType, Device, Tensor};
use rand_distr::StandardUniform;

use super::check_samples;
use crate::flow::spectral_norm::bounded;
use crate::flow::{Bijection, Layout, matrix};

/// A residual layer `y = x + g(x)` for samples of d numbers, with a perceptron g whose Lipschitz constant is below 1: weights are divided by their spectral norms where
/// these are above a bound, and the activation is LipSwish, `x σ(x)/1.1` (with β = 1, which the authors learn).
///
/// Forward is explicit, the inverse an iteration `x ← y − g(x)`, whose results are part of no graph: put the layer into [`Inverted`](super::Inverted) to train on
/// densities of data. The log-determinant is exact by d derivatives along directions, or an unbiased estimate ([`ResidualBlock::estimated`]).
///
/// ```
/// use advect_classics::flow::{Bijection, ResidualBlock};
/// use advect_core::Key;
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let layer = ResidualBlock::new(2, &[16], 0.9, &store.builder())?;
/// let x = Tensor::new(&[[0.3f64, -1.2]], &Device::Cpu)?;
/// let (y, _) = layer.forward(&x)?;
/// let (back, _) = layer.inverse(&y)?;
/// assert!((back - x)?.abs()?.max_all()?.to_scalar::<f64>()? < 1e-10);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "i-ResNet")]
#[doc(alias = "iResBlock")]
#[derive(Debug, Clone)]
pub struct ResidualBlock {
    layers: Vec<Linear>,
    bound: f64,
    roulette: Option<Roulette>,
}

/// An estimate of the power series, cut at a random place.
#[derive(Debug, Clone, Copy)]
struct Roulette {
    key: Key,
    terms: usize,
}

/// Steps of the inverse's iteration.
const MOST: usize = 1000;
/// The probability with which the series goes on by one more term (Chen et al. 2019, appendix E).
const GOING_ON: f64 = 0.5;

impl ResidualBlock {
    /// Creates the layer for samples of `dim` numbers, with hidden layers of these widths, and a bound on the spectral norms below 1. Its parameters are called
    /// `layers.0.weight`, `layers.0.bias`, and so on.
    ///
    /// # Errors
    /// [`Error::Range`] for a width of 0 and a bound outside (0, 1); errors of the builder.
    pub fn new(dim: usize, hidden: &[usize], bound: f64, builder: &Builder) -> Result<Self> {
        let inside = bound > 0.0 && bound < 1.0;
        if !inside {
            return Err(Error::range("bound", bound, "a number between 0 and 1"));
        }
        let (mut layers, mut inputs) = (Vec::with_capacity(hidden.len() + 1), dim);
        for (i, &outputs) in hidden.iter().chain([&dim]).enumerate() {
            layers.push(Linear::new(
                inputs,
                outputs,
                &builder.pp(format!("layers.{i}")),
            )?);
            inputs = outputs;
        }
        Ok(ResidualBlock {
            layers,
            bound,
            roulette: None,
        })
    }

    /// Returns the layer with estimated log-determinants, `Σ_k (−1)^(k+1)/k · vᵀJᵏv / P(N ≥ k)` up to a random N (the Russian roulette estimate, Chen et al. 2019, eq. 6), with
    /// one normal probe v for each sample (Hutchinson's trace). The first `terms` are always taken, each further one with the probability ½. Random numbers depend on the key:
    /// take another one for each batch. Where the Lipschitz constant of g is above √½, the variance may be infinite; more fixed terms make large errors rarer.
    #[must_use]
    pub fn estimated(&self, key: Key, terms: usize) -> Self {
        ResidualBlock {
            roulette: Some(Roulette { key, terms }),
            ..self.clone()
        }
    }

    fn dim(&self) -> usize {
        self.layers[0].weight().dims()[1]
    }

    /// The weights, divided by their norms where these are too large, with the biases.
    fn contraction(&self) -> Result<Vec<(Tensor, Tensor)>> {
        let layer = |layer: &Linear| {
            let weight = bounded(layer.weight(), self.bound)?;
            Ok((weight, layer.bias().clone()))
        };
        self.layers.iter().map(layer).collect()
    }

    /// `log |det (I + J)|`, exactly or estimated.
    fn log_determinant(&self, layers: &[(Tensor, Tensor)], x: &Tensor) -> Result<Tensor> {
        let along = |v: &Tensor| {
            let x = Dual::new(x.clone(), v.clone())?;
            Ok::<_, Error>(residual(layers, &x)?.into_parts()?.1)
        };
        let Some(Roulette { key, terms }) = self.roulette else {
            let eye = Tensor::eye(self.dim(), DType::F64, &Device::Cpu)?.to_dtype(x.dtype())?;
            let eye = eye.to_device(x.device())?;
            let columns = (0..self.dim()).map(|j| {
                let direction = eye.narrow(0, j, 1)?;
                along(&direction.broadcast_as(x.shape())?.contiguous()?)
            });
            let columns: Vec<Tensor> = columns.collect::<Result<_>>()?;
            let jacobian = Tensor::stack(&columns, 2)?.broadcast_add(&eye.unsqueeze(0)?)?;
            return matrix::log_determinants("the Jacobian", &jacobian);
        };
        let mut rng = Generator::from(key);
        let probe = rng.normal_like(x)?;
        let uniform: f64 = rng.values(&StandardUniform, 1)?.into_iter().sum();
        // N − terms is geometric: P(N ≥ terms + k) = GOING_ON^k.
        let further = (1.0 - uniform).ln() / GOING_ON.ln();
        let count = (terms + further as usize).max(1);
        let (mut power, mut total) = (probe.clone(), None::<Tensor>);
        for k in 1..=count {
            power = along(&power)?;
            let reached = GOING_ON.powi(k.saturating_sub(terms) as i32);
            let reached = if k == 1 { 1.0 } else { reached };
            let sign = if k % 2 == 1 { 1.0 } else { -1.0 };
            let term =
                (shape::sum_per_sample(&(&power * &probe)?)? * (sign / (k as f64 * reached)))?;
            total = Some(match total {
                None => term,
                Some(total) => (total + term)?,
            });
        }
        let nothing = || Error::range("terms", 0, "at least one");
        total.ok_or_else(nothing)
    }
}

/// g(x), by contracting layers.
fn residual<V: Value>(layers: &[(Tensor, Tensor)], x: &V) -> Result<V> {
    let mut h = x.clone();
    for (i, (weight, bias)) in layers.iter().enumerate() {
        h = match i + 1 == layers.len() {
            true => linear(&h, weight, Some(bias), Activation::Identity)?,
            false => linear(&h, weight, Some(bias), Activation::Silu)?
                .map_linear(|h| Ok((h * (1.0 / 1.1))?))?,
        };
    }
    Ok(h)
}

impl Bijection for ResidualBlock {
    fn forward_given(&self, x: &Tensor, _: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        check_samples("x", x, &[self.dim()])?;
        let layers = self.contraction()?;
        let y = (x + residual(&layers, x)?)?;
        Ok((y, self.log_determinant(&layers, x)?))
    }

    /// Returns the inverse, part of no graph. It ends where a step is within the rounding of the states.
    ///
    /// # Errors
    /// [`Error::Stopped`] if the iteration does not converge in 1,000 steps; errors of what does not fit.
    fn inverse_given(&self, y: &Tensor, _: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        check_samples("y", y, &[self.dim()])?;
        check::finite("y", y)?;
        let layers = self
            .contraction()?
            .into_iter()
            .map(|(w, b)| (w.detach(), b.detach()));
        let layers: Vec<_> = layers.collect();
        let rounding = if y.dtype() == DType::F64 { 1e-15 } else { 3e-7 };
        let largest = |x: &Tensor| {
            Ok::<_, Error>(
                shape::cast(&x.abs()?.flatten_all()?.max(0)?, DType::F64)?.to_scalar::<f64>()?,
            )
        };
        let y = y.detach();
        let mut x = y.clone();
        for _ in 0..MOST {
            let next = (&y - residual(&layers, &x)?)?;
            let change = largest(&(&next - &x)?)?;
            x = next;
            if change <= rounding * (1.0 + largest(&x)?) {
                let log_determinant = self.log_determinant(&layers, &x)?;
                return Ok((x, log_determinant.neg()?.detach()));
            }
        }
        let at = format!("step {MOST}");
        Err(Error::stopped(
            at,
            "the inverse of a residual layer does not converge",
        ))
    }

    fn latent(&self, data: &Layout) -> Result<Layout> {
        data.check(&[self.dim()])?;
        Ok(data.clone().all_changed())
    }
}
