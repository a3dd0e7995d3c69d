//! Group normalisation (Wu and He 2018, eq. 1–6), with an activation in the same pass.

use advect_core::{Error, Result, check, shape};
use advect_kernels::group_norm::{GroupNorm as _, Groups};
use candle_core::Tensor;

use crate::cpu::{THREADS, by_dtype, host, tensor};
use crate::normal_rows::normal_rows;
use crate::operation::{Operation, Output, Tangent};
use crate::{Activation, Dual, Value};

/// Returns `activation((x − mean) / √(variance + ε) · scale + shift)` for x of shape `(batch, channels, ...)`, with
/// mean and variance over each sample's groups of `channels / groups` channels.
///
/// `scale` and `shift` are `(channels,)`, or `(batch, channels)` for adaptive normalisation (Dhariwal and Nichol 2021,
/// section 3.1: scale = 1 + γ, shift = β).
///
/// ```
/// use advect_ops::{Activation, group_norm};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[[1f64, 3.0], [10.0, 30.0]]], &Device::Cpu)?;
/// let (scale, shift) = (Tensor::ones(2, DType::F64, &Device::Cpu)?, Tensor::zeros(2, DType::F64, &Device::Cpu)?);
/// let y = group_norm(&x, 2, &scale, &shift, 0.0, Activation::Relu)?;
/// assert_eq!(y.to_vec3::<f64>()?, [[[0.0, 1.0], [0.0, 1.0]]]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Range`] unless the groups divide the channels or for a negative ε, [`Error`] naming the argument that does
/// not fit.
#[doc(alias = "GroupNorm")]
#[doc(alias = "AdaGN")]
pub fn group_norm<V: Value>(
    x: &V,
    groups: usize,
    scale: &V,
    shift: &V,
    epsilon: f64,
    activation: Activation,
) -> Result<V> {
    let epsilon = check::non_negative("epsilon", epsilon)?;
    let op = GroupNorm {
        groups,
        epsilon,
        activation,
    };
    op.check(x.primal(), scale.primal(), shift.primal())?;
    V::apply(op, &[x, scale, shift], &[])
}

/// Returns the gradients of x, scale and shift of [`group_norm`], given the gradient of its value, for your own
/// backward passes.
///
/// # Errors
/// As [`group_norm`], and [`Error::DType`] or [`Error::Device`] unless all are f32 or f64 in the CPU's memory.
#[allow(clippy::too_many_arguments)]
pub fn group_norm_gradients(
    x: &Tensor,
    groups: usize,
    scale: &Tensor,
    shift: &Tensor,
    epsilon: f64,
    activation: Activation,
    gradient: &Tensor,
) -> Result<[Tensor; 3]> {
    let epsilon = check::non_negative("epsilon", epsilon)?;
    let op = GroupNorm {
        groups,
        epsilon,
        activation,
    };
    op.check(x, scale, shift)?;
    check::alike("gradient", gradient, "x", x)?;
    let (x, scale) = (x.contiguous()?, scale.contiguous()?);
    let (shift, gradient) = (shift.contiguous()?, gradient.contiguous()?);
    op.gradients(&x, &scale, &shift, &gradient)
}

#[derive(Clone, Copy)]
pub(crate) struct GroupNorm {
    groups: usize,
    epsilon: f64,
    activation: Activation,
}

impl GroupNorm {
    fn check(&self, x: &Tensor, scale: &Tensor, shift: &Tensor) -> Result<()> {
        check::float("x", x)?;
        let dims = x.dims();
        let &[batch, channels, ..] = dims else {
            return Err(Error::shape("x", dims, "(batch, channels, ...)"));
        };
        if self.groups == 0 || channels == 0 || !channels.is_multiple_of(self.groups) {
            let accepted = format!("a divisor of the number of channels, {channels}");
            return Err(Error::range("groups", self.groups, accepted));
        }
        for (name, affine) in [("scale", scale), ("shift", shift)] {
            check::same_kind(name, affine, "x", x)?;
            if affine.dims() != [channels] && affine.dims() != [batch, channels] {
                let accepted = format!("({channels},) or ({batch}, {channels})");
                return Err(Error::shape(name, affine.dims(), accepted));
            }
        }
        check::alike("shift", shift, "scale", scale)
    }

    /// The value by candle's operations, in at least 32 bits.
    fn composed<V: Value>(&self, x: &V, scale: &V, shift: &V) -> Result<V> {
        let primal = x.primal();
        let (dtype, dims) = (primal.dtype(), primal.dims());
        let (batch, channels) = (dims[0], dims[1]);
        if primal.elem_count() == 0 {
            return Ok(x.clone());
        }
        let rows = x.map_linear(|x| Ok(shape::wide(x)?.reshape((batch * self.groups, ()))?))?;
        let normal = normal_rows(&rows, true, self.epsilon)?;
        let planes = normal.map_linear(|x| Ok(x.reshape((batch, channels, ()))?))?;
        let column = |affine: &Tensor| -> Result<Tensor> {
            Ok(shape::wide(affine)?.reshape((affine.elem_count() / channels, channels, 1))?)
        };
        let y = planes
            .times(&scale.map_linear(column)?)?
            .plus(&shift.map_linear(column)?)?;
        let y = y.map_linear(|y| Ok(y.reshape(dims)?))?;
        self.activation
            .apply(&y)?
            .map_linear(|y| shape::cast(y, dtype))
    }

    /// The groups of x.
    pub(crate) fn groups(&self, x: &Tensor, scale: &Tensor) -> Groups {
        let (batch, channels) = (x.dims()[0], x.dims()[1]);
        Groups {
            function: self.activation.function(),
            epsilon: self.epsilon,
            groups: self.groups,
            channels: channels / self.groups,
            area: x.elem_count() / (batch * channels).max(1),
            adaptive: scale.rank() > 1,
        }
    }

    fn gradients(
        &self,
        x: &Tensor,
        scale: &Tensor,
        shift: &Tensor,
        gradient: &Tensor,
    ) -> Result<[Tensor; 3]> {
        let groups = self.groups(x, scale);
        by_dtype!(x, T => {
            let (values, g) = (host::<T>(x)?, host::<T>(gradient)?);
            let (scales, shifts) = (host::<T>(scale)?, host::<T>(shift)?);
            let [dx, in_scale, in_shift] =
                T::group_norm_backward(THREADS, &groups, &values, &scales, &shifts, &g);
            Ok([
                tensor(dx, x.shape())?,
                tensor(in_scale, scale.shape())?,
                tensor(in_shift, shift.shape())?,
            ])
        })
    }
}

impl Operation for GroupNorm {
    type Saved = ();

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        self.composed(inputs[0], inputs[1], inputs[2])
    }

    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Output, ())> {
        let (x, scale, shift) = (inputs[0], inputs[1], inputs[2]);
        let groups = self.groups(x, scale);
        by_dtype!(x, T => {
            let (values, scales, shifts) = (host::<T>(x)?, host::<T>(scale)?, host::<T>(shift)?);
            let y = T::group_norm(THREADS, &groups, &values, &scales, &shifts);
            Ok((Output::new(y, x.shape()), ()))
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
        let gradients = self.gradients(inputs[0], inputs[1], inputs[2], gradient)?;
        Ok(gradients.map(Some).into())
    }

    #[cfg(feature = "cuda")]
    fn on_cuda(&self, _: &[&Tensor]) -> Option<Box<dyn crate::cuda::OnCuda>> {
        Some(Box::new(*self))
    }
}

impl Tangent for GroupNorm {
    fn jvp(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<(Tensor, Tensor)> {
        let dual = |i: usize| Dual::from_parts(inputs[i].clone(), tangents[i].cloned());
        self.composed(&dual(0), &dual(1), &dual(2))?.into_parts()
    }
}
