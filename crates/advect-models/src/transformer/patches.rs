//! Sequences, images and volumes as patches, and back.

use advect_core::Result;
use advect_ops::Value;

/// The sides of patches, one for each axis.
#[derive(Debug, Clone)]
pub(super) struct Patches {
    sides: Vec<usize>,
}

impl Patches {
    pub(super) fn new(sides: &[usize]) -> Self {
        Patches {
            sides: sides.to_vec(),
        }
    }

    /// The number of patches along each axis of a size.
    pub(super) fn grid(&self, size: &[usize]) -> Vec<usize> {
        let sides = size.iter().zip(&self.sides);
        sides.map(|(size, side)| size / side).collect()
    }

    /// The elements of each patch as a row, `(batch, patches, channels · elements)`, in the order of the weights of a
    /// convolution: its product with these is the convolution whose stride is the patch.
    pub(super) fn rows<V: Value>(&self, x: &V) -> Result<V> {
        let (axes, dims) = (self.sides.len(), x.primal().dims());
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

    /// The inverse, for rows whose channels come last: `(batch, patches, elements · channels)`.
    pub(super) fn assembled<V: Value>(&self, rows: &V, grid: &[usize]) -> Result<V> {
        let (axes, dims) = (self.sides.len(), rows.primal().dims());
        let elements: usize = self.sides.iter().product();
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
