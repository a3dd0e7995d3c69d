//! Couplings: which source sample goes with which target sample of a batch.
//!
//! | coupling | pairs |
//! | --- | --- |
//! | [`Independent`] | at random |
//! | [`ExactOt`] | the permutation of least total squared distance |
//! | [`EntropicOt`] | drawn from an entropic plan, by Sinkhorn's iterations |
//! | [`ConditionalOt`] | optimal, with the conditions in the cost |
//!
//! A coupling may look at more samples than a training step takes: pair up a large pool, and cut the pairs into batches
//! with [`Pairs::shuffled`] and [`Pairs::batches`].

mod conditional_ot;
#[cfg(test)]
mod contract;
mod entropic_ot;
mod exact_ot;
mod independent;

use advect_core::{Error, Generator, Result, check};
use candle_core::{DType, Device, Tensor};

pub use conditional_ot::ConditionalOt;
pub use entropic_ot::EntropicOt;
pub use exact_ot::ExactOt;
pub use independent::Independent;

/// Pairs of samples, as indices into the source and target batches, so that labels can follow.
///
/// ```
/// use advect_core::Generator;
/// use advect_paths::coupling::{Coupling, ExactOt};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x0 = Tensor::new(&[[0.0f32], [10.0]], &Device::Cpu)?;
/// let x1 = Tensor::new(&[[11.0f32], [1.0]], &Device::Cpu)?;
/// let labels = Tensor::new(&[7u32, 3], &Device::Cpu)?;
/// let pairs = ExactOt.pair(&x0, &x1, &mut Generator::from_seed(0))?;
/// assert_eq!(pairs.source(&x0)?.to_vec2::<f32>()?, [[0.0], [10.0]]);
/// assert_eq!(pairs.target(&x1)?.to_vec2::<f32>()?, [[1.0], [11.0]]);
/// assert_eq!(pairs.target(&labels)?.to_vec1::<u32>()?, [3, 7]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Pairs {
    source: Tensor,
    target: Tensor,
    /// Whether the sources are all of a batch, in their order.
    in_order: bool,
}

impl Pairs {
    /// Pairs from indices, u32 tensors of shape `(pairs,)`.
    ///
    /// # Errors
    /// [`Error::Shape`] unless both are of rank 1 and of one length, [`Error::DType`] unless u32, [`Error::Device`] unless on
    /// one device.
    pub fn new(source: Tensor, target: Tensor) -> Result<Self> {
        if source.dtype() != DType::U32 {
            return Err(Error::dtype("source", source.dtype(), "u32"));
        }
        check::same_kind("target", &target, "source", &source)?;
        if source.rank() != 1 {
            return Err(Error::shape("source", source.dims(), "(pairs,)"));
        }
        if target.dims() != source.dims() {
            let accepted = format!("{:?}, as source,", source.dims());
            return Err(Error::shape("target", target.dims(), accepted));
        }
        Ok(Pairs {
            source,
            target,
            in_order: false,
        })
    }

    /// Each source in its order, with the target that a permutation names.
    fn permutation(targets: Vec<usize>, device: &Device) -> Result<Self> {
        let count = targets.len();
        let targets: Vec<u32> = targets.into_iter().map(|j| j as u32).collect();
        let source = Tensor::arange(0u32, count as u32, device)?;
        Ok(Pairs {
            in_order: true,
            ..Pairs::new(source, Tensor::from_vec(targets, count, device)?)?
        })
    }

    /// The number of pairs.
    pub fn len(&self) -> usize {
        self.source.dims()[0]
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same pairs in random order.
    ///
    /// # Errors
    /// As [`Generator::permutation`].
    pub fn shuffled(&self, rng: &mut Generator) -> Result<Self> {
        let order = rng.permutation(self.len(), self.source.device())?;
        self.select(&order)
    }

    /// The same pairs in the order of the target batch: what leaves x1, and all that goes with it, where it is.
    ///
    /// ```
    /// use advect_core::Generator;
    /// use advect_paths::coupling::{Coupling, ExactOt};
    /// use candle_core::{Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// let x0 = Tensor::new(&[[0.0f32], [10.0], [20.0]], &Device::Cpu)?;
    /// let x1 = Tensor::new(&[[11.0f32], [22.0], [1.0]], &Device::Cpu)?;
    /// let pairs = ExactOt.pair(&x0, &x1, &mut Generator::from_seed(0))?.by_target()?;
    /// assert_eq!(pairs.target_indices().to_vec1::<u32>()?, [0, 1, 2]);
    /// assert_eq!(pairs.source(&x0)?.to_vec2::<f32>()?, [[10.0], [20.0], [0.0]]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Range`] unless each target occurs once.
    pub fn by_target(&self) -> Result<Self> {
        let targets = self.target.to_vec1::<u32>()?;
        let mut order = vec![u32::MAX; targets.len()];
        for (k, j) in targets.iter().enumerate() {
            match order.get_mut(*j as usize) {
                Some(place) if *place == u32::MAX => *place = k as u32,
                _ => {
                    let given =
                        format!("pairs in which target {j} is not one of as many targets once");
                    return Err(Error::range("pairs", given, "a permutation"));
                }
            }
        }
        let order = Tensor::from_vec(order, targets.len(), self.source.device())?;
        self.select(&order)
    }

    /// Batches of `size` pairs, one after the other; the last may be smaller.
    ///
    /// ```
    /// use advect_core::Generator;
    /// use advect_paths::coupling::{Coupling, ExactOt};
    /// use candle_core::{DType, Device};
    /// # fn main() -> advect_core::Result<()> {
    /// // Optimal among 1,000 samples, trained on by 256.
    /// let mut rng = Generator::from_seed(0);
    /// let x0 = rng.normal((1000, 2), DType::F32, &Device::Cpu)?;
    /// let x1 = rng.normal((1000, 2), DType::F32, &Device::Cpu)?;
    /// let pool = ExactOt.pair(&x0, &x1, &mut rng)?.shuffled(&mut rng)?;
    /// for pairs in pool.batches(256)? {
    ///     let (x0, x1) = (pairs.source(&x0)?, pairs.target(&x1)?);
    ///     assert!(x0.dims()[0] == 256 || x0.dims()[0] == 232);
    /// #   let _ = x1;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Range`] for a size of 0.
    pub fn batches(&self, size: usize) -> Result<Vec<Self>> {
        check::at_least_one("size", size)?;
        let starts = (0..self.len()).step_by(size);
        let batch = |start: usize| -> Result<Self> {
            let count = size.min(self.len() - start);
            let part = |x: &Tensor| x.narrow(0, start, count);
            Pairs::new(part(&self.source)?, part(&self.target)?)
        };
        starts.map(batch).collect()
    }

    fn select(&self, order: &Tensor) -> Result<Self> {
        let part = |x: &Tensor| x.index_select(order, 0);
        Pairs::new(part(&self.source)?, part(&self.target)?)
    }

    /// The source side of each pair: `x0`, or what goes with it, rearranged.
    ///
    /// # Errors
    /// Those of candle.
    pub fn source(&self, x0: &Tensor) -> Result<Tensor> {
        // A batch that stays as it is need not be copied.
        if self.in_order && x0.dims().first() == Some(&self.len()) {
            check::same_device("x0", x0.device(), "the indices", self.source.device())?;
            return Ok(x0.clone());
        }
        Ok(x0.index_select(&self.source, 0)?)
    }

    /// The target side of each pair: `x1`, its labels, or what else goes with it, rearranged.
    ///
    /// # Errors
    /// Those of candle.
    pub fn target(&self, x1: &Tensor) -> Result<Tensor> {
        Ok(x1.index_select(&self.target, 0)?)
    }

    /// The indices into the source batch.
    pub fn source_indices(&self) -> &Tensor {
        &self.source
    }

    /// The indices into the target batch.
    pub fn target_indices(&self) -> &Tensor {
        &self.target
    }
}

/// A joint law of source and target samples within a minibatch.
pub trait Coupling {
    /// Pairs up batches `x0` and `x1` of samples of one shape.
    ///
    /// # Errors
    /// Typed errors for batches that do not fit.
    fn pair(&self, x0: &Tensor, x1: &Tensor, rng: &mut Generator) -> Result<Pairs>;
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<T: Coupling + ?Sized> Coupling for $pointer {
            fn pair(&self, x0: &Tensor, x1: &Tensor, rng: &mut Generator) -> Result<Pairs> {
                (**self).pair(x0, x1, rng)
            }
        }
    )*};
}
forward!(&T, Box<T>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_that_are_no_permutation_have_no_order_of_targets() {
        let indices = |v: &[u32]| Tensor::new(v, &Device::Cpu).unwrap();
        for bad in [[0u32, 0], [0, 2]] {
            let pairs = Pairs::new(indices(&[0, 1]), indices(&bad)).unwrap();
            assert!(matches!(pairs.by_target(), Err(Error::Range { .. })));
        }
    }

    #[test]
    fn batches_hold_every_pair_once() {
        let mut rng = Generator::from_seed(0);
        let x = rng.normal((10, 1), DType::F64, &Device::Cpu).unwrap();
        let pairs = Independent.pair(&x, &x, &mut rng).unwrap();
        let target = pairs.target_indices().to_vec1::<u32>().unwrap();
        let mut seen = Vec::new();
        for batch in pairs.shuffled(&mut rng).unwrap().batches(4).unwrap() {
            let source = batch.source_indices().to_vec1::<u32>().unwrap();
            for (i, j) in source
                .into_iter()
                .zip(batch.target_indices().to_vec1::<u32>().unwrap())
            {
                assert_eq!(target[i as usize], j);
                seen.push(i);
            }
        }
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..10));
        assert!(pairs.batches(0).is_err());
    }
}
