//! Activation functions, and their derivatives along a direction, as operations.

use advect_core::{Result, shape};
use advect_kernels::activation::{Activations, Order};
use candle_core::Tensor;

use super::{Activation, Composed, by_activation};
use crate::cpu::{THREADS, by_dtype, host, tensor};
use crate::operation::{Operation, Output, Tangent};

/// `f(x)`.
#[derive(Clone, Copy)]
pub(crate) struct Apply(pub(crate) Activation);

impl Operation for Apply {
    type Saved = ();

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        // In 32 bits at least: 1 + e^x, and squares, are beyond 16.
        let x = shape::wide(inputs[0])?;
        let value = by_activation!(self.0, A => A::compose(&x))?;
        shape::cast(&value, inputs[0].dtype())
    }

    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Output, ())> {
        let x = inputs[0];
        by_dtype!(x, T => {
            let values = T::elements(THREADS, self.0.function(), Order::Value, &host::<T>(x)?, &[]);
            Ok((Output::new(values, x.shape()), ()))
        })
    }

    fn backward(
        &self,
        inputs: &[&Tensor],
        _: &Tensor,
        (): &(),
        gradient: &Tensor,
        _: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(
            along(self.0, inputs[0], gradient)?.into_tensor()?,
        )])
    }

    #[cfg(feature = "cuda")]
    fn on_cuda(&self, _: &[&Tensor]) -> Option<Box<dyn crate::cuda::OnCuda>> {
        Some(Box::new(*self))
    }
}

impl Tangent for Apply {
    fn jvp(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<(Tensor, Tensor)> {
        let x = inputs[0];
        let value = self.0.apply(x)?;
        let tangent = match tangents[0] {
            Some(tangent) => self.0.along(x, tangent)?,
            None => x.zeros_like()?,
        };
        Ok((value, tangent))
    }
}

/// `f'(x) v`: the derivative along v, itself differentiable.
#[derive(Clone, Copy)]
pub(crate) struct Along(pub(crate) Activation);

fn along(activation: Activation, x: &Tensor, v: &Tensor) -> Result<Output> {
    by_dtype!(x, T => {
        let (x_values, v) = (host::<T>(x)?, host::<T>(v)?);
        let values = T::elements(THREADS, activation.function(), Order::Slope, &x_values, &[&*v]);
        Ok(Output::new(values, x.shape()))
    })
}

impl Operation for Along {
    type Saved = ();

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        let x = shape::wide(inputs[0])?;
        let slope = by_activation!(self.0, A => A::compose_slope(&x))?;
        let value = slope.mul(&shape::wide(inputs[1])?)?;
        shape::cast(&value, inputs[0].dtype())
    }

    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Output, ())> {
        Ok((along(self.0, inputs[0], inputs[1])?, ()))
    }

    fn backward(
        &self,
        inputs: &[&Tensor],
        _: &Tensor,
        (): &(),
        gradient: &Tensor,
        wanted: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let (x, v) = (inputs[0], inputs[1]);
        by_dtype!(x, T => {
            let in_x = || -> Result<Tensor> {
                let (x_values, v, g) = (host::<T>(x)?, host::<T>(v)?, host::<T>(gradient)?);
                let values = T::elements(THREADS, self.0.function(), Order::Curvature, &x_values, &[&*v, &*g]);
                tensor(values, x.shape())
            };
            let in_v = || along(self.0, x, gradient)?.into_tensor();
            Ok(vec![
                wanted[0].then(in_x).transpose()?,
                wanted[1].then(in_v).transpose()?,
            ])
        })
    }

    #[cfg(feature = "cuda")]
    fn on_cuda(&self, _: &[&Tensor]) -> Option<Box<dyn crate::cuda::OnCuda>> {
        Some(Box::new(*self))
    }
}
