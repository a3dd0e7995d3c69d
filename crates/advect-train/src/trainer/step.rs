//! One training step: gradients of a loss, and their application.

use advect_core::{Error, Result};
use advect_nn::Stateful;
use candle_core::{Tensor, Var};

use super::{StepReport, Trainer};
use crate::checkpoint::AVERAGE;
use crate::gradients::loss_value;
use crate::stateful_optimizer::all_finite;
use crate::{Ema, Gradients, StatefulOptimizer};

impl<O: StatefulOptimizer> Trainer<O> {
    /// Makes one step down the gradient of a scalar loss: [`Trainer::apply`] of [`Trainer::gradients`].
    ///
    /// # Errors
    /// Errors of both. After an error the parameters, the optimiser, the average and the count of steps are those of before the
    /// step.
    pub fn update(&mut self, loss: &Tensor) -> Result<StepReport> {
        let gradients = self.gradients(loss)?;
        self.apply(gradients)
    }

    /// Computes the gradients of a scalar loss by the parameters of the store that are not frozen. It changes nothing. Where steps may
    /// be skipped ([`Trainer::non_finite`]), a loss that is NaN or infinite has no gradients, and [`Trainer::apply`] skips the step.
    ///
    /// ```
    /// use advect_core::{Generator, Key, Result};
    /// use advect_nn::{Linear, ParameterStore};
    /// use advect_train::{AdamW, AdamWConfig, Gradients, Trainer};
    /// use candle_core::{DType, Device};
    /// # fn main() -> Result<()> {
    /// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
    /// let net = Linear::new(1, 1, &store.builder())?;
    /// let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
    /// let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(0));
    /// // A batch of 4 × 32 in the memory of 32.
    /// let parts = (0..4).map(|part| {
    ///     let x = Generator::from_seed(part).normal((32, 1), DType::F64, &Device::Cpu)?;
    ///     trainer.gradients(&(net.forward(&x)? - &x)?.sqr()?.mean_all()?)
    /// });
    /// let gradients = Gradients::mean(parts)?;
    /// let loss = gradients.loss();
    /// let report = trainer.apply(gradients)?;
    /// assert_eq!((report.step, report.loss), (1, loss));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] unless the loss is a scalar; [`Error::Stopped`] if it is NaN or infinite, or depends on no parameter that is
    /// to be trained.
    #[doc(alias = "backward")]
    pub fn gradients(&self, loss: &Tensor) -> Result<Gradients> {
        let parameters = self.store.parameters();
        let value = loss_value(loss)?;
        if !value.is_finite() {
            if !self.may_skip() {
                return Err(self.stopped(format!("the loss is {value}")));
            }
            let mut none = Gradients::none(value, &parameters);
            none.without(|name| self.roles.freezes(name));
            return Ok(none);
        }
        let scaled = self.scaled(loss)?;
        let given = scaled.as_ref().map_or(loss, |(loss, _)| loss);
        // The loss times the factor may be infinite. Gradients that are, too, are found in the step.
        let gradients = Gradients::of_scaled(given, value, &parameters);
        let mut gradients = gradients.map_err(|error| self.at_step(error))?;
        if let Some((_, factor)) = scaled {
            gradients.scale(factor)?;
            gradients.set_loss(value);
        }
        if gradients.is_empty() {
            return Err(self.stopped("the loss depends on no parameter"));
        }
        gradients.without(|name| self.roles.freezes(name));
        if gradients.is_empty() {
            return Err(self.stopped("the loss depends on frozen parameters only"));
        }
        Ok(gradients)
    }

    /// Makes one step with gradients, which may have been summed, averaged over machines or changed in another way:
    /// clips them, moves the parameters, and then their average. Parameters without a gradient stay as they are.
    ///
    /// # Errors
    /// [`Error::Range`] for gradients by parameters of another store; [`Error::Stopped`] if
    /// - a gradient, the learning rate or the average's decay is NaN or out of range, unless [`Trainer::non_finite`] says that a
    ///   gradient which is NaN or infinite is skipped,
    /// - the step would leave NaN or an infinity in a parameter or in the optimiser's state,
    /// - no parameter has a gradient, or, on the first step, some parameter is not accounted for (see [`Trainer`]);
    ///
    /// [`Error::NonFinite`] for parameters, an optimiser or an average that begin with NaN or an infinity.
    ///
    /// After an error the parameters, the optimiser, the average and the count of steps are those of before the step,
    /// unless the device itself failed while they were written.
    pub fn apply(&mut self, mut gradients: Gradients) -> Result<StepReport> {
        let old_rate = self.optimizer.learning_rate();
        let scheduled = (self.rate.as_ref()).map_or(old_rate, |rate| rate.at(self.step));
        let rate = scheduled * self.lowered();
        if !(rate >= 0.0 && rate.is_finite()) {
            return Err(self.stopped(format!("the learning rate is {rate}")));
        }
        if self.may_skip() && !gradients.loss().is_finite() {
            let reason = format!("the loss is {}", gradients.loss());
            return self.skip(gradients.loss(), rate, reason);
        }
        self.account(&mut gradients)?;
        let norm = match self.max_norm {
            Some(max_norm) => gradients.clip_norm(max_norm),
            None => gradients.finite_norm(),
        };
        let norm = match norm {
            Err(Error::Stopped { reason, .. }) => {
                let loss = gradients.loss();
                return match self.shrink(loss, rate, &reason) {
                    Some(report) => Ok(report),
                    None => self.skip(loss, rate, reason),
                };
            }
            norm => norm.map_err(|error| self.at_step(error))?,
        };
        let bound = match self.max_norm {
            // With room for the rounding of each product.
            Some(max_norm) if norm > max_norm => 1.01 * max_norm,
            _ => norm,
        };
        let average = match &self.ema {
            Some(ema) => Some((ema, self.decay(ema)?)),
            None => None,
        };

        self.optimizer.set_learning_rate(rate);
        if let Err(error) = self.optimizer.try_step(&gradients.to_store(), bound) {
            self.optimizer.set_learning_rate(old_rate);
            return Err(self.at_step(error));
        }
        if let Some((ema, decay)) = average {
            let masters = self.optimizer.masters().into_iter();
            let masters = masters.map(|(parameter, master)| (parameter.id(), master));
            ema.advance(decay, &masters.collect())?;
        }
        if self.rate.is_none() {
            // Its own rate, however far it was lowered.
            self.optimizer.set_learning_rate(old_rate);
        }
        let ended = self.rate.as_ref().and_then(|rate| rate.end());
        let schedule_ended = !self.told_end && ended.is_some_and(|end| self.step >= end);
        self.told_end |= schedule_ended;
        self.step += 1;
        self.end_row();
        self.grow();
        self.report = StepReport {
            step: self.step,
            loss: gradients.loss(),
            gradient_norm: norm,
            learning_rate: rate,
            without_gradient: gradients.missing().map(str::to_string).collect(),
            schedule_ended,
            skipped: None,
        };
        Ok(self.report.clone())
    }

    /// Leaves out frozen parameters, and refuses gradients that can't be those of a step.
    fn account(&mut self, gradients: &mut Gradients) -> Result<()> {
        let parameters = self.store.parameters();
        gradients.arrange(&parameters)?;
        gradients.without(|name| self.roles.freezes(name));
        if gradients.is_empty() {
            return Err(self.stopped("no parameter that is to be trained has a gradient"));
        }
        if !self.roles.are_known(parameters.len()) {
            let optimized = self.optimizer.parameters();
            let account = self.roles.account(&parameters, &optimized, gradients);
            account.map_err(|reason| self.stopped(reason))?;
            self.check_finite()?;
            self.roles.set_known(parameters.len());
        }
        Ok(())
    }

    /// The decay of the average at the next step.
    fn decay(&self, ema: &Ema) -> Result<f64> {
        let decay = ema.ready(self.step);
        decay.map_err(|error| self.stopped(format!("average: {error}")))
    }

    /// Refuses a next step for which [`Trainer::apply`] would refuse the average. Among several ranks one has it, and its error has to be one of
    /// all before the step.
    pub(crate) fn check_average(&self) -> Result<()> {
        let Some(ema) = &self.ema else {
            return Ok(());
        };
        self.decay(ema)?;
        match self.roles.are_known(self.store.parameters().len()) {
            true => Ok(()),
            false => all_finite(&named_in(AVERAGE, ema)),
        }
    }

    /// Refuses parameters, optimisers and averages that begin with NaN or an infinity.
    fn check_finite(&self) -> Result<()> {
        let parts = self.parts().into_iter();
        let variables = parts.flat_map(|(part, stateful)| named_in(part, stateful));
        all_finite(&variables.collect::<Vec<_>>())
    }

    /// The error of a part of a step, at this step.
    fn at_step(&self, error: Error) -> Error {
        match error {
            Error::Stopped { reason, .. } => self.stopped(reason),
            other => other,
        }
    }
}

/// The variables of a part of a run, by the names that they have in checkpoints.
pub(super) fn named_in(part: &str, stateful: &dyn Stateful) -> Vec<(String, Var)> {
    let variables = stateful.variables().into_iter();
    variables
        .map(|(name, var)| (format!("{part}/{name}"), var))
        .collect()
}
