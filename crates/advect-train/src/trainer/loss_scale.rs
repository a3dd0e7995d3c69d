//! Scaled losses, for gradients that f16 does not hold (Micikevicius et al. 2018, section 3.2).

use std::fmt::Display;

use advect_core::{Error, Result, check};
use candle_core::Tensor;

use super::{StepReport, Trainer};
use crate::StatefulOptimizer;

/// The factor by which a [`Trainer`](crate::Trainer) multiplies losses before the backward pass, and divides gradients after it.
///
/// Numbers of f16 below 6e-8 are 0, which gradients often are; those above 65504 are infinite. The factor moves gradients in between. A step
/// whose gradients are infinite or NaN is skipped, and halves the factor. After [`interval`](LossScale::interval) steps without that, it doubles, up
/// to 2³². The trainer [records](crate::Trainer::record) it as `loss_scale`, which is part of checkpoints. Factors are powers of two, so that they
/// round nothing.
///
/// ```
/// use advect_core::{Generator, Key};
/// use advect_nn::{Linear, ParameterStore};
/// use advect_train::{LossScale, Sgd, SgdConfig, Trainer};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F16, &Device::Cpu);
/// let net = Linear::new(1, 1, &store.builder())?;
/// let optimizer = Sgd::from_store(&store, SgdConfig::default())?;
/// let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(0)).loss_scale(LossScale::default())?;
/// let x = Tensor::ones((1, 1), DType::F16, &Device::Cpu)?;
/// // The gradient is 10. In f16 that is infinite after a factor of 2¹⁶, and finite after one of 2¹².
/// let loss = |_: usize, _: &mut Generator| Ok((net.forward(&x)?.to_dtype(DType::F32)? * 10.0)?.sum_all()?);
/// trainer.run(5, loss, &mut ())?;
/// assert_eq!(trainer.recorded("loss_scale"), Some((4, 4096.0)));
/// assert!((trainer.report().gradient_norm - 200f64.sqrt()).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "GradScaler")]
#[doc(alias = "mixed precision")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossScale {
    /// The factor of the first step, a power of two from 1 to 2³²; 65536 by default.
    pub initial: f64,
    /// The number of steps after which the factor doubles; 2000 by default.
    pub interval: usize,
}

impl Default for LossScale {
    fn default() -> Self {
        LossScale {
            initial: 65536.0,
            interval: 2000,
        }
    }
}

/// The name of what is recorded.
const SCALE: &str = "loss_scale";
/// The largest factor.
const LARGEST: f64 = 4_294_967_296.0;

impl<O: StatefulOptimizer> Trainer<O> {
    /// Scales losses, for parameters in f16. Without this, they are taken as they are, which is right for all other dtypes.
    ///
    /// # Errors
    /// [`Error::Range`] for a factor that is no power of two from 1 to 2³², or an interval of 0.
    #[doc(alias = "GradScaler")]
    pub fn loss_scale(self, scale: LossScale) -> Result<Self> {
        let initial = scale.initial;
        if !((1.0..=LARGEST).contains(&initial) && initial.log2().fract() == 0.0) {
            let accepted = "a power of two from 1 to 2^32";
            return Err(Error::range("initial", initial, accepted));
        }
        check::at_least_one("interval", scale.interval)?;
        let loss_scale = Some(scale);
        Ok(Trainer { loss_scale, ..self })
    }

    /// The factor of the next loss.
    fn factor(&self) -> Option<f64> {
        let initial = self.loss_scale?.initial;
        Some(self.recorded(SCALE).map_or(initial, |(_, factor)| factor))
    }

    /// A loss times the factor, which its type may not hold, with what its gradients are multiplied by.
    pub(super) fn scaled(&self, loss: &Tensor) -> Result<Option<(Tensor, f64)>> {
        let Some(factor) = self.factor() else {
            return Ok(None);
        };
        Ok(Some(((loss * factor)?, 1.0 / factor)))
    }

    /// Skips a step whose gradients are not finite, and halves the factor, if there is one above 1. `None` if there is not.
    pub(super) fn shrink(
        &mut self,
        loss: f64,
        rate: f64,
        reason: impl Display,
    ) -> Option<StepReport> {
        let factor = self.factor().filter(|factor| *factor > 1.0)?;
        let reason = format!("{reason}, at a loss scale of {factor}");
        self.leave_out(loss, rate, reason);
        self.records.insert(SCALE, self.step, factor / 2.0);
        Some(self.report.clone())
    }

    /// Doubles the factor when it has been right for long enough.
    pub(super) fn grow(&self) {
        let (Some(scale), Some(factor)) = (self.loss_scale, self.factor()) else {
            return;
        };
        let changed = self.recorded(SCALE).map_or(0, |(step, _)| step);
        if self.step - changed.min(self.step) >= scale.interval && factor < LARGEST {
            self.records.insert(SCALE, self.step, 2.0 * factor);
        }
    }
}
