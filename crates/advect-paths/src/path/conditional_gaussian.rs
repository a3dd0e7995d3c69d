//! Conditional Gaussian paths of any mean and deviation (Lipman et al., Flow matching for generative modeling, 2023,
//! theorem 3).

use advect_core::{Coefficient, Error, Generator, Result, Time, check, shape};
use advect_ops::{Dual, Value};
use candle_core::{DType, Device, Tensor};

use super::{Moments, Path, PathPoint, check_ends};

/// The path `x_t = μ_t(x1) + σ_t(x1) x0` from noise x0 ~ N(0, I), with velocity `μ' + σ' x0`, which is `(σ'/σ)(x_t − μ)
/// + μ'`, and score `−x0/σ`.
///
/// [`Moments`] give mean and deviation, a closure by [`moments_fn`](super::moments_fn) for example. The deviation may
/// be one number, or differ between samples, coordinates and elements. Parameters in them get gradients from the state
/// and the targets alike: a loss that trains them, too, needs something that keeps it from making the targets easy. For
/// the marginals to lead from noise to data, μ is 0 and σ 1 at time 0, and μ is x1 and σ small at time 1.
///
/// ```
/// use advect_core::{Generator, Time};
/// use advect_ops::{Dual, Value};
/// use advect_paths::path::{ConditionalGaussian, Path, moments_fn};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // Straight means t x1, and a deviation 1 − t s for each coordinate.
/// let slopes = Tensor::new(&[[1f64, 0.5]], &Device::Cpu)?;
/// let path = ConditionalGaussian::new(moments_fn(move |t: &Dual, x1| {
///     let mean = t.times(&Dual::constant(x1.clone()))?;
///     let fall = t.times(&Dual::constant(slopes.neg()?))?;
///     let one = Dual::constant(fall.primal().ones_like()?);
///     Ok((mean, fall.plus(&one)?))
/// }));
/// let (x0, x1) = (Tensor::new(&[[2f64, 4.0]], &Device::Cpu)?, Tensor::new(&[[10f64, 20.0]], &Device::Cpu)?);
/// let point = path.sample(&Time::Shared(0.5), &x0, &x1, &mut Generator::from_seed(0))?;
/// assert_eq!(point.x.to_vec2::<f64>()?, [[6.0, 13.0]]);
/// assert_eq!(point.velocity()?.to_vec2::<f64>()?, [[8.0, 18.0]]);
/// assert_eq!(point.score()?.to_vec2::<f64>()?, [[-4.0, -4.0 / 0.75]]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "flexible path")]
#[doc(alias = "learnable path")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConditionalGaussian<M> {
    moments: M,
}

impl<M: Moments> ConditionalGaussian<M> {
    /// Creates the path from its mean and deviation.
    pub fn new(moments: M) -> Self {
        ConditionalGaussian { moments }
    }

    /// Returns the mean and the deviation.
    pub fn moments(&self) -> &M {
        &self.moments
    }

    /// Returns the conditional velocity `u_t(x | x1) = (σ'/σ)(x − μ) + μ'` at any x (Lipman et al. 2023, eq. 15).
    ///
    /// # Errors
    /// As [`Path::sample`]; [`Error::NonFinite`] for an x that is not finite, [`Error::Range`] where σ is 0, or a derivative
    /// infinite.
    pub fn velocity_at(&self, t: &Time, x: &Tensor, x1: &Tensor) -> Result<Tensor> {
        let at = self.at(t, x, x1)?;
        let noise = (x - &at.mean)?.broadcast_div(&at.deviation)?;
        if !check::is_finite(&noise)? {
            check::finite("x", x)?;
            let accepted = "a time at which the deviation is above 0";
            return Err(Error::range(
                "t",
                "a time where the deviation is 0",
                accepted,
            ));
        }
        at.point(&noise, x.clone(), x1)?.velocity()
    }

    /// The moments and their slopes at times, checked; `x0` has the shape that x1 should have.
    fn at(&self, t: &Time, x0: &Tensor, x1: &Tensor) -> Result<At> {
        let times = check_ends(t, x0, x1)?;
        let count = times.len();
        let column = Tensor::from_vec(times, count, &Device::Cpu)?;
        let column = column.to_dtype(x1.dtype())?.to_device(x1.device())?;
        let column = shape::column(&column, x1.rank())?;
        let along = column.ones_like()?;
        let (mean, deviation) = self.moments.at(&Dual::new(column, along)?, x1)?;
        for (argument, moment) in [("mean", mean.primal()), ("deviation", deviation.primal())] {
            check::same_kind(argument, moment, "x1", x1)?;
            check::finite(argument, moment)?;
            if moment.broadcast_as(x1.shape()).is_err() {
                let accepted = format!("a shape that broadcasts to {:?}, that of x1", x1.dims());
                return Err(Error::shape(argument, moment.dims(), accepted));
            }
        }
        let numbers = deviation.primal().flatten_all()?.to_dtype(DType::F64)?;
        let numbers = numbers.to_vec1::<f64>()?;
        if let Some(negative) = numbers.iter().find(|s| **s < 0.0) {
            let accepted = "a deviation of 0 or more";
            return Err(Error::range("deviation", negative, accepted));
        }
        Ok(At {
            mean: mean.primal().broadcast_as(x1.shape())?,
            mean_slope: mean.tangent().cloned(),
            deviation: deviation.primal().clone(),
            deviation_slope: deviation.tangent().cloned(),
        })
    }
}

/// Mean and deviation at a time, with their derivatives, if they change.
struct At {
    mean: Tensor,
    mean_slope: Option<Tensor>,
    deviation: Tensor,
    deviation_slope: Option<Tensor>,
}

impl At {
    /// The point of a state with its noise.
    fn point(&self, noise: &Tensor, x: Tensor, x1: &Tensor) -> Result<PathPoint> {
        let mut velocity = Vec::new();
        if let Some(slope) = &self.mean_slope {
            velocity.push((finite(slope)?, slope.broadcast_as(x1.shape())?));
        }
        if let Some(slope) = &self.deviation_slope {
            velocity.push((finite(slope)?, noise.broadcast_mul(slope)?));
        }
        if velocity.is_empty() {
            velocity.push((1.0.into(), x1.zeros_like()?));
        }
        Ok(PathPoint::linear(x, velocity)
            .with_data(x1.clone())
            .with_scaled_noise(noise.clone(), self.deviation.clone()))
    }
}

/// The factor 1 of a slope, or one that makes the velocity an error where the slope is infinite.
fn finite(slope: &Tensor) -> Result<Coefficient> {
    Ok(Coefficient::Shared(match check::is_finite(slope)? {
        true => 1.0,
        false => f64::INFINITY,
    }))
}

impl<M: Moments> Path for ConditionalGaussian<M> {
    fn sample(&self, t: &Time, x0: &Tensor, x1: &Tensor, _: &mut Generator) -> Result<PathPoint> {
        let at = self.at(t, x0, x1)?;
        let x = (&at.mean + x0.broadcast_mul(&at.deviation)?)?;
        at.point(x0, x, x1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::{Affine, contract, moments_fn};
    use crate::schedule::CondOt;
    use advect_core::testing::assert_close;

    /// μ = t x1 and σ = 1 − (1 − σ_min) t.
    fn straight(sigma_min: f64) -> ConditionalGaussian<impl Moments> {
        ConditionalGaussian::new(moments_fn(move |t: &Dual, x1| {
            let mean = t.times(&Dual::constant(x1.clone()))?;
            let fall = t.map_linear(|t| Ok((t * (sigma_min - 1.0))?))?;
            let one = Dual::constant(fall.primal().ones_like()?);
            Ok((mean, fall.plus(&one)?))
        }))
    }

    /// μ = sin(x1) t + x1 (1 − e^(−t)), and the deviation e^(−t (1 + x1²/10)) of each element.
    fn curved() -> ConditionalGaussian<impl Moments> {
        ConditionalGaussian::new(moments_fn(|t: &Dual, x1| {
            let decay = t.map_elements(|t| Ok(t.neg()?.exp()?), |t| Ok(t.neg()?.exp()?.neg()?))?;
            let wave = t.times(&Dual::constant(x1.sin()?))?;
            let rise = decay.map_linear(|d| Ok(d.neg()?))?;
            let rise = rise.plus(&Dual::constant(decay.primal().ones_like()?))?;
            let mean = wave.plus(&rise.times(&Dual::constant(x1.clone()))?)?;
            let rate = t.times(&Dual::constant(x1.sqr()?.affine(-0.1, -1.0)?))?;
            let deviation = rate.map_elements(|r| Ok(r.exp()?), |r| Ok(r.exp()?))?;
            Ok((mean, deviation))
        }))
    }

    fn ends() -> (Tensor, Tensor) {
        let mut rng = Generator::from_seed(2);
        let mut draw = || rng.normal((3, 2), DType::F64, &Device::Cpu).unwrap();
        (draw(), draw())
    }

    #[test]
    fn keeps_the_contract() {
        contract::check(&straight(0.1));
    }

    #[test]
    fn straight_means_are_the_affine_path() {
        let (x0, x1) = ends();
        let affine = Affine::new(CondOt::new(0.1).unwrap());
        let mut rng = Generator::from_seed(0);
        for t in [
            Time::Shared(0.0),
            Time::Shared(1.0),
            Time::per_sample(&[0.1, 0.6, 0.9]).unwrap(),
        ] {
            let ours = straight(0.1).sample(&t, &x0, &x1, &mut rng).unwrap();
            let theirs = affine.sample(&t, &x0, &x1, &mut rng).unwrap();
            assert_close(&ours.x, &theirs.x, 1e-14, 1e-15);
            for prediction in [
                crate::Prediction::Velocity,
                crate::Prediction::Score,
                crate::Prediction::Noise,
                crate::Prediction::Data,
            ] {
                let target = |point: &PathPoint| point.target(prediction).unwrap();
                assert_close(&target(&ours), &target(&theirs), 1e-13, 1e-14);
            }
            let scale = |point: &PathPoint| point.noise_scale().unwrap().times(&x0).unwrap();
            assert_close(&scale(&ours), &scale(&theirs), 1e-14, 1e-15);
        }
    }

    #[test]
    fn velocities_are_differences_at_fixed_noise() {
        let (x0, x1) = ends();
        let path = curved();
        let at = |t: f64| {
            let mut rng = Generator::from_seed(0);
            path.sample(&Time::Shared(t), &x0, &x1, &mut rng).unwrap()
        };
        for t in [0.1, 0.5, 0.95] {
            let h = 1e-4;
            let numeric = ((at(t + h).x - at(t - h).x).unwrap() / (2.0 * h)).unwrap();
            let point = at(t);
            let velocity = point.velocity().unwrap();
            assert_close(&velocity, &numeric, 1e-7, 1e-8);
            // Theorem 3, at the state.
            let theorem = path.velocity_at(&Time::Shared(t), &point.x, &x1).unwrap();
            assert_close(&theorem, &velocity, 1e-12, 1e-13);
            // σ s = −x0, with the σ of each element.
            let score = point.score().unwrap();
            let deviation = (x1.sqr().unwrap().affine(-0.1 * t, -t).unwrap())
                .exp()
                .unwrap();
            assert_close(
                &(score * deviation).unwrap(),
                &x0.neg().unwrap(),
                1e-12,
                1e-13,
            );
            assert!(matches!(point.noise_scale(), Err(Error::Range { .. })));
        }
    }

    #[test]
    fn moments_that_stand_still_have_no_velocity() {
        let (x0, x1) = ends();
        let still = moments_fn(|_, x1| {
            let wide = Dual::constant(Tensor::new(&[[2f64]], &Device::Cpu)?);
            Ok((Dual::constant(x1.clone()), wide))
        });
        let mut rng = Generator::from_seed(0);
        let point = ConditionalGaussian::new(still).sample(&Time::Shared(0.5), &x0, &x1, &mut rng);
        let velocity = point.unwrap().velocity().unwrap();
        assert_close(&velocity, &x0.zeros_like().unwrap(), 0.0, 0.0);
    }

    #[test]
    fn bad_moments_are_told() {
        let (x0, x1) = ends();
        type Both<'a> = &'a dyn Fn(&Dual, &Tensor) -> Result<(Dual, Dual)>;
        let point = |f: Both<'_>, t: f64| {
            let mut rng = Generator::from_seed(0);
            let path = ConditionalGaussian::new(moments_fn(f));
            path.sample(&Time::Shared(t), &x0, &x1, &mut rng)
        };
        let named = |error: Error| error.to_string().split(':').next().unwrap().to_string();
        let mean = |x1: &Tensor| Dual::constant(x1.clone());
        let with = |deviation: &Tensor| {
            let f = |_: &Dual, x1: &Tensor| Ok((mean(x1), Dual::constant(deviation.clone())));
            point(&f, 0.5)
        };
        let number = |x: f64| Tensor::new(&[[x]], &Device::Cpu).unwrap();
        assert_eq!(named(with(&number(-0.5)).unwrap_err()), "deviation");
        assert_eq!(named(with(&number(f64::NAN)).unwrap_err()), "deviation");
        let single = number(1.0).to_dtype(DType::F32).unwrap();
        assert_eq!(named(with(&single).unwrap_err()), "deviation");
        let long = Tensor::ones((1, 5), DType::F64, &Device::Cpu).unwrap();
        assert_eq!(named(with(&long).unwrap_err()), "deviation");
        let flat = |_: &Dual, _: &Tensor| Ok((Dual::constant(long.clone()), mean(&number(1.0))));
        assert_eq!(named(point(&flat, 0.5).unwrap_err()), "mean");
        // Without noise there is a state, and no score.
        let clean = straight(0.0);
        let end = clean.sample(&Time::Shared(1.0), &x0, &x1, &mut Generator::from_seed(0));
        let end = end.unwrap();
        assert_close(&end.x, &x1, 0.0, 0.0);
        assert_eq!(named(end.score().unwrap_err()), "t");
        assert_eq!(
            named(clean.velocity_at(&Time::Shared(1.0), &x0, &x1).unwrap_err()),
            "t"
        );
        let nan = (&x0 * f64::NAN).unwrap();
        let told = clean.velocity_at(&Time::Shared(0.5), &nan, &x1);
        assert_eq!(named(told.unwrap_err()), "x");
        // An infinite derivative is an error of the velocity alone.
        let root = |t: &Dual, x1: &Tensor| {
            let deviation = t.map_elements(
                |t| Ok(t.affine(-1.0, 1.0)?.sqrt()?),
                |t| Ok((t.affine(-1.0, 1.0)?.sqrt()?.recip()? * -0.5)?),
            )?;
            Ok((mean(x1), deviation))
        };
        let end = point(&root, 1.0).unwrap();
        assert_close(&end.noise().unwrap(), &x0, 0.0, 0.0);
        assert_eq!(named(end.velocity().unwrap_err()), "t");
    }
}
