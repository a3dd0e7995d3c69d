//! Variables of 16 bits and their copies in f32.

use advect_core::{Error, Result, check};
use candle_core::{DType, Tensor, Var};

/// Copies tensors of 16 bits to f32, outside of any graph; others stay as they are.
///
/// ```
/// use advect_ops::update::widen;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[0.5f32], &Device::Cpu)?;
/// let wide = widen(vec![x.to_dtype(DType::BF16)?, x])?;
/// assert_eq!((wide[0].dtype(), wide[1].to_vec1::<f32>()?), (DType::F32, vec![0.5]));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Errors of candle.
pub fn widen(tensors: Vec<Tensor>) -> Result<Vec<Tensor>> {
    let mut tensors: Vec<Tensor> = tensors.into_iter().map(|x| x.detach()).collect();
    #[cfg(feature = "cuda")]
    crate::cuda::masters::widen(&mut tensors)?;
    for x in &mut tensors {
        if is_narrow(x.dtype()) {
            *x = x.to_dtype(DType::F32)?;
        }
    }
    Ok(tensors)
}

/// Takes over in copies in f32, each after its variable of 16 bits, what somebody has changed in the variables: those elements that the
/// copies don't round to.
///
/// ```
/// use advect_ops::update::follow;
/// use candle_core::{DType, Device, Tensor, Var};
/// # fn main() -> advect_core::Result<()> {
/// let copy = Var::new(&[1.001f32, 3.0], &Device::Cpu)?;
/// let value = Var::from_tensor(&Tensor::new(&[1f32, 2.0], &Device::Cpu)?.to_dtype(DType::BF16)?)?;
/// follow(&[(value, copy.clone())])?;
/// assert_eq!(copy.to_vec1::<f32>()?, [1.001, 2.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::DType`] unless the variables are f16 or bf16 and the copies f32; an error naming the copy for one that isn't like its variable.
#[doc(alias = "master weights")]
pub fn follow(pairs: &[(Var, Var)]) -> Result<()> {
    for (value, copy) in others(pairs, Way::Follow)? {
        let (value, copied) = (value.as_detached_tensor(), copy.as_detached_tensor());
        let same = copied.to_dtype(value.dtype())?.eq(&value)?;
        copy.set(&same.where_cond(&copied, &value.to_dtype(DType::F32)?)?)?;
    }
    Ok(())
}

/// Rounds copies in f32 to their variables of 16 bits, each of which comes before its copy.
///
/// ```
/// use advect_ops::update::round;
/// use candle_core::{DType, Device, Tensor, Var};
/// # fn main() -> advect_core::Result<()> {
/// let copy = Var::new(&[1.001f32, 3.0], &Device::Cpu)?;
/// let value = Var::from_tensor(&Tensor::zeros(2, DType::BF16, &Device::Cpu)?)?;
/// round(&[(value.clone(), copy)])?;
/// assert_eq!(value.to_dtype(DType::F32)?.to_vec1::<f32>()?, [1.0, 3.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`follow`].
#[doc(alias = "master weights")]
pub fn round(pairs: &[(Var, Var)]) -> Result<()> {
    for (value, copy) in others(pairs, Way::Round)? {
        value.set(&copy.as_detached_tensor().to_dtype(value.dtype())?)?;
    }
    Ok(())
}

/// Which of a pair is changed.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    Follow,
    Round,
}

/// Checks pairs and runs the kernels of those that there are kernels for. Returns the others.
fn others(pairs: &[(Var, Var)], way: Way) -> Result<Vec<&(Var, Var)>> {
    for (value, copy) in pairs {
        if !is_narrow(value.dtype()) {
            return Err(Error::dtype("value", value.dtype(), "f16 or bf16"));
        }
        if copy.dtype() != DType::F32 {
            return Err(Error::dtype("copy", copy.dtype(), "f32"));
        }
        if copy.dims() != value.dims() {
            let accepted = format!("{:?}, as the value", value.dims());
            return Err(Error::shape("copy", copy.dims(), accepted));
        }
        check::same_device("copy", copy.device(), "the value", value.device())?;
    }
    let others: Vec<&(Var, Var)> = pairs.iter().filter(|(x, _)| x.elem_count() > 0).collect();
    #[cfg(feature = "cuda")]
    let others = crate::cuda::masters::change(others, way)?;
    #[cfg(not(feature = "cuda"))]
    let _ = way;
    Ok(others)
}

pub(crate) fn is_narrow(dtype: DType) -> bool {
    matches!(dtype, DType::F16 | DType::BF16)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn bad_pairs_are_named() {
        let var = |n: usize, dtype| Var::zeros(n, dtype, &Device::Cpu).unwrap();
        let fails = |value: Var, copy: Var, text: &str| {
            let error = follow(&[(value, copy)]).unwrap_err().to_string();
            assert!(error.starts_with(text), "{error}");
        };
        fails(var(2, DType::F32), var(2, DType::F32), "value: got dtype");
        fails(var(2, DType::F16), var(2, DType::F64), "copy: got dtype");
        fails(var(2, DType::F16), var(3, DType::F32), "copy: got shape");
    }
}
