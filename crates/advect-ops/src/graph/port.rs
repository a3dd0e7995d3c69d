//! Two nodes for each value, between which its gradients arrive; see the [module](super) above.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};

use advect_core::{Error, Result, check};
use candle_core::{Tensor, TensorId};

use super::count;
use super::handover::{Handover, missing};
use super::leaves::Leaves;
use super::node::node;
use super::release::release;
use super::scopes::plain;
use super::walk;
use crate::output::Output;

/// Makes an output depend on any number of tracked tensors; `backward` gets the value and its gradient, and returns
/// a gradient for each of them, in memory of its own if `new`, but for the value's gradient itself.
pub(crate) fn attach(
    output: Output,
    inputs: &[Tensor],
    new: bool,
    backward: Box<Gradients>,
) -> Result<Tensor> {
    let count = inputs.len();
    let leaves = Leaves::of(if plain() { &[] } else { inputs });
    let backward = move |value: &Tensor, gradient: &Tensor| {
        let gradients = walk::within(|| backward(value, gradient))?;
        if gradients.len() != count {
            let accepted = format!("{count}, one for each tracked input");
            return Err(Error::range("backward", gradients.len(), accepted));
        }
        // Of a gradient that is not contiguous, operations take a copy, and may return it twice.
        leaves.keep(gradients, gradient, new && gradient.is_contiguous())
    };
    if plain() {
        return node(output, inputs, Box::new(backward));
    }
    let (parents, arguments): (Vec<Tensor>, Vec<_>) = (inputs.iter())
        .map(|x| match Entrance::of(x) {
            Some(Entrance { counter, port }) => (counter, Some(port)),
            None => (x.clone(), None),
        })
        .unzip();
    let port = Arc::new(Port::of(arguments));

    let arrivals = port.clone();
    let run = move |_: &Tensor, counted: &Tensor| {
        let gradient = arrivals.take(counted)?;
        let gradients = backward(&arrivals.ends()?.value, &gradient)?;
        let passed_on = (gradients.into_iter().zip(&arrivals.arguments)).map(|ends| match ends {
            (Some(gradient), Some(argument)) => Ok(Some(argument.put(gradient)?)),
            (gradient, _) => Ok(gradient),
        });
        passed_on.collect()
    };
    let counter = node(count::start(&inputs[0])?, &parents, Box::new(run))?;

    let departures = Registration(port.clone());
    let run = move |_: &Tensor, gradient: &Tensor| {
        let Registration(port) = &departures;
        Ok(vec![Some(port.put(gradient.clone())?)])
    };
    let value = node(output, std::slice::from_ref(&counter), Box::new(run))?;
    port.lead_to(&value, &counter, parents)?;
    entrances().insert(value.id(), Entrance { counter, port });
    Ok(value)
}

/// A backward function, of a value and its gradient.
type Gradients = dyn Fn(&Tensor, &Tensor) -> Result<Vec<Tensor>> + Send + Sync;

/// The place where the gradients of a value arrive.
struct Port {
    gradients: Handover<Tensor>,
    /// The ports of the operation's arguments, of those that have one.
    arguments: Vec<Option<Arc<Port>>>,
    ends: OnceLock<Ends>,
}

struct Ends {
    /// The value, as a tensor outside of the graph.
    value: Tensor,
    /// A tensor like the counter, outside of the graph.
    counter: Tensor,
    /// The value's name in the graph.
    value_id: TensorId,
    /// The counter's name in the graph.
    counter_id: TensorId,
    /// The arguments of the counter's node, held once more, so that they end by [`release`].
    parents: Vec<Tensor>,
}

impl Port {
    /// The port of an operation's value, given those of its arguments.
    fn of(arguments: Vec<Option<Arc<Port>>>) -> Self {
        Port {
            gradients: Handover::default(),
            arguments,
            ends: OnceLock::new(),
        }
    }

    fn lead_to(&self, value: &Tensor, counter: &Tensor, parents: Vec<Tensor>) -> Result<()> {
        let _ = self.ends.set(Ends {
            value: value.detach(),
            counter: count::like(counter)?,
            value_id: value.id(),
            counter_id: counter.id(),
            parents,
        });
        Ok(())
    }

    fn ends(&self) -> Result<&Ends> {
        self.ends.get().ok_or_else(missing)
    }

    /// Leaves a gradient. Returns that of the counter.
    fn put(&self, gradient: Tensor) -> Result<Tensor> {
        let Ends { value, counter, .. } = self.ends()?;
        check::alike("gradient", &gradient, "value", value)?;
        let number = self.gradients.leave(gradient.detach());
        count::one_more(counter, number)
    }

    /// The sum of the gradients that the pass has left.
    fn take(&self, counted: &Tensor) -> Result<Tensor> {
        let gradients = count::take(&self.gradients, self.ends()?.counter_id, counted)?;
        let mut gradients = gradients.into_iter();
        let first = gradients.next().ok_or_else(missing)?;
        Ok(gradients.try_fold(first, |sum, gradient| sum + gradient)?)
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        // The counters of the arguments hold these, until they end themselves.
        self.arguments.clear();
        if let Some(ends) = self.ends.take() {
            release(ends.parents);
        }
    }
}

/// The way to a value's port, past the value.
#[derive(Clone)]
struct Entrance {
    counter: Tensor,
    port: Arc<Port>,
}

impl Entrance {
    fn of(value: &Tensor) -> Option<Self> {
        entrances().get(&value.id()).cloned()
    }
}

/// The entrances of all values there are.
static ENTRANCES: LazyLock<Mutex<HashMap<TensorId, Entrance>>> = LazyLock::new(Mutex::default);

fn entrances() -> MutexGuard<'static, HashMap<TensorId, Entrance>> {
    ENTRANCES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Held by the node of a value, so that its entrance is forgotten with it.
struct Registration(Arc<Port>);

impl Drop for Registration {
    fn drop(&mut self) {
        // What it holds of the graph, and more registrations, are dropped when the lock is free again.
        let entrance = (self.0.ends.get()).and_then(|ends| entrances().remove(&ends.value_id));
        drop(entrance);
    }
}

/// How many gradients arrive for each counter in a pass over these nodes: one from each value among them, and one for each time that an
/// operation has an argument.
pub(super) fn arrivals(nodes: &[&Tensor]) -> HashMap<TensorId, usize> {
    let mut arrivals = HashMap::with_capacity(nodes.len());
    let mut ahead: Vec<Arc<Port>> = {
        let entrances = entrances();
        let values = nodes.iter().filter_map(|node| entrances.get(&node.id()));
        values.map(|entrance| entrance.port.clone()).collect()
    };
    while let Some(port) = ahead.pop() {
        let Some(ends) = port.ends.get() else {
            continue;
        };
        let count = arrivals.entry(ends.counter_id).or_insert(0);
        *count += 1;
        if *count == 1 {
            ahead.extend(port.arguments.iter().flatten().cloned());
        }
    }
    arrivals
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Weak;
    use std::sync::atomic::{AtomicBool, Ordering};

    use candle_core::{Device, Var};

    use super::*;
    use crate::{Activation, backward, with_gradient};

    /// What a failed pass left is freed with the values, and so are their entrances.
    #[test]
    fn nothing_outlives_the_values() {
        let x = Var::new(&[0.5f64, -2.0], &Device::Cpu).unwrap();
        let h = Activation::Tanh.apply(x.as_tensor()).unwrap();
        let fails = Arc::new(AtomicBool::new(true));
        let failing = fails.clone();
        let y = with_gradient(&h, std::slice::from_ref(&h), move |g, _| {
            match failing.load(Ordering::Relaxed) {
                true => Err(Error::range("gradient", "a failure", "none")),
                false => Ok(vec![g.clone()]),
            }
        });
        let (used, y) = (Activation::Silu.apply(&h).unwrap(), y.unwrap());
        let losses = [(&used + &y).unwrap(), (&y + &used).unwrap()];
        for loss in &losses {
            assert!(loss.backward().is_err());
        }
        fails.store(false, Ordering::Relaxed);
        let gradients: Vec<_> = losses.iter().map(|loss| loss.backward().unwrap()).collect();
        let [a, b] = [0, 1].map(|i| gradients[i].get(&x).unwrap().to_vec1::<f64>().unwrap());
        assert_eq!(a, b);
        let ids = [h.id(), used.id(), y.id()];
        let ports: Vec<Weak<Port>> = [&h, &used, &y]
            .map(|x| Arc::downgrade(&Entrance::of(x).unwrap().port))
            .into();
        drop((losses, used, y));
        assert!(entrances().contains_key(&ids[0]));
        let clone = h.clone();
        drop(h);
        assert!(Entrance::of(&clone).is_some() && Entrance::of(&clone.detach()).is_none());
        drop(clone);
        assert!(ids.iter().all(|id| !entrances().contains_key(id)));
        assert!(ports.iter().all(|port| port.upgrade().is_none()));
    }

    /// Operations before a value with several uses have one each.
    #[test]
    fn operations_count_once() {
        let x = Var::new(&[0.5f64, -2.0], &Device::Cpu).unwrap();
        let apply = |f: Activation, x: &Tensor| f.apply(x).unwrap();
        let before = apply(Activation::Silu, x.as_tensor());
        let used = apply(Activation::Tanh, &before);
        let uses = (apply(Activation::Silu, &used) + apply(Activation::Relu, &used)).unwrap();
        let loss = ((uses + &used).unwrap() * &used)
            .unwrap()
            .sum_all()
            .unwrap();
        let arrivals = arrivals(&loss.sorted_nodes());
        let of = |x: &Tensor| arrivals[&Entrance::of(x).unwrap().counter.id()];
        // Two operations of ours, and candle's together.
        assert_eq!([of(&before), of(&used)], [1, 3]);
        let [ours, candles] = [backward(&loss).unwrap(), loss.backward().unwrap()]
            .map(|store| store.get(&x).unwrap().to_vec1::<f64>().unwrap());
        assert_eq!(ours, candles);
    }
}
