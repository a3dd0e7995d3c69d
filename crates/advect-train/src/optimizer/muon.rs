//! The optimiser Muon (Jordan 2024): momentum, orthogonalised by Newton and Schulz's iteration.

use advect_core::{Result, check};
use advect_ops::update::{self, Steps};
use candle_core::{Tensor, Var};

use super::adamw::{check_beta, unknown_memory};
use super::{AdamWConfig, Bounds, UpdateRule};

/// The settings of [`Muon`](crate::Muon), by default its author's. For a matrix of m × n, `b ← μ b + (1 − μ) g`, `θ ←
/// (1 − ηλ) θ − η √max(1, m/n) · O(μ b + (1 − μ) g)`.
///
/// O replaces a matrix by one with the same singular vectors and singular values near 1 (from 0.7 to 1.2 for those that are not very
/// small): `X ← X / (‖X‖ + 1e-7)`, then five times `A = X Xᵀ`, `X ← 3.4445 X + (−4.7750 A + 2.0315 A²) X`. The kernel of a
/// convolution is a matrix with a row for each output channel.
///
/// Parameters of fewer dimensions, such as biases, take a step of [`AdamW`](crate::AdamW) with the rate `adamw_rate · η`. (The
/// author leaves tables of embeddings and the last layer to AdamW, too; here these are matrices like others.)
///
/// ```
/// use advect_train::{Muon, MuonConfig};
/// use candle_core::{Device, Tensor, Var};
/// use candle_nn::Optimizer;
/// # fn main() -> candle_core::Result<()> {
/// let x = Var::new(&[[3f64, 0.0], [0.0, 3.0]], &Device::Cpu)?;
/// let config = MuonConfig { learning_rate: 0.1, ..MuonConfig::default() };
/// let mut optimizer = Muon::new(vec![x.clone()], config)?;
/// optimizer.backward_step(&x.sqr()?.sum_all()?)?;
/// // A step of about the rate in each direction.
/// let moved = 3.0 - x.to_vec2::<f64>()?[0][0];
/// assert!(0.07 < moved && moved < 0.12, "{moved}");
/// # Ok(())
/// # }
/// ```
#[doc(alias = "Newton-Schulz")]
#[doc(alias = "lr")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MuonConfig {
    /// The learning rate η, not below 0; 0.02 by default.
    pub learning_rate: f64,
    /// The decay μ of the momentum, in [0, 1); 0.95 by default.
    pub momentum: f64,
    /// The weight decay λ, not below 0; 0 by default.
    pub weight_decay: f64,
    /// The learning rate of AdamW's steps divided by η, not below 0; 0.015 by default, which makes 3e-4.
    pub adamw_rate: f64,
    /// The decay β₁ of AdamW's first moment, in [0, 1); 0.9 by default.
    pub beta1: f64,
    /// The decay β₂ of AdamW's second moment, in [0, 1); 0.95 by default.
    pub beta2: f64,
    /// AdamW's ε, above 0; 1e-10 by default.
    pub epsilon: f64,
}

impl Default for MuonConfig {
    fn default() -> Self {
        MuonConfig {
            learning_rate: 0.02,
            momentum: 0.95,
            weight_decay: 0.0,
            adamw_rate: 0.015,
            beta1: 0.9,
            beta2: 0.95,
            epsilon: 1e-10,
        }
    }
}

impl MuonConfig {
    fn adamw(&self) -> AdamWConfig {
        AdamWConfig {
            learning_rate: self.adamw_rate * self.learning_rate,
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: self.epsilon,
            weight_decay: self.weight_decay,
        }
    }
}

impl UpdateRule for MuonConfig {
    fn check(&self) -> Result<()> {
        check::non_negative("learning_rate", self.learning_rate)?;
        check_beta("momentum", self.momentum)?;
        check::non_negative("adamw_rate", self.adamw_rate)?;
        self.adamw().check()
    }

    fn check_parameter(&self, value: &Tensor) -> Result<()> {
        self.adamw().check_parameter(value)
    }

    fn memory(&self, value: &Tensor) -> &'static [&'static str] {
        match value.rank() {
            0 | 1 => self.adamw().memory(value),
            _ => &["momentum"],
        }
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.learning_rate = learning_rate;
    }

    fn set_weight_decay(&mut self, weight_decay: f64) -> Result<()> {
        self.weight_decay = weight_decay;
        Ok(())
    }

    fn step(&self, value: &Var, memory: &[Var], gradient: &Tensor, count: f64) -> Result<()> {
        if value.rank() < 2 {
            return self.adamw().step(value, memory, gradient, count);
        }
        let [momentum] = memory else {
            return Err(unknown_memory(memory));
        };
        if value.elem_count() == 0 {
            return Ok(());
        }
        let (mu, gradient) = (self.momentum, gradient.detach());
        let mixed = |b: &Tensor| -> Result<Tensor> { Ok(((b * mu)? + (&gradient * (1.0 - mu))?)?) };
        let next = mixed(&momentum.as_detached_tensor())?;
        let rows = value.dim(0)?;
        let columns = value.elem_count() / rows;
        let direction = orthogonalized(&mixed(&next)?.reshape((rows, columns))?)?;
        let stretch = (rows as f64 / columns as f64).max(1.0).sqrt();
        let (rate, decay) = (self.learning_rate, self.learning_rate * self.weight_decay);
        let direction = direction.reshape(value.shape())?;
        update::descend(value, &direction, 1.0 - decay, rate * stretch)?;
        Ok(momentum.set(&next)?)
    }

    /// Adds a step of AdamW. That of a matrix is made at once.
    fn add_step(
        &self,
        steps: &mut Steps,
        value: &Var,
        memory: &[Var],
        gradient: &Tensor,
        count: f64,
    ) -> Result<()> {
        if value.rank() < 2 {
            let adamw = self.adamw();
            return adamw.add_step(steps, value, memory, gradient, count);
        }
        steps.make()?;
        self.step(value, memory, gradient, count)
    }

    /// Returns whether a step surely leaves finite numbers. A matrix whose singular values are at most 1.3 has no
    /// element above that.
    fn is_harmless(&self, bounds: &Bounds) -> bool {
        let stretch = (bounds.elements as f64).sqrt();
        let decay = 1.0 - self.learning_rate * self.weight_decay;
        let change = 2.0 * self.learning_rate * stretch;
        bounds.fits(bounds.largest)
            && bounds.is_small(decay, change)
            && self.adamw().is_harmless(bounds)
    }
}

/// A matrix with the same singular vectors and singular values near 1, by five steps of an iteration of degree 5.
fn orthogonalized(x: &Tensor) -> Result<Tensor> {
    let (rows, columns) = x.dims2()?;
    if rows > columns {
        return Ok(orthogonalized(&x.t()?.contiguous()?)?.t()?.contiguous()?);
    }
    let mut x = update::scale(x, 1.0 / (update::norm(&[x])? + 1e-7))?;
    for _ in 0..5 {
        let a = x.matmul(&x.t()?.contiguous()?)?;
        let b = ((&a * -4.7750)? + (a.matmul(&a)? * 2.0315)?)?;
        x = ((&x * 3.4445)? + b.matmul(&x)?)?;
    }
    Ok(x)
}
