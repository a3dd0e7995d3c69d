//! Convolutions by candle's operations, for devices that the kernels don't run on.
//!
//! Values are candle's own (cuDNN's, where candle is built with it). Its gradients are not used, as they fail for some sizes: that of
//! the images is a convolution with the kernel turned round, that of the weights a product of the values' gradients with what each
//! place of the kernel sees.

use advect_core::{Error, Result};
use advect_kernels::convolution::Geometry;
use candle_core::Tensor;

use crate::operation::{Operation, Output, apply_anywhere};

/// The convolution of images and weights alone, contiguous and of 32 or 64 bits.
#[derive(Clone, Copy)]
pub(super) struct Elsewhere(pub(super) Geometry);

impl Operation for Elsewhere {
    type Saved = ();

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        apply_anywhere(*self, inputs)
    }

    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Output, ())> {
        let value = values(&self.0, &inputs[0].detach(), &inputs[1].detach())?;
        Ok((Output::copy(&value)?, ()))
    }

    fn backward(
        &self,
        inputs: &[&Tensor],
        _: &Tensor,
        (): &(),
        gradient: &Tensor,
        wanted: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let (x, weight) = (inputs[0].detach(), inputs[1].detach());
        let gradient = gradient.detach();
        let dx = wanted[0].then(|| input_gradient(&self.0, &weight, &gradient));
        let dw = wanted[1].then(|| weight_gradient(&self.0, &x, &gradient));
        Ok(vec![dx.transpose()?, dw.transpose()?])
    }
}

fn values(g: &Geometry, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    if g.batch * g.out[0] * g.out[1] == 0 {
        let shape = (g.batch, g.groups * g.outputs, g.out[0], g.out[1]);
        return Ok(Tensor::zeros(shape, x.dtype(), x.device())?);
    }
    // A side of one place has any stride, one of a single weight any dilation.
    let single = |side: usize| g.out[side] == 1 && g.room(side) == 0;
    let stride = common(g.stride, std::array::from_fn(single));
    let dilation = common(g.dilation, g.kernel.map(|kernel| kernel == 1));
    let (Some(stride), Some(dilation)) = (stride, dilation) else {
        return by_places(g, &padded(g, x)?, weight);
    };
    let (x, padding) = match g.padding {
        [p, q] if p == q => (x.clone(), p),
        _ => (padded(g, x)?, 0),
    };
    let x = x.contiguous()?;
    Ok(x.conv2d(weight, padding, stride, dilation, g.groups)?)
}

/// The common value of both sides, where a side that is `free` follows the other.
fn common([height, width]: [usize; 2], [free_height, free_width]: [bool; 2]) -> Option<usize> {
    match (height == width || free_width, free_height) {
        (true, _) => Some(height),
        (_, true) => Some(width),
        _ => None,
    }
}

/// `x` with zeros before and after along a dimension, or without some of its ends where a number is negative.
fn resized(x: &Tensor, dim: usize, [before, after]: [isize; 2]) -> Result<Tensor> {
    let more = |by: isize| by.max(0) as usize;
    let x = match (more(before), more(after)) {
        (0, 0) => x.clone(),
        (before, after) => x.pad_with_zeros(dim, before, after)?,
    };
    // Afterwards: what is cut on one side may be what was added on the other.
    let cut = |by: isize| by.min(0).unsigned_abs();
    match (cut(before), cut(after)) {
        (0, 0) => Ok(x),
        (first, last) => Ok(x.narrow(dim, first, x.dims()[dim] - first - last)?),
    }
}

/// Padded images.
fn padded(g: &Geometry, x: &Tensor) -> Result<Tensor> {
    let [p, q] = g.padding.map(|p| p as isize);
    resized(&resized(x, 2, [p; 2])?, 3, [q; 2])
}

/// The pixels of padded images that a place of the kernel sees: `(batch, channels, out height, out width)`.
fn seen(g: &Geometry, padded: &Tensor, place: [usize; 2]) -> Result<Tensor> {
    let mut seen = padded.clone();
    for (side, place) in place.into_iter().enumerate() {
        let (first, count) = (place * g.dilation[side], g.out[side]);
        let span = (count - 1) * g.stride[side] + 1;
        seen = seen.narrow(2 + side, first, span)?;
        if g.stride[side] > 1 {
            let places = (0..count).map(|p| (p * g.stride[side]) as u32);
            let places = Tensor::from_iter(places, padded.device())?;
            seen = seen.contiguous()?.index_select(&places, 2 + side)?;
        }
    }
    Ok(seen)
}

/// The places of the kernel.
fn places(g: &Geometry) -> impl Iterator<Item = [usize; 2]> {
    let [height, width] = g.kernel;
    (0..height).flat_map(move |i| (0..width).map(move |j| [i, j]))
}

/// Values of padded images, a product for each place.
fn by_places(g: &Geometry, padded: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let mut sum: Option<Tensor> = None;
    for [i, j] in places(g) {
        let seen = seen(g, padded, [i, j])?;
        let seen = seen.reshape((g.batch, g.groups, g.inputs, g.out[0] * g.out[1]))?;
        let weight = weight.narrow(2, i, 1)?.narrow(3, j, 1)?.contiguous()?;
        let weight = weight.reshape((1, g.groups, g.outputs, g.inputs))?;
        let part = weight.broadcast_matmul(&seen)?;
        sum = Some(match sum {
            Some(sum) => (sum + part)?,
            None => part,
        });
    }
    let sum = sum.ok_or_else(|| Error::range("kernel", 0, "a kernel with weights"))?;
    Ok(sum.reshape((g.batch, g.groups * g.outputs, g.out[0], g.out[1]))?)
}

/// The gradient of the images: that of the values, by strides apart, seen by the kernel turned round.
fn input_gradient(g: &Geometry, weight: &Tensor, gradient: &Tensor) -> Result<Tensor> {
    let shape = (g.batch, g.groups * g.inputs, g.size[0], g.size[1]);
    if g.batch * g.size[0] * g.size[1] == 0 {
        return Ok(Tensor::zeros(shape, gradient.dtype(), gradient.device())?);
    }
    let mut spread = gradient.clone();
    for side in 0..2 {
        let (dim, stride) = (2 + side, g.stride[side]);
        if stride > 1 {
            let apart = spread.unsqueeze(dim + 1)?;
            let apart = apart.pad_with_zeros(dim + 1, 0, stride - 1)?;
            let apart = apart.flatten(dim, dim + 1)?;
            spread = apart.narrow(dim, 0, (g.out[side] - 1) * stride + 1)?;
        }
        let span = (g.kernel[side] - 1) * g.dilation[side];
        let before = span as isize - g.padding[side] as isize;
        let after = (g.size[side] + span) as isize - spread.dims()[dim] as isize - before;
        spread = resized(&spread, dim, [before, after])?;
    }
    // (groups · inputs, outputs, ...), backwards along both sides.
    let [kh, kw] = g.kernel;
    let turned = weight.reshape((g.groups, g.outputs, g.inputs, kh, kw))?;
    let turned = turned.transpose(1, 2)?;
    let turned = turned.reshape((g.groups * g.inputs, g.outputs, kh, kw))?;
    let turned = turned.flip(&[2, 3])?.contiguous()?;
    let backwards = Geometry {
        inputs: g.outputs,
        outputs: g.inputs,
        size: std::array::from_fn(|side| spread.dims()[2 + side]),
        out: g.size,
        stride: [1, 1],
        padding: [0, 0],
        ..*g
    };
    values(&backwards, &spread, &turned)
}

/// The gradient of the weights.
fn weight_gradient(g: &Geometry, x: &Tensor, gradient: &Tensor) -> Result<Tensor> {
    let ([kh, kw], positions) = (g.kernel, g.out[0] * g.out[1]);
    let shape = (g.groups * g.outputs, g.inputs, kh, kw);
    if g.batch * positions == 0 {
        return Ok(Tensor::zeros(shape, x.dtype(), x.device())?);
    }
    // (groups · channels, batch, ...): what a place sees is then copied once.
    let by_channels = |x: &Tensor| -> Result<Tensor> { Ok(x.transpose(0, 1)?.contiguous()?) };
    let padded = by_channels(&padded(g, x)?)?;
    let seen: Result<Vec<Tensor>> = places(g).map(|place| seen(g, &padded, place)).collect();
    // (groups, places · inputs, batch · positions): one product for all places keeps a device busier than one for each.
    let count = g.batch * positions;
    let seen = Tensor::cat(&seen?, 0)?.reshape((kh * kw, g.groups, g.inputs, count))?;
    let seen = seen.transpose(0, 1)?.contiguous()?;
    let seen = seen.reshape((g.groups, kh * kw * g.inputs, count))?;
    let gradient = by_channels(gradient)?.reshape((g.groups, g.outputs, count))?;
    let weights = gradient.matmul(&seen.transpose(1, 2)?)?;
    let weights = weights.reshape((g.groups * g.outputs, kh * kw, g.inputs))?;
    Ok(weights.transpose(1, 2)?.contiguous()?.reshape(shape)?)
}
