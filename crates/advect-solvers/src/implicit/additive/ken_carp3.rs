//! Kennedy and Carpenter's additive method of order 3(2), ARK3(2)4L\[2\]SA (Additive Runge–Kutta schemes for
//! convection–diffusion–reaction equations, Appl. Numer. Math. 44, 2003, appendix C).

use super::AdditiveRungeKutta;
use crate::Tableau;

/// Kennedy and Carpenter's additive pair of order 3 with an embedded method of order 2, ARK3(2)4L\[2\]SA: three implicit
/// stages, L-stable in the stiff part, and four evaluations of the whole field.
///
/// ```
/// use advect_core::{Field, field_fn};
/// use advect_solvers::implicit::{AdditiveRungeKutta, KenCarp3};
/// use advect_solvers::{Solver, controller::Adaptive};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // A stiff attraction, and something else, which need not have a Jacobian.
/// let stiff = field_fn(|_, x| Ok((x * -1e4)?));
/// let whole = field_fn(|t, x| Ok((stiff.at(t, x)? + x.sin()?.affine(1.0, 1e4)?)?));
/// let x = Tensor::new(&[[0f64]], &Device::Cpu)?;
/// let solver = Solver::new(KenCarp3.with_stiff(&stiff), Adaptive::new(1e-5, 1e-5)?);
/// let solution = solver.solve(&whole, &x, 0.0, 5.0)?;
/// // 10⁴ (x − 1) = sin x
/// assert!((solution.end()?.to_vec2::<f64>()?[0][0] - 1.000_084_15).abs() < 1e-7);
/// assert!(solution.statistics.accepted < 60);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "ARK3(2)4L[2]SA")]
#[doc(alias = "IMEX")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KenCarp3;

impl AdditiveRungeKutta for KenCarp3 {
    const EXPLICIT: Tableau = Tableau::new(
        3,
        &C,
        &[
            &[],
            &[1_767_732_205_903.0 / 2_027_836_641_118.0],
            &[
                5_535_828_885_825.0 / 10_492_691_773_637.0,
                788_022_342_437.0 / 10_882_634_858_940.0,
            ],
            &[
                6_485_989_280_629.0 / 16_251_701_735_622.0,
                -4_246_266_847_089.0 / 9_704_473_918_619.0,
                10_755_448_449_292.0 / 10_357_097_424_841.0,
            ],
        ],
        &B,
    )
    .with_error(2, &E);

    const IMPLICIT: Tableau = Tableau::implicit(
        3,
        &C,
        &[
            &[],
            &[GAMMA, GAMMA],
            &[
                2_746_238_789_719.0 / 10_658_868_560_708.0,
                -640_167_445_237.0 / 6_845_629_431_997.0,
                GAMMA,
            ],
            &B,
        ],
        &B,
    )
    .with_error(2, &E);
}

const GAMMA: f64 = 1_767_732_205_903.0 / 4_055_673_282_236.0;

const C: [f64; 4] = [0.0, 2.0 * GAMMA, 0.6, 1.0];

const B: [f64; 4] = [
    1_471_266_399_579.0 / 7_840_856_788_654.0,
    -4_482_444_167_858.0 / 7_529_755_066_697.0,
    11_266_239_266_428.0 / 11_593_286_722_821.0,
    GAMMA,
];

const E: [f64; 4] = [
    B[0] - 2_756_255_671_327.0 / 12_835_298_489_170.0,
    B[1] + 10_771_552_573_575.0 / 22_201_958_757_719.0,
    B[2] - 9_247_589_265_047.0 / 10_645_013_368_117.0,
    B[3] - 2_193_209_047_091.0 / 5_459_859_503_100.0,
];
