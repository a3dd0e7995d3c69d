//! Gradients of variables, kept beside candle's sums.
//!
//! candle begins the gradient of a variable as zeros, too, and adds to it. In a pass that [`backward`] begins, operations of this crate
//! keep the gradients of variables here instead, and they join candle's at the end.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use advect_core::{Result, check};
use candle_core::backprop::GradStore;
use candle_core::{Storage, Tensor, TensorId};

thread_local! {
    /// The pass that this thread walks, unless it is in a backward function, which may begin others.
    static PASS: RefCell<Option<Pass>> = const { RefCell::new(None) };
}

struct Pass {
    /// The variables that the loss depends on.
    variables: HashSet<TensorId>,
    gradients: HashMap<TensorId, Tensor>,
}

/// Puts back the pass that was, also after a panic.
struct Restore(Option<Pass>);

impl Drop for Restore {
    fn drop(&mut self) {
        PASS.set(self.0.take());
    }
}

/// Returns the gradients of a scalar by all variables, as [`Tensor::backward`] of candle does, and faster where there are many parameters.
///
/// candle adds each gradient of a variable to zeros that it allocates for it. Here those from operations of this crate are kept as they
/// are. All gradients are the same, up to rounding where operations of both kinds use one variable. They are in no graph.
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
/// Errors of candle, and of operations' backward functions.
#[doc(alias = "grad")]
pub fn backward(loss: &Tensor) -> Result<GradStore> {
    let nodes = loss.sorted_nodes().into_iter();
    let variables = nodes.filter(|node| node.is_variable()).map(Tensor::id);
    let pass = Pass {
        variables: variables.collect(),
        gradients: HashMap::new(),
    };
    let outer = Restore(PASS.replace(Some(pass)));
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

/// Calls a backward function. Passes that it begins are their own.
pub(super) fn within<R>(f: impl FnOnce() -> R) -> R {
    let _outer = Restore(PASS.take());
    f()
}

/// The variables among the arguments of an operation.
pub(super) struct Leaves(Vec<Option<Tensor>>);

impl Leaves {
    pub(super) fn of(inputs: &[Tensor]) -> Self {
        let variable = |x: &Tensor| x.is_variable().then(|| x.clone());
        Leaves(inputs.iter().map(variable).collect())
    }

    /// Keeps the gradients of variables, and returns the others. `gradient` is that of the operation's value; `new` says that
    /// all others are in memory of their own.
    pub(super) fn keep(
        &self,
        gradients: Vec<Tensor>,
        gradient: &Tensor,
        new: bool,
    ) -> Result<Vec<Option<Tensor>>> {
        let mut places = self.0.iter();
        let one = |own: Tensor| match places.next().and_then(Option::as_ref) {
            Some(variable) if expects(variable) => {
                check::alike("gradient", &own, "the variable", variable)?;
                add(variable, alone(own, gradient, new)?)?;
                Ok(None)
            }
            _ => Ok(Some(own)),
        };
        gradients.into_iter().map(one).collect()
    }
}

/// Whether there is a pass, from a loss that depends on this variable.
fn expects(variable: &Tensor) -> bool {
    PASS.with_borrow(|pass| {
        let variables = pass.as_ref().map(|pass| &pass.variables);
        variables.is_some_and(|variables| variables.contains(&variable.id()))
    })
}

/// Adds to the gradient of a variable.
fn add(variable: &Tensor, gradient: Tensor) -> Result<()> {
    let id = variable.id();
    let before = PASS.with_borrow_mut(|pass| pass.as_mut()?.gradients.remove(&id));
    let sum = match before {
        Some(before) => (before + gradient)?.detach(),
        None => gradient,
    };
    PASS.with_borrow_mut(|pass| pass.as_mut().map(|pass| pass.gradients.insert(id, sum)));
    Ok(())
}

/// A gradient in memory of its own, as candle's sums are: whoever has it may change it, or change that of another in its place.
fn alone(own: Tensor, gradient: &Tensor, new: bool) -> Result<Tensor> {
    let own = own.detach();
    let alone = new && own.is_contiguous() && memory(&own) != memory(gradient);
    match alone || own.elem_count() == 0 {
        true => Ok(own),
        false => Ok(own.force_contiguous()?),
    }
}

/// Where a tensor's memory is described.
fn memory(x: &Tensor) -> *const Storage {
    std::ptr::from_ref(&*x.storage_and_layout().0)
}
