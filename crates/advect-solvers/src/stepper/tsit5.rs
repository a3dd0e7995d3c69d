//! The method of Tsitouras, 5(4) (Runge–Kutta pairs of order 5(4) satisfying only the first column simplifying
//! assumption, Comput. Math. Appl. 62, 2011, table 1 and section 3).

use super::{EmbeddedRungeKutta, RungeKutta};
use crate::{Interpolant, Tableau};

/// The pair of Tsitouras, of order 5 with an embedded method of order 4. The last of its seven stages is the first
/// one of the next step, so that an accepted step costs six evaluations. Its error is a little smaller than that of
/// [`Dopri5`](super::Dopri5).
///
/// The paper prints the last error weight, 1/66, with the sign that makes the embedded method inconsistent; here it
/// is checked by the order conditions, as all coefficients are.
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::{Solver, controller::Adaptive, stepper::Tsit5};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let decay = field_fn(|_, x| Ok(x.neg()?));
/// let x = Tensor::new(&[1f64], &Device::Cpu)?;
/// let solution = Solver::new(Tsit5, Adaptive::new(1e-6, 1e-6)?).solve(&decay, &x, 0.0, 1.0)?;
/// assert!((solution.end()?.to_vec1::<f64>()?[0] - (-1f64).exp()).abs() < 10.0 * 1e-6);
/// // Two evaluations choose the first step, one of which it begins with.
/// let cost = solution.statistics;
/// assert_eq!(cost.evaluations, 2 + 6 * (cost.accepted + cost.rejected));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[doc(alias = "Tsitouras")]
pub struct Tsit5;

impl RungeKutta for Tsit5 {
    const TABLEAU: Tableau = Tableau::new(
        5,
        &[0.0, 0.161, 0.327, 0.9, 0.9800255409045097, 1.0, 1.0],
        &[
            &[],
            &[0.161],
            &[-0.008480655492356989, 0.335480655492357],
            &[2.8971530571054935, -6.359448489975075, 4.3622954328695815],
            &[
                5.325864828439257,
                -11.748883564062828,
                7.4955393428898365,
                -0.09249506636175525,
            ],
            &[
                5.86145544294642,
                -12.92096931784711,
                8.159367898576159,
                -0.071584973281401,
                -0.028269050394068383,
            ],
            &[
                0.09646076681806523,
                0.01,
                0.4798896504144996,
                1.379008574103742,
                -3.290069515436081,
                2.324710524099774,
            ],
        ],
        &[
            0.09646076681806523,
            0.01,
            0.4798896504144996,
            1.379008574103742,
            -3.290069515436081,
            2.324710524099774,
            0.0,
        ],
    )
    .with_error(
        4,
        &[
            0.0017800110522257714,
            0.0008164344596567469,
            -0.007880878010261995,
            0.1447110071732629,
            -0.5823571654525552,
            0.45808210592918697,
            -0.015151515151515152,
        ],
    )
    .with_interpolant(
        4,
        Interpolant::Stages(&[
            &[
                1.0,
                -2.763706197274826,
                2.9132554618219126,
                -1.0530884977290216,
            ],
            &[0.0, 0.13169999999999998, -0.2234, 0.1017],
            &[
                0.0,
                3.9302962368947516,
                -5.941033872131505,
                2.490627285651253,
            ],
            &[
                0.0,
                -12.411077166933676,
                30.33818863028232,
                -16.548102889244902,
            ],
            &[0.0, 37.50931341651104, -88.1789048947664, 47.37952196281928],
            &[
                0.0,
                -27.896526289197286,
                65.09189467479366,
                -34.87065786149661,
            ],
            &[0.0, 1.5, -4.0, 2.5],
        ]),
    );
}

impl EmbeddedRungeKutta for Tsit5 {}

#[cfg(test)]
crate::stepper::contract::stepper_contract!(Tsit5, order = 5, evaluations = 6, within = 5);
