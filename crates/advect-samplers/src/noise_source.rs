//! Noise that depends on the numbers of samples.

use std::ops::Range;

use advect_core::{Error, Generator, Key, Observer, Result, check};
use candle_core::{DType, Device, Tensor};

use crate::observer::StepInfo;
use crate::{AnyModel, Run, Sampler};

/// The noise of numbered samples: sample n starts with the same noise, and meets the same noise along its way,
/// independently of the other samples drawn with it. A set of samples can be drawn in pieces, on several machines,
/// or in part, and is the same set. It is the same to the last bit if the field's values don't depend on the batch,
/// as the values of Advect's MLP don't in batches of seven or more.
///
/// The start is `σ z` with standard normal z and σ of the sampler's first level: N(0, I) on paths from pure noise, and on
/// variance-preserving ones as far as they reach it. [`NoiseSource::sample_from`] starts from data with that noise.
///
/// ```
/// use advect_core::{Key, Time, field_fn};
/// use advect_paths::{Prediction, schedule::Cosine};
/// use advect_samplers::grid::UniformTime;
/// use advect_samplers::rule::{Ancestral, Rule};
/// use advect_samplers::{Model, NoiseSource, pieces};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let net = field_fn(|_, x| Ok((x * 0.5)?));
/// let model = Model::new(&net, Prediction::Data, &Cosine);
/// let sampler = Ancestral::new().on(UniformTime::new(10)?);
/// let source = NoiseSource::new(Key::from_seed(1), &[3, 2], DType::F32, &Device::Cpu)?;
///
/// let all = source.sample(&sampler, &model, 0..10)?;
/// assert_eq!(all.dims(), [10, 3, 2]);
/// let mut drawn = Vec::new();
/// for piece in pieces(0..10, 4)? {
///     // With labels, the model of these samples would be made here.
///     drawn.push(source.sample(&sampler, &model, piece)?);
/// }
/// let pieces = Tensor::cat(&drawn, 0)?;
/// assert_eq!(all.flatten_all()?.to_vec1::<f32>()?, pieces.flatten_all()?.to_vec1::<f32>()?);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "seed")]
#[doc(alias = "reproducible sampling")]
#[derive(Debug, Clone)]
pub struct NoiseSource {
    key: Key,
    shape: Vec<usize>,
    dtype: DType,
    device: Device,
}

impl NoiseSource {
    /// Creates the noise of samples of a shape, the batch excluded.
    ///
    /// # Errors
    /// [`Error::DType`] unless the dtype is a float, [`Error::Empty`] for samples without elements, [`Error::Range`] for more elements than
    /// fit the memory.
    pub fn new(key: Key, shape: &[usize], dtype: DType, device: &Device) -> Result<Self> {
        check::float_dtype("dtype", dtype)?;
        if shape.contains(&0) {
            return Err(Error::Empty {
                argument: "shape".into(),
            });
        }
        check::memory("shape", shape, DType::F64)?;
        Ok(NoiseSource {
            key,
            shape: shape.to_vec(),
            dtype,
            device: device.clone(),
        })
    }

    /// Returns standard normal noise of the samples with these numbers.
    ///
    /// # Errors
    /// [`Error::Empty`] without samples, [`Error::Range`] for more than fit the memory.
    pub fn noise(&self, samples: Range<u64>) -> Result<Tensor> {
        let count = samples.end.saturating_sub(samples.start);
        if count == 0 {
            return Err(Error::Empty {
                argument: "samples".into(),
            });
        }
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let dims = [&[count], &self.shape[..]].concat();
        check::memory("samples", &dims, DType::F64)?;
        let like = Tensor::zeros((), self.dtype, &self.device)?.broadcast_as(dims)?;
        Generator::from(self.key.child(0)).normal_by_sample(samples.start, &like)
    }

    /// Returns the run of samples numbered from `first` on, to count evaluations or to start from your own states, for example.
    pub fn run<'a>(&self, model: &'a dyn AnyModel, first: u64) -> Run<'a> {
        self.run_of(model, first)
    }

    /// Returns the run of samples numbered from `first` on with a model of any type, such as one between two laws.
    pub fn run_of<'a, M: ?Sized>(&self, model: &'a M, first: u64) -> Run<'a, M> {
        Run::of(model, self.key.child(1)).first_sample(first)
    }

    /// Draws the samples with these numbers.
    ///
    /// # Errors
    /// [`Error::Empty`] without samples; as [`Sampler::run`].
    pub fn sample(
        &self,
        sampler: &dyn Sampler,
        model: &dyn AnyModel,
        samples: Range<u64>,
    ) -> Result<Tensor> {
        self.sample_observed(sampler, model, samples, &mut ())
    }

    /// Draws the samples with these numbers, as [`NoiseSource::sample`], with an observer.
    ///
    /// # Errors
    /// As [`NoiseSource::sample`], and the errors of the observer.
    pub fn sample_observed(
        &self,
        sampler: &dyn Sampler,
        model: &dyn AnyModel,
        samples: Range<u64>,
        observer: &mut dyn Observer<StepInfo>,
    ) -> Result<Tensor> {
        let level = sampler.start(model.schedule())?;
        let noise = (self.noise(samples.clone())? * level.sigma)?;
        let run = self.run(model, samples.start).any_start();
        sampler.run(&mut run.observer(observer), &noise)
    }

    /// Transforms data `(batch, ...)`, a row for each of these samples, into similar samples, with this source's
    /// noise: see [`Sampler::sample_from`].
    ///
    /// # Errors
    /// [`Error`] naming `data` unless it is what as many samples of this source are; as [`Sampler::run`].
    pub fn sample_from(
        &self,
        sampler: &dyn Sampler,
        model: &dyn AnyModel,
        data: &Tensor,
        samples: Range<u64>,
    ) -> Result<Tensor> {
        let noise = self.noise(samples.clone())?;
        check::alike("data", data, "the samples' noise", &noise)?;
        check::finite("data", data)?;
        let x = sampler.start(model.schedule())?.noised(data, &noise)?;
        sampler.run(&mut self.run(model, samples.start).any_start(), &x)
    }
}

/// Cuts a range of sample numbers into pieces of about equal sizes, at most `size`.
///
/// ```
/// use advect_samplers::pieces;
/// # fn main() -> advect_core::Result<()> {
/// assert_eq!(pieces(5..15, 4)?.collect::<Vec<_>>(), [5..8, 8..11, 11..15]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Range`] for pieces of size 0, [`Error::Empty`] without samples.
pub fn pieces(samples: Range<u64>, size: usize) -> Result<impl Iterator<Item = Range<u64>>> {
    let size = check::at_least_one("size", size)? as u64;
    let count = samples.end.saturating_sub(samples.start);
    if count == 0 {
        return Err(Error::Empty {
            argument: "samples".into(),
        });
    }
    let pieces = count.div_ceil(size);
    // In 128 bits, as the product may not fit 64.
    let place = move |piece: u64| {
        let offset = u128::from(piece) * u128::from(count) / u128::from(pieces);
        samples.start + offset as u64
    };
    Ok((0..pieces).map(move |i| place(i)..place(i + 1)))
}
