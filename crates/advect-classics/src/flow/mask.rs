//! Masks of the elements that a coupling keeps.

use advect_core::{Error, Result, check};
use candle_core::{Device, Tensor};

/// The elements that a coupling keeps, which its network sees; all others are changed.
///
/// ```
/// use advect_classics::flow::Mask;
/// # fn main() -> advect_core::Result<()> {
/// assert_eq!(Mask::alternating(&[3], 0)?.kept(), [false, true, false]);
/// assert_eq!(Mask::alternating(&[1, 2, 2], 1)?.kept(), [true, false, false, true]);
/// assert_eq!(Mask::halves(&[4], 0)?.kept(), [true, true, false, false]);
/// assert!(Mask::new(&[2], vec![true, true]).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    shape: Vec<usize>,
    kept: Vec<bool>,
}

impl Mask {
    /// Creates a mask from one boolean for each element of a sample, in row-major order: whether the coupling keeps it.
    /// If none is, the coupling is a map of each element by itself.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is a value for each element; [`Error::Range`] if all are kept.
    pub fn new(shape: &[usize], kept: Vec<bool>) -> Result<Self> {
        if shape.is_empty() || kept.len() != shape.iter().product::<usize>() {
            let accepted = format!("a value for each element of {shape:?}");
            return Err(Error::shape("kept", &[kept.len()], accepted));
        }
        if kept.iter().all(|kept| *kept) {
            return Err(Error::range(
                "kept",
                "all elements",
                "at least one element that is not kept",
            ));
        }
        let shape = shape.to_vec();
        Ok(Mask { shape, kept })
    }

    /// Creates a checkerboard: elements whose indices and `parity` have an even sum are changed (Dinh et al. 2017, section 3.4). For a list of numbers these are
    /// all even or all odd ones.
    ///
    /// # Errors
    /// As [`Mask::new`].
    #[doc(alias = "checkerboard")]
    pub fn alternating(shape: &[usize], parity: usize) -> Result<Self> {
        let kept = |place: usize| {
            let digits = shape.iter().rev().scan(place, |rest, size| {
                let digit = *rest % size;
                *rest /= size;
                Some(digit)
            });
            !(digits.sum::<usize>() + parity).is_multiple_of(2)
        };
        Self::new(shape, (0..shape.iter().product()).map(kept).collect())
    }

    /// Creates a mask that keeps the first half of the channels, or features, for an even `parity`, and the second half for an odd one.
    ///
    /// # Errors
    /// As [`Mask::new`].
    #[doc(alias = "channel-wise")]
    pub fn halves(shape: &[usize], parity: usize) -> Result<Self> {
        let channels = check::at_least_one("channels", shape.first().copied().unwrap_or(0))?;
        let count: usize = shape.iter().product();
        let kept = |k: usize| (2 * (k / (count / channels)) < channels) == parity.is_multiple_of(2);
        Self::new(shape, (0..count).map(kept).collect())
    }

    /// Returns the shape of a sample.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Returns whether each element is kept.
    pub fn kept(&self) -> &[bool] {
        &self.kept
    }

    /// 1 for elements that are kept and 0 for others, `(1, ...)` like samples.
    pub(crate) fn tensor(&self, x: &Tensor) -> Result<Tensor> {
        let values: Vec<f64> = self.kept.iter().map(|k| f64::from(u8::from(*k))).collect();
        let dims = [&[1], &self.shape[..]].concat();
        let mask = Tensor::from_vec(values, dims, &Device::Cpu)?;
        Ok(mask.to_dtype(x.dtype())?.to_device(x.device())?)
    }
    /// The places of the elements that are changed, and for each element its place in a sample followed by these.
    pub(crate) fn changed(&self, device: &Device) -> Result<[Tensor; 2]> {
        let size = self.kept.len();
        let changed = (0..size).filter(|k| !self.kept[*k]);
        let mut next = size..;
        let places = self.kept.iter().enumerate();
        let places = places.map(|(k, kept)| if *kept { k } else { next.next().unwrap_or(k) });
        let list = |places: Vec<u32>| Tensor::new(places, device);
        Ok([
            list(changed.map(|k| k as u32).collect())?,
            list(places.map(|k| k as u32).collect())?,
        ])
    }
}
