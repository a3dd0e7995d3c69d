//! The Medical Akzo Nobel problem: antibodies in a tissue, a reaction and diffusion on a grid of 200 places.

use advect_core::testing::device;
use advect_core::{Field, Result, Time, field_fn};
use candle_core::Tensor;

const PLACES: usize = 200;

/// The field, with the concentration φ at the outer edge: 2 until t = 5, and 0 from there to t = 20.
pub(crate) fn field() -> impl Field {
    field_fn(|t: &Time, x: &Tensor| -> Result<Tensor> {
        let phi = match t {
            Time::Shared(t) if *t < 5.0 => 2.0,
            _ => 0.0,
        };
        let y = x.flatten_all()?.to_vec1::<f64>()?;
        Ok(Tensor::from_vec(slopes(&y, phi), x.shape(), device())?)
    })
}

/// Antibodies u and cells v alternate.
fn slopes(y: &[f64], phi: f64) -> Vec<f64> {
    let (c, k) = (4.0, 100.0);
    let width = 1.0 / PLACES as f64;
    let mut slopes = Vec::with_capacity(2 * PLACES);
    for j in 0..PLACES {
        let u = |j: usize| y[2 * j];
        let before = if j == 0 { phi } else { u(j - 1) };
        let after = if j + 1 == PLACES { u(j) } else { u(j + 1) };
        let z = (j + 1) as f64 * width - 1.0;
        let (alpha, beta) = (2.0 * z.powi(3) / (c * c), z.powi(4) / (c * c));
        let reaction = k * u(j) * y[2 * j + 1];
        let drift = alpha * (after - before) / (2.0 * width);
        let diffusion = beta * (before - 2.0 * u(j) + after) / (width * width);
        slopes.extend([drift + diffusion - reaction, -reaction]);
    }
    slopes
}

pub(crate) fn initial() -> Tensor {
    let values: Vec<f64> = (0..2 * PLACES).map(|i| (i % 2) as f64).collect();
    Tensor::from_vec(values, (1, 2 * PLACES), device()).unwrap()
}

/// Elements, counted from 1, at t = 20.
pub(crate) const SOLUTION: [(usize, f64); 5] = [
    (79, 0.233_994_221_704_643_4e-3),
    (133, 0.357_683_595_848_166_4e-3),
    (171, 0.308_594_983_235_053_2e-3),
    (199, 0.117_374_130_446_283_3e-3),
    (200, 0.619_082_273_253_458_6e-5),
];
