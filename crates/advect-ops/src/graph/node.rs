//! Nodes of candle's graph.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use advect_core::{Error, Result};
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, CustomOp2, CustomOp3, DType, Layout, Shape, Tensor,
};

use crate::operation::Output;

/// Makes an output depend on any number of tracked tensors; `backward` gets the value and its gradient, and returns
/// a gradient for each of them.
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
            let scalar = Output::copy(&Tensor::zeros((), DType::F32, a.device())?)?;
            let stand_in = node(scalar, rest, Box::new(move |_, _| receiver.take()))?;
            a.apply_op3(b, &stand_in, make(2, Some(parcel)))?
        }
    })
}

/// Gradients on their way from a node to another, by the thread that walks the graph.
#[derive(Default)]
struct Parcel(Mutex<HashMap<ThreadId, Vec<Tensor>>>);

impl Parcel {
    fn lock(&self) -> MutexGuard<'_, HashMap<ThreadId, Vec<Tensor>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, gradients: Vec<Tensor>) {
        self.lock().insert(thread::current().id(), gradients);
    }

    fn take(&self) -> Result<Vec<Tensor>> {
        (self.lock().remove(&thread::current().id()))
            .ok_or_else(|| Error::range("backward", "no gradients", "one pass a thread at a time"))
    }
}

pub(super) type Backward = dyn Fn(&Tensor, &Tensor) -> Result<Vec<Tensor>> + Send + Sync;

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
            parcel.put(gradients.split_off(self.direct.min(gradients.len())));
            direct[N - 1] = Some(Tensor::zeros((), DType::F32, value.device())?);
        }
        for (slot, gradient) in direct.iter_mut().zip(gradients) {
            *slot = Some(gradient);
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
