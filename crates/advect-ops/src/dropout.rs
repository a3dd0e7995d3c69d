//! Dropout (Srivastava et al. 2014).

use advect_core::{Generator, Key, Result, check};
use candle_core::{DType, Device, Tensor};

use crate::Value;
use crate::cpu::{by_dtype, host};
use crate::operation::{Operation, Output, Tangent, linear_jvp};

/// Returns x with each element set to 0 with a probability p, and the others divided by `1 − p`, so that the mean stays (Srivastava et
/// al. 2014, section 10). The key says which: an element is dropped where the first uniform number of the key's generator at its place
/// is below p.
///
/// ```
/// use advect_core::Key;
/// use advect_ops::dropout;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[1f64, 2.0, 3.0, 4.0], &Device::Cpu)?;
/// let y = dropout(&x, 0.5, Key::from_seed(0))?;
/// assert_eq!(y.to_vec1::<f64>()?, [2.0, 0.0, 6.0, 0.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::DType`](advect_core::Error::DType) unless x is a float, [`Error::Range`](advect_core::Error::Range) for a probability outside
/// `[0, 1]`.
pub fn dropout<V: Value>(x: &V, probability: f64, key: Key) -> Result<V> {
    check::float("x", x.primal())?;
    check::fraction("probability", probability)?;
    if probability == 0.0 {
        return Ok(x.clone());
    }
    V::apply(Dropout { probability, key }, &[x], &[])
}

#[derive(Clone)]
pub(crate) struct Dropout {
    pub(crate) probability: f64,
    pub(crate) key: Key,
}

impl Dropout {
    /// What the elements that stay are multiplied by.
    pub(crate) fn factor(&self) -> f64 {
        match self.probability < 1.0 {
            true => 1.0 / (1.0 - self.probability),
            false => 0.0,
        }
    }

    /// The generator of the elements that are dropped.
    pub(crate) fn generator(&self) -> Generator {
        Generator::from(self.key)
    }

    fn on_host(&self, x: &Tensor) -> Result<Output> {
        by_dtype!(x, T => {
            let factor = self.factor() as T;
            // (Times 0, so that NaN stays NaN.)
            let drop = |dropped, x: T| x * if dropped { 0.0 } else { factor };
            let y = self.generator().events_with(self.probability, &host::<T>(x)?, drop)?;
            Ok(Output::new(y, x.shape()))
        })
    }
}

impl Operation for Dropout {
    type Saved = ();

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        let x = inputs[0];
        if x.elem_count() == 0 {
            return Ok(x.clone());
        }
        let wide = match x.dtype() {
            DType::F64 => DType::F64,
            _ => DType::F32,
        };
        let (shape, cpu) = (x.shape(), Device::Cpu);
        let uniform = (self.generator()).uniform(0.0..1.0, shape, DType::F64, &cpu)?;
        let kept = uniform.ge(self.probability)?.to_dtype(wide)?;
        let mask = (kept * self.factor())?.to_device(x.device())?;
        Ok((x.to_dtype(wide)? * mask)?.to_dtype(x.dtype())?)
    }

    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Output, ())> {
        Ok((self.on_host(inputs[0])?, ()))
    }

    fn backward(
        &self,
        _: &[&Tensor],
        _: &Tensor,
        (): &(),
        gradient: &Tensor,
        _: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(self.on_host(gradient)?.into_tensor()?)])
    }

    #[cfg(feature = "cuda")]
    fn on_cuda(&self, _: &[&Tensor]) -> Option<Box<dyn crate::cuda::OnCuda>> {
        Some(Box::new(self.clone()))
    }
}

impl Tangent for Dropout {
    fn jvp(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<(Tensor, Tensor)> {
        linear_jvp(self, inputs, tangents)
    }
}
