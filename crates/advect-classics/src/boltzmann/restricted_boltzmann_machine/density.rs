//! Energies, densities and normalisers.

use advect_core::shape::sum_per_sample;
use advect_core::{Energy, Result, Time, check};
use advect_ops::{Activation, Dual, Value, linear, linear_transposed};
use candle_core::Tensor;

use super::RestrictedBoltzmannMachine;
use crate::boltzmann::enumeration::{blocks, log_sum_exp, states};
use crate::boltzmann::log_likelihood;
use crate::boltzmann::units::{BinaryUnits, VisibleUnits};

impl<U: VisibleUnits> RestrictedBoltzmannMachine<U> {
    /// Returns `E(v, h)`, `(batch,)`.
    ///
    /// # Errors
    /// [`Error`](advect_core::Error) naming the states that don't fit.
    pub fn energy(&self, v: &Tensor, h: &Tensor) -> Result<Tensor> {
        let v = self.rows(v)?;
        self.check_hidden(h)?;
        let input = self.hidden_input(&v, Activation::Identity)?;
        check::alike("h", h, "one state for each of v", &input)?;
        Ok((self.units.energy(&v)? - sum_per_sample(&(input * h)?)?)?)
    }

    /// An activation of `c + Wᵀ s(v)`.
    pub(super) fn hidden_input<V: Value>(&self, rows: &V, activation: Activation) -> Result<V> {
        let seen = self.units.seen(rows)?;
        linear(&seen, &self.weight, Some(&self.hidden_bias), activation)
    }

    /// `W h`, the visible units' inputs.
    pub(super) fn visible_input(&self, h: &Tensor) -> Result<Tensor> {
        linear_transposed(h, &self.weight, None, Activation::Identity)
    }

    /// Returns the free energy `F(v) = −ln Σ_h e^(−E(v, h))`, `(batch,)`.
    ///
    /// # Errors
    /// [`Error`](advect_core::Error) naming `v` unless it has a value of the units for each of them.
    pub fn free_energy(&self, v: &Tensor) -> Result<Tensor> {
        self.free_energy_value(v)
    }

    fn free_energy_value<V: Value>(&self, v: &V) -> Result<V> {
        let rows = self.rows(v)?;
        let softplus = self.hidden_input(&rows, Activation::Softplus)?;
        let hidden = softplus.map_linear(|e| Ok(sum_per_sample(e)?.neg()?))?;
        self.units.energy(&rows)?.plus(&hidden)
    }

    /// Returns `ln Z`, the sum over all hidden states with visible units summed out, a scalar that is differentiable by the parameters.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for more than 20 hidden units; see [`AnnealedImportanceSampling`](crate::boltzmann::AnnealedImportanceSampling) for these.
    #[doc(alias = "partition function")]
    pub fn log_partition(&self) -> Result<Tensor> {
        let hidden = self.hidden_bias.dims()[0];
        let parts = blocks("hidden", hidden)?.into_iter().map(|numbers| {
            let h = states(numbers, hidden, &self.weight)?;
            let own = sum_per_sample(&h.broadcast_mul(&self.hidden_bias)?)?;
            log_sum_exp(&(own + self.units.log_normalizer(&self.visible_input(&h)?)?)?)
        });
        let parts: Vec<Tensor> = parts.collect::<Result<_>>()?;
        log_sum_exp(&Tensor::stack(&parts, 0)?)
    }

    /// Returns `log p(v) = −F(v) − ln Z`, `(batch,)`, with ln Z from [`log_partition`](RestrictedBoltzmannMachine::log_partition) or an estimate.
    ///
    /// # Errors
    /// As [`RestrictedBoltzmannMachine::free_energy`]; [`Error::Shape`](advect_core::Error::Shape) unless ln Z is a scalar.
    #[doc(alias = "score_samples")]
    pub fn log_likelihood(&self, v: &Tensor, log_partition: &Tensor) -> Result<Tensor> {
        log_likelihood(&self.free_energy(v)?, log_partition)
    }
}

impl RestrictedBoltzmannMachine<BinaryUnits> {
    /// Returns the log-pseudo-likelihood `Σ_i ln p(v_i | v_(−i)) = Σ_i ln σ(F(v with v_i flipped) − F(v))`, `(batch,)`, which needs no normaliser (Besag
    /// 1975).
    ///
    /// # Errors
    /// As [`RestrictedBoltzmannMachine::free_energy`].
    pub fn pseudo_log_likelihood(&self, v: &Tensor) -> Result<Tensor> {
        let rows = self.rows(v)?;
        let (batch, units) = rows.dims2()?;
        let eye = Tensor::eye(units, rows.dtype(), rows.device())?.unsqueeze(0)?;
        // v + e_i (1 − 2 v_i)
        let change = eye.broadcast_mul(&rows.affine(-2.0, 1.0)?.unsqueeze(1)?)?;
        let flipped = rows.unsqueeze(1)?.broadcast_add(&change)?;
        let flipped = self.free_energy(&flipped.reshape((batch * units, units))?)?;
        let own = self.free_energy(v)?.unsqueeze(1)?;
        let rise = flipped.reshape((batch, units))?.broadcast_sub(&own)?;
        // ln σ(x) = −ln(1 + e^(−x))
        Ok(sum_per_sample(&Activation::Softplus.apply(&rise.neg()?)?)?.neg()?)
    }
}

impl<U: VisibleUnits> Energy for RestrictedBoltzmannMachine<U> {
    /// Returns the free energy, at any time.
    fn at(&self, _: &Time, v: &Tensor) -> Result<Tensor> {
        self.free_energy(v)
    }

    fn jvp(&self, _: &Time, v: &Tensor, _: f64, dv: &Tensor) -> Result<(Tensor, Tensor)> {
        let v = Dual::new(v.clone(), dv.clone())?;
        self.free_energy_value(&v)?.into_parts()
    }
}
