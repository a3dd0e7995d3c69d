//! The exact divergence.

use advect_core::{Error, Jvp, Result, Time, check, shape};
use candle_core::Tensor;

use super::{Divergence, WithDivergence, add};

/// The exact divergence, `Σ_i e_i · ∂f/∂x e_i` over all d elements of a sample: d Jacobian–vector products.
///
/// ```
/// use advect_core::{Field, Jvp, Result, Time};
/// use advect_solvers::divergence::{Divergence, Exact};
/// use candle_core::{Device, Tensor};
///
/// /// `f(x) = x²`, elementwise: the divergence is `2 Σ x`.
/// struct Square;
/// impl Field for Square {
///     fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
///         Ok(x.sqr()?)
///     }
/// }
/// impl Jvp for Square {
///     fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
///         Ok((self.at(t, x)?, ((x * dx)? * 2.0)?))
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let x = Tensor::new(&[[1f64, 2.0], [3.0, 4.0]], &Device::Cpu)?;
/// let divergence = Exact.at(&Square, &Time::Shared(0.0), &x)?.divergence;
/// assert_eq!(divergence.to_vec1::<f64>()?, [6.0, 14.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exact;

/// Directions that are differentiated together.
const TOGETHER: usize = 16;

impl Divergence for Exact {
    fn at(&self, field: &dyn Jvp, t: &Time, x: &Tensor) -> Result<WithDivergence> {
        self.find(field, t, x, false)
    }

    fn with_norm(&self, field: &dyn Jvp, t: &Time, x: &Tensor) -> Result<WithDivergence> {
        self.find(field, t, x, true)
    }
}

impl Exact {
    fn find(&self, field: &dyn Jvp, t: &Time, x: &Tensor, normed: bool) -> Result<WithDivergence> {
        let batch = check::batch("x", x)?;
        check::float("x", x)?;
        let dim = x.elem_count() / batch;
        let mut value = None;
        let (mut sum, mut norm) = (None, None);
        for first in (0..dim).step_by(TOGETHER) {
            let range = first..dim.min(first + TOGETHER);
            let units: Result<Vec<Tensor>> = range.clone().map(|i| unit(x, dim, i)).collect();
            let (y, along) = field.jvp_each(t, x, &units?)?;
            for (i, along) in range.zip(along) {
                if normed {
                    add(&mut norm, shape::sum_squares_per_sample(&along)?)?;
                }
                let element = along.reshape((batch, dim))?.narrow(1, i, 1)?.squeeze(1)?;
                add(&mut sum, shape::wide(&element)?)?;
            }
            value.get_or_insert(y);
        }
        match (value, sum) {
            (Some(value), Some(sum)) => Ok(WithDivergence {
                jacobian_norm: norm,
                ..WithDivergence::new(value, sum)
            }),
            _ => Err(Error::Empty {
                argument: "x".into(),
            }),
        }
    }
}

/// The i-th unit vector for each sample.
fn unit(x: &Tensor, dim: usize, i: usize) -> Result<Tensor> {
    let batch = x.dims()[0];
    let mut row = vec![0f32; dim];
    row[i] = 1.0;
    let row = Tensor::from_vec(row, (1, dim), x.device())?.to_dtype(x.dtype())?;
    Ok(row
        .broadcast_as((batch, dim))?
        .contiguous()?
        .reshape(x.shape())?)
}
