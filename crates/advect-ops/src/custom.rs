//! Your own operations: kernels on slices that become operations of a [`Value`], like those of this crate.
//!
//! An operation is defined in four ways: by a [`Kernel`] for f32 and f64 in the CPU's memory, forwards and backwards;
//! by candle's operations, for everything else; and along a direction. [`apply`] chooses among them. Its result is part
//! of the graph of candle if an argument is, and carries a derivative if an argument is a [`Dual`](crate::Dual).
//!
//! ```
//! use std::ops::{Add, Mul, Neg};
//! use advect_core::Result;
//! use advect_ops::custom::{Kernel, Operation, View, apply};
//! use advect_ops::{Dual, Value};
//! use candle_core::{DType, Device, Shape, Tensor, Var};
//!
//! /// `x |x|`; its derivative is `2 |x|`.
//! struct SignedSquare;
//!
//! fn magnitude<T: Copy + PartialOrd + From<f32> + Neg<Output = T>>(x: T) -> T {
//!     if x < 0f32.into() { -x } else { x }
//! }
//!
//! impl<T> Kernel<T> for SignedSquare
//! where
//!     T: Copy + PartialOrd + From<f32> + Add<Output = T> + Mul<Output = T> + Neg<Output = T>,
//! {
//!     fn forward(&self, inputs: &[View<'_, T>]) -> Result<(Vec<T>, Shape)> {
//!         let x = inputs[0];
//!         Ok((x.values.iter().map(|&x| x * magnitude(x)).collect(), x.dims.into()))
//!     }
//!
//!     fn backward(
//!         &self,
//!         inputs: &[View<'_, T>],
//!         _: View<'_, T>,
//!         gradient: &[T],
//!         _: &[bool],
//!     ) -> Result<Vec<Option<Vec<T>>>> {
//!         let each = inputs[0].values.iter().zip(gradient);
//!         Ok(vec![Some(each.map(|(&x, &g)| (magnitude(x) + magnitude(x)) * g).collect())])
//!     }
//! }
//!
//! impl Operation for SignedSquare {
//!     fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
//!         Ok((inputs[0] * inputs[0].abs()?)?)
//!     }
//!
//!     fn tangent(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<Tensor> {
//!         match tangents[0] {
//!             Some(dx) => Ok(((inputs[0].abs()? * 2.0)? * dx)?),
//!             None => Ok(inputs[0].zeros_like()?),
//!         }
//!     }
//! }
//!
//! fn signed_square<V: Value>(x: &V) -> Result<V> {
//!     advect_core::check::float("x", x.primal())?;
//!     apply(SignedSquare, &[x], &[])
//! }
//!
//! # fn main() -> Result<()> {
//! let x = Var::new(&[-3f32, 0.0, 2.0], &Device::Cpu)?;
//! let y = signed_square(x.as_tensor())?;
//! assert_eq!(y.to_vec1::<f32>()?, [-9.0, 0.0, 4.0]);
//! let gradients = y.sum_all()?.backward()?;
//! assert_eq!(gradients.get(&x).unwrap().to_vec1::<f32>()?, [6.0, 0.0, 4.0]);
//!
//! let along = Dual::new(x.detach(), x.ones_like()?.detach())?;
//! let (value, tangent) = signed_square(&along)?.into_parts()?;
//! assert_eq!(value.to_vec1::<f32>()?, [-9.0, 0.0, 4.0]);
//! assert_eq!(tangent.to_vec1::<f32>()?, [6.0, 0.0, 4.0]);
//!
//! // 16 bits, and other devices, are composed.
//! let y = signed_square(&x.to_dtype(DType::F16)?)?.to_dtype(DType::F32)?;
//! assert_eq!(y.to_vec1::<f32>()?, [-9.0, 0.0, 4.0]);
//! # Ok(())
//! # }
//! ```

use std::sync::Arc;

use advect_core::{Error, Result, check};
use candle_core::{Shape, Tensor};

use crate::Value;
use crate::cpu::{Float, Host, by_dtype, host, hosts, tensor};
use crate::operation::{self, Output, Tangent};

/// An argument of a kernel: numbers in the CPU's memory.
#[derive(Debug, Clone, Copy)]
pub struct View<'a, T> {
    /// The numbers, in row-major order.
    pub values: &'a [T],
    /// The shape.
    pub dims: &'a [usize],
}

/// The CPU's kernel of an operation, for numbers of one type.
///
/// A panic reaches the caller of [`apply`]. Threads are available from [`advect_core::parallel`].
pub trait Kernel<T>: Send + Sync + 'static {
    /// Returns the value and its shape.
    ///
    /// # Errors
    /// Any: [`apply`] returns it.
    fn forward(&self, inputs: &[View<'_, T>]) -> Result<(Vec<T>, Shape)>;

    /// Returns the gradient of each argument for which it is wanted, given the value and its gradient.
    ///
    /// # Errors
    /// Any: the backward pass returns it.
    fn backward(
        &self,
        inputs: &[View<'_, T>],
        value: View<'_, T>,
        gradient: &[T],
        wanted: &[bool],
    ) -> Result<Vec<Option<Vec<T>>>>;
}

/// An operation of tensors, with a [`Kernel`] for each of the two element types, f32 and f64.
#[doc(alias = "CustomOp")]
#[doc(alias = "autograd Function")]
#[doc(alias = "custom gradient")]
pub trait Operation: Kernel<f32> + Kernel<f64> {
    /// Returns the value by differentiable operations of candle or of this crate, for other devices and other types.
    ///
    /// # Errors
    /// Any: [`apply`] returns it.
    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor>;

    /// Returns the derivative of the value along tangents of the arguments, by differentiable operations. `None` stands
    /// for 0; at least one is not `None`.
    ///
    /// # Errors
    /// Any: [`apply`] returns it.
    fn tangent(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<Tensor>;
}

/// Applies an operation to `inputs`, and to `constants` that don't change along a direction, in this order.
///
/// The kernel runs if all arguments are f32, or all f64, and in the CPU's memory; it gets them contiguous. The caller,
/// or the operation, must check that their shapes fit each other and the operation.
///
/// # Errors
/// Errors of the operation; [`Error::Empty`] without arguments; [`Error`] naming `value`, `gradient` or `tangent` where the operation
/// returned one of a wrong size. The backward pass has errors of the same kinds.
pub fn apply<V: Value>(
    operation: impl Operation,
    inputs: &[&V],
    constants: &[&Tensor],
) -> Result<V> {
    if inputs.is_empty() {
        return Err(Error::Empty {
            argument: "inputs".into(),
        });
    }
    V::apply(Custom(Arc::new(operation)), inputs, constants)
}

/// An operation of someone else's as one of ours.
struct Custom<O>(Arc<O>);

/// The arguments of a kernel, locked.
fn views<'a, T: Float>(inputs: &[&'a Tensor], locked: &'a [Host<'_, T>]) -> Vec<View<'a, T>> {
    let pairs = inputs.iter().zip(locked);
    let view = pairs.map(|(x, values)| View {
        values,
        dims: x.dims(),
    });
    view.collect()
}

/// The error of a list of numbers that is not as long as a shape says.
fn misfit(argument: &'static str, count: usize, dims: &[usize]) -> Error {
    Error::shape(
        argument,
        &[count],
        format!("one number for each element of {dims:?}"),
    )
}

impl<O: Operation> operation::Operation for Custom<O> {
    type Saved = ();

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        self.0.compose(inputs)
    }

    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Output, ())> {
        by_dtype!(inputs[0], T => {
            let locked = hosts::<T>(inputs)?;
            let (values, shape) = Kernel::<T>::forward(&*self.0, &views(inputs, &locked))?;
            if values.len() != shape.elem_count() {
                return Err(misfit("value", values.len(), shape.dims()));
            }
            Ok((Output::new(values, shape), ()))
        })
    }

    fn backward(
        &self,
        inputs: &[&Tensor],
        value: &Tensor,
        (): &(),
        gradient: &Tensor,
        wanted: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        by_dtype!(value, T => {
            let locked = hosts::<T>(inputs)?;
            let (values, gradient) = (host::<T>(value)?, host::<T>(gradient)?);
            let value = View { values: &values, dims: value.dims() };
            let views = views(inputs, &locked);
            let gradients = Kernel::<T>::backward(&*self.0, &views, value, &gradient, wanted)?;
            if gradients.len() != inputs.len() {
                let accepted = format!("{}, one for each argument", inputs.len());
                return Err(Error::range("backward", gradients.len(), accepted));
            }
            let each = |(gradient, x): (Option<Vec<T>>, &&Tensor)| match gradient {
                None => Ok(None),
                Some(g) if g.len() == x.elem_count() => Ok(Some(tensor(g, x.shape())?)),
                Some(g) => Err(misfit("gradient", g.len(), x.dims())),
            };
            gradients.into_iter().zip(inputs).map(each).collect()
        })
    }
}

impl<O: Operation> Tangent for Custom<O> {
    fn jvp(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<(Tensor, Tensor)> {
        let value = operation::apply(Custom(self.0.clone()), inputs)?;
        let tangent = self.0.tangent(inputs, tangents)?;
        check::alike("tangent", &tangent, "value", &value)?;
        Ok((value, tangent))
    }
}
