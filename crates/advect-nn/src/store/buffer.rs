//! Tensors that belong to a network's state but are not trained.

use advect_core::{Error, Result, check};
use candle_core::{DType, Device, Shape, Tensor, Var};
use candle_nn::{Init, VarBuilder};

/// The kinds of tensors of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Parameter,
    Buffer,
    Constant,
}

/// The ends of names by which a store is asked for what is no parameter: candle's builders pass on nothing else.
const BUFFER: &str = "\0buffer";
const CONSTANT: &str = "\0constant";

impl Role {
    /// The name without its end, and the role that the end says.
    pub(crate) fn of(name: &str) -> (&str, Role) {
        if let Some(name) = name.strip_suffix(BUFFER) {
            return (name, Role::Buffer);
        }
        match name.strip_suffix(CONSTANT) {
            Some(name) => (name, Role::Constant),
            None => (name, Role::Parameter),
        }
    }
}

/// Returns a tensor that belongs to the state of a network but is not trained, such as random frequencies.
///
/// A [`ParameterStore`](crate::ParameterStore) saves and loads it under its name, and lists it among its
/// [`buffers`](crate::ParameterStore::buffers), not among its parameters, so that no optimiser gets it. The tensor
/// shares the storage of the store and builds no graph. Builders of other backends hand it out as a parameter, detached.
///
/// ```
/// use advect_core::Key;
/// use advect_nn::{ParameterStore, Stateful, buffer};
/// use candle_core::{DType, Device};
/// use candle_nn::Init;
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let law = Init::Randn { mean: 0.0, stdev: 16.0 };
/// let frequencies = buffer(8, "frequencies", law, &store.builder())?;
/// assert!(!frequencies.is_variable() && store.parameters().is_empty());
/// assert_eq!(store.state()["frequencies"].to_vec1::<f32>()?, frequencies.to_vec1::<f32>()?);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Errors of the builder.
#[doc(alias = "register_buffer")]
pub fn buffer(
    shape: impl Into<Shape>,
    name: &str,
    init: Init,
    builder: &VarBuilder<'_>,
) -> Result<Tensor> {
    let marked = format!("{name}{BUFFER}");
    let name = match builder.contains_tensor(&marked) {
        true => &marked,
        false => name,
    };
    Ok(builder.get_with_hints(shape, name, init)?.detach())
}

/// Returns a [`buffer`] that begins with given values, such as a table of positions. A state that is loaded may have others, which are then
/// used.
///
/// ```
/// use advect_core::Key;
/// use advect_nn::{ParameterStore, Stateful, table};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let positions = table(&Tensor::new(&[1f64, 2.0], &Device::Cpu)?, "positions", &store.builder())?;
/// assert!(store.parameters().is_empty() && !positions.track_op());
/// assert_eq!(store.state()["positions"].to_vec1::<f32>()?, [1.0, 2.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Errors of the builder.
#[doc(alias = "register_buffer")]
pub fn table(values: &Tensor, name: &str, builder: &VarBuilder<'_>) -> Result<Tensor> {
    check::float("values", values)?;
    let own = values.to_dtype(builder.dtype())?;
    let own = own.to_device(builder.device())?;
    let marked = format!("{name}{BUFFER}");
    let (known, stored) = (
        builder.contains_tensor(name),
        builder.contains_tensor(&marked),
    );
    if !known && !stored {
        return Ok(own);
    }
    let asked = if stored { &marked } else { name };
    let there = builder.get_with_hints(own.shape(), asked, candle_nn::init::ZERO)?;
    if !known && there.is_variable() {
        Var::from_tensor(&there)?.set(&own)?;
    }
    Ok(there.detach())
}

/// Adds a constant to the state of a network, such as the filter with which it resamples images. The network computes with
/// the values themselves.
///
/// A [`ParameterStore`](crate::ParameterStore) saves it under its name. A state that is loaded must have the same
/// values, to six digits. Builders of other backends compare it where they have it.
///
/// ```
/// use advect_core::Key;
/// use advect_nn::{ParameterStore, Stateful, constant};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// constant(&Tensor::new(&[0.25f64, 0.75], &Device::Cpu)?, "filter", &store.builder())?;
/// let mut state = store.state();
/// assert_eq!(state["filter"].to_vec1::<f32>()?, [0.25, 0.75]);
/// state.insert("filter".into(), Tensor::new(&[0.5f32, 0.5], &Device::Cpu)?);
/// assert!(store.restore(&state).unwrap_err().to_string().contains("filter"));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Range`] if the builder has other values under this name; errors of the builder.
#[doc(alias = "register_buffer")]
pub fn constant(values: &Tensor, name: &str, builder: &VarBuilder<'_>) -> Result<()> {
    check::float("values", values)?;
    let marked = format!("{name}{CONSTANT}");
    let (known, stored) = (
        builder.contains_tensor(name),
        builder.contains_tensor(&marked),
    );
    if !known && !stored {
        return Ok(());
    }
    let asked = if stored { &marked } else { name };
    let there = builder.get_with_hints(values.shape(), asked, candle_nn::init::ZERO)?;
    if !known && there.is_variable() {
        let values = values.to_dtype(there.dtype())?.to_device(there.device())?;
        return Ok(Var::from_tensor(&there)?.set(&values)?);
    }
    compare(&path(builder, name), &there, values)
}

/// The full name of a tensor of a builder.
fn path(builder: &VarBuilder<'_>, name: &str) -> String {
    match builder.prefix() {
        prefix if prefix.is_empty() => name.to_string(),
        prefix => format!("{prefix}.{name}"),
    }
}

/// Checks that values are those of a constant, but for rounding.
pub(crate) fn compare(name: &str, given: &Tensor, constant: &Tensor) -> Result<()> {
    let numbers = |x: &Tensor| -> Result<Vec<f64>> {
        let x = x.to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
        Ok(x.flatten_all()?.to_vec1()?)
    };
    // The dtype with fewer digits decides.
    let digits = match (given.dtype(), constant.dtype()) {
        (DType::F32 | DType::F64, DType::F32 | DType::F64) => 1e-6,
        _ => 1e-2,
    };
    let (given, constant) = (numbers(given)?, numbers(constant)?);
    let size = constant.iter().fold(0f64, |size, c| size.max(c.abs()));
    let alike = |(a, b): (&f64, &f64)| (a - b).abs() <= digits * size;
    if given.len() == constant.len() && given.iter().zip(&constant).all(alike) {
        return Ok(());
    }
    let shown = |numbers: &[f64]| format!("{:?}", &numbers[..numbers.len().min(16)]);
    let accepted = format!("{}, the constant of this network", shown(&constant));
    Err(Error::range(name.to_string(), shown(&given), accepted))
}
