//! Classifier-free guidance: `v = v_none + w (v_condition − v_none)`
//! (Ho and Salimans 2022, eq. 6, with w here being their w + 1).

use candle_core::Tensor;

use super::GuidanceWeight;
use advect_core::{Conditional, Error, Field, Result, Time, check, shape};

/// A [`Conditional`] field with classifier-free guidance of weight `w`:
/// `v(t, x) = v(t, x | none) + w · (v(t, x | condition) − v(t, x | none))`.
///
/// `w = 0` is the unconditional field, `w = 1` the conditional one, `w > 1` exaggerates the
/// condition. The weight may depend on time ([`GuidanceWeight`]). Both parts are evaluated in one batch of twice the
/// size; where `w` is 1 or 0, one part is enough. Where a field's values have twice the channels of x, the second half,
/// variances of reverse steps, is that of the conditional part, unless all weights are 0.
///
/// ```
/// use advect_core::{Conditional, Field, Result, Time};
/// use advect_samplers::guidance::Guided;
/// use candle_core::{Device, Tensor};
///
/// struct Constant;
/// impl Conditional for Constant {
///     fn at_given(&self, _: &Time, _: &Tensor, condition: &Tensor) -> Result<Tensor> {
///         Ok(condition.clone())
///     }
///     fn no_condition(&self, x: &Tensor) -> Result<Tensor> {
///         Ok(x.ones_like()?)
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let x = Tensor::new(&[[0.0f32]], &Device::Cpu)?;
/// let condition = Tensor::new(&[[3.0f32]], &Device::Cpu)?;
/// let field = Guided::new(&Constant, &condition, 2.0)?;
/// assert_eq!(field.at(&Time::Shared(0.0), &x)?.to_vec2::<f32>()?, [[5.0]]); // 1 + 2 (3 - 1)
/// # Ok(())
/// # }
/// ```
#[doc(alias = "CFG")]
#[doc(alias = "classifier-free guidance")]
#[doc(alias = "guidance scale")]
#[derive(Debug, Clone)]
pub struct Guided<F, W = f64> {
    field: F,
    condition: Tensor,
    weight: W,
    rescale: f64,
}

impl<F: Conditional, W: GuidanceWeight> Guided<F, W> {
    /// Creates the guided field of `field` towards `condition`, with the given weight.
    ///
    /// # Errors
    /// [`Error::Range`] for a weight that is not finite at time 0.
    pub fn new(field: F, condition: &Tensor, weight: W) -> Result<Self> {
        check::finite_number("weight", weight.at(0.0))?;
        Ok(Guided {
            field,
            condition: condition.clone(),
            weight,
            rescale: 0.0,
        })
    }

    /// Rescales the guided value towards the spread of the conditional one: with φ = `part`,
    /// `v ← (φ std(v_condition)/std(v) + 1 − φ) v`, with the standard deviations over each sample's elements (Lin et
    /// al., Common diffusion noise schedules and sample steps are flawed, 2024, eq. 14–16, with φ = 0.7). Large
    /// weights make images overexposed without it. The result depends on the prediction; the paper's is v.
    ///
    /// # Errors
    /// [`Error::Range`] unless φ is in \[0, 1\].
    #[doc(alias = "guidance_rescale")]
    #[doc(alias = "CFG rescale")]
    pub fn rescaled(self, part: f64) -> Result<Self> {
        Ok(Guided {
            rescale: check::fraction("part", part)?,
            ..self
        })
    }
}

impl<F: Conditional, W: GuidanceWeight> Field for Guided<F, W> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        check::float("x", x)?;
        let weights: Vec<f64> = (t.values()?.into_iter())
            .map(|t| check::finite_number("weight", self.weight.at(t)))
            .collect::<Result<_>>()?;
        if weights.iter().all(|&w| w == 1.0) {
            return self.field.given(&self.condition).at(t, x);
        }
        let none = self.field.no_condition(x)?;
        let (condition, none) = check::condition("condition", &self.condition, &none)?;
        if weights.iter().all(|&w| w == 0.0) && self.rescale == 0.0 {
            return self.field.given(&none).at(t, x);
        }
        let conditions = Tensor::cat(&[none, condition], 0)?;
        let doubled = match t {
            Time::Shared(t) => Time::Shared(*t),
            Time::PerSample(t) => Time::PerSample(Tensor::cat(&[t, t], 0)?),
        };
        let both = Tensor::cat(&[x, x], 0)?;
        let values = self.field.given(&conditions).at(&doubled, &both)?;
        let batch = check::batch("x", x)?;
        if values.dims().first() != Some(&(2 * batch)) {
            let accepted = format!("{:?}, the shape of x, twice", both.dims());
            return Err(Error::shape("field", values.dims(), accepted));
        }
        let parts = values.chunk(2, 0)?;
        let weight = t.coefficient(|t| self.weight.at(t))?;
        let guide = |none: &Tensor, conditioned: &Tensor| -> Result<Tensor> {
            let guided = (none + weight.times(&(conditioned - none)?)?)?;
            match self.rescale == 0.0 {
                true => Ok(guided),
                false => rescale(&guided, conditioned, self.rescale),
            }
        };
        let (none, conditioned) = (&parts[0], &parts[1]);
        match x.dims().get(1) {
            // Variances behind the prediction are those of the conditional part.
            Some(&count) if conditioned.dims().get(1) == Some(&(2 * count)) => {
                let prediction = |x: &Tensor| x.narrow(1, 0, count);
                let guided = guide(&prediction(none)?, &prediction(conditioned)?)?;
                Ok(Tensor::cat(
                    &[guided, conditioned.narrow(1, count, count)?],
                    1,
                )?)
            }
            _ => {
                check::alike("field", conditioned, "x", x)?;
                guide(none, conditioned)
            }
        }
    }

    fn condition(&self) -> Option<&Tensor> {
        Some(&self.condition)
    }
}

/// `(φ std(reference)/std(x) + 1 − φ) x`, sample by sample; samples without spread stay as they are.
fn rescale(x: &Tensor, reference: &Tensor, part: f64) -> Result<Tensor> {
    let (wanted, given) = (variance(reference)?, variance(x)?);
    let constant = given.eq(0.0)?;
    let ratio = (wanted / constant.where_cond(&given.ones_like()?, &given)?)?.sqrt()?;
    let ratio = constant.where_cond(&ratio.ones_like()?, &ratio)?;
    let factor = ratio.affine(part, 1.0 - part)?;
    let factor = shape::column(&factor, x.rank())?;
    let scaled = shape::wide(x)?.broadcast_mul(&factor)?;
    Ok(scaled.to_dtype(x.dtype())?)
}

/// The variance of each sample's elements.
fn variance(x: &Tensor) -> Result<Tensor> {
    let x = shape::wide(x)?;
    let mean = shape::column(&shape::mean_per_sample(&x)?, x.rank())?;
    shape::mean_per_sample(&x.broadcast_sub(&mean)?.sqr()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guidance::GuidanceInterval;
    use advect_core::testing::assert_close;
    use candle_core::Device;
    use std::cell::Cell;

    /// The context, plus t; counts the samples that it was asked for.
    struct Context(Cell<usize>);

    impl Conditional for Context {
        fn at_given(&self, t: &Time, x: &Tensor, context: &Tensor) -> Result<Tensor> {
            self.0.set(self.0.get() + x.dim(0)?);
            let ones = x.ones_like()?;
            Ok((context + t.coefficient(|t| t)?.times(&ones)?)?)
        }
        fn no_condition(&self, x: &Tensor) -> Result<Tensor> {
            Ok(x.zeros_like()?)
        }
    }

    fn row(values: &[f64]) -> Tensor {
        Tensor::from_slice(values, (1, values.len()), &Device::Cpu).unwrap()
    }

    #[test]
    fn weights_may_depend_on_time() {
        let field = Context(Cell::new(0));
        let (x, condition) = (row(&[0.0, 0.0]), row(&[1.0, 2.0]));
        let weight = GuidanceInterval::new(3.0, 0.25, 0.75).unwrap();
        let guided = Guided::new(&field, &condition, weight).unwrap();
        let at = |t| guided.at(&Time::Shared(t), &x).unwrap();
        assert_close(&at(0.5), &row(&[3.5, 6.5]), 1e-15, 0.0);
        assert_eq!(field.0.get(), 2);
        // Outside of the interval the conditional part is enough.
        assert_close(&at(0.0), &row(&[1.0, 2.0]), 0.0, 0.0);
        assert_eq!(field.0.get(), 3);

        let two = Tensor::cat(&[&x, &x], 0).unwrap();
        let conditions = Tensor::cat(&[&condition, &condition], 0).unwrap();
        let guided = Guided::new(&field, &conditions, weight).unwrap();
        let t = Time::per_sample(&[0.0, 0.5]).unwrap();
        let expected = Tensor::cat(&[row(&[1.0, 2.0]), row(&[3.5, 6.5])], 0).unwrap();
        assert_close(&guided.at(&t, &two).unwrap(), &expected, 1e-15, 0.0);
    }

    #[test]
    fn rescaling_gives_the_spread_of_the_conditional_value() {
        let field = Context(Cell::new(0));
        let (x, condition) = (row(&[0.0; 4]), row(&[1.0, -1.0, 3.0, 2.0]));
        let guided = |part| {
            let guided = Guided::new(&field, &condition, 4.0).unwrap();
            let guided = guided.rescaled(part).unwrap();
            guided.at(&Time::Shared(0.0), &x).unwrap()
        };
        // Guided, the value is four times the conditional one: rescaled in full, it is the conditional one.
        assert_close(&guided(1.0), &condition, 1e-14, 0.0);
        assert_close(&guided(0.5), &(&condition * 2.5).unwrap(), 1e-14, 0.0);
        let constant = row(&[2.0; 4]);
        let flat = Guided::new(&field, &constant, 4.0).unwrap();
        let flat = flat.rescaled(0.7).unwrap().at(&Time::Shared(0.0), &x);
        assert_close(&flat.unwrap(), &row(&[8.0; 4]), 1e-14, 0.0);
    }

    #[test]
    fn variances_are_not_guided() {
        struct Heads;
        impl Conditional for Heads {
            fn at_given(&self, _: &Time, _: &Tensor, context: &Tensor) -> Result<Tensor> {
                Ok(Tensor::cat(&[context, &(context + 10.0)?], 1)?)
            }
            fn no_condition(&self, x: &Tensor) -> Result<Tensor> {
                Ok(x.zeros_like()?)
            }
        }
        let (x, condition) = (row(&[0.0, 0.0]), row(&[1.0, 2.0]));
        let at = |weight| {
            let guided = Guided::new(&Heads, &condition, weight).unwrap();
            guided.at(&Time::Shared(0.0), &x).unwrap()
        };
        assert_close(&at(3.0), &row(&[3.0, 6.0, 11.0, 12.0]), 1e-15, 0.0);
        assert_close(&at(0.0), &row(&[0.0, 0.0, 10.0, 10.0]), 1e-15, 0.0);
    }

    #[test]
    fn views_are_guided_as_what_they_show() {
        let field = Context(Cell::new(0));
        let wide = Tensor::new(&[[1.0f64, 9.0, 2.0], [3.0, 8.0, 5.0]], &Device::Cpu).unwrap();
        for view in [wide.t().unwrap(), wide.narrow(1, 1, 2).unwrap()] {
            let copy = view.contiguous().unwrap();
            let at = |x: &Tensor| {
                let guided = Guided::new(&field, x, 3.0).unwrap().rescaled(0.5).unwrap();
                guided.at(&Time::Shared(0.5), x).unwrap()
            };
            assert_close(&at(&view), &at(&copy), 0.0, 0.0);
        }
    }

    #[test]
    fn bad_settings_are_refused() {
        let field = Context(Cell::new(0));
        let condition = row(&[1.0]);
        let integers = condition.to_dtype(candle_core::DType::U32).unwrap();
        let rescaled = Guided::new(&field, &integers, 2.0).unwrap().rescaled(0.5);
        let error = rescaled.unwrap().at(&Time::Shared(0.5), &integers);
        assert!(matches!(error, Err(Error::DType { argument, .. }) if argument == "x"));
        assert!(Guided::new(&field, &condition, f64::INFINITY).is_err());
        let guided = Guided::new(&field, &condition, 2.0).unwrap();
        assert!(guided.rescaled(1.5).is_err());
    }
}
