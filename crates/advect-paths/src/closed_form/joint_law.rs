//! Joint laws of a source and a target whose interpolants are known in closed form.

use std::sync::Arc;

use advect_core::{Error, Generator, Result, check};
use candle_core::{DType, Device, Tensor};
use rand_distr::{StandardNormal, StandardUniform};

use super::components::as_batch;
use super::finite_data::rows;
use super::posterior::add;
use super::{Components, Covariance, GaussianMixture, InterpolantField, Law};
use crate::Prediction;
use crate::cumulative::Cumulative;
use crate::path::Interpolant;

/// The joint law of a source x0 and a target x1: a mixture of joint Gaussians, whose widths may be 0.
///
/// The state `x_t = α x1 + σ x0 + γ z` of an [`Interpolant`] between them is a mixture of Gaussians at each time, with the joint
/// components' means `α m1 + σ m0` and covariances `α² Σ1 + σ² Σ0 + α σ (C + Cᵀ) + γ² I`. So velocity, noise, score and density follow
/// (for independent ends, Albergo, Boffi and Vanden-Eijnden, Stochastic interpolants, 2023).
///
/// | joint law | made by |
/// | --- | --- |
/// | two laws that are independent of each other | [`JointLaw::independent`] |
/// | points that a plan couples, such as one of optimal transport | [`JointLaw::plan`], [`JointLaw::entries`] |
/// | Gaussians with a covariance between source and target | [`JointLaw::correlated`] |
///
/// ```
/// use advect_core::{Field, Time};
/// use advect_paths::closed_form::{Covariance, Gaussian, JointLaw};
/// use advect_paths::path::{Interpolant, gamma::BrownianBridge};
/// use advect_paths::schedule::CondOt;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let gaussian = |mean: f64| Gaussian::new(&Tensor::new(&[mean], &Device::Cpu)?, Covariance::isotropic(1.0)?);
/// let law = JointLaw::independent(&gaussian(0.0)?, &gaussian(4.0)?)?;
/// let path = Interpolant::new(CondOt::default(), BrownianBridge::new(2.0)?);
/// // The state has the variance t² + (1 − t)² + 2 t (1 − t) = 1 at all times, and so moves with the mean.
/// let x = Tensor::new(&[[0.5f64], [3.0]], &Device::Cpu)?;
/// let velocity = law.velocity(path).at(&Time::Shared(0.3), &x)?;
/// assert_eq!(velocity.to_vec2::<f64>()?, [[4.0], [4.0]]);
/// let score = law.score(path).at(&Time::Shared(0.3), &x)?.to_vec2::<f64>()?;
/// assert!((score[0][0] - (1.2 - 0.5)).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "stochastic interpolant")]
#[doc(alias = "coupling")]
#[derive(Debug, Clone, PartialEq)]
pub struct JointLaw {
    source: Arc<Components>,
    target: Arc<Components>,
    pairs: Arc<[Pair]>,
}

/// A component of the source with one of the target.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pair {
    pub(super) source: usize,
    pub(super) target: usize,
    pub(super) log_weight: f64,
    pub(super) cross: Option<Cross>,
}

/// The covariance between the two of a pair.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cross {
    /// `E[(x0 − m0)(x1 − m1)ᵀ]`, row by row.
    pub(super) block: Vec<f64>,
    /// That of (x0, x1).
    whole: Covariance,
}

/// Most pairs of components, so that their list fits the memory.
const MOST_PAIRS: usize = 1 << 26;

impl JointLaw {
    /// Creates the law of a source and a target that are independent of each other.
    ///
    /// # Errors
    /// [`Error::Shape`] for laws of different dimensions, [`Error::Range`] for more than 2²⁶ pairs of components.
    pub fn independent(source: &impl Law, target: &impl Law) -> Result<Self> {
        let (source, target) = (source.components(), target.components());
        let count = source.count().saturating_mul(target.count());
        if count > MOST_PAIRS {
            let accepted = format!("laws of at most {MOST_PAIRS} pairs of components");
            return Err(Error::range("target", format!("{count} pairs"), accepted));
        }
        let pair = |j: usize, k: usize| Pair {
            source: j,
            target: k,
            log_weight: source.log_weights()[j] + target.log_weights()[k],
            cross: None,
        };
        let sources = 0..source.count();
        let pairs = sources.flat_map(|j| (0..target.count()).map(move |k| (j, k)));
        let pairs = pairs.map(|(j, k)| pair(j, k)).collect();
        Self::new(source, target, pairs)
    }

    /// Creates the law of a plan between the points of two batches `(n, ...)` and `(m, ...)`: masses for each pair, `n · m` numbers row by
    /// row. They are divided by their sum.
    ///
    /// ```
    /// use advect_core::{Field, Time};
    /// use advect_paths::closed_form::JointLaw;
    /// use advect_paths::coupling::EntropicOt;
    /// use advect_paths::path::SchrodingerBridge;
    /// use candle_core::{Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// let x0 = Tensor::new(&[[0.0f64], [1.0]], &Device::Cpu)?;
    /// let x1 = Tensor::new(&[[5.0f64], [6.0]], &Device::Cpu)?;
    /// let bridge = SchrodingerBridge::new(0.2)?;
    /// let plan = EntropicOt::new(bridge.entropy())?.plan(&x0, &x1)?;
    /// let law = JointLaw::plan(&x0, &x1, plan.values())?;
    /// let velocity = law.velocity(bridge.interpolant()).at(&Time::Shared(0.5), &Tensor::new(&[[2.5f64]], &Device::Cpu)?)?;
    /// assert!((velocity.to_vec2::<f64>()?[0][0] - 5.0).abs() < 1e-6); // nearly all goes from 0 to 5
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] unless there are `n · m` masses; [`Error::Range`] for masses that are negative, not finite or all 0; typed errors
    /// for points that are empty, no floats, not finite or of different dimensions.
    #[doc(alias = "optimal transport")]
    pub fn plan(x0: &Tensor, x1: &Tensor, masses: &[f64]) -> Result<Self> {
        let (n, m) = (check::batch("x0", x0)?, check::batch("x1", x1)?);
        if n.checked_mul(m) != Some(masses.len()) {
            let accepted = format!("{n} × {m} numbers, a mass for each pair of points");
            return Err(Error::shape("masses", &[masses.len()], accepted));
        }
        let entries: Vec<_> = (masses.iter().enumerate())
            .filter(|(_, mass)| **mass != 0.0)
            .map(|(i, mass)| (i / m, i % m, *mass))
            .collect();
        Self::entries(x0, x1, &entries)
    }

    /// Creates the law of a plan from its entries `(i, j, mass)`: x0's i-th point goes to x1's j-th. The masses are divided by their sum.
    ///
    /// # Errors
    /// As [`JointLaw::plan`]; [`Error::Range`] for a point that is not there.
    pub fn entries(x0: &Tensor, x1: &Tensor, entries: &[(usize, usize, f64)]) -> Result<Self> {
        let (n, m) = (check::batch("x0", x0)?, check::batch("x1", x1)?);
        let mut total = 0.0;
        for &(i, j, mass) in entries {
            if i >= n || j >= m {
                let accepted = format!("a pair of points below {n} and {m}");
                return Err(Error::range("entries", format!("({i}, {j})"), accepted));
            }
            total += check::non_negative("masses", mass)?;
        }
        if !(total > 0.0 && total.is_finite()) {
            let accepted = "masses of a finite sum above 0";
            return Err(Error::range(
                "masses",
                format!("a sum of {total}"),
                accepted,
            ));
        }
        let (mut rows, mut columns) = (vec![0.0; n], vec![0.0; m]);
        for &(i, j, mass) in entries {
            rows[i] += mass / total;
            columns[j] += mass / total;
        }
        let pairs = entries.iter().map(|&(source, target, mass)| Pair {
            source,
            target,
            log_weight: (mass / total).ln(),
            cross: None,
        });
        let points = |name, x: &Tensor, weights: Vec<f64>| -> Result<Arc<Components>> {
            let (means, dim) = self::rows(name, x, &weights)?;
            let covariance = vec![Covariance::isotropic(0.0)?];
            Ok(Arc::new(Components::new(&weights, means, covariance, dim)?))
        };
        let (source, target) = (points("x0", x0, rows)?, points("x1", x1, columns)?);
        Self::new(&source, &target, pairs.collect())
    }

    /// Creates the law of two mixtures whose k-th components belong together, with a covariance between source and target for each k:
    /// `C_k = E[(x0 − m0_k)(x1 − m1_k)ᵀ]` with `d · d` numbers row by row.
    ///
    /// ```
    /// use advect_core::{Field, Time};
    /// use advect_paths::closed_form::{Covariance, GaussianMixture, JointLaw};
    /// use advect_paths::path::{Interpolant, gamma::Constant};
    /// use advect_paths::schedule::CondOt;
    /// use candle_core::{Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// let mixture = |mean: f64, variance: f64| {
    ///     let mean = Tensor::new(&[[mean]], &Device::Cpu)?;
    ///     GaussianMixture::new(&[1.0], &mean, vec![Covariance::isotropic(variance)?])
    /// };
    /// // x1 = 3 + 2 x0: the velocity at the start is 3 + x.
    /// let law = JointLaw::correlated(&mixture(0.0, 1.0)?, &mixture(3.0, 4.0)?, &[vec![2.0]])?;
    /// let velocity = law.velocity(Interpolant::new(CondOt::default(), Constant::new(0.0)?));
    /// let x = Tensor::new(&[[0.5f64]], &Device::Cpu)?;
    /// assert!((velocity.at(&Time::Shared(0.0), &x)?.to_vec2::<f64>()?[0][0] - 3.5).abs() < 1e-14);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] unless there are as many components on both sides and as many crosses of `d · d` numbers; [`Error::Range`] for
    /// weights that differ, and for a cross that no covariance of (x0, x1) has.
    pub fn correlated(
        source: &GaussianMixture,
        target: &GaussianMixture,
        crosses: &[Vec<f64>],
    ) -> Result<Self> {
        let (source, target) = (source.components(), target.components());
        let (count, d) = (source.count(), source.dim());
        if (target.count(), target.dim()) != (count, d) {
            let accepted =
                format!("({count}, {d}), as many components and dimensions as the source");
            let given = [target.count(), target.dim()];
            return Err(Error::shape("target", &given, accepted));
        }
        if crosses.len() != count {
            let accepted = format!("({count},), one for each component");
            return Err(Error::shape("crosses", &[crosses.len()], accepted));
        }
        let mut pairs = Vec::with_capacity(count);
        for (k, cross) in crosses.iter().enumerate() {
            let log_weight = source.log_weights()[k];
            if (log_weight.exp() - target.log_weights()[k].exp()).abs() > 1e-9 {
                let given = format!("another weight than the source's at component {k}");
                return Err(Error::range("target", given, "the weights of the source"));
            }
            pairs.push(Pair {
                source: k,
                target: k,
                log_weight,
                cross: Some(Cross::new(
                    source.covariance(k),
                    target.covariance(k),
                    cross,
                    d,
                )?),
            });
        }
        Self::new(source, target, pairs)
    }

    fn new(source: &Arc<Components>, target: &Arc<Components>, pairs: Vec<Pair>) -> Result<Self> {
        if source.dim() != target.dim() {
            let accepted = format!("({},), the dimension of the source", source.dim());
            return Err(Error::shape("target", &[target.dim()], accepted));
        }
        Ok(JointLaw {
            source: Arc::clone(source),
            target: Arc::clone(target),
            pairs: pairs.into(),
        })
    }

    /// Returns the dimension of source and target.
    pub fn dim(&self) -> usize {
        self.source.dim()
    }

    /// Returns the law of the source.
    pub fn source(&self) -> &Arc<Components> {
        &self.source
    }

    /// Returns the law of the target.
    pub fn target(&self) -> &Arc<Components> {
        &self.target
    }

    pub(super) fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// Returns the marginal field of a [`Prediction`] on an interpolant: the mean, given `x_t = x`, of the prediction's value for a pair.
    pub fn field<S, G>(
        &self,
        prediction: Prediction,
        path: Interpolant<S, G>,
    ) -> InterpolantField<S, G> {
        InterpolantField::new(self.clone(), path, prediction)
    }

    /// Returns the marginal velocity `b(t, x) = E[α' x1 + σ' x0 + γ' z | x_t = x]`.
    pub fn velocity<S, G>(&self, path: Interpolant<S, G>) -> InterpolantField<S, G> {
        self.field(Prediction::Velocity, path)
    }

    /// Returns the score `s(t, x) = ∇ log p_t(x)`, which is `−η/γ` where γ > 0.
    pub fn score<S, G>(&self, path: Interpolant<S, G>) -> InterpolantField<S, G> {
        self.field(Prediction::Score, path)
    }

    /// Returns the expected noise `η(t, x) = E[z | x_t = x]`, the denoiser of stochastic interpolants.
    #[doc(alias = "denoiser")]
    pub fn noise<S, G>(&self, path: Interpolant<S, G>) -> InterpolantField<S, G> {
        self.field(Prediction::Noise, path)
    }

    /// Draws pairs: samples of the source and of the target, `(count, d)` each.
    ///
    /// # Errors
    /// [`Error::DType`] unless the dtype is a float.
    pub fn sample(
        &self,
        count: usize,
        dtype: DType,
        device: &Device,
        rng: &mut Generator,
    ) -> Result<(Tensor, Tensor)> {
        let d = self.dim();
        let choices = rng.values(&StandardUniform, count)?;
        let mut draws = rng.values(&StandardNormal, count.saturating_mul(2 * d))?;
        let shares: Vec<f64> = self.pairs.iter().map(|p| p.log_weight.exp()).collect();
        let shares = Cumulative::new(&shares);
        let (mut x0, mut x1) = (Vec::with_capacity(count * d), Vec::with_capacity(count * d));
        let mut scratch = vec![0.0; 2 * d];
        for (draw, u) in draws.chunks_exact_mut(2 * d).zip(choices) {
            let pair = &self.pairs[shares.place(u)];
            let (source, target) = (&self.source, &self.target);
            if let Some(cross) = &pair.cross {
                cross.whole.color(draw, &mut scratch);
            }
            let (first, second) = draw.split_at_mut(d);
            if pair.cross.is_none() {
                let scratch = &mut scratch[..d];
                source.covariance(pair.source).color(first, scratch);
                target.covariance(pair.target).color(second, scratch);
            }
            add(first, 1.0, source.mean(pair.source));
            add(second, 1.0, target.mean(pair.target));
            x0.extend_from_slice(first);
            x1.extend_from_slice(second);
        }
        let batch = |values| as_batch(values, (count, d), dtype, device);
        Ok((batch(x0)?, batch(x1)?))
    }
}

impl Cross {
    /// Checks that `[[Σ0, C], [Cᵀ, Σ1]]` is a covariance.
    fn new(source: &Covariance, target: &Covariance, block: &[f64], d: usize) -> Result<Self> {
        if block.len() != d * d {
            let accepted = format!("({},), the elements of a {d} × {d} matrix", d * d);
            return Err(Error::shape("crosses", &[block.len()], accepted));
        }
        let (of_source, of_target) = (source.matrix(d), target.matrix(d));
        let mut whole = vec![0.0; 4 * d * d];
        for i in 0..d {
            for j in 0..d {
                whole[i * 2 * d + j] = of_source[i * d + j];
                whole[(d + i) * 2 * d + d + j] = of_target[i * d + j];
                whole[i * 2 * d + d + j] = block[i * d + j];
                whole[(d + j) * 2 * d + i] = block[i * d + j];
            }
        }
        let whole = Covariance::full(whole).map_err(|error| {
            let accepted = "blocks that form a covariance of source and target";
            Error::range(
                "crosses",
                format!("blocks whose joint matrix is no covariance ({error})"),
                accepted,
            )
        })?;
        Ok(Cross {
            block: block.to_vec(),
            whole,
        })
    }
}
