//! The Sinkhorn divergence (Genevay, Peyré and Cuturi 2018, "Learning generative models with Sinkhorn divergences"; Feydy et al.
//! 2019, "Interpolating between optimal transport and MMD using Sinkhorn divergences", eq. 3 and proposition 2).

use advect_core::{Error, Result, check};
use advect_ops::with_gradient;
use candle_core::{DType, Device, Tensor};

use super::{Plan, Sinkhorn};
use crate::points::row_pair;
use crate::{Cost, Points, weights};

/// The Sinkhorn divergence of two samples with squared distances, `S_ε(x, y) = OT_ε(x, y) − ½ OT_ε(x, x) − ½ OT_ε(y, y)`, where
/// `OT_ε(x, y) = min over plans π of Σ π_ij |x_i − y_j|² + ε KL(π | a ⊗ b)`.
///
/// It is 0 for equal samples, and not negative. As ε vanishes it becomes the squared Wasserstein distance, and as ε grows,
/// the squared distance of the means. It is differentiable by both samples: a loss between what is simulated and what is seen. By
/// the envelope theorem, the gradient needs no derivatives of the iterations,
/// `∂S/∂x_i = 2 Σ_j π_ij (x_i − y_j) − 2 Σ_j π⁰_ij (x_i − x_j)` with the plan π between x and y and the plan π⁰ from x to itself.
///
/// (GeomLoss's `SamplesLoss("sinkhorn", p=2, blur=b)` has the cost `½ |x − y|²`: it is `½ S_ε` with `ε = 2 b²`.)
///
/// ```
/// use advect_transport::SinkhornDivergence;
/// use candle_core::{Device, Var};
/// # fn main() -> advect_core::Result<()> {
/// let x = Var::new(&[[0.0f64], [1.0]], &Device::Cpu)?;
/// let y = Var::new(&[[3.0f64], [4.0]], &Device::Cpu)?;
/// // A shift by 3 costs 9, whatever ε is.
/// let divergence = SinkhornDivergence::new(0.5)?.value(x.as_tensor(), y.as_tensor())?;
/// assert!((divergence.to_scalar::<f64>()? - 9.0).abs() < 1e-6);
/// let gradients = divergence.backward()?;
/// let by_x = gradients.get(&x).unwrap().to_vec2::<f64>()?;
/// assert!(by_x.iter().all(|g| (g[0] + 3.0).abs() < 1e-4));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "GeomLoss")]
#[doc(alias = "debiased Sinkhorn")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SinkhornDivergence {
    solver: Sinkhorn,
}

impl From<Sinkhorn> for SinkhornDivergence {
    /// Creates the divergence from a solver with another tolerance or limit of iterations.
    fn from(solver: Sinkhorn) -> Self {
        SinkhornDivergence { solver }
    }
}

impl SinkhornDivergence {
    /// Creates the divergence with a regularisation ε, in units of squared distance. The iterations, at most 10,000, end when the plans'
    /// marginals are off by 1e-5 of the mass; where they are slow, a plan that is off by 1e-3 is accepted.
    ///
    /// # Errors
    /// [`Error::Range`] unless it is finite and above 0.
    pub fn new(regularization: f64) -> Result<Self> {
        Ok(Sinkhorn::new(regularization)?.tolerance(1e-5)?.into())
    }

    /// Returns the divergence of samples `(n, ...)` and `(m, ...)` of equal weights, a scalar of their dtype.
    ///
    /// # Errors
    /// [`Error::Shape`] for samples of different dimensions; `Empty`, `DType` and `NonFinite` errors; [`Error::Range`] where
    /// the squared distances overflow; [`Error::Stopped`] if the iterations are spent; [`Error::Range`] for an unbalanced solver.
    pub fn value(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        let equal = |x: &Tensor| {
            vec![
                1.0 / x.dims().first().map_or(1.0, |&n| n as f64);
                x.dims().first().map_or(0, |&n| n)
            ]
        };
        self.weighted(x, &equal(x), y, &equal(y))
    }

    /// Returns the divergence of samples with weights, as [`Sinkhorn::solve_weighted`] takes them: none below 0, of sum 1 on each side, by
    /// which they are divided. It has no gradient by the weights.
    ///
    /// # Errors
    /// As [`SinkhornDivergence::value`]; [`Error::Shape`] unless there is a weight for each sample, [`Error::Range`] for other weights.
    pub fn weighted(
        &self,
        x: &Tensor,
        x_weights: &[f64],
        y: &Tensor,
        y_weights: &[f64],
    ) -> Result<Tensor> {
        if self.solver.is_unbalanced() {
            return Err(Error::range(
                "solver",
                "an unbalanced one",
                "one of balanced transport",
            ));
        }
        check::same_kind("y", y, "x", x)?;
        let (from, to) = row_pair(("x", x), ("y", y))?;
        let from = Cloud::new(&from, ("x_weights", x_weights))?;
        let to = Cloud::new(&to, ("y_weights", y_weights))?;
        let between = self.plan(&from, &to)?;
        let (within_x, within_y) = (self.plan(&from, &from)?, self.plan(&to, &to)?);
        let costs = [(1.0, &between), (-0.5, &within_x), (-0.5, &within_y)];
        let value: f64 = costs
            .iter()
            .map(|(factor, found)| factor * found.cost)
            .sum();

        let of_x = (between.pull(&from, &to)? - within_x.pull_within(&from)?)?;
        let of_y = (between.turned()?.pull(&to, &from)? - within_y.pull_within(&to)?)?;
        let like = |gradient: Tensor, x: &Tensor| -> Result<Tensor> {
            Ok(gradient
                .reshape(x.dims())?
                .to_dtype(x.dtype())?
                .to_device(x.device())?)
        };
        let (of_x, of_y) = (like(of_x, x)?, like(of_y, y)?);
        let value = Tensor::new(value, &Device::Cpu)?
            .to_dtype(x.dtype())?
            .to_device(x.device())?;
        with_gradient(&value, &[x.clone(), y.clone()], move |g, _| {
            Ok(vec![of_x.broadcast_mul(g)?, of_y.broadcast_mul(g)?])
        })
    }

    /// `OT_ε` with its plan.
    fn plan(&self, from: &Cloud, to: &Cloud) -> Result<Transport> {
        let cost = Cost::between(&from.points, &to.points)?;
        let plan = self
            .solver
            .solve_weighted(&cost, &from.weights, &to.weights)?;
        if !plan.converged() && plan.error() > NEAR {
            let at = format!("iteration {}", plan.iterations());
            let reason = format!(
                "the plan's marginals are off by {:.1e}: a larger regularization, a larger tolerance or more iterations would help",
                plan.error()
            );
            return Err(Error::stopped(at, reason));
        }
        Transport::new(&plan, from, to, self.solver.regularization)
    }
}

/// The marginals' error up to which a plan that has not converged is good enough: the value's error is its square.
const NEAR: f64 = 1e-3;

/// Points with their weights of sum 1, in f64 on the host.
struct Cloud {
    rows: Tensor,
    points: Points,
    weights: Vec<f64>,
}

impl Cloud {
    fn new(rows: &Tensor, (argument, weights): (&'static str, &[f64])) -> Result<Self> {
        let sum = weights::check(argument, weights, rows.dim(0)?)?;
        Ok(Cloud {
            rows: rows.to_dtype(DType::F64)?,
            points: Points::from_rows(rows)?,
            weights: weights.iter().map(|w| w / sum).collect(),
        })
    }
}

/// The entropic cost of a plan, and its masses as a matrix.
struct Transport {
    cost: f64,
    masses: Tensor,
}

impl Transport {
    /// The dual value `Σ a_i (f_i − ε ln a_i) + Σ b_j (g_j − ε ln b_j)`. Its error is the square of the potentials'.
    fn new(plan: &Plan, from: &Cloud, to: &Cloud, regularization: f64) -> Result<Self> {
        let (f, g) = plan.potentials();
        let side = |potentials: &[f64], weights: &[f64]| {
            // Points of no weight, or next to none, are left out: their potential is −∞.
            let terms = potentials.iter().zip(weights);
            let terms = terms.filter(|(f, _)| **f > f64::NEG_INFINITY);
            terms
                .map(|(f, w)| w * (f - regularization * w.ln()))
                .sum::<f64>()
        };
        Ok(Transport {
            cost: side(f, &from.weights) + side(g, &to.weights),
            masses: Tensor::from_slice(plan.values(), (plan.rows(), plan.columns()), &Device::Cpu)?,
        })
    }

    /// The same plan from the columns to the rows.
    fn turned(&self) -> Result<Self> {
        Ok(Transport {
            cost: self.cost,
            masses: self.masses.t()?.contiguous()?,
        })
    }

    /// The derivative of the cost by the points at which it starts, `2 Σ_j π_ij (x_i − y_j)`.
    fn pull(&self, from: &Cloud, to: &Cloud) -> Result<Tensor> {
        let carried = self.masses.matmul(&to.rows)?;
        let held = from.rows.broadcast_mul(&self.masses.sum_keepdim(1)?)?;
        Ok(((held - carried)? * 2.0)?)
    }

    /// Half the derivative of the cost of a cloud to itself, whose points are at both ends.
    fn pull_within(&self, cloud: &Cloud) -> Result<Tensor> {
        let both = (self.pull(cloud, cloud)? + self.turned()?.pull(cloud, cloud)?)?;
        Ok((both * 0.5)?)
    }
}
