//! Steps of several parameters.

use advect_core::Result;

/// Makes steps of several parameters, those that a function adds, in their order. On a CUDA device, up to eight that follow each other are made in
/// one launch, if they are of one kind and in one type; the numbers are those of one after another.
///
/// ```
/// use advect_ops::update::together;
/// use candle_core::{Device, Tensor, Var};
/// # fn main() -> advect_core::Result<()> {
/// let var = |x: &[f64]| Var::new(x, &Device::Cpu);
/// let (x, y, gradient) = (var(&[2.0])?, var(&[3.0, 4.0])?, Tensor::new(&[1f64], &Device::Cpu)?);
/// together(|steps| {
///     steps.descend(&x, &gradient, 1.0, 0.5)?;
///     steps.average(&y, &Tensor::new(&[5f64, 6.0], &Device::Cpu)?, 0.5)
/// })?;
/// assert_eq!((x.to_vec1::<f64>()?, y.to_vec1::<f64>()?), (vec![1.5], vec![4.0, 5.0]));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// That of the function, or of a launch. The steps that [wait](Steps::waiting) are not made then, and those before them have been.
#[doc(alias = "foreach")]
#[doc(alias = "multi_tensor_apply")]
#[doc(alias = "fused")]
pub fn together(f: impl FnOnce(&mut Steps) -> Result<()>) -> Result<()> {
    let mut steps = Steps {
        #[cfg(feature = "cuda")]
        next: crate::cuda::steps::Launch::default(),
    };
    f(&mut steps)?;
    steps.make()
}

/// Steps that [`together`] makes. Its methods add one, as the functions of their names make it, with the same errors and those of steps that
/// waited; a step with an error is not added.
///
/// A step has been made when its method returns, or waits for others. Variables and gradients of those that wait may be changed by other steps,
/// but by nothing else.
pub struct Steps {
    /// Those of the next launch.
    #[cfg(feature = "cuda")]
    pub(super) next: crate::cuda::steps::Launch,
}

impl Steps {
    /// Makes the steps that wait, before something else reads or changes what they use.
    ///
    /// # Errors
    /// Those of a launch; the steps still wait then.
    pub fn make(&mut self) -> Result<()> {
        #[cfg(feature = "cuda")]
        self.next.start()?;
        Ok(())
    }

    /// Returns how many of the last steps wait: none on the CPU.
    pub fn waiting(&self) -> usize {
        #[cfg(feature = "cuda")]
        return self.next.len();
        #[cfg(not(feature = "cuda"))]
        0
    }
}

impl std::fmt::Debug for Steps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut steps = f.debug_struct("Steps");
        steps.field("waiting", &self.waiting()).finish()
    }
}
