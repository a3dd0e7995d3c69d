//! Binary units.

use advect_core::{Error, Generator, Result, check, shape};
use advect_ops::{Activation, Value, linear};
use candle_core::{CpuStorage, D, DType, Storage, Tensor};

use super::VisibleUnits;
use crate::boltzmann::bernoulli::bernoulli;

/// Units of 0 and 1 with biases b, `E₀(v) = −b·v` (Smolensky 1986; Hinton 2002).
///
/// ```
/// use advect_classics::boltzmann::{BinaryUnits, VisibleUnits};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let units = BinaryUnits::new(Tensor::new(&[0f64, 1.0], &Device::Cpu)?)?;
/// let v = Tensor::new(&[[1f64, 1.0]], &Device::Cpu)?;
/// assert_eq!(units.energy(&v)?.to_vec1::<f64>()?, [-1.0]);
/// assert!(units.check("v", &(v * 0.5)?).is_err());
/// # Ok(())
/// # }
/// ```
#[doc(alias = "Bernoulli")]
#[derive(Debug, Clone)]
pub struct BinaryUnits {
    bias: Tensor,
}

impl BinaryUnits {
    /// Creates units with biases, `(units,)`.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Empty`] and [`Error::DType`] for biases that are not a list of floats.
    pub fn new(bias: Tensor) -> Result<Self> {
        super::super::check_bias("bias", &bias)?;
        Ok(BinaryUnits { bias })
    }
}

/// Whether a tensor in the CPU's memory is known to hold zeros and ones.
fn is_binary_on_host(x: &Tensor) -> Result<bool> {
    fn all<T: PartialEq + From<u8>>(values: &[T]) -> bool {
        // Within a chunk there is no early exit, so that the loop vectorises.
        let (zero, one) = (T::from(0), T::from(1));
        let strange = |x: &T| u32::from(*x != zero) & u32::from(*x != one);
        let none = |chunk: &[T]| chunk.iter().fold(0, |n, x| n | strange(x)) == 0;
        values.chunks(1024).all(none)
    }
    if !x.device().is_cpu() || x.elem_count() == 0 {
        return Ok(false);
    }
    let x = x.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    Ok(match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(CpuStorage::F32(x)), Some((start, end))) => all(&x[start..end]),
        (Storage::Cpu(CpuStorage::F64(x)), Some((start, end))) => all(&x[start..end]),
        _ => false,
    })
}

/// Checks that a tensor holds zeros and ones.
pub(crate) fn check_binary(argument: &'static str, x: &Tensor) -> Result<()> {
    if is_binary_on_host(x)? {
        return Ok(());
    }
    check::finite(argument, x)?;
    // x (1 − x) is 0 for these two alone.
    let other = (x.detach() * x.detach().affine(-1.0, 1.0)?)?.abs()?;
    if other
        .flatten_all()?
        .max(0)?
        .to_dtype(DType::F64)?
        .to_scalar::<f64>()?
        == 0.0
    {
        return Ok(());
    }
    let values = shape::cast(&x.flatten_all()?, DType::F64)?.to_vec1::<f64>()?;
    let strange = values.into_iter().find(|v| *v != 0.0 && *v != 1.0);
    let accepted = "zeros and ones, the values of binary units";
    Err(Error::range(
        argument,
        strange.unwrap_or(f64::NAN),
        accepted,
    ))
}

impl VisibleUnits for BinaryUnits {
    fn bias(&self) -> &Tensor {
        &self.bias
    }

    fn check(&self, argument: &'static str, v: &Tensor) -> Result<()> {
        check_binary(argument, v)
    }

    fn energy<V: Value>(&self, v: &V) -> Result<V> {
        let b = self.bias.neg()?.unsqueeze(0)?;
        linear(v, &b, None, Activation::Identity)?
            .map_linear(|e| shape::wide(&e.squeeze(D::Minus1)?))
    }

    fn seen<V: Value>(&self, v: &V) -> Result<V> {
        Ok(v.clone())
    }

    fn log_normalizer(&self, input: &Tensor) -> Result<Tensor> {
        let total = input.broadcast_add(&self.bias)?;
        shape::sum_per_sample(&Activation::Softplus.apply(&total)?)
    }

    fn mean(&self, input: &Tensor) -> Result<Tensor> {
        Activation::Sigmoid.apply(&input.broadcast_add(&self.bias)?)
    }

    fn sample(&self, input: &Tensor, rng: &mut Generator) -> Result<Tensor> {
        bernoulli(&self.mean(input)?, rng)
    }

    /// Returns `ln p/(1 − p)` with the share p of ones, half a one and half a zero added to the data.
    fn fitted_bias(&self, data: &Tensor) -> Result<Tensor> {
        let count = data.dim(0)? as f64;
        let ones = shape::cast(data, DType::F64)?.sum(0)?;
        let odds = ((&ones + 0.5)? / ones.affine(-1.0, count + 0.5)?)?;
        shape::cast(&odds.log()?, data.dtype())
    }

    fn with_bias(&self, bias: Tensor) -> Self {
        BinaryUnits { bias }
    }

    fn frozen(&self) -> Self {
        BinaryUnits {
            bias: self.bias.detach(),
        }
    }
}
