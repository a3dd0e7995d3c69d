//! Convolutions as products of matrices.

use candle_core::{Error, Result, Tensor};

use super::product::product_as;
use super::source::wide;
use super::{Argument, Family, Fresh, Grid, device_of, launch, pointwise, product, sums};
use crate::convolution::Geometry;

pub(super) const FAMILY: Family = Family {
    name: "convolution",
    fused: true,
    sources: &[include_str!("convolution.cu")],
};

/// Elements of the columns that are unfolded at once, unless one image has more: a gigabyte of f32.
const MOST: usize = 1 << 28;

/// Some images, from the first on.
#[derive(Clone, Copy)]
struct Images {
    first: usize,
    count: usize,
}

/// All images, as many at a time as columns fit.
fn pieces(g: &Geometry) -> impl Iterator<Item = Images> {
    let columns = g.groups * g.depth() * g.positions();
    let (batch, most) = (g.batch, (MOST / columns.max(1)).max(1));
    (0..batch).step_by(most).map(move |first| Images {
        first,
        count: most.min(batch - first),
    })
}

/// What is added to the values, where it is there.
#[derive(Clone, Copy, Default)]
pub struct Added<'a> {
    /// A number for each channel.
    pub bias: Option<&'a Tensor>,
    /// A number for each channel of each image.
    pub channels: Option<&'a Tensor>,
    /// A number for each element.
    pub whole: Option<&'a Tensor>,
}

impl Added<'_> {
    fn is_some(&self) -> bool {
        self.bias.is_some() || self.channels.is_some() || self.whole.is_some()
    }
}

/// The sizes, as the kernels for columns take them.
fn sizes<'a>(g: &Geometry, images: Images) -> impl Iterator<Item = Argument<'a>> {
    // A longer one has no second place either.
    let stride = g.stride.map(|n| n.min(i32::MAX as usize));
    let pairs = [g.size, g.out, g.kernel, stride, g.padding, g.dilation];
    [images.first, images.count, g.groups * g.inputs]
        .into_iter()
        .chain(pairs.into_iter().flatten())
        .map(Argument::Size)
}

/// The kernels compute with 32 bits where an element lies in an image.
fn check(g: &Geometry) -> Result<()> {
    let padded = |i: usize| g.size[i] + 2 * g.padding[i];
    let largest = [g.positions(), padded(0), padded(1), g.area()];
    if largest.into_iter().any(|n| n > i32::MAX as usize) {
        return Err(Error::Msg(format!("a convolution on CUDA of images as large as {g:?}")).bt());
    }
    Ok(())
}

/// What some images' positions see: `(groups, depth, images · positions)`.
fn unfold(g: &Geometry, x: &Tensor, images: Images) -> Result<Tensor> {
    let columns = images.count * g.positions();
    let mut unfolded = Fresh::new(device_of(x)?, x.dtype(), (g.groups, g.depth(), columns))?;
    let mut arguments = vec![Argument::Read(x), Argument::Write(&mut unfolded)];
    arguments.extend(sizes(g, images));
    let grid = Grid::over_packs(g.groups * g.inputs * columns, g.out[1]);
    launch(&FAMILY, "unfold", x.dtype(), grid, &mut arguments)?;
    Ok(unfolded.into_tensor())
}

/// Some images of values, or of their gradients, as `(groups, outputs, images · positions)`.
fn by_channels(g: &Geometry, y: &Tensor, images: Images) -> Result<Tensor> {
    let columns = images.count * g.positions();
    let mut turned = Fresh::new(device_of(y)?, y.dtype(), (g.groups, g.outputs, columns))?;
    let grid = Grid::over_packs(turned.count(), g.positions());
    let mut arguments = [
        Argument::Read(y),
        Argument::Write(&mut turned),
        Argument::Size(images.first),
        Argument::Size(images.count),
        Argument::Size(g.groups * g.outputs),
        Argument::Size(g.positions()),
    ];
    launch(&FAMILY, "by_channels", y.dtype(), grid, &mut arguments)?;
    Ok(turned.into_tensor())
}

/// The weights as matrices, `(groups, outputs, depth)`.
fn matrices(g: &Geometry, weight: &Tensor) -> Result<Tensor> {
    weight.detach().reshape((g.groups, g.outputs, g.depth()))
}

/// The values, with what is added to them, for images and values that are not empty.
pub fn forward(g: &Geometry, x: &Tensor, weight: &Tensor, added: Added<'_>) -> Result<Fresh> {
    check(g)?;
    if g.is_pointwise() {
        let mut y = pointwise::values(g, x, weight)?;
        if added.is_some() {
            let all = Images {
                first: 0,
                count: g.batch,
            };
            settle(g, None, added, &mut y, all)?;
        }
        return Ok(y);
    }
    let weight = matrices(g, weight)?;
    let shape = (g.batch, g.groups * g.outputs, g.out[0], g.out[1]);
    let mut y = Fresh::new(device_of(x)?, x.dtype(), shape)?;
    for images in pieces(g) {
        let z = product(&weight, &unfold(g, x, images)?)?;
        settle(g, Some(&z), added, &mut y, images)?;
    }
    Ok(y)
}

/// Puts the values of some images, `(groups, outputs, images · positions)`, in their places, with what is added to them; without values, adds to those
/// that are there.
fn settle(
    g: &Geometry,
    z: Option<&Fresh>,
    added: Added<'_>,
    y: &mut Fresh,
    images: Images,
) -> Result<()> {
    let (dtype, channels) = (y.dtype(), g.groups * g.outputs);
    let read = |x: Option<_>| x.map_or(Argument::Nothing, Argument::Read);
    let mut arguments = [
        z.map_or(Argument::Nothing, Argument::Again),
        read(added.bias),
        read(added.channels),
        read(added.whole),
        Argument::Write(y),
        Argument::Size(images.first),
        Argument::Size(images.count),
        Argument::Size(channels),
        Argument::Size(g.positions()),
    ];
    let grid = Grid::over_packs(images.count * channels * g.positions(), g.positions());
    launch(&FAMILY, "settle", dtype, grid, &mut arguments)
}

/// The gradients of the images and of the weights, where they are wanted, given that of the values.
pub fn gradients(
    g: &Geometry,
    x: &Tensor,
    weight: &Tensor,
    gradient: &Tensor,
    [images_wanted, weights_wanted]: [bool; 2],
) -> Result<[Option<Tensor>; 2]> {
    check(g)?;
    if !g.is_pointwise() {
        let wanted = [images_wanted, weights_wanted];
        return by_columns(g, x, weight, gradient, wanted);
    }
    let in_x = match images_wanted {
        true => Some(pointwise::image_gradient(g, x, weight, gradient)?.into_tensor()),
        false => None,
    };
    let in_weight = match weights_wanted {
        true if pointwise::has_few_weights(g) => {
            Some(pointwise::weight_gradient(g, x, weight, gradient)?.into_tensor())
        }
        _ => {
            let [_, in_weight] = by_columns(g, x, weight, gradient, [false, weights_wanted])?;
            in_weight
        }
    };
    Ok([in_x, in_weight])
}

/// The same by columns, as many at a time as fit.
fn by_columns(
    g: &Geometry,
    x: &Tensor,
    weight: &Tensor,
    gradient: &Tensor,
    [images_wanted, weights_wanted]: [bool; 2],
) -> Result<[Option<Tensor>; 2]> {
    let (dtype, channels) = (gradient.dtype(), g.groups * g.inputs);
    let backwards = matrices(g, weight)?.transpose(1, 2)?;
    let mut in_x = match images_wanted {
        true => Some(Fresh::new(device_of(x)?, dtype, x.shape())?),
        false => None,
    };
    let mut in_weight: Option<Tensor> = None;
    if !images_wanted && !weights_wanted {
        return Ok([None, None]);
    }
    // A sum over several pieces is rounded once.
    let of_sums = match pieces(g).count() {
        1 => dtype,
        _ => wide(dtype),
    };
    for images in pieces(g) {
        let dy = by_channels(g, gradient, images)?;
        if let Some(in_x) = &mut in_x {
            let columns = product(&backwards, &dy)?;
            let grid = Grid::over_packs(images.count * channels * g.area(), g.size[1]);
            let mut arguments = vec![Argument::Again(&columns), Argument::Write(in_x)];
            arguments.extend(sizes(g, images));
            launch(&FAMILY, "fold", dtype, grid, &mut arguments)?;
        }
        if weights_wanted {
            let columns = unfold(g, x, images)?.transpose(1, 2)?;
            let part = product_as(of_sums, &dy, &columns)?.into_tensor();
            in_weight = Some(match in_weight {
                Some(sum) => (sum + part)?,
                None => part,
            });
        }
    }
    let in_weight = in_weight.map(|sum| sum.to_dtype(dtype)?.reshape(weight.shape()));
    Ok([in_x.map(Fresh::into_tensor), in_weight.transpose()?])
}

/// The sums of the values' gradients over the positions of each channel of each image, `(batch, channels)`, in the type of arithmetic.
pub fn channel_sums(g: &Geometry, gradient: &Tensor) -> Result<Fresh> {
    let (dtype, planes) = (gradient.dtype(), (g.batch, g.groups * g.outputs));
    let mut sums = Fresh::new(device_of(gradient)?, wide(dtype), planes)?;
    let grid = Grid::over(32 * sums.count());
    let planes = sums.count();
    let mut arguments = [
        Argument::Read(gradient),
        Argument::Write(&mut sums),
        Argument::Size(planes),
        Argument::Size(g.positions()),
    ];
    launch(&FAMILY, "sums_of_planes", dtype, grid, &mut arguments)?;
    Ok(sums)
}

/// The sums of each channel over all images: the gradient of a bias like `bias`.
pub fn bias_gradient(sums: &Fresh, batch: usize, bias: &Tensor) -> Result<Fresh> {
    sums::over_parts(sums, bias.dtype(), batch, bias.shape())
}

/// The same sums as elements of a tensor of a type.
pub fn channel_gradient(sums: &Fresh, like: &Tensor) -> Result<Fresh> {
    sums::over_parts(sums, like.dtype(), 1, like.shape())
}
