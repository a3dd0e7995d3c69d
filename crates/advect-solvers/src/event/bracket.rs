//! The search for a change of sign.

/// A part of a step in which a function changes its sign, narrowed by the Illinois rule (Dowell and Jarratt 1971), with a
/// bisection now and then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bracket {
    low: f64,
    f_low: f64,
    high: f64,
    f_high: f64,
    /// The value at the end of the step, whose sign is that of the far side.
    after: f64,
    /// Whether it was the high end that moved last.
    moved_high: Option<bool>,
    tried: usize,
    tolerance: f64,
}

impl Bracket {
    /// A whole step, from the values at its ends.
    pub(super) fn new(before: f64, after: f64, tolerance: f64) -> Self {
        Bracket {
            low: 0.0,
            f_low: before,
            high: 1.0,
            f_high: after,
            after,
            moved_high: None,
            tried: 0,
            tolerance,
        }
    }

    /// The fraction of the step up to the first place known to be beyond the zero.
    pub(super) fn high(&self) -> f64 {
        self.high
    }

    /// The fraction to try next, unless the zero is found.
    pub(super) fn middle(&self) -> Option<f64> {
        let (low, high) = (self.low, self.high);
        if self.tried >= 200 || high - low <= self.tolerance || self.f_high == 0.0 {
            return None;
        }
        let secant = high - self.f_high * (high - low) / (self.f_high - self.f_low);
        let usable = secant > low && secant < high && self.tried % 4 != 3;
        let middle = if usable { secant } else { 0.5 * (low + high) };
        (middle > low && middle < high).then_some(middle)
    }

    /// Takes the value at a fraction that was tried. Returns `true` if it is the new high end.
    pub(super) fn narrow(&mut self, middle: f64, f: f64) -> bool {
        self.tried += 1;
        // A step that fails is none that has crossed.
        let crossed = on_side(f, self.after);
        if crossed {
            (self.high, self.f_high) = (middle, f);
            if self.moved_high == Some(true) {
                self.f_low *= 0.5;
            }
        } else {
            self.low = middle;
            if !f.is_nan() {
                self.f_low = f;
            }
            if self.moved_high == Some(false) {
                self.f_high *= 0.5;
            }
        }
        self.moved_high = Some(crossed);
        crossed
    }
}

/// Whether a value is 0 or has the sign of another, which is not 0.
pub(super) fn on_side(value: f64, of: f64) -> bool {
    value == 0.0 || (!value.is_nan() && (value > 0.0) == (of > 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_found() {
        for (name, f, zero) in [
            ("line", (|s| s - 0.3) as fn(f64) -> f64, 0.3),
            ("falling", |s| 0.7 - s, 0.7),
            ("cube", |s| s * s * s - 0.001, 0.1),
            ("sign", |s| (s - 0.6f64).signum(), 0.6),
            (
                "gap",
                |s| {
                    if (0.2..0.4).contains(&s) {
                        f64::NAN
                    } else {
                        s - 0.5
                    }
                },
                0.5,
            ),
        ] {
            let mut bracket = Bracket::new(f(0.0), f(1.0), 1e-12);
            while let Some(middle) = bracket.middle() {
                bracket.narrow(middle, f(middle));
            }
            let high = bracket.high();
            assert!(
                (high - zero).abs() <= 1e-12 && on_side(f(high), f(1.0)),
                "{name}: {high}"
            );
            assert!(bracket.tried < 60, "{name}: {}", bracket.tried);
        }
    }
}
