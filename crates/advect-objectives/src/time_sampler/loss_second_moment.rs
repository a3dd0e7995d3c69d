//! Times drawn by the sizes of their losses (Nichol and Dhariwal, Improved denoising diffusion probabilistic models,
//! 2021, eq. 18).

use std::collections::{BTreeMap, HashMap};

use advect_core::{Coefficient, Error, Generator, Result, check};
use candle_core::{DType, Device, Tensor};
use rand_distr::StandardUniform;

use super::{Levels, TimeSampler};
use crate::weighting::Weighting;

/// The number of losses that are remembered for each time.
const KEPT: usize = 10;

/// The share of the draws that are uniform, so that no time is forgotten and no weight is infinite.
const UNIFORM: f64 = 1e-3;

/// Times from a finite set, drawn in proportion to the root mean square of their last ten losses, `p_k ∝ √E[L_k²]`. They
/// are uniform until each time has had ten.
///
/// Losses over `T p_k` have the mean of losses at uniform times, and the least variance. That is what the variational
/// bound needs, whose losses are of very different sizes. A thousandth of the draws stay uniform, as in the authors'
/// code.
///
/// Draw times, find the losses there, and exchange them for weighted ones, which tells them to the sampler:
///
/// ```
/// use advect_core::{Generator, field_fn};
/// use advect_objectives::objective::VariationalBound;
/// use advect_objectives::time_sampler::{Levels, LossSecondMoment, TimeSampler};
/// use advect_objectives::weighting::Weighting;
/// use advect_paths::schedule::DiscreteDiffusion;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let schedule = DiscreteDiffusion::linear(4, 0.01, 0.5)?;
/// let bound = VariationalBound::new(schedule.clone());
/// let mut times = LossSecondMoment::new(&Levels::of_steps(&schedule))?;
/// let net = field_fn(|_, x| Ok(x.zeros_like()?));
/// let mut rng = Generator::from_seed(0);
/// for _ in 0..10 {
///     let noise = rng.normal((32, 2), DType::F32, &Device::Cpu)?;
///     let drawn = times.sample(32, &mut rng)?;
///     let losses = bound.losses_at(&net, &noise, &noise.zeros_like()?, &drawn)?;
///     let loss = times.exchange(&drawn, &losses)?.mean_all()?; // to call backward on
///     # let _ = loss;
/// }
/// // The losses of a step count less, the more often it is drawn.
/// let chances = [1, 2, 3, 4].map(|k| times.probability(schedule.time(k)));
/// assert!((chances.iter().sum::<f64>() - 1.0).abs() < 1e-12);
/// assert!((times.weight(schedule.time(2)) - 1.0 / (4.0 * chances[1])).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
///
/// What it remembers is [`state`](LossSecondMoment::state), which fits a part of a checkpoint.
#[doc(alias = "loss-second-moment resampler")]
#[doc(alias = "LossSecondMomentResampler")]
#[doc(alias = "importance sampling")]
#[derive(Debug, Clone, PartialEq)]
pub struct LossSecondMoment {
    times: Vec<f64>,
    /// The place of a time, by its bits.
    places: HashMap<u64, usize>,
    /// The last losses of each time, the oldest first.
    losses: Vec<Vec<f64>>,
}

impl LossSecondMoment {
    /// Creates the sampler of a set of times.
    ///
    /// # Errors
    /// [`Error::Range`] for a time that is in it twice.
    pub fn new(levels: &Levels) -> Result<Self> {
        let times: Vec<f64> = levels.times().iter().map(|t| t + 0.0).collect();
        let mut places = HashMap::with_capacity(times.len());
        for (place, time) in times.iter().enumerate() {
            if places.insert(time.to_bits(), place).is_some() {
                let given = format!("{time} twice");
                return Err(Error::range("levels", given, "different times"));
            }
        }
        Ok(LossSecondMoment {
            losses: vec![Vec::new(); times.len()],
            places,
            times,
        })
    }

    /// Returns `true` if each time has had ten losses, so that times are no longer uniform.
    pub fn is_warm(&self) -> bool {
        self.losses.iter().all(|losses| losses.len() == KEPT)
    }

    /// Returns the chance of a time, which is 0 for one that is not in the set.
    pub fn probability(&self, t: f64) -> f64 {
        match self.place(t) {
            Ok(place) => self.probabilities()[place],
            Err(_) => 0.0,
        }
    }

    /// Returns losses at drawn times, `(batch,)`, with the weights of [`Weighting::weight`], and remembers the losses
    /// themselves.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is a loss for each time, [`Error::Range`] for a time that is not in the set,
    /// [`Error::NonFinite`] for NaN and infinities. Nothing is remembered then.
    pub fn exchange(&mut self, times: &[f64], losses: &Tensor) -> Result<Tensor> {
        if losses.dims() != [times.len()] {
            let accepted = format!("({},), a loss for each time", times.len());
            return Err(Error::shape("losses", losses.dims(), accepted));
        }
        check::finite("losses", losses)?;
        let places = times.iter().map(|&t| self.place(t));
        let places: Vec<usize> = places.collect::<Result<_>>()?;
        let probabilities = self.probabilities();
        let weight = |place: &usize| self.weight_of(probabilities[*place]);
        let weighted = Coefficient::PerSample(places.iter().map(weight).collect()).times(losses)?;
        let values = losses.detach().to_dtype(DType::F64)?.to_vec1()?;
        for (place, value) in places.into_iter().zip(values) {
            let losses = &mut self.losses[place];
            if losses.len() == KEPT {
                losses.remove(0);
            }
            losses.push(value);
        }
        Ok(weighted)
    }

    /// Returns the memory as named tensors, for a part of a checkpoint: the losses of each time, the oldest first,
    /// and their counts.
    ///
    /// # Errors
    /// The errors of candle.
    #[doc(alias = "state_dict")]
    pub fn state(&self) -> Result<BTreeMap<String, Tensor>> {
        let padded = self.losses.iter().flat_map(|losses| {
            let rest = std::iter::repeat_n(0.0, KEPT - losses.len());
            losses.iter().copied().chain(rest)
        });
        let padded: Vec<f64> = padded.collect();
        let counts: Vec<u32> = self.losses.iter().map(|l| l.len() as u32).collect();
        let count = self.times.len();
        Ok(BTreeMap::from([
            (
                "losses".into(),
                Tensor::from_vec(padded, (count, KEPT), &Device::Cpu)?,
            ),
            (
                "counts".into(),
                Tensor::from_vec(counts, count, &Device::Cpu)?,
            ),
        ]))
    }

    /// Replaces the memory by the state of a sampler with the same number of times.
    ///
    /// # Errors
    /// [`Error::Range`] for a tensor that is missing, and for a count above ten; [`Error::Shape`] and [`Error::DType`]
    /// for one that does not fit.
    #[doc(alias = "load_state_dict")]
    pub fn restore(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        let own = self.state()?;
        let fitting = |name: &'static str| {
            let missing = || Error::range("state", format!("no tensor \"{name}\""), "one");
            let (given, own) = (state.get(name).ok_or_else(missing)?, &own[name]);
            let given = given.to_device(&Device::Cpu)?;
            check::alike(name, &given, "the sampler's own", own)?;
            Ok::<_, Error>(given)
        };
        let losses = fitting("losses")?;
        check::finite("losses", &losses)?;
        let counts = fitting("counts")?.to_vec1::<u32>()?;
        if let Some(bad) = counts.iter().find(|&&count| count as usize > KEPT) {
            return Err(Error::range("counts", bad, format!("at most {KEPT}")));
        }
        let rows = losses.to_vec2::<f64>()?.into_iter().zip(counts);
        let kept = |(row, count): (Vec<f64>, u32)| row[..count as usize].to_vec();
        self.losses = rows.map(kept).collect();
        Ok(())
    }

    /// The place of a time.
    fn place(&self, t: f64) -> Result<usize> {
        let found = self.places.get(&(t + 0.0).to_bits()).copied();
        found.ok_or_else(|| Error::range("times", t, "a time of the sampler's set"))
    }

    /// The chances of all times.
    fn probabilities(&self) -> Vec<f64> {
        let uniform = 1.0 / self.times.len() as f64;
        let moment = |losses: &Vec<f64>| {
            let squares: f64 = losses.iter().map(|l| l * l).sum();
            (squares / KEPT as f64).sqrt()
        };
        let moments: Vec<f64> = self.losses.iter().map(moment).collect();
        let sum: f64 = moments.iter().sum();
        match self.is_warm() && sum > 0.0 && sum.is_finite() {
            true => (moments.into_iter())
                .map(|m| (1.0 - UNIFORM) * m / sum + UNIFORM * uniform)
                .collect(),
            false => vec![uniform; self.times.len()],
        }
    }

    fn weight_of(&self, probability: f64) -> f64 {
        1.0 / (self.times.len() as f64 * probability)
    }
}

impl TimeSampler for LossSecondMoment {
    fn sample(&self, batch: usize, rng: &mut Generator) -> Result<Vec<f64>> {
        let mut sum = 0.0;
        let up_to = |p: f64| {
            sum += p;
            sum
        };
        let sums: Vec<f64> = self.probabilities().into_iter().map(up_to).collect();
        let last = self.times.len() - 1;
        // The sum of all may be rounded below 1.
        let time = |u: f64| self.times[sums.partition_point(|&s| s <= u).min(last)];
        let uniform = rng.values(&StandardUniform, batch)?;
        Ok(uniform.into_iter().map(time).collect())
    }
}

impl Weighting for LossSecondMoment {
    /// Returns `1/(T p)`, which is infinite for a time that is not in the set.
    fn weight(&self, t: f64) -> f64 {
        self.weight_of(self.probability(t))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warmed(sizes: [f64; 3]) -> LossSecondMoment {
        let levels = Levels::evenly_spaced(3).unwrap();
        let mut times = LossSecondMoment::new(&levels).unwrap();
        for round in 0..12 {
            // The first two are forgotten; the signs of the others alternate.
            let sign = if round % 2 == 0 { 1.0 } else { -1.0 };
            let scale = if round < 2 { 100.0 } else { sign };
            let losses = sizes.map(|s| s * scale * (1.0 + 0.1 * f64::from(round)));
            let losses = Tensor::new(&losses, &Device::Cpu).unwrap();
            assert_eq!(times.is_warm(), round >= 10);
            times.exchange(&[0.0, 0.5, 1.0], &losses).unwrap();
        }
        times
    }

    #[test]
    fn probabilities_are_root_mean_squares_of_the_last_ten() {
        let times = warmed([1.0, 2.0, 5.0]);
        for (t, share) in [(0.0, 0.125), (0.5, 0.25), (1.0, 0.625)] {
            let expected = 0.999 * share + 0.001 / 3.0;
            assert!((times.probability(t) - expected).abs() < 1e-14);
            assert!((times.weight(t) - 1.0 / (3.0 * expected)).abs() < 1e-13);
        }
        let drawn = times.sample(40_000, &mut Generator::from_seed(1)).unwrap();
        for t in [0.0, 0.5, 1.0] {
            let share = drawn.iter().filter(|&&d| d == t).count() as f64 / 4e4;
            assert!((share - times.probability(t)).abs() < 0.01, "{t}: {share}");
        }
        // Losses of known means at each time: the weighted ones have their mean over all times.
        let value = |t: f64| 1.0 + 3.0 * t * t;
        let losses: Vec<f64> = drawn.iter().map(|&t| value(t)).collect();
        let losses = Tensor::new(losses, &Device::Cpu).unwrap();
        let weighted = times.clone().exchange(&drawn, &losses).unwrap();
        let mean = weighted.mean_all().unwrap().to_scalar::<f64>().unwrap();
        let expected = (value(0.0) + value(0.5) + value(1.0)) / 3.0;
        assert!(
            (mean - expected).abs() < 0.02 * expected,
            "{mean} {expected}"
        );
    }

    #[test]
    fn zeros_are_uniform_and_a_rare_time_is_not_forgotten() {
        assert!((warmed([0.0; 3]).probability(0.5) - 1.0 / 3.0).abs() < 1e-15);
        assert!((warmed([0.0, 1.0, 0.0]).probability(0.0) - 0.001 / 3.0).abs() < 1e-15);
    }

    #[test]
    fn a_restored_sampler_goes_on_as_the_first() {
        let mut first = warmed([1.0, 2.0, 5.0]);
        let levels = Levels::evenly_spaced(3).unwrap();
        let mut other = LossSecondMoment::new(&levels).unwrap();
        let one = Tensor::new(&[7f64], &Device::Cpu).unwrap();
        other.exchange(&[0.5], &one).unwrap();
        other.restore(&other.clone().state().unwrap()).unwrap();
        assert_eq!(other.losses[1], [7.0]);
        other.restore(&first.state().unwrap()).unwrap();
        assert_eq!(first, other);
        first.exchange(&[1.0], &one).unwrap();
        other.exchange(&[1.0], &one).unwrap();
        assert_eq!(first, other);
    }

    #[test]
    fn bad_input_is_a_typed_error_and_changes_nothing() {
        let mut times = warmed([1.0, 2.0, 5.0]);
        let before = times.clone();
        let losses = |values: &[f64]| Tensor::new(values, &Device::Cpu).unwrap();
        let nan = times.exchange(&[0.0, 0.5], &losses(&[1.0, f64::NAN]));
        assert!(matches!(nan, Err(Error::NonFinite { .. })));
        let unknown = times.exchange(&[0.0, 0.3], &losses(&[1.0, 1.0]));
        assert!(matches!(unknown, Err(Error::Range { argument, .. }) if argument == "times"));
        let short = times.exchange(&[0.0], &losses(&[1.0, 1.0]));
        assert!(matches!(short, Err(Error::Shape { .. })));
        let mut state = times.state().unwrap();
        let fewer = Tensor::zeros((2, KEPT), DType::F64, &Device::Cpu).unwrap();
        state.insert("losses".into(), fewer);
        assert!(matches!(times.restore(&state), Err(Error::Shape { .. })));
        state.remove("losses");
        assert!(matches!(times.restore(&state), Err(Error::Range { .. })));
        assert_eq!(times, before);
        let twice = Levels::new(vec![0.5, 0.5]).unwrap();
        assert!(LossSecondMoment::new(&twice).is_err());
    }
}
