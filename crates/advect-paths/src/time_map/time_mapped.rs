//! A network behind a map of time.

use advect_core::{Coefficient, Conditional, ConditionalJvp, Field, Jvp, Result, Time, check};
use advect_ops::combine;
use candle_core::Tensor;

use super::TimeMap;

/// A network that receives `τ(t)` in place of t, for a [`TimeMap`] τ: `f(τ(t), x)`.
///
/// It takes the network's conditions, and has the network's derivatives along directions, time included, with the factor τ'(t).
///
/// ```
/// use advect_core::{Conditional, Field, Result, Time};
/// use advect_paths::time_map::{LinearTime, TimeMapped};
/// use candle_core::{Device, Tensor};
///
/// /// Adds its time and a context.
/// struct Sum;
///
/// impl Conditional for Sum {
///     fn at_given(&self, t: &Time, x: &Tensor, context: &Tensor) -> Result<Tensor> {
///         Ok(((x + context)? + t.values()?[0])?)
///     }
///     fn no_condition(&self, x: &Tensor) -> Result<Tensor> {
///         Ok(x.zeros_like()?)
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let net = TimeMapped::new(Sum, LinearTime::between(1000.0, 0.0)?);
/// let x = Tensor::new(&[1f64], &Device::Cpu)?;
/// let context = Tensor::new(&[20f64], &Device::Cpu)?;
/// assert_eq!(net.given(&context).at(&Time::Shared(0.25), &x)?.to_vec1::<f64>()?, [771.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeMapped<F, M> {
    network: F,
    map: M,
}

impl<F, M: TimeMap> TimeMapped<F, M> {
    /// Creates a field from a network and a map of time.
    pub fn new(network: F, map: M) -> Self {
        TimeMapped { network, map }
    }

    /// Returns the network.
    pub fn network(&self) -> &F {
        &self.network
    }

    /// The value, and its derivative along `(dt, dx)` by that of the network.
    fn along(
        &self,
        t: &Time,
        x: &Tensor,
        dt: f64,
        dx: &Tensor,
        jvp: impl Fn(&Time, f64, &Tensor) -> Result<(Tensor, Tensor)>,
    ) -> Result<(Tensor, Tensor)> {
        let told = self.told(t, x)?;
        if dt == 0.0 {
            return jvp(&told, 0.0, dx);
        }
        match self.map.slopes(t)? {
            Coefficient::Shared(slope) => jvp(&told, slope * dt, dx),
            Coefficient::PerSample(slopes) if slopes.iter().all(|s| *s == slopes[0]) => {
                jvp(&told, slopes[0] * dt, dx)
            }
            slopes => {
                // A network has one dt for all samples: along time and along the state apart, each sample with its slope.
                let (value, along) = jvp(&told, 0.0, dx)?;
                let (_, in_time) = jvp(&told, dt, &dx.zeros_like()?)?;
                Ok((value, combine(&[(1.0.into(), &along), (slopes, &in_time)])?))
            }
        }
    }

    fn told(&self, t: &Time, x: &Tensor) -> Result<Time> {
        t.fits(check::batch("x", x)?)?;
        self.map.apply(t)
    }
}

impl<F: Field, M: TimeMap> Field for TimeMapped<F, M> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        self.network.at(&self.told(t, x)?, x)
    }

    fn condition(&self) -> Option<&Tensor> {
        self.network.condition()
    }
}

impl<F: Jvp, M: TimeMap> Jvp for TimeMapped<F, M> {
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        self.along(t, x, dt, dx, |t, dt, dx| self.network.jvp(t, x, dt, dx))
    }

    fn jvp_each(&self, t: &Time, x: &Tensor, dx: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)> {
        self.network.jvp_each(&self.told(t, x)?, x, dx)
    }
}

impl<F: Conditional, M: TimeMap> Conditional for TimeMapped<F, M> {
    fn at_given(&self, t: &Time, x: &Tensor, condition: &Tensor) -> Result<Tensor> {
        (self.network).at_given(&self.told(t, x)?, x, condition)
    }

    fn no_condition(&self, x: &Tensor) -> Result<Tensor> {
        self.network.no_condition(x)
    }
}

impl<F: ConditionalJvp, M: TimeMap> ConditionalJvp for TimeMapped<F, M> {
    fn jvp_given(
        &self,
        t: &Time,
        x: &Tensor,
        condition: &Tensor,
        dt: f64,
        dx: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        self.along(t, x, dt, dx, |t, dt, dx| {
            self.network.jvp_given(t, x, condition, dt, dx)
        })
    }

    fn jvp_each_given(
        &self,
        t: &Time,
        x: &Tensor,
        condition: &Tensor,
        dx: &[Tensor],
    ) -> Result<(Tensor, Vec<Tensor>)> {
        (self.network).jvp_each_given(&self.told(t, x)?, x, condition, dx)
    }
}
