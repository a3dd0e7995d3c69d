//! Reading of arrays from files of NumPy.

use std::collections::HashSet;
use std::fmt::Display;
use std::io::{BufReader, Read};
use std::path::Path;

use advect_core::{Error, Result, file};
use candle_core::{Device, Tensor};
use half::f16;
use zip::ZipArchive;

use crate::source::{Source, check_rank};

/// The longest header that is read; NumPy itself takes 10,000 bytes from files that it does not trust.
const HEADER: usize = 1 << 16;

/// Reads an array from a `.npy` file into the CPU's memory: booleans and u8 as u8; i8 and i16 as i16; u16 and u32 as
/// u32; i32, i64, f16, f32 and f64 unchanged. Either order of bytes and of dimensions is understood, with 64
/// dimensions at most.
///
/// It reads no more than the header asks for, in memory of at most eight times its size.
///
/// # Errors
/// [`Error::File`] if it can't be read, is cut short or too long, or holds something else.
#[doc(alias = "numpy")]
#[doc(alias = "np.load")]
pub fn read_npy(path: impl AsRef<Path>) -> Result<Tensor> {
    let path = path.as_ref();
    let file = file::open(path)?;
    let length = file.metadata().map_err(|e| Error::file(path, e))?.len();
    parse(Source::new(BufReader::new(file), Some(length))).map_err(|e| Error::file(path, e))
}

/// Reads all arrays of an `.npz` file, compressed or not, with their names, in their order, as [`read_npy`] does.
///
/// # Errors
/// [`Error::File`], naming the array too; for a name that comes twice, and for entries that share their bytes.
#[doc(alias = "numpy")]
#[doc(alias = "np.load")]
pub fn read_npz(path: impl AsRef<Path>) -> Result<Vec<(String, Tensor)>> {
    let path = path.as_ref();
    let failed = |e: &dyn Display| Error::file(path, e);
    let file = BufReader::new(file::open(path)?);
    let mut archive = ZipArchive::new(file).map_err(|e| failed(&e))?;
    if archive.has_duplicate_names() {
        return Err(failed(&"two of its arrays have the same name"));
    }
    // A small archive may unpack to anything where many entries are one and the same.
    if archive.has_overlapping_files().map_err(|e| failed(&e))? {
        return Err(failed(&"its arrays overlap"));
    }
    let (mut arrays, mut names) = (Vec::with_capacity(archive.len()), HashSet::new());
    for i in 0..archive.len() {
        let file = archive.by_index(i).map_err(|e| failed(&e))?;
        let name = file.name().map_err(|e| failed(&e))?.into_owned();
        let name = name.strip_suffix(".npy").unwrap_or(&name).to_string();
        if !names.insert(name.clone()) {
            return Err(failed(&format!("two of its arrays have the name {name}")));
        }
        let size = file.size();
        let array = parse(Source::new(file, Some(size)));
        let array = array.map_err(|reason| failed(&format!("{name}: {reason}")))?;
        arrays.push((name, array));
    }
    Ok(arrays)
}

/// The contents of a header.
struct Header {
    big_endian: bool,
    kind: String,
    fortran: bool,
    shape: Vec<usize>,
}

/// The array of a source.
fn parse(mut source: Source<impl Read>) -> Result<Tensor, String> {
    let mut first = [0; 8];
    let filled = source.fill(&mut first)?;
    if !first.starts_with(b"\x93NUMPY") {
        let other = file::format(&first[..filled]);
        let other = other.map_or("it does not begin with \\x93NUMPY".into(), |other| {
            format!("it is {other}")
        });
        return Err(format!("this is not an npy file: {other}"));
    }
    let length = match first[6] {
        _ if filled < 8 => return Err("it ends within its header".into()),
        1 => source.header(2)?,
        2 | 3 => source.header(4)?,
        other => {
            return Err(format!("its format has version {other}; expected 1 to 3"));
        }
    };
    let length = (length.iter().rev()).fold(0, |length, &byte| length << 8 | usize::from(byte));
    if length > HEADER {
        return Err(format!(
            "its header has {length} bytes; expected at most {HEADER}"
        ));
    }
    let text = String::from_utf8_lossy(&source.header(length)?).into_owned();
    let header = header(&text).ok_or_else(|| {
        let text: String = text.trim_end().chars().take(200).collect();
        format!("its header is {text:?}")
    })?;
    check_rank(header.shape.len())?;
    array(&header, source)
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
        // Python 2 wrote long integers with an L.
        shape: (sizes.map(|size| size.strip_suffix('L').unwrap_or(size).parse().ok()))
            .collect::<Option<_>>()?,
    })
}

fn array(header: &Header, mut source: Source<impl Read>) -> Result<Tensor, String> {
    let asks = format!("its shape {:?} of {} asks", header.shape, header.kind);
    // The numbers, each of so many bytes in the machine's order.
    macro_rules! numbers {
        ($from:ty => $to:ty) => {{
            let number = |bytes| match header.big_endian {
                true => <$to>::from(<$from>::from_be_bytes(bytes)),
                false => <$to>::from(<$from>::from_le_bytes(bytes)),
            };
            tensor(source.numbers(&header.shape, asks, number)?, header)
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
            "its numbers are of type {other}; expected booleans, integers of up to 64 bits with a sign or 32 without, and floats"
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
