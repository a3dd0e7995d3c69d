//! Fields whose intermediate values the backward pass computes again (Chen et al. 2016, "Training deep nets with
//! sublinear memory cost").

use std::sync::Arc;

use advect_core::{Conditional, Field, Result, Time};
use advect_nn::ParameterStore;
use advect_ops::checkpointed;
use candle_core::Tensor;

/// A field whose evaluations keep only their arguments for the backward pass, which computes the intermediate values again. The values and
/// the gradients are those of the field.
///
/// It pays for losses of several evaluations, such as those along a simulated path: only one evaluation's insides are in memory
/// at a time, at the cost of another forward pass. A transformer does the same block by block
/// (`DiffusionTransformer::config(…).checkpointing(true)`).
///
/// ```
/// use advect_core::{Field, Key, Time};
/// use advect_models::Mlp;
/// use advect_nn::ParameterStore;
/// use advect_train::{Gradients, Recomputed};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let net = Mlp::config(2).hidden(&[8]).build(&store.builder())?;
/// let gradients = |field: &dyn Field| {
///     let mut x = Tensor::new(&[[0.5f64, -1.0]], &Device::Cpu)?;
///     for step in 0..4 {
///         x = (&x + (field.at(&Time::Shared(0.25 * step as f64), &x)? * 0.25)?)?;
///     }
///     Gradients::of(&x.sqr()?.sum_all()?, &store.parameters())
/// };
/// let expected = gradients(&net)?;
/// let again = gradients(&Recomputed::new(net, &store))?;
/// for (name, gradient) in again.iter() {
///     let difference = (gradient - expected.get(name).unwrap())?.abs()?.max_all()?;
///     assert!(difference.to_scalar::<f64>()? < 1e-14);
/// }
/// # Ok(())
/// # }
/// ```
#[doc(alias = "gradient checkpointing")]
#[doc(alias = "activation checkpointing")]
#[doc(alias = "remat")]
#[derive(Debug, Clone)]
pub struct Recomputed<F> {
    field: Arc<F>,
    parameters: Vec<Tensor>,
}

impl<F> Recomputed<F> {
    /// Wraps a field with the store of its parameters. All of these get a gradient, which is zero for those that the field does not use.
    pub fn new(field: F, store: &ParameterStore) -> Self {
        let parameters = store.vars().into_iter();
        Recomputed {
            field: Arc::new(field),
            parameters: parameters.map(|var| var.as_tensor().clone()).collect(),
        }
    }

    /// Evaluates `f(field, time, others)`, where a time in a tensor may have a gradient like the other arguments.
    fn evaluate(
        &self,
        t: &Time,
        others: &[&Tensor],
        f: impl Fn(&F, &Time, &[Tensor]) -> Result<Tensor> + Send + Sync + 'static,
    ) -> Result<Tensor>
    where
        F: Send + Sync + 'static,
    {
        let field = self.field.clone();
        match t.clone() {
            Time::Shared(t) => checkpointed(others, &self.parameters, move |others| {
                f(&field, &Time::Shared(t), others)
            }),
            Time::PerSample(t) => {
                let inputs: Vec<&Tensor> = [&t].into_iter().chain(others.iter().copied()).collect();
                checkpointed(&inputs, &self.parameters, move |inputs| match inputs {
                    [t, others @ ..] => f(&field, &Time::PerSample(t.clone()), others),
                    [] => f(&field, &Time::Shared(0.0), inputs),
                })
            }
        }
    }
}

impl<F: Field + Send + Sync + 'static> Field for Recomputed<F> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        self.evaluate(t, &[x], |field, t, others| field.at(t, &others[0]))
    }

    fn condition(&self) -> Option<&Tensor> {
        self.field.condition()
    }
}

impl<F: Conditional + Send + Sync + 'static> Conditional for Recomputed<F> {
    fn at_given(&self, t: &Time, x: &Tensor, condition: &Tensor) -> Result<Tensor> {
        if condition.dtype().is_float() {
            return self.evaluate(t, &[x, condition], |field, t, others| {
                field.at_given(t, &others[0], &others[1])
            });
        }
        // Labels are integers, which have no gradient.
        let labels = condition.clone();
        self.evaluate(t, &[x], move |field, t, others| {
            field.at_given(t, &others[0], &labels)
        })
    }

    fn no_condition(&self, x: &Tensor) -> Result<Tensor> {
        self.field.no_condition(x)
    }
}
