//! How many gradients arrive at each value in a pass, as its graph tells.
//!
//! Each operation leaves one gradient for each argument. So the graph of a loss tells it before the pass begins.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};

use candle_core::{Tensor, TensorId};

/// For each node of a value or a counter, the counters for which it leaves gradients.
static USES: LazyLock<Mutex<HashMap<TensorId, Vec<TensorId>>>> = LazyLock::new(Mutex::default);

fn uses() -> MutexGuard<'static, HashMap<TensorId, Vec<TensorId>>> {
    USES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Held by a node, so that its uses are forgotten with it.
#[derive(Default)]
pub(super) struct Uses(OnceLock<TensorId>);

impl Uses {
    /// Notes the counters for which a node leaves gradients, one more for each time that it is named.
    pub(super) fn note(&self, node: &Tensor, counters: Vec<TensorId>) {
        if self.0.set(node.id()).is_ok() {
            uses().insert(node.id(), counters);
        }
    }
}

impl Drop for Uses {
    fn drop(&mut self) {
        if let Some(node) = self.0.get() {
            uses().remove(node);
        }
    }
}

/// How many gradients arrive for each counter in a pass over these nodes.
pub(super) fn arrivals(nodes: &[&Tensor]) -> HashMap<TensorId, usize> {
    let mut arrivals = HashMap::new();
    let uses = uses();
    let counters = nodes.iter().filter_map(|node| uses.get(&node.id()));
    for &counter in counters.flatten() {
        *arrivals.entry(counter).or_insert(0) += 1;
    }
    arrivals
}
