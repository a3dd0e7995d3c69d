//! Levels between two ratios `σ/α`.

use advect_core::Result;

use crate::Config;

/// How levels lie between the largest and the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    /// Equal steps of `σ^(1/7)` (Karras et al. 2022, eq. 5).
    Karras,
    /// Equal steps of `ln σ`.
    Exponential,
}

impl Curve {
    /// Reads the keys of which at most one is true.
    pub(super) fn read(c: &mut Config) -> Result<Option<Self>> {
        c.only("use_beta_sigmas", false, "the levels of noise")?;
        let mut curve = None;
        for (key, kind) in [
            ("use_karras_sigmas", Curve::Karras),
            ("use_exponential_sigmas", Curve::Exponential),
        ] {
            if c.optional(key, Some(false))? == Some(true) {
                if curve.is_some() {
                    return Err(c.wrong(key, true, "false, beside use_karras_sigmas"));
                }
                curve = Some(kind);
            }
        }
        Ok(curve)
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
            }
        };
        (0..steps).map(level).collect()
    }
}

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
}
