//! The IDX format of MNIST.

use std::io::Read;
use std::path::Path;

use advect_core::{Error, Result, file};
use candle_core::{Device, Tensor};

use crate::source::{Source, check_rank};

/// The code of unsigned bytes.
const BYTES: u8 = 0x08;

/// Reads an IDX file of unsigned bytes, gzipped or not, as a u8 tensor with the sizes in its header (LeCun, Cortes and
/// Burges 1998, the format of the MNIST database), of 64 dimensions at most. It unpacks no more than the header asks
/// for.
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
#[doc(alias = "ubyte")]
pub fn read_idx(path: impl AsRef<Path>) -> Result<Tensor> {
    let path = path.as_ref();
    let mut source = Source::open(path)?;
    parse(&mut source).map_err(|reason| Error::file(path, reason))
}

fn parse(source: &mut Source<impl Read>) -> Result<Tensor, String> {
    let mut first = [0; 4];
    let filled = source.fill(&mut first)?;
    let (kind, rank) = match first {
        [0, 0, kind, rank] if filled == 4 => (kind, usize::from(rank)),
        _ => {
            let other = file::format(&first[..filled]);
            let other = other.map_or("it does not begin with two zeros".into(), |other| {
                format!("it is {other}")
            });
            return Err(format!("this is not an IDX file: {other}"));
        }
    };
    if kind != BYTES {
        return Err(format!(
            "its numbers are of type {kind:#04x}; expected unsigned bytes ({BYTES:#04x})"
        ));
    }
    check_rank(rank)?;
    let header = source.header(4 * rank)?;
    let sizes: Vec<usize> = (header.as_chunks::<4>().0.iter())
        .map(|size| u32::from_be_bytes(*size) as usize)
        .collect();
    let asks = format!("its sizes {sizes:?} ask");
    let bytes = source.numbers(&sizes, asks, |[byte]: [u8; 1]| byte)?;
    Tensor::from_vec(bytes, sizes, &Device::Cpu).map_err(|e| e.to_string())
}
