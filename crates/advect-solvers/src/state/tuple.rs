use advect_core::{Coefficient, Error, Result};
use advect_ops::ScaledError;

use super::{Samples, State};

/// Implements the traits for a tuple of states, part by part.
macro_rules! tuple {
    ($($S:ident $i:tt),+) => {
        impl<$($S: State),+> State for ($($S,)+) {
            fn combine(terms: &[(Coefficient, &Self)]) -> Result<Self> {
                Ok(($({
                    let terms: Vec<_> = terms.iter().map(|(c, x)| (c.clone(), &x.$i)).collect();
                    $S::combine(&terms)?
                },)+))
            }

            fn check(&self, argument: &'static str) -> Result<()> {
                $(self.$i.check(argument)?;)+
                Ok(())
            }

            fn alike(&self, argument: &'static str, name: &'static str, reference: &Self) -> Result<()> {
                $(self.$i.alike(argument, name, &reference.$i)?;)+
                Ok(())
            }

            fn not_finite(&self) -> Result<Option<usize>> {
                $(if let Some(sample) = self.$i.not_finite()? {
                    return Ok(Some(sample));
                })+
                Ok(None)
            }

            fn detach(&self) -> Self {
                ($(self.$i.detach(),)+)
            }

            fn unit_roundoff(&self) -> f64 {
                let all = [$(self.$i.unit_roundoff()),+];
                all.into_iter().fold(0.0, f64::max)
            }

            fn scaled_error(&self, x: &Self, y: &Self, rtol: f64, atol: f64) -> Result<ScaledError> {
                let all = ScaledError::default();
                $(let all = all.and(self.$i.scaled_error(&x.$i, &y.$i, rtol, atol)?);)+
                Ok(all)
            }
        }

        impl<$($S: Samples),+> Samples for ($($S,)+) {
            fn samples(&self, argument: &'static str) -> Result<usize> {
                let count = self.0.samples(argument)?;
                $(match self.$i.samples(argument)? {
                    n if n == count => {}
                    n => return Err(Error::range(argument, n, format!("{count} samples in each part"))),
                })+
                Ok(count)
            }

            fn gather(parts: &[&Self], positions: &[u32]) -> Result<Self> {
                Ok(($({
                    let parts: Vec<_> = parts.iter().map(|x| &x.$i).collect();
                    $S::gather(&parts, positions)?
                },)+))
            }

            fn scaled_errors(&self, x: &Self, y: &Self, rtol: f64, atol: f64) -> Result<Vec<ScaledError>> {
                let mut all = vec![ScaledError::default(); self.samples("error")?];
                $(for (all, part) in all.iter_mut().zip(self.$i.scaled_errors(&x.$i, &y.$i, rtol, atol)?) {
                    *all = all.and(part);
                })+
                Ok(all)
            }
        }
    };
}

tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
