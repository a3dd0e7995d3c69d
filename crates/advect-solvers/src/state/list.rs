use advect_core::{Coefficient, Error, Result};
use advect_ops::ScaledError;

use super::{Samples, State};

/// Checks that there are as many parts.
fn counts<S>(argument: &'static str, x: &[S], reference: &[S]) -> Result<()> {
    match x.len() == reference.len() {
        true => Ok(()),
        false => {
            let given = format!("a list of length {}", x.len());
            Err(Error::range(
                argument,
                given,
                format!("a list of length {}", reference.len()),
            ))
        }
    }
}

impl<S: State> State for Vec<S> {
    fn combine(terms: &[(Coefficient, &Self)]) -> Result<Self> {
        let Some((_, first)) = terms.first() else {
            return Err(Error::Empty {
                argument: "terms".into(),
            });
        };
        for (_, x) in terms {
            counts("x", x, first)?;
        }
        let part = |i: usize| {
            let terms: Vec<_> = terms.iter().map(|(c, x)| (c.clone(), &x[i])).collect();
            S::combine(&terms)
        };
        (0..first.len()).map(part).collect()
    }

    fn check(&self, argument: &'static str) -> Result<()> {
        if self.is_empty() {
            return Err(Error::Empty {
                argument: argument.into(),
            });
        }
        self.iter().try_for_each(|x| x.check(argument))
    }

    fn alike(&self, argument: &'static str, name: &'static str, reference: &Self) -> Result<()> {
        counts(argument, self, reference)?;
        (self.iter().zip(reference)).try_for_each(|(x, r)| x.alike(argument, name, r))
    }

    fn not_finite(&self) -> Result<Option<usize>> {
        for x in self {
            if let Some(sample) = x.not_finite()? {
                return Ok(Some(sample));
            }
        }
        Ok(None)
    }

    fn detach(&self) -> Self {
        self.iter().map(S::detach).collect()
    }

    fn unit_roundoff(&self) -> f64 {
        self.iter().map(S::unit_roundoff).fold(0.0, f64::max)
    }

    fn scaled_error(&self, x: &Self, y: &Self, rtol: f64, atol: f64) -> Result<ScaledError> {
        let mut all = ScaledError::default();
        for ((error, x), y) in self.iter().zip(x).zip(y) {
            all = all.and(error.scaled_error(x, y, rtol, atol)?);
        }
        Ok(all)
    }
}

impl<S: Samples> Samples for Vec<S> {
    fn samples(&self, argument: &'static str) -> Result<usize> {
        let mut count = None;
        for x in self {
            let n = x.samples(argument)?;
            if *count.get_or_insert(n) != n {
                return Err(Error::range(
                    argument,
                    n,
                    "the same number of samples in each part",
                ));
            }
        }
        count.ok_or_else(|| Error::Empty {
            argument: argument.into(),
        })
    }

    fn gather(parts: &[&Self], positions: &[u32]) -> Result<Self> {
        let count = parts.first().map_or(0, |x| x.len());
        let part = |i: usize| {
            let parts: Vec<&S> = parts.iter().map(|x| &x[i]).collect();
            S::gather(&parts, positions)
        };
        (0..count).map(part).collect()
    }

    fn scaled_errors(&self, x: &Self, y: &Self, rtol: f64, atol: f64) -> Result<Vec<ScaledError>> {
        let mut all: Option<Vec<ScaledError>> = None;
        for ((error, x), y) in self.iter().zip(x).zip(y) {
            let part = error.scaled_errors(x, y, rtol, atol)?;
            all = Some(match all {
                Some(all) => all.into_iter().zip(part).map(|(a, b)| a.and(b)).collect(),
                None => part,
            });
        }
        Ok(all.unwrap_or_default())
    }
}
