//! Gradients by name, the result of a backward pass and the input of a step. Clipping is that of Pascanu et al. 2013,
//! algorithm 1.

use advect_core::{Error, Result, check};
use advect_ops::{backward, update};
use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor, Var};

/// The gradients of a loss by named parameters, in the order of their store, with the value of the loss.
///
/// [`Trainer::gradients`](crate::Trainer::gradients) computes them and [`Trainer::apply`](crate::Trainer::apply) makes
/// a step with them. Between the two, [`add`](Gradients::add) and [`mean`](Gradients::mean) accumulate over
/// micro-batches, [`map`](Gradients::map) sends each gradient to other machines and takes in the reply, and
/// [`iter`](Gradients::iter) shows them. The tensors are in no graph. Those by parameters of 16 bits are in f32, so that sums of many keep
/// what is small.
///
/// ```
/// use advect_core::Key;
/// use advect_nn::{Linear, ParameterStore};
/// use advect_train::Gradients;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let net = Linear::new(2, 1, &store.builder())?;
/// let of = |x: [[f64; 2]; 1]| -> advect_core::Result<Gradients> {
///     let loss = net.forward(&Tensor::new(&x, &Device::Cpu)?)?.sum_all()?;
///     Gradients::of(&loss, &store.parameters())
/// };
/// let mean = Gradients::mean([of([[1.0, 2.0]]), of([[3.0, 6.0]])])?;
/// assert_eq!(mean.get("weight").unwrap().to_vec2::<f64>()?, [[2.0, 4.0]]);
/// assert_eq!(mean.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["weight", "bias"]);
/// assert_eq!(mean.norm()?, (4f64 + 16.0 + 1.0).sqrt());
/// # Ok(())
/// # }
/// ```
#[doc(alias = "GradStore")]
#[derive(Debug, Clone)]
pub struct Gradients {
    loss: f64,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    name: String,
    parameter: Var,
    gradient: Option<Tensor>,
}

impl Gradients {
    /// Computes the gradients of a scalar loss by named parameters, by a backward pass.
    ///
    /// # Errors
    /// [`Error::Shape`] unless the loss is a scalar, [`Error::Stopped`] if it is NaN or infinite.
    #[doc(alias = "backward")]
    #[doc(alias = "grad")]
    pub fn of(loss: &Tensor, parameters: &[(String, Var)]) -> Result<Self> {
        let value = loss_value(loss)?;
        if !value.is_finite() {
            return Err(Error::stopped("the loss", format!("the loss is {value}")));
        }
        Gradients::of_scaled(loss, value, parameters)
    }

    /// The gradients of a loss that may be scaled, whose own value is finite.
    pub(crate) fn of_scaled(
        loss: &Tensor,
        value: f64,
        parameters: &[(String, Var)],
    ) -> Result<Self> {
        let mut grads = backward(loss)?;
        let entries = parameters.iter().map(|(name, parameter)| Entry {
            name: name.clone(),
            parameter: parameter.clone(),
            gradient: grads.remove(parameter).map(|gradient| gradient.detach()),
        });
        let mut entries: Vec<Entry> = entries.collect();
        // Given away, so that none is there in both types for longer than it takes.
        let mut places: Vec<&mut Option<Tensor>> = (entries.iter_mut())
            .filter(|entry| wide(entry.parameter.dtype()) != entry.parameter.dtype())
            .map(|entry| &mut entry.gradient)
            .filter(|gradient| gradient.is_some())
            .collect();
        let narrow = places.iter_mut().filter_map(|place| place.take());
        let widened = update::widen(narrow.collect())?;
        for (place, gradient) in places.into_iter().zip(widened) {
            *place = Some(gradient);
        }
        Ok(Gradients {
            loss: value,
            entries,
        })
    }

    /// No gradients of a loss.
    pub(crate) fn none(loss: f64, parameters: &[(String, Var)]) -> Self {
        let entries = parameters.iter().map(|(name, parameter)| Entry {
            name: name.clone(),
            parameter: parameter.clone(),
            gradient: None,
        });
        Gradients {
            loss,
            entries: entries.collect(),
        }
    }

    /// Averages gradients by the same parameters, and their losses. Those of micro-batches of equal sizes average to
    /// the gradients and the loss of the whole batch. Only the sum and one part are held at a time.
    ///
    /// # Errors
    /// Errors of the parts, and as [`Gradients::add`]; [`Error::Empty`] without parts.
    #[doc(alias = "gradient accumulation")]
    #[doc(alias = "all-reduce")]
    pub fn mean(parts: impl IntoIterator<Item = Result<Gradients>>) -> Result<Self> {
        let mut parts = parts.into_iter();
        let Some(first) = parts.next() else {
            let argument = "parts".into();
            return Err(Error::Empty { argument });
        };
        let (mut sum, mut count) = (first?, 1.0);
        for part in parts {
            sum.add(&part?)?;
            count += 1.0;
        }
        sum.scale(1.0 / count)?;
        Ok(sum)
    }

    /// Returns the value of the loss. For sums or means of gradients, it is the sum or mean of their losses.
    pub fn loss(&self) -> f64 {
        self.loss
    }

    /// Returns an iterator over the gradients with their parameters' names. Parameters without a gradient are left out.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        let entries = self.entries.iter();
        entries.filter_map(|entry| Some((entry.name.as_str(), entry.gradient.as_ref()?)))
    }

    /// Returns the names of the parameters that have no gradient.
    pub fn missing(&self) -> impl Iterator<Item = &str> {
        let missing = self.entries.iter().filter(|entry| entry.gradient.is_none());
        missing.map(|entry| entry.name.as_str())
    }

    /// Returns the gradient by the parameter of this name, if there is one.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        let entry = self.entries.iter().find(|entry| entry.name == name);
        entry.and_then(|entry| entry.gradient.as_ref())
    }

    /// Replaces the gradient of each parameter by the result of `f`, which gets the parameter's name and the gradient,
    /// or `None` for a parameter without a gradient.
    ///
    /// # Errors
    /// Errors of `f`; an error naming the parameter for a gradient that is not like it. The gradients are then as before.
    pub fn map(
        &mut self,
        mut f: impl FnMut(&str, Option<&Tensor>) -> Result<Option<Tensor>>,
    ) -> Result<()> {
        let mut changed = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            let gradient = f(&entry.name, entry.gradient.as_ref())?;
            if let Some(gradient) = &gradient {
                check_like(gradient, &entry.parameter)
                    .map_err(|error| about(error, &entry.name))?;
            }
            changed.push(gradient.map(|gradient| gradient.detach()));
        }
        for (entry, gradient) in self.entries.iter_mut().zip(changed) {
            entry.gradient = gradient;
        }
        Ok(())
    }

    /// Adds other gradients by the same parameters, and their loss.
    ///
    /// # Errors
    /// [`Error::Range`] for gradients by other parameters; these are then as before.
    pub fn add(&mut self, other: &Gradients) -> Result<()> {
        let same = |(ours, theirs): (&Entry, &Entry)| ours.parameter.id() == theirs.parameter.id();
        let (count, others) = (self.entries.len(), other.entries.len());
        if count != others || !self.entries.iter().zip(&other.entries).all(same) {
            let given = format!("a list of gradients of length {others}");
            let accepted = format!("a list by the same parameters, of length {count}");
            return Err(Error::range("other", given, accepted));
        }
        let mut theirs = other.entries.iter();
        self.map(|_, ours| {
            let theirs = theirs.next().and_then(|entry| entry.gradient.as_ref());
            Ok(match (ours, theirs) {
                (Some(ours), Some(theirs)) => Some((ours + theirs)?),
                (ours, theirs) => ours.or(theirs).cloned(),
            })
        })?;
        self.loss += other.loss;
        Ok(())
    }

    /// Multiplies the gradients and the loss by a factor.
    ///
    /// # Errors
    /// [`Error::Range`] unless the factor is finite.
    pub fn scale(&mut self, factor: f64) -> Result<()> {
        check::finite_number("factor", factor)?;
        self.scale_tensors(factor)?;
        self.loss *= factor;
        Ok(())
    }

    /// Returns the Euclidean norm of all gradients together, computed in f64.
    ///
    /// # Errors
    /// Errors of candle.
    pub fn norm(&self) -> Result<f64> {
        update::norm(&self.iter().map(|(_, x)| x).collect::<Vec<_>>())
    }

    /// Scales all gradients by `max_norm / norm` if their norm is above `max_norm`, and returns the norm before
    /// scaling. The loss stays as it is. (PyTorch's `clip_grad_norm_` adds 1e-6 to the norm; this does not.)
    ///
    /// # Errors
    /// [`Error::Range`] unless `max_norm` is above 0; [`Error::Stopped`], naming a parameter, if the norm is NaN or infinite. The
    /// gradients are then as before.
    #[doc(alias = "clip_grad_norm_")]
    #[doc(alias = "gradient clipping")]
    pub fn clip_norm(&mut self, max_norm: f64) -> Result<f64> {
        check::positive("max_norm", max_norm)?;
        let norm = self.finite_norm()?;
        if norm > max_norm {
            self.scale_tensors(max_norm / norm)?;
        }
        Ok(norm)
    }

    /// Returns the gradients by variable, as candle's optimisers take them.
    pub fn to_store(&self) -> GradStore {
        let mut store = GradStore::default();
        for entry in &self.entries {
            if let Some(gradient) = &entry.gradient {
                store.insert(&entry.parameter, gradient.clone());
            }
        }
        store
    }

    /// The norm, if it is finite; what is wrong otherwise.
    pub(crate) fn finite_norm(&self) -> Result<f64> {
        let norm = self.norm()?;
        if norm.is_finite() {
            return Ok(norm);
        }
        let mut reason = format!("the gradient's norm is {norm}");
        for (name, gradient) in self.iter() {
            if !check::is_finite(gradient)? {
                reason += &format!(": the gradient by \"{name}\" is not finite");
                break;
            }
        }
        Err(Error::stopped("the gradients", reason))
    }

    /// The parameters, each with its gradient.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&Var, Option<&Tensor>)> {
        let entries = self.entries.iter();
        entries.map(|entry| (&entry.parameter, entry.gradient.as_ref()))
    }

    /// Replaces the value of the loss.
    pub(crate) fn set_loss(&mut self, loss: f64) {
        self.loss = loss;
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Leaves out the parameters that `left_out` says, by their names.
    pub(crate) fn without(&mut self, mut left_out: impl FnMut(&str) -> bool) {
        self.entries.retain(|entry| !left_out(&entry.name));
    }

    /// Brings gradients into the order and under the names of these parameters. Refuses those by other variables.
    pub(crate) fn arrange(&mut self, parameters: &[(String, Var)]) -> Result<()> {
        let same = |(entry, (name, var)): (&Entry, &(String, Var))| {
            entry.parameter.id() == var.id() && entry.name == *name
        };
        if self.entries.len() == parameters.len() && self.entries.iter().zip(parameters).all(same) {
            return Ok(());
        }
        let mut entries = Gradients::none(self.loss, parameters).entries;
        for entry in &self.entries {
            let id = entry.parameter.id();
            match entries.iter_mut().find(|other| other.parameter.id() == id) {
                Some(place) => place.gradient = entry.gradient.clone(),
                None => {
                    let given = format!("a gradient by \"{}\" of another store", entry.name);
                    let accepted = "a gradient by a parameter of the trainer's store";
                    return Err(Error::range("gradients", given, accepted));
                }
            }
        }
        self.entries = entries;
        Ok(())
    }

    fn scale_tensors(&mut self, factor: f64) -> Result<()> {
        self.map(|_, gradient| gradient.map(|x| update::scale(x, factor)).transpose())
    }
}

/// The dtype of a gradient by a parameter.
pub(crate) fn wide(dtype: DType) -> DType {
    match dtype {
        DType::F16 | DType::BF16 => DType::F32,
        other => other,
    }
}

/// Checks that a gradient is like its parameter, or in f32 for one of 16 bits.
fn check_like(gradient: &Tensor, parameter: &Var) -> Result<()> {
    if wide(parameter.dtype()) == parameter.dtype() {
        return check::alike("gradient", gradient, "the parameter", parameter);
    }
    if gradient.dtype() != DType::F32 {
        return Err(Error::dtype("gradient", gradient.dtype(), "f32"));
    }
    let device = parameter.device();
    check::same_device("gradient", gradient.device(), "the parameter", device)?;
    match gradient.dims() == parameter.dims() {
        true => Ok(()),
        false => {
            let accepted = format!("{:?}, as the parameter", parameter.dims());
            Err(Error::shape("gradient", gradient.dims(), accepted))
        }
    }
}

/// The value of a scalar loss.
pub(crate) fn loss_value(loss: &Tensor) -> Result<f64> {
    if loss.rank() != 0 {
        return Err(Error::shape("loss", loss.dims(), "a scalar"));
    }
    Ok(loss.to_dtype(DType::F64)?.to_scalar::<f64>()?)
}

/// The same error about an argument of another name.
fn about(error: Error, name: &str) -> Error {
    let argument = format!("the gradient by \"{name}\"").into();
    match error {
        Error::Shape {
            given, accepted, ..
        } => Error::Shape {
            argument,
            given,
            accepted,
        },
        Error::DType {
            given, accepted, ..
        } => Error::DType {
            argument,
            given,
            accepted,
        },
        other => other,
    }
}
