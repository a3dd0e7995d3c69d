//! Activation functions, and their derivatives along a direction.

use advect_core::Result;
use advect_kernels::activation::Order;
use advect_kernels::cuda::Fresh;
use advect_kernels::cuda::activation::elements;
use candle_core::Tensor;

use super::OnCuda;
use crate::activation::operations::{Along, Apply};

impl OnCuda for Apply {
    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Fresh, Vec<Tensor>)> {
        let y = elements(self.0.function(), Order::Value, inputs[0], &[])?;
        Ok((y, Vec::new()))
    }

    fn backward(
        &self,
        inputs: &[&Tensor],
        _: &Tensor,
        _: &[Tensor],
        gradient: &Tensor,
        _: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let dx = elements(self.0.function(), Order::Slope, inputs[0], &[gradient])?;
        Ok(vec![Some(dx.into_tensor())])
    }
}

impl OnCuda for Along {
    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Fresh, Vec<Tensor>)> {
        let y = elements(self.0.function(), Order::Slope, inputs[0], &[inputs[1]])?;
        Ok((y, Vec::new()))
    }

    fn backward(
        &self,
        inputs: &[&Tensor],
        _: &Tensor,
        _: &[Tensor],
        gradient: &Tensor,
        wanted: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let (function, x, v) = (self.0.function(), inputs[0], inputs[1]);
        let in_x = || elements(function, Order::Curvature, x, &[v, gradient]);
        let in_v = || elements(function, Order::Slope, x, &[gradient]);
        let each = |g: Option<Fresh>| g.map(Fresh::into_tensor);
        Ok(vec![
            each(wanted[0].then(in_x).transpose()?),
            each(wanted[1].then(in_v).transpose()?),
        ])
    }
}
