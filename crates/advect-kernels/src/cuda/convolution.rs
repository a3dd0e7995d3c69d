//! Convolutions as products of matrices.

use candle_core::{Result, Tensor};

use super::source::wide;
use super::{Argument, Family, Fresh, Grid, device_of, launch, product, sums};
use crate::convolution::Geometry;

pub(super) const FAMILY: Family = Family {
    name: "convolution",
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

/// The sizes, as the kernels for columns take them.
fn sizes<'a>(g: &Geometry, images: Images) -> impl Iterator<Item = Argument<'a>> {
    let pairs = [g.size, g.out, g.kernel, g.stride, g.padding, g.dilation];
    [images.first, images.count, g.groups * g.inputs]
        .into_iter()
        .chain(pairs.into_iter().flatten())
        .map(Argument::Size)
}

/// What some images' positions see: `(groups, depth, images · positions)`.
fn unfold(g: &Geometry, x: &Tensor, images: Images) -> Result<Tensor> {
    let columns = images.count * g.positions();
    let mut unfolded = Fresh::new(device_of(x)?, x.dtype(), (g.groups, g.depth(), columns))?;
    let threads = g.groups * g.inputs * columns;
    let mut arguments = vec![Argument::Read(x), Argument::Write(&mut unfolded)];
    arguments.extend(sizes(g, images));
    launch(
        &FAMILY,
        "unfold",
        x.dtype(),
        Grid::over(threads),
        &mut arguments,
    )?;
    Ok(unfolded.into_tensor())
}

/// Some images of values, or of their gradients, as `(groups, outputs, images · positions)`.
fn by_channels(g: &Geometry, y: &Tensor, images: Images) -> Result<Tensor> {
    let columns = images.count * g.positions();
    let mut turned = Fresh::new(device_of(y)?, y.dtype(), (g.groups, g.outputs, columns))?;
    let threads = turned.count();
    let mut arguments = [
        Argument::Read(y),
        Argument::Write(&mut turned),
        Argument::Size(images.first),
        Argument::Size(images.count),
        Argument::Size(g.groups * g.outputs),
        Argument::Size(g.positions()),
    ];
    launch(
        &FAMILY,
        "by_channels",
        y.dtype(),
        Grid::over(threads),
        &mut arguments,
    )?;
    Ok(turned.into_tensor())
}

/// The weights as matrices, `(groups, outputs, depth)`.
fn matrices(g: &Geometry, weight: &Tensor) -> Result<Tensor> {
    weight.detach().reshape((g.groups, g.outputs, g.depth()))
}

/// The values, with what is added to them, for images and values that are not empty.
pub fn forward(g: &Geometry, x: &Tensor, weight: &Tensor, added: Added<'_>) -> Result<Fresh> {
    let (dtype, channels) = (x.dtype(), g.groups * g.outputs);
    let weight = matrices(g, weight)?;
    let shape = (g.batch, channels, g.out[0], g.out[1]);
    let mut y = Fresh::new(device_of(x)?, dtype, shape)?;
    let read = |x: Option<_>| x.map_or(Argument::Nothing, Argument::Read);
    for images in pieces(g) {
        let z = product(&weight, &unfold(g, x, images)?)?;
        let grid = Grid::over(z.count());
        let mut arguments = [
            Argument::Again(&z),
            read(added.bias),
            read(added.channels),
            read(added.whole),
            Argument::Write(&mut y),
            Argument::Size(images.first),
            Argument::Size(images.count),
            Argument::Size(channels),
            Argument::Size(g.positions()),
        ];
        launch(&FAMILY, "settle", dtype, grid, &mut arguments)?;
    }
    Ok(y)
}

/// The gradient of the images, given that of the values.
pub fn input_gradient(g: &Geometry, weight: &Tensor, gradient: &Tensor) -> Result<Fresh> {
    let (dtype, channels) = (gradient.dtype(), g.groups * g.inputs);
    let weight = matrices(g, weight)?.transpose(1, 2)?;
    let shape = (g.batch, channels, g.size[0], g.size[1]);
    let mut dx = Fresh::new(device_of(gradient)?, dtype, shape)?;
    for images in pieces(g) {
        let columns = product(&weight, &by_channels(g, gradient, images)?)?;
        let grid = Grid::over(images.count * channels * g.area());
        let mut arguments = vec![Argument::Again(&columns), Argument::Write(&mut dx)];
        arguments.extend(sizes(g, images));
        launch(&FAMILY, "fold", dtype, grid, &mut arguments)?;
    }
    Ok(dx)
}

/// The gradient of the weights, given that of the values.
pub fn weight_gradient(g: &Geometry, x: &Tensor, gradient: &Tensor) -> Result<Tensor> {
    let mut sum: Option<Tensor> = None;
    for images in pieces(g) {
        let columns = unfold(g, x, images)?.transpose(1, 2)?;
        let part = product(&by_channels(g, gradient, images)?, &columns)?.into_tensor();
        sum = Some(match sum {
            Some(sum) => (sum + part)?,
            None => part,
        });
    }
    let shape = (g.groups * g.outputs, g.inputs, g.kernel[0], g.kernel[1]);
    match sum {
        Some(sum) => sum.reshape(shape),
        None => Tensor::zeros(shape, x.dtype(), x.device()),
    }
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
