use super::*;
use advect_core::Generator;
use candle_core::Device;

#[test]
fn both_ways_agree() {
    let mut rng = Generator::from_seed(0);
    for dim in [1, 16, 17, 300] {
        let x = (rng.normal((13, dim), DType::F64, &Device::Cpu).unwrap() + 100.0).unwrap();
        let y = (rng.normal((7, dim), DType::F64, &Device::Cpu).unwrap() + 100.0).unwrap();
        let (a, b) = Points::pair(&x, &y).unwrap();
        let cost = Cost::squared_euclidean(&x, &y).unwrap();
        let mut direct = [0.0; 7];
        for i in 0..13 {
            a.squared_distances(&b, i, &mut direct);
            for (c, d) in cost.row(i).iter().zip(direct) {
                assert!((c - d).abs() < 1e-11 * (1.0 + d), "{dim}: {c} {d}");
            }
        }
        // Equal points cost nothing, and never less.
        let same = Cost::squared_euclidean(&x, &x).unwrap();
        assert!((0..13).all(|i| (0.0..1e-10).contains(&same.row(i)[i])));
    }
}

#[test]
fn points_of_other_dimensions_are_refused() {
    let x = Tensor::zeros((2, 20), DType::F32, &Device::Cpu).unwrap();
    let y = Tensor::zeros((2, 21), DType::F32, &Device::Cpu).unwrap();
    let error = Cost::squared_euclidean(&x, &y).unwrap_err();
    assert!(matches!(error, Error::Shape { argument, .. } if argument == "y"));
}

#[test]
fn matrices_are_transposed_in_either_way() {
    let mut rng = Generator::from_seed(0);
    let sizes = [
        (1, 1),
        (15, 15),
        (16, 16),
        (17, 17),
        (50, 50),
        (5, 40),
        (40, 5),
    ];
    for (rows, columns) in sizes {
        let values = rng
            .values(&rand_distr::StandardNormal, rows * columns)
            .unwrap();
        let cost = Cost::new(rows, columns, values).unwrap();
        for turned in [cost.transposed(), cost.clone().into_transposed()] {
            assert_eq!((turned.rows(), turned.columns()), (columns, rows));
            for i in 0..rows {
                let column: Vec<f64> = (0..columns).map(|j| turned.row(j)[i]).collect();
                assert_eq!(column, cost.row(i));
            }
        }
    }
}
