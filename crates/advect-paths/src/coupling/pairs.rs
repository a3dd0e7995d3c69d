//! Pairs of samples, as indices into two batches.

use std::collections::HashMap;

use advect_core::{Error, Generator, Result, check};
use candle_core::{DType, Device, Tensor};

use super::classes::classes;

/// Pairs of samples, as indices into the source and target batches. Labels and other companions of the samples can be
/// rearranged by the same indices.
///
/// ```
/// use advect_core::Generator;
/// use advect_paths::coupling::{Coupling, ExactOt};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x0 = Tensor::new(&[[0.0f32], [10.0]], &Device::Cpu)?;
/// let x1 = Tensor::new(&[[11.0f32], [1.0]], &Device::Cpu)?;
/// let names = Tensor::new(&[7u32, 3], &Device::Cpu)?;
/// let pairs = ExactOt.pair(&x0, &x1, &mut Generator::from_seed(0))?;
/// assert_eq!(pairs.source(&x0)?.to_vec2::<f32>()?, [[0.0], [10.0]]);
/// assert_eq!(pairs.target(&x1)?.to_vec2::<f32>()?, [[1.0], [11.0]]);
/// assert_eq!(pairs.target(&names)?.to_vec1::<u32>()?, [3, 7]);
/// # Ok(())
/// # }
/// ```
///
/// Labels that a field is trained on must do more than follow: they must be known when the pairs are made, by
/// [`Coupling::pair_given`](super::Coupling::pair_given).
#[derive(Debug, Clone)]
pub struct Pairs {
    source: Tensor,
    target: Tensor,
    /// Whether the sources are all of a batch, in their order.
    in_order: bool,
}

impl Pairs {
    /// Creates pairs from indices: u32 tensors of shape `(pairs,)`.
    ///
    /// # Errors
    /// [`Error::Shape`] unless both are of rank 1 and of one length, [`Error::DType`] unless u32, [`Error::Device`] unless on
    /// one device, [`Error::Range`] for the index 2³² − 1.
    pub fn new(source: Tensor, target: Tensor) -> Result<Self> {
        if source.dtype() != DType::U32 {
            return Err(Error::dtype("source", source.dtype(), "u32"));
        }
        check::same_kind("target", &target, "source", &source)?;
        if source.rank() != 1 {
            return Err(Error::shape("source", source.dims(), "(pairs,)"));
        }
        if target.dims() != source.dims() {
            let accepted = format!("{:?}, as source", source.dims());
            return Err(Error::shape("target", target.dims(), accepted));
        }
        for (argument, indices) in [("source", &source), ("target", &target)] {
            // candle takes this index for a sample of zeros.
            if indices.to_vec1::<u32>()?.contains(&u32::MAX) {
                return Err(Error::range(argument, u32::MAX, "an index below 2^32 − 1"));
            }
        }
        Ok(Pairs {
            source: source.contiguous()?,
            target: target.contiguous()?,
            in_order: false,
        })
    }

    /// Pairs from indices on the host.
    pub(super) fn from_indices(
        source: Vec<u32>,
        target: Vec<u32>,
        device: &Device,
    ) -> Result<Self> {
        let in_order = source.iter().copied().eq(0..source.len() as u32);
        let tensor = |indices: Vec<u32>| {
            let count = indices.len();
            Tensor::from_vec(indices, count, device)
        };
        Ok(Pairs {
            source: tensor(source)?,
            target: tensor(target)?,
            in_order,
        })
    }

    /// The pairs of an assignment of rows to columns.
    pub(super) fn assigned(assignment: &[(usize, usize)], device: &Device) -> Result<Self> {
        let pair = |(i, j): &(usize, usize)| (*i as u32, *j as u32);
        let (source, target) = assignment.iter().map(pair).unzip();
        Pairs::from_indices(source, target, device)
    }

    /// Returns the number of pairs.
    pub fn len(&self) -> usize {
        self.source.dims()[0]
    }

    /// Returns `true` if there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the same pairs in random order.
    ///
    /// # Errors
    /// As [`Generator::permutation`].
    pub fn shuffled(&self, rng: &mut Generator) -> Result<Self> {
        let order = rng.permutation(self.len(), self.source.device())?;
        self.select(&order)
    }

    /// Returns the same pairs in the order of the target batch, so that x1 and its companions stay in place.
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
                    let given = format!("target {j}, which is out of range or repeated");
                    return Err(Error::range("pairs", given, "a permutation"));
                }
            }
        }
        let order = Tensor::from_vec(order, targets.len(), self.source.device())?;
        self.select(&order)
    }

    /// Returns the same pairs in an order that leaves the conditions in place: the target of pair k has
    /// `condition[k]`. If each target occurs once, that is the order of the targets; otherwise the pairs are returned
    /// as they are, if that leaves the conditions in place.
    ///
    /// # Errors
    /// [`Error::Range`] for pairs of other conditions than those of the batch, or in other places; typed errors unless there is
    /// a condition for each pair.
    pub fn in_place(&self, condition: &Tensor) -> Result<Self> {
        let batch = check::batch("condition", condition)?;
        if batch != self.len() {
            let accepted = format!("({}, ...), a condition for each pair", self.len());
            return Err(Error::shape("condition", condition.dims(), accepted));
        }
        if let Ok(sorted) = self.by_target() {
            return Ok(sorted);
        }
        let classes = classes(("condition", condition), batch, &mut HashMap::new())?;
        let targets = self.target.to_vec1::<u32>()?;
        let moved = (targets.iter().zip(&classes))
            .position(|(j, class)| classes.get(*j as usize) != Some(class));
        match moved {
            None => Ok(self.clone()),
            Some(k) => {
                let given = format!(
                    "target {} at place {k}, which has another condition",
                    targets[k]
                );
                let accepted = "each target once, or one of the same condition at each place";
                Err(Error::range("pairs", given, accepted))
            }
        }
    }

    /// Cuts the pairs into batches of `size`, one after the other. The last may be smaller.
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
            self.map(part)
        };
        starts.map(batch).collect()
    }

    /// Both sides' indices, cut or rearranged alike.
    fn map(&self, f: impl Fn(&Tensor) -> candle_core::Result<Tensor>) -> Result<Self> {
        Ok(Pairs {
            source: f(&self.source)?,
            target: f(&self.target)?,
            in_order: false,
        })
    }

    /// The pairs at these places, which may repeat.
    pub(super) fn at(&self, places: &[u32]) -> Result<Self> {
        self.select(&Tensor::new(places, self.source.device())?)
    }

    fn select(&self, order: &Tensor) -> Result<Self> {
        self.map(|x| x.index_select(order, 0))
    }

    /// Returns the source side of each pair: `x0`, or companions of its samples, rearranged.
    ///
    /// # Errors
    /// [`Error::Shape`] for a batch that is too small for the indices, [`Error::Device`] for one that is elsewhere.
    pub fn source(&self, x0: &Tensor) -> Result<Tensor> {
        // A batch that stays as it is need not be copied.
        if self.in_order && x0.dims().first() == Some(&self.len()) {
            check::same_device("x0", x0.device(), "the indices", self.source.device())?;
            return Ok(x0.clone());
        }
        take("x0", x0, &self.source)
    }

    /// Returns the target side of each pair: `x1`, its labels, or other companions of its samples, rearranged.
    ///
    /// # Errors
    /// As [`Pairs::source`].
    pub fn target(&self, x1: &Tensor) -> Result<Tensor> {
        take("x1", x1, &self.target)
    }

    /// Returns the indices into the source batch.
    pub fn source_indices(&self) -> &Tensor {
        &self.source
    }

    /// Returns the indices into the target batch.
    pub fn target_indices(&self) -> &Tensor {
        &self.target
    }
}

/// The samples of a batch that indices name.
fn take(argument: &'static str, x: &Tensor, indices: &Tensor) -> Result<Tensor> {
    check::same_device(argument, x.device(), "the indices", indices.device())?;
    let size = x.dims().first().copied().unwrap_or(0);
    let selected = x.contiguous()?.index_select(indices, 0);
    selected.or_else(|error| {
        let last = indices.to_vec1::<u32>()?.into_iter().max().unwrap_or(0);
        match last as usize >= size {
            true => {
                let accepted = format!("a batch of at least {} samples", u64::from(last) + 1);
                Err(Error::shape(argument, x.dims(), accepted))
            }
            false => Err(error.into()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coupling::{Coupling, Independent};

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

    #[test]
    fn views_are_as_good_as_copies() {
        let table = Tensor::new(&[[0u32, 1], [1, 0], [2, 2]], &Device::Cpu).unwrap();
        let column = |i| table.narrow(1, i, 1).unwrap().squeeze(1).unwrap();
        let pairs = Pairs::new(column(0), column(1)).unwrap();
        let x = Tensor::new(&[[1f32, 2.0, 3.0]], &Device::Cpu).unwrap();
        let x = x.broadcast_as((3, 3)).unwrap().t().unwrap();
        assert_eq!(
            pairs.target(&x).unwrap().to_vec2::<f32>().unwrap(),
            [[2.0; 3], [1.0; 3], [3.0; 3]]
        );
        assert_eq!(
            pairs
                .by_target()
                .unwrap()
                .source(&x)
                .unwrap()
                .to_vec2::<f32>()
                .unwrap()[0],
            [2.0; 3]
        );
        assert_eq!(pairs.batches(usize::MAX).unwrap().len(), 1);
    }

    #[test]
    fn batches_that_are_too_small_are_named() {
        let indices = |v: &[u32]| Tensor::new(v, &Device::Cpu).unwrap();
        let error = Pairs::new(indices(&[0, u32::MAX]), indices(&[0, 2])).unwrap_err();
        assert!(matches!(error, Error::Range { argument, .. } if argument == "source"));
        let pairs = Pairs::new(indices(&[0, 7]), indices(&[0, 2])).unwrap();
        let x = Tensor::zeros((2, 1), DType::F32, &Device::Cpu).unwrap();
        for (error, name) in [(pairs.source(&x), "x0"), (pairs.target(&x), "x1")] {
            let error = error.unwrap_err();
            assert!(
                matches!(&error, Error::Shape { argument, .. } if argument == name),
                "{error}"
            );
        }
        let scalar = Tensor::new(0f32, &Device::Cpu).unwrap();
        assert!(matches!(pairs.target(&scalar), Err(Error::Shape { .. })));
    }

    #[test]
    fn conditions_stay_in_place() {
        let indices = |v: &[u32]| Tensor::new(v, &Device::Cpu).unwrap();
        let labels = indices(&[5, 6, 5]);
        let place = |source: &[u32], target: &[u32]| {
            let pairs = Pairs::new(indices(source), indices(target)).unwrap();
            let pairs = pairs.in_place(&labels)?;
            let of = |x: &Tensor| x.to_vec1::<u32>().unwrap();
            Ok((of(pairs.source_indices()), of(pairs.target_indices())))
        };
        // Each target once: in their order.
        assert_eq!(
            place(&[0, 1, 2], &[2, 1, 0]).unwrap(),
            (vec![2, 1, 0], vec![0, 1, 2])
        );
        // Repeated within a class: as they are.
        assert_eq!(
            place(&[0, 1, 0], &[2, 1, 2]).unwrap(),
            (vec![0, 1, 0], vec![2, 1, 2])
        );
        assert!(matches!(
            place(&[0, 1, 0], &[1, 1, 2]),
            Err(Error::Range { .. })
        ));
        assert!(matches!(place(&[0, 1], &[0, 1]), Err(Error::Shape { .. })));
        assert!(matches!(
            place(&[0, 1, 0], &[2, 1, 9]),
            Err(Error::Range { .. })
        ));
    }
}
