//! The law of the data and the noise given a state, when the data is a mixture of Gaussians.

use advect_core::normal::log_normalizer;

use super::components::{Components, pick};
use super::covariance::Kind;

/// A mixture seen through `x = α x1 + σ x0`, at one pair of coefficients after another.
///
/// In the axes of component k, with variances `c_i = α² v_i + σ²` and `y = x − α m_k`:
/// the score is `s_k = −y/c`, the denoiser `D_k = m_k + α v y/c`, and the share `r_k ∝ w_k N(x; α m_k, c)`.
pub(super) struct Posterior<'a> {
    components: &'a Components,
    shares: Vec<f64>,
    /// The values of one component.
    score: Vec<f64>,
    data: Vec<f64>,
    scratch: Vec<f64>,
}

/// The result of [`Posterior::at`]: means given x, in the original axes.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    /// `∇ log p_t(x) = −E[x0 | x]/σ`; infinite where there is neither noise nor width.
    pub(super) score: Vec<f64>,
    /// `E[x1 | x]`.
    pub(super) data: Vec<f64>,
}

impl<'a> Posterior<'a> {
    pub(super) fn new(components: &'a Components) -> Self {
        let d = components.dim();
        Posterior {
            components,
            shares: vec![0.0; components.count()],
            score: vec![0.0; d],
            data: vec![0.0; d],
            scratch: vec![0.0; d],
        }
    }

    /// The share of component k in the state that was asked last, if it counts. It is NaN where the logarithms of all of them overflow.
    pub(super) fn share(&self, k: usize) -> Option<f64> {
        Some(self.shares[k]).filter(|share| share.is_nan() || *share >= 1e-300)
    }

    /// Finds the shares of the components; returns the log-density of x.
    pub(super) fn shares(&mut self, alpha: f64, sigma: f64, x: &[f64]) -> f64 {
        if sigma == 0.0 {
            return self.shares_without_noise(alpha, x);
        }
        let c = self.components;
        for k in 0..c.count() {
            let covariance = c.covariance(k);
            let (squares, log_volume) = match covariance.0 {
                Kind::Isotropic(v) => {
                    let variance = alpha * alpha * v + sigma * sigma;
                    let squares = squared_distance(x, c.mean(k), alpha);
                    (squares / variance, c.dim() as f64 * variance.ln())
                }
                _ => {
                    self.offset(k, alpha, x);
                    let (mut squares, mut log_volume) = (0.0, 0.0);
                    for (i, y) in self.score.iter().enumerate() {
                        let variance = alpha * alpha * covariance.variance(i) + sigma * sigma;
                        squares += y * y / variance;
                        log_volume += variance.ln();
                    }
                    (squares, log_volume)
                }
            };
            self.shares[k] = c.log_weights()[k] - 0.5 * (squares + log_volume);
        }
        self.normalize() + log_normalizer(c.dim(), 1.0)
    }

    /// The limit of the shares as the noise vanishes. In directions in which a component has no width only the distance
    /// counts: the nearest component has all, among those the one with most such directions, and among those shares are
    /// by the density in the other directions.
    fn shares_without_noise(&mut self, alpha: f64, x: &[f64]) -> f64 {
        let c = self.components;
        let mut best = (f64::INFINITY, 0);
        for k in 0..c.count() {
            self.offset(k, alpha, x);
            let covariance = c.covariance(k);
            let (mut away, mut flat, mut squares, mut log_volume) = (0.0, 0, 0.0, 0.0);
            for (i, y) in self.score.iter().enumerate() {
                let variance = alpha * alpha * covariance.variance(i);
                if variance > 0.0 {
                    squares += y * y / variance;
                    log_volume += variance.ln();
                } else {
                    away += y * y;
                    flat += 1;
                }
            }
            let possible = c.log_weights()[k] > f64::NEG_INFINITY;
            let nearer = away < best.0 || away == best.0 && flat > best.1;
            if possible && nearer {
                best = (away, flat);
                self.shares[..k].fill(f64::NEG_INFINITY);
            }
            self.shares[k] = match possible && (away, flat) == best {
                true => c.log_weights()[k] - 0.5 * (squares + log_volume),
                false => f64::NEG_INFINITY,
            };
        }
        let log_density = self.normalize() + log_normalizer(c.dim(), 1.0);
        match best {
            (away, _) if away > 0.0 => f64::NEG_INFINITY,
            (_, 0) => log_density,
            _ => f64::INFINITY,
        }
    }

    /// Turns logarithms of shares into shares; returns the logarithm of their sum.
    fn normalize(&mut self) -> f64 {
        let largest = self
            .shares
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max);
        let mut sum = 0.0;
        for share in &mut self.shares {
            *share = (*share - largest).exp();
            sum += *share;
        }
        self.shares.iter_mut().for_each(|share| *share /= sum);
        largest + sum.ln()
    }

    /// Writes `x − α m_k`, in the axes of component k, to `score`.
    pub(super) fn offset(&mut self, k: usize, alpha: f64, x: &[f64]) -> &[f64] {
        let mean = self.components.mean(k);
        for ((y, x), m) in self.score.iter_mut().zip(x).zip(mean) {
            *y = x - alpha * m;
        }
        let covariance = self.components.covariance(k);
        covariance.turn(&mut self.score, &mut self.scratch);
        &self.score
    }

    /// The score of component k.
    pub(super) fn score_of(&mut self, k: usize, (alpha, sigma): (f64, f64), x: &[f64]) -> &[f64] {
        self.component(k, alpha, sigma, x);
        self.turn_back(k);
        &self.score
    }

    /// Score and denoiser of component k, in its axes without its mean; and the traces of their Jacobians.
    fn component(&mut self, k: usize, alpha: f64, sigma: f64, x: &[f64]) -> (f64, f64) {
        self.offset(k, alpha, x);
        let covariance = self.components.covariance(k);
        let (mut score_trace, mut data_trace) = (0.0, 0.0);
        for (i, (score, data)) in self.score.iter_mut().zip(&mut self.data).enumerate() {
            let v = covariance.variance(i);
            let variance = alpha * alpha * v + sigma * sigma;
            *data = gain(alpha, v, variance) * *score;
            *score = -*score / variance;
            score_trace -= 1.0 / variance;
            data_trace += gain(alpha, v, variance);
        }
        (score_trace, data_trace)
    }

    /// Turns what [`Posterior::component`] found to the original axes, and adds the mean.
    fn turn_back(&mut self, k: usize) {
        let covariance = self.components.covariance(k);
        covariance.turn_back(&mut self.score, &mut self.scratch);
        covariance.turn_back(&mut self.data, &mut self.scratch);
        for (data, m) in self.data.iter_mut().zip(self.components.mean(k)) {
            *data += m;
        }
    }

    /// Everything that x says.
    pub(super) fn at(&mut self, alpha: f64, sigma: f64, x: &[f64]) -> Found {
        let d = self.components.dim();
        self.shares(alpha, sigma, x);
        let mut found = Found {
            score: vec![0.0; d],
            data: vec![0.0; d],
        };
        for k in 0..self.components.count() {
            let Some(share) = self.share(k) else {
                continue;
            };
            self.component(k, alpha, sigma, x);
            self.turn_back(k);
            add(&mut found.score, share, &self.score);
            add(&mut found.data, share, &self.data);
        }
        found
    }

    /// The traces of the Jacobians of score and denoiser, at the place that `found` tells of, which is where this was last
    /// asked. With `∂r_k = r_k (s_k − s)`, that of the score is `Σ r_k (tr ∂s_k + |s_k − s|²)`.
    pub(super) fn divergences(
        &mut self,
        (alpha, sigma): (f64, f64),
        x: &[f64],
        found: &Found,
    ) -> (f64, f64) {
        let (mut score, mut data) = (0.0, 0.0);
        for k in 0..self.components.count() {
            let Some(share) = self.share(k) else {
                continue;
            };
            let (score_trace, data_trace) = self.component(k, alpha, sigma, x);
            self.turn_back(k);
            let apart = self.score.iter().zip(&found.score).map(|(a, b)| a - b);
            let squares: f64 = apart.clone().map(|d| d * d).sum();
            let data_apart = self.data.iter().zip(&found.data).map(|(a, b)| a - b);
            let products: f64 = apart.zip(data_apart).map(|(a, b)| a * b).sum();
            score += share * (score_trace + squares);
            data += share * (data_trace + products);
        }
        (score, data)
    }

    /// The derivatives of score and denoiser along `dx`, at the place that `found` tells of, which is where this was
    /// last asked.
    pub(super) fn along(
        &mut self,
        (alpha, sigma): (f64, f64),
        x: &[f64],
        dx: &[f64],
        found: &Found,
    ) -> (Vec<f64>, Vec<f64>) {
        let d = self.components.dim();
        let (mut d_score, mut d_data) = (vec![0.0; d], vec![0.0; d]);
        let mut turned = vec![0.0; d];
        let mut d_data_k = vec![0.0; d];
        for k in 0..self.components.count() {
            let Some(share) = self.share(k) else {
                continue;
            };
            self.component(k, alpha, sigma, x);
            self.turn_back(k);
            // The shares' derivatives: r_k (s_k − s)·dx.
            for (score, mean) in self.score.iter_mut().zip(&found.score) {
                *score -= mean;
            }
            for (data, mean) in self.data.iter_mut().zip(&found.data) {
                *data -= mean;
            }
            let change = share * dot(&self.score, dx);
            add(&mut d_score, change, &self.score);
            add(&mut d_data, change, &self.data);
            // The components' own: diagonal in their axes.
            let covariance = self.components.covariance(k);
            turned.copy_from_slice(dx);
            covariance.turn(&mut turned, &mut self.scratch);
            for (i, (along, d_data)) in turned.iter_mut().zip(&mut d_data_k).enumerate() {
                let v = covariance.variance(i);
                let variance = alpha * alpha * v + sigma * sigma;
                *d_data = gain(alpha, v, variance) * *along;
                *along = -*along / variance;
            }
            covariance.turn_back(&mut turned, &mut self.scratch);
            covariance.turn_back(&mut d_data_k, &mut self.scratch);
            add(&mut d_score, share, &turned);
            add(&mut d_data, share, &d_data_k);
        }
        (d_score, d_data)
    }

    /// A draw of x1 given x: of a component by its share, then of its Gaussian, whose variances given x are
    /// `v σ²/c`. `normal` holds d standard normal numbers, and the draw afterwards.
    pub(super) fn draw(
        &mut self,
        (alpha, sigma): (f64, f64),
        x: &[f64],
        uniform: f64,
        normal: &mut [f64],
    ) {
        self.shares(alpha, sigma, x);
        let k = pick(&self.shares, uniform);
        self.component(k, alpha, sigma, x);
        let covariance = self.components.covariance(k);
        for (i, (data, z)) in self.data.iter_mut().zip(&*normal).enumerate() {
            let v = covariance.variance(i);
            let variance = alpha * alpha * v + sigma * sigma;
            *data += divide(v * sigma * sigma, variance).sqrt() * z;
        }
        self.turn_back(k);
        normal.copy_from_slice(&self.data);
    }
}

/// Returns `α v / c`, the part of a deviation of x that is due to the data.
fn gain(alpha: f64, v: f64, variance: f64) -> f64 {
    divide(alpha * v, variance)
}

/// 0 over 0 is 0: where nothing varies, nothing deviates.
pub(super) fn divide(a: f64, b: f64) -> f64 {
    if a == 0.0 { 0.0 } else { a / b }
}

pub(super) fn add(sum: &mut [f64], factor: f64, x: &[f64]) {
    for (sum, x) in sum.iter_mut().zip(x) {
        *sum += factor * x;
    }
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `|x − α m|²`, in eight sums that vectorise.
fn squared_distance(x: &[f64], mean: &[f64], alpha: f64) -> f64 {
    let mut sums = [0.0; 8];
    let (xs, ms) = (x.chunks_exact(8), mean.chunks_exact(8));
    let rest = xs.remainder().iter().zip(ms.remainder());
    let rest: f64 = rest.map(|(x, m)| (x - alpha * m).powi(2)).sum();
    for (x, m) in xs.zip(ms) {
        for ((sum, x), m) in sums.iter_mut().zip(x).zip(m) {
            *sum += (x - alpha * m).powi(2);
        }
    }
    sums.iter().sum::<f64>() + rest
}
