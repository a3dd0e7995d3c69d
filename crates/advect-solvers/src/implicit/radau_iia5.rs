//! The method Radau IIA of order 5 (Hairer and Wanner, Solving Ordinary Differential Equations II, table IV.5.6; its error
//! estimate: eq. IV.8.20, as in RADAU5).

use super::ImplicitRungeKutta;
use super::implicit_runge_kutta::stepper_by_differences;
use crate::{Interpolant, Tableau};

/// Radau's method of order 5 by collocation at three places, IIA, with an error estimate of order 3. It is L-stable and
/// stiffly accurate, with stage order 3, and its dense output is the collocation polynomial.
///
/// The stages are solved for together, in one system of 3 N equations for N elements of a sample, whose real matrix is
/// factorised as it is. Where N is large, a [`Kvaerno5`](super::Kvaerno5) step takes 27 times fewer operations for its
/// factors; where evaluations cost most, this is often the cheaper one, as its steps are longer.
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::{Solver, controller::Adaptive, implicit::RadauIia5};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // dx/dt = −10⁵ (x − cos t)
/// let field = field_fn(|t, x| Ok(((x - t.values()?[0].cos())? * -1e5)?));
/// let x = Tensor::new(&[2f64], &Device::Cpu)?;
/// let solution = Solver::new(RadauIia5, Adaptive::new(1e-6, 1e-6)?).solve(&field, &x, 0.0, 1.0)?;
/// assert!((solution.end()?.to_vec1::<f64>()?[0] - 1f64.cos()).abs() < 1e-5);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "Radau")]
#[doc(alias = "RADAU5")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RadauIia5;

impl ImplicitRungeKutta for RadauIia5 {
    const TABLEAU: Tableau = Tableau::implicit(
        5,
        &[0.0, 0.155_051_025_721_682_2, 0.644_948_974_278_317_8, 1.0],
        &[
            &[],
            &[
                0.0,
                0.196_815_477_223_660_43,
                -0.065_535_425_850_198_39,
                0.023_770_974_348_220_15,
            ],
            &[
                0.0,
                0.394_424_314_739_087_3,
                0.292_073_411_665_228_46,
                -0.041_548_752_125_997_93,
            ],
            &B,
        ],
        &B,
    )
    .with_error(
        3,
        &[
            -GAMMA,
            0.428_298_294_115_368_1,
            -0.245_039_074_384_916_53,
            0.091_629_609_865_225_8,
        ],
    )
    .with_interpolant(3, Interpolant::Stages(&COLLOCATION));
    const ERROR_FILTER: Option<f64> = Some(GAMMA);
}

/// The real eigenvalue of A.
const GAMMA: f64 = 0.274_888_829_595_677_4;

const B: [f64; 4] = [
    0.0,
    0.376_403_062_700_467_3,
    0.512_485_826_188_421_6,
    1.0 / 9.0,
];

/// The integrals of Lagrange's polynomials at the three places.
const COLLOCATION: [&[f64]; 4] = [
    &[],
    &[
        1.558_078_204_724_922_4,
        -1.986_947_221_348_443,
        0.805_272_079_323_987_8,
    ],
    &[
        -0.891_411_538_058_255_7,
        3.320_280_554_681_776_3,
        -1.916_383_190_435_099,
    ],
    &[1.0 / 3.0, -4.0 / 3.0, 10.0 / 9.0],
];

stepper_by_differences!(RadauIia5);
