//! Kværnø's method of order 4(3) (Singly diagonally implicit Runge–Kutta methods with an explicit first stage, BIT Numer.
//! Math. 44, 2004).

use super::ImplicitRungeKutta;
use super::implicit_runge_kutta::stepper_by_differences;
use crate::Tableau;

/// Kværnø's pair of order 4 with an embedded method of order 3: four implicit stages, one after the other, with one
/// matrix. It is L-stable and stiffly accurate, with stage order 2; the last stage is the first one of the next step.
///
/// For tolerances of about 1e-3 to 1e-6.
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::{Solver, controller::Adaptive, implicit::Kvaerno4};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // dx/dt = −10⁵ (x − cos t)
/// let field = field_fn(|t, x| Ok(((x - t.values()?[0].cos())? * -1e5)?));
/// let x = Tensor::new(&[2f64], &Device::Cpu)?;
/// let solution = Solver::new(Kvaerno4, Adaptive::new(1e-6, 1e-6)?).solve(&field, &x, 0.0, 1.0)?;
/// assert!((solution.end()?.to_vec1::<f64>()?[0] - 1f64.cos()).abs() < 1e-5);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "ESDIRK")]
#[doc(alias = "SDIRK")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kvaerno4;

/// A root of `γ⁴ − 4 γ³ + 3 γ² − 2/3 γ + 1/24`.
const GAMMA: f64 = 0.572_816_062_482_134_9;

impl ImplicitRungeKutta for Kvaerno4 {
    const TABLEAU: Tableau = Tableau::implicit(
        4,
        &[0.0, 2.0 * GAMMA, 0.597_104_987_652_311_5, 1.0, 1.0],
        &[
            &[],
            &[GAMMA, GAMMA],
            &[0.167_235_462_027_210_75, -0.142_946_536_857_034_1, GAMMA],
            &[
                0.262_603_290_252_695_8,
                -0.311_904_327_420_563_2,
                0.476_484_974_685_732_5,
                GAMMA,
            ],
            &B,
        ],
        &B,
    )
    .with_error(
        3,
        &[
            B[0] - 0.262_603_290_252_695_8,
            B[1] + 0.311_904_327_420_563_2,
            B[2] - 0.476_484_974_685_732_5,
            B[3] - GAMMA,
            GAMMA,
        ],
    );
}

const B: [f64; 5] = [
    0.197_216_548_312_835,
    0.176_843_783_906_372_2,
    0.815_442_181_350_838_4,
    -0.762_318_576_052_180_5,
    GAMMA,
];

stepper_by_differences!(Kvaerno4);
