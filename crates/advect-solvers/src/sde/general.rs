//! Noise with a matrix for each sample.

use advect_core::{Error, Result, Time, check, shape};
use candle_core::Tensor;

use super::{Noise, sum};

/// Noise `g(t, x) dW` with a matrix g for each sample, `(batch, dim, m)`, for states `(batch, dim)` and m Brownian
/// motions for each sample, `(batch, m)`.
pub trait Columns: Noise {
    /// Returns `g(t, x)`, of shape `(batch, dim, m)`.
    ///
    /// # Errors
    /// The errors of g.
    fn matrix(&self, t: &Time, x: &Tensor) -> Result<Tensor>;

    /// Returns `Σ_k ∂g_k/∂x v_k`, the sum of the derivatives of each column `g_k` along the same column of v, shaped
    /// like x. Where no derivative is known, it is made of central differences between `x + size · v_k` and
    /// `x − size · v_k`.
    ///
    /// # Errors
    /// The errors of g and of its derivative.
    fn along(&self, t: &Time, x: &Tensor, v: &Tensor, size: f64) -> Result<Tensor>;
}

/// General noise `g(t, x) dW`, with a matrix for each sample, `(batch, dim, m)`, for states `(batch, dim)` and m
/// Brownian motions for each sample, `(batch, m)`. g is a function `Fn(&Time, &Tensor) -> Result<Tensor>`.
#[derive(Debug, Clone, Copy)]
pub struct General<G>(pub G);

/// General noise as [`General`], with a derivative: the second function,
/// `Fn(&Time, &Tensor, &Tensor) -> Result<Tensor>`, returns `∂g/∂x dx` at (t, x, dx), shaped like g.
///
/// ```
/// use advect_core::{Field, Result, Time, field_fn};
/// use advect_solvers::sde::{GeneralJvp, ito_drift};
/// use candle_core::{Device, Tensor};
/// # fn main() -> Result<()> {
/// // One motion that moves (x₁, x₂) along (x₂, −x₁): a turn in Stratonovich's sense.
/// fn turn(x: &Tensor) -> Result<Tensor> {
///     Ok(Tensor::cat(&[&x.narrow(1, 1, 1)?, &x.narrow(1, 0, 1)?.neg()?], 1)?.unsqueeze(2)?)
/// }
/// let noise = GeneralJvp(
///     |_: &Time, x: &Tensor| turn(x),
///     |_: &Time, _: &Tensor, dx: &Tensor| turn(dx),
/// );
/// let still = field_fn(|_, x| Ok(x.zeros_like()?));
/// let x = Tensor::new(&[[3f64, 4.0]], &Device::Cpu)?;
/// let drift = ito_drift(&still, noise).at(&Time::Shared(0.0), &x)?;
/// assert_eq!(drift.to_vec2::<f64>()?, [[-1.5, -2.0]]); // −x/2
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct GeneralJvp<G, D>(pub G, pub D);

/// `g dw`, with its shapes checked.
pub(super) fn product(g: &Tensor, x: &Tensor, dw: &Tensor) -> Result<Tensor> {
    let (&[batch, dim], &[of_w, count]) = (x.dims(), dw.dims()) else {
        return Err(Error::shape(
            "x",
            x.dims(),
            "(batch, dim), with a path (batch, m)",
        ));
    };
    if g.dims() != [batch, dim, count] || of_w != batch {
        let accepted = format!("({batch}, {dim}, {count}), with a path ({batch}, {count})");
        return Err(Error::shape("g", g.dims(), accepted));
    }
    check::same_kind("g", g, "x", x)?;
    check::same_kind("path", dw, "x", x)?;
    let product = shape::wide(g)?.matmul(&shape::wide(dw)?.unsqueeze(2)?)?;
    Ok(product.squeeze(2)?.to_dtype(x.dtype())?)
}

/// The sum over the columns k of v of column k of `change(v_k)`, a matrix shaped like v.
fn over_columns(v: &Tensor, change: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let column = |matrix: &Tensor, k| matrix.narrow(2, k, 1)?.squeeze(2)?.contiguous();
    let mut columns = Vec::new();
    for k in 0..v.dim(2)? {
        let change = change(&column(v, k)?)?;
        check::alike("g", &change, "v", v)?;
        columns.push(column(&change, k)?);
    }
    let terms: Vec<_> = columns.iter().map(|column| (1.0, column)).collect();
    sum(&terms)
}

impl<G: Fn(&Time, &Tensor) -> Result<Tensor>> Noise for General<G> {
    fn apply(&self, t: f64, x: &Tensor, dw: &Tensor) -> Result<Tensor> {
        product(&(self.0)(&Time::Shared(t), x)?, x, dw)
    }
}

impl<G: Fn(&Time, &Tensor) -> Result<Tensor>> Columns for General<G> {
    fn matrix(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        (self.0)(t, x)
    }

    fn along(&self, t: &Time, x: &Tensor, v: &Tensor, size: f64) -> Result<Tensor> {
        let at = |size: f64, v: &Tensor| (self.0)(t, &sum(&[(size, v), (1.0, x)])?);
        let weight = 0.5 / size;
        over_columns(v, |v| {
            sum(&[(weight, &at(size, v)?), (-weight, &at(-size, v)?)])
        })
    }
}

impl<G, D> Noise for GeneralJvp<G, D>
where
    G: Fn(&Time, &Tensor) -> Result<Tensor>,
{
    fn apply(&self, t: f64, x: &Tensor, dw: &Tensor) -> Result<Tensor> {
        product(&(self.0)(&Time::Shared(t), x)?, x, dw)
    }
}

impl<G, D> Columns for GeneralJvp<G, D>
where
    G: Fn(&Time, &Tensor) -> Result<Tensor>,
    D: Fn(&Time, &Tensor, &Tensor) -> Result<Tensor>,
{
    fn matrix(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        (self.0)(t, x)
    }

    fn along(&self, t: &Time, x: &Tensor, v: &Tensor, _: f64) -> Result<Tensor> {
        over_columns(v, |v| (self.1)(t, x, v))
    }
}
