use advect_core::{Coefficient, Error, Result};
use advect_ops::ScaledError;

use super::{State, combine_stages};
use crate::Interval;

/// Implements the trait for arrays of numbers of a type with so many binary digits. An array is one sample.
macro_rules! numbers {
    ($($float:ident $digits:literal),*) => {$(
        impl<const N: usize> State for [$float; N] {
            fn combine(terms: &[(Coefficient, &Self)]) -> Result<Self> {
                if terms.is_empty() {
                    return Err(Error::Empty { argument: "terms".into() });
                }
                let mut sum = [0.0; N];
                for (c, x) in terms {
                    let c = match c {
                        Coefficient::Shared(c) => *c,
                        Coefficient::PerSample(c) => match c[..] {
                            [c] => c,
                            _ => {
                                let accepted = "(1,), as an array of numbers is one sample";
                                return Err(Error::shape("coefficient", &[c.len()], accepted));
                            }
                        },
                    };
                    for (sum, x) in sum.iter_mut().zip(*x) {
                        *sum += c as $float * x;
                    }
                }
                Ok(sum)
            }

            #[inline]
            fn combine_stages(
                interval: &Interval,
                weights: &[f64],
                slopes: &[Self],
                x: Option<&Self>,
            ) -> Result<Self> {
                let Interval::Shared { start, end } = interval else {
                    return combine_stages(interval, weights, slopes, x);
                };
                let mut sum = [0.0; N];
                for (w, slope) in weights.iter().zip(slopes) {
                    if *w != 0.0 {
                        let c = (w * (end - start)) as $float;
                        for (sum, slope) in sum.iter_mut().zip(slope) {
                            *sum += c * slope;
                        }
                    }
                }
                for (sum, x) in sum.iter_mut().zip(x.into_iter().flatten()) {
                    *sum += x;
                }
                Ok(sum)
            }

            fn check(&self, argument: &'static str) -> Result<()> {
                if N == 0 {
                    return Err(Error::Empty { argument: argument.into() });
                }
                match self.iter().position(|x| !x.is_finite()) {
                    None => Ok(()),
                    Some(index) => Err(Error::NonFinite {
                        argument: argument.into(),
                        index,
                        value: self[index].into(),
                    }),
                }
            }

            #[inline]
            fn alike(&self, _: &'static str, _: &'static str, _: &Self) -> Result<()> {
                Ok(())
            }

            #[inline]
            fn not_finite(&self) -> Result<Option<usize>> {
                Ok(self.iter().any(|x| !x.is_finite()).then_some(0))
            }

            fn detach(&self) -> Self {
                *self
            }

            fn unit_roundoff(&self) -> f64 {
                f64::powi(2.0, -$digits)
            }

            fn scaled_error(&self, x: &Self, y: &Self, rtol: f64, atol: f64) -> Result<ScaledError> {
                let numbers = self.iter().zip(x).zip(y);
                Ok(numbers
                    .map(|((&error, &x), &y)| {
                        f64::from(error) / (atol + rtol * f64::from(x.abs().max(y.abs())))
                    })
                    .collect())
            }
        }
    )*};
}

numbers!(f32 24, f64 53);
