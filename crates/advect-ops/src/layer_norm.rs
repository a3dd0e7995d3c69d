//! Layer normalisation (Ba et al. 2016, eq. 4) and RMS normalisation (Zhang and Sennrich 2019, eq. 4), over the last
//! dimension.

use advect_core::{Error, Result, check, shape};
use advect_kernels::layer_norm::{LayerNorm, Rows};
use candle_core::Tensor;

use crate::cpu::{THREADS, by_dtype, host, tensor};
use crate::normal_rows::normal_rows;
use crate::operation::{Operation, Output, Tangent};
use crate::{Dual, Value};

/// Returns `(x − mean) / √(variance + ε) · scale + shift` over the last dimension of x, `(batch, ..., width)`.
///
/// `scale` and `shift` are `(width,)`, or `(batch, width)` for adaptive normalisation (Peebles and Xie 2023, section 3.2:
/// scale = 1 + γ, shift = β). The variance is that of the population.
///
/// ```
/// use advect_ops::layer_norm;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[1f64, 3.0]], &Device::Cpu)?;
/// let (scale, shift) = (Tensor::new(&[1f64, 10.0], &Device::Cpu)?, Tensor::new(&[0.5f64, 0.0], &Device::Cpu)?);
/// assert_eq!(layer_norm(&x, &scale, &shift, 0.0)?.to_vec2::<f64>()?, [[-0.5, 10.0]]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error`] naming the argument that does not fit; [`Error::Range`] for a negative ε.
#[doc(alias = "LayerNorm")]
#[doc(alias = "AdaLN")]
pub fn layer_norm<V: Value>(x: &V, scale: &V, shift: &V, epsilon: f64) -> Result<V> {
    normalized(x, scale, shift, true, epsilon)
}

/// Returns `x / √(mean x² + ε) · scale` over the last dimension of x, `(batch, ..., width)`; `scale` is as for
/// [`layer_norm`].
///
/// ```
/// use advect_ops::rms_norm;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[3f64, -3.0]], &Device::Cpu)?;
/// let scale = Tensor::new(&[1f64, 2.0], &Device::Cpu)?;
/// assert_eq!(rms_norm(&x, &scale, 0.0)?.to_vec2::<f64>()?, [[1.0, -2.0]]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`layer_norm`].
#[doc(alias = "RMSNorm")]
pub fn rms_norm<V: Value>(x: &V, scale: &V, epsilon: f64) -> Result<V> {
    check_affine(x.primal(), "scale", scale.primal())?;
    let epsilon = check::non_negative("epsilon", epsilon)?;
    V::apply(
        Normalize {
            centred: false,
            epsilon,
        },
        &[x, scale],
        &[],
    )
}

/// Returns `x / √(mean x² + ε) · scale + shift` over the last dimension of x, in one pass: [`rms_norm`] with a shift, as
/// adaptive normalisation has one. `scale` and `shift` are as for [`layer_norm`].
///
/// ```
/// use advect_ops::shifted_rms_norm;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[3f64, -3.0]], &Device::Cpu)?;
/// let (scale, shift) = (Tensor::new(&[1f64, 2.0], &Device::Cpu)?, Tensor::new(&[0.5f64, 0.0], &Device::Cpu)?);
/// assert_eq!(shifted_rms_norm(&x, &scale, &shift, 0.0)?.to_vec2::<f64>()?, [[1.5, -2.0]]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`layer_norm`].
#[doc(alias = "RMSNorm")]
#[doc(alias = "AdaLN")]
pub fn shifted_rms_norm<V: Value>(x: &V, scale: &V, shift: &V, epsilon: f64) -> Result<V> {
    normalized(x, scale, shift, false, epsilon)
}

/// The value with a scale and a shift.
fn normalized<V: Value>(x: &V, scale: &V, shift: &V, centred: bool, epsilon: f64) -> Result<V> {
    check_affine(x.primal(), "scale", scale.primal())?;
    check_affine(x.primal(), "shift", shift.primal())?;
    check::alike("shift", shift.primal(), "scale", scale.primal())?;
    let epsilon = check::non_negative("epsilon", epsilon)?;
    V::apply(Normalize { centred, epsilon }, &[x, scale, shift], &[])
}

fn check_affine(x: &Tensor, name: &'static str, affine: &Tensor) -> Result<()> {
    check::float("x", x)?;
    check::same_kind(name, affine, "x", x)?;
    let dims = x.dims();
    let (Some(&batch), Some(&width)) = (dims.first(), dims.last()) else {
        return Err(Error::shape("x", dims, "(batch, ..., width)"));
    };
    if width == 0 {
        return Err(Error::Empty {
            argument: "x".into(),
        });
    }
    if affine.dims() == [width] || (x.rank() > 1 && affine.dims() == [batch, width]) {
        return Ok(());
    }
    let accepted = format!("({width},) or ({batch}, {width})");
    Err(Error::shape(name, affine.dims(), accepted))
}

#[derive(Clone, Copy)]
pub(crate) struct Normalize {
    centred: bool,
    epsilon: f64,
}

impl Normalize {
    /// The rows of x.
    pub(crate) fn rows(&self, x: &Tensor, scale: &Tensor) -> Rows {
        let width = x.dims().last().copied().unwrap_or(1);
        let rows = x.elem_count() / width.max(1);
        let batch = match scale.rank() {
            1 => 1,
            _ => scale.dims()[0],
        };
        Rows {
            centred: self.centred,
            epsilon: self.epsilon,
            width,
            rows,
            sharing: (rows / batch.max(1)).max(1),
        }
    }

    /// The value by candle's operations, in at least 32 bits.
    fn composed<V: Value>(&self, x: &V, scale: &V, shift: Option<&V>) -> Result<V> {
        let dtype = x.primal().dtype();
        let column = |affine: &Tensor| -> Result<Tensor> {
            let mut shape = vec![1; x.primal().rank()];
            let width = affine.dims()[affine.rank() - 1];
            if let Some(last) = shape.last_mut() {
                *last = width;
            }
            if affine.rank() > 1 {
                shape[0] = affine.dims()[0];
            }
            Ok(shape::wide(affine)?.reshape(shape)?)
        };
        let normal = normal_rows(&x.map_linear(shape::wide)?, self.centred, self.epsilon)?;
        let mut y = normal.times(&scale.map_linear(column)?)?;
        if let Some(shift) = shift {
            y = y.plus(&shift.map_linear(column)?)?;
        }
        y.map_linear(|y| shape::cast(y, dtype))
    }
}

impl Operation for Normalize {
    type Saved = ();

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        self.composed(inputs[0], inputs[1], inputs.get(2).copied())
    }

    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Output, ())> {
        let (x, scale) = (inputs[0], inputs[1]);
        let rows = self.rows(x, scale);
        by_dtype!(x, T => {
            let (values, scales) = (host::<T>(x)?, host::<T>(scale)?);
            let shifts = inputs.get(2).map(|shift| host::<T>(shift)).transpose()?;
            let y = T::layer_norm(THREADS, &rows, &values, &scales, shifts.as_deref());
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
        let (x, scale) = (inputs[0], inputs[1]);
        let rows = self.rows(x, scale);
        by_dtype!(x, T => {
            let (values, scales, g) = (host::<T>(x)?, host::<T>(scale)?, host::<T>(gradient)?);
            let [dx, in_scale, in_shift] =
                T::layer_norm_backward(THREADS, &rows, &values, &scales, &g);
            let mut out = vec![Some(tensor(dx, x.shape())?), Some(tensor(in_scale, scale.shape())?)];
            if inputs.len() > 2 {
                out.push(Some(tensor(in_shift, scale.shape())?));
            }
            Ok(out)
        })
    }

    #[cfg(feature = "cuda")]
    fn on_cuda(&self, _: &[&Tensor]) -> Option<Box<dyn crate::cuda::OnCuda>> {
        Some(Box::new(*self))
    }
}

impl Tangent for Normalize {
    fn jvp(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<(Tensor, Tensor)> {
        let dual = |i: usize| Dual::from_parts(inputs[i].clone(), tangents[i].cloned());
        let shift = (inputs.len() > 2).then(|| dual(2));
        self.composed(&dual(0), &dual(1), shift.as_ref())?
            .into_parts()
    }
}
