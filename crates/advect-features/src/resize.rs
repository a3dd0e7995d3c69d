//! Resizing of images, as in the programs that define the features of Inception-v3.

use advect_core::Result;
use candle_core::{Device, Tensor};

/// A way of resizing along each side of an image: a matrix of the shares that old pixels have in new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resize {
    /// PyTorch's `interpolate(mode="bilinear", align_corners=False)`: centres of pixels correspond.
    Bilinear,
    /// TensorFlow 1's `resize_bilinear(align_corners=False)`: corners of pixels correspond, so that images shift.
    TensorFlow,
    /// Pillow's bicubic filter with a = −1/2, which grows where images shrink.
    Bicubic,
}

impl Resize {
    /// Images `(n, channels, height, width)`, f32, resized to a square.
    pub(crate) fn apply(self, images: &Tensor, size: usize) -> Result<Tensor> {
        let (n, channels, height, width) = images.dims4()?;
        let across = self
            .matrix(width, size, images.device())?
            .t()?
            .contiguous()?;
        let down = self.matrix(height, size, images.device())?;
        let rows = images
            .reshape((n * channels * height, width))?
            .matmul(&across)?;
        let columns = rows.reshape((n * channels, height, size))?;
        let down = down.unsqueeze(0)?.repeat((n * channels, 1, 1))?;
        Ok(down.matmul(&columns)?.reshape((n, channels, size, size))?)
    }

    /// The shares `(to, from)`.
    fn matrix(self, from: usize, to: usize, device: &Device) -> Result<Tensor> {
        let mut shares = vec![0f32; to * from];
        let scale = from as f64 / to as f64;
        for (i, row) in shares.chunks_mut(from).enumerate() {
            let centre = (i as f64 + 0.5) * scale;
            match self {
                Resize::Bilinear => bilinear(row, (centre - 0.5).max(0.0)),
                Resize::TensorFlow => bilinear(row, i as f64 * scale),
                Resize::Bicubic => bicubic(row, centre, scale.max(1.0)),
            }
        }
        Ok(Tensor::from_vec(shares, (to, from), device)?)
    }
}

/// Between the two pixels around a place.
fn bilinear(row: &mut [f32], place: f64) {
    let last = row.len() - 1;
    let low = (place.floor() as usize).min(last);
    let share = (place - low as f64) as f32;
    row[low] += 1.0 - share;
    row[(low + 1).min(last)] += share;
}

/// Of all pixels whose centres are within two pixels, or two of the smaller image's.
fn bicubic(row: &mut [f32], centre: f64, scale: f64) {
    let weight = |x: f64| match x.abs() {
        x if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
        x if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
        _ => 0.0,
    };
    let first = (centre - 2.0 * scale + 0.5).max(0.0) as usize;
    let end = ((centre + 2.0 * scale + 0.5) as usize).min(row.len());
    let weights = (first..end).map(|j| weight((j as f64 + 0.5 - centre) / scale));
    let weights: Vec<f64> = weights.collect();
    let sum: f64 = weights.iter().sum();
    for (share, weight) in row[first..end].iter_mut().zip(weights) {
        *share = (weight / sum) as f32;
    }
}
