//! Optimal transport that keeps conditions (Chemseddine et al. 2024; Kerrigan et al. 2024): what goes with x0 and what
//! goes with x1 should agree, too.

use advect_core::{Error, Generator, Result, check};
use advect_transport::{Cost, assignment};
use candle_core::{DType, Tensor};

use super::exact_ot::{check_points, squared_distances};
use super::{Coupling, Pairs};

/// The permutation of least `Σ_i |x0_i − x1_j|² + weight · d(c0_i, c1_j)`, `j = π(i)`, where d is 1 for labels that differ,
/// and the squared distance of contexts that are floats.
///
/// Plain optimal transport mixes the conditions up: a source near class a is paired with a instead of its own label, and
/// the flow given a label starts from only a part of the noise. With a large weight, pairs agree in their conditions as
/// far as the batches allow; with none it is [`ExactOt`](super::ExactOt). Sources get their conditions like samples of
/// their own, for instance the batch's labels in another order.
///
/// ```
/// use advect_core::Generator;
/// use advect_paths::coupling::{ConditionalOt, Coupling};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x0 = Tensor::new(&[[0.0f32], [1.0]], &Device::Cpu)?;
/// let x1 = Tensor::new(&[[0.1f32], [1.1]], &Device::Cpu)?;
/// let (of_x0, of_x1) = (Tensor::new(&[7u32, 3], &Device::Cpu)?, Tensor::new(&[3u32, 7], &Device::Cpu)?);
/// let mut rng = Generator::from_seed(0);
/// let pairs = ConditionalOt::new(&of_x0, &of_x1, 100.0)?.pair(&x0, &x1, &mut rng)?;
/// assert_eq!(pairs.target_indices().to_vec1::<u32>()?, [1, 0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ConditionalOt<'a> {
    of_x0: &'a Tensor,
    of_x1: &'a Tensor,
    weight: f64,
}

impl<'a> ConditionalOt<'a> {
    /// With the conditions of the sources and of the targets, labels `(batch,)` or contexts `(batch, ...)`, and the price
    /// of a difference between them.
    ///
    /// # Errors
    /// Typed errors for conditions that are not of one kind, and for a weight that is negative or infinite.
    pub fn new(of_x0: &'a Tensor, of_x1: &'a Tensor, weight: f64) -> Result<Self> {
        check::alike("of_x1", of_x1, "of_x0", of_x0)?;
        check::batch("of_x0", of_x0)?;
        check::finite("of_x0", of_x0)?;
        check::finite("of_x1", of_x1)?;
        if of_x0.dtype().is_int() && of_x0.rank() != 1 {
            let accepted = "(batch,) for labels";
            return Err(Error::shape("of_x0", of_x0.dims(), accepted));
        }
        let weight = check::non_negative("weight", weight)?;
        Ok(ConditionalOt {
            of_x0,
            of_x1,
            weight,
        })
    }
}

impl Coupling for ConditionalOt<'_> {
    /// # Errors
    /// [`Error::Shape`] unless there is a condition for each sample; as
    /// [`ExactOt`](super::ExactOt).
    fn pair(&self, x0: &Tensor, x1: &Tensor, _: &mut Generator) -> Result<Pairs> {
        let batch = check_points(x0, x1)?;
        if self.of_x0.dims()[0] != batch {
            let accepted = format!("({batch}, ...), a condition for each sample,");
            let given = self.of_x0.dims();
            return Err(Error::shape("of_x0", given, accepted));
        }
        let differences = match self.of_x0.dtype() {
            DType::U8 | DType::U32 | DType::I64 => Cost::label_mismatch(self.of_x0, self.of_x1)?,
            _ => Cost::squared_euclidean(self.of_x0, self.of_x1)?,
        };
        let cost = squared_distances(x0, x1)?.plus(self.weight, &differences)?;
        let columns = assignment(&cost)?.into_iter().map(|(_, j)| j).collect();
        Pairs::permutation(columns, x0.device())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coupling::ExactOt;
    use candle_core::Device;

    #[test]
    fn labels_are_kept_and_marginals_too() {
        let mut rng = Generator::from_seed(0);
        let n = 60;
        let x0 = rng.normal((n, 2), DType::F64, &Device::Cpu).unwrap();
        let x1 = rng.normal((n, 2), DType::F64, &Device::Cpu).unwrap();
        let labels = Tensor::arange(0u32, n as u32, &Device::Cpu).unwrap();
        let labels = (labels.to_dtype(DType::F64).unwrap() / 20.0).unwrap();
        let labels = labels.floor().unwrap().to_dtype(DType::U32).unwrap();
        let order = rng.permutation(n, &Device::Cpu).unwrap();
        let of_x0 = labels.index_select(&order, 0).unwrap();
        let agreement = |pairs: &Pairs| {
            let a = pairs.source(&of_x0).unwrap().to_vec1::<u32>().unwrap();
            let b = pairs.target(&labels).unwrap().to_vec1::<u32>().unwrap();
            a.iter().zip(&b).filter(|(a, b)| a == b).count()
        };
        let pair = |weight: f64| {
            let coupling = ConditionalOt::new(&of_x0, &labels, weight).unwrap();
            coupling
                .pair(&x0, &x1, &mut Generator::from_seed(0))
                .unwrap()
        };
        assert_eq!(agreement(&pair(1e6)), n);
        let free = ExactOt.pair(&x0, &x1, &mut rng).unwrap();
        let indices = |pairs: &Pairs| pairs.target_indices().to_vec1::<u32>().unwrap();
        assert_eq!(indices(&pair(0.0)), indices(&free));
        assert!(agreement(&free) < n / 2);

        // Contexts that are floats: the same, with their distances.
        let context = |x: &Tensor| x.to_dtype(DType::F64).unwrap().unsqueeze(1).unwrap();
        let (c0, c1) = (context(&of_x0), context(&labels));
        let coupling = ConditionalOt::new(&c0, &c1, 1e6).unwrap();
        assert_eq!(agreement(&coupling.pair(&x0, &x1, &mut rng).unwrap()), n);
    }

    #[test]
    fn conditions_that_do_not_fit_are_refused() {
        let mut rng = Generator::from_seed(0);
        let x = rng.normal((4, 2), DType::F64, &Device::Cpu).unwrap();
        let labels = Tensor::zeros(3, DType::U32, &Device::Cpu).unwrap();
        let coupling = ConditionalOt::new(&labels, &labels, 1.0).unwrap();
        let error = coupling.pair(&x, &x, &mut rng).unwrap_err();
        assert!(matches!(error, Error::Shape { argument, .. } if argument == "of_x0"));
        assert!(ConditionalOt::new(&labels, &x, 1.0).is_err());
        assert!(ConditionalOt::new(&labels, &labels, -1.0).is_err());
    }
}
