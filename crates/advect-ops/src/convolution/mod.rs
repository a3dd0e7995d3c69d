//! Convolutions of images and of sequences.

mod elsewhere;
pub(crate) mod operation;

use advect_core::{Error, Result, check};
use advect_kernels::convolution::{Convolutions, Geometry, bias_gradient};
use candle_core::Tensor;

use crate::Value;
use crate::cpu::{THREADS, by_dtype, host, tensor};
use operation::Convolve;

/// The settings of a convolution: how the kernel moves over an image, height before width.
///
/// ```
/// use advect_ops::Convolution;
/// let halves = Convolution { stride: [2, 2], ..Convolution::padded(1) };
/// assert_eq!(halves.padding, [1, 1]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Convolution {
    /// The number of pixels from one place to the next.
    pub stride: [usize; 2],
    /// The number of zeros on each side.
    pub padding: [usize; 2],
    /// The number of pixels from one weight to the next.
    pub dilation: [usize; 2],
    /// The number of groups of channels, each convolved separately.
    pub groups: usize,
}

impl Default for Convolution {
    /// Creates settings with steps of one, without padding, with all channels together.
    fn default() -> Self {
        Convolution::padded(0)
    }
}

impl Convolution {
    /// Creates settings with steps of one and `padding` zeros on each side: 1 keeps the size for kernels of 3 × 3.
    pub fn padded(padding: usize) -> Self {
        Convolution {
            stride: [1, 1],
            padding: [padding, padding],
            dilation: [1, 1],
            groups: 1,
        }
    }

    /// The sizes for images and weights of these shapes.
    fn geometry(&self, x: &Tensor, weight: &Tensor) -> Result<Geometry> {
        check::float("x", x)?;
        check::same_kind("weight", weight, "x", x)?;
        let &[batch, channels, height, width] = x.dims() else {
            return Err(Error::shape(
                "x",
                x.dims(),
                "(batch, channels, height, width)",
            ));
        };
        for (name, pair) in [("stride", self.stride), ("dilation", self.dilation)] {
            if pair.contains(&0) {
                return Err(Error::range(
                    name,
                    format!("{pair:?}"),
                    "a pair of numbers of at least 1",
                ));
            }
        }
        let groups = check::at_least_one("groups", self.groups)?;
        let fits = |dims: &[usize]| match *dims {
            [outputs, inputs, kh, kw] => {
                let all = inputs.checked_mul(groups);
                let channels_fit = all == Some(channels) && outputs.is_multiple_of(groups);
                channels_fit && kh > 0 && kw > 0 && inputs > 0 && outputs > 0
            }
            _ => false,
        };
        if !fits(weight.dims()) {
            let accepted = format!(
                "(outputs, inputs, kernel height, kernel width) with {channels} / {groups} inputs and a number of outputs divisible by {groups}"
            );
            return Err(Error::shape("weight", weight.dims(), accepted));
        }
        let kernel = [weight.dims()[2], weight.dims()[3]];
        let size = [height, width];
        let mut out = [0; 2];
        for side in 0..2 {
            // All checked: such sizes may come from a file.
            let span = (kernel[side] - 1).checked_mul(self.dilation[side]);
            let span = span.and_then(|span| span.checked_add(1));
            let padded =
                (self.padding[side].checked_mul(2)).and_then(|p| p.checked_add(size[side]));
            let room = padded
                .zip(span)
                .and_then(|(padded, span)| padded.checked_sub(span));
            let Some(room) = room else {
                let accepted =
                    format!("a shape of images that a kernel of {kernel:?} fits with {self:?}");
                return Err(Error::shape("x", x.dims(), accepted));
            };
            out[side] = room / self.stride[side] + 1;
        }
        let shape = [batch, weight.dims()[0], out[0], out[1]];
        check::memory("convolution", &shape, x.dtype())?;
        Ok(Geometry {
            batch,
            groups,
            inputs: channels / groups,
            outputs: weight.dims()[0] / groups,
            size,
            out,
            kernel,
            stride: self.stride,
            padding: self.padding,
            dilation: self.dilation,
        })
    }
}

/// Returns the convolution (cross-correlation) `y[b, o] = bias[o] + Σ_(c, i, j) weight[o, c, i, j] x[b, c, · s + i d −
/// p, · s + j d − p]` of images `(batch, channels, height, width)` with weights `(outputs, channels / groups, kernel
/// height, kernel width)` and a bias `(outputs,)`; pixels beyond the edges are 0.
///
/// On the CPU it is a product of matrices, one of which is made by blocks. For kernels of 3 × 3 by steps of one with 16
/// channels or more on either side it is Winograd's algorithm, which sums pixels of a tile of 6 × 6, with factors. If
/// such sums overflow, or one pixel is NaN, the image is computed again by the sums above, at their cost. On other
/// devices it is candle's, with gradients made of convolutions and products of matrices (candle's own are several times
/// slower, and fail for some sizes). 16 bits are summed in f32.
///
/// ```
/// use advect_ops::{Convolution, conv2d};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[[[1f32, 2.0, 3.0]]]], &Device::Cpu)?;
/// let blur = Tensor::ones((1, 1, 3, 3), DType::F32, &Device::Cpu)?;
/// let y = conv2d(&x, &blur, None, &Convolution::padded(1))?;
/// assert_eq!(y.flatten_all()?.to_vec1::<f32>()?, [3.0, 6.0, 5.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error`] naming the argument whose shape, dtype or device does not fit; [`Error::Range`] for strides, dilations or groups of 0, or
/// more values than the memory holds.
#[doc(alias = "cross-correlation")]
pub fn conv2d<V: Value>(
    x: &V,
    weight: &Tensor,
    bias: Option<&Tensor>,
    convolution: &Convolution,
) -> Result<V> {
    Convolve::new(x, weight, bias, None, convolution)?.apply(x, weight, bias, None)
}

/// Returns [`conv2d`] plus `onto`, which is `(batch, outputs)` for all pixels alike, or shaped like the value. It adds
/// a feature of time, or the other branch of a residual block, without a separate pass.
///
/// ```
/// use advect_ops::{Convolution, conv2d_onto};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[[[1f32, 2.0]]]], &Device::Cpu)?;
/// let double = Tensor::full(2f32, (1, 1, 1, 1), &Device::Cpu)?;
/// let y = conv2d_onto(&x, &double, None, &Convolution::padded(0), &x)?;
/// assert_eq!(y.flatten_all()?.to_vec1::<f32>()?, [3.0, 6.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`conv2d`], and [`Error::Shape`] if `onto` fits neither way.
pub fn conv2d_onto<V: Value>(
    x: &V,
    weight: &Tensor,
    bias: Option<&Tensor>,
    convolution: &Convolution,
    onto: &V,
) -> Result<V> {
    let op = Convolve::new(x, weight, bias, Some(onto), convolution)?;
    op.apply(x, weight, bias, Some(onto))
}

/// Returns the convolution of sequences `(batch, channels, length)` with weights `(outputs, channels / groups, kernel
/// length)`, see [`conv2d`]. Of the settings, those of the width count.
///
/// # Errors
/// As [`conv2d`].
pub fn conv1d<V: Value>(
    x: &V,
    weight: &Tensor,
    bias: Option<&Tensor>,
    convolution: &Convolution,
) -> Result<V> {
    let (lines, weight, convolution) = as_images(x, weight, convolution)?;
    let y = conv2d(&lines, &weight, bias, &convolution)?;
    y.map_linear(|y| Ok(y.squeeze(2)?))
}

/// Returns [`conv1d`] plus `onto`, see [`conv2d_onto`].
///
/// # Errors
/// As [`conv2d_onto`].
pub fn conv1d_onto<V: Value>(
    x: &V,
    weight: &Tensor,
    bias: Option<&Tensor>,
    convolution: &Convolution,
    onto: &V,
) -> Result<V> {
    let (lines, weight, convolution) = as_images(x, weight, convolution)?;
    let onto = match onto.primal().rank() {
        3 => onto.map_linear(|x| Ok(x.unsqueeze(2)?))?,
        _ => onto.clone(),
    };
    let y = conv2d_onto(&lines, &weight, bias, &convolution, &onto)?;
    y.map_linear(|y| Ok(y.squeeze(2)?))
}

/// Sequences as images of one line.
fn as_images<V: Value>(
    x: &V,
    weight: &Tensor,
    convolution: &Convolution,
) -> Result<(V, Tensor, Convolution)> {
    for (name, x) in [("x", x.primal()), ("weight", weight)] {
        if x.rank() != 3 {
            let accepted =
                "(batch, channels, length), or (outputs, inputs, kernel length) for a weight";
            return Err(Error::shape(name, x.dims(), accepted));
        }
    }
    let lines = x.map_linear(|x| Ok(x.unsqueeze(2)?))?;
    let flat = |[_, width]: [usize; 2], height| [height, width];
    let convolution = Convolution {
        stride: flat(convolution.stride, 1),
        padding: flat(convolution.padding, 0),
        dilation: flat(convolution.dilation, 1),
        ..*convolution
    };
    Ok((lines, weight.unsqueeze(2)?, convolution))
}

/// Returns the gradients of x, the weight and the bias of [`conv2d`], given the gradient of its value, for backward
/// passes that you write yourself.
///
/// # Errors
/// As [`conv2d`], and [`Error::DType`] or [`Error::Device`] unless all are f32 or f64 in the CPU's memory.
pub fn conv2d_gradients(
    x: &Tensor,
    weight: &Tensor,
    convolution: &Convolution,
    gradient: &Tensor,
) -> Result<[Tensor; 3]> {
    let op = Convolve {
        geometry: convolution.geometry(x, weight)?,
        onto: None,
        bias: false,
    };
    let g = &op.geometry;
    check::same_kind("gradient", gradient, "x", x)?;
    if gradient.dims() != op.output_shape() {
        let accepted = format!("{:?}, the shape of the value", op.output_shape());
        return Err(Error::shape("gradient", gradient.dims(), accepted));
    }
    let (x, weight) = (x.contiguous()?, weight.contiguous()?);
    let gradient = gradient.contiguous()?;
    by_dtype!(x, T => {
        let (hx, hw, dy) = (host::<T>(&x)?, host::<T>(&weight)?, host::<T>(&gradient)?);
        Ok([
            tensor(T::input_gradient(THREADS, g, &hw, &dy), x.shape())?,
            tensor(T::weight_gradient(THREADS, g, &hx, &dy), weight.shape())?,
            tensor(bias_gradient(g, &T::channel_sums(THREADS, g, &dy)), weight.dims()[0])?,
        ])
    })
}
