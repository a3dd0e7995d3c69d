//! The properties of every coupling; each coupling's tests call it.

use advect_core::{Error, Generator};
use candle_core::{DType, Device, Tensor};

use super::{Coupling, Pairs};

const N: usize = 33;

fn numbers(indices: &Tensor) -> Vec<u32> {
    indices.to_vec1().unwrap()
}

fn once(indices: &Tensor) -> bool {
    let mut indices = numbers(indices);
    indices.sort_unstable();
    indices.into_iter().eq(0..N as u32)
}

fn batches(rng: &mut Generator) -> (Tensor, Tensor) {
    let mut batch = || rng.normal((N, 2), DType::F64, &Device::Cpu).unwrap();
    (batch(), batch())
}

/// [`check`], and that each source occurs once, which takes batches of one size.
pub(crate) fn check_permutation(coupling: &impl Coupling) {
    check(coupling);
    let mut rng = Generator::from_seed(3);
    for _ in 0..20 {
        let (x0, x1) = batches(&mut rng);
        let pairs = coupling.pair(&x0, &x1, &mut rng).unwrap();
        assert!(once(pairs.source_indices()), "each source once");
    }
}

/// Checks that batches of different sizes are refused.
pub(crate) fn check_one_size(coupling: &impl Coupling) {
    let mut rng = Generator::from_seed(4);
    let (x0, x1) = batches(&mut rng);
    for (x0, x1) in [
        (&x0.narrow(0, 0, 3).unwrap(), &x1),
        (&x0, &x1.narrow(0, 0, 3).unwrap()),
    ] {
        let error = coupling.pair(x0, x1, &mut rng).unwrap_err();
        assert!(matches!(error, Error::Shape { argument, .. } if argument == "x1"));
    }
}

/// Checks that marginals are preserved, that the cost is not above that of the batches as they came (on average), that
/// conditions keep their sources and targets, that views are as good as their copies, and the errors for batches that do not
/// fit.
pub(crate) fn check(coupling: &impl Coupling) {
    let mut rng = Generator::from_seed(2);
    let (mut before, mut after) = (0.0, 0.0);
    let mut drawn = [0.0; N];
    for _ in 0..50 {
        let (x0, x1) = batches(&mut rng);
        let pairs = coupling.pair(&x0, &x1, &mut rng).unwrap();
        assert!(once(pairs.target_indices()), "each target once");
        for i in numbers(pairs.source_indices()) {
            drawn[i as usize] += 1.0;
        }
        let cost = |a: Tensor, b: Tensor| -> f64 {
            let squares = (&a - &b).unwrap().sqr().unwrap();
            squares.sum_all().unwrap().to_scalar().unwrap()
        };
        before += cost(x0.clone(), x1.clone());
        after += cost(pairs.source(&x0).unwrap(), pairs.target(&x1).unwrap());
    }
    assert!(after <= 1.1 * before, "{after} against {before}");
    // Sources are drawn 50 times each, up to chance.
    let spread: f64 = drawn.iter().map(|d| (d - 50.0f64).powi(2)).sum();
    assert!(spread / 50.0 < 2.0 * N as f64, "{drawn:?}");

    conditions_keep_their_samples(coupling, &mut rng);
    views_are_as_good_as_copies(coupling, &mut rng);

    let (x0, _) = batches(&mut rng);
    let mut fails = |x1| coupling.pair(&x0, &x1, &mut rng).unwrap_err();
    let long = fails(x0.narrow(1, 0, 1).unwrap());
    assert!(matches!(long, Error::Shape { argument, .. } if argument == "x1"));
    let other = fails(x0.to_dtype(DType::F32).unwrap());
    assert!(matches!(other, Error::DType { argument, .. } if argument == "x1"));
    // Integers have no distances in candle, and may be paired at random only.
    let integers = x0.to_dtype(DType::U32).unwrap();
    match coupling.pair(&integers, &integers, &mut rng) {
        Ok(_) => {}
        Err(error) => assert!(matches!(error, Error::DType { argument, .. } if argument == "x0")),
    }
    let empty = x0.narrow(0, 0, 0).unwrap();
    assert!(matches!(
        coupling.pair(&empty, &empty, &mut rng),
        Err(Error::Empty { .. })
    ));
}

fn conditions_keep_their_samples(coupling: &impl Coupling, rng: &mut Generator) {
    let (x0, x1) = batches(rng);
    let labels = rng.integers(0..4, N, &Device::Cpu).unwrap();
    let pairs = coupling.pair_given(&x0, &x1, &labels, rng).unwrap();
    assert!(once(pairs.target_indices()));
    for side in [pairs.source_indices(), pairs.target_indices()] {
        let theirs = labels.index_select(side, 0).unwrap();
        assert_eq!(
            numbers(&theirs),
            numbers(&labels),
            "labels keep their places"
        );
    }
    // Contexts have the law of those labels, too, if there is a context for each.
    let context = labels
        .to_dtype(DType::F64)
        .unwrap()
        .reshape((N, 1))
        .unwrap();
    let pairs = coupling.pair_given(&x0, &x1, &context, rng).unwrap();
    let pairs = pairs.in_place(&context).unwrap();
    assert_eq!(numbers(pairs.target_indices()), Vec::from_iter(0..N as u32));

    let mut fails = |condition: &Tensor| coupling.pair_given(&x0, &x1, condition, rng).unwrap_err();
    let short = fails(&labels.narrow(0, 0, 5).unwrap());
    assert!(matches!(short, Error::Shape { argument, .. } if argument == "condition"));
    let unknown = fails(&(context * f64::NAN).unwrap());
    assert!(matches!(unknown, Error::NonFinite { argument, .. } if argument == "condition"));
}

fn views_are_as_good_as_copies(coupling: &impl Coupling, rng: &mut Generator) {
    let (x0, x1) = batches(rng);
    let turned = |x: &Tensor| x.t().unwrap().contiguous().unwrap().t().unwrap();
    let narrowed = |x: &Tensor| {
        let wide = Tensor::cat(&[x, x, x], 1).unwrap();
        wide.narrow(1, 2, 2).unwrap()
    };
    let labels = rng.integers(0..4, (N, 2), &Device::Cpu).unwrap();
    let labels = labels.narrow(1, 1, 1).unwrap().squeeze(1).unwrap();
    let stretched = x0.narrow(0, 3, 1).unwrap().broadcast_as((N, 2)).unwrap();
    for (a, b) in [
        (turned(&x0), x1.clone()),
        (x0.clone(), narrowed(&x1)),
        (narrowed(&x0), turned(&x1)),
        (stretched, turned(&x1)),
    ] {
        let copy = |x: &Tensor| x.force_contiguous().unwrap();
        let seed = || Generator::from_seed(9);
        let same = |ours: Pairs, theirs: Pairs| {
            let rows = |x: Tensor| x.to_vec2::<f64>().unwrap();
            assert_eq!(
                numbers(ours.target_indices()),
                numbers(theirs.target_indices())
            );
            assert_eq!(
                rows(ours.source(&a).unwrap()),
                rows(theirs.source(&copy(&a)).unwrap())
            );
            assert_eq!(
                rows(ours.target(&b).unwrap()),
                rows(theirs.target(&copy(&b)).unwrap())
            );
        };
        same(
            coupling.pair(&a, &b, &mut seed()).unwrap(),
            coupling.pair(&copy(&a), &copy(&b), &mut seed()).unwrap(),
        );
        same(
            coupling.pair_given(&a, &b, &labels, &mut seed()).unwrap(),
            coupling
                .pair_given(&copy(&a), &copy(&b), &copy(&labels), &mut seed())
                .unwrap(),
        );
    }
}
