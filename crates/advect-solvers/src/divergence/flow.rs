//! The change of variables along a flow.

use std::sync::Arc;

use advect_core::{Error, Field, Jvp, Result, Time, check, shape};
use advect_ops::without_graph;
use candle_core::{DType, Tensor};

use super::packed::Packed;
use super::{Divergence, Transported};
use crate::Solver;
use crate::adjoint::Adjoint;
use crate::controller::Controller;
use crate::stepper::Stepper;

/// The flow of a field with its change of variables: a state and its log-density that move together,
/// `dx/dt = f(t, x)`, `d log p(x(t))/dt = −∇·f(t, x)` (Chen et al., Neural ordinary differential equations, 2018, theorem 1).
///
/// The divergence may be exact or estimated, and further integrals along the way may be taken beside it:
/// [`Flow::kinetic_energy`] and [`Flow::jacobian_norm`]. [`Flow::transport`] moves samples by any solver,
/// [`Flow::transport_by`] by any [`Adjoint`], so that the result can be differentiated at little memory. The density of a
/// continuous normalizing flow with base `p₀` at time 0 takes one integration backwards ([`Flow::log_density`]):
///
/// ```
/// use advect_core::normal::{log_normal, log_standard_normal};
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
/// let log_density = flow.log_density(&solver, &x, log_standard_normal)?.to_vec1::<f64>()?;
/// let expected = log_normal(&x, 1f64.exp())?.to_vec1::<f64>()?;
/// assert!((log_density[1] - expected[1]).abs() < 1e-8);
///
/// // With the kinetic energy ∫ |f|² dt beside it: ∫ (x/2)² dt from x(1) = 2 back to x(0) = 2 e^(−1/2).
/// let moved = flow.kinetic_energy().transport(&solver, &x, 1.0, 0.0)?;
/// let energy = moved.kinetic_energy.unwrap().to_vec1::<f64>()?;
/// assert!((energy[1] - (1.0 - (-1f64).exp())).abs() < 1e-8);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[doc(alias = "CNF")]
#[doc(alias = "FFJORD")]
#[doc(alias = "continuous normalizing flow")]
#[doc(alias = "change of variables")]
pub struct Flow<F, D> {
    field: F,
    divergence: D,
    kinetic: bool,
    jacobian: bool,
    detached: bool,
}

impl<F: Jvp, D: Divergence> Flow<F, D> {
    /// Creates the flow of a field, with a method for its divergence.
    pub fn new(field: F, divergence: D) -> Self {
        Flow {
            field,
            divergence,
            kinetic: false,
            jacobian: false,
            detached: false,
        }
    }

    /// Adds the kinetic energy `∫ |f|² |dt|` of each sample along the flow ([`Transported::kinetic_energy`]).
    #[doc(alias = "RNODE")]
    pub fn kinetic_energy(self) -> Self {
        Flow {
            kinetic: true,
            ..self
        }
    }

    /// Adds the integral `∫ ‖∂f/∂x‖² |dt|` of the Jacobian's squared Frobenius norm for each sample along the flow
    /// ([`Transported::jacobian_norm`]), for divergences that find it: [`Exact`](super::Exact) and
    /// [`Hutchinson`](super::Hutchinson).
    #[doc(alias = "RNODE")]
    pub fn jacobian_norm(self) -> Self {
        Flow {
            jacobian: true,
            ..self
        }
    }

    /// Takes each value of the field and its divergence out of the graph, for likelihoods that are not differentiated
    /// but whose field has tracked parameters.
    pub fn detached(self) -> Self {
        Flow {
            detached: true,
            ..self
        }
    }

    /// Returns the initial state of the flow: samples `(batch, ...)`, in f32 for samples of 16 bits, and integrals of
    /// 0, one column each. With it the flow is a field that any [`Integration`](crate::Integration) takes;
    /// [`Flow::read`] reads the states.
    ///
    /// # Errors
    /// [`Error::Shape`] for a scalar, [`Error::Empty`] for an empty batch.
    pub fn begin(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let batch = check::batch("x", x)?;
        let x = shape::wide(x)?;
        let zeros = Tensor::zeros((batch, self.columns()), x.dtype(), x.device())?;
        Ok((x, zeros))
    }

    /// Returns the samples and the integrals of a state that the flow moved from `start` to `end`.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is a column for each integral.
    pub fn read(&self, state: &(Tensor, Tensor), start: f64, end: f64) -> Result<Transported> {
        let (x, integrals) = state;
        let (batch, columns) = (check::batch("state", x)?, self.columns());
        if integrals.dims() != [batch, columns] {
            let accepted = format!("({batch}, {columns}), a column for each integral");
            return Err(Error::shape("state", integrals.dims(), accepted));
        }
        let column = |i: usize| -> Result<Tensor> { Ok(integrals.narrow(1, i, 1)?.squeeze(1)?) };
        // Integrals of what is not negative, whichever way time ran.
        let unsigned = |i: usize| match end < start {
            true => Ok(column(i)?.neg()?),
            false => column(i),
        };
        let probes = self.divergence.estimates();
        let by_probe = match probes {
            1 => None,
            probes => Some(integrals.narrow(1, 0, probes)?),
        };
        let log_density_change = match &by_probe {
            Some(all) => all.mean(1)?,
            None => column(0)?,
        };
        Ok(Transported {
            kinetic_energy: match self.kinetic {
                true => Some(unsigned(probes)?),
                false => None,
            },
            jacobian_norm: match self.jacobian {
                true => Some(unsigned(columns - 1)?),
                false => None,
            },
            by_probe,
            ..Transported::new(x.clone(), log_density_change)
        })
    }

    /// Moves samples and their log-density from one time to another, in either direction. Samples of 16 bits are moved in
    /// f32, and the field is evaluated in their dtype.
    ///
    /// # Errors
    /// The errors of [`Solver::solve`], and [`Error::Stopped`] if the end is not reached.
    pub fn transport<S, C>(
        &self,
        solver: &Solver<S, C>,
        x: &Tensor,
        start: f64,
        end: f64,
    ) -> Result<Transported>
    where
        S: Stepper<(Tensor, Tensor)>,
        C: Controller<S, (Tensor, Tensor)>,
    {
        let moved = self.transport_wide(solver, x, start, end)?;
        Ok(Transported {
            x: moved.x.to_dtype(x.dtype())?,
            ..moved
        })
    }

    /// The same, with samples of 16 bits left in f32.
    fn transport_wide<S, C>(
        &self,
        solver: &Solver<S, C>,
        x: &Tensor,
        start: f64,
        end: f64,
    ) -> Result<Transported>
    where
        S: Stepper<(Tensor, Tensor)>,
        C: Controller<S, (Tensor, Tensor)>,
    {
        let field = Cast {
            flow: self,
            dtype: x.dtype(),
        };
        let solution = solver.solve(&field, &self.begin(x)?, start, end)?;
        let moved = self.read(&solution.end()?, start, end)?;
        Ok(Transported {
            statistics: solution.statistics,
            ..moved
        })
    }

    /// Moves samples and their log-density by an [`Adjoint`], so that the result is part of the graph of the samples
    /// and of the field's `parameters`.
    ///
    /// Samples and integrals are the columns of one state, `(batch, d + integrals)`, for the solver of the adjoint.
    ///
    /// # Errors
    /// The errors of [`Adjoint::solve`], and [`Error::Stopped`] if the end is not reached.
    pub fn transport_by<A: Adjoint>(
        self: &Arc<Self>,
        adjoint: &A,
        parameters: &[Tensor],
        x: &Tensor,
        start: f64,
        end: f64,
    ) -> Result<Transported>
    where
        F: Send + Sync + 'static,
        D: Send + Sync + 'static,
    {
        let packed = Arc::new(Packed::new(self, x)?);
        let solution = adjoint.solve(&packed, parameters, &packed.begin(x)?, &[start, end])?;
        let moved = self.read(&packed.split(&solution.end()?)?, start, end)?;
        Ok(Transported {
            x: moved.x.to_dtype(x.dtype())?,
            statistics: solution.statistics,
            ..moved
        })
    }

    /// Returns the log-density of samples at time 1, to which the flow moves a base density from time 0:
    /// `log p₁(x) = log p₀(x(0)) + ∫₀¹ −∇·f dt`, `(batch,)`. `base` returns `log p₀`, `(batch,)`, as
    /// [`log_standard_normal`](advect_core::normal::log_standard_normal) does; x(0) of samples of 16 bits is in f32.
    ///
    /// # Errors
    /// As [`Flow::transport`], and the errors of `base`.
    #[doc(alias = "log_prob")]
    pub fn log_density<S, C>(
        &self,
        solver: &Solver<S, C>,
        x: &Tensor,
        base: impl Fn(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor>
    where
        S: Stepper<(Tensor, Tensor)>,
        C: Controller<S, (Tensor, Tensor)>,
    {
        let moved = self.transport_wide(solver, x, 1.0, 0.0)?;
        Ok((shape::wide(&base(&moved.x)?)? - moved.log_density_change)?)
    }

    /// The number of integrals.
    pub(super) fn columns(&self) -> usize {
        self.divergence.estimates() + usize::from(self.kinetic) + usize::from(self.jacobian)
    }

    /// The value of the field at a state, and those whose integrals are taken, each `(batch,)`; the field is evaluated in a
    /// dtype.
    pub(super) fn slopes(
        &self,
        t: &Time,
        x: &Tensor,
        dtype: DType,
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let cast = x.to_dtype(dtype)?;
        let find = || match self.jacobian {
            true => self.divergence.with_norm(&self.field, t, &cast),
            false => self.divergence.at(&self.field, t, &cast),
        };
        let found = match self.detached {
            true => without_graph(find)?,
            false => find()?,
        };
        let value = match self.detached {
            true => found.value.detach(),
            false => found.value,
        };
        let probes = self.divergence.estimates();
        let mut rates = match probes {
            1 => vec![found.divergence],
            _ => found.estimates,
        };
        if rates.len() != probes {
            let accepted = format!("{probes}, as Divergence::estimates says");
            return Err(Error::range("estimates", rates.len(), accepted));
        }
        for rate in &mut rates {
            *rate = rate.neg()?;
        }
        if self.kinetic {
            rates.push(shape::sum_squares_per_sample(&value)?);
        }
        if self.jacobian {
            rates.push(found.jacobian_norm.ok_or_else(|| {
                let accepted = "one that finds the norm in Divergence::with_norm";
                Error::range(
                    "divergence",
                    "one without the norm of the Jacobian",
                    accepted,
                )
            })?);
        }
        for rate in &mut rates {
            *rate = rate.to_dtype(x.dtype())?;
            if self.detached {
                *rate = rate.detach();
            }
        }
        Ok((value.to_dtype(x.dtype())?, rates))
    }
}

/// The flow as a field on samples and integrals ([`Flow::begin`]).
impl<F: Jvp, D: Divergence> Field<(Tensor, Tensor)> for Flow<F, D> {
    fn at(&self, t: &Time, state: &(Tensor, Tensor)) -> Result<(Tensor, Tensor)> {
        let cast = Cast {
            flow: self,
            dtype: state.0.dtype(),
        };
        cast.at(t, state)
    }
}

/// A flow whose field is evaluated in a dtype.
struct Cast<'a, F, D> {
    flow: &'a Flow<F, D>,
    dtype: DType,
}

impl<F: Jvp, D: Divergence> Field<(Tensor, Tensor)> for Cast<'_, F, D> {
    fn at(&self, t: &Time, (x, _): &(Tensor, Tensor)) -> Result<(Tensor, Tensor)> {
        let (value, rates) = self.flow.slopes(t, x, self.dtype)?;
        let columns = match rates.as_slice() {
            [one] => one.unsqueeze(1)?,
            all => Tensor::stack(all, 1)?,
        };
        Ok((value, columns))
    }
}
