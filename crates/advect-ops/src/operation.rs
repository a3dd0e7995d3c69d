//! The trait by which a kernel becomes part of candle's graph.

use advect_core::{Result, check};
use candle_core::Tensor;

use crate::cpu;
use crate::empty;
use crate::graph::{attach, tracks};
pub(crate) use crate::output::Output;

/// An operation: its value, and its derivatives backwards and forwards.
///
/// Arguments are checked before any method is called.
pub trait Operation: Send + Sync + 'static {
    /// The values that the backward pass needs besides the arguments and the value.
    type Saved: Send + Sync + 'static;

    /// Returns the value by candle's operations, differentiable, on any device. The kernels are tested against it.
    ///
    /// # Errors
    /// Errors of candle.
    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor>;

    /// Returns the value by the CPU's kernel, for contiguous f32 or f64 arguments. `save` says whether there will be a
    /// backward pass.
    ///
    /// # Errors
    /// Errors of candle.
    fn forward(&self, inputs: &[&Tensor], save: bool) -> Result<(Output, Self::Saved)>;

    /// Returns the gradients of the arguments for which they are wanted, by the CPU's kernels, given the gradient of
    /// the value, which is contiguous.
    ///
    /// # Errors
    /// Errors of candle.
    fn backward(
        &self,
        inputs: &[&Tensor],
        value: &Tensor,
        saved: &Self::Saved,
        gradient: &Tensor,
        wanted: &[bool],
    ) -> Result<Vec<Option<Tensor>>>;

    /// Returns the kernels for CUDA, if the operation has some for these arguments. Without, it is composed there.
    #[cfg(feature = "cuda")]
    fn on_cuda(&self, _inputs: &[&Tensor]) -> Option<Box<dyn crate::cuda::OnCuda>> {
        None
    }
}

/// An operation with a derivative forwards.
pub trait Tangent: Operation {
    /// Returns the value and its derivative along tangents of the arguments, `None` for 0; at least one is not `None`.
    /// Both are differentiable.
    ///
    /// # Errors
    /// Errors of candle.
    fn jvp(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<(Tensor, Tensor)>;
}

/// The value and the derivative of an operation that is linear in its one argument.
pub(crate) fn linear_jvp<O: Operation + Clone>(
    op: &O,
    inputs: &[&Tensor],
    tangents: &[Option<&Tensor>],
) -> Result<(Tensor, Tensor)> {
    let value = apply(op.clone(), inputs)?;
    let slope = match tangents[0] {
        Some(dx) => apply(op.clone(), &[dx])?,
        None => value.zeros_like()?,
    };
    Ok((value, slope))
}

/// The value of an operation, part of the graph if an argument is.
pub(crate) fn apply<O: Operation>(op: O, inputs: &[&Tensor]) -> Result<Tensor> {
    let kernels = cpu::fits(inputs);
    if kernels && inputs.iter().all(|x| x.is_contiguous()) {
        return apply_anywhere(op, inputs);
    }
    if empty::is_elsewhere(inputs) {
        return empty::on_host(inputs, |inputs| apply(op, inputs));
    }
    let mut inputs = contiguous(inputs)?;
    #[cfg(feature = "cuda")]
    {
        let inputs: Vec<&Tensor> = inputs.iter().collect();
        if let Some(kernels) = crate::cuda::kernels(&op, &inputs) {
            return apply_anywhere(kernels, &inputs);
        }
    }
    if !kernels && !tracks(&inputs.iter().collect::<Vec<_>>()) {
        inputs = inputs.iter().map(Tensor::detach).collect();
    }
    let inputs: Vec<&Tensor> = inputs.iter().collect();
    match kernels {
        true => apply_anywhere(op, &inputs),
        false => op.compose(&inputs),
    }
}

/// The same tensors, as their shapes say that they lie.
pub(crate) fn contiguous(inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
    let each = |x: &&Tensor| -> Result<Tensor> {
        if is_plain(x) {
            return Ok((*x).clone());
        }
        check::memory("x", x.dims(), x.dtype())?;
        match x.elem_count() {
            0 => Ok(Tensor::zeros(x.shape(), x.dtype(), x.device())?),
            _ => Ok(x.force_contiguous()?),
        }
    };
    inputs.iter().map(each).collect()
}

/// Whether a tensor lies as its shape says. (candle overlooks strides along dimensions of one element, and offsets of tensors
/// without elements, and some of its operations then fail.)
fn is_plain(x: &Tensor) -> bool {
    let mut step = 1usize;
    let sides = x.dims().iter().zip(x.stride()).rev();
    let strides = sides.into_iter().all(|(&n, &stride)| {
        let same = stride == step;
        step = step.wrapping_mul(n);
        same
    });
    strides && (step > 0 || x.layout().start_offset() == 0)
}

/// The value of an operation of contiguous arguments whose `forward` and `backward` know them, wherever they are.
pub(crate) fn apply_anywhere<O: Operation>(op: O, inputs: &[&Tensor]) -> Result<Tensor> {
    cpu::keep_memory();
    let tracked = tracks(inputs);
    let (output, saved) = op.forward(inputs, tracked)?;
    if !tracked {
        return output.into_tensor();
    }
    let wanted: Vec<bool> = inputs.iter().map(|x| x.track_op()).collect();
    let inputs: Vec<Tensor> = inputs.iter().map(|&x| x.clone()).collect();
    let tracked: Vec<Tensor> = (inputs.iter().filter(|x| x.track_op()).cloned()).collect();
    let backward = move |value: &Tensor, gradient: &Tensor| {
        let inputs: Vec<&Tensor> = inputs.iter().collect();
        let gradient = gradient.contiguous()?;
        let gradients = op.backward(&inputs, value, &saved, &gradient, &wanted)?;
        let chosen = gradients.into_iter().zip(&wanted);
        Ok(chosen.filter_map(|(g, &w)| g.filter(|_| w)).collect())
    };
    attach(output, &tracked, true, Box::new(backward))
}
