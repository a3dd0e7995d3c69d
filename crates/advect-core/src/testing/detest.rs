//! The 25 nonstiff problems of DETEST (Hull, Enright, Fellen and Sedgwick, Comparing numerical methods for ordinary
//! differential equations, SIAM J. Numer. Anal. 9, 1972), each from t = 0 to [`END`].

use candle_core::Tensor;

use super::device;
use crate::{Error, Field, Result, Time};

/// The time at which every problem ends.
pub const END: f64 = 20.0;

/// A problem of DETEST, on states `(1, n)` in f64.
///
/// ```
/// use advect_core::testing::detest;
/// # fn main() -> advect_core::Result<()> {
/// let problems = detest::problems();
/// assert_eq!((problems.len(), problems[0].name, problems[24].name), (25, "A1", "E5"));
/// assert_eq!(problems[13].start()?.dims(), [1, 51]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Detest {
    /// The name, from A1 to E5.
    pub name: &'static str,
    start: Vec<f64>,
    slope: Slope,
}

type Slope = fn(f64, &[f64]) -> Vec<f64>;

impl Detest {
    /// Returns the state at t = 0, on the [`device`] of tests.
    ///
    /// # Errors
    /// Errors of candle.
    pub fn start(&self) -> Result<Tensor> {
        let n = self.start.len();
        Ok(Tensor::from_slice(&self.start, (1, n), device())?)
    }
}

impl Field for Detest {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        let Time::Shared(t) = t else {
            return Err(Error::range(
                "t",
                "one time per sample",
                "one time for all samples",
            ));
        };
        let values = x.flatten_all()?.to_vec1::<f64>()?;
        Ok(Tensor::from_vec(
            (self.slope)(*t, &values),
            x.shape(),
            x.device(),
        )?)
    }
}

/// Returns all problems, in order.
pub fn problems() -> Vec<Detest> {
    let problem = |name, start: &[f64], slope| Detest {
        name,
        start: start.to_vec(),
        slope,
    };
    let unit = |n: usize| -> Vec<f64> { (0..n).map(|i| f64::from(u8::from(i == 0))).collect() };
    let orbit = |e: f64| [1.0 - e, 0.0, 0.0, ((1.0 + e) / (1.0 - e)).sqrt()];
    vec![
        problem("A1", &[1.0], |_, y| vec![-y[0]]),
        problem("A2", &[1.0], |_, y| vec![-0.5 * y[0].powi(3)]),
        problem("A3", &[1.0], |t, y| vec![y[0] * t.cos()]),
        problem("A4", &[1.0], |_, y| vec![0.25 * y[0] * (1.0 - y[0] / 20.0)]),
        problem("A5", &[4.0], |t, y| vec![(y[0] - t) / (y[0] + t)]),
        problem("B1", &[1.0, 3.0], |_, y| {
            vec![2.0 * (y[0] - y[0] * y[1]), -(y[1] - y[0] * y[1])]
        }),
        problem("B2", &[2.0, 0.0, 1.0], |_, y| {
            vec![-y[0] + y[1], y[0] - 2.0 * y[1] + y[2], y[1] - y[2]]
        }),
        problem("B3", &[1.0, 0.0, 0.0], |_, y| {
            vec![-y[0], y[0] - y[1] * y[1], y[1] * y[1]]
        }),
        problem("B4", &[3.0, 0.0, 0.0], |_, y| {
            let r = y[0].hypot(y[1]);
            vec![-y[1] - y[0] * y[2] / r, y[0] - y[1] * y[2] / r, y[0] / r]
        }),
        problem("B5", &[0.0, 1.0, 1.0], |_, y| {
            vec![y[1] * y[2], -y[0] * y[2], -0.51 * y[0] * y[1]]
        }),
        problem("C1", &unit(10), |_, y| chain(y, |_| 1.0)),
        problem("C2", &unit(10), |_, y| chain(y, |i| i as f64)),
        problem("C3", &unit(10), diffusion),
        problem("C4", &unit(51), diffusion),
        problem("C5", &PLANETS.concat(), planets),
        problem("D1", &orbit(0.1), kepler),
        problem("D2", &orbit(0.3), kepler),
        problem("D3", &orbit(0.5), kepler),
        problem("D4", &orbit(0.7), kepler),
        problem("D5", &orbit(0.9), kepler),
        problem("E1", &[0.671396707141803, 0.09540051444747446], |t, y| {
            let s = t + 1.0;
            vec![y[1], -(y[1] / s + (1.0 - 0.25 / (s * s)) * y[0])]
        }),
        problem("E2", &[2.0, 0.0], |_, y| {
            vec![y[1], (1.0 - y[0] * y[0]) * y[1] - y[0]]
        }),
        problem("E3", &[0.0, 0.0], |t, y| {
            vec![y[1], y[0].powi(3) / 6.0 - y[0] + 2.0 * (2.78535 * t).sin()]
        }),
        problem("E4", &[30.0, 0.0], |_, y| {
            vec![y[1], 0.032 - 0.4 * y[1] * y[1]]
        }),
        problem("E5", &[0.0, 0.0], |t, y| {
            vec![y[1], y[1].hypot(1.0) / (25.0 - t)]
        }),
    ]
}

/// A chain of decays, the i-th at a rate; the last one only gathers.
fn chain(y: &[f64], rate: fn(usize) -> f64) -> Vec<f64> {
    let last = y.len() - 1;
    let gain = |i: usize| if i == 0 { 0.0 } else { rate(i) * y[i - 1] };
    let loss = |i: usize| if i == last { 0.0 } else { rate(i + 1) * y[i] };
    (0..=last).map(|i| gain(i) - loss(i)).collect()
}

/// Heat on a rod whose ends are cold.
fn diffusion(_: f64, y: &[f64]) -> Vec<f64> {
    let at = |i: Option<usize>| i.and_then(|i| y.get(i)).copied().unwrap_or(0.0);
    (0..y.len())
        .map(|i| at(i.checked_sub(1)) - 2.0 * y[i] + at(Some(i + 1)))
        .collect()
}

/// Two bodies.
fn kepler(_: f64, y: &[f64]) -> Vec<f64> {
    let r = y[0].hypot(y[1]).powi(3);
    vec![y[2], y[3], -y[0] / r, -y[1] / r]
}

/// Positions of the five outer planets, then velocities; in astronomical units and hundreds of days.
const PLANETS: [[f64; 3]; 10] = [
    [3.42947415189, 3.35386959711, 1.35494901715],
    [6.6414554255, 5.97156957878, 2.18231499728],
    [11.2630437207, 14.6952576794, 6.27960525067],
    [-30.1552268759, 1.65699966404, 1.43785752721],
    [-21.123835338, 28.4465098142, 15.3882659679],
    [-0.557160570446, 0.505696783289, 0.230578543901],
    [-0.415570776342, 0.365682722812, 0.169143213293],
    [-0.325325669158, 0.189706021964, 0.087726532278],
    [-0.024047625417, -0.287659532608, -0.117219543175],
    [-0.176860753121, -0.216393453025, -0.014864789309],
];
/// Their masses, in that of the sun.
const MASSES: [f64; 5] = [
    0.000954786104043,
    0.000285583733151,
    0.0000437273164546,
    0.0000517759138449,
    0.00000277777777778,
];
/// The gravitational constant, and the mass of the sun and the inner planets.
const GRAVITY: f64 = 2.95912208286;
const SUN: f64 = 1.00000597682;

/// The five outer planets around the sun.
fn planets(_: f64, y: &[f64]) -> Vec<f64> {
    let position = |j: usize| [y[3 * j], y[3 * j + 1], y[3 * j + 2]];
    let cubed = |r: [f64; 3]| (r[0] * r[0] + r[1] * r[1] + r[2] * r[2]).powf(1.5);
    let mut slope = y[15..].to_vec();
    for (j, mass) in MASSES.iter().enumerate() {
        let own = position(j);
        for i in 0..3 {
            let mut pull = -(SUN + mass) * own[i] / cubed(own);
            for k in (0..5).filter(|&k| k != j) {
                let other = position(k);
                let apart = std::array::from_fn(|i| other[i] - own[i]);
                pull += MASSES[k] * (apart[i] / cubed(apart) - other[i] / cubed(other));
            }
            slope.push(GRAVITY * pull);
        }
    }
    slope
}
