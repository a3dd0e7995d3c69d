//! The steps of DDPM (Ho et al. 2020, eq. 2–7; the cosine schedule of Nichol and Dhariwal 2021, eq. 17; zero terminal SNR, Lin
//! et al., Common diffusion noise schedules and sample steps are flawed, 2024, algorithm 1).

use std::f64::consts::FRAC_PI_2;

use advect_core::{Error, Result};

use super::Schedule;
use super::variance_preserving::log_snr_of;

/// The schedule of DDPM's T noise rates β_1 … β_T, with `ᾱ_k = Π_(i ≤ k) (1 − β_i)`. Step k stands at time
/// `t = 1 − k/T`, the data at k = 0.
///
/// At the steps, `α = √ᾱ_k` and `σ = √(1 − ᾱ_k)`. Between them ln ᾱ is linear in t: a variance-preserving diffusion
/// with a constant rate a step, so that the steps of DDPM are exact at any subset of times. At a step, derivatives
/// are the slopes of its own interval, towards the data.
///
/// The last rate may be 1 ([`DiscreteDiffusion::zero_terminal_snr`]): step T is then pure noise, and α is linear in t between it and the
/// step before, as ln ᾱ can't be.
///
/// ```
/// use advect_paths::schedule::{DiscreteDiffusion, Schedule};
/// let ddpm = DiscreteDiffusion::default(); // 1,000 steps, β from 1e-4 to 0.02
/// assert!((ddpm.alpha_bar(1) - (1.0 - 1e-4)).abs() < 1e-15);
/// assert!((ddpm.alpha(ddpm.time(250)).powi(2) - ddpm.alpha_bar(250)).abs() < 1e-12);
/// assert_eq!(ddpm.posterior_variance(1), 0.0);
/// ```
#[doc(alias = "DDPM")]
#[doc(alias = "beta schedule")]
#[derive(Debug, Clone, PartialEq)]
pub struct DiscreteDiffusion {
    /// β_1 … β_T.
    betas: Vec<f64>,
    /// ln ᾱ_0 … ln ᾱ_T.
    log_alpha_bars: Vec<f64>,
}

impl Default for DiscreteDiffusion {
    /// Returns 1,000 steps with β from 1e-4 to 0.02, as in Ho et al. 2020.
    fn default() -> Self {
        Self::from_rates(linear(1000, 1e-4, 0.02).collect())
    }
}

/// The most steps that a schedule may have, so that its tables fit the memory.
const MOST_STEPS: usize = 10_000_000;

fn check_steps(steps: usize) -> Result<()> {
    match (1..=MOST_STEPS).contains(&steps) {
        true => Ok(()),
        false => {
            let accepted = format!("a number from 1 to {MOST_STEPS}");
            Err(Error::range("steps", steps, accepted))
        }
    }
}

fn linear(steps: usize, start: f64, end: f64) -> impl Iterator<Item = f64> {
    let last = (steps.max(2) - 1) as f64;
    (0..steps).map(move |i| start + (end - start) * i as f64 / last)
}

impl DiscreteDiffusion {
    /// Creates a schedule whose rates rise linearly from `beta_start` to `beta_end`.
    ///
    /// # Errors
    /// [`Error::Range`] for 0 steps or more than 10⁷, or rates outside (0, 1).
    pub fn linear(steps: usize, beta_start: f64, beta_end: f64) -> Result<Self> {
        check_steps(steps)?;
        let rate = |name, beta: f64| match beta > 0.0 && beta < 1.0 {
            true => Ok(()),
            false => Err(Error::range(name, beta, "a number in (0, 1)")),
        };
        rate("beta_start", beta_start)?;
        rate("beta_end", beta_end)?;
        Ok(Self::from_rates(
            linear(steps, beta_start, beta_end).collect(),
        ))
    }

    /// Creates a schedule with `ᾱ(k) ∝ cos²(π/2 · (k/T + 0.008) / 1.008)` and rates of at most 0.999.
    ///
    /// # Errors
    /// [`Error::Range`] for 0 steps or more than 10⁷.
    pub fn cosine(steps: usize) -> Result<Self> {
        check_steps(steps)?;
        let offset = 0.008;
        let curve = |k: usize| {
            let s = k as f64 / steps as f64;
            (FRAC_PI_2 * (s + offset) / (1.0 + offset)).cos().powi(2)
        };
        let rates = (0..steps).map(|k| (1.0 - curve(k + 1) / curve(k)).min(0.999));
        Ok(Self::from_rates(rates.collect()))
    }

    /// Creates a schedule with your own rates β_1 … β_T.
    ///
    /// # Errors
    /// [`Error::Empty`] without rates, [`Error::Range`] for one outside (0, 1) (the last of two or more may be 1).
    pub fn from_betas(betas: &[f64]) -> Result<Self> {
        if betas.is_empty() {
            return Err(Error::Empty {
                argument: "betas".into(),
            });
        }
        let last = betas.len() - 1;
        let bad = |&(k, &b): &(usize, &f64)| {
            let ends = k > 0 && k == last && b == 1.0;
            !(b > 0.0 && b < 1.0 || ends)
        };
        match betas.iter().enumerate().find(bad) {
            Some((_, bad)) => {
                let accepted = "a number in (0, 1), or 1 at the last step";
                Err(Error::range("betas", bad, accepted))
            }
            None => Ok(Self::from_rates(betas.to_vec())),
        }
    }

    /// Returns this schedule with rates rescaled so that step T is pure noise, `ᾱ_T = 0`:
    /// `√ᾱ'_k = (√ᾱ_k − √ᾱ_T) √ᾱ_1 / (√ᾱ_1 − √ᾱ_T)`. This leaves ᾱ_1 unchanged and makes `β'_T = 1` (Lin et al. 2024, algorithm 1).
    ///
    /// Schedules in use leave some signal at step T (√ᾱ_T = 0.0064 for DDPM, 0.068 for Stable Diffusion), which samplers that begin with
    /// noise alone lack: their samples can't be very bright or very dark. At step T noise tells nothing of the data, so a network on this
    /// schedule has to predict [`Prediction::V`](crate::Prediction::V) or the data, and sampling has to begin at step T, as on trailing
    /// steps (`Respaced::trailing` of advect-samplers).
    ///
    /// ```
    /// use advect_paths::schedule::{DiscreteDiffusion, Schedule};
    /// # fn main() -> advect_core::Result<()> {
    /// let ddpm = DiscreteDiffusion::default();
    /// let rescaled = ddpm.zero_terminal_snr()?;
    /// assert!((ddpm.alpha(0.0) - 0.00635).abs() < 1e-5);
    /// assert_eq!((rescaled.alpha(0.0), rescaled.sigma(0.0), rescaled.beta(1000)), (0.0, 1.0, 1.0));
    /// assert!((rescaled.alpha_bar(1) - ddpm.alpha_bar(1)).abs() < 1e-15);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Range`] for a schedule whose steps 1 and T have the same ᾱ, as one of a single step.
    #[doc(alias = "rescale_zero_terminal_snr")]
    pub fn zero_terminal_snr(&self) -> Result<Self> {
        let steps = self.steps();
        let first = (0.5 * self.log_alpha_bars[1]).exp();
        let log_last = 0.5 * self.log_alpha_bars[steps];
        if first <= log_last.exp() {
            let given = format!("a schedule of {steps} steps");
            let accepted = "one whose noise grows from step 1 to the last";
            return Err(Error::range("self", given, accepted));
        }
        // √ᾱ_k − √ᾱ_T without cancellation, over what it is at k = 1.
        let excess = |k: usize| {
            let log = 0.5 * self.log_alpha_bars[k];
            match log_last == f64::NEG_INFINITY {
                true => log.exp(),
                false => log_last.exp() * (log - log_last).exp_m1(),
            }
        };
        let whole = excess(1);
        let roots: Vec<f64> = (1..=steps).map(|k| first * excess(k) / whole).collect();
        let mut betas = vec![self.betas[0]];
        betas.extend(roots.windows(2).map(|w| 1.0 - (w[1] / w[0]).powi(2)));
        let mut log_alpha_bars = vec![0.0];
        log_alpha_bars.extend(roots.iter().map(|root| 2.0 * root.ln()));
        log_alpha_bars[1] = self.log_alpha_bars[1];
        Ok(DiscreteDiffusion {
            betas,
            log_alpha_bars,
        })
    }

    fn from_rates(betas: Vec<f64>) -> Self {
        let mut log_alpha_bars = vec![0.0];
        let mut sum = 0.0;
        for beta in &betas {
            sum += (-beta).ln_1p();
            log_alpha_bars.push(sum);
        }
        DiscreteDiffusion {
            betas,
            log_alpha_bars,
        }
    }

    /// Returns the number of steps, T.
    pub fn steps(&self) -> usize {
        self.betas.len()
    }

    /// Returns the time of step k, `1 − k/T`.
    pub fn time(&self, k: usize) -> f64 {
        1.0 - k as f64 / self.steps() as f64
    }

    /// Returns the times of all steps, k = 1 … T.
    pub fn times(&self) -> Vec<f64> {
        (1..=self.steps()).map(|k| self.time(k)).collect()
    }

    /// Returns the rate β_k.
    ///
    /// # Panics
    /// Unless `1 ≤ k ≤ T`.
    pub fn beta(&self, k: usize) -> f64 {
        self.betas[k - 1]
    }

    /// Returns `ᾱ_k`, which is 1 for k = 0.
    ///
    /// # Panics
    /// Unless `k ≤ T`.
    #[doc(alias = "alphas_cumprod")]
    pub fn alpha_bar(&self, k: usize) -> f64 {
        self.log_alpha_bars[k].exp()
    }

    /// Returns `1 − ᾱ_k`, without cancellation.
    ///
    /// # Panics
    /// Unless `k ≤ T`.
    pub fn noise_variance(&self, k: usize) -> f64 {
        -self.log_alpha_bars[k].exp_m1()
    }

    /// Returns the variance of `q(x_(k−1) | x_k, x_0)`, `β̃_k = β_k (1 − ᾱ_(k−1)) / (1 − ᾱ_k)` (Ho et al. 2020, eq. 7).
    ///
    /// # Panics
    /// Unless `1 ≤ k ≤ T`.
    pub fn posterior_variance(&self, k: usize) -> f64 {
        self.beta(k) * self.noise_variance(k - 1) / self.noise_variance(k)
    }

    /// ln ᾱ, and its slope in t.
    fn log_alpha_bar(&self, t: f64) -> (f64, f64) {
        let steps = self.steps();
        let (k, position) = self.place(t);
        let (from, to) = (self.log_alpha_bars[k - 1], self.log_alpha_bars[k]);
        if to == f64::NEG_INFINITY {
            // α falls to 0 in a straight line.
            let left = k as f64 - position;
            return (from + 2.0 * left.ln(), 2.0 * steps as f64 / left);
        }
        let value = from + (position - (k - 1) as f64) * (to - from);
        (value, (from - to) * steps as f64)
    }

    /// The step whose interval a time is in, and the time in steps.
    fn place(&self, t: f64) -> (usize, f64) {
        let steps = self.steps();
        let position = ((1.0 - t) * steps as f64).clamp(0.0, steps as f64);
        // The time of a step is that step's, whatever 1 − t was rounded to.
        let nearest = position.round();
        let on_step = (position - nearest).abs() < 1e-9 * (1.0 + nearest);
        let k = if on_step { nearest } else { position.ceil() };
        ((k as usize).clamp(1, steps), position)
    }
}

impl Schedule for DiscreteDiffusion {
    fn alpha(&self, t: f64) -> f64 {
        (0.5 * self.log_alpha_bar(t).0).exp()
    }
    fn sigma(&self, t: f64) -> f64 {
        (-self.log_alpha_bar(t).0.exp_m1()).sqrt()
    }
    fn d_alpha(&self, t: f64) -> f64 {
        let (k, _) = self.place(t);
        if self.log_alpha_bars[k] == f64::NEG_INFINITY {
            return self.steps() as f64 * (0.5 * self.log_alpha_bars[k - 1]).exp();
        }
        let (value, slope) = self.log_alpha_bar(t);
        0.5 * slope * (0.5 * value).exp()
    }
    fn d_sigma(&self, t: f64) -> f64 {
        self.sigma_d_sigma(t) / self.sigma(t)
    }
    fn sigma_d_sigma(&self, t: f64) -> f64 {
        match self.log_alpha_bar(t) {
            (f64::NEG_INFINITY, _) => 0.0,
            (value, slope) => -0.5 * slope * value.exp(),
        }
    }
    fn log_snr(&self, t: f64) -> f64 {
        log_snr_of(-self.log_alpha_bar(t).0)
    }
    fn trained_steps(&self) -> Option<usize> {
        Some(self.steps())
    }
    fn diffusion_squared(&self, t: f64) -> f64 {
        self.log_alpha_bar(t).1
    }
    fn time_at_log_snr(&self, log_snr: f64) -> f64 {
        let inverse = (-log_snr).exp();
        let value = if inverse.is_finite() {
            -inverse.ln_1p()
        } else {
            log_snr
        };
        // The first step at or below it; the table falls.
        let k = self.log_alpha_bars.partition_point(|&l| l > value);
        if k == 0 {
            return 1.0;
        }
        if k > self.steps() {
            return 0.0;
        }
        let (from, to) = (self.log_alpha_bars[k - 1], self.log_alpha_bars[k]);
        let part = match to == f64::NEG_INFINITY {
            true => 1.0 - (0.5 * (value - from)).exp(),
            false => (value - from) / (to - from),
        };
        let position = (k - 1) as f64 + part;
        (1.0 - position / self.steps() as f64).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests;
