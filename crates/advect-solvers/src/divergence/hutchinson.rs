//! Hutchinson's estimate (A stochastic estimator of the trace of the influence matrix for Laplacian smoothing splines,
//! Commun. Stat. Simul. Comput. 19, 1990).

use advect_core::{Error, Generator, Jvp, Result, Time, check, shape};
use candle_core::{DType, Tensor};

use super::{Divergence, WithDivergence, add, dot};

/// The law of a probe: independent elements of mean 0 and variance 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Probe {
    /// 1 or −1 with equal chances: the smallest variance, `2 Σ_(i≠j) ((J_ij + J_ji)/2)²`.
    #[default]
    Rademacher,
    /// Standard normal: the variance is `2 ‖(J + Jᵀ)/2‖²`, the diagonal included.
    Gaussian,
}

impl Probe {
    /// Draws a probe for each sample of x, shaped like x.
    ///
    /// # Errors
    /// [`Error::DType`] unless x is a float.
    pub fn draw(self, x: &Tensor, rng: &mut Generator) -> Result<Tensor> {
        match self {
            Probe::Gaussian => rng.normal_like(x),
            Probe::Rademacher => {
                check::float("x", x)?;
                // (The sign is that of more digits, too.)
                let uniform = rng.uniform(-1.0..1.0, x.shape(), DType::F32, x.device())?;
                Ok(uniform.ge(0.0)?.to_dtype(x.dtype())?.affine(2.0, -1.0)?)
            }
        }
    }

    /// Draws a probe for each sample of x, numbered from `first` on. The probe of a sample depends on its number, not
    /// on the other samples of the batch.
    ///
    /// # Errors
    /// As [`Generator::normal_by_sample`].
    pub fn draw_by_sample(self, first: u64, x: &Tensor, rng: &mut Generator) -> Result<Tensor> {
        let z = rng.normal_by_sample(first, x)?;
        match self {
            Probe::Gaussian => Ok(z),
            // The sign of a normal number is 1 or −1 with equal chances.
            Probe::Rademacher => Ok(z.ge(0.0)?.to_dtype(x.dtype())?.affine(2.0, -1.0)?),
        }
    }
}

/// Hutchinson's estimate of the divergence, the mean of `v · ∂f/∂x v` over probes v. It is unbiased, and costs one
/// Jacobian–vector product for each probe.
///
/// The probes are drawn once and stay the same: a differential equation must not change while it is solved (Grathwohl et
/// al., FFJORD, 2019, section 3.1). Draw new ones for each solve.
#[derive(Debug, Clone)]
#[doc(alias = "FFJORD")]
#[doc(alias = "trace estimator")]
pub struct Hutchinson {
    /// Each shaped like the state.
    probes: Vec<Tensor>,
}

impl Hutchinson {
    /// Draws `count` probes for states like `x`, at most 65,536.
    ///
    /// # Errors
    /// [`Error::Range`] for 0 probes or more than that, [`Error::DType`] unless `x` is a float.
    pub fn new(probe: Probe, count: usize, x: &Tensor, rng: &mut Generator) -> Result<Self> {
        check_count("count", count)?;
        check::float("x", x)?;
        let probes: Result<Vec<Tensor>> = (0..count).map(|_| probe.draw(x, rng)).collect();
        Ok(Hutchinson { probes: probes? })
    }

    /// Creates the estimate from your own probes, each shaped like the state.
    ///
    /// # Errors
    /// [`Error::Empty`] without any.
    pub fn with_probes(probes: Vec<Tensor>) -> Result<Self> {
        if probes.is_empty() {
            return Err(Error::Empty {
                argument: "probes".into(),
            });
        }
        Ok(Hutchinson { probes })
    }
}

impl Divergence for Hutchinson {
    fn at(&self, field: &dyn Jvp, t: &Time, x: &Tensor) -> Result<WithDivergence> {
        self.find(field, t, x, false)
    }

    /// Returns the norm, too, as the mean of `‖∂f/∂x v‖²` over the probes v, unbiased too.
    fn with_norm(&self, field: &dyn Jvp, t: &Time, x: &Tensor) -> Result<WithDivergence> {
        self.find(field, t, x, true)
    }

    fn estimates(&self) -> usize {
        self.probes.len()
    }
}

impl Hutchinson {
    fn find(&self, field: &dyn Jvp, t: &Time, x: &Tensor, normed: bool) -> Result<WithDivergence> {
        check::batch("x", x)?;
        for probe in &self.probes {
            check::alike("probe", probe, "x", x)?;
        }
        let (value, along) = field.jvp_each(t, x, &self.probes)?;
        let pairs = along.iter().zip(&self.probes);
        let estimates: Result<Vec<Tensor>> = pairs.map(|(jv, v)| dot(jv, v)).collect();
        let estimates = estimates?;
        let (divergence, standard_error) = mean(&estimates)?;
        let mut norm = None;
        if normed {
            for jv in &along {
                add(&mut norm, shape::sum_squares_per_sample(jv)?)?;
            }
        }
        let jacobian_norm = match (norm, along.len()) {
            (Some(sum), count) if count > 1 => Some((sum / count as f64)?),
            (norm, _) => norm,
        };
        Ok(WithDivergence {
            value,
            divergence,
            standard_error,
            estimates: match estimates.len() {
                1 => Vec::new(),
                _ => estimates,
            },
            jacobian_norm,
        })
    }
}

/// The largest number of probes: they are all in memory.
const MOST: usize = 1 << 16;

/// Checks a number of probes.
pub(super) fn check_count(argument: &'static str, count: usize) -> Result<()> {
    match count {
        1..=MOST => Ok(()),
        _ => Err(Error::range(
            argument,
            count,
            format!("a number from 1 to {MOST}"),
        )),
    }
}

/// The mean of estimates, and its standard error if there are two or more.
pub(super) fn mean(estimates: &[Tensor]) -> Result<(Tensor, Option<Tensor>)> {
    if let [one] = estimates {
        return Ok((one.clone(), None));
    }
    let count = estimates.len() as f64;
    let all = Tensor::stack(estimates, 0)?;
    let mean = all.mean(0)?;
    let deviations = all.detach().broadcast_sub(&mean.detach())?;
    let variance = (deviations.sqr()?.sum(0)? / (count * (count - 1.0)))?;
    Ok((mean, Some(variance.sqrt()?)))
}
