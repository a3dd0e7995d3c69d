//! Images enlarged and shrunk.

use advect_core::Result;
use advect_kernels::cuda::Fresh;
use advect_kernels::cuda::planes::{gather, spread};
use candle_core::Tensor;

use super::OnCuda;
use crate::avg_pool::Average;
use crate::upsample::{Planes, Repeat};

impl OnCuda for Repeat {
    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Fresh, Vec<Tensor>)> {
        let Planes { size, factors } = self.planes;
        let shape = Planes::shape(inputs[0], self.size());
        Ok((spread(inputs[0], shape, size[1], factors, 1.0)?, Vec::new()))
    }

    fn backward(
        &self,
        inputs: &[&Tensor],
        _: &Tensor,
        _: &[Tensor],
        gradient: &Tensor,
        _: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let Planes { size, factors } = self.planes;
        let dx = gather(gradient, inputs[0].shape(), size[1], factors, 1.0)?;
        Ok(vec![Some(dx.into_tensor())])
    }
}

impl OnCuda for Average {
    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Fresh, Vec<Tensor>)> {
        let size = self.size();
        let shape = Planes::shape(inputs[0], size);
        let y = gather(
            inputs[0],
            shape,
            size[1],
            self.planes.factors,
            self.weight(),
        )?;
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
        let [_, width] = self.size();
        let (shape, factors) = (inputs[0].shape(), self.planes.factors);
        let dx = spread(gradient, shape, width, factors, self.weight())?;
        Ok(vec![Some(dx.into_tensor())])
    }
}
