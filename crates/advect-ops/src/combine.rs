//! Linear combinations of tensors in one pass, such as states of solvers and points of paths.

use advect_core::{Coefficient, Error, Result, check, shape};
use advect_kernels::combine::{Combine as _, Factor};
use candle_core::Tensor;

use crate::Value;
use crate::cpu::{self, Float, THREADS, by_dtype, host, hosts, tensor};
use crate::operation::{Operation, Output, Tangent, apply};

/// Returns `Σ_k c_k x_k` for tensors of one shape, with one factor for the whole batch or one for each sample.
///
/// ```
/// use advect_core::Coefficient::{PerSample, Shared};
/// use advect_ops::combine;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[1.0f32, 2.0], [3.0, 4.0]], &Device::Cpu)?;
/// let y = combine(&[(Shared(2.0), &x), (PerSample(vec![0.0, -1.0]), &x)])?;
/// assert_eq!(y.to_vec2::<f32>()?, [[2.0, 4.0], [3.0, 4.0]]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Empty`] without terms, [`Error`] naming `x` where a term is not like the first, [`Error::Shape`] unless
/// there is one factor per sample.
#[doc(alias = "axpy")]
#[doc(alias = "lerp")]
pub fn combine<V: Value>(terms: &[(Coefficient, &V)]) -> Result<V> {
    let Some((_, first)) = terms.first() else {
        return Err(Error::Empty {
            argument: "terms".into(),
        });
    };
    let first = first.primal();
    check::float("x", first)?;
    for (coefficient, x) in terms {
        check::alike("x", x.primal(), "the first term", first)?;
        if let Coefficient::PerSample(c) = coefficient
            && first.dims().first() != Some(&c.len())
        {
            let accepted = format!("one factor per sample of {:?}", first.dims());
            return Err(Error::shape("coefficient", &[c.len()], accepted));
        }
    }
    // Nothing to differentiate, nothing to copy: what solvers do at every step.
    let plain = |x: &V| {
        let primal = x.primal();
        x.tangent().is_none() && !primal.track_op() && primal.is_contiguous()
    };
    let plain = terms.iter().all(|(_, x)| plain(x));
    if plain && cpu::fits(&[first]) {
        return by_dtype!(first, T => at_once::<T, V>(terms, first));
    }
    #[cfg(feature = "cuda")]
    if plain && crate::cuda::fits(&[first]) {
        let terms = terms.iter().map(|(c, x)| (c, x.primal()));
        return Ok(V::constant(crate::cuda::combine::at_once(terms)?));
    }
    let op = Combine(terms.iter().map(|(c, _)| c.clone()).collect());
    let inputs: Vec<&V> = terms.iter().map(|(_, x)| *x).collect();
    V::apply(op, &inputs, &[])
}

/// The sum of contiguous tensors in the CPU's memory.
fn at_once<T: Float, V: Value>(terms: &[(Coefficient, &V)], first: &Tensor) -> Result<V> {
    let mut locked = Vec::with_capacity(terms.len());
    for (_, x) in terms {
        locked.push(host::<T>(x.primal())?);
    }
    let slices = (terms.iter().zip(&locked)).map(|((c, _), x)| (factor(c), &**x));
    let slices: Vec<(Factor<'_>, &[T])> = slices.collect();
    let samples = first.dims().first().copied().unwrap_or(1);
    let values = T::combine(THREADS, &slices, samples);
    Ok(V::constant(tensor(values, first.shape())?))
}

#[derive(Clone)]
pub(crate) struct Combine(pub(crate) Vec<Coefficient>);

/// The factor for the kernel.
fn factor(coefficient: &Coefficient) -> Factor<'_> {
    match coefficient {
        Coefficient::Shared(c) => Factor::Shared(*c),
        Coefficient::PerSample(c) => Factor::PerSample(c),
    }
}

impl Operation for Combine {
    type Saved = ();

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        // Rounded once: sums of 16 bits lose digits, and may overflow on the way.
        let mut total: Option<Tensor> = None;
        if let Some(empty) = inputs.iter().find(|x| x.elem_count() == 0) {
            return Ok((*empty).clone());
        }
        for (c, x) in self.0.iter().zip(inputs) {
            let term = c.times(&shape::wide(x)?)?;
            total = Some(match total {
                Some(total) => (total + term)?,
                None => term,
            });
        }
        let total = total.ok_or_else(|| Error::Empty {
            argument: "terms".into(),
        })?;
        shape::cast(&total, inputs[0].dtype())
    }

    fn forward(&self, inputs: &[&Tensor], _: bool) -> Result<(Output, ())> {
        let shape = inputs[0].shape();
        by_dtype!(inputs[0], T => {
            let hosts = hosts::<T>(inputs)?;
            let factors = self.0.iter().map(factor);
            let terms: Vec<(Factor<'_>, &[T])> = factors.zip(hosts.iter().map(|x| &**x)).collect();
            let samples = shape.dims().first().copied().unwrap_or(1);
            Ok((Output::new(T::combine(THREADS, &terms, samples), shape), ()))
        })
    }

    fn backward(
        &self,
        _: &[&Tensor],
        _: &Tensor,
        (): &(),
        gradient: &Tensor,
        wanted: &[bool],
    ) -> Result<Vec<Option<Tensor>>> {
        let shape = gradient.shape();
        let samples = shape.dims().first().copied().unwrap_or(1);
        by_dtype!(gradient, T => {
            let (passed, gradient) = (gradient, host::<T>(gradient)?);
            let one = |c: &Coefficient| matches!(c, Coefficient::Shared(c) if *c == 1.0);
            let each = |(c, &wanted): (&Coefficient, &bool)| {
                let scaled = || match one(c) {
                    true => Ok(passed.clone()),
                    false => tensor(T::combine(THREADS, &[(factor(c), &*gradient)], samples), shape),
                };
                wanted.then(scaled).transpose()
            };
            self.0.iter().zip(wanted).map(each).collect()
        })
    }

    #[cfg(feature = "cuda")]
    fn on_cuda(&self, _: &[&Tensor]) -> Option<Box<dyn crate::cuda::OnCuda>> {
        Some(Box::new(self.clone()))
    }
}

impl Tangent for Combine {
    fn jvp(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<(Tensor, Tensor)> {
        let value = apply(Combine(self.0.clone()), inputs)?;
        let moving = self.0.iter().zip(tangents);
        let moving = moving.filter_map(|(c, dx)| dx.map(|dx| (c.clone(), dx)));
        let (coefficients, tangents): (Vec<_>, Vec<_>) = moving.unzip();
        Ok((value, apply(Combine(coefficients), &tangents)?))
    }
}
