//! Scopes in which operations build other graphs, or none.

use std::cell::Cell;
use std::thread::LocalKey;

use candle_core::Tensor;

/// Whether an operation of these arguments becomes part of the graph.
pub(crate) fn tracks(inputs: &[&Tensor]) -> bool {
    !UNTRACKED.get() && inputs.iter().any(|x| x.track_op())
}

/// Whether operations have one node each.
pub(super) fn plain() -> bool {
    PLAIN.get()
}

thread_local! {
    static UNTRACKED: Cell<bool> = const { Cell::new(false) };
    static PLAIN: Cell<bool> = const { Cell::new(false) };
}

/// Calls `f` such that the operations of this crate build no graph on this thread, as if no argument were tracked, for
/// values whose gradients are obtained otherwise. candle's own operations still build theirs.
///
/// ```
/// use advect_ops::{Activation, without_graph};
/// use candle_core::{Device, Var};
/// # fn main() -> advect_core::Result<()> {
/// let x = Var::new(&[1f64], &Device::Cpu)?;
/// assert!(Activation::Tanh.apply(x.as_tensor())?.track_op());
/// assert!(!without_graph(|| Activation::Tanh.apply(x.as_tensor()))?.track_op());
/// # Ok(())
/// # }
/// ```
#[doc(alias = "no_grad")]
#[doc(alias = "stop_gradient")]
#[doc(alias = "inference_mode")]
pub fn without_graph<R>(f: impl FnOnce() -> R) -> R {
    with_flag(&UNTRACKED, true, f)
}

/// Calls `f` such that the operations of this crate build their graph on this thread, also within [`without_graph`],
/// for a value that is the derivative of another, whose graph ends with it.
///
/// ```
/// use advect_ops::{Activation, with_graph, without_graph};
/// use candle_core::{Device, Tensor, Var};
/// # fn main() -> advect_core::Result<()> {
/// /// `d/dx tanh x`, by one backward pass.
/// fn slope(x: &Tensor) -> advect_core::Result<Tensor> {
///     let x = Var::from_tensor(x)?;
///     let y = with_graph(|| Activation::Tanh.apply(x.as_tensor()))?;
///     Ok(y.sum_all()?.backward()?.get(&x).unwrap().clone())
/// }
/// let x = Tensor::new(&[0f64], &Device::Cpu)?;
/// assert_eq!(without_graph(|| slope(&x))?.to_vec1::<f64>()?, [1.0]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "enable_grad")]
pub fn with_graph<R>(f: impl FnOnce() -> R) -> R {
    with_flag(&UNTRACKED, false, f)
}

/// Calls `f` such that the operations of this crate build a plain graph of candle on this thread: one node for each,
/// with every gradient added up by candle.
///
/// Gradients are the same, up to rounding where more than one operation uses a value. They take about a tenth longer:
/// otherwise gradients are handed over beside the graph between operations of this crate, which saves candle zeros to
/// add to. Use it to walk the graph yourself, to rule out the shortcut, or to measure it.
///
/// ```
/// use advect_ops::{Activation, with_plain_graph};
/// use candle_core::{Device, Var};
/// # fn main() -> advect_core::Result<()> {
/// let x = Var::new(&[1f64], &Device::Cpu)?;
/// let twice = || Activation::Tanh.apply(&Activation::Tanh.apply(x.as_tensor())?);
/// // The variable and two values; otherwise the variable, a counter for each value, and the last value.
/// assert_eq!(with_plain_graph(twice)?.sorted_nodes().len(), 3);
/// assert_eq!(twice()?.sorted_nodes().len(), 4);
/// # Ok(())
/// # }
/// ```
pub fn with_plain_graph<R>(f: impl FnOnce() -> R) -> R {
    with_flag(&PLAIN, true, f)
}

fn with_flag<R>(flag: &'static LocalKey<Cell<bool>>, value: bool, f: impl FnOnce() -> R) -> R {
    /// Puts back what was, also after a panic.
    struct Restore(&'static LocalKey<Cell<bool>>, bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            self.0.set(self.1);
        }
    }
    let _restore = Restore(flag, flag.replace(value));
    f()
}

/// Whether operations build no graph.
pub(super) fn untracked() -> bool {
    UNTRACKED.get()
}
