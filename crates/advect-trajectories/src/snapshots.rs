//! Samples of a population at a few times.

use advect_core::{Error, Generator, Result, check};
use candle_core::{DType, Device, Tensor};
use rand_distr::StandardUniform;

use crate::Standardization;

/// The samples observed at one time, `(count, ...)`, with their weights and the mass of the population.
#[derive(Debug, Clone)]
pub struct Snapshot {
    time: f64,
    samples: Tensor,
    /// One for each sample, of sum 1; equal ones unless given.
    weights: Option<Vec<f64>>,
    mass: f64,
}

impl Snapshot {
    /// Returns the time.
    pub fn time(&self) -> f64 {
        self.time
    }

    /// Returns the samples, `(count, ...)`.
    pub fn samples(&self) -> &Tensor {
        &self.samples
    }

    /// Returns the number of samples.
    pub fn count(&self) -> usize {
        self.samples.dims()[0]
    }

    /// Returns the weights of the samples, of sum 1, unless they are equal.
    pub fn weights(&self) -> Option<&[f64]> {
        self.weights.as_deref()
    }

    /// Returns the mass of the population, 1 unless given.
    pub fn mass(&self) -> f64 {
        self.mass
    }

    /// Returns a batch of samples, drawn independently by their weights.
    ///
    /// # Errors
    /// [`Error::Range`] for an empty batch.
    pub fn draw(&self, batch: usize, rng: &mut Generator) -> Result<Tensor> {
        check::at_least_one("batch", batch)?;
        let uniform = rng.values(&StandardUniform, batch)?;
        let count = self.count();
        let indices: Vec<u32> = match &self.weights {
            None => (uniform.into_iter())
                .map(|u: f64| ((u * count as f64) as usize).min(count - 1) as u32)
                .collect(),
            Some(weights) => {
                let mut sum = 0.0;
                let sums = weights.iter().map(|w| {
                    sum += w;
                    sum
                });
                let sums: Vec<f64> = sums.collect();
                let place = |u: f64| {
                    let goal = (u * sum).min(sum.next_down());
                    sums.partition_point(|s| *s <= goal) as u32
                };
                uniform.into_iter().map(place).collect()
            }
        };
        let indices = Tensor::from_vec(indices, batch, &Device::Cpu)?;
        let indices = indices.to_device(self.samples.device())?;
        Ok(self.samples.index_select(&indices, 0)?)
    }
}

/// Samples of a population at two or more times, in any number at each: `X_1` at time t_1 to `X_K` at time t_K.
///
/// ```
/// use advect_trajectories::Snapshots;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let seen = |values: &[f64]| Tensor::new(values, &Device::Cpu)?.unsqueeze(1);
/// let snapshots = Snapshots::new(&[0.0, 24.0, 72.0], &[seen(&[1.0, 2.0])?, seen(&[5.0])?, seen(&[8.0, 9.0, 9.5])?])?;
/// assert_eq!((snapshots.len(), snapshots.at(2).count()), (3, 3));
/// // One time is left out, to see how well it is predicted from the others.
/// let (kept, left_out) = snapshots.without(1)?;
/// assert_eq!((kept.times(), left_out.time()), (vec![0.0, 72.0], 24.0));
/// # Ok(())
/// # }
/// ```
///
/// Samples are tensors from anywhere: [`from_table`](Snapshots::from_table) takes what `read_csv` of `advect-data` returns, and each array of
/// numpy is a snapshot's samples by its `read_npy`. Populations under several conditions, such as treatments, are several `Snapshots`:
/// samples of different conditions are never paired, and a network that takes the condition is trained on the sum of their losses.
#[doc(alias = "time course")]
#[doc(alias = "cross-section")]
#[doc(alias = "single cell")]
#[derive(Debug, Clone)]
pub struct Snapshots {
    snapshots: Vec<Snapshot>,
}

impl Snapshots {
    /// Creates snapshots from times and the samples at each of them: floats of one dtype on one device, `(count, ...)` with
    /// any count.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there are samples for each time, all of one shape; [`Error::Range`] for fewer than two times, and
    /// for times that don't rise; `Empty`, `DType`, `Device` and `NonFinite` errors that name the time.
    pub fn new(times: &[f64], samples: &[Tensor]) -> Result<Self> {
        if samples.len() != times.len() {
            let accepted = format!("({},), samples for each time", times.len());
            return Err(Error::shape("samples", &[samples.len()], accepted));
        }
        if times.len() < 2 {
            let given = format!("{} times", times.len());
            return Err(Error::range("times", given, "two times or more"));
        }
        for (k, &time) in times.iter().enumerate() {
            check::finite_number("times", time)?;
            if k > 0 && time <= times[k - 1] {
                let given = format!("{time} after {}", times[k - 1]);
                return Err(Error::range("times", given, "times that rise"));
            }
        }
        let first = &samples[0];
        for (time, x) in times.iter().zip(samples) {
            let named = |error: Error| Error::stopped(format!("time {time}"), error.to_string());
            check::batch("samples", x).map_err(named)?;
            check::float("samples", x).map_err(named)?;
            check::same_kind("samples", x, "the first ones", first).map_err(named)?;
            if x.dims()[1..] != first.dims()[1..] {
                let shape = &first.dims()[1..];
                let accepted = format!(
                    "(count, …) with {shape:?} for each sample, as at time {}",
                    times[0]
                );
                return Err(named(Error::shape("samples", x.dims(), accepted)));
            }
            check::finite("samples", x).map_err(named)?;
        }
        let snapshot = |(time, x): (&f64, &Tensor)| Snapshot {
            time: *time,
            samples: x.detach(),
            weights: None,
            mass: 1.0,
        };
        Ok(Snapshots {
            snapshots: times.iter().zip(samples).map(snapshot).collect(),
        })
    }

    /// Creates snapshots from a table `(rows, 1 + dimensions)` with the time of each row in its first column, as a file of
    /// comma-separated values would have it. The rows may be in any order.
    ///
    /// ```
    /// use advect_trajectories::Snapshots;
    /// use candle_core::{Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// let table = Tensor::new(&[[24f64, 7.0], [0.0, 1.0], [24.0, 9.0]], &Device::Cpu)?;
    /// let snapshots = Snapshots::from_table(&table)?;
    /// assert_eq!(snapshots.at(1).samples().to_vec2::<f64>()?, [[7.0], [9.0]]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] for another shape; the errors of [`Snapshots::new`].
    pub fn from_table(table: &Tensor) -> Result<Self> {
        check::batch("table", table)?;
        check::float("table", table)?;
        if table.rank() != 2 || table.dims()[1] < 2 {
            let accepted = "(rows, 1 + dimensions)";
            return Err(Error::shape("table", table.dims(), accepted));
        }
        let column = table.narrow(1, 0, 1)?.squeeze(1)?;
        let of_rows = column.to_dtype(DType::F64)?.to_vec1::<f64>()?;
        if let Some(time) = of_rows.iter().find(|t| !t.is_finite()) {
            return Err(Error::range("times", time, "finite times"));
        }
        let mut times = of_rows.clone();
        times.sort_by(f64::total_cmp);
        times.dedup();
        let samples = table.narrow(1, 1, table.dims()[1] - 1)?.contiguous()?;
        let at = |time: &f64| -> Result<Tensor> {
            let rows = of_rows.iter().enumerate().filter(|(_, t)| *t == time);
            let rows: Vec<u32> = rows.map(|(i, _)| i as u32).collect();
            let count = rows.len();
            let rows = Tensor::from_vec(rows, count, table.device())?;
            Ok(samples.index_select(&rows, 0)?)
        };
        let samples: Vec<Tensor> = times.iter().map(at).collect::<Result<_>>()?;
        Self::new(&times, &samples)
    }

    /// Sets the weights of the samples of the k-th snapshot: none below 0. They are divided by their sum.
    ///
    /// # Errors
    /// [`Error::Range`] for another k and for other weights; [`Error::Shape`] unless there is one for each sample.
    pub fn weighted(mut self, k: usize, weights: &[f64]) -> Result<Self> {
        let snapshot = self.checked_mut(k)?;
        let count = snapshot.count();
        if weights.len() != count {
            let accepted = format!("({count},), one for each sample");
            return Err(Error::shape("weights", &[weights.len()], accepted));
        }
        for &weight in weights {
            check::non_negative("weights", weight)?;
        }
        let sum = check::positive("the sum of weights", weights.iter().sum())?;
        snapshot.weights = Some(weights.iter().map(|w| w / sum).collect());
        Ok(self)
    }

    /// Sets the masses of the population at each time: its size, in any unit, of which the samples are a part.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is one for each time, [`Error::Range`] unless they are above 0.
    #[doc(alias = "growth")]
    pub fn masses(mut self, masses: &[f64]) -> Result<Self> {
        if masses.len() != self.len() {
            let accepted = format!("({},), one for each time", self.len());
            return Err(Error::shape("masses", &[masses.len()], accepted));
        }
        for (snapshot, &mass) in self.snapshots.iter_mut().zip(masses) {
            snapshot.mass = check::positive("masses", mass)?;
        }
        Ok(self)
    }

    /// Returns the number of times.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.snapshots.len()
    }

    /// Returns the k-th snapshot.
    ///
    /// # Panics
    /// Unless `k` is below [`Snapshots::len`].
    pub fn at(&self, k: usize) -> &Snapshot {
        &self.snapshots[k]
    }

    /// Returns the snapshots in the order of their times.
    pub fn iter(&self) -> std::slice::Iter<'_, Snapshot> {
        self.snapshots.iter()
    }

    /// Returns the times.
    pub fn times(&self) -> Vec<f64> {
        self.snapshots.iter().map(Snapshot::time).collect()
    }

    /// Returns the same snapshots at other times, such as their numbers `0, 1, …`.
    ///
    /// # Errors
    /// As [`Snapshots::new`].
    pub fn at_times(mut self, times: &[f64]) -> Result<Self> {
        let samples: Vec<Tensor> = self.iter().map(|s| s.samples.clone()).collect();
        Self::new(times, &samples)?;
        for (snapshot, &time) in self.snapshots.iter_mut().zip(times) {
            snapshot.time = time;
        }
        Ok(self)
    }

    /// Returns the snapshots without the k-th one, and that one.
    ///
    /// # Errors
    /// [`Error::Range`] for the first and the last one, which could only be extrapolated, and if fewer than two would be left:
    /// make snapshots of the others by [`Snapshots::new`] to extrapolate.
    pub fn without(&self, k: usize) -> Result<(Self, Snapshot)> {
        if k == 0 || k + 1 >= self.len() {
            let accepted = format!(
                "one between the first and the last, 0 and {}",
                self.len() - 1
            );
            return Err(Error::range("k", k, accepted));
        }
        let mut kept = self.clone();
        let left_out = kept.snapshots.remove(k);
        Ok((kept, left_out))
    }

    /// Returns the snapshots with mean 0 and deviation 1 in each coordinate, over the samples of all times together, and
    /// the map from the original to these.
    ///
    /// # Errors
    /// As [`Standardization::of`].
    #[doc(alias = "whiten")]
    #[doc(alias = "z-score")]
    pub fn standardized(&self) -> Result<(Self, Standardization)> {
        let all: Vec<&Tensor> = self.snapshots.iter().map(Snapshot::samples).collect();
        let map = Standardization::of(&Tensor::cat(&all, 0)?)?;
        let mut standardized = self.clone();
        for snapshot in &mut standardized.snapshots {
            snapshot.samples = map.apply(&snapshot.samples)?;
        }
        Ok((standardized, map))
    }

    fn checked_mut(&mut self, k: usize) -> Result<&mut Snapshot> {
        let count = self.len();
        self.snapshots
            .get_mut(k)
            .ok_or_else(|| Error::range("k", k, format!("a snapshot's number below {count}")))
    }
}
