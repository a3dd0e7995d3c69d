//! Mirror images.

use advect_core::{Error, Generator, Result, check};
use candle_core::{DType, Device, Tensor};

/// Mirrors each image of `(count, channels, height, width)` horizontally, with a given probability. It accepts any
/// dtype that candle computes with, and keeps it.
///
/// ```
/// use advect_core::Generator;
/// use advect_data::flip_horizontally;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[[[1u8, 2, 3]]]], &Device::Cpu)?;
/// let y = flip_horizontally(&x, 1.0, &mut Generator::from_seed(0))?;
/// assert_eq!(y.flatten_all()?.to_vec1::<u8>()?, [3, 2, 1]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`] unless x has four dimensions, [`Error::Range`] unless the probability is in [0, 1].
#[doc(alias = "RandomHorizontalFlip")]
#[doc(alias = "augmentation")]
pub fn flip_horizontally(x: &Tensor, probability: f64, rng: &mut Generator) -> Result<Tensor> {
    check::fraction("probability", probability)?;
    let &[count, _, _, width] = x.dims() else {
        return Err(Error::shape(
            "x",
            x.dims(),
            "(count, channels, height, width)",
        ));
    };
    // A view with elements that repeat can have any number of images.
    check::memory("x", x.dims(), x.dtype())?;
    let uniform = rng.uniform(0.0..1.0, count, DType::F64, &Device::Cpu)?;
    if x.elem_count() == 0 {
        return Ok(x.clone());
    }
    let chosen = uniform.lt(probability)?.reshape((count, 1, 1, 1))?;
    let chosen = chosen.to_device(x.device())?.broadcast_as(x.shape())?;
    let backwards: Vec<u32> = (0..width as u32).rev().collect();
    let backwards = Tensor::from_vec(backwards, width, x.device())?;
    let x = x.contiguous()?;
    let mirrored = x.index_select(&backwards, 3)?;
    Ok(chosen.contiguous()?.where_cond(&mirrored, &x)?)
}
