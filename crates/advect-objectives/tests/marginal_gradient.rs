//! The gradient of conditional flow matching equals that of flow matching on the marginal field, in
//! expectation (Lipman et al. 2023, theorem 2), on a data set of five points, whose marginal field is
//! known exactly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use advect_core::{Field, Generator, Result, Time, shape};
use advect_objectives::objective::{FlowMatching, Objective};
use advect_paths::path::{Affine, Path, PathPoint};
use advect_paths::schedule::{CondOt, Schedule};
use candle_core::{D, DType, Device, Tensor, Var};

const SIGMA_MIN: f64 = 0.1;

fn data() -> Tensor {
    let points = [
        [1.0f64, 0.0],
        [-1.0, 0.5],
        [0.3, -1.2],
        [2.0, 2.0],
        [0.0, 0.1],
    ];
    Tensor::new(&points, &Device::Cpu).unwrap()
}

/// The path with its velocity replaced by the exact marginal velocity of the data set,
/// `u_t(x) = Σ_k softmax_k(−|x − α x_k|² / 2σ²) u_t(x | x_k)`: flow matching proper.
struct Marginal(Affine<CondOt>);

impl Path for Marginal {
    fn sample(&self, t: &Time, x0: &Tensor, x1: &Tensor, rng: &mut Generator) -> Result<PathPoint> {
        let x = self.0.sample(t, x0, x1, rng)?.x;
        let (batch, dim) = x.dims2()?;
        let s = self.0.schedule();
        let each = x
            .unsqueeze(1)?
            .broadcast_as((batch, 5, dim))?
            .contiguous()?;
        let points = data()
            .unsqueeze(0)?
            .broadcast_as((batch, 5, dim))?
            .contiguous()?;
        let noise = (each - t.coefficient(|t| s.alpha(t))?.times(&points)?)?;
        let noise = t.coefficient(|t| 1.0 / s.sigma(t))?.times(&noise)?;
        let logits = (noise.sqr()?.sum(D::Minus1)? * -0.5)?;
        let weights = logits.broadcast_sub(&logits.max_keepdim(1)?)?.exp()?;
        let weights = weights.broadcast_div(&weights.sum_keepdim(1)?)?;
        let velocities = (t.coefficient(|t| s.d_alpha(t))?.times(&points)?
            + t.coefficient(|t| s.d_sigma(t))?.times(&noise)?)?;
        let velocity = velocities.broadcast_mul(&weights.unsqueeze(2)?)?.sum(1)?;
        Ok(PathPoint::new(x, velocity))
    }
}

/// A field that is nonlinear in x and t and linear in its parameters.
struct Features(Var);

impl Field for Features {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        let t = shape::column(&t.tensor(x)?, 2)?.broadcast_as((x.dim(0)?, 1))?;
        let features = Tensor::cat(
            &[x.clone(), x.sin()?, t.contiguous()?, x.broadcast_mul(&t)?],
            1,
        )?;
        Ok(features.matmul(self.0.as_tensor())?)
    }
}

#[test]
fn conditional_and_marginal_gradients_agree() {
    let path = Affine::new(CondOt::new(SIGMA_MIN).unwrap());
    let (conditional, marginal) = (FlowMatching::new(path), FlowMatching::new(Marginal(path)));
    let mut rng = Generator::from_seed(0);
    let weights = rng.normal((7, 2), DType::F64, &Device::Cpu).unwrap();
    let field = Features(Var::from_tensor(&weights).unwrap());

    // The same times and states serve both, so that only the targets differ.
    let rounds = 64;
    let mut gradients: Vec<[Vec<f64>; 2]> = Vec::new();
    for _ in 0..rounds {
        let n = 8192;
        let x0 = rng.normal((n, 2), DType::F64, &Device::Cpu).unwrap();
        let x1 = data()
            .index_select(&rng.integers(0..5, n, &Device::Cpu).unwrap(), 0)
            .unwrap();
        let gradient = |objective: &dyn Objective, mut rng: Generator| -> Vec<f64> {
            let loss = objective.loss(&field, &x0, &x1, &mut rng).unwrap();
            let grads = loss.backward().unwrap();
            grads
                .get(&field.0)
                .unwrap()
                .flatten_all()
                .unwrap()
                .to_vec1()
                .unwrap()
        };
        gradients.push([
            gradient(&conditional, rng.clone()),
            gradient(&marginal, rng.clone()),
        ]);
        rng.split();
    }

    let count = f64::from(rounds);
    for parameter in 0..14 {
        let differences = gradients.iter().map(|[c, m]| c[parameter] - m[parameter]);
        let mean = differences.clone().sum::<f64>() / count;
        let variance = differences.map(|d| (d - mean).powi(2)).sum::<f64>() / (count - 1.0);
        let error = (variance / count).sqrt();
        let size = gradients
            .iter()
            .map(|[_, m]| m[parameter].abs())
            .sum::<f64>()
            / count;
        assert!(
            mean.abs() < 4.0 * error,
            "parameter {parameter}: {mean} ± {error}"
        );
        // The test is sharp: it would see a bias of two percent of the gradient's scale.
        assert!(
            error < 0.005 * (1.0 + size),
            "parameter {parameter}: ± {error} of {size}"
        );
    }
}
