//! The sizes of a convolution, and the pixels that each weight multiplies.

use std::ops::Range;

use crate::Float;

/// The sizes of a convolution, height before width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// The number of images.
    pub batch: usize,
    /// The number of groups of channels, each convolved separately.
    pub groups: usize,
    /// The number of input channels of a group.
    pub inputs: usize,
    /// The number of output channels of a group.
    pub outputs: usize,
    /// The height and width of an image.
    pub size: [usize; 2],
    /// The height and width of a value.
    pub out: [usize; 2],
    /// The height and width of the kernel.
    pub kernel: [usize; 2],
    /// The number of pixels from one place to the next.
    pub stride: [usize; 2],
    /// The number of zeros on each side.
    pub padding: [usize; 2],
    /// The number of pixels from one weight to the next.
    pub dilation: [usize; 2],
}

/// Elements of a block of columns, which stay in the second-level cache.
const BLOCK: usize = 1 << 16;

impl Geometry {
    /// Pixels of an image of the input, and of the output.
    pub(crate) fn area(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Returns the number of pixels of a padded side beyond those that the first place of the kernel spans.
    pub fn room(&self, side: usize) -> usize {
        let span = (self.kernel[side] - 1) * self.dilation[side] + 1;
        self.size[side] + 2 * self.padding[side] - span
    }

    pub(crate) fn positions(&self) -> usize {
        self.out[0] * self.out[1]
    }

    /// Weights of an output channel: rows of the matrix of what it sees.
    pub(crate) fn depth(&self) -> usize {
        self.inputs * self.kernel[0] * self.kernel[1]
    }

    /// Nanoseconds on one thread.
    pub(super) fn time<T>(&self) -> usize {
        let sizes = [self.batch, self.groups, self.outputs, self.depth()];
        let products =
            (sizes.iter()).fold(self.positions(), |product, &n| product.saturating_mul(n));
        products.saturating_mul(size_of::<T>()) / 200
    }

    /// Whether what the k-th weight sees is the k-th channel as it is.
    pub(crate) fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.stride == [1, 1] && self.padding == [0, 0]
    }

    /// Columns of a block.
    pub(super) fn columns(&self) -> usize {
        let fits = BLOCK / self.depth().max(self.outputs).max(1);
        fits.clamp(64, 1024).next_multiple_of(32)
    }

    /// Calls `f(inside, first, count, source)` for the runs of positions, of one line of the output each, that the k-th weight sees
    /// within the image, with the place of the first one's pixel; `inside` counts from the start of `positions`.
    #[inline(always)]
    fn runs(&self, k: usize, positions: Range<usize>, mut f: impl FnMut(Range<usize>, usize)) {
        let [kh, kw] = self.kernel;
        let (channel, i, j) = (k / (kh * kw), k / kw % kh, k % kw);
        let width = self.out[1];
        let mut p = positions.start;
        while p < positions.end {
            let (oy, ox) = (p / width, p % width);
            let end = positions.end.min(p + width - ox);
            let y = (oy * self.stride[0] + i * self.dilation[0]).wrapping_sub(self.padding[0]);
            if y < self.size[0] {
                // The first and the last place of the line whose pixel is inside.
                let offset = j * self.dilation[1];
                let (stride, padding) = (self.stride[1], self.padding[1]);
                let first = padding.saturating_sub(offset).div_ceil(stride).max(ox);
                let beyond = (self.size[1] + padding).saturating_sub(offset);
                let last = beyond.div_ceil(stride).min(ox + end - p);
                if first < last {
                    let x = first * stride + offset - padding;
                    let source = (channel * self.size[0] + y) * self.size[1] + x;
                    let from = p + first - ox - positions.start;
                    f(from..from + last - first, source);
                }
            }
            p = end;
        }
    }

    /// Copies the pixels that the k-th weight sees at some positions of an image, 0 beyond its edges.
    #[inline(always)]
    pub(super) fn see<T: Float>(
        &self,
        image: &[T],
        k: usize,
        positions: Range<usize>,
        out: &mut [T],
    ) {
        if self.is_pointwise() {
            let start = k * self.area();
            out.copy_from_slice(&image[start + positions.start..start + positions.end]);
            return;
        }
        out.fill(T::ZERO);
        let stride = self.stride[1];
        self.runs(k, positions, |inside, source| {
            let out = &mut out[inside];
            if stride == 1 {
                out.copy_from_slice(&image[source..source + out.len()]);
            } else {
                for (out, x) in out.iter_mut().zip(image[source..].iter().step_by(stride)) {
                    *out = *x;
                }
            }
        });
    }

    /// Adds what the k-th weight sends back from some positions to an image.
    #[inline(always)]
    pub(super) fn send<T: Float>(
        &self,
        image: &mut [T],
        k: usize,
        positions: Range<usize>,
        values: &[T],
    ) {
        let stride = self.stride[1];
        self.runs(k, positions, |inside, source| {
            let values = &values[inside];
            for (x, value) in image[source..].iter_mut().step_by(stride).zip(values) {
                *x += *value;
            }
        });
    }
}
