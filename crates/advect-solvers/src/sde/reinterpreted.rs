//! Conversions between the interpretations of Itô and Stratonovich (Kloeden and Platen, Numerical Solution of
//! Stochastic Differential Equations, section 4.9).

use advect_core::{Field, Jvp, Result, Time};
use candle_core::Tensor;

use super::noise::along_itself;
use super::{Additive, Columns, Diagonal, GeneralJvp, Noise, Scalar, sum};

/// Noise whose derivative along itself is known: [`Diagonal`] and [`Scalar`] noise of a [`Jvp`], [`Additive`] noise,
/// and [`GeneralJvp`]. Each element of [`Diagonal`] noise has to depend on the same element of x only.
pub trait AlongItself: Noise {
    /// Returns `Σ_k ∂g_k/∂x g_k`, the sum over the Brownian motions of the derivative of g along itself, shaped like x.
    ///
    /// # Errors
    /// The errors of g.
    fn along_itself(&self, t: &Time, x: &Tensor) -> Result<Tensor>;
}

impl<G: Jvp> AlongItself for Diagonal<G> {
    fn along_itself(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        Ok(along_itself(&self.0, t, x)?.1)
    }
}

impl<G: Jvp> AlongItself for Scalar<G> {
    fn along_itself(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        Ok(along_itself(&self.0, t, x)?.1)
    }
}

impl<G: Fn(f64) -> f64> AlongItself for Additive<G> {
    fn along_itself(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
        Ok(x.zeros_like()?)
    }
}

impl<G, D> AlongItself for GeneralJvp<G, D>
where
    G: Fn(&Time, &Tensor) -> Result<Tensor>,
    D: Fn(&Time, &Tensor, &Tensor) -> Result<Tensor>,
{
    fn along_itself(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        self.along(t, x, &self.matrix(t, x)?, 1.0)
    }
}

/// The drift of an equation in the other interpretation, as returned by [`ito_drift`] and [`stratonovich_drift`].
#[derive(Debug, Clone, Copy)]
pub struct Reinterpreted<F, N> {
    drift: F,
    noise: N,
    /// Of the noise's derivative along itself.
    weight: f64,
}

/// Returns the drift in Itô's sense, `f + ½ Σ_k ∂g_k/∂x g_k`, of the equation whose drift in Stratonovich's sense is
/// f. The noise is the same in both.
///
/// This is for integration forwards in time. Backwards in time Itô's sense follows the direction, and the sign is the
/// other one: that of [`stratonovich_drift`].
///
/// ```
/// use advect_core::{Field, Jvp, Result, Time, field_fn};
/// use advect_solvers::sde::{Diagonal, ito_drift, stratonovich_drift};
/// use candle_core::{Device, Tensor};
///
/// /// `g(x) = x²`.
/// #[derive(Clone, Copy)]
/// struct Square;
/// impl Field for Square {
///     fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
///         Ok(x.sqr()?)
///     }
/// }
/// impl Jvp for Square {
///     fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
///         Ok((self.at(t, x)?, ((x * 2.0)? * dx)?))
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let drift = field_fn(|_, x| Ok(x.clone()));
/// let ito = ito_drift(&drift, Diagonal(Square));
/// let x = Tensor::new(&[3f64], &Device::Cpu)?;
/// assert_eq!(ito.at(&Time::Shared(0.0), &x)?.to_vec1::<f64>()?, [30.0]); // x + ½ · 2x · x²
/// let back = stratonovich_drift(&ito, Diagonal(Square));
/// assert_eq!(back.at(&Time::Shared(0.0), &x)?.to_vec1::<f64>()?, [3.0]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "Wong–Zakai")]
#[doc(alias = "drift correction")]
pub fn ito_drift<F: Field, N: AlongItself>(drift: F, noise: N) -> Reinterpreted<F, N> {
    Reinterpreted {
        drift,
        noise,
        weight: 0.5,
    }
}

/// Returns the drift in Stratonovich's sense, `f − ½ Σ_k ∂g_k/∂x g_k`, of the equation whose drift in Itô's sense is
/// f. The noise is the same in both.
///
/// This is for integration forwards in time. Backwards in time Itô's sense follows the direction, and the sign is the
/// other one: that of [`ito_drift`].
#[doc(alias = "Wong–Zakai")]
#[doc(alias = "drift correction")]
pub fn stratonovich_drift<F: Field, N: AlongItself>(drift: F, noise: N) -> Reinterpreted<F, N> {
    Reinterpreted {
        drift,
        noise,
        weight: -0.5,
    }
}

impl<F: Field, N: AlongItself> Field for Reinterpreted<F, N> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        let (f, along) = (self.drift.at(t, x)?, self.noise.along_itself(t, x)?);
        sum(&[(1.0, &f), (self.weight, &along)])
    }

    fn condition(&self) -> Option<&Tensor> {
        self.drift.condition()
    }
}
