//! The parameters of systems.

use advect_core::{Error, Result, check};
use candle_core::{DType, Tensor, Var};

use super::evaluate::Argument;
use super::rows::Rows;

/// The parameters of a [`System`](super::System): `P` plain numbers, or a tensor.
///
/// A tensor of shape `(P,)` holds parameters for all samples. Any other is of a shape that broadcasts to that of the state, but for the
/// last dimension: `(batch, P)` for a state `(batch, N)`, `(batch, 1, P)` or `(bodies, P)` for a state `(batch, bodies, N)`.
///
/// Arrays of numbers, tensors and variables convert to it:
///
/// ```
/// use advect_core::{Field, Time};
/// use advect_solvers::system::system;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let decay = system(|_, [x], [rate]| [-rate * x])?;
/// let x = Tensor::new(&[[1f64], [2.0]], &Device::Cpu)?;
/// let rates = Tensor::new(&[[0.5f64], [3.0]], &Device::Cpu)?;
/// assert_eq!(decay.with([2.0])?.at(&Time::Shared(0.0), &x)?.to_vec2::<f64>()?, [[-2.0], [-4.0]]);
/// assert_eq!(decay.with(rates)?.at(&Time::Shared(0.0), &x)?.to_vec2::<f64>()?, [[-0.5], [-6.0]]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Parameters<const P: usize> {
    /// Numbers, which are constants.
    Numbers([f64; P]),
    /// A tensor, which may be a variable that is trained.
    Tensor(Tensor),
}

impl<const P: usize> From<[f64; P]> for Parameters<P> {
    fn from(numbers: [f64; P]) -> Self {
        Parameters::Numbers(numbers)
    }
}

impl<const P: usize> From<Tensor> for Parameters<P> {
    fn from(x: Tensor) -> Self {
        Parameters::Tensor(x)
    }
}

impl<const P: usize> From<&Tensor> for Parameters<P> {
    fn from(x: &Tensor) -> Self {
        Parameters::Tensor(x.clone())
    }
}

impl<const P: usize> From<&Var> for Parameters<P> {
    fn from(x: &Var) -> Self {
        Parameters::Tensor(x.as_tensor().clone())
    }
}

impl<const P: usize> Parameters<P> {
    /// Checks the last dimension, dtype and values.
    pub(super) fn check(&self) -> Result<()> {
        match self {
            Parameters::Numbers(numbers) => match numbers.iter().position(|x| !x.is_finite()) {
                None => Ok(()),
                Some(index) => Err(Error::NonFinite {
                    argument: "parameters".into(),
                    index,
                    value: numbers[index],
                }),
            },
            Parameters::Tensor(x) => {
                check::float("parameters", x)?;
                match x.dims().last() == Some(&P) {
                    true => check::finite("parameters", x),
                    false => Err(Error::shape(
                        "parameters",
                        x.dims(),
                        format!("({P},), or (…, {P})"),
                    )),
                }
            }
        }
    }

    /// For the rows of a state.
    pub(super) fn argument(&self, rows: &Rows<'_>) -> Result<Argument> {
        match self {
            Parameters::Numbers(numbers) => Ok(Argument::Numbers(numbers.to_vec())),
            Parameters::Tensor(x) => rows.broadcast("parameters", x),
        }
    }

    /// The numbers, for a state of numbers.
    pub(super) fn numbers(&self) -> Result<[f64; P]> {
        let x = match self {
            Parameters::Numbers(numbers) => return Ok(*numbers),
            Parameters::Tensor(x) => x,
        };
        let numbers = x.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
        let one = <[f64; P]>::try_from(numbers);
        one.map_err(|_| {
            Error::shape(
                "parameters",
                x.dims(),
                format!("({P},), for a state of numbers"),
            )
        })
    }
}
