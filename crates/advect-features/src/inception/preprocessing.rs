//! The preprocessing of images for Inception-v3.

use advect_core::Result;
use candle_core::{DType, Tensor};

use crate::check_images;
use crate::resize::Resize;

/// The side of the network's images.
const SIDE: usize = 299;

/// The preprocessing of images for Inception-v3 by one of several programs. Distances change with it by more than models differ (Parmar, Zhang and
/// Zhu 2022), so features of one set and the other must be made in the same way.
///
/// ```
/// use advect_features::Preprocessing;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let white = Tensor::full(255u8, (1, 1, 28, 28), &Device::Cpu)?;
/// let x = Preprocessing::TorchFidelity.apply(&white)?;
/// assert_eq!(x.dims(), [1, 3, 299, 299]);
/// assert_eq!(x.flatten_all()?.get(0)?.to_scalar::<f32>()?, 127.0 / 128.0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Preprocessing {
    /// pytorch-fid's: bilinear, without averaging where images shrink; `2 x / 255 − 1`.
    #[default]
    PytorchFid,
    /// torch-fidelity's, which is the original's in TensorFlow 1: bilinear with a shift of half a pixel; `(x − 128) / 128`.
    TorchFidelity,
    /// clean-fid's: Pillow's bicubic filter, cut off at 0 and 255; `(x − 128) / 128`.
    CleanFid,
}

impl Preprocessing {
    /// Returns the network's input `(n, 3, 299, 299)`, f32, of images `(n, 3 or 1, height, width)`, u8.
    ///
    /// # Errors
    /// [`Error::DType`](advect_core::Error::DType), [`Error::Shape`](advect_core::Error::Shape), `Empty`.
    pub fn apply(self, images: &Tensor) -> Result<Tensor> {
        check_images(images, &[1, 3])?;
        let x = images.to_dtype(DType::F32)?;
        let x = match self {
            Preprocessing::PytorchFid => Resize::Bilinear
                .apply(&x, SIDE)?
                .affine(2.0 / 255.0, -1.0)?,
            Preprocessing::TorchFidelity => Resize::TensorFlow
                .apply(&x, SIDE)?
                .affine(1.0 / 128.0, -1.0)?,
            Preprocessing::CleanFid => Resize::Bicubic
                .apply(&x, SIDE)?
                .clamp(0f32, 255f32)?
                .affine(1.0 / 128.0, -1.0)?,
        };
        match x.dim(1)? {
            1 => Ok(x.repeat((1, 3, 1, 1))?),
            _ => Ok(x),
        }
    }
}
