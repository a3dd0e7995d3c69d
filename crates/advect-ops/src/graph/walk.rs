//! Backward passes that this crate begins.
//!
//! A pass that [`backward`] begins has a number, by which its gradients are told from those of others. It knows beforehand how many
//! arrive at each value ([uses](super::uses)), and it keeps the gradients of variables ([leaves](super::leaves)).

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};

use advect_core::{Result, check};
use candle_core::backprop::GradStore;
use candle_core::{Tensor, TensorId};

use super::uses;

thread_local! {
    /// The number of the backward function that this thread is in, or of the pass that it walks; 0 for none.
    static NUMBER: Cell<u64> = const { Cell::new(0) };
    /// The last of these numbers.
    static LAST: Cell<u64> = const { Cell::new(0) };
    /// The pass that this thread walks, unless it is in a backward function, which may begin others.
    static PASS: RefCell<Option<Pass>> = const { RefCell::new(None) };
}

/// A pass that [`backward`] has begun.
struct Pass {
    /// The variables that the loss depends on.
    variables: HashSet<TensorId>,
    gradients: HashMap<TensorId, Tensor>,
    /// How many gradients each counter gets.
    arrivals: HashMap<TensorId, usize>,
}

/// Puts back the number and the pass that were, also after a panic.
struct Restore(u64, Option<Pass>);

impl Drop for Restore {
    fn drop(&mut self) {
        NUMBER.set(self.0);
        PASS.set(self.1.take());
    }
}

/// Begins a pass, or a backward function, which has none.
fn begin(pass: Option<Pass>) -> Restore {
    LAST.set(LAST.get() + 1);
    Restore(NUMBER.replace(LAST.get()), PASS.replace(pass))
}

/// Returns the gradients of a scalar by all variables, as [`Tensor::backward`] of candle does, and faster.
///
/// candle adds each gradient of a variable to zeros that it allocates for it. Here those from operations of this crate are kept as they
/// are. On a GPU, candle's function also makes the host wait for the device at every value that several operations use. All gradients
/// are the same, up to rounding where operations of both kinds use one variable. They are in no graph.
///
/// ```
/// use advect_ops::{Activation, backward};
/// use candle_core::{Device, Var};
/// # fn main() -> advect_core::Result<()> {
/// let x = Var::new(&[0f64, 1.0], &Device::Cpu)?;
/// let loss = (Activation::Relu.apply(x.as_tensor())? + x.sqr()?)?.sum_all()?;
/// assert_eq!(backward(&loss)?.get(&x).unwrap().to_vec1::<f64>()?, [0.0, 3.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Errors of candle, and of operations' backward functions. [`Error::Range`](advect_core::Error::Range) where a custom operation of candle's
/// begins a pass of its own, by candle's function, through values of the same graph.
#[doc(alias = "grad")]
pub fn backward(loss: &Tensor) -> Result<GradStore> {
    let nodes = loss.sorted_nodes();
    let variables = nodes.iter().filter(|node| node.is_variable());
    let outer = begin(Some(Pass {
        variables: variables.map(|node| node.id()).collect(),
        gradients: HashMap::new(),
        arrivals: uses::arrivals(&nodes),
    }));
    let mut store = loss.backward()?;
    let pass = PASS.take();
    drop(outer);
    for (id, gradient) in pass.map(|pass| pass.gradients).into_iter().flatten() {
        let gradient = match store.get_id(id) {
            Some(of_candle) => (of_candle + gradient)?.detach(),
            None => gradient,
        };
        store.insert_id(id, gradient);
    }
    Ok(store)
}

/// Calls a backward function. Passes that it begins are their own: what they leave is told from what is left by the pass that it is
/// part of, and passed over once it has returned.
pub(super) fn within<R>(f: impl FnOnce() -> R) -> R {
    let _outer = begin(None);
    f()
}

/// The number of the pass that this thread walks, if [`backward`] began it; otherwise that of the backward function that began it, or 0.
pub(super) fn number() -> u64 {
    NUMBER.get()
}

/// How many gradients a counter gets in the pass that this thread walks, if [`backward`] began it. Asked again, there are none: a
/// pass visits each node once.
pub(super) fn take_arrivals(counter: TensorId) -> Option<usize> {
    PASS.with_borrow_mut(|pass| {
        let arrivals = pass.as_mut().map(|pass| &mut pass.arrivals);
        arrivals.map(|arrivals| arrivals.remove(&counter).unwrap_or(0))
    })
}

/// Whether [`backward`] began the pass that this thread walks.
pub(super) fn is_known() -> bool {
    PASS.with_borrow(Option::is_some)
}

/// Whether there is a pass, from a loss that depends on this variable.
pub(super) fn expects(variable: &Tensor) -> bool {
    PASS.with_borrow(|pass| {
        let variables = pass.as_ref().map(|pass| &pass.variables);
        variables.is_some_and(|variables| variables.contains(&variable.id()))
    })
}

/// Adds to the gradient of a variable, which the pass expects.
pub(super) fn add(variable: &Tensor, gradient: Tensor) -> Result<()> {
    check::alike("gradient", &gradient, "the variable", variable)?;
    let id = variable.id();
    let before = PASS.with_borrow_mut(|pass| pass.as_mut()?.gradients.remove(&id));
    let sum = match before {
        Some(before) => (before + gradient)?.detach(),
        None => gradient,
    };
    PASS.with_borrow_mut(|pass| pass.as_mut().map(|pass| pass.gradients.insert(id, sum)));
    Ok(())
}
