//! The properties of every toy distribution; the tests of each call it.

use advect_core::{Error, Generator};
use candle_core::{DType, Device};

use super::Toy;

/// Checks shape, dtype, reproducibility, the box that the points lie in, and errors. Returns the points.
pub(crate) fn check(toy: &impl Toy, half_width: f64) -> Vec<Vec<f64>> {
    let sample = |seed: u64| {
        let mut rng = Generator::from_seed(seed);
        let points = toy
            .sample(4000, DType::F64, &Device::Cpu, &mut rng)
            .unwrap();
        points.to_vec2::<f64>().unwrap()
    };
    let points = sample(0);
    assert_eq!(points, sample(0));
    assert_ne!(points, sample(1));
    let largest = points
        .iter()
        .flatten()
        .fold(0.0, |m: f64, v| m.max(v.abs()));
    assert!(
        largest <= half_width && largest > 0.5 * half_width,
        "half width {largest}"
    );
    let mut rng = Generator::from_seed(0);
    let single = toy.sample(7, DType::F32, &Device::Cpu, &mut rng).unwrap();
    assert_eq!((single.dims(), single.dtype()), (&[7, 2][..], DType::F32));
    assert!(matches!(
        toy.sample(0, DType::F32, &Device::Cpu, &mut rng),
        Err(Error::Range { .. })
    ));
    assert!(matches!(
        toy.sample(1, DType::U8, &Device::Cpu, &mut rng),
        Err(Error::DType { .. })
    ));
    points
}
