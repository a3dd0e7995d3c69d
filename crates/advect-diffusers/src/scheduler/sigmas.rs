//! Levels between two ratios `σ/α`.

use advect_core::{Error, Result};

use super::beta_quantile::beta_quantile;
use crate::Config;

/// How levels lie between the largest and the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    /// Equal steps of `σ^(1/7)` (Karras et al. 2022, eq. 5).
    Karras,
    /// Equal steps of `ln σ`.
    Exponential,
    /// Quantiles of the beta distribution with both parameters 0.6, which is densest at both ends (Lee et al., Beta sampling is
    /// all you need, 2024).
    Beta,
}

impl Curve {
    /// Reads the keys of which at most one is true.
    pub(super) fn read(c: &mut Config) -> Result<Option<Self>> {
        let mut curve = None;
        for (key, kind) in [
            ("use_karras_sigmas", Curve::Karras),
            ("use_exponential_sigmas", Curve::Exponential),
            ("use_beta_sigmas", Curve::Beta),
        ] {
            if c.optional(key, Some(false))? == Some(true) {
                if curve.is_some() {
                    let accepted = "false: only one of use_karras_sigmas, use_exponential_sigmas and use_beta_sigmas can be true";
                    return Err(c.wrong(key, true, accepted));
                }
                curve = Some(kind);
            }
        }
        Ok(curve)
    }

    /// Reads the largest and the least level, in place of those of training: diffusers takes the keys for any class that has such levels.
    pub(super) fn range(c: &mut Config) -> Result<[Option<f64>; 2]> {
        Ok([
            c.optional("sigma_max", None)?,
            c.optional("sigma_min", None)?,
        ])
    }

    /// n levels.
    pub(super) fn levels(self, most: f64, least: f64, steps: usize) -> Vec<f64> {
        const RHO: f64 = 7.0;
        let last = (steps.max(2) - 1) as f64;
        let level = |i: usize| {
            let part = i as f64 / last;
            match self {
                Curve::Karras => {
                    let [most, least] = [most, least].map(|sigma| sigma.powf(1.0 / RHO));
                    (most + part * (least - most)).powf(RHO)
                }
                Curve::Exponential => (most.ln() + part * (least.ln() - most.ln())).exp(),
                Curve::Beta => least + beta_quantile(1.0 - part, 0.6) * (most - least),
            }
        };
        (0..steps).map(level).collect()
    }
}

/// What two ratios that are the same may differ by, relative to them.
pub(super) const ROUNDING: f64 = 1e-12;

/// Where the last step ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// At the data.
    Clean,
    /// At the least noise of training.
    Least,
}

impl End {
    pub(super) fn read(c: &mut Config) -> Result<Self> {
        let ends = [("zero", End::Clean), ("sigma_min", End::Least)];
        c.choice("final_sigmas_type", &ends)
    }

    /// Checks that a last step to the least noise of training does not have to add noise.
    pub(super) fn check(self, last: f64, least: f64) -> Result<()> {
        match self == End::Least && last < least * (1.0 - ROUNDING) {
            true => {
                let accepted = format!(
                    "at least {least}, the least level of training, to which final_sigmas_type \"sigma_min\" leads"
                );
                Err(Error::range("sigma_min", last, accepted))
            }
            false => Ok(()),
        }
    }
}
