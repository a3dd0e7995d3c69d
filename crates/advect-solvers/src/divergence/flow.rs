//! The change of variables along a flow.

use advect_core::{Error, Field, Jvp, Result, Time, check, shape};
use candle_core::{DType, Tensor};

use super::Divergence;
use crate::controller::Controller;
use crate::stepper::Stepper;
use crate::{Solution, Solver};

/// A state and its log-density moved together: `dx/dt = f(t, x)`, `d log p(x(t))/dt = −∇·f(t, x)` (Chen et al., Neural
/// ordinary differential equations, 2018, theorem 1).
///
/// The log-density stands in the last column of one tensor, `(batch, d + 1)`, so that every solver and every
/// [gradient](crate::gradient) can be used on it; [`Flow::transport`] does the packing. The density of a continuous
/// normalizing flow with base `p₀` at time 0 is had by one integration backwards ([`Flow::log_density`]):
///
/// ```
/// use advect_core::{Field, Jvp, Result, Time};
/// use advect_solvers::divergence::{Exact, Flow};
/// use advect_solvers::{Solver, controller::Adaptive, stepper::Dopri5};
/// use candle_core::{Device, Tensor};
///
/// /// `f(x) = a x`, which stretches N(0, 1) to N(0, e^(2a)).
/// struct Stretch(f64);
/// impl Field for Stretch {
///     fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
///         Ok((x * self.0)?)
///     }
/// }
/// impl Jvp for Stretch {
///     fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
///         Ok((self.at(t, x)?, (dx * self.0)?))
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let x = Tensor::new(&[[0.3f64], [2.0]], &Device::Cpu)?;
/// let flow = Flow::new(Stretch(0.5), Exact);
/// let solver = Solver::new(Dopri5, Adaptive::new(1e-9, 1e-9)?);
/// let log_2_pi = (2.0 * std::f64::consts::PI).ln();
/// let base = |x: &Tensor| Ok(x.sqr()?.sum(1)?.affine(-0.5, -0.5 * log_2_pi)?);
/// let log_density = flow.log_density(&solver, &x, base)?.to_vec1::<f64>()?;
/// let normal = |x: f64, s: f64| -0.5 * (x / s).powi(2) - s.ln() - 0.5 * log_2_pi;
/// assert!((log_density[1] - normal(2.0, 0.5f64.exp())).abs() < 1e-8);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Flow<F, D> {
    field: F,
    divergence: D,
}

/// What [`Flow::transport`] gives.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Transported {
    /// The states at the end, of the dtype that they had at the start.
    pub x: Tensor,
    /// `log p(x(end)) − log p(x(start))` along each sample's way, `(batch,)`: `−∫ ∇·f dt`; in f32 for states of 16 bits.
    pub log_density_change: Tensor,
    /// The whole integration, of states `(batch, d + 1)`, in f32 for states of 16 bits.
    pub solution: Solution,
}

impl<F: Jvp, D: Divergence> Flow<F, D> {
    /// The flow of a field, with a way to find its divergence.
    pub fn new(field: F, divergence: D) -> Self {
        Flow { field, divergence }
    }

    /// Moves samples and their log-density from one time to another, in either direction. Samples of 16 bits are moved in
    /// f32, and the field is evaluated in their dtype.
    ///
    /// # Errors
    /// Those of [`Solver::solve`], and [`Error::Stopped`] if the end is not reached.
    pub fn transport<S, C>(
        &self,
        solver: &Solver<S, C>,
        x: &Tensor,
        start: f64,
        end: f64,
    ) -> Result<Transported>
    where
        S: Stepper,
        C: Controller<S>,
    {
        let packed = Packed {
            flow: self,
            shape: x.dims(),
            dtype: x.dtype(),
        };
        let solution = solver.solve(&packed, &pack(&shape::wide(x)?)?, start, end)?;
        let (moved, log_density_change) = unpack(&solution.end()?, x.dims())?;
        Ok(Transported {
            x: moved.to_dtype(x.dtype())?,
            log_density_change,
            solution,
        })
    }

    /// The log-density at time 1 of samples that a base density at time 0 was transported to:
    /// `log p₁(x) = log p₀(x(0)) + ∫₀¹ −∇·f dt`, `(batch,)`. `base` gives `log p₀`, `(batch,)`.
    ///
    /// # Errors
    /// As [`Flow::transport`], and those of `base`.
    pub fn log_density<S, C>(
        &self,
        solver: &Solver<S, C>,
        x: &Tensor,
        base: impl Fn(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor>
    where
        S: Stepper,
        C: Controller<S>,
    {
        let moved = self.transport(solver, x, 1.0, 0.0)?;
        Ok((shape::wide(&base(&moved.x)?)? - moved.log_density_change)?)
    }

    /// The value on a packed state, whose samples have this shape, the batch excluded; the field is evaluated in a dtype.
    fn packed(&self, t: &Time, state: &Tensor, sample: &[usize], dtype: DType) -> Result<Tensor> {
        let batch = check::batch("x", state)?;
        let dims: Vec<usize> = [&[batch], sample].concat();
        let (x, _) = unpack(state, &dims)?;
        let found = (self.divergence).at(&self.field, t, &x.to_dtype(dtype)?)?;
        let rows = found.value.reshape((batch, ()))?.to_dtype(state.dtype())?;
        let change = found.divergence.neg()?.reshape((batch, 1))?;
        let change = change.to_dtype(state.dtype())?;
        Ok(Tensor::cat(&[rows, change], 1)?)
    }
}

/// The flow as a field on packed states of samples `(d,)`: what gradients need.
impl<F: Jvp, D: Divergence> Field for Flow<F, D> {
    fn at(&self, t: &Time, state: &Tensor) -> Result<Tensor> {
        match state.dims() {
            &[_, width] if width > 1 => self.packed(t, state, &[width - 1], state.dtype()),
            dims => Err(Error::shape("x", dims, "(batch, d + 1)")),
        }
    }
}

/// A flow on samples of any shape.
struct Packed<'a, F, D> {
    flow: &'a Flow<F, D>,
    /// Of the unpacked states.
    shape: &'a [usize],
    dtype: DType,
}

impl<F: Jvp, D: Divergence> Field for Packed<'_, F, D> {
    fn at(&self, t: &Time, state: &Tensor) -> Result<Tensor> {
        self.flow.packed(t, state, &self.shape[1..], self.dtype)
    }
}

/// States `(batch, ...)` with a log-density of 0 beside them: `(batch, d + 1)`, what a [`Flow`] as a field moves. The
/// log-density has the dtype of the states; in 16 bits it has two or three digits, so widen the states before.
///
/// # Errors
/// [`Error`] for an empty batch.
pub fn pack(x: &Tensor) -> Result<Tensor> {
    let batch = check::batch("x", x)?;
    let rows = x.reshape((batch, ()))?;
    let zeros = Tensor::zeros((batch, 1), x.dtype(), x.device())?;
    Ok(Tensor::cat(&[rows, zeros], 1)?)
}

/// The states in the shape that they had, and the change of the log-density.
///
/// # Errors
/// [`Error::Shape`] unless the states are `(batch, d + 1)`; those of candle, if `dims` has another number of elements.
pub fn unpack(state: &Tensor, dims: &[usize]) -> Result<(Tensor, Tensor)> {
    let width = match state.dims() {
        &[_, width] if width > 1 => width - 1,
        given => return Err(Error::shape("state", given, "(batch, d + 1)")),
    };
    let x = state.narrow(1, 0, width)?.reshape(dims)?;
    Ok((x, state.narrow(1, width, 1)?.squeeze(1)?))
}
