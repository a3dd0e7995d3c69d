//! Over-relaxation of Sinkhorn's iterations (Thibault et al. 2021; Lehmann et al. 2021), with its factor found on the
//! way as Hageman and Young do for linear systems (Applied Iterative Methods, 1981, section 9).

/// Iterations between two looks at the rate, at least.
const WINDOW: usize = 10;

/// The factor ω of the steps: 1 at first, then what the errors call for.
///
/// Near the solution plain iterations shrink the error by θ each, relaxed ones by μ with `(μ + ω − 1)² = ω² θ μ` as long
/// as ω is below the best, `2/(1 + √(1 − θ))`, at which `μ = ω − 1`.
#[derive(Debug, Clone)]
pub(super) struct Relaxation {
    factor: f64,
    iterations: usize,
    /// The error at the last look, if that was with this factor: a change of it shakes the error for a while.
    error: Option<f64>,
    /// The rate found there.
    rate: f64,
}

impl Relaxation {
    pub(super) fn new() -> Self {
        Relaxation {
            factor: 1.0,
            iterations: 0,
            error: None,
            rate: 0.0,
        }
    }

    /// The factor of the next step.
    pub(super) fn factor(&self) -> f64 {
        self.factor
    }

    /// Plain steps from here on, until another rate is known.
    pub(super) fn reset(&mut self) {
        *self = Self::new();
    }

    /// Takes note of the error before a step.
    pub(super) fn observe(&mut self, error: f64) {
        self.iterations += 1;
        // The larger the factor, the slower the modes that it is for: these shrink by ω − 1 a step at best.
        let window = WINDOW.max((4.0 / (2.0 - self.factor)) as usize);
        if self.iterations < window {
            return;
        }
        self.iterations = 0;
        let Some(before) = self.error.replace(error) else {
            return;
        };
        let rate = (error / before).powf(1.0 / window as f64);
        let steady = (rate - self.rate).abs() < 0.3 * (1.0 - rate);
        self.rate = rate;
        if rate >= 1.0 || rate.is_nan() {
            // Not near yet, or a step too far: start again.
            self.reset();
        } else if steady && rate > self.factor - 1.0 {
            let w = self.factor;
            let plain = ((rate + w - 1.0).powi(2) / (w * w * rate)).min(1.0 - 1e-6);
            let factor = 2.0 / (1.0 + (1.0 - plain).sqrt());
            // A change that hardly matters would only shake the error.
            if 2.0 - factor < 0.8 * (2.0 - w) {
                self.factor = factor;
                self.error = None;
            }
        }
    }
}
