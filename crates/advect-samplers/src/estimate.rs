//! The result of one evaluation of a field.

use advect_core::{Coefficient, Error, Result, check};
use advect_ops::combine;
use advect_paths::{LearnedVariances, Prediction};
use candle_core::Tensor;

use crate::AnyModel;

/// The result of one evaluation at a state `x = α x1 + σ x0`, from which everything linear in the expected data and
/// noise follows.
pub struct Estimate<'a, 'x> {
    model: &'a dyn AnyModel,
    time: f64,
    x: &'x Tensor,
    value: Tensor,
    variances: Option<LearnedVariances>,
}

impl<'a, 'x> Estimate<'a, 'x> {
    /// Creates the result from the value of the model's field at a time and a state.
    ///
    /// # Errors
    /// [`Error`] naming `field` for a value whose shape, dtype or device does not fit the model and the state.
    pub fn new(model: &'a dyn AnyModel, time: f64, x: &'x Tensor, value: Tensor) -> Result<Self> {
        let (value, variances) = match model.has_variances() {
            false => (value, None),
            true => {
                let (value, variances) = LearnedVariances::split(&value, x)?;
                (value, Some(variances))
            }
        };
        check::alike("field", &value, "x", x)?;
        Ok(Estimate {
            model,
            time,
            x,
            value,
            variances,
        })
    }

    /// The factors of x and of the value in `data E[x1 | x] + noise E[x0 | x]`.
    fn factors(&self, data: f64, noise: f64) -> Result<[f64; 2]> {
        let mut factors = [0.0; 2];
        for (weight, to) in [(data, Prediction::Data), (noise, Prediction::Noise)] {
            // A part that is not asked for need not exist.
            if weight != 0.0 {
                let [of_x, of_value] = self.factors_to(to)?;
                factors[0] += weight * of_x;
                factors[1] += weight * of_value;
            }
        }
        Ok(factors)
    }

    /// Computes `data E[x1 | x] + noise E[x0 | x] + Σ_k c_k y_k`, in one pass.
    ///
    /// # Errors
    /// [`Error::Range`] where a part that is asked for does not follow from the prediction at this time.
    pub fn mix(&self, data: f64, noise: f64, more: &[(f64, &Tensor)]) -> Result<Tensor> {
        let [of_x, of_value] = self.factors(data, noise)?;
        let mut terms: Vec<(Coefficient, &Tensor)> = Vec::with_capacity(more.len() + 2);
        terms.push((of_value.into(), &self.value));
        if of_x != 0.0 {
            terms.push((of_x.into(), self.x));
        }
        let more = more.iter().filter(|(c, _)| *c != 0.0);
        terms.extend(more.map(|(c, y)| (Coefficient::from(*c), *y)));
        combine(&terms)
    }

    /// Returns the field's value itself.
    pub fn value(&self) -> &Tensor {
        &self.value
    }

    /// Returns the value converted into another prediction.
    ///
    /// # Errors
    /// [`Error::Range`] where it does not follow from the model's at this time.
    pub fn to(&self, prediction: Prediction) -> Result<Tensor> {
        self.linear(self.factors_to(prediction)?)
    }

    /// Returns `u + c s`, the velocity plus c times the score; the score is not computed if c = 0.
    ///
    /// # Errors
    /// As [`Estimate::to`].
    pub fn drift(&self, c: f64) -> Result<Tensor> {
        let mut factors = self.factors_to(Prediction::Velocity)?;
        if c != 0.0 {
            let score = self.factors_to(Prediction::Score)?;
            factors = [0, 1].map(|i| factors[i] + c * score[i]);
        }
        self.linear(factors)
    }

    fn factors_to(&self, prediction: Prediction) -> Result<[f64; 2]> {
        let (from, schedule) = (self.model.prediction(), self.model.schedule());
        from.factors(prediction, schedule, self.time)
    }

    /// A combination of x and the value.
    fn linear(&self, factors: [f64; 2]) -> Result<Tensor> {
        match factors {
            [0.0, 1.0] => Ok(self.value.clone()),
            [0.0, of_value] => combine(&[(of_value.into(), &self.value)]),
            [of_x, of_value] => combine(&[(of_x.into(), self.x), (of_value.into(), &self.value)]),
        }
    }

    /// Returns the expected data `E[x1 | x]`.
    ///
    /// # Errors
    /// As [`Estimate::mix`].
    pub fn data(&self) -> Result<Tensor> {
        self.mix(1.0, 0.0, &[])
    }

    /// Returns the expected noise `E[x0 | x]`.
    ///
    /// # Errors
    /// As [`Estimate::mix`].
    pub fn noise(&self) -> Result<Tensor> {
        self.mix(0.0, 1.0, &[])
    }

    /// Returns the variances that the network gives beside its prediction.
    ///
    /// # Errors
    /// [`Error::Range`] for a model without.
    pub fn learned_variances(&self) -> Result<&LearnedVariances> {
        self.variances.as_ref().ok_or_else(|| {
            let accepted = "one with variances (Model::with_variances)";
            Error::range("model", "one without learned variances", accepted)
        })
    }
}

impl std::fmt::Debug for Estimate<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (f.debug_struct("Estimate"))
            .field("time", &self.time)
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}
