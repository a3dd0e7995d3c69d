//! Arrays of NumPy.

use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;

use advect_core::{Error, Result};
use candle_core::{Device, Tensor};
use half::f16;
use zip::ZipArchive;

/// Reads an array from a `.npy` file, in the CPU's memory: booleans and u8 as u8; i8 and i16 as i16; u16 and u32 as u32;
/// i32, i64, f16, f32 and f64 as they are. Either order of bytes, and of dimensions, is understood.
///
/// # Errors
/// [`Error::File`] if it can't be read, is cut short or too long, or holds something else.
pub fn read_npy(path: impl AsRef<Path>) -> Result<Tensor> {
    let path = path.as_ref();
    let bytes = fs::read(path).map_err(|e| Error::file(path, e))?;
    parse(&bytes).map_err(|reason| Error::file(path, reason))
}

/// Reads all arrays of an `.npz` file, compressed or not, with their names, in their order. As [`read_npy`].
///
/// # Errors
/// [`Error::File`], naming the array too.
pub fn read_npz(path: impl AsRef<Path>) -> Result<Vec<(String, Tensor)>> {
    let path = path.as_ref();
    let failed = |e: &dyn std::fmt::Display| Error::file(path, e);
    let bytes = fs::read(path).map_err(|e| failed(&e))?;
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|e| failed(&e))?;
    let mut arrays = Vec::with_capacity(archive.len());
    for i in 0..archive.len() {
        let mut file = archive.by_index(i).map_err(|e| failed(&e))?;
        let name = file.name().map_err(|e| failed(&e))?.into_owned();
        let name = name.strip_suffix(".npy").unwrap_or(&name).to_string();
        let mut bytes = Vec::new();
        let read = file.read_to_end(&mut bytes).map_err(|e| e.to_string());
        let array = read.and_then(|_| parse(&bytes));
        let array = array.map_err(|reason| failed(&format!("{name}: {reason}")))?;
        arrays.push((name, array));
    }
    Ok(arrays)
}

/// What a header says.
struct Header {
    big_endian: bool,
    kind: String,
    fortran: bool,
    shape: Vec<usize>,
}

/// The array of a file's bytes.
fn parse(bytes: &[u8]) -> Result<Tensor, String> {
    let cut = || "it ends within its header".to_string();
    if !bytes.starts_with(b"\x93NUMPY") {
        return Err("this is no npy file: it does not begin with \\x93NUMPY".into());
    }
    let (start, length) = match bytes.get(6).ok_or_else(cut)? {
        1 => (
            10,
            bytes
                .get(8..10)
                .map(|b| usize::from(u16::from_le_bytes([b[0], b[1]]))),
        ),
        2 | 3 => {
            let length = |b: &[u8]| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize;
            (12, bytes.get(8..12).map(length))
        }
        other => {
            return Err(format!(
                "its format has version {other}, 1 to 3 are accepted"
            ));
        }
    };
    let end = start + length.ok_or_else(cut)?;
    let text = String::from_utf8_lossy(bytes.get(start..end).ok_or_else(cut)?);
    let header = header(&text).ok_or_else(|| format!("its header is {text:?}"))?;
    array(&header, &bytes[end..])
}

/// Parses `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.
fn header(text: &str) -> Option<Header> {
    let after = |key: &str| Some(text.split_once(&format!("'{key}':"))?.1.trim_start());
    let quoted = after("descr")?.strip_prefix('\'')?;
    let (kind, _) = quoted.split_once('\'')?;
    let fortran = match after("fortran_order")? {
        value if value.starts_with("True") => true,
        value if value.starts_with("False") => false,
        _ => return None,
    };
    let (sizes, _) = after("shape")?.strip_prefix('(')?.split_once(')')?;
    let sizes = sizes
        .split(',')
        .map(str::trim)
        .filter(|size| !size.is_empty());
    Some(Header {
        big_endian: kind.starts_with('>'),
        kind: kind.trim_start_matches(['<', '>', '=', '|']).to_string(),
        fortran,
        shape: sizes.map(|size| size.parse().ok()).collect::<Option<_>>()?,
    })
}

fn array(header: &Header, data: &[u8]) -> Result<Tensor, String> {
    // The numbers, each of so many bytes in the machine's order.
    macro_rules! numbers {
        ($from:ty => $to:ty) => {{
            const SIZE: usize = size_of::<$from>();
            // Sizes of 0 count as 1 at first, so that those beside them are looked at, too.
            let sizes = &header.shape;
            let most =
                (sizes.iter()).try_fold(SIZE, |count, size| count.checked_mul((*size).max(1)));
            if most.is_none() || SIZE * sizes.iter().product::<usize>() != data.len() {
                return Err(format!(
                    "it has {} bytes of data, its shape {:?} of {} asks for others",
                    data.len(),
                    header.shape,
                    header.kind
                ));
            }
            let number = |bytes: &[u8]| {
                let mut number = [0; SIZE];
                number.copy_from_slice(bytes);
                match header.big_endian {
                    true => <$from>::from_be_bytes(number),
                    false => <$from>::from_le_bytes(number),
                }
            };
            let numbers = data
                .chunks_exact(SIZE)
                .map(|bytes| <$to>::from(number(bytes)));
            tensor(numbers.collect::<Vec<$to>>(), header)
        }};
    }
    match header.kind.as_str() {
        "b1" | "?" | "u1" | "B" => numbers!(u8 => u8),
        "i1" | "b" => numbers!(i8 => i16),
        "i2" | "h" => numbers!(i16 => i16),
        "u2" | "H" => numbers!(u16 => u32),
        "i4" | "i" => numbers!(i32 => i32),
        "u4" | "I" => numbers!(u32 => u32),
        "i8" | "q" => numbers!(i64 => i64),
        "f2" | "e" => numbers!(f16 => f16),
        "f4" | "f" => numbers!(f32 => f32),
        "f8" | "d" => numbers!(f64 => f64),
        other => Err(format!(
            "its numbers are of type {other}, booleans, integers of up to 64 bits with a sign or 32 without, and floats are accepted"
        )),
    }
}

fn tensor<T: candle_core::WithDType>(numbers: Vec<T>, header: &Header) -> Result<Tensor, String> {
    let mut shape = header.shape.clone();
    if !header.fortran {
        return Tensor::from_vec(numbers, shape, &Device::Cpu).map_err(|e| e.to_string());
    }
    shape.reverse();
    let dims: Vec<usize> = (0..shape.len()).rev().collect();
    let reversed = Tensor::from_vec(numbers, shape, &Device::Cpu);
    (reversed
        .and_then(|x| x.permute(dims))
        .and_then(|x| x.contiguous()))
    .map_err(|e| e.to_string())
}
