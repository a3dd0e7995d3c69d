//! Kværnø's method of order 3(2) (Singly diagonally implicit Runge–Kutta methods with an explicit first stage, BIT Numer.
//! Math. 44, 2004).

use super::ImplicitRungeKutta;
use super::implicit_runge_kutta::stepper_by_differences;
use crate::Tableau;

/// Kværnø's pair of order 3 with an embedded method of order 2: three implicit stages, one after the other, with one
/// matrix. It is L-stable and stiffly accurate, with stage order 2; the last stage is the first one of the next step.
///
/// For tolerances of about 1e-2 to 1e-4.
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::{Solver, controller::Adaptive, implicit::Kvaerno3};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // dx/dt = −10⁵ (x − cos t): an explicit method would take some 30,000 steps.
/// let field = field_fn(|t, x| Ok(((x - t.values()?[0].cos())? * -1e5)?));
/// let x = Tensor::new(&[2f64], &Device::Cpu)?;
/// let solution = Solver::new(Kvaerno3, Adaptive::new(1e-4, 1e-4)?).solve(&field, &x, 0.0, 1.0)?;
/// assert!((solution.end()?.to_vec1::<f64>()?[0] - 1f64.cos()).abs() < 1e-4);
/// assert!(solution.statistics.accepted < 60);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "ESDIRK")]
#[doc(alias = "SDIRK")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kvaerno3;

/// The root of `γ³ − 3 γ² + 3/2 γ − 1/6` in the middle.
const GAMMA: f64 = 0.435_866_521_508_459;

impl ImplicitRungeKutta for Kvaerno3 {
    const TABLEAU: Tableau = Tableau::implicit(
        3,
        &[0.0, 2.0 * GAMMA, 1.0, 1.0],
        &[
            &[],
            &[GAMMA, GAMMA],
            &[0.490_563_388_421_780_57, 0.073_570_090_069_760_43, GAMMA],
            &B,
        ],
        &B,
    )
    .with_error(
        2,
        &[
            B[0] - 0.490_563_388_421_780_57,
            B[1] - 0.073_570_090_069_760_43,
            B[2] - GAMMA,
            GAMMA,
        ],
    );
}

const B: [f64; 4] = [
    0.308_809_969_976_746_5,
    1.490_563_388_421_780_6,
    -1.235_239_879_906_986,
    GAMMA,
];

stepper_by_differences!(Kvaerno3);
