//! Systems with their parameters, as fields.

use std::sync::Arc;

use advect_core::{Error, Field, Jvp, Result, Time, check};
use advect_kernels::program::{Input, Programs};
use candle_core::Tensor;

use super::evaluate::{Argument, evaluate};
use super::formula::{Derivative, Formula};
use super::parameters::Parameters;
use super::rows::Rows;

/// A [`System`](super::System) with its parameters: a field on tensors of shape `(…, N)`, such as `(batch, N)`, and on arrays of `N`
/// numbers.
///
/// [`System::with`](super::System::with) makes it. On tensors, its value is part of the graph of the state, of parameters in
/// a tensor and of times for each sample, and so are its derivatives along directions and its Jacobian. It computes in the dtype
/// of the state, in f32 for 16 bits: by one vectorised pass over blocks of rows on the CPU, by candle's operations elsewhere.
///
/// As it is a field of tensors and of arrays, a state that is a [`Var`](candle_core::Var) is passed as `x.as_tensor()`.
///
/// It looks at no number of the state: NaN gives NaN, a division by 0 an infinity, as in Rust. A [`Solver`](crate::Solver) reports
/// them.
///
/// ```
/// use advect_core::{Field, Jvp, Time};
/// use advect_solvers::system::system;
/// use candle_core::{Device, Tensor, Var};
/// # fn main() -> advect_core::Result<()> {
/// let oscillator = system(|_, [x, v], [stiffness]| [v, -stiffness * x])?;
/// let stiffness = Var::new(&[4f64], &Device::Cpu)?;
/// let field = oscillator.with(&stiffness)?;
/// let (t, x) = (Time::Shared(0.0), Tensor::new(&[[1f64, 2.0], [3.0, 5.0]], &Device::Cpu)?);
///
/// let value = field.at(&t, &x)?;
/// assert_eq!(value.to_vec2::<f64>()?, [[2.0, -4.0], [5.0, -12.0]]);
/// let gradients = value.sum_all()?.backward()?;
/// assert_eq!(gradients.get(&stiffness).unwrap().to_vec1::<f64>()?, [-4.0]);
///
/// let (_, along) = field.jvp(&t, &x, 0.0, &x)?; // the field is linear
/// assert_eq!(along.to_vec2::<f64>()?, value.to_vec2::<f64>()?);
/// let (_, against) = field.vjp(&t, &x, &x)?;
/// assert_eq!(against.to_vec2::<f64>()?, [[-8.0, 1.0], [-20.0, 3.0]]);
/// assert_eq!(field.jacobian(&t, &x)?.to_vec3::<f64>()?[1], [[0.0, 1.0], [-4.0, 0.0]]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct BoundSystem<const N: usize, const P: usize> {
    pub(super) formula: Arc<Formula>,
    pub(super) parameters: Parameters<P>,
}

/// The parts of the inputs.
const TIME: usize = 0;
const STATE: usize = 1;

impl<const N: usize, const P: usize> BoundSystem<N, P> {
    /// Returns the value at `x` of shape `(…, N)`, and the vector–Jacobian product with factors `g` shaped like `x`:
    /// `Σ_i g_i ∂f_i/∂x_j` in place j of each sample. Both are part of the graph.
    ///
    /// # Errors
    /// As [`Field::at`], and [`Error`] naming `g` if it is not like `x`.
    #[doc(alias = "vector-Jacobian product")]
    #[doc(alias = "reverse mode")]
    pub fn vjp(&self, t: &Time, x: &Tensor, g: &Tensor) -> Result<(Tensor, Tensor)> {
        check::alike("g", g, "x", x)?;
        let value = self.at(t, x)?;
        let rows = Rows::of(x, N)?;
        let against = self.formula.derivative(Derivative::Against(vec![STATE]));
        Ok((
            value,
            self.evaluate(&against, t, &rows, vec![rows.alike(g)?], &[N])?,
        ))
    }

    /// Returns the Jacobian of each sample at `x` of shape `(…, N)`: a tensor of shape `(…, N, N)` with `∂f_i/∂x_j` in row
    /// i and column j. It is part of the graph.
    ///
    /// It costs less than derivatives along N directions, as expressions are shared, and what is 0 for every x is not computed.
    ///
    /// # Errors
    /// As [`Field::at`].
    #[doc(alias = "jacfwd")]
    pub fn jacobian(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        let matrix = self.formula.derivative(Derivative::Matrix(STATE));
        self.evaluate(&matrix, t, &Rows::of(x, N)?, Vec::new(), &[N, N])
    }

    /// Returns the Jacobian at an array of numbers, with `∂f_i/∂x_j` in row i and column j.
    ///
    /// ```
    /// use advect_core::Time;
    /// use advect_solvers::system::system;
    /// # fn main() -> advect_core::Result<()> {
    /// let field = system(|_, [x, y], []| [x * y, x - y])?.with([])?;
    /// assert_eq!(field.jacobian_of_numbers(&Time::Shared(0.0), &[2.0, 3.0])?, [[3.0, 2.0], [1.0, -1.0]]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Field::at`].
    pub fn jacobian_of_numbers(&self, t: &Time, x: &[f64; N]) -> Result<[[f64; N]; N]> {
        let matrix = self.formula.derivative(Derivative::Matrix(STATE));
        let mut rows = [[0.0; N]; N];
        self.run(&matrix, t, x, rows.as_flattened_mut())?;
        Ok(rows)
    }

    /// The derivative along a direction of the state, and of time where `dt` is not 0.
    fn along(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<Tensor> {
        check::alike("dx", dx, "x", x)?;
        let rows = Rows::of(x, N)?;
        let mut directions = vec![rows.alike(dx)?];
        let mut parts = vec![STATE];
        if dt != 0.0 {
            directions.push(Argument::Numbers(vec![check::finite_number("dt", dt)?]));
            parts.push(TIME);
        }
        let along = self.formula.derivative(Derivative::Along(parts));
        self.evaluate(&along, t, &rows, directions, &[N])
    }

    /// A formula of time, state, parameters and more, whose outputs are the last dimensions of the tensor.
    fn evaluate(
        &self,
        formula: &Arc<Formula>,
        t: &Time,
        rows: &Rows<'_>,
        more: Vec<Argument>,
        last: &[usize],
    ) -> Result<Tensor> {
        let mut arguments = vec![
            rows.time(t)?,
            rows.state()?,
            self.parameters.argument(rows)?,
        ];
        arguments.extend(more);
        rows.back(&evaluate(formula, &arguments)?, last)
    }

    /// The outputs of a formula of time, state and parameters for one sample of numbers.
    fn run<T: Programs>(
        &self,
        formula: &Formula,
        t: &Time,
        x: &[T; N],
        out: &mut [T],
    ) -> Result<()> {
        let t = match t {
            Time::Shared(t) => check::finite_number("t", *t)?,
            Time::PerSample(times) => match t.values()?[..] {
                [t] => t,
                _ => {
                    let accepted = "(1,), one time for a state of numbers";
                    return Err(Error::shape("t", times.dims(), accepted));
                }
            },
        };
        let numbers;
        let parameters = match &self.parameters {
            Parameters::Numbers(parameters) => parameters,
            tensor => {
                numbers = tensor.numbers()?;
                &numbers
            }
        };
        let inputs = [
            Input::Shared(std::slice::from_ref(&t)),
            Input::Rows(x, N),
            Input::Shared(parameters),
        ];
        T::run(formula.program(), 1, &inputs, out);
        Ok(())
    }
}

impl<const N: usize, const P: usize> Field for BoundSystem<N, P> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        self.evaluate(&self.formula, t, &Rows::of(x, N)?, Vec::new(), &[N])
    }
}

impl<const N: usize, const P: usize> Jvp for BoundSystem<N, P> {
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        Ok((self.at(t, x)?, self.along(t, x, dt, dx)?))
    }

    fn jvp_each(&self, t: &Time, x: &Tensor, dx: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)> {
        let along: Result<Vec<Tensor>> = dx.iter().map(|dx| self.along(t, x, 0.0, dx)).collect();
        Ok((self.at(t, x)?, along?))
    }
}

macro_rules! numbers {
    ($($float:ident),*) => {$(
        impl<const N: usize, const P: usize> Field<[$float; N]> for BoundSystem<N, P> {
            fn at(&self, t: &Time, x: &[$float; N]) -> Result<[$float; N]> {
                let mut out = [0.0; N];
                self.run(&self.formula, t, x, &mut out)?;
                Ok(out)
            }
        }
    )*};
}
numbers!(f32, f64);
