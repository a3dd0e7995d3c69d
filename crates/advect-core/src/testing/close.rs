//! Comparison of tensors.

use candle_core::{DType, Tensor};

/// Panics unless `|actual − expected| ≤ atol + rtol · |expected|` elementwise, compared in f64. The message says where
/// the two differ most.
///
/// ```
/// use advect_core::testing::assert_close;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let a = Tensor::new(&[1.0f32, 2.0], &Device::Cpu)?;
/// let b = Tensor::new(&[1.0f64, 2.000001], &Device::Cpu)?;
/// assert_close(&a, &b, 1e-5, 0.0);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "allclose")]
#[track_caller]
#[allow(clippy::panic, clippy::expect_used)]
pub fn assert_close(actual: &Tensor, expected: &Tensor, rtol: f64, atol: f64) {
    assert_eq!(actual.dims(), expected.dims(), "shapes differ");
    // Candle converts no tensor without elements on a GPU.
    if actual.elem_count() == 0 {
        return;
    }
    let values = |x: &Tensor| {
        x.flatten_all()
            .and_then(|x| x.to_dtype(DType::F64))
            .and_then(|x| x.to_vec1::<f64>())
            .expect("a float tensor")
    };
    let (a, b) = (values(actual), values(expected));
    let excess = |i: usize| (a[i] - b[i]).abs() - (atol + rtol * b[i].abs());
    // A NaN is never close.
    if let Some(i) = (0..a.len())
        .filter(|&i| excess(i).is_nan() || excess(i) > 0.0)
        .max_by(|&i, &j| excess(i).total_cmp(&excess(j)))
    {
        panic!(
            "at flat index {i}: {} is not within rtol {rtol}, atol {atol} of {} (difference {:e})",
            a[i],
            b[i],
            (a[i] - b[i]).abs()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    #[should_panic(expected = "at flat index 1")]
    fn nan_is_not_close() {
        let a = Tensor::new(&[1.0f64, f64::NAN], &Device::Cpu).unwrap();
        assert_close(&a, &a, 1.0, 1.0);
    }
}
