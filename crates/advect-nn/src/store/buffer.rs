//! Fixed tensors that are stored with the parameters.

use advect_core::Result;
use candle_core::{Tensor, Var};
use candle_nn::VarBuilder;

/// The beginning of a name that says to a store that it is that of a buffer. No parameter has it.
pub(crate) const MARK: &str = "\u{0}buffer:";

/// The name of a buffer behind its mark, if it has one.
pub(crate) fn marked(name: &str) -> Option<String> {
    let (path, name) = name.split_once(MARK)?;
    Some(format!("{path}{name}"))
}

/// Returns a fixed tensor of a network, such as a table of positions, that is stored with the parameters under a name
/// and is none of them: it is not trained.
///
/// A [`ParameterStore`](crate::ParameterStore) begins with `value`, and keeps what a file that is loaded has under the
/// name. Any other builder gives its own tensor of that name, or `value` if it has none.
///
/// ```
/// use advect_core::Key;
/// use advect_nn::{ParameterStore, Stateful, buffer};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let table = buffer(&store.builder().pp("net"), "table", &Tensor::new(&[1f32, 2.0], &Device::Cpu)?)?;
/// assert!(store.parameters().is_empty() && !table.track_op());
/// assert_eq!(store.state()["net.table"].to_vec1::<f32>()?, [1.0, 2.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Errors of the builder, for one thing if it has a tensor of another shape under the name.
#[doc(alias = "register_buffer")]
pub fn buffer(builder: &VarBuilder<'_>, name: &str, value: &Tensor) -> Result<Tensor> {
    let value = value
        .to_dtype(builder.dtype())?
        .to_device(builder.device())?;
    let zeros = candle_nn::init::ZERO;
    if !builder.contains_tensor(MARK) {
        let known = builder.contains_tensor(name);
        return Ok(match known {
            true => (builder.get_with_hints(value.shape(), name, zeros)?).detach(),
            false => value,
        });
    }
    let slot = format!("{MARK}{name}");
    let known = builder.contains_tensor(&slot);
    let stored = builder.get_with_hints(value.shape(), &slot, zeros)?;
    if !known {
        // The store's own variable, which a tensor that says so is.
        Var::from_tensor(&stored)?.set(&value)?;
    }
    Ok(stored.detach())
}
