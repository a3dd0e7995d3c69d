//! A joint law at one time of an interpolant, seen from the state.

use super::Components;
use super::covariance::{Covariance, Kind};
use super::joint_law::{JointLaw, Pair};
use super::posterior::{Posterior, add, divide, dot};

/// The factors of one time: of the state `x = α x1 + σ x0 + γ z`, and of the mean that is asked for,
/// `a E[x1 | x] + b E[x0 | x] + c E[z | x]`.
///
/// Where the state is Gaussian, that mean is `a m1 + b m0 + (a Cov(x1, x) + b Cov(x0, x) + c γ I) V⁻¹ (x − α m1 − σ m0)` with
/// `V = α² Σ1 + σ² Σ0 + α σ (C + Cᵀ) + γ² I`. In place of c there is `c γ`, and there are `a α` and `b σ` beside a and b: these products may
/// be finite where a factor is not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Factors {
    pub(super) alpha: f64,
    pub(super) sigma: f64,
    pub(super) gamma: f64,
    /// a, and `a α`.
    pub(super) target: (f64, f64),
    /// b, and `b σ`.
    pub(super) source: (f64, f64),
    /// `c γ`.
    pub(super) noise: f64,
}

/// The law of the state, and for each pair of components the line `m + G y` that gives the mean, with y in the component's axes.
pub(super) struct Slice {
    state: Components,
    gamma: f64,
    means: Vec<f64>,
    /// One for each, or one for all.
    gains: Vec<Gain>,
}

enum Gain {
    Isotropic(f64),
    Diagonal(Vec<f64>),
    /// A matrix from the component's axes to the coordinates, row by row.
    Full(Vec<f64>),
}

impl Slice {
    pub(super) fn new(law: &JointLaw, at: &Factors) -> Self {
        let (source, target, pairs) = (law.source(), law.target(), law.pairs());
        let d = law.dim();
        let mix = |(a, b): (f64, f64)| {
            let of_pair = move |p: &Pair| {
                let (m1, m0) = (target.mean(p.target), source.mean(p.source));
                let terms = m1.iter().zip(m0);
                terms
                    .map(move |(m1, m0)| times(a, *m1) + times(b, *m0))
                    .collect::<Vec<_>>()
            };
            pairs.iter().flat_map(of_pair).collect()
        };
        let uniform = source.is_uniform() && target.is_uniform();
        let shared = uniform && pairs.iter().all(|p| p.cross.is_none());
        let distinct = if shared { &pairs[..1] } else { pairs };
        let of_pair = |p: &Pair| {
            let (source, target) = (source.covariance(p.source), target.covariance(p.target));
            at.line(source, target, p.cross.as_ref().map(|c| &c.block[..]), d)
        };
        let (covariances, gains) = distinct.iter().map(of_pair).unzip();
        let log_weights = pairs.iter().map(|p| p.log_weight).collect();
        let means = mix((at.alpha, at.sigma));
        Slice {
            state: Components::of_parts(log_weights, means, covariances, d),
            gamma: at.gamma,
            means: mix((at.target.0, at.source.0)),
            gains,
        }
    }

    fn gain(&self, k: usize) -> &Gain {
        &self.gains[k.min(self.gains.len() - 1)]
    }
}

impl Factors {
    /// The covariance of `α x1 + σ x0`, and the gain.
    fn line(
        &self,
        source: &Covariance,
        target: &Covariance,
        cross: Option<&[f64]>,
        d: usize,
    ) -> (Covariance, Gain) {
        let noise = self.gamma * self.gamma;
        let width = |v0: f64, v1: f64| self.alpha.powi(2) * v1 + self.sigma.powi(2) * v0;
        let along = |v0: f64, v1: f64| times(self.target.1, v1) + times(self.source.1, v0);
        let gain = |v0, v1| divide(along(v0, v1) + self.noise, width(v0, v1) + noise);
        match (&source.0, &target.0, cross) {
            (Kind::Isotropic(v0), Kind::Isotropic(v1), None) => {
                let covariance = Covariance(Kind::Isotropic(width(*v0, *v1)));
                (covariance, Gain::Isotropic(gain(*v0, *v1)))
            }
            (Kind::Axes { .. }, _, _) | (_, Kind::Axes { .. }, _) | (_, _, Some(_)) => {
                let (v0, v1) = (source.matrix(d), target.matrix(d));
                let mut widths: Vec<f64> = v0.iter().zip(&v1).map(|(a, b)| width(*a, *b)).collect();
                let mut alongs: Vec<f64> = v0.iter().zip(&v1).map(|(a, b)| along(*a, *b)).collect();
                if let Some(cross) = cross {
                    self.add_cross(cross, d, &mut widths, &mut alongs);
                }
                (0..d).for_each(|i| alongs[i * d + i] += self.noise);
                let covariance = Covariance::of_matrix(&widths, d);
                let gain = full_gain(&covariance, &alongs, noise, d);
                (covariance, gain)
            }
            _ => {
                let variances = |i| (source.variance(i), target.variance(i));
                let each = |f: &dyn Fn(f64, f64) -> f64| -> Vec<f64> {
                    let values = (0..d).map(variances);
                    values.map(|(v0, v1)| f(v0, v1)).collect()
                };
                let covariance = Covariance(Kind::Diagonal(each(&width)));
                (covariance, Gain::Diagonal(each(&gain)))
            }
        }
    }

    /// Adds `α σ (C + Cᵀ)` to the covariance of the state, and `a σ Cᵀ + b α C` to that with it.
    fn add_cross(&self, cross: &[f64], d: usize, widths: &mut [f64], alongs: &mut [f64]) {
        for i in 0..d {
            for j in 0..d {
                let (c, transposed) = (cross[i * d + j], cross[j * d + i]);
                widths[i * d + j] += self.alpha * self.sigma * (c + transposed);
                let of_target = times(times(self.target.0, self.sigma), transposed);
                alongs[i * d + j] += of_target + times(times(self.source.0, self.alpha), c);
            }
        }
    }
}

/// `M Aᵀ (variances + noise)⁻¹` with the axes as rows of A. Where a state has no width along an axis, nothing deviates along it.
fn full_gain(covariance: &Covariance, matrix: &[f64], noise: f64, d: usize) -> Gain {
    let size = matrix.iter().fold(0.0f64, |m, e| m.max(e.abs()));
    let mut gain = vec![0.0; d * d];
    let mut scratch = vec![0.0; d];
    for i in 0..d {
        let row = &mut gain[i * d..(i + 1) * d];
        row.copy_from_slice(&matrix[i * d..(i + 1) * d]);
        covariance.turn(row, &mut scratch);
        for (k, along) in row.iter_mut().enumerate() {
            let width = covariance.variance(k) + noise;
            // What should vanish may have a rounding.
            let rounded = width == 0.0 && along.abs() <= 1e-13 * size;
            *along = if rounded { 0.0 } else { divide(*along, width) };
        }
    }
    Gain::Full(gain)
}

impl Gain {
    /// `G y`.
    fn apply(&self, y: &[f64], out: &mut [f64]) {
        match self {
            Gain::Isotropic(g) => out.iter_mut().zip(y).for_each(|(out, y)| *out = g * y),
            Gain::Diagonal(g) => {
                let terms = g.iter().zip(y);
                out.iter_mut()
                    .zip(terms)
                    .for_each(|(out, (g, y))| *out = g * y);
            }
            Gain::Full(g) => {
                let rows = g.chunks_exact(y.len());
                out.iter_mut()
                    .zip(rows)
                    .for_each(|(out, row)| *out = dot(row, y));
            }
        }
    }

    /// The trace of G after the turn into the axes.
    fn trace(&self, covariance: &Covariance, d: usize) -> f64 {
        match (self, &covariance.0) {
            (Gain::Isotropic(g), _) => d as f64 * g,
            (Gain::Diagonal(g), _) => g.iter().sum(),
            (Gain::Full(g), Kind::Axes { axes, .. }) => {
                let column = |k: usize| (0..d).map(move |i| g[i * d + k]);
                let axis = |k: usize| axes[k * d..(k + 1) * d].iter();
                (0..d)
                    .map(|k| column(k).zip(axis(k)).map(|(g, a)| g * a).sum::<f64>())
                    .sum()
            }
            (Gain::Full(g), _) => (0..d).map(|i| g[i * d + i]).sum(),
        }
    }
}

/// What a state says of the pair that it comes from, one state after another.
pub(super) struct Seen<'a> {
    slice: &'a Slice,
    posterior: Posterior<'a>,
    /// The value of one component.
    value: Vec<f64>,
    scratch: Vec<f64>,
}

impl<'a> Seen<'a> {
    pub(super) fn new(slice: &'a Slice) -> Self {
        let d = slice.state.dim();
        Seen {
            slice,
            posterior: Posterior::new(&slice.state),
            value: vec![0.0; d],
            scratch: vec![0.0; d],
        }
    }

    /// `log p_t(x)`.
    pub(super) fn log_density(&mut self, x: &[f64]) -> f64 {
        self.posterior.shares(1.0, self.slice.gamma, x)
    }

    /// Fills in the mean given x.
    pub(super) fn mean(&mut self, x: &[f64], out: &mut [f64]) {
        self.log_density(x);
        out.fill(0.0);
        for k in 0..self.slice.state.count() {
            if let Some(share) = self.posterior.share(k) {
                self.line(k, x);
                add(out, share, &self.value);
            }
        }
    }

    /// The value of component k.
    fn line(&mut self, k: usize, x: &[f64]) {
        let (slice, d) = (self.slice, x.len());
        let y = self.posterior.offset(k, 1.0, x);
        slice.gain(k).apply(y, &mut self.value);
        add(&mut self.value, 1.0, &slice.means[k * d..(k + 1) * d]);
    }

    /// The divergence of the mean f at x. With the shares' slopes `∂r_k = r_k (s_k − s)` it is `Σ r_k (tr G_k + (s_k − s)·(f_k − f))`.
    pub(super) fn divergence(&mut self, x: &[f64]) -> f64 {
        let (score, mean) = self.center(x);
        let mut sum = 0.0;
        for k in 0..self.slice.state.count() {
            let Some(share) = self.posterior.share(k) else {
                continue;
            };
            self.apart(k, x, &mean);
            let covariance = self.slice.state.covariance(k);
            let trace = self.slice.gain(k).trace(covariance, x.len());
            sum += share * (trace + self.slope(k, x, &score, None));
        }
        sum
    }

    /// Fills in the derivative of the mean along `dx`.
    pub(super) fn along(&mut self, x: &[f64], dx: &[f64], out: &mut [f64]) {
        let (score, mean) = self.center(x);
        let mut turned = vec![0.0; x.len()];
        out.fill(0.0);
        for k in 0..self.slice.state.count() {
            let Some(share) = self.posterior.share(k) else {
                continue;
            };
            self.apart(k, x, &mean);
            let change = self.slope(k, x, &score, Some(dx));
            add(out, share * change, &self.value);
            turned.copy_from_slice(dx);
            let covariance = self.slice.state.covariance(k);
            covariance.turn(&mut turned, &mut self.scratch);
            self.slice.gain(k).apply(&turned, &mut self.value);
            add(out, share, &self.value);
        }
    }

    /// The score and the mean at x.
    fn center(&mut self, x: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let score = self.posterior.at(1.0, self.slice.gamma, x).score;
        let mut mean = vec![0.0; x.len()];
        self.mean(x, &mut mean);
        (score, mean)
    }

    /// `f_k − f`.
    fn apart(&mut self, k: usize, x: &[f64], mean: &[f64]) {
        self.line(k, x);
        add(&mut self.value, -1.0, mean);
    }

    /// `(s_k − s)·v` along a direction, or along `f_k − f`.
    fn slope(&mut self, k: usize, x: &[f64], score: &[f64], along: Option<&[f64]>) -> f64 {
        let own = self.posterior.score_of(k, (1.0, self.slice.gamma), x);
        let along = along.unwrap_or(&self.value);
        let terms = own.iter().zip(score).zip(along);
        terms.map(|((own, score), v)| (own - score) * v).sum()
    }
}

/// The product, in which 0 counts more than ∞: what is not there is not moved.
fn times(a: f64, b: f64) -> f64 {
    if b == 0.0 { 0.0 } else { a * b }
}
