//! A penalty for simulated samples far from observed ones (Tong et al. 2020, "TrajectoryNet", section 3.3).

use advect_core::{Error, Result, check, shape};
use advect_ops::squared_distances;
use candle_core::{Device, Tensor};

/// A penalty for samples far from observed ones, which keeps trajectories near the data: the mean over samples x of
/// `Σ_k max(0, |x − z_k| − h)`, with the k nearest seen samples z_1, z_2, …
///
/// It is the density term of TrajectoryNet, whose authors take five neighbours and h = 0.1.
///
/// ```
/// use advect_trajectories::objective::DensityPenalty;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let penalty = DensityPenalty::new(2, 0.5)?;
/// let seen = Tensor::new(&[[0f64], [1.0], [9.0]], &Device::Cpu)?;
/// // The neighbours of 3 are 1 and 0, that of −0.2 within the radius is 0.
/// let x = Tensor::new(&[[3f64], [-0.2]], &Device::Cpu)?;
/// let expected = ((2.0 - 0.5) + (3.0 - 0.5) + (1.2 - 0.5)) / 2.0;
/// assert!((penalty.value(&x, &seen)?.to_scalar::<f64>()? - expected).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "TrajectoryNet")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DensityPenalty {
    neighbours: usize,
    radius: f64,
}

impl DensityPenalty {
    /// Creates the penalty from the number of neighbours and the radius h within which nothing is penalised.
    ///
    /// # Errors
    /// [`Error::Range`] for no neighbours, and unless the radius is above 0.
    pub fn new(neighbours: usize, radius: f64) -> Result<Self> {
        Ok(DensityPenalty {
            neighbours: check::at_least_one("neighbours", neighbours)?,
            radius: check::positive("radius", radius)?,
        })
    }

    /// Returns the penalty of samples `(n, d)` for the seen ones `(m, d)`, a scalar that is differentiable by the samples.
    ///
    /// # Errors
    /// [`Error::Range`] for fewer seen samples than neighbours; typed errors for other shapes, dtypes and devices.
    pub fn value(&self, x: &Tensor, seen: &Tensor) -> Result<Tensor> {
        let distances = squared_distances(x, seen)?;
        let (count, of_seen) = (x.dims()[0], seen.dims()[0]);
        if self.neighbours > of_seen {
            let accepted = format!("at least {}, the number of neighbours", self.neighbours);
            return Err(Error::range("seen", format!("{of_seen} samples"), accepted));
        }
        let mut nearest = Vec::with_capacity(count * self.neighbours);
        for row in distances.chunks_exact(of_seen) {
            let mut order: Vec<u32> = (0..of_seen as u32).collect();
            let by_distance = |a: &u32, b: &u32| row[*a as usize].total_cmp(&row[*b as usize]);
            order.select_nth_unstable_by(self.neighbours - 1, by_distance);
            nearest.extend_from_slice(&order[..self.neighbours]);
        }
        let nearest = Tensor::from_vec(nearest, count * self.neighbours, &Device::Cpu)?;
        let nearest = nearest.to_device(seen.device())?;
        let neighbours = seen.detach().index_select(&nearest, 0)?;
        let each = (count, self.neighbours, x.dims()[1]);
        let way = x.unsqueeze(1)?.broadcast_sub(&neighbours.reshape(each)?)?;
        let squares = shape::sum_squares_per_sample(&way.flatten(0, 1)?)?;
        // The root is that of a number above 0, so that its slope is finite.
        let limit = self.radius * self.radius;
        let beyond = (((squares - limit)?.relu()? + limit)?.sqrt()? - self.radius)?;
        Ok((beyond.sum_all()? / count as f64)?)
    }
}
