//! Ties, duplicates, few values, sorted and collinear points make little more work than random points: it is counted, not timed. Without care for
//! ties the work is cubic, and fifty times as much.

use advect_core::Generator;
use candle_core::{DType, Device, Tensor};

use crate::{Cost, ExactPlan, assignment, work};

const POINTS: usize = 500;
/// Costs, edges and nodes that are looked at, as a multiple of those for random points. It is a plan of distances on a line that takes most,
/// where nearly all edges tie but for rounding.
const AT_MOST: f64 = 2.0;
const AT_MOST_OF_PLANS: f64 = 3.0;

fn clouds() -> Vec<(&'static str, Tensor, Tensor)> {
    let mut rng = Generator::from_seed(0);
    let n = POINTS;
    let mut normal = || rng.normal((n, 2), DType::F32, &Device::Cpu).unwrap();
    let (x, y) = (normal(), (normal() + 1.0).unwrap());
    let zeros = x.zeros_like().unwrap();
    let whole = |x: &Tensor, step: f64| (x / step).unwrap().floor().unwrap();
    let head = y.narrow(0, 0, n / 2).unwrap();
    let one = y.narrow(0, 0, 1).unwrap().broadcast_as((n / 2, 2)).unwrap();
    let half = Tensor::cat(&[&one, &head], 0).unwrap();
    let twice = Tensor::cat(&[&head, &head], 0).unwrap();
    let line = Tensor::arange(0f32, n as f32, &Device::Cpu).unwrap();
    let line = line.unsqueeze(1).unwrap();
    let on_line = |x: &Tensor| {
        let first = x.narrow(1, 0, 1).unwrap();
        Tensor::cat(&[&first, &first], 1).unwrap()
    };
    let rising = |x: &Tensor| {
        let first = x.narrow(1, 0, 1).unwrap().flatten_all().unwrap();
        let rising = first.sort_last_dim(true).unwrap().0;
        rising.unsqueeze(1).unwrap()
    };
    let rounded = |x: &Tensor| ((x * 10.0).unwrap().round().unwrap() / 10.0).unwrap();
    vec![
        ("random", x.clone(), y.clone()),
        ("rounded to tenths", rounded(&x), rounded(&y)),
        ("all equal", zeros.clone(), zeros.clone()),
        ("one side equal", zeros, y.clone()),
        ("two values a side", whole(&x, 3.0), whole(&y, 3.0)),
        ("small whole numbers", whole(&x, 0.5), whole(&y, 0.5)),
        ("tenths", whole(&x, 0.1), whole(&y, 0.1)),
        ("half of y equal", x.clone(), half.clone()),
        ("half of x equal", half, x.clone()),
        ("y twice", x.clone(), twice),
        ("the same", x.clone(), x.clone()),
        ("sorted", line.clone(), (line + 0.25).unwrap()),
        ("collinear", on_line(&x), on_line(&y)),
        ("collinear and sorted", rising(&x), rising(&y)),
    ]
}

fn check(name: &str, costs: &[(&str, Cost)], most: f64, solve: impl Fn(&Cost)) {
    let random = work::of(|| solve(&costs[0].1));
    for (case, cost) in &costs[1..] {
        let ratio = work::of(|| solve(cost)) as f64 / random as f64;
        assert!(ratio < most, "{name}, {case}: {ratio}");
    }
}

#[test]
fn degenerate_inputs_make_little_more_work() {
    let squared: Vec<(&str, Cost)> = clouds()
        .into_iter()
        .map(|(name, x, y)| (name, Cost::squared_euclidean(&x, &y).unwrap()))
        .collect();
    check("assignment", &squared, AT_MOST, |cost| {
        drop(assignment(cost).unwrap())
    });
    check("plan", &squared, AT_MOST_OF_PLANS, |cost| {
        drop(ExactPlan::uniform(cost).unwrap());
    });
    let plain: Vec<(&str, Cost)> = squared
        .into_iter()
        .map(|(name, cost)| (name, cost.square_roots().unwrap()))
        .collect();
    check("assignment of distances", &plain, AT_MOST, |cost| {
        drop(assignment(cost).unwrap());
    });
    check("plan of distances", &plain, AT_MOST_OF_PLANS, |cost| {
        drop(ExactPlan::uniform(cost).unwrap());
    });
}
