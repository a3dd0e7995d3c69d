//! Residual connections with gates.

use advect_core::{Error, Result, check, shape};
use advect_kernels::gate::{Gate, GatedRows};
use candle_core::Tensor;

use crate::cpu::{THREADS, by_dtype, host, tensor};
use crate::operation::{Operation, Output, Tangent};
use crate::{Dual, Value};

/// Returns `x + gate · h` for x and h of one shape, `(batch, ..., width)`; the gate is `(width,)`, or `(batch, width)`
/// for gates that depend on the sample: the residual connection of adaLN-Zero (Peebles and Xie 2023, section 3.2).
///
/// ```
/// use advect_ops::add_gated;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[[1f64, 2.0]], [[3.0, 4.0]]], &Device::Cpu)?;
/// let gate = Tensor::new(&[[0f64, 1.0], [10.0, -1.0]], &Device::Cpu)?;
/// let y = add_gated(&x, &x, &gate)?;
/// assert_eq!(y.flatten_all()?.to_vec1::<f64>()?, [1.0, 4.0, 33.0, 0.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error`] naming the argument that does not fit the others.
#[doc(alias = "AdaLN-Zero")]
#[doc(alias = "LayerScale")]
#[doc(alias = "residual")]
pub fn add_gated<V: Value>(x: &V, h: &V, gate: &V) -> Result<V> {
    let primal = x.primal();
    check::float("x", primal)?;
    check::alike("h", h.primal(), "x", primal)?;
    check::same_kind("gate", gate.primal(), "x", primal)?;
    let dims = primal.dims();
    let (Some(&batch), Some(&width)) = (dims.first(), dims.last()) else {
        return Err(Error::shape("x", dims, "(batch, ..., width)"));
    };
    if width == 0 {
        let argument = "x".into();
        return Err(Error::Empty { argument });
    }
    let given = gate.primal().dims();
    if given != [width] && (dims.len() < 2 || given != [batch, width]) {
        let accepted = format!("({width},) or ({batch}, {width})");
        return Err(Error::shape("gate", given, accepted));
    }
    V::apply(AddGated, &[x, h, gate], &[])
}

#[derive(Clone, Copy)]
pub(crate) struct AddGated;

/// The rows of h.
pub(crate) fn rows(h: &Tensor, gate: &Tensor) -> GatedRows {
    let width = h.dims().last().copied().unwrap_or(1);
    let rows = h.elem_count() / width.max(1);
    let batch = match gate.rank() {
        1 => 1,
        _ => gate.dims()[0],
    };
    GatedRows {
        width,
        rows,
        sharing: (rows / batch.max(1)).max(1),
    }
}

/// The value by candle's operations, in at least 32 bits: the gradient of the gate is a sum.
fn composed<V: Value>(x: &V, h: &V, gate: &V) -> Result<V> {
    let dtype = x.primal().dtype();
    let [x, h, gate] = [x, h, gate].map(|x| x.map_linear(shape::wide));
    let (x, h) = (x?, h?);
    let gate = gate?.map_linear(|gate| {
        let mut shape = vec![1; h.primal().rank()];
        if let (Some(last), Some(&width)) = (shape.last_mut(), gate.dims().last()) {
            *last = width;
        }
        if gate.rank() > 1 {
            shape[0] = gate.dims()[0];
        }
        Ok(gate.reshape(shape)?)
    })?;
    (x.plus(&h.times(&gate)?)?).map_linear(|y| shape::cast(y, dtype))
}

impl Operation for AddGated {
    type Saved = ();

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        composed(inputs[0], inputs[1], inputs[2])
    }

    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Output, ())> {
        let rows = rows(inputs[1], inputs[2]);
        by_dtype!(inputs[0], T => {
            let (x, h, gate) = (host::<T>(inputs[0])?, host::<T>(inputs[1])?, host::<T>(inputs[2])?);
            let y = T::add_gated(THREADS, &rows, &x, &h, &gate);
            Ok((Output::new(y, inputs[0].shape()), ()))
        })
    }

    fn backward(
        &self,
        inputs: &[&Tensor],
        _: &Tensor,
        (): &(),
        gradient: &Tensor,
        wanted: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let of_x = wanted[0].then(|| gradient.clone());
        if !wanted[1] && !wanted[2] {
            return Ok(vec![of_x, None, None]);
        }
        let rows = rows(inputs[1], inputs[2]);
        by_dtype!(gradient, T => {
            let (h, gate, g) = (host::<T>(inputs[1])?, host::<T>(inputs[2])?, host::<T>(gradient)?);
            let [dh, in_gate] = T::add_gated_backward(THREADS, &rows, &h, &gate, &g);
            Ok(vec![
                of_x,
                Some(tensor(dh, inputs[1].shape())?),
                Some(tensor(in_gate, inputs[2].shape())?),
            ])
        })
    }

    #[cfg(feature = "cuda")]
    fn on_cuda(&self, _: &[&Tensor]) -> Option<Box<dyn crate::cuda::OnCuda>> {
        Some(Box::new(*self))
    }
}

impl Tangent for AddGated {
    fn jvp(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<(Tensor, Tensor)> {
        let dual = |i: usize| Dual::from_parts(inputs[i].clone(), tangents[i].cloned());
        composed(&dual(0), &dual(1), &dual(2))?.into_parts()
    }
}
