//! Two nodes for each value, between which its gradients arrive; see the [module](super) above.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};

use advect_core::{Error, Result, check};
use candle_core::{Tensor, TensorId};

use super::count;
use super::handover::{Handover, missing};
use super::leaves::Leaves;
use super::node::node;
use super::scopes::plain;
use super::uses::Uses;
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
        leaves.keep(gradients, gradient, new)
    };
    if plain() {
        return node(output, inputs, Box::new(backward));
    }
    let entrances: Vec<Option<Entrance>> = inputs.iter().map(Entrance::of).collect();
    let parents: Vec<Tensor> = (inputs.iter().zip(&entrances))
        .map(|(x, entrance)| {
            entrance
                .as_ref()
                .map_or(x, |entrance| &entrance.counter)
                .clone()
        })
        .collect();
    let counters = entrances
        .iter()
        .flatten()
        .map(|entrance| entrance.counter.id());
    let counters: Vec<TensorId> = counters.collect();
    let ports: Vec<Option<Arc<Port>>> = (entrances.into_iter())
        .map(|entrance| entrance.map(|entrance| entrance.port))
        .collect();
    let port = Arc::new(Port::default());

    let uses = Arc::new(Uses::default());
    let (arrivals, held) = (port.clone(), uses.clone());
    let run = move |_: &Tensor, count: &Tensor| {
        let _ = &held;
        let gradient = arrivals.take(count)?;
        let Ends { value, .. } = arrivals.ends()?;
        let passed_on =
            backward(value, &gradient)?
                .into_iter()
                .zip(&ports)
                .map(|(gradient, port)| match (gradient, port) {
                    (Some(gradient), Some(port)) => Ok(Some(port.put(gradient)?)),
                    (gradient, _) => Ok(gradient),
                });
        passed_on.collect()
    };
    let counter = node(count::start(&inputs[0])?, &parents, Box::new(run))?;
    uses.note(&counter, counters);

    let registration = Arc::new(Registration::default());
    let uses = Arc::new(Uses::default());
    let (departures, held) = (port.clone(), (registration.clone(), uses.clone()));
    let run = move |_: &Tensor, gradient: &Tensor| {
        let _ = &held;
        Ok(vec![Some(departures.put(gradient.clone())?)])
    };
    let value = node(output, std::slice::from_ref(&counter), Box::new(run))?;
    uses.note(&value, vec![counter.id()]);
    port.lead_to(&value, &counter);
    registration.register(value.id(), Entrance { counter, port });
    Ok(value)
}

/// A backward function, of a value and its gradient.
type Gradients = dyn Fn(&Tensor, &Tensor) -> Result<Vec<Tensor>> + Send + Sync;

/// The place where the gradients of a value arrive.
#[derive(Default)]
struct Port {
    ends: OnceLock<Ends>,
    gradients: Handover<Tensor>,
}

/// A value and its counter, as tensors outside of the graph.
struct Ends {
    value: Tensor,
    counter: Tensor,
    /// The counter's name in the graph.
    id: TensorId,
}

impl Port {
    fn lead_to(&self, value: &Tensor, counter: &Tensor) {
        let _ = self.ends.set(Ends {
            value: value.detach(),
            counter: counter.detach(),
            id: counter.id(),
        });
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
        let gradients = count::take(&self.gradients, self.ends()?.id, counted)?;
        let mut gradients = gradients.into_iter();
        let first = gradients.next().ok_or_else(missing)?;
        Ok(gradients.try_fold(first, |sum, gradient| sum + gradient)?)
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
#[derive(Default)]
struct Registration(OnceLock<TensorId>);

impl Registration {
    fn register(&self, id: TensorId, entrance: Entrance) {
        let _ = self.0.set(id);
        entrances().insert(id, entrance);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // What it holds of the graph, and more registrations, are dropped when the lock is free again.
        let entrance = self.0.get().and_then(|id| entrances().remove(id));
        drop(entrance);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Weak;
    use std::sync::atomic::{AtomicBool, Ordering};

    use candle_core::{Device, Var};

    use super::*;
    use crate::{Activation, with_gradient};

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
}
