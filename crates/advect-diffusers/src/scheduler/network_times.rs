//! The times that diffusers passes to a network.

use advect_core::Result;
use advect_paths::schedule::{DiscreteDiffusion, Schedule};
use advect_paths::time_map::{DiscreteTimes, LinearTime, TimeMap};

/// The time input of a network of a [`Scheduler`](crate::Scheduler): a step of training from 0 to T − 1, with fractions between
/// them as the scheduler counts them, or a multiple of the noise.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkTimes(Kind);

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Steps(DiscreteTimes),
    Linear(LinearTime),
    Ratios(Ratios),
}

/// Fractions of steps by the ratio `σ/α`, or its logarithm, in a table.
#[derive(Debug, Clone, PartialEq)]
struct Ratios {
    schedule: DiscreteDiffusion,
    /// Rising, at the timesteps 0 … T − 1.
    table: Vec<f64>,
    logarithms: bool,
    whole: Whole,
}

/// What is done to places between steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    /// They stay.
    No,
    /// They become the nearest steps.
    Nearest,
    /// They become the steps before.
    Below,
}

impl NetworkTimes {
    /// The indices of steps.
    pub(super) fn steps(trained: usize) -> Result<Self> {
        Ok(NetworkTimes(Kind::Steps(DiscreteTimes::steps(trained)?)))
    }

    /// A number at pure noise, and 0 at the data.
    pub(super) fn falling(from: f64) -> Result<Self> {
        Ok(NetworkTimes(Kind::Linear(LinearTime::between(from, 0.0)?)))
    }

    /// Places between steps by linear interpolation of the ratios.
    pub(super) fn by_ratio(schedule: &DiscreteDiffusion, ratios: &[f64]) -> Self {
        NetworkTimes(Kind::Ratios(Ratios {
            schedule: schedule.clone(),
            table: ratios.to_vec(),
            logarithms: false,
            whole: Whole::No,
        }))
    }

    /// Places between steps by linear interpolation of the ratios' logarithms.
    pub(super) fn by_logarithm(schedule: &DiscreteDiffusion, ratios: &[f64], whole: Whole) -> Self {
        NetworkTimes(Kind::Ratios(Ratios {
            schedule: schedule.clone(),
            table: ratios.iter().map(|ratio| ratio.ln()).collect(),
            logarithms: true,
            whole,
        }))
    }
}

impl Ratios {
    /// The place in the table, and its slope in the logarithm of the ratio.
    fn place(&self, t: f64) -> (f64, f64) {
        let log = -0.5 * self.schedule.log_snr(t);
        let (value, slope) = match self.logarithms {
            true => (log, 1.0),
            false => (log.exp(), log.exp()),
        };
        let last = self.table.len() - 1;
        let above = self.table.partition_point(|&x| x < value);
        if above == 0 || above > last {
            return (above.min(last) as f64, 0.0);
        }
        let (low, high) = (self.table[above - 1], self.table[above]);
        let part = (value - low) / (high - low);
        let place = (above - 1) as f64 + part;
        // On a step, whatever rounding took.
        let place = match (place - place.round()).abs() < 1e-9 * (1.0 + place) {
            true => place.round(),
            false => place,
        };
        (place, slope / (high - low))
    }
}

impl TimeMap for NetworkTimes {
    fn at(&self, t: f64) -> f64 {
        match &self.0 {
            Kind::Steps(map) => map.at(t),
            Kind::Linear(map) => map.at(t),
            Kind::Ratios(map) => match map.whole {
                Whole::No => map.place(t).0,
                Whole::Nearest => map.place(t).0.round_ties_even(),
                Whole::Below => map.place(t).0.floor(),
            },
        }
    }

    fn slope(&self, t: f64) -> f64 {
        match &self.0 {
            Kind::Steps(map) => map.slope(t),
            Kind::Linear(map) => map.slope(t),
            Kind::Ratios(map) if map.whole != Whole::No => 0.0,
            Kind::Ratios(map) => {
                let s = &map.schedule;
                let log_slope = s.sigma_d_sigma(t) / s.sigma(t).powi(2) - s.d_alpha(t) / s.alpha(t);
                match map.place(t).1 {
                    0.0 => 0.0,
                    slope => slope * log_slope,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use advect_core::testing::derivative;

    use super::*;

    #[test]
    fn places_between_steps_are_interpolated() {
        let schedule = DiscreteDiffusion::default();
        let ratio = |k: usize| (-0.5 * schedule.log_snr(schedule.time(k))).exp();
        let ratios: Vec<f64> = (1..=1000).map(ratio).collect();
        let maps = [
            NetworkTimes::by_ratio(&schedule, &ratios),
            NetworkTimes::by_logarithm(&schedule, &ratios, Whole::No),
            NetworkTimes::by_logarithm(&schedule, &ratios, Whole::Nearest),
            NetworkTimes::by_logarithm(&schedule, &ratios, Whole::Below),
        ];
        for (i, map) in maps.iter().enumerate() {
            for k in [1, 2, 3, 17, 500, 999, 1000] {
                assert_eq!(map.at(schedule.time(k)), (k - 1) as f64, "{i}");
            }
            assert_eq!((map.at(1.0), map.slope(1.0)), (0.0, 0.0));
            let middle = match i {
                0 => 0.5 * (ratios[4] + ratios[5]),
                _ => (ratios[4] * ratios[5]).sqrt(),
            };
            let t = schedule.time_at_log_snr(-2.0 * middle.ln());
            let (place, middle) = (map.at(t), 4.5);
            match i {
                2 => assert!(place == 4.0 || place == 5.0),
                3 => assert_eq!(place, 4.0),
                _ => assert!((place - middle).abs() < 1e-9),
            }
        }
        for map in &maps[..2] {
            let t = 0.71234;
            let slope = derivative(|t| map.at(t), t, 1e-7);
            assert!((map.slope(t) / slope - 1.0).abs() < 1e-5);
        }
    }
}
