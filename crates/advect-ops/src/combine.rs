//! Linear combinations of tensors in one pass: states of solvers, points of paths.

use advect_core::{Coefficient, Error, Result, check, parallel, shape};
use candle_core::{DType, Tensor};
use pulp::{Simd, WithSimd};

use crate::Value;
use crate::cpu::{Float, Unwritten, by_dtype, dispatch, fill, host, hosts, tensor};
use crate::operation::{Operation, Output, Tangent, apply};

/// `Σ_k c_k x_k` for tensors of one shape, with a factor for the whole batch or one for each sample.
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
    if matches!(first.dtype(), DType::F32 | DType::F64)
        && first.device().is_cpu()
        && terms.iter().all(|(_, x)| plain(x))
    {
        return by_dtype!(first, T => at_once::<T, V>(terms, first));
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
    let slices = terms.iter().zip(&locked).map(|((c, _), x)| (c, &**x));
    let slices: Vec<(&Coefficient, &[T])> = slices.collect();
    let samples = first.dims().first().copied().unwrap_or(1);
    let values = sum(&slices, samples);
    Ok(V::constant(tensor(values, first.shape())?))
}

struct Combine(Vec<Coefficient>);

/// Elements that stay in the cache while the terms are added up.
const BLOCK: usize = 2048;

struct Sum<'a, 'b, T> {
    terms: &'a [(&'a Coefficient, &'a [T])],
    /// Elements of a sample.
    width: usize,
    first: usize,
    out: Unwritten<'b, T>,
}

impl<'b, T: Float> WithSimd for Sum<'_, 'b, T> {
    type Output = &'b mut [T];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> &'b mut [T] {
        self.out.write_runs(BLOCK, |i, out| {
            let start = self.first + i * BLOCK;
            let range = start..start + out.len();
            let (out, rest) = match self.terms.split_first() {
                Some(((Coefficient::Shared(c), x), rest)) => {
                    let (c, x) = (T::of(*c), &x[range.clone()]);
                    (out.write(|i| c * x[i]), rest)
                }
                // To find the factor of each element would take longer than to write zeros first.
                _ => (out.zeroed(), self.terms),
            };
            for (c, x) in rest {
                let x = &x[range.clone()];
                match c {
                    Coefficient::Shared(c) => add::<S, T>(T::of(*c), x, out),
                    Coefficient::PerSample(c) => {
                        let mut done = 0;
                        while done < out.len() {
                            let sample = (start + done) / self.width;
                            let end = ((sample + 1) * self.width - start).min(out.len());
                            add::<S, T>(T::of(c[sample]), &x[done..end], &mut out[done..end]);
                            done = end;
                        }
                    }
                }
            }
            out
        })
    }
}

#[inline(always)]
fn add<S: Simd, T: Float>(c: T, x: &[T], out: &mut [T]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = x.madd::<S>(c, *out);
    }
}

fn sum<T: Float>(terms: &[(&Coefficient, &[T])], samples: usize) -> Vec<T> {
    let n = terms.first().map_or(0, |(_, x)| x.len());
    let time = n * terms.len() / 5;
    let piece = parallel::piece(n, BLOCK, time);
    let width = (n / samples.max(1)).max(1);
    let pieces = std::iter::repeat_n((), n.div_ceil(piece));
    fill(n, piece, pieces, time, |i, out, ()| {
        let first = i * piece;
        dispatch(Sum {
            terms,
            width,
            first,
            out,
        })
    })
}

impl Operation for Combine {
    type Saved = ();

    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        // Rounded once: sums of 16 bits lose digits, and may overflow on the way.
        let mut total: Option<Tensor> = None;
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
            let terms: Vec<(&Coefficient, &[T])> = self.0.iter().zip(hosts.iter().map(|x| &**x)).collect();
            let samples = shape.dims().first().copied().unwrap_or(1);
            Ok((Output::new(sum(&terms, samples), shape), ()))
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
            let gradient = host::<T>(gradient)?;
            let each = |(c, &wanted): (&Coefficient, &bool)| {
                wanted.then(|| tensor(sum(&[(c, &*gradient)], samples), shape)).transpose()
            };
            self.0.iter().zip(wanted).map(each).collect()
        })
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
