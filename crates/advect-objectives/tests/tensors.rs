//! Every objective takes views as it takes copies, floats of any width, and refuses integers and absurd counts by a typed
//! error.

use crate::common::mean;
use advect_core::normal::log_standard_normal;
use advect_core::testing::{assert_close, device};
use advect_core::{Error, Field, Generator, Jvp, Result, Time, field_fn};
use advect_objectives::ConditionDropout;
use advect_objectives::decoder::{Decoder, Discretized, GaussianDecoder};
use advect_objectives::distance::*;
use advect_objectives::objective::*;
use advect_objectives::time_sampler::UniformWithin;
use advect_paths::coupling::{EntropicOt, ExactOt, Independent};
use advect_paths::path::gamma::Parabola;
use advect_paths::path::{ConstantSigma, Interpolant, SchrodingerBridge};
use advect_paths::schedule::*;
use advect_solvers::Solver;
use advect_solvers::controller::Fixed;
use advect_solvers::divergence::{Exact, Probe};
use advect_solvers::stepper::Rk4;
use candle_core::{DType, Tensor};

const FLOATS: [DType; 4] = [DType::F64, DType::F32, DType::BF16, DType::F16];

/// `f(x) = x/2`.
struct Half;

impl Field for Half {
    fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
        Ok((x * 0.5)?)
    }
}

impl Jvp for Half {
    fn jvp(&self, _: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        Ok(((x * 0.5)?, (dx * 0.5)?))
    }
}

fn objectives() -> Vec<(&'static str, Box<dyn Objective>)> {
    let inside = UniformWithin::new(0.1, 0.9).unwrap();
    let bridge = SchrodingerBridge::new(0.5).unwrap();
    let flow = |distance| -> Box<dyn Objective> { distance };
    let pairs = EntropicOt::new(bridge.entropy()).unwrap();
    let steps = DiscreteDiffusion::linear(50, 1e-3, 0.1).unwrap();
    let vp = VariancePreserving::default();
    vec![
        ("rectified flow", Box::new(rectified_flow())),
        (
            "I-CFM",
            Box::new(flow_matching(ConstantSigma::new(0.1).unwrap())),
        ),
        ("bridge", Box::new(flow_matching(bridge).times(inside))),
        (
            "interpolant",
            Box::new(interpolant_velocity(Interpolant::new(Cosine, Parabola))),
        ),
        (
            "denoiser",
            Box::new(interpolant_denoiser(Interpolant::new(Cosine, Parabola))),
        ),
        ("score", Box::new(score_matching(vp).times(inside))),
        ("NCSN", Box::new(ncsn(0.01, 1.0, 10).unwrap())),
        ("ScoreFlow", Box::new(score_flow(vp, 0.0, 0.9).unwrap())),
        ("DDPM", Box::new(ddpm(steps.clone()))),
        ("EDM", Box::new(edm(EdmSchedule::default(), 0.5).unwrap())),
        ("bound", Box::new(VariationalBound::new(steps))),
        ("SD3", Box::new(stable_diffusion_3())),
        ("distillation", Box::new(one_step_distillation())),
        (
            "norm",
            flow(Box::new(rectified_flow().distance(SquaredNorm))),
        ),
        (
            "Huber",
            flow(Box::new(
                rectified_flow().distance(Huber::new(0.3).unwrap()),
            )),
        ),
        (
            "pseudo-Huber",
            flow(Box::new(
                rectified_flow().distance(PseudoHuber::new(0.3).unwrap()),
            )),
        ),
        (
            "absolute",
            flow(Box::new(rectified_flow().distance(AbsoluteError))),
        ),
        ("OT-CFM", Box::new(Coupled::new(ExactOt, rectified_flow()))),
        (
            "SB-CFM",
            Box::new(Coupled::new(pairs, flow_matching(bridge).times(inside))),
        ),
        (
            "with replacement",
            Box::new(Coupled::new(pairs.with_replacement(), rectified_flow())),
        ),
        (
            "independent",
            Box::new(Coupled::new(Independent, rectified_flow())),
        ),
    ]
}

/// Batches of (8, 3, 2), and more dimensions than distances are taken by differences in.
fn batches(dtype: DType) -> Vec<(Tensor, Tensor)> {
    let mut rng = Generator::from_seed(0);
    let mut batch = |width: usize| {
        let x0 = rng.normal((8, 3, width), DType::F64, device()).unwrap();
        let x1 = rng.normal((8, 3, width), DType::F64, device()).unwrap();
        (x0.to_dtype(dtype).unwrap(), x1.to_dtype(dtype).unwrap())
    };
    vec![batch(2), batch(9)]
}

fn views(x: &Tensor) -> Vec<Tensor> {
    let turned = x
        .transpose(0, 2)
        .unwrap()
        .contiguous()
        .unwrap()
        .transpose(0, 2)
        .unwrap();
    let wide = Tensor::cat(&[x, x], 1).unwrap();
    let (_, middle, _) = x.dims3().unwrap();
    let one = x.narrow(0, 2, 1).unwrap();
    vec![
        turned,
        wide.narrow(1, middle, middle).unwrap(),
        one.broadcast_as(x.shape()).unwrap(),
    ]
}

fn copy(x: &Tensor) -> Tensor {
    x.force_contiguous().unwrap()
}

#[test]
fn views_are_as_good_as_copies() {
    for (x0, x1) in batches(DType::F64) {
        for (name, objective) in objectives() {
            let losses = |x0: &Tensor, x1: &Tensor| {
                let losses = objective.losses(&Half, x0, x1, &mut Generator::from_seed(1));
                losses.unwrap_or_else(|error| panic!("{name}: {error}"))
            };
            for (a, b) in views(&x0).into_iter().zip(views(&x1)) {
                assert!(!a.is_contiguous());
                assert_close(&losses(&a, &b), &losses(&copy(&a), &copy(&b)), 1e-14, 1e-14);
            }
        }
    }
}

#[test]
fn what_is_no_regression_takes_views_too() {
    let (x, y) = batches(DType::F64).remove(0);
    let decoded = |x: &Tensor, y: &Tensor| {
        // Data on the grid of three levels.
        let levels = x.clamp(-1.0, 1.0).unwrap().round().unwrap();
        let grid = Discretized::new(3).unwrap().log_likelihood(&levels, y, 0.3);
        (grid.unwrap() + GaussianDecoder.log_likelihood(x, y, 0.3).unwrap()).unwrap()
    };
    let bridge = SchrodingerBridge::new(0.5).unwrap();
    let both = ScoreAndFlow::new(bridge).times(UniformWithin::new(0.1, 0.9).unwrap());
    let coupled = Coupled::new(EntropicOt::new(0.5).unwrap(), both);
    let sliced = SlicedScoreMatching::new(Probe::Rademacher, 2).unwrap();
    let solver = Solver::new(Rk4, Fixed::steps(2).unwrap());
    let all = |x: &Tensor, y: &Tensor| -> Vec<Tensor> {
        let (t, mut rng) = (Time::Shared(0.5), Generator::from_seed(2));
        let losses = coupled.losses(&Half, &Half, x, y, &mut rng).unwrap();
        let (z0, z1) = reflow(&Half, &solver, x, 3).unwrap();
        vec![
            decoded(x, y),
            losses.flow,
            losses.score,
            ImplicitScoreMatching::new(Exact)
                .losses(&Half, &t, x)
                .unwrap(),
            sliced.losses(&Half, &t, x, &mut rng).unwrap(),
            log_standard_normal(x).unwrap(),
            z0,
            z1,
        ]
    };
    for (a, b) in views(&x).into_iter().zip(views(&y)) {
        for (ours, theirs) in all(&a, &b).iter().zip(all(&copy(&a), &copy(&b))) {
            assert_close(ours, &theirs, 1e-14, 1e-14);
        }
    }
}

#[test]
fn narrow_floats_have_losses_near_wide_ones() {
    let wide = batches(DType::F64);
    for dtype in FLOATS {
        for (k, (x0, x1)) in batches(dtype).into_iter().enumerate() {
            for (name, objective) in objectives() {
                let loss = |x0: &Tensor, x1: &Tensor| {
                    let losses = objective.losses(&Half, x0, x1, &mut Generator::from_seed(1));
                    losses.unwrap_or_else(|error| panic!("{name} in {dtype:?}: {error}"))
                };
                let losses = loss(&x0, &x1);
                let expected = if dtype == DType::F64 {
                    DType::F64
                } else {
                    DType::F32
                };
                assert_eq!(
                    (losses.dtype(), losses.dims()),
                    (expected, &[8][..]),
                    "{name}"
                );
                let (ours, theirs) = (mean(&losses), mean(&loss(&wide[k].0, &wide[k].1)));
                let error = (ours - theirs).abs() / (theirs.abs() + 0.1);
                let tolerance = match dtype {
                    DType::F64 => 0.0,
                    DType::F32 => 1e-4,
                    _ => 0.05,
                };
                assert!(error <= tolerance, "{name} in {dtype:?}: {ours} {theirs}");
            }
        }
    }
}

/// Variances beside the noise double the second dimension, whatever the others are.
#[test]
fn learned_variances_of_any_shape_and_dtype() {
    let steps = DiscreteDiffusion::linear(10, 0.01, 0.3).unwrap();
    let objective = HybridLoss::new(steps);
    let both = field_fn(|t, x| Ok(Tensor::cat(&[Half.at(t, x)?, Half.at(t, x)?], 1)?));
    let wide = batches(DType::F64);
    for dtype in FLOATS {
        for (k, (x0, x1)) in batches(dtype).into_iter().enumerate() {
            let loss = |x0: &Tensor, x1: &Tensor| {
                let rng = &mut Generator::from_seed(1);
                objective.losses(&both, x0, x1, rng).unwrap()
            };
            let (ours, theirs) = (mean(&loss(&x0, &x1)), mean(&loss(&wide[k].0, &wide[k].1)));
            assert!(
                (ours - theirs).abs() < 0.05 * theirs,
                "{dtype:?}: {ours} {theirs}"
            );
            let error = objective.losses(&Half, &x0, &x1, &mut Generator::from_seed(1));
            assert!(matches!(error, Err(Error::Shape { argument, .. }) if argument == "field"));
        }
    }
}

#[test]
fn integers_are_refused() {
    let x = Tensor::ones((4, 2), DType::U32, device()).unwrap();
    let mut rng = Generator::from_seed(0);
    for (name, objective) in objectives() {
        let error = objective.losses(&Half, &x, &x, &mut rng).unwrap_err();
        assert!(matches!(error, Error::DType { .. }), "{name}: {error}");
    }
    let distances: [Box<dyn Distance>; 6] = [
        Box::new(SquaredError),
        Box::new(SquaredNorm),
        Box::new(Quadratic),
        Box::new(AbsoluteError),
        Box::new(Huber::new(1.0).unwrap()),
        Box::new(PseudoHuber::new(1.0).unwrap()),
    ];
    for distance in distances {
        for dtype in [DType::U8, DType::U32, DType::I64] {
            let x = x.to_dtype(dtype).unwrap();
            assert!(matches!(distance.losses(&x, &x), Err(Error::DType { .. })));
        }
    }
    let t = Time::Shared(0.5);
    let implicit = ImplicitScoreMatching::new(Exact);
    assert!(matches!(
        implicit.losses(&Half, &t, &x),
        Err(Error::DType { .. })
    ));
    assert!(matches!(log_standard_normal(&x), Err(Error::DType { .. })));
    assert!(matches!(
        GaussianDecoder.log_likelihood(&x, &x, 1.0),
        Err(Error::DType { .. })
    ));
    let solver = Solver::new(Rk4, Fixed::steps(2).unwrap());
    assert!(reflow(&Half, &solver, &x, 2).is_err());
}

#[test]
fn absurd_counts_are_refused_or_harmless() {
    let x = Tensor::ones((4, 2), DType::F32, device()).unwrap();
    for count in [1 << 60, usize::MAX] {
        assert!(matches!(ncsn(0.01, 1.0, count), Err(Error::Range { .. })));
        let sliced = SlicedScoreMatching::new(Probe::Gaussian, count);
        assert!(matches!(sliced, Err(Error::Range { .. })));
        let solver = Solver::new(Rk4, Fixed::steps(2).unwrap());
        assert!(reflow(&Half, &solver, &x, count).is_ok());
        let decoder = Discretized::new(count).unwrap();
        assert!(decoder.log_likelihood(&x, &x, 1.0).is_ok());
    }
    assert!(ConditionDropout::new(f64::NAN).is_err());
}
