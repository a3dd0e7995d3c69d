//! The format of MNIST.

use std::path::Path;

use advect_core::{Error, Result};
use candle_core::{Device, Tensor};

use super::bytes;

/// The code of unsigned bytes.
const BYTES: u8 = 0x08;

/// Reads an IDX file of unsigned bytes, gzipped or not, as a u8 tensor of its sizes (LeCun, Cortes and Burges 1998, the
/// format of the MNIST database).
///
/// ```
/// use advect_data::images::read_idx;
/// # fn main() -> advect_core::Result<()> {
/// let path = std::env::temp_dir().join(format!("advect-idx-{}", std::process::id()));
/// std::fs::write(&path, [0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 3, 7, 8, 9]).unwrap();
/// assert_eq!(read_idx(&path)?.to_vec2::<u8>()?, [[7, 8, 9]]);
/// # std::fs::remove_file(path).unwrap();
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::File`] if it can't be read, is cut short or too long, or is something else.
pub fn read_idx(path: impl AsRef<Path>) -> Result<Tensor> {
    let path = path.as_ref();
    let bytes = bytes(path)?;
    let wrong = |reason: String| Error::file(path, reason);
    let (kind, rank) = match bytes[..] {
        [0, 0, kind, rank, ..] => (kind, usize::from(rank)),
        _ => {
            return Err(wrong(
                "this is no IDX file: it does not begin with two zeros".into(),
            ));
        }
    };
    if kind != BYTES {
        return Err(wrong(format!(
            "its numbers are of type {kind:#04x}, unsigned bytes ({BYTES:#04x}) are accepted"
        )));
    }
    let Some((header, data)) = bytes[4..].split_at_checked(4 * rank) else {
        return Err(wrong("it ends within its header".into()));
    };
    let sizes: Vec<usize> = (header.chunks_exact(4))
        .map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize)
        .collect();
    // Sizes of 0 count as 1 here, so that those beside them are looked at, too.
    let most = (sizes.iter()).try_fold(1usize, |count, size| count.checked_mul((*size).max(1)));
    if most.is_none() || sizes.iter().product::<usize>() != data.len() {
        return Err(wrong(format!(
            "it has {} bytes of data, its sizes {sizes:?} ask for others",
            data.len()
        )));
    }
    Ok(Tensor::from_slice(data, sizes, &Device::Cpu)?)
}
