//! A multilayer perceptron as a field.

use advect_core::{Conditional, ConditionalJvp, Error, Field, Jvp, Result, Time, check};
use advect_ops::{Dual, Perceptron, Value, mlp_tangents};
use candle_core::Tensor;
use candle_nn::VarBuilder;

use crate::{Activation, ClassEmbedding, Cost, Linear, NoClass, TimeEmbedding};

/// What an [`Mlp`] looks like; made by [`Mlp::config`].
#[derive(Debug, Clone, PartialEq)]
pub struct MlpConfig {
    dim: usize,
    hidden: Vec<usize>,
    activation: Activation,
    time: TimeEmbedding,
    classes: usize,
}

/// A multilayer perceptron on `(t, x)`: a [`Field`] on states of `dim` numbers a sample, and, if it was
/// given classes, a [`Conditional`] one on class labels.
///
/// The features of time and class are appended to the state. Label `classes` is the one that means
/// "none"; evaluation as a plain [`Field`] uses it.
///
/// ```
/// use advect_core::{Conditional, Field, Key, Time};
/// use advect_models::{Activation, Mlp, ParameterStore};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let net = Mlp::config(64).hidden(&[128, 128]).classes(10).build(&store.builder())?;
/// let x = Tensor::zeros((3, 1, 8, 8), DType::F32, &Device::Cpu)?; // any shape of 64 numbers a sample
/// let labels = Tensor::new(&[7u32, 1, 10], &Device::Cpu)?;
/// let given = net.given(&labels).at(&Time::Shared(0.5), &x)?;
/// let plain = net.at(&Time::Shared(0.5), &x)?;
/// assert_eq!(given.dims(), [3, 1, 8, 8]);
/// let last = |y: &Tensor| Ok::<_, advect_core::Error>(y.get(2)?.flatten_all()?.to_vec1::<f32>()?);
/// assert_eq!(last(&given)?, last(&plain)?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Mlp {
    config: MlpConfig,
    classes: Option<ClassEmbedding>,
    perceptron: Perceptron,
}

impl MlpConfig {
    /// The widths of the hidden layers; three of 256 unless set.
    pub fn hidden(mut self, widths: &[usize]) -> Self {
        self.hidden = widths.to_vec();
        self
    }

    /// The activation after each hidden layer; SiLU unless set.
    pub fn activation(mut self, activation: Activation) -> Self {
        self.activation = activation;
        self
    }

    /// How the network is told the time; [`TimeEmbedding::Identity`] unless set.
    pub fn time(mut self, time: TimeEmbedding) -> Self {
        self.time = time;
        self
    }

    /// Conditions the network on labels in `0..classes`; label `classes` means "none".
    pub fn classes(mut self, classes: usize) -> Self {
        self.classes = classes;
        self
    }

    /// The width of a class's learned features.
    fn class_features(&self) -> usize {
        match self.classes {
            0 => 0,
            _ => self.hidden.first().copied().unwrap_or(self.dim).min(64),
        }
    }

    /// The network, with its parameters from a builder: `store.builder()` to train it,
    /// `store.frozen()` for a twin that samples.
    ///
    /// # Errors
    /// [`Error::Range`] for a dimension or width of 0; those of the builder.
    pub fn build(&self, builder: &VarBuilder<'_>) -> Result<Mlp> {
        check::at_least_one("dim", self.dim)?;
        self.time.check()?;
        for &width in &self.hidden {
            check::at_least_one("hidden", width)?;
        }
        let features = self.class_features();
        let classes = match self.classes {
            0 => None,
            classes => {
                let none = NoClass::Learned;
                let embedding = ClassEmbedding::new(classes, features, none, "classes", builder)?;
                Some(embedding)
            }
        };
        let mut layers = Vec::with_capacity(self.hidden.len() + 1);
        let mut inputs = (self.dim.saturating_add(self.time.dim())).saturating_add(features);
        for (i, &outputs) in self.hidden.iter().chain([&self.dim]).enumerate() {
            layers.push(Linear::new(
                inputs,
                outputs,
                &builder.pp(format!("layers.{i}")),
            )?);
            inputs = outputs;
        }
        let pairs = layers
            .iter()
            .map(|l: &Linear| (l.weight().clone(), l.bias().clone()));
        Ok(Mlp {
            perceptron: Perceptron::new(pairs.collect(), self.activation)?,
            config: self.clone(),
            classes,
        })
    }
}

impl Mlp {
    /// A configuration for states of `dim` numbers a sample, to be refined and then built.
    pub fn config(dim: usize) -> MlpConfig {
        MlpConfig {
            dim,
            hidden: vec![256; 3],
            activation: Activation::default(),
            time: TimeEmbedding::Identity,
            classes: 0,
        }
    }

    /// The same network on other parameters, such as averaged ones: those of a builder.
    ///
    /// # Errors
    /// Those of the builder.
    pub fn on(&self, builder: &VarBuilder<'_>) -> Result<Self> {
        self.config.build(builder)
    }

    /// The frozen twin: the same network, sharing storage, so that it sees later updates, but building
    /// no graph.
    pub fn frozen(&self) -> Self {
        Mlp {
            config: self.config.clone(),
            classes: self.classes.as_ref().map(ClassEmbedding::frozen),
            perceptron: self.perceptron.frozen(),
        }
    }

    /// The number of parameters, and of operations for a sample.
    pub fn cost(&self) -> Cost {
        let classes = self.classes.as_ref().map(ClassEmbedding::cost);
        let layers = self.perceptron.layers();
        let layers = layers.iter().map(|(weight, bias)| {
            let weights = weight.elem_count();
            Cost::of(weights + bias.elem_count(), weights, 1)
        });
        layers.fold(classes.unwrap_or_default(), |sum, layer| sum + layer)
    }

    /// The value at `(t, x)`, given the features of time and, if the network has classes, of class: `(batch, ...)`,
    /// or `(1, ...)` for the same in all rows.
    fn forward<V: Value>(&self, time: &V, x: &V, class: Option<&V>) -> Result<V> {
        let rows = self.rows(x)?;
        let y = match class {
            Some(class) => self.perceptron.apply(&[&rows, time, class])?,
            None => self.perceptron.apply(&[&rows, time])?,
        };
        let shape = x.primal().shape();
        if shape.rank() == 2 {
            return Ok(y);
        }
        y.map_linear(|y| Ok(y.reshape(shape)?))
    }

    /// The value and its derivatives along several directions of the state.
    fn forward_each(
        &self,
        time: &Tensor,
        x: &Tensor,
        class: Option<&Tensor>,
        dx: &[Tensor],
    ) -> Result<(Tensor, Vec<Tensor>)> {
        for dx in dx {
            check::alike("dx", dx, "x", x)?;
        }
        let rows = self.rows(x)?;
        let directions: Result<Vec<Tensor>> = dx.iter().map(|dx| self.rows(dx)).collect();
        let layers = self.perceptron.layers();
        let mut parts = vec![&rows, time];
        parts.extend(class);
        let (y, along) = mlp_tangents(&parts, &directions?, &layers, self.config.activation)?;
        let shaped = |y: Tensor| Ok(y.reshape(x.shape())?);
        let along: Result<Vec<Tensor>> = along.into_iter().map(shaped).collect();
        Ok((shaped(y)?, along?))
    }

    /// The features of the class that stands for none.
    fn no_class(&self) -> Result<Option<Tensor>> {
        let classes = self.classes.as_ref();
        classes.map(ClassEmbedding::of_none).transpose()
    }

    /// The features of each label.
    fn labelled(&self, x: &Tensor, labels: &Tensor) -> Result<Tensor> {
        ClassEmbedding::of_labels(self.classes.as_ref(), x, labels)
    }

    /// The state as rows of `dim` numbers.
    fn rows<V: Value>(&self, value: &V) -> Result<V> {
        let x = value.primal();
        let batch = check::batch("x", x)?;
        let dim = self.config.dim;
        if x.rank() < 2 || x.elem_count() != batch * dim {
            let accepted = format!("(batch, ...) with {dim} numbers a sample");
            return Err(Error::shape("x", x.dims(), accepted));
        }
        check::same_kind("x", x, "the network", self.perceptron.weight())?;
        if x.rank() == 2 {
            return Ok(value.clone());
        }
        value.map_linear(|x| Ok(x.reshape((batch, dim))?))
    }
}

impl Field for Mlp {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        let time = self.config.time.embed(t, x)?;
        self.forward(&time, x, self.no_class()?.as_ref())
    }
}

impl Jvp for Mlp {
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        let time = self.config.time.embed_dual(t, x, dt)?;
        let class = self.no_class()?.map(Dual::constant);
        let x = Dual::new(x.clone(), dx.clone())?;
        self.forward(&time, &x, class.as_ref())?.into_parts()
    }

    fn jvp_each(&self, t: &Time, x: &Tensor, dx: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)> {
        let time = self.config.time.embed(t, x)?;
        self.forward_each(&time, x, self.no_class()?.as_ref(), dx)
    }
}

impl Conditional for Mlp {
    /// The value given labels, `(batch,)` of u8, u32 or i64 in `0..=classes`.
    fn at_given(&self, t: &Time, x: &Tensor, labels: &Tensor) -> Result<Tensor> {
        let class = self.labelled(x, labels)?;
        let time = self.config.time.embed(t, x)?;
        self.forward(&time, x, Some(&class))
    }

    fn no_condition(&self, x: &Tensor) -> Result<Tensor> {
        ClassEmbedding::no_labels(self.classes.as_ref(), x)
    }
}

impl ConditionalJvp for Mlp {
    fn jvp_given(
        &self,
        t: &Time,
        x: &Tensor,
        labels: &Tensor,
        dt: f64,
        dx: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        let class = Dual::constant(self.labelled(x, labels)?);
        let time = self.config.time.embed_dual(t, x, dt)?;
        let x = Dual::new(x.clone(), dx.clone())?;
        self.forward(&time, &x, Some(&class))?.into_parts()
    }

    fn jvp_each_given(
        &self,
        t: &Time,
        x: &Tensor,
        labels: &Tensor,
        dx: &[Tensor],
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let class = self.labelled(x, labels)?;
        let time = self.config.time.embed(t, x)?;
        self.forward_each(&time, x, Some(&class), dx)
    }
}
