//! Stochastic differential equations `dx = f(t, x) dt + g(t, x) dW`.
//!
//! The drift f is a field like any other. The noise is in the stepper, so that the loop, the controllers, saves and
//! gradients are the same as for ordinary equations. A [`BrownianPath`] is a function of its key: whatever the steps,
//! it is the same path, so that halving them shows the strong error.
//!
//! | stepper | interpretation | noise | strong order | error estimate |
//! | --- | --- | --- | --- | --- |
//! | [`EulerMaruyama`] | Itô | any | 0.5, 1 for [`Additive`] noise | [`Halved`], for [`Additive`] noise |
//! | [`StratonovichHeun`] | Stratonovich | any | 1 for [`Diagonal`], [`Scalar`] and [`Additive`], else 0.5 | [`Halved`], where it is 1 |
//! | [`Milstein`], [`MilsteinDerivativeFree`] | Itô or Stratonovich | [`Diagonal`], [`Scalar`] | 1 | [`Halved`] |
//! | [`MilsteinGeneral`] | Itô or Stratonovich | [`General`], [`GeneralJvp`] | 1 | |
//! | [`Sra1`], [`Sra3`] | either | [`Additive`] | 1.5 | its own |
//! | [`Sriw1`] | Itô | [`Diagonal`], [`Scalar`] | 1.5 | its own |
//! | [`ExponentialEulerMaruyama`] | either | [`Additive`], beside a linear drift | 1, exact without another drift | |
//!
//! [`ito_drift`] and [`stratonovich_drift`] convert between the interpretations.
//!
//! With an error estimate, [`Adaptive`](crate::controller::Adaptive) chooses the steps. A rejected step leaves the
//! path as it is, and so the law of the solution. Methods that such steps would mislead give no estimate: see
//! [`Pathwise`]. Give [`BrownianPath::resolution`] to [`Adaptive::min_step`](crate::controller::Adaptive::min_step).
//!
//! The states are at the ends of steps. A state between them is not a function of the two ends but of the path too. To
//! be as precise as the method, it is the end of a step, by [`Save::At`](crate::Save::At); [`Bridged`] makes it of the
//! path's bridge afterwards. Interpolation that knows nothing of the path is refused.
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

mod bridged;
mod brownian;
mod euler_maruyama;
mod exponential_euler;
mod general;
mod halved;
mod milstein;
mod milstein_general;
mod noise;
mod pathwise;
mod reinterpreted;
mod sra;
mod sriw1;
mod stratonovich_heun;

use advect_core::{Coefficient, Field, Result, Time};
use candle_core::Tensor;

use crate::{Interval, State};

pub use bridged::Bridged;
pub use brownian::{BrownianPath, Increment, LevyIncrement};
pub use euler_maruyama::EulerMaruyama;
pub use exponential_euler::ExponentialEulerMaruyama;
pub use general::{Columns, General, GeneralJvp};
pub use halved::Halved;
pub use milstein::{Interpretation, Milstein, MilsteinDerivativeFree};
pub use milstein_general::MilsteinGeneral;
pub use noise::{Additive, Commutative, Diagonal, Noise, Pointwise, Scalar};
pub use pathwise::Pathwise;
pub use reinterpreted::{AlongItself, Reinterpreted, ito_drift, stratonovich_drift};
pub use sra::{Sra1, Sra3};
pub use sriw1::Sriw1;
pub use stratonovich_heun::StratonovichHeun;

/// The start and the end of a step that all samples share.
fn shared(interval: &Interval) -> Result<(f64, f64)> {
    interval.shared("a Brownian path has one time")
}

/// The drift at the start of a step, evaluated unless known.
pub(crate) fn drift(
    field: &dyn Field,
    t: f64,
    x: &Tensor,
    slope: Option<&Tensor>,
) -> Result<Tensor> {
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
pub(crate) fn sum(terms: &[(f64, &Tensor)]) -> Result<Tensor> {
    let terms: Vec<_> = (terms.iter().map(|(c, x)| (Coefficient::Shared(*c), *x))).collect();
    advect_ops::combine(&terms)
}
