//! Writing of arrays to files of NumPy.

use std::io::{Cursor, Write};
use std::path::Path;

use advect_core::{Error, Result, file};
use candle_core::{DType, Device, Tensor};
use half::f16;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Headers end at a multiple of this.
const ALIGNED: usize = 64;

/// Writes a tensor to a `.npy` file of format 1.0, atomically, in its own dtype and with any shape, for `numpy.load`
/// and [`read_npy`](crate::read_npy).
///
/// ```
/// use advect_data::{read_npy, write_npy};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let path = std::env::temp_dir().join(format!("advect-write-{}.npy", std::process::id()));
/// write_npy(&path, &Tensor::new(&[[1f32, -0.5]], &Device::Cpu)?)?;
/// assert_eq!(read_npy(&path)?.to_vec2::<f32>()?, [[1.0, -0.5]]);
/// # std::fs::remove_file(path).unwrap();
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::DType`] for types that NumPy doesn't have, such as bf16; [`Error::File`] if it can't be written.
#[doc(alias = "np.save")]
#[doc(alias = "numpy")]
pub fn write_npy(path: impl AsRef<Path>, x: &Tensor) -> Result<()> {
    let bytes = encoded("x", x)?;
    file::write_atomically(path, |f| f.write_all(&bytes))
}

/// Writes tensors to an `.npz` file, not compressed, which `numpy.load` and [`read_npz`](crate::read_npz) read, by name. The file is whole, or as
/// it was.
///
/// ```
/// use advect_data::{read_npz, write_npz};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let path = std::env::temp_dir().join(format!("advect-{}.npz", std::process::id()));
/// let (mean, deviation) = (Tensor::new(&[0.5f64], &Device::Cpu)?, Tensor::new(2f32, &Device::Cpu)?);
/// write_npz(&path, &[("mean", &mean), ("deviation", &deviation)])?;
/// let arrays = read_npz(&path)?;
/// assert_eq!((arrays[0].0.as_str(), arrays[0].1.to_vec1::<f64>()?), ("mean", vec![0.5]));
/// assert_eq!(arrays[1].1.to_scalar::<f32>()?, 2.0);
/// # std::fs::remove_file(path).ok();
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::DType`], naming the array, for types that NumPy doesn't have, such as bf16; [`Error::Range`] for a name that comes twice;
/// [`Error::File`] if it can't be written.
#[doc(alias = "np.savez")]
#[doc(alias = "numpy")]
pub fn write_npz(path: impl AsRef<Path>, arrays: &[(&str, &Tensor)]) -> Result<()> {
    let path = path.as_ref();
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (i, &(name, x)) in arrays.iter().enumerate() {
        if arrays[..i].iter().any(|&(other, _)| other == name) {
            let given = format!("{name:?} twice");
            return Err(Error::range("arrays", given, "a name for each array"));
        }
        let bytes = encoded(name, x)?;
        let begun = archive.start_file(format!("{name}.npy"), options.large_file(true));
        begun.map_err(|e| Error::file(path, e))?;
        (archive.write_all(&bytes)).map_err(|e| Error::file(path, e))?;
    }
    let bytes = archive.finish().map_err(|e| Error::file(path, e))?;
    file::write_atomically(path, |f| f.write_all(bytes.get_ref()))
}

/// The bytes of an `.npy` file.
fn encoded(name: &str, x: &Tensor) -> Result<Vec<u8>> {
    let flat = x.to_device(&Device::Cpu)?.flatten_all()?;
    // The name of the type, and its bytes.
    macro_rules! bytes {
        ($kind:ty) => {{
            let numbers = flat.to_vec1::<$kind>()?;
            numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
        }};
    }
    let (kind, bytes): (&str, Vec<u8>) = match x.dtype() {
        DType::U8 => ("|u1", flat.to_vec1()?),
        DType::U32 => ("<u4", bytes!(u32)),
        DType::I16 => ("<i2", bytes!(i16)),
        DType::I32 => ("<i4", bytes!(i32)),
        DType::I64 => ("<i8", bytes!(i64)),
        DType::F16 => ("<f2", bytes!(f16)),
        DType::F32 => ("<f4", bytes!(f32)),
        DType::F64 => ("<f8", bytes!(f64)),
        other => {
            let accepted = "u8, u32, i16, i32, i64, f16, f32 or f64";
            return Err(Error::dtype(name.to_string(), other, accepted));
        }
    };
    let sizes: String = x.dims().iter().map(|size| format!("{size}, ")).collect();
    let sizes = sizes.trim_end();
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({sizes}), }}");
    // With the ten bytes before it and the end of the line, a multiple.
    let length = (10 + header.len() + 1).next_multiple_of(ALIGNED) - 10;
    header += &" ".repeat(length - header.len() - 1);
    header += "\n";
    let start = [&b"\x93NUMPY\x01\x00"[..], &(length as u16).to_le_bytes()].concat();
    Ok([&start, header.as_bytes(), &bytes].concat())
}
