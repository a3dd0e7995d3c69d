//! States as lists of numbers.

use advect_core::{Error, Result, check};
use candle_core::{DType, Device, Tensor};

use super::gradient::{Solved, in_graph};
use crate::State;
use crate::detached::undifferentiable;

/// A state whose samples are lists of numbers, as implicit methods need it to solve equations.
///
/// All samples have as many elements, `width`. A state that is no batch is a single sample.
pub trait Coordinates: State {
    /// Returns the number of samples, and the number of elements of each.
    ///
    /// # Errors
    /// The errors of candle.
    fn extent(&self) -> Result<(usize, usize)>;

    /// Returns all elements, sample by sample.
    ///
    /// # Errors
    /// The errors of candle.
    fn to_numbers(&self) -> Result<Vec<f64>>;

    /// Returns a state like this one with other elements, rounded to its dtype, outside of any graph.
    ///
    /// # Errors
    /// A typed error if there are not as many numbers as elements.
    fn with_numbers(&self, numbers: Vec<f64>) -> Result<Self>;

    /// Whether the state is part of a graph. Only tensors are.
    fn is_tracked(&self) -> bool {
        false
    }

    /// Returns a value whose derivatives are refused for this reason. Only tensors have any; others are returned as they are.
    ///
    /// # Errors
    /// The errors of candle.
    fn without_derivatives(self, _: &'static str) -> Result<Self> {
        Ok(self)
    }

    /// Returns the part of a root mean square over all elements that one over the elements whose errors count may have: less than 1
    /// where a state has elements whose errors don't.
    fn measured_part(&self) -> f64 {
        1.0
    }

    /// Gives the slopes of stages that were solved for their place in the graph. Only tensors have one; others are
    /// returned as they are.
    ///
    /// # Errors
    /// The errors of candle.
    fn in_graph(slopes: Vec<Self>, _: Solved<'_, Self>) -> Result<Vec<Self>> {
        Ok(slopes)
    }
}

impl Coordinates for Tensor {
    fn extent(&self) -> Result<(usize, usize)> {
        let samples = check::batch("x", self)?;
        Ok((samples, self.elem_count() / samples))
    }

    fn to_numbers(&self) -> Result<Vec<f64>> {
        Ok(self
            .detach()
            .flatten_all()?
            .to_dtype(DType::F64)?
            .to_vec1()?)
    }

    fn with_numbers(&self, numbers: Vec<f64>) -> Result<Self> {
        let values = Tensor::from_vec(numbers, self.shape(), &Device::Cpu)?;
        Ok(values.to_dtype(self.dtype())?.to_device(self.device())?)
    }

    fn is_tracked(&self) -> bool {
        self.track_op()
    }

    fn without_derivatives(self, reason: &'static str) -> Result<Self> {
        undifferentiable(&self, "stepper", reason)
    }

    fn in_graph(slopes: Vec<Self>, solved: Solved<'_, Self>) -> Result<Vec<Self>> {
        in_graph(slopes, solved)
    }
}

/// Implements the trait for arrays of numbers, which are one sample.
macro_rules! numbers {
    ($($float:ident),*) => {$(
        impl<const N: usize> Coordinates for [$float; N] {
            fn extent(&self) -> Result<(usize, usize)> {
                Ok((1, N))
            }

            fn to_numbers(&self) -> Result<Vec<f64>> {
                Ok(self.iter().map(|x| f64::from(*x)).collect())
            }

            fn with_numbers(&self, numbers: Vec<f64>) -> Result<Self> {
                match <[f64; N]>::try_from(numbers) {
                    Ok(numbers) => Ok(numbers.map(|x| x as $float)),
                    Err(numbers) => Err(Error::shape("numbers", &[numbers.len()], format!("({N},)"))),
                }
            }
        }
    )*};
}
numbers!(f32, f64);
