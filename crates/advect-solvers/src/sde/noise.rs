//! The noise of a stochastic equation, `g(t, x) dW`.

use advect_core::{Coefficient, Error, Field, Jvp, Result, Time, check, shape};
use candle_core::Tensor;

/// A diffusion g, applied to increments of Brownian motion.
pub trait Noise {
    /// Returns `g(t, x) dw`, shaped like x, for a `dw` shaped like the Brownian path.
    ///
    /// # Errors
    /// A typed error if the shapes don't fit; the errors of g.
    fn apply(&self, t: f64, x: &Tensor, dw: &Tensor) -> Result<Tensor>;
}

/// Noise whose g is a field shaped like the state, and whose Brownian motion is one number for each element or one
/// for each sample. For such noise, Milstein's method needs no Lévy areas.
pub trait Pointwise: Noise {
    /// The type of the field g.
    type Field: Field;

    /// Returns the field g.
    fn field(&self) -> &Self::Field;

    /// Returns the Brownian motion's number for each element of x.
    ///
    /// # Errors
    /// A typed error if the shapes don't fit.
    fn spread(&self, dw: &Tensor, x: &Tensor) -> Result<Tensor>;
}

/// Noise whose columns commute, so that methods of order 1 need no Lévy areas: [`Diagonal`], [`Scalar`] and [`Additive`].
///
/// [`Diagonal`] noise commutes if each element of g depends on the same element of x only.
pub trait Commutative: Noise {}

impl<G: Field> Commutative for Diagonal<G> {}
impl<G: Field> Commutative for Scalar<G> {}
impl<G: Fn(f64) -> f64> Commutative for Additive<G> {}

/// Diagonal noise `g(t, x) ∘ dW`, with a Brownian motion for each element of the state. g is a field. For orders
/// above 0.5 each element of g may depend on the same element of x only.
#[derive(Debug, Clone, Copy)]
pub struct Diagonal<G>(pub G);

/// Scalar noise `g(t, x) dW`, with one Brownian motion for each sample, `(batch,)`. g is a field.
#[derive(Debug, Clone, Copy)]
pub struct Scalar<G>(pub G);

/// Additive noise `g(t) dW`, with a number g that does not depend on the state, and a Brownian motion for each
/// element of the state, as in diffusion models. g is a function `Fn(f64) -> f64`.
#[derive(Debug, Clone, Copy)]
pub struct Additive<G>(pub G);

fn times<G: Field>(
    noise: &impl Pointwise<Field = G>,
    t: f64,
    x: &Tensor,
    dw: &Tensor,
) -> Result<Tensor> {
    let g = noise.field().at(&Time::Shared(t), x)?;
    check::alike("g", &g, "x", x)?;
    Ok((g * noise.spread(dw, x)?)?)
}

impl<G: Field> Noise for Diagonal<G> {
    fn apply(&self, t: f64, x: &Tensor, dw: &Tensor) -> Result<Tensor> {
        times(self, t, x, dw)
    }
}

impl<G: Field> Pointwise for Diagonal<G> {
    type Field = G;

    fn field(&self) -> &G {
        &self.0
    }

    fn spread(&self, dw: &Tensor, x: &Tensor) -> Result<Tensor> {
        check::alike("path", dw, "x", x)?;
        Ok(dw.clone())
    }
}

impl<G: Field> Noise for Scalar<G> {
    fn apply(&self, t: f64, x: &Tensor, dw: &Tensor) -> Result<Tensor> {
        times(self, t, x, dw)
    }
}

impl<G: Field> Pointwise for Scalar<G> {
    type Field = G;

    fn field(&self) -> &G {
        &self.0
    }

    fn spread(&self, dw: &Tensor, x: &Tensor) -> Result<Tensor> {
        let batch = check::batch("x", x)?;
        if dw.dims() != [batch] {
            let accepted = format!("({batch},), one motion per sample");
            return Err(Error::shape("path", dw.dims(), accepted));
        }
        check::same_kind("path", dw, "x", x)?;
        Ok(shape::column(dw, x.rank())?
            .broadcast_as(x.shape())?
            .contiguous()?)
    }
}

impl<G: Fn(f64) -> f64> Noise for Additive<G> {
    fn apply(&self, t: f64, x: &Tensor, dw: &Tensor) -> Result<Tensor> {
        check::alike("path", dw, "x", x)?;
        let g = (self.0)(t);
        if !g.is_finite() {
            return Err(Error::range("t", t, "a time at which g is finite"));
        }
        Coefficient::Shared(g).times(dw)
    }
}

/// g and its derivative along itself, for fields that have one.
pub(super) fn along_itself<G: Jvp>(g: &G, t: &Time, x: &Tensor) -> Result<(Tensor, Tensor)> {
    let direction = g.at(t, x)?;
    check::alike("g", &direction, "x", x)?;
    g.jvp(t, x, 0.0, &direction)
}
