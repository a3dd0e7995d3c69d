//! Convolutions whose places see one pixel each: products of matrices that lie in the images.

use candle_core::{Result, Tensor};

use super::product::{Matrices, Sizes, products};
use super::source::wide;
use super::{Fresh, device_of, sums};
use crate::convolution::Geometry;

/// The channels of one group of all images: a matrix `(channels, area)` of each.
fn planes<M>(g: &Geometry, memory: M, channels: usize, group: usize) -> Matrices<M> {
    let area = g.area();
    Matrices {
        memory,
        first: group * channels * area,
        distance: g.groups * channels * area,
        stride: area,
        transposed: false,
    }
}

/// The weights of one group, `(outputs, inputs)`, for all images or for each.
fn weights<M>(g: &Geometry, memory: M, group: usize, distance: usize) -> Matrices<M> {
    Matrices {
        memory,
        first: group * g.outputs * g.inputs,
        distance,
        stride: g.inputs,
        transposed: false,
    }
}

/// The values, without what is added to them.
pub(super) fn values(g: &Geometry, x: &Tensor, weight: &Tensor) -> Result<Fresh> {
    let shape = (g.batch, g.groups * g.outputs, g.out[0], g.out[1]);
    let mut y = Fresh::new(device_of(x)?, x.dtype(), shape)?;
    let sizes = Sizes {
        count: g.batch,
        rows: g.outputs,
        inner: g.inputs,
        columns: g.area(),
    };
    for group in 0..g.groups {
        let weight = weights(g, weight, group, 0);
        let x = planes(g, x, g.inputs, group);
        products(sizes, 1.0, weight, x, planes(g, &mut y, g.outputs, group))?;
    }
    Ok(y)
}

/// The gradient of images like x, given that of the values.
pub(super) fn image_gradient(
    g: &Geometry,
    x: &Tensor,
    weight: &Tensor,
    gradient: &Tensor,
) -> Result<Fresh> {
    let mut in_x = Fresh::new(device_of(x)?, x.dtype(), x.shape())?;
    let sizes = Sizes {
        count: g.batch,
        rows: g.inputs,
        inner: g.outputs,
        columns: g.area(),
    };
    for group in 0..g.groups {
        let weight = weights(g, weight, group, 0).flipped();
        let gradient = planes(g, gradient, g.outputs, group);
        let target = planes(g, &mut in_x, g.inputs, group);
        products(sizes, 1.0, weight, gradient, target)?;
    }
    Ok(in_x)
}

/// Whether a gradient of the weights for each image takes no more memory than the images and values.
pub(super) fn has_few_weights(g: &Geometry) -> bool {
    g.outputs * g.inputs <= g.area() * (g.outputs + g.inputs)
}

/// The gradient of the weights, given that of the values: the sum of those of each image.
pub(super) fn weight_gradient(
    g: &Geometry,
    x: &Tensor,
    weight: &Tensor,
    gradient: &Tensor,
) -> Result<Fresh> {
    let (dtype, count) = (x.dtype(), weight.elem_count());
    let of_each = if g.batch == 1 { dtype } else { wide(dtype) };
    let mut each = Fresh::new(device_of(x)?, of_each, (g.batch, count))?;
    let sizes = Sizes {
        count: g.batch,
        rows: g.outputs,
        inner: g.area(),
        columns: g.inputs,
    };
    for group in 0..g.groups {
        let gradient = planes(g, gradient, g.outputs, group);
        let x = planes(g, x, g.inputs, group).flipped();
        products(sizes, 1.0, gradient, x, weights(g, &mut each, group, count))?;
    }
    match g.batch {
        1 => each.reshape(weight.shape()),
        batch => sums::over_parts(&each, dtype, batch, weight.shape()),
    }
}
