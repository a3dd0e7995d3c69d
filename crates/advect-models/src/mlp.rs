//! A multilayer perceptron as a field.

use std::sync::Arc;

use advect_core::{Error, Result, Time, check};
use advect_nn::{
    Activation, ClassEmbedding, Cost, Linear, Network, NoClass, TimeEmbedding, TimeFeatures,
    network_field,
};
use advect_ops::{Perceptron, Value, mlp_tangents};
use candle_core::{Shape, Tensor};
use candle_nn::VarBuilder;

/// The configuration of an [`Mlp`]; created by [`Mlp::config`].
#[derive(Debug, Clone)]
pub struct MlpConfig {
    dim: usize,
    outputs: Option<usize>,
    hidden: Vec<usize>,
    activation: Activation,
    time: Arc<dyn TimeFeatures>,
    classes: usize,
}

/// A multilayer perceptron on `(t, x)`: a [`Field`](advect_core::Field) on states of `dim` numbers per sample and, if
/// it has classes, a [`Conditional`](advect_core::Conditional) field on class labels.
///
/// The features of time and class are appended to the state. Label `classes` means "none"; evaluation as a plain field
/// uses it.
///
/// ```
/// use advect_core::{Conditional, Field, Key, Time};
/// use advect_models::Mlp;
/// use advect_nn::{Activation, ParameterStore};
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
#[doc(alias = "multilayer perceptron")]
#[doc(alias = "feed-forward")]
#[derive(Debug, Clone)]
pub struct Mlp {
    config: MlpConfig,
    classes: Option<ClassEmbedding>,
    perceptron: Perceptron,
}

impl MlpConfig {
    /// Sets the widths of the hidden layers; three of 256 by default.
    pub fn hidden(mut self, widths: &[usize]) -> Self {
        self.hidden = widths.to_vec();
        self
    }

    /// Sets the activation after each hidden layer; SiLU by default.
    pub fn activation(mut self, activation: Activation) -> Self {
        self.activation = activation;
        self
    }

    /// Sets the features of time: a [`TimeEmbedding`], or your own type; [`TimeEmbedding::Identity`] by default.
    pub fn time(mut self, time: impl TimeFeatures + 'static) -> Self {
        self.time = Arc::new(time);
        self
    }

    /// Sets the shape of the output to `(batch, outputs)`, independently of the state's, for a critic, a potential or
    /// an encoder. By default, it is shaped like the state, and the network is a field.
    ///
    /// ```
    /// use advect_core::{Key, Time};
    /// use advect_models::Mlp;
    /// use advect_nn::{Network, ParameterStore, TimeEmbedding};
    /// use candle_core::{DType, Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
    /// let critic = Mlp::config(64).outputs(1).time(TimeEmbedding::None).build(&store.builder())?;
    /// let x = Tensor::zeros((3, 1, 8, 8), DType::F32, &Device::Cpu)?;
    /// assert_eq!(critic.evaluate(&Time::Shared(0.0), &x, None)?.dims(), [3, 1]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn outputs(mut self, outputs: usize) -> Self {
        self.outputs = Some(outputs);
        self
    }

    /// Conditions the network on labels in `0..classes`; label `classes` means "none".
    /// Weights of the classes and of "none", `(batch, classes + 1)` in floats, may take the place of labels, see [`ClassEmbedding`](advect_nn::ClassEmbedding).
    #[doc(alias = "class-conditional")]
    #[doc(alias = "CFG")]
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

    /// Builds the network with parameters from a builder: `store.builder()` to train it, `store.frozen()` for a frozen
    /// twin that samples.
    ///
    /// # Errors
    /// [`Error::Range`] for a dimension or width of 0; errors of the builder.
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
        let last = check::at_least_one("outputs", self.outputs.unwrap_or(self.dim))?;
        for (i, &outputs) in self.hidden.iter().chain([&last]).enumerate() {
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
    /// Creates a configuration for states of `dim` numbers per sample.
    pub fn config(dim: usize) -> MlpConfig {
        MlpConfig {
            dim,
            outputs: None,
            hidden: vec![256; 3],
            activation: Activation::default(),
            time: Arc::new(TimeEmbedding::Identity),
            classes: 0,
        }
    }

    /// Returns the same network on the parameters of another builder, such as averaged ones.
    ///
    /// # Errors
    /// Errors of the builder.
    #[doc(alias = "EMA")]
    pub fn on(&self, builder: &VarBuilder<'_>) -> Result<Self> {
        self.config.build(builder)
    }

    /// Returns the cost: the number of parameters, and of operations for a sample.
    pub fn cost(&self) -> Cost {
        let classes = self.classes.as_ref().map(ClassEmbedding::cost);
        let layers = self.perceptron.layers();
        let layers = layers.iter().map(|(weight, bias)| {
            let weights = weight.elem_count();
            Cost::of(weights + bias.elem_count(), weights, 1)
        });
        layers.fold(classes.unwrap_or_default(), |sum, layer| sum + layer)
    }

    /// The state as rows of `dim` numbers.
    fn rows<V: Value>(&self, value: &V) -> Result<V> {
        let x = value.primal();
        let batch = check::batch("x", x)?;
        let dim = self.config.dim;
        if x.rank() < 2 || x.elem_count() != batch * dim {
            let accepted = format!("(batch, ...) with a sample size of {dim}");
            return Err(Error::shape("x", x.dims(), accepted));
        }
        check::same_kind("x", x, "the network", self.perceptron.weight())?;
        if x.rank() == 2 {
            return Ok(value.clone());
        }
        value.map_linear(|x| Ok(x.reshape((batch, dim))?))
    }

    /// The output for rows of numbers with the features of time, if the network has any; `like` is the state.
    fn output<V: Value>(
        &self,
        (rows, like): (&V, &Tensor),
        time: Option<&V>,
        labels: Option<&Tensor>,
    ) -> Result<V> {
        let class = ClassEmbedding::of(self.classes.as_ref(), like, labels)?.map(V::constant);
        let y = match (time, &class) {
            (None, None) => self.perceptron.apply(&[rows])?,
            (Some(one), None) | (None, Some(one)) => self.perceptron.apply(&[rows, one])?,
            (Some(time), Some(class)) => self.perceptron.apply(&[rows, time, class])?,
        };
        let shape = self.shape(like);
        match shape.rank() {
            2 => Ok(y),
            _ => y.map_linear(|y| Ok(y.reshape(&shape)?)),
        }
    }

    /// Whether the network has features of time.
    fn is_timed(&self) -> bool {
        self.config.time.dim() > 0
    }

    /// The shape of the output at states of a shape.
    fn shape(&self, x: &Tensor) -> Shape {
        match self.config.outputs {
            None => x.shape().clone(),
            Some(outputs) => (x.dims()[0], outputs).into(),
        }
    }
}

impl Network for Mlp {
    /// Returns the output given labels, `(batch,)` of u8, u32 or i64 in `0..=classes`, weights of classes and of none, `(batch, classes + 1)`, or none. It is shaped like x, or
    /// `(batch, outputs)` if [`outputs`](MlpConfig::outputs) is set.
    fn forward<V: Value>(&self, t: &V, x: &V, labels: Option<&Tensor>) -> Result<V> {
        let rows = self.rows(x)?;
        let embed = || self.config.time.embed(t, x.primal());
        let time = self.is_timed().then(embed).transpose()?;
        self.output((&rows, x.primal()), time.as_ref(), labels)
    }

    fn evaluate(&self, t: &Time, x: &Tensor, labels: Option<&Tensor>) -> Result<Tensor> {
        let rows = self.rows(x)?;
        if self.is_timed() {
            let time = self.config.time.at(t, x)?;
            return self.output((&rows, x), Some(&time), labels);
        }
        t.fits(x.dims()[0])?;
        if let Time::Shared(t) = t {
            check::finite_number("t", *t)?;
        }
        self.output((&rows, x), None, labels)
    }

    fn null_condition(&self, x: &Tensor) -> Result<Tensor> {
        ClassEmbedding::no_labels(self.classes.as_ref(), x)
    }

    fn forward_each(
        &self,
        t: &Tensor,
        x: &Tensor,
        labels: Option<&Tensor>,
        dx: &[Tensor],
    ) -> Result<(Tensor, Vec<Tensor>)> {
        for dx in dx {
            check::alike("dx", dx, "x", x)?;
        }
        let rows = self.rows(x)?;
        let directions: Result<Vec<Tensor>> = dx.iter().map(|dx| self.rows(dx)).collect();
        let embed = || self.config.time.embed(t, x);
        let time = self.is_timed().then(embed).transpose()?;
        let class = ClassEmbedding::of(self.classes.as_ref(), x, labels)?;
        let parts: Vec<&Tensor> = [Some(&rows), time.as_ref(), class.as_ref()]
            .into_iter()
            .flatten()
            .collect();
        let layers = self.perceptron.layers();
        let (y, along) = mlp_tangents(&parts, &directions?, &layers, self.config.activation)?;
        let shape = self.shape(x);
        let shaped = |y: Tensor| Ok(y.reshape(&shape)?);
        let along: Result<Vec<Tensor>> = along.into_iter().map(shaped).collect();
        Ok((shaped(y)?, along?))
    }
}
network_field!(Mlp);
