//! How gradients get from one operation to the one before.
//!
//! candle begins each gradient as zeros and adds to it: two passes over memory for every argument of every operation. So between
//! operations of this crate gradients are handed over beside the graph. A value in the CPU's memory has two nodes: a scalar, which
//! depends on the arguments, and the value, which depends on the scalar. Operations of candle know the value alone. Ours depend on the
//! scalar: they leave the value's gradient at its [`Port`], and tell the scalar, as its gradient, that there is one more.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, ThreadId};

use advect_core::{Error, Result, check};
use candle_core::{DType, Device, Tensor, TensorId};

use super::node::{Backward, node};
use crate::operation::Output;

/// Makes an output depend on any number of tracked tensors; `backward` gets the value and its gradient, and returns
/// a gradient for each of them.
pub(crate) fn attach(output: Output, inputs: &[Tensor], backward: Box<Backward>) -> Result<Tensor> {
    if !output.is_on_cpu() {
        return node(output, inputs, backward);
    }
    let entrances: Vec<Option<Entrance>> = inputs.iter().map(Entrance::of).collect();
    let parents: Vec<Tensor> = (inputs.iter().zip(&entrances))
        .map(|(x, entrance)| {
            entrance
                .as_ref()
                .map_or(x, |entrance| &entrance.scalar)
                .clone()
        })
        .collect();
    let ports = entrances
        .into_iter()
        .map(|entrance| entrance.map(|entrance| entrance.port));
    let ports: Vec<Option<Arc<Port>>> = ports.collect();
    let port = Arc::new(Port::default());

    let arrivals = port.clone();
    let run = move |_: &Tensor, count: &Tensor| {
        let gradient = arrivals.take(count.to_scalar::<f32>()? as usize)?;
        let value = arrivals.value.get().ok_or_else(no_gradient)?;
        let gradients = backward(value, &gradient)?;
        if gradients.len() != ports.len() {
            let accepted = format!("{}, one for each tracked input", ports.len());
            return Err(Error::range("backward", gradients.len(), accepted));
        }
        let passed_on = gradients
            .into_iter()
            .zip(&ports)
            .map(|(gradient, port)| match port {
                Some(port) => port.put(gradient),
                None => Ok(gradient),
            });
        passed_on.collect()
    };
    let zero = Output::copy(&Tensor::zeros((), DType::F32, &Device::Cpu)?)?;
    let scalar = node(zero, &parents, Box::new(run))?;

    let registration = Arc::new(Registration::default());
    let (departures, held) = (port.clone(), registration.clone());
    let run = move |_: &Tensor, gradient: &Tensor| {
        let _ = &held;
        Ok(vec![departures.put(gradient.clone())?])
    };
    let value = node(output, std::slice::from_ref(&scalar), Box::new(run))?;
    let _ = port.value.set(value.detach());
    registration.register(value.id(), Entrance { scalar, port });
    Ok(value)
}

/// Where the gradients of a value arrive.
#[derive(Default)]
struct Port {
    /// The value, outside of the graph.
    value: OnceLock<Tensor>,
    /// By the thread that walks the graph.
    gradients: Mutex<HashMap<ThreadId, Vec<Tensor>>>,
}

impl Port {
    fn lock(&self) -> MutexGuard<'_, HashMap<ThreadId, Vec<Tensor>>> {
        self.gradients
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves a gradient. Returns that of the scalar, which counts.
    fn put(&self, gradient: Tensor) -> Result<Tensor> {
        let value = self.value.get().ok_or_else(no_gradient)?;
        check::alike("gradient", &gradient, "value", value)?;
        let mut gradients = self.lock();
        let mine = gradients.entry(thread::current().id()).or_default();
        mine.push(gradient.detach());
        Ok(Tensor::ones((), DType::F32, &Device::Cpu)?)
    }

    /// The sum of the last `count` gradients. Those before are of a pass that failed, or of one that this pass is within.
    fn take(&self, count: usize) -> Result<Tensor> {
        let mut all = self.lock();
        let mine = all.entry(thread::current().id()).or_default();
        let before = mine.len().checked_sub(count).ok_or_else(no_gradient)?;
        let mut gradients = mine.split_off(before).into_iter();
        if before == 0 {
            all.remove(&thread::current().id());
        }
        drop(all);
        let first = gradients.next().ok_or_else(no_gradient)?;
        Ok(gradients.try_fold(first, |sum, gradient| sum + gradient)?)
    }
}

fn no_gradient() -> Error {
    Error::range("backward", "no gradient", "one for each use of a value")
}

/// The way to a value's port, past the value.
#[derive(Clone)]
struct Entrance {
    scalar: Tensor,
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
