//! Sequences, images and volumes as patches, and back.

use advect_core::{Error, Result, check};
use advect_ops::Value;

/// The patches into which transformers cut sequences `(batch, channels, length)`, images `(batch, channels, height,
/// width)` and arrays with more axes (Dosovitskiy et al. 2021, section 3.1).
///
/// ```
/// use advect_nn::Patches;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let patches = Patches::new(&[1, 2])?;
/// let x = Tensor::new(&[[[[1f32, 2.0, 3.0, 4.0]]]], &Device::Cpu)?;
/// let rows = patches.rows(&x)?;
/// assert_eq!(rows.to_vec3::<f32>()?, [[[1.0, 2.0], [3.0, 4.0]]]);
/// let y = patches.assembled(&rows, &patches.grid(&[1, 4]))?;
/// assert_eq!(y.flatten_all()?.to_vec1::<f32>()?, [1.0, 2.0, 3.0, 4.0]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "patchify")]
#[doc(alias = "PatchEmbed")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patches {
    sides: Vec<usize>,
}

impl Patches {
    /// Creates patches with these sides, one for each axis.
    ///
    /// # Errors
    /// [`Error::Empty`] without sides; [`Error::Range`] for a side of 0, and for patches of more elements than can be counted.
    pub fn new(sides: &[usize]) -> Result<Self> {
        if sides.is_empty() {
            return Err(Error::Empty {
                argument: "sides".into(),
            });
        }
        for &side in sides {
            check::at_least_one("sides", side)?;
        }
        let elements = sides
            .iter()
            .try_fold(1usize, |n, &side| n.checked_mul(side));
        if elements.is_none_or(|n| n > isize::MAX as usize) {
            let accepted = "sides whose product can be counted";
            return Err(Error::range("sides", format!("{sides:?}"), accepted));
        }
        let sides = sides.to_vec();
        Ok(Patches { sides })
    }

    /// Returns the number of whole patches along each axis of a size. Axes beyond those of the patches are left out.
    pub fn grid(&self, size: &[usize]) -> Vec<usize> {
        let sides = size.iter().zip(&self.sides);
        sides.map(|(size, side)| size / side).collect()
    }

    /// Returns the elements of each patch as a row, `(batch, patches, channels · elements)`, in the order of the weights
    /// of a convolution. Their product with those weights is the convolution whose stride is the patch.
    ///
    /// # Errors
    /// [`Error::Shape`] naming `x` unless it is `(batch, channels, sizes)` whose sizes the sides divide.
    pub fn rows<V: Value>(&self, x: &V) -> Result<V> {
        let (axes, dims) = (self.sides.len(), x.primal().dims());
        let fits = |(size, side): (&usize, &usize)| size.is_multiple_of(*side);
        if dims.len() != axes + 2 || !dims[2..].iter().zip(&self.sides).all(fits) {
            let accepted = format!("(batch, channels, sizes divisible by {:?})", self.sides);
            return Err(Error::shape("x", dims, accepted));
        }
        let grid = self.grid(&dims[2..]);
        // (batch, channels, g₁, p₁, g₂, p₂, …) → (batch, g₁, g₂, …, channels, p₁, p₂, …)
        let mut split = vec![dims[0], dims[1]];
        split.extend(grid.iter().zip(&self.sides).flat_map(|(&g, &p)| [g, p]));
        let mut order = vec![0];
        order.extend((0..axes).map(|axis| 2 + 2 * axis));
        order.push(1);
        order.extend((0..axes).map(|axis| 3 + 2 * axis));
        let tokens: usize = grid.iter().product();
        let columns = dims[1] * self.sides.iter().product::<usize>();
        let shape = (dims[0], tokens, columns);
        x.map_linear(|x| {
            let x = x.reshape(&split[..])?.permute(order.clone())?;
            Ok(x.contiguous()?.reshape(shape)?)
        })
    }

    /// Assembles arrays `(batch, channels, sizes)` from one row for each patch, `(batch, patches, elements · channels)`.
    ///
    /// The channels come last in a row, as in the last layer of transformers. Those of [`Patches::rows`] come first, so that this is its
    /// inverse for one channel only.
    ///
    /// # Errors
    /// [`Error::Shape`] naming `rows` unless they are the patches of the grid.
    pub fn assembled<V: Value>(&self, rows: &V, grid: &[usize]) -> Result<V> {
        let (axes, dims) = (self.sides.len(), rows.primal().dims());
        let elements: usize = self.sides.iter().product();
        let tokens = grid.iter().try_fold(1usize, |n, &side| n.checked_mul(side));
        let fits = |dims: &[usize]| Some(dims[1]) == tokens && dims[2].is_multiple_of(elements);
        if grid.len() != axes || dims.len() != 3 || !fits(dims) {
            let accepted = format!("(batch, patches of {grid:?}, multiple of {elements})");
            return Err(Error::shape("rows", dims, accepted));
        }
        let channels = dims[2] / elements;
        // (batch, g₁, g₂, …, p₁, p₂, …, channels) → (batch, channels, g₁, p₁, g₂, p₂, …)
        let mut split = vec![dims[0]];
        split.extend(grid.iter().chain(&self.sides));
        split.push(channels);
        let mut order = vec![0, 1 + 2 * axes];
        order.extend((0..axes).flat_map(|axis| [1 + axis, 1 + axes + axis]));
        let mut shape = vec![dims[0], channels];
        shape.extend(grid.iter().zip(&self.sides).map(|(g, p)| g * p));
        rows.map_linear(|x| {
            let x = x.reshape(&split[..])?.permute(order.clone())?;
            Ok(x.contiguous()?.reshape(&shape[..])?)
        })
    }
}
