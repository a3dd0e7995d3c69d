//! The shift of levels of flow matching towards the noise, `σ ← a σ / (1 + (a − 1) σ)` (Esser et al., Scaling rectified flow
//! transformers for high-resolution image synthesis, 2024, eq. 23).

use advect_core::{Error, Result, check};

use crate::Config;

/// Where a shift comes from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shift {
    /// The configuration says it.
    Fixed(f64),
    /// The size of images says it.
    Dynamic(Dynamic),
}

/// A shift by the size of images.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Dynamic {
    /// Whether a = exp(μ), or a = μ.
    exponential: bool,
    /// μ at two numbers of tokens, between and beyond which it is linear.
    values: [Option<f64>; 2],
    tokens: [usize; 2],
    factor: Option<f64>,
}

impl Shift {
    pub(super) fn read(c: &mut Config) -> Result<Self> {
        let fixed: f64 = c.optional("shift", 1.0)?;
        let kinds = [("exponential", true), ("linear", false)];
        let dynamic = Dynamic {
            exponential: c.choice("time_shift_type", &kinds)?,
            values: [
                c.optional("base_shift", Some(0.5))?,
                c.optional("max_shift", Some(1.15))?,
            ],
            tokens: [
                c.optional("base_image_seq_len", 256)?,
                c.optional("max_image_seq_len", 4096)?,
            ],
            factor: None,
        };
        match c.optional("use_dynamic_shifting", false)? {
            true => Ok(Shift::Dynamic(dynamic)),
            false if fixed > 0.0 && fixed.is_finite() => Ok(Shift::Fixed(fixed)),
            false => Err(c.wrong("shift", fixed, "a finite number above 0")),
        }
    }

    /// Returns a.
    pub(super) fn factor(&self) -> Result<f64> {
        match self {
            Shift::Fixed(factor) => Ok(*factor),
            Shift::Dynamic(dynamic) => dynamic.factor.ok_or_else(|| {
                let accepted = "a number, as the configuration has use_dynamic_shifting: see Scheduler::shifted_by and Scheduler::shifted_for";
                Error::range("mu", "none", accepted)
            }),
        }
    }

    /// Sets μ.
    pub(super) fn set(&mut self, mu: f64) -> Result<()> {
        let dynamic = self.dynamic()?;
        let mu = check::finite_number("mu", mu)?;
        let factor = if dynamic.exponential { mu.exp() } else { mu };
        if !(factor > 0.0 && factor.is_finite()) {
            let accepted = match dynamic.exponential {
                true => "a number whose exponential is finite and above 0",
                false => "a number above 0, as time_shift_type is \"linear\"",
            };
            return Err(Error::range("mu", mu, accepted));
        }
        dynamic.factor = Some(factor);
        Ok(())
    }

    /// Sets the μ of a number of tokens.
    pub(super) fn set_for(&mut self, tokens: usize) -> Result<()> {
        let dynamic = self.dynamic()?;
        let (&[Some(low), Some(high)], [few, many]) = (&dynamic.values, dynamic.tokens) else {
            let accepted =
                "numbers: see Scheduler::shifted_by for a shift that does not follow from them";
            return Err(Error::range("base_shift, max_shift", "null", accepted));
        };
        if few == many {
            let accepted = format!("another number than base_image_seq_len, {few}");
            return Err(Error::range("max_image_seq_len", many, accepted));
        }
        let slope = (high - low) / (many as f64 - few as f64);
        self.set(low + slope * (tokens as f64 - few as f64))
    }

    fn dynamic(&mut self) -> Result<&mut Dynamic> {
        match self {
            Shift::Dynamic(dynamic) => Ok(dynamic),
            Shift::Fixed(_) => Err(no_dynamic_shift()),
        }
    }
}

/// The error of schedulers whose configuration says all shifts.
pub(super) fn no_dynamic_shift() -> Error {
    let accepted =
        "none: only a FlowMatchEulerDiscreteScheduler with use_dynamic_shifting is shifted by it";
    Error::range("mu", "a number", accepted)
}

/// A shifted level.
pub(super) fn shifted(sigma: f64, factor: f64) -> f64 {
    factor * sigma / (1.0 + (factor - 1.0) * sigma)
}
