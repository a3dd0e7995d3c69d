//! Exact assignment: against exact sums in whole numbers, and against SciPy.

use advect_core::testing::device;
use advect_core::{Error, Generator};
use advect_transport::{Cost, assignment};
use candle_core::{DType, Tensor};
use proptest::prelude::*;
use rand_distr::StandardUniform;

/// Costs are whole multiples of 2⁻⁴⁰ here, below 2⁸⁰.
fn whole(cost: f64) -> i128 {
    let scaled = cost * 2f64.powi(40);
    assert!(scaled == scaled.trunc() && scaled.abs() < 2f64.powi(120));
    scaled as i128
}

/// The least total of a matrix with no more rows than columns, by shortest augmenting paths, one row after the other, in
/// whole numbers.
fn least(cost: &Cost) -> i128 {
    let (n, m) = (cost.rows(), cost.columns());
    let c = |i: usize, j: usize| whole(cost.row(i)[j]);
    let (mut u, mut v) = (vec![0; n + 1], vec![0; m + 1]);
    // Row and column 0 stand for none.
    let (mut row_of, mut way) = (vec![0; m + 1], vec![0; m + 1]);
    for i in 1..=n {
        row_of[0] = i;
        let mut column = 0;
        let (mut distance, mut used) = (vec![i128::MAX; m + 1], vec![false; m + 1]);
        while row_of[column] != 0 {
            used[column] = true;
            let row = row_of[column];
            let (mut step, mut next) = (i128::MAX, 0);
            for j in (1..=m).filter(|j| !used[*j]) {
                let reduced = c(row - 1, j - 1) - u[row] - v[j];
                if reduced < distance[j] {
                    (distance[j], way[j]) = (reduced, column);
                }
                if distance[j] < step {
                    (step, next) = (distance[j], j);
                }
            }
            for j in 0..=m {
                if used[j] {
                    u[row_of[j]] += step;
                    v[j] -= step;
                } else if j > 0 {
                    distance[j] -= step;
                }
            }
            column = next;
        }
        while column != 0 {
            row_of[column] = row_of[way[column]];
            column = way[column];
        }
    }
    let pairs = (1..=m).filter(|j| row_of[*j] > 0);
    pairs.map(|j| c(row_of[j] - 1, j - 1)).sum()
}

fn total(cost: &Cost, pairs: &[(usize, usize)]) -> i128 {
    pairs.iter().map(|&(i, j)| whole(cost.row(i)[j])).sum()
}

pub(crate) fn check_exact(cost: &Cost) {
    let pairs = assignment(cost).unwrap();
    let (rows, columns) = (cost.rows(), cost.columns());
    assert_eq!(pairs.len(), rows.min(columns));
    assert!(pairs.windows(2).all(|pair| pair[0].0 < pair[1].0));
    let mut used: Vec<usize> = pairs.iter().map(|pair| pair.1).collect();
    used.sort_unstable();
    used.dedup();
    assert_eq!(used.len(), pairs.len());
    let expected = match rows <= columns {
        true => least(cost),
        false => {
            let column = |j: usize| (0..rows).map(move |i| cost.row(i)[j]);
            least(&Cost::new(columns, rows, (0..columns).flat_map(column).collect()).unwrap())
        }
    };
    assert_eq!(total(cost, &pairs), expected, "{rows} × {columns}");
}

/// Numbers in `[0, 1)` with 20 bits after the point.
fn numbers(seed: u64, count: usize) -> Vec<f64> {
    let numbers = Generator::from_seed(seed)
        .values(&StandardUniform, count)
        .unwrap();
    let cut = |u: f64| (u * 1_048_576.0).floor() / 1_048_576.0;
    numbers.into_iter().map(cut).collect()
}

fn square(n: usize, seed: u64, cost: impl Fn(usize, usize, f64) -> f64) -> Cost {
    let numbers = numbers(seed, n * n);
    let values = numbers.iter().enumerate();
    let values = values.map(|(k, u)| cost(k / n, k % n, *u));
    Cost::new(n, n, values.collect()).unwrap()
}

/// Costs that forbid pairs by being large: some can be avoided, some not.
#[test]
fn large_costs_leave_the_small_ones_exact() {
    for n in [3, 10, 40, 120] {
        for huge in [1e9f64, 1e15, 1e18, 1e22] {
            for part in [0.3, 0.9, 0.99] {
                let choice = numbers(9, n * n);
                let forbids = |i: usize, j: usize| choice[i * n + j] < part;
                let large = |i: usize, j: usize| if forbids(i, j) { huge } else { 0.0 };
                // Instead of the small cost, and beside it.
                check_exact(&square(n, 1, |i, j, u| large(i, j).max(u)));
                check_exact(&square(n, 2, |i, j, u| large(i, j) + 8.0 * u));
            }
        }
    }
}

/// Blocks, as conditions with a large weight make them.
#[test]
fn a_large_weight_leaves_the_rest_exact() {
    for weight in [1e6, 1e12, 1e14, 1e16, 1e20] {
        check_exact(&square(60, 3, |i, j, u| match i % 4 == (j * 7 + 1) % 4 {
            true => u,
            false => weight + u,
        }));
        // Too few of one kind: some have to pay.
        check_exact(&square(60, 4, |i, j, u| match i % 5 == j % 4 {
            true => u,
            false => weight,
        }));
    }
}

#[test]
fn every_row_may_have_a_scale_of_its_own() {
    for n in [8, 30, 70] {
        let power = |i: usize| 2f64.powi((i * 37 % 60) as i32 - 15);
        check_exact(&square(n, 5, |i, _, u| u * power(i)));
        check_exact(&square(n, 6, |_, j, u| u * power(j)));
        check_exact(&square(n, 7, |i, j, u| u * power(i + 3 * j)));
        check_exact(&square(n, 8, |i, j, u| {
            u + power(i) * 1024.0 + power(j) * 4096.0
        }));
    }
}

/// Equal costs, few costs, equal rows and columns.
#[test]
fn ties_are_exact() {
    for n in [2, 17, 64, 150] {
        check_exact(&square(n, 1, |_, _, _| 0.75));
        check_exact(&square(n, 2, |_, _, u| (3.0 * u).floor()));
        check_exact(&square(n, 3, |_, _, u| (u - 0.9).max(0.0).ceil()));
        check_exact(&square(n, 4, |i, j, _| (i as f64 - j as f64).abs()));
        check_exact(&square(n, 5, |i, j, _| (i as f64 - 2.0 * j as f64).abs()));
        check_exact(&square(n, 6, |i, j, _| {
            ((i / 3) as f64 - (j / 5) as f64).powi(2)
        }));
        check_exact(&square(n, 7, |i, j, _| (i * j) as f64));
    }
}

#[test]
fn the_smaller_side_is_assigned() {
    for (n, m) in [
        (1, 1),
        (1, 9),
        (9, 1),
        (5, 96),
        (96, 5),
        (30, 31),
        (31, 30),
        (40, 80),
    ] {
        let mut values = numbers(1, n * m);
        check_exact(&Cost::new(n, m, values.clone()).unwrap());
        values.iter_mut().for_each(|v| *v = (*v * 4.0).floor());
        check_exact(&Cost::new(n, m, values).unwrap());
    }
}

#[test]
fn forbidden_pairs_are_avoided_or_told() {
    let inf = f64::INFINITY;
    let cost = |values: &[f64]| Cost::new(3, 3, values.to_vec()).unwrap();
    let pairs = assignment(cost(&[inf, 1.0, inf, 1.0, 5.0, inf, 0.0, 0.0, 9.0])).unwrap();
    assert_eq!(pairs, [(0, 1), (1, 0), (2, 2)]);
    for values in [
        [inf, 1.0, inf, inf, 5.0, inf, 0.0, 0.0, 9.0],
        [inf, 1.0, 1.0, inf, 5.0, 2.0, inf, 0.0, 9.0],
        [inf; 9],
    ] {
        let error = assignment(cost(&values)).unwrap_err();
        assert!(matches!(error, Error::Range { argument, .. } if argument == "cost"));
    }
    // Large numbers tell the same, where they can be avoided.
    for n in [5, 30, 90] {
        let choice = numbers(9, n * n);
        let with = |forbidden: f64| {
            square(n, 1, |i, j, u| match i != j && choice[i * n + j] < 0.8 {
                true => forbidden,
                false => u,
            })
        };
        let pairs = assignment(with(inf)).unwrap();
        let cost = with(1e12);
        assert_eq!(total(&cost, &pairs), least(&cost));
    }
    for n in [40, 64] {
        // A block of rows that is larger than its block of columns.
        let blocks = square(n, 1, |i, j, u| match (i < n / 2 + 1) == (j < n / 2) {
            true => u,
            false => inf,
        });
        assert!(matches!(assignment(&blocks), Err(Error::Range { .. })));
    }
}

#[test]
fn the_extremes_of_floats_are_exact() {
    let tiny = f64::from_bits(1);
    let cost = Cost::new(2, 2, vec![1e290, 1e290, tiny, 0.0]).unwrap();
    assert_eq!(assignment(&cost).unwrap(), [(0, 0), (1, 1)]);
    let cost = Cost::new(2, 2, vec![1e290, 1e290, 0.0, tiny]).unwrap();
    assert_eq!(assignment(&cost).unwrap(), [(0, 1), (1, 0)]);
    let cost = Cost::new(2, 2, vec![-1e290, -1e290, 1.0, 2.0]).unwrap();
    assert_eq!(assignment(&cost).unwrap(), [(0, 1), (1, 0)]);
}

/// One coordinate of huge scale: what the other says is a difference far below the rounding of the sums.
#[test]
fn a_coordinate_of_huge_scale_leaves_the_others_their_say() {
    let n = 40;
    let small = numbers(3, 2 * n);
    let points = |small: &[f64]| {
        let rows = small.iter().enumerate();
        let rows: Vec<f64> = rows.flat_map(|(i, s)| [1e8 * (i / 8) as f64, *s]).collect();
        Tensor::from_vec(rows, (n, 2), device()).unwrap()
    };
    let (x, y) = small.split_at(n);
    let pairs = assignment(Cost::squared_euclidean(&points(x), &points(y)).unwrap()).unwrap();
    // Monotone within each group of eight.
    for (i, j) in &pairs {
        assert_eq!(i / 8, j / 8);
        for (k, l) in pairs.iter().filter(|(k, _)| k / 8 == i / 8) {
            assert!(x[*i] <= x[*k] || y[*j] >= y[*l]);
        }
    }
}

/// `scipy.optimize.linear_sum_assignment` of SciPy 1.17.1 gives these pairs and sums.
#[test]
fn scipy_agrees() {
    // c[i][j] = (37 i + 101 j + 13 i j) mod 97, and 1e15 where (i + 2 j) mod 3 = 0.
    let value = |i: usize, j: usize, huge: f64| match (i + 2 * j) % 3 {
        0 => huge,
        _ => ((37 * i + 101 * j + 13 * i * j) % 97) as f64 + 0.25,
    };
    let matrix = |n: usize, m: usize| {
        let values = (0..n).flat_map(|i| (0..m).map(move |j| value(i, j, 1e15)));
        Cost::new(n, m, values.collect()).unwrap()
    };
    for (n, m, sum) in SCIPY {
        let cost = matrix(n, m);
        assert_eq!(cost.total(&assignment(&cost).unwrap()), sum);
    }
}

/// Rows, columns, the least sum.
const SCIPY: [(usize, usize, f64); 4] = [
    (4, 4, 112.0),
    (30, 30, 236.5),
    (12, 50, 30.0),
    (50, 12, 21.0),
];

proptest! {
    #[test]
    fn costs_of_any_magnitudes_are_exact(
        n in 1usize..12, m in 1usize..12, seed in any::<u64>(), lowest in 0i32..30, levels in 1i32..60, steps in 1u32..9,
    ) {
        let numbers = numbers(seed, 2 * n * m);
        let (powers, mantissas) = numbers.split_at(n * m);
        let values = powers.iter().zip(mantissas).map(|(p, u)| {
            let exponent = lowest + (p * f64::from(levels)) as i32 - 20;
            ((u - 0.3) * f64::from(1u32 << steps)).floor() * 2f64.powi(exponent)
        });
        check_exact(&Cost::new(n, m, values.collect()).unwrap());
    }
}

/// Views of every kind are as good as copies.
#[test]
fn views_are_accepted() {
    let mut rng = Generator::from_seed(0);
    for d in [2, 20] {
        for dtype in [DType::F32, DType::F64] {
            let y = rng.normal((12, d), dtype, device()).unwrap();
            let wide = rng.normal((d, 14), dtype, device()).unwrap();
            let views = [
                wide.t().unwrap().narrow(0, 1, 12).unwrap(),
                wide.narrow(1, 2, 12).unwrap().t().unwrap(),
                rng.normal((1, d), dtype, device())
                    .unwrap()
                    .broadcast_as((12, d))
                    .unwrap(),
                rng.normal((12, 2 * d), dtype, device())
                    .unwrap()
                    .narrow(1, d, d)
                    .unwrap(),
                y.flip(&[0]).unwrap(),
            ];
            for x in views {
                let copy = Tensor::from_vec(
                    x.to_dtype(DType::F64)
                        .unwrap()
                        .flatten_all()
                        .unwrap()
                        .to_vec1::<f64>()
                        .unwrap(),
                    (12, d),
                    device(),
                );
                let copy = copy.unwrap().to_dtype(dtype).unwrap();
                for (a, b, c, e) in [(&x, &y, &copy, &y), (&y, &x, &y, &copy)] {
                    let (view, plain) = (
                        Cost::squared_euclidean(a, b).unwrap(),
                        Cost::squared_euclidean(c, e).unwrap(),
                    );
                    assert!((0..12).all(|i| view.row(i) == plain.row(i)));
                }
            }
        }
    }
    let labels = Tensor::new(&[[1u32, 2], [1, 3]], device()).unwrap();
    let column = labels.t().unwrap().get(1).unwrap();
    let all = column
        .get(0)
        .unwrap()
        .unsqueeze(0)
        .unwrap()
        .broadcast_as(3)
        .unwrap();
    let cost = Cost::label_mismatch(&labels.narrow(1, 1, 1).unwrap().squeeze(1).unwrap(), &all);
    let cost = cost.unwrap();
    assert_eq!(
        (cost.row(0), cost.row(1)),
        ([0.0; 3].as_slice(), [1.0; 3].as_slice())
    );
}

#[test]
fn bad_costs_are_typed_errors() {
    let nonfinite = |value: f64| {
        let error = Cost::new(1, 2, vec![0.0, value]).unwrap_err();
        matches!(error, Error::NonFinite { index: 1, .. })
    };
    assert!(nonfinite(f64::NAN) && nonfinite(f64::NEG_INFINITY));
    assert!(matches!(
        Cost::new(1, 1, vec![1e291]),
        Err(Error::Range { .. })
    ));
    for (rows, columns) in [(usize::MAX, 2), (1 << 62, 4), (2, 2)] {
        assert!(matches!(
            Cost::new(rows, columns, vec![1.0]),
            Err(Error::Shape { .. })
        ));
    }
    assert!(matches!(Cost::new(0, 2, vec![]), Err(Error::Empty { .. })));
    let one = Cost::new(1, 1, vec![1.0]).unwrap();
    for weight in [f64::NAN, f64::NEG_INFINITY, 1e300, f64::MAX] {
        assert!(
            matches!(one.clone().plus(weight, &one), Err(Error::Range { .. })),
            "{weight}"
        );
    }
    assert!(
        one.clone()
            .plus(f64::INFINITY, &one)
            .unwrap()
            .has_forbidden()
    );
    // What overflows is no forbidden pair.
    let far = Tensor::new(&[[-1e200f64], [1e200]], device()).unwrap();
    assert!(matches!(
        Cost::squared_euclidean(&far, &far),
        Err(Error::Range { .. })
    ));
    let far = far.broadcast_as((2, 20)).unwrap();
    assert!(matches!(
        Cost::squared_euclidean(&far, &far),
        Err(Error::Range { .. })
    ));
    let whole = Tensor::zeros((2, 2), DType::U32, device()).unwrap();
    assert!(matches!(
        Cost::squared_euclidean(&whole, &whole),
        Err(Error::DType { .. })
    ));
}
