//! A limit of values.

use advect_core::{Result, check};
use advect_ops::Value;
use advect_ops::custom::{Kernel, Operation, View, apply};
use candle_core::{Shape, Tensor, WithDType};

/// Limits numbers to `−bound..=bound`. Its derivative is 1 inside, and 0 outside.
struct Clip(f64);

/// Returns numbers limited to `−bound..=bound`.
pub(super) fn clipped<V: Value>(x: &V, bound: f64) -> Result<V> {
    check::float("x", x.primal())?;
    apply(Clip(bound), &[x], &[])
}

impl<T: WithDType> Kernel<T> for Clip {
    fn forward(&self, inputs: &[View<'_, T>]) -> Result<(Vec<T>, Shape)> {
        let (low, high) = (T::from_f64(-self.0), T::from_f64(self.0));
        let limited = |&x: &T| match x {
            x if x < low => low,
            x if x > high => high,
            x => x,
        };
        let values = inputs[0].values.iter().map(limited).collect();
        Ok((values, inputs[0].dims.into()))
    }

    fn backward(
        &self,
        inputs: &[View<'_, T>],
        _: View<'_, T>,
        gradient: &[T],
        _: &[bool],
    ) -> Result<Vec<Option<Vec<T>>>> {
        let (low, high) = (T::from_f64(-self.0), T::from_f64(self.0));
        let inside = |(&x, &g): (&T, &T)| match x < low || x > high {
            true => T::zero(),
            false => g,
        };
        let each = inputs[0].values.iter().zip(gradient);
        Ok(vec![Some(each.map(inside).collect())])
    }
}

impl Operation for Clip {
    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        Ok(inputs[0].clamp(-self.0, self.0)?)
    }

    fn tangent(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<Tensor> {
        let x = inputs[0];
        let Some(dx) = tangents[0] else {
            return Ok(x.zeros_like()?);
        };
        let inside = x.detach().abs()?.le(self.0)?.to_dtype(x.dtype())?;
        Ok((inside * dx)?)
    }
}
