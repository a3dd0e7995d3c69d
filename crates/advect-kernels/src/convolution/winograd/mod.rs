//! 3 × 3 kernels by steps of one, by the algorithm of Winograd in two dimensions, F(4×4, 3×3) (Lavin and Gray 2016): 36
//! products for 16 values, where there would be 144.
//!
//! Strips of tiles, four lines high, are made channels side by side; each tile of 6 × 6 pixels is transformed, 16 channels
//! at a time; 36 products of matrices (tiles × channels by channels × outputs) follow, and the transform back. A block of
//! tiles stays in the second-level cache all the way. The gradient of the weights is the same algorithm transposed.

mod gradient;
mod strips;
mod transforms;
mod values;

pub(super) use gradient::weight_gradient;
pub(super) use values::{input_gradient, values};

use super::geometry::Geometry;
use crate::{Buffer, Float};
use strips::side_by_side;
use transforms::{Square, Transform, transform};

/// Pixels from one tile to the next, and of a transformed tile.
const STEP: usize = 4;
const SIDE: usize = 6;
/// Numbers of a transformed tile.
const NUMBERS: usize = SIDE * SIDE;
/// Channels come in multiples of this, filled up with zeros: full vectors of every instruction set.
const LANES: usize = 16;
/// Bytes of a block's transformed tiles.
const BLOCK: usize = 3 << 18;

/// The sizes of a convolution of 3 × 3.
#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    inputs: usize,
    outputs: usize,
    size: [usize; 2],
    out: [usize; 2],
    padding: [usize; 2],
}

impl Sizes {
    fn of(g: &Geometry) -> Self {
        Sizes {
            batch: g.batch,
            inputs: g.inputs,
            outputs: g.outputs,
            size: g.size,
            out: g.out,
            padding: g.padding,
        }
    }

    /// The geometry of the gradient of the images: from values to images, with the kernel turned round.
    fn backwards(g: &Geometry) -> Self {
        Sizes {
            batch: g.batch,
            inputs: g.outputs,
            outputs: g.inputs,
            size: g.out,
            out: g.size,
            padding: g.padding.map(|p| 2 - p),
        }
    }

    fn area(&self) -> usize {
        self.size[0] * self.size[1]
    }

    fn positions(&self) -> usize {
        self.out[0] * self.out[1]
    }

    /// Tiles of a column and of a row.
    fn tiles(&self) -> [usize; 2] {
        self.out.map(|size| size.div_ceil(STEP))
    }

    /// Nanoseconds on one thread.
    fn time<T>(&self) -> usize {
        let [high, wide] = self.tiles();
        let sizes = [self.batch, high, wide, self.inputs, self.outputs];
        let products = (sizes.iter()).fold(NUMBERS, |product, &n| product.saturating_mul(n));
        products.saturating_mul(size_of::<T>()) / 120
    }

    /// Rows of tiles that are worked on together.
    fn rows<T>(&self) -> usize {
        let channels = lanes(self.inputs) + lanes(self.outputs);
        let tiles = BLOCK / (NUMBERS * channels * size_of::<T>());
        (tiles.max(8) / self.tiles()[1]).max(1)
    }
}

fn lanes(channels: usize) -> usize {
    channels.next_multiple_of(LANES)
}

/// Whether the algorithm fits and repays its transforms. (Not by the number of images, on which results must not
/// depend.)
pub(super) fn fits(g: &Geometry) -> bool {
    let plain = g.kernel == [3, 3] && g.stride == [1, 1] && g.dilation == [1, 1] && g.groups == 1;
    let [high, wide] = g.out.map(|size| size.div_ceil(STEP) * STEP);
    plain
        && g.padding.iter().all(|&p| p <= 2)
        && g.inputs.min(g.outputs) >= LANES
        && high * wide <= 2 * g.out[0] * g.out[1]
}

/// Strips of an image's lines, and their transformed tiles.
struct Tiles<T: Float> {
    /// The lines of a strip: (line, pixel, channel).
    strip: Buffer<T>,
    /// (number, tile, channel).
    values: Buffer<T>,
}

/// A row of tiles: lines from `first` − `padding` on, whose squares of `side` pixels are `STEP` apart.
#[derive(Clone, Copy)]
struct Row {
    first: usize,
    padding: [usize; 2],
    size: [usize; 2],
    tiles: usize,
}

impl<T: Float> Tiles<T> {
    /// Room for so many tiles.
    fn new(channels: usize, tiles: usize) -> Self {
        Tiles {
            strip: Buffer::default(),
            values: Buffer::new(NUMBERS * tiles * lanes(channels)),
        }
    }

    /// Transforms a row of tiles of an image `(channels, height, width)`, which become tiles `place..` of `tiles`.
    #[inline(always)]
    fn fill<F: Transform<N, SIDE>, S: pulp::Simd, const N: usize>(
        &mut self,
        simd: S,
        image: &[T],
        channels: usize,
        row: Row,
        (place, tiles): (usize, usize),
    ) {
        let Row {
            first,
            padding,
            size: [height, width],
            ..
        } = row;
        let stride = lanes(channels);
        let pixels = (row.tiles - 1) * STEP + N;
        let line = pixels * stride;
        self.strip.resize(N * line);
        // The pixels of a line within the image, with zeros on either side. (What fills the lanes up does not matter.)
        let left = padding[1].min(pixels);
        let count = width.min(pixels - left);
        let inside = left * stride..(left + count) * stride;
        for first_channel in (0..channels).step_by(LANES) {
            let some = LANES.min(channels - first_channel);
            for (y, out) in (first..).zip(self.strip.chunks_exact_mut(line)) {
                let y = y.wrapping_sub(padding[0]);
                if y < height {
                    let source = &image[(first_channel * height + y) * width..];
                    let out = &mut out[inside.start + first_channel..];
                    side_by_side(source, height * width, some, count, out, stride);
                }
            }
        }
        for (y, out) in (first..).zip(self.strip.chunks_exact_mut(line)) {
            if y.wrapping_sub(padding[0]) < height {
                out[..inside.start].fill(T::ZERO);
                out[inside.end..].fill(T::ZERO);
            } else {
                out.fill(T::ZERO);
            }
        }
        for tile in 0..row.tiles {
            let from = Square {
                first: tile * STEP * stride,
                row: line,
                column: stride,
            };
            let to = Square {
                first: (place + tile) * stride,
                row: SIDE * tiles * stride,
                column: tiles * stride,
            };
            let out = &mut self.values;
            transform::<F, S, T, N, SIDE>(simd, stride, (&self.strip, from), (out, to));
        }
    }
}
