//! Normalisation by root mean squares.

use advect_core::{Result, check};
use advect_ops::custom::{Kernel, Operation, View, apply};
use advect_ops::{Dual, Value};
use candle_core::{DType, Shape, Tensor, WithDType};

/// What is added to root mean squares by which values are divided.
const EPSILON: f64 = 1e-4;

/// A number that changes no sum of squares but 0, whose root then has a slope.
const TINY: f64 = 1e-36;

/// Returns `g x / (ε + √(mean x²))`, where the mean is over a dimension: pixel normalisation (Karras et al. 2018, section 4.2) with the
/// dimension of channels, weight normalisation (Karras et al. 2024, eq. 47) with that of a row's weights.
pub(super) fn normalized<V: Value>(x: &V, dim: usize, gain: f64) -> Result<V> {
    check::float("x", x.primal())?;
    let operation = Normalize { dim, gain };
    match dim + 1 == x.primal().rank() {
        // Rows are in one piece, for which candle's sums are fast.
        true => operation.composed(x),
        false => apply(operation, &[x], &[]),
    }
}

struct Normalize {
    dim: usize,
    gain: f64,
}

impl Normalize {
    /// The numbers of elements along the dimension, and for one step along it.
    fn strides(&self, dims: &[usize]) -> (usize, usize) {
        let inner = dims[self.dim + 1..].iter().product();
        (dims[self.dim], inner)
    }

    /// The root of a mean of squares, and the factor of what has it.
    fn factor(&self, squares: f64, n: usize) -> (f64, f64) {
        let root = (squares / n as f64 + TINY).sqrt();
        (root, self.gain / (root + EPSILON))
    }

    fn composed<V: Value>(&self, x: &V) -> Result<V> {
        let dtype = x.primal().dtype();
        let wide = |x: &Tensor| match dtype {
            DType::F16 | DType::BF16 => Ok(x.to_dtype(DType::F32)?),
            _ => Ok(x.clone()),
        };
        let x = x.map_linear(wide)?;
        let squares = x.times(&x)?;
        let means = squares.map_linear(|x| Ok(x.mean_keepdim(self.dim)?))?;
        let root = |m: &Tensor| (m + TINY)?.sqrt();
        let factor = |m: &Tensor| Ok(((root(m)? + EPSILON)?.recip()? * self.gain)?);
        let slope = |m: &Tensor| {
            let root = root(m)?;
            let below = ((&root + EPSILON)?.sqr()? * root)?;
            Ok((below.recip()? * (-0.5 * self.gain))?)
        };
        let y = x.times(&means.map_elements(factor, slope)?)?;
        y.map_linear(|y| Ok(y.to_dtype(dtype)?))
    }
}

/// The sums of products along the middle dimension of `(n, inner)` numbers.
fn products<T: WithDType>(a: &[T], b: &[T], inner: usize, sums: &mut Vec<T>) {
    sums.clear();
    sums.resize(inner, T::zero());
    for (a, b) in a.chunks_exact(inner).zip(b.chunks_exact(inner)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += *a * *b;
        }
    }
}

impl<T: WithDType> Kernel<T> for Normalize {
    fn forward(&self, inputs: &[View<'_, T>]) -> Result<(Vec<T>, Shape)> {
        let View { values, dims } = inputs[0];
        let (n, inner) = self.strides(dims);
        let (mut y, mut sums) = (Vec::with_capacity(values.len()), Vec::new());
        for x in values.chunks_exact((n * inner).max(1)) {
            products(x, x, inner, &mut sums);
            for sum in &mut sums {
                *sum = T::from_f64(self.factor(sum.to_f64(), n).1);
            }
            for x in x.chunks_exact(inner) {
                y.extend(x.iter().zip(&sums).map(|(&x, &factor)| x * factor));
            }
        }
        Ok((y, dims.into()))
    }

    fn backward(
        &self,
        inputs: &[View<'_, T>],
        _: View<'_, T>,
        gradient: &[T],
        _: &[bool],
    ) -> Result<Vec<Option<Vec<T>>>> {
        let View { values, dims } = inputs[0];
        let (n, inner) = self.strides(dims);
        let each = (n * inner).max(1);
        let mut dx = Vec::with_capacity(values.len());
        let (mut squares, mut along) = (Vec::new(), Vec::new());
        for (x, g) in values.chunks_exact(each).zip(gradient.chunks_exact(each)) {
            products(x, x, inner, &mut squares);
            products(x, g, inner, &mut along);
            for (square, along) in squares.iter_mut().zip(&mut along) {
                let (root, factor) = self.factor(square.to_f64(), n);
                let slope = factor / (root + EPSILON) / root / n as f64;
                *square = T::from_f64(factor);
                *along = T::from_f64(slope * along.to_f64());
            }
            for (x, g) in x.chunks_exact(inner).zip(g.chunks_exact(inner)) {
                let factors = squares.iter().zip(&along);
                let pairs = x.iter().zip(g).zip(factors);
                dx.extend(pairs.map(|((&x, &g), (&factor, &along))| factor * g - along * x));
            }
        }
        Ok(vec![Some(dx)])
    }
}

impl Operation for Normalize {
    fn compose(&self, inputs: &[&Tensor]) -> Result<Tensor> {
        self.composed(inputs[0])
    }

    fn tangent(&self, inputs: &[&Tensor], tangents: &[Option<&Tensor>]) -> Result<Tensor> {
        let x = inputs[0];
        let Some(dx) = tangents[0] else {
            return Ok(x.zeros_like()?);
        };
        let (_, along) = self
            .composed(&Dual::new(x.clone(), dx.clone())?)?
            .into_parts()?;
        Ok(along)
    }
}
