//! Additive Runge–Kutta methods, implicit in a part of the field and explicit in the rest.

mod additive_stepper;
mod ken_carp3;
mod ken_carp4;

use super::Differences;
use crate::Tableau;

pub use additive_stepper::AdditiveStepper;
pub use ken_carp3::KenCarp3;
pub use ken_carp4::KenCarp4;

/// An additive Runge–Kutta method: a pair of tableaus, explicit and implicit, with the same nodes and weights.
///
/// For `dx/dt = f(t, x)` with a stiff part g of f, the stages are
/// `z_i = x + h Σ_j a_ij (f − g)(t_j, z_j) + h Σ_j ã_ij g(t_j, z_j)` with the explicit a and the implicit ã, and
/// `x' = x + h Σ_i b_i f(t_i, z_i)` (Kennedy and Carpenter, Additive Runge–Kutta schemes for convection–diffusion–reaction
/// equations, Appl. Numer. Math. 44, 2003).
///
/// The field of the integration is all of f, and [`AdditiveRungeKutta::with_stiff`] names the part of it that is stiff. So
/// everything else that looks at the field, such as dense output and the choice of the first step, sees the equation as it
/// is. A part g that is only near the stiff one is as good, as it says which steps are stable and not what is solved.
///
/// The rest f − g should depend little on elements that g changes fast. Where it does so much, as the velocity in Van der Pol's
/// oscillator with all of its friction in g, the methods converge at a lower order than their own, and slowly: all of f as g, or an
/// implicit method, is the better choice there.
#[doc(alias = "IMEX")]
#[doc(alias = "splitting")]
pub trait AdditiveRungeKutta {
    /// The coefficients for the part that is not stiff.
    const EXPLICIT: Tableau;

    /// The coefficients for the stiff part, with implicit stages one after the other.
    const IMPLICIT: Tableau;

    /// Returns the method as a stepper for fields with a stiff part, whose Jacobian is taken by [`Differences`].
    fn with_stiff<G>(self, stiff: G) -> AdditiveStepper<Self, G, Differences>
    where
        Self: Sized,
    {
        AdditiveStepper::new(self, stiff, Differences)
    }
}

/// Checks that the methods have the same weights and nodes, and that products of both matrices satisfy the conditions of
/// order 4 that come in addition (Kennedy and Carpenter, section 2.1): `Σ b_i a_ij ã_jk c_k = Σ b_i ã_ij a_jk c_k = 1/24`.
#[allow(clippy::panic)]
const fn fit_each_other(explicit: &Tableau, implicit: &Tableau) {
    assert!(
        explicit.is_explicit() && !implicit.is_explicit(),
        "expected an explicit tableau and an implicit one"
    );
    assert!(
        explicit.stages() == implicit.stages() && implicit.matrix()[1].len() == 2,
        "expected as many stages in both, one after the other"
    );
    let (mut first, mut second, mut i) = (0.0, 0.0, 0);
    while i < explicit.stages() {
        let same = explicit.weights()[i] == implicit.weights()[i];
        let near = (explicit.nodes()[i] - implicit.nodes()[i]).abs() < 1e-12;
        assert!(same && near, "expected the same weights and nodes in both");
        let b = explicit.weights()[i];
        first += b * product(explicit.matrix(), implicit.matrix(), explicit.nodes(), i);
        second += b * product(implicit.matrix(), explicit.matrix(), explicit.nodes(), i);
        i += 1;
    }
    let satisfied = (first - 1.0 / 24.0).abs() < 1e-12 && (second - 1.0 / 24.0).abs() < 1e-12;
    assert!(
        explicit.order() < 4 || satisfied,
        "expected matrices that satisfy the conditions of order 4 together"
    );
    assert!(
        explicit.order() < 5,
        "expected an order up to 4, as further conditions are not checked"
    );
}

/// `(A B c)_i`
const fn product(a: &[&[f64]], b: &[&[f64]], c: &[f64], i: usize) -> f64 {
    let (mut sum, mut j) = (0.0, 0);
    while j < a[i].len() {
        let mut k = 0;
        while k < b[j].len() {
            sum += a[i][j] * b[j][k] * c[k];
            k += 1;
        }
        j += 1;
    }
    sum
}
