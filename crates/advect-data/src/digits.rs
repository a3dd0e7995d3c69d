//! A data set of handwritten digits, included in the crate.

use std::io::Read;

use advect_core::{Error, Result, check};
use candle_core::{DType, Device, Tensor};
use flate2::read::GzDecoder;

/// A data set of 1,797 handwritten digits of 8×8 pixels: the test set of "Optical Recognition of Handwritten Digits" by
/// E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, 1998, doi 10.24432/C50P49, CC BY 4.0.
///
/// ```
/// use advect_data::Digits;
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let digits = Digits::load(DType::F32, &Device::Cpu)?;
/// assert_eq!(digits.len(), 1797);
/// assert_eq!(digits.images.dims(), [1797, 1, 8, 8]);
/// assert_eq!(digits.labels.narrow(0, 0, 4)?.to_vec1::<u32>()?, [0, 1, 2, 3]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "load_digits")]
#[doc(alias = "optdigits")]
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Digits {
    /// The images, `(1797, 1, 8, 8)`, from −1 (paper) to 1 (ink).
    pub images: Tensor,
    /// The labels, 0 to 9: u32, `(1797,)`.
    pub labels: Tensor,
}

const FILE: &[u8] = include_bytes!("../data/optdigits.csv.gz");
const PIXELS: usize = 64;
/// The largest pixel in the file.
const INK: f64 = 16.0;

impl Digits {
    /// The number of classes.
    pub const CLASSES: usize = 10;

    /// The authors and the licence of the data. Name them where you show the digits.
    pub const ATTRIBUTION: &str = "E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, \
        UCI Machine Learning Repository, 1998, doi 10.24432/C50P49, CC BY 4.0";

    /// Loads the digits.
    ///
    /// # Errors
    /// [`Error::DType`] unless the dtype is a float; errors of candle.
    pub fn load(dtype: DType, device: &Device) -> Result<Self> {
        check::float_dtype("dtype", dtype)?;
        let damaged = |reason: String| Error::file("optdigits.csv.gz", reason);
        let mut text = String::new();
        GzDecoder::new(FILE)
            .read_to_string(&mut text)
            .map_err(|e| damaged(e.to_string()))?;
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for line in text.lines() {
            let row: Vec<u8> = line
                .split(',')
                .map(|field| {
                    field
                        .trim()
                        .parse()
                        .map_err(|_| damaged(format!("a row \"{line}\"")))
                })
                .collect::<Result<_>>()?;
            let Some((&label, row)) = row.split_last().filter(|(_, row)| row.len() == PIXELS)
            else {
                return Err(damaged(format!("a row \"{line}\"")));
            };
            pixels.extend(row.iter().map(|&p| f64::from(p) / (0.5 * INK) - 1.0));
            labels.push(u32::from(label));
        }
        let count = labels.len();
        Ok(Digits {
            images: Tensor::from_vec(pixels, (count, 1, 8, 8), &Device::Cpu)?
                .to_dtype(dtype)?
                .to_device(device)?,
            labels: Tensor::from_vec(labels, count, device)?,
        })
    }

    /// Returns the number of digits.
    pub fn len(&self) -> usize {
        self.labels.elem_count()
    }

    /// Returns whether there are no digits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_and_labels_are_those_of_the_source() {
        let digits = Digits::load(DType::F64, &Device::Cpu).unwrap();
        let pixels = digits
            .images
            .flatten_all()
            .unwrap()
            .to_vec1::<f64>()
            .unwrap();
        assert!(pixels.iter().all(|p| (-1.0..=1.0).contains(p)));
        // The first digit's first row, as printed in the file: 0,0,5,13,9,1,0,0.
        let expected = [0.0, 0.0, 5.0, 13.0, 9.0, 1.0, 0.0, 0.0].map(|p| p / 8.0 - 1.0);
        assert_eq!(pixels[..8], expected);
        let labels = digits.labels.to_vec1::<u32>().unwrap();
        let counts: Vec<usize> = (0..10)
            .map(|d| labels.iter().filter(|&&l| l == d).count())
            .collect();
        assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
        assert!(Digits::load(DType::U8, &Device::Cpu).is_err());
    }
}
