//! Hutch++ (Meyer, Musco, Musco and Woodruff, Hutch++: optimal stochastic trace estimation, 2021, algorithm 1).

use advect_core::{Error, Generator, Jvp, Result, Time, check, shape};
use candle_core::Tensor;

use super::hutchinson::{check_count, mean};
use super::{Divergence, Probe, WithDivergence, dot};

/// The divergence by the exact trace of the Jacobian on a subspace, and Hutchinson's estimate of the rest.
///
/// With s sketches S and Q an orthonormal basis of `J S`, the estimate is `tr(Qᵀ J Q)` and the mean of `g · J g` over
/// probes g with their parts in Q taken away. Its error falls as 1/s where Hutchinson's falls as 1/√s, and it is exact
/// for Jacobians of rank s or less. It takes Jacobian–vector products of the sketches first, then of basis and probes.
///
/// In gradients the basis is taken as it is: the derivative of an unbiased estimate, with respect to J alone.
#[derive(Debug, Clone)]
#[doc(alias = "Hutch++")]
pub struct HutchPlusPlus {
    sketches: Vec<Tensor>,
    probes: Vec<Tensor>,
}

impl HutchPlusPlus {
    /// Draws `sketches` vectors for the subspace and `probes` probes, both Rademacher's, for states like `x`. They
    /// stay the same; draw new ones for each solve.
    ///
    /// # Errors
    /// [`Error::Range`] for 0 sketches or probes, more sketches than a sample has elements, or more than 65,536 probes;
    /// [`Error::DType`] unless `x` is a float.
    pub fn new(sketches: usize, probes: usize, x: &Tensor, rng: &mut Generator) -> Result<Self> {
        check::at_least_one("sketches", sketches)?;
        check_count("probes", probes)?;
        check::float("x", x)?;
        let dim = x.elem_count() / check::batch("x", x)?;
        if sketches > dim {
            let accepted = format!("at most {dim}, the elements of a sample");
            return Err(Error::range("sketches", sketches, accepted));
        }
        let mut draw = |count: usize| -> Result<Vec<Tensor>> {
            (0..count).map(|_| Probe::Rademacher.draw(x, rng)).collect()
        };
        Ok(HutchPlusPlus {
            sketches: draw(sketches)?,
            probes: draw(probes)?,
        })
    }
}

impl Divergence for HutchPlusPlus {
    fn at(&self, field: &dyn Jvp, t: &Time, x: &Tensor) -> Result<WithDivergence> {
        for probe in self.sketches.iter().chain(&self.probes) {
            check::alike("probe", probe, "x", x)?;
        }
        let (_, sketched) = field.jvp_each(t, x, &self.sketches)?;
        let basis = orthonormal(&sketched)?;
        let mut directions = Vec::with_capacity(basis.len() + self.probes.len());
        for unit in &basis {
            directions.push(unit.to_dtype(x.dtype())?);
        }
        for probe in &self.probes {
            let rest = without(&shape::wide(probe)?, &basis)?;
            directions.push(rest.to_dtype(x.dtype())?);
        }
        let (value, along) = field.jvp_each(t, x, &directions)?;
        let parts: Result<Vec<Tensor>> = directions
            .iter()
            .zip(&along)
            .map(|(v, jv)| dot(v, jv))
            .collect();
        let parts = parts?;
        let (of_basis, of_probes) = parts.split_at(basis.len());
        let (mut divergence, standard_error) = mean(of_probes)?;
        for part in of_basis {
            divergence = (divergence + part)?;
        }
        Ok(WithDivergence {
            standard_error,
            ..WithDivergence::new(value, divergence)
        })
    }
}

/// An orthonormal basis of each sample's vectors, by Gram and Schmidt's method done twice, in f32 for vectors of 16 bits; a
/// vector that depends on those before it becomes 0.
fn orthonormal(vectors: &[Tensor]) -> Result<Vec<Tensor>> {
    let mut basis: Vec<Tensor> = Vec::with_capacity(vectors.len());
    for vector in vectors {
        let vector = shape::wide(&vector.detach())?;
        let size = dot(&vector, &vector)?.sqrt()?;
        let rest = without(&without(&vector, &basis)?, &basis)?;
        let length = dot(&rest, &rest)?.sqrt()?;
        // Rounding alone: of no direction.
        let real = length.gt(&(size * 1e-5)?)?.to_dtype(length.dtype())?;
        let inverse = (real / length.maximum(f64::from(f32::MIN_POSITIVE))?)?;
        basis.push(scaled(&rest, &inverse)?);
    }
    Ok(basis)
}

/// A vector less its parts along a basis.
fn without(vector: &Tensor, basis: &[Tensor]) -> Result<Tensor> {
    let mut rest = vector.clone();
    for unit in basis {
        rest = (&rest - scaled(unit, &dot(unit, &rest)?)?)?;
    }
    Ok(rest)
}

/// Each sample times its factor.
fn scaled(x: &Tensor, factor: &Tensor) -> Result<Tensor> {
    let mut shape = vec![1; x.rank()];
    shape[0] = x.dims()[0];
    Ok(x.broadcast_mul(&factor.reshape(shape)?)?)
}
