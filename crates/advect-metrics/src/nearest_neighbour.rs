//! Nearest neighbours: a two-sample test, and a classifier.

use advect_core::{Result, check};
use advect_transport::Points;
use candle_core::Tensor;

use crate::scaled::Scaled;

/// Returns the leave-one-out accuracy of a 1-nearest-neighbour classifier that tells the points of `x` from those of
/// `y` (Lopez-Paz and Oquab 2017): 0.5 if they come from one distribution, near 1 if `y` is unlike `x`, below 0.5 if
/// `y` copies `x`.
///
/// Batches should be of equal size. Ties count for the other sample, as copies do.
///
/// ```
/// use advect_core::Generator;
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let mut rng = Generator::from_seed(0);
/// let x = rng.normal((500, 2), DType::F32, &Device::Cpu)?;
/// let y = rng.normal((500, 2), DType::F32, &Device::Cpu)?;
/// let far = (&y + 5.0)?;
/// let accuracy = |y| advect_metrics::nearest_neighbour_two_sample(&x, y);
/// assert!((accuracy(&y)? - 0.5).abs() < 0.05);
/// assert!(accuracy(&far)? > 0.99);
/// assert_eq!(accuracy(&x)?, 0.0);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`](advect_core::Error::Shape) for samples of different dimensions; `Empty` and
/// `NonFinite` errors.
#[doc(alias = "C2ST")]
#[doc(alias = "1-NN")]
#[doc(alias = "classifier two-sample test")]
pub fn nearest_neighbour_two_sample(x: &Tensor, y: &Tensor) -> Result<f64> {
    let Scaled { x, y, .. } = Scaled::new(("x", x), ("y", y))?;
    let right = |mine: &Points, other: &Points| {
        let mut among_mine = vec![0.0; mine.count()];
        let mut among_other = vec![0.0; other.count()];
        let minimum = |row: &[f64]| row.iter().copied().fold(f64::INFINITY, f64::min);
        let mut right = 0;
        for i in 0..mine.count() {
            mine.squared_distances(mine, i, &mut among_mine);
            mine.squared_distances(other, i, &mut among_other);
            among_mine[i] = f64::INFINITY;
            right += usize::from(minimum(&among_mine) < minimum(&among_other));
        }
        right
    };
    Ok((right(&x, &y) + right(&y, &x)) as f64 / (x.count() + y.count()) as f64)
}

/// Returns the label of the nearest reference for each query: queries `(n, ...)`, references `(m, ...)` with labels
/// `(m,)` of u8, u32 or i64 below `classes`.
///
/// ```
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let references = Tensor::new(&[[0.0f32], [10.0]], &Device::Cpu)?;
/// let labels = Tensor::new(&[3u32, 7], &Device::Cpu)?;
/// let queries = Tensor::new(&[[9.0f32], [1.0], [-4.0]], &Device::Cpu)?;
/// let found = advect_metrics::nearest_neighbour_labels(&queries, &references, &labels, 10)?;
/// assert_eq!(found, [7, 3, 3]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`](advect_core::Error::Shape) for different dimensions or a wrong number of labels;
/// [`Error::Range`](advect_core::Error::Range) for a label outside `0..classes`; `Empty`, `NonFinite`.
#[doc(alias = "kNN")]
#[doc(alias = "1-NN")]
pub fn nearest_neighbour_labels(
    queries: &Tensor,
    references: &Tensor,
    labels: &Tensor,
    classes: usize,
) -> Result<Vec<usize>> {
    let Scaled {
        x: queries,
        y: references,
        ..
    } = Scaled::new(("queries", queries), ("references", references))?;
    let labels = check::labels("labels", labels, references.count(), classes)?;
    let mut row = vec![0.0; references.count()];
    let nearest = |i| {
        queries.squared_distances(&references, i, &mut row);
        let nearest = (row.iter().enumerate()).min_by(|a, b| a.1.total_cmp(b.1));
        nearest.map_or(0, |(j, _)| labels[j])
    };
    Ok((0..queries.count()).map(nearest).collect())
}
