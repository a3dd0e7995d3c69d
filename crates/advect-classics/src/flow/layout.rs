//! The layout of samples, as layers know it in advance.

use advect_core::{Error, Result};

/// The shape of a sample, and which of its elements have been changed by a function of others.
///
/// ```
/// use advect_classics::flow::{AffineCoupling, Bijection, Layout, Mask};
/// use advect_core::{Key, Result};
/// use advect_models::Mlp;
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device};
/// # fn main() -> Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let net = Mlp::config(3).outputs(6).build(&store.builder())?;
/// let layer = AffineCoupling::affine(Mask::alternating(&[3], 0)?, net);
/// assert_eq!(layer.latent(&Layout::new(&[3]))?.changed(), [true, false, true]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    shape: Vec<usize>,
    changed: Vec<bool>,
}

impl Layout {
    /// Creates the layout of samples of a shape, of which nothing has been changed.
    pub fn new(shape: &[usize]) -> Self {
        Layout {
            shape: shape.to_vec(),
            changed: vec![false; shape.iter().product()],
        }
    }

    /// Returns the shape of a sample.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Returns whether each element has been changed, in row-major order.
    pub fn changed(&self) -> &[bool] {
        &self.changed
    }

    /// Returns the layout with other elements marked as changed.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is a mark for each element.
    pub fn with_changed(self, changed: Vec<bool>) -> Result<Self> {
        if changed.len() != self.changed.len() {
            let accepted = format!("a mark for each element of {:?}", self.shape);
            return Err(Error::shape("changed", &[changed.len()], accepted));
        }
        Ok(Layout { changed, ..self })
    }

    /// Returns the layout of samples whose element k is element `source(k)` of these, in another shape of as many elements.
    pub(crate) fn rearranged(&self, shape: &[usize], source: &[usize]) -> Self {
        Layout {
            shape: shape.to_vec(),
            changed: source.iter().map(|&k| self.changed[k]).collect(),
        }
    }

    /// Returns the layout with all elements marked.
    pub(crate) fn all_changed(self) -> Self {
        let changed = vec![true; self.changed.len()];
        Layout { changed, ..self }
    }

    /// Checks that samples have this shape.
    pub(crate) fn check(&self, shape: &[usize]) -> Result<()> {
        if self.shape == shape {
            return Ok(());
        }
        let accepted = format!("samples of the shape {shape:?}");
        Err(Error::shape("data", &self.shape, accepted))
    }
}
