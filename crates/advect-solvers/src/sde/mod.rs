//! Stochastic differential equations `dx = f(t, x) dt + g(t, x) dW`.
//!
//! The drift f is a field like any other. The noise is in the stepper, so that the loop, the controllers, saves and
//! gradients are the same as for ordinary equations. A [`BrownianPath`] is a function of its key: whatever the steps, it is
//! the same path, so that halving them shows the strong error.
//!
//! | stepper | interpretation | noise | strong order |
//! | --- | --- | --- | --- |
//! | [`EulerMaruyama`] | Itô | any | 0.5, 1 for additive noise |
//! | [`Milstein`], [`MilsteinDerivativeFree`] | Itô or Stratonovich | [`Diagonal`], [`Scalar`] | 1 |
//! | [`StratonovichHeun`] | Stratonovich | any | 1 for [`Diagonal`], [`Scalar`] and [`Additive`], else 0.5 |
//! | [`Sra1`] | either | [`Additive`] | 1.5 |
//!
//! The states are at the ends of steps. A state between them is not a function of the two ends but of the path, so end a
//! step wherever a state is wanted, by [`Save::At`](crate::Save::At); interpolation is refused.
//!
//! Backwards in time, Itô's sense follows the direction of integration: the noise is taken where each step starts.
//!
//! ```
//! use advect_core::{Key, Time, field_fn};
//! use advect_solvers::sde::{BrownianPath, Diagonal, EulerMaruyama};
//! use advect_solvers::{Solver, controller::Fixed};
//! use candle_core::{DType, Device, Tensor};
//! # fn main() -> advect_core::Result<()> {
//! // An Ornstein–Uhlenbeck process, dx = −x dt + 0.5 dW.
//! let drift = field_fn(|_, x| Ok(x.neg()?));
//! let noise = Diagonal(field_fn(|_, x| Ok(x.ones_like()?.affine(0.5, 0.0)?)));
//! let x0 = Tensor::zeros((1000, 1), DType::F64, &Device::Cpu)?;
//! let path = BrownianPath::new(Key::from_seed(0), &x0, 0.0, 5.0)?.cells(200)?;
//! let solver = Solver::new(EulerMaruyama::new(noise, path), Fixed::steps(200)?);
//! let x = solver.solve(&drift, &x0, 0.0, 5.0)?.end()?.flatten_all()?.to_vec1::<f64>()?;
//! let variance = x.iter().map(|x| x * x).sum::<f64>() / 1000.0;
//! assert!((variance - 0.125).abs() < 0.02);
//! # Ok(())
//! # }
//! ```

mod brownian;
mod euler_maruyama;
mod milstein;
mod noise;
mod sra1;
mod stratonovich_heun;

use advect_core::{Coefficient, Error, Field, Result, Time};
use candle_core::Tensor;

use crate::{Interval, State};

pub use brownian::{BrownianPath, Increment};
pub use euler_maruyama::EulerMaruyama;
pub use milstein::{Interpretation, Milstein, MilsteinDerivativeFree};
pub use noise::{Additive, Diagonal, General, Noise, Pointwise, Scalar};
pub use sra1::Sra1;
pub use stratonovich_heun::StratonovichHeun;

/// The start and the end of a step that all samples share.
fn shared(interval: &Interval) -> Result<(f64, f64)> {
    match interval {
        Interval::Shared { start, end } => Ok((*start, *end)),
        Interval::PerSample { .. } => Err(Error::range(
            "interval",
            "a clock for each sample",
            "one clock, because a Brownian path has one time,",
        )),
    }
}

/// The drift at the start of a step, evaluated unless known.
fn drift(field: &dyn Field, t: f64, x: &Tensor, slope: Option<&Tensor>) -> Result<Tensor> {
    match slope {
        Some(slope) => Ok(slope.clone()),
        None => {
            let slope = field.at(&Time::Shared(t), x)?;
            slope.alike("field", "x", x)?;
            Ok(slope)
        }
    }
}

/// `Σ_i c_i x_i`.
fn sum(terms: &[(f64, &Tensor)]) -> Result<Tensor> {
    let terms: Vec<_> = (terms.iter().map(|(c, x)| (Coefficient::Shared(*c), *x))).collect();
    advect_ops::combine(&terms)
}
