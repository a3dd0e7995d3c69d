//! Checks of arguments, which return an [`Error`] that names the argument.

use candle_core::{CpuStorage, D, DType, Device, Storage, Tensor};

use crate::{Error, Result, shape};

/// Checks that `x` is a batch, with rank 1 or more and at least one element. Returns the batch size, `x.dim(0)`.
///
/// ```
/// use advect_core::check;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::zeros((0, 2), DType::F32, &Device::Cpu)?;
/// let error = check::batch("x0", &x).unwrap_err();
/// assert_eq!(error.to_string(), "x0: got an empty batch, expected at least one element");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`] for a scalar, [`Error::Empty`] where any dimension is 0.
pub fn batch(argument: &'static str, x: &Tensor) -> Result<usize> {
    if x.rank() == 0 {
        return Err(Error::shape(argument, x.dims(), "(batch, ...)"));
    }
    if x.elem_count() == 0 {
        return Err(Error::Empty {
            argument: argument.into(),
        });
    }
    Ok(x.dims()[0])
}

/// Checks that a tensor has a floating-point dtype of 16 bits or more.
///
/// # Errors
/// [`Error::DType`] otherwise.
pub fn float(argument: &'static str, x: &Tensor) -> Result<()> {
    float_dtype(argument, x.dtype())
}

/// Checks that a dtype is a floating-point type of 16 bits or more.
///
/// # Errors
/// [`Error::DType`] otherwise.
pub fn float_dtype(argument: &'static str, dtype: DType) -> Result<()> {
    match dtype {
        DType::F16 | DType::BF16 | DType::F32 | DType::F64 => Ok(()),
        other => Err(Error::dtype(argument, other, "f16, bf16, f32 or f64")),
    }
}

/// Checks that a tensor has the shape, dtype and device of `reference`.
///
/// # Errors
/// [`Error::Shape`], [`Error::DType`] or [`Error::Device`], naming `argument`.
pub fn alike(
    argument: &'static str,
    x: &Tensor,
    reference_name: &'static str,
    reference: &Tensor,
) -> Result<()> {
    if x.dims() != reference.dims() {
        let accepted = format!("the shape {:?} of {reference_name}", reference.dims());
        return Err(Error::shape(argument, x.dims(), accepted));
    }
    same_kind(argument, x, reference_name, reference)
}

/// Checks that a tensor has the dtype and device of `reference`. Any shape is accepted.
///
/// # Errors
/// [`Error::DType`] or [`Error::Device`], naming `argument`.
pub fn same_kind(
    argument: &'static str,
    x: &Tensor,
    reference_name: &'static str,
    reference: &Tensor,
) -> Result<()> {
    if x.dtype() != reference.dtype() {
        let accepted = format!("the dtype {:?} of {reference_name}", reference.dtype());
        return Err(Error::dtype(argument, x.dtype(), accepted));
    }
    same_device(argument, x.device(), reference_name, reference.device())
}

/// Checks that a tensor is on the device of `reference`.
///
/// # Errors
/// [`Error::Device`], naming `argument`.
pub fn same_device(
    argument: &'static str,
    device: &Device,
    reference_name: &'static str,
    reference: &Device,
) -> Result<()> {
    if device.location() != reference.location() {
        return Err(Error::Device {
            argument: argument.into(),
            given: format!("{:?}", device.location()),
            accepted: format!("{:?}, where {reference_name} is", reference.location()),
        });
    }
    Ok(())
}

/// Checks integer labels, one per sample, each in `0..classes`. Returns them on the host.
///
/// # Errors
/// [`Error::DType`] unless u8, u32 or i64; [`Error::Shape`] unless `(batch,)`;
/// [`Error::Range`] for a label outside `0..classes`.
pub fn labels(
    argument: &'static str,
    labels: &Tensor,
    batch: usize,
    classes: usize,
) -> Result<Vec<usize>> {
    if !matches!(labels.dtype(), DType::U8 | DType::U32 | DType::I64) {
        return Err(Error::dtype(argument, labels.dtype(), "u8, u32 or i64"));
    }
    if labels.dims() != [batch] {
        let accepted = format!("({batch},), one label per sample");
        return Err(Error::shape(argument, labels.dims(), accepted));
    }
    // (candle reads beyond the storage of an empty view.)
    if batch == 0 {
        return Ok(Vec::new());
    }
    let values = labels.to_dtype(DType::I64)?.to_vec1::<i64>()?;
    values
        .into_iter()
        .map(|label| match usize::try_from(label) {
            Ok(label) if label < classes => Ok(label),
            _ => Err(Error::range(
                argument,
                label,
                format!("a label in 0..{classes}"),
            )),
        })
        .collect()
}

/// Converts a condition and the condition that means "none" to a common dtype: their own if they agree, i64 for two
/// kinds of integers, the dtype of `none` for two kinds of floats. Labels that mean "none" become their
/// [unit vectors](shape::one_hot) beside a condition of weights of classes, floats `(batch, n)`. Returns both.
///
/// # Errors
/// [`Error::DType`] for any other float beside an integer, [`Error::Shape`] or [`Error::Device`] if the shapes or
/// devices differ, naming `argument`.
pub fn condition(
    argument: &'static str,
    condition: &Tensor,
    none: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let unit;
    let none = match (condition.dims(), none.dims()) {
        (&[_, width], [_]) if condition.dtype().is_float() && none.dtype().is_int() => {
            unit = shape::one_hot(none, width, condition.dtype())?;
            &unit
        }
        _ => none,
    };
    let dtype = match (condition.dtype(), none.dtype()) {
        (a, b) if a == b => a,
        (a, b) if a.is_int() && b.is_int() => DType::I64,
        (a, b) if a.is_float() && b.is_float() => b,
        (given, accepted) => {
            let accepted = format!("{accepted:?}, the dtype of the field's conditions");
            return Err(Error::dtype(argument, given, accepted));
        }
    };
    let (condition, none) = (condition.to_dtype(dtype)?, none.to_dtype(dtype)?);
    alike(argument, &condition, "no condition", &none)?;
    Ok((condition, none))
}

/// Checks that a tensor holds neither NaN nor an infinity. Integer tensors always pass.
///
/// On the CPU this is one read of the memory; elsewhere one reduction, whose answer is awaited.
///
/// # Errors
/// [`Error::NonFinite`] with the first offending element.
pub fn finite(argument: &'static str, x: &Tensor) -> Result<()> {
    if is_finite(x)? {
        return Ok(());
    }
    let values = x.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
    match values.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(Error::NonFinite {
            argument: argument.into(),
            index,
            value: values[index],
        }),
        None => Ok(()),
    }
}

/// Returns whether every element is finite.
///
/// # Errors
/// Errors of candle.
pub fn is_finite(x: &Tensor) -> Result<bool> {
    fn all<T: Copy>(values: &[T], is_finite: impl Fn(T) -> bool) -> bool {
        // Within a chunk there is no early exit, so that the loop vectorises.
        let none = |chunk: &[T]| chunk.iter().fold(0, |n, v| n | u32::from(!is_finite(*v))) == 0;
        values.chunks(1024).all(none)
    }
    // A view without elements may begin beyond the end of its storage.
    if float("x", x).is_err() || x.elem_count() == 0 {
        return Ok(true);
    }
    if x.device().is_cpu() {
        let x = x.contiguous()?;
        let (storage, layout) = x.storage_and_layout();
        if let (Storage::Cpu(storage), Some((start, end))) =
            (&*storage, layout.contiguous_offsets())
        {
            return Ok(match storage {
                CpuStorage::F16(v) => all(&v[start..end], |v| v.to_f64().is_finite()),
                CpuStorage::BF16(v) => all(&v[start..end], |v| v.to_f64().is_finite()),
                CpuStorage::F32(v) => all(&v[start..end], f32::is_finite),
                CpuStorage::F64(v) => all(&v[start..end], f64::is_finite),
                _ => true,
            });
        }
    }
    is_finite_by_reduction(x)
}

/// The test for devices whose memory can't be read directly.
fn is_finite_by_reduction(x: &Tensor) -> Result<bool> {
    // x * 0 is 0 for finite x and NaN otherwise.
    let mut zeros = (x.detach() * 0.0)?.to_dtype(DType::F32)?;
    // On a GPU one block sums all of a tensor, and many blocks sum rows.
    while zeros.rank() > 1 && zeros.elem_count() > 1 << 14 {
        zeros = zeros.sum(D::Minus1)?;
    }
    Ok(zeros.sum_all()?.to_scalar::<f32>()? == 0.0)
}

/// Checks that a number is finite and positive, and returns it.
///
/// # Errors
/// [`Error::Range`] otherwise.
pub fn positive(argument: &'static str, value: f64) -> Result<f64> {
    if value > 0.0 && value.is_finite() {
        Ok(value)
    } else {
        Err(Error::range(argument, value, "a finite number above 0"))
    }
}

/// Checks that a number is finite and not negative, and returns it.
///
/// # Errors
/// [`Error::Range`] otherwise.
pub fn non_negative(argument: &'static str, value: f64) -> Result<f64> {
    if value >= 0.0 && value.is_finite() {
        Ok(value)
    } else {
        Err(Error::range(argument, value, "a finite number not below 0"))
    }
}

/// Checks that a number is finite, and returns it.
///
/// # Errors
/// [`Error::Range`] otherwise.
#[inline]
pub fn finite_number(argument: &'static str, value: f64) -> Result<f64> {
    match value.is_finite() {
        true => Ok(value),
        false => Err(Error::range(argument, value, "a finite number")),
    }
}

/// Checks that a number is between 0 and 1, both included, and returns it.
///
/// # Errors
/// [`Error::Range`] otherwise.
pub fn fraction(argument: &'static str, value: f64) -> Result<f64> {
    match (0.0..=1.0).contains(&value) {
        true => Ok(value),
        false => Err(Error::range(argument, value, "a number in [0, 1]")),
    }
}

/// Checks that a count is at least one, and returns it.
///
/// # Errors
/// [`Error::Range`] for 0.
pub fn at_least_one(argument: &'static str, count: usize) -> Result<usize> {
    if count == 0 {
        return Err(Error::range(argument, 0, "a count of at least 1"));
    }
    Ok(count)
}

/// Checks that a tensor of the given sizes has a number of elements that can be counted and that fits in memory.
/// Returns this number.
///
/// Memory is requested, and released untouched, only if the size is large.
///
/// ```
/// use advect_core::check;
/// use candle_core::DType;
/// # fn main() -> advect_core::Result<()> {
/// assert_eq!(check::memory("factor", &[2, 3], DType::F32)?, 6);
/// assert!(check::memory("factor", &[1 << 62, 8], DType::F32).is_err());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Range`] otherwise.
pub fn memory(argument: &'static str, shape: &[usize], dtype: DType) -> Result<usize> {
    // Asking the allocator takes long beside what few elements take.
    const LITTLE: usize = 1 << 23;
    let size = dtype.size_in_bytes().max(1);
    // Sizes beside a 0 are counted too: strides are products of them.
    let count = shape
        .iter()
        .try_fold(1usize, |count, &n| count.checked_mul(n.max(1)));
    let count = count.map(|count| if shape.contains(&0) { 0 } else { count });
    let granted = |bytes: usize| {
        let mut probe = Vec::<u8>::new();
        let granted = bytes <= LITTLE || probe.try_reserve_exact(bytes).is_ok();
        // An allocation that nobody looks at may be left out, and taken for granted.
        std::hint::black_box(&probe);
        granted
    };
    let fits = |count: &usize| count.checked_mul(size).is_some_and(granted);
    count.filter(fits).ok_or_else(|| {
        let given = match shape {
            [count] => count.to_string(),
            shape => format!("{shape:?}"),
        };
        Error::range(argument, given, "a size that fits in memory")
    })
}

#[cfg(test)]
mod tests;
