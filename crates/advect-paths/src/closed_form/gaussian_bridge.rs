//! The Schrödinger bridge between two Gaussians (Bunne et al. 2023, "The Schrödinger bridge between Gaussian measures
//! has a closed form", theorem 3; Mallasto, Gerolin and Minh 2022).
//!
//! Write `k(m) = 2 / (√(4m + σ⁴) + σ²)`. With `Q = Σ1^½ k(Σ1^½ Σ0 Σ1^½) Σ1^½`, the target given the source is
//! `x1 | x0 ~ N(m1 + Q (x0 − m0), σ² Q)`, so that the covariance of the ends is `C = Σ0 Q`: that of the papers, in
//! which no matrix is inverted. As σ vanishes, Q becomes the matrix of optimal transport. On the way `x1 | x_t` has
//! the mean `m1 + Q ((1 − t) I + t Q)⁻¹ (x_t − μ_t)`, and the drift forwards, which is `E[x1 − x_t | x_t] / (1 − t)`,
//! is `m1 − m0 + (Q − I) ((1 − t) I + t Q)⁻¹ (x_t − μ_t)`. That backwards is the same with the ends exchanged.

use std::sync::Arc;

use advect_core::{Error, Result, check};

use super::covariance::product;
use super::linear_drift::LinearDrift;
use super::{BridgeField, Covariance, Gaussian};
use crate::Direction;
use crate::prediction::unit;

/// The Schrödinger bridge of a Brownian motion of diffusion σ between two Gaussians: the process with these ends that
/// is nearest to that motion in relative entropy.
///
/// | method | returns |
/// | --- | --- |
/// | [`coupling`](Self::coupling), [`cross_covariance`](Self::cross_covariance) | the law of the ends (x0, x1): the entropic optimal plan of strength 2σ² |
/// | [`law`](Self::law) | the Gaussian at time t |
/// | [`drift`](Self::drift) | the drift of `dx = b dt + σ dw`, forwards or backwards |
/// | [`velocity`](Self::velocity), [`score`](Self::score) | u and s, with the drifts `u ± ½ σ² s` |
///
/// All fields are linear in x, and finite wherever the marginals have a width.
///
/// ```
/// use advect_core::{Field, Time};
/// use advect_paths::Direction;
/// use advect_paths::closed_form::{Covariance, Gaussian, GaussianBridge};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let normal = |mean: f64| Gaussian::new(&Tensor::new(&[mean], &Device::Cpu)?, Covariance::isotropic(1.0)?);
/// let bridge = GaussianBridge::new(&normal(0.0)?, &normal(3.0)?, 1.0)?;
/// let golden = 0.5 * (5f64.sqrt() - 1.0);
/// assert!((bridge.cross_covariance()[0] - golden).abs() < 1e-15);
/// let middle = bridge.law(0.5)?;
/// assert_eq!(middle.mean(), [1.5]);
/// assert!((middle.covariance()[0] - (0.75 + 0.5 * golden)).abs() < 1e-15);
/// let x = Tensor::new(&[[1.5]], &Device::Cpu)?;
/// let drift = bridge.drift(Direction::Forwards).at(&Time::Shared(0.5), &x)?;
/// assert_eq!(drift.to_vec2::<f64>()?, [[3.0]]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "Schrödinger bridge")]
#[doc(alias = "entropic optimal transport")]
#[doc(alias = "Bures–Wasserstein")]
#[derive(Debug, Clone)]
pub struct GaussianBridge {
    source: Gaussian,
    target: Gaussian,
    sigma: f64,
    cross: Vec<f64>,
    forwards: Arc<LinearDrift>,
    backwards: Arc<LinearDrift>,
}

impl GaussianBridge {
    /// Creates the bridge of diffusion `sigma` above 0. The Gaussians may have directions without width.
    ///
    /// # Errors
    /// [`Error::Shape`] for Gaussians of different dimensions, [`Error::Range`] for another `sigma`.
    pub fn new(source: &Gaussian, target: &Gaussian, sigma: f64) -> Result<Self> {
        check::positive("sigma", sigma)?;
        let (m0, m1) = (source.mean(), target.mean());
        let d = m0.len();
        if m1.len() != d {
            let accepted = format!("({d},), the dimension of source");
            return Err(Error::shape("target", &[m1.len()], accepted));
        }
        let variance = sigma * sigma;
        let k = |m: f64| 2.0 / ((4.0 * m + variance * variance).sqrt() + variance);
        // Q of the end at which a process arrives, given the one at which it starts.
        let gain = |start: &Covariance, end: &Covariance| -> Result<Covariance> {
            end.around(&end.around(start, d)?.map(k), d)
        };
        let (s0, s1) = (source.matrix(), target.matrix());
        let (to_target, to_source) = (gain(s0, s1)?, gain(s1, s0)?);
        let cross = product(&s0.elements(d), &to_target.elements(d), d);
        let drift = |q: Covariance, direction| Arc::new(LinearDrift::new(q, m0, m1, direction));
        Ok(GaussianBridge {
            cross,
            forwards: drift(to_target, Direction::Forwards),
            backwards: drift(to_source, Direction::Backwards),
            source: source.clone(),
            target: target.clone(),
            sigma,
        })
    }

    /// Returns the covariance of the ends, `C = Cov(x0, x1)`, row by row: a row for each coordinate of x0.
    pub fn cross_covariance(&self) -> &[f64] {
        &self.cross
    }

    /// Returns the law of the ends, of x0 followed by x1, in twice the dimension. Its samples are pairs of the static
    /// Schrödinger bridge.
    ///
    /// # Errors
    /// [`Error::Range`] for covariances that overflow.
    pub fn coupling(&self) -> Result<Gaussian> {
        let d = self.source.mean().len();
        let (s0, s1) = (self.source.covariance(), self.target.covariance());
        let element = |e: usize| {
            let (i, j) = (e / (2 * d), e % (2 * d));
            match (i < d, j < d) {
                (true, true) => s0[i * d + j],
                (true, false) => self.cross[i * d + j - d],
                (false, true) => self.cross[j * d + i - d],
                (false, false) => s1[(i - d) * d + j - d],
            }
        };
        let mean = [self.source.mean(), self.target.mean()].concat();
        Gaussian::of(
            mean,
            Covariance::full((0..4 * d * d).map(element).collect())?,
        )
    }

    /// Returns the law at time t, with the mean `(1 − t) m0 + t m1` and the covariance
    /// `(1 − t)² Σ0 + t² Σ1 + t (1 − t) (C + Cᵀ + σ² I)`.
    ///
    /// # Errors
    /// [`Error::Range`] for a time outside [0, 1].
    pub fn law(&self, t: f64) -> Result<Gaussian> {
        let t = unit(t)?;
        let (s, d) = (1.0 - t, self.source.mean().len());
        let (s0, s1, c) = (
            self.source.covariance(),
            self.target.covariance(),
            &self.cross,
        );
        let element = |e: usize| {
            let (i, j) = (e / d, e % d);
            let motion = if i == j { self.sigma * self.sigma } else { 0.0 };
            let between = c[i * d + j] + c[j * d + i] + motion;
            s * s * s0[i * d + j] + t * t * s1[i * d + j] + t * s * between
        };
        let means = self.source.mean().iter().zip(self.target.mean());
        let mean = means.map(|(m0, m1)| s * m0 + t * m1).collect();
        Gaussian::of(mean, Covariance::full((0..d * d).map(element).collect())?)
    }

    /// Returns the drift of `dx = b dt + σ dw` in a direction: `u + ½ σ² s` forwards, `u − ½ σ² s` backwards.
    ///
    /// # Errors
    /// The field returns [`Error::Range`] at the end to which it goes, if the law there lacks width in a direction.
    pub fn drift(&self, direction: Direction) -> BridgeField {
        match direction {
            Direction::Forwards => BridgeField::new(&[(1.0, &self.forwards)]),
            Direction::Backwards => BridgeField::new(&[(1.0, &self.backwards)]),
        }
    }

    /// Returns the velocity u of the ordinary equation with the same marginals: the mean of both drifts.
    ///
    /// # Errors
    /// The field returns [`Error::Range`] at an end without width in a direction.
    pub fn velocity(&self) -> BridgeField {
        BridgeField::new(&[(0.5, &self.forwards), (0.5, &self.backwards)])
    }

    /// Returns the score `∇ log p_t`: the difference of the drifts, over σ². Where the law is much wider than the
    /// motion, digits cancel: 2⁻⁵² is multiplied by the ratio of their variances.
    ///
    /// # Errors
    /// As [`GaussianBridge::velocity`].
    pub fn score(&self) -> BridgeField {
        let precision = 1.0 / (self.sigma * self.sigma);
        BridgeField::new(&[(precision, &self.forwards), (-precision, &self.backwards)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use advect_core::testing::assert_close;
    use advect_core::{Field, Generator, Jvp, Time};
    use candle_core::{DType, Device, Tensor};
    use rand_distr::StandardNormal;

    fn gaussian(mean: &[f64], covariance: Covariance) -> Gaussian {
        let mean = Tensor::new(mean, &Device::Cpu).unwrap();
        Gaussian::new(&mean, covariance).unwrap()
    }

    /// `B Bᵀ` of random elements.
    fn random(d: usize, rng: &mut Generator) -> Gaussian {
        let b = rng.values(&StandardNormal, d * d).unwrap();
        let dot = |i: usize, j: usize| (0..d).map(|k| b[i * d + k] * b[j * d + k]).sum::<f64>();
        let elements = (0..d * d).map(|e| dot(e / d, e % d)).collect();
        let mean = rng.values(&StandardNormal, d).unwrap();
        gaussian(&mean, Covariance::full(elements).unwrap())
    }

    /// By Gauss and Jordan.
    fn inverse(mut a: Vec<f64>, n: usize) -> Vec<f64> {
        let mut b = vec![0.0; n * n];
        (0..n).for_each(|i| b[i * n + i] = 1.0);
        for i in 0..n {
            let pivot = a[i * n + i];
            for m in [&mut a, &mut b] {
                m[i * n..(i + 1) * n].iter_mut().for_each(|x| *x /= pivot);
            }
            for k in (0..n).filter(|k| *k != i) {
                let factor = a[k * n + i];
                for m in [&mut a, &mut b] {
                    (0..n).for_each(|j| m[k * n + j] -= factor * m[i * n + j]);
                }
            }
        }
        b
    }

    /// The matrix of a linear field, and its values at x.
    fn matrix(field: &impl Jvp, t: f64, d: usize) -> Vec<f64> {
        let x = Tensor::zeros((1, d), DType::F64, &Device::Cpu).unwrap();
        let mut matrix = vec![0.0; d * d];
        for j in 0..d {
            let mut unit = vec![0.0; d];
            unit[j] = 1.0;
            let unit = Tensor::from_vec(unit, (1, d), &Device::Cpu).unwrap();
            let column = field.jvp(&Time::Shared(t), &x, 0.0, &unit).unwrap().1;
            let column = column.flatten_all().unwrap().to_vec1::<f64>().unwrap();
            (0..d).for_each(|i| matrix[i * d + j] = column[i]);
        }
        matrix
    }

    /// The law of the ends is the static bridge if and only if its density is `exp(−|x0 − x1|²/2σ²) a(x0) b(x1)`: its
    /// precision has `−I/σ²` beside the diagonal blocks.
    #[test]
    fn couplings_solve_the_static_problem() {
        let mut rng = Generator::from_seed(0);
        for (d, sigma) in [(1, 1.0), (3, 0.3), (4, 2.0)] {
            let (source, target) = (random(d, &mut rng), random(d, &mut rng));
            let bridge = GaussianBridge::new(&source, &target, sigma).unwrap();
            let n = 2 * d;
            let precision = inverse(bridge.coupling().unwrap().covariance(), n);
            let scale = precision.iter().fold(0.0f64, |a, b| a.max(b.abs()));
            for (i, j) in (0..d * d).map(|e| (e / d, e % d)) {
                let expected = if i == j { -1.0 / sigma.powi(2) } else { 0.0 };
                assert!((precision[i * n + d + j] - expected).abs() < 1e-9 * scale);
            }
        }
        let line = |v: f64| gaussian(&[0.0], Covariance::isotropic(v).unwrap());
        let bridge = GaussianBridge::new(&line(2.0), &line(0.3), 0.7).unwrap();
        let s2 = 0.7f64.powi(2);
        let c = 0.5 * ((4.0 * 2.0 * 0.3 + s2 * s2).sqrt() - s2);
        assert!((bridge.cross_covariance()[0] - c).abs() < 1e-15);
    }

    /// The drift is the regression of `(x1 − x_t)/(1 − t)` on x_t, and that backwards of `(x_t − x0)/t`.
    #[test]
    fn fields_are_regressions_on_the_state() {
        let mut rng = Generator::from_seed(1);
        let (d, sigma) = (3, 0.8);
        let (source, target) = (random(d, &mut rng), random(d, &mut rng));
        let bridge = GaussianBridge::new(&source, &target, sigma).unwrap();
        let (s0, s1, c) = (source.covariance(), target.covariance(), &bridge.cross);
        let x = rng.normal((5, d), DType::F64, &Device::Cpu).unwrap();
        for t in [0.0, 0.3, 1.0] {
            let law = bridge.law(t).unwrap();
            let times = |field: &BridgeField| product(&matrix(field, t, d), &law.covariance(), d);
            let expected = |motion: f64| -> Vec<f64> {
                let element = |e: usize| {
                    let (i, j) = (e / d, e % d);
                    let diagonal = if i == j { sigma * sigma * motion } else { 0.0 };
                    (1.0 - t) * (c[j * d + i] - s0[e]) + t * (s1[e] - c[e]) + diagonal
                };
                (0..d * d).map(element).collect()
            };
            let unit = |e: usize| if e / d == e % d { -1.0 } else { 0.0 };
            for (found, expected) in [
                (times(&bridge.drift(Direction::Forwards)), expected(-t)),
                (
                    times(&bridge.drift(Direction::Backwards)),
                    expected(1.0 - t),
                ),
                (times(&bridge.velocity()), expected(0.5 - t)),
                (times(&bridge.score()), (0..d * d).map(unit).collect()),
            ] {
                for (a, b) in found.iter().zip(&expected) {
                    assert!((a - b).abs() < 1e-11, "{t}: {a} {b}");
                }
            }
            // In the middle of the law, all move alike.
            let middle = Tensor::from_slice(law.mean(), (1, d), &Device::Cpu).unwrap();
            let means = target.mean().iter().zip(source.mean());
            let delta: Vec<f64> = means.map(|(a, b)| a - b).collect();
            let delta = Tensor::from_vec(delta, (1, d), &Device::Cpu).unwrap();
            let time = Time::Shared(t);
            assert_close(
                &bridge.velocity().at(&time, &middle).unwrap(),
                &delta,
                1e-13,
                1e-13,
            );
            let score = bridge.score().at(&time, &middle).unwrap();
            assert_close(&score, &middle.zeros_like().unwrap(), 0.0, 1e-13);
        }
        // A time for each sample, other dtypes, derivatives along time and state.
        let velocity = bridge.velocity();
        let times = Time::per_sample(&[0.1, 0.2, 0.5, 0.7, 0.9]).unwrap();
        let each = velocity.at(&times, &x).unwrap();
        let third = velocity.at(&Time::Shared(0.5), &x).unwrap();
        let row = |x: &Tensor| x.narrow(0, 2, 1).unwrap();
        assert_close(&row(&each), &row(&third), 1e-15, 1e-15);
        let single = velocity
            .at(&times, &x.to_dtype(DType::F32).unwrap())
            .unwrap();
        assert_eq!(single.dtype(), DType::F32);
        assert_close(&single, &each, 1e-5, 1e-5);
        let dx = rng.normal_like(&x).unwrap();
        let at = |h: f64| {
            let x = (&x + (&dx * h).unwrap()).unwrap();
            velocity.at(&Time::Shared(0.4 + 2.0 * h), &x).unwrap()
        };
        let numeric = ((at(1e-5) - at(-1e-5)).unwrap() / 2e-5).unwrap();
        let (_, along) = velocity.jvp(&Time::Shared(0.4), &x, 2.0, &dx).unwrap();
        assert_close(&along, &numeric, 1e-6, 1e-6);
    }

    #[test]
    fn ends_may_be_points() {
        let point = gaussian(&[1.0, 2.0], Covariance::isotropic(0.0).unwrap());
        let flat = gaussian(&[0.0, 0.0], Covariance::diagonal(vec![1.0, 0.0]).unwrap());
        let bridge = GaussianBridge::new(&point, &flat, 0.5).unwrap();
        assert!(bridge.cross_covariance().iter().all(|c| *c == 0.0));
        let x = Tensor::new(&[[1.0, 2.0]], &Device::Cpu).unwrap();
        let drift = bridge.drift(Direction::Forwards);
        let start = drift.at(&Time::Shared(0.0), &x).unwrap();
        assert_eq!(start.to_vec2::<f64>().unwrap(), [[-1.0, -2.0]]);
        let error = drift.at(&Time::Shared(1.0), &x).unwrap_err();
        assert!(matches!(error, Error::Range { argument, .. } if argument == "t"));
        assert!(bridge.score().at(&Time::Shared(0.0), &x).is_err());
        let line = gaussian(&[0.0], Covariance::isotropic(1.0).unwrap());
        assert!(GaussianBridge::new(&line, &flat, 0.5).is_err());
        assert!(GaussianBridge::new(&flat, &flat, 0.0).is_err());
        let wide = x.repeat((1, 2)).unwrap();
        assert!(drift.at(&Time::Shared(0.5), &wide).is_err());
    }

    #[test]
    fn divergences_are_those_of_the_formula() {
        let mut rng = Generator::from_seed(2);
        let (p, q) = (random(2, &mut rng), random(2, &mut rng));
        let det = |s: &[f64]| s[0] * s[3] - s[1] * s[2];
        let (s, r) = (p.covariance(), q.covariance());
        let precision = inverse(r.clone(), 2);
        let trace: f64 = product(&precision, &s, 2).iter().step_by(3).sum();
        let apart = [p.mean()[0] - q.mean()[0], p.mean()[1] - q.mean()[1]];
        let square: f64 = (0..4)
            .map(|e| apart[e / 2] * precision[e] * apart[e % 2])
            .sum();
        let expected = 0.5 * (trace - 2.0 + square + (det(&r) / det(&s)).ln());
        assert!((p.kl_divergence(&q).unwrap() / expected - 1.0).abs() < 1e-11);
        assert!(p.kl_divergence(&p).unwrap().abs() < 1e-14);
        let point = gaussian(&[0.0, 0.0], Covariance::isotropic(0.0).unwrap());
        assert!(p.kl_divergence(&point).is_err() && point.kl_divergence(&p).is_err());
        assert!(p.kl_divergence(&random(3, &mut rng)).is_err());
        // A fit finds what it was drawn from.
        let samples = super::super::Law::sample(&p, 20_000, DType::F32, &Device::Cpu, &mut rng);
        let fit = Gaussian::fit(&samples.unwrap()).unwrap();
        let divergence = p.kl_divergence(&fit).unwrap();
        // Twice 20,000 times that is chi-squared with 5 degrees of freedom.
        assert!(divergence < 25.0 / 40_000.0, "{divergence}");
        let one = Tensor::new(&[[1f64]], &Device::Cpu).unwrap();
        assert!(Gaussian::fit(&one).is_err());
    }
}
