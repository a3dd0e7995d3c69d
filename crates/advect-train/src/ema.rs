//! Exponential moving averages of parameters (Polyak averaging; Kingma and Ba 2015, section 7.2).

use advect_core::{Error, Result};
use advect_models::{ParameterStore, Stateful};
use advect_ops::update;
use candle_core::{DType, Var};
use candle_nn::VarBuilder;

/// The average `θ̄ ← d θ̄ + (1 − d) θ` of a store's parameters, which begins at their values. Samples
/// drawn with the averaged parameters are usually better.
///
/// ```
/// use advect_core::Key;
/// use advect_models::{Linear, ParameterStore};
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
/// ema.update()?;
/// assert!((averaged.bias().to_vec1::<f32>()?[0] - 0.9 * before).abs() < 1e-7);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Ema {
    source: ParameterStore,
    average: ParameterStore,
    decay: f64,
}

impl Ema {
    /// An average of the store's parameters as they are now, with decay d in [0, 1).
    ///
    /// # Errors
    /// [`Error::Range`] for a decay outside [0, 1), [`Error::DType`] for parameters of 16 bits.
    pub fn new(store: &ParameterStore, decay: f64) -> Result<Self> {
        if !(0.0..1.0).contains(&decay) {
            return Err(Error::range("decay", decay, "a number in [0, 1)"));
        }
        if !matches!(store.dtype(), DType::F32 | DType::F64) {
            // In 16 bits the small steps of the average would round to nothing.
            return Err(Error::dtype("store", store.dtype(), "f32 or f64"));
        }
        Ok(Ema {
            source: store.clone(),
            average: store.duplicate()?,
            decay,
        })
    }

    /// Takes one step of the average.
    ///
    /// # Errors
    /// [`Error::Range`] if the store has more parameters than it had when the average began.
    pub fn update(&self) -> Result<()> {
        let (averages, sources) = (self.average.vars(), self.source.vars());
        if averages.len() != sources.len() {
            let accepted = format!(
                "the {} parameters that the average began with",
                averages.len()
            );
            return Err(Error::range(
                "store",
                format!("{} parameters", sources.len()),
                accepted,
            ));
        }
        for (average, source) in averages.iter().zip(sources) {
            update::average(average, &source, self.decay)?;
        }
        Ok(())
    }

    /// The averaged parameters.
    pub fn parameters(&self) -> &ParameterStore {
        &self.average
    }

    /// A builder for a frozen twin on the averaged parameters, which sees later updates.
    pub fn frozen(&self) -> VarBuilder<'static> {
        self.average.frozen()
    }
}

impl Stateful for Ema {
    fn variables(&self) -> Vec<(String, Var)> {
        self.average.variables()
    }
}
