//! Pairs of fresh noise and a fixed data set (Mousavi-Hosseini, Zhang, Klein and Cuturi 2025).

use std::sync::{Arc, Mutex, PoisonError};

use advect_core::{Error, Generator, Result, check};
use advect_transport::SemidiscretePlan;
use candle_core::{Tensor, TensorId};

use super::{Coupling, Pairs};

/// A coupling of any batch of source samples with a fixed data set, by a [`SemidiscretePlan`] that was fitted to it once: each sample
/// goes to the point of least `|x − y_j|² − g_j`, independently of the rest of the batch.
///
/// The pairs have the law of optimal transport between source and data set, as exactly as the plan's marginals are right
/// ([`SemidiscretePlan::chi_square`]). [`ExactOt`](super::ExactOt) is optimal within a batch only. Each source occurs once, in
/// its order; a point of the data set occurs as often as it comes, by its weight. A plan with a regularisation draws the point.
///
/// The targets are the whole data set, `x1` in each call, and indices are indices into it. They are compared with the plan's points, unless they
/// are the same tensor as in the last call: it must not be changed in place between calls. Variables are always compared.
///
/// ```
/// use advect_core::Generator;
/// use advect_paths::coupling::{Coupling, SemidiscreteOt};
/// use advect_transport::Semidiscrete;
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let mut rng = Generator::from_seed(0);
/// let data = rng.uniform(-1.0..1.0, (20, 2), DType::F32, &Device::Cpu)?;
/// let noise = |rng: &mut Generator| rng.normal((128, 2), DType::F32, &Device::Cpu);
/// let plan = Semidiscrete::new(400)?.fit(&data, noise, &mut rng)?;
/// assert!(plan.errors().last().unwrap() < &0.1);
///
/// let coupling = SemidiscreteOt::new(plan);
/// let x0 = noise(&mut rng)?; // of any size, for each training step
/// let pairs = coupling.pair(&x0, &data, &mut rng)?;
/// assert_eq!(pairs.target(&data)?.dims(), [128, 2]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "SD-FM")]
#[doc(alias = "semidiscrete")]
#[derive(Debug, Clone)]
pub struct SemidiscreteOt {
    plan: SemidiscretePlan,
    /// The last targets that were compared with the plan's points, and found equal.
    known: Arc<Mutex<Option<TensorId>>>,
}

impl SemidiscreteOt {
    /// Creates a coupling from a plan.
    pub fn new(plan: SemidiscretePlan) -> Self {
        SemidiscreteOt {
            plan,
            known: Arc::default(),
        }
    }

    /// Returns the plan.
    pub fn plan(&self) -> &SemidiscretePlan {
        &self.plan
    }

    /// Checks that targets are the plan's points.
    fn check_targets(&self, x1: &Tensor) -> Result<()> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if *known == Some(x1.id()) {
            return Ok(());
        }
        let points = self.plan.points();
        let rows = x1.detach().reshape((check::batch("x1", x1)?, ()))?;
        let rows = rows.to_device(points.device())?;
        if rows.dims() != points.dims() || rows.dtype() != points.dtype() || !equal(&rows, points)?
        {
            let (given, accepted) = ("other points", "the points that the plan was fitted to");
            return Err(Error::range("x1", given, accepted));
        }
        // The elements of a variable may be others the next time.
        if !x1.is_variable() {
            *known = Some(x1.id());
        }
        Ok(())
    }
}

impl Coupling for SemidiscreteOt {
    /// # Errors
    /// [`Error::Range`] unless `x1` are the plan's points; [`Error::Shape`] and [`Error::DType`] for sources that are not like
    /// them, and as [`SemidiscretePlan::assign`].
    fn pair(&self, x0: &Tensor, x1: &Tensor, rng: &mut Generator) -> Result<Pairs> {
        let batch = check::batch("x0", x0)?;
        check::batch("x1", x1)?;
        check::same_kind("x1", x1, "x0", x0)?;
        if x0.dims()[1..] != x1.dims()[1..] {
            let accepted = format!("samples of shape {:?}, as in x1", &x1.dims()[1..]);
            return Err(Error::shape("x0", x0.dims(), accepted));
        }
        self.check_targets(x1)?;
        let targets = self.plan.assign(x0, rng)?;
        let targets = targets.into_iter().map(|j| j as u32).collect();
        Pairs::from_indices((0..batch as u32).collect(), targets, x0.device())
    }

    /// Returns an error: a plan for all conditions at once would give each of them a part of the source. Fit a plan to the points
    /// of each class, and pair each class by itself.
    ///
    /// # Errors
    /// [`Error::Range`], always.
    fn pair_given(&self, _: &Tensor, _: &Tensor, _: &Tensor, _: &mut Generator) -> Result<Pairs> {
        let given = "conditions for one plan of the whole data set";
        let accepted = "none: fit a plan to each class, and pair by pair()";
        Err(Error::range("condition", given, accepted))
    }
}

/// Whether two tensors of one shape and dtype have equal elements.
fn equal(a: &Tensor, b: &Tensor) -> Result<bool> {
    Ok(a.eq(b)?.min_all()?.to_scalar::<u8>()? == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};

    /// Two images, one of which takes a quarter of the noise.
    fn coupling(dtype: DType) -> (SemidiscreteOt, Tensor) {
        let data = Tensor::new(&[[[-1f32, 0.0]], [[1.0, 0.0]]], &Device::Cpu).unwrap();
        let data = data.to_dtype(dtype).unwrap();
        // The cells meet at 1/2, where (x + 1)² − 2 = (x − 1)².
        let plan = SemidiscretePlan::new(&data, &[0.75, 0.25], &[2.0, 0.0], 0.0).unwrap();
        (SemidiscreteOt::new(plan), data)
    }

    #[test]
    fn sources_keep_their_places_and_go_to_their_cells() {
        for dtype in [DType::F32, DType::F64, DType::BF16] {
            let (coupling, data) = coupling(dtype);
            let x0 = [[[-3f32, 0.0]], [[0.4, 9.0]], [[0.6, 9.0]]];
            let x0 = Tensor::new(&x0, &Device::Cpu)
                .unwrap()
                .to_dtype(dtype)
                .unwrap();
            let mut rng = Generator::from_seed(0);
            let pairs = coupling.pair(&x0, &data, &mut rng).unwrap();
            let indices = |x: &Tensor| x.to_vec1::<u32>().unwrap();
            assert_eq!(indices(pairs.source_indices()), [0, 1, 2]);
            assert_eq!(indices(pairs.target_indices()), [0, 0, 1]);
            assert_eq!(pairs.target(&data).unwrap().dims(), [3, 1, 2]);
        }
    }

    /// The same tensor is compared once, and again after another one; a variable each time.
    #[test]
    fn targets_are_compared_when_they_are_new() {
        let (coupling, data) = coupling(DType::F32);
        let mut rng = Generator::from_seed(0);
        let x0 = data.zeros_like().unwrap();
        let known = || *coupling.known.lock().unwrap();
        assert_eq!(known(), None);
        for targets in [&data, &data, &data.copy().unwrap()] {
            coupling.pair(&x0, targets, &mut rng).unwrap();
            assert_eq!(known(), Some(targets.id()));
        }
        let other = (&data + 1.0).unwrap();
        assert!(coupling.pair(&x0, &other, &mut rng).is_err());
        assert_ne!(known(), Some(other.id()));
        let variable = candle_core::Var::from_tensor(&data).unwrap();
        coupling.pair(&x0, variable.as_tensor(), &mut rng).unwrap();
        variable.set(&other).unwrap();
        let changed = coupling.pair(&x0, variable.as_tensor(), &mut rng);
        assert!(matches!(changed, Err(Error::Range { argument, .. }) if argument == "x1"));
    }

    #[test]
    fn other_targets_and_conditions_are_refused() {
        let (coupling, data) = coupling(DType::F32);
        let mut rng = Generator::from_seed(0);
        let x0 = data.zeros_like().unwrap();
        for other in [data.narrow(0, 0, 1).unwrap(), (&data + 1.0).unwrap()] {
            let error = coupling.pair(&x0, &other, &mut rng).unwrap_err();
            assert!(
                matches!(&error, Error::Range { argument, .. } if argument == "x1"),
                "{error}"
            );
        }
        let wide = x0.to_dtype(DType::F64).unwrap();
        assert!(matches!(
            coupling.pair(&wide, &data, &mut rng),
            Err(Error::DType { .. })
        ));
        let narrow = x0.narrow(2, 0, 1).unwrap();
        assert!(matches!(
            coupling.pair(&narrow, &data, &mut rng),
            Err(Error::Shape { argument, .. }) if argument == "x0"
        ));
        let labels = Tensor::zeros(2, DType::U32, &Device::Cpu).unwrap();
        assert!(matches!(
            coupling.pair_given(&x0, &data, &labels, &mut rng),
            Err(Error::Range { argument, .. }) if argument == "condition"
        ));
    }
}
