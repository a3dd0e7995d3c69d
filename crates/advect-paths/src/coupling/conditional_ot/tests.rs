use super::*;
use crate::coupling::ExactOt;
use candle_core::{DType, Device};

fn batches(n: usize, rng: &mut Generator) -> (Tensor, Tensor) {
    let mut batch = || rng.normal((n, 2), DType::F64, &Device::Cpu).unwrap();
    (batch(), batch())
}

fn targets(pairs: &Pairs) -> Vec<u32> {
    pairs.target_indices().to_vec1::<u32>().unwrap()
}

/// Large weights of any kind give the pairs that infinite ones do, which are optimal in each class.
#[test]
fn large_weights_forbid() {
    let mut rng = Generator::from_seed(0);
    let n = 60;
    let (x0, x1) = batches(n, &mut rng);
    let labels = rng.integers(0..3, n, &Device::Cpu).unwrap();
    let context = labels.to_dtype(DType::F64).unwrap().unsqueeze(1).unwrap();
    let mut pair = |weight: f64, condition: &Tensor| {
        let coupling = ConditionalOt::new(weight).unwrap();
        targets(&coupling.pair_given(&x0, &x1, condition, &mut rng).unwrap())
    };
    let within = pair(f64::INFINITY, &labels);
    for weight in [1e3, 1e6, 1e15, 1e200, 1e300] {
        assert_eq!(pair(weight, &labels), within, "{weight}");
        assert_eq!(pair(weight, &context), within, "{weight}");
    }
    let free = targets(
        &ExactOt
            .pair(&x0, &x1, &mut Generator::from_seed(0))
            .unwrap(),
    );
    assert_eq!(pair(0.0, &labels), free);
    let of = labels.to_vec1::<u32>().unwrap();
    let agreement = |targets: &[u32]| {
        let pairs = targets.iter().enumerate();
        pairs.filter(|(i, j)| of[*i] == of[**j as usize]).count()
    };
    assert_eq!(agreement(&within), n);
    assert!(agreement(&free) < n / 2);
    // Between the two, both count.
    let some = agreement(&pair(1.0, &labels));
    assert!(some > agreement(&free) && some < n, "{some}");
    // Each class by itself.
    for class in 0..3u32 {
        let members: Vec<u32> = (0..n as u32).filter(|i| of[*i as usize] == class).collect();
        let indices = Tensor::new(members.as_slice(), &Device::Cpu).unwrap();
        let part = |x: &Tensor| x.index_select(&indices, 0).unwrap();
        let own = optimal(&part(&x0), &part(&x1)).unwrap();
        for (i, j) in members.iter().zip(targets(&own)) {
            assert_eq!(within[*i as usize], members[j as usize]);
        }
    }
}

/// The source's dependence on the context is what plain optimal transport leaves, and C²OT takes away.
#[test]
fn contexts_keep_most_of_the_source() {
    let mut rng = Generator::from_seed(1);
    let (mut plain, mut adapted, mut ways) = (0.0, 0.0, [0.0; 3]);
    let rounds = 20;
    for _ in 0..rounds {
        let (x0, x1) = batches(128, &mut rng);
        // The context is the first coordinate of the target, with noise.
        let context = x1.narrow(1, 0, 1).unwrap();
        let noise = (rng.normal_like(&context).unwrap() * 0.1).unwrap();
        let context = (context + noise).unwrap();
        let correlation = |pairs: &Pairs| {
            let source = pairs.source(&x0).unwrap().narrow(1, 0, 1).unwrap();
            let product = (source * pairs.target(&context).unwrap()).unwrap();
            product.mean_all().unwrap().to_scalar::<f64>().unwrap() / f64::from(rounds)
        };
        let way = |pairs: &Pairs| {
            let way = (pairs.source(&x0).unwrap() - pairs.target(&x1).unwrap()).unwrap();
            let squares = way.sqr().unwrap().mean_all().unwrap();
            squares.to_scalar::<f64>().unwrap() / f64::from(rounds)
        };
        let free = ExactOt.pair(&x0, &x1, &mut rng).unwrap();
        let kept = ExactOt.pair_given(&x0, &x1, &context, &mut rng).unwrap();
        plain += correlation(&free);
        adapted += correlation(&kept);
        ways[0] += way(&free);
        ways[1] += way(&kept);
        ways[2] += way(
            &Pairs::from_indices((0..128).collect(), (0..128).collect(), &Device::Cpu).unwrap(),
        );
    }
    assert!(plain > 0.8, "{plain}");
    assert!(adapted.abs() < 0.25 * plain, "{adapted} {plain}");
    assert!(ways[0] < ways[1] && ways[1] < 0.8 * ways[2], "{ways:?}");
}

#[test]
fn the_share_is_that_of_candidates() {
    let mut rng = Generator::from_seed(2);
    let n = 50;
    let (x0, x1) = batches(n, &mut rng);
    let context = rng.normal((n, 3), DType::F64, &Device::Cpu).unwrap();
    let distances = squared_distances(&x0, &x1).unwrap();
    let differences = Cost::squared_euclidean(&context, &context).unwrap();
    let mut before = f64::INFINITY;
    for share in [0.0, 0.05, 0.2, 1.0] {
        let weight = weight_of(share, &distances, &differences);
        let mut count = 0;
        for i in 0..n {
            for j in (0..n).filter(|j| *j != i) {
                let cost = distances.row(i)[j] + weight * differences.row(i)[j];
                count += usize::from(cost < distances.row(i)[i] * (1.0 - 1e-12));
            }
        }
        let allowed = share * (n * (n - 1)) as f64;
        assert!(count as f64 <= allowed, "{share}: {count}");
        assert!(
            weight == 0.0 || count as f64 > allowed - 2.0,
            "{share}: {count}"
        );
        assert!(weight < before);
        before = weight;
    }
    assert_eq!(before, 0.0);
    // Alone, or all alike: there is nothing to weigh.
    let one = |x: &Tensor| x.narrow(0, 0, 1).unwrap();
    let pairs = ExactOt
        .pair_given(&one(&x0), &one(&x1), &one(&context), &mut rng)
        .unwrap();
    assert_eq!(targets(&pairs), [0]);
    let same = context.zeros_like().unwrap();
    let pairs = ExactOt.pair_given(&x0, &x1, &same, &mut rng).unwrap();
    assert_eq!(targets(&pairs), targets(&optimal(&x0, &x1).unwrap()));
}

#[test]
fn conditions_that_do_not_fit_are_refused() {
    let mut rng = Generator::from_seed(0);
    let (x, _) = batches(4, &mut rng);
    let labels = |v: &[u32]| Tensor::new(v, &Device::Cpu).unwrap();
    let coupling = ConditionalOt::new(1.0).unwrap();
    let error = coupling
        .pair_given(&x, &x, &labels(&[0, 1, 2]), &mut rng)
        .unwrap_err();
    assert!(matches!(error, Error::Shape { argument, .. } if argument == "condition"));
    let error = coupling
        .pair_between(&x, &labels(&[0; 4]), &x, &x)
        .unwrap_err();
    assert!(matches!(error, Error::DType { argument, .. } if argument == "of_x1"));
    let forbidding = ConditionalOt::new(f64::INFINITY).unwrap();
    let (a, b) = (labels(&[0, 1, 1, 2]), labels(&[0, 1, 2, 2]));
    let error = forbidding.pair_between(&x, &a, &x, &b).unwrap_err();
    assert!(matches!(error, Error::Range { .. }), "{error}");
    assert!(coupling.pair_between(&x, &a, &x, &b).is_ok());
    let error = coupling.pair(&x, &x, &mut rng).unwrap_err();
    assert!(error.to_string().contains("pair_given"), "{error}");
    assert!(ConditionalOt::new(-1.0).is_err() && ConditionalOt::new(f64::NAN).is_err());
    assert!(ConditionalOt::adaptive(1.5).is_err());
}
