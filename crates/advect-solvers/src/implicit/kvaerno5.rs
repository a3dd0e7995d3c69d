//! Kværnø's method of order 5(4) (Singly diagonally implicit Runge–Kutta methods with an explicit first stage, BIT Numer.
//! Math. 44, 2004).

use super::ImplicitRungeKutta;
use super::implicit_runge_kutta::stepper_by_differences;
use crate::Tableau;

/// Kværnø's pair of order 5 with an embedded method of order 4: six implicit stages, one after the other, with one
/// matrix. It is L-stable and stiffly accurate, with stage order 2; the last stage is the first one of the next step.
///
/// The one to begin with for stiff equations, for tolerances of about 1e-4 to 1e-9. One stage lies beyond the end of the
/// step, at t + 1.23 h.
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::{Solver, controller::Adaptive, implicit::Kvaerno5};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // Van der Pol's oscillator with μ = 1000, over one of its slow phases and a jump.
/// let field = field_fn(|_, x| {
///     let (x, y) = (x.narrow(1, 0, 1)?, x.narrow(1, 1, 1)?);
///     let slope = (((x.sqr()?.affine(-1.0, 1.0)? * &y)? * 1e3)? - &x)?;
///     Ok(Tensor::cat(&[y, slope], 1)?)
/// });
/// let x = Tensor::new(&[[2f64, 0.0]], &Device::Cpu)?;
/// let solution = Solver::new(Kvaerno5, Adaptive::new(1e-6, 1e-6)?).solve(&field, &x, 0.0, 2000.0)?;
/// let end = solution.end()?.to_vec2::<f64>()?;
/// assert!((end[0][0] - 1.706_167_732).abs() < 1e-5);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "ESDIRK")]
#[doc(alias = "SDIRK")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kvaerno5;

const GAMMA: f64 = 0.26;

impl ImplicitRungeKutta for Kvaerno5 {
    const TABLEAU: Tableau = Tableau::implicit(
        5,
        &[
            0.0,
            0.52,
            1.230_333_209_967_908,
            0.895_765_984_350_075_9,
            0.436_393_609_858_647_56,
            1.0,
            1.0,
        ],
        &[
            &[],
            &[GAMMA, GAMMA],
            &[0.13, 0.840_333_209_967_908_1, GAMMA],
            &[
                0.223_719_614_783_205_05,
                0.476_755_323_197_997,
                -0.064_708_953_631_126_15,
                GAMMA,
            ],
            &[
                0.166_485_643_232_483_2,
                0.104_500_188_415_917_2,
                0.036_314_822_720_987_15,
                -0.130_907_044_510_739_98,
                GAMMA,
            ],
            &EMBEDDED,
            &B,
        ],
        &B,
    )
    .with_error(
        4,
        &[
            B[0] - EMBEDDED[0],
            0.0,
            B[2] - EMBEDDED[2],
            B[3] - EMBEDDED[3],
            B[4] - EMBEDDED[4],
            B[5] - GAMMA,
            GAMMA,
        ],
    );
}

const EMBEDDED: [f64; 6] = [
    0.138_556_402_312_682_24,
    0.0,
    -0.042_453_372_017_520_43,
    0.024_466_578_980_031_41,
    0.619_430_390_724_806_8,
    GAMMA,
];

const B: [f64; 7] = [
    0.136_597_511_776_402_91,
    0.0,
    -0.054_969_087_965_383_76,
    -0.041_186_267_283_210_46,
    0.629_933_048_990_164,
    0.069_624_794_482_027_28,
    GAMMA,
];

stepper_by_differences!(Kvaerno5);
