//! Tensors, with or without a derivative along a direction.

use advect_core::{Result, check};
use candle_core::Tensor;

use crate::empty;
use crate::operation::{self, Tangent};

/// An argument or value of a network's forward pass: a [`Tensor`], or a [`Dual`], which also carries a derivative.
///
/// A forward pass written once for any `V: Value` gives both the value and the Jacobian–vector product:
///
/// ```
/// use advect_ops::{Activation, Dual, Value};
/// use candle_core::{Device, Tensor};
///
/// fn network<V: Value>(x: &V) -> advect_core::Result<V> {
///     let h = Activation::Tanh.apply(x)?;
///     h.times(x)?.map_linear(|y| Ok(y.sum_keepdim(1)?)) // any linear map of candle
/// }
///
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[0.5f64, 2.0]], &Device::Cpu)?;
/// let along_x = Dual::new(x.clone(), x.ones_like()?)?;
/// let y = network(&along_x)?;
/// assert_eq!(y.primal().to_vec2::<f64>()?, network(&x)?.to_vec2::<f64>()?);
/// // d/dx (x tanh x) = tanh x + x (1 − tanh² x), summed.
/// let slope = |x: f64| x.tanh() + x * (1.0 - x.tanh().powi(2));
/// let tangent = y.tangent().unwrap().to_vec2::<f64>()?[0][0];
/// assert!((tangent - slope(0.5) - slope(2.0)).abs() < 1e-14);
/// # Ok(())
/// # }
/// ```
///
/// Tangents are made of differentiable operations: one ordinary `backward` through them gives the gradients of a loss
/// that contains derivatives, which candle cannot get by differentiating twice.
pub trait Value: Clone + sealed::Sealed {
    /// Returns the value itself.
    fn primal(&self) -> &Tensor;

    /// Returns the derivative along the direction; `None` stands for 0.
    fn tangent(&self) -> Option<&Tensor>;

    /// Combines a value and a tangent. A [`Tensor`] has no place for a tangent, and never gets one.
    #[doc(hidden)]
    fn from_parts(primal: Tensor, tangent: Option<Tensor>) -> Self;

    /// Creates a value that does not change along the direction.
    fn constant(primal: Tensor) -> Self {
        Self::from_parts(primal, None)
    }

    /// Applies an operation to values, and to tensors that don't change along the direction.
    #[doc(hidden)]
    fn apply<O: Tangent>(op: O, inputs: &[&Self], constants: &[&Tensor]) -> Result<Self> {
        let primals = inputs.iter().map(|x| x.primal());
        let primals: Vec<&Tensor> = primals.chain(constants.iter().copied()).collect();
        if inputs.iter().all(|x| x.tangent().is_none()) {
            return Ok(Self::constant(operation::apply(op, &primals)?));
        }
        let all: Vec<&Tensor> = (primals.iter().copied())
            .chain(inputs.iter().filter_map(|x| x.tangent()))
            .collect();
        let all = operation::contiguous(&all)?;
        let all: Vec<&Tensor> = all.iter().collect();
        let jvp = |all: &[&Tensor]| {
            let (primals, moving) = all.split_at(primals.len());
            let mut moving = moving.iter().copied();
            let mut tangents: Vec<Option<&Tensor>> = (inputs.iter())
                .map(|x| x.tangent().and_then(|_| moving.next()))
                .collect();
            tangents.resize(primals.len(), None);
            op.jvp(primals, &tangents)
        };
        let (primal, tangent) = match empty::is_elsewhere(&all) {
            true => empty::on_host(&all, jvp)?,
            false => jvp(&all)?,
        };
        Ok(Self::from_parts(primal, Some(tangent)))
    }

    /// Applies a linear map without a constant, such as a reshape, a slice or a sum, to the value and the tangent
    /// alike.
    ///
    /// # Errors
    /// Errors of `f`.
    fn map_linear(&self, f: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Self> {
        let tangent = self.tangent().map(&f).transpose()?;
        Ok(Self::from_parts(f(self.primal())?, tangent))
    }

    /// Applies a function that is linear in either argument, such as a product of matrices: `d f(x, y) = f(dx, y) +
    /// f(x, dy)`.
    ///
    /// # Errors
    /// Errors of `f`.
    fn map_bilinear(
        &self,
        other: &Self,
        f: impl Fn(&Tensor, &Tensor) -> Result<Tensor>,
    ) -> Result<Self> {
        let left = self.tangent().map(|dx| f(dx, other.primal())).transpose()?;
        let right = other.tangent().map(|dy| f(self.primal(), dy)).transpose()?;
        let tangent = sum(left, right)?;
        Ok(Self::from_parts(f(self.primal(), other.primal())?, tangent))
    }

    /// Applies a function to each element, with its derivative `slope`, both made of candle's operations.
    ///
    /// # Errors
    /// Errors of the functions.
    fn map_elements(
        &self,
        f: impl Fn(&Tensor) -> Result<Tensor>,
        slope: impl Fn(&Tensor) -> Result<Tensor>,
    ) -> Result<Self> {
        let tangent = |dx: &Tensor| -> Result<Tensor> { Ok((slope(self.primal())? * dx)?) };
        let tangent = self.tangent().map(tangent).transpose()?;
        Ok(Self::from_parts(f(self.primal())?, tangent))
    }

    /// Returns the value plus a number.
    ///
    /// # Errors
    /// Errors of candle.
    fn plus_number(&self, number: f64) -> Result<Self> {
        let primal = (self.primal() + number)?;
        Ok(Self::from_parts(primal, self.tangent().cloned()))
    }

    /// Returns the sum; shapes broadcast.
    ///
    /// # Errors
    /// Errors of candle.
    fn plus(&self, other: &Self) -> Result<Self> {
        let primal = self.primal().broadcast_add(other.primal())?;
        let wide = |x: &Tensor| x.broadcast_as(primal.shape());
        let left = self.tangent().map(wide).transpose()?;
        let tangent = sum(left, other.tangent().map(wide).transpose()?)?;
        Ok(Self::from_parts(primal, tangent))
    }

    /// Returns the elementwise product; shapes broadcast.
    ///
    /// # Errors
    /// Errors of candle.
    fn times(&self, other: &Self) -> Result<Self> {
        self.map_bilinear(other, |x, y| Ok(x.broadcast_mul(y)?))
    }

    /// Concatenates values along a dimension.
    ///
    /// # Errors
    /// Errors of candle.
    #[doc(alias = "cat")]
    #[doc(alias = "concat")]
    fn concatenate(values: &[&Self], dim: usize) -> Result<Self> {
        let primals: Vec<&Tensor> = values.iter().map(|x| x.primal()).collect();
        let primal = Tensor::cat(&primals, dim)?;
        if values.iter().all(|x| x.tangent().is_none()) {
            return Ok(Self::constant(primal));
        }
        let tangent = |x: &&Self| match x.tangent() {
            Some(tangent) => Ok(tangent.clone()),
            None => x.primal().zeros_like(),
        };
        let tangents: candle_core::Result<Vec<Tensor>> = values.iter().map(tangent).collect();
        let tangent = Tensor::cat(&tangents?, dim)?;
        Ok(Self::from_parts(primal, Some(tangent)))
    }
}

fn sum(a: Option<Tensor>, b: Option<Tensor>) -> Result<Option<Tensor>> {
    Ok(match (a, b) {
        (Some(a), Some(b)) => Some(a.broadcast_add(&b)?),
        (a, b) => a.or(b),
    })
}

impl Value for Tensor {
    fn primal(&self) -> &Tensor {
        self
    }

    fn tangent(&self) -> Option<&Tensor> {
        None
    }

    fn from_parts(primal: Tensor, _: Option<Tensor>) -> Self {
        primal
    }
}

/// A value and its derivative along a direction: a dual number `x + ε dx` (Griewank and Walther 2008, section 3.1).
#[doc(alias = "forward mode")]
#[doc(alias = "jvp")]
#[doc(alias = "JVP")]
#[derive(Debug, Clone)]
pub struct Dual {
    primal: Tensor,
    tangent: Option<Tensor>,
}

impl Dual {
    /// Creates a dual of a value and its tangent, of the same shape, dtype and device.
    ///
    /// # Errors
    /// [`Error`](advect_core::Error) naming the tangent, if they differ.
    pub fn new(primal: Tensor, tangent: Tensor) -> Result<Self> {
        check::alike("tangent", &tangent, "primal", &primal)?;
        Ok(Dual {
            primal,
            tangent: Some(tangent),
        })
    }

    /// Returns the value and its tangent, which is zeros if the value does not depend on the direction.
    ///
    /// # Errors
    /// Errors of candle.
    pub fn into_parts(self) -> Result<(Tensor, Tensor)> {
        let tangent = match self.tangent {
            Some(tangent) => tangent,
            None => self.primal.zeros_like()?,
        };
        Ok((self.primal, tangent))
    }
}

impl Value for Dual {
    fn primal(&self) -> &Tensor {
        &self.primal
    }

    fn tangent(&self) -> Option<&Tensor> {
        self.tangent.as_ref()
    }

    fn from_parts(primal: Tensor, tangent: Option<Tensor>) -> Self {
        Dual { primal, tangent }
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for candle_core::Tensor {}
    impl Sealed for super::Dual {}
}
