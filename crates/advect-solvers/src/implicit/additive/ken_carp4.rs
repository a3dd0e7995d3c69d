//! Kennedy and Carpenter's additive method of order 4(3), ARK4(3)6L\[2\]SA (Additive Runge–Kutta schemes for
//! convection–diffusion–reaction equations, Appl. Numer. Math. 44, 2003, appendix C).

use super::AdditiveRungeKutta;
use crate::Tableau;

/// Kennedy and Carpenter's additive pair of order 4 with an embedded method of order 3, ARK4(3)6L\[2\]SA: five implicit
/// stages, L-stable in the stiff part, and six evaluations of the whole field.
///
/// ```
/// use advect_core::{Field, field_fn};
/// use advect_solvers::implicit::{AdditiveRungeKutta, KenCarp4};
/// use advect_solvers::{Solver, controller::Fixed};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // dx/dt = −x² + x, of which −x² is solved for implicitly: x = 1 / (1 + e⁻ᵗ)
/// let stiff = field_fn(|_, x| Ok(x.sqr()?.neg()?));
/// let whole = field_fn(|t, x| Ok((stiff.at(t, x)? + x)?));
/// let x = Tensor::new(&[0.5f64], &Device::Cpu)?;
/// let solver = Solver::new(KenCarp4.with_stiff(&stiff), Fixed::steps(20)?);
/// let end = solver.solve(&whole, &x, 0.0, 2.0)?.end()?.to_vec1::<f64>()?;
/// assert!((end[0] - 1.0 / (1.0 + (-2f64).exp())).abs() < 1e-7);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "ARK4(3)6L[2]SA")]
#[doc(alias = "IMEX")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KenCarp4;

impl AdditiveRungeKutta for KenCarp4 {
    const EXPLICIT: Tableau = Tableau::new(
        4,
        &C,
        &[
            &[],
            &[0.5],
            &[13_861.0 / 62_500.0, 6_889.0 / 62_500.0],
            &[
                -116_923_316_275.0 / 2_393_684_061_468.0,
                -2_731_218_467_317.0 / 15_368_042_101_831.0,
                9_408_046_702_089.0 / 11_113_171_139_209.0,
            ],
            &[
                -451_086_348_788.0 / 2_902_428_689_909.0,
                -2_682_348_792_572.0 / 7_519_795_681_897.0,
                12_662_868_775_082.0 / 11_960_479_115_383.0,
                3_355_817_975_965.0 / 11_060_851_509_271.0,
            ],
            &[
                647_845_179_188.0 / 3_216_320_057_751.0,
                73_281_519_250.0 / 8_382_639_484_533.0,
                552_539_513_391.0 / 3_454_668_386_233.0,
                3_354_512_671_639.0 / 8_306_763_924_573.0,
                4_040.0 / 17_871.0,
            ],
        ],
        &B,
    )
    .with_error(3, &E);

    const IMPLICIT: Tableau = Tableau::implicit(
        4,
        &C,
        &[
            &[],
            &[0.25, 0.25],
            &[8_611.0 / 62_500.0, -1_743.0 / 31_250.0, 0.25],
            &[
                5_012_029.0 / 34_652_500.0,
                -654_441.0 / 2_922_500.0,
                174_375.0 / 388_108.0,
                0.25,
            ],
            &[
                15_267_082_809.0 / 155_376_265_600.0,
                -71_443_401.0 / 120_774_400.0,
                730_878_875.0 / 902_184_768.0,
                2_285_395.0 / 8_070_912.0,
                0.25,
            ],
            &B,
        ],
        &B,
    )
    .with_error(3, &E);
}

const C: [f64; 6] = [0.0, 0.5, 83.0 / 250.0, 31.0 / 50.0, 17.0 / 20.0, 1.0];

const B: [f64; 6] = [
    82_889.0 / 524_892.0,
    0.0,
    15_625.0 / 83_664.0,
    69_875.0 / 102_672.0,
    -2_260.0 / 8_211.0,
    0.25,
];

const E: [f64; 6] = [
    B[0] - 4_586_570_599.0 / 29_645_900_160.0,
    0.0,
    B[2] - 178_811_875.0 / 945_068_544.0,
    B[3] - 814_220_225.0 / 1_159_782_912.0,
    B[4] + 3_700_637.0 / 11_593_932.0,
    B[5] - 61_727.0 / 225_920.0,
];
