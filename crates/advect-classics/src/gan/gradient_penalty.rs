//! Penalties of a discriminator's slope (Gulrajani et al. 2017, "Improved training of Wasserstein GANs", eq. 3).

use advect_core::{Energy, Error, Generator, Result, Time, check, shape};
use advect_ops::{backward, with_graph};
use candle_core::{Tensor, Var};

/// Returns the slope `|∇D|` of a discriminator at each sample, `(batch,)`, differentiable by its parameters but not by the samples.
///
/// The slope is the derivative of D along `u = ∇D/|∇D|`. Forward mode computes it with u held constant. Its gradient by the parameters θ is exact: `∂_θ (∇D · u) = (∂_θ ∇D) · u + ∇D
/// · ∂_θ u`, and the last term is 0, as ∇D is parallel to u, whose length does not change. One ordinary backward pass is therefore enough, without second-order gradients. Where
/// the slope is 0, it has no gradient, and 0 is returned for it.
///
/// The discriminator is taken at time 0; [`Potential`](advect_nn::Potential) makes one of a network.
///
/// # Errors
/// The discriminator's errors; [`Error::Shape`] naming it unless it gives one number for each sample; [`Error::Detached`] if its value is in no graph with the samples.
pub fn gradient_norms(discriminator: &impl Energy, x: &Tensor) -> Result<Tensor> {
    let batch = check::batch("x", x)?;
    check::float("x", x)?;
    let (time, at) = (Time::Shared(0.0), Var::from_tensor(&x.detach())?);
    let value = with_graph(|| discriminator.at(&time, at.as_tensor()))?;
    if value.dims() != [batch] {
        let accepted = format!("({batch},), one number for each sample");
        return Err(Error::shape("discriminator", value.dims(), accepted));
    }
    let gradients = backward(&value.sum_all()?)?;
    let slope = gradients.get(&at).ok_or_else(|| {
        let reason = "its value is in no graph with x; compute it by operations that are tracked";
        Error::detached("discriminator", reason)
    })?;
    let slope = shape::wide(&slope.detach())?;
    let norms = shape::sum_squares_per_sample(&slope)?.sqrt()?;
    let lengths = shape::column(&norms.maximum(1e-30)?, slope.rank())?;
    let direction = shape::cast(&slope.broadcast_div(&lengths)?, x.dtype())?;
    Ok(discriminator.jvp(&time, &x.detach(), 0.0, &direction)?.1)
}

/// Returns the mean of `(|∇D| − 1)²` at samples, a scalar: the penalty of WGAN-GP. Add it to the discriminator's loss with a weight, 10 in the paper. The samples there are
/// points [`between`] data and generated ones.
///
/// ```
/// use advect_classics::gan::gradient_penalty;
/// use advect_core::{Energy, Result, Time, shape};
/// use candle_core::{Device, Tensor};
///
/// /// `D(x) = |x|²`, of slope 2|x|.
/// struct Square;
/// impl Energy for Square {
///     fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
///         shape::sum_squares_per_sample(x)
///     }
///     fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
///         Ok((self.at(t, x)?, (shape::sum_per_sample(&(x * dx)?)? * 2.0)?))
///     }
/// }
/// # fn main() -> Result<()> {
/// let x = Tensor::new(&[[3f64, 4.0], [0.0, 0.5]], &Device::Cpu)?; // slopes 10 and 1
/// let penalty = gradient_penalty(&Square, &x)?.to_scalar::<f64>()?;
/// assert!((penalty - 40.5).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`gradient_norms`].
#[doc(alias = "WGAN-GP")]
pub fn gradient_penalty(discriminator: &impl Energy, x: &Tensor) -> Result<Tensor> {
    Ok((gradient_norms(discriminator, x)? - 1.0)?
        .sqr()?
        .mean_all()?)
}

/// Returns points on the lines from data to generated samples, `ε x + (1 − ε) x̃` with ε uniform on [0, 1) for each pair, part of no graph.
///
/// # Errors
/// [`Error`] naming samples that are not like the data.
pub fn between(real: &Tensor, fake: &Tensor, rng: &mut Generator) -> Result<Tensor> {
    let batch = check::batch("real", real)?;
    check::alike("fake", fake, "real", real)?;
    let share = rng.uniform(0.0..1.0, batch, real.dtype(), real.device())?;
    let share = shape::column(&share, real.rank())?;
    let (real, fake) = (real.detach(), fake.detach());
    Ok((&fake + (real - &fake)?.broadcast_mul(&share)?)?)
}
