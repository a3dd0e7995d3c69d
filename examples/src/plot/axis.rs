//! Axes with ticks.

use std::ops::Range;

/// The range of a coordinate, its scale and its name.
///
/// ```
/// use advect_examples::plot::Axis;
/// let places: Vec<f64> = Axis::linear(-2.4..2.4).ticks().into_iter().map(|(x, _)| x).collect();
/// assert_eq!(places, [-2.0, -1.0, 0.0, 1.0, 2.0]);
/// let names: Vec<String> = Axis::log(0.5..2e3).ticks().into_iter().map(|(_, name)| name).collect();
/// assert_eq!(names, ["1", "10", "100", "1000"]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    range: Range<f64>,
    logarithmic: bool,
    pub(crate) name: String,
}

impl Axis {
    /// A linear axis without a name.
    pub fn linear(range: Range<f64>) -> Self {
        Axis {
            range,
            logarithmic: false,
            name: String::new(),
        }
    }

    /// A logarithmic axis without a name. Numbers that are not positive have no place on it.
    pub fn log(range: Range<f64>) -> Self {
        Axis {
            logarithmic: true,
            ..Axis::linear(range)
        }
    }

    /// One that holds all these numbers and a little more: a twentieth of their range on each side, or of their ratio.
    pub fn log_around(values: impl IntoIterator<Item = f64>) -> Self {
        let positive = values.into_iter().filter(|x| *x > 0.0 && x.is_finite());
        let (low, high) = positive.fold((f64::INFINITY, 0f64), |(a, b), x| (a.min(x), b.max(x)));
        if low > high {
            return Axis::log(0.1..10.0);
        }
        let room = (high / low).powf(0.05).max(1.3);
        Axis::log(low / room..high * room)
    }

    /// With a name.
    pub fn named(self, name: &str) -> Self {
        Axis {
            name: name.to_string(),
            ..self
        }
    }

    /// The share of the way from one end to the other at which a number is; none where it has no place.
    pub(crate) fn share(&self, x: f64) -> Option<f64> {
        let scaled = |x: f64| if self.logarithmic { x.log10() } else { x };
        let (low, high) = (scaled(self.range.start), scaled(self.range.end));
        Some((scaled(x) - low) / (high - low)).filter(|share| share.is_finite())
    }

    /// The places of ticks and their names.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        let Range { start, end } = self.range;
        if self.logarithmic {
            return decades(start, end);
        }
        let rough = (end - start) / 5.0;
        let unit = 10f64.powf(rough.log10().floor());
        let multiples = [1.0, 2.0, 5.0, 10.0];
        let nice = multiples.into_iter().find(|m| m * unit >= 0.999 * rough);
        let step = unit * nice.unwrap_or(10.0);
        let decimals = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
        let first = (start / step - 1e-9).ceil() as i64;
        let last = (end / step + 1e-9).floor() as i64;
        let tick = |i: i64| (i as f64 * step, format!("{:.decimals$}", i as f64 * step));
        (first..=last.min(first + 20)).map(tick).collect()
    }
}

/// Powers of ten, or every second one, and so on, where there are many.
fn decades(start: f64, end: f64) -> Vec<(f64, String)> {
    let first = (start.log10() - 1e-9).ceil() as i32;
    let last = (end.log10() + 1e-9).floor() as i32;
    let every = ((last - first) / 6 + 1).max(1) as usize;
    let name = |power: i32| match power {
        -2..=4 => format!("{}", 10f64.powi(power)),
        _ => format!("1e{power}"),
    };
    let ticks = (first..=last).step_by(every);
    let ticks: Vec<_> = ticks.map(|p| (10f64.powi(p), name(p))).collect();
    if ticks.len() > 2 {
        return ticks;
    }
    // About two decades or less: at 1, 2 and 5 of each.
    let places = (first - 1..=last).flat_map(|p| [1.0, 2.0, 5.0].map(|m| m * 10f64.powi(p)));
    let inside = places.filter(|x| (start..=end).contains(x));
    inside
        .map(|x| (x, format!("{}", (x * 1e9).round() / 1e9)))
        .collect()
}
