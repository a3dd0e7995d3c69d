//! Permutations of channels.

use advect_core::{Error, Key, Result};
use candle_core::{Device, Tensor};
use rand_distr::{Distribution, StandardUniform};

use super::{check_channels, volume_preserving};
use crate::flow::{Bijection, Layout};

/// A permutation of the features or channels, `y_i = x_(order i)` along dimension 1.
///
/// ```
/// use advect_classics::flow::{Bijection, Permutation};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let (y, _) = Permutation::reversed(3)?.forward(&Tensor::new(&[[1f64, 2.0, 3.0]], &Device::Cpu)?)?;
/// assert_eq!(y.to_vec2::<f64>()?, [[3.0, 2.0, 1.0]]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permutation {
    order: Vec<usize>,
    back: Vec<usize>,
}

/// Checks that a list has each of its indices once.
pub(crate) fn check_permutation(argument: &'static str, order: &[usize]) -> Result<()> {
    let mut seen = vec![false; order.len()];
    let fits = order.iter().all(|&k| {
        let first = k < seen.len() && !seen[k];
        if first {
            seen[k] = true;
        }
        first
    });
    if fits && !order.is_empty() {
        return Ok(());
    }
    let accepted = "each index below the size exactly once";
    Err(Error::range(argument, format!("{order:?}"), accepted))
}

impl Permutation {
    /// Creates a permutation.
    ///
    /// # Errors
    /// [`Error::Range`] for indices that are no permutation.
    pub fn new(order: &[usize]) -> Result<Self> {
        check_permutation("order", order)?;
        let mut back = vec![0; order.len()];
        order.iter().enumerate().for_each(|(i, &k)| back[k] = i);
        Ok(Permutation {
            order: order.to_vec(),
            back,
        })
    }

    /// Creates the permutation that reverses the order.
    ///
    /// # Errors
    /// [`Error::Range`] without channels.
    pub fn reversed(channels: usize) -> Result<Self> {
        Self::new(&(0..channels).rev().collect::<Vec<_>>())
    }

    /// Creates a permutation that is drawn from a key.
    ///
    /// # Errors
    /// [`Error::Range`] without channels.
    pub fn random(channels: usize, key: Key) -> Result<Self> {
        let mut rng = key.stream(0);
        let numbers: Vec<f64> = StandardUniform
            .sample_iter(&mut rng)
            .take(channels)
            .collect();
        let mut order: Vec<usize> = (0..channels).collect();
        order.sort_by(|&i, &j| numbers[i].total_cmp(&numbers[j]));
        Self::new(&order)
    }

    /// Returns the order.
    pub fn order(&self) -> &[usize] {
        &self.order
    }
}

/// Channels of x in an order.
fn select(argument: &'static str, x: &Tensor, order: &[usize]) -> Result<(Tensor, Tensor)> {
    check_channels(argument, x, order.len())?;
    let indices: Vec<u32> = order.iter().map(|&k| k as u32).collect();
    let indices = Tensor::from_vec(indices, order.len(), &Device::Cpu)?.to_device(x.device())?;
    Ok((
        x.contiguous()?.index_select(&indices, 1)?,
        volume_preserving(x)?,
    ))
}

impl Bijection for Permutation {
    fn forward_given(&self, x: &Tensor, _: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        select("x", x, &self.order)
    }

    fn inverse_given(&self, y: &Tensor, _: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        select("y", y, &self.back)
    }

    fn latent(&self, data: &Layout) -> Result<Layout> {
        let shape = data.shape();
        let mut accepted = shape.to_vec();
        if let Some(channels) = accepted.first_mut() {
            *channels = self.order.len();
        }
        data.check(&accepted)?;
        let places = data.changed().len() / self.order.len();
        let source = self
            .back
            .iter()
            .flat_map(|&k| (0..places).map(move |p| k * places + p));
        Ok(data.rearranged(shape, &source.collect::<Vec<_>>()))
    }
}
