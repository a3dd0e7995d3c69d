//! Places in candle's graph.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use advect_core::{Error, Result};
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Shape, Tensor,
};

use crate::operation::Output;

/// Whether an operation of these arguments becomes part of the graph.
pub(crate) fn tracks(inputs: &[&Tensor]) -> bool {
    !UNTRACKED.get() && inputs.iter().any(|x| x.track_op())
}

thread_local! {
    static UNTRACKED: Cell<bool> = const { Cell::new(false) };
}

/// Calls `f` with the operations of this crate building no graph on this thread, as if no argument were tracked: for
/// values whose gradients are obtained otherwise. candle's own operations build theirs still.
///
/// ```
/// use advect_ops::{Activation, without_graph};
/// use candle_core::{Device, Var};
/// # fn main() -> advect_core::Result<()> {
/// let x = Var::new(&[1f64], &Device::Cpu)?;
/// assert!(Activation::Tanh.apply(x.as_tensor())?.track_op());
/// assert!(!without_graph(|| Activation::Tanh.apply(x.as_tensor()))?.track_op());
/// # Ok(())
/// # }
/// ```
pub fn without_graph<R>(f: impl FnOnce() -> R) -> R {
    /// Puts back what was, also after a panic.
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            UNTRACKED.set(self.0);
        }
    }
    let _restore = Restore(UNTRACKED.replace(true));
    f()
}

/// Gives a value computed in any way its place in the graph: it depends on `inputs`, and `backward` turns the gradient
/// of the value into a gradient for each of them.
///
/// Inputs that are not tracked are passed over; without a tracked one the value comes back as it is.
///
/// ```
/// use advect_ops::with_gradient;
/// use candle_core::{Device, Var};
/// # fn main() -> advect_core::Result<()> {
/// let x = Var::new(&[3f64], &Device::Cpu)?;
/// // The value of |x|, with the gradient of x² / 2.
/// let y = with_gradient(&x.abs()?, &[x.as_tensor().clone()], |g, inputs| Ok(vec![(g * &inputs[0])?]))?;
/// let gradients = y.sum_all()?.backward()?;
/// assert_eq!(gradients.get(&x).unwrap().to_vec1::<f64>()?, [3.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Those of candle. The backward pass fails if `backward` does, or does not return one gradient for each input.
pub fn with_gradient(
    value: &Tensor,
    inputs: &[Tensor],
    backward: impl Fn(&Tensor, &[Tensor]) -> Result<Vec<Tensor>> + Send + Sync + 'static,
) -> Result<Tensor> {
    let wanted: Vec<bool> = inputs.iter().map(Tensor::track_op).collect();
    let tracked: Vec<Tensor> = (inputs.iter().filter(|x| x.track_op()).cloned()).collect();
    if tracked.is_empty() || UNTRACKED.get() {
        return Ok(value.detach());
    }
    let inputs: Vec<Tensor> = inputs.iter().map(Tensor::detach).collect();
    let run = move |_: &Tensor, gradient: &Tensor| {
        let gradients = backward(gradient, &inputs)?;
        if gradients.len() != inputs.len() {
            let accepted = format!("{}, one for each input", inputs.len());
            return Err(Error::range("backward", gradients.len(), accepted));
        }
        let chosen = gradients.into_iter().zip(&wanted);
        Ok(chosen
            .filter_map(|(g, &wanted)| wanted.then_some(g))
            .collect())
    };
    attach(Output::copy(value)?, &tracked, Box::new(run))
}

/// Makes an output depend on any number of tracked tensors; `backward` gets the value and its gradient, and returns
/// a gradient for each of them.
pub(crate) fn attach(output: Output, inputs: &[Tensor], backward: Box<Backward>) -> Result<Tensor> {
    let node = |direct: usize, rest| Node {
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
        [a] => a.apply_op1(node(1, None))?,
        [a, b] => a.apply_op2(b, node(2, None))?,
        [a, b, c] => a.apply_op3(b, c, node(3, None))?,
        [a, b, rest @ ..] => {
            // candle's operations take three arguments at most. The others hang on a scalar that stands for them:
            // their gradients are handed over beside the graph.
            let parcel = Arc::new(Parcel::default());
            let receiver = parcel.clone();
            let scalar = Output::copy(&Tensor::zeros((), a.dtype(), a.device())?)?;
            let stand_in = attach(scalar, rest, Box::new(move |_, _| receiver.take()))?;
            a.apply_op3(b, &stand_in, node(2, Some(parcel)))?
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

type Backward = dyn Fn(&Tensor, &Tensor) -> Result<Vec<Tensor>> + Send + Sync;

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
            direct[N - 1] = Some(Tensor::zeros((), value.dtype(), value.device())?);
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
