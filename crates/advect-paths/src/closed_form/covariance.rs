//! The covariance of a Gaussian, in its own axes.

use advect_core::{Error, Result};

/// The covariance of a Gaussian: a symmetric matrix without negative eigenvalues.
///
/// ```
/// use advect_paths::closed_form::Covariance;
/// # fn main() -> advect_core::Result<()> {
/// let round = Covariance::isotropic(0.25)?;
/// let full = Covariance::full(vec![2.0, 1.0, 1.0, 2.0])?;
/// assert!(Covariance::full(vec![1.0, 2.0, 2.0, 1.0]).is_err()); // one eigenvalue is −1
/// # let _ = (round, full);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Covariance(pub(super) Kind);

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Isotropic(f64),
    Diagonal(Vec<f64>),
    /// Variances along the rows of an orthogonal matrix.
    Axes {
        variances: Vec<f64>,
        axes: Vec<f64>,
    },
}

impl Covariance {
    /// Creates a covariance with the same variance in all directions: 0 for a single point.
    ///
    /// # Errors
    /// [`Error::Range`] for a negative or infinite variance.
    pub fn isotropic(variance: f64) -> Result<Self> {
        check_variance(variance)?;
        Ok(Covariance(Kind::Isotropic(variance)))
    }

    /// Creates a diagonal covariance, with one variance for each coordinate.
    ///
    /// # Errors
    /// [`Error::Range`] for a negative or infinite variance.
    pub fn diagonal(variances: Vec<f64>) -> Result<Self> {
        variances.iter().try_for_each(|&v| check_variance(v))?;
        Ok(Covariance(Kind::Diagonal(variances)))
    }

    /// Creates a covariance from a full matrix, row by row.
    ///
    /// # Errors
    /// [`Error::Shape`] unless the number of elements is a square, [`Error::Range`] unless the matrix is finite,
    /// symmetric and has no negative eigenvalue (both to 1e-12 of its largest element).
    pub fn full(elements: Vec<f64>) -> Result<Self> {
        let d = elements.len().isqrt();
        if d * d != elements.len() || d == 0 {
            return Err(Error::shape(
                "covariance",
                &[elements.len()],
                "(d · d,), the elements of a square matrix",
            ));
        }
        if let Some(bad) = elements.iter().find(|e| !e.is_finite()) {
            return Err(Error::range("covariance", bad, "a finite number"));
        }
        let size = elements.iter().fold(0.0f64, |m, e| m.max(e.abs()));
        let symmetric =
            |i: usize, j: usize| (elements[i * d + j] - elements[j * d + i]).abs() <= 1e-12 * size;
        if !(0..d).all(|i| (0..i).all(|j| symmetric(i, j))) {
            let given = "a matrix that is not its transpose";
            return Err(Error::range("covariance", given, "a symmetric matrix"));
        }
        let (mut variances, axes) = axes(&elements, d);
        for v in &mut variances {
            if *v < -1e-12 * size {
                let given = format!("a matrix with the eigenvalue {v}");
                return Err(Error::range(
                    "covariance",
                    given,
                    "a matrix without negative eigenvalues",
                ));
            }
            *v = v.max(0.0);
        }
        Ok(Covariance(Kind::Axes { variances, axes }))
    }

    /// The same, of a matrix that is known to be one up to roundings. What is less than them is no variance.
    pub(super) fn of_matrix(elements: &[f64], d: usize) -> Self {
        let (mut variances, axes) = axes(elements, d);
        let largest = variances.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let rounding = 4.0 * d as f64 * f64::EPSILON * largest;
        for v in variances.iter_mut().filter(|v| **v < rounding) {
            *v = 0.0;
        }
        Covariance(Kind::Axes { variances, axes })
    }

    /// The matrix in d dimensions, row by row.
    pub(super) fn matrix(&self, d: usize) -> Vec<f64> {
        let mut matrix = vec![0.0; d * d];
        match &self.0 {
            Kind::Axes { variances, axes } => {
                for (v, axis) in variances.iter().zip(axes.chunks_exact(d)) {
                    for (row, a) in matrix.chunks_exact_mut(d).zip(axis) {
                        for (element, b) in row.iter_mut().zip(axis) {
                            *element += a * v * b;
                        }
                    }
                }
            }
            _ => (0..d).for_each(|i| matrix[i * d + i] = self.variance(i)),
        }
        matrix
    }

    /// The dimension, if the covariance says it.
    pub(super) fn dim(&self) -> Option<usize> {
        match &self.0 {
            Kind::Isotropic(_) => None,
            Kind::Diagonal(v) | Kind::Axes { variances: v, .. } => Some(v.len()),
        }
    }

    /// The covariance with these axes and a function of each variance, such as a power.
    pub(super) fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        let each = |variances: &[f64]| variances.iter().map(|&v| f(v)).collect();
        Covariance(match &self.0 {
            Kind::Isotropic(v) => Kind::Isotropic(f(*v)),
            Kind::Diagonal(v) => Kind::Diagonal(each(v)),
            Kind::Axes { variances, axes } => Kind::Axes {
                variances: each(variances),
                axes: axes.clone(),
            },
        })
    }

    /// The matrix in d dimensions, row by row.
    pub(super) fn elements(&self, d: usize) -> Vec<f64> {
        let (mut elements, mut scratch) = (vec![0.0; d * d], vec![0.0; d]);
        for (j, row) in elements.chunks_exact_mut(d).enumerate() {
            row[j] = 1.0;
            self.turn(row, &mut scratch);
            let axes = row.iter_mut().enumerate();
            axes.for_each(|(i, x)| *x *= self.variance(i));
            self.turn_back(row, &mut scratch);
        }
        elements
    }

    /// The matrix `S^½ T S^½` of this covariance S and another one T, in d dimensions.
    pub(super) fn around(&self, inner: &Covariance, d: usize) -> Result<Self> {
        let root = self.map(f64::sqrt).elements(d);
        let whole = product(&product(&root, &inner.elements(d), d), &root, d);
        Self::full(symmetric(&whole, d))
    }

    /// The variance along the i-th axis.
    #[inline(always)]
    pub(super) fn variance(&self, i: usize) -> f64 {
        match &self.0 {
            Kind::Isotropic(v) => *v,
            Kind::Diagonal(v) | Kind::Axes { variances: v, .. } => v[i],
        }
    }

    /// Turns standard normal numbers into a draw around 0, in place.
    pub(super) fn color(&self, normal: &mut [f64], scratch: &mut [f64]) {
        for (i, x) in normal.iter_mut().enumerate() {
            *x *= self.variance(i).sqrt();
        }
        self.turn_back(normal, scratch);
    }

    /// Turns a vector into the axes' coordinates, in place.
    pub(super) fn turn(&self, x: &mut [f64], scratch: &mut [f64]) {
        if let Kind::Axes { axes, .. } = &self.0 {
            scratch.copy_from_slice(x);
            for (x, axis) in x.iter_mut().zip(axes.chunks_exact(scratch.len())) {
                *x = axis.iter().zip(&*scratch).map(|(a, s)| a * s).sum();
            }
        }
    }

    /// Turns it back.
    pub(super) fn turn_back(&self, x: &mut [f64], scratch: &mut [f64]) {
        if let Kind::Axes { axes, .. } = &self.0 {
            scratch.copy_from_slice(x);
            x.fill(0.0);
            for (s, axis) in scratch.iter().zip(axes.chunks_exact(x.len())) {
                for (x, a) in x.iter_mut().zip(axis) {
                    *x += s * a;
                }
            }
        }
    }
}

fn check_variance(variance: f64) -> Result<()> {
    advect_core::check::non_negative("variance", variance)?;
    Ok(())
}

/// The product of two matrices in d dimensions.
pub(super) fn product(a: &[f64], b: &[f64], d: usize) -> Vec<f64> {
    let mut c = vec![0.0; d * d];
    for (c, a) in c.chunks_exact_mut(d).zip(a.chunks_exact(d)) {
        for (a, b) in a.iter().zip(b.chunks_exact(d)) {
            c.iter_mut().zip(b).for_each(|(c, b)| *c += a * b);
        }
    }
    c
}

/// The mean of a matrix and its transpose, to which a product is symmetric up to rounding.
pub(super) fn symmetric(a: &[f64], d: usize) -> Vec<f64> {
    let mean = |e: usize| 0.5 * (a[e] + a[e % d * d + e / d]);
    (0..d * d).map(mean).collect()
}

/// Eigenvalues and eigenvectors (as rows) of a symmetric matrix.
fn axes(elements: &[f64], d: usize) -> (Vec<f64>, Vec<f64>) {
    let size = elements.iter().fold(0.0f64, |m, e| m.max(e.abs()));
    // Of the size of 1, so that squares neither overflow nor vanish.
    let scale = if size > 0.0 { size } else { 1.0 };
    let (mut variances, axes) = eigen(elements.iter().map(|e| e / scale).collect(), d);
    variances.iter_mut().for_each(|v| *v *= scale);
    (variances, axes)
}

/// The same of a matrix whose largest element is 1, by Jacobi's rotations.
fn eigen(mut a: Vec<f64>, d: usize) -> (Vec<f64>, Vec<f64>) {
    let mut v = vec![0.0; d * d];
    (0..d).for_each(|i| v[i * d + i] = 1.0);
    // Convergence is quadratic: ten sweeps are many.
    for _ in 0..50 {
        let off: f64 = (0..d)
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .map(|(i, j)| a[i * d + j].powi(2))
            .sum();
        let total: f64 = a.iter().map(|x| x * x).sum();
        if off <= 1e-32 * total {
            break;
        }
        for p in 0..d {
            for q in p + 1..d {
                rotate(&mut a, &mut v, d, p, q);
            }
        }
    }
    ((0..d).map(|i| a[i * d + i]).collect(), v)
}

/// Makes the element (p, q) zero (Golub and Van Loan, Matrix Computations, section 8.5).
fn rotate(a: &mut [f64], v: &mut [f64], d: usize, p: usize, q: usize) {
    let off = a[p * d + q];
    if off == 0.0 {
        return;
    }
    let tau = (a[q * d + q] - a[p * d + p]) / (2.0 * off);
    let t = tau.signum() / (tau.abs() + tau.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    for k in 0..d {
        let (x, y) = (a[k * d + p], a[k * d + q]);
        (a[k * d + p], a[k * d + q]) = (c * x - s * y, s * x + c * y);
    }
    for k in 0..d {
        let (x, y) = (a[p * d + k], a[q * d + k]);
        (a[p * d + k], a[q * d + k]) = (c * x - s * y, s * x + c * y);
        let (x, y) = (v[p * d + k], v[q * d + k]);
        (v[p * d + k], v[q * d + k]) = (c * x - s * y, s * x + c * y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use advect_core::Generator;
    use rand_distr::StandardNormal;

    #[test]
    fn axes_give_the_matrix_back() {
        let mut rng = Generator::from_seed(0);
        for d in [1, 2, 5, 17] {
            let b = rng.values(&StandardNormal, d * d).unwrap();
            let dot = |i: usize, j: usize| (0..d).map(|k| b[i * d + k] * b[j * d + k]).sum::<f64>();
            let matrix: Vec<f64> = (0..d * d).map(|e| dot(e / d, e % d)).collect();
            let covariance = Covariance::full(matrix.clone()).unwrap();
            let mut scratch = vec![0.0; d];
            for j in 0..d {
                let mut unit = vec![0.0; d];
                unit[j] = 1.0;
                covariance.turn(&mut unit, &mut scratch);
                for (i, u) in unit.iter_mut().enumerate() {
                    *u *= covariance.variance(i);
                }
                covariance.turn_back(&mut unit, &mut scratch);
                for i in 0..d {
                    assert!((unit[i] - matrix[i * d + j]).abs() < 1e-12 * d as f64 * 10.0);
                }
            }
        }
    }

    #[test]
    fn extreme_sizes_are_turned_too() {
        for size in [1e-200, 1e200] {
            let covariance = Covariance::full(vec![2.0 * size, size, size, 2.0 * size]).unwrap();
            let mut variances = [covariance.variance(0), covariance.variance(1)];
            variances.sort_by(f64::total_cmp);
            assert!((variances[0] / size - 1.0).abs() < 1e-12);
            assert!((variances[1] / size - 3.0).abs() < 1e-12);
        }
    }

    #[test]
    fn bad_matrices_are_refused() {
        assert!(Covariance::isotropic(-1.0).is_err());
        assert!(Covariance::diagonal(vec![1.0, f64::NAN]).is_err());
        assert!(Covariance::full(vec![1.0, 0.0, 0.5, 1.0]).is_err());
        assert!(Covariance::full(vec![1.0, 0.0, 0.5]).is_err());
        assert!(Covariance::full(vec![f64::INFINITY]).is_err());
    }
}
