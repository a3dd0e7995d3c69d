//! Velocities of continuous flows with the symmetries of the lattice (Gerdes, de Haan, Rainone, Bondesan and Cheng 2022, "Learning lattice quantum field theories with equivariant continuous
//! flows", section 3; de Haan et al. 2021, "Scaling up machine learning for quantum field theory with equivariant continuous flows").

use std::f64::consts::PI;

use advect_core::{Error, Field, Jvp, Result, Time, check};
use advect_nn::Builder;
use candle_core::{DType, Device, Tensor};
use candle_nn::{Init, init::ZERO};

use super::orbits::orbits;
use super::periodic::{check_extents, check_field};

/// A velocity of field configurations, with its divergence in closed form:
///
/// `dφ(x)/dt = Σ_y Σ_a cos(π a t) [ W_a0(x − y) φ(y) + Σ_f W_af(x − y) sin(ω_f φ(y)) ]`.
///
/// The weights W depend only on the distance of two sites, so that shifts, reflections and (for equal extents) rotations of the lattice commute with the flow, and all features are
/// odd, so that `φ → −φ` does. The divergence needs the weights of distance 0 only. Frequencies ω are trained, too. It begins with W = 0, as the identity.
///
/// ```
/// use advect_classics::lattice::EquivariantVelocity;
/// use advect_core::{Field, Generator, Key, Time};
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let velocity = EquivariantVelocity::new(&[4, 4], 5, 3, &store.builder())?;
/// let field = Generator::from_seed(1).normal((2, 4, 4), DType::F64, &Device::Cpu)?;
/// let (value, divergence) = velocity.with_divergence(&Time::Shared(0.5), &field)?;
/// assert_eq!((value.dims(), divergence.dims()), (field.dims(), &[2][..]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct EquivariantVelocity {
    extents: Vec<usize>,
    times: usize,
    orbits: usize,
    /// The orbit of each pair of sites.
    pairs: Tensor,
    /// `(times · (1 + frequencies), orbits)`.
    weight: Tensor,
    frequencies: Tensor,
}

/// Features of each site, `(batch, 1 + frequencies, sites)`: φ and `sin(ω φ)`; or their slopes.
fn stacked(first: &Tensor, others: &Tensor) -> Result<Tensor> {
    Ok(Tensor::cat(&[&first.unsqueeze(1)?, others], 1)?)
}

impl EquivariantVelocity {
    /// Creates the velocity on a lattice, with a number of frequencies, which begin at random between 0 and 5, and of functions `cos(π a t)` of time, a = 0, 1, …. Its parameters are `weight`
    /// and `frequencies`.
    ///
    /// # Errors
    /// [`Error::Shape`] for a lattice without sites, [`Error::Range`] for 0 frequencies or functions of time; errors of the builder.
    pub fn new(
        extents: &[usize],
        frequencies: usize,
        times: usize,
        builder: &Builder,
    ) -> Result<Self> {
        let sites = check_extents(extents, 1)?;
        check::at_least_one("frequencies", frequencies)?;
        check::at_least_one("times", times)?;
        check::memory("extents", &[sites, sites], DType::F64)?;
        let (orbits, pairs) = orbits(extents);
        let count = pairs.len();
        let pairs = Tensor::from_vec(pairs, count, &Device::Cpu)?;
        let rows = times * (1 + frequencies);
        let weight = builder.get_with_hints((rows, orbits), "weight", ZERO)?;
        let pairs = pairs.to_device(weight.device())?;
        let range = Init::Uniform { lo: 0.0, up: 5.0 };
        Ok(EquivariantVelocity {
            extents: extents.to_vec(),
            times,
            orbits,
            pairs,
            weight,
            frequencies: builder.get_with_hints(frequencies, "frequencies", range)?,
        })
    }

    /// Weights at a time, by a function `k(a, t)`, `(1 + frequencies, orbits)`.
    fn weights(&self, t: &Time, k: impl Fn(f64, f64) -> f64) -> Result<Tensor> {
        let Time::Shared(t) = t else {
            let accepted = "one time for all samples";
            return Err(Error::range("t", "a time for each sample", accepted));
        };
        let t = check::finite_number("t", *t)?;
        let rows = self.weight.dims()[0] / self.times;
        let mut sum: Option<Tensor> = None;
        for a in 0..self.times {
            let part = (self.weight.narrow(0, a * rows, rows)? * k(a as f64, t))?;
            sum = Some(match sum {
                Some(sum) => (sum + part)?,
                None => part,
            });
        }
        sum.ok_or_else(|| Error::range("times", 0, "a count of at least 1"))
    }

    /// `Σ_y Σ_f W_f(x − y) z_f(y)` for features z, shaped as configurations.
    fn gather(&self, weights: &Tensor, features: &Tensor) -> Result<Tensor> {
        let (batch, count, sites) = features.dims3()?;
        let matrix = weights.index_select(&self.pairs, 1)?;
        let matrix = matrix.reshape((count * sites, sites))?;
        let sums = features.reshape((batch, count * sites))?.matmul(&matrix)?;
        Ok(sums.reshape([&[batch], &self.extents[..]].concat())?)
    }

    /// The field as rows `(batch, sites)`, and the angles `ω φ`, `(batch, frequencies, sites)`.
    fn angles(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let batch = check_field(x, &self.extents)?;
        check::same_kind("field", x, "the weights", &self.weight)?;
        let rows = x.reshape((batch, ()))?;
        let frequencies = self.frequencies.reshape((1, (), 1))?;
        Ok((
            rows.clone(),
            rows.unsqueeze(1)?.broadcast_mul(&frequencies)?,
        ))
    }

    /// The slopes of the features, 1 and `ω cos(ω φ)`.
    fn slopes(&self, rows: &Tensor, angles: &Tensor) -> Result<Tensor> {
        let frequencies = self.frequencies.reshape((1, (), 1))?;
        stacked(
            &rows.ones_like()?,
            &angles.cos()?.broadcast_mul(&frequencies)?,
        )
    }

    /// Returns the velocity and its divergence `Σ_x Σ_f W_f(0) ω_f cos(ω_f φ(x)) + V W₀(0)`, `(batch,)`, both differentiable by parameters and configurations.
    ///
    /// # Errors
    /// [`Error`] for configurations that do not fit, and for a time for each sample.
    pub fn with_divergence(&self, t: &Time, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let (rows, angles) = self.angles(x)?;
        let weights = self.weights(t, |a, t| (PI * a * t).cos())?;
        let value = self.gather(&weights, &stacked(&rows, &angles.sin()?)?)?;
        // Orbit 0 is distance 0.
        let own = weights.narrow(1, 0, 1)?;
        let slopes = self.slopes(&rows, &angles)?.sum(2)?;
        Ok((value, slopes.matmul(&own)?.squeeze(1)?))
    }

    /// Returns the number of distances that are distinct under the symmetries of the lattice.
    pub fn orbits(&self) -> usize {
        self.orbits
    }
}

impl Field for EquivariantVelocity {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        let (rows, angles) = self.angles(x)?;
        let weights = self.weights(t, |a, t| (PI * a * t).cos())?;
        self.gather(&weights, &stacked(&rows, &angles.sin()?)?)
    }
}

impl Jvp for EquivariantVelocity {
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        check::alike("dx", dx, "x", x)?;
        let (rows, angles) = self.angles(x)?;
        let features = stacked(&rows, &angles.sin()?)?;
        let weights = self.weights(t, |a, t| (PI * a * t).cos())?;
        let slopes = self.slopes(&rows, &angles)?;
        let moved = slopes.broadcast_mul(&dx.reshape((rows.dims()[0], 1, ()))?)?;
        let mut along = self.gather(&weights, &moved)?;
        if dt != 0.0 {
            let rates = self.weights(t, |a, t| -dt * PI * a * (PI * a * t).sin())?;
            along = (along + self.gather(&rates, &features)?)?;
        }
        Ok((self.gather(&weights, &features)?, along))
    }
}
