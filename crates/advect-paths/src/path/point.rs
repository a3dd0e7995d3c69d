//! A point of a conditional path, and the targets for a field there.

use advect_core::{Coefficient, Error, Result};
use advect_ops::combine;
use candle_core::{DType, Tensor};

use crate::Prediction;

/// A point of a conditional path: the state, and the targets that a field can be trained to predict from it.
///
/// Targets are computed when they are asked for. Those that the path does not have, or that are infinite at some of the
/// times, are errors.
#[derive(Debug, Clone)]
pub struct PathPoint {
    /// The state x_t, shaped like the endpoints.
    pub x: Tensor,
    velocity: Combination,
    data: Option<Tensor>,
    noise: Option<Noise>,
    v: Option<Combination>,
}

/// `Σ c_k x_k`, not yet evaluated.
type Combination = Vec<(Coefficient, Tensor)>;

/// Standard normal noise in the state, and its factor there.
#[derive(Debug, Clone)]
struct Noise {
    z: Tensor,
    scale: Scale,
}

/// A factor of noise.
#[derive(Debug, Clone)]
enum Scale {
    /// A constant for all samples, or for each.
    PerSample(Coefficient),
    /// A tensor that broadcasts to the state's shape, and may have gradients.
    Tensor(Tensor),
}

impl PathPoint {
    /// Creates a point from its state and velocity, which are all that flow matching needs.
    pub fn new(x: Tensor, velocity: Tensor) -> Self {
        Self::linear(x, vec![(Coefficient::Shared(1.0), velocity)])
    }

    /// Creates a point whose velocity `Σ c_k y_k` is computed on demand. The factors may be infinite: then only the
    /// velocity is an error.
    ///
    /// ```
    /// use advect_core::Coefficient;
    /// use advect_paths::path::PathPoint;
    /// use candle_core::{Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// let (x, y) = (Tensor::new(&[1f64], &Device::Cpu)?, Tensor::new(&[3f64], &Device::Cpu)?);
    /// let point = PathPoint::linear(x.clone(), vec![(2.0.into(), x.clone()), ((-1.0).into(), y)]).with_data(x);
    /// assert_eq!(point.velocity()?.to_vec1::<f64>()?, [-1.0]);
    /// assert_eq!(point.data()?.to_vec1::<f64>()?, [1.0]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn linear(x: Tensor, velocity: Vec<(Coefficient, Tensor)>) -> Self {
        PathPoint {
            x,
            velocity,
            data: None,
            noise: None,
            v: None,
        }
    }

    /// Adds the end of the path, x1: the target of [`Prediction::Data`].
    pub fn with_data(self, x1: Tensor) -> Self {
        PathPoint {
            data: Some(x1),
            ..self
        }
    }

    /// Adds the standard normal noise `z`, whose multiple `scale · z` is the Gaussian part of the state.
    pub fn with_noise(self, z: Tensor, scale: Coefficient) -> Self {
        let scale = Scale::PerSample(scale);
        PathPoint {
            noise: Some(Noise { z, scale }),
            ..self
        }
    }

    /// Adds the standard normal noise `z` as [`PathPoint::with_noise`], with a factor that is a tensor of a shape that
    /// broadcasts to that of the state. Gradients of the score reach it.
    ///
    /// ```
    /// use advect_paths::path::PathPoint;
    /// use candle_core::{Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// let z = Tensor::new(&[[1f64, 3.0]], &Device::Cpu)?;
    /// let each = Tensor::new(&[[0.5f64, 2.0]], &Device::Cpu)?;
    /// let point = PathPoint::new((&z * &each)?, z.zeros_like()?).with_scaled_noise(z, each);
    /// assert_eq!(point.score()?.to_vec2::<f64>()?, [[-2.0, -1.5]]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_scaled_noise(self, z: Tensor, scale: Tensor) -> Self {
        let scale = Scale::Tensor(scale);
        PathPoint {
            noise: Some(Noise { z, scale }),
            ..self
        }
    }

    /// Sets the velocity, as in [`PathPoint::linear`].
    pub fn with_velocity(self, velocity: Vec<(Coefficient, Tensor)>) -> Self {
        PathPoint { velocity, ..self }
    }

    /// Adds `α x0 − σ x1`, the target of [`Prediction::V`], as a combination of tensors.
    pub fn with_v(self, v: Vec<(Coefficient, Tensor)>) -> Self {
        PathPoint { v: Some(v), ..self }
    }

    /// Returns the conditional velocity, the target of flow matching.
    ///
    /// # Errors
    /// [`Error::Range`] where it is infinite.
    pub fn velocity(&self) -> Result<Tensor> {
        evaluate(&self.velocity)
    }

    /// Returns the score of the path's Gaussian part, `−z / scale`. Its mean given x_t is the marginal score, if z is
    /// independent of the rest of the state.
    ///
    /// # Errors
    /// [`Error::Range`] without noise: on a path that has none, or at a time where its factor is 0.
    pub fn score(&self) -> Result<Tensor> {
        let noise = self.gaussian("a score")?;
        let inverse = |scale: &f64| -1.0 / scale;
        let factor = match &noise.scale {
            Scale::PerSample(Coefficient::Shared(scale)) => Coefficient::Shared(inverse(scale)),
            Scale::PerSample(Coefficient::PerSample(scales)) => {
                Coefficient::PerSample(scales.iter().map(inverse).collect())
            }
            Scale::Tensor(scale) => {
                let least = scale.abs()?.flatten_all()?.min(0)?;
                let least = least.to_dtype(DType::F64)?.to_scalar::<f64>()?;
                // −1, or NaN at 0: an error, as for the others.
                let score = vec![(
                    Coefficient::Shared(-least / least),
                    noise.z.broadcast_div(scale)?,
                )];
                return evaluate(&score);
            }
        };
        evaluate(&[(factor, noise.z.clone())])
    }

    /// Returns the noise z, which is standard normal given the ends.
    ///
    /// # Errors
    /// [`Error::Range`] on a path without noise.
    pub fn noise(&self) -> Result<Tensor> {
        Ok(self.gaussian("a noise")?.z.clone())
    }

    /// Returns the factor of the noise in the state, for all samples or for each.
    ///
    /// # Errors
    /// [`Error::Range`] on a path without noise, or with a factor that differs between the elements of a sample.
    pub fn noise_scale(&self) -> Result<Coefficient> {
        let scale = match &self.gaussian("a noise")?.scale {
            Scale::PerSample(scale) => return Ok(scale.clone()),
            Scale::Tensor(scale) => scale,
        };
        let numbers = scale
            .flatten_all()?
            .to_dtype(DType::F64)?
            .to_vec1::<f64>()?;
        match numbers[..] {
            [one] => Ok(Coefficient::Shared(one)),
            _ if scale.rank() == self.x.rank() && scale.dims().first() == Some(&numbers.len()) => {
                Ok(Coefficient::PerSample(numbers))
            }
            _ => {
                let given = format!("noise with factors of shape {:?}", scale.dims());
                Err(Error::range("path", given, "one factor for each sample"))
            }
        }
    }

    /// Returns the end of the path, x1.
    ///
    /// # Errors
    /// [`Error::Range`] for a point that was made without it.
    pub fn data(&self) -> Result<Tensor> {
        self.data.clone().ok_or_else(|| missing("data"))
    }

    /// Returns the target of a field of some [`Prediction`] at this point.
    ///
    /// # Errors
    /// The errors of the method of the same name; [`Error::Range`] for [`Prediction::V`] on a path that is not affine.
    pub fn target(&self, prediction: Prediction) -> Result<Tensor> {
        match prediction {
            Prediction::Velocity => self.velocity(),
            Prediction::Score => self.score(),
            Prediction::Noise => self.noise(),
            Prediction::Data => self.data(),
            Prediction::V => match &self.v {
                Some(v) => evaluate(v),
                None => Err(missing("α x0 − σ x1")),
            },
        }
    }

    fn gaussian(&self, what: &str) -> Result<&Noise> {
        self.noise.as_ref().ok_or_else(|| missing(what))
    }
}

fn missing(what: &str) -> Error {
    Error::range("prediction", what, "a prediction that this path can train")
}

/// The sum, if all factors are finite.
fn evaluate(terms: &[(Coefficient, Tensor)]) -> Result<Tensor> {
    for (factor, _) in terms {
        let infinite = |c: &f64| !c.is_finite();
        let bad = match factor {
            Coefficient::Shared(c) => Some(c).filter(|c| infinite(c)),
            Coefficient::PerSample(c) => c.iter().find(|c| infinite(c)),
        };
        if let Some(bad) = bad {
            let given = format!("a time where a factor of the target is {bad}");
            return Err(Error::range(
                "t",
                given,
                "a time at which all factors are finite",
            ));
        }
    }
    if let [(Coefficient::Shared(1.0), x)] = terms {
        return Ok(x.clone());
    }
    let terms: Vec<(Coefficient, &Tensor)> = terms.iter().map(|(c, x)| (c.clone(), x)).collect();
    combine(&terms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn what_a_path_has_not_is_an_error() {
        let x = Tensor::new(&[1f64, 2.0], &Device::Cpu).unwrap();
        let point = PathPoint::new(x.clone(), x.clone());
        for prediction in [
            Prediction::Score,
            Prediction::Noise,
            Prediction::Data,
            Prediction::V,
        ] {
            let error = point.target(prediction).unwrap_err();
            assert!(matches!(error, Error::Range { argument, .. } if argument == "prediction"));
        }
        let noisy = point.with_noise(x.clone(), Coefficient::PerSample(vec![0.5, 0.0]));
        assert!(noisy.noise().is_ok());
        let error = noisy.score().unwrap_err();
        assert!(matches!(error, Error::Range { argument, .. } if argument == "t"));
    }
}
