//! Exponential moving averages of parameters (Polyak averaging; Kingma and Ba 2015, section 7.2).

use std::collections::HashMap;

use advect_core::{Error, Result};
use advect_nn::{Builder, ParameterStore, Stateful};
use advect_ops::update;
use candle_core::{TensorId, Var};

use crate::decay::Decay;
use crate::stateful_optimizer::all_finite;

/// The exponential moving average `θ̄ ← d θ̄ + (1 − d) θ` of a store's parameters, which begins at their values.
/// Samples drawn with the averaged parameters are usually better.
///
/// The decay d may change from step to step: see [`Decay`]. Averages of parameters of 16 bits are in f32, as is a twin on them.
///
/// ```
/// use advect_core::Key;
/// use advect_nn::{Linear, ParameterStore};
/// use advect_train::Ema;
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let net = Linear::new(2, 1, &store.builder())?;
/// let ema = Ema::new(&store, 0.9)?;
/// let averaged = Linear::new(2, 1, &ema.frozen())?; // a twin on the averages
/// for (_, var) in store.parameters() {
///     var.set(&(var.as_tensor() * 0.0)?)?;
/// }
/// let before = averaged.bias().to_vec1::<f32>()?[0];
/// ema.update(0)?;
/// assert!((averaged.bias().to_vec1::<f32>()?[0] - 0.9 * before).abs() < 1e-7);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "EMA")]
#[doc(alias = "exponential moving average")]
#[doc(alias = "Polyak averaging")]
#[doc(alias = "ModelEma")]
pub struct Ema {
    source: ParameterStore,
    average: ParameterStore,
    decay: Box<dyn Decay + Send + Sync>,
}

impl Ema {
    /// Creates an average of the store's parameters as they are now, with a decay d in [0, 1): a number, a
    /// [`Warmup`](crate::decay::Warmup), or a function of the step.
    ///
    /// # Errors
    /// [`Error::Range`] for a first decay outside [0, 1), or a store without parameters.
    pub fn new(store: &ParameterStore, decay: impl Decay + Send + Sync + 'static) -> Result<Self> {
        checked_decay(decay.at(0))?;
        let parameters = store.parameters();
        if parameters.is_empty() {
            let accepted = "a store in which a network has been built";
            return Err(Error::range(
                "store",
                "a store without parameters",
                accepted,
            ));
        }
        Ok(Ema {
            source: store.clone(),
            // In 16 bits the small steps of the average would round to nothing.
            average: store.widened()?,
            decay: Box::new(decay),
        })
    }

    /// Makes one step of the average: step `step` of the run, counted from 0, on which the decay may depend.
    ///
    /// # Errors
    /// [`Error::Range`] if the store has more parameters than it had when the average began, or for a decay outside [0, 1);
    /// [`Error::NonFinite`] for a parameter with NaN or an infinity. The average is then that of before.
    pub fn update(&self, step: usize) -> Result<()> {
        let decay = self.ready(step)?;
        all_finite(&self.source.parameters())?;
        self.advance(decay, &HashMap::new())
    }

    /// The decay of a step, if it can be made.
    pub(crate) fn ready(&self, step: usize) -> Result<f64> {
        let (averages, sources) = (self.average.vars().len(), self.source.vars().len());
        if averages != sources {
            let given = format!("a list of parameters of length {sources}");
            let accepted = format!("one of length {averages}, as when the average began");
            return Err(Error::range("store", given, accepted));
        }
        checked_decay(self.decay.at(step))
    }

    /// Moves the average towards parameters that are finite, or towards the copies in f32 that there are of them.
    pub(crate) fn advance(&self, decay: f64, masters: &HashMap<TensorId, Var>) -> Result<()> {
        update::together(|steps| {
            for (average, source) in self.average.vars().iter().zip(self.source.vars()) {
                let source = masters.get(&source.id()).unwrap_or(&source);
                let source = source.as_detached_tensor().to_dtype(average.dtype())?;
                steps.average(average, &source, decay)?;
            }
            Ok(())
        })
    }

    /// Returns the averaged parameters.
    pub fn parameters(&self) -> &ParameterStore {
        &self.average
    }

    /// Returns a builder for a frozen twin on the averaged parameters, which sees later updates.
    pub fn frozen(&self) -> Builder {
        self.average.frozen()
    }
}

/// Checks that a decay is in [0, 1).
pub(crate) fn checked_decay(decay: f64) -> Result<f64> {
    match (0.0..1.0).contains(&decay) {
        true => Ok(decay),
        false => Err(Error::range("decay", decay, "a number in [0, 1)")),
    }
}

/// The same error about a number that isn't finite, of a tensor with a name.
pub(crate) fn named(error: Error, name: String) -> Error {
    match error {
        Error::NonFinite { index, value, .. } => Error::NonFinite {
            argument: name.into(),
            index,
            value,
        },
        other => other,
    }
}

impl Stateful for Ema {
    fn variables(&self) -> Vec<(String, Var)> {
        self.average.variables()
    }
}

impl std::fmt::Debug for Ema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ema")
            .field("average", &self.average)
            .finish_non_exhaustive()
    }
}
