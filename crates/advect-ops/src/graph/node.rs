//! Nodes of candle's graph.

use std::sync::{Arc, Mutex, PoisonError};

use advect_core::{Error, Result};
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, CustomOp2, CustomOp3, DType, Device, Layout, Shape, Tensor,
};

use super::handover::{Handover, missing};
use crate::output::Output;

/// Makes an output depend on any number of tracked tensors; `backward` gets the value and its gradient, and returns
/// a gradient for each of them, or none where it is kept elsewhere.
pub(super) fn node(output: Output, inputs: &[Tensor], backward: Box<Backward>) -> Result<Tensor> {
    let make = |direct: usize, rest| Node {
        output: Mutex::new(Some(output)),
        backward,
        direct,
        rest,
    };
    Ok(match inputs {
        [] => {
            return Err(Error::Empty {
                argument: "inputs".into(),
            });
        }
        [a] => a.apply_op1(make(1, None))?,
        [a, b] => a.apply_op2(b, make(2, None))?,
        [a, b, c] => a.apply_op3(b, c, make(3, None))?,
        [a, b, rest @ ..] => {
            // candle's operations take three arguments at most. The others hang on a scalar that stands for them:
            // their gradients are handed over beside the graph.
            let parcel = Arc::new(Parcel::default());
            let receiver = parcel.clone();
            let scalar = Output::zero(a.device())?;
            let receive = move |_: &Tensor, number: &Tensor| {
                // Elsewhere to read it would be to wait for the device.
                let number = match number.device().is_cpu() {
                    true => Some(number.to_scalar::<f64>()?),
                    false => None,
                };
                receiver.take(1, number)?.pop().ok_or_else(missing)
            };
            let stand_in = node(scalar, rest, Box::new(receive))?;
            a.apply_op3(b, &stand_in, make(2, Some(parcel)))?
        }
    })
}

/// The gradients of the arguments that hang on a stand-in.
type Parcel = Handover<Vec<Option<Tensor>>>;

/// The gradient of a stand-in: the number of what was left, where it can be read without waiting.
fn marked(number: u64, device: &Device) -> candle_core::Result<Tensor> {
    match device.is_cpu() {
        true => Tensor::full(number as f64, (), device),
        false => Tensor::zeros((), DType::F32, device),
    }
}

pub(super) type Backward = dyn Fn(&Tensor, &Tensor) -> Result<Vec<Option<Tensor>>> + Send + Sync;

struct Node {
    output: Mutex<Option<Output>>,
    backward: Box<Backward>,
    /// The number of arguments whose gradients go through candle.
    direct: usize,
    rest: Option<Arc<Parcel>>,
}

impl Node {
    fn output(&self) -> candle_core::Result<Output> {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        output
            .take()
            .ok_or_else(|| Error::range("operation", "a second use", "one use").into())
    }

    fn gradients<const N: usize>(
        &self,
        value: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<[Option<Tensor>; N]> {
        let mut gradients = (self.backward)(value, gradient)?;
        let mut direct: [Option<Tensor>; N] = std::array::from_fn(|_| None);
        if let Some(parcel) = &self.rest {
            let number = parcel.leave(gradients.split_off(self.direct.min(gradients.len())));
            direct[N - 1] = Some(marked(number, value.device())?);
        }
        for (slot, gradient) in direct.iter_mut().zip(gradients) {
            *slot = gradient;
        }
        Ok(direct)
    }
}

const NAME: &str = "advect";

impl CustomOp1 for Node {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        self.output()?.into_cpu()
    }

    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout) -> candle_core::Result<(CudaStorage, Shape)> {
        self.output()?.into_cuda()
    }

    fn bwd(&self, _: &Tensor, value: &Tensor, g: &Tensor) -> candle_core::Result<Option<Tensor>> {
        let [a] = self.gradients(value, g)?;
        Ok(a)
    }
}

impl CustomOp2 for Node {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        self.output()?.into_cpu()
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> candle_core::Result<(CudaStorage, Shape)> {
        self.output()?.into_cuda()
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        value: &Tensor,
        g: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let [a, b] = self.gradients(value, g)?;
        Ok((a, b))
    }
}

impl CustomOp3 for Node {
    fn name(&self) -> &'static str {
        NAME
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        self.output()?.into_cpu()
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> candle_core::Result<(CudaStorage, Shape)> {
        self.output()?.into_cuda()
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        value: &Tensor,
        g: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [a, b, c] = self.gradients(value, g)?;
        Ok((a, b, c))
    }
}
