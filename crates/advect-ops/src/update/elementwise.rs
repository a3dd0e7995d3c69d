//! The checks that all steps of parameters share.

use advect_core::{Error, Result, check};
#[cfg(feature = "cuda")]
use advect_kernels::cuda::update::Step;
use candle_core::{DType, Tensor, Var};

#[cfg(feature = "cuda")]
use super::on_cuda;
use super::{Steps, apart, apart_from_itself, in_place, share_memory};
use crate::cpu::{Float, by_dtype, host};
use crate::in_place::with_slices;

/// A formula for each element of N variables and a gradient.
pub(super) trait Elementwise<const N: usize>: Sync {
    /// Changes the variables, by a kernel.
    fn run<T: Float>(&self, variables: [&mut [T]; N], gradient: &[T]);

    /// Returns the same in candle's operations, for other devices.
    ///
    /// # Errors
    /// Errors of candle.
    fn compose(&self, variables: [&Var; N], gradient: &Tensor) -> Result<()>;

    /// Returns the step of a kernel for CUDA devices.
    #[cfg(feature = "cuda")]
    fn on_cuda(&self, variables: [&Tensor; N], gradient: &Tensor) -> Step;
}

/// Adds a step by a formula, of variables with names, the first of which is the parameter.
///
/// # Errors
/// [`Error`] naming what does not fit; then nothing has changed.
pub(super) fn add<const N: usize>(
    steps: &mut Steps,
    names: [&'static str; N],
    variables: [&Var; N],
    gradient: &Tensor,
    formula: &impl Elementwise<N>,
) -> Result<()> {
    let value = variables[0];
    if !matches!(value.dtype(), DType::F32 | DType::F64) {
        return Err(Error::dtype(names[0], value.dtype(), "f32 or f64"));
    }
    let gradient = gradient.detach();
    check::alike("gradient", &gradient, names[0], value)?;
    for (name, var) in names.into_iter().zip(variables).skip(1) {
        check::alike(name, var, names[0], value)?;
    }
    if value.elem_count() == 0 {
        return steps.make();
    }
    for (name, var) in names.into_iter().zip(variables) {
        apart_from_itself(name, var)?;
    }
    // No memory is changed twice. On the CPU each is locked for writing while the others are.
    for (i, x) in variables.into_iter().enumerate() {
        if let Some(j) = (i + 1..N).find(|&j| share_memory(x, variables[j])) {
            let given = format!("the variable that is also the {}", names[i]);
            return Err(Error::range(names[j], given, "a separate variable"));
        }
    }
    let tensors = variables.map(|var| var.as_tensor());
    #[cfg(feature = "cuda")]
    if on_cuda(&tensors) {
        let step =
            |variables: [&Tensor; N], gradient: &Tensor| formula.on_cuda(variables, gradient);
        return steps.next.add(variables, gradient, step);
    }
    steps.make()?;
    if !in_place(&tensors) {
        return formula.compose(variables, &gradient);
    }
    let gradient = apart(gradient, &variables)?;
    by_dtype!(gradient, T => {
        let gradient = host::<T>(&gradient)?;
        with_slices(tensors, |slices: [&mut [T]; N]| {
            formula.run(slices, &gradient);
            Ok(())
        })
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use advect_core::Generator;
    use advect_core::testing::assert_close;
    use candle_core::Device;

    use super::*;
    use crate::update::{AdamWRates, LionRates, MomentumRates, together};

    /// Elements in more than two pieces of work.
    const MANY: usize = 40_000;

    /// Kernel and composition agree on several pieces of work.
    fn agree<const N: usize>(formula: &impl Elementwise<N>) {
        let mut rng = Generator::from_seed(N as u64);
        for dtype in [DType::F32, DType::F64] {
            let mut draw = || rng.normal(MANY, dtype, &Device::Cpu).unwrap();
            let gradient = draw();
            // Second moments are not below 0.
            let starts = [0; N].map(|_| draw().sqr().unwrap());
            let both = [0; 2].map(|_| {
                (starts.each_ref()).map(|x| Var::from_tensor(&x.copy().unwrap()).unwrap())
            });
            let [ours, composed] = both.each_ref().map(|vars| vars.each_ref());
            let names = ["value", "second", "third"];
            let names = std::array::from_fn(|i| names[i]);
            together(|steps| add(steps, names, ours, &gradient, formula)).unwrap();
            formula.compose(composed, &gradient).unwrap();
            for (ours, composed) in ours.into_iter().zip(composed) {
                assert_close(ours, composed, 1e-5, 1e-6);
            }
        }
    }

    #[test]
    fn kernels_agree_with_compositions() {
        agree(&AdamWRates {
            decay: 0.9,
            rate: 0.1,
            correction: 0.01,
            beta1: 0.9,
            beta2: 0.99,
            epsilon: 1e-8,
        });
        agree(&MomentumRates {
            rate: 0.1,
            decay: 0.2,
            momentum: 0.9,
            fresh: 0.7,
            ahead: 0.3,
            along: 0.6,
        });
        agree(&LionRates {
            decay: 0.9,
            rate: 0.1,
            beta1: 0.9,
            beta2: 0.99,
        });
    }

    #[test]
    fn descents_agree() {
        let value = || Var::new(&[1f64, -2.0], &Device::Cpu).unwrap();
        let direction = Tensor::new(&[3f64, 4.0], &Device::Cpu).unwrap();
        let (ours, composed) = (value(), value());
        crate::update::descend(&ours, &direction, 0.5, 0.25).unwrap();
        let half = (composed.as_detached_tensor() * 0.5).unwrap();
        let expected = (half - (direction * 0.25).unwrap()).unwrap();
        assert_close(&ours, &expected, 1e-15, 1e-15);
    }
}
