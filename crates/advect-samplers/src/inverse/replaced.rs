//! Replacement for fields: a part of the state follows the path of a known pair (Song et al., Score-based generative
//! modeling through stochastic differential equations, 2021, appendix I.2, with the same noise at all times).

use advect_core::{Error, Field, Generator, Result, Time, check};
use advect_paths::path::{Affine, Path, PathPoint};
use advect_paths::schedule::Schedule;
use candle_core::Tensor;

use crate::Model;
use crate::mask::{binary, wide};

/// A model's field for states of which a part is known: where the mask is 1, the state is `α x1 + σ x0` with the known
/// ends x0 and x1, regardless of the given state, and the value is the prediction for them. Elsewhere it is the value
/// of the model's field at that state.
///
/// Solvers of the ODE, and rules without noise, then carry the known part along a straight path of the schedule, with
/// the solver's error in it. The ends are noise and data, or data of two laws: the known part of x1 need not be that of
/// x0. [`Replaced::at_time`] puts a start on the path, and an end to what is known.
///
/// The law of the rest depends too little on the known part, less than with [`Inpaint`](crate::rule::Inpaint), which
/// draws fresh noise for it at each level: of its two Gaussian coordinates, one known to be 1.5, the other gets mean
/// 0.52 and variance 0.67, where 1.2 and 0.36 were right.
///
/// ```
/// use advect_core::{Time, field_fn};
/// use advect_paths::{Prediction, schedule::CondOt};
/// use advect_samplers::Model;
/// use advect_samplers::inverse::Replaced;
/// use advect_solvers::{Solver, controller::Fixed, stepper::Rk4};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let row = |values: [f64; 2]| Tensor::new(&[values], &Device::Cpu);
/// // A velocity between two laws that takes the second coordinate to the first.
/// let net = field_fn(|_, x| {
///     let gap = (x.narrow(1, 0, 1)? - x.narrow(1, 1, 1)?)?;
///     Ok(Tensor::cat(&[&gap.zeros_like()?, &gap], 1)?)
/// });
/// let model = Model::new(net, Prediction::Velocity, CondOt::default());
/// // The first coordinate is known to go from 0 to 4.
/// let (x0, x1) = (row([0.0, 1.0])?, row([4.0, f64::NAN])?);
/// let field = Replaced::new(model, &x0, &x1, &row([1.0, 0.0])?)?;
/// let end = Solver::new(Rk4, Fixed::steps(40)?).solve(&field, &x0, 0.0, 1.0)?.end()?;
/// let end = field.at_time(&Time::Shared(1.0), &end)?.to_vec2::<f64>()?[0].clone();
/// assert_eq!(end[0], 4.0);
/// assert!((end[1] - 5.0 / std::f64::consts::E).abs() < 1e-6); // y' = 4 t − y
/// # Ok(())
/// # }
/// ```
#[doc(alias = "inpainting")]
#[doc(alias = "replacement method")]
#[derive(Debug, Clone)]
pub struct Replaced<F, S> {
    model: Model<F, S>,
    /// 0 where the mask is.
    x0: Tensor,
    x1: Tensor,
    mask: Tensor,
}

impl<F: Field, S: Schedule> Replaced<F, S> {
    /// Creates the field from a model, the ends x0 and x1, and a mask of any dtype that is 1 where they are known and 0
    /// elsewhere. The shapes broadcast to that of the states. Values where the mask is 0 don't matter: they may be NaN.
    ///
    /// # Errors
    /// [`Error::DType`] for ends that are no floats, [`Error::Range`] for a mask with other numbers, [`Error::Shape`]
    /// for shapes that don't fit each other, [`Error::NonFinite`] for ends that are known and not finite.
    pub fn new(model: Model<F, S>, x0: &Tensor, x1: &Tensor, mask: &Tensor) -> Result<Self> {
        let mask = binary(mask)?;
        check::same_kind("x1", x1, "x0", x0)?;
        check::same_device("mask", mask.device(), "x0", x0.device())?;
        let fits = |argument: &'static str, x: &Tensor, to: &Tensor| {
            let both = x.shape().broadcast_shape_binary_op(to.shape(), argument);
            both.map_err(|_| {
                let accepted = format!("a shape that broadcasts with {:?}", to.dims());
                Error::shape(argument, x.dims(), accepted)
            })
        };
        let shape = fits("x1", x1, x0)?;
        let ends = x0.broadcast_as(&shape)?;
        let shape = fits("mask", &mask, &ends)?;
        let mask = mask.broadcast_as(&shape)?.contiguous()?;
        let known = |argument: &'static str, x: &Tensor| -> Result<Tensor> {
            check::batch(argument, x)?;
            check::float(argument, x)?;
            let x = x.detach().broadcast_as(&shape)?.contiguous()?;
            let x = mask.where_cond(&x, &x.zeros_like()?)?;
            check::finite(argument, &x)?;
            Ok(x)
        };
        Ok(Replaced {
            x0: known("x0", x0)?,
            x1: known("x1", x1)?,
            mask,
            model,
        })
    }

    /// Returns a state at time t with the known part on its path.
    ///
    /// # Errors
    /// [`Error::Shape`] where what is known does not broadcast to the state; typed errors for other dtypes and devices.
    pub fn at_time(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        let (mask, point) = self.known(t, x)?;
        Ok(mask.where_cond(&point.x, &x.contiguous()?)?)
    }

    /// The mask in the shape of the state, and the point of the path.
    fn known(&self, t: &Time, x: &Tensor) -> Result<(Tensor, PathPoint)> {
        let (x0, x1) = (wide("x0", &self.x0, x)?, wide("x1", &self.x1, x)?);
        check::same_kind("x0", &x0, "the states", x)?;
        // The path has no noise of its own.
        let mut rng = Generator::from_seed(0);
        let point = Affine::new(self.model.schedule()).sample(t, &x0, &x1, &mut rng)?;
        Ok((wide("mask", &self.mask, x)?, point))
    }
}

impl<F: Field, S: Schedule> Field for Replaced<F, S> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        let (mask, point) = self.known(t, x)?;
        let state = mask.where_cond(&point.x, &x.contiguous()?)?;
        let value = self.model.field().at(t, &state)?;
        check::alike("field", &value, "x", x)?;
        let known = point.target(self.model.prediction())?;
        Ok(mask.where_cond(&known, &value.contiguous()?)?)
    }

    fn condition(&self) -> Option<&Tensor> {
        self.model.field().condition()
    }
}
