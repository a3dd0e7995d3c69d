use super::*;
use crate::coupling::{ExactOt, contract};
use candle_core::{DType, Device};

#[test]
fn keeps_the_contract() {
    for regularization in [0.3, 100.0] {
        let coupling = EntropicOt::new(regularization).unwrap();
        contract::check(&coupling);
        contract::check_permutation(&coupling.permuted());
        contract::check_one_size(&coupling.permuted());
    }
}

fn batches(n: usize, m: usize, rng: &mut Generator) -> (Tensor, Tensor) {
    let x0 = rng.normal((n, 1), DType::F64, &Device::Cpu).unwrap();
    let x1 = rng.normal((m, 1), DType::F64, &Device::Cpu).unwrap();
    (x0, (x1 * 2.0).unwrap())
}

/// The mean squared distance of pairs.
fn cost(pairs: &Pairs, x0: &Tensor, x1: &Tensor) -> f64 {
    let way = (pairs.source(x0).unwrap() - pairs.target(x1).unwrap()).unwrap();
    way.sqr().unwrap().mean_all().unwrap().to_scalar().unwrap()
}

#[test]
fn draws_have_the_law_of_the_plan() {
    let mut rng = Generator::from_seed(0);
    let (x0, x1) = batches(3, 4, &mut rng);
    let coupling = EntropicOt::new(1.0).unwrap();
    let plan = coupling.plan(&x0, &x1).unwrap().rounded();
    for (coupling, count) in [(coupling, 4.0), (coupling.with_replacement(), 3.0)] {
        let rounds = 20_000;
        let pairs = count * f64::from(rounds);
        let mut shares = [0.0; 12];
        for _ in 0..rounds {
            let pairs_of_round = coupling.pair(&x0, &x1, &mut rng).unwrap();
            let indices = |x: &Tensor| x.to_vec1::<u32>().unwrap();
            let sources = indices(pairs_of_round.source_indices());
            for (i, j) in sources.iter().zip(indices(pairs_of_round.target_indices())) {
                shares[(i * 4 + j) as usize] += 1.0 / pairs;
            }
        }
        for (share, p) in shares.iter().zip(plan.values()) {
            assert!((share - p).abs() < 5.0 * (p / pairs).sqrt(), "{share} {p}");
        }
    }
}

#[test]
fn one_plan_gives_any_number_of_draws() {
    let mut rng = Generator::from_seed(4);
    let (x0, x1) = batches(3, 4, &mut rng);
    let coupling = EntropicOt::new(1.0).unwrap();
    let plan = coupling.plan(&x0, &x1).unwrap().rounded();
    let count = 60_000;
    let pairs = coupling.draws(&x0, &x1, count, &mut rng).unwrap();
    let mut shares = [0.0; 12];
    let sources = pairs.source_indices().to_vec1::<u32>().unwrap();
    let targets = pairs.target_indices().to_vec1::<u32>().unwrap();
    for (i, j) in sources.iter().zip(targets) {
        shares[(i * 4 + j) as usize] += 1.0 / count as f64;
    }
    for (share, p) in shares.iter().zip(plan.values()) {
        let error = (p / count as f64).sqrt();
        assert!((share - p).abs() < 5.0 * error, "{share} {p}");
    }
    assert!(coupling.draws(&x0, &x1, 0, &mut rng).is_err());
}

/// A plan that is a little off must not bring in what it has no mass for.
#[test]
fn draws_are_of_pairs_that_the_plan_has() {
    let cost = Cost::new(
        3,
        3,
        vec![0.0, 500.0, 500.0, 500.0, 0.0, 500.0, 500.0, 500.0, 0.0],
    );
    let plan = Sinkhorn::new(0.1).unwrap().solve(&cost.unwrap()).unwrap();
    let mut rng = Generator::from_seed(3);
    for _ in 0..200 {
        for (sources, targets) in [
            draw::by_target(&plan, &mut rng).unwrap(),
            draw::independent(&plan, 10, &mut rng).unwrap(),
            draw::permutation(&plan, &mut rng).unwrap(),
        ] {
            assert_eq!(sources, targets);
        }
    }
}

/// Of the Schrödinger bridges that are customary, each batch has its pairs.
#[test]
fn small_regularisations_have_pairs() {
    let mut rng = Generator::from_seed(7);
    // A goal that is not reached does not matter, as long as the plan is near.
    let ambitious = EntropicOt::from(Sinkhorn::new(0.005).unwrap());
    let (x0, x1) = batches(64, 64, &mut rng);
    let plan = ambitious.plan(&x0, &x1).unwrap();
    assert!(!plan.converged() && plan.error() > 1e-9, "{}", plan.error());
    assert!(ambitious.pair(&x0, &x1, &mut rng).is_ok());
    for sigma in [0.02, 0.05, 0.1, 0.5] {
        let coupling = EntropicOt::new(2.0 * sigma * sigma).unwrap();
        for n in [64, 64, 64, 64, 64, 256] {
            let x0 = rng.normal((n, 2), DType::F32, &Device::Cpu).unwrap();
            let x1 = rng.normal((n, 2), DType::F32, &Device::Cpu).unwrap();
            let x1 = (x1 + 1.0).unwrap();
            let pairs = coupling.pair(&x0, &x1, &mut rng);
            assert!(
                pairs.is_ok(),
                "σ = {sigma}, n = {n}: {}",
                pairs.unwrap_err()
            );
            // Marginals are those of the batch, whatever the iterations left.
            let plan = coupling.plan(&x0, &x1).unwrap().rounded();
            for i in 0..n {
                let sum: f64 = plan.row(i).iter().sum();
                assert!((sum * n as f64 - 1.0).abs() < 1e-12);
            }
        }
    }
}

#[test]
fn pairs_lie_between_optimal_and_independent_ones() {
    let mut rng = Generator::from_seed(1);
    let mut costs = [0.0; 4];
    for _ in 0..20 {
        let (x0, x1) = batches(128, 128, &mut rng);
        let coupling = EntropicOt::new(0.2).unwrap();
        let mut add = |k: usize, pairs: Pairs| costs[k] += cost(&pairs, &x0, &x1) / 20.0;
        add(0, ExactOt.pair(&x0, &x1, &mut rng).unwrap());
        add(
            1,
            coupling
                .with_replacement()
                .pair(&x0, &x1, &mut rng)
                .unwrap(),
        );
        add(2, coupling.permuted().pair(&x0, &x1, &mut rng).unwrap());
        add(
            3,
            super::super::Independent.pair(&x0, &x1, &mut rng).unwrap(),
        );
    }
    assert!(
        costs[0] < costs[1] && costs[1] < 0.5 * costs[3],
        "{costs:?}"
    );
    assert!(
        costs[0] < costs[2] && costs[2] < 0.5 * costs[3],
        "{costs:?}"
    );
    // Leaving no sample out costs little.
    assert!((costs[2] / costs[1] - 1.0).abs() < 0.25, "{costs:?}");
}

/// From N(0, 1) to N(0, 1) the targets of the bridge have the mean `c x0` and the variance `σ² c` given their
/// sources, with `c = ½ (√(4 + σ⁴) − σ²)`. So have draws from the plans of batches, up to what the size of a batch
/// leaves. Where each sample is to occur once, the last sources take what there is, and the variance is larger.
#[test]
fn draws_have_the_conditional_law_of_the_bridge() {
    let mut rng = Generator::from_seed(9);
    let sigma = 0.5f64;
    let coupling = EntropicOt::new(2.0 * sigma * sigma).unwrap();
    let kinds = [coupling, coupling.with_replacement(), coupling.permuted()];
    let (rounds, n) = (30, 256);
    // The sums of x0², x0 x1 and x1²: for the three kinds of pairs, and for the plans themselves.
    let mut sums = [[0.0; 3]; 4];
    let values = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    for _ in 0..rounds {
        let x0 = rng.normal((n, 1), DType::F64, &Device::Cpu).unwrap();
        let x1 = rng.normal((n, 1), DType::F64, &Device::Cpu).unwrap();
        let mut add = |k: usize, mass: f64, a: f64, b: f64| {
            let products = [a * a, a * b, b * b];
            let sums = sums[k].iter_mut().zip(products);
            sums.for_each(|(sum, product)| *sum += mass * product);
        };
        for (k, kind) in kinds.iter().enumerate() {
            let pairs = kind.pair(&x0, &x1, &mut rng).unwrap();
            let ends = (pairs.source(&x0).unwrap(), pairs.target(&x1).unwrap());
            let ends = values(&ends.0).into_iter().zip(values(&ends.1));
            ends.for_each(|(a, b)| add(k, 1.0, a, b));
        }
        let plan = coupling.plan(&x0, &x1).unwrap().rounded();
        let targets = values(&x1);
        for (i, a) in values(&x0).into_iter().enumerate() {
            let masses = targets.iter().zip(plan.row(i));
            masses.for_each(|(b, mass)| add(3, mass * n as f64, a, *b));
        }
    }
    // The part of the targets' variance that their sources leave open.
    let open = sums.map(|[aa, ab, bb]| 1.0 - ab * ab / (aa * bb));
    let (plan, exact) = (
        open[3],
        sigma * sigma * 0.5 * ((4.0 + sigma.powi(4)).sqrt() - sigma * sigma),
    );
    let error = plan * (2.0 / (rounds * n) as f64).sqrt();
    for drawn in &open[..2] {
        assert!((drawn - plan).abs() < 4.0 * error, "{open:?}");
        assert!((drawn / exact - 1.0).abs() < 0.13, "{open:?} {exact}");
    }
    assert!(open[2] - plan > 4.5 * error, "{open:?}");
    assert!(open[2] / exact - 1.0 > 0.15, "{open:?} {exact}");
}

#[test]
fn trouble_is_reported() {
    let mut rng = Generator::from_seed(2);
    let (x0, x1) = batches(30, 20, &mut rng);
    let coupling = EntropicOt::new(1.0).unwrap();
    // Batches of different sizes.
    let mut count = |coupling: EntropicOt| coupling.pair(&x0, &x1, &mut rng).unwrap().len();
    assert_eq!(
        (count(coupling), count(coupling.with_replacement())),
        (20, 30)
    );
    // Unbalanced plans leave out what is far, or everything.
    let mild = Sinkhorn::new(0.5).unwrap().unbalanced(10.0).unwrap();
    let far = Tensor::cat(&[&x0, &(&x1 + 1e3).unwrap()], 0).unwrap();
    let pairs = EntropicOt::from(mild).pair(&far, &x1, &mut rng).unwrap();
    let sources = pairs.source_indices().to_vec1::<u32>().unwrap();
    assert!(sources.iter().all(|i| *i < 30), "{sources:?}");
    let strict = Sinkhorn::new(0.5).unwrap().unbalanced(0.1).unwrap();
    let away = (&x1 + 1e3).unwrap();
    let error = EntropicOt::from(strict)
        .pair(&x0, &away, &mut rng)
        .unwrap_err();
    assert!(matches!(error, Error::Stopped { .. }), "{error}");
    let hasty = Sinkhorn::new(1e-3).unwrap().max_iterations(3).unwrap();
    let error = EntropicOt::from(hasty)
        .pair(&x0, &x0, &mut rng)
        .unwrap_err();
    assert!(matches!(error, Error::Stopped { .. }), "{error}");
}
