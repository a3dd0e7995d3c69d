//! Table 2 of Tong et al. 2024b, *Simulation-free Schrödinger bridges via score and flow matching* (AISTATS): means and standard deviations
//! over five seeds, as `[W₂, NPE]`.

use crate::methods::Method;
use crate::problems::Problem;

/// The published figures; none for a problem that the table lacks.
pub(crate) fn figures(method: Method, problem: Problem) -> [&'static str; 2] {
    use Method::{ICfm, OtCfm, Rectified, Sf2m};
    use Problem::{GaussiansMoons, NormalGaussians, NormalMoons, NormalScurve};
    match (method, problem) {
        (OtCfm, NormalGaussians) => [".303 ± .043", ".031 ± .027"],
        (OtCfm, GaussiansMoons) => [".601 ± .027", ".015 ± .010"],
        (OtCfm, NormalMoons) => [".130 ± .016", ".083 ± .009"],
        (Sf2m, NormalGaussians) => [".275 ± .058", ".016 ± .012"],
        (Sf2m, GaussiansMoons) => [".726 ± .137", ".045 ± .031"],
        (Sf2m, NormalMoons) => [".124 ± .023", ".053 ± .038"],
        (ICfm, NormalGaussians) => [".373 ± .103", ".202 ± .055"],
        (ICfm, GaussiansMoons) => ["1.557 ± .407", "2.680 ± .292"],
        (ICfm, NormalMoons) => [".178 ± .014", ".891 ± .120"],
        (Rectified, NormalGaussians) => [".421 ± .071", ".044 ± .031"],
        (Rectified, GaussiansMoons) => ["1.525 ± .330", ".203 ± .090"],
        (Rectified, NormalMoons) => [".283 ± .045", ".130 ± .078"],
        (_, NormalScurve) => ["", ""],
    }
}
